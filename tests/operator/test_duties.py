"""What is due when: the pure part of the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from oracles.chain.codec import DataSet, Durations, Terms

from oracles.chain import codec
from oracles.chain.auction import State
from oracles.chain.oracle import OperatorSet
from oracles.chain.state import AuctionState, Commitment
from oracles.chain.typed_events import AuctionId
from oracles.operator.chainview import Head
from oracles.operator.duties import Policy, duties, finished
from oracles.operator.duty import Duty, Kind
from oracles.operator.journal import Report, SignedReport
from oracles.operator.turn import AuctionProgress, RoundProgress, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Set

DURATIONS = Durations(100, 100, 90, 90, 50, 100, 100, 100, 100)
POLICY = Policy(turn_seconds=10, publish_share=0.3, slash=True, housekeeping=True)
# With creation at 0: round one is [100, 200, 290, 380), round two [430, 530, 620, 710).
COMMIT, OPEN, POST, END = 100, 200, 290, 380
ALL = frozenset({0, 1, 2})


def view(commitments: int = 2) -> AuctionState:
    terms = Terms(
        token="0x" + "11" * 20,
        budget=1,
        pool=0,
        rho=codec.PPB,
        tranche=0,
        weights=codec.WeightTerms(),
        bond_gwei=1,
        max_bids=5000,
        enrolment=False,
        operator_set=1,
        metric_version=bytes(32),
        evaluation=bytes(32),
        durations=DURATIONS,
    )
    members = OperatorSet(tuple("0x" + f"{i:040x}" for i in (1, 2, 3)), 3)
    members = members._replace(threshold=2)
    buyer = "0x" + "33" * 20
    made = AuctionState(AuctionId(1), buyer, bytes(64), terms, 1, 0, members, 0)
    for index in range(commitments):
        provider = "0x" + "22" * 20
        sold = DataSet(b"", b"", 1)
        made.commitments.append(Commitment(index, provider, provider, bytes(32), sold))
    return made


def head(now: int, settled: int | None = None) -> Head:
    return Head(1, bytes(32), now, now if settled is None else settled, 1)


REPORT = Report(1, 1, b"", b"", b"", b"")
SIGNED = SignedReport(1, 1, 0, b"", True, b"", b"", b"", b"")


def known(
    scored: Iterable[int] = (),
    revealed: Iterable[int] = (),
    reports: Mapping[int, Iterable[int]] | None = None,
    equivocators: Iterable[int] = (),
    undelivered: Set[int] | None = None,
    votes: Mapping[int, int] | None = None,
) -> AuctionProgress:
    """Progress from numbers: of rounds, of members by round, of votes by winner."""
    first, second = (
        RoundProgress(
            REPORT if number in scored else None,
            number in revealed,
            dict.fromkeys((reports or {}).get(number, ()), SIGNED),
            dict.fromkeys(equivocators if number == 1 else (), (SIGNED, SIGNED)),
        )
        for number in (1, 2)
    )
    verdicts = {index: dict.fromkeys(range(n), b"") for index, n in (votes or {}).items()}
    return AuctionProgress((first, second), undelivered, verdicts)


def due(
    auction: AuctionState, progress: AuctionProgress, now: int, me: int = 0, **options: int
) -> set[Kind]:
    turn = Turn(auction, me, head(now, options.get("settled")), progress)
    return {duty.kind for duty in duties(turn, POLICY)}


def committed(auction: AuctionState, *members: int, round_: int = 1) -> AuctionState:
    for member in members:
        auction.rounds[round_ - 1].committed[member] = bytes(32)
    return auction


def test_duties__while_providers_commit__nothing() -> None:
    assert due(view(), known(), COMMIT - 1) == set()


def test_duties__data_sets_not_final__not_scored() -> None:
    assert due(view(), known(), COMMIT + 20, settled=COMMIT - 1) == set()
    assert due(view(), known(), COMMIT + 20, settled=COMMIT) == {Kind.SCORE}


def test_duties__scored__commits_once() -> None:
    progress = known(scored={1})
    assert due(view(), progress, COMMIT) == {Kind.COMMIT}
    assert due(committed(view(), 0), progress, COMMIT) == set()


def test_duties__late_for_the_commit_window__leaves_it() -> None:
    assert due(view(), known(scored={1}), OPEN) == set()
    assert due(view(), known(), OPEN) == set()


def test_duties__commit_window_open__no_vector_leaves() -> None:
    progress = known(scored={1}, reports={1: ALL})
    kinds = due(committed(view(), 0, 1, 2), progress, OPEN - 1)
    assert kinds.isdisjoint({Kind.REVEAL, Kind.PUBLISH, Kind.POST, Kind.GATHER})


def test_duties__open_window__reveals_and_gathers() -> None:
    auction = committed(view(), 0, 1, 2)
    assert due(auction, known(scored={1}), OPEN) == {Kind.REVEAL, Kind.GATHER}
    have = known(scored={1}, revealed={1}, reports={1: {0}})
    assert due(auction, have, OPEN) == {Kind.GATHER}


def test_duties__journal_lost_after_commitment__scores_again() -> None:
    assert Kind.SCORE in due(committed(view(), 0, 1, 2), known(), OPEN)
    assert Kind.SCORE not in due(committed(view(), 0, 1, 2), known(), POST)


def test_duties__all_vectors_at_hand__take_turns() -> None:
    auction = committed(view(), 0, 1, 2)
    progress = known(scored={1}, revealed={1}, reports={1: ALL})
    posters = [
        {me for me in range(3) if Kind.POST in due(auction, progress, OPEN + wait, me)}
        for wait in (0, 10, 20)
    ]
    assert [len(who) for who in posters] == [1, 2, 3]


def test_duties__one_vector_missing__publishes_at_the_end_and_posts_what_was_published() -> None:
    auction = committed(view(), 0, 1, 2)
    progress = known(scored={1}, revealed={1}, reports={1: {0, 1}})
    assert Kind.PUBLISH not in due(auction, progress, POST - 40)
    assert Kind.PUBLISH in due(auction, progress, POST - 20)
    assert Kind.POST not in due(auction, progress, POST - 1)
    auction.rounds[0].published.update({0: None, 1: None})  # type: ignore[dict-item]
    assert Kind.PUBLISH not in due(auction, progress, POST - 20)
    assert Kind.POST in due(auction, progress, POST + 60)


def test_duties__quorum_published_but_too_few__not_posted() -> None:
    auction = committed(view(), 0, 1, 2)
    auction.rounds[0].published[0] = None  # type: ignore[assignment]
    progress = known(scored={1}, revealed={1}, reports={1: ALL})
    assert Kind.POST not in due(auction, progress, END - 1)


def test_duties__chunk_posted__only_the_others() -> None:
    auction = committed(view(codec.CHUNK + 1), 0, 1, 2)
    auction.rounds[0].posted[0b111] = {0: ""}
    progress = known(scored={1}, revealed={1}, reports={1: ALL})
    found = [
        d for d in duties(Turn(auction, 0, head(POST - 1), progress), POLICY) if d.kind is Kind.POST
    ]
    assert found == [Duty(Kind.POST, 1, 1, 1)]


def test_duties__round_failed__aborts_and_slashes() -> None:
    auction = committed(view(), 0, 1)
    auction.rounds[0].published[0] = None  # type: ignore[assignment]
    assert due(auction, known(), END + 60) == {Kind.ABORT, Kind.SLASH_MISSING}
    auction.state = State.ABORTED
    assert due(auction, known(), END + 60) == {Kind.SLASH_MISSING}
    assert not finished(auction, head(END + 60))
    assert finished(auction, head(710))


def test_duties__no_commitments__only_the_abort() -> None:
    assert due(view(0), known(), COMMIT) == set()
    assert due(view(0), known(), END + 60) == {Kind.ABORT}


def test_duties__challenge__second_round_and_resolution() -> None:
    auction = committed(view(), 0, 1, 2)
    auction.rounds[0].complete = 0b111
    assert due(auction, known(scored={1}), 430) == set()
    auction.challenged = True
    assert due(auction, known(scored={1}), 429) == set()
    assert due(auction, known(scored={1}), 430) == {Kind.SCORE}
    assert due(auction, known(scored={1, 2}), 430) == {Kind.COMMIT}
    committed(auction, 0, 1, 2, round_=2)
    auction.rounds[1].complete = 0b111
    assert due(auction, known(scored={1, 2}), 600) == {Kind.RESOLVE}
    auction.resolved = True
    assert due(auction, known(scored={1, 2}), 600) == set()


def test_duties__wrong_delivery__verdict_needs_the_quorum() -> None:
    auction = view()
    auction.rounds[0].complete = 0b111
    auction.state = State.SETTLED
    auction.delivered[1] = b""
    deliver_end = auction.phases.deliver_end
    late = deliver_end + 60
    assert due(auction, known(), deliver_end - 1) == set()
    assert due(auction, known(), late, settled=deliver_end - 1) == set()
    assert due(auction, known(), late) == {Kind.ATTEST}
    voted = known(undelivered={1}, votes={1: 1})
    assert due(auction, voted, late) == {Kind.GATHER_VERDICT}
    assert due(auction, known(undelivered={1}, votes={1: 2}), late) == {Kind.VERDICT}
    auction.forfeited.add(1)
    assert due(auction, voted, late) == set()


def test_duties__equivocator__is_slashed_but_never_oneself() -> None:
    progress = known(equivocators={0, 2})
    found = list(duties(Turn(view(), 0, head(OPEN), progress), POLICY))
    assert found == [Duty(Kind.SLASH_EQUIVOCATION, 1, 1, 2)]


@given(
    now=st.integers(0, 1200),
    lag=st.integers(0, 200),
    who=st.sets(st.integers(0, 2)),
    have=st.sets(st.integers(0, 2)),
    published=st.sets(st.integers(0, 2)),
    scored=st.sets(st.sampled_from([1, 2])),
    challenged=st.booleans(),
)
def test_duties__any_state__no_vector_is_shown_before_its_commit_window_is_over(
    now: int,
    lag: int,
    who: set[int],
    have: set[int],
    published: set[int],
    scored: set[int],
    challenged: bool,
) -> None:
    auction = view()
    auction.challenged = challenged
    number = 2 if challenged and now >= 430 else 1
    committed(auction, *who, round_=number)
    auction.rounds[number - 1].published.update(dict.fromkeys(published & who))  # type: ignore[arg-type]
    progress = known(scored=scored, reports={number: have})
    window = auction.windows(number)
    for duty in duties(Turn(auction, 0, head(now, now - lag), progress), POLICY):
        if duty.kind in (Kind.REVEAL, Kind.PUBLISH, Kind.POST):
            assert duty.round == number
            assert window.open <= now < window.end
        if duty.kind is Kind.COMMIT:
            assert window.commit <= now - lag
            assert now < window.open
            assert 0 not in who
        if duty.kind is Kind.POST:
            needed = who if now < window.post else published & who
            assert needed <= have
            assert len(needed) >= 2
