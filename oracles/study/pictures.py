"""The pictures of a study's report, as SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oracles.study import charts
from oracles.study.cells import REGIMES, SHORT, rules_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def pictures(result: Mapping[str, Any]) -> list[str]:
    """All pictures, as SVG."""
    return [*_trained_pictures(result), *_other_pictures(result)]


def _trained_pictures(result: Mapping[str, Any]) -> Iterator[str]:
    made = result["tables"]
    for regime, name in REGIMES.items():
        curves: dict[str, list[tuple[float, float]]] = {}
        for row in made["budgets"]:
            if row["regime"] == regime and row["rule"] in (
                "qmia",
                "volume",
                "trust",
                "trust-token",
                "quality",
                "marginal",
                "optimum",
            ):
                curves.setdefault(SHORT[row["rule"]], []).append((100 * row["budget"], row["loss"]))
        yield charts.lines(
            f"Loss against budget, {name}", curves, "budget, % of all costs", "nats per token"
        )
    for regime, name in REGIMES.items():
        yield charts.forest(
            f"Loss less Q-MIA's, {name}: right of 0 is worse than Q-MIA",
            [
                (SHORT[r["rule"]], *r["difference"])
                for r in rules_in(result, regime)
                if "difference" in r
            ],
            "nats per token",
        )
    for regime, name in REGIMES.items():
        yield charts.forest(
            f"Money Q-MIA needs for a rule's loss, {name}: % of that rule's budget",
            [
                (
                    SHORT[r["rule"]],
                    100 * r["share"],
                    None if r["least"] is None or r["most"] is None else 100 * r["least"],
                    None if r["least"] is None or r["most"] is None else 100 * r["most"],
                )
                for r in made["multipliers"]
                if r["regime"] == regime and r["share"] is not None
            ]
            or [("none: always more than 100", 100.0, None, None)],
            "%; whiskers leave out any one world",
        )
    yield charts.forest(
        "Effort of who is bought",
        [(SHORT[r["rule"]], *r["effort"]) for r in made["effort"]],
        "1 is full cleaning",
    )
    for regime, name in REGIMES.items():
        yield charts.forest(
            f"Loss in equilibrium less Q-MIA's, {name}",
            [
                (SHORT[r["rule"]], *r[f"difference, {regime}"])
                for r in made["effort"]
                if f"difference, {regime}" in r
            ],
            "nats per token",
        )


def _other_pictures(result: Mapping[str, Any]) -> Iterator[str]:
    simulated, maps = result["simulations"], result["maps"]
    yield charts.grid(
        "Estimated gain by exponents of q and φ̂",
        {(r["gamma"], r["eta"]): r["gain"] for r in maps["exponents"]},
        "γ",
        "η",
        "nats per token",
    )
    yield charts.lines(
        "Estimated gain as good data become dearer",
        {
            "Q-MIA": [(r["correlation"], r["qmia"]) for r in maps["correlation"]],
            "raw tokens": [(r["correlation"], r["volume"]) for r in maps["correlation"]],
        },
        "correlation of cost and worth",
        "nats per token",
    )
    yield charts.histogram(
        "What Algorithm 1 spends, as a share of its budget",
        simulated["overspending"]["ratios"],
        1.0,
        "of the budget",
    )
    yield charts.bars(
        "Providers with a profitable lie about cost",
        [
            (row["rule"], 100 * row["with_a_profitable_lie"] / row["providers"])
            for row in simulated["cost_lies"]
        ],
        "%",
    )
    for title, column, unit in (
        ("Weight bought as ρ falls", "weight_bought", "% of that at ρ = 1"),
        ("Discount at which a MUT breaks even", "break_even_discount", "% off face value"),
    ):
        averse: dict[str, list[tuple[float, float]]] = {}
        for row in simulated["aversion"]:
            if column == "weight_bought" or row["rho"] < 1:
                averse.setdefault(f"aversion {row['aversion']:g}", []).append(
                    (row["rho"], 100 * row[column])
                )
        yield charts.lines(title, averse, "ρ", unit)
    utility: dict[str, list[tuple[float, float]]] = {}
    for row in simulated["preferences"]:
        utility.setdefault(f"{row['theta']} θ", []).append((row["rho"], row["paper"]))
        utility.setdefault(f"{row['theta']} θ, shipped", []).append((row["rho"], row["shipped"]))
    yield charts.lines(
        "Winners' utility by ρ: the paper's u(ρ), and as shipped",
        dict(sorted(utility.items(), key=lambda item: "shipped" in item[0])),
        "ρ",
        "share of the budget",
    )
    shares: dict[str, list[tuple[float, float]]] = {}
    for row in simulated["large_markets"]:
        shares.setdefault(row["rule"], []).append((row["providers"], 100 * row["mean"]))
    yield charts.lines(
        "Share of the fractional optimum",
        shares,
        "providers",
        "%",
        logarithmic=True,
        marks=((50.0, "the clock's bound, large markets"), (63.2, "1 − 1/e")),
    )
