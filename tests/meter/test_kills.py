"""Killed at any moment under load: no answer that somebody got is lost, and none counts twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from oracles.meter.events import customer_hash
from oracles.meter.log import Receipt, UsageLog, read_lines
from oracles.meter.proxy import RECEIPT
from oracles.meter.tree import entry_hash
from tests.meter.test_proxy import ORIGIN, SIGNER, Upstream, serving

if TYPE_CHECKING:
    from pathlib import Path

#: The meter as a program of its own, without a chain.
PROGRAM = f"""
import sys
from pathlib import Path
import uvicorn
from oracles.chain.signers import LocalSigner
from oracles.meter.events import Prices
from oracles.meter.log import UsageLog
from oracles.meter.proxy import Proxy, Writer
folder, upstream, port = sys.argv[1:]
log = UsageLog(Path(folder), {ORIGIN!r})
if log.prices is None:
    log.append([("prices", Prices({{"tiny": (2, 8)}}).plain())])
writer = Writer(log, LocalSigner.from_secret(b"\\x22" * 32))
uvicorn.run(Proxy(upstream, writer, b"salt"), host="127.0.0.1", port=int(port),
            log_level="critical", interface="asgi3", lifespan="on", ws="none")
"""


class Customers:
    """Many who ask at once, each question under a name of its own; keeps what they were given."""

    def __init__(self) -> None:
        self.asked = 0
        self.receipts: dict[str, str] = {}

    async def run(self, address: str, stop: asyncio.Event) -> None:
        """Ask until told to stop, whatever happens to the meter."""
        async with httpx.AsyncClient(timeout=10) as client:
            await asyncio.gather(*(self._one(client, address, stop) for _ in range(6)))

    async def _one(self, client: httpx.AsyncClient, address: str, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self.asked += 1
            name, stream = f"Bearer {self.asked}", self.asked % 2 == 0
            body: dict[str, Any] = {"model": "tiny", "prompt": "a b c", "stream": stream}
            try:
                reply = await client.post(
                    address + "/v1/completions", json=body, headers={"authorization": name}
                )
            except httpx.HTTPError:
                await asyncio.sleep(0.05)
                continue
            if stream and "[DONE]" in reply.text:
                self.receipts[name] = reply.text.split(f": {RECEIPT} ")[1].split("\n")[0]
            elif not stream and reply.status_code == 200:
                self.receipts[name] = reply.headers[RECEIPT]


def start(folder: Path, upstream: str, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PROGRAM, str(folder), upstream, str(port)]
    return subprocess.Popen(command, env={**os.environ})


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_meter__killed_under_load__loses_no_answer_and_counts_none_twice(
    tmp_path: Path, seed: int
) -> None:
    rng, folder, customers = random.Random(seed), tmp_path / "log", Customers()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"

    async def live(upstream: str) -> None:
        stop = asyncio.Event()
        asking = asyncio.create_task(customers.run(address, stop))
        for _ in range(4):
            before = len(customers.receipts)
            process = start(folder, upstream, port)
            deadline = time.monotonic() + 60
            while len(customers.receipts) < before + 20:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)
            await asyncio.sleep(rng.random() * 0.3)
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.wait)
            if rng.random() < 0.5:  # a power cut tears the last line, and loses the hashes
                with (folder / "events.jsonl").open("ab") as file:
                    file.write(b'{"data":{"amount":"9')
                (folder / "leaves").unlink()
        stop.set()
        await asking

    with serving(Upstream()) as upstream:
        asyncio.run(live(upstream))
    log = UsageLog(folder, ORIGIN)
    lines = list(read_lines(folder))
    assert len(lines) == log.size
    by_customer: dict[str, int] = {}
    for event in log.events():
        if event.kind == "usage":
            by_customer[event.data["customer"]] = by_customer.get(event.data["customer"], 0) + 1
    assert len(customers.receipts) >= 80
    for name, text in customers.receipts.items():
        receipt = Receipt.decode(text, ORIGIN)
        assert receipt.signer() == SIGNER.address
        assert entry_hash(lines[receipt.sequence]) == receipt.leaf
        assert by_customer[customer_hash(b"salt", name)] == 1
    assert all(count == 1 for count in by_customer.values())
    # Of an answer that was written and not delivered there is an event: at most one of each kill
    # and customer that was waiting then.
    assert len(by_customer) <= len(customers.receipts) + 4 * 6
    log.close()
