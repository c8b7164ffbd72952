"""The journal: the anti-equivocation record above all."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from oracles.chain.oracle import Ground
from oracles.errors import ConfigError
from oracles.operator.duty import Kind
from oracles.operator.journal import (
    EquivocationError,
    Journal,
    Report,
    SignedReport,
)
from oracles.service.database import BusyError
from oracles.service.duty import Duty
from oracles.service.transactions import Transaction
from tests.support.logs import any_event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from oracles.chain.events import Event

IDENTITY = {"chain": "1", "operator": "0xabc"}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path, IDENTITY)
    yield made
    made.close()


def report(vector: bytes, round_: int = 1) -> Report:
    return Report(1, round_, b"inputs", vector, bytes(32), b"digest of " + vector)


def event(block: int, name: str = "Settled", **args: object) -> Event:
    return any_event(name, {"auctionId": 1, **args}, block=block)


def test_claim_slot__second_digest__refused_even_after_a_restart(tmp_path: Path) -> None:
    first = Journal(tmp_path, IDENTITY)
    first.reports.claim_slot(1, 1, b"a")
    first.reports.claim_slot(1, 1, b"a")
    first.reports.claim_slot(1, 2, b"b")
    first.close()
    again = Journal(tmp_path, IDENTITY)
    with pytest.raises(EquivocationError):
        again.reports.claim_slot(1, 1, b"b")
    with pytest.raises(EquivocationError):
        again.reports.claim_slot(1, 2, b"a")
    again.reports.claim_slot(1, 1, b"a")
    again.reports.claim_slot(2, 1, b"c")
    again.close()


def test_store_report__before_a_signature__may_change__after_it__never(journal: Journal) -> None:
    journal.reports.store(report(b"draft"))
    journal.reports.store(report(b"final"))
    assert journal.reports.get(1, 1) == report(b"final")
    journal.reports.claim_slot(1, 1, report(b"final").digest)
    with pytest.raises(EquivocationError):
        journal.reports.store(report(b"other"))
    assert journal.reports.get(1, 1) == report(b"final")
    assert journal.reports.get(1, 2) is None


def test_journal__durability__is_full(journal: Journal) -> None:
    assert journal._database.rows("PRAGMA synchronous") == [(2,)]
    assert journal._database.rows("PRAGMA journal_mode") == [("wal",)]


@pytest.mark.usefixtures("journal")
def test_journal__each_file__only_its_owner_reads(tmp_path: Path) -> None:
    assert {path.stat().st_mode & 0o77 for path in tmp_path.iterdir()} == {0}


@pytest.mark.usefixtures("journal")
def test_journal__used_twice_at_once__refused(tmp_path: Path) -> None:
    with pytest.raises(BusyError, match="another process"):
        Journal(tmp_path, IDENTITY)


def test_journal__of_another_operator__refused(tmp_path: Path) -> None:
    Journal(tmp_path, IDENTITY).close()
    with pytest.raises(ConfigError, match="belongs to operator 0xabc"):
        Journal(tmp_path, IDENTITY | {"operator": "0xdef"})
    Journal(tmp_path, IDENTITY).close()


def test_journal__of_another_format__refused(tmp_path: Path) -> None:
    made = Journal(tmp_path, IDENTITY)
    made._database._connection.execute("PRAGMA user_version = 99")
    made.close()
    with pytest.raises(ConfigError, match="format is 99"):
        Journal(tmp_path, IDENTITY)


def test_atomic__block_fails__nothing_is_kept(journal: Journal) -> None:
    def fail() -> None:
        with journal._database.atomic():
            journal.reports.claim_slot(1, 1, b"b")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    journal.reports.claim_slot(1, 1, b"a")


def test_atomic__disk_refuses__raises_and_can_be_used_again(journal: Journal) -> None:
    journal._database._connection.execute("PRAGMA max_page_count = 1")
    many = [event(block, data=b"x" * 4000) for block in range(200)]
    with pytest.raises(sqlite3.OperationalError):
        journal.logs.store(many, 200, bytes(32))
    journal._database._connection.execute("PRAGMA max_page_count = 100000")
    journal.reports.claim_slot(1, 1, b"a")
    assert journal.logs.events() == []


def test_logs__stored__come_back_in_order_with_their_bytes(journal: Journal) -> None:
    called = event(1, "RollCalled", id=1, bitmap=[2**256 - 1, 5])
    journal.logs.store([event(2), called], 2, b"h2")
    assert journal.logs.events() == [called, event(2)]
    assert journal.logs.events("Settled", subject=1) == [event(2)]
    assert journal.logs.events("Settled", subject=2) == []
    assert journal.logs.events("Aborted") == []


def test_rewind__forgets_what_is_above(journal: Journal) -> None:
    for block in (1, 2, 3):
        journal.logs.store([event(block)], block, bytes([block]))
    journal.logs.rewind(1)
    assert journal.logs.events() == [event(1)]
    assert journal.logs.checkpoints() == [(1, b"\1")]


def test_hear__same_report_again__is_not_new_unless_it_proves_more(journal: Journal) -> None:
    loose = SignedReport(1, 1, 2, b"d", False, b"s", b"e", b"g", b"v")
    assert journal.messages.add_report(loose)
    assert not journal.messages.add_report(loose)
    proven = SignedReport(1, 1, 2, b"d", True, b"t", b"e", b"g", b"v")
    assert journal.messages.add_report(proven)
    assert not journal.messages.add_report(loose)
    (kept,) = journal.messages.reports(1, 1)
    assert kept.committed
    assert kept.salt == b"t"


def test_verdicts__by_winner_ground_and_member(journal: Journal) -> None:
    gone, unreadable = Ground.UNAVAILABLE, Ground.UNREADABLE
    assert journal.messages.add_verdict(1, 5, gone, 0, b"a")
    assert not journal.messages.add_verdict(1, 5, gone, 0, b"b")
    journal.messages.add_verdict(1, 5, gone, 2, b"c")
    journal.messages.add_verdict(1, 5, unreadable, 2, b"e")
    journal.messages.add_verdict(2, 5, gone, 2, b"d")
    assert journal.messages.verdicts(1) == {
        (5, gone): {0: b"a", 2: b"c"},
        (5, unreadable): {2: b"e"},
    }


def test_close_auction__forgets_it_but_not_what_was_signed(journal: Journal) -> None:
    created = event(1, "SetProposed", operatorSet=1)
    journal.logs.store([created, event(2, "AuctionCreated"), event(3, auctionId=2)], 3, b"h")
    journal.reports.store(report(b"vector"))
    journal.reports.claim_slot(1, 1, report(b"vector").digest)
    journal.close_auction(1)
    journal.logs.store([event(4)], 4, b"h")
    assert journal.logs.events() == [created, event(3, auctionId=2)]
    assert journal.reports.get(1, 1) is None
    with pytest.raises(EquivocationError):
        journal.reports.claim_slot(1, 1, b"other")


def test_close_auction__forgets_its_transactions_that_are_over_and_no_others(
    journal: Journal,
) -> None:
    rows = [
        (Duty(Kind.COMMIT, 1, 1), "final"),
        (Duty(Kind.COMMIT, 7, 1), "final"),
        (Duty(Kind.POST, 1, 1), "pending"),
    ]
    for nonce, (duty, state) in enumerate(rows):
        journal.transactions.add(transaction(duty, nonce))
        (added,) = [t for t in journal.transactions.in_state("pending") if t.duty == duty]
        journal.transactions.update(replace(added, state=state))
    journal.close_auction(1)
    left = journal.transactions.in_state("pending", "final")
    assert [(t.duty, t.state) for t in left] == rows[1:]
    assert journal.transactions.sent(rows[1][0])
    assert not journal.transactions.sent(rows[0][0])


def transaction(duty: Duty, nonce: int = 0) -> Transaction:
    return Transaction(0, duty, nonce, "pending", {}, ("0x",), b"", 1, 1, 0.0)


@pytest.mark.parametrize(("state", "sent"), [("failed", False), ("lost", False), ("mined", True)])
def test_sent__by_state__only_what_may_have_its_effect(
    journal: Journal, state: str, sent: bool
) -> None:
    duty = Duty(Kind.SLASH_MISSING, 1, 1, 2)
    journal.transactions.add(transaction(duty))
    assert journal.transactions.sent(duty)
    assert not journal.transactions.sent(Duty(Kind.SLASH_MISSING, 1, 1, 1))
    (row,) = journal.transactions.in_state("pending")
    assert row == replace(transaction(duty), id=row.id)
    journal.transactions.update(replace(row, state=state))
    assert journal.transactions.sent(duty) is sent


def test_close_auction__created_on_an_abandoned_branch__its_id_is_free_again(
    journal: Journal,
) -> None:
    journal.logs.store([event(2, "AuctionCreated")], 2, b"h")
    journal.close_auction(1)
    journal.logs.rewind(1)
    journal.logs.store([event(3, "AuctionCreated")], 3, b"h")
    assert journal.logs.events() == [event(3, "AuctionCreated")]
