"""The forms that are read: each a function from a `Source` to records, and a row of `FORMS`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, cast

import yaml

from oracles.dataset.delimited import comma_separated, tab_separated
from oracles.dataset.document import Document
from oracles.dataset.lines import ahead, is_text, lines
from oracles.dataset.magic import HEAD, markup_of
from oracles.dataset.office import pdf, word
from oracles.dataset.parquet import parquet
from oracles.dataset.streams import DamagedError
from oracles.dataset.web import html, warc

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from oracles.dataset.records import Reader, Source

    Records = Iterator[tuple[Any, int | None]]

_BLOCK: Final = 1 << 16
_FRONT_MATTER: Final = re.compile(
    r"\A---[ \t]*\r?\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE
)
#: What other programs take for front matter.
_OTHER_FRONT_MATTER: Final = re.compile(r'(\+\+\+|\{|---)[ \t]*\r?\n\s*["\w][^\n:=]*[:=]')
_OTHERS: Final = {
    "+": "it is TOML; write it as YAML between two `---` lines",
    "{": "it is JSON; write it as YAML between two `---` lines",
    "-": "it is never closed; end it with a line `---`",
}
_LONGEST_FRONT_MATTER: Final = 1 << 16


# JSON


def _parsed(source: Source, text: str, line: int) -> Records:
    """One JSON record; if it does not parse, it costs itself alone."""
    try:
        yield source.json(text, line), line
    except RecursionError:
        source.note("malformed", "not JSON: nested too deep", line)
    except ValueError as error:
        reason = getattr(error, "msg", str(error))
        if reason == "Extra data":
            reason = "more than one value in one place; give each record a line of its own"
        source.note("malformed", f"not JSON: {reason}", line)


def jsonl(source: Source) -> Records:
    """One JSON value a line."""
    for number, line in lines(source):
        if line is not None and line and not line.isspace():
            yield from _parsed(source, line, number)


_JSON_BEGINS: Final = re.compile(rb'\s*(?:\[\s*)?\{\s*"[^"\n]{0,100}"\s*:')
# In a string, and outside: up to the next byte that changes the state.
_IN_STRING: Final = re.compile(rb'[^"\\\n]*')
_OUTSIDE: Final = re.compile(rb'[^"{}\[\],\s]*')
_SPACE: Final = re.compile(rb"[\s,]*")
#: After a line end in a string: another record begins, so the string was never closed.
_NEXT_RECORD: Final = re.compile(rb'[\s\]},]*\{\s*"')
_AHEAD: Final = 64


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
    arrays = 0  # that are over

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

    stream = cast("io.BufferedReader", source.stream)
    while True:
        try:
            if not (block := stream.read1(_BLOCK)):
                break
        except DamagedError:  # The record that it cuts is lost; what follows is another one.
            depth, dropped, string, escaped = 0, 0, False, False
            held.clear()
            continue
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
                elif byte == b'"':
                    string = False
                    if not depth:
                        yield from finish()
                elif byte == b"\n":  # no JSON string holds a line end; people's do
                    following = block[place : place + _AHEAD]
                    if len(following) < _AHEAD:
                        following += ahead(source.stream, _AHEAD)
                    string = not _NEXT_RECORD.match(following)
                    if not string:
                        depth = 0
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
                if following and arrays and not opened:
                    detail = "more follows after the array; other readers stop there or refuse it"
                    source.note("ambiguous", detail, number + 1, about="after")
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
                    opened, arrays = 0, arrays + 1
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


# Text


def plain_text(source: Source, *, front_matter: bool = False) -> Records:
    """One document; longer text is cut at blank lines."""
    limit = source.limits.record_bytes
    rest, part = b"", 0
    if not front_matter and (looks := _looks(source)):
        detail = f"this looks like {looks}, but its name does not say so: it is read as plain text"
        source.note("ambiguous", detail, about="looks")
    while True:
        more, cut = _filled(cast("io.BufferedReader", source.stream), limit - len(rest))
        block = rest + more
        full = len(block) == limit and bool(ahead(source.stream, 1))
        block, rest = _cut(block) if full else (block, b"")
        if cut and not block:
            continue
        if b"\n\xef\xbb\xbf" in block:
            source.note("ambiguous", "a byte order mark within it; were files joined?", about="bom")
        metadata: dict[str, Any] = {"file": source.name}
        if full or cut or part:
            part += 1
            metadata["part"] = part
            if part == 1 and full:
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
        if not (full or cut):
            return


def _filled(stream: io.BufferedReader, size: int) -> tuple[bytes, bool]:
    """Up to `size` bytes, fewer at the end or before a damaged frame; and whether there is one."""
    data = bytearray()
    try:
        while len(data) < size and (more := stream.read1(size - len(data))):
            data += more
    except DamagedError:
        return bytes(data), True
    return bytes(data), False


def _looks(source: Source) -> str | None:
    """A form of text that its beginning has."""
    head = ahead(source.stream, _BLOCK)
    if markup := markup_of(head[:HEAD]):
        return markup
    first = head.lstrip()[:1]
    if first not in (b"{", b"["):
        return None
    line = head.lstrip().partition(b"\n")[0]
    try:
        records = json.loads(line)
    except (ValueError, RecursionError):
        return "JSON" if _JSON_BEGINS.match(head) else None
    return "JSON" if isinstance(records, dict) or records else None


def markdown(source: Source) -> Records:
    """One document; YAML between two `---` lines at its beginning becomes metadata."""
    return plain_text(source, front_matter=True)


def _front_matter(text: str, source: Source) -> tuple[dict[str, Any], str]:
    """Split the front matter off; scalars stay text as written (`no` is a language, not False)."""
    match = _FRONT_MATTER.match(text)
    if match is None:
        if other := _OTHER_FRONT_MATTER.match(text):
            what = _OTHERS[other[1][:1]]
            source.note("ambiguous", f"front matter left in the text: {what}", about="yaml")
        return {}, text
    try:
        if len(match[1]) > _LONGEST_FRONT_MATTER:
            raise ValueError("it is too long")
        node = yaml.compose(match[1], Loader=yaml.BaseLoader)
        if isinstance(node, yaml.ScalarNode):
            return {}, text  # text between two rules
        if not isinstance(node, yaml.MappingNode):
            raise ValueError("it has no names")
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
    **dict.fromkeys((".ndjson", ".jsonlines", ".jl"), _of_text(jsonl)),
    ".json": _of_text(json_values),
    **dict.fromkeys((".csv", ".psv"), _of_text(comma_separated)),
    **dict.fromkeys((".tsv", ".tab"), _of_text(tab_separated)),
    ".parquet": parquet,
    ".pq": parquet,
    **dict.fromkeys(
        (".md", ".markdown", ".mdx", ".qmd", ".rmd"), _of_text(markdown, records=False)
    ),
    **dict.fromkeys((".html", ".htm", ".xhtml"), html),
    **dict.fromkeys((".warc", ".wet", ".wat"), warc),
    ".pdf": pdf,
    ".docx": word,
}
TEXT: Final[Reader] = _of_text(plain_text, records=False)
#: Forms that are refused by name, and what to do instead.
REFUSED: Final = {
    **dict.fromkeys(
        (".doc", ".docm", ".dot", ".dotx", ".dotm", ".rtf", ".odt", ".pages"),
        "save it as .docx or plain text",
    ),
    **dict.fromkeys(
        (".eml", ".emlx", ".mbox", ".msg", ".pst"), "save the messages as JSONL or plain text"
    ),
    ".ipynb": "save it as Markdown",
    **dict.fromkeys((".xls", ".xlsx", ".ods"), "save it as CSV"),
    **dict.fromkeys((".ppt", ".pptx", ".odp", ".epub", ".djvu"), "take the text out"),
    **dict.fromkeys((".arc", ".wacz", ".mht", ".mhtml"), "save it as WARC or HTML"),
    **dict.fromkeys((".7z", ".rar", ".lz4", ".br", ".lzma", ".z"), "pack it as .zip or .tar.zst"),
    **dict.fromkeys(
        (
            *(".arrow", ".feather", ".ipc", ".avro", ".orc", ".pkl", ".npy", ".tfrecord", ".h5"),
            *(".db", ".sqlite", ".sqlite3", ".duckdb", ".mdb", ".accdb"),
        ),
        "save it as Parquet or JSONL",
    ),
}
