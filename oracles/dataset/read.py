"""From files to documents: JSONL, JSON, CSV, Parquet, plain text, Markdown, folders, archives.

A file's form follows from its name:

    .jsonl .ndjson          one JSON value a line
    .json                   an array of records, or JSON values one after another
    .csv .tsv               the first row names the columns
    .parquet .pq            columns
    .gz .bz2 .xz .zst       compressed: the form follows from the rest of the name
    .zip .tar .tgz .tbz2 .txz .tzst   archives, members in their order
    .md .markdown           one document; `key: value` front matter becomes metadata
    anything else           one document, if it is text

In a record the text is the first of `TEXT_FIELDS` that it has (or its only field); the rest is
metadata, and a field `metadata` that is an object is opened. Everything is streamed; memory is
bounded by a few records. Whatever is wrong becomes a `Finding`, never a crash, never silence.
"""

from __future__ import annotations

import csv
import importlib
import json
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from backports import zstd

from oracles.dataset.document import Document
from oracles.dataset.findings import Finding, FindingLog
from oracles.dataset.plain import plain, unicode
from oracles.dataset.streams import (
    COMPRESSED,
    BombError,
    Budget,
    Forward,
    Guarded,
    decompressed,
    hidden_name,
    metered,
    seekable,
    unsafe_name,
)
from oracles.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TEXT_FIELDS: Final = (
    "text",
    "content",
    "body",
    "document",
    "article",
    "passage",
    "raw_content",
    "transcript",
)
_SHORT_TAR: Final = {".tgz": ".gz", ".tbz2": ".bz2", ".txz": ".xz", ".tzst": ".zst"}
_DELIMITERS: Final = ",\t;|"
_SNIFF: Final = 8192
#: Bytes that no text has: control characters except white space, backspace and escape.
_CONTROL: Final = bytes(set(range(32)) - set(b"\t\n\r\f\v\b\x1b")) + b"\x7f"
_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")
#: What parsers raise on bytes that somebody made to be read badly.
_PARSER_ERRORS: Final = (
    ArithmeticError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,  # includes RecursionError and NotImplementedError
    TypeError,
    ValueError,  # includes UnicodeError, JSONDecodeError and ArrowInvalid
    csv.Error,
    lzma.LZMAError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    zstd.ZstdError,
)


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


def read_documents(
    path: str | os.PathLike[str],
    *,
    limits: Limits = DEFAULT_LIMITS,
    findings: list[Finding] | None = None,
    text_field: str | None = None,
) -> Iterator[Document]:
    """Read all documents of a file or folder, in the order of sorted paths.

    Args:
        path: A file, or a folder that is read recursively (links are not followed).
        limits: What reading may cost.
        findings: Where to put what is wrong. Without it the first finding is raised.
        text_field: The one field or column that is the text, if it has none of the usual names.

    Yields:
        Documents with non-blank text and metadata that canonical JSON can hold.

    Raises:
        InputError: the path does not exist, or there is a finding and no list for it.
    """
    root = Path(path)
    if not root.exists():
        raise InputError(f"{root} does not exist")
    log = FindingLog(findings, limits.findings)
    reader = _Reader(limits, log, (text_field,) if text_field else TEXT_FIELDS)
    found = False
    for document in reader.tree(root):
        found = True
        yield document
    if not found:
        log.forget()
        log.add("empty", _name(root, root), "there is no document in it")


def _name(path: Path, root: Path) -> str:
    relative = root.name or str(root) if path == root else path.relative_to(root).as_posix()
    return os.fsencode(relative).decode("utf-8", "replace")


class _Reader:
    def __init__(self, limits: Limits, log: FindingLog, text_fields: tuple[str, ...]) -> None:
        self._limits = limits
        self._log = log
        self._text_fields = text_fields

    # Files and containers

    def tree(self, root: Path) -> Iterator[Document]:
        """Depth first, entries of a folder sorted by name."""
        pending = [root]
        while pending:
            path = pending.pop()
            name = _name(path, root)
            try:
                mode = (path.stat() if path == root else path.lstat()).st_mode
                if path != root and path.name.startswith("."):
                    self._log.add("skipped", name, "hidden; rename it if it is data")
                elif stat.S_ISDIR(mode):
                    pending.extend(sorted(path.iterdir(), key=lambda p: p.name, reverse=True))
                elif stat.S_ISREG(mode):
                    yield from self._file(path, name)
                else:
                    self._log.add("skipped", name, "a link or device, not a file; copy the data")
            except OSError as error:
                detail = f"cannot be read ({error.strerror or error}); check its permissions"
                self._log.add("unreadable", name, detail)

    def _file(self, path: Path, name: str) -> Iterator[Document]:
        with path.open("rb") as stream:
            budget = self._limits.budget(path.stat().st_size)
            allowed = budget.left
            try:
                yield from self._stream(stream, name, name, budget, 0)
            except BombError:
                detail = (
                    f"decompresses to more than {allowed} bytes; unpack it and drop the padding"
                )
                self._log.add("bomb", name, detail)

    def _stream(
        self, stream: BinaryIO, name: str, form: str, budget: Budget, depth: int
    ) -> Iterator[Document]:
        """Read one stream by the form that the end of its name says.

        Whatever a parser raises is a finding. `form` is the name without what is unpacked already.
        """
        suffix = PurePosixPath(form).suffix.lower()
        try:
            if suffix in COMPRESSED or suffix in _SHORT_TAR or suffix in {".zip", ".tar"}:
                if depth >= self._limits.depth:
                    detail = f"more than {self._limits.depth} layers of archives; unpack some"
                    self._log.add("too_deep", name, detail)
                elif suffix == ".zip":
                    yield from self._zip(stream, name, budget, depth + 1)
                elif suffix == ".tar":
                    yield from self._tar(stream, name, budget, depth + 1)
                else:
                    inner = decompressed(stream, _SHORT_TAR.get(suffix, suffix), budget)
                    form = form[: -len(suffix)] + (".tar" if suffix in _SHORT_TAR else "")
                    yield from self._stream(inner, name, form, budget, depth + 1)
            elif suffix in {".parquet", ".pq"}:
                yield from self._parquet(stream, name, budget)
            elif self._is_text(stream, name):
                yield from self._text_form(stream, name, suffix)
        except _PARSER_ERRORS as error:
            reason = str(error) or type(error).__name__
            self._log.add("corrupt", name, f"damaged, the rest of it is lost: {reason}")

    def _zip(self, stream: BinaryIO, name: str, budget: Budget, depth: int) -> Iterator[Document]:
        with (
            seekable(stream) as source,
            zipfile.ZipFile(cast("BinaryIO", Guarded(source))) as archive,
        ):
            for info in archive.infolist():
                if info.is_dir():
                    continue
                member = f"{name}/{unicode(info.filename)}"
                mode = info.external_attr >> 16
                if self._skip(
                    info.filename, member, regular=stat.S_IFMT(mode) in {0, stat.S_IFREG}
                ):
                    continue
                if info.flag_bits & 1:
                    self._log.add("unreadable", member, "encrypted; decrypt it first")
                    continue
                try:
                    with archive.open(info) as inner:
                        yield from self._stream(
                            metered(inner, budget), member, member, budget, depth
                        )
                except _PARSER_ERRORS as error:
                    self._log.add("corrupt", member, f"cannot be unpacked: {error}")

    def _tar(self, stream: BinaryIO, name: str, budget: Budget, depth: int) -> Iterator[Document]:
        source = cast("BinaryIO", Forward(stream))
        with tarfile.open(fileobj=source, mode="r:", errors="replace") as archive:
            while (info := archive.next()) is not None:
                # tarfile remembers every member and header it has seen.
                cast("Any", archive).members.clear()
                cast("Any", archive).pax_headers.clear()
                member = f"{name}/{unicode(info.name)}"
                if info.isdir() or self._skip(
                    info.name, member, regular=info.isreg() and not info.issparse()
                ):
                    continue
                inner = archive.extractfile(info)
                if inner is not None:
                    yield from self._stream(cast("BinaryIO", inner), member, member, budget, depth)

    def _skip(self, inside: str, member: str, *, regular: bool) -> bool:
        if unsafe_name(inside):
            self._log.add("skipped", member, "its name leads out of the archive; it is left out")
        elif not regular:
            self._log.add("skipped", member, "a link, device or sparse file; copy the data")
        elif hidden_name(inside):
            self._log.add("skipped", member, "hidden; rename it if it is data")
        else:
            return False
        return True

    # Forms of text

    def _is_text(self, stream: BinaryIO, name: str) -> bool:
        head = cast("Any", stream).peek(_SNIFF)[:_SNIFF]
        if head.startswith(_BOMS):
            self._log.add("encoding", name, "this is UTF-16; convert it to UTF-8")
        elif b"\0" in head or len(head.translate(None, _CONTROL)) < 0.95 * len(head):
            self._log.add("binary", name, "this is not text; leave it out or convert it")
        elif 10 * head.decode("utf-8", "replace").count("\ufffd") > 3 * len(head):
            self._log.add(
                "encoding", name, "this is not UTF-8; convert it, for instance with iconv"
            )
        elif head:
            return True
        else:
            self._log.add("empty", name, "the file is empty")
        return False

    def _text_form(self, stream: BinaryIO, name: str, suffix: str) -> Iterator[Document]:
        if stream.peek(3)[:3] == b"\xef\xbb\xbf":  # type: ignore[attr-defined]
            stream.read(3)
        if suffix in {".jsonl", ".ndjson"}:
            yield from self._jsonl(stream, name)
        elif suffix == ".json":
            yield from self._json(stream, name)
        elif suffix in {".csv", ".tsv"}:
            yield from self._csv(stream, name, suffix)
        else:
            yield from self._plain_text(stream, name, markdown=suffix in {".md", ".markdown"})

    def _lines(self, stream: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
        limit = self._limits.record_bytes
        number = 0
        while line := stream.readline(limit + 1):
            number += 1
            if len(line) > limit:
                detail = f"a line is longer than {limit} bytes; split it"
                self._log.add("too_large", name, detail, line=number)
                while line and not line.endswith(b"\n"):
                    line = stream.readline(limit)
            else:
                yield number, self._decode(line, name, number)

    def _decode(self, data: bytes, name: str, line: int | None = None) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            detail = f"not UTF-8 ({error.reason}), replaced by U+FFFD; mend the encoding"
            self._log.add("invalid_text", name, detail, line=line)
            return data.decode("utf-8", "replace")

    def _jsonl(self, stream: BinaryIO, name: str) -> Iterator[Document]:
        for number, line in self._lines(stream, name):
            if line.isspace():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                self._log.add("malformed", name, f"not JSON: {error}", line=number)
                continue
            yield from self._record(record, name, number)

    def _json(self, stream: BinaryIO, name: str) -> Iterator[Document]:
        """Values one after another, inside one array or not; the buffer holds one value."""
        decoder = json.JSONDecoder()
        limit = self._limits.record_bytes
        buffer, position, number, more = "", 0, 0, True
        array: bool | None = None
        need = 1 << 16
        pending = b""
        while True:
            while position < len(buffer) and buffer[position] in " \t\r\n,":
                position += 1
            if array is None and buffer[position : position + 1] == "[":
                array, position = True, position + 1
                continue
            if array and buffer[position : position + 1] == "]":
                array, position = False, position + 1
                continue
            end = None
            if position < len(buffer):
                array = bool(array)
                try:
                    record, end = decoder.raw_decode(buffer, position)
                except (ValueError, RecursionError) as error:
                    if len(buffer) - position > limit:
                        message = f"record {number + 1} is longer than {limit} characters"
                        raise ValueError(message) from None
                    if not more:
                        raise ValueError(f"record {number + 1}: {error}") from None
                else:
                    # A number at the end of the buffer may go on in the next block.
                    end = None if end == len(buffer) and more else end
            if end is not None:
                number += 1
                position = end
                need = 1 << 16
                yield from self._record(record, name, number)
            elif more:
                block = stream.read(need)
                more = len(block) == need
                pending += block
                data, pending = (pending, b"") if not more else _whole_characters(pending)
                buffer, position = buffer[position:] + self._decode(data, name), 0
                need = min(2 * need, limit)
            elif array:
                raise ValueError("the array is never closed")
            else:
                return

    def _csv(self, stream: BinaryIO, name: str, suffix: str) -> Iterator[Document]:
        limit = self._limits.record_bytes
        csv.field_size_limit(max(csv.field_size_limit(), limit))
        lines = self._lines(stream, name)
        line, head = next(lines, (1, ""))
        if line > 1:
            return  # the header is too long, and said to be
        delimiter = "\t" if suffix == ".tsv" else max(_DELIMITERS, key=head.count)
        start, length = line, 0  # of the row that is being read, in lines and characters

        def feed() -> Iterator[str]:
            nonlocal length, line
            yield head
            for number, text in lines:
                left_out = length and number > line + 1  # a line too long, within this row
                line, length = number, length + len(text)
                if left_out or length > limit:
                    raise OverflowError
                yield text

        rows = csv.reader(feed(), delimiter=delimiter, strict=True)
        header: list[str] | None = None
        while True:
            start, length = line + (header is not None), 0
            try:
                row = next(rows, None)
            except OverflowError:
                detail = (
                    f"a row is longer than {limit} bytes: is a quote never closed? the rest is lost"
                )
                self._log.add("too_large", name, detail, line=start)
                return
            except csv.Error as error:
                self._log.add("malformed", name, f"not CSV: {error}", line=start)
                continue
            if row is None:
                return
            if header is None:
                header = [column.strip() for column in row]
                if len(set(header)) < len(header):
                    self._log.add("malformed", name, "two columns have one name; rename one")
                    return
                if len(header) > 1 and self._text_key(dict.fromkeys(header)) is None:
                    names = ", ".join(header)[:200]
                    self._log.add("no_text", name, self._no_text(f"the header row is: {names}"))
                    return
            elif len(row) not in {0, len(header)}:
                detail = f"{len(row)} fields under {len(header)} columns; quote the delimiter"
                self._log.add("malformed", name, detail, line=start)
            elif row:
                yield from self._record(
                    {k: v for k, v in zip(header, row, strict=True) if v}, name, start
                )

    def _parquet(self, stream: BinaryIO, name: str, budget: Budget) -> Iterator[Document]:
        # Loaded when needed, and untyped.
        pa: Any = importlib.import_module("pyarrow")
        pq: Any = importlib.import_module("pyarrow.parquet")
        with seekable(stream) as source:
            schema = pq.read_schema(source)
            if len(set(schema.names)) < len(schema.names):
                self._log.add("malformed", name, "two columns have one name; rename one")
                return
            if len(schema.names) > 1 and self._text_key(dict.fromkeys(schema.names)) is None:
                names = ", ".join(schema.names)[:200]
                self._log.add("no_text", name, self._no_text(f"the columns are: {names}"))
                return
            # A dictionary keeps a long value once however often a few bytes of the file repeat it.
            strings = [field.name for field in schema if pa.types.is_string(field.type)]
            file = pq.ParquetFile(source, read_dictionary=strings, buffer_size=1 << 20)
            number = 0
            for group in range(file.metadata.num_row_groups):
                budget.spend(file.metadata.row_group(group).total_byte_size)
                for batch in file.iter_batches(batch_size=256, row_groups=[group]):
                    for row in range(batch.num_rows):
                        number += 1
                        fields = {
                            column: value
                            for column, array in zip(batch.schema.names, batch.columns, strict=True)
                            if (value := array[row].as_py()) is not None
                        }
                        budget.spend(sum(len(v) for v in fields.values() if isinstance(v, str)))
                        yield from self._record(fields, name, number)

    def _plain_text(self, stream: BinaryIO, name: str, *, markdown: bool) -> Iterator[Document]:
        limit = self._limits.record_bytes
        rest, part = b"", 0
        while True:
            block = rest + stream.read(limit - len(rest))
            full = len(block) == limit and bool(cast("Any", stream).peek(1))
            block, rest = _cut(block) if full else (block, b"")
            metadata: dict[str, Any] = {"file": name}
            if full or part:
                part += 1
                metadata["part"] = part
                if part == 1:
                    detail = (
                        f"longer than {limit} bytes: cut into several documents at a blank line"
                    )
                    self._log.add("split", name, detail)
            text = self._decode(block, name)
            if markdown and part <= 1:
                front, text = _front_matter(text)
                metadata = {**front, **metadata}
            yield from self._document(text, metadata, name, None)
            if not full:
                return

    # Records

    def _text_key(self, record: Mapping[str, Any]) -> str | None:
        if len(record) == 1 and self._text_fields is TEXT_FIELDS:
            return next(iter(record))
        by_name = {str(key).strip().lower(): key for key in reversed(list(record))}
        for name in self._text_fields:
            if name in record:
                return name
            if name.lower() in by_name:
                return by_name[name.lower()]
        return None

    def _no_text(self, why: str) -> str:
        return f"no field is the text; name one `{self._text_fields[0]}` ({why})"

    def _record(self, record: Any, name: str, line: int) -> Iterator[Document]:
        if isinstance(record, str):
            yield from self._document(record, {}, name, line)
            return
        if not isinstance(record, dict):
            detail = self._no_text(f"a record is an object, this is {type(record).__name__}")
            self._log.add("no_text", name, detail, line=line)
            return
        key = self._text_key(record)
        text = record.get(key) if key is not None else None
        if isinstance(text, bytes):
            text = self._decode(text, name, line)
        if text is None and not record:
            self._log.add("empty", name, "the record is empty", line=line)
        elif not isinstance(text, str):
            fields = ", ".join(map(str, record))[:200]
            self._log.add("no_text", name, self._no_text(f"fields: {fields}"), line=line)
        else:
            metadata = {k: v for k, v in record.items() if k != key}
            yield from self._document(text, _opened(metadata), name, line)

    def _document(
        self, text: str, metadata: Mapping[str, Any], name: str, line: int | None
    ) -> Iterator[Document]:
        if not text or text.isspace():
            self._log.add("empty", name, "the text is blank", line=line)
            return
        clean = unicode(text)
        if clean is not text:
            detail = "escapes that are half a surrogate pair, replaced by U+FFFD"
            self._log.add("invalid_text", name, detail, line=line)
        if len(clean.encode()) > self._limits.record_bytes:
            detail = f"a document is longer than {self._limits.record_bytes} bytes; split it"
            self._log.add("too_large", name, detail, line=line)
            return
        values: dict[str, Any] = {}
        for key, value in metadata.items():
            try:
                values[unicode(key)] = plain(value)
            except ValueError as error:
                self._log.add("metadata", name, f"field {key!r} dropped: {error}", line=line)
        yield Document(clean, values)


def _opened(metadata: dict[str, Any]) -> Mapping[str, Any]:
    """Lift a `metadata` object's fields (in CSV: its JSON) beside the others, if none collide."""
    inner = metadata.get("metadata")
    if isinstance(inner, str) and inner.startswith("{"):
        try:
            inner = json.loads(inner)
        except (ValueError, RecursionError):
            return metadata
    outer = {k: v for k, v in metadata.items() if k != "metadata"}
    if not isinstance(inner, dict) or outer.keys() & inner.keys():
        return metadata
    return {**outer, **inner}


def _front_matter(text: str) -> tuple[dict[str, str], str]:
    """Split `key: value` lines between two `---` lines from a Markdown text."""
    head, found, body = text.replace("\r\n", "\n").removeprefix("---\n").partition("\n---\n")
    pairs = [line.partition(":") for line in head.split("\n")]
    if (
        not text.startswith("---")
        or not found
        or not all(colon and key.strip() and key == key.lstrip() for key, colon, _ in pairs)
    ):
        return {}, text
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}, body


def _cut(block: bytes) -> tuple[bytes, bytes]:
    """Cut a block after its last blank line, or line, or space, or at least whole character."""
    for separator in (b"\n\n", b"\n", b" "):
        place = block.rfind(separator, len(block) // 2)
        if place >= 0:
            place += len(separator)
            return block[:place], block[place:]
    return _whole_characters(block)


def _whole_characters(data: bytes) -> tuple[bytes, bytes]:
    """Split off the beginning of a UTF-8 character that the block cuts."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return (data[:-back], data[-back:]) if length > back else (data, b"")
        if byte < 0x80:
            break
    return data, b""
