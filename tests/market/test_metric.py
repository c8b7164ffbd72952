"""The veto on a real node, from an auction that paid to a version that nobody may use."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
from web3.types import RPCEndpoint

from oracles import registry
from oracles.audit import replay
from oracles.audit.node import Node
from oracles.audit.summary import summarise
from oracles.chain.deployment import Deployment, deploy_registry
from oracles.chain.events import read_events
from oracles.chain.metric import RegistryRules
from oracles.chain.state import load_auction
from oracles.chain.terms import DstTerms
from oracles.chain.tokens import Dst
from oracles.dataset import EncryptionKey
from oracles.errors import ConfigError, GapError
from oracles.market.buyer import Buyer
from oracles.market.shares import issue_dst
from oracles.mechanism.veto import Standing
from tests.cli.test_market_commands import Shell
from tests.market.test_market import settle
from tests.support.market import ETHER, UNIT, Market, signer

if TYPE_CHECKING:
    from pathlib import Path


WINDOW = 14 * 86_400


def document(weight: int) -> bytes:
    return rfc8785.dumps({"schema": "qmia/metric/2", "quality": {"weights": [weight]}})


class Sold:
    """An auction that paid two providers and issued their tokens, and a registry after it."""

    def __init__(self, market: Market) -> None:
        self.market = market
        buyer = Buyer(market.sender("buyer"), market.deployment)
        supply = DstTerms(
            100_000 * ETHER, ETHER, 60_000 * ETHER, 500_000_000, 250_000_000, 250_000_000
        )
        key = EncryptionKey.generate()
        self.auction = buyer.create(market.terms(dst=supply), key)
        settle(market, self.auction, "cheap", "fair")
        market.jump(market.deployment.auction(market.web3).phases(self.auction)[1].settle_end)
        list(buyer.receive(self.auction, key, market.store, market.folder / "received"))
        market.jump(market.deployment.auction(market.web3).phases(self.auction)[1].fetch_end)
        for name in ("cheap", "fair"):
            market.provider(name).bids(self.auction).deliver()
        market.jump(market.deployment.auction(market.web3).phases(self.auction)[1].dispute_end)
        issue_dst(market.sender("fair"), market.deployment, self.auction)
        state = load_auction(market.web3, market.deployment, self.auction)
        self.payout = state.payout
        self.genesis = state.terms.scoring.metric_version
        rules = RegistryRules(
            "", market.token.address, 10 * UNIT, 2_000, WINDOW, ETHER // 10, self.genesis
        )  # fmt: skip
        self.deployment = deploy_registry(market.sender("deployer"), market.deployment, rules)
        self.registry = self.deployment.address("MetricRegistry")
        token = self.deployment.dst_factory(market.web3).token_of(self.auction)
        self.dst = Dst(market.web3, token)

    def share(self, name: str) -> int:
        return self.dst.balance_of(signer(name).address)

    def pass_time(self, seconds: int) -> None:
        now = self.market.web3.eth.get_block("latest")["timestamp"]
        self.market.jump(int(now) + seconds)

    def standing(self, version: bytes) -> Any:
        return registry.tallies(self.market.web3, self.deployment, self.registry)[version]


@pytest.fixture
def sold(market: Market) -> Sold:
    return Sold(market)


def in_shell(sold: Sold, name: str, capsys: pytest.CaptureFixture[str]) -> Shell:
    shell = Shell(sold.market, name, capsys)
    sold.deployment.save(shell.home / "deployment.json")
    return shell


def test_commands__propose_object_status_check__and_nobody_buys_or_audits_by_what_was_vetoed(
    sold: Sold, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ann, bob = in_shell(sold, "cheap", capsys), in_shell(sold, "fair", capsys)
    paths = {name: tmp_path / f"{name}.json" for name in ("bad", "good")}
    for weight, path in enumerate(paths.values()):
        path.write_bytes(document(weight))
    bad, good = (hashlib.sha256(path.read_bytes()).hexdigest() for path in paths.values())
    for path in paths.values():
        proposed = bob.json("metric", "propose", path)
    assert proposed == {"version": "0x" + good, "registry": sold.registry}
    assert "proposed" in bob("metric", "propose", paths["bad"], code=2).lower()

    # A fifth of what was paid is a veto: 12,000 of 100,000 tokens are not, 8,000 more are.
    objected = ann.json("metric", "object", bad, "--auction", sold.auction, "--amount", "12000 DST")
    assert objected["locked"] == "12,000 DST"
    assert sold.standing(bytes.fromhex(bad)).standing is Standing.OPEN
    bob("metric", "object", bad, "--auction", sold.auction, "--amount", "8000 DST")
    rows = {row["version"][2:]: row for row in ann.json("metric", "status")["versions"]}
    assert [rows[version]["standing"] for version in (bad, good)] == ["vetoed", "open"]
    assert int(rows[bad]["electorate"]) == sold.payout
    assert int(rows[bad]["against"]) == int(rows[bad]["needed"]) == sold.payout // 5
    assert "vetoed" in ann("metric", "status")
    assert "too early: this can be done from" in ann("metric", "release", sold.auction, code=2)

    sold.pass_time(WINDOW)
    market, buyer = sold.market, Buyer(sold.market.sender("buyer"), sold.deployment)
    created = {}
    for version in (bad, good, "00" * 31 + "07"):
        terms = market.terms(
            budget=60 * UNIT, pool=20 * UNIT,
            scoring=replace(market.scoring(), metric_version=bytes.fromhex(version)),
        )  # fmt: skip
        # No contract refuses: whoever does not ask the registry can do as it likes.
        created[version] = buyer.create(terms, EncryptionKey.generate())
    for (version, number), why in zip(
        created.items(), ("was vetoed", "", "was never proposed"), strict=True
    ):
        found = json.loads(ann("metric", "check", number, "--json", code=1 if why else 0))
        assert found["accepted"] == (not why)
        assert why in (found["problem"] or "")
        assert version in (found["problem"] or version)
        words = ("commit", number, market.data("cheap"), "--cost", "5 LUSD", "--max-exposed", "1")
        out = ann("provider", *words, "--min-window", "10 min", *ann.book, code=2 if why else 0)
        assert why in out

    state = replay(Node(market.web3, sold.deployment, block_tag="latest"))
    assert state.findings() == []
    flags = {each["auction"]: each["metric_objection"] for each in summarise(state)["auctions"]}
    assert flags[sold.auction] is flags[created[good]] is None
    assert "vetoed" in flags[created[bad]]
    assert "never proposed" in flags[created["00" * 31 + "07"]]
    tallied = state.registry.tallies(state.auctions.auctions.values(), state.block.time)
    assert tallied[bytes.fromhex(bad)] == sold.standing(bytes.fromhex(bad))

    sold.pass_time(WINDOW)
    assert ann.json("metric", "release", sold.auction)["released"] == "12,000 DST"
    assert sold.standing(bytes.fromhex(bad)).standing is Standing.VETOED


def test_claims__that_come_late__change_neither_side(market: Market) -> None:
    """Who waits with its cash or its tokens neither saves a version from a veto nor vetoes it."""
    sold = Sold(market)
    version = registry.propose(market.sender("dear"), registry_contract(sold), document(1))
    amount = sold.payout and 20_000 * ETHER
    registry.object_to(
        market.sender("cheap"), registry_contract(sold), version, sold.dst.address, amount
    )
    before = sold.standing(version)
    assert before.standing is Standing.VETOED
    market.provider("fair").bids(sold.auction).claim()
    assert sold.standing(version) == before


def registry_contract(sold: Sold) -> Any:
    from oracles.chain.metric import MetricRegistryContract

    return MetricRegistryContract(sold.market.web3, sold.registry)


def test_deploy__writes_the_file_and_a_wrong_address_is_refused(
    market: Market, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(market, "ann", capsys)
    assert "names no MetricRegistry" in shell("metric", "status", code=2)
    words = ("--genesis", "07" * 32, "--payout-token", market.token.address, "--floor", "10 LUSD")
    made = shell.json("metric", "deploy", *words)
    kept = Deployment.load(shell.home / "deployment.json")
    assert kept.address("MetricRegistry") == made["registry"]
    assert shell.json("metric", "deploy", *words)["registry"] == made["registry"]
    (row,) = shell.json("metric", "status")["versions"]
    assert (row["version"], row["standing"]) == ("0x" + "07" * 32, "accepted")
    for address in (market.token.address, "0x" + "11" * 20):
        out = shell("metric", "status", "--registry", address, code=2)
        assert len(out.strip().splitlines()) <= 3
    assert "no MetricRegistry at" in out
    other = replace(kept, contracts=kept.contracts | {"DstFactory": kept.contracts["UsageLog"]})
    with pytest.raises(ConfigError, match="another"):
        registry.check_registry(market.web3, other, made["registry"])


def test_node__that_hides_a_late_objection__is_found(sold: Sold, monkeypatch: Any) -> None:
    market = sold.market
    version = registry.propose(market.sender("dear"), registry_contract(sold), document(1))
    sold.pass_time(WINDOW - 100)
    registry.object_to(
        market.sender("cheap"), registry_contract(sold), version, sold.dst.address, ETHER
    )
    assert sold.standing(version).closes
    kept = ("Proposed", "DstVerified")

    def hiding(*args: Any, **named: Any) -> Any:
        return (event for event in read_events(*args, **named) if event.name in kept)

    monkeypatch.setattr(registry, "read_events", hiding)
    with pytest.raises(GapError, match="leaves out"):
        sold.standing(version)


def test_reader__that_goes_on__reads_each_log_once_and_finds_what_a_new_one_finds(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon keeps one for years."""
    kept: registry.RegistryReader | None = None
    asked: list[tuple[int, int]] = []

    def counting(web3: Any, addresses: Any, first: int, last: int, **named: Any) -> Any:
        asked.append((first, last))
        return read_events(web3, addresses, first, last, **named)

    monkeypatch.setattr(registry, "read_events", counting)
    sold = Sold(market)
    contract = registry_contract(sold)

    def look() -> dict[bytes, Any]:
        nonlocal kept
        if kept is None:
            kept = registry.RegistryReader(market.web3, sold.deployment, sold.registry)
        read = max((last for _, last in asked), default=-1)
        before = len(asked)
        found = kept.tallies()
        assert all(first > read for first, _ in asked[before:])
        again = len(asked)
        assert kept.tallies() == found
        assert len(asked) == again
        assert registry.tallies(market.web3, sold.deployment, sold.registry) == found
        del asked[again:]
        return found

    assert len(look()) == 1
    first = registry.propose(market.sender("dear"), contract, document(1))
    assert look()[first].standing is Standing.OPEN
    registry.object_to(market.sender("fair"), contract, first, sold.dst.address, ETHER)
    assert 0 < look()[first].against < look()[first].needed
    sold.pass_time(WINDOW - 100)
    registry.object_to(market.sender("cheap"), contract, first, sold.dst.address, 20_000 * ETHER)
    second = registry.propose(market.sender("dear"), contract, document(2))
    found = look()
    assert (found[first].standing, found[second].standing) == (Standing.VETOED, Standing.OPEN)
    sold.pass_time(2 * WINDOW)
    assert look()[second].standing is Standing.ACCEPTED


def test_reader__keeps_nothing_that_the_chain_may_take_back(market: Market) -> None:
    sold = Sold(market)
    contract = registry_contract(sold)
    reader = registry.RegistryReader(market.web3, sold.deployment, sold.registry, final="finalized")
    taken = RPCEndpoint("evm_snapshot")
    snapshot = market.web3.provider.make_request(taken, [])["result"]
    first = registry.propose(market.sender("dear"), contract, document(1))
    assert first in reader.tallies()
    market.web3.provider.make_request(RPCEndpoint("evm_revert"), [snapshot])
    assert first not in reader.tallies()
    second = registry.propose(market.sender("dear"), contract, document(2))
    assert set(reader.tallies()) == {sold.genesis, second}


def test_document__in_other_bytes__is_not_taken_as_one(
    sold: Sold, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Else what was vetoed could come back with a blank more."""
    path = tmp_path / "same.json"
    path.write_bytes(document(1).replace(b",", b", "))
    assert "canonical" in in_shell(sold, "cheap", capsys)("metric", "propose", path, code=2)
