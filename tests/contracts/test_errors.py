"""No custom error without a test that provokes it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.chain import artifact

#: Errors of libraries that no input can reach, and why.
UNREACHABLE = {
    "InvalidAccountNonce": "nonces are used, never given",
    "InvalidShortString": "names and versions of the typed data are constants",
    "StringTooLong": "likewise",
    "Create2EmptyBytecode": "clones have code",
    "CloneArgumentsTooLong": "clones carry one or two words",
    "ExpOverflow": "exponents are below 18.45 and bases below 19.45: at most e^55",
    "LnWadUndefined": "a base of 0 is answered before",
}


def test_every_custom_error__of_every_contract__is_provoked_by_a_test() -> None:
    errors = {
        entry["name"]
        for name in ("DataAuction", "ScoreOracle", "MutToken", "DstToken", "DstFactory")
        for entry in artifact(name).abi
        if entry["type"] == "error"
    }
    tests = "".join(
        path.read_text()
        for folder in (Path(__file__).parent, Path(__file__).parents[1] / "attacks")
        for path in sorted(folder.glob("test_*.py"))
        if path != Path(__file__)
    )
    untested = {name for name in errors if not re.search(rf'["\s]{name}["\s(]', tests)}
    assert sorted(untested - UNREACHABLE.keys()) == []
