from __future__ import annotations

import json
from inspect import signature

import pytest
from safetensors.numpy import load_file

from oracles.cli import impact, main
from oracles.impact import Parameters
from tests.impact.worlds import EVALUATION, SEED_CORPUS, SUBMISSIONS


@pytest.fixture
def files(tmp_path):
    """Documents of all parts as JSON lines."""

    def save(name, documents):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps({"text": d.text}) + "\n" for d in documents))
        return str(path)

    submissions = [save(name, documents) for name, documents in SUBMISSIONS.items()]
    options = ["--seed-corpus", save("seed", SEED_CORPUS)]
    return [*submissions, *options, "--evaluation", save("evaluation", EVALUATION)]


def test_estimate__json__one_entry_a_file_and_tensors_written(files, tmp_path, capsys):
    tensors = tmp_path / "tensors.safetensors"
    options = ["--estimator", "gradient", "--seeds", "2", "--processes", "1", "--json"]
    with pytest.raises(SystemExit) as stop:
        main(["impact", "estimate", *files, *options, "--tensors", str(tensors)])
    assert stop.value.code in (0, None)
    report = json.loads(capsys.readouterr().out)
    assert [p["name"] for p in report["providers"]] == list(SUBMISSIONS)
    assert report["providers"][0]["phi"] == report["grid"] == 10_000
    assert load_file(tensors)["providers"].shape == (2, 3)


def test_estimate__missing_file__exit_code_2_and_one_sentence(files, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["impact", "estimate", "nowhere.jsonl", *files])
    assert stop.value.code == 2
    assert "nowhere.jsonl does not exist" in capsys.readouterr().err


def test_estimate__seed_corpus_among_the_submissions__exit_code_2_and_its_name(files, capsys):
    seed = files[files.index("--seed-corpus") + 1]
    with pytest.raises(SystemExit) as stop:
        main(["impact", "estimate", seed, *files])
    assert stop.value.code == 2
    assert "seed.jsonl is no submission" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("name", ["estimator", "share", "order", "rescaling"])
def test_estimate__option_not_given__value_of_an_auction(name):
    assert signature(impact.estimate).parameters[name].default == getattr(Parameters(), name)
