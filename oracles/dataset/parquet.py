"""Parquet: rows as records, whose values depend on the file alone.

pyarrow hands out other Python values where pandas or a time zone database is installed, and none
at all for nanoseconds, years beyond 9999 and bytes that are not UTF-8. So values are taken from
its scalars here.
"""

from __future__ import annotations

import importlib
import itertools
import os
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
        _check_extent(stream, file.metadata)
        strings = _dictionaries(file)
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
            wanted = {"batch_size": rows, "row_groups": [group]}
            again = coarse.iter_batches(columns=old, **wanted) if coarse else itertools.repeat({})
            for batch, micro in zip(file.iter_batches(**wanted), again, strict=False):
                times = {name: micro[name] for name in old}
                for row in range(batch.num_rows):
                    number += 1
                    # Without the text, another field must not stand in for it.
                    record: dict[str, Any] = {key: None}
                    record |= _record(names, batch, times, row, source, number)
                    source.budget.spend(sum(len(v) for v in record.values() if isinstance(v, str)))
                    yield record, number
        if number != file.metadata.num_rows:
            raise ValueError(f"{number} of {file.metadata.num_rows} rows are there")


def _columns(file: Any) -> list[Any]:
    return [file.schema.column(i) for i in range(len(file.schema))]


def _texts(file: Any) -> list[str]:
    return [column.path for column in _columns(file) if column.physical_type == "BYTE_ARRAY"]


def _dictionaries(file: Any) -> list[str]:
    """Columns that can be read as dictionaries."""
    names: list[str] = []
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    for place, column in enumerate(_columns(file)):
        flat = column.physical_type == "BYTE_ARRAY" and not column.max_repetition_level
        text = column.logical_type.type in {"STRING", "NONE"} and "." not in column.path
        used = {name for group in groups for name in group.column(place).encodings}
        if flat and text and used <= _DICTIONARY:
            names.append(column.path)
    return names


def _check_extent(stream: BinaryIO, metadata: Any) -> None:
    """Refuse a file with another in front of it: offsets would then name the other's bytes.

    Raises:
        ValueError: there is another file in front.
    """
    size = stream.seek(0, os.SEEK_END)
    end = len(_MAGIC)
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            column = metadata.row_group(group).column(place)
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
    names: list[str], batch: Any, times: dict[str, Any], row: int, source: Source, line: int
) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for name, column in zip(names, batch.columns, strict=True):
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
