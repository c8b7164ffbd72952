"""Who is paid for scores, and who repays the gas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.auction import (
    ABORTED,
    BUYER,
    CHALLENGER,
    DEPOSIT,
    ETHER,
    GWEI,
    RELAYER,
    SCORING,
    SETTLER,
    Auction,
    Protocol,
    Score,
)
from tests.support.chain import reverts

if TYPE_CHECKING:
    from tests.support.anvil import Anvil
    from tests.support.revm import Revm

FEE = SCORING["feeGwei"] * GWEI
ENTRY = SCORING["entryFeeGwei"] * GWEI
APPEAL = SCORING["appealFeeGwei"] * GWEI
POST_GAS, POST_GAS_PER_BYTE = 100_000, 30
OWN_GAS, OWN_GAS_PER_INDEX = 50_000, 170
PUBLISH_GAS, PUBLISH_GAS_PER_INDEX = 24_000, 60


def claim(auction: Auction, member: int, round_: int = 1) -> int:
    event = auction.ask("claimFee", round_, member).event("FeeClaimed").args
    amount: int = event["amount"]
    return amount


def test_accept_scores__of_standing_scores__pays_the_operators_equal_parts(
    protocol: Protocol,
) -> None:
    auction = protocol.lead("reveal")
    with reverts("NothingDue", protocol.first[0].address):
        auction.ask("claimFee", 1, 0)
    receipt = protocol.do("acceptScores", auction.id)
    total = FEE + 3 * ENTRY
    assert receipt.event("ScoresAccepted").args["fees"] == total
    paid = receipt.event("FeesPaid").args
    part, rest = divmod(total, 3)
    assert (paid["round"], paid["part"], paid["dues"]) == (1, part, 0)
    assert (paid["refundTo"], paid["refund"]) == (BUYER.address, rest)
    for member, operator in enumerate(protocol.first):
        before = protocol.credit(operator.address)
        assert claim(auction, member) == part
        assert protocol.credit(operator.address) - before == part
        with reverts("NothingDue", operator.address):
            claim(auction, member)
    assert not protocol.do("acceptScores", auction.id).events("FeesPaid")


def test_accept_scores__of_an_auction_without_fees__pays_nobody(protocol: Protocol) -> None:
    auction = protocol.lead("reveal", feeGwei=0, entryFeeGwei=0)
    assert not protocol.view("isWinner", auction.id, 0)
    assert not protocol.view("deliveriesResolved", auction.id)
    receipt = protocol.do("acceptScores", auction.id)
    assert receipt.event("ScoresAccepted").args["fees"] == 0
    assert not receipt.events("FeesPaid")


def test_pay_fees__where_members_are_absent__returns_their_parts(five: Protocol) -> None:
    auction = five.lead("score")
    auction.score([Score()] * 3, None, [Score()] * 3, None, [Score()] * 3)
    auction.go("reveal")
    paid = five.do("acceptScores", auction.id).event("FeesPaid").args
    part = (FEE + 3 * ENTRY) // 5
    assert (paid["part"], paid["refund"]) == (part, FEE + 3 * ENTRY - 3 * part)
    assert five.credit(BUYER.address) == paid["refund"]
    for member in (1, 3):
        with reverts("NothingDue", five.first[member].address):
            claim(auction, member)
    assert [claim(auction, member) for member in (0, 2, 4)] == [part] * 3


def test_pay_fees__by_anybody__are_shared_like_the_first(protocol: Protocol) -> None:
    auction = protocol.lead("settle")
    paid = auction.ask("payFees", RELAYER.address, sender=SETTLER.address, value=10)
    args = paid.event("FeesPaid").args
    assert (args["part"], args["refund"], args["refundTo"]) == (3, 1, RELAYER.address)
    assert protocol.credit(RELAYER.address) == 1
    assert claim(auction, 0) == (FEE + 3 * ENTRY) // 3 + 3


def test_fees__after_an_appeal_that_moved__are_the_appeal_panels(five: Protocol) -> None:
    auction = five.lead("challenge")
    auction.challenge()
    auction.score([Score(q=1)] * 3, round_=2)
    auction.ask("resolve")
    assert five.credit(CHALLENGER.address) == APPEAL
    auction.to("settle")
    part = (FEE + 3 * ENTRY) // 3
    assert [claim(auction, member, 2) for member in range(3)] == [part] * 3
    with reverts("NothingDue"):
        claim(auction, 0, 1)


def test_fees__after_an_appeal_that_moved_nothing__pay_both_panels(protocol: Protocol) -> None:
    world = Protocol(protocol.chain, first=3, appeal=4)
    auction = world.lead("challenge")
    auction.challenge()
    right = [Score()] * 3
    auction.score(right, right, None, right, round_=2)
    paid = auction.ask("resolve").event("FeesPaid").args
    part = APPEAL // 4
    assert (paid["round"], paid["part"]) == (2, part)
    assert paid["refund"] == APPEAL - 3 * part
    assert world.credit(CHALLENGER.address) == paid["refund"]
    auction.to("settle")
    assert claim(auction, 0, 1) == (FEE + 3 * ENTRY) // 3
    assert claim(auction, 1, 2) == part
    with reverts("NothingDue"):
        claim(auction, 2, 2)


def test_claim_fee__of_no_round_or_member__reverts(protocol: Protocol) -> None:
    auction = protocol.lead("settle")
    for round_ in (0, 3):
        with reverts("UnknownRound", round_):
            claim(auction, 0, round_)
    with reverts("NotAMember"):
        claim(auction, 3)


class TestNoScores:
    """An auction without standing scores gives all fees back."""

    def test_fees__where_scores_failed__go_back_to_who_paid_them(self, protocol: Protocol) -> None:
        auction = protocol.lead("roll", bounty=77)
        auction.go("challenge")
        protocol.do("abort", auction.id)
        before = protocol.chain.balance(BUYER.address)
        auction.withdraw_refund()
        assert protocol.chain.balance(BUYER.address) - before == FEE + 77
        for index, entry in auction.entries.items():
            before = protocol.chain.balance(entry.payer)
            event = auction.reclaim(index).event("BondReclaimed").args
            assert event["amount"] == auction.bond + ENTRY
            assert protocol.chain.balance(entry.payer) - before == auction.bond + ENTRY
        assert protocol.chain.balance(protocol.auction.address) == 0

    @pytest.mark.parametrize("early", [True, False])
    def test_fees__of_a_withdrawn_bid_where_scores_failed__go_back_too(
        self, protocol: Protocol, early: bool
    ) -> None:
        auction = protocol.lead("commit")
        auction.withdraw(1)
        auction.go("draw")
        amounts = [auction.reclaim(1).event("BondReclaimed").args["amount"]] if early else []
        auction.go("challenge")
        protocol.do("abort", auction.id)
        amounts.append(auction.reclaim(1).event("BondReclaimed").args["amount"])
        assert amounts == ([auction.bond, ENTRY] if early else [auction.bond + ENTRY])
        with reverts("NotTheCommitment", auction.id, 1):
            auction.reclaim(1)

    def test_fees__where_scores_stood_and_nobody_settled__are_earned(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("reveal")
        auction.reveal(0)
        auction.go("fetch")
        protocol.do("abort", auction.id)
        before = protocol.chain.balance(BUYER.address)
        auction.withdraw_refund()
        assert protocol.chain.balance(BUYER.address) == before
        auction.claim(0)
        for index in (1, 2):
            amount = auction.reclaim(index).event("BondReclaimed").args["amount"]
            assert amount == auction.bond
        for member in range(3):
            claim(auction, member)
        assert protocol.chain.balance(protocol.auction.address) == 0

    @pytest.mark.parametrize("early", [True, False])
    def test_fees__where_all_withdrew_and_no_scores_came__go_back(
        self, protocol: Protocol, early: bool
    ) -> None:
        auction = protocol.lead("commit")
        for index in range(3):
            auction.withdraw(index)
        if early:
            auction.go("draw")
            for index in range(3):
                auction.reclaim(index)
        auction.go("settle").settle()
        assert auction.state() != ABORTED
        auction.withdraw_refund()
        for index in range(3):
            auction.reclaim(index)
            with reverts("NotTheCommitment", auction.id, index):
                auction.reclaim(index)
        assert protocol.chain.balance(protocol.auction.address) == 0


class TestDues:
    """Gas for posting and publishing, repaid at the base fee of the block."""

    def test_dues__of_who_posts__are_paid_before_the_members(self, priced: Anvil | Revm) -> None:
        protocol = Protocol(priced)
        auction = protocol.lead("score")
        signed = auction.commit_round([])
        priced.base_fee = 7
        receipt = auction.ask(
            "postScores", 0, [r.submission(0) for r in signed], sender=RELAYER.address
        )
        due = 7 * (POST_GAS + POST_GAS_PER_BYTE * 3 * 3 * 8)
        event = receipt.event("DueAdded").args
        assert (event["account"], event["amount"]) == (RELAYER.address, due)
        priced.base_fee = 0
        auction.go("reveal")
        paid = protocol.do("acceptScores", auction.id).event("FeesPaid").args
        assert (paid["dues"], paid["part"]) == (due, (FEE + 3 * ENTRY - due) // 3)
        event = auction.ask("claimDue", RELAYER.address).event("DueClaimed").args
        assert event["amount"] == due == protocol.credit(RELAYER.address)
        with reverts("NothingDue", RELAYER.address):
            auction.ask("claimDue", RELAYER.address)

    def test_dues__beyond_half_of_the_fees__are_paid_in_proportion(
        self, priced: Anvil | Revm
    ) -> None:
        protocol = Protocol(priced)
        auction = protocol.lead("score", feeGwei=0)
        signed = auction.commit_round([])
        priced.base_fee = GWEI
        publisher = protocol.first[0].address
        auction.ask("publishVector", signed[0].submission(), sender=publisher)
        receipt = auction.ask("publishVector", signed[0].submission(), sender=SETTLER.address)
        assert not receipt.events("DueAdded")  # once a member
        auction.ask("postScores", 0, [r.submission(0) for r in signed], sender=RELAYER.address)
        priced.base_fee = 0
        auction.go("reveal")
        total = 3 * ENTRY
        paid = protocol.do("acceptScores", auction.id).event("FeesPaid").args
        assert paid["dues"] == total // 2
        owed = {
            publisher: GWEI * (OWN_GAS + OWN_GAS_PER_INDEX * 3),
            RELAYER.address: GWEI * (POST_GAS + POST_GAS_PER_BYTE * 72),
        }
        for account, amount in owed.items():
            event = auction.ask("claimDue", account).event("DueClaimed").args
            assert event["amount"] == amount * (total // 2) // sum(owed.values())

    def test_dues__for_the_vectors_of_others__are_less_than_for_ones_own(
        self, priced: Anvil | Revm
    ) -> None:
        protocol = Protocol(priced)
        auction = protocol.lead("score")
        signed = auction.commit_round([])
        member, other = (operator.address for operator in protocol.first[:2])
        priced.base_fee = 7
        dues = {
            (0, member): OWN_GAS + OWN_GAS_PER_INDEX * 3,
            (1, member): PUBLISH_GAS + PUBLISH_GAS_PER_INDEX * 3,
            (2, RELAYER.address): PUBLISH_GAS + PUBLISH_GAS_PER_INDEX * 3,
        }
        for (of, sender), gas in dues.items():
            receipt = auction.ask("publishVector", signed[of].submission(), sender=sender)
            event = receipt.event("DueAdded").args
            assert (event["account"], event["amount"]) == (sender, 7 * gas)
        for of, sender in [(1, other), (0, RELAYER.address)]:  # Once for each vector.
            receipt = auction.ask("publishVector", signed[of].submission(), sender=sender)
            assert not receipt.events("DueAdded")

    def test_dues__where_a_vector_was_withheld__are_paid_from_its_stake(
        self, priced: Anvil | Revm
    ) -> None:
        protocol = Protocol(priced, first=5)
        auction = protocol.lead("score")
        signed = auction.commit_round([])
        priced.base_fee = GWEI
        publishers = [operator.address for operator in protocol.first[:3]]
        for report, publisher in zip(signed, publishers, strict=False):
            auction.ask("publishVector", report.submission(), sender=publisher)
        priced.base_fee = 0
        auction.go("score_post").post(signed[:3])
        auction.go("challenge")
        due = GWEI * (OWN_GAS + OWN_GAS_PER_INDEX * 3)
        with reverts("OutOfWindow"):
            auction.ask("claimDue", publishers[0])
        event = auction.ask("slashMissing", 1, 3).event("StakeSlashed").args
        assert (event["dues"], event["burned"]) == (3 * due, ETHER - 3 * due)
        event = auction.ask("slashMissing", 1, 4).event("StakeSlashed").args
        assert (event["dues"], event["burned"]) == (0, ETHER)
        auction.go("reveal")
        paid = protocol.do("acceptScores", auction.id).event("FeesPaid").args
        assert paid["dues"] == 0  # All is covered.
        for publisher in publishers:
            auction.ask("claimDue", publisher)
            assert protocol.credit(publisher) == DEPOSIT - ETHER + due
        with reverts("NothingDue", SETTLER.address):
            auction.ask("claimDue", SETTLER.address)


def test_claim_due__of_who_did_nothing__reverts(protocol: Protocol) -> None:
    auction = protocol.lead("reveal")
    with reverts("NothingDue", SETTLER.address):
        auction.ask("claimDue", SETTLER.address)


def test_claim_due__where_nothing_was_published_or_posted__reverts(protocol: Protocol) -> None:
    """At a base fee of 0 nothing is owed to anybody, whatever was paid in."""
    auction = protocol.lead("claim", (1,))
    with reverts("NothingDue", SETTLER.address):
        auction.ask("claimDue", SETTLER.address)
    with reverts("UnknownRequest"):
        protocol.ask("claimDue", protocol.auction, 99, SETTLER.address)
