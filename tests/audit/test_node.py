"""A real node as a source: ranges, cache, reorganisations, storage, the command, and cast."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from eth_utils.address import to_checksum_address
from typer.testing import CliRunner
from web3.types import RPCEndpoint

from oracles.audit import Archive, hashes, replay, write_archive
from oracles.audit.node import Node
from oracles.audit.storage import check_storage
from oracles.chain import logs as chain_logs
from oracles.chain.deployment import Deployed, Deployment
from oracles.chain.events import decode_log
from oracles.chain.rpc import connect
from oracles.chain.typed_data import Domain, report_message
from oracles.cli.audit import app
from oracles.errors import ConfigError, NodeError
from scripts.build import ROOT
from tests.audit.mutations import Mutation, add, found_by, put
from tests.audit.recorder import deployment_of
from tests.support.anvil import Anvil
from tests.support.auction import BUYER, GWEI, PPB, RELAYER, Auction, Protocol
from tests.support.chain import CHAIN_ID
from tests.support.middleman import Middleman

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from web3 import Web3


@pytest.fixture(scope="module")
def market() -> Iterator[Auction]:
    """One auction, claimed and with revenue, on a node where gas has a price."""
    chain = Anvil()
    try:
        p = Protocol(chain)
        a = p.lead("score", pool=500_000, rho=PPB * 3 // 4, bounty=10**15, feeGwei=1)
        reports = a.commit_round([])
        chain.base_fee = GWEI
        a.ask("publishVector", reports[0].submission(), sender=p.first[0].address)
        a.ask("postScores", 0, [r.submission(0) for r in reports], sender=RELAYER.address)
        chain.base_fee = 0
        a.to("claim")
        for account in (p.first[0].address, RELAYER.address):
            a.ask("claimDue", account)
        a.ask("claimFee", 1, 0)
        for index in range(3):
            a.claim(index)
        mut = a.mut()
        chain.transact(p.token, "mint", BUYER.address, 1000, sender=BUYER.address)
        chain.transact(p.token, "approve", mut, 1000, sender=BUYER.address)
        chain.transact(mut, "deposit", 1000, sender=BUYER.address)
        chain.transact(mut, "claimFor", a.entries[0].owner)
        yield a
    finally:
        chain.close()


def anvil(a: Auction) -> Anvil:
    chain = a.protocol.chain
    assert isinstance(chain, Anvil)
    return chain


def source(a: Auction, **options: Any) -> Node:
    return Node(anvil(a).web3, deployment_of(a.protocol), block_tag="latest", **options)


def test_node__read_in_ranges__is_the_same_and_passes(
    market: Auction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = source(market)
    state = replay(whole)
    assert state.findings() == []
    assert state.checks.made["mut.claim"] == 1
    assert state.checks.made["draw.block"] == 1
    monkeypatch.setattr(chain_logs, "WIDEST", 7)
    ends: list[int] = []
    cache = tmp_path / "cache.db"
    parts = source(market, cache=cache, on_range=lambda end, _: ends.append(end))
    assert ends[:3] == [6, 13, 20]
    assert list(parts.records()) == list(whole.records())
    again: list[int] = []
    resumed = source(market, cache=cache, on_range=lambda end, _: again.append(end))
    assert again == []
    assert list(resumed.records()) == list(whole.records())
    archive = tmp_path / "a.qmia-archive"
    write_archive(archive, resumed)
    assert list(Archive(archive).records()) == list(whole.records())


def between(market: Auction, change: Callable[[Any], Any]) -> tuple[Middleman, Web3]:
    """A node whose blocks are changed on the way."""
    proxy = Middleman(anvil(market).url)

    def hook(method: str, _: list[Any], forward: Callable[[], Any]) -> Any:
        if not method.startswith("eth_getBlockBy"):
            return None
        answer = forward()
        return {**answer, "result": change(answer["result"])}

    proxy.hook = hook
    return proxy, connect([proxy.url], patience=0.2)


@pytest.mark.parametrize("names", [{"baseFeePerGas": None}, {}])
def test_node__of_a_network_without_base_fees__is_read(
    market: Auction, names: dict[str, object]
) -> None:
    proxy, web3 = between(
        market, lambda head: {k: v for k, v in head.items() if k != "baseFeePerGas"} | names
    )
    try:
        assert list(Node(web3, deployment_of(market.protocol), block_tag="latest").records())
    finally:
        proxy.close()


def test_node__that_gives_no_prevrandao__is_named(market: Auction) -> None:
    proxy, web3 = between(market, lambda head: {k: v for k, v in head.items() if k != "mixHash"})
    try:
        with pytest.raises(NodeError, match="without its prevrandao"):
            replay(Node(web3, deployment_of(market.protocol), block_tag="latest"))
    finally:
        proxy.close()


def test_node__that_refuses_wide_ranges__is_asked_for_narrow_ones(
    market: Auction, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Node._logs

    def limited(self: Node, start: int, end: int, *rest: Any) -> Any:
        if end - start >= 3:
            raise NodeError("query exceeds the range", final=True)
        return honest(self, start, end, *rest)

    expected = list(source(market).records())
    monkeypatch.setattr(Node, "_logs", limited)
    assert list(source(market).records()) == expected


def test_node__chain_reorganised__drops_what_is_gone(market: Auction, tmp_path: Path) -> None:
    chain, cache = anvil(market), tmp_path / "cache.db"
    before = list(source(market, cache=cache).records())
    snapshot = chain.snapshot()
    mut = market.mut()
    chain.transact(mut, "claimFor", market.entries[1].owner)
    longer = list(source(market, cache=cache).records())
    assert len(longer) > len(before)
    chain.revert(snapshot)
    # Other blocks take the place of the one that is gone.
    for _ in range(2):
        chain.web3.provider.make_request(RPCEndpoint("evm_mine"), [])
    assert list(source(market, cache=cache).records()) == before


def test_node__cache_of_another_deployment__is_refused(market: Auction, tmp_path: Path) -> None:
    cache = tmp_path / "cache.db"
    source(market, cache=cache)
    other = Deployment(CHAIN_ID, 3, deployment_of(market.protocol).contracts)
    with pytest.raises(ConfigError, match="another deployment"):
        Node(anvil(market).web3, other, cache=cache, block_tag="latest")


def test_storage__of_the_contracts__is_what_the_logs_say(market: Auction) -> None:
    state = replay(source(market))
    check_storage(state, anvil(market).web3)
    assert state.findings() == []
    assert state.checks.made["storage.bid"] == 3
    state.auctions.auctions[1].bids[2].paid.clear()  # as if the claim's log had been left out
    state.oracle.operators.credit[market.protocol.operators[0].address] += 1
    state.oracle.feeds[market.protocol.auction.address, 1].rounds[0].settled = 1
    check_storage(state, anvil(market).web3)
    found = [each.check for each in state.findings()]
    assert found == ["storage.credit", "storage.round", "storage.bid"]


@pytest.mark.parametrize(
    ("event", "check", "change"),
    [
        ("DueAdded", "fees.due", add("amount")),
        ("DueAdded", "fees.due_claim", put("account", BUYER.address)),
        ("DueClaimed", "fees.due_claim", add("amount")),
        ("DueClaimed", "fees.due_claim", put("account", BUYER.address)),
        ("FeesPaid", "fees.dues", add("dues", -2)),
    ],
)
def test_replay__of_gas_repaid_wrongly__names_it(
    market: Auction, event: str, check: str, change: Any
) -> None:
    whole = source(market)
    mutation = Mutation("gas", event, check, change)
    assert check in found_by(mutation, whole)


def test_node__draws__name_the_first_block_of_the_open_phase(market: Auction) -> None:
    header = source(market).header
    start = market.starts()["open"]
    draw = header.draws[1]
    assert draw.before < start <= draw.time
    block = anvil(market).web3.eth.get_block(draw.block)
    assert draw.key == bytes(block["mixHash"])


def test_command__replay_and_archive__exit_codes(market: Auction, tmp_path: Path) -> None:
    file, archive, page = (tmp_path / name for name in ("d.json", "x.qmia-archive", "r.html"))
    deployment_of(market.protocol).save(file)
    chain = ["--rpc", anvil(market).url, "--deployment", str(file), "--block-tag", "latest"]
    run = CliRunner().invoke
    done = run(app, ["replay", *chain, "--all", "--storage", "--report", str(page), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["passed"] is True
    assert "Supply curve" in page.read_text()
    assert run(app, ["archive", str(archive), *chain]).exit_code == 0
    done = run(app, ["replay", str(archive), "--auction", "1"])
    assert done.exit_code == 0
    assert "passed" in done.stdout
    assert f"of chain {CHAIN_ID}" in done.stdout.splitlines()[-1]
    assert market.protocol.auction.address in done.stdout
    done = run(app, ["replay", str(archive), "--auction", "9"])
    assert isinstance(done.exception, ConfigError)


def test_command__another_deployment__is_refused_with_node_and_archive(
    market: Auction, tmp_path: Path
) -> None:
    file, archive = tmp_path / "d.json", tmp_path / "x.qmia-archive"
    own = deployment_of(market.protocol)
    own.save(file)
    chain = ["--rpc", anvil(market).url, "--block-tag", "latest", "--deployment"]
    run = CliRunner().invoke
    assert run(app, ["archive", str(archive), *chain, str(file)]).exit_code == 0
    assert run(app, ["replay", str(archive), "--deployment", str(file)]).exit_code == 0
    nowhere = Deployed(to_checksum_address("0x" + "11" * 20), (), "0x")
    for name, changed in {
        "chain 5": replace(own, chain_id=5),
        "no contract": replace(own, contracts={**own.contracts, "DataAuction": nowhere}),
        "before the deployment": replace(own, block=10**9),
    }.items():
        other = tmp_path / f"{name}.json"
        changed.save(other)
        done = run(app, ["replay", *chain, str(other)])
        assert isinstance(done.exception, ConfigError)
        assert name in str(done.exception)
        done = run(app, ["replay", str(archive), "--deployment", str(other)])
        assert isinstance(done.exception, ConfigError)


def test_node__header__counts_auctions_and_names_the_currency(market: Auction) -> None:
    header = source(market).header
    assert header.auctions == 1
    assert header.currency(market.protocol.token.address).decimals == 6


def cast(*words: str) -> str:
    path = f"{ROOT / 'node_modules' / '.bin'}{os.pathsep}{os.environ['PATH']}"
    tool = shutil.which("cast", path=path)
    assert tool is not None
    done = subprocess.run([tool, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def logged(web3: Any, address: str) -> dict[str, list[Any]]:
    """Events of a contract by name, each with its log."""
    found: dict[str, list[Any]] = {}
    for log in web3.eth.get_logs({"address": address, "fromBlock": 0}):
        event = decode_log(log["address"], [bytes(t) for t in log["topics"]], bytes(log["data"]))
        assert event is not None
        found.setdefault(event.name, []).append((event, log))
    return found


def test_cast__decoding_logs_and_hashing_typed_data__agrees(market: Auction) -> None:
    p, web3 = market.protocol, anvil(market).web3
    found = logged(web3, p.auction.address)
    event, log = found["Revealed"][0]
    signature = "Revealed(uint256,bytes32,uint256,bool)"
    data = "0x" + bytes(log["data"]).hex()
    cost, salt, weight, flagged = cast("decode-event", "--sig", signature, data).splitlines()
    assert int(cost.split()[0]) == event.body.cost
    assert salt == "0x" + event.body.salt.hex()
    assert int(weight.split()[0]) == event.body.weight
    assert flagged == "false"
    # The sealed bid of the commitment, from the values revealed.
    committed = found["Committed"][0][0].body
    encoded = cast(
        "abi-encode",
        "f(uint256,address,uint256,address,uint256,bytes32)",
        str(CHAIN_ID),
        p.auction.address,
        str(market.id),
        committed.owner,
        cost.split()[0],
        salt,
    )
    assert cast("keccak", encoded) == "0x" + committed.sealed_bid.hex()
    # What an operator signed, and who did: from the log, its digest by cast and by the auditor.
    posted = logged(web3, p.oracle.address)["ScoresPosted"][0][0].body
    given = posted.submissions[1]
    root = cast("keccak", "0x" + b"".join(given.chunk_hashes).hex())
    metric = market.terms["scoring"]["metricVersion"]
    message = report_message(
        Domain.oracle(CHAIN_ID, p.oracle.address),
        p.auction.address,
        market.id,
        1,
        metric,
        bytes.fromhex(root[2:]),
        given.evidence,
    )
    text = json.dumps(message, default=lambda value: "0x" + value.hex())
    operator = p.operators[1].address
    words = ["wallet", "verify", "--data", text, "0x" + given.signature.hex(), "--address"]
    assert "succeeded" in cast(*words, operator)
    with pytest.raises(subprocess.CalledProcessError):
        cast(*words, p.operators[0].address)
    digest = hashes.report_digest(
        CHAIN_ID,
        p.oracle.address,
        p.auction.address,
        market.id,
        1,
        metric,
        bytes.fromhex(root[2:]),
        given.evidence,
    )
    assert hashes.signer(digest, given.signature) == operator
    # The operator's commitment, which its log made before.
    encoded = cast(
        "abi-encode",
        "f(bytes32,address,bytes32)",
        "0x" + digest.hex(),
        operator,
        "0x" + given.salt.hex(),
    )
    commitments = {
        event.body.member: event.body.commitment
        for event, _ in logged(web3, p.oracle.address)["VectorCommitted"]
    }
    assert cast("keccak", encoded) == "0x" + commitments[operator].hex()
