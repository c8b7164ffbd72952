"""The journal: the anti-equivocation record above all."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from oracles.chain.events import Event
from oracles.errors import ConfigError
from oracles.operator.journal import EquivocationError, Heard, Journal, Report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IDENTITY = {"chain": "1", "operator": "0xabc"}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path, IDENTITY)
    yield made
    made.close()


def report(vector: bytes, round_: int = 1) -> Report:
    return Report(1, round_, b"inputs", vector, bytes(32), b"digest of " + vector)


def event(block: int, name: str = "Settled", **args: object) -> Event:
    return Event(name, {"auction": 1, **args}, "0xa", block, bytes([block]), b"t", 0)


def test_claim_slot__second_digest__refused_even_after_a_restart(tmp_path: Path) -> None:
    first = Journal(tmp_path, IDENTITY)
    first.claim_slot(1, 1, b"a")
    first.claim_slot(1, 1, b"a")
    first.claim_slot(1, 2, b"b")
    first.close()
    again = Journal(tmp_path, IDENTITY)
    with pytest.raises(EquivocationError):
        again.claim_slot(1, 1, b"b")
    again.claim_slot(1, 1, b"a")
    assert again.is_signed(1, 2)
    assert not again.is_signed(2, 1)
    again.close()


def test_store_report__before_a_signature__may_change__after_it__never(journal: Journal) -> None:
    journal.store_report(report(b"draft"))
    journal.store_report(report(b"final"))
    assert journal.report(1, 1) == report(b"final")
    journal.claim_slot(1, 1, report(b"final").digest)
    with pytest.raises(EquivocationError):
        journal.store_report(report(b"other"))
    assert journal.report(1, 1) == report(b"final")
    assert journal.report(1, 2) is None


def test_journal__durability__is_full(journal: Journal) -> None:
    assert journal._rows("PRAGMA synchronous") == [(2,)]
    assert journal._rows("PRAGMA journal_mode") == [("wal",)]


@pytest.mark.usefixtures("journal")
def test_journal__used_twice_at_once__refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="another process"):
        Journal(tmp_path, IDENTITY)


def test_journal__of_another_operator__refused(tmp_path: Path) -> None:
    Journal(tmp_path, IDENTITY).close()
    with pytest.raises(ConfigError, match="belongs to operator 0xabc"):
        Journal(tmp_path, IDENTITY | {"operator": "0xdef"})
    Journal(tmp_path, IDENTITY).close()


def test_journal__of_another_format__refused(tmp_path: Path) -> None:
    made = Journal(tmp_path, IDENTITY)
    made._db.execute("PRAGMA user_version = 99")
    made.close()
    with pytest.raises(ConfigError, match="format is 99"):
        Journal(tmp_path, IDENTITY)


def test_atomic__block_fails__nothing_is_kept(journal: Journal) -> None:
    def fail() -> None:
        with journal.atomic():
            journal._db.execute("INSERT INTO signed VALUES (1, 1, x'00')")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not journal.is_signed(1, 1)
    journal.claim_slot(1, 1, b"a")
    assert journal.is_signed(1, 1)


def test_atomic__disk_refuses__raises_and_can_be_used_again(journal: Journal) -> None:
    journal._db.execute("PRAGMA max_page_count = 1")
    many = [event(block, data=b"x" * 4000) for block in range(200)]
    with pytest.raises(sqlite3.OperationalError):
        journal.store_logs(many, 200, bytes(32))
    journal._db.execute("PRAGMA max_page_count = 100000")
    journal.claim_slot(1, 1, b"a")
    assert journal.is_signed(1, 1)


def test_logs__stored__come_back_in_order_with_their_bytes(journal: Journal) -> None:
    nested = {"keys": [b"\0\1", {"deep": b"\2"}], "big": 2**200}
    journal.store_logs([event(2), event(1, **nested)], 2, b"h2")
    assert journal.events() == [event(1, **nested), event(2)]
    assert journal.events("Settled", subject=1) == journal.events()
    assert journal.events("Settled", subject=2) == []
    assert journal.events("Aborted") == []


def test_rewind__forgets_what_is_above(journal: Journal) -> None:
    for block in (1, 2, 3):
        journal.store_logs([event(block)], block, bytes([block]))
    journal.rewind(1)
    assert journal.events() == [event(1)]
    assert journal.checkpoints() == [(1, b"\1")]


def test_hear__same_report_again__is_not_new_unless_it_proves_more(journal: Journal) -> None:
    loose = Heard(1, 1, 2, b"d", False, b"s", b"e", b"g", b"v")
    assert journal.hear(loose)
    assert not journal.hear(loose)
    proven = Heard(1, 1, 2, b"d", True, b"t", b"e", b"g", b"v")
    assert journal.hear(proven)
    assert not journal.hear(loose)
    (kept,) = journal.heard(1, 1)
    assert kept.committed
    assert kept.salt == b"t"


def test_verdicts__by_provider_and_member(journal: Journal) -> None:
    assert journal.add_verdict(1, 5, 0, b"a")
    assert not journal.add_verdict(1, 5, 0, b"b")
    journal.add_verdict(1, 5, 2, b"c")
    journal.add_verdict(2, 5, 2, b"d")
    assert journal.verdicts(1) == {5: {0: b"a", 2: b"c"}}


def test_close_auction__forgets_it_but_not_what_was_signed(journal: Journal) -> None:
    created = event(1, "SetCreated", operatorSet=1)
    created.args.pop("auction")
    journal.store_logs([created, event(2, "AuctionCreated"), event(3, auction=2)], 3, b"h")
    journal.store_report(report(b"vector"))
    journal.claim_slot(1, 1, report(b"vector").digest)
    journal.close_auction(1)
    journal.store_logs([event(4)], 4, b"h")
    assert journal.events() == [created, event(3, auction=2)]
    assert journal.report(1, 1) is None
    with pytest.raises(EquivocationError):
        journal.claim_slot(1, 1, b"other")


def test_close_auction__forgets_its_transactions_that_are_over_and_no_others(
    journal: Journal,
) -> None:
    rows = [("commit:1:1:0", "final"), ("commit:7:1:0", "final"), ("post:1:1:0", "pending")]
    for nonce, (purpose, state) in enumerate(rows):
        journal.add_transaction(purpose, nonce, {}, "0x", b"", 1, 1, 0.0)
        (added,) = [t for t in journal.transactions("pending") if t.purpose == purpose]
        journal.update_transaction(replace(added, state=state))
    journal.close_auction(1)
    left = journal.transactions("pending", "final")
    assert [(t.purpose, t.state) for t in left] == rows[1:]
    assert journal.sent("commit:7:1:0")
    assert not journal.sent("commit:1:1:0")


@pytest.mark.parametrize(("state", "sent"), [("failed", False), ("lost", False), ("mined", True)])
def test_sent__by_state__only_what_may_have_its_effect(
    journal: Journal, state: str, sent: bool
) -> None:
    journal.add_transaction("slash-missing:1:1:2", 0, {}, "0x", b"", 1, 1, 0.0)
    assert journal.sent("slash-missing:1:1:2")
    (row,) = journal.transactions("pending")
    journal.update_transaction(replace(row, state=state))
    assert journal.sent("slash-missing:1:1:2") is sent


def test_close_auction__created_on_an_abandoned_branch__its_id_is_free_again(
    journal: Journal,
) -> None:
    journal.store_logs([event(2, "AuctionCreated")], 2, b"h")
    journal.close_auction(1)
    journal.rewind(1)
    journal.store_logs([event(3, "AuctionCreated")], 3, b"h")
    assert journal.events() == [event(3, "AuctionCreated")]
