"""Connections that are cut when a server neither ends its answer nor falls silent.

Time-outs of HTTP libraries begin again with every byte: a server that trickles, headers and all,
would keep a thread for days.
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sockets:
    """The open sockets of one client, or of one request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: WeakSet[socket.socket] = WeakSet()

    def add(self, opened: socket.socket) -> None:
        """Take a socket in."""
        with self._lock:
            self._open.add(opened)

    def follow(self, event: str, info: dict[str, Any]) -> None:
        """Take in what httpx opens, as its extension `trace`; TLS makes another socket of it."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self.add(info["return_value"].get_extra_info("socket"))

    @contextmanager
    def cut_after(self, seconds: float) -> Iterator[threading.Event]:
        """Cut all of them when the block takes longer; whoever reads is told that the server went.

        Yields:
            Set once they have been cut.
        """
        over = threading.Event()

        def cut() -> None:
            over.set()
            # Again and again: another one may be opened at this very moment.
            while True:
                with self._lock:
                    sockets = list(self._open)
                for each in sockets:
                    with suppress(OSError):
                        each.shutdown(socket.SHUT_RDWR)
                if done.wait(0.1):
                    return

        done = threading.Event()
        timer = threading.Timer(seconds, cut)
        timer.daemon = True
        timer.start()
        try:
            yield over
        finally:
            timer.cancel()
            done.set()
