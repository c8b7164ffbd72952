"""Errors: each is thrown, has a test that provokes it, and says what it means."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.build import ROOT
from tests.support.chain import artifact

#: Errors of libraries that no input can reach, and why.
UNREACHABLE = {
    "InvalidAccountNonce": "nonces are used, never given",
    "InvalidShortString": "names and versions of the typed data are constants",
    "StringTooLong": "likewise",
    "Create2EmptyBytecode": "clones have code",
    "AddressEmptyCode": "the code of the settlement is there for ever",
    "FailedCall": "a settlement that fails says why, unless it has no gas left",
    "CloneArgumentsTooLong": "clones carry one or two words",
    "ExpOverflow": "exponents are below 18.45 and bases below 19.45: at most e^55",
    "StringsInsufficientHexLength": "32 bytes are written with 64 digits",
    "LnWadUndefined": "a base of 0 is answered before",
}


CONTRACTS = (
    "DataAuction",
    "TermsRules",
    "Settlement",
    "Exchange",
    "ScoreOracle",
    "MutToken",
    "DstToken",
    "DstFactory",
    "UsageLog",
    "MetricRegistry",
    "ThresholdGate",
)


def test_every_custom_error__of_every_contract__is_provoked_by_a_test() -> None:
    errors = {
        entry["name"]
        for name in CONTRACTS
        for entry in artifact(name).abi
        if entry["type"] == "error"
    }
    tests = "".join(
        path.read_text()
        for folder in (Path(__file__).parent, Path(__file__).parents[1] / "attacks")
        for path in sorted(folder.glob("test_*.py"))
        if path != Path(__file__)
    )
    untested = {name for name in errors if not re.search(rf'["\s|]{name}["\s(|]', tests)}
    assert sorted(untested - UNREACHABLE.keys()) == []


def test_every_custom_error__of_every_contract__is_thrown_somewhere() -> None:
    """An error that nothing throws misleads who reads the interface."""
    sources = "".join(path.read_text() for path in sorted((ROOT / "contracts").rglob("*.sol")))
    declared = re.findall(r"\n\s*error (\w+)\(", sources)
    assert len(declared) > 100
    assert [name for name in declared if not re.search(rf"revert (\w+\.)?{name}\(", sources)] == []


@pytest.mark.parametrize("kind", ["event", "error", "function"])
def test_natspec__of_an_interface__says_what_each_one_means(kind: str) -> None:
    """One sentence or more for each, and one line for each parameter that is mentioned at all."""
    silent, count = [], 0
    for path in sorted((ROOT / "contracts").rglob("*.sol")):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            found = re.match(rf"\s+{kind} (\w+)\(", line)
            if not found or (kind == "function" and "interfaces" not in path.parts):
                continue
            count += 1
            above = number
            while lines[above - 1].strip().startswith("///"):
                above -= 1
            text = "\n".join(lines[above:number])
            if not re.search(r"/// @notice \S.{10,}", text):
                silent.append(f"{path.name}: {found[1]}")
    assert count > 40
    assert silent == []
