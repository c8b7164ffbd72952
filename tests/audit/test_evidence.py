"""Evidence bundles against the logs, and scores computed again."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from oracles.audit import replay
from oracles.audit.evidence import check_bundles, check_scores
from oracles.chain.codec import Domain, pack_vector, report_message, typed_digest
from oracles.chain.codec import Score as Grid
from oracles.dataset import Document, content_digest
from oracles.errors import ConfigError, IntegrityError
from oracles.evidence import Bundle, DirectoryStore, write_bundle
from oracles.scoring import EVIDENCE_SCHEMA, Scoring, Submission
from tests.audit.recorder import Recorded, Story
from tests.operator.scorer import Quick
from tests.support.auction import Auction, Protocol, Score, sign
from tests.support.chain import CHAIN_ID

if TYPE_CHECKING:
    from pathlib import Path

DATA = {0: ["first text", "second text"], 1: ["a third"], 2: ["first text", "a fourth one"]}
SETTINGS = Scoring(metric="tests.operator.scorer:Quick", allow_foreign=True)


def documents(index: int) -> list[Document]:
    return [Document(text) for text in DATA[index]]


def submissions() -> list[Submission]:
    return [Submission(i, "", partial(_iterate, i)) for i in DATA]


def _iterate(index: int) -> Any:
    return iter(documents(index))


class Sold(Auction):
    """Providers commit to the documents above."""

    def data_set(self, label: str = "") -> dict[str, Any]:
        del label
        index = len(self.entries)
        digest = content_digest(documents(index))
        return {"cid": hashlib.sha256(digest).digest(), "contentDigest": digest, "size": 99}


def scored(store: DirectoryStore, **changes: Any) -> Story:
    """An auction up to its first reveal whose operators stored their evidence."""
    p = Protocol(Recorded())
    created = p.create(metricVersion=Quick().metric_version(SETTINGS))
    a = Sold(**{name: getattr(created, name) for name in Auction.__dataclass_fields__})
    for cost in (1, 2, 3):
        a.commit(cost)
    from oracles.scoring import Task

    task: Any = Task(SETTINGS, bytes(32), None, bytes(32), None)  # type: ignore[arg-type]
    scores = Quick().assess(submissions(), task, lambda *_: None).scores
    grid = [scores[i] for i in DATA]
    a.go("score")
    reports = []
    for member, operator in enumerate(p.operators):
        data_sets = [
            {
                "index": i,
                "provider": a.entries[i].owner,
                "cid": hashlib.sha256(content_digest(documents(i))).hexdigest(),
                "content_digest": content_digest(documents(i)).hex(),
                "size": "99",
                "problem": None,
                "score": score._asdict(),
            }
            for i, score in enumerate(grid)
        ]
        content = {
            "schema": EVIDENCE_SCHEMA,
            "chain_id": str(CHAIN_ID),
            "contract": p.auction.address,
            "auction": str(a.id),
            "round": 1,
            "operator": operator.address,
            "metric_version": a.terms["metricVersion"].hex(),
            "evaluation": a.terms["evaluation"].hex(),
            "sample_key": bytes(32).hex(),
            "today": "2026-11-21",
            "data_sets": data_sets,
            "assessment": {},
        } | changes
        evidence = write_bundle(store, Bundle(content)).digest
        plain = [Score.unpack(pack_vector([each])) for each in grid]
        report = a.report(member, plain)._replace(evidence=evidence)
        message = report_message(
            Domain.oracle(CHAIN_ID, p.oracle.address),
            p.auction.address,
            a.id,
            1,
            a.terms["metricVersion"],
            report.root,
            evidence,
        )
        digest = typed_digest(message)
        reports.append(report._replace(digest=digest, signature=sign(operator, digest)))
        a.commit_vector(reports[-1])
    a.go("open")
    a.post(reports)
    a.scores = plain
    a.go("reveal")
    a.reveal(0)
    return Story(p)


def test_bundles__as_stored__agree_with_the_logs(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    state = replay(scored(store))
    content = check_bundles(state, state.auctions.auctions[1], [store])
    assert state.findings() == []
    assert state.checks.made["evidence.score"] == 9
    assert content["today"] == "2026-11-21"


@pytest.mark.parametrize(
    ("name", "value"),
    [("operator", "0x" + "11" * 20), ("metric_version", "00" * 32), ("round", 2), ("auction", "2")],
)
def test_bundles__about_something_else__are_findings(tmp_path: Path, name: str, value: Any) -> None:
    store = DirectoryStore(tmp_path)
    state = replay(scored(store, **{name: value}))
    assert check_bundles(state, state.auctions.auctions[1], [store]) == {}
    assert {each.check for each in state.findings()} == {f"evidence.{name}"}


def test_bundles__in_no_store__cannot_be_checked(tmp_path: Path) -> None:
    state = replay(scored(DirectoryStore(tmp_path / "a")))
    with pytest.raises(ConfigError, match="no evidence bundle"):
        check_bundles(state, state.auctions.auctions[1], [DirectoryStore(tmp_path / "b")])


def again(tmp_path: Path, given: list[Submission], settings: Scoring = SETTINGS) -> Any:
    store = DirectoryStore(tmp_path)
    state = replay(scored(store))
    auction = state.auctions.auctions[1]
    content = check_bundles(state, auction, [store])
    pairs = check_scores(state, auction, content, given, settings, tmp_path, chosen=[0, 2])
    return state, pairs


def test_scores__of_the_same_data__come_out_the_same(tmp_path: Path) -> None:
    state, pairs = again(tmp_path, submissions())
    assert state.findings() == []
    assert set(pairs) == {0, 2}
    assert all(accepted == recomputed for accepted, recomputed in pairs.values())
    assert isinstance(pairs[0][0], Grid)


def test_scores__beyond_a_grid_step__are_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Quick.assess

    def shifted(self: Quick, *args: Any) -> Any:
        result = honest(self, *args)
        scores = dict(result.scores)
        scores[0] = scores[0]._replace(q=scores[0].q + 1)
        scores[2] = scores[2]._replace(q=scores[2].q + 2)
        return type(result)(scores, result.evidence)

    store = DirectoryStore(tmp_path)
    story = scored(store)
    monkeypatch.setattr(Quick, "assess", shifted)
    state = replay(story)
    auction = state.auctions.auctions[1]
    content = check_bundles(state, auction, [store])
    check_scores(state, auction, content, submissions(), SETTINGS, tmp_path, chosen=[0, 1, 2])
    assert [(each.check, each.where) for each in state.findings()] == [
        ("score.again", "score of bid 2")
    ]


def test_scores__of_other_data__are_refused(tmp_path: Path) -> None:
    wrong = [*submissions()[:2], Submission(2, "", partial(_iterate, 1))]
    with pytest.raises(IntegrityError, match="bid 2"):
        again(tmp_path, wrong)


def test_scores__without_all_data__cannot_be_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing for bids \[2\]"):
        again(tmp_path, submissions()[:2])


def test_scores__by_another_metric__cannot_be_checked(tmp_path: Path) -> None:
    other = SETTINGS.model_copy(update={"q_min": 1})
    with pytest.raises(ConfigError, match="metric version"):
        again(tmp_path, submissions(), other)
