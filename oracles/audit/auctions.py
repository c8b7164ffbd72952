"""The DataAuction and its tokens from their logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracles.audit import hashes
from oracles.audit.bids import Bids
from oracles.audit.claims import Claims
from oracles.audit.settlement import Settling
from oracles.audit.tokens import DstLedger, MutLedger
from oracles.chain.typed_events import (
    Aborted,
    AuctionCreated,
    BountyClaimed,
    BuyerWithdrawn,
    Claimed,
    Committed,
    Delivered,
    DstCreated,
    Forfeited,
    Revealed,
    ScoresAccepted,
    Settled,
    Walked,
    Withdrawn,
)

if TYPE_CHECKING:
    from oracles.audit.auction import Auction, Context
    from oracles.chain.typed_events import Body


#: Events of an auction that was created.
_Later = (
    Committed
    | Withdrawn
    | ScoresAccepted
    | Revealed
    | Walked
    | Settled
    | Delivered
    | Forfeited
    | Claimed
    | BountyClaimed
    | BuyerWithdrawn
    | Aborted
)


class AuctionReplay:
    """State of the DataAuction, its tokens included.

    Args:
        context: what the checks share.
        factory: address of the DstFactory.
    """

    def __init__(self, context: Context, factory: str) -> None:
        self.context = context
        self.address = context.address
        self.factory = factory
        self.auctions: dict[int, Auction] = {}
        self.muts: dict[str, tuple[Auction, MutLedger]] = {}
        self.dsts: dict[str, tuple[Auction, DstLedger]] = {}
        #: Settlement tokens.
        self.tokens: set[str] = set()
        context.cash.holders.add(context.address)
        # The constructor makes the implementation first of all.
        self._mut_implementation = hashes.created_by(context.address, 1)
        self._dst_implementation = hashes.created_by(factory, 1)
        self._bids, self._settling = Bids(context), Settling(context)
        self._claims = Claims(context)

    def bid_count(self, consumer: str, auction: int) -> int | None:
        """Bids of an auction; None for a foreign consumer or an unknown auction."""
        if consumer != self.address or auction not in self.auctions:
            return None
        return len(self.auctions[auction].bids)

    def apply(self, body: Body, time: int) -> bool:
        """Check one event of the contract and follow it; False where it has no such event."""
        if isinstance(body, AuctionCreated):
            self._created(body, time)
            return True
        if not isinstance(body, _Later):
            return False
        number = body.auction_id
        known = number in self.auctions
        self.context.checks.require("auction.known", known, "an auction that was created", number)
        auction = self.auctions[number]
        first, _ = auction.happened.get(type(body).__name__, (time, time))
        auction.happened[type(body).__name__] = (first, time)
        match body:
            case Committed():
                self._bids.committed(auction, body, time)
            case Withdrawn():
                self._bids.withdrawn(auction, body, time)
            case ScoresAccepted():
                self._bids.accepted(auction, body, time)
            case Revealed():
                self._bids.revealed(auction, body, time)
            case Walked():
                self._settling.walked(auction, body, time)
            case Settled():
                self._settling.settled(auction, body, time)
                self._expect_mut(auction, body)
            case Delivered():
                self._claims.delivered(auction, body, time)
            case Forfeited():
                self._claims.forfeited(auction, body, time)
            case Claimed():
                self._claims.claimed(auction, body, time)
            case BountyClaimed():
                self._claims.bounty_claimed(auction, body)
            case BuyerWithdrawn():
                self._claims.buyer_withdrawn(auction, body)
            case Aborted():
                self._claims.aborted(auction, time)
        return True

    def _created(self, body: AuctionCreated, time: int) -> None:
        auction = self._bids.created(body, len(self.auctions) + 1, time)
        self.auctions[auction.id] = auction
        auction.happened["AuctionCreated"] = (time, time)
        self.tokens.add(auction.terms.token)
        self._bids.requested(auction)

    # TOKENS

    def mut_address(self, auction: int) -> str:
        """Where the auction's MUT is, or would be; no log says so."""
        return hashes.clone_of(self._mut_implementation, self.address, auction)

    def _expect_mut(self, auction: Auction, body: Settled) -> None:
        context, supply = self.context, body.outcome.mut_supply
        if supply:
            address = self.mut_address(auction.id)
            token = auction.terms.token
            auction.mut = MutLedger(
                context.checks, context.announced, context.cash, address, token, supply
            )
            self.muts[address] = (auction, auction.mut)
            context.cash.holders.add(address)

    def apply_factory(self, body: Body) -> bool:
        """An event of the DstFactory."""
        if not isinstance(body, DstCreated):
            return False
        number, checks = body.auction_id, self.context.checks
        checks.require("auction.known", number in self.auctions, "a known auction", number)
        auction = self.auctions[number]
        checks.true("dst.once", auction.dst is None, "created once")
        checks.true("dst.terms", auction.terms.dst.supply, "participation tokens in the terms")
        address = hashes.clone_of(
            self._dst_implementation, self.factory, number, number.to_bytes(32, "big")
        )
        checks.equal("dst.address", address, body.token)
        auction.dst = DstLedger(checks, self.context.announced, body.token, auction.terms.dst)
        self.dsts[body.token] = (auction, auction.dst)
        return True

    def apply_token(self, address: str, body: Body, time: int) -> bool:
        """An event of a MUT or DST; False where the token has no such event."""
        if address in self.muts:
            auction, mut = self.muts[address]
            return mut.apply(body, resolved=lambda: auction.resolved(time))
        auction, dst = self.dsts[address]
        return dst.apply(body, auction, time)

    def finish(self) -> None:
        """What must not be open at the end of the logs."""
        for number, auction in self.auctions.items():
            if auction.mut is not None:
                with self.context.checks.at(number, "the end of the logs"):
                    auction.mut.finish()
