"""The ABI's encoding and decoding, as eth_abi's authors made it.

Ape replaces eth_abi's decoder of unsigned integers in the whole process by one that fills short
data with zeros. Where Ape is loaded too, an address without a contract would have a balance of 0,
and a log that was cut off would be read as one with other figures. So nothing here or in web3.py
uses the registry that all packages share: data that is too short is an error, whoever imports what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eth_abi.codec import ABICodec
from eth_abi.decoding import UnsignedIntegerDecoder
from eth_abi.encoding import UnsignedIntegerEncoder
from eth_abi.registry import BaseEquals
from eth_abi.registry import registry as shared
from web3._utils.abi import build_strict_registry

if TYPE_CHECKING:
    from web3 import Web3


def _codec(registry: Any) -> ABICodec:
    registry.unregister("uint")
    registry.register(
        BaseEquals("uint"),  # type: ignore[no-untyped-call]
        UnsignedIntegerEncoder,
        UnsignedIntegerDecoder,
        label="uint",
    )
    return ABICodec(registry)


_CODEC = _codec(shared.copy())  # type: ignore[no-untyped-call]
_WEB3 = _codec(build_strict_registry())
encode = _CODEC.encode
decode = _CODEC.decode


def exact(web3: Web3) -> Web3:
    """The same connection, which now refuses answers that are too short, whoever made it."""
    web3.codec = _WEB3
    return web3
