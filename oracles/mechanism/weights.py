"""Fixed-point weights, bit-identical to the contract's.

A weight turns a quality `q` and a marginal utility `φ` into a positive integer. Both come on the
grid 0..10000 (steps of 1e-4) and are widened to WAD (18 decimals) before anything else happens.

    POWER   w = q^η · (φ + κ)^γ     paper §4.2, alternative virtual cost formulation
    SQRT    w = sqrt(q · φ)         paper §4.2, u(x) = sqrt(x)
    LOG1P   w = ln(1 + q · φ)       paper §4.2, u(x) = ln(1 + x)

`ln_wad`, `exp_wad` and `pow_wad` evaluate the rational approximations by Remco Bloemen that
Solady's FixedPointMathLib uses, with the same truncations, so every result equals the EVM's bit for
bit. docs/mechanism.md states how far they are from the true values.
"""

from __future__ import annotations

import enum
import math
from dataclasses import KW_ONLY, dataclass
from typing import Final

from oracles.errors import InputError

WAD: Final = 10**18
#: Grid of q and φ: 10000 is 1.
GRID: Final = 10_000
GRID_TO_WAD: Final = WAD // GRID
#: φ̂ of an eligible provider is never below 1e-3 (paper Appendix D, step 3), on the grid.
PHI_FLOOR: Final = GRID // 1000
UINT64_MAX: Final = 2**64 - 1

_FIVE_18: Final = 5**18
_LN2_96: Final = 54916777467707473351141471128
_EXP_MIN: Final = -41446531673892822313
_EXP_MAX: Final = 135305999368893231589


def _div(a: int, b: int) -> int:
    """Signed division that truncates toward zero, as the EVM's `sdiv`; b > 0."""
    return a // b if a >= 0 else -(-a // b)


def ln_wad(x: int) -> int:
    """Natural logarithm in WAD.

    Args:
        x: WAD, 0 < x < 2^255.

    Returns:
        About 1e18·ln(x / 1e18), rounded toward −∞; non-decreasing in x.

    Raises:
        InputError: x is not positive.
    """
    if x <= 0:
        raise InputError(f"the logarithm of {x} is undefined; give a positive WAD value")
    k = x.bit_length() - 1
    # x is brought to [1, 2)·2^96; k·ln 2 is added back at the end.
    x = (x << 159) >> (k + 63)
    p = ((x + 3273285459638523848632254066296) * x >> 96) + 24828157081833163892658089445524
    p = (p * x >> 96) + 43456485725739037958740375743393
    p = (p * x >> 96) - 11111509109440967052023855526967
    p = (p * x >> 96) - 45023709667254063763336534515857
    p = (p * x >> 96) - 14706773417378608786704636184526
    p = p * x - (795164235651350426258249787498 << 96)
    q = x + 5573035233440673466300451813936
    for constant in (
        71694874799317883764090561454958,
        283447036172924575727196451306956,
        401686690394027663651624208769553,
        204048457590392012362485061816622,
        31853899698501571402653359427138,
        909429971244387300277376558375,
    ):
        q = (x * q >> 96) + constant
    r = _div(p, q) * 1677202110996718588342820967067443963516166
    r += 16597577552685614221487285958193947469193820559219878177908093499208371 * (k - 96)
    r += 600920179829731861736702779321621459595472258049074101567377883020018308
    return r >> 174


def exp_wad(x: int) -> int:
    """Exponential in WAD.

    Args:
        x: WAD, signed.

    Returns:
        About 1e18·exp(x / 1e18), rounded down; 0 below ln(0.5e-18); non-decreasing in x.

    Raises:
        InputError: the result would not fit a signed 256-bit word.
    """
    if x <= _EXP_MIN:
        return 0
    if x >= _EXP_MAX:
        raise InputError(f"exp of {x} (WAD) does not fit 256 bits; choose smaller exponents")
    x = _div(x << 78, _FIVE_18)
    # k = round(x / ln 2), and x becomes the remainder, all in base 2^96.
    k = (_div(x << 96, _LN2_96) + (1 << 95)) >> 96
    x -= k * _LN2_96
    y = x + 1346386616545796478920950773328
    y = (y * x >> 96) + 57155421227552351082224309758442
    p = y + x - 94201549194550492254356042504812
    p = (p * y >> 96) + 28719021644029726153956944680412240
    p = p * x + (4385272521454847904659076985693276 << 96)
    q = x - 2855989394907223263936484059900
    for constant in (
        50020603652535783019961831881945,
        -533845033583426703283633433725380,
        3604857256930695427073651918091429,
        -14423608567350463180887372962807573,
        26449188498355588339934803723976023,
    ):
        q = (q * x >> 96) + constant
    return _div(p, q) * 3822833074963236453042738258902158003155416615667 >> (195 - k)


def pow_wad(x: int, y: int) -> int:
    """x^y in WAD, exact where it can be.

    Exponent 0 gives exactly 1e18 (also for x = 0) and exponent 1e18 gives exactly x. A base of 0
    with any other exponent gives 0, where the bare approximation would ask for ln 0.

    Args:
        x: base, WAD, x ≥ 0.
        y: exponent, WAD, y ≥ 0.

    Returns:
        x^y in WAD; non-decreasing in x.

    Raises:
        InputError: the result does not fit 256 bits.
    """
    if y == 0:
        return WAD
    if y == WAD:
        return x
    if x == 0:
        return 0
    return exp_wad(_div(ln_wad(x) * y, WAD))


class Family(enum.IntEnum):
    """Shape of the weight; the numbers are the contract's."""

    POWER = 0
    SQRT = 1
    LOG1P = 2


@dataclass(frozen=True, slots=True)
class WeightRule:
    """How an auction weighs its providers, fixed when the auction is created (paper §4.2).

    Attributes:
        family: shape; η, γ, κ matter to POWER only.
        eta: η, WAD, exponent of the quality.
        kappa: κ, WAD, added to φ.
        gamma: γ, WAD, exponent of the marginal utility.

    Raises:
        InputError: a parameter is outside uint64, or a weight could exceed uint64.

    Example:
        A data set with q = 0.82 and φ = 0.84 weighs their product, 0.6888.

        >>> import qmia
        >>> qmia.WeightRule().weight(8200, 8400)
        688800000000000000
    """

    family: Family = Family.POWER
    _: KW_ONLY
    eta: int = WAD
    kappa: int = 0
    gamma: int = WAD

    def __post_init__(self) -> None:
        for name in ("eta", "gamma", "kappa"):
            value = getattr(self, name)
            if not 0 <= value <= UINT64_MAX:
                raise InputError(
                    f"{name} = {value} is outside 0..2^64-1; give a WAD (1e18 is 1) below 18.44"
                )
        # Every family is non-decreasing in q and φ, so the largest weight is the one at 1, 1.
        if self._raw(GRID, GRID) > UINT64_MAX:
            raise InputError(
                "the weight at q = φ = 1 exceeds 2^64-1 (18.44); choose a smaller κ or γ"
            )

    def weight(self, q: int, phi: int) -> int:
        """Weight of an eligible provider.

        Args:
            q: quality on the grid; above 10000 it counts as 10000, as in the contract.
            phi: rescaled marginal utility on the grid, likewise.

        Returns:
            Integer in 1..2^64-1, WAD; 1 where the formula rounds to 0.

        Raises:
            InputError: q or φ is negative.
        """
        if q < 0 or phi < 0:
            raise InputError(f"q = {q} and φ = {phi} must not be negative (10000 is 1)")
        return max(1, self._raw(min(q, GRID), min(phi, GRID)))

    def _raw(self, q: int, phi: int) -> int:
        q *= GRID_TO_WAD
        phi *= GRID_TO_WAD
        match self.family:
            case Family.POWER:
                return pow_wad(q, self.eta) * pow_wad(phi + self.kappa, self.gamma) // WAD
            case Family.SQRT:
                return math.isqrt(q * phi)
            case Family.LOG1P:
                return ln_wad(WAD + q * phi // WAD)
