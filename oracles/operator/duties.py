"""What is due: a pure function of the chain, the journal and the time.

It is asked again every cycle, so a restart, a reorganisation or a lost answer needs no other
recovery than asking again. Every duty may be repeated without harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from oracles.chain.auction import State
from oracles.chain.oracle import Ground
from oracles.chain.packing import CHUNK
from oracles.operator.duty import Kind
from oracles.service.duty import Duty

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from oracles.chain.state import AuctionState, Seat
    from oracles.operator.turn import Turn
    from oracles.service.chainview import Head

#: Gas of `claimFee` and `claimDue`, and the least that a unit of it costs anywhere, in wei.
_CLAIM_GAS: Final = 85_000
_LEAST_GAS_PRICE: Final = 10**6
#: Seconds for which what is not worth its gas is waited with, after the stakes are free.
_CHEAPER_GAS_SECONDS: Final = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Timing:
    """When an operator does what it may do at several times; see `Settings`."""

    turn_seconds: float
    roll_share: float
    publish_share: float
    slash: bool
    housekeeping: bool


def current_round(auction: AuctionState, now: int) -> int:
    """Round that the contract would take reports for (ScoreOracle._round)."""
    return 2 if auction.challenged and now >= auction.windows(2).commit else 1


def promised(auction: AuctionState, me: Seat) -> bool:
    """Whether this operator has committed to a vector, and with that a stake."""
    return me.position in auction.rounds[me.round - 1].committed


def duties(turn: Turn, timing: Timing) -> Iterator[Duty]:
    """Everything that this operator should do for an auction now.

    Args:
        turn: the auction, the time, and what this operator has done and heard.
        timing: when it does what.
    """
    # A stranger's auction that is declined costs nothing, unless there was a promise before.
    serves = promised(turn.auction, turn.me) or not turn.declined
    if turn.auction.state is State.OPEN:
        if not turn.declined:
            yield from _samples(turn, timing)
        yield from _round(turn, timing)
        if serves and timing.housekeeping:
            yield from _housekeeping(turn, timing)
    if serves and timing.slash:
        yield from _slashing(turn, timing)
    if turn.auction.state is State.SETTLED:
        yield from _exchange(turn, timing)
    yield from _earnings(turn)


def finished(auction: AuctionState, me: Seat, address: str, head: Head) -> bool:
    """Whether nothing can become due any more."""
    if auction.state is State.OPEN:
        # Where nobody bids there is nothing but the buyer's own money, for the buyer to take back.
        return not auction.commitments and head.settled >= auction.phases.open_start
    aborted = auction.state is State.ABORTED
    over = auction.phases.reveal_start if aborted else auction.phases.dispute_end
    staked = me.position in auction.rounds[me.round - 1].stakes
    due = (auction.fee_due(me), auction.gas_due(address))
    if any(due) and head.settled < max(over, auction.stakes_free) + _CHEAPER_GAS_SECONDS:
        return False
    return head.settled >= over and not staked and not any(_worth(each, head) for each in due)


def wanted(turn: Turn) -> Set[int]:
    """Indices whose sample this operator needs: all that were opened, or all on the roll."""
    auction = turn.auction
    return auction.opened if auction.roll is None else auction.roll


def fetch_deadline(auction: AuctionState, me: Seat) -> int:
    """Until when samples are of use: for a commitment, or to open one whose report was lost."""
    window = auction.windows(me.round)
    return window.post if promised(auction, me) else window.open


def _samples(turn: Turn, timing: Timing) -> Iterator[Duty]:
    """Fetch and check samples, and say on chain which are here, before anybody scores."""
    auction, me, now = turn.auction, turn.me, turn.head.timestamp
    phases, settled = auction.phases, turn.head.settled
    attests = me.round == auction.attesting_round
    roll_end = auction.windows(1).commit
    deadline = fetch_deadline(auction, me)
    if me.round == 2 and not auction.challenged and auction.roll is not None:
        deadline = 0
    # Withdrawn commitments and openings of others' chains must not be fetched.
    if settled >= phases.open_start and now < deadline:
        looked_at = turn.progress.looked_at
        if any(index not in looked_at for index in wanted(turn)):
            yield Duty(Kind.FETCH, auction.id)
    if (
        attests
        and me.position not in auction.called
        and auction.commitments
        and settled >= phases.open_end
        and now < roll_end
    ):
        # Who was away until now asks once before it says that it holds nothing.
        share = timing.roll_share if turn.progress.searched else (1 + timing.roll_share) / 2
        late = now >= phases.open_end + share * (roll_end - phases.open_end)
        if late or all(index in turn.progress.looked_at for index in auction.opened):
            yield Duty(Kind.CALL_ROLL, auction.id)


def _round(turn: Turn, timing: Timing) -> Iterator[Duty]:
    auction, me, head = turn.auction, turn.me.position, turn.head
    now, number = head.timestamp, turn.me.round
    window, round_ = auction.windows(number), auction.rounds[number - 1]
    progress = turn.progress.rounds[number - 1]
    # Nobody signs before it is settled, for ever, who takes part.
    if (
        auction.roll is None
        or head.settled_number < auction.roll_block
        or round_.complete
        or (number == 2 and not auction.challenged)
        or not window.commit <= now < window.end
    ):
        return
    mine, scored = me in round_.committed, progress.report is not None
    if not mine and turn.declined:
        return
    if (
        head.settled >= window.commit
        and not scored
        and auction.roll <= turn.progress.held
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
    if len(due) >= auction.panel(number).threshold and due <= have:
        mask = sum(1 << member for member in due)
        start, length = (
            (window.post, window.end - window.post)
            if posting
            else (window.open, window.post - window.open)
        )
        for chunk in range(-(-len(auction.commitments) // CHUNK)):
            if chunk not in round_.posted.get(mask, ()) and _my_turn(
                turn, start, length, number + chunk, timing
            ):
                yield Duty(Kind.POST, auction.id, number, chunk)
    left = window.post - now
    if (
        me in have
        and me not in round_.published
        and 0 < left <= timing.publish_share * (window.post - window.open)
    ):
        yield Duty(Kind.PUBLISH, auction.id, number)


def reporters(turn: Turn, number: int) -> Set[int]:
    """Members whose reports are to be posted: who committed, and in the end who published."""
    round_ = turn.auction.rounds[number - 1]
    posting = turn.head.timestamp >= turn.auction.windows(number).post
    return (round_.published if posting else round_.committed).keys()


def _housekeeping(turn: Turn, timing: Timing) -> Iterator[Duty]:
    auction, phases, now = turn.auction, turn.auction.phases, turn.head.timestamp
    first, second = auction.windows(1), auction.windows(2)
    called = len(auction.called) >= auction.panel(auction.attesting_round).threshold
    if auction.roll is None and called and now < first.end:
        length = first.open - first.commit
        if _my_turn(turn, first.commit, length, 0, timing):
            yield Duty(Kind.TALLY_ROLL, auction.id)
    if auction.challenged and not auction.resolved:
        start = second.open if auction.rounds[1].complete else second.end
        if _my_turn(turn, start, second.end - second.open, 0, timing):
            yield Duty(Kind.RESOLVE, auction.id)
    elif auction.rounds[0].complete and not auction.accepted_round and now < phases.reveal_end:
        length = phases.reveal_end - phases.reveal_start
        if _my_turn(turn, phases.reveal_start, length, 0, timing):
            yield Duty(Kind.ACCEPT, auction.id)
    failed_from = first.end if called else first.commit
    no_scores = not auction.rounds[0].complete and _my_turn(
        turn, failed_from, first.end - first.commit, 0, timing
    )
    length = phases.deliver_end - phases.settle_end
    if no_scores or _my_turn(turn, phases.settle_end, length, 0, timing):
        yield Duty(Kind.ABORT, auction.id)


def _slashing(turn: Turn, timing: Timing) -> Iterator[Duty]:
    auction = turn.auction
    unlock = auction.stakes_free
    if turn.head.timestamp >= unlock:
        return
    for number in (1, 2):
        window, round_ = auction.windows(number), auction.rounds[number - 1]
        mine = {turn.me.position} if turn.me.round == number else set()
        present = round_.published.keys() | _members(round_.complete)
        missing = round_.committed.keys() - present - mine
        if len(round_.committed) < auction.panel(number).threshold:
            missing = set()
        for member in sorted(missing & round_.stakes):
            if _my_turn(turn, window.end, window.end - window.commit, member, timing):
                yield Duty(Kind.SLASH_MISSING, auction.id, number, member)
        contradictions = turn.progress.rounds[number - 1].contradictions.keys()
        for member in sorted((contradictions - mine) & round_.stakes):
            yield Duty(Kind.SLASH_CONTRADICTION, auction.id, number, member)
    for member in sorted(turn.progress.deviators.keys() & auction.rounds[0].stakes):
        if (1, member) != turn.me and _my_turn(
            turn, auction.windows(2).end, unlock - auction.windows(2).end, member, timing
        ):
            yield Duty(Kind.SLASH_DEVIATION, auction.id, 1, member)


def _exchange(turn: Turn, timing: Timing) -> Iterator[Duty]:
    """Judge what the buyer could not fetch, or could not read, if this panel's round stands."""
    auction, phases, head = turn.auction, turn.auction.phases, turn.head
    if turn.me.round != auction.accepted_round:
        return
    half_fetch = phases.fetch_end - (phases.fetch_end - phases.settle_end) // 2
    half_dispute = phases.dispute_end - (phases.dispute_end - phases.deliver_end) // 2
    cases = (
        (Kind.INSPECT_MISSING, Ground.UNAVAILABLE, auction.missing, half_fetch, phases.fetch_end),
        (
            Kind.INSPECT_COMPLAINT,
            Ground.UNREADABLE,
            auction.complaints.keys(),
            half_dispute,
            phases.dispute_end,
        ),
    )
    majority = len(auction.panel(turn.me.round).members) // 2 + 1
    for kind, ground, named, start, end in cases:
        if head.timestamp >= end:
            continue
        for index in sorted(named - auction.struck_out):
            fault = turn.progress.faults.get((index, ground))
            if fault is None:
                yield Duty(kind, auction.id, ground, index)
            if head.timestamp < start:
                continue
            votes = turn.progress.verdicts.get((index, ground), {})
            # Who sees no fault does not stop the others, but does not work for them either.
            if fault and len(votes) < majority:
                yield Duty(Kind.GATHER_VERDICT, auction.id, ground, index)
            elif fault and _my_turn(turn, start, end - start, index, timing):
                yield Duty(Kind.VERDICT, auction.id, ground, index)


def _earnings(turn: Turn) -> Iterator[Duty]:
    """Take what was earned, once all of it is there, and the stake when it is free."""
    auction, me, now = turn.auction, turn.me, turn.head.timestamp
    round_ = auction.rounds[me.round - 1]
    if auction.state is State.OPEN:
        return
    ended = auction.state is State.ABORTED or now >= auction.phases.dispute_end
    if ended and _worth(auction.fee_due(me), turn.head):
        yield Duty(Kind.CLAIM_FEE, auction.id, me.round)
    # Until the last window of scores is over, there may be more gas to repay.
    gas = auction.gas_due(turn.address)
    if ended and now >= auction.scores_end and _worth(gas, turn.head):
        yield Duty(Kind.CLAIM_DUE, auction.id)
    if now >= auction.stakes_free and me.position in round_.stakes:
        present = round_.published.keys() | _members(round_.complete)
        enough = len(round_.committed) >= auction.panel(me.round).threshold
        if me.position in present or not enough:
            yield Duty(Kind.RELEASE_STAKE, auction.id, me.round)


def _worth(amount: int, head: Head) -> bool:
    """Whether it is worth the gas of a claim.

    Anybody may add to the fees of an auction at any time, a few wei too: each of the members would
    pay for a transaction.
    """
    return amount > _CLAIM_GAS * max(head.base_fee, _LEAST_GAS_PRICE)


def _members(mask: int) -> set[int]:
    return {member for member in range(mask.bit_length()) if mask >> member & 1}


def _my_turn(turn: Turn, start: int, length: int, salt: int, timing: Timing) -> bool:
    """Operators take turns, so that they do not all pay for what one transaction does.

    All turns together fit in the first half of the window, so that nobody's absence is fatal. The
    panels have turns of their own: the appeal panel waits until the first one had them all.
    """
    first, own = len(turn.auction.panel(1).members), turn.auction.panel(turn.me.round)
    count = first + (len(own.members) if turn.me.round == 2 else 0)
    seats = len(own.members)
    rank = (turn.me.position - turn.auction.id - salt) % seats + count - seats
    total = len(turn.auction.panel(1).members) + len(turn.auction.panel(2).members)
    pause = min(timing.turn_seconds, length / (2 * total))
    return turn.head.timestamp >= start + rank * pause
