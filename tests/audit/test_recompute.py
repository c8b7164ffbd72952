"""The auditor's arithmetic against the reference's, which is written another way."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.audit import recompute
from oracles.audit.recompute import StandingBid
from oracles.chain.packing import (
    NONE,
    Score,
    pack_score,
    pack_vector,
    unpack_roll,
    unpack_score,
    unpack_vector,
)
from oracles.mechanism import Bid, allocate, certify, clear, paper, propose

PPB = 10**9


@st.composite
def bids(draw: st.DrawFn) -> list[StandingBid]:
    weight = st.integers(1, 6) | st.integers(1, 2**63)
    cost = st.integers(0, 12) | st.integers(0, 2**70)
    rows = draw(st.lists(st.tuples(cost, weight, st.booleans()), max_size=9))
    return [StandingBid(index, *row) for index, row in enumerate(rows)]


def of(standing: list[StandingBid]) -> list[Bid]:
    return [Bid(*bid) for bid in standing]


@settings(deadline=None, max_examples=150)
@given(bids(), st.integers(0, 30) | st.integers(0, 2**70), st.integers(0, 30), st.data())
def test_settle__any_bids__is_what_the_reference_clears(
    standing: list[StandingBid], budget: int, pool: int, data: st.DataObject
) -> None:
    rho = data.draw(st.sampled_from([0, PPB // 4, PPB // 2, PPB]))
    share = data.draw(st.sampled_from([0, PPB // 10, PPB // 2, PPB]))
    beta = recompute.beta_of(budget, pool, rho)
    standing = [bid for bid in standing if bid.cost <= beta]
    outcome = recompute.settle(standing, beta, beta * share // PPB, tranche=share > 0)
    tranche = Fraction(share, PPB)
    expected = clear(
        of(standing), budget=budget, pool=pool, rho=Fraction(rho, PPB), tranche=tranche
    )
    won = {bid.index for bid in standing if bid.index in outcome.clock_of(bid.flagged).winners}
    assert won == set(expected.winners)
    for bid in standing:
        if bid.index in won:
            cash, mut = recompute.reward(outcome.clock_of(bid.flagged), bid.weight, rho)
            assert (cash, mut) == (expected.cash[bid.index], expected.mut[bid.index])
    found = [
        NONE if index is None else index
        for index in propose(of(standing), beta=beta, tranche=tranche)
    ]
    assert found == [
        outcome.pooled.marginal,
        outcome.flagged.marginal if outcome.flagged else NONE,
        outcome.unflagged.marginal if outcome.unflagged else NONE,
    ]


@settings(deadline=None, max_examples=200)
@given(bids(), st.integers(0, 40) | st.integers(0, 2**71))
def test_literal__any_bids__pays_what_the_paper_says(
    standing: list[StandingBid], budget: int
) -> None:
    outcome = paper.algorithm_1(of(standing), budget=budget)
    assert recompute.literal(standing, budget) == dict(outcome.payments)


def test_literal__two_equal_bidders__pays_more_than_there_is() -> None:
    payments = recompute.literal([StandingBid(0, 1, 1, False), StandingBid(1, 1, 1, False)], 10)
    assert payments == {0: 9, 1: 9}
    assert certify([Bid(0, 1, 1), Bid(1, 1, 1)], [0, 1], beta=10).holds


score = st.builds(
    Score,
    st.integers(0, 10_000),
    st.integers(0, 10_000),
    st.integers(0, 2**32 - 1),
    st.booleans(),
    st.booleans(),
)


@settings(deadline=None)
@given(
    st.integers(1, 7).flatmap(
        lambda n: st.lists(st.lists(score, min_size=2, max_size=2), min_size=n, max_size=n)
    )
)
def test_medians__any_vectors__are_lower_medians_of_each_field(vectors: list[list[Score]]) -> None:
    out = recompute.medians([pack_vector(vector) for vector in vectors])
    for position in range(2):
        found = unpack_score(out[8 * position : 8 * position + 8])
        for name in Score._fields:
            row = sorted(getattr(vector[position], name) for vector in vectors)
            assert getattr(found, name) == row[(len(row) - 1) // 2]


def test_medians__bits_in_no_field__are_dropped() -> None:
    vector = (int.from_bytes(pack_score(Score(1, 2, 3, True)), "big") | 3 << 62).to_bytes(8, "big")
    assert recompute.medians([vector] * 3) == pack_score(Score(1, 2, 3, True))


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=8),
    st.integers(1, 1000),
    st.integers(0, 50),
    st.integers(0, 300),
)
def test_water_level__any_scores__is_the_reference_allocation(
    values: list[int], supply: int, floor: int, extra: int
) -> None:
    cap = max(1, floor + extra)
    total = sum(values) or 1
    scores = {index: Fraction(value, total) for index, value in enumerate(values)}
    expected = allocate(list(scores.values()), supply=supply, floor=floor, cap=cap)
    shares = recompute.water_level(scores, supply, floor, cap)
    assert [shares[index] for index in scores] == list(expected.shares)


def test_deviates__at_and_beyond_the_tolerance__only_beyond() -> None:
    base = Score(5_000, 5_000, 10_000, True)
    # Deviates, and differs: the under-served flag moves an outcome and costs nobody a stake.
    cases = {
        base: (False, False),
        base._replace(q=5_010): (False, False),
        base._replace(q=5_011): (True, True),
        base._replace(phi=4_989): (True, True),
        base._replace(volume=10_020): (False, False),
        base._replace(volume=10_021): (True, True),
        base._replace(volume=9_979): (True, True),
        base._replace(present=False): (True, True),
        base._replace(underserved=True): (False, True),
    }
    right = int.from_bytes(pack_score(base), "big")
    for own, expected in cases.items():
        packed = int.from_bytes(pack_score(own), "big")
        found = recompute.deviates(packed, right), recompute.differ(packed, right)
        assert found == expected, own


@settings(deadline=None)
@given(
    st.integers(1, 300).flatmap(
        lambda count: st.tuples(
            st.just(count), st.lists(st.sets(st.integers(0, count + 40)), min_size=1, max_size=6)
        )
    ),
    st.integers(1, 4),
)
def test_roll__any_bitmaps__counts_attestations_of_bids_alone(
    attested: tuple[int, list[set[int]]], least: int
) -> None:
    count, given_by = attested
    words = -(-count // 256)
    bitmaps = [
        [sum(1 << i % 256 for i in each if i // 256 == word) for word in range(words)]
        for each in given_by
    ]
    enough = {i for i in range(count) if sum(i in each for each in given_by) >= least}
    assert set(unpack_roll(recompute.roll(bitmaps, count, least))) == enough


def test_present__of_any_medians__follows_the_roll() -> None:
    vector = pack_vector([Score(1, 2, 3, False), Score(4, 5, 6, True, True), Score(7, 8, 9, True)])
    found = recompute.present(vector, 1024, {1024, 1025}.__contains__)
    assert unpack_vector(found) == [
        Score(1, 2, 3, True),
        Score(4, 5, 6, True, True),
        Score(0, 0, 0, False),
    ]
