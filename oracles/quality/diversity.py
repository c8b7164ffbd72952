"""Diversity: how evenly a set's documents spread over topic clusters, paper §7.3 and Appendix C.

Documents fall into the clusters of a fixed codebook of the reference corpus. k-means fitted on the
set itself, the paper's literal form, finds fifty clusters in anything, so it gives 0.96 and more
even to one page repeated; it stays as an option. A document counts by the tokens that were read of
it, so a thousand one-line snippets do not outweigh a thousand articles.
"""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.passages import fold
from oracles.quality.embed import SCALE, dots, norms, quantise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_BLOCK = 4096
_DECIMALS = Context(prec=40)
#: Letters of a run and of a piece, and characters read of a document, for `overlap`.
_RUN, _PIECE, _READ = 8, 600, 4000


def assign(vectors: NDArray[np.int16], centroids: NDArray[np.int16]) -> NDArray[np.int64]:
    """Index (n,) of the nearest centroid by cosine, exactly; the first one on ties."""
    lengths = norms(centroids)
    nearest = np.zeros(len(vectors), np.int64)
    for start in range(0, len(vectors), _BLOCK):
        block = slice(start, start + _BLOCK)
        nearest[block] = np.argmax(dots(vectors[block], centroids) / lengths, axis=1)
    return nearest


def fit(vectors: NDArray[np.int16], clusters: int) -> NDArray[np.int16]:
    """Centroids by k-means on the set itself; rows must come in a canonical order."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    distinct = len(np.unique(vectors, axis=0))
    with threadpool_limits(limits=1):
        model = KMeans(min(clusters, distinct), n_init=1, random_state=0).fit(vectors / SCALE)
    centers: NDArray[np.float64] = model.cluster_centers_
    return quantise(centers)


def mean_vector(vectors: NDArray[np.int16]) -> NDArray[np.int16]:
    """Embedding of a document: the direction of the sum of its sentences' embeddings."""
    total: NDArray[np.int64] = vectors.astype(np.int64).sum(axis=0, keepdims=True)
    direction: NDArray[np.int16] = quantise(total.astype(np.float64))[0]
    return direction


def folded(weights: Sequence[int], floor: int) -> list[int]:
    """Add clusters with less than `floor` · 1e-4 of the weight to the largest one.

    A handful of documents on each of many topics then adds nothing: a topic counts once it is a
    real part of the set.
    """
    whole = sum(weights)
    large = [w if w * 10_000 >= floor * whole else 0 for w in weights]
    if whole:
        large[large.index(max(large))] += whole - sum(large)
    return large


def overlap(documents: Sequence[str]) -> dict[str, int]:
    """How much pieces of a set repeat each other, in runs of eight letters.

    Documents are cut into pieces of about equal length, so gluing and cutting change little. Every
    language has the same room: a run of eight letters hardly recurs unless words or phrases do.

    Returns:
        `runs`: pairs of a run and another piece; `shared`: those in which the other piece has it.
        1 − shared / runs is the chance that another piece lacks what one has. A single piece is
        compared with itself, half by half.
    """
    pieces: list[NDArray[np.uint64]] = []
    read = [fold(text[:_READ]).runs(_RUN) for text in documents]
    size = _PIECE
    if len(read) == 1 and 2 * len(read[0]) < 3 * size:
        size = (len(read[0]) + 1) // 2
    for runs in read:
        for start in range(0, len(runs), max(1, size)):
            piece = runs[start : start + size]
            if 2 * len(piece) < size and start:
                continue
            pieces.append(np.unique(piece))
    if len(pieces) < 2:
        return {"runs": 1, "shared": 1}
    together = np.concatenate(pieces)
    _, times = np.unique(together, return_counts=True)
    shared = int((times * (times - 1)).sum())
    return {"runs": len(together) * (len(pieces) - 1), "shared": shared}


def entropy(weights: Sequence[int], clusters: int) -> Fraction:
    """−Σ p log p over log `clusters`; 0 for fewer than two documents, at most log n / log k for n.

    Dividing by log k, not log min(n, k), keeps a set of two documents from counting as diverse.
    Decimal logarithms are correctly rounded, hence the same on every machine.
    """
    whole = sum(weights)
    if whole == 0:
        return Fraction(0)
    logs = sum((w * _DECIMALS.ln(Decimal(w)) for w in sorted(weights) if w), Decimal(0))
    value = (_DECIMALS.ln(Decimal(whole)) - logs / whole) / _DECIMALS.ln(Decimal(clusters))
    return min(Fraction(1), max(Fraction(0), Fraction(round(value, 15))))


def simpson(weights: Sequence[int]) -> Fraction:
    """1 − Σ p², the form of §7.3; at most 1 − 1/k."""
    whole = sum(weights)
    return 1 - Fraction(sum(w * w for w in weights), whole * whole) if whole else Fraction(0)


def weights_of(clusters: NDArray[Any], tokens: Sequence[int], size: int) -> list[int]:
    """Sum of tokens in each of `size` clusters."""
    result = [0] * size
    for cluster, weight in zip(clusters.tolist(), tokens, strict=True):
        result[cluster] += weight
    return result
