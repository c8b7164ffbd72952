"""All events as Parquet, a file for each kind, for questions that the replay does not ask.

Integers of up to 64 bits are integers. Larger ones are decimal text: no integer type of Parquet has
256 bits, and readers turn what does not fit into floating point. Addresses, hashes and bytes are
hexadecimal text. Structs are structs, arrays are lists. Column names are the ABI's, in snake_case.
"""

from __future__ import annotations

import importlib
from collections import Counter
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from oracles.audit.records import Block
from oracles.chain import artifacts
from oracles.chain.events import decode_log
from oracles.chain.typed_events import EVENTS, STRUCTS
from oracles.errors import ChainError
from oracles.files import whole_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from oracles.audit.records import Log, Source

SCHEMA: Final = b"qmia/events/1"
_ROWS: Final = 5_000
#: Bits of the largest integer that all readers keep as one.
_INTEGER_BITS: Final = 64


def export(
    source: Source, out: Path, *, progress: Callable[[int], Any] = lambda _: None
) -> dict[str, int]:
    """Write all events of a source; the folder appears whole or not at all.

    Every row has block, time, transaction, log (its position in the block) and contract in front.
    `blocks.parquet` has the blocks that have logs. Of each file the metadata name schema, chain and
    range of blocks.

    Args:
        source: archive or node.
        out: a folder that does not exist yet.
        progress: called with the number of each block reached.

    Returns:
        Rows by file. `foreign` counts logs of other contracts' events, of which there is no file.

    Raises:
        InputError: the folder exists, or the disk refuses.
    """
    counted: Counter[str] = Counter()

    def write(folder: Path) -> None:
        tables = _Tables(folder, source)
        try:
            for record in source.records():
                if isinstance(record, Block):
                    progress(record.number)
                    tables.block(record)
                else:
                    tables.log(record)
        finally:
            tables.close()
        counted.update(tables.counted)

    whole_folder(out, write)
    return dict(sorted(counted.items()))


class _Tables:
    """The files being written, each with a few thousand rows in memory."""

    def __init__(self, folder: Path, source: Source) -> None:
        self._pa: Any = importlib.import_module("pyarrow")
        self._pq: Any = importlib.import_module("pyarrow.parquet")
        header = source.header
        self._about = {
            b"qmia.schema": SCHEMA,
            b"qmia.chain_id": str(header.chain_id).encode(),
            b"qmia.from_block": str(header.from_block).encode(),
            b"qmia.to_block": str(header.to_block).encode(),
            b"qmia.to_hash": b"0x" + header.to_hash.hex().encode(),
        }
        self._folder = folder
        self._writers: dict[str, Any] = {}
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._block = Block(0, b"", 0, 0)
        self.counted: Counter[str] = Counter()
        pa = self._pa
        self._place = [
            ("block", pa.int64()),
            ("time", pa.timestamp("s", tz="UTC")),
            ("transaction", pa.string()),
            ("log", pa.int32()),
            ("contract", pa.string()),
        ]
        # Every kind has its file, so that a query for something that never happened finds nothing.
        entries = {entry["name"]: entry for entry in artifacts.events().values()}
        for name, entry in sorted(entries.items()):
            columns = zip(fields(EVENTS[name]), entry["inputs"], strict=True)
            own = [(field.name, self._type(item)) for field, item in columns]
            self._open(name, [*self._place, *own])
        self._open(
            "blocks",
            [
                ("block", pa.int64()),
                ("time", pa.timestamp("s", tz="UTC")),
                ("hash", pa.string()),
                ("base_fee", pa.string()),
            ],
        )

    def _open(self, name: str, columns: list[tuple[str, Any]]) -> None:
        schema = self._pa.schema(columns).with_metadata(self._about)
        path = self._folder / f"{name}.parquet"
        self._writers[name] = self._pq.ParquetWriter(path, schema, compression="zstd")
        self._rows[name] = []
        self.counted[name] = 0

    def _type(self, item: dict[str, Any]) -> Any:
        pa, kind = self._pa, item["type"]
        if kind.endswith("]"):
            element = {**item, "type": kind[: kind.rindex("[")]}
            if "internalType" in item:
                inner = item["internalType"]
                element["internalType"] = inner[: inner.rindex("[")]
            return pa.list_(self._type(element))
        if kind == "tuple":
            struct = STRUCTS[item["internalType"].removeprefix("struct ").rpartition(".")[2]]
            parts = zip(fields(struct), item["components"], strict=True)
            return pa.struct([(field.name, self._type(part)) for field, part in parts])
        if kind == "bool":
            return pa.bool_()
        if kind.startswith("uint") and int(kind[4:]) <= _INTEGER_BITS:
            return pa.int64() if int(kind[4:]) < _INTEGER_BITS else pa.uint64()
        return pa.string()

    def block(self, block: Block) -> None:
        """A block; the logs that follow are in it."""
        self._block = block
        self._add(
            "blocks",
            {
                "block": block.number,
                "time": datetime.fromtimestamp(block.time, UTC),
                "hash": "0x" + block.hash.hex(),
                "base_fee": str(block.base_fee),
            },
        )

    def log(self, log: Log) -> None:
        """A log."""
        try:
            event = decode_log(log.address, log.topics, log.data)
        except ChainError:
            event = None
        if event is None:
            self.counted["foreign"] += 1
            return
        body = event.body
        entry = artifacts.events()[bytes(log.topics[0])]
        columns = zip(fields(body), entry["inputs"], strict=True)
        own = {field.name: _value(getattr(body, field.name), item) for field, item in columns}
        self._add(
            event.name,
            {
                "block": self._block.number,
                "time": datetime.fromtimestamp(self._block.time, UTC),
                "transaction": "0x" + log.transaction.hex(),
                "log": log.index,
                "contract": log.address,
                **own,
            },
        )

    def _add(self, name: str, row: dict[str, Any]) -> None:
        self.counted[name] += 1
        self._rows[name].append(row)
        if len(self._rows[name]) == _ROWS:
            self._flush(name)

    def _flush(self, name: str) -> None:
        rows, writer = self._rows[name], self._writers[name]
        if rows:
            writer.write_table(self._pa.Table.from_pylist(rows, schema=writer.schema))
            rows.clear()

    def close(self) -> None:
        """Write what is left."""
        for name, writer in self._writers.items():
            self._flush(name)
            writer.close()


def _value(value: Any, item: dict[str, Any]) -> Any:
    """A value of an event in its column's form."""
    kind: str = item["type"]
    if kind.endswith("]"):
        element = {**item, "type": kind[: kind.rindex("[")]}
        return [_value(each, element) for each in value]
    if is_dataclass(value) and not isinstance(value, type):
        parts = zip(fields(value), item["components"], strict=True)
        return {field.name: _value(getattr(value, field.name), part) for field, part in parts}
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if kind.startswith("uint") and int(kind[4:]) > _INTEGER_BITS:
        return str(value)
    return value
