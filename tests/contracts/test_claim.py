"""Deliveries, verdicts, forfeits, claims, the buyer's money, aborts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.auction import (
    ABORTED,
    BOND,
    BOND_PAID,
    BURN,
    BUYER,
    CASH,
    CASH_PAID,
    DELIVERED,
    FORFEITED,
    GWEI,
    MUT,
    MUT_PAID,
    OPEN,
    PPB,
    RELAYER,
    REVEALED,
    SETTLER,
    VERDICT_TYPE,
    Protocol,
    Score,
    person,
    sign,
    struct_hash,
    typed_digest,
)
from tests.support.chain import Reverted, reverts

if TYPE_CHECKING:
    from tests.support.auction import Auction

MIXED = {"pool": 1_000_000, "rho": PPB // 2}
ALICE = person("alice")


class TestDeliver:
    def test_deliver__by_a_winner__may_be_repeated_and_counts_once(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("deliver")
        for key in (b"first", b"second"):
            event = auction.deliver(0, key).event("Delivered").args
            assert event == {"auction": auction.id, "index": 0, "wrappedKey": key}
        auction.deliver(1)
        auction.go("claim")
        assert protocol.view("deliveriesResolved", auction.id)

    def test_deliver__by_a_loser_or_another_or_of_a_sealed_bid__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("reveal", (100_000, 200_000, 900_000, 5))
        for index in range(3):
            auction.reveal(index)
        auction.go("settle").settle()
        with reverts("NotAWinner", auction.id, 2):
            auction.deliver(2)
        with reverts("NotRevealed", auction.id, 3):
            auction.deliver(3)
        payer = auction.entries[0].payer
        with reverts("NotTheOwner", auction.id, 0):
            protocol.do("deliver", auction.id, 0, payer, b"", sender=SETTLER.address)
        with reverts("NotTheOwner", auction.id, 0):
            args = (auction.id, 0, RELAYER.address, b"")
            protocol.do("deliver", *args, sender=auction.entries[0].owner)

    def test_deliver__before_settlement__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("settle")
        with reverts("WrongState", OPEN):
            auction.deliver(0)


class TestVerdict:
    def test_enter_verdict__on_a_delivery__takes_payment_mut_and_bond(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("verdict", **MIXED)
        mut = auction.mut()
        supply = protocol.chain.call(mut, "totalSupply")
        burned = protocol.chain.balance(BURN)
        protocol.do("withdrawBuyer", auction.id, auction.buyer, sender=auction.buyer)
        receipt = auction.verdict([1], [0, 1, 2])
        event = receipt.event("Forfeited").args
        record = receipt.event("VerdictRecorded").args
        assert (record["indices"], record["members"]) == ((1,), (0, 1, 2))
        assert (event["index"], event["verdict"]) == (1, True)
        assert (event["cash"], event["face"]) == (450_000, 450_000)
        assert protocol.chain.balance(BURN) - burned == auction.bond
        paid = FORFEITED | CASH_PAID | MUT_PAID | BOND_PAID
        assert auction.slots()[1] & 0xFF == REVEALED | paid
        assert auction.slots()[0] & 0xFF == REVEALED | DELIVERED
        assert protocol.chain.call(mut, "totalSupply") == supply - 450_000
        assert receipt.event("SupplyReduced").args == {
            "amount": 450_000,
            "supply": supply - 450_000,
        }
        held = protocol.held(auction.buyer)
        protocol.do("withdrawBuyer", auction.id, auction.buyer, sender=auction.buyer)
        assert protocol.held(auction.buyer) - held == 450_000
        auction.go("claim")
        assert protocol.view("deliveriesResolved", auction.id)
        with reverts("NothingToClaim", auction.id, 1):
            auction.claim(1)
        auction.claim(0)
        with reverts("NotForfeitable", auction.id, 1):
            protocol.do("forfeit", auction.id, 1)

    def test_enter_verdict__on_what_was_not_delivered_or_twice__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.create()
        for cost in (100_000, 200_000, 900_000, 50_000):
            auction.commit(cost)
        auction.score([Score()] * 4)
        auction.go("reveal")
        for index in range(3):
            auction.reveal(index)
        auction.go("settle")
        auction.settle()
        auction.deliver(0)
        auction.go("verdict")
        for indices in ([1], [2], [3], [0, 0]):
            with reverts("NotForfeitable", auction.id, indices[-1]):
                auction.verdict(indices, [0, 1, 2])
        auction.verdict([0], [0, 1, 2])
        with reverts("NotForfeitable", auction.id, 0):
            auction.verdict([0], [0, 1, 2])

    def test_enter_verdict__without_the_quorum__reverts(self, five: Protocol) -> None:
        auction = five.lead("verdict")
        with reverts("NoQuorum", 2, 3):
            auction.verdict([0], [0, 4])
        with reverts("MembersUnordered", 1):
            auction.verdict([0], [2, 1, 3])
        with reverts("MembersUnordered", 2):
            auction.verdict([0], [1, 2, 2])
        auction.verdict([0, 1], [0, 2, 4])

    def test_enter_verdict__signed_by_another_or_for_other_winners__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("verdict")
        struct = struct_hash(VERDICT_TYPE, protocol.auction.address, auction.id, [0])
        digest = typed_digest("Q-MIA ScoreOracle", protocol.oracle.address, struct)
        view = (protocol.oracle, "verdictDigest", protocol.auction, auction.id, [0])
        assert protocol.chain.call(*view) == digest
        good = [sign(operator, digest) for operator in protocol.operators]
        for member in range(3):
            forged = [*good[:member], sign(ALICE, digest), *good[member + 1 :]]
            with reverts("SignerMismatch", member, ALICE.address):
                protocol.do("enterVerdict", auction.id, [0], [0, 1, 2], forged)
        with pytest.raises(Reverted, match="SignerMismatch"):
            protocol.do("enterVerdict", auction.id, [1], [0, 1, 2], good)
        with reverts("NotAMember"):
            protocol.do("enterVerdict", auction.id, [0], [0, 1, 3], good)

    def test_enter_verdict__before_settlement__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("settle")
        auction.go("verdict")
        with reverts("WrongState", OPEN):
            auction.verdict([0], [0, 1, 2])


class TestForfeit:
    def test_forfeit__of_a_winner_without_a_key__burns_bond_and_bonus(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("reveal", (100_000, 200_000, 900_000, 5), **MIXED)
        for index in range(3):
            auction.reveal(index)
        auction.go("settle")
        outcome = auction.settle().event("Settled").args["outcome"]
        assert outcome.bonusGwei == auction.bond // GWEI // 2 // 3
        auction.deliver(0)
        auction.go("verdict")
        burned = protocol.chain.balance(BURN)
        event = protocol.do("forfeit", auction.id, 1).event("Forfeited").args
        assert not event["verdict"]
        burned = protocol.chain.balance(BURN) - burned
        assert burned == auction.bond + outcome.bonusGwei * GWEI
        for index in (0, 1, 2, 3):  # delivered, struck out, lost, sealed
            with reverts("NotForfeitable", auction.id, index):
                protocol.do("forfeit", auction.id, index)

    def test_forfeit__before_settlement__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("settle")
        auction.go("verdict")
        with reverts("WrongState", OPEN):
            protocol.do("forfeit", auction.id, 0)


class TestClaim:
    def test_claim__in_parts__pays_each_part_once(self, protocol: Protocol) -> None:
        auction = protocol.lead("claim", **MIXED)
        owner = auction.entries[0].owner
        mut = auction.mut()

        def holds() -> tuple[int, int, int]:
            balance = protocol.chain.balance(owner)
            return protocol.held(owner), protocol.chain.call(mut, "balanceOf", owner), balance

        cash, face, native = holds()
        auction.claim(0, MUT)
        assert holds() == (cash, face + 450_000, native)
        auction.claim(0, MUT | CASH)
        assert holds() == (cash + 450_000, face + 450_000, native)
        auction.claim(0, BOND)
        assert holds() == (cash + 450_000, face + 450_000, native + auction.bond)
        for parts in (0, CASH, MUT, BOND, 7, 8):
            with reverts("NothingToClaim", auction.id, 0):
                auction.claim(0, parts)

    def test_claim__by_anyone__pays_owner_and_payer(self, protocol: Protocol) -> None:
        auction = protocol.create()
        auction.commit_for(ALICE.address, ALICE, 7)
        auction.score([Score()])
        auction.go("reveal").reveal(0, SETTLER.address)
        auction.go("settle").settle()
        args = (auction.id, 0, RELAYER.address, b"key")
        protocol.do("deliver", *args, sender=ALICE.address)
        auction.go("claim")
        before = protocol.chain.balance(RELAYER.address)
        event = auction.claim(0, sender=SETTLER.address).event("Claimed").args
        assert (event["owner"], event["payer"]) == (ALICE.address, RELAYER.address)
        assert protocol.held(ALICE.address) == event["cash"] == 1_000_000
        assert protocol.chain.balance(RELAYER.address) - before == auction.bond == event["bond"]

    def test_claim__for_another_owner_or_payer__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("claim")
        e = auction.entries[0]
        for owner, payer in ((ALICE.address, e.payer), (e.owner, ALICE.address)):
            with reverts("NotTheOwner", auction.id, 0):
                protocol.do("claim", auction.id, 0, owner, payer, 7)

    def test_claim__of_a_sealed_bid__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("reveal")
        auction.reveal(0)
        auction.go("settle").settle()
        with reverts("NotRevealed", auction.id, 1):
            auction.claim(1)

    def test_claim__by_a_loser__pays_bond_and_bonus_once(self, protocol: Protocol) -> None:
        auction = protocol.lead("reveal", (100_000, 950_000, 5))
        auction.reveal(0)
        auction.reveal(1)
        auction.go("settle")
        bonus = auction.settle().event("Settled").args["outcome"].bonusGwei * GWEI
        assert bonus == auction.bond // 4
        with reverts("NothingToClaim", auction.id, 1):
            auction.claim(1, CASH | MUT)
        event = auction.claim(1).event("Claimed").args
        assert (event["cash"], event["face"], event["bond"]) == (0, 0, auction.bond + bonus)
        with reverts("NothingToClaim", auction.id, 1):
            auction.claim(1)

    def test_claim__by_a_winner_without_a_key__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("deliver")
        auction.go("claim")
        with reverts("NothingToClaim", auction.id, 0):
            auction.claim(0)

    def test_claim__where_the_payer_refuses_ether__still_pays_cash_and_mut(
        self, protocol: Protocol
    ) -> None:
        wallet = protocol.chain.deploy("Wallet", ALICE.address)
        auction = protocol.create(**MIXED)
        entry = auction.entry(wallet.address, 5)
        args = (auction.id, entry.sealed, auction.data_set())
        protocol.through(wallet, "commit", *args, value=auction.bond)
        auction.entries[0] = entry
        auction.score([Score()])
        auction.go("reveal").reveal(0, SETTLER.address)
        auction.go("settle").settle()
        protocol.through(wallet, "deliver", auction.id, 0, wallet.address, b"key")
        protocol.chain.transact(wallet, "refuse", True)
        auction.go("claim")
        with reverts("TransferFailed", wallet.address, auction.bond):
            auction.claim(0)
        auction.claim(0, CASH | MUT)
        assert protocol.held(wallet.address) == 1_000_000
        protocol.chain.transact(wallet, "refuse", False)
        auction.claim(0, BOND)
        assert protocol.chain.balance(wallet.address) == auction.bond


def withdraw(auction: Auction, to: str = BUYER.address, sender: str = BUYER.address) -> None:
    auction.protocol.do("withdrawBuyer", auction.id, to, sender=sender)


class TestBuyer:
    def test_withdraw_buyer__after_settlement__pays_the_rest_once(self, protocol: Protocol) -> None:
        auction = protocol.lead("deliver", budget=1_000_001, **{**MIXED, "pool": 1_200_000})
        withdraw(auction, ALICE.address)
        held = protocol.held(ALICE.address)
        mut = protocol.chain.call(auction.mut(), "balanceOf", ALICE.address)
        assert (held, mut) == (100_001, 1_200_000 - 900_000 - 2)
        withdraw(auction, ALICE.address)
        assert protocol.held(ALICE.address) == held

    def test_withdraw_buyer__by_another_or_too_early__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("settle")
        with reverts("NotTheBuyer", ALICE.address):
            withdraw(auction, sender=ALICE.address)
        with reverts("WrongState", OPEN):
            withdraw(auction)

    def test_withdraw_buyer__while_bids_exist__leaves_the_bounty_to_the_settlers(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("deliver", bounty=900)
        before = protocol.chain.balance(BUYER.address)
        withdraw(auction)
        assert protocol.chain.balance(BUYER.address) == before


class TestAbort:
    def test_abort__where_scores_failed__refunds_everybody(self, protocol: Protocol) -> None:
        auction = protocol.create(bounty=77, **MIXED)
        auction.commit(5)
        auction.commit_for(ALICE.address, ALICE)
        auction.go("challenge")
        assert protocol.do("abort", auction.id).event("Aborted").args == {"auction": auction.id}
        assert protocol.view("phases", auction.id)[0] == ABORTED
        native = protocol.chain.balance(BUYER.address)
        withdraw(auction)
        assert protocol.chain.balance(BUYER.address) - native == 77
        assert protocol.held(BUYER.address) == 1_000_000
        for index, entry in auction.entries.items():
            before = protocol.chain.balance(entry.payer)
            auction.reclaim(index)
            assert protocol.chain.balance(entry.payer) - before == auction.bond
            with reverts("NotTheCommitment", auction.id, index):
                auction.reclaim(index)
        assert protocol.chain.balance(protocol.auction.address) == 0
        with reverts("WrongState", ABORTED):
            protocol.do("abort", auction.id)

    def test_abort__where_nobody_settled__refunds_revealed_and_sealed_bids(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("reveal", **MIXED)
        auction.reveal(0)
        auction.go("deliver_late")
        protocol.do("abort", auction.id)
        with reverts("NotRevealed", auction.id, 1):
            auction.claim(1)
        with reverts("NotTheCommitment", auction.id, 0):
            auction.reclaim(0)
        event = auction.claim(0).event("Claimed").args
        assert (event["cash"], event["face"], event["bond"]) == (0, 0, auction.bond)
        auction.reclaim(1)
        auction.reclaim(2)
        withdraw(auction)
        assert protocol.held(protocol.auction) == 0
        assert protocol.chain.balance(protocol.auction.address) == 0
        for call in ("deliver", "verdict", "forfeit"):
            with reverts("WrongState", ABORTED):
                {
                    "deliver": lambda: auction.deliver(0),
                    "verdict": lambda: auction.verdict([0], [0, 1, 2]),
                    "forfeit": lambda: protocol.do("forfeit", auction.id, 0),
                }[call]()

    def test_abort__of_an_unknown_or_settled_auction__reverts(self, protocol: Protocol) -> None:
        with reverts("UnknownAuction", 5):
            protocol.do("abort", 5)
        auction = protocol.lead("deliver")
        auction.go("claim")
        with reverts("WrongState", 1):
            protocol.do("abort", auction.id)

    def test_reclaim__without_an_abort__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("reveal")
        auction.reveal(0)
        auction.go("settle")
        with reverts("WrongState", OPEN):
            auction.reclaim(1)
        auction.settle()
        with reverts("WrongState", 1):
            auction.reclaim(1)
