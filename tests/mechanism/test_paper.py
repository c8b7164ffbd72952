"""The paper's formulas as written, and the published counterexamples to what it claims of them."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given

from oracles.errors import InputError
from oracles.mechanism import Bid, paper, parse_clearing, run_clock
from oracles.mechanism.codec import dump_fraction
from oracles.mechanism.failures import profitable_deviation, survey
from tests.mechanism.strategies import Market, checked, markets
from tests.mechanism.test_vectors import VECTORS

HALF = Fraction(1, 2)


@pytest.mark.parametrize("vector", VECTORS["clearing"], ids=lambda vector: str(vector["id"]))
def test_algorithm_1__on_a_vector__is_the_expected_outcome(vector: dict[str, Any]) -> None:
    case = parse_clearing(vector)
    outcome = paper.algorithm_1(case.bids, budget=case.budget)
    assert {
        "winners": list(outcome.winners),
        "critical": {str(i): dump_fraction(p) for i, p in sorted(outcome.payments.items())},
        "overspends": outcome.overspends,
    } == vector["algorithm_1"]


@checked
@given(markets(min_bids=1))
def test_critical_supremum__every_half_unit__separates_winning_from_losing(market: Market) -> None:
    doubled = [replace(bid, cost=2 * bid.cost) for bid in market.bids]
    budget = 2 * market.budget
    for position, bid in enumerate(doubled):
        supremum = paper.critical_supremum(doubled, budget, bid.index)
        for cost in range(budget + 2):
            others = [*doubled[:position], replace(bid, cost=cost), *doubled[position + 1 :]]
            wins = bid.index in [b.index for b in paper.greedy_prefix(others, budget)]
            assert wins if cost < supremum else cost == supremum or not wins


# --- what the paper claims, and what happens ----------------------------------------------------


def test_lemma_3__two_equal_bidders__are_paid_18_of_10() -> None:
    outcome = paper.algorithm_1([Bid(0, 1, 1), Bid(1, 1, 1)], budget=10)
    assert outcome.payments == {0: 9, 1: 9}
    assert outcome.overspends


def test_lemma_2__infimum_as_written__pays_nobody() -> None:
    outcome = paper.algorithm_1(
        [Bid(0, 1, 1), Bid(1, 2, 1)], budget=10, critical=paper.critical_infimum
    )
    assert outcome.payments == {0: 0, 1: 0}


def test_theorem_2__loser__gains_by_underbidding_to_collect_the_share() -> None:
    """Algorithm 2, ρ = ½: the true cost 6 loses; a bid of 1 wins cash and a share of U."""
    costs = [Bid(0, 1, 1), Bid(1, 6, 1)]

    def rule(bids: Any) -> dict[int, Fraction]:
        clock = run_clock(bids, 8)
        critical = {index: clock.price or Fraction(0) for index in clock.winners}
        scores = {bid.index: Fraction(bid.weight) for bid in bids}
        return paper.algorithm_2(critical, scores, pool=40, rho=HALF)

    assert list(rule(costs)) == [0]
    liar, lie = profitable_deviation(rule, costs, 8) or (None, None)
    assert (liar, lie) == (costs[1], 0)


def test_theorem_3__pool_of_nothing__pays_winners_below_cost() -> None:
    payments = paper.algorithm_2({0: Fraction(4)}, {0: Fraction(1)}, pool=0, rho=HALF)
    assert payments[0] < 3
    # §8.2 calls the same outcome a gain, by charging half of the cost.
    assert (
        paper.claimed_utility(Fraction(4), Fraction(1), Fraction(3), pool=Fraction(0), rho=HALF)
        == HALF
    )


def test_section_5_6__overbidding_winner__is_paid_the_same_not_less() -> None:
    bids = [Bid(0, 1, 1), Bid(1, 9, 1)]
    truthful = paper.critical_supremum(bids, 10, 0)
    assert paper.critical_supremum([replace(bids[0], cost=2), bids[1]], 10, 0) == truthful


def test_survey__every_rule__fails_or_holds_as_published() -> None:
    tallies = {tally.rule: tally for tally in survey(40, seed=3)}
    literal = tallies["Algorithm 1"]
    assert (literal.dsic, literal.ir) == (0, 0)
    assert literal.budget > 0.3 * literal.instances
    assert literal.worst > 2
    untruthful = [tallies[f"Algorithm 2, ρ = {rho}"] for rho in ("0", "1/4", "1/2", "3/4")]
    assert [t.dsic for t in untruthful] == sorted((t.dsic for t in untruthful), reverse=True)
    assert all(t.dsic and t.ir and not t.budget for t in untruthful)
    assert tallies["Algorithm 1, infimum as written"].ir > 0
    clock = tallies["QWMP clock, any ρ and tranche"]
    assert (clock.dsic, clock.ir, clock.budget) == (0, 0, 0)


# --- formulas -----------------------------------------------------------------------------------


def test_virtual_costs__by_hand__are_the_formulas() -> None:
    q, phi = Fraction(1, 2), Fraction(1, 4)
    assert paper.virtual_cost(Fraction(1), q, phi) == 8
    original = paper.virtual_cost_regularised(
        Fraction(1), q, phi, eta=Fraction(1), gamma=Fraction(1), kappa=Fraction(0)
    )
    assert original == paper.theta(Fraction(1), q, phi) == 8
    regularised = paper.virtual_cost_regularised(
        Fraction(1), q, phi, eta=Fraction(2), gamma=Fraction(0), kappa=HALF
    )
    assert regularised == 4
    rooted = paper.virtual_cost_regularised(
        Fraction(1), q, phi, eta=Fraction(0), gamma=HALF, kappa=Fraction(0)
    )
    assert rooted == 2
    assert paper.virtual_cost_concave(Fraction(3), q, phi, lambda x: x * (2 - x)) == Fraction(
        3 * 64, 15
    )


def test_virtual_cost__no_quality__is_refused() -> None:
    with pytest.raises(InputError):
        paper.virtual_cost(Fraction(1), Fraction(0), Fraction(1))


def test_shares_and_payments__by_hand__are_the_formulas() -> None:
    scores = [Fraction(1), Fraction(3)]
    assert paper.qwmp_payments(scores, Fraction(8)) == [2, 6]
    assert paper.mut_shares(scores) == [Fraction(1, 4), Fraction(3, 4)]
    assert paper.mut_utility(Fraction(1, 4), Fraction(8)) == 2
    assert paper.hybrid_reward(Fraction(6), Fraction(1, 4), pool=Fraction(8), rho=HALF) == 4
    assert paper.utility(Fraction(5), True, Fraction(2)) == 3
    assert paper.utility(Fraction(0), False, Fraction(2)) == 0
    assert paper.planner_objective(Fraction(9), [Fraction(1), Fraction(3)], HALF) == 7
    assert paper.is_pareto_feasible([Fraction(11)], budget=1, pool=10)
    assert not paper.is_pareto_feasible([Fraction(12)], budget=1, pool=10)


def test_section_7__by_hand__are_the_formulas() -> None:
    assert (
        paper.dst_score(
            HALF, Fraction(1), Fraction(0), alpha=HALF, beta=Fraction(1, 4), gamma=Fraction(1, 4)
        )
        == HALF
    )
    with pytest.raises(InputError):
        paper.dst_score(HALF, HALF, HALF, alpha=HALF, beta=HALF, gamma=HALF)
    assert paper.share_of_total([Fraction(1), Fraction(3)]) == [Fraction(1, 4), Fraction(3, 4)]
    with pytest.raises(InputError):
        paper.share_of_total([Fraction(0)])
    assert paper.composite_quality([HALF, Fraction(1)], [HALF, HALF]) == Fraction(3, 4)
    assert paper.cleanliness(3, 100, Fraction(50)) == -HALF
    assert paper.diversity([HALF, HALF]) == HALF
    assert paper.recency(25, 100) == Fraction(3, 4)
    assert (paper.recency(200, 100), paper.recency(-5, 100)) == (0, 1)
    assert paper.duplication([HALF, Fraction(0)]) == Fraction(1, 4)
    assert paper.novelty(HALF, Fraction(1, 4), (HALF, HALF)) == Fraction(5, 8)
    assert paper.metadata(3, 4) == Fraction(3, 4)
    assert paper.marginal_gain(HALF, Fraction(3, 4)) == Fraction(-1, 4)


def test_preferred_rho__linear_utility__is_at_an_end() -> None:
    arguments = (Fraction(5), HALF, Fraction(2))
    assert paper.preferred_rho(*arguments, pool=Fraction(10)) == 0
    assert paper.preferred_rho(*arguments, pool=Fraction(4)) == 1
    assert paper.preferred_rho(*arguments, pool=Fraction(6)) is None


def test_section_8_3__lower_theta__may_prefer_more_cash() -> None:
    """θ says nothing without p^Q and s·U: the cheaper agent here prefers cash, the dearer MUT."""
    cheap, dear = Fraction(1), Fraction(2)
    assert paper.theta(cheap, HALF, HALF) < paper.theta(dear, HALF, HALF)
    assert paper.preferred_rho(Fraction(9), Fraction(1, 5), cheap, pool=Fraction(10)) == 1
    assert paper.preferred_rho(Fraction(3), Fraction(4, 5), dear, pool=Fraction(10)) == 0


def test_dual__small_problem__bounds_every_feasible_selection() -> None:
    utilities = {0: Fraction(6), 1: Fraction(5), 2: Fraction(-1), 3: Fraction(4)}
    payments = {0: Fraction(5), 1: Fraction(4), 2: Fraction(1), 3: Fraction(4)}
    solution = paper.dual_decomposition(utilities, payments, Fraction(9))
    best = max(
        sum((utilities[i] for i in chosen), Fraction(0))
        for size in range(5)
        for chosen in combinations(utilities, size)
        if sum(payments[i] for i in chosen) <= 9
    )
    assert best == 11 <= solution.bound
    assert (solution.multiplier, solution.selected) == (1, (0, 1))
    assert solution.bound == paper.lagrangian((0, 1), utilities, payments, Fraction(1), Fraction(9))
    for steps in range(40):
        multiplier = Fraction(steps, 10)
        chosen = [i for i in utilities if utilities[i] > multiplier * payments[i]]
        assert solution.bound <= paper.lagrangian(
            chosen, utilities, payments, multiplier, Fraction(9)
        )


def test_dual__ample_limit__takes_everybody_who_gains() -> None:
    solution = paper.dual_decomposition({0: HALF, 1: -HALF}, {0: HALF, 1: HALF}, Fraction(9))
    assert (solution.multiplier, solution.bound, solution.selected) == (0, HALF, (0,))


def test_crra__by_hand__is_the_formula() -> None:
    arguments: dict[str, Any] = {"pools": [(0.5, Fraction(0)), (0.5, Fraction(12))], "rho": HALF}
    critical, share, cost = Fraction(4), HALF, Fraction(1)
    neutral = paper.crra_utility(critical, share, cost, aversion=0.0, **arguments)
    assert neutral == pytest.approx((2 + 5) / 2 - 1)
    logarithmic = paper.crra_utility(critical, share, cost, aversion=1.0, **arguments)
    assert logarithmic == pytest.approx((math.log(2) + math.log(5)) / 2 - 1)
    steep = paper.crra_utility(critical, share, cost, aversion=2.0, **arguments)
    assert steep == pytest.approx(-(1 / 2 + 1 / 5) / 2 - 1)
    ruined = paper.crra_utility(Fraction(0), share, cost, aversion=1.0, **arguments)
    assert ruined == -math.inf


def test_critical__of_nobody__is_refused() -> None:
    with pytest.raises(InputError):
        paper.critical_supremum([Bid(0, 1, 1)], 5, 1)
    with pytest.raises(InputError):
        paper.critical_infimum([Bid(0, 1, 1)], -1, 0)
