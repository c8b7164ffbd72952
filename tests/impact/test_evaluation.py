from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from oracles.impact import baselines, truth
from oracles.impact.estimate import make_model, make_pool
from oracles.impact.evaluation import EXACT, Plan, Scores, eligibility, evaluate
from oracles.impact.page import page
from oracles.impact.training import retrain
from tests.impact.worlds import EVALUATION, NORTH, SEED_CORPUS, SOUTH, SUBMISSIONS, TINY, write


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

    monkeypatch.setattr(truth, "retrain", retrained)
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
