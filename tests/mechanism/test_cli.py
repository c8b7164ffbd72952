"""`qmia mechanism`: the vectors' own text out, one sentence and exit code 2 for bad input."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from oracles.cli import main
from tests.mechanism.test_vectors import VECTORS

if TYPE_CHECKING:
    from pathlib import Path

CASE: dict[str, Any] = {
    "budget": "12",
    "pool": "0",
    "rho": ["1", "1"],
    "tranche": ["0", "1"],
    "bids": [{"index": 0, "cost": "3", "weight": "8", "flagged": False}],
}
DST: dict[str, Any] = {
    "supply": "100",
    "floor": "0",
    "cap": "60",
    "scores": [["1", "2"], ["1", "1"]],
}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        main(["mechanism", *arguments])
    out, err = capsys.readouterr()
    code = exit_.value.code
    return (code if isinstance(code, int) else 0), out, err


def feed(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_clear__file_of_a_vector__prints_its_expected_object(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    vector = VECTORS["clearing"][2]
    file = tmp_path / "case.json"
    file.write_text(json.dumps(vector), encoding="utf-8")
    code, out, _ = run(capsys, "clear", str(file))
    assert (code, json.loads(out)) == (0, vector["expected"])


def test_dst__standard_input__prints_shares(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    vector = VECTORS["dst"][0]
    feed(monkeypatch, {key: vector[key] for key in ("supply", "floor", "cap", "scores")})
    code, out, _ = run(capsys, "dst", "-")
    assert (code, json.loads(out)) == (0, {"shares": vector["shares"]})


@pytest.mark.parametrize("command", ["clear", "certify", "literal"])
def test_table__for_people__shows_the_case(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    feed(monkeypatch, CASE)
    code, out, _ = run(capsys, command, "-", "--table")
    assert code == 0
    assert "12" in out or "100" in out


def test_dst__table__shows_shares(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(monkeypatch, DST)
    code, out, _ = run(capsys, "dst", "-", "--table")
    assert code == 0
    assert "40" in out
    assert "60" in out


def test_certify__json__has_both_sides(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(monkeypatch, CASE)
    code, out, _ = run(capsys, "certify", "-")
    assert (code, json.loads(out)) == (
        0,
        {"weight": "8", "optimum": ["8", "1"], "bound": ["0", "1"], "holds": True},
    )


def test_literal__json__is_algorithm_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    vector = VECTORS["clearing"][0]
    feed(monkeypatch, vector)
    code, out, _ = run(capsys, "literal", "-")
    assert (code, json.loads(out)) == (0, vector["algorithm_1"])


def test_weights__decimals__are_wad(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "weights", "0.9", "0.5")
    assert (code, json.loads(out)) == (0, {"weight": "450000000000000000"})
    code, out, _ = run(capsys, "weights", "0.25", "1", "--family", "sqrt", "--table")
    assert (code, out.strip()) == (0, "500000000000000000 (0.500000)")


def test_advise__discount__is_advice(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("advise", "100", "--rho", "0.5", "--discount", "0.4")
    code, out, _ = run(capsys, *arguments, "--json")
    assert (code, json.loads(out)) == (
        0,
        {"rate": ["4", "5"], "bid": "125", "loss_if_truthful": "20"},
    )
    assert "Bid 125" in run(capsys, *arguments)[1]


def test_paper_failures__few_instances__counts(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "paper-failures", "--instances", "3", "--json")
    rules = json.loads(out)
    assert code == 0
    assert {rule["instances"] for rule in rules} == {3}
    assert rules[-1]["dsic_violations"] == 0
    assert "Algorithm 1" in run(capsys, "paper-failures", "--instances", "1")[1]


def without(key: str) -> dict[str, Any]:
    return {k: v for k, v in CASE.items() if k != key}


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("{", "not JSON"),
        ([], "must be a JSON object"),
        (without("rho"), "lacks rho"),
        (CASE | {"bugdet": "1"}, "unknown fields: bugdet"),
        (CASE | {"budget": "-1"}, '"budget" is'),
        (CASE | {"budget": 1.5}, '"budget" is'),
        (CASE | {"budget": True}, '"budget" is'),
        (CASE | {"budget": "٣"}, '"budget" is'),
        (CASE | {"budget": "9" * 5000}, '"budget" is'),
        (CASE | {"rho": "1/2"}, "give a pair of numerator and denominator"),
        (CASE | {"rho": ["1", "0"]}, "denominator 0"),
        (CASE | {"rho": ["3", "2"]}, "outside 0..1"),
        (CASE | {"tranche": ["3", "2"]}, "outside 0..1"),
        (CASE | {"bids": {}}, '"bids" must be a list'),
        (CASE | {"bids": [7]}, "bids[0] must be a JSON object"),
        (CASE | {"bids": [CASE["bids"][0] | {"flagged": 1}]}, '"flagged" of bids[0]'),
        (CASE | {"bids": [CASE["bids"][0] | {"weight": None}]}, '"weight" of bids[0]'),
        (CASE | {"bids": CASE["bids"] * 2}, "share an index"),
    ],
)
def test_clear__bad_case__says_what_and_exits_2(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    case: Any,
    message: str,
) -> None:
    feed(monkeypatch, case)
    code, out, err = run(capsys, "clear", "-")
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (DST | {"scores": 3}, '"scores" must be a list'),
        (DST | {"scores": [["1"]]}, "scores[0] is"),
        (DST | {"cap": "3", "floor": "9"}, "below the floor"),
    ],
)
def test_dst__bad_case__says_what_and_exits_2(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    case: Any,
    message: str,
) -> None:
    feed(monkeypatch, case)
    code, _, err = run(capsys, "dst", "-")
    assert code == 2
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("clear", "no/such/file"), "cannot read"),
        (("weights", "0.9", "x"), "not a decimal"),
        (("weights", "0.00001", "1"), "finer than the grid"),
        (("weights", "1.1", "1"), "must be in 0..1"),
        (("weights", "1", "1", "--family", "cubic"), "choose one of"),
        (("advise", "5", "--rho", "1/0", "--discount", "0"), "not a decimal"),
    ],
)
def test_command__bad_argument__says_what_and_exits_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert message in err
