"""`qmia operator` from a new key to a served auction, as an operator types it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from eth_account import Account

from oracles.chain.keystore import write_keystore
from oracles.errors import ConfigError
from oracles.operator.check import judge_windows
from oracles.operator.duty import Duty, Kind
from oracles.operator.failures import Auction, Backoff, fatal
from oracles.operator.journal import EquivocationError
from oracles.operator.keys import load_encryption_keys
from oracles.operator.settings import load
from scripts.build import ROOT
from tests.operator.network import DURATIONS, ETHER, Network

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def qmia(*arguments: str, code: int = 0) -> Any:
    run = subprocess.run(
        [sys.executable, "-c", "from oracles.cli import main; main()", "operator", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert run.returncode == code, run.stderr
    return json.loads(run.stdout) if run.stdout.startswith(("{", "[")) else run.stderr


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    made = Network(tmp_path_factory.mktemp("cli"), operators=1, threshold=1)
    yield made
    made.close()


def test_cli__new_operator__makes_keys_registers_and_passes_the_check(network: Network) -> None:
    folder = network.folder
    passphrase = folder / "passphrase"
    passphrase.write_text("correct horse battery staple\n")
    keys = folder / "keys"
    made = qmia("keygen", str(keys), "--passphrase-file", str(passphrase), "--json")
    assert "correct horse" not in json.dumps(made)
    again = qmia("keygen", str(keys), "--passphrase-file", str(passphrase), "--json", code=2)
    assert "cannot write the keystore" in again
    assert (keys / "signing.json").stat().st_mode & 0o077 == 0

    # An encryption key in the clear, and an easy derivation of the other, spare the test the time
    # that an attacker is to be cost.
    signing = keys / "signing.json"
    secret = Account.decrypt(signing.read_text(), "correct horse battery staple")
    easy = Account.encrypt(secret, "correct horse battery staple", "pbkdf2", 1)
    signing.write_text(json.dumps(easy))
    config = folder / "new.toml"
    config.write_text(
        f'rpc = ["http://127.0.0.1:1", "{network.node.url}"]\ndeployment = "deployment.json"\n'
        'state = "new"\nblock = "latest"\nkeystore = "keys/signing.json"\n'
        'passphrase_file = "passphrase"\nencryption_key_file = "secrets0/encryption"\n'
        '[stores]\ndata = ["store"]\n'
        '[scoring]\nmetric = "tests.operator.scorer:Quick"\nallow_foreign = true\n'
    )
    poor = qmia("register", "--bond", "1.5", "--config", str(config), code=2)
    assert "has 0 ether" in poor
    network.node.set_balance(made["address"], 10 * ETHER)
    findings = qmia("check", "--config", str(config), "--json", code=1)
    results = {finding["name"]: finding["result"] for finding in findings}
    assert results["bond"] == "failed"
    assert results["rpc 1"] == "failed"
    assert results["rpc 2"] == "ok"
    registered = qmia("register", "--bond", "1.5", "--config", str(config), "--json")
    assert registered["operator"] == made["address"]
    config.write_text(config.read_text().replace('"http://127.0.0.1:1", ', ""))
    findings = qmia("check", "--config", str(config), "--json")
    assert all(finding["result"] != "failed" for finding in findings)
    shown = qmia("status", "--config", str(config), "--json")
    assert shown["bond_wei"] == str(3 * ETHER // 2)
    assert shown["auctions"] == []


def test_set__members_in_any_order__sorted_and_its_id_is_printed(network: Network) -> None:
    (daemon,) = network.daemons
    config = str(daemon.config)
    others = [network.sender(number) for number in (4, 5, 6, 7)]
    for other in others:
        other.send(network.oracle.register(network.buyer_key.public), value=ETHER)
    members = [daemon.address, *(other.address.lower() for other in others)]
    refused = qmia("set", *members, "--threshold", "4", "--config", config, code=2)
    assert "odd and more than half: 3 or 5" in refused
    assert "odd and more than half: 3" in qmia("set", *members[:4], "--threshold", "2", code=2)
    assert "once only" in qmia("set", members[1], members[1], code=2)
    assert "no address" in qmia("set", "0x12", code=2)
    made = qmia("set", *members, "--config", config, "--json")
    assert (made["threshold"], made["members_that_may_fail"]) == (3, 2)
    operator_set = network.oracle.operator_set(made["operator_set"])
    assert sorted(map(str.lower, members)) == list(map(str.lower, operator_set.members))


def test_status__only_a_keystore_is_named__it_is_not_opened(network: Network) -> None:
    (daemon,) = network.daemons
    keystore = network.folder / "locked.json"
    keystore.write_text(json.dumps({"address": daemon.address[2:].lower(), "crypto": {}}))
    config = network.folder / "locked.toml"
    config.write_text(
        f'rpc = ["{network.node.url}"]\ndeployment = "deployment.json"\nstate = "s"\n'
        'keystore = "locked.json"\n'
    )
    assert qmia("status", "--config", str(config), "--json")["operator"] == daemon.address


def test_check__windows_shorter_than_finality__failed_and_said(network: Network) -> None:
    (daemon,) = network.daemons
    config = network.folder / "finalized.toml"
    text = daemon.config.read_text().replace('block = "latest"', 'block = "finalized"')
    config.write_text(text.replace("fetch_share = 0.0005", "fetch_share = 0.4"))
    short = network.create(replace(DURATIONS, score_commit=900))
    # anvil calls final what is 64 blocks deep: 13 minutes.
    network.node.rpc("anvil_mine", hex(70), hex(12))
    findings = {f["name"]: f for f in qmia("check", "--config", str(config), "--json", code=1)}
    assert "is 768 s behind" in findings["finality"]["detail"]
    finding = findings[f"windows of auction {short}"]
    assert finding["result"] == "failed"
    assert finding["detail"] == "its commit window of 900 s should be 2880"
    network.mine(network.auctions.phases(short).reveal_start)
    network.buyer.send(network.auctions.abort(short))
    findings = {f["name"]: f for f in qmia("check", "--config", str(config), "--json")}
    assert f"windows of auction {short}" not in findings


@pytest.mark.parametrize(
    ("changed", "lag", "result"),
    [
        ({}, 0, "ok"),
        ({}, 1152, "ok"),
        ({"score_commit": 2879}, 1152, "warning"),
        ({"score_commit": 1152}, 1152, "failed"),
        ({"score_open": 180}, 1152, "warning"),
        ({"score_open": 15}, 1152, "failed"),
        ({"verdict": 2000}, 1152, "warning"),
        ({"verdict": 1000, "score_open": 180}, 1152, "failed"),
    ],
)
def test_judge_windows__lengths__judged(
    tmp_path: Path, changed: dict[str, int], lag: float, result: str
) -> None:
    settings = load(rpc=["http://x"], deployment=tmp_path, state=tmp_path)
    found, detail = judge_windows(replace(DURATIONS, **changed), lag, settings)
    assert found == result
    assert detail.count(" should be ") == len(changed)


def test_cli__wrong_settings__exit_code_two_and_one_sentence(network: Network) -> None:
    config = network.folder / "wrong.toml"
    config.write_text('rpc = ["http://127.0.0.1:1"]\ndeployment = "deployment.json"\nstate = "w"\n')
    for command in ("run", "status"):
        error = qmia(command, "--config", str(config), code=2)
        assert error.startswith("qmia:")
        assert "Traceback" not in error


def test_cli__dry_run__watches_and_sends_nothing(network: Network) -> None:
    (daemon,) = network.daemons
    text = daemon.config.read_text()
    dry = "".join(line for line in text.splitlines(True) if not line.startswith("private_key"))
    daemon.config.write_text(f'address = "{daemon.address}"\n{dry}')
    daemon.start()
    auction, _ = network.auction(providers=1)
    network.until(lambda: daemon.events("dry run"), "a dry run", step=False)
    assert network.committed(auction) == 0
    assert daemon.stop() == 0
    # The same state with a key goes on from there: what was scored is not scored again.
    daemon.config.write_text(text)
    told = len(daemon.events("dry run"))
    daemon.start("--dry-run")
    network.until(lambda: len(daemon.events("dry run")) > told, "a dry run", step=False)
    assert network.committed(auction) == 0
    assert daemon.stop() == 0
    daemon.start()
    network.score(auction, 1)
    network.check(auction)
    assert len(daemon.events("scored")) == 1
    shown = qmia("status", "--config", str(daemon.config), "--json")
    mine = shown["auctions"][-1]
    assert (mine["auction"], mine["committed"], mine["complete"]) == (auction, True, True)
    daemon.kill()


def test_rotate__bond_unlocked__new_key_is_published(network: Network) -> None:
    (daemon,) = network.daemons
    network.mine(network.now + 60 * 86_400)
    new = network.folder / "new-encryption"
    new.write_text("12" * 32)
    text = daemon.config.read_text().replace(
        str(network.folder / "secrets0" / "encryption"), str(new)
    )
    config = network.folder / "rotated.toml"
    config.write_text(text)
    rotated = qmia("rotate", "--config", str(config), "--json")
    registered = network.events("OperatorRegistered")[-1]
    key = registered.body.key_x + registered.body.key_y
    assert rotated["encryption_public_key"] == "0x" + key.hex()
    assert network.oracle.bond_of(daemon.address)[0] == 2 * ETHER


def test_encryption_keys__earlier_ones__come_after_the_present_one(tmp_path: Path) -> None:
    for name, byte in (("old", b"\1"), ("new", b"\2")):
        write_keystore(tmp_path / name, byte * 32, "pass")
    (tmp_path / "pass").write_text("pass")
    settings = load(
        rpc=["http://x"],
        deployment=tmp_path,
        state=tmp_path,
        passphrase_file=tmp_path / "pass",
        encryption_keystore=tmp_path / "new",
        old_encryption_keystores=[tmp_path / "old"],
    )
    assert [key.secret for key in load_encryption_keys(settings)] == [b"\2" * 32, b"\1" * 32]


def test_failures__only_what_a_person_must_mend__is_fatal() -> None:
    import sqlite3

    assert fatal(ConfigError("x"))
    assert fatal(sqlite3.DatabaseError("malformed"))
    assert fatal(KeyboardInterrupt())
    for error in (EquivocationError("x"), sqlite3.OperationalError("full"), OSError(), KeyError()):
        assert not fatal(error)


def test_backoff__doubles_up_to_its_limit_and_is_forgotten() -> None:
    backoff = Backoff()
    assert [backoff.failed("x", 0) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert not backoff.ready("x", 29.9)
    assert backoff.ready("x", 30)
    assert backoff.ready("y", 0)
    backoff.succeeded("x")
    assert backoff.ready("x", 0)
    assert backoff.failed("x", 0) == 1


def test_backoff__auction_over__only_its_failures_are_forgotten() -> None:
    backoff = Backoff()
    keys = (Auction(7), Duty(Kind.POST, 7, 1), Duty(Kind.POST, 1, 7), "cycle")
    for key in keys:
        backoff.failed(key, 0)
    backoff.forget(7)
    now = [key for key in keys if backoff.ready(key, 0)]
    assert now == [Auction(7), Duty(Kind.POST, 7, 1)]
