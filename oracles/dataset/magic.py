"""What the first bytes of a file say that it is, whatever its name says."""

from __future__ import annotations

import re
from typing import Final

#: Bytes that are enough to tell.
HEAD: Final = 256
_MAGIC: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"PK\3\4": "zip",
    b"PK\5\6": "zip",
    b"7z\xbc\xaf": "7z",
    b"Rar!": "RAR",
    b"PAR1": "Parquet",
    b"PARE": "encrypted Parquet",
    b"ARROW1": "Arrow",
    b"Obj\1": "Avro",
    b"SQLite format 3\0": "SQLite",
    b"\x89HDF": "HDF5",
    b"%PDF-": "PDF",
    b"{\\rtf": "RTF",
    b"\xd0\xcf\x11\xe0": "an encrypted or an old office file",
    b"WARC/": "WARC",
}
#: What stands for a file that is kept elsewhere, and how to fetch it.
_POINTERS: Final = {
    b"version https://git-lfs.github.com/spec/": "git lfs pull",
    b"/annex/objects/": "git annex get",
}
_HTML: Final = re.compile(
    rb"\s*(?:<!--.{0,200}?-->\s*)?<(?:!doctype\s+html|html[\s>])", re.I | re.S
)
_XML: Final = re.compile(rb"\s*<\?xml\s")


def form_of(head: bytes) -> str | None:
    """The binary form (or RTF or WARC) that bytes begin as; None if none that is known."""
    return next((form for magic, form in _MAGIC.items() if head.startswith(magic)), None)


def markup_of(head: bytes) -> str | None:
    """Whether text begins as a page of the web or another XML file does: its name, or None."""
    return "HTML" if _HTML.match(head) else "XML" if _XML.match(head) else None


def fetched_by(head: bytes) -> str | None:
    """The command that fetches the data for which these bytes stand; None if they are data."""
    return next((how for start, how in _POINTERS.items() if head.startswith(start)), None)
