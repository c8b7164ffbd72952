"""The tables of a study's report as text, one function each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oracles.study.cells import REGIMES, SHORT, interval, probability, rules_in, share, table
from oracles.study.plan import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from oracles.study.cells import Column, Row, Table


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Every table of the report, in its order.

    Args:
        result: of a study, with its tables made (`oracles.study.tables.make`).
    """
    made, maps, simulated = result["tables"], result["maps"], result["simulations"]
    return [
        _primaries(made),
        _expectations(made),
        *(_rules(result, regime) for regime in REGIMES),
        _costs(made),
        _budgets(made),
        _money(made),
        _effort(made),
        *([_attacks(made)] if made["attacks"] else []),
        *([_tranche(made)] if made["tranche"] else []),
        _domains(made),
        _exponents(maps),
        _families(maps),
        _noise(maps),
        _correlation(maps),
        _liquidity(maps),
        _literal_in_worlds(maps),
        _ranks(result),
        _literal(simulated),
        _cost_lies(simulated),
        _coalitions(simulated),
        _preferences(simulated),
        _aversion(simulated),
        _large_markets(simulated),
        *(_providers(number, world) for number, world in enumerate(result["worlds"])),
    ]


# CELLS


def _text(name: str) -> Callable[[Row], str]:
    return lambda row: str(row[name])


def _digits(name: str, digits: int = 3) -> Callable[[Row], str]:
    return lambda row: f"{row[name]:.{digits}f}"


def _plain(name: str) -> Callable[[Row], str]:
    return lambda row: f"{row[name]:g}"


def _share(name: str) -> Callable[[Row], str]:
    return lambda row: share(row[name])


def _interval(name: str) -> Callable[[Row], str]:
    return lambda row: interval(row[name])


def _rule(row: Row) -> str:
    return RULES[row["rule"]]


# TRAINED MODELS


def _primaries(made: Row) -> Table:
    return table(
        "Primary hypotheses",
        made["primaries"],
        [
            ("hypothesis", _text("hypothesis")),
            ("rule − Q-MIA, nats", _interval("difference")),
            ("margin", _digits("margin", 2)),
            ("worlds", _text("worlds")),
            ("p", lambda row: probability(row["p"])),
            ("p, Holm", lambda row: probability(row["p_holm"])),
            ("verdict", _text("verdict")),
        ],
    )


def _expectations(made: Row) -> Table:
    return table(
        "Expectations stated beforehand",
        made["secondaries"],
        [
            ("", _text("key")),
            ("expectation", _text("expectation")),
            ("found", _text("figure")),
            ("verdict", _text("verdict")),
        ],
    )


def _rules(result: Mapping[str, Any], regime: str) -> Table:
    rows = rules_in(result, regime)
    reference = next(row["gain"] for row in rows if row["rule"] == "qmia")

    def compared(name: str, cell: Callable[[Any], str]) -> Callable[[Row], str]:
        """Q-MIA itself is compared with nothing."""
        return lambda row: cell(row[name]) if name in row else ""

    return table(
        f"{REGIMES[regime].capitalize()}: loss on part B by rule",
        rows,
        [
            ("rule", _text("what")),
            ("loss", _digits("loss")),
            ("rule − Q-MIA, nats", compared("difference", interval)),
            (
                "gain, Q-MIA = 100 %",
                lambda row: share(row["gain"] / reference if reference > 0 else None),
            ),
            ("Q-MIA better", compared("qmia_better", share)),
            ("ties", compared("ties", share)),
            ("spent", _share("spent")),
            ("sets", _digits("sets", 1)),
            ("damaged", _share("damaged")),
        ],
    )


def _costs(made: Row) -> Table:
    return table(
        "Fixed compute: rule − Q-MIA by what costs follow and by budget",
        made["costs"],
        [
            ("rule", _rule),
            ("costs", _text("costs")),
            ("budget", _share("budget")),
            ("rule − Q-MIA, nats", _interval("difference")),
        ],
    )


def _budgets(made: Row) -> Table:
    losses = {(r["regime"], r["rule"], r["budget"]): r["loss"] for r in made["budgets"]}
    lines = [
        {"regime": regime, "rule": rule}
        for regime in REGIMES
        for rule in dict.fromkeys(row["rule"] for row in made["budgets"])
    ]

    def loss_at(budget: float) -> Column:
        def cell(row: Row) -> str:
            loss = losses.get((row["regime"], row["rule"], budget))
            return "" if loss is None else f"{loss:.3f}"

        return share(budget), cell

    return table(
        "Loss by budget",
        lines,
        [
            ("rule", _rule),
            ("regime", lambda row: REGIMES[row["regime"]]),
            *(loss_at(budget) for budget in sorted({row["budget"] for row in made["budgets"]})),
        ],
    )


def _money(made: Row) -> Table:
    multipliers = {(row["regime"], row["rule"]): row for row in made["multipliers"]}

    def needed(regime: str) -> list[Column]:
        return [
            (REGIMES[regime], lambda row: _needed(multipliers[regime, row["rule"]])),
            (
                f"{REGIMES[regime]}, any world out",
                lambda row: _needed_without_a_world(multipliers[regime, row["rule"]]),
            ),
        ]

    return table(
        "Money that Q-MIA needs for the loss of a rule with the largest budget",
        [{"rule": rule} for rule in dict.fromkeys(row["rule"] for row in made["multipliers"])],
        [("rule", _rule), *(column for regime in REGIMES for column in needed(regime))],
    )


_MORE = "more than 100 %"


def _needed(found: Row) -> str:
    if found["share"] is None:
        return _MORE
    return ("≤ " if found["at_most"] else "") + share(found["share"])


def _needed_without_a_world(found: Row) -> str:
    if found["least"] is None:
        return "–" if found["most"] is None and found["share"] is not None else _MORE
    upper = _MORE if found["most"] is None else share(found["most"])
    return f"{share(found['least'])} to {upper}"


def _effort(made: Row) -> Table:
    def effort(row: Row) -> str:
        mean, low, high = row["effort"]
        return f"{mean:.2f}" if low is None else f"{mean:.2f} ({low:.2f} to {high:.2f})"

    def outcome(regime: str) -> Column:
        def cell(row: Row) -> str:
            if f"difference, {regime}" in row:
                return interval(row[f"difference, {regime}"])
            return f"loss {row[f'loss, {regime}']:.3f}"

        return REGIMES[regime], cell

    return table(
        "Providers who choose how much to clean (H3)",
        made["effort"],
        [
            ("rule", _rule),
            ("effort", effort),
            ("sets", _digits("sets", 1)),
            ("spent", _share("spent")),
            ("equilibria", lambda row: f"{row['equilibria']} of {row['games']}"),
            *(outcome(regime) for regime in REGIMES),
        ],
    )


def _attacks(made: Row) -> Table:
    def gain(row: Row) -> str:
        return interval([None if value is None else 100 * value for value in row["gain"]], 1)

    return table(
        "Lies about data (H8): attacker's profit and buyer's loss, against honesty",
        made["attacks"],
        [
            ("attack", _text("attack")),
            ("markets", _text("markets")),
            ("honest profit", lambda row: f"{100 * row['honest_profit']:.1f} %"),
            ("profit", lambda row: f"{100 * row['profit']:.1f} %"),
            ("gain, % of the budget", gain),
            ("change of loss, nats", _interval("loss")),
            ("both", _text("both")),
        ],
    )


def _tranche(made: Row) -> Table:
    return table(
        "A fifth of the budget for the under-served (H11), fixed compute",
        made["tranche"],
        [
            ("rule", _rule),
            ("their share of tokens", _share("tokens")),
            ("loss − Q-MIA's", _interval("difference")),
            ("loss on their domains − Q-MIA's", _interval("difference, their domains")),
        ],
    )


def _domains(made: Row) -> Table:
    def loss_under(rule: str) -> Column:
        head = "nothing bought" if rule == "nothing" else SHORT[rule]
        return head, lambda row: f"{row['loss'][rule]:.3f}"

    return table(
        "Loss by source of the held-out text, fixed compute",
        made["domains"],
        [
            ("source", _text("domain")),
            *(
                loss_under(rule)
                for rule in ("nothing", "qmia", "volume", "trust", "quality", "optimum")
                if rule in made["domains"][0]["loss"]
            ),
        ],
    )


# ESTIMATED GAINS


def _exponents(maps: Row) -> Table:
    gain = {(row["eta"], row["gamma"]): row["gain"] for row in maps["exponents"]}
    values = sorted({row["gamma"] for row in maps["exponents"]})

    def gain_at(gamma: float) -> Column:
        return f"γ = {gamma:g}", lambda row: f"{gain[row['eta'], gamma]:.3f}"

    return table(
        "Estimated gain of w = q^η · φ̂^γ, nats (exploratory)",
        [{"eta": eta} for eta in values],
        [("η", _plain("eta")), *(gain_at(gamma) for gamma in values)],
    )


def _families(maps: Row) -> Table:
    return table(
        "Estimated gain by family of weights (H6, exploratory)",
        maps["families"],
        [("weights", _text("family")), ("gain, nats", _digits("gain"))],
    )


def _noise(maps: Row) -> Table:
    return table(
        "Noise in φ̂ (H12): estimated gain (exploratory)",
        maps["noise"],
        [
            ("what", _text("what")),
            ("value", _text("value")),
            ("gain, nats", _digits("gain")),
            ("of that with all seeds", _share("share")),
        ],
    )


def _correlation(maps: Row) -> Table:
    return table(
        "Correlation of cost and worth (H13): estimated gain (exploratory)",
        maps["correlation"],
        [
            ("correlation", lambda row: f"{row['correlation']:+.1f}"),
            ("Q-MIA, nats", _digits("qmia")),
            ("volume-only, nats", _digits("volume")),
            ("ahead", lambda row: f"{row['qmia'] - row['volume']:+.3f}"),
        ],
    )


def _liquidity(maps: Row) -> Table:
    return table(
        "Estimated gain as ρ falls, every provider with its own aversion (H10, exploratory)",
        maps["liquidity"],
        [("ρ", _plain("rho")), ("gain, nats", _digits("gain")), ("sets", _digits("sets", 1))],
    )


#: What Algorithm 1 of the paper spends.
_OVERSPENDING: list[Column] = [
    ("overspends in", _share("share_over")),
    ("mean spent", _share("mean")),
    ("most spent", _share("worst")),
]


def _literal_in_worlds(maps: Row) -> Table:
    return table(
        "Algorithm 1 to the letter in these markets (H5, exploratory)",
        [maps["literal"]],
        [
            ("markets", _text("markets")),
            *_OVERSPENDING,
            ("gain, nats", _digits("gain")),
            ("clock's gain", _digits("clock")),
            ("clock's gain with that money", _digits("clock_same_money")),
        ],
    )


def _ranks(result: Mapping[str, Any]) -> Table:
    def rank(what: str) -> Callable[[Row], str]:
        def cell(row: Row) -> str:
            value = row["surface"]["rank_correlation"][what]
            return "–" if value is None else f"{value:.2f}"

        return cell

    return table(
        "Does the sum of weights rank what is bought? Spearman's correlation with the gain",
        [{**world, "number": number} for number, world in enumerate(result["worlds"])],
        [
            ("world", _text("number")),
            ("sets", lambda row: str(row["surface"]["sets"])),
            ("Σ influence", rank("influence")),
            ("Σ q·φ̂", rank("weight")),
            ("Σ tokens", rank("tokens")),
            ("surface, R² left out", lambda row: f"{row['surface']['r2']:.2f}"),
            ("V̂, R²", lambda row: f"{row['surrogate_r2']['fixed']:.2f}"),
        ],
    )


# SIMULATED MARKETS


def _literal(simulated: Row) -> Table:
    return table(
        "Algorithm 1 to the letter (H5)",
        [simulated["overspending"]],
        [("markets", lambda row: str(len(row["ratios"]))), *_OVERSPENDING],
    )


def _cost_lies(simulated: Row) -> Table:
    return table(
        "Lies about cost (H7)",
        simulated["cost_lies"],
        [
            ("rule", _text("rule")),
            ("providers", _text("providers")),
            ("with a profitable lie", _text("with_a_profitable_lie")),
            ("largest gain", lambda row: f"{row['largest_gain_in_costs']:.2f} costs"),
            ("mean gain", lambda row: f"{row['mean_gain_in_costs']:.3f} costs"),
            ("overspent", _text("overspent_markets")),
        ],
    )


def _coalitions(simulated: Row) -> Table:
    def withheld(row: Row) -> str:
        return f"{100 * row['largest_withholding_in_budget']:.1f} % of the budget"

    return table(
        "Coalitions of 12 providers under the clock (H9)",
        simulated["coalitions"],
        [
            ("members", _text("members")),
            ("coalitions", _text("coalitions")),
            ("all members gain", _text("all_gain")),
            ("gain with side payments", _text("gain_together")),
            ("largest such gain", lambda row: f"{row['largest_sum_in_costs']:.2f} costs"),
            ("gain by withholding", _text("withholding_gains")),
            ("largest such gain", withheld),
            ("above the bound", _text("above_the_bound")),
        ],
    )


def _preferences(simulated: Row) -> Table:
    return table(
        "Winners' utility by ρ and θ = c / (q·φ̂), shares of the budget (§8.3)",
        simulated["preferences"],
        [
            ("θ", _text("theta")),
            ("ρ", _plain("rho")),
            ("the paper's u(ρ)", _digits("paper")),
            ("as shipped, MUT at face", _digits("shipped")),
        ],
    )


def _aversion(simulated: Row) -> Table:
    return table(
        "Liquidity and aversion to risk (H10, §8.6)",
        simulated["aversion"],
        [
            ("aversion", _plain("aversion")),
            ("ρ", _plain("rho")),
            ("worth of one unit", _digits("rate")),
            ("break-even discount", _share("break_even_discount")),
            ("weight bought", _share("weight_bought")),
        ],
    )


def _large_markets(simulated: Row) -> Table:
    return table(
        "Share of the fractional optimum (H14)",
        simulated["large_markets"],
        [
            ("rule", _text("rule")),
            ("providers", _text("providers")),
            ("mean", _share("mean")),
            ("least", _share("least")),
            ("markets", _text("markets")),
        ],
    )


# WORLDS


def _providers(number: int, world: Row) -> Table:
    def name(row: Row) -> str:
        return str(row["name"]) + (" *" if row["name"] in world["flagged"] else "")

    def influence(row: Row) -> str:
        return f"{1000 * row['influence']:.1f} ± {1000 * row['error']:.1f}"

    return table(
        f"World {number}: providers",
        world["providers"],
        [
            ("provider", name),
            ("damage", _text("damage")),
            ("tokens", _text("tokens")),
            ("q", _text("q")),
            ("influence ± error, millinats", influence),
            ("φ̂, fixed compute", _text("phi, fixed")),
            ("φ̂, one pass", _text("phi, one pass")),
        ],
    )
