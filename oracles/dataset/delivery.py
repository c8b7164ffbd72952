"""Handing a data key to the buyer over the contract, and proving that a wrong one was handed over.

With the buyer's key B = b·G and an ephemeral point E = e·G, both know S = e·B = b·E, and

    wrapped = data key ⊕ keccak256(S.x ‖ S.y ‖ context)
    context = keccak256(chain id ‖ auction contract ‖ auction ‖ index), 32 bytes each

The winner signs (wrapped, E) with e itself, so that nobody can use another's point. e comes from
the data key, so a delivery that was interrupted is made again alike. The proof that S is the shared
point is Chaum and Pedersen's, made non-interactive (Fiat and Shamir), in the form that
`contracts/libraries/ChaumPedersen.sol` can check with `ecrecover`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from coincurve import PrivateKey, PublicKey
from coincurve.utils import GROUP_ORDER_INT

from oracles.dataset.keys import EncryptionKey, address_bytes, check_data_key, derive
from oracles.dataset.merkle import keccak
from oracles.errors import InputError, IntegrityError

#: Order of the field of secp256k1.
FIELD: Final = 2**256 - 2**32 - 977
Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class DeliveryContext:
    """The one winner that a delivery is for.

    Attributes:
        chain_id: EIP-155 chain id.
        contract: Address of the auction contract.
        auction_id: Auction in that contract.
        index: of the winner's commitment.
    """

    chain_id: int
    contract: str
    auction_id: int
    index: int

    @property
    def digest(self) -> bytes:
        """keccak256 of the four as words, 32 bytes."""
        words = (
            self.chain_id,
            int.from_bytes(address_bytes(self.contract), "big"),
            self.auction_id,
            self.index,
        )
        try:
            return keccak(b"".join(word.to_bytes(32, "big") for word in words))
        except OverflowError as error:
            raise InputError(f"chain, auction and index are unsigned numbers: {self}") from error


@dataclass(frozen=True, slots=True)
class Delivery:
    """A data key on its way to the buyer.

    Attributes:
        wrapped: 32 bytes.
        point: E, the ephemeral point.
        secret: e, which signs the delivery; empty in one that was read from the chain.
    """

    wrapped: bytes
    point: Point
    secret: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class SharedPointProof:
    """What the contract checks: log_G(B) = log_E(S).

    Attributes:
        shared: S.
        t: z·E.
        u: c·S.
        slope: of the line through T and −U.
        c: challenge.
        z: response.
    """

    shared: Point
    t: Point
    u: Point
    slope: int
    c: int
    z: int


def _public(point: Point) -> PublicKey:
    try:
        return PublicKey(b"\4" + _words(point))
    except (ValueError, OverflowError) as error:
        raise InputError("not a point on secp256k1") from error


def _words(point: Point) -> bytes:
    return point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def _multiply(point: Point, scalar: int) -> Point:
    return _public(point).multiply(scalar.to_bytes(32, "big")).point()


def _generator(scalar: int) -> Point:
    return PrivateKey(scalar.to_bytes(32, "big")).public_key.point()


def _mask(shared: Point, context: DeliveryContext) -> bytes:
    return keccak(_words(shared) + context.digest)


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def wrap_delivery(data_key: bytes, buyer: bytes, context: DeliveryContext) -> Delivery:
    """Wrap a data key for the buyer.

    Args:
        data_key: 32 bytes.
        buyer: its public encryption key, 64 bytes.
        context: of the winner.

    Raises:
        InputError: the key is not 32 bytes, or the buyer's not a point on the curve.
    """
    check_data_key(data_key)
    if len(buyer) != 64:
        raise InputError("the buyer's key is 64 bytes: x and y")
    receiver = (int.from_bytes(buyer[:32], "big"), int.from_bytes(buyer[32:], "big"))
    number = 0
    while True:
        purpose = b"qmia/delivery/2" + buyer + context.digest + bytes([number])
        secret = 1 + int.from_bytes(derive(data_key, purpose, 48), "big") % (GROUP_ORDER_INT - 1)
        point = _generator(secret)
        # The contract refuses the points whose x is no scalar; there is one in 2^128.
        if point[0] < GROUP_ORDER_INT:
            break
        number += 1
    wrapped = _xor(data_key, _mask(_multiply(receiver, secret), context))
    return Delivery(wrapped, point, secret.to_bytes(32, "big"))


def unwrap_delivery(delivery: Delivery, key: EncryptionKey, context: DeliveryContext) -> bytes:
    """The data key that was delivered; compare `key_commitment` of it with the committed one.

    Args:
        delivery: from the chain.
        key: of the buyer.
        context: of the winner.

    Raises:
        IntegrityError: the ephemeral point is not on the curve; the contract does not accept that.
    """
    try:
        shared = _multiply(delivery.point, int.from_bytes(key.secret, "big"))
    except InputError as error:
        raise IntegrityError("the delivery's point is not on the curve") from error
    return _xor(delivery.wrapped, _mask(shared, context))


def prove_shared_point(
    point: Point, key: EncryptionKey, context: DeliveryContext
) -> SharedPointProof:
    """Prove to the contract which point the buyer shares with a delivery.

    Args:
        point: E of the delivery.
        key: of the buyer.
        context: of the winner.

    Raises:
        InputError: E is not on the curve.
    """
    secret = int.from_bytes(key.secret, "big")
    own = (int.from_bytes(key.public[:32], "big"), int.from_bytes(key.public[32:], "big"))
    shared = _multiply(point, secret)
    number = 0
    while True:
        # The nonce is a function of secret and statement, so no two statements share one.
        purpose = b"qmia/proof/2" + _words(point) + context.digest + bytes([number])
        nonce = 1 + int.from_bytes(derive(key.secret, purpose, 48), "big") % (GROUP_ORDER_INT - 1)
        r1, r2 = _generator(nonce), _multiply(point, nonce)
        statement = context.digest + b"".join(map(_words, (own, point, shared)))
        addresses = b"".join(bytes(12) + keccak(_words(r))[12:] for r in (r1, r2))
        c = int.from_bytes(keccak(statement + addresses), "big") % GROUP_ORDER_INT
        z = (nonce + c * secret) % GROUP_ORDER_INT
        number += 1
        if not c or not z:
            continue
        t, u = _multiply(point, z), _multiply(shared, c)
        # `ecrecover` takes no point whose x is not below the group's order, and T must not be ±U.
        if max(t[0], u[0]) < GROUP_ORDER_INT and t[0] != u[0]:
            slope = (t[1] + u[1]) * pow(t[0] - u[0], -1, FIELD) % FIELD
            return SharedPointProof(shared, t, u, slope, c, z)
