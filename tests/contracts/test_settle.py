"""Settlement by certificate: proposals, chunks, bounty."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from oracles.mechanism import Bid
from tests.support.auction import (
    BURN,
    GWEI,
    NONE,
    PPB,
    RELAYER,
    SETTLED,
    SETTLER,
    UNDERSERVED,
    Auction,
    Protocol,
    Score,
    person,
)
from tests.support.chain import reverts

if TYPE_CHECKING:
    from tests.support.chain import Receipt

FLAGS = [Score(), Score(flags=1 | UNDERSERVED), Score()]


def settle(auction: Auction, proposal: tuple[int, int, int], count: int = NONE) -> Receipt:
    return auction.protocol.do("settle", auction.id, proposal, count, sender=SETTLER.address)


def test_settle__without_any_bid__returns_everything_to_the_buyer(protocol: Protocol) -> None:
    auction = protocol.create(pool=500, rho=PPB // 2, budget=400, bounty=3 * GWEI)
    auction.go("settle")
    outcome = settle(auction, (NONE, NONE, NONE), 0).event("Settled").args["outcome"]
    assert (outcome.winners, outcome.refund, outcome.buyerMut) == (0, 400, 500)
    native = protocol.chain.balance(auction.buyer)
    auction.withdraw_refund()
    assert protocol.held(auction.buyer) == 400
    # The bounty, and the fee too: no scores came.
    fee = auction.terms["scoring"]["feeGwei"] * GWEI
    assert protocol.chain.balance(auction.buyer) - native == 3 * GWEI + fee
    assert protocol.chain.call(auction.mut(), "balanceOf", auction.buyer) == 500


def test_settle__without_any_reveal__burns_all_bonds(protocol: Protocol) -> None:
    auction = protocol.lead("reveal", bounty=100)
    protocol.do("acceptScores", auction.id)
    auction.go("settle")
    for count, done in ((2, False), (3, True)):
        assert protocol.view("settle", auction.id, (NONE, NONE, NONE), count) == done
    burned = protocol.chain.balance(BURN)
    receipt = auction.settle()
    outcome = receipt.event("Settled").args["outcome"]
    assert (outcome.revealed, outcome.unrevealed, outcome.refund) == (0, 3, 1_000_000)
    assert protocol.chain.balance(BURN) - burned == 3 * auction.bond
    assert receipt.event("BountyClaimed").args["amount"] == 100
    assert protocol.chain.balance(protocol.auction.address) == 0


def test_settle__where_scores_were_never_accepted__costs_nobody_a_bond(
    protocol: Protocol,
) -> None:
    auction = protocol.lead("reveal")
    auction.go("settle")
    with reverts("ScoresMissing"):
        settle(auction, (NONE, NONE, NONE))
    auction.go("fetch")
    protocol.do("abort", auction.id)
    for index in auction.entries:
        payer = auction.entries[index].payer
        before = protocol.chain.balance(payer)
        auction.reclaim(index)
        assert protocol.chain.balance(payer) - before == auction.deposit


@pytest.mark.parametrize(
    ("proposal", "error", "values"),
    [
        ((NONE, NONE, NONE), "CertificateFailed", (0, False)),
        ((0, NONE, NONE), "CertificateFailed", (1, False)),
        ((2, NONE, NONE), "CertificateFailed", (2, True)),
        ((3, NONE, NONE), "MarginalInvalid", (3,)),
        ((99, NONE, NONE), "MarginalInvalid", (99,)),
        ((1, 1, NONE), "MarginalInvalid", (1,)),
        ((1, NONE, 0), "MarginalInvalid", (0,)),
    ],
)
def test_settle__on_a_wrong_proposal__says_why(
    protocol: Protocol, proposal: tuple[int, int, int], error: str, values: tuple[int, ...]
) -> None:
    auction = protocol.lead("reveal", (100_000, 200_000, 900_000, 1))
    for index in range(3):  # The fourth stays sealed.
        auction.reveal(index)
    auction.go("settle")
    with reverts(error, *values):
        settle(auction, proposal)
    settle(auction, (1, NONE, NONE))


@pytest.mark.parametrize(
    ("proposal", "error", "values"),
    [
        ((1, 0, NONE), "MarginalInvalid", (0,)),  # not flagged
        ((1, 1, 1), "MarginalInvalid", (1,)),  # flagged
        ((1, NONE, NONE), "CertificateFailed", (1, False)),
        ((1, 1, NONE), "CertificateFailed", (0, False)),
    ],
)
def test_settle__on_a_wrong_clock_of_the_tranche__says_why(
    protocol: Protocol, proposal: tuple[int, int, int], error: str, values: tuple[int, ...]
) -> None:
    auction = protocol.lead("settle", scores=FLAGS, tranche=6 * PPB // 10)
    assert auction.proposal() == (1, 1, 0)
    with reverts(error, *values):
        settle(auction, proposal)
    settle(auction, (1, 1, 0))


def test_settle__where_the_tranche_does_not_split__wants_no_unflagged_marginal(
    protocol: Protocol,
) -> None:
    auction = protocol.lead("settle", scores=FLAGS, tranche=PPB // 4)
    assert auction.proposal() == (1, 1, NONE)
    with reverts("MarginalInvalid", 0):
        settle(auction, (1, 1, 0))
    assert not settle(auction, (1, 1, NONE)).event("Settled").args["outcome"].split


def test_settle__on_a_commitment_that_looks_like_a_bid__skips_it(protocol: Protocol) -> None:
    # Whatever the hash: only the status tells, and no commitment has it.
    auction = protocol.lead("reveal", (5,) * 20)
    auction.go("settle")
    for index in range(20):
        with reverts("MarginalInvalid", index):
            settle(auction, (index, NONE, NONE))


@pytest.mark.parametrize("tranche", [0, PPB // 2])
def test_settle__in_chunks_of_any_size_by_anyone__ends_as_in_one_go(
    protocol: Protocol, tranche: int
) -> None:
    rng = random.Random(tranche)
    bids = tuple(
        Bid(i, rng.randrange(300_000), rng.randrange(1, 2**64), rng.random() < 0.4)
        for i in range(40)
    )
    auction = protocol.crowd(len(bids), tranche=tranche)
    auction.overwrite(bids)
    auction.go("settle")
    with protocol.chain.rollback():
        whole = auction.settle().event("Settled").args
    done = 0
    while True:
        count = rng.choice([1, 2, 3, 7])
        receipt = protocol.do(
            "settle", auction.id, auction.proposal(), count, sender=person(str(done % 3)).address
        )
        walked = receipt.event("Walked").args
        assert (walked["from"], walked["to"]) == (done, min(done + count, 40))
        done = walked["to"]
        if done == 40:
            break
        assert not receipt.events("Settled")
    assert receipt.event("Settled").args == whole


def test_settle__beside_hostile_proposals__keeps_its_own_progress(protocol: Protocol) -> None:
    auction = protocol.lead("settle")
    wrong, right = (0, NONE, NONE), (1, NONE, NONE)
    settle(auction, wrong, 2)
    settle(auction, right, 1)
    with reverts("CertificateFailed", 1, False):
        settle(auction, wrong, 1)
    receipt = settle(auction, right, 2)
    words = [auction.id, right]
    proposal = keccak(encode(["uint256", "(uint32,uint32,uint32)"], words))
    assert receipt.event("Walked").args["proposal"] == proposal
    assert receipt.event("Settled").args["marginals"] == right


def test_settle__of_0_bids_or_once_settled__reverts(protocol: Protocol) -> None:
    auction = protocol.lead("settle")
    with reverts("NothingToWalk"):
        settle(auction, (1, NONE, NONE), 0)
    auction.settle()
    assert protocol.view("phases", auction.id)[0] == SETTLED
    with reverts("WrongState", SETTLED):
        settle(auction, (1, NONE, NONE))


def test_settle__of_an_unknown_auction__reverts(protocol: Protocol) -> None:
    with reverts("OutOfPhase"):
        protocol.do("settle", 9, (NONE, NONE, NONE), 0)


def test_claim_bounty__by_those_who_walked__is_split_by_bids(protocol: Protocol) -> None:
    auction = protocol.lead("reveal", (1,) * 7, bounty=1_001)
    for index in range(5):
        auction.reveal(index)
    auction.go("settle")
    right = auction.proposal()
    settle(auction, (0, NONE, NONE), 6)  # Earns nothing: this proposal never passes.
    protocol.do("settle", auction.id, right, 3, sender=RELAYER.address)
    settle(auction, right, 4)
    for who, walked in ((RELAYER, 3), (SETTLER, 4)):
        before = protocol.chain.balance(who.address)
        receipt = protocol.do("claimBounty", auction.id, sender=who.address)
        amount = 1_001 * walked // 7
        assert receipt.event("BountyClaimed").args["amount"] == amount
        assert protocol.chain.balance(who.address) - before == amount
        with reverts("NothingToClaim", auction.id, 0):
            protocol.do("claimBounty", auction.id, sender=who.address)
    with reverts("NothingToClaim", auction.id, 0):
        protocol.do("claimBounty", auction.id, sender=person("idler").address)


def test_claim_bounty__before_settlement__reverts(protocol: Protocol) -> None:
    auction = protocol.lead("settle")
    with reverts("WrongState", 0):
        protocol.do("claimBounty", auction.id)


def test_settle__for_pure_cash__creates_no_token(protocol: Protocol) -> None:
    auction = protocol.lead("deliver")
    assert protocol.chain.code(protocol.view("mutToken", auction.id)) == b""


@pytest.mark.parametrize("winners", [1, 3, 10])
@pytest.mark.parametrize("rho", [0, 1, PPB // 3, PPB - 1, PPB])
def test_settle__at_the_widest_amounts__keeps_every_sum_exact(
    protocol: Protocol, rho: int, winners: int
) -> None:
    # β at 2^80 - 1, weights at 2^64 - 1: nothing overflows, and nobody is paid more than there is.
    top = 2**80 - 1
    budget = top * rho // PPB + 1 if rho < PPB else top
    pool = top * (PPB - rho) // PPB + 1 if rho else top
    auction = protocol.crowd(winners + 1, budget=min(top, budget), pool=min(top, pool), rho=rho)
    assert auction.beta > top - 10**10
    bids = [Bid(i, auction.beta // 2 // (winners + i), 2**64 - 1 - i) for i in range(winners + 1)]
    auction.overwrite(bids)
    auction.go("settle").settle()
    won = auction.winners()
    owner = person("crowd").address
    auction.go("deliver")
    for index in won:
        auction.deliver(index, sender=owner)
    auction.go("claim")
    for index in won:
        auction.claim(index, 3)
    auction.withdraw_refund()
    # Less than a unit is lost by rounding each reward, and again by splitting it.
    assert protocol.held(protocol.auction) < len(won) * (1 if rho in {0, PPB} else 2)
