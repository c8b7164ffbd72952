"""What a provider does while an auction takes bids: pack, seal, commit. Secrets first."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from oracles.chain import codec, typed_events
from oracles.chain.client import Sender, receipt_event
from oracles.chain.codec import DataSet
from oracles.chain.state import load_auction
from oracles.dataset import Binding, pack
from oracles.dataset.manifest import Manifest
from oracles.errors import InputError
from oracles.market.bids import Bids
from oracles.market.book import BidBook, BidRecord
from oracles.market.schedule import check_open, check_windows
from oracles.market.view import chain_time, operator_keys
from oracles.money import ETHER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oracles.chain.auction import AuctionContract
    from oracles.chain.deployment import Deployment
    from oracles.dataset import Document, Finding
    from oracles.evidence import Store

HOUR: Final = 3_600


@dataclass(frozen=True, slots=True)
class Limits:
    """What a provider accepts from an auction's terms.

    Attributes:
        bond: most that it puts at stake, wei.
        window: shortest time in which it must act (reveal, deliver), seconds.
    """

    bond: int = 10**17
    window: int = HOUR


@dataclass(frozen=True, slots=True)
class Prepared:
    """A packed and published data set with its sealed bid, ready to be committed.

    Attributes:
        record: what goes into the bid book.
        documents: their number.
        bond: what the commitment costs until claims begin, wei.
    """

    record: BidRecord
    documents: int
    bond: int


@dataclass(frozen=True, slots=True)
class Committed:
    """A commitment on chain.

    Attributes:
        record: the bid book's, with its index.
        transaction: hash of 32 bytes; None where the commitment had been made before.
    """

    record: BidRecord
    transaction: bytes | None


class Provider:
    """One provider in one deployment.

    Args:
        sender: the provider's connection and key.
        deployment: contracts.
        book: bid book.
        store: where archives and manifests are published.
        limits: what the provider accepts from an auction's terms.
    """

    def __init__(
        self,
        sender: Sender,
        deployment: Deployment,
        book: BidBook,
        store: Store,
        limits: Limits = Limits(),
    ) -> None:
        self._sender = sender
        self._deployment = deployment
        self._book = book
        self._store = store
        self._limits = limits
        self._contract: AuctionContract = deployment.auction(sender.web3)

    def prepare(
        self,
        auction: int,
        source: Path | Iterable[Document],
        cost: int | None,
        *,
        salt: bytes | None = None,
        findings: list[Finding] | None = None,
    ) -> Prepared:
        """Pack and publish a data set, and seal a bid. Nothing is on chain yet.

        The same data, auction and cost once more give the record of the first time, so that an
        interrupted commitment is finished and not made twice.

        Args:
            auction: id.
            source: file or folder, or its documents.
            cost: token units; None in an enrolment, which takes no bids.
            salt: 32 random bytes; made here by default.
            findings: list that receives what is wrong with the source.

        Raises:
            InputError: nothing readable in the source, no cost, a bond or a window beyond the
                limits, or a salt that could be guessed.
            ChainError: there is no such auction, or it takes no commitments any more.
        """
        view = load_auction(self._sender.web3, self._deployment, auction)
        cost = _sealed_cost(cost, enrolment=view.terms.enrolment)
        bond = view.terms.bond_gwei * codec.GWEI
        if bond > self._limits.bond:
            raise InputError(
                f"auction {auction} asks for a bond of {ETHER.format(bond)}, more than the"
                f" {ETHER.format(self._limits.bond)} that you accept: raise --max-bond, or leave it"
            )
        check_windows(view.terms.durations, self._limits.window)
        check_open(self._contract.phases(auction), chain_time(self._sender.web3))
        owner = self._sender.address
        binding = Binding(self._contract.chain_id, self._contract.address, auction, owner)
        with tempfile.TemporaryDirectory() as folder:
            packed = pack(source, Path(folder) / "archive", binding, findings=findings)
            for record in self._book.records(self._contract.address, auction, owner):
                if (record.cost, record.content_digest) == (cost, packed.content_digest):
                    return Prepared(record, packed.documents, bond)
            archive = self._store.put(packed.path)
        operators = operator_keys(self._sender.web3, self._deployment, view.terms.operator_set)
        cid = self._store.put(Manifest.make(str(archive), packed.key, binding, operators).encode())
        if view.terms.enrolment:
            secret = bytes(32)
        else:
            secret = codec.new_salt() if salt is None else codec.check_salt(salt)
        record = BidRecord(
            chain_id=self._contract.chain_id,
            contract=self._contract.address,
            auction=auction,
            owner=owner,
            payer=owner,
            cost=cost,
            salt=secret,
            data_key=packed.key,
            sealed_bid=self._contract.seal_bid(auction, owner, cost, secret),
            cid=str(cid),
            archive=str(archive),
            content_digest=packed.content_digest,
            size=packed.size,
        )
        return Prepared(record, packed.documents, bond)

    def commit(self, prepared: Prepared) -> Committed:
        """Commit on chain with the bond, after the secrets are on disk.

        What the chain has already is not paid for again.

        Raises:
            ChainError: the contract refuses.
        """
        record = prepared.record
        self._book.save(record)
        for placed in self.bids(record.auction).placed:
            if placed.sealed_bid == record.sealed_bid:
                return Committed(placed, None)
        call = self._contract.commit(record.auction, record.sealed_bid, data_set(record))
        receipt = self._sender.send(call, value=prepared.bond)
        committed = receipt_event(receipt, typed_events.Committed)
        placed = self._book.place(record, committed.index)
        return Committed(placed, bytes(receipt["transactionHash"]))

    def sign_commitment(self, prepared: Prepared, relayer: str, deadline: int) -> bytes:
        """Sign a commitment that one relayer may pay for; the secrets are on disk first.

        Args:
            prepared: what to commit.
            relayer: who will send it and pay the bond.
            deadline: unix seconds after which the contract refuses it.

        Returns:
            65-byte EIP-712 signature.
        """
        self._book.save(replace(prepared.record, payer=relayer))
        message = codec.commit_message(
            self._contract.domain,
            prepared.record.auction,
            prepared.record.sealed_bid,
            data_set(prepared.record),
            relayer,
            self._contract.nonce(self._sender.address),
            deadline,
        )
        return self._sender.signer.sign_typed(message)

    def bids(self, auction: int) -> Bids:
        """This provider's bids in an auction, by one reading of the chain.

        Raises:
            ChainError: there is no such auction, or the node does not answer.
        """
        view = load_auction(self._sender.web3, self._deployment, auction)
        return Bids(self._sender, self._contract, self._book, view)


def data_set(record: BidRecord) -> DataSet:
    """What a bid's commitment says about its data."""
    from oracles.evidence import Cid

    return DataSet(Cid.parse(record.cid).digest, record.content_digest, record.size)


def _sealed_cost(cost: int | None, *, enrolment: bool) -> int:
    if enrolment:
        return 0
    if cost is None:
        raise InputError("this auction takes bids: say your cost with --cost")
    if cost < 0:
        raise InputError(f"a cost is not negative: {cost}")
    return cost
