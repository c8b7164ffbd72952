"""Short data is refused, whatever other libraries did to the registry that eth_abi shares."""

from __future__ import annotations

import importlib

import eth_abi.abi
import pytest
from eth_abi.exceptions import InsufficientDataBytes
from web3 import Web3

from oracles.chain import codec, rpc


@pytest.fixture
def ape() -> None:
    """Ape, which fills short integers with zeros for everybody in the process."""
    importlib.import_module("ape.utils.abi")
    assert eth_abi.abi.decode(["uint256"], b"\x01")


@pytest.mark.usefixtures("ape")
def test_codec__beside_ape__refuses_what_is_short() -> None:
    with pytest.raises(InsufficientDataBytes):
        codec.decode(["uint256"], b"\x01")


@pytest.mark.usefixtures("ape")
def test_exact__a_connection_made_beside_ape__refuses_what_is_short() -> None:
    web3 = Web3()
    assert web3.codec.decode(["uint8"], b"") == (0,)
    with pytest.raises(InsufficientDataBytes):
        rpc.exact(web3).codec.decode(["uint8"], b"")
    assert web3.codec.decode(["uint8"], codec.encode(["uint8"], [7])) == (7,)
