"""What a MUT is worth to a provider who does not value it at face, and what it should bid (§8.6).

The clock is truthful for a bidder who values one MUT unit at one token unit. Somebody who values a
reward p, paid as ρp cash and (1−ρ)p MUT, at k·p for some rate k must read the clock in its own
terms: it wants to win exactly when k·p ≥ c, that is when p ≥ c/k. Bidding c/k instead of c makes
the clock do that, so it is a dominant strategy; bidding c would risk winning below cost (k < 1) or
losing a profitable sale (k > 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from oracles.errors import InputError
from oracles.mechanism.mixed import require_fraction

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Outlook:
    """One possible future of a MUT.

    Attributes:
        probability: in [0, 1].
        payout: revenue that one MUT unit of face value will pay, token units, ≥ 0.
    """

    probability: float
    payout: float


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do.

    Attributes:
        rate: k, certainty equivalent of one unit of reward, token units.
        bid: dominant bid, integer token units; None where no reward is worth the cost.
        loss_if_truthful: largest loss that bidding the true cost risks, token units; 0 where k ≥ 1.
    """

    rate: Fraction
    bid: int | None
    loss_if_truthful: int

    def __str__(self) -> str:
        if self.bid is None:
            return "Do not bid: no reward of this auction is worth your cost to you."
        text = f"Bid {self.bid}: one unit of reward is worth {float(self.rate):.4g} to you."
        if self.loss_if_truthful:
            text += f" Bidding your cost instead could lose you up to {self.loss_if_truthful}."
        return text


def discounted_rate(rho: Fraction, discount: Fraction) -> Fraction:
    """Rate of a provider who values a MUT unit at 1 − δ: k = 1 − (1−ρ)·δ.

    Args:
        rho: ρ in [0, 1].
        discount: δ in [0, 1].

    Raises:
        InputError: either is outside [0, 1].
    """
    require_fraction("rho", rho)
    require_fraction("discount", discount)
    return 1 - (1 - rho) * discount


def risk_averse_rate(rho: Fraction, outlooks: Sequence[Outlook], aversion: float) -> Fraction:
    """Rate of a provider with CRRA utility over the reward (paper §8.6).

    The certainty equivalent of `p·(ρ + (1−ρ)X)` under x^(1−γ)/(1−γ), or ln x for γ = 1, is k·p:
    this utility is homogeneous, so one rate serves every reward.

    Args:
        rho: ρ in [0, 1].
        outlooks: distribution of X, probabilities summing to 1.
        aversion: γ_i ≥ 0; 0 is risk-neutral.

    Returns:
        k, a binary64 number as a fraction; advice, not settlement.

    Raises:
        InputError: a parameter is out of range.
    """
    require_fraction("rho", rho)
    if aversion < 0 or any(o.probability < 0 or o.payout < 0 for o in outlooks):
        raise InputError("risk aversion, probabilities and payouts must not be negative")
    if not math.isclose(sum(o.probability for o in outlooks), 1.0, abs_tol=1e-9):
        raise InputError("the probabilities of the outlooks must sum to 1")
    possible = [o for o in outlooks if o.probability > 0]
    units = [float(rho) + float(1 - rho) * o.payout for o in possible]
    if min(units) == 0 and aversion >= 1:
        return Fraction(0)  # utility is −∞ where everything can be lost
    if aversion == 1:
        rate = math.exp(
            sum(o.probability * math.log(x) for o, x in zip(possible, units, strict=True))
        )
    else:
        power = 1 - aversion
        mean = sum(o.probability * x**power for o, x in zip(possible, units, strict=True))
        rate = mean ** (1 / power)
    return Fraction(rate)


def advise(cost: int, rate: Fraction) -> Advice:
    """The dominant bid of a provider to whom a reward p is worth k·p.

    Args:
        cost: c, true cost, integer token units.
        rate: k ≥ 0, from `discounted_rate` or `risk_averse_rate`.

    Raises:
        InputError: a negative cost or rate.
    """
    if cost < 0 or rate < 0:
        raise InputError("cost and rate must not be negative")
    if rate == 0:
        return Advice(rate, 0 if cost == 0 else None, cost)
    # The reward is an integer, so the least one that covers the cost is the dominant bid.
    return Advice(rate, math.ceil(cost / rate), max(0, cost - int(rate * cost)))
