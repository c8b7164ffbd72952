"""What a companion must not forget: one SQLite file, a class for each group of tables."""

from __future__ import annotations

import json
from dataclasses import astuple
from typing import TYPE_CHECKING, Any, Final

from oracles.chain.packing import Place
from oracles.companion.notices import NoticeLog
from oracles.service.database import Database
from oracles.service.logindex import LogIndex
from oracles.service.transactions import TransactionLog

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from oracles.chain.terms import AuctionId

#: Of all tables; another one is refused, so that no upgrade forgets what was sent.
_VERSION: Final = 1


class Finished:
    """What is over, and what was last known.

    Tables `finished` (bids for which nothing can become due any more), `holders` (who may have
    revenue shares of which auction), `parts` (bids that may have DST to take), and `seen` (what was
    known when a node last answered).
    """

    SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS finished (sealed_bid BLOB PRIMARY KEY, auction INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS holders (
        auction INTEGER, holder TEXT, collected REAL NOT NULL, PRIMARY KEY (auction, holder));
    CREATE TABLE IF NOT EXISTS parts (
        auction INTEGER, bid INTEGER, owner TEXT NOT NULL, payer TEXT NOT NULL,
        data_set BLOB NOT NULL, taken INTEGER NOT NULL, PRIMARY KEY (auction, bid));
    CREATE TABLE IF NOT EXISTS seen (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, bids: Iterable[bytes], auction: AuctionId) -> None:
        """These bids of an auction are over."""
        with self._database.atomic():
            for sealed in bids:
                self._database.execute(
                    "INSERT OR IGNORE INTO finished VALUES (?, ?)", sealed, auction
                )

    def all(self) -> set[bytes]:
        """Sealed bids that are over."""
        return {sealed for (sealed,) in self._database.rows("SELECT sealed_bid FROM finished")}

    def add_holder(self, auction: AuctionId, holder: str) -> None:
        """Somebody has revenue shares of an auction."""
        with self._database.atomic():
            self._database.execute(
                "INSERT OR IGNORE INTO holders VALUES (?, ?, 0)", auction, holder
            )

    def holders(self) -> list[tuple[AuctionId, str, float]]:
        """Auction, holder, and unix time when revenue was collected last."""
        rows = self._database.rows("SELECT * FROM holders ORDER BY auction, holder")
        return [(auction, holder, collected) for auction, holder, collected in rows]

    def collected(self, auction: AuctionId, holder: str, now: float) -> None:
        """Revenue was collected, at a unix time."""
        with self._database.atomic():
            self._database.execute(
                "UPDATE holders SET collected = ? WHERE auction = ? AND holder = ?",
                now,
                auction,
                holder,
            )

    def add_part(self, auction: AuctionId, place: Place) -> None:
        """A bid may have DST of an auction."""
        with self._database.atomic():
            self._database.execute(
                "INSERT OR IGNORE INTO parts VALUES (?, ?, ?, ?, ?, 0)", auction, *astuple(place)
            )

    def parts(self) -> list[tuple[AuctionId, Place]]:
        """Auctions and bids whose DST was not seen to be taken."""
        rows = self._database.rows(
            "SELECT auction, bid, owner, payer, data_set FROM parts WHERE NOT taken"
            " ORDER BY auction, bid"
        )
        return [(auction, Place(*place)) for auction, *place in rows]

    def taken(self, auction: AuctionId, bid: int) -> None:
        """The DST of a bid was taken, or there is none."""
        with self._database.atomic():
            self._database.execute(
                "UPDATE parts SET taken = 1 WHERE auction = ? AND bid = ?", auction, bid
            )

    def remember(self, name: str, value: Any) -> None:
        """Keep a JSON value under a name, if it is another one than before."""
        text = json.dumps(value)
        if self._database.rows("SELECT 1 FROM seen WHERE name = ? AND value = ?", name, text):
            return
        with self._database.atomic():
            self._database.execute("INSERT OR REPLACE INTO seen VALUES (?, ?)", name, text)

    def recall(self, name: str) -> Any:
        """What was kept under a name; None if nothing was."""
        rows = self._database.rows("SELECT value FROM seen WHERE name = ?", name)
        return json.loads(rows[0][0]) if rows else None


class Journal:
    """The companion's memory on disk. One process at a time; safe between its threads.

    It holds no data key, and no salt that was not revealed: these are in the bid book alone.

    Args:
        folder: where it lives; created if missing.
        identity: chain, contracts and key that it belongs to.

    Raises:
        BusyError: another process uses it.
        ConfigError: it belongs to another identity, is damaged, or cannot be locked.
        OSError, sqlite3.OperationalError: the disk refuses, which may pass.
    """

    def __init__(self, folder: Path, identity: Mapping[str, str]) -> None:
        tables = (LogIndex, TransactionLog, NoticeLog, Finished)
        schema = [table.SCHEMA for table in tables]
        self._database = Database(folder, schema, identity, version=_VERSION)
        self.logs = LogIndex(self._database)
        self.transactions = TransactionLog(self._database)
        self.notices = NoticeLog(self._database)
        self.finished = Finished(self._database)

    def close(self) -> None:
        """Let the folder go."""
        self._database.close()

    def close_auction(self, auction: AuctionId) -> None:
        """Drop an auction's logs and transactions; ignore its further logs."""
        with self._database.atomic():
            self.logs.close(auction)
            self.transactions.forget(auction)
