"""From a record to a document: which field is the text, and what becomes of the others."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol

from oracles.dataset.document import Document
from oracles.dataset.plain import salvage, unicode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from oracles.dataset.findings import FindingKind, FindingLog
    from oracles.dataset.streams import Budget, Limits

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
#: Longest integer that is worth parsing, and digits that tell every double from its neighbours.
_LONGEST_INTEGER: Final = 4000
_DOUBLE_DIGITS: Final = 17
#: Kept as they are, but some readers stop at them or refuse them: NUL and noncharacters.
_DOUBTFUL: Final = re.compile(
    "[\0\ufdd0-\ufdef\ufffe\uffff"
    + "".join(chr(n * 0x10000 + 0xFFFE) + chr(n * 0x10000 + 0xFFFF) for n in range(1, 17))
    + "]"
)


#: What may stand where a text should be.
_KINDS: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (list, "a list"),
    (dict, "an object"),
    (bool, "a truth value"),
    ((int, float, str), "a number"),  # A number that no double holds is digits, see `Digits`.
)


@dataclass(frozen=True, slots=True)
class Source:
    """One stream of a known form, and all that reading it needs.

    Attributes:
        stream: Its bytes; has `peek`, and may not be seekable.
        name: What findings call it: `folder/file` or `archive.zip/member`.
        limits: What reading may cost.
        budget: Bytes that the file may still decompress to.
        log: Where findings go.
        text_fields: Names of the field that is the text, best first.
    """

    stream: BinaryIO
    name: str
    limits: Limits
    budget: Budget
    log: FindingLog
    text_fields: tuple[str, ...]
    _first: list[str] = field(default_factory=list)  # the field that was the text first

    def note(
        self,
        kind: FindingKind,
        detail: str,
        line: int | None = None,
        *,
        count: int = 1,
        about: str = "",
    ) -> None:
        """Record a finding of this stream."""
        self.log.add(kind, self.name, detail, line=line, count=count, about=about)

    def decode(self, data: bytes, line: int | None = None) -> str:
        """Decode UTF-8; what is not UTF-8 is replaced by U+FFFD and said."""
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            detail = f"not UTF-8 ({error.reason}), replaced by U+FFFD; mend the encoding"
            self.note("invalid_text", detail, line)
            return data.decode("utf-8", "replace")

    def text_key(self, fields: Iterable[str]) -> str | None:
        """The field that is the text, or None."""
        names = list(fields)
        if len(names) == 1 and self.text_fields is TEXT_FIELDS:
            return names[0]
        for name in self.text_fields:
            alike = [key for key in names if str(key).strip().lower() == name.lower()]
            if not alike:
                continue
            key = name if name in alike else alike[0]
            if len(set(alike)) > 1:
                detail = f"several fields are called {name!r} in some case; {key!r} is taken"
                self.note("ambiguous", detail, about="case")
            return key
        return None

    def named(self, key: str) -> bool:
        """Whether a field is the text by its name, and not for want of another."""
        return key.strip().lower() in {name.lower() for name in self.text_fields}

    def record_key(self, record: Mapping[str, Any], line: int | None) -> str | None:
        """The field of a record that is the text, or None.

        A field that is a record's only one is its text only as long as no other was.
        """
        key = self.text_key(record)
        if key is None:
            return None
        if not self._first:
            self._first.append(key)
        elif key != self._first[0]:
            if not self.named(key):
                return None
            detail = f"the text is the field {key!r} here, and was {self._first[0]!r} before"
            self.note("ambiguous", detail, line, about="fields")
        return key

    def no_text(self, why: str, line: int | None = None) -> None:
        """Say that no field is the text."""
        name = self.text_fields[0]
        detail = f"no field is the text; name one `{name}`, or say which by --text-field ({why})"
        self.note("no_text", detail, line)

    def json(self, text: str, line: int | None) -> Any:
        """Parse one JSON value; of a key that an object has twice the last value is kept.

        Raises:
            ValueError: it is not JSON.
            RecursionError: it is nested too deep.
        """
        twice: list[str] = []

        def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
            record = dict(items)
            if len(record) < len(items):
                keys = [key for key, _ in items]
                twice.append(next(key for key in keys if keys.count(key) > 1))
            return record

        def parsed(*, strict: bool) -> Any:
            twice.clear()
            return json.loads(
                text,
                object_pairs_hook=pairs,
                parse_int=_integer,
                parse_float=_number,
                strict=strict,
            )

        try:
            value = parsed(strict=True)
        except json.JSONDecodeError as error:
            if not error.msg.startswith("Invalid control character"):
                raise
            value = parsed(strict=False)
            detail = "a string holds control characters as they are; other readers refuse it"
            self.note("ambiguous", detail, line, about="control")
        for key in twice:
            detail = f"a record has the key {key!r} twice; the last value is kept"
            self.note("duplicate_key", detail, line, about=key)
        return value


class Digits(str):
    """A number that no double holds: kept as it is written, but no text for that."""

    __slots__ = ()


def _integer(digits: str) -> int | Digits:
    """A number of any length is kept: `plain` writes what is beyond 2^53 as text anyway."""
    return Digits(digits) if len(digits) > _LONGEST_INTEGER else int(digits)


def _number(digits: str) -> float | Digits:
    """A double; as text if it is beyond every double, or has more digits than any needs."""
    value = float(digits)
    mantissa = re.sub("[eE].*|[-.]", "", digits).lstrip("0")
    beyond = math.isinf(value) or (not value and mantissa)
    return Digits(digits) if beyond or len(mantissa.rstrip("0")) > _DOUBLE_DIGITS else value


class Reader(Protocol):
    """Reads one form: yields records (or finished documents) with their line."""

    def __call__(self, source: Source, /) -> Iterable[tuple[Any, int | None]]: ...  # noqa: D102


def to_document(record: Any, line: int | None, source: Source) -> Document | None:
    """Make a record a document; None, and a finding, if it has no text."""
    if isinstance(record, Document):
        return _document(record.text, record.metadata, line, source)
    if isinstance(record, str) and not isinstance(record, Digits):
        return _document(record, {}, line, source)
    if not isinstance(record, dict):
        kind = "a number" if isinstance(record, Digits) else type(record).__name__
        source.no_text(f"a record is an object, this is {kind}", line)
        return None
    key = source.record_key(record, line)
    text = record.get(key) if key is not None else None
    if isinstance(text, bytes):
        text = source.decode(text, line)
    others = {k: v for k, v in record.items() if k != key}
    blank = text is None or (isinstance(text, str) and (not text or text.isspace()))
    if blank and not any(value not in (None, "") for value in others.values()):
        source.note("empty", "the record is empty", line)
        return None
    if not isinstance(text, str) or isinstance(text, Digits) or blank:
        if key is not None and not blank:
            kind = next((said for types, said in _KINDS if isinstance(text, types)), "a value")
            source.note("no_text", f"the field {key!r} is no text but {kind}", line, about=key)
        else:
            source.no_text(f"fields: {', '.join(map(str, record))[:200]}", line)
        return None
    return _document(text, _opened(others, line, source), line, source)


def _document(
    text: str, metadata: Mapping[str, Any], line: int | None, source: Source
) -> Document | None:
    if not text or text.isspace():
        source.note("empty", "the text is blank", line)
        return None
    clean = unicode(text)
    if clean is not text:
        detail = "escapes that are half a surrogate pair, replaced by U+FFFD"
        source.note("invalid_text", detail, line)
    limit = source.limits.record_bytes
    if len(clean.encode()) > limit:
        source.note("too_large", f"a document is longer than {limit} bytes; split it", line)
        return None
    _say_doubtful("the text", clean, line, source)

    def lost(field: str, why: str) -> None:
        if "U+FFFD" in why:
            source.note("invalid_text", f"field {field!r}: {why}", line, about=field)
        else:
            source.note("metadata", f"field {field!r} dropped: {why}", line, about=field)

    kept = salvage(dict(metadata), lost)
    for name, value in kept.items():
        for part in (name, *_strings(value)):
            _say_doubtful(f"field {name!r}", part, line, source)
    return Document(clean, kept)


def _say_doubtful(what: str, text: str, line: int | None, source: Source) -> None:
    if found := _DOUBTFUL.search(text):
        detail = f"{what} has U+{ord(found[0]):04X}, which some readers refuse or stop at"
        source.note("ambiguous", detail, line, about="character")


def _strings(value: Any) -> Iterator[str]:
    """All texts in a JSON value, keys among them."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            pending += [*each, *each.values()]
        elif isinstance(each, list):
            pending += each


def _opened(metadata: dict[str, Any], line: int | None, source: Source) -> Mapping[str, Any]:
    """Lift a `metadata` object's fields (in CSV: its JSON) beside the others, if none collide."""
    inner = metadata.get("metadata")
    if isinstance(inner, str) and inner.startswith("{"):
        try:
            inner = source.json(inner, line)
        except (ValueError, RecursionError):
            return metadata
    outer = {k: v for k, v in metadata.items() if k != "metadata"}
    if not isinstance(inner, dict) or outer.keys() & inner.keys():
        return metadata
    return {**outer, **inner}
