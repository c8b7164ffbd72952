"""The QWMP clock: one price per unit of weight, found by a descending clock, and its tranche.

Implements mechanism.md §2.1 and §2.3 (paper §5.4 and Appendix E). The price is an exact fraction;
bids are compared by cross-multiplication and no float is used anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from oracles.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

#: The bids that a clock runs over.
BidClass = Literal["all", "flagged", "unflagged"]


@dataclass(frozen=True, slots=True)
class Bid:
    """One revealed bid.

    Attributes:
        index: order of commitment; unique; breaks ties.
        cost: revealed cost, integer units of the settlement token.
        weight: fixed-point weight (`WeightRule.weight`); 0 = not eligible, in no clock.
        flagged: provider counts as under-served.

    Raises:
        InputError: a negative index, cost or weight.

    Example:
        >>> import qmia
        >>> qmia.Bid(0, cost=120_000_000, weight=qmia.WeightRule().weight(8200, 8400)).weight
        688800000000000000
    """

    index: int
    cost: int
    weight: int
    flagged: bool = False

    def __post_init__(self) -> None:
        if self.index < 0 or self.cost < 0 or self.weight < 0:
            raise InputError(f"{self} has a negative field; index, cost and weight start at 0")

    def belongs(self, bid_class: BidClass) -> bool:
        """Whether a clock over `bid_class` counts this bid."""
        return bid_class == "all" or self.flagged == (bid_class == "flagged")


@dataclass(frozen=True, slots=True)
class Clock:
    """Where one clock stopped.

    Attributes:
        winners: indices in order of (ψ, index).
        price: clearing price per unit of weight; with no winner the ψ of the first bid; None (∞)
            where the clock had no bid at all.
        first_loser: index of the first bid after the winners, or None.
        weight: sum of the winners' weights.
    """

    winners: tuple[int, ...]
    price: Fraction | None
    first_loser: int | None
    weight: int

    @property
    def marginal(self) -> int | None:
        """Index of the last winner, or None."""
        return self.winners[-1] if self.winners else None


def order_bids(bids: Iterable[Bid]) -> list[Bid]:
    """Sort bids by (ψ, index), exactly.

    Two different ratios c/w with w < 2^b differ by more than 2^-2b, so `floor(c·2^2b / w)` orders
    them as the ratios themselves do, and is equal only where they are equal.

    Args:
        bids: with positive weights.

    Returns:
        A new list.
    """
    bids = list(bids)
    shift = 2 * max((bid.weight for bid in bids), default=0).bit_length()
    return sorted(bids, key=lambda bid: ((bid.cost << shift) // bid.weight, bid.index))


def price_of(
    budget: int, weight: int, loser_cost: int | None, loser_weight: int | None
) -> Fraction | None:
    """Clearing price t = min(β / W, ψ of the first loser); a missing term is dropped."""
    terms = []
    if weight:
        terms.append(Fraction(budget, weight))
    if loser_cost is not None and loser_weight is not None:
        terms.append(Fraction(loser_cost, loser_weight))
    return min(terms, default=None)


def descend(ordered: Sequence[Bid], budget: int) -> Clock:
    """Run one clock over bids that are already in order.

    Winners are the longest prefix with `c_k · W_k ≤ β · w_k`. Since ψ_k·W_k never falls, the
    condition holds on a prefix only, and the first failure ends it.

    Args:
        ordered: bids in the order of `order_bids`, positive weights.
        budget: β, integer token units, ≥ 0.
    """
    total = 0
    count = 0
    for bid in ordered:
        if bid.cost * (total + bid.weight) > budget * bid.weight:
            break
        total += bid.weight
        count += 1
    loser = ordered[count] if count < len(ordered) else None
    return Clock(
        winners=tuple(bid.index for bid in ordered[:count]),
        price=price_of(
            budget, total, loser.cost if loser else None, loser.weight if loser else None
        ),
        first_loser=loser.index if loser else None,
        weight=total,
    )


def run_clock(bids: Iterable[Bid], budget: int) -> Clock:
    """Run one clock: mechanism.md §2.1, one pool.

    Bids with weight 0 or a cost above the budget take no part.

    Args:
        bids: any order, unique indices.
        budget: β, integer token units, ≥ 0.
    """
    return descend(order_bids(bid for bid in bids if bid.weight and bid.cost <= budget), budget)


def splits(pooled: Clock, flagged: Clock) -> bool:
    """Whether the tranche gets a price of its own: flagged bids exist and t < t_D."""
    return pooled.price is not None and flagged.price is not None and pooled.price < flagged.price


def unflagged_budget(beta: int, flagged: Clock) -> int:
    """What is left for the unflagged bids: β − ceil(t_D · W(S_D))."""
    if flagged.price is None:
        return beta
    return beta - -(-flagged.price.numerator * flagged.weight // flagged.price.denominator)


def run_tranche(
    run: Callable[[BidClass, int], Clock], *, beta: int, tranche: Fraction
) -> dict[BidClass, Clock]:
    """The diversity tranche of mechanism.md §2.3 over any way of running one clock.

    Args:
        run: runs the clock of one class of bids with one budget; classes leave out bids dearer
            than β, whatever the clock's own budget is.
        beta: β.
        tranche: f in [0, 1]; floor(f·β) is reserved for flagged bids.

    Returns:
        `all` alone, which sets the price; or all three when the tranche splits off, and then `all`
        only shows why, while `flagged` and `unflagged` are paid.
    """
    pooled = run("all", beta)
    if tranche == 0:
        return {"all": pooled}
    flagged = run("flagged", int(tranche * beta))
    if not splits(pooled, flagged):
        return {"all": pooled}
    return {
        "all": pooled,
        "flagged": flagged,
        "unflagged": run("unflagged", unflagged_budget(beta, flagged)),
    }
