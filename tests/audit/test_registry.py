"""The registry of metric versions in a replay: what can happen passes, every change is found."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from eth_utils.address import to_checksum_address

from oracles.audit import replay
from oracles.audit.checks import Broken, Checks
from oracles.audit.registry import RegistryReplay
from oracles.audit.summary import summarise
from oracles.chain.deployment import Deployed
from oracles.chain.typed_events import BondReturned, Extended, Locked, Objected, Proposed, Released
from tests.audit.recorder import Recorded, Story
from tests.contracts.test_metric_registry import DOCUMENT, OTHER, VERSION, Registry
from tests.support.auction import Protocol
from tests.support.chain import CHAIN_ID

if TYPE_CHECKING:
    from collections.abc import Callable

    from oracles.chain.typed_events import Body

DAY, WINDOW, BOND = 86_400, 14 * 86_400, 10**17
FACTORY, TOKEN, HOLDER, PROPOSER = (
    to_checksum_address("0x" + f"{n:02x}" * 20) for n in (1, 2, 3, 4)
)
GENESIS = b"\1" * 32
DEPLOYED = Deployed(
    FACTORY,
    (FACTORY, TOKEN, "1000", "2000", str(WINDOW), str(BOND), "0x" + GENESIS.hex()),
    "0x",
)
T = 10**6
LATE = T + WINDOW - 100
#: All that the contract logs, in an order in which it can, each with the time of its block.
STORY: list[tuple[int, Body]] = [
    (T, Proposed(VERSION, PROPOSER, T + WINDOW, T + 2 * WINDOW, DOCUMENT)),
    (T, Locked(TOKEN, HOLDER, 10)),
    (T + 5, Objected(VERSION, TOKEN, HOLDER, 10)),
    (T + 6, Locked(TOKEN, HOLDER, 5)),
    (LATE, Objected(VERSION, TOKEN, HOLDER, 15)),
    (LATE, Extended(VERSION, LATE + DAY)),
    (LATE + DAY, BondReturned(VERSION, PROPOSER, BOND)),
    (T + 2 * WINDOW, Released(TOKEN, HOLDER, 15)),
]


def findings(story: list[tuple[int, Body]], factory: str = FACTORY) -> list[str]:
    checks = Checks()
    state = RegistryReplay.of(checks, DEPLOYED, factory)
    for time, body in story:
        try:
            assert state.apply(body, time, [TOKEN])
        except Broken:
            continue
    return sorted({each.check for each in checks.findings})


def changed(at: int, **fields: Any) -> list[tuple[int, Body]]:
    time, body = STORY[at]
    return [*STORY[:at], (time, replace(body, **fields)), *STORY[at + 1 :]]


def moved(at: int, time: int) -> list[tuple[int, Body]]:
    return [*STORY[:at], (time, STORY[at][1]), *STORY[at + 1 :]]


def test_story__as_the_contract_logs_it__passes() -> None:
    assert findings(STORY) == []


@pytest.mark.parametrize(
    ("story", "check"),
    [
        (changed(0, version=b"\7" * 32), "metric.version"),
        (changed(0, document=b""), "metric.document"),
        (changed(0, closes=T + WINDOW + 1), "metric.window"),
        (changed(0, latest=T + WINDOW), "metric.window"),
        ([STORY[0], *STORY], "metric.once"),
        (STORY[1:], "metric.proposed"),
        (changed(1, token=FACTORY), "metric.token"),
        (changed(2, amount=9), "metric.locked"),
        ([*STORY[:3], STORY[2], *STORY[3:]], "metric.objection"),
        (moved(4, LATE + DAY), "metric.open"),
        ([*STORY[:5], *STORY[6:]], "metric.extended"),
        (changed(5, closes=LATE + DAY + 1), "metric.extended"),
        ([*STORY[:3], STORY[5], *STORY[3:]], "metric.extended"),
        (moved(6, LATE + DAY - 1), "metric.open"),
        (changed(6, proposer=HOLDER), "metric.bond"),
        (changed(6, amount=BOND - 1), "metric.bond"),
        ([*STORY[:7], STORY[6], *STORY[7:]], "metric.bond"),
        (changed(7, amount=14), "metric.released"),
        (moved(7, T + 2 * WINDOW - 1), "metric.lock"),
    ],
)
def test_change__planted_in_the_story__is_a_finding(
    story: list[tuple[int, Body]], check: str
) -> None:
    assert check in findings(story)


def test_registry__of_another_factory__is_a_finding() -> None:
    assert findings(STORY, HOLDER) == ["metric.factory"]


@pytest.fixture(scope="module")
def recorded() -> Story:
    """The contract itself, recorded while all of it happens."""
    protocol = Protocol(Recorded())
    registry = Registry(protocol)
    do: Callable[..., Any] = registry.do
    registry.propose()
    registry.propose(OTHER)
    do("lock", registry.token, 2)
    do("object", VERSION, registry.token)
    do("lock", registry.token, 1)
    protocol.chain.time = registry.ask("closesAt", VERSION) - 1
    do("object", VERSION, registry.token)
    protocol.chain.time += 2 * WINDOW
    do("release", registry.token)
    do("returnBond", VERSION)
    story = Story(protocol)
    arguments = tuple(
        "0x" + value.hex() if isinstance(value, bytes) else str(getattr(value, "address", value))
        for value in registry.rules()
    )
    contracts = dict(story.header.deployment.contracts)
    contracts["MetricRegistry"] = Deployed(
        to_checksum_address(registry.contract.address), arguments, "0x"
    )
    deployment = replace(story.header.deployment, contracts=contracts)
    assert deployment.chain_id == CHAIN_ID
    story.header = replace(story.header, deployment=deployment)
    return story


def test_replay__of_the_contract_s_own_logs__passes_and_flags_the_auction(recorded: Story) -> None:
    state = replay(recorded)
    assert state.findings() == []
    assert state.made()["metric.version"] == 2
    (auction,) = summarise(state)["auctions"]
    assert auction["metric_objection"] == "was never proposed"
    assert list(state.registry.proposals) == [VERSION, hashlib.sha256(OTHER).digest()]


def test_replay__where_no_registry_is_named__flags_nothing(recorded: Story) -> None:
    contracts = dict(recorded.header.deployment.contracts)
    del contracts["MetricRegistry"]
    bare = replace(recorded.header.deployment, contracts=contracts)
    state = RegistryReplay.of(Checks(), bare.contracts.get("MetricRegistry"), FACTORY)
    assert state.tallies([], 0) == {}
