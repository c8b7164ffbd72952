"""The page of a usage log: right sums, bounded, and safe whatever names are in the log."""

from __future__ import annotations

from typing import Any

from oracles.audit.usage_page import Log, usage_page
from oracles.money import Currency

LOG = Log(31337, "0x11", "0x22", Currency("USDC", 6))


def found(periods: int = 2, **changes: Any) -> dict[str, Any]:
    """What an audit found: 3 USDC in each period, of two customers."""
    amounts = {"aa": "2000000000000", "bb": "1000000000000"}
    one = {"entries": 4, "revenue": "3000000", "by_model": {"tiny": "3000000000000"}}
    by_period = [
        {"period": n, "end": 1_700_000_000 + n * 86_400, **one, "by_customer": amounts}
        for n in range(periods)
    ]
    return {
        "differences": [], "rejected": [], "entries": 4 * periods, "open_entries": 0,
        "metered": str(3_000_000 * periods), "other": "5", "by_period": by_period, **changes,
    }  # fmt: skip


def test_page__sums_what_periods_say() -> None:
    shares = [{"0xaaa": 1_000_000, "0xbbb": 1_500_000, "": 500_000}] * 2
    page = usage_page(found(), LOG, shares)
    for words in ("passed", "6 USDC", "0.000005 USDC", "0xbbb</td><td>3 USDC", "not claimed yet"):
        assert words in page, words
    assert "bb</td><td>2 USDC" in page
    assert page.count("<rect") == 2 * (1 + 2 + 3)


def test_page__of_nothing__says_so() -> None:
    page = usage_page(found(0), LOG, [])
    assert page.count("Nothing was earned.") == 3


def test_page__with_findings__shows_them_and_runs_nothing() -> None:
    evil = '<script>alert("x")</script>'
    wrong = [{"where": "entry 7", "detail": f"is of the model {evil}"}]
    told = found(1, differences=wrong, rejected=wrong)
    told["by_period"][0]["by_model"] = {evil: "3000000000000"}
    page = usage_page(told, LOG, [{evil: 7}])
    assert "1 findings" in page
    assert "Receipts that prove nothing" in page
    assert "<script" not in page


def test_page__of_many_periods_and_customers__stays_small() -> None:
    told = found(2000)
    for each in told["by_period"]:
        each["by_customer"] = {f"{n:032x}": "1000000" for n in range(300)}
    page = usage_page(told, LOG, [{"0xaaa": 1}] * 2000)
    assert len(page) < 250_000
    assert "100 more" in page
