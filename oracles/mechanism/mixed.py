"""Mixed-MIA: clear one auction for any liquidity ρ and any tranche f (mechanism.md §2.2, paper §8).

The clock runs once over β; each reward is then split into cash and MUT. ρ = 1 is Q-MIA, ρ = 0 is
pure MUT.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from oracles.errors import InputError
from oracles.mechanism.clock import Bid, BidClass, Clock, descend, order_bids, run_tranche

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Clearing:
    """Outcome of one auction.

    Attributes:
        beta: β, what the clock could spend: floor(min(B/ρ, U/(1−ρ))).
        reserve: floor(f·β), reserved for flagged bids.
        clocks: `all`; and when the tranche split off, also `flagged` and `unflagged`.
        reward: floor(t·w) by winner's index, token units, cash and MUT at face value together.
        cash: floor(ρ·reward) by winner's index, token units.
        mut: reward − cash by winner's index, MUT units of face value.
    """

    beta: int
    reserve: int
    clocks: Mapping[BidClass, Clock]
    reward: Mapping[int, int]
    cash: Mapping[int, int]
    mut: Mapping[int, int]

    @property
    def split(self) -> bool:
        """Whether the tranche has a price of its own."""
        return len(self.clocks) > 1

    @property
    def paying(self) -> tuple[Clock, ...]:
        """The clocks whose winners are paid: one, or flagged and unflagged."""
        if self.split:
            return self.clocks["flagged"], self.clocks["unflagged"]
        return (self.clocks["all"],)

    @property
    def winners(self) -> tuple[int, ...]:
        """Indices of all winners, in order within each paying clock."""
        return tuple(index for clock in self.paying for index in clock.winners)


@dataclass(frozen=True, slots=True)
class Totals:
    """What settlement moves in one go, before any winner claims (mechanism.md §2.2).

    Attributes:
        allotment: MUT set aside for winners, floor((1−ρ)·t·W) + k summed over the paying clocks.
        buyer_mut: MUT minted to the buyer, max(0, U − allotment).
        cash: cash set aside for winners, floor(ρ·t·W) summed over the paying clocks.
        buyer_cash: what the buyer gets back, B − cash.
    """

    allotment: int
    buyer_mut: int
    cash: int
    buyer_cash: int


def spendable(budget: int, pool: int, rho: Fraction) -> int:
    """β = floor(min(B/ρ, U/(1−ρ))); a term with a zero denominator is dropped.

    Args:
        budget: B, cash, integer token units.
        pool: U, utility pool, integer token units of MUT at face value.
        rho: ρ in [0, 1].

    Raises:
        InputError: a negative amount, or ρ outside [0, 1].
    """
    if budget < 0 or pool < 0:
        raise InputError(f"budget {budget} and pool {pool} must not be negative")
    require_fraction("rho", rho)
    terms = []
    if rho > 0:
        terms.append(int(budget / rho))
    if rho < 1:
        terms.append(int(pool / (1 - rho)))
    return min(terms)


def require_fraction(name: str, value: Fraction) -> None:
    """Refuse a share outside [0, 1].

    Raises:
        InputError: it is.
    """
    if not 0 <= value <= 1:
        raise InputError(f"{name} = {value} is outside 0..1; give a share of the whole")


def clear(
    bids: Iterable[Bid],
    *,
    budget: int,
    pool: int = 0,
    rho: Fraction = Fraction(1),
    tranche: Fraction = Fraction(0),
) -> Clearing:
    """Clear one auction exactly.

    Args:
        bids: revealed bids in any order, with unique indices. A bid with weight 0 or a cost above β
            takes no part and loses.
        budget: B, cash, integer token units.
        pool: U, utility pool, integer token units of MUT at face value.
        rho: ρ, liquidity factor in [0, 1].
        tranche: f, share of β reserved for flagged bids, in [0, 1].

    Raises:
        InputError: a parameter is out of range, or two bids share an index.

    Example:
        Three bids of equal weight. Two win, and each is paid 30: with any lower cost than the
        first loser's it would have won too.

        >>> import qmia
        >>> bids = [qmia.Bid(0, 10, 1), qmia.Bid(1, 20, 1), qmia.Bid(2, 30, 1)]
        >>> qmia.clear(bids, budget=75).cash
        {0: 30, 1: 30}
    """
    rho, tranche = Fraction(rho), Fraction(tranche)
    beta = spendable(budget, pool, rho)
    require_fraction("tranche", tranche)
    bids = list(bids)
    if len({bid.index for bid in bids}) < len(bids):
        raise InputError("two bids share an index; every bid needs its own")
    ordered = order_bids(bid for bid in bids if bid.weight and bid.cost <= beta)

    def run(bid_class: BidClass, clock_budget: int) -> Clock:
        return descend([bid for bid in ordered if bid.belongs(bid_class)], clock_budget)

    weights = {bid.index: bid.weight for bid in ordered}
    return assemble(beta, rho, tranche, run_tranche(run, beta=beta, tranche=tranche), weights)


def assemble(
    beta: int,
    rho: Fraction,
    tranche: Fraction,
    clocks: Mapping[BidClass, Clock],
    weights: Mapping[int, int],
) -> Clearing:
    """Turn clocks into rewards, and split each reward into cash and MUT.

    Args:
        beta: β.
        rho: ρ.
        tranche: f.
        clocks: result of `run_tranche`.
        weights: weight by index, at least of every winner.
    """
    reward: dict[int, int] = {}
    outcome = Clearing(beta, int(tranche * beta), clocks, reward, {}, {})
    for clock in outcome.paying:
        if clock.price is not None:
            t, s = clock.price.as_integer_ratio()
            reward.update((index, t * weights[index] // s) for index in clock.winners)
    numerator, denominator = rho.as_integer_ratio()
    cash = {index: numerator * amount // denominator for index, amount in reward.items()}
    mut = {index: amount - cash[index] for index, amount in reward.items()}
    return Clearing(beta, outcome.reserve, clocks, reward, cash, mut)


def settlement_totals(clearing: Clearing, *, budget: int, pool: int, rho: Fraction) -> Totals:
    """What settlement sets aside and returns, from prices and total weights alone.

    The winners' claims never exceed it, and at most one unit per winner stays behind as dust.

    Args:
        clearing: outcome of `clear` with the same parameters.
        budget: B.
        pool: U.
        rho: ρ.
    """
    rho = Fraction(rho)
    cash = allotment = 0
    for clock in clearing.paying:
        if clock.price is not None:
            cash += int(rho * clock.price * clock.weight)
            if rho < 1:  # One unit per winner for rounding; none where rewards have no MUT.
                allotment += int((1 - rho) * clock.price * clock.weight) + len(clock.winners)
    return Totals(allotment, max(0, pool - allotment), cash, budget - cash)
