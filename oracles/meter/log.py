"""The append-only log of a meter: events on disk, their Merkle tree, and receipts.

A folder:

    events.jsonl   one canonical event a line
    leaves         their hashes; made again from the events where it is lost
    periods.jsonl  checkpoints: what was closed, signed, and where it stands on chain
    lock           held by the one program that writes

An event counts from the moment its line is on disk, and `append` returns after that. A line that a
power cut has torn was never acknowledged, so it is cut off.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from eth_account import Account
from eth_account.messages import encode_typed_data

from oracles.errors import ConfigError, InputError, IntegrityError
from oracles.files import open_private, sync_folder, write_all, write_file
from oracles.meter.events import LONGEST, Event, Kind, Prices, period_revenue
from oracles.meter.tree import Tree, entry_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from io import FileIO
    from pathlib import Path

    from eth_typing import ChecksumAddress

    from oracles.chain.signers import Signer

T = TypeVar("T")

_EVENTS: Final = "events.jsonl"
_PERIODS: Final = "periods.jsonl"
#: Every line of usage has it, since entries are canonical; whatever else has it is still no usage.
_USAGE: Final = b'"type":"org.qmia.usage"'


class LogInUseError(ConfigError):
    """Another program writes the log."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a customer holds: the publisher's word that an entry is in its log.

    Attributes:
        origin: the log's.
        sequence: of the entry.
        leaf: its hash, 32 bytes.
        signature: of the publisher over the three (EIP-712), 65 bytes.
    """

    origin: str
    sequence: int
    leaf: bytes
    signature: bytes

    def encode(self) -> str:
        """For a header: sequence, leaf and signature, with dots between."""
        return f"{self.sequence}.{self.leaf.hex()}.{self.signature.hex()}"

    @classmethod
    def decode(cls, text: str, origin: str) -> Receipt:
        """From a header.

        Raises:
            InputError: it is no receipt.
        """
        try:
            sequence, leaf, signature = text.strip().split(".")
            found = cls(origin, int(sequence), bytes.fromhex(leaf), bytes.fromhex(signature))
        except ValueError as error:
            raise InputError(
                f"{text!r} is no receipt: sequence.leaf.signature is needed"
            ) from error
        if len(found.leaf) != 32 or len(found.signature) != 65 or found.sequence < 0:
            raise InputError(f"{text!r} is no receipt")
        return found

    def signer(self) -> ChecksumAddress:
        """Whose word it is.

        Raises:
            InputError: the signature is none.
        """
        message = encode_typed_data(
            full_message=receipt_message(self.origin, self.sequence, self.leaf)
        )
        try:
            found: ChecksumAddress = Account.recover_message(message, signature=self.signature)
        except Exception as error:
            # The curve's library has errors of its own.
            raise InputError("the receipt's signature is none") from error
        return found


@dataclass(frozen=True, slots=True)
class Period:
    """A closed part of the log.

    Attributes:
        number: from 0.
        size: entries of the log up to its end.
        root: Merkle root over them, hexadecimal.
        end: unix seconds; no later entry has an earlier time.
        revenue: whole units that it pays.
        carried: millionths that it leaves to the next.
        prices: digest of the price list at its end, hexadecimal.
        entries: sha2-256 of its own lines, hexadecimal.
        length: bytes of the events file up to its end.
        leaves: sha2-256 of the file of hashes up to its end, hexadecimal.
        transaction: that posted it; None as long as it is not on chain.
    """

    number: int
    size: int
    root: str
    end: int
    revenue: int
    carried: int
    prices: str
    entries: str
    length: int
    leaves: str
    transaction: str | None = None


def receipt_message(origin: str, sequence: int, leaf: bytes) -> dict[str, Any]:
    """The typed message of a receipt (EIP-712)."""
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
            ],
            "Receipt": [
                {"name": "origin", "type": "string"},
                {"name": "sequence", "type": "uint256"},
                {"name": "leaf", "type": "bytes32"},
            ],
        },
        "primaryType": "Receipt",
        "domain": {"name": "Q-MIA UsageLog", "version": "1"},
        "message": {"origin": origin, "sequence": sequence, "leaf": leaf},
    }


class UsageLog:
    """A log that this program alone writes.

    Args:
        folder: of the log; made if it does not exist.
        origin: what its events name as their source, as `qmia:31337/0x…/0x…`.
        clock: unix seconds.

    Raises:
        LogInUseError: another program writes it.
        ConfigError: it cannot be written, or it is another origin's.
        IntegrityError: an entry in it is damaged.
    """

    def __init__(
        self, folder: Path, origin: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.folder, self.origin = folder, origin
        self._clock = clock
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = open_private(folder / "lock", "w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Unbuffered: what a full disk refuses must not be tried again by a later flush.
            self._file = cast("FileIO", open_private(folder / _EVENTS, "ab", buffering=0))
            self._tree = Tree(folder / "leaves")
            sync_folder(folder)
        except BlockingIOError as error:
            self._lock.close()
            raise LogInUseError(
                f"another program writes the log {folder}: stop it first"
            ) from error
        except OSError as error:
            raise ConfigError(f"cannot write the log {folder}: {error.strerror}") from error
        self.prices: Prices | None = None
        self.periods: list[Period] = []
        #: References of licences and corrections, none of which is written twice.
        self.refs: set[str] = set()
        #: Bytes of the events file that count.
        self._length = 0
        self._time = 0
        #: Of what was logged since the last period.
        self._amounts = 0
        self._digest = hashlib.sha256()
        #: Of all hashes of entries.
        self._hashes = hashlib.sha256()
        self._damaged = False
        try:
            self._recover()
        except OSError as error:
            self.close()
            raise ConfigError(f"cannot read the log {folder}: {error.strerror}") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another program write it."""
        self._tree.close()
        self._file.close()
        self._lock.close()

    @property
    def size(self) -> int:
        """Number of entries."""
        return self._tree.size

    def root(self, size: int | None = None) -> bytes:
        """Root over the first entries, by default over all: 32 bytes."""
        return self._tree.root(self.size if size is None else size)

    def inclusion(self, sequence: int, size: int) -> list[bytes]:
        """Branch of an entry to the root over the first `size` entries."""
        return self._tree.inclusion(sequence, size)

    def consistency(self, old: int, size: int) -> list[bytes]:
        """Proof that the log only grew from `old` to `size` entries."""
        return self._tree.consistency(old, size)

    def append(self, entries: Sequence[tuple[Kind, Mapping[str, Any]]]) -> list[Event]:
        """Write events down; they are on disk when this returns.

        Raises:
            InputError: one cannot be an entry, or is a price list that cannot follow the last.
            ConfigError: the disk refuses; nothing of it counts.
        """
        # The clock may be set back; the log's own order is what counts.
        now = max(self._time, int(self._clock() * 1000))
        events = [
            Event(self.size + place, self.origin, now, kind, data)
            for place, (kind, data) in enumerate(entries)
        ]
        lines = self._lines(events)
        if self._damaged:
            raise ConfigError(
                f"the log {self.folder} could not be mended after the disk refused: start again"
            )
        data = b"".join(line + b"\n" for line in lines)
        size = self.size
        try:
            write_all(self._file, data)
            os.fsync(self._file.fileno())
            leaves = [entry_hash(line) for line in lines]
            self._tree.append(leaves)
        except OSError as error:
            self._take_back(size)
            raise ConfigError(f"cannot write the log {self.folder}: {error.strerror}") from error
        self._length += len(data)
        self._digest.update(data)
        self._hashes.update(b"".join(leaves))
        self._time = now
        for event in events:
            self._note(event)
            self._amounts += event.amount
        return events

    def _lines(self, events: Sequence[Event]) -> list[bytes]:
        prices = self.prices
        try:
            for event in events:
                if event.kind == "prices":
                    after = Prices.of(event.data)
                    if prices is not None:
                        prices.check_next(after)
                    prices = after
            lines = [event.encode() for event in events]
        except (ValueError, IntegrityError) as error:
            raise InputError(f"this cannot be an entry of a log: {error}") from error
        if any(len(line) >= LONGEST for line in lines):
            raise InputError(f"an entry is longer than {LONGEST} bytes")
        return lines

    def _take_back(self, size: int) -> None:
        """After the disk refused: what is half written must never be read as an entry."""
        try:
            self._file.truncate(self._length)
            self._tree.truncate(size)
        except OSError:
            self._damaged = True

    def receipt(self, event: Event, signer: Signer) -> Receipt:
        """The publisher's word that an event is in the log."""
        leaf = entry_hash(event.encode())
        signature = signer.sign_typed(receipt_message(self.origin, event.sequence, leaf))
        return Receipt(self.origin, event.sequence, leaf, signature)

    def events(self, start: int = 0) -> Iterator[Event]:
        """Entries from place `start` on.

        Raises:
            IntegrityError: one is damaged.
        """
        return read_events(self.folder, start)

    def close_period(self) -> Period:
        """Close what was logged since the last period, an empty one included.

        Raises:
            InputError: the log has no price list yet.
        """
        if self.prices is None:
            raise InputError("the log has no price list yet: `qmia meter prices` sets one")
        last = self.periods[-1] if self.periods else None
        revenue, carried = period_revenue(last.carried if last else 0, self._amounts)
        # The clock may be set back. On chain each period ends after the one before.
        end = max(self._time // 1000, int(self._clock()), last.end + 1 if last else 0)
        period = Period(
            last.number + 1 if last else 0,
            self.size,
            self.root().hex(),
            end,
            revenue,
            carried,
            self.prices.digest.hex(),
            self._digest.hexdigest(),
            self._length,
            self._hashes.hexdigest(),
        )
        self._keep([*self.periods, period])
        # Nothing that comes later may have an earlier time than the period's end.
        self._time = max(self._time, end * 1000)
        self._amounts = 0
        self._digest = hashlib.sha256()
        return period

    def posted(self, number: int, transaction: str) -> None:
        """Note where a period stands on chain.

        Raises:
            ConfigError: the disk refuses.
        """
        self._keep(
            [
                Period(**(asdict(each) | {"transaction": transaction}))
                if each.number == number
                else each
                for each in self.periods
            ]
        )

    def _keep(self, periods: list[Period]) -> None:
        lines = "".join(json.dumps(asdict(each)) + "\n" for each in periods)
        try:
            write_file(self.folder / _PERIODS, lines)
        except OSError as error:
            raise ConfigError(f"cannot write the log {self.folder}: {error.strerror}") from error
        self.periods = periods

    def _note(self, event: Event) -> None:
        if event.kind == "prices":
            self.prices = Prices.of(event.data)
        if "ref" in event.data:
            self.refs.add(str(event.data["ref"]))

    def _recover(self) -> None:
        """Cut a torn line off, and bring the tree to what the events are.

        Closed periods are held against their sha2-256 and are not decoded, usage at least: a log of
        millions of entries opens in seconds.
        """
        self.periods = read_periods(self.folder)
        closed = self.periods[-1] if self.periods else None
        known = closed is not None and self._known(closed)
        if closed is None or not known or self._tree.root(closed.size).hex() != closed.root:
            self._tree.trust(0)
        else:
            self._tree.trust(closed.size)
        ends = iter(self.periods)
        end = self._pass(ends, next(ends, None), 0)
        leaves: list[bytes] = []
        place = 0
        with (self.folder / _EVENTS).open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                if end is None or _USAGE not in line:
                    event = self._checked(line, place)
                    self._note(event)
                    if end is None:
                        self._time = max(self._time, event.time)
                        self._amounts += event.amount
                self._digest.update(line)
                self._length += len(line)
                if end is None or not known:
                    leaves.append(entry_hash(line[:-1]))
                place += 1
                if len(leaves) == 1 << 16:
                    self._settle_tree(place, leaves)
                    leaves.clear()
                end = self._pass(ends, end, place)
        if end is not None:
            raise self._other(end)
        self._settle_tree(place, leaves)
        self._tree.truncate(place)
        self._file.truncate(self._length)
        if closed is not None and self.root(closed.size).hex() != closed.root:
            raise self._other(closed)

    def _known(self, closed: Period) -> bool:
        """Whether the hashes on disk of all that was closed are those of then."""
        if self._tree.size < closed.size:
            return False
        digest = hashlib.sha256()
        for start in range(0, closed.size, 1 << 16):
            leaves = self._tree.leaves(start, min(start + (1 << 16), closed.size))
            digest.update(b"".join(leaves))
        if digest.hexdigest() != closed.leaves:
            return False
        self._hashes = digest
        return True

    def _checked(self, line: bytes, place: int) -> Event:
        event = Event.decode(line[:-1])
        if event.source != self.origin:
            raise ConfigError(f"{self.folder} is a log of {event.source}, not of {self.origin}")
        if event.sequence != place:
            raise IntegrityError(
                f"entry {place} of the log {self.folder} says that it is {event.sequence}"
            )
        return event

    def _pass(self, ends: Iterator[Period], end: Period | None, place: int) -> Period | None:
        """Hold the periods that end at a place against their own lines; gives the next."""
        while end is not None and end.size == place:
            if end.entries != self._digest.hexdigest() or end.length != self._length:
                raise self._other(end)
            self._digest = hashlib.sha256()
            self._time = max(self._time, end.end * 1000)
            end = next(ends, None)
        return end

    def _other(self, period: Period) -> IntegrityError:
        return IntegrityError(
            f"{self.folder} is not the log whose period {period.number} was closed"
        )

    def _settle_tree(self, place: int, leaves: list[bytes]) -> None:
        """The events are what counts: where the file of hashes says otherwise it is made again."""
        start = place - len(leaves)
        self._hashes.update(b"".join(leaves))
        if self._tree.leaves(start, place) != leaves:
            self._tree.truncate(min(self._tree.size, start))
            self._tree.append(leaves)


def read_events(folder: Path, start: int = 0) -> Iterator[Event]:
    """Entries of a log that may be written meanwhile, from place `start` on.

    Raises:
        InputError: there is no log.
        IntegrityError: one is damaged.
    """
    for place, line in enumerate(read_lines(folder)):
        if place >= start:
            yield Event.decode(line)


def read_periods(folder: Path) -> list[Period]:
    """Closed periods of a log, in order.

    Raises:
        IntegrityError: the file is damaged.
    """
    path = folder / _PERIODS
    if not path.exists():
        return []
    try:
        return [Period(**json.loads(line)) for line in path.read_text().splitlines()]
    except (OSError, ValueError, TypeError) as error:
        raise IntegrityError(f"{path} is damaged: {error}") from error


def read_lines(path: Path) -> Iterator[bytes]:
    """Entries of a log as its publisher hands it over, undecoded: of its folder or events file.

    Raises:
        InputError: there is no log.
    """
    file = path / _EVENTS if path.is_dir() else path
    try:
        with file.open("rb") as lines:
            # No line is longer than that; what is longer comes in parts, none of which is an entry.
            while line := lines.readline(LONGEST + 1):
                if line.endswith(b"\n"):
                    yield line[:-1]
                elif len(line) > LONGEST:
                    yield line
    except OSError as error:
        raise InputError(f"cannot read the log {file}: {error.strerror}") from error


class Entries:
    """Entries of a log as its publisher hands it over; can be gone through again and again.

    Args:
        path: its folder or events file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[bytes]:
        """From the first one on, undecoded."""
        return read_lines(self._path)


def read_signed(path: Path, what: str, decode: Callable[[str], T]) -> tuple[list[T], list[str]]:
    """Signed statements, one a line, and what is wrong with lines that are none.

    Args:
        path: text file.
        what: it holds: `receipts`, `cosignatures`.
        decode: reads one of them; raises an `InputError` for a line that is none.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {what} from {path}: {error}") from error
    found, wrong = [], []
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                found.append(decode(line))
        except InputError as error:
            wrong.append(f"line {number} of {path.name}: {error}")
    return found, wrong


def read_receipts(path: Path, origin: str) -> tuple[list[Receipt], list[str]]:
    """Receipts of customers, as `read_signed` gives them."""
    return read_signed(path, "receipts", lambda line: Receipt.decode(line, origin))
