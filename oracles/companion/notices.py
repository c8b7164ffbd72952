"""What people are told: written down first, sent once on each channel, tried again until it is."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog

from oracles.service.failures import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oracles.chain.terms import AuctionId
    from oracles.companion.channels import Channel
    from oracles.service.database import Database

log: structlog.stdlib.BoundLogger = structlog.get_logger()

Level = Literal["info", "warning", "error"]
#: Pause of a thread that has nothing to send.
_IDLE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people should know, once.

    Attributes:
        key: what it is about; a second one of the same key is not sent.
        level: how bad it is.
        title: one line.
        text: sentences.
        made: unix time.
        auction, bid: what it concerns; None where it is the program itself.
        deadline: unix seconds by the chain's clock; None where there is none.
    """

    key: str
    level: Level
    title: str
    text: str
    made: float
    auction: AuctionId | None = None
    bid: int | None = None
    deadline: int | None = None

    @property
    def id(self) -> str:
        """The same however often it is sent, so that receivers know it again."""
        return hashlib.sha256(f"{self.key}\n{self.made}".encode()).hexdigest()[:32]

    def public(self) -> dict[str, Any]:
        """As the webhook gets it."""
        return {"id": self.id, **asdict(self)}


class NoticeLog:
    """Table `notices`: by key, with the channels that still have to carry each."""

    SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS notices (
        key TEXT PRIMARY KEY, made REAL NOT NULL, body TEXT NOT NULL, waiting TEXT NOT NULL);
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, notice: Notice, channels: Sequence[str]) -> bool:
        """Keep a notice unless there was one of its key; True if it is new."""
        with self._database.atomic():
            return self._database.execute(
                "INSERT OR IGNORE INTO notices VALUES (?, ?, ?, ?)",
                notice.key,
                notice.made,
                json.dumps(asdict(notice)),
                json.dumps(list(channels)),
            )

    def known(self, key: str) -> bool:
        """Whether there was a notice of this key."""
        return bool(self._database.rows("SELECT 1 FROM notices WHERE key = ?", key))

    def waiting(self, channel: str) -> list[Notice]:
        """What a channel still has to carry, oldest first."""
        rows = self._database.rows(
            "SELECT body FROM notices WHERE EXISTS"
            " (SELECT 1 FROM json_each(waiting) WHERE value = ?) ORDER BY made, key",
            channel,
        )
        return [Notice(**json.loads(body)) for (body,) in rows]

    def carried(self, notice: Notice, channel: str) -> None:
        """A channel has carried a notice, or gave it up."""
        with self._database.atomic():
            for (text,) in self._database.rows(
                "SELECT waiting FROM notices WHERE key = ?", notice.key
            ):
                left = [each for each in json.loads(text) if each != channel]
                self._database.execute(
                    "UPDATE notices SET waiting = ? WHERE key = ?", json.dumps(left), notice.key
                )


class Notifier:
    """Sends notices in threads, one a channel, so that nothing waits for a slow server.

    While the disk is full, notices are kept in memory: better told twice, after a restart, than
    not at all.

    Args:
        kept: where notices are written down.
        channels: ways to people.
        keep_seconds: how long a notice is tried again.
        count: called with a channel's name and `sent`, `failed` or `given up`.
        clock: unix time.
    """

    def __init__(
        self,
        kept: NoticeLog,
        channels: Sequence[Channel],
        keep_seconds: float,
        count: Callable[[str, str], object] = lambda *_: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kept = kept
        self._channels = channels
        self._keep_seconds = keep_seconds
        self._count = count
        self._clock = clock
        self._lock = threading.Lock()
        #: Notices that could not be written down, and what was sent without being noted.
        self._loose: dict[str, Notice] = {}
        self._sent: set[tuple[str, str]] = set()
        self._backoffs = {channel.name: Backoff() for channel in channels}
        self._closing = threading.Event()
        self._wake = threading.Event()
        self._threads = [
            threading.Thread(target=self._carry, args=(channel,), daemon=True, name=channel.name)
            for channel in channels
        ]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop; what is not sent is sent by the next process."""
        self._closing.set()
        self._wake.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout=2)

    def tell(
        self,
        key: str,
        level: Level,
        title: str,
        text: str,
        *,
        auction: AuctionId | None = None,
        bid: int | None = None,
        deadline: int | None = None,
    ) -> bool:
        """Tell people something, once for each key; True if it is new.

        Args:
            key: what it is about.
            level: how bad it is.
            title: one line.
            text: sentences.
            auction: that it concerns, if any.
            bid: that it concerns, if any.
            deadline: unix seconds by the chain's clock, if there is one.
        """
        notice = Notice(key, level, title, text, self._clock(), auction, bid, deadline)
        with self._lock:
            if key in self._loose:
                return False
        try:
            if not self._kept.add(notice, [channel.name for channel in self._channels]):
                return False
        except sqlite3.OperationalError as error:
            if self._known(key):
                return False
            log.warning("notice kept in memory only", key=key, error=str(error))
            with self._lock:
                self._loose[key] = notice
        say = {"info": log.info, "warning": log.warning, "error": log.error}[level]
        say("notice", title=title, text=text, auction=auction, bid=bid, deadline=deadline)
        self._wake.set()
        return True

    def passed(self, key: str) -> None:
        """Note that a notice of this key has no sense any more, so that it is never sent."""
        notice = Notice(key, "info", "", "", self._clock())
        try:
            self._kept.add(notice, [])
        except sqlite3.OperationalError:
            with self._lock:
                self._loose[key] = notice
                self._sent |= {(key, channel.name) for channel in self._channels}

    def waiting(self) -> int:
        """Notices that some channel has not carried yet."""
        keys = {n.key for channel in self._channels for n in self._pending(channel.name)}
        return len(keys)

    def flush(self, seconds: float) -> bool:
        """Wait until everything is sent, or once refused; True if nothing is left.

        Args:
            seconds: most time for it.
        """
        deadline = time.monotonic() + seconds
        while self.waiting() and time.monotonic() < deadline:
            time.sleep(0.05)
        return not self.waiting()

    def _known(self, key: str) -> bool:
        try:
            return self._kept.known(key)
        except sqlite3.OperationalError:
            return False

    def _pending(self, channel: str) -> list[Notice]:
        with self._lock:
            loose, sent = list(self._loose.values()), set(self._sent)
        every = [*self._kept.waiting(channel), *loose]
        return [notice for notice in every if (notice.key, channel) not in sent]

    def _carry(self, channel: Channel) -> None:
        backoff = self._backoffs[channel.name]
        while not self._closing.is_set():
            self._wake.clear()
            try:
                for notice in self._pending(channel.name):
                    if self._closing.is_set():
                        return
                    if backoff.ready(notice.key, time.monotonic()):
                        self._try(channel, notice, backoff)
            except sqlite3.Error as error:
                log.debug("notices cannot be read", error=str(error))
            self._wake.wait(_IDLE_SECONDS)

    def _try(self, channel: Channel, notice: Notice, backoff: Backoff) -> None:
        try:
            channel.send(notice)
        except Exception as error:
            # Whatever a server does to a library, the others have to be told all the same.
            self._count(channel.name, "failed")
            if self._clock() - notice.made >= self._keep_seconds:
                self._count(channel.name, "given up")
                self._carried(notice, channel.name)
            pause = backoff.failed(notice.key, time.monotonic())
            log.warning(
                "notice not sent", channel=channel.name, error=str(error), retry_seconds=pause
            )
            return
        backoff.succeeded(notice.key)
        self._count(channel.name, "sent")
        self._carried(notice, channel.name)

    def _carried(self, notice: Notice, channel: str) -> None:
        with self._lock:
            loose = notice.key in self._loose
        try:
            if not loose:
                self._kept.carried(notice, channel)
                return
        except sqlite3.OperationalError as error:
            # This process knows that it was sent, even if the next one does not.
            log.debug("sent, but not noted", key=notice.key, error=str(error))
        with self._lock:
            self._sent.add((notice.key, channel))
