"""A minority of operators, and any number of providers, do their worst."""

from __future__ import annotations

import datetime
import gzip
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from eth_utils.crypto import keccak

from oracles.chain.packing import Score, pack_score
from oracles.chain.terms import DataSet
from oracles.dataset import PAGE_BYTES, Document
from oracles.dataset.digest import encode_document
from oracles.dataset.pages import Pager
from oracles.dataset.sketch import Sketcher
from oracles.scoring import Scoring, Submission, Task
from tests.operator.network import SAMPLES, STAKE, Network, Provider, texts
from tests.operator.rogue import Rogue
from tests.operator.scorer import Quick

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NOTHING = Score(0, 0, 0, present=False)
WILD = pack_score(Score(10_000, 10_000, 2**32 - 1, present=True, underserved=True))


def honest_scores(providers: int) -> list[Score]:
    """What the test's scorer says of `Network.auction`, whose data sets have one page each."""
    submissions = []
    for index in range(providers):
        pager, sketcher = Pager(), Sketcher()
        lines = [encode_document(document) + b"\n" for document in texts(index)]
        pages = [page for line in lines for page in pager.write(line)]
        numbered = tuple(enumerate([*pages, *pager.finish()]))
        submissions.append(Submission(index, "", numbered, len(numbered), sketcher.finish()))
    task = Task(Scoring(), bytes(32), datetime.date.min, bytes(32), Path())
    scores = Quick().assess(submissions, task, lambda *_: None).scores
    return [scores[index] for index in range(providers)]


def test_providers__hostile_data_sets__are_not_on_the_roll_and_hurt_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network(tmp_path, operators=1, threshold=1)
    try:
        network.start()
        auction = network.create()
        honest = network.commit(auction, 2, texts(0))
        (first,) = network.events("Committed")
        stolen = first.body.data_set
        bad: list[Provider] = []

        def commit(number: int, data_set: DataSet) -> Provider:
            sender = network.sender(number)
            bad.append(network.commit_data_set(auction, sender, data_set, bytes(32)))
            return bad[-1]

        def changed(number: int, **lies: int | bytes) -> Provider:
            """What the chain has of it is not what its manifest says."""
            sender = network.sender(number)
            data_set, manifest, _ = network.seal(auction, sender, texts(number))
            return replace(commit(number, replace(data_set, **lies)), manifest=manifest)  # type: ignore[arg-type]

        # Copies the commitment of 0. Supplies the same text, encrypted by itself: that is no crime.
        copied = commit(3, stolen)
        same = network.commit(auction, 4, texts(0))
        # A bomb: 36 MB of the same letter, of which two pages are read.
        bomb = network.commit(auction, 5, [Document("a" * (12 << 20))] * 3)
        # Another digest, another size than the data's; noise for a manifest; nothing anywhere.
        changed(6, content_digest=keccak(text="another"))
        changed(7, size=1)
        noise = network.store.put(os.urandom(999)).digest
        commit(8, DataSet(noise, bytes(32), 5, bytes(32)))
        commit(9, DataSet(keccak(text="nowhere"), bytes(32), 5, bytes(32)))
        brackets = network.store.put(b"[" * 10_000).digest
        commit(5, DataSet(brackets, bytes(32), 2**63, bytes(32)))
        # What is in the archive is no text. Committed and taken back.
        with monkeypatch.context() as patched:
            picture = b"\x89PNG\r\x1a\0" + bytes(range(11, 256)) * 100
            patched.setattr("oracles.dataset.archive.encode_document", lambda _: picture)
            patched.setattr("oracles.dataset.archive.Archive.documents", lambda *_: iter(()))
            not_text = network.commit(auction, 6, texts(0))
        taken = network.commit(auction, 7, texts(3))
        withdrawn = network.auctions.withdraw_bid(auction, taken.sealed_bid, taken.place)
        taken.sender.send(withdrawn)

        network.mine(network.state(auction).phases.open_start)
        good = [honest, same, bomb, not_text]
        for provider in good:
            network.open(auction, provider)
        for provider in bad:
            # An opening that is noise, or another's.
            theirs = network.opening(auction, honest) if provider is copied else os.urandom(500)
            digest = network.store.put(theirs).digest
            call = network.auctions.open(auction, provider.sealed_bid, provider.place, digest)
            provider.sender.send(call)
        network.mine(network.state(auction).phases.open_end)
        assert network.await_roll(auction, late=True) == {provider.index for provider in good}
        scores = network.score(auction)
        assert scores[copied.index] == NOTHING
        assert scores[same.index].volume == 0
        # Two pages of it are read, whatever it opens to.
        assert scores[bomb.index].q < scores[honest.index].q
        assert scores[bomb.index].volume <= SAMPLES * PAGE_BYTES
        assert scores[not_text.index].present
        assert [scores[provider.index] for provider in bad] == [NOTHING] * len(bad)
        bond = network.auctions.reclaim_bond(auction, taken.sealed_bid, taken.place)
        taken.sender.send(bond)
        network.conclude(auction, [honest])
    finally:
        network.close()


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
        network.await_roll(auction)
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
        network.until(lambda: len(network.events("StakeSlashed")) == 2, "the penalties")
        slashed = {e.body.member for e in network.events("StakeSlashed")}
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
        network.await_roll(auction)
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
        (slashed,) = network.until(lambda: network.events("StakeSlashed"), "the penalty")
        assert slashed.body.member == twofaced.signer.address
        assert slashed.body.burned == STAKE
        network.conclude(auction, providers, contradictors=[twofaced.signer.address])
    finally:
        network.close()


def _heard(network: Network, auction: int, member: int) -> bool:
    """Whether an honest daemon has kept a report of this member (its journal is read-only here)."""
    import sqlite3

    path = network.daemons[0].state / "journal.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as journal:
        query = "SELECT count(*) FROM heard WHERE auction = ? AND member = ?"
        return bool(journal.execute(query, (auction, member)).fetchone()[0])
