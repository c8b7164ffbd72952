"""Size and speed of the page for wallets, in Chromium: `python -m benchmarks.page [--size MB]`.

1. Bytes of the first view and of the worker, as gzip sends them.
2. Packing one set of JSON lines in the page and by `qmia dataset pack`: time, memory, size.
3. An auction with 10,000 bids, from a node that gives made-up logs: time until it is shown, and the
   longest task, for which the page does not answer to clicks.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from eth_utils.crypto import keccak
from playwright.sync_api import sync_playwright
from web3.types import RPCEndpoint

from oracles.cli.page import PAGE
from oracles.dataset import EncryptionKey
from oracles.market.buyer import Buyer
from oracles.mechanism import Bid, run_clock
from tests.page.browser import CHROMIUM, Person, Served
from tests.support.anvil import Anvil
from tests.support.logs import encode_log
from tests.support.market import UNIT, Market, signer
from tests.support.middleman import Middleman

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser

BIDS: Final = 10_000
#: Bids in one block, and characters of a document.
IN_BLOCK: Final = 10
DOCUMENT: Final = 2_600
#: Counts long tasks, as the browser itself reports them.
TASKS: Final = """
window.__longest = 0;
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) {
    window.__longest = Math.max(window.__longest, duration);
  }
}).observe({ type: "longtask", buffered: true });
"""


def sizes() -> None:
    """Print what a first visit loads."""
    files = ("index.html", "style.css", "app.js")
    first = sum(len(gzip.compress((PAGE / name).read_bytes(), 9)) for name in files)
    worker = len(gzip.compress((PAGE / "worker.js").read_bytes(), 9))
    print(f"first view {first / 1e3:.0f} kB, worker {worker / 1e3:.0f} kB more (gzip)")


def _set(path: Path, size: int) -> int:
    parts = (("ka", "lo", "mi", "nu", "re"), "stnrl", ("a", "en", "or", "is", "ul"))
    words = ["".join(each) for each in product(*parts)]
    chance, count = random.Random(1), 0
    with path.open("w") as file:
        while file.tell() < size:
            text = " ".join(chance.choices(words, k=DOCUMENT // 6))
            file.write(json.dumps({"text": text, "number": count}) + "\n")
            count += 1
    return count


class _Memory:
    """Largest resident set of the processes whose command line holds a word, while it is open."""

    def __init__(self, word: str) -> None:
        self._word, self._stop, self.peak = word, threading.Event(), 0
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    if self._word in (process / "cmdline").read_text():
                        lines = (process / "status").read_text().splitlines()
                        held = next(line for line in lines if line.startswith("VmRSS"))
                        self.peak = max(self.peak, int(held.split()[1]))
                except (OSError, StopIteration):
                    continue

    def __enter__(self) -> _Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def packing(browser: Browser, market: Market, served: Served, folder: Path, size: int) -> None:
    """Print time and memory of packing in the page, and by the command."""
    file = folder / "set.jsonl"
    count = _set(file, size)
    print(f"{size / 1e6:.0f} MB of JSON lines, {count} documents")
    buyer = Buyer(market.sender("buyer"), market.deployment)
    auction = buyer.create(market.terms(), EncryptionKey.generate())
    someone = Person(browser, served.url, market, wallet=signer("page").address)
    someone.context.set_default_timeout(600_000)
    someone.go(f"offer/{auction}").connect()
    someone.page.locator("#files").wait_for()
    with _Memory("--type=renderer") as memory:
        start = time.perf_counter()
        someone.page.set_input_files("#files", file)
        someone.page.locator("#packed").wait_for()
        seconds = time.perf_counter() - start
    print(f"  page    {seconds:6.1f} s, largest renderer {memory.peak / 1024:.0f} MiB")
    someone.close()
    out = folder / "set.qmia"
    program = "from oracles.cli import main; main()"
    command = [sys.executable, "-c", program, "dataset", "pack", str(file), "-o", str(out)]
    contract = market.deployment.address("DataAuction")
    command += ["--chain-id", "31337", "--contract", contract, "--auction", "1"]
    command += ["--provider", signer("page").address]
    with _Memory(str(out)) as memory:
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
    made = out.stat().st_size / 1e6
    print(f"  command {seconds:6.1f} s, {memory.peak / 1024:.0f} MiB; archive {made:.0f} MB")


def _logs(market: Market, auction: int, start: int) -> list[dict[str, Any]]:
    """Logs of an auction with many bids, settled by the exact clock."""
    chance = random.Random(2)
    beta = 800 * UNIT
    bids = [
        Bid(i, chance.randrange(1, 400_000), chance.randrange(10**15, 10**18)) for i in range(BIDS)
    ]
    clock = run_clock(bids, beta)
    if clock.price is None:
        raise RuntimeError("the clock found no price")
    found: list[dict[str, Any]] = []

    def add(name: str, **args: Any) -> None:
        topics, data = encode_log(name, {"auctionId": auction, **args})
        found.append(
            {
                "address": market.deployment.address("DataAuction"),
                "topics": ["0x" + topic.hex() for topic in topics],
                "data": "0x" + data.hex(),
                "blockNumber": hex(start + len(found) // IN_BLOCK),
                "logIndex": hex(len(found) % IN_BLOCK),
                "transactionHash": "0x" + "77" * 32,
                "removed": False,
            }
        )

    for bid in bids:
        owner = "0x" + bid.index.to_bytes(20, "big").hex()
        data_set = (bytes(32), bytes(32), 10**6, bytes(32))
        given = {"owner": owner, "payer": owner, "sealedBid": bytes(32), "dataSet": data_set}
        add("Committed", index=bid.index, **given)
    for bid in bids:
        shown = {"cost": bid.cost, "salt": bytes(32), "weight": bid.weight, "flagged": False}
        add("Revealed", index=bid.index, **shown)
    none = 2**32 - 1
    price = (clock.price.numerator, clock.price.denominator)
    outcome = (False, *price, 0, 1, len(clock.winners), BIDS, 0, 0, 0, 0)
    add("Settled", marginals=(clock.marginal, none, none), outcome=outcome)
    return found


def many(browser: Browser, market: Market) -> None:
    """Print how long 10,000 bids take to be shown, and the longest task."""
    buyer = Buyer(market.sender("buyer"), market.deployment)
    auction = buyer.create(market.terms(), EncryptionKey.generate())
    logs = _logs(market, auction, int(market.web3.eth.block_number) + 1)
    blocks = hex(2 * BIDS // IN_BLOCK + 10)
    market.web3.provider.make_request(RPCEndpoint("anvil_mine"), [blocks])
    selector = "0x" + keccak(text="bidCount(uint256)")[:4].hex()
    contract = market.deployment.address("DataAuction").lower()

    def hook(method: str, given: list[Any], forward: Callable[[], Any]) -> Any:
        if method == "eth_call" and given[0]["data"].startswith(selector):
            return {"result": "0x" + BIDS.to_bytes(32, "big").hex()}
        if method == "eth_getLogs" and given[0]["address"].lower() == contract:
            answer = forward()
            first, last = int(given[0]["fromBlock"], 16), int(given[0]["toBlock"], 16)
            asked = (each for each in logs if first <= int(each["blockNumber"], 16) <= last)
            answer["result"] += asked
            return answer
        return None

    node = Middleman(market.anvil.url)
    node.hook = hook
    served = Served(market, rpc=node.url)
    someone = Person(browser, served.url, market)
    someone.context.add_init_script(TASKS)
    start = time.perf_counter()
    someone.go(f"auction/{auction}")
    someone.page.locator("[data-checked]").wait_for(timeout=120_000)
    seconds = time.perf_counter() - start
    right = someone.page.locator("[data-checked]").get_attribute("data-checked")
    longest = someone.page.evaluate("window.__longest")
    print(
        f"{BIDS} bids: shown after {seconds:.1f} s, longest task {longest:.0f} ms, outcome {right}"
    )
    someone.close()
    served.close()
    node.close()


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=float, default=340, help="megabytes to pack")
    size = int(parser.parse_args().size * 1e6)
    sizes()
    if CHROMIUM is None:
        print("there is no Chromium on this machine; on Debian: apt-get install chromium")
        return
    anvil = Anvil()
    try:
        with tempfile.TemporaryDirectory() as scratch, sync_playwright() as driver:
            folder = Path(scratch)
            market = Market(anvil, folder)
            served = Served(market)
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            many(browser, market)
            packing(browser, market, served, folder, size)
            browser.close()
            served.close()
    finally:
        anvil.close()


if __name__ == "__main__":
    main()
