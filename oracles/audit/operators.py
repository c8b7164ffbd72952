"""The ScoreOracle from its logs: operators' bonds and credit, sets, rounds, challenges, slashes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from eth_utils.crypto import keccak

from oracles.audit import hashes, recompute
from oracles.chain.codec import CHUNK, SCORE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from oracles.audit.findings import Checks
    from oracles.chain.events import Event

SCHEMA: Final = 1
MAX_MEMBERS: Final = 13
LOCK: Final = 7 * 86_400
ZERO: Final = "0x" + "00" * 20


@dataclass(slots=True)
class Operator:
    """Bond in wei, and the time until which it is locked."""

    bond: int
    locked_until: int = 0


@dataclass(slots=True)
class Round:
    """One scoring round; masks have a bit a member.

    Attributes:
        commitments: by member.
        committed, published, complete: masks.
        reports: digest of the report that a member is known to have signed.
        evidence: digest of the evidence bundle, by member.
        vectors: what each member submitted, by chunk.
        chunks: pointer and medians, by mask and chunk.
        excused: members already punished for a missing vector.
    """

    commitments: dict[int, bytes] = field(default_factory=dict)
    committed: int = 0
    published: int = 0
    complete: int = 0
    reports: dict[int, bytes] = field(default_factory=dict)
    evidence: dict[int, bytes] = field(default_factory=dict)
    vectors: dict[int, dict[int, bytes]] = field(default_factory=dict)
    chunks: dict[int, dict[int, tuple[str, bytes]]] = field(default_factory=dict)
    excused: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Feed:
    """Scores of one auction: the request, its two rounds, its challenge."""

    consumer: str
    auction: int
    request: dict[str, Any]
    members: list[str]
    threshold: int
    rounds: tuple[Round, Round] = field(default_factory=lambda: (Round(), Round()))
    challenger: str = ""
    final_round: int = 0
    moved: bool = False
    punished: set[str] = field(default_factory=set)
    #: Mask of a round whose last chunk was just posted: the next event must say so.
    completing: tuple[int, int] | None = None

    def windows(self, round_: int) -> tuple[int, int, int, int]:
        """`commit, open, post, end` of a round."""
        terms = self.request
        length = terms["commitWindow"] + terms["openWindow"] + terms["postWindow"]
        start = terms["start"] + (0 if round_ == 1 else length + terms["challengeWindow"])
        opening = start + terms["commitWindow"]
        posting = opening + terms["openWindow"]
        return start, opening, posting, posting + terms["postWindow"]

    def round_at(self, time: int) -> int:
        """Which round a time belongs to."""
        return 2 if self.challenger and time >= self.windows(2)[0] else 1

    def failed(self, time: int) -> bool:
        """Whether no scores can come any more."""
        return not self.rounds[0].complete and time >= self.windows(1)[3]

    def scores(self, round_: int) -> bytes:
        """Medians of a complete round, all chunks in a row."""
        chunks = self.rounds[round_ - 1].chunks.get(self.rounds[round_ - 1].complete, {})
        return b"".join(chunks[number][1] for number in sorted(chunks))

    def pointers(self, round_: int) -> list[str]:
        """Where the contract keeps them."""
        chunks = self.rounds[round_ - 1].chunks.get(self.rounds[round_ - 1].complete, {})
        return [chunks[number][0] for number in sorted(chunks)]


class Operators:
    """State of the ScoreOracle.

    Args:
        checks: where findings go.
        chain_id: EIP-155.
        address: of the contract.
        min_bond: constructor argument, wei.
        challenge_bond: constructor argument, wei.
        bid_count: number of bids of an auction of a consumer; None where the consumer is foreign.
    """

    def __init__(
        self,
        checks: Checks,
        chain_id: int,
        address: str,
        min_bond: int,
        challenge_bond: int,
        bid_count: Callable[[str, int], int | None],
    ) -> None:
        self.checks = checks
        self.chain_id = chain_id
        self.address = address
        self.min_bond = min_bond
        self.challenge_bond = challenge_bond
        self.bid_count = bid_count
        self.operators: dict[str, Operator] = {}
        self.credit: dict[str, int] = {}
        self.sets: dict[int, tuple[list[str], int]] = {}
        self.feeds: dict[tuple[str, int], Feed] = {}
        self.slashes: list[dict[str, Any]] = []
        self._posted = 0
        self._due_credit: tuple[str, int] | None = None
        self._handlers = {
            "OperatorRegistered": self._registered,
            "BondAdded": self._bond_added,
            "OperatorExited": self._exited,
            "OperatorSlashed": self._slashed,
            "SetCreated": self._set_created,
            "RequestOpened": self._opened,
            "VectorCommitted": self._committed,
            "VectorAnnounced": self._announced,
            "VectorPublished": self._published,
            "ScoresPosted": self._scores_posted,
            "RoundCompleted": self._completed,
            "Challenged": self._challenged,
            "ChallengeResolved": self._resolved,
            "CreditAdded": self._credit_added,
            "CreditWithdrawn": self._credit_withdrawn,
        }

    def apply(self, event: Event, time: int) -> bool:
        """Check one event and follow it; False where the contract has no such event."""
        handler = self._handlers.get(event.name)
        if handler is None:
            return False
        if event.name != "CreditAdded":
            self._no_credit_due()
        args = event.args
        if "consumer" in args and event.name != "RoundCompleted":
            self._no_completion_due(args["consumer"], args["id"])
        handler(args, time)
        return True

    def finish(self) -> None:
        """What must not be open at the end of the logs."""
        self._no_credit_due()
        for consumer, auction in self.feeds:
            self._no_completion_due(consumer, auction)

    # OPERATORS

    def _registered(self, args: dict[str, Any], _: int) -> None:
        account, checks = args["operator"], self.checks
        checks.true("operator.registered", account not in self.operators, "registered once")
        checks.true(
            "operator.bond",
            args["bond"] >= self.min_bond,
            f"at least {self.min_bond}",
            args["bond"],
        )
        checks.true("operator.key", hashes.on_curve(args["keyX"], args["keyY"]), "on the curve")
        self.operators[account] = Operator(args["bond"])

    def _bond_added(self, args: dict[str, Any], _: int) -> None:
        operator = self._operator(args["operator"])
        operator.bond += args["amount"]
        self.checks.equal("operator.bond", operator.bond, args["bond"])

    def _exited(self, args: dict[str, Any], time: int) -> None:
        operator = self._operator(args["operator"])
        self.checks.true(
            "operator.lock",
            time >= operator.locked_until,
            f"not before {operator.locked_until}",
            time,
        )
        self.checks.equal("operator.bond", operator.bond, args["bond"])
        del self.operators[args["operator"]]
        self._expect_credit(args["operator"], operator.bond)

    def _operator(self, account: str) -> Operator:
        known = account in self.operators
        self.checks.require("operator.registered", known, f"{account} is registered")
        return self.operators[account]

    def _set_created(self, args: dict[str, Any], _: int) -> None:
        members, threshold = list(args["members"]), args["threshold"]
        self.checks.equal("set.id", len(self.sets) + 1, args["operatorSet"])
        ascending = all(int(a, 16) < int(b, 16) for a, b in itertools.pairwise(members))
        self.checks.true(
            "set.members",
            ascending and all(member in self.operators for member in members),
            "registered operators in ascending order",
            members,
        )
        self.checks.true(
            "set.threshold",
            0 < len(members) <= MAX_MEMBERS
            and threshold % 2 == 1
            and threshold <= len(members) < 2 * threshold,
            "odd, more than half of the members",
            f"{threshold} of {len(members)}",
        )
        self.sets[args["operatorSet"]] = (members, threshold)

    # CREDIT

    def _expect_credit(self, account: str, amount: int) -> None:
        if amount:
            self._due_credit = (account, amount)

    def _no_credit_due(self) -> None:
        if self._due_credit is not None:
            due, self._due_credit = self._due_credit, None
            self.checks.true("credit.added", False, f"{due[1]} to {due[0]}", "nothing")

    def _credit_added(self, args: dict[str, Any], _: int) -> None:
        found = (args["account"], args["amount"])
        due, self._due_credit = self._due_credit, None
        self.checks.equal("credit.added", due, found)
        self.credit[found[0]] = self.credit.get(found[0], 0) + found[1]

    def _credit_withdrawn(self, args: dict[str, Any], _: int) -> None:
        expected = self.credit.pop(args["account"], 0)
        self.checks.true(
            "credit.withdrawn",
            args["amount"] == expected > 0,
            f"all of {expected}",
            args["amount"],
        )

    # ROUNDS

    def _opened(self, args: dict[str, Any], _: int) -> None:
        self.checks.require("schema.version", args["schema"] == SCHEMA, SCHEMA, args["schema"])
        key = (args["consumer"], args["id"])
        self.checks.true("request.once", key not in self.feeds, "opened once")
        request = dict(args["request"])
        known = request["operatorSet"] in self.sets
        self.checks.require("request.set", known, "a set that exists", request["operatorSet"])
        members, threshold = self.sets[request["operatorSet"]]
        self.feeds[key] = Feed(*key, request, members, threshold)

    def _feed(self, args: dict[str, Any]) -> Feed:
        key = (args["consumer"], args["id"])
        known = key in self.feeds
        self.checks.require("request.opened", known, f"a request {key[1]} of {key[0]}")
        return self.feeds[key]

    def _no_completion_due(self, consumer: str, auction: int) -> None:
        feed = self.feeds.get((consumer, auction))
        if feed is not None and feed.completing is not None:
            self.checks.true(
                "round.completed", False, "RoundCompleted after the last chunk", "nothing"
            )
            feed.completing = None

    def _in(self, check: str, time: int, start: int, end: int | None) -> None:
        inside = start <= time and (end is None or time < end)
        span = f"from {start}" if end is None else f"in [{start}, {end})"
        self.checks.true(check, inside, span, time)

    def _member(self, feed: Feed, operator: str) -> int:
        known = operator in feed.members
        self.checks.require("operator.member", known, "a member of the set", operator)
        return feed.members.index(operator)

    def _round(self, feed: Feed, args: dict[str, Any], time: int) -> Round:
        self.checks.equal("round.number", feed.round_at(time), args["round"])
        self.checks.require("round.number", args["round"] in (1, 2), "1 or 2", args["round"])
        return feed.rounds[args["round"] - 1]

    def _committed(self, args: dict[str, Any], time: int) -> None:
        feed = self._feed(args)
        round_ = self._round(feed, args, time)
        start, opening, _, _ = feed.windows(args["round"])
        self._in("phase.score_commit", time, start, opening)
        member = self._member(feed, args["operator"])
        operator = self._operator(args["operator"])
        self.checks.true(
            "operator.bond", operator.bond >= self.min_bond, f"≥ {self.min_bond}", operator.bond
        )
        self.checks.true("vector.once", member not in round_.commitments, "committed once")
        round_.commitments[member] = args["commitment"]
        round_.committed |= 1 << member
        operator.locked_until = max(operator.locked_until, feed.windows(2)[3] + LOCK)

    def _announced(self, args: dict[str, Any], time: int) -> None:
        feed = self._feed(args)
        self._round(feed, args, time)
        self._member(feed, args["operator"])

    def _published(self, args: dict[str, Any], time: int) -> None:
        feed = self._feed(args)
        round_ = self._round(feed, args, time)
        _, opening, posting, _ = feed.windows(args["round"])
        self._in("phase.score_open", time, opening, posting)
        member = self._member(feed, args["operator"])
        self.checks.true("vector.committed", member in round_.commitments, "committed before")
        vector = args["vector"]
        count = self.bid_count(feed.consumer, feed.auction)
        if count is not None:
            self.checks.equal("vector.length", count * SCORE_BYTES, len(vector))
        parts = _chunks(vector)
        root = keccak(b"".join(map(keccak, parts)))
        self._one_report(feed, args["round"], member, root, args["evidence"])
        round_.published |= 1 << member
        round_.evidence[member] = args["evidence"]
        round_.vectors.setdefault(member, {}).update(enumerate(parts))

    def _one_report(
        self, feed: Feed, round_: int, member: int, root: bytes, evidence: bytes
    ) -> bytes:
        digest = hashes.report_digest(
            self.chain_id,
            self.address,
            feed.consumer,
            feed.auction,
            round_,
            feed.request["metricVersion"],
            root,
            evidence,
        )
        known = feed.rounds[round_ - 1].reports.setdefault(member, digest)
        self.checks.equal("operator.signed_twice", known, digest)
        return digest

    def _scores_posted(self, args: dict[str, Any], time: int) -> None:
        checks, feed = self.checks, self._feed(args)
        self._posted += 1
        # The contract makes nothing but score chunks, so their addresses count them.
        pointer = hashes.created_by(self.address, self._posted)
        checks.equal("score.pointer", pointer, args["pointer"])
        round_ = self._round(feed, args, time)
        _, opening, posting, end = feed.windows(args["round"])
        self._in("phase.score_post", time, opening, end)
        checks.equal("round.open", 0, round_.complete)

        submissions = args["submissions"]
        members = [each["member"] for each in submissions]
        checks.true("round.order", members == sorted(set(members)), "ascending", members)
        known = members and members[-1] < len(feed.members)
        checks.require("operator.member", known, "members of the set", members)
        due = round_.committed if time < posting else round_.published
        checks.equal("round.due", due, args["mask"])
        checks.equal("round.mask", sum(1 << each for each in set(members)), args["mask"])
        checks.require("round.quorum", len(members) >= feed.threshold, feed.threshold, members)

        chunk = args["chunk"]
        count = self.bid_count(feed.consumer, feed.auction)
        for each in submissions:
            self._submission(feed, args["round"], chunk, each, count)
        lengths = {len(each["vector"]) for each in submissions}
        checks.require("vector.length", len(lengths) == 1, "one length", sorted(lengths))
        # The event does not carry the medians; the weights of revealed bids and the DST show them.
        done = round_.chunks.setdefault(args["mask"], {})
        checks.true("round.chunk", chunk not in done, "posted once", chunk)
        medians = recompute.medians([each["vector"] for each in submissions])
        done[chunk] = (args["pointer"], medians)
        if len(done) == len(submissions[0]["chunkHashes"]):
            feed.completing = (args["round"], args["mask"])

    def _submission(
        self, feed: Feed, number: int, chunk: int, each: dict[str, Any], count: int | None
    ) -> None:
        checks, round_, member = self.checks, feed.rounds[number - 1], each["member"]
        hashes_, vector = each["chunkHashes"], each["vector"]
        operator = feed.members[member]
        root = keccak(b"".join(hashes_))
        digest = self._one_report(feed, number, member, root, each["evidence"])
        opened = keccak(hashes.words(digest, operator, each["salt"]))
        checks.equal("vector.opens", round_.commitments.get(member), opened)
        checks.equal("report.signature", operator, hashes.signer(digest, each["signature"]))
        fits = chunk < len(hashes_) and hashes_[chunk] == keccak(vector)
        checks.true("report.root", fits, "the chunk's hash is in the report", chunk)
        if count is not None:
            total = -(-count // CHUNK)
            checks.equal("report.chunks", total, len(hashes_))
            size = min(CHUNK, count - chunk * CHUNK) * SCORE_BYTES
            checks.equal("vector.length", size, len(vector))
        round_.vectors.setdefault(member, {})[chunk] = vector
        round_.evidence[member] = each["evidence"]

    def _completed(self, args: dict[str, Any], _: int) -> None:
        feed = self._feed(args)
        found = (args["round"], args["mask"])
        due, feed.completing = feed.completing, None
        self.checks.equal("round.completed", due, found)
        self.checks.require("round.number", args["round"] in (1, 2), "1 or 2", args["round"])
        feed.rounds[args["round"] - 1].complete = args["mask"]
        if args["round"] == 1:
            feed.final_round = 1

    # CHALLENGE

    def _challenged(self, args: dict[str, Any], time: int) -> None:
        feed = self._feed(args)
        end = feed.windows(1)[3]
        self._in("phase.challenge", time, end, end + feed.request["challengeWindow"])
        self.checks.true("challenge.round", feed.rounds[0].complete, "round 1 is complete")
        self.checks.true("challenge.once", not feed.challenger, "challenged once")
        self.checks.equal("challenge.bond", self.challenge_bond, args["bond"])
        feed.challenger, feed.final_round = args["challenger"], 0

    def _resolved(self, args: dict[str, Any], time: int) -> None:
        checks, feed = self.checks, self._feed(args)
        checks.true("challenge.open", feed.challenger and not feed.final_round, "challenged, open")
        quorum = bool(feed.rounds[1].complete)
        checks.equal("challenge.quorum", quorum, args["quorum"])
        if not quorum:
            self._in("phase.challenge_end", time, feed.windows(2)[3], None)
        moved, index = self._moved(feed) if quorum else (False, 0)
        checks.equal("challenge.moved", moved, args["moved"])
        checks.equal("challenge.index", index, args["movedIndex"])
        checks.equal("challenge.final", 2 if moved else 1, args["finalRound"])
        feed.moved, feed.final_round = moved, 2 if moved else 1
        if moved or not quorum:
            self._expect_credit(feed.challenger, self.challenge_bond)

    @staticmethod
    def _moved(feed: Feed) -> tuple[bool, int]:
        first, second = feed.scores(1), feed.scores(2)
        for index in range(min(len(first), len(second)) // SCORE_BYTES):
            if recompute.differ(recompute.packed(first, index), recompute.packed(second, index)):
                return True, index
        return False, 0

    # SLASHING

    def _slashed(self, args: dict[str, Any], time: int) -> None:
        account, amount = args["operator"], args["amount"]
        operator = self._operator(account)
        reason = args["reason"].rstrip(b"\0").decode("ascii", "replace")
        offences = {
            "equivocation": self._equivocation,
            "missing": self._missing,
            "deviation": self._deviation,
        }
        self.checks.require("slash.reason", reason in offences, "a reason of the rules", reason)
        punish = offences[reason]
        due, beneficiary, reward = punish(account, operator.bond, args["beneficiary"], time)
        self.checks.equal("slash.amount", due, amount)
        self.checks.equal("slash.beneficiary", beneficiary, args["beneficiary"])
        self.checks.equal("slash.reward", reward, args["reward"])
        operator.bond -= due
        self.slashes.append(
            {"operator": account, "reason": reason, "amount": amount, "reward": args["reward"]}
        )
        self._expect_credit(args["beneficiary"], reward)

    def _equivocation(
        self, account: str, bond: int, beneficiary: str, _: int
    ) -> tuple[int, str, int]:
        # Any request will do: the proof itself is in the transaction, not in a log.
        member = any(account in feed.members for feed in self.feeds.values())
        self.checks.true("slash.offence", member, f"{account} is in a set that scored")
        return bond, beneficiary, bond // 2

    def _missing(self, account: str, bond: int, _: str, time: int) -> tuple[int, str, int]:
        for feed in self.feeds.values():
            for number, round_ in enumerate(feed.rounds, 1):
                if account not in feed.members or time < feed.windows(number)[3]:
                    continue
                member = feed.members.index(account)
                absent = round_.committed & ~(round_.complete | round_.published)
                if absent >> member & 1 and member not in round_.excused:
                    round_.excused.add(member)
                    self.checks.true("slash.offence", True, "")
                    return bond // 10, ZERO, 0
        self.checks.true("slash.offence", False, f"{account} committed and never showed a vector")
        return bond // 10, ZERO, 0

    def _deviation(self, account: str, bond: int, beneficiary: str, _: int) -> tuple[int, str, int]:
        amount = bond // 2
        for feed in self.feeds.values():
            if feed.moved and account in feed.members and account not in feed.punished:
                if not self._deviates(feed, account):
                    continue
                feed.punished.add(account)
                self.checks.true("slash.offence", True, "")
                return amount, feed.challenger, amount // 2
        self.checks.true("slash.offence", False, f"a moved score that {account} had got wrong")
        return amount, beneficiary, amount // 2

    @staticmethod
    def _deviates(feed: Feed, account: str) -> bool:
        vectors = feed.rounds[0].vectors.get(feed.members.index(account))
        if vectors is None:
            return True  # signed, but never in a log: the transaction that slashed has it
        final = feed.scores(2)
        return any(
            recompute.differ(
                recompute.packed(part, at), recompute.packed(final, chunk * CHUNK + at)
            )
            for chunk, part in vectors.items()
            for at in range(len(part) // SCORE_BYTES)
        )


def _chunks(vector: bytes) -> list[bytes]:
    size = CHUNK * SCORE_BYTES
    return [vector[i : i + size] for i in range(0, len(vector), size)]
