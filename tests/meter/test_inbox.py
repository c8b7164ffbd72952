"""Entries by hand: at once, or by the meter that is running, and never twice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from oracles.errors import InputError
from oracles.meter.events import MICRO, Prices
from oracles.meter.inbox import submit, taken
from oracles.meter.log import UsageLog, read_events
from oracles.meter.proxy import Proxy, Writer
from oracles.meter.service import Service, salt
from tests.meter.test_proxy import ORIGIN, SIGNER, serving

if TYPE_CHECKING:
    from pathlib import Path

PRICES = Prices({"tiny": (2, 8)}).plain()
LICENCE = {"customer": "ab" * 16, "what": "weights", "amount": str(5 * MICRO)}


def test_submit__no_meter_runs__is_written_at_once(tmp_path: Path) -> None:
    event = submit(tmp_path, ORIGIN, "prices", PRICES)
    assert event is not None
    assert event.sequence == 0
    assert submit(tmp_path, ORIGIN, "licence", LICENCE) is not None
    assert [each.kind for each in read_events(tmp_path)] == ["prices", "licence"]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("usage", {}),
        ("gift", {}),
        ("licence", LICENCE | {"amount": "-1"}),
        ("licence", LICENCE | {"amount": True}),
        ("correction", {"of": 1, "why": "", "amount": "5"}),
        ("prices", {**PRICES, "more": 1}),
    ],
)
def test_submit__what_the_audit_would_find_wrong__is_refused(
    tmp_path: Path, kind: Any, data: dict[str, Any]
) -> None:
    with pytest.raises(InputError):
        submit(tmp_path, ORIGIN, kind, data)
    assert list(tmp_path.iterdir()) == []


def test_submit__while_a_meter_runs__is_written_by_it_and_once(tmp_path: Path) -> None:
    submit(tmp_path, ORIGIN, "prices", PRICES)
    log = UsageLog(tmp_path, ORIGIN)
    writer = Writer(log, SIGNER)
    service: Any = Service(
        Proxy("http://127.0.0.1:9", writer, salt(tmp_path)),
        writer,
        None,  # type: ignore[arg-type]  # nothing is posted
        None,  # type: ignore[arg-type]
        "",
        every=None,
    )
    assert submit(tmp_path, ORIGIN, "licence", LICENCE) is None
    (path, _, data) = next(taken(tmp_path))
    # As if an earlier meter had been killed after it wrote the entry and before it took the file.
    log.append([("licence", data)])
    assert submit(tmp_path, ORIGIN, "correction", {"of": 1, "why": "x", "amount": "-1"}) is None
    (tmp_path / "inbox/rubbish.json").write_text("{")
    with serving(service):
        deadline = time.monotonic() + 20
        while list((tmp_path / "inbox").glob("*.json")) and time.monotonic() < deadline:
            time.sleep(0.05)
    log.close()
    assert not path.exists()
    assert [each.kind for each in read_events(tmp_path)] == ["prices", "licence", "correction"]
    assert (tmp_path / "inbox/rubbish.refused").exists()


def test_salt__is_made_once_and_private(tmp_path: Path) -> None:
    first = salt(tmp_path)
    assert salt(tmp_path) == first
    assert len(first) == 32
    assert (tmp_path / "salt").stat().st_mode & 0o777 == 0o600
