"""A provider's bids in one auction: what the bid book keeps beside what the chain has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from oracles.chain import codec
from oracles.chain.client import receipt_events
from oracles.chain.typed_events import Claimed
from oracles.dataset import WrapContext, wrap
from oracles.errors import ChainError
from oracles.market.view import wins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from web3.contract.contract import ContractFunction

    from oracles.chain.auction import AuctionContract
    from oracles.chain.client import Sender
    from oracles.chain.state import AuctionState
    from oracles.market.book import BidBook, BidRecord


@dataclass(frozen=True, slots=True)
class Done:
    """One thing done for one bid.

    Attributes:
        index: of the bid.
        transaction: hash, 32 bytes.
        cash: settlement token units received.
        mut: revenue shares received, token units at face value.
        bond: wei received.
    """

    index: int
    transaction: bytes
    cash: int = 0
    mut: int = 0
    bond: int = 0


@dataclass(frozen=True, slots=True)
class Matched:
    """The bid book beside the chain.

    Attributes:
        placed: records of bids that are on chain, by index.
        unsent: records that the chain does not have: never sent, or withdrawn.
        unknown: indices of the owner's bids on chain that the book has no record of. Without
            their salts they cannot be revealed.
    """

    placed: tuple[BidRecord, ...]
    unsent: tuple[BidRecord, ...]
    unknown: tuple[int, ...]


def match(view: AuctionState, records: Sequence[BidRecord], owner: str | None) -> Matched:
    """Match records with commitments by sealed bid. Pure.

    Args:
        view: the auction.
        records: of this auction.
        owner: whose bids the book should know; None if that is not known.
    """
    by_seal = {commitment.sealed_bid: commitment for commitment in view.standing()}
    placed = [
        replace(record, index=found.index, payer=found.payer)
        for record in records
        if (found := by_seal.get(record.sealed_bid))
    ]
    known = {record.sealed_bid for record in records}
    return Matched(
        tuple(sorted(placed, key=lambda record: record.index or 0)),
        tuple(record for record in records if record.sealed_bid not in by_seal),
        tuple(
            sorted(
                commitment.index
                for commitment in view.standing()
                if commitment.provider == owner and commitment.sealed_bid not in known
            )
        ),
    )


class Bids:
    """One provider's bids in one auction, by one reading of the chain.

    Args:
        sender: the provider's connection and key.
        contract: the auctions.
        book: where the secrets are.
        view: the auction as it stands.
    """

    def __init__(
        self, sender: Sender, contract: AuctionContract, book: BidBook, view: AuctionState
    ) -> None:
        self._sender = sender
        self._contract = contract
        self._book = book
        self.view = view
        records = book.records(contract.address, view.id, sender.address)
        self._matched = match(view, records, sender.address)
        for record in self._matched.placed:
            if record not in records:
                book.save(record)

    @property
    def placed(self) -> tuple[BidRecord, ...]:
        """Records of the bids that are on chain, by index."""
        return self._matched.placed

    def withdraw(self, index: int | None = None) -> list[Done]:
        """Take commitments back before the deadline.

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
                self._contract.withdraw(
                    record.auction, _index(record), record.sealed_bid, record.payer
                ),
                bond=self._bond,
            )
            for record in records
        ]

    def reveal(self) -> list[Done]:
        """Open all bids that are not open yet.

        Raises:
            ChainError: the contract refuses, or the book has no bid of this auction.
        """
        return [
            self._send(
                record,
                self._contract.reveal(
                    record.auction,
                    _index(record),
                    record.cost,
                    record.salt,
                    record.owner,
                    record.payer,
                ),
            )
            for record in self._known()
            if record.index not in self.view.revealed
        ]

    def deliver(self) -> list[Done]:
        """Hand over the data key of every winning bid, wrapped for the buyer.

        Raises:
            ChainError: not settled yet, or the contract refuses.
        """
        if self.view.settled is None:
            raise ChainError(f"auction {self.view.id} is not settled yet")
        done = []
        for record in self._known():
            index = _index(record)
            if index in self.view.delivered or not wins(self.view, index):
                continue
            context = WrapContext(record.chain_id, record.contract, record.auction, index)
            wrapped = wrap(record.data_key, self.view.buyer_key, context)
            call = self._contract.deliver(record.auction, index, record.payer, wrapped)
            done.append(self._send(record, call))
        return done

    def claim(self, parts: int = codec.ALL_PARTS) -> list[Done]:
        """Claim what is due to every bid: cash, MUT and bond; after an abort, the bond.

        Args:
            parts: which of them, as bits.

        Raises:
            ChainError: the contract refuses.
        """
        return [self._claim(record, parts) for record in self._known()]

    def _claim(self, record: BidRecord, parts: int) -> Done:
        bid = (record.auction, _index(record))
        if record.index in self.view.revealed:
            return self._send(record, self._contract.claim(*bid, record.owner, record.payer, parts))
        call = self._contract.reclaim(*bid, record.sealed_bid, record.owner, record.payer)
        return self._send(record, call, bond=self._bond)

    @property
    def _bond(self) -> int:
        return self.view.terms.bond_gwei * codec.GWEI

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

    def _send(self, record: BidRecord, call: ContractFunction, *, bond: int = 0) -> Done:
        receipt = self._sender.send(call)
        paid = receipt_events(receipt, Claimed)
        return Done(
            _index(record),
            bytes(receipt["transactionHash"]),
            cash=sum(claim.cash for claim in paid),
            mut=sum(claim.face for claim in paid),
            bond=bond + sum(claim.bond for claim in paid),
        )


def _index(record: BidRecord) -> int:
    if record.index is None:
        raise ChainError(f"bid {record.sealed_bid.hex()} is not on chain")
    return record.index
