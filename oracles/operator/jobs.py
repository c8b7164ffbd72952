"""Processes that fetch and score: few at a time, and the more urgent one goes first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from oracles.errors import ConfigError, IntegrityError, QmiaError
from oracles.operator.job import Stage
from oracles.operator.worker import CONFIGURATION

if TYPE_CHECKING:
    from collections.abc import Callable

    from oracles.operator.job import Job
    from oracles.operator.metrics import Metrics
    from oracles.service.duty import Duty

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: Processes of each stage. Scoring takes all that a machine has; fetching takes almost nothing.
SLOTS: Final = {Stage.FETCH: 4, Stage.SCORE: 1, Stage.RETRIEVE: 2, Stage.EXAMINE: 1}
_NAMES: Final = {
    Stage.FETCH: "fetching",
    Stage.SCORE: "scoring",
    Stage.RETRIEVE: "retrieving",
    Stage.EXAMINE: "examining",
}
#: Progress is logged this often, and at the end of each stage.
_TELL_SECONDS: Final = 30.0


class JobFailedError(IntegrityError):
    """A process failed in a way that may pass; it is tried again."""


class Ended(NamedTuple):
    """A process that ended by itself.

    Attributes:
        duty: what it worked for.
        stage: what it did.
        error: why it failed: `ConfigError` if this operator cannot do it, else `JobFailedError`;
            None if it did not.
    """

    duty: Duty
    stage: Stage
    error: QmiaError | None


class Process:
    """One process that works on one job.

    Args:
        duty: what it works for.
        job: what to do; its keys go through standard input only.
        deadline: time (unix seconds) after which its work is of no use.
        metrics: where its progress goes.
    """

    def __init__(self, duty: Duty, job: Job, deadline: int, metrics: Metrics) -> None:
        self.duty = duty
        self.stage = Stage(job.stage)
        self.deadline = deadline
        self._metrics = metrics
        self._error = ""
        # What it opens is hostile: it gets no secret but the keys that it needs.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("QMIA_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "oracles.operator.worker"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        try:
            self._process.stdin.write(json.dumps(asdict(job)) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it died at once; `ended` tells
        self._reader = threading.Thread(target=self._read, daemon=True, name=job.stage)
        self._reader.start()
        log.info(f"{_NAMES[self.stage]} started", job=str(duty), data_sets=len(job.data_sets))

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - asked for in `__init__`
        told = time.monotonic()
        for line in self._process.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if "error" in message:
                self._error = message["error"]
            elif "stage" in message:
                self._metrics.progress.labels(message["stage"]).set(message["done"])
                if time.monotonic() - told >= _TELL_SECONDS or message["done"] == message["total"]:
                    told = time.monotonic()
                    log.info("progress", job=str(self.duty), **message)

    def ended(self) -> Ended | None:
        """How it ended, once it did."""
        code = self._process.poll()
        if code is None:
            return None
        self._close()
        error: QmiaError | None = None
        if code == CONFIGURATION:
            error = ConfigError(self._error)
        elif code != 0:
            error = JobFailedError(self._error or f"the process ended with {code}")
        return Ended(self.duty, self.stage, error)

    def kill(self) -> None:
        """End it; what it finished is found again."""
        self._process.kill()
        self._process.wait()
        self._close()

    def _close(self) -> None:
        self._reader.join(timeout=5)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue


class Jobs:
    """All processes of one daemon, at most one for a duty.

    Args:
        metrics: where their progress goes.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._processes: dict[Duty, Process] = {}

    def stage(self, duty: Duty) -> Stage | None:
        """What is being done for a duty now."""
        process = self._processes.get(duty)
        return process.stage if process else None

    def start(self, duty: Duty, job: Job, deadline: int) -> bool:
        """Start a job unless one runs for this duty; False if all slots have more urgent ones.

        Where all slots are taken, the least urgent process gives way, if it is less urgent.
        """
        if duty in self._processes:
            return True
        stage = Stage(job.stage)
        running = [each for each in self._processes.values() if each.stage is stage]
        if len(running) >= SLOTS[stage]:
            last = max(running, key=lambda each: each.deadline)
            if last.deadline <= deadline:
                return False
            self.end(last.duty, f"gives way to {duty}")
        self._processes[duty] = Process(duty, job, deadline, self._metrics)
        return True

    def ended(self) -> list[Ended]:
        """Processes that ended since this was asked last."""
        ended = [end for process in self._processes.values() if (end := process.ended())]
        for each in ended:
            del self._processes[each.duty]
        return ended

    def end(self, duty: Duty, reason: str) -> None:
        """Kill the process of a duty, if there is one."""
        process = self._processes.pop(duty, None)
        if process is not None:
            process.kill()
            log.info(f"{_NAMES[process.stage]} stopped", job=str(duty), reason=reason)

    def end_all(self, unless: Callable[[Duty], bool]) -> None:
        """Kill the processes that are of no use any more.

        Args:
            unless: whether a duty's process may go on.
        """
        for duty in [duty for duty in self._processes if not unless(duty)]:
            self.end(duty, "nothing is due for it any more")

    def stop(self) -> None:
        """Kill all."""
        for process in self._processes.values():
            process.kill()
        self._processes.clear()
