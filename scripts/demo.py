"""One auction on real text, from commitment to claim and audit, on a testnet that it starts itself.

    python -m scripts.demo [--keep DIR] [--json]

Eleven providers (scripts/demo_data.py) sell to one buyer; three operators run the real daemons as
processes of their own; Ape deploys; an auditor replays the logs. One winner hands over a wrong key,
which the buyer refutes on chain. Nothing is mocked: text, models, keys, transactions, archives and
scores are what they would be elsewhere, only smaller. Waiting for deadlines is skipped by moving
the testnet's clock.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from eth_account import Account
from rich import box
from rich.console import Console
from rich.table import Table
from web3.types import RPCEndpoint

from oracles.chain import artifacts
from oracles.chain.client import Sender
from oracles.chain.deployment import Deployment
from oracles.chain.events import read_events
from oracles.chain.rpc import connect, newest
from oracles.chain.signers import LocalSigner
from oracles.chain.terms import (
    GWEI,
    PPB,
    WAD,
    AuctionId,
    DstTerms,
    Durations,
    ScoringTerms,
    Terms,
    WeightTerms,
)
from oracles.chain.tokens import Dst, Erc20, Mut
from oracles.chain.typed_data import delivery_message
from oracles.chain.typed_events import Delivery, FeeClaimed
from oracles.dataset import DeliveryContext, EncryptionKey, wrap_delivery
from oracles.errors import ChainError, IntegrityError, QmiaError
from oracles.evidence import DirectoryStore, read_bundle
from oracles.market.book import BidBook
from oracles.market.buyer import Buyer
from oracles.market.provider import Limits, Provider
from oracles.market.settler import Settler
from oracles.market.shares import issue_dst
from oracles.market.view import bids as revealed_bids
from oracles.market.view import wins
from oracles.mechanism import certify, paper
from scripts import demo_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from web3 import Web3

    from oracles.chain.oracle import RoundMasks
    from oracles.chain.packing import Score
    from oracles.chain.state import AuctionState
    from oracles.market.bids import Bids

ROOT = Path(__file__).resolve().parents[1]
#: Published test phrase: its keys are worth nothing anywhere.
PHRASE = "test test test test test test test test test test test junk"
UNIT = 10**6  # one LUSD
DST_UNIT = 10**18
ETHER = 10**18
GWEI_A_BOND = 10_000_000  # 0.01 ether
STAKE, FEE, ENTRY_FEE, FETCH_FEE = ETHER // 10, 3 * ETHER // 100, ETHER // 1000, ETHER // 1000
#: Pages of each data set, of 16 KiB, that the operators see.
SAMPLES = 3
#: A winner that hands over a wrong key.
CHEAT = "software"
BUDGET, POOL, REVENUE = 450 * UNIT, 150 * UNIT, 240 * UNIT
RHO, TRANCHE = Fraction(3, 4), Fraction(1, 10)
HOUR = 3_600
#: Columns that the final table needs; a narrower pipe or log gets them all the same.
TABLE_WIDTH = 112
#: Longest that the operators may take, seconds of wall clock.
PATIENCE = 1_200

console = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Stage:
    """What all steps need: node, deployment, folder."""

    folder: Path
    url: str
    web3: Web3
    deployment: Deployment

    def sender(self, number: int) -> Sender:
        """A sender for one of the test phrase's accounts."""
        return Sender(self.web3, LocalSigner(account(number)))

    def jump(self, timestamp: int) -> None:
        """Move the testnet's clock to a time, unless it is past it."""
        now = self.web3.eth.get_block("latest")["timestamp"]
        if timestamp > now:
            self.web3.provider.make_request(RPCEndpoint("evm_increaseTime"), [timestamp - now])
            self.web3.provider.make_request(RPCEndpoint("evm_mine"), [])


#: Gives who acts for a provider, by its name and the number of its account; None: the client.
Seller: TypeAlias = "Callable[[Stage, str, int], Provider | None]"


def account(number: int) -> Any:
    """Account of the test phrase: 0 deploys, 1 buys, 2 to 4 operate, 5 and on provide."""
    Account.enable_unaudited_hdwallet_features()
    return Account.from_mnemonic(PHRASE, account_path=f"m/44'/60'/0'/0/{number}")


@dataclass(frozen=True, slots=True)
class Sale:
    """An auction that is over: paid, delivered, claimed; its model has earned nothing yet.

    Attributes:
        stage: where it happened.
        auction: its id.
        buyer: with account 1.
        people: the providers, in the order of their bids.
        winners: indices of those who were paid; whoever cheated is not among them.
        exposed: share of each one's data that operators saw.
        refuted: names of those whose keys were refuted.
        documents: that the buyer received; they are in `received`.
    """

    stage: Stage
    auction: AuctionId
    buyer: Buyer
    people: Sequence[demo_data.DemoProvider]
    winners: Sequence[int]
    exposed: Sequence[float]
    refuted: Sequence[str]
    documents: int


def sell(folder: Path, processes: ExitStack, seller: Seller | None = None, *options: str) -> Sale:
    """One auction, from the deployment to the claims; node and daemons end with the stack.

    Args:
        folder: everything is written there.
        processes: node and daemons.
        seller: makes a provider act in another way than by the Python client.
        options: more words for the node.
    """
    url = processes.enter_context(testnet(folder, *options))
    step("deploying with Ape")
    deploy(folder, url)
    deployment = Deployment.load(folder / "deployment.json")
    stage = Stage(folder, url, connect([url], chain_id=deployment.chain_id), deployment)
    token = local_dollar(stage)

    step("registering three operators")
    configs = [operator(stage, number) for number in range(3)]
    operator_set = gather(configs)
    version, evaluation = metric(stage, configs[0])
    for config in configs:
        processes.enter_context(daemon(config))

    buyer = Buyer(stage.sender(1), deployment)
    key = EncryptionKey.generate()
    auction = buyer.create(terms(token, operator_set, version, evaluation), key, bounty=10**16)
    step(f"auction {auction}: {BUDGET // UNIT} LUSD in cash, {POOL // UNIT} MUT, ρ = {RHO}")

    people = demo_data.providers()
    providers, exposed = commit(stage, people, auction, seller)
    phases = buyer.view(auction).phases
    stage.jump(phases.open_start)
    step(f"samples are drawn: every provider opens {SAMPLES} pages to the operators")
    in_parallel(providers, lambda provider: provider.open(provider.bids(auction)))
    stage.jump(phases.open_end)
    scored(stage, auction)
    stage.jump(phases.reveal_start)
    step("revealing costs (the bot stays away and loses its bond)")
    in_parallel(providers[:-1], lambda provider: provider.bids(auction).reveal())
    stage.jump(phases.reveal_end)
    step("settling")
    Settler(stage.sender(1), deployment).settle(auction)
    view = buyer.view(auction)
    winners = [i for i in sorted(view.revealed) if wins(view, i)]
    store = DirectoryStore(folder / "store")
    step("the buyer fetches the winners' encrypted data")
    stage.jump(phases.settle_end)
    list(buyer.receive(auction, key, store, folder / "received"))
    stage.jump(phases.fetch_end)
    cheats = [i for i in winners if people[i].name == CHEAT] or winners[-1:]
    step(f"{len(winners)} winners hand over their keys; {people[cheats[0]].name} a wrong one")
    honest = [providers[i] for i in winners if i not in cheats]
    in_parallel(honest, lambda provider: provider.bids(auction).deliver())
    deliver_wrongly(stage, providers[cheats[0]].bids(auction), 5 + cheats[0])
    stage.jump(phases.deliver_end)
    received = list(buyer.receive(auction, key, store, folder / "received"))
    refuted = [people[each.index].name for each in received if each.action == "refuted"]
    step(f"the buyer opens and verifies the data, and refutes on chain: {', '.join(refuted)}")
    stage.jump(phases.dispute_end)
    step("claiming cash, MUT and bonds; participation tokens")
    claimants = [p for i, p in enumerate(providers[:-1]) if i not in cheats]
    in_parallel(claimants, lambda provider: provider.bids(auction).claim())
    buyer.withdraw(auction)
    issue_dst(stage.sender(1), deployment, auction)
    paid_out = [i for i in winners if i not in cheats]
    documents = sum(each.documents for each in received)
    return Sale(stage, auction, buyer, people, paid_out, exposed, refuted, documents)


def run(folder: Path) -> dict[str, Any]:
    """Run the whole demo in a folder; returns the final table's rows and the audit's result."""
    started = time.monotonic()
    with ExitStack() as processes:
        sale = sell(folder, processes)
        stage, auction, people = sale.stage, sale.auction, sale.people
        step("the model earns revenue, and the providers claim it")
        sale.buyer.deposit_revenue(auction, REVENUE)
        claim_revenue(sale)
        fees = paid(stage, auction)
        view = sale.buyer.view(auction)
        rows = table_rows(stage, view, people)
        step("auditing: the logs alone, then the operators' evidence")
        answers = audit(stage, auction)
    return {
        "auction": auction,
        "providers": [row | {"exposed": sale.exposed[row["index"]]} for row in rows],
        "refuted": sale.refuted,
        "fees": fees,
        "received_documents": sale.documents,
        "literal": literal(view),
        **answers,
        "folder": str(folder),
        "seconds": round(time.monotonic() - started),
    }


def claim_revenue(sale: Sale) -> dict[str, int]:
    """Every provider takes its share of the revenue; gives smallest units by provider."""
    stage = sale.stage
    mut = Mut(stage.web3, stage.deployment.auction(stage.web3).mut_token(sale.auction))
    due = {}
    for i in sale.winners:
        owner = account(5 + i).address
        due[sale.people[i].name] = mut.revenue_of(owner)
        stage.sender(5 + i).send(mut.claim_for(owner))
    return due


# THE NETWORK


@contextmanager
def testnet(folder: Path, *options: str) -> Iterator[str]:
    """An anvil on a free port, ended with the block; `options` are more words for it."""
    anvil = shutil.which(
        "anvil", path=f"{ROOT / 'node_modules' / '.bin'}{os.pathsep}{os.environ['PATH']}"
    )
    if anvil is None:
        raise ChainError("anvil is missing: run `make setup`")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [anvil, "--port", str(port), "--accounts", "20", "--mnemonic", PHRASE]
    command += ["--hardfork", "osaka", "--enable-tx-gas-limit", "--block-time", "1"]
    command += ["--mixed-mining", "--silent", *options]
    with (folder / "anvil.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            for _ in range(100):
                try:
                    connect([url])
                    break
                except ChainError:
                    if process.poll() is not None:
                        raise
                    time.sleep(0.1)
            yield url
        finally:
            end(process)


def deploy(folder: Path, url: str) -> None:
    """Deploy with Ape's script and Ape's first test account."""
    out = str(folder / "deployment.json")
    network = f"ethereum:local:{url}"
    account = ["--account", "TEST::0", "--windows", "local"]
    tool(["ape", "run", "deploy", "--network", network, *account, "--out", out])


def local_dollar(stage: Stage) -> str:
    """Deploy the settlement token and give the buyer some."""
    built = artifacts.artifact("LocalDollar")
    factory = stage.web3.eth.contract(abi=built["abi"], bytecode=built["bytecode"])
    receipt = stage.sender(0).send(factory.constructor(1_000_000 * UNIT))
    address = str(receipt["contractAddress"])
    token = Erc20(stage.web3, address)
    stage.sender(0).send(token.transfer(account(1).address, BUDGET + REVENUE))
    return address


# THE OPERATORS


def operator(stage: Stage, number: int) -> Path:
    """Write an operator's keys and settings, and register it with its bond."""
    home = stage.folder / f"operator-{number}"
    home.mkdir()
    private(home / "signing.key", account(2 + number).key.hex())
    private(home / "encryption.key", EncryptionKey.generate().secret.hex())
    demo_data.write_jsonl(home / "seed.jsonl", demo_data.seed_corpus())
    config = home / "operator.toml"
    config.write_text(
        f"""rpc = ["{stage.url}"]
deployment = "../deployment.json"
state = "state"
block = "latest"
poll_seconds = 1
turn_seconds = 3
private_key_file = "signing.key"
encryption_key_file = "encryption.key"

[stores]
data = ["{stage.folder / "store"}"]

[exchange]
directory = "{stage.folder / "exchange"}"
listen = "127.0.0.1:0"

[scoring]
seed_corpus = "seed.jsonl"
evaluations = "evaluations"
"""
    )
    tool(["qmia", "operator", "register", "--deposit", "1 ether", "--config", str(config)])
    return config


def gather(configs: Sequence[Path]) -> int:
    """Gather the operators into a set, by their consent; all three must sign."""
    operators = [account(2 + number).address for number in range(3)]
    command = ["qmia", "operator", "set"]
    own = ["--config", str(configs[0]), "--json"]
    proposed = json.loads(tool([*command, "propose", *operators, "--threshold", "3", *own]))
    for config in configs:
        tool([*command, "accept", str(proposed["operator_set"]), "--config", str(config)])
    return int(proposed["operator_set"])


def metric(stage: Stage, config: Path) -> tuple[bytes, bytes]:
    """The metric version and the evaluation set's digest; the set goes to every operator."""
    evaluation = stage.folder / "evaluation.jsonl"
    demo_data.write_jsonl(evaluation, demo_data.evaluation())
    digest = ""
    for number in range(3):
        own = stage.folder / f"operator-{number}" / "operator.toml"
        answer = tool(
            ["qmia", "operator", "evaluation", str(evaluation), "--json", "--config", str(own)]
        )
        digest = json.loads(answer)["evaluation"]
    answer = tool(["qmia", "operator", "metric", "--json", "--config", str(config)])
    version = json.loads(answer)["metric_version"]
    return bytes.fromhex(version[2:]), bytes.fromhex(digest[2:])


@contextmanager
def daemon(config: Path) -> Iterator[None]:
    """`qmia operator run` as a process of its own, ended with the block."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (config.parent / "daemon.log").open("wb") as log:
        process = subprocess.Popen(
            [beside("qmia"), "operator", "run", "--config", str(config)],
            stdout=log,
            stderr=log,
            env=environment,
        )
        try:
            yield
        finally:
            end(process)


def scored(stage: Stage, auction: AuctionId) -> None:
    """Wait until the operators have committed to, opened and posted the scores."""
    oracle = stage.deployment.oracle(stage.web3)
    consumer = stage.deployment.address("DataAuction")
    windows = oracle.windows(consumer, auction, 1)
    deadline = time.monotonic() + PATIENCE
    with console.status("three operators fetch the samples and call the roll") as status:

        def wait(done: Callable[[], int], goal: int, what: str) -> None:
            while (number := done()) < goal:
                if time.monotonic() > deadline:
                    raise ChainError(f"{what}: not in {PATIENCE} s; see operator-*/daemon.log")
                status.update(f"{what}: {number} of {goal}")
                time.sleep(0.5)

        def masks() -> RoundMasks:
            return oracle.request(consumer, auction).rounds[0]

        wait(lambda: oracle.roll_of(consumer, auction)[0].bit_count(), 3, "roll called")
        stage.jump(windows.commit)
        wait(lambda: masks().committed.bit_count(), 3, "scored and committed (a minute or two)")
        stage.jump(windows.open)
        wait(lambda: int(masks().complete), 1, "scores on chain")
    step("the three operators agree: scores are on chain")


def paid(stage: Stage, auction: AuctionId) -> dict[str, str]:
    """Wait until every operator has taken its fee; gives wei by operator."""
    deadline = time.monotonic() + PATIENCE
    address = stage.deployment.address("ScoreOracle")
    with console.status("operators collect their fees"):
        while True:
            found = {
                str(event.body.member): str(event.body.amount)
                for event in read_events(
                    stage.web3, [address], stage.deployment.block, newest(stage.web3)
                )
                if isinstance(event.body, FeeClaimed) and event.body.auction_id == auction
            }
            if len(found) == 3:
                return found
            if time.monotonic() > deadline:
                raise ChainError("operators do not collect their fees; see operator-*/daemon.log")
            time.sleep(0.5)


# THE MARKET


def terms(token: str, operator_set: int, version: bytes, evaluation: bytes) -> Terms:
    """The buyer's terms."""
    return Terms(
        token=token,
        budget=BUDGET,
        pool=POOL,
        rho=int(RHO * PPB),
        tranche=int(TRANCHE * PPB),
        weights=WeightTerms(),
        bond_gwei=GWEI_A_BOND,
        max_bids=100,
        enrolment=False,
        agreement=bytes(32),
        scoring=ScoringTerms(
            operator_set=operator_set,
            samples=SAMPLES,
            q_min=500,
            stake_gwei=STAKE // GWEI,
            fee_gwei=FEE // GWEI,
            entry_fee_gwei=ENTRY_FEE // GWEI,
            appeal_fee_gwei=0,
            fetch_fee_gwei=FETCH_FEE // GWEI,
            metric_version=version,
            evaluation=evaluation,
        ),
        durations=Durations(HOUR, HOUR, HOUR, HOUR, HOUR, HOUR, 0, HOUR, HOUR, HOUR, HOUR, HOUR),
        dst=DstTerms(
            100_000 * DST_UNIT,
            5_000 * DST_UNIT,
            40_000 * DST_UNIT,
            300_000_000,
            400_000_000,
            300_000_000,
        ),
    )


def commit(
    stage: Stage,
    people: Sequence[demo_data.DemoProvider],
    auction: AuctionId,
    seller: Seller | None = None,
) -> tuple[list[Provider], list[float]]:
    """Every provider packs, encrypts, publishes and commits, in order.

    Returns:
        The providers, and the share of each one's data that the operators see.
    """
    store = DirectoryStore(stage.folder / "store")
    plain = stage.folder / "plain"
    plain.mkdir()
    providers, exposed = [], []
    for number, person in enumerate(people):
        home = stage.folder / "providers" / person.name
        source = home / "data.jsonl"
        demo_data.write_jsonl(source, person.records)
        # By bid, as `qmia audit scores --data` wants it.
        (plain / f"{number}.jsonl").symlink_to(source)
        # The test network's phases last seconds: nobody would accept that elsewhere.
        limits = Limits(window=1, exposed=0.5)
        book = BidBook(home / "bids")
        provider = seller(stage, person.name, 5 + number) if seller else None
        provider = provider or Provider(
            stage.sender(5 + number), stage.deployment, book, store, limits
        )
        prepared = provider.prepare(auction, source, person.cost * UNIT)
        provider.commit(prepared)
        providers.append(provider)
        exposed.append(prepared.exposed)
    step(f"{len(people)} providers committed encrypted data and sealed costs")
    return providers, exposed


def deliver_wrongly(stage: Stage, bids: Bids, number: int) -> None:
    """Hand over a key that opens nothing, as no honest program does."""
    (record,) = bids.placed
    exchange = stage.deployment.exchange(stage.web3)
    context = DeliveryContext(record.chain_id, record.contract, record.auction, record.place.index)
    sealed = wrap_delivery(bytes(32), bids.view.buyer_key, context)
    x, y = (part.to_bytes(32, "big") for part in sealed.point)
    message = delivery_message(
        exchange.domain, record.auction, record.place.index, sealed.wrapped, x + y
    )
    signature = LocalSigner.from_secret(sealed.secret).sign_typed(message)
    delivery = Delivery(sealed.wrapped, x, y)
    stage.sender(number).send(exchange.deliver(record.auction, record.place, delivery, signature))


def in_parallel(providers: Sequence[Provider], action: Any) -> None:
    """Do something as every provider; the first error is raised."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(action, providers))


# THE RESULT


def table_rows(
    stage: Stage, view: AuctionState, people: Sequence[demo_data.DemoProvider]
) -> list[dict[str, Any]]:
    """One row a provider: scores, bid, what it got."""
    scores = view.scores(stage.web3, view.accepted_round)
    parts = quality_parts(stage)
    token = Erc20(stage.web3, view.terms.token)
    mut = Mut(stage.web3, stage.deployment.auction(stage.web3).mut_token(view.id))
    dst = Dst(stage.web3, stage.deployment.dst_factory(stage.web3).token_of(view.id))
    rows = []
    for index, person in enumerate(people):
        owner = account(5 + index).address
        bid = view.revealed.get(index)
        share, balance = mut.balance_of(owner), token.balance_of(owner)
        revenue = REVENUE * share // mut.total_supply()
        won = wins(view, index) and index not in view.struck_out
        rows.append(
            {
                "index": index,
                "provider": person.name,
                "damage": person.damage,
                **{name: parts[str(index)][name] for name in QUALITY_PARTS},
                **score_row(scores[index]),
                "weight": str(bid.weight) if bid else "0",
                "revealed": bid is not None,
                "bid": str(person.cost * UNIT),
                "won": won,
                "cash": str(balance - revenue),
                "mut": str(share),
                "dst": str(dst.balance_of(owner)),
                "revenue": str(revenue),
            }
        )
    return rows


QUALITY_PARTS = ("cleanliness", "diversity", "novelty", "metadata")


def score_row(score: Score) -> dict[str, Any]:
    """Score on chain, by name."""
    return {
        "q": score.q,
        "phi": score.phi,
        "volume": score.volume,
        "present": score.present,
        "underserved": score.underserved,
    }


def quality_parts(stage: Stage) -> dict[str, dict[str, int]]:
    """The four metrics of every provider, from the first operator's evidence."""
    store = DirectoryStore(stage.folder / "operator-0" / "state" / "evidence")
    for cid in store.cids():
        try:
            content = read_bundle(store, cid).content
        except IntegrityError:  # the tensors of a bundle lie beside it
            continue
        quality: dict[str, dict[str, int]] = content["assessment"]["quality"]
        return quality
    raise QmiaError("the first operator's evidence is missing")


def literal(view: AuctionState) -> dict[str, Any]:
    """What the paper's own listing would have done with these bids, and the efficiency bound."""
    bids = revealed_bids(view)
    outcome = paper.algorithm_1(bids, budget=view.beta)
    winners = [bid.index for bid in bids if wins(view, bid.index)]
    certificate = certify(bids, winners, beta=view.beta)
    return {
        "winners": list(outcome.winners),
        "payments": {str(i): float(payment) / UNIT for i, payment in outcome.payments.items()},
        "total": float(outcome.total) / UNIT,
        "budget": view.beta / UNIT,
        "overspends": outcome.overspends,
        "certificate_holds": certificate.holds,
    }


def audit(stage: Stage, auction: AuctionId) -> dict[str, Any]:
    """Archive the logs, replay them, and hold the operators' evidence against them.

    Everything is left in the folder, so that the same commands work when the testnet is gone.
    """
    folder = stage.folder
    archive, command = str(folder / "market.qmia-archive"), ["qmia", "audit"]
    chain = ["--rpc", stage.url, "--block-tag", "latest"]
    chain += ["--deployment", str(folder / "deployment.json")]
    tool([*command, "archive", archive, *chain])
    report = ["--report", str(folder / "report.html")]
    replayed = tool([*command, "replay", archive, *report, "--json"], allowed=(0, 1))
    stores = [f"--evidence={folder}/operator-{number}/state/evidence" for number in range(3)]
    stores.append(f"--evidence={folder}/store")
    evidence = [*command, "scores", archive, "--auction", str(auction), *stores, "--json"]
    return {
        "audit": json.loads(replayed),
        "evidence": json.loads(tool(evidence, allowed=(0, 1))),
    }


def show(result: dict[str, Any]) -> None:
    """Print the table that a person understands."""
    out = Console(width=max(Console().width, TABLE_WIDTH))
    table = Table(
        title=f"Auction {result['auction']}",
        header_style="bold",
        box=box.HORIZONTALS,
        padding=(0, 1, 0, 0),
    )
    table.add_column("provider", no_wrap=True)
    scores = ("clean", "divers", "novel", "meta", "q", "φ", "weight")
    for name in (*scores, "seen", "bid", "won", "cash", "MUT", "DST", "revenue"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in result["providers"]:
        table.add_row(
            row["provider"],
            *(grid(row[name]) for name in (*QUALITY_PARTS, "q", "phi")),
            f"{int(row['weight']) / WAD:.3f}" if int(row["weight"]) else "–",
            f"{row['exposed']:.0%}",
            money(row["bid"]) if row["revealed"] else "sealed",
            "[green]yes[/]" if row["won"] else "no",
            *(money(row[name]) if row["won"] else "" for name in ("cash", "mut")),
            f"{int(row['dst']) // DST_UNIT:,}" if row["won"] else "",
            money(row["revenue"]) if row["won"] else "",
            style=None if row["won"] else "dim",
        )
    out.print(table)
    for row in result["providers"]:
        if row["damage"]:
            out.print(f"  {row['provider']}: {row['damage']}")
    losers = [row["exposed"] for row in result["providers"] if not row["won"]]
    out.print(
        f"\nseen: share of the data that operators saw. Of losers' data {min(losers):.0%} to"
        f" {max(losers):.0%}; the rest stays sealed for ever."
    )
    for name in result["refuted"]:
        out.print(f"{name} handed over a wrong key: refuted on chain, its payment went back.")
    fees = sum(map(int, result["fees"].values())) / ETHER
    out.print(f"Three operators shared {fees:.4f} ether in fees for their scores.")
    rule = result["literal"]
    excess = rule["total"] / rule["budget"]
    out.print(
        f"\nThe paper's literal rule would have paid {rule['total']:.2f} to {len(rule['winners'])}"
        f" winners: {excess:.2f} times the {rule['budget']:.2f} it has."
        + (" [red]It overspends.[/]" if rule["overspends"] else "")
    )
    out.print(
        f"The buyer opened and verified {result['received_documents']} documents."
        f" Efficiency certificate: {'holds' if rule['certificate_holds'] else 'FAILS'}."
    )
    for name, what in (("audit", "Audit from the logs alone"), ("evidence", "Operators' evidence")):
        verdict = "[green]passed[/]" if result[name]["passed"] else "[red]has findings[/]"
        out.print(f"{what}: {verdict}.")
    out.print(f"Report: {result['folder']}/report.html", soft_wrap=True)
    out.print(f"{result['seconds']} seconds.")


def grid(value: int) -> str:
    """A score on its grid, as a decimal."""
    return f"{value / 10_000:.2f}"


def money(amount: str) -> str:
    """Token units as LUSD."""
    return f"{int(amount) / UNIT:.2f}"


# PROCESSES


def step(text: str) -> None:
    """Say what has been done or begins."""
    console.print(f"[bold cyan]▸[/] {text}", highlight=False, soft_wrap=True)


def beside(name: str) -> str:
    """A command that is installed beside this interpreter."""
    return str(Path(sys.executable).with_name(name))


def tool(command: Sequence[str], *, allowed: tuple[int, ...] = (0,)) -> str:
    """Run a command to its end and return what it printed.

    Args:
        command: its first word is installed beside this interpreter.
        allowed: exit codes.

    Raises:
        QmiaError: it failed.
    """
    words = [beside(command[0]), *command[1:]]
    bin_folder = str(ROOT / "node_modules" / ".bin")
    own = {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **own}
    )
    if done.returncode not in allowed:
        raise QmiaError(f"`{' '.join(command)}` failed:\n{done.stderr or done.stdout}")
    return done.stdout


def private(path: Path, text: str) -> None:
    """Write a secret that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(text + "\n")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to stop, then insist."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def perform(
    name: str, about: str | None, run: Callable[[Path], dict[str, Any]], checkpoint: str = ""
) -> tuple[dict[str, Any], bool]:
    """Parse arguments and run in a folder; gives the result, and whether JSON is wanted.

    Args:
        name: of the program.
        about: what it does, in its first line.
        run: does it.
        checkpoint: file from which it goes on where a folder has one.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0] if about else "")
    parser.add_argument("--keep", type=Path, help=f"folder for everything the {name} writes")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix=f"qmia-{name}-"))
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    resumes = bool(checkpoint) and (folder / checkpoint).exists()
    if any(folder.iterdir()) and not resumes:
        parser.error(f"{folder} is not empty: name a new folder")
    # Ending it ends its testnet and daemons too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return run(folder), arguments.json
    except QmiaError as error:
        console.print(f"[bold red]{name}:[/] {error}", soft_wrap=True)
        code = 2
    except (KeyboardInterrupt, SystemExit) as end:
        console.print(f"[bold red]{name}:[/] interrupted")
        code = 143 if isinstance(end, SystemExit) else 130
    console.print(f"Everything it wrote is in {folder}.", soft_wrap=True)
    if checkpoint and (folder / checkpoint).exists():
        console.print(f"It goes on from there with `--keep {folder}`.", soft_wrap=True)
    sys.exit(code)


def main() -> None:
    """Run, and print."""
    result, json_wanted = perform("demo", __doc__, run)
    if json_wanted:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    else:
        show(result)
    sys.exit(0 if result["audit"]["passed"] and result["evidence"]["passed"] else 1)


if __name__ == "__main__":
    main()
