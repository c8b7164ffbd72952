"""Ways to change one thing in a passing archive, each with the check that must find it.

`python -m tests.audit.mutations` prints the table in docs/auditors.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oracles.audit import Block, Log
from oracles.audit.recompute import packed
from oracles.audit.replay import Replay, follow
from oracles.chain.events import Event, decode_log
from scripts.events import field_name
from tests.support.auction import BUYER
from tests.support.logs import args_of, encode_log, entries

if TYPE_CHECKING:
    from oracles.audit.records import Record
    from tests.audit.recorder import Story


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


def submission(change: Change, number: int = 0) -> Change:
    """Change one submission of a ScoresPosted event."""
    return lambda args: change(args["submissions"][number])


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


def name_another(args: dict[str, Any]) -> None:
    """Let a verdict name one more bid."""
    args["indices"] = [*args["indices"], 9]


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
            moved = (
                isinstance(each, Block) and position < at and position >= at - _back(records, at)
            )
            out.append(each._replace(time=each.time + seconds) if moved else each)  # type: ignore[union-attr]
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
    return record.topics[0] == entries()[event][0]


def minted(args: dict[str, Any]) -> bool:
    """A Transfer that mints."""
    return int(args["from"], 16) == 0


def won(args: dict[str, Any]) -> bool:
    """A claim of cash."""
    return args["cash"] > 1


STRANGER = "0x" + "5a" * 20

MUTATIONS: tuple[Mutation, ...] = (
    Mutation("the auction's schema version", "AuctionCreated", "schema.version", add("schema")),
    Mutation("the oracle's schema version", "RequestOpened", "schema.version", add("schema")),
    Mutation("an auction's id is skipped", "AuctionCreated", "auction.id", add("auction")),
    Mutation("the budget", "AuctionCreated", "cash.escrow", add("budget", inside="terms")),
    Mutation("the pool", "AuctionCreated", "settle.buyer_mut", add("pool", -9, inside="terms")),
    Mutation("β", "AuctionCreated", "terms.beta", add("beta")),
    Mutation("the tranche's reserve", "AuctionCreated", "terms.reserve", add("reserve", -1)),
    Mutation("ρ", "AuctionCreated", "terms.beta", add("rho", -(10**6), inside="terms")),
    Mutation("the weight rule", "AuctionCreated", "weight.value", weight_rule),
    Mutation("the buyer's key", "AuctionCreated", "key.point", flip("keyX")),
    Mutation(
        "the operator set", "AuctionCreated", "request.terms", add("operatorSet", inside="terms")
    ),
    Mutation(
        "the metric version",
        "AuctionCreated",
        "request.terms",
        flip("metricVersion", inside="terms"),
    ),
    Mutation("no creation", "AuctionCreated", "auction.known"),
    Mutation("no request for scores", "RequestOpened", "request.opened"),
    Mutation("a commitment is missing", "Committed", "bid.index", number=2),
    Mutation("two commitments exchanged", "", "bid.index", records=swap_logs("Committed")),
    Mutation("a sealed bid", "Committed", "commitment.opens", flip("sealedBid")),
    Mutation("a provider's address", "Committed", "commitment.opens", put("owner", STRANGER)),
    Mutation("who paid a bond", "Committed", "claim.owner", put("payer", STRANGER), number=5),
    Mutation("a withdrawal is missing", "Withdrawn", "settle.unrevealed"),
    Mutation(
        "a commitment after its deadline", "", "phase.commit", records=shift_time("Withdrawn", 500)
    ),
    Mutation("a revealed cost", "Revealed", "commitment.opens", add("cost", -1)),
    Mutation("a salt", "Revealed", "commitment.opens", flip("salt")),
    Mutation("a weight", "Revealed", "weight.value", add("weight")),
    Mutation("the under-served flag", "Revealed", "weight.flag", flip("flagged")),
    Mutation("a reveal is missing", "Revealed", "settle.revealed", number=1),
    Mutation("a bid revealed twice", "", "bid.revealed", records=double("Revealed")),
    Mutation("an operator's commitment", "VectorCommitted", "vector.opens", flip("commitment")),
    Mutation("an operator's commitment is missing", "VectorCommitted", "round.due", number=5),
    Mutation(
        "a published vector",
        "VectorPublished",
        "report.root",
        flip("vector", inside="submission"),
    ),
    Mutation(
        "evidence of a published vector",
        "VectorPublished",
        "operator.signed_twice",
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
        "operator.member",
        add("member", inside="submission"),
    ),
    Mutation("a published vector is missing", "VectorPublished", "round.due"),
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
    Mutation("a challenge's bond", "Challenged", "challenge.bond", add("bond", -1)),
    Mutation(
        "whether a challenge moved scores", "ChallengeResolved", "challenge.moved", flip("moved")
    ),
    Mutation("which score moved", "ChallengeResolved", "challenge.index", add("movedIndex")),
    Mutation("what a slash took", "OperatorSlashed", "slash.amount", add("amount", -1)),
    Mutation("what a slash rewarded", "OperatorSlashed", "slash.reward", add("reward"), number=1),
    Mutation(
        "whom a slash rewarded",
        "OperatorSlashed",
        "slash.beneficiary",
        put("beneficiary", STRANGER),
        number=1,
    ),
    Mutation(
        "a slash of the innocent",
        "OperatorSlashed",
        "slash.offence",
        put("offence", b"missing".ljust(32, b"\0")),
        number=1,
    ),
    Mutation("a round of a slash", "OperatorSlashed", "slash.proof", add("round"), number=1),
    Mutation("a slash of one absent twice", "", "slash.once", records=double("OperatorSlashed")),
    Mutation(
        "when the absent were slashed",
        "",
        "phase.slash",
        records=shift_time("OperatorSlashed", -60),
    ),
    Mutation("no proof of two reports", "EquivocationProved", "slash.proof"),
    Mutation(
        "one of two signed reports",
        "EquivocationProved",
        "slash.proof",
        flip("evidence", inside="b"),
    ),
    Mutation(
        "a signature under two reports",
        "EquivocationProved",
        "slash.proof",
        flip("signature", inside="a"),
    ),
    Mutation("twice the same report", "EquivocationProved", "slash.proof", same_report),
    Mutation("no proof of a wrong score", "DeviationProved", "slash.proof"),
    Mutation(
        "a signature under a wrong score", "DeviationProved", "slash.proof", flip("signature")
    ),
    Mutation("a wrong score", "DeviationProved", "slash.proof", flip("vector")),
    Mutation("which score was wrong", "DeviationProved", "slash.proof", add("index")),
    Mutation("a reward that never came", "CreditAdded", "credit.added"),
    Mutation("credit", "CreditAdded", "credit.added", add("amount")),
    Mutation("a withdrawal of credit", "CreditWithdrawn", "credit.withdrawn", add("amount", -1)),
    Mutation("a bond on leaving", "OperatorExited", "operator.bond", add("bond")),
    Mutation("an operator's first bond", "OperatorRegistered", "operator.bond", add("bond", -1)),
    Mutation("a set's threshold", "SetCreated", "set.threshold", add("threshold", -1)),
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
            "bounty",
            "bonusGwei",
        )
    ),
    Mutation(
        "whether the tranche split", "Settled", "settle.split", flip("split", inside="outcome")
    ),
    Mutation("no settlement", "Settled", "auction.state"),
    Mutation(
        "a settlement before its phase", "", "phase.settle", records=shift_time("Walked", -150)
    ),
    Mutation("a delivery is missing", "Delivered", "forfeit.winner"),
    Mutation("a delivery of a loser", "Delivered", "delivery.winner", put("index", 5)),
    Mutation("cash of a forfeit", "Forfeited", "forfeit.cash", add("cash")),
    Mutation("MUT of a forfeit", "Forfeited", "forfeit.mut", add("face", -1)),
    Mutation("why a winner was struck out", "Forfeited", "forfeit.winner", flip("verdict")),
    Mutation("a forfeit is missing", "Forfeited", "mut.reduce"),
    Mutation("no verdict", "VerdictRecorded", "forfeit.verdict"),
    Mutation("whom a verdict names", "VerdictRecorded", "verdict.signatures", name_another),
    Mutation("a signature under a verdict", "VerdictRecorded", "verdict.signatures", forge_verdict),
    Mutation("too few for a verdict", "VerdictRecorded", "verdict.quorum", one_judge_less),
    Mutation("judges named twice", "VerdictRecorded", "verdict.members", judges_doubled),
    Mutation("a verdict without consequence", "Forfeited", "verdict.followed", number=1),
    Mutation("one unit of cash too much", "Claimed", "reward.cash", add("cash"), where=won),
    Mutation("one unit of cash too little", "Claimed", "reward.cash", add("cash", -1), where=won),
    Mutation(
        "one MUT too much", "Claimed", "reward.mut", add("face"), where=lambda args: args["face"]
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
        where=lambda args: args["auction"] == 2,
    ),
    Mutation("the buyer's refund", "BuyerWithdrawn", "buyer.refund", add("amount", -1)),
    Mutation("the buyer's MUT", "BuyerWithdrawn", "buyer.mut", add("face")),
    Mutation("the buyer's bounty", "BuyerWithdrawn", "buyer.bounty", add("native")),
    Mutation("an abort is missing", "Aborted", "auction.state"),
    Mutation("an abort before its time", "", "phase.abort", records=shift_time("Aborted", -100)),
    Mutation(
        "a MUT balance",
        "Transfer",
        "mut.mint",
        add("value"),
        where=lambda args: minted(args) and args["value"] > 40_000,
    ),
    Mutation(
        "who got MUT",
        "Transfer",
        "mut.mint",
        put("to", STRANGER),
        where=lambda args: minted(args) and args["value"] > 40_000,
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
    Mutation("a deposit is missing", "RevenueAccrued", "mut.accrual"),
    Mutation("the supply of MUT", "SupplyReduced", "mut.supply", add("supply")),
    Mutation("where participation tokens are", "DstCreated", "dst.address", put("token", STRANGER)),
    Mutation("a step of the water level", "DstWalked", "dst.walk", add("to", -1)),
    Mutation("the water level", "DstVerified", "dst.proposal", add("levelNum", inside="proposal")),
    Mutation(
        "a sum of the water level", "DstVerified", "dst.sums", add("volumeSum", inside="proposal")
    ),
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
    Mutation("blocks out of order", "", "log.order", records=block_order),
    Mutation("the last block's hash", "", "block.hash", records=last_hash),
    Mutation("data cut off", "", "log.wellformed", records=cut_data),
    Mutation("an unknown event", "", "log.known", records=unknown_event),
)


def found_by(mutation: Mutation, story: Story) -> set[str]:
    """Names of the checks that find a mutation."""
    state = Replay.start(story.header)
    follow(state, mutation.apply(story.kept), lambda _: None)
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
