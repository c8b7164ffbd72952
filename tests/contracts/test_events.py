"""The logs alone tell everything: bids, scores, payments, balances, progress."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from eth_utils.crypto import keccak

from oracles.mechanism import Bid, Family, WeightRule, clear
from tests.contracts.test_exit import random_auction
from tests.support.auction import (
    ABSENT,
    COMMITTED,
    DELIVERED,
    OUT,
    PPB,
    PRESENT,
    REVEALED,
    Protocol,
    Score,
)

if TYPE_CHECKING:
    from tests.support.chain import Chain, Event


@pytest.fixture
def recorded(protocol: Protocol, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Every log from now on, in order."""
    events: list[Event] = []
    chain: Chain = protocol.chain
    send = chain._send

    def recording(*args: Any) -> Any:
        receipt = send(*args)
        events.extend(receipt.logs)
        return receipt

    monkeypatch.setattr(chain, "_send", recording)
    return events


def median(values: list[int]) -> int:
    return sorted(values)[(len(values) - 1) // 2]


class Replay:
    """An auditor in miniature: reads events, never the state."""

    def __init__(self, protocol: Protocol, events: list[Event]) -> None:
        self.bids: dict[int, Bid] = {}
        self.open: set[int] = set()
        self.scores: list[Score] = []
        self.cash: Counter[str] = Counter()  # settlement tokens of the contract's own account
        self.native: Counter[str] = Counter()
        self.state = "open"
        self.forfeited: set[int] = set()
        self.indices: list[int] = []
        self.walked: dict[bytes, int] = {}
        self.claimed: dict[int, tuple[int, int]] = {}
        for event in events:
            if event.address in {protocol.auction.address, protocol.oracle.address}:
                handler = getattr(self, "on_" + event.name.lower(), None)
                if handler:
                    handler(event.args)

    def on_auctioncreated(self, args: Any) -> None:
        self.terms, self.beta = args["terms"], args["beta"]
        self.bond = self.terms.bondGwei * 10**9
        self.cash["contract"] += self.terms.budget
        self.native["contract"] += args["bounty"] + self.terms.scoring.feeGwei * 10**9
        self.roll: set[int] = set()

    def on_committed(self, args: Any) -> None:
        self.indices.append(args["index"])
        self.open.add(args["index"])
        self.native["contract"] += self.bond + self.terms.scoring.entryFeeGwei * 10**9

    def on_withdrawn(self, args: Any) -> None:
        self.open.remove(args["index"])

    def on_bondreclaimed(self, args: Any) -> None:
        self.native["contract"] -= args["amount"]

    def on_rolltallied(self, args: Any) -> None:
        self.roll = {i for i in range(256) if args["roll"][0] >> i & 1}

    def on_scoresaccepted(self, args: Any) -> None:
        self.native["contract"] -= args["fees"]

    def on_scoresposted(self, args: Any) -> None:
        rows = [
            [Score.unpack(s.vector[i : i + 8]) for i in range(0, len(s.vector), 8)]
            for s in args["submissions"]
        ]
        for scores in zip(*rows, strict=True):
            fields = [median([score[i] for score in scores]) for i in range(3)]
            flags = PRESENT | median([s.flags >> 1 & 1 for s in scores]) << 1
            on_roll = len(self.scores) in self.roll
            self.scores.append(Score(*fields, flags) if on_roll else ABSENT)

    def on_revealed(self, args: Any) -> None:
        index, score = args["index"], self.scores[args["index"]]
        rule = self.terms.weights
        weigh = WeightRule(Family(rule.family), eta=rule.eta, gamma=rule.gamma, kappa=rule.kappa)
        assert score.flags & PRESENT
        eligible = score.q >= self.terms.scoring.qMin and score.phi > 0
        stands = args["cost"] <= self.beta and eligible
        weight = weigh.weight(score.q, score.phi) if stands else 0
        assert (args["weight"], args["flagged"]) == (weight, bool(score.flags & 2))
        self.bids[index] = Bid(index, args["cost"] if stands else 0, weight, args["flagged"])
        self.open.remove(index)

    def on_walked(self, args: Any) -> None:
        assert args["from"] == self.walked.get(args["proposal"], 0)
        self.walked[args["proposal"]] = args["to"]

    def on_settled(self, args: Any) -> None:
        self.state, self.outcome = "settled", args["outcome"]
        self.cleared = clear(
            self.bids.values(),
            budget=self.terms.budget,
            pool=self.terms.pool,
            rho=Fraction(self.terms.rho, PPB),
            tranche=Fraction(self.terms.tranche, PPB),
        )
        assert self.outcome.winners == len(self.cleared.winners)
        assert (self.outcome.revealed, self.outcome.unrevealed) == (
            len(self.bids),
            len(self.open),
        )
        self.native["contract"] -= len(self.open) * self.bond

    def on_struckout(self, args: Any) -> None:
        index = args["index"]
        paid = self.cleared.cash[index], self.cleared.mut[index]
        assert (args["cash"], args["mut"]) == paid
        self.forfeited.add(index)
        self.native["contract"] -= self.bond

    def on_claimed(self, args: Any) -> None:
        cash, face = self.claimed.get(args["index"], (0, 0))
        self.claimed[args["index"]] = (cash + args["cash"], face + args["mut"])
        self.cash["contract"] -= args["cash"]
        self.native["contract"] -= args["bond"]

    def on_bountyclaimed(self, args: Any) -> None:
        self.native["contract"] -= args["amount"]

    def on_refundwithdrawn(self, args: Any) -> None:
        self.cash["contract"] -= args["cash"]
        self.native["contract"] -= args["native"]

    def on_aborted(self, _args: Any) -> None:
        self.state = "aborted"


@pytest.mark.parametrize("seed", range(12))
def test_logs__of_any_auction__rebuild_its_bids_payments_and_balances(
    protocol: Protocol, recorded: list[Event], seed: int
) -> None:
    rng = random.Random(f"events {seed}")
    auction, unpaid = random_auction(protocol, rng)
    for index, slot in enumerate(auction.slots()):
        if slot & REVEALED and not slot & OUT:
            auction.claim(index)
        if auction.entries[index].withdrawn and auction.bond:
            auction.reclaim(index)
    for who in unpaid or ():
        protocol.do("claimBounty", auction.id, sender=who)
    auction.withdraw_refund()

    replay = Replay(protocol, recorded)
    assert replay.state == ("aborted" if unpaid is None else "settled")
    assert replay.indices == list(range(protocol.view("bidCount", auction.id)))
    assert replay.cash["contract"] == protocol.held(protocol.auction)
    assert replay.native["contract"] == protocol.chain.balance(protocol.auction.address)
    for index, slot in enumerate(auction.slots()):
        if index in replay.bids:
            bid = replay.bids[index]
            assert (slot >> 8 & 2**64 - 1, bool(slot & 4)) == (bid.weight, bid.flagged)
            if not slot & (DELIVERED | OUT):  # A delivery takes the place of the cost.
                assert slot >> 72 & 2**80 - 1 == bid.cost
        else:
            assert bool(slot & COMMITTED) == (index in replay.open)
    if unpaid is not None:
        won = set(replay.cleared.winners) - replay.forfeited
        for index, paid in replay.claimed.items():
            due = replay.cleared.cash.get(index), replay.cleared.mut.get(index)
            assert paid == (due if index in won else (0, 0))


class Accuser:
    """Proves operators' offences by logs alone, as anybody could who has a node."""

    def __init__(self, protocol: Protocol, events: list[Event]) -> None:
        self.protocol = protocol
        self.committed: dict[int, set[str]] = {1: set(), 2: set()}
        self.shown: dict[int, dict[int, Any]] = {1: {}, 2: {}}
        self.published: dict[int, set[str]] = {1: set(), 2: set()}
        self.masks: dict[int, int] = {}
        self.moved = False
        for event in events:
            args = event.args
            match event.name:
                case "SetProposed":
                    self.panels = {1: args["first"].members, 2: args["appeal"].members}
                case "VectorCommitted":
                    self.committed[args["round"]].add(args["member"])
                case "VectorPublished":
                    self.published[args["round"]].add(args["member"])
                    self.shown[args["round"]][args["submission"].member] = args["submission"]
                case "ScoresPosted":
                    for each in args["submissions"]:
                        self.shown[args["round"]][each.member] = each
                case "RoundCompleted":
                    self.masks[args["round"]] = args["mask"]
                case "ChallengeResolved":
                    self.moved = args["moved"]

    def missing(self, round_: int) -> list[int]:
        """Members that committed, and neither published nor counted."""
        return [
            member
            for member, who in enumerate(self.panels[round_])
            if who in self.committed[round_] - self.published[round_]
            and not self.masks.get(round_, 0) >> member & 1
        ]

    def deviations(self) -> dict[int, tuple[Any, ...]]:
        """Arguments of `slashDeviator` for every member of round one, at the index that moved."""
        found = {}
        for member, mine in self.shown[1].items():
            appealed = [each.vector for each in self.shown[2].values()]
            for index in range(len(mine.vector) // 8):
                rows = sorted(Score.unpack(each[8 * index : 8 * index + 8]).q for each in appealed)
                standing = rows[(len(rows) - 1) // 2]
                if abs(Score.unpack(mine.vector[8 * index : 8 * index + 8]).q - standing) > 10:
                    words = (mine.evidence, mine.signature, list(mine.chunkHashes), mine.vector)
                    found[member] = (member, index, *words)
                    break
        return found


def test_logs__of_a_lying_panel_and_a_silent_member__prove_every_offence(
    five: Protocol, recorded: list[Event]
) -> None:
    number = five.propose(five.first, five.appeal)  # Logged here, like everything that follows.
    for position, operator in enumerate(five.operators):
        five.ask("acceptSet", number, position, sender=operator.address)
    auction = five.lead("score", operatorSet=number)
    right, lie = [Score(q=9_000)] * 3, [Score(q=9_000), Score(q=1), Score(q=9_000)]
    reports = auction.commit_round(lie, lie, right, lie, right)
    for report in reports[:4]:  # The last one is committed to, and never shown.
        auction.publish(report)
    auction.go("score_post").post(reports[:4])
    auction.challenge()
    signed = auction.commit_round(right, right, right, round_=2)
    auction.post(signed)
    auction.ask("resolve")

    accuser = Accuser(five, recorded)
    assert accuser.moved
    assert accuser.missing(1) == [4]
    assert accuser.missing(2) == []
    assert accuser.deviations().keys() == {0, 1, 3}
    auction.go("reveal").ask("slashMissing", 1, 4)
    for proof in accuser.deviations().values():
        auction.ask("slashDeviator", *proof)
    assert auction.rounds()[0].settled == 0b11011


def test_logs__of_two_signed_reports__prove_the_contradiction(
    five: Protocol, recorded: list[Event]
) -> None:
    """One report is in the logs, the other in whoever's hands it came into: both are signed."""
    auction = five.lead("score")
    auction.score([Score()] * 3)
    (posted,) = [event for event in recorded if event.name == "ScoresPosted"]
    logged = posted.args["submissions"][2]
    root = keccak(b"".join(logged.chunkHashes))
    first = (1, root, logged.evidence, logged.signature)
    second = auction.report(2, [Score(q=1)] * 3).signed(1)
    event = auction.ask("slashContradiction", 2, first, second).event("ContradictionProved").args
    # And who reads the logs later finds the whole proof in them.
    assert (event["a"].root, event["b"].root) == (root, second[1])
    assert (event["a"].signature, event["b"].signature) == (first[3], second[3])
