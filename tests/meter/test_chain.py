"""From bought data to the providers' revenue on a node, in the words that people would type."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from oracles.chain import rpc, sending
from oracles.chain.tokens import Mut
from oracles.dataset import EncryptionKey
from oracles.market.buyer import Buyer
from oracles.meter.events import MICRO
from oracles.meter.proxy import RECEIPT
from tests.cli.test_market_commands import Shell
from tests.meter.test_proxy import Upstream, serving
from tests.support.faults import Unruly
from tests.support.market import COSTS, SCORES, UNIT, Market, signer
from tests.support.middleman import Middleman

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


SELLERS = ("cheap", "fair")
#: A million tokens in, and out: high, so that a few words make whole units.
PRICES = "[tiny]\nin = 1_500_000_000_000\nout = 6_000_000_000_000\n"


@pytest.fixture
def auction(market: Market) -> int:
    """An auction that is over: two sold, the buyer received, all claimed."""
    key = EncryptionKey.generate()
    buyer = Buyer(market.sender("buyer"), market.deployment)
    auction = buyer.create(market.terms(), key)
    for name in SELLERS:
        provider = market.provider(name)
        provider.commit(provider.prepare(auction, market.data(name), COSTS[name]))
    market.open(auction, *SELLERS)
    market.score(auction, SCORES[:2])
    _, phases = market.deployment.auction(market.web3).phases(auction)
    market.jump(phases.reveal_start)
    for name in SELLERS:
        market.provider(name).bids(auction).reveal()
    market.jump(phases.reveal_end)
    market.settler().settle(auction)
    list(buyer.receive(auction, key, market.store, market.folder / "buyer/received"))
    market.jump(phases.fetch_end)
    for name in SELLERS:
        market.provider(name).bids(auction).deliver()
    list(buyer.receive(auction, key, market.store, market.folder / "buyer/received"))
    market.jump(phases.dispute_end)
    for name in SELLERS:
        market.provider(name).bids(auction).claim()
    return auction


@contextmanager
def metering(shell: Shell, auction: int, upstream: str, log: Path, *more: str) -> Iterator[str]:
    """`qmia meter serve` as a process of its own, ended with SIGTERM."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", "from oracles.cli import main; main()", "meter"]
    command += ["--rpc", shell.market.anvil.url]
    command += ["--deployment", str(shell.home / "deployment.json")]
    command += ["--keystore", str(shell.home / "key.json")]
    command += ["--passphrase-file", str(shell.home / "passphrase")]
    command += ["serve", str(auction), "--upstream", upstream, "--log", str(log)]
    command += ["--listen", f"127.0.0.1:{port}", *more]
    with (shell.home / "meter.log").open("ab") as told:
        process = subprocess.Popen(command, stdout=told, stderr=told, env={**os.environ})
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(address + "/v1/models", timeout=30)
                break
            except httpx.TransportError:
                text = (shell.home / "meter.log").read_text()
                assert process.poll() is None, text
                assert time.monotonic() < deadline, text
                time.sleep(0.1)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) in (0, -signal.SIGTERM)


def ask(address: str, who: str, **body: Any) -> httpx.Response:
    """One customer's question."""
    content = {"model": "tiny", "prompt": "a b c d", **body}
    headers = {"authorization": f"Bearer {who}"}
    return httpx.post(address + "/v1/completions", json=content, headers=headers, timeout=30)


def test_usage__metered_paid_and_audited__reaches_the_providers_and_no_omission_is_hidden(
    market: Market, auction: int, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(market, "buyer", capsys)
    home = shell.home
    log, prices = home / "usage-log", home / "prices.toml"
    prices.write_text(PRICES)

    # The set, and the card that says whose the revenue is.
    made = shell.json(
        "buyer", "train-set", auction, "--received", home / "received", "--out", home / "set"
    )
    assert made["rows"] == 10
    mut = market.deployment.auction(market.web3).mut_token(auction)
    assert mut in shell("buyer", "model-card", "tiny", "--set", home / "set")

    # Three customers, one of whom leaves in the middle of an answer.
    assert "no price list yet" in shell(
        "meter", "serve", auction, "--upstream", "http://127.0.0.1:9", "--log", log, code=2
    )
    shell("meter", "prices", auction, prices, "--log", log)
    upstream = Upstream()
    receipts = home / "receipts.txt"
    with serving(upstream) as server, metering(shell, auction, server, log) as address:
        first = ask(address, "ann").headers[RECEIPT]
        second = ask(address, "ben", stream=True).text.split(f": {RECEIPT} ")[1].split("\n")[0]
        upstream.pause = 0.3
        body = {"model": "tiny", "prompt": "a b c d", "stream": True}
        with httpx.stream("POST", address + "/v1/completions", json=body) as reply:
            next(reply.iter_bytes())
        receipts.write_text(f"{first}\n{second}\n")
        # A licence while the meter runs, and a command that needs the log for itself.
        said = shell("meter", "licence", auction, "5 LUSD", "--what", "weights",
                     "--customer", "ACME", "--log", log)  # fmt: skip
        assert "handed to the meter" in said
        assert "another program writes" in shell("meter", "close", auction, "--log", log, code=2)
        events = log / "events.jsonl"
        deadline = time.monotonic() + 30
        while events.read_bytes().count(b"\n") < 5:
            assert time.monotonic() < deadline, events.read_text()
            time.sleep(0.1)

    # A period with its payment, and an empty one: silence shows.
    amounts = [
        json.loads(line)["data"].get("amount", "0") for line in events.read_text().splitlines()
    ]
    revenue = sum(map(int, amounts)) // MICRO
    assert revenue > 5 * UNIT
    (closed,) = shell.json("meter", "close", auction, "--log", log)
    assert closed["revenue"] == str(revenue)
    assert closed["transaction"].startswith("0x")
    assert shell.json("meter", "close", auction, "--log", log)[0]["revenue"] == "0"
    assert len(shell.json("meter", "status", "--log", log)) == 2

    # Every holder gets its share, and the audits agree.
    holders = Mut(market.web3, mut)
    for name in SELLERS:
        share = holders.balance_of(signer(name).address)
        assert holders.revenue_of(signer(name).address) == revenue * share // holders.total_supply()
    node = ["--rpc", market.anvil.url, "--deployment", str(home / "deployment.json")]
    publisher = signer("buyer").address

    def audit(*more: object, code: int = 0) -> Any:
        words = ["usage", log, mut, publisher, *node, "--receipts", receipts, "--json", *more]
        with pytest.raises(SystemExit) as end:
            _main(["audit", *map(str, words)])
        out, err = capsys.readouterr()
        assert end.value.code == code, out + err
        return json.loads(out)

    found = audit()
    assert (found["differences"], found["rejected"], found["periods"]) == ([], [], 2)
    assert (found["metered"], found["other"]) == (str(revenue), "0")
    assert len(found["by_customer"]) == 4
    Buyer(market.sender("buyer"), market.deployment).deposit_revenue(auction, UNIT)
    assert audit()["other"] == str(UNIT)
    page = home / "usage.html"
    audit("--report", page)
    html = page.read_text()
    assert "passed" in html
    assert all(signer(name).address in html for name in SELLERS)
    assert html.count("<svg") == 3
    assert "http" not in html  # no network
    with pytest.raises(SystemExit) as end:
        _main(["audit", "replay", *node, "--block-tag", "latest", "--json"])
    replayed = json.loads(capsys.readouterr().out)
    assert end.value.code == 0, replayed["findings"]
    assert replayed["checks"]["usage.accrued"]["made"] == 2

    # A publisher that leaves ben's answer out before it closes the next period.
    with serving(Upstream()) as server, metering(shell, auction, server, log) as address:
        receipts.write_text(f"{ask(address, 'ben').headers[RECEIPT]}\n")
        ask(address, "ann")
    lines = events.read_bytes().splitlines(keepends=True)
    kept = lines[-1].replace(b'"id":"6"', b'"id":"5"')
    assert kept != lines[-1]
    events.write_bytes(b"".join([*lines[:-2], kept]))
    shell("meter", "close", auction, "--log", log)
    receipt = receipts.read_text()
    found = audit(code=1)
    assert [each["where"] for each in found["differences"]] == ["receipt 5"]
    # Without the receipt nobody would know.
    receipts.write_text("")
    assert audit()["differences"] == []
    # What somebody else signed, and what is none, accuses nobody.
    receipts.write_text(f"{receipt.strip()[:-4]}0000\nrubbish\n")
    assert len(audit()["rejected"]) == 2


def _main(words: list[str]) -> None:
    from oracles.cli import main

    main(words)


def test_periods__of_a_running_meter__are_posted_by_the_clock(
    market: Market, auction: int, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(market, "buyer", capsys)
    log, prices = shell.home / "usage-log", shell.home / "prices.toml"
    prices.write_text(PRICES)
    shell("meter", "prices", auction, prices, "--log", log)
    mut = market.deployment.auction(market.web3).mut_token(auction)
    usage = market.deployment.usage_log(market.web3)
    with (
        serving(Upstream()) as server,
        metering(shell, auction, server, log, "--every", "1s") as address,
    ):
        ask(address, "ann")
        deadline = time.monotonic() + 60
        while usage.last(mut, signer("buyer").address).periods < 3:
            assert time.monotonic() < deadline, (shell.home / "meter.log").read_text()
            time.sleep(0.2)
    # Ended in the middle of anything: the next command goes on where it stopped.
    shell("meter", "close", auction, "--log", log)
    told = shell.json("meter", "status", "--log", log)
    assert usage.last(mut, signer("buyer").address).periods == len(told)
    assert all(each["transaction"] is not None for each in told)
    assert Mut(market.web3, mut).revenue_of(signer("cheap").address) > 0


def test_meter__of_an_auction_without_mut__says_so(
    market: Market, capsys: pytest.CaptureFixture[str]
) -> None:
    buyer = Buyer(market.sender("buyer"), market.deployment)
    auction = buyer.create(market.terms(), EncryptionKey.generate())
    shell = Shell(market, "buyer", capsys)
    assert "has no MUT" in shell("meter", "close", auction, code=2)


def test_meter__on_a_machine_whose_clock_is_days_ahead__writes_nothing(
    market: Market, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log would never go back, and nothing of it could be posted for days."""
    now = market.web3.eth.get_block("latest")["timestamp"]
    monkeypatch.setattr("oracles.cli.meter.time", SimpleNamespace(time=lambda: now + 2 * 86_400))
    shell = Shell(market, "buyer", capsys)
    (shell.home / "prices.toml").write_text(PRICES)
    log = ("--log", shell.home / "usage-log")
    for words in (("prices", 1, shell.home / "prices.toml"), ("close", 1),
                  ("serve", 1, "--upstream", "http://127.0.0.1:9")):  # fmt: skip
        assert "48 hours ahead" in shell("meter", *words, *log, code=2)
    assert not (shell.home / "usage-log").exists()


def through_unruly_nodes(
    market: Market, auction: int, capsys: pytest.CaptureFixture[str], seeds: Iterable[int]
) -> None:
    """A licence for each seed, posted through a node that lies, loses, repeats and refuses."""
    shell = Shell(market, "buyer", capsys)
    log, prices, token = shell.home / "usage-log", shell.home / "prices.toml", market.token
    prices.write_text(PRICES)
    shell("meter", "prices", auction, prices, "--log", log)
    mut = market.deployment.auction(market.web3).mut_token(auction)
    usage, buyer = market.deployment.usage_log(market.web3), signer("buyer").address
    before, posted = token.balance_of(mut), 0
    between = Middleman(market.anvil.url)
    try:
        for seed in seeds:
            shell("meter", "licence", auction, "1 LUSD", "--what", "weights", "--customer", "ACME",
                  "--log", log)  # fmt: skip
            posted += 1
            for attempt in range(6):
                unruly = Unruly(100 * seed + attempt)
                between.hook = unruly if attempt < 5 else lambda *_: None
                code, said = shell.through(between.url, "meter", "close", auction, "--log", log)
                story = f"seed {seed}, try {attempt}: {said}\n{unruly.did}"
                assert "Traceback" not in said, story
                assert "secretkey" not in said, story
                assert code in (0, 2), story
                assert token.balance_of(mut) - before <= posted * UNIT, story
                if code == 0:
                    break
            else:
                # An earlier try went through, which is said once.
                shell("meter", "close", auction, "--log", log)
            told = shell.json("meter", "status", "--log", log)
            assert token.balance_of(mut) - before == posted * UNIT, story
            assert usage.last(mut, buyer).periods == len(told), story
    finally:
        between.close()


def test_close__through_an_unruly_node__pays_each_period_once(
    market: Market,
    auction: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quicken(monkeypatch)
    through_unruly_nodes(market, auction, capsys, range(3))


@pytest.mark.slow
def test_close__through_an_unruly_node__many_schedules(
    market: Market,
    auction: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quicken(monkeypatch)
    through_unruly_nodes(market, auction, capsys, range(3, 60))


def quicken(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rpc, sending):
        monkeypatch.setattr(module, "_FIRST_PAUSE", 0.001)
        monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.02)
