"""Files that come with the package and decide numbers: each is pinned by its digest."""

from __future__ import annotations

import hashlib
from importlib import resources

from oracles.errors import IntegrityError


def pinned(name: str, digest: str) -> bytes:
    """Content of a file in `data/`.

    Args:
        name: of the file.
        digest: its SHA-256, in hexadecimal.

    Raises:
        IntegrityError: The file is not the pinned one.
    """
    content = (resources.files("oracles.quality") / "data" / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise IntegrityError(f"data/{name} is not the pinned file; reinstall qmia")
    return content
