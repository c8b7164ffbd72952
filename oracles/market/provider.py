"""What a provider does before its bid is opened: pack, seal, commit, show the sample.

Secrets first: nothing is sent before what opens it is on disk.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from oracles.chain import packing, typed_data, typed_events
from oracles.chain.client import Sender, receipt_event
from oracles.chain.state import load_auction
from oracles.chain.terms import GWEI
from oracles.dataset import (
    Archive,
    Binding,
    Manifest,
    build_opening,
    draw,
    exposure,
    opening_context,
    pack,
    page_key,
)
from oracles.dataset.manifest import MAX_BYTES
from oracles.errors import ChainError, InputError
from oracles.evidence import Cid, read
from oracles.market import view as chain_view
from oracles.market.bids import Bids, match
from oracles.market.book import BidBook, BidRecord
from oracles.market.schedule import check_open, check_windows
from oracles.money import ETHER
from oracles.progress import silent
from oracles.proof import prove

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from oracles.chain.auction import AuctionContract
    from oracles.chain.deployment import Deployment
    from oracles.chain.state import AuctionState
    from oracles.chain.terms import AuctionId
    from oracles.dataset import Document, Finding, Packed
    from oracles.evidence import Store
    from oracles.market.bids import Done
    from oracles.progress import Progress
    from oracles.proof import Thresholds, Tree

HOUR: Final = 3_600


@dataclass(frozen=True, slots=True)
class Limits:
    """What a provider accepts from an auction's terms.

    Attributes:
        bond: most that it puts at stake, wei.
        window: shortest time in which it must act (open, reveal, deliver), seconds.
        exposed: largest share of its data that operators may see, this auction's sample and those
            of earlier ones together.
        unknown: whether it bids although its key has bids on chain that its book does not know.

    Example:
        >>> import qmia
        >>> limits = qmia.Limits(bond=5 * 10**16, exposed=0.1)
        >>> limits.window
        3600
    """

    bond: int = 10**17
    window: int = HOUR
    exposed: float = 0.2
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A packed and published data set with its sealed bid, ready to be committed.

    Attributes:
        record: what goes into the bid book.
        documents: their number.
        bond: what the commitment costs until claims begin, wei.
        entry_fee: what it costs for ever, wei.
        exposed: share of the data that operators see, with earlier auctions.
    """

    record: BidRecord
    documents: int
    bond: int
    entry_fee: int
    exposed: float


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

    Example:
        With `deployment` and `sender` as in the examples of these classes, and the auction's id:

        >>> import qmia
        >>> from pathlib import Path
        >>> book, store = qmia.BidBook(Path("bids")), qmia.open_store("archives")
        >>> provider = qmia.Provider(sender, deployment, book, store, limits)
        >>> prepared = provider.prepare(auction, Path("data.jsonl"), 120_000_000)
        >>> provider.commit(prepared).record.index
        0
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
        auction: AuctionId,
        source: Path | Iterable[Document],
        cost: int | None,
        *,
        agreement: Path | None = None,
        salt: bytes | None = None,
        findings: list[Finding] | None = None,
        facts: Tree | None = None,
        thresholds: Thresholds | None = None,
        progress: Progress = silent,
    ) -> Prepared:
        """Pack and publish a data set, and seal a bid. Nothing is on chain yet.

        The same data, auction and cost once more give the record of the first time, so that an
        interrupted commitment is finished and not made twice.

        Args:
            auction: id.
            source: file or folder, or its documents.
            cost: token units; None in an enrolment, which takes no bids.
            agreement: the contract text that the provider agrees to.
            salt: 32 random bytes; made here by default.
            findings: list that receives what is wrong with the source.
            facts: counts every page, so that thresholds can be proved of the set.
            thresholds: to prove; needs `facts`.
            progress: told how many proofs are made.

        Raises:
            InputError: nothing readable in the source, thresholds that it does not meet, no cost,
                terms beyond the limits, data that are on chain at another cost, another agreement
                than the auction's, or a salt that could be guessed.
            ChainError: there is no such auction, or it takes no commitments any more.
        """
        view = load_auction(self._sender.web3, self._deployment, auction)
        cost = _sealed_cost(cost, enrolment=view.terms.enrolment)
        bond = view.terms.bond_gwei * GWEI
        entry_fee = view.terms.scoring.entry_fee_gwei * GWEI
        samples = view.terms.scoring.samples
        self._check_terms(view, bond, agreement)
        owner = self._sender.address
        binding = Binding(self._contract.chain_id, self._contract.address, auction, owner)
        with tempfile.TemporaryDirectory() as folder:
            self._check_book(view)
            packed = pack(source, Path(folder) / "archive", findings=findings, facts=facts)
            contents = packed.contents
            exposed = self._exposed(view, contents.content_digest, contents.size)
            records = self._book.records(self._contract.address, auction, owner)
            if record := _earlier(view, records, contents.content_digest, cost):
                return Prepared(record, packed.documents, bond, entry_fee, exposed)
            proof = self._proof(packed, facts, thresholds, progress)
            archive = str(self._store.put(packed.path))
        if samples:
            manifest = Manifest(binding, archive, contents, proof=proof)
        else:
            keys = chain_view.member_keys(self._sender.web3, self._deployment, view)
            members = [*keys.values()]
            manifest = Manifest.open_to(binding, archive, contents, packed.key, members, proof)
        cid = self._store.put(manifest.encode())
        if view.terms.enrolment:
            secret = bytes(32)
        else:
            secret = packing.new_salt() if salt is None else packing.check_salt(salt)
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
            manifest=str(cid),
            archive=archive,
            content_digest=contents.content_digest,
            size=contents.size,
            agreement=view.terms.agreement,
            samples=samples,
        )
        return Prepared(record, packed.documents, bond, entry_fee, exposed)

    def _proof(
        self,
        packed: Packed,
        facts: Tree | None,
        thresholds: Thresholds | None,
        progress: Progress,
    ) -> str:
        """Prove and publish; gives the CID, or nothing where nothing is to be proved."""
        if facts is None or thresholds is None:
            return ""
        keys = [page_key(packed.key, index) for index in range(packed.contents.pages)]
        proof = prove(facts.facts, keys, thresholds, progress=progress)
        return str(self._store.put(proof.encode()))

    def _check_book(self, view: AuctionState) -> None:
        """Refuse to bid with a book that was lost or is an old copy: that would pay twice."""
        owner = self._sender.address
        records = self._book.records(self._contract.address, view.id, owner)
        unknown = match(view, records, owner).unknown
        if unknown and not self._limits.unknown:
            raise InputError(
                f"the chain has bids {list(unknown)} of {owner} in auction {view.id} that the book"
                f" {self._book.root} does not know: restore your latest copy of the book, or their"
                " bonds are lost. If they are in another book, say --other-book"
            )

    def _check_terms(self, view: AuctionState, bond: int, agreement: Path | None) -> None:
        """Refuse what this provider does not accept."""
        if bond > self._limits.bond:
            raise InputError(
                f"auction {view.id} asks for a bond of {ETHER.format(bond)}, more than the"
                f" {ETHER.format(self._limits.bond)} that you accept: raise --max-bond, or leave it"
            )
        sampled = view.terms.scoring.samples > 0
        check_windows(view.terms.durations, self._limits.window, sampled=sampled)
        check_open(view, chain_view.chain_time(self._sender.web3))
        named = view.terms.agreement
        if agreement is None:
            if any(named):
                raise InputError(
                    f"auction {view.id} is under the contract text with the digest"
                    f" 0x{named.hex()}: read it, and name its file with --agreement"
                )
        elif agreement_digest(agreement) != named:
            raise InputError(
                f"{agreement} is not the contract text of auction {view.id}, whose digest is"
                f" 0x{named.hex()}"
            )

    def _exposed(self, view: AuctionState, content_digest: bytes, size: int) -> float:
        """Expected share of the data that operators see, by independent draws."""
        unseen = 1 - exposure(size, view.terms.scoring.samples)
        for record in self._book.all():
            if record.content_digest == content_digest and record.auction != view.id:
                unseen *= 1 - exposure(size, record.samples)
        exposed = 1 - unseen
        if exposed > self._limits.exposed:
            raise InputError(
                f"the samples of auction {view.id} and of those before would show the operators"
                f" {exposed:.1%} of your data, more than the {self._limits.exposed:.1%} that you"
                " accept: raise --max-exposed, or leave it"
            )
        return exposed

    def commit(self, prepared: Prepared) -> Committed:
        """Commit on chain with bond and entry fee, after the secrets are on disk.

        What the chain has already is not paid for again.

        Raises:
            ChainError: the contract refuses.
            ConfigError: another command commits with this book.
        """
        record = prepared.record
        with self._book.alone():
            view = load_auction(self._sender.web3, self._deployment, record.auction)
            records = self._book.records(record.contract, record.auction, record.owner)
            # Another command may have made one for the same data meanwhile.
            record = _earlier(view, records, record.content_digest, record.cost) or record
            self._book.save(record)
            for placed in self.bids(record.auction).placed:
                if placed.sealed_bid == record.sealed_bid:
                    return Committed(placed, None)
            call = self._contract.commit(
                record.auction, record.sealed_bid, record.data_set, record.agreement
            )
            receipt = self._sender.send(call, value=prepared.bond + prepared.entry_fee)
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
        record = prepared.record
        self._book.save(replace(record, payer=relayer))
        message = typed_data.commit_message(
            self._contract.domain,
            record.auction,
            record.sealed_bid,
            record.data_set,
            record.agreement,
            relayer,
            self._contract.nonce(self._sender.address),
            deadline,
        )
        return self._sender.signer.sign_typed(message)

    def open(self, bids: Bids) -> list[Done]:
        """Open the pages that were drawn of each bid's data to the operators.

        Raises:
            ChainError: the samples are not drawn yet, or the contract refuses.
            StoreError: the archive is not where it was published.
        """
        view = bids.view
        if not view.terms.scoring.samples:
            raise ChainError(f"auction {view.id} takes no samples: the manifest opens all")
        sample_key = chain_view.draw(self._sender.web3, self._deployment, view)
        keys = chain_view.member_keys(self._sender.web3, self._deployment, view)

        def opening(record: BidRecord) -> bytes:
            return publish_opening(self._store, record, sample_key, [*keys.values()])

        return bids.open(opening)

    def bids(self, auction: AuctionId) -> Bids:
        """This provider's bids in an auction, by one reading of the chain.

        Raises:
            ChainError: there is no such auction, or the node does not answer.
        """
        view = load_auction(self._sender.web3, self._deployment, auction)
        exchange = self._deployment.exchange(self._sender.web3)
        return Bids(self._sender, self._contract, exchange, self._book, view)


def _earlier(
    view: AuctionState, records: Sequence[BidRecord], content_digest: bytes, cost: int
) -> BidRecord | None:
    """The record that the same command made before, which it finishes now.

    A bid that was taken back is over: the same data need a new seal.

    Raises:
        InputError: the same data are on chain with another cost.
    """
    same = [record for record in records if record.content_digest == content_digest]
    matched = match(view, same, None)
    places = {record.sealed_bid: record.place for record in matched.placed}
    same = [record for record in same if record.sealed_bid in places or record in matched.unsent]
    for record in same:
        if record.cost == cost:
            return record
    for record in same:
        if placed := places.get(record.sealed_bid):
            raise InputError(
                f"bid {placed.index} offers these very data in auction {view.id} already, at"
                " another cost. A copy is worth nothing beside the first, and costs a second entry"
                f" fee: to change the cost, first `qmia provider withdraw {view.id} --index"
                f" {placed.index}`"
            )
    return None


def publish_opening(
    store: Store, record: BidRecord, sample_key: bytes, members: Sequence[bytes]
) -> bytes:
    """Make the opening of a bid's sample from its archive, and store it.

    Args:
        store: where manifest and archive are, and where the opening goes.
        record: of a bid that is on chain.
        sample_key: what the sample is drawn from, 32 bytes.
        members: public encryption keys of both panels.

    Returns:
        The digest in its CID, 32 bytes.

    Raises:
        StoreError: the archive is not where it was published, or the store takes nothing.
        IntegrityError: the archive is not the one that was committed to.
    """
    manifest = Manifest.decode(read(store, Cid.parse(record.manifest), limit=MAX_BYTES))
    index = record.place.index
    drawn = draw(
        sample_key,
        record.auction,
        index,
        manifest.digest,
        manifest.contents.pages,
        record.samples,
    )
    cid = Cid.parse(record.archive)

    def part(offset: int, size: int, /) -> bytes:
        return store.range(cid, offset, size)

    made = build_opening(
        Archive(manifest.contents, part),
        record.data_key,
        drawn,
        members,
        opening_context(manifest.binding, index),
    )
    return store.put(made).digest


def agreement_digest(path: Path) -> bytes:
    """Digest of a contract text, as the terms name it: sha2-256 of the file, 32 bytes.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError as error:
        raise InputError(f"cannot read the agreement {path}: {error.strerror}") from error


def _sealed_cost(cost: int | None, *, enrolment: bool) -> int:
    if enrolment:
        return 0
    if cost is None:
        raise InputError("this auction takes bids: say your cost with --cost")
    if cost < 0:
        raise InputError(f"a cost is not negative: {cost}")
    return cost
