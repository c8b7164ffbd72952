"""The manifest: the one small file that a commitment on chain points to.

It says what a sealed data set is, where its archive is, and for which commitment it was made.
Canonical JSON, below one IPFS block, so its CID is that of a raw leaf and `DataSet.manifest` on
chain is plainly the sha2-256 of its bytes. Where the auction samples nothing it also holds the data
key wrapped for every member of both panels, so that they, and nobody else yet, can open all.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import rfc8785

from oracles.dataset.keys import WRAPPED_BYTES, WrapContext, address_bytes, unwrap_shared, wrap_all
from oracles.dataset.merkle import HASH_BYTES, level_sizes
from oracles.dataset.pages import page_count
from oracles.dataset.plain import reading
from oracles.errors import InputError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oracles.dataset.keys import EncryptionKey

SCHEMA: Final = "qmia/manifest/2"
#: Most bytes of a manifest: one IPFS block.
MAX_BYTES: Final = 256 * 1024
#: Most bytes of a data set that opens all of itself to the panels, instead of a sample.
MAX_OPEN_BYTES: Final = 64 << 20
#: An index entry of a page: where it ends (8 bytes) and the hash of its key.
ENTRY_BYTES: Final = 8 + HASH_BYTES


@dataclass(frozen=True, slots=True)
class Binding:
    """The one auction and provider that a data set is sealed for.

    Attributes:
        chain_id: EIP-155 chain id.
        contract: Address of the auction contract.
        auction_id: Auction in that contract.
        provider: Address that commits the data set.
    """

    chain_id: int
    contract: str
    auction_id: int
    provider: str

    def __post_init__(self) -> None:
        for name in ("contract", "provider"):
            object.__setattr__(self, name, "0x" + address_bytes(getattr(self, name)).hex())
        if self.chain_id < 0 or self.auction_id < 0:
            raise InputError(f"chain and auction are unsigned numbers: {self}")

    @property
    def context(self) -> WrapContext:
        """Where the wraps of a manifest are valid."""
        subject = int.from_bytes(address_bytes(self.provider), "big")
        return WrapContext("manifest", self.chain_id, self.contract, self.auction_id, subject)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a sealed data set is: everything read from its archive is held against it.

    Attributes:
        content_digest: Merkle root over the documents, 32 bytes.
        size: Bytes of the canonical document stream.
        key_commitment: keccak256 of the data key, 32 bytes.
        root: Merkle root over the sealed pages, 32 bytes.
        pages_end: Offset in the archive at which the last page ends and the sketch begins.
        sketch_size: Bytes of the sealed sketch.
        sketch_hash: keccak256 of the sealed sketch.
        sketch_key_hash: keccak256 of the sketch's key.
        facts: Root over the facts of the pages, 32 bytes, whose leaves end the archive; empty
            where the provider gives none.
    """

    content_digest: bytes
    size: int
    key_commitment: bytes
    root: bytes
    pages_end: int
    sketch_size: int
    sketch_hash: bytes
    sketch_key_hash: bytes
    facts: bytes = b""

    @property
    def pages(self) -> int:
        """Number of pages."""
        return page_count(self.size)

    @property
    def index_start(self) -> int:
        """Offset at which the index begins."""
        return self.pages_end + self.sketch_size

    @property
    def tree_start(self) -> int:
        """Offset at which the tree's leaves begin; each level follows the one below it."""
        return self.index_start + ENTRY_BYTES * self.pages

    @property
    def facts_start(self) -> int:
        """Offset at which the leaves of the facts begin, where there are any."""
        return self.tree_start + HASH_BYTES * sum(level_sizes(self.pages))

    @property
    def archive_size(self) -> int:
        """Bytes of the whole archive."""
        return self.facts_start + (HASH_BYTES * self.pages if self.facts else 0)


_HASHES: Final = ("content_digest", "key_commitment", "root", "sketch_hash", "sketch_key_hash")
_NUMBERS: Final = ("size", "pages_end", "sketch_size")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A sealed data set and where it is.

    Attributes:
        binding: Auction and provider.
        archive: CIDv1 of the archive, base32.
        contents: What the archive holds.
        wraps: The data key wrapped for each member of both panels, in the order of the set; empty
            where the auction samples.
        proof: CIDv1 of a proof over the facts; empty without one.
    """

    binding: Binding
    archive: str
    contents: Contents
    wraps: tuple[bytes, ...] = ()
    proof: str = ""

    @classmethod
    def open_to(
        cls,
        binding: Binding,
        archive: str,
        contents: Contents,
        data_key: bytes,
        members: Sequence[bytes],
        proof: str = "",
    ) -> Manifest:
        """The manifest for an auction without samples: all is open to the panels at once.

        Args:
            binding: Auction and provider.
            archive: CID of the archive.
            contents: What the archive holds.
            data_key: 32 bytes.
            members: 64-byte public encryption keys, those of the first panel first.
            proof: CID of a proof over the facts.

        Raises:
            InputError: the data set is too large for this.
        """
        if contents.size > MAX_OPEN_BYTES:
            raise InputError(
                f"the data set has {contents.size} bytes; without samples at most {MAX_OPEN_BYTES}"
                " are scored: choose an auction that samples"
            )
        wraps = tuple(wrap_all(data_key, members, binding.context))
        return cls(binding, archive, contents, wraps, proof)

    def encode(self) -> bytes:
        """Canonical JSON."""
        optional = {"facts": "0x" + self.contents.facts.hex(), "proof": self.proof}
        given = {"facts": bool(self.contents.facts), "proof": bool(self.proof)}
        return rfc8785.dumps(
            {name: value for name, value in optional.items() if given[name]}
            | {
                "schema": SCHEMA,
                "chain_id": str(self.binding.chain_id),
                "contract": self.binding.contract,
                "auction_id": str(self.binding.auction_id),
                "provider": self.binding.provider,
                "archive": self.archive,
                **{name: "0x" + getattr(self.contents, name).hex() for name in _HASHES},
                **{name: str(getattr(self.contents, name)) for name in _NUMBERS},
                "wraps": ["0x" + wrap.hex() for wrap in self.wraps],
            }
        )

    @property
    def digest(self) -> bytes:
        """sha2-256 of the encoded manifest, as it stands on chain: 32 bytes."""
        return hashlib.sha256(self.encode()).digest()

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Read a manifest.

        Raises:
            IntegrityError: it is not one, or not in its canonical form.
        """
        with reading("manifest of a data set"):
            if len(data) > MAX_BYTES:
                raise ValueError(f"{len(data)} bytes")
            value: dict[str, Any] = json.loads(data)
            fields: dict[str, Any] = {name: bytes.fromhex(value[name][2:]) for name in _HASHES}
            fields |= {name: int(value[name]) for name in _NUMBERS}
            fields["facts"] = bytes.fromhex(value.get("facts", "0x")[2:])
            manifest = cls(
                Binding(
                    int(value["chain_id"]),
                    value["contract"],
                    int(value["auction_id"]),
                    value["provider"],
                ),
                value["archive"],
                Contents(**fields),
                tuple(bytes.fromhex(wrap[2:]) for wrap in value["wraps"]),
                value.get("proof", ""),
            )
            if manifest.encode() != data:
                raise ValueError("not in canonical form")
            if any(len(fields[name]) != HASH_BYTES for name in _HASHES):
                raise ValueError("a hash is not 32 bytes long")
            if len(manifest.contents.facts) not in (0, HASH_BYTES):
                raise ValueError("the root of the facts is not 32 bytes long")
            if manifest.proof and not manifest.contents.facts:
                raise ValueError("a proof without facts")
            if any(len(each) != WRAPPED_BYTES for each in manifest.wraps):
                raise ValueError(f"a wrapped key is not {WRAPPED_BYTES} bytes long")
            if not all(0 < fields[name] < 1 << 63 for name in _NUMBERS):
                raise ValueError("a size is out of range")
        return manifest

    def expect(
        self, binding: Binding, *, content_digest: bytes, size: int, key_commitment: bytes
    ) -> None:
        """Hold the manifest against what was committed on chain.

        Raises:
            IntegrityError: something differs; the message names it.
        """
        for name in ("chain_id", "contract", "auction_id", "provider"):
            if (got := getattr(self.binding, name)) != (want := getattr(binding, name)):
                raise IntegrityError(
                    f"the data set was sealed for another auction: {name} is {got}, not {want}"
                )
        if self.contents.content_digest != content_digest:
            raise IntegrityError("the content digest is not the one that was committed")
        if self.contents.size != size:
            raise IntegrityError(f"{size} bytes were committed, this has {self.contents.size}")
        if self.contents.key_commitment != key_commitment:
            raise IntegrityError("the key commitment is not the one that was committed")

    def unwrap(self, member: int, key: EncryptionKey, members: Sequence[bytes]) -> bytes:
        """The data key, for one member, where the auction does not sample.

        Args:
            member: its place in `members`.
            key: its encryption key.
            members: public encryption keys of both panels, in order.

        Raises:
            IntegrityError: the key is not wrapped rightly for every member.
        """
        return unwrap_shared(self.wraps, member, key, members, self.binding.context)
