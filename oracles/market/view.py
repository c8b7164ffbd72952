"""One auction as its logs tell it: what a provider, a buyer or a settler needs to act."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from oracles.chain.codec import NONE, DataSet, Score, Terms, unpack_vector
from oracles.chain.events import Event, read_events
from oracles.chain.typed_events import (
    AuctionCreated,
    Committed,
    Delivered,
    Forfeited,
    OperatorRegistered,
    Revealed,
    ScoresAccepted,
    ScoresPosted,
    Settled,
    Withdrawn,
)
from oracles.errors import ChainError
from oracles.mechanism import Bid
from oracles.mechanism.settlement import comes_after

if TYPE_CHECKING:
    from web3 import Web3

    from oracles.chain.deployment import Deployment


@dataclass(frozen=True, slots=True)
class Commitment:
    """One commitment: index, provider, who paid the bond, sealed bid, data set."""

    index: int
    owner: str
    payer: str
    sealed_bid: bytes
    data_set: DataSet


@dataclass(slots=True)
class AuctionView:
    """State of one auction, from its events.

    Attributes:
        auction: id.
        buyer: address.
        buyer_key: 64-byte public encryption key.
        terms: what the buyer fixed.
        beta: β.
        reserve: floor(f·β).
        commitments: by index, withdrawn ones left out.
        revealed: by index.
        settled: the event, or None.
        delivered: last wrapped key by index.
        forfeited: indices struck out.
        final_round: scoring round that counts, 0 while unknown.
    """

    auction: int
    buyer: str
    buyer_key: bytes
    terms: Terms
    beta: int
    reserve: int
    commitments: dict[int, Commitment] = field(default_factory=dict)
    revealed: dict[int, Revealed] = field(default_factory=dict)
    settled: Settled | None = None
    delivered: dict[int, bytes] = field(default_factory=dict)
    forfeited: set[int] = field(default_factory=set)
    final_round: int = 0

    def bids(self) -> list[Bid]:
        """Revealed bids as the mechanism takes them."""
        return [
            Bid(index, bid.cost, bid.weight, bid.flagged)
            for index, bid in sorted(self.revealed.items())
            if bid.weight
        ]

    def apply(self, event: Event) -> None:
        """Take one event of this auction into account."""
        match event.body:
            case Committed(index=index) as body:
                self.commitments[index] = Commitment(
                    index, body.owner, body.payer, body.sealed_bid, body.data_set
                )
            case Withdrawn(index=index):
                self.commitments.pop(index, None)
            case Revealed(index=index) as body:
                self.revealed[index] = body
            case ScoresAccepted(round=number):
                self.final_round = number
            case Settled() as body:
                self.settled = body
            case Delivered(index=index, wrapped_key=key):
                self.delivered[index] = key
            case Forfeited(index=index):
                self.forfeited.add(index)


def wins(view: AuctionView, index: int) -> bool:
    """Whether a bid won, by the settled marginals."""
    if view.settled is None:
        return False
    bids = {bid.index: bid for bid in view.bids()}
    bid = bids.get(index)
    if bid is None:
        return False
    marginals = view.settled.marginals
    if not view.settled.outcome.split:
        marginal = marginals.all
    else:
        marginal = marginals.flagged if bid.flagged else marginals.unflagged
    return marginal != NONE and not comes_after(bid, bids[marginal])


def _topic(number: int) -> str:
    return f"0x{number:064x}"


def load_auction(web3: Web3, deployment: Deployment, auction: int) -> AuctionView:
    """Read one auction from the logs.

    Raises:
        ChainError: there is no such auction, or the node does not answer.
    """
    view: AuctionView | None = None
    for event in read_events(
        web3,
        [deployment.address("DataAuction")],
        deployment.block,
        web3.eth.block_number,
        topics=[None, _topic(auction)],
    ):
        if isinstance(event.body, AuctionCreated):
            body = event.body
            key = body.key_x + body.key_y
            view = AuctionView(auction, body.buyer, key, body.terms, body.beta, body.reserve)
        elif view is not None:
            view.apply(event)
    if view is None:
        raise ChainError(f"there is no auction {auction} in {deployment.address('DataAuction')}")
    return view


def operator_keys(web3: Web3, deployment: Deployment, set_id: int) -> dict[str, bytes]:
    """Public encryption key of every member of a set, by address.

    Raises:
        ChainError: a member never registered a key.
    """
    members = deployment.oracle(web3).operator_set(set_id).members
    keys: dict[str, bytes] = {}
    address = deployment.address("ScoreOracle")
    for event in read_events(web3, [address], deployment.block, web3.eth.block_number):
        if isinstance(event.body, OperatorRegistered):
            keys[event.body.operator] = event.body.key_x + event.body.key_y
    missing = [member for member in members if member not in keys]
    if missing or not members:
        raise ChainError(f"operator set {set_id} has members without a key: {missing or 'none'}")
    return {member: keys[member] for member in members}


def final_scores(web3: Web3, deployment: Deployment, auction: int, round_: int) -> list[Score]:
    """Accepted scores in the order of commitment, as the contracts computed and stored them.

    Args:
        web3: connection.
        deployment: contracts.
        auction: id.
        round_: round that counts.
    """
    consumer = deployment.address("DataAuction")
    chunks: dict[int, str] = {}
    for event in read_events(
        web3,
        [deployment.address("ScoreOracle")],
        deployment.block,
        web3.eth.block_number,
        topics=[None, "0x" + consumer[2:].lower().rjust(64, "0"), _topic(auction)],
    ):
        if isinstance(event.body, ScoresPosted) and event.body.round == round_:
            chunks[event.body.chunk] = event.body.pointer
    # Contract code behind its STOP byte (libraries/Scores.sol).
    code = [bytes(web3.eth.get_code(pointer))[1:] for _, pointer in sorted(chunks.items())]  # type: ignore[arg-type]
    return unpack_vector(b"".join(code))


def chain_time(web3: Web3) -> int:
    """The chain's clock: unix seconds of the newest block. Deadlines are judged by it alone."""
    return int(web3.eth.get_block("latest")["timestamp"])
