"""A provider's bids in one auction: what the bid book keeps beside what the chain has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from oracles.chain import packing
from oracles.chain.auction import State
from oracles.chain.client import receipt_events
from oracles.chain.signers import LocalSigner
from oracles.chain.typed_data import delivery_message
from oracles.chain.typed_events import BondReclaimed, Claimed, Delivery
from oracles.dataset import DeliveryContext, wrap_delivery
from oracles.errors import ChainError, IntegrityError
from oracles.market.view import chain_time, wins
from oracles.when import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from web3.contract.contract import ContractFunction

    from oracles.chain.auction import AuctionContract
    from oracles.chain.client import Sender
    from oracles.chain.exchange import ExchangeContract
    from oracles.chain.state import AuctionState, Commitment
    from oracles.market.book import BidBook, BidRecord


@dataclass(frozen=True, slots=True)
class Done:
    """One thing done for one bid.

    Attributes:
        index: of the bid.
        transaction: hash, 32 bytes.
        cash: settlement token units received.
        mut: revenue shares received, token units at face value.
        bond: wei received, with the entry fee where that came back.
    """

    index: int
    transaction: bytes
    cash: int = 0
    mut: int = 0
    bond: int = 0


@dataclass(frozen=True, slots=True)
class SignedDelivery:
    """A data key masked for the buyer, signed by its ephemeral key.

    Attributes:
        delivery: as the contract takes it.
        signature: of the ephemeral key, 65 bytes.
        message: the typed message, which the owner signs too where somebody else sends it.
    """

    delivery: Delivery
    signature: bytes
    message: dict[str, Any]


def make_delivery(
    exchange: ExchangeContract, view: AuctionState, record: BidRecord
) -> SignedDelivery:
    """Mask the data key of a bid for the buyer; the same record gives the same delivery.

    Raises:
        IntegrityError: the book's key is not the one that was committed to.
    """
    index = record.place.index
    if record.data_set != view.commitments[index].data_set:
        raise IntegrityError(
            f"bid {index}: the bid book's data key is not the one committed to. Nothing was"
            " sent: a wrong key loses payment and bond. Restore the book from a copy"
        )
    context = DeliveryContext(record.chain_id, record.contract, record.auction, index)
    sealed = wrap_delivery(record.data_key, view.buyer_key, context)
    x, y = (number.to_bytes(32, "big") for number in sealed.point)
    message = delivery_message(exchange.domain, record.auction, index, sealed.wrapped, x + y)
    signature = LocalSigner.from_secret(sealed.secret).sign_typed(message)
    return SignedDelivery(Delivery(sealed.wrapped, x, y), signature, message)


@dataclass(frozen=True, slots=True)
class Matched:
    """The bid book beside the chain.

    Attributes:
        placed: records of bids that are on chain, by index.
        withdrawn: records of bids that were taken back, by index.
        unsent: records that the chain does not have: they were never sent.
        unknown: indices of the owner's bids on chain that the book has no record of. Without
            their salts they cannot be revealed.
    """

    placed: tuple[BidRecord, ...]
    withdrawn: tuple[BidRecord, ...]
    unsent: tuple[BidRecord, ...]
    unknown: tuple[int, ...]

    def bonds_left(self, view: AuctionState) -> tuple[BidRecord, ...]:
        """Records of bids that were taken back, and whose bond was not yet."""
        return tuple(r for r in self.withdrawn if not view.commitments[r.place.index].repaid)


def match(view: AuctionState, records: Sequence[BidRecord], owner: str | None) -> Matched:
    """Match records with commitments by sealed bid and owner. Pure.

    Anybody can commit to a seal that is on chain, in its own name: that is nobody's bid. The owner
    may have committed to one several times.

    Args:
        view: the auction.
        records: of this auction.
        owner: whose bids the book should know; None if that is not known.
    """
    sealed: dict[tuple[bytes, str], list[Commitment]] = {}
    for commitment in view.commitments:
        sealed.setdefault(_key(commitment), []).append(commitment)
    found = sorted(
        (
            replace(record, index=commitment.index, payer=commitment.payer)
            for record in records
            for commitment in sealed.get(_key(record), ())
        ),
        key=lambda record: record.place.index,
    )
    known = {_key(record) for record in records}
    return Matched(
        tuple(r for r in found if not view.commitments[r.place.index].withdrawn),
        tuple(r for r in found if view.commitments[r.place.index].withdrawn),
        tuple(record for record in records if _key(record) not in sealed),
        tuple(
            sorted(
                commitment.index
                for commitment in view.remaining()
                if commitment.owner == owner and _key(commitment) not in known
            )
        ),
    )


def _key(bid: BidRecord | Commitment) -> tuple[bytes, str]:
    """What is one provider's, whoever copies the seal."""
    return bid.sealed_bid, bid.owner.lower()


class Bids:
    """One provider's bids in one auction, by one reading of the chain.

    Args:
        sender: the provider's connection and key.
        contract: the auctions.
        exchange: where keys are delivered.
        book: where the secrets are.
        view: the auction as it stands.
    """

    def __init__(
        self,
        sender: Sender,
        contract: AuctionContract,
        exchange: ExchangeContract,
        book: BidBook,
        view: AuctionState,
    ) -> None:
        self._sender = sender
        self._contract = contract
        self._exchange = exchange
        self._book = book
        self.view = view
        records = book.records(contract.address, view.id, sender.address)
        self._matched = match(view, records, sender.address)
        found = (*self._matched.placed, *self._matched.withdrawn)
        noted = {record.sealed_bid for record in found if record in records}
        for record in found:
            if record.sealed_bid not in noted:
                book.save(record)

    @property
    def unknown(self) -> tuple[int, ...]:
        """Indices of the owner's bids that the book does not know."""
        return self._matched.unknown

    @property
    def placed(self) -> tuple[BidRecord, ...]:
        """Records of the bids that are on chain, by index."""
        return self._matched.placed

    def withdraw(self, index: int | None = None) -> list[Done]:
        """Take commitments back before the deadline; see `reclaim` for their bonds.

        Args:
            index: of one bid; all of them by default.

        Raises:
            ChainError: the contract refuses, or there is no such bid.
        """
        records = [r for r in self._known() if index in (None, r.index)]
        if not records:
            raise ChainError(f"the bid book has no bid {index} in auction {self.view.id}")
        return [
            self._send(
                record,
                self._contract.withdraw_bid(record.auction, record.sealed_bid, record.place),
            )
            for record in records
        ]

    def open(self, opening: Callable[[BidRecord], bytes]) -> list[Done]:
        """Record the openings of all samples that are not open yet.

        Args:
            opening: makes and stores the opening of one bid; gives the digest in its CID.

        Raises:
            ChainError: the contract refuses, or the book has no bid of this auction.
        """
        return [
            self._send(
                record,
                self._contract.open(
                    record.auction, record.sealed_bid, record.place, opening(record)
                ),
            )
            for record in self._known()
            if self.view.commitments[record.place.index].opening is None
        ]

    def reveal(self) -> list[Done]:
        """Open all bids on the roll that are not open yet.

        Raises:
            ChainError: the contract refuses, or the book has no bid of this auction.
        """
        return [
            self._send(
                record,
                self._contract.reveal(record.auction, record.place, record.cost, record.salt),
            )
            for record in self._known()
            if record.index not in self.view.revealed
            and (self.view.roll is None or record.index in self.view.roll)
        ]

    def deliver(self) -> list[Done]:
        """Hand over the data key of every winning bid, masked for the buyer. It is final.

        Raises:
            ChainError: not settled yet, or the contract refuses.
            IntegrityError: the book's key is not the one that was committed to.
        """
        if self.view.settled is None:
            raise ChainError(f"auction {self.view.id} is not settled yet")
        done = []
        for record in self._known():
            index = record.place.index
            if index in self.view.deliveries or not wins(self.view, index):
                continue
            made = make_delivery(self._exchange, self.view, record)
            call = self._exchange.deliver(
                record.auction, record.place, made.delivery, made.signature
            )
            done.append(self._send(record, call))
        return done

    def claim(self, parts: int = packing.ALL_PARTS) -> list[Done]:
        """Claim what is due to every bid: cash, MUT and bond; after an abort, bond and entry fee.

        Args:
            parts: which of them, as bits.

        Bids that won and are not paid yet are left; so one that lost has its bond back at once.

        Raises:
            ChainError: the auction is not over, all bids won and are paid later, or the contract
                refuses.
        """
        if self.view.state is State.OPEN:
            raise ChainError(
                f"auction {self.view.id} is still open: nothing is due before it is settled or"
                " aborted"
            )
        due = [
            record
            for record in self._known()
            if not self.view.commitments[record.place.index].repaid
        ]
        paid_at, now = self.view.phases.dispute_end, chain_time(self._sender.web3)
        later = [record for record in due if now < paid_at and self._to_be_paid(record)]
        if later and len(later) == len(due):
            raise ChainError(
                f"claim: too early: what won is paid from {moment(paid_at, now)} on, to bids that"
                " have delivered"
            )
        return [self._claim(record, parts) for record in due if record not in later]

    def _to_be_paid(self, record: BidRecord) -> bool:
        index = record.place.index
        return wins(self.view, index) and index not in self.view.struck_out

    def reclaim(self) -> list[Done]:
        """Take the bonds of withdrawn bids back, once commitments have ended.

        Raises:
            ChainError: the contract refuses.
        """
        return [
            self._send(
                record,
                self._contract.reclaim_bond(record.auction, record.sealed_bid, record.place),
            )
            for record in self._matched.bonds_left(self.view)
        ]

    def _claim(self, record: BidRecord, parts: int) -> Done:
        if record.index in self.view.revealed:
            return self._send(record, self._contract.claim(record.auction, record.place, parts))
        call = self._contract.reclaim_bond(record.auction, record.sealed_bid, record.place)
        return self._send(record, call)

    def _known(self) -> tuple[BidRecord, ...]:
        if not self.placed:
            missing = self._matched.unknown
            raise ChainError(
                f"the bid book {self._book.root} has no bid of {self._sender.address} in auction"
                f" {self.view.id}"
                + (
                    f", but the chain has {list(missing)}: restore your copy of the book,"
                    " or the bonds are lost"
                    if missing
                    else " that is on chain"
                )
            )
        return self.placed

    def _send(self, record: BidRecord, call: ContractFunction) -> Done:
        receipt = self._sender.send(call)
        paid = receipt_events(receipt, Claimed)
        returned = receipt_events(receipt, BondReclaimed)
        return Done(
            record.place.index,
            bytes(receipt["transactionHash"]),
            cash=sum(claim.cash for claim in paid),
            mut=sum(claim.mut for claim in paid),
            bond=sum(claim.bond for claim in paid) + sum(each.amount for each in returned),
        )
