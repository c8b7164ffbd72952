"""What the chain says of an operator, read without its keys or its journal."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from eth_utils.address import to_checksum_address

from oracles.chain import rpc
from oracles.chain.auction import State
from oracles.chain.complete import read_whole
from oracles.chain.deployment import Deployment
from oracles.chain.state import load_auction
from oracles.chain.typed_events import (
    AuctionCreated,
    DueClaimed,
    FeeClaimed,
    SetProposed,
)
from oracles.errors import ConfigError
from oracles.money import ETHER
from oracles.operator.policy import declined
from oracles.when import moment

if TYPE_CHECKING:
    from oracles.chain.state import AuctionState, Seat
    from oracles.operator.settings import Settings


def status(settings: Settings) -> dict[str, Any]:
    """Credit, balance, earnings, sets, and the auctions whose set names this operator.

    Raises:
        ConfigError: the settings name no operator.
        ChainError: the node does not answer.
    """
    deployment = Deployment.load(settings.deployment)
    web3 = rpc.connect(settings.rpc, deployment.chain_id)
    address = settings.named_address()
    if address is None:
        raise ConfigError("set `address`, or a key, to say which operator is meant")
    oracle = deployment.oracle(web3)
    newest = rpc.block(web3, "latest")
    mine: set[int] = set()
    accepted: set[int] = set()
    auctions, earned, repaid, now = [], 0, 0, newest["timestamp"]
    for event in read_whole(web3, deployment, ("ScoreOracle", "DataAuction")):
        match event.body:
            case SetProposed(operator_set=number, first=first, appeal=appeal):
                if address in (members := (*first.members, *appeal.members)):
                    mine.add(number)
                    if oracle.set_of(number).accepted >> members.index(address) & 1:
                        accepted.add(number)
            case FeeClaimed(member=member, amount=amount) if member == address:
                earned += amount
            case DueClaimed(account=account, amount=amount) if account == address:
                repaid += amount
            case AuctionCreated(auction_id=auction, terms=terms):
                if terms.scoring.operator_set in mine:
                    state = load_auction(web3, deployment, auction)
                    auctions.append(_auction(state, address, settings, now))
            case _:
                pass
    return {
        "operator": address,
        "chain_id": str(deployment.chain_id),
        "block": str(newest["number"]),
        "balance": ETHER.format(rpc.balance(web3, to_checksum_address(address))),
        "credit": ETHER.format(oracle.credit_of(address)),
        "earned": ETHER.format(earned),
        "gas_repaid": ETHER.format(repaid),
        "sets_accepted": sorted(accepted),
        "sets_not_accepted": sorted(mine - accepted),
        "auctions": auctions,
    }


def _auction(auction: AuctionState, address: str, settings: Settings, now: int) -> dict[str, Any]:
    seat = auction.seat(address)
    assert seat is not None  # noqa: S101 - the set was looked up by its members
    round_ = auction.rounds[seat.round - 1]
    return {
        "auction": auction.id,
        "panel": "first" if seat.round == 1 else "appeal",
        "declined": declined(auction, seat, settings.policy),
        "state": auction.state.name.lower(),
        "called_roll": seat.position in auction.called,
        "committed": seat.position in round_.committed,
        "published": seat.position in round_.published,
        "complete": bool(round_.complete),
        "stake": ETHER.format(auction.stake if seat.position in round_.stakes else 0),
        "fee_due": ETHER.format(auction.fee_due(seat)),
        "gas_due": ETHER.format(auction.gas_due(address)),
        "next": next_deadline(auction, seat, now),
    }


def next_deadline(auction: AuctionState, seat: Seat, now: int) -> str:
    """What ends next, of what an operator has to do or wait for. Pure."""
    phases, window = auction.phases, auction.windows(seat.round)
    times = [
        ("commitments end", phases.commit_end),
        ("samples are opened until", phases.open_end),
        ("the roll is called until", auction.windows(1).commit),
        ("scores are committed to until", window.open),
        ("reports are shown until", window.post),
        ("scores are posted until", window.end),
        ("bids are revealed until", phases.reveal_end),
        ("it is settled until", phases.settle_end),
        ("missing data are judged until", phases.fetch_end),
        ("keys are delivered until", phases.deliver_end),
        ("complaints are judged until", phases.dispute_end),
    ]
    if not auction.terms.scoring.samples:
        del times[1]
    if auction.state is State.ABORTED:
        times.clear()
    if seat.position in auction.rounds[seat.round - 1].stakes:
        times.append(("the stake is locked until", auction.stakes_free))
    name, when = min((each for each in times if each[1] > now), default=("", 0), key=itemgetter(1))
    return f"{name} {moment(when, now)}" if name else "over"
