from __future__ import annotations

import json
from html.parser import HTMLParser
from importlib import resources

import pytest

from oracles.cli import main
from oracles.quality.score import metrics

GOLDEN = resources.files("oracles.quality") / "data" / "golden.jsonl"


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main(["quality", *map(str, arguments)])
    return stopped.value.code, capsys.readouterr()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "small.jsonl"
    lines = GOLDEN.read_text("utf-8").splitlines()
    hostile = json.dumps(
        {"text": "<script>alert(1)</script> &nbsp; plain words here", "title": "x"}
    )
    path.write_text("\n".join([*lines[:2], lines[-3], hostile, "not json"]), encoding="utf-8")
    return path


def test_score__when_asked_for_all_outputs__then_they_agree(small, capsys, tmp_path):
    page, bundle = tmp_path / "report.html", tmp_path / "evidence.json"
    code, output = run(
        capsys, "score", small, "--json", "--report", page, "--evidence", bundle, "--today",
        "2026-11-21", "--show-passages",
    )  # fmt: skip
    assert code == 0
    result, evidence = json.loads(output.out), json.loads(bundle.read_text())
    assert evidence["scores"]["q"] == result["q"] > 0
    assert set(metrics(evidence)) <= result.keys()
    assert result["reading"][0]["kind"] == "malformed"
    html = page.read_text("utf-8")
    assert f"Quality {result['q'] / 1e4:.2f}" in html
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "http" not in html.split("<body>")[0]
    HTMLParser().feed(html)
    assert [path.stat().st_mode & 0o77 for path in (page, bundle)] == [0, 0]
    assert any("a URL" in finding for finding in result["findings"])


def test_score__when_passages_are_not_asked_for__then_none_is_in_the_evidence(
    small, capsys, tmp_path
):
    bundle = tmp_path / "evidence.json"
    run(capsys, "score", small, "--evidence", bundle)
    assert "plain words" not in bundle.read_text()


def test_score__when_submitted_earlier__then_it_is_said(small, capsys):
    _, output = run(capsys, "score", small, "--earlier", small, "--json")
    result = json.loads(output.out)
    assert (result["unique"], result["accepted_as_unique"]) == (0, False)


def test_score__when_the_path_is_missing__then_one_sentence_and_code_two(capsys, tmp_path):
    code, output = run(capsys, "score", tmp_path / "nowhere")
    assert code == 2
    assert "does not exist" in output.err


def test_release__when_the_budget_is_spent__then_no_further_one_is_made(small, capsys, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    arguments = ("release", small, "--ledger", ledger, "--limit", "1.5", "--json")
    code, output = run(capsys, *arguments)
    assert code == 0
    assert json.loads(output.out)["epsilon_total"] == pytest.approx(1.0)
    code, output = run(capsys, *arguments, "--today", "2027-01-01")
    assert code == 2
    assert "exceeds" in output.err
    assert len(ledger.read_text().splitlines()) == 1


def test_reference_info__when_asked__then_sources_and_licences_are_named(capsys):
    code, output = run(capsys, "reference", "info", "--json")
    summary = json.loads(output.out)
    assert code == 0
    assert all(source["licence"] for source in summary["sources"].values())
