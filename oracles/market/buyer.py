"""What a buyer does: create an auction, receive the data, dispute, take the rest back, pay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oracles.chain import artifacts
from oracles.chain.client import Sender, receipt_event
from oracles.chain.signers import LocalSigner
from oracles.chain.state import AuctionState, load_auction
from oracles.chain.terms import GWEI, AuctionId
from oracles.chain.tokens import Erc20, ensure_allowance, need_balance
from oracles.chain.typed_data import key_message
from oracles.chain.typed_events import (
    AuctionCreated,
    Point,
    Proof,
    RefundWithdrawn,
)
from oracles.dataset import (
    Complaint,
    Delivery,
    DeliveryContext,
    EncryptionKey,
    Manifest,
    WrapContext,
    encode_document,
    key_commitment,
    open_archive,
    prove_shared_point,
    unpack,
    unwrap_delivery,
)
from oracles.dataset.manifest import MAX_BYTES, Binding
from oracles.errors import ChainError, IntegrityError, Reverted
from oracles.evidence import Cid, DirectoryStore, StoreError, read
from oracles.files import atomic_write
from oracles.market.view import chain_time, member_keys, mut_of, need_outcome, wins
from oracles.progress import Progress, silent
from oracles.when import local

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from web3.contract.contract import ContractFunction

    from oracles.chain.auction import AuctionContract
    from oracles.chain.deployment import Deployment
    from oracles.chain.exchange import ExchangeContract
    from oracles.chain.terms import Terms
    from oracles.evidence import Store


#: What our own contracts say; other words are those of the settlement token.
_REFUSALS = frozenset(
    entry["name"]
    for name in ("DataAuction", "ScoreOracle")
    for entry in artifacts.abi(name)
    if entry["type"] == "error"
) - {"SafeERC20FailedOperation"}


@dataclass(frozen=True, slots=True)
class Received:
    """What came of one winner's data set.

    Attributes:
        index: of the bid.
        owner: provider.
        path: JSON lines, one document each, decrypted and verified; None while they are not here.
        documents: their number.
        problem: why they are not here; empty if they are, or may still come.
        action: what was sent because of that: `named missing`, `refuted` or `complained`.
        transaction: hash of that, 32 bytes.
    """

    index: int
    owner: str
    path: Path | None = None
    documents: int = 0
    problem: str = ""
    action: str = ""
    transaction: bytes = field(default=b"")

    def plain(self) -> dict[str, Any]:
        """As values to print."""
        return {
            "index": self.index,
            "owner": self.owner,
            "path": None if self.path is None else str(self.path),
            "documents": self.documents,
            "problem": self.problem,
            "action": self.action,
            "transaction": "0x" + self.transaction.hex() if self.transaction else None,
        }


class Buyer:
    """One buyer in one deployment.

    Args:
        sender: connection and key.
        deployment: contracts.

    Example:
        With `deployment`, `sender` and `terms` as in the examples of these classes:

        >>> import qmia
        >>> key = qmia.EncryptionKey.generate()  # keep key.secret: it opens what you buy
        >>> buyer = qmia.Buyer(sender, deployment)
        >>> auction = buyer.create(terms, key, bounty=10**16)
    """

    def __init__(self, sender: Sender, deployment: Deployment) -> None:
        self._sender = sender
        self._web3 = sender.web3
        self._deployment = deployment
        self._contract: AuctionContract = deployment.auction(sender.web3)
        self._exchange: ExchangeContract = deployment.exchange(sender.web3)

    def create(self, terms: Terms, key: EncryptionKey, *, bounty: int = 0) -> AuctionId:
        """Approve the budget and create an auction.

        Args:
            terms: everything fixed for ever.
            key: the buyer's encryption key; proves that it is held.
            bounty: wei for settlers; the operators' fee is sent with it.

        Returns:
            The auction's id.

        Raises:
            ChainError: the token or the contract refuses.
        """
        message = key_message(self._contract.domain, self._sender.address, key.public)
        signature = LocalSigner.from_secret(key.secret).sign_typed(message)
        call = self._contract.create(terms, key.public, signature)
        value = terms.fee + bounty
        if terms.budget:
            self._try_without_allowance(call, value)
            token = Erc20(self._web3, terms.token)
            ensure_allowance(self._sender, token, self._contract.address, terms.budget)
        receipt = self._sender.send(call, value=value)
        return receipt_event(receipt, AuctionCreated).auction_id

    def check(self, terms: Terms, *, bounty: int = 0) -> None:
        """Ask the contract whether it would take these terms; nothing is sent.

        Raises:
            ChainError: it would not, or the account lacks what they cost.
        """
        key = EncryptionKey.generate()
        message = key_message(self._contract.domain, self._sender.address, key.public)
        signature = LocalSigner.from_secret(key.secret).sign_typed(message)
        call = self._contract.create(terms, key.public, signature)
        self._try_without_allowance(call, terms.fee + bounty)
        need_balance(Erc20(self._web3, terms.token), self._sender.address, terms.budget)

    def _try_without_allowance(self, call: ContractFunction, value: int) -> None:
        """Let the contract refuse terms before an approval is paid for.

        It checks everything before it takes the budget, so only the token's own refusal is let
        pass here.
        """
        try:
            self._sender.simulate(call, value=value)
        except Reverted as error:
            if error.error in _REFUSALS:
                raise

    def receive(
        self,
        auction: AuctionId,
        key: EncryptionKey,
        store: Store,
        out: Path,
        *,
        dispute: bool = True,
        progress: Progress = silent,
    ) -> Iterator[Received]:
        """Fetch, decrypt and verify the winners' data sets; those already in `out` are left.

        Before keys are delivered only ciphertext can be fetched; what cannot be had is named on
        chain in the first half of the fetch phase. A wrong key is refuted, a wrong page complained
        about, while that counts.

        Args:
            auction: id.
            key: the buyer's encryption key.
            store: where archives are published.
            out: directory for one JSON lines file per provider, and for what is fetched.
            dispute: whether to send anything because of what is wrong.
            progress: called with the stage, winners looked at, and their number.

        Raises:
            ChainError: the auction is not settled, or the contract refuses.
        """
        view = self.view(auction)
        need_outcome(self._web3, view)
        winners = [index for index in sorted(view.revealed) if wins(view, index)]
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        fetched = DirectoryStore(out / "ciphertext")
        missing: dict[int, str] = {}
        for done, index in enumerate(winners, 1):
            if index in view.struck_out:
                continue
            path = out / f"{auction}-{index}.jsonl"
            try:
                manifest = self._fetch(view, index, store, fetched)
                if index in view.deliveries and not path.exists():
                    self._open(view, index, manifest, key, fetched, path)
            except StoreError as error:
                missing[index] = str(error)
            except IntegrityError as error:
                yield self._wrong(view, index, str(error), key, store, fetched, dispute=dispute)
            else:
                yield _received(view, index, path)
            progress("winners", done, len(winners))
        if missing:
            yield from self._name_missing(view, missing, dispute=dispute)

    def _fetch(
        self, view: AuctionState, index: int, store: Store, fetched: DirectoryStore
    ) -> Manifest:
        """Bring a winner's whole ciphertext here.

        Raises:
            StoreError: it cannot be had now.
            IntegrityError: it is not what was committed.
        """
        data_set = view.commitments[index].data_set
        cid = Cid.from_digest(data_set.manifest, MAX_BYTES)
        manifest = Manifest.decode(read(store, cid, limit=MAX_BYTES))
        binding = Binding(
            self._contract.chain_id, self._contract.address, view.id, view.commitments[index].owner
        )
        manifest.expect(
            binding,
            content_digest=data_set.content_digest,
            size=data_set.size,
            key_commitment=data_set.key_commitment,
        )
        archive = Cid.parse(manifest.archive)
        if not fetched.has(archive):
            with store.open(archive, limit=manifest.contents.archive_size) as source:
                fetched.put(source)
        return manifest

    def _open(
        self,
        view: AuctionState,
        index: int,
        manifest: Manifest,
        key: EncryptionKey,
        fetched: DirectoryStore,
        path: Path,
    ) -> None:
        """Decrypt and verify one data set into a file, which appears whole or not at all."""
        data_key = self._data_key(view, index, key)
        if key_commitment(data_key) != manifest.contents.key_commitment:
            raise IntegrityError("the key that was delivered is not the one that was sold")
        archive = fetched.path(Cid.parse(manifest.archive))
        with atomic_write(path, private=True) as lines:
            for document in unpack(archive, data_key, manifest.contents):
                lines.write(encode_document(document) + b"\n")

    def _data_key(self, view: AuctionState, index: int, key: EncryptionKey) -> bytes:
        return unwrap_delivery(_delivered(view, index), key, self._context(view, index))

    def _context(self, view: AuctionState, index: int) -> DeliveryContext:
        return DeliveryContext(self._contract.chain_id, self._contract.address, view.id, index)

    def _wrong(
        self,
        view: AuctionState,
        index: int,
        problem: str,
        key: EncryptionKey,
        store: Store,
        fetched: DirectoryStore,
        *,
        dispute: bool,
    ) -> Received:
        """Refute a wrong key, or complain about wrong pages, if this is the time for it."""
        owner, now = view.commitments[index].owner, chain_time(self._web3)
        phases = view.phases
        if not dispute or index not in view.deliveries:
            return Received(index, owner, problem=problem)
        data_key, data_set = self._data_key(view, index, key), view.commitments[index].data_set
        right_key = key_commitment(data_key) == data_set.key_commitment
        half = (phases.deliver_end + phases.dispute_end) // 2
        until = half if right_key else phases.dispute_end
        if not phases.deliver_end <= now < until:
            when = "not yet: disputes begin with the dispute phase" if now < until else "too late"
            return Received(index, owner, problem=f"{problem} (to dispute it is {when})")
        if index in view.complaints:
            return Received(index, owner, problem=f"{problem} (complained of already)")
        if right_key:
            digest = self._complaint(view, index, data_key, store, fetched)
            fee = view.terms.scoring.fetch_fee_gwei * GWEI
            receipt = self._sender.send(self._exchange.complain(view.id, index, digest), value=fee)
            action = "complained"
        else:
            sealed = view.deliveries[index]
            point = _delivered(view, index).point
            shown = prove_shared_point(point, key, self._context(view, index))
            shared, t, u = (Point(*each) for each in (shown.shared, shown.t, shown.u))
            proof = Proof(shared, t, u, shown.slope, shown.c, shown.z)
            receipt = self._sender.send(
                self._exchange.refute(
                    view.id, view.commitments[index].place, data_set, sealed, key.public, proof
                )
            )
            action = "refuted"
        transaction = bytes(receipt["transactionHash"])
        return Received(index, owner, problem=problem, action=action, transaction=transaction)

    def _complaint(
        self,
        view: AuctionState,
        index: int,
        data_key: bytes,
        store: Store,
        fetched: DirectoryStore,
    ) -> bytes:
        """Publish a complaint for the panels; gives the digest in its CID."""
        cid = Cid.from_digest(view.commitments[index].data_set.manifest, MAX_BYTES)
        manifest = Manifest.decode(read(store, cid, limit=MAX_BYTES))
        wrong = []
        with open_archive(fetched.path(Cid.parse(manifest.archive)), manifest.contents) as archive:
            for page in range(manifest.contents.pages):
                try:
                    archive.page(page, data_key)
                except IntegrityError:
                    wrong.append(page)
        keys = member_keys(self._web3, self._deployment, view)
        members = [keys[member] for member in view.panel(view.accepted_round).members]
        binding = manifest.binding
        context = WrapContext(
            "complaint", binding.chain_id, binding.contract, binding.auction_id, index
        )
        return store.put(Complaint.make(wrong, data_key, members, context).encode()).digest

    def _name_missing(
        self, view: AuctionState, missing: dict[int, str], *, dispute: bool
    ) -> Iterator[Received]:
        phases, now = view.phases, chain_time(self._web3)
        half = (phases.settle_end + phases.fetch_end) // 2
        new = [index for index in missing if index not in view.missing]
        action, transaction = "", b""
        if dispute and new and phases.settle_end <= now < half:
            fee = view.terms.scoring.fetch_fee_gwei * GWEI * len(new)
            receipt = self._sender.send(self._exchange.name_missing(view.id, new), value=fee)
            action, transaction = "named missing", bytes(receipt["transactionHash"])
        for index, problem in missing.items():
            sent = index in new
            yield Received(
                index,
                view.commitments[index].owner,
                problem=problem,
                action=action if sent else "",
                transaction=transaction if sent else b"",
            )

    def withdraw(self, auction: AuctionId, to: str | None = None) -> dict[str, int]:
        """Take back unspent cash, the buyer's MUT, and bounty and fee where nobody earned them.

        Raises:
            ChainError: the contract refuses.
        """
        receipt = self._sender.send(
            self._contract.withdraw_refund(auction, to or self._sender.address)
        )
        event = receipt_event(receipt, RefundWithdrawn)
        return {"cash": event.cash, "mut": event.mut, "native": event.native}

    def deposit_revenue(self, auction: AuctionId, amount: int) -> None:
        """Pay revenue to the holders of an auction's MUT. Anyone may.

        Args:
            auction: id.
            amount: settlement token units.

        Raises:
            ChainError: the auction has no MUT, or the token or the contract refuses.
        """
        view = self.view(auction)
        mut = mut_of(self._web3, self._deployment, auction)
        if not self._contract.deliveries_resolved(auction):
            # Said here: the contract says so only after the token was allowed to be moved.
            until = local(view.phases.dispute_end)
            raise ChainError(
                f"auction {auction} takes no revenue yet: its disputes end {until}, and winners who"
                f" delivered nothing have to be struck out (qmia buyer forfeit {auction})"
            )
        token = Erc20(self._web3, view.terms.token)
        ensure_allowance(self._sender, token, mut.address, amount)
        self._sender.send(mut.deposit(amount))

    def view(self, auction: AuctionId) -> AuctionState:
        """The auction as its logs tell it."""
        return load_auction(self._web3, self._deployment, auction)


def _received(view: AuctionState, index: int, path: Path) -> Received:
    owner = view.commitments[index].owner
    if not path.exists():
        return Received(index, owner)
    with path.open("rb") as lines:
        return Received(index, owner, path, sum(1 for _ in lines))


def _delivered(view: AuctionState, index: int) -> Delivery:
    """A delivery as the dataset package reads it."""
    given = view.deliveries[index]
    return Delivery(given.wrapped, (int.from_bytes(given.x, "big"), int.from_bytes(given.y, "big")))
