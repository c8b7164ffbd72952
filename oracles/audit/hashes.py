"""Hashes, signatures and addresses, from the EIPs and docs/protocol.md: no ABI library, no wallet.

Everything hashed by the protocol is a row of 32-byte words, or plain bytes in a row.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError

if TYPE_CHECKING:
    from oracles.chain.terms import AuctionId, DataSet
    from oracles.chain.typed_events import Delivery

Word = int | str | bytes
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0

canonical = lru_cache(maxsize=1 << 16)(to_canonical_address)


def words(*values: Word) -> bytes:
    """Static values as ABI words: integers, addresses (text), 32-byte strings."""
    parts = []
    for value in values:
        if isinstance(value, int):
            parts.append(value.to_bytes(32, "big"))
        elif isinstance(value, str):
            parts.append(canonical(value).rjust(32, b"\0"))
        else:
            parts.append(value)
    return b"".join(parts)


def seal(
    chain_id: int, contract: str, auction: AuctionId, owner: str, cost: int, salt: bytes
) -> bytes:
    """The sealed bid."""
    return keccak(words(chain_id, contract, auction, owner, cost, salt))


@cache
def _type_hash(text: str) -> bytes:
    return keccak(text=text)


@cache
def domain(name: str, chain_id: int, contract: str) -> bytes:
    """EIP-712 domain separator; version 1."""
    kind = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    return keccak(words(_type_hash(kind), keccak(text=name), keccak(text="1"), chain_id, contract))


def report_digest(
    chain_id: int,
    oracle: str,
    consumer: str,
    auction: AuctionId,
    round_: int,
    metric_version: bytes,
    root: bytes,
    evidence: bytes,
) -> bytes:
    """What an operator signs for a report."""
    kind = (
        "Report(address auction,uint256 auctionId,uint8 round,bytes32 metricVersion,"
        "bytes32 root,bytes32 evidence)"
    )
    struct = words(_type_hash(kind), consumer, auction, round_, metric_version, root, evidence)
    separator = domain("Q-MIA ScoreOracle", chain_id, oracle)
    return keccak(b"\x19\x01" + separator + keccak(struct))


def verdict_digest(
    chain_id: int, oracle: str, consumer: str, auction: AuctionId, index: int, ground: int
) -> bytes:
    """What an operator signs for a verdict on non-delivery."""
    kind = "NonDelivery(address auction,uint256 auctionId,uint256 index,uint8 ground)"
    struct = words(_type_hash(kind), consumer, auction, index, ground)
    separator = domain("Q-MIA ScoreOracle", chain_id, oracle)
    return keccak(b"\x19\x01" + separator + keccak(struct))


def data_set(given: DataSet) -> bytes:
    """Hash of what a provider committed to, as later calls name it."""
    return keccak(words(given.manifest, given.content_digest, given.size, given.key_commitment))


def delivery_context(chain_id: int, contract: str, auction: AuctionId, index: int) -> bytes:
    """What the mask of a delivery, and a proof about it, are bound to."""
    return keccak(words(chain_id, contract, auction, index))


def delivery_digest(
    chain_id: int, exchange: str, auction: AuctionId, index: int, given: Delivery
) -> bytes:
    """What the ephemeral key of a delivery signs."""
    kind = "Delivery(uint256 auctionId,uint256 index,bytes32 wrapped,bytes32 x,bytes32 y)"
    struct = words(_type_hash(kind), auction, index, given.wrapped, given.x, given.y)
    separator = domain("Q-MIA Exchange", chain_id, exchange)
    return keccak(b"\x19\x01" + separator + keccak(struct))


def signer(digest: bytes, signature: bytes) -> str | None:
    """Who signed a digest; None where the 65 bytes are no signature in its one accepted form."""
    if len(signature) != 65 or signature[64] not in (27, 28):
        return None
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    if s > _HALF_ORDER:
        return None
    try:
        key = Signature(vrs=(signature[64] - 27, r, s)).recover_public_key_from_msg_hash(digest)
    except (BadSignature, ValidationError):
        return None
    return key.to_checksum_address()


def created_by(contract: str, nonce: int) -> str:
    """Address of the contract that another one makes with CREATE as its `nonce`-th (EIP-161: 1)."""
    number = (
        bytes([nonce])
        if nonce < 0x80
        else (lambda raw: bytes([0x80 + len(raw)]) + raw)(
            nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
        )
    )
    body = b"\x94" + canonical(contract) + number
    return to_checksum_address(keccak(bytes([0xC0 + len(body)]) + body)[12:])


def clone_of(implementation: str, deployer: str, salt: int, arguments: bytes | None = None) -> str:
    """CREATE2 address of a minimal proxy (EIP-1167), with immutable arguments where given."""
    target = canonical(implementation)
    if arguments is None:
        code = bytes.fromhex("3d602d80600a3d3981f3363d3d373d3d3d363d73") + target
        code += bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
    else:
        code = b"\x61" + (len(arguments) + 0x2D).to_bytes(2, "big")
        code += bytes.fromhex("3d81600a3d39f3363d3d373d3d3d363d73") + target
        code += bytes.fromhex("5af43d82803e903d91602b57fd5bf3") + arguments
    packed = b"\xff" + canonical(deployer) + salt.to_bytes(32, "big") + keccak(code)
    return to_checksum_address(keccak(packed)[12:])
