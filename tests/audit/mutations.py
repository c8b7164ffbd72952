"""Ways to change one thing in a passing archive, each with the check that must find it.

`python -m tests.audit.mutations` prints the table in docs/auditors.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eth_utils.crypto import keccak

from oracles.audit import Block, Log
from oracles.audit.recompute import packed
from oracles.audit.replay import Replay, follow
from oracles.chain.events import Event, decode_log
from scripts.events import field_name
from tests.support.auction import BUYER
from tests.support.logs import args_of, encode_log, entries

if TYPE_CHECKING:
    from oracles.audit.records import Record, Source


Change = Callable[[dict[str, Any]], None]


def _encode(event: Event, args: dict[str, Any], log: Log) -> Log:
    """The log of an event with changed arguments."""
    topics, data = encode_log(event.name, args)
    return log._replace(topics=topics, data=data)


@dataclass(frozen=True)
class Mutation:
    """One kind of change.

    Attributes:
        what: in words.
        event: whose log is changed; empty for a change of blocks.
        check: that must find it (others may, too).
        change: applied to the arguments; None drops the log.
        number: which of the logs of this name.
        where: further condition on the arguments.
        records: applied to all records instead.
    """

    what: str
    event: str
    check: str
    change: Change | None = None
    number: int = 0
    where: Callable[[dict[str, Any]], Any] = lambda _: True
    records: Callable[[list[Record]], list[Record]] | None = None

    def apply(self, records: list[Record]) -> list[Record]:
        """Records with this change."""
        if self.records is not None:
            return self.records(records)
        seen = 0
        for at, record in enumerate(records):
            if not _is(record, self.event) or isinstance(record, Block):
                continue
            event = decode_log(record.address, record.topics, record.data)
            if event is None:
                continue
            args = args_of(event)
            if not self.where(args):
                continue
            if seen == self.number:
                if self.change is None:
                    return records[:at] + records[at + 1 :]
                self.change(args)
                return [*records[:at], _encode(event, args, record), *records[at + 1 :]]
            seen += 1
        raise LookupError(f"no log to change: {self.what}")


def add(name: str, amount: int = 1, *, inside: str = "") -> Change:
    """Add to an argument, or to a field of a struct."""

    def change(args: dict[str, Any]) -> None:
        target = args[inside] if inside else args
        target[name] += amount

    return change


def put(name: str, value: Any, *, inside: str = "") -> Change:
    """Replace an argument, or a field of a struct."""

    def change(args: dict[str, Any]) -> None:
        target = args[inside] if inside else args
        target[name] = value

    return change


def flip(name: str, *, inside: str = "", at: int = 5) -> Change:
    """Change one bit of a byte string, or negate a boolean."""

    def change(args: dict[str, Any]) -> None:
        target = args[inside] if inside else args
        value = target[name]
        if isinstance(value, bool):
            target[name] = not value
        else:
            target[name] = value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]

    return change


def scoring(name: str, amount: int = 1) -> Change:
    """Add to what an auction asks of its operators."""
    return lambda args: add(name, amount, inside="scoring")(args["terms"])


def phase(name: str, amount: int) -> Change:
    """Another length of a phase."""
    return lambda args: add(name, amount, inside="durations")(args["terms"])


def request(name: str, value: int = 0) -> Change:
    """Replace a field of a request for scores."""
    return put(name, value, inside="request")


def panel_member(args: dict[str, Any]) -> None:
    """Put somebody into a panel who never registered."""
    args["first"]["members"][0] = STRANGER


def own_key_commitment(args: dict[str, Any]) -> None:
    """Let the key that was delivered wrongly be the one that was committed to."""
    args["dataSet"]["keyCommitment"] = keccak(bytes(32))


def flip_mask(name: str) -> Change:
    """Change the first member of a mask."""

    def change(args: dict[str, Any]) -> None:
        args[name] ^= 1

    return change


def submission(change: Change, number: int = 0) -> Change:
    """Change one submission of a ScoresPosted event."""
    return lambda args: change(args["submissions"][number])


def attest(index: int) -> Change:
    """Let a member say another thing about one index."""

    def change(args: dict[str, Any]) -> None:
        args["bitmap"][0] ^= 1 << index

    return change


def on_roll(index: int) -> Change:
    """Put an index on the roll, or take it off."""

    def change(args: dict[str, Any]) -> None:
        args["roll"][0] ^= 1 << index

    return change


def overlap(args: dict[str, Any]) -> None:
    """Let a member of the first panel sit in the appeal panel too."""
    members = [*args["appeal"]["members"], args["first"]["members"][0]]
    args["appeal"]["members"] = sorted(members, key=lambda each: int(each, 16))


def flip_proof(args: dict[str, Any]) -> None:
    """Another answer in the proof of a shared point."""
    args["proof"]["z"] ^= 1


def shared_point(args: dict[str, Any]) -> None:
    """Another shared point."""
    args["proof"]["shared"] = args["proof"]["t"]


def weight_rule(args: dict[str, Any]) -> None:
    """Another κ."""
    args["terms"]["weights"]["kappa"] += 10**16


def swap_signatures(args: dict[str, Any]) -> None:
    """Exchange the signatures of two operators."""
    first, second = args["submissions"][:2]
    first["signature"], second["signature"] = second["signature"], first["signature"]


def one_score(args: dict[str, Any]) -> None:
    """Raise q of one bid in the middle operator's vector."""
    each = args["submissions"][1]
    score = packed(each["vector"], 1) + (1 << 46)
    each["vector"] = each["vector"][:8] + score.to_bytes(8, "big") + each["vector"][16:]


def same_report(args: dict[str, Any]) -> None:
    """Let one report be the proof of two."""
    args["b"] = args["a"]


def forge_verdict(args: dict[str, Any]) -> None:
    """Put one judge's signature under another one's name."""
    args["signatures"] = [args["signatures"][0]] * len(args["signatures"])


def one_judge_less(args: dict[str, Any]) -> None:
    """Leave a judge out."""
    args["members"], args["signatures"] = args["members"][1:], args["signatures"][1:]


def judges_doubled(args: dict[str, Any]) -> None:
    """Count one judge twice."""
    args["members"] = [args["members"][0]] * len(args["members"])


def swap_logs(event: str) -> Callable[[list[Record]], list[Record]]:
    """Exchange the first two logs of an event, each staying in its block's place."""

    def change(records: list[Record]) -> list[Record]:
        found = [at for at, each in enumerate(records) if _is(each, event)][:2]
        out = list(records)
        first, second = (out[at] for at in found)
        assert isinstance(first, Log)
        assert isinstance(second, Log)
        out[found[0]] = second._replace(index=first.index)
        out[found[1]] = first._replace(index=second.index)
        return out

    return change


def double(event: str, number: int = 0) -> Callable[[list[Record]], list[Record]]:
    """Repeat a log."""

    def change(records: list[Record]) -> list[Record]:
        at = [at for at, each in enumerate(records) if _is(each, event)][number]
        log = records[at]
        assert isinstance(log, Log)
        later = [
            each._replace(index=each.index + 1) if isinstance(each, Log) else each
            for each in _rest_of_block(records, at)
        ]
        again = log._replace(index=log.index + 1)
        return [*records[: at + 1], again, *later, *records[at + 1 + len(later) :]]

    return change


def _rest_of_block(records: list[Record], at: int) -> list[Record]:
    out: list[Record] = []
    for each in records[at + 1 :]:
        if isinstance(each, Block):
            break
        out.append(each)
    return out


def shift_time(event: str, seconds: int) -> Callable[[list[Record]], list[Record]]:
    """Move the block of an event's first log in time, and all blocks before or after with it."""

    def change(records: list[Record]) -> list[Record]:
        at = next(at for at, each in enumerate(records) if _is(each, event))
        out: list[Record] = []
        for position, each in enumerate(records):
            moved = at - _back(records, at) <= position < at
            if moved and isinstance(each, Block):
                each = each._replace(time=each.time + seconds)
            out.append(each)
        return out

    return change


def _back(records: list[Record], at: int) -> int:
    """How far back the block of a log is."""
    start = at
    while not isinstance(records[start], Block):
        start -= 1
    return at - start


def block_order(records: list[Record]) -> list[Record]:
    """Exchange two blocks with their logs."""
    heads = [at for at, each in enumerate(records) if isinstance(each, Block)]
    a, b, c = heads[12:15]
    return records[:a] + records[b:c] + records[a:b] + records[c:]


def last_hash(records: list[Record]) -> list[Record]:
    """Another hash for the last block."""
    at = max(at for at, each in enumerate(records) if isinstance(each, Block))
    block = records[at]
    assert isinstance(block, Block)
    return [*records[:at], block._replace(hash=bytes(32)), *records[at + 1 :]]


def cut_data(records: list[Record]) -> list[Record]:
    """Cut the data of a log off."""
    at = next(at for at, each in enumerate(records) if _is(each, "Revealed"))
    log = records[at]
    assert isinstance(log, Log)
    return [*records[:at], log._replace(data=log.data[:-32]), *records[at + 1 :]]


def unknown_event(records: list[Record]) -> list[Record]:
    """Give a log a topic that no event has."""
    at = next(at for at, each in enumerate(records) if _is(each, "Walked"))
    log = records[at]
    assert isinstance(log, Log)
    return [*records[:at], log._replace(topics=(bytes(32),)), *records[at + 1 :]]


def _is(record: Record, event: str) -> bool:
    if isinstance(record, Block):
        return False
    topic: bytes = entries()[event][0]
    return record.topics[0] == topic


def minted(args: dict[str, Any]) -> bool:
    """A Transfer that mints."""
    return int(args["from"], 16) == 0


def won(args: dict[str, Any]) -> bool:
    """A claim of cash."""
    return bool(args["cash"] > 1)


STRANGER = "0x" + "5a" * 20


def of(**wanted: Any) -> Callable[[dict[str, Any]], bool]:
    """Logs with these arguments."""
    return lambda args: all(args[name] == value for name, value in wanted.items())


def offence(name: str) -> Callable[[dict[str, Any]], bool]:
    """Slashes for this offence."""
    return of(offence=name.encode().ljust(32, b"\0"))


MUTATIONS: tuple[Mutation, ...] = (
    # Terms.
    Mutation("the auction's schema version", "AuctionCreated", "schema.version", add("schema")),
    Mutation("the oracle's schema version", "RequestOpened", "schema.version", add("schema")),
    Mutation("an auction's id is skipped", "AuctionCreated", "auction.id", add("auctionId")),
    Mutation("the budget", "AuctionCreated", "cash.escrow", add("budget", inside="terms")),
    Mutation("the pool", "AuctionCreated", "settle.buyer_mut", add("pool", -9, inside="terms")),
    Mutation("β", "AuctionCreated", "terms.beta", add("beta")),
    Mutation("the tranche's reserve", "AuctionCreated", "terms.reserve", add("reserve", -1)),
    Mutation("ρ", "AuctionCreated", "terms.beta", add("rho", -(10**6), inside="terms")),
    Mutation("the weight rule", "AuctionCreated", "weight.value", weight_rule),
    Mutation("the buyer's key", "AuctionCreated", "key.point", flip("keyX")),
    Mutation("a provider's bond", "AuctionCreated", "bond.paid", add("bondGwei", inside="terms")),
    Mutation("the bounty", "AuctionCreated", "bounty.split", add("bounty", -(10**6))),
    Mutation("the operator set", "AuctionCreated", "request.terms", scoring("operatorSet")),
    Mutation("the operators' stake", "AuctionCreated", "request.terms", scoring("stakeGwei")),
    Mutation("the appeal's fee", "AuctionCreated", "request.terms", scoring("appealFeeGwei")),
    Mutation("the fee for the scores", "AuctionCreated", "score.fees", scoring("feeGwei")),
    Mutation("the entry fee", "AuctionCreated", "score.fees", scoring("entryFeeGwei")),
    Mutation("the fee for a look", "AuctionCreated", "fees.paid", scoring("fetchFeeGwei")),
    Mutation("the least q", "AuctionCreated", "weight.value", scoring("qMin", 8000)),
    Mutation("too many samples", "AuctionCreated", "terms.samples", scoring("samples", 2048)),
    Mutation("a phase that is too short", "AuctionCreated", "terms.phases", phase("deliver", -299)),
    Mutation("another start of the scores", "AuctionCreated", "request.terms", phase("open", 9)),
    Mutation("no creation", "AuctionCreated", "auction.known"),
    Mutation("no request for scores", "RequestOpened", "request.opened"),
    Mutation("when the scores are decided", "RequestOpened", "request.end", add("end")),
    Mutation("a stake below the least", "RequestOpened", "request.stake", request("stake", 1)),
    Mutation(
        "an appeal without a panel", "RequestOpened", "request.appeal", request("challengeWindow")
    ),
    Mutation(
        "a window that is too short", "RequestOpened", "request.windows", request("rollWindow", 4)
    ),
    # Operators and sets.
    Mutation("an operator's key", "OperatorRegistered", "operator.key", flip("keyY")),
    Mutation("an operator is not registered", "OperatorRegistered", "set.members"),
    Mutation(
        "a set's threshold", "SetProposed", "set.threshold", add("threshold", -1, inside="first")
    ),
    Mutation("a panel's member", "SetProposed", "set.members", panel_member),
    Mutation("a member of both panels", "SetProposed", "set.disjoint", overlap),
    Mutation("a set's number", "SetProposed", "set.id", add("operatorSet")),
    Mutation("a consent is missing", "SetAccepted", "set.consent"),
    Mutation("who consented", "SetAccepted", "set.accepted", put("member", STRANGER)),
    Mutation("whether a set stands", "SetAccepted", "set.standing", flip("standing"), number=7),
    Mutation("who left a set", "SetLeft", "set.accepted", put("member", STRANGER)),
    # Bids.
    Mutation("a commitment is missing", "Committed", "bid.index", number=2),
    Mutation("two commitments exchanged", "", "bid.index", records=swap_logs("Committed")),
    Mutation("a sealed bid", "Committed", "commitment.opens", flip("sealedBid")),
    Mutation("a provider's address", "Committed", "commitment.opens", put("owner", STRANGER)),
    Mutation("who paid a bond", "Committed", "claim.owner", put("payer", STRANGER), number=5),
    Mutation("a key's commitment", "Committed", "refute.wrong", own_key_commitment, number=8),
    Mutation("a withdrawal is missing", "Withdrawn", "reclaim.bid"),
    Mutation(
        "a withdrawal after its deadline", "", "phase.commit", records=shift_time("Withdrawn", 500)
    ),
    Mutation("a bond that went back", "BondReclaimed", "reclaim.amount", add("amount", 10**9)),
    Mutation("to whom a bond went back", "BondReclaimed", "reclaim.payer", put("payer", STRANGER)),
    Mutation("whose bond went back", "BondReclaimed", "reclaim.bid", add("index", -1)),
    Mutation(
        "an entry fee that went back",
        "BondReclaimed",
        "reclaim.amount",
        add("amount", -(10**9)),
        number=5,
    ),
    # Samples and the roll.
    Mutation("an opening after its phase", "", "phase.open", records=shift_time("Opened", 500)),
    Mutation("an opening is missing", "Opened", "roll.opened", number=2),
    Mutation("an opening of a withdrawn bid", "Opened", "bid.opened", put("index", 6), number=1),
    Mutation("what a member attests", "RollCalled", "roll.count", attest(11)),
    Mutation("who called the roll", "RollCalled", "operator.member", put("member", STRANGER)),
    Mutation("a roll call is missing", "RollCalled", "roll.callers", number=1),
    Mutation("who called, at the count", "RollTallied", "roll.callers", flip_mask("callers")),
    Mutation("an index off the roll", "RollTallied", "bid.on_roll", on_roll(2)),
    Mutation("an index put on the roll", "RollTallied", "roll.count", on_roll(10)),
    Mutation("the roll is not counted", "RollTallied", "roll.tallied"),
    Mutation(
        "a roll call before its window", "", "phase.roll", records=shift_time("RollCalled", -5)
    ),
    # Rounds.
    Mutation("an operator's commitment", "VectorCommitted", "vector.opens", flip("commitment")),
    Mutation("an operator's commitment is missing", "VectorCommitted", "round.due", number=5),
    Mutation("of which round a commitment is", "VectorCommitted", "round.number", add("round")),
    Mutation(
        "a published vector", "VectorPublished", "report.root", flip("vector", inside="submission")
    ),
    Mutation(
        "evidence of a published vector",
        "VectorPublished",
        "report.signed_twice",
        flip("evidence", inside="submission"),
    ),
    Mutation(
        "salt of a published vector",
        "VectorPublished",
        "vector.opens",
        flip("salt", inside="submission"),
    ),
    Mutation(
        "signature of a published vector",
        "VectorPublished",
        "report.signature",
        flip("signature", inside="submission"),
    ),
    Mutation(
        "who published a vector",
        "VectorPublished",
        "vector.member",
        add("member", inside="submission"),
    ),
    Mutation("a published vector is missing", "VectorPublished", "round.due"),
    Mutation(
        "who announced a vector", "VectorAnnounced", "operator.member", put("member", STRANGER)
    ),
    Mutation("a score", "ScoresPosted", "report.root", one_score),
    Mutation("two signatures exchanged", "ScoresPosted", "report.signature", swap_signatures),
    Mutation("a signature", "ScoresPosted", "report.signature", submission(flip("signature"))),
    Mutation("an operator's salt", "ScoresPosted", "vector.opens", submission(flip("salt"))),
    Mutation("an evidence digest", "ScoresPosted", "vector.opens", submission(flip("evidence"))),
    Mutation("the members of a median", "ScoresPosted", "round.mask", add("mask", 16)),
    Mutation("where scores are kept", "ScoresPosted", "score.pointer", put("pointer", STRANGER)),
    Mutation("no scores posted", "ScoresPosted", "score.pointer"),
    Mutation("no completion of a round", "RoundCompleted", "round.completed"),
    Mutation(
        "scores accepted from another place",
        "ScoresAccepted",
        "score.chunks",
        put("chunks", [STRANGER]),
    ),
    Mutation("scores of another round", "ScoresAccepted", "score.round", add("round")),
    Mutation("no acceptance of scores", "ScoresAccepted", "score.accepted"),
    # Appeals and stakes.
    Mutation("a challenge's bond", "Challenged", "challenge.bond", add("bond", -1)),
    Mutation("a challenge is missing", "Challenged", "challenge.open"),
    Mutation(
        "whether an appeal moved scores", "ChallengeResolved", "challenge.moved", flip("moved")
    ),
    Mutation("which score moved", "ChallengeResolved", "challenge.index", add("movedIndex")),
    Mutation("which round stands", "ChallengeResolved", "challenge.standing", add("standing", -1)),
    Mutation(
        "whether an appeal was complete", "ChallengeResolved", "challenge.quorum", flip("quorum")
    ),
    Mutation("no decision on a challenge", "ChallengeResolved", "score.round"),
    Mutation("what a slash burned", "StakeSlashed", "slash.burned", add("burned", -1)),
    Mutation("what a slash repaid", "StakeSlashed", "slash.dues", add("dues")),
    Mutation(
        "a slash of the innocent",
        "StakeSlashed",
        "slash.missing",
        put("offence", b"missing".ljust(32, b"\0")),
        where=offence("deviation"),
    ),
    Mutation("an offence that no rule has", "StakeSlashed", "slash.offence", flip("offence")),
    Mutation(
        "a round of a slash",
        "StakeSlashed",
        "slash.proof",
        add("round"),
        where=offence("deviation"),
    ),
    Mutation("a slash of one absent twice", "", "stake.there", records=double("StakeSlashed")),
    Mutation(
        "when the absent were slashed", "", "phase.slash", records=shift_time("StakeSlashed", -60)
    ),
    Mutation("no proof of two reports", "ContradictionProved", "slash.proof"),
    Mutation(
        "one of two signed reports",
        "ContradictionProved",
        "slash.proof",
        flip("evidence", inside="b"),
    ),
    Mutation(
        "a signature under two reports",
        "ContradictionProved",
        "slash.proof",
        flip("signature", inside="a"),
    ),
    Mutation("twice the same report", "ContradictionProved", "slash.proof", same_report),
    Mutation("no proof of a wrong score", "DeviationProved", "slash.proof"),
    Mutation(
        "a signature under a wrong score", "DeviationProved", "slash.proof", flip("signature")
    ),
    Mutation("a wrong score", "DeviationProved", "slash.proof", flip("vector")),
    Mutation("which score was wrong", "DeviationProved", "slash.proof", add("index")),
    Mutation(
        "whose stake was released", "StakeReleased", "operator.member", put("member", STRANGER)
    ),
    Mutation(
        "of which round a stake was released", "StakeReleased", "operator.member", add("round")
    ),
    Mutation("a stake released twice", "", "stake.there", records=double("StakeReleased")),
    Mutation(
        "a stake released too early",
        "",
        "phase.release",
        records=shift_time("StakeReleased", -(86_400 * 30)),
    ),
    # Fees and credit.
    Mutation("a member's part of the fees", "FeesPaid", "fees.part", add("part")),
    Mutation("gas repaid out of fees", "FeesPaid", "fees.dues", add("dues")),
    Mutation("fees that went back", "FeesPaid", "credit.added", add("refund")),
    Mutation("to whom fees went back", "FeesPaid", "fees.paid", put("refundTo", STRANGER)),
    Mutation("fees of another round", "FeesPaid", "fees.round", add("round")),
    Mutation("fees that never came", "FeesPaid", "fees.paid"),
    Mutation("the fees of the auction", "ScoresAccepted", "score.fees", add("fees", 10**9)),
    Mutation(
        "the pay of an appeal",
        "FeesPaid",
        "fees.appeal",
        add("part"),
        where=of(round=2, dues=0, part=2 * 10**15),
    ),
    Mutation("a claim of fees", "FeeClaimed", "fees.claim", add("amount")),
    Mutation("who claimed fees", "FeeClaimed", "operator.member", put("member", STRANGER)),
    Mutation("fees claimed twice", "", "fees.claim", records=double("FeeClaimed")),
    Mutation("gas owed without a call", "DueAdded", "fees.due", put("amount", 5)),
    Mutation("a call without gas owed", "DueAdded", "fees.due"),
    Mutation("credit that never came", "CreditAdded", "credit.added", number=9),
    Mutation("credit", "CreditAdded", "credit.added", add("amount"), number=9),
    Mutation("a deposit is missing", "CreditAdded", "credit.enough", number=2),
    Mutation("a deposit that nobody made", "CreditAdded", "ledger.ether_balance", add("amount")),
    Mutation(
        "more withdrawn than there is", "CreditWithdrawn", "credit.enough", add("amount", 10**24)
    ),
    # Settlement.
    Mutation("a revealed cost", "Revealed", "commitment.opens", add("cost", -1)),
    Mutation("a salt", "Revealed", "commitment.opens", flip("salt")),
    Mutation("a weight", "Revealed", "weight.value", add("weight")),
    Mutation("the under-served flag", "Revealed", "weight.flag", flip("flagged")),
    Mutation("a reveal is missing", "Revealed", "settle.revealed", number=1),
    Mutation("a bid revealed twice", "", "bid.revealed", records=double("Revealed")),
    Mutation("the settlers' steps", "Walked", "settle.walk", add("to", -1), number=1),
    Mutation("a step is missing", "Walked", "settle.walk", number=1),
    Mutation("who walked", "Walked", "bounty.settler", put("settler", STRANGER), number=2),
    Mutation("a marginal winner", "Settled", "settle.marginals", add("all", inside="marginals")),
    *(
        Mutation(
            f"`{name}` of the outcome",
            "Settled",
            f"settle.{field_name(name)}",
            add(name, inside="outcome"),
        )
        for name in (
            "num",
            "den",
            "unflaggedNum",
            "unflaggedDen",
            "winners",
            "revealed",
            "unrevealed",
            "refund",
            "mutSupply",
            "buyerMut",
        )
    ),
    Mutation(
        "whether the tranche split", "Settled", "settle.split", flip("split", inside="outcome")
    ),
    Mutation("no settlement", "Settled", "auction.state"),
    Mutation(
        "a settlement before its phase", "", "phase.settle", records=shift_time("Walked", -150)
    ),
    # The sale.
    Mutation("what the buyer cannot get", "Missed", "missing.winner", put("index", 4)),
    Mutation("a missing file is not named", "Missed", "verdict.named"),
    Mutation("a file named too late", "", "phase.missing", records=shift_time("Missed", 40)),
    Mutation("a delivery is missing", "Delivered", "claim.delivered", where=of(index=2)),
    Mutation("a delivery of a loser", "Delivered", "delivery.winner", put("index", 5)),
    Mutation("a delivery's point", "Delivered", "delivery.point", flip("x", inside="delivery")),
    Mutation(
        "a delivered key",
        "Delivered",
        "refute.key",
        flip("wrapped", inside="delivery"),
        where=of(index=8),
    ),
    Mutation(
        "a delivery after its phase", "", "phase.deliver", records=shift_time("Delivered", 500)
    ),
    Mutation("a refuted key", "Refuted", "refute.key", flip("dataKey")),
    Mutation("the proof of a shared point", "Refuted", "refute.proof", flip_proof),
    Mutation("a shared point", "Refuted", "refute.proof", shared_point),
    Mutation("whose key is refuted", "Refuted", "refute.proof", put("index", 2)),
    Mutation("a refutation is missing", "Refuted", "strike.ground"),
    Mutation("a complaint is missing", "Complained", "verdict.named"),
    Mutation("what a complaint is about", "Complained", "complaint.winner", put("index", 4)),
    Mutation("no verdict", "VerdictSubmitted", "strike.ground"),
    Mutation("whom a verdict names", "VerdictSubmitted", "verdict.signatures", add("index", 2)),
    Mutation("why a verdict was given", "VerdictSubmitted", "verdict.ground", add("ground", -1)),
    Mutation(
        "a signature under a verdict", "VerdictSubmitted", "verdict.signatures", forge_verdict
    ),
    Mutation("too few for a verdict", "VerdictSubmitted", "verdict.majority", one_judge_less),
    Mutation("judges named twice", "VerdictSubmitted", "verdict.members", judges_doubled),
    Mutation("a verdict given twice", "", "strike.pending", records=double("VerdictSubmitted")),
    Mutation("a key refuted twice", "", "strike.pending", records=double("Refuted")),
    Mutation("cash of who is struck out", "StruckOut", "strike.cash", add("cash")),
    Mutation("MUT of who is struck out", "StruckOut", "strike.mut", add("mut", -1)),
    Mutation("why a winner was struck out", "StruckOut", "strike.ground", add("ground")),
    Mutation(
        "a deliverer called silent",
        "StruckOut",
        "strike.silent",
        put("ground", 0),
        where=of(ground=2),
    ),
    Mutation("nobody was struck out", "StruckOut", "mut.reduce"),
    # Claims.
    Mutation("one unit of cash too much", "Claimed", "reward.cash", add("cash"), where=won),
    Mutation("one unit of cash too little", "Claimed", "reward.cash", add("cash", -1), where=won),
    Mutation(
        "one MUT too much", "Claimed", "reward.mut", add("mut"), where=lambda args: args["mut"]
    ),
    Mutation("a bond", "Claimed", "bond.paid", add("bond", 10**9), number=1),
    Mutation("a claim is missing", "Claimed", "cash.transfer", where=won),
    Mutation("a claim paid twice", "", "reward.cash", records=double("Claimed")),
    Mutation("who was paid", "Claimed", "claim.owner", put("owner", STRANGER)),
    Mutation("a bounty", "BountyClaimed", "bounty.split", add("amount")),
    Mutation(
        "the bounty of who settled alone is missing",
        "BountyClaimed",
        "bounty.alone",
        where=lambda args: args["auctionId"] == 2,
    ),
    Mutation("the buyer's refund", "RefundWithdrawn", "buyer.refund", add("cash", -1)),
    Mutation("the buyer's MUT", "RefundWithdrawn", "buyer.mut", add("mut")),
    Mutation("the buyer's bounty and fee", "RefundWithdrawn", "buyer.native", add("native")),
    Mutation("a refund is missing", "RefundWithdrawn", "cash.transfer"),
    Mutation("an abort is missing", "Aborted", "auction.state"),
    Mutation("an abort before its time", "", "phase.abort", records=shift_time("Aborted", -100)),
    # Tokens.
    Mutation(
        "a MUT balance",
        "Transfer",
        "mut.mint",
        add("value"),
        where=lambda args: minted(args) and args["value"] > 20_000,
    ),
    Mutation(
        "who got MUT",
        "Transfer",
        "mut.mint",
        put("to", STRANGER),
        where=lambda args: minted(args) and args["value"] > 20_000,
    ),
    Mutation(
        "a transfer of MUT",
        "Transfer",
        "mut.claim",
        add("value", 900),
        where=lambda args: args["value"] == 1_001,
    ),
    Mutation("revenue", "RevenueAccrued", "mut.accrual", add("amount")),
    Mutation("the sum of revenue", "RevenueAccrued", "mut.deposit", add("total")),
    Mutation("a claim of revenue", "RevenueClaimed", "mut.claim", add("amount", -1)),
    Mutation("a claim of revenue is missing", "RevenueClaimed", "cash.transfer"),
    Mutation("a deposit of revenue is missing", "RevenueAccrued", "mut.accrual"),
    Mutation("the supply of MUT", "SupplyReduced", "mut.supply", add("supply")),
    Mutation("where participation tokens are", "DstCreated", "dst.address", put("token", STRANGER)),
    Mutation("a step of the water level", "DstWalked", "dst.walk", add("to", -1)),
    Mutation("the water level", "DstVerified", "dst.proposal", add("levelNum", inside="proposal")),
    Mutation(
        "a sum of the water level", "DstVerified", "dst.sums", add("volumeSum", inside="proposal")
    ),
    Mutation("a water level verified twice", "", "dst.once", records=double("DstVerified")),
    Mutation("the floor of shares", "DstVerified", "dst.floor", add("floor")),
    Mutation("participation tokens issued", "DstVerified", "dst.issued", add("issued", -1)),
    Mutation("a participation share", "DstClaimed", "dst.claim", add("amount")),
    Mutation("who got a participation share", "DstClaimed", "dst.owner", put("owner", STRANGER)),
    Mutation(
        "cash to somebody else",
        "Transfer",
        "cash.transfer",
        put("to", STRANGER),
        where=lambda args: args["to"] == BUYER.address and not minted(args),
    ),
    # Records.
    Mutation("blocks out of order", "", "log.order", records=block_order),
    Mutation("the last block's hash", "", "block.hash", records=last_hash),
    Mutation("data cut off", "", "log.wellformed", records=cut_data),
    Mutation("an unknown event", "", "log.known", records=unknown_event),
)


def changed_arguments(records: list[Record]) -> Iterator[tuple[str, list[Record]]]:
    """The first log of each kind with one argument changed after the other, and which it is."""
    seen: set[str] = set()
    for at, record in enumerate(records):
        if isinstance(record, Block):
            continue
        event = decode_log(record.address, record.topics, record.data)
        if event is None or event.name in seen:
            continue
        seen.add(event.name)
        for path in _paths(args_of(event)):
            args: Any = args_of(event)
            place = args
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = _other(place[path[-1]])
            topics, data = encode_log(event.name, args)
            names = [event.name, *(key for key in path if isinstance(key, str))]
            changed = record._replace(topics=topics, data=data)
            yield ".".join(names), [*records[:at], changed, *records[at + 1 :]]


def _paths(value: Any) -> Iterator[tuple[Any, ...]]:
    """Where the plain values in nested arguments are."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in items:
            for rest in _paths(part):
                yield key, *rest
    else:
        yield ()


def _other(value: Any) -> Any:
    """Another value of the same kind; numbers change by so much that no rounding hides it."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        # An odd number of a thousandth, so that no carry gives an equal bitmap or share.
        return value - max(1, value // 1000) if value else 1
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1]) if value else b"\1"
    return STRANGER if value.startswith("0x") else value + "x"


def found_by(mutation: Mutation, story: Source) -> set[str]:
    """Names of the checks that find a mutation."""
    state = Replay.start(story.header)
    follow(state, mutation.apply(list(story.records())), lambda _: None)
    return {finding.check for finding in state.checks.findings}


def table() -> str:
    """Every kind of change, and the check that names it."""
    rows = ["| changed | in the event | found by |", "|---|---|---|"]
    for each in MUTATIONS:
        event = f"`{each.event}`" if each.event else "–"
        rows.append(f"| {each.what} | {event} | `{each.check}` |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
