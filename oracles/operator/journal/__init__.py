"""What an operator must not forget: one SQLite file, a class for each group of tables.

logs           index of the contracts' logs, rolled back when the chain is
reports        the vector that this operator stands for, and what it signed, never deleted
messages       valid signed reports and verdicts of operators, this one's too
transactions   what was sent for which duty, so that a restart does not send it again
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from oracles.operator.journal.messages import Messages, SignedReport
from oracles.operator.journal.reports import EquivocationError, Report, Reports
from oracles.service.database import Database
from oracles.service.logindex import LogIndex
from oracles.service.transactions import TransactionLog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from oracles.chain.terms import AuctionId

__all__ = [
    "EquivocationError",
    "Journal",
    "Messages",
    "Report",
    "Reports",
    "SignedReport",
]


#: Of all tables; another one is refused, so that no upgrade forgets what was signed.
_VERSION: Final = 2


class Journal:
    """The operator's memory on disk. One process at a time; safe between its threads.

    Args:
        folder: where it lives; created if missing.
        identity: chain, contracts and operator that it belongs to.

    Raises:
        BusyError: another process uses it.
        ConfigError: it belongs to another identity, is damaged, or cannot be locked.
        OSError, sqlite3.OperationalError: the disk refuses, which may pass.
    """

    def __init__(self, folder: Path, identity: Mapping[str, str]) -> None:
        tables = (LogIndex, Reports, Messages, TransactionLog)
        schema = [table.SCHEMA for table in tables]
        self._database = Database(folder, schema, identity, version=_VERSION)
        self.logs = LogIndex(self._database)
        self.reports = Reports(self._database)
        self.messages = Messages(self._database)
        self.transactions = TransactionLog(self._database)

    def close(self) -> None:
        """Let the folder go."""
        self._database.close()

    def close_auction(self, auction: AuctionId) -> None:
        """Drop all that is known of an auction but what was signed; ignore its further logs."""
        with self._database.atomic():
            self.logs.close(auction)
            self.reports.forget(auction)
            self.messages.forget(auction)
            self.transactions.forget(auction)
