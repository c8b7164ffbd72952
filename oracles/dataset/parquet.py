"""Parquet: rows as records, whose values depend on the file alone.

pyarrow hands out other Python values where pandas or a time zone database is installed, and none
at all for nanoseconds, years beyond 9999 and bytes that are not UTF-8. So values are taken from
its scalars here.
"""

from __future__ import annotations

import importlib
import itertools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from oracles.dataset.streams import NotReadError, seekable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oracles.dataset.records import Source

_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
#: Encodings that keep a long value once, however often it comes, if read as a dictionary.
_DICTIONARY: Final = frozenset({"PLAIN", "RLE", "BIT_PACKED", "RLE_DICTIONARY", "PLAIN_DICTIONARY"})
_MAGIC: Final = b"PAR1"
#: What pyarrow raises where a file is damaged.
_DAMAGE: Final = (OSError, ValueError, NotImplementedError)
_ROWS: Final = 256
#: Rows at once where a few bytes of the file may stand for a long value in each of them.
_FEW_ROWS: Final = 16


def parquet(source: Source) -> Iterator[tuple[Any, int | None]]:
    """Columns become fields; null is an absent field."""
    pq: Any = importlib.import_module("pyarrow.parquet")  # loaded when needed, and untyped
    with seekable(source.stream) as stream:
        try:
            schema = pq.read_schema(stream)
        except OSError as error:
            if "ncrypted" in str(error):
                raise NotReadError("encrypted; decrypt it first") from error
            raise
        names: list[str] = schema.names
        for name in dict.fromkeys(names):
            if names.count(name) > 1:
                detail = f"the column {name!r} comes twice; the last one is kept"
                source.note("duplicate_key", detail, about=name)
        key = source.text_key(names)
        if key is None:
            source.no_text(f"the columns are: {', '.join(names)[:200]}")
            return
        options = {"buffer_size": 1 << 20, "page_checksum_verification": True}
        file = pq.ParquetFile(stream, **options)
        damaged = _damaged(file)
        _check_extent(stream, file, damaged)
        strings = _dictionaries(file, damaged)
        if strings:
            file = pq.ParquetFile(stream, read_dictionary=strings, **options)
        old = _old_times(file)
        coarse = (
            pq.ParquetFile(stream, coerce_int96_timestamp_unit="us", **options) if old else None
        )
        nested = any(column.max_repetition_level for column in _columns(file))
        rows = _ROWS if len(strings) == len(_texts(file)) and not nested else _FEW_ROWS
        number = 0
        for group in range(file.metadata.num_row_groups):
            source.budget.spend(file.metadata.row_group(group).total_byte_size)
            columns = _Columns(file, coarse, old, group, rows)
            for batch, times in _batches(columns, list(dict.fromkeys(names)), key, source, number):
                for row in range(batch.num_rows):
                    number += 1
                    # Without the text, another field must not stand in for it.
                    record: dict[str, Any] = {key: None}
                    record |= _record(batch, times, row, source, number)
                    source.budget.spend(sum(len(v) for v in record.values() if isinstance(v, str)))
                    yield record, number
        if number != file.metadata.num_rows:
            raise ValueError(f"{number} of {file.metadata.num_rows} rows are there")


@dataclass(frozen=True, slots=True)
class _Columns:
    """Columns of one row group, read by name.

    Attributes:
        file: pyarrow's.
        coarse: The same, with times of 96 bits to the microsecond; None if it has none.
        old: Names of the columns with such times.
        group: Number of the row group.
        rows: Rows at once.
    """

    file: Any
    coarse: Any
    old: list[str]
    group: int
    rows: int

    def read(self, names: list[str]) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Batches, and their times to the microsecond by name."""
        wanted = {"batch_size": self.rows, "row_groups": [self.group]}
        old = [name for name in self.old if name in names]
        times = self.coarse.iter_batches(columns=old, **wanted) if old else itertools.repeat({})
        batches = self.file.iter_batches(columns=names, **wanted)
        for batch, micro in zip(batches, times, strict=False):
            yield batch, {name: micro[name] for name in old}

    def readable(self, name: str) -> bool:
        """Whether a column can be read to the end of the group."""
        try:
            for _ in self.read([name]):
                pass
        except _DAMAGE:
            return False
        return True


def _batches(
    columns: _Columns, names: list[str], key: str, source: Source, before: int
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """All batches of a group; a column that is damaged costs itself, which is said.

    Args:
        columns: Of the group.
        names: Their names.
        key: The one that is the text.
        source: Where it is said.
        before: Rows before the group.

    Raises:
        OSError, ValueError: the text is damaged.
    """
    done = 0
    while True:
        place = 0
        try:
            for batch, times in columns.read(names):
                place += batch.num_rows
                if place > done:
                    done = place
                    yield batch, times
        except _DAMAGE as error:
            lost = [name for name in names if name != key and not columns.readable(name)]
            if not lost or not columns.readable(key):
                raise
            for name in lost:
                detail = f"the column {name!r} is damaged, its values from here on are lost"
                source.note("corrupt", f"{detail}: {error}", before + done + 1, about=name)
            names = [name for name in names if name not in lost]
        else:
            return


def _damaged(file: Any) -> set[tuple[int, int]]:
    """Group and number of columns whose description must not be asked for.

    Where it is damaged, pyarrow ends the process; reading a row raises instead.
    """
    found: set[tuple[int, int]] = set()
    paths = [column.path for column in _columns(file)]
    for group in range(file.metadata.num_row_groups):
        for names in (paths, *([path] for path in paths)):
            try:
                next(file.iter_batches(batch_size=1, row_groups=[group], columns=names), None)
            except _DAMAGE:
                found |= {(group, place) for place, path in enumerate(paths) if [path] == names}
            else:
                if names is paths:
                    break
    return found


def _columns(file: Any) -> list[Any]:
    return [file.schema.column(i) for i in range(len(file.schema))]


def _texts(file: Any) -> list[str]:
    return [column.path for column in _columns(file) if column.physical_type == "BYTE_ARRAY"]


def _dictionaries(file: Any, damaged: set[tuple[int, int]]) -> list[str]:
    """Columns that can be read as dictionaries."""
    names: list[str] = []
    groups = range(file.metadata.num_row_groups)
    for place, column in enumerate(_columns(file)):
        flat = column.physical_type == "BYTE_ARRAY" and not column.max_repetition_level
        text = column.logical_type.type in {"STRING", "NONE"} and "." not in column.path
        used = {
            name
            for group in groups
            if (group, place) not in damaged
            for name in file.metadata.row_group(group).column(place).encodings
        }
        if flat and text and used <= _DICTIONARY:
            names.append(column.path)
    return names


def _check_extent(stream: BinaryIO, file: Any, damaged: set[tuple[int, int]]) -> None:
    """Refuse a file with another in front of it: offsets would then name the other's bytes.

    Args:
        stream: The file's bytes.
        file: pyarrow's.
        damaged: Columns that are left out.

    Raises:
        ValueError: there is another file in front.
    """
    size = stream.seek(0, os.SEEK_END)
    end = len(_MAGIC)
    for group in range(file.metadata.num_row_groups):
        for place in range(file.metadata.num_columns):
            if (group, place) in damaged:
                continue
            column = file.metadata.row_group(group).column(place)
            starts = [column.data_page_offset, column.dictionary_page_offset]
            start = min(offset for offset in starts if offset)
            end = max(end, start + column.total_compressed_size)
    stream.seek(size - 8)
    footer = size - 8 - int.from_bytes(stream.read(4), "little")
    while end < footer:
        stream.seek(end)
        block = stream.read(min(1 << 16, footer - end))
        if len(block) < len(_MAGIC):
            break
        if _MAGIC + _MAGIC in block:
            raise ValueError("another Parquet file is joined in front of it; store them apart")
        end += len(block) if end + len(block) >= footer else len(block) - 7
    stream.seek(0)


def _old_times(file: Any) -> list[str]:
    """Columns with times in the old form of 96 bits.

    It holds any year, in nanoseconds; 64 bits of nanoseconds hold those from 1677 to 2262, and
    others come out as wrong ones without a word.
    """
    found = [
        each.path.partition(".")[0] for each in _columns(file) if each.physical_type == "INT96"
    ]
    return list(dict.fromkeys(name for name in found if name in file.schema_arrow.names))


def _record(
    batch: Any, times: dict[str, Any], row: int, source: Source, line: int
) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            value = _value(column[row], source, line)
            if name in times:
                value = _right(value, _value(times[name][row], source, line))
        except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
            detail = f"field {name!r} dropped: {error}"
            source.note("metadata", detail, line, about=name)
            continue
        if value is not None:
            record[name] = value
    return record


def _right(nano: Any, micro: Any) -> Any:
    """Times to the nanosecond, where these say the same as those to the microsecond."""
    match nano, micro:
        case str(), str():
            return nano if nano.startswith(micro) else micro
        case list(), list():
            return [_right(*each) for each in zip(nano, micro, strict=True)]
        case dict(), dict():
            return {name: _right(value, micro[name]) for name, value in nano.items()}
    return nano


def _value(scalar: Any, source: Source, line: int) -> Any:
    """The Python value of a scalar.

    Raises:
        ValueError: it has no JSON form.
    """
    types: Any = importlib.import_module("pyarrow").types
    kind = scalar.type
    if not scalar.is_valid:
        return None
    if str(kind) == "extension<arrow.uuid>":
        return str(scalar.as_py())
    if types.is_dictionary(kind) or hasattr(kind, "storage_type"):
        return _value(scalar.value, source, line)
    if types.is_string(kind) or types.is_large_string(kind) or _is(types, "string_view", kind):
        return source.decode(scalar.as_buffer().to_pybytes(), line)
    if types.is_timestamp(kind):
        zone = "+00:00" if kind.tz else ""
        return _instant(scalar.value, _PER_SECOND[kind.unit], zone)
    if types.is_date32(kind):
        return _date(scalar.value)
    if types.is_date64(kind):
        return _date(scalar.value // 86_400_000)
    if types.is_time(kind):
        return _time(scalar.value, _PER_SECOND[kind.unit])
    if types.is_struct(kind):
        value: dict[str, Any] = {}
        for place in range(kind.num_fields):
            name = kind.field(place).name
            if name in value:
                detail = f"a record has the key {name!r} twice; the last value is kept"
                source.note("duplicate_key", detail, line, about=name)
            value[name] = _value(scalar[place], source, line)
        return value
    if types.is_map(kind):
        return [
            [_value(item[0], source, line), _value(item[1], source, line)] for item in scalar.values
        ]
    if types.is_nested(kind):
        return [_value(item, source, line) for item in scalar.values]
    if types.is_duration(kind) or types.is_interval(kind):
        raise ValueError(f"{kind} has no JSON form")
    return scalar.as_py()


def _is(types: Any, name: str, kind: Any) -> bool:
    """Whether it is of a type that older versions of pyarrow do not have."""
    test = getattr(types, f"is_{name}", None)
    return test is not None and bool(test(kind))


def _date(days: int) -> str:
    return str(np.datetime64(days, "D"))


def _time(value: int, per_second: int) -> str:
    """ISO 8601 as `datetime.time` writes it; nanoseconds where there are any."""
    seconds, rest = divmod(value, per_second)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    nanoseconds = rest * (10**9 // per_second)
    if nanoseconds % 1000:
        return f"{text}.{nanoseconds:09}"
    return f"{text}.{nanoseconds // 1000:06}" if nanoseconds else text


def _instant(value: int, per_second: int, zone: str) -> str:
    days, rest = divmod(value, 86_400 * per_second)
    return f"{_date(days)}T{_time(rest, per_second)}{zone}"
