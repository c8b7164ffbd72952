"""Byte streams with limits: decompression that cannot explode, tar archives read forwards only."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import tempfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import WriteableBuffer

CHUNK = 1 << 16
#: A decoder that wants a larger window than this wants memory, not text (xz -9 needs 65 MiB).
_DECODER_MEMORY = 1 << 27
#: No archive format needs to read more at once: only a forged header length asks for it.
_SINGLE_READ = 1 << 26

COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".zst"})


class BombError(Exception):
    """A file decompresses to more than its budget. Internal: becomes a finding."""


@dataclass(slots=True)
class Budget:
    """Bytes that one file may still decompress to, over all nested layers together."""

    left: int

    def spend(self, size: int) -> None:
        """Take `size` bytes.

        Raises:
            BombError: the budget is used up.
        """
        self.left -= size
        if self.left < 0:
            raise BombError


class _Decoder(Protocol):
    """What `lzma` and `zstd` decoders have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def _xz_decoder() -> _Decoder:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, _DECODER_MEMORY)


def zstd_decoder() -> _Decoder:
    """A decoder for `Frames` with bounded memory."""
    window_log = _DECODER_MEMORY.bit_length() - 1
    return zstd.ZstdDecompressor(
        options={zstd.DecompressionParameter.window_log_max: window_log},
    )


class Frames:
    """Compressed frames one after another, decoded in bounded memory.

    The standard file classes take no memory limit: a header may ask for a 4 GiB dictionary.
    """

    def __init__(self, source: Readable, new_decoder: Callable[[], _Decoder]) -> None:
        self._source = source
        self._new_decoder = new_decoder
        self._decoder: _Decoder | None = None

    def read(self, size: int) -> bytes:
        """Decode at most `size` bytes; nothing at the end.

        Raises:
            EOFError: the last frame is cut short.
        """
        while True:
            data = b""
            if self._decoder is None or self._decoder.eof:
                # .xz streams may be padded with zero bytes (format 1.2, §2.2); a frame has none.
                data = self._decoder.unused_data.lstrip(b"\0") if self._decoder else b""
                while not data and (block := self._source.read(CHUNK)):
                    data = block.lstrip(b"\0") if self._decoder else block
                if not data:
                    return b""
                self._decoder = self._new_decoder()
            elif self._decoder.needs_input and not (data := self._source.read(CHUNK)):
                raise EOFError("the compressed data end early")
            if output := self._decoder.decompress(data, size):
                return output


class Readable(Protocol):
    """Anything with `read`."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; nothing at the end."""


class _Metered(io.RawIOBase):
    """Reads a decompressor and charges every byte to the budget."""

    def __init__(self, inner: Readable, budget: Budget) -> None:
        self._inner = inner
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        size = 0
        while size < len(view) and (data := self._inner.read(min(len(view) - size, CHUNK))):
            self._budget.spend(len(data))
            view[size : size + len(data)] = data
            size += len(data)
        return size


def metered(inner: Readable, budget: Budget) -> BinaryIO:
    """Buffer a decompressor's output and charge it to a budget."""
    return cast("BinaryIO", io.BufferedReader(_Metered(inner, budget), CHUNK))


def decompressed(source: BinaryIO, suffix: str, budget: Budget) -> BinaryIO:
    """Open a compressed stream.

    Args:
        source: Compressed bytes.
        suffix: One of `COMPRESSED`.
        budget: What all output is charged to.
    """
    inner: Readable
    if suffix == ".gz":
        inner = gzip.GzipFile(fileobj=source)
    elif suffix == ".bz2":
        inner = bz2.BZ2File(source)
    else:
        inner = Frames(source, _xz_decoder if suffix == ".xz" else zstd_decoder)
    return metered(inner, budget)


@contextlib.contextmanager
def seekable(stream: BinaryIO) -> Iterator[BinaryIO]:
    """The stream itself if it can seek, else a copy in a temporary file."""
    if stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as copy:
        while block := stream.read(CHUNK):
            copy.write(block)
        copy.seek(0)
        yield copy


class Guarded:
    """A seekable file for `zipfile`, which reads the whole directory at once whatever its size."""

    def __init__(self, inner: BinaryIO) -> None:
        self._inner = inner
        self.seek = inner.seek
        self.tell = inner.tell
        self.seekable = inner.seekable

    def read(self, size: int = -1) -> bytes:
        """Read, but not more than any honest archive asks for."""
        if size > _SINGLE_READ:
            raise OSError(f"the archive asks to read {size} bytes at once")
        return self._inner.read(size)


class Forward:
    """A tar stream read once, forwards: remembers its position and one byte behind it.

    `tarfile` seeks to the byte before the next header, and reads header extensions in one piece.
    """

    def __init__(self, inner: BinaryIO) -> None:
        self._inner = inner
        self._position = 0
        self._behind = b""
        self._pushed = b""

    def seekable(self) -> bool:
        """No: what is inside must not try."""
        return False

    def tell(self) -> int:
        """Bytes read so far."""
        return self._position

    def seek(self, position: int, whence: int = 0) -> int:
        """Go forwards by reading, or one byte back."""
        if whence or position < self._position - len(self._behind):
            raise OSError("cannot go back in a stream")
        if position < self._position:
            self._pushed, self._behind = self._behind, b""
            self._position -= 1
        while position > self._position and self.read(min(CHUNK, position - self._position)):
            pass
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes."""
        if not 0 <= size <= _SINGLE_READ:
            raise OSError(f"the archive asks to read {size} bytes at once")
        if not size:
            return b""
        data = self._pushed + self._inner.read(size - len(self._pushed))
        self._pushed = b""
        self._position += len(data)
        self._behind = data[-1:] or self._behind
        return data


def unsafe_name(name: str) -> bool:
    """Whether an archive member's name would leave the folder it is unpacked to."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or name[1:2] == ":" or "\0" in name


def hidden_name(name: str) -> bool:
    """Whether a path is, or is inside, something hidden or a file manager's litter."""
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)
