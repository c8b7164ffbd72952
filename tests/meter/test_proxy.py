"""The proxy between real HTTP servers: whatever happens, an answer is one event, or none."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import json
import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn

from oracles.chain.signers import LocalSigner
from oracles.errors import ChainError, InputError
from oracles.meter.events import Prices, Usage
from oracles.meter.log import Receipt, UsageLog, read_events
from oracles.meter.proxy import RECEIPT, Proxy, Writer
from oracles.meter.tree import includes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SIGNER = LocalSigner.from_secret(b"\x22" * 32)
ORIGIN = "qmia:31337/0x11/0x22"
WORDS = ["one ", "two ", "three ", "four "]
#: Depths around the limits of those who read, walk and write nested lists.
_DEEP = (900, 980, 1_000, 5_000)
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """An ASGI application on a port of this machine."""
    config = uvicorn.Config(
        app, port=0, interface="asgi3", log_config=None, lifespan="on", ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


class Upstream:
    """A model's server whose answers a test decides."""

    def __init__(self) -> None:
        self.usage: Any = USAGE
        self.status = 200
        self.whole: bytes | None = None
        self.pieces: list[bytes] | None = None
        self.pause = 0.0
        self.asked: list[dict[str, Any]] = []
        self.heads: list[list[tuple[bytes, bytes]]] = []
        self.more: list[tuple[bytes, bytes]] = []
        self.kind = b"text/event-stream"
        self.cut = False
        self.streams = True
        self.packed = False

    def _stream(self) -> list[bytes]:
        if self.pieces is not None:
            return self.pieces
        found = [{"choices": [{"delta": {"content": word}}]} for word in WORDS]
        last = {"choices": [], "usage": self.usage}
        return [b"data: " + json.dumps(e).encode() + b"\n\n" for e in (*found, last)] + [
            b"data: [DONE]\n\n"
        ]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for moment in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{moment}.complete"})
            return
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message.get("more_body"):
                break
        asked = json.loads(body) if body else {}
        self.asked.append(asked)
        self.heads.append(scope["headers"])
        stream = bool(asked.get("stream")) and self.status == 200 and self.streams
        kind = self.kind if stream else b"application/json"
        head = [(b"content-type", kind), (b"x-served-by", b"tiny"), *self.more]
        if self.packed:
            head.append((b"content-encoding", b"gzip"))
        await send({"type": "http.response.start", "status": self.status, "headers": head})
        if not stream:
            answer = {"choices": [{"message": {"content": "".join(WORDS)}}], "usage": self.usage}
            content = json.dumps(answer).encode() if self.whole is None else self.whole
            await asyncio.sleep(self.pause)
            await send({"type": "http.response.body", "body": content})
            return
        for piece in self._stream():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(self.pause)
        if self.cut:
            raise ConnectionAbortedError
        await send({"type": "http.response.body", "body": b""})


class World:
    """An upstream, the proxy before it, and the proxy's log."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.upstream = Upstream()
        self.log = UsageLog(folder, ORIGIN)
        stack.callback(self.log.close)
        self.log.append([("prices", Prices({"tiny": (2, 8)}).plain())])
        self.writer = Writer(self.log, SIGNER)
        address = stack.enter_context(serving(self.upstream))
        self.proxy = Proxy(address, self.writer, b"salt")
        self.address = stack.enter_context(serving(self._serve))

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        self.loop = asyncio.get_running_loop()
        await self.proxy(scope, receive, send)

    def post(self, *, key: str = "sk-1", **body: Any) -> httpx.Response:
        """Ask for an answer."""
        content = {"model": "tiny", "messages": [{"role": "user", "content": "a b c"}], **body}
        headers = {"authorization": f"Bearer {key}"}
        return httpx.post(
            self.address + "/v1/chat/completions", json=content, headers=headers, timeout=30
        )

    def events(self) -> list[dict[str, Any]]:
        """Data of all usage events."""
        return [dict(e.data) for e in read_events(self.folder) if e.kind == "usage"]

    def event(self) -> dict[str, Any]:
        """The one usage event, which may be a moment away."""
        deadline = time.monotonic() + 20
        while not self.events() and time.monotonic() < deadline:
            time.sleep(0.02)
        (found,) = self.events()
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An upstream, the proxy before it, and the proxy's log."""
    with ExitStack() as stack:
        yield World(tmp_path / "log", stack)


def test_answer__is_one_event_and_a_receipt_that_is_in_the_log(world: World) -> None:
    reply = world.post()
    assert reply.json()["choices"][0]["message"]["content"] == "".join(WORDS)
    assert reply.headers["x-served-by"] == "tiny"
    assert len(reply.headers.get_list("date")) == len(reply.headers.get_list("server")) == 1
    event = world.event()
    assert (event["tokens_in"], event["tokens_out"], event["basis"]) == (3, 4, "usage")
    assert event["amount"] == str(3 * 2 + 4 * 8)
    assert event["complete"]
    receipt = Receipt.decode(reply.headers[RECEIPT], ORIGIN)
    assert receipt.signer() == SIGNER.address
    branch = world.log.inclusion(receipt.sequence, world.log.size)
    assert includes(receipt.leaf, receipt.sequence, world.log.size, branch, world.log.root())
    text = (world.folder / "events.jsonl").read_text()
    assert "a b c" not in text
    assert "sk-1" not in text


def test_stream__its_receipt_comes_before_its_end_and_unasked_usage_is_kept_back(
    world: World,
) -> None:
    text = world.post(stream=True).text
    assert text.endswith("data: [DONE]\n\n")
    assert "prompt_tokens" not in text
    assert world.upstream.asked[-1]["stream_options"] == {"include_usage": True}
    receipt = text.split(f": {RECEIPT} ")[1].split("\n")[0]
    assert Receipt.decode(receipt, ORIGIN).sequence == 1
    event = world.event()
    assert (event["tokens_in"], event["tokens_out"], event["basis"]) == (3, 4, "usage")
    assert "prompt_tokens" in world.post(stream=True, stream_options={"include_usage": True}).text


def test_stream__that_the_client_leaves__is_an_event_over_what_left(world: World) -> None:
    world.upstream.pause = 0.3
    body = {"model": "tiny", "prompt": "x" * 40, "stream": True}
    with httpx.stream("POST", world.address + "/v1/completions", json=body) as reply:
        next(reply.iter_bytes())
    event = world.event()
    assert not event["complete"]
    assert event["basis"] == "counted"
    assert event["tokens_in"] == 10
    assert 1 <= event["tokens_out"] < 5


def test_stream__that_says_why_it_ends_and_no_more__is_whole(world: World) -> None:
    """As `transformers serve` ends its streams."""
    last = {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": USAGE}
    world.upstream.pieces = [
        *world.upstream._stream()[:4],
        b"data: " + json.dumps(last).encode() + b"\n\n",
    ]
    text = world.post(stream=True).text
    assert text.endswith("data: [DONE]\n\n")
    event = world.event()
    assert event["complete"]
    assert (event["tokens_out"], event["basis"]) == (4, "usage")


@pytest.mark.parametrize("how", ["cut", "short", "not json"])
def test_stream__that_the_server_breaks__is_an_event_over_what_left(world: World, how: str) -> None:
    pieces = world.upstream._stream()[:2]
    world.upstream.pieces = pieces + ([b"data: {half\n\n"] if how == "not json" else [])
    world.upstream.cut = how == "cut"
    text = world.post(stream=True).text
    assert "broke off" in text
    assert "[DONE]" not in text
    event = world.event()
    assert not event["complete"]
    assert event["tokens_out"] == 2  # "one two " has eight bytes
    assert RECEIPT in text


@pytest.mark.parametrize(
    "usage",
    [
        None,
        "many",
        {},
        {"prompt_tokens": -1, "completion_tokens": 4},
        {"prompt_tokens": 10**9, "completion_tokens": 4},
        {"prompt_tokens": 3, "completion_tokens": 10**9},
        {"prompt_tokens": 3.5, "completion_tokens": 4},
        {"prompt_tokens": 3, "completion_tokens": 0},
        {"prompt_tokens": 0, "completion_tokens": 4},
        {"prompt_tokens": True, "completion_tokens": 4},
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_usage__that_cannot_be_true__is_counted_here(
    world: World, usage: Any, stream: bool
) -> None:
    world.upstream.usage = usage
    world.post(stream=stream)
    event = world.event()
    assert event["basis"] == "counted"
    assert (event["tokens_in"], event["tokens_out"]) == (2, 5)


def test_stream__asked_of_a_server_that_does_not_stream__is_a_whole_answer(world: World) -> None:
    world.upstream.streams = False
    reply = world.post(stream=True)
    assert reply.json()["usage"] == USAGE
    event = world.event()
    assert (event["tokens_out"], event["basis"], event["complete"]) == (4, "usage", True)
    assert RECEIPT in reply.headers


def test_usage__in_every_piece_of_a_stream__is_paid_once_by_the_last_word(world: World) -> None:
    """As vLLM does with `continuous_usage_stats`."""
    pieces = [
        {"choices": [{"delta": {"content": word}}], "usage": {**USAGE, "completion_tokens": n}}
        for n, word in enumerate(WORDS, 1)
    ]
    world.upstream.pieces = [b"data: " + json.dumps(each).encode() + b"\n\n" for each in pieces]
    world.upstream.pieces.append(b"data: [DONE]\n\n")
    world.post(stream=True)
    event = world.event()
    assert (event["tokens_in"], event["tokens_out"], event["basis"]) == (3, 4, "usage")


def test_answer__packed_by_the_server__is_read_and_sent_unpacked(world: World) -> None:
    content = json.dumps({"choices": [{"message": {"content": "".join(WORDS)}}], "usage": USAGE})
    world.upstream.whole, world.upstream.packed = gzip.compress(content.encode()), True
    reply = world.post()
    assert reply.json()["usage"] == USAGE
    assert "content-encoding" not in reply.headers
    assert world.event()["tokens_out"] == 4


def test_answer__that_unpacks_to_more_than_anybody_reads__is_no_event(world: World) -> None:
    world.upstream.whole = gzip.compress(b" " * (65 << 20))
    world.upstream.packed = True
    assert world.post().status_code == 502
    assert world.events() == []


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{half", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"model": 7}', 400),
        (b'{"model": "other"}', 404),
        (b'{"model": "tiny", "stream": 1}', 400),
        (b'{"model": "tiny", "stream": "true"}', 400),
        (b"[" * 100_000, 400),
        *((b'{"model": "tiny", "prompt": ' + b"[" * n + b"]" * n + b"}", 400) for n in _DEEP),
        (b" " * ((16 << 20) + 1), 413),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_request__that_is_rubbish__is_refused_and_is_no_event(
    world: World, content: bytes, status: int
) -> None:
    reply = httpx.post(world.address + "/v1/completions", content=content, timeout=30)
    assert reply.status_code == status
    assert reply.json()["error"]["message"]
    assert world.events() == []
    assert world.upstream.asked == []


def test_server__that_refuses_or_answers_rubbish__is_no_event(world: World) -> None:
    world.upstream.status = 429
    assert world.post().status_code == 429
    assert world.post(stream=True).status_code == 429
    world.upstream.status, world.upstream.whole = 200, b"<html>"
    assert world.post().status_code == 502
    world.upstream.whole = b"[]"
    assert world.post().status_code == 502
    assert world.events() == []


def test_server__that_is_down__is_said_and_is_no_event(tmp_path: Path) -> None:
    log = UsageLog(tmp_path / "log", ORIGIN)
    log.append([("prices", Prices({"tiny": (2, 8)}).plain())])
    proxy = Proxy("http://127.0.0.1:9", Writer(log, SIGNER), b"salt")
    with serving(proxy) as address:
        for method, path in (("POST", "/v1/completions"), ("GET", "/v1/models")):
            content = {"model": "tiny", "prompt": "x"}
            reply = httpx.request(method, address + path, json=content)
            assert reply.status_code == 502
            assert "does not answer" in reply.json()["error"]["message"]
    assert log.size == 1
    log.close()


def test_log__that_cannot_be_written__lets_no_answer_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("oracles.meter.log.os.fsync", full)
    reply = world.post()
    assert reply.status_code == 503
    assert "one" not in reply.text
    text = world.post(stream=True).text
    assert "[DONE]" not in text
    assert "cannot be written" in text
    assert world.events() == []


def test_what_is_not_paid_for__is_handed_on_without_event(world: World) -> None:
    reply = httpx.get(world.address + "/v1/models?x=1")
    assert reply.status_code == 200
    assert world.events() == []


@pytest.mark.parametrize(
    "path",
    [
        "/v1/responses",
        "/v1/messages",
        "/completion",
        "/generate",
        "/slots",
        "/v1/completions/",
        "//v1/completions",
        "/v1/models/../completions",
        "/v1/%63ompletions",
        "/health",
    ],
)
def test_other_ways_to_the_model__are_not_served(world: World, path: str) -> None:
    """Whoever finds one would be answered for nothing."""
    connection = http.client.HTTPConnection(world.address.removeprefix("http://"), timeout=30)
    content = json.dumps({"model": "tiny", "prompt": "a b c"})
    connection.request("POST", path, content, {"content-type": "application/json"})
    reply = connection.getresponse()
    answered = reply.status == 200
    connection.close()
    assert len(world.upstream.asked) == len(world.events()) == answered
    assert answered is (path == "/v1/%63ompletions")


def test_prompt__with_half_characters__is_counted_by_the_tokenizer(world: World) -> None:
    world.proxy._count = lambda text: len(text.encode())
    body = b'{"model": "tiny", "prompt": "\\ud83d", "stream": true}'
    text = httpx.post(world.address + "/v1/completions", content=body, timeout=30).text
    assert "[DONE]" in text
    assert world.event()["complete"]


def test_price_list__that_changes_under_way__prices_what_comes_after_it(world: World) -> None:
    """The answer was asked for under one list and is written behind the next."""
    world.upstream.pause = 0.3
    new = Prices({"tiny": (3, 9), "other": (1, 1)})
    asked = threading.Thread(target=world.post, kwargs={"stream": True})
    asked.start()
    while not world.upstream.asked:
        time.sleep(0.01)
    loop = world.loop
    put = world.writer.append("prices", new.plain())
    asyncio.run_coroutine_threadsafe(put, loop).result(20)
    asked.join()
    event = world.event()
    assert event["prices"] == new.digest.hex()
    assert event["amount"] == str(new.amount("tiny", event["tokens_in"], event["tokens_out"]))
    gone = world.writer.append("prices", Prices({"other": (1, 1)}).plain())
    with pytest.raises(InputError, match="leaves out tiny"):
        asyncio.run_coroutine_threadsafe(gone, loop).result(20)


def test_batch__with_a_price_list_in_it__prices_each_answer_by_its_place(world: World) -> None:
    new = Prices({"tiny": (3, 9)})
    answer = Usage("tiny", "ab" * 16, 1, 1, "usage", complete=True)
    receipts = world.writer._append([answer, ("prices", new.plain()), answer])
    assert all(isinstance(each, Receipt) for each in receipts)
    assert [event["amount"] for event in world.events()] == [str(2 + 8), str(3 + 9)]


def test_signer__that_refuses__lets_the_answer_out_without_receipt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> bytes:
        raise ChainError("the remote signer does not answer")

    monkeypatch.setattr(LocalSigner, "sign_typed", refuse)
    reply = world.post()
    assert reply.status_code == 200
    assert RECEIPT not in reply.headers
    assert "[DONE]" in world.post(stream=True).text
    assert len(world.events()) == 2


def test_many_at_once__are_as_many_events_in_one_order(world: World) -> None:
    found: list[httpx.Response] = []

    def ask(number: int) -> None:
        found.append(world.post(key=f"sk-{number % 3}", stream=number % 2 == 0))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
    run: Callable[[threading.Thread], None] = threading.Thread.start
    for thread in threads:
        run(thread)
    for thread in threads:
        thread.join()
    events = list(read_events(world.folder))
    assert [event.sequence for event in events] == list(range(25))
    assert len({event.data["customer"] for event in events[1:]}) == 3
    assert len(found) == 24


GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET\r\n\r\n",
    b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{",
    b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"POST /v1/completions HTTP/1.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
]


def exchange(address: str, request: bytes, *, ends: bool = True) -> bytes:
    """Send bytes as they are, and read until the other side has had enough.

    Args:
        address: of the server.
        request: what is sent.
        ends: whether this side says that nothing more will come.
    """
    host, port = address.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    found = b""
    with connection, contextlib.suppress(OSError):
        connection.sendall(request)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(1 << 16):
            found += part
    return found


def test_client__that_sends_what_is_no_request__hurts_nobody(world: World) -> None:
    for each in GARBAGE:
        answer = exchange(world.address, each)
        assert not answer.startswith(b"HTTP/1.1 2")
    assert world.events() == []
    assert world.post().status_code == 200
    assert world.event()["tokens_out"] == 4


@pytest.mark.parametrize("stream", [False, True])
def test_client__of_http_1_0__gets_its_answer_and_receipt(world: World, stream: bool) -> None:
    body = json.dumps({"model": "tiny", "prompt": "a b c", "stream": stream}).encode()
    head = b"POST /v1/completions HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body)
    answer = exchange(world.address, head + body, ends=False)
    assert b"200 OK" in answer
    assert RECEIPT.encode() in answer
    assert world.event()["complete"]


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
PIECE = b'data: {"choices": [{"delta": {"content": "one "}}]}\n\n'
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(PIECE)


@pytest.mark.parametrize(
    ("answer", "stream", "status", "tokens"),
    [
        (b"", False, 502, None),
        (b"SSH-2.0-OpenSSH_9.6\r\n", False, 502, None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}", False, 502, None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", False, 502, None),
        (b"HTTP/1.0 200 OK\r\n\r\n" + b'{"choices": [{"text": "one "}]}', False, 200, 1),
        (b"HTTP/1.0 200 OK\r\n\r\n" + b'{"choices": [{"text": "on', False, 502, None),
        # What left before the server broke off is counted, and is not called whole.
        (HEAD + CHUNKED + PIECE + b"\r\nzz", True, 200, 1),
        (HEAD + b"Content-Length: 500\r\n\r\n" + PIECE + b"data: {", True, 200, 1),
        (b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + PIECE, True, 200, 1),
    ],
)  # fmt: skip
def test_server__that_breaks_its_own_protocol__is_one_event_or_none(
    tmp_path: Path, answer: bytes, stream: bool, status: int, tokens: int | None
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    asked = connection.recv(1 << 16)
                    if not asked:
                        return
                    connection.sendall(answer)
                    # Closing with bytes unread would reset the connection, and lose the answer.
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_WR)
                        while connection.recv(1 << 16):
                            pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        world = World(tmp_path / "log", stack)
        world.proxy._upstream = f"http://127.0.0.1:{listener.getsockname()[1]}"
        reply = world.post(stream=stream)
        assert reply.status_code == status
        if tokens is None:
            assert world.events() == []
        else:
            event = world.event()
            assert event["tokens_out"] == tokens
            assert event["complete"] == (not stream)
        socket.create_connection(listener.getsockname()).close()
        thread.join(timeout=20)
