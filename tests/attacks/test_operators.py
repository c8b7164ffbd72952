"""Attacks on and by operators: withheld, late and split data, liars, strangers' sets, windows."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.attacks.play import apart
from tests.support.auction import (
    ABSENT,
    BUYER,
    CHALLENGER,
    DEPOSIT,
    ETHER,
    GWEI,
    SCORING,
    WEEK,
    Auction,
    Protocol,
    Report,
    Score,
    person,
    public_key,
    sign,
    struct_hash,
    typed_digest,
)
from tests.support.chain import ACCOUNTS, Reverted, reverts

if TYPE_CHECKING:
    from collections.abc import Sequence

MALLORY = ACCOUNTS[6]
DAY = 86_400


@pytest.fixture
def five(protocol: Protocol) -> Protocol:
    """Return panels of five and five, thresholds 3 and 3."""
    return Protocol(protocol.chain, first=5, appeal=5)


def final(auction: Auction) -> list[Score]:
    _, pointers = auction.asked("finalScores")
    code = b"".join(auction.protocol.chain.code(pointer)[1:] for pointer in pointers)
    return [Score.unpack(code[i : i + 8]) for i in range(0, len(code), 8)]


def slash_all(auction: Auction, reports: Sequence[Report]) -> set[int]:
    """Try every proof there is against round one; return the members that it took stakes from."""
    slashed = set()
    for report in reports:
        for index in auction.entries:
            with suppress(Reverted):
                auction.ask("slashDeviator", *auction.deviation(report, index))
                slashed.add(report.member)
    return slashed


def everybody_is_whole(auction: Auction, round_: int, members: Sequence[int]) -> None:
    """These members get their stakes back, a week after the request."""
    auction.go("reveal", WEEK)
    for member in members:
        operator = auction.panel(round_)[member].address
        before = auction.protocol.credit(operator)
        auction.ask("releaseStake", round_, member)
        assert auction.protocol.credit(operator) - before == ETHER


class TestInputs:
    """Point 1: data withheld, served late, or to some only. Nobody honest loses, nothing moves."""

    # Without index 2 everybody's φ is another: one joint training.
    WITH = (Score(phi=1_000), Score(phi=2_000), Score(phi=3_000))
    WITHOUT = (Score(phi=1_900), Score(phi=2_900), ABSENT)

    @pytest.mark.parametrize("served", [0, 1])
    def test_withheld_data__served_to_too_few_before_the_roll__takes_no_part_for_ever(
        self, five: Protocol, served: int
    ) -> None:
        auction = five.lead("roll")
        auction.roll(*[[0, 1, 2] if member < served else [0, 1] for member in range(5)])
        signed = auction.score(list(self.WITHOUT))
        auction.challenge()
        # Served late: the appeal is over the roll all the same.
        auction.score(list(self.WITHOUT), round_=2)
        event = auction.ask("resolve").event("ChallengeResolved").args
        assert (event["quorum"], event["moved"]) == (True, False)
        assert slash_all(auction, signed) == set()
        auction.go("reveal")
        with reverts("NotOnTheRoll", auction.id, 2):
            auction.reveal(2)
        everybody_is_whole(auction, 1, range(5))
        everybody_is_whole(auction, 2, range(5))

    def test_late_data__scored_by_an_appeal_of_liars__is_still_not_present(
        self, five: Protocol
    ) -> None:
        auction = five.lead("roll")
        auction.roll(*[[0, 1]] * 5)
        auction.score(list(self.WITHOUT))
        auction.challenge()
        auction.score(list(self.WITH), round_=2)
        auction.ask("resolve")
        assert final(auction)[2] == ABSENT

    def test_split_view__to_two_of_five_and_two_sets_to_different_three__splits_nobody(
        self, five: Protocol
    ) -> None:
        auction = five.lead("roll", (1, 2, 3, 4))
        # 2 is served to members 0-2, 3 to members 2-4 of the appeal panel: both take part, and
        # who lacks one of them gets it from those who attested it, or does not commit.
        attested = [[0, 1, 2], [0, 1, 2], [0, 1, 2, 3], [0, 1, 3], [0, 1, 3]]
        auction.roll(*attested)
        right = [Score(phi=1_000 + index) for index in range(4)]
        assert auction.asked("rollOf")[0] == 0b11111
        # Two of the first panel lack an input: no commitment, no stake, no loss.
        signed = auction.score(right, None, right, None, right)
        assert all(score.flags for score in final(auction))
        auction.challenge()
        auction.score(right, right, right, None, None, round_=2)
        assert not auction.ask("resolve").event("ChallengeResolved").args["moved"]
        assert slash_all(auction, signed) == set()
        for member in (1, 3):
            with reverts("NotSlashable"):
                auction.ask("slashMissing", 1, member)
            assert five.credit(five.first[member].address) == DEPOSIT
        everybody_is_whole(auction, 1, (0, 2, 4))
        everybody_is_whole(auction, 2, (0, 1, 2))

    def test_challenger__of_honest_scores__pays_the_appeal_and_wins_nothing(
        self, five: Protocol
    ) -> None:
        auction = five.lead("challenge")
        before = five.chain.balance(CHALLENGER.address)
        auction.challenge()
        auction.score([], round_=2)
        auction.ask("resolve")
        fee = SCORING["appealFeeGwei"] * GWEI
        assert before - five.chain.balance(CHALLENGER.address) == fee
        assert five.credit(CHALLENGER.address) == 0
        for member in range(5):
            amount = auction.ask("claimFee", 2, member).event("FeeClaimed").args["amount"]
            assert amount == fee // 5


class TestConsent:
    """Point 2: a stranger's set {victim, X, X}, and members that leave or change their key."""

    def test_strangers_set__with_a_victim_that_never_accepted__serves_nobody(
        self, protocol: Protocol
    ) -> None:
        accomplices = [person("x1"), person("x2")]
        for each in accomplices:
            protocol.register(each)
        victim = protocol.first[0]
        panel = sorted([victim, *accomplices], key=lambda each: int(each.address, 16))
        number = protocol.propose(panel)
        for position, member in enumerate(panel):
            if member is not victim:
                protocol.ask("acceptSet", number, position, sender=member.address)
        with reverts("SetNotStanding", number):
            protocol.create(operatorSet=number, durations={"challenge": 0})
        # Nor may somebody else consent for it.
        position = panel.index(victim)
        with reverts("NotAMember"):
            protocol.ask("acceptSet", number, position, sender=MALLORY.address)
        assert protocol.credit(victim.address) == DEPOSIT

    def test_strangers_set__as_an_appeal_panel_over_a_first_that_accepted_another__is_its_own(
        self, protocol: Protocol
    ) -> None:
        """Consent covers both panels: the same first panel under another appeal is another set."""
        stranger = person("x1")
        protocol.register(stranger)
        number = protocol.propose(protocol.first, [stranger])
        protocol.ask("acceptSet", number, 3, sender=stranger.address)
        with reverts("SetNotStanding", number):
            protocol.create(operatorSet=number)

    @pytest.mark.parametrize("round_", [1, 2])
    def test_member__that_leaves_or_changes_its_key_in_the_open_window__changes_nothing(
        self, five: Protocol, round_: int
    ) -> None:
        auction = five.lead("open")
        member = auction.panel(round_)[0]
        position = five.operators.index(member)
        five.ask("leaveSet", five.operator_set, position, sender=member.address)
        key = public_key(person("new key"))
        struct = struct_hash(
            "EncryptionKey(address owner,bytes32 x,bytes32 y)", member.address, *key
        )
        digest = typed_digest("Q-MIA ScoreOracle", five.oracle.address, struct)
        signature = sign(person("new key"), digest)
        five.ask("register", *key, signature, sender=member.address)
        auction.to("challenge")
        auction.challenge()
        auction.score([], round_=2)
        auction.to("claim")
        for index in range(3):
            auction.claim(index)
        for each in (1, 2):
            everybody_is_whole(auction, each, range(5))


class TestWindows:
    """Point 5: windows of 2³²−1 seconds, of one second, a reveal of one block."""

    @pytest.mark.parametrize("length", [1, 2**32 - 1])
    @pytest.mark.parametrize("name", ["open", "scorePost", "challenge", "reveal", "deliver"])
    def test_window__of_a_second_or_of_centuries__is_refused(
        self, protocol: Protocol, name: str, length: int
    ) -> None:
        with pytest.raises(Reverted, match=r"OutOfBounds|AuctionTooLong"):
            protocol.create(durations={name: length})

    def test_stake__of_the_longest_request__is_free_within_90_days_and_a_week(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.create(durations={"scorePost": 25 * DAY, "challenge": 30 * DAY})
        auction.commit(1)
        auction.score([])
        end = auction.starts()["reveal"] + WEEK
        assert end - auction.created <= 97 * DAY
        protocol.chain.time = end
        auction.ask("releaseStake", 1, 0)
        assert protocol.credit(protocol.first[0].address) == DEPOSIT

    def test_parallel_requests__of_a_hostile_buyer__take_no_more_than_each_ones_stake(
        self, protocol: Protocol
    ) -> None:
        """Six auctions at once took 7.9 of 8 ether once: stakes are per request now."""
        auctions = [protocol.create() for _ in range(6)]
        for auction in auctions:
            auction.commit(1)
        for auction in auctions:
            auction.commit_round([])
        victim = protocol.first[0]
        # It signs twice in one of them: that stake is lost, and no other.
        reports = [auctions[0].report(0, [Score(q=q)]).signed(1) for q in (1, 2)]
        auctions[0].ask("slashContradiction", 0, *reports)
        for auction in auctions:
            auction.post([auction.report(member, [Score()]) for member in range(3)])
        protocol.chain.time = auctions[0].starts()["reveal"] + WEEK
        for auction in auctions[1:]:
            auction.ask("releaseStake", 1, 0)
        assert protocol.credit(victim.address) == DEPOSIT - ETHER


class TestOverruled:
    """Point 7: a first panel that colludes is overruled, on the same inputs."""

    @pytest.mark.parametrize("liars", [3, 5])
    def test_round_one__that_leaves_rivals_out__is_overruled_and_burned(
        self, five: Protocol, liars: int
    ) -> None:
        auction = five.lead("score")
        right = [Score(q=9_000), Score(q=8_000), Score(q=7_000)]
        lie = [right[0], Score(0, 0, 0), Score(0, 0, 0)]  # The rivals of index 0 are worth nothing.
        vectors = [lie] * liars + [right] * (5 - liars)
        signed = auction.score(*vectors)
        assert final(auction)[1].q == 0
        auction.challenge()
        # Two of the appeal panel lie with them, and do not help.
        auction.score(right, right, right, lie, lie, round_=2)
        assert auction.ask("resolve").event("ChallengeResolved").args["moved"]
        assert [score.q for score in final(auction)] == [9_000, 8_000, 7_000]
        assert slash_all(auction, signed) == set(range(liars))
        everybody_is_whole(auction, 1, range(liars, 5))
        everybody_is_whole(auction, 2, range(5))

    def test_shill__whose_bytes_vanish_before_the_appeal__is_scored_from_the_roll(
        self, five: Protocol
    ) -> None:
        auction = five.lead("roll")
        # Attested, and so kept and served by those who attested, until claims begin.
        auction.roll([0, 1, 2], [0, 1, 2], [0, 1], [0, 1], [0, 1])
        right = [Score(phi=900), Score(phi=800), Score(phi=5)]
        shilled = [Score(phi=100), Score(phi=100), Score(phi=9_000)]
        signed = auction.score(shilled, shilled, shilled, right, right)
        auction.challenge()
        auction.score(right, right, right, None, None, round_=2)
        auction.ask("resolve")
        assert final(auction)[2].phi == 5
        assert slash_all(auction, signed) == {0, 1, 2}
        everybody_is_whole(auction, 1, (3, 4))

    def test_appeal__that_does_not_come__lets_round_one_stand_and_costs_nobody(
        self, five: Protocol
    ) -> None:
        auction = five.lead("challenge")
        auction.challenge()
        auction.go("reveal")
        auction.ask("resolve")
        auction.reveal(0)
        assert five.credit(CHALLENGER.address) == SCORING["appealFeeGwei"] * GWEI
        everybody_is_whole(auction, 1, range(5))

    def test_lying_appeal__is_the_one_stated_exception__and_it_gains_nothing(
        self, five: Protocol
    ) -> None:
        auction = five.lead("challenge")
        signed = [auction.report(member, [Score()] * 3) for member in range(5)]
        auction.challenge()
        auction.score([Score(q=1)] * 3, round_=2)
        auction.ask("resolve")
        before = [five.credit(each.address) for each in (*five.appeal, CHALLENGER, MALLORY)]
        assert slash_all(auction, signed) == set(range(5))
        after = [five.credit(each.address) for each in (*five.appeal, CHALLENGER, MALLORY)]
        assert after == before


class TestEdges:
    """Point 12: a threshold at its edge, two honest machines one grid step apart."""

    @pytest.mark.parametrize("field", ["q", "phi", "volume"])
    @pytest.mark.parametrize("step", [-1, 1])
    def test_honest_machines__a_grid_step_apart__lose_nothing_whichever_is_the_median(
        self, five: Protocol, field: str, step: int
    ) -> None:
        edge = Score(q=100, phi=1, volume=1_000)  # q_min, and the least utility
        other = edge._replace(**{field: getattr(edge, field) + step})
        auction = five.lead("score", qMin=100)
        signed = auction.score(*[[edge] * 3] * 2, *[[other] * 3] * 3)
        auction.challenge()
        auction.score(*[[edge] * 3] * 3, *[[other] * 3] * 2, round_=2)
        # No score moved: eligibility is computed from q and φ, and nobody signs a flag for it.
        assert not auction.ask("resolve").event("ChallengeResolved").args["moved"]
        assert slash_all(auction, signed) == set()
        everybody_is_whole(auction, 1, range(5))

    def test_honest_machines__that_differ_in_the_under_served_flag__move_and_lose_nothing(
        self, five: Protocol
    ) -> None:
        plain, flagged = Score(), Score(flags=3)
        auction = five.lead("score")
        signed = auction.score(*[[plain] * 3] * 3, *[[flagged] * 3] * 2)
        auction.challenge()
        auction.score(*[[flagged] * 3] * 3, *[[plain] * 3] * 2, round_=2)
        assert auction.ask("resolve").event("ChallengeResolved").args["moved"]
        assert slash_all(auction, signed) == set()
        everybody_is_whole(auction, 1, range(5))


def test_hostile_minority__of_two_in_five__cannot_leave_the_honest_range(five: Protocol) -> None:
    wild = Score(volume=2**32 - 1, phi=0x3FFF, q=0x3FFF, flags=0xF)
    low = Score(volume=0, phi=0, q=0, flags=0)
    for hostile in ([0, 1], [3, 4], [0, 4]):
        for bad in (wild, low):
            with apart(five):
                vectors = [
                    [bad] if i in hostile else [Score(volume=100 + i, phi=200 + i, q=300 + i)]
                    for i in range(5)
                ]
                auction = five.create()
                auction.commit()
                auction.score(*vectors)
                (got,) = final(auction)
                honest = [i for i in range(5) if i not in hostile]
                assert {got.volume - 100, got.phi - 200, got.q - 300} <= set(honest)
                assert got.flags == 1


def test_copied_vector_commitment__of_another_operator__cannot_be_opened(
    protocol: Protocol,
) -> None:
    auction = protocol.create()
    auction.commit()
    auction.to("score").tally()
    first, third = auction.report(0, [Score()]), auction.report(2, [Score()])
    auction.commit_vector(first)
    words = [first.digest, protocol.first[0].address, first.salt]
    seal = keccak(encode(["bytes32", "address", "bytes32"], words))
    auction.ask("commitVector", 1, seal, sender=protocol.first[1].address)
    auction.commit_vector(third)
    auction.go("score_open")
    # With the copied report, signed anew or not, and with one that says the same.
    for copied in (first._replace(member=1), auction.report(1, [Score()])):
        with reverts("NotTheCommitment", 1):
            auction.post([first, copied, third])
    # The copier is the one who is missing.
    auction.publish(first)
    auction.go("challenge").ask("slashMissing", 1, 1)
    with reverts("NotSlashable"):
        auction.ask("slashMissing", 1, 0)


def test_chosen_subset__of_those_who_committed__is_refused(five: Protocol) -> None:
    auction = five.create()
    auction.commit()
    reports = auction.commit_round(*[[Score(q=1000 * i)] for i in range(1, 6)])
    with reverts("WrongMembers"):
        auction.post(reports[:3])
    auction.post(reports)
    assert final(auction) == [Score(q=3000)]


def test_shrunk_quorum__by_who_withholds__waits_for_publication_and_burns_the_stake(
    five: Protocol,
) -> None:
    auction = five.create()
    auction.commit()
    reports = auction.commit_round(*[[Score(q=1000 * i)] for i in range(1, 6)])
    for report in reports[:3]:
        auction.publish(report)
    # Not before the open window is over, and then with exactly those who published.
    with reverts("WrongMembers"):
        auction.post(reports[:3])
    auction.go("score_post")
    with reverts("WrongMembers"):
        auction.post(reports)
    auction.post(reports[:3])
    auction.go("challenge")
    for absent in (3, 4):
        event = auction.ask("slashMissing", 1, absent).event("StakeSlashed").args
        assert event["burned"] + event["dues"] == ETHER
    for present in range(3):
        with reverts("NotSlashable"):
            auction.ask("slashMissing", 1, present)


def test_shrunk_quorum__below_the_threshold__fails_and_refunds(protocol: Protocol) -> None:
    auction = protocol.create()
    auction.commit()
    reports = auction.commit_round([])
    for report in reports[:2]:
        auction.publish(report)
    auction.go("score_post")
    with reverts("NoQuorum"):
        auction.post(reports[:2])
    with reverts("ScoresStanding"):
        protocol.do("abort", auction.id)
    auction.go("challenge")
    protocol.do("abort", auction.id)
    auction.reclaim(0)
    auction.withdraw_refund()
    assert protocol.held(protocol.auction.address) == 0
    assert protocol.chain.balance(protocol.auction.address) == 0


def test_stale_report__of_round_one_in_the_appeal__is_refused(protocol: Protocol) -> None:
    """Even where one operator could be in both panels' places, the digest has the round."""
    auction = protocol.create()
    auction.commit()
    auction.score([])
    auction.challenge()
    auction.go("appeal")
    stale: Any = auction.report(0, [Score()], 2)._replace(
        digest=auction.report(0, [Score()], 1).digest
    )
    auction.commit_vector(stale, 2)
    auction.go("appeal_open")
    with reverts("NotTheCommitment"):
        auction.post([auction.report(0, [Score()], 2)])


def test_stale_configuration__another_metric_version_or_auction__is_another_report(
    protocol: Protocol,
) -> None:
    auction, other = protocol.create(), protocol.create(metricVersion=keccak(text="newer"))
    auction.commit()
    other.commit()
    reports = auction.commit_round([])
    other.roll([0])
    for report in reports:
        # The old report, committed to in the other auction.
        other.commit_vector(report)
    other.go("score_open")
    with reverts("NotTheCommitment"):
        other.post(reports)
    auction.post(reports)


def test_aborted_auction__in_the_middle_of_scoring__does_not_hold_up_the_next(
    protocol: Protocol,
) -> None:
    """Point 9, the contract's part: nothing of one request is in the way of another."""
    first, second = protocol.create(), protocol.create()
    for auction in (first, second):
        auction.commit(1)
    first.commit_round([])  # and nobody opens it
    second.go("score")
    second.score([])
    second.go("challenge")
    protocol.do("abort", first.id)
    second.to("claim").claim(0)
    first.reclaim(0)
    before = protocol.chain.balance(BUYER.address)
    first.withdraw_refund()
    assert protocol.chain.balance(BUYER.address) > before
