"""Every phase is a half-open interval: each call a second before its bounds, and at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from eth_utils.crypto import keccak

from tests.support.auction import (
    BUYER,
    CHALLENGER,
    GWEI,
    NONE,
    UNAVAILABLE,
    UNREADABLE,
    WEEK,
    Auction,
    Delivery,
    Protocol,
    Score,
    person,
)
from tests.support.chain import reverts

if TYPE_CHECKING:
    from collections.abc import Callable

SCORES = [Score()] * 3
OTHER = [Score(q=5_000)] * 3


def commit(auction: Auction) -> Any:
    return auction.commit(1)


def commit_for(auction: Auction) -> Any:
    signer = person("signer")
    return auction.commit_for(signer.address, signer)


def settle(auction: Auction) -> Any:
    return auction.protocol.do("settle", auction.id, auction.proposal(), NONE)


def abort(auction: Auction) -> Any:
    return auction.protocol.do("abort", auction.id)


def vectors(auction: Auction, round_: int = 1, scores: Any = SCORES) -> Any:
    return [auction.report(i, scores, round_) for i in range(len(auction.panel(round_)))]


def challenge(auction: Auction) -> Any:
    value = auction.terms["scoring"]["appealFeeGwei"] * GWEI
    return auction.ask("challenge", sender=CHALLENGER.address, value=value)


def deposit(auction: Auction) -> Any:
    protocol, mut = auction.protocol, auction.mut()
    protocol.chain.transact(protocol.token, "mint", BUYER.address, 9, sender=BUYER.address)
    protocol.chain.transact(protocol.token, "approve", mut, 9, sender=BUYER.address)
    return protocol.chain.transact(mut, "deposit", 9, sender=BUYER.address)


def verify_dst(auction: Auction) -> Any:
    _, proposal = auction.dst_shares()
    return auction.protocol.chain.transact(auction.dst(), "verify", proposal, NONE)


def withdrawn(auction: Auction) -> None:
    auction.go("commit").withdraw(0)


def relayed(auction: Auction) -> None:
    """The bid with the next index is a relayed one."""
    commit_for(auction.go("commit"))


def open_for(auction: Auction) -> Any:
    return auction.open_for(3, person("signer"))


def committed(auction: Auction) -> None:
    """All operators have committed; none has published."""
    auction.commit_round(SCORES)


def published(auction: Auction) -> None:
    for report in auction.commit_round(SCORES):
        auction.publish(report)


def challenged(auction: Auction) -> None:
    auction.challenge()


def committed_again(auction: Auction) -> None:
    auction.challenge()
    auction.commit_round(OTHER, round_=2)


def cheat(auction: Auction) -> Delivery:
    return auction.delivery(0, keccak(b"garbage"))


def cheated(auction: Auction) -> None:
    auction.deliver(0, cheat(auction))


@dataclass
class Call:
    """A call and the interval in which it works: from `first`, before `end` (phases, or None)."""

    name: str
    act: Callable[[Auction], Any]
    stage: str  # to which the auction is led beforehand
    first: str | None = None
    end: str | None = None
    early: str = "OutOfPhase"
    late: str = "OutOfPhase"
    prepare: Callable[[Auction], Any] | None = None
    shift: int = 0


DST = {
    "supply": 1000,
    "floor": 0,
    "cap": 1000,
    "volumeWeight": 10**9,
    "qualityWeight": 0,
    "impactWeight": 0,
}
WINDOW = {"early": "OutOfWindow", "late": "OutOfWindow"}
CALLS = [
    Call("commit", commit, "draw", None, "draw"),
    Call("commitFor", commit_for, "draw", None, "draw"),
    Call("withdrawBid", lambda a: a.withdraw(0), "draw", None, "draw"),
    Call("reclaimBond", lambda a: a.reclaim(0), "draw", "draw", None, prepare=withdrawn),
    Call("open", lambda a: a.open(0), "draw", "open", "roll"),
    Call("openFor", open_for, "draw", "open", "roll", prepare=relayed),
    Call("callRoll", lambda a: a.call_roll(0), "draw", "roll", "score", **WINDOW),
    Call("tallyRoll", lambda a: a.tally(), "score", "score", None, "OutOfWindow"),
    Call("reveal", lambda a: a.reveal(0), "reveal", "reveal", "settle"),
    Call("accept", lambda a: a.protocol.do("acceptScores", a.id), "reveal", "reveal", "settle"),
    Call("settle", settle, "settle", "settle", "fetch"),
    Call("abort", abort, "settle", "fetch", None, "ScoresStanding"),
    Call("abort-roll", abort, "draw", "score", None, "ScoresStanding"),
    Call("abort-scores", abort, "score", "challenge", None, "ScoresStanding"),
    Call("nameMissing", lambda a: a.name_missing(0), "fetch", "fetch", "fetch_verdict"),
    Call(
        "verdict-unavailable",
        lambda a: a.verdict(0, UNAVAILABLE, [0, 1]),
        "fetch",
        "fetch_verdict",
        "deliver",
        prepare=lambda a: a.name_missing(0),
    ),
    Call("deliver", lambda a: a.deliver(0), "deliver", "deliver", "dispute"),
    Call("forfeit", lambda a: a.forfeit(0), "deliver", "dispute", None),
    Call("refute", lambda a: a.refute(0, cheat(a)), "deliver", "dispute", "claim", prepare=cheated),
    Call("complain", lambda a: a.complain(0), "dispute", "dispute", "dispute_verdict"),
    Call(
        "verdict-unreadable",
        lambda a: a.verdict(0, UNREADABLE, [0, 1]),
        "dispute",
        "dispute_verdict",
        "claim",
        prepare=lambda a: a.complain(0),
    ),
    Call("claim-won", lambda a: a.claim(0), "dispute", "claim", None),
    Call("mut", deposit, "dispute", "claim", None, "DeliveriesPending"),
    Call("dst", verify_dst, "dispute", "claim", None, "DeliveriesPending"),
    Call(
        "commitVector",
        lambda a: a.commit_vector(a.report(0, SCORES)),
        "score",
        "score",
        "score_open",
        **WINDOW,
        prepare=lambda a: a.tally(),
    ),
    Call(
        "publish",
        lambda a: a.publish(a.report(0, SCORES)),
        "score",
        "score_open",
        "score_post",
        **WINDOW,
        prepare=committed,
    ),
    Call(
        "post-committed",
        lambda a: a.post(vectors(a)),
        "score",
        "score_open",
        "score_post",
        "OutOfWindow",
        "WrongMembers",
        committed,
    ),
    Call(
        "post-published",
        lambda a: a.post(vectors(a)),
        "score",
        "score_open",
        "challenge",
        **WINDOW,
        prepare=published,
    ),
    Call("challenge", challenge, "challenge", "challenge", "appeal", **WINDOW),
    Call(
        "commitVector-appeal",
        lambda a: a.commit_vector(a.report(0, OTHER, 2), 2),
        "challenge",
        "appeal",
        "appeal_open",
        **WINDOW,
        prepare=challenged,
    ),
    Call(
        "post-appeal",
        lambda a: a.post([a.report(0, OTHER, 2)]),
        "challenge",
        "appeal_open",
        "appeal_post",
        "OutOfWindow",
        "WrongMembers",
        committed_again,
    ),
    Call(
        "resolve-no-quorum",
        lambda a: a.ask("resolve"),
        "challenge",
        "reveal",
        None,
        "OutOfWindow",
        prepare=challenged,
    ),
    Call(
        "slashMissing",
        lambda a: a.ask("slashMissing", 1, 0),
        "score",
        "challenge",
        None,
        "OutOfWindow",
        prepare=committed,
    ),
    Call(
        "slashMissing-appeal",
        lambda a: a.ask("slashMissing", 2, 0),
        "challenge",
        "reveal",
        None,
        "OutOfWindow",
        prepare=committed_again,
    ),
    Call(
        "releaseStake",
        lambda a: a.ask("releaseStake", 1, 0),
        "challenge",
        "reveal",
        None,
        "OutOfWindow",
        shift=WEEK,
    ),
]


@pytest.mark.parametrize("case", CALLS, ids=lambda case: case.name)
def test_call__at_the_bounds_of_its_phase__works_inside_only(
    case: Call, protocol: Protocol
) -> None:
    auction = protocol.lead(case.stage, pool=1_000_000, rho=10**9 // 2, dst=DST)
    if case.prepare:
        case.prepare(auction)

    def at(phase: str, offset: int) -> None:
        auction.go(phase, offset + case.shift)
        case.act(auction)

    if case.first:
        with reverts(case.early):
            at(case.first, -1)
        with protocol.chain.rollback():
            at(case.first, 0)
    if case.end:
        with protocol.chain.rollback():
            at(case.end, -1)
        with reverts(case.late):
            at(case.end, 0)


def test_phases__of_an_auction__are_those_its_durations_add_up_to(protocol: Protocol) -> None:
    auction = protocol.create()
    starts = auction.starts()
    state, ends = protocol.view("phases", auction.id)
    names = ["draw", "open", "roll", "reveal", "settle", "fetch", "deliver", "dispute", "claim"]
    assert (state, list(ends)) == (0, [starts[name] for name in names])
    first = ["score", "score_open", "score_post", "challenge"]
    appeal = ["appeal", "appeal_open", "appeal_post", "reveal"]
    for round_, bounds in ((1, first), (2, appeal)):
        assert list(auction.asked("windows", round_)) == [starts[name] for name in bounds]
