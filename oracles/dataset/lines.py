"""Files of text: whether they are any, and their lines."""

from __future__ import annotations

import contextlib
import io
import unicodedata
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from oracles.dataset.magic import form_of
from oracles.dataset.streams import DamagedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oracles.dataset.records import Source

_SNIFF: Final = 8192
#: Bytes that text seldom has: control characters except white space, backspace and escape.
_CONTROL: Final = bytes(set(range(32)) - set(b"\t\n\r\f\v\b\x1b")) + b"\x7f"
_WIDE: Final = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_BOM: Final = b"\xef\xbb\xbf"
#: Characters that are enough to tell that bytes are text in UTF-16 without a mark.
_ENOUGH: Final = 16
#: Stands for what a damaged frame took away, and for the lines that it cut: no line is empty.
GAP: Final = ""


def is_text(source: Source, *, records: bool) -> bool:
    """Look at the beginning; say what it is if not UTF-8 text.

    Records may hold control characters as data, so there they are a reason only where the bytes
    are no UTF-8 either.
    """
    head = ahead(source.stream, _SNIFF)
    text = head.decode("utf-8", "replace")
    controls = len(head) - len(head.translate(None, _CONTROL))
    valid = "\ufffd" not in text.rstrip("\ufffd")  # the head may end within a character
    if not head:
        source.note("empty", "the file is empty")
    elif form := form_of(head):
        source.note("binary", f"this is {form}, which its name does not say; rename it")
    elif wide := _wide(head, valid=valid):
        source.note("encoding", f"this is {wide}; convert it to UTF-8")
    elif 20 * controls > len(head) and not (records and valid):
        source.note("binary", "this is not text; leave it out or convert it")
    elif 10 * text.count("\ufffd") > 3 * len(head):
        source.note("encoding", "this is not UTF-8; convert it, for instance with iconv")
    else:
        if head.startswith(_BOM):
            source.stream.read(len(_BOM))
        return True
    return False


def _wide(head: bytes, *, valid: bool) -> str | None:
    """UTF-16 or UTF-32, by its mark, by where its zeros are, or by what it would say."""
    for mark, name in _WIDE.items():
        if head.startswith(mark):
            return name
    zeros = [head[place:64:4].count(0) for place in range(4)]
    quarter = len(head[:64:4])
    if 4 * sum(sorted(zeros)[2:]) > 7 * quarter and sum(zeros) > 2 * quarter:
        return "UTF-32"
    even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
    if min(even, odd) == 0 and 2 * max(even, odd) > len(head[:64:2]):
        return "UTF-16"
    if valid or len(head) < 2 * _ENOUGH:
        return None
    # Scripts without Latin letters have no zeros. Bytes that are something else give characters
    # that are not assigned, or of many scripts.
    for encoding in ("utf-16-le", "utf-16-be"):
        try:
            text = head[: len(head) // 2 * 2 if len(head) < _SNIFF else _SNIFF].decode(encoding)
        except UnicodeDecodeError:
            continue
        pages = {ord(each) >> 8 for each in text}
        if 8 * len(pages) < 4 * len(text) + 64 and all(
            each in "\r\n\t" or unicodedata.category(each)[0] in "LMNPSZ" for each in text
        ):
            return "UTF-16"
    return None


def ahead(stream: BinaryIO, size: int) -> bytes:
    """What comes next, which is not taken: up to `size` bytes, none only at the end.

    Behind a damaged frame it is what comes after that.
    """
    while True:
        with contextlib.suppress(DamagedError):
            return cast("bytes", cast("Any", stream).peek(size)[:size])


def lines(source: Source) -> Iterator[tuple[int, str | None]]:
    """Lines with their numbers; None for one that is too long, which is said; `GAP` for some."""
    limit = source.limits.record_bytes
    readline = _reader_of_lines(source)
    number, cut = 0, False
    while True:
        number += 1
        try:
            if not (line := readline(limit + 1)):
                return
            if len(line) > limit:
                source.note("too_large", f"a line is longer than {limit} bytes; split it", number)
                while line and not line.endswith((b"\n", b"\r")):
                    line = readline(limit)
                yield number, None
                continue
        except DamagedError as error:
            cut = error.within
            yield number, GAP
            continue
        if cut:
            cut = False
            detail = "a line whose beginning was in a damaged frame"
            source.note("corrupt", detail, number, about="gap")
            continue
        if line.startswith(_BOM):
            source.note("ambiguous", "a byte order mark within it; were files joined?", number)
            line = line[len(_BOM) :]
        yield number, source.decode(line, number)


def _reader_of_lines(source: Source) -> Callable[[int], bytes]:
    """How to read a line: old Macintosh programs end it with a carriage return alone."""
    head = ahead(source.stream, _SNIFF)
    if b"\n" in head or b"\r" not in head.removesuffix(b"\r"):
        return source.stream.readline
    source.note(
        "ambiguous", "its lines end in a carriage return alone; other readers see one line", 1
    )
    return _ByReturn(source.stream).readline


class _ByReturn:
    """Lines that end in a carriage return."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readline(self, limit: int) -> bytes:
        line = io.BytesIO()
        while (size := line.tell()) < limit and (block := cast("Any", self._stream).peek(1)):
            end = block.find(b"\r") + 1
            line.write(self._stream.read(min(end or len(block), limit - size)))
            if end and end <= limit - size:
                break
        return line.getvalue()
