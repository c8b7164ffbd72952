"""What the machine and the network do: nodes go away, chains are reorganised, disks fill up."""

from __future__ import annotations

import re
import shutil
import socket
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest

from oracles.chain.terms import DataSet
from tests.operator.network import DURATIONS, ENTRY_FEE, GWEI, Network, texts
from tests.support.faults import Unruly
from tests.support.middleman import Middleman

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    made = Network(tmp_path)
    yield made
    made.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Cable:
    """A TCP proxy that can be unplugged: a node that goes down and comes back."""

    def __init__(self, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        self._target = (host, int(port))
        self._plugged = True
        self._server = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            if not self._plugged:
                near.close()
                continue
            far = socket.create_connection(self._target)
            self._connections += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                end.close()

    def unplug(self) -> None:
        self._plugged = False
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._connections.clear()

    def plug(self) -> None:
        self._plugged = True

    def close(self) -> None:
        self.unplug()
        self._server.close()


def rewire(network: Network, number: int, urls: list[str]) -> None:
    config = network.daemons[number].config
    listed = ", ".join(f'"{url}"' for url in urls)
    config.write_text(re.sub(r"^rpc = .*$", f"rpc = [{listed}]", config.read_text(), flags=re.M))


def failures(network: Network, number: int) -> list[str]:
    return [line["error"] for line in network.daemons[number].events("failed")]


@pytest.mark.slow
def test_node__down_and_back__nothing_is_lost(network: Network) -> None:
    cable = Cable(network.node.url)
    try:
        for number in range(3):
            rewire(network, number, [cable.url])
        network.start()
        auction, providers = network.auction()
        network.await_roll(auction)
        network.until(lambda: network.committed(auction), "a commitment", step=False)
        cable.unplug()
        network.until(lambda: all(failures(network, i) for i in range(3)), "failures", step=False)
        assert all(daemon.alive for daemon in network.daemons)
        cable.plug()
        network.score(auction)
        network.conclude(auction, providers)
    finally:
        cable.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_node__unruly__daemons_score_all_the_same(tmp_path: Path, seed: int) -> None:
    """Late, lost, empty, partial, stale, doubled, null and limited answers, one in eight."""
    network = Network(tmp_path, operators=1, threshold=1)
    between = Middleman(network.node.url)
    between.hook = Unruly(seed, share=0.12)
    try:
        rewire(network, 0, [between.url])
        network.start()
        auction, providers = network.auction()
        network.score(auction)
        network.conclude(auction, providers)
        assert network.daemons[0].alive
        assert not [line for line in network.daemons[0].log() if "exception" in line]
    finally:
        between.close()
        network.close()


@pytest.mark.slow
def test_node__first_of_two_dead__second_is_used(network: Network) -> None:
    for number in range(3):
        rewire(network, number, [f"http://127.0.0.1:{free_port()}", network.node.url])
    network.start()
    auction, providers = network.auction()
    network.score(auction)
    network.conclude(auction, providers)


@pytest.mark.parametrize("size", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_reorganisation__across_roll_commitments_and_scores__one_set_stands(
    tmp_path: Path, size: int
) -> None:
    network = Network(tmp_path, operators=size, threshold=size)
    try:
        network.start()
        auction, providers = network.auction()
        network.await_roll(auction)
        _reorganise(network, lambda: network.state(auction).roll is not None)
        network.until(lambda: network.state(auction).roll is not None, "the tally again")
        network.until(lambda: network.committed(auction) == size, "commitments", step=False)
        _reorganise(network, lambda: network.committed(auction) == size)
        network.until(lambda: network.committed(auction) == size, "commitments again", step=False)
        network.mine(network.windows(auction).open)
        network.until(lambda: network.complete(auction), "scoring")
        _reorganise(network, lambda: network.complete(auction))
        network.until(lambda: network.complete(auction), "scoring again")
        network.conclude(auction, providers)
    finally:
        network.close()


def _reorganise(network: Network, there: Callable[[], bool]) -> None:
    """Drop blocks, without their transactions, until something is no longer there."""
    now = network.now
    depth = 1
    while there():
        network.node.rpc("anvil_rollback", depth)
        depth += 1
    network.mine(now + 1)


@pytest.mark.slow
def test_quorum__two_of_three_gone__auction_is_aborted_and_everybody_refunded(
    network: Network,
) -> None:
    network.start()
    auction, providers = network.auction()
    network.await_roll(auction)
    network.until(lambda: network.committed(auction) == 3, "commitments", step=False)
    for gone in network.daemons[1:]:
        gone.kill()
    network.mine(network.windows(auction).open)
    network.await_published(auction, 1)
    network.mine(network.windows(auction).end)
    network.until(lambda: network.events("Aborted"), "the abort")
    network.until(lambda: len(network.events("StakeSlashed")) == 2, "the penalties")
    assert not network.events("RoundCompleted")
    network.collect(auction, providers)
    # The one that was there has its stake back, and the gas for which those who were not there pay.
    network.mine(network.state(auction).stakes_free)
    network.until(lambda: network.events("StakeReleased"), "the stake")
    network.audit()
    funds = network.token.functions.balanceOf(network.buyer.address).call()
    assert funds == 10**9


@pytest.mark.slow
def test_clocks__days_apart__make_no_difference(network: Network) -> None:
    for daemon, days in zip(network.daemons, (-3, 0, 400), strict=True):
        daemon.environment = {"QMIA_TEST_SKEW": str(days * 86_400)}
    network.start()
    auction, providers = network.auction()
    network.score(auction)
    network.conclude(auction, providers)


@pytest.mark.slow
def test_disk__full_at_one_operator__it_waits_and_others_go_on(tmp_path: Path) -> None:
    network = Network(tmp_path)
    try:
        # Its journal reaches this size after a few dozen blocks.
        network.daemons[2].environment = {"QMIA_TEST_DISK": "300000"}
        network.start()
        auction = network.create()
        providers = [network.commit(auction, 2, texts(0))]
        network.until(lambda: failures(network, 2), "a failure")
        network.open_all(auction, providers)

        def callers() -> int:
            return network.oracle.roll_of(network.auctions.address, auction)[0].bit_count()

        network.until(lambda: callers() == 2, "the roll call of the others", step=False)
        assert network.daemons[2].alive
        network.daemons[2].stop()
        network.daemons[2].environment = {}
        network.start(2)
        network.score(auction)
        network.conclude(auction, providers)
    finally:
        network.close()


@pytest.mark.slow
def test_ipfs__node_down__scores_come_and_evidence_waits(tmp_path: Path) -> None:
    dead = f"ipfs:/ip4/127.0.0.1/tcp/{free_port()}/http"
    network = Network(
        tmp_path,
        **{
            "stores.data": [dead, str(tmp_path / "store")],
            "stores.pins": [dead],
            "exchange.timeout": 1,
        },
    )
    try:
        network.start()
        auction, providers = network.auction()
        network.score(auction)
        network.conclude(auction, providers)
        pins = [line for line in network.daemons[0].events("failed") if line["what"] == "pin"]
        assert pins
    finally:
        network.close()


@pytest.mark.slow
@pytest.mark.parametrize("announced", [False, True])
def test_http__reports_travel_and_health_shows(tmp_path: Path, announced: bool) -> None:
    ports = [free_port() for _ in range(3)]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    network = Network(tmp_path)
    try:
        for daemon, port in zip(network.daemons, ports, strict=True):
            text = daemon.config.read_text()
            text = re.sub(r"^exchange.directory = .*\n", "", text, flags=re.M)
            text = text.replace('"127.0.0.1:0"', f'"127.0.0.1:{port}"')
            peers = ", ".join(f'"{url}"' for url in urls if not url.endswith(str(port)))
            known = f"exchange.peers = [{peers}]\n"
            on_chain = (
                f'exchange.announce = true\nexchange.public_url = "http://127.0.0.1:{port}"\n'
                "exchange.private_networks = true\n"
            )
            daemon.config.write_text(text + (on_chain if announced else known))
        network.start()
        auction, providers = network.auction()
        network.score(auction)
        assert not network.events("VectorPublished")
        locations = {e.body.location for e in network.events("VectorAnnounced")}
        assert locations == (set(urls) if announced else set())
        assert httpx.get(f"{urls[0]}/livez").status_code == 200
        network.until(lambda: httpx.get(f"{urls[0]}/readyz").status_code == 200, "readiness")
        metrics = httpx.get(f"{urls[0]}/metrics").text
        assert "qmia_operator_auctions_active 1.0" in metrics
        contract = network.auctions.address.lower()
        reports = httpx.get(f"{urls[0]}/v1/{contract}/{auction}/report/1").json()
        assert sorted(report["member"] for report in reports) == [0, 1, 2]
        for path in (
            "/",
            f"/v1/{contract}/x/report/1",
            "/v1/../../etc/passwd",
            "/v1/0x/1/report/1",
        ):
            assert httpx.get(f"{urls[0]}{path}").status_code == 404
        network.conclude(auction, providers)
    finally:
        network.close()


@pytest.mark.slow
def test_ipfs__reports_announced_on_chain__travel_through_a_node(tmp_path: Path) -> None:
    from tests.evidence.node import NodeUnavailableError, js_ipfs

    (tmp_path / "ipfs").mkdir()
    try:
        with js_ipfs(tmp_path / "ipfs", free_port()) as address:
            network = Network(tmp_path, **{"exchange.ipfs": address, "stores.pins": [address]})
            for daemon in network.daemons:
                text = daemon.config.read_text()
                text = re.sub(r"^exchange.directory = .*\n", "", text, flags=re.M)
                daemon.config.write_text(text)
            try:
                network.start()
                auction, providers = network.auction()
                network.score(auction)
                announced = [e.body.location for e in network.events("VectorAnnounced")]
                assert len(announced) == 3
                assert all(location.startswith("ipfs://b") for location in announced)
                assert not network.events("VectorPublished")
                network.conclude(auction, providers)
            finally:
                network.close()
    except NodeUnavailableError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_journal__lost_after_the_commitment__the_same_report_is_made_again(
    network: Network,
) -> None:
    network.start()
    auction = network.create()
    providers = [network.commit(auction, 2, texts(0))]
    nowhere = DataSet(bytes(32), bytes(32), 5, bytes(32))
    network.commit_data_set(auction, network.sender(3), nowhere, bytes(32))
    network.open_all(auction, providers)
    network.await_roll(auction)
    network.until(lambda: network.committed(auction) == 3, "commitments", step=False)
    network.daemons[0].kill()
    shutil.rmtree(network.daemons[0].state)
    network.start(0)
    scores = network.score(auction)
    assert [score.present for score in scores] == [True, False]
    assert not network.events("VectorPublished")
    network.conclude(auction, providers)


@pytest.mark.slow
def test_chunks__more_commitments_than_one_holds__all_are_posted(tmp_path: Path) -> None:
    network = Network(tmp_path, operators=1, threshold=1)
    try:
        network.start()
        auction = network.create(replace(DURATIONS, commit=30_000))
        first = network.commit(auction, 2, texts(0))
        sender = network.sender(3)
        sealed = network.auctions.seal_bid(auction, sender.address, 1, bytes(32))
        nowhere = DataSet(bytes(32), bytes(32), 1, bytes(32))
        call = network.auctions.commit(auction, sealed, nowhere, bytes(32))
        value = 10**6 * GWEI + ENTRY_FEE
        for _ in range(1024):
            call.transact({"from": sender.address, "value": value, "gas": 200_000})  # type: ignore[typeddict-item]
        network.open_all(auction, [first])
        scores = network.score(auction)
        assert [index for index, score in enumerate(scores) if score.present] == [first.index]
        assert len(scores) == 1025
        assert sorted(e.body.chunk for e in network.events("ScoresPosted")) == [0, 1]
        network.conclude(auction, [first])
    finally:
        network.close()
