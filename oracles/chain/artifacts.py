"""ABIs and bytecode of the contracts, as built by `python -m scripts.build`."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

from eth_utils.abi import event_abi_to_log_topic, function_abi_to_4byte_selector

if TYPE_CHECKING:
    from eth_typing import ABIError, ABIEvent, ABIFunction

CONTRACTS = (
    "DataAuction",
    "Exchange",
    "ScoreOracle",
    "MutToken",
    "DstToken",
    "DstFactory",
    "UsageLog",
    "MetricRegistry",
    "ThresholdGate",
)


@cache
def artifact(name: str) -> dict[str, Any]:
    """The artifact of one contract: `abi`, `bytecode`, `deployedBytecode`, …."""
    text = resources.files("oracles.chain").joinpath("artifacts", f"{name}.json").read_text()
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@cache
def abi(name: str) -> list[dict[str, Any]]:
    """The ABI of one contract."""
    entries: list[dict[str, Any]] = artifact(name)["abi"]
    return entries


@cache
def errors() -> dict[bytes, dict[str, Any]]:
    """Every custom error of every contract, by its four-byte selector."""
    return {
        bytes(function_abi_to_4byte_selector(cast("ABIError", entry))): entry
        for name in CONTRACTS
        for entry in abi(name)
        if entry["type"] == "error"
    }


@cache
def functions() -> dict[bytes, str]:
    """Name of every function of every contract, by its four-byte selector."""
    return {
        bytes(function_abi_to_4byte_selector(cast("ABIFunction", entry))): entry["name"]
        for name in CONTRACTS
        for entry in abi(name)
        if entry["type"] == "function"
    }


@cache
def events() -> dict[bytes, dict[str, Any]]:
    """Every event of every contract, by its topic."""
    return {
        bytes(event_abi_to_log_topic(cast("ABIEvent", entry))): entry
        for name in CONTRACTS
        for entry in abi(name)
        if entry["type"] == "event"
    }
