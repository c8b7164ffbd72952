"""The files behind the logs: samples drawn again, evidence compared, scores computed again."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from eth_utils.crypto import keccak

from oracles.audit import replay
from oracles.audit.evidence import check_bundles, check_samples, check_scores
from oracles.audit.records import Draw
from oracles.chain.packing import Score as Grid
from oracles.chain.packing import pack_vector
from oracles.dataset import (
    Binding,
    Document,
    EncryptionKey,
    Manifest,
    build_opening,
    draw,
    encode_document,
    open_archive,
    opening_context,
    opening_size,
    pack,
)
from oracles.dataset.archive import sketch_key
from oracles.errors import ConfigError, IntegrityError
from oracles.evidence import Bundle, Cid, DirectoryStore, write_bundle
from oracles.evidence.cid import RAW
from oracles.scoring import EVIDENCE_SCHEMA, Scoring, Submission, Task
from tests.audit.recorder import Recorded, Story
from tests.operator.scorer import Quick
from tests.support.auction import (
    REPORT_TYPE,
    Entry,
    Protocol,
    Score,
    sign,
    struct_hash,
    typed_digest,
)
from tests.support.chain import CHAIN_ID

if TYPE_CHECKING:
    from pathlib import Path

    from oracles.dataset import Packed

SETTINGS = Scoring(metric="tests.operator.scorer:Quick", allow_foreign=True)
#: Pages that are sampled; the first data set has more.
SAMPLES = 2
TODAY = "2027-01-15"
#: What the in-process chain is told to draw from.
SAMPLE_KEY = bytes([0x55]).ljust(32, b"\0")


def documents(index: int) -> list[Document]:
    count = 2_000 if index == 0 else 3
    return [Document(f"text {index}-{i} " + "lorem ipsum " * (index + 5)) for i in range(count)]


class Market:
    """An auction with real files up to its first reveal.

    Attributes:
        store: manifests, openings and evidence.
        plain: folder of plain data.
    """

    def __init__(self, folder: Path, **bundle: Any) -> None:
        self.folder, self.store = folder, DirectoryStore(folder / "store")
        self.plain = folder / "plain"
        self.plain.mkdir()
        p = Protocol(Recorded())
        self.protocol = p
        version = Quick().metric_version(SETTINGS)
        self.a = p.create(metricVersion=version, samples=SAMPLES)
        self.packed: list[Packed] = []
        self.manifests: list[Manifest] = []
        self.openings: list[bytes] = []
        for index in range(3):
            self._commit(index)
        self.a.go("open")
        for index in range(3):
            self._open(index)
        held = [0, 1, 2]
        self.a.roll(*[held] * len(self.a.attesting))
        self._score(bundle)
        self.a.go("reveal")
        self.a.reveal(0)

    def replay(self) -> Any:
        state = replay(Story(self.protocol))
        assert state.findings() == []
        return state

    def _commit(self, index: int) -> None:
        lines = [encode_document(each) + b"\n" for each in documents(index)]
        (self.plain / f"{index}.jsonl").write_bytes(b"".join(lines))
        a, path = self.a, self.folder / f"{index}.archive"
        packed = pack(self.plain / f"{index}.jsonl", path)
        entry = a.entry(self.protocol.fund(f"0x{index + 1:040x}"), 100)
        binding = Binding(CHAIN_ID, self.protocol.auction.address, a.id, entry.owner)
        manifest = Manifest(binding, str(self.store.put(path)), packed.contents)
        self.store.put(manifest.encode())
        contents = packed.contents
        words = (manifest.digest, contents.content_digest, contents.size, contents.key_commitment)
        data_set = dict(zip(entry.data_set, words, strict=True))
        self._send(replace(entry, data_set=data_set, data_key=packed.key))
        self.packed.append(packed)
        self.manifests.append(manifest)

    def _send(self, entry: Entry) -> None:
        a = self.a
        args = (a.id, entry.sealed, entry.data_set, a.terms["agreement"])
        self.protocol.do("commit", *args, sender=entry.owner, value=a.deposit)
        a.entries[entry.index] = entry

    def _open(self, index: int) -> None:
        a, manifest, packed = self.a, self.manifests[index], self.packed[index]
        operators = self.protocol.operators
        members = [EncryptionKey(bytes(each.key)).public for each in operators]
        with open_archive(self.folder / f"{index}.archive", packed.contents) as archive:
            context = opening_context(manifest.binding, index)
            opening = build_opening(archive, packed.key, self.drawn(index), members, context)
        digest = self.store.put(opening).digest
        entry = a.entries[index]
        self.protocol.do("open", a.id, entry.sealed, entry.place, digest, sender=entry.owner)
        self.openings.append(digest)

    def drawn(self, index: int, key: bytes = SAMPLE_KEY) -> list[int]:
        manifest = self.manifests[index]
        pages = manifest.contents.pages
        return draw(key, self.a.id, index, manifest.digest, pages, SAMPLES)

    def _submission(self, index: int) -> Submission:
        packed = self.packed[index]
        with open_archive(self.folder / f"{index}.archive", packed.contents) as archive:
            pages = tuple((n, archive.page(n, packed.key)) for n in self.drawn(index))
            sketch = archive.sketch(sketch_key(packed.key))
        return Submission(index, "", pages, packed.contents.pages, sketch)

    def _score(self, changes: dict[str, Any]) -> None:
        a, p = self.a, self.protocol
        day = datetime.date.fromisoformat(TODAY)
        task = Task(SETTINGS, bytes(32), day, SAMPLE_KEY, self.folder)
        given = [self._submission(index) for index in range(3)]
        found = Quick().assess(given, task, lambda *_: None).scores
        grid = [found[index] for index in range(3)]
        scoring = a.terms["scoring"]
        reports = []
        for member, operator in enumerate(p.first):
            content = {
                "schema": EVIDENCE_SCHEMA,
                "chain_id": str(CHAIN_ID),
                "contract": p.auction.address,
                "auction": str(a.id),
                "round": 1,
                "operator": operator.address,
                "metric_version": scoring["metricVersion"].hex(),
                "evaluation": scoring["evaluation"].hex(),
                "sample_key": SAMPLE_KEY.hex(),
                "samples": SAMPLES,
                "today": TODAY,
                "data_sets": [self._listed(index, score) for index, score in enumerate(grid)],
                "assessment": {},
            }
            evidence = write_bundle(self.store, Bundle(content | changes)).digest
            plain = [Score.unpack(pack_vector([each])) for each in grid]
            report = a.report(member, plain)._replace(evidence=evidence)
            words = (1, scoring["metricVersion"], report.root, evidence)
            struct = struct_hash(REPORT_TYPE, p.auction.address, a.id, *words)
            digest = typed_digest("Q-MIA ScoreOracle", p.oracle.address, struct)
            reports.append(report._replace(digest=digest, signature=sign(operator, digest)))
            a.commit_vector(reports[-1])
        a.go("score_open")
        a.post(reports)

    def _listed(self, index: int, score: Grid) -> dict[str, Any]:
        contents = self.packed[index].contents
        return {
            "index": index,
            "provider": self.a.entries[index].owner,
            "manifest": self.manifests[index].digest.hex(),
            "content_digest": contents.content_digest.hex(),
            "size": str(contents.size),
            "opening": self.openings[index].hex(),
            "on_roll": True,
            "score": score._asdict(),
        }


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(tmp_path)


def checks_of(state: Any) -> set[str]:
    return {each.check for each in state.findings()}


# SAMPLES


def test_samples__as_drawn__fit_what_was_opened(market: Market) -> None:
    state = market.replay()
    found = check_samples(state, state.auctions.auctions[1], [market.store])
    assert state.findings() == []
    assert {index: each.numbers for index, each in found.items()} == {
        index: tuple(market.drawn(index)) for index in range(3)
    }
    assert found[0].pages > SAMPLES
    assert all(each.opening for each in found.values())


def test_samples__of_another_draw__differ_from_what_was_opened(market: Market) -> None:
    state = market.replay()
    contents, members = market.manifests[0].contents, len(market.protocol.operators)
    size = opening_size(contents, market.drawn(0), members)
    # The branch of the last pages is shorter than those of others.
    key = next(
        key
        for key in (keccak(bytes([attempt])) for attempt in range(256))
        if opening_size(contents, market.drawn(0, key), members) != size
    )
    state.header.draws[1] = Draw(1, 2, 1, key)
    check_samples(state, state.auctions.auctions[1], [market.store])
    assert [(each.check, each.where) for each in state.findings()] == [
        ("sample.opening", "sample of bid 0")
    ]


def test_samples__without_the_draw__cannot_be_checked(market: Market) -> None:
    state = market.replay()
    state.header.draws.clear()
    with pytest.raises(ConfigError, match="drawn from"):
        check_samples(state, state.auctions.auctions[1], [market.store])


def test_samples__manifest_of_another_provider__is_a_finding(market: Market) -> None:
    state = market.replay()
    state.auctions.auctions[1].bids[1].owner = "0x" + "77" * 20
    check_samples(state, state.auctions.auctions[1], [market.store])
    assert [(each.check, each.where) for each in state.findings()] == [
        ("sample.manifest", "sample of bid 1")
    ]


def test_samples__opening_of_another_size__is_a_finding(market: Market) -> None:
    state = market.replay()
    state.auctions.auctions[1].bids[1].opening = market.openings[0]
    check_samples(state, state.auctions.auctions[1], [market.store])
    assert [(each.check, each.where) for each in state.findings()] == [
        ("sample.opening", "sample of bid 1")
    ]


def test_samples__files_that_nobody_serves__are_no_findings(market: Market) -> None:
    market.store.path(Cid(RAW, market.manifests[1].digest)).unlink()
    state = market.replay()
    found = check_samples(state, state.auctions.auctions[1], [market.store])
    assert state.findings() == []
    assert sorted(found) == [0, 2]


# EVIDENCE


def test_bundles__as_stored__agree_with_the_logs(market: Market) -> None:
    state = market.replay()
    content = check_bundles(state, state.auctions.auctions[1], [market.store])
    assert state.findings() == []
    assert state.checks.made["evidence.score"] == 9
    assert content["today"] == TODAY


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("operator", "0x" + "11" * 20),
        ("metric_version", "00" * 32),
        ("round", 2),
        ("auction", "2"),
        ("sample_key", "11" * 32),
        ("samples", 3),
        ("today", "2020-01-01"),
    ],
)
def test_bundles__about_something_else__are_findings(tmp_path: Path, name: str, value: Any) -> None:
    market = Market(tmp_path, **{name: value})
    state = market.replay()
    assert check_bundles(state, state.auctions.auctions[1], [market.store]) == {}
    assert checks_of(state) == {f"evidence.{name}"}


@pytest.mark.parametrize(
    ("name", "value", "check"),
    [
        ("opening", "", "evidence.committed"),
        ("manifest", "00" * 32, "evidence.committed"),
        ("on_roll", False, "evidence.committed"),
        ("score", Grid(1, 2, 3, True)._asdict(), "evidence.score"),
    ],
)
def test_bundles__with_another_data_set__are_findings(
    market: Market, name: str, value: Any, check: str
) -> None:
    state = market.replay()
    whole = [market._listed(index, Grid(*astuple_of(state, index))) for index in range(3)]
    whole[1][name] = value
    other = DirectoryStore(market.folder / "other")
    feed = state.oracle.feeds[market.protocol.auction.address, 1]
    digest = write_bundle(
        other,
        Bundle(
            {**check_bundles(state, state.auctions.auctions[1], [market.store]), "data_sets": whole}
        ),
    ).digest
    feed.rounds[0].evidence = {0: digest}
    check_bundles(state, state.auctions.auctions[1], [other])
    assert check in checks_of(state)


def astuple_of(state: Any, index: int) -> Any:
    return state.auctions.auctions[1].score(index)


def test_bundles__in_no_store__cannot_be_checked(market: Market, tmp_path: Path) -> None:
    state = market.replay()
    with pytest.raises(ConfigError, match="no evidence bundle"):
        check_bundles(state, state.auctions.auctions[1], [DirectoryStore(tmp_path / "b")])


# SCORES


def again(market: Market, settings: Scoring = SETTINGS, *left_out: int, **swapped: Path) -> Any:
    state = market.replay()
    auction = state.auctions.auctions[1]
    content = check_bundles(state, auction, [market.store])
    data = {index: market.plain / f"{index}.jsonl" for index in range(3)}
    for index in left_out:
        del data[index]
    data |= {int(name.removeprefix("bid_")): path for name, path in swapped.items()}
    workspace = market.folder / "work"
    workspace.mkdir()
    pairs = check_scores(state, auction, content, data, settings, workspace, chosen=[0, 2])
    return state, pairs


def test_scores__of_the_same_data__come_out_the_same(market: Market) -> None:
    state, pairs = again(market)
    assert state.findings() == []
    assert set(pairs) == {0, 2}
    assert all(accepted == recomputed for accepted, recomputed in pairs.values())


def test_scores__beyond_a_grid_step__are_findings(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Quick.assess

    def shifted(self: Quick, *args: Any) -> Any:
        result = honest(self, *args)
        scores = dict(result.scores)
        scores[0] = scores[0]._replace(q=scores[0].q + 1)
        scores[2] = scores[2]._replace(q=scores[2].q + 2)
        return type(result)(scores, result.evidence)

    monkeypatch.setattr(Quick, "assess", shifted)
    state, _ = again(market)
    assert [(each.check, each.where) for each in state.findings()] == [
        ("score.again", "score of bid 2")
    ]


def test_scores__of_other_data__are_refused(market: Market) -> None:
    with pytest.raises(IntegrityError, match="bid 2"):
        again(market, bid_2=market.plain / "1.jsonl")


def test_scores__without_all_data__cannot_be_checked(market: Market) -> None:
    with pytest.raises(ConfigError, match=r"missing for bids \[2\]"):
        again(market, SETTINGS, 2)


def test_scores__by_another_metric__cannot_be_checked(market: Market) -> None:
    other = SETTINGS.model_copy(update={"q_min": 1})
    with pytest.raises(ConfigError, match="metric version"):
        again(market, other)


def test_command__scores__checks_samples_evidence_and_data(market: Market) -> None:
    from typer.testing import CliRunner

    from oracles.audit import write_archive
    from oracles.cli.audit import app

    archive, config = market.folder / "x.qmia-archive", market.folder / "operator.toml"
    write_archive(archive, Story(market.protocol))
    config.write_text('[scoring]\nmetric = "tests.operator.scorer:Quick"\nallow_foreign = true\n')
    command = ["scores", str(archive), "--auction", "1", "--evidence", str(market.folder / "store")]
    done = CliRunner().invoke(
        app, [*command, "--data", str(market.plain), "--config", str(config), "--json"]
    )
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert answer["passed"] is True
    assert answer["samples"]["0"]["numbers"] == market.drawn(0)
    assert sorted(answer["again"]) == ["0", "1", "2"]
    market.store.path(Cid(RAW, market.manifests[1].digest)).write_bytes(b"{}")
    assert CliRunner().invoke(app, command).exit_code == 1
