"""Which rules keep their promises on random instances, counted exactly (docs/mechanism.md §1).

Costs are true types. A rule fails truthfulness (DSIC) on an instance when some bidder, others being
truthful, gains by some bid on a half-unit grid; individual rationality (IR) when a truthful winner
is paid less than its cost; the budget when payments exceed it. Amounts are in half units, so that
all of it is integer or fraction arithmetic.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from oracles.mechanism import paper
from oracles.mechanism.clock import Bid, run_clock
from oracles.mechanism.mixed import clear, spendable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    #: Bids to exact payments by winner's index.
    Rule = Callable[[Sequence[Bid]], Mapping[int, Fraction]]


@dataclass(frozen=True, slots=True)
class Instance:
    """One random market, amounts in half units of the token."""

    bids: tuple[Bid, ...]
    budget: int
    pool: int


@dataclass(slots=True)
class Tally:
    """What a rule did on the instances seen so far.

    Attributes:
        rule: its name.
        instances: how many.
        dsic: instances with a profitable deviation.
        ir: instances with a truthful winner paid below cost.
        budget: instances where payments exceed what the rule may spend.
        worst: largest payments / budget.
    """

    rule: str
    instances: int = 0
    dsic: int = 0
    ir: int = 0
    budget: int = 0
    worst: Fraction = field(default_factory=Fraction)


def random_instance(rng: random.Random, max_bidders: int = 5) -> Instance:
    """1 to `max_bidders` bids; B 1 to 20, whole costs up to B, weights 1 to 12, U 0 to 40."""
    budget = rng.randint(1, 20)
    bids = tuple(
        Bid(i, 2 * rng.randint(0, budget), rng.randint(1, 12), rng.random() < 0.3)
        for i in range(rng.randint(1, max_bidders))
    )
    return Instance(bids, 2 * budget, 2 * rng.randint(0, 40))


def deviations(bids: Sequence[Bid], budget: int) -> Iterator[tuple[Bid, int, list[Bid]]]:
    """Every bidder with every other bid from 0 to just above the budget, others unchanged."""
    for position, bid in enumerate(bids):
        others = list(bids)
        for cost in range(budget + 3):
            if cost != bid.cost:
                others[position] = replace(bid, cost=cost)
                yield bid, cost, others.copy()


def profitable_deviation(rule: Rule, bids: Sequence[Bid], budget: int) -> tuple[Bid, int] | None:
    """The first bidder that gains by lying, and its lie; None where the rule is truthful.

    Args:
        rule: bids to payments by winner's index.
        bids: true costs.
        budget: deviations range over 0 … budget + 2.
    """
    truthful = rule(bids)
    for bid, lie, deviated in deviations(bids, budget):
        if _utility(rule(deviated), bid) > _utility(truthful, bid):
            return bid, lie
    return None


def _utility(payments: Mapping[int, Fraction], bid: Bid) -> Fraction:
    return payments[bid.index] - bid.cost if bid.index in payments else Fraction(0)


def survey(
    instances: int,
    seed: int,
    *,
    rhos: Sequence[Fraction] = (Fraction(0), Fraction(1, 4), Fraction(1, 2), Fraction(3, 4)),
    progress: Callable[[], None] = lambda: None,
) -> list[Tally]:
    """Run every rule on the same random instances.

    Args:
        instances: how many.
        seed: of the instances.
        rhos: liquidity factors to try Algorithm 2 with.
        progress: called after each instance.

    Returns:
        One tally for Algorithm 1 with supremum payments, one with the infimum as written, one for
        Algorithm 2 per ρ, and one for the rule that settles money, at a ρ and f drawn per instance.
    """
    rng = random.Random(seed)  # noqa: S311 (instances, not secrets)
    tallies: dict[str, Tally] = {}
    for _ in range(instances):
        instance = random_instance(rng)
        rho, tranche = Fraction(rng.randint(0, 4), 4), Fraction(rng.choice((0, 1, 2, 5)), 10)
        for name, rule, limit in _rules(instance, rhos, rho, tranche):
            tally = tallies.setdefault(name, Tally(name))
            _count(tally, rule, instance, limit)
        progress()
    return list(tallies.values())


def _rules(
    instance: Instance, rhos: Sequence[Fraction], rho: Fraction, tranche: Fraction
) -> Iterator[tuple[str, Rule, Fraction]]:
    """Name, rule, and what its payments may sum to (cash and MUT at face together)."""
    budget, pool = instance.budget, instance.pool

    def algorithm_1(critical: Callable[[Sequence[Bid], int, int], Fraction]) -> Rule:
        return lambda bids: paper.algorithm_1(bids, budget=budget, critical=critical).payments

    def algorithm_2(rho: Fraction) -> Rule:
        return lambda bids: paper.algorithm_2(
            _exact_clock(bids, budget),
            {bid.index: Fraction(bid.weight) for bid in bids},
            pool=pool,
            rho=rho,
        )

    def clock(bids: Sequence[Bid]) -> Mapping[int, Fraction]:
        reward = clear(bids, budget=budget, pool=pool, rho=rho, tranche=tranche).reward
        return {index: Fraction(amount) for index, amount in reward.items()}

    yield "Algorithm 1", algorithm_1(paper.critical_supremum), Fraction(budget)
    yield "Algorithm 1, infimum as written", algorithm_1(paper.critical_infimum), Fraction(budget)
    for share in rhos:
        limit = share * budget + (1 - share) * pool
        yield f"Algorithm 2, ρ = {share}", algorithm_2(share), limit
    yield "QWMP clock, any ρ and tranche", clock, Fraction(spendable(budget, pool, rho))


def _exact_clock(bids: Sequence[Bid], budget: int) -> dict[int, Fraction]:
    """Critical payments of the clock, not rounded: a p^Q for which Σ p^Q ≤ B does hold."""
    clock = run_clock(bids, budget)
    weights = {bid.index: bid.weight for bid in bids}
    price = clock.price or Fraction(0)
    return {index: price * weights[index] for index in clock.winners}


def _count(tally: Tally, rule: Rule, instance: Instance, limit: Fraction) -> None:
    payments = rule(instance.bids)
    total = sum(payments.values(), Fraction(0))
    costs = {bid.index: bid.cost for bid in instance.bids}
    tally.instances += 1
    tally.ir += any(payment < costs[index] for index, payment in payments.items())
    tally.budget += total > limit
    if limit:
        tally.worst = max(tally.worst, total / limit)
    highest = max(instance.budget, int(limit))
    tally.dsic += profitable_deviation(rule, instance.bids, highest) is not None
