"""Every phase is a half-open interval: each call a second before its bounds, and at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.auction import (
    BUYER,
    CHALLENGE_BOND,
    CHALLENGER,
    NONE,
    RELAYER,
    Auction,
    Protocol,
    Score,
    person,
)
from tests.support.chain import reverts

if TYPE_CHECKING:
    from collections.abc import Callable

SCORES = [Score()] * 3
OTHER = [Score(q=5_000)] * 3
DAY = 86_400


def commit(auction: Auction) -> Any:
    return auction.commit(1)


def commit_for(auction: Auction) -> Any:
    signer = person("signer")
    return auction.commit_for(signer.address, signer)


def settle(auction: Auction) -> Any:
    return auction.protocol.do("settle", auction.id, auction.proposal(), NONE)


def forfeit(auction: Auction) -> Any:
    return auction.protocol.do("forfeit", auction.id, 0)


def abort(auction: Auction) -> Any:
    return auction.protocol.do("abort", auction.id)


def vectors(auction: Auction, round_: int = 1, scores: Any = SCORES) -> Any:
    return [auction.report(i, scores, round_) for i in range(len(auction.protocol.operators))]


def challenge(auction: Auction) -> Any:
    return auction.ask("challenge", sender=CHALLENGER.address, value=CHALLENGE_BOND)


def deposit(auction: Auction) -> Any:
    protocol, mut = auction.protocol, auction.mut()
    protocol.chain.transact(protocol.token, "mint", BUYER.address, 9, sender=BUYER.address)
    protocol.chain.transact(protocol.token, "approve", mut, 9, sender=BUYER.address)
    return protocol.chain.transact(mut, "deposit", 9, sender=BUYER.address)


def verify_dst(auction: Auction) -> Any:
    _, proposal = auction.dst_shares()
    return auction.protocol.chain.transact(auction.dst(), "verify", proposal, NONE)


def committed(auction: Auction) -> None:
    """All operators have committed; none has published."""
    auction.go("score")
    for report in vectors(auction):
        auction.commit_vector(report)


def published(auction: Auction) -> None:
    committed(auction)
    auction.go("open")
    for report in vectors(auction):
        auction.publish(report)


def scored(auction: Auction) -> None:
    auction.score(SCORES)


def challenged(auction: Auction) -> None:
    scored(auction)
    auction.go("challenge")
    challenge(auction)


def committed_again(auction: Auction) -> None:
    challenged(auction)
    auction.go("score2")
    for report in vectors(auction, 2, OTHER):
        auction.commit_vector(report)


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
    Call("commit", commit, "score", None, "score"),
    Call("commitFor", commit_for, "score", None, "score"),
    Call("recommit", lambda a: a.recommit(0, 5), "score", None, "score"),
    Call("withdraw", lambda a: a.withdraw(0), "score", None, "score"),
    Call("reveal", lambda a: a.reveal(0), "reveal", "reveal", "settle"),
    Call("accept", lambda a: a.protocol.do("acceptScores", a.id), "reveal", "reveal", "settle"),
    Call("settle", settle, "settle", "settle", "deliver_late"),
    Call("abort", abort, "settle", "deliver_late", None, "ScoresStanding"),
    Call("abort-failed", abort, "score", "challenge", None, "ScoresStanding"),
    Call("deliver", lambda a: a.deliver(0), "deliver", None, "verdict"),
    Call("verdict", lambda a: a.verdict([0], [0, 1, 2]), "verdict", "verdict", "claim"),
    Call("forfeit", forfeit, "deliver", "verdict", None),
    Call("claim-won", lambda a: a.claim(0), "verdict", "claim", None),
    Call("mut", deposit, "verdict", "claim", None, "DeliveriesPending"),
    Call("dst", verify_dst, "verdict", "claim", None, "DeliveriesPending"),
    Call(
        "commitVector",
        lambda a: a.commit_vector(a.report(0, SCORES)),
        "score",
        "score",
        "open",
        **WINDOW,
    ),
    Call(
        "publish",
        lambda a: a.publish(a.report(0, SCORES)),
        "score",
        "open",
        "post",
        **WINDOW,
        prepare=committed,
    ),
    Call(
        "post-committed",
        lambda a: a.post(vectors(a)),
        "score",
        "open",
        "post",
        "OutOfWindow",
        "WrongMembers",
        committed,
    ),
    Call(
        "post-published",
        lambda a: a.post(vectors(a)),
        "score",
        "open",
        "challenge",
        **WINDOW,
        prepare=published,
    ),
    Call("challenge", challenge, "score", "challenge", "score2", **WINDOW, prepare=scored),
    Call(
        "commitVector2",
        lambda a: a.commit_vector(a.report(0, OTHER, 2)),
        "score",
        "score2",
        "open2",
        **WINDOW,
        prepare=challenged,
    ),
    Call(
        "post2",
        lambda a: a.post(vectors(a, 2, OTHER)),
        "score",
        "open2",
        "post2",
        "OutOfWindow",
        "WrongMembers",
        committed_again,
    ),
    Call(
        "resolve-no-quorum",
        lambda a: a.ask("resolve"),
        "score",
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
        "slashMissing2",
        lambda a: a.ask("slashMissing", 2, 0),
        "score",
        "reveal",
        None,
        "OutOfWindow",
        prepare=committed_again,
    ),
    Call(
        "exit",
        lambda a: a.protocol.ask("exit", sender=a.protocol.operators[0].address),
        "score",
        "reveal",
        None,
        "BondLocked",
        prepare=committed,
        shift=7 * DAY,
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


def test_commit_for__at_its_deadline__works_and_a_second_later_does_not(protocol: Protocol) -> None:
    auction = protocol.create()
    signer = person("signer")
    deadline = auction.created + 50
    auction.go("commit", 51)
    with reverts("SignatureExpired", deadline):
        auction.commit_for(signer.address, signer, deadline=deadline)
    auction.go("commit", 50)
    auction.commit_for(signer.address, signer, deadline=deadline, payer=RELAYER.address)


def test_phases__of_an_auction__are_those_its_durations_add_up_to(protocol: Protocol) -> None:
    auction = protocol.create()
    starts = auction.starts()
    state, *ends = protocol.view("phases", auction.id)
    names = ["score", "reveal", "settle", "deliver_late", "verdict", "claim"]
    assert [state, *ends] == [0, *(starts[name] for name in names)]
    windows = protocol.chain.call(protocol.oracle, "windows", protocol.auction, auction.id, 2)
    assert list(windows) == [starts[name] for name in ("score2", "open2", "post2", "reveal")]
    windows = protocol.chain.call(protocol.oracle, "windows", protocol.auction, auction.id, 1)
    assert list(windows) == [starts[name] for name in ("score", "open", "post", "challenge")]


def test_claim__by_a_loser__works_from_settlement_on(protocol: Protocol) -> None:
    auction = protocol.lead("settle")
    with reverts("WrongState", 0):
        auction.claim(2)
    auction.settle()
    auction.claim(2)
