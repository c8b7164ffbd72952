"""After the settlement: whatever is paid, and that nothing else is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from oracles.audit.auction import ABORTED, OPEN, SETTLED
from oracles.audit.checks import Payment

if TYPE_CHECKING:
    from oracles.audit.auction import Auction, AuditedBid, Context
    from oracles.chain.typed_events import BountyClaimed, Claimed, RefundWithdrawn

#: Parts of a claim, each with the check of its amount.
PARTS: Final = {"cash": "reward.cash", "mut": "reward.mut", "bond": "bond.paid"}


class Claims:
    """Checks of claims, of the end of an auction that was aborted, and of what is left."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._checks = context.checks

    def claimed(self, auction: Auction, body: Claimed, time: int) -> None:
        """A bid was paid, in part or in full."""
        checks, context = self._checks, self._context
        bid = context.bid(auction, body.index)
        checks.true("claim.revealed", bid.cost is not None, "a revealed bid", bid.index)
        checks.equal("claim.owner", (bid.owner, bid.payer), (body.owner, body.payer))
        context.state(auction, SETTLED, ABORTED)
        if bid.wins:
            checks.within("phase.claim", time, auction.ends.dispute)
            checks.true("claim.delivered", bid.delivered, "a winner who delivered", bid.index)
        due = dues(auction, bid)
        paid = {"cash": body.cash, "mut": body.mut, "bond": body.bond}
        for part, check in PARTS.items():
            left = 0 if part in bid.paid else due[part]
            # A claim may leave parts for later; a part is paid whole.
            checks.true(check, paid[part] in (0, left), f"0 or {left}", paid[part])
            if paid[part]:
                bid.paid[part] = paid[part]
        some = any(paid.values()) or not all(due.values())
        checks.true("claim.something", some, "something paid")
        self._pays_cash(auction, bid.owner, body.cash)
        context.pays(auction, body.bond)
        self._minted(auction, body.owner, body.mut)

    def _pays_cash(self, auction: Auction, to: str, amount: int) -> None:
        context = self._context
        context.cash.expect(auction.terms.token, context.address, to, amount)
        auction.cash -= amount

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
        share = bounty_share(auction, body.settler)
        walked = auction.walked[auction.last_walk].pop(body.settler, 0)
        checks.true("bounty.settler", walked, "who walked bids", body.settler)
        checks.equal("bounty.split", share, body.amount)
        context.pays(auction, body.amount)

    def refunded(self, auction: Auction, body: RefundWithdrawn) -> None:
        """The buyer took back what is left."""
        checks = self._checks
        self._context.state(auction, SETTLED, ABORTED)
        native = 0
        if auction.state == ABORTED or not auction.bids:
            native, auction.bounty = auction.bounty, 0
        if not auction.accepted:
            native, auction.fee = native + auction.fee, 0
        checks.equal("buyer.refund", auction.refund, body.cash)
        checks.equal("buyer.mut", auction.buyer_mut, body.mut)
        checks.equal("buyer.native", native, body.native)
        auction.refund = auction.buyer_mut = 0
        self._pays_cash(auction, body.to, body.cash)
        self._context.pays(auction, body.native)
        self._minted(auction, body.to, body.mut)

    def aborted(self, auction: Auction, time: int) -> None:
        """The auction ended without a settlement."""
        self._context.state(auction, OPEN)
        late = time >= auction.ends.settle or self._context.feed(auction.id).failed(time)
        self._checks.true("phase.abort", late, "past the settlement, or without scores", time)
        auction.state = ABORTED
        auction.refund = auction.terms.budget

    def finish(self, auction: Auction) -> None:
        """At the end: the contract holds for this auction what it owes, and what rounding left."""
        checks, held = self._checks, auction.cash
        owed, dust = auction.refund, 0
        if auction.state == SETTLED:
            # Less than two units for each winner stay behind.
            dust = 2 * auction.winners
            unpaid = [bid for bid in auction.bids if bid.stands and "cash" not in bid.paid]
            owed += sum(auction.reward(bid)[0] for bid in unpaid)
        elif auction.state == OPEN:
            owed = auction.terms.budget
        fits = owed <= held <= owed + dust
        checks.true("ledger.cash", fits, f"{owed} to {owed + dust} units owed", held)

        owed = auction.fee + sum(_ether_of(auction, bid) for bid in auction.bids)
        dust = 0
        if auction.state != SETTLED or not auction.bids:
            owed += auction.bounty
        else:
            settlers = list(auction.walked[auction.last_walk])
            owed += sum(bounty_share(auction, settler) for settler in settlers)
            # Less than a wei for each settler.
            dust = auction.settlers
        fits = owed <= auction.ether <= owed + dust
        checks.true("ledger.ether", fits, f"{owed} to {owed + dust} wei owed", auction.ether)


def dues(auction: Auction, bid: AuditedBid) -> dict[str, int]:
    """What a revealed bid gets in all, as things stand: cash, mut, bond."""
    if bid.out is not None or (bid.wins and bid.delivery is None):
        return dict.fromkeys(PARTS, 0)
    cash, mut = auction.reward(bid) if bid.wins else (0, 0)
    return {"cash": cash, "mut": mut, "bond": auction.bond}


def bounty_share(auction: Auction, settler: str) -> int:
    """A settler's part of the bounty that it has not taken yet."""
    walked = auction.walked[auction.last_walk].get(settler, 0)
    return auction.bounty * walked // (len(auction.bids) or 1)


def _ether_of(auction: Auction, bid: AuditedBid) -> int:
    """Bond, and entry fee, that the contract still holds for a bid."""
    if not bid.owner:
        return 0
    if bid.cost is not None:
        return 0 if bid.out is not None or "bond" in bid.paid else auction.bond
    owed = 0
    if auction.state != SETTLED or bid.withdrawn:
        # Of what was never revealed the settlement burned the bond.
        owed += 0 if bid.bond_back else auction.bond
    if not auction.accepted:
        owed += 0 if bid.entry_back else auction.entry_fee
    return owed
