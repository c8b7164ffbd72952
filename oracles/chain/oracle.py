"""ScoreOracle, typed. Methods that write return a call for `Sender.send`; the others read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from eth_utils.address import to_checksum_address

from oracles.chain import packing
from oracles.chain.client import ContractAt
from oracles.chain.terms import AuctionId, Windows
from oracles.chain.typed_data import Domain
from oracles.chain.typed_events import Panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from web3.contract.contract import ContractFunction


class Ground(IntEnum):
    """Why a winner is struck out (IScoreOracle.Ground)."""

    SILENT = 0
    UNAVAILABLE = 1
    REFUTED = 2
    UNREADABLE = 3


@dataclass(frozen=True, slots=True)
class Submission:
    """A signed vector with what proves that it is the one committed to.

    Attributes:
        member: position in the round's panel.
        salt: of the operator's commitment.
        evidence: digest of the operator's evidence bundle.
        signature: EIP-712 signature of the report.
        vector: the whole vector, eight bytes per score.
    """

    member: int
    salt: bytes
    evidence: bytes
    signature: bytes
    vector: bytes

    def encode(self, chunk: int | None = None) -> tuple[Any, ...]:
        """As the contract takes it: with one chunk of the vector, or with all of it."""
        hashes = packing.chunk_hashes(self.vector)
        part = self.vector if chunk is None else packing.chunks(self.vector)[chunk]
        return self.member, self.salt, self.evidence, self.signature, hashes, part


class OperatorSet(NamedTuple):
    """A set as the contract has it.

    Attributes:
        first, appeal: panels, their members ascending; the appeal panel may be empty.
        accepted: mask of the members that accepted, the first panel's first.
        standing: whether auctions can name it.
    """

    first: Panel
    appeal: Panel
    accepted: int
    standing: bool


class RoundMasks(NamedTuple):
    """State of one round; a mask has a bit for each member of its panel."""

    committed: int
    published: int
    complete: int
    settled: int


class Request(NamedTuple):
    """State of an auction's scores; `standing` is 0 while it is not decided."""

    operator_set: int
    metric_version: bytes
    stake: int
    rounds: tuple[RoundMasks, RoundMasks]
    challenger: str
    standing: int


class OracleContract(ContractAt):
    """The deployed ScoreOracle."""

    artifact = "ScoreOracle"

    @property
    def domain(self) -> Domain:
        """EIP-712 domain."""
        return Domain.oracle(self.chain_id, self.address)

    # Operators and sets.

    def register(self, public_key: bytes, signature: bytes) -> ContractFunction:
        """Become an operator, or change one's encryption key, which signed for its owner."""
        return self._call("register", public_key[:32], public_key[32:], signature)

    def deposit(self, account: str) -> ContractFunction:
        """Add the value sent to an account's credit."""
        return self._call("deposit", account)

    def withdraw_credit(self, to: str, amount: int) -> ContractFunction:
        """Take credit out."""
        return self._call("withdrawCredit", to, amount)

    def propose_set(
        self, first: tuple[Sequence[str], int], appeal: tuple[Sequence[str], int] = ((), 0)
    ) -> ContractFunction:
        """Propose a set of two panels, each members and threshold; members are sorted here."""
        return self._call("proposeSet", *map(_panel, (first, appeal)))

    def accept_set(self, operator_set: int, position: int) -> ContractFunction:
        """Accept to serve; positions count the first panel's members first."""
        return self._call("acceptSet", operator_set, position)

    def leave_set(self, operator_set: int, position: int) -> ContractFunction:
        """Leave a set."""
        return self._call("leaveSet", operator_set, position)

    # The roll.

    def call_roll(
        self, consumer: str, auction: AuctionId, member: int, bitmap: Sequence[int]
    ) -> ContractFunction:
        """Attest which inputs one holds."""
        return self._call("callRoll", consumer, auction, member, list(bitmap))

    def tally_roll(
        self, consumer: str, auction: AuctionId, bitmaps: Sequence[Sequence[int]]
    ) -> ContractFunction:
        """Count the roll from all bitmaps, in the order of their members."""
        return self._call("tallyRoll", consumer, auction, [list(each) for each in bitmaps])

    # Rounds.

    def commit_vector(
        self, consumer: str, auction: AuctionId, member: int, commitment: bytes
    ) -> ContractFunction:
        """Commit to a report; the stake is taken from one's credit."""
        return self._call("commitVector", consumer, auction, member, commitment)

    def announce_vector(
        self, consumer: str, auction: AuctionId, member: int, location: str
    ) -> ContractFunction:
        """Tell where one's vector can be had."""
        return self._call("announceVector", consumer, auction, member, location)

    def publish_vector(
        self, consumer: str, auction: AuctionId, submission: Submission
    ) -> ContractFunction:
        """Publish one's whole vector on chain."""
        return self._call("publishVector", consumer, auction, submission.encode())

    def post_scores(
        self, consumer: str, auction: AuctionId, chunk: int, submissions: Sequence[Submission]
    ) -> ContractFunction:
        """Post one chunk with the vectors of all due members, ascending."""
        ordered = sorted(submissions, key=lambda submission: submission.member)
        return self._call(
            "postScores", consumer, auction, chunk, [each.encode(chunk) for each in ordered]
        )

    def challenge(self, consumer: str, auction: AuctionId) -> ContractFunction:
        """Pay for an appeal; send the appeal fee as value."""
        return self._call("challenge", consumer, auction)

    def resolve(self, consumer: str, auction: AuctionId) -> ContractFunction:
        """Decide a challenge."""
        return self._call("resolve", consumer, auction)

    # Stakes and fees.

    def slash_missing(
        self, consumer: str, auction: AuctionId, *, round_: int, member: int
    ) -> ContractFunction:
        """Burn the stake behind a commitment that was never opened."""
        return self._call("slashMissing", consumer, auction, round_, member)

    def slash_contradiction(
        self,
        consumer: str,
        auction: AuctionId,
        *,
        member: int,
        first: tuple[int, bytes, bytes, bytes],
        second: tuple[int, bytes, bytes, bytes],
    ) -> ContractFunction:
        """Prove two reports for one round, each (round, root, evidence, signature)."""
        return self._call("slashContradiction", consumer, auction, member, first, second)

    def slash_deviator(
        self,
        consumer: str,
        auction: AuctionId,
        *,
        member: int,
        index: int,
        evidence: bytes,
        signature: bytes,
        chunk_hashes: Sequence[bytes],
        chunk: bytes,
    ) -> ContractFunction:
        """After an appeal that moved scores: burn the stake behind a vector that was off."""
        return self._call(
            "slashDeviator",
            consumer,
            auction,
            member,
            index,
            evidence,
            signature,
            list(chunk_hashes),
            chunk,
        )

    def release_stake(
        self, consumer: str, auction: AuctionId, *, round_: int, member: int
    ) -> ContractFunction:
        """Give a member its stake back as credit."""
        return self._call("releaseStake", consumer, auction, round_, member)

    def claim_fee(
        self, consumer: str, auction: AuctionId, *, round_: int, member: int
    ) -> ContractFunction:
        """Add a member's fee to its credit."""
        return self._call("claimFee", consumer, auction, round_, member)

    def claim_due(self, consumer: str, auction: AuctionId, account: str) -> ContractFunction:
        """Add repaid gas to an account's credit."""
        return self._call("claimDue", consumer, auction, account)

    # Reads. `block` pins them to a number or hash.

    def set_of(self, operator_set: int, *, block: Any = "latest") -> OperatorSet:
        """Panels of a set, and whether it stands."""
        first, appeal, accepted, standing = self._read("setOf", operator_set, block=block)
        return OperatorSet(_read_panel(first), _read_panel(appeal), accepted, standing)

    def set_count(self, *, block: Any = "latest") -> int:
        """Number of sets; ids are 1 to this."""
        return int(self._read("setCount", block=block))

    def credit_of(self, account: str, *, block: Any = "latest") -> int:
        """Credit in wei."""
        return int(self._read("credit", account, block=block))

    def min_stake(self) -> int:
        """Smallest stake of an auction, wei."""
        return int(self._read("MIN_STAKE"))

    def request(self, consumer: str, auction: AuctionId, *, block: Any = "latest") -> Request:
        """State of an auction's scores."""
        given, rounds, challenger, standing = self._read(
            "requestOf", consumer, auction, block=block
        )
        first, second = (RoundMasks(*each) for each in rounds)
        return Request(given[0], bytes(given[7]), given[8], (first, second), challenger, standing)

    def roll_of(
        self, consumer: str, auction: AuctionId, *, block: Any = "latest"
    ) -> tuple[int, str]:
        """Mask of the members that called the roll, and where the roll stands as code."""
        callers, pointer = self._read("rollOf", consumer, auction, block=block)
        return int(callers), str(pointer)

    def windows(
        self, consumer: str, auction: AuctionId, round_: int, *, block: Any = "latest"
    ) -> Windows:
        """Windows of a round."""
        return Windows(*self._read("windows", consumer, auction, round_, block=block))

    def failed(self, consumer: str, auction: AuctionId, *, block: Any = "latest") -> bool:
        """Whether no scores can come any more."""
        return bool(self._read("failed", consumer, auction, block=block))


def _panel(given: tuple[Sequence[str], int]) -> tuple[int, list[str]]:
    members, threshold = given
    ordered = sorted((to_checksum_address(member) for member in members), key=str.lower)
    return threshold, [str(member) for member in ordered]


def _read_panel(given: tuple[int, Sequence[str]]) -> Panel:
    threshold, members = given
    return Panel(threshold, tuple(map(to_checksum_address, members)))
