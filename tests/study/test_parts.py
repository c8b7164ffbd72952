"""Parts of a study against answers that are known."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.dataset import Document
from oracles.errors import InputError
from oracles.mechanism import Bid
from oracles.study import charts, maps, tables
from oracles.study.additive import (
    _withholding,
    aversion,
    coalitions,
    cost_lies,
    large_markets,
    overspending,
    preferences,
)
from oracles.study.effort import Game, equilibrium
from oracles.study.lies import attacked, attacks
from oracles.study.market import Market, optimum, purchase
from oracles.study.plan import RULES
from oracles.study.statistics import holm, interval, p_value
from oracles.study.value import Surrogate, coverage, fit_surface, fit_surrogate, make_design
from oracles.study.world import Texts, draw_costs, draw_world
from tests.impact.worlds import NORTH, SEED_CORPUS, write
from tests.study.worlds import PLAN, TEXTS


def test_world__same_seed_same_world__another_seed_another() -> None:
    first, again = (draw_world(TEXTS, PLAN, 0) for _ in range(2))
    assert first == again
    assert first != draw_world(TEXTS, replace(PLAN, seed=2), 0)
    assert len(first.damage) == 1
    assert draw_costs(first, PLAN, 0, 0) != draw_costs(first, PLAN, 0, 0, prior=True)
    held = {d.text for d in first.part_a} & {d.text for d in first.part_b}
    assert not held
    few = Texts(SEED_CORPUS, TEXTS.evaluation, {"a": write(1, NORTH, 2)})
    with pytest.raises(InputError, match="four"):
        draw_world(few, PLAN, 0)


def docs(*texts: str) -> list[Document]:
    return [Document(text) for text in texts]


SUBMISSIONS = {
    "a": docs("red green blue red"),
    "b": docs("green yellow", "green yellow pink"),
    "c": docs("nothing that counts"),
    "d": docs("yellow blue pink", "red red blue"),
}
HELD_OUT = docs("red green green red blue", "yellow yellow blue pink pink", "white")


def values() -> list[Any]:
    has, worth = coverage(SUBMISSIONS, HELD_OUT)
    return [
        Surrogate(0.5, 3.0, (0.4, 0.1, 0.0, 0.5), 0.3, has, worth),
        make_design(SUBMISSIONS, HELD_OUT),
    ]


@pytest.mark.parametrize("value", values())
def test_value__every_pair_of_sets__is_monotone_and_submodular(value: Any) -> None:
    assert value(frozenset()) == 0
    sets = [frozenset(c) for size in range(5) for c in combinations(range(4), size)]
    for small in sets:
        for large in (s for s in sets if small <= s):
            for new in set(range(4)) - large:
                gain = value(large | {new}) - value(large)
                assert gain >= 0
                assert gain <= value(small | {new}) - value(small) + 2  # integers are rounded


def test_coverage__counts_words_that_are_asked_for_twice() -> None:
    has, worth = coverage(SUBMISSIONS, HELD_OUT)
    assert worth.sum() == pytest.approx(1)
    assert has.sum(1).tolist() == [3, 3, 0, 4]  # red, green, blue, yellow, pink; "white" is alone


def test_surrogate__fitted_to_its_own_values__is_found_again() -> None:
    has, worth = coverage(SUBMISSIONS, HELD_OUT)
    truth = Surrogate(0.4, 10.0, (0.3, 0.2, 0.0, 0.5), 0.2, has, worth)
    sets = [(), (0,), (1,), (1, 2), (0, 3), (0, 1), (0, 1, 2, 3)]
    gains = [truth(frozenset(s)) / 1e6 for s in sets]
    found, r2 = fit_surrogate([3.0, 2.0, -1.0, 5.0], has, worth, sets, gains)
    assert r2 == pytest.approx(1, abs=1e-6)
    assert found.scale == pytest.approx(0.4, rel=1e-3)
    assert found.bend == pytest.approx(10.0, rel=1e-6)
    assert found.cover == pytest.approx(0.2, rel=1e-3)


def test_surface__of_a_known_world__tells_sets_that_it_never_saw() -> None:
    rng = np.random.default_rng(1)
    shares = np.array([0.8, 0.5, 0.3, 0.2, 0.1, 0.0, -0.1, -0.2])

    def gain(chosen: tuple[int, ...]) -> float:
        return float(0.4 * np.log1p(shares[list(chosen)].sum())) if chosen else 0.0

    every = [c for size in range(9) for c in combinations(range(8), size)]
    seen = [every[k] for k in rng.permutation(len(every))[:60]]
    surface = fit_surface(seen, [gain(s) for s in seen], 8)
    assert surface.r2 > 0.9
    unseen = [c for c in every if c not in seen]
    wrong = [surface(c) - gain(c) for c in unseen]
    assert np.sqrt(np.mean(np.square(wrong))) < 0.05
    assert surface(()) == 0


def test_interval__by_hand__worlds_are_the_units() -> None:
    clusters = {(world, draw): [0.1, 0.3] for world in range(2) for draw in range(3)}
    assert interval(clusters) == pytest.approx((0.2, 0.2, 0.2))
    mean, low, high = interval({(0, 0): [1.0], (1, 0): [3.0]})
    assert low is not None
    assert high is not None
    assert mean == 2
    assert high - mean == pytest.approx(12.706, abs=1e-3)  # t with one degree of freedom, 12.706·1
    assert interval({(0, 0): [1.0]}) == (1.0, None, None)
    # One world: its cost draws are the units.
    assert interval({(0, 0): [1.0], (0, 1): [3.0]}) == pytest.approx((2.0, low, high))


def test_p_value__by_hand() -> None:
    assert p_value({(0, draw): [9.0 + draw] for draw in range(3)}, 0.0) == 1.0  # one world
    assert p_value({(k, 0): [0.125] for k in range(3)}, 0.0) == 0.0
    assert p_value({(k, 0): [0.0] for k in range(3)}, 0.0) == 1.0  # the same is not better
    assert p_value({(k, 0): [0.0] for k in range(3)}, 0.02) == 0.0  # but not worse by 0.02
    assert p_value({(0, 0): [1.0], (1, 0): [3.0]}, 0.0) == pytest.approx(np.arctan(0.5) / np.pi)


def test_interval__worlds_that_differ__covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = bootstrap = wrong = 0
    rounds = 800
    for _ in range(rounds):
        worlds = 0.05 * rng.standard_normal(8)
        drawn = worlds[:, None] + 0.03 * rng.standard_normal((8, 3))
        clusters = {(w, d): [drawn[w, d]] for w in range(8) for d in range(3)}
        _, low, high = interval(clusters)
        assert low is not None
        assert high is not None
        covered += low <= 0 <= high
        wrong += p_value(clusters, 0.0) <= 0.05
        means = drawn.mean(1)
        ends = np.quantile(rng.choice(means, (200, 8)).mean(1), [0.025, 0.975])
        bootstrap += ends[0] <= 0 <= ends[1]
    assert 0.93 < covered / rounds < 0.97
    assert wrong / rounds < 0.07
    assert bootstrap / rounds < 0.93  # why Student's t is used


def test_holm__textbook_values() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_multipliers__straight_lines__by_hand() -> None:
    plan = replace(PLAN, budgets=(0.2, 0.4), rules=("qmia", "volume", "trust", "uniform"))
    losses = {"qmia": (5.0, 4.0), "volume": (6.0, 4.5), "trust": (6.0, 3.0), "uniform": (6.0, 5.5)}
    markets = [
        {
            "regime": regime,
            "world": 0,
            "draw": 0,
            "budget": budget,
            "loss": {rule: pair[place] for rule, pair in losses.items()},
        }
        for regime in ("fixed", "one pass")
        for place, budget in enumerate((0.2, 0.4))
    ]
    found = {r["rule"]: r for r in tables.multipliers(markets, plan) if r["regime"] == "fixed"}
    assert found["volume"]["share"] == pytest.approx(0.75)
    assert found["trust"]["share"] is None
    assert (found["uniform"]["share"], found["uniform"]["at_most"]) == (0.5, True)
    worse = [{**row, "world": 1, "loss": {**row["loss"], "qmia": 9.0}} for row in markets]
    (row,) = [
        r
        for r in tables.multipliers([*markets, *worse], plan)
        if (r["regime"], r["rule"]) == ("fixed", "volume")
    ]
    assert row["least"] == pytest.approx(0.75)  # without the second world
    assert row["most"] is None  # without the first one Q-MIA never gets there


def market(n: int = 4) -> Market:
    return Market(
        [10] * n, [10] * n, 20, [5000] * n, [5000] * n, [100] * n, [0.0] * n,
        Surrogate(1.0, 1.0, (1 / n,) * n),
        distinct=[100] * n,
        flagged=[False] * n,
        design=lambda chosen: 1000 * len(chosen),
    )  # fmt: skip


def test_game__q_pays_for_cleaning__volume_does_not() -> None:
    game = Game(
        base=[100, 100, 100, 100],
        q=[[1000] * 4, [3000] * 4, [9000] * 4],
        bounds=[[0.5] * 4, [0.8] * 4, [1.0] * 4],
        volume=[[100] * 4] * 3,
        market=replace(market(), budget=800),
    )
    clean, stable = equilibrium(game, "qmia")
    assert stable
    assert clean == [2, 2, 2, 2]
    assert equilibrium(game, "volume") == ([0, 0, 0, 0], True)


@pytest.mark.parametrize("rule", RULES)
def test_purchase__every_rule__pays_at_least_the_cost_within_the_budget(rule: str) -> None:
    found = replace(
        market(), costs=[3, 6, 9, 12], q=[9000, 5000, 7000, 1], phi=[9000, 8000, 0, 10_000]
    )
    paid = purchase(rule, found)
    assert paid or rule == "large", rule  # made for many small providers
    assert sum(paid.values()) <= found.budget
    assert all(paid[k] >= found.costs[k] for k in paid)


def test_tranche__a_flagged_provider__is_bought_from_its_own_money() -> None:
    found = replace(
        market(), costs=[1, 1, 1, 4], flagged=[False, False, False, True], budget=20,
        q=[9000, 9000, 9000, 900],
    )  # fmt: skip
    assert 3 not in purchase("qmia", found)
    assert 3 in purchase("tranche", found)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=5, max_size=5), st.integers(5, 60))
def test_optimum__small_markets__is_near_the_best_of_all_sets(
    costs: list[int], budget: int
) -> None:
    value = Surrogate(1.0, 5.0, (0.1, 0.15, 0.2, 0.25, 0.3))
    found = optimum(replace(market(5), costs=costs, budget=budget, surrogate=value))
    assert sum(found.values()) <= budget
    sets = [frozenset(c) for size in range(6) for c in combinations(range(5), size)]
    best = max(value(s) for s in sets if sum(costs[k] for k in s) <= budget)
    assert value(frozenset(found)) >= 0.85 * best


def test_hindsight__buys_at_the_price_that_is_best() -> None:
    found = replace(market(), costs=[2, 4, 9, 50], typical=[1, 1, 1, 1], budget=20)
    assert purchase("trust", found) == {}
    assert purchase("hindsight", found) in ({0: 9, 2: 9}, {0: 4, 1: 4}, {0: 9, 1: 9})


def test_attacks__identities_stand_in_the_attackers_place_and_share_its_cost() -> None:
    world = draw_world(TEXTS, PLAN, 0)
    honest, three = attacks(world, TEXTS, ["three identities"])
    assert honest.submissions == world.providers
    assert len(three.submissions) == len(world.providers) + 2
    first = honest.places[0]
    assert three.places == (first, first + 1, first + 2)
    sold = [d for k in three.places for d in list(three.submissions.values())[k]]
    assert sorted(d.text for d in sold) == sorted(d.text for d in world.providers[honest.attacker])
    drawn = replace(market(5), costs=[30] * 5)
    scores = {"q": [5000] * 7, "phi": [5000] * 7}
    assert attacked(drawn, three, scores).costs == [*[30] * first, 10, 10, 10, *[30] * (4 - first)]


def test_maps__one_market__agree_with_the_rule_itself() -> None:
    surface = fit_surface([(), (0,), (1,), (0, 1, 2, 3)], [0.0, 0.1, 0.2, 0.3], 4)
    found = replace(market(), costs=[3, 6, 9, 12], q=[9000, 5000, 7000, 1], phi=[9000, 8000, 10, 9])
    influence = [1.0, 0.9, 0.5, 0.2]
    scores = {
        "influence": influence,
        "error": [0.1] * 4,
        "bounds": [v - 0.1 for v in influence],
        "by_seed": [],
    }
    made = maps.make([((surface, scores), [found])], replace(PLAN, phi_seeds=()))
    (one,) = [r["gain"] for r in made["exponents"] if (r["eta"], r["gamma"]) == (1, 1)]
    assert one == pytest.approx(surface(tuple(purchase("qmia", found))))
    still = [r for r in made["noise"] if (r["what"], r["value"]) == ("log-normal noise, σ", "0")]
    assert still[0]["gain"] == pytest.approx(one)
    assert made["families"][0]["gain"] == pytest.approx(one)
    assert made["liquidity"][0] == {"rho": 1.0, "gain": pytest.approx(one), "sets": 2.0}
    assert made["literal"]["clock"] == pytest.approx(one)
    assert [r["correlation"] for r in made["correlation"]] == list(maps.CORRELATIONS)


def test_simulations__clock_survives_what_others_do_not() -> None:
    plan = replace(PLAN, markets=40)
    rows = {row["rule"]: row for row in cost_lies(plan)}
    untruthful = {"pay as bid", "pay by value", "price best in hindsight"}
    for name, row in rows.items():
        assert (row["with_a_profitable_lie"] > 0) == (name in untruthful), name
        assert row["overspent_markets"] == 0
    over = overspending(replace(plan, markets=10))
    assert over["mean"] > 1
    assert max(over["clock"]) <= 1
    shares = [row for row in large_markets(replace(plan, markets=3)) if row["providers"] >= 50]
    assert all(0.3 < row["least"] <= row["mean"] <= 1 for row in shares)


def test_coalitions__gain_together_only__and_withholding_as_in_the_mechanism_page() -> None:
    rows = coalitions(replace(PLAN, markets=30))
    assert all(row["all_gain"] == 0 for row in rows)
    assert any(row["gain_together"] > 0 for row in rows)
    assert all(row["above_the_bound"] == 0 for row in rows)
    # mechanism.md §2.4: revealing both earns 4, withholding the second 8.
    gain, bound = _withholding([Bid(0, 0, 1), Bid(1, 4, 1)], [0, 1], 8)
    assert gain == 4
    assert bound >= 4


def test_preferences_and_aversion__shipped_pay_does_not_depend_on_rho() -> None:
    plan = replace(PLAN, markets=8)
    rows = preferences(plan)
    for theta in ("low", "middle", "high"):
        shipped = [row["shipped"] for row in rows if row["theta"] == theta]
        assert max(shipped) - min(shipped) < 1e-4  # rounding
    averse = {(row["aversion"], row["rho"]): row for row in aversion(plan)}
    assert averse[0.0, 0.0]["rate"] == pytest.approx(1.0)
    assert averse[2.0, 0.0]["rate"] == pytest.approx(0.36)  # 1/mean(1/0.2, 1/1.8)
    assert averse[2.0, 0.0]["weight_bought"] < averse[2.0, 0.4]["weight_bought"] < 1


def test_ticks__are_round_numbers_inside_the_ends() -> None:
    assert charts.ticks(0, 1) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert charts.ticks(-0.013, 0.052) == pytest.approx([-0.01, 0, 0.01, 0.02, 0.03, 0.04, 0.05])
    for low, high in ((-3.1, 7.7), (0.001, 0.0013), (5, 5000)):
        found = charts.ticks(low, high)
        assert 2 <= len(found) <= 7
        assert all(low - 1e-6 <= tick <= high + 1e-6 for tick in found)
