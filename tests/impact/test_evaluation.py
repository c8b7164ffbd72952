from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from oracles.errors import InputError
from oracles.impact import baselines, evaluation
from oracles.impact.estimate import make_model, make_pool
from oracles.impact.evaluation import (
    EXACT,
    Plan,
    Scores,
    Truth,
    correlation,
    eligibility,
    evaluate,
    interval,
    noise_ceiling,
    random_halves,
    ranks,
)
from oracles.impact.page import page
from oracles.impact.training import retrain
from tests.impact.worlds import EVALUATION, NORTH, SEED_CORPUS, SOUTH, SUBMISSIONS, TINY, write


def test_correlation__with_ties__equal_to_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, 40).astype(float), rng.integers(0, 6, 40).astype(float)
    assert correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert ranks(np.array([3.0, 1.0, 3.0])).tolist() == [2.5, 1.0, 2.5]
    assert correlation(a, np.ones(40)) == 0.0


def test_noise_ceiling__simulated_noise__is_what_the_signal_itself_reaches():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=4000)
    noisy = signal + rng.normal(size=(3, 4000))
    reached = correlation(signal, noisy.mean(0))
    assert noise_ceiling(noisy) == pytest.approx(reached, abs=0.02)
    assert noise_ceiling(np.tile(signal, (3, 1))) == pytest.approx(1.0)
    assert noise_ceiling(signal[None]) is None


def test_interval__more_subsets__narrower_and_around_the_estimate():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=400)
    noisy = signal + 0.5 * rng.normal(size=(3, 400))
    point, low, high = interval(signal, noisy, 300)
    assert low < point < high
    _, wide_low, wide_high = interval(signal[:30], noisy[:, :30], 300)
    assert high - low < wide_high - wide_low


def test_random_halves__count__distinct_and_of_half_size():
    halves = random_halves(9, 50)
    assert len({tuple(half) for half in halves}) == 50
    assert {len(half) for half in halves} == {4}
    assert random_halves(9, 50)[:20] == random_halves(9, 20)


def test_random_halves__more_than_there_are__input_error():
    assert len(random_halves(4, 6)) == 6
    with pytest.raises(InputError, match="4 providers have only 6 halves"):
        random_halves(4, 7)


def test_truth__second_time__read_from_the_cache(tmp_path):
    pool = make_pool(SEED_CORPUS, SUBMISSIONS, EVALUATION[:3], TINY.model, outcome=EVALUATION[3:])
    told: list[tuple[str, int, int | None]] = []
    first = Truth(pool, TINY, tmp_path, progress=lambda *step: told.append(step), total=3)
    values = first.table([100], [[], [0], [1]])
    assert values.shape == (2, 1, 3)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    again = Truth(pool, TINY, tmp_path)
    assert np.array_equal(again.table([100], [[], [0], [1]]), values)
    assert path.read_bytes() == content
    assert again.seconds == first.seconds > 0
    assert len(again) == 3
    assert told == [("retraining", done, 3) for done in (1, 2, 3)]
    base, north, south = values[1, 0]
    assert north < base
    assert north < south


def test_perplexity__two_dialects__known_one_scores_higher():
    pool = make_pool(write(10, NORTH, 20), SUBMISSIONS, EVALUATION, TINY.model)
    fit = baselines.perplexity(make_model(TINY.model, 0), pool, TINY.recipe, 0)
    assert fit[0] > fit[1]


@pytest.mark.slow
def test_evaluate__small_world__report_with_every_predictor_and_truth(tmp_path):
    rng = np.random.default_rng(0)
    submissions = {
        f"p{k}": write(40 + k, NORTH if k % 2 else SOUTH, int(rng.integers(2, 9))) for k in range(8)
    }
    stages: set[str] = set()

    def run():
        return evaluate(
            SEED_CORPUS,
            submissions,
            write(20, NORTH, 12),
            replace(TINY, seeds=(0,)),
            Plan(subsets=24, bootstrap=50, estimators=("aumann-shapley", "ekfac")),
            cache=tmp_path,
            extra={"constant": lambda pool, _: np.ones(len(pool.providers))},
            progress=lambda stage, _, __: stages.add(stage),
        )

    result = run()
    assert run() == result
    rows = {row["predictor"]: row for row in result["rows"]}
    variants = ("aumann-shapley", "aumann-shapley, words paid in full")
    names = {*variants, "ekfac", "constant", "perplexity", "volume", EXACT}
    assert rows.keys() == names
    for name in ("same", "longer", "larger"):
        assert rows["constant"]["truths"][name]["lds"][0] == 0
        assert rows["aumann-shapley"]["truths"][name]["lds"][0] > 0.7
        assert f"retraining, {name}" in stages
    assert rows[EXACT]["truths"]["same"]["leave_one_out"][0] > 0.9
    assert result["truths"]["larger"]["parameters"] > 5 * result["truths"]["same"]["parameters"]
    assert [row["m"] for row in result["eligibility"]] == [0.0, 0.5, 1.0, 2.0] * 3
    html = page(result)
    assert html.count("<svg") == 5
    assert all(name in html for name in names)


def test_evaluate__interrupted__goes_on_where_it_stopped(tmp_path, monkeypatch):
    trained: list[tuple[int, tuple[int, ...]]] = []

    def retrained(model, sequences, recipe, seed, providers, validation):
        if stop_at is not None and len(trained) == stop_at:
            raise KeyboardInterrupt
        trained.append((seed, tuple(providers)))
        return retrain(model, sequences, recipe, seed, providers, validation)

    monkeypatch.setattr(evaluation, "retrain", retrained)
    plan = Plan(subsets=3, bootstrap=10, estimators=("gradient",), truths=("same",))

    def run(cache):
        return evaluate(
            SEED_CORPUS,
            SUBMISSIONS,
            write(20, NORTH, 6),
            replace(TINY, seeds=(0,)),
            plan,
            cache=cache,
        )

    stop_at: int | None = 7
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped")
    stop_at = None
    resumed = run(tmp_path / "stopped")
    assert len(trained) == len(set(trained))
    first, trained = trained, []
    whole = run(tmp_path / "whole")
    assert sorted(first) == sorted(trained)
    for result in (resumed, whole):
        for row in result["rows"]:
            del row["seconds"]
        del result["truths"]["same"]["seconds"]
    assert resumed == whole


def test_eligibility__larger_m__leaves_more_out():
    gains = np.array([[1.0, 0.5, -1.0], [1.0, 0.5, -1.0]])
    score = Scores(np.array([1.0, 0.1, 0.05]), np.array([0.1, 0.1, 0.1]), 0.0)
    rows = eligibility(score, np.abs(gains), gains)
    assert {row["harmful"] for row in rows if row["effect"] == "alone"} == {0}
    rows = [row for row in rows if row["effect"] == "last"]
    assert [row["helpful_left_out"] for row in rows] == [0, 0, 1, 1]
    assert [row["harmful_paid"] for row in rows] == [1, 0, 0, 0]
