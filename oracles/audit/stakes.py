"""Stakes that are lost or given back, and who is paid for the scores."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from eth_utils.crypto import keccak

from oracles.audit import hashes, recompute
from oracles.audit.feed import LOCK, Charge, Fees, Slash
from oracles.chain.packing import CHUNK, SCORE_BYTES
from oracles.chain.typed_events import (
    ContradictionProved,
    DeviationProved,
    DueAdded,
    DueClaimed,
    FeeClaimed,
    FeesPaid,
    StakeReleased,
    StakeSlashed,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oracles.audit.feed import Feed
    from oracles.audit.oracle import OracleContext
    from oracles.chain.typed_events import Body, Panel

OFFENCES: Final = ("contradiction", "missing", "deviation")


class Stakes:
    """Checks of slashes, of stakes given back, and of fees.

    Args:
        context: what the oracle's checks share.
    """

    def __init__(self, context: OracleContext) -> None:
        self._context = context
        self._checks = context.checks
        self.slashes: list[Slash] = []

    def apply(self, body: Body, time: int) -> bool:
        """Check one event and follow it; False where it is about something else."""
        match body:
            case ContradictionProved():
                self._contradiction(body)
            case DeviationProved():
                self._deviation(body)
            case StakeSlashed():
                self._slashed(body, time)
            case StakeReleased():
                self._released(body, time)
            case DueAdded():
                self._due_added(body)
            case DueClaimed():
                self._due_claimed(body, time)
            case FeesPaid():
                self._fees_paid(body)
            case FeeClaimed():
                self._fee_claimed(body)
            case _:
                return False
        return True

    # SLASHES

    def _contradiction(self, body: ContradictionProved) -> None:
        checks, first, second = self._checks, body.a, body.b
        feed = self._context.feed(body.consumer, body.auction_id)
        checks.equal("slash.proof", first.round, second.round)
        digests = [
            self._context.digest(feed, each.round, each.root, each.evidence)
            for each in (first, second)
        ]
        checks.true("slash.proof", digests[0] != digests[1], "two different reports")
        signers = [
            hashes.signer(digest, each.signature)
            for digest, each in zip(digests, (first, second), strict=True)
        ]
        checks.equal("slash.proof", [body.member] * 2, signers)
        self._charge(feed, body.member, first.round, "contradiction")

    def _deviation(self, body: DeviationProved) -> None:
        checks, vector, parts = self._checks, body.vector, body.chunk_hashes
        feed = self._context.feed(body.consumer, body.auction_id)
        digest = self._context.digest(feed, 1, keccak(b"".join(parts)), body.evidence)
        checks.equal("slash.proof", body.member, hashes.signer(digest, body.signature))
        chunk, at = divmod(body.index, CHUNK)
        fits = chunk < len(parts) and parts[chunk] == keccak(vector)
        checks.require("slash.proof", fits, "the chunk's hash is in the report", chunk)
        final = feed.rounds[1].scores
        known = at < len(vector) // SCORE_BYTES and body.index < len(final) // SCORE_BYTES
        checks.require("slash.proof", known, "an index with two scores", body.index)
        own, right = recompute.packed(vector, at), recompute.packed(final, body.index)
        wrong = recompute.deviates(own, right)
        checks.true("slash.proof", feed.moved and wrong, "a moved score that it had got wrong")
        self._charge(feed, body.member, 1, "deviation")

    def _charge(self, feed: Feed, member: str, number: int, offence: str) -> None:
        charge = Charge(feed.consumer, feed.auction, member, number, offence)
        self._context.announced.announce_next("slash.proof", self._context.address, charge)

    def _slashed(self, body: StakeSlashed, time: int) -> None:
        checks, feed = self._checks, self._context.feed(body.consumer, body.auction_id)
        offence = body.offence.rstrip(b"\0").decode("ascii", "replace")
        checks.require("slash.offence", offence in OFFENCES, "an offence of the rules", offence)
        position = self._stake(feed, body.round, body.member)
        dues = 0
        if offence == "missing":
            checks.within("phase.slash", time, feed.windows(body.round).end)
            guilty = feed.missing(body.round) >> position & 1
            named = f"{body.member} committed and never showed a vector"
            checks.true("slash.missing", guilty, named)
            dues = min(sum(feed.owed.values()) - feed.covered, feed.request.stake)
        else:
            charge = Charge(feed.consumer, feed.auction, body.member, body.round, offence)
            self._context.announced.confirm("slash.proof", self._context.address, charge)
        checks.equal("slash.dues", dues, body.dues)
        checks.equal("slash.burned", feed.request.stake - dues, body.burned)
        feed.covered += dues
        self._context.ledger.burns(self._context.address, body.burned)
        self.slashes.append(
            Slash(feed.auction, body.member, body.round, offence, body.burned, body.dues)
        )

    def _stake(self, feed: Feed, number: int, member: str) -> int:
        """Take a stake out of the request; gives its owner's position."""
        checks = self._checks
        checks.require("round.number", number in (1, 2), "1 or 2", number)
        position, round_ = (
            self._context.position(feed.panel(number), member),
            feed.rounds[number - 1],
        )
        there = round_.committed & ~round_.settled & 1 << position
        checks.true("stake.there", there, "a stake that is still there", member)
        round_.settled |= 1 << position
        return position

    def _released(self, body: StakeReleased, time: int) -> None:
        checks, feed = self._checks, self._context.feed(body.consumer, body.auction_id)
        position = self._stake(feed, body.round, body.member)
        checks.within("phase.release", time, feed.end + LOCK)
        lost = feed.missing(body.round) >> position & 1
        checks.true("stake.lost", not lost, "a stake that is not lost", body.member)
        self._context.operators.expect(body.member, feed.request.stake)

    # FEES

    def _due_added(self, body: DueAdded) -> None:
        feed = self._context.feed(body.consumer, body.auction_id)
        feed.owed[body.account] = feed.owed.get(body.account, 0) + body.amount
        feed.creditor = body.account
        # What it is for is in the log that follows.
        due = (body.consumer, body.auction_id, body.amount)
        self._context.announced.announce_next("fees.due", self._context.address, due)

    def _due_claimed(self, body: DueClaimed, time: int) -> None:
        feed = self._context.feed(body.consumer, body.auction_id)
        self._checks.within("phase.due", time, feed.end)
        due = due_of(feed, body.account)
        self._checks.true("fees.due_claim", body.amount == due > 0, due, body.amount)
        feed.repaid[body.account] = feed.repaid.get(body.account, 0) + body.amount
        self._context.operators.expect(body.account, body.amount)

    def _fees_paid(self, body: FeesPaid) -> None:
        checks, address = self._checks, self._context.address
        feed = self._context.feed(body.consumer, body.auction_id)
        checks.require("round.number", body.round in (1, 2), "1 or 2", body.round)
        panel, round_ = feed.panel(body.round), feed.rounds[body.round - 1]
        counted = round_.complete.bit_count()
        amount = body.part * counted + body.dues + body.refund
        found = Fees(body.consumer, body.auction_id, amount, body.refund_to)
        if self._context.announced.confirm("fees.appeal", address, found, unasked=True):
            number, dues = 2, 0
        else:
            # Anybody may add fees.
            self._context.announced.confirm("fees.paid", address, found, unasked=True)
            self._context.ledger.receives(address, amount)
            owed = sum(feed.owed.values()) - feed.covered
            number, dues = feed.standing, min(owed, amount // 2)
        checks.equal("fees.round", number, body.round)
        checks.equal("fees.dues", dues, body.dues)
        part = (amount - dues) // max(1, len(panel.members))
        checks.equal("fees.part", part, body.part)
        checks.equal("fees.refund", amount - dues - part * counted, body.refund)
        feed.covered += body.dues
        round_.parts += body.part
        self._context.operators.expect(body.refund_to, body.refund)

    def _fee_claimed(self, body: FeeClaimed) -> None:
        checks, feed = self._checks, self._context.feed(body.consumer, body.auction_id)
        checks.require("round.number", body.round in (1, 2), "1 or 2", body.round)
        round_ = feed.rounds[body.round - 1]
        position = self._context.position(feed.panel(body.round), body.member)
        due = fee_of(feed, body.round, position)
        checks.true("fees.claim", body.amount == due > 0, due, body.amount)
        round_.claimed[position] = round_.claimed.get(position, 0) + body.amount
        self._context.operators.expect(body.member, body.amount)

    # VERDICTS

    def verdict(
        self, feed: Feed, index: int, ground: int, members: Sequence[int], given: Sequence[bytes]
    ) -> None:
        """A majority of the standing panel signed that a winner is to be struck out."""
        checks, context = self._checks, self._context
        checks.require("verdict.standing", feed.standing, "scores that stand")
        panel: Panel = feed.panel(feed.standing)
        ascending = all(a < b for a, b in itertools.pairwise(members))
        known = ascending and members and members[-1] < len(panel.members)
        checks.require("verdict.members", known, "members of the panel, ascending", list(members))
        majority = len(panel.members) // 2 + 1
        checks.true("verdict.majority", len(members) >= majority, majority, len(members))
        digest = hashes.verdict_digest(
            context.chain_id, context.address, feed.consumer, feed.auction, index, ground
        )
        signers = [hashes.signer(digest, each) for each in given]
        checks.equal("verdict.signatures", [panel.members[each] for each in members], signers)


def due_of(feed: Feed, account: str) -> int:
    """Gas that an account can claim now, in wei: its part of what is covered."""
    total = sum(feed.owed.values())
    share = feed.owed.get(account, 0) * feed.covered // total if total else 0
    return share - feed.repaid.get(account, 0)


def fee_of(feed: Feed, number: int, position: int) -> int:
    """Fees that a member can claim now, in wei."""
    round_ = feed.rounds[number - 1]
    counts = round_.complete >> position & 1
    return round_.parts - round_.claimed.get(position, 0) if counts else 0
