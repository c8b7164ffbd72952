"""Attacks on the settlement: wrong, partial, interleaved and poisoned proposals, and every edge."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import pytest

from oracles.mechanism import Bid
from tests.attacks.play import apart, claim_all, model
from tests.support.auction import NONE, PPB, SETTLER, UNDERSERVED, Score
from tests.support.chain import ACCOUNTS, Reverted, reverts

if TYPE_CHECKING:
    from tests.support.auction import Auction, Protocol

MALLORY, RIVAL = ACCOUNTS[6].address, ACCOUNTS[7].address


def passes(auction: Auction, proposal: tuple[int, int, int], chunk: int) -> bool:
    """Whether a proposal settles the auction, walked in chunks; nothing is kept."""
    with apart(auction.protocol):
        try:
            while True:
                if auction.protocol.do("settle", auction.id, proposal, chunk).events("Settled"):
                    return True
        except Reverted as error:
            if error.name not in {"CertificateFailed", "MarginalInvalid"}:
                raise
            return False


@pytest.mark.parametrize("tranche", [0, PPB // 2])
@pytest.mark.parametrize("seed", range(6))
def test_wrong_proposal__every_other_one_there_is__is_refused(
    protocol: Protocol, seed: int, tranche: int
) -> None:
    rng = random.Random(seed)
    costs = [rng.randint(0, 40) for _ in range(4)]
    scores = [
        Score(q=rng.choice([0, 2500, 5000, 10_000]), flags=rng.choice([1, 3])) for _ in range(4)
    ]
    auction = protocol.lead("settle", costs, scores, budget=60, tranche=tranche)
    right = auction.proposal()
    candidates = [*range(4), NONE]
    rest = candidates if tranche else [NONE]
    passing = [p for p in itertools.product(candidates, rest, rest) if passes(auction, p, 4)]
    assert passing == [right]
    assert all(passes(auction, right, chunk) for chunk in (1, 2, 3))


def test_hostile_settlers__interleaved_and_on_wrong_proposals__cannot_stop_the_right_one(
    protocol: Protocol,
) -> None:
    auction = protocol.lead("settle", [5, 10, 15, 20, 400, 500], budget=100, bounty=600)
    right = auction.proposal()
    wrong = (right[0] - 1, NONE, NONE)

    def settle(proposal: tuple[int, int, int], count: int, sender: str) -> Any:
        return protocol.do("settle", auction.id, proposal, count, sender=sender)

    settle(wrong, 3, MALLORY)
    settle(right, 2, SETTLER.address)
    settle(wrong, 2, MALLORY)
    settle(right, 1, MALLORY)
    with reverts("CertificateFailed"):
        settle(wrong, 1, MALLORY)
    with reverts("NothingToWalk"):
        settle(right, 0, MALLORY)
    settle(right, 2, RIVAL)
    settle(right, NONE, SETTLER.address).event("Settled")
    with reverts("WrongState"):
        settle(right, 1, MALLORY)
    # By the bids walked on the proposal that passed: 3, 2 and 1 of six.
    for sender, share in ((SETTLER.address, 300), (RIVAL, 200), (MALLORY, 100)):
        had = protocol.chain.balance(sender)
        protocol.do("claimBounty", auction.id, sender=sender)
        assert protocol.chain.balance(sender) - had == share
        with reverts("NothingToClaim"):
            protocol.do("claimBounty", auction.id, sender=sender)


def test_incomplete_settlement__never_finished__ends_in_refunds(protocol: Protocol) -> None:
    auction = protocol.lead("settle", [5, 10, 15], bounty=7)
    protocol.do("settle", auction.id, auction.proposal(), 2)
    with reverts("ScoresStanding"):
        protocol.do("abort", auction.id)
    auction.go("fetch")
    protocol.do("abort", auction.id)
    with reverts("WrongState"):
        protocol.do("settle", auction.id, auction.proposal(), 2)
    claim_all(auction)
    assert protocol.chain.balance(protocol.auction.address) == 0
    assert protocol.held(protocol.auction.address) == 0


EDGES: dict[str, tuple[list[Bid], dict[str, Any]]] = {
    "one bid": ([Bid(0, 5, 7)], {"budget": 10}),
    "one bid at the whole budget": ([Bid(0, 10, 7)], {"budget": 10}),
    "one bid above the budget": ([Bid(0, 11, 7)], {"budget": 10}),
    "all equal": ([Bid(i, 3, 5) for i in range(5)], {"budget": 12}),
    "all equal, none affordable together": ([Bid(i, 10, 5) for i in range(3)], {"budget": 10}),
    "tie at the margin": ([Bid(0, 2, 1), Bid(1, 4, 2), Bid(2, 6, 3)], {"budget": 12}),
    "cost zero": ([Bid(i, 0, 1) for i in range(3)], {"budget": 1}),
    "budget one": ([Bid(0, 1, 1), Bid(1, 1, 1), Bid(2, 0, 1)], {"budget": 1}),
    "weight limits": ([Bid(0, 3, 1), Bid(1, 3, 2**63), Bid(2, 0, 2**63)], {"budget": 9}),
    "largest of everything": (
        [Bid(i, 2**80 - 1, 2**63, flagged=i == 1) for i in range(3)],
        {"budget": 2**80 - 1, "tranche": PPB},
    ),
    "tie in the tranche": (
        [Bid(i, 4, 2, flagged=i % 2 == 0) for i in range(6)],
        {"budget": 14, "tranche": PPB // 2},
    ),
    "only flagged": (
        [Bid(i, i, 2, flagged=True) for i in range(3)],
        {"budget": 8, "tranche": PPB // 3},
    ),
    "nothing reserved": (
        [Bid(i, i, 2, flagged=i == 0) for i in range(3)],
        {"budget": 2, "tranche": 1},
    ),
    "reserve rounded up, to the harm of the others": (
        [Bid(0, 6, 1), Bid(1, 0, 4), Bid(2, 3, 2, flagged=True), Bid(3, 1, 1, flagged=True)],
        {"budget": 6, "tranche": PPB // 2},
    ),
    "first of all bids sets the price outside the tranche": (
        [Bid(0, 2, 3), Bid(1, 1, 1, flagged=True), Bid(2, 0, 1), Bid(3, 1, 1, flagged=True)],
        {"budget": 3, "tranche": PPB // 2},
    ),
    "all ineligible": ([Bid(i, i, 0) for i in range(3)], {"budget": 8}),
    "no cash": ([Bid(i, i, 2) for i in range(3)], {"budget": 0, "pool": 9, "rho": 0}),
}


@pytest.mark.parametrize("chunk", [1, NONE])
@pytest.mark.parametrize("case", EDGES.values(), ids=EDGES)
def test_edge__of_every_kind__settles_as_the_reference_says_and_pays_out_to_nothing(
    protocol: Protocol, case: tuple[list[Bid], dict[str, Any]], chunk: int
) -> None:
    bids, terms = case
    auction = protocol.lead("settle", [0] * len(bids), **terms)
    auction.overwrite(bids)
    check(auction, chunk)


@pytest.mark.parametrize("seed", range(12))
def test_random_auction__in_any_chunks__is_the_references_and_no_bid_gains_by_lying(
    protocol: Protocol, seed: int
) -> None:
    rng = random.Random(seed)
    n = rng.randint(1, 9)
    terms: dict[str, Any] = {
        "budget": rng.randint(1, 300),
        "pool": rng.randint(1, 300),
        "rho": rng.choice([1, PPB // 3, PPB // 2, PPB]),
        "tranche": rng.choice([0, 0, PPB // 4, PPB // 2]),
        "bounty": 10**6,
    }
    auction = protocol.lead("settle", [0] * n, **terms)
    auction.overwrite(
        Bid(
            i, rng.randint(0, 80), rng.choice([0, 1, 2, 3, 5, 8, 2**40]), flagged=rng.random() < 0.4
        )
        for i in range(n)
    )
    check(auction, chunk=rng.randint(1, n))


def check(auction: Auction, chunk: int = NONE) -> None:
    """Settle, compare with the reference, and let everybody leave."""
    protocol = auction.protocol
    outcome, bids = model(auction), {bid.index: bid for bid in auction.bids()}
    last = auction.settle(chunk)
    event = last.event("Settled").args["outcome"]
    assert (event.split, event.winners) == (outcome.split, len(outcome.winners))
    if not any(bid.weight for bid in bids.values()):
        assert (event.num, event.den) == (0, 1)
    if not event.split:
        assert (event.unflaggedNum, event.unflaggedDen) == (0, 1)
    assert sum(outcome.cash.values()) <= auction.terms["budget"]
    auction.go("deliver")
    for index in outcome.winners:
        assert outcome.reward[index] >= bids[index].cost
        auction.deliver(index)
    for index in set(auction.entries) - set(outcome.winners):
        with reverts("NotAWinner"):
            auction.deliver(index)
    auction.go("claim")
    token = auction.mut() if auction.terms["pool"] or event.mutSupply else None
    for index, entry in auction.entries.items():
        before, native = protocol.held(entry.owner), protocol.chain.balance(entry.payer)
        auction.claim(index)
        assert protocol.held(entry.owner) - before == outcome.cash.get(index, 0)
        assert protocol.chain.balance(entry.payer) - native == auction.bond
        if token is not None and index in outcome.mut:
            held = protocol.chain.call(token, "balanceOf", entry.owner)
            assert held == outcome.mut[index]
    auction.withdraw_refund()
    # Dust of cash: less than one unit a winner.
    assert 0 <= protocol.held(protocol.auction.address) <= len(outcome.winners)
    if auction.entries and not last.events("BountyClaimed"):
        protocol.do("claimBounty", auction.id, sender=SETTLER.address)
    assert protocol.chain.balance(protocol.auction.address) == 0


def test_double_claim__by_parts_in_any_order__pays_once(protocol: Protocol) -> None:
    for order in itertools.permutations((1, 2, 4)):
        with apart(protocol):
            auction = protocol.lead("claim", [10, 20], budget=100, pool=100, rho=PPB // 2)
            for part in order:
                auction.claim(0, part)
                with reverts("NothingToClaim"):
                    auction.claim(0, part)
            with reverts("NothingToClaim"):
                auction.claim(0)
            auction.claim(1)
            whole = protocol.held(auction.entries[1].owner)
            assert protocol.held(auction.entries[0].owner) == whole > 0


def test_claim_order__any_and_by_anybody__makes_no_difference(protocol: Protocol) -> None:
    auction = protocol.lead("claim", [1, 2, 90], budget=100, pool=100, rho=PPB // 2)
    results = set()
    steps: list[Any] = [0, 1, 2, "buyer"]
    for order in itertools.permutations(steps):
        with apart(protocol):
            for step in order:
                if step == "buyer":
                    auction.withdraw_refund()
                else:
                    auction.claim(step, sender=MALLORY)
            people = [e.owner for e in auction.entries.values()] + [auction.buyer]
            token = auction.mut()
            held = [
                (
                    protocol.held(p),
                    protocol.chain.call(token, "balanceOf", p),
                    protocol.chain.balance(p),
                )
                for p in people
            ]
            results.add(tuple(held))
            assert protocol.chain.balance(protocol.auction.address) == 0
    assert len(results) == 1


def test_flagged_and_plain__at_different_prices__are_paid_their_own(protocol: Protocol) -> None:
    flagged = Score(flags=1 | UNDERSERVED)
    auction = protocol.lead(
        "settle",
        [30, 40, 1, 2],
        [flagged, flagged, Score(), Score()],
        budget=100,
        tranche=PPB * 3 // 4,
    )
    outcome = model(auction)
    assert outcome.split
    check(auction)


def test_abort__after_the_settlement__never_works(protocol: Protocol) -> None:
    """Else a buyer could take its money back when it has the keys."""
    auction = protocol.lead("deliver", (1, 2))
    auction.deliver(0)
    for phase in ("deliver", "dispute", "claim"):
        with reverts("WrongState"):
            auction.go(phase).protocol.do("abort", auction.id)
    assert auction.claim(0).event("Claimed").args["cash"] > 0


@pytest.mark.parametrize(("weights", "faces"), [([2], 1), ([1, 1], 2)])
def test_face_values__rounded_up__are_never_more_than_the_supply(
    protocol: Protocol, weights: list[int], faces: int
) -> None:
    auction = protocol.lead("settle", [0] * len(weights), budget=1, pool=1, rho=PPB // 2)
    auction.overwrite(Bid(i, 0, weight) for i, weight in enumerate(weights))
    assert auction.beta == 2
    supply = auction.settle().event("Settled").args["outcome"].mutSupply
    claim_all(auction.to("claim"))
    token = auction.mut()
    owners = [entry.owner for entry in auction.entries.values()]
    assert sum(protocol.chain.call(token, "balanceOf", who) for who in owners) == faces <= supply


@pytest.mark.parametrize(
    ("tranche", "wrong"),
    [(0, (1, 0, NONE)), (0, (1, NONE, 0)), (PPB // 2, (1, 0, NONE)), (PPB // 2, (1, NONE, 1))],
    ids=str,
)
def test_marginal_of_the_tranche__where_there_is_none_or_no_flagged_bid__is_refused(
    protocol: Protocol, tranche: int, wrong: tuple[int, int, int]
) -> None:
    auction = protocol.lead("settle", [1, 2, 2_000_000], tranche=tranche)
    with reverts("MarginalInvalid"):
        protocol.do("settle", auction.id, wrong, 9)
    assert auction.slots()[2] >> 8 & 2**144 - 1 == 0  # Dearer than β: neither cost nor weight.
    assert not auction.settle().event("Settled").args["outcome"].split
    auction.claim(2)
