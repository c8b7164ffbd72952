"""The daemons through whole auctions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oracles.market.buyer import Buyer
from tests.operator.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    made = Network(tmp_path)
    yield made
    made.close()


def test_auction__three_honest_operators__are_of_one_mind(network: Network, tmp_path: Path) -> None:
    # Gas has a price, so that who posts for all has something to be repaid.
    network.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(50 * 10**9))
    network.mine()
    network.start()
    auction, providers = network.auction()
    assert network.await_roll(auction) == {0, 1, 2}
    scores = network.score(auction)
    assert [score.present for score in scores] == [True] * 3
    network.check(auction)
    network.settle(auction, providers)
    good, wrong, _ = providers
    network.mine(network.state(auction).phases.fetch_end)
    network.deliver(auction, good)
    network.deliver(auction, wrong, data_key=bytes(32))
    network.mine(network.state(auction).phases.deliver_end)
    buyer = Buyer(network.buyer, network.deployment)
    results = list(buyer.receive(auction, network.buyer_key, network.store, tmp_path / "received"))
    by_index = {each.index: each for each in results}
    assert by_index[good.index].documents == 3
    assert by_index[wrong.index].action == "refuted"
    network.buyer.send(network.auctions.forfeit(auction, 2))
    network.mine(network.state(auction).phases.dispute_end)
    network.collect(auction, providers)
    network.until(lambda: len(network.events("FeeClaimed")) == 3, "fees claimed")
    posters = {event.body.account for event in network.events("DueAdded")}
    network.until(lambda: len(network.events("DueClaimed")) == len(posters) > 0, "gas repaid")
    (repaid, *_) = network.events("DueClaimed")
    assert repaid.body.account in posters
    assert repaid.body.amount > 0
    network.check(auction)
    network.audit()
    network.audit_files(auction)
    assert [daemon.stop() for daemon in network.daemons] == [0, 0, 0]
