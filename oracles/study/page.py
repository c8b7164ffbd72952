"""The report of a study: tables and pictures, as one HTML page or as Markdown."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from oracles.study import charts
from oracles.study.plan import RULES, SMALLEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]

_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;"
    "padding:0 1em;background:Canvas;color:CanvasText}table{border-collapse:collapse;width:100%;"
    "font-size:14px}td,th{padding:.25em .6em;border-bottom:1px solid GrayText;text-align:right;"
    "font-variant-numeric:tabular-nums}td:first-child,th:first-child{text-align:left}"
    "svg{margin:1.2em 0;max-width:48em;display:block}"
    ".note{border:1px solid GrayText;padding:.2em 1em}.wide{overflow-x:auto}"
    "code{overflow-wrap:anywhere}"
    "@media print{body{max-width:none;margin:0;font-size:11pt}table{font-size:8.5pt}"
    "svg,table,tr,.note{break-inside:avoid}h2{break-after:avoid}}"
)
_CHANGE = (
    f"A mean difference of H1, H2 or H3 below {SMALLEST} nats with an interval that excludes more.",
    "A primary that turns its sign under another seed of the worlds.",
    f"A submodular rule that buys data at least {SMALLEST} nats better for the same money.",
    "A provider's lie about its cost that gains under the clock: one is enough.",
)
_NAMES = {"fixed": "fixed compute", "one pass": "one pass"}
#: Rules in pictures.
_SHORT = {
    "qmia": "Q-MIA",
    "volume": "raw tokens",
    "distinct": "new tokens",
    "eligible": "eligible tokens",
    "trust": "trust, one price",
    "trust-token": "trust, price a token",
    "hindsight": "trust, hindsight price",
    "uniform": "same price for all",
    "random": "random order",
    "impact": "φ̂ alone",
    "quality": "q alone",
    "sqrt": "√(q·φ̂)",
    "marginal": "marginal clock",
    "submodular": "submodular greedy",
    "guessing": "guessing clock",
    "design": "experimental design",
    "prune": "prune-and-split",
    "lot": "split by lot",
    "large": "large markets",
    "tranche": "tranche of 20 %",
    "optimum": "costs known",
}


def _range(found: Sequence[float | None] | None, digits: int = 3) -> str:
    if found is None or found[0] is None:
        return "–"
    point = f"{found[0]:+.{digits}f}"
    if found[1] is None or found[2] is None:
        return point
    return f"{point} ({found[1]:+.{digits}f} to {found[2]:+.{digits}f})"


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 0.0001 else "< 0.0001"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _of(result: Mapping[str, Any], regime: str) -> list[dict[str, Any]]:
    return [row for row in result["tables"]["rules"] if row["regime"] == regime]


def summary(result: Mapping[str, Any]) -> list[str]:
    """What the tables say, for and against, in sentences."""
    made = result["tables"]
    verdicts = {
        verdict: [r["hypothesis"] for r in made["primaries"] if r["verdict"] == verdict]
        for verdict in ("supported", "contradicted", "undecided")
    }
    counts = ", ".join(f"{len(names)} {verdict}" for verdict, names in verdicts.items())
    found = [f"Primary hypotheses: {counts}."]
    found += [
        f"{verdict.capitalize()}: {'; '.join(names)}."
        for verdict, names in verdicts.items()
        if names
    ]
    for regime, name in _NAMES.items():
        rows = [row for row in _of(result, regime) if "difference" in row]
        for what, chosen in (
            ("better", [r for r in rows if (r["difference"][2] or 0) < 0]),
            ("worse", [r for r in rows if (r["difference"][1] or 0) > 0]),
        ):
            listed = ", ".join(f"{_SHORT[r['rule']]} ({r['difference'][0]:+.3f})" for r in chosen)
            found.append(
                f"With {name}, rules that bought {what} data than Q-MIA with an interval that "
                f"excludes 0: {listed or 'none'}."
            )
    for word in ("failed", "undecided"):
        listed = ", ".join(r["key"] for r in made["secondaries"] if r["verdict"] == word)
        found.append(
            f"Expectations that {'are ' if word == 'undecided' else ''}{word}: {listed or 'none'}."
        )
    return found


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Every table as (title, header, rows of text)."""
    return [*_trained(result), *_mapped(result), *_simulated(result), *_worlds(result)]


def _trained(result: Mapping[str, Any]) -> Iterator[Table]:
    made = result["tables"]
    yield (
        "Primary hypotheses",
        ("hypothesis", "rule − Q-MIA, nats", "margin", "worlds", "p", "p, Holm", "verdict"),
        [
            [
                row["hypothesis"],
                _range(row["difference"]),
                f"{row['margin']:.2f}",
                str(row["worlds"]),
                _p(row["p"]),
                _p(row["p_holm"]),
                row["verdict"],
            ]
            for row in made["primaries"]
        ],
    )
    yield (
        "Expectations stated beforehand",
        ("", "expectation", "found", "verdict"),
        [[r["key"], r["expectation"], r["figure"], r["verdict"]] for r in made["secondaries"]],
    )
    for regime, name in _NAMES.items():
        rows = _of(result, regime)
        reference = next(row["gain"] for row in rows if row["rule"] == "qmia")
        yield (
            f"{name.capitalize()}: loss on part B by rule",
            (
                "rule",
                "loss",
                "rule − Q-MIA, nats",
                "gain, Q-MIA = 100 %",
                "Q-MIA better",
                "ties",
                "spent",
                "sets",
                "damaged",
            ),
            [
                [
                    row["what"],
                    f"{row['loss']:.3f}",
                    _range(row["difference"]) if "difference" in row else "",
                    _share(row["gain"] / reference if reference > 0 else None),
                    _share(row["qmia_better"]) if "qmia_better" in row else "",
                    _share(row["ties"]) if "ties" in row else "",
                    _share(row["spent"]),
                    f"{row['sets']:.1f}",
                    _share(row["damaged"]),
                ]
                for row in rows
            ],
        )
    yield (
        "Fixed compute: rule − Q-MIA by what costs follow and by budget",
        ("rule", "costs", "budget", "rule − Q-MIA, nats"),
        [
            [RULES[r["rule"]], r["costs"], _share(r["budget"]), _range(r["difference"])]
            for r in made["costs"]
        ],
    )
    budgets = sorted({row["budget"] for row in made["budgets"]})
    yield (
        "Loss by budget",
        ("rule", "regime", *map(_share, budgets)),
        [
            [
                RULES[rule],
                name,
                *(
                    f"{found[budget]:.3f}" if budget in found else ""
                    for found in [
                        {
                            r["budget"]: r["loss"]
                            for r in made["budgets"]
                            if (r["regime"], r["rule"]) == (regime, rule)
                        }
                    ]
                    for budget in budgets
                ),
            ]
            for regime, name in _NAMES.items()
            for rule in dict.fromkeys(r["rule"] for r in made["budgets"])
        ],
    )
    yield (
        "Money that Q-MIA needs for the loss of a rule with the largest budget",
        (
            "rule",
            *(f"{name}{more}" for name in _NAMES.values() for more in ("", ", any world out")),
        ),
        [
            [RULES[rule], *(c for regime in _NAMES for c in _multiple(result, regime, rule))]
            for rule in dict.fromkeys(r["rule"] for r in made["multipliers"])
        ],
    )
    yield (
        "Providers who choose how much to clean (H3)",
        ("rule", "effort", "sets", "spent", "equilibria", *_NAMES.values()),
        [
            [
                RULES[row["rule"]],
                f"{row['effort'][0]:.2f}"
                if row["effort"][1] is None
                else f"{row['effort'][0]:.2f} ({row['effort'][1]:.2f} to {row['effort'][2]:.2f})",
                f"{row['sets']:.1f}",
                _share(row["spent"]),
                f"{row['equilibria']} of {row['games']}",
                *(
                    _range(row[f"difference, {regime}"])
                    if f"difference, {regime}" in row
                    else f"loss {row[f'loss, {regime}']:.3f}"
                    for regime in _NAMES
                ),
            ]
            for row in made["effort"]
        ],
    )
    if made["attacks"]:
        yield (
            "Lies about data (H8): attacker's profit and buyer's loss, against honesty",
            (
                "attack",
                "markets",
                "honest profit",
                "profit",
                "gain, % of the budget",
                "change of loss, nats",
                "both",
            ),
            [
                [
                    row["attack"],
                    str(row["markets"]),
                    f"{100 * row['honest_profit']:.1f} %",
                    f"{100 * row['profit']:.1f} %",
                    _range([None if v is None else 100 * v for v in row["gain"]], 1),
                    _range(row["loss"]),
                    str(row["both"]),
                ]
                for row in made["attacks"]
            ],
        )
    if made["tranche"]:
        yield (
            "A fifth of the budget for the under-served (H11), fixed compute",
            ("rule", "their share of tokens", "loss − Q-MIA's", "loss on their domains − Q-MIA's"),
            [
                [
                    RULES[row["rule"]],
                    _share(row["tokens"]),
                    _range(row["difference"]),
                    _range(row["difference, their domains"]),
                ]
                for row in made["tranche"]
            ],
        )
    rules = [
        rule
        for rule in ("nothing", "qmia", "volume", "trust", "quality", "optimum")
        if rule in made["domains"][0]["loss"]
    ]
    yield (
        "Loss by source of the held-out text, fixed compute",
        ("source", *("nothing bought" if r == "nothing" else _SHORT[r] for r in rules)),
        [
            [row["domain"], *(f"{row['loss'][rule]:.3f}" for rule in rules)]
            for row in made["domains"]
        ],
    )


def _mapped(result: Mapping[str, Any]) -> Iterator[Table]:
    maps = result["maps"]
    values = sorted({row["gamma"] for row in maps["exponents"]})
    by = {(row["eta"], row["gamma"]): row["gain"] for row in maps["exponents"]}
    yield (
        "Estimated gain of w = q^η · φ̂^γ, nats (exploratory)",
        ("η", *(f"γ = {gamma:g}" for gamma in values)),
        [[f"{eta:g}", *(f"{by[eta, gamma]:.3f}" for gamma in values)] for eta in values],
    )
    yield (
        "Estimated gain by family of weights (H6, exploratory)",
        ("weights", "gain, nats"),
        [[row["family"], f"{row['gain']:.3f}"] for row in maps["families"]],
    )
    yield (
        "Noise in φ̂ (H12): estimated gain (exploratory)",
        ("what", "value", "gain, nats", "of that with all seeds"),
        [
            [row["what"], row["value"], f"{row['gain']:.3f}", _share(row["share"])]
            for row in maps["noise"]
        ],
    )
    yield (
        "Correlation of cost and worth (H13): estimated gain (exploratory)",
        ("correlation", "Q-MIA, nats", "volume-only, nats", "ahead"),
        [
            [
                f"{row['correlation']:+.1f}",
                f"{row['qmia']:.3f}",
                f"{row['volume']:.3f}",
                f"{row['qmia'] - row['volume']:+.3f}",
            ]
            for row in maps["correlation"]
        ],
    )
    yield (
        "Estimated gain as ρ falls, every provider with its own aversion (H10, exploratory)",
        ("ρ", "gain, nats", "sets"),
        [
            [f"{row['rho']:g}", f"{row['gain']:.3f}", f"{row['sets']:.1f}"]
            for row in maps["liquidity"]
        ],
    )
    over = maps["literal"]
    yield (
        "Algorithm 1 to the letter in these markets (H5, exploratory)",
        (
            "markets",
            "overspends in",
            "mean spent",
            "most spent",
            "gain, nats",
            "clock's gain",
            "clock's gain with that money",
        ),
        [
            [
                str(over["markets"]),
                _share(over["share_over"]),
                _share(over["mean"]),
                _share(over["worst"]),
                f"{over['gain']:.3f}",
                f"{over['clock']:.3f}",
                f"{over['clock_same_money']:.3f}",
            ]
        ],
    )
    yield (
        "Does the sum of weights rank what is bought? Spearman's correlation with the gain",
        ("world", "sets", "Σ influence", "Σ q·φ̂", "Σ tokens", "surface, R² left out", "V̂, R²"),
        [
            [
                str(number),
                str(world["surface"]["sets"]),
                *(
                    "–" if value is None else f"{value:.2f}"
                    for value in (
                        world["surface"]["rank_correlation"][what]
                        for what in ("influence", "weight", "tokens")
                    )
                ),
                f"{world['surface']['r2']:.2f}",
                f"{world['surrogate_r2']['fixed']:.2f}",
            ]
            for number, world in enumerate(result["worlds"])
        ],
    )


def _simulated(result: Mapping[str, Any]) -> Iterator[Table]:
    simulated = result["simulations"]
    over = simulated["overspending"]
    yield (
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
    yield (
        "Lies about cost (H7)",
        ("rule", "providers", "with a profitable lie", "largest gain", "mean gain", "overspent"),
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
    yield (
        "Coalitions of 12 providers under the clock (H9)",
        (
            "members",
            "coalitions",
            "all members gain",
            "gain with side payments",
            "largest such gain",
            "gain by withholding",
            "largest such gain",
            "above the bound",
        ),
        [
            [
                str(row["members"]),
                str(row["coalitions"]),
                str(row["all_gain"]),
                str(row["gain_together"]),
                f"{row['largest_sum_in_costs']:.2f} costs",
                str(row["withholding_gains"]),
                f"{100 * row['largest_withholding_in_budget']:.1f} % of the budget",
                str(row["above_the_bound"]),
            ]
            for row in simulated["coalitions"]
        ],
    )
    yield (
        "Winners' utility by ρ and θ = c / (q·φ̂), shares of the budget (§8.3)",
        ("θ", "ρ", "the paper's u(ρ)", "as shipped, MUT at face"),
        [
            [row["theta"], f"{row['rho']:g}", f"{row['paper']:.3f}", f"{row['shipped']:.3f}"]
            for row in simulated["preferences"]
        ],
    )
    yield (
        "Liquidity and aversion to risk (H10, §8.6)",
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
    yield (
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


def _worlds(result: Mapping[str, Any]) -> Iterator[Table]:
    for number, world in enumerate(result["worlds"]):
        yield (
            f"World {number}: providers",
            (
                "provider",
                "damage",
                "tokens",
                "q",
                "influence ± error, millinats",
                "φ̂, fixed compute",
                "φ̂, one pass",
            ),
            [
                [
                    p["name"] + (" *" if p["name"] in world["flagged"] else ""),
                    p["damage"],
                    str(p["tokens"]),
                    str(p["q"]),
                    f"{1000 * p['influence']:.1f} ± {1000 * p['error']:.1f}",
                    str(p["phi, fixed"]),
                    str(p["phi, one pass"]),
                ]
                for p in world["providers"]
            ],
        )


def _multiple(result: Mapping[str, Any], regime: str, rule: str) -> tuple[str, str]:
    (row,) = [
        r for r in result["tables"]["multipliers"] if (r["regime"], r["rule"]) == (regime, rule)
    ]
    more = "more than 100 %"
    whole = (
        more if row["share"] is None else ("≤ " if row["at_most"] else "") + _share(row["share"])
    )
    if row["least"] is None:
        return whole, "–" if row["most"] is None and row["share"] is not None else more
    upper = more if row["most"] is None else _share(row["most"])
    return whole, f"{_share(row['least'])} to {upper}"


def pictures(result: Mapping[str, Any]) -> list[str]:
    """All pictures, as SVG."""
    return [*_trained_pictures(result), *_other_pictures(result)]


def _trained_pictures(result: Mapping[str, Any]) -> Iterator[str]:
    made = result["tables"]
    for regime, name in _NAMES.items():
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
                curves.setdefault(_SHORT[row["rule"]], []).append(
                    (100 * row["budget"], row["loss"])
                )
        yield charts.lines(
            f"Loss against budget, {name}", curves, "budget, % of all costs", "nats a token"
        )
    for regime, name in _NAMES.items():
        yield charts.forest(
            f"Loss less Q-MIA's, {name}: right of 0 is worse than Q-MIA",
            [
                (_SHORT[r["rule"]], *r["difference"])
                for r in _of(result, regime)
                if "difference" in r
            ],
            "nats a token",
        )
    for regime, name in _NAMES.items():
        yield charts.forest(
            f"Money Q-MIA needs for a rule's loss, {name}: % of that rule's budget",
            [
                (
                    _SHORT[r["rule"]],
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
        [(_SHORT[r["rule"]], *r["effort"]) for r in made["effort"]],
        "1 is full cleaning",
    )
    for regime, name in _NAMES.items():
        yield charts.forest(
            f"Loss in equilibrium less Q-MIA's, {name}",
            [
                (_SHORT[r["rule"]], *r[f"difference, {regime}"])
                for r in made["effort"]
                if f"difference, {regime}" in r
            ],
            "nats a token",
        )


def _other_pictures(result: Mapping[str, Any]) -> Iterator[str]:
    simulated, maps = result["simulations"], result["maps"]
    yield charts.grid(
        "Estimated gain by exponents of q and φ̂",
        {(r["gamma"], r["eta"]): r["gain"] for r in maps["exponents"]},
        "γ",
        "η",
        "nats a token",
    )
    yield charts.lines(
        "Estimated gain as good data become dearer",
        {
            "Q-MIA": [(r["correlation"], r["qmia"]) for r in maps["correlation"]],
            "raw tokens": [(r["correlation"], r["volume"]) for r in maps["correlation"]],
        },
        "correlation of cost and worth",
        "nats a token",
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


def _versions(found: Mapping[str, Any]) -> str:
    text = f"Code of q: {found['q'][:16]}…; of φ̂: version {found['phi']}"
    method = found.get("phi_parameters")
    return f"{text}, order {method['order']:g}, m {method['m']:g}." if method else f"{text}."


def _head(result: Mapping[str, Any]) -> list[str]:
    plan = result["plan"]
    run, planned = len(result["worlds"]), plan["worlds"]
    worlds = (
        f"all {planned} planned worlds"
        if run == planned
        else f"the first {run} of {planned} planned worlds; the run was stopped or goes on, and "
        "worlds are run in order so that no result decides which are left out"
    )
    return [
        f"Profile {plan['profile']}, seed {plan['seed']}, {worlds}. A world has up to "
        f"{plan['providers']} providers with {plan['characters']:,} characters on average, "
        f"{_share(plan['damaged'])} of them damaged, and {plan['draws']} cost draws. Budgets are "
        f"{', '.join(_share(b) for b in plan['budgets'])} of all costs. A training at fixed "
        f"compute has {plan['steps']} steps; the outcome has {len(plan['truth_seeds'])} seed(s).",
        f"Plan (SHA-256) {result['hash']}, registered before anything was trained; purchases, "
        f"frozen world by world before their outcomes were trained, {result['purchases']}. "
        f"{_versions(result['versions'])}",
        "Loss is that of a model retrained on the seed corpus and on what a rule bought, on part "
        "B of the held-out set. φ̂, V̂ and early stopping see part A only. A difference above 0 "
        "means that Q-MIA is better. Intervals are 95 % by Student's t over worlds (over cost "
        "draws where there is one world), and primaries are tested together by Holm's method at "
        "5 %. What is neither a primary nor an expectation stated beforehand is exploratory.",
        "Limits: worlds share their sources, the held-out text, one small model and one seed of "
        "the outcome; intervals cover the draw of providers, documents, damage and costs, and "
        "nothing else.",
        *result.get("notes", ()),
    ]


def html(result: Mapping[str, Any]) -> str:
    """One self-contained page."""
    parts = [f"<p>{escape(text)}</p>" for text in _head(result)]
    said = "".join(f"<li>{escape(text)}</li>" for text in summary(result))
    parts.append(f'<div class="note"><h2>In short</h2><ul>{said}</ul></div>')
    drawn = [f"<figure>{picture}</figure>" for picture in pictures(result)]
    for number, (title, header, rows) in enumerate(tables(result)):
        head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
        )
        parts.append(
            f'<h2>{escape(title)}</h2><div class="wide"><table><tr>{head}</tr>{body}</table></div>'
        )
        if number == 0:
            wishes = "".join(f"<li>{escape(text)}</li>" for text in _CHANGE)
            parts.append(
                f'<div class="note"><h2>What would change our mind</h2><ul>{wishes}</ul></div>'
                "<h2>Pictures</h2>" + "".join(drawn)
            )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width"><title>Does the auction buy better data?</title>'
        f"<style>{_STYLE}figure{{margin:0}}</style><h1>Does the auction buy better data?</h1>"
        + "".join(parts)
        + "</html>\n"
    )


def markdown(result: Mapping[str, Any]) -> str:
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
    for text in _head(result):
        lines += ["", text]
    lines += ["", "## In short", "", *(f"- {text}" for text in summary(result))]
    for number, (title, header, rows) in enumerate(tables(result)):
        lines += ["", f"## {title}", "", "| " + " | ".join(header) + " |"]
        lines.append("|" + " --- |" * len(header))
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        if number == 0:
            lines += ["", "## What would change our mind", "", *(f"- {text}" for text in _CHANGE)]
    return "\n".join(lines) + "\n"
