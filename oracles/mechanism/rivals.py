"""Other rules of procurement under a budget, to compare the clock with. No auction is settled here.

Five are truthful: the greedy rule for submodular values with critical payments, a descending clock
that offers marginal values, one that guesses the value of what it will buy, a rule for large
markets, and prune-and-split with a lot for its two sides. Three are not, and show what an auction
loses without truthfulness: pay what is bid, pay shares of the value, and the paper's Algorithm 1
(in `oracles.mechanism.paper`). All return the integer reward by winner's index.

A value is a monotone submodular function of a set of indices, for instance an estimate of what a
set of data saves in loss.
"""

from __future__ import annotations

import math
import random
from fractions import Fraction
from typing import TYPE_CHECKING

from oracles.mechanism.clock import order_bids
from oracles.mechanism.prune import prune_and_split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from oracles.mechanism.clock import Bid

    #: Set of indices to its integer value; 0 for the empty set, monotone, submodular.
    Value = Callable[[frozenset[int]], int]

#: Each step of the descending clock lowers the price by this factor.
_STEP = Fraction(63, 64)


def greedy(bids: Sequence[Bid], value: Value, *, budget: int, share: Fraction) -> list[int]:
    """Add the bid with the most marginal value a cost, while it costs its share of the budget.

    A bid i is added to S while `c_i ≤ share · β · (V(S+i) − V(S)) / V(S+i)`, and the first that
    does not fit ends it (Singer 2010; Chen, Gravin and Lu 2011).
    """
    left = {bid.index: bid for bid in bids if bid.cost <= budget}
    chosen: list[int] = []
    have = frozenset[int]()
    while left:
        worth = {index: value(have | {index}) - value(have) for index in left}
        # Marginal value a cost, compared exactly; a free bid comes first, then the lower index.
        best = min(
            (index for index in left if worth[index] > 0),
            key=lambda index: (Fraction(left[index].cost, worth[index]), index),
            default=None,
        )
        if best is None or left[best].cost * value(have | {best}) > share * budget * worth[best]:
            break
        chosen.append(best)
        have |= {best}
        del left[best]
    return chosen


def submodular_greedy(
    bids: Iterable[Bid], value: Value, *, budget: int, share: Fraction = Fraction(1, 2)
) -> Mapping[int, int]:
    """The greedy rule with critical payments; within the budget for a share of 1/2.

    Args:
        bids: any order, unique indices; weights are not used.
        value: what sets are worth.
        budget: β, integer token units.
        share: of the budget that the greedy rule counts with; more than 1/2 may overspend.
    """
    bids = list(bids)
    paid: dict[int, int] = {}
    for winner in greedy(bids, value, budget=budget, share=share):
        # Raising a bid moves it back in the order and never helps it: bisect for the last win.
        others = [bid for bid in bids if bid.index != winner]
        mine = next(bid for bid in bids if bid.index == winner)
        wins, loses = mine.cost, budget + 1
        while loses - wins > 1:
            tried = (wins + loses) // 2
            lied = [*others, type(mine)(winner, tried, mine.weight, mine.flagged)]
            if winner in greedy(lied, value, budget=budget, share=share):
                wins = tried
            else:
                loses = tried
        paid[winner] = wins
    return paid


def marginal_clock(bids: Iterable[Bid], value: Value, *, budget: int) -> Mapping[int, int]:
    """A descending clock that offers each bid a price times its marginal value.

    At every price the bids that are still in are put in greedy order, the largest marginal value
    first. Each is offered price times marginal value, never more than before; who costs more leaves
    for good. The clock stops when all offers fit the budget. An offer depends on the own bid only
    through having stayed, so no bid other than the cost can gain.

    Args:
        bids: any order, unique indices; weights are not used.
        value: what sets are worth.
        budget: β, integer token units.
    """
    active = {bid.index: bid.cost for bid in bids if bid.cost <= budget}
    offers = dict.fromkeys(active, budget)
    least = min((gain for index in active if (gain := value(frozenset({index})))), default=0)
    if not least:
        return {}
    price = Fraction(budget, least)
    while active:
        offers = {
            index: min(offers[index], int(price * gain))
            for index, gain in _marginals(sorted(active), value).items()
        }
        left = {index for index, cost in active.items() if cost > offers[index]}
        if left:
            active = {index: cost for index, cost in active.items() if index not in left}
            continue
        if sum(offers.values()) <= budget:
            return {index: offer for index, offer in offers.items() if offer}
        price *= _STEP
        # A price is a ratio of integers with a bounded denominator, so that it stays short.
        price = Fraction(int(price * 2**64), 2**64)
    return {}


def _marginals(active: Sequence[int], value: Value) -> dict[int, int]:
    """Marginal value of each behind the ones before it in greedy order."""
    left, have, found = list(active), frozenset[int](), {}
    while left:
        index, gain = _next(left, have, value)
        found[index] = gain
        left.remove(index)
        have |= {index}
    return found


def _next(left: Sequence[int], have: frozenset[int], value: Value) -> tuple[int, int]:
    """Who is next in greedy order, and its marginal value; the lowest index of equal ones."""
    gains = {index: value(have | {index}) - value(have) for index in left}
    return max(gains.items(), key=lambda each: (each[1], -each[0]))


def guessing_clock(bids: Iterable[Bid], value: Value, *, budget: int) -> Mapping[int, int]:
    """A descending clock that guesses the value of what it will buy, and doubles the guess.

    With a guess g each bid that is still in is offered `β · marginal value / g`, in greedy order
    and never more than before; who costs more leaves for good. Marginal values of accepted offers
    sum to the value of the set, so they cost at most β while that value is at most g. Where it
    would be more, the guess was too low: it is doubled and the round starts again, from the value
    of the best single bid. When a round ends, whoever is left has accepted.

    After the deterministic clocks of Balkanski, Garimidi, Gkatzelis, Schoepflin and Tan (SODA
    2022), which guess a value too; the steps are ours, and no ratio is claimed for them.

    Args:
        bids: any order, unique indices; weights are not used.
        value: what sets are worth.
        budget: β, integer token units.
    """
    active = {bid.index: bid.cost for bid in bids if bid.cost <= budget}
    offers = dict.fromkeys(active, budget)
    guess = max((value(frozenset({index})) for index in active), default=0)
    while guess and active:
        have = frozenset[int]()
        left = sorted(active)
        while left:
            index, gain = _next(left, have, value)
            if value(have) + gain > guess:
                break
            left.remove(index)
            offers[index] = min(offers[index], budget * gain // guess)
            if active[index] > offers[index]:
                del active[index]
            else:
                have |= {index}
        if not left:
            return {index: offers[index] for index in sorted(active) if offers[index]}
        guess *= 2
    return {}


def split_by_lot(bids: Iterable[Bid], *, budget: int, seed: int) -> Mapping[int, int]:
    """Prune-and-split where a fair lot says which side is bought at the price.

    Buying either side with probability ½ brings half of the survivors' weight on average, and what
    is left of the budget is offered to the other side. After the randomised mechanism of Gravin,
    Jin, Lu and Zhang (EC 2019); the lot is ours. Truthful whatever the lot says.

    Args:
        bids: any order, unique indices; those with weight 0 or c > budget take no part.
        budget: β, integer token units.
        seed: of the lot.
    """
    lot = random.Random(seed).random() < 0.5  # noqa: S311 (a comparison, nobody gains by guessing)
    return prune_and_split(bids, budget=budget, dominant_first=lot).payments


def large_market(bids: Iterable[Bid], *, budget: int, seed: int) -> Mapping[int, int]:
    """The allocation of Anari, Goel and Nikzad (2014) for large markets, as posted prices.

    With x the bid per unit of weight over a rate r, a bid is bought with probability ln(e − x).
    Drawing that probability beforehand turns the rule into a take-it-or-leave-it price,
    `w·r·(e − e^u)` for a uniform u. The paper finds r from all bids, so that a bid moves its own
    price a little, which a large market forgives. Here lots divide the bids into two halves with
    half the budget each: the rate of one half is where the expected payments to the other would use
    up its money. No bid has a say in its own price, nor in what is left for it.

    Args:
        bids: any order, unique indices; those with weight 0 or c > β take no part.
        budget: β, integer token units.
        seed: of the lots.
    """
    ordered = sorted((bid for bid in bids if bid.weight), key=lambda bid: bid.index)
    draw = random.Random(seed)  # noqa: S311 (a comparison, nobody gains by guessing it)
    luck = {bid.index: draw.random() for bid in ordered}
    draw.shuffle(ordered)
    halves = ordered[::2], ordered[1::2]
    paid: dict[int, int] = {}
    for half, others in (halves, halves[::-1]):
        left = share = budget // 2
        rate = _rate(others, share)
        for bid in half:
            price = int(bid.weight * rate * (math.e - math.exp(luck[bid.index])))
            if bid.cost <= price <= left:
                paid[bid.index] = price
                left -= price
    return paid


def _rate(bids: Sequence[Bid], budget: int) -> float:
    """Largest rate at which the expected payments stay within the budget; 0 without bids."""
    if not bids:
        return 0.0

    def spent(rate: float) -> float:
        total = 0.0
        for bid in bids:
            x = bid.cost / (bid.weight * rate)
            if x < math.e - 1:
                # x·ln(e−x) plus the integral of ln(e−s) from x to e−1 is (e·ln(e−x) + x + 1 − e):
                # what a bid is paid on average, per unit of weight and rate.
                total += bid.weight * rate * (math.e * math.log(math.e - x) + x + 1 - math.e)
        return total

    # Above it a single free bid of the least weight would already be paid more than the budget.
    low, high = (
        1e-9,
        2.0 * (1 + budget + max(bid.cost for bid in bids)) / min(bid.weight for bid in bids),
    )
    for _ in range(60):
        middle = (low + high) / 2
        if spent(middle) <= budget:
            low = middle
        else:
            high = middle
    return low


def pay_as_bid(bids: Iterable[Bid], *, budget: int) -> Mapping[int, int]:
    """Buy in order of cost a weight while the money lasts, and pay what was bid. Not truthful."""
    paid: dict[int, int] = {}
    for bid in order_bids(bid for bid in bids if bid.weight):
        if bid.cost > budget:
            break
        paid[bid.index] = bid.cost
        budget -= bid.cost
    return paid


def pay_by_value(bids: Iterable[Bid], *, budget: int) -> Mapping[int, int]:
    """Buy like `pay_as_bid`, and divide the whole budget in proportion to weight. Not truthful.

    With φ̂ or Shapley values for weights this is the usual way to share money by contribution. The
    reward does not depend on the cost, so some winners are paid less than they asked for.
    """
    bids = list(bids)
    weights = {bid.index: bid.weight for bid in bids}
    winners = pay_as_bid(bids, budget=budget)
    total = sum(weights[index] for index in winners)
    return {index: budget * weights[index] // total for index in winners}
