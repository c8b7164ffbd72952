"""ScoreOracle, typed. Methods that write return a call for `Sender.send`; the others read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from eth_utils.address import to_checksum_address

from oracles.chain import codec
from oracles.chain.client import ContractAt
from oracles.chain.codec import Windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from web3.contract.contract import ContractFunction

    from oracles.chain.codec import Domain


@dataclass(frozen=True, slots=True)
class Submission:
    """A signed vector with what proves that it is the one committed to.

    Attributes:
        member: position in the operator set.
        salt: of the operator's commitment.
        evidence: digest of the operator's evidence bundle.
        signature: EIP-712 signature of the report.
        vector: the whole vector, eight bytes a score.
    """

    member: int
    salt: bytes
    evidence: bytes
    signature: bytes
    vector: bytes

    def encode(self, chunk: int | None = None) -> tuple[Any, ...]:
        """As the contract takes it: with one chunk of the vector, or with all of it."""
        hashes = codec.chunk_hashes(self.vector)
        part = self.vector if chunk is None else codec.chunks(self.vector)[chunk]
        return self.member, self.salt, self.evidence, self.signature, hashes, part


class OperatorSet(NamedTuple):
    """Members, ascending, and threshold k."""

    members: tuple[str, ...]
    threshold: int


class Request(NamedTuple):
    """State of an auction's scores; masks are by round, a bit a member."""

    operator_set: int
    metric_version: bytes
    committed: tuple[int, int]
    published: tuple[int, int]
    complete: tuple[int, int]
    challenger: str
    final_round: int


class OracleContract(ContractAt):
    """The deployed ScoreOracle."""

    artifact = "ScoreOracle"

    @property
    def domain(self) -> Domain:
        """EIP-712 domain."""
        return codec.Domain.oracle(self.chain_id, self.address)

    # Operators.

    def register(self, public_key: bytes) -> ContractFunction:
        """Become an operator; send the bond as value. The key is for data wrapped for scoring."""
        return self._call("register", public_key[:32], public_key[32:])

    def add_bond(self) -> ContractFunction:
        """Add the value sent to one's bond."""
        return self._call("addBond")

    def exit(self) -> ContractFunction:
        """Leave; the bond becomes credit."""
        return self._call("exit")

    def withdraw_credit(self, to: str) -> ContractFunction:
        """Withdraw credit."""
        return self._call("withdrawCredit", to)

    def create_set(self, members: Sequence[str], threshold: int) -> ContractFunction:
        """Gather operators into a set; they are sorted here."""
        ordered = sorted((to_checksum_address(member) for member in members), key=str.lower)
        return self._call("createSet", ordered, threshold)

    # Rounds.

    def commit_vector(
        self, consumer: str, auction: int, member: int, commitment: bytes
    ) -> ContractFunction:
        """Commit to a report."""
        return self._call("commitVector", consumer, auction, member, commitment)

    def announce_vector(
        self, consumer: str, auction: int, member: int, location: str
    ) -> ContractFunction:
        """Tell where one's vector can be had."""
        return self._call("announceVector", consumer, auction, member, location)

    def publish_vector(
        self, consumer: str, auction: int, submission: Submission
    ) -> ContractFunction:
        """Publish one's whole vector on chain."""
        return self._call("publishVector", consumer, auction, submission.encode())

    def post_scores(
        self, consumer: str, auction: int, chunk: int, submissions: Sequence[Submission]
    ) -> ContractFunction:
        """Post one chunk with the vectors of all due members, ascending."""
        ordered = sorted(submissions, key=lambda submission: submission.member)
        return self._call(
            "postScores", consumer, auction, chunk, [each.encode(chunk) for each in ordered]
        )

    def challenge(self, consumer: str, auction: int) -> ContractFunction:
        """Force a second round; send the challenge bond as value."""
        return self._call("challenge", consumer, auction)

    def resolve(self, consumer: str, auction: int) -> ContractFunction:
        """Decide a challenge."""
        return self._call("resolve", consumer, auction)

    # Slashing.

    def slash_missing(
        self, consumer: str, auction: int, round_: int, member: int
    ) -> ContractFunction:
        """Punish a commitment whose vector never came."""
        return self._call("slashMissing", consumer, auction, round_, member)

    def slash_equivocation(
        self,
        consumer: str,
        auction: int,
        operator: str,
        first: tuple[int, bytes, bytes, bytes],
        second: tuple[int, bytes, bytes, bytes],
    ) -> ContractFunction:
        """Prove two reports for one round, each (round, root, evidence, signature)."""
        return self._call("slashEquivocation", consumer, auction, operator, first, second)

    def slash_deviator(
        self, consumer: str, auction: int, index: int, submission: Submission
    ) -> ContractFunction:
        """After a challenge that moved scores: punish a round-one vector that was off."""
        member, _, evidence, signature, hashes, part = submission.encode(index // codec.CHUNK)
        return self._call(
            "slashDeviator", consumer, auction, member, index, evidence, signature, hashes, part
        )

    # Reads. `block` pins them to a number or hash.

    def operator_set(self, set_id: int, *, block: Any = "latest") -> OperatorSet:
        """Members and threshold of a set."""
        members, threshold = self._read("setOf", set_id, block=block)
        return OperatorSet(tuple(to_checksum_address(member) for member in members), threshold)

    def set_count(self, *, block: Any = "latest") -> int:
        """Number of sets; ids are 1 to this."""
        return int(self._read("setCount", block=block))

    def bond_of(self, operator: str, *, block: Any = "latest") -> tuple[int, int]:
        """Bond in wei, and the time until which it is locked."""
        bond, locked_until = self._read("bondOf", operator, block=block)
        return bond, locked_until

    def credit_of(self, account: str, *, block: Any = "latest") -> int:
        """Credit in wei."""
        return int(self._read("credit", account, block=block))

    def min_bond(self) -> int:
        """Smallest bond, wei."""
        return int(self._read("MIN_BOND"))

    def challenge_bond(self) -> int:
        """Bond of a challenge, wei."""
        return int(self._read("CHALLENGE_BOND"))

    def request(self, consumer: str, auction: int, *, block: Any = "latest") -> Request:
        """State of an auction's scores."""
        terms, committed, published, complete, challenger, final = self._read(
            "requestOf", consumer, auction, block=block
        )
        return Request(
            terms[0],
            bytes(terms[6]),
            tuple(committed),
            tuple(published),
            tuple(complete),
            challenger,
            final,
        )

    def windows(
        self, consumer: str, auction: int, round_: int, *, block: Any = "latest"
    ) -> Windows:
        """Windows of a round."""
        return Windows(*self._read("windows", consumer, auction, round_, block=block))

    def failed(self, consumer: str, auction: int, *, block: Any = "latest") -> bool:
        """Whether no scores can come any more."""
        return bool(self._read("failed", consumer, auction, block=block))
