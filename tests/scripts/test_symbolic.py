"""What is read off a run of halmos: nothing passes that was cut off, undecided or not run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scripts import symbolic
from scripts.symbolic import BROKEN, Check, Run, compare, declared, outcomes

A, B = Check("Packing", "check_a"), Check("Packing", "check_b")


def results(*codes: int, bounded: int | None = 0) -> dict[str, list[dict[str, Any]]]:
    """As halmos writes them, of check_a, check_b and so on, with its exit codes."""
    checks = [
        {"name": f"check_{letter}(uint80,(bytes32,bool))", "exitcode": code, "num_models": 0}
        | {"num_bounded_loops": bounded}
        for letter, code in zip("abc", codes, strict=False)
    ]
    return {"tests/symbolic/Packing.t.sol:Packing": checks}


def passes(done: Run, *due: Check, fail: bool = False) -> bool:
    return compare(done, due, fail=fail)[1]


def test_compare__of_all_that_pass__is_good() -> None:
    lines, good = compare(Run(outcomes(results(0, 0)), 0, ""), [A, B])
    assert good
    assert lines[-1] == "2 of 2, halmos ended with 0"


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 9])
def test_compare__of_a_check_that_does_not_pass__is_bad(code: int) -> None:
    found = outcomes(results(0, code))
    assert found[A] == "passes"
    assert found[B] != "passes"
    for ended in (0, 1):
        assert not passes(Run(found, ended, ""), A, B)


def test_compare__of_a_run_that_was_cut_off__is_bad() -> None:
    """Told to stop, halmos writes down what it had, all of which may pass."""
    lines, good = compare(Run(outcomes(results(0)), 143, ""), [A, B])
    assert not good
    assert "check_b" in lines[1]
    assert "not run" in lines[1]
    assert not passes(Run(outcomes(results(0)), 0, ""), A, B)
    assert not passes(Run(outcomes(results(0, 0)), 143, ""), A, B)


@pytest.mark.parametrize("ended", [0, 1])
def test_compare__of_nothing__is_bad(ended: int) -> None:
    assert not passes(Run({}, ended, ""))
    assert not passes(Run({}, ended, ""), A)
    assert not passes(Run({}, ended, ""), A, fail=True)


@pytest.mark.parametrize("bounded", [1, 7, None])
def test_outcomes__of_paths_beyond_the_bound_of_loops__are_no_pass(bounded: int | None) -> None:
    assert outcomes(results(0, bounded=bounded)) == {A: "loops cut off"}


def test_compare__of_broken_contracts__wants_a_counterexample_of_each() -> None:
    assert passes(Run(outcomes(results(1, 1)), 1, ""), A, B, fail=True)
    for code in (0, 2, 3, 4, 5):
        assert not passes(Run(outcomes(results(1, code)), 1, ""), A, B, fail=True)
    assert not passes(Run(outcomes(results(1)), 1, ""), A, B, fail=True)


def test_declared__are_the_checks_of_the_sources_and_each_is_broken_once() -> None:
    text = "".join(file.read_text() for file in symbolic.CHECKS.glob("*.t.sol"))
    checks = declared()
    assert len(set(checks)) == len(checks) == text.count("function check_") > 0
    assert {each.contract for each in checks} == {each.contract for each in BROKEN}
    for check in checks:
        assert len([case for case in BROKEN if case.meets(check)]) == 1, check
    for case in BROKEN:
        assert (symbolic.ROOT / "contracts" / case.file).read_text().count(case.old) == 1, case


def test_run__of_a_halmos_that_breaks_off__has_its_exit_code_and_no_outcomes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def halmos(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        file = Path(command[command.index("--json-output") + 1])
        if writes:
            file.write_text(json.dumps({"exitcode": 143, "test_results": writes}))
        return subprocess.CompletedProcess(command, 143, "[PASS] check_a()", "")

    monkeypatch.setattr(subprocess, "run", halmos)
    writes: dict[str, Any] = {}
    assert symbolic.run(tmp_path, 1)[:2] == ({}, 143)
    writes = results(0)
    assert symbolic.run(tmp_path, 1)[:2] == ({A: "passes"}, 143)
