"""What the contracts hash, sign and pack, computed off chain. Pure: no node is asked.

Every function mirrors one line of Solidity; tests compare them with the contracts bit for bit.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from enum import IntFlag
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eth_abi.abi import encode
from eth_account.messages import encode_typed_data
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

from oracles.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Marginal of a clock that has no winner or is not used (libraries/Clock.sol).
NONE: Final = 2**32 - 1
#: Parts per billion: the unit of ρ, the tranche and the DST weights.
PPB: Final = 10**9
WAD: Final = 10**18
GWEI: Final = 10**9
#: Scores in one chunk, and bytes in one score (libraries/Scores.sol).
CHUNK: Final = 1024
SCORE_BYTES: Final = 8
#: Parts of a claim (DataAuction.claim).
CASH, MUT, BOND = 1, 2, 4
ALL_PARTS: Final = CASH | MUT | BOND
_MIN_SALT_VALUES: Final = 12


# BIDS


class Status(IntFlag):
    """Lowest byte of a bid's slot (libraries/Bids.sol)."""

    COMMITTED = 0x01
    REVEALED = 0x02
    FLAGGED = 0x04
    DELIVERED = 0x08
    FORFEITED = 0x10
    CASH_PAID = 0x20
    MUT_PAID = 0x40
    BOND_PAID = 0x80


class PackedBid(NamedTuple):
    """A slot, unpacked: status, weight (1e-18), cost (token units), owner tag (104 bits)."""

    status: Status
    weight: int
    cost: int
    tag: int

    @property
    def stands(self) -> bool:
        """Whether it takes part in a clock."""
        return Status.REVEALED in self.status and self.weight > 0


def unpack_bid(slot: int) -> PackedBid:
    """Read a bid's slot."""
    return PackedBid(
        Status(slot & 0xFF), slot >> 8 & (1 << 64) - 1, slot >> 72 & (1 << 80) - 1, slot >> 152
    )


def pack_bid(weight: int, cost: int, *, flagged: bool, tag: int) -> int:
    """The slot of a bid just revealed."""
    status = Status.REVEALED | (Status.FLAGGED if flagged else Status(0))
    return tag << 152 | cost << 72 | weight << 8 | status


def seal_bid(
    chain_id: int, contract: str, auction: int, owner: str, cost: int, salt: bytes
) -> bytes:
    """The sealed bid: what `commit` takes (DataAuction.sealBid)."""
    return keccak(
        encode(
            ["uint256", "address", "uint256", "address", "uint256", "bytes32"],
            [chain_id, contract, auction, owner, cost, salt],
        )
    )


def commitment_slot(sealed_bid: bytes, index: int, owner: str, payer: str) -> int:
    """The slot of a commitment."""
    digest = keccak(
        encode(["bytes32", "uint256", "address", "address"], [sealed_bid, index, owner, payer])
    )
    return int.from_bytes(digest, "big") & ~0xFF | Status.COMMITTED


def owner_tag(
    chain_id: int, contract: str, auction: int, index: int, owner: str, payer: str
) -> int:
    """The 104-bit tag in a revealed bid."""
    digest = keccak(
        encode(
            ["uint256", "address", "uint256", "uint256", "address", "address"],
            [chain_id, contract, auction, index, owner, payer],
        )
    )
    return int.from_bytes(digest, "big") >> 152


def new_salt() -> bytes:
    """32 random bytes from the system."""
    return secrets.token_bytes(32)


def check_salt(salt: bytes) -> bytes:
    """Refuse a salt that could be guessed, and with it the cost behind a sealed bid.

    Raises:
        InputError: not 32 bytes, or made of few distinct values.
    """
    if len(salt) != 32:
        raise InputError(f"a salt is 32 random bytes, not {len(salt)}; leave it out to get one")
    if len(set(salt)) < _MIN_SALT_VALUES:
        raise InputError("this salt is not random: anyone could guess the bid; leave it out")
    return salt


# SCORES


class Score(NamedTuple):
    """One provider's score: q and φ in grid steps (1e-4), volume in tokens, two flags."""

    q: int
    phi: int
    volume: int
    eligible: bool
    underserved: bool = False


def pack_score(score: Score) -> bytes:
    """Eight bytes, big-endian: flags 4 | q 14 | φ 14 | volume 32.

    Raises:
        InputError: q or φ is off its grid. A volume beyond 2^32-1 saturates.
    """
    if not (0 <= score.q <= 10_000 and 0 <= score.phi <= 10_000 and score.volume >= 0):
        raise InputError(f"{score} is off the grid: q and φ are 0 to 10,000, volume not negative")
    flags = score.eligible | score.underserved << 1
    volume = min(score.volume, 2**32 - 1)
    return (flags << 60 | score.q << 46 | score.phi << 32 | volume).to_bytes(SCORE_BYTES, "big")


def unpack_score(data: bytes) -> Score:
    """Read eight bytes."""
    value = int.from_bytes(data, "big")
    return Score(
        q=value >> 46 & 0x3FFF,
        phi=value >> 32 & 0x3FFF,
        volume=value & (1 << 32) - 1,
        eligible=bool(value >> 60 & 1),
        underserved=bool(value >> 61 & 1),
    )


def pack_vector(scores: Sequence[Score]) -> bytes:
    """Scores in the order of commitment, eight bytes each."""
    return b"".join(map(pack_score, scores))


def unpack_vector(vector: bytes) -> list[Score]:
    """Read a vector.

    Raises:
        InputError: not a whole number of scores.
    """
    if len(vector) % SCORE_BYTES:
        raise InputError(f"a vector has {SCORE_BYTES} bytes a score; {len(vector)} is no multiple")
    return [unpack_score(vector[i : i + SCORE_BYTES]) for i in range(0, len(vector), SCORE_BYTES)]


def chunks(vector: bytes) -> list[bytes]:
    """Cut a vector into the chunks it is posted in."""
    size = CHUNK * SCORE_BYTES
    return [vector[i : i + size] for i in range(0, len(vector), size)]


def chunk_hashes(vector: bytes) -> list[bytes]:
    """keccak256 of each chunk."""
    return [keccak(chunk) for chunk in chunks(vector)]


def report_root(hashes: Sequence[bytes]) -> bytes:
    """Root of a report: the hash of all chunk hashes."""
    return keccak(b"".join(hashes))


def vector_commitment(report_digest: bytes, operator: str, salt: bytes) -> bytes:
    """What an operator commits to before the vectors are opened (ScoreOracle.commitVector)."""
    return keccak(encode(["bytes32", "address", "bytes32"], [report_digest, operator, salt]))


# TYPED DATA (EIP-712)


@dataclass(frozen=True, slots=True)
class Domain:
    """EIP-712 domain of a contract.

    Attributes:
        name: `Q-MIA DataAuction` or `Q-MIA ScoreOracle`.
        chain_id: EIP-155.
        contract: its address.
    """

    name: str
    chain_id: int
    contract: str

    @classmethod
    def auction(cls, chain_id: int, contract: str) -> Domain:
        """Domain of DataAuction."""
        return cls("Q-MIA DataAuction", chain_id, contract)

    @classmethod
    def oracle(cls, chain_id: int, contract: str) -> Domain:
        """Domain of ScoreOracle."""
        return cls("Q-MIA ScoreOracle", chain_id, contract)

    def message(
        self, primary: str, fields: Sequence[tuple[str, str]], values: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The whole typed message, as wallets and `eth_signTypedData_v4` take it."""
        return {
            "types": {
                "EIP712Domain": [
                    {"name": "name", "type": "string"},
                    {"name": "version", "type": "string"},
                    {"name": "chainId", "type": "uint256"},
                    {"name": "verifyingContract", "type": "address"},
                ],
                primary: [{"name": name, "type": kind} for kind, name in fields],
            },
            "primaryType": primary,
            "domain": {
                "name": self.name,
                "version": "1",
                "chainId": self.chain_id,
                "verifyingContract": self.contract,
            },
            "message": dict(values),
        }


_REPORT = (
    ("address", "auction"),
    ("uint256", "auctionId"),
    ("uint8", "round"),
    ("bytes32", "metricVersion"),
    ("bytes32", "root"),
    ("bytes32", "evidence"),
)
_VERDICT = (("address", "auction"), ("uint256", "auctionId"), ("uint32[]", "indices"))
_COMMIT = (
    ("uint256", "auction"),
    ("bytes32", "sealedBid"),
    ("bytes32", "cid"),
    ("bytes32", "contentDigest"),
    ("uint64", "size"),
    ("address", "payer"),
    ("uint256", "nonce"),
    ("uint256", "deadline"),
)
_KEY = (("address", "buyer"), ("bytes32", "x"), ("bytes32", "y"))


def report_message(
    domain: Domain,
    consumer: str,
    auction: int,
    round_: int,
    metric_version: bytes,
    root: bytes,
    evidence: bytes,
) -> dict[str, Any]:
    """The report that an operator signs; `consumer` is the auction contract."""
    return domain.message(
        "Report",
        _REPORT,
        {
            "auction": consumer,
            "auctionId": auction,
            "round": round_,
            "metricVersion": metric_version,
            "root": root,
            "evidence": evidence,
        },
    )


def verdict_message(
    domain: Domain, consumer: str, auction: int, indices: Sequence[int]
) -> dict[str, Any]:
    """The verdict of non-delivery that an operator signs."""
    return domain.message(
        "NonDelivery",
        _VERDICT,
        {"auction": consumer, "auctionId": auction, "indices": list(indices)},
    )


def commit_message(
    domain: Domain,
    auction: int,
    sealed_bid: bytes,
    data_set: DataSet,
    payer: str,
    nonce: int,
    deadline: int,
) -> dict[str, Any]:
    """The commitment that a provider signs for one relayer, the payer of its bond."""
    return domain.message(
        "Commit",
        _COMMIT,
        {
            "auction": auction,
            "sealedBid": sealed_bid,
            "cid": data_set.cid,
            "contentDigest": data_set.content_digest,
            "size": data_set.size,
            "payer": payer,
            "nonce": nonce,
            "deadline": deadline,
        },
    )


def key_message(domain: Domain, buyer: str, public: bytes) -> dict[str, Any]:
    """The buyer's proof that it holds the secret of its encryption key, signed by that key."""
    return domain.message(
        "EncryptionKey", _KEY, {"buyer": buyer, "x": public[:32], "y": public[32:]}
    )


def typed_digest(message: dict[str, Any]) -> bytes:
    """The 32 bytes that are signed."""
    signable = encode_typed_data(full_message=message)
    return keccak(b"\x19" + signable.version + signable.header + signable.body)


# TERMS


@dataclass(frozen=True, slots=True)
class DataSet:
    """What a provider commits to.

    Attributes:
        cid: sha2-256 digest of the manifest's CIDv1.
        content_digest: Merkle root over the documents.
        size: bytes of the archive.
    """

    cid: bytes
    content_digest: bytes
    size: int


class Windows(NamedTuple):
    """Bounds of one scoring round, unix seconds: commit, then open, then post, then over."""

    commit: int
    open: int
    post: int
    end: int


@dataclass(frozen=True, slots=True)
class Durations:
    """Lengths of the phases in seconds, in order."""

    commit: int
    score_commit: int
    score_open: int
    score_post: int
    challenge: int
    reveal: int
    settle: int
    deliver: int
    verdict: int

    def encode(self) -> tuple[int, ...]:
        """As the contract takes it."""
        return tuple(getattr(self, name) for name in self.__slots__)

    def windows(self, created: int, round_: int) -> Windows:
        """Windows of a scoring round (ScoreOracle.windows).

        Args:
            created: when the auction was created, unix seconds.
            round_: 1, or 2 for the round after a challenge.
        """
        length = self.score_commit + self.score_open + self.score_post
        start = created + self.commit + (0 if round_ == 1 else length + self.challenge)
        opens = start + self.score_commit
        posts = opens + self.score_open
        return Windows(start, opens, posts, posts + self.score_post)

    def phases(self, created: int) -> tuple[int, int, int, int, int, int]:
        """When the phases end (DataAuction.phases), unix seconds.

        Args:
            created: when the auction was created, unix seconds.

        Returns:
            Ends of commitments and of both scoring rounds, then of reveals, settlement, deliveries
            and verdicts.
        """
        commit_end = created + self.commit
        score_end = self.windows(created, 2).end
        reveal_end = score_end + self.reveal
        settle_end = reveal_end + self.settle
        deliver_end = settle_end + self.deliver
        verdict_end = deliver_end + self.verdict
        return commit_end, score_end, reveal_end, settle_end, deliver_end, verdict_end


@dataclass(frozen=True, slots=True)
class DstTerms:
    """Terms of the participation tokens; the weights in parts per billion."""

    supply: int = 0
    floor: int = 0
    cap: int = 0
    volume_weight: int = 0
    quality_weight: int = 0
    impact_weight: int = 0

    def encode(self) -> tuple[int, ...]:
        """As the contract takes it."""
        return tuple(getattr(self, name) for name in self.__slots__)


@dataclass(frozen=True, slots=True)
class WeightTerms:
    """A weight rule: family 0 power, 1 sqrt, 2 log1p; the rest in 1e-18."""

    family: int = 0
    eta: int = WAD
    kappa: int = 0
    gamma: int = WAD

    def encode(self) -> tuple[int, ...]:
        """As the contract takes it."""
        return tuple(getattr(self, name) for name in self.__slots__)


@dataclass(frozen=True, slots=True)
class Terms:
    """Everything a buyer fixes by creating an auction (IDataAuction.Terms).

    Attributes:
        token: settlement ERC-20.
        budget: B, token units.
        pool: U, token units of MUT face value.
        rho: ρ in parts per billion.
        tranche: f in parts per billion.
        weights: weight rule.
        bond_gwei: bond of a bid.
        max_bids: most commitments taken.
        enrolment: no bids; the pool is shared by weight (paper §6).
        operator_set: id in ScoreOracle.
        metric_version: 32 bytes.
        evaluation: digest of the held-out evaluation set, 32 bytes.
        durations: phase lengths.
        dst: participation tokens.
    """

    token: str
    budget: int
    pool: int
    rho: int
    tranche: int
    weights: WeightTerms
    bond_gwei: int
    max_bids: int
    enrolment: bool
    operator_set: int
    metric_version: bytes
    evaluation: bytes
    durations: Durations
    dst: DstTerms = field(default_factory=DstTerms)

    def encode(self) -> tuple[Any, ...]:
        """As the contract takes it."""
        values = []
        for name in self.__slots__:
            value = getattr(self, name)
            values.append(value.encode() if hasattr(value, "__slots__") else value)
        return tuple(values)


def same_address(a: str, b: str) -> bool:
    """Whether two hexadecimal addresses are one."""
    return to_canonical_address(a) == to_canonical_address(b)
