"""What needs no training: overspending, lies about cost, aversion to risk, large markets."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.mechanism import (
    Bid,
    Outlook,
    advise,
    certify,
    clear,
    prune_and_split,
    risk_averse_rate,
    rivals,
)
from oracles.mechanism.paper import algorithm_1

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from oracles.progress import Progress
    from oracles.study.plan import Plan

_RULES: dict[str, Callable[[Sequence[Bid], int], Mapping[int, int]]] = {
    "clock": lambda bids, budget: clear(bids, budget=budget).reward,
    "prune-and-split": lambda bids, budget: prune_and_split(bids, budget=budget).payments,
    "large market": lambda bids, budget: rivals.large_market(bids, budget=budget, seed=1),
    "pay as bid": lambda bids, budget: rivals.pay_as_bid(bids, budget=budget),
    "pay by value": lambda bids, budget: rivals.pay_by_value(bids, budget=budget),
}
#: MUT that pays nothing half of the time, and double the other half.
_OUTLOOKS = (Outlook(0.5, 0.2), Outlook(0.5, 1.8))
_RHOS = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)
_AVERSIONS = (0.0, 0.5, 1.0, 2.0, 4.0)


def random_market(rng: np.random.Generator, n: int, share: float = 0.3) -> tuple[list[Bid], int]:
    """Log-normal costs and uniform weights, and a share of all costs for a budget."""
    costs = (10_000 * np.exp(0.5 * rng.standard_normal(n))).astype(int)
    weights = rng.integers(1000, 10_001, n)
    bids = [Bid(k, int(c), int(w)) for k, (c, w) in enumerate(zip(costs, weights, strict=True))]
    return bids, int(share * costs.sum())


def overspending(plan: Plan) -> dict[str, Any]:
    """H5: what Algorithm 1 to the letter spends, as a share of its budget, one market each."""
    rng = np.random.default_rng([plan.seed, 5])
    ratios, clock = [], []
    for _ in range(plan.markets):
        bids, budget = random_market(rng, 16)
        ratios.append(float(algorithm_1(bids, budget=budget).total / budget))
        clock.append(sum(clear(bids, budget=budget).reward.values()) / budget)
    return {
        "ratios": ratios,
        "clock": clock,
        "share_over": float(np.mean(np.array(ratios) > 1)),
        "mean": float(np.mean(ratios)),
        "worst": max(ratios),
    }


def cost_lies(plan: Plan) -> list[dict[str, Any]]:
    """H7: the best of many lies of each provider, by rule."""
    rows = []
    factors = (0.0, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 1.05, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0)
    for name, rule in _RULES.items():
        rng = np.random.default_rng([plan.seed, 7])
        gains, liars, providers, over = [], 0, 0, 0
        for _ in range(max(4, plan.markets // 10)):
            bids, budget = random_market(rng, 10)
            honest = rule(bids, budget)
            over += sum(honest.values()) > budget
            for place, bid in enumerate(bids):
                truth = honest.get(bid.index, bid.cost) - bid.cost
                best = truth
                for factor in factors:
                    lied = list(bids)
                    lied[place] = replace(bid, cost=int(bid.cost * factor))
                    best = max(best, rule(lied, budget).get(bid.index, bid.cost) - bid.cost)
                gains.append((best - truth) / bid.cost)
                liars += best > truth
                providers += 1
        rows.append(
            {
                "rule": name,
                "providers": providers,
                "with_a_profitable_lie": liars,
                "largest_gain_in_costs": float(max(gains)),
                "mean_gain_in_costs": float(np.mean(gains)),
                "overspent_markets": over,
            }
        )
    return rows


def aversion(plan: Plan) -> list[dict[str, Any]]:
    """H10: what bidders with CRRA utility bid as ρ falls, and the weight bought for one β."""
    rows = []
    for averse in _AVERSIONS:
        for rho in _RHOS:
            share = Fraction(rho).limit_denominator(10)
            rate = risk_averse_rate(share, _OUTLOOKS, averse)
            rng = np.random.default_rng([plan.seed, 10])
            bought = []
            for _ in range(max(4, plan.markets // 4)):
                bids, budget = random_market(rng, 16)
                shaded = [
                    replace(bid, cost=value)
                    for bid in bids
                    if (value := advise(bid.cost, rate).bid) is not None
                ]
                weights = {bid.index: bid.weight for bid in bids}
                honest, found = (clear(each, budget=budget).reward for each in (bids, shaded))
                whole = sum(weights[k] for k in honest)
                bought.append(sum(weights[k] for k in found) / whole if whole else 1.0)
            discount = (1 - float(rate)) / (1 - rho) if rho < 1 else 0.0
            rows.append(
                {
                    "aversion": averse,
                    "rho": rho,
                    "rate": float(rate),
                    "break_even_discount": discount,
                    "weight_bought": float(np.mean(bought)),
                }
            )
    return rows


def large_markets(plan: Plan) -> list[dict[str, Any]]:
    """H14: share of the fractional optimum that two rules buy, by number of providers."""
    rows = []
    for n in (5, 16, 50, 100, 300, 1000):
        rng = np.random.default_rng([plan.seed, 14, n])
        shares: dict[str, list[float]] = {"clock": [], "large market": []}
        for _ in range(max(3, min(plan.markets, 3000 // n))):
            bids, budget = random_market(rng, n)
            for name, found in shares.items():
                if name == "large market" and n > 100:
                    continue
                winners = _RULES[name](bids, budget)
                found.append(float(certify(bids, winners, beta=budget).share))
        for name, found in shares.items():
            if found:
                rows.append(
                    {
                        "rule": name,
                        "providers": n,
                        "mean": float(np.mean(found)),
                        "least": min(found),
                        "markets": len(found),
                    }
                )
    return rows


def simulate(plan: Plan, progress: Progress) -> dict[str, Any]:
    """All parts that need no training."""
    parts: dict[str, Callable[[Plan], Any]] = {
        "overspending": overspending,
        "cost_lies": cost_lies,
        "aversion": aversion,
        "large_markets": large_markets,
    }
    found = {}
    for number, (name, part) in enumerate(parts.items(), 1):
        found[name] = part(plan)
        progress("simulations", number, len(parts))
    return found
