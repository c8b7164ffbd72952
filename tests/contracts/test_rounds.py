"""A round of scores: commitments, vectors, lower medians, and who is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from eth_utils.crypto import keccak

from tests.support.auction import (
    BURN,
    CHUNK,
    ETHER,
    PRESENT,
    RELAYER,
    SETTLER,
    UNDERSERVED,
    ZERO,
    Auction,
    Protocol,
    Report,
    Score,
    chunks_of,
    pack,
    person,
    sign,
)
from tests.support.chain import reverts

if TYPE_CHECKING:
    from collections.abc import Sequence

ALICE = person("alice")
SCORES = [Score(), Score(q=5_000, phi=20), Score(7, 300, 9_999, PRESENT | UNDERSERVED)]


def missing(auction: Auction, member: int, round_: int = 1) -> Any:
    return auction.ask("slashMissing", round_, member)


def final(auction: Auction) -> tuple[int, list[bytes]]:
    """Return the standing round and the chunks of its scores."""
    round_, pointers = auction.asked("finalScores")
    codes = [auction.protocol.chain.code(pointer) for pointer in pointers]
    assert all(code[0] == 0 for code in codes)
    return round_, [code[1:] for code in codes]


class TestCommit:
    def test_commit_vector__by_a_member__stakes(self, protocol: Protocol) -> None:
        auction = protocol.lead("score")
        auction.tally()
        report = auction.report(1, SCORES)
        operator = protocol.first[1].address
        held, credit = protocol.chain.balance(protocol.oracle.address), protocol.credit(operator)
        event = auction.commit_vector(report).event("VectorCommitted").args
        assert (event["member"], event["round"]) == (operator, 1)
        assert credit - protocol.credit(operator) == ETHER
        assert protocol.chain.balance(protocol.oracle.address) == held
        assert auction.rounds()[0] == (0b10, 0, 0, 0)

    def test_commit_vector__by_another_or_twice__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("score")
        auction.tally()
        for sender, member in (
            (protocol.first[0].address, 1),
            (protocol.first[0].address, 3),
            (protocol.appeal[0].address, 0),
            (SETTLER.address, 0),
        ):
            with reverts("NotAMember", sender, member):
                auction.ask("commitVector", member, ZERO, sender=sender)
            with reverts("NotAMember", sender, member):
                auction.ask("announceVector", member, "", sender=sender)
        operator = protocol.first[0].address
        auction.ask("commitVector", 0, ZERO, sender=operator)
        with reverts("AlreadyCommitted", operator):
            auction.ask("commitVector", 0, ZERO, sender=operator)

    def test_announce_vector__by_a_member__only_emits(self, protocol: Protocol) -> None:
        auction = protocol.lead("score")
        operator = protocol.first[2].address
        event = auction.ask("announceVector", 2, "ipfs://x", sender=operator)
        assert event.event("VectorAnnounced").args["location"] == "ipfs://x"
        assert auction.rounds()[0] == (0, 0, 0, 0)

    def test_report_digest__of_a_report__is_its_eip_712_digest(self, protocol: Protocol) -> None:
        auction = protocol.create()
        for round_, member in ((1, 1), (2, 0)):
            report = auction.report(member, SCORES, round_)
            digest = auction.asked("reportDigest", round_, report.root, report.evidence)
            assert digest == report.digest


class TestPost:
    def test_post_scores__of_all_who_committed__stores_the_medians(self, five: Protocol) -> None:
        auction = five.lead("score")
        vectors = [
            [s._replace(q=s.q - i, volume=s.volume + i) for s in SCORES] for i in (2, 0, 4, 1, 3)
        ]
        receipt = auction.post(auction.commit_round(*vectors))
        event = receipt.event("ScoresPosted").args
        assert (event["round"], event["chunk"], event["mask"]) == (1, 0, 31)
        assert [s.vector for s in event["submissions"]] == [pack(vector) for vector in vectors]
        assert receipt.event("RoundCompleted").args["mask"] == 31
        middle = [s._replace(q=s.q - 2, volume=s.volume + 2) for s in SCORES]
        assert final(auction) == (1, [pack(middle)])
        assert auction.rounds()[0] == (31, 0, 31, 0)
        assert auction.standing() == 1

    def test_post_scores__of_an_even_number__takes_the_lower_median(self, five: Protocol) -> None:
        auction = five.lead("score")
        vectors = [[s._replace(q=s.q - i) for s in SCORES] for i in range(4)]
        auction.score(*vectors, None)
        assert final(auction)[1] == [pack([s._replace(q=s.q - 2) for s in SCORES])]

    def test_post_scores__of_a_subset_that_somebody_picked__reverts(self, five: Protocol) -> None:
        auction = five.lead("score")
        signed = auction.commit_round(SCORES)
        with reverts("WrongMembers", 0b00111, 0b11111):
            auction.post(signed[:3])
        with reverts("NotAscending", 1):
            auction.post([signed[1], signed[0], *signed[2:]])
        with reverts("NotAscending", 1):
            auction.post([signed[0], signed[0], *signed[1:]])

    def test_post_scores__of_fewer_than_the_quorum__reverts(self, five: Protocol) -> None:
        auction = five.lead("score")
        signed = auction.commit_round(SCORES, SCORES, None, None, None)
        with reverts("NoQuorum", 2, 3):
            auction.post(signed)

    def test_post_scores__once_complete__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("score")
        signed = auction.commit_round(SCORES)
        # A quorum of fewer publishes; it may not have the last word.
        for report in (*signed[:2], signed[0]):
            auction.publish(report)
        auction.post(signed)
        with reverts("RoundComplete", 1):
            auction.post(signed)
        with reverts("RoundComplete", 1):
            auction.publish(signed[2])
        auction.go("score_post")
        with reverts("RoundComplete", 1):
            auction.post(signed[:2])

    def test_post_scores__of_a_changed_vector_salt_or_signature__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("score")
        signed = auction.commit_round(SCORES)
        good = [report.submission(0) for report in signed]

        def posting(change: dict[str, Any], chunk: int = 0) -> None:
            auction.ask("postScores", chunk, [good[0], good[1] | change, good[2]])

        cheat = pack([Score(q=1)] * 3)
        with reverts("NotTheVector", 1):
            posting({"vector": cheat})
        for change in (
            {"vector": cheat, "chunkHashes": [keccak(cheat)]},
            {"salt": ZERO},
            {"evidence": ZERO},
        ):
            with reverts("NotTheCommitment", 1):
                posting(change)
        with reverts("SignerMismatch", 1, ALICE.address):
            posting({"signature": sign(ALICE, signed[1].digest)})
        with reverts("ChunkUnknown", 1):
            posting({}, chunk=1)
        posting({})

    @pytest.mark.parametrize("wrong", [SCORES[:2], [*SCORES, Score()]], ids=["short", "long"])
    def test_post_scores__of_a_vector_of_another_length__reverts(
        self, protocol: Protocol, wrong: Sequence[Score]
    ) -> None:
        auction = protocol.lead("score")
        signed = auction.commit_round(SCORES, SCORES, wrong)
        with reverts("NotTheVector", 2):
            auction.post(signed)
        with reverts("NotTheVector", 2):
            auction.publish(signed[2])

    @pytest.mark.parametrize("bids", [CHUNK, CHUNK + 1])
    def test_post_scores__of_a_chunk_or_two__completes_with_the_last_in_any_order(
        self, protocol: Protocol, bids: int
    ) -> None:
        auction = protocol.crowd(bids)
        scores = [Score(volume=i) for i in range(bids)]
        signed = auction.commit_round(scores)
        assert auction.publish(signed[0]).event("VectorPublished").args["round"] == 1
        for changed in (0, bids * 8 - 1):
            vector = bytearray(signed[1].vector)
            vector[changed] ^= 1
            with reverts("NotTheVector", 1):
                auction.ask("publishVector", signed[1].submission() | {"vector": bytes(vector)})
        for chunk in (1, 0) if bids > CHUNK else (0,):
            parts = [report.submission(chunk) for report in signed]
            receipt = auction.ask("postScores", chunk, parts)
            assert bool(receipt.events("RoundCompleted")) == (chunk == 0)
            if chunk:
                with reverts("ChunkPosted", 1):
                    auction.ask("postScores", chunk, parts)
        assert final(auction) == (1, chunks_of(pack(scores)))


class TestPublish:
    def test_post_scores__of_those_who_published__is_the_late_path(self, five: Protocol) -> None:
        auction = five.lead("score")
        other = [s._replace(q=1) for s in SCORES]
        signed = auction.commit_round(SCORES, other, SCORES, SCORES, other)
        for member in (0, 2, 3):
            event = auction.publish(signed[member]).event("VectorPublished").args
            words = [signed[member].signature, (keccak(pack(SCORES)),), pack(SCORES)]
            assert list(event["submission"])[3:] == words
            assert event["member"] == five.first[member].address
        auction.go("score_post")
        with reverts("WrongMembers", 0b11111, 0b01101):
            auction.post(signed)
        receipt = auction.post([signed[0], signed[2], signed[3]])
        assert receipt.event("RoundCompleted").args["mask"] == 0b01101
        assert final(auction) == (1, [pack(SCORES)])
        assert auction.rounds()[0] == (0b11111, 0b01101, 0b01101, 0)

    def test_publish_vector__of_another_report_than_committed__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("score")
        signed = auction.commit_round(SCORES)
        with reverts("NotTheCommitment", 1):
            auction.publish(auction.report(1, [Score(q=1)] * 3))
        bad = signed[1].submission() | {"vector": pack([Score(q=1)] * 3)}
        with reverts("NotTheVector", 1):
            auction.ask("publishVector", bad)

    def test_vector__with_more_hashes_than_chunks__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("score")
        auction.tally()
        hashes = [keccak(pack(SCORES)), ZERO]
        plain = auction.report(0, SCORES)
        digest = auction.asked("reportDigest", 1, keccak(b"".join(hashes)), plain.evidence)
        signature = sign(protocol.first[0], digest)
        auction.commit_vector(plain._replace(digest=digest))
        others = [auction.report(member, SCORES) for member in (1, 2)]
        for report in others:
            auction.commit_vector(report)
        auction.go("score_open")
        more = plain.submission() | {"chunkHashes": hashes, "signature": signature}
        with reverts("NotTheVector", 0):
            auction.ask("publishVector", more)
        with reverts("NotTheVector", 0):
            auction.ask("postScores", 0, [more, *(each.submission(0) for each in others)])

    def test_failed__without_a_quorum__is_true_after_round_one_only(self, five: Protocol) -> None:
        auction = five.lead("score")
        auction.commit_round(SCORES, SCORES, None, None, None)
        auction.go("challenge", -1)
        assert not auction.asked("failed")
        auction.go("challenge")
        assert auction.asked("failed")
        with reverts("NotFinal"):
            auction.asked("finalScores")
        with reverts("NothingToChallenge"):
            auction.challenge()
        auction.go("reveal")
        with reverts("NothingToResolve"):  # Not by this door either.
            auction.ask("resolve")


class TestMissing:
    def test_slash_missing__of_who_neither_posted_nor_published__burns_the_stake(
        self, five: Protocol
    ) -> None:
        auction = five.lead("score")
        signed = auction.commit_round(SCORES, SCORES, SCORES, SCORES, None)
        for member in (0, 2, 3):
            auction.publish(signed[member])
        auction.go("score_post")
        with reverts("OutOfWindow"):
            missing(auction, 1)
        auction.post([signed[i] for i in (0, 2, 3)])
        auction.go("challenge")
        burned = five.chain.balance(BURN)
        event = missing(auction, 1).event("StakeSlashed").args
        assert event["member"] == five.first[1].address
        assert event["offence"] == b"missing".ljust(32, b"\0")
        assert (event["burned"], event["dues"]) == (ETHER, 0)
        assert five.chain.balance(BURN) - burned == ETHER
        with reverts("NoStake", five.first[1].address):
            missing(auction, 1)
        for member in (0, 2, 3, 4):
            with reverts("NotSlashable", five.first[member].address):
                missing(auction, member)
        auction.go("reveal", 7 * 86_400)
        for member in (1, 4):
            with reverts("NoStake", five.first[member].address):
                auction.ask("releaseStake", 1, member)
        for member in (0, 2, 3):
            auction.ask("releaseStake", 1, member)

    def test_release_stake__of_who_is_missing_and_was_not_slashed__reverts(
        self, five: Protocol
    ) -> None:
        auction = five.lead("score")
        signed = auction.commit_round(SCORES)
        for report in signed[:3]:
            auction.publish(report)
        auction.go("reveal", 7 * 86_400)
        for member in (3, 4):
            with reverts("NoStake", five.first[member].address):
                auction.ask("releaseStake", 1, member)
            missing(auction, member)
        for member in range(3):  # Nobody posted what they published: not their fault.
            auction.ask("releaseStake", 1, member)

    def test_slash_missing__where_too_few_committed__is_nobodys_fault(self, five: Protocol) -> None:
        auction = five.lead("score")
        auction.commit_round(SCORES, SCORES, None, None, None)
        auction.go("challenge")
        for member in range(2):
            with reverts("NotSlashable", five.first[member].address):
                missing(auction, member)
        auction.go("reveal", 7 * 86_400)
        for member in range(2):
            auction.ask("releaseStake", 1, member)

    def test_slash_missing__of_a_round_that_is_none__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("reveal")
        for round_ in (0, 3):
            with reverts("UnknownRound", round_):
                missing(auction, 0, round_)
        with reverts("NotSlashable"):
            missing(auction, 0, 2)


class TestContradiction:
    def slash(self, auction: Auction, member: int, a: Any, b: Any) -> Any:
        return auction.ask("slashContradiction", member, a, b, sender=RELAYER.address)

    def pair(self, auction: Auction, member: int, round_: int = 1) -> tuple[Report, Report]:
        """Two reports of one member; the first is the one it will commit to."""
        first = auction.report(member, SCORES, round_)
        return first, auction.report(member, [Score(q=9)] * 3, round_)

    def test_slash_contradiction__on_two_signed_reports__burns_the_stake_and_pays_nobody(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("score")
        auction.score(SCORES)
        a, b = self.pair(auction, 1)
        operator = protocol.first[1].address
        burned, credit = protocol.chain.balance(BURN), protocol.credit(RELAYER.address)
        # Its own signature, over a report of the round in which it has no seat.
        appeal = auction.report(0, SCORES, 2)
        appeal = appeal._replace(signature=sign(protocol.first[1], appeal.digest))
        for c, d, member in [
            (a.signed(1), appeal.signed(2), 1),
            (a.signed(1), a.signed(1), 1),
            (a.signed(1), b.signed(2), 1),
            (a.signed(1), b.signed(1), 0),
            (a.signed(1), auction.report(0, SCORES).signed(1), 1),
            (auction.report(0, SCORES).signed(1), a.signed(1), 1),
        ]:
            with reverts("NotSlashable", protocol.first[member].address):
                self.slash(auction, member, c, d)
        receipt = self.slash(auction, 1, a.signed(1), b.signed(1))
        proof = receipt.event("ContradictionProved").args
        assert [proof[each][-1] for each in "ab"] == [a.signature, b.signature]
        event = receipt.event("StakeSlashed").args
        assert (event["member"], event["burned"], event["dues"]) == (operator, ETHER, 0)
        assert protocol.chain.balance(BURN) - burned == ETHER
        assert protocol.credit(RELAYER.address) == credit
        with reverts("NoStake", operator):
            self.slash(auction, 1, a.signed(1), b.signed(1))

    def test_slash_contradiction__of_who_has_no_stake_here__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("score")
        a, b = self.pair(auction, 1)
        with reverts("NoStake", protocol.first[1].address):
            self.slash(auction, 1, a.signed(1), b.signed(1))
        for round_ in (0, 3):
            with reverts("UnknownRound", round_):
                self.slash(auction, 1, a.signed(round_), b.signed(round_))

    def test_slash_contradiction__in_one_auction__leaves_the_other_stakes_alone(
        self, protocol: Protocol
    ) -> None:
        one, two = protocol.create(), protocol.create()
        for auction in (one, two):
            for cost in range(3):
                auction.commit(cost)
        for auction in (one, two):
            auction.score(SCORES)
        a, b = self.pair(one, 1)
        self.slash(one, 1, a.signed(1), b.signed(1))
        with reverts("NotSlashable"):
            self.slash(two, 1, a.signed(1), b.signed(1))
        two.go("reveal", 7 * 86_400)
        two.ask("releaseStake", 1, 1)
        with reverts("NoStake"):
            one.ask("releaseStake", 1, 1)

    def test_slash_contradiction__of_a_report_each_for_two_rounds_or_auctions__is_none(
        self, protocol: Protocol
    ) -> None:
        auction, other = protocol.create(), protocol.create()
        for each in (auction, other):
            each.commit(1)
        auction.score([])
        a, b = auction.report(1, [Score()]), other.report(1, [Score(q=1)])
        with reverts("NotSlashable"):
            self.slash(auction, 1, a.signed(1), b.signed(1))
        reply = auction.report(0, [Score(q=1)], 2)
        with reverts("NotSlashable"):
            self.slash(auction, 0, auction.report(0, [Score()]).signed(1), reply.signed(2))
