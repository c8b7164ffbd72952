"""The rules of mechanism.md once more, straightforwardly: sort, take the prefix, multiply out.

Written apart from the settlers' code on purpose: a mistake would have to be made twice.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from oracles.chain.packing import NONE, SCORE_BYTES, TOLERANCE, unpack_score
from oracles.chain.terms import PPB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


class StandingBid(NamedTuple):
    """A revealed, eligible bid not dearer than β."""

    index: int  # type: ignore[assignment]  # a tuple has an `index` of its own
    cost: int
    weight: int
    flagged: bool


class ClockResult(NamedTuple):
    """One clock.

    Attributes:
        winners: in order of (ψ, index).
        num: numerator of the price, as the contract writes it (not reduced).
        den: its denominator; 0 where there was no bid at all, so that the price is infinite.
        weight: of all winners.
    """

    winners: tuple[int, ...]
    num: int
    den: int
    weight: int

    @property
    def marginal(self) -> int:
        """Last winner, or NONE."""
        return self.winners[-1] if self.winners else NONE


class Settlement(NamedTuple):
    """A settlement: pooled clock, and both tranche clocks where they are used."""

    pooled: ClockResult
    flagged: ClockResult | None
    unflagged: ClockResult | None

    @property
    def split(self) -> bool:
        """Whether the tranche has a price of its own."""
        return self.unflagged is not None

    def clock_of(self, flagged: bool) -> ClockResult:
        """The clock that pays a bid of this class."""
        if self.unflagged is None or self.flagged is None:
            return self.pooled
        return self.flagged if flagged else self.unflagged


def beta_of(budget: int, pool: int, rho: int) -> int:
    """β = floor(min(B/ρ, U/(1−ρ))), ρ in parts per billion."""
    terms = []
    if rho:
        terms.append(budget * PPB // rho)
    if rho < PPB:
        terms.append(pool * PPB // (PPB - rho))
    return min(terms)


def in_order(bids: Iterable[StandingBid]) -> list[StandingBid]:
    """Bids by (ψ, index).

    Weights are below 2^64, so two different ψ are more than 2^-128 apart: 128 binary places tell
    them apart, and agree only where they are equal.
    """
    return sorted(bids, key=lambda bid: ((bid.cost << 128) // bid.weight, bid.index))


def prefix(bids: Iterable[StandingBid], budget: int) -> ClockResult:
    """§2.1: the longest prefix in (ψ, index) with c_k W_k ≤ β w_k, and its price."""
    winners: list[int] = []
    total = 0
    for bid in in_order(bids):
        if bid.cost * (total + bid.weight) > budget * bid.weight:
            # ψ_k W_k never falls: nobody after this bid can win either.
            if budget * bid.weight < bid.cost * total:
                return ClockResult(tuple(winners), budget, total, total)
            return ClockResult(tuple(winners), bid.cost, bid.weight, total)
        total += bid.weight
        winners.append(bid.index)
    return ClockResult(tuple(winners), budget, total, total) if total else ClockResult((), 1, 0, 0)


def settle(bids: Sequence[StandingBid], beta: int, reserve: int, *, tranche: bool) -> Settlement:
    """§2.3: one pool, or two prices when the reserved share pays flagged bids more."""
    pooled = prefix(bids, beta)
    if not tranche:
        return Settlement(pooled, None, None)
    flagged = prefix([bid for bid in bids if bid.flagged], reserve)
    if not flagged.den or pooled.num * flagged.den >= flagged.num * pooled.den:
        return Settlement(pooled, flagged, None)
    kept = -(-flagged.num * flagged.weight // flagged.den)
    rest = prefix([bid for bid in bids if not bid.flagged], beta - kept)
    return Settlement(pooled, flagged, rest)


def reward(clock: ClockResult, weight: int, rho: int) -> tuple[int, int]:
    """§2.2: `p = floor(t w)` as cash `floor(ρ p)` and MUT, the rest."""
    whole = clock.num * weight // clock.den
    cash = whole * rho // PPB
    return cash, whole - cash


def spent(clock: ClockResult, rho: int) -> tuple[int, int]:
    """What settlement sets aside for one clock: cash, and MUT with one unit more a winner."""
    if not clock.weight:
        return 0, 0
    den = clock.den * PPB
    mut = (PPB - rho) * clock.num * clock.weight // den + len(clock.winners) if rho < PPB else 0
    return rho * clock.num * clock.weight // den, mut


def literal(bids: Iterable[StandingBid], budget: int) -> dict[int, Fraction]:
    """The paper's own listing (Algorithm 1, ρ = 1): payments by winner, whatever they sum to.

    Greedy in (ψ, index) while the reported costs fit the budget; each winner gets the supremum of
    its winning bids. Behind k of the others a bid b is in its place up to ψ_{k+1} w, and affordable
    up to B − S_k; as k grows the place rises and the rest of the budget falls, so the last k whose
    place is still affordable decides.
    """
    order = in_order(bid for bid in bids if bid.cost <= budget)
    sums = [0]
    for bid in order:
        sums.append(sums[-1] + bid.cost)
    payments = {}
    for position, bid in enumerate(order):
        if sums[position + 1] > budget:
            break

        # Number k of others before: the first k of `order` without this bid.
        def other(k: int, position: int = position) -> StandingBid:
            return order[k if k < position else k + 1]

        def rest(k: int, position: int = position, cost: int = bid.cost) -> int:
            return budget - (sums[k] if k <= position else sums[k + 1] - cost)

        def affordable(k: int, weight: int = bid.weight) -> bool:
            before = other(k - 1)
            return rest(k) * before.weight >= before.cost * weight

        low, high = 0, len(order) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if affordable(middle):
                low = middle
            else:
                high = middle - 1
        best = Fraction(rest(low))
        if low < len(order) - 1:
            after = other(low)
            best = min(best, Fraction(after.cost * bid.weight, after.weight))
        payments[bid.index] = best
    return payments


def lower_median(values: Sequence[int]) -> int:
    """The lower of the two middle values, or the middle one."""
    return sorted(values)[(len(values) - 1) // 2]


#: Offset and width of each field of a packed score; a flag is a field of its own.
_FIELDS = ((0, 32), (32, 14), (46, 14), (60, 1), (61, 1))
_USED = sum((1 << width) - 1 << offset for offset, width in _FIELDS)
_PRESENT = 1 << 60


def medians(vectors: Sequence[bytes]) -> bytes:
    """Per score and field, over packed vectors of one length; unused bits become 0."""
    out = bytearray()
    for at in range(0, len(vectors[0]), SCORE_BYTES):
        row = [int.from_bytes(vector[at : at + SCORE_BYTES], "big") for vector in vectors]
        value = row[0] & _USED
        if any(each != row[0] for each in row):
            value = 0
            for offset, width in _FIELDS:
                mask = (1 << width) - 1
                value |= lower_median([each >> offset & mask for each in row]) << offset
        out += value.to_bytes(SCORE_BYTES, "big")
    return bytes(out)


def present(medians: bytes, first: int, on_roll: Callable[[int], bool]) -> bytes:
    """Medians of a chunk as they count: who is not on the roll has no score, who is has one.

    Args:
        medians: eight bytes per score.
        first: index of the first one.
        on_roll: whether an index takes part.
    """
    out = []
    for position in range(len(medians) // SCORE_BYTES):
        value = packed(medians, position) | _PRESENT if on_roll(first + position) else 0
        out.append(value.to_bytes(SCORE_BYTES, "big"))
    return b"".join(out)


def roll(bitmaps: Iterable[Sequence[int]], count: int, least: int) -> tuple[int, ...]:
    """Indices that at least so many members attest, as a bitmap over `count` bids."""
    given = list(bitmaps)
    words = [0] * -(-count // 256)
    for index in range(count):
        word, bit = divmod(index, 256)
        words[word] |= (sum(each[word] >> bit & 1 for each in given) >= least) << bit
    return tuple(words)


def deviates(own: int, right: int) -> bool:
    """Whether a packed score is off: present or not, q, φ or volume beyond the tolerance."""
    a, b = (unpack_score(value.to_bytes(SCORE_BYTES, "big")) for value in (own, right))
    return (
        a.present != b.present
        or abs(a.q - b.q) > TOLERANCE
        or abs(a.phi - b.phi) > TOLERANCE
        or abs(a.volume - b.volume) > TOLERANCE + b.volume // 1000
    )


def differ(first: int, appealed: int) -> bool:
    """Whether an appeal moves a packed score: a flag, or one that is off."""
    return first >> 60 != appealed >> 60 or deviates(first, appealed)


def packed(vector: bytes, index: int) -> int:
    """Score number `index` of a vector, packed."""
    return int.from_bytes(vector[index * SCORE_BYTES : (index + 1) * SCORE_BYTES], "big")


def water_level(
    scores: Mapping[int, Fraction], supply: int, floor: int, cap: int
) -> dict[int, int]:
    """§4: shares by index: floor, cap, level, largest remainder with ties to the lower index."""
    if not scores:
        return {}
    floor = min(floor, supply // len(scores))
    positive = sorted(value for value in scores.values() if value)
    level = _level(positive, len(scores) - len(positive), supply, floor, cap)
    real = {
        index: min(max(level * value, Fraction(floor)), Fraction(cap)) if value else Fraction(floor)
        for index, value in scores.items()
    }
    shares = {index: int(value) for index, value in real.items()}
    left = int(sum((value - int(value) for value in real.values()), Fraction(0)))
    order = sorted(real, key=lambda index: (int(real[index]) - real[index], index))
    for index in order[:left]:
        shares[index] += 1
    return shares


def _level(positive: Sequence[Fraction], zeros: int, supply: int, floor: int, cap: int) -> Fraction:
    """λ at which the clamped shares sum to the supply; everybody at the cap where they cannot."""

    def total(level: Fraction) -> Fraction:
        shares = (min(max(level * value, Fraction(floor)), Fraction(cap)) for value in positive)
        return sum(shares, Fraction(floor * zeros))

    # Between two neighbouring breakpoints the sum is linear in λ.
    points = sorted({Fraction(bound) / value for value in positive for bound in (floor, cap)})
    if not points or total(points[-1]) <= supply:
        return points[-1] if points else Fraction(0)
    if total(points[0]) >= supply:
        return points[0]
    low, high = 0, len(points) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if total(points[middle]) <= supply:
            low = middle
        else:
            high = middle
    below, above = total(points[low]), total(points[high])
    if above == below:
        return points[low]
    return points[low] + (points[high] - points[low]) * (supply - below) / (above - below)
