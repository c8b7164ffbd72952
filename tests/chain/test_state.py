"""The state of an auction is what the contracts hold, whatever happened in it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.audit import Log, replay
from oracles.chain.auction import State
from oracles.chain.events import Event, decode_log
from oracles.chain.state import AuctionState
from oracles.chain.terms import Durations
from oracles.chain.typed_events import AuctionCreated, Panel, SetProposed
from oracles.market.view import bids, wins
from tests.audit.stories import everything
from tests.support.auction import DRAW, Protocol
from tests.support.revm import Revm

DAY = 86_400
LENGTHS = {
    name: st.integers(20, 7 * DAY) for name in Durations.__dataclass_fields__ if name != "challenge"
}


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return Protocol(Revm())


@settings(max_examples=30, deadline=None)
@given(lengths=st.fixed_dictionaries(LENGTHS), appeal=st.booleans())
def test_durations__of_any_length__end_and_open_as_the_contracts_say(
    protocol: Protocol, lengths: dict[str, int], appeal: bool
) -> None:
    chain = protocol.chain
    with chain.rollback():
        world = protocol if appeal else Protocol(chain, appeal=0)
        durations = Durations(**lengths, challenge=1_000 if appeal else 0)
        camel = {
            "".join(part.title() if i else part for i, part in enumerate(name.split("_"))): length
            for name, length in (lengths | {"challenge": durations.challenge}).items()
        }
        auction = world.create(durations=camel)
        ends = tuple(world.view("phases", auction.id)[1])
        assert tuple(durations.phases(chain.time, DRAW)) == ends
        for round_ in (1, 2) if appeal else (1,):
            args = (world.auction, auction.id, round_)
            asked = chain.call(world.oracle, "windows", *args)
            assert durations.windows(chain.time, DRAW, round_) == tuple(asked)


def folded() -> dict[int, AuctionState]:
    """Every auction of the stories, from both contracts' events in their order."""
    states: dict[int, AuctionState] = {}
    sets: dict[int, tuple[Panel, Panel]] = {}
    time = 0
    for record in everything().kept:
        if not isinstance(record, Log):
            time = record.time
            continue
        event = decode_log(record.address, record.topics, record.data)
        assert isinstance(event, Event)
        match event.body:
            case SetProposed() as body:
                sets[body.operator_set] = (body.first, body.appeal)
            case AuctionCreated() as body:
                panels = sets[body.terms.scoring.operator_set]
                states[body.auction_id] = AuctionState.start(event, panels, time, DRAW)
            case _ if event.auction_id in states:
                states[event.auction_id].apply(event)
    return states


def test_state__of_everything_that_can_happen__agrees_with_the_audit() -> None:
    """Two readings of the same logs that share no code, which are each others' check."""
    replayed, states = replay(everything()).auctions.auctions, folded()
    assert states.keys() == replayed.keys()
    for number, state in states.items():
        audited = replayed[number]
        assert state.state.name.lower() == audited.state
        assert (state.beta, state.reserve) == (audited.beta, audited.reserve)
        assert state.accepted_round == audited.accepted
        assert [bid.index for bid in bids(state)] == [bid.index for bid in audited.standing()]
        assert (state.missing, state.complaints) == (audited.missing, audited.complaints)
        for bid, commitment in zip(audited.bids, state.commitments, strict=True):
            assert (commitment.owner, commitment.payer) == (bid.owner, bid.payer)
            assert (commitment.withdrawn, commitment.opening) == (bid.withdrawn, bid.opening)
            assert wins(state, bid.index) == bid.wins
            assert (bid.index in state.struck_out) == (bid.out is not None)
            assert state.deliveries.get(bid.index) == bid.delivery


def test_state__of_scores__agrees_with_the_audit() -> None:
    replayed, states = replay(everything()), folded()
    seen = set()
    for number, state in states.items():
        feed = next(each for each in replayed.oracle.feeds.values() if each.auction == number)
        assert (state.standing, state.moved) == (feed.standing, feed.moved)
        assert state.challenged == bool(feed.challenger)
        assert state.called == feed.bitmaps
        for ours, theirs in zip(state.rounds, feed.rounds, strict=True):
            assert ours.committed == theirs.commitments
            assert sum(1 << member for member in ours.published) == theirs.published
            assert (ours.complete, ours.parts) == (theirs.complete, theirs.parts)
            assert sum(1 << member for member in ours.stakes) == theirs.committed & ~theirs.settled
            assert ours.claimed == {who: paid for who, paid in theirs.claimed.items() if paid}
        seen.add((state.state, state.challenged, state.moved, state.standing))
    # Settled and aborted, challenged or not, moved or not: the stories have them all.
    assert {(state, moved) for state, _, moved, _ in seen} >= {
        (State.SETTLED, True),
        (State.SETTLED, False),
        (State.ABORTED, False),
    }
