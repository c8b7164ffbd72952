"""What sets of data are worth, as far as a buyer can tell before it buys, and afterwards."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import nnls

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from oracles.dataset import Document

#: Micro-nats: values are integers.
_UNIT = 1e6
_WORD = re.compile(r"\w+")
#: Random directions of the text features of `Design`.
_DIRECTIONS = 24


def words(documents: Iterable[Document]) -> dict[str, int]:
    """How often each word occurs, in lower case."""
    counts: dict[str, int] = {}
    for document in documents:
        for word in _WORD.findall(document.text.lower()):
            counts[word] = counts.get(word, 0) + 1
    return counts


def coverage(
    submissions: Mapping[str, Sequence[Document]], held_out: Sequence[Document]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which words of the held-out text each provider has, [n, W], and their shares of it, [W]."""
    wanted = {word: count for word, count in words(held_out).items() if count > 1}
    worth = np.array(list(wanted.values()), float)
    has = np.zeros((len(submissions), len(wanted)), bool)
    for k, documents in enumerate(submissions.values()):
        found = words(documents)
        has[k] = [word in found for word in wanted]
    return has, worth / max(1.0, worth.sum())


@dataclass(frozen=True, eq=False, slots=True)
class Surrogate:
    """V̂: estimated gain of a set, monotone and submodular.

    `scale · ln(1 + bend · Σ share) / ln(1 + bend) + cover · (held-out words that the set has)`. The
    first term has diminishing returns for all alike, the second lets particular providers overlap.

    Attributes:
        scale: gain of everything by the first term, nats.
        bend: how fast returns diminish.
        shares: of each provider, summing to 1.
        cover: gain of all held-out words, nats.
        has: [n, W] words by provider.
        worth: [W] share of each word.
    """

    scale: float
    bend: float
    shares: tuple[float, ...]
    cover: float = 0.0
    has: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0), bool))
    worth: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    _known: dict[frozenset[int], int] = field(default_factory=dict, repr=False)

    def __call__(self, chosen: frozenset[int]) -> int:
        """Value of a set of places, in millionths of a nat."""
        known = self._known.get(chosen)
        if known is None:
            places = sorted(chosen)
            total = sum(self.shares[k] for k in places)
            value = self.scale * math.log1p(self.bend * total) / math.log1p(self.bend)
            if self.cover and places:
                value += self.cover * float(self.worth[self.has[places].any(0)].sum())
            known = self._known[chosen] = int(_UNIT * value)
        return known


def fit_surrogate(
    influence: Sequence[float],
    has: NDArray[np.bool_],
    worth: NDArray[np.float64],
    sets: Sequence[Sequence[int]],
    gains: Sequence[float],
) -> tuple[Surrogate, float]:
    """V̂ that fits the gains of some sets best, by non-negative least squares; and R² on these.

    Args:
        influence: of each provider; negative ones count as 0.
        has: see `Surrogate`.
        worth: see `Surrogate`.
        sets: providers by place.
        gains: saved loss of each set, nats per token.
    """
    positive = np.maximum(0.0, np.asarray(influence, float))
    whole = float(positive.sum())
    shares = positive / whole if whole else np.full(len(positive), 1 / len(positive))
    x = np.array([shares[list(chosen)].sum() for chosen in sets])
    covered = np.array(
        [worth[has[list(chosen)].any(0)].sum() if chosen else 0.0 for chosen in sets]
    )
    y = np.asarray(gains, float)
    best: tuple[float, float, float, float] = (np.inf, 1e-6, 1.0, 0.0)
    for bend in np.geomspace(0.1, 100, 31):
        columns = np.stack([np.log1p(bend * x) / np.log1p(bend), covered], 1)
        (scale, cover), error = nnls(columns, y)
        if error < best[0] - 1e-12:
            best = (float(error), max(1e-6, float(scale)), float(bend), float(cover))
    spread = float(np.square(y - y.mean()).sum())
    surrogate = Surrogate(best[1], best[2], tuple(shares.tolist()), best[3], has, worth)
    return surrogate, 1 - best[0] ** 2 / spread if spread else 0.0


@dataclass(frozen=True, eq=False, slots=True)
class Design:
    """What a set tells about the held-out text, for rules of experimental design.

    Texts become word counts in random directions, and directions in which the held-out text varies
    count more. A set is worth `ln det(I + Σ XᵀX)` over its documents (D-optimality: monotone and
    submodular), in millionths. No model is trained for it.

    Attributes:
        parts: [n, D, D] XᵀX of each provider.
    """

    parts: NDArray[np.float64]
    _known: dict[frozenset[int], int] = field(default_factory=dict, repr=False)

    def __call__(self, chosen: frozenset[int]) -> int:
        """Value of a set of places."""
        known = self._known.get(chosen)
        if known is None:
            matrix = np.eye(self.parts.shape[1]) + self.parts[sorted(chosen)].sum(0)
            known = self._known[chosen] = round(_UNIT * float(np.linalg.slogdet(matrix)[1]))
        return known


def make_design(
    submissions: Mapping[str, Sequence[Document]], held_out: Sequence[Document]
) -> Design:
    """Features of all documents, without their words' order."""
    known = {word: place for place, word in enumerate(sorted(words(held_out)))}
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((len(known), _DIRECTIONS)) / math.sqrt(_DIRECTIONS)

    def features(documents: Sequence[Document]) -> NDArray[np.float64]:
        rows = np.zeros((len(documents), _DIRECTIONS))
        for row, document in zip(rows, documents, strict=True):
            found = [known[w] for w in _WORD.findall(document.text.lower()) if w in known]
            row += directions[found].sum(0) / math.sqrt(max(1, len(found)))
        return rows

    base = features(held_out)
    centred = base - base.mean(0)
    scale = np.sqrt(np.square(centred).mean(0))
    parts = [
        np.einsum("di,dj->ij", x, x)
        for documents in submissions.values()
        for x in [(features(documents) - base.mean(0)) * scale]
    ]
    return Design(np.array(parts))


@dataclass(frozen=True, eq=False, slots=True)
class Surface:
    """A world's losses as they came out, for questions about sets that nobody retrained.

    `gain(S) = c · ln(1 + Σ s)` with a share s for every provider, fitted to all retrained sets; no
    rule sees it. It has no overlap of particular providers.

    Attributes:
        curve: c, nats.
        shares: s, [n]; negative where a provider does harm.
        error: root mean square error of sets left out in turn, nats.
        r2: share of the variance of gains explained when each set is left out in turn.
    """

    curve: float
    shares: NDArray[np.float64]
    error: float
    r2: float

    def __call__(self, chosen: Iterable[int]) -> float:
        """Estimated gain of a set, nats per token."""
        total = float(self.shares[list(chosen)].sum()) if chosen else 0.0
        return self.curve * math.log1p(max(-0.9, total))


def fit_surface(sets: Sequence[Sequence[int]], gains: Sequence[float], n: int) -> Surface:
    """Ridge regression for every curve; the curve and ridge with the least left-out error."""
    x = np.zeros((len(sets), n))
    for row, chosen in zip(x, sets, strict=True):
        row[list(chosen)] = 1
    y = np.asarray(gains, float)
    top = max(1e-6, float(np.abs(y).max()))
    best: tuple[float, float, NDArray[np.float64]] | None = None
    for curve in top * np.array([0.15, 0.25, 0.4, 0.6, 1.0, 2.0, 5.0]):
        slope = np.exp(np.clip(y / curve, -2, 20))
        # Errors in y, to first order: a change of s changes y by c / (1 + Σs).
        weight = curve / slope
        target = (slope - 1) * weight
        rows = x * weight[:, None]
        for ridge in np.geomspace(1e-4, 10, 12):
            gram = rows.T @ rows + ridge * curve**2 * np.eye(n)
            hat = np.einsum("ij,ji->i", rows, np.linalg.solve(gram, rows.T))
            shares = np.linalg.solve(gram, rows.T @ target)
            left_out = (target - rows @ shares) / np.maximum(1e-3, 1 - hat)
            error = float(np.square(left_out).mean())
            if best is None or error < best[0]:
                best = (error, float(curve), shares)
    assert best is not None  # noqa: S101 (there is at least one curve)
    spread = float(np.square(y - y.mean()).mean())
    return Surface(best[1], best[2], math.sqrt(best[0]), 1 - best[0] / spread if spread else 0.0)
