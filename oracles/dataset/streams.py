"""Byte streams with limits: decompression that cannot explode, tar archives read forwards only."""

from __future__ import annotations

import bz2
import contextlib
import io
import lzma
import re
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, cast

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


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading may cost.

    Attributes:
        record_bytes: Longest line, row or document. Longer plain text is cut, others skipped.
        total_bytes: Most that one file may decompress to.
        ratio: Most that one file may decompress to, per byte of its size, all layers together.
        small_bytes: Decompressing to this much is always allowed.
        depth: Layers of compression and archives within each other.
        findings: Findings that are listed one by one.
    """

    record_bytes: int = 1 << 24
    total_bytes: int = 1 << 40
    ratio: int = 200
    small_bytes: int = 1 << 24
    depth: int = 4
    findings: int = 10_000

    def budget(self, size: int) -> Budget:
        """What a file of `size` bytes may decompress to."""
        return Budget(min(self.total_bytes, max(self.small_bytes, self.ratio * size)))


DEFAULT_LIMITS: Final = Limits()


class _Decoder(Protocol):
    """What decoders of all formats have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class NotReadError(Exception):
    """The data are whole, but are not read. Internal: becomes a finding."""


class DamagedError(Exception):
    """A frame is damaged, and reading goes on at the next one. Internal: `Frames` counts it.

    Attributes:
        within: Whether frames end within lines here, so that what follows may begin within one.
    """

    def __init__(self, why: str, *, within: bool) -> None:
        super().__init__(why)
        self.within = within


class _Zlib:
    """One stream of `zlib`, which has the parts of a decoder under other names.

    Args:
        wbits: of the form: 31 for gzip.
    """

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits=wbits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class _Deflate(_Zlib):
    """HTTP's `deflate`: a zlib stream, or one without its frame, as some servers send it."""

    def __init__(self) -> None:
        super().__init__(15)
        self._begun = False

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if not self._begun and data:
            self._begun = True
            if data[0] & 0x0F != 8 or int.from_bytes(data[:2], "big") % 31:
                self._inner = zlib.decompressobj(wbits=-15)
        return super().decompress(data, max_length)


def gzip_decoder() -> _Decoder:
    """A decoder for `Frames`."""
    return _Zlib(31)


def deflate_decoder() -> _Decoder:
    """A decoder for `Frames` of what HTTP calls deflate."""
    return _Deflate()


def _xz_decoder() -> _Decoder:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, _DECODER_MEMORY)


def zstd_decoder() -> _Decoder:
    """A decoder for `Frames` with bounded memory."""
    window_log = _DECODER_MEMORY.bit_length() - 1
    return zstd.ZstdDecompressor(
        options={zstd.DecompressionParameter.window_log_max: window_log},
    )


def _zstd_window(frame: bytes) -> int:
    """Window in bytes that a zstd frame asks for (RFC 8878, §3.1.1.1); 0 if its header is cut."""
    if len(frame) < 6 or frame[:4] != _ZSTD_MAGIC or frame[4] & 0x20:
        return 0  # a single segment needs no more than its content
    exponent, mantissa = frame[5] >> 3, frame[5] & 7
    base = 1 << (10 + exponent)
    return base + base // 8 * mantissa


_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
#: What a frame begins with: a later one that does not is no frame but something else.
_FRAME: Final[dict[str, tuple[re.Pattern[bytes], Callable[[], _Decoder]]]] = {
    ".gz": (re.compile(rb"\x1f\x8b\x08[\0-\x1f]"), gzip_decoder),
    ".bz2": (re.compile(rb"BZh[1-9](?:1A|\x17r)"), bz2.BZ2Decompressor),
    ".xz": (re.compile(rb"\xfd7zXZ\0"), _xz_decoder),
    ".zst": (re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), zstd_decoder),
}
_MAGIC_BYTES: Final = 6
#: What decoders raise where the data are damaged.
_DAMAGE: Final = (EOFError, OSError, zlib.error, lzma.LZMAError, zstd.ZstdError)
#: Compressed bytes of a frame that are searched for the next one, where the frame is cut short.
_KEPT: Final = 1 << 20
#: Compressed bytes in which the beginning of a frame shows what it holds.
_TRIED: Final = 1 << 13
#: Places where a frame could begin that are looked at; more are made on purpose.
_MOST_TRIED: Final = 10_000


class Frames:
    """Compressed frames one after another, decoded in bounded memory.

    The standard file classes take no memory limit (a header may ask for a dictionary of 4 GiB),
    and pass over what follows the last frame without a word.

    Args:
        source: Compressed bytes.
        new_decoder: For one frame.
        frame: What each frame begins with.
        content: What the content of each frame begins with: a damaged frame then costs itself
            alone. Without it there is no going on behind one.

    Attributes:
        trailing: Bytes behind the last frame that belong to none; known at the end. Zeros do not
            count: .xz streams and tapes are padded with them.
        damaged: Frames that were passed over.
        first: Which one was the first of them, from 1.
        passed: Compressed bytes in which they were.
    """

    def __init__(
        self,
        source: Readable,
        new_decoder: Callable[[], _Decoder],
        frame: re.Pattern[bytes] | None = None,
        content: bytes | None = None,
    ) -> None:
        self._source = source
        self._new_decoder = new_decoder
        self._frame = frame
        self._content = content
        self._decoder: _Decoder | None = None
        self._again = b""  # compressed bytes that are to be read once more
        self._kept = bytearray()  # those of this frame, as far as they are kept
        self._dropped = 0  # and how many before them are not
        self._tried = self._searched = 0  # places, and bytes without a frame
        self._number = 0  # of this frame
        self._end, self._within = b"", False  # its last byte, and whether one ended within a line
        self.trailing = self.damaged = self.first = self.passed = 0

    def read(self, size: int) -> bytes:
        """Decode at most `size` bytes; nothing at the end.

        Raises:
            DamagedError: a frame is damaged; the next call goes on at the next one.
            EOFError: the last frame is cut short.
            NotReadError: a frame needs more memory than a decoder gets.
        """
        while not self.trailing:
            data, cut = b"", False
            if self._decoder is None or self._decoder.eof:
                self._within |= self._decoder is not None and self._end not in b"\r\n"
                data = self._next_frame()
                if not data or self.trailing:
                    return b""
                self._decoder = self._new_decoder()
                self._number += 1
                self._kept.clear()
                self._dropped = 0
            elif self._decoder.needs_input:
                data = self._take()
                cut = not data
            self._keep(data)
            try:
                if cut:
                    raise EOFError("the compressed data end early")
                output = self._decoder.decompress(data, size)
            except _DAMAGE as error:
                _check_memory(error, data)
                if not self._resume():
                    raise
                raise DamagedError(str(error), within=self._within) from error
            if output:
                self._end = output[-1:]
                return output
        return b""

    def _take(self) -> bytes:
        """More compressed bytes; nothing at the end."""
        data, self._again = self._again or self._source.read(CHUNK), b""
        return data

    def _keep(self, data: bytes) -> None:
        if self._content is not None:
            self._kept += data
            over = max(0, len(self._kept) - _KEPT)
            del self._kept[:over]
            self._dropped += over

    def _next_frame(self) -> bytes:
        """The beginning of the next frame; nothing at the end."""
        first = self._decoder is None
        data = self._decoder.unused_data.lstrip(b"\0") if self._decoder else b""
        while len(data) < _MAGIC_BYTES and (block := self._take()):
            data = data + block if first else (data + block).lstrip(b"\0")
        if not first and data and self._frame and not self._frame.match(data):
            if self._resume(data):
                raise DamagedError("what follows is no frame", within=self._within)
            self.trailing = max(len(data), self._searched)
            while block := self._take():
                self.trailing += len(block)
        return data

    def _resume(self, data: bytes | None = None) -> bool:
        """Whether another frame begins behind this place; reading goes on there.

        Args:
            data: Compressed bytes from which on to look; by default those of this frame.
        """
        if self._frame is None or self._content is None:
            return False
        start, passed = (1, self._dropped) if data is None else (0, 0)
        data = bytes(self._kept) if data is None else data
        more = True
        while True:
            for match in self._frame.finditer(data, start):
                if more and len(data) - match.start() < _TRIED:
                    break
                self._tried += 1
                if self._tried > _MOST_TRIED:
                    more = False
                    break
                if self._begins(data[match.start() : match.start() + _TRIED]):
                    self.damaged += 1
                    self.first = self.first or self._number
                    self.passed += passed + match.start()
                    self._decoder, self._again = None, data[match.start() :]
                    return True
            if not more:
                self._searched = passed + len(data)
                return False
            block = self._take()
            more = bool(block)
            searched = max(start, len(data) - _TRIED)
            passed, data, start = passed + searched, data[searched:] + block, 0

    def _begins(self, frame: bytes) -> bool:
        """Whether these bytes begin a frame with the content that is expected."""
        content = cast("bytes", self._content)
        try:
            return self._new_decoder().decompress(frame, len(content) or CHUNK).startswith(content)
        except _DAMAGE:
            return False


def _check_memory(error: Exception, data: bytes) -> None:
    """Say that a frame needs more memory than a decoder gets, if that is what failed.

    Raises:
        NotReadError: it is.
    """
    if not isinstance(error, zstd.ZstdError | lzma.LZMAError):
        return
    window = _zstd_window(data)
    if window <= _DECODER_MEMORY and "emory" not in str(error):
        return
    wanted = f"a window of {_binary(window)}" if window else "more memory"
    raise NotReadError(
        f"unpacking it needs {wanted}, and the limit is {_binary(_DECODER_MEMORY)}; "
        "compress it with a smaller window or dictionary"
    ) from error


def _binary(size: int) -> str:
    """A size for people, in binary units."""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >= 1 << power:
            return f"{size / (1 << power):g} {unit}"
    return f"{size} bytes"


class Readable(Protocol):
    """Anything with `read`."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; nothing at the end."""


class _Metered(io.RawIOBase):
    """Reads a decompressor and charges every byte to the budget.

    An error is raised only once all that came before it is handed out.
    """

    def __init__(self, inner: Readable, budget: Budget) -> None:
        self._inner = inner
        self._budget = budget
        self._error: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        size = 0
        try:
            if self._error:
                raise self._error
            while size < len(view) and (data := self._inner.read(min(len(view) - size, CHUNK))):
                self._budget.spend(len(data))
                view[size : size + len(data)] = data
                size += len(data)
        except DamagedError as error:  # What comes after it can still be read.
            self._error = error if size else None
            if not size:
                raise
        except Exception as error:
            self._error = error
            if not size:
                raise
        return size


def metered(inner: Readable, budget: Budget) -> BinaryIO:
    """Buffer a decompressor's output and charge it to a budget."""
    return cast("BinaryIO", io.BufferedReader(_Metered(inner, budget), CHUNK))


def frames(source: Readable, suffix: str, content: bytes | None = None) -> Frames:
    """Decode a compressed stream.

    Args:
        source: Compressed bytes.
        suffix: One of `COMPRESSED`.
        content: What the content of each frame begins with, if a damaged one is to be passed over.
    """
    magic, new_decoder = _FRAME[suffix]
    return Frames(source, new_decoder, magic, content)


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
        #: Whether the directory is still to be read.
        self.opening = True
        #: Whether the name before the member that is opened now is UTF-8, by the directory.
        self.utf8: bool | None = None

    def read(self, size: int = -1) -> bytes:
        """Read, but not more than any honest archive asks for."""
        if size > _SINGLE_READ:
            raise OSError(f"the archive asks to read {size} bytes at once")
        data = self._inner.read(size)
        if self.opening and data.startswith(_DIRECTORY):
            return _without_wrong_flags(data)
        if self.utf8 is not None and data.startswith(_MEMBER) and len(data) == size:
            # `zipfile` compares the two names, and takes different flags for different names.
            flags = data[7] | 0x08 if self.utf8 else data[7] & ~0x08
            data = data[:7] + bytes([flags]) + data[8:]
            self.utf8 = None
        return data


_DIRECTORY: Final = b"PK\1\2"
_MEMBER: Final = b"PK\3\4"


def _without_wrong_flags(directory: bytes) -> bytes:
    """A zip's directory in which no name says that it is UTF-8 without being so.

    `zipfile` gives the whole archive up for one such name.
    """
    changed = bytearray(directory)
    place = 0
    while changed[place : place + 4] == _DIRECTORY and len(changed) >= place + 46:
        lengths = [
            int.from_bytes(changed[place + at : place + at + 2], "little") for at in (28, 30, 32)
        ]
        if changed[place + 9] & 0x08:
            try:
                changed[place + 46 : place + 46 + lengths[0]].decode()
            except UnicodeDecodeError:
                changed[place + 9] &= ~0x08
        place += 46 + sum(lengths)
    return bytes(changed)


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


#: What file managers, version control and notebooks leave beside data.
_LITTER: Final = frozenset(
    {
        *(".DS_Store", ".Spotlight-V100", ".Trashes", ".fseventsd", "__MACOSX"),
        *("Thumbs.db", "desktop.ini", ".directory"),
        *(".git", ".gitattributes", ".gitignore", ".gitkeep", ".hg", ".svn"),
        *(".ipynb_checkpoints", "__pycache__", ".idea", ".vscode"),
    }
)


#: Beginnings and endings of what programs leave: forks of macOS, locks and backups of editors.
_LEFT: Final = (("._", "~$", ".~lock."), ("~", ".swp", ".swo", ":Zone.Identifier"))
#: Endings of what a program has not written to its end.
_UNFINISHED: Final = (".part", ".partial", ".crdownload", ".download", ".tmp", ".filepart")


def litter(name: str) -> bool:
    """Whether a path is, or is inside, what programs leave behind and nobody means as data."""
    return any(
        part in _LITTER or part.startswith(_LEFT[0]) or part.endswith(_LEFT[1])
        for part in PurePosixPath(name).parts
    )


def unfinished(name: str) -> bool:
    """Whether a path says that its file is not whole yet."""
    return name.lower().endswith(_UNFINISHED)


def hidden_name(name: str) -> bool:
    """Whether a path is, or is inside, something hidden."""
    return any(part.startswith(".") and part != "." for part in PurePosixPath(name).parts)
