"""One market: what every rule would buy, and what it would pay."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from statistics import median
from typing import TYPE_CHECKING

from oracles.mechanism import Bid, Family, WeightRule, baselines, clear, prune_and_split, rivals
from oracles.mechanism.baselines import Candidate
from oracles.mechanism.weights import WAD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from oracles.study.value import Surrogate

#: Share of the budget that the rule "tranche" keeps for the under-served.
TRANCHE = Fraction(1, 5)
_WEIGHTS = {
    "qmia": WeightRule(),
    "tranche": WeightRule(),
    "lot": WeightRule(),
    "impact": WeightRule(eta=0),
    "quality": WeightRule(gamma=0),
    "sqrt": WeightRule(Family.SQRT),
    "prune": WeightRule(),
    "large": WeightRule(),
}


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
        distinct: tokens that the seed corpus and earlier providers do not have.
        flagged: whether a provider counts as under-served.
        design: value of sets for experimental design.
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
    distinct: Sequence[int] = ()
    flagged: Sequence[bool] = ()
    design: Callable[[frozenset[int]], int] = len

    def bids(self, weights: Sequence[int]) -> list[Bid]:
        """Truthful bids with the given weights."""
        flagged = self.flagged or [False] * len(self.costs)
        return [
            Bid(k, cost, w, flag)
            for k, (cost, w, flag) in enumerate(zip(self.costs, weights, flagged, strict=True))
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
        bid
        for bid in market.bids([1] * len(market.costs))
        if market.surrogate(frozenset({bid.index})) > 0
    ]


def _hindsight(market: Market) -> Mapping[int, int]:
    """Trust at the posted price whose purchase V̂ likes best; it sees all costs. Not truthful."""
    best: Mapping[int, int] = {}
    for price in sorted(set(market.costs)):
        paid = baselines.trust_based(market.candidates(), budget=market.budget, price=price)
        if market.surrogate(frozenset(paid)) > market.surrogate(frozenset(best)):
            best = paid
    return best


def optimum(market: Market) -> Mapping[int, int]:
    """A set that V̂ likes best for the true costs: greedy, then additions and exchanges.

    No rule may do this: it pays every provider its cost, which it has to know.
    """
    value, costs, n = market.surrogate, market.costs, len(market.costs)
    chosen = frozenset[int]()
    while True:
        left = market.budget - sum(costs[k] for k in chosen)
        tried = [chosen | {k} for k in range(n) if k not in chosen and costs[k] <= left]
        if tried:
            here = value(chosen)
            chosen = max(
                tried,
                key=lambda s: ((value(s) - here) / sum(costs[k] for k in s - chosen), sorted(s)),
            )
            continue
        swaps = [
            (chosen - {out}) | {new}
            for out in chosen
            for new in range(n)
            if new not in chosen and costs[new] <= left + costs[out]
        ]
        best = max(swaps, key=lambda s: (value(s), sorted(s)), default=chosen)
        if value(best) <= value(chosen):
            return {k: costs[k] for k in sorted(chosen)}
        chosen = best


def _clock(name: str) -> Callable[[Market], Mapping[int, int]]:
    return lambda market: clear(market.scored(name), budget=market.budget).reward


_PURCHASES: dict[str, Callable[[Market], Mapping[int, int]]] = {
    **{name: _clock(name) for name in ("qmia", "impact", "quality", "sqrt")},
    "tranche": lambda m: clear(m.scored("tranche"), budget=m.budget, tranche=TRANCHE).reward,
    "distinct": lambda m: clear(m.bids(m.distinct), budget=m.budget).reward,
    "hindsight": _hindsight,
    "optimum": optimum,
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
    "guessing": lambda m: rivals.guessing_clock(_plain(m), m.surrogate, budget=m.budget),
    "design": lambda m: rivals.marginal_clock(
        m.bids([1] * len(m.costs)), m.design, budget=m.budget
    ),
    "lot": lambda m: rivals.split_by_lot(m.scored("lot"), budget=m.budget, seed=m.seed),
    "large": lambda m: rivals.large_market(m.scored("large"), budget=m.budget, seed=m.seed),
    "prune": lambda m: prune_and_split(m.scored("prune"), budget=m.budget).payments,
}


def purchase(name: str, market: Market) -> dict[int, int]:
    """Payment by place of whoever a rule of `plan.RULES` buys from."""
    return dict(sorted(_PURCHASES[name](market).items()))
