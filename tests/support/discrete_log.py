"""Chaum-Pedersen proofs on secp256k1, from their description in contracts/interfaces/IExchange.sol.

Affine arithmetic on integers, slow and plain; independent of the package on purpose.
"""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
Point = tuple[int, int]
G: Point = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)


def add(a: Point | None, b: Point | None) -> Point | None:
    """Return the sum of two points; None is the neutral element."""
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(scalar: int, point: Point = G) -> Point:
    """Return a multiple of a point; the scalar must not be 0 mod the group's order."""
    total: Point | None = None
    addend: Point | None = point
    scalar %= N
    while scalar:
        if scalar & 1:
            total = add(total, addend)
        addend = add(addend, addend)
        scalar >>= 1
    assert total is not None
    return total


def address(point: Point) -> str:
    """Return the address of a point, in lower case."""
    return "0x" + keccak(encode(["uint256", "uint256"], point))[12:].hex()


def prove(
    context: bytes,
    secret: int,
    ephemeral: Point,
    nonce: int,
    shared: Point | None = None,
    *,
    beside: bool = False,
) -> dict[str, Any]:
    """Prove that the shared point is `secret` times `ephemeral`; falsely, with another `shared`.

    Args:
      context, secret, ephemeral, nonce: of the proof.
      shared: the point that it is about, the true one by default.
      beside: the true point's y is one beside the curve, of the same parity. `ecrecover` is told a
        parity only, so it takes this point for the true one.
    """
    key, true = multiply(secret), multiply(secret, ephemeral)
    shared = (true[0], true[1] ^ 2) if beside else shared or true
    kinds = ["bytes32", *["uint256"] * 6, "address", "address"]
    commitments = address(multiply(nonce)), address(multiply(nonce, ephemeral))
    words = [context, *key, *ephemeral, *shared, *commitments]
    c = int.from_bytes(keccak(encode(kinds, words)), "big") % N
    z = (nonce + c * secret) % N
    t, u = multiply(z, ephemeral), multiply(c, true if beside else shared)
    slope = (t[1] + u[1]) * pow(t[0] - u[0], -1, P) % P
    return {"shared": shared, "t": t, "u": u, "slope": slope, "c": c, "z": z}
