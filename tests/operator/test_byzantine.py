"""A minority of operators, and any number of providers, do their worst."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from eth_utils.crypto import keccak

from oracles.chain import codec
from oracles.chain.codec import DataSet, Score
from oracles.dataset import Binding, Document, Limits, pack
from oracles.dataset.manifest import Manifest
from tests.operator.network import ETHER, Network, texts
from tests.operator.rogue import Rogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOTHING = Score(0, 0, 0, eligible=False)
WILD = codec.pack_score(Score(10_000, 10_000, 2**32 - 1, eligible=True, underserved=True))


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    made = Network(tmp_path)
    yield made
    made.close()


def test_providers__hostile_data_sets__score_nothing_and_hurt_nobody(network: Network) -> None:
    network.start()
    auction = network.create()
    contract = network.auctions
    public = {address: key.public for address, key in network.keys.items()}

    def commit(number: int, data_set: DataSet) -> None:
        network.commit_data_set(auction, network.sender(number), data_set, bytes(32))

    honest = network.commit(auction, 2, texts(0))
    (first,) = [e for e in network.events("Committed") if e.args["index"] == honest.index]
    stolen = DataSet(*first.args["dataSet"].values())
    # 1: copies the commitment of 0. 2: supplies the same text, encrypted by itself.
    commit(3, stolen)
    network.commit(auction, 4, texts(0))
    # 3: a bomb. 4: another digest than the data's. 5: an archive longer than committed.
    sender = network.sender(5)
    binding = Binding(contract.chain_id, contract.address, auction, sender.address)
    out = network.folder / "bomb"
    bomb = pack([Document("a" * (12 << 20))] * 3, out, binding, limits=Limits(ratio=10**6))
    manifest = Manifest.make(str(network.store.put(out)), bomb.key, binding, public)
    root = network.store.put(manifest.encode())
    commit(5, DataSet(root.digest, bomb.content_digest, bomb.size))
    good, _ = network.archive(auction, network.sender(6), texts(6))
    commit(6, DataSet(good.cid, keccak(text="another"), good.size))
    good, _ = network.archive(auction, network.sender(7), texts(7))
    commit(7, DataSet(good.cid, good.content_digest, good.size - 1))
    # 6: noise for a manifest. 7: nothing anywhere. 8: a manifest that names the archive of 0.
    commit(8, DataSet(network.store.put(os.urandom(999)).digest, bytes(32), 5))
    commit(9, DataSet(keccak(text="nowhere"), bytes(32), 5))
    commit(2, DataSet(network.store.put(b"{}").digest, bytes(32), 2**63))
    # 9: committed and taken back.
    taken = network.commit(auction, 3, texts(3))
    seal = contract.seal_bid(auction, taken.sender.address, taken.cost, taken.salt)
    address = taken.sender.address
    taken.sender.send(contract.withdraw(auction, taken.index, seal, address))

    network.mine(contract.phases(auction).commit_end)
    scores = network.score(auction)
    assert [score.eligible for score in scores] == [True] + [False] * 9
    assert scores[1] == NOTHING
    assert scores[2].volume == 0
    assert scores[3:] == [NOTHING] * 7
    network.check(auction)


def _silent(rogue: Rogue, auction: int, count: int) -> None:
    rogue.commit(auction, rogue.report(auction, WILD * count))


def _garbage(rogue: Rogue, auction: int, count: int) -> None:
    _silent(rogue, auction, count)
    rogue.shout(auction, b"[" * 10_000)


def _huge(rogue: Rogue, auction: int, count: int) -> None:
    _silent(rogue, auction, count)
    rogue.shout(auction, b'{"schema": "' + b"x" * (64 << 20))


def _other_peoples(rogue: Rogue, auction: int, count: int) -> None:
    """Commits to something, and later signs what it saw of another."""
    _silent(rogue, auction, count)
    rogue.say(auction, rogue.report(auction, bytes(8 * count)))


@pytest.mark.slow
@pytest.mark.parametrize("misbehave", [_silent, _garbage, _huge, _other_peoples])
def test_operator__commits_and_withholds__round_stands_without_it_and_it_is_slashed(
    network: Network, misbehave: Callable[[Rogue, int, int], None]
) -> None:
    network.start(0, 1)
    auction, _ = network.auction()
    misbehave(Rogue(network, 2), auction, 3)
    # The quorum is three of three here: two are not enough, and the auction ends with refunds.
    network.await_commitments(auction, 3)
    network.await_published(auction, 2)
    network.mine(network.windows(auction).end)
    network.until(lambda: network.events("Aborted"), "the abort")
    slashed = network.until(lambda: network.events("OperatorSlashed"), "the penalty")
    assert [e.args["operator"] for e in slashed] == [network.signers[2].address]
    network.buyer.send(network.auctions.withdraw_buyer(auction, network.buyer.address))
    assert network.token.functions.balanceOf(network.auctions.address).call() == 0


def test_operators__two_of_five_lie__medians_are_the_honest_ones(tmp_path: Path) -> None:
    network = Network(tmp_path, operators=5, threshold=3)
    try:
        network.start(0, 1, 2)
        auction, _ = network.auction()
        liar, twofaced = Rogue(network, 3), Rogue(network, 4)
        wild = liar.report(auction, WILD * 3)
        liar.commit(auction, wild)
        second = twofaced.report(auction, WILD * 3, word="second")
        first = twofaced.report(auction, bytes(24), word="first")
        twofaced.commit(auction, first)
        network.await_commitments(auction, 5)
        liar.say(auction, wild)
        twofaced.say(auction, second)
        network.until(lambda: _heard(network, auction, 4), "the second face")
        twofaced.say(auction, first)
        network.until(lambda: network.complete(auction), "scoring")
        honest = network.scores(auction)
        assert all(score.eligible and not score.underserved for score in honest)
        assert [score.volume for score in honest] == [
            sum(len(d.text) for d in texts(i)) for i in range(3)
        ]
        slashed = network.until(lambda: network.events("OperatorSlashed"), "the penalty")
        assert slashed[0].args["operator"] == twofaced.signer.address
        assert slashed[0].args["amount"] == 2 * ETHER
    finally:
        network.close()


def _heard(network: Network, auction: int, member: int) -> bool:
    """Whether an honest daemon has kept a report of this member (its journal is read-only here)."""
    import sqlite3

    path = network.daemons[0].state / "journal.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as journal:
        query = "SELECT count(*) FROM heard WHERE auction = ? AND member = ?"
        return bool(journal.execute(query, (auction, member)).fetchone()[0])


@pytest.mark.slow
def test_operators__one_of_five_withholds__the_published_ones_are_posted(tmp_path: Path) -> None:
    network = Network(tmp_path, operators=5, threshold=3)
    try:
        network.start(0, 1, 2, 3)
        auction, _ = network.auction()
        rogue = Rogue(network, 4)
        rogue.commit(auction, rogue.report(auction, WILD * 3))
        rogue.shout(auction, os.urandom(5000))
        network.await_commitments(auction, 5)
        network.await_published(auction, 4)
        network.until(lambda: network.complete(auction), "scoring")
        (done,) = network.events("RoundCompleted")
        assert done.args["mask"] == 0b01111
        assert len(network.events("VectorPublished")) == 4
        network.check(auction)
        network.mine(network.windows(auction).end)
        slashed = network.until(lambda: network.events("OperatorSlashed"), "the penalty")
        assert {e.args["operator"] for e in slashed} == {rogue.signer.address}
    finally:
        network.close()


@pytest.mark.slow
def test_challenge__honest_round_one__second_round_confirms_it(network: Network) -> None:
    network.start()
    auction, _ = network.auction()
    before = network.score(auction)
    network.mine(network.windows(auction).end)
    call = network.oracle.challenge(network.auctions.address, auction)
    network.buyer.send(call, value=ETHER // 2)
    network.mine(network.windows(auction, 2).commit)
    network.await_commitments(auction, 3, round_=2)
    network.until(lambda: network.complete(auction, 2), "the second round")
    (resolved,) = network.until(lambda: network.events("ChallengeResolved"), "the resolution")
    assert (resolved.args["quorum"], resolved.args["moved"]) == (True, False)
    assert network.scores(auction) == before
    network.check(auction, 2)
