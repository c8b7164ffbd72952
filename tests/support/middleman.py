"""A JSON-RPC server between a program and a node, which changes answers as a test wants."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
Answer = Json | bytes | tuple[int, Json | bytes] | None


class Middleman:
    """Forwards to a node, unless its hook says otherwise.

    The hook gets the method, its parameters and a function that forwards. It gives None (forward),
    an answer, or a pair of HTTP status and answer; bytes go out as they are. It may raise
    `ConnectionError`: then the connection is cut without a word.

    Args:
      node: URL of the node.
    """

    def __init__(self, node: str) -> None:
        self.calls: list[str] = []
        self.hook: Callable[[str, list[Any], Callable[[], Json]], Answer] = lambda *_: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.calls.append(body["method"])

                def forward() -> Json:
                    data = json.dumps(body).encode()
                    headers = {"Content-Type": "application/json"}
                    answer: Json = requests.post(node, data, headers=headers, timeout=60).json()
                    return answer

                try:
                    answer = outer.hook(body["method"], body.get("params", []), forward)
                except ConnectionError:
                    self.close_connection = True
                    return
                answer = forward() if answer is None else answer
                status, answer = answer if isinstance(answer, tuple) else (200, answer)
                if isinstance(answer, dict):
                    answer = {"jsonrpc": "2.0", "id": body["id"], **answer}
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v2/secretkey"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
