"""Moments and spans of time as people read them: local time, and how long until then."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from oracles.errors import InputError

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def span(seconds: int) -> str:
    """A length of time by its two largest units.

    >>> span(79_800)
    '22 h 10 min'
    """
    parts = []
    for name, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


_DURATION: Final = re.compile(r"(\d[\d_]*)\s*(s|min|h|d)?", re.ASCII)


def duration(text: str) -> int:
    """Seconds of a length of time: `90 min`, `7 d`, or plain seconds.

    Raises:
        InputError: it is no length of time.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{text!r} is no length of time: write seconds, or 90 min, 12 h, 7 d")
    return int(found[1].replace("_", "")) * dict(_UNITS)[found[2] or "s"]


def moment(timestamp: int, now: int) -> str:
    """A moment in local time with its zone, and how far it is from now.

    Args:
        timestamp: unix seconds.
        now: unix seconds on the clock that decides, which is the chain's.
    """
    distance = f"in {span(timestamp - now)}" if timestamp > now else f"{span(now - timestamp)} ago"
    return f"{local(timestamp)} ({distance})"


def drift(seconds: float) -> str:
    """How far one clock is from another that shows `seconds` more.

    >>> drift(1205), drift(-90)
    ('20 min 5 s behind', '1 min 30 s ahead of')
    """
    return f"{span(round(abs(seconds)))} {'behind' if seconds >= 0 else 'ahead of'}"


def local(timestamp: int) -> str:
    """A moment in local time with its zone; beyond the calendar, its unix seconds."""
    try:
        return datetime.fromtimestamp(timestamp, UTC).astimezone().strftime("%a %d %b %Y %H:%M %Z")
    except (OverflowError, ValueError, OSError):
        return f"unix second {timestamp}"
