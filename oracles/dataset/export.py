"""From documents to files that training frameworks read: JSONL, CSV, Parquet, TFRecord.

Each form has the text and the metadata of every document, the latter as one JSON value, so that
`read_documents` gives the same documents back (from all but TFRecord, which it does not read).
"""

from __future__ import annotations

import csv
import importlib
import io
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import rfc8785

from oracles.dataset.digest import encode_document
from oracles.errors import InputError
from oracles.files import atomic_write

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator

    from oracles.dataset.document import Document

_ROW_GROUP: Final = 1000


def _counted(documents: Iterable[Document], count: list[int]) -> Iterator[Document]:
    for document in documents:
        count[0] += 1
        yield document


def _metadata(document: Document) -> str:
    return rfc8785.dumps(dict(document.metadata)).decode()


def _write_jsonl(documents: Iterable[Document], file: BinaryIO) -> None:
    for document in documents:
        file.write(encode_document(document) + b"\n")


def _write_csv(documents: Iterable[Document], file: BinaryIO) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    rows = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    rows.writerow(("text", "metadata"))
    rows.writerows((document.text, _metadata(document)) for document in documents)
    text.detach()


def _write_parquet(documents: Iterable[Document], file: BinaryIO) -> None:
    pa: Any = importlib.import_module("pyarrow")
    pq: Any = importlib.import_module("pyarrow.parquet")
    schema = pa.schema([("text", pa.string()), ("metadata", pa.string())])
    rows = iter(documents)
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while group := list(itertools.islice(rows, _ROW_GROUP)):
            columns = [[document.text for document in group], [*map(_metadata, group)]]
            writer.write_table(pa.table(columns, schema=schema))


def _write_tfrecord(documents: Iterable[Document], file: BinaryIO) -> None:
    try:
        # The library opens its own file; only its encoding is used here.
        writer: Any = importlib.import_module("tfrecord.writer").TFRecordWriter
    except ImportError as error:
        raise InputError("TFRecord needs one more package: pip install tfrecord") from error
    for document in documents:
        fields = {"text": document.text, "metadata": _metadata(document)}
        record: bytes = writer.serialize_tf_example(
            {name: (value.encode(), "byte") for name, value in fields.items()}
        )
        length = len(record).to_bytes(8, "little")
        file.write(length + writer.masked_crc(length) + record + writer.masked_crc(record))


FORMATS: Final[dict[str, Callable[[Iterable[Document], BinaryIO], None]]] = {
    "jsonl": _write_jsonl,
    "csv": _write_csv,
    "parquet": _write_parquet,
    "tfrecord": _write_tfrecord,
}


def export(
    documents: Iterable[Document], out: str | os.PathLike[str], form: str | None = None
) -> int:
    """Write documents to one file; it appears complete or not at all, and only to its owner.

    If `documents` comes from `unpack` and fails its verification, nothing appears.

    Args:
        documents: What to write.
        out: File to write.
        form: One of `FORMATS`; by default the ending of `out`.

    Returns:
        The number of documents.

    Raises:
        InputError: unknown form, or the file cannot be written.
    """
    path = Path(out)
    name = (form or path.suffix.removeprefix(".")).lower()
    if name not in FORMATS:
        raise InputError(f"{name or 'no ending'!r} is not a form; use one of {', '.join(FORMATS)}")
    count = [0]
    try:
        with atomic_write(path, private=True) as file:
            FORMATS[name](_counted(documents, count), file)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    return count[0]
