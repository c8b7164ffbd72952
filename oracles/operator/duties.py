"""What is due: a pure function of the chain, the journal and the time.

It is asked again every cycle, so a restart, a reorganisation or a lost answer needs no other
recovery than asking again. Every duty may be repeated without harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oracles.chain.auction import State
from oracles.chain.codec import CHUNK
from oracles.operator.duty import Duty, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from oracles.chain.state import AuctionState
    from oracles.operator.chainview import Head
    from oracles.operator.turn import Turn


@dataclass(frozen=True, slots=True)
class Policy:
    """See `Settings`."""

    turn_seconds: float
    publish_share: float
    slash: bool
    housekeeping: bool


def current_round(auction: AuctionState, now: int) -> int:
    """Round that the contract would take reports for (ScoreOracle._round)."""
    return 2 if auction.challenged and now >= auction.windows(2).commit else 1


def duties(turn: Turn, policy: Policy) -> Iterator[Duty]:
    """Everything that this operator should do for an auction now.

    Args:
        turn: the auction, the time, and what this operator has done and heard.
        policy: what this operator is willing to do, and when.
    """
    if turn.auction.state is State.OPEN:
        yield from _round(turn, policy)
        if policy.housekeeping:
            yield from _housekeeping(turn, policy)
    if policy.slash:
        yield from _slashing(turn, policy)
    if turn.auction.state is State.SETTLED:
        yield from _delivery(turn, policy)


def finished(auction: AuctionState, head: Head) -> bool:
    """Whether nothing can become due any more."""
    phases = auction.phases
    if auction.state is State.ABORTED:
        return head.settled >= phases.reveal_start
    return auction.state is State.SETTLED and head.settled >= phases.verdict_end


def _round(turn: Turn, policy: Policy) -> Iterator[Duty]:
    auction, me, head = turn.auction, turn.me, turn.head
    now = head.timestamp
    number = current_round(auction, now)
    window, round_ = auction.windows(number), auction.rounds[number - 1]
    progress = turn.progress.rounds[number - 1]
    if not auction.commitments or round_.complete or now >= window.end:
        return
    mine, scored = me in round_.committed, progress.report is not None
    # What is to be scored must be beyond reorganisation before work and signatures go into it.
    if (
        head.settled >= window.commit
        and not scored
        and now < (window.post if mine else window.open)
    ):
        yield Duty(Kind.SCORE, auction.id, number)
    if now < window.open:
        if head.settled >= window.commit and scored and not mine:
            yield Duty(Kind.COMMIT, auction.id, number)
        return
    if mine and scored and not progress.revealed:
        yield Duty(Kind.REVEAL, auction.id, number)
    have = progress.reports.keys()
    if round_.committed.keys() - have:
        yield Duty(Kind.GATHER, auction.id, number)
    posting = now >= window.post
    due = reporters(turn, number)
    if len(due) >= auction.members.threshold and due <= have:
        mask = sum(1 << member for member in due)
        start, length = (
            (window.post, window.end - window.post)
            if posting
            else (window.open, window.post - window.open)
        )
        for chunk in range(-(-len(auction.commitments) // CHUNK)):
            if chunk not in round_.posted.get(mask, ()) and _my_turn(
                turn, start, length, number + chunk, policy
            ):
                yield Duty(Kind.POST, auction.id, number, chunk)
    left = window.post - now
    if (
        me in have
        and me not in round_.published
        and 0 < left <= policy.publish_share * (window.post - window.open)
    ):
        yield Duty(Kind.PUBLISH, auction.id, number)


def reporters(turn: Turn, number: int) -> Set[int]:
    """Members whose reports are to be posted: who committed, and in the end who published."""
    round_ = turn.auction.rounds[number - 1]
    posting = turn.head.timestamp >= turn.auction.windows(number).post
    return (round_.published if posting else round_.committed).keys()


def _housekeeping(turn: Turn, policy: Policy) -> Iterator[Duty]:
    auction, phases = turn.auction, turn.auction.phases
    first, second = auction.windows(1), auction.windows(2)
    if auction.challenged and not auction.resolved:
        start = second.open if auction.rounds[1].complete else second.end
        if _my_turn(turn, start, second.end - second.open, 0, policy):
            yield Duty(Kind.RESOLVE, auction.id)
    no_scores = not auction.rounds[0].complete and _my_turn(
        turn, first.end, first.end - first.commit, 0, policy
    )
    length = phases.deliver_end - phases.settle_end
    if no_scores or _my_turn(turn, phases.settle_end, length, 0, policy):
        yield Duty(Kind.ABORT, auction.id)


def _slashing(turn: Turn, policy: Policy) -> Iterator[Duty]:
    auction, me = turn.auction, turn.me
    for number in (1, 2):
        window, round_ = auction.windows(number), auction.rounds[number - 1]
        present = round_.published.keys() | _members(round_.complete)
        for member in sorted(round_.committed.keys() - present - {me}):
            if _my_turn(turn, window.end, window.end - window.commit, member, policy):
                yield Duty(Kind.SLASH_MISSING, auction.id, number, member)
        for member in sorted(turn.progress.rounds[number - 1].equivocations.keys() - {me}):
            yield Duty(Kind.SLASH_EQUIVOCATION, auction.id, number, member)


def _delivery(turn: Turn, policy: Policy) -> Iterator[Duty]:
    auction, phases, progress = turn.auction, turn.auction.phases, turn.progress
    over = turn.head.timestamp >= phases.verdict_end
    if turn.head.settled < phases.deliver_end or over or not auction.delivered:
        return
    if progress.undelivered is None:
        yield Duty(Kind.ATTEST, auction.id)
        return
    length = phases.verdict_end - phases.deliver_end
    for index in sorted(progress.undelivered - auction.forfeited):
        if len(progress.verdicts.get(index, ())) < auction.members.threshold:
            yield Duty(Kind.GATHER_VERDICT, auction.id, target=index)
        elif _my_turn(turn, phases.deliver_end, length, index, policy):
            yield Duty(Kind.VERDICT, auction.id, target=index)


def _members(mask: int) -> set[int]:
    return {member for member in range(mask.bit_length()) if mask >> member & 1}


def _my_turn(turn: Turn, start: int, length: int, salt: int, policy: Policy) -> bool:
    """Operators take turns, so that they do not all pay for what one transaction does.

    All turns together fit in the first half of the window, so that nobody's absence is fatal.
    """
    count = len(turn.auction.members.members)
    rank = (turn.me - turn.auction.id - salt) % count
    pause = min(policy.turn_seconds, length / (2 * count))
    return turn.head.timestamp >= start + rank * pause
