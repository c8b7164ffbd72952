"""Run a companion beside a demonstration: a provider who is not at the terminal.

with companion(home, url=…, deployment=…, book=…, store=…, key=…):
    …  # what is due for the bids of the book is done, in a process of its own
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
#: Seconds that it has to end when it is told to.
_PATIENCE = 30


@contextmanager
def companion(
    home: Path, *, url: str, deployment: Path, book: Path, store: str, key: bytes, **more: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of `qmia provider run` on a local net, ended with the block.

    Args:
        home: folder of its key, settings, journal and log; created if missing.
        url: JSON-RPC address of the node.
        deployment: deployment file.
        book: bid book that it looks after.
        store: where archives are.
        key: 32-byte private key of the owner of the bids, worth nothing elsewhere.
        more: further settings of `oracles/companion/settings.py`; sections as dotted names.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = home / "key"
    secret.write_text(key.hex())
    secret.chmod(0o600)
    settings = {
        "rpc": [url],
        "deployment": str(deployment.resolve()),
        "state": "journal",
        "book": str(book.resolve()),
        "store": store,
        "private_key_file": "key",
        "block": "latest",
        "poll_seconds": 1,
        "max_fee_gwei": 1000,
        "least_balance": 0,
        "listen": "",
        **more,
    }
    config = home / "provider.toml"
    # JSON's strings, numbers and arrays are TOML's too.
    config.write_text(
        "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
    )
    code = "from oracles.cli import main; main()"
    command = [sys.executable, "-c", code, "provider", "run", "--config", str(config)]
    with (home / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
