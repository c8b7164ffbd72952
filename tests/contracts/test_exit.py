"""Everybody can get out, in any order, and nothing stays but the stated dust."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.auction import (
    BUYER,
    DELIVERED,
    ELIGIBLE,
    FORFEITED,
    PPB,
    UNDERSERVED,
    Auction,
    Protocol,
    Score,
    person,
)

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
        elif kind < 0.2:
            auction.recommit(index, rng.randrange(10**9))
    count = len(auction.entries)
    flags = [ELIGIBLE, ELIGIBLE, ELIGIBLE | UNDERSERVED, 0]
    if rng.random() < 0.1:  # No scores come.
        auction.go("challenge")
        protocol.do("abort", auction.id)
        return auction, None
    auction.score(
        [
            Score(9, rng.randint(10, 10_000), rng.randint(1, 10_000), rng.choice(flags))
            for _ in range(count)
        ]
    )
    auction.go("reveal")
    for index, slot in enumerate(auction.slots()):
        if slot and rng.random() < 0.8:
            auction.reveal(index)
    protocol.do("acceptScores", auction.id)
    if rng.random() < 0.15:  # Nobody settles.
        auction.go("deliver_late")
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
    for index in auction.winners():
        if rng.random() < 0.8:
            auction.deliver(index)
    auction.go("verdict")
    for index in auction.winners():
        if not auction.slots()[index] & DELIVERED:
            protocol.do("forfeit", auction.id, index)
        elif rng.random() < 0.2:
            auction.verdict([index], [0, 1, 2])
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
    exits: list[Callable[[], Any]] = [
        lambda: protocol.do("withdrawBuyer", auction.id, BUYER.address, sender=BUYER.address)
    ]
    winners = auction.winners() if settled else []
    for index, slot in enumerate(slots):
        if slot & FORFEITED or not slot:
            continue
        if slot & 2:
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
