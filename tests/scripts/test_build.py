"""Tracked artifacts stand for the contracts only while these are what they were made from."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from scripts import build

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def contracts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project's contracts, which the build takes for the project's."""
    copy = tmp_path / "contracts"
    shutil.copytree(build.CONTRACTS, copy, ignore=shutil.ignore_patterns(".cache"))
    for name in ("node_modules", "ape-config.yaml"):
        (tmp_path / name).symlink_to(build.ROOT / name)
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "CONTRACTS", copy)
    return copy


def test_tracked__nothing_changed__every_deployed_contract(contracts: Path) -> None:
    texts = {path.stem: path.read_text() for path in contracts.glob("*.sol")}
    deployed = {name for name, text in texts.items() if f"\ncontract {name} " in text}
    assert "DataAuction" in deployed
    assert {each["contractName"] for each in build.tracked()} >= deployed


def test_tracked__a_source_changed__none(contracts: Path) -> None:
    with (contracts / "libraries" / "Roll.sol").open("a") as file:
        file.write("// Another line.\n")
    assert build.tracked() == []


def test_tracked__a_source_is_new_or_gone__none(contracts: Path) -> None:
    (contracts / "New.sol").touch()
    assert build.tracked() == []
    (contracts / "New.sol").unlink()
    (contracts / "UsageLog.sol").unlink()
    assert build.tracked() == []


def test_tracked__a_setting_changed__none(contracts: Path) -> None:
    settings = contracts.parent / "ape-config.yaml"
    text = settings.read_text()
    settings.unlink()
    settings.write_text(text.replace("optimization_runs: 200", "optimization_runs: 1"))
    assert build.tracked() == []
