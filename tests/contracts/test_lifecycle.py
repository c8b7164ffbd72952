"""One auction from creation to the last claim, on both chains."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from oracles.mechanism import clear
from tests.support.auction import (
    BURN,
    GWEI,
    PPB,
    PRESENT,
    SETTLER,
    UNDERSERVED,
    Protocol,
    Score,
)

if TYPE_CHECKING:
    from tests.support.chain import Chain


def test_auction__from_creation_to_the_last_claim__pays_what_the_model_says(chain: Chain) -> None:
    protocol = Protocol(chain)
    dst = {
        "supply": 100_000,
        "floor": 1_000,
        "cap": 60_000,
        "volumeWeight": 3 * PPB // 10,
        "qualityWeight": 3 * PPB // 10,
        "impactWeight": 4 * PPB // 10,
    }
    auction = protocol.create(
        budget=1_000_000, pool=2_000_000, rho=PPB // 2, tranche=PPB // 4, bounty=7 * GWEI, dst=dst
    )
    costs = [100_000, 250_000, 0, 400_000, 900_000, 50_000, 10_000]
    scores = [
        Score(5000, 9000, 8000),
        Score(1000, 4000, 9500, PRESENT | UNDERSERVED),
        Score(100, 10, 5000),
        Score(7000, 10_000, 10_000),
        Score(900, 100, 300, PRESENT | UNDERSERVED),
        Score(0, 0, 0),
        Score(50, 50, 50),
    ]
    for cost in costs:
        auction.commit(cost)
    auction.score(scores)
    auction.go("reveal")
    for index in range(6):  # Number 6 never reveals.
        auction.reveal(index)
    bids = auction.bids()
    cleared = clear(
        bids, budget=1_000_000, pool=2_000_000, rho=Fraction(1, 2), tranche=Fraction(1, 4)
    )
    assert cleared.beta == auction.beta == 2_000_000

    auction.go("settle")
    outcome = auction.settle(count=3).event("Settled").args["outcome"]
    assert outcome.winners == len(cleared.winners) > 1
    assert outcome.split == cleared.split
    assert (outcome.revealed, outcome.unrevealed) == (6, 1)

    failing, *delivering = cleared.winners
    auction.go("deliver")
    for index in delivering:
        auction.deliver(index)
    auction.go("dispute")
    burned = chain.balance(BURN)
    auction.forfeit(failing)
    assert chain.balance(BURN) - burned == auction.bond

    auction.go("claim")
    mut = auction.mut()
    for index in delivering:
        owner = auction.entries[index].owner
        auction.claim(index)
        assert protocol.held(owner) == cleared.cash[index]
        assert chain.call(mut, "balanceOf", owner) == cleared.mut[index]
    for index in set(range(6)) - set(cleared.winners):
        auction.claim(index)
    protocol.do("claimBounty", auction.id, sender=SETTLER.address)
    auction.withdraw_refund()
    paid = sum(cleared.cash[index] for index in delivering)
    assert 0 <= protocol.held(protocol.auction) <= len(cleared.winners)
    assert protocol.held(auction.buyer) == 1_000_000 - paid - protocol.held(protocol.auction)
    assert chain.balance(protocol.auction.address) == 0

    token = auction.dst()
    shares, proposal = auction.dst_shares()
    for done in (False, False, True):
        assert chain.call(token, "verify", proposal, 3) == done
        chain.transact(token, "verify", proposal, 3)
    for index, share in shares.items():
        entry = auction.entries[index]
        chain.transact(token, "claim", entry.place)
        assert chain.call(token, "balanceOf", entry.owner) == share
    assert chain.call(token, "totalSupply") == 100_000

    chain.transact(protocol.token, "mint", SETTLER.address, 777)
    chain.transact(protocol.token, "approve", mut, 777, sender=SETTLER.address)
    chain.transact(mut, "deposit", 777, sender=SETTLER.address)
    supply = chain.call(mut, "totalSupply")
    for index in delivering:
        owner = auction.entries[index].owner
        before = protocol.held(owner)
        chain.transact(mut, "claimFor", owner)
        assert protocol.held(owner) - before == 777 * cleared.mut[index] // supply
