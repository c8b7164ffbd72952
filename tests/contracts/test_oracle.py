"""Operators, rounds, challenges, slashing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from eth_utils.crypto import keccak

from tests.support.auction import (
    BURN,
    CHALLENGE_BOND,
    CHALLENGER,
    CHUNK,
    ELIGIBLE,
    MIN_BOND,
    RELAYER,
    UNDERSERVED,
    ZERO,
    Score,
    chunks_of,
    pack,
    person,
    public_key,
    sign,
)
from tests.support.chain import Reverted, reverts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.auction import Auction, Protocol, Report
    from tests.support.chain import Receipt

ALICE = person("alice")
SCORES = [Score(), Score(q=5_000, phi=20), Score(7, 300, 9_999, ELIGIBLE | UNDERSERVED)]


def bond(protocol: Protocol, operator: int) -> int:
    address = protocol.operators[operator].address
    amount: int = protocol.chain.call(protocol.oracle, "bondOf", address)[0]
    return amount


def credit(protocol: Protocol, address: str) -> int:
    amount: int = protocol.chain.call(protocol.oracle, "credit", address)
    return amount


def request(auction: Auction) -> Any:
    return auction.protocol.chain.call(
        auction.protocol.oracle, "requestOf", auction.protocol.auction, auction.id
    )


def reports(auction: Auction, *vectors: Sequence[Score], round_: int = 1) -> list[Report]:
    """Commit one vector an operator; the clock stands at the opening."""
    suffix = "" if round_ == 1 else "2"
    signed = [auction.report(i, vector, round_) for i, vector in enumerate(vectors)]
    auction.go("score" + suffix)
    for report in signed:
        auction.commit_vector(report)
    auction.go("open" + suffix)
    return signed


def challenge(auction: Auction) -> Receipt:
    auction.go("challenge")
    return auction.ask("challenge", sender=CHALLENGER.address, value=CHALLENGE_BOND)


class TestOperators:
    def test_register__with_a_bond__makes_an_operator_once(self, protocol: Protocol) -> None:
        key = public_key(ALICE)
        protocol.fund(ALICE.address)
        with reverts("BondTooSmall", MIN_BOND - 1, MIN_BOND):
            protocol.ask("register", *key, sender=ALICE.address, value=MIN_BOND - 1)
        event = protocol.ask("register", *key, sender=ALICE.address, value=MIN_BOND)
        args = {"operator": ALICE.address, "bond": MIN_BOND, "keyX": key[0], "keyY": key[1]}
        assert event.event("OperatorRegistered").args == args
        with reverts("AlreadyRegistered", ALICE.address):
            protocol.ask("register", *key, sender=ALICE.address, value=MIN_BOND)
        added = protocol.ask("addBond", sender=ALICE.address, value=5).event("BondAdded").args
        assert (added["amount"], added["bond"]) == (5, MIN_BOND + 5)

    def test_exit__of_an_idle_operator__credits_the_bond(self, protocol: Protocol) -> None:
        operator = protocol.operators[0].address
        protocol.ask("exit", sender=operator)
        before = protocol.chain.balance(RELAYER.address)
        receipt = protocol.ask("withdrawCredit", RELAYER.address, sender=operator)
        assert receipt.event("CreditWithdrawn").args == {"account": operator, "amount": MIN_BOND}
        assert protocol.chain.balance(RELAYER.address) - before == MIN_BOND
        with reverts("NothingDue", operator):
            protocol.ask("withdrawCredit", operator, sender=operator)
        for call in ("exit", "addBond"):
            with reverts("NotAnOperator", operator):
                protocol.ask(call, sender=operator)

    def test_withdraw_credit__to_who_refuses_ether__keeps_the_credit(
        self, protocol: Protocol
    ) -> None:
        wallet = protocol.chain.deploy("Wallet", ALICE.address)
        protocol.chain.transact(wallet, "refuse", True)
        operator = protocol.operators[0].address
        protocol.ask("exit", sender=operator)
        with reverts("NothingDue", wallet.address):
            protocol.ask("withdrawCredit", wallet, sender=operator)
        assert credit(protocol, operator) == MIN_BOND

    def test_create_set__of_registered_operators__is_immutable_and_readable(
        self, five: Protocol
    ) -> None:
        members = [operator.address for operator in five.operators]
        for n, thresholds in ((1, {1}), (2, set()), (3, {3}), (4, {3}), (5, {3, 5})):
            for k in range(7):
                if k in thresholds:
                    event = five.ask("createSet", members[:n], k).event("SetCreated").args
                    stored = five.chain.call(five.oracle, "setOf", event["operatorSet"])
                    assert stored == (tuple(members[:n]), k)
                else:
                    with reverts("SetInvalid"):
                        five.ask("createSet", members[:n], k)

    def test_create_set__of_strangers_twins_or_too_many__reverts(self, five: Protocol) -> None:
        members = [operator.address for operator in five.operators]
        with reverts("MembersUnordered", 1):
            five.ask("createSet", [members[1], members[0], members[2]], 3)
        with reverts("MembersUnordered", 2):
            five.ask("createSet", [members[0], members[1], members[1]], 3)
        with reverts("NotAnOperator", ALICE.address):
            five.ask("createSet", [ALICE.address], 1)
        with reverts("SetInvalid"):
            five.ask("createSet", [], 1)

    def test_create_set__of_the_most_members__works_and_of_one_more_does_not(
        self, protocol: Protocol
    ) -> None:
        most = protocol.chain.call(protocol.oracle, "MAX_MEMBERS")
        members = sorted((person(f"member {i}").address for i in range(most + 1)), key=str.lower)
        for member in members:
            protocol.fund(member)
            protocol.ask("register", ZERO, ZERO, sender=member, value=MIN_BOND)
        k = most // 2 + 1 + most // 2 % 2
        protocol.ask("createSet", members[:most], k)
        with reverts("SetInvalid"):
            protocol.ask("createSet", members, k + 2)

    def test_exit__of_an_operator_who_committed__waits_a_week_after_round_two(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("reveal")
        operator = protocol.operators[0].address
        locked = auction.starts()["reveal"] + 7 * 86_400
        assert protocol.chain.call(protocol.oracle, "bondOf", operator)[1] == locked
        with reverts("BondLocked", locked):
            protocol.ask("exit", sender=operator)

    def test_commit_vector__to_an_auction_that_ends_earlier__does_not_shorten_the_lock(
        self, protocol: Protocol
    ) -> None:
        long = protocol.create(durations={"challenge": 10_000})
        short = protocol.create()
        long.go("score")
        for auction in (long, short):
            auction.commit_vector(auction.report(0, SCORES))
        operator = protocol.operators[0].address
        locked = long.starts()["reveal"] + 7 * 86_400
        assert protocol.chain.call(protocol.oracle, "bondOf", operator)[1] == locked


class TestRequests:
    def test_open__by_any_consumer__is_its_own(self, protocol: Protocol) -> None:
        auction = protocol.create()
        kept = request(auction)[0]
        receipt = protocol.ask("open", auction.id, kept, sender=RELAYER.address)
        assert receipt.event("RequestOpened").args["consumer"] == RELAYER.address
        with reverts("RequestExists", RELAYER.address, auction.id):
            protocol.ask("open", auction.id, kept, sender=RELAYER.address)
        with reverts("UnknownRequest", RELAYER.address, 7):
            protocol.ask("open", 7, kept._replace(start=0), sender=RELAYER.address)
        with reverts("UnknownSet", 0):
            protocol.ask("open", 8, kept._replace(operatorSet=0), sender=RELAYER.address)

    def test_any_call__on_an_unknown_request__reverts(self, protocol: Protocol) -> None:
        consumer = protocol.auction
        empty = (0, ZERO, ZERO, b"", [], b"")
        blank = (1, ZERO, ZERO, b"")
        stranger = ALICE.address
        for call, args in {
            "commitVector": (0, ZERO),
            "announceVector": (0, ""),
            "publishVector": (empty,),
            "postScores": (0, [empty]),
            "challenge": (),
            "resolve": (),
            "slashEquivocation": (stranger, blank, blank),
            "slashMissing": (1, 0),
            "slashDeviator": (0, 0, ZERO, b"", [], b""),
            "finalScores": (),
            "failed": (),
            "windows": (1,),
            "requestOf": (),
        }.items():
            with reverts("UnknownRequest", consumer.address, 99):
                protocol.ask(call, consumer, 99, *args)

    def test_report_digest__of_a_report__is_its_eip_712_digest(self, protocol: Protocol) -> None:
        auction = protocol.create()
        for round_ in (1, 2):
            report = auction.report(1, SCORES, round_)
            args = (protocol.auction, auction.id, round_, report.root, report.evidence)
            assert protocol.chain.call(protocol.oracle, "reportDigest", *args) == report.digest


class TestRound:
    def test_post_scores__of_all_who_committed__stores_the_medians(self, five: Protocol) -> None:
        auction = five.lead("score")
        vectors = [
            [s._replace(q=s.q - i, volume=s.volume + i) for s in SCORES] for i in (2, 0, 4, 1, 3)
        ]
        signed = reports(auction, *vectors)
        receipt = auction.post(signed)
        event = receipt.event("ScoresPosted").args
        assert (event["round"], event["chunk"], event["mask"]) == (1, 0, 31)
        assert [s.vector for s in event["submissions"]] == [pack(vector) for vector in vectors]
        assert receipt.event("RoundCompleted").args["mask"] == 31
        final, (pointer,) = five.chain.call(five.oracle, "finalScores", five.auction, auction.id)
        assert final == 1
        middle = [s._replace(q=s.q - 2, volume=s.volume + 2) for s in SCORES]
        assert five.chain.code(pointer) == b"\0" + pack(middle)
        assert request(auction)[1:4] == ((31, 0), (0, 0), (31, 0))

    def test_post_scores__of_an_even_number__takes_the_lower_median(self, five: Protocol) -> None:
        auction = five.lead("score")
        vectors = [[s._replace(q=s.q - i) for s in SCORES] for i in range(4)]
        auction.post(reports(auction, *vectors))
        _, (pointer,) = five.chain.call(five.oracle, "finalScores", five.auction, auction.id)
        assert five.chain.code(pointer) == b"\0" + pack([s._replace(q=s.q - 2) for s in SCORES])

    def test_post_scores__of_a_subset_that_somebody_picked__reverts(self, five: Protocol) -> None:
        auction = five.lead("score")
        signed = reports(auction, *[SCORES] * 5)
        with reverts("WrongMembers", 0b00111, 0b11111):
            auction.post(signed[:3])
        with reverts("MembersUnordered", 1):
            auction.post([signed[1], signed[0], *signed[2:]])
        with reverts("MembersUnordered", 1):
            auction.post([signed[0], signed[0], *signed[1:]])

    def test_post_scores__of_fewer_than_the_quorum__reverts(self, five: Protocol) -> None:
        auction = five.lead("score")
        signed = reports(auction, SCORES, SCORES)
        with reverts("NoQuorum", 2, 3):
            auction.post(signed)

    def test_post_scores__of_those_who_published__is_the_late_path(self, five: Protocol) -> None:
        auction = five.lead("score")
        other = [s._replace(q=1) for s in SCORES]
        signed = reports(auction, SCORES, other, SCORES, SCORES, other)
        for member in (0, 2, 3):
            event = auction.publish(signed[member]).event("VectorPublished").args
            assert list(event["submission"])[3:] == [
                signed[member].signature,
                (keccak(pack(SCORES)),),
                pack(SCORES),
            ]
            assert event["operator"] == five.operators[member].address
        auction.go("post")
        with reverts("WrongMembers", 0b11111, 0b01101):
            auction.post(signed)
        receipt = auction.post([signed[0], signed[2], signed[3]])
        assert receipt.event("RoundCompleted").args["mask"] == 0b01101
        auction.go("challenge")
        for member, slashable in enumerate([False, True, False, False, True]):
            before = bond(five, member)
            if not slashable:
                with reverts("NotSlashable", five.operators[member].address):
                    auction.ask("slashMissing", 1, member)
                continue
            event = auction.ask("slashMissing", 1, member).event("OperatorSlashed").args
            assert (event["amount"], event["reward"]) == (MIN_BOND // 10, 0)
            assert event["beneficiary"] == "0x" + "00" * 20
            assert event["offence"] == b"missing".ljust(32, b"\0")
            assert bond(five, member) == before - MIN_BOND // 10
            with reverts("AlreadySlashed", five.operators[member].address):
                auction.ask("slashMissing", 1, member)
        # Below the minimum nobody can commit again before the bond is whole.
        fresh = five.create()
        fresh.commit()
        fresh.go("score")
        with reverts("BondTooSmall", MIN_BOND * 9 // 10, MIN_BOND):
            fresh.commit_vector(fresh.report(1, SCORES[:1]))
        five.ask("addBond", sender=five.operators[1].address, value=MIN_BOND // 10)
        fresh.commit_vector(fresh.report(1, SCORES[:1]))

    def test_post_scores__once_complete__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("score")
        signed = reports(auction, *[SCORES] * 3)
        auction.post(signed)
        with reverts("AlreadyPosted", 0):
            auction.post(signed)

    def test_post_scores__of_those_who_published_after_all_were_posted__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("score")
        signed = reports(auction, *[SCORES] * 3)
        auction.post(signed)
        # A quorum of fewer publishes; it may not have the last word.
        for report in signed[:2]:
            auction.publish(report)
        auction.go("post")
        with reverts("AlreadyPosted", 0):
            auction.post(signed[:2])

    def test_publish_vector__with_more_hashes_than_chunks__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("score")
        hashes = [keccak(pack(SCORES)), ZERO]
        plain = auction.report(0, SCORES)
        words = (protocol.auction, auction.id, 1, keccak(b"".join(hashes)), plain.evidence)
        digest = protocol.chain.call(protocol.oracle, "reportDigest", *words)
        signature = sign(protocol.operators[0], digest)
        auction.commit_vector(plain._replace(digest=digest))
        auction.go("open")
        more = plain.submission() | {"chunkHashes": hashes, "signature": signature}
        with reverts("NotTheVector", 0):
            auction.ask("publishVector", more)

    def test_post_scores__of_a_changed_vector_salt_or_signature__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("score")
        signed = reports(auction, *[SCORES] * 3)
        good = [report.submission(0) for report in signed]

        def posting(change: dict[str, Any], chunk: int = 0) -> None:
            auction.ask("postScores", chunk, [good[0], good[1] | change, good[2]])

        cheat = pack([Score(q=1)] * 3)
        with reverts("NotTheVector", 1):
            posting({"vector": cheat})
        with reverts("NotTheCommitment", 1):
            posting({"vector": cheat, "chunkHashes": [keccak(cheat)]})
        with reverts("NotTheCommitment", 1):
            posting({"salt": ZERO})
        with reverts("NotTheCommitment", 1):
            posting({"evidence": ZERO})
        with reverts("SignerMismatch", 1, ALICE.address):
            posting({"signature": sign(ALICE, signed[1].digest)})
        with reverts("NotTheVector", 1):
            posting({}, chunk=1)

    def test_post_scores__of_a_vector_of_the_wrong_length__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("score")
        signed = reports(auction, SCORES, SCORES, [*SCORES, Score()])
        with reverts("NotTheVector", 2):
            auction.post(signed)
        with reverts("NotTheVector", 2):
            auction.publish(signed[2])

    def test_commit_vector__by_another_twice_or_of_no_member__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("score")
        operator = protocol.operators[0].address
        with reverts("NotAMember", operator, 1):
            auction.ask("commitVector", 1, ZERO, sender=operator)
        with reverts("NotAMember", operator, 3):
            auction.ask("commitVector", 3, ZERO, sender=operator)
        event = auction.ask("commitVector", 0, ZERO, sender=operator).event("VectorCommitted")
        assert event.args["commitment"] == ZERO
        auction.ask("commitVector", 2, ZERO, sender=protocol.operators[2].address)
        for member in (0, 2):
            operator = protocol.operators[member].address
            with reverts("AlreadyCommitted", operator):
                auction.ask("commitVector", member, ZERO, sender=operator)

    def test_announce_vector__by_a_member__only_emits(self, protocol: Protocol) -> None:
        auction = protocol.lead("score")
        operator = protocol.operators[2].address
        event = auction.ask("announceVector", 2, "ipfs://x", sender=operator)
        assert event.event("VectorAnnounced").args["location"] == "ipfs://x"
        with reverts("NotAMember", operator, 1):
            auction.ask("announceVector", 1, "", sender=operator)

    def test_publish_vector__of_another_report_than_committed__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("score")
        reports(auction, *[SCORES] * 3)
        with reverts("NotTheCommitment", 1):
            auction.publish(auction.report(1, [Score(q=1)] * 3))
        bad = auction.report(1, SCORES).submission() | {"vector": pack([Score(q=1)] * 3)}
        with reverts("NotTheVector", 1):
            auction.ask("publishVector", bad)

    @pytest.mark.parametrize("bids", [CHUNK, CHUNK + 1])
    def test_post_scores__of_a_chunk_or_two__completes_with_the_last_in_any_order(
        self, protocol: Protocol, bids: int
    ) -> None:
        auction = protocol.crowd(bids)
        scores = [Score(volume=i) for i in range(bids)]
        signed = reports(auction, *[scores] * 3)
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
                with reverts("AlreadyPosted", 1):
                    auction.ask("postScores", chunk, parts)
        _, pointers = protocol.chain.call(
            protocol.oracle, "finalScores", protocol.auction, auction.id
        )
        codes = [protocol.chain.code(pointer)[1:] for pointer in pointers]
        assert codes == chunks_of(pack(scores))

    def test_challenge__that_moves_the_second_chunk__is_the_last_word_for_its_bids(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.crowd(CHUNK + 2)
        last = CHUNK + 1
        scores = [Score(q=i) for i in range(CHUNK + 2)]
        signed = auction.score(scores)
        challenge(auction)
        auction.score([*scores[:-1], Score(q=9_000)], round_=2)
        event = auction.ask("resolve").event("ChallengeResolved").args
        assert (event["finalRound"], event["movedIndex"]) == (2, last)

        def slash(index: int) -> Any:
            report = signed[1]
            proof = (report.evidence, report.signature, report.chunk_hashes)
            vector = chunks_of(report.vector)[index // CHUNK]
            return auction.ask("slashDeviator", 1, index, *proof, vector)

        for equal in (0, last - 1):
            with reverts("NotSlashable"):
                slash(equal)
        assert slash(last).event("OperatorSlashed").args["offence"].startswith(b"deviation")
        auction.go("reveal")
        for index, q in ((1_024, 1_024), (1_023, 1_023), (last, 9_000)):
            weight = auction.reveal(index).event("Revealed").args["weight"]
            assert weight == q * 10**14

    def test_failed__without_a_quorum__is_true_after_round_one_only(self, five: Protocol) -> None:
        auction = five.lead("score")
        reports(auction, SCORES, SCORES)

        def failed() -> bool:
            answer: bool = five.chain.call(five.oracle, "failed", five.auction, auction.id)
            return answer

        auction.go("challenge", -1)
        assert not failed()
        auction.go("challenge")
        assert failed()
        with reverts("NotFinal"):
            five.chain.call(five.oracle, "finalScores", five.auction, auction.id)
        with reverts("NoRound", 1):
            challenge(auction)
        auction.go("reveal")
        with reverts("NoRound", 2):  # Not by this door either.
            auction.ask("resolve")


class TestChallenge:
    @pytest.mark.parametrize(
        ("change", "moved"),
        [
            ({}, False),
            ({"q": 4_900}, False),
            ({"q": 4_899}, True),
            ({"q": 5_101}, True),
            ({"phi": 120}, False),
            ({"phi": 121}, True),
            ({"volume": 1_010}, False),
            ({"volume": 1_011}, True),
            ({"volume": 991}, False),
            ({"volume": 990}, True),
            ({"flags": 0}, True),
            ({"flags": ELIGIBLE | UNDERSERVED}, True),
        ],
        ids=str,
    )
    def test_resolve__of_a_second_round__moves_beyond_the_tolerance_only(
        self, protocol: Protocol, change: dict[str, int], moved: bool
    ) -> None:
        auction = protocol.lead("score")
        auction.score(SCORES)
        challenge(auction)
        with reverts("NotFinal"):
            protocol.chain.call(protocol.oracle, "finalScores", protocol.auction, auction.id)
        again = [SCORES[0], SCORES[1]._replace(**change), SCORES[2]]
        auction.score(again, round_=2)
        burned = protocol.chain.balance(BURN)
        event = auction.ask("resolve").event("ChallengeResolved").args
        assert (event["finalRound"], event["quorum"], event["moved"]) == (1 + moved, True, moved)
        assert event["movedIndex"] == (1 if moved else 0)
        assert credit(protocol, CHALLENGER.address) == (CHALLENGE_BOND if moved else 0)
        assert protocol.chain.balance(BURN) - burned == (0 if moved else CHALLENGE_BOND)
        _, (pointer,) = protocol.chain.call(
            protocol.oracle, "finalScores", protocol.auction, auction.id
        )
        assert protocol.chain.code(pointer) == b"\0" + pack(again if moved else SCORES)
        with reverts("NoRound", 2):
            auction.ask("resolve")
        auction.go("reveal")
        event = auction.reveal(1).event("ScoresAccepted").args
        assert event["round"] == 1 + moved

    @pytest.mark.parametrize(("volume", "moved"), [(9_900, False), (9_899, True)])
    def test_resolve__of_volumes_a_hundredth_apart__is_exact(
        self, protocol: Protocol, volume: int, moved: bool
    ) -> None:
        auction = protocol.lead("score")
        auction.score([Score(volume)] * 3)
        challenge(auction)
        auction.score([Score(10_000)] * 3, round_=2)
        assert auction.ask("resolve").event("ChallengeResolved").args["moved"] == moved

    def test_commit_vector__in_a_second_round_that_nobody_asked_for__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("score")
        auction.score(SCORES)
        auction.go("score2")
        with reverts("OutOfWindow"):
            auction.commit_vector(auction.report(0, SCORES, 2))

    def test_resolve__without_a_second_quorum__lets_round_one_stand(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("score")
        auction.score(SCORES)
        challenge(auction)
        auction.go("reveal")
        with reverts("NotFinal"):
            auction.reveal(0)
        event = auction.ask("resolve").event("ChallengeResolved").args
        assert (event["finalRound"], event["quorum"], event["moved"]) == (1, False, False)
        assert credit(protocol, CHALLENGER.address) == CHALLENGE_BOND
        auction.reveal(0)

    def test_challenge__with_a_wrong_bond_or_twice__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("score")
        auction.score(SCORES)
        with reverts("NoRound", 2):
            auction.ask("resolve")
        auction.go("challenge")
        with reverts("ChallengeBondMismatch", CHALLENGE_BOND - 1, CHALLENGE_BOND):
            auction.ask("challenge", value=CHALLENGE_BOND - 1)
        event = challenge(auction).event("Challenged").args
        assert (event["challenger"], event["bond"]) == (CHALLENGER.address, CHALLENGE_BOND)
        with reverts("RequestExists", protocol.auction.address, auction.id):
            challenge(auction)


class TestSlashing:
    def test_slash_equivocation__on_two_signed_reports__takes_the_whole_bond(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("score")
        operator = protocol.operators[1].address
        first, second = auction.report(1, SCORES), auction.report(1, [Score()] * 3)
        burned = protocol.chain.balance(BURN)

        def slash(a: tuple[Any, ...], b: tuple[Any, ...], who: str = operator) -> Any:
            return auction.ask("slashEquivocation", who, a, b, sender=RELAYER.address)

        for a, b, who in [
            (first.signed(1), first.signed(1), operator),
            (first.signed(1), second.signed(2), operator),
            (first.signed(1), second.signed(1), protocol.operators[0].address),
            (first.signed(1), auction.report(0, SCORES).signed(1), operator),
        ]:
            with reverts("NotSlashable", who):
                slash(a, b, who)
        receipt = slash(first.signed(1), second.signed(1))
        proof = receipt.event("EquivocationProved").args
        assert [proof[each][-1] for each in "ab"] == [first.signature, second.signature]
        event = receipt.event("OperatorSlashed").args
        assert (event["consumer"], event["id"]) == (protocol.auction.address, auction.id)
        assert (event["amount"], event["reward"]) == (MIN_BOND, MIN_BOND // 2)
        assert event["beneficiary"] == RELAYER.address
        assert bond(protocol, 1) == 0
        assert credit(protocol, RELAYER.address) == MIN_BOND // 2
        added = {"account": RELAYER.address, "amount": MIN_BOND // 2}
        assert receipt.event("CreditAdded").args == added
        assert protocol.chain.balance(BURN) - burned == MIN_BOND // 2
        with reverts("AlreadySlashed", operator):
            slash(first.signed(1), second.signed(1))
        with reverts("BondTooSmall", 0, MIN_BOND):
            auction.commit_vector(first)

    def test_slash_equivocation__after_the_bond_was_paid_again__punishes_a_round_once(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("score")
        operator = protocol.operators[1].address
        reports = [auction.report(1, [Score(q=q)] * 3) for q in (1, 2, 3)]
        signed = [report.signed(1) for report in reports]
        auction.ask("slashEquivocation", operator, *signed[:2])
        protocol.ask("addBond", sender=operator, value=MIN_BOND)
        for pair in (signed[:2], signed[1:]):
            with reverts("AlreadySlashed", operator):
                auction.ask("slashEquivocation", operator, *pair)
        again = [auction.report(1, [Score(q=q)] * 3, 2).signed(2) for q in (1, 2)]
        auction.ask("slashEquivocation", operator, *again)
        assert bond(protocol, 1) == 0
        assert [each.name for each in protocol.ask("exit", sender=operator).logs] == [
            "OperatorExited"
        ]
        assert credit(protocol, operator) == 0

    def test_slash_deviator__after_a_challenge_that_moved__pays_the_challenger(
        self, five: Protocol
    ) -> None:
        auction = five.lead("score")
        honest, wrong = SCORES, [SCORES[0], SCORES[1]._replace(q=9_000), SCORES[2]]
        signed = auction.score(wrong, honest, wrong, wrong, honest)
        challenge(auction)
        auction.score(honest, round_=2)

        def slash(report: Report, index: int, **changes: Any) -> Any:
            words = {
                "member": report.operator,
                "index": index,
                "evidence": report.evidence,
                "signature": report.signature,
                "chunkHashes": report.chunk_hashes,
                "vector": report.vector,
            } | changes
            return auction.ask("slashDeviator", *words.values())

        with reverts("NotSlashable"):  # Not decided yet.
            slash(signed[0], 1)
        auction.ask("resolve")
        had = credit(five, CHALLENGER.address)
        receipt = slash(signed[0], 1)
        proof = receipt.event("DeviationProved").args
        assert (proof["operator"], proof["index"]) == (five.operators[0].address, 1)
        assert (proof["signature"], proof["vector"]) == (signed[0].signature, pack(wrong))
        event = receipt.event("OperatorSlashed").args
        assert (event["amount"], event["reward"]) == (MIN_BOND // 2, MIN_BOND // 4)
        assert (event["beneficiary"], event["round"]) == (CHALLENGER.address, 1)
        assert credit(five, CHALLENGER.address) - had == MIN_BOND // 4
        assert bond(five, 0) == MIN_BOND // 2
        with reverts("AlreadySlashed", five.operators[0].address):
            slash(signed[0], 1)
        member = five.operators[2].address
        for index, changes in [
            (0, {}),
            (3, {}),  # beyond the vector
            (1_000, {}),
            (1, {"vector": pack(honest)}),
            (1, {"evidence": ZERO}),
        ]:
            with reverts("NotSlashable", member):
                slash(signed[2], index, **changes)
        with reverts("NotSlashable", five.operators[1].address):
            slash(signed[1], 1)
        with reverts("NotSlashable", five.operators[1].address):  # It never signed these.
            slash(signed[1], 1, vector=pack(wrong))
        with pytest.raises(Reverted, match="Panic"):
            slash(signed[2], 1_024)
        slash(signed[2], 1)

    def test_slash_missing__of_who_published_in_vain__reverts(self, five: Protocol) -> None:
        auction = five.lead("score")
        signed = reports(auction, *[SCORES] * 5)
        auction.publish(signed[2])  # One alone is no quorum: the round fails, but not by its fault.
        auction.go("challenge")
        with reverts("NotSlashable", five.operators[2].address):
            auction.ask("slashMissing", 1, 2)
        auction.ask("slashMissing", 1, 3)

    def test_slash_missing__of_a_round_that_is_none__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("reveal")
        for round_ in (0, 3):
            with reverts("NoRound", round_):
                auction.ask("slashMissing", round_, 0)
        with reverts("NotSlashable"):
            auction.ask("slashMissing", 2, 0)


def test_oracle__after_everybody_left__holds_nothing(protocol: Protocol) -> None:
    before = protocol.chain.balance(protocol.oracle.address)
    assert before == len(protocol.operators) * MIN_BOND
    auction = protocol.lead("score")
    wrong = [Score(q=1)] * 3
    signed = auction.score(SCORES, wrong, wrong)
    challenge(auction)
    auction.score(SCORES, round_=2)
    auction.ask("resolve")
    for report in signed[1:]:
        auction.ask(
            "slashDeviator",
            report.operator,
            0,
            report.evidence,
            report.signature,
            report.chunk_hashes,
            report.vector,
        )
    auction.go("reveal", 7 * 86_400)
    for operator in protocol.operators:
        protocol.ask("exit", sender=operator.address)
        protocol.ask("withdrawCredit", operator.address, sender=operator.address)
    protocol.ask("withdrawCredit", CHALLENGER.address, sender=CHALLENGER.address)
    assert protocol.chain.balance(protocol.oracle.address) == 0
