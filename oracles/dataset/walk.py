"""From a path to streams: folders, archives and layers of compression, within a budget."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self, cast

from oracles.dataset.magic import HEAD, fetched_by, form_of, markup_of
from oracles.dataset.plain import unicode
from oracles.dataset.streams import (
    CHUNK,
    COMPRESSED,
    BombError,
    Budget,
    Forward,
    Guarded,
    Limits,
    NotReadError,
    frames,
    hidden_name,
    litter,
    metered,
    seekable,
    unfinished,
    unsafe_name,
)
from oracles.dataset.zips import Extent, local_header, zip_gaps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oracles.dataset.findings import FindingLog

_SHORT_TAR: Final = {".tgz": ".gz", ".tbz2": ".bz2", ".txz": ".xz", ".tzst": ".zst"}
#: What a name says that its file is. Bytes may come before some; then only another form is told.
_NAMED: Final = {
    ".gz": "gzip",
    ".bz2": "bzip2",
    ".xz": "xz",
    ".zst": "zstd",
    ".zip": "zip",
    ".tar": "tar",
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".pdf": "PDF",
    ".docx": "zip",
}
_SKIPPABLE: Final = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
#: What each compressed frame of a form begins with: there, each record is a frame.
_CONTENT: Final = dict.fromkeys((".warc", ".wet", ".wat"), b"WARC/")
#: Forms in which nothing behind a damaged frame can be read.
_OF_ONE_PIECE: Final = {*COMPRESSED, *_SHORT_TAR, *(".zip", ".tar", ".html", ".htm", ".xhtml")} | {
    *(".parquet", ".pq", ".pdf", ".docx")
}
_AFTER_OTHERS: Final = frozenset({"zip", "tar", "PDF"})
_UNFINISHED: Final = "by its name it is unfinished; fetch or write it to the end, or rename it"
#: Names of members that are compared with those that follow; bounds memory.
_NAMES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Found:
    """One stream: not compressed, and no archive.

    Attributes:
        stream: Its bytes, valid until the next one is asked for; has `peek`.
        name: What findings call it.
        form: The end of its name that says its form: `.jsonl` of `a.jsonl.gz`.
        budget: Bytes that its file may still decompress to.
    """

    stream: BinaryIO
    name: str
    form: str
    budget: Budget


class Walk:
    """All streams of a file or folder, in the order of sorted names.

    Args:
        limits: What reading may cost.
        log: Where findings go.
        errors: What a damaged archive may raise: it becomes a finding.
    """

    def __init__(
        self, limits: Limits, log: FindingLog, errors: tuple[type[Exception], ...]
    ) -> None:
        self._limits = limits
        self._log = log
        self._errors = errors

    def streams(self, root: Path) -> Iterator[Found]:
        """Depth first; links are not followed."""
        pending = [root]
        while pending:
            path = pending.pop()
            name = self._name(path, root)
            try:
                mode = (path.stat() if path == root else path.lstat()).st_mode
                if path != root and litter(path.name):
                    self._log.add("left_out", name, "a program's litter, not data")
                elif path != root and path.name.startswith("."):
                    self._log.add("skipped", name, "hidden; rename it if it is data")
                elif path != root and unfinished(path.name):
                    self._log.add("skipped", name, _UNFINISHED)
                elif stat.S_ISDIR(mode):
                    # By bytes: the order must not depend on the locale.
                    entries = sorted(path.iterdir(), key=lambda p: os.fsencode(p.name))
                    pending.extend(reversed(entries))
                elif stat.S_ISREG(mode):
                    yield from self._file(path, name)
                else:
                    self._log.add("skipped", name, "a link or device, not a file; copy the data")
            except OSError as error:
                detail = f"cannot be read ({error.strerror or error}); check its permissions"
                self._log.add("unreadable", name, detail)

    def _name(self, path: Path, root: Path) -> str:
        relative = root.name or str(root) if path == root else path.relative_to(root).as_posix()
        raw = os.fsencode(relative)
        name = raw.decode("utf-8", "replace")
        if name.encode() != raw:
            self._log.add("ambiguous", name, "its name is not UTF-8; rename it", about="name")
        return name

    def _file(self, path: Path, name: str) -> Iterator[Found]:
        with path.open("rb") as stream:
            budget = self._limits.budget(path.stat().st_size)
            allowed = budget.left
            with contextlib.suppress(BombError):
                yield from self._open(stream, name, name, budget, 0)
            if budget.left < 0:
                detail = (
                    f"decompresses to more than {allowed} bytes; unpack it and drop the padding"
                )
                self._log.add("bomb", name, detail)

    def _open(
        self, stream: BinaryIO, name: str, form: str, budget: Budget, depth: int
    ) -> Iterator[Found]:
        """Unpack one stream by the form that the end of its name says.

        `form` is the name without what is unpacked already.
        """
        suffix = PurePosixPath(form).suffix.lower()
        if self._misnamed(stream, name, suffix):
            return
        packed = suffix in COMPRESSED or suffix in _SHORT_TAR
        if not packed and suffix not in {".zip", ".tar"}:
            yield Found(stream, name, suffix, budget)
            return
        if depth >= self._limits.depth:
            detail = f"more than {self._limits.depth} layers of archives; unpack some"
            self._log.add("too_deep", name, detail)
            return
        try:
            if suffix == ".zip":
                yield from self._zip(stream, name, budget, depth + 1)
            elif suffix == ".tar":
                yield from self._tar(stream, name, budget, depth + 1)
            else:
                form = form[: -len(suffix)] + (".tar" if suffix in _SHORT_TAR else "")
                inner = PurePosixPath(form).suffix.lower()
                content = None if inner in _OF_ONE_PIECE else _CONTENT.get(inner, b"")
                decoder = frames(stream, _SHORT_TAR.get(suffix, suffix), content)
                yield from self._open(metered(decoder, budget), name, form, budget, depth + 1)
                if decoder.damaged:
                    detail = (
                        f"damaged frames were passed over, {decoder.passed} compressed bytes, first"
                        f" in frame {decoder.first}; read on at the next one; fetch the file anew"
                    )
                    self._log.add("corrupt", name, detail, count=decoder.damaged, about="frames")
                if decoder.trailing:
                    detail = (
                        f"{decoder.trailing} bytes after the compressed data are ignored; "
                        "cut them off, or compress all of the data"
                    )
                    self._log.add("ignored", name, detail)
        except self._errors as error:
            self.failed(name, error)

    def _misnamed(self, stream: BinaryIO, name: str, suffix: str) -> bool:
        """Say that a file is not what its name says, or not here at all; whether it is so."""
        head = b""
        with contextlib.suppress(*self._errors):  # Whoever reads it on meets the error again.
            head = cast("Any", stream).peek(HEAD)[:HEAD]
        if how := fetched_by(head):
            detail = f"this only stands for data that are kept elsewhere; fetch them: {how}"
            self._log.add("unreadable", name, detail)
            return True
        named = _NAMED.get(_SHORT_TAR.get(suffix, suffix))
        found = form_of(head) or markup_of(head)
        if found is None and named == "zstd" and _SKIPPABLE.match(head):
            found = named
        if named is None or not head or found == named:
            return False
        if found is None:
            if named in _AFTER_OTHERS:
                return False
            detail = (
                f"by its name this is {named}, but not by its bytes; rename it or fetch it anew"
            )
            self._log.add("corrupt", name, detail)
        elif found == "encrypted Parquet":
            self._log.add("unreadable", name, "encrypted; decrypt it first")
        else:
            self._log.add(
                "binary", name, f"this is {found}, which its name does not say; rename it"
            )
        return True

    def failed(self, name: str, error: Exception) -> None:
        """Say that a stream could not be read to its end."""
        if isinstance(error, NotReadError):
            self._log.add("unreadable", name, str(error))
        else:
            reason = str(error) or type(error).__name__
            self._log.add("corrupt", name, f"damaged, the rest of it is lost: {reason}")

    # Zip

    def _zip(self, stream: BinaryIO, name: str, budget: Budget, depth: int) -> Iterator[Found]:
        with (
            seekable(stream) as source,
            zipfile.ZipFile(cast("BinaryIO", guarded := Guarded(source))) as archive,
        ):
            guarded.opening = False

            def ignored(detail: str, where: str) -> None:
                self._log.add("ignored", name, detail, about=where)

            overlapping = zip_gaps(source, archive, ignored)
            seen: set[int] = set()
            for info in archive.infolist():
                inside, certain = _zip_name(info)
                member = f"{name}/{inside}"
                if info.is_dir():
                    if info.file_size:
                        detail = f"a folder that holds {info.file_size} bytes, which are not read"
                        self._log.add("ignored", member, detail)
                    continue
                mode = info.external_attr >> 16
                regular = stat.S_IFMT(mode) in {0, stat.S_IFREG}
                if self._skip(info.filename, member, certain=certain, regular=regular):
                    continue
                self._twice(member, seen)
                if info.flag_bits & 1:
                    self._log.add("unreadable", member, "encrypted; decrypt it first")
                    continue
                if info.header_offset in overlapping:
                    self._log.add("corrupt", member, "shares its bytes with another member")
                    continue
                local, different = local_header(source, info)
                if different:
                    detail = (
                        f"its own header says another {', '.join(different)} than the directory; "
                        "other programs read it in another way"
                    )
                    self._log.add("ambiguous", member, detail, about="header")
                if local:
                    detail = "it has another name at its own place; other programs refuse it"
                    self._log.add("ambiguous", member, detail, about="names")
                    info.orig_filename = local  # What the library compares it with.
                guarded.utf8 = bool(info.flag_bits & 0x800)
                try:
                    with archive.open(info) as inner:
                        extent = Extent(inner)
                        yield from self._open(metered(inner, budget), member, member, budget, depth)
                        if extent.wrong():
                            detail = "its compressed data do not end where its size says it ends"
                            self._log.add("ignored", member, detail)
                except NotImplementedError as error:
                    detail = f"packed by a method that is not read ({error}); pack it by another"
                    self._log.add("unreadable", member, detail)
                except self._errors as error:
                    self._log.add("corrupt", member, f"cannot be unpacked: {error}")

    # Tar

    def _tar(self, stream: BinaryIO, name: str, budget: Budget, depth: int) -> Iterator[Found]:
        source = cast("BinaryIO", Forward(stream))
        with tarfile.open(
            fileobj=source,
            mode="r:",
            tarinfo=_Member,
            encoding="utf-8",
            errors="surrogateescape",
        ) as archive:
            seen: set[int] = set()
            while (info := archive.next()) is not None:
                # tarfile remembers every member and header it has seen.
                cast("Any", archive).members.clear()
                cast("Any", archive).pax_headers.clear()
                inside = unicode(info.name)
                member = f"{name}/{inside}"
                regular = info.isreg() and not info.issparse()
                if info.isdir():
                    continue
                certain = inside == info.name
                if self._skip(inside, member, certain=certain, regular=regular):
                    continue
                self._twice(member, seen)
                inner = archive.extractfile(info)
                if inner is not None:
                    yield from self._open(cast("BinaryIO", inner), member, member, budget, depth)
        trailing = position = 0
        while block := stream.read(CHUNK):
            if block.strip(b"\0"):
                trailing = trailing or position + len(block) - len(block.lstrip(b"\0")) + 1
            position += len(block)
        if trailing:
            detail = (
                f"{position - trailing + 1} bytes after its end mark are ignored; "
                "is another archive joined to it? Unpack them with --ignore-zeros"
            )
            self._log.add("ignored", name, detail)

    # Both

    def _skip(self, inside: str, member: str, *, certain: bool, regular: bool) -> bool:
        if unsafe_name(inside):
            self._log.add("skipped", member, "its name leads out of the archive; it is left out")
        elif not regular:
            self._log.add("skipped", member, "a link, device or sparse file; copy the data")
        elif litter(inside):
            self._log.add("left_out", member, "a program's litter, not data")
        elif hidden_name(inside):
            self._log.add("skipped", member, "hidden; rename it if it is data")
        elif unfinished(inside):
            self._log.add("skipped", member, _UNFINISHED)
        else:
            if not certain:
                detail = "its name is in an unknown encoding; rename it"
                self._log.add("ambiguous", member, detail, about="name")
            return False
        return True

    def _twice(self, member: str, seen: set[int]) -> None:
        """Say that a name comes twice: who unpacks the archive keeps the last alone."""
        key = hash(unicodedata.normalize("NFC", member))
        if key in seen:
            detail = "two members have this name; both are read, other programs keep the last"
            self._log.add("ambiguous", member, detail, about="twice")
        elif len(seen) < _NAMES:
            seen.add(key)


class _Member(tarfile.TarInfo):
    """A header whose damage is an error: `tarfile` takes it for the end of the archive."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            kind = type(error).__name__
            if kind == "EOFHeaderError":  # a block of zeros: the end mark
                raise
            if kind == "EmptyHeaderError":
                raise tarfile.ReadError("it has no end mark: is it cut short?") from error
            at = cast("Any", archive).offset
            raise tarfile.ReadError(f"the header at byte {at} is broken ({error})") from error


def _zip_name(info: zipfile.ZipInfo) -> tuple[str, bool]:
    """A member's name, and whether its encoding is certain.

    Without the flag for UTF-8 names are in an encoding of the packer's machine. What is UTF-8 is
    taken for that (macOS and Linux write it so); the rest is read as code page 437.
    """
    if info.flag_bits & 0x800:
        return unicode(info.filename), True
    raw = info.orig_filename.encode("cp437")
    extra = info.extra
    while len(extra) >= 4:
        kind, size = int.from_bytes(extra[:2], "little"), int.from_bytes(extra[2:4], "little")
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        # Info-ZIP's Unicode path: version, check sum of the other name, name.
        if kind == 0x7075 and field[1:5] == zlib.crc32(raw).to_bytes(4, "little"):
            return field[5:].decode("utf-8", "replace"), True
    try:
        return raw.decode(), True
    except UnicodeDecodeError:
        return info.filename, raw.isascii()
