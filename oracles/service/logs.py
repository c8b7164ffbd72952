"""Structured logs: one event a line, on standard error unless told otherwise."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog


def configure(
    form: Literal["json", "console"], *, verbose: bool = False, to_stdout: bool = False
) -> None:
    """Set up structlog.

    Args:
        form: JSON lines for machines, or lines for people.
        verbose: also what happens every cycle.
        to_stdout: to standard output, where programs read.
    """
    stream = sys.stdout if to_stdout else sys.stderr
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
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
