"""A minority of operators, and any number of providers, do their worst."""

from __future__ import annotations

import datetime
import gzip
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from eth_utils.crypto import keccak
from oracles.chain.codec import DataSet, Score

from oracles.chain import codec
from oracles.dataset import Binding, Document, Limits, pack
from oracles.dataset.manifest import Manifest
from oracles.scoring import Scoring, Submission, Task
from tests.operator.network import ETHER, Network, texts
from tests.operator.rogue import Rogue
from tests.operator.scorer import Quick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NOTHING = Score(0, 0, 0, eligible=False)
WILD = codec.pack_score(Score(10_000, 10_000, 2**32 - 1, eligible=True, underserved=True))


def honest_scores(providers: int) -> list[Score]:
    """What the test's scorer says of `Network.auction`."""
    submissions = [Submission(i, "", partial(iter, texts(i))) for i in range(providers)]
    task = Task(Scoring(), bytes(32), datetime.date.min, bytes(32), Path())
    scores = Quick().assess(submissions, task, lambda *_: None).scores
    return [scores[index] for index in range(providers)]


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    made = Network(tmp_path)
    yield made
    made.close()


def test_providers__hostile_data_sets__score_nothing_and_hurt_nobody(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.start()
    auction = network.create()
    contract = network.auctions
    public = {address: key.public for address, key in network.keys.items()}

    providers = []

    def commit(number: int, data_set: DataSet) -> None:
        sender = network.sender(number)
        providers.append(network.commit_data_set(auction, sender, data_set, bytes(32)))

    def commit_packed(number: int, documents: list[Document]) -> None:
        sender = network.sender(number)
        binding = Binding(contract.chain_id, contract.address, auction, sender.address)
        out = network.folder / f"hostile-{number}"
        packed = pack(documents, out, binding, limits=Limits(ratio=10**6))
        manifest = Manifest.make(str(network.store.put(out)), packed.key, binding, public)
        root = network.store.put(manifest.encode())
        commit(number, DataSet(root.digest, packed.content_digest, packed.size))

    honest = network.commit(auction, 2, texts(0))
    providers.append(honest)
    (first,) = [e for e in network.events("Committed") if e.body.index == honest.index]
    stolen = first.body.data_set
    # 1: copies the commitment of 0. 2: supplies the same text, encrypted by itself.
    commit(3, stolen)
    providers.append(network.commit(auction, 4, texts(0)))
    # 3: a bomb. 4: another digest than the data's. 5: an archive longer than committed.
    commit_packed(5, [Document("a" * (12 << 20))] * 3)
    good, _ = network.archive(auction, network.sender(6), texts(6))
    commit(6, DataSet(good.cid, keccak(text="another"), good.size))
    good, _ = network.archive(auction, network.sender(7), texts(7))
    commit(7, DataSet(good.cid, good.content_digest, good.size - 1))
    # 6: noise for a manifest. 7: nothing anywhere. 8: a manifest that names the archive of 0.
    commit(8, DataSet(network.store.put(os.urandom(999)).digest, bytes(32), 5))
    commit(9, DataSet(keccak(text="nowhere"), bytes(32), 5))
    commit(2, DataSet(network.store.put(b"{}").digest, bytes(32), 2**63))
    # 9: what is in the archive is no text. 10: committed and taken back.
    with monkeypatch.context() as patched:
        picture = b"\x89PNG\r\x1a\0" + bytes(range(11, 256)) * 100
        patched.setattr("oracles.dataset.archive.encode_document", lambda _: picture)
        commit_packed(4, texts(0))
    taken = network.commit(auction, 3, texts(3))
    seal = contract.seal_bid(auction, taken.sender.address, taken.cost, taken.salt)
    address = taken.sender.address
    taken.sender.send(contract.withdraw(auction, taken.index, seal, address))

    network.mine(contract.phases(auction).commit_end)
    scores = network.score(auction)
    assert [score.eligible for score in scores] == [True] + [False] * 10
    assert scores[1] == NOTHING
    assert scores[2].volume == 0
    assert scores[3:] == [NOTHING] * 8
    network.conclude(auction, providers)


def _silent(rogue: Rogue, auction: int) -> None:
    """Says nothing."""


def _garbage(rogue: Rogue, auction: int) -> None:
    rogue.shout(auction, b"[" * 10_000)


def _noise(rogue: Rogue, auction: int) -> None:
    rogue.shout(auction, os.urandom(5000))


def _huge(rogue: Rogue, auction: int) -> None:
    rogue.shout(auction, b'{"schema": "' + b"x" * (64 << 20))


def _bomb(rogue: Rogue, auction: int) -> None:
    rogue.shout(auction, gzip.compress(bytes(256 << 20)))


def _other_peoples(rogue: Rogue, auction: int) -> None:
    """Signs what it sees of another, which is not what it committed to."""
    rogue.say(auction, rogue.report(auction, rogue.overhear(auction, 0)))


MINORITY = [(_silent, _garbage), (_noise, _huge), (_bomb, _other_peoples)]


@pytest.mark.slow
@pytest.mark.parametrize("misbehave", MINORITY)
def test_operators__two_of_five_misbehave__round_stands_without_them_and_they_are_slashed(
    tmp_path: Path, misbehave: Sequence[Callable[[Rogue, int], None]]
) -> None:
    network = Network(tmp_path, operators=5, threshold=3)
    try:
        network.start(0, 1, 2)
        auction, providers = network.auction()
        rogues = [Rogue(network, 3), Rogue(network, 4)]
        for rogue in rogues:
            rogue.commit(auction, rogue.report(auction, WILD * 3))
        network.await_commitments(auction, 5)
        for rogue, act in zip(rogues, misbehave, strict=True):
            act(rogue, auction)
        network.await_published(auction, 3)
        network.until(lambda: network.complete(auction), "scoring")
        (done,) = network.events("RoundCompleted")
        assert done.body.mask == 0b00111
        assert network.scores(auction) == honest_scores(3)
        network.mine(network.windows(auction).end)
        network.until(lambda: len(network.events("OperatorSlashed")) == 2, "the penalties")
        slashed = {e.body.operator for e in network.events("OperatorSlashed")}
        assert slashed == {rogue.signer.address for rogue in rogues}
        network.conclude(auction, providers)
    finally:
        network.close()


@pytest.mark.slow
def test_operators__two_of_five_lie__medians_are_the_honest_ones(tmp_path: Path) -> None:
    network = Network(tmp_path, operators=5, threshold=3)
    try:
        network.start(0, 1, 2)
        auction, providers = network.auction()
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
        assert network.scores(auction) == honest_scores(3)
        slashed = network.until(lambda: network.events("OperatorSlashed"), "the penalty")
        assert slashed[0].body.operator == twofaced.signer.address
        assert slashed[0].body.amount == 2 * ETHER
        network.conclude(auction, providers, equivocators=[twofaced.signer.address])
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
def test_challenge__honest_round_one__second_round_confirms_it(network: Network) -> None:
    network.start()
    auction, providers = network.auction()
    before = network.score(auction)
    network.mine(network.windows(auction).end)
    call = network.oracle.challenge(network.auctions.address, auction)
    network.buyer.send(call, value=ETHER // 2)
    network.mine(network.windows(auction, 2).commit)
    network.await_commitments(auction, 3, round_=2)
    network.until(lambda: network.complete(auction, 2), "the second round")
    (resolved,) = network.until(lambda: network.events("ChallengeResolved"), "the resolution")
    assert (resolved.body.quorum, resolved.body.moved) == (True, False)
    assert network.scores(auction) == before
    network.conclude(auction, providers, round_=2)
