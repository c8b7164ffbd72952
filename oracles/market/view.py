"""What a provider, a buyer or a settler asks of the chain beside the state of an auction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracles.chain import rpc
from oracles.chain.auction import State
from oracles.chain.events import read_events
from oracles.chain.packing import NONE
from oracles.chain.tokens import Mut
from oracles.chain.typed_events import OperatorRegistered
from oracles.errors import ChainError
from oracles.mechanism import Bid
from oracles.mechanism.settlement import comes_after
from oracles.when import moment

if TYPE_CHECKING:
    from web3 import Web3

    from oracles.chain.deployment import Deployment
    from oracles.chain.state import AuctionState
    from oracles.chain.terms import AuctionId


def bids(auction: AuctionState) -> list[Bid]:
    """Revealed and eligible bids as the mechanism takes them, by index."""
    found = (_bid(auction, index) for index in sorted(auction.revealed))
    return [bid for bid in found if bid is not None]


def need_outcome(web3: Web3, auction: AuctionState) -> None:
    """Refuse what only a settled auction has: who won is not known before, or never.

    Raises:
        ChainError: the auction is open, or was aborted.
    """
    if auction.state is State.ABORTED:
        raise ChainError(f"auction {auction.id} was aborted: nobody won, nothing is sold")
    if auction.settled is None:
        opens = moment(auction.phases.reveal_end, chain_time(web3))
        raise ChainError(
            f"auction {auction.id} is not settled yet, so nobody has won: it can be settled from"
            f" {opens} on"
        )


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


def member_keys(web3: Web3, deployment: Deployment, auction: AuctionState) -> dict[str, bytes]:
    """Public encryption keys of all members of both panels as they stood at the creation.

    Raises:
        ChainError: the node does not answer, or leaves a member's registration out.
    """
    members = [*auction.panel(1).members, *auction.panel(2).members]
    keys: dict[str, bytes] = {}
    address = deployment.address("ScoreOracle")
    for event in read_events(
        web3, [address], deployment.block, rpc.newest(web3), kinds=[OperatorRegistered]
    ):
        body = event.body
        if (event.block, event.log_index) < auction.created_at and isinstance(
            body, OperatorRegistered
        ):
            keys[body.operator] = body.key_x + body.key_y
    if missing := [member for member in members if member not in keys]:
        raise ChainError(
            f"the node gives no encryption key of {', '.join(missing)}, who registered one: ask"
            " another node"
        )
    return {member: keys[member] for member in members}


def draw(web3: Web3, deployment: Deployment, auction: AuctionState) -> bytes:
    """What the samples are drawn from: prevrandao of the first block of the open phase, 32 bytes.

    Raises:
        ChainError: the open phase has not begun, or the node does not answer.
    """
    start = auction.phases.open_start

    def reached(number: int) -> bool:
        return rpc.block(web3, number)["timestamp"] >= start

    newest = rpc.newest(web3)
    if not reached(newest):
        raise ChainError(
            f"auction {auction.id}: the samples are not drawn yet, but"
            f" {moment(start, rpc.block(web3, newest)['timestamp'])}"
        )
    number = rpc.first_block(deployment.block, newest, reached)
    return bytes(rpc.block(web3, number)["mixHash"])


def mut_of(web3: Web3, deployment: Deployment, auction: AuctionId) -> Mut:
    """The MUT of an auction.

    Raises:
        ChainError: there is none.
    """
    mut = Mut(web3, deployment.auction(web3).mut_token(auction))
    if not rpc.code(web3, mut.address):
        raise ChainError(
            f"auction {auction} has no MUT, so no revenue either: it is not settled, or was aborted"
        )
    return mut


def chain_time(web3: Web3) -> int:
    """The chain's clock: unix seconds of the newest block. Deadlines are judged by it alone."""
    return rpc.block(web3, "latest")["timestamp"]
