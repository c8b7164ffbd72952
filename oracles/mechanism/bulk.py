"""Clearing a million bids in seconds, with the result of `clear` to the last unit.

numpy sorts by floating-point ψ; wherever two neighbours are too close for their order to be
certain, integers decide. Prefix sums are exact in two limbs, and since `c_k · W_k ≤ β · w_k` holds
on a prefix only, the last winner is found by bisection in a handful of exact comparisons.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from oracles.errors import InputError
from oracles.mechanism.clock import Bid, BidClass, Clock, price_of, run_tranche
from oracles.mechanism.mixed import Clearing, assemble, require_fraction, spendable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

#: Cost is uint80 and weight uint64 in a bid's slot.
COST_BITS: Final = 80
WEIGHT_BITS: Final = 64
#: ψ in binary64 from exact operands: three roundings, so two values are off by at most 6·2^-53
#: against each other; a larger relative gap proves their order.
_CERTAIN_GAP: Final = 1 + 2.0**-50


@dataclass(frozen=True, slots=True)
class BidTable:
    """Bids in columns; row i has index i.

    Attributes:
        cost: shape (n,), object array of Python integers or any integer type; token units, < 2^80.
        weight: shape (n,), uint64; 0 = not eligible.
        flagged: shape (n,), bool.

    Raises:
        InputError: shapes differ, or a value is outside its slot's range.
    """

    cost: NDArray[Any]
    weight: NDArray[np.uint64]
    flagged: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if not self.cost.shape == self.weight.shape == self.flagged.shape == (len(self.cost),):
            raise InputError("cost, weight and flagged must be columns of one length")
        if self.weight.dtype != np.uint64 or self.flagged.dtype != np.bool_:
            raise InputError("weight must be uint64 and flagged bool")
        if (
            len(self.cost)
            and not 0 <= int(self.cost.min()) <= int(self.cost.max()) < 1 << COST_BITS
        ):
            raise InputError(f"costs must be in 0..2^{COST_BITS}-1")

    @classmethod
    def from_bids(cls, bids: Iterable[Bid]) -> BidTable:
        """Columns of bids whose indices are 0..n-1, in any order.

        Raises:
            InputError: an index is missing or repeated, or a value does not fit its slot.
        """
        rows = sorted(bids, key=lambda bid: bid.index)
        if [bid.index for bid in rows] != list(range(len(rows))):
            raise InputError("indices must be 0..n-1, each once; give clear() the bids instead")
        if any(bid.weight >> WEIGHT_BITS for bid in rows):
            raise InputError(f"weights must be in 0..2^{WEIGHT_BITS}-1")
        return cls(
            np.array([bid.cost for bid in rows], dtype=object),
            np.array([bid.weight for bid in rows], dtype=np.uint64),
            np.array([bid.flagged for bid in rows], dtype=np.bool_),
        )


def clear_table(
    table: BidTable,
    *,
    budget: int,
    pool: int = 0,
    rho: Fraction = Fraction(1),
    tranche: Fraction = Fraction(0),
) -> Clearing:
    """Clear one auction; arguments, result and errors are those of `clear`."""
    rho, tranche = Fraction(rho), Fraction(tranche)
    beta = spendable(budget, pool, rho)
    require_fraction("tranche", tranche)
    order = _order(table, beta)

    def run(bid_class: BidClass, clock_budget: int) -> Clock:
        rows = order
        if bid_class != "all":
            rows = rows[table.flagged[rows] == (bid_class == "flagged")]
        return _descend(table, rows, clock_budget)

    clocks = run_tranche(run, beta=beta, tranche=tranche)
    winners = sorted({index for clock in clocks.values() for index in clock.winners})
    weights = dict(zip(winners, table.weight[winners].tolist(), strict=True)) if winners else {}
    return assemble(beta, rho, tranche, clocks, weights)


def _order(table: BidTable, beta: int) -> NDArray[np.intp]:
    """Rows that take part, in the exact order of (ψ, row)."""
    affordable = np.asarray(table.cost <= beta, dtype=np.bool_)
    rows = np.flatnonzero(affordable & (table.weight > 0))
    approximate = table.cost[rows].astype(np.float64) / table.weight[rows].astype(np.float64)
    rank = np.argsort(approximate, kind="stable")
    rows, approximate = rows[rank], approximate[rank]
    unsure = np.flatnonzero(approximate[1:] <= approximate[:-1] * _CERTAIN_GAP)
    # Runs of neighbours too close to call, as half-open ranges of positions.
    breaks = np.flatnonzero(np.diff(unsure) > 1)
    starts = unsure[np.concatenate(([0], breaks + 1))] if len(unsure) else unsure
    ends = unsure[np.concatenate((breaks, [-1]))] + 2 if len(unsure) else unsure
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        rows[start:end] = _exact_order(table, rows[start:end].tolist())
    return rows


def _exact_order(table: BidTable, rows: Sequence[int]) -> list[int]:
    """The same key as `clock.order_bids`, at the widest weight a slot holds."""
    costs, weights = table.cost[rows].tolist(), table.weight[rows].tolist()
    keyed = (
        ((cost << 2 * WEIGHT_BITS) // weight, row)
        for cost, weight, row in zip(costs, weights, rows, strict=True)
    )
    return [row for _, row in sorted(keyed)]


def _descend(table: BidTable, rows: NDArray[np.intp], budget: int) -> Clock:
    """`clock.descend`, by bisection over exact prefix sums."""
    weight = table.weight[rows]
    # Sums of 32-bit limbs stay exact in 64 bits up to 2^32 bids.
    low = np.cumsum(weight & np.uint64(0xFFFFFFFF), dtype=np.uint64)
    high = np.cumsum(weight >> np.uint64(32), dtype=np.uint64)

    def prefix(k: int) -> int:
        return (int(high[k]) << 32) + int(low[k])

    def loses(k: int) -> bool:
        return int(table.cost[rows[k]]) * prefix(k) > budget * int(weight[k])

    count = bisect_left(range(len(rows)), True, key=loses)
    total = prefix(count - 1) if count else 0
    loser = int(rows[count]) if count < len(rows) else None
    return Clock(
        winners=tuple(rows[:count].tolist()),
        price=price_of(
            budget,
            total,
            None if loser is None else int(table.cost[loser]),
            None if loser is None else int(table.weight[loser]),
        ),
        first_loser=loser,
        weight=total,
    )
