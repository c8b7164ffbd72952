"""Values that RFC 8785 can write: what metadata may hold."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import rfc8785

from oracles.errors import InputError, IntegrityError

#: Largest integer that every JSON reader keeps exact (RFC 7493, I-JSON).
MAX_SAFE_INTEGER = 2**53 - 1
#: Nesting that metadata may have.
MAX_DEPTH = 32


def unicode(text: str) -> str:
    """Replace lone surrogates by U+FFFD: they have no UTF-8 form."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def plain(value: Any, depth: int = 0) -> Any:
    """Bring a value to its JSON form without loss.

    Dates become ISO 8601 strings; decimals, and integers that a double cannot hold, become strings;
    whole doubles become integers where these are exact, as canonical JSON writes them.

    Raises:
        ValueError: NaN, an infinity, bytes, too deep a nesting, or a type without a JSON form.
    """
    match value:
        case None | bool():
            return value
        case str():
            return unicode(value)
        case int():
            if abs(value) <= MAX_SAFE_INTEGER:
                return value
            # Canonical JSON writes doubles below 1e21 without exponent: such digits are one.
            double = abs(value) < 10**21 and rfc8785.dumps(float(value)) == str(value).encode()
            return float(value) if double else str(value)
        case float():
            if not math.isfinite(value):
                raise ValueError(f"{value} is not a JSON number")
            return int(value) if value.is_integer() and abs(value) <= MAX_SAFE_INTEGER else value
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case Decimal():
            return format(value, "f") if value.is_finite() else str(value)
        case Mapping() | list() | tuple() if depth >= MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH}")
        case Mapping():
            return {unicode(str(key)): plain(item, depth + 1) for key, item in value.items()}
        case list() | tuple():
            return [plain(item, depth + 1) for item in value]
        case _:
            raise ValueError(f"{type(value).__name__} has no JSON form")


def salvage(value: Any, lost: Callable[[str, str], None], field: str = "", depth: int = 0) -> Any:
    """Bring a value to its JSON form; a part that has none costs that part only.

    In an object such a part is left out, in an array it becomes null.

    Args:
        value: What to convert.
        lost: Called with the name of the field (`a.b`) and what is wrong with it.
        field: Name of the value itself.
        depth: Its nesting.
    """
    if isinstance(value, str):
        clean = unicode(value)
        if clean is not value:
            lost(field, "half a surrogate pair, replaced by U+FFFD")
        return clean
    if depth < MAX_DEPTH and isinstance(value, Mapping):
        result: dict[str, Any] = {}
        for key, item in value.items():
            name = unicode(str(key))
            path = f"{field}.{name}" if field else name
            if name in result:
                lost(path, "two keys have one form; one is kept")
            elif name != key:
                lost(path, "its name has half a surrogate pair, replaced by U+FFFD")
            part = salvage(item, lost, path, depth + 1)
            if part is not None or item is None:
                result[name] = part
        return result
    if depth < MAX_DEPTH and isinstance(value, list | tuple):
        return [salvage(item, lost, field, depth + 1) for item in value]
    try:
        return plain(value, depth)
    except ValueError as error:
        lost(field, str(error))
        return None


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Read a canonical file of strangers: whatever its bytes make the reader raise means one thing.

    Args:
        what: the file should be: `manifest of a data set`.

    Raises:
        IntegrityError: it is none.
    """
    try:
        yield
    except (
        AttributeError,
        InputError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
        rfc8785.CanonicalizationError,
    ) as error:
        raise IntegrityError(f"this is no {what}: {error}") from error
