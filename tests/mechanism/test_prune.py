"""Prune-and-split: truthful, within the budget, and never below a third of FOPT."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given

from oracles.mechanism import Bid, certify, clear, prune_and_split
from tests.mechanism.strategies import Market, checked, every_lie, large_markets, markets


def bought(market: Market) -> int:
    payments = prune_and_split(market.bids, budget=market.budget).payments
    return sum(market.bids[index].weight for index in payments)


def cash_only(market: Market) -> Market:
    return replace(market, rho=Fraction(1), tranche=Fraction(0))


@checked
@given(markets(max_bids=6) | large_markets(max_bids=9))
def test_prune__any_market__buys_a_third_of_the_optimum_within_budget(market: Market) -> None:
    market = cash_only(market)
    payments = prune_and_split(market.bids, budget=market.budget).payments
    assert sum(payments.values()) <= market.budget
    assert all(market.bids[index].cost <= payment for index, payment in payments.items())
    optimum = certify(market.bids, (), beta=market.budget).optimum
    assert 3 * bought(market) >= optimum


@checked
@given(markets(min_bids=1, max_bids=4))
def test_truth__against_every_lie__is_never_beaten(market: Market) -> None:
    market = cash_only(market)
    honest = prune_and_split(market.bids, budget=market.budget).payments
    for bid in market.bids:
        for lie in every_lie(market, bid):
            lied = prune_and_split(market.with_bid(lie).bids, budget=market.budget).payments
            honest_gain = honest.get(bid.index, bid.cost) - bid.cost
            assert lied.get(bid.index, bid.cost) - bid.cost <= honest_gain, lie


def test_prune__dominant_bidder__keeps_what_the_clock_loses() -> None:
    """One bid worth most of the market: the clock stops before it, prune-and-split buys it."""
    bids = [Bid(0, 0, 1), Bid(1, 100, 99)]
    assert clear(bids, budget=100).winners == (0,)
    outcome = prune_and_split(bids, budget=100)
    assert (outcome.dominant, outcome.payments[1]) == (1, 100)


def test_prune__nobody_dominant__buys_all_but_one_at_the_price() -> None:
    """Ten equal bids that cost what nine can be paid: the heavier side is the nine."""
    outcome = prune_and_split([Bid(i, 10, 1) for i in range(10)], budget=90)
    assert outcome.price == 10
    assert outcome.payments == dict.fromkeys(range(1, 10), 10)


def test_prune__nobody__buys_nothing() -> None:
    assert prune_and_split([Bid(0, 9, 1)], budget=5).payments == {}


def test_prune__naive_choice_of_the_heavier_side__would_fall_to_a_quarter() -> None:
    """The market for which buying only the heavier side tends to FOPT/4; the split saves it."""
    budget = 10**6
    heavy = [Bid(0, 0, 1000), Bid(1, 0, 1000), Bid(2, 502_600, 1000)]
    dust = [Bid(3 + i, 503, 1) for i in range(1000)]
    bids = heavy + dust
    outcome = prune_and_split(bids, budget=budget)
    assert sorted(outcome.survivors) == [0, 1]
    optimum = certify(bids, (), beta=budget).optimum
    assert optimum > 3900
    assert set(outcome.payments) == {0, 1}


@pytest.mark.slow
def test_prune__all_markets_of_three_small_bids__keep_the_ratio() -> None:
    worst = Fraction(1)
    for entries in product(product(range(7), (1, 2, 3, 5, 8)), repeat=3):
        bids = [Bid(i, *entry) for i, entry in enumerate(entries)]
        payments = prune_and_split(bids, budget=6).payments
        optimum = certify(bids, (), beta=6).optimum
        if optimum:
            weight = sum(bids[index].weight for index in payments)
            worst = min(worst, weight / optimum)
    assert Fraction(1, 3) <= worst < Fraction(1, 2)


@pytest.mark.slow
def test_prune__random_wide_markets__keep_the_ratio() -> None:
    rng = random.Random(4)
    for _ in range(20_000):
        budget = rng.randrange(1, 1000)
        bids = [
            Bid(i, rng.randrange(budget + 1), int(1 / (0.001 + rng.random())))
            for i in range(rng.randrange(1, 12))
        ]
        payments = prune_and_split(bids, budget=budget).payments
        weight = sum(bids[index].weight for index in payments)
        assert 3 * weight >= certify(bids, (), beta=budget).optimum
