"""The encrypted archive: what a provider publishes beforehand, and opens with one key later.

    magic (8) ‖ length of the header (4, big-endian) ‖ header ‖ header tag (16) ‖ body

The header is canonical JSON and says what the archive is bound to, its content digest and its
sizes. Its tag is XChaCha20-Poly1305 over no plaintext with the header as associated data. The body
is a libsodium secretstream (nonce header of 24 bytes, then chunks of 64 KiB + 17 bytes, the last
one shorter and tagged final) over one zstd frame over canonical JSON lines, one document each; the
binding is associated data of every chunk. Header and body keys are derived from the data key; the
header also carries a commitment to that key, because Poly1305 alone would let one archive open
under two keys. Packing and unpacking stream: memory is bounded by one document.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import nacl.bindings as sodium
import nacl.exceptions
import rfc8785
from backports import zstd

from oracles.dataset.digest import MerkleRoot, decode_document, encode_document, leaf_hash
from oracles.dataset.findings import Finding, FindingLog
from oracles.dataset.keys import DATA_KEY_BYTES, address_bytes, derive
from oracles.dataset.read import read_documents
from oracles.dataset.streams import (
    CHUNK,
    DEFAULT_LIMITS,
    BombError,
    Budget,
    Frames,
    Limits,
    metered,
    zstd_decoder,
)
from oracles.errors import InputError, IntegrityError
from oracles.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from oracles.dataset.document import Document

SCHEMA: Final = "qmia/archive/1"
_MAGIC: Final = b"\x89QMIA\r\n\1"
_MAX_HEADER: Final = 4096
_TAG: Final = sodium.crypto_aead_xchacha20poly1305_ietf_ABYTES
_NONCE: Final = bytes(sodium.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES)
_STREAM_HEADER: Final = sodium.crypto_secretstream_xchacha20poly1305_HEADERBYTES
_STREAM_TAG: Final = sodium.crypto_secretstream_xchacha20poly1305_ABYTES
_FINAL: Final = sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL
_MESSAGE: Final = sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
_LEVEL: Final = 3


@dataclass(frozen=True, slots=True)
class Binding:
    """The one auction and provider that an archive is made for.

    Attributes:
        chain_id: EIP-155 chain id.
        contract: Address of the auction contract.
        auction_id: Auction in that contract.
        provider: Address that commits the archive.
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

    def encode(self) -> dict[str, str]:
        """JSON form; numbers as decimal strings, for they may not fit a double."""
        return {
            "schema": SCHEMA,
            "chain_id": str(self.chain_id),
            "contract": self.contract,
            "auction_id": str(self.auction_id),
            "provider": self.provider,
        }


@dataclass(frozen=True, slots=True)
class Header:
    """What an archive says of itself. Trust it only from `unpack` or `verify`.

    Attributes:
        binding: Auction and provider.
        content_digest: Merkle root over the documents, 32 bytes.
        documents: Their number.
        plain_bytes: Size of the canonical JSON lines.
        body_bytes: Size of the encrypted body.
        key_commitment: 32 bytes that only the right data key gives.
    """

    binding: Binding
    content_digest: bytes
    documents: int
    plain_bytes: int
    body_bytes: int
    key_commitment: bytes

    def encode(self) -> bytes:
        """Canonical JSON."""
        return rfc8785.dumps(
            {
                **self.binding.encode(),
                "content_digest": "0x" + self.content_digest.hex(),
                "documents": str(self.documents),
                "plain_bytes": str(self.plain_bytes),
                "body_bytes": str(self.body_bytes),
                "key_commitment": "0x" + self.key_commitment.hex(),
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Header:
        """Read a header.

        Raises:
            IntegrityError: it is not one, or not in its canonical form.
        """
        try:
            value = json.loads(data)
            header = cls(
                Binding(
                    int(value["chain_id"]),
                    value["contract"],
                    int(value["auction_id"]),
                    value["provider"],
                ),
                bytes.fromhex(value["content_digest"][2:]),
                int(value["documents"]),
                int(value["plain_bytes"]),
                int(value["body_bytes"]),
                bytes.fromhex(value["key_commitment"][2:]),
            )
            if header.encode() != data:
                raise ValueError("not in canonical form")
        except (
            AttributeError,
            InputError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
        ) as e:
            raise IntegrityError(f"the archive's header cannot be read: {e}") from e
        return header


@dataclass(frozen=True, slots=True)
class Packed:
    """Result of `pack`.

    Attributes:
        path: The archive.
        size: Its bytes.
        header: What it says of itself; `header.content_digest` goes into the commitment.
        key: The data key, 32 bytes. Whoever has it can read the archive.
    """

    path: Path
    size: int
    header: Header
    key: bytes = field(repr=False)

    @property
    def content_digest(self) -> bytes:
        """Merkle root over the documents, 32 bytes."""
        return self.header.content_digest

    @property
    def documents(self) -> int:
        """Number of documents."""
        return self.header.documents


class _Sealer:
    """Encrypts a stream in chunks of equal size; the last is tagged."""

    def __init__(self, out: BinaryIO, key: bytes, associated: bytes) -> None:
        self._out = out
        self._associated = associated
        self._state = sodium.crypto_secretstream_xchacha20poly1305_state()
        self._buffer = bytearray()
        out.write(sodium.crypto_secretstream_xchacha20poly1305_init_push(self._state, key))

    def write(self, data: bytes) -> None:
        # Keeps at least one byte back, so that the final chunk is never an afterthought.
        self._buffer += data
        while len(self._buffer) > CHUNK:
            self._push(bytes(self._buffer[:CHUNK]), _MESSAGE)
            del self._buffer[:CHUNK]

    def close(self) -> None:
        self._push(bytes(self._buffer), _FINAL)

    def _push(self, chunk: bytes, tag: int) -> None:
        self._out.write(
            sodium.crypto_secretstream_xchacha20poly1305_push(
                self._state, chunk, self._associated, tag
            )
        )


class _Opener:
    """Decrypts what `_Sealer` wrote; a chunk cut off, moved, changed or added is noticed."""

    def __init__(self, source: BinaryIO, key: bytes, associated: bytes) -> None:
        self._source = source
        self._associated = associated
        self._state = sodium.crypto_secretstream_xchacha20poly1305_state()
        self._buffer = b""
        self._done = False
        header = source.read(_STREAM_HEADER)
        if len(header) != _STREAM_HEADER:
            raise IntegrityError("the archive is cut short")
        sodium.crypto_secretstream_xchacha20poly1305_init_pull(self._state, header, key)

    def read(self, size: int, /) -> bytes:
        if not self._buffer and not self._done:
            self._buffer = self._pull()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _pull(self) -> bytes:
        sealed = self._source.read(CHUNK + _STREAM_TAG)
        if len(sealed) < _STREAM_TAG:
            raise IntegrityError("the archive is cut short")
        try:
            chunk, tag = sodium.crypto_secretstream_xchacha20poly1305_pull(
                self._state, sealed, self._associated
            )
        except (RuntimeError, nacl.exceptions.CryptoError) as error:
            raise IntegrityError("the archive was changed after it was made") from error
        self._done = tag == _FINAL
        if self._done and self._source.read(1):
            raise IntegrityError("the archive has bytes after its end")
        return chunk


def _keys(data_key: bytes) -> tuple[bytes, bytes, bytes]:
    """Commitment, header key and body key of a data key."""
    if len(data_key) != DATA_KEY_BYTES:
        raise InputError(f"a data key is {DATA_KEY_BYTES} bytes, this is {len(data_key)}")
    purposes = (b"commitment", b"header", b"body")
    commitment, header, body = (derive(data_key, SCHEMA.encode() + b" " + p) for p in purposes)
    return commitment, header, body


def pack(
    source: str | os.PathLike[str] | Iterable[Document],
    out: str | os.PathLike[str],
    binding: Binding,
    *,
    key: bytes | None = None,
    limits: Limits = DEFAULT_LIMITS,
    findings: list[Finding] | None = None,
    text_field: str | None = None,
) -> Packed:
    """Encrypt a data set for one auction. The file appears at once, complete, or not at all.

    Args:
        source: A path for `read_documents`, or documents.
        out: The archive to write.
        binding: Auction and provider it is for.
        key: Data key, 32 random bytes; a new one by default.
        limits: What reading may cost; unpacking with the same limits will accept the archive.
        findings: Where to put what is wrong with the source. Without it the first is raised.
        text_field: As in `read_documents`.

    Raises:
        InputError: there is no document, or the data compress so well that a reader with the same
            limits would take the archive for a decompression bomb.

    Example:
        >>> import qmia
        >>> from oracles.dataset import Binding
        >>> binding = Binding(1, "0x" + "11" * 20, 5, "0x" + "22" * 20)
        >>> packed = qmia.pack([qmia.Document("A note.")], "note.qmia", binding)
        >>> [document.text for document in qmia.unpack("note.qmia", packed.key, binding)]
        ['A note.']
    """
    data_key = os.urandom(DATA_KEY_BYTES) if key is None else key
    commitment, header_key, body_key = _keys(data_key)
    if isinstance(source, str | os.PathLike):
        documents = read_documents(source, limits=limits, findings=findings, text_field=text_field)
    else:
        documents = iter(source)
    log = FindingLog(findings, limits.findings)
    root = MerkleRoot()
    plain_bytes = 0
    path = Path(out)
    try:
        with tempfile.TemporaryFile(dir=path.parent) as body:
            sealer = _Sealer(body, body_key, rfc8785.dumps(binding.encode()))
            compressor = zstd.ZstdCompressor(_LEVEL)
            for number, document in enumerate(documents, 1):
                line = encode_document(document)
                if len(line) > _longest_line(limits):
                    detail = (
                        f"longer than {_longest_line(limits)} bytes with its metadata; split it"
                    )
                    log.add("too_large", "document", detail, line=number)
                    continue
                root.add(leaf_hash(line))
                plain_bytes += len(line) + 1
                sealer.write(compressor.compress(line + b"\n"))
            content_digest = root.digest()
            sealer.write(compressor.flush())
            sealer.close()
            header = Header(
                binding, content_digest, root.count, plain_bytes, body.tell(), commitment
            )
            _check_sizes(header, limits)
            encoded = header.encode()
            seal = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt
            tag = seal(b"", encoded, _NONCE, header_key)
            body.seek(0)
            with atomic_write(path) as file:
                file.write(_MAGIC + len(encoded).to_bytes(4, "big") + encoded + tag)
                shutil.copyfileobj(body, file, CHUNK)
                size = file.tell()
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    return Packed(path, size, header, data_key)


def _longest_line(limits: Limits) -> int:
    return 2 * limits.record_bytes


def _check_sizes(header: Header, limits: Limits) -> None:
    """Refuse before decompressing what cannot be honest.

    Raises:
        InputError: the declared sizes exceed the limits.
    """
    allowed = limits.budget(header.body_bytes).left
    if header.plain_bytes > allowed:
        raise InputError(
            f"the data set has {header.plain_bytes} bytes and its archive {header.body_bytes}: "
            f"more than the {allowed} that the limits allow; it is too large or mostly repetition"
        )


def is_archive(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins like an archive of this program."""
    if not Path(path).is_file():
        return False
    with _open(path) as file:
        return file.read(len(_MAGIC)) == _MAGIC


def read_header(archive: str | os.PathLike[str]) -> Header:
    """Read what an archive says of itself, without the key: nothing of it is verified.

    Raises:
        IntegrityError: not an archive.
    """
    with _open(archive) as file:
        return _read_header(file)[0]


def _open(archive: str | os.PathLike[str]) -> BinaryIO:
    try:
        return Path(archive).open("rb")
    except OSError as error:
        raise InputError(f"cannot read {archive}: {error.strerror or error}") from error


def _read_header(file: BinaryIO) -> tuple[Header, bytes]:
    start = file.read(len(_MAGIC) + 4)
    length = int.from_bytes(start[len(_MAGIC) :], "big")
    if not start.startswith(_MAGIC) or not 0 < length <= _MAX_HEADER:
        raise IntegrityError("this is not an archive of this program, or its beginning is damaged")
    encoded = file.read(length)
    return Header.decode(encoded), encoded


def unpack(
    archive: str | os.PathLike[str],
    key: bytes,
    binding: Binding,
    *,
    content_digest: bytes | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Document]:
    """Decrypt an archive and verify it on the way.

    Every chunk is authenticated before its documents are given out; the content digest is known to
    hold when the iterator ends without an error. Use `verify` first where that is too late.

    Args:
        archive: The file.
        key: Data key.
        binding: The auction and provider that the archive must be bound to.
        content_digest: The committed digest; by default the one in the header.
        limits: Longest document and largest size that are accepted.

    Yields:
        The documents in their order.

    Raises:
        IntegrityError: wrong key, wrong binding, wrong digest, damage or forgery.
        InputError: larger than the limits, or not readable.
    """
    with _open(archive) as file:
        header = _authenticate(file, key, binding, content_digest)
        yield from _documents(file, header, key, limits)


def _authenticate(
    file: BinaryIO, key: bytes, binding: Binding, content_digest: bytes | None
) -> Header:
    header, encoded = _read_header(file)
    commitment, header_key, _ = _keys(key)
    if header.key_commitment != commitment:
        raise IntegrityError("this is not the key of this archive")
    open_ = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt
    try:
        open_(file.read(_TAG), encoded, _NONCE, header_key)
    except (ValueError, nacl.exceptions.CryptoError) as error:
        raise IntegrityError("the archive's header was changed after it was made") from error
    if header.binding != binding:
        wrong = [
            f"{name} is {got}, not {want}"
            for (name, got), want in zip(
                asdict(header.binding).items(), asdict(binding).values(), strict=True
            )
            if got != want
        ]
        raise IntegrityError(f"the archive was made for another auction: {'; '.join(wrong)}")
    if content_digest is not None and header.content_digest != content_digest:
        raise IntegrityError("the archive's content digest is not the one that was committed")
    size = os.fstat(file.fileno()).st_size - file.tell()
    if size != header.body_bytes:
        message = f"the archive's body has {size} bytes where its header says {header.body_bytes}"
        raise IntegrityError(message)
    return header


def _documents(file: BinaryIO, header: Header, key: bytes, limits: Limits) -> Iterator[Document]:
    _check_sizes(header, limits)
    opener = _Opener(file, _keys(key)[2], rfc8785.dumps(header.binding.encode()))
    budget = Budget(header.plain_bytes)
    lines = metered(Frames(opener, zstd_decoder), budget)
    root = MerkleRoot()
    try:
        while line := lines.readline(_longest_line(limits) + 1):
            if not line.endswith(b"\n"):
                raise IntegrityError("the archive holds a document that is cut or too long")
            root.add(leaf_hash(line[:-1]))
            yield decode_document(line[:-1])
    except (BombError, EOFError, zstd.ZstdError) as error:
        message = "the archive does not decompress to the size that its header declares"
        raise IntegrityError(message) from error
    if budget.left or root.count != header.documents or root.digest() != header.content_digest:
        raise IntegrityError("the documents are not those that the content digest stands for")


def verify(
    archive: str | os.PathLike[str],
    key: bytes,
    binding: Binding,
    *,
    content_digest: bytes | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Header:
    """Read an archive to its end, keeping nothing, and return its header, now known to be true.

    Raises:
        IntegrityError: as `unpack`.
        InputError: as `unpack`.
    """
    with _open(archive) as file:
        header = _authenticate(file, key, binding, content_digest)
        for _ in _documents(file, header, key, limits):
            pass
    return header
