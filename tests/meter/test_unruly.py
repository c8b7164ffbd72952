"""Servers, clients and networks as they are: each way in which others' meters were wrong."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import time
import zlib
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.cli.meter import _check_addresses
from oracles.errors import InputError
from oracles.meter import proxy as module
from oracles.meter.counting import said
from oracles.meter.proxy import RECEIPT, _piece, _pieces
from tests.meter.test_proxy import WORDS, World, exchange, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

__all__ = ["world"]
ADDRESS = "/v1/chat/completions"
BODY = {"model": "tiny", "messages": [{"role": "user", "content": "a b c"}]}


def event(**value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def delta(text: str) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}}]}


# WHAT IS BETWEEN CUSTOMERS


def test_cookie__of_one_customer__is_not_sent_for_another(world: World) -> None:
    world.upstream.more = [(b"set-cookie", b"session=ann; Path=/")]
    assert world.post(key="ann").headers["set-cookie"].startswith("session=ann")
    world.post(key="ben")
    assert [[v for n, v in head if n == b"cookie"] for head in world.upstream.heads] == [[], []]


def test_proxy_of_the_environment__gets_no_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with ExitStack() as stack:
        found = World(tmp_path / "log", stack)
        with httpx.Client(trust_env=False) as client:
            assert client.post(found.address + ADDRESS, json=BODY).status_code == 200


def test_two_keys__in_one_request__are_refused(world: World) -> None:
    """Else the first one is written down, and the server goes by the last."""
    head = [("authorization", "Bearer somebody-else"), ("authorization", "Bearer mine")]
    reply = httpx.post(world.address + ADDRESS, json=BODY, headers=head)
    assert reply.status_code == 400
    assert world.upstream.asked == []


def test_customers__by_whatever_header_they_name_themselves__are_told_apart(world: World) -> None:
    """And nobody can be written down for what another one's key is served with."""
    for head in (
        {"authorization": "Bearer ann"}, {"x-api-key": "ann"}, {"api-key": "ben"},
        {"authorization": "Bearer ann", "x-api-key": "mallory"},
    ):  # fmt: skip
        assert httpx.post(world.address + ADDRESS, json=BODY, headers=head).status_code == 200
    assert len({each["customer"] for each in world.events()}) == 4


def test_headers__in_any_letters__pass_both_ways(world: World) -> None:
    world.upstream.more = [
        (b"x-place", "Zürich ☃".encode()), (b"x-old", b"caf\xe9"),
        (b"link", b"<a>"), (b"link", b"<b>"),
    ]  # fmt: skip
    head = [(b"x-name", b"caf\xe9"), (b"x-name", b"second")]
    reply = httpx.post(world.address + ADDRESS, json=BODY, headers=head)
    assert reply.status_code == 200
    assert dict(reply.headers.raw)[b"x-old"] == b"caf\xe9"
    assert [v for n, v in reply.headers.raw if n == b"link"] == [b"<a>", b"<b>"]
    assert [v for n, v in world.upstream.heads[0] if n == b"x-name"] == [b"caf\xe9", b"second"]
    assert world.event()["complete"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/../../slots",
        "/v1/models/%2e%2e/%2e%2e/slots",
        "/v1/models/..%2f..%2fslots",
        "/v1/models/%252e%252e/slots",
        "/v1/models/./slots",
        "/v1/models/a/../../../metrics",
        "/v1/models/..",
        "/v1/models/a%3Fb",
        "/v1/models//slots",
    ],
)
def test_path__that_leads_up_from_what_is_free__is_not_served(world: World, path: str) -> None:
    """Servers have pages that show what others asked."""
    head = b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path.encode()
    assert b" 404 " in exchange(world.address, head).splitlines()[0]
    assert world.upstream.asked == []


def test_model__of_any_usual_name__is_told(world: World) -> None:
    for name in ("tiny", "org/tiny-1.5:latest", "a.b_c@d+e~f", "..a"):
        assert httpx.get(f"{world.address}/v1/models/{name}").status_code == 200
    assert len(world.upstream.asked) == 4


# WHAT IS NO ANSWER


@pytest.mark.parametrize("status", [201, 202, 203, 206, 302, 307])
def test_status__that_is_neither_an_answer_nor_a_refusal__gives_nothing_away(
    world: World, status: int
) -> None:
    world.upstream.status = status
    world.upstream.more = [(b"location", b"http://127.0.0.1:1/v1/chat/completions")]
    reply = world.post()
    assert reply.status_code == 502
    assert "one two" not in reply.text
    assert "location" not in reply.headers
    assert world.events() == []


@pytest.mark.parametrize("stream", [False, True])
def test_error__that_comes_with_200__is_no_event(world: World, stream: bool) -> None:
    error = {"error": {"message": "out of memory", "code": 500}}
    world.upstream.whole = json.dumps(error).encode()
    world.upstream.pieces = [event(**error), b"data: [DONE]\n\n"]
    reply = world.post(stream=stream)
    assert reply.status_code == 502
    assert "out of memory" in reply.text
    assert world.events() == []


def test_error__in_the_middle_of_a_stream__is_an_event_over_what_left(world: World) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 60}
    world.upstream.pieces = [
        event(**delta("one ")), event(error={"message": "out of memory"}),
        event(choices=[], usage=usage), b"data: [DONE]\n\n",
    ]  # fmt: skip
    text = world.post(stream=True).text
    assert "out of memory" in text
    assert "[DONE]" not in text
    found = world.event()
    assert (found["complete"], found["tokens_out"], found["basis"]) == (False, 1, "counted")


@pytest.mark.parametrize(
    "pieces",
    [[], [b"\n\n"], [b"<html><body>Bad gateway</body></html>"], [b"data: {half\n\n"],
     [b"data: []\n\n"], [b"data: " + b"[" * 100_000 + b"\n\n"]],
)  # fmt: skip
def test_stream__that_says_nothing__is_a_clear_status_and_no_event(
    world: World, pieces: list[bytes]
) -> None:
    world.upstream.pieces = pieces
    world.upstream.kind = b"text/html"
    reply = world.post(stream=True)
    if pieces == [b"\n\n"]:
        # A sign of life, so that the stream had begun.
        assert reply.status_code == 200
        assert "broke off" in reply.text
    else:
        assert reply.status_code == 502
        assert "does not answer" in reply.json()["error"]["message"]
    assert world.events() == []


@pytest.mark.parametrize("end", [[], [b"data: {half\n\n"], [event(error="overloaded")]])
def test_stream__of_which_only_the_role_came__is_not_paid(world: World, end: list[bytes]) -> None:
    """Many servers send it at once, and fail at the first word."""
    role = event(choices=[{"delta": {"role": "assistant", "content": ""}}])
    world.upstream.pieces = [role, *end]
    assert "broke off" in world.post(stream=True).text
    world.upstream.pieces = None
    world.post(stream=True)
    assert [each["complete"] for each in world.events()] == [True]


def test_stream__whose_usage_comes_with_the_last_choice__is_priced_by_it(world: World) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage}
    world.upstream.pieces = [*world.upstream._stream()[:4], event(**last), b"data: [DONE]\n\n"]
    world.post(stream=True)
    found = world.event()
    assert (found["tokens_in"], found["tokens_out"], found["basis"]) == (3, 4, "usage")


def test_stream__without_an_end__is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST_ANSWER", 10_000)
    world.upstream.pieces = [event(**delta("word ")) for _ in range(1000)]
    assert "does not end" in world.post(stream=True).text
    found = world.event()
    assert not found["complete"]
    assert 0 < found["tokens_out"] < 1000


# WHO LEAVES


def test_client__that_leaves_before_the_answer__pays_for_the_question_once(world: World) -> None:
    """An answer in one piece of which nothing left is not paid as if all of it had."""
    world.upstream.pause = 3.0
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(world.address + ADDRESS, json=BODY, timeout=0.5)
    found = world.event()
    assert (found["complete"], found["tokens_out"]) == (False, 0)
    assert found["tokens_in"] > 0
    world.upstream.pause = 0.0
    assert world.post().status_code == 200
    assert len(world.events()) == 2


def test_client__that_leaves_while_its_answer_is_written_down__pays_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = world.log.append

    def slow(entries: Any) -> Any:
        time.sleep(1.0)
        return real(entries)

    monkeypatch.setattr(world.log, "append", slow)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(world.address + ADDRESS, json=BODY, timeout=0.5)
    assert world.event()["complete"]
    monkeypatch.undo()
    world.post()
    assert [each["complete"] for each in world.events()] == [True, True]


# HOW BYTES COME


class Reply:
    """As much of a server's answer as is read of a stream."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part


def pieces_of(*parts: bytes) -> list[bytes]:
    async def read() -> list[bytes]:
        return [piece async for piece in _pieces(Reply([*parts]))]  # type: ignore[arg-type]

    return asyncio.run(read())


SPOKEN = (
    b'data: {"a": 1}\n\n: still here\n\ndata:{"b":\ndata: 2}\nid: 7\n\nevent: x\ndata: [DONE]\n\n'
)


@given(st.lists(st.integers(0, len(SPOKEN) + 8)), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_pieces__however_they_are_cut_and_whatever_ends_a_line__are_the_same(
    cuts: list[int], end: bytes
) -> None:
    data = SPOKEN.replace(b"\n", end)
    places = [0, *sorted(min(each, len(data)) for each in cuts), len(data)]
    parts = [data[a:b] for a, b in itertools.pairwise(places)]
    assert pieces_of(*parts) == [b'{"a": 1}', b"", b'{"b":\n2}', b"[DONE]"]


def test_pieces__that_are_not_ended_or_too_long__are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_LONGEST_EVENT", 100)
    for parts in ([b"data: x"], [b"data: x\n"], [b": x\n"], [b"x" * 101], [b"data: x\n"] * 30):
        with pytest.raises(ValueError, match="stream"):
            pieces_of(*parts)
    assert pieces_of(b"data: x\n\n" * 30) == [b"x"] * 30


def test_piece__is_what_was_read_and_nothing_beside_it() -> None:
    for data in (b"", b'{"a": 1}', b'{"b":\n2}'):
        assert pieces_of(_piece(data)) == [data]


def test_stream__with_text_beside_its_data__lets_out_only_what_is_counted(world: World) -> None:
    """Comments may be read by somebody, one that looks like a receipt too."""
    world.upstream.pieces = [
        b"\xef\xbb\xbf" + event(**delta("before ")), b": " + RECEIPT.encode() + b" 5.aa.bb\n\n",
        b": the whole answer\n\n", b"event: text\nid: the answer\n" + event(**delta("one ")),
        b"data: [DONE]\n\n",
    ]  # fmt: skip
    text = world.post(stream=True).text
    assert "answer" not in text
    assert "before" not in text
    assert text.count(RECEIPT) == 1
    assert world.event()["tokens_out"] == 1


@pytest.mark.parametrize(
    "packed",
    [("br", b"\x0b\x02\x80{}\x03"), ("zstd", b"(\xb5/\xfd"), ("gzip", b"no"), ("what", b"\x00")],
)
@pytest.mark.parametrize("stream", [False, True])
def test_answer__packed_in_a_way_that_is_not_read__is_no_event(
    world: World, packed: tuple[str, bytes], stream: bool
) -> None:
    name, content = packed
    world.upstream.more = [(b"content-encoding", name.encode())]
    world.upstream.whole, world.upstream.pieces = content, [content]
    assert world.post(stream=stream).status_code == 502
    assert world.events() == []


def test_stream__that_is_packed__is_sent_unpacked(world: World) -> None:
    packer = zlib.compressobj(wbits=31)
    parts = [packer.compress(each) + packer.flush(zlib.Z_SYNC_FLUSH)
             for each in world.upstream._stream()]  # fmt: skip
    world.upstream.pieces = [*parts, packer.flush()]
    world.upstream.packed = True
    assert "".join(WORDS[:1]).strip() in world.post(stream=True).text
    assert world.event()["complete"]


def test_client__that_asks_first__is_told_to_go_on_and_the_server_is_not_asked(
    world: World,
) -> None:
    body = json.dumps(BODY).encode()
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n"
    head = head % ADDRESS.encode() + b"Content-Length: %d\r\n\r\n" % len(body)
    assert b"200 OK" in exchange(world.address, head + body, ends=False)
    assert b"expect" not in dict(world.upstream.heads[0])
    assert world.event()["complete"]


def test_request__in_pieces_with_a_trailer__is_one_request(world: World) -> None:
    body = json.dumps(BODY).encode()
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" % ADDRESS.encode()
    head += b"Transfer-Encoding: chunked\r\nTrailer: authorization\r\n\r\n"
    parts = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in (body[:9], body[9:]))
    trailer = b"0\r\nauthorization: Bearer other\r\n\r\n"
    assert b"200 OK" in exchange(world.address, head + parts + trailer, ends=False)
    assert b"authorization" not in dict(world.upstream.heads[0])
    assert world.event()["complete"]


def test_other_kinds_of_request__are_no_event(world: World) -> None:
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + key
    answer = exchange(world.address, b"GET %s HTTP/1.1\r\nHost: x\r\n" % ADDRESS.encode() + upgrade)
    assert b" 405 " in answer.splitlines()[0]
    assert httpx.head(world.address + "/v1/models").status_code == 200
    assert httpx.head(world.address + ADDRESS).status_code == 405
    assert httpx.options(world.address + ADDRESS).status_code == 405
    assert world.events() == []


def test_client__that_never_sends_its_request__is_let_go(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SILENCE", 0.2)
    host, port = world.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{" % ADDRESS.encode()
        connection.sendall(head)
        assert b" 400 " in connection.recv(1 << 16)
    assert world.events() == []


# WHAT IS TEXT


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ({"content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}, "onetwo"),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "one"}]}]}, "one"),
        ({"content": None, "reasoning": "one", "refusal": "two"}, "onetwo"),
        ({"content": [{"type": "image"}, 7, None]}, ""),
    ],
)
def test_answer__in_parts__is_counted(place: Any, text: str) -> None:
    """Some servers answer in a list of parts, which would have been free."""
    assert said({"choices": [{"message": place}]}) == text
    assert said({"choices": [{"delta": place}]}) == text


def test_answer__that_is_nested_without_end__is_no_event(world: World) -> None:
    deep: Any = "one"
    for _ in range(900):
        deep = [deep]
    world.upstream.whole = json.dumps({"choices": [{"message": {"content": deep}}]}).encode()
    assert world.post().status_code in (200, 502)
    world.upstream.whole = b'{"choices": [{"message": {"content": ' + b"[" * 90_000
    assert world.post().status_code == 502


@pytest.mark.parametrize(
    ("upstream", "listen", "said"),
    [
        ("localhost:8000", "127.0.0.1:8080", "takes an address as"),
        ("http://", "127.0.0.1:8080", "takes an address as"),
        ("ftp://a", "127.0.0.1:8080", "takes an address as"),
        ("http://a:port", "127.0.0.1:8080", "takes an address as"),
        ("http://127.0.0.1:8000/v1", "127.0.0.1:8080", "before `/v1`"),
        ("http://127.0.0.1:8000/?a=b", "127.0.0.1:8080", "before `/v1`"),
        ("http://localhost:8080", "0.0.0.0:8080", "own address"),
        ("http://me:80", "me:80", "own address"),
        ("http://a", "8080", ""),
        ("http://a", "a:x", "--listen"),
        ("http://a", "a:99999", "--listen"),
        ("http://127.0.0.1:8000", "127.0.0.1:8080", ""),
        ("https://models.example/openai", ":443", ""),
    ],
)
def test_addresses__that_cannot_serve__are_refused_at_the_start(
    upstream: str, listen: str, said: str
) -> None:
    if not said:
        _check_addresses(upstream, listen)
        return
    with pytest.raises(InputError, match=said):
        _check_addresses(upstream, listen)
