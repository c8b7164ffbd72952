"""From files to documents: JSONL, JSON, CSV, Parquet, plain text, Markdown, folders, archives.

A file's form follows from its name: folders, archives and compression are unpacked (`walk`), the
rest is read by the row of `forms.FORMS` that its ending has, or else as one document of text. In a
record the text is the first of `TEXT_FIELDS` that it has (or its only field); the rest is metadata,
and a field `metadata` that is an object is opened (`records`). Everything is streamed; memory is
bounded by a few records. Whatever is wrong becomes a `Finding`, never a crash, never silence: one
bad value costs that value, one bad record that record.
"""

from __future__ import annotations

import csv
import lzma
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from backports import zstd

from oracles.dataset.findings import Finding, FindingLog
from oracles.dataset.forms import FORMS, REFUSED, TEXT
from oracles.dataset.records import TEXT_FIELDS, Source, to_document
from oracles.dataset.streams import (
    DEFAULT_LIMITS,
    BombError,
    DamagedError,
    Limits,
    NotReadError,
)
from oracles.dataset.walk import Walk
from oracles.errors import InputError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from oracles.dataset.document import Document

#: What parsers raise on bytes that somebody made to be read badly.
_PARSER_ERRORS: Final = (
    ArithmeticError,
    DamagedError,
    EOFError,
    LookupError,
    NotReadError,
    OSError,
    RuntimeError,  # includes RecursionError and NotImplementedError
    TypeError,
    ValueError,  # includes UnicodeError, JSONDecodeError and ArrowInvalid
    csv.Error,
    lzma.LZMAError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    zstd.ZstdError,
)


def read_documents(
    path: str | os.PathLike[str],
    *,
    limits: Limits = DEFAULT_LIMITS,
    findings: list[Finding] | None = None,
    text_field: str | None = None,
) -> Iterator[Document]:
    """Read all documents of a file or folder, in the order of sorted paths.

    Args:
        path: A file, or a folder that is read recursively (links are not followed).
        limits: What reading may cost.
        findings: Where to put what is wrong. Without it the first finding that loses data is
            raised.
        text_field: The one field or column that is the text, if it has none of the usual names.

    Yields:
        Documents with non-blank text and metadata that canonical JSON can hold.

    Raises:
        InputError: the path does not exist; or there is no list for findings, and data are lost
            or there is no document.

    Example:
        >>> import qmia
        >>> from pathlib import Path
        >>> _ = Path("notes.txt").write_text("The patient slept well.")
        >>> [document.text for document in qmia.read_documents("notes.txt")]
        ['The patient slept well.']
    """
    root = Path(path)
    if not root.exists():
        raise InputError(f"{root} does not exist")
    log = FindingLog(findings, limits.findings)
    fields = (text_field,) if text_field else TEXT_FIELDS
    walk = Walk(limits, log, _PARSER_ERRORS)
    empty = True
    for found in walk.streams(root):
        source = Source(found.stream, found.name, limits, found.budget, log, fields)
        try:
            if advice := REFUSED.get(found.form):
                source.note("unsupported", f"{found.form} is not read; {advice}")
                continue
            for record, line in FORMS.get(found.form, TEXT)(source):
                document = to_document(record, line, source)
                if document is not None:
                    empty = False
                    yield document
        except BombError:
            continue  # the budget is used up, which the walk says
        except _PARSER_ERRORS as error:
            walk.failed(found.name, error)
    if empty:
        detail = "there is no document in it"
        if findings is None:
            raise InputError(f"{root}: {detail}")
        log.add("empty", root.name or str(root), detail, about="data set")
