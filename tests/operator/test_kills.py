"""Daemons killed at chosen steps and at random times; what must hold, holds.

`pytest -m slow -s tests/operator/test_kills.py` runs all schedules and prints how often each step
was a process's last.
"""

from __future__ import annotations

import random
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.operator.network import GWEI, Network
from tests.operator.sabotage import STEPS
from tests.operator.test_attacks import archive_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RANDOM = "at a random time"


@pytest.fixture(scope="module")
def kills() -> Iterator[Counter[str]]:
    """Kills by step, over all schedules."""
    counted: Counter[str] = Counter()
    yield counted
    print(f"\n{counted.pop('schedules', 0)} schedules, {counted.total()} kills")
    for step in (*STEPS, RANDOM):
        print(f"{counted[step]:6} {step}")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """One network for all schedules: daemons live long and serve many auctions."""
    made = Network(tmp_path_factory.mktemp("kills"), poll_seconds=1)
    for daemon in made.daemons:
        daemon.environment = {"QMIA_TEST_KILL": str(daemon.orders)}
    made.start()
    yield made
    made.close()


class Schedule:
    """Kills each daemon once or twice: at a step of its own, or when the test feels like it."""

    def __init__(self, network: Network, seed: int, kills: Counter[str]) -> None:
        self.random = random.Random(seed)
        self.network = network
        self.kills = kills
        self.kills["schedules"] += 1
        self.lives = [self.random.randint(1, 2) for _ in network.daemons]
        self.unhurt = set(range(len(network.daemons)))
        self.steps: dict[int, str] = {}
        for number in self.unhurt:
            self.arm(number)

    def arm(self, number: int) -> None:
        """Order a running or future process to kill itself at a step, if a life is left for it."""
        daemon = self.network.daemons[number]
        self.steps[number] = RANDOM
        daemon.orders.unlink(missing_ok=True)
        if self.lives[number]:
            step = self.steps[number] = self.random.choice(list(STEPS))
            beside = daemon.orders.with_suffix(".new")
            beside.write_text(f"{step} {self.random.randint(1, STEPS[step])}")
            beside.replace(daemon.orders)

    def count(self, number: int, step: str) -> None:
        self.kills[step] += 1
        self.lives[number] = max(0, self.lives[number] - 1)
        self.unhurt.discard(number)
        self.arm(number)
        self.network.daemons[number].start()

    def kill(self, number: int) -> None:
        daemon = self.network.daemons[number]
        daemon.kill()
        self.count(number, RANDOM)

    def pass_time(self) -> None:
        """Kill whom the schedule says, and start again who is dead."""
        for number, daemon in enumerate(self.network.daemons):
            if not daemon.alive:
                assert daemon.process is not None
                assert daemon.process.exitcode == -signal.SIGKILL, self.network.last_words()
                self.count(number, self.steps[number])
            elif self.lives[number] and self.random.random() < 0.01:
                self.kill(number)

    def until(self, condition: Callable[[], bool], what: str, step: bool = True) -> None:
        def happened() -> bool:
            self.pass_time()
            return condition()

        self.network.until(happened, what, step=step)


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=pytest.mark.slow if seed else ()) for seed in range(60)]
)
def test_kills__at_any_step__one_score_set_and_all_funds_accounted_for(
    network: Network, seed: int, kills: Counter[str]
) -> None:
    # The last block may hold the last claim of the schedule before.
    network.since = network.web3.eth.block_number + 1
    schedule = Schedule(network, seed, kills)
    auction, providers = network.auction()
    gone, good, silent = providers
    contract, deployed = network.auctions.address, network.oracle

    # The chain's clock stands still, so that no kill makes an operator late.
    def called() -> bool:
        return deployed.roll_of(contract, auction)[0].bit_count() == 3

    schedule.until(called, "the roll call", step=False)
    network.mine(network.windows(auction).commit)
    schedule.until(lambda: network.state(auction).roll == {0, 1, 2}, "the tally")
    schedule.until(lambda: network.committed(auction) == 3, "commitments", step=False)
    network.mine(network.windows(auction).open)
    schedule.until(lambda: network.complete(auction), "scoring")
    network.check(auction)
    network.settle(auction, providers)
    network.hide(archive_of(gone))
    fee = network.state(auction).terms.scoring.fetch_fee_gwei * GWEI
    network.buyer.send(network.exchange.name_missing(auction, [gone.index]), value=fee)
    for number in list(schedule.unhurt):
        schedule.kill(number)
    phases = network.state(auction).phases
    network.mine(phases.fetch_end - (phases.fetch_end - phases.settle_end) // 4)

    def struck_out() -> set[int]:
        return network.state(auction).struck_out

    schedule.until(lambda: struck_out() == {gone.index}, "a verdict", step=False)
    network.mine(phases.fetch_end)
    network.deliver(auction, good)
    network.mine(phases.deliver_end)
    network.buyer.send(network.auctions.forfeit(auction, silent.index))
    network.mine(phases.dispute_end)
    network.collect(auction, providers)
    # Nobody sent anything twice: the chain would have shown it as a revert or a second event.
    schedule.until(lambda: len(network.events("FeeClaimed")) == 3, "the fees")
    network.check(auction)
    network.audit()
