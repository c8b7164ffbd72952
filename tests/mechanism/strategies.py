"""Markets to test with: small ones where every bid can be tried, and ones as large as on chain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st

from oracles.mechanism import Bid, Clearing, clear, spendable

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Reproducible, and as long as the default run can bear.
checked = settings(max_examples=150, deadline=None, derandomize=True)

SHARES = [Fraction(0), Fraction(1, 10), Fraction(1, 4), Fraction(1, 2), Fraction(3, 4), Fraction(1)]


@dataclass(frozen=True)
class Market:
    """Arguments of `clear`."""

    bids: tuple[Bid, ...]
    budget: int
    pool: int
    rho: Fraction
    tranche: Fraction

    @property
    def beta(self) -> int:
        return spendable(self.budget, self.pool, self.rho)

    def clear(self) -> Clearing:
        return clear(
            self.bids, budget=self.budget, pool=self.pool, rho=self.rho, tranche=self.tranche
        )

    def with_bid(self, *changed: Bid) -> Market:
        by_index = {bid.index: bid for bid in changed}
        return replace(self, bids=tuple(by_index.get(bid.index, bid) for bid in self.bids))


def markets(
    *,
    min_bids: int = 0,
    max_bids: int = 5,
    max_budget: int = 24,
    max_weight: int = 6,
) -> st.SearchStrategy[Market]:
    """Markets with indices 0..n-1, costs up to just above the budget, many ties."""

    @st.composite
    def build(draw: st.DrawFn) -> Market:
        budget = draw(st.integers(1, max_budget))
        pool = draw(st.integers(0, max_budget))
        bid = st.tuples(st.integers(0, max_budget + 1), st.integers(1, max_weight), st.booleans())
        entries = draw(st.lists(bid, min_size=min_bids, max_size=max_bids))
        return Market(
            tuple(Bid(i, *entry) for i, entry in enumerate(entries)),
            budget,
            pool,
            draw(st.sampled_from(SHARES)),
            draw(st.sampled_from(SHARES)),
        )

    return build()


def large_markets(max_bids: int = 5) -> st.SearchStrategy[Market]:
    """Markets with costs and weights as wide as a slot on chain."""

    @st.composite
    def build(draw: st.DrawFn) -> Market:
        bid = st.tuples(st.integers(0, 2**80 - 1), st.integers(1, 2**64 - 1), st.booleans())
        entries = draw(st.lists(bid, min_size=1, max_size=max_bids))
        return Market(
            tuple(Bid(i, *entry) for i, entry in enumerate(entries)),
            draw(st.integers(1, 2**80 - 1)),
            draw(st.integers(0, 2**80 - 1)),
            draw(st.fractions(0, 1, max_denominator=10**6)),
            draw(st.fractions(0, 1, max_denominator=10**3)),
        )

    return build()


def every_lie(market: Market, bid: Bid) -> Iterator[Bid]:
    """All other bids from 0 to just above β: complete for integer costs."""
    for cost in range(market.beta + 2):
        if cost != bid.cost:
            yield replace(bid, cost=cost)


def breakpoint_lies(market: Market, bid: Bid) -> Iterator[Bid]:
    """Bids around every point where an order or a sum can tip, for amounts too large to try all.

    The order flips at w·ψ_j; a clock with budget b tips at b·w / W_T for the sets T of others that
    may win with this bid; budgets are β, the reserve, and what flagged winners may leave.
    """
    others = [other for other in market.bids if other.index != bid.index]
    cleared = market.clear()
    budgets = {cleared.beta, cleared.reserve, cleared.beta - cleared.reserve}
    for clock in cleared.paying:
        if clock.price is not None:
            budgets.add(cleared.beta - int(clock.price * clock.weight))
    points = {Fraction(other.cost * bid.weight, other.weight) for other in others}
    for size in range(len(others) + 1):
        for chosen in combinations(others, size):
            total = bid.weight + sum(other.weight for other in chosen)
            points |= {Fraction(budget * bid.weight, total) for budget in budgets}
    costs = {0, cleared.beta, cleared.beta + 1}
    for point in points:
        costs |= {int(point) + step for step in (-1, 0, 1, 2)}
    for cost in sorted(costs - {bid.cost}):
        if cost >= 0:
            yield replace(bid, cost=cost)


def gain(cleared: Clearing, bid: Bid) -> int:
    """True utility of a provider whose true cost is `bid.cost`."""
    reward = cleared.reward.get(bid.index)
    return 0 if reward is None else reward - bid.cost
