"""The loop of a program that runs for years: a cycle, a pause, again; failures stop nothing."""

from __future__ import annotations

import signal
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

import structlog

from oracles.errors import ConfigError
from oracles.service import systemd
from oracles.service.failures import Backoff, expected, fatal, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from oracles.service.failures import Failures

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: A loop that has not turned for this many polls, or seconds, is not alive.
_STALL_POLLS, _STALL_SECONDS = 20, 120
#: What `problems` says before the first cycle.
_NOT_YET: Final = "no cycle yet"


def run(make: Callable[[], Loop]) -> None:
    """Run a program until SIGTERM or SIGINT; what keeps it from starting for now is waited for.

    Args:
        make: opens all that it needs.

    Raises:
        QmiaError: one that only a person can mend.
    """
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    backoff = Backoff()
    # Who waits has started: systemd would end it, and begin the waiting anew.
    systemd.notify(ready=1, status="starting")
    while not stopping.is_set():
        try:
            program = make()
        except Exception as error:
            if fatal(error):
                raise
            pause = backoff.failed("start", time.monotonic())
            trace = None if expected(error) else error
            log.warning("waiting", error=said(error), retry_seconds=pause, exc_info=trace)
            systemd.notify(watchdog=1, status=f"waiting: {said(error)}")
            stopping.wait(pause)
        else:
            program.run(stopping)
    log.info("stopped")


class Loop(ABC):
    """A program that turns until it is told to stop.

    Args:
        failures: tells and times what fails.
        poll_seconds: pause between two cycles.
        page: whose section Errors says more.
    """

    def __init__(self, failures: Failures, poll_seconds: float, page: str) -> None:
        self._failures = failures
        self._poll_seconds = poll_seconds
        self._page = page
        self._last_turn = time.monotonic()
        #: What keeps it from being ready.
        self.problems = [_NOT_YET]

    @abstractmethod
    def cycle(self) -> None:
        """One look at the chain and everything that is due.

        Raises:
            QmiaError: the cycle could not be done; the next may.
        """

    @abstractmethod
    def close(self) -> None:
        """Let everything go."""

    @abstractmethod
    def started(self) -> None:
        """Say who runs; called before the first cycle."""

    def run(self, stopping: threading.Event) -> None:
        """Turn until told to stop.

        Args:
            stopping: set to stop.

        Raises:
            QmiaError: one that only a person can mend.
        """
        try:
            self.started()
            while not stopping.is_set():
                self.turn()
                stopping.wait(self._poll_seconds)
        finally:
            self.close()

    def alive(self) -> bool:
        """Whether the loop turns."""
        most = max(_STALL_SECONDS, _STALL_POLLS * self._poll_seconds)
        return time.monotonic() - self._last_turn < most

    def turn(self) -> None:
        """One cycle, unless the last one failed a moment ago; its failure is noted.

        Raises:
            ConfigError: only a person can mend it.
        """
        self._last_turn = time.monotonic()
        if not self._failures.ready("cycle"):
            return
        try:
            with self._failures.attempt("cycle"):
                try:
                    self.cycle()
                except Exception as error:
                    self.problems = [said(error)]
                    raise
        except Exception as error:
            raise ConfigError(f"stopped: {error}; see Errors in the {self._page} page") from error
