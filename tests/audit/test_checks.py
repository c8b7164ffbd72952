"""What one log promises, another one must confirm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.audit.checks import Announced, Checks, Payment

A, B = "0xaa", "0xbb"


@pytest.fixture
def checks() -> Checks:
    return Checks()


def places(checks: Checks) -> list[tuple[str, int | None, str]]:
    return [(each.check, each.auction, each.where) for each in checks.findings]


def test_announce_next__confirmed_by_the_next_log__is_kept(checks: Checks) -> None:
    announced = Announced(checks)
    announced.announce_next("credit", A, Payment("x", 5))
    with announced.next_log(B):
        pass  # another contract's
    with announced.next_log(A):
        announced.confirm("credit", A, Payment("x", 5))
    announced.finish()
    assert checks.passed


def test_announce_next__not_in_the_next_log__is_found_where_it_was_promised(
    checks: Checks,
) -> None:
    announced = Announced(checks)
    with checks.at(3, "block 9"):
        announced.announce_next("credit", A, Payment("x", 5))
    with checks.at(4, "block 10"), announced.next_log(A):
        pass
    with announced.next_log(A):
        announced.confirm("credit", A, Payment("x", 5))
    assert places(checks) == [("credit", 3, "block 9"), ("credit", None, "")]


def test_announce_next__of_the_handler_of_a_log__is_about_the_log_after_it(checks: Checks) -> None:
    announced = Announced(checks)
    with announced.next_log(A):
        announced.announce_next("slash", A, 1)
    assert checks.passed
    announced.finish()
    assert [each.check for each in checks.findings] == ["slash"]


def test_confirm__unasked__needs_no_announcement(checks: Checks) -> None:
    announced = Announced(checks)
    announced.confirm("bounty", A, 1, unasked=True)
    assert checks.passed
    announced.confirm("bounty", A, 1)
    assert [each.expected for each in checks.findings] == ["nothing"]


@given(st.lists(st.integers(0, 2), max_size=6), st.lists(st.integers(0, 2), max_size=6))
def test_announce__any_facts__are_kept_if_they_are_confirmed_in_their_order(
    promised: list[int], said: list[int]
) -> None:
    checks = Checks()
    announced = Announced(checks)
    for fact in promised:
        announced.announce("mint", A, fact)
    for fact in said:
        announced.confirm("mint", A, fact)
    announced.finish()
    assert checks.passed == (promised == said)


def test_within__half_open__and_without_an_end(checks: Checks) -> None:
    assert checks.within("phase", 5, 5, 6)
    assert not checks.within("phase", 6, 5, 6)
    assert not checks.within("phase", 4, 5)
    assert checks.within("phase", 10**9, 5)


def test_at__nested__gives_the_place_back(checks: Checks) -> None:
    with checks.at(1, "a"):
        with checks.at(2, "b"):
            checks.true("inner", False, "")
        checks.true("outer", False, "")
    assert places(checks) == [("inner", 2, "b"), ("outer", 1, "a")]
    assert checks.by_auction == {1: {"outer": 1}, 2: {"inner": 1}}
    assert checks.made == {"inner": 1, "outer": 1}
