"""A real IPFS node for tests: js-ipfs from npm, on loopback, offline, in a directory of its own."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

PACKAGE = "ipfs@0.66.1"
INSTALL = Path(__file__).parents[2] / ".cache" / "js-ipfs"
# Its dependencies use this function, which Node has from version 22 on.
POLYFILL = """
Promise.withResolvers ??= function () {
  let resolve, reject
  const promise = new Promise((a, b) => { resolve = a; reject = b })
  return { promise, resolve, reject }
}
"""


class NodeUnavailableError(Exception):
    """Why there is no node to test against."""


def install() -> Path:
    """Path of `jsipfs`, from `QMIA_JSIPFS` or installed once into `.cache` (289 MB)."""
    program = Path(os.environ.get("QMIA_JSIPFS", INSTALL / "node_modules/.bin/jsipfs"))
    if program.exists():
        return program
    if not shutil.which("npm"):
        raise NodeUnavailableError("npm is not installed, and QMIA_JSIPFS does not name jsipfs")
    INSTALL.mkdir(parents=True, exist_ok=True)
    result = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(INSTALL), PACKAGE],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode or not program.exists():
        raise NodeUnavailableError(f"npm install {PACKAGE} failed: {result.stderr[-300:]}")
    return program


@contextlib.contextmanager
def js_ipfs(folder: Path, port: int):
    """Run a node with its repository in `folder`; yields the multiaddr of its RPC."""
    program = install()
    (folder / "polyfill.cjs").write_text(POLYFILL)
    environment = {
        **os.environ,
        "IPFS_PATH": str(folder / "repo"),
        "NODE_OPTIONS": f"--require {folder / 'polyfill.cjs'}",
    }
    subprocess.run(
        [str(program), "init", "--profile", "test"],
        env=environment,
        check=True,
        capture_output=True,
    )
    path = folder / "repo" / "config"
    config = json.loads(path.read_text())
    address = f"/ip4/127.0.0.1/tcp/{port}"
    config["Addresses"].update(Swarm=[], API=address, RPC="", Gateway="")
    path.write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            [str(program), "daemon", "--offline"],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            for _ in range(600):
                if "Daemon is ready" in (folder / "log").read_text():
                    break
                if daemon.poll() is not None:
                    raise NodeUnavailableError((folder / "log").read_text()[-300:])
                time.sleep(0.1)
            yield f"ipfs:{address}/http"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()
