"""The veto on a metric version, and every known way to abuse it with its price."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.mechanism.veto import YEAR, Paid, Proposed, Rules, Standing, objection, tally

DOLLAR, OTHER = "0x" + "d0" * 20, "0x" + "e0" * 20
GENESIS, NEW, NEXT = b"\1" * 32, b"\2" * 32, b"\3" * 32
#: A veto takes a fifth of the last year's payouts; auctions below 1,000 units do not count.
RULES = Rules(DOLLAR, 1_000, 2_000, GENESIS)
NOW = 10 * YEAR
CLOSES = NOW + 14 * 86_400


def token(number):
    return f"0x{number:040x}"


def auction(number, cash=10_000, **change):
    made = Paid(
        token=token(number),
        currency=DOLLAR,
        version=GENESIS,
        created=NOW - 60 * 86_400,
        ended=NOW - 30 * 86_400,
        verified=NOW - 29 * 86_400,
        cash=cash,
        issued=1_000,
    )
    return replace(made, **change)


#: Four ordinary auctions: the electorate is 40,000 units, and 8,000 are a veto.
MARKET = [auction(number) for number in range(4)]


def standing(objections, auctions=MARKET, now=CLOSES, **change):
    given = {(token(number), holder): amount for number, holder, amount in objections}
    proposal = replace(Proposed(NEW, NOW, CLOSES, given), **change)
    return tally([proposal], auctions, RULES, now)[NEW]


def test_silence__after_the_window__accepts_and_before_it_is_open():
    assert standing([]).standing is Standing.ACCEPTED
    assert standing([], now=CLOSES - 1).standing is Standing.OPEN


def test_objection__of_a_fifth_of_the_payouts__is_a_veto_at_once_and_for_ever():
    enough = [(0, "a", 500), (1, "b", 300)]
    assert standing(enough).against == standing(enough).needed == 8_000
    for now in (NOW + 1, CLOSES, CLOSES + 5 * YEAR):
        assert standing(enough, now=now).standing is Standing.VETOED
    assert standing([(0, "a", 500), (1, "b", 299)]).standing is Standing.ACCEPTED


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 100)), max_size=20))
def test_objections__however_they_are_split_over_holders_and_auctions__weigh_the_same(parts):
    given = {}
    for number, holder, amount in parts:
        given[number, str(holder)] = amount
    split = standing([(number, holder, amount) for (number, holder), amount in given.items()])
    assert split.against == sum(Fraction(10 * amount) for amount in given.values())


def test_sham_auctions__that_pay_nothing_or_below_the_floor__weigh_nothing():
    """Their price is gas alone, and so is what they get."""
    sham = [auction(100 + n, cash=999) for n in range(500)]
    objections = [(100 + n, "thief", 1_000) for n in range(500)]
    found = standing(objections, MARKET + sham)
    assert (found.standing, found.against, found.electorate) == (Standing.ACCEPTED, 0, 40_000)


@pytest.mark.parametrize(
    "change",
    [
        {"currency": OTHER},
        {"version": b"\x99" * 32},
        {"verified": NOW + 1},
        {"ended": NOW - YEAR - 1},
        {"issued": 0},
    ],
)
def test_sham_auction__in_a_coin_of_ones_own_or_under_a_metric_of_ones_own__weighs_nothing(change):
    """A coin that one mints, a metric nobody accepted, and one made after seeing the proposal."""
    sham = auction(9, cash=10**12, **change)
    found = standing([(9, "thief", 1_000)], [*MARKET, sham])
    assert (found.standing, found.against) == (Standing.ACCEPTED, 0)


def test_sham_auction__before_its_metric_was_accepted__weighs_nothing():
    first = Proposed(NEXT, NOW - 50 * 86_400, NOW - 40 * 86_400, {})
    sham = auction(9, cash=10**9, version=NEXT, created=NOW - 45 * 86_400)
    proposal = Proposed(NEW, NOW, CLOSES, {(token(9), "thief"): 1_000})
    assert tally([first, proposal], [*MARKET, sham], RULES, CLOSES)[NEW].against == 0
    later = replace(sham, created=NOW - 39 * 86_400)
    assert tally([first, proposal], [*MARKET, later], RULES, CLOSES)[NEW].against == 10**9


def test_wash_auction__to_veto__needs_a_quarter_of_all_payouts_as_capital_until_it_ends():
    """The stated price: who pays itself gets the money back, but must have it for that long.

    With x of its own in an electorate of 40,000 + x it needs a fifth of both: x = 10,000.
    """
    objections = [(9, "thief", 1_000)]
    assert standing(objections, [*MARKET, auction(9, cash=9_999)]).standing is Standing.ACCEPTED
    assert standing(objections, [*MARKET, auction(9, cash=10_000)]).standing is Standing.VETOED
    # All that it gains is that the old metric stays.


def test_wash_auction__to_silence_a_veto__needs_four_times_what_objects():
    """Inflating the electorate: objectors of 10,000 are too few only beyond 50,000 in all."""
    objections = [(0, "a", 1_000)]
    assert standing(objections, [*MARKET, auction(9, cash=10_000)]).standing is Standing.VETOED
    assert standing(objections, [*MARKET, auction(9, cash=10_001)]).standing is Standing.ACCEPTED


def test_lost_tokens__up_to_four_fifths__leave_a_veto_possible():
    """Lost tokens, and those that nobody claimed, count against objectors: they are silent."""
    rest = [(number, "a", 200) for number in range(4)]
    assert standing(rest).standing is Standing.VETOED
    assert standing([*rest[:3], (3, "a", 199)]).standing is Standing.ACCEPTED


@given(st.integers(0, 3), st.integers(0, 1_000), st.lists(st.integers(1, 10**6), max_size=3))
def test_standing__after_the_window__cannot_be_changed_by_anything_later(number, amount, later):
    """Neither time, nor auctions that end or issue tokens after the proposal, move it."""
    objections = [(number, "a", amount)]
    before = standing(objections)
    more = [auction(20 + n, cash=cash, verified=NOW + 1) for n, cash in enumerate(later)]
    after = standing(objections, MARKET + more, now=CLOSES + 9 * YEAR)
    assert after == before


@pytest.mark.parametrize(
    ("found", "created", "why"),
    [
        (None, CLOSES, "never proposed"),
        (standing([(0, "a", 800)]), CLOSES, "vetoed"),
        (standing([]), CLOSES - 1, "not accepted yet"),
        (standing([]), CLOSES, ""),
    ],
)
def test_objection__names_what_is_wrong_with_an_auction_s_version(found, created, why):
    assert why in objection(found, created)
    assert bool(why) == bool(objection(found, created))


def test_genesis__without_any_payout__cannot_be_vetoed_nor_can_a_first_proposal():
    found = standing([(0, "a", 1_000)], [])
    assert (found.standing, found.electorate) == (Standing.ACCEPTED, 0)


def test_decoys__many_proposals_at_once__do_not_split_the_objectors():
    """The same locked tokens object to each; the registry counts them for every version."""
    versions = [bytes([n]) * 32 for n in range(10, 30)]
    objections = {(token(0), "a"): 800}
    found = tally([Proposed(v, NOW, CLOSES, objections) for v in versions], MARKET, RULES, CLOSES)
    assert {found[v].standing for v in versions} == {Standing.VETOED}
