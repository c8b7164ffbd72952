"""`qmia operator` from a new key to a served auction, as an operator types it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from eth_account import Account
from eth_utils.address import to_checksum_address

from oracles.chain.keystore import write_keystore
from oracles.chain.signers import LocalSigner
from oracles.chain.typed_data import key_message
from oracles.cli import main
from oracles.errors import ConfigError
from oracles.operator.check import judge_windows
from oracles.operator.duty import Kind
from oracles.operator.journal import EquivocationError
from oracles.operator.keys import load_encryption_keys
from oracles.operator.settings import load
from oracles.service.duty import Duty
from oracles.service.failures import Auction, Backoff, fatal
from scripts.build import ROOT
from tests.operator.network import DURATIONS, ETHER, Network
from tests.support.chain import ACCOUNTS

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


#: Addresses that exist nowhere.
MEMBERS = ["0x" + f"{number:02x}" * 20 for number in (0xA1, 0xB2, 0xC3, 0xD4, 0xE5)]


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
    poor = qmia("register", "--deposit", "1.5 ether", "--config", str(config), code=2)
    assert "has 0 ETH" in poor
    network.node.set_balance(made["address"], 10 * ETHER)
    findings = qmia("check", "--config", str(config), "--json", code=1)
    results = {finding["name"]: finding["result"] for finding in findings}
    assert results["credit"] == "failed"
    assert results["rpc 1"] == "failed"
    assert results["rpc 2"] == "ok"
    registered = qmia("register", "--deposit", "1.5 ether", "--config", str(config), "--json")
    assert registered["operator"] == made["address"]
    assert registered["credit"] == "1.5 ETH"
    config.write_text(config.read_text().replace('"http://127.0.0.1:1", ', ""))
    findings = qmia("check", "--config", str(config), "--json")
    assert all(finding["result"] != "failed" for finding in findings)
    shown = qmia("status", "--config", str(config), "--json")
    assert (shown["credit"], shown["earned"]) == ("1.5 ETH", "0 ETH")
    assert shown["auctions"] == []
    added = qmia("deposit", "1 ether", "--config", str(config), "--json")
    assert added["credit"] == "2.5 ETH"
    taken = qmia("withdraw", "0.5 ether", "--config", str(config), "--json")
    assert (taken["credit"], taken["to"]) == ("2 ETH", made["address"])
    assert "the credit is 2 ETH" in qmia("withdraw", "3 ether", "--config", str(config), code=2)
    assert network.oracle.credit_of(made["address"]) == 2 * ETHER


def test_set__proposed_in_any_order__sorted_explained_and_accepted_by_each(
    network: Network,
) -> None:
    (daemon,) = network.daemons
    config = str(daemon.config)
    others = [network.sender(number) for number in (4, 5, 6, 7)]
    key = network.buyer_key
    for other in others:
        message = key_message(network.oracle.domain, other.address, key.public)
        signature = LocalSigner.from_secret(key.secret).sign_typed(message)
        other.send(network.oracle.register(key.public, signature))
    first = [others[0].address, daemon.address.lower(), others[1].address.lower()]
    appeal = others[2].address
    made = qmia("set", "propose", *first, "--appeal", appeal, "--config", config, "--json")
    assert made["members"] == sorted(map(to_checksum_address, first), key=str.lower)
    assert (made["threshold"], made["members_that_may_fail"]) == (3, 0)
    assert (made["members_that_may_lie"], made["appeal_threshold"]) == (1, 1)
    number = str(made["operator_set"])
    assert number in made["next"]

    accepted = qmia("set", "accept", number, "--config", config, "--json")
    assert (accepted["panel"], accepted["standing"]) == ("first", False)
    shown = qmia("set", "show", number, "--config", config, "--json")
    assert sorted(shown["not_accepted_by"]) == sorted(o.address for o in others[:3])
    members = [*made["members"], appeal]
    for other in others[:3]:
        other.send(network.oracle.accept_set(int(number), members.index(other.address)))
    shown = qmia("set", "show", number, "--config", config, "--json")
    assert (shown["standing"], shown["not_accepted_by"]) == (True, [])
    said = qmia("set", "accept", number, "--config", config, code=2)
    assert "has accepted this set already" in said
    left = qmia("set", "leave", number, "--config", config, "--json")
    assert left["standing"] is False
    assert "no member of set 1" in _of_another(network, "set", "accept", "1")


def _of_another(network: Network, *arguments: str) -> str:
    """What a command says that an account which is no operator gives."""
    (daemon,) = network.daemons
    secret = network.folder / "another"
    secret.write_text(bytes(ACCOUNTS[8].key).hex())
    text = daemon.config.read_text()
    text = re.sub(r"^private_key_file = .*$", 'private_key_file = "another"', text, flags=re.M)
    config = network.folder / "another.toml"
    config.write_text(text)
    return str(qmia(*arguments, "--config", str(config), code=2))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([*MEMBERS, "--threshold", "4"], "odd and more than half: 3 or 5"),
        ([*MEMBERS[:4], "--threshold", "1"], "odd and more than half: 3"),
        (MEMBERS[:2], "there is none, so name another number of members"),
        ([MEMBERS[1], MEMBERS[2], MEMBERS[1].upper().replace("X", "x")], "once only"),
        ([*MEMBERS[:3], "--appeal", MEMBERS[0]], "once only"),
        (["0x12"], "no address"),
    ],
)
def test_set__that_the_contract_would_refuse__said_before_anything_is_sent(
    arguments: list[str], complaint: str
) -> None:
    assert complaint in qmia("set", "propose", *arguments, code=2)


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


def test_set_show__by_a_buyer__needs_a_node_and_a_deployment_only(
    network: Network, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `docs/buyers.md` has it beside `operator_set`."""
    monkeypatch.setenv("QMIA_RPC", network.node.url)
    monkeypatch.setenv("QMIA_DEPLOYMENT", str(network.folder / "deployment.json"))
    with pytest.raises(SystemExit) as end:
        main(["operator", "set", "show", "1", "--json"])
    assert end.value.code in (0, None)
    assert json.loads(capsys.readouterr().out)["members"] == [network.signers[0].address]


def test_check__windows_shorter_than_finality__failed_and_said(network: Network) -> None:
    (daemon,) = network.daemons
    config = network.folder / "finalized.toml"
    text = daemon.config.read_text().replace('block = "latest"', 'block = "finalized"')
    config.write_text(text)
    short = network.create(replace(DURATIONS, score_commit=900))
    # anvil calls final what is 64 blocks deep: 13 minutes.
    network.node.rpc("anvil_mine", hex(70), hex(12))
    findings = {f["name"]: f for f in qmia("check", "--config", str(config), "--json", code=1)}
    assert "is 768 s behind" in findings["finality"]["detail"]
    finding = findings[f"windows of auction {short}"]
    assert finding["result"] == "failed"
    assert finding["detail"] == "its commit window of 900 s should be 2304"
    network.mine(network.state(short).phases.reveal_start)
    network.buyer.send(network.auctions.abort(short))
    findings = {f["name"]: f for f in qmia("check", "--config", str(config), "--json")}
    assert f"windows of auction {short}" not in findings


@pytest.mark.parametrize(
    ("changed", "lag", "result"),
    [
        ({}, 0, "ok"),
        ({}, 1152, "ok"),
        ({"score_commit": 2303}, 1152, "warning"),
        ({"score_commit": 1152}, 1152, "failed"),
        ({"score_open": 180}, 1152, "warning"),
        ({"score_open": 15}, 1152, "failed"),
        ({"roll": 1919}, 1152, "warning"),
        ({"fetch": 4000}, 1152, "warning"),
        ({"dispute": 2000, "score_open": 180}, 1152, "failed"),
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
    assert (mine["called_roll"], mine["stake"]) == (True, "1 ETH")
    refused = qmia("challenge", str(auction), "--config", str(daemon.config), code=2)
    assert "has no appeal panel" in refused
    daemon.kill()


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
