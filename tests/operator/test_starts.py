"""The daemon comes back: what keeps it from starting for now is waited for, and nothing else."""

from __future__ import annotations

import configparser
import errno
import fcntl
import os
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from oracles.errors import ConfigError
from oracles.operator.journal import Journal
from oracles.service.database import BusyError, Database
from oracles.service.failures import fatal
from oracles.service.web import WebServer
from scripts.build import ROOT
from tests.operator.network import COMMAND, PATIENCE, Network
from tests.operator.test_faults import Cable, free_port, rewire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    made = Network(tmp_path_factory.mktemp("starts"), operators=1, threshold=1)
    yield made
    made.close()


class Supervisor:
    """Starts a service again, or not, by the rules of its unit (systemd.service(5)).

    Restart=always: after any end but a stop that was asked for. An exit code, or the signal that
    ended it, in RestartPreventExitStatus= overrides that.
    """

    def __init__(self, command: list[str], log: Path) -> None:
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str  # type: ignore[assignment, method-assign]
        unit.read(ROOT / "deploy" / "qmia-operator.service")
        service = unit["Service"]
        assert service["Restart"] == "always"
        self._final = {int(code) for code in service["RestartPreventExitStatus"].split()}
        self._command, self._log = command, log
        self._asked_to_stop = False
        self.codes: list[int] = []
        self.process = self._start()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(self._command, cwd=ROOT, stdout=log, stderr=log)

    def _watch(self) -> None:
        while True:
            code = self.process.wait()
            self.codes.append(code)
            if self._asked_to_stop or code in self._final:
                return
            self.process = self._start()

    @property
    def active(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._asked_to_stop = True
        self.process.send_signal(signal.SIGTERM)
        self._thread.join(timeout=PATIENCE)
        assert not self.active


def wait_for(supervisor: Supervisor, log: Path, text: str, times: int = 1) -> None:
    give_up = time.monotonic() + PATIENCE
    while log.read_text().count(text) < times:
        assert time.monotonic() < give_up, log.read_text()
        assert supervisor.active, log.read_text()
        time.sleep(0.1)


def test_node__down_at_the_start__is_waited_for_and_a_killed_daemon_comes_back(
    network: Network, tmp_path: Path
) -> None:
    (daemon,) = network.daemons
    cable, log = Cable(network.node.url), tmp_path / "log"
    rewire(network, 0, [cable.url])
    cable.unplug()
    supervisor = Supervisor([*COMMAND, "run", "--config", str(daemon.config)], log)
    try:
        wait_for(supervisor, log, '"event": "waiting"')
        cable.plug()
        wait_for(supervisor, log, '"event": "started"')
        assert supervisor.codes == []
        supervisor.process.kill()
        wait_for(supervisor, log, '"event": "started"', times=2)
        assert supervisor.codes == [-signal.SIGKILL]
    finally:
        supervisor.stop()
        cable.close()
        rewire(network, 0, [network.node.url])
    assert supervisor.codes == [-signal.SIGKILL, 0]


def test_stop__while_it_waits__ends_at_once(network: Network, tmp_path: Path) -> None:
    (daemon,) = network.daemons
    log = tmp_path / "log"
    rewire(network, 0, [f"http://127.0.0.1:{free_port()}"])
    supervisor = Supervisor([*COMMAND, "run", "--config", str(daemon.config)], log)
    try:
        wait_for(supervisor, log, '"event": "waiting"')
    finally:
        supervisor.stop()
        rewire(network, 0, [network.node.url])
    assert supervisor.codes == [0]


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        ("^poll_seconds = .*$", "poll_seconds = -1"),
        ("^deployment = .*$", 'deployment = "nowhere.json"'),
        ("^private_key_file = .*$", 'private_key_file = "nowhere"'),
        ("^exchange.listen = .*$", 'exchange.listen = "nonsense"'),
    ],
)
def test_configuration__wrong__stays_down(
    network: Network, tmp_path: Path, pattern: str, replacement: str
) -> None:
    (daemon,) = network.daemons
    config, log = tmp_path / "wrong.toml", tmp_path / "log"
    config.write_text(re.sub(pattern, replacement, daemon.config.read_text(), flags=re.M))
    supervisor = Supervisor([*COMMAND, "run", "--config", str(config)], log)
    supervisor._thread.join(timeout=PATIENCE)
    assert supervisor.codes == [2]
    assert log.read_text().count("qmia:") == 1
    assert "Traceback" not in log.read_text()


def test_port_and_journal__in_use__are_waited_for(network: Network, tmp_path: Path) -> None:
    (daemon,) = network.daemons
    log = tmp_path / "log"
    held = Journal(daemon.state, {})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [*COMMAND, "run", "--config", str(daemon.config), "--listen", f"127.0.0.1:{port}"]
        supervisor = Supervisor(command, log)
        try:
            wait_for(supervisor, log, "another process uses")
            held.close()
            wait_for(supervisor, log, f"cannot listen on 127.0.0.1:{port}")
            taken.close()
            wait_for(supervisor, log, '"event": "started"')
        finally:
            held.close()
            supervisor.stop()
    assert supervisor.codes == [0]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOLCK, ConfigError),
        (errno.EOPNOTSUPP, ConfigError),
        (errno.EWOULDBLOCK, BusyError),
        (errno.EIO, OSError),
    ],
)
def test_lock__refused__says_whose_fault_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(kind) as caught:
        Journal(tmp_path, {})
    assert fatal(caught.value) is (kind is ConfigError)
    if kind is ConfigError:
        assert "file system" in str(caught.value)
        assert "local disk" in str(caught.value)


def test_disk__full_when_the_journal_is_opened__is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Database, "execute", full)
        with pytest.raises(sqlite3.OperationalError) as caught:
            Journal(tmp_path, {"operator": "0xabc"})
    assert not fatal(caught.value)
    Journal(tmp_path, {"operator": "0xabc"}).close()


def test_port__not_allowed_or_no_port__is_a_mistake_in_the_configuration() -> None:
    for listen in ("127.0.0.1:x", "127.0.0.1:99999", "nonsense"):
        with pytest.raises(ConfigError, match="cannot listen"):
            WebServer(listen, CollectorRegistry(), problems=list, alive=bool)
