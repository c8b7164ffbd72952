"""What metering costs: `python -m benchmarks.meter [--entries 1000000] [--memory] [--json]`.

Beside a bare proxy in the same run: the same servers and libraries (uvicorn, httpx) and the same
model's server behind, without counting, log or receipt. Then the log alone, and what opening and
auditing a log of `--entries` entries takes, each in a process of its own. With `--memory` the long
log alone, and the memory of the program that writes, opens and audits it as the log grows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import uvicorn

from oracles.chain.signers import LocalSigner
from oracles.meter.check import Posted, check_usage
from oracles.meter.events import Prices, Usage
from oracles.meter.log import Entries, UsageLog
from oracles.meter.proxy import Proxy, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ORIGIN = "qmia:31337/0x1111111111111111111111111111111111111111/" + "0x" + "22" * 20
PRICES = Prices({"tiny": (150_000, 600_000)})
CUSTOMERS = 1000
#: Requests of one round, and at once.
REQUESTS, AT_ONCE, ROUNDS = 400, 16, 3
#: Milliseconds that the model thinks: a fast one. The ratio is measured without any.
THINKS = 0.0
ANSWER = {
    "choices": [{"message": {"role": "assistant", "content": "word " * 60}}],
    "usage": {"prompt_tokens": 40, "completion_tokens": 60, "total_tokens": 100},
}


def note(text: str) -> None:
    """Progress."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def usage(customer: int) -> Usage:
    """One answer."""
    return Usage("tiny", f"{customer:032x}", 40, 60, "usage", complete=True)


# SERVERS


async def model(scope: Any, receive: Any, send: Any) -> None:
    """A model's server that answers at once."""
    if scope["type"] == "lifespan":
        for moment in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{moment}.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    await asyncio.sleep(THINKS)
    head = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": json.dumps(ANSWER).encode()})


class Bare:
    """A proxy that forwards, and no more.

    Args:
        upstream: address of the server.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._client = httpx.AsyncClient(limits=httpx.Limits(max_connections=None), timeout=60)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI 3."""
        if scope["type"] == "lifespan":
            for moment in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{moment}.complete"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        headers = {k.decode(): v.decode() for k, v in scope["headers"] if k != b"host"}
        request = self._client.build_request(
            "POST", self._upstream + scope["path"], content=body, headers=headers
        )
        reply = await self._client.send(request, stream=True)
        content = await reply.aread()
        head = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": reply.status_code, "headers": head})
        await send({"type": "http.response.body", "body": content})


def serve(make: Callable[[], Any], port: int) -> None:
    """Serve in this process."""
    uvicorn.run(
        make(), host="127.0.0.1", port=port, log_level="critical", interface="asgi3",
        lifespan="on", ws="none",
    )  # fmt: skip


def make_model() -> Any:
    """The model's server."""
    return model


def make_bare(upstream: str) -> Any:
    """The bare proxy."""
    return Bare(upstream)


def make_metered(upstream: str, folder: Path) -> Any:
    """The meter."""
    log = UsageLog(folder, ORIGIN)
    if log.prices is None:
        log.append([("prices", PRICES.plain())])
    return Proxy(upstream, Writer(log, LocalSigner.from_secret(b"\x22" * 32)), b"salt")


class Server:
    """A server in a process of its own."""

    def __init__(self, make: Callable[..., Any], *arguments: Any) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_start, args=(make, arguments, port), daemon=True)
        self._process.start()
        self.address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                httpx.get(self.address + "/health", timeout=5)
                return
            except httpx.TransportError:
                time.sleep(0.05)
        raise SystemExit("a server does not start")

    def end(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.join()


def _start(make: Callable[..., Any], arguments: tuple[Any, ...], port: int) -> None:
    serve(lambda: make(*arguments), port)


# MEASURES


async def load(address: str, requests: int, at_once: int) -> tuple[float, list[float]]:
    """Requests per second, and the latencies in milliseconds."""
    latencies: list[float] = []
    left = iter(range(requests))
    body = {"model": "tiny", "messages": [{"role": "user", "content": "word " * 40}]}

    async def customer(client: httpx.AsyncClient) -> None:
        for number in left:
            start = time.perf_counter()
            headers = {"authorization": f"Bearer {number % CUSTOMERS}"}
            reply = await client.post(address + "/v1/chat/completions", json=body, headers=headers)
            reply.raise_for_status()
            latencies.append((time.perf_counter() - start) * 1000)

    start = time.perf_counter()
    async with httpx.AsyncClient(timeout=60) as client:
        await asyncio.gather(*(customer(client) for _ in range(at_once)))
    return requests / (time.perf_counter() - start), latencies


def proxies(folder: Path) -> dict[str, Any]:
    """The meter beside the bare proxy, in turns."""
    upstream = Server(make_model)
    servers = {
        "bare": Server(make_bare, upstream.address),
        "metered": Server(make_metered, upstream.address, folder / "proxy"),
    }
    rates: dict[str, list[float]] = {name: [] for name in servers}
    alone: dict[str, list[float]] = {name: [] for name in servers}
    for server in servers.values():
        asyncio.run(load(server.address, 50, AT_ONCE))
    for turn in range(ROUNDS):
        for name, server in servers.items():
            rates[name].append(asyncio.run(load(server.address, REQUESTS, AT_ONCE))[0])
            alone[name] += asyncio.run(load(server.address, REQUESTS // 2, 1))[1]
            note(f"round {turn + 1} of {ROUNDS}, {name}: {rates[name][-1]:.0f} requests/s")
    for server in (*servers.values(), upstream):
        server.end()

    def quantile(name: str, share: float) -> float:
        ordered = sorted(alone[name])
        return ordered[int(share * (len(ordered) - 1))]

    best = {name: max(found) for name, found in rates.items()}
    return {
        "bare_requests_per_second": round(best["bare"]),
        "metered_requests_per_second": round(best["metered"]),
        "ratio": round(best["metered"] / best["bare"], 3),
        **{
            f"added_ms_p{round(100 * share)}": round(
                quantile("metered", share) - quantile("bare", share), 2
            )
            for share in (0.5, 0.99)
        },
        "bare_ms_p50": round(quantile("bare", 0.5), 2),
    }


def writing(folder: Path) -> dict[str, Any]:
    """Events a second into the log, each flushed alone, and as many at once as wait under load.

    The best of some rounds each, and the load of the machine, since a round is short.
    """
    log = UsageLog(folder / "writing", ORIGIN)
    log.append([("prices", PRICES.plain())])
    found: dict[str, float] = {}
    for _ in range(ROUNDS):
        for together, count in ((1, 500), (64, 20_000)):
            batch = [("usage", usage(n % CUSTOMERS).priced(PRICES)) for n in range(together)]
            start, cpu = time.perf_counter(), time.process_time()
            for _ in range(count // together):
                log.append(batch)  # type: ignore[arg-type]
            done, name = count // together * together, f"{together}_a_flush"
            for kind, took in (
                (f"events_per_second_{name}", time.perf_counter() - start),
                (f"events_per_processor_second_{name}", time.process_time() - cpu),
            ):
                found[kind] = max(found.get(kind, 0), round(done / took))
    log.close()
    return found | {"load": round(os.getloadavg()[0], 1)}


def resident() -> int:
    """Memory of this process now, in MiB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() >> 20


def memory(what: str, entries: int) -> None:
    """Print one row."""
    sys.stdout.write(f"| {what} | {entries:,} | {resident()} |\n")
    sys.stdout.flush()


def fill(folder: Path, entries: int, periods: int, *, watched: bool = False) -> list[Posted]:
    """A log of many entries in some periods, and the periods as the chain would have them."""
    log = UsageLog(folder, ORIGIN)
    if log.prices is None:
        log.append([("prices", PRICES.plain())])
    data = [("usage", usage(n).priced(PRICES)) for n in range(CUSTOMERS)]
    every = entries // periods
    while log.size < entries:
        log.append(data)  # type: ignore[arg-type]
        if log.size // every > len(log.periods):
            log.close_period()
            if watched:
                memory("written", log.size)
            note(f"{log.size:,} of {entries:,} entries written")
    found = [
        Posted(
            p.number, p.size, p.end, p.revenue, bytes.fromhex(p.root), bytes.fromhex(p.prices),
            bytes.fromhex(p.entries), p.revenue, p.revenue,
        )
        for p in log.periods
    ]  # fmt: skip
    log.close()
    return found


def _opened(folder: Path, _posted: list[Posted]) -> int:
    log = UsageLog(folder, ORIGIN)
    size = log.size
    log.root()
    log.close()
    return size


class Watched:
    """Entries of a log; memory is printed as they are gone through.

    Args:
        folder: of the log.
        every: so many entries.
    """

    def __init__(self, folder: Path, every: int) -> None:
        self._entries, self._every = Entries(folder), every

    def __iter__(self) -> Iterator[bytes]:
        """From the first one on, undecoded."""
        for place, line in enumerate(self._entries, 1):
            yield line
            if place % self._every == 0:
                memory("audited", place)


def grown(folder: Path, entries: int) -> None:
    """Memory as a log grows: while it is written, opened, and audited (in two passes)."""
    sys.stdout.write("| log | entries | resident MiB |\n|---|--:|--:|\n")
    posted = fill(folder, entries, 10, watched=True)
    memory("opened", _opened(folder, posted))
    accrued = sum(each.accrued for each in posted)
    lines = Watched(folder, entries // 10)
    report = check_usage(lines, ORIGIN, "", posted, accrued=accrued)
    if report.differences:
        raise SystemExit(f"the audit found {report.differences[0]}")


def _audited(folder: Path, posted: list[Posted]) -> int:
    accrued = sum(each.accrued for each in posted)
    report = check_usage(Entries(folder), ORIGIN, "", posted, accrued=accrued)
    if report.differences:
        raise SystemExit(f"the audit found {report.differences[0]}")
    return report.entries


def _measured(
    work: Callable[[Path, list[Posted]], int], folder: Path, posted: list[Posted], answer: Any
) -> None:
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    count = work(folder, posted)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer.put((count, time.process_time() - start, (peak - idle) / 1024))


def large(folder: Path, entries: int) -> dict[str, Any]:
    """Opening and auditing a long log, each in a process of its own."""
    posted = fill(folder / "large", entries, 20)
    context = multiprocessing.get_context("spawn")
    found: dict[str, Any] = {"entries": entries}
    for name, work in (("open", _opened), ("audit", _audited)):
        answer = context.Queue()
        process = context.Process(target=_measured, args=(work, folder / "large", posted, answer))
        process.start()
        count, seconds, memory = answer.get()
        process.join()
        note(f"{name}: {count:,} entries in {seconds:.1f} s, {memory:.0f} MiB more than idle")
        found |= {
            f"{name}_processor_seconds": round(seconds, 1),
            f"{name}_mib": round(memory, 1),
            f"{name}_entries_per_second": round(count / seconds),
        }
    found["bytes_an_entry"] = round((folder / "large/events.jsonl").stat().st_size / entries)
    return found


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=200_000, help="of the long log")
    parser.add_argument("--memory", action="store_true", help="only the memory of a log that grows")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; a new one by default")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="qmia-meter-", dir=options.folder))
    try:
        if options.memory:
            grown(folder / "grown", options.entries)
            return
        answer = {**proxies(folder), **writing(folder), **large(folder, options.entries)}
    finally:
        shutil.rmtree(folder)
    if options.json:
        sys.stdout.write(json.dumps(answer) + "\n")
        return
    sys.stdout.write("".join(f"{name:36} {value:>12,}\n" for name, value in answer.items()))


if __name__ == "__main__":
    main()
