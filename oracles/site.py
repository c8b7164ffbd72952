"""The page of wallets, served from this machine: its files, a node to read from, a place for files.

The page needs no server; any server of files will do. This one saves a provider the two things
that a static server lacks: a node for those without a wallet, and a store that takes the encrypted
files. Whoever reaches it can read the chain and fill the disk, so it listens on this machine only
unless it is told otherwise.

    GET  /                 the page
    GET  /deployment.json  the contracts
    GET  /site.json        that `rpc` and `ipfs/` are here
    POST /rpc              questions to the node; nothing is sent through it
    POST /score            quality of JSON lines, computed here; only where this serves itself
    GET  /ipfs/<cid>       a file of the store, ranges too
    PUT  /ipfs/<cid>       puts a file there
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import httpx
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from oracles.errors import ConfigError, InputError, QmiaError
from oracles.evidence import Cid, DirectoryStore, StoreError
from oracles.evidence.cid import stream_cid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.requests import Request

    from oracles.chain.deployment import Deployment
    from oracles.evidence import Store

FILES: Final = {
    "index.html": "text/html",
    "style.css": "text/css",
    "app.js": "text/javascript",
    "worker.js": "text/javascript",
}
#: What the page asks a node. Transactions go through the wallet and never through here.
QUESTIONS: Final = frozenset(
    {
        "eth_blockNumber",
        "eth_call",
        "eth_chainId",
        "eth_estimateGas",
        "eth_feeHistory",
        "eth_gasPrice",
        "eth_getBalance",
        "eth_getBlockByNumber",
        "eth_getCode",
        "eth_getLogs",
        "eth_getTransactionByHash",
        "eth_getTransactionReceipt",
        "eth_maxPriorityFeePerGas",
    }
)
#: As in the page's own file: no other host is asked, and no script but the page's runs.
POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
    "style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
#: Names by which a browser reaches the machine that it runs on.
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
#: Media type of JSON lines.
LINES: Final = "application/x-ndjson"
_MOST_SCORED: Final = 64 << 20
_LONGEST_QUESTION: Final = 1 << 20
_BLOCK: Final = 1 << 20


def site(
    folder: Path,
    deployment: Deployment,
    rpc: str,
    store: Store,
    *,
    most: int = 4 << 30,
    score: Callable[[Path], dict[str, Any]] | None = None,
) -> Starlette:
    """An ASGI application that serves the page.

    Args:
        folder: of the built page.
        deployment: the contracts that it shows.
        rpc: JSON-RPC address of a node; it is asked, and not told to anybody.
        store: where files are put and taken from.
        most: bytes of one file.
        score: gives the quality of a file of JSON lines, for people at this machine only; None
            where others are served.

    Raises:
        ConfigError: the page is not built.
    """
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise ConfigError(f"{folder} has no {missing[0]}; build the page with `make page`")
    page, node, files = _Page(folder, deployment, score), _Node(rpc), _Files(store, most)
    return Starlette(
        lifespan=node.running,
        routes=[
            Route("/deployment.json", page.contracts),
            Route("/site.json", page.about),
            Route("/rpc", node.ask, methods=["POST"]),
            Route("/ipfs/{cid}", files.give, methods=["GET"]),
            Route("/ipfs/{cid}", files.take, methods=["PUT"]),
            *([Route("/score", _Scorer(score).score, methods=["POST"])] if score else []),
            Route("/", page.file),
            Route("/{name}", page.file),
        ],
    )


class _Page:
    """The page's own files, and what it is told about this site."""

    def __init__(self, folder: Path, deployment: Deployment, score: object) -> None:
        self._folder, self._deployment = folder, deployment
        self._about = {"rpc": "rpc", "files": "ipfs/"} | ({"score": "score"} if score else {})

    async def file(self, request: Request) -> Response:
        name = request.path_params.get("name") or "index.html"
        if name not in FILES:
            return PlainTextResponse("there is no such file", 404)
        return FileResponse(self._folder / name, media_type=FILES[name], headers=_HEADERS)

    async def contracts(self, _: Request) -> Response:
        return JSONResponse(self._deployment.to_json(), headers=_HEADERS)

    async def about(self, _: Request) -> Response:
        return JSONResponse(self._about, headers=_HEADERS)


class _Node:
    """Hands the page's questions to a node, and nothing else."""

    def __init__(self, rpc: str) -> None:
        self._rpc = rpc
        self._client = httpx.AsyncClient(timeout=60)

    @asynccontextmanager
    async def running(self, _: Starlette) -> AsyncIterator[None]:
        async with self._client:
            yield

    async def ask(self, request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _LONGEST_QUESTION:
                return PlainTextResponse("the question is too long", 413)
        try:
            asked: Any = json.loads(body)
            methods = [each["method"] for each in (asked if isinstance(asked, list) else [asked])]
            refused = [method for method in methods if method not in QUESTIONS]
        except (ValueError, LookupError, TypeError, RecursionError):
            return PlainTextResponse("this is no JSON-RPC request", 400)
        if refused:
            return PlainTextResponse(f"{str(refused[0])[:80]} is not answered here", 403)
        try:
            answer = await self._client.post(self._rpc, json=asked)
        except httpx.HTTPError:
            return PlainTextResponse("the node does not answer", 502)
        return Response(answer.content, answer.status_code, media_type="application/json")


class _Files:
    """Gives files of a store, and takes those whose bytes have the name that they come under."""

    def __init__(self, store: Store, most: int) -> None:
        self._store, self._most = store, most

    async def give(self, request: Request) -> Response:
        try:
            cid = Cid.parse(request.path_params["cid"])
            if isinstance(self._store, DirectoryStore):
                return FileResponse(self._store.path(cid), media_type="application/octet-stream")
            file = await run_in_threadpool(self._store.open, cid, limit=self._most)
            return StreamingResponse(_blocks(file), media_type="application/octet-stream")
        except InputError as error:
            return PlainTextResponse(str(error), 400)
        except StoreError as error:
            return PlainTextResponse(str(error), 404)

    async def take(self, request: Request) -> Response:
        try:
            cid = Cid.parse(request.path_params["cid"])
        except InputError as error:
            return PlainTextResponse(str(error), 400)
        with tempfile.TemporaryFile() as file:
            size = 0
            async for part in request.stream():
                size += len(part)
                if size > self._most:
                    return PlainTextResponse(f"a file has at most {self._most} bytes here", 413)
                try:
                    await run_in_threadpool(file.write, part)
                except OSError as error:
                    return PlainTextResponse(f"this site has no room: {error.strerror}", 507)
            file.seek(0)
            if await run_in_threadpool(stream_cid, file) != cid:
                return PlainTextResponse("the bytes are not those of this name", 400)
            file.seek(0)
            try:
                await run_in_threadpool(self._store.put, file)
            except StoreError as error:
                return PlainTextResponse(str(error), 507)
        return PlainTextResponse(str(cid), 201)


class _Scorer:
    """Scores what a person at this machine is about to offer, one data set at a time."""

    def __init__(self, score: Callable[[Path], dict[str, Any]]) -> None:
        self._score = score
        self._lock = asyncio.Lock()

    async def score(self, request: Request) -> Response:
        # Pages from elsewhere cannot ask: of this type browsers ask first, and are told nothing;
        # and a name that was made to lead here is not one of this machine's.
        if request.headers.get("content-type") != LINES or request.url.hostname not in LOOPBACK:
            return PlainTextResponse("this is for the page on this machine", 403)
        if self._lock.locked():
            return PlainTextResponse("another data set is being scored; wait for it", 429)
        async with self._lock:
            with tempfile.TemporaryDirectory() as folder:
                path, size = Path(folder) / "data.jsonl", 0
                with path.open("wb") as file:
                    async for part in request.stream():
                        size += len(part)
                        if size > _MOST_SCORED:
                            mib = _MOST_SCORED >> 20
                            return PlainTextResponse(
                                f"this scores up to {mib} MiB; use `qmia quality score`", 413
                            )
                        await run_in_threadpool(file.write, part)
                try:
                    return JSONResponse(await run_in_threadpool(self._score, path))
                except QmiaError as error:
                    return PlainTextResponse(str(error), 422)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """A file bit by bit: one of some gigabytes is never in memory."""
    with file:
        while block := file.read(_BLOCK):
            yield block
