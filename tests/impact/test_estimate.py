from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from oracles.dataset import Document
from oracles.engine import open_map
from oracles.errors import InputError
from oracles.impact import Pages, Parameters, estimate
from oracles.impact.estimate import describe, make_pool, run_seeds
from oracles.impact.problem import Problem
from oracles.impact.training import mean_gradient
from tests.impact.worlds import EVALUATION, NORTH, QUICK, SEED_CORPUS, SUBMISSIONS, TINY, write

GOLDEN = Path(__file__).parent / "golden.json"


@pytest.fixture(scope="module")
def report():
    return estimate(SEED_CORPUS, SUBMISSIONS, EVALUATION, TINY)


@pytest.fixture(scope="module")
def quick():
    return estimate(SEED_CORPUS, SUBMISSIONS, EVALUATION, QUICK)


def assert_golden(report):
    """Equal to the golden file: φ̂ and influence by one grid step at most, digests exactly."""
    golden = json.loads(GOLDEN.read_text())
    top = max(provider["influence"] for provider in report["providers"])
    assert [provider["name"] for provider in report["providers"]] == list(golden["providers"])
    for provider in report["providers"]:
        phi, steps = golden["providers"][provider["name"]]
        assert abs(provider["phi"] - phi) <= 1
        assert abs(round(provider["influence"] / top * report["grid"]) - steps) <= 1
    assert report["evaluation_digest"] == golden["evaluation_digest"]
    assert report["evidence"]["tokenizer"] == golden["tokenizer"]
    assert report["version"] == golden["version"]


def test_estimate__golden_file__equal_up_to_one_grid_step(report):
    assert_golden(report.to_json())


@pytest.mark.parametrize("batch", [pytest.param(1, marks=pytest.mark.slow), 7])
def test_estimate__other_measuring_batch__golden_up_to_one_grid_step(batch, monkeypatch):
    def gradients(problem, theta):
        return torch.stack(
            [mean_gradient(problem.model, theta, target, batch) for target in problem.targets]
        )

    monkeypatch.setattr(Problem, "gradients", gradients)
    assert_golden(estimate(SEED_CORPUS, SUBMISSIONS, EVALUATION, TINY).to_json())


@pytest.mark.slow
def test_estimate__kernels_of_an_older_processor__golden_up_to_one_grid_step():
    program = (
        "import json; from oracles.impact import estimate; from tests.impact.worlds import *; "
        "print(json.dumps(estimate(SEED_CORPUS, SUBMISSIONS, EVALUATION, TINY).to_json()))"
    )
    older = {"ATEN_CPU_CAPABILITY": "default", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **older},
        capture_output=True,
        check=True,
        text=True,
    )
    assert_golden(json.loads(done.stdout))


def test_estimate__other_order_and_threads__same_bytes(quick):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        again = estimate(
            SEED_CORPUS[::-1],
            {name: iter(documents[::-1]) for name, documents in SUBMISSIONS.items()},
            EVALUATION[::-1],
            QUICK,
        )
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert again.phi() == quick.phi()
    assert again.version == quick.version
    assert np.array_equal(again.tensors["blocks"], quick.tensors["blocks"])


@pytest.mark.slow
def test_estimate__seeds_in_two_processes__same_bytes(report):
    with open_map(2, batch=1) as mapper:
        again = estimate(SEED_CORPUS, SUBMISSIONS, EVALUATION, TINY, mapper=mapper)
    assert again.phi() == report.phi()
    assert np.array_equal(again.tensors["blocks"], report.tensors["blocks"])


def test_estimate__report__is_complete_and_json_compatible(report):
    plain = json.loads(json.dumps(report.to_json()))
    assert [p["name"] for p in plain["providers"]] == list(SUBMISSIONS)
    assert plain["evidence"]["parameters"]["seeds"] == [0, 1]
    assert len(plain["evidence"]["runs"]) == 2
    north = report.providers[0]
    assert north.phi == 10_000
    assert north.standard_error > 0
    assert north.characters == sum(len(d.text) for d in SUBMISSIONS["north"])
    assert {"blocks", "owners", "providers", "theta.0", "theta.1"} <= report.tensors.keys()
    assert 0 < report.kappa < 1
    assert 0 <= report.gamma <= 1


def test_estimate__copies_of_a_document__raise_nothing(quick):
    padded = {
        name: [*documents, *(Document(f"again {k}: {d.text}") for d in documents for k in range(3))]
        for name, documents in SUBMISSIONS.items()
    }
    again = estimate(SEED_CORPUS, padded, EVALUATION, QUICK)
    for before, after in zip(quick.providers, again.providers, strict=True):
        assert after.tokens <= 1.1 * before.tokens
        assert after.influence <= before.influence + 2 * before.standard_error


def test_estimate__copycat_and_empty_provider__not_eligible():
    submissions = {
        "original": SUBMISSIONS["north"],
        "copycat": SUBMISSIONS["north"],
        "nothing": [Document("")],
    }
    original, *others = estimate(SEED_CORPUS, submissions, EVALUATION, QUICK).providers
    assert original.phi == 10_000
    for provider in others:
        assert (provider.phi, provider.tokens) == (0, 0)
    assert others[0].duplicate_characters == others[0].characters > 0


def test_estimate__many_honest_providers__also_the_small_one_is_paid():
    honest = {f"p{k}": write(40 + k, NORTH, 12 if k else 3) for k in range(9)}
    found = estimate(SEED_CORPUS, honest, EVALUATION, TINY).providers
    assert all(provider.phi > 0 for provider in found)
    assert found[0].tokens < 0.3 * found[1].tokens
    # Where everything has full weight there is next to nothing left to be better than.
    whole = replace(TINY, estimator="unrolled", share=1.0, order=0.85)
    crowded = estimate(SEED_CORPUS, honest, EVALUATION, whole).providers
    assert sum(provider.phi == 0 for provider in crowded) >= 3


def test_estimate__random_characters__earn_nothing():
    rng = np.random.default_rng(0)
    letters = list("abcdefghijklmnopqrstuvwxyz0123456789   ")
    noise = [Document("".join(rng.choice(letters, 400))) for _ in range(8)]
    found = estimate(SEED_CORPUS, {**SUBMISSIONS, "noise": noise}, EVALUATION, QUICK).providers
    assert found[0].phi == 10_000
    assert found[3].phi == 0
    assert found[3].influence < 0


def test_estimate__sampled_pages__influence_of_the_whole_set():
    def share(total):
        pages = Pages([d.text for d in SUBMISSIONS["north"]], total)
        return estimate(SEED_CORPUS, {"north": pages}, EVALUATION, QUICK).providers[0]

    whole, half = share(10), share(20)
    assert half.influence == pytest.approx(2 * whole.influence)
    assert half.standard_error == pytest.approx(2 * whole.standard_error)


def test_estimate__one_long_file__has_an_error_estimate_like_many_documents():
    one = {"north": [Document(" ".join(d.text for d in write(40, NORTH, 30)))]}
    (north,) = estimate(SEED_CORPUS, one, EVALUATION, QUICK).providers
    assert 0 < north.standard_error < north.influence


def test_describe__anything_about_the_method_changes__changes():
    pool = make_pool(SEED_CORPUS, SUBMISSIONS, EVALUATION, TINY.model)
    other_seed = make_pool(SEED_CORPUS[1:], SUBMISSIONS, EVALUATION, TINY.model)
    other_data = make_pool(SEED_CORPUS, {"a": SUBMISSIONS["south"]}, EVALUATION, TINY.model)
    base = describe(pool, TINY)
    assert describe(other_data, TINY) == base
    assert describe(other_seed, TINY) != base
    for other in (replace(TINY, clip=5.0), replace(TINY, seeds=(2, 0)), replace(TINY, order=0.6)):
        assert describe(pool, other) != base


def test_run_seeds__finished_runs_in_the_cache__read_and_equal(tmp_path):
    pool = make_pool(SEED_CORPUS, SUBMISSIONS, EVALUATION, TINY.model)
    first = run_seeds(pool, QUICK, cache=tmp_path)
    files = sorted(tmp_path.iterdir())
    stamps = [path.stat().st_mtime_ns for path in files]
    told: list[tuple[str, int, int | None]] = []
    second = run_seeds(pool, QUICK, cache=tmp_path, progress=lambda *step: told.append(step))
    assert told == [("impact", 1, 2), ("impact", 2, 2)]
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.iterdir())] == stamps
    for one, two in zip(first, second, strict=True):
        assert np.array_equal(one.blocks, two.blocks)
        assert one.log == two.log
        assert one.tensors.keys() == two.tensors.keys()


def test_run_seeds__same_text_of_other_owners__is_another_run(tmp_path):
    north = SUBMISSIONS["north"]
    one = {"a": north, "b": []}
    for submissions in (one, {"a": [], "b": north}, {**one, "c": []}):
        pool = make_pool(SEED_CORPUS, submissions, EVALUATION, TINY.model)
        (found,) = run_seeds(pool, replace(QUICK, seeds=(0,)), cache=tmp_path)
        paid = dict(zip(submissions, found.providers, strict=True))
        assert [name for name in paid if paid[name]] == [n for n in paid if submissions[n]]


@pytest.mark.parametrize(
    ("submissions", "parameters", "message"),
    [
        ({}, TINY, "no submissions"),
        (SUBMISSIONS, replace(TINY, seeds=()), "no seeds"),
        (SUBMISSIONS, Parameters(estimator="none"), "no estimator is called"),
    ],
)
def test_estimate__nothing_to_do__input_error(submissions, parameters, message):
    with pytest.raises(InputError, match=message):
        estimate(SEED_CORPUS, submissions, EVALUATION, parameters)


def test_estimate__another_device__explores_under_a_version_of_its_own(quick):
    found = estimate(SEED_CORPUS, SUBMISSIONS, EVALUATION, QUICK, device="cpu:0")
    assert found.phi() == quick.phi()
    assert found.version != quick.version
    assert found.evidence["device"] == "cpu:0"
