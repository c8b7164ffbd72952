"""Auctions in which everything happens that can: material for the audit.

`python -m tests.audit.stories FILE` writes their archive.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sys
from pathlib import Path

from oracles.audit import write_archive
from tests.audit.recorder import Recorded, Story
from tests.support.auction import (
    BUYER,
    CHALLENGER,
    PPB,
    PRESENT,
    RELAYER,
    SETTLER,
    UNAVAILABLE,
    UNDERSERVED,
    UNREADABLE,
    Auction,
    Protocol,
    Score,
    person,
)
from tests.support.chain import ACCOUNTS, ETHER, Reverted

DST = {
    "supply": 100_000,
    "floor": 500,
    "cap": 40_000,
    "volumeWeight": 3 * 10**8,
    "qualityWeight": 4 * 10**8,
    "impactWeight": 3 * 10**8,
}
AGREEMENT = b"The data are sold as they are."
FLAGGED = PRESENT | UNDERSERVED
BOTH = [CHALLENGER, *ACCOUNTS[8:10]]
FIRST, APPEAL = 5, 3
#: Of the main auction: winners by what becomes of them.
GONE, SILENT, WRONG, BROKEN, SOLD = 0, 1, 8, 9, (2, 3, 11)
WITHDRAWN, UNREVEALED, UNOPENED = 6, 7, 10
COSTS = (
    60_000, 80_000, 120_000, 150_000, 90_000, 2_000_000,
    70_000, 900_000, 40_000, 50_000, 30_000, 55_000,
)  # fmt: skip


def main_auction(p: Protocol) -> Auction:
    """Tranche, mixed payment, a relayed bid, one off the roll, an absent operator, all disputes."""
    a = p.create(
        pool=500_000,
        rho=3 * PPB // 4,
        tranche=PPB // 2,
        bounty=10**15,
        dst=DST,
        agreement=hashlib.sha256(AGREEMENT).digest(),
    )
    for index, cost in enumerate(COSTS):
        if index == WRONG:
            a.commit_for(person("provider 8").address, person("provider 8"), cost)
        else:
            a.commit(cost)
    a.withdraw(WITHDRAWN)
    a.go("open")
    a.reclaim(WITHDRAWN)
    for index in a.entries:
        if index not in (WITHDRAWN, UNOPENED):
            a.open(index)
    a.open(0)
    held = [index for index in a.entries if index not in (WITHDRAWN, UNOPENED)]
    a.roll(held, held, held[:-1])
    scores = [Score(1000 + 10 * i, 9_000 - 300 * i, 8_000 + 100 * i) for i in range(len(COSTS))]
    for index in (2, 3):
        scores[index] = scores[index]._replace(flags=FLAGGED)
    scores[4] = scores[4]._replace(phi=0)
    near = [score._replace(phi=score.phi + 1) for score in scores]
    reports = [a.report(i, near if i == 1 else scores) for i in range(FIRST)]
    for report in reports:
        a.commit_vector(report)
    a.go("score_open")
    a.ask("announceVector", 0, "https://operator.example", sender=p.first[0].address)
    for report in reports[:4]:
        a.publish(report)
    a.go("score_post")
    a.post(reports[:4])
    a.scores = scores
    a.go("challenge")
    a.ask("slashMissing", 1, 4)
    a.go("reveal")
    p.do("acceptScores", a.id)
    for index in a.entries:
        if index not in (WITHDRAWN, UNREVEALED, UNOPENED):
            a.reveal(index)
    a.go("settle")
    wrong = (0, 2**32 - 1, 2**32 - 1)
    p.do("settle", a.id, wrong, 1, sender=BOTH[0].address)
    p.do("settle", a.id, a.proposal(), 4, sender=BOTH[1].address)
    a.settle()
    assert a.winners() == [GONE, SILENT, 2, 3, WRONG, BROKEN, 11]
    sale(a)
    a.go("claim")
    p.do("forfeit", a.id, SILENT)
    a.claim(2, 1)
    a.claim(2, 6)
    a.claim(3, 5)
    for index in (11, 4, 5):
        a.claim(index)
    for settler in (SETTLER, BOTH[1]):
        p.do("claimBounty", a.id, sender=settler.address)
    a.withdraw_refund()
    return a


def sale(a: Auction) -> None:
    """One winner cannot be fetched, one delivers nothing, one a wrong key, one a wrong page."""
    a.go("fetch")
    a.name_missing(GONE, 11)
    a.go("fetch_verdict")
    a.verdict(GONE, UNAVAILABLE, [0, 2, 4])
    a.go("deliver")
    for index in (BROKEN, *SOLD):
        a.deliver(index)
    a.deliver(WRONG, a.delivery(WRONG, bytes(32)))
    a.go("dispute")
    a.refute(WRONG, a.delivery(WRONG, bytes(32)))
    a.complain(BROKEN)
    a.complain(2)
    a.go("dispute_verdict")
    a.verdict(BROKEN, UNREADABLE, [1, 2, 3])


def revenue(p: Protocol, a: Auction) -> None:
    """Deposits, transfers of shares, claims between them; participation tokens."""
    mut, holder = a.mut(), a.entries[SOLD[0]].owner
    chain = p.chain
    chain.transact(p.token, "mint", BUYER.address, 10_000, sender=BUYER.address)
    chain.transact(p.token, "approve", mut, 10_000, sender=BUYER.address)
    chain.transact(mut, "deposit", 1_000, sender=BUYER.address)
    chain.transact(mut, "transfer", RELAYER.address, 1_001, sender=holder)
    chain.transact(mut, "transfer", RELAYER.address, 1, sender=RELAYER.address)
    chain.transact(p.token, "transfer", mut.address, 777, sender=BUYER.address)
    chain.transact(mut, "accrue")
    late = a.entries[SOLD[1]].owner
    a.claim(SOLD[1], 2)
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
        chain.transact(dst, "claim", a.entries[index].place)
    chain.transact(dst, "transfer", RELAYER.address, 3, sender=a.entries[max(shares)].owner)


def appealed(p: Protocol) -> Auction:
    """An appeal moves a score: a deviator loses its stake, and one who signed twice does."""
    a = p.create(bounty=7)
    for cost in (100_000, 200_000, 900_000):
        a.commit(cost)
    good = [Score(), Score(phi=9_000), Score()]
    bad = [good[0]._replace(phi=2_000), *good[1:]]
    reports = a.score(bad, bad, bad, bad, good)
    a.challenge()
    a.scores = good
    a.score(good, round_=2)
    a.ask("resolve")
    a.ask("slashDeviator", *a.deviation(reports[0], 0))
    twice = a.report(2, good, 2), a.report(2, bad, 2)
    a.ask("slashContradiction", 2, *(report.signed(2) for report in twice), sender=RELAYER.address)
    a.to("fetch")
    winners = a.winners()
    a.name_missing(winners[0])
    a.go("fetch_verdict")
    a.verdict(winners[0], UNAVAILABLE, [0, 2])
    a.to("claim")
    for index in range(3):
        if index != winners[0]:
            a.claim(index)
    a.withdraw_refund(RELAYER.address)
    p.ask("withdrawCredit", CHALLENGER.address, ETHER // 1000, sender=CHALLENGER.address)
    return a


def unmoved(p: Protocol) -> Auction:
    """An appeal moves nothing; nobody settles in time, everybody is refunded."""
    a = p.create(bounty=11)
    for cost in (10, 20, 30):
        a.commit(cost)
    a.withdraw(2)
    a.score([Score(), Score(), Score()])
    a.challenge()
    a.score([Score(phi=9_990), Score(), Score()], round_=2)
    a.ask("resolve")
    a.go("reveal")
    a.reveal(0)
    a.go("fetch")
    p.do("abort", a.id)
    a.claim(0)
    a.reclaim(1)
    a.reclaim(2)
    a.withdraw_refund()
    return a


def unanswered(p: Protocol) -> Auction:
    """An appeal that nobody scores: round one stands, the bond returns."""
    a = p.create(bounty=3)
    a.commit(100_000)
    a.score([Score()])
    a.challenge()
    a.go("reveal")
    a.ask("resolve")
    a.to("claim")
    a.claim(0)
    a.withdraw_refund()
    # Anybody may add fees.
    p.ask("payFees", p.auction, a.id, BUYER.address, value=1_000_001)
    return a


def scoreless(p: Protocol) -> Auction:
    """Too few commit: the auction ends, entry fees and all else return, nobody is missing."""
    a = p.create(bounty=13)
    for cost in (5, 6):
        a.commit(cost)
    a.withdraw(1)
    a.go("open")
    a.reclaim(1)
    a.to("score")
    a.tally()
    a.commit_vector(a.report(0, [Score(), Score()]))
    a.go("challenge")
    p.do("abort", a.id)
    a.reclaim(0)
    a.reclaim(1)
    a.withdraw_refund()
    return a


def rollless(p: Protocol) -> Auction:
    """Too few call the roll: the auction ends before any score."""
    a = p.create()
    a.commit(5)
    a.go("roll")
    a.call_roll(0, [])
    a.go("score")
    p.do("abort", a.id)
    a.reclaim(0)
    a.withdraw_refund()
    return a


def silent(p: Protocol) -> Auction:
    """Three commit and show nothing: all of them lose their stakes."""
    a = p.create()
    a.commit(5)
    a.to("score")
    a.tally()
    for member in range(3):
        a.commit_vector(a.report(member, [Score()]))
    a.go("challenge")
    for member in range(3):
        a.ask("slashMissing", 1, member)
    p.do("abort", a.id)
    a.reclaim(0)
    a.withdraw_refund()
    return a


def enrolled(p: Protocol) -> Auction:
    """Nobody bids, nothing is sampled: the pool of MUT is shared by weight."""
    a = p.create(enrolment=True, rho=0, budget=0, pool=100_000, samples=0, durations={"open": 0})
    for _ in range(3):
        a.commit()
    held = [0, 1, 2]
    a.roll(held, held, held)
    a.score([Score(), Score(phi=5_000), Score(q=5_000)])
    a.to("claim")
    for index in range(3):
        a.claim(index)
    return a


def empty(p: Protocol) -> Auction:
    """Nobody comes."""
    a = p.create(bounty=17)
    a.go("settle")
    a.settle()
    a.withdraw_refund()
    return a


def running(p: Protocol) -> Auction:
    """Still open at the end of the logs, with a challenge that is not decided."""
    a = p.create(bounty=19)
    a.commit(5)
    a.score([Score()])
    a.challenge()
    return a


def farewell(p: Protocol, auctions: list[Auction]) -> None:
    """Stakes are released, fees are claimed, and an operator changes its key and leaves."""
    p.chain.time += 8 * 86_400
    for a in auctions:
        for number, masks in enumerate(a.rounds(), 1):
            for member, operator in enumerate(a.panel(number)):
                with contextlib.suppress(Reverted):  # nothing is due to who did not count
                    a.ask("claimFee", number, member)
                if masks.committed & ~masks.settled & 1 << member:
                    a.ask("releaseStake", number, member, sender=operator.address)
    leaver = p.first[1].address
    p.ask("leaveSet", p.operator_set, 1, sender=leaver)
    p.register(p.first[1], deposit=0)
    p.ask("withdrawCredit", leaver, p.credit(leaver), sender=leaver)


@functools.cache
def everything() -> Story:
    """All of it on one chain, and what a node would tell about it."""
    p = Protocol(Recorded(), first=FIRST, appeal=APPEAL)
    a = main_auction(p)
    revenue(p, a)
    over = [a, appealed(p), unmoved(p), unanswered(p), scoreless(p), silent(p)]
    rollless(p)
    enrolled(p)
    empty(p)
    farewell(p, over)
    p.ask("acceptSet", p.operator_set, 1, sender=p.first[1].address)
    p.ask("deposit", p.first[1].address, value=100 * ETHER)
    running(p)
    return Story(p)


if __name__ == "__main__":
    write_archive(Path(sys.argv[1]), everything())
