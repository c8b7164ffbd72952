"""Every event of the contracts, typed. Do not edit: `python -m scripts.build` writes it.

A field is the argument of the same name in the interface, which explains it, in snake_case. Amounts
are integers in the token's smallest unit or in wei, times are unix seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args

from oracles.chain.terms import (
    AuctionId,
    DataSet,
    DstTerms,
    Durations,
    OperatorSetId,
    ScoringTerms,
    Terms,
    WeightTerms,
)

if TYPE_CHECKING:
    from eth_typing import ChecksumAddress


# STRUCTS


@dataclass(frozen=True, slots=True)
class Delivery:
    """Struct of IExchange."""

    wrapped: bytes
    x: bytes
    y: bytes


@dataclass(frozen=True, slots=True)
class Marginals:
    """Struct of IDataAuction."""

    all: int
    flagged: int
    unflagged: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Struct of IDataAuction."""

    split: bool
    num: int
    den: int
    unflagged_num: int
    unflagged_den: int
    winners: int
    revealed: int
    unrevealed: int
    refund: int
    mut_supply: int
    buyer_mut: int


@dataclass(frozen=True, slots=True)
class Panel:
    """Struct of IScoreOracle."""

    threshold: int
    members: tuple[ChecksumAddress, ...]


@dataclass(frozen=True, slots=True)
class Period:
    """Struct of IUsageLog."""

    size: int
    end: int
    revenue: int
    root: bytes
    prices: bytes
    entries: bytes


@dataclass(frozen=True, slots=True)
class Point:
    """Struct of ChaumPedersen."""

    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Proof:
    """Struct of ChaumPedersen."""

    shared: Point
    t: Point
    u: Point
    slope: int
    c: int
    z: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """Struct of IDstToken."""

    volume_sum: int
    quality_sum: int
    impact_sum: int
    count: int
    level_num: int
    level_den: int
    tie_remainder: int
    tie_index: int


@dataclass(frozen=True, slots=True)
class Report:
    """Struct of IScoreOracle."""

    round: int
    root: bytes
    evidence: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """Struct of IScoreOracle."""

    operator_set: OperatorSetId
    start: int
    roll_window: int
    commit_window: int
    open_window: int
    post_window: int
    challenge_window: int
    metric_version: bytes
    stake: int
    appeal_fee: int


@dataclass(frozen=True, slots=True)
class Submission:
    """Struct of IScoreOracle."""

    member: int
    salt: bytes
    evidence: bytes
    signature: bytes
    chunk_hashes: tuple[bytes, ...]
    vector: bytes


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Struct of IThresholdGate."""

    min_tokens: int
    min_clean: int
    min_metadata: int
    max_duplicates: int


# EVENTS


@dataclass(frozen=True, slots=True)
class Aborted:
    """Event of DataAuction."""

    auction_id: AuctionId


@dataclass(frozen=True, slots=True)
class Approval:
    """Event of DstToken and LocalDollar and MutToken."""

    owner: ChecksumAddress
    spender: ChecksumAddress
    value: int


@dataclass(frozen=True, slots=True)
class AuctionCreated:
    """Event of DataAuction."""

    auction_id: AuctionId
    buyer: ChecksumAddress
    schema: int
    terms: Terms
    key_x: bytes
    key_y: bytes
    bounty: int
    beta: int
    reserve: int


@dataclass(frozen=True, slots=True)
class BondReclaimed:
    """Event of DataAuction."""

    auction_id: AuctionId
    index: int
    payer: ChecksumAddress
    amount: int


@dataclass(frozen=True, slots=True)
class BondReturned:
    """Event of MetricRegistry."""

    version: bytes
    proposer: ChecksumAddress
    amount: int


@dataclass(frozen=True, slots=True)
class BountyClaimed:
    """Event of DataAuction and Settlement."""

    auction_id: AuctionId
    settler: ChecksumAddress
    amount: int


@dataclass(frozen=True, slots=True)
class ChallengeResolved:
    """Event of ScoreOracle."""

    consumer: ChecksumAddress
    auction_id: AuctionId
    standing: int
    quorum: bool
    moved: bool
    moved_index: int


@dataclass(frozen=True, slots=True)
class Challenged:
    """Event of ScoreOracle."""

    consumer: ChecksumAddress
    auction_id: AuctionId
    challenger: ChecksumAddress
    bond: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """Event of DataAuction."""

    auction_id: AuctionId
    index: int
    owner: ChecksumAddress
    payer: ChecksumAddress
    cash: int
    mut: int
    bond: int


@dataclass(frozen=True, slots=True)
class Committed:
    """Event of DataAuction."""

    auction_id: AuctionId
    index: int
    owner: ChecksumAddress
    payer: ChecksumAddress
    sealed_bid: bytes
    data_set: DataSet


@dataclass(frozen=True, slots=True)
class Complained:
    """Event of Exchange."""

    auction_id: AuctionId
    index: int
    complaint: bytes


@dataclass(frozen=True, slots=True)
class ContradictionProved:
    """Event of ScoreOracle."""

    consumer: ChecksumAddress
    auction_id: AuctionId
    member: ChecksumAddress
    a: Report
    b: Report


@dataclass(frozen=True, slots=True)
class CreditAdded:
    """Event of ScoreOracle."""

    account: ChecksumAddress
    amount: int


@dataclass(frozen=True, slots=True)
class CreditWithdrawn:
    """Event of ScoreOracle."""

    account: ChecksumAddress
    to: ChecksumAddress
    amount: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """Event of Exchange."""

    auction_id: AuctionId
    index: int
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class DeviationProved:
    """Event of ScoreOracle."""

    consumer: ChecksumAddress
    auction_id: AuctionId
    member: ChecksumAddress
    index: int
    evidence: bytes
    signature: bytes
    chunk_hashes: tuple[bytes, ...]
    vector: bytes


@dataclass(frozen=True, slots=True)
class DstClaimed:
    """Event of DstToken."""

    index: int
    owner: ChecksumAddress
    amount: int


@dataclass(frozen=True, slots=True)
class DstCreated:
    """Event of DstFactory."""

    auction_id: AuctionId
    token: ChecksumAddress


@dataclass(frozen=True, slots=True)
class DstVerified:
    """Event of DstToken."""

    proposal: Proposal
    floor: int
    issued: int


@dataclass(frozen=True, slots=True)
class DstWalked:
    """Event of DstToken."""

    proposal: bytes
    from_: int
    to: int


@dataclass(frozen=True, slots=True)
class DueAdded:
    """Event of ScoreOracle."""

    consumer: ChecksumAddress
    auction_id: AuctionId
    account: ChecksumAddress
    amount: int


@dataclass(frozen=True, slots=True)
class DueClaimed:
    """Event of ScoreOracle."""

    consumer: ChecksumAddress
    auction_id: AuctionId
    account: ChecksumAddress
    amount: int


@dataclass(frozen=True, slots=True)
class EIP712DomainChanged:
    """Event of DataAuction and Exchange and ScoreOracle."""


@dataclass(frozen=True, slots=True)
class Extended:
    """Event of MetricRegistry."""

    version: bytes
    closes: int


@dataclass(frozen=True, slots=True)
class FeeClaimed:
    """Event of ScoreOracle."""

    consumer: ChecksumAddress
    auction_id: AuctionId
    member: ChecksumAddress
    round: int
    amount: int


@dataclass(frozen=True, slots=True)
class FeesPaid:
    """Event of ScoreOracle."""

    consumer: ChecksumAddress
    auction_id: AuctionId
    round: int
    part: int
    dues: int
    refund_to: ChecksumAddress
    refund: int


@dataclass(frozen=True, slots=True)
class Locked:
    """Event of MetricRegistry."""

    token: ChecksumAddress
    holder: ChecksumAddress
    amount: int


@dataclass(frozen=True, slots=True)
class Missed:
    """Event of Exchange."""

    auction_id: AuctionId
    index: int


@dataclass(frozen=True, slots=True)
class Objected:
    """Event of MetricRegistry."""

    version: bytes
    token: ChecksumAddress
    holder: ChecksumAddress
    amount: int


@dataclass(frozen=True, slots=True)
class Opened:
    """Event of DataAuction."""

    auction_id: AuctionId
    index: int
    opening: bytes


@dataclass(frozen=True, slots=True)
class OperatorRegistered:
    """Event of ScoreOracle."""

    operator: ChecksumAddress
    key_x: bytes
    key_y: bytes


@dataclass(frozen=True, slots=True)
class PartProved:
    """Event of ThresholdGate."""

    root: bytes
    sums: bytes
    pages: int


@dataclass(frozen=True, slots=True)
class PeriodClosed:
    """Event of UsageLog."""

    mut: ChecksumAddress
    publisher: ChecksumAddress
    number: int
    period: Period
    accrued: int


@dataclass(frozen=True, slots=True)
class Proposed:
    """Event of MetricRegistry."""

    version: bytes
    proposer: ChecksumAddress
    closes: int
    latest: int
    document: bytes


@dataclass(frozen=True, slots=True)
class RefundWithdrawn:
    """Event of DataAuction."""

    auction_id: AuctionId
    to: ChecksumAddress
    cash: int
    mut: int
    native: int


@dataclass(frozen=True, slots=True)
class Refuted:
    """Event of Exchange."""

    auction_id: AuctionId
    index: int
    data_key: bytes
    proof: Proof


@dataclass(frozen=True, slots=True)
class Released:
    """Event of MetricRegistry."""

    token: ChecksumAddress
    holder: ChecksumAddress
    amount: int


@dataclass(frozen=True, slots=True)
class RequestOpened:
    """Event of ScoreOracle."""

    consumer: ChecksumAddress
    auction_id: AuctionId
    schema: int
    request: Request
    end: int


@dataclass(frozen=True, slots=True)
class Revealed:
    """Event of DataAuction."""

    auction_id: AuctionId
    index: int
    cost: int
    salt: bytes
    weight: int
    flagged: bool


@dataclass(frozen=True, slots=True)
class RevenueAccrued:
    """Event of MutToken."""

    amount: int
    total: int


@dataclass(frozen=True, slots=True)
class RevenueClaimed:
    """Event of MutToken."""

    holder: ChecksumAddress
    amount: int


@dataclass(frozen=True, slots=True)
class RollCalled:
    """Event of ScoreOracle."""

    consumer: ChecksumAddress
    auction_id: AuctionId
    member: ChecksumAddress
    bitmap: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RollTallied:
    """Event of ScoreOracle."""

    consumer: ChecksumAddress
    auction_id: AuctionId
    callers: int
    roll: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RoundCompleted:
    """Event of ScoreOracle."""

    consumer: ChecksumAddress
    auction_id: AuctionId
    round: int
    mask: int


@dataclass(frozen=True, slots=True)
class ScoresAccepted:
    """Event of DataAuction."""

    auction_id: AuctionId
    round: int
    chunks: tuple[ChecksumAddress, ...]
    fees: int


@dataclass(frozen=True, slots=True)
class ScoresPosted:
    """Event of ScoreOracle."""

    consumer: ChecksumAddress
    auction_id: AuctionId
    round: int
    chunk: int
    mask: int
    pointer: ChecksumAddress
    submissions: tuple[Submission, ...]


@dataclass(frozen=True, slots=True)
class SetAccepted:
    """Event of ScoreOracle."""

    operator_set: OperatorSetId
    member: ChecksumAddress
    standing: bool


@dataclass(frozen=True, slots=True)
class SetLeft:
    """Event of ScoreOracle."""

    operator_set: OperatorSetId
    member: ChecksumAddress


@dataclass(frozen=True, slots=True)
class SetProposed:
    """Event of ScoreOracle."""

    operator_set: OperatorSetId
    creator: ChecksumAddress
    first: Panel
    appeal: Panel


@dataclass(frozen=True, slots=True)
class Settled:
    """Event of DataAuction and Settlement."""

    auction_id: AuctionId
    marginals: Marginals
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class StakeReleased:
    """Event of ScoreOracle."""

    consumer: ChecksumAddress
    auction_id: AuctionId
    member: ChecksumAddress
    round: int


@dataclass(frozen=True, slots=True)
class StakeSlashed:
    """Event of ScoreOracle."""

    consumer: ChecksumAddress
    auction_id: AuctionId
    member: ChecksumAddress
    round: int
    offence: bytes
    burned: int
    dues: int


@dataclass(frozen=True, slots=True)
class StruckOut:
    """Event of DataAuction."""

    auction_id: AuctionId
    index: int
    cash: int
    mut: int
    ground: int


@dataclass(frozen=True, slots=True)
class SupplyReduced:
    """Event of MutToken."""

    amount: int
    supply: int


@dataclass(frozen=True, slots=True)
class ThresholdsProved:
    """Event of ThresholdGate."""

    data_set: bytes
    facts: bytes
    thresholds: Thresholds


@dataclass(frozen=True, slots=True)
class Transfer:
    """Event of DstToken and LocalDollar and MutToken."""

    from_: ChecksumAddress
    to: ChecksumAddress
    value: int


@dataclass(frozen=True, slots=True)
class VectorAnnounced:
    """Event of ScoreOracle."""

    consumer: ChecksumAddress
    auction_id: AuctionId
    round: int
    member: ChecksumAddress
    location: str


@dataclass(frozen=True, slots=True)
class VectorCommitted:
    """Event of ScoreOracle."""

    consumer: ChecksumAddress
    auction_id: AuctionId
    round: int
    member: ChecksumAddress
    commitment: bytes


@dataclass(frozen=True, slots=True)
class VectorPublished:
    """Event of ScoreOracle."""

    consumer: ChecksumAddress
    auction_id: AuctionId
    round: int
    member: ChecksumAddress
    submission: Submission


@dataclass(frozen=True, slots=True)
class VerdictSubmitted:
    """Event of Exchange."""

    auction_id: AuctionId
    index: int
    ground: int
    members: tuple[int, ...]
    signatures: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Walked:
    """Event of DataAuction and Settlement."""

    auction_id: AuctionId
    proposal: bytes
    settler: ChecksumAddress
    from_: int
    to: int


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Event of DataAuction."""

    auction_id: AuctionId
    index: int


Body = (
    Aborted
    | Approval
    | AuctionCreated
    | BondReclaimed
    | BondReturned
    | BountyClaimed
    | ChallengeResolved
    | Challenged
    | Claimed
    | Committed
    | Complained
    | ContradictionProved
    | CreditAdded
    | CreditWithdrawn
    | Delivered
    | DeviationProved
    | DstClaimed
    | DstCreated
    | DstVerified
    | DstWalked
    | DueAdded
    | DueClaimed
    | EIP712DomainChanged
    | Extended
    | FeeClaimed
    | FeesPaid
    | Locked
    | Missed
    | Objected
    | Opened
    | OperatorRegistered
    | PartProved
    | PeriodClosed
    | Proposed
    | RefundWithdrawn
    | Refuted
    | Released
    | RequestOpened
    | Revealed
    | RevenueAccrued
    | RevenueClaimed
    | RollCalled
    | RollTallied
    | RoundCompleted
    | ScoresAccepted
    | ScoresPosted
    | SetAccepted
    | SetLeft
    | SetProposed
    | Settled
    | StakeReleased
    | StakeSlashed
    | StruckOut
    | SupplyReduced
    | ThresholdsProved
    | Transfer
    | VectorAnnounced
    | VectorCommitted
    | VectorPublished
    | VerdictSubmitted
    | Walked
    | Withdrawn
)
#: What decodes an event, by its name.
EVENTS: Final[dict[str, type[Body]]] = {each.__name__: each for each in get_args(Body)}
#: What decodes a struct, by its name in Solidity.
STRUCTS: Final[dict[str, type]] = {
    "DataSet": DataSet,
    "Delivery": Delivery,
    "DstTerms": DstTerms,
    "Durations": Durations,
    "Marginals": Marginals,
    "Outcome": Outcome,
    "Panel": Panel,
    "Period": Period,
    "Point": Point,
    "Proof": Proof,
    "Proposal": Proposal,
    "Report": Report,
    "Request": Request,
    "Scoring": ScoringTerms,
    "Submission": Submission,
    "Terms": Terms,
    "Thresholds": Thresholds,
    "WeightRule": WeightTerms,
}
