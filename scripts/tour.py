"""Everything that the product does, on a testnet that it starts itself: `make tour`.

    python -m scripts.tour [--keep DIR] [--json]

The demonstration's auction (`scripts/demo.py`), then what the buyer does with what it bought: a
training set, a small model trained on it by trl, served by transformers behind the meter, called by
three customers, paid to the providers, audited. Each step runs the commands that people would type.
A step is a function in `STEPS`; its first line says what it shows.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from eth_account import Account
from rich.console import Console
from rich.table import Table

from oracles.errors import QmiaError
from oracles.meter.log import Receipt
from oracles.meter.proxy import RECEIPT
from scripts import demo
from scripts.browser_provider import through_the_browser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Has trl, peft, datasets and what `transformers serve` needs; `make tour` makes it.
FINETUNE = demo.ROOT / ".build" / "finetune" / "bin" / "python"
MODEL = "tiny"
#: Smallest units for a million tokens: what makes three answers worth some LUSD.
PRICES = f"[{MODEL}]\nin = 100_000_000_000\nout = 400_000_000_000\n"
ADDRESS = "/v1/chat/completions"
#: Seconds that a server may take to start.
PATIENCE = 300


@dataclass(slots=True)
class Tour:
    """What steps share.

    Attributes:
        sale: the auction that is over.
        folder: everything is written there.
        serving: model and meter; closed when they have served.
        meter: its address.
        told: what each step found, by its name.
        receipts: of customers, by name.
    """

    sale: demo.Sale
    folder: Path
    told: dict[str, Any] = field(default_factory=dict)
    receipts: dict[str, str] = field(default_factory=dict)
    serving: ExitStack = field(default_factory=ExitStack)
    meter: str = ""

    @property
    def mut(self) -> str:
        """The auction's MUT."""
        stage = self.sale.stage
        return str(stage.deployment.auction(stage.web3).mut_token(self.sale.auction))

    @property
    def buyer(self) -> str:
        """Address of the buyer, who publishes the model."""
        return str(demo.account(1).address)

    @property
    def node(self) -> list[str]:
        """Options of every command that reads the chain."""
        deployment = str(self.folder / "deployment.json")
        return ["--rpc", self.sale.stage.url, "--deployment", deployment]

    def qmia(self, role: str, *words: object, allowed: tuple[int, ...] = (0,)) -> Any:
        """Run a command with the buyer's key, and give what it says as JSON."""
        key = ["--keystore", str(self.folder / "buyer.json")]
        key += ["--passphrase-file", str(self.folder / "passphrase")]
        own = [] if role == "audit" else [*self.node, *key]
        command = ["qmia", role, *own, *map(str, words), "--json"]
        return json.loads(demo.tool(command, allowed=allowed))


# STEPS


def training_set(tour: Tour) -> dict[str, Any]:
    """Make a training set of what was bought."""
    folder = tour.folder
    made: dict[str, Any] = tour.qmia(
        "buyer", "train-set", tour.sale.auction, "--received", folder / "received",
        "--out", folder / "train-set", "--weights",
    )  # fmt: skip
    return {name: made[name] for name in ("winners", "rows", "repeated")}


def fine_tuning(tour: Tour) -> dict[str, Any]:
    """Train a small model on it by trl, and on public text alone, and compare."""
    command = [str(FINETUNE), "-m", "benchmarks.finetune", "--set", str(tour.folder / "train-set")]
    command += ["--out", str(tour.folder / "training"), "--brief", "--json"]
    found = json.loads(run(command))
    Path(found["model"]).rename(tour.folder / MODEL)
    card = [*tour.node, "model-card", MODEL, "--set", str(tour.folder / "train-set")]
    (tour.folder / MODEL / "README.md").write_text(demo.tool(["qmia", "buyer", *card]))
    return {
        "before": found["with"]["before"],
        "with_bought": found["with"]["after"],
        "without": found["without"]["after"],
    }


def serving(tour: Tour) -> dict[str, Any]:
    """Serve the model by transformers, behind the meter, at a price."""
    program = "from transformers.cli.transformers import main; main()"
    command = [str(FINETUNE), "-c", program, "serve", MODEL, "--device", "cpu", "--port"]
    model = tour.serving.enter_context(server(tour.folder, "model", command, "/health"))
    (tour.folder / "prices.toml").write_text(PRICES)
    log = ["--log", tour.folder / "usage-log"]
    tour.qmia("meter", "prices", tour.sale.auction, tour.folder / "prices.toml", *log)
    key = ["--keystore", str(tour.folder / "buyer.json")]
    key += ["--passphrase-file", str(tour.folder / "passphrase")]
    words = ["serve", str(tour.sale.auction), "--upstream", model, "--log", str(log[1])]
    words += ["--tokenizer", str(tour.folder / MODEL / "tokenizer.json"), "--listen"]
    command = [demo.beside("qmia"), "meter", *tour.node, *key, *words]
    tour.meter = tour.serving.enter_context(
        server(tour.folder, "meter", command, "/health", "127.0.0.1:")
    )
    return {"model": model, "meter": tour.meter}


def customers(tour: Tour) -> dict[str, Any]:
    """Three customers call it; one leaves in the middle of its answer."""
    with httpx.Client(base_url=tour.meter, timeout=120) as client:
        whole = client.post(ADDRESS, **_asking("ann"))
        whole.raise_for_status()
        tour.receipts["ann"] = whole.headers[RECEIPT]
        stream = client.post(ADDRESS, **_asking("ben", stream=True))
        tour.receipts["ben"] = stream.text.split(f": {RECEIPT} ")[1].split("\n")[0]
        with client.stream("POST", ADDRESS, **_asking("eve", stream=True, max_tokens=100)) as reply:
            for line in reply.iter_lines():
                if '"content"' in line:
                    break
    events = tour.folder / "usage-log" / "events.jsonl"
    deadline = time.monotonic() + PATIENCE
    while events.read_bytes().count(b"\n") < 4:
        if time.monotonic() > deadline:
            raise QmiaError("the meter does not write; see meter.log")
        time.sleep(0.1)
    (tour.folder / "receipts.txt").write_text("\n".join(tour.receipts.values()) + "\n")
    found = [json.loads(line)["data"] for line in events.read_text().splitlines()[1:]]
    return {
        name: {key: each[key] for key in ("tokens_in", "tokens_out", "complete")}
        for name, each in zip(("ann", "ben", "eve"), found, strict=True)
    }


def payment(tour: Tour) -> dict[str, Any]:
    """Close the period: its root and its payment go on chain in one call, and providers claim."""
    tour.serving.close()
    log = ["--log", tour.folder / "usage-log"]
    (closed,) = tour.qmia("meter", "close", tour.sale.auction, *log)
    return {"revenue": closed["revenue"], **demo.claim_revenue(tour.sale)}


def usage_audit(tour: Tour) -> dict[str, Any]:
    """Audit the usage: every price, root and payment again, and the customers' receipts."""
    words = ["usage", tour.folder / "usage-log", tour.mut, tour.buyer, *tour.node]
    words += ["--receipts", tour.folder / "receipts.txt"]
    words += ["--report", tour.folder / "usage.html"]
    found = tour.qmia("audit", *words, allowed=(0, 1))
    return {name: found[name] for name in ("passed", "entries", "metered", "other", "differences")}


def omission(tour: Tour) -> dict[str, Any]:
    """A log handed over without ben's answer: its receipt proves the omission."""
    sequence = Receipt.decode(tour.receipts["ben"], "").sequence
    lines = (tour.folder / "usage-log" / "events.jsonl").read_bytes().splitlines(keepends=True)
    shorter = tour.folder / "usage-log-without-ben.jsonl"
    shorter.write_bytes(b"".join(line for at, line in enumerate(lines) if at != sequence))
    words = ["usage", shorter, tour.mut, tour.buyer, *tour.node]
    words += ["--receipts", tour.folder / "receipts.txt"]
    found = tour.qmia("audit", *words, allowed=(1,))
    proved = [d for d in found["differences"] if d["where"] == f"receipt {sequence}"]
    return {"proved": len(proved) == 1, "passed": bool(proved)}


def auction_audit(tour: Tour) -> dict[str, Any]:
    """Audit the auction from the logs, and the operators' evidence; write the report."""
    found = demo.audit(tour.sale.stage, tour.sale.auction)
    tour.qmia(
        "audit", "export", tour.folder / "market.qmia-archive", "--parquet", tour.folder / "events"
    )
    passed = found["audit"]["passed"] and found["evidence"]["passed"]
    return {"passed": passed, "report": str(tour.folder / "report.html")}


STEPS: tuple[Callable[[Tour], dict[str, Any]], ...] = (
    training_set,
    fine_tuning,
    serving,
    customers,
    payment,
    usage_audit,
    omission,
    auction_audit,
)


# TOOLS


def _asking(who: str, **more: Any) -> dict[str, Any]:
    message = {"role": "user", "content": "The President of the United States said"}
    body = {"model": MODEL, "messages": [message], "max_tokens": 24, **more}
    return {"json": body, "headers": {"authorization": f"Bearer {who}"}}


def run(command: list[str]) -> str:
    """Run a program to its end; what it says on the way is shown."""
    environment = {**os.environ, "PYTHONPATH": str(demo.ROOT)}
    done = subprocess.run(
        command, cwd=demo.ROOT, stdout=subprocess.PIPE, text=True, env=environment
    )
    if done.returncode:
        raise QmiaError(f"`{' '.join(command)}` failed")
    return done.stdout


@contextmanager
def server(
    folder: Path, name: str, command: list[str], alive: str, host: str = ""
) -> Iterator[str]:
    """A server as a process of its own, from the moment when it answers, ended with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"{host}{port}"], cwd=folder, stdout=log, stderr=log, env=environment
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                httpx.get(address + alive, timeout=10)
                break
            except httpx.TransportError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise QmiaError(f"the {name} does not start; see {name}.log") from error
                time.sleep(0.2)
        yield address
    finally:
        demo.end(process)


def tour(folder: Path) -> dict[str, Any]:
    """Run all steps in a folder; gives what each found."""
    if not FINETUNE.exists():
        raise QmiaError("the environment for fine-tuning is missing: run `make tour`")
    started = time.monotonic()
    with ExitStack() as processes:
        sale = demo.sell(folder, processes, through_the_browser(processes))
        demo.private(folder / "passphrase", "tour")
        key = Account.encrypt(demo.account(1).key, "tour", iterations=1024)
        demo.private(folder / "buyer.json", json.dumps(key))
        told = Tour(sale, folder)
        processes.enter_context(told.serving)
        for each in STEPS:
            demo.step((each.__doc__ or each.__name__).splitlines()[0])
            before = time.monotonic()
            found = each(told)
            told.told[each.__name__] = {**found, "seconds": round(time.monotonic() - before)}
    passed = all(found.get("passed", True) for found in told.told.values())
    seconds = round(time.monotonic() - started)
    return {"steps": told.told, "passed": passed, "folder": str(folder), "seconds": seconds}


def show(result: dict[str, Any]) -> None:
    """Print what a person reads."""
    out = Console(width=max(Console().width, demo.TABLE_WIDTH))
    table = Table(header_style="bold")
    for name in ("step", "found", "seconds"):
        table.add_column(name, justify="right" if name == "seconds" else "left")
    for name, found in result["steps"].items():
        told = "\n".join(f"{key}: {value}" for key, value in found.items() if key != "seconds")
        table.add_row(name.replace("_", " "), told, str(found["seconds"]))
    out.print(table)
    verdict = "[green]all passed[/]" if result["passed"] else "[red]something failed[/]"
    out.print(f"{verdict}; {result['seconds']} seconds. Everything is in {result['folder']}.")


def main() -> None:
    """Run, and print."""
    result, json_wanted = demo.perform("tour", __doc__, tour)
    if json_wanted:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    else:
        show(result)
    sys.exit(0 if result["passed"] else 1)


if __name__ == "__main__":
    main()
