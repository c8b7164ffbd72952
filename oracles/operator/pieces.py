"""Pieces of archives: the sealed pages of a sample, kept until claims begin, and served to others.

An archive may be larger than this machine, so only the ranges that were drawn are here. A piece is
found by its archive, offset and size; whoever reads it checks it against the manifest's root.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from oracles.files import write_file

if TYPE_CHECKING:
    from pathlib import Path

    from oracles.evidence import Cid


class Pieces:
    """A folder of pieces: `<cid>/<offset>-<size>`.

    Args:
        folder: created with the first piece.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, cid: Cid, offset: int, size: int) -> Path:
        """Where a piece is, if it is here."""
        return self._folder / str(cid) / f"{offset}-{size}"

    def put(self, cid: Cid, offset: int, data: bytes) -> None:
        """Keep a piece.

        Raises:
            OSError: the disk refuses.
        """
        path = self.path(cid, offset, len(data))
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, data)

    def get(self, cid: Cid, offset: int, size: int) -> bytes | None:
        """A piece; None if it is not here."""
        try:
            return self.path(cid, offset, size).read_bytes()
        except OSError:
            return None

    def forget(self, cid: Cid) -> None:
        """Drop all pieces of an archive."""
        shutil.rmtree(self._folder / str(cid), ignore_errors=True)
