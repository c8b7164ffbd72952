"""What comes next for a bid, and why a companion leaves it to people: pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from oracles.chain.auction import State
from oracles.chain.packing import seal_bid
from oracles.chain.state import AuctionState, Commitment
from oracles.chain.terms import PPB, DataSet, ScoringTerms, Terms, WeightTerms
from oracles.chain.typed_events import Panel
from oracles.companion.holdings import Holding
from oracles.companion.settings import Automatic, BidPolicy
from oracles.companion.tasks import Bid, Kind, chores, over, task
from oracles.market.share import Share, SignedOpening
from oracles.service.chainview import Head
from oracles.service.duty import Duty
from tests.support.market import DURATIONS, signer

ME = signer("me").address
CONTRACT = "0x" + "11" * 20
SALT = b"\5" * 32
DATA = DataSet(b"\1" * 32, b"\2" * 32, 1000, b"\3" * 32)


def view(**changes: Any) -> AuctionState:
    terms = Terms(
        token=CONTRACT,
        budget=10**9,
        pool=0,
        rho=PPB,
        tranche=0,
        weights=WeightTerms(),
        bond_gwei=10**6,
        max_bids=10,
        enrolment=False,
        agreement=bytes(32),
        scoring=ScoringTerms(1, 2, 1000, 10**9, 10**8, 10**6, 0, 10**6, b"\1" * 32, b"\2" * 32),
        durations=DURATIONS,
    )
    terms = replace(terms, **changes.pop("terms", {}))
    sealed = seal_bid(1, CONTRACT, 7, ME, 100, SALT)
    made = AuctionState(
        7, CONTRACT, bytes(64), terms, 0, 10**9, 0, (Panel(1, (ME,)), Panel(0, ())), 0, (1, 0), 10
    )
    made.commitments = [Commitment(0, ME, ME, sealed, DATA)]
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def bid(auction: AuctionState, **parts: Any) -> Bid:
    return Bid(auction, 0, Holding(Share(1, CONTRACT, 7, ME, 100, SALT, **parts)))


def at(now: int, settled: int | None = None) -> Head:
    return Head(10, b"", now, now if settled is None else settled, 10)


def ask(made: Bid, now: int, *, settled: int | None = None, me: str | None = ME, **settings: Any):  # type: ignore[no-untyped-def]
    policy = BidPolicy(**settings.pop("policy", {}))
    return task(made, at(now, settled), me, Automatic(**settings), policy)


SIGNED = SignedOpening(b"\7" * 32, b"\7" * 65)


def test_open__before_the_draw_is_final__waits_until_half_of_the_window() -> None:
    made = bid(view(), opening=SIGNED)
    phases = made.view.phases
    early = ask(made, phases.open_start + 1, settled=phases.open_start - 1)
    assert early.duty == Duty(Kind.OPEN, 7, 0, 0)
    assert not early.begun(phases.open_start + 1)
    final = ask(made, phases.open_start + 1, settled=phases.open_start)
    assert final.begun(phases.open_start + 1)
    middle = (phases.open_start + phases.open_end) // 2
    late = ask(made, middle, settled=phases.open_start - 1)
    assert late.begun(middle)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"me": None}, "no key"),
        ({"open": False}, "`automatic.open` is off"),
        ({"policy": {"most_bond": 0.0001}}, "above `policy.most_bond`"),
    ],
)
def test_open__refused__says_why(settings: dict[str, Any], why: str) -> None:
    made = bid(view(), opening=SIGNED)
    assert why in ask(made, made.view.phases.open_start, **settings).hindrance


def test_open__by_a_friend_without_a_signed_opening__is_left_to_the_owner() -> None:
    made = bid(view())
    assert "only its owner" in ask(made, made.view.phases.open_start).hindrance


def test_policy__agreement__only_those_that_are_named() -> None:
    named = b"\4" * 32
    made = bid(view(terms={"agreement": named}), opening=SIGNED)
    now = made.view.phases.open_start
    assert ask(made, now).hindrance == ""
    refused = ask(made, now, policy={"agreements": []})
    assert "is not among `policy.agreements`" in refused.hindrance
    assert ask(made, now, policy={"agreements": ["0x" + named.hex()]}).hindrance == ""
    plain = bid(view(), opening=SIGNED)
    assert ask(plain, now, policy={"agreements": []}).hindrance == ""


def test_claim__is_never_declined() -> None:
    made = bid(view(state=State.ABORTED))
    found = ask(made, 10**6, policy={"most_bond": 0.0001})
    assert found.duty == Duty(Kind.RECLAIM, 7, 0, 0)
    assert found.hindrance == ""


def test_late__half_of_the_window_or_the_deadline_near() -> None:
    made = bid(view(), opening=SIGNED)
    start, end = made.view.phases.open_start, made.view.phases.open_end
    found = ask(made, start)
    assert not found.late(start, 10)
    assert not found.late((start + end) // 2 - 1, 10)
    assert found.late((start + end) // 2, 10)
    assert found.late(start, end - start)
    assert not found.late(start - 1, 10**6)
    assert not found.urgent(start)
    assert found.urgent(end - (end - start) // 3)


def test_abort__only_after_others_had_their_time() -> None:
    made = bid(view())
    end = made.view.windows(1).commit  # Nobody called the roll.
    assert list(chores([made], end + 3_599, ME, Automatic())) == []
    assert list(chores([made], end + 7_200, ME, Automatic())) == [Duty(Kind.ABORT, 7)]
    assert list(chores([made], end + 7_200, ME, Automatic(housekeeping=False))) == []


def test_over__only_by_blocks_that_cannot_be_undone() -> None:
    made = bid(view(state=State.ABORTED, claimed={0: (0, 0, 1)}))
    done = ask(made, 10**6)
    assert done.step.verb == "done"
    assert over(done, at(10**6))
    assert not over(done, at(10**6, settled=0))
