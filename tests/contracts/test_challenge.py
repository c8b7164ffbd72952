"""The appeal: who may ask for it, what moves, and who loses a stake by it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.auction import (
    BURN,
    CHALLENGER,
    CHUNK,
    ETHER,
    GWEI,
    PRESENT,
    RELAYER,
    SCORING,
    UNDERSERVED,
    ZERO,
    Auction,
    Protocol,
    Report,
    Score,
    pack,
)
from tests.support.chain import Reverted, reverts

SCORES = [Score(), Score(q=5_000, phi=50), Score(7, 300, 9_999, PRESENT | UNDERSERVED)]
FEE = SCORING["appealFeeGwei"] * GWEI


def final(auction: Auction) -> tuple[int, bytes]:
    round_, pointers = auction.asked("finalScores")
    return round_, b"".join(auction.protocol.chain.code(each)[1:] for each in pointers)


def slash(auction: Auction, report: Report, index: int, **changes: Any) -> Any:
    names = ("member", "index", "evidence", "signature", "chunkHashes", "vector")
    words = dict(zip(names, auction.deviation(report, index), strict=True)) | changes
    return auction.ask("slashDeviator", *words.values(), sender=RELAYER.address)


class TestChallenge:
    def test_challenge__with_the_appeal_fee__suspends_the_scores(self, protocol: Protocol) -> None:
        auction = protocol.lead("challenge")
        held = protocol.chain.balance(protocol.oracle.address)
        event = auction.challenge().event("Challenged").args
        assert (event["challenger"], event["bond"]) == (CHALLENGER.address, FEE)
        assert protocol.chain.balance(protocol.oracle.address) - held == FEE
        assert (auction.challenger(), auction.standing()) == (CHALLENGER.address, 0)
        with reverts("NotFinal"):
            auction.asked("finalScores")
        with reverts("NotFinal"):
            auction.ask("payFees", RELAYER.address)
        with reverts("AlreadyChallenged", CHALLENGER.address):
            auction.challenge()

    @pytest.mark.parametrize("off", [-1, 1])
    def test_challenge__with_another_value__reverts(self, protocol: Protocol, off: int) -> None:
        auction = protocol.lead("challenge")
        with reverts("ChallengeBondMismatch", FEE + off, FEE):
            auction.ask("challenge", value=FEE + off)

    def test_challenge__without_scores__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("roll")
        with reverts("NothingToChallenge"):
            auction.challenge()

    def test_challenge__where_no_appeal_panel_is_named__is_never_in_its_window(
        self, protocol: Protocol
    ) -> None:
        plain = Protocol(protocol.chain, appeal=0)
        auction = plain.lead("reveal")
        for offset in (-1, 0, 1):
            auction.go("reveal", offset)
            with reverts("OutOfWindow"):
                auction.ask("challenge", value=FEE)

    def test_commit_vector__in_an_appeal_that_nobody_asked_for__reverts(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("challenge").go("appeal")
        with reverts("OutOfWindow"):
            auction.commit_vector(auction.report(0, SCORES, 2), 2)

    def test_commit_vector__in_the_appeal__is_for_the_appeal_panel_alone(
        self, five: Protocol
    ) -> None:
        auction = five.lead("challenge")
        auction.challenge()
        auction.go("appeal")
        first = five.first[0].address
        with reverts("NotAMember", first, 0):
            auction.ask("commitVector", 0, ZERO, sender=first)
        auction.commit_vector(auction.report(2, SCORES, 2), 2)
        assert [each.committed for each in auction.rounds()] == [0b11111, 0b100]


class TestResolve:
    @pytest.mark.parametrize(
        ("change", "moved"),
        [
            ({}, False),
            ({"q": 4_990}, False),
            ({"q": 4_989}, True),
            ({"q": 5_010}, False),
            ({"q": 5_011}, True),
            ({"phi": 60}, False),
            ({"phi": 61}, True),
            ({"phi": 40}, False),
            ({"phi": 39}, True),
            ({"volume": 1_011}, False),  # ten and a thousandth of itself
            ({"volume": 1_012}, True),
            ({"volume": 990}, False),
            ({"volume": 989}, True),
            ({"flags": 0}, False),  # present by the roll, whatever the vector says
            ({"flags": PRESENT | UNDERSERVED}, True),
        ],
        ids=str,
    )
    def test_resolve__of_an_appeal__moves_beyond_the_tolerance_only(
        self, protocol: Protocol, change: dict[str, int], moved: bool
    ) -> None:
        auction = protocol.lead("challenge", scores=SCORES)
        auction.challenge()
        again = [SCORES[0], SCORES[1]._replace(**change), SCORES[2]]
        auction.score(again, round_=2)
        event = auction.ask("resolve").event("ChallengeResolved").args
        assert (event["standing"], event["quorum"], event["moved"]) == (1 + moved, True, moved)
        assert event["movedIndex"] == (1 if moved else 0)
        assert final(auction) == (1 + moved, pack(again if moved else SCORES))
        # The bond comes back, or is the appeal panel's pay.
        assert protocol.credit(CHALLENGER.address) == (FEE if moved else 0)
        if moved:
            with reverts("NothingDue"):
                auction.ask("claimFee", 2, 0)
        else:
            assert auction.ask("claimFee", 2, 0).event("FeeClaimed").args["amount"] == FEE
        with reverts("NothingToResolve"):
            auction.ask("resolve")
        auction.go("reveal")
        assert auction.reveal(1).event("ScoresAccepted").args["round"] == 1 + moved

    @pytest.mark.parametrize(("volume", "moved"), [(99_890, False), (99_889, True)])
    def test_resolve__of_large_volumes__is_exact(
        self, protocol: Protocol, volume: int, moved: bool
    ) -> None:
        auction = protocol.lead("challenge", scores=[Score(volume)] * 3)
        auction.challenge()
        auction.score([Score(100_000)] * 3, round_=2)
        assert auction.ask("resolve").event("ChallengeResolved").args["moved"] == moved

    def test_resolve__without_a_quorum__lets_round_one_stand_and_returns_the_bond(
        self, five: Protocol
    ) -> None:
        auction = five.lead("challenge", scores=SCORES)
        auction.challenge()
        auction.commit_round([Score(q=1)] * 3, [Score(q=1)] * 3, None, round_=2)
        auction.go("reveal", -1)
        with reverts("OutOfWindow"):
            auction.ask("resolve")
        auction.go("reveal")
        with reverts("NotFinal"):
            auction.reveal(0)
        receipt = auction.ask("resolve")
        event = receipt.event("ChallengeResolved").args
        assert (event["standing"], event["quorum"], event["moved"]) == (1, False, False)
        assert not receipt.events("FeesPaid")
        assert five.credit(CHALLENGER.address) == FEE
        assert final(auction) == (1, pack(SCORES))
        auction.reveal(0)

    def test_resolve__as_soon_as_the_appeal_is_complete__need_not_wait(
        self, five: Protocol
    ) -> None:
        auction = five.lead("challenge")
        with reverts("NothingToResolve"):
            auction.ask("resolve")
        auction.challenge()
        auction.score([], round_=2)
        assert five.chain.time == auction.starts()["appeal_open"]
        auction.ask("resolve")

    def test_resolve__that_moves_the_second_chunk__has_the_last_word_for_its_bids(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.crowd(CHUNK + 2, qMin=0)
        last = CHUNK + 1
        scores = [Score(q=i) for i in range(CHUNK + 2)]
        signed = auction.score(scores)
        auction.challenge()
        auction.score([*scores[:-1], Score(q=9_000)], round_=2)
        event = auction.ask("resolve").event("ChallengeResolved").args
        assert (event["standing"], event["movedIndex"]) == (2, last)
        for equal in (0, last - 1):
            with reverts("NotSlashable"):
                slash(auction, signed[1], equal)
        event = slash(auction, signed[1], last).event("StakeSlashed").args
        assert event["offence"].startswith(b"deviation")
        auction.go("reveal")
        owner = auction.entries[0].owner
        for index, q in ((1_024, 1_024), (1_023, 1_023), (last, 9_000)):
            weight = auction.reveal(index, owner).event("Revealed").args["weight"]
            assert weight == q * 10**14


class TestDeviator:
    WRONG = (SCORES[0], SCORES[1]._replace(q=9_000), SCORES[2])

    def overruled(self, five: Protocol) -> tuple[Auction, list[Report]]:
        """Three of five lie in round one, and the appeal says so."""
        auction = five.lead("score")
        wrong = list(self.WRONG)
        signed = auction.score(wrong, SCORES, wrong, wrong, SCORES)
        auction.challenge()
        auction.score(SCORES, round_=2)
        return auction, signed

    def test_slash_deviator__after_an_appeal_that_moved__burns_all_and_pays_nobody(
        self, five: Protocol
    ) -> None:
        auction, signed = self.overruled(five)
        with reverts("NotSlashable"):  # Not decided yet.
            slash(auction, signed[0], 1)
        auction.ask("resolve")
        burned = five.chain.balance(BURN)
        had = [five.credit(who.address) for who in (CHALLENGER, RELAYER)]
        receipt = slash(auction, signed[0], 1)
        proof = receipt.event("DeviationProved").args
        assert (proof["member"], proof["index"]) == (five.first[0].address, 1)
        assert (proof["signature"], proof["vector"]) == (signed[0].signature, pack(self.WRONG))
        event = receipt.event("StakeSlashed").args
        assert (event["burned"], event["dues"], event["round"]) == (ETHER, 0, 1)
        assert event["offence"] == b"deviation".ljust(32, b"\0")
        assert five.chain.balance(BURN) - burned == ETHER
        assert [five.credit(who.address) for who in (CHALLENGER, RELAYER)] == had
        with reverts("NoStake", five.first[0].address):
            slash(auction, signed[0], 1)

    def test_slash_deviator__with_anything_else__reverts(self, five: Protocol) -> None:
        auction, signed = self.overruled(five)
        auction.ask("resolve")
        member = five.first[2].address
        for index, changes in [
            (0, {}),
            (3, {}),  # beyond the vector
            (1_000, {}),
            (1, {"vector": pack(SCORES)}),
            (1, {"evidence": ZERO}),
            (1, {"signature": signed[3].signature}),
        ]:
            with reverts("NotSlashable", member):
                slash(auction, signed[2], index, **changes)
        with reverts("NotSlashable", five.first[1].address):  # It told the truth.
            slash(auction, signed[1], 1)
        with reverts("NotSlashable", five.first[1].address):  # It never signed these.
            slash(auction, signed[1], 1, vector=pack(self.WRONG))
        with pytest.raises(Reverted, match="Panic"):
            auction.ask("slashDeviator", 2, 1_024, *auction.deviation(signed[2], 1)[2:])
        slash(auction, signed[2], 1)

    def test_slash_deviator__within_the_tolerance_or_for_the_flag__is_refused(
        self, five: Protocol
    ) -> None:
        auction = five.lead("score")
        near = [SCORES[0], SCORES[1]._replace(q=5_010, phi=60, volume=1_011), SCORES[2]]
        flagged = [SCORES[0]._replace(flags=PRESENT | UNDERSERVED), *SCORES[1:]]
        wrong = list(self.WRONG)
        signed = auction.score(wrong, near, flagged, wrong, wrong)
        auction.challenge()
        auction.score(SCORES, round_=2)
        auction.ask("resolve")
        for report, index in ((signed[1], 1), (signed[2], 0)):
            with reverts("NotSlashable"):
                slash(auction, report, index)
        slash(auction, signed[3], 1)

    @pytest.mark.parametrize(
        ("change", "slashable"),
        [
            ({"q": 4_989}, True),
            ({"q": 4_990}, False),
            ({"phi": 39}, True),
            ({"phi": 40}, False),
            ({"volume": 988}, True),
            ({"volume": 989}, False),
            ({"flags": 0}, True),
        ],
        ids=str,
    )
    def test_slash_deviator__at_the_edge_of_each_field__is_exact(
        self, five: Protocol, change: dict[str, int], slashable: bool
    ) -> None:
        auction = five.lead("score")
        edge = [SCORES[0], SCORES[1]._replace(**change), SCORES[2]]
        wrong = list(self.WRONG)
        signed = auction.score(edge, wrong, wrong, wrong, wrong)
        auction.challenge()
        auction.score(SCORES, round_=2)
        auction.ask("resolve")
        if slashable:
            slash(auction, signed[0], 1)
        else:
            with reverts("NotSlashable"):
                slash(auction, signed[0], 1)

    def test_slash_deviator__who_scored_what_is_not_on_the_roll__is_slashable(
        self, five: Protocol
    ) -> None:
        auction = five.lead("roll").roll([0, 1], [0, 1], [0, 1])
        wrong = list(self.WRONG)  # They also score index 2, which is not on the roll.
        absent = Score(0, 0, 0, 0)
        right = [*SCORES[:2], absent]
        signed = auction.score(wrong, wrong, wrong, right, [*right[:1], absent, absent])
        auction.challenge()
        auction.score(right, round_=2)
        auction.ask("resolve")
        with reverts("NotSlashable"):
            slash(auction, signed[3], 2)
        slash(auction, signed[0], 2)  # A score where the roll has none.
        slash(auction, signed[4], 1)  # None where the roll has one.

    def test_slash_deviator__where_the_appeal_moved_nothing__is_refused(
        self, five: Protocol
    ) -> None:
        auction = five.lead("score")
        signed = auction.score(list(self.WRONG), SCORES, SCORES, SCORES, SCORES)
        auction.challenge()
        auction.score(SCORES, round_=2)
        auction.ask("resolve")
        with reverts("NotSlashable"):
            slash(auction, signed[0], 1)

    def test_slash_missing__in_the_appeal__burns_too(self, five: Protocol) -> None:
        auction = five.lead("challenge")
        auction.challenge()
        signed = auction.commit_round([], round_=2)
        for report in signed[:2]:
            auction.publish(report)
        auction.go("reveal", -1)
        with reverts("OutOfWindow"):
            auction.ask("slashMissing", 2, 2)
        auction.go("reveal")
        auction.ask("slashMissing", 2, 2)
        with reverts("NotSlashable"):
            auction.ask("slashMissing", 2, 0)
