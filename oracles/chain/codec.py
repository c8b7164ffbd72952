"""The ABI's encoding and decoding, as eth_abi's authors made it.

Ape replaces eth_abi's decoder of unsigned integers in the whole process by one that fills short
data with zeros. Where Ape is loaded too, an address without a contract would have a balance of 0,
and a log that was cut off would be read as one with other figures. So nothing here or in web3.py
uses the registry that all share: data that is too short is an error, whoever imports what.
For what web3.py decodes see `rpc.exact`: workers use this module, and loading web3.py takes long.
"""

from __future__ import annotations

from typing import Any

from eth_abi.codec import ABICodec
from eth_abi.decoding import UnsignedIntegerDecoder
from eth_abi.encoding import UnsignedIntegerEncoder
from eth_abi.registry import BaseEquals
from eth_abi.registry import registry as shared


def refusing_short_data(registry: Any) -> ABICodec:
    """A codec of these types, whose decoder of unsigned integers is replaced by the strict one."""
    registry.unregister("uint")
    registry.register(
        BaseEquals("uint"),  # type: ignore[no-untyped-call]
        UnsignedIntegerEncoder,
        UnsignedIntegerDecoder,
        label="uint",
    )
    return ABICodec(registry)


_CODEC = refusing_short_data(shared.copy())  # type: ignore[no-untyped-call]
encode = _CODEC.encode
decode = _CODEC.decode
