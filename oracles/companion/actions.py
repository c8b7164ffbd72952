"""From a duty to the call of a contract."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from oracles.chain.packing import same_address
from oracles.companion.tasks import Kind
from oracles.errors import ConfigError
from oracles.evidence import open_store
from oracles.market.bids import make_delivery

if TYPE_CHECKING:
    from web3.contract.contract import ContractFunction

    from oracles.chain.auction import AuctionContract
    from oracles.chain.exchange import ExchangeContract
    from oracles.companion.openings import Openings
    from oracles.companion.tasks import Bid
    from oracles.market.book import BidRecord
    from oracles.service.chainview import ChainIndex, Head
    from oracles.service.duty import Duty


class Actions:
    """Makes the calls for what is due.

    Args:
        auctions, exchange: the contracts.
        index: what the chain says.
        openings: makes openings.
        store: name of the store of archives.
        me: address that sends.
    """

    def __init__(
        self,
        auctions: AuctionContract,
        exchange: ExchangeContract,
        index: ChainIndex,
        openings: Openings,
        store: str,
        me: str,
    ) -> None:
        self._auctions, self._exchange = auctions, exchange
        self._index = index
        self._openings = openings
        self._store = store
        self._me = me

    def call(self, duty: Duty, bid: Bid, head: Head) -> ContractFunction | None:
        """The call that does a duty; None while it is being prepared.

        Raises:
            QmiaError: it cannot be made now.
        """
        view, place = bid.view, bid.view.commitments[bid.index].place
        share, sealed = bid.holding.share, bid.holding.share.sealed_bid
        match duty.kind:
            case Kind.OPEN:
                return self._open(bid, head)
            case Kind.REVEAL:
                return self._auctions.reveal(view.id, place, share.cost, share.salt)
            case Kind.DELIVER:
                return self._deliver(bid)
            case Kind.CLAIM:
                return self._auctions.claim(view.id, place)
            case Kind.RECLAIM:
                return self._auctions.reclaim_bond(view.id, sealed, place)
            case _:
                raise ConfigError(f"{duty} is no duty of a bid")

    def chore(self, duty: Duty) -> ContractFunction:
        """The call for what anybody may do."""
        if duty.kind == Kind.ABORT:
            return self._auctions.abort(duty.auction)
        return self._auctions.forfeit(duty.auction, duty.target)

    def _record(self, bid: Bid) -> BidRecord | None:
        """The record, if this key is its owner's, as the chain has placed it."""
        record = bid.holding.record
        if record is None or not same_address(record.owner, self._me):
            return None
        payer = bid.view.commitments[bid.index].payer
        return replace(record, index=bid.index, payer=payer)

    def _open(self, bid: Bid, head: Head) -> ContractFunction | None:
        view, sealed = bid.view, bid.holding.share.sealed_bid
        place, signed = view.commitments[bid.index].place, bid.holding.share.opening
        record = self._record(bid)
        if record is None:
            if signed is None:
                raise ConfigError(f"bid {bid.index}: only its owner can open its sample")
            return self._auctions.open_for(view.id, sealed, place, signed.digest, signed.signature)
        sample_key = self._index.draw(view, head.number)
        members = [*self._index.keys(view).values()]
        digest = self._openings.get(open_store(self._store), record, sample_key, members)
        return None if digest is None else self._auctions.open(view.id, sealed, place, digest)

    def _deliver(self, bid: Bid) -> ContractFunction:
        view, place = bid.view, bid.view.commitments[bid.index].place
        record, signed = self._record(bid), bid.holding.share.delivery
        if record is not None:
            made = make_delivery(self._exchange, view, record)
            return self._exchange.deliver(view.id, place, made.delivery, made.signature)
        if signed is None:
            raise ConfigError(f"bid {bid.index}: only its owner can deliver its data key")
        return self._exchange.deliver(
            view.id, place, signed.delivery, signed.ephemeral, signed.signature
        )
