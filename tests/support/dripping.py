"""A server that answers whatever it is asked, byte by byte."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def dripping(headers: int = 0) -> Iterator[str]:
    """Serve until the block ends; gives the URL.

    Args:
        headers: so many bytes of a header come first, in the same way.
    """
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.flush_headers()
            self.wfile.write(b"X-Padding: ")
            try:
                for _ in range(headers):
                    over.wait(0.02)
                    self.wfile.write(b"x")
                    self.wfile.flush()
                self.wfile.write(b"\r\n\r\n")
                while not over.wait(0.02):
                    self.wfile.write(b"x")
                    self.wfile.flush()
            except OSError:
                return  # Nobody listens any more.

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            over.set()
            server.shutdown()
