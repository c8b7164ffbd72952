"""Commitments and openings: bound to everything they should be bound to, and nobody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.auction import (
    COMMITTED,
    GWEI,
    NONE,
    OUT,
    RELAYER,
    SETTLER,
    ZERO,
    Entry,
    Protocol,
    person,
    sign,
)
from tests.support.chain import Reverted, reverts

if TYPE_CHECKING:
    from tests.support.chain import Receipt

ALICE, BOB = person("alice"), person("bob")
OTHER = person("other").address


def others(entry: Entry) -> list[dict[str, Any]]:
    """Places that differ from an entry's in one word."""
    place = entry.place
    words = {"index": entry.index + 1, "owner": OTHER, "payer": OTHER, "dataSet": ZERO}
    return [place | {name: word} for name, word in words.items()]


class TestCommit:
    def test_commit__of_a_bid__stores_one_slot_and_emits_what_it_was(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.create()
        protocol.fund(ALICE.address)
        entry = auction.entry(ALICE.address, 500)
        assert protocol.view("sealBid", auction.id, ALICE.address, 500, entry.salt) == entry.sealed
        args = (auction.id, entry.sealed, entry.data_set, auction.terms["agreement"])
        before = protocol.chain.balance(protocol.auction.address)
        receipt = protocol.do("commit", *args, sender=ALICE.address, value=auction.deposit)
        paid = protocol.chain.balance(protocol.auction.address) - before
        assert paid == (10**7 + 10**5) * GWEI
        auction.entries[0] = entry
        event = receipt.event("Committed").args
        assert (event["index"], event["owner"], event["payer"]) == (0, *[ALICE.address] * 2)
        assert event["sealedBid"] == entry.sealed
        assert event["dataSet"] == tuple(entry.data_set.values())
        assert auction.slots() == [auction.commitment(0) | COMMITTED]

    @pytest.mark.parametrize("off", [-1, 1])
    def test_commit__with_a_wrong_value__reverts(self, protocol: Protocol, off: int) -> None:
        auction = protocol.create()
        entry = auction.entry(ALICE.address, 5)
        args = (auction.id, entry.sealed, entry.data_set, auction.terms["agreement"])
        due = auction.deposit
        for value in (due + off, due - auction.entry_fee, due - auction.bond):
            with reverts("DepositMismatch", value, due):
                protocol.do("commit", *args, value=value)

    def test_commit__under_another_agreement__reverts(self, protocol: Protocol) -> None:
        auction = protocol.create()
        entry = auction.entry(ALICE.address, 5)
        args = (auction.id, entry.sealed, entry.data_set, ZERO)
        with reverts("AgreementDiffers", ZERO):
            protocol.do("commit", *args, value=auction.deposit)

    def test_commit__to_an_unknown_auction__reverts(self, protocol: Protocol) -> None:
        auction = protocol.create()
        entry = auction.entry(ALICE.address, 5)
        with reverts("OutOfPhase"):
            protocol.do("commit", auction.id + 1, ZERO, entry.data_set, ZERO)

    def test_commit__beyond_the_maximum__reverts(self, protocol: Protocol) -> None:
        auction = protocol.create(maxBids=2)
        auction.commit()
        auction.commit()
        with reverts("AuctionFull", 2):
            auction.commit()

    def test_commit__to_an_enrolment__takes_only_the_open_bid_of_0(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.create(enrolment=True)
        entry = auction.commit(owner=ALICE.address)
        for sealed in (
            ZERO,
            auction.seal(BOB.address, 0, ZERO),
            auction.seal(ALICE.address, 1, ZERO),
        ):
            args = (auction.id, sealed, entry.data_set, auction.terms["agreement"])
            with reverts("NotAnEnrolment", sealed):
                protocol.do("commit", *args, sender=ALICE.address, value=auction.deposit)

    def test_seal_bid__in_another_contract_or_auction__differs(self, protocol: Protocol) -> None:
        auction = protocol.create()
        twin = Protocol(protocol.chain)
        words = (ALICE.address, 5, ZERO)
        here = protocol.view("sealBid", auction.id, *words)
        assert here == auction.seal(*words)
        assert here != protocol.view("sealBid", auction.id + 1, *words)
        assert here != twin.view("sealBid", auction.id, *words)

    def test_bids__of_a_range_beyond_the_count__are_0_and_a_reversed_one_fails(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.create()
        auction.commit()
        assert protocol.view("bids", auction.id, 1, 3) == (0, 0)
        with pytest.raises(Reverted, match="Panic"):
            protocol.view("bids", auction.id, 1, 0)
        with pytest.raises(Reverted, match="Panic"):
            protocol.view("bids", auction.id, NONE, NONE + 2)


class TestWithdraw:
    def test_withdraw_bid__of_ones_own__keeps_bond_and_place_until_commitments_end(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.create()
        auction.commit_for(ALICE.address, ALICE)
        auction.commit()
        held = protocol.chain.balance(protocol.auction.address)
        event = auction.withdraw(0, ALICE.address).event("Withdrawn").args
        assert event == {"auctionId": auction.id, "index": 0}
        assert protocol.chain.balance(protocol.auction.address) == held
        assert auction.slots()[0] == auction.commitment(0) | OUT
        assert protocol.view("bidCount", auction.id) == 2
        with reverts("NotTheCommitment", auction.id, 0):
            auction.withdraw(0)
        with reverts("OutOfPhase"):
            auction.reclaim(0)
        auction.go("draw")
        before = protocol.chain.balance(RELAYER.address)
        event = auction.reclaim(0).event("BondReclaimed").args
        assert (event["payer"], event["amount"]) == (RELAYER.address, auction.bond)
        assert protocol.chain.balance(RELAYER.address) - before == auction.bond
        with reverts("NotTheCommitment", auction.id, 0):
            auction.reclaim(0)
        with reverts("NotTheCommitment", auction.id, 1):  # It stands.
            auction.reclaim(1)

    def test_withdraw_bid__by_another_or_with_other_words__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.create()
        entry = auction.commit(5, ALICE.address)
        auction.commit(5, BOB.address)
        with reverts("NotTheOwner", auction.id, 0):
            auction.withdraw(0, BOB.address)
        with reverts("NotTheCommitment", auction.id, 0):
            protocol.do("withdrawBid", auction.id, ZERO, entry.place, sender=ALICE.address)
        for place in others(entry):
            with reverts("NotTheCommitment", auction.id, place["index"]):
                args = (auction.id, entry.sealed, place)
                protocol.do("withdrawBid", *args, sender=place["owner"])

    def test_reclaim_bond__with_other_words__reverts(self, protocol: Protocol) -> None:
        auction = protocol.create()
        entry = auction.commit(5, ALICE.address)
        auction.withdraw(0)
        auction.go("draw")
        for sealed, place in [(ZERO, entry.place), *((entry.sealed, p) for p in others(entry))]:
            with reverts("NotTheCommitment", auction.id, place["index"]):
                protocol.do("reclaimBond", auction.id, sealed, place)
        auction.reclaim(0)

    def test_reclaim_bond__to_a_wallet_that_refuses_ether__fails_and_changes_nothing(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.create()
        wallet = protocol.chain.deploy("Wallet", ALICE.address)
        entry = auction.entry(wallet.address, 5)
        args = (auction.id, entry.sealed, entry.data_set, auction.terms["agreement"])
        protocol.through(wallet, "commit", *args, value=auction.deposit)
        auction.entries[0] = entry
        protocol.through(wallet, "withdrawBid", auction.id, entry.sealed, entry.place)
        protocol.chain.transact(wallet, "refuse", True)
        auction.go("draw")
        slots = auction.slots()
        with reverts("TransferFailed", wallet.address, auction.bond):
            auction.reclaim(0)
        assert auction.slots() == slots
        protocol.chain.transact(wallet, "refuse", False)
        auction.reclaim(0)
        assert protocol.chain.balance(wallet.address) == auction.bond


class TestRelayed:
    def test_commit_for__signed_by_the_owner__is_the_owners_and_paid_by_the_relayer(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.create()
        before = protocol.chain.balance(RELAYER.address)
        auction.commit_for(ALICE.address, ALICE, 5)
        assert before - protocol.chain.balance(RELAYER.address) == auction.deposit
        auction.commit_for(ALICE.address, ALICE, 6, nonce=1, payer=SETTLER.address)
        assert protocol.view("nonces", ALICE.address) == 2
        protocol.fund(ALICE.address)
        auction.to("settle")
        assert len(auction.bids()) == 2

    def test_commit_for__signed_by_a_wallet_contract__works_while_it_agrees(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.create()
        wallet = protocol.chain.deploy("Wallet", ALICE.address)
        auction.commit_for(wallet.address, ALICE)
        with reverts("SignatureInvalid", wallet.address):
            auction.commit_for(wallet.address, BOB, nonce=1)

    def test_commit_for__signed_by_another__reverts(self, protocol: Protocol) -> None:
        auction = protocol.create()
        with reverts("SignatureInvalid", ALICE.address):
            auction.commit_for(ALICE.address, BOB)

    def test_commit_for__of_other_words_than_signed_or_twice__reverts(
        self, protocol: Protocol
    ) -> None:
        auction, other = protocol.create(), protocol.create(agreement=ZERO)
        entry = auction.entry(ALICE.address, 5, RELAYER.address)
        signature = auction.sign_commit(ALICE, entry)
        data, agreement = entry.data_set, auction.terms["agreement"]
        right = [auction.id, entry.sealed, data, agreement, ALICE.address, 2**40, signature]

        def relay(args: list[Any], sender: str = RELAYER.address) -> Receipt:
            return protocol.do("commitFor", *args, sender=sender, value=auction.deposit)

        wrong: list[tuple[int, Any]] = [
            (0, other.id),
            (1, ZERO),
            *((2, data | {name: ZERO}) for name in data if name != "size"),
            (2, data | {"size": 1}),
            (3, ZERO),
            (4, BOB.address),
            (5, 2**40 - 1),
            (6, sign(ALICE, ZERO)),
        ]
        for position, word in wrong:
            with reverts("SignatureInvalid"):
                relay([*right[:position], word, *right[position + 1 :]])
        with reverts("SignatureInvalid", ALICE.address):
            relay(right, SETTLER.address)
        relay(right)
        with reverts("SignatureInvalid", ALICE.address):
            relay(right)

    def test_commit_for__at_its_deadline__works_and_a_second_later_does_not(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.create()
        deadline = auction.created + 50
        auction.go("commit", 51)
        with reverts("SignatureExpired", deadline):
            auction.commit_for(ALICE.address, ALICE, deadline=deadline)
        auction.go("commit", 50)
        auction.commit_for(ALICE.address, ALICE, deadline=deadline)


class TestOpen:
    def test_open__by_the_owner__is_on_record_and_costs_no_state(self, protocol: Protocol) -> None:
        auction = protocol.lead("open")
        slots = auction.slots()
        event = auction.open(0).event("Opened").args
        assert event == {"auctionId": auction.id, "index": 0, "opening": auction.opening(0)}
        assert auction.slots() == slots
        auction.open(0)  # The first one in the logs counts.

    def test_open__by_another_or_with_other_words__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("open")
        entry = auction.entries[0]
        with reverts("NotTheOwner", auction.id, 0):
            auction.open(0, OTHER)
        with reverts("NotTheCommitment", auction.id, 0):
            args = (auction.id, ZERO, entry.place, auction.opening(0))
            protocol.do("open", *args, sender=entry.owner)
        for place in others(entry):
            with reverts("NotTheCommitment", auction.id, place["index"]):
                args = (auction.id, entry.sealed, place, auction.opening(0))
                protocol.do("open", *args, sender=place["owner"])

    def test_open__of_a_withdrawn_commitment__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("commit")
        auction.withdraw(1)
        auction.go("open")
        with reverts("NotTheCommitment", auction.id, 1):
            auction.open(1)

    def test_open_for__signed_by_the_owner__works_for_anybody(self, protocol: Protocol) -> None:
        auction = protocol.create()
        auction.commit_for(ALICE.address, ALICE, 5)
        wallet = protocol.chain.deploy("Wallet", BOB.address)
        auction.commit_for(wallet.address, BOB, 5)
        auction.go("open")
        for index, signer in ((0, ALICE), (1, BOB)):
            event = auction.open_for(index, signer).event("Opened").args
            assert (event["index"], event["opening"]) == (index, auction.opening(index))

    def test_open_for__signed_by_another_or_for_other_words__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.create()
        auction.commit_for(ALICE.address, ALICE, 5)
        auction.commit_for(ALICE.address, ALICE, 5, nonce=1)
        auction.go("open")
        with reverts("SignatureInvalid", ALICE.address):
            auction.open_for(0, BOB)
        signature = auction.sign_opening(ALICE, 0)
        e, other = auction.entries[0], auction.entries[1]
        for entry, opening in ((other, auction.opening(0)), (e, ZERO)):
            with reverts("SignatureInvalid", ALICE.address):
                args = (auction.id, entry.sealed, entry.place, opening, signature)
                protocol.do("openFor", *args)
        protocol.do("openFor", auction.id, e.sealed, e.place, auction.opening(0), signature)
