"""Structured logs: one event per line, on standard error unless told otherwise."""

from __future__ import annotations

import logging
import sys
from typing import Literal, TextIO, cast

import structlog


class _Live:
    """A standard stream as it is when something is written: programs around this may replace it."""

    def __init__(self, name: Literal["stdout", "stderr"]) -> None:
        self._name = name

    def _stream(self) -> TextIO:
        return sys.stdout if self._name == "stdout" else sys.stderr

    def write(self, text: str) -> int:
        return self._stream().write(text)

    def flush(self) -> None:
        self._stream().flush()

    def isatty(self) -> bool:
        return self._stream().isatty()


def configure(
    form: Literal["json", "console"], *, verbose: bool = False, to_stdout: bool = False
) -> None:
    """Set up structlog.

    Args:
        form: JSON lines for machines, or lines for people.
        verbose: also what happens every cycle.
        to_stdout: to standard output, where programs read.
    """
    stream = _Live("stdout" if to_stdout else "stderr")
    renderer = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.DEBUG if verbose else logging.INFO
        ),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", stream)),
        cache_logger_on_first_use=True,
    )
