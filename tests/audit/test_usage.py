"""Periods of usage logs, one after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from oracles.audit.checks import Checks
from oracles.audit.usage import UsageReplay
from oracles.chain.typed_events import PeriodClosed
from tests.support.logs import any_event

MUT, PUBLISHER = "0x" + "0c" * 20, "0x" + "0d" * 20
PERIOD = {
    "size": 10,
    "end": 100,
    "revenue": 0,
    "root": b"r" * 32,
    "prices": bytes(32),
    "entries": bytes(32),
}


def closed(number: int = 0, accrued: int = 0, **period: Any) -> PeriodClosed:
    args = {"mut": MUT, "publisher": PUBLISHER, "number": number, "accrued": accrued}
    body = any_event("PeriodClosed", args | {"period": PERIOD | period}).body
    assert isinstance(body, PeriodClosed)
    return body


def findings(*bodies: PeriodClosed, time: int = 1_000) -> list[str]:
    checks = Checks()
    usage = UsageReplay(checks, "0x" + "0e" * 20)
    for body in bodies:
        assert usage.apply(body, time, None)
    return [each.check for each in checks.findings]


def test_periods__that_follow_each_other__pass() -> None:
    first, again = closed(), closed(1, end=200)
    more = closed(2, end=300, size=11, root=b"s" * 32, revenue=5, accrued=7)
    other = replace(first, publisher=to_checksum_address("0x" + "0f" * 20))
    assert findings(first, again, other, more) == []


@pytest.mark.parametrize(
    ("body", "check"),
    [
        (closed(2, end=200), "usage.number"),
        (closed(1, end=100), "usage.end"),
        (closed(1, end=1_001), "usage.end"),
        (closed(1, end=200, size=9), "usage.size"),
        (closed(1, end=200, root=b"s" * 32), "usage.root"),
        (closed(1, end=200, accrued=1), "usage.accrued"),
    ],
)
def test_periods__that_do_not__are_findings(body: PeriodClosed, check: str) -> None:
    assert findings(closed(), body) == [check]
