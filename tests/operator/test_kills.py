"""Daemons killed at chosen steps and at random times; what must hold, holds."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.operator.network import PAUSE, Daemon, Network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """One network for all schedules: daemons live long and serve many auctions."""
    made = Network(tmp_path_factory.mktemp("kills"))
    yield made
    made.close()


class Schedule:
    """Kills each daemon a few times: at a step of its own, or when the test feels like it."""

    def __init__(self, network: Network, seed: int) -> None:
        self.random = random.Random(seed)
        self.network = network
        self.lives = {id(daemon): self.random.randint(1, 2) for daemon in network.daemons}
        self.kills = 0
        for daemon in network.daemons:
            if daemon.alive:
                self.kill(daemon)
            self.arm(daemon)

    def arm(self, daemon: Daemon) -> None:
        step = self.random.randint(1, 40) if self.lives[id(daemon)] else 0
        daemon.environment = {"QMIA_TEST_KILL": str(step)} if step else {}
        daemon.start()

    def kill(self, daemon: Daemon) -> None:
        daemon.kill()
        self.kills += 1

    def pass_time(self) -> None:
        """Kill and start again whom the schedule says."""
        for daemon in self.network.daemons:
            left = self.lives[id(daemon)]
            if not daemon.alive:
                self.kills += 1
                self.lives[id(daemon)] = max(0, left - 1)
                self.arm(daemon)
            elif left and self.random.random() < 0.01:
                daemon.kill()

    def until(self, condition: Callable[[], bool], what: str, step: bool = True) -> None:
        def happened() -> bool:
            self.pass_time()
            return condition()

        self.network.until(happened, what, step=step)


def run(network: Network, seed: int) -> None:
    schedule = Schedule(network, seed)
    auction, providers = network.auction()
    # The chain's clock stands still, so that no kill makes an operator late.
    schedule.until(lambda: network.committed(auction) == 3, "commitments", step=False)
    network.mine(network.windows(auction).open)
    schedule.until(lambda: network.complete(auction), "scoring")
    network.check(auction)
    network.settle(auction, providers)
    good, wrong, missing = providers
    network.deliver(auction, good)
    network.deliver(auction, wrong, wrapped=bytes([seed % 256]) * 81)
    network.mine(network.auctions.phases(auction).deliver_end)

    def forfeited() -> list[int]:
        events = network.events("Forfeited")
        return [e.args["index"] for e in events if e.args["auction"] == auction]

    schedule.until(lambda: forfeited() == [wrong.index], "a verdict")
    network.buyer.send(network.auctions.forfeit(auction, missing.index))
    network.mine(network.auctions.phases(auction).verdict_end)
    assert network.auctions.deliveries_resolved(auction)
    # Nobody sent anything twice: the chain would have shown it as a revert or a second event.
    time.sleep(PAUSE)
    network.check(auction)


@pytest.mark.parametrize("seed", range(1))
def test_kills__at_any_step__one_score_set_and_no_second_signature(
    network: Network, seed: int
) -> None:
    run(network, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 60))
def test_kills__many_schedules__one_score_set_and_no_second_signature(
    network: Network, seed: int
) -> None:
    run(network, seed)
