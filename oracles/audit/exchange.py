"""Data keys for money: what is missing, deliveries, refutations, complaints, verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eth_utils.crypto import keccak

from oracles.audit import curve, hashes
from oracles.audit.auction import SETTLED
from oracles.audit.feed import Fees
from oracles.chain.oracle import Ground
from oracles.chain.typed_events import (
    Complained,
    Delivered,
    Missed,
    Refuted,
    StruckOut,
    VerdictSubmitted,
)

if TYPE_CHECKING:
    from oracles.audit.auction import Auction, AuditedBid, Context
    from oracles.chain.typed_events import Body


class Exchanging:
    """Checks of the Exchange's events, and of who is struck out.

    Args:
        context: what the checks share.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._checks = context.checks

    def apply(self, auction: Auction, body: Body, time: int) -> bool:
        """Check one event of the Exchange and follow it; False where it has no such event."""
        self._context.state(auction, SETTLED)
        match body:
            case Missed():
                self._missed(auction, body, time)
            case Delivered():
                self._delivered(auction, body, time)
            case Refuted():
                self._refuted(auction, body, time)
            case Complained():
                self._complained(auction, body, time)
            case VerdictSubmitted():
                self._judged(auction, body, time)
            case _:
                return False
        return True

    def _missed(self, auction: Auction, body: Missed, time: int) -> None:
        bid, ends = self._context.bid(auction, body.index), auction.ends
        self._checks.within("phase.missing", time, ends.settle, ends.missing)
        new = bid.stands and bid.index not in auction.missing
        self._checks.true("missing.winner", new, "a winner, named once", bid.index)
        auction.missing.add(bid.index)
        self._expect_fee(auction)

    def _complained(self, auction: Auction, body: Complained, time: int) -> None:
        bid, ends = self._context.bid(auction, body.index), auction.ends
        self._checks.within("phase.complain", time, ends.deliver, ends.complain)
        new = bid.stands and bid.index not in auction.complaints
        self._checks.true("complaint.winner", new, "a winner, named once", bid.index)
        auction.complaints[bid.index] = body.complaint
        self._expect_fee(auction)

    def _expect_fee(self, auction: Auction) -> None:
        """The buyer pays for each index; one call names several and pays at its end."""
        fee, context = auction.fetch_fee, self._context
        if not fee:
            return
        before = context.announced.pending("fees.paid", context.oracle.address)
        total = fee + (before.amount if isinstance(before, Fees) else 0)
        paid = Fees(context.address, auction.id, total, auction.buyer)
        context.announced.announce_next("fees.paid", context.oracle.address, paid)

    def _delivered(self, auction: Auction, body: Delivered, time: int) -> None:
        checks, ends, given = self._checks, auction.ends, body.delivery
        bid = self._context.bid(auction, body.index)
        checks.within("phase.deliver", time, ends.fetch, ends.deliver)
        checks.true("delivery.winner", bid.stands, "a winner that stands", bid.index)
        checks.true("delivery.once", bid.delivery is None, "delivered once", bid.index)
        below = int.from_bytes(given.x, "big") < curve.ORDER
        point = below and curve.key_on_curve(given.x, given.y)
        checks.true("delivery.point", point, "a point on the curve, x below the group's order")
        bid.delivery = given

    def _refuted(self, auction: Auction, body: Refuted, time: int) -> None:
        checks, context, ends, proof = self._checks, self._context, auction.ends, body.proof
        bid = context.bid(auction, body.index)
        checks.within("phase.refute", time, ends.deliver, ends.dispute)
        given, data_set = bid.delivery, bid.data_set
        checks.require("refute.delivery", given is not None and data_set, "a delivered key")
        if given is None or data_set is None:
            return
        about = hashes.delivery_context(context.chain_id, context.address, auction.id, bid.index)
        key, ephemeral = _point(auction.key[:32], auction.key[32:]), _point(given.x, given.y)
        holds = curve.shares(about, key, ephemeral, proof)
        checks.true("refute.proof", holds, "a proof that S is the shared point")
        mask = keccak(hashes.words(proof.shared.x, proof.shared.y, about))
        opened = bytes(a ^ b for a, b in zip(given.wrapped, mask, strict=True))
        checks.equal("refute.key", opened, body.data_key)
        wrong = keccak(opened) != data_set.key_commitment
        checks.true("refute.wrong", wrong, "another key than was committed to")
        self._strikes(auction, bid, Ground.REFUTED)

    def _judged(self, auction: Auction, body: VerdictSubmitted, time: int) -> None:
        checks, context, ends = self._checks, self._context, auction.ends
        bid = context.bid(auction, body.index)
        if body.ground == Ground.UNAVAILABLE:
            checks.within("phase.verdict", time, ends.missing, ends.fetch)
            named = bid.index in auction.missing
        else:
            checks.equal("verdict.ground", int(Ground.UNREADABLE), body.ground)
            checks.within("phase.verdict", time, ends.complain, ends.dispute)
            named = bid.index in auction.complaints
        checks.true("verdict.named", named, "named by the buyer", bid.index)
        context.oracle.stakes.verdict(
            context.feed(auction.id), bid.index, body.ground, body.members, body.signatures
        )
        self._strikes(auction, bid, Ground(body.ground))

    def _strikes(self, auction: Auction, bid: AuditedBid, ground: Ground) -> None:
        announced, address = self._context.announced, self._context.address
        before = announced.pending("strike.ground", address)
        self._checks.equal("strike.pending", None, before)
        fact = (auction.id, bid.index, int(ground))
        announced.announce_next("strike.ground", address, fact)

    def struck_out(self, auction: Auction, body: StruckOut, time: int) -> None:
        """A winner lost its reward and its bond."""
        checks, context = self._checks, self._context
        bid = context.bid(auction, body.index)
        context.state(auction, SETTLED)
        if body.ground == Ground.SILENT:
            checks.within("phase.forfeit", time, auction.ends.deliver)
            checks.true("strike.silent", bid.delivery is None, "who delivered no key", bid.index)
        else:
            fact = (auction.id, bid.index, body.ground)
            context.announced.confirm("strike.ground", context.address, fact)
        checks.true("strike.winner", bid.stands, "a winner that stands", bid.index)
        checks.require("strike.settled", auction.settlement is not None, "a settled auction")
        cash, mut = auction.reward(bid)
        checks.equal("strike.cash", cash, body.cash)
        checks.equal("strike.mut", mut, body.mut)
        bid.out = body.ground
        auction.refund += cash
        context.burns(auction, auction.bond)
        if auction.mut is not None and mut:
            context.announced.confirm("mut.reduce", auction.mut.address, mut)


def _point(x: bytes, y: bytes) -> tuple[int, int]:
    return int.from_bytes(x, "big"), int.from_bytes(y, "big")
