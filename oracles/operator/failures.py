"""The table of errors: what ends the daemon, what is tried again, and how soon."""

from __future__ import annotations

import sqlite3
from typing import Final

from oracles.errors import ChainError, ConfigError, InputError, IntegrityError, QmiaError
from oracles.evidence import StoreError
from oracles.operator.duties import about
from oracles.operator.journal import EquivocationError

#: First match counts. `True`: only a person can mend it, and the daemon stops. An operator that
#: stopped loses rounds, so whatever may pass by itself is tried again; so is what nobody thought
#: of, with its traceback in the log, lest a stranger's message be able to stop anybody.
_TABLE: Final[tuple[tuple[type[BaseException], bool], ...]] = (
    (EquivocationError, False),  # the signature was refused: nothing happened, others go on
    (ConfigError, True),
    (StoreError, False),
    (ChainError, False),
    (IntegrityError, False),
    (InputError, False),
    (QmiaError, False),
    (sqlite3.OperationalError, False),  # disk full or busy: nothing was written, nothing signed
    (sqlite3.DatabaseError, True),  # a damaged journal must not be signed with
    (OSError, False),
    (MemoryError, False),
    (Exception, False),
)
_FIRST_SECONDS: Final = 1.0
_MOST_SECONDS: Final = 300.0


def fatal(error: BaseException) -> bool:
    """Whether an error ends the daemon; what is no `Exception` (an interrupt) does."""
    return next((ends for kind, ends in _TABLE if isinstance(error, kind)), True)


def expected(error: BaseException) -> bool:
    """Whether an error is one that was thought of, and needs no traceback."""
    return any(isinstance(error, kind) for kind, _ in _TABLE[:-1])


class Backoff:
    """How long to leave each thing alone after it failed: doubling, up to five minutes."""

    def __init__(self) -> None:
        self._state: dict[str, tuple[float, float]] = {}

    def ready(self, key: str, now: float) -> bool:
        """Whether the pause is over."""
        return now >= self._state.get(key, (0.0, 0.0))[0]

    def failed(self, key: str, now: float, most: float = _MOST_SECONDS) -> float:
        """Note a failure; gives the pause in seconds."""
        pause = min(most, self._state.get(key, (0.0, _FIRST_SECONDS / 2))[1] * 2)
        self._state[key] = (now + pause, pause)
        return pause

    def pause(self, key: str, until: float) -> None:
        """Leave something alone although it did not fail."""
        self._state[key] = (until, _FIRST_SECONDS / 2)

    def forget(self, auction: int) -> None:
        """Drop what is known of an auction that is over."""
        self._state = {key: kept for key, kept in self._state.items() if not about(key, auction)}

    def succeeded(self, key: str) -> None:
        """Forget failures."""
        self._state.pop(key, None)
