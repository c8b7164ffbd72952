"""The HTTP server of a program that runs for years: whether it lives, is ready, and its metrics.

/livez     200 while the loop turns
/readyz    200 when nothing keeps it from doing what is due; otherwise 503 and what does
/metrics   Prometheus

Read-only, and bounded in clients and time. A program adds routes of its own.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from prometheus_client import generate_latest

from oracles.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

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


class Request(BaseHTTPRequestHandler):
    """One request, and how it is answered."""

    timeout = _TIMEOUT
    server_version = "qmia"
    sys_version = ""

    def answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        """Send a whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Requests are not logged."""


class WebServer:
    """Serves until closed.

    Args:
        listen: `host:port`; port 0 takes a free one.
        registry: what is measured.
        problems: what keeps the program from being ready.
        alive: whether the loop turns.
        more: answers other paths; False for one that it does not know.

    Raises:
        ConfigError: the address is none, or may not be listened on.
        OSError: it is taken, or not there yet.
    """

    def __init__(
        self,
        listen: str,
        registry: CollectorRegistry,
        *,
        problems: Callable[[], list[str]],
        alive: Callable[[], bool],
        more: Callable[[Request, str], bool] = lambda *_: False,
    ) -> None:
        host, _, port = listen.rpartition(":")

        class Handler(Request):
            timeout = _TIMEOUT

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/livez":
                    self.answer(200 if alive() else 503, b"ok\n" if alive() else b"stalled\n")
                elif path == "/readyz":
                    found = problems()
                    text = "".join(f"{problem}\n" for problem in found) or "ok\n"
                    self.answer(503 if found else 200, text.encode())
                elif path == "/metrics":
                    self.answer(200, generate_latest(registry))
                elif not more(self, path):
                    self.answer(404, b"not found\n")

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
