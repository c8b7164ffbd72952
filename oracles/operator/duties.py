"""What is due: a pure function of the chain, the journal and the time.

It is asked anew every cycle, so a restart, a reorganisation or a lost answer needs no other
recovery than asking again. Every duty may be repeated without harm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from oracles.chain.auction import State
from oracles.chain.codec import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Set

    from oracles.operator.chainview import AuctionView, Head


class Kind(StrEnum):
    """Kinds of duty, in the order in which one cycle does them."""

    SCORE = "score"
    COMMIT = "commit"
    REVEAL = "reveal"
    GATHER = "gather"
    POST = "post"
    PUBLISH = "publish"
    RESOLVE = "resolve"
    ABORT = "abort"
    SLASH_MISSING = "slash-missing"
    SLASH_EQUIVOCATION = "slash-equivocation"
    ATTEST = "attest"
    GATHER_VERDICT = "gather-verdict"
    VERDICT = "verdict"


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to do.

    Attributes:
        kind: what.
        auction: for which auction.
        round: scoring round, 0 where there is none.
        item: chunk, member or provider index, where there is one.
    """

    kind: Kind
    auction: int
    round: int = 0
    item: int = 0

    def __str__(self) -> str:
        return f"{self.kind}:{self.auction}:{self.round}:{self.item}"


def about(key: str, auction: int) -> bool:
    """Whether a key (`auction:7`, or a `Duty` as `post:7:1:0`) is of this auction."""
    return key.split(":")[1:2] == [str(auction)]


@dataclass(frozen=True, slots=True)
class Memory:
    """What the journal knows of one auction.

    Attributes:
        scored: rounds with a report over the present inputs.
        revealed: rounds whose report was signed and shared.
        reports: by round, members whose committed report is at hand.
        equivocators: by round, members with two signed reports.
        attested: whether this operator has compared all delivered keys.
        wrong: winners whose delivered key does not open their data.
        votes: number of verdict signatures by winner.
    """

    scored: Set[int] = frozenset()
    revealed: Set[int] = frozenset()
    reports: Mapping[int, Set[int]] = field(default_factory=dict)
    equivocators: Mapping[int, Set[int]] = field(default_factory=dict)
    attested: bool = False
    wrong: Set[int] = frozenset()
    votes: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """See `Settings`."""

    turn_seconds: float
    publish_share: float
    slash: bool
    housekeeping: bool


def current_round(view: AuctionView, now: int) -> int:
    """Round that the contract would take reports for (ScoreOracle._round)."""
    return 2 if view.challenged and now >= view.windows(2).commit else 1


def duties(
    view: AuctionView, memory: Memory, me: int, head: Head, policy: Policy
) -> Iterator[Duty]:
    """Everything that this operator should do for an auction now.

    Args:
        view: the auction, as of `head`.
        memory: what this operator has done and heard.
        me: position in the operator set.
        head: block that the cycle is pinned to; its timestamp is the time.
        policy: what this operator is willing to do, and when.
    """
    if view.state is State.OPEN:
        yield from _round(view, memory, me, head, policy)
        if policy.housekeeping:
            yield from _housekeeping(view, me, head, policy)
    if policy.slash:
        yield from _slashing(view, memory, me, head, policy)
    if view.state is State.SETTLED:
        yield from _delivery(view, memory, me, head, policy)


def finished(view: AuctionView, head: Head) -> bool:
    """Whether nothing can become due any more."""
    phases = view.phases
    if view.state is State.ABORTED:
        return head.settled >= phases.reveal_start
    return view.state is State.SETTLED and head.settled >= phases.verdict_end


def _round(
    view: AuctionView, memory: Memory, me: int, head: Head, policy: Policy
) -> Iterator[Duty]:
    now = head.timestamp
    number = current_round(view, now)
    window, round_ = view.windows(number), view.rounds[number - 1]
    if not view.commitments or round_.complete or now >= window.end:
        return
    mine, scored = me in round_.committed, number in memory.scored
    # What is to be scored must be beyond reorganisation before work and signatures go into it.
    if (
        head.settled >= window.commit
        and not scored
        and now < (window.post if mine else window.open)
    ):
        yield Duty(Kind.SCORE, view.id, number)
    if now < window.open:
        if head.settled >= window.commit and scored and not mine:
            yield Duty(Kind.COMMIT, view.id, number)
        return
    if mine and scored and number not in memory.revealed:
        yield Duty(Kind.REVEAL, view.id, number)
    have = memory.reports.get(number, frozenset())
    if round_.committed.keys() - have:
        yield Duty(Kind.GATHER, view.id, number)
    posting = now >= window.post
    due = (round_.published if posting else round_.committed).keys()
    if len(due) >= view.members.threshold and due <= have:
        mask = sum(1 << member for member in due)
        start, length = (
            (window.post, window.end - window.post)
            if posting
            else (window.open, window.post - window.open)
        )
        for chunk in range(-(-len(view.commitments) // CHUNK)):
            if chunk not in round_.posted.get(mask, ()) and _my_turn(
                view, me, now, start, length, number + chunk, policy
            ):
                yield Duty(Kind.POST, view.id, number, chunk)
    left = window.post - now
    if (
        mine
        and scored
        and me not in round_.published
        and 0 < left <= policy.publish_share * (window.post - window.open)
    ):
        yield Duty(Kind.PUBLISH, view.id, number)


def _housekeeping(view: AuctionView, me: int, head: Head, policy: Policy) -> Iterator[Duty]:
    now, phases = head.timestamp, view.phases
    first, second = view.windows(1), view.windows(2)
    if view.challenged and not view.resolved:
        start = second.open if view.rounds[1].complete else second.end
        if _my_turn(view, me, now, start, second.end - second.open, 0, policy):
            yield Duty(Kind.RESOLVE, view.id)
    for start in () if view.rounds[0].complete else (first.end,):
        if _my_turn(view, me, now, start, first.end - first.commit, 0, policy):
            yield Duty(Kind.ABORT, view.id)
            return
    length = phases.deliver_end - phases.settle_end
    if _my_turn(view, me, now, phases.settle_end, length, 0, policy):
        yield Duty(Kind.ABORT, view.id)


def _slashing(
    view: AuctionView, memory: Memory, me: int, head: Head, policy: Policy
) -> Iterator[Duty]:
    for number in (1, 2):
        window, round_ = view.windows(number), view.rounds[number - 1]
        present = round_.published.keys() | _members(round_.complete)
        for member in sorted(round_.committed.keys() - present - {me}):
            length = window.end - window.commit
            if _my_turn(view, me, head.timestamp, window.end, length, member, policy):
                yield Duty(Kind.SLASH_MISSING, view.id, number, member)
        for member in sorted(memory.equivocators.get(number, frozenset()) - {me}):
            yield Duty(Kind.SLASH_EQUIVOCATION, view.id, number, member)


def _delivery(
    view: AuctionView, memory: Memory, me: int, head: Head, policy: Policy
) -> Iterator[Duty]:
    phases, now = view.phases, head.timestamp
    if head.settled < phases.deliver_end or now >= phases.verdict_end or not view.delivered:
        return
    if not memory.attested:
        yield Duty(Kind.ATTEST, view.id)
    length = phases.verdict_end - phases.deliver_end
    for index in sorted(memory.wrong - view.forfeited):
        if memory.votes.get(index, 0) < view.members.threshold:
            yield Duty(Kind.GATHER_VERDICT, view.id, item=index)
        elif _my_turn(view, me, now, phases.deliver_end, length, index, policy):
            yield Duty(Kind.VERDICT, view.id, item=index)


def _members(mask: int) -> set[int]:
    return {member for member in range(mask.bit_length()) if mask >> member & 1}


def _my_turn(
    view: AuctionView, me: int, now: int, start: int, length: int, salt: int, policy: Policy
) -> bool:
    """Operators take turns, so that they do not all pay for what one transaction does.

    All turns together fit in the first half of the window, so that nobody's absence is fatal.
    """
    count = len(view.members.members)
    rank = (me - view.id - salt) % count
    turn = min(policy.turn_seconds, length / (2 * count))
    return now >= start + rank * turn
