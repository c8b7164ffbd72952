"""Verification: exactly one proposal passes, in any chunks, and it fixes what the clock says."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.errors import IntegrityError
from oracles.mechanism import Bid, Proposal, Settlement, Verification, clear, propose
from tests.mechanism.strategies import Market, checked, large_markets, markets


def settle(market: Market, proposal: Proposal, chunk: int = 1000) -> Settlement:
    verification = Verification(market.bids, proposal, beta=market.beta, tranche=market.tranche)
    while verification.remaining:
        verification.walk(chunk)
    return verification.finish()


def passes(market: Market, proposal: Proposal) -> bool:
    try:
        settle(market, proposal)
    except IntegrityError:
        return False
    return True


@checked
@given(markets(max_bids=4))
def test_proposals__all_of_them__exactly_one_passes(market: Market) -> None:
    indices = [None, *range(len(market.bids))]
    passing = [
        proposal
        for proposal in map(Proposal._make, product(indices, repeat=3))
        if passes(market, proposal)
    ]
    assert passing == [propose(market.bids, beta=market.beta, tranche=market.tranche)]


@checked
@given(markets() | large_markets(max_bids=9), st.integers(1, 4))
def test_right_proposal__in_any_chunks__fixes_the_prices(market: Market, chunk: int) -> None:
    cleared = market.clear()
    settled = settle(market, propose(market.bids, beta=market.beta, tranche=market.tranche), chunk)
    assert settled.split == cleared.split
    names = ("flagged", "unflagged") if cleared.split else ("all",)
    assert tuple(settled.prices) == tuple(settled.weights) == tuple(settled.counts) == names
    for name in names:
        clock = cleared.clocks[name]
        assert settled.prices[name] == clock.price
        assert settled.weights[name] == clock.weight
        assert settled.counts[name] == len(clock.winners)


def test_walk__unrevealed_ineligible_and_dear_slots__are_skipped() -> None:
    slots = [None, Bid(1, 2, 1), Bid(2, 0, 0), Bid(3, 99, 50), Bid(4, 3, 1)]
    verification = Verification(slots, Proposal(4), beta=10, tranche=Fraction(0))
    verification.walk(5)
    settled = verification.finish()
    assert settled.weights == {"all": 2}
    assert settled.prices == {"all": Fraction(5)}
    bids = [slot for slot in slots if slot is not None]
    assert settled.prices["all"] == clear(bids, budget=10).clocks["all"].price


@pytest.mark.parametrize("index", [0, 2, 3, -1, 5, 2**104])
def test_marginal__that_is_no_eligible_bid__is_refused(index: int) -> None:
    slots = [None, Bid(1, 2, 1), Bid(2, 0, 0), Bid(3, 99, 50), Bid(4, 3, 1)]
    with pytest.raises(IntegrityError, match="no revealed"):
        Verification(slots, Proposal(index), beta=10, tranche=Fraction(0))


def test_marginal__of_the_other_class__is_refused() -> None:
    slots = [Bid(0, 1, 1, True), Bid(1, 1, 1)]
    for proposal in (Proposal(1, flagged=1), Proposal(1, unflagged=0)):
        with pytest.raises(IntegrityError, match="no revealed"):
            Verification(slots, proposal, beta=10, tranche=Fraction(1, 2))


def test_finish__before_the_end__is_refused() -> None:
    verification = Verification([Bid(0, 1, 1)] * 2, Proposal(0), beta=9, tranche=Fraction(0))
    verification.walk(1)
    with pytest.raises(IntegrityError, match="1 slots"):
        verification.finish()


def test_refusal__says_which_way_to_move() -> None:
    market = Market((Bid(0, 1, 1), Bid(1, 2, 1), Bid(2, 9, 1)), 9, 0, Fraction(1), Fraction(0))
    with pytest.raises(IntegrityError, match="bid 1 wins too"):
        settle(market, Proposal(0))
    with pytest.raises(IntegrityError, match="bid 2 does not win"):
        settle(market, Proposal(2))
    with pytest.raises(IntegrityError, match="not in use"):
        settle(market, Proposal(1, unflagged=1))


@pytest.mark.slow
def test_proposals__in_all_markets_of_three_small_bids__exactly_one_passes() -> None:
    kinds = list(product((0, 1, 2, 4), (1, 2), (False, True)))
    indices = [None, 0, 1, 2]
    for entries in product(kinds, repeat=3):
        bids = tuple(Bid(i, *entry) for i, entry in enumerate(entries))
        for budget, tranche in product((2, 4), (Fraction(0), Fraction(1, 2))):
            market = Market(bids, budget, 0, Fraction(1), tranche)
            right = propose(bids, beta=budget, tranche=tranche)
            for proposal in map(Proposal._make, product(indices, repeat=3)):
                assert passes(market, proposal) == (proposal == right)
