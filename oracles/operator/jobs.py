"""Runs scoring jobs in a process of their own, one at a time, the most urgent first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import structlog

from oracles.errors import ConfigError, IntegrityError
from oracles.evidence import Cid
from oracles.operator.worker import CONFIGURATION, Job

if TYPE_CHECKING:
    from pathlib import Path

    from oracles.operator.metrics import Metrics

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: Progress is logged this often, and at the end of each stage.
_TELL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Scored:
    """Result of a job: the vector, and the bundle that backs it."""

    vector: bytes
    evidence: Cid


class JobFailedError(IntegrityError):
    """A job failed in a way that may pass; it is tried again."""


class Jobs:
    """The scoring process.

    Args:
        metrics: told about progress.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._process: subprocess.Popen[str] | None = None
        self._key = ""
        self._error = ""
        self._reader: threading.Thread | None = None

    @property
    def running(self) -> str:
        """Key of the running job, or nothing."""
        return self._key

    def start(self, key: str, job: Job) -> None:
        """Start a job unless one is running; keys go through standard input only."""
        if self._process is not None:
            return
        self._error = ""
        self._key = key
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
            pass  # it died at once; `poll` tells
        self._reader = threading.Thread(
            target=self._read, args=(self._process,), daemon=True, name="scoring"
        )
        self._reader.start()
        log.info("scoring started", job=key, data_sets=len(job.data_sets))

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None  # noqa: S101 - asked for in `start`
        told = time.monotonic()
        for line in process.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if "error" in message:
                self._error = message["error"]
            elif "note" in message:
                log.info("scoring", job=self._key, note=message["note"])
            elif "stage" in message:
                self._metrics.progress.labels(message["stage"]).set(message["done"])
                if time.monotonic() - told >= _TELL_SECONDS or message["done"] == message["total"]:
                    told = time.monotonic()
                    log.info("scoring", job=self._key, **message)

    def poll(self) -> tuple[str, int] | None:
        """Key and exit code of a job that has ended since."""
        if self._process is None or self._process.poll() is None:
            return None
        if self._reader:
            self._reader.join(timeout=5)
        key, code = self._key, self._process.returncode
        self._forget()
        return key, code

    def check(self, code: int) -> None:
        """Raise what an exit code means.

        Raises:
            ConfigError: this operator cannot do it.
            JobFailedError: it may work another time.
        """
        if code == CONFIGURATION:
            raise ConfigError(self._error)
        if code != 0:
            raise JobFailedError(self._error or f"the scoring process ended with {code}")

    def _forget(self) -> None:
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    try:
                        pipe.close()
                    except BrokenPipeError:
                        continue
        self._process, self._key = None, ""

    def stop(self) -> None:
        """End a running job; what it finished is found again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._reader:
                self._reader.join(timeout=5)
            self._forget()


def read_result(path: Path) -> Scored | None:
    """What a finished job wrote, if it did."""
    if not path.exists():
        return None
    value = json.loads(path.read_text())
    return Scored(bytes.fromhex(value["vector"]), Cid.parse(value["evidence"]))
