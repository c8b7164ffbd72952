"""A deployment is compared with the sources, byte by byte."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from oracles.chain.client import Sender
from oracles.chain.deployment import LOCAL, deploy
from oracles.chain.signers import LocalSigner
from scripts.verify_deployment import differences, verify
from tests.support.chain import ACCOUNTS

if TYPE_CHECKING:
    from tests.support.anvil import Anvil


@pytest.mark.slow
def test_verify__deployment_and_one_changed_byte__passes_and_fails(anvil: Anvil) -> None:
    sender = Sender(anvil.web3, LocalSigner(ACCOUNTS[0]))
    deployment = deploy(sender, LOCAL)
    results = list(verify(anvil.web3, deployment))
    assert [result for result in results if result[2]] == []
    addresses = {name: address for name, address, _ in results}
    for name in ("DataAuction", "Settlement", "TermsRules", "MutToken", "DstToken", "Exchange"):
        code = anvil.code(addresses[name])
        changed = bytearray(code)
        changed[-1] ^= 1
        anvil.rpc("anvil_setCode", addresses[name], "0x" + changed.hex())
        found = {name: difference for name, _, difference in verify(anvil.web3, deployment)}
        assert {name for name, wrong in found.items() if wrong} == {name}
        anvil.rpc("anvil_setCode", addresses[name], "0x" + code.hex())

    settlement = bytes(anvil.code(addresses["Settlement"]))
    mut, other = (bytes.fromhex(addresses[name][2:]) for name in ("MutToken", "DstToken"))
    anvil.rpc("anvil_setCode", addresses["Settlement"], "0x" + settlement.replace(mut, other).hex())
    found = {name: difference for name, _, difference in verify(anvil.web3, deployment)}
    assert found["Settlement"] == "clones another MutToken"


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
    deployment = deploy(sender, LOCAL)
    oracle = replace(deployment.contracts["ScoreOracle"], arguments=("2", "1"))
    wrong = replace(deployment, contracts=deployment.contracts | {"ScoreOracle": oracle})
    found = {name: difference for name, _, difference in verify(anvil.web3, wrong) if difference}
    assert list(found) == ["ScoreOracle address"]
