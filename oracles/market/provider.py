"""What a provider does: pack, commit, reveal, deliver, claim. Secrets go to the bid book first."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from oracles.chain import codec
from oracles.chain.client import Sender, decode_receipt
from oracles.chain.codec import DataSet
from oracles.dataset import Binding, WrapContext, pack, wrap
from oracles.dataset.manifest import Manifest
from oracles.errors import ChainError, InputError
from oracles.market.book import BidBook, BidRecord
from oracles.market.view import AuctionView, load_auction, operator_keys, wins

if TYPE_CHECKING:
    from oracles.chain.auction import AuctionContract
    from oracles.chain.deployment import Deployment
    from oracles.dataset import Finding
    from oracles.evidence import Store


@dataclass(frozen=True, slots=True)
class Prepared:
    """A packed data set, ready to be committed.

    Attributes:
        record: what goes into the bid book.
        data_set: what goes on chain.
        documents: their number.
    """

    record: BidRecord
    data_set: DataSet
    documents: int


class Provider:
    """One provider in one deployment.

    Args:
        sender: the provider's connection and key.
        deployment: contracts.
        book: bid book.
        store: where archives and manifests are published.
    """

    def __init__(self, sender: Sender, deployment: Deployment, book: BidBook, store: Store) -> None:
        self._sender = sender
        self._deployment = deployment
        self._book = book
        self._store = store
        self._auction: AuctionContract = deployment.auction(sender.web3)

    def prepare(
        self,
        auction: int,
        source: Path,
        cost: int,
        *,
        salt: bytes | None = None,
        findings: list[Finding] | None = None,
    ) -> Prepared:
        """Pack and publish a data set, and seal a bid. Nothing is on chain yet.

        Args:
            auction: id.
            source: file or folder.
            cost: token units; ignored by an enrolment.
            salt: 32 random bytes; made here by default.
            findings: where to put what is wrong with the source.

        Raises:
            InputError: nothing readable in the source, or a salt that could be guessed.
            ChainError: no such auction.
        """
        view = self._view(auction)
        if cost < 0:
            raise InputError(f"a cost is not negative: {cost}")
        owner = self._sender.address
        binding = Binding(self._auction.chain_id, self._auction.address, auction, owner)
        operators = operator_keys(self._sender.web3, self._deployment, view.terms.operator_set)
        with tempfile.TemporaryDirectory() as folder:
            packed = pack(source, Path(folder) / "archive", binding, findings=findings)
            archive = self._store.put(packed.path)
        manifest = Manifest.make(str(archive), packed.key, binding, operators)
        cid = self._store.put(manifest.encode())
        secret = codec.new_salt() if salt is None else codec.check_salt(salt)
        if view.terms.enrolment:
            cost, secret = 0, bytes(32)
        record = BidRecord(
            self._auction.chain_id,
            self._auction.address,
            auction,
            owner,
            owner,
            cost,
            secret,
            packed.key,
            self._auction.seal_bid(auction, owner, cost, secret),
            str(cid),
            str(archive),
        )
        data_set = DataSet(cid.digest, packed.content_digest, packed.size)
        return Prepared(record, data_set, packed.documents)

    def commit(self, prepared: Prepared) -> BidRecord:
        """Commit on chain with the bond, after the secrets are on disk.

        Raises:
            ChainError: the contract refuses.
        """
        record = prepared.record
        self._book.save(record)
        bond = self._view(record.auction).terms.bond_gwei * codec.GWEI
        call = self._auction.commit(record.auction, record.sealed_bid, prepared.data_set)
        receipt = self._sender.send(call, value=bond)
        (committed,) = [e for e in decode_receipt(receipt) if e.name == "Committed"]
        return self._book.place(record, committed.args["index"])

    def sign_commitment(self, prepared: Prepared, relayer: str, deadline: int) -> bytes:
        """Sign a commitment that one relayer may pay for; the secrets are on disk first."""
        self._book.save(replace(prepared.record, payer=relayer))
        owner = self._sender.address
        message = codec.commit_message(
            self._auction.domain,
            prepared.record.auction,
            prepared.record.sealed_bid,
            prepared.data_set,
            relayer,
            self._auction.nonce(owner),
            deadline,
        )
        return self._sender.signer.sign_typed(message)

    def withdraw(self, auction: int) -> list[BidRecord]:
        """Take all of one's commitments back before the deadline.

        Raises:
            ChainError: the contract refuses.
        """
        done = []
        for record in self.recover(auction):
            index = _placed(record)
            self._sender.send(
                self._auction.withdraw(auction, index, record.sealed_bid, record.payer)
            )
            done.append(record)
        return done

    def reveal(self, auction: int) -> list[BidRecord]:
        """Open all of one's bids that are not open yet.

        Raises:
            ChainError: the contract refuses, or the bid book has nothing for this auction.
        """
        view = self._view(auction)
        done = []
        for record in self.recover(auction):
            index = _placed(record)
            if index in view.revealed or index not in view.commitments:
                continue
            call = self._auction.reveal(
                auction, index, record.cost, record.salt, record.owner, record.payer
            )
            self._sender.send(call)
            done.append(record)
        return done

    def deliver(self, auction: int) -> list[BidRecord]:
        """Hand over the data key of every winning bid, wrapped for the buyer.

        Raises:
            ChainError: not settled yet, or the contract refuses.
        """
        view = self._view(auction)
        if view.settled is None:
            raise ChainError(f"auction {auction} is not settled yet")
        done = []
        for record in self.recover(auction):
            index = _placed(record)
            if index in view.delivered or not wins(view, index):
                continue
            context = WrapContext(record.chain_id, record.contract, auction, index)
            wrapped = wrap(record.data_key, view.buyer_key, context)
            self._sender.send(self._auction.deliver(auction, index, record.payer, wrapped))
            done.append(record)
        return done

    def claim(self, auction: int, parts: int = codec.ALL_PARTS) -> list[BidRecord]:
        """Claim what is due for every bid: cash, MUT and bond; after an abort the bond.

        Raises:
            ChainError: the contract refuses.
        """
        view = self._view(auction)
        done = []
        for record in self.recover(auction):
            index = _placed(record)
            if index in view.revealed:
                call = self._auction.claim(auction, index, record.owner, record.payer, parts)
            else:
                call = self._auction.reclaim(
                    auction, index, record.sealed_bid, record.owner, record.payer
                )
            self._sender.send(call)
            done.append(record)
        return done

    def recover(self, auction: int) -> list[BidRecord]:
        """Records of this provider's bids that are on chain; finds lost indices in the logs.

        Raises:
            ChainError: the bid book has nothing for this auction.
        """
        records = self._book.records(self._auction.address, auction, self._sender.address)
        if not records:
            raise ChainError(
                f"the bid book has no bid of {self._sender.address} in auction {auction}"
            )
        if any(record.index is None for record in records):
            by_seal = {c.sealed_bid: c for c in self._view(auction).commitments.values()}
            records = [
                self._book.place(replace(record, payer=found.payer), found.index)
                if record.index is None and (found := by_seal.get(record.sealed_bid))
                else record
                for record in records
            ]
        return [record for record in records if record.index is not None]

    def _view(self, auction: int) -> AuctionView:
        return load_auction(self._sender.web3, self._deployment, auction)


def _placed(record: BidRecord) -> int:
    if record.index is None:
        raise ChainError(f"bid {record.sealed_bid.hex()} is not on chain yet")
    return record.index
