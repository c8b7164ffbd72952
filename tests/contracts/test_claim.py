"""Forfeits, claims, the buyer's money, aborts."""

from __future__ import annotations

from tests.support.auction import (
    ABORTED,
    BOND,
    BURN,
    BUYER,
    CASH,
    GWEI,
    MUT,
    OPEN,
    PPB,
    RELAYER,
    REVEALED,
    SCORING,
    SETTLED,
    SETTLER,
    SILENT,
    STRUCK,
    ZERO,
    Auction,
    Protocol,
    person,
)
from tests.support.chain import reverts

MIXED = {"pool": 1_000_000, "rho": PPB // 2}
FEE = SCORING["feeGwei"] * GWEI
ALICE = person("alice")


class TestForfeit:
    def test_forfeit__of_a_winner_without_a_key__burns_the_bond(self, protocol: Protocol) -> None:
        auction = protocol.lead("reveal", (100_000, 200_000, 900_000, 5), **MIXED)
        for index in range(3):
            auction.reveal(index)
        auction.go("settle").settle()
        auction.go("deliver").deliver(0)
        auction.go("dispute")
        burned = protocol.chain.balance(BURN)
        event = auction.forfeit(1).event("StruckOut").args
        assert event["ground"] == SILENT
        assert (event["cash"], event["mut"]) == (450_000, 450_000)
        assert protocol.chain.balance(BURN) - burned == auction.bond
        assert auction.slots()[1] & 0xFF == REVEALED | STRUCK
        with reverts("AlreadyDelivered", auction.id, 0):
            auction.forfeit(0)
        with reverts("AlreadyStruckOut", auction.id, 1):
            auction.forfeit(1)
        for index in (2, 3):  # lost, sealed
            with reverts("NotAWinner", auction.id, index):
                auction.forfeit(index)

    def test_forfeit__before_settlement__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("settle").go("dispute")
        with reverts("WrongState", OPEN):
            auction.forfeit(0)


class TestClaim:
    def test_claim__in_parts__pays_each_part_once(self, protocol: Protocol) -> None:
        auction = protocol.lead("claim", **MIXED)
        owner = auction.entries[0].owner
        mut = auction.mut()

        def holds() -> tuple[int, int, int]:
            balance = protocol.chain.balance(owner)
            return protocol.held(owner), protocol.chain.call(mut, "balanceOf", owner), balance

        cash, face, native = holds()
        event = auction.claim(0, MUT).event("Claimed").args
        assert (event["cash"], event["mut"], event["bond"]) == (0, 450_000, 0)
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
        protocol.fund(ALICE.address)
        auction.to("claim")
        before = protocol.chain.balance(RELAYER.address)
        event = auction.claim(0, sender=SETTLER.address).event("Claimed").args
        assert (event["owner"], event["payer"]) == (ALICE.address, RELAYER.address)
        assert protocol.held(ALICE.address) == event["cash"] == 1_000_000
        assert protocol.chain.balance(RELAYER.address) - before == auction.bond == event["bond"]

    def test_claim__for_another_owner_payer_or_data_set__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("claim")
        place = auction.entries[0].place
        other = ALICE.address
        for word in ({"owner": other}, {"payer": other}, {"dataSet": ZERO}, {"index": 1}):
            wrong = place | word
            with reverts("NotTheOwner", auction.id, wrong["index"]):
                protocol.do("claim", auction.id, wrong, 7)

    def test_claim__of_a_sealed_bid__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("reveal")
        auction.reveal(0)
        auction.go("settle").settle()
        with reverts("NotRevealed", auction.id, 1):
            auction.claim(1)

    def test_claim__by_a_loser__pays_the_bond_once_from_settlement_on(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("settle")
        with reverts("WrongState", OPEN):
            auction.claim(2)
        auction.settle()
        with reverts("NothingToClaim", auction.id, 2):
            auction.claim(2, CASH | MUT)
        event = auction.claim(2).event("Claimed").args
        assert (event["cash"], event["mut"], event["bond"]) == (0, 0, auction.bond)
        with reverts("NothingToClaim", auction.id, 2):
            auction.claim(2)

    def test_claim__by_a_winner_without_a_key__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("deliver").go("claim")
        with reverts("NothingToClaim", auction.id, 0):
            auction.claim(0)

    def test_claim__where_the_payer_refuses_ether__still_pays_cash_and_mut(
        self, protocol: Protocol
    ) -> None:
        wallet = protocol.chain.deploy("Wallet", ALICE.address)
        auction = protocol.create(**MIXED)
        entry = auction.entry(wallet.address, 5)
        args = (auction.id, entry.sealed, entry.data_set, auction.terms["agreement"])
        protocol.through(wallet, "commit", *args, value=auction.deposit)
        auction.entries[0] = entry
        auction.go("roll").to("reveal")
        auction.reveal(0, SETTLER.address)
        auction.go("settle").settle()
        auction.go("deliver").deliver(0, sender=SETTLER.address, signer=ALICE)
        protocol.chain.transact(wallet, "refuse", True)
        auction.go("claim")
        with reverts("TransferFailed", wallet.address, auction.bond):
            auction.claim(0)
        auction.claim(0, CASH | MUT)
        assert protocol.held(wallet.address) == 1_000_000
        protocol.chain.transact(wallet, "refuse", False)
        auction.claim(0, BOND)
        assert protocol.chain.balance(wallet.address) == auction.bond


class TestBuyer:
    def test_withdraw_refund__after_settlement__pays_the_rest_once(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("deliver", budget=1_000_001, **{**MIXED, "pool": 1_200_000})
        event = auction.withdraw_refund(ALICE.address).event("RefundWithdrawn").args
        assert (event["to"], event["native"]) == (ALICE.address, 0)
        held = protocol.held(ALICE.address)
        mut = protocol.chain.call(auction.mut(), "balanceOf", ALICE.address)
        assert (held, mut) == (100_001, 1_200_000 - 900_000 - 2) == (event["cash"], event["mut"])
        auction.withdraw_refund(ALICE.address)
        assert protocol.held(ALICE.address) == held

    def test_withdraw_refund__by_another_or_too_early__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("settle")
        with reverts("NotTheBuyer", ALICE.address):
            auction.withdraw_refund(sender=ALICE.address)
        with reverts("WrongState", OPEN):
            auction.withdraw_refund()

    def test_withdraw_refund__while_bids_exist__leaves_bounty_and_fee_to_who_earned_them(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("settle", bounty=900)
        auction.settle(2)
        before = protocol.chain.balance(BUYER.address)
        auction.withdraw_refund()
        assert protocol.chain.balance(BUYER.address) == before
        protocol.do("claimBounty", auction.id, sender=SETTLER.address)

    def test_withdraw_refund__to_a_wallet_that_refuses_ether__names_another(
        self, protocol: Protocol
    ) -> None:
        wallet = protocol.chain.deploy("Wallet", ALICE.address)
        protocol.chain.transact(wallet, "refuse", True)
        auction = protocol.create(bounty=5).go("challenge")
        protocol.do("abort", auction.id)
        with reverts("TransferFailed", wallet.address, FEE + 5):
            auction.withdraw_refund(wallet.address)
        event = auction.withdraw_refund().event("RefundWithdrawn").args
        assert (event["cash"], event["native"]) == (1_000_000, FEE + 5)


class TestAbort:
    def abort(self, auction: Auction) -> None:
        event = auction.protocol.do("abort", auction.id).event("Aborted").args
        assert event == {"auctionId": auction.id}

    def test_abort__where_scores_failed__refunds_everybody(self, protocol: Protocol) -> None:
        auction = protocol.create(bounty=77, **MIXED)
        auction.commit(5)
        auction.commit_for(ALICE.address, ALICE)
        auction.go("challenge")
        self.abort(auction)
        assert auction.state() == ABORTED
        native = protocol.chain.balance(BUYER.address)
        auction.withdraw_refund()
        assert protocol.chain.balance(BUYER.address) - native == 77 + FEE
        assert protocol.held(BUYER.address) == 1_000_000
        for index, entry in auction.entries.items():
            before = protocol.chain.balance(entry.payer)
            auction.reclaim(index)
            assert protocol.chain.balance(entry.payer) - before == auction.deposit
            with reverts("NotTheCommitment", auction.id, index):
                auction.reclaim(index)
        assert protocol.chain.balance(protocol.auction.address) == 0
        with reverts("WrongState", ABORTED):
            protocol.do("abort", auction.id)

    def test_abort__where_nobody_settled__refunds_revealed_and_sealed_bids(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("reveal", bounty=9, **MIXED)
        auction.reveal(0)
        auction.go("fetch")
        self.abort(auction)
        with reverts("NotRevealed", auction.id, 1):
            auction.claim(1)
        with reverts("NotTheCommitment", auction.id, 0):
            auction.reclaim(0)
        event = auction.claim(0).event("Claimed").args
        assert (event["cash"], event["mut"], event["bond"]) == (0, 0, auction.bond)
        auction.reclaim(1)
        auction.reclaim(2)
        auction.withdraw_refund()
        assert protocol.held(protocol.auction) == 0
        assert protocol.chain.balance(protocol.auction.address) == 0
        auction.go("deliver")
        with reverts("WrongState", ABORTED):
            auction.deliver(0)
        auction.go("dispute")
        with reverts("WrongState", ABORTED):
            auction.forfeit(0)
        with reverts("NotSettled", auction.id):
            auction.complain(0)
        with reverts("WrongState", ABORTED):
            protocol.do("claimBounty", auction.id)

    def test_abort__where_scores_stood_and_all_is_reclaimed__has_nothing_more(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("commit")
        auction.withdraw(2)
        auction.to("reveal").reveal(0)
        auction.reclaim(2)
        auction.go("fetch")
        self.abort(auction)
        with reverts("NothingToClaim", auction.id, 2):
            auction.reclaim(2)

    def test_abort__of_an_unknown_or_settled_auction__reverts(self, protocol: Protocol) -> None:
        with reverts("UnknownAuction", 5):
            protocol.do("abort", 5)
        auction = protocol.lead("claim")
        with reverts("WrongState", SETTLED):
            protocol.do("abort", auction.id)

    def test_reclaim_bond__of_a_sealed_bid_without_an_abort__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("reveal")
        auction.reveal(0)
        auction.go("settle")
        for index in (0, 1):
            with reverts("NotTheCommitment", auction.id, index):
                auction.reclaim(index)
        auction.settle()
        for index in (0, 1):
            with reverts("NotTheCommitment", auction.id, index):
                auction.reclaim(index)
