"""Bids, scores and rolls as the contracts pack and hash them. Pure: no node is asked.

Every function mirrors one line of Solidity; tests compare them with the contracts bit for bit.
"""

from __future__ import annotations

import secrets
from dataclasses import astuple, dataclass
from enum import IntFlag
from typing import TYPE_CHECKING, Final, NamedTuple

from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

from oracles.chain.codec import encode
from oracles.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

    from oracles.chain.terms import AuctionId, DataSet

#: Marginal of a clock that has no winner or is not used (libraries/Clock.sol).
NONE: Final = 2**32 - 1
#: Scores in one chunk, and bytes in one score (libraries/Scores.sol).
CHUNK: Final = 1024
SCORE_BYTES: Final = 8
#: Grid steps by which honest machines may differ (ScoreOracle.TOLERANCE).
TOLERANCE: Final = 10
#: Parts of a claim (DataAuction.claim).
CASH, MUT, BOND = 1, 2, 4
ALL_PARTS: Final = CASH | MUT | BOND
_MIN_SALT_VALUES: Final = 12


# BIDS


class Status(IntFlag):
    """Lowest byte of a bid's slot (types/Bid.sol)."""

    COMMITTED = 0x01
    REVEALED = 0x02
    FLAGGED = 0x04
    DELIVERED = 0x08
    OUT = 0x10
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
    chain_id: int, contract: str, auction: AuctionId, owner: str, cost: int, salt: bytes
) -> bytes:
    """The sealed bid: what `commit` takes (DataAuction.sealBid)."""
    return keccak(
        encode(
            ["uint256", "address", "uint256", "address", "uint256", "bytes32"],
            [chain_id, contract, auction, owner, cost, salt],
        )
    )


@dataclass(frozen=True, slots=True)
class Place:
    """What stands at an index, named by every call after the commitment (types/Bid.sol).

    Attributes:
        index: order of commitment.
        owner: the provider.
        payer: who paid the bond and gets it back.
        data_set: hash of the data set, see `data_set_hash`.
    """

    index: int
    owner: str
    payer: str
    data_set: bytes


def data_set_hash(data_set: DataSet) -> bytes:
    """keccak256(abi.encode(DataSet))."""
    return keccak(encode(["bytes32", "bytes32", "uint64", "bytes32"], astuple(data_set)))


def commitment_slot(sealed_bid: bytes, place: Place, status: Status = Status.COMMITTED) -> int:
    """The slot of a commitment."""
    digest = keccak(
        encode(
            ["bytes32", "uint32", "address", "address", "bytes32"], [sealed_bid, *astuple(place)]
        )
    )
    return int.from_bytes(digest, "big") & ~0xFF | status


def place_tag(chain_id: int, contract: str, auction: AuctionId, place: Place) -> int:
    """The 104-bit tag in a revealed bid."""
    digest = keccak(
        encode(
            ["uint256", "address", "uint256", "uint32", "address", "address", "bytes32"],
            [chain_id, contract, auction, *astuple(place)],
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
    """One data set's score: q and φ in grid steps (1e-4), volume in units of 1,024 tokens, flags.

    Attributes:
        present: whether it is on the roll, so that the other fields count.
        underserved: whether its φ makes it count for the tranche.
    """

    q: int
    phi: int
    volume: int
    present: bool
    underserved: bool = False


def pack_score(score: Score) -> bytes:
    """Eight bytes, big-endian: flags 4 | q 14 | φ 14 | volume 32.

    Raises:
        InputError: q or φ is off its grid. A volume beyond 2^32-1 saturates.
    """
    if not (0 <= score.q <= 10_000 and 0 <= score.phi <= 10_000 and score.volume >= 0):
        raise InputError(f"{score} is off the grid: q and φ are 0 to 10,000, volume not negative")
    flags = score.present | score.underserved << 1
    volume = min(score.volume, 2**32 - 1)
    return (flags << 60 | score.q << 46 | score.phi << 32 | volume).to_bytes(SCORE_BYTES, "big")


def unpack_score(data: bytes) -> Score:
    """Read eight bytes."""
    value = int.from_bytes(data, "big")
    return Score(
        q=value >> 46 & 0x3FFF,
        phi=value >> 32 & 0x3FFF,
        volume=value & (1 << 32) - 1,
        present=bool(value >> 60 & 1),
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
        raise InputError(f"{len(vector)} bytes are no vector: it has {SCORE_BYTES} per score")
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


def deviation(vector: Sequence[Score], standing: Sequence[Score]) -> int | None:
    """First index at which a vector of round one is not what the appeal found; None for none.

    Honest machines may differ by `TOLERANCE` grid steps, and by a thousandth of the volume beyond
    that (ScoreOracle.slashDeviator). The under-served flag costs nobody a stake.
    """
    for index, (mine, right) in enumerate(zip(vector, standing, strict=True)):
        if (
            mine.present != right.present
            or abs(mine.q - right.q) > TOLERANCE
            or abs(mine.phi - right.phi) > TOLERANCE
            or abs(mine.volume - right.volume) > TOLERANCE + right.volume // 1000
        ):
            return index
    return None


# THE ROLL


def pack_roll(indices: Set[int], count: int) -> list[int]:
    """Bitmap over `count` bids: index i is bit i % 256 of word i // 256 (libraries/Roll.sol)."""
    words = [0] * -(-count // 256)
    for index in indices:
        words[index // 256] |= 1 << index % 256
    return words


def unpack_roll(words: Sequence[int]) -> frozenset[int]:
    """Indices in a bitmap."""
    return frozenset(
        256 * position + bit
        for position, word in enumerate(words)
        for bit in range(word.bit_length())
        if word >> bit & 1
    )


def same_address(a: str, b: str) -> bool:
    """Whether two hexadecimal addresses are one."""
    return to_canonical_address(a) == to_canonical_address(b)
