"""Attacks on the exchange of keys for money: points 3, 4 and 15 of the protocol's list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from eth_utils.crypto import keccak

from tests.support.auction import (
    BURN,
    BUYER,
    CASH,
    SETTLER,
    UNAVAILABLE,
    UNREADABLE,
    Delivery,
    person,
    point_of,
    public_key,
    shared_point,
    sign,
)
from tests.support.chain import ACCOUNTS, reverts
from tests.support.discrete_log import N, P, multiply

if TYPE_CHECKING:
    from tests.support.auction import Auction, Protocol

MALLORY = ACCOUNTS[6]
GARBAGE = keccak(text="garbage")


def cash_of(auction: Auction, index: int) -> int:
    cash: int = auction.claim(index, CASH).event("Claimed").args["cash"]
    return cash


class TestManyCheats:
    """Point 3: each index by itself; a cheat at one shields no other."""

    def test_cheats__at_two_indices__are_struck_out_one_by_one_and_the_honest_is_paid(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("deliver", (1, 2, 3, 4))
        wrong = auction.delivery(1, GARBAGE)
        auction.deliver(1, wrong)
        for index in (0, 2, 3):
            auction.deliver(index)
        auction.go("dispute").refute(1, wrong)
        for index in (2, 3):
            auction.complain(index)
        auction.go("dispute_verdict")
        # Over 2 no majority agrees. The verdict over 3 does not wait for it.
        with reverts("NoQuorum"):
            auction.verdict(2, UNREADABLE, [0])
        auction.verdict(3, UNREADABLE, [0, 2])
        auction.go("claim")
        assert cash_of(auction, 0) == cash_of(auction, 2) > 0
        for index in (1, 3):
            with reverts("NothingToClaim"):
                auction.claim(index)

    def test_complaint_of_one__signed_over_another__strikes_out_nobody(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("dispute", (1, 2))
        auction.complain(0)
        auction.go("dispute_verdict")
        with reverts("NotNamed", auction.id, 1):
            auction.verdict(1, UNREADABLE, [0, 1])


class TestArchiveGone:
    """Point 4: gone before the delivery, or taken down after it."""

    def test_archive__gone_before_the_delivery__is_struck_out_before_any_key_is_due(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("fetch", (1, 2))
        auction.name_missing(0)
        burned = protocol.chain.balance(BURN)
        auction.go("fetch_verdict").verdict(0, UNAVAILABLE, [0, 1])
        assert protocol.chain.balance(BURN) - burned == auction.bond
        auction.go("deliver")
        with reverts("AlreadyStruckOut", auction.id, 0):
            auction.deliver(0)
        auction.deliver(1)
        auction.go("claim")
        assert cash_of(auction, 1) == 500_000
        before = protocol.held(BUYER.address)
        auction.withdraw_refund()
        assert protocol.held(BUYER.address) - before == 500_000

    def test_host__taken_down_by_the_buyer_after_the_key_came__is_paid_for_all_the_same(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("dispute", (1, 2))
        with reverts("OutOfPhase"):
            auction.name_missing(0)
        # Not even a panel that would sign it can strike out for availability any more.
        for phase in ("dispute", "dispute_verdict"):
            with reverts("OutOfPhase"):
                auction.go(phase).verdict(0, UNAVAILABLE, [0, 1, 2])
        auction.go("claim")
        assert cash_of(auction, 0) == 500_000

    def test_buyer__that_names_everybody__pays_for_it_and_delays_nobody(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("fetch", (1, 2))
        before = protocol.chain.balance(BUYER.address)
        auction.name_missing(0, 1)
        assert before - protocol.chain.balance(BUYER.address) == 2 * auction.fetch_fee
        with reverts("AlreadyNamed"):
            auction.name_missing(0)
        auction.to("claim")  # No verdict: the members fetched both.
        assert cash_of(auction, 0) == cash_of(auction, 1) == 500_000

    @pytest.mark.parametrize("phase", ["fetch", "dispute"])
    def test_buyer__that_names_in_the_second_half__leaves_no_time_to_answer_and_is_refused(
        self, protocol: Protocol, phase: str
    ) -> None:
        auction = protocol.lead(phase, (1, 2)).go(f"{phase}_verdict")
        with reverts("OutOfPhase"):
            auction.name_missing(0) if phase == "fetch" else auction.complain(0)


class TestKeys:
    """Point 15: each false delivery is struck out or refused, and no honest key is opened."""

    def test_ephemeral_point__copied_from_an_honest_delivery__cannot_be_signed_for(
        self, protocol: Protocol
    ) -> None:
        """Else the proof against the cheat would open the honest winner's data to everybody."""
        auction = protocol.lead("deliver", (1, 2))
        honest = auction.delivery(0)
        auction.deliver(0, honest)
        cheat = auction.entries[1]
        words = (b"\7" * 32, *public_key(honest.ephemeral))
        digest = auction.delivery_digest(1, words)
        theirs = sign(honest.ephemeral, auction.delivery_digest(0, honest.words))
        own = sign(person("cheat's own key"), digest)
        for signature in (theirs, own):
            with reverts("EphemeralKeyInvalid"):
                args = (auction.id, cheat.place, words, signature, b"")
                protocol.trade("deliver", *args, sender=cheat.owner)

    @pytest.mark.parametrize(
        "point",
        [(N, 1), (N + 2, 5), (P, 7), (5, 5), (0, 0), (2**256 - 1, 2**256 - 1)],
        ids=["n", "above n", "p", "off the curve", "nothing", "most"],
    )
    def test_ephemeral_point__that_no_proof_could_name__is_refused(
        self, protocol: Protocol, point: tuple[int, int]
    ) -> None:
        auction = protocol.lead("deliver", (1,))
        entry = auction.entries[0]
        words = (b"\7" * 32, point[0].to_bytes(32, "big"), point[1].to_bytes(32, "big"))
        signature = sign(person("cheat"), auction.delivery_digest(0, words))
        with reverts("EphemeralKeyInvalid"):
            args = (auction.id, entry.place, words, signature, b"")
            protocol.trade("deliver", *args, sender=entry.owner)
        auction.go("dispute").forfeit(0)

    def test_wrong_key__of_any_kind__is_struck_out_by_anybody_with_the_buyers_proof(
        self, protocol: Protocol
    ) -> None:
        """Garbage, the key of another set, and a key wrapped for somebody else."""
        auction = protocol.lead("deliver", (1, 2, 3))
        elsewhere = person("ephemeral elsewhere")
        mask = auction.mask(2, shared_point(elsewhere, point_of(person("not the buyer"))))
        key = auction.entries[2].data_key
        wrapped = bytes(a ^ b for a, b in zip(key, mask, strict=True))
        wrong = [
            auction.delivery(0, GARBAGE),
            auction.delivery(1, auction.entries[0].data_key),
            Delivery(wrapped, elsewhere),
        ]
        for index, delivery in enumerate(wrong):
            auction.deliver(index, delivery)
        auction.go("dispute")
        for index, delivery in enumerate(wrong):
            auction.refute(index, delivery, sender=MALLORY.address)
        before = protocol.held(BUYER.address)
        auction.go("claim").withdraw_refund()
        assert protocol.held(BUYER.address) - before == auction.terms["budget"] - 1

    @pytest.mark.parametrize(
        "shared", [(5, 5), (P, 1), (0, 0), multiply(77)], ids=["off", "p", "zero", "another"]
    )
    def test_buyer__with_a_false_shared_point__cannot_have_the_data_for_nothing(
        self, protocol: Protocol, shared: tuple[int, int]
    ) -> None:
        auction = protocol.lead("dispute", (1,))
        delivery = auction.delivery(0)
        proof = auction.proof(0, delivery) | {"shared": shared}
        with reverts("ProofInvalid"):
            auction.refute(0, delivery, proof)
        with reverts("ProofInvalid"):
            auction.refute(0, delivery, auction.proof(0, delivery, beside=True))
        with reverts("KeyIsRight"):
            auction.refute(0, delivery)
        auction.go("claim")
        assert cash_of(auction, 0) > 0

    def test_right_key__whose_pages_open_to_something_else__is_for_the_panel(
        self, protocol: Protocol
    ) -> None:
        """The contract cannot see pages. A majority can, and who is silent protects nobody."""
        auction = protocol.lead("dispute", (1, 2))
        with reverts("KeyIsRight"):
            auction.refute(0)
        auction.complain(0)
        auction.go("dispute_verdict").verdict(0, UNREADABLE, [0, 2])
        auction.go("claim")
        with reverts("NothingToClaim"):
            auction.claim(0)
        assert cash_of(auction, 1) == 500_000

    def test_delivery__a_second_time_or_after_the_deadline__is_refused(
        self, protocol: Protocol
    ) -> None:
        """A cheat that sees itself refuted cannot make good, nor take its key back."""
        auction = protocol.lead("deliver", (1, 2))
        auction.deliver(0, auction.delivery(0, GARBAGE))
        with reverts("AlreadyDelivered"):
            auction.deliver(0)
        auction.go("dispute")
        with reverts("OutOfPhase"):
            auction.deliver(1)

    def test_delivery__sent_by_a_stranger_for_an_owner__is_refused(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("deliver", (1, 2))
        with reverts("SignatureInvalid", auction.entries[0].owner):
            auction.deliver(0, sender=SETTLER.address)
        with reverts("SignatureInvalid", auction.entries[0].owner):
            auction.deliver(0, sender=SETTLER.address, signer=MALLORY)
