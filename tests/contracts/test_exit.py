"""Everybody can get out, in any order, and nothing stays but the stated dust."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from eth_utils.crypto import keccak

from tests.support.auction import (
    BUYER,
    DELIVERED,
    DEPOSIT,
    NOBODY,
    OUT,
    PPB,
    PRESENT,
    REVEALED,
    UNAVAILABLE,
    UNDERSERVED,
    UNREADABLE,
    WEEK,
    Auction,
    Protocol,
    Score,
    person,
)
from tests.support.chain import Reverted

if TYPE_CHECKING:
    from collections.abc import Callable

SETTLERS = [person(f"settler {i}").address for i in range(3)]


def random_auction(protocol: Protocol, rng: random.Random) -> tuple[Auction, set[str] | None]:
    """Lead an auction of anything through anything.

    Return it and those to whom a part of the bounty is still due; None where nobody settled.
    """
    auction = protocol.create(
        budget=rng.randrange(1, 10**9),
        pool=rng.randrange(1, 10**9),
        rho=rng.choice([1, PPB // 3, PPB // 2, PPB - 1, PPB]),
        tranche=rng.choice([0, 0, PPB // 5, PPB // 2, PPB]),
        bounty=rng.randrange(10**6),
        bondGwei=rng.choice([0, 1, 12_345_677]),
    )
    for _ in range(rng.randrange(1, 12)):
        if rng.random() < 0.3:
            owner = person(f"owner {rng.randrange(3)}")
            nonce = protocol.view("nonces", owner.address)
            auction.commit_for(owner.address, owner, rng.randrange(10**9), nonce=nonce)
        else:
            auction.commit(rng.choice([0, rng.randrange(10**6), rng.randrange(10**9)]))
    for index in list(auction.entries):
        kind = rng.random()
        if kind < 0.1:
            auction.withdraw(index)
    count = len(auction.entries)
    flags = [PRESENT, PRESENT, PRESENT | UNDERSERVED, 0]  # The roll says who is present.
    if rng.random() < 0.1:  # No scores come.
        auction.go("challenge")
        protocol.do("abort", auction.id)
        return auction, None
    there = [i for i in range(count) if not auction.entries[i].withdrawn and rng.random() < 0.9]
    auction.roll(there)
    auction.score(
        [
            Score(9, rng.randint(0, 9_000), rng.randint(50, 9_000), rng.choice(flags))
            for _ in range(count)
        ]
    )
    auction.go("reveal")
    for index in there:
        if rng.random() < 0.8:
            auction.reveal(index, SETTLERS[0])
    protocol.do("acceptScores", auction.id)
    if rng.random() < 0.15:  # Nobody settles.
        auction.go("fetch")
        protocol.do("abort", auction.id)
        return auction, None
    auction.go("settle")
    right, unpaid = auction.proposal(), set[str]()
    while True:
        who, step = rng.choice(SETTLERS), rng.randrange(1, 5)
        receipt = protocol.do("settle", auction.id, right, step, sender=who)
        if not receipt.events("BountyClaimed"):
            unpaid.add(who)
        if receipt.events("Settled"):
            break
    winners = auction.winners()
    named = [index for index in winners if rng.random() < 0.2]
    auction.go("fetch").name_missing(*named)
    auction.go("fetch_verdict")
    for index in named[::2]:
        auction.verdict(index, UNAVAILABLE, [0, 1])
    auction.go("deliver")
    for index in set(winners) - set(named[::2]):
        if rng.random() < 0.8:
            wrong = rng.random() < 0.2
            auction.deliver(
                index,
                auction.delivery(index, keccak(b"garbage") if wrong else None),
                sender=auction.entries[index].owner,
            )
    auction.go("dispute")
    for index in winners:
        slot = auction.slots()[index]
        if slot & OUT:
            continue
        if not slot & DELIVERED:
            auction.forfeit(index)
        elif rng.random() < 0.2:
            auction.complain(index)
            auction.go("dispute_verdict").verdict(index, UNREADABLE, [1, 2])
            auction.go("dispute")
        else:
            wrong = auction.delivery(index, keccak(b"garbage"))
            with suppress(Reverted):
                auction.refute(index, wrong)
    return auction.go("claim"), unpaid


@pytest.mark.parametrize("token", ["Token", "SilentToken"])
@pytest.mark.parametrize("seed", range(20))
def test_everybody__in_any_order__gets_out_and_leaves_only_dust(
    protocol: Protocol, token: str, seed: int
) -> None:
    rng = random.Random(f"{seed} {token}")
    if token != "Token":
        protocol.token = protocol.chain.deploy(token)
    chain = protocol.chain
    auction, unpaid = random_auction(protocol, rng)
    settled = unpaid is not None
    terms, slots = auction.terms, auction.slots()
    exits: list[Callable[[], Any]] = [lambda: auction.withdraw_refund()]
    winners = auction.winners() if settled else []
    for index, slot in enumerate(slots):
        if slot & OUT and slot & REVEALED:
            continue
        if auction.entries[index].withdrawn:
            if not auction.bond and NOBODY not in protocol.view("scoreChunks", auction.id):
                continue  # Nothing is due.
            exits.append(lambda i=index: auction.reclaim(i))
        elif slot & REVEALED:
            parts = rng.choice([[7], [1, 2, 4], [4, 3], [6, 1]]) if index in winners else [7]
            exits += [lambda i=index, p=part: auction.claim(i, p) for part in parts]
        elif not settled:
            exits.append(lambda i=index: auction.reclaim(i))
    for who in SETTLERS:
        if who in (unpaid or ()):
            exits.append(lambda w=who: protocol.do("claimBounty", auction.id, sender=w))
    rng.shuffle(exits)
    for leave in exits:
        leave()
    # Cash: less than a unit a winner for the reward, and again for its split. Native: less than a
    # wei a settler.
    assert 0 <= protocol.held(protocol.auction) < max(1, 2 * len(winners))
    assert 0 <= chain.balance(protocol.auction.address) < max(1, len(SETTLERS))
    if settled and terms["rho"] < PPB:
        mut = auction.mut()
        holders = {entry.owner for entry in auction.entries.values()} | {BUYER.address}
        issued = sum(chain.call(mut, "balanceOf", who) for who in holders)
        assert 0 <= chain.call(mut, "totalSupply") - issued < max(1, 3 * len(winners))
    operators_get_out(auction)


def operators_get_out(auction: Auction) -> None:
    """Stakes, fees and credit are taken by those whose they are; the oracle keeps not one wei."""
    protocol = auction.protocol
    chain, oracle = protocol.chain, protocol.oracle
    chain.time = max(chain.time, auction.starts()["reveal"] + WEEK)
    for number, masks in enumerate(auction.rounds(), 1):
        for member in range(len(auction.panel(number))):
            bit = 1 << member
            if masks.committed & ~masks.settled & bit:
                auction.ask("releaseStake", number, member)
            if masks.complete & bit and auction.standing() == number:
                with suppress(Reverted):  # Scores that nobody accepted earn nothing.
                    auction.ask("claimFee", number, member)
    people = [*(operator.address for operator in protocol.operators), auction.buyer]
    for who in people:
        credit = protocol.credit(who)
        if who != auction.buyer:
            assert credit >= DEPOSIT  # Nobody who was honest has lost anything.
        protocol.ask("withdrawCredit", who, credit, sender=who)
    assert chain.balance(oracle.address) == 0
    assert chain.balance(protocol.exchange.address) == 0
