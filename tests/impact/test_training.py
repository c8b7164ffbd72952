from __future__ import annotations

import numpy as np
import pytest
import torch

from oracles.impact import Recipe, training
from oracles.impact.corpus import build_pool
from oracles.impact.estimators import block_derivatives
from oracles.impact.model import GPT, LanguageModel
from oracles.impact.training import Trainer, mean_gradient, mean_loss, schedule
from tests.impact.worlds import EVALUATION, SEED_CORPUS, SUBMISSIONS

RECIPE = Recipe(steps=40, batch=16, learning_rate=1e-2)
BY_PASSES = Recipe(epochs=2, batch=16, learning_rate=1e-2)


@pytest.fixture(scope="module")
def pool():
    return build_pool(SEED_CORPUS, SUBMISSIONS, EVALUATION, context=16, vocabulary=300)


@pytest.fixture(scope="module")
def model():
    module = GPT(300, 16, 8, 1, 2).double()
    module.initialise(3)
    return LanguageModel(module)


@pytest.mark.parametrize("recipe", [RECIPE, BY_PASSES])
def test_adjoint__against_finite_differences__equal(pool, model, recipe):
    def value(weights):
        theta = Trainer(model, pool.training, recipe, 0, weights).run()
        return mean_loss(model, theta, pool.evaluation)[0]

    weights = np.array([1.0, 0.7, 1.0, 1.3])
    trainer = Trainer(model, pool.training, recipe, 0, weights)
    _, slopes = trainer.adjoint(lambda theta: mean_gradient(model, theta, pool.evaluation)[None])
    step = 1e-4
    for owner in range(4):
        shift = step * (np.arange(4) == owner)
        numeric = (value(weights + shift) - value(weights - shift)) / (2 * step)
        assert slopes[0][pool.training.owners == owner].sum() == pytest.approx(numeric, rel=1e-4)


def test_adjoint__hardly_any_memory__same_result_by_replay(pool, model):
    trainer = Trainer(model, pool.training, RECIPE, 0, np.ones(4))

    def end(theta):
        return torch.stack(
            [mean_gradient(model, theta, text) for text in (pool.evaluation, pool.disordered)]
        )

    theta, plenty = trainer.adjoint(end)
    replayed_theta, replayed = trainer.adjoint(end, memory=1)
    assert torch.equal(theta, replayed_theta)
    assert np.array_equal(plenty, replayed)
    assert torch.equal(theta, trainer.run())


def test_adjoint__batch_summed_over_several_passes__same_result(pool, model, monkeypatch):
    trainer = Trainer(model, pool.training, RECIPE, 0, np.array([1.0, 0.7, 1.0, 1.3]))

    def end(theta):
        return torch.stack(
            [mean_gradient(model, theta, text) for text in (pool.evaluation, pool.disordered)]
        )

    theta, slopes = trainer.adjoint(end)
    monkeypatch.setattr(training, "CHUNK", 5)
    chunked_theta, chunked = trainer.adjoint(end)
    assert torch.allclose(chunked_theta, theta, rtol=1e-9)
    assert chunked == pytest.approx(slopes, rel=1e-7)


def test_adjoint__stopped_early__derivative_of_the_model_that_is_kept(pool, model):
    trainer = Trainer(model, pool.training, RECIPE, 0, np.ones(4))
    kept = []

    def worse_after_half(theta):
        kept.append(theta)
        return float(abs(len(kept) - 2))

    def end(theta):
        return torch.stack(
            [mean_gradient(model, theta, text) for text in (pool.evaluation, pool.disordered)]
        )

    theta, slopes = trainer.adjoint(end, worse_after_half)
    assert torch.equal(theta, kept[1])
    for memory in (1, 40 * 3 * model.theta.nbytes // 3):
        kept.clear()
        again, replayed = trainer.adjoint(end, worse_after_half, memory=memory)
        assert torch.equal(again, theta)
        assert np.array_equal(replayed, slopes)
    kept.clear()
    assert torch.equal(trainer.run(worse_after_half), theta)


def test_schedule__owner_left_out__keeps_the_relative_order_of_the_others(pool):
    full = np.concatenate(schedule(pool.training, np.ones(4, bool), BY_PASSES, 5))
    keep = np.array([True, False, True, True])
    subset = np.concatenate(schedule(pool.training, keep, BY_PASSES, 5))
    assert np.array_equal(full[keep[pool.training.owner[full]]], subset)
    other = np.concatenate(schedule(pool.training, np.ones(4, bool), BY_PASSES, 6))
    assert not np.array_equal(full, other)


@pytest.mark.parametrize("keep", [[True, True, True, True], [True, False, False, False]])
def test_schedule__any_subset__same_number_of_full_steps(pool, keep):
    steps = schedule(pool.training, np.array(keep), RECIPE, 0)
    assert [len(step) for step in steps] == [16] * 40
    assert set(np.concatenate(steps)) == set(np.flatnonzero(np.array(keep)[pool.training.owner]))


def test_batch_size__large_pool__grows_until_all_is_read_once():
    assert Recipe().batch_size(100) == 16
    assert Recipe().batch_size(400 * 20) == 20
    assert Recipe(epochs=1).batch_size(400 * 20) == 16


def test_rate__over_a_run__rises_to_the_peak_and_falls():
    rates = [RECIPE.rate(step, 100) for step in range(100)]
    assert max(rates) == pytest.approx(RECIPE.learning_rate)
    peak = rates.index(max(rates))
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0 < rates[-1] < 0.05 * RECIPE.learning_rate


def test_run__some_steps__evaluation_loss_falls(pool, model):
    before = mean_loss(model, model.theta, pool.evaluation)[0]
    theta = Trainer(model, pool.training, RECIPE, 0, np.ones(4)).run()
    assert mean_loss(model, theta, pool.evaluation)[0] < before - 0.5


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_mean_gradient_and_loss__any_batch_size__same_numbers(pool, model, batch):
    theta = model.theta
    expected = mean_gradient(model, theta, pool.evaluation, 64)
    assert torch.allclose(mean_gradient(model, theta, pool.evaluation, batch), expected, rtol=1e-9)
    loss, blocks = mean_loss(model, theta, pool.evaluation, batch)
    assert loss == pytest.approx(mean_loss(model, theta, pool.evaluation)[0], rel=1e-12)
    assert blocks.sum() / pool.evaluation.sizes.sum() == pytest.approx(loss)


def test_block_derivatives__along_a_direction__equal_to_finite_differences(pool, model):
    direction = torch.randn(
        model.theta.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    slopes = block_derivatives(model, model.theta, direction, pool.evaluation)
    step = 1e-5
    up = mean_loss(model, model.theta + step * direction, pool.evaluation)[1]
    down = mean_loss(model, model.theta - step * direction, pool.evaluation)[1]
    assert slopes == pytest.approx((up - down) / (2 * step), rel=1e-4)


def test_initialise__seeds__reproducible_and_different():
    def theta(seed):
        module = GPT(300, 16, 8, 1, 2)
        module.initialise(seed)
        return LanguageModel(module).theta

    assert torch.equal(theta(1), theta(1))
    assert not torch.equal(theta(1), theta(2))
