"""One node after another, until one answers."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from web3 import Web3

from oracles.chain import rpc
from oracles.chain.rpc import FallbackProvider, connect, too_much
from oracles.errors import NodeError, Reverted
from tests.support.anvil import Anvil
from tests.support.middleman import Middleman

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GOOD = {"jsonrpc": "2.0", "id": None, "result": "0x7a69"}
LIMITED = {"jsonrpc": "2.0", "id": None, "error": {"code": -32005, "message": "too many requests"}}
REVERTED = {"jsonrpc": "2.0", "id": None, "error": {"code": 3, "message": "execution reverted"}}
BAD = [
    (503, b"overloaded"),
    (429, b"slow down"),
    (401, b"no such key"),
    (200, b"<html>maintenance</html>"),
    (200, json.dumps(LIMITED).encode()),
]


@pytest.fixture
def serve() -> Iterator[Callable[[int, bytes], str]]:
    """Start a node that always gives one answer; the path of its URL is a secret."""
    servers = []

    def start(status: int, body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/secret"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("bad", BAD)
def test_fallback__first_node_unfit__second_is_asked_and_stays(
    serve: Callable[[int, bytes], str], bad: tuple[int, bytes]
) -> None:
    provider = FallbackProvider([serve(*bad), serve(200, json.dumps(GOOD).encode())])
    for _ in range(2):
        assert provider.make_request("eth_chainId", [])["result"] == "0x7a69"  # type: ignore[arg-type]
    assert provider._current == 1


@pytest.mark.parametrize(
    "envelope",
    [
        {"jsonrpc": "2.0", "id": None, "error": None},
        {"id": None},
        {"jsonrpc": "2.0"},
        {"jsonrpc": "1.0", "id": None},
        {},
    ],
)
def test_connect__envelope_that_some_proxies_send__does_not_hide_the_answer(
    serve: Callable[[int, bytes], str], envelope: dict[str, object]
) -> None:
    web3 = connect([serve(200, json.dumps({**envelope, "result": "0x7a69"}).encode())])
    assert web3.eth.chain_id == 31337


def _headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Padding: ")
    for _ in range(200):
        connection.sendall(b"x")
        threading.Event().wait(0.05)
    connection.sendall(b"\r\n\r\n" + json.dumps(GOOD).encode())


def _body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(200):
        connection.sendall(b" ")
        threading.Event().wait(0.05)
    connection.sendall(json.dumps(GOOD).encode())


def _endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(1000):
        connection.sendall(b" " * 100_000)
    connection.sendall(json.dumps(GOOD).encode())


@pytest.mark.parametrize("answer", [_headers, _body, _endless])
def test_fallback__first_node_never_ends_its_answer__second_is_asked(
    serve: Callable[[int, bytes], str],
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[socket.socket], None],
) -> None:
    monkeypatch.setattr(rpc, "_LONGEST", 0.3)
    monkeypatch.setattr(rpc, "_MOST_BYTES", 1_000_000)
    asked = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                asked.append(connection.recv(10_000))
                with connection, suppress(OSError):
                    answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        hostile = f"http://127.0.0.1:{server.getsockname()[1]}"
        provider = FallbackProvider([hostile, serve(200, json.dumps(GOOD).encode())])
        assert provider.make_request("eth_chainId", [])["result"] == "0x7a69"  # type: ignore[arg-type]
        assert asked
        assert provider._current == 1


def test_fallback__node_has_said_its_chain__is_not_asked_for_it_at_each_call() -> None:
    node = Anvil()
    between = Middleman(node.url)
    try:
        web3 = connect([between.url], 31337, patience=0)
        for _ in range(3):
            web3.eth.call({"to": Web3.to_checksum_address("0x" + "11" * 20)})
        assert between.calls.count("eth_chainId") < 3 == between.calls.count("eth_call")
        assert web3.is_connected()
        between.hook = lambda *_: (503, b"")
        assert not web3.is_connected()
    finally:
        between.close()
        node.close()


def test_fallback__contract_reverts__said_at_once(serve: Callable[[int, bytes], str]) -> None:
    reverted = serve(200, json.dumps(REVERTED).encode())
    provider = FallbackProvider([reverted, serve(200, json.dumps(GOOD).encode())])
    call = {"to": "0x" + "11" * 20, "data": "0x"}
    with pytest.raises(Reverted) as caught:
        provider.make_request("eth_call", [call, "latest"])  # type: ignore[arg-type]
    assert caught.value.error == ""


def test_fallback__every_limit_exceeded__waits_then_gives_the_code(
    serve: Callable[[int, bytes], str],
) -> None:
    limited = [serve(200, json.dumps(LIMITED).encode()) for _ in range(2)]
    provider = FallbackProvider(limited, patience=0.3)
    with pytest.raises(NodeError, match="too many requests") as caught:
        provider.make_request("eth_getLogs", [])  # type: ignore[arg-type]
    assert caught.value.code == -32005


@pytest.mark.parametrize("bad", BAD)
def test_connect__no_node_fit__said_without_their_urls(
    serve: Callable[[int, bytes], str], bad: tuple[int, bytes]
) -> None:
    with pytest.raises(NodeError, match="no node answers") as caught:
        connect([serve(*bad)], 31337, patience=0)
    assert "secret" not in str(caught.value)


def test_connect__another_chain__said(serve: Callable[[int, bytes], str]) -> None:
    with pytest.raises(NodeError, match="chain 31337"):
        connect([serve(200, json.dumps(GOOD).encode())], 1)


@pytest.mark.parametrize(
    ("code", "message", "narrower"),
    [
        (-32005, "query returned more than 10000 results", True),  # Infura
        (-32005, "limit exceeded", True),  # BNB Smart Chain
        (-32600, "You can make eth_getLogs requests with up to a 10 block range", True),  # Alchemy
        (-32012, "credits limited to 6000/sec", False),  # QuickNode
        (-32016, "over rate limit", False),
        (429, "exceeded its compute units per second capacity", False),  # Alchemy
        (-32005, "logs matched by query exceeds limit of 10000", True),  # Linea
        (-32000, "block range extends beyond current head block", False),  # Besu
        # Infura, after ethers.js#4703; Alchemy, after dank_mids#772; Infura, after pyaleph#1262
        (
            -32005,
            "query returned more than 10000 results. Try with this block range [0x1, 0x2]",
            True,
        ),
        (-32600, "You can make eth_getLogs requests with up to a 500 block range", True),
        (-32602, "range 1000000 exceeds limit of 10000", True),
        (-32602, "Log response size exceeded. this block range should work: [0x0, 0xd043b8]", True),
        (-32701, "exceed maximum block range: 5000", True),
        (-32614, "eth_getLogs is limited to a 10,000 range", True),
        (-32000, "requested too many blocks from 1 to 20000, maximum is set to 2048", True),
        (-32000, "backend response too large", True),
        (35, "ranges over 10000 blocks are not supported on freetier", True),
        (-32005, "daily request count exceeded, request rate limited", False),
        (-32003, "daily request limit reached - upgrade your account", False),  # QuickNode
        (-32090, "Too many requests, reason: call rate limit exhausted, retry in 10s", False),
        # Pruned nodes: geth#31939, Nethermind#12089, Erigon#19339 and #13198
        (4444, "pruned history unavailable", False),
        (-32000, "Receipt not available for From block 14319330.", False),
        (-32000, "old data not available due to pruning: history is available from block 9", False),
        (-32000, "seek with txNum=19 but data before txNum=26 is not available", False),
    ],
)
def test_too_much__refusals_of_logs_in_several_dialects__only_those_about_the_range(
    serve: Callable[[int, bytes], str], code: int, message: str, narrower: bool
) -> None:
    answer = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
    provider = FallbackProvider([serve(200, json.dumps(answer).encode())], patience=0)
    with pytest.raises(NodeError) as caught:
        provider.make_request("eth_getLogs", [])  # type: ignore[arg-type]
    assert too_much(caught.value) is narrower


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-32011, "network is busy"),
        (-32000, "you have exceeded the limit"),
        (-32052, "API key is not allowed to access blockchain"),
        (-32002, "rejected due to project ID settings"),
        (-32000, "Unauthorized: must authenticate"),
        (-32046, "Cannot fulfill request"),
        (19, "Temporary internal error. Please retry, trace-id: 12"),
        (32, "Can't route your request to suitable provider"),
        (-32801, "no historical RPC is available for this request"),
        (-32000, "context deadline exceeded"),
        (-32000, "EOF"),
        (-32000, "backend is currently offline"),
        (1, "words that nobody has heard of"),
    ],
)
def test_fallback__first_node_refuses_in_any_words__second_is_asked(
    serve: Callable[[int, bytes], str], code: int, message: str
) -> None:
    answer = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
    refusing = serve(200, json.dumps(answer).encode())
    provider = FallbackProvider([refusing, serve(200, json.dumps(GOOD).encode())], patience=0)
    assert provider.make_request("eth_call", [{}])["result"] == "0x7a69"  # type: ignore[arg-type]


@pytest.mark.parametrize("others", [[], [(503, b"overloaded")]])
def test_fallback__sending_refused__final_only_where_every_node_said_so(
    serve: Callable[[int, bytes], str], others: list[tuple[int, bytes]]
) -> None:
    answer = {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": "nonce too low"}}
    urls = [serve(*each) for each in others] + [serve(200, json.dumps(answer).encode())]
    with pytest.raises(NodeError, match="nonce too low") as caught:
        FallbackProvider(urls, patience=0).make_request("eth_sendRawTransaction", ["0x00"])  # type: ignore[arg-type]
    assert caught.value.final is not bool(others)
