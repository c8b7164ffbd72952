"""The contracts' logs as far as they were read, rolled back when the chain is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from oracles.chain.events import decode_log
from oracles.chain.terms import AuctionId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oracles.chain.events import Event
    from oracles.service.database import Database

#: Checkpoints kept: enough to find the fork point of any reorganisation that is no catastrophe.
_CHECKPOINTS: Final = 256
#: Events about an operator set: their subject is the set, which may have an auction's number.
_SETS: Final = ("SetProposed", "SetAccepted", "SetLeft")


class LogIndex:
    """Tables `logs`, `blocks` (how far they were read) and `closed` (auctions that are over)."""

    SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS blocks (number INTEGER PRIMARY KEY, hash BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS logs (
        block INTEGER, log_index INTEGER, block_hash BLOB NOT NULL, transaction_hash BLOB NOT NULL,
        address TEXT NOT NULL, name TEXT NOT NULL, subject INTEGER,
        topics BLOB NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (block, log_index));
    CREATE INDEX IF NOT EXISTS logs_by_subject ON logs (subject, name);
    CREATE TABLE IF NOT EXISTS closed (auction INTEGER PRIMARY KEY, block INTEGER NOT NULL);
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def checkpoints(self) -> list[tuple[int, bytes]]:
        """Number and hash of blocks up to which logs were read, newest first."""
        return self._database.rows("SELECT number, hash FROM blocks ORDER BY number DESC")

    def store(self, events: Iterable[Event], number: int, block_hash: bytes) -> None:
        """Add logs, and the block up to which they are complete."""
        with self._database.atomic():
            rows = self._database.rows("SELECT auction FROM closed")
            closed = {auction for (auction,) in rows}
            for event in events:
                subject = event.auction_id or getattr(event.body, "operator_set", None)
                if subject in closed and event.name not in _SETS:
                    continue
                self._database.execute(
                    "INSERT OR REPLACE INTO logs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    event.block,
                    event.log_index,
                    event.block_hash,
                    event.transaction,
                    event.address,
                    event.name,
                    subject,
                    b"".join(event.topics),
                    event.data,
                )
            self._database.execute(
                "INSERT OR REPLACE INTO blocks VALUES (?, ?)", number, block_hash
            )
            self._database.execute(
                "DELETE FROM blocks WHERE number NOT IN"
                " (SELECT number FROM blocks ORDER BY number DESC LIMIT ?)",
                _CHECKPOINTS,
            )

    def places(self, first: int) -> set[tuple[int, int]]:
        """Block and position of every log from a block on."""
        return set(self._database.rows("SELECT block, log_index FROM logs WHERE block >= ?", first))

    def created(self) -> list[AuctionId]:
        """Ids of all auctions that are not over, in the order of their creation."""
        rows = self._database.rows(
            "SELECT subject FROM logs WHERE name = 'AuctionCreated' ORDER BY block, log_index"
        )
        return [AuctionId(number) for (number,) in rows]

    def numbers(self) -> set[int]:
        """Ids of all auctions, those that are over included."""
        rows = self._database.rows(
            "SELECT subject FROM logs WHERE name = 'AuctionCreated'"
            " UNION SELECT auction FROM closed"
        )
        return {number for (number,) in rows}

    def rewind(self, number: int) -> None:
        """Forget logs and checkpoints above a block."""
        with self._database.atomic():
            self._database.execute("DELETE FROM logs WHERE block > ?", number)
            self._database.execute("DELETE FROM blocks WHERE number > ?", number)
            # Another auction may get the id of one that was created on the abandoned branch.
            self._database.execute("DELETE FROM closed WHERE block > ?", number)

    def close(self, auction: AuctionId) -> None:
        """Drop an auction's logs, and ignore those still to come."""
        with self._database.atomic():
            self._database.execute(
                "INSERT OR IGNORE INTO closed SELECT subject, min(block) FROM logs"
                " WHERE subject = ? AND name = 'AuctionCreated'",
                auction,
            )
            self._database.execute(
                "DELETE FROM logs WHERE subject = ?"
                " AND name NOT IN (SELECT value FROM json_each(?))",
                auction,
                json.dumps(_SETS),
            )

    def events(self, *names: str, subject: int | None = None) -> list[Event]:
        """Indexed events in order.

        Args:
            names: of events; none for all.
            subject: the auction, or the operator set, that they are about.
        """
        query = "SELECT * FROM logs WHERE 1"
        values: list[Any] = []
        if names:
            query += " AND name IN (SELECT value FROM json_each(?))"
            values.append(json.dumps(names))
        if subject is not None:
            query += " AND subject = ?"
            values.append(subject)
        rows = self._database.rows(query + " ORDER BY block, log_index", *values)
        decoded = (
            decode_log(
                address,
                [topics[i : i + 32] for i in range(0, len(topics), 32)],
                data,
                block=number,
                block_hash=block_hash,
                transaction=transaction,
                log_index=index,
            )
            for number, index, block_hash, transaction, address, _, _, topics, data in rows
        )
        return [event for event in decoded if event is not None]
