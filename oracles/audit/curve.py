"""secp256k1 in plain integers, and the proof of a shared point (IExchange).

Slow and short: a refutation is rare. Nothing is shared with the code that makes such proofs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eth_utils.crypto import keccak

from oracles.audit import hashes

if TYPE_CHECKING:
    from oracles.chain.typed_events import Point, Proof

FIELD: Final = 2**256 - 2**32 - 977
ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
#: A point by its coordinates; None is the neutral element.
Affine = tuple[int, int] | None
_GENERATOR: Final = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)


def on_curve(x: int, y: int) -> bool:
    """Whether two coordinates are a point."""
    return 0 <= x < FIELD and 0 <= y < FIELD and (y * y - x * x * x - 7) % FIELD == 0


def key_on_curve(x: bytes, y: bytes) -> bool:
    """The same for coordinates of 32 bytes, as keys are logged."""
    return on_curve(int.from_bytes(x, "big"), int.from_bytes(y, "big"))


def add(a: Affine, b: Affine) -> Affine:
    """Sum of two points."""
    if a is None or b is None:
        return b if a is None else a
    (ax, ay), (bx, by) = a, b
    if ax == bx:
        if (ay + by) % FIELD == 0:
            return None
        slope = 3 * ax * ax * pow(2 * ay, -1, FIELD)
    else:
        slope = (by - ay) * pow(bx - ax, -1, FIELD)
    x = (slope * slope - ax - bx) % FIELD
    return x, (slope * (ax - x) - ay) % FIELD


def multiply(scalar: int, point: Affine) -> Affine:
    """A multiple of a point."""
    total: Affine = None
    scalar %= ORDER
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point = add(point, point)
        scalar >>= 1
    return total


def _address(point: Affine) -> bytes:
    """Last 20 bytes of a point's hash, as a word."""
    x, y = point or (0, 0)
    return keccak(hashes.words(x, y))[12:].rjust(32, b"\0")


def shares(context: bytes, key: tuple[int, int], ephemeral: tuple[int, int], proof: Proof) -> bool:
    """Whether a proof shows that S is the point which the owners of two keys share.

    That is log_G(B) = log_E(S), by Chaum and Pedersen: R1 = zG − cB and R2 = zE − cS must be those
    that went into c.

    Args:
        context: from `hashes.delivery_context`.
        key: B, the buyer's.
        ephemeral: E, the winner's.
        proof: as logged.
    """
    shared = (proof.shared.x, proof.shared.y)
    if not (on_curve(*shared) and on_curve(*key) and on_curve(*ephemeral)):
        return False
    if not (0 < proof.c < ORDER and 0 < proof.z < ORDER):
        return False
    t, u = multiply(proof.z, ephemeral), multiply(proof.c, shared)
    if t != _affine(proof.t) or u != _affine(proof.u):
        return False
    # The slope of the line through T and −U only saves the contract a division.
    run, rise = proof.t.x - proof.u.x, proof.t.y + proof.u.y
    if run % FIELD == 0 or (proof.slope * run - rise) % FIELD or proof.slope >= FIELD:
        return False
    minus = ORDER - proof.c
    first = add(multiply(proof.z, _GENERATOR), multiply(minus, key))
    second = add(t, multiply(minus, shared))
    row = hashes.words(context, *key, *ephemeral, *shared, _address(first), _address(second))
    return proof.c == int.from_bytes(keccak(row), "big") % ORDER


def _affine(point: Point) -> Affine:
    return point.x, point.y
