"""One market: what every rule would buy, and what it would pay."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from statistics import median
from typing import TYPE_CHECKING

from oracles.mechanism import Bid, Family, WeightRule, baselines, clear, prune_and_split, rivals
from oracles.mechanism.baselines import Candidate
from oracles.mechanism.weights import WAD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_WEIGHTS = {
    "qmia": WeightRule(),
    "impact": WeightRule(eta=0),
    "quality": WeightRule(gamma=0),
    "sqrt": WeightRule(Family.SQRT),
    "prune": WeightRule(),
    "large": WeightRule(),
}


@dataclass(frozen=True, slots=True)
class Surrogate:
    """V̂: estimated gain of a set, `scale · ln(1 + bend · Σ share) / ln(1 + bend)`.

    Monotone and submodular for non-negative shares.

    Attributes:
        scale: gain of everything, in millionths of a nat.
        bend: how fast returns diminish.
        shares: of each provider, summing to 1.
    """

    scale: float
    bend: float
    shares: tuple[float, ...]

    def __call__(self, chosen: frozenset[int]) -> int:
        """Value of a set of places, in millionths of a nat."""
        total = sum(self.shares[k] for k in sorted(chosen))
        return int(self.scale * math.log1p(self.bend * total) / math.log1p(self.bend))


@dataclass(frozen=True, slots=True)
class Market:
    """What the rules see; all lists by place of commitment.

    Attributes:
        costs: true costs, token units.
        typical: costs of an earlier draw, from which posted prices are taken.
        budget: token units.
        q: on the grid.
        phi: on the grid; 0 is not eligible.
        volume: raw tokens.
        reputation: higher is trusted more.
        surrogate: V̂.
        seed: of rules that draw lots.
    """

    costs: Sequence[int]
    typical: Sequence[int]
    budget: int
    q: Sequence[int]
    phi: Sequence[int]
    volume: Sequence[int]
    reputation: Sequence[float]
    surrogate: Surrogate
    seed: int = 0

    def bids(self, weights: Sequence[int]) -> list[Bid]:
        """Truthful bids with the given weights."""
        return [
            Bid(k, cost, w) for k, (cost, w) in enumerate(zip(self.costs, weights, strict=True))
        ]

    def scored(self, name: str) -> list[Bid]:
        """Bids weighed by q and φ̂; those without φ̂ are not eligible."""
        rule = _WEIGHTS[name]
        pairs = zip(self.q, self.phi, strict=True)
        return self.bids([rule.weight(q, phi) if phi > 0 else 0 for q, phi in pairs])

    def candidates(self) -> list[Candidate]:
        """Providers as the baselines see them."""
        bids = self.bids([WAD] * len(self.costs))
        return [
            Candidate(bid, volume, reputation)
            for bid, volume, reputation in zip(bids, self.volume, self.reputation, strict=True)
        ]


def _token_rate(market: Market) -> Fraction:
    return median(
        Fraction(cost, max(1, volume))
        for cost, volume in zip(market.typical, market.volume, strict=True)
    )


def _plain(market: Market) -> list[Bid]:
    """Bids of whoever V̂ gives a value to."""
    return [
        bid for bid in market.bids([1] * len(market.costs)) if market.surrogate.shares[bid.index]
    ]


def _clock(name: str) -> Callable[[Market], Mapping[int, int]]:
    return lambda market: clear(market.scored(name), budget=market.budget).reward


_PURCHASES: dict[str, Callable[[Market], Mapping[int, int]]] = {
    **{name: _clock(name) for name in ("qmia", "impact", "quality", "sqrt")},
    "volume": lambda m: baselines.volume_only(m.candidates(), budget=m.budget),
    "trust": lambda m: baselines.trust_based(
        m.candidates(), budget=m.budget, price=int(median(m.typical))
    ),
    "trust-token": lambda m: baselines.trust_per_token(
        m.candidates(), budget=m.budget, rate=_token_rate(m)
    ),
    "uniform": lambda m: baselines.uniform_split(m.candidates(), budget=m.budget),
    "random": lambda m: baselines.random_order(
        m.candidates(), budget=m.budget, price=int(median(m.typical)), seed=m.seed
    ),
    "eligible": lambda m: (
        clear(
            m.bids([v if phi > 0 else 0 for v, phi in zip(m.volume, m.phi, strict=True)]),
            budget=m.budget,
        ).reward
    ),
    "marginal": lambda m: rivals.marginal_clock(_plain(m), m.surrogate, budget=m.budget),
    "submodular": lambda m: rivals.submodular_greedy(_plain(m), m.surrogate, budget=m.budget),
    "large": lambda m: rivals.large_market(m.scored("large"), budget=m.budget, seed=m.seed),
    "prune": lambda m: prune_and_split(m.scored("prune"), budget=m.budget).payments,
}


def purchase(name: str, market: Market) -> dict[int, int]:
    """Payment by place of whoever a rule of `plan.RULES` buys from."""
    return dict(sorted(_PURCHASES[name](market).items()))
