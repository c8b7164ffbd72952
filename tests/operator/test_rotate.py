"""A new encryption key while auctions are under way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from eth_account import Account
from eth_utils.crypto import keccak

from oracles.dataset import EncryptionKey
from tests.operator.network import Network, texts
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
def test_rotate__auctions_live__each_is_served_with_the_key_it_was_wrapped_for(
    network: Network,
) -> None:
    (daemon,) = network.daemons
    first, second, third = (EncryptionKey(keccak(text=f"key {i}")) for i in range(3))
    config, operator = str(daemon.config), daemon.address
    # The set was registered with another key still: it is the first to be left behind.
    original = network.keys[operator]
    use(network, first, [original])
    qmia("rotate", "--config", config, "--json")
    network.keys[operator] = first
    daemon.start()

    # Wrapped for the first key; rotated before the commitments are over.
    early = network.create()
    early_providers = [network.commit(early, 2, texts(0)), network.commit(early, 3, texts(1))]
    network.until(lambda: daemon.events("started"), "the start", step=False)
    assert daemon.stop() == 0
    use(network, second, [first, original])
    rotated = qmia("rotate", "--config", config, "--json")
    assert rotated["encryption_public_key"] == "0x" + second.public.hex()
    network.keys[operator] = second
    daemon.start()
    late = network.create()
    late_providers = [network.commit(late, 4, texts(2))]
    network.mine(network.auctions.phases(late).commit_end)
    both = (early, late)
    network.until(lambda: all(map(network.committed, both)), "commitments", step=False)

    # Committed: the bond stands for what will be revealed, and cannot move.
    use(network, third, [second, first, original])
    refused = qmia("rotate", "--config", config, code=2)
    assert "locked until" in refused
    (*_, registered) = network.events("OperatorRegistered")
    assert registered.body.key_x + registered.body.key_y == second.public
    # The third key, not published, opens nothing; the daemon goes on with the earlier ones.
    assert daemon.stop() == 0
    daemon.start()

    network.mine(network.windows(late).open)
    network.until(lambda: all(map(network.complete, both)), "scoring")
    assert [score.eligible for score in network.scores(early)] == [True, True]
    assert [score.eligible for score in network.scores(late)] == [True]
    # Attesting a delivery needs the key that opened the data.
    network.check(early)
    # Their phases are seconds apart: each step is done for both before the next.
    network.reveal(early, early_providers)
    network.reveal(late, late_providers)
    network.clear(early)
    network.clear(late)
    good, wrong = early_providers
    network.deliver(early, good)
    network.deliver(early, wrong, wrapped=bytes(81))
    network.deliver(late, *late_providers)
    network.mine(network.auctions.phases(early).deliver_end)
    (forfeited,) = network.until(lambda: network.events("Forfeited"), "a verdict")
    assert (forfeited.body.auction_id, forfeited.body.index) == (early, wrong.index)
    network.mine(network.auctions.phases(late).verdict_end)
    for auction, providers in ((early, early_providers), (late, late_providers)):
        network.collect(auction, providers)
        network.check(auction)
    network.audit()
