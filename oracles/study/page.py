"""The report of a study: tables and pictures, as one HTML page or as Markdown."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from oracles.study import charts
from oracles.study.plan import RULES, SMALLEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]

_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 sans-serif;max-width:56em;margin:2em auto;"
    "padding:0 1em;background:Canvas;color:CanvasText}table{border-collapse:collapse;width:100%;"
    "font-size:14px}td,th{padding:.25em .6em;border-bottom:1px solid GrayText;text-align:right;"
    "font-variant-numeric:tabular-nums}td:first-child,th:first-child{text-align:left}"
    "svg{margin:1.2em 0}.note{border:1px solid GrayText;padding:.2em 1em}"
    "@media print{body{max-width:none;margin:0}svg,table{break-inside:avoid}}"
)
_CHANGE = (
    f"A mean difference of H1, H2 or H3 below {SMALLEST} nats with an interval that excludes more.",
    "A primary that turns its sign under another seed of the worlds.",
    f"A submodular rule that buys data at least {SMALLEST} nats better for the same money.",
    "A provider's lie about its cost that gains under the clock: one is enough.",
)


def _range(found: Sequence[float]) -> str:
    return f"{found[0]:+.3f} ({found[1]:+.3f} to {found[2]:+.3f})"


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _of(result: dict[str, Any], regime: str) -> list[dict[str, Any]]:
    return [row for row in result["tables"]["rules"] if row["regime"] == regime]


def tables(result: dict[str, Any]) -> list[Table]:
    """Every table as (title, header, rows of text)."""
    found: list[Table] = [
        (
            "Primary hypotheses",
            ("hypothesis", "rule − Q-MIA, nats", "margin", "clusters", "p", "p, Holm", "verdict"),
            [
                [
                    row["hypothesis"],
                    _range(row["difference"]),
                    f"{row['margin']:.2f}",
                    str(row["clusters"]),
                    f"{row['p']:.3f}",
                    f"{row['p_holm']:.3f}",
                    row["verdict"],
                ]
                for row in result["tables"]["primaries"]
            ],
        )
    ]
    for regime, title in (("fixed", "Fixed compute"), ("one pass", "One pass")):
        found.append(
            (
                f"{title}: loss on part B by rule",
                ("rule", "loss", "rule − Q-MIA, nats", "Q-MIA better", "ties", "spent", "sets"),
                [
                    [
                        row["what"],
                        f"{row['loss']:.3f}",
                        _range(row["difference"]) if "difference" in row else "",
                        _share(row["qmia_better"]) if "qmia_better" in row else "",
                        _share(row["ties"]) if "ties" in row else "",
                        _share(row["spent"]),
                        f"{row['sets']:.1f}",
                    ]
                    for row in _of(result, regime)
                ],
            )
        )
    found.append(
        (
            "Money that Q-MIA needs for the loss of a rule with the largest budget",
            ("rule", "fixed compute", "one pass"),
            [
                [
                    RULES[rule],
                    *(_multiple(result, regime, rule) for regime in ("fixed", "one pass")),
                ]
                for rule in dict.fromkeys(r["rule"] for r in result["tables"]["multipliers"])
            ],
        )
    )
    found.append(
        (
            "Providers who choose how much to clean (H3)",
            ("rule", "effort", "sets", "spent", "equilibria", "fixed compute", "one pass"),
            [
                [
                    RULES[row["rule"]],
                    f"{row['effort']:.2f}",
                    f"{row['sets']:.1f}",
                    _share(row["spent"]),
                    f"{row['equilibria']} of {row['games']}",
                    *(
                        _range(row[f"difference, {regime}"])
                        if f"difference, {regime}" in row
                        else f"loss {row[f'loss, {regime}']:.3f}"
                        for regime in ("fixed", "one pass")
                    ),
                ]
                for row in result["tables"]["effort"]
            ],
        )
    )
    simulated = result["simulations"]
    over = simulated["overspending"]
    found.append(
        (
            "Algorithm 1 to the letter (H5)",
            ("markets", "overspends in", "mean spent", "most spent"),
            [
                [
                    str(len(over["ratios"])),
                    _share(over["share_over"]),
                    _share(over["mean"]),
                    _share(over["worst"]),
                ]
            ],
        )
    )
    found.append(
        (
            "Lies about cost (H7)",
            (
                "rule",
                "providers",
                "with a profitable lie",
                "largest gain",
                "mean gain",
                "overspent",
            ),
            [
                [
                    row["rule"],
                    str(row["providers"]),
                    str(row["with_a_profitable_lie"]),
                    f"{row['largest_gain_in_costs']:.2f} costs",
                    f"{row['mean_gain_in_costs']:.3f} costs",
                    str(row["overspent_markets"]),
                ]
                for row in simulated["cost_lies"]
            ],
        )
    )
    found.append(
        (
            "Liquidity and aversion to risk (H10)",
            ("aversion", "ρ", "worth of one unit", "break-even discount", "weight bought"),
            [
                [
                    f"{row['aversion']:g}",
                    f"{row['rho']:g}",
                    f"{row['rate']:.3f}",
                    _share(row["break_even_discount"]),
                    _share(row["weight_bought"]),
                ]
                for row in simulated["aversion"]
            ],
        )
    )
    found.append(
        (
            "Share of the fractional optimum (H14)",
            ("rule", "providers", "mean", "least", "markets"),
            [
                [
                    row["rule"],
                    str(row["providers"]),
                    _share(row["mean"]),
                    _share(row["least"]),
                    str(row["markets"]),
                ]
                for row in simulated["large_markets"]
            ],
        )
    )
    found.extend(
        (
            f"World {number}: providers",
            ("provider", "damage", "tokens", "q", "φ̂, fixed compute", "φ̂, one pass"),
            [
                [
                    p["name"],
                    p["damage"],
                    str(p["tokens"]),
                    str(p["q"]),
                    str(p["phi, fixed"]),
                    str(p["phi, one pass"]),
                ]
                for p in world["providers"]
            ],
        )
        for number, world in enumerate(result["worlds"])
    )
    return found


def _multiple(result: dict[str, Any], regime: str, rule: str) -> str:
    (row,) = [
        r for r in result["tables"]["multipliers"] if (r["regime"], r["rule"]) == (regime, rule)
    ]
    if row["share"] is None:
        return "more than 100 %"
    return ("at most " if row["at_most"] else "") + _share(row["share"])


def pictures(result: dict[str, Any]) -> list[str]:
    """All pictures, as SVG."""
    made, found = result["tables"], []
    names = {"fixed": "fixed compute", "one pass": "one pass"}
    for regime, name in names.items():
        curves: dict[str, list[tuple[float, float]]] = {}
        for row in made["budgets"]:
            if row["regime"] == regime:
                curves.setdefault(row["rule"], []).append((100 * row["budget"], row["loss"]))
        if len(result["plan"]["budgets"]) > 1:
            found.append(
                charts.lines(
                    f"Loss against budget, {name}", curves, "budget, % of all costs", "nats a token"
                )
            )
    for regime, name in names.items():
        rows = [
            (row["rule"], *row["difference"]) for row in _of(result, regime) if "difference" in row
        ]
        found.append(charts.forest(f"Loss less Q-MIA's, {name}: right is worse", rows, "nats"))
    for regime, name in names.items():
        needed = [
            (row["rule"], 100 * row["share"])
            for row in made["multipliers"]
            if row["regime"] == regime and row["share"] is not None
        ]
        found.append(
            charts.bars(f"Money Q-MIA needs for a rule's loss, {name}", needed, "% of its budget")
        )
    effort = made["effort"]
    found.append(
        charts.bars("Effort of who is bought", [(row["rule"], row["effort"]) for row in effort])
    )
    for regime, name in names.items():
        rows = [
            (row["rule"], *row[f"difference, {regime}"])
            for row in effort
            if f"difference, {regime}" in row
        ]
        found.append(charts.forest(f"Loss in equilibrium less Q-MIA's, {name}", rows, "nats"))
    simulated = result["simulations"]
    found.append(
        charts.histogram(
            "What Algorithm 1 spends, as a share of its budget",
            simulated["overspending"]["ratios"],
            1.0,
            "of the budget",
        )
    )
    found.append(
        charts.bars(
            "Providers with a profitable lie about cost",
            [
                (row["rule"], 100 * row["with_a_profitable_lie"] / row["providers"])
                for row in simulated["cost_lies"]
            ],
            "%",
        )
    )
    averse: dict[str, list[tuple[float, float]]] = {}
    for row in simulated["aversion"]:
        averse.setdefault(f"aversion {row['aversion']:g}", []).append(
            (row["rho"], 100 * row["weight_bought"])
        )
    found.append(charts.lines("Weight bought as ρ falls", averse, "ρ", "% of that at ρ = 1"))
    return found


def _head(result: dict[str, Any]) -> list[str]:
    plan = result["plan"]
    return [
        f"Profile {plan['profile']}, seed {plan['seed']}: {plan['worlds']} worlds of up to "
        f"{plan['providers']} providers, {plan['draws']} cost draws each, budgets of "
        f"{', '.join(_share(b) for b in plan['budgets'])} of all costs, {plan['steps']} steps at "
        f"fixed compute, {len(plan['truth_seeds'])} seed(s) of the outcome. Providers' texts have "
        f"{plan['characters']:,} characters on average.",
        f"Plan (SHA-256) {result['hash']}; purchases, frozen before any outcome was trained, "
        f"{result['purchases']}. Code of q: {result['versions']['q'][:16]}…; of φ̂: version "
        f"{result['versions']['phi']}.",
        "Loss is that of a model retrained on the seed corpus and on what a rule bought, on part B "
        "of the held-out set. φ̂, V̂ and early stopping see part A only. A difference above 0 means "
        "that Q-MIA is better. Intervals are 95 %, by a hierarchical bootstrap of worlds and cost "
        "draws; with few clusters they are too narrow, and no p-value is below 2 to the minus the "
        "number of clusters. Primary hypotheses were fixed in the plan; all else is exploratory.",
    ]


def html(result: dict[str, Any], notes: Sequence[str] = ()) -> str:
    """One self-contained page."""
    parts = [f"<p>{escape(text)}</p>" for text in (*_head(result), *notes)]
    for number, (title, header, rows) in enumerate(tables(result)):
        head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
        )
        parts.append(f"<h2>{escape(title)}</h2><table><tr>{head}</tr>{body}</table>")
        if number == 0:
            wishes = "".join(f"<li>{escape(text)}</li>" for text in _CHANGE)
            parts.append(
                f'<div class="note"><h2>What would change our mind</h2><ul>{wishes}</ul></div>'
            )
    parts.append("<h2>Pictures</h2>" + "".join(pictures(result)))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width"><title>Does the auction buy better data?</title>'
        f"<style>{_STYLE}</style><h1>Does the auction buy better data?</h1>"
        + "".join(parts)
        + "</html>\n"
    )


def markdown(result: dict[str, Any], notes: Sequence[str] = ()) -> str:
    """The same head and tables for `docs/study.md`."""
    lines = [
        "# Does the auction buy better data?",
        "",
        "Written by `qmia study report --markdown`, remarks by `--note`; do not edit. To run it on "
        "your own texts:",
        "",
        "```sh",
        "qmia study run providers/*.jsonl --seed-corpus seed.jsonl \\",
        f"  --evaluation evaluation.jsonl --folder study --profile {result['plan']['profile']}",
        "qmia study report --folder study --page study.html",
        "```",
        "",
        "`python benchmarks/impact/texts.py FOLDER` writes the texts used here.",
    ]
    for text in (*_head(result), *notes):
        lines += ["", text]
    for number, (title, header, rows) in enumerate(tables(result)):
        lines += ["", f"## {title}", "", "| " + " | ".join(header) + " |"]
        lines.append("|" + " --- |" * len(header))
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        if number == 0:
            lines += ["", "## What would change our mind", "", *(f"- {text}" for text in _CHANGE)]
    return "\n".join(lines) + "\n"
