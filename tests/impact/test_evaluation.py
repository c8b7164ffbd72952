from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from oracles.impact import attacks, baselines
from oracles.impact.estimate import make_model, make_pool
from oracles.impact.evaluation import (
    Plan,
    Truth,
    correlation,
    evaluate,
    interval,
    noise_ceiling,
    random_halves,
    ranks,
    retrainings,
)
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


def test_truth__second_time__read_from_the_cache(tmp_path):
    pool = make_pool(SEED_CORPUS, SUBMISSIONS, EVALUATION, TINY.model)
    first = Truth(pool, TINY, tmp_path, None)
    values = first.table([100], [[], [0], [1]])
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    again = Truth(pool, TINY, tmp_path, None)
    assert np.array_equal(again.table([100], [[], [0], [1]]), values)
    assert path.read_bytes() == content
    assert again.seconds == first.seconds > 0
    base, north, south = values[0]
    assert north > base
    assert north > south


def test_baselines__two_dialects__wanted_one_scores_higher():
    texts = {name: [d.text for d in documents] for name, documents in SUBMISSIONS.items()}
    scores = baselines.bm25(texts, [d.text for d in EVALUATION])
    assert scores[0] > scores[1] == 0
    pool = make_pool(write(10, NORTH, 20), SUBMISSIONS, EVALUATION, TINY.model)
    fit = baselines.perplexity(make_model(TINY.model, 0), pool, TINY.recipe, 0)
    assert fit[0] > fit[1]


@pytest.mark.parametrize("name", attacks.ATTACKS)
def test_attack__any__keeps_the_honest_text_among_its_identities(name):
    honest = SUBMISSIONS["north"]
    identities = attacks.ATTACKS[name](honest, SEED_CORPUS, EVALUATION)
    submitted = "\n".join(d.text for documents in identities for d in documents)
    assert all(d.text in submitted for d in honest)
    assert attacks.ATTACKS[name](honest, SEED_CORPUS, EVALUATION) == identities


@pytest.mark.slow
def test_evaluate__small_world__one_row_a_predictor(tmp_path):
    rng = np.random.default_rng(0)
    submissions = {
        f"p{k}": write(40 + k, NORTH if k % 2 else SOUTH, int(rng.integers(2, 6))) for k in range(8)
    }
    plan = Plan(
        subsets=24, truth_seeds=(100, 101, 102), single_seeds=(100, 101), removed=2, bootstrap=50
    )
    ticks: list[int] = []
    result = evaluate(
        SEED_CORPUS,
        submissions,
        EVALUATION,
        replace(TINY, seeds=(0,)),
        plan,
        cache=tmp_path,
        extra={"constant": (lambda pool, _: np.ones(len(pool.providers)), 1)},
        tick=lambda: ticks.append(1),
    )
    rows = {row["predictor"]: row for row in result["rows"]}
    assert {"unrolled", "cg", "volume", "constant", "embedding × volume"} <= rows.keys()
    assert rows["constant"]["lds"] == 0
    assert rows["unrolled"]["lds"] > 0.8
    assert rows["unrolled"]["top_k_removal"] > rows["random"]["top_k_removal"]
    assert len(ticks) == retrainings(8, plan) + 2 * len(rows)


@pytest.mark.slow
def test_measure__attacks__one_row_each():
    rows = list(attacks.measure(SEED_CORPUS, SUBMISSIONS, EVALUATION, TINY, "north"))
    assert [row["attack"] for row in rows] == ["honest", *attacks.ATTACKS]
    by_name = {row["attack"]: row for row in rows}
    assert by_name["honest"]["share_gain"] == by_name["honest"]["worth_gain"] == 1.0
    copies = by_name["five copies"]
    assert copies["share_gain"] < 1.1 < copies["literal_share_gain"]
    for harmless in ("random characters", "copied seed corpus"):
        assert by_name[harmless]["share_gain"] < 1.1
