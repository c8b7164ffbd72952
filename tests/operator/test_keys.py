"""A new encryption key while auctions are under way."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from eth_account import Account
from eth_utils.crypto import keccak

from oracles.dataset import EncryptionKey
from tests.operator.network import DURATIONS, Network, texts
from tests.operator.test_cli import qmia

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    made = Network(tmp_path, operators=1, threshold=1)
    yield made
    made.close()


def use(network: Network, key: EncryptionKey, old: list[EncryptionKey]) -> None:
    """What an operator does to the settings: the new key first, earlier ones kept for opening."""
    (daemon,) = network.daemons
    keep = [
        line
        for line in daemon.config.read_text().splitlines()
        if not line.startswith(("encryption_key", "old_", "passphrase"))
    ]
    names = []
    for each in (key, *old):
        path = network.folder / f"{each.address}.json"
        # An easy derivation, to spare the test the time that an attacker is to be cost.
        path.write_text(json.dumps(Account.encrypt(each.secret, "x", "pbkdf2", 1)))
        names.append(str(path))
    (network.folder / "passphrase").write_text("x")
    settings = {
        "encryption_keystore": names[0],
        "old_encryption_keystores": names[1:],
        "passphrase_file": str(network.folder / "passphrase"),
    }
    # Before the tables, which come last.
    keep[:0] = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    daemon.config.write_text("\n".join(keep) + "\n")


@pytest.mark.slow
def test_register__again_amid_live_auctions__each_is_served_with_the_key_it_was_created_with(
    network: Network,
) -> None:
    (daemon,) = network.daemons
    first, second = (EncryptionKey(keccak(text=f"key {i}")) for i in range(2))
    config, operator = str(daemon.config), daemon.address
    # The set was registered with another key still: it is the first to be left behind.
    original = network.keys[operator]
    use(network, first, [original])
    qmia("register", "--config", config, "--json")
    network.keys[operator] = first
    daemon.start()
    network.until(lambda: daemon.events("started"), "the start", step=False)

    # Created, opened and committed to under the first key.
    early = network.create(replace(DURATIONS, score_commit=20_000))
    early_providers = [network.commit(early, 2, texts(0)), network.commit(early, 3, texts(1))]
    network.open_all(early, early_providers)
    assert network.await_roll(early) == {0, 1}
    network.until(lambda: network.committed(early), "the commitment", step=False)
    assert daemon.stop() == 0
    use(network, second, [first, original])
    registered = qmia("register", "--config", config, "--json")
    assert registered["encryption_public_key"] == "0x" + second.public.hex()
    network.keys[operator] = second
    daemon.start()

    late, late_providers = network.auction(1)
    assert network.await_roll(late) == {0}
    assert all(score.present for score in network.score(late))
    # The commitment to the early report is opened with the key that it was made with.
    assert all(score.present for score in network.score(early))
    network.check(early)
    network.check(late)
    assert not network.events("VectorPublished", "StakeSlashed")
    assert len(daemon.events("scored")) == 2
    network.settle(late, late_providers)
    network.settle(early, early_providers)
