"""What people are told: before every deadline, once on each channel, until it arrives."""

from __future__ import annotations

import signal
import smtplib
import socket
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest

from oracles.companion.channels import ChannelError, Mailbox, Webhook
from oracles.companion.journal import Journal
from oracles.companion.notices import Notice, Notifier
from oracles.companion.settings import Mail
from oracles.errors import ConfigError
from oracles.service import loop, systemd
from tests.companion.world import Hook, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


SOON = 20.0


class Letters:
    """A channel that keeps what it carries, and refuses as often as it is told."""

    def __init__(self, name: str, refuse: int = 0) -> None:
        self.name, self.left = name, refuse
        self.got: list[str] = []

    def send(self, notice: Notice) -> None:
        if self.left:
            self.left -= 1
            raise ChannelError("not now")
        self.got.append(notice.key)


def until(condition: Any) -> None:
    give_up = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "state", {})
    yield made
    made.close()


def test_notice__told_twice__is_sent_once_on_each_channel(journal: Journal) -> None:
    first, second = Letters("first"), Letters("second", refuse=2)
    notifier = Notifier(journal.notices, [first, second], 3600)
    notifier.start()
    assert notifier.tell("a", "info", "title", "text")
    assert not notifier.tell("a", "info", "title", "text")
    assert notifier.tell("b", "info", "title", "text")
    # One channel that fails keeps the other from nothing.
    until(lambda: len(first.got) == 2 and len(second.got) == 2)
    until(lambda: notifier.waiting() == 0)
    notifier.close()
    assert sorted(first.got) == sorted(second.got) == ["a", "b"]


def test_notice__not_sent_before_the_end__is_sent_by_the_next_process(journal: Journal) -> None:
    dead = Letters("mail", refuse=10**6)
    notifier = Notifier(journal.notices, [dead], 3600)
    notifier.start()
    notifier.tell("a", "info", "title", "text")
    until(lambda: dead.left < 10**6)
    notifier.close()
    alive = Letters("mail")
    again = Notifier(journal.notices, [alive], 3600)
    again.start()
    assert not again.tell("a", "info", "title", "text")
    assert again.flush(SOON)
    again.close()
    assert alive.got == ["a"]


def test_notice__cannot_be_sent_for_days__is_given_up(journal: Journal) -> None:
    now, results = [0.0], []
    dead = Letters("mail", refuse=10**6)
    notifier = Notifier(
        journal.notices, [dead], 100, lambda *about: results.append(about), lambda: now[0]
    )
    notifier.tell("a", "info", "title", "text")
    now[0] = 101
    notifier.start()
    until(lambda: notifier.waiting() == 0)
    notifier.close()
    assert ("mail", "given up") in results


def test_notice__disk_full__is_sent_all_the_same_and_once(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    letters = Letters("mail")
    notifier = Notifier(journal.notices, [letters], 3600)
    notifier.start()
    with monkeypatch.context() as patched:
        patched.setattr("oracles.service.database.Database.execute", full)
        assert notifier.tell("a", "info", "title", "text")
        assert not notifier.tell("a", "info", "title", "text")
        until(lambda: letters.got == ["a"])
        time.sleep(0.3)
    time.sleep(1.2)
    notifier.close()
    assert letters.got == ["a"]


def test_webhook__takes_json_with_an_id_that_stays__and_hides_its_address() -> None:
    hook = Hook(refuse=1)
    notice = Notice("due:1", "warning", "title", "text", 5.0, 1, 2, 3)
    channel = Webhook(f"{hook.url}/secretkey", 5)
    with pytest.raises(ChannelError, match="HTTP 500") as caught:
        channel.send(notice)
    assert "secretkey" not in str(caught.value)
    channel.send(notice)
    hook.close()
    assert hook.got == [
        {
            "id": notice.id,
            "key": "due:1",
            "level": "warning",
            "title": "title",
            "text": "text",
            "made": 5.0,
            "auction": 1,
            "bid": 2,
            "deadline": 3,
        }
    ]
    with pytest.raises(ChannelError, match="does not answer"):
        channel.send(notice)


def test_mail__has_one_message_id_however_often_it_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[Any] = []

    class Server:
        def __init__(self, *about: Any, **_: Any) -> None:
            sent.append(about)

        def __enter__(self) -> Server:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def login(self, user: str, password: str) -> None:
            sent.append((user, password))

        def starttls(self, **_: Any) -> None:
            sent.append("tls")

        def send_message(self, message: Any) -> dict[str, Any]:
            sent.append(message)
            return {}

    monkeypatch.setattr(smtplib, "SMTP", Server)
    mail = Mail(
        server="mail.example:587",
        sender="me@example.org",
        to=["a@example.org", "b@example.org"],
        user="me",
        password="secret",  # type: ignore[arg-type]
    )
    notice = Notice("due", "warning", "3 h left to reveal bid 1", "Do it.", 5.0)
    for _ in range(2):
        Mailbox(mail, 5).send(notice)
    assert sent[:3] == [("mail.example", 587), "tls", ("me", "secret")]
    first, second = sent[3], sent[7]
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Subject"] == "[qmia] 3 h left to reveal bid 1"
    assert first["To"] == "a@example.org, b@example.org"


def test_mail__server_that_is_not_there__one_sentence() -> None:
    mail = Mail(server="127.0.0.1:1", sender="me@example.org", to=["a@example.org"])
    with pytest.raises(ChannelError, match="takes no mail"):
        Mailbox(mail, 2).send(Notice("due", "warning", "title", "text", 5.0))


# WITH A COMPANION


def test_deadlines__before_each__told_once_at_each_lead_time(world: World) -> None:
    auction = world.create()
    world.commit(auction, "cheap", "fair")
    phases, hook = world.phases(auction), Hook(refuse=2)
    # Nothing is done by itself, so every deadline comes near.
    off = {"open": False, "reveal": False, "deliver": False, "claim": False}
    notify = {"lead": ["600 s", "100 s"], "webhook": hook.url, "done": False}
    hands = world.market.provider("cheap")

    def pass_time(start: int, end: int) -> None:
        """A companion that is started anew all the time looks in many times."""
        for now in range(start, end - 50, 225):
            world.jump(now)
            companion = world.companion("cheap", automatic=off, notify=notify)
            companion.started()
            companion.turn()
            companion.turn()
            companion.notifier.flush(SOON)
            companion.close()

    pass_time(phases.open_start + 1, phases.open_end)
    hands.open(hands.bids(auction))
    other = world.market.provider("fair")
    other.open(other.bids(auction))
    world.score(auction)
    pass_time(phases.reveal_start, phases.reveal_end)
    hands.bids(auction).reveal()
    other.bids(auction).reveal()
    world.jump(phases.reveal_end)
    world.market.settler().settle(auction)
    pass_time(phases.fetch_end, phases.deliver_end)
    hands.bids(auction).deliver()
    hook.close()
    leads = [key for key in hook.keys if key.startswith("due:")]
    assert leads == [
        f"due:{verb}:{auction}:0:{end}:{lead}"
        for verb, end in (
            ("open", phases.open_end),
            ("reveal", phases.reveal_end),
            ("deliver", phases.deliver_end),
        )
        for lead in (600, 100)
    ]
    assert {body["deadline"] for body in hook.got} == {
        phases.open_end,
        phases.reveal_end,
        phases.deliver_end,
    }
    assert all("leaves it to you" in body["text"] for body in hook.got)


def test_deadline__of_what_was_done__is_not_told(world: World) -> None:
    auction = world.create()
    world.commit(auction, "cheap", "fair")
    phases, hook = world.phases(auction), Hook()
    notify = {"lead": ["900 s"], "webhook": hook.url}
    companion = world.companion("cheap", notify=notify)
    companion.started()
    world.jump(phases.open_start)
    world.rest(companion)
    world.jump(phases.open_end - 100)
    companion.turn()
    companion.notifier.flush(SOON)
    companion.close()
    hook.close()
    assert [key for key in hook.keys if key.startswith("due:open")] == []
    assert f"opened:{auction}:0" in hook.keys


def test_node__gone__reminders_go_on_and_it_is_not_ready(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    auction = world.create()
    world.commit(auction, "cheap", "fair")
    phases, hook = world.phases(auction), Hook()
    notify = {"lead": ["900 s"], "webhook": hook.url, "done": False}
    companion = world.companion("cheap", notify=notify)
    companion.started()
    world.jump(phases.open_start)
    companion.cycle()
    companion.close()
    # Started again while no node answers: what was known is enough to warn.
    monkeypatch.setattr("time.time", lambda: float(phases.open_end - 800))
    blind = world.companion("cheap", notify=notify, rpc=["http://127.0.0.1:1"])
    blind.started()
    blind.turn()
    assert "cannot be reached" in "; ".join(blind.problems)
    assert blind.notifier.flush(SOON)
    blind.close()
    hook.close()
    assert [key for key in hook.keys if key.startswith("due:")] == [
        f"due:open:{auction}:0:{phases.open_end}:900"
    ]


def test_mail__address_that_would_break_a_header__is_refused() -> None:
    with pytest.raises(ValueError, match="one word"):
        Mail(server="mail.example:25", sender="me@example.org\nBcc: x@y.z", to=["a@b.c"])


def test_settings__neither_book_nor_shares__said(world: World) -> None:
    with pytest.raises(ConfigError, match="name the bid book"):
        world.settings("cheap", book=None)


def test_systemd__while_the_start_is_waited_for__hears_that_it_has_started_and_why_it_waits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    faults = iter([sqlite3.OperationalError("database is locked"), ConfigError("over")])

    def make() -> loop.Loop:
        raise next(faults)

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        with pytest.raises(ConfigError):
            loop.run(make)
        assert heard.recv(1000) == b"READY=1\nSTATUS=starting"
        told = heard.recv(1000)
        assert told.startswith(b"WATCHDOG=1\nSTATUS=waiting: journal.sqlite in the state folder:")
        assert b"database is locked" in told


def test_systemd__is_told_line_by_line_and_silence_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        systemd.notify(watchdog=1, status="a line\nREADY=1")
        assert heard.recv(1000) == b"WATCHDOG=1\nSTATUS=a line READY=1"
    path.unlink()
    systemd.notify(ready=1)
    monkeypatch.delenv("NOTIFY_SOCKET")
    systemd.notify(ready=1)
