"""Deployments: the same addresses whoever deploys, found again, and described for explorers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from eth_abi.abi import decode

from oracles.chain.client import Sender
from oracles.chain.deployment import PROXY, SALT, Constants, Deployment, deploy, verification
from oracles.chain.signers import LocalSigner
from oracles.errors import ConfigError
from tests.support.chain import ACCOUNTS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.anvil import Anvil


CONSTANTS = Constants(7, 12, 20, 9)


def deployed(anvil: Anvil, by: int = 0, salt: bytes = SALT) -> Deployment:
    sender = Sender(anvil.web3, LocalSigner(ACCOUNTS[by]))
    return deploy(sender, CONSTANTS, salt=salt)


def addresses(deployment: Deployment) -> list[str]:
    return [contract.address for contract in deployment.contracts.values()]


def test_deploy__on_a_chain_without_the_proxy__puts_it_there_first(anvil: Anvil) -> None:
    with_proxy = anvil.code(PROXY)
    anvil.rpc("anvil_setCode", PROXY, "0x")
    first = deployed(anvil)
    assert anvil.code(PROXY) == with_proxy
    assert all(anvil.code(address) for address in addresses(first))


def test_deploy__by_another_account__finds_the_same_contracts_and_their_first_block(
    anvil: Anvil,
) -> None:
    first = deployed(anvil)
    again = deployed(anvil, by=1)
    other = deployed(anvil, by=1, salt=b"\1" * 32)
    assert addresses(again) == addresses(first)
    assert again.block == first.block < other.block
    assert all(each.transaction for each in first.contracts.values())
    assert not any(each.transaction for each in again.contracts.values())
    assert not set(addresses(other)) & set(addresses(first))


def test_verification__of_a_deployment__holds_its_encoded_arguments(anvil: Anvil) -> None:
    deployment = deployed(anvil)
    found = verification(anvil.web3, deployment)
    given = {name: bytes.fromhex(each["constructor_arguments"][2:]) for name, each in found.items()}
    oracle, auction = (deployment.address(name).lower() for name in ("ScoreOracle", "DataAuction"))
    assert decode(["uint256", "uint256"], given["ScoreOracle"]) == (7, 9)
    kinds = ["address", "uint256", "uint256", "uint256"]
    assert decode(kinds, given["DataAuction"]) == (oracle, 12, 20, 9)
    assert decode(["address"], given["Exchange"]) == (oracle,)
    assert decode(["address"], given["DstFactory"]) == (auction,)
    # What constructors made: the code that is run by delegatecall, and what is cloned.
    assert found.keys() >= {"Settlement", "TermsRules", "MutToken", "DstToken"}
    assert all(anvil.code(each["address"]) for each in found.values())
    kinds = ["uint256", "uint256", "uint256"]
    assert decode(kinds, given["TermsRules"]) == (12, 20, 9)
    assert decode(["address"], given["Settlement"]) == (found["MutToken"]["address"].lower(),)
    assert decode(["address"], given["DstToken"]) == (auction,)
    assert found["DataAuction"]["contract"] == "contracts/DataAuction.sol:DataAuction"


def test_deployment__saved_and_loaded__is_the_same(anvil: Anvil, tmp_path: Path) -> None:
    deployment = deployed(anvil)
    deployment.save(tmp_path / "deployment.json")
    assert Deployment.load(tmp_path / "deployment.json") == deployment
    (tmp_path / "deployment.json").write_text("{}")
    with pytest.raises(ConfigError, match="no deployment"):
        Deployment.load(tmp_path / "deployment.json")


def test_deployment__of_constants__is_read_back_from_the_contracts(anvil: Anvil) -> None:
    deployment = deployed(anvil)
    auction = deployment.auction(anvil.web3)
    assert auction.draw() == CONSTANTS.draw
    assert auction.exchange() == deployment.address("Exchange")
    oracle = anvil.at("ScoreOracle", deployment.address("ScoreOracle"))
    assert anvil.call(oracle, "MIN_STAKE") == CONSTANTS.min_stake
    assert anvil.call(oracle, "LEAST_WINDOW") == CONSTANTS.operator_window


@pytest.mark.parametrize(
    ("content", "why"),
    [("{}", "it has no 'schema'"), ("[]", "list indices"), ('{"schema": 1}', "schema 1")],
)
def test_deployment__another_file__is_refused_in_words(
    tmp_path: Path, content: str, why: str
) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=why) as caught:
        Deployment.load(path)
    assert "Error(" not in str(caught.value)
