"""The log: nothing acknowledged is lost, nothing counts twice, and prices are exact."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from oracles.chain.signers import LocalSigner
from oracles.errors import ConfigError, InputError, IntegrityError
from oracles.meter.events import MICRO, Event, Prices, customer_hash, period_revenue
from oracles.meter.log import Receipt, UsageLog, read_events, read_periods
from oracles.meter.tree import consistent, entry_hash, includes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ORIGIN = "qmia:31337/0x11/0x22"
PRICES = Prices({"tiny": (2, 8)})


class Clock:
    """A clock that a test sets."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def usage(amount: int) -> tuple[Any, dict[str, Any]]:
    """An event's kind and data."""
    return "usage", {"model": "tiny", "amount": str(amount)}


@pytest.fixture
def clock() -> Clock:
    """A clock that a test sets."""
    return Clock()


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> Iterator[UsageLog]:
    """A log with a price list."""
    made = UsageLog(tmp_path / "log", ORIGIN, clock=clock)
    made.append([("prices", PRICES.plain())])
    yield made
    made.close()


def test_log__opened_again__goes_on(log: UsageLog, tmp_path: Path) -> None:
    log.append([usage(5), usage(7)])
    root = log.root()
    log.close()
    again = UsageLog(tmp_path / "log", ORIGIN)
    assert (again.size, again.root(), again.prices) == (3, root, PRICES)
    assert [event.amount for event in again.events()] == [0, 5, 7]
    assert again.append([usage(1)])[0].sequence == 3
    again.close()


@pytest.mark.parametrize("damage", ["torn line", "no hashes", "torn hashes", "other hashes"])
def test_log__after_a_power_cut__has_all_that_was_acknowledged(
    log: UsageLog, tmp_path: Path, damage: str
) -> None:
    log.append([usage(n) for n in range(10)])
    root = log.root()
    log.close()
    leaves, events = tmp_path / "log/leaves", tmp_path / "log/events.jsonl"
    if damage == "torn line":
        events.write_bytes(events.read_bytes() + b'{"data":{"amount":9')
    elif damage == "no hashes":
        leaves.unlink()
    elif damage == "torn hashes":
        leaves.write_bytes(leaves.read_bytes()[:77])
    else:
        leaves.write_bytes(bytes(32 * 14))
    again = UsageLog(tmp_path / "log", ORIGIN)
    assert (again.size, again.root()) == (11, root)
    again.close()


def test_log__changed_in_the_middle__is_refused(log: UsageLog, tmp_path: Path) -> None:
    log.append([usage(n) for n in range(10)])
    log.close_period()
    log.close()
    events = tmp_path / "log/events.jsonl"
    events.write_bytes(events.read_bytes().replace(b'"amount":"7"', b'"amount":"6"'))
    with pytest.raises(IntegrityError, match="whose period 0 was closed"):
        UsageLog(tmp_path / "log", ORIGIN)


def test_log__changed_behind_the_last_period__is_refused(log: UsageLog, tmp_path: Path) -> None:
    log.append([usage(n) for n in range(10)])
    log.close()
    events = tmp_path / "log/events.jsonl"
    events.write_bytes(events.read_bytes().replace(b'"amount":"6"', b'"amount": "6"'))
    with pytest.raises(IntegrityError, match="no event"):
        UsageLog(tmp_path / "log", ORIGIN)


@pytest.mark.parametrize("damage", ["leaves", "leaves.blocks", "both", "short"])
def test_log__whose_hashes_are_damaged_behind_a_period__makes_them_again(
    log: UsageLog, tmp_path: Path, damage: str
) -> None:
    for _ in range(3):
        log.append([usage(n) for n in range(3000)])
        log.close_period()
    log.append([usage(1)])
    proof, root = log.inclusion(8000, log.size), log.root()
    log.close()
    for name in ("leaves", "leaves.blocks") if damage == "both" else (damage,):
        path = tmp_path / "log" / name.replace("short", "leaves")
        path.write_bytes(path.read_bytes()[:77] if damage == "short" else bytes(32 * 9001))
    again = UsageLog(tmp_path / "log", ORIGIN)
    assert (again.root(), again.inclusion(8000, again.size)) == (root, proof)
    again.close()


def test_log__opened_again__never_goes_behind_the_end_of_a_period(
    log: UsageLog, tmp_path: Path, clock: Clock
) -> None:
    log.append([usage(1)])
    clock.now += 100
    end = log.close_period().end
    log.close()
    clock.now -= 100
    again = UsageLog(tmp_path / "log", ORIGIN, clock=clock)
    assert again.append([usage(1)])[0].time == end * 1000
    again.close()


def test_log__a_full_disk__leaves_whole_entries_and_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    """In a process of its own whose files may not grow, as on a full disk."""
    program = f"""
import pathlib, resource
from oracles.errors import ConfigError
from oracles.meter.events import Prices
from oracles.meter.log import UsageLog
log = UsageLog(pathlib.Path({str(tmp_path / "log")!r}), {ORIGIN!r})
log.append([("prices", Prices({{"tiny": (2, 8)}}).plain())])
entry = ("usage", {{"model": "tiny", "amount": "5"}})
done = refused = 0
for limit in (1500, 2100, 10**6):  # where lines are cut, then where hashes are
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for _ in range(4):
        try:
            log.append([entry] * 2)
            done += 2
        except ConfigError as error:
            assert "File too large" in str(error), error
            refused += 1
    root = log.root()
resource.setrlimit(resource.RLIMIT_FSIZE, (700, resource.RLIM_INFINITY))
try:
    log.close_period()
    log.close_period()
    log.close_period()
    raise SystemExit("a period was kept on a full disk")
except ConfigError:
    pass
resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, resource.RLIM_INFINITY))
print(done, refused, log.size, log.root().hex())
"""
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    done, refused, size, root = told.stdout.split()
    assert int(refused) > 0
    again = UsageLog(tmp_path / "log", ORIGIN)
    assert again.size == int(size) == int(done) + 1
    assert again.root().hex() == root
    closed = again.close_period()
    before = sum(each.revenue * MICRO + 0 for each in again.periods) + closed.carried
    assert before == 5 * int(done)
    again.close()


def test_log__of_another_origin_or_in_use__is_refused(log: UsageLog, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="another program writes"):
        UsageLog(tmp_path / "log", ORIGIN)
    log.close()
    with pytest.raises(ConfigError, match="is a log of qmia"):
        UsageLog(tmp_path / "log", "qmia:1/0x/0x")


def test_log__a_disk_that_refuses__leaves_nothing(
    log: UsageLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(ConfigError, match="No space left"):
            log.append([usage(5)])
    assert log.size == 1
    assert log.append([usage(6)])[0].sequence == 1
    assert [event.amount for event in log.events()] == [0, 6]


def test_log__a_clock_that_is_set_back__never_makes_an_earlier_entry(
    log: UsageLog, clock: Clock
) -> None:
    first = log.append([usage(1)])[0]
    clock.now -= 1000
    assert log.append([usage(1)])[0].time == first.time
    assert log.close_period().end == first.time // 1000
    assert log.close_period().end == first.time // 1000 + 1


def test_periods__pay_whole_units_and_carry_the_rest(log: UsageLog, tmp_path: Path) -> None:
    log.append([usage(MICRO + 600_000)])
    log.append([usage(600_000)])
    first = log.close_period()
    assert (first.revenue, first.carried, first.size) == (2, 200_000, 3)
    empty = log.close_period()
    assert (empty.number, empty.revenue, empty.carried) == (1, 0, 200_000)
    log.append([("correction", {"of": 1, "amount": str(-3 * MICRO)})])
    assert log.close_period().revenue == 0
    log.close()
    again = UsageLog(tmp_path / "log", ORIGIN)
    again.append([usage(4 * MICRO)])
    last = again.close_period()
    assert (last.revenue, last.carried) == (1, 200_000)
    again.posted(last.number, "0xab")
    assert read_periods(tmp_path / "log")[-1].transaction == "0xab"
    again.close()


@given(st.lists(st.lists(st.integers(-5 * MICRO, 5 * MICRO), max_size=5), max_size=12))
def test_periods__never_pay_more_than_was_earned_and_lose_nothing(periods: list[list[int]]) -> None:
    carried = paid = 0
    for amounts in periods:
        revenue, carried = period_revenue(carried, sum(amounts))
        assert revenue >= 0
        assert carried < MICRO
        paid += revenue
    assert paid * MICRO + carried == sum(map(sum, periods))


def test_receipt__of_an_entry__proves_it_and_no_other(log: UsageLog) -> None:
    signer = LocalSigner.from_secret(b"\x22" * 32)
    events = log.append([usage(5), usage(6)])
    receipt = log.receipt(events[0], signer)
    again = Receipt.decode(receipt.encode(), ORIGIN)
    assert again == receipt
    assert again.signer() == signer.address
    branch = log.inclusion(1, log.size)
    assert includes(again.leaf, again.sequence, log.size, branch, log.root())
    assert Receipt.decode(receipt.encode(), "qmia:other").signer() != signer.address
    for text in ("", "1.2", "1.zz.00", "-1." + "00" * 32 + "." + "00" * 65, "1.00.00"):
        with pytest.raises(InputError, match="no receipt"):
            Receipt.decode(text, ORIGIN)


def test_roots__of_two_times__are_consistent(log: UsageLog) -> None:
    roots = [(log.size, log.root())]
    for _ in range(5):
        log.append([usage(1), usage(2)])
        roots.append((log.size, log.root()))
    for old, old_root in roots:
        for size, root in roots:
            if old <= size:
                assert consistent(old, old_root, size, root, log.consistency(old, size))


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.text() | st.booleans() | st.integers(-(1 << 53) + 1, (1 << 53) - 1) | st.none()
        | st.lists(st.text()) | st.dictionaries(st.text(), st.text()),
        max_size=6,
    )
)  # fmt: skip
def test_events__of_any_data__are_canonical(data: dict[str, Any]) -> None:
    """Most are written by the standard library, which is not canonical for everything."""
    line = Event(7, ORIGIN, 1_700_000_000_123, "usage", data).encode()
    assert line == rfc8785.dumps(json.loads(line))
    assert json.loads(line)["data"] == data


@pytest.mark.parametrize("value", [1 << 53, -(1 << 53), "\ud800", float("nan"), {1}])
def test_events__of_data_without_a_canonical_form__are_refused(value: Any) -> None:
    with pytest.raises((ValueError, rfc8785.CanonicalizationError)):
        Event(7, ORIGIN, 1_700_000_000_123, "usage", {"a": value}).encode()


def test_events__not_canonical_or_of_another_kind__are_refused() -> None:
    event = Event(0, ORIGIN, 1_700_000_000_123, "usage", {"amount": "1"})
    line = event.encode()
    assert Event.decode(line) == event
    assert json.loads(line)["time"] == "2023-11-14T22:13:20.123Z"
    for bad in (
        line.replace(b"org.qmia.usage", b"org.qmia.gift"),
        line.replace(b'"1.0"', b'"0.3"'),
        line + b" ",
        b"[]",
        line.replace(b'"amount":"1"', b'"amount":1'),
        line.replace(b'"amount":"1"', b'"amount":"1.5"'),
        line.replace(b'"amount":"1"', b'"amount":"01"'),
        line.replace(b'"amount":"1"', b'"amount":"-0"'),
    ):
        with pytest.raises(IntegrityError, match="no event"):
            Event.decode(bad)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no model"),
        ("[tiny]\nin = 1\n", "`in` and `out`"),
        ("[tiny]\nin = 1\nout = -1\n", "integers from 0"),
        ("[tiny]\nin = 1\nout = 1.5\n", "integers from 0"),
        ("tiny = 1\n", "`in` and `out`"),
        ("[tiny", "not TOML"),
    ],
)
def test_prices__that_are_none__are_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Prices.read(text)


def test_prices__are_exact(log: UsageLog) -> None:
    # 150 tokens of 18 decimals for a million tokens: more digits than a number in JSON keeps.
    prices = Prices.read(f"[tiny]\nin = {150 * 10**18 + 1}\nout = 600_000\n")
    assert prices.amount("tiny", 3, 5) == 3 * (150 * 10**18 + 1) + 5 * 600_000
    assert Prices.of(prices.plain()) == prices
    with pytest.raises(InputError, match="does not name the model 'x'"):
        prices.amount("x", 1, 1)
    log.append([("prices", prices.plain())])
    assert log.prices == prices
    with pytest.raises(InputError, match="leaves out tiny"):
        log.append([("prices", Prices({"other": (1, 1)}).plain())])


def test_customers__are_hashes_that_depend_on_the_salt() -> None:
    one = customer_hash(b"salt", "Bearer sk-1")
    assert one == customer_hash(b"salt", "Bearer sk-1") != customer_hash(b"salt", "Bearer sk-2")
    assert one != customer_hash(b"tlas", "Bearer sk-1")
    assert "sk" not in one


def test_read__while_it_is_written__leaves_a_line_that_is_not_whole(
    log: UsageLog, tmp_path: Path
) -> None:
    log.append([usage(1)])
    with (tmp_path / "log/events.jsonl").open("ab") as file:
        file.write(b'{"half')
    assert [event.sequence for event in read_events(tmp_path / "log", 1)] == [1]
    with pytest.raises(InputError, match="cannot read the log"):
        list(read_events(tmp_path / "none"))
    assert entry_hash(b"a") != entry_hash(b"b")
