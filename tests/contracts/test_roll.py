"""The roll call: who takes part is settled before anybody signs a score."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.auction import (
    ABSENT,
    NOBODY,
    PRESENT,
    SETTLER,
    UNDERSERVED,
    ZERO,
    Auction,
    Protocol,
    Score,
    bitmap,
    pack,
    person,
)
from tests.support.chain import reverts

if TYPE_CHECKING:
    from collections.abc import Collection


def on_roll(auction: Auction) -> list[int]:
    """Read the roll from the code in which it is stored."""
    _, pointer = auction.roll_of()
    code = auction.protocol.chain.code(pointer)
    assert code[0] == 0
    words = [int.from_bytes(code[i : i + 32], "big") for i in range(1, len(code), 32)]
    return [i for i in range(256 * len(words)) if words[i // 256] >> i % 256 & 1]


def test_call_roll__by_a_member_of_the_appeal_panel__is_on_record(five: Protocol) -> None:
    auction = five.lead("roll")
    event = auction.call_roll(1, [0, 2]).event("RollCalled").args
    assert (event["member"], event["bitmap"]) == (five.appeal[1].address, (0b101,))
    assert auction.roll_of() == (0b10, NOBODY)
    with reverts("AlreadyCalled", five.appeal[1].address):
        auction.call_roll(1, [0, 1, 2])


def test_call_roll__by_anyone_else__reverts(five: Protocol) -> None:
    auction = five.lead("roll")
    for sender, member in (
        (five.first[0].address, 0),
        (five.appeal[0].address, 1),
        (five.appeal[0].address, 3),
        (SETTLER.address, 0),
    ):
        with reverts("NotAMember", sender, member):
            auction.ask("callRoll", member, [7], sender=sender)


def test_call_roll__where_no_appeal_panel_is_named__is_for_the_first(protocol: Protocol) -> None:
    plain = Protocol(protocol.chain, appeal=0)
    auction = plain.lead("roll")
    auction.call_roll(2, [1])
    assert auction.roll_of()[0] == 0b100
    auction.call_roll(0, [0, 1])
    auction.call_roll(1, [])
    auction.go("score").tally([[0, 1], [], [1]])
    assert on_roll(auction) == [1]


@pytest.mark.parametrize(("bids", "words"), [(3, 1), (256, 1), (257, 2)])
def test_call_roll__of_another_length__reverts(protocol: Protocol, bids: int, words: int) -> None:
    auction = protocol.crowd(bids).go("roll")
    sender = protocol.appeal[0].address
    for other in {0, 1, 2, 3} - {words}:
        with reverts("BitmapLengthInvalid", other, words):
            auction.ask("callRoll", 0, [0] * other, sender=sender)
    auction.ask("callRoll", 0, [0] * words, sender=sender)


def test_tally_roll__of_all_bitmaps__keeps_what_enough_members_attested(five: Protocol) -> None:
    auction = five.lead("roll", (1,) * 5)
    attested = [[0, 1, 2], [0, 1, 3], [0]]
    for member, indices in enumerate(attested):
        auction.call_roll(member, indices)
    event = auction.go("score").tally(attested).event("RollTallied").args
    assert event["callers"] == 0b111
    assert on_roll(auction) == [0, 1]  # (k+1)/2 = 2 of three
    assert event["roll"] == (0b11,)
    with reverts("RollAlreadyTallied"):
        auction.tally(attested)


@pytest.mark.parametrize("members", [1, 3, 5, 7, 13])
def test_tally_roll__of_any_bitmaps__is_the_count_by_hand(protocol: Protocol, members: int) -> None:
    world = Protocol(protocol.chain, first=members, appeal=0)
    threshold = (members // 2 + 1) | 1
    rng = random.Random(members)
    count = 700
    auction = world.crowd(count).go("roll")
    attested = [[i for i in range(count) if rng.random() < 0.5] for _ in range(members)]
    silent = set(rng.sample(range(members), members - threshold))
    called = []
    for member, indices in enumerate(attested):
        if member not in silent:
            auction.call_roll(member, indices)
            called.append(indices)
    auction.go("score").tally(called)
    votes = [sum(i in indices for indices in map(set, called)) for i in range(count)]
    assert on_roll(auction) == [i for i in range(count) if votes[i] >= (threshold + 1) // 2]


def test_tally_roll__of_bits_beyond_the_last_bid__ignores_them(protocol: Protocol) -> None:
    auction = protocol.lead("roll")
    words = [2**256 - 1]
    auction.ask("callRoll", 0, words, sender=protocol.appeal[0].address)
    auction.go("score").ask("tallyRoll", [words])
    assert on_roll(auction) == [0, 1, 2]


def test_tally_roll__of_other_bitmaps_than_called__reverts(five: Protocol) -> None:
    auction = five.lead("roll")
    attested: list[Collection[int]] = [[0], [0, 1], [2]]
    for member, indices in enumerate(attested):
        auction.call_roll(member, indices)
    auction.go("score")
    for wrong, position in (
        ([[1], [0, 1], [2]], 0),
        ([[0], [0, 1], [1, 2]], 2),
        ([[0, 1], [0], [2]], 0),
    ):
        with reverts("NotTheBitmap", position):
            auction.tally(wrong)
    for few in ([], attested[:2], [*attested, [0]]):
        with reverts("WrongMembers", len(few), 0b111):
            auction.tally(few)
    auction.tally(attested)


def test_tally_roll__of_fewer_callers_than_the_threshold__fails_the_request(
    five: Protocol,
) -> None:
    auction = five.lead("roll")
    auction.call_roll(0)
    auction.call_roll(2)
    assert not auction.asked("failed")
    with reverts("ScoresStanding"):
        five.do("abort", auction.id)
    auction.go("score")
    with reverts("RollFailed", 2, 3):
        auction.tally()
    assert auction.asked("failed")
    with reverts("RollNotTallied"):
        auction.commit_vector(auction.report(0, [Score()] * 3))
    five.do("abort", auction.id)


def test_tally_roll__by_anyone_at_any_time_later__works(five: Protocol) -> None:
    auction = five.lead("roll")
    for member in range(3):
        auction.call_roll(member)
    for phase in ("score", "score_post", "claim"):
        with five.chain.rollback():
            auction.go(phase).tally()


def test_commit_vector__before_the_roll_is_counted__reverts(protocol: Protocol) -> None:
    auction = protocol.lead("score")
    report = auction.report(0, [Score()] * 3)
    with reverts("RollNotTallied"):
        auction.commit_vector(report)
    auction.go("score_open")
    with reverts("RollNotTallied"):
        auction.ask("postScores", 0, [])
    auction.go("score").tally()
    auction.commit_vector(report)


@pytest.mark.parametrize("count", [1, 4, 5, 9])
def test_post_scores__whatever_the_vectors_say__have_presence_of_the_roll(
    protocol: Protocol, count: int
) -> None:
    rng = random.Random(count)
    auction = protocol.create()
    for cost in range(count):
        auction.commit(cost)
    there = {i for i in range(count) if rng.random() < 0.5}
    auction.to("roll").roll(there)
    scores = [Score(1 + i, 100 + i, 200 + i, rng.choice([0, 1, 2, 3])) for i in range(count)]
    auction.score(scores)
    _, (pointer,) = auction.asked("finalScores")
    expected = [
        score._replace(flags=score.flags & UNDERSERVED | PRESENT) if i in there else ABSENT
        for i, score in enumerate(scores)
    ]
    assert protocol.chain.code(pointer) == b"\0" + pack(expected)


def test_post_scores__in_two_chunks__have_presence_of_the_roll(protocol: Protocol) -> None:
    count = 1_030
    auction = protocol.crowd(count)
    there = {i for i in range(count) if i % 3 or i in {1023, 1029}} - {1024, 1025}
    auction.roll(there)
    auction.score([Score(volume=i) for i in range(count)])
    _, pointers = auction.asked("finalScores")
    code = b"".join(protocol.chain.code(pointer)[1:] for pointer in pointers)
    expected = [Score(volume=i) if i in there else ABSENT for i in range(count)]
    assert code == pack(expected)


def test_reveal__of_an_index_that_is_not_on_the_roll__reverts_and_burns_the_bond(
    protocol: Protocol,
) -> None:
    auction = protocol.lead("roll").roll([0, 2])
    auction.score([])
    auction.go("reveal")
    with reverts("NotOnTheRoll", auction.id, 1):
        auction.reveal(1)
    auction.reveal(0)
    auction.reveal(2)
    outcome = auction.go("settle").settle().event("Settled").args["outcome"]
    assert (outcome.revealed, outcome.unrevealed) == (2, 1)
    with reverts("NotTheCommitment", auction.id, 1):
        auction.reclaim(1)
    with reverts("NotRevealed", auction.id, 1):
        auction.claim(1)


def test_any_call__on_an_unknown_request__reverts(protocol: Protocol) -> None:
    consumer = protocol.auction
    empty = (0, ZERO, ZERO, b"", [], b"")
    blank: Any = (1, ZERO, ZERO, b"")
    for call, args in {
        "callRoll": (0, []),
        "tallyRoll": ([],),
        "commitVector": (0, ZERO),
        "announceVector": (0, ""),
        "publishVector": (empty,),
        "postScores": (0, [empty]),
        "challenge": (),
        "resolve": (),
        "slashContradiction": (0, blank, blank),
        "slashMissing": (1, 0),
        "slashDeviator": (0, 0, ZERO, b"", [], b""),
        "releaseStake": (1, 0),
        "payFees": (SETTLER.address,),
        "claimFee": (1, 0),
        "claimDue": (SETTLER.address,),
        "finalScores": (),
        "failed": (),
        "checkVerdict": (0, 1, [], []),
        "windows": (1,),
        "requestOf": (),
        "rollOf": (),
    }.items():
        with reverts("UnknownRequest", consumer.address, 99):
            protocol.ask(call, consumer, 99, *args)


def test_open__by_any_consumer__is_its_own(protocol: Protocol) -> None:
    auction = protocol.create()
    request = auction.asked("requestOf")[0]
    stranger = person("consumer").address
    receipt = protocol.ask("open", auction.id, request, sender=stranger)
    assert receipt.event("RequestOpened").args["consumer"] == stranger
    with reverts("RequestExists", stranger, auction.id):
        protocol.ask("open", auction.id, request, sender=stranger)
    now = protocol.chain.time
    # Nor may it end more than 90 days from now; DataAuction itself is stricter.
    late = now + 90 * 86_400
    for start in (0, now, late):
        with reverts("RequestTooLong"):
            protocol.ask("open", 7, request._replace(start=start), sender=stranger)
    protocol.ask("open", 7, request._replace(start=now + 1), sender=stranger)


def test_bitmap__of_some_indices__is_laid_out_like_a_roll() -> None:
    """The helper of these tests itself, against the description in IScoreOracle."""
    for indices in itertools.combinations([0, 1, 255, 256, 299], 2):
        words = bitmap(indices, 300)
        assert len(words) == 2
        assert {i for i in range(512) if words[i // 256] >> i % 256 & 1} == set(indices)
