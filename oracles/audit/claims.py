"""After the settlement: deliveries, and whatever is paid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from oracles.audit.auction import ABORTED, OPEN, SETTLED
from oracles.audit.checks import Payment
from oracles.chain.codec import GWEI

if TYPE_CHECKING:
    from oracles.audit.auction import Auction, Context
    from oracles.chain.typed_events import (
        BountyClaimed,
        BuyerWithdrawn,
        Claimed,
        Delivered,
        Forfeited,
    )

#: Parts of a claim, each with the check of its amount.
PARTS: Final = {"cash": "reward.cash", "mut": "reward.mut", "bond": "bond.paid"}


class Claims:
    """Checks of deliveries, of claims, and of the end of an auction that was aborted."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._checks = context.checks

    def delivered(self, auction: Auction, body: Delivered, time: int) -> None:
        """A winner handed over its wrapped key."""
        bid = self._context.bid(auction, body.index)
        self._context.state(auction, SETTLED)
        end = auction.ends.deliver
        self._checks.within("phase.deliver", time, auction.settled_at, end)
        self._checks.true("delivery.winner", bid.wins, "a winner", bid.index)
        bid.delivered = True

    def forfeited(self, auction: Auction, body: Forfeited, time: int) -> None:
        """A winner was struck out."""
        checks, context, ends = self._checks, self._context, auction.ends
        bid, verdict = context.bid(auction, body.index), body.verdict
        context.state(auction, SETTLED)
        if verdict:
            checks.within("phase.verdict", time, ends.deliver, ends.verdict)
        else:
            checks.within("phase.forfeit", time, ends.deliver)
        right = bid.wins and not bid.forfeited and bid.delivered == verdict
        wanted = "delivered, by a verdict" if verdict else "a winner who posted no key"
        checks.true("forfeit.winner", right, wanted, bid.index)
        named = context.oracle.condemned(context.address, auction.id, bid.index)
        checks.equal("forfeit.verdict", verdict, named)
        checks.require("forfeit.settled", auction.settlement is not None, "a settled auction")
        cash, mut = auction.reward(bid)
        checks.equal("forfeit.cash", cash, body.cash)
        checks.equal("forfeit.mut", mut, body.face)
        bid.delivered, bid.forfeited = False, True
        auction.refund += cash
        if auction.mut is not None and mut:
            context.announced.confirm("mut.reduce", auction.mut.address, mut)

    def claimed(self, auction: Auction, body: Claimed, time: int) -> None:
        """A bid was paid, in part or in full."""
        checks, context = self._checks, self._context
        bid = context.bid(auction, body.index)
        checks.true("claim.revealed", bid.cost is not None, "a revealed bid", bid.index)
        checks.equal("claim.owner", (bid.owner, bid.payer), (body.owner, body.payer))
        context.state(auction, SETTLED, ABORTED)
        due = {"cash": 0, "mut": 0, "bond": (auction.terms.bond_gwei + auction.bonus) * GWEI}
        if bid.wins:
            checks.within("phase.claim", time, auction.ends.verdict)
            checks.true("claim.delivered", bid.delivered, "a winner who delivered", bid.index)
            if bid.delivered:
                due["cash"], due["mut"] = auction.reward(bid)
            else:
                due = dict.fromkeys(due, 0)
        paid = {"cash": body.cash, "mut": body.face, "bond": body.bond}
        for part, check in PARTS.items():
            left = 0 if part in bid.paid else due[part]
            # A claim may leave parts for later; a part is paid whole.
            checks.true(check, paid[part] in (0, left), f"0 or {left}", paid[part])
            if paid[part]:
                bid.paid[part] = paid[part]
        some = any(paid.values()) or not all(due.values())
        checks.true("claim.something", some, "something paid")
        context.cash.expect(auction.terms.token, context.address, bid.owner, body.cash)
        self._minted(auction, body.owner, body.face)

    def _minted(self, auction: Auction, to: str, amount: int) -> None:
        if amount and auction.mut is not None:
            payment = Payment(to, amount)
            self._context.announced.announce("mut.mint", auction.mut.address, payment)

    def bounty_claimed(self, auction: Auction, body: BountyClaimed) -> None:
        """A settler took its part of the bounty."""
        checks, context = self._checks, self._context
        fact = (auction.id, body.settler)
        context.announced.confirm("bounty.alone", context.address, fact, unasked=True)
        context.state(auction, SETTLED)
        walked = auction.walked[auction.last_walk].pop(body.settler, 0)
        share = auction.bounty * walked // (len(auction.bids) or 1)
        checks.true("bounty.settler", walked, "who walked bids", body.settler)
        checks.equal("bounty.split", share, body.amount)

    def buyer_withdrawn(self, auction: Auction, body: BuyerWithdrawn) -> None:
        """The buyer took back what is left."""
        checks, context = self._checks, self._context
        context.state(auction, SETTLED, ABORTED)
        native = 0
        if auction.state == ABORTED or not auction.bids:
            native, auction.bounty = auction.bounty, 0
        checks.equal("buyer.refund", auction.refund, body.amount)
        checks.equal("buyer.mut", auction.buyer_mut, body.face)
        checks.equal("buyer.bounty", native, body.native)
        auction.refund = auction.buyer_mut = 0
        context.cash.expect(auction.terms.token, context.address, body.to, body.amount)
        self._minted(auction, body.to, body.face)

    def aborted(self, auction: Auction, time: int) -> None:
        """The auction ended without a settlement."""
        self._context.state(auction, OPEN)
        late = time >= auction.ends.settle or self._context.feed(auction.id).failed(time)
        self._checks.true("phase.abort", late, "past the settlement, or without scores", time)
        auction.state, auction.refund = ABORTED, auction.terms.budget
