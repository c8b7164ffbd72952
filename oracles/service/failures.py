"""The table of errors: what ends the daemon, what is tried again, and how soon."""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from oracles.errors import ChainError, ConfigError, InputError, IntegrityError, QmiaError
from oracles.service.duty import Duty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oracles.chain.terms import AuctionId


log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: First match counts. `True`: only a person can mend it, and the daemon stops. A daemon that
#: stopped misses what is due, so whatever may pass by itself is tried again; so is what nobody
#: thought of, with its traceback in the log: no stranger's message can stop anybody.
_TABLE: Final[tuple[tuple[type[BaseException], bool], ...]] = (
    (ConfigError, True),
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
_MOST_SECONDS: Final = 30.0


def fatal(error: BaseException) -> bool:
    """Whether an error ends the daemon; what is no `Exception` (an interrupt) does."""
    return next((ends for kind, ends in _TABLE if isinstance(error, kind)), True)


def expected(error: BaseException) -> bool:
    """Whether an error is one that was thought of, and needs no traceback."""
    return any(isinstance(error, kind) for kind, _ in _TABLE[:-1])


def said(error: BaseException) -> str:
    """An error as people are told of it; SQLite does not say which file it is about."""
    if isinstance(error, sqlite3.Error):
        return (
            f"journal.sqlite in the state folder: {error}; is there room, and does no other program"
            " hold it?"
        )
    return str(error)


@dataclass(frozen=True, slots=True)
class Auction:
    """Key of a failure that concerns an auction, but no single duty."""

    auction: AuctionId

    def __str__(self) -> str:
        return f"auction:{self.auction}"


#: What can fail: a duty, an auction, or a named part of the cycle.
Key = Duty | Auction | str


class Backoff:
    """How long to leave each thing alone after it failed: doubling, up to half a minute."""

    def __init__(self) -> None:
        self._state: dict[Key, tuple[float, float]] = {}

    def ready(self, key: Key, now: float) -> bool:
        """Whether the pause is over."""
        return now >= self._state.get(key, (0.0, 0.0))[0]

    def failed(self, key: Key, now: float) -> float:
        """Note a failure; gives the pause in seconds."""
        pause = min(_MOST_SECONDS, self._state.get(key, (0.0, _FIRST_SECONDS / 2))[1] * 2)
        self._state[key] = (now + pause, pause)
        return pause

    def succeeded(self, key: Key) -> None:
        """Forget failures."""
        self._state.pop(key, None)

    def forget(self, auction: AuctionId) -> None:
        """Drop what is known of an auction that is over."""
        self._state = {
            key: kept
            for key, kept in self._state.items()
            if isinstance(key, str) or key.auction != auction
        }


class Failures:
    """Tells, counts and times failures, so that one thing that fails stops no other.

    Args:
        count: called with each failure.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        count: Callable[[BaseException], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count = count
        self._clock = clock
        self._backoff = Backoff()

    def ready(self, key: Key) -> bool:
        """Whether something may be tried: it did not fail, or its pause is over."""
        return self._backoff.ready(key, self._clock())

    @contextmanager
    def attempt(self, key: Key, harmless: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """Try something; its failure is noted and ends here.

        Args:
            key: what is tried.
            harmless: errors that do not end the daemon although the table says so.

        Raises:
            Exception: one that ends the daemon.
        """
        try:
            yield
        except Exception as error:
            if fatal(error) and not isinstance(error, harmless):
                raise
            self.failed(key, error)
        else:
            self._backoff.succeeded(key)

    def failed(self, key: Key, error: BaseException) -> None:
        """Note a failure."""
        self._count(error)
        pause = self._backoff.failed(key, self._clock())
        trace = None if expected(error) else error
        log.warning("failed", what=str(key), error=said(error), retry_seconds=pause, exc_info=trace)

    def forget(self, auction: AuctionId) -> None:
        """Drop what is known of an auction that is over."""
        self._backoff.forget(auction)
