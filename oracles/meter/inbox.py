"""Entries from other commands while a meter is running: it takes them from a folder.

One program writes a log. A command that adds a price list, a licence or a correction writes the log
itself where no meter runs, and leaves a file for the running one else.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, Final

import rfc8785

from oracles.errors import ConfigError, InputError, IntegrityError
from oracles.files import write_file
from oracles.meter.events import KINDS, Prices, decimal
from oracles.meter.log import LogInUseError, UsageLog

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from oracles.meter.events import Event, Kind

_INBOX: Final = "inbox"
#: Bytes of what is added by hand.
_LONGEST: Final = 1 << 19


def submit(folder: Path, origin: str, kind: Kind, data: Mapping[str, Any]) -> Event | None:
    """Add one entry: at once where no meter runs (gives the event), else by the running meter.

    Raises:
        InputError: it is no such entry.
        ConfigError: neither the log nor the inbox can be written.
    """
    if kind != "prices":
        data = {**data, "ref": secrets.token_hex(8)}
    check(kind, data)
    try:
        log = UsageLog(folder, origin)
    except LogInUseError:
        inbox = folder / _INBOX
        content = json.dumps({"kind": kind, "data": dict(data)})
        try:
            inbox.mkdir(exist_ok=True, mode=0o700)
            write_file(inbox / f"{secrets.token_hex(8)}.json", content, private=True)
        except OSError as error:
            raise ConfigError(f"cannot write to {inbox}: {error.strerror}") from error
        return None
    try:
        return log.append([(kind, data)])[0]
    finally:
        log.close()


def taken(folder: Path) -> Iterator[tuple[Path, Kind, dict[str, Any]]]:
    """What other commands left, oldest first; the caller deletes a file when its entry is written.

    A file that is no entry is set aside, so that it is not met again.
    """
    inbox = folder / _INBOX
    if not inbox.is_dir():
        return
    for path in sorted(inbox.glob("*.json"), key=lambda each: each.stat().st_mtime_ns):
        try:
            content = json.loads(path.read_text())
            kind, data = content["kind"], content["data"]
            check(kind, data)
        except (OSError, ValueError, KeyError, TypeError, InputError, RecursionError):
            refuse(path)
            continue
        yield path, kind, data


def refuse(path: Path) -> None:
    """Set a file aside that is no entry."""
    path.rename(path.with_suffix(".refused"))


def check(kind: str, data: Mapping[str, Any]) -> None:
    """Refuse an entry that the audit would find wrong.

    Raises:
        InputError: says why.
    """
    if kind not in KINDS or kind == "usage":
        raise InputError(f"{kind!r} cannot be added by hand")
    try:
        length = len(rfc8785.dumps(dict(data)))
    except ValueError as error:
        raise InputError(f"this cannot be written down: {error}") from error
    if length > _LONGEST:
        raise InputError(f"an entry is longer than {_LONGEST} bytes")
    if kind == "prices":
        try:
            same = Prices.of(data).plain() == dict(data)
        except IntegrityError as error:
            raise InputError(str(error)) from error
        if not same:
            raise InputError("a price list holds prices alone")
        return
    try:
        amount = decimal(data.get("amount"))
    except ValueError as error:
        raise InputError(f"its amount: {error}") from error
    if not amount or (amount > 0) is not (kind == "licence"):
        raise InputError("a licence's amount is above 0, a correction's below")
