"""A data key on its way to the buyer, and the proof that it is not the one that was sold.

The buyer's key is B = bG, the winner's ephemeral key E = eG, and S = eB = bE is the point that only
the two know. The delivery is `wrapped = data key ⊕ keccak256(abi.encode(S.x, S.y, context))`. If what
the buyer unmasks does not hash to the key commitment, it opens S to everybody together with a
proof (Chaum and Pedersen, 1992) that S is right, and the contract sees the wrong key itself
(contracts/libraries/ChaumPedersen.sol, IExchange.refute). Pure: no node is asked.
"""

from __future__ import annotations

import secrets
from typing import Final

from coincurve import PrivateKey, PublicKey
from coincurve.utils import GROUP_ORDER_INT
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from oracles.chain.typed_events import Delivery, Point, Proof
from oracles.errors import InputError, IntegrityError

_FIELD: Final = 2**256 - 2**32 - 977


def exchange_context(chain_id: int, contract: str, auction: int, index: int) -> bytes:
    """What a delivery and its proof are bound to, 32 bytes.

    Args:
        chain_id: EIP-155.
        contract: of the auctions.
        auction: id.
        index: of the winner.
    """
    kinds = ["uint256", "address", "uint256", "uint256"]
    return keccak(encode(kinds, [chain_id, contract, auction, index]))


def key_commitment(data_key: bytes) -> bytes:
    """What a commitment on chain says of the data key."""
    return keccak(data_key)


def seal(
    data_key: bytes, buyer_key: bytes, context: bytes, ephemeral: bytes | None = None
) -> tuple[Delivery, bytes]:
    """Mask a data key for the buyer.

    Args:
        data_key: 32 bytes.
        buyer_key: 64 bytes, x and y.
        context: see `exchange_context`.
        ephemeral: secret of 32 bytes; a random one by default. It must serve one delivery only.

    Returns:
        The delivery, and the ephemeral secret, which has to sign it.

    Raises:
        InputError: the data key is not 32 bytes, or the buyer's key no point on the curve.
    """
    if len(data_key) != 32:
        raise InputError(f"a data key is 32 bytes, this is {len(data_key)}")
    try:
        buyer = PublicKey(b"\4" + buyer_key)
    except ValueError as error:
        raise InputError("the buyer's key is no point on secp256k1") from error
    while True:
        secret = ephemeral or secrets.token_bytes(32)
        point = _coordinates(PrivateKey(secret).public_key)
        # An x of n or more could not be named in a proof: the contract refuses it.
        if int.from_bytes(point[:32], "big") < GROUP_ORDER_INT:
            break
        if ephemeral is not None:
            raise InputError("this ephemeral key has an x that the contract refuses; take another")
    mask = _mask(_coordinates(buyer.multiply(secret)), context)
    return Delivery(_xor(data_key, mask), point[:32], point[32:]), secret


def unseal(delivery: Delivery, buyer_secret: bytes, context: bytes) -> bytes:
    """The data key that a delivery hands over; whether it is the right one is not checked.

    Raises:
        IntegrityError: the ephemeral key is no point on the curve.
    """
    return _xor(delivery.wrapped, _mask(_coordinates(_shared(delivery, buyer_secret)), context))


def prove(delivery: Delivery, buyer_secret: bytes, context: bytes) -> Proof:
    """Prove which data key a delivery hands over; this makes that key public.

    Raises:
        IntegrityError: the ephemeral key is no point on the curve.
    """
    secret = int.from_bytes(buyer_secret, "big")
    ephemeral, shared = _ephemeral(delivery), _shared(delivery, buyer_secret)
    key, order = PrivateKey(buyer_secret).public_key, GROUP_ORDER_INT
    nonce = 1 + secrets.randbelow(order - 1)
    commitments = (
        PrivateKey.from_int(nonce).public_key,
        ephemeral.multiply(nonce.to_bytes(32, "big")),
    )
    points = [_point(key), _point(ephemeral), _point(shared)]
    words = [coordinate for point in points for coordinate in (point.x, point.y)]
    challenge = keccak(
        encode(
            ["bytes32", *["uint256"] * 6, "address", "address"],
            [context, *words, *map(_address, commitments)],
        )
    )
    c = int.from_bytes(challenge, "big") % order
    z = (nonce + c * secret) % order
    t = _point(ephemeral.multiply(z.to_bytes(32, "big")))
    u = _point(shared.multiply(c.to_bytes(32, "big")))
    slope = (t.y + u.y) * pow(t.x - u.x, -1, _FIELD) % _FIELD
    return Proof(points[2], t, u, slope, c, z)


def _ephemeral(delivery: Delivery) -> PublicKey:
    try:
        return PublicKey(b"\4" + delivery.x + delivery.y)
    except ValueError as error:
        raise IntegrityError("the delivery's ephemeral key is no point on secp256k1") from error


def _shared(delivery: Delivery, buyer_secret: bytes) -> PublicKey:
    return _ephemeral(delivery).multiply(buyer_secret)


def _coordinates(point: PublicKey) -> bytes:
    return point.format(compressed=False)[1:]


def _point(point: PublicKey) -> Point:
    both = _coordinates(point)
    return Point(int.from_bytes(both[:32], "big"), int.from_bytes(both[32:], "big"))


def _address(point: PublicKey) -> str:
    return to_checksum_address(keccak(_coordinates(point))[12:])


def _mask(shared: bytes, context: bytes) -> bytes:
    return keccak(shared + context)


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(a, b, strict=True))
