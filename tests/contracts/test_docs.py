"""What the pages say of the contracts: functions, events, signed types, and tests by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from scripts.build import ROOT
from tests.support.auction import COMMIT_TYPE, KEY_TYPE, REPORT_TYPE, VERDICT_TYPE
from tests.support.chain import artifact

if TYPE_CHECKING:
    from pathlib import Path

PAGE: Path = ROOT / "docs" / "protocol.md"
SECURITY: Path = ROOT / "docs" / "security.md"
ERC20 = {"name", "symbol", "decimals", "totalSupply", "balanceOf", "transfer", "transferFrom"}
ERC20 |= {"approve", "allowance"}


@pytest.mark.parametrize(
    "contract",
    [
        *("DataAuction", "ScoreOracle", "Exchange", "MutToken", "DstToken", "DstFactory"),
        *("UsageLog", "MetricRegistry", "ThresholdGate"),
    ],
)
@pytest.mark.parametrize("kind", ["function", "event"])
def test_protocol_page__of_a_contract__names_all_of_it(contract: str, kind: str) -> None:
    named = set(re.findall(r"`(\w+)", PAGE.read_text()))
    names = {entry["name"] for entry in artifact(contract).abi if entry["type"] == kind}
    assert sorted(names - named - (ERC20 if "Token" in contract else set())) == []


def test_protocol_page__of_typed_data__has_the_exact_types() -> None:
    page = PAGE.read_text()
    sources = "".join(path.read_text() for path in (ROOT / "contracts").glob("*.sol"))
    for type_ in (COMMIT_TYPE, KEY_TYPE, REPORT_TYPE, VERDICT_TYPE):
        assert f"`{type_}`" in page
        assert f'"{type_}"' in sources


def test_security_page__of_tests__names_those_that_there_are() -> None:
    suites = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "tests").rglob("*.t.sol")]
    there = "\n".join(path.read_text() for path in suites)
    named = re.findall(r"`(?:test_\w+::)?((?:test|check)_\w+)…?`", SECURITY.read_text())
    assert len(named) > 60
    files = {path.stem for path in suites}
    missing = [n for n in named if n not in files and not re.search(rf"(def|function) {n}", there)]
    assert missing == []


def test_security_page__of_threats__names_every_attack() -> None:
    named = re.findall(r"`(?:test_\w+::)?(test_\w+)…?`", SECURITY.read_text())
    suites = (ROOT / "tests" / "attacks").glob("test_*.py")
    there = {
        name: path.stem
        for path in suites
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
    }
    missing = [
        name
        for name, file in there.items()
        if not any(name.startswith(each) or file == each for each in named)
    ]
    assert missing == []
