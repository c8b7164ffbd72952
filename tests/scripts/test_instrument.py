"""Mutants and coverage meet the tests only if the tests take the marked contracts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scripts import instrument
from tests.support import chain
from tests.support.revm import Revm

if TYPE_CHECKING:
    import pytest


def test_instrumented__tracked_artifacts_beside_it__tests_take_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code: dict[str, Any] = {"object": "c0ffee"}
    made = {"abi": [], "evm": {"bytecode": code, "deployedBytecode": code}}
    output = {"contracts": {"contracts/ScoreOracle.sol": {"ScoreOracle": made}}}
    for name in ("compile_files", "tracked"):
        monkeypatch.setattr(chain, name, getattr(chain, name))
    for name in ("code_limit", "fee_account"):
        monkeypatch.setattr(Revm, name, getattr(Revm, name))
    monkeypatch.setattr(instrument.Instrumented, "_compiled", ({}, output))
    monkeypatch.setattr(chain, "_artifacts", chain._artifacts.__wrapped__)
    instrument.Instrumented({}, optimize=True)
    assert chain.artifact("ScoreOracle").bytecode == bytes.fromhex("c0ffee")
