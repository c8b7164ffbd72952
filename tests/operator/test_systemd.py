"""The shipped units under a real systemd, booted in namespaces of its own over a copy of `/`.

Needs root and systemd; a passphrase comes as an encrypted credential, as the units say.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from oracles.chain.keystore import write_keystore
from scripts.build import ROOT
from tests.operator.network import PATIENCE, Network
from tests.operator.test_faults import Cable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SYSTEMD = "/usr/lib/systemd/systemd"
PASSPHRASE = "open sesame"
#: Interpreter, libraries and project, where the services may see them: homes are hidden from them.
BINDS = {
    "base": Path(sys.base_prefix),
    "site": Path(sysconfig.get_path("purelib")),
    "project": ROOT,
}
PROGRAM = f"""#!/bin/sh
export PYTHONPATH=/opt/qmia/project:/opt/qmia/site PYTHONDONTWRITEBYTECODE=1
export LD_LIBRARY_PATH=/opt/qmia/base/lib
exec /opt/qmia/base/bin/python{sys.version_info.major}.{sys.version_info.minor} -W ignore \\
  -c 'from oracles.cli import main; main()' "$@"
"""
#: Units of the machine that a container has no use for.
MASKED = re.findall(
    r"\S+",
    """systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket
    systemd-udevd-kernel.socket systemd-timesyncd.service systemd-networkd.service
    systemd-resolved.service systemd-logind.service systemd-random-seed.service
    systemd-update-utmp.service systemd-tmpfiles-setup.service systemd-tmpfiles-setup-dev.service
    systemd-binfmt.service systemd-modules-load.service systemd-sysctl.service
    systemd-remount-fs.service systemd-firstboot.service systemd-machine-id-commit.service
    dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount
    sys-fs-fuse-connections.mount systemd-network-generator.service ldconfig.service""",
)
BOOT = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs {top}
mkdir {top}/upper {top}/work {top}/root
mount -t overlay overlay -o lowerdir=/,upperdir={top}/upper,workdir={top}/work {top}/root
cd {top}/root
mount -t proc proc proc
mount -t sysfs sysfs sys || mount --rbind /sys sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount --rbind /dev dev
mkdir -p etc/qmia opt/qmia/bin
{binds}
cp -r {files}/. .
{masks}
echo 0123456789abcdef0123456789abcdef > etc/machine-id
for user in qmia qmia-provider; do
  id=$((61100 + ${{#user}}))
  echo "$user:x:$id:$id::/:/usr/sbin/nologin" >> etc/passwd
  echo "$user:x:$id:" >> etc/group
  mkdir -p var/lib/$user && cp -r {states}/$user/. var/lib/$user && chown -R $id:$id var/lib/$user
done
printf '{passphrase}' | chroot . systemd-creds --with-key=host --name=passphrase encrypt - \\
  /etc/qmia/passphrase.cred
# Credentials are mounted by a child, and come to the service by propagation.
mount --make-rshared {top}/root
export container=other
exec chroot . {systemd} --system --unit=basic.target
"""


class Machine:
    """A machine of its own; `ctl` is its `systemctl`."""

    def __init__(self, folder: Path) -> None:
        binds = "\n".join(
            f"mkdir -p opt/qmia/{name}; mount --bind {path} opt/qmia/{name}"
            for name, path in BINDS.items()
        )
        masks = "\n".join(f"ln -sf /dev/null etc/systemd/system/{unit}" for unit in MASKED)
        top = folder / "top"
        top.mkdir()
        script = BOOT.format(
            top=top, files=folder / "files", states=folder / "states", binds=binds, masks=masks,
            passphrase=PASSPHRASE, systemd=SYSTEMD,
        )  # fmt: skip
        namespaces = ["--pid", "--mount", "--uts", "--ipc", "--cgroup"]
        self.console = folder / "console.log"
        with self.console.open("wb") as console:
            self._process = subprocess.Popen(
                ["unshare", "--fork", "--kill-child", *namespaces, "sh", "-c", script],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console,
            )  # fmt: skip
        self.until(lambda: self._inside() and self.ctl("show") != "", "booted")

    def _inside(self) -> str:
        """The process that is the first one inside, as it is called outside."""
        assert self._process.poll() is None, self.console.read_text()
        pid = self._process.pid
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().strip()

    def run(self, *words: str) -> str:
        command = ["nsenter", "-t", self._inside(), "-m", "-p", "-r", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def ctl(self, *words: str) -> str:
        return self.run("systemctl", *words)

    def shows(self, unit: str, *names: str) -> tuple[str, ...]:
        lines = self.ctl("show", *(f"--property={name}" for name in names), unit).splitlines()
        found = dict(line.split("=", 1) for line in lines)
        return tuple(found.get(name, "") for name in names)

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit)

    def until(self, condition: Callable[[], object], what: str) -> None:
        give_up = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > give_up:
                log = self.run("journalctl", "--no-pager", "-o", "cat", "-n", "60")
                raise AssertionError(f"{what} did not happen: {self.console.read_text()}\n{log}")
            time.sleep(0.5)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    made = Network(tmp_path_factory.mktemp("systemd"), operators=1, threshold=1)
    yield made
    made.close()


@pytest.fixture
def cable(network: Network) -> Iterator[Cable]:
    made = Cable(network.node.url)
    yield made
    made.close()


@pytest.fixture
def machine(network: Network, cable: Cable, tmp_path: Path) -> Iterator[Machine]:
    if os.geteuid() or not Path(SYSTEMD).exists() or not shutil.which("systemd-creds"):
        pytest.skip("no root, or no systemd")
    files, states = tmp_path / "files", tmp_path / "states"
    (files / "etc/qmia").mkdir(parents=True)
    (files / "etc/systemd/system").mkdir(parents=True)
    (files / "opt/qmia/bin").mkdir(parents=True)
    (files / "opt/qmia/bin/qmia").write_text(PROGRAM)
    (files / "opt/qmia/bin/qmia").chmod(0o755)
    network.deployment.save(files / "etc/qmia/deployment.json")
    common = {
        "rpc": [cable.url],
        "deployment": "/etc/qmia/deployment.json",
        "block": "latest",
        "poll_seconds": 0.5,
        "max_fee_gwei": 1000,
    }
    signer = network.signers[0]
    settings = {
        "operator": common
        | {
            "keystore": "/var/lib/qmia/key.json",
            "encryption_keystore": "/var/lib/qmia/enc.json",
            "stores.data": ["/var/lib/qmia"],
            "exchange.directory": "/var/lib/qmia/exchange",
            "exchange.listen": "127.0.0.1:0",
            "scoring.metric": "tests.operator.scorer:Quick",
            "scoring.allow_foreign": True,
        },
        "provider": common
        | {
            "keystore": "/var/lib/qmia-provider/key.json",
            "book": "/var/lib/qmia-provider/bids",
            "store": "/var/lib/qmia-provider/store",
            "listen": "127.0.0.1:0",
        },
    }
    for role, name in (("operator", "qmia"), ("provider", "qmia-provider")):
        lines = (f"{key} = {json.dumps(value)}\n" for key, value in settings[role].items())
        (files / f"etc/qmia/{role}.toml").write_text("".join(lines))
        shutil.copy(ROOT / "deploy" / f"qmia-{role}.service", files / "etc/systemd/system")
        state = states / name
        for folder in ("bids", "store", "exchange"):
            (state / folder).mkdir(parents=True)
        write_keystore(state / "key.json", bytes(signer.account.key), PASSPHRASE)
        secret = network.keys[signer.address].secret
        write_keystore(state / "enc.json", secret, PASSPHRASE)
    made = Machine(tmp_path)
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.parametrize("role", ["operator", "provider"])
def test_unit__under_systemd__comes_back_unless_its_settings_are_wrong(
    machine: Machine, cable: Cable, role: str
) -> None:
    unit = f"qmia-{role}.service"
    cable.unplug()
    machine.ctl("start", "--no-block", unit)
    machine.until(lambda: '"waiting"' in machine.journal(unit) or role == "provider", "waiting")
    machine.until(
        lambda: machine.shows(unit, "ActiveState") == ("active",), f"{unit} is active, node or not"
    )
    cable.plug()
    machine.until(lambda: '"started"' in machine.journal(unit), "started")
    (first,) = machine.shows(unit, "MainPID")
    machine.ctl("kill", "--kill-whom=main", f"--signal={signal.SIGKILL.value}", unit)
    machine.until(lambda: machine.journal(unit).count('"started"') == 2, "started again")
    again, restarts, state = machine.shows(unit, "MainPID", "NRestarts", "ActiveState")
    assert (restarts, state) == ("1", "active")
    assert again != first
    machine.ctl("stop", unit)
    assert machine.shows(unit, "ActiveState", "Result") == ("inactive", "success")
    machine.run("sed", "-i", "s/^poll_seconds.*/poll_seconds = -1/", f"/etc/qmia/{role}.toml")
    machine.ctl("start", "--no-block", unit)
    machine.until(
        lambda: machine.shows(unit, "ActiveState", "ExecMainStatus") == ("failed", "2"),
        "failed for good",
    )
    assert machine.shows(unit, "NRestarts") == ("0",)
    log = machine.journal(unit)
    assert log.count("qmia:") == 1
    assert "Traceback" not in log
    assert PASSPHRASE not in log
