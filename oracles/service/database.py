"""One SQLite file that one process uses: locked, in WAL mode, every commit flushed to disk."""

from __future__ import annotations

import errno
import fcntl
import sqlite3
import threading
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from oracles.errors import ConfigError, QmiaError
from oracles.files import open_private, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_IDENTITY = "CREATE TABLE IF NOT EXISTS identity (name TEXT PRIMARY KEY, value TEXT NOT NULL);"


class BusyError(QmiaError):
    """Another process uses it now."""


def _lock(folder: Path) -> IO[str]:
    """Keep other processes out, for as long as the file is open."""
    file = open_private(folder / "lock", "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise BusyError(f"another process uses {folder}; stop it first") from error
    except OSError as error:
        file.close()
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
            raise
        raise ConfigError(
            f"the file system of {folder} has no locks ({error.strerror}), and without one a second"
            " process could sign or send once more: put `state` on a local disk"
        ) from error
    return file


class Database:
    """A folder's `journal.sqlite`. Safe between threads; a lock keeps a second process out.

    Args:
        folder: where it lives; created if missing.
        schema: statements that create the tables.
        identity: chain, contracts and key that it belongs to.
        version: of all tables; a file of another one is refused, so that nothing is forgotten.

    Raises:
        BusyError: another process uses it.
        ConfigError: it belongs to another identity, is damaged, or cannot be locked.
        OSError, sqlite3.OperationalError: the disk refuses, which may pass.
    """

    def __init__(
        self, folder: Path, schema: Iterable[str], identity: Mapping[str, str], *, version: int
    ) -> None:
        self._version = version
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(folder.parent)
        self._lock_file = _lock(folder)
        self._lock = threading.RLock()
        try:
            self._open(folder / "journal.sqlite", schema, identity)
            kept = dict(self.rows("SELECT name, value FROM identity"))
        except sqlite3.OperationalError:
            self._lock_file.close()
            raise  # full or busy: that passes
        except sqlite3.Error as error:
            self._lock_file.close()
            raise ConfigError(f"the journal in {folder} cannot be used: {error}") from error
        if wrong := [name for name, value in identity.items() if kept[name] != value]:
            name = wrong[0]
            self.close()
            raise ConfigError(
                f"{folder} belongs to {name} {kept[name]}, not {identity[name]}; use another folder"
            )

    def _open(self, path: Path, schema: Iterable[str], identity: Mapping[str, str]) -> None:
        open_private(path, "ab").close()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        ((version,),) = self.rows("PRAGMA user_version")
        if version not in (0, self._version):
            raise sqlite3.NotSupportedError(f"its format is {version}, not {self._version}")
        for statements in (_IDENTITY, *schema):
            self._connection.executescript(statements)
        self._connection.execute(f"PRAGMA user_version = {self._version}")
        with self.atomic():
            for each in identity.items():
                self.execute("INSERT OR IGNORE INTO identity VALUES (?, ?)", *each)

    def close(self) -> None:
        """Let the folder go."""
        with self._lock:
            self._connection.close()
            self._lock_file.close()

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """All or nothing, on disk when the block ends; blocks may be nested."""
        with self._lock:
            if self._open_transaction():
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._open_transaction():
                    self._connection.execute("ROLLBACK")
                raise

    def _open_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, statement: str, *values: Any) -> bool:
        """Change something inside of `atomic`; True if a row changed."""
        before = self._connection.total_changes
        self._connection.execute(statement, values)
        return self._connection.total_changes > before

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()
