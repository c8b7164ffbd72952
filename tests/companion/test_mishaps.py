"""Careless people, slow machines, dead nodes: what a companion says, and that it loses nothing."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from oracles.chain.client import Sender
from oracles.chain.keystore import write_keystore
from oracles.chain.packing import seal_bid
from oracles.chain.sending import KeyDesk, Sent, desk_path
from oracles.cli import main
from oracles.companion.companion import once
from oracles.errors import ConfigError, NodeError
from oracles.service.database import BusyError
from tests.companion.world import Hook, Process, World
from tests.operator.test_faults import Cable, free_port
from tests.support.market import COSTS, signer

if TYPE_CHECKING:
    from pathlib import Path


SOON = 20.0


@pytest.fixture
def hook() -> Any:
    made = Hook()
    yield made
    made.close()


def opened(world: World) -> int:
    """An auction in its open phase, with two bids that want to be opened."""
    auction = world.create()
    world.commit(auction, "cheap", "fair")
    world.jump(world.phases(auction).open_start)
    return auction


def test_book__with_a_companion_already__the_second_waits(world: World) -> None:
    auction = opened(world)
    first = world.companion("cheap")
    first.cycle()
    second = world.companion("cheap", state=world.folder / "other")
    with pytest.raises(BusyError, match="another companion looks after"):
        second.cycle()
    world.rest(first)
    assert world.counts(auction)["Opened"] == [0]
    first.close()
    world.rest(second)
    assert world.counts(auction)["Opened"] == [0]
    second.close()


def test_record__damaged_edited_or_gone_while_it_runs__is_told_and_revealed_all_the_same(
    world: World, hook: Hook
) -> None:
    auction = opened(world)
    companion = world.companion("cheap", notify={"webhook": hook.url})
    companion.started()
    world.rest(companion)
    (path,) = world.book("cheap").root.glob("*.json")
    content = json.loads(path.read_text())
    for harm in (
        "{",
        json.dumps({**content, "salt": "0x" + "00" * 32}),
        json.dumps({**content, "cost": "1" + "0" * 99}),
        json.dumps({**content, "owner": "nobody"}),
        json.dumps([]),
    ):
        path.write_text(harm)
        companion.cycle()
        assert any(str(path) in problem for problem in companion.problems), harm
    path.unlink()
    companion.cycle()
    assert any("gone from its folder" in problem for problem in companion.problems)
    world.market.provider("fair").open(world.market.provider("fair").bids(auction))
    world.score(auction)
    world.jump(world.phases(auction).reveal_start)
    world.rest(companion)
    assert world.counts(auction)["Revealed"] == [0]
    assert companion.notifier.flush(SOON)
    companion.close()
    assert len(hook.keys) == len(set(hook.keys))
    assert any("was changed" in body["text"] for body in hook.got)


def test_book__moved_away__is_told_and_found_again(world: World) -> None:
    auction = opened(world)
    root = world.book("cheap").root
    shutil.move(root, root.with_name("elsewhere"))
    companion = world.companion("cheap")
    companion.cycle()
    assert any("put it back" in problem for problem in companion.problems)
    # The chain has a bid of this key that nobody can open now.
    assert any("the book has not" in problem for problem in companion.problems)
    assert not root.exists()
    shutil.move(root.with_name("elsewhere"), root)
    world.rest(companion)
    assert world.counts(auction)["Opened"] == [0]
    assert companion.problems == []
    companion.close()


def test_book__restored_from_an_old_copy__missing_bid_is_told(world: World, hook: Hook) -> None:
    auction = world.create()
    world.commit(auction, "cheap")
    root = world.book("cheap").root
    shutil.copytree(root, root.with_name("backup"))
    second = world.create()
    world.commit(second, "cheap")
    shutil.rmtree(root)
    shutil.move(root.with_name("backup"), root)
    companion = world.companion("cheap", notify={"webhook": hook.url})
    companion.started()
    companion.cycle()
    assert companion.notifier.flush(SOON)
    companion.close()
    assert f"unknown:{second}:0" in hook.keys
    assert f"unknown:{auction}:0" not in hook.keys


def test_record__of_an_auction_that_was_let_go__is_found_again(world: World) -> None:
    auction = world.create()
    world.commit(auction, "cheap", "fair")
    companion = world.companion("friend", book=world.folder / "friend" / "bids")
    (world.folder / "friend" / "bids").mkdir(parents=True)
    world.jump(world.phases(auction).open_start)
    companion.cycle()
    companion.cycle()  # By now the auction of strangers is forgotten.
    by_hand = world.market.provider("cheap")
    by_hand.open(by_hand.bids(auction))
    other = world.market.provider("fair")
    other.open(other.bids(auction))
    world.score(auction)
    world.jump(world.phases(auction).reveal_start)
    (path,) = world.book("cheap").root.glob("*.json")
    shutil.copy(path, world.folder / "friend" / "bids")
    world.rest(companion)
    assert world.counts(auction)["Revealed"] == [0]
    companion.close()


def test_archive__not_in_the_store__not_ready_and_found_when_it_is_back(world: World) -> None:
    auction = opened(world)
    companion = world.companion("cheap", store=str(world.folder / "empty"), near=10**6)
    for _ in range(50):
        companion.cycle()
        if "is being prepared" not in "".join(companion.problems):
            break
    assert "not done" in companion.problems[0]
    assert "bid 0" in companion.problems[0]
    companion.close()
    again = world.companion("cheap")
    world.rest(again)
    assert world.counts(auction)["Opened"] == [0]
    again.close()


def test_gas__above_the_ceiling__not_ready_until_it_may_pay_more(world: World) -> None:
    auction = opened(world)
    world.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(50 * 10**9))
    world.jump(world.phases(auction).open_start + 10)
    mean = world.companion("cheap", max_fee_gwei=1, near=10**6)
    for _ in range(50):
        mean.cycle()
        if "cap" in "".join(mean.problems):
            break
    assert "above the cap" in mean.problems[0]
    mean.close()
    end = world.phases(auction).open_end
    world.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(50 * 10**9))
    world.jump(end - 200)
    late = world.companion("cheap", max_fee_gwei=1, last_fee_gwei=10_000)
    world.rest(late)
    assert world.counts(auction)["Opened"] == [0]
    late.close()


def test_disk__full__nothing_is_sent_and_nothing_is_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    auction = opened(world)
    companion = world.companion("cheap")

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("oracles.service.database.Database.execute", full)
        companion.turn()
        (problem,) = companion.problems
    assert problem.startswith("journal.sqlite in the state folder: database or disk is full")
    assert world.counts(auction)["Opened"] == []
    world.rest(companion)
    assert world.counts(auction)["Opened"] == [0]
    companion.close()


def test_policy__refuses__told_and_left_to_people(world: World, hook: Hook) -> None:
    auction = opened(world)
    companion = world.companion(
        "cheap", policy={"most_bond": 0.001}, notify={"webhook": hook.url}, near=10**6
    )
    companion.started()
    world.rest(companion)
    assert world.counts(auction)["Opened"] == []
    assert "above `policy.most_bond`" in companion.problems[0]
    assert companion.notifier.flush(SOON)
    companion.close()
    assert f"declined:{auction}:0" in hook.keys


def test_once__due_and_done__then_due_and_not_done(world: World) -> None:
    auction = opened(world)
    off = world.settings("cheap", automatic={"open": False})
    assert any("is off" in sentence for sentence in once(off, off.signer(), 30))
    world.market.sender("cheap")
    settings = world.settings("cheap")
    assert once(settings, settings.signer(), 60) == []
    assert world.counts(auction)["Opened"] == [0]
    dead = world.settings("cheap", rpc=["http://127.0.0.1:1"])
    with pytest.raises(NodeError):
        once(dead, dead.signer(), 1)


def test_dry_run__watches_and_sends_nothing(world: World) -> None:
    auction = opened(world)
    settings = world.settings("cheap", address=signer("cheap").address, near=10**6)
    undone = once(settings, None, 5)
    assert any("has no key" in sentence for sentence in undone)
    assert world.counts(auction)["Opened"] == []


def test_state__of_another_key__is_refused(world: World) -> None:
    companion = world.companion("cheap")
    companion.close()
    with pytest.raises(ConfigError, match="belongs to key"):
        world.companion("fair", state=world.folder / "cheap" / "companion")


# AS PROCESSES


def test_process__wrong_settings_or_passphrase__ends_with_code_2(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    (world.folder / "cheap").mkdir()
    (world.folder / "pass").write_text("right")
    (world.folder / "wrong").write_text("wrong")
    write_keystore(world.folder / "me.json", bytes(signer("cheap").account.key), "right")
    text = world.toml("cheap").read_text()
    keyless = "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith("private_key")
    )
    faults = {
        "setting": text + "[automatic]\nsell = true\n",
        "lead": text + '[notify]\nlead = ["soon"]\n',
        "deployment": text.replace("deployment.json", "nowhere.json"),
        "passphrase": keyless
        + f'keystore = "{world.folder}/me.json"\npassphrase_file = "{world.folder}/wrong"\n',
    }
    config = world.folder / "wrong.toml"
    for name, content in faults.items():
        config.write_text(content)
        with pytest.raises(SystemExit) as ended:
            main(["provider", "run", "--config", str(config)])
        assert ended.value.code == 2, name
        assert capsys.readouterr().err.count("qmia:") == 1
    process = Process(config)
    process.start()
    assert process.end() == 2
    said = process.log.read_text()
    assert said.count("qmia:") == 1
    assert "Traceback" not in said


def test_process__node_down_at_the_start__serves_its_health_and_goes_on(world: World) -> None:
    auction = opened(world)
    cable, port = Cable(world.anvil.url), free_port()
    cable.unplug()
    process = Process(world.toml("cheap", rpc=[cable.url], listen=f"127.0.0.1:{port}"))
    process.start()
    try:
        process.wait('"event": "failed"')
        reply = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=30)
        assert reply.status_code == 503
        cable.plug()
        process.wait('"event": "done"')
        assert httpx.get(f"http://127.0.0.1:{port}/livez", timeout=30).status_code == 200
        assert b"qmia_provider_bids" in httpx.get(f"http://127.0.0.1:{port}/metrics").content
        assert process.stop() == 0
    finally:
        process.kill()
        cable.close()
    assert world.counts(auction)["Opened"] == [0]
    assert world.reverted(*COSTS) == []


def test_node__that_hides_a_bid__is_not_believed(world: World) -> None:
    auction = world.create()
    world.commit(auction, "cheap")
    (record,) = world.book("cheap").records(world.market.deployment.address("DataAuction"), auction)
    # As if the chain had it and this node did not say so.
    salt = b"\x55" * 32
    sealed = seal_bid(record.chain_id, record.contract, auction, record.owner, record.cost, salt)
    world.book("cheap").save(replace(record, salt=salt, sealed_bid=sealed, index=7))
    companion = world.companion("cheap")
    companion.cycle()
    assert companion.problems == [
        f"the book says that bid 7 of auction {auction} is on chain, and the node shows no such"
        " bid: ask another node"
    ]
    companion.close()


def test_command__beside_a_companion_that_died__takes_its_nonce_or_finishes_its_work(
    world: World, tmp_path: Path
) -> None:
    auction = opened(world)
    world.anvil.rpc("evm_setAutomine", False)
    pending = tmp_path / "key.31337.pending"
    desk = KeyDesk(pending)
    who = signer("cheap")
    provider = world.market.provider("cheap")
    provider._sender = Sender(world.web3, who, pending=pending)
    # What it left was never sent: a command with another purpose takes the nonce that is next.
    nonce = world.web3.eth.get_transaction_count(who.address)
    raw = who.sign_transaction(
        {
            "to": who.address,
            "data": b"",
            "value": 0,
            "gas": 21_000,
            "nonce": nonce + 5,
            "maxFeePerGas": 10**10,
            "maxPriorityFeePerGas": 1,
            "chainId": 31337,
            "type": 2,
        }
    )
    desk.leave([Sent("reveal", nonce + 5, "0x" + raw.hex())])
    world.anvil.rpc("evm_setAutomine", True)
    provider.open(provider.bids(auction))
    assert world.counts(auction)["Opened"] == [0]


def test_key__in_use_by_another_program__the_companion_waits_its_turn(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    auction = opened(world)
    monkeypatch.setattr("oracles.service.outbox._PATIENCE", 0.2)
    keystore = tmp_path / "me.json"
    write_keystore(keystore, bytes(signer("cheap").account.key), "pass")
    companion = world.companion(
        "cheap", private_key=None, keystore=keystore, passphrase="pass", near=10**6
    )
    desk = KeyDesk(desk_path(keystore, 31337))
    with desk.turn():
        for _ in range(100):
            companion.cycle()
            if "another program" in "".join(companion.problems):
                break
            time.sleep(0.05)
        assert "another program sends with this key" in companion.problems[0]
    time.sleep(1.1)  # The pause after a failure.
    world.rest(companion)
    assert world.counts(auction)["Opened"] == [0]
    # What it has on its way is known to commands.
    assert desk.flight() == []
    companion.close()
