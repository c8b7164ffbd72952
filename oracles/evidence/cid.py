"""CIDs computed here, equal to those of an IPFS node: CIDv1, UnixFS, raw leaves.

The profile (compare IPIP-499) is that of `ipfs add --cid-version=1`: chunks of 256 KiB, balanced
tree of at most 174 links a node, SHA-256, base32. A file of one chunk is that raw block; a longer
one is a tree of dag-pb nodes over raw blocks. Memory is O(174 · depth).
"""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from oracles.errors import InputError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

RAW: Final = 0x55
DAG_PB: Final = 0x70
CHUNK_BYTES: Final = 262_144
MAX_LINKS: Final = 174
#: What a manifest says about how its CIDs were made.
PROFILE: Final = {
    "chunker": f"size-{CHUNK_BYTES}",
    "cid_version": 1,
    "hash": "sha2-256",
    "layout": "balanced",
    "max_links": MAX_LINKS,
    "raw_leaves": True,
}
_SHA2_256: Final = b"\x12\x20"


@dataclass(frozen=True, slots=True, order=True)
class Cid:
    """A content identifier: version 1, SHA-256, codec raw or dag-pb.

    Attributes:
        codec: `RAW` or `DAG_PB`.
        digest: 32 bytes; this is what goes on chain.
    """

    codec: int
    digest: bytes

    def __post_init__(self) -> None:
        if self.codec not in (RAW, DAG_PB) or len(self.digest) != 32:
            raise InputError("only CIDs of files are supported: raw or dag-pb, SHA-256")

    def __bytes__(self) -> bytes:
        return bytes((1, self.codec)) + _SHA2_256 + self.digest

    def __str__(self) -> str:
        return "b" + base64.b32encode(bytes(self)).decode().rstrip("=").lower()

    @classmethod
    def parse(cls, text: str) -> Cid:
        """Read the base32 form.

        Raises:
            InputError: not a CIDv1 in lower-case base32, or of another kind than ours.
        """
        body = text[1:].upper()
        try:
            data = base64.b32decode(body + "=" * (-len(body) % 8))
            cid = cls(data[1], data[4:])
        except (ValueError, IndexError) as error:
            raise InputError(f"{text[:80]!r} is not a CID in base32") from error
        if str(cid) != text:
            raise InputError(f"{text[:80]!r} is not a CIDv1 with SHA-256 in lower-case base32")
        return cid

    @classmethod
    def from_digest(cls, digest: bytes, size: int) -> Cid:
        """The CID of a file of `size` bytes whose digest a contract holds."""
        return cls(RAW if size <= CHUNK_BYTES else DAG_PB, digest)


@dataclass(frozen=True, slots=True)
class _Link:
    cid: Cid
    tree_bytes: int  # this block and all below
    file_bytes: int


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _node(links: list[_Link]) -> bytes:
    """A dag-pb node of a UnixFS file: PBNode with its links before its data, as the spec orders."""
    out = bytearray()
    for link in links:
        # PBLink: Hash = 1, Name = 2 (empty, but present), Tsize = 3.
        out += _field(
            2, _field(1, bytes(link.cid)) + _field(2, b"") + b"\x18" + _varint(link.tree_bytes)
        )
    # UnixFS Data: Type = 1 (2 is a file), filesize = 3, blocksizes = 4.
    data = bytearray(b"\x08\x02\x18") + _varint(sum(link.file_bytes for link in links))
    for link in links:
        data += b"\x20" + _varint(link.file_bytes)
    return bytes(out + _field(1, bytes(data)))


class CidBuilder:
    """Computes the CID of a stream.

    Args:
        on_block: Called with every block, children before parents.
    """

    def __init__(self, on_block: Callable[[Cid, bytes], None] | None = None) -> None:
        self._on_block = on_block
        self._pending = bytearray()
        self._levels: list[list[_Link]] = [[]]

    def write(self, data: bytes) -> None:
        """Append bytes of the file."""
        self._pending += data
        while len(self._pending) >= CHUNK_BYTES:
            self._leaf(bytes(self._pending[:CHUNK_BYTES]))
            del self._pending[:CHUNK_BYTES]

    def finish(self) -> Cid:
        """CID of all that was written. Nothing may be written afterwards."""
        if self._pending or self._levels == [[]]:
            self._leaf(bytes(self._pending))
        level = 0
        while level < len(self._levels) - 1 or len(self._levels[level]) > 1:
            self._promote(level)
            level += 1
        return self._levels[level][0].cid

    def _block(self, codec: int, block: bytes) -> Cid:
        cid = Cid(codec, hashlib.sha256(block).digest())
        if self._on_block:
            self._on_block(cid, block)
        return cid

    def _leaf(self, chunk: bytes) -> None:
        self._append(0, _Link(self._block(RAW, chunk), len(chunk), len(chunk)))

    def _append(self, level: int, link: _Link) -> None:
        if level == len(self._levels):
            self._levels.append([])
        if len(self._levels[level]) == MAX_LINKS:
            self._promote(level)
        self._levels[level].append(link)

    def _promote(self, level: int) -> None:
        """Make one node of a level's links and put it into the level above."""
        links, self._levels[level] = self._levels[level], []
        block = _node(links)
        tree_bytes = len(block) + sum(link.tree_bytes for link in links)
        file_bytes = sum(link.file_bytes for link in links)
        self._append(level + 1, _Link(self._block(DAG_PB, block), tree_bytes, file_bytes))


def stream_cid(stream: BinaryIO, on_block: Callable[[Cid, bytes], None] | None = None) -> Cid:
    """CID of the rest of a stream."""
    builder = CidBuilder(on_block)
    while chunk := stream.read(CHUNK_BYTES):
        builder.write(chunk)
    return builder.finish()


def bytes_cid(data: bytes) -> Cid:
    """CID of a file with these bytes."""
    return stream_cid(io.BytesIO(data))


def file_cid(path: str | os.PathLike[str]) -> Cid:
    """CID of a file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return stream_cid(file)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def write_car(source: BinaryIO, out: BinaryIO) -> Cid:
    """Write a file's blocks as a CARv1, for `ipfs dag import` on any node.

    Args:
        source: The file.
        out: A seekable stream; the root is filled in at the end.

    Returns:
        The root.
    """

    def header(root: Cid) -> bytes:
        # DAG-CBOR of {"roots": [root], "version": 1}; tag 42 holds 0x00 ‖ CID.
        link = b"\xd8\x2a\x58\x25\x00" + bytes(root)
        body = b"\xa2\x65roots\x81" + link + b"\x67version\x01"
        return _varint(len(body)) + body

    def block(cid: Cid, data: bytes) -> None:
        out.write(_varint(len(bytes(cid)) + len(data)) + bytes(cid) + data)

    start = out.tell()
    out.write(header(Cid(RAW, bytes(32))))
    root = stream_cid(source, block)
    end = out.tell()
    out.seek(start)
    out.write(header(root))
    out.seek(end)
    return root
