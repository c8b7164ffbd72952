"""Everything that the product does, on a testnet that it starts itself: `make tour`.

    python -m scripts.tour [--keep DIR] [--json]

The demonstration's auction (`scripts/demo.py`), in which one provider works in the browser. Then a
provider proves that its data meet thresholds, and holders of participation tokens object to a new
metric. Then what the buyer does with what it bought: a training set, a small model trained on it by
trl, served by transformers behind the meter, called by three customers, paid to the providers,
audited. Each step runs the commands that people would type. A step is a function in `STEPS`; its
first line says what it shows. With `--keep`, a tour that was interrupted after the auction goes on
with the step that was not finished.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import rfc8785
from eth_account import Account
from rich.console import Console

from oracles.chain.deployment import Deployment, deploy_gate
from oracles.chain.rpc import connect
from oracles.chain.tokens import Dst
from oracles.errors import QmiaError
from oracles.files import write_file
from oracles.market.buyer import Buyer
from oracles.meter.log import Receipt
from oracles.meter.proxy import RECEIPT
from oracles.money import DST, Currency
from oracles.proof import tools
from scripts import demo, demo_data
from scripts.browser_provider import through_the_browser
from scripts.gate import verifier_code, verifier_source
from tests.support import crs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: Has trl, peft, datasets and what `transformers serve` needs; `make tour` makes it.
FINETUNE = demo.ROOT / ".build" / "finetune" / "bin" / "python"
MODEL = "tiny"
#: Smallest units for a million tokens: what makes three answers worth some LUSD.
PRICES = f"[{MODEL}]\nin = 100_000_000_000\nout = 400_000_000_000\n"
ADDRESS = "/v1/chat/completions"
#: Seconds that a server may take to start.
PATIENCE = 300
#: What is done so far, from which a tour goes on; and the testnet's state beside it.
CHECKPOINT: Final = "tour.json"
CHAIN: Final = "chain.json"
LUSD: Final = Currency("LUSD", 6)
#: Two providers who were paid, and so hold participation tokens.
PROVER, OTHER = "institute", "foundry"


@dataclass(slots=True)
class Tour:
    """What steps share.

    Attributes:
        sale: the auction that is over.
        folder: everything is written there.
        told: what each step found, by its name.
    """

    sale: demo.Sale
    folder: Path
    told: dict[str, Any] = field(default_factory=dict)

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

    @property
    def receipts(self) -> dict[str, str]:
        """Receipts of the customers, by name."""
        found: dict[str, str] = self.told["customers"]["receipts"]
        return found

    def account(self, name: str) -> int:
        """Number of a provider's account."""
        return 5 + [person.name for person in self.sale.people].index(name)

    def key(self, number: int) -> list[str]:
        """Options that open an account's key, which is made when it is first needed."""
        path, phrase = self.folder / f"key-{number}.json", self.folder / "passphrase"
        if not path.exists():
            demo.private(phrase, "tour")
            secret = Account.encrypt(demo.account(number).key, "tour", iterations=1024)
            demo.private(path, json.dumps(secret))
        return ["--keystore", str(path), "--passphrase-file", str(phrase)]

    def qmia(self, role: str, *words: object, who: int = 1, allowed: tuple[int, ...] = (0,)) -> Any:
        """Run a command with somebody's key, the buyer's by default; gives what it says as JSON."""
        own = [] if role in ("audit", "dataset") else [*self.node, *self.key(who)]
        command = ["qmia", role, *own, *map(str, words), "--json"]
        return json.loads(demo.tool(command, allowed=allowed))


# STEPS: each begins by removing what an interrupted attempt left.


def threshold_proof(tour: Tour) -> dict[str, Any]:
    """A provider proves that all its data meet thresholds, and shows none of them.

    A contract checks the proof, too.
    """
    folder = _fresh(tour.folder / "proof")
    folder.mkdir()
    ceremony = _set_up(tour)
    source = tour.folder / "providers" / PROVER / "data.jsonl"
    archive = folder / "data.qmia"
    contract = tour.sale.stage.deployment.address("DataAuction")
    who = demo.account(tour.account(PROVER)).address
    words = ["--chain-id", 31337, "--contract", contract, "--auction", tour.sale.auction]
    tour.qmia("dataset", "pack", source, "-o", archive, *words, "--provider", who, "--facts")
    key = ["--key-file", f"{archive}.key"]
    proof, manifest = f"{archive}.proof", ["--manifest", f"{archive}.json"]
    claim = ["--min-tokens", 5_000, "--min-clean", "0.9"]
    tour.qmia("dataset", "prove", archive, *key, *claim)
    accepted = tour.qmia("dataset", "check-proof", proof, *manifest, *claim)
    more = ["--min-tokens", 1_000_000]
    refused = tour.qmia("dataset", "check-proof", proof, *manifest, *more, allowed=(1,))
    try:
        tour.qmia("dataset", "prove", archive, *key, *more, "-o", folder / "lie.proof")
        untrue = False
    except QmiaError as error:
        untrue = "no proof of what is not true" in " ".join(str(error).split())
    _gate(tour, ceremony=ceremony)
    posted = tour.qmia("gate", "post", proof, *manifest, who=tour.account(PROVER))
    known = tour.qmia("gate", "check", *manifest, *claim)["holds"]
    unknown = not tour.qmia("gate", "check", *manifest, *more, allowed=(1,))["holds"]
    return {
        "accepted": accepted,
        "refused": refused,
        "ceremony": ceremony,
        "gas": posted["gas"],
        "passed": untrue and known and unknown,
        "says": [
            f"{PROVER} proved 5,000 usable tokens and 90 % clean letters: accepted.",
            "The same proof for 1,000,000 tokens: refused. No proof of them can be made.",
            f"The contract accepts the proof, too, for {posted['gas']:,} gas.",
            *(
                []
                if ceremony
                else [
                    "The points of the public ceremony cannot be fetched here; the proof was made"
                    " with points that are good for a demonstration only."
                ]
            ),
        ],
    }


def metric_veto(tour: Tour) -> dict[str, Any]:
    """Somebody proposes another metric, and those who sold data object."""
    folder = _fresh(tour.folder / "metrics")
    folder.mkdir()
    config = tour.folder / "operator-0" / "operator.toml"
    old, new = folder / "old.json", folder / "new.json"
    told = tour.qmia("metric", "document", "--config", config)
    old.write_bytes(rfc8785.dumps(told["document"]))
    changed = json.loads(old.read_bytes())
    # Nobody's dirt matters any more: what a buyer of sheer volume might like.
    changed["quality"]["parameters"]["weights"] = [0, 3000, 3000, 4000]
    new.write_bytes(rfc8785.dumps(changed))
    token = tour.sale.buyer.view(tour.sale.auction).terms.token
    rules = ["--genesis", told["version"], "--payout-token", token, "--floor", "1 LUSD"]
    tour.qmia("metric", "deploy", *rules)
    explained = tour.qmia("metric", "explain", old, new)
    version = "0x" + hashlib.sha256(new.read_bytes()).hexdigest()

    def standing() -> str:
        rows = {row["version"]: row for row in tour.qmia("metric", "status")["versions"]}
        return str(rows[version]["standing"]) if version in rows else "unknown"

    if standing() == "unknown":
        tour.qmia("metric", "propose", new)
    for name in (PROVER, OTHER):
        if standing() == "open":
            amount = DST.format(_tokens(tour, name)).replace(",", "")
            words = [version, "--auction", tour.sale.auction, "--amount", amount]
            tour.qmia("metric", "object", *words, who=tour.account(name))
    stands = standing()
    scan = next(each for each in explained["sets"] if each["set"] == "Bad scan")
    spread = explained["spread_of_languages"]
    return {
        "version": version,
        "standing": stands,
        "fields": explained["fields"],
        "spread_of_languages": spread,
        "passed": stands == "vetoed",
        "says": [
            "Proposed: weights of q that ignore dirt. A bad scan would be scored"
            f" {_grid(scan['new']['q'])} instead of {_grid(scan['old']['q'])}; one text in ten"
            f" languages {_grid(spread['new'])} apart instead of {_grid(spread['old'])}.",
            f"{PROVER} and {OTHER} sold data, and object with participation tokens:"
            f" {stands}. Buyers, providers and operators refuse it.",
        ],
    }


def training_set(tour: Tour) -> dict[str, Any]:
    """Make a training set of what was bought."""
    out = _fresh(tour.folder / "train-set")
    made: dict[str, Any] = tour.qmia(
        "buyer", "train-set", tour.sale.auction, "--received", tour.folder / "received",
        "--out", out, "--weights",
    )  # fmt: skip
    found = {name: made[name] for name in ("winners", "rows", "repeated")}
    return found | {
        "says": [f"{made['rows']} rows from {made['winners']} winners, in {out.name}/."]
    }


def fine_tuning(tour: Tour) -> dict[str, Any]:
    """Train a small model on it by trl, and on public text alone, and compare."""
    for name in ("training", MODEL):
        _fresh(tour.folder / name)
    command = [str(FINETUNE), "-m", "benchmarks.finetune", "--set", str(tour.folder / "train-set")]
    command += ["--model", str(tour.folder / MODEL)]
    command += ["--out", str(tour.folder / "training"), "--brief", "--json"]
    found = json.loads(run(command))
    card = [*tour.node, "model-card", MODEL, "--set", str(tour.folder / "train-set")]
    (tour.folder / MODEL / "README.md").write_text(demo.tool(["qmia", "buyer", *card]))
    before, bought = found["with"]["before"], found["with"]["after"]
    without = found["without"]["after"]
    return {
        "before": before,
        "with_bought": bought,
        "without": without,
        "says": [
            f"Loss on text that was kept back: {before:.3f} before, {bought:.3f} after training"
            f" with what was bought, {without:.3f} after as many steps without it."
        ],
    }


def customers(tour: Tour) -> dict[str, Any]:
    """The model is served behind the meter; three customers call it, one leaves midway."""
    _fresh(tour.folder / "usage-log")
    receipts: dict[str, str] = {}
    with ExitStack() as servers:
        meter = _serve(tour, servers)
        with httpx.Client(base_url=meter, timeout=120) as client:
            whole = client.post(ADDRESS, **_asking("ann"))
            whole.raise_for_status()
            receipts["ann"] = whole.headers[RECEIPT]
            stream = client.post(ADDRESS, **_asking("ben", stream=True))
            receipts["ben"] = stream.text.split(f": {RECEIPT} ")[1].split("\n")[0]
            question = _asking("eve", stream=True, max_tokens=100)
            with client.stream("POST", ADDRESS, **question) as reply:
                for line in reply.iter_lines():
                    if '"content"' in line:
                        break
        events = tour.folder / "usage-log" / "events.jsonl"
        deadline = time.monotonic() + PATIENCE
        while events.read_bytes().count(b"\n") < 4:
            if time.monotonic() > deadline:
                raise QmiaError("the meter does not write; see meter.log")
            time.sleep(0.1)
    (tour.folder / "receipts.txt").write_text("\n".join(receipts.values()) + "\n")
    found = [json.loads(line)["data"] for line in events.read_text().splitlines()[1:]]
    counted = {
        name: {key: each[key] for key in ("tokens_in", "tokens_out", "complete")}
        for name, each in zip(("ann", "ben", "eve"), found, strict=True)
    }
    return {
        "counted": counted,
        "receipts": receipts,
        "says": [
            f"{name}: {each['tokens_in']} tokens in, {each['tokens_out']} out"
            + ("." if each["complete"] else ", and left before the end.")
            for name, each in counted.items()
        ],
    }


def payment(tour: Tour) -> dict[str, Any]:
    """The period is closed: root and payment go on chain in one call, and providers claim."""
    log = ["--log", tour.folder / "usage-log"]
    (closed,) = tour.qmia("meter", "close", tour.sale.auction, *log)
    claimed = demo.claim_revenue(tour.sale)
    parts = ", ".join(f"{name} {LUSD.format(amount)}" for name, amount in claimed.items())
    return {
        "revenue": closed["revenue"],
        "claimed": claimed,
        "says": [f"{LUSD.format(int(closed['revenue']))} of revenue; claimed: {parts}."],
    }


def usage_audit(tour: Tour) -> dict[str, Any]:
    """The usage is audited: every price, root and payment again, and the customers' receipts."""
    words = ["usage", tour.folder / "usage-log", tour.mut, tour.buyer, *tour.node]
    words += ["--receipts", tour.folder / "receipts.txt"]
    words += ["--report", tour.folder / "usage.html"]
    made = tour.qmia("audit", *words, allowed=(0, 1))
    found = {name: made[name] for name in ("passed", "entries", "metered", "other", "differences")}
    verdict = "nothing differs" if made["passed"] else f"{len(made['differences'])} differences"
    return found | {
        "says": [f"{made['entries']} entries, {LUSD.format(int(made['metered']))}: {verdict}."]
    }


def omission(tour: Tour) -> dict[str, Any]:
    """A log is handed over without ben's answer: its receipt proves the omission."""
    sequence = Receipt.decode(tour.receipts["ben"], "").sequence
    lines = (tour.folder / "usage-log" / "events.jsonl").read_bytes().splitlines(keepends=True)
    shorter = tour.folder / "usage-log-without-ben.jsonl"
    shorter.write_bytes(b"".join(line for at, line in enumerate(lines) if at != sequence))
    words = ["usage", shorter, tour.mut, tour.buyer, *tour.node]
    words += ["--receipts", tour.folder / "receipts.txt"]
    found = tour.qmia("audit", *words, allowed=(1,))
    proved = [d for d in found["differences"] if d["where"] == f"receipt {sequence}"]
    return {
        "proved": len(proved) == 1,
        "passed": len(proved) == 1,
        "says": [f"Found by the receipt of entry {sequence}, and by the root on chain."],
    }


def auction_audit(tour: Tour) -> dict[str, Any]:
    """The auction is audited from the logs, with the operators' evidence; a page is written."""
    for name in ("market.qmia-archive", "report.html", "events"):
        _fresh(tour.folder / name)
    found = demo.audit(tour.sale.stage, tour.sale.auction)
    archive = tour.folder / "market.qmia-archive"
    tour.qmia("audit", "export", archive, "--parquet", tour.folder / "events")
    passed = found["audit"]["passed"] and found["evidence"]["passed"]
    made = sum(each["made"] for each in found["audit"]["checks"].values())
    return {
        "passed": passed,
        "report": str(tour.folder / "report.html"),
        "says": [
            f"{made:,} checks of the logs, and those of the evidence:"
            f" {'nothing differs' if passed else 'there are findings'}. The story is in"
            " report.html."
        ],
    }


STEPS: tuple[Callable[[Tour], dict[str, Any]], ...] = (
    threshold_proof,
    metric_veto,
    training_set,
    fine_tuning,
    customers,
    payment,
    usage_audit,
    omission,
    auction_audit,
)


# TOOLS


def _fresh(path: Path) -> Path:
    """A path at which nothing is left."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    return path


def _grid(value: int) -> str:
    return f"{value / 10_000:.2f}"


def _tokens(tour: Tour, name: str) -> int:
    """Participation tokens that a provider holds, or has locked."""
    stage = tour.sale.stage
    token = Dst(stage.web3, stage.deployment.dst_factory(stage.web3).token_of(tour.sale.auction))
    share = token.balance_of(demo.account(tour.account(name)).address)
    if not share:
        raise QmiaError(f"{name} has no participation tokens")
    return share


def _set_up(tour: Tour) -> bool:
    """Points for proofs: those of the ceremony, or our own where these cannot be had."""
    if tools.is_ignition():
        return True
    try:
        tools.verification_key("threshold-6")
    except QmiaError as error:
        if "could not be fetched" not in str(error):
            raise
        folder = _fresh(tour.folder / "points")
        folder.mkdir()
        os.environ.update(crs.install(folder, (1 << 14) + 1))
        return False
    return True


def _gate(tour: Tour, *, ceremony: bool) -> None:
    """Deploy a gate for small data sets, which believes in the points that proofs are made with."""
    source = verifier_source("threshold-6")
    code = verifier_code(source if ceremony else crs.believing(source))
    path = tour.folder / "deployment.json"
    deploy_gate(tour.sale.stage.sender(1), Deployment.load(path), {"threshold-6": code}).save(path)


def _serve(tour: Tour, servers: ExitStack) -> str:
    """Start model and meter; gives the meter's address."""
    program = "from transformers.cli.transformers import main; main()"
    command = [str(FINETUNE), "-c", program, "serve", MODEL, "--device", "cpu", "--port"]
    model = servers.enter_context(server(tour.folder, "model", command, "/health"))
    (tour.folder / "prices.toml").write_text(PRICES)
    log = ["--log", str(tour.folder / "usage-log")]
    tour.qmia("meter", "prices", tour.sale.auction, tour.folder / "prices.toml", *log)
    words = ["serve", str(tour.sale.auction), "--upstream", model, *log]
    words += ["--tokenizer", str(tour.folder / MODEL / "tokenizer.json"), "--listen"]
    command = [demo.beside("qmia"), "meter", *tour.node, *tour.key(1), *words]
    return servers.enter_context(server(tour.folder, "meter", command, "/health", "127.0.0.1:"))


def _asking(who: str, **more: Any) -> dict[str, Any]:
    message = {"role": "user", "content": "The President of the United States said"}
    body = {"model": MODEL, "messages": [message], "max_tokens": 24, **more}
    return {"json": body, "headers": {"authorization": f"Bearer {who}"}}


def run(command: list[str]) -> str:
    """Run a program to its end; the last line that it says on the way is shown."""
    environment = {**os.environ, "PYTHONPATH": str(demo.ROOT)}
    said: list[str] = []
    process = subprocess.Popen(
        command,
        cwd=demo.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        with demo.console.status("starting") as status:
            # What it prints at its end is short, so that the pipe holds it while this is read.
            for line in process.stderr or ():
                said.append(line)
                status.update(line.strip())
        out = process.stdout.read() if process.stdout else ""
        process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if process.returncode:
        raise QmiaError(f"`{' '.join(command)}` failed:\n{''.join(said[-20:])}")
    return out


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
        with demo.console.status(f"the {name} starts"):
            while True:
                try:
                    httpx.get(address + alive, timeout=10)
                    break
                except httpx.TransportError as error:
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise QmiaError(
                            f"the {name} does not start; see {folder / name}.log"
                        ) from error
                    time.sleep(0.2)
        yield address
    finally:
        demo.end(process)


# THE WHOLE


def _sold(folder: Path, processes: ExitStack) -> tuple[demo.Sale, dict[str, Any]]:
    """The auction that is over, and what steps have told: new, or from where a tour stopped."""
    path, chain = folder / CHECKPOINT, str(folder / CHAIN)
    if not path.exists():
        browser = through_the_browser(processes)
        return demo.sell(folder, processes, browser, "--state", chain), {}
    try:
        kept = json.loads(path.read_text())
        last = int(str(json.loads(Path(chain).read_text())["block"]["timestamp"]), 0)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise QmiaError(
            f"the state of the testnet in {folder} was not kept, because the tour was killed: start"
            " again in a new folder"
        ) from error
    options = ["--state", chain, "--timestamp", str(last + 1)]
    url = processes.enter_context(demo.testnet(folder, *options))
    deployment = Deployment.load(folder / "deployment.json")
    stage = demo.Stage(folder, url, connect([url], chain_id=deployment.chain_id), deployment)
    people = demo_data.providers()
    demo.step("going on with the auction that is over")
    return (
        demo.Sale(stage, buyer=Buyer(stage.sender(1), deployment), people=people, **kept["sale"]),
        kept["told"],
    )


def _keep(tour: Tour) -> None:
    sale = tour.sale
    names = ("auction", "winners", "exposed", "refuted", "documents")
    kept = {"sale": {name: getattr(sale, name) for name in names}, "told": tour.told}
    write_file(tour.folder / CHECKPOINT, json.dumps(kept))


def tour(folder: Path) -> dict[str, Any]:
    """Run all steps in a folder; gives what each found."""
    if not FINETUNE.exists():
        raise QmiaError("the environment for fine-tuning is missing: run `make tour`")
    tools.program(tools.folder())
    started = time.monotonic()
    with ExitStack() as processes:
        sale, told = _sold(folder, processes)
        whole = Tour(sale, folder, told)
        _keep(whole)
        for each in STEPS:
            if each.__name__ in told:
                continue
            demo.step((each.__doc__ or each.__name__).splitlines()[0])
            before = time.monotonic()
            found = each(whole)
            for sentence in found["says"]:
                demo.console.print(f"  {sentence}", highlight=False, soft_wrap=True)
            told[each.__name__] = {**found, "seconds": round(time.monotonic() - before)}
            _keep(whole)
    passed = all(found.get("passed", True) for found in told.values())
    seconds = round(time.monotonic() - started)
    return {"steps": told, "passed": passed, "folder": str(folder), "seconds": seconds}


def show(result: Mapping[str, Any]) -> None:
    """Print what a person reads."""
    out = Console(width=max(Console().width, demo.TABLE_WIDTH))
    for name, found in result["steps"].items():
        out.print(f"[bold]{name.replace('_', ' ')}[/] ({found['seconds']} s)", highlight=False)
        for sentence in found["says"]:
            out.print(f"  {sentence}", highlight=False, soft_wrap=True)
    verdict = "[green]all passed[/]" if result["passed"] else "[red]something failed[/]"
    out.print(
        f"\n{verdict}; {result['seconds']} seconds. Everything is in {result['folder']}.",
        highlight=False,
        soft_wrap=True,
    )


def main() -> None:
    """Run, and print."""
    result, json_wanted = demo.perform("tour", __doc__, tour, CHECKPOINT)
    if json_wanted:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    else:
        show(result)
    sys.exit(0 if result["passed"] else 1)


if __name__ == "__main__":
    main()
