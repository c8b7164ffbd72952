"""docs/protocol.md names every function, event and signed type of the contracts."""

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
ERC20 = {"name", "symbol", "decimals", "totalSupply", "balanceOf", "transfer", "transferFrom"}
ERC20 |= {"approve", "allowance"}


@pytest.mark.parametrize(
    "contract", ["DataAuction", "ScoreOracle", "MutToken", "DstToken", "DstFactory"]
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
