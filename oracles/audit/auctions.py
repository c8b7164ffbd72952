"""The DataAuction, its Exchange and its tokens from their logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracles.audit import hashes
from oracles.audit.bids import Bids
from oracles.audit.claims import Claims
from oracles.audit.exchange import Exchanging
from oracles.audit.settlement import Settling
from oracles.audit.tokens import DstLedger, MutLedger
from oracles.chain.terms import AuctionId
from oracles.chain.typed_events import (
    Aborted,
    AuctionCreated,
    BondReclaimed,
    BountyClaimed,
    Claimed,
    Committed,
    Complained,
    Delivered,
    DstCreated,
    Missed,
    Opened,
    RefundWithdrawn,
    Refuted,
    Revealed,
    ScoresAccepted,
    Settled,
    StruckOut,
    VerdictSubmitted,
    Walked,
    Withdrawn,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oracles.audit.auction import Auction, Context
    from oracles.audit.feed import Feed
    from oracles.audit.records import Draw
    from oracles.chain.typed_events import Body


#: Events of an auction that was created.
_Later = (
    Committed
    | Withdrawn
    | Opened
    | ScoresAccepted
    | Revealed
    | Walked
    | Settled
    | StruckOut
    | Claimed
    | BondReclaimed
    | BountyClaimed
    | RefundWithdrawn
    | Aborted
)
_Exchanged = Missed | Delivered | Refuted | Complained | VerdictSubmitted
#: What the DataAuction's constructor makes, in order: rules, exchange, MUT, settlement.
_EXCHANGE, _MUT = 2, 3


class AuctionReplay:
    """State of the DataAuction, its Exchange and its tokens.

    Args:
        context: what the checks share.
        factory: address of the DstFactory.
        windows: least seconds of a phase of providers, and of one of operators.
    """

    def __init__(self, context: Context, factory: str, windows: tuple[int, int]) -> None:
        self.context = context
        self.address = context.address
        self.exchange = exchange_of(context.address)
        self.factory = factory
        self.auctions: dict[AuctionId, Auction] = {}
        self.muts: dict[str, tuple[Auction, MutLedger]] = {}
        self.dsts: dict[str, tuple[Auction, DstLedger]] = {}
        #: Settlement tokens.
        self.tokens: set[str] = set()
        context.cash.holders.add(context.address)
        self._dst_implementation = hashes.created_by(factory, 1)
        self._bids, self._settling = Bids(context, windows), Settling(context)
        self._claims, self._exchanging = Claims(context), Exchanging(context)

    def bid_count(self, consumer: str, auction: AuctionId) -> int | None:
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
        auction = self._happened(body, time)
        match body:
            case Committed():
                self._bids.committed(auction, body, time)
            case Withdrawn():
                self._bids.withdrawn(auction, body, time)
            case Opened():
                self._bids.opened(auction, body, time)
            case ScoresAccepted():
                self._bids.accepted(auction, body, time)
            case Revealed():
                self._bids.revealed(auction, body, time)
            case Walked():
                self._settling.walked(auction, body, time)
            case Settled():
                self._settling.settled(auction, body, time)
                self._expect_mut(auction, body)
            case StruckOut():
                self._exchanging.struck_out(auction, body, time)
            case Claimed():
                self._claims.claimed(auction, body, time)
            case BondReclaimed():
                self._bids.reclaimed(auction, body, time)
            case BountyClaimed():
                self._claims.bounty_claimed(auction, body)
            case RefundWithdrawn():
                self._claims.refunded(auction, body)
            case Aborted():
                self._claims.aborted(auction, time)
        return True

    def apply_exchange(self, body: Body, time: int) -> bool:
        """An event of the Exchange; False where it has no such event."""
        if not isinstance(body, _Exchanged):
            return False
        return self._exchanging.apply(self._happened(body, time), body, time)

    def _happened(self, body: _Later | _Exchanged, time: int) -> Auction:
        """The auction that an event is about, with the time of it noted."""
        number = body.auction_id
        known = number in self.auctions
        self.context.checks.require("auction.known", known, "an auction that was created", number)
        auction = self.auctions[number]
        first, _ = auction.happened.get(type(body).__name__, (time, time))
        auction.happened[type(body).__name__] = (first, time)
        return auction

    def _created(self, body: AuctionCreated, time: int) -> None:
        auction = self._bids.created(body, AuctionId(len(self.auctions) + 1), time)
        self.auctions[auction.id] = auction
        auction.happened["AuctionCreated"] = (time, time)
        self.tokens.add(auction.terms.token)
        self._bids.requested(auction)

    def rolled(self, feed: Feed) -> None:
        """The roll of an auction was counted."""
        if feed.consumer == self.address and feed.auction in self.auctions:
            self._bids.rolled(self.auctions[feed.auction], feed)

    # TOKENS

    def mut_address(self, auction: AuctionId) -> str:
        """Where the auction's MUT is, or would be; no log says so."""
        return mut_of(self.address, auction)

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
            return mut.apply(body, auction, time)
        auction, dst = self.dsts[address]
        return dst.apply(body, auction, time)

    def finish(self, draws: Mapping[int, Draw], until: int) -> None:
        """What must not be open at the end of the logs.

        Args:
            draws: blocks that samples were drawn from, by auction.
            until: time of the last block.
        """
        for number, auction in self.auctions.items():
            with self.context.checks.at(number, "the end of the logs"):
                self._bids.drawn(auction, draws.get(number), until)
                self._claims.finish(auction)
                if auction.mut is not None:
                    auction.mut.finish()


def exchange_of(auction_contract: str) -> str:
    """Address of the Exchange that a DataAuction made."""
    return hashes.created_by(auction_contract, _EXCHANGE)


def mut_of(auction_contract: str, auction: AuctionId) -> str:
    """Where an auction's MUT is, or would be; no log says so."""
    implementation = hashes.created_by(auction_contract, _MUT)
    return hashes.clone_of(implementation, auction_contract, auction)
