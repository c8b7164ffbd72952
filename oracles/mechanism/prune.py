"""Prune-and-split: a rule for markets with one dominant bidder (mechanism.md §2.5).

After Gravin, Jin, Lu and Zhang, "Optimal Budget-Feasible Mechanisms for Additive Valuations" (EC
2019), whose deterministic mechanism also reaches a third of the fractional optimum. The steps and
the proof of the ratio for this version are in docs/mechanism.md. No auction is settled by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from oracles.mechanism.clock import Bid, order_bids

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Pruned:
    """Outcome of prune-and-split.

    Attributes:
        price: t, token units per unit of weight, at which pruning stopped; None without bids.
        survivors: indices of the bids left by then, in order of (ψ, index).
        dominant: index of the heaviest survivor (the first by index among equals), or None.
        payments: reward by winner's index, integer token units.
    """

    price: Fraction | None
    survivors: tuple[int, ...]
    dominant: int | None
    payments: Mapping[int, int]


def prune_and_split(
    bids: Iterable[Bid], *, budget: int, dominant_first: bool | None = None
) -> Pruned:
    """Buy at least a third of FOPT, truthfully and within the budget.

    Prune: from t = β / max w the price falls, and bids with ψ above it leave, until the survivors
    without the heaviest one can be paid, `t · (W − w*) ≤ β`. Split: the heavier side (the dominant
    bid alone, or all others) is bought at t; the other side is offered what is left of the budget,
    in proportion to weight, and every bid takes its offer or leaves it.

    Args:
        bids: any order, unique indices; those with weight 0 or c > budget take no part.
        budget: β, integer token units.
        dominant_first: which side is bought at the price; None is the heavier one.
    """
    left = order_bids(bid for bid in bids if bid.weight and bid.cost <= budget)
    if not left:
        return Pruned(None, (), None, {})
    price = Fraction(budget, max(bid.weight for bid in left))
    while left and left[-1].cost > price * left[-1].weight:
        left.pop()
    while price * (others := _weight(left) - _heaviest(left).weight) > budget:
        # The next event of the falling price: the dearest bid leaves, or the rest can be paid.
        last = Fraction(left[-1].cost, left[-1].weight)
        price = max(last, Fraction(budget, others))
        if price == last and price * others > budget:
            left.pop()
    dominant = _heaviest(left)
    rest = [bid for bid in left if bid is not dominant]
    if dominant.weight >= others if dominant_first is None else dominant_first:
        bought, offered = [dominant], rest
    else:
        bought, offered = rest, [dominant]
    payments = {bid.index: int(price * bid.weight) for bid in bought}
    if offered:
        rate = (budget - price * _weight(bought)) / _weight(offered)
        offers = {bid: int(rate * bid.weight) for bid in offered}
        payments |= {bid.index: offer for bid, offer in offers.items() if bid.cost <= offer}
    return Pruned(price, tuple(bid.index for bid in left), dominant.index, payments)


def _weight(bids: Iterable[Bid]) -> int:
    return sum(bid.weight for bid in bids)


def _heaviest(bids: Iterable[Bid]) -> Bid:
    return max(bids, key=lambda bid: (bid.weight, -bid.index))
