"""Commitments: bound to everything they should be bound to, and nobody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.support.auction import (
    COMMITTED,
    NONE,
    RELAYER,
    SETTLER,
    ZERO,
    Score,
    person,
    sign,
)
from tests.support.chain import Reverted, reverts

if TYPE_CHECKING:
    from tests.support.auction import Protocol

ALICE, BOB = person("alice"), person("bob")


def test_commit__of_a_bid__stores_one_slot_and_emits_what_it_was(protocol: Protocol) -> None:
    auction = protocol.create()
    protocol.fund(ALICE.address)
    entry = auction.entry(ALICE.address, 500)
    assert protocol.view("sealBid", auction.id, ALICE.address, 500, entry.salt) == entry.sealed
    args = (auction.id, entry.sealed, auction.data_set())
    before = protocol.chain.balance(protocol.auction.address)
    receipt = protocol.do("commit", *args, sender=ALICE.address, value=auction.bond)
    assert protocol.chain.balance(protocol.auction.address) - before == auction.bond
    event = receipt.event("Committed").args
    assert (event["index"], event["owner"], event["payer"]) == (0, ALICE.address, ALICE.address)
    assert event["sealedBid"] == entry.sealed
    assert event["dataSet"] == tuple(auction.data_set().values())
    kinds = ["bytes32", "uint256", "address", "address"]
    digest = keccak(encode(kinds, [entry.sealed, 0, ALICE.address, ALICE.address]))
    assert auction.slots() == [int.from_bytes(digest, "big") & ~0xFF | COMMITTED]


@pytest.mark.parametrize("off", [-1, 1])
def test_commit__with_a_wrong_bond__reverts(protocol: Protocol, off: int) -> None:
    auction = protocol.create()
    args = (auction.id, ZERO, auction.data_set())
    with reverts("BondMismatch", auction.bond + off, auction.bond):
        protocol.do("commit", *args, value=auction.bond + off)


def test_commit__to_an_unknown_auction__reverts(protocol: Protocol) -> None:
    auction = protocol.create()
    with reverts("OutOfPhase"):
        protocol.do("commit", auction.id + 1, ZERO, auction.data_set())


def test_commit__beyond_the_maximum__reverts(protocol: Protocol) -> None:
    auction = protocol.create(maxBids=2)
    auction.commit()
    auction.commit()
    with reverts("AuctionFull", 2):
        auction.commit()


def test_recommit__of_ones_own__moves_the_bond_to_a_new_index(protocol: Protocol) -> None:
    auction = protocol.create()
    first = auction.commit(700)
    held = protocol.chain.balance(protocol.auction.address)
    second = auction.recommit(0, 600)
    assert second.index == 1
    assert protocol.chain.balance(protocol.auction.address) == held
    old, new = auction.slots()
    assert old == 0
    assert new & 0xFF == COMMITTED
    args = (auction.id, 0, first.sealed, first.payer, ZERO, auction.data_set())
    with reverts("NotTheCommitment", auction.id, 0):
        protocol.do("recommit", *args, sender=first.owner)


def test_withdraw__of_ones_own__returns_the_bond_to_who_paid_it(protocol: Protocol) -> None:
    auction = protocol.create()
    auction.commit_for(ALICE.address, ALICE)
    auction.commit()
    before = protocol.chain.balance(RELAYER.address)
    receipt = auction.withdraw(0)
    assert receipt.event("Withdrawn").args == {"auction": auction.id, "index": 0}
    assert protocol.chain.balance(RELAYER.address) - before == auction.bond
    assert auction.slots()[0] == 0
    assert protocol.view("bidCount", auction.id) == 2
    with reverts("NotTheCommitment"):
        auction.withdraw(0)


def test_withdraw__by_another_or_with_other_words__reverts(protocol: Protocol) -> None:
    auction = protocol.create()
    entry = auction.commit(5, ALICE.address)
    auction.commit(5, BOB.address)
    own = (auction.id, 0, entry.sealed, ALICE.address)
    for sender, args in [
        (BOB.address, own),
        (ALICE.address, (auction.id, 1, *own[2:])),
        (ALICE.address, (*own[:2], ZERO, ALICE.address)),
        (ALICE.address, (*own[:3], BOB.address)),
    ]:
        with reverts("NotTheCommitment", auction.id, args[1]):
            protocol.do("withdraw", *args, sender=sender)
        recommit = (*args[:4], ZERO, auction.data_set())
        with reverts("NotTheCommitment", auction.id, args[1]):
            protocol.do("recommit", *recommit, sender=sender)


def test_withdraw__to_a_wallet_that_refuses_ether__fails_and_changes_nothing(
    protocol: Protocol,
) -> None:
    auction = protocol.create()
    wallet = protocol.chain.deploy("Wallet", ALICE.address)
    entry = auction.entry(wallet.address, 5)
    args = (auction.id, entry.sealed, auction.data_set())
    protocol.through(wallet, "commit", *args, value=auction.bond)
    slots = auction.slots()
    protocol.chain.transact(wallet, "refuse", True)
    back = (auction.id, 0, entry.sealed, wallet.address)
    with reverts("TransferFailed", wallet.address, auction.bond):
        protocol.through(wallet, "withdraw", *back)
    assert auction.slots() == slots
    protocol.chain.transact(wallet, "refuse", False)
    protocol.through(wallet, "withdraw", *back)
    assert protocol.chain.balance(wallet.address) == auction.bond


class TestRelayed:
    def test_commit_for__signed_by_the_owner__is_the_owners_and_paid_by_the_relayer(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.create()
        auction.commit_for(ALICE.address, ALICE, 5)
        auction.commit_for(ALICE.address, ALICE, 6, nonce=1, payer=SETTLER.address)
        assert protocol.view("nonces", ALICE.address) == 2
        auction.score([Score()] * 2)
        auction.go("reveal").reveal(0)
        auction.reveal(1)

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

    def test_commit_for__sent_twice__reverts(self, protocol: Protocol) -> None:
        auction = protocol.create()
        entry = auction.commit_for(ALICE.address, ALICE, 5)
        signature = auction.sign_commit(ALICE, entry)
        args = (entry.sealed, auction.data_set(), ALICE.address, 2**40, signature)
        with reverts("SignatureInvalid", ALICE.address):
            protocol.do("commitFor", auction.id, *args, sender=RELAYER.address, value=auction.bond)

    @pytest.mark.parametrize("changed", range(6))
    def test_commit_for__of_other_words_than_signed__reverts(
        self, protocol: Protocol, changed: int
    ) -> None:
        auction = protocol.create()
        other = protocol.create()
        entry = auction.entry(ALICE.address, 5, RELAYER.address)
        signature = auction.sign_commit(ALICE, entry)
        data = auction.data_set()
        args = [auction.id, entry.sealed, data, ALICE.address, 2**40, signature]
        args[changed] = [
            other.id,
            ZERO,
            data | {"size": 1},
            BOB.address,
            2**40 - 1,
            sign(ALICE, ZERO),
        ][changed]
        with reverts("SignatureInvalid"):
            protocol.do("commitFor", *args, sender=RELAYER.address, value=auction.bond)

    def test_commit_for__by_another_relayer_than_signed_for__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.create()
        entry = auction.entry(ALICE.address, 5, RELAYER.address)
        signature = auction.sign_commit(ALICE, entry)
        args = (auction.id, entry.sealed, auction.data_set(), ALICE.address, 2**40, signature)
        with reverts("SignatureInvalid", ALICE.address):
            protocol.do("commitFor", *args, sender=SETTLER.address, value=auction.bond)
        protocol.do("commitFor", *args, sender=RELAYER.address, value=auction.bond)


def test_commit__to_an_enrolment__takes_only_the_open_bid_of_0(protocol: Protocol) -> None:
    auction = protocol.create(enrolment=True)
    auction.commit(owner=ALICE.address)
    for sealed in (ZERO, auction.seal(BOB.address, 0, ZERO), auction.seal(ALICE.address, 1, ZERO)):
        with reverts("NotTheCommitment", auction.id, 1):
            args = (auction.id, sealed, auction.data_set())
            protocol.do("commit", *args, sender=ALICE.address, value=auction.bond)


def test_reveal__of_a_copied_commitment__is_impossible(protocol: Protocol) -> None:
    # Bob copies Alice's pending commitment; the words under it name Alice, so that it binds nobody.
    auction = protocol.create()
    alice = auction.entry(ALICE.address, 5)
    protocol.fund(BOB.address)
    args = (auction.id, alice.sealed, auction.data_set())
    protocol.do("commit", *args, sender=BOB.address, value=auction.bond)
    auction.entries[0] = alice
    auction.commit(5, ALICE.address)
    auction.score([Score()] * 2)
    auction.go("reveal")
    for owner in (ALICE.address, BOB.address):
        with reverts("NotTheCommitment", auction.id, 0):
            protocol.do("reveal", auction.id, 0, 5, alice.salt, owner, BOB.address)


def test_seal_bid__in_another_contract_or_auction__differs(protocol: Protocol) -> None:
    auction = protocol.create()
    twin = protocol.chain.deploy("DataAuction", protocol.oracle)
    words = (ALICE.address, 5, ZERO)
    here = protocol.view("sealBid", auction.id, *words)
    assert here == auction.seal(*words)
    assert here != protocol.view("sealBid", auction.id + 1, *words)
    assert here != protocol.chain.call(twin, "sealBid", auction.id, *words)


def test_bids__of_a_range_beyond_the_count__are_0_and_a_reversed_one_fails(
    protocol: Protocol,
) -> None:
    auction = protocol.create()
    auction.commit()
    assert protocol.view("bids", auction.id, 1, 3) == (0, 0)
    with pytest.raises(Reverted, match="Panic"):
        protocol.view("bids", auction.id, 1, 0)
    with pytest.raises(Reverted, match="Panic"):
        protocol.view("bids", auction.id, NONE, NONE + 2)
