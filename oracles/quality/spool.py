"""A scoring run's working table on disk: bounded memory, canonical order, resumable."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import numpy as np

from oracles.errors import InputError
from oracles.quality.coherence import Grade
from oracles.quality.embed import WIDTH
from oracles.quality.profile import Profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_SCHEMA = """
CREATE TABLE IF NOT EXISTS document (
    key BLOB PRIMARY KEY, copies INTEGER NOT NULL, profile TEXT NOT NULL, part INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vector (sentence TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS grade (
    words TEXT PRIMARY KEY, steps INTEGER NOT NULL, pieces INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_LOOKUP = 500


class Spool:
    """Profiles by content key and embeddings by sentence, in one SQLite file.

    Args:
        path: The file; a later run with the same metric version goes on from it.
        metric_version: A file of another version is refused.
    """

    def __init__(self, path: Path, metric_version: str) -> None:
        self._connection = sqlite3.connect(path)
        self._connection.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _SCHEMA
        )
        found = self._state("metric_version")
        if found not in (None, metric_version):
            self.close()
            raise InputError(
                f"the work folder holds a run of metric version {found[:16] if found else ''}…; "
                "use another folder or delete it"
            )
        self._set("metric_version", metric_version)
        self._connection.commit()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _state(self, name: str) -> str | None:
        row = self._connection.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def _set(self, name: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, value))

    @property
    def position(self) -> int:
        """Documents of the stream that are stored."""
        return int(self._state("position") or 0)

    def store(self, profiles: Iterable[tuple[Profile, int]], position: int) -> None:
        """Store the profiles of the next documents and the stream's new position, at once.

        Args:
            profiles: each with the part of a sample that it is in.
            position: documents of the stream that are stored then.
        """
        self._connection.executemany(
            "INSERT INTO document VALUES (?, 1, ?, ?)"
            " ON CONFLICT DO UPDATE SET copies = copies + 1",
            ((p.key, p.to_json(), part) for p, part in profiles),
        )
        self._set("position", str(position))
        self._connection.commit()

    def documents(self, part: int | None = None) -> Iterator[tuple[Profile, int]]:
        """Distinct profiles and how often each was submitted, in the order of their keys.

        Args:
            part: only those of this part of a sample.
        """
        where = "" if part is None else f"WHERE part = {part:d}"
        rows = self._connection.execute(
            f"SELECT key, copies, profile FROM document {where} ORDER BY key"  # noqa: S608
        )
        for key, copies, profile in rows:
            yield Profile.from_json(key, profile), copies

    def document(self, key: bytes) -> Profile:
        """One profile."""
        (profile,) = self._connection.execute(
            "SELECT profile FROM document WHERE key = ?", (key,)
        ).fetchone()
        return Profile.from_json(key, profile)

    def missing(self, sentences: Iterable[str]) -> list[str]:
        """Those of the distinct sentences that have no embedding yet, sorted."""
        found = {row[0] for row in self._connection.execute("SELECT sentence FROM vector")}
        return sorted({_name(s): s for s in sentences if _name(s) not in found}.values())

    def ungraded(self, windows: Iterable[str]) -> list[str]:
        """Those of the distinct windows of words that were not read yet, sorted."""
        found = {row[0] for row in self._connection.execute("SELECT words FROM grade")}
        return sorted({_name(w): w for w in windows if _name(w) not in found}.values())

    def store_grades(self, windows: Sequence[str], grades: Sequence[Grade]) -> None:
        """Store how windows read."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO grade VALUES (?, ?, ?)",
            ((_name(words), *grade) for words, grade in zip(windows, grades, strict=True)),
        )
        self._connection.commit()

    def grades(self, windows: Sequence[str]) -> list[Grade]:
        """How windows read, in their order."""
        query = "SELECT steps, pieces FROM grade WHERE words = ?"
        return [
            Grade(*self._connection.execute(query, (_name(words),)).fetchone()) for words in windows
        ]

    def store_vectors(self, sentences: Sequence[str], vectors: NDArray[np.int16]) -> None:
        """Store embeddings."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO vector VALUES (?, ?)",
            (
                (_name(sentence), vector.astype("<i2").tobytes())
                for sentence, vector in zip(sentences, vectors, strict=True)
            ),
        )
        self._connection.commit()

    def vectors(self, sentences: Sequence[str]) -> NDArray[np.int16]:
        """Embeddings (n, WIDTH) of sentences, in their order."""
        found: dict[str, bytes] = {}
        names = [_name(s) for s in sentences]
        for start in range(0, len(names), _LOOKUP):
            chunk = names[start : start + _LOOKUP]
            marks = ",".join("?" * len(chunk))
            found.update(
                self._connection.execute(
                    f"SELECT sentence, value FROM vector WHERE sentence IN ({marks})",  # noqa: S608
                    chunk,
                )
            )
        rows = [np.frombuffer(found[name], "<i2") for name in names]
        return np.array(rows, np.int16).reshape(-1, WIDTH)


def _name(sentence: str) -> str:
    """A sentence as a SQLite key: JSON escapes lone surrogates, which UTF-8 has no bytes for."""
    return json.dumps(sentence)
