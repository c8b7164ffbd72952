"""`qmia provider run`, `share` and `status`, word by word as a person would give them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from scripts.build import ROOT
from scripts.companion import companion
from tests.cli.test_market_commands import Shell
from tests.support.market import signer

if TYPE_CHECKING:
    import pytest

    from tests.companion.world import World


SETTINGS = {
    "QMIA_BLOCK": "latest",
    "QMIA_POLL_SECONDS": "0.1",
    "QMIA_MAX_FEE_GWEI": "10000",
    "QMIA_LISTEN": "",
}


def run_once(world: World, name: str, **more: str) -> tuple[int, list[dict[str, Any]]]:
    """`qmia provider run --once --json` with variables only; gives the exit code and the lines."""
    home = world.folder / name
    variables = {
        **SETTINGS,
        "QMIA_RPC": world.anvil.url,
        "QMIA_DEPLOYMENT": str(world.deployment),
        "QMIA_KEYSTORE": str(home / "key.json"),
        "QMIA_PASSPHRASE_FILE": str(home / "passphrase"),
        "QMIA_STORE": str(world.folder / "store"),
        "QMIA_STATE": str(home / "companion"),
        **more,
    }
    command = [sys.executable, "-c", "from oracles.cli import main; main()", "provider", "run"]
    done = subprocess.run(
        [*command, "--once", "--json", "--listen", ""],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert "Traceback" not in done.stderr
    return done.returncode, lines


def test_commands__share_status_and_once__agree(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    auction = world.create()
    world.commit(auction, "cheap", "fair")
    cheap, friend = Shell(world.market, "cheap", capsys), Shell(world.market, "friend", capsys)
    shares = friend.home / "shares"
    said = cheap("provider", "share", auction, "--out", shares, *cheap.book)
    assert "can still bid against your costs" in said
    (row,) = json.loads(cheap("provider", "status", *cheap.book, "--json"))["bids"]
    assert (row["next"], row["until"]) == ("open", world.phases(auction).open_end)
    world.jump(world.phases(auction).open_start)
    code, lines = run_once(world, "cheap", QMIA_BOOK=str(cheap.home / "bids"))
    assert code == 0
    assert lines[-1] == {"undone": []}
    assert world.counts(auction)["Opened"] == [0]
    (row,) = json.loads(cheap("provider", "status", *cheap.book, "--json"))["bids"]
    assert row["next"] == "reveal"
    other = world.market.provider("fair")
    other.open(other.bids(auction))
    world.score(auction)
    world.jump(world.phases(auction).reveal_start)
    variables = {
        **SETTINGS,
        "QMIA_STATE": str(friend.home / "companion"),
        "QMIA_SHARES": str(shares),
    }
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    friend("provider", "run", "--once")
    assert world.counts(auction)["Revealed"] == [0]
    other.bids(auction).reveal()
    world.jump(world.phases(auction).reveal_end)
    world.market.settler().settle(auction)
    world.jump(world.phases(auction).fetch_end)
    # The friend cannot deliver, and says so.
    assert "only its owner can" in friend("provider", "run", "--once", code=1)
    for variable in variables:
        monkeypatch.delenv(variable)
    assert "deliver" in cheap("provider", "status", *cheap.book)
    # The function that demonstrations use does the rest.
    running = companion(
        world.folder / "demo",
        url=world.anvil.url,
        deployment=world.deployment,
        book=cheap.home / "bids",
        store=str(world.folder / "store"),
        key=bytes(signer("cheap").account.key),
    )
    with running:
        for _ in range(1200):
            if world.counts(auction)["Delivered"] == [0]:
                break
            time.sleep(0.1)
    assert world.counts(auction)["Delivered"] == [0]


def test_run__without_a_book__says_what_to_name(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "name the bid book" in Shell(world.market, "cheap", capsys)("provider", "run", code=2)
