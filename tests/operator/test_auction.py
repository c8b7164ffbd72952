"""The daemons through whole auctions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.operator.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    made = Network(tmp_path)
    yield made
    made.close()


def test_auction__three_honest_operators__are_of_one_mind(network: Network) -> None:
    network.start()
    auction, providers = network.auction()
    scores = network.score(auction)
    assert [score.eligible for score in scores] == [True] * 3
    network.check(auction)
    network.settle(auction, providers)
    good, wrong, _ = providers
    network.deliver(auction, good)
    network.deliver(auction, wrong, wrapped=bytes(81))
    network.mine(network.auctions.phases(auction).deliver_end)
    (forfeited,) = network.until(lambda: network.events("Forfeited"), "a verdict")
    assert forfeited.body.index == wrong.index
    assert forfeited.body.verdict
    network.buyer.send(network.auctions.forfeit(auction, 2))
    network.mine(network.auctions.phases(auction).verdict_end)
    network.collect(auction, providers)
    network.check(auction)
    network.audit()
    assert [daemon.stop() for daemon in network.daemons] == [0, 0, 0]
