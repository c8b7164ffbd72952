"""The forms that are read: each a function from a `Source` to records, and a row of `FORMS`."""

from __future__ import annotations

import csv
import itertools
import re
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import yaml

from oracles.dataset.document import Document
from oracles.dataset.office import pdf, word
from oracles.dataset.parquet import parquet
from oracles.dataset.web import html, warc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oracles.dataset.findings import FindingKind
    from oracles.dataset.records import Reader, Source

    Records = Iterator[tuple[Any, int | None]]

_DELIMITERS: Final = ",\t;|"
_SNIFF: Final = 8192
_BLOCK: Final = 1 << 16
#: Bytes that text seldom has: control characters except white space, backspace and escape.
_CONTROL: Final = bytes(set(range(32)) - set(b"\t\n\r\f\v\b\x1b")) + b"\x7f"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_BOM: Final = b"\xef\xbb\xbf"
#: What other forms begin with, and what they are called.
_MAGIC: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\3\4": "zip",
    b"PAR1": "Parquet",
    b"%PDF-": "PDF",
    b"7z\xbc\xaf": "7z",
    b"Rar!": "RAR",
}
_FRONT_MATTER: Final = re.compile(
    r"\A---[ \t]*\r?\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE
)
_LONGEST_FRONT_MATTER: Final = 1 << 16


# Text


def is_text(source: Source, *, records: bool) -> bool:
    """Look at the beginning; say what it is if not UTF-8 text.

    Records may hold control characters as data, so there they are a reason only where the bytes
    are no UTF-8 either.
    """
    head: bytes = cast("Any", source.stream).peek(_SNIFF)[:_SNIFF]
    text = head.decode("utf-8", "replace")
    controls = len(head) - len(head.translate(None, _CONTROL))
    valid = "\ufffd" not in text.rstrip("\ufffd")  # the head may end within a character
    zeros = (head[0:64:2].count(0), head[1:64:2].count(0))
    form = next((form for magic, form in _MAGIC.items() if head.startswith(magic)), None)
    if not head:
        source.note("empty", "the file is empty")
    elif form:
        source.note("binary", f"this is {form}, which its name does not say; rename it")
    elif head.startswith(_UTF16) or (min(zeros) == 0 and 2 * max(zeros) > len(head[:64:2])):
        source.note("encoding", "this is UTF-16; convert it to UTF-8")
    elif 20 * controls > len(head) and not (records and valid):
        source.note("binary", "this is not text; leave it out or convert it")
    elif 10 * text.count("\ufffd") > 3 * len(head):
        source.note("encoding", "this is not UTF-8; convert it, for instance with iconv")
    else:
        if head.startswith(_BOM):
            source.stream.read(len(_BOM))
        return True
    return False


def _lines(source: Source) -> Iterator[tuple[int, str | None]]:
    """Lines with their numbers; None for one that is too long, which is said."""
    limit = source.limits.record_bytes
    number = 0
    while line := source.stream.readline(limit + 1):
        number += 1
        if len(line) > limit:
            source.note("too_large", f"a line is longer than {limit} bytes; split it", number)
            while line and not line.endswith(b"\n"):
                line = source.stream.readline(limit)
            yield number, None
            continue
        if line.startswith(_BOM):
            source.note("ambiguous", "a byte order mark within it; were files joined?", number)
            line = line[len(_BOM) :]
        yield number, source.decode(line, number)


def _parsed(source: Source, text: str, line: int) -> Records:
    """One JSON record; if it does not parse, it costs itself alone."""
    try:
        yield source.json(text, line), line
    except RecursionError:
        source.note("malformed", "not JSON: nested too deep", line)
    except ValueError as error:
        reason = getattr(error, "msg", str(error))
        source.note("malformed", f"not JSON: {reason}", line)


def jsonl(source: Source) -> Records:
    """One JSON value a line."""
    for number, line in _lines(source):
        if line is not None and line and not line.isspace():
            yield from _parsed(source, line, number)


# In a string, and outside: up to the next byte that changes the state.
_IN_STRING: Final = re.compile(rb'[^"\\\n]*')
_OUTSIDE: Final = re.compile(rb'[^"{}\[\],\s]*')
_SPACE: Final = re.compile(rb"[\s,]*")


def json_values(source: Source) -> Records:
    """JSON values one after another; those of an array at the top are records of their own.

    The bytes are cut into values by brackets and quotes alone, then each value is parsed: so one
    that is broken costs itself, and no more than one is held. (`ijson` gives the same stream, but
    holds strings of any length and cannot go on behind an error.)
    """
    limit = source.limits.record_bytes
    held = bytearray()
    number = depth = opened = dropped = 0  # `dropped`: bytes of a record that is too long
    string = escaped = False
    commas, first = 0, True  # between values, and whether the next one is the first of its array

    def between(*, end: bool = False) -> None:
        """Say where other readers stop at what separates values; then count anew."""
        nonlocal commas, first
        if commas != (1 if opened and not first and not end else 0):
            detail = "commas between values are not as JSON has them; other readers stop there"
            source.note("ambiguous", detail, number + 1, about="commas")
        commas, first = 0, end

    def finish() -> Records:
        nonlocal number, dropped
        number += 1
        if dropped:
            source.note("too_large", f"a record is longer than {limit} bytes; split it", number)
        else:
            yield from _parsed(source, source.decode(bytes(held), number), number)
        held.clear()
        dropped = 0

    def keep(data: bytes) -> None:
        nonlocal dropped
        if dropped or len(held) + len(data) > limit:
            dropped += len(held) + len(data)
            held.clear()
        else:
            held.extend(data)

    while block := source.stream.read(_BLOCK):
        place = 0
        while place < len(block):
            inside = depth > 0 or bool(held) or bool(dropped)
            if string:
                end = place
                if not escaped:
                    end = cast("re.Match[bytes]", _IN_STRING.match(block, place)).end()
                byte = block[end : end + 1]
                keep(block[place : end + 1])
                place = end + 1
                if escaped:
                    escaped = False
                elif byte == b"\\":
                    escaped = True
                elif byte in {b'"', b"\n"}:  # no JSON string holds a line end: it is broken
                    string = False
                    if not depth and byte == b'"':
                        yield from finish()
                continue
            if not inside:
                start, place = place, cast("re.Match[bytes]", _SPACE.match(block, place)).end()
                gap = block[start:place]
                commas += gap.count(b",")
                if b"\v" in gap or b"\f" in gap:
                    detail = "between values there is white space that JSON does not have"
                    source.note("ambiguous", detail, number + 1, about="space")
                following = block[place : place + 1]
                if following and not (following == b"[" and not opened) and following != b"]":
                    between()
            end = cast("re.Match[bytes]", _OUTSIDE.match(block, place)).end()
            if end > place:  # a number, a word, or rubbish
                keep(block[place:end])
                place = end
                continue
            byte = block[place : place + 1]
            place += 1
            if not byte:
                break
            if byte == b'"':
                if not depth and inside:
                    yield from finish()
                string = True
                keep(byte)
            elif byte in b"{[":
                if not depth and inside:
                    yield from finish()
                if byte == b"[" and not depth and not opened:
                    between()
                    opened, first = 1, True
                    continue
                depth += 1
                keep(byte)
            elif byte in b"}]" and depth:
                depth -= 1
                keep(byte)
                if not depth:
                    yield from finish()
            elif depth:
                keep(byte)
            else:
                if inside:
                    yield from finish()
                commas += byte == b","
                if byte == b"]" and opened:
                    between(end=True)
                    opened = 0
                elif byte in b"}]":
                    keep(byte)
                    yield from finish()
    if depth or string:
        lost = dropped or len(held)
        raise ValueError(f"record {number + 1} is never closed; {lost} bytes are lost")
    if held or dropped:
        yield from finish()
    if opened:
        raise ValueError(f"the array is never closed, after record {number}: is it cut short?")


class _Rows:
    """Rows of delimited lines, quoted as RFC 4180 says.

    Attributes:
        delimiter: One character.
        held: Number and text of each line that the current row has.
        end: Why there are no more lines: the file's end, a row over the limit, or not yet.
    """

    def __init__(self, source: Source) -> None:
        self.delimiter = "\t"
        self.held: list[tuple[int, str]] = []
        self.end: Literal["", "file", "limit"] = ""
        self._limit = source.limits.record_bytes
        self._source = source
        self._lines = _lines(source)
        csv.field_size_limit(max(csv.field_size_limit(), self._limit))

    def head(self) -> str | None:
        """The first line; None if there is none that is short enough."""
        number, text = next(self._lines, (1, None))
        if text is not None:
            self.held = [(number, text)]
        return text

    def next(self, *, head: bool = False) -> list[str] | None:
        """The next row; None at the end, or if it does not parse, which is said.

        Args:
            head: The row begins with the line that `head` has read.
        """
        lines = itertools.chain([self.held[0][1]] if head else [], self._of_row(head=head))
        while not self.end:
            try:
                return next(csv.reader(lines, delimiter=self.delimiter, strict=True), None)
            except csv.Error as error:
                self._lost(str(error))
                if head:
                    return None
                lines = itertools.chain([], self._of_row())
        return None

    def _of_row(self, *, head: bool = False) -> Iterator[str]:
        if not head:
            self.held = []
        size = len(self.held[0][1]) if head else 0
        for number, text in self._lines:
            if text is None and not self.held:
                continue
            size += len(text or "")
            if text is None or size > self._limit:
                self.end = "limit"
                return
            self.held.append((number, text))
            yield text
        self.end = "file"

    def _lost(self, reason: str) -> None:
        """Say which lines a row that does not parse has cost."""
        start, after = self.held[0][0], len(self.held) - 1
        if self.end == "limit":
            after += 1 + self.rest()
            reason = f"a row is longer than {self._limit} bytes: is a quote never closed?"
        elif self.end:
            reason = "a quote is opened: is it never closed?"
        kind: FindingKind = "too_large" if self.end == "limit" else "malformed"
        lost = f"with it the {after} lines after it are lost" if after else "the row is lost"
        self._source.note(kind, f"not CSV: {reason} {lost}", start, about=self.end)

    def rest(self) -> int:
        """Pass over the remaining lines; returns their number."""
        return sum(1 for _ in self._lines)


def _delimited(source: Source, *, tabs: bool) -> Records:
    """Rows under a row of names."""
    rows = _Rows(source)
    names = rows.head()
    if names is not None and not tabs:
        rows.delimiter = _delimiter(source, names)
    row = None if names is None else rows.next(head=True)
    if row is None:
        if lost := rows.rest():
            detail = f"the row of names cannot be read; the {lost} lines after it are lost"
            source.note("malformed", detail, 1, count=lost, about="names")
        return
    header = [column.strip() for column in row]
    text_column = _text_column(source, header)
    if text_column is None:
        return

    def fields(row: list[str]) -> dict[str, str]:
        """Empty cells are absent, but for the text's: another field must not stand in for it."""
        cells = zip(header, row, strict=True)
        return {key: value for key, value in cells if value or key == text_column}

    while (row := rows.next()) is not None:
        start, texts = rows.held[0][0], [text for _, text in rows.held]
        if tabs and any(text.startswith('"') or '\t"' in text for text in texts):
            # Most programs write tab-separated values without quoting. Then a quote opens nothing,
            # and each line has all the fields.
            whole = all(text.count("\t") == len(header) - 1 for text in texts)
            if len(header) > 1 and len(texts) > 1 and whole:
                detail = "a quoted field would hold tabs and line ends; its lines are read as rows"
                source.note("ambiguous", detail, start, about="quote")
                for number, text in rows.held:
                    yield fields(text.rstrip("\r\n").split("\t")), number
                continue
            detail = "a field is quoted, which other readers of tab-separated values do not undo"
            source.note("ambiguous", detail, start, about="quotes")
        if row and len(row) != len(header):
            detail = f"{len(row)} fields under {len(header)} columns; quote the delimiter"
            source.note("malformed", detail, start, about="fields")
        elif [column.strip() for column in row] == header:
            detail = "the row of names again, left out; were files joined?"
            source.note("ambiguous", detail, start, about="names")
        elif row:
            yield fields(row), start


def _delimiter(source: Source, head: str) -> str:
    """The delimiter that the row of names has most often."""
    best = max(_DELIMITERS, key=head.count)
    if head.count(best) and sum(head.count(d) == head.count(best) for d in _DELIMITERS) > 1:
        detail = f"the row of names has several delimiters; {best!r} is taken"
        source.note("ambiguous", detail, 1, about="delimiter")
    return best


def _text_column(source: Source, columns: list[str]) -> str | None:
    """The column that is the text; that there is none is said once, and not for each row."""
    for column in dict.fromkeys(columns):
        if columns.count(column) > 1:
            detail = f"the column {column!r} comes twice; the last one is kept"
            source.note("duplicate_key", detail, 1, about=column)
    key = source.text_key(columns)
    if key is None:
        source.no_text(f"the columns are: {', '.join(columns)[:200]}")
    return key


def comma_separated(source: Source) -> Records:
    """Delimiter `,`, `;`, `|` or tab, whichever the row of names has most often."""
    return _delimited(source, tabs=False)


def tab_separated(source: Source) -> Records:
    """Tabs; quotes are undone where they are well-formed, and said, since not all readers do."""
    return _delimited(source, tabs=True)


def plain_text(source: Source, *, front_matter: bool = False) -> Records:
    """One document; longer text is cut at blank lines."""
    limit = source.limits.record_bytes
    rest, part = b"", 0
    while True:
        block = rest + source.stream.read(limit - len(rest))
        full = len(block) == limit and bool(cast("Any", source.stream).peek(1))
        block, rest = _cut(block) if full else (block, b"")
        metadata: dict[str, Any] = {"file": source.name}
        if full or part:
            part += 1
            metadata["part"] = part
            if part == 1:
                detail = f"longer than {limit} bytes: cut into several documents at a blank line"
                source.note("split", detail)
        text = source.decode(block)
        if front_matter and part <= 1:
            front, text = _front_matter(text, source)
            for name in front.keys() & metadata.keys():
                detail = f"field {name!r} of the front matter dropped: the reader sets it"
                source.note("metadata", detail, about=name)
            metadata = {**front, **metadata}
        yield Document(text, metadata), None
        if not full:
            return


def markdown(source: Source) -> Records:
    """One document; YAML between two `---` lines at its beginning becomes metadata."""
    return plain_text(source, front_matter=True)


def _front_matter(text: str, source: Source) -> tuple[dict[str, Any], str]:
    """Split the front matter off; scalars stay text as written (`no` is a language, not False)."""
    match = _FRONT_MATTER.match(text)
    if match is None:
        return {}, text
    try:
        if len(match[1]) > _LONGEST_FRONT_MATTER:
            raise ValueError("it is too long")
        node = yaml.compose(match[1], Loader=yaml.BaseLoader)
        if not isinstance(node, yaml.MappingNode):
            return {}, text  # text between two rules
        return cast("dict[str, Any]", _yaml_value(node, source, set())), text[match.end() :]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = getattr(error, "problem", None) or str(error) or type(error).__name__
        source.note("ambiguous", f"front matter left in the text, not YAML: {reason}", about="yaml")
        return {}, text


def _yaml_value(node: yaml.Node, source: Source, seen: set[int]) -> Any:
    """Objects, arrays and text of a YAML node.

    Raises:
        ValueError: an alias (a few of them can name more than any memory holds), or a key that is
            no text.
    """
    if id(node) in seen:
        raise ValueError("it has aliases")
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        return [_yaml_value(item, source, seen) for item in node.value]
    if not isinstance(node, yaml.MappingNode):
        return node.value
    result: dict[str, Any] = {}
    for key, item in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise ValueError("a key is no text")
        if key.value in result:
            detail = f"the front matter has the key {key.value!r} twice; the last value is kept"
            source.note("duplicate_key", detail, about=key.value)
        result[key.value] = _yaml_value(item, source, seen)
    return result


def _cut(block: bytes) -> tuple[bytes, bytes]:
    """Cut a block after its last blank line, or line, or space, or at least whole character."""
    for separator in (b"\n\n", b"\n", b" "):
        place = block.rfind(separator, len(block) // 2)
        if place >= 0:
            place += len(separator)
            return block[:place], block[place:]
    for back in range(1, min(4, len(block)) + 1):  # where the last character begins
        byte = block[-back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return (block[:-back], block[-back:]) if length > back else (block, b"")
        if byte < 0x80:
            break
    return block, b""


# The table


def _of_text(reader: Reader, *, records: bool = True) -> Reader:
    """A reader that is asked only for what is text."""

    def read(source: Source) -> Records:
        if is_text(source, records=records):
            yield from reader(source)

    return read


#: Ending → how it is read. What has no row is one document, if it is text.
FORMS: Final[dict[str, Reader]] = {
    ".jsonl": _of_text(jsonl),
    ".ndjson": _of_text(jsonl),
    ".json": _of_text(json_values),
    ".csv": _of_text(comma_separated),
    ".tsv": _of_text(tab_separated),
    ".parquet": parquet,
    ".pq": parquet,
    ".md": _of_text(markdown, records=False),
    ".markdown": _of_text(markdown, records=False),
    **dict.fromkeys((".html", ".htm", ".xhtml"), html),
    **dict.fromkeys((".warc", ".wet"), warc),
    ".pdf": pdf,
    ".docx": word,
}
TEXT: Final[Reader] = _of_text(plain_text, records=False)
#: Forms that are refused by name, and what to do instead.
REFUSED: Final = {
    **dict.fromkeys((".doc", ".rtf", ".odt", ".pages"), "save it as .docx or plain text"),
    **dict.fromkeys((".xls", ".xlsx", ".ods"), "save it as CSV"),
    **dict.fromkeys((".ppt", ".pptx", ".odp", ".epub", ".djvu"), "take the text out"),
    **dict.fromkeys((".arc", ".wacz", ".mht"), "save it as WARC or HTML"),
    **dict.fromkeys((".7z", ".rar", ".lz4", ".br", ".lzma", ".z"), "pack it as .zip or .tar.zst"),
    **dict.fromkeys(
        (".arrow", ".feather", ".avro", ".orc", ".pkl", ".npy", ".tfrecord", ".h5", ".db"),
        "save it as Parquet or JSONL",
    ),
}
