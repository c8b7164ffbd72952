"""Intervals and tests that respect how the markets were drawn.

Worlds are what was drawn independently; markets of one world share its texts, scores and
retrainings. Every world has the same number of markets, so that its mean is all that a hierarchical
model would use of it, and Student's t over worlds is exact for normal worlds, however much markets
of one world are alike. A bootstrap of four to ten worlds would be too narrow: `tests/study` counts
how often either covers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import t as student

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Rows = Sequence[Mapping[str, Any]]
    #: (world, draw) to the differences of its markets.
    Clusters = Mapping[tuple[int, int], Sequence[float]]
    #: Mean, low, high; no bounds where there is one unit only.
    Interval = tuple[float, float | None, float | None]


def differences(markets: Rows, regime: str, rule: str, budgets: Sequence[float]) -> Clusters:
    """Loss under a rule less that under Q-MIA, by (world, draw)."""
    found: dict[tuple[int, int], list[float]] = {}
    for row in markets:
        if row["regime"] == regime and row["budget"] in budgets:
            found.setdefault((row["world"], row["draw"]), []).append(
                row["loss"][rule] - row["loss"]["qmia"]
            )
    return found


def effort_differences(games: Rows, regime: str, rule: str) -> Clusters:
    """Loss in equilibrium under a rule less that under Q-MIA, by (world, draw)."""
    by_rule = {(g["world"], g["draw"], g["rule"]): g["loss"][regime] for g in games}
    return {
        (world, draw): [loss - by_rule[world, draw, "qmia"]]
        for (world, draw, name), loss in by_rule.items()
        if name == rule
    }


def units(clusters: Clusters) -> NDArray[np.float64]:
    """Mean of each world; of each cost draw where there is one world only."""
    draws = {key: float(np.mean(values)) for key, values in sorted(clusters.items())}
    worlds: dict[int, list[float]] = {}
    for (world, _), value in draws.items():
        worlds.setdefault(world, []).append(value)
    if len(worlds) == 1:
        return np.array(list(draws.values()))
    return np.array([np.mean(values) for values in worlds.values()])


def interval(clusters: Clusters, level: float = 0.95) -> Interval:
    """Mean difference and its interval by Student's t over worlds."""
    means = units(clusters)
    mean = float(means.mean())
    if len(means) < 2:
        return mean, None, None
    half = float(student.ppf((1 + level) / 2, len(means) - 1) * _error(means))
    return mean, mean - half, mean + half


def p_value(clusters: Clusters, margin: float) -> float:
    """One-sided p-value of "the mean is at most −margin", by Student's t over worlds.

    1 where there is one world only: its cost draws say nothing about other worlds.
    """
    if len({world for world, _ in clusters}) < 2:
        return 1.0
    means = units(clusters)
    error = _error(means)
    above = float(means.mean()) + margin
    if error == 0:  # worlds that agree to the last digit, as where two rules buy the same
        return 0.0 if above > 0 else 1.0
    return float(student.sf(above / error, len(means) - 1))


def _error(means: NDArray[np.float64]) -> float:
    return float(means.std(ddof=1) / np.sqrt(len(means)))


def holm(values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given."""
    adjusted, worst = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=lambda k: values[k])):
        worst = max(worst, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = worst
    return adjusted
