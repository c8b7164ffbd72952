"""Comma- and tab-separated values, as RFC 4180 says, and as people write them."""

from __future__ import annotations

import csv
import itertools
import re
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Literal

from oracles.dataset.lines import GAP, lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oracles.dataset.findings import FindingKind
    from oracles.dataset.records import Source

    Records = Iterator[tuple[Any, int | None]]

_NO_VALUE: Final = r"\N"
#: What databases write in tab-separated values for a tab and a line end.
_ESCAPED: Final = re.compile(r"\\[tn]")
_DELIMITERS: Final = ",\t;|"
_QUOTED: Final = re.compile('"(?:[^"]|"")*"')
#: Excel's word to itself in front of a file.
_EXCEL: Final = re.compile("sep=(.)\r?\n?")


class _Rows:
    """Rows of delimited lines, quoted as RFC 4180 says.

    Attributes:
        delimiter: One character.
        held: Number and text of each line that the current row has.
        end: Why there are no more lines: the file's end, a row over the limit, a gap, or not yet.
        quotes: Whether quotes are undone.
    """

    def __init__(self, source: Source) -> None:
        self.delimiter = "\t"
        self.held: list[tuple[int, str]] = []
        self.end: Literal["", "file", "limit", "gap"] = ""
        self.quotes = True
        self._limit = source.limits.record_bytes
        self._source = source
        self._lines = lines(source)
        self._again: deque[tuple[int, str | None]] = deque()
        csv.field_size_limit(max(csv.field_size_limit(), self._limit))

    def head(self) -> str | None:
        """The first line that is not blank; None if there is none that is short enough."""
        for number, text in self._taken():
            if text is None:
                return None
            if text == GAP:
                continue
            if found := _EXCEL.fullmatch(text):
                self.delimiter = found[1]
                detail = f"the first line names the delimiter {found[1]!r}; other readers take it"
                self._source.note("ambiguous", f"{detail} for names", number, about="excel")
            elif not text.isspace():
                self.held = [(number, text)]
                return text
            else:
                detail = "blank lines before the row of names; other readers take one for it"
                self._source.note("ambiguous", detail, number, about="blank")
        return None

    def next(self, *, head: bool = False) -> list[str] | None:
        """The next row; None at the end, or if it does not parse, which is said.

        Args:
            head: The row begins with the line that `head` has read.
        """
        taken = itertools.chain([self.held[0][1]] if head else [], self._of_row(head=head))
        while not self.end:
            if not self.quotes:
                text = next(taken, None)
                return None if text is None else self.split(text)
            try:
                return next(csv.reader(taken, delimiter=self.delimiter, strict=True), None)
            except csv.Error as error:
                self._lost(str(error))
                if head:
                    return None
                taken = itertools.chain([], self._of_row())
        return None

    def split(self, line: str) -> list[str]:
        """The fields of a line in which quotes are nothing special."""
        return line.rstrip("\r\n").split(self.delimiter)

    def _taken(self) -> Iterator[tuple[int, str | None]]:
        while self._again:
            yield self._again.popleft()
        for each in self._lines:  # `yield from` would close it together with this generator
            yield each
            while self._again:
                yield self._again.popleft()

    def _of_row(self, *, head: bool = False) -> Iterator[str]:
        if not head:
            self.held = []
        size = len(self.held[0][1]) if head else 0
        for number, text in self._taken():
            if not text and not self.held:
                continue
            if text == GAP:
                self.end = "gap"
                return
            size += len(text or "")
            if text is None or size > self._limit:
                self._again.append((number, text))
                self.end = "limit"
                return
            self.held.append((number, text))
            yield text
        self.end = "file"

    def _lost(self, reason: str) -> None:
        """Say which lines a row that does not parse has cost."""
        start, after = self.held[0][0], len(self.held) - 1
        if self.end == "gap":
            detail = f"a damaged frame cuts a row; {after + 1} lines are lost with it"
            self._source.note("corrupt", detail, start, about="gap")
            self.end = ""
            return
        if self.end and self.delimiter == "\t" and start > 1:
            # Most programs write tab-separated values without quoting: a quote opens nothing.
            detail = "a quote is never closed: from here on quotes are read as they are"
            self._source.note("ambiguous", detail, start, about="open")
            self._again.extendleft(reversed(self.held))
            self.quotes, self.end = False, ""
            return
        if self.end == "limit":
            after += self.rest()
            reason = f"a row is longer than {self._limit} bytes: is a quote never closed?"
        elif self.end:
            reason = "a quote is opened: is it never closed?"
        elif any('\\"' in text for _, text in self.held):
            reason += ". Is a quote escaped by a backslash? Write it twice instead;"
        kind: FindingKind = "too_large" if self.end == "limit" else "malformed"
        lost = f"with it the {after} lines after it are lost" if after else "the row is lost"
        self._source.note(kind, f"not CSV: {reason} {lost}", start, about=self.end)

    def rest(self) -> int:
        """Pass over the remaining lines; returns their number."""
        return sum(text != GAP for _, text in self._taken())


def _delimited(source: Source, *, tabs: bool) -> Records:
    """Rows under a row of names."""
    rows = _Rows(source)
    first = rows.head()
    if first is not None and not tabs and rows.delimiter == "\t":
        rows.delimiter = _delimiter(source, first)
    row = None if first is None else rows.next(head=True)
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

    def whole(texts: list[str]) -> bool:
        """Whether each line of a row would be a row."""
        return len(header) > 1 and all(len(rows.split(text)) == len(header) for text in texts)

    while (row := rows.next()) is not None:
        start, texts = rows.held[0][0], [text for _, text in rows.held]
        if tabs and rows.quotes and any(t.startswith('"') or '\t"' in t for t in texts):
            # Most programs write tab-separated values without quoting. Then a quote opens nothing,
            # and each line has all the fields.
            if len(texts) > 1 and whole(texts):
                detail = "a quoted field would hold tabs and line ends; its lines are read as rows"
                source.note("ambiguous", detail, start, about="quote")
                for number, text in rows.held:
                    yield fields(rows.split(text)), number
                continue
            detail = "a field is quoted, which other readers of tab-separated values do not undo"
            source.note("ambiguous", detail, start, about="quotes")
        elif len(texts) > 1 and not tabs and whole(texts):
            detail = "each line of a quoted field could be a row: is a quote too much there?"
            source.note("ambiguous", detail, start, about="lines")
        if tabs and any(_ESCAPED.search(text) for text in texts):
            detail = (
                r"a field has \t or \n, which databases write for tabs and line ends; it is kept"
            )
            source.note("ambiguous", detail, start, about="escapes")
        row = _fitted(source, row, header, start)
        if row is not None:
            yield fields(row), start


def _fitted(source: Source, row: list[str], header: list[str], line: int) -> list[str] | None:
    """A row with as many cells as there are columns; None for one that is none, which is said."""
    if not row:
        return None
    if len(row) == 1 and not row[0].strip() and len(header) > 1:
        source.note("empty", "a line of blanks", line, about="blank")
        return None
    if len(row) > len(header) and not any(row[len(header) :]):
        detail = "rows end in more delimiters than the row of names"
        source.note("ambiguous", detail, line, about="end")
        row = row[: len(header)]
    elif len(row) == len(header) - 1 and not header[-1]:
        row = [*row, ""]
    if len(row) != len(header):
        detail = f"{len(row)} fields under {len(header)} columns; quote the delimiter"
        source.note("malformed", detail, line, about="fields")
        return None
    if [column.strip() for column in row] == header:
        detail = "the row of names again, left out; were files joined?"
        source.note("ambiguous", detail, line, about="names")
        return None
    if any(cell[:1] == " " and cell.lstrip(" ")[:1] == '"' for cell in row):
        detail = "a blank before a quote: the quote is kept, and other readers undo it"
        source.note("ambiguous", detail, line, about="blank")
    if _NO_VALUE in row:
        detail = r"a field is \N, which databases write where there is no value; it is kept"
        source.note("ambiguous", detail, line, about="none")
    return row


def _delimiter(source: Source, first: str) -> str:
    """The delimiter that the row of names has most often; better one that gives a text."""
    bare = _QUOTED.sub("", first)
    best = max(_DELIMITERS, key=bare.count)
    others = [each for each in _DELIMITERS if each != best and bare.count(each)]
    equal = any(bare.count(each) == bare.count(best) for each in others)
    for each in [best, *others]:
        names = [name.strip(' \r\n"') for name in first.split(each)]
        if len(names) > 1 and source.text_key(names) is not None:
            equal = equal or each != best
            best = each
            break
    if bare.count(best) and equal:
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
    elif len(columns) == 1 and not source.named(key):
        detail = f"the first row, {key[:60]!r}, is taken for the name of the only column"
        source.note("ambiguous", detail, 1, about="only")
    return key


def comma_separated(source: Source) -> Records:
    """Delimiter `,`, `;`, `|` or tab, whichever the row of names has most often."""
    return _delimited(source, tabs=False)


def tab_separated(source: Source) -> Records:
    """Tabs; quotes are undone where they are well-formed, and said, since not all readers do."""
    return _delimited(source, tabs=True)
