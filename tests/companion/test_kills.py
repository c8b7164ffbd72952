"""Companions killed at chosen steps and at random times: nothing is sent twice, nothing is missed.

`pytest -m slow -s tests/companion/test_kills.py` runs all schedules and prints how often each step
was a process's last.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.companion.world import Hook, Process, World
from tests.operator.sabotage import COMPANION_STEPS
from tests.support.anvil import Anvil
from tests.support.market import Market

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RANDOM = "at a random time"
NAMES = ("cheap", "fair")
#: Real seconds, generous: a busy machine is no failure.
PATIENCE = 240.0


@pytest.fixture(scope="module")
def kills() -> Iterator[Counter[str]]:
    """Kills by step, over all schedules."""
    counted: Counter[str] = Counter()
    yield counted
    print(f"\n{counted.pop('schedules', 0)} schedules, {counted.total()} kills")
    for step in (*COMPANION_STEPS, RANDOM):
        print(f"{counted[step]:6} {step}")


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all schedules: companions live long and serve many auctions."""
    node = Anvil()
    yield World(Market(node, tmp_path_factory.mktemp("kills")))
    node.close()


@pytest.fixture(scope="module")
def companions(world: World, hook: Hook) -> Iterator[list[Process]]:
    notify = {"notify.webhook": hook.url, "notify.lead": ["900 s"]}
    made = [Process(world.toml(name, **notify)) for name in NAMES]
    yield made
    for companion in made:
        companion.kill()


class Schedule:
    """Kills each companion a few times: at a step, or when the test feels like it."""

    def __init__(self, companions: list[Process], seed: int, kills: Counter[str]) -> None:
        self.random = random.Random(seed)
        fewest, most = (2, 4) if seed else (1, 1)  # Starting a process takes seconds.
        self.companions = companions
        self.kills = kills
        self.kills["schedules"] += 1
        self.lives = [self.random.randint(fewest, most) for _ in companions]
        self.steps = [RANDOM for _ in companions]
        for number, companion in enumerate(companions):
            self.arm(number)
            if not companion.alive:
                companion.start()

    def arm(self, number: int) -> None:
        companion = self.companions[number]
        self.steps[number] = RANDOM
        companion.orders.unlink(missing_ok=True)
        if self.lives[number]:
            step = self.steps[number] = self.random.choice(list(COMPANION_STEPS))
            beside = companion.orders.with_suffix(".new")
            beside.write_text(f"{step} {self.random.randint(1, COMPANION_STEPS[step])}")
            beside.replace(companion.orders)

    def count(self, number: int, step: str) -> None:
        self.kills[step] += 1
        self.lives[number] = max(0, self.lives[number] - 1)
        self.arm(number)
        self.companions[number].start()

    def until(self, condition: Callable[[], bool], what: str) -> None:
        give_up = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < give_up, (what, self.last_words())
            for number, companion in enumerate(self.companions):
                if not companion.alive:
                    assert companion.code == -signal.SIGKILL, self.last_words()
                    self.count(number, self.steps[number])
                elif self.lives[number] and self.random.random() < 0.02:
                    companion.kill()
                    self.count(number, RANDOM)
            time.sleep(0.1)

    def last_words(self) -> str:
        return "\n".join(each.log.read_text()[-4000:] for each in self.companions)


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=pytest.mark.slow if seed else ()) for seed in range(60)]
)
def test_kills__at_any_step__everything_is_done_once(
    world: World, companions: list[Process], hook: Hook, seed: int, kills: Counter[str]
) -> None:
    since = world.web3.eth.block_number
    auction = world.create()
    world.commit(auction, *NAMES)
    phases = world.phases(auction)
    schedule = Schedule(companions, seed, kills)

    def happened(event: str) -> Callable[[], bool]:
        return lambda: world.counts(auction)[event] == [0, 1]

    world.jump(phases.open_start)
    schedule.until(happened("Opened"), "opening")
    world.score(auction)
    world.jump(phases.reveal_start)
    schedule.until(happened("Revealed"), "reveal")
    world.jump(phases.reveal_end)
    world.market.settler().settle(auction)
    world.jump(phases.fetch_end)
    schedule.until(happened("Delivered"), "delivery")
    world.jump(phases.dispute_end)
    schedule.until(happened("Claimed"), "claim")
    told = {f"{step}:{auction}:{i}" for step in ("opened", "revealed", "delivered") for i in (0, 1)}
    schedule.until(lambda: told <= set(hook.keys), "notices")
    assert world.counts(auction) == {
        event: [0, 1] for event in ("Opened", "Revealed", "Delivered", "Claimed")
    }
    assert world.reverted(*NAMES, since=since) == []
    # A notice comes again only where its process died while it was sending, and then as the same.
    ids = {(body["key"], body["id"]) for body in hook.got}
    assert len(ids) == len({key for key, _ in ids})
    again = len(hook.got) - len(ids)
    assert again <= kills["after telling"] + kills["written, not committed"] + kills[RANDOM]
