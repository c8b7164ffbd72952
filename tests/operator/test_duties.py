"""What is due when: the pure part of the daemon."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.chain.auction import State
from oracles.chain.oracle import Ground
from oracles.chain.packing import CHUNK
from oracles.chain.state import LOCK_SECONDS, AuctionState, Commitment, Seat
from oracles.chain.terms import PPB, AuctionId, DataSet, Durations, ScoringTerms, Terms, WeightTerms
from oracles.chain.typed_events import Panel
from oracles.operator.duties import Timing, duties, finished
from oracles.operator.duty import Kind
from oracles.operator.journal import Report, SignedReport
from oracles.operator.monitor import missed_because
from oracles.operator.policy import ServicePolicy, declined, most_gwei
from oracles.operator.status import next_deadline
from oracles.operator.turn import AuctionProgress, RoundProgress, Turn
from oracles.service.chainview import Head
from oracles.service.duty import Duty

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# With creation at 0: samples are opened in [100, 200), the roll is called in [200, 300), round one
# is [300, 400, 490, 580), challenges in [580, 630), round two [630, 730, 820, 910).
DURATIONS = Durations(100, 100, 100, 100, 90, 90, 50, 100, 100, 100, 100, 100)
OPENS, ROLL, COMMIT, OPEN, POST, END = 100, 200, 300, 400, 490, 580
TIMING = Timing(turn_seconds=10, roll_share=0.6, publish_share=0.3, slash=True, housekeeping=True)
GWEI, SZABO = 10**9, 10**12  # In wei.
ALL = frozenset({0, 1, 2})


def member(number: int) -> str:
    return "0x" + f"{number + 1:040x}"


def view(
    commitments: int = 2,
    *,
    appeal: int = 0,
    opened: Iterable[int] | None = None,
    roll: Iterable[int] | None = (0, 1),
    samples: int = 4,
) -> AuctionState:
    """An auction of three members, k = 3, whose roll is counted unless it says otherwise."""
    terms = Terms(
        token="0x" + "11" * 20,
        budget=1,
        pool=0,
        rho=PPB,
        tranche=0,
        weights=WeightTerms(),
        bond_gwei=1,
        max_bids=5000,
        enrolment=False,
        agreement=bytes(32),
        scoring=ScoringTerms(1, samples, 0, 10**9, 3 * 10**8, 1, 10**8, 1, bytes(32), bytes(32)),
        durations=DURATIONS if appeal else _without_appeal(),
    )
    panels = (
        Panel(3, tuple(map(member, range(3)))),  # type: ignore[arg-type]
        Panel(3 if appeal else 0, tuple(map(member, range(3, 3 + appeal)))),  # type: ignore[arg-type]
    )
    buyer = "0x" + "33" * 20
    made = AuctionState(AuctionId(1), buyer, bytes(64), terms, 0, 1, 0, panels, 0, (1, 0), 0)
    shown = range(commitments) if opened is None else set(opened)
    for index in range(commitments):
        provider, sold = "0x" + "22" * 20, DataSet(b"", b"", 1, b"")
        opening = bytes(32) if index in shown else None
        made.commitments.append(
            Commitment(index, provider, provider, bytes(32), sold, opening=opening)
        )
    if roll is not None:
        made.called.update(dict.fromkeys(range(3), (0b11,)))
        made.roll = frozenset(roll)
    return made


def _without_appeal() -> Durations:
    values = {name: getattr(DURATIONS, name) for name in DURATIONS.__slots__}
    return Durations(**values | {"challenge": 0})


def head(now: int, settled: int | None = None) -> Head:
    return Head(1, bytes(32), now, now if settled is None else settled, 1)


REPORT = Report(1, 1, b"", b"", b"", b"")
SIGNED = SignedReport(1, 1, 0, b"", True, b"", b"", b"", b"")


def known(
    scored: Iterable[int] = (),
    revealed: Iterable[int] = (),
    reports: Mapping[int, Iterable[int]] | None = None,
    contradictions: Iterable[int] = (),
    looked_at: Mapping[int, bool] | None = None,
    **more: Any,
) -> AuctionProgress:
    """Progress from numbers: rounds, and members by round. By default all samples are here."""
    first, second = (
        RoundProgress(
            REPORT if number in scored else None,
            number in revealed,
            dict.fromkeys((reports or {}).get(number, ()), SIGNED),
            dict.fromkeys(contradictions if number == 1 else (), (SIGNED, SIGNED)),
        )
        for number in (1, 2)
    )
    samples = {0: True, 1: True} if looked_at is None else looked_at
    return AuctionProgress((first, second), samples, **more)


def turn(
    auction: AuctionState,
    progress: AuctionProgress,
    now: int,
    me: int = 0,
    settled: int | None = None,
    declined: str = "",
) -> Turn:
    """Members 0 to 2 are the first panel, the others the appeal panel."""
    seat = Seat(1, me) if me < 3 else Seat(2, me - 3)
    return Turn(auction, seat, member(me), head(now, settled), progress, declined)


def due(*args: Any, timing: Timing = TIMING, **options: Any) -> set[Kind]:
    return {duty.kind for duty in duties(turn(*args, **options), timing)}


def committed(auction: AuctionState, *members: int, round_: int = 1) -> AuctionState:
    for each in members:
        auction.rounds[round_ - 1].committed[each] = bytes(32)
        auction.rounds[round_ - 1].stakes.add(each)
    return auction


# SAMPLES AND ROLL


def test_samples__not_drawn_or_not_final__not_fetched() -> None:
    fresh = known(looked_at={})
    assert due(view(roll=None), fresh, OPENS - 1) == set()
    assert due(view(roll=None), fresh, OPENS + 20, settled=OPENS - 1) == set()
    assert due(view(roll=None), fresh, OPENS + 20, settled=OPENS) == {Kind.FETCH}


def test_samples__one_is_no_good_and_one_was_never_opened__nothing_more_to_fetch() -> None:
    auction = view(3, roll=None, opened=(0, 1))
    assert Kind.FETCH in due(auction, known(looked_at={0: True}), OPENS)
    assert due(auction, known(looked_at={0: True, 1: False}), OPENS) == set()


def test_roll__opening_is_over__called_once_all_is_looked_at_or_time_is_short() -> None:
    auction = view(roll=None)
    some = known(looked_at={0: True})
    assert due(auction, known(), ROLL - 1) == set()
    assert due(auction, known(), ROLL, settled=ROLL - 1) == set()
    assert due(auction, known(), ROLL) == {Kind.CALL_ROLL}
    assert due(auction, some, ROLL + 59) == {Kind.FETCH}
    assert due(auction, some, ROLL + 60) == {Kind.FETCH, Kind.CALL_ROLL}
    # Just started: asks once before it gives up.
    fresh = known(looked_at={}, searched=False)
    assert due(auction, fresh, ROLL + 79) == {Kind.FETCH}
    assert due(auction, fresh, ROLL + 80) == {Kind.FETCH, Kind.CALL_ROLL}
    auction.called[0] = (0b11,)
    assert due(auction, known(), ROLL + 60) == set()


def test_roll__appeal_panel__calls_it_and_the_first_one_does_not() -> None:
    auction = view(appeal=3, roll=None)
    assert Kind.CALL_ROLL not in due(auction, known(), ROLL + 60)
    assert Kind.CALL_ROLL in due(auction, known(), ROLL + 60, me=3)


def test_roll__enough_called__counted_in_turns() -> None:
    auction = view(roll=None)
    auction.called.update(dict.fromkeys(range(3), (0b11,)))
    assert Kind.TALLY_ROLL not in due(auction, known(), COMMIT - 1)
    tallied = [
        sum(Kind.TALLY_ROLL in due(auction, known(), COMMIT + wait, me) for me in range(3))
        for wait in (0, 10, 20)
    ]
    assert tallied == [1, 2, 3]
    del auction.called[2]
    assert Kind.TALLY_ROLL not in due(auction, known(), COMMIT + 60)


def test_policy__auction_declined__nothing_of_its_own_but_what_was_promised() -> None:
    late = view(roll=None)
    assert due(late, known(looked_at={}), ROLL + 60, declined="too many") == set()
    assert due(view(), known(scored={1}), COMMIT, declined="too many") == set()
    assert due(late, known(), END + 60, declined="too many") == set()
    assert Kind.ABORT in due(late, known(), END + 60)
    promised = committed(view(), 0, 1, 2)
    assert Kind.ABORT in due(promised, known(), END + 60, declined="too many")
    assert Kind.REVEAL in due(promised, known(scored={1}), OPEN, declined="too many")


# ROUNDS


def test_round__roll_not_counted_or_not_final__nobody_scores() -> None:
    assert Kind.SCORE not in due(view(roll=None), known(), COMMIT)
    auction = view()
    auction.roll_block = 2
    assert due(auction, known(), COMMIT) == set()
    auction.roll_block = 1
    assert due(auction, known(), COMMIT) == {Kind.SCORE}


def test_round__a_sample_on_the_roll_is_not_here__does_not_score_and_stakes_nothing() -> None:
    assert due(view(), known(looked_at={0: True, 1: False}), COMMIT) == set()
    assert due(view(), known(looked_at={0: True}), COMMIT) == {Kind.FETCH}


def test_round__scored__commits_once() -> None:
    progress = known(scored={1})
    assert due(view(), progress, COMMIT) == {Kind.COMMIT}
    assert due(committed(view(), 0), progress, COMMIT) == set()


def test_round__late_for_the_commit_window__leaves_it() -> None:
    assert due(view(), known(scored={1}), OPEN) == set()
    assert due(view(), known(), OPEN) == set()


def test_round__commit_window_open__no_vector_leaves() -> None:
    progress = known(scored={1}, reports={1: ALL})
    kinds = due(committed(view(), 0, 1, 2), progress, OPEN - 1)
    assert kinds.isdisjoint({Kind.REVEAL, Kind.PUBLISH, Kind.POST, Kind.GATHER})


def test_round__open_window__reveals_and_gathers() -> None:
    auction = committed(view(), 0, 1, 2)
    assert due(auction, known(scored={1}), OPEN) == {Kind.REVEAL, Kind.GATHER}
    have = known(scored={1}, revealed={1}, reports={1: {0}})
    assert due(auction, have, OPEN) == {Kind.GATHER}


def test_round__journal_lost_after_commitment__scores_again() -> None:
    assert Kind.SCORE in due(committed(view(), 0, 1, 2), known(), OPEN)
    assert Kind.SCORE not in due(committed(view(), 0, 1, 2), known(), POST)
    # The samples may be lost as well.
    assert Kind.FETCH in due(committed(view(), 0, 1, 2), known(looked_at={}), POST - 1)
    assert Kind.FETCH not in due(view(), known(looked_at={}), OPEN)


def test_round__all_vectors_at_hand__take_turns() -> None:
    auction = committed(view(), 0, 1, 2)
    progress = known(scored={1}, revealed={1}, reports={1: ALL})
    posters = [
        sum(Kind.POST in due(auction, progress, OPEN + wait, me) for me in range(3))
        for wait in (0, 10, 20)
    ]
    assert posters == [1, 2, 3]


def test_round__one_vector_missing__publishes_at_the_end_and_posts_what_was_published() -> None:
    auction = committed(view(), 0, 1, 2)
    progress = known(scored={1}, revealed={1}, reports={1: ALL - {2}})
    assert Kind.PUBLISH not in due(auction, progress, POST - 40)
    assert Kind.PUBLISH in due(auction, progress, POST - 20)
    auction.rounds[0].published[0] = None  # type: ignore[assignment]
    assert Kind.PUBLISH not in due(auction, progress, POST - 20)
    # Two of three are no quorum; three are.
    auction.rounds[0].published[1] = None  # type: ignore[assignment]
    assert Kind.POST not in due(auction, progress, POST + 60)
    auction.rounds[0].published[2] = None  # type: ignore[assignment]
    assert Kind.POST not in due(auction, progress, POST + 60)
    whole = known(scored={1}, revealed={1}, reports={1: ALL})
    assert Kind.POST in due(auction, whole, POST + 60)


def test_round__chunk_posted__only_the_others() -> None:
    auction = committed(view(CHUNK + 1), 0, 1, 2)
    auction.rounds[0].posted[0b111] = {0: "0x"}  # type: ignore[dict-item]
    progress = known(scored={1}, revealed={1}, reports={1: ALL})
    found = [d for d in duties(turn(auction, progress, POST - 1), TIMING) if d.kind is Kind.POST]
    assert found == [Duty(Kind.POST, 1, 1, 1)]


def test_appeal__without_a_challenge__nothing_to_do() -> None:
    auction = committed(view(appeal=3), 0, 1, 2)
    auction.rounds[0].complete = 0b111
    for now in (COMMIT, OPEN, END, 640, 740):
        assert due(auction, known(scored={2}), now, me=3) == set()


def test_appeal__challenged__the_other_panel_scores_and_the_challenge_is_resolved() -> None:
    auction = committed(view(appeal=3), 0, 1, 2)
    auction.rounds[0].complete = 0b111
    auction.challenged = True
    assert due(auction, known(), 629, me=3) == set()
    assert due(auction, known(), 630, me=3) == {Kind.SCORE}
    assert due(auction, known(scored={2}), 630, me=3) == {Kind.COMMIT}
    # The first panel has no part in it.
    assert due(auction, known(scored={1}), 630, me=0) == set()
    committed(auction, 0, 1, 2, round_=2)
    auction.rounds[1].complete = 0b111
    for me in (0, 3):
        assert Kind.RESOLVE in due(auction, known(scored={1, 2}), 820, me=me)
    auction.resolved = True
    assert due(auction, known(scored={1, 2}), 820) == set()


def test_appeal__no_quorum__challenge_is_resolved_after_its_last_window() -> None:
    auction = view(appeal=3)
    auction.rounds[0].complete = 0b111
    auction.challenged = True
    assert Kind.RESOLVE not in due(auction, known(), 909)
    assert Kind.RESOLVE in due(auction, known(), 910 + 60)


# OFFENCES


def test_offences__round_failed__aborts_and_proves_who_withheld() -> None:
    auction = committed(view(), 0, 1, 2)
    auction.rounds[0].published[0] = None  # type: ignore[assignment]
    assert due(auction, known(), END + 60) == {Kind.ABORT, Kind.SLASH_MISSING}
    auction.state = State.ABORTED
    assert due(auction, known(), END + 60) == {Kind.SLASH_MISSING}


def test_offences__too_few_committed_for_any_scores__nobody_is_missing() -> None:
    auction = committed(view(), 1, 2)
    assert due(auction, known(), END + 60) == {Kind.ABORT}


def test_offences__roll_not_called_by_enough__aborted_at_its_end() -> None:
    auction = view(roll=None)
    auction.called[1] = (0b11,)
    assert Kind.ABORT not in due(auction, known(), COMMIT - 1)
    assert Kind.ABORT in due(auction, known(), COMMIT + 60)


def test_offences__contradiction__is_proved_but_never_against_oneself() -> None:
    auction = committed(view(), 0, 1, 2)
    progress = known(scored={1}, revealed={1}, contradictions={0, 2})
    found = {d for d in duties(turn(auction, progress, OPEN), TIMING) if d.kind is not Kind.GATHER}
    assert found == {Duty(Kind.SLASH_CONTRADICTION, 1, 1, 2)}


def test_offences__deviation_that_the_appeal_found__is_proved_but_never_against_oneself() -> None:
    auction = committed(view(appeal=3), 0, 1, 2)
    auction.rounds[0].complete = auction.rounds[1].complete = 0b111
    auction.challenged = auction.resolved = auction.moved = True
    auction.accepted_round = 2
    progress = known(deviators={0: 1, 2: 1})
    late = auction.windows(2).end + 60
    found = [d for d in duties(turn(auction, progress, late), TIMING) if d.kind is not Kind.ABORT]
    assert found == [Duty(Kind.SLASH_DEVIATION, 1, 1, 2)]


# EXCHANGE


def settled_auction() -> AuctionState:
    auction = committed(view(), 0, 1, 2)
    auction.rounds[0].complete = 0b111
    auction.accepted_round = 1
    auction.state = State.SETTLED
    return auction


def test_exchange__winner_named_as_missing__looked_for_and_struck_out_by_a_majority() -> None:
    auction, ground = settled_auction(), Ground.UNAVAILABLE
    begin, end = auction.phases.settle_end, auction.phases.fetch_end
    assert due(auction, known(), begin) == set()
    auction.missing.add(1)
    assert due(auction, known(), begin) == {Kind.INSPECT_MISSING}
    gone = known(faults={(1, ground): True})
    assert due(auction, gone, begin) == set()
    half = end - (end - begin) // 2
    assert due(auction, gone, half) == {Kind.GATHER_VERDICT}
    agreed = known(faults={(1, ground): True}, verdicts={(1, ground): {0: b"", 1: b""}})
    assert due(auction, agreed, half + 40) == {Kind.VERDICT}
    assert due(auction, known(faults={(1, ground): False}), half + 40) == set()
    auction.struck_out.add(1)
    assert due(auction, agreed, half + 40) == set()


def test_exchange__complaint__examined_in_the_dispute_phase() -> None:
    auction = settled_auction()
    auction.complaints[0] = bytes(32)
    begin = auction.phases.deliver_end
    found = [d for d in duties(turn(auction, known(), begin), TIMING) if d.kind is not Kind.GATHER]
    assert found == [Duty(Kind.INSPECT_COMPLAINT, 1, Ground.UNREADABLE, 0)]


def test_exchange__other_panel_stands__nothing_to_judge() -> None:
    auction = settled_auction()
    auction.accepted_round = 2
    auction.missing.add(1)
    assert due(auction, known(), auction.phases.settle_end) == set()


# PRICE OF GAS


def test_most_gwei__to_publish__half_of_the_stake_that_it_saves() -> None:
    auction = view(commitments=1000)  # With a stake of 1 ether, and 450,000 gas to publish.
    assert most_gwei(Kind.PUBLISH, auction, 100) == 5 * 10**8 / 450_000
    assert most_gwei(Kind.PUBLISH, auction, 2000) == 2000
    for kind in (*Kind, "another"):
        if kind != Kind.PUBLISH:
            assert most_gwei(kind, auction, 100) == 100
    assert most_gwei(Kind.PUBLISH, None, 100) == 100


# EARNINGS


def test_earnings__auction_over__fee_gas_and_stake_are_taken_and_then_it_is_finished() -> None:
    auction = settled_auction()
    seat, address = Seat(1, 0), member(0)
    auction.rounds[0].parts = 100 * SZABO
    auction.dues, auction.covered = {address: 300 * SZABO, member(1): 100 * SZABO}, 200 * SZABO
    end = auction.phases.dispute_end
    assert due(auction, known(), end - 1) == set()
    assert due(auction, known(), end) == {Kind.CLAIM_FEE, Kind.CLAIM_DUE}
    assert auction.gas_due(address) == 150 * SZABO
    assert not finished(auction, seat, address, head(end))
    auction.rounds[0].claimed[0] = 100 * SZABO
    auction.dues_claimed[address] = 150 * SZABO
    free = auction.stakes_free
    assert free == auction.windows(1).end + LOCK_SECONDS
    assert due(auction, known(), free - 1) == set()
    assert due(auction, known(), free) == {Kind.RELEASE_STAKE}
    auction.rounds[0].stakes.clear()
    assert finished(auction, seat, address, head(free))
    auction.dues_claimed.clear()
    assert not finished(auction, seat, address, head(free))


def test_earnings__too_little_for_its_gas__is_left_and_holds_up_nothing() -> None:
    """Anybody may pay a few wei into an auction, again and again."""
    auction = settled_auction()
    auction.rounds[0].stakes.clear()
    seat, address = Seat(1, 0), member(0)
    end, free = auction.phases.dispute_end, auction.stakes_free
    auction.rounds[0].parts, auction.dues, auction.covered = 3, {address: 3}, 3
    assert due(auction, known(), free) == set()
    # A little later gas may be cheaper; but not for ever.
    assert not finished(auction, seat, address, head(free))
    assert finished(auction, seat, address, head(free + 30 * 86_400))
    auction.rounds[0].parts = GWEI * 85_000
    for base_fee, wanted in ((GWEI, set()), (GWEI - 1, {Kind.CLAIM_FEE})):
        now = replace(turn(auction, known(), end), head=replace(head(end), base_fee=base_fee))
        assert {duty.kind for duty in duties(now, TIMING)} == wanted
        late = replace(head(free + 30 * 86_400), base_fee=base_fee)
        assert finished(auction, seat, address, late) == (not wanted)


def test_finished__nobody_bids__over_with_the_draw_and_nobody_pays_to_abort_it() -> None:
    seat, address = Seat(1, 0), member(0)
    alone, sought = view(0, roll=None), view(1, roll=None)
    assert not finished(alone, seat, address, head(10**6, settled=OPENS - 1))
    assert finished(alone, seat, address, head(OPENS))
    assert not finished(sought, seat, address, head(10**9))
    assert all(not due(alone, known(), now) for now in range(0, OPENS, 10))


def test_finished__nothing_was_at_stake__over_with_the_last_phase() -> None:
    auction = view()
    seat, address = Seat(1, 0), member(0)
    assert not finished(auction, seat, address, head(10**6))
    auction.state = State.ABORTED
    begun = auction.phases.reveal_start
    assert not finished(auction, seat, address, head(begun, settled=begun - 1))
    assert finished(auction, seat, address, head(begun))


def test_earnings__own_report_does_not_count__no_fee_and_no_stake_back() -> None:
    auction = settled_auction()
    auction.rounds[0].complete = 0b110
    auction.rounds[0].parts = 100
    assert due(auction, known(), auction.stakes_free) == set()


def test_earnings__aborted__claimed_without_waiting_for_a_dispute() -> None:
    auction = committed(view(), 0, 1, 2)
    auction.state = State.ABORTED
    auction.dues, auction.covered = {member(0): SZABO}, SZABO
    assert due(auction, known(), auction.windows(1).end) >= {Kind.CLAIM_DUE}
    assert due(view(0, roll=None), known(), COMMIT + 60) == {Kind.ABORT}


# ANY STATE


@given(
    now=st.integers(0, 1200),
    lag=st.integers(0, 200),
    me=st.integers(0, 5),
    who=st.sets(st.integers(0, 2)),
    have=st.sets(st.integers(0, 2)),
    published=st.sets(st.integers(0, 2)),
    scored=st.sets(st.sampled_from([1, 2])),
    here=st.sets(st.sampled_from([0, 1])),
    challenged=st.booleans(),
)
def test_duties__any_state__no_vector_is_shown_before_its_commit_window_is_over(
    now: int,
    lag: int,
    me: int,
    who: set[int],
    have: set[int],
    published: set[int],
    scored: set[int],
    here: set[int],
    challenged: bool,
) -> None:
    auction = view(appeal=3)
    auction.challenged = challenged
    number = 1 if me < 3 else 2
    committed(auction, *who, round_=number)
    auction.rounds[number - 1].published.update(dict.fromkeys(published & who))  # type: ignore[arg-type]
    samples = {0: 0 in here, 1: 1 in here}
    progress = known(scored=scored, reports={number: have}, looked_at=samples)
    window = auction.windows(number)
    for duty in duties(turn(auction, progress, now, me, settled=now - lag), TIMING):
        if duty.kind in (Kind.REVEAL, Kind.PUBLISH, Kind.POST):
            assert duty.round == number
            assert window.open <= now < window.end
        if duty.kind in (Kind.SCORE, Kind.COMMIT):
            assert number == 1 or challenged
            assert window.commit <= now - lag
        if duty.kind is Kind.COMMIT:
            assert now < window.open
            assert me % 3 not in who
        if duty.kind is Kind.SCORE:
            assert here == {0, 1}
        if duty.kind is Kind.POST:
            needed = who if now < window.post else published & who
            assert needed <= have
            assert len(needed) >= 3


# POLICY


def test_policy__limits__each_is_said() -> None:
    auction, seat = view(appeal=3), Seat(1, 0)
    assert declined(auction, seat, ServicePolicy()) == ""
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"sets": [2, 3]}, "set 1 is not among"),
        ({"least_fee": 0.11}, "its fee for this operator, in ether: 0.1, and"),
        ({"least_fetch_fee": 1e-9}, "its fee for an archive that is to be fetched, in ether: "),
        ({"most_stake": 0.5}, "its stake, in ether: 1, and"),
        ({"most_lock_days": 7}, "days until its stake is free: 7"),
        ({"most_bids": 4999}, "its places: 5000, and"),
        ({"most_samples": 3}, "sampled pages of a data set: 4, and"),
    ]
    for rules, reason in refusals:
        assert declined(auction, seat, ServicePolicy(**rules)).startswith(reason)
    assert declined(auction, seat, ServicePolicy(sets=[1], least_fee=0.1)) == ""


@pytest.mark.parametrize(
    ("progress", "begun", "why"),
    [
        (known(scored=[1]), False, "its commitment is in no block"),
        (known(looked_at={0: True, 1: False}), True, "1 of the 2 samples on the roll are not here"),
        (known(), True, "scoring took longer than the 1 min 40 s that there were"),
        (known(), False, "scoring did not begin"),
    ],
)
def test_missed__round__says_what_was_in_the_way(
    progress: AuctionProgress, begun: bool, why: str
) -> None:
    late = turn(view(), progress, OPEN + 1)
    assert why in missed_because(late, begun=begun)


def test_status__at_each_time__names_what_ends_next() -> None:
    auction, seat = committed(view(), 0), Seat(1, 0)
    said = {
        0: "commitments end",
        OPENS: "samples are opened until",
        ROLL: "the roll is called until",
        COMMIT: "scores are committed to until",
        OPEN: "reports are shown until",
        POST: "scores are posted until",
        END: "bids are revealed until",
        auction.phases.dispute_end: "the stake is locked until",
        auction.stakes_free: "over",
    }
    for now, words in said.items():
        assert next_deadline(auction, seat, now).startswith(words)
    auction.state = State.ABORTED
    assert next_deadline(auction, seat, 0).startswith("the stake is locked until")
    auction.rounds[0].stakes.clear()
    assert next_deadline(auction, seat, 0) == "over"
    assert next_deadline(view(samples=0), seat, OPENS - 1).startswith("commitments end")
