"""The paper's own listings and formulas, literally, so that anyone can check what they do.

Nothing here settles money: Algorithm 1 overspends, Algorithm 2 is neither truthful nor individually
rational (docs/mechanism.md, errata; `qmia mechanism paper-failures` reproduces both). Functions
name the section they come from. Arguments are exact (integers, fractions) wherever the formula is
rational; real exponents and expectations are evaluated in binary64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from oracles.errors import InputError
from oracles.mechanism.clock import Bid, order_bids

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence


# --- §3 -------------------------------------------------------------------------------------------


def utility(payment: Fraction, selected: bool, cost: Fraction) -> Fraction:
    """§3.1: u_i = p_i − x_i c_i, the utility that every desideratum of §3.2 is about."""
    return payment - cost if selected else payment


def planner_objective(value: Fraction, payments: Iterable[Fraction], price: Fraction) -> Fraction:
    """§3.5: V(D_S) − λ Σ p_i, for a trade-off λ = `price`."""
    return value - price * sum(payments, Fraction(0))


# --- §4: Q-MIA ------------------------------------------------------------------------------------


def virtual_cost(cost: Fraction, q: Fraction, phi: Fraction) -> Fraction:
    """§4.1 step 3: ψ = c / (q φ). Raises InputError where q φ = 0."""
    return _ratio(cost, q * phi)


def virtual_cost_regularised(
    cost: Fraction,
    q: Fraction,
    phi: Fraction,
    *,
    eta: Fraction,
    gamma: Fraction,
    kappa: Fraction,
) -> Fraction:
    """§4.2: ψ^(η,κ) = c / (q^η (φ + κ)^γ). Raises InputError where the denominator is 0."""
    return _ratio(cost, regularised_score(q, phi, eta=eta, gamma=gamma, kappa=kappa))


def regularised_score(
    q: Fraction, phi: Fraction, *, eta: Fraction, gamma: Fraction, kappa: Fraction
) -> Fraction:
    """§4.2 and §5.4: q^η (φ + κ)^γ; exact for integer exponents, else to binary64."""
    return _power(q, eta) * _power(phi + kappa, gamma)


def virtual_cost_concave(
    cost: Fraction, q: Fraction, phi: Fraction, u: Callable[[Fraction], Fraction]
) -> Fraction:
    """§4.2: ψ^(u) = c / u(q φ) for a strictly concave, increasing u."""
    return _ratio(cost, u(q * phi))


def greedy_prefix(bids: Iterable[Bid], budget: int) -> list[Bid]:
    """§4.1 step 4, Algorithm 1 lines 2 to 11: by ascending ψ, while Σ c ≤ B; then stop."""
    chosen: list[Bid] = []
    spent = 0
    for bid in order_bids(bids):
        if spent + bid.cost > budget:
            break
        chosen.append(bid)
        spent += bid.cost
    return chosen


def critical_supremum(bids: Sequence[Bid], budget: int, index: int) -> Fraction:
    """The highest bid with which bidder `index` is still selected by `greedy_prefix`.

    Behind k others that cost C_k together it wins with a bid up to B − C_k, and it stays in that
    place up to w·ψ of the next one; the supremum is the best over all places.
    """
    own = _find(bids, index)
    best = Fraction(0)
    spent = 0
    for other in order_bids(bid for bid in bids if bid.index != index):
        place = min(Fraction(budget - spent), Fraction(other.cost * own.weight, other.weight))
        best = max(best, place)
        spent += other.cost
    return max(best, Fraction(budget - spent))


def critical_infimum(bids: Sequence[Bid], budget: int, index: int) -> Fraction:
    """§4.1 step 5 to the letter: inf{c̃ : i ∈ S*(c̃, ĉ_−i)}.

    A bid of 0 comes first whatever the others do, and always fits the budget, so the infimum is 0
    for everybody. §5.2 then reads `0 ≥ ĉ_i`.
    """
    _find(bids, index)
    if budget < 0:
        raise InputError("a negative budget selects nobody")
    return Fraction(0)


@dataclass(frozen=True, slots=True)
class PaperOutcome:
    """Outcome of one of the paper's algorithms.

    Attributes:
        winners: indices in order of (ψ, index).
        payments: by winner's index, exact.
        budget: what the algorithm was allowed to pay.
    """

    winners: tuple[int, ...]
    payments: Mapping[int, Fraction]
    budget: int

    @property
    def total(self) -> Fraction:
        """Σ p_i."""
        return sum(self.payments.values(), Fraction(0))

    @property
    def overspends(self) -> bool:
        """Whether Lemma 3 (budget feasibility) fails here."""
        return self.total > self.budget


def algorithm_1(
    bids: Iterable[Bid],
    *,
    budget: int,
    critical: Callable[[Sequence[Bid], int, int], Fraction] = critical_supremum,
) -> PaperOutcome:
    """Appendix B.1, ρ = 1: greedy selection while Σ ĉ ≤ B, then critical payments.

    Args:
        bids: weight > 0; those with cost > budget are left out, as they could never be paid.
        budget: B.
        critical: `critical_supremum` (Myerson's) or `critical_infimum` (as §4.1 writes it).
    """
    bids = [bid for bid in bids if bid.cost <= budget]
    winners = tuple(bid.index for bid in greedy_prefix(bids, budget))
    payments = {index: critical(bids, budget, index) for index in winners}
    return PaperOutcome(winners, payments, budget)


def qwmp_payments(scores: Sequence[Fraction], budget: Fraction) -> list[Fraction]:
    """§5.4: p^Q_i = λ · q_i^η (φ_i + κ)^γ, with the λ that spends the budget.

    Args:
        scores: `regularised_score` of each winner.
        budget: what all winners share.
    """
    total = sum(scores, Fraction(0))
    return [_ratio(budget, total) * score for score in scores]


# --- §6: MUT --------------------------------------------------------------------------------------


def mut_shares(scores: Sequence[Fraction]) -> list[Fraction]:
    """§6.1: s_i = q_i φ_i / Σ_{j ∈ S*} q_j φ_j, given the products q φ of the selected."""
    return qwmp_payments(scores, Fraction(1))


def mut_utility(share: Fraction, pool: Fraction) -> Fraction:
    """§6.2, Lemmas 5 and 6: u_i = s_i U. No cost is subtracted, so IR says nothing about costs."""
    return share * pool


# --- §7: DST --------------------------------------------------------------------------------------


def dst_score(
    volume: Fraction,
    quality: Fraction,
    impact: Fraction,
    *,
    alpha: Fraction,
    beta: Fraction,
    gamma: Fraction,
) -> Fraction:
    """§7.1: α·Volume + β·Quality + γ·Impact, with α + β + γ = 1."""
    if alpha + beta + gamma != 1:
        raise InputError(f"α + β + γ = {alpha + beta + gamma}, must be 1")
    return alpha * volume + beta * quality + gamma * impact


def share_of_total(values: Sequence[Fraction]) -> list[Fraction]:
    """§7.2 to §7.4: TokenCount_i/Σ, q_i/Σ, MarginalGain_i/Σ; InputError where Σ = 0."""
    return [_ratio(value, sum(values, Fraction(0))) for value in values]


def composite_quality(parts: Sequence[Fraction], weights: Sequence[Fraction]) -> Fraction:
    """§7.3: w_1·Cleanliness + w_2·Diversity + w_3·Novelty + w_4·Metadata."""
    return sum((w * part for w, part in zip(weights, parts, strict=True)), Fraction(0))


def cleanliness(errors: int, tokens: int, k: Fraction) -> Fraction:
    """§7.3: 1 − k · errors / tokens; unbounded below, unlike Appendix C's."""
    return 1 - k * _ratio(Fraction(errors), Fraction(tokens))


def diversity(proportions: Sequence[Fraction]) -> Fraction:
    """§7.3: 1 − Σ p_i², called Shannon entropy there; it is the Gini-Simpson index."""
    return 1 - sum((p * p for p in proportions), Fraction(0))


def novelty(
    recency: Fraction, duplication: Fraction, weights: tuple[Fraction, Fraction]
) -> Fraction:
    """§7.3: w'_1·Recency + w'_2·(1 − DuplicationScore)."""
    return weights[0] * recency + weights[1] * (1 - duplication)


def recency(age_days: int, max_days: int) -> Fraction:
    """§7.3: 1 − (CurrentDate − DocumentDate) / MaxDateRange, clipped to [0, 1]."""
    return min(Fraction(1), max(Fraction(0), 1 - Fraction(age_days, max_days)))


def duplication(nearest_cosines: Sequence[Fraction]) -> Fraction:
    """§7.3: mean cosine of each sentence with its nearest in the reference corpus."""
    return _ratio(sum(nearest_cosines, Fraction(0)), Fraction(len(nearest_cosines)))


def metadata(valid: int, expected: int) -> Fraction:
    """§7.3: valid metadata fields / expected fields."""
    return _ratio(Fraction(valid), Fraction(expected))


def marginal_gain(accuracy_with: Fraction, accuracy_without: Fraction) -> Fraction:
    """§7.4: Acc(D) − Acc(D ∖ D_i)."""
    return accuracy_with - accuracy_without


# --- §8: Mixed-MIA --------------------------------------------------------------------------------


def hybrid_reward(
    critical: Fraction, share: Fraction, *, pool: Fraction, rho: Fraction
) -> Fraction:
    """§8.1: p_i = ρ p^Q_i + (1−ρ) s_i U."""
    return rho * critical + (1 - rho) * share * pool


def algorithm_2(
    winners: Mapping[int, Fraction],
    scores: Mapping[int, Fraction],
    *,
    pool: int,
    rho: Fraction,
) -> dict[int, Fraction]:
    """Appendix B.2: hybrid rewards on top of any rule's critical payments.

    Args:
        winners: p^Q by winner's index.
        scores: q φ by index, at least of every winner.
        pool: U.
        rho: ρ.
    """
    shares = mut_shares([scores[index] for index in winners])
    return {
        index: hybrid_reward(payment, share, pool=Fraction(pool), rho=rho)
        for (index, payment), share in zip(winners.items(), shares, strict=True)
    }


def claimed_utility(
    critical: Fraction, share: Fraction, cost: Fraction, *, pool: Fraction, rho: Fraction
) -> Fraction:
    """§8.2 and §8.3: u_i(ρ) = ρ (p^Q_i − c_i) + (1−ρ) s_i U.

    This charges only a ρ part of the cost. The true utility of §3.1 is `hybrid_reward − c_i`.
    """
    return rho * (critical - cost) + (1 - rho) * share * pool


def theta(cost: Fraction, q: Fraction, phi: Fraction) -> Fraction:
    """§8.3: θ_i = c_i / (q_i φ_i); agents with a low θ are said to prefer a low ρ."""
    return virtual_cost(cost, q, phi)


def preferred_rho(
    critical: Fraction, share: Fraction, cost: Fraction, *, pool: Fraction
) -> Fraction | None:
    """§8.3: the ρ that maximises u_i(ρ), which is linear: 0 or 1; None where any is the same."""
    at_0, at_1 = (
        claimed_utility(critical, share, cost, pool=pool, rho=Fraction(rho)) for rho in (0, 1)
    )
    if at_0 == at_1:
        return None
    return Fraction(int(at_1 > at_0))


def is_pareto_feasible(rewards: Iterable[Fraction], *, budget: int, pool: int) -> bool:
    """§8.4 and Theorem 4: Σ (ρ p^Q_i + (1−ρ) s_i U) ≤ B + U.

    The sum mixes two currencies: it allows all of B + U to be paid in cash.
    """
    return sum(rewards, Fraction(0)) <= budget + pool


@dataclass(frozen=True, slots=True)
class DualSolution:
    """§8.5.

    Attributes:
        multiplier: λ* ≥ 0, where the dual function is least.
        bound: its value there, an upper bound on Σ u_i of every feasible selection.
        selected: indices with u_i > λ* p_i: all of them belong to the relaxed optimum.
    """

    multiplier: Fraction
    bound: Fraction
    selected: tuple[int, ...]


def lagrangian(
    selected: Collection[int],
    utilities: Mapping[int, Fraction],
    payments: Mapping[int, Fraction],
    multiplier: Fraction,
    limit: Fraction,
) -> Fraction:
    """§8.5: L(S, λ) = Σ_{i ∈ S} u_i − λ (Σ_{i ∈ S} p_i − (B + U))."""
    return sum((utilities[i] - multiplier * payments[i] for i in selected), multiplier * limit)


def dual_decomposition(
    utilities: Mapping[int, Fraction], payments: Mapping[int, Fraction], limit: Fraction
) -> DualSolution:
    """§8.5: minimise over λ ≥ 0 the maximum over S of L(S, λ), for given u_i and p_i.

    For a fixed λ the agents separate: i is in S exactly when u_i > λ p_i. The dual function is
    convex and piecewise linear with bends at u_i / p_i, so one of those, or 0, is its minimum.

    Args:
        utilities: u_i by index.
        payments: p_i ≥ 0 by index.
        limit: B + U.
    """

    def best(multiplier: Fraction) -> tuple[int, ...]:
        return tuple(i for i in utilities if utilities[i] > multiplier * payments[i])

    bends = {Fraction(0)} | {
        utilities[i] / payments[i] for i in utilities if payments[i] > 0 and utilities[i] > 0
    }
    bound, multiplier = min(
        (lagrangian(best(bend), utilities, payments, bend, limit), bend) for bend in bends
    )
    return DualSolution(multiplier, bound, best(multiplier))


def crra_utility(
    critical: Fraction,
    share: Fraction,
    cost: Fraction,
    *,
    pools: Sequence[tuple[float, Fraction]],
    rho: Fraction,
    aversion: float,
) -> float:
    """§8.6: E[(ρ p^Q + (1−ρ) s U)^(1−γ_i) / (1−γ_i)] − c_i; ln for γ_i = 1.

    The cost is subtracted from utils, not from money, and the critical payment does not depend on
    the own bid, so du_i/dĉ_i is 0 for a winner and never < 0 as the section requires.

    Args:
        critical: p^Q_i.
        share: s_i.
        cost: c_i.
        pools: distribution of U as (probability, value).
        rho: ρ.
        aversion: γ_i ≥ 0.
    """
    expected = 0.0
    for probability, pool in pools:
        reward = float(hybrid_reward(critical, share, pool=pool, rho=rho))
        if reward == 0 and aversion >= 1:
            return -math.inf
        expected += probability * (
            math.log(reward) if aversion == 1 else reward ** (1 - aversion) / (1 - aversion)
        )
    return expected - float(cost)


def _ratio(numerator: Fraction, denominator: Fraction) -> Fraction:
    if denominator == 0:
        raise InputError("the formula divides by 0 here; the paper gives no value for it")
    return Fraction(numerator) / denominator


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    exponent = Fraction(exponent)
    if exponent.denominator == 1:
        return Fraction(base) ** exponent.numerator
    return Fraction(math.pow(base, exponent))


def _find(bids: Iterable[Bid], index: int) -> Bid:
    for bid in bids:
        if bid.index == index:
            return bid
    raise InputError(f"there is no bid with index {index}")
