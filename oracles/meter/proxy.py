"""The proxy in front of an OpenAI-compatible server: it forwards, counts what leaves, and writes.

An answer's last byte leaves after its event is on disk. What the client gets:

    400  the request is no JSON object, or names no model       no event
    404  the price list does not name the model, or the path    no event
         is none of those that are served
    413  the request is too large                               no event
    502  the server is down, or answers what is no answer,      no event
         before anything left
    503  the log cannot be written                              no event, and no answer
    4xx, 5xx of the server itself                               handed on, no event
    200  the answer, with a receipt                             one event

An answer that ends early, by the client's will or the server's fault, is an event over what left.
The receipt of a stream comes as a comment before its end, since headers leave before the count.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import httpx
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from oracles.errors import ConfigError, InputError, QmiaError
from oracles.meter.counting import Passed, asked, said
from oracles.meter.events import Prices, Usage, customer_hash
from oracles.meter.witness import COSIGNED, Checkpoint, Cosigned, offer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping

    from starlette.types import Receive, Scope, Send

    from oracles.chain.signers import Signer
    from oracles.meter.counting import Counter
    from oracles.meter.events import Event, Kind
    from oracles.meter.log import Period, Receipt, UsageLog

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: What is handed on without an event. Anything else is not served: servers have more ways to get
#: text out of a model than are counted here, and pages that show what others asked. No name is made
#: of dots alone, or a path would lead up again to these.
_FREE: Final = re.compile(r"/health|/v1/models(/(?!\.+(/|$))[A-Za-z0-9._:@+~-]+)*")
#: Paths whose answers are paid for.
METERED: Final = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/embeddings"})
#: Headers that say who asks.
_CREDENTIALS: Final = ("authorization", "x-api-key", "api-key")
RECEIPT: Final = "x-qmia-receipt"
_LARGEST_REQUEST: Final = 16 << 20
_LARGEST_ANSWER: Final = 64 << 20
#: Letters of a request that are not counted between others.
_LONG: Final = 1 << 16
_LONGEST_EVENT: Final = 1 << 20
_LONGEST_LINE: Final = 1000
#: Seconds that the server may be silent, and that a client may leave what was sent unread.
_SILENCE: Final = 600.0
_UNREAD: Final = 120.0
#: Seconds that an idle connection to the server is used again: shorter than servers keep theirs, or
#: a request would meet one that is being closed.
_IDLE: Final = 2.0
#: Headers that belong to one connection (RFC 9110, section 7.6.1), that change on the way, or that
#: whoever hands the answer on writes itself.
_OF_A_HOP: Final = re.compile(
    "connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|expect"
    "|host|date|server|content-length|content-encoding|accept-encoding"
    # A receipt is the meter's word alone.
    "|x-qmia-.*",
    re.IGNORECASE,
)
_DONE: Final = b"[DONE]"


class Writer:
    """Appends for many requests at once: one flush to disk serves all that wait for it.

    Args:
        usage: the log.
        signer: of receipts.
    """

    def __init__(self, usage: UsageLog, signer: Signer) -> None:
        self.usage, self._signer = usage, signer
        self._waiting: list[tuple[_Entry, asyncio.Future[Receipt | None]]] = []
        self._work = asyncio.Event()
        self._turn = asyncio.Lock()
        self._doing: asyncio.Future[None] | None = None
        self._signed: Checkpoint | None = None

    async def append(self, kind: Kind, data: Mapping[str, Any]) -> Receipt | None:
        """Write one event; returns when it is on disk.

        Raises:
            InputError: it cannot be an entry.
            ConfigError: the disk refuses.
        """
        return await self._queue((kind, data))

    async def count(self, usage: Usage) -> Receipt | None:
        """Write one answer down, at the prices in force in its place of the log.

        Returns:
            Its receipt; None where the signer refuses.

        Raises:
            ConfigError: the disk refuses.
        """
        return await self._queue(usage)

    async def _queue(self, entry: _Entry) -> Receipt | None:
        done: asyncio.Future[Receipt | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, done))
        self._work.set()
        return await done

    async def checkpoint(self, old: int) -> dict[str, Any]:
        """How far the log is, signed, and proof that it only grew since it had `old` entries.

        Raises:
            InputError: it never had so many.
        """
        async with self._turn:
            return await asyncio.to_thread(self._checkpoint, old)

    def _checkpoint(self, old: int) -> dict[str, Any]:
        usage = self.usage
        proof = usage.consistency(old, usage.size) if old else []
        if self._signed is None or self._signed.size != usage.size:
            self._signed = Checkpoint.sign(usage.origin, usage.size, usage.root(), self._signer)
        return offer(self._signed, proof)

    async def cosigned(self, line: str, witnesses: Collection[str]) -> None:
        """Keep what a witness signed.

        Raises:
            InputError: it is no witness of this log, or it signed something else.
            ConfigError: the disk refuses.
        """
        async with self._turn:
            await asyncio.to_thread(self._cosigned, line, witnesses)

    def _cosigned(self, line: str, witnesses: Collection[str]) -> None:
        usage, found = self.usage, Cosigned.decode(line, self.usage.origin)
        if found.witness() not in witnesses:
            raise InputError("this is no witness of the log")
        checkpoint = found.checkpoint
        if checkpoint.publisher() != self._signer.address or (
            usage.root(checkpoint.size) != checkpoint.root
        ):
            raise InputError("this is no checkpoint of the log")
        try:
            with (usage.folder / COSIGNED).open("a") as file:
                file.write(found.encode() + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ConfigError(
                f"cannot write {usage.folder / COSIGNED}: {error.strerror}"
            ) from error

    async def close_period(self) -> Period:
        """Close a period between two writes."""
        async with self._turn:
            return await asyncio.to_thread(self.usage.close_period)

    async def run(self) -> None:
        """Serve until cancelled; what waits then is written before this returns."""
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                self._doing = asyncio.ensure_future(self._write())
                await asyncio.shield(self._doing)
        finally:
            if self._doing is not None:
                await self._doing
            await self._write()

    async def _write(self) -> None:
        batch, self._waiting = self._waiting, []
        if not batch:
            return
        entries = [entry for entry, _ in batch]
        try:
            async with self._turn:
                results = await asyncio.to_thread(self._append, entries)
        except Exception as error:
            # Whatever it is, nobody may wait for ever, and the next ones may be lucky.
            log.exception("the log cannot be written")
            results = [ConfigError(f"cannot write the log: {error}")] * len(batch)
        for (_, done), result in zip(batch, results, strict=True):
            if done.done():
                continue
            if isinstance(result, QmiaError):
                done.set_exception(result)
            else:
                done.set_result(result)

    def _append(self, batch: list[_Entry]) -> list[Receipt | QmiaError | None]:
        """Write a batch; what cannot be an entry is refused alone."""
        results: list[Receipt | QmiaError | None] = [None] * len(batch)
        entries: list[tuple[int, tuple[Kind, Mapping[str, Any]]]] = []
        prices = self.usage.prices
        for place, entry in enumerate(batch):
            try:
                if isinstance(entry, Usage):
                    entries.append((place, ("usage", _priced(entry, prices))))
                    continue
                if entry[0] == "prices":
                    after = Prices.of(entry[1])
                    if prices is not None:
                        prices.check_next(after)
                    prices = after
                entries.append((place, entry))
            except QmiaError as error:
                results[place] = error
        try:
            events = self.usage.append([entry for _, entry in entries])
        except QmiaError as error:
            for place, _ in entries:
                results[place] = error
            return results
        for (place, _), event in zip(entries, events, strict=True):
            results[place] = self._receipt(event)
        return results

    def _receipt(self, event: Event) -> Receipt | None:
        try:
            return self.usage.receipt(event, self._signer)
        except QmiaError as error:
            # The entry stands: the answer goes out without its receipt.
            log.error("a receipt cannot be signed", entry=event.sequence, error=str(error))
            return None


#: A kind and its data, or an answer that is priced when its turn comes.
_Entry = tuple["Kind", "Mapping[str, Any]"] | Usage


def _priced(usage: Usage, prices: Prices | None) -> dict[str, Any]:
    if prices is None:
        raise ConfigError("the log has no price list")
    return usage.priced(prices)


@dataclass(slots=True)
class _Ask:
    """One request that is paid for."""

    model: str
    customer: str
    stream: bool
    body: dict[str, Any]
    wants_usage: bool
    passed: Passed = field(init=False)
    #: Whether a choice of a stream said why it ends.
    finished: bool = False
    #: Whether it is being written down.
    counted: bool = False

    def __post_init__(self) -> None:
        self.passed = Passed(asked(self.body))


class Proxy:
    """The ASGI application.

    Args:
        upstream: address of the server, as `http://127.0.0.1:8000`.
        writer: of events.
        salt: that customers are hashed with.
        count: the model's tokenizer, if it is known.
        witnesses: addresses whose cosignatures are kept.
        client: for tests.
    """

    def __init__(
        self,
        upstream: str,
        writer: Writer,
        salt: bytes,
        *,
        count: Counter | None = None,
        witnesses: Collection[str] = (),
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self._writer, self._salt, self._count = writer, salt, count
        self._witnesses = frozenset(witnesses)
        limits = httpx.Limits(
            max_connections=None, max_keepalive_connections=100, keepalive_expiry=_IDLE
        )
        # Requests go to this address and to no proxy that some variable names, and what the server
        # sets for one customer (a cookie) is never sent for another.
        self._client = client or httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(limits=limits),
            timeout=httpx.Timeout(_SILENCE, connect=10),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
        self._upstream = upstream.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the program's life (ASGI 3)."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except ClientDisconnect:
            return
        except InputError as error:
            response = _problem(400, str(error))
        except httpx.HTTPError as error:
            log.warning("the server does not answer", error=type(error).__name__)
            response = _problem(502, f"the model's server does not answer: {type(error).__name__}")
        except QmiaError as error:
            log.error("the log cannot be written", error=str(error))
            response = _problem(503, "usage cannot be written down now; nothing is charged")
        with contextlib.suppress(ClientDisconnect, OSError):
            await response(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Write until the program stops; what is under way then is written first."""
        await receive()
        writing = asyncio.create_task(self._writer.run())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing
        await self._client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _respond(self, request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return _problem(413, f"the request is longer than {_LARGEST_REQUEST} bytes")
        path = request.url.path
        if path.startswith("/qmia/"):
            return await self._witness(request, path, body)
        headers = _headers(request.headers.raw)
        if request.method in ("GET", "HEAD") and _FREE.fullmatch(path):
            return await self._plain(request, path, headers, body)
        if path not in METERED:
            return _problem(404, f"{path} is not served here: {', '.join(sorted(METERED))} are")
        if request.method != "POST":
            return _problem(405, f"{path} takes POST")
        ask = self._asked(request, body)
        prices = self._writer.usage.prices
        if prices is None or ask.model not in prices.models:
            return _problem(404, f"there is no price for the model {ask.model!r}")
        try:
            content = json.dumps(ask.body).encode()
        except RecursionError as error:
            raise InputError("the request is nested too deeply") from error
        upstream = self._client.build_request(
            "POST", self._upstream + path, content=content,
            headers=[*_without(headers, b"content-type"), (b"content-type", b"application/json")],
        )  # fmt: skip
        # Whatever comes of it, a client that leaves meanwhile is noticed.
        asking = asyncio.create_task(self._ask(ask, upstream))
        gone = asyncio.create_task(_gone(request.receive))
        try:
            await asyncio.wait({asking, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done() and not ask.counted:
                asking.cancel()
                await asyncio.wait({asking})
                # The server has read the question; of an answer nothing left.
                await asyncio.shield(self.write(ask, complete=False))
                raise ClientDisconnect
            return await asking
        finally:
            gone.cancel()
            if not ask.counted:
                asking.cancel()
            await asyncio.gather(gone, return_exceptions=True)

    async def _ask(self, ask: _Ask, upstream: httpx.Request) -> Response:
        reply = await self._client.send(upstream, stream=True)
        if reply.status_code != 200:
            try:
                refusal = await _read(reply)
            finally:
                await reply.aclose()
            if reply.status_code < 400:
                # Nothing but 200 is an answer, and a redirection would lead past the meter.
                return _problem(502, f"the model's server answers with status {reply.status_code}")
            return _answer(refusal, reply)
        # A server that does not stream answers at once, whatever was asked for.
        if ask.stream and not reply.headers.get("content-type", "").startswith("application/json"):
            return await _Stream.begun(self, ask, reply)
        return await self._whole(ask, reply)

    async def _witness(self, request: Request, path: str, body: bytes) -> Response:
        """What operators ask and give."""
        match request.method, path:
            case "GET", "/qmia/checkpoint":
                old = request.query_params.get("old", "0")
                if not re.fullmatch("[0-9]{1,15}", old):
                    raise InputError("`old` is a number of entries")
                return JSONResponse(await self._writer.checkpoint(int(old)))
            case "POST", "/qmia/cosignature":
                line = body[:_LONGEST_LINE].decode("ascii", "replace")
                await self._writer.cosigned(line, self._witnesses)
                return JSONResponse({"kept": True})
        return _problem(404, f"{path} is not served here")

    async def _plain(self, request: Request, path: str, headers: _Headers, body: bytes) -> Response:
        """What is not paid for is handed on."""
        query = f"?{request.url.query}" if request.url.query else ""
        async with self._client.stream(
            request.method, self._upstream + path + query, content=body, headers=headers
        ) as reply:
            content = await _read(reply)
        return _answer(content, reply)

    def _asked(self, request: Request, body: bytes) -> _Ask:
        try:
            content = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise InputError(f"the request is not JSON: {error}") from error
        if not isinstance(content, dict) or not isinstance(content.get("model"), str):
            raise InputError("the request must be a JSON object that names a `model`")
        stream = content.get("stream")
        if not (stream is None or isinstance(stream, bool)):
            # A server may take `1` or `"true"` for yes, and answer what is not expected here.
            raise InputError("`stream` must be true or false")
        options = content.get("stream_options")
        wants_usage = isinstance(options, dict) and options.get("include_usage") is True
        if stream:
            content["stream_options"] = {
                **(options if isinstance(options, dict) else {}), "include_usage": True
            }  # fmt: skip
        # All that a server may go by, or one customer could be written down and another be served.
        keys = [request.headers.getlist(name) for name in _CREDENTIALS]
        if any(len(each) > 1 for each in keys):
            raise InputError("the request has a key twice")
        customer = customer_hash(self._salt, "\n".join(chain(*keys)))
        try:
            return _Ask(content["model"], customer, bool(stream), content, wants_usage)
        except RecursionError as error:
            raise InputError("the request is nested too deeply") from error

    async def _whole(self, ask: _Ask, reply: httpx.Response) -> Response:
        try:
            content = await _read(reply)
            answer = json.loads(content)
            if not isinstance(answer, dict):
                raise ValueError("no object")
            if _is_error(answer):
                return _answer(content, reply, 502)
            ask.passed.said.append(said(answer))
        except (ValueError, RecursionError):
            return _problem(502, "the model's server answers what is no JSON object")
        finally:
            await reply.aclose()
        ask.passed.usage = answer.get("usage")
        receipt = await self.write(ask, complete=True)
        more = [] if receipt is None else [(RECEIPT.encode(), receipt.encode().encode())]
        return _answer(content, reply, more=more)

    def note(self, ask: _Ask, data: bytes) -> tuple[str, bool]:
        """Text of a piece of a stream, and whether the client did not ask for the piece.

        Raises:
            ValueError: it is no piece of an answer.
        """
        if not data:
            return "", False
        try:
            answer = json.loads(data)
            if not isinstance(answer, dict):
                raise ValueError("a piece of the stream is no object")
            text = said(answer)
        except json.JSONDecodeError as error:
            raise ValueError("a piece of the stream is not JSON") from error
        except RecursionError as error:
            raise ValueError("a piece of the stream is nested too deeply") from error
        if _is_error(answer):
            raise ValueError(f"it says {json.dumps(answer['error'])[:_LONGEST_LINE]}")
        choices = answer.get("choices")
        if isinstance(choices, list):
            ask.finished |= any(isinstance(c, dict) and c.get("finish_reason") for c in choices)
        if answer.get("usage") is not None:
            ask.passed.usage = answer["usage"]
            if not choices and not ask.wants_usage:
                return "", True
        return text, False

    async def write(self, ask: _Ask, *, complete: bool) -> Receipt | None:
        """Write down what left; returns when it is on disk."""
        if not complete:
            # The server's word, if there was one before the end, is not about what left.
            ask.passed.usage = None
        ask.counted = True
        if self._count is None or len(ask.passed.asked.whole) < _LONG:
            tokens_in, tokens_out, basis = ask.passed.tokens(self._count)
        else:
            # A tokenizer takes a second for some megabytes, in which others go on.
            tokens_in, tokens_out, basis = await asyncio.to_thread(ask.passed.tokens, self._count)
        return await self._writer.count(
            Usage(ask.model, ask.customer, tokens_in, tokens_out, basis, complete)
        )


class _Stream(Response):
    """A stream on its way: what left is counted, whoever ends it."""

    def __init__(
        self, proxy: Proxy, ask: _Ask, reply: httpx.Response, pieces: AsyncIterator[bytes]
    ) -> None:
        self._proxy, self._ask, self._reply, self._pieces = proxy, ask, reply, pieces
        self._first = b""

    @classmethod
    async def begun(cls, proxy: Proxy, ask: _Ask, reply: httpx.Response) -> Response:
        """A stream whose first piece is there, or a refusal where the server has none."""
        made = cls(proxy, ask, reply, _pieces(reply))
        try:
            made._first = await anext(made._pieces)
            if made._first != _DONE:
                # What is wrong with it is said by a status while there is still one to give.
                proxy.note(_Ask(ask.model, "", False, {}, False), made._first)
        except (httpx.HTTPError, ValueError, StopAsyncIteration) as error:
            await reply.aclose()
            why = str(error) or "it streams nothing"
            return _problem(502, f"the model's server does not answer: {why}")
        except BaseException:
            await reply.aclose()
            raise
        return made

    async def _data(self) -> AsyncIterator[bytes]:
        yield self._first
        async for data in self._pieces:
            yield data

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what comes, count what left, and write it down before the end leaves."""
        del scope
        gone = asyncio.create_task(_gone(receive))
        whole, trouble, size = False, "", 0
        try:
            head = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            async for data in self._data():
                if data == _DONE:
                    whole = True
                    break
                text, hidden = self._proxy.note(self._ask, data)
                size += len(data)
                if size > _LARGEST_ANSWER:
                    raise ValueError("it does not end")
                if not hidden and not await _sent(send, _piece(data), gone):
                    break
                self._ask.passed.said.append(text)
            else:
                # Not every server says [DONE]; one that says why it finished has finished.
                whole = self._ask.finished
                trouble = "" if whole else "it ended early"
        except (httpx.HTTPError, ValueError) as error:
            trouble = str(error) or type(error).__name__
        finally:
            await self._reply.aclose()
            # Shielded: what left is written down even if the program is being stopped. Where the
            # server failed before it said anything, nothing is paid, the question neither.
            nothing = bool(trouble) and not any(self._ask.passed.said)
            writing = asyncio.create_task(
                _no_receipt() if nothing else self._proxy.write(self._ask, complete=whole)
            )
            try:
                end = await asyncio.shield(_ended(writing, whole=whole, trouble=trouble))
            finally:
                closing = [gone]
                gone.cancel()
                await asyncio.gather(*closing, return_exceptions=True)
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(
                send({"type": "http.response.body", "body": end, "more_body": False}), _UNREAD
            )


async def _no_receipt() -> None:
    """Stands for writing where there is nothing to write."""


async def _ended(writing: asyncio.Task[Receipt | None], *, whole: bool, trouble: str) -> bytes:
    """The last bytes of a stream, once its event is on disk."""
    try:
        receipt = await writing
    except QmiaError as error:
        log.error("the log cannot be written", error=str(error))
        return _event({"error": {"message": "usage cannot be written down now"}})
    end = b"" if receipt is None else f": {RECEIPT} {receipt.encode()}\n\n".encode()
    if whole:
        return end + b"data: [DONE]\n\n"
    return _event({"error": {"message": f"the model's server broke off: {trouble}"}}) + end


async def _gone(receive: Receive) -> None:
    """Return when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _sent(send: Send, piece: bytes, gone: asyncio.Task[None]) -> bool:
    """Send one piece; False if nobody takes it."""
    if gone.done():
        return False
    try:
        message = {"type": "http.response.body", "body": piece, "more_body": True}
        await asyncio.wait_for(send(message), _UNREAD)
    except (OSError, TimeoutError):
        return False
    return not gone.done()


async def _body(request: Request) -> bytes | None:
    """The request's body; None if it is too large.

    Raises:
        InputError: it does not come.
    """
    parts, size = [], 0
    try:
        async with asyncio.timeout(_SILENCE):
            async for part in request.stream():
                size += len(part)
                if size > _LARGEST_REQUEST:
                    return None
                parts.append(part)
    except TimeoutError as error:
        raise InputError(f"the request is not there after {_SILENCE:.0f} seconds") from error
    return b"".join(parts)


async def _read(reply: httpx.Response) -> bytes:
    """A whole answer.

    Raises:
        ValueError: it is too large.
    """
    parts, size = [], 0
    async for part in reply.aiter_bytes():
        size += len(part)
        if size > _LARGEST_ANSWER:
            raise ValueError("too large")
        parts.append(part)
    return b"".join(parts)


async def _pieces(reply: httpx.Response) -> AsyncIterator[bytes]:
    """What the events of a stream say (WHATWG, server-sent events); empty for a sign of life.

    Lines that hold no data are left out: what leaves is what is counted, and a comment that looks
    like a receipt is none.

    Raises:
        ValueError: one is too long, or the stream ends within one.
    """
    data: list[bytes] = []
    size, blank = 0, True
    async for line in _lines(reply):
        blank = not line
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
            size += len(line)
            if size > _LONGEST_EVENT:
                raise ValueError("a piece of the stream is too long")
        elif blank:
            yield b"\n".join(data).strip()
            data, size = [], 0
    if data or not blank:
        raise ValueError("the stream ends within a piece")


async def _lines(reply: httpx.Response) -> AsyncIterator[bytes]:
    """Lines of a stream, which end in a line feed, a carriage return, or both.

    Raises:
        ValueError: one is too long.
    """
    held, returned = bytearray(), False
    async for part in reply.aiter_bytes():
        if returned and part.startswith(b"\n"):
            part = part[1:]
        elif not part:
            continue
        returned = part.endswith(b"\r") if part else False
        first, *rest = part.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        held += first
        for line in rest:
            yield bytes(held)
            held = bytearray(line)
        if len(held) > _LONGEST_EVENT:
            raise ValueError("a piece of the stream is too long")
    if held:
        yield bytes(held)


def _piece(data: bytes) -> bytes:
    """An event that says something, or a comment as a sign of life."""
    if not data:
        return b":\n\n"
    return b"".join(b"data: " + line + b"\n" for line in data.split(b"\n")) + b"\n"


def _event(value: Any) -> bytes:
    return _piece(json.dumps(value).encode())


def _is_error(answer: Mapping[str, Any]) -> bool:
    """Whether a server that said 200 reports an error in the place of an answer."""
    return bool(answer.get("error")) and not (answer.get("choices") or answer.get("data"))


#: Names and values as they came: a name may occur twice, and a value be in any letters.
_Headers = list[tuple[bytes, bytes]]


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> _Headers:
    return [pair for pair in raw if not _OF_A_HOP.fullmatch(pair[0].decode("latin-1"))]


def _without(headers: _Headers, name: bytes) -> _Headers:
    return [pair for pair in headers if pair[0].lower() != name]


def _answer(
    content: bytes, reply: httpx.Response, status: int | None = None, more: _Headers | None = None
) -> Response:
    """What the server answered, to be handed on."""
    response = Response(content, status or reply.status_code)
    response.raw_headers += [(n.lower(), v) for n, v in _headers(reply.headers.raw)] + (more or [])
    return response


def _problem(status: int, message: str) -> Response:
    # A request may hold halves of characters, which are no UTF-8.
    text = message.encode("utf-8", "replace").decode()
    return JSONResponse({"error": {"message": text, "type": "qmia_meter"}}, status)
