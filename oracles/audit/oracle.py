"""The ScoreOracle from its logs: operators' bonds and credit, sets, rounds, challenges, slashes.

This state is the audit's own, on purpose, like all its sums: `oracles.chain.state` folds the same
events for those who take part, and a mistake there must not be repeated here. Do not merge them.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from eth_utils.crypto import keccak

from oracles.audit import hashes, recompute
from oracles.audit.checks import Payment
from oracles.chain.codec import CHUNK, SCORE_BYTES
from oracles.chain.typed_events import (
    BondAdded,
    Challenged,
    ChallengeResolved,
    CreditAdded,
    CreditWithdrawn,
    DeviationProved,
    EquivocationProved,
    OperatorExited,
    OperatorRegistered,
    OperatorSlashed,
    RequestOpened,
    RoundCompleted,
    ScoresPosted,
    SetCreated,
    VectorAnnounced,
    VectorCommitted,
    VectorPublished,
    VerdictRecorded,
)

if TYPE_CHECKING:
    from oracles.audit.checks import Announced, Checks
    from oracles.chain.typed_events import Body, Request, Submission

SCHEMA: Final = 1
MAX_MEMBERS: Final = 13
LOCK: Final = 7 * 86_400
ZERO: Final = "0x" + "00" * 20
#: What part of the bond each offence costs.
SHARES: Final = {"equivocation": 1, "missing": 10, "deviation": 2}


@dataclass(slots=True)
class Operator:
    """Bond in wei, and the time until which it is locked."""

    bond: int
    locked_until: int = 0


class Charge(NamedTuple):
    """An offence of an operator in one round of one auction."""

    consumer: str
    auction: int
    operator: str
    round: int
    offence: str


class Slash(NamedTuple):
    """A punishment: amounts in wei."""

    auction: int
    operator: str
    offence: str
    amount: int
    reward: int


@dataclass(slots=True)
class Round:
    """One scoring round; masks have a bit per member.

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
        consumer: contract that asked.
        auction: its id there.
        request: what it asked for.
        members, threshold: of the operator set.
        rounds: one and two.
        challenger: empty while nobody has challenged.
        final_round: round that counts; 0 while none does.
        moved: whether the challenge changed a score.
        punished: offences that were slashed.
        condemned: bids that a verdict names and that are not struck out yet.
    """

    consumer: str
    auction: int
    request: Request
    members: tuple[str, ...]
    threshold: int
    rounds: tuple[Round, Round] = field(default_factory=lambda: (Round(), Round()))
    challenger: str = ""
    final_round: int = 0
    moved: bool = False
    punished: set[Charge] = field(default_factory=set)
    condemned: set[int] = field(default_factory=set)

    def windows(self, round_: int) -> tuple[int, int, int, int]:
        """`commit, open, post, end` of a round."""
        terms = self.request
        length = terms.commit_window + terms.open_window + terms.post_window
        start = terms.start + (0 if round_ == 1 else length + terms.challenge_window)
        opening = start + terms.commit_window
        posting = opening + terms.open_window
        return start, opening, posting, posting + terms.post_window

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


class OracleReplay:
    """State of the ScoreOracle.

    Args:
        checks: where findings go.
        announced: what logs promise to each other.
        chain_id: EIP-155.
        address: of the contract.
        min_bond: constructor argument, wei.
        challenge_bond: constructor argument, wei.
    """

    def __init__(
        self,
        checks: Checks,
        announced: Announced,
        chain_id: int,
        address: str,
        min_bond: int,
        challenge_bond: int,
    ) -> None:
        self.checks = checks
        self.announced = announced
        self.chain_id = chain_id
        self.address = address
        self.min_bond = min_bond
        self.challenge_bond = challenge_bond
        self.operators: dict[str, Operator] = {}
        self.credit: dict[str, int] = {}
        self.sets: dict[int, tuple[tuple[str, ...], int]] = {}
        self.feeds: dict[tuple[str, int], Feed] = {}
        self.slashes: list[Slash] = []
        self._posted = 0

    def apply(self, body: Body, time: int, bids: int | None) -> bool:
        """Check one event and follow it; False where the contract has no such event.

        Args:
            body: the event.
            time: of its block.
            bids: number of bids of the auction that it is about; None where that is unknown.
        """
        match body:
            case OperatorRegistered():
                self._registered(body)
            case BondAdded():
                self._bond_added(body)
            case OperatorExited():
                self._exited(body, time)
            case OperatorSlashed():
                self._slashed(body, time)
            case EquivocationProved():
                self._equivocation_proved(body)
            case DeviationProved():
                self._deviation_proved(body)
            case VerdictRecorded():
                self._verdict_recorded(body)
            case SetCreated():
                self._set_created(body)
            case RequestOpened():
                self._opened(body)
            case VectorCommitted():
                self._committed(body, time)
            case VectorAnnounced():
                self._vector_announced(body, time)
            case VectorPublished():
                self._published(body, time, bids)
            case ScoresPosted():
                self._scores_posted(body, time, bids)
            case RoundCompleted():
                self._completed(body)
            case Challenged():
                self._challenged(body, time)
            case ChallengeResolved():
                self._resolved(body, time)
            case CreditAdded():
                self._credit_added(body)
            case CreditWithdrawn():
                self._credit_withdrawn(body)
            case _:
                return False
        return True

    def finish(self) -> None:
        """What must not be open at the end of the logs."""
        for feed in self.feeds.values():
            self.checks.equal("verdict.followed", set(), feed.condemned)

    # OPERATORS

    def _registered(self, body: OperatorRegistered) -> None:
        account, checks = body.operator, self.checks
        checks.true("operator.registered", account not in self.operators, "registered once")
        checks.true(
            "operator.bond",
            body.bond >= self.min_bond,
            f"at least {self.min_bond}",
            body.bond,
        )
        checks.true("operator.key", hashes.on_curve(body.key_x, body.key_y), "on the curve")
        self.operators[account] = Operator(body.bond)

    def _bond_added(self, body: BondAdded) -> None:
        operator = self._operator(body.operator)
        operator.bond += body.amount
        self.checks.equal("operator.bond", operator.bond, body.bond)

    def _exited(self, body: OperatorExited, time: int) -> None:
        operator = self._operator(body.operator)
        self.checks.true(
            "operator.lock",
            time >= operator.locked_until,
            f"not before {operator.locked_until}",
            time,
        )
        self.checks.equal("operator.bond", operator.bond, body.bond)
        del self.operators[body.operator]
        self._expect_credit(body.operator, operator.bond)

    def _operator(self, account: str) -> Operator:
        known = account in self.operators
        self.checks.require("operator.registered", known, f"{account} is registered")
        return self.operators[account]

    def _set_created(self, body: SetCreated) -> None:
        members, threshold = body.members, body.threshold
        self.checks.equal("set.id", len(self.sets) + 1, body.operator_set)
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
        self.sets[body.operator_set] = (members, threshold)

    # CREDIT

    def _expect_credit(self, account: str, amount: int) -> None:
        if amount:
            self.announced.announce_next("credit.added", self.address, Payment(account, amount))

    def _credit_added(self, body: CreditAdded) -> None:
        found = Payment(body.account, body.amount)
        self.announced.confirm("credit.added", self.address, found)
        self.credit[body.account] = self.credit.get(body.account, 0) + body.amount

    def _credit_withdrawn(self, body: CreditWithdrawn) -> None:
        expected = self.credit.pop(body.account, 0)
        self.checks.true(
            "credit.withdrawn",
            body.amount == expected > 0,
            f"all of {expected}",
            body.amount,
        )

    # ROUNDS

    def _opened(self, body: RequestOpened) -> None:
        self.checks.require("schema.version", body.schema == SCHEMA, SCHEMA, body.schema)
        key = (body.consumer, body.auction_id)
        self.checks.true("request.once", key not in self.feeds, "opened once")
        known = body.request.operator_set in self.sets
        self.checks.require("request.set", known, "a set that exists", body.request.operator_set)
        members, threshold = self.sets[body.request.operator_set]
        self.feeds[key] = Feed(*key, body.request, members, threshold)

    def _feed(self, consumer: str, auction: int) -> Feed:
        known = (consumer, auction) in self.feeds
        self.checks.require("request.opened", known, f"a request {auction} of {consumer}")
        return self.feeds[consumer, auction]

    def _member(self, feed: Feed, operator: str) -> int:
        known = operator in feed.members
        self.checks.require("operator.member", known, "a member of the set", operator)
        return feed.members.index(operator)

    def _round(self, feed: Feed, number: int, time: int) -> Round:
        self.checks.equal("round.number", feed.round_at(time), number)
        self.checks.require("round.number", number in (1, 2), "1 or 2", number)
        return feed.rounds[number - 1]

    def _committed(self, body: VectorCommitted, time: int) -> None:
        feed = self._feed(body.consumer, body.auction_id)
        round_ = self._round(feed, body.round, time)
        start, opening, _, _ = feed.windows(body.round)
        self.checks.within("phase.score_commit", time, start, opening)
        member = self._member(feed, body.operator)
        operator = self._operator(body.operator)
        self.checks.true(
            "operator.bond", operator.bond >= self.min_bond, f"≥ {self.min_bond}", operator.bond
        )
        self.checks.true("vector.once", member not in round_.commitments, "committed once")
        round_.commitments[member] = body.commitment
        round_.committed |= 1 << member
        operator.locked_until = max(operator.locked_until, feed.windows(2)[3] + LOCK)

    def _vector_announced(self, body: VectorAnnounced, time: int) -> None:
        feed = self._feed(body.consumer, body.auction_id)
        self._round(feed, body.round, time)
        self._member(feed, body.operator)

    def _published(self, body: VectorPublished, time: int, bids: int | None) -> None:
        feed = self._feed(body.consumer, body.auction_id)
        round_ = self._round(feed, body.round, time)
        _, opening, posting, _ = feed.windows(body.round)
        self.checks.within("phase.score_open", time, opening, posting)
        member = self._member(feed, body.operator)
        submission = body.submission
        vector = submission.vector
        self.checks.equal("operator.member", member, submission.member)
        self._report(feed, body.round, member, submission)
        if bids is not None:
            self.checks.equal("vector.length", bids * SCORE_BYTES, len(vector))
        parts = _chunks(vector)
        self.checks.equal("report.root", tuple(map(keccak, parts)), submission.chunk_hashes)
        round_.published |= 1 << member
        round_.vectors.setdefault(member, {}).update(enumerate(parts))

    def _report(self, feed: Feed, number: int, member: int, given: Submission) -> None:
        """The member committed to this report, signed it, and signed no other one."""
        round_, operator = feed.rounds[number - 1], feed.members[member]
        root = keccak(b"".join(given.chunk_hashes))
        digest = self._digest(feed, number, root, given.evidence)
        known = round_.reports.setdefault(member, digest)
        self.checks.equal("operator.signed_twice", known, digest)
        opened = keccak(hashes.words(digest, operator, given.salt))
        self.checks.equal("vector.opens", round_.commitments.get(member), opened)
        signer = hashes.signer(digest, given.signature)
        self.checks.equal("report.signature", operator, signer)
        round_.evidence[member] = given.evidence

    def _digest(self, feed: Feed, number: int, root: bytes, evidence: bytes) -> bytes:
        return hashes.report_digest(
            self.chain_id,
            self.address,
            feed.consumer,
            feed.auction,
            number,
            feed.request.metric_version,
            root,
            evidence,
        )

    def _scores_posted(self, body: ScoresPosted, time: int, bids: int | None) -> None:
        checks, feed = self.checks, self._feed(body.consumer, body.auction_id)
        self._posted += 1
        # The contract makes nothing but score chunks, so their addresses count them.
        pointer = hashes.created_by(self.address, self._posted)
        checks.equal("score.pointer", pointer, body.pointer)
        round_ = self._round(feed, body.round, time)
        _, opening, posting, end = feed.windows(body.round)
        self.checks.within("phase.score_post", time, opening, end)
        checks.equal("round.open", 0, round_.complete)

        submissions = body.submissions
        members = [each.member for each in submissions]
        checks.true("round.order", members == sorted(set(members)), "ascending", members)
        known = members and members[-1] < len(feed.members)
        checks.require("operator.member", known, "members of the set", members)
        due = round_.committed if time < posting else round_.published
        checks.equal("round.due", due, body.mask)
        checks.equal("round.mask", sum(1 << each for each in set(members)), body.mask)
        checks.require("round.quorum", len(members) >= feed.threshold, feed.threshold, members)

        chunk = body.chunk
        for each in submissions:
            self._submission(feed, body.round, chunk, each, bids)
        lengths = {len(each.vector) for each in submissions}
        checks.require("vector.length", len(lengths) == 1, "one length", sorted(lengths))
        # The event does not carry the medians; the weights of revealed bids and the DST show them.
        done = round_.chunks.setdefault(body.mask, {})
        checks.true("round.chunk", chunk not in done, "posted once", chunk)
        medians = recompute.medians([each.vector for each in submissions])
        done[chunk] = (body.pointer, medians)
        if len(done) == len(submissions[0].chunk_hashes):
            found = (feed.consumer, feed.auction, body.round, body.mask)
            self.announced.announce_next("round.completed", self.address, found)

    def _submission(
        self, feed: Feed, number: int, chunk: int, each: Submission, bids: int | None
    ) -> None:
        checks, round_, member = self.checks, feed.rounds[number - 1], each.member
        hashes_, vector = each.chunk_hashes, each.vector
        self._report(feed, number, member, each)
        fits = chunk < len(hashes_) and hashes_[chunk] == keccak(vector)
        checks.true("report.root", fits, "the chunk's hash is in the report", chunk)
        if bids is not None:
            total = -(-bids // CHUNK)
            checks.equal("report.chunks", total, len(hashes_))
            size = min(CHUNK, bids - chunk * CHUNK) * SCORE_BYTES
            checks.equal("vector.length", size, len(vector))
        round_.vectors.setdefault(member, {})[chunk] = vector

    def _completed(self, body: RoundCompleted) -> None:
        feed = self._feed(body.consumer, body.auction_id)
        found = (body.consumer, body.auction_id, body.round, body.mask)
        self.announced.confirm("round.completed", self.address, found)
        self.checks.require("round.number", body.round in (1, 2), "1 or 2", body.round)
        feed.rounds[body.round - 1].complete = body.mask
        if body.round == 1:
            feed.final_round = 1

    # CHALLENGE

    def _challenged(self, body: Challenged, time: int) -> None:
        feed = self._feed(body.consumer, body.auction_id)
        end = feed.windows(1)[3]
        self.checks.within("phase.challenge", time, end, end + feed.request.challenge_window)
        self.checks.true("challenge.round", feed.rounds[0].complete, "round 1 is complete")
        self.checks.true("challenge.once", not feed.challenger, "challenged once")
        self.checks.equal("challenge.bond", self.challenge_bond, body.bond)
        feed.challenger, feed.final_round = body.challenger, 0

    def _resolved(self, body: ChallengeResolved, time: int) -> None:
        checks, feed = self.checks, self._feed(body.consumer, body.auction_id)
        checks.true("challenge.open", feed.challenger and not feed.final_round, "challenged, open")
        quorum = bool(feed.rounds[1].complete)
        checks.equal("challenge.quorum", quorum, body.quorum)
        if not quorum:
            self.checks.within("phase.challenge_end", time, feed.windows(2)[3], None)
        moved, index = self._moved(feed) if quorum else (False, 0)
        checks.equal("challenge.moved", moved, body.moved)
        checks.equal("challenge.index", index, body.moved_index)
        checks.equal("challenge.final", 2 if moved else 1, body.final_round)
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

    def _verdict_recorded(self, body: VerdictRecorded) -> None:
        checks, feed, members = (
            self.checks,
            self._feed(body.consumer, body.auction_id),
            body.members,
        )
        ascending = all(a < b for a, b in itertools.pairwise(members))
        known = ascending and members and members[-1] < len(feed.members)
        checks.require("verdict.members", known, "members of the set, ascending", members)
        checks.true("verdict.quorum", len(members) >= feed.threshold, feed.threshold, len(members))
        digest = hashes.verdict_digest(
            self.chain_id, self.address, feed.consumer, feed.auction, body.indices
        )
        signers = [hashes.signer(digest, each) for each in body.signatures]
        checks.equal("verdict.signatures", [feed.members[each] for each in members], signers)
        feed.condemned.update(body.indices)

    def condemned(self, consumer: str, auction: int, index: int) -> bool:
        """Whether a verdict names a bid; each verdict strikes out a bid once."""
        feed = self.feeds.get((consumer, auction))
        if feed is None or index not in feed.condemned:
            return False
        feed.condemned.remove(index)
        return True

    # SLASHING

    def _equivocation_proved(self, body: EquivocationProved) -> None:
        feed, first, second = self._feed(body.consumer, body.auction_id), body.a, body.b
        self.checks.equal("slash.proof", first.round, second.round)
        digests = [
            self._digest(feed, each.round, each.root, each.evidence) for each in (first, second)
        ]
        self.checks.true("slash.proof", digests[0] != digests[1], "two different reports")
        signers = [
            hashes.signer(digest, each.signature)
            for digest, each in zip(digests, (first, second), strict=True)
        ]
        self.checks.equal("slash.proof", [body.operator] * 2, signers)
        self._charge(feed, body.operator, first.round, "equivocation")

    def _deviation_proved(self, body: DeviationProved) -> None:
        checks, feed, account = (
            self.checks,
            self._feed(body.consumer, body.auction_id),
            body.operator,
        )
        self._member(feed, account)
        parts, vector = body.chunk_hashes, body.vector
        digest = self._digest(feed, 1, keccak(b"".join(parts)), body.evidence)
        checks.equal("slash.proof", account, hashes.signer(digest, body.signature))
        chunk, at = divmod(body.index, CHUNK)
        fits = chunk < len(parts) and parts[chunk] == keccak(vector)
        checks.require("slash.proof", fits, "the chunk's hash is in the report", chunk)
        final = feed.scores(2)
        known = at < len(vector) // SCORE_BYTES and body.index < len(final) // SCORE_BYTES
        checks.require("slash.proof", known, "an index with two scores", body.index)
        wrong = recompute.differ(recompute.packed(vector, at), recompute.packed(final, body.index))
        checks.true("slash.proof", feed.moved and wrong, "a moved score that it had got wrong")
        self._charge(feed, account, 1, "deviation")

    def _charge(self, feed: Feed, operator: str, number: int, offence: str) -> None:
        charge = Charge(feed.consumer, feed.auction, operator, number, offence)
        self.announced.announce_next("slash.proof", self.address, charge)

    def _slashed(self, body: OperatorSlashed, time: int) -> None:
        checks, feed, account = (
            self.checks,
            self._feed(body.consumer, body.auction_id),
            body.operator,
        )
        operator = self._operator(account)
        offence = body.offence.rstrip(b"\0").decode("ascii", "replace")
        checks.require("slash.offence", offence in SHARES, "an offence of the rules", offence)
        charge = Charge(feed.consumer, feed.auction, account, body.round, offence)
        if offence == "missing":
            self._absent(feed, account, body.round, time)
        else:
            self.announced.confirm("slash.proof", self.address, charge)
        checks.true("slash.once", charge not in feed.punished, "punished once per round")
        feed.punished.add(charge)

        due = operator.bond // SHARES[offence]
        beneficiary = {"missing": ZERO, "deviation": feed.challenger}.get(offence, body.beneficiary)
        reward = 0 if offence == "missing" else due // 2
        checks.equal("slash.amount", due, body.amount)
        checks.equal("slash.beneficiary", beneficiary, body.beneficiary)
        checks.equal("slash.reward", reward, body.reward)
        operator.bond -= due
        self.slashes.append(Slash(feed.auction, account, offence, body.amount, body.reward))
        self._expect_credit(body.beneficiary, reward)

    def _absent(self, feed: Feed, account: str, number: int, time: int) -> None:
        self.checks.require("round.number", number in (1, 2), "1 or 2", number)
        self.checks.within("phase.slash", time, feed.windows(number)[3], None)
        round_ = feed.rounds[number - 1]
        silent = round_.committed & ~(round_.complete | round_.published)
        guilty = silent >> self._member(feed, account) & 1
        self.checks.true("slash.offence", guilty, f"{account} committed and never showed a vector")


def _chunks(vector: bytes) -> list[bytes]:
    size = CHUNK * SCORE_BYTES
    return [vector[i : i + size] for i in range(0, len(vector), size)]
