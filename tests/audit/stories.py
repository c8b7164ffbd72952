"""Auctions in which everything happens that can: material for the audit."""

from __future__ import annotations

import functools

from tests.audit.recorder import Recorded, Story
from tests.support.auction import (
    BUYER,
    CHALLENGE_BOND,
    CHALLENGER,
    ELIGIBLE,
    MIN_BOND,
    PPB,
    RELAYER,
    SETTLER,
    UNDERSERVED,
    Auction,
    Protocol,
    Score,
)
from tests.support.chain import ACCOUNTS, ETHER

DST = {
    "supply": 100_000,
    "floor": 500,
    "cap": 40_000,
    "volumeWeight": 3 * 10**8,
    "qualityWeight": 4 * 10**8,
    "impactWeight": 3 * 10**8,
}
FLAGGED = ELIGIBLE | UNDERSERVED
BOTH = [CHALLENGER, *ACCOUNTS[8:10]]


def main_auction(p: Protocol) -> Auction:
    """Tranche, mixed payment, withdrawals, a missing vector, forfeits, revenue, DST."""
    a = p.create(pool=500_000, rho=3 * PPB // 4, tranche=PPB // 2, bounty=10**15, dst=DST)
    for cost in (60_000, 80_000, 120_000, 150_000, 90_000, 2_000_000, 70_000, 900_000, 40_000):
        a.commit(cost)
    a.withdraw(6)
    a.recommit(8, 45_000)
    scores = [Score(1000 + 10 * i, 9_000 - 300 * i, 8_000 + 100 * i) for i in range(10)]
    scores[3] = scores[3]._replace(flags=FLAGGED)
    scores[2] = scores[2]._replace(flags=FLAGGED)
    scores[4] = scores[4]._replace(flags=0)
    near = [score._replace(phi=score.phi + 1) for score in scores]
    reports = [a.report(i, near if i == 1 else scores) for i in range(5)]
    a.go("score")
    for report in reports:
        a.commit_vector(report)
    a.go("open")
    a.ask("announceVector", 0, "https://operator.example", sender=p.operators[0].address)
    for report in reports[:4]:
        a.publish(report)
    a.go("post")
    a.post(reports[:4])
    a.scores = scores
    p.chain.time += 30
    a.ask("slashMissing", 1, 4)
    a.go("reveal")
    a.protocol.do("acceptScores", a.id)
    for index in (0, 1, 2, 3, 4, 5, 9):
        a.reveal(index)
    a.go("settle")
    wrong = (0, 2**32 - 1, 2**32 - 1)
    p.do("settle", a.id, wrong, 1, sender=BOTH[0].address)
    p.do("settle", a.id, a.proposal(), 4, sender=BOTH[1].address)
    a.settle()
    winners = a.winners()
    assert len(winners) >= 4, winners
    for index in winners[1:]:
        a.deliver(index)
    a.deliver(winners[2], b"better")
    a.go("verdict")
    p.do("forfeit", a.id, winners[0])
    a.verdict([winners[1]], [0, 1, 3])
    a.go("claim")
    a.claim(winners[2], 1)
    a.claim(winners[2], 6)
    a.claim(winners[3], 5)
    for index in (*winners[4:], 4, 5):
        a.claim(index)
    for settler in (SETTLER, BOTH[1]):
        p.do("claimBounty", a.id, sender=settler.address)
    p.do("withdrawBuyer", a.id, BUYER.address, sender=BUYER.address)
    return a


def revenue(p: Protocol, a: Auction) -> None:
    """Deposits, transfers of shares, claims between them; participation tokens."""
    mut, holder = a.mut(), a.entries[a.winners()[2]].owner
    chain = p.chain
    chain.transact(p.token, "mint", BUYER.address, 10_000, sender=BUYER.address)
    chain.transact(p.token, "approve", mut, 10_000, sender=BUYER.address)
    chain.transact(mut, "deposit", 1_000, sender=BUYER.address)
    chain.transact(mut, "transfer", RELAYER.address, 1_001, sender=holder)
    chain.transact(mut, "transfer", RELAYER.address, 1, sender=RELAYER.address)
    chain.transact(p.token, "transfer", mut.address, 777, sender=BUYER.address)
    chain.transact(mut, "accrue")
    late = a.entries[a.winners()[3]].owner
    a.claim(a.winners()[3], 2)
    chain.transact(mut, "claimFor", holder)
    chain.transact(mut, "approve", RELAYER.address, 5, sender=holder)
    chain.transact(mut, "transferFrom", holder, SETTLER.address, 5, sender=RELAYER.address)
    chain.transact(mut, "deposit", 3_333, sender=BUYER.address)
    for each in (holder, late, RELAYER.address, BUYER.address):
        chain.transact(mut, "claimFor", each)
    dst = a.dst()
    shares, proposal = a.dst_shares()
    chain.transact(dst, "verify", proposal, 4)
    chain.transact(dst, "verify", proposal, 100)
    for index in shares:
        entry = a.entries[index]
        chain.transact(dst, "claim", index, entry.owner, entry.payer)
    chain.transact(dst, "transfer", RELAYER.address, 3, sender=a.entries[max(shares)].owner)


def challenged(p: Protocol) -> Auction:
    """A challenge that moves a score: a deviator and an equivocator are slashed."""
    last = p.operators[4].address
    p.ask("addBond", sender=last, value=ETHER)
    a = p.create(bounty=7)
    for cost in (100_000, 200_000, 900_000):
        a.commit(cost)
    good = [Score(), Score(phi=9_000), Score()]
    bad = [good[0]._replace(phi=2_000), *good[1:]]
    reports = a.score(bad, bad, bad, bad, good)
    a.go("challenge")
    a.ask("challenge", sender=CHALLENGER.address, value=CHALLENGE_BOND)
    a.score(good, round_=2)
    a.ask("resolve")
    report = reports[0]
    a.ask(
        "slashDeviator",
        0,
        0,
        report.evidence,
        report.signature,
        report.chunk_hashes,
        report.vector,
    )
    twice = a.report(2, good), a.report(2, bad)
    operator = p.operators[2].address
    a.ask(
        "slashEquivocation",
        operator,
        *(report.signed(1) for report in twice),
        sender=RELAYER.address,
    )
    p.ask("withdrawCredit", CHALLENGER.address, sender=CHALLENGER.address)
    a.go("reveal")
    for index in range(3):
        a.reveal(index)
    a.go("settle")
    a.settle()
    for index in a.winners():
        a.deliver(index)
    a.go("claim")
    for index in range(3):
        a.claim(index)
    p.do("withdrawBuyer", a.id, RELAYER.address, sender=BUYER.address)
    for index in (0, 2):
        p.ask("addBond", sender=p.operators[index].address, value=ETHER)
    return a


def unmoved(p: Protocol) -> Auction:
    """A challenge that moves nothing; nobody settles in time, everybody is refunded."""
    a = p.create(bounty=11)
    for cost in (10, 20):
        a.commit(cost)
    a.score([Score(), Score()])
    a.go("challenge")
    a.ask("challenge", sender=CHALLENGER.address, value=CHALLENGE_BOND)
    a.score([Score(phi=9_990), Score()], round_=2)
    a.ask("resolve")
    a.go("reveal")
    a.reveal(0)
    a.go("deliver_late")
    p.do("abort", a.id)
    a.claim(0)
    a.reclaim(1)
    p.do("withdrawBuyer", a.id, BUYER.address, sender=BUYER.address)
    return a


def failed(p: Protocol) -> Auction:
    """No scores come: the auction ends, bonds and budget return, the silent are punished."""
    a = p.create(bounty=13)
    a.commit(5)
    a.go("score")
    a.commit_vector(a.report(0, [Score()]))
    a.go("challenge")
    p.do("abort", a.id)
    a.reclaim(0)
    p.do("withdrawBuyer", a.id, BUYER.address, sender=BUYER.address)
    a.ask("slashMissing", 1, 0)
    return a


def enrolled(p: Protocol) -> Auction:
    """Nobody bids: the pool of MUT is shared by weight."""
    a = p.create(enrolment=True, rho=0, budget=0, pool=100_000)
    for _ in range(3):
        a.commit()
    a.score([Score(), Score(phi=5_000), Score(q=5_000)])
    a.go("reveal")
    for index in range(3):
        a.reveal(index)
    a.go("settle")
    a.settle()
    for index in a.winners():
        a.deliver(index)
    a.go("claim")
    for index in range(3):
        a.claim(index)
    return a


def empty(p: Protocol) -> Auction:
    """Nobody comes."""
    a = p.create(bounty=17)
    a.go("settle")
    a.settle()
    p.do("withdrawBuyer", a.id, BUYER.address, sender=BUYER.address)
    return a


def farewell(p: Protocol) -> None:
    """An operator leaves."""
    p.chain.time += 60 * 86_400
    leaver = p.operators[1].address
    p.ask("exit", sender=leaver)
    p.ask("withdrawCredit", leaver, sender=leaver)


@functools.cache
def everything() -> Story:
    """All of it on one chain, and what a node would tell about it."""
    p = Protocol(Recorded(), operators=5)
    assert p.threshold == 3
    a = main_auction(p)
    revenue(p, a)
    challenged(p)
    unmoved(p)
    p.ask("addBond", sender=p.operators[0].address, value=MIN_BOND)
    failed(p)
    p.ask("addBond", sender=p.operators[0].address, value=MIN_BOND)
    enrolled(p)
    empty(p)
    farewell(p)
    return Story(p)
