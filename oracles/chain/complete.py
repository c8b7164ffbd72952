"""Whether a view of the chain is complete: what logs told, against what the contracts hold.

A node may leave logs out without a word: its index lags, a range was cut, a proxy cached an empty
answer. So a view is never taken on the word of `eth_getLogs` alone. The contracts count bids,
auctions, members' commitments and rolls in storage, read at the last block of the logs.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from oracles.chain import rpc
from oracles.chain.auction import State
from oracles.chain.events import read_events
from oracles.chain.packing import (
    PackedBid,
    Status,
    commitment_slot,
    place_tag,
    unpack_bid,
)
from oracles.errors import GapError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from web3 import Web3

    from oracles.chain.deployment import Deployment
    from oracles.chain.events import Event
    from oracles.chain.state import AuctionState, Commitment, Round

T = TypeVar("T")

#: Seconds after which an incomplete answer is asked for again.
PAUSES: Final = (0.5, 1.0, 2.0)
#: Bids asked for at once.
_BIDS: Final = 500
_NOWHERE: Final = "0x" + "00" * 20
#: Whether a part is paid stands in no state: it decides nothing here.
_PAID: Final = Status.CASH_PAID | Status.MUT_PAID | Status.BOND_PAID


def whole(web3: Web3, read: Callable[[], T], *, sleep: Callable[[float], object] = time.sleep) -> T:
    """Read something until it is whole, from the next node where there is one.

    Args:
        web3: connection.
        read: raises a `GapError` where something is missing.
        sleep: between two tries.

    Raises:
        GapError: it stays incomplete.
    """
    pauses = iter(PAUSES)
    while True:
        try:
            return read()
        except GapError:
            pause = next(pauses, None)
            if pause is None:
                raise
        rpc.turn_to_next(web3)
        sleep(pause)


def read_whole(web3: Web3, deployment: Deployment, contracts: Sequence[str]) -> list[Event]:
    """All events of contracts of a deployment, with as many auctions and sets as there are.

    Args:
        web3: connection.
        deployment: where the contracts are.
        contracts: by name: `DataAuction`, `ScoreOracle`, or both.

    Raises:
        GapError: the node's logs stay incomplete.
        NodeError: the node does not answer.
    """

    def read() -> list[Event]:
        newest = rpc.newest(web3)
        addresses = [deployment.address(name) for name in contracts]
        events = list(read_events(web3, addresses, deployment.block, newest))
        told = Counter(event.name for event in events)
        for name, event, count in (
            ("DataAuction", "AuctionCreated", deployment.auction(web3).auction_count),
            ("ScoreOracle", "SetProposed", deployment.oracle(web3).set_count),
        ):
            if name in contracts and told[event] != (held := count(block=newest)):
                raise GapError(
                    f"{name} counts {held} {event}, but the node's logs have {told[event]}; try"
                    " again, or name another node"
                )
        return events

    return whole(web3, read)


def check_auction(
    state: AuctionState, web3: Web3, deployment: Deployment, block: Any, *, page: int | None = None
) -> None:
    """Hold an auction against the contracts' storage.

    Args:
        state: folded from all logs up to the block.
        web3: connection.
        deployment: where the contracts are.
        block: number or hash of the last block whose logs were folded.
        page: look at the slots of at most 500 bids, another part for another number; None for all.

    Raises:
        GapError: the logs tell less, or something else.
        NodeError: the node does not answer.
    """
    contract, oracle = deployment.auction(web3), deployment.oracle(web3)
    count = contract.bid_count(state.id, block=block)
    _same(state, "bids", len(state.commitments), count)
    held, _ = contract.phases(state.id, block=block)
    _same(state, "state", state.state.name, held.name)
    request = oracle.request(contract.address, state.id, block=block)
    _same(state, "challenges", int(state.challenged), int(request.challenger != _NOWHERE))
    _same(state, "standing round", state.standing, request.standing)
    for number, (own, masks) in enumerate(zip(state.rounds, request.rounds, strict=True), 1):
        _same(state, f"reports of round {number}", _masks(own), tuple(masks))
    callers, pointer = oracle.roll_of(contract.address, state.id, block=block)
    _same(state, "roll calls", _mask(state.called), callers)
    _same(state, "rolls", int(state.roll is not None), int(pointer != _NOWHERE))
    starts = range(0, count, _BIDS)
    if page is not None and starts:
        starts = starts[page % len(starts) :][:1]
    for first in starts:
        last = min(count, first + _BIDS)
        slots = contract.bids(state.id, first, last, block=block)
        for commitment, slot in zip(state.commitments[first:last], slots, strict=True):
            if not _fits(state, deployment, commitment, slot):
                _same(state, f"state of bid {commitment.index}", "another", slot.status)


def _same(state: AuctionState, what: str, told: object, held: object) -> None:
    if told != held:
        raise GapError(
            f"the node's logs of auction {state.id} are incomplete ({what}: {told} by the logs,"
            f" {held} by the contract); try again, or name another node"
        )


def _mask(members: Iterable[int]) -> int:
    return sum(1 << member for member in members)


def _masks(own: Round) -> tuple[int, int, int, int]:
    committed = _mask(own.committed)
    return committed, _mask(own.published), own.complete, committed & ~_mask(own.stakes)


def _fits(
    state: AuctionState, deployment: Deployment, commitment: Commitment, slot: PackedBid
) -> bool:
    """Whether the logs of a bid explain its slot."""
    index = commitment.index
    revealed = state.revealed.get(index)
    if revealed is None:
        if commitment.repaid and slot == unpack_bid(0):
            return state.state is not State.OPEN  # Over, and the contract has forgotten it.
        status = Status.OUT if commitment.withdrawn else Status.COMMITTED
        status |= Status.BOND_PAID if commitment.repaid else Status(0)
        return slot == unpack_bid(commitment_slot(commitment.sealed_bid, commitment.place, status))
    contract = deployment.address("DataAuction")
    status = Status.REVEALED | (Status.FLAGGED if revealed.flagged else Status(0))
    if index in state.struck_out:
        status |= Status.OUT
    elif index in state.deliveries:
        status |= Status.DELIVERED
    return (
        slot.status & ~_PAID == status & ~_PAID
        and slot.weight == revealed.weight
        and slot.tag == place_tag(deployment.chain_id, contract, state.id, commitment.place)
    )
