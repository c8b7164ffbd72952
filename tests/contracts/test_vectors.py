"""Every shared vector, settled and issued on chain."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings

from oracles.mechanism import parse_clearing, parse_dst, settlement_totals
from tests.mechanism.strategies import Market, markets
from tests.support.auction import CASH, MUT, NONE, PPB, Auction, Protocol, Score
from tests.support.chain import Reverted

if TYPE_CHECKING:
    from oracles.mechanism import Bid

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "mechanism" / "vectors" / "mechanism.json").read_text()
)
REFUSALS = {"CertificateFailed", "MarginalInvalid"}


def loaded(
    protocol: Protocol,
    bids: tuple[Bid, ...],
    budget: int,
    pool: int,
    rho: Fraction,
    tranche: Fraction,
) -> Auction:
    """An auction of these terms in its settlement phase, with these bids revealed."""
    auction = protocol.crowd(
        len(bids), budget=budget, pool=pool, rho=int(rho * PPB), tranche=int(tranche * PPB)
    )
    if bids:
        auction.overwrite(bids)
    return auction.go("settle")


def refused(auction: Auction, proposal: tuple[int, int, int]) -> bool:
    try:
        auction.protocol.chain.call(
            auction.protocol.auction, "settle", auction.id, proposal, len(auction.entries)
        )
    except Reverted as error:
        if error.name not in REFUSALS:
            raise
        return True
    return False


@pytest.mark.parametrize("vector", VECTORS["clearing"], ids=lambda vector: str(vector["id"]))
class TestClearing:
    def test_settle__on_a_vector__gives_its_prices_and_pays_its_rewards(
        self, vector: dict[str, Any], protocol: Protocol
    ) -> None:
        case, expected = parse_clearing(vector), vector["expected"]
        auction = loaded(protocol, case.bids, case.budget, case.pool, case.rho, case.tranche)
        created = auction.receipt.event("AuctionCreated").args
        assert str(created["beta"]) == expected["beta"]
        assert str(created["reserve"]) == expected["reserve"]

        outcome = auction.settle(7).event("Settled").args["outcome"]
        assert outcome.split == expected["split"]
        clocks = expected["clocks"]
        paying = [clocks["flagged"], clocks["unflagged"]] if outcome.split else [clocks["all"]]
        prices = [(outcome.num, outcome.den), (outcome.unflaggedNum, outcome.unflaggedDen)]
        for clock, price in zip(paying, prices, strict=False):
            # A clock without any bid has no price, and the contract stores 0.
            assert Fraction(*price) == (
                Fraction(*map(int, clock["price"])) if clock["price"] else 0
            )
        cleared = case.clear()
        assert outcome.winners == len(cleared.winners) == sum(len(c["winners"]) for c in paying)
        totals = settlement_totals(cleared, budget=case.budget, pool=case.pool, rho=case.rho)
        assert outcome.refund == totals.buyer_cash
        assert outcome.buyerMut == totals.buyer_mut
        assert outcome.mutSupply == totals.buyer_mut + totals.allotment

        winners = [index for clock in paying for index in clock["winners"]]
        auction.go("deliver")
        for index in auction.entries:
            if index in winners:
                auction.deliver(index)
            else:
                with pytest.raises(Reverted, match="NotAWinner"):
                    auction.deliver(index)
        auction.go("claim")
        paid: dict[str, dict[str, str]] = {"cash": {}, "mut": {}}
        for index in winners:
            claimed = auction.claim(index, CASH | MUT).event("Claimed").args
            for part, amounts in paid.items():
                amounts[str(index)] = str(claimed[part])
        assert paid == {"cash": expected["cash"], "mut": expected["face"]}
        reward = {i: int(paid["cash"][i]) + int(paid["mut"][i]) for i in paid["cash"]}
        assert {i: str(amount) for i, amount in reward.items()} == expected["reward"]

    def test_settle__on_any_other_marginal__refuses(
        self, vector: dict[str, Any], protocol: Protocol
    ) -> None:
        case = parse_clearing(vector)
        auction = loaded(protocol, case.bids, case.budget, case.pool, case.rho, case.tranche)
        right = auction.proposal()
        choices = [NONE, *range(len(case.bids))]
        if len(case.bids) <= 3:
            wrong = set(itertools.product(choices, repeat=3)) - {right}
        else:
            wrong = {
                (*right[:clock], other, *right[clock + 1 :])
                for clock in range(3)
                for other in [*choices[:9], choices[-1], right[clock] - 1, right[clock] + 1]
                if other != right[clock] and 0 <= other <= NONE
            }
        assert not refused(auction, right)
        for proposal in wrong:
            assert refused(auction, proposal), proposal


@settings(max_examples=60, deadline=None, derandomize=True)
@given(market=markets(min_bids=1, max_bids=4))
def test_settle__on_any_small_market__passes_one_proposal_only(
    deployed: Protocol, market: Market
) -> None:
    if not market.beta:
        return
    with deployed.chain.rollback():
        auction = loaded(
            deployed, market.bids, market.budget, market.pool, market.rho, market.tranche
        )
        choices = [NONE, *range(len(market.bids))]
        passing = [p for p in itertools.product(choices, repeat=3) if not refused(auction, p)]
        assert passing == [auction.proposal()]


@pytest.mark.parametrize("vector", VECTORS["dst"], ids=lambda vector: str(vector["id"]))
def test_verify__on_a_vector__gives_its_shares(vector: dict[str, Any], protocol: Protocol) -> None:
    case = parse_dst(vector)
    # Volumes in the ratio of the wanted scores, and no other component.
    scores = [Score(volume=int(score * 1000)) for score in case.scores]
    assert all(score * 1000 == s.volume for score, s in zip(case.scores, scores, strict=True))
    dst = {"supply": case.supply, "floor": case.floor, "cap": case.cap}
    dst |= {"volumeWeight": PPB, "qualityWeight": 0, "impactWeight": 0}
    auction = protocol.crowd(len(scores), enrolment=True, dst=dst)
    auction.scores = scores
    auction.to("claim")
    token = auction.dst()
    shares, proposal = auction.dst_shares()
    assert [str(share) for share in shares.values()] == vector["shares"]
    protocol.chain.transact(token, "verify", proposal, len(scores))
    on_chain = [protocol.chain.call(token, "shareOf", index) for index in auction.entries]
    assert [str(share) for share in on_chain] == vector["shares"]
