"""The sealed archive: pages under their own keys, and a tree over them.

    magic (8) ‖ sealed pages ‖ sealed sketch ‖ index ‖ tree ‖ leaves of the facts, if any

A sealed page is one zstd frame of 16 KiB, encrypted with XChaCha20-Poly1305 under a key derived
from the data key and the page's number. The index has 40 bytes for each page: the offset at which
it ends, and the hash of its key. The tree has all levels from the leaves up to the root, 32 bytes a
node. So one page with its branch is read by a few ranges of the file, over HTTP or from IPFS, and
checked and opened alone. What the archive should be is said by `Contents`, from the manifest.

An archive is a function of its documents, the data key and the compressor, so a data key serves for
one data set only. Packing and reading stream: memory is bounded by one document and the sketch.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

import nacl.bindings as sodium
import nacl.exceptions
from backports import zstd

from oracles.dataset.digest import decode_document, encode_document, leaf_hash
from oracles.dataset.findings import Finding, FindingLog
from oracles.dataset.keys import DATA_KEY_BYTES, check_data_key, derive, key_commitment
from oracles.dataset.manifest import ENTRY_BYTES, Contents
from oracles.dataset.merkle import (
    HASH_BYTES,
    PAGE_LEAF,
    PAGE_NODE,
    MerkleRoot,
    branch_places,
    branch_root,
    keccak,
    level_sizes,
    next_level,
)
from oracles.dataset.pages import PAGE_BYTES, Pager
from oracles.dataset.read import read_documents
from oracles.dataset.sketch import MAX_HASHES, Sketch, Sketcher
from oracles.dataset.streams import DEFAULT_LIMITS, Limits
from oracles.errors import InputError, IntegrityError
from oracles.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from oracles.dataset.document import Document

MAGIC: Final = b"\x89QMIA\r\n\2"
_LABEL: Final = b"qmia/archive/2 "
_NONCE: Final = bytes(sodium.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES)
_LEVEL: Final = 3
#: A frame of a page needs no larger window; RFC 8878 recommends that every decoder has this one.
_WINDOW_LOG: Final = 23
#: Most bytes of a sealed page, whatever the compressor: data that do not compress grow a little.
MAX_SEALED_BYTES: Final = PAGE_BYTES + 512
#: Most bytes of a sealed sketch: each of its hashes may have a page of its own.
MAX_SKETCH_BYTES: Final = 1 + 20 * MAX_HASHES + 512
#: Pages that are read at once when all of them are.
_RUN: Final = 64


class Read(Protocol):
    """Reads a range of an archive, wherever it is."""

    def __call__(self, offset: int, size: int, /) -> bytes:
        """Bytes from `offset` on: `size` of them, or fewer where the file ends."""


class FactsTree(Protocol):
    """Says something of each page, in a form that a proof can be made of (`oracles.proof`)."""

    def leaf(self, page: bytes, key: bytes, /) -> bytes:
        """Leaf of one page, 32 bytes, salted with its key."""

    def root(self, leaves: Sequence[bytes], /) -> bytes:
        """Root over all leaves, 32 bytes."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Result of `pack`.

    Attributes:
        path: The archive.
        documents: Number of documents in it.
        contents: What it is; goes into the manifest and the commitment.
        key: The data key, 32 bytes. Whoever has it can read the archive.
    """

    path: Path
    documents: int
    contents: Contents
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sealed:
    """One page as it is in the archive, with what its place in the tree needs.

    Attributes:
        index: of the page.
        ciphertext: sealed page.
        offset: of the ciphertext in the archive.
        key_hash: keccak256 of the page's key.
        branch: siblings from the leaf up to the root.
    """

    index: int
    ciphertext: bytes
    offset: int
    key_hash: bytes
    branch: tuple[bytes, ...]


def page_key(data_key: bytes, index: int) -> bytes:
    """Key of one page: HKDF of the data key and the page's number, 32 bytes."""
    return derive(data_key, _LABEL + b"page" + index.to_bytes(8, "big"))


def sketch_key(data_key: bytes) -> bytes:
    """Key of the sketch, 32 bytes."""
    return derive(data_key, _LABEL + b"sketch")


def page_leaf(ciphertext: bytes, key_hash: bytes) -> bytes:
    """Leaf of a sealed page, 32 bytes."""
    return keccak(PAGE_LEAF + keccak(ciphertext) + key_hash)


def _associated(index: int) -> bytes:
    return _LABEL + b"page" + index.to_bytes(8, "big")


def _encrypt(frame: bytes, associated: bytes, key: bytes) -> bytes:
    return sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(frame, associated, _NONCE, key)


def _decrypt(sealed: bytes, associated: bytes, key: bytes, most: int, what: str) -> bytes:
    """Decrypt and decompress one zstd frame.

    Raises:
        IntegrityError: wrong key, damage, or no frame of at most `most` bytes.
    """
    try:
        frame = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, associated, _NONCE, key)
    except (ValueError, nacl.exceptions.CryptoError) as error:
        raise IntegrityError(f"{what} does not decrypt with its key") from error
    decoder = zstd.ZstdDecompressor(
        options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}
    )
    try:
        plain = decoder.decompress(frame, most + 1)
    except (EOFError, zstd.ZstdError) as error:
        raise IntegrityError(f"{what} does not decompress: {error}") from error
    if not decoder.eof or decoder.unused_data or len(plain) > most:
        raise IntegrityError(f"{what} is not one zstd frame of at most {most} bytes")
    return plain


def _seal_page(page: bytes, index: int, key: bytes, compressor: zstd.ZstdCompressor) -> bytes:
    frame = compressor.compress(page, zstd.ZstdCompressor.FLUSH_FRAME)
    return _encrypt(frame, _associated(index), key)


def open_page(ciphertext: bytes, key: bytes, index: int) -> bytes:
    """Decrypt a page whose ciphertext and key are known to be those of its leaf.

    Returns:
        16 KiB of the stream.

    Raises:
        IntegrityError: they do not give 16 KiB. The archive was then made so.
    """
    what = f"page {index}"
    if len(ciphertext) > MAX_SEALED_BYTES:
        raise IntegrityError(f"{what} has {len(ciphertext)} bytes, at most {MAX_SEALED_BYTES}")
    page = _decrypt(ciphertext, _associated(index), key, PAGE_BYTES, what)
    if len(page) != PAGE_BYTES:
        raise IntegrityError(f"{what} opens to {len(page)} bytes and not to {PAGE_BYTES}")
    return page


def check_page(
    ciphertext: bytes, key: bytes, index: int, branch: Iterable[bytes], contents: Contents
) -> bytes:
    """Check one page against the root, alone, and open it.

    Args:
        ciphertext: Sealed page.
        key: Its key, 32 bytes.
        index: Its number.
        branch: Siblings from its leaf up to the root.
        contents: What was committed.

    Returns:
        16 KiB of the stream.

    Raises:
        IntegrityError: it is not the page that was committed, or it does not open.
    """
    if not 0 <= index < contents.pages:
        raise IntegrityError(f"there is no page {index} among {contents.pages}")
    leaf = page_leaf(ciphertext, keccak(key))
    if branch_root(leaf, index, contents.pages, tuple(branch), PAGE_NODE) != contents.root:
        raise IntegrityError(f"this is not page {index} of what was committed, or not its key")
    return open_page(ciphertext, key, index)


def pack(
    source: str | os.PathLike[str] | Iterable[Document],
    out: str | os.PathLike[str],
    *,
    key: bytes | None = None,
    limits: Limits = DEFAULT_LIMITS,
    findings: list[Finding] | None = None,
    text_field: str | None = None,
    facts: FactsTree | None = None,
) -> Packed:
    """Seal a data set, and open every page of it again. The file appears whole or not at all.

    Args:
        source: A path for `read_documents`, or documents.
        out: The archive to write.
        key: Data key, 32 random bytes that seal nothing else; a new one by default.
        limits: What reading may cost; unpacking with the same limits will accept the archive.
        findings: Where to put what is wrong with the source. Without it the first is raised.
        text_field: As in `read_documents`.
        facts: What is said of each page beside it; nothing by default.

    Raises:
        InputError: there is no document, or no room.

    Example:
        >>> import qmia
        >>> packed = qmia.pack([qmia.Document("A note.")], "note.qmia")
        >>> documents = qmia.unpack("note.qmia", packed.key, packed.contents)
        >>> [document.text for document in documents]
        ['A note.']
    """
    data_key = os.urandom(DATA_KEY_BYTES) if key is None else check_data_key(key)
    if isinstance(source, str | os.PathLike):
        documents = read_documents(source, limits=limits, findings=findings, text_field=text_field)
    else:
        documents = iter(source)
    log = FindingLog(findings, limits.findings)
    root = MerkleRoot()

    def lines() -> Iterator[bytes]:
        for number, document in enumerate(documents, 1):
            line = encode_document(document)
            if len(line) > _longest_line(limits):
                detail = f"longer than {_longest_line(limits)} bytes with its metadata; split it"
                log.add("too_large", "document", detail, line=number)
                continue
            root.add(leaf_hash(line))
            yield line + b"\n"

    path = Path(out)
    try:
        with atomic_write(path) as file:
            pager = Pager()
            pages = (page for line in lines() for page in pager.write(line))
            seal = _Seal(file, data_key, path.parent, facts)
            try:
                for page in pages:
                    seal.add(page)
                content_digest = root.digest()
                for page in pager.finish():
                    seal.add(page)
                contents = seal.finish(content_digest, pager.size)
            finally:
                seal.close()
            archive = Archive(contents, _file_reader(file))
            for _ in archive.documents(data_key, limits):
                pass
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    return Packed(path, root.count, contents, data_key)


class _Seal:
    """Writes an archive; index and tree wait in temporary files, so that memory stays flat."""

    def __init__(
        self, out: BinaryIO, data_key: bytes, folder: Path, facts: FactsTree | None
    ) -> None:
        self._out = out
        self._facts = facts
        self._facts_leaves: list[bytes] = []
        self._data_key = data_key
        self._folder = folder
        self._compressor = zstd.ZstdCompressor(_LEVEL)
        self._sketcher = Sketcher()
        self._stack = ExitStack()
        self._index, self._leaves = self._temporary(), self._temporary()
        self._count = 0
        self._end = len(MAGIC)
        out.write(MAGIC)

    def _temporary(self) -> BinaryIO:
        return self._stack.enter_context(tempfile.TemporaryFile(dir=self._folder))

    def close(self) -> None:
        self._stack.close()

    def add(self, page: bytes) -> None:
        key = page_key(self._data_key, self._count)
        sealed = _seal_page(page, self._count, key, self._compressor)
        self._out.write(sealed)
        self._end += len(sealed)
        self._index.write(self._end.to_bytes(8, "big") + keccak(key))
        self._leaves.write(page_leaf(sealed, keccak(key)))
        self._sketcher.add(self._count, page)
        if self._facts is not None:
            self._facts_leaves.append(self._facts.leaf(page, key))
        self._count += 1

    def finish(self, content_digest: bytes, size: int) -> Contents:
        key = sketch_key(self._data_key)
        frame = zstd.compress(self._sketcher.finish().encode(), _LEVEL)
        sketch = _encrypt(frame, _LABEL + b"sketch", key)
        self._out.write(sketch)
        _copy(self._index, self._out)
        level, root = self._leaves, b""
        for count in level_sizes(self._count):
            above = self._temporary()
            level.seek(0)
            for _ in range(0, count, _NODES):
                nodes = level.read(_NODES * HASH_BYTES)
                self._out.write(nodes)
                above.write(b"".join(next_level(_hashes(nodes), PAGE_NODE)))
                root = nodes[:HASH_BYTES]
            level = above
        self._out.write(b"".join(self._facts_leaves))
        self._out.flush()
        return Contents(
            content_digest=content_digest,
            size=size,
            key_commitment=key_commitment(self._data_key),
            root=root,
            pages_end=self._end,
            sketch_size=len(sketch),
            sketch_hash=keccak(sketch),
            sketch_key_hash=keccak(key),
            facts=self._facts.root(self._facts_leaves) if self._facts is not None else b"",
        )


#: Nodes of a level that are read at once; an even number.
_NODES: Final = 1 << 14


def _hashes(nodes: bytes) -> list[bytes]:
    return [nodes[i : i + HASH_BYTES] for i in range(0, len(nodes), HASH_BYTES)]


def _copy(source: BinaryIO, out: BinaryIO) -> None:
    source.seek(0)
    while block := source.read(1 << 20):
        out.write(block)


def _longest_line(limits: Limits) -> int:
    return 2 * limits.record_bytes


def _file_reader(file: BinaryIO) -> Read:
    def read(offset: int, size: int, /) -> bytes:
        file.seek(offset)
        return file.read(size)

    return read


class Archive:
    """An archive, read by ranges from wherever it is. Nothing in it is trusted.

    Args:
        contents: What was committed.
        read: Gives a range of the file.
    """

    def __init__(self, contents: Contents, read: Read) -> None:
        self.contents = contents
        self._read = read

    def _range(self, offset: int, size: int) -> bytes:
        data = self._read(offset, size)
        if len(data) != size:
            raise IntegrityError("the archive is cut short")
        return data

    def _entries(self, first: int, count: int) -> tuple[list[int], list[bytes]]:
        """Offsets at which pages start and end (one more than pages), and hashes of their keys."""
        start = self.contents.index_start
        before = 1 if first else 0
        data = self._range(start + ENTRY_BYTES * (first - before), ENTRY_BYTES * (count + before))
        entries = [data[i : i + ENTRY_BYTES] for i in range(0, len(data), ENTRY_BYTES)]
        ends = [int.from_bytes(entry[:8], "big") for entry in entries]
        offsets = ends if first else [len(MAGIC), *ends]
        for index, (begin, end) in enumerate(pairwise(offsets), first):
            if not 0 < end - begin <= MAX_SEALED_BYTES or end > self.contents.pages_end:
                raise IntegrityError(f"the archive's index gives page {index} no place")
        return offsets, [entry[8:] for entry in entries[before:]]

    def sealed(self, index: int) -> Sealed:
        """Fetch one page and its branch; nothing of it is checked.

        Raises:
            IntegrityError: there is no such page, or the archive is cut short.
        """
        if not 0 <= index < self.contents.pages:
            raise IntegrityError(f"there is no page {index} among {self.contents.pages}")
        (start, end), (key_hash,) = self._entries(index, 1)
        return Sealed(index, self._range(start, end - start), start, key_hash, self.branch(index))

    def branch(self, index: int) -> tuple[bytes, ...]:
        """Siblings of a page from its leaf up to the root, as the archive has them."""
        starts = [self.contents.tree_start]
        for size in level_sizes(self.contents.pages):
            starts.append(starts[-1] + HASH_BYTES * size)
        return tuple(
            self._range(starts[level] + HASH_BYTES * place, HASH_BYTES)
            for level, place in branch_places(index, self.contents.pages)
        )

    def page(self, index: int, data_key: bytes) -> bytes:
        """Fetch, check and open one page.

        Returns:
            16 KiB of the stream.

        Raises:
            IntegrityError: it is not what was committed, or does not open with this data key.
        """
        sealed = self.sealed(index)
        key = page_key(data_key, index)
        return check_page(sealed.ciphertext, key, index, sealed.branch, self.contents)

    def facts_leaves(self) -> list[bytes]:
        """Leaves of the facts of all pages, as the archive has them; nothing of it is checked.

        Raises:
            IntegrityError: the archive is cut short.
        """
        if not self.contents.facts:
            return []
        return _hashes(self._range(self.contents.facts_start, HASH_BYTES * self.contents.pages))

    def sketch(self, key: bytes) -> Sketch:
        """Fetch, check and open the sketch.

        Args:
            key: of the sketch.

        Raises:
            IntegrityError: it is not what was committed, or does not open.
        """
        size = self.contents.sketch_size
        if size > MAX_SKETCH_BYTES:
            raise IntegrityError(f"the sketch has {size} bytes, at most {MAX_SKETCH_BYTES}")
        sealed = self._range(self.contents.pages_end, size)
        if (keccak(sealed), keccak(key)) != (
            self.contents.sketch_hash,
            self.contents.sketch_key_hash,
        ):
            raise IntegrityError("this is not the sketch that was committed, or not its key")
        plain = _decrypt(sealed, _LABEL + b"sketch", key, MAX_SKETCH_BYTES, "the sketch")
        return Sketch.decode(plain, self.contents.pages)

    def _runs(self) -> Iterator[tuple[int, bytes, bytes]]:
        """All pages: number, ciphertext and hash of the key."""
        pages, end = self.contents.pages, len(MAGIC)
        if self._range(0, len(MAGIC)) != MAGIC:
            raise IntegrityError("this is not an archive of this program")
        for first in range(0, pages, _RUN):
            count = min(_RUN, pages - first)
            offsets, key_hashes = self._entries(first, count)
            data = self._range(offsets[0], offsets[-1] - offsets[0])
            for i in range(count):
                ciphertext = data[offsets[i] - offsets[0] : offsets[i + 1] - offsets[0]]
                yield first + i, ciphertext, key_hashes[i]
            end = offsets[-1]
        if end != self.contents.pages_end:
            raise IntegrityError("the archive has bytes between its pages and its sketch")

    def check_ciphertext(self) -> None:
        """Read all that is sealed, without any key: whether it is what was committed.

        Raises:
            IntegrityError: it is not.
        """
        root = MerkleRoot(PAGE_NODE)
        for _, ciphertext, key_hash in self._runs():
            root.add(page_leaf(ciphertext, key_hash))
        sketch = self._range(self.contents.pages_end, self.contents.sketch_size)
        if root.digest() != self.contents.root or keccak(sketch) != self.contents.sketch_hash:
            raise IntegrityError("the archive's pages are not those that were committed")

    def documents(self, data_key: bytes, limits: Limits = DEFAULT_LIMITS) -> Iterator[Document]:
        """Open everything and check it on the way: pages, tree, digest, size, sketch.

        Every page is authenticated before its documents are given out. That all of it is what was
        committed is known when the iterator ends without an error.

        Args:
            data_key: 32 bytes.
            limits: Longest document and largest size that are accepted.

        Yields:
            The documents in their order.

        Raises:
            IntegrityError: wrong key, damage or forgery.
            InputError: larger than the limits.
        """
        contents = self.contents
        if key_commitment(data_key) != contents.key_commitment:
            raise IntegrityError("this is not the key of this data set")
        if contents.size > limits.total_bytes:
            raise InputError(
                f"the data set has {contents.size} bytes, {limits.total_bytes} are allowed"
            )
        buffer = bytearray()
        root = MerkleRoot()
        tree = MerkleRoot(PAGE_NODE)
        sketcher = Sketcher()
        for index, ciphertext, key_hash in self._runs():
            key = page_key(data_key, index)
            if keccak(key) != key_hash:
                raise IntegrityError(f"the key of page {index} does not come from the data key")
            page = open_page(ciphertext, key, index)
            tree.add(page_leaf(ciphertext, key_hash))
            sketcher.add(index, page)
            filled = min(PAGE_BYTES, contents.size - index * PAGE_BYTES)
            if page.count(0, filled) != PAGE_BYTES - filled:
                raise IntegrityError("the last page is filled up with something else than zeros")
            *lines, rest = page[:filled].split(b"\n")
            for line in lines:
                buffer += line
                root.add(leaf_hash(bytes(buffer)))
                yield decode_document(bytes(buffer))
                buffer.clear()
            buffer += rest
            if len(buffer) > _longest_line(limits):
                raise IntegrityError("the archive holds a document that is too long")
        if buffer:
            raise IntegrityError("the archive's last document is cut")
        if root.digest() != contents.content_digest:
            raise IntegrityError("the documents are not those that the content digest stands for")
        if tree.digest() != contents.root:
            raise IntegrityError("the archive's pages are not those that were committed")
        self._check_tree()
        if self.sketch(sketch_key(data_key)).encode() != sketcher.finish().encode():
            raise IntegrityError("the sketch is not that of these documents")
        if self._read(contents.archive_size, 1):
            raise IntegrityError("the archive has bytes after its end")

    def _check_tree(self) -> None:
        """Read the tree's levels: a branch taken from it leads to the root."""
        below = self.contents.tree_start
        for size in level_sizes(self.contents.pages)[:-1]:
            above = below + HASH_BYTES * size
            for first in range(0, size, _NODES):
                nodes = self._range(
                    below + HASH_BYTES * first, HASH_BYTES * min(_NODES, size - first)
                )
                expected = b"".join(next_level(_hashes(nodes), PAGE_NODE))
                if self._range(above + HASH_BYTES * (first // 2), len(expected)) != expected:
                    raise IntegrityError("the archive's tree does not hang together")
            below = above
        if self._range(below, HASH_BYTES) != self.contents.root:
            raise IntegrityError("the archive's tree has another root")


def is_archive(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins like an archive of this program."""
    if not Path(path).is_file():
        return False
    with _open(path) as file:
        return file.read(len(MAGIC)) == MAGIC


def _open(path: str | os.PathLike[str]) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


@contextmanager
def open_archive(path: str | os.PathLike[str], contents: Contents) -> Iterator[Archive]:
    """Open an archive in a file.

    Raises:
        InputError: it cannot be read.
    """
    with _open(path) as file:
        yield Archive(contents, _file_reader(file))


def unpack(
    path: str | os.PathLike[str],
    key: bytes,
    contents: Contents,
    *,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Document]:
    """Open a whole data set in a file; see `Archive.documents`.

    Use `verify` first where the end of the iterator is too late to learn of an error.

    Raises:
        IntegrityError: wrong key, damage or forgery.
        InputError: larger than the limits, or not readable.

    Example:
        >>> import qmia
        >>> packed = qmia.pack([qmia.Document("A note.")], "sold.qmia")
        >>> [document.text for document in qmia.unpack("sold.qmia", packed.key, packed.contents)]
        ['A note.']
    """
    with open_archive(path, contents) as archive:
        yield from archive.documents(key, limits)


def verify(
    path: str | os.PathLike[str],
    key: bytes,
    contents: Contents,
    *,
    limits: Limits = DEFAULT_LIMITS,
) -> int:
    """Read an archive to its end, keeping nothing, and count its documents.

    Raises:
        IntegrityError: as `unpack`.
        InputError: as `unpack`.
    """
    return sum(1 for _ in unpack(path, key, contents, limits=limits))
