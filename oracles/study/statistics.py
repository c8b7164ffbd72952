"""Intervals and tests that respect how the markets were drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


def resampled(
    clusters: Mapping[tuple[int, int], Sequence[float]], resamples: int
) -> NDArray[np.float64]:
    """Means under the hierarchical bootstrap: worlds are drawn, then cost draws within each.

    Args:
        clusters: (world, draw) to the differences of its markets, which stay together.
        resamples: number of means.
    """
    rng = np.random.default_rng(0)
    worlds: dict[int, list[NDArray[np.float64]]] = {}
    for (world, _), values in sorted(clusters.items()):
        worlds.setdefault(world, []).append(np.asarray(values, float))
    groups = list(worlds.values())
    means = np.empty(resamples)
    for k in range(resamples):
        drawn = [
            group[j]
            for i in rng.integers(0, len(groups), len(groups))
            for group in [groups[i]]
            for j in rng.integers(0, len(group), len(group))
        ]
        means[k] = np.concatenate(drawn).mean()
    return means


def interval(
    clusters: Mapping[tuple[int, int], Sequence[float]], resamples: int
) -> tuple[float, float, float]:
    """Mean difference and its 95 % interval."""
    means = resampled(clusters, resamples)
    low, high = np.quantile(means, [0.025, 0.975])
    every = np.concatenate([np.asarray(values, float) for values in clusters.values()])
    return float(every.mean()), float(low), float(high)


def p_value(
    clusters: Mapping[tuple[int, int], Sequence[float]], margin: float, resamples: int
) -> float:
    """One-sided bootstrap p-value of "the mean is at most −margin".

    With c clusters no p-value is below 2^−c, the least that a sign test could give, so that few
    clusters never look certain.
    """
    means = resampled(clusters, resamples)
    found = (1 + int((means <= -margin).sum())) / (1 + resamples)
    return min(1.0, max(found, 2.0 ** -len(clusters)))


def holm(values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given."""
    adjusted, worst = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=lambda k: values[k])):
        worst = max(worst, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = worst
    return adjusted
