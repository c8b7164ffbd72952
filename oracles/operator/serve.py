"""The operator's HTTP server: what it signed and heard, its health, its metrics. Read-only.

/livez                                   200 while the loop turns
/readyz                                  200 when the last cycle was good
/metrics                                 Prometheus
/v1/<contract>/<auction>/report/<round>  signed reports, once the commit window is over
/v1/<contract>/<auction>/verdict/<index> signed verdicts of non-delivery
/ipfs/<cid>                              evidence, and what was fetched of data sets; ranges too
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import re
import socket
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, BinaryIO

from prometheus_client import generate_latest

from oracles.errors import ConfigError, InputError
from oracles.evidence import Cid, StoreError
from oracles.operator.messages import encode_report, encode_verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from oracles.evidence import DirectoryStore
    from oracles.operator.journal import Messages
    from oracles.operator.messages import Message
    from oracles.operator.metrics import Metrics

#: Requests served at once, in all and of one address: more are turned away, so that nobody can
#: exhaust the daemon's threads, nor one stranger those of the others. A proxy on this machine may.
_PARALLEL = 16
_PER_ADDRESS = 4
#: Seconds for each read and write, and for a whole request.
_TIMEOUT = 10
_LONGEST = 120


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: Any) -> None:
        super().__init__(address, handler)
        self._lock = threading.Lock()
        self._serving: Counter[str] = Counter()

    def enter(self, host: str) -> bool:
        """Take a slot for a client, if there is one."""
        most = _PARALLEL if ipaddress.ip_address(host).is_loopback else _PER_ADDRESS
        with self._lock:
            if self._serving.total() >= _PARALLEL or self._serving[host] >= most:
                return False
            self._serving[host] += 1
            return True

    def leave(self, host: str) -> None:
        """Give a slot back."""
        with self._lock:
            self._serving[host] -= 1
            self._serving += Counter()  # drops zeros

    def process_request(self, request: Any, client_address: Any) -> None:
        if self.enter(client_address[0]):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: socket.socket, client_address: Any) -> None:  # type: ignore[override]
        def give_up() -> None:
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

        deadline = threading.Timer(_LONGEST, give_up)
        deadline.daemon = True
        deadline.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            deadline.cancel()
            self.leave(client_address[0])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no event."""


class Server:
    """Serves until closed.

    Args:
        listen: `host:port`; port 0 takes a free one.
        contract: auction contract, lower-case.
        kept, evidence: what is served.
        fetched: files and pieces of data sets that are served too.
        metrics: what is measured.
        problems: what keeps this operator from being ready.
        alive: whether the loop turns.

    Raises:
        ConfigError: the address is none, or may not be listened on.
        OSError: it is taken, or not there yet.
    """

    def __init__(
        self,
        listen: str,
        contract: str,
        kept: Messages,
        evidence: DirectoryStore,
        fetched: Callable[[Cid, int, int | None], Path | None],
        metrics: Metrics,
        *,
        problems: Callable[[], list[str]],
        alive: Callable[[], bool],
    ) -> None:
        host, _, port = listen.rpartition(":")

        def _served(cid: Cid, start: int, size: int | None) -> tuple[BinaryIO, int]:
            """An open file and where to begin in it; a piece begins at its own first byte."""
            path = fetched(cid, start, size)
            if path is None:
                return evidence.path(cid).open("rb"), start
            piece = size is not None and path.name == f"{start}-{size}"
            return path.open("rb"), 0 if piece else start

        class Handler(BaseHTTPRequestHandler):
            timeout = _TIMEOUT
            server_version = "qmia"
            sys_version = ""

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/livez":
                    self._answer(200 if alive() else 503, b"ok\n" if alive() else b"stalled\n")
                elif path == "/readyz":
                    found = problems()
                    text = "".join(f"{problem}\n" for problem in found) or "ok\n"
                    self._answer(503 if found else 200, text.encode())
                elif path == "/metrics":
                    self._answer(200, generate_latest(metrics.registry))
                elif path.startswith("/ipfs/"):
                    self._file(path.removeprefix("/ipfs/"))
                else:
                    messages = _messages(path, contract, kept)
                    if messages is None:
                        self._answer(404, b"not found\n")
                    else:
                        self._answer(200, json.dumps(messages).encode(), "application/json")

            def _file(self, name: str) -> None:
                try:
                    start, size = _range(self.headers.get("Range"))
                    file, skip = _served(Cid.parse(name), start, size)
                except (InputError, StoreError, OSError):
                    self._answer(404, b"not found\n")
                    return
                with file:
                    whole = os.fstat(file.fileno()).st_size
                    length = max(0, whole - skip if size is None else min(size, whole - skip))
                    file.seek(skip)
                    self.send_response(200 if size is None else 206)
                    self.send_header("Content-Type", "application/octet-stream")
                    self.send_header("Content-Length", str(length))
                    if size is not None:
                        last = max(start, start + length - 1)
                        self.send_header("Content-Range", f"bytes {start}-{last}/*")
                    self.end_headers()
                    while length and (block := file.read(min(length, 1 << 20))):
                        length -= len(block)
                        self.wfile.write(block)

            def _answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
                self.send_response(status)
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Requests are not logged."""

        try:
            self._server = _Server((host or "127.0.0.1", int(port)), Handler)
        except (PermissionError, ValueError, OverflowError) as error:
            raise ConfigError(f"cannot listen on {listen}: {error}") from error
        except OSError as error:
            # Taken, or an address that this machine does not have yet: that may pass.
            raise OSError(error.errno, f"cannot listen on {listen}: {error.strerror}") from error
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True, name="http").start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def _range(header: str | None) -> tuple[int, int | None]:
    """Start and length of a range (RFC 9110, 14.1); all of it without one that is plain.

    Raises:
        InputError: the range is empty.
    """
    found = re.fullmatch(r"bytes=(\d{1,18})-(\d{1,18})", header or "")
    if found is None:
        return 0, None
    first, last = int(found[1]), int(found[2])
    if last < first:
        raise InputError("an empty range")
    return first, last - first + 1


def _messages(path: str, contract: str, kept: Messages) -> list[Message] | None:
    parts = path.split("/")
    if len(parts) != 6 or parts[1:3] != ["v1", contract.lower()]:
        return None
    auction, number = parts[3], parts[5]
    if not (auction.isdecimal() and number.isdecimal() and len(auction) < 19 and len(number) < 10):
        return None
    if parts[4] == "report":
        reports = kept.reports(int(auction), int(number))
        return [encode_report(report) for report in reports if report.committed]
    if parts[4] == "verdict":
        return [
            encode_verdict(int(auction), index, ground, member, signature)
            for (index, ground), votes in kept.verdicts(int(auction)).items()
            if index == int(number)
            for member, signature in votes.items()
        ]
    return None
