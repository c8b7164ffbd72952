"""Verifying a settlement instead of computing it: the model of what the contract does.

Implements mechanism.md §3. Anyone proposes the last winner of each clock; one walk over the bids,
in chunks of any size and in the order of commitment, adds up what lies before it and finds the
first loser; a handful of cross-multiplications then decide. Nothing is sorted, and exactly one
proposal passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from oracles.errors import IntegrityError
from oracles.mechanism.clock import (
    Bid,
    BidClass,
    Clock,
    descend,
    order_bids,
    price_of,
    splits,
    unflagged_budget,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from fractions import Fraction


class Proposal(NamedTuple):
    """Marginal winner of each clock, by index of its bid; None where a clock has none or is unused.

    The flagged clock is in use whenever f > 0, since its price decides whether the tranche splits
    off; the unflagged one only when it does.
    """

    all: int | None = None
    flagged: int | None = None
    unflagged: int | None = None


class Settlement(NamedTuple):
    """What a passed proposal fixes; every reward follows from it.

    Attributes:
        split: the tranche has a price of its own.
        prices: clearing price of each paying clock: `all`, or `flagged` and `unflagged`.
        weights: total weight of the winners of each paying clock.
        counts: number of winners of each paying clock.
    """

    split: bool
    prices: dict[BidClass, Fraction | None]
    weights: dict[BidClass, int]
    counts: dict[BidClass, int]


def propose(bids: Iterable[Bid], *, beta: int, tranche: Fraction) -> Proposal:
    """The one proposal that passes: the last winner of each clock.

    Args:
        bids: revealed bids in any order, unique indices.
        beta: β.
        tranche: f in [0, 1].

    Example:
        >>> import qmia
        >>> bids = [qmia.Bid(0, 10, 1), qmia.Bid(1, 20, 1), qmia.Bid(2, 30, 1)]
        >>> qmia.propose(bids, beta=75, tranche=0).all
        1
    """
    ordered = order_bids(bid for bid in bids if bid.weight and bid.cost <= beta)

    def run(bid_class: BidClass, budget: int) -> Clock:
        return descend([bid for bid in ordered if bid.belongs(bid_class)], budget)

    pooled = run("all", beta)
    if tranche == 0:
        return Proposal(pooled.marginal)
    flagged = run("flagged", int(tranche * beta))
    if not splits(pooled, flagged):
        return Proposal(pooled.marginal, flagged.marginal)
    rest = run("unflagged", unflagged_budget(beta, flagged))
    return Proposal(pooled.marginal, flagged.marginal, rest.marginal)


def comes_after(bid: Bid, other: Bid) -> bool:
    """Whether `bid` follows `other` in the order of (ψ, index); no division."""
    left, right = bid.cost * other.weight, other.cost * bid.weight
    return left > right or (left == right and bid.index > other.index)


@dataclass(slots=True)
class _Tally:
    """One clock's progress: sums up to the marginal bid, and the first bid after it."""

    marginal: Bid | None
    weight: int = 0
    count: int = 0
    loser: Bid | None = None

    def add(self, bid: Bid) -> None:
        if self.marginal is not None and not comes_after(bid, self.marginal):
            self.weight += bid.weight
            self.count += 1
        elif self.loser is None or comes_after(self.loser, bid):
            self.loser = bid

    def check(self, name: BidClass, budget: int) -> Clock:
        """The clock this tally proves.

        Raises:
            IntegrityError: the marginal bid does not win, or the next one would.
        """
        last, loser = self.marginal, self.loser
        if last is not None and last.cost * self.weight > budget * last.weight:
            raise IntegrityError(f"{name}: bid {last.index} does not win; propose an earlier one")
        if loser is not None and loser.cost * (self.weight + loser.weight) <= budget * loser.weight:
            raise IntegrityError(f"{name}: bid {loser.index} wins too; propose a later one")
        price = price_of(
            budget, self.weight, loser.cost if loser else None, loser.weight if loser else None
        )
        # Winners are counted, never listed: the contract stores only what rewards depend on.
        return Clock((), price, loser.index if loser else None, self.weight)


class Verification:
    """Progress of one proposal, owned by nobody: any number of calls may continue it.

    Args:
        slots: one per commitment, in order; None where no bid was revealed. `slots[i].index == i`.
        proposal: marginal winners, claimed.
        beta: β.
        tranche: f in [0, 1].

    Raises:
        IntegrityError: a marginal is not a revealed, eligible bid of its clock's class.
    """

    def __init__(
        self,
        slots: Sequence[Bid | None],
        proposal: Proposal,
        *,
        beta: int,
        tranche: Fraction,
    ) -> None:
        self._slots = slots
        self._beta = beta
        self._tranche = tranche
        self._cursor = 0
        self._tallies: dict[BidClass, _Tally] = {
            "all": _Tally(self._marginal("all", proposal.all)),
            "flagged": _Tally(self._marginal("flagged", proposal.flagged)),
            "unflagged": _Tally(self._marginal("unflagged", proposal.unflagged)),
        }

    def _counts(self, bid: Bid | None) -> bool:
        return bid is not None and bid.weight > 0 and bid.cost <= self._beta

    def _marginal(self, bid_class: BidClass, index: int | None) -> Bid | None:
        if index is None:
            return None
        bid = self._slots[index] if 0 <= index < len(self._slots) else None
        if bid is None or not self._counts(bid) or not bid.belongs(bid_class):
            raise IntegrityError(f"{bid_class}: {index} is no revealed, eligible bid of this clock")
        return bid

    @property
    def remaining(self) -> int:
        """Slots not walked yet."""
        return len(self._slots) - self._cursor

    def walk(self, count: int) -> None:
        """Walk the next `count` slots, or as many as remain."""
        for bid in self._slots[self._cursor : self._cursor + count]:
            if bid is not None and self._counts(bid):
                for bid_class, tally in self._tallies.items():
                    if bid.belongs(bid_class):
                        tally.add(bid)
        self._cursor = min(len(self._slots), self._cursor + count)

    def finish(self) -> Settlement:
        """Decide.

        Raises:
            IntegrityError: slots remain, or the proposal is not the right one.
        """
        if self.remaining:
            raise IntegrityError(f"{self.remaining} slots are not walked yet; walk them first")
        tallies = self._tallies
        pooled = tallies["all"].check("all", self._beta)
        paying: dict[BidClass, Clock] = {"all": pooled}
        unused: list[BidClass] = ["flagged", "unflagged"]
        if self._tranche:
            flagged = tallies["flagged"].check("flagged", int(self._tranche * self._beta))
            unused = ["unflagged"]
            if splits(pooled, flagged):
                left = unflagged_budget(self._beta, flagged)
                paying = {
                    "flagged": flagged,
                    "unflagged": tallies["unflagged"].check("unflagged", left),
                }
                unused = []
        for name in unused:
            if tallies[name].marginal is not None:
                raise IntegrityError(f"{name}: this clock is not in use; propose none")
        return Settlement(
            split=len(paying) > 1,
            prices={name: clock.price for name, clock in paying.items()},
            weights={name: clock.weight for name, clock in paying.items()},
            counts={name: tallies[name].count for name in paying},
        )
