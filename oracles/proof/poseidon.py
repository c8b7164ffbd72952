"""Poseidon2 over the scalar field of BN254 with a state of four (https://eprint.iacr.org/2023/323).

The hash inside the circuits, because a proof of it takes 73 gates and one of keccak thousands. The
constants are not listed but made here as the authors' script makes them: by the Grain LFSR of the
Poseidon paper (appendix E), from the parameters alone.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Order of the scalar field of BN254.
FIELD: Final = 0x30644E72E131A029B85045B68181585D2833E84879B9709143E1F593F0000001
_WIDTH: Final = 4
_FULL: Final = 8
_PARTIAL: Final = 56
#: What the inner matrix adds to the sum of the state: its diagonal less one. The authors' script
#: draws it after the round constants and keeps the first that resists subspace trails.
_DIAGONAL: Final = (
    0x10DC6E9C006EA38B04B1E03B4BD9490C0D03F98929CA1D7FB56821FD19D3B6E7,
    0x0C28145B6A44DF3E0149B3D0A30B3BB599DF9756D4DD9B84A86B38CFB45A740B,
    0x00544B8338791518B2C7645A50392798B21F75BB60E3596170067D00141CAC15,
    0x222C01175718386F2E2E82EB122789E352E105A3B8FA852613BC534433EE428B,
)


def _grain() -> Iterator[int]:
    """Bits of the LFSR: of each pair the second, where the first is 1."""
    start = [
        (value >> bit) & 1
        for value, size in (
            (1, 2),  # a prime field
            (0, 4),  # the S-box is a power
            (FIELD.bit_length(), 12),
            (_WIDTH, 12),
            (_FULL, 10),
            (_PARTIAL, 10),
            ((1 << 30) - 1, 30),
        )
        for bit in reversed(range(size))
    ]
    state = start

    def step() -> int:
        bit = state[62] ^ state[51] ^ state[38] ^ state[23] ^ state[13] ^ state[0]
        state.append(bit)
        del state[0]
        return bit

    for _ in range(160):
        step()
    while True:
        chosen = step()
        bit = step()
        if chosen:
            yield bit


@lru_cache(maxsize=1)
def _constants() -> tuple[tuple[int, ...], ...]:
    """Round constants: four for a full round, one for a partial one."""
    bits = _grain()

    def element() -> int:
        while True:
            value = 0
            for bit in islice(bits, FIELD.bit_length()):
                value = value << 1 | bit
            if value < FIELD:
                return value

    half = _FULL // 2
    sizes = [_WIDTH] * half + [1] * _PARTIAL + [_WIDTH] * half
    return tuple(tuple(element() for _ in range(size)) for size in sizes)


def _outer(a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
    """The outer matrix (5 7 1 3; 4 6 1 1; 1 3 5 7; 1 1 4 6), by eight additions."""
    e, f = a + b, c + d
    g, h = 2 * b + f, 2 * d + e
    i, j = 4 * f + h, 4 * e + g
    return h + j, j, g + i, i


def permute(state: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """The permutation.

    Args:
        state: four elements of the field.
    """
    p = FIELD
    a, b, c, d = _outer(*state)
    m0, m1, m2, m3 = _DIAGONAL
    for constants in _constants():
        if len(constants) == 1:
            a = (a + constants[0]) % p
            square = a * a % p
            a = square * square % p * a % p
            total = a + b + c + d
            a, b = (a * m0 + total) % p, (b * m1 + total) % p
            c, d = (c * m2 + total) % p, (d * m3 + total) % p
        else:
            a, b, c, d = _outer(
                *(pow(x + k, 5, p) for x, k in zip((a, b, c, d), constants, strict=True))
            )
    return a % p, b % p, c % p, d % p
