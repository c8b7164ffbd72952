"""What an operator must not forget: SQLite in WAL mode, every commit flushed to disk.

    logs, blocks    index of the contracts' logs, rolled back when the chain is
    closed          auctions that need no more attention, and whose logs are dropped
    reports         the vector that this operator stands for, one a round
    signed          one digest for each (auction, round), for ever: the anti-equivocation record
    heard           valid signed reports of operators, this one's too
    verdicts        signatures of non-delivery verdicts
    transactions    what was sent for which purpose, so that a restart does not send it again

A lock on the folder keeps a second daemon from using it.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oracles.chain.events import Event
from oracles.errors import ConfigError, QmiaError
from oracles.files import sync_folder
from oracles.operator.duties import about

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

#: Of the tables below; another one is refused, so that no upgrade forgets what was signed.
_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS identity (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS blocks (number INTEGER PRIMARY KEY, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS logs (
    block INTEGER, log_index INTEGER, block_hash BLOB NOT NULL, transaction_hash BLOB NOT NULL,
    address TEXT NOT NULL, name TEXT NOT NULL, subject INTEGER, args TEXT NOT NULL,
    PRIMARY KEY (block, log_index));
CREATE INDEX IF NOT EXISTS logs_by_subject ON logs (subject, name);
CREATE TABLE IF NOT EXISTS closed (auction INTEGER PRIMARY KEY, block INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS reports (
    auction INTEGER, round INTEGER, inputs BLOB NOT NULL, vector BLOB NOT NULL,
    evidence BLOB NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (auction, round));
CREATE TABLE IF NOT EXISTS signed (
    auction INTEGER, round INTEGER, digest BLOB NOT NULL, PRIMARY KEY (auction, round));
CREATE TABLE IF NOT EXISTS heard (
    auction INTEGER, round INTEGER, member INTEGER, digest BLOB,
    committed INTEGER NOT NULL, salt BLOB NOT NULL, evidence BLOB NOT NULL,
    signature BLOB NOT NULL, vector BLOB NOT NULL,
    PRIMARY KEY (auction, round, member, digest));
CREATE TABLE IF NOT EXISTS verdicts (
    auction INTEGER, provider INTEGER, member INTEGER, signature BLOB NOT NULL,
    PRIMARY KEY (auction, provider, member));
CREATE TABLE IF NOT EXISTS transactions (
    id INTEGER PRIMARY KEY, purpose TEXT NOT NULL, nonce INTEGER NOT NULL, state TEXT NOT NULL,
    request TEXT NOT NULL, hashes TEXT NOT NULL, raw BLOB NOT NULL,
    fee INTEGER NOT NULL, tip INTEGER NOT NULL, sent REAL NOT NULL, block INTEGER);
CREATE INDEX IF NOT EXISTS transactions_by_state ON transactions (state);
CREATE INDEX IF NOT EXISTS transactions_by_purpose ON transactions (purpose);
"""


class EquivocationError(QmiaError):
    """A second, different report was about to be signed for one round. It is not."""


@dataclass(frozen=True, slots=True)
class Report:
    """The vector that this operator stands for in one round.

    Attributes:
        auction: id.
        round: 1 or 2.
        inputs: digest over the data sets that it scores.
        vector: eight bytes a score.
        evidence: digest of the bundle.
        digest: EIP-712 digest of the report.
    """

    auction: int
    round: int
    inputs: bytes
    vector: bytes
    evidence: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """A signed report of some operator; `committed` if its commitment on chain is to this one."""

    auction: int
    round: int
    member: int
    digest: bytes
    committed: bool
    salt: bytes
    evidence: bytes
    signature: bytes
    vector: bytes


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction on its way.

    Attributes:
        id: row.
        purpose: what it is for; at most one pending transaction a purpose.
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
    purpose: str
    nonce: int
    state: str
    request: dict[str, Any]
    hashes: tuple[str, ...]
    raw: bytes
    fee: int
    tip: int
    sent: float
    block: int | None


def _from_bytes(value: Any) -> dict[str, str]:
    return {"0x": bytes(value).hex()}


def _to_bytes(value: dict[str, Any]) -> Any:
    return bytes.fromhex(value["0x"]) if value.keys() == {"0x"} else value


class Journal:
    """The operator's memory. One process at a time; safe between its threads.

    Args:
        folder: where it lives; created if missing.
        identity: chain, contracts and operator that it belongs to.

    Raises:
        ConfigError: another process uses it, or it belongs to another identity.
    """

    def __init__(self, folder: Path, identity: dict[str, str]) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(folder.parent)
        self._lock_file = (folder / "lock").open("w")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock_file.close()
            raise ConfigError(f"another process uses {folder}; stop it first") from error
        self._lock = threading.RLock()
        try:
            self._open(folder / "journal.sqlite", identity)
            kept = dict(self._db.execute("SELECT name, value FROM identity"))
        except sqlite3.Error as error:
            self._lock_file.close()
            raise ConfigError(f"the journal in {folder} cannot be used: {error}") from error
        if wrong := [name for name, value in identity.items() if kept[name] != value]:
            name = wrong[0]
            self.close()
            raise ConfigError(
                f"{folder} belongs to {name} {kept[name]}, not {identity[name]}; use another folder"
            )

    def _open(self, path: Path, identity: dict[str, str]) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise sqlite3.NotSupportedError(f"its format is {version}, not {_VERSION}")
        self._db.executescript(_SCHEMA)
        self._db.execute(f"PRAGMA user_version = {_VERSION}")
        with self.atomic():
            for name, value in identity.items():
                self._db.execute("INSERT OR IGNORE INTO identity VALUES (?, ?)", (name, value))

    def close(self) -> None:
        """Let the folder go."""
        with self._lock:
            self._db.close()
            self._lock_file.close()

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """All or nothing, on disk when the block ends."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            try:
                self._db.execute("COMMIT")
            except sqlite3.Error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    # INDEX OF LOGS

    def close_auction(self, auction: int) -> None:
        """Drop all that is known of an auction but what was signed; ignore its further logs."""
        with self.atomic():
            self._db.execute(
                "INSERT OR IGNORE INTO closed SELECT subject, min(block) FROM logs"
                " WHERE subject = ? AND name = 'AuctionCreated'",
                (auction,),
            )
            self._db.execute(
                "DELETE FROM logs WHERE subject = ? AND name != 'SetCreated'", (auction,)
            )
            for table in ("reports", "heard", "verdicts"):
                self._db.execute(f"DELETE FROM {table} WHERE auction = ?", (auction,))  # noqa: S608
            over = "SELECT id, purpose FROM transactions WHERE state IN ('final', 'lost')"
            for row, purpose in self._rows(over):
                if about(purpose, auction):
                    self._db.execute("DELETE FROM transactions WHERE id = ?", (row,))

    def checkpoints(self) -> list[tuple[int, bytes]]:
        """Blocks up to which logs were read, newest first."""
        return self._rows("SELECT number, hash FROM blocks ORDER BY number DESC")

    def store_logs(self, events: Iterable[Event], number: int, block_hash: bytes) -> None:
        """Add logs, and the block up to which they are complete."""
        with self.atomic():
            closed = {auction for (auction,) in self._rows("SELECT auction FROM closed")}
            for event in events:
                args = event.args
                subject = args.get("auction", args.get("id", args.get("operatorSet")))
                if subject in closed and event.name != "SetCreated":
                    continue
                self._db.execute(
                    "INSERT OR REPLACE INTO logs VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        event.block,
                        event.log_index,
                        event.block_hash,
                        event.transaction,
                        event.address,
                        event.name,
                        subject,
                        json.dumps(args, default=_from_bytes),
                    ),
                )
            self._db.execute("INSERT OR REPLACE INTO blocks VALUES (?, ?)", (number, block_hash))
            # Enough to find the fork point of any reorganisation that is not a catastrophe.
            self._db.execute(
                "DELETE FROM blocks WHERE number NOT IN"
                " (SELECT number FROM blocks ORDER BY number DESC LIMIT 256)"
            )

    def rewind(self, number: int) -> None:
        """Forget logs and checkpoints above a block."""
        with self.atomic():
            self._db.execute("DELETE FROM logs WHERE block > ?", (number,))
            self._db.execute("DELETE FROM blocks WHERE number > ?", (number,))
            # Another auction may get the id of one that was created on the abandoned branch.
            self._db.execute("DELETE FROM closed WHERE block > ?", (number,))

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
        return [
            Event(
                name,
                json.loads(args, object_hook=_to_bytes),
                address,
                number,
                block_hash,
                transaction,
                index,
            )
            for number, index, block_hash, transaction, address, name, _, args in self._rows(
                query + " ORDER BY block, log_index", *values
            )
        ]

    # REPORTS

    def report(self, auction: int, round_: int) -> Report | None:
        """This operator's report of a round."""
        rows = self._rows("SELECT * FROM reports WHERE auction = ? AND round = ?", auction, round_)
        return Report(*rows[0]) if rows else None

    def store_report(self, report: Report) -> None:
        """Keep a report, in place of an earlier draft.

        Raises:
            EquivocationError: another one was signed for this round.
        """
        with self.atomic():
            self._check_signed(report.auction, report.round, report.digest)
            self._db.execute(
                "INSERT OR REPLACE INTO reports VALUES (?, ?, ?, ?, ?, ?)",
                (
                    report.auction,
                    report.round,
                    report.inputs,
                    report.vector,
                    report.evidence,
                    report.digest,
                ),
            )

    def claim_slot(self, auction: int, round_: int, digest: bytes) -> None:
        """Record, on disk, that this digest and no other is signed for a round.

        Raises:
            EquivocationError: another one was.
        """
        with self.atomic():
            self._check_signed(auction, round_, digest)
            self._db.execute(
                "INSERT OR IGNORE INTO signed VALUES (?, ?, ?)", (auction, round_, digest)
            )

    def is_signed(self, auction: int, round_: int) -> bool:
        """Whether anything was signed for a round."""
        return bool(
            self._rows("SELECT 1 FROM signed WHERE auction = ? AND round = ?", auction, round_)
        )

    def _check_signed(self, auction: int, round_: int, digest: bytes) -> None:
        rows = self._rows(
            "SELECT digest FROM signed WHERE auction = ? AND round = ?", auction, round_
        )
        if rows and rows[0][0] != digest:
            raise EquivocationError(
                f"auction {auction}, round {round_}: another report was signed before; "
                "this one is not signed"
            )

    # WHAT OTHERS SAY

    def hear(self, heard: Heard) -> bool:
        """Keep a checked report; True if it is new."""
        with self.atomic():
            before = self._db.total_changes
            self._db.execute(
                "INSERT INTO heard VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " committed = 1, salt = excluded.salt, signature = excluded.signature"
                # The right salt replaces a wrong one, with which anybody could have come first.
                " WHERE excluded.committed > heard.committed",
                (
                    heard.auction,
                    heard.round,
                    heard.member,
                    heard.digest,
                    heard.committed,
                    heard.salt,
                    heard.evidence,
                    heard.signature,
                    heard.vector,
                ),
            )
            return self._db.total_changes > before

    def heard(self, auction: int, round_: int) -> list[Heard]:
        """Reports of a round, by member."""
        rows = self._rows(
            "SELECT * FROM heard WHERE auction = ? AND round = ? ORDER BY member, committed DESC",
            auction,
            round_,
        )
        return [Heard(*row) for row in rows]

    def add_verdict(self, auction: int, provider: int, member: int, signature: bytes) -> bool:
        """Keep a checked signature of a verdict; True if it is new."""
        with self.atomic():
            before = self._db.total_changes
            self._db.execute(
                "INSERT OR IGNORE INTO verdicts VALUES (?, ?, ?, ?)",
                (auction, provider, member, signature),
            )
            return self._db.total_changes > before

    def verdicts(self, auction: int) -> dict[int, dict[int, bytes]]:
        """Signatures by provider index and member."""
        found: dict[int, dict[int, bytes]] = {}
        for provider, member, signature in self._rows(
            "SELECT provider, member, signature FROM verdicts WHERE auction = ?"
            " ORDER BY provider, member",
            auction,
        ):
            found.setdefault(provider, {})[member] = signature
        return found

    # TRANSACTIONS

    def add_transaction(
        self,
        purpose: str,
        nonce: int,
        request: dict[str, Any],
        digest: str,
        raw: bytes,
        fee: int,
        tip: int,
        sent: float,
    ) -> None:
        """Record a transaction before it is sent."""
        with self.atomic():
            self._db.execute(
                "INSERT INTO transactions (purpose, nonce, state, request, hashes, raw, fee, tip,"
                " sent) VALUES (?, ?, 'pending', ?, ?, ?, ?, ?, ?)",
                (purpose, nonce, json.dumps(request), json.dumps([digest]), raw, fee, tip, sent),
            )

    def update_transaction(self, transaction: Transaction) -> None:
        """Write back a changed transaction."""
        with self.atomic():
            self._db.execute(
                "UPDATE transactions SET state = ?, request = ?, hashes = ?, raw = ?, fee = ?,"
                " tip = ?, sent = ?, block = ? WHERE id = ?",
                (
                    transaction.state,
                    json.dumps(transaction.request),
                    json.dumps(transaction.hashes),
                    transaction.raw,
                    transaction.fee,
                    transaction.tip,
                    transaction.sent,
                    transaction.block,
                    transaction.id,
                ),
            )

    def sent(self, purpose: str) -> bool:
        """Whether a transaction for this purpose is on its way or was mined without a failure."""
        query = "SELECT 1 FROM transactions WHERE purpose = ? AND state IN (?, ?, ?)"
        return bool(self._rows(query, purpose, "pending", "mined", "final"))

    def transactions(self, *states: str) -> list[Transaction]:
        """Transactions in these states, by nonce."""
        rows = self._rows(
            "SELECT * FROM transactions WHERE state IN (SELECT value FROM json_each(?))"
            " ORDER BY nonce, id",
            json.dumps(states),
        )
        decoded = (
            (*row[:4], json.loads(row[4]), tuple(json.loads(row[5])), *row[6:]) for row in rows
        )
        return [Transaction(*values) for values in decoded]
