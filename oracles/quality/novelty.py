"""Novelty: w'₁ · recency + w'₂ · (1 − duplication), paper §7.3.

Everything is in millionths, as integers, so that sums do not depend on their order.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.quality.embed import WIDTH, dots, norms

if TYPE_CHECKING:
    import datetime

    from numpy.typing import NDArray

#: Fixed point of similarities.
MICRO = 1_000_000
#: Cosine, in millionths, from which a sentence repeats another one of the set.
REPEATED = 900_000


def recency(date: datetime.date | None, today: datetime.date, date_range_days: int) -> int:
    """1 − age / range in millionths, clipped to [0, 1]; 0 for no date and for one in the future."""
    if date is None or date > today:
        return 0
    return max(0, MICRO - (today - date).days * MICRO // date_range_days)


def nearest(
    queries: NDArray[np.int16], reference: NDArray[Any], block: int = 4096
) -> NDArray[np.int64]:
    """Cosine (n,), in millionths, of each query with its nearest reference vector, exactly.

    Args:
        queries: Integer embeddings (n, width).
        reference: Integer embeddings (m, width), possibly memory-mapped.
        block: Rows of the reference that are held as float32 at once.
    """
    best = np.full(len(queries), -1.0)
    for start in range(0, len(reference), block):
        rows = np.asarray(reference[start : start + block])
        scaled: NDArray[np.float64] = dots(queries, rows) / np.maximum(norms(rows), 1.0)
        np.maximum(best, scaled.max(axis=1), out=best)
    return to_micro(best, queries)


def to_micro(products: NDArray[np.float64], queries: NDArray[np.int16]) -> NDArray[np.int64]:
    """Millionths of cosines, from dot products already divided by the other vector's norm."""
    cosines = np.clip(products / np.maximum(norms(queries), 1.0), 0.0, 1.0)
    rounded: NDArray[np.float64] = np.floor(cosines * MICRO + 0.5)
    return rounded.astype(np.int64)


def calibrate(cosines: NDArray[np.int64], unrelated: int, copied: int) -> NDArray[np.int64]:
    """Duplication in millionths: 0 up to the cosine of unrelated text, 1 from that of a copy.

    Any sentence has some neighbour at a cosine of about one half; the plain mean cosine of the
    paper therefore tells fresh text from copies by a third of its scale only.
    """
    excess: NDArray[np.int64] = np.clip(cosines, unrelated, copied) - unrelated
    return excess * MICRO // (copied - unrelated)


class Seen:
    """Sentences of the set met so far: form letters repeat them with another name in the slot.

    Args:
        capacity: Sentences there will be.
    """

    def __init__(self, capacity: int) -> None:
        self._vectors = np.zeros((capacity, WIDTH), np.float32)
        self._norms = np.ones(capacity)
        self._count = 0

    def repeated(self, vectors: NDArray[np.int16]) -> list[bool]:
        """Which sentences of a document are nearly ones of those before it; then add them."""
        end = self._count + len(vectors)
        found = [False] * len(vectors)
        if self._count:
            products = vectors.astype(np.float32) @ self._vectors[: self._count].T
            best: NDArray[np.float64] = (products / self._norms[: self._count]).max(axis=1)
            found = [bool(cosine >= REPEATED) for cosine in to_micro(best, vectors)]
        self._vectors[self._count : end] = vectors
        self._norms[self._count : end] = np.maximum(norms(vectors), 1.0)
        self._count = end
        return found


def novelty(mean_recency: Fraction, mean_duplication: Fraction, recency_weight: int) -> Fraction:
    """§7.3 with w'₁ = `recency_weight` · 1e-4 and w'₂ = 1 − w'₁."""
    first = Fraction(recency_weight, 10_000)
    return first * mean_recency + (1 - first) * (1 - mean_duplication)
