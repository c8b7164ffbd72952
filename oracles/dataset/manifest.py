"""The manifest: the one small file that a commitment on chain points to.

It names the encrypted archive by its CID and holds the data key wrapped for each operator of the
auction's set, so that they, and nobody else yet, can open it. Canonical JSON, below one IPFS block,
so its CID is that of a raw leaf and `DataSet.cid` on chain is plainly the sha2-256 of its bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import rfc8785

from oracles.dataset.keys import WRAPPED_BYTES, EncryptionKey, WrapContext, address_bytes, unwrap
from oracles.dataset.keys import wrap as wrap_key
from oracles.errors import InputError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oracles.dataset.archive import Binding

SCHEMA: Final = "qmia/manifest/1"
#: Most bytes of a manifest: one IPFS block.
MAX_BYTES: Final = 256 * 1024


def operator_context(binding: Binding) -> WrapContext:
    """Context of a wrapping for an operator: the provider stands in for the index not yet known."""
    return WrapContext(
        binding.chain_id,
        binding.contract,
        binding.auction_id,
        int.from_bytes(address_bytes(binding.provider), "big"),
    )


@dataclass(frozen=True, slots=True)
class Manifest:
    """Where the archive is, and the key to it for each operator.

    Attributes:
        archive: CIDv1 of the archive, base32.
        wraps: 81-byte wrapped data key by operator address, lower-case hexadecimal.
    """

    archive: str
    wraps: Mapping[str, bytes]

    @classmethod
    def make(
        cls, archive: str, data_key: bytes, binding: Binding, operators: Mapping[str, bytes]
    ) -> Manifest:
        """Wrap a data key for operators.

        Args:
            archive: CID of the archive.
            data_key: 32 bytes.
            binding: of the archive.
            operators: 64-byte public encryption key by operator address.
        """
        context = operator_context(binding)
        wraps = {
            _name(address): wrap_key(data_key, public, context)
            for address, public in operators.items()
        }
        return cls(archive, wraps)

    def encode(self) -> bytes:
        """Canonical JSON.

        Raises:
            InputError: too many operators for one block.
        """
        data = rfc8785.dumps(
            {
                "schema": SCHEMA,
                "archive": self.archive,
                "wraps": {address: "0x" + wrap.hex() for address, wrap in self.wraps.items()},
            }
        )
        if len(data) > MAX_BYTES:
            raise InputError(f"a manifest of {len(self.wraps)} operators exceeds {MAX_BYTES} bytes")
        return data

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Read a manifest.

        Raises:
            IntegrityError: it is not one, or not in its canonical form.
        """
        try:
            if len(data) > MAX_BYTES:
                raise ValueError(f"{len(data)} bytes")
            value = json.loads(data)
            manifest = cls(
                value["archive"],
                {address: bytes.fromhex(text[2:]) for address, text in value["wraps"].items()},
            )
            wrong = [each for each in manifest.wraps.values() if len(each) != WRAPPED_BYTES]
            if wrong or manifest.encode() != data:
                raise ValueError("not in canonical form")
        except (
            AttributeError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
            rfc8785.CanonicalizationError,
        ) as error:
            raise IntegrityError(f"this is no manifest of a data set: {error}") from error
        return manifest

    def unwrap(self, operator: str, key: EncryptionKey, binding: Binding) -> bytes:
        """The data key, for one operator.

        Raises:
            IntegrityError: nothing is wrapped for this operator, or it does not open.
        """
        wrapped = self.wraps.get(_name(operator))
        if wrapped is None:
            raise IntegrityError(f"the manifest holds no key for operator {operator}")
        return unwrap(wrapped, key, operator_context(binding))


def _name(address: str) -> str:
    return "0x" + address_bytes(address).hex()
