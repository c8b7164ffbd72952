"""What this operator stands for: one report per round, and the record of what it signed."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Final

from oracles.errors import QmiaError

if TYPE_CHECKING:
    from oracles.chain.terms import AuctionId
    from oracles.service.database import Database


class EquivocationError(QmiaError):
    """A second, different report was about to be signed for one round. It is not."""


@dataclass(frozen=True, slots=True)
class Report:
    """The vector that this operator stands for in one round.

    Attributes:
        auction: id.
        round: 1 or 2.
        inputs: digest over the data sets that it scores.
        vector: eight bytes per score.
        evidence: digest of the bundle.
        digest: EIP-712 digest of the report.
    """

    auction: AuctionId
    round: int
    inputs: bytes
    vector: bytes
    evidence: bytes
    digest: bytes


class Reports:
    """Tables `reports`, and `signed`: one digest for each auction and round, never deleted."""

    SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS reports (
        auction INTEGER, round INTEGER, inputs BLOB NOT NULL, vector BLOB NOT NULL,
        evidence BLOB NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (auction, round));
    CREATE TABLE IF NOT EXISTS signed (
        auction INTEGER, round INTEGER, digest BLOB NOT NULL, PRIMARY KEY (auction, round));
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, auction: AuctionId, round_: int) -> Report | None:
        """This operator's report of a round."""
        query = "SELECT * FROM reports WHERE auction = ? AND round = ?"
        rows = self._database.rows(query, auction, round_)
        return Report(*rows[0]) if rows else None

    def store(self, report: Report) -> None:
        """Keep a report, in place of an earlier draft.

        Raises:
            EquivocationError: another one was signed for this round.
        """
        with self._database.atomic():
            self._check_signed(report.auction, report.round, report.digest)
            self._database.execute(
                "INSERT OR REPLACE INTO reports VALUES (?, ?, ?, ?, ?, ?)", *astuple(report)
            )

    def claim_slot(self, auction: AuctionId, round_: int, digest: bytes) -> None:
        """Record, on disk, that this digest and no other is signed for a round.

        Raises:
            EquivocationError: another one was.
        """
        with self._database.atomic():
            self._check_signed(auction, round_, digest)
            self._database.execute(
                "INSERT OR IGNORE INTO signed VALUES (?, ?, ?)", auction, round_, digest
            )

    def forget(self, auction: AuctionId) -> None:
        """Drop the reports of an auction that is over; what was signed is never forgotten."""
        with self._database.atomic():
            self._database.execute("DELETE FROM reports WHERE auction = ?", auction)

    def _check_signed(self, auction: AuctionId, round_: int, digest: bytes) -> None:
        query = "SELECT digest FROM signed WHERE auction = ? AND round = ?"
        if any(signed != digest for (signed,) in self._database.rows(query, auction, round_)):
            raise EquivocationError(
                f"auction {auction}, round {round_}: another report was signed before; "
                "this one is not signed"
            )
