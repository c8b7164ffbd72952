"""How good an outcome is, checked rather than promised (mechanism.md §2.5).

With FOPT the most weight that a buyer who knew all costs could buy, fractions of bids allowed, the
clock's winners satisfy `W_S ≥ (FOPT − max w) / 2`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from oracles.mechanism.clock import Bid, order_bids

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Certificate:
    """Both sides of the inequality.

    Attributes:
        weight: W_S, total weight of the winners.
        optimum: FOPT, the fractional knapsack optimum over bids with c ≤ β.
        heaviest: largest weight among those bids.
    """

    weight: int
    optimum: Fraction
    heaviest: int

    @property
    def bound(self) -> Fraction:
        """(FOPT − max w) / 2."""
        return (self.optimum - self.heaviest) / 2

    @property
    def holds(self) -> bool:
        """Whether the inequality holds; under one pool it always does."""
        return self.weight >= self.bound

    @property
    def share(self) -> Fraction:
        """W_S / FOPT; 1 where there was nothing to buy."""
        return self.weight / self.optimum if self.optimum else Fraction(1)


def fractional_optimum(bids: Iterable[Bid], budget: int) -> Fraction:
    """Most weight that `budget` buys at cost, the last bid in part (fractional knapsack).

    Args:
        bids: bids that take part: weight > 0, cost ≤ budget.
        budget: β, integer token units.
    """
    left = budget
    total = Fraction(0)
    for bid in order_bids(bids):
        if bid.cost > left:
            return total + Fraction(left * bid.weight, bid.cost)
        left -= bid.cost
        total += bid.weight
    return total


def certify(bids: Iterable[Bid], winners: Iterable[int], *, beta: int) -> Certificate:
    """Measure an outcome against what the costs would have allowed.

    Args:
        bids: all revealed bids; those with weight 0 or c > β are left out, as in the clock.
        winners: indices of the winners; under a tranche the bound may fail, since it spends a part
            of the budget on purpose where weight is dearer.
        beta: β.
    """
    eligible = [bid for bid in bids if bid.weight and bid.cost <= beta]
    chosen = set(winners)
    return Certificate(
        weight=sum(bid.weight for bid in eligible if bid.index in chosen),
        optimum=fractional_optimum(eligible, beta),
        heaviest=max((bid.weight for bid in eligible), default=0),
    )


def withholding_bound(
    beta: int, *, winning: int, kept: int, withheld: int, loser: int = 0
) -> Fraction:
    """Most that one owner of several identities gains by not revealing some (mechanism.md §2.4).

    The clock is truthful per identity. Whoever withholds its winners H raises the price for its
    other identities K from at least β/(W + w_l) to at most β/(W − W_H). Bonds above this make it a
    loss. One pool; rounding adds less than a token unit for each kept identity.

    Args:
        beta: β.
        winning: W, total weight of the winners when all is revealed.
        kept: W_K, weight of the owner's identities that win after withholding.
        withheld: W_H, weight of the owner's winners that are withheld; less than W.
        loser: w_l, weight of the first loser; 0 if there is none.
    """
    return Fraction(beta * kept, winning - withheld) - Fraction(beta * kept, winning + loser)
