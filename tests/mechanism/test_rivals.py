"""Rules to compare the clock with: truthful ones survive the search, the others are caught."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings

from oracles.mechanism import Bid, fractional_optimum, rivals
from tests.mechanism.strategies import Market, checked, markets

Rule = Callable[[Sequence[Bid], int], Mapping[int, int]]


def covered(indices: frozenset[int]) -> int:
    """Index k covers three of seven points of unequal worth: monotone and submodular."""
    points = {(k * step + step) % 7 for k in indices for step in (1, 2, 4)}
    return sum(1 + point for point in points)


TRUTHFUL: dict[str, Rule] = {
    "greedy": lambda bids, budget: rivals.submodular_greedy(bids, covered, budget=budget),
    "marginal clock": lambda bids, budget: rivals.marginal_clock(bids, covered, budget=budget),
    "guessing clock": lambda bids, budget: rivals.guessing_clock(bids, covered, budget=budget),
    "split by lot": lambda bids, budget: rivals.split_by_lot(bids, budget=budget, seed=3),
    "split by the other lot": lambda bids, budget: rivals.split_by_lot(bids, budget=budget, seed=1),
    "large market": lambda bids, budget: rivals.large_market(bids, budget=budget, seed=3),
}
UNTRUTHFUL: dict[str, Rule] = {
    "pay as bid": lambda bids, budget: rivals.pay_as_bid(bids, budget=budget),
    "pay by value": lambda bids, budget: rivals.pay_by_value(bids, budget=budget),
}


def gains(rule: Rule, bids: Sequence[Bid], budget: int) -> list[tuple[int, int]]:
    """What each bid gains by its true cost, and by the best of all lies."""
    found = []
    honest = rule(bids, budget)
    for place, bid in enumerate(bids):
        best = -budget
        for cost in range(budget + 2):
            lied = [*bids[:place], replace(bid, cost=cost), *bids[place + 1 :]]
            best = max(best, rule(lied, budget).get(bid.index, bid.cost) - bid.cost)
        found.append((honest.get(bid.index, bid.cost) - bid.cost, best))
    return found


@pytest.mark.parametrize("name", TRUTHFUL)
@settings(checked, max_examples=30)
@given(market=markets(min_bids=1, max_bids=4, max_budget=10))
def test_truthful_rival__any_market__no_lie_gains_and_the_budget_holds(
    name: str, market: Market
) -> None:
    rule = TRUTHFUL[name]
    assert sum(rule(market.bids, market.budget).values()) <= market.budget
    for honest, best in gains(rule, market.bids, market.budget):
        assert honest >= 0
        assert best <= honest


@pytest.mark.parametrize("name", UNTRUTHFUL)
def test_untruthful_rival__by_hand__a_lie_gains(name: str) -> None:
    bids = [Bid(0, 1, 4), Bid(1, 5, 4)]  # bid 0 pretends to cost 5, and bid 1 no longer fits
    assert any(best > honest for honest, best in gains(UNTRUTHFUL[name], bids, 9))
    assert sum(UNTRUTHFUL[name](bids, 9).values()) <= 9


def test_greedy__by_hand__stops_at_its_share_of_the_budget() -> None:
    bids = [Bid(0, 1, 1), Bid(1, 1, 1), Bid(2, 30, 1)]

    def additive(indices: frozenset[int]) -> int:
        return 10 * len(indices)

    assert rivals.greedy(bids, additive, budget=4, share=Fraction(1, 2)) == [0, 1]
    assert rivals.submodular_greedy(bids, additive, budget=4) == {0: 1, 1: 1}
    assert rivals.submodular_greedy(bids, additive, budget=8) == {0: 2, 1: 2}


def test_guessing_clock__by_hand__doubles_until_everybody_left_has_accepted() -> None:
    def additive(indices: frozenset[int]) -> int:
        return 10 * len(indices)

    # 10: the first alone fits the guess. 20: two do, each at half. 40: all three at a quarter.
    bids = [Bid(0, 1, 1), Bid(1, 2, 1), Bid(2, 3, 1)]
    assert rivals.guessing_clock(bids, additive, budget=12) == {0: 3, 1: 3, 2: 3}
    # Bid 2 refuses a quarter; those who are left have accepted it, and prices never rise.
    dear = [*bids[:2], Bid(2, 4, 1)]
    assert rivals.guessing_clock(dear, additive, budget=12) == {0: 3, 1: 3}
    assert rivals.guessing_clock([], additive, budget=12) == {}


def test_split_by_lot__both_lots__buy_either_side() -> None:
    bids = [Bid(0, 1, 5), Bid(1, 1, 3), Bid(2, 1, 1)]
    lots = {tuple(sorted(rivals.split_by_lot(bids, budget=9, seed=s))) for s in range(20)}
    assert len(lots) >= 1
    assert {sum(rivals.split_by_lot(bids, budget=9, seed=s).values()) <= 9 for s in range(20)} == {
        True
    }


def test_marginal_clock__two_bids_that_cover_the_same__buys_one() -> None:
    def same(indices: frozenset[int]) -> int:
        return 8 if indices else 0

    bids = [Bid(0, 3, 1), Bid(1, 3, 1)]
    paid = rivals.marginal_clock(bids, same, budget=9)
    assert list(paid) == [0]
    assert 3 <= paid[0] <= 9


@pytest.mark.parametrize("seed", range(5))
def test_large_market__many_small_bids__buys_above_half_of_the_optimum(seed: int) -> None:
    costs = [1 + (k * 37 + seed) % 100 for k in range(300)]
    bids = [Bid(k, cost, 1) for k, cost in enumerate(costs)]
    budget = sum(costs) // 3
    bought = rivals.large_market(bids, budget=budget, seed=seed)
    assert sum(bought.values()) <= budget
    assert len(bought) >= fractional_optimum(bids, budget) / 2
