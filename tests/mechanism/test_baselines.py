"""The rules to compare with: what they buy, and that they too are truthful."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial

import pytest
from hypothesis import given

from oracles.errors import InputError
from oracles.mechanism import Bid, baselines
from oracles.mechanism.baselines import Candidate
from tests.mechanism.strategies import Market, checked, markets

MARKET = [
    Candidate(Bid(0, 4, 9), volume=10, reputation=0.1),
    Candidate(Bid(1, 2, 1), volume=30, reputation=0.9),
    Candidate(Bid(2, 7, 5), volume=20, reputation=0.5),
]

Baseline = Callable[[Sequence[Candidate], int], Mapping[int, int]]
RULES: dict[str, Baseline] = {
    "volume": lambda c, budget: baselines.volume_only(c, budget=budget),
    "trust": lambda c, budget: baselines.trust_based(c, budget=budget, price=5),
    "trust a token": lambda c, budget: baselines.trust_per_token(
        c, budget=budget, rate=Fraction(5, 2)
    ),
    "uniform": lambda c, budget: baselines.uniform_split(c, budget=budget),
    "random": lambda c, budget: baselines.random_order(c, budget=budget, price=5, seed=1),
}


def test_volume_only__by_hand__pays_one_price_a_token() -> None:
    assert baselines.volume_only(MARKET, budget=16) == {1: 10}


def test_trust_based__by_hand__asks_the_trusted_first() -> None:
    assert baselines.trust_based(MARKET, budget=9, price=5) == {1: 5}
    assert baselines.trust_based(MARKET, budget=16, price=8) == {1: 8, 2: 8}


def test_trust_per_token__by_hand__passes_over_who_is_too_dear() -> None:
    half = Fraction(1, 2)
    assert baselines.trust_per_token(MARKET, budget=20, rate=half) == {1: 15, 0: 5}
    assert baselines.trust_per_token(MARKET, budget=14, rate=half) == {2: 10}
    with pytest.raises(InputError):
        baselines.trust_per_token(MARKET, budget=9, rate=-half)


def test_uniform_split__by_hand__pays_all_the_same_and_uses_the_budget() -> None:
    assert baselines.uniform_split(MARKET, budget=15) == {0: 7, 1: 7}
    assert baselines.uniform_split(MARKET, budget=24) == {0: 8, 1: 8, 2: 8}
    assert baselines.uniform_split([], budget=15) == {}


def test_random_order__same_seed__same_winners() -> None:
    draw = partial(baselines.random_order, budget=10, price=9)
    assert draw(MARKET, seed=1) == draw(MARKET[::-1], seed=1)
    assert len({tuple(draw(MARKET, seed=seed)) for seed in range(20)}) == 3


def test_posted_price__of_nothing__buys_what_is_free() -> None:
    free = [Candidate(Bid(0, 0, 1), 1), Candidate(Bid(1, 1, 1), 1)]
    assert baselines.trust_based(free, budget=9, price=0) == {0: 0}


def test_posted_price__negative__is_refused() -> None:
    with pytest.raises(InputError):
        baselines.trust_based(MARKET, budget=9, price=-1)


@pytest.mark.parametrize("name", RULES)
@checked
@given(market=markets(min_bids=1, max_bids=4, max_budget=10))
def test_baseline__any_market__is_truthful_rational_and_within_budget(
    name: str, market: Market
) -> None:
    rule, budget = RULES[name], market.budget
    candidates = [Candidate(bid, 1 + bid.weight % 3, -bid.weight) for bid in market.bids]
    honest = rule(candidates, budget)
    assert sum(honest.values()) <= budget
    for position, candidate in enumerate(candidates):
        bid = candidate.bid
        gain = honest.get(bid.index, bid.cost) - bid.cost
        assert gain >= 0
        for cost in range(budget + 2):
            lied = list(candidates)
            lied[position] = replace(candidate, bid=replace(bid, cost=cost))
            assert rule(lied, budget).get(bid.index, bid.cost) - bid.cost <= gain
