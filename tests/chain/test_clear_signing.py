"""What wallets show: every call and every message has words, and nothing in it is forgotten."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from eth_utils.address import to_checksum_address

from oracles.chain import artifacts, typed_data
from oracles.chain.clear_signing import INTENTS, MESSAGES, TOKENS, descriptors, leaves
from oracles.chain.deployment import Deployed, Deployment
from scripts.build import ROOT

if TYPE_CHECKING:
    from pathlib import Path

LINTER = ROOT / ".build" / "erc7730" / "bin" / "erc7730"


@pytest.fixture
def deployment() -> Deployment:
    places = (to_checksum_address(f"0x{number:040x}") for number in range(1, 100))
    contracts = {
        name: Deployed(place, (), "")
        for name, place in zip(INTENTS, places, strict=False)
        if name not in TOKENS
    }
    return Deployment(1, 1, contracts)


#: As if of two auctions.
OF_AUCTIONS = {
    name: [to_checksum_address(f"0x{start + number:040x}") for number in (1, 2)]
    for name, start in zip(TOKENS, (200, 300), strict=True)
}


def test_calls__all_of_them__have_an_intent_and_every_leaf_is_shown_or_left_out(
    deployment: Deployment,
) -> None:
    files = descriptors(deployment, OF_AUCTIONS)
    for contract, intents in INTENTS.items():
        entries = [each for each in artifacts.abi(contract) if each["type"] == "function"]
        sent = {e["name"] for e in entries if e["stateMutability"] in ("payable", "nonpayable")}
        assert intents.keys() == sent, contract
        formats = files[f"calldata-{contract}.json"]["display"]["formats"]
        assert len(formats) == sum(intent is not None for intent in intents.values())
        for entry in entries:
            (shown,) = [f for key, f in formats.items() if key.startswith(f"{entry['name']}(")] or (
                None,
            )
            if shown is None:
                continue
            assert len(shown["intent"]) <= 30
            named = {each["path"] for each in shown["fields"]} | set(shown["excluded"])
            assert {path for path, _, _ in leaves(entry["inputs"])} <= named, entry["name"]
            assert set(shown["required"]) <= named
            assert all(len(each["label"]) <= 20 for each in shown["fields"])
            assert ("@.value" in named) == (entry["stateMutability"] == "payable")


def test_tokens__of_auctions__are_described_at_their_addresses_only(deployment: Deployment) -> None:
    assert not {f"calldata-{name}.json" for name in TOKENS} & descriptors(deployment).keys()
    files = descriptors(deployment, OF_AUCTIONS)
    for name, addresses in OF_AUCTIONS.items():
        file = files[f"calldata-{name}.json"]
        places = file["context"]["contract"]["deployments"]
        assert [each["address"] for each in places] == addresses
        (sum_,) = [
            each
            for each in file["display"]["formats"]["transfer(address,uint256)"]["fields"]
            if each["path"] != "to"
        ]
        assert sum_["format"] == "tokenAmount"  # In units of the token, by its own decimals.
        assert sum_["params"] == {"tokenPath": "@.to"}
    deposit = files["calldata-MutToken.json"]["display"]["formats"]["deposit(uint256)"]
    assert (
        deposit["fields"][0]["format"] == "raw"
    )  # Of another token, which the call does not name.


def test_messages__all_of_them__have_a_descriptor_with_their_types(deployment: Deployment) -> None:
    assert MESSAGES.keys() == typed_data.TYPES.keys()
    files = descriptors(deployment)
    for name, (contract, intent) in MESSAGES.items():
        file = files[f"eip712-{contract}.json"]
        assert file["display"]["formats"][name]["intent"] == intent
        (types,) = [
            each["types"]
            for each in file["context"]["eip712"]["schemas"]
            if each["primaryType"] == name
        ]
        assert [(each["type"], each["name"]) for each in types[name]] == [*typed_data.TYPES[name]]


def test_descriptors__pass_the_linter_of_the_registry(
    deployment: Deployment, tmp_path: Path
) -> None:
    if not LINTER.is_file():
        pytest.skip("the linter is not installed: `make erc7730` (needs Python 3.12)")
    for name, content in descriptors(deployment, OF_AUCTIONS).items():
        (tmp_path / name).write_text(json.dumps(content))
    done = subprocess.run([LINTER, "lint", tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    said = " ".join(done.stdout.split())
    # It wants to compare the ABI with Etherscan's.
    assert said.count("warning:") == said.count("warning: Could not fetch ABI"), done.stdout
