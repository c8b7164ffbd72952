"""What operators signed, this one included: reports, and verdicts of non-delivery."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Final

from oracles.chain.oracle import Ground, Submission

if TYPE_CHECKING:
    from oracles.chain.terms import AuctionId
    from oracles.service.database import Database

#: Reports kept of one member and round: two prove a contradiction, more add nothing.
_MOST_REPORTS: Final = 3


@dataclass(frozen=True, slots=True)
class SignedReport:
    """A report with its operator's valid signature.

    Attributes:
        auction, round: what it is about.
        member: position of the operator in the set.
        digest: EIP-712 digest of the report.
        committed: whether the operator's commitment on chain is to this report.
        salt: of that commitment.
        evidence: digest of the operator's evidence bundle.
        signature: 65 bytes.
        vector: eight bytes per score.
    """

    auction: AuctionId
    round: int
    member: int
    digest: bytes
    committed: bool
    salt: bytes
    evidence: bytes
    signature: bytes
    vector: bytes

    @property
    def submission(self) -> Submission:
        """As the contract takes it."""
        return Submission(self.member, self.salt, self.evidence, self.signature, self.vector)


class Messages:
    """Tables `heard` (reports) and `verdicts` (signatures by index, ground and member)."""

    SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS heard (
        auction INTEGER, round INTEGER, member INTEGER, digest BLOB,
        committed INTEGER NOT NULL, salt BLOB NOT NULL, evidence BLOB NOT NULL,
        signature BLOB NOT NULL, vector BLOB NOT NULL,
        PRIMARY KEY (auction, round, member, digest));
    CREATE TABLE IF NOT EXISTS verdicts (
        auction INTEGER, provider INTEGER, ground INTEGER, member INTEGER,
        signature BLOB NOT NULL, PRIMARY KEY (auction, provider, ground, member));
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_report(self, report: SignedReport) -> bool:
        """Keep a checked report, if it adds anything; True if it is new."""
        known = "SELECT count(*) FROM heard WHERE auction = ? AND round = ? AND member = ?"
        with self._database.atomic():
            ((count,),) = self._database.rows(known, report.auction, report.round, report.member)
            if count >= _MOST_REPORTS and not report.committed:
                return False
            return self._database.execute(
                "INSERT INTO heard VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " committed = 1, salt = excluded.salt, signature = excluded.signature"
                # The right salt replaces a wrong one, with which anybody could have come first.
                " WHERE excluded.committed > heard.committed",
                *astuple(report),
            )

    def reports(self, auction: AuctionId, round_: int) -> list[SignedReport]:
        """Reports of a round, by member, the one committed to first."""
        rows = self._database.rows(
            "SELECT * FROM heard WHERE auction = ? AND round = ? ORDER BY member, committed DESC",
            auction,
            round_,
        )
        return [
            SignedReport(about, number, member, digest, bool(committed), *rest)
            for about, number, member, digest, committed, *rest in rows
        ]

    def add_verdict(
        self, auction: AuctionId, index: int, ground: Ground, member: int, signature: bytes
    ) -> bool:
        """Keep a checked signature of a verdict; True if it is new."""
        with self._database.atomic():
            return self._database.execute(
                "INSERT OR IGNORE INTO verdicts VALUES (?, ?, ?, ?, ?)",
                auction,
                index,
                int(ground),
                member,
                signature,
            )

    def verdicts(self, auction: AuctionId) -> dict[tuple[int, Ground], dict[int, bytes]]:
        """Signatures by index and ground, by member."""
        found: dict[tuple[int, Ground], dict[int, bytes]] = {}
        for index, ground, member, signature in self._database.rows(
            "SELECT provider, ground, member, signature FROM verdicts WHERE auction = ?"
            " ORDER BY provider, ground, member",
            auction,
        ):
            found.setdefault((index, Ground(ground)), {})[member] = signature
        return found

    def forget(self, auction: AuctionId) -> None:
        """Drop the messages about an auction that is over."""
        with self._database.atomic():
            self._database.execute("DELETE FROM heard WHERE auction = ?", auction)
            self._database.execute("DELETE FROM verdicts WHERE auction = ?", auction)
