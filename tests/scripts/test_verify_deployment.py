"""A deployment is compared with the sources, byte by byte."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from oracles.chain.client import Sender
from oracles.chain.deployment import deploy
from oracles.chain.signers import LocalSigner
from scripts.verify_deployment import differences, verify
from tests.support.chain import ACCOUNTS

if TYPE_CHECKING:
    from tests.support.anvil import Anvil


@pytest.mark.slow
def test_verify__deployment_and_one_changed_byte__passes_and_fails(anvil: Anvil) -> None:
    sender = Sender(anvil.web3, LocalSigner(ACCOUNTS[0]))
    deployment = deploy(sender, min_bond=1, challenge_bond=1)
    results = list(verify(anvil.web3, deployment))
    assert [difference for _, _, difference in results] == [""] * 13
    assert {name for name, _, _ in results} >= {"DataAuction", "MutToken", "DstToken"}

    address = deployment.address("DataAuction")
    code = bytearray(anvil.code(address))
    code[5000] ^= 1
    anvil.rpc("anvil_setCode", address, "0x" + code.hex())
    found = {name: difference for name, _, difference in verify(anvil.web3, deployment)}
    assert found["DataAuction"] == "differs from byte 5,000 on"


def test_differences__immutables_filled_in__are_masked_and_nothing_else() -> None:
    built = b"\x60\x01\x7f" + bytes(32) + b"\x00"
    filled = b"\x60\x01\x7f" + b"\xab" * 32 + b"\x00"
    assert differences(built, filled) == ""
    assert differences(built, filled[:-1] + b"\x01") == "differs from byte 35 on"
    assert differences(built, b"\x61" + filled[1:]) == "differs from byte 0 on"
    assert differences(built, filled + b"\x00") == "37 bytes of code, 36 were built"


@pytest.mark.slow
def test_verify__deployment_with_a_wrong_argument_on_record__says_so(anvil: Anvil) -> None:
    sender = Sender(anvil.web3, LocalSigner(ACCOUNTS[0]))
    deployment = deploy(sender, min_bond=1, challenge_bond=1)
    oracle = replace(deployment.contracts["ScoreOracle"], arguments=("2", "1"))
    wrong = replace(deployment, contracts=deployment.contracts | {"ScoreOracle": oracle})
    found = {name: difference for name, _, difference in verify(anvil.web3, wrong) if difference}
    assert list(found) == ["ScoreOracle address"]
