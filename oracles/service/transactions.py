"""What was sent for which duty, so that a restart does not send it again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from oracles.service.duty import Duty

if TYPE_CHECKING:
    from oracles.chain.terms import AuctionId
    from oracles.service.database import Database


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction on its way.

    Attributes:
        id: row; 0 before it is written down.
        duty: what it is for; at most one pending transaction per duty.
        nonce: of the sender.
        state: `pending`, `mined`, `failed` (reverted), `final`, or `lost` (nonce used otherwise).
        request: to, data, value and gas, JSON.
        hashes: of all its versions.
        raw: newest signed version.
        fee, tip: of that version, wei.
        sent: unix time at which it was sent last.
        block: number, once mined.
    """

    id: int
    duty: Duty
    nonce: int
    state: str
    request: dict[str, Any]
    hashes: tuple[str, ...]
    raw: bytes
    fee: int
    tip: int
    sent: float
    block: int | None = None


class TransactionLog:
    """Table `transactions`."""

    SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS transactions (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, auction INTEGER NOT NULL,
        round INTEGER NOT NULL, target INTEGER NOT NULL, nonce INTEGER NOT NULL,
        state TEXT NOT NULL, request TEXT NOT NULL, hashes TEXT NOT NULL, raw BLOB NOT NULL,
        fee INTEGER NOT NULL, tip INTEGER NOT NULL, sent REAL NOT NULL, block INTEGER);
    CREATE INDEX IF NOT EXISTS transactions_by_state ON transactions (state);
    CREATE INDEX IF NOT EXISTS transactions_by_duty
        ON transactions (auction, kind, round, target);
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, transaction: Transaction) -> None:
        """Record a transaction before it is sent."""
        duty = transaction.duty
        with self._database.atomic():
            self._database.execute(
                "INSERT INTO transactions (kind, auction, round, target, nonce, state, request,"
                " hashes, raw, fee, tip, sent, block)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                duty.kind,
                duty.auction,
                duty.round,
                duty.target,
                transaction.nonce,
                *_changing(transaction),
            )

    def update(self, transaction: Transaction) -> None:
        """Write back a changed transaction."""
        with self._database.atomic():
            self._database.execute(
                "UPDATE transactions SET state = ?, request = ?, hashes = ?, raw = ?, fee = ?,"
                " tip = ?, sent = ?, block = ? WHERE id = ?",
                *_changing(transaction),
                transaction.id,
            )

    def sent(self, duty: Duty) -> bool:
        """Whether a transaction for this duty is on its way or was mined without a failure."""
        query = (
            "SELECT 1 FROM transactions WHERE kind = ? AND auction = ? AND round = ?"
            " AND target = ? AND state IN ('pending', 'mined', 'final')"
        )
        found = self._database.rows(query, duty.kind, duty.auction, duty.round, duty.target)
        return bool(found)

    def in_state(self, *states: str) -> list[Transaction]:
        """Transactions in these states, by nonce."""
        rows = self._database.rows(
            "SELECT * FROM transactions WHERE state IN (SELECT value FROM json_each(?))"
            " ORDER BY nonce, id",
            json.dumps(states),
        )
        return [
            Transaction(
                id_,
                Duty(kind, auction, round_, target),
                nonce,
                state,
                json.loads(request),
                tuple(json.loads(hashes)),
                *rest,
            )
            for id_, kind, auction, round_, target, nonce, state, request, hashes, *rest in rows
        ]

    def forget(self, auction: AuctionId) -> None:
        """Drop the transactions of an auction that need no more attention."""
        with self._database.atomic():
            self._database.execute(
                "DELETE FROM transactions WHERE auction = ? AND state IN ('final', 'lost')", auction
            )


def _changing(transaction: Transaction) -> tuple[Any, ...]:
    """Columns that change while a transaction is followed, in the order of the table."""
    return (
        transaction.state,
        json.dumps(transaction.request),
        json.dumps(transaction.hashes),
        transaction.raw,
        transaction.fee,
        transaction.tip,
        transaction.sent,
        transaction.block,
    )
