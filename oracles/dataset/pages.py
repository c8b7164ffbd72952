"""Pages: the canonical document stream, cut every 16 KiB.

The stream is the canonical JSON of each document and a line feed after it. Documents run on over
the ends of pages; the last page is filled with zero bytes, which no canonical document contains.
Every page of a data set therefore stands for the same amount of it, whatever its documents are.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from oracles.dataset.document import Continuation, Document
from oracles.dataset.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_BYTES: Final = 16_384
_START: Final = '{"metadata":'
#: Cannot occur inside a JSON string, where a quotation mark has a backslash before it.
_TEXT: Final = '},"text":"'
_END: Final = ('"}', '"')
#: What canonical JSON escapes besides the backslash, the code of a control character, and the
#: beginning of an escape that the end of a page cuts.
_ESCAPES: Final = (
    ('\\"', '"'),
    ("\\n", "\n"),
    ("\\t", "\t"),
    ("\\r", "\r"),
    ("\\b", "\b"),
    ("\\f", "\f"),
)
_CODE: Final = re.compile(r"\\u00([0-9a-f]{2})")
_CUT: Final = re.compile(r"\\(?:u(?:0(?:0[0-9a-f]?)?)?)?\Z")


def page_count(size: int) -> int:
    """Number of pages of a stream of `size` bytes."""
    return -(-size // PAGE_BYTES)


class Pager:
    """Cuts a stream into pages; `size` counts its bytes."""

    def __init__(self) -> None:
        self.size = 0
        self._buffer = bytearray()

    def write(self, data: bytes) -> Iterator[bytes]:
        """Append to the stream and take the pages that became full."""
        self.size += len(data)
        self._buffer += data
        start = 0
        while len(self._buffer) - start >= PAGE_BYTES:
            yield bytes(self._buffer[start : start + PAGE_BYTES])
            start += PAGE_BYTES
        del self._buffer[:start]

    def finish(self) -> Iterator[bytes]:
        """Take the last page, filled up with zeros, if the stream did not end with a full one."""
        if self._buffer:
            yield bytes(self._buffer).ljust(PAGE_BYTES, b"\0")
            self._buffer.clear()


def fragments(page: bytes) -> list[Document]:
    """Read one page alone: the documents in it, and the parts of those that lie across its ends.

    Any bytes give a result, since a page may be anything until it was judged. What precedes the
    first line feed may be the end of a document; whether it belongs to its metadata or to its text
    can be told only where the text's beginning is in it, and it is taken for text otherwise.

    Args:
        page: 16 KiB.

    Returns:
        Documents with a text. Metadata are there where all of them are in this page. The rest of a
        document that began on an earlier page is a `Continuation`.
    """
    first, *others = page.rstrip(b"\0").decode("utf-8", "ignore").split("\n")
    begun = _fragment(first)
    if not first.startswith(_START):
        begun = Continuation(begun.text)
    return [document for document in (begun, *map(_fragment, others)) if document.text]


def _fragment(line: str) -> Document:
    """The part of a document in one line."""
    metadata: dict[str, Any] = {}
    start = line.rfind(_TEXT)
    if start >= 0:
        text = line[start + len(_TEXT) :]
        if line.startswith(_START):
            metadata = _metadata(line[len(_START) : start + 1])
    elif line.startswith(_START) or _START.startswith(line):
        text = ""
    else:
        text = line
    return Document(_unescaped(_without_end(text)), metadata)


def _metadata(encoded: str) -> dict[str, Any]:
    try:
        value = plain(json.loads(encoded))
    except (RecursionError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _without_end(text: str) -> str:
    """Remove the quotation mark that ends a text, if it is there and no backslash escapes it."""
    for end in _END:
        if text.endswith(end):
            kept = text[: -len(end)]
            escaped = (len(kept) - len(kept.rstrip("\\"))) % 2
            return text if escaped else kept
    return text


def _unescaped(text: str) -> str:
    *parts, last = text.split("\\\\")
    return "\\".join(map(_replaced, (*parts, _CUT.sub("", last))))


def _replaced(part: str) -> str:
    if "\\" not in part:
        return part
    for escape, character in _ESCAPES:
        part = part.replace(escape, character)
    return _CODE.sub(lambda match: chr(int(match[1], 16)), part)
