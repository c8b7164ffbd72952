"""What a provider, a buyer or a settler asks of the chain beside the state of an auction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracles.chain import rpc
from oracles.chain.codec import NONE
from oracles.chain.events import read_events
from oracles.chain.typed_events import OperatorRegistered
from oracles.errors import ChainError
from oracles.mechanism import Bid
from oracles.mechanism.settlement import comes_after

if TYPE_CHECKING:
    from web3 import Web3

    from oracles.chain.deployment import Deployment
    from oracles.chain.state import AuctionState


def bids(auction: AuctionState) -> list[Bid]:
    """Revealed and eligible bids as the mechanism takes them, by index."""
    found = (_bid(auction, index) for index in sorted(auction.revealed))
    return [bid for bid in found if bid is not None]


def wins(auction: AuctionState, index: int) -> bool:
    """Whether a bid won, by the settled marginals."""
    bid = _bid(auction, index)
    if auction.settled is None or bid is None:
        return False
    marginals = auction.settled.marginals
    if not auction.settled.outcome.split:
        last = marginals.all
    else:
        last = marginals.flagged if bid.flagged else marginals.unflagged
    marginal = None if last == NONE else _bid(auction, last)
    return marginal is not None and not comes_after(bid, marginal)


def _bid(auction: AuctionState, index: int) -> Bid | None:
    bid = auction.revealed.get(index)
    if bid is None or not bid.weight:
        return None
    return Bid(index, bid.cost, bid.weight, bid.flagged)


def operator_keys(web3: Web3, deployment: Deployment, set_id: int) -> dict[str, bytes]:
    """Public encryption key of every member of a set, by address.

    Raises:
        ChainError: a member never registered a key.
    """
    members = deployment.oracle(web3).operator_set(set_id).members
    keys: dict[str, bytes] = {}
    address = deployment.address("ScoreOracle")
    for event in read_events(
        web3, [address], deployment.block, rpc.newest(web3), kinds=[OperatorRegistered]
    ):
        if isinstance(event.body, OperatorRegistered):
            keys[event.body.operator] = event.body.key_x + event.body.key_y
    missing = [member for member in members if member not in keys]
    if missing or not members:
        raise ChainError(f"operator set {set_id} has members without a key: {missing or 'none'}")
    return {member: keys[member] for member in members}


def chain_time(web3: Web3) -> int:
    """The chain's clock: unix seconds of the newest block. Deadlines are judged by it alone."""
    return rpc.block(web3, "latest")["timestamp"]
