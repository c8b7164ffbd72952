"""What a buyer and a settler do: create, settle, receive data, revenue, participation tokens."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracles.chain import codec
from oracles.chain.auction import Marginals, State
from oracles.chain.client import LocalSigner, Sender, decode_receipt
from oracles.chain.tokens import Dst, Erc20, Mut, WaterLevel
from oracles.dataset import Binding, EncryptionKey, WrapContext, encode_document, unpack, unwrap
from oracles.dataset.manifest import MAX_BYTES, Manifest
from oracles.errors import ChainError
from oracles.evidence import Cid, read
from oracles.market.view import AuctionView, final_scores, load_auction, wins
from oracles.mechanism import allocate, dst_scores, propose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oracles.chain.auction import AuctionContract
    from oracles.chain.codec import Terms
    from oracles.chain.deployment import Deployment
    from oracles.evidence import Store

#: Bids walked by one settlement transaction: about 6 million gas.
WALK = 2_000


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
    """One buyer in one deployment. Settling and DST need no rights: anyone may use those.

    Args:
        sender: connection and key.
        deployment: contracts.
    """

    def __init__(self, sender: Sender, deployment: Deployment) -> None:
        self._sender = sender
        self._web3 = sender.web3
        self._deployment = deployment
        self._auction: AuctionContract = deployment.auction(sender.web3)

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
        token = Erc20(self._web3, terms.token)
        if terms.budget:
            self._sender.send(token.approve(self._auction.address, terms.budget))
        message = codec.key_message(self._auction.domain, self._sender.address, key.public)
        signature = LocalSigner.from_secret(key.secret).sign_typed(message)
        call = self._auction.create(terms, key.public, signature)
        receipt = self._sender.send(call, value=bounty)
        (created,) = [e for e in decode_receipt(receipt) if e.name == "AuctionCreated"]
        return int(created.args["auction"])

    def settle(self, auction: int, *, on_walk: Callable[[int, int], None] | None = None) -> None:
        """Compute the marginal winners and walk the proposal to its end; resumes what others began.

        Whoever walks all bids in one transaction gets the bounty with it; else see `bounty`.

        Args:
            auction: id.
            on_walk: called with bids walked so far and their number.

        Raises:
            ChainError: the contract refuses.
        """
        view = self.view(auction)
        proposal = propose(
            view.bids(), beta=view.beta, tranche=Fraction(view.terms.tranche, codec.PPB)
        )
        marginals = Marginals(*proposal)
        total = self._auction.bid_count(auction)
        while self._auction.phases(auction).state is State.OPEN:
            receipt = self._sender.send(self._auction.settle(auction, marginals, WALK))
            for event in decode_receipt(receipt):
                if event.name == "Walked" and on_walk is not None:
                    on_walk(event.args["to"], total)

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
                yield Received(index, commitment.owner, path, sum(1 for _ in lines))

    def _receive_one(
        self,
        view: AuctionView,
        index: int,
        wrapped: bytes,
        key: EncryptionKey,
        store: Store,
        path: Path,
    ) -> None:
        chain_id, contract = self._auction.chain_id, self._auction.address
        commitment = view.commitments[index]
        data_key = unwrap(wrapped, key, WrapContext(chain_id, contract, view.auction, index))
        cid = Cid.from_digest(commitment.data_set.cid, MAX_BYTES)
        manifest = Manifest.decode(read(store, cid, limit=MAX_BYTES))
        binding = Binding(chain_id, contract, view.auction, commitment.owner)
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
            self._auction.withdraw_buyer(auction, to or self._sender.address)
        )
        (event,) = [e for e in decode_receipt(receipt) if e.name == "BuyerWithdrawn"]
        return {name: int(event.args[name]) for name in ("amount", "face", "native")}

    def bounty(self, auction: int) -> int:
        """Collect the caller's part of the bounty, after a settlement in several transactions.

        Returns:
            Wei received.

        Raises:
            ChainError: nothing is due: the caller walked no bid, or has been paid.
        """
        receipt = self._sender.send(self._auction.claim_bounty(auction))
        (event,) = [e for e in decode_receipt(receipt) if e.name == "BountyClaimed"]
        return int(event.args["amount"])

    def forfeit_missing(self, auction: int) -> list[int]:
        """Past the deadline: strike out every winner who delivered no key.

        Raises:
            ChainError: the contract refuses.
        """
        view = self.view(auction)
        missing = [
            index
            for index in sorted(view.revealed)
            if wins(view, index) and index not in view.delivered and index not in view.forfeited
        ]
        for index in missing:
            self._sender.send(self._auction.forfeit(auction, index))
        return missing

    def deposit_revenue(self, auction: int, amount: int) -> None:
        """Pay revenue to the holders of an auction's MUT.

        Raises:
            ChainError: the token or the contract refuses.
        """
        view = self.view(auction)
        mut = Mut(self._web3, self._auction.mut_token(auction))
        self._sender.send(Erc20(self._web3, view.terms.token).approve(mut.address, amount))
        self._sender.send(mut.deposit(amount))

    def issue_dst(self, auction: int) -> dict[int, int]:
        """Create an auction's DST, prove its water level, and mint everybody's share.

        Returns:
            Share by index.

        Raises:
            ChainError: deliveries are not resolved yet, or the contract refuses.
        """
        view = self.view(auction)
        terms = view.terms.dst
        if not terms.supply:
            raise ChainError(f"auction {auction} has no participation tokens")
        factory = self._deployment.dst_factory(self._web3)
        address = factory.token_of(auction)
        if not self._web3.eth.get_code(address):  # type: ignore[arg-type]
            self._sender.send(factory.create(auction, terms))
        token = Dst(self._web3, address)
        level, shares = water_level(self._web3, self._deployment, view)
        verified = False
        while not verified:
            events = decode_receipt(self._sender.send(token.verify(level, WALK)))
            verified = any(event.name == "DstVerified" for event in events)
        for index in shares:
            commitment = view.commitments[index]
            self._sender.send(token.claim(index, commitment.owner, commitment.payer))
        return shares

    def view(self, auction: int) -> AuctionView:
        """The auction as its logs tell it."""
        return load_auction(self._web3, self._deployment, auction)


def water_level(
    web3: Any, deployment: Deployment, view: AuctionView
) -> tuple[WaterLevel, dict[int, int]]:
    """The DST proposal that passes, and the shares by index.

    Raises:
        ChainError: nobody delivered.
    """
    scores = final_scores(web3, deployment, view.auction, view.final_round)
    indices = sorted(set(view.delivered) - view.forfeited)
    if not indices:
        raise ChainError(f"nobody delivered in auction {view.auction}: there is no DST to issue")
    volumes = [scores[i].volume for i in indices]
    qualities = [scores[i].q for i in indices]
    impacts = [scores[i].phi for i in indices]
    terms = view.terms.dst
    weights = [
        Fraction(weight, codec.PPB)
        for weight in (terms.volume_weight, terms.quality_weight, terms.impact_weight)
    ]
    alpha, beta, gamma = weights
    real = dst_scores(volumes, qualities, impacts, alpha=alpha, beta=beta, gamma=gamma)
    allocation = allocate(real, supply=terms.supply, floor=terms.floor, cap=terms.cap)
    sums = [max(1, sum(component)) for component in (volumes, qualities, impacts)]
    # The contract's scores are these times PPB and the three sums: integers.
    scale = codec.PPB * sums[0] * sums[1] * sums[2]
    level = allocation.level / scale
    remainder, tie = 0, codec.NONE
    if allocation.marginal is not None:
        units = real[allocation.marginal] * scale
        remainder = int(level.numerator * units) % level.denominator
        tie = indices[allocation.marginal]
    proposal = WaterLevel(
        sum(volumes),
        sum(qualities),
        sum(impacts),
        len(indices),
        level.numerator,
        level.denominator,
        remainder,
        tie,
    )
    return proposal, dict(zip(indices, allocation.shares, strict=True))
