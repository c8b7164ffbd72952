"""Data keys for money: naming, delivery, refutation, complaints, verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from eth_utils.crypto import keccak

from tests.support.auction import (
    BURN,
    BUYER,
    DELIVERED,
    GWEI,
    PPB,
    REFUTED,
    RELAYER,
    REVEALED,
    SCORING,
    SETTLER,
    SILENT,
    STRUCK,
    UNAVAILABLE,
    UNREADABLE,
    VERDICT_TYPE,
    ZERO,
    Auction,
    Protocol,
    Score,
    person,
    point_of,
    shared_point,
    sign,
    struct_hash,
    typed_digest,
)
from tests.support.chain import reverts
from tests.support.discrete_log import N, multiply

if TYPE_CHECKING:
    from collections.abc import Callable

ALICE, BOB = person("alice"), person("bob")
FETCH_FEE = SCORING["fetchFeeGwei"] * GWEI
MIXED = {"pool": 1_000_000, "rho": PPB // 2}


class TestName:
    def test_name_missing__by_the_buyer__pays_the_standing_panel(self, protocol: Protocol) -> None:
        auction = protocol.lead("fetch")
        receipt = auction.name_missing(0, 1)
        assert [event.args["index"] for event in receipt.events("Missed")] == [0, 1]
        paid = receipt.event("FeesPaid").args
        assert (paid["round"], paid["part"]) == (1, 2 * FETCH_FEE // 3)
        assert paid["refundTo"] == BUYER.address
        with reverts("AlreadyNamed", auction.id, 1):
            auction.name_missing(1)

    def test_name_missing__by_another_or_of_a_loser__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("fetch")
        with reverts("NotTheBuyer", SETTLER.address):
            auction.name_missing(0, sender=SETTLER.address)
        for index in (2, 3, 2**32 - 1):
            with reverts("NotAWinner", auction.id, index):
                auction.name_missing(index)
        with reverts("AlreadyNamed", auction.id, 0):
            auction.name_missing(0, 0)

    @pytest.mark.parametrize("off", [-1, 1])
    def test_name_missing__with_another_value__reverts(self, protocol: Protocol, off: int) -> None:
        auction = protocol.lead("fetch")
        value = 2 * FETCH_FEE + off
        with reverts("FeeMismatch", value, 2 * FETCH_FEE):
            protocol.trade("nameMissing", auction.id, [0, 1], sender=BUYER.address, value=value)
        with reverts("FeeMismatch", FETCH_FEE + off, FETCH_FEE):
            auction.go("dispute")
            args = (auction.id, 0, ZERO)
            protocol.trade("complain", *args, sender=BUYER.address, value=FETCH_FEE + off)

    def test_name_missing__before_settlement__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("settle").go("fetch")
        with reverts("NotSettled", auction.id):
            auction.name_missing(0)

    def test_name_missing__without_a_fee__moves_no_money(self, protocol: Protocol) -> None:
        auction = protocol.lead("fetch", fetchFeeGwei=0)
        assert [event.name for event in auction.name_missing(0).logs] == ["Missed"]
        auction.to("dispute")
        assert [event.name for event in auction.complain(0).logs] == ["Complained"]


class TestVerdict:
    def test_submit_verdict__in_time__takes_payment_mut_and_bond(self, five: Protocol) -> None:
        auction = five.lead("fetch", **MIXED)
        mut = auction.mut()
        supply = five.chain.call(mut, "totalSupply")
        auction.withdraw_refund()
        auction.name_missing(1)
        burned = five.chain.balance(BURN)
        auction.go("fetch_verdict")
        receipt = auction.verdict(1, UNAVAILABLE, [0, 2, 4])
        record = receipt.event("VerdictSubmitted").args
        assert (record["index"], record["ground"], record["members"]) == (1, UNAVAILABLE, (0, 2, 4))
        struck = receipt.event("StruckOut").args
        assert (struck["index"], struck["ground"]) == (1, UNAVAILABLE)
        assert (struck["cash"], struck["mut"]) == (450_000, 450_000)
        assert five.chain.balance(BURN) - burned == auction.bond
        assert auction.slots()[1] & 0xFF == REVEALED | STRUCK
        args = {"amount": 450_000, "supply": supply - 450_000}
        assert receipt.event("SupplyReduced").args == args
        held = five.held(auction.buyer)
        auction.withdraw_refund()
        assert five.held(auction.buyer) - held == 450_000
        auction.go("deliver").deliver(0)
        with reverts("AlreadyStruckOut", auction.id, 1):
            auction.deliver(1)
        auction.go("claim")
        assert five.view("deliveriesResolved", auction.id)
        with reverts("NothingToClaim", auction.id, 1):
            auction.claim(1)
        auction.claim(0)

    def test_submit_verdict__on_a_complaint__strikes_out_who_delivered(
        self, five: Protocol
    ) -> None:
        auction = five.lead("dispute")
        event = auction.complain(0).event("Complained").args
        assert (event["index"], event["complaint"]) == (0, keccak(text="complaint 0"))
        with reverts("AlreadyNamed", auction.id, 0):
            auction.complain(0)
        auction.go("dispute_verdict")
        assert auction.slots()[0] & 0xFF == REVEALED | DELIVERED
        struck = auction.verdict(0, UNREADABLE, [1, 2, 3]).event("StruckOut").args
        assert (struck["cash"], struck["ground"]) == (500_000, UNREADABLE)
        assert auction.slots()[0] & 0xFF == REVEALED | STRUCK
        with reverts("AlreadyStruckOut", auction.id, 0):
            auction.verdict(0, UNREADABLE, [1, 2, 3])
        # Each index by itself: the other is paid.
        auction.go("claim").claim(1)

    def test_submit_verdict__on_what_the_buyer_did_not_name_on_this_ground__reverts(
        self, five: Protocol
    ) -> None:
        auction = five.lead("fetch")
        auction.name_missing(1)
        auction.go("fetch_verdict")
        with reverts("NotNamed", auction.id, 0):
            auction.verdict(0, UNAVAILABLE, [0, 1, 2])
        auction.to("dispute").go("dispute_verdict")
        with reverts("NotNamed", auction.id, 1):
            auction.verdict(1, UNREADABLE, [0, 1, 2])
        # Nobody who has handed over a key is struck out for availability.
        with reverts("OutOfPhase"):
            auction.verdict(1, UNAVAILABLE, [0, 1, 2])

    @pytest.mark.parametrize("ground", [SILENT, REFUTED])
    def test_submit_verdict__on_a_ground_that_no_panel_judges__reverts(
        self, five: Protocol, ground: int
    ) -> None:
        auction = five.lead("dispute").go("dispute_verdict")
        with reverts("NotAGroundForVerdicts", ground):
            auction.verdict(0, ground, [0, 1, 2])

    @pytest.mark.parametrize(("members", "majority"), [(1, 1), (3, 2), (4, 3), (5, 3), (7, 4)])
    def test_submit_verdict__by_fewer_than_a_majority__reverts(
        self, protocol: Protocol, members: int, majority: int
    ) -> None:
        world = Protocol(protocol.chain, first=members)
        auction = world.lead("fetch")
        auction.name_missing(0)
        auction.go("fetch_verdict")
        with reverts("NoQuorum", majority - 1, majority):
            auction.verdict(0, UNAVAILABLE, range(majority - 1))
        auction.verdict(0, UNAVAILABLE, range(members - majority, members))

    def test_submit_verdict__of_doubled_or_unordered_signers__reverts(self, five: Protocol) -> None:
        auction = five.lead("fetch")
        auction.name_missing(0)
        auction.go("fetch_verdict")
        for members, position in (([2, 1, 3], 1), ([1, 2, 2], 2), ([0, 0, 0], 1)):
            with reverts("NotAscending", position):
                auction.verdict(0, UNAVAILABLE, members)

    def test_submit_verdict__signed_by_another_or_for_another_winner__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("fetch")
        auction.name_missing(0, 1)
        auction.go("fetch_verdict")
        words = (protocol.auction.address, auction.id, 0, UNAVAILABLE)
        struct = struct_hash(VERDICT_TYPE, *words)
        digest = typed_digest("Q-MIA ScoreOracle", protocol.oracle.address, struct)
        assert auction.asked("verdictDigest", 0, UNAVAILABLE) == digest
        good = [sign(operator, digest) for operator in protocol.first]

        def submit(index: int, members: list[int], signatures: list[bytes]) -> Any:
            return protocol.trade(
                "submitVerdict", auction.id, index, UNAVAILABLE, members, signatures
            )

        for member in range(3):
            forged = [*good[:member], sign(ALICE, digest), *good[member + 1 :]]
            with reverts("SignerMismatch", member, ALICE.address):
                submit(0, [0, 1, 2], forged)
        with reverts("SignerMismatch"):
            submit(1, [0, 1, 2], good)
        with reverts("NotAMember"):
            submit(0, [0, 1, 3], good)
        submit(0, [0, 1, 2], good)

    def test_submit_verdict__where_an_appeal_moved_nothing__is_the_first_panels(
        self, five: Protocol
    ) -> None:
        auction = five.lead("challenge")
        auction.challenge()
        auction.score([], round_=2)
        auction.to("fetch").name_missing(0)
        auction.go("fetch_verdict")
        with reverts("NoQuorum", 2, 3):
            auction.verdict(0, UNAVAILABLE, [0, 1])
        auction.verdict(0, UNAVAILABLE, [0, 1, 2])

    def test_submit_verdict__where_the_appeal_stands__is_the_appeal_panels(
        self, five: Protocol
    ) -> None:
        auction = five.lead("challenge")
        auction.challenge()
        auction.score([Score(q=5_000)] * 3, round_=2)
        auction.ask("resolve")
        auction.to("fetch")
        assert auction.standing() == 2
        auction.name_missing(0)
        auction.go("fetch_verdict")
        struct = struct_hash(VERDICT_TYPE, five.auction.address, auction.id, 0, UNAVAILABLE)
        digest = typed_digest("Q-MIA ScoreOracle", five.oracle.address, struct)
        signatures = [sign(operator, digest) for operator in five.first[:3]]
        with reverts("SignerMismatch"):
            args = (auction.id, 0, UNAVAILABLE, [0, 1, 2], signatures)
            five.trade("submitVerdict", *args)
        auction.verdict(0, UNAVAILABLE, [0, 2])

    def test_check_verdict__while_no_round_stands__reverts(self, five: Protocol) -> None:
        auction = five.lead("challenge")
        auction.challenge()
        with reverts("NotFinal"):
            auction.asked("checkVerdict", 0, UNAVAILABLE, [], [])


class TestDeliver:
    def test_deliver__by_a_winner__is_final_and_counts_once(self, protocol: Protocol) -> None:
        auction = protocol.lead("deliver")
        delivery = auction.delivery(0)
        event = auction.deliver(0, delivery).event("Delivered").args
        assert (event["auctionId"], event["index"]) == (auction.id, 0)
        assert event["delivery"] == delivery.words
        digest = auction.delivery_digest(0, delivery.words)
        view = protocol.chain.call(
            protocol.exchange, "deliveryDigest", auction.id, 0, delivery.words
        )
        assert view == digest
        slot = auction.slots()[0]
        assert slot & 0xFF == REVEALED | DELIVERED
        assert slot >> 72 & 2**80 - 1 == int.from_bytes(digest[:10], "big")
        assert slot >> 152 == auction.tag(0)
        with reverts("AlreadyDelivered", auction.id, 0):
            auction.deliver(0)
        auction.deliver(1)
        auction.go("claim", -1)
        assert not protocol.view("deliveriesResolved", auction.id)
        auction.go("claim")
        assert protocol.view("deliveriesResolved", auction.id)

    def test_deliver__of_a_loser_or_a_sealed_bid__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("reveal", (100_000, 200_000, 900_000, 5))
        for index in range(3):
            auction.reveal(index)
        auction.go("settle").settle()
        auction.go("deliver")
        with reverts("NotAWinner", auction.id, 2):
            auction.deliver(2)
        with reverts("NotRevealed", auction.id, 3):
            auction.deliver(3)

    def test_deliver__by_anybody_with_the_owners_signature__works(self, protocol: Protocol) -> None:
        wallet = protocol.chain.deploy("Wallet", BOB.address)
        auction = protocol.create()
        auction.commit_for(ALICE.address, ALICE, 10)
        auction.commit_for(wallet.address, BOB, 20)
        auction.go("open")
        for index, signer in ((0, ALICE), (1, BOB)):
            auction.open_for(index, signer)
        auction.go("roll").to("reveal")
        for index in range(2):
            auction.reveal(index, RELAYER.address)
        auction.go("settle").to("deliver")
        for index, owner in ((0, ALICE.address), (1, wallet.address)):
            with reverts("SignatureInvalid", owner):
                auction.deliver(index, sender=RELAYER.address)
            with reverts("SignatureInvalid", owner):
                auction.deliver(index, sender=RELAYER.address, signer=person("thief"))
        auction.deliver(0, sender=RELAYER.address, signer=ALICE)
        auction.deliver(1, sender=RELAYER.address, signer=BOB)

    def test_deliver__of_another_place__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("deliver")
        entry, delivery = auction.entries[0], auction.delivery(0)
        digest = auction.delivery_digest(0, delivery.words)
        signature = sign(delivery.ephemeral, digest)
        for word in ({"owner": SETTLER.address}, {"payer": SETTLER.address}, {"dataSet": ZERO}):
            place = entry.place | word
            with reverts("NotTheOwner", auction.id, 0):
                args = (auction.id, place, delivery.words, signature, b"")
                protocol.trade("deliver", *args, sender=place["owner"])

    def test_deliver__where_the_ephemeral_key_did_not_sign__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("deliver")
        mine, other = auction.delivery(1), auction.delivery(0)
        auction.deliver(0, other)
        entry = auction.entries[1]

        def deliver(words: tuple[bytes, bytes, bytes], signature: bytes) -> Any:
            args = (auction.id, entry.place, words, signature, b"")
            return protocol.trade("deliver", *args, sender=entry.owner)

        stolen = (mine.wrapped, *other.words[1:])
        with reverts("EphemeralKeyInvalid"):  # It has no key for the copied point.
            deliver(stolen, sign(mine.ephemeral, auction.delivery_digest(1, stolen)))
        with reverts("EphemeralKeyInvalid"):  # The signature of another index.
            deliver(stolen, sign(other.ephemeral, auction.delivery_digest(0, other.words)))
        with reverts("EphemeralKeyInvalid"):  # Of another wrapped key.
            changed = (ZERO, *mine.words[1:])
            deliver(changed, sign(mine.ephemeral, auction.delivery_digest(1, mine.words)))
        for x, y in ((N, 1), (2**256 - 1, 0), (0, 0)):
            odd = (mine.wrapped, x.to_bytes(32, "big"), y.to_bytes(32, "big"))
            with reverts("EphemeralKeyInvalid"):
                deliver(odd, sign(mine.ephemeral, auction.delivery_digest(1, odd)))
        for malformed, error in (
            (b"", "ECDSAInvalidSignatureLength"),
            (bytes(65), "ECDSAInvalidSignature"),
            (b"\1" * 32 + b"\xff" * 32 + b"\x1b", "ECDSAInvalidSignatureS"),
        ):
            with reverts(error):
                deliver(mine.words, malformed)
        deliver(mine.words, sign(mine.ephemeral, auction.delivery_digest(1, mine.words)))

    def test_deliver__before_settlement__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("settle").go("deliver")
        with reverts("WrongState", 0):
            auction.deliver(0)

    def test_record_delivery_and_strike_out__by_anyone_but_the_exchange__revert(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("deliver")
        tag = auction.tag(0).to_bytes(13, "big")
        for sender in (BUYER.address, auction.entries[0].owner, SETTLER.address):
            with reverts("NotTheExchange", sender):
                protocol.do("recordDelivery", auction.id, 0, tag, 1, sender=sender)
            with reverts("NotTheExchange", sender):
                protocol.do("strikeOut", auction.id, 0, REFUTED, sender=sender)


class TestRefute:
    def cheated(self, protocol: Protocol, **terms: Any) -> tuple[Auction, Any]:
        """Index 1 delivers a key that is not the one committed to."""
        auction = protocol.lead("deliver", **terms)
        wrong = auction.delivery(1, keccak(b"garbage"))
        auction.deliver(1, wrong)
        return auction.to("dispute"), wrong

    def test_refute__of_a_wrong_key__strikes_it_out_by_the_contract_alone(
        self, protocol: Protocol
    ) -> None:
        auction, wrong = self.cheated(protocol, **MIXED)
        burned = protocol.chain.balance(BURN)
        receipt = auction.refute(1, wrong, sender=SETTLER.address)
        event = receipt.event("Refuted").args
        assert (event["index"], event["dataKey"]) == (1, keccak(b"garbage"))
        struck = receipt.event("StruckOut").args
        assert (struck["cash"], struck["mut"], struck["ground"]) == (450_000, 450_000, REFUTED)
        assert protocol.chain.balance(BURN) - burned == auction.bond
        assert auction.slots()[1] & 0xFF == REVEALED | STRUCK
        with reverts("NotTheDelivery", auction.id, 1):
            auction.refute(1, wrong)
        auction.go("claim").claim(0)

    def test_refute__of_the_right_key__is_refused(self, protocol: Protocol) -> None:
        auction, _ = self.cheated(protocol)
        with reverts("KeyIsRight", auction.id, 0):
            auction.refute(0)

    def test_refute__of_another_delivery_place_or_data_set__is_refused(
        self, protocol: Protocol
    ) -> None:
        auction, wrong = self.cheated(protocol)
        entry = auction.entries[1]
        proof = auction.proof(1, wrong)
        key = point_of(auction.buyer_key)

        def refute(place: Any, data_set: Any, words: Any) -> Any:
            args = (auction.id, place, data_set, words, key, proof)
            return protocol.trade("refute", *args)

        right = (entry.place, entry.data_set, wrong.words)
        other = auction.entries[0]
        changed: list[tuple[Any, Any, Any]] = [
            (entry.place | {"owner": SETTLER.address}, entry.data_set, wrong.words),
            (entry.place | {"payer": SETTLER.address}, entry.data_set, wrong.words),
            (entry.place | {"dataSet": other.place["dataSet"]}, other.data_set, wrong.words),
            (entry.place, other.data_set, wrong.words),
            (entry.place, entry.data_set | {"keyCommitment": ZERO}, wrong.words),
            (entry.place, entry.data_set, (ZERO, *wrong.words[1:])),
            (entry.place, entry.data_set, auction.delivery(1).words),
            (entry.place | {"index": 0}, entry.data_set, wrong.words),
        ]
        for words in changed:
            with reverts("NotTheDelivery", auction.id, words[0]["index"]):
                refute(*words)
        lost = auction.entries[2]
        with reverts("NotTheDelivery", auction.id, 2):
            refute(lost.place, lost.data_set, wrong.words)
        refute(*right)

    def test_refute__with_another_key_than_the_buyers__is_refused(self, protocol: Protocol) -> None:
        auction, wrong = self.cheated(protocol)
        entry, thief = auction.entries[1], person("thief")
        proof = auction.proof(1, wrong)
        args = (auction.id, entry.place, entry.data_set, wrong.words, point_of(thief), proof)
        with reverts("NotTheKey", thief.address):
            protocol.trade("refute", *args)

    @pytest.mark.parametrize(
        "change",
        [
            lambda _: {"shared": (5, 5)},
            lambda _: {"shared": multiply(77)},
            lambda proof: {"c": proof["c"] + 1},
            lambda proof: {"z": (proof["z"] + 1) % N},
            lambda proof: {"slope": proof["slope"] + 1},
            lambda proof: {"t": proof["u"]},
            lambda proof: {"u": proof["t"]},
            lambda proof: {"t": proof["u"], "u": proof["t"], "c": proof["z"], "z": proof["c"]},
            lambda _: {"c": N},
            lambda _: {"c": 0},
            lambda _: {"z": N},
            lambda _: {"z": 0},
            lambda _: {"slope": 2**256 - 1},
        ],
    )
    def test_refute__with_a_proof_that_does_not_hold__is_refused(
        self, protocol: Protocol, change: Callable[[Any], Any]
    ) -> None:
        auction, wrong = self.cheated(protocol)
        proof = auction.proof(1, wrong)
        with reverts("ProofInvalid"):
            auction.refute(1, wrong, proof | change(proof))

    def test_refute__of_a_right_key_by_a_false_shared_point__is_refused(
        self, protocol: Protocol
    ) -> None:
        """The buyer would rather have the data for nothing."""
        auction, _ = self.cheated(protocol)
        delivery = auction.delivery(0)
        for shared in (multiply(12_345), shared_point(person("thief"), point_of(ALICE))):
            with reverts("ProofInvalid"):
                auction.refute(0, delivery, auction.proof(0, delivery, shared))

    def test_refute__with_the_proof_of_another_index_or_auction__is_refused(
        self, protocol: Protocol
    ) -> None:
        auction, wrong = self.cheated(protocol)
        for index in (0, 2):
            with reverts("ProofInvalid"):
                auction.refute(1, wrong, auction.proof(index, wrong))
        auction.refute(1, wrong)

    def test_refute__of_who_delivered_nothing__is_for_forfeit(self, protocol: Protocol) -> None:
        auction = protocol.lead("deliver").go("dispute")
        with reverts("NotTheDelivery", auction.id, 0):
            auction.refute(0)
        auction.forfeit(0)
