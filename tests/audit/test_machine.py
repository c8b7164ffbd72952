"""No false alarm: whatever calls come in whatever order, the logs of the contracts pass."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from oracles.audit import replay
from tests.audit.recorder import Recorded, Story
from tests.contracts import test_machine as machines
from tests.support.auction import Protocol

#: Not a rule of the contracts: members of this machine attest what they cannot have.
CONDUCT = {"roll.opened"}


class Audited(machines.Machine):
    """The machine of the contracts' tests, whose logs are replayed at the end of each run."""

    def teardown(self) -> None:
        state = replay(Story(self.protocol))
        found = [each for each in state.findings() if each.check not in CONDUCT]
        ledger, balances = state.auctions.context.ledger, state.header.balances
        exact = all(token or amount == ledger.held[at] for token, at, amount in balances)
        super().teardown()
        assert found == []
        assert exact


def run(**changes: Any) -> None:
    machine = type("Audited", (Audited,), {})
    checks = list(HealthCheck)
    run_state_machine_as_test(
        machine, settings=settings(deadline=None, suppress_health_check=checks, **changes)
    )


@pytest.fixture
def _recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    members, threshold = machines.MEMBERS, machines.THRESHOLD
    made = Protocol(Recorded(), first=members, appeal=members, threshold=threshold)
    monkeypatch.setattr(machines, "_DEPLOYED", [made])


@pytest.mark.usefixtures("_recorded")
def test_replay__of_any_calls_in_any_order__finds_nothing() -> None:
    run(max_examples=40, stateful_step_count=40)


@pytest.mark.slow
@pytest.mark.usefixtures("_recorded")
def test_replay__of_many_more_calls__finds_nothing() -> None:
    run(max_examples=300, stateful_step_count=80)
