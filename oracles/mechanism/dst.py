"""Data Share Token: scores, and the split of a fixed supply with floors and caps (paper §7).

Implements mechanism.md §4. Shares follow the water level: `clamp(λ · score, floor, cap)` with the λ
at which they sum to the supply.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from oracles.errors import InputError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The paper's example supply, §7.
DEFAULT_SUPPLY = 100_000


@dataclass(frozen=True, slots=True)
class Allocation:
    """Who gets how much DST.

    Attributes:
        shares: integer units, in the order of the scores.
        level: λ, the water level; units per unit of score. 0 where nothing depends on it (every
            share is at the floor).
        marginal: position of the last provider, in order of (largest remainder, lowest position),
            whose share is rounded up; None when none is. With `level` it fixes every share.
    """

    shares: tuple[int, ...]
    level: Fraction
    marginal: int | None


def dst_scores(
    volumes: Sequence[int],
    qualities: Sequence[int],
    gains: Sequence[int],
    *,
    alpha: Fraction,
    beta: Fraction,
    gamma: Fraction,
) -> tuple[Fraction, ...]:
    """DST_i = α·volume_i/Σvolume + β·q_i/Σq + γ·gain_i/Σgain (paper §7.1 to §7.4).

    Args:
        volumes: usable tokens, one per provider.
        qualities: q on any common grid, one per provider.
        gains: marginal gains on any common grid, one per provider; negative ones count as 0.
        alpha: weight of volume.
        beta: weight of quality.
        gamma: weight of impact; the three sum to 1.

    Returns:
        One score per provider; a component whose sum is 0 contributes 0 to all.

    Raises:
        InputError: lengths differ, a weight is negative, or the weights do not sum to 1.
    """
    if not len(volumes) == len(qualities) == len(gains):
        raise InputError("volumes, qualities and gains must have one entry per provider each")
    if min(alpha, beta, gamma) < 0 or alpha + beta + gamma != 1:
        raise InputError(f"α, β, γ = {alpha}, {beta}, {gamma} must be non-negative and sum to 1")
    if any(value < 0 for component in (volumes, qualities) for value in component):
        raise InputError("volumes and qualities must not be negative")
    scores = [Fraction(0)] * len(volumes)
    clipped = [max(0, gain) for gain in gains]
    for weight, component in ((alpha, volumes), (beta, qualities), (gamma, clipped)):
        if total := sum(component):
            for i, value in enumerate(component):
                scores[i] += weight * Fraction(value, total)
    return tuple(scores)


def allocate(scores: Sequence[Fraction], *, supply: int, floor: int, cap: int) -> Allocation:
    """Share a supply by score, with a floor and a cap.

    The effective floor is `min(floor, supply // n)`. A zero score earns the floor only. When every
    positive score sits at the cap and the supply is not used up, the rest is never issued.

    Args:
        scores: one non-negative score per eligible, delivered provider.
        supply: T, integer units.
        floor: minimum share, integer units.
        cap: maximum share, integer units; not below the effective floor.

    Returns:
        Shares that sum to the supply exactly, or to less where caps forbid it.

    Raises:
        InputError: a negative number, or a cap below the effective floor.
    """
    floor = _effective_floor(scores, supply, floor, cap)
    if not scores:
        return Allocation((), Fraction(0), None)
    level = _water_level(scores, supply, floor, cap)
    real = [min(max(level * score, Fraction(floor)), Fraction(cap)) for score in scores]
    shares = [int(share) for share in real]
    remainders = [share - whole for share, whole in zip(real, shares, strict=True)]
    left = int(sum(remainders))
    rounded_up = sorted(range(len(scores)), key=lambda i: (-remainders[i], i))[:left]
    for i in rounded_up:
        shares[i] += 1
    return Allocation(tuple(shares), level, rounded_up[-1] if rounded_up else None)


def verify_allocation(
    scores: Sequence[Fraction],
    *,
    supply: int,
    floor: int,
    cap: int,
    level: Fraction,
    marginal: int | None,
) -> tuple[int, ...]:
    """Check a claimed water level in one pass, as the contract does; nothing is sorted.

    Args:
        scores: as in `allocate`.
        supply: T.
        floor: minimum share.
        cap: maximum share.
        level: λ claimed.
        marginal: position of the last share that is rounded up, claimed.

    Returns:
        The shares, which are those of `allocate`.

    Raises:
        IntegrityError: the claim is wrong.
        InputError: as in `allocate`.
    """
    floor = _effective_floor(scores, supply, floor, cap)
    real = [min(max(level * score, Fraction(floor)), Fraction(cap)) for score in scores]
    total = sum(real, Fraction(0))
    full = all(score == 0 or share == cap for score, share in zip(scores, real, strict=True))
    if total > supply or (total < supply and not full):
        raise IntegrityError(f"at level {level} the shares sum to {total}, not to {supply}")
    if marginal is None:
        shares = [int(share) for share in real]
    else:
        if not 0 <= marginal < len(scores) or real[marginal].denominator == 1:
            raise IntegrityError(f"{marginal} is not a share with a remainder")
        last = (real[marginal] % 1, -marginal)
        shares = [int(share) + ((share % 1, -i) >= last) for i, share in enumerate(real)]
    if sum(shares) != total:
        raise IntegrityError(f"rounded at {marginal}, the shares sum to {sum(shares)}, not {total}")
    return tuple(shares)


def _effective_floor(scores: Sequence[Fraction], supply: int, floor: int, cap: int) -> int:
    if min(supply, floor, cap) < 0 or any(score < 0 for score in scores):
        raise InputError("supply, floor, cap and scores must not be negative")
    if scores:
        floor = min(floor, supply // len(scores))
    if cap < floor:
        raise InputError(f"the cap {cap} is below the floor {floor}; raise the cap")
    return floor


def _water_level(scores: Sequence[Fraction], supply: int, floor: int, cap: int) -> Fraction:
    """Smallest λ at which the clamped shares reach the supply, or the highest where all are capped.

    The sum is piecewise linear and non-decreasing in λ; it bends where a score leaves the floor or
    meets the cap. Scores descending, both kinds of bend come in the same order, so a prefix of the
    scores is capped, a suffix sits at the floor, and the rest grows.
    """
    n = len(scores)
    positive = sorted((score for score in scores if score > 0), reverse=True)
    if not positive or supply == floor * n:
        return Fraction(0)
    prefix = [Fraction(0)]
    for score in positive:
        prefix.append(prefix[-1] + score)
    bends = sorted({Fraction(amount) / score for score in positive for amount in (floor, cap)})
    capped = growing = 0
    for low, high in pairwise([Fraction(0), *bends]):
        while capped < len(positive) and positive[capped] * low >= cap:
            capped += 1
        while growing < len(positive) and positive[growing] * low >= floor:
            growing += 1
        slope = prefix[growing] - prefix[min(capped, growing)]
        fixed = capped * cap + (n - max(growing, capped)) * floor
        if fixed + slope * high >= supply:
            return (supply - fixed) / slope
    return bends[-1]
