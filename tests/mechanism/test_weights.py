"""Weights: the known values, the distance to the truth, and the EVM's own arithmetic."""

from __future__ import annotations

import hashlib
import random
from itertools import pairwise
from typing import TYPE_CHECKING

import mpmath
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oracles.errors import InputError
from oracles.mechanism.weights import (
    GRID,
    UINT64_MAX,
    WAD,
    Family,
    WeightRule,
    exp_wad,
    ln_wad,
    pow_wad,
)
from tests.mechanism.strategies import checked

if TYPE_CHECKING:
    from collections.abc import Iterator

mpmath.mp.dps = 60

#: (family, η, γ, κ, q, φ), all integers.
Input = tuple[Family, int, int, int, int, int]


def rule_of(family: Family, eta: int = WAD, gamma: int = WAD, kappa: int = 0) -> WeightRule:
    return WeightRule(family, eta=eta, gamma=gamma, kappa=kappa)


def weight_inputs(count: int, seed: int = 1) -> Iterator[Input]:
    """Inputs that a contract must weigh exactly as `WeightRule` does: corners first, then random.

    Args:
        count: how many random ones.
        seed: of the random ones.
    """
    grid = (0, 1, 9, 10, 5000, 9999, 10000)
    exponents = (0, 1, WAD // 2, WAD - 1, WAD, WAD + 1, 2 * WAD)
    for q in grid:
        for phi in grid:
            yield Family.SQRT, WAD, WAD, 0, q, phi
            yield Family.LOG1P, WAD, WAD, 0, q, phi
            for eta in exponents:
                for gamma in exponents:
                    yield Family.POWER, eta, gamma, 0, q, phi
                    yield Family.POWER, eta, gamma, WAD // 10, q, phi
    rng = random.Random(seed)
    for _ in range(count):
        family = rng.choice(list(Family))
        eta, gamma, kappa = WAD, WAD, 0
        if family is Family.POWER:
            eta, gamma = rng.randrange(3 * WAD), rng.randrange(3 * WAD)
            kappa = rng.choice((0, rng.randrange(WAD)))
        yield family, eta, gamma, kappa, rng.randrange(GRID + 1), rng.randrange(GRID + 1)


def test_weight_inputs__all__are_accepted() -> None:
    """A contract test may feed every one of them to both sides."""
    for family, eta, gamma, kappa, q, phi in weight_inputs(200):
        assert 1 <= rule_of(family, eta, gamma, kappa).weight(q, phi) <= UINT64_MAX


# --- known values ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "ln"),
    [
        (WAD, 0),
        (2 * WAD, 693147180559945309),
        (10 * WAD, 2302585092994045683),
        (1, -41446531673892822313),
        (2718281828459045235, 999999999999999999),
    ],
)
def test_ln_wad__known_value__is_exact(x: int, ln: int) -> None:
    assert ln_wad(x) == ln


@pytest.mark.parametrize(
    ("x", "exp"),
    [
        (0, WAD),
        (WAD, 2718281828459045235),
        (-WAD, 367879441171442321),
        (-41446531673892822313, 0),
        (-41446531673892822312, 1),
    ],
)
def test_exp_wad__known_value__is_exact(x: int, exp: int) -> None:
    assert exp_wad(x) == exp


def test_pow_wad__special_exponents__are_exact() -> None:
    assert [pow_wad(0, 0), pow_wad(123, 0)] == [WAD, WAD]
    assert [pow_wad(0, WAD), pow_wad(123456789, WAD)] == [0, 123456789]
    assert pow_wad(0, 2 * WAD) == 0


def test_weight__original_rule__is_the_product() -> None:
    """§4.2: η = γ = 1, κ = 0 is the original rule, w = q·φ without any rounding."""
    rule = WeightRule()
    assert rule.weight(9000, 5000) == 45 * WAD // 100
    assert rule.weight(1, 1) == WAD // 10**8


def test_weight__gamma_zero__ignores_impact() -> None:
    rule = WeightRule(Family.POWER, gamma=0)
    assert {rule.weight(7000, phi) for phi in range(0, GRID + 1, 500)} == {7 * WAD // 10}


def test_weight__formula_rounds_to_zero__is_one() -> None:
    assert WeightRule(Family.POWER, eta=10 * WAD).weight(1, 1) == 1


def test_weights__of_all_inputs__are_those_of_the_evm() -> None:
    """Digest of what Solady 0.1.26, compiled by solc 0.8.30, returned for the same inputs."""
    digest = hashlib.sha256()
    for family, eta, gamma, kappa, q, phi in weight_inputs(2000):
        digest.update(rule_of(family, eta, gamma, kappa).weight(q, phi).to_bytes(8, "big"))
    assert digest.hexdigest() == "ca20ddaff8e0d80a6e7a4bee2619dc7d24693090f95e9dd7284c062e05780ee2"


# --- distance to the true values ------------------------------------------------------------------


@checked
@given(st.integers(1, 2**128))
@example(1)
@example(WAD - 1)
@example(WAD + 1)
def test_ln_wad__against_high_precision__is_within_1_1_units(x: int) -> None:
    true = mpmath.log(mpmath.mpf(x) / WAD) * WAD
    assert abs(ln_wad(x) - true) < 1.1


@checked
@given(st.integers(-41 * WAD, 130 * WAD))
def test_exp_wad__against_high_precision__is_within_1_2_units_and_2e_20(x: int) -> None:
    true = mpmath.exp(mpmath.mpf(x) / WAD) * WAD
    assert abs(exp_wad(x) - true) <= 1.2 + true * 2e-20


@checked
@given(
    st.integers(1, GRID),
    st.integers(0, GRID),
    st.integers(0, 3 * WAD),
    st.integers(0, 3 * WAD),
    st.integers(0, WAD),
)
def test_power_weight__against_high_precision__is_off_by_at_most_80_units(
    q: int, phi: int, eta: int, gamma: int, kappa: int
) -> None:
    """ln is off by a unit, times an exponent ≤ 3, times a result ≤ 8, on either factor."""
    if phi == 0 == kappa and gamma:
        return
    true = mpmath.mpf(1)
    if eta:
        true *= mpmath.power(mpmath.mpf(q) / GRID, mpmath.mpf(eta) / WAD)
    if gamma:
        base = mpmath.mpf(phi) / GRID + mpmath.mpf(kappa) / WAD
        true *= mpmath.power(base, mpmath.mpf(gamma) / WAD)
    weight = rule_of(Family.POWER, eta, gamma, kappa).weight(q, phi)
    assert abs(weight - true * WAD) <= 80


@checked
@given(st.integers(1, GRID), st.integers(1, GRID))
def test_concave_weights__against_high_precision__are_off_by_less_than_two_units(
    q: int, phi: int
) -> None:
    root = WeightRule(Family.SQRT).weight(q, phi)
    assert root**2 <= q * phi * (WAD // GRID) ** 2 < (root + 1) ** 2
    x = mpmath.mpf(q * phi) / GRID**2
    assert abs(WeightRule(Family.LOG1P).weight(q, phi) - mpmath.log1p(x) * WAD) < 2


# --- shape ----------------------------------------------------------------------------------------


@checked
@given(
    st.sampled_from(Family),
    st.tuples(st.integers(0, 3 * WAD), st.integers(0, 3 * WAD), st.integers(0, WAD)),
    st.integers(0, GRID - 1),
    st.integers(0, GRID),
)
def test_weight__more_quality__never_weighs_less(
    family: Family, parameters: tuple[int, int, int], q: int, phi: int
) -> None:
    rule = rule_of(family, *(parameters if family is Family.POWER else ()))
    assert rule.weight(q, phi) <= rule.weight(q + 1, phi)
    assert rule.weight(phi, q) <= rule.weight(phi, q + 1)


def test_weight__more_quality_by_a_grid_step__weighs_more() -> None:
    """Lemma 4 is strict: the fixed point resolves every grid step, even at the floor of φ."""
    for rule in (WeightRule(), WeightRule(Family.SQRT), WeightRule(Family.LOG1P)):
        weights = [rule.weight(q, 10) for q in range(1, GRID + 1)]
        assert all(a < b for a, b in pairwise(weights))


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        (Family.POWER, -1, WAD, 0),
        (Family.POWER, WAD, 2**64, 0),
        (Family.POWER, WAD, WAD, 18 * WAD),
        (Family.POWER, WAD, 5 * WAD, WAD),
        (Family.POWER, WAD, 18 * WAD, 18 * WAD),
        (Family.LOG1P, WAD, WAD, -1),
    ],
)
def test_rule__parameters_whose_weights_may_not_fit__are_refused(
    arguments: tuple[Family, int, int, int],
) -> None:
    with pytest.raises(InputError):
        rule_of(*arguments)


@pytest.mark.parametrize(("q", "phi"), [(-1, 0), (0, -1)])
def test_weight__negative_score__is_refused(q: int, phi: int) -> None:
    with pytest.raises(InputError, match="negative"):
        WeightRule().weight(q, phi)


def test_weight__score_above_one__counts_as_one() -> None:
    assert WeightRule().weight(GRID + 1, 2**16 - 1) == WAD


def test_rule__concave_family__ignores_exponents() -> None:
    plain, odd = WeightRule(Family.SQRT), rule_of(Family.SQRT, 2 * WAD, 0, WAD)
    assert plain.weight(9000, 400) == odd.weight(9000, 400)


@pytest.mark.parametrize("x", [0, -1])
def test_ln_wad__not_positive__is_refused(x: int) -> None:
    with pytest.raises(InputError):
        ln_wad(x)
