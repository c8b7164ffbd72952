"""What a buyer does: create an auction, receive the data, take back the rest, pay revenue."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from oracles.chain import artifacts, codec, rpc
from oracles.chain.client import LocalSigner, Sender, receipt_event
from oracles.chain.state import AuctionState, load_auction
from oracles.chain.tokens import Erc20, Mut, ensure_allowance
from oracles.chain.typed_events import AuctionCreated, BuyerWithdrawn
from oracles.dataset import Binding, EncryptionKey, WrapContext, encode_document, unpack, unwrap
from oracles.dataset.manifest import MAX_BYTES, Manifest
from oracles.errors import ChainError, Reverted
from oracles.evidence import Cid, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from web3.contract.contract import ContractFunction

    from oracles.chain.auction import AuctionContract
    from oracles.chain.codec import Terms
    from oracles.chain.deployment import Deployment
    from oracles.evidence import Store


#: What DataAuction says by itself; other words are those of the settlement token.
_REFUSALS = frozenset(
    entry["name"] for entry in artifacts.abi("DataAuction") if entry["type"] == "error"
) - {"SafeERC20FailedOperation"}


@dataclass(frozen=True, slots=True)
class Received:
    """A data set decrypted and verified against its commitment.

    Attributes:
        index: of the bid.
        owner: provider.
        path: JSON lines, one document each.
        documents: their number.
    """

    index: int
    owner: str
    path: Path
    documents: int


class Buyer:
    """One buyer in one deployment.

    Args:
        sender: connection and key.
        deployment: contracts.
    """

    def __init__(self, sender: Sender, deployment: Deployment) -> None:
        self._sender = sender
        self._web3 = sender.web3
        self._deployment = deployment
        self._contract: AuctionContract = deployment.auction(sender.web3)

    def create(self, terms: Terms, key: EncryptionKey, *, bounty: int = 0) -> int:
        """Approve the budget and create an auction.

        Args:
            terms: everything fixed for ever.
            key: the buyer's encryption key; proves that it is held.
            bounty: wei for settlers.

        Returns:
            The auction's id.

        Raises:
            ChainError: the token or the contract refuses.
        """
        message = codec.key_message(self._contract.domain, self._sender.address, key.public)
        signature = LocalSigner.from_secret(key.secret).sign_typed(message)
        call = self._contract.create(terms, key.public, signature)
        if terms.budget:
            self._try_without_allowance(call, bounty)
            token = Erc20(self._web3, terms.token)
            ensure_allowance(self._sender, token, self._contract.address, terms.budget)
        receipt = self._sender.send(call, value=bounty)
        return receipt_event(receipt, AuctionCreated).auction_id

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
        self, auction: int, key: EncryptionKey, store: Store, out: Path
    ) -> Iterator[Received]:
        """Decrypt and verify every delivered data set; those already in `out` are left.

        Args:
            auction: id.
            key: the buyer's encryption key.
            store: where archives are published.
            out: directory for one JSON lines file a provider.

        Raises:
            IntegrityError: a key or archive is not what was committed.
            StoreError: an archive cannot be had now.
        """
        view = self.view(auction)
        out.mkdir(parents=True, exist_ok=True)
        for index, wrapped in sorted(view.delivered.items()):
            path = out / f"{auction}-{index}.jsonl"
            commitment = view.commitments[index]
            if not path.exists():
                self._receive_one(view, index, wrapped, key, store, path)
            with path.open("rb") as lines:
                yield Received(index, commitment.provider, path, sum(1 for _ in lines))

    def _receive_one(
        self,
        view: AuctionState,
        index: int,
        wrapped: bytes,
        key: EncryptionKey,
        store: Store,
        path: Path,
    ) -> None:
        chain_id, contract = self._contract.chain_id, self._contract.address
        commitment = view.commitments[index]
        data_key = unwrap(wrapped, key, WrapContext(chain_id, contract, view.id, index))
        cid = Cid.from_digest(commitment.data_set.cid, MAX_BYTES)
        manifest = Manifest.decode(read(store, cid, limit=MAX_BYTES))
        binding = Binding(chain_id, contract, view.id, commitment.provider)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            archive = Path(folder) / "archive"
            limit = commitment.data_set.size
            with (
                store.open(Cid.parse(manifest.archive), limit=limit) as source,
                archive.open("wb") as target,
            ):
                shutil.copyfileobj(source, target)
            draft = Path(folder) / "documents"
            with draft.open("wb") as lines:
                for document in unpack(
                    archive,
                    data_key,
                    binding,
                    content_digest=commitment.data_set.content_digest,
                ):
                    lines.write(encode_document(document) + b"\n")
            draft.replace(path)

    def withdraw(self, auction: int, to: str | None = None) -> dict[str, int]:
        """Take back unspent cash, the buyer's MUT, and the bounty where it is due back.

        Raises:
            ChainError: the contract refuses.
        """
        receipt = self._sender.send(
            self._contract.withdraw_buyer(auction, to or self._sender.address)
        )
        event = receipt_event(receipt, BuyerWithdrawn)
        return {"amount": event.amount, "face": event.face, "native": event.native}

    def deposit_revenue(self, auction: int, amount: int) -> None:
        """Pay revenue to the holders of an auction's MUT. Anyone may.

        Args:
            auction: id.
            amount: settlement token units.

        Raises:
            ChainError: the auction has no MUT, or the token or the contract refuses.
        """
        view = self.view(auction)
        mut = Mut(self._web3, self._contract.mut_token(auction))
        if not rpc.code(self._web3, mut.address):
            raise ChainError(
                f"auction {auction} has no MUT to pay revenue to: it is not settled, or was aborted"
            )
        token = Erc20(self._web3, view.terms.token)
        ensure_allowance(self._sender, token, mut.address, amount)
        self._sender.send(mut.deposit(amount))

    def view(self, auction: int) -> AuctionState:
        """The auction as its logs tell it."""
        return load_auction(self._web3, self._deployment, auction)
