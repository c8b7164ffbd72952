"""What a new version of the metric changes, in figures that everybody gets alike."""

import json

import pytest
import rfc8785
from typer.testing import CliRunner

from oracles.cli.metric import app
from oracles.errors import InputError
from oracles.quality import QualityParameters, compare, golden, metric_facts, references
from oracles.quality.parameters import GRID

OLD, NEW = QualityParameters(), QualityParameters(weights=(4000, 2000, 2000, 2000))


def facts(parameters=OLD, **change):
    return metric_facts(parameters, references.default()) | change


def document(path, parameters, **change):
    path.write_bytes(
        rfc8785.dumps({"schema": "qmia/metric/2", "quality": facts(parameters, **change)})
    )
    return str(path)


@pytest.fixture
def few(monkeypatch):
    """Three sets instead of twenty, two of them translations."""
    every = compare.golden_sets()
    assert sum(name.startswith("UDHR ") for name in every) == 10
    kept = {name: every[name] for name in ("UDHR de", "UDHR hi", "Bad scan")}
    monkeypatch.setattr(compare, "golden_sets", lambda: dict(kept))
    return kept


def test_compare__of_old_and_new_weights__gives_what_the_weights_make_of_the_same_metrics(few):
    found = compare.compare(OLD, NEW, few)
    assert [each.name for each in found] == list(few)
    for each in found:
        for weights, numbers in ((OLD.weights, each.old), (NEW.weights, each.new)):
            parts = [numbers[name] for name in compare.NUMBERS[1:5]]
            mean = sum(w * part for w, part in zip(weights, parts, strict=True)) / GRID
            assert abs(numbers["q"] - mean) <= 1
        assert each.old["cleanliness"] == each.new["cleanliness"]
    german, hindi, _ = found
    assert compare.spread(found) == (
        abs(german.old["q"] - hindi.old["q"]),
        abs(german.new["q"] - hindi.new["q"]),
    )


def test_compare__of_all_golden_documents__is_the_published_score():
    every = compare.golden_sets()["all golden documents"]
    (found,) = compare.compare(OLD, OLD, {"all": every})
    known = golden.expected()["default"]
    assert found.old == found.new == {name: known[name] for name in compare.NUMBERS}


@pytest.mark.parametrize(
    "facts_",
    [None, "abc", {}, facts(code=0), facts(graphs=[]), {**facts(), "more": 1}],
    ids=["none", "digest", "empty", "code", "graphs", "unknown"],
)
def test_parameters__of_another_program__are_refused(facts_):
    with pytest.raises(InputError):
        compare.parameters_of(facts_)


@pytest.mark.usefixtures("few")
def test_explain__says_fields_scores_of_known_and_of_own_data_and_languages(tmp_path):
    old, new = document(tmp_path / "old.json", OLD), document(tmp_path / "new.json", NEW)
    mine = tmp_path / "mine.jsonl"
    mine.write_text(json.dumps({"text": "This is a sentence of mine, and another one."}))
    words = ["explain", old, new, "--data", str(mine)]
    found = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    (changed,) = found["fields"]
    assert changed["field"] == "quality.parameters.weights"
    assert [each["set"] for each in found["sets"]] == ["UDHR de", "UDHR hi", "Bad scan", str(mine)]
    said = CliRunner().invoke(app, words)
    assert said.exit_code == 0
    assert "best and the worst translation" in " ".join(said.stdout.split())
    other = document(tmp_path / "other.json", OLD, code=99)
    assert isinstance(CliRunner().invoke(app, ["explain", old, other]).exception, InputError)
    assert CliRunner().invoke(app, ["explain", old, other, "--fields"]).exit_code == 0
