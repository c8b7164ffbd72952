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
    """

    commitments: dict[int, bytes] = field(default_factory=dict)
    committed: int = 0
    published: int = 0
    complete: int = 0
    reports: dict[int, bytes] = field(default_factory=dict)
    evidence: dict[int, bytes] = field(default_factory=dict)
    vectors: dict[int, dict[int, bytes]] = field(default_factory=dict)
    chunks: dict[int, dict[int, tuple[str, bytes]]] = field(default_factory=dict)


@dataclass(slots=True)
class Feed:
    """Scores of one auction: the request, its two rounds, its challenge.

    Attributes:
        punished: offences, each (operator, round, offence).
        condemned: bids that a verdict names and that are not struck out yet.
    """

    consumer: str
    auction: int
    request: dict[str, Any]
    members: list[str]
    threshold: int
    rounds: tuple[Round, Round] = field(default_factory=lambda: (Round(), Round()))
    challenger: str = ""
    final_round: int = 0
    moved: bool = False
    punished: set[tuple[str, int, str]] = field(default_factory=set)
    condemned: set[int] = field(default_factory=set)
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
        self._proof: tuple[Feed, str, int, str] | None = None
        self._handlers = {
            "OperatorRegistered": self._registered,
            "BondAdded": self._bond_added,
            "OperatorExited": self._exited,
            "OperatorSlashed": self._slashed,
            "EquivocationProved": self._equivocation_proved,
            "DeviationProved": self._deviation_proved,
            "VerdictRecorded": self._verdict_recorded,
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

    def apply(self, event: Event, args: dict[str, Any], time: int) -> bool:
        """Check one event and follow it; False where the contract has no such event."""
        handler = self._handlers.get(event.name)
        if handler is None:
            return False
        if event.name != "CreditAdded":
            self._no_credit_due()
        if event.name != "OperatorSlashed":
            self._no_proof_pending()
        if "consumer" in args and event.name != "RoundCompleted":
            self._no_completion_due(args["consumer"], args["id"])
        handler(args, time)
        return True

    def finish(self) -> None:
        """What must not be open at the end of the logs."""
        self._no_credit_due()
        self._no_proof_pending()
        for (consumer, auction), feed in self.feeds.items():
            self._no_completion_due(consumer, auction)
            self.checks.equal("verdict.followed", set(), feed.condemned)

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
        submission = args["submission"]
        vector = submission["vector"]
        self.checks.equal("operator.member", member, submission["member"])
        self._report(feed, args["round"], member, submission)
        count = self.bid_count(feed.consumer, feed.auction)
        if count is not None:
            self.checks.equal("vector.length", count * SCORE_BYTES, len(vector))
        parts = _chunks(vector)
        self.checks.equal("report.root", list(map(keccak, parts)), submission["chunkHashes"])
        round_.published |= 1 << member
        round_.vectors.setdefault(member, {}).update(enumerate(parts))

    def _report(self, feed: Feed, number: int, member: int, given: dict[str, Any]) -> None:
        """The member committed to this report, signed it, and signed no other one."""
        round_, operator = feed.rounds[number - 1], feed.members[member]
        root = keccak(b"".join(given["chunkHashes"]))
        digest = self._digest(feed, number, root, given["evidence"])
        known = round_.reports.setdefault(member, digest)
        self.checks.equal("operator.signed_twice", known, digest)
        opened = keccak(hashes.words(digest, operator, given["salt"]))
        self.checks.equal("vector.opens", round_.commitments.get(member), opened)
        signer = hashes.signer(digest, given["signature"])
        self.checks.equal("report.signature", operator, signer)
        round_.evidence[member] = given["evidence"]

    def _digest(self, feed: Feed, number: int, root: bytes, evidence: bytes) -> bytes:
        return hashes.report_digest(
            self.chain_id,
            self.address,
            feed.consumer,
            feed.auction,
            number,
            feed.request["metricVersion"],
            root,
            evidence,
        )

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
        self._report(feed, number, member, each)
        fits = chunk < len(hashes_) and hashes_[chunk] == keccak(vector)
        checks.true("report.root", fits, "the chunk's hash is in the report", chunk)
        if count is not None:
            total = -(-count // CHUNK)
            checks.equal("report.chunks", total, len(hashes_))
            size = min(CHUNK, count - chunk * CHUNK) * SCORE_BYTES
            checks.equal("vector.length", size, len(vector))
        round_.vectors.setdefault(member, {})[chunk] = vector

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

    # VERDICTS

    def _verdict_recorded(self, args: dict[str, Any], _: int) -> None:
        checks, feed, members = self.checks, self._feed(args), args["members"]
        ascending = all(a < b for a, b in itertools.pairwise(members))
        known = ascending and members and members[-1] < len(feed.members)
        checks.require("verdict.members", known, "members of the set, ascending", members)
        checks.true("verdict.quorum", len(members) >= feed.threshold, feed.threshold, len(members))
        digest = hashes.verdict_digest(
            self.chain_id, self.address, feed.consumer, feed.auction, args["indices"]
        )
        signers = [hashes.signer(digest, each) for each in args["signatures"]]
        checks.equal("verdict.signatures", [feed.members[each] for each in members], signers)
        feed.condemned.update(args["indices"])

    def condemned(self, consumer: str, auction: int, index: int) -> bool:
        """Whether a verdict names a bid; each verdict strikes out a bid once."""
        feed = self.feeds.get((consumer, auction))
        if feed is None or index not in feed.condemned:
            return False
        feed.condemned.remove(index)
        return True

    # SLASHING

    def _equivocation_proved(self, args: dict[str, Any], _: int) -> None:
        feed, first, second = self._feed(args), args["a"], args["b"]
        self.checks.equal("slash.proof", first["round"], second["round"])
        digests = [
            self._digest(feed, each["round"], each["root"], each["evidence"])
            for each in (first, second)
        ]
        self.checks.true("slash.proof", digests[0] != digests[1], "two different reports")
        signers = [
            hashes.signer(digest, each["signature"])
            for digest, each in zip(digests, (first, second), strict=True)
        ]
        self.checks.equal("slash.proof", [args["operator"]] * 2, signers)
        self._proof = (feed, args["operator"], first["round"], "equivocation")

    def _deviation_proved(self, args: dict[str, Any], _: int) -> None:
        checks, feed, account = self.checks, self._feed(args), args["operator"]
        self._member(feed, account)
        parts, vector = args["chunkHashes"], args["vector"]
        digest = self._digest(feed, 1, keccak(b"".join(parts)), args["evidence"])
        checks.equal("slash.proof", account, hashes.signer(digest, args["signature"]))
        chunk, at = divmod(args["index"], CHUNK)
        fits = chunk < len(parts) and parts[chunk] == keccak(vector)
        checks.require("slash.proof", fits, "the chunk's hash is in the report", chunk)
        final = feed.scores(2)
        known = at < len(vector) // SCORE_BYTES and args["index"] < len(final) // SCORE_BYTES
        checks.require("slash.proof", known, "an index with two scores", args["index"])
        wrong = recompute.differ(
            recompute.packed(vector, at), recompute.packed(final, args["index"])
        )
        checks.true("slash.proof", feed.moved and wrong, "a moved score that it had got wrong")
        self._proof = (feed, account, 1, "deviation")

    def _slashed(self, args: dict[str, Any], time: int) -> None:
        checks, feed, account = self.checks, self._feed(args), args["operator"]
        operator = self._operator(account)
        offence = args["offence"].rstrip(b"\0").decode("ascii", "replace")
        shares = {"equivocation": 1, "missing": 10, "deviation": 2}
        checks.require("slash.offence", offence in shares, "an offence of the rules", offence)
        charge = (feed, account, args["round"], offence)
        if offence == "missing":
            self._absent(feed, account, args["round"], time)
        else:
            checks.true("slash.proof", self._proof == charge, "its proof just before")
            self._proof = None
        checks.true("slash.once", charge[1:] not in feed.punished, "punished once a round")
        feed.punished.add(charge[1:])

        due = operator.bond // shares[offence]
        beneficiary = {"missing": ZERO, "deviation": feed.challenger}.get(
            offence, args["beneficiary"]
        )
        reward = 0 if offence == "missing" else due // 2
        checks.equal("slash.amount", due, args["amount"])
        checks.equal("slash.beneficiary", beneficiary, args["beneficiary"])
        checks.equal("slash.reward", reward, args["reward"])
        operator.bond -= due
        self.slashes.append(
            {
                "auction": feed.auction,
                "operator": account,
                "offence": offence,
                "amount": args["amount"],
                "reward": args["reward"],
            }
        )
        self._expect_credit(args["beneficiary"], reward)

    def _absent(self, feed: Feed, account: str, number: int, time: int) -> None:
        self.checks.require("round.number", number in (1, 2), "1 or 2", number)
        self._in("phase.slash", time, feed.windows(number)[3], None)
        round_ = feed.rounds[number - 1]
        silent = round_.committed & ~(round_.complete | round_.published)
        guilty = silent >> self._member(feed, account) & 1
        self.checks.true("slash.offence", guilty, f"{account} committed and never showed a vector")

    def _no_proof_pending(self) -> None:
        if self._proof is not None:
            feed, account, _, offence = self._proof
            self._proof = None
            where = f"{account} slashed for {offence} in auction {feed.auction}"
            self.checks.true("slash.proof", False, where, "nothing")


def _chunks(vector: bytes) -> list[bytes]:
    size = CHUNK * SCORE_BYTES
    return [vector[i : i + size] for i in range(0, len(vector), size)]
