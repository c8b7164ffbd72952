"""Every number of the page, from the outcomes of a run."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.study.hypotheses import primaries, secondaries
from oracles.study.plan import RULES, SMALLEST
from oracles.study.statistics import differences, effort_differences, interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oracles.study.plan import Plan
    from oracles.study.statistics import Rows

    Differences = dict[tuple[int, int], list[float]]

_REGIMES = ("fixed", "one pass")
#: Parts of a result that tables are made from; pages need the tables alone.
ROWS = ("markets", "games", "attacks")


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _compared(markets: Rows, worlds: Rows, plan: Plan) -> list[dict[str, Any]]:
    rows = []
    damaged = [{k for k, p in enumerate(w["providers"]) if p["damage"] != "none"} for w in worlds]
    tokens = [[p["tokens"] for p in world["providers"]] for world in worlds]
    for regime in _REGIMES:
        chosen = [r for r in markets if r["regime"] == regime and r["budget"] in plan.budgets]
        for rule in plan.rules:
            bad = []
            for row in chosen:
                bought = [int(place) for place in row["paid"][rule]]
                sizes = tokens[row["world"]]
                whole = sum(sizes[k] for k in bought)
                if whole:
                    bad.append(sum(sizes[k] for k in bought if k in damaged[row["world"]]) / whole)
            entry: dict[str, Any] = {
                "regime": regime,
                "rule": rule,
                "what": RULES[rule],
                "loss": _mean([row["loss"][rule] for row in chosen]),
                "gain": _mean([row["loss"]["nothing"] - row["loss"][rule] for row in chosen]),
                "spent": _mean(
                    [sum(r["paid"][rule].values()) / r["tokens_of_money"] for r in chosen]
                ),
                "sets": _mean([len(row["paid"][rule]) for row in chosen]),
                "damaged": _mean(bad) if bad else 0.0,
            }
            if rule != "qmia":
                clusters = differences(markets, regime, rule, plan.budgets)
                each = np.array([value for values in clusters.values() for value in values])
                entry["difference"] = interval(clusters)
                entry["qmia_better"] = float(np.mean(each > 0))
                entry["ties"] = float(np.mean(each == 0))
            rows.append(entry)
    return rows


def _by_budget(markets: Rows, plan: Plan) -> list[dict[str, Any]]:
    rows = []
    for regime in _REGIMES:
        for rule in plan.rules:
            for budget in sorted({*plan.budgets, *plan.curve}):
                losses = [
                    row["loss"][rule]
                    for row in markets
                    if row["regime"] == regime and row["budget"] == budget and rule in row["loss"]
                ]
                if losses:
                    rows.append(
                        {"regime": regime, "rule": rule, "budget": budget, "loss": _mean(losses)}
                    )
    return rows


def _by_cost(markets: Rows, plan: Plan) -> list[dict[str, Any]]:
    """Differences at fixed compute by what costs follow, and by budget."""
    from oracles.study.world import COSTS

    rows = []
    for rule in plan.rules[1:]:
        for model_number, model in enumerate(COSTS):
            for budget in plan.budgets:
                found = differences(
                    [r for r in markets if r["draw"] % len(COSTS) == model_number],
                    "fixed",
                    rule,
                    (budget,),
                )
                if found:
                    rows.append(
                        {
                            "rule": rule,
                            "costs": model,
                            "budget": budget,
                            "difference": interval(found),
                        }
                    )
    return rows


def needed(mine: Sequence[tuple[float, float]], goal: float) -> float | None:
    """The least budget at which a curve of (budget, loss) reaches a loss, on straight lines."""
    if mine[0][1] <= goal:
        return mine[0][0]
    for (b0, l0), (b1, l1) in pairwise(mine):
        if l1 <= goal < l0:
            return b0 + (b1 - b0) * (l0 - goal) / (l0 - l1)
    return None


def multipliers(markets: Rows, plan: Plan) -> list[dict[str, Any]]:
    """What share of a rule's largest budget Q-MIA needs for the same mean loss.

    Read off straight lines between the budgets; None where Q-MIA never reaches that loss, and at
    most the smallest budget where it is better there already (`at_most`). The interval leaves out
    one world at a time: the least and the most that come out, None among them as no limit.
    """
    rows = []
    top = max(plan.budgets)
    worlds = sorted({row["world"] for row in markets})

    def share(regime: str, rule: str, without: int | None) -> tuple[float | None, bool]:
        curves: dict[str, dict[float, list[float]]] = {"qmia": {}, rule: {}}
        for row in markets:
            if row["regime"] == regime and row["world"] != without:
                for name, curve in curves.items():
                    if name in row["loss"]:
                        curve.setdefault(row["budget"], []).append(row["loss"][name])
        mine = sorted((budget, _mean(found)) for budget, found in curves["qmia"].items())
        goal = _mean(curves[rule][top])
        found = needed(mine, goal)
        return (None if found is None else found / top), mine[0][1] <= goal

    for regime in _REGIMES:
        for rule in plan.rules[1:]:
            whole, at_most = share(regime, rule, None)
            parts = [share(regime, rule, world)[0] for world in worlds] if len(worlds) > 1 else []
            told = [part for part in parts if part is not None]
            rows.append(
                {
                    "regime": regime,
                    "rule": rule,
                    "share": whole,
                    "at_most": at_most,
                    "least": min(told, default=None),
                    "most": max(told) if told and len(told) == len(parts) else None,
                }
            )
    return rows


def _effort(games: Rows) -> list[dict[str, Any]]:
    rows = []
    for rule in dict.fromkeys(game["rule"] for game in games):
        mine = [game for game in games if game["rule"] == rule]
        by_world: Differences = {}
        for game in mine:
            by_world.setdefault((game["world"], game["draw"]), []).append(game["effort"])
        entry: dict[str, Any] = {
            "rule": rule,
            "effort": interval(by_world),
            "sets": _mean([game["bought"] for game in mine]),
            "spent": _mean([game["spent"] for game in mine]),
            "equilibria": sum(game["equilibrium"] for game in mine),
            "games": len(mine),
        }
        for regime in _REGIMES:
            entry[f"loss, {regime}"] = _mean([game["loss"][regime] for game in mine])
            if rule != "qmia":
                entry[f"difference, {regime}"] = interval(effort_differences(games, regime, rule))
        rows.append(entry)
    return rows


def _domains(markets: Rows, plan: Plan) -> list[dict[str, Any]]:
    """Loss on part B by source at fixed compute: with nothing bought, and rule by rule."""
    chosen = [r for r in markets if r["regime"] == "fixed" and r["budget"] in plan.budgets]
    rows = []
    for domain in sorted({name for row in chosen for name in row["domains"]["nothing"]}):
        losses = {
            rule: _mean([row["domains"][rule][domain] for row in chosen])
            for rule in ("nothing", *plan.rules)
        }
        rows.append({"domain": domain, "loss": losses})
    return rows


def _tranche(result: dict[str, Any], plan: Plan) -> list[dict[str, Any]]:
    """H11: what a fifth of the budget kept for the under-served buys, at fixed compute."""
    if "tranche" not in plan.rules:
        return []
    rows = []
    for rule in ("qmia", "tranche", "volume"):
        share: list[float] = []
        own: Differences = {}
        whole: Differences = {}
        for row in result["markets"]:
            if row["regime"] != "fixed" or row["budget"] not in plan.budgets:
                continue
            world = result["worlds"][row["world"]]
            sizes = [p["tokens"] for p in world["providers"]]
            flagged = {k for k, p in enumerate(world["providers"]) if p["name"] in world["flagged"]}
            bought = [int(place) for place in row["paid"][rule]]
            total = sum(sizes[k] for k in bought)
            share.append(sum(sizes[k] for k in bought if k in flagged) / total if total else 0.0)
            key = (row["world"], row["draw"])
            whole.setdefault(key, []).append(row["loss"][rule] - row["loss"]["qmia"])
            named = [name for name in world["flagged"] if name in row["domains"][rule]]
            if named:
                own.setdefault(key, []).append(
                    _mean([row["domains"][rule][d] - row["domains"]["qmia"][d] for d in named])
                )
        rows.append(
            {
                "rule": rule,
                "tokens": _mean(share),
                "difference": interval(whole),
                "difference, their domains": interval(own) if own else None,
            }
        )
    return rows


def _attacks(rows: Rows) -> list[dict[str, Any]]:
    """H8: attacker's profit and buyer's loss against the honest market."""
    honest = {(r["world"], r["draw"]): r for r in rows if r["attack"] == "none"}
    found = []
    for name in dict.fromkeys(r["attack"] for r in rows if r["attack"] != "none"):
        mine = {(r["world"], r["draw"]): r for r in rows if r["attack"] == name}
        gain = {k: [(r["profit"] - honest[k]["profit"]) / r["budget"]] for k, r in mine.items()}
        loss = {k: [r["loss"] - honest[k]["loss"]] for k, r in mine.items()}
        found.append(
            {
                "attack": name,
                "markets": len(mine),
                "honest_profit": _mean(
                    [honest[k]["profit"] / r["budget"] for k, r in mine.items()]
                ),
                "profit": _mean([r["profit"] / r["budget"] for r in mine.values()]),
                "gain": interval(gain),
                "loss": interval(loss),
                "both": sum(gain[k][0] > 0 and loss[k][0] >= SMALLEST for k in mine),
            }
        )
    return found


def make(result: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """All tables of the page; `result["maps"]` and the rows of all finished worlds are there."""
    made: dict[str, Any] = {
        "primaries": primaries(result, plan),
        "rules": _compared(result["markets"], result["worlds"], plan),
        "budgets": _by_budget(result["markets"], plan),
        "costs": _by_cost(result["markets"], plan),
        "multipliers": multipliers(result["markets"], plan),
        "effort": _effort(result["games"]),
        "domains": _domains(result["markets"], plan),
        "tranche": _tranche(result, plan),
        "attacks": _attacks(result["attacks"]),
    }
    made["secondaries"] = secondaries({**result, "tables": made}, plan)
    return made
