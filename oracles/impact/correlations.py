"""How well predictions agree with what retraining found, and how well they could at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, ties sharing their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place])


def correlation(predicted: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """Spearman's ρ; 0 if one side is constant."""
    if np.ptp(predicted) == 0 or np.ptp(true) == 0:
        return 0.0
    return float(np.corrcoef(ranks(predicted), ranks(true))[0, 1])


def interval(
    predicted: NDArray[np.float64], true: NDArray[np.float64], resamples: int
) -> tuple[float, float, float]:
    """Spearman's ρ with the seeds' mean, and its 95 % bootstrap interval.

    Args:
        predicted: [K].
        true: [R, K] under R seeds; columns and seeds are both resampled.
        resamples: number of bootstrap draws.
    """
    rng = np.random.default_rng(0)
    seeds, count = true.shape
    draws = []
    for _ in range(resamples):
        columns = rng.integers(0, count, count)
        rows = rng.integers(0, seeds, seeds)
        draws.append(correlation(predicted[columns], true[np.ix_(rows, columns)].mean(0)))
    low, high = np.quantile(draws, [0.025, 0.975])
    return correlation(predicted, true.mean(0)), float(low), float(high)


def agreement(true: NDArray[np.float64]) -> float | None:
    """Mean Spearman's ρ of two seeds of the truth, [R, K]; None with a single seed."""
    seeds = len(true)
    pairs = [correlation(true[i], true[j]) for i in range(seeds) for j in range(i + 1, seeds)]
    return float(np.mean(pairs)) if pairs else None


def noise_ceiling(true: NDArray[np.float64]) -> float | None:
    """ρ that a perfect predictor would reach against the mean of R noisy seeds.

    The agreement r of two seeds gives the reliability of the mean of R by Spearman and Brown,
    `R r / (1 + (R−1) r)`; the ceiling is its square root.

    Args:
        true: [R, K] under R seeds.

    Returns:
        The ceiling, or None with a single seed, which does not tell.
    """
    seeds, found = len(true), agreement(true)
    if found is None:
        return None
    r = max(0.0, found)
    return float(np.sqrt(seeds * r / (1 + (seeds - 1) * r)))


def limits(true: NDArray[np.float64]) -> dict[str, Any]:
    """What limits a correlation with a truth [A and B, seeds, K]."""
    return {
        "parts_agree": correlation(true[0].mean(0), true[1].mean(0)),
        "seeds_agree": agreement(true[1]),
        "ceiling": noise_ceiling(true[1]),
    }
