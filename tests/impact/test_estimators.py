from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from oracles.errors import InputError
from oracles.impact import estimators
from oracles.impact.estimate import make_model, make_pool
from oracles.impact.estimators import Curvature, Problem
from tests.impact.worlds import EVALUATION, SEED_CORPUS, SUBMISSIONS, TINY


@pytest.fixture(scope="module")
def pool():
    return make_pool(SEED_CORPUS, SUBMISSIONS, EVALUATION, TINY.model)


def problem(pool, mix=1.0):
    return Problem(make_model(TINY.model, 0), pool, TINY.recipe, 0, mix)


@pytest.mark.parametrize("mix", [1.0, 0.0])
@pytest.mark.parametrize("name", [n for n in estimators.ESTIMATORS if n != "shapley"])
def test_estimator__two_dialects__wanted_one_is_worth_more(pool, name, mix):
    found = estimators.run(name, problem(pool, mix))
    north, south, small = found.providers
    assert north > south
    assert north > small > 0
    if found.documents is not None:
        sums = np.bincount(pool.training.owners, found.documents, minlength=4)
        assert sums[1:] == pytest.approx(found.providers)
        assert sums[0] == 0


def test_shapley__no_truncation__values_sum_to_the_gain_of_all(pool):
    found = estimators.shapley(problem(pool), truncation=0.0, most=6)
    assert found.providers.sum() == pytest.approx(found.log["value_of_all"])
    assert found.providers[0] > found.providers[1]


def test_shapley__loose_tolerance__stops_at_the_least_number(pool):
    assert estimators.shapley(problem(pool), tolerance=9.0).log["permutations"] == 4
    assert estimators.shapley(problem(pool), tolerance=0.0, most=8).log["permutations"] == 8


def test_ablation__leave_one_out__is_the_difference_of_two_trainings(pool):
    utility = estimators.Utility(problem(pool))
    everyone = frozenset({0, 1, 2})
    found = estimators.ablation(problem(pool))
    assert found.providers[1] == utility(everyone) - utility(everyone - {1})
    assert found.log["retrainings"] == 5


def test_curvature__product__equal_to_the_explicit_matrix():
    small = replace(TINY.model, width=2, heads=1, vocabulary=300)
    tiny_pool = make_pool(SEED_CORPUS, SUBMISSIONS, EVALUATION, small)
    task = Problem(make_model(small, 0), tiny_pool, TINY.recipe, 0, 1.0)
    model = task.model
    theta = model.theta
    curvature = Curvature(task, theta, sample=3)
    inputs = torch.from_numpy(tiny_pool.training.tokens[curvature.rows])[:, :-1]
    real = torch.from_numpy(tiny_pool.training.document[curvature.rows] >= 0)
    jacobian = torch.func.jacrev(lambda at: model.logits(at, inputs)[real])(theta)
    p = torch.softmax(model.logits(theta, inputs)[real], -1)
    explicit = torch.zeros(len(theta), len(theta), dtype=torch.float64)
    for rows, probabilities in zip(jacobian.double(), p.double(), strict=True):
        mean = probabilities @ rows
        explicit += rows.T @ (probabilities[:, None] * rows) - torch.outer(mean, mean)
    explicit /= len(p)
    vector = torch.randn(len(theta), generator=torch.Generator().manual_seed(0))
    product = curvature.product(vector)
    assert torch.allclose(product.double(), explicit @ vector.double(), atol=1e-4, rtol=1e-3)
    estimate = curvature.diagonal(probes=400).double()
    exact = explicit.diagonal()
    assert float(torch.corrcoef(torch.stack([estimate, exact]))[0, 1]) > 0.9
    assert float(estimate.mean()) == pytest.approx(float(exact.mean()), rel=0.1)


def test_conjugate_gradient__enough_iterations__reaches_the_tolerance(pool):
    log = estimators.conjugate_gradient(problem(pool), iterations=300, tolerance=1e-2).log
    assert log["residual"] <= 1e-2
    assert log["damping"] > 0


def test_run__unknown_name__input_error(pool):
    with pytest.raises(InputError, match="no estimator is called 'magic'"):
        estimators.run("magic", problem(pool))
