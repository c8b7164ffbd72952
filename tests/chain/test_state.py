"""The state of an auction is what the contracts hold, whatever happened in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.audit import Log, replay
from oracles.chain.auction import State
from oracles.chain.codec import Durations
from oracles.chain.events import Event, decode_log
from oracles.chain.oracle import OperatorSet
from oracles.chain.state import AuctionState
from oracles.chain.typed_events import AuctionCreated, SetCreated
from oracles.market.view import bids, wins
from tests.audit.stories import everything
from tests.support.auction import Protocol
from tests.support.revm import Revm

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = list(Durations.__dataclass_fields__)
LENGTHS = st.fixed_dictionaries({name: st.integers(1, 10**6) for name in NAMES})


@pytest.fixture(scope="module")
def protocol() -> Iterator[Protocol]:
    return Protocol(Revm())


@settings(max_examples=30, deadline=None)
@given(lengths=LENGTHS)
def test_durations__of_any_length__end_and_open_as_the_contracts_say(
    protocol: Protocol, lengths: dict[str, int]
) -> None:
    durations = Durations(**lengths)
    camel = {
        "".join(part.title() if i else part for i, part in enumerate(name.split("_"))): length
        for name, length in lengths.items()
    }
    with protocol.chain.rollback():
        auction = protocol.create(durations=camel)
        created = protocol.chain.time
        assert durations.phases(created) == tuple(protocol.view("phases", auction.id))[1:]
        for round_ in (1, 2):
            asked = protocol.chain.call(
                protocol.oracle, "windows", protocol.auction, auction.id, round_
            )
            assert durations.windows(created, round_) == tuple(asked)


def folded() -> dict[int, AuctionState]:
    """Every auction of the stories, from both contracts' events in their order."""
    states: dict[int, AuctionState] = {}
    sets: dict[int, OperatorSet] = {}
    time = 0
    for record in everything().kept:
        if not isinstance(record, Log):
            time = record.time
            continue
        event = decode_log(record.address, record.topics, record.data)
        assert isinstance(event, Event)
        match event.body:
            case SetCreated() as body:
                sets[body.operator_set] = OperatorSet(body.members, body.threshold)
            case AuctionCreated() as body:
                members = sets[body.terms.operator_set]
                states[body.auction_id] = AuctionState.start(body, members, time)
            case _ if event.auction_id in states:
                states[event.auction_id].apply(event)
    return states


def test_state__of_everything_that_can_happen__agrees_with_the_audit() -> None:
    replayed, states = replay(everything()).auctions.auctions, folded()
    assert states.keys() == replayed.keys()
    for number, state in states.items():
        audited = replayed[number]
        assert state.state.name.lower() == audited.state
        assert (state.beta, state.reserve) == (audited.beta, audited.reserve)
        assert state.accepted_round == audited.accepted
        assert [bid.index for bid in bids(state)] == [bid.index for bid in audited.standing()]
        for bid, commitment in zip(audited.bids, state.commitments, strict=True):
            assert (commitment.provider, commitment.payer) == (bid.owner, bid.payer)
            assert commitment.withdrawn is not bid.standing
            assert wins(state, bid.index) == bid.wins
            assert (bid.index in state.forfeited) == bid.forfeited
            if not bid.forfeited:
                assert (bid.index in state.delivered) == bid.delivered


def test_state__of_a_challenged_auction__counts_the_second_round() -> None:
    states = folded()
    assert (states[2].challenged, states[2].resolved, states[2].final_round) == (True, True, 2)
    assert (states[3].challenged, states[3].resolved, states[3].final_round) == (True, True, 1)
    assert states[1].state is State.SETTLED
    assert set(states[1].rounds[0].committed) == set(range(5))
    assert set(states[1].rounds[0].published) == set(range(4))
    assert states[1].rounds[0].complete == 0b1111
    assert states[1].rounds[0].announced == {0: "https://operator.example"}
