"""Attacks by operators: copied, withheld, partial, contradictory and hostile vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.attacks.play import apart
from tests.support.auction import BUYER, CHALLENGER, MIN_BOND, Protocol, Report, Score, pack
from tests.support.chain import ACCOUNTS, Reverted, reverts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.auction import Auction

MALLORY = ACCOUNTS[6]


def committed(
    protocol: Protocol, vectors: Sequence[list[Score]], bids: int = 1
) -> tuple[Auction, list[Report]]:
    auction = protocol.create()
    for _ in range(bids):
        auction.commit()
    auction.go("score")
    reports = [auction.report(i, vector) for i, vector in enumerate(vectors)]
    for report in reports:
        auction.commit_vector(report)
    return auction, reports


def bond(protocol: Protocol, operator: int) -> int:
    amount: int = protocol.chain.call(
        protocol.oracle, "bondOf", protocol.operators[operator].address
    )[0]
    return amount


def test_copied_vector_commitment__of_another_operator__cannot_be_opened(
    protocol: Protocol,
) -> None:
    auction = protocol.create()
    auction.commit()
    auction.go("score")
    first = auction.report(0, [Score()])
    auction.commit_vector(first)
    seal = keccak(
        encode(
            ["bytes32", "address", "bytes32"],
            [first.digest, protocol.operators[0].address, first.salt],
        )
    )
    copier = protocol.operators[1].address
    auction.ask("commitVector", 1, seal, sender=copier)
    third = auction.report(2, [Score()])
    auction.commit_vector(third)
    auction.go("open")
    # With the copied report, signed anew or not, and with one that says the same.
    for copied in (first._replace(operator=1), auction.report(1, [Score()])):
        with reverts("NotTheCommitment", 1):
            auction.post([first, copied, third])
    # The copier is the one who is missing.
    auction.publish(first)
    auction.go("challenge")
    auction.ask("slashMissing", 1, 1)
    assert bond(protocol, 1) == MIN_BOND * 9 // 10


def test_chosen_subset__of_those_who_committed__is_refused(protocol: Protocol) -> None:
    five = Protocol(protocol.chain, operators=5)
    auction, reports = committed(five, [[Score(q=1000 * i)] for i in range(1, 6)])
    auction.go("open")
    with reverts("WrongMembers"):
        auction.post(reports[:3])
    receipt = auction.post(reports)
    (pointer,) = auction.protocol.chain.call(five.oracle, "finalScores", five.auction, auction.id)[
        1
    ]
    assert five.chain.code(pointer)[1:] == pack([Score(q=3000)])
    assert receipt.event("RoundCompleted").args["mask"] == 0b11111


@pytest.mark.parametrize("hostile", [[0, 1], [3, 4], [0, 4]], ids=str)
def test_hostile_minority__of_two_in_five__cannot_leave_the_honest_range(
    protocol: Protocol, hostile: list[int]
) -> None:
    five = Protocol(protocol.chain, operators=5)
    wild = Score(volume=2**32 - 1, phi=0x3FFF, q=0x3FFF, flags=0xF)
    low = Score(volume=0, phi=0, q=0, flags=0)
    for bad in (wild, low):
        with apart(five):
            vectors = [
                [bad] if i in hostile else [Score(volume=100 + i, phi=200 + i, q=300 + i)]
                for i in range(5)
            ]
            auction, reports = committed(five, vectors)
            auction.go("open")
            auction.post(reports)
            (pointer,) = five.chain.call(five.oracle, "finalScores", five.auction, auction.id)[1]
            got = Score.unpack(five.chain.code(pointer)[1:])
            honest = [i for i in range(5) if i not in hostile]
            assert got.volume - 100 in honest
            assert got.phi - 200 in honest
            assert got.q - 300 in honest
            assert got.flags == 1


def test_shrunk_quorum__by_absence__waits_for_publication_and_pays_for_it(
    protocol: Protocol,
) -> None:
    five = Protocol(protocol.chain, operators=5)
    auction, reports = committed(five, [[Score(q=1000 * i)] for i in range(1, 6)])
    auction.go("open")
    for report in reports[:3]:
        auction.publish(report)
    # Not before the open window is over, and then with exactly those who published.
    with reverts("WrongMembers"):
        auction.post(reports[:3])
    auction.go("post")
    with reverts("WrongMembers"):
        auction.post(reports)
    auction.post(reports[:3])
    auction.go("challenge")
    for absent in (3, 4):
        auction.ask("slashMissing", 1, absent)
        assert bond(five, absent) == MIN_BOND * 9 // 10
        with reverts("AlreadySlashed"):
            auction.ask("slashMissing", 1, absent)
    for present in range(3):
        with reverts("NotSlashable"):
            auction.ask("slashMissing", 1, present)


def test_shrunk_quorum__below_the_threshold__fails_and_refunds(protocol: Protocol) -> None:
    auction, reports = committed(protocol, [[Score()]] * 3)
    auction.go("open")
    for report in reports[:2]:
        auction.publish(report)
    auction.go("post")
    with reverts("NoQuorum"):
        auction.post(reports[:2])
    with reverts("ScoresStanding"):
        protocol.do("abort", auction.id)
    auction.go("challenge")
    protocol.do("abort", auction.id)
    auction.reclaim(0)
    protocol.do("withdrawBuyer", auction.id, BUYER.address, sender=BUYER.address)
    assert protocol.held(protocol.auction.address) == 0
    assert protocol.chain.balance(protocol.auction.address) == 0


def test_equivocation__two_reports_of_one_round__costs_the_whole_bond_and_half_is_burned(
    protocol: Protocol,
) -> None:
    auction, reports = committed(protocol, [[Score()]] * 3)
    other = auction.report(0, [Score(q=1)])
    address = protocol.operators[0].address
    with reverts("NotSlashable"):
        auction.ask("slashEquivocation", address, reports[0].signed(1), reports[0].signed(1))
    with reverts("NotSlashable"):  # of two rounds: no contradiction
        second = auction.report(0, [Score(q=1)], 2)
        auction.ask("slashEquivocation", address, reports[0].signed(1), second.signed(2))
    with reverts("NotSlashable"):  # of two operators
        auction.ask("slashEquivocation", address, reports[0].signed(1), reports[1].signed(1))
    auction.ask(
        "slashEquivocation", address, reports[0].signed(1), other.signed(1), sender=MALLORY.address
    )
    assert bond(protocol, 0) == 0
    assert protocol.chain.call(protocol.oracle, "credit", MALLORY.address) == MIN_BOND // 2
    with reverts("AlreadySlashed"):
        auction.ask("slashEquivocation", address, reports[0].signed(1), other.signed(1))


def test_stale_report__of_round_one_in_round_two__is_refused(protocol: Protocol) -> None:
    auction = protocol.create()
    auction.commit()
    old = auction.score([Score()])
    auction.go("challenge")
    auction.ask("challenge", sender=CHALLENGER.address, value=5 * 10**17)
    auction.go("score2")
    new = [auction.report(i, [Score(q=500)], 2) for i in range(3)]
    for report in new:
        auction.commit_vector(report)
    auction.go("open2")
    with reverts("NotTheCommitment"):
        auction.post([old[0], *new[1:]])
    auction.post(new)


def test_stale_configuration__another_metric_version_or_auction__is_another_report(
    protocol: Protocol,
) -> None:
    auction, reports = committed(protocol, [[Score()]] * 3)
    other = protocol.create(metricVersion=keccak(text="newer"))
    other.commit()
    other.go("score")
    for report in reports:
        # The old report, committed to in the other auction.
        other.commit_vector(report)
    other.go("open")
    with reverts("NotTheCommitment"):
        other.post(reports)
    auction.go("open")
    auction.post(reports)


def test_rotation__in_mid_auction__leaves_set_and_locked_bonds_alone(protocol: Protocol) -> None:
    auction, reports = committed(protocol, [[Score()]] * 3)
    members = [o.address for o in protocol.operators]
    newer = protocol.ask("createSet", members[:1], 1).event("SetCreated").args["operatorSet"]
    assert newer != protocol.operator_set
    with reverts("BondLocked"):
        protocol.ask("exit", sender=members[0])
    auction.go("open")
    with pytest.raises(Reverted, match=r"WrongMembers|NoQuorum"):
        auction.post(reports[:1])
    auction.post(reports)
    auction.go("claim", 8 * 86_400)
    protocol.ask("exit", sender=members[0])


def test_idle_challenge__without_a_quorum_in_round_two__changes_nothing(protocol: Protocol) -> None:
    auction = protocol.create()
    auction.commit()
    auction.score([Score()])
    auction.go("challenge")
    auction.ask("challenge", sender=CHALLENGER.address, value=5 * 10**17)
    auction.go("reveal")
    with reverts("NotFinal"):
        auction.reveal(0)
    auction.ask("resolve")
    auction.reveal(0)
    with reverts("NoRound"):
        auction.ask("resolve")
    assert protocol.chain.call(protocol.oracle, "credit", CHALLENGER.address) == 5 * 10**17
