"""Telling systemd how it goes, sd_notify(3): a datagram to the socket that it names."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(**values: str | int) -> None:
    """Say something, such as `READY=1` or `STATUS=…`; nothing happens under no systemd.

    Args:
        values: by the names of sd_notify(3), in lower case.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    text = "\n".join(f"{name.upper()}={_line(value)}" for name, value in values.items())
    # A leading @ stands for the abstract namespace. Who does not listen does not matter.
    where = "\0" + address[1:] if address.startswith("@") else address
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(text.encode(), where)


def _line(value: str | int) -> str:
    return " ".join(str(value).split())[:1000]
