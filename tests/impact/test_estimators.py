from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from oracles.dataset import Document
from oracles.errors import InputError
from oracles.impact import attacks, estimators
from oracles.impact.estimate import make_model, make_pool
from oracles.impact.estimators import Curvature
from oracles.impact.problem import QUADRATURE, Problem
from oracles.impact.retraining import Utility
from tests.impact.worlds import EVALUATION, NORTH, SEED_CORPUS, SOUTH, SUBMISSIONS, TINY, write


@pytest.fixture(scope="module")
def pool():
    return make_pool(SEED_CORPUS, SUBMISSIONS, EVALUATION, TINY.model)


def problem(pool, share=1.0, order=0.0):
    return Problem(make_model(TINY.model, 0), pool, TINY.recipe, 0, share, order)


@pytest.mark.parametrize("share", [1.0, 0.0])
@pytest.mark.parametrize("name", [n for n in estimators.ESTIMATORS if n != "shapley"])
def test_estimator__two_dialects__wanted_one_is_worth_more(pool, name, share):
    found = estimators.run(name, problem(pool, share))
    north, south, small = found.providers
    assert north > south
    assert north > small > 0
    if found.blocks is not None:
        sums = np.bincount(pool.training.owners, found.blocks, minlength=4)
        assert sums[1:] == pytest.approx(found.providers)
        assert sums[0] == 0


def test_weight__any_size_of_the_pool__submissions_hold_their_share(pool):
    many = {f"{name} {k}": write(60 + k, NORTH, 12) for k in range(6) for name in ("a", "b")}
    for each in (pool, make_pool(SEED_CORPUS, many, EVALUATION, TINY.model)):
        submitted = each.volumes.sum()
        public = each.training.sizes.sum() - submitted
        for share in (0.0, 0.2, 0.5, 0.9):
            weighted = problem(each, share).weight * submitted
            in_full = submitted / (submitted + public)
            assert weighted / (weighted + public) == pytest.approx(share * in_full)
        assert problem(each, 1.0).weight == 1.0


def test_unrolled__fixed_compute__influence_times_weight_adds_up_to_zero(pool):
    double = make_model(TINY.model, 0)
    double.module.double()
    double.theta = double.theta.double()
    task = replace(problem(pool, 0.3, 0.75), model=double)
    _, slopes = task.trainer().adjoint(task.gradients)
    assert slopes.shape == (2, len(pool.training.owners))
    for row in slopes * np.where(pool.training.owners > 0, task.weight, 1.0):
        assert abs(row.sum()) < 1e-3 * np.abs(row).sum()


def test_quadrature__polynomials_of_twice_as_many_terms__are_integrated_exactly():
    for points, rule in QUADRATURE.items():
        for power in range(2 * points):
            assert sum(part * at**power for at, part in rule) == pytest.approx(1 / (power + 1))


def test_path__any_number_of_points__covers_the_weights_from_none_to_full(pool):
    for points, off in ((1, 0.5), (2, 0.1), (3, 0.02)):
        path = problem(pool).path(points)
        assert sum(length for _, length in path) == pytest.approx(1.0, abs=off)
        weights = [point.weight for point, _ in path]
        assert len(weights) == points
        assert 0 < weights[0] <= weights[-1] < 1


def test_aumann_shapley__no_order__adds_up_to_the_gain_between_the_ends_of_the_path(pool):
    task = problem(pool)
    none, everything = (
        end.evaluation_loss(end.trainer().run(end.evaluation_loss))
        for end in (replace(task, share=share) for share in (0.0, 1.0))
    )
    found = estimators.aumann_shapley(task)
    assert found.providers.sum() == pytest.approx(none - everything, rel=0.02)
    north, south, small = found.providers
    assert north > small > south


def test_aumann_shapley__two_identities__together_worth_as_much_as_one(pool):
    north = SUBMISSIONS["north"]
    split = {"a": north[::2], "b": north[1::2]} | {
        name: documents for name, documents in SUBMISSIONS.items() if name != "north"
    }
    other = make_pool(SEED_CORPUS, split, EVALUATION, TINY.model)
    one, two = (estimators.aumann_shapley(problem(each)).providers for each in (pool, other))
    assert two[0] + two[1] == pytest.approx(one[0], rel=0.05)
    assert two[2:] == pytest.approx(one[1:], rel=0.05, abs=0.05 * one[0])


def test_gradients__with_disordered_text__are_the_slopes_of_both_losses(pool):
    double = make_model(TINY.model, 0)
    double.module.double()
    double.theta = double.theta.double()
    task = replace(problem(pool, order=0.75), model=double)
    direction = torch.randn(
        double.theta.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    step = 1e-5
    up, down = (task.losses(double.theta + sign * step * direction) for sign in (1, -1))
    slopes = (task.gradients(double.theta) @ direction).numpy()
    assert slopes == pytest.approx((up - down) / (2 * step), rel=1e-4)
    assert len(problem(pool).gradients(task.model.theta)) == 1


def grammatical(seed: int, documents: int) -> list[Document]:
    """Documents over forty words, each of which may be followed by two others."""
    return write(seed, NORTH[:40], documents, follow=2)


def test_unrolled__bag_of_the_wanted_words__is_paid_only_if_order_does_not_count():
    rng = np.random.default_rng(0)
    bag = [Document(" ".join(rng.choice(NORTH[:40], 40))) for _ in range(10)]
    pool = make_pool(
        grammatical(10, 4) + write(11, SOUTH, 4),
        {"text": grammatical(30, 10), "bag": bag},
        grammatical(20, 6),
        TINY.model,
        deduplicate=False,
    )
    for order in (0.0, 0.85):
        text, words = estimators.unrolled(problem(pool, 0.5, order)).providers
        assert text > 0
        assert (words > 0.1 * text) == (order == 0)


PADDING = (
    "random characters",
    "noise in a fifth of the letters",
    "boilerplate",
    "bag of words",
    "word salad in title case",
    "Mad-Libs",
    "text without its longer words",
)


def padded_pool(attack: str, held_out: int = 20):
    """Text in one provider, what an attack adds to it in another; held-out text of some seed."""
    world = attacks.World(
        grammatical(30, 10),
        grammatical(34, 10),
        grammatical(35, 10),
        grammatical(31, 10),
        grammatical(10, 4) + write(11, SOUTH, 4),
        grammatical(held_out, 6),
    )
    padded = attacks.ATTACKS[attack](world, np.random.default_rng(0))[0]
    return make_pool(
        world.seed,
        {"text": world.honest, "padding": padded[len(world.honest) :]},
        world.held_out,
        TINY.model,
        deduplicate=False,
    )


@pytest.mark.parametrize("attack", PADDING)
def test_unrolled__padding__is_worth_less_than_a_fifth_of_text(attack):
    found = []
    for held_out in (20, 21, 22):
        pool = padded_pool(attack, held_out)
        half_of_the_tokens = 0.5 / problem(pool).held
        found.append(estimators.unrolled(problem(pool, half_of_the_tokens, 0.85)).providers)
    text, padding = np.mean(found, axis=0)
    assert padding < 0.2 * text


@pytest.mark.parametrize("attack", PADDING)
def test_aumann_shapley__padding__is_worth_less_than_a_fifth_of_text(attack):
    text, padding = estimators.aumann_shapley(problem(padded_pool(attack), order=0.85)).providers
    assert padding < 0.2 * text


def test_part_of_words__worse_on_disordered_text__earns_nothing(pool):
    task = problem(pool, order=0.5)
    gains = np.array([[2.0, 2.0, -1.0], [1.0, -4.0, -4.0]])
    part = task.part_of_words(gains)
    assert (gains[0] - part * gains[1]).tolist() == [1.5, 2.0, -1.0]


def test_shapley__no_truncation__values_sum_to_the_gain_of_all(pool):
    found = estimators.shapley(problem(pool), truncation=0.0, most=6)
    assert found.providers.sum() == pytest.approx(found.log["value_of_all"])
    assert found.providers[0] > found.providers[1]


def test_shapley__loose_tolerance__stops_at_the_least_number(pool):
    assert estimators.shapley(problem(pool), tolerance=9.0).log["permutations"] == 4
    assert estimators.shapley(problem(pool), tolerance=0.0, most=8).log["permutations"] == 8


def test_ablation__leave_one_out__is_the_difference_of_two_trainings(pool):
    utility = Utility(problem(pool))
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
    real = torch.from_numpy(tiny_pool.training.block[curvature.rows] >= 0)
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
    assert max(log["residuals"]) <= 1e-2
    assert log["damping"] > 0


def test_run__unknown_name__input_error(pool):
    with pytest.raises(InputError, match="no estimator is called 'magic'"):
        estimators.run("magic", problem(pool))
