"""Every number of the page, from the outcomes of a run."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.study.plan import PRIMARIES, RULES, SMALLEST
from oracles.study.statistics import holm, interval, p_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oracles.study.plan import Plan


def differences(
    markets: Sequence[dict[str, Any]], regime: str, rule: str, budgets: Sequence[float] = ()
) -> dict[tuple[int, int], list[float]]:
    """Loss under a rule less that under Q-MIA, by (world, draw)."""
    found: dict[tuple[int, int], list[float]] = {}
    for row in markets:
        if row["regime"] == regime and (not budgets or row["budget"] in budgets):
            found.setdefault((row["world"], row["draw"]), []).append(
                row["loss"][rule] - row["loss"]["qmia"]
            )
    return found


def effort_differences(
    games: Sequence[dict[str, Any]], regime: str, rule: str
) -> dict[tuple[int, int], list[float]]:
    """Loss in equilibrium under a rule less that under Q-MIA, by (world, draw)."""
    by_rule = {(g["world"], g["draw"], g["rule"]): g["loss"][regime] for g in games}
    return {
        (world, draw): [loss - by_rule[world, draw, "qmia"]]
        for (world, draw, name), loss in by_rule.items()
        if name == rule
    }


def _compared(markets: Sequence[dict[str, Any]], plan: Plan) -> list[dict[str, Any]]:
    rows = []
    for regime in ("fixed", "one pass"):
        chosen = [row for row in markets if row["regime"] == regime]
        for rule in plan.rules:
            gain = [row["loss"]["nothing"] - row["loss"][rule] for row in chosen]
            entry: dict[str, Any] = {
                "regime": regime,
                "rule": rule,
                "what": RULES[rule],
                "loss": float(np.mean([row["loss"][rule] for row in chosen])),
                "gain": float(np.mean(gain)),
                "spent": float(
                    np.mean([sum(r["paid"][rule].values()) / r["tokens_of_money"] for r in chosen])
                ),
                "sets": float(np.mean([len(row["paid"][rule]) for row in chosen])),
            }
            if rule != "qmia":
                clusters = differences(markets, regime, rule)
                each = [value for values in clusters.values() for value in values]
                entry["difference"] = interval(clusters, plan.resamples)
                entry["qmia_better"] = float(np.mean(np.array(each) > 0))
                entry["ties"] = float(np.mean(np.array(each) == 0))
            rows.append(entry)
    return rows


def _by_budget(markets: Sequence[dict[str, Any]], plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "regime": regime,
            "rule": rule,
            "budget": budget,
            "loss": float(
                np.mean(
                    [
                        row["loss"][rule]
                        for row in markets
                        if row["regime"] == regime and row["budget"] == budget
                    ]
                )
            ),
        }
        for regime in ("fixed", "one pass")
        for rule in plan.rules
        for budget in plan.budgets
    ]


def multipliers(curves: Sequence[dict[str, Any]], plan: Plan) -> list[dict[str, Any]]:
    """What share of a rule's largest budget Q-MIA needs for the same mean loss.

    Read off straight lines between the budgets; None where Q-MIA never reaches that loss, and at
    most the smallest budget where it is better there already (`at_most`).
    """
    rows = []
    top = max(plan.budgets)
    for regime in ("fixed", "one pass"):
        mine = sorted(
            (c["budget"], c["loss"]) for c in curves if (c["regime"], c["rule"]) == (regime, "qmia")
        )
        for rule in plan.rules[1:]:
            (goal,) = [
                c["loss"]
                for c in curves
                if (c["regime"], c["rule"], c["budget"]) == (regime, rule, top)
            ]
            needed: float | None = None
            if mine[0][1] <= goal:
                needed = mine[0][0]
            else:
                for (b0, l0), (b1, l1) in pairwise(mine):
                    if l1 <= goal < l0:
                        needed = b0 + (b1 - b0) * (l0 - goal) / (l0 - l1)
                        break
            rows.append(
                {
                    "regime": regime,
                    "rule": rule,
                    "share": None if needed is None else needed / top,
                    "at_most": mine[0][1] <= goal,
                }
            )
    return rows


def _effort(games: Sequence[dict[str, Any]], plan: Plan) -> list[dict[str, Any]]:
    rows = []
    for rule in dict.fromkeys(game["rule"] for game in games):
        mine = [game for game in games if game["rule"] == rule]
        entry: dict[str, Any] = {
            "rule": rule,
            "effort": float(np.mean([game["effort"] for game in mine])),
            "sets": float(np.mean([game["bought"] for game in mine])),
            "spent": float(np.mean([game["spent"] for game in mine])),
            "equilibria": sum(game["equilibrium"] for game in mine),
            "games": len(mine),
        }
        for regime in ("fixed", "one pass"):
            entry[f"loss, {regime}"] = float(np.mean([game["loss"][regime] for game in mine]))
            if rule != "qmia":
                entry[f"difference, {regime}"] = interval(
                    effort_differences(games, regime, rule), plan.resamples
                )
        rows.append(entry)
    return rows


def _primaries(result: dict[str, Any], plan: Plan) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, regime, budgets, rule, margin in PRIMARIES:
        if regime == "effort":
            clusters = effort_differences(result["games"], "fixed", rule)
        else:
            used = tuple(b for b in budgets if b in plan.budgets)
            clusters = differences(result["markets"], regime, rule, used)
        rows.append(
            {
                "hypothesis": name,
                "difference": interval(clusters, plan.resamples),
                "margin": margin,
                "clusters": len(clusters),
                "p": p_value(clusters, margin, plan.resamples),
            }
        )
    for row, adjusted in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = adjusted
        low, high = row["difference"][1:]
        row["verdict"] = (
            "supported"
            if adjusted <= 0.05 and low > -row["margin"]
            else "contradicted"
            if high < -row["margin"]
            else "undecided"
        )
        row["larger_than_smallest"] = row["difference"][0] >= SMALLEST
    return rows


def make(result: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """All tables of the page."""
    curves = _by_budget(result["markets"], plan)
    return {
        "primaries": _primaries(result, plan),
        "rules": _compared(result["markets"], plan),
        "budgets": curves,
        "multipliers": multipliers(curves, plan),
        "effort": _effort(result["games"], plan),
    }
