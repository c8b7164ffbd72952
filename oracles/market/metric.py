"""Metric documents: what a metric version is the digest of."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

import rfc8785

from oracles.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

#: Most bytes of a document.
MAX_BYTES: Final = 64 * 1024


def decode_document(data: bytes) -> dict[str, Any]:
    """Read a document.

    Raises:
        InputError: it is not a JSON object in its canonical form.
    """
    try:
        if len(data) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} bytes")
        value = json.loads(data)
        if not isinstance(value, dict) or rfc8785.dumps(value) != data.strip():
            raise ValueError("not a JSON object in canonical form (RFC 8785)")
    except (RecursionError, ValueError, rfc8785.CanonicalizationError) as error:
        raise InputError(f"this is no document of a metric: {error}") from error
    return value


def document_version(document: dict[str, Any]) -> bytes:
    """The metric version that a document is of, 32 bytes."""
    return hashlib.sha256(rfc8785.dumps(document)).digest()


def read_document(path: Path, version: bytes | None = None) -> dict[str, Any]:
    """Read a document from a file.

    Args:
        path: of the file.
        version: that it must be of; any by default.

    Raises:
        InputError: it cannot be read, is none, or is that of another version.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        document = decode_document(data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if version is not None and document_version(document) != version:
        raise InputError(
            f"{path} is the document of metric version 0x{document_version(document).hex()}, and"
            f" the auction is scored by 0x{version.hex()}: get the right one from its buyer"
        )
    return document


def changes(old: dict[str, Any], new: dict[str, Any], path: str = "") -> list[tuple[str, Any, Any]]:
    """Fields of two documents that differ: path, old and new value; None where there is none."""
    found: list[tuple[str, Any, Any]] = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            found += changes(before, after, f"{path}{name}.")
        elif before != after:
            found.append((path + name, before, after))
    return found
