"""From the request for scores to the decision which round stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eth_utils.crypto import keccak

from oracles.audit import hashes, recompute
from oracles.audit.feed import OWN_GAS, POST_GAS, PUBLISH_GAS, Fees
from oracles.chain.packing import CHUNK, SCORE_BYTES
from oracles.chain.typed_events import (
    Challenged,
    ChallengeResolved,
    RequestOpened,
    RollCalled,
    RollTallied,
    RoundCompleted,
    ScoresPosted,
    VectorAnnounced,
    VectorCommitted,
    VectorPublished,
)

if TYPE_CHECKING:
    from oracles.audit.feed import Feed, Round
    from oracles.audit.oracle import OracleContext
    from oracles.audit.records import Block
    from oracles.chain.typed_events import Body, Submission

SCHEMA: Final = 2
DAY: Final = 86_400
MAX_WINDOW: Final = 30 * DAY
MAX_LENGTH: Final = 90 * DAY


class Rounds:
    """Checks of requests, roll calls, scoring rounds and challenges.

    Args:
        context: what the oracle's checks share.
        least_window: constructor argument, seconds.
        min_stake: constructor argument, wei.
    """

    def __init__(self, context: OracleContext, min_stake: int, least_window: int) -> None:
        self._context = context
        self._checks = context.checks
        self._min_stake = min_stake
        self._least_window = least_window
        #: Contracts that the oracle has made: rolls and chunks of medians.
        self._made = 0

    def apply(self, body: Body, block: Block, bids: int | None) -> bool:
        """Check one event and follow it; False where it is about something else.

        Args:
            body: the event.
            block: that it is in.
            bids: number of bids of the auction that it is about; None where that is unknown.
        """
        time = block.time
        match body:
            case RequestOpened():
                self._opened(body, time)
            case RollCalled():
                self._called(body, time, bids)
            case RollTallied():
                self._tallied(body, time, bids)
            case VectorCommitted():
                self._committed(body, time)
            case VectorAnnounced():
                feed = self._context.feed(body.consumer, body.auction_id)
                self._round(feed, body.round, time)
                self._context.position(feed.panel(body.round), body.member)
            case VectorPublished():
                self._published(body, block, bids)
            case ScoresPosted():
                self._posted(body, block, bids)
            case RoundCompleted():
                self._completed(body)
            case Challenged():
                self._challenged(body, time)
            case ChallengeResolved():
                self._resolved(body, time)
            case _:
                return False
        return True

    # REQUEST AND ROLL

    def _opened(self, body: RequestOpened, time: int) -> None:
        checks, request = self._checks, body.request
        checks.require("schema.version", body.schema == SCHEMA, SCHEMA, body.schema)
        found = self._context.operators.standing(request.operator_set)
        feed = self._context.open(body.consumer, body.auction_id, request, found)
        windows = [request.roll_window, request.commit_window, request.open_window]
        windows.append(request.post_window)
        appeal = bool(found.panels[1].members)
        checks.equal("request.appeal", appeal, request.challenge_window > 0)
        if appeal:
            windows.append(request.challenge_window)
        fit = all(self._least_window <= each <= MAX_WINDOW for each in windows)
        checks.true("request.windows", fit, f"{self._least_window} to {MAX_WINDOW} each", windows)
        least = self._min_stake
        checks.true("request.stake", request.stake >= least, f"at least {least}", request.stake)
        checks.equal("request.end", feed.end, body.end)
        late = request.start > time and body.end <= time + MAX_LENGTH
        checks.true("request.length", late, f"after {time}, {MAX_LENGTH} s at most", body.end)

    def _called(self, body: RollCalled, time: int, bids: int | None) -> None:
        checks, feed = self._checks, self._context.feed(body.consumer, body.auction_id)
        checks.within("phase.roll", time, feed.request.start, feed.windows(1).commit)
        position = self._context.position(feed.attesting, body.member)
        checks.true("roll.once", position not in feed.bitmaps, "called once", body.member)
        if bids is not None:
            words = -(-bids // 256)
            checks.require("roll.length", len(body.bitmap) == words, words, len(body.bitmap))
        feed.bitmaps[position] = body.bitmap

    def _tallied(self, body: RollTallied, time: int, bids: int | None) -> None:
        checks, feed = self._checks, self._context.feed(body.consumer, body.auction_id)
        self._made += 1
        checks.within("phase.tally", time, feed.windows(1).commit)
        checks.true("roll.tally_once", feed.roll is None, "counted once")
        checks.equal("roll.callers", feed.callers, body.callers)
        threshold = feed.attesting.threshold
        checks.true("roll.quorum", len(feed.bitmaps) >= threshold, threshold, len(feed.bitmaps))
        feed.roll = body.roll
        if bids is not None:
            own = recompute.roll(feed.bitmaps.values(), bids, (threshold + 1) // 2)
            checks.equal("roll.count", own, body.roll)

    # VECTORS

    def _round(self, feed: Feed, number: int, time: int) -> Round:
        self._checks.equal("round.number", feed.round_at(time), number)
        self._checks.require("round.number", number in (1, 2), "1 or 2", number)
        return feed.rounds[number - 1]

    def _committed(self, body: VectorCommitted, time: int) -> None:
        checks, feed = self._checks, self._context.feed(body.consumer, body.auction_id)
        round_, windows = self._round(feed, body.round, time), feed.windows(body.round)
        checks.within("phase.score_commit", time, windows.commit, windows.open)
        checks.true("roll.tallied", feed.roll is not None, "the roll was counted before")
        position = self._context.position(feed.panel(body.round), body.member)
        checks.true("vector.once", position not in round_.commitments, "committed once")
        round_.commitments[position] = body.commitment
        round_.committed |= 1 << position
        self._context.operators.take(body.member, feed.request.stake)

    def _published(self, body: VectorPublished, block: Block, bids: int | None) -> None:
        checks, feed = self._checks, self._context.feed(body.consumer, body.auction_id)
        round_, windows = self._round(feed, body.round, block.time), feed.windows(body.round)
        checks.within("phase.score_open", block.time, windows.open, windows.post)
        checks.equal("round.open", 0, round_.complete)
        position = self._context.position(feed.panel(body.round), body.member)
        submission, vector = body.submission, body.submission.vector
        checks.equal("vector.member", position, submission.member)
        self._report(feed, body.round, position, submission)
        if bids is not None:
            checks.equal("vector.length", bids * SCORE_BYTES, len(vector))
        parts = _chunks(vector)
        checks.equal("report.root", tuple(map(keccak, parts)), submission.chunk_hashes)
        if not round_.published >> position & 1:
            present = sum(word.bit_count() for word in feed.roll or ())
            constant, each = OWN_GAS if feed.creditor == body.member else PUBLISH_GAS
            self._context.due(feed, block, constant + each * present)
        round_.published |= 1 << position
        round_.vectors.setdefault(position, {}).update(enumerate(parts))

    def _report(self, feed: Feed, number: int, position: int, given: Submission) -> None:
        """The member committed to this report, signed it, and signed no other one."""
        checks, round_ = self._checks, feed.rounds[number - 1]
        member = feed.panel(number).members[position]
        root = keccak(b"".join(given.chunk_hashes))
        digest = self._context.digest(feed, number, root, given.evidence)
        known = round_.reports.setdefault(position, digest)
        checks.equal("report.signed_twice", known, digest)
        opened = keccak(hashes.words(digest, member, given.salt))
        checks.equal("vector.opens", round_.commitments.get(position), opened)
        checks.equal("report.signature", member, hashes.signer(digest, given.signature))
        round_.evidence[position] = given.evidence

    def _posted(self, body: ScoresPosted, block: Block, bids: int | None) -> None:
        checks, feed = self._checks, self._context.feed(body.consumer, body.auction_id)
        self._made += 1
        # The contract makes nothing but rolls and chunks, so their addresses count them.
        pointer = hashes.created_by(self._context.address, self._made)
        checks.equal("score.pointer", pointer, body.pointer)
        round_, windows = self._round(feed, body.round, block.time), feed.windows(body.round)
        checks.within("phase.score_post", block.time, windows.open, windows.end)
        checks.equal("round.open", 0, round_.complete)
        checks.true("roll.tallied", feed.roll is not None, "the roll was counted before")

        panel, given = feed.panel(body.round), body.submissions
        members = [each.member for each in given]
        checks.true("round.order", members == sorted(set(members)), "ascending", members)
        known = members and max(members) < len(panel.members)
        checks.require("vector.member", known, "members of the panel", members)
        due = round_.committed if block.time < windows.post else round_.published
        checks.equal("round.due", due, body.mask)
        checks.equal("round.mask", sum(1 << each for each in set(members)), body.mask)
        checks.true("round.quorum", len(members) >= panel.threshold, panel.threshold, members)

        for each in given:
            self._submission(feed, body.round, body.chunk, each, bids)
        lengths = {len(each.vector) for each in given}
        checks.require("vector.length", len(lengths) == 1, "one length", sorted(lengths))
        length = sum(len(each.vector) for each in given)
        self._context.due(feed, block, POST_GAS[0] + POST_GAS[1] * length)
        # The event does not carry the medians; the weights of revealed bids and the DST show them.
        done = round_.chunks.setdefault(body.mask, {})
        checks.true("round.chunk", body.chunk not in done, "posted once", body.chunk)
        medians = recompute.medians([each.vector for each in given])
        first = body.chunk * CHUNK
        done[body.chunk] = (body.pointer, recompute.present(medians, first, feed.on_roll))
        if len(done) == len(given[0].chunk_hashes):
            found = (feed.consumer, feed.auction, body.round, body.mask)
            self._context.announced.announce_next("round.completed", self._context.address, found)

    def _submission(
        self, feed: Feed, number: int, chunk: int, each: Submission, bids: int | None
    ) -> None:
        checks, vector = self._checks, each.vector
        self._report(feed, number, each.member, each)
        fits = chunk < len(each.chunk_hashes) and each.chunk_hashes[chunk] == keccak(vector)
        checks.true("report.root", fits, "the chunk's hash is in the report", chunk)
        if bids is not None:
            checks.equal("report.chunks", -(-bids // CHUNK), len(each.chunk_hashes))
            size = min(CHUNK, bids - chunk * CHUNK) * SCORE_BYTES
            checks.equal("vector.length", size, len(vector))
        feed.rounds[number - 1].vectors.setdefault(each.member, {})[chunk] = vector

    def _completed(self, body: RoundCompleted) -> None:
        feed = self._context.feed(body.consumer, body.auction_id)
        found = (body.consumer, body.auction_id, body.round, body.mask)
        self._context.announced.confirm("round.completed", self._context.address, found)
        self._checks.require("round.number", body.round in (1, 2), "1 or 2", body.round)
        feed.rounds[body.round - 1].complete = body.mask
        if body.round == 1:
            feed.standing = 1

    # CHALLENGE

    def _challenged(self, body: Challenged, time: int) -> None:
        checks, feed = self._checks, self._context.feed(body.consumer, body.auction_id)
        start = feed.windows(1).end
        checks.within("phase.challenge", time, start, start + feed.request.challenge_window)
        checks.true("challenge.round", feed.rounds[0].complete, "round 1 is complete")
        checks.true("challenge.once", not feed.challenger, "challenged once")
        checks.equal("challenge.bond", feed.request.appeal_fee, body.bond)
        self._context.ledger.receives(self._context.address, body.bond)
        feed.challenger, feed.standing = body.challenger, 0

    def _resolved(self, body: ChallengeResolved, time: int) -> None:
        checks, feed = self._checks, self._context.feed(body.consumer, body.auction_id)
        checks.true("challenge.open", feed.challenger and not feed.standing, "challenged, open")
        quorum = bool(feed.rounds[1].complete)
        checks.equal("challenge.quorum", quorum, body.quorum)
        if not quorum:
            checks.within("phase.challenge_end", time, feed.windows(2).end)
        moved, index = _moved(feed) if quorum else (False, 0)
        checks.equal("challenge.moved", moved, body.moved)
        checks.equal("challenge.index", index, body.moved_index)
        checks.equal("challenge.standing", 2 if moved else 1, body.standing)
        feed.moved, feed.standing = moved, 2 if moved else 1
        fee = feed.request.appeal_fee
        if moved or not quorum:
            self._context.operators.expect(feed.challenger, fee)
        else:
            fees = Fees(feed.consumer, feed.auction, fee, feed.challenger)
            self._context.announced.announce_next("fees.appeal", self._context.address, fees)


def _moved(feed: Feed) -> tuple[bool, int]:
    first, second = feed.rounds[0].scores, feed.rounds[1].scores
    for index in range(min(len(first), len(second)) // SCORE_BYTES):
        if recompute.differ(recompute.packed(first, index), recompute.packed(second, index)):
            return True, index
    return False, 0


def _chunks(vector: bytes) -> list[bytes]:
    size = CHUNK * SCORE_BYTES
    return [vector[i : i + size] for i in range(0, len(vector), size)]
