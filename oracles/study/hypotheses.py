"""What was stated before the run, judged: the primary hypotheses and the other expectations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from oracles.study.plan import PRIMARIES, SECONDARIES, SMALLEST
from oracles.study.statistics import (
    differences,
    effort_differences,
    holm,
    interval,
    p_value,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from oracles.study.plan import Plan
    from oracles.study.statistics import Clusters

    #: Whether it held, None where the data do not decide; and the figure that decides.
    Judgement = tuple[bool | None, str]

#: Rules under which a lie about costs may gain, as the study expects.
_NOT_TRUTHFUL: Final = ("pay as bid", "pay by value", "price best in hindsight")


def primaries(result: Mapping[str, Any], plan: Plan) -> list[dict[str, Any]]:
    """The primary hypotheses with their verdicts, tested together.

    Args:
        result: rows of all finished worlds.
        plan: of the study.
    """
    rows: list[dict[str, Any]] = []
    for name, regime, budgets, rule, margin in PRIMARIES:
        if regime == "effort":
            clusters = effort_differences(result["games"], "fixed", rule)
        else:
            clusters = differences(result["markets"], regime, rule, budgets or plan.budgets)
        rows.append(
            {
                "hypothesis": name,
                "difference": interval(clusters),
                "margin": margin,
                "worlds": len({world for world, _ in clusters}),
                "p": p_value(clusters, margin),
            }
        )
    for row, adjusted in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = adjusted
        _, low, high = row["difference"]
        row["verdict"] = (
            "supported"
            if adjusted <= 0.05
            else "contradicted"
            if high is not None and high < -row["margin"]
            else "undecided"
        )
        row["larger_than_smallest"] = low is not None and low >= SMALLEST
    return rows


def secondaries(result: Mapping[str, Any], plan: Plan) -> list[dict[str, Any]]:
    """Each expectation with the figure that it is judged by: held, failed or undecided.

    Args:
        result: rows of all finished worlds, with `maps`, and the tables that are made of them.
        plan: of the study; what it does not run is not judged.
    """
    made = result["tables"]
    evidence = Evidence(result, plan)
    asked = {
        "H1b": plan.curve,
        "H2b": "hindsight" in plan.rules,
        "H8": made["attacks"],
        "H11": made["tranche"],
        "H12": len(plan.phi_seeds) > 1,
    }
    rows = []
    for key, text in SECONDARIES.items():
        held, figure = None, "not asked in this profile"
        if asked.get(key, True):
            held, figure = _JUDGES[key](evidence)
        verdict = "undecided" if held is None else "held" if held else "failed"
        rows.append({"key": key, "expectation": text, "figure": figure, "verdict": verdict})
    return rows


@dataclass(frozen=True, slots=True)
class Evidence:
    """What expectations are judged by.

    Attributes:
        result: rows, maps, simulations and tables of a study.
        plan: of the study.
    """

    result: Mapping[str, Any]
    plan: Plan

    @property
    def tables(self) -> Mapping[str, Any]:
        """Those that are made already, by name."""
        tables: Mapping[str, Any] = self.result["tables"]
        return tables

    @property
    def simulations(self) -> Mapping[str, Any]:
        """Rows of the simulated markets, by name."""
        simulations: Mapping[str, Any] = self.result["simulations"]
        return simulations

    def fixed(self, rule: str, budgets: tuple[float, ...] = ()) -> Clusters:
        """Loss under a rule less that under Q-MIA, at fixed compute."""
        return differences(self.result["markets"], "fixed", rule, budgets or self.plan.budgets)


def _text(mean: float, low: float, high: float) -> str:
    return f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"


def _equal(clusters: Clusters) -> Judgement:
    """Whether a difference is smaller than what matters."""
    mean, low, high = interval(clusters)
    if low is None or high is None:
        return None, f"{mean:+.3f}"
    text = _text(mean, low, high)
    if low > -SMALLEST and high < SMALLEST:
        return True, text
    return (False if low > SMALLEST or high < -SMALLEST else None), text


def _above(clusters: Clusters, least: float) -> Judgement:
    """Whether a difference is at least so large."""
    mean, low, high = interval(clusters)
    if low is None or high is None:
        return None, f"{mean:+.3f}"
    text = _text(mean, low, high)
    if low >= least:
        return True, text
    return (False if high < least else None), text


def _cleaning(found: Evidence) -> Judgement:
    effort = {row["rule"]: row["effort"][0] for row in found.tables["effort"]}
    held = effort["qmia"] >= 0.9 and effort["volume"] <= 0.1
    return held, f"{effort['qmia']:.2f} and {effort['volume']:.2f}"


def _one_pass_in_equilibrium(found: Evidence) -> Judgement:
    volume = effort_differences(found.result["games"], "one pass", "volume")
    return _above({key: [-value for value in values] for key, values in volume.items()}, 0.0)


def _overspending(found: Evidence) -> Judgement:
    share = found.simulations["overspending"]["share_over"]
    return share >= 0.85, f"{100 * share:.0f} %"


def _lies_about_cost(found: Evidence) -> Judgement:
    gain = {row["rule"]: row["with_a_profitable_lie"] for row in found.simulations["cost_lies"]}
    truthful = [name for name in gain if name not in _NOT_TRUTHFUL]
    held = (
        all(gain[name] == 0 for name in truthful)
        and gain["pay as bid"] > 0
        and gain["pay by value"] > 0
    )
    return held, f"{sum(gain[name] for name in truthful)} under {len(truthful)} truthful rules"


def _lies_about_data(found: Evidence) -> Judgement:
    attacks = found.tables["attacks"]
    hit, tried = sum(row["both"] for row in attacks), sum(row["markets"] for row in attacks)
    return hit == 0, f"{hit} of {tried} attacked markets"


def _joint_lies(found: Evidence) -> Judgement:
    rows = found.simulations["coalitions"]
    held = all(row["all_gain"] == 0 for row in rows) and any(row["gain_together"] for row in rows)
    members, together, tried = (
        sum(row[name] for row in rows) for name in ("all_gain", "gain_together", "coalitions")
    )
    return held, f"{members} and {together} of {tried}"


def _aversion(found: Evidence) -> Judgement:
    averse = [row for row in found.simulations["aversion"] if row["aversion"] > 0]
    held = all(row["weight_bought"] <= 1 for row in averse) and all(
        row["rate"] < 1 for row in averse if row["rho"] < 1
    )
    return held, f"{100 * min(row['weight_bought'] for row in averse):.0f} % bought at the least"


def _tranche(found: Evidence) -> Judgement:
    by_rule = {row["rule"]: row for row in found.tables["tranche"]}
    more = by_rule["tranche"]["tokens"] - by_rule["qmia"]["tokens"]
    price = by_rule["tranche"]["difference"][0]
    return more > 0, f"{100 * more:+.0f} % of tokens, loss {price:+.3f}"


def _one_seed(found: Evidence) -> Judgement:
    noise = found.result["maps"]["noise"]
    alone = [row["share"] for row in noise if row["what"] == "one seed alone"]
    if None in alone:
        return False, "nothing was gained with all seeds"
    lost = 1 - float(np.mean(alone))
    return lost <= 0.02, f"{100 * lost:.1f} %"


def _cheap_good_data(found: Evidence) -> Judgement:
    rows = found.result["maps"]["correlation"]
    correlations, ahead = (
        [row["correlation"] for row in rows],
        np.array([row["ahead_by_world"] for row in rows]),
    )
    slopes = [float(np.polyfit(correlations, world, 1)[0]) for world in ahead.T]
    held, text = _above({(world, 0): [-slope] for world, slope in enumerate(slopes)}, 0.0)
    return held, f"{text} nats for one unit of correlation"


def _near_the_optimum(found: Evidence) -> Judgement:
    shares = [
        row["mean"]
        for row in found.simulations["large_markets"]
        if row["rule"] == "clock" and row["providers"] >= 16
    ]
    low, high = min(shares), max(shares)
    return low >= 0.70 and high <= 0.79, f"{100 * low:.0f} to {100 * high:.0f} %"


#: How each expectation of the plan is judged.
_JUDGES: Final[dict[str, Callable[[Evidence], Judgement]]] = {
    "H1b": lambda found: _equal(found.fixed("volume", (0.1,))),
    "H2b": lambda found: _equal(found.fixed("hindsight")),
    "H3b": _cleaning,
    "H3c": _one_pass_in_equilibrium,
    "H5": _overspending,
    "H6a": lambda found: _above(found.fixed("quality"), SMALLEST),
    "H6b": lambda found: _equal(found.fixed("impact")),
    "H7": _lies_about_cost,
    "H8": _lies_about_data,
    "H9": _joint_lies,
    "H10": _aversion,
    "H11": _tranche,
    "H12": _one_seed,
    "H13": _cheap_good_data,
    "H14": _near_the_optimum,
}
