"""What needs no training: overspending, lies about cost, coalitions, liquidity, large markets."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.mechanism import (
    Bid,
    Outlook,
    advise,
    baselines,
    certify,
    clear,
    prune_and_split,
    risk_averse_rate,
    rivals,
    withholding_bound,
)
from oracles.mechanism.baselines import Candidate
from oracles.mechanism.paper import algorithm_1

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from oracles.study.plan import Plan


@lru_cache(maxsize=2**16)
def _points(indices: frozenset[int]) -> int:
    """Value with overlap: provider k covers four of twenty points of unequal worth."""
    points = {(7 * k + step * step + k * step) % 20 for k in indices for step in range(4)}
    return sum(100 + 10 * point for point in points)


_RULES: dict[str, Callable[[Sequence[Bid], int], Mapping[int, int]]] = {
    "clock": lambda bids, budget: clear(bids, budget=budget).reward,
    "marginal clock": lambda bids, budget: rivals.marginal_clock(bids, _points, budget=budget),
    "submodular greedy": lambda bids, budget: rivals.submodular_greedy(
        bids, _points, budget=budget
    ),
    "guessing clock": lambda bids, budget: rivals.guessing_clock(bids, _points, budget=budget),
    "prune-and-split by lot": lambda bids, budget: rivals.split_by_lot(bids, budget=budget, seed=1),
    "prune-and-split": lambda bids, budget: prune_and_split(bids, budget=budget).payments,
    "large market": lambda bids, budget: rivals.large_market(bids, budget=budget, seed=1),
    "pay as bid": lambda bids, budget: rivals.pay_as_bid(bids, budget=budget),
    "pay by value": lambda bids, budget: rivals.pay_by_value(bids, budget=budget),
    "price best in hindsight": lambda bids, budget: _best_price(bids, budget),
}
#: Rules whose share of the fractional optimum is told, with the most providers they are run on.
_SCALED = {
    "clock": 10_000,
    "prune-and-split": 1000,
    "prune-and-split by lot": 1000,
    "large market": 100,
}
#: MUT that pays nothing half of the time, and double the other half.
OUTLOOKS = (Outlook(0.5, 0.2), Outlook(0.5, 1.8))
RHOS = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)
AVERSIONS = (0.0, 0.5, 1.0, 2.0, 4.0)


def _best_price(bids: Sequence[Bid], budget: int) -> Mapping[int, int]:
    """The posted price at which most weight is bought in order of commitment."""
    weights = {bid.index: bid.weight for bid in bids}
    best: Mapping[int, int] = {}
    for price in sorted({bid.cost for bid in bids}):
        paid = baselines.trust_based(
            [Candidate(bid, 1) for bid in bids], budget=budget, price=price
        )
        if sum(weights[k] for k in paid) > sum(weights[k] for k in best):
            best = paid
    return best


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
        for _ in range(max(1, plan.markets // 10)):
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


def coalitions(plan: Plan) -> list[dict[str, Any]]:
    """H9: the best of many joint lies of k providers under the clock, and of withheld reveals.

    A lie gains without side payments where every member strictly gains, and with them where the
    members gain together. Withholding is a coalition's too: one owner of all its identities.
    """
    n, rows = 12, []
    for size in (2, 3, 4, 6):
        rng = np.random.default_rng([plan.seed, 9, size])
        strict = together = withheld = 0
        sums, kept_back, bounds = [], [], []
        groups = max(4, plan.markets // 2)
        for _ in range(groups):
            bids, budget = random_market(rng, n)
            members = sorted(rng.permutation(n)[:size].tolist())
            honest = clear(bids, budget=budget)
            truth = _profits(bids, members, honest.reward)
            costs = sum(bids[k].cost for k in members)
            best, all_gain = 0, False
            for trial in range(60):
                # Half of the lies overstate alike, which is what a cartel would do.
                factors = (
                    np.full(size, rng.uniform(1, 4))
                    if trial % 2
                    else np.exp(rng.normal(0, 1, size))
                )
                if trial % 3 == 0:  # and some members step aside
                    factors[rng.random(size) < 0.5] = 1e6
                lied = list(bids)
                for k, factor in zip(members, factors, strict=True):
                    lied[k] = replace(bids[k], cost=int(bids[k].cost * factor))
                found = _profits(bids, members, clear(lied, budget=budget).reward)
                best = max(best, sum(found) - sum(truth))
                all_gain |= all(a > b for a, b in zip(found, truth, strict=True))
            strict += all_gain
            together += best > 0
            sums.append(best / costs)
            gain, bound = _withholding(bids, members, budget)
            withheld += gain > 0
            kept_back.append(gain / budget)
            bounds.append(bound / budget)
        rows.append(
            {
                "members": size,
                "coalitions": groups,
                "all_gain": strict,
                "gain_together": together,
                "largest_sum_in_costs": float(max(sums)),
                "mean_sum_in_costs": float(np.mean(sums)),
                "withholding_gains": withheld,
                "largest_withholding_in_budget": float(max(kept_back)),
                "above_the_bound": sum(
                    gain > bound + size / 10**6
                    for gain, bound in zip(kept_back, bounds, strict=True)
                ),
            }
        )
    return rows


def _profits(bids: Sequence[Bid], members: Sequence[int], paid: Mapping[int, int]) -> list[int]:
    return [paid[k] - bids[k].cost if k in paid else 0 for k in members]


def _withholding(bids: Sequence[Bid], members: Sequence[int], budget: int) -> tuple[int, float]:
    """Most that an owner gains by not revealing some of its identities, and the stated bound."""
    honest = clear(bids, budget=budget)
    truth = sum(_profits(bids, members, honest.reward))
    clock = honest.clocks["all"]
    weights = {bid.index: bid.weight for bid in bids}
    best, bound = 0, 0.0
    for chosen in range(1, 2 ** len(members) - 1):
        hidden = {k for place, k in enumerate(members) if chosen >> place & 1}
        shown = [bid for bid in bids if bid.index not in hidden]
        paid = clear(shown, budget=budget).reward
        gain = sum(_profits(bids, [k for k in members if k not in hidden], paid)) - truth
        if gain > best:
            best = gain
            bound = float(
                withholding_bound(
                    honest.beta,
                    winning=clock.weight,
                    kept=sum(weights[k] for k in members if k in paid),
                    withheld=sum(weights[k] for k in hidden if k in honest.reward),
                    loser=weights.get(clock.first_loser, 0) if clock.first_loser is not None else 0,
                )
            )
    return best, bound


def preferences(plan: Plan) -> list[dict[str, Any]]:
    """§8.3: what winners gain at each ρ, by thirds of θ = c / (q·φ̂).

    The paper's `u(ρ) = ρ·(p − c) + (1−ρ)·s·U` with U = B leaves out a part of the cost; the shipped
    rule pays one reward for any ρ, split into cash and MUT, and takes off the whole cost.
    """
    rng = np.random.default_rng([plan.seed, 8])
    found: dict[tuple[int, float], list[tuple[float, float]]] = {}
    for _ in range(max(4, plan.markets // 2)):
        bids, budget = random_market(rng, 16)
        clearing = clear(bids, budget=budget)
        winners = sorted(clearing.reward, key=lambda k: (bids[k].cost / bids[k].weight, k))
        whole = sum(bids[k].weight for k in winners)
        for place, k in enumerate(winners):
            third = 3 * place // len(winners)
            reward, share = clearing.reward[k], bids[k].weight / whole
            for rho in RHOS:
                paper = rho * (reward - bids[k].cost) + (1 - rho) * share * budget
                shipped = clear(
                    bids,
                    budget=round(rho * budget),
                    pool=budget - round(rho * budget),
                    rho=Fraction(rho).limit_denominator(10),
                ).reward.get(k, 0)
                found.setdefault((third, rho), []).append(
                    (paper / budget, (shipped - bids[k].cost if shipped else 0) / budget)
                )
    return [
        {
            "theta": ("low", "middle", "high")[third],
            "rho": rho,
            "paper": float(np.mean([a for a, _ in pairs])),
            "shipped": float(np.mean([b for _, b in pairs])),
        }
        for (third, rho), pairs in sorted(found.items())
    ]


def aversion(plan: Plan) -> list[dict[str, Any]]:
    """H10: what bidders with CRRA utility bid as ρ falls, and the weight bought for one β."""
    rows = []
    for averse in AVERSIONS:
        for rho in RHOS:
            share = Fraction(rho).limit_denominator(10)
            rate = risk_averse_rate(share, OUTLOOKS, averse)
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
    """H14: share of the fractional optimum that some rules buy, by number of providers."""
    rows = []
    for n in (5, 16, 50, 100, 300, 1000, 10_000):
        rng = np.random.default_rng([plan.seed, 14, n])
        shares: dict[str, list[float]] = {name: [] for name, most in _SCALED.items() if n <= most}
        for _ in range(max(3, min(plan.markets, 3000 // n))):
            bids, budget = random_market(rng, n)
            for name, found in shares.items():
                winners = _RULES[name](bids, budget)
                found.append(float(certify(bids, winners, beta=budget).share))
        rows += [
            {
                "rule": name,
                "providers": n,
                "mean": float(np.mean(found)),
                "least": min(found),
                "markets": len(found),
            }
            for name, found in shares.items()
        ]
    return rows


#: Every part by name.
PARTS: dict[str, Callable[[Plan], Any]] = {
    "overspending": overspending,
    "cost_lies": cost_lies,
    "coalitions": coalitions,
    "preferences": preferences,
    "aversion": aversion,
    "large_markets": large_markets,
}
