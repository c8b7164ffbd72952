"""What a sample of pages tells about a data set, and what sketches add to it."""

from __future__ import annotations

import dataclasses
import datetime
import json
import random
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from oracles.dataset import Containment, Document, SeenRuns, encode_document, fragments, page_count
from oracles.dataset.pages import Pager
from oracles.dataset.sketch import Sketcher
from oracles.impact import corpus_digest
from oracles.passages import Passages
from oracles.quality import QualityParameters, score, score_pages
from oracles.quality.embed import Embedder
from oracles.sampling import Estimate
from oracles.scoring import FullScorer, Scoring, Submission, Task
from scripts import demo_data


@pytest.fixture(scope="module")
def embedder():
    return Embedder(threads=1)


def documents_of(*names):
    """Documents of some demo providers, of real text with metadata."""
    found = []
    for provider in demo_data.providers():
        if provider.name in names:
            for record in provider.records:
                fields = dict(record)
                found.append(Document(fields.pop("text"), fields))
    return found


@pytest.fixture(scope="module")
def prose():
    return documents_of("newspaper", "publisher", "university")[::2]


@pytest.fixture(scope="module")
def whole(prose, embedder):
    return estimate(prose, embedder)


def paged(documents):
    """Pages and sketch of a data set."""
    pager, sketcher = Pager(), Sketcher()
    pages = [page for each in documents for page in pager.write(encode_document(each) + b"\n")]
    pages += pager.finish()
    assert len(pages) == page_count(pager.size)
    for number, page in enumerate(pages):
        sketcher.add(number, page)
    return pages, sketcher.finish()


def estimate(documents, embedder, count=None, seed=0, seen=None, passages=None):
    pages, sketch = paged(documents)
    drawn = sorted(random.Random(seed).sample(range(len(pages)), count or len(pages)))
    sample = tuple((number, pages[number]) for number in drawn)
    report = score_pages(
        [fragments(page) for _, page in sample], embedder=embedder, earlier=passages
    )
    return Estimate.of(sample, len(pages), sketch, report, seen or SeenRuns())


def test_estimate__when_every_page_is_read__then_as_the_whole_set_and_no_error(
    whole, prose, embedder
):
    by_documents = score(prose, embedder=embedder)
    assert whole.standard_errors() == {"q": 0.0, "tokens": 0.0}
    assert abs(whole.report.q - by_documents.q) < 100
    assert abs(whole.tokens / by_documents.volume - 1) < 0.03
    assert whole.volume == -(-whole.tokens // 1024)
    assert whole.accepted
    assert whole.unique == whole.new == whole.distinct == 1


@pytest.mark.slow
def test_estimate__when_half_of_the_pages_are_drawn__then_within_its_errors(whole, prose, embedder):
    """Over several draws the true value lies as often within two errors as it should."""
    hits = 0
    for seed in range(6):
        found = estimate(prose, embedder, count=len(whole.pages) // 2, seed=seed)
        errors = found.standard_errors()
        assert 0 < errors["q"] < 600
        hits += abs(found.report.q - whole.report.q) < 2 * errors["q"] + 60
        hits += abs(found.tokens - whole.tokens) < 2 * errors["tokens"] + 0.01 * whole.tokens
    assert hits >= 9


def test_metadata__when_documents_begin_on_other_pages__then_only_beginnings_count(embedder):
    """A long document shows its metadata on its first page only."""
    text = " ".join(each.text for each in documents_of("newspaper"))
    metadata = documents_of("newspaper")[0].metadata
    long = [Document(text, metadata)]
    pages, _ = paged(long)
    assert len(pages) > 2
    by_pages = score_pages([fragments(page) for page in pages], embedder=embedder)
    assert abs(by_pages.metadata - score(long, embedder=embedder).metadata) < 300
    # Where none begins nothing is known, and what is not known decides nothing.
    unknown = score_pages([fragments(page) for page in pages[1:]], embedder=embedder)
    weights = QualityParameters().weights[:3]
    values = (unknown.cleanliness, unknown.diversity, unknown.novelty)
    known = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
    assert abs(unknown.q - known) <= 1
    assert any("unknown" in finding for finding in unknown.findings)


def test_training__when_words_are_in_no_order__then_the_model_is_spared_them(embedder):
    rng, prose = random.Random(1), documents_of("newspaper")[:20]

    def shuffled(text):
        words = text.split()
        return " ".join(rng.sample(words, len(words)))

    bags = [dataclasses.replace(each, text=shuffled(each.text)) for each in prose]
    honest, mixed = (estimate(each, embedder).training()[0] for each in (prose, prose + bags))
    assert sum(map(len, honest)) > 0.97 * sum(len(each.text) for each in prose)
    assert sum(map(len, mixed)) < 1.25 * sum(map(len, honest))


def test_copied__when_other_pages_are_sampled_than_the_copied_ones__then_the_sketch_tells(
    prose, embedder
):
    _, source = paged(prose)
    seen, passages = SeenRuns([source]), Passages()
    copy = [
        dataclasses.replace(each, text="Some words of my own. " + each.text.upper())
        for each in prose
    ]
    found = estimate(copy, embedder, count=3, seen=seen, passages=passages)
    assert found.report.unique > 9000
    assert found.copied.share > 0.9
    assert not found.accepted
    assert found.volume <= 2
    assert len(found.training()[0]) <= 1


@pytest.mark.slow
def test_copied__when_a_third_is_copied__then_volume_and_texts_fall_by_a_third(prose, embedder):
    _, source = paged(documents_of("university"))
    alone = estimate(prose, embedder, count=9)
    found = estimate(prose, embedder, count=9, seen=SeenRuns([source]))
    assert abs(found.copied.share - Fraction(1, 3)) < 0.05
    assert found.accepted
    assert 0.6 < found.tokens / alone.tokens < 0.75
    (all_texts, all_pages), (texts, pages) = alone.training(), found.training()
    assert (len(all_texts), all_pages) == (9, alone.total)
    assert (len(texts), pages) == (6, alone.total * 6 // 9)
    assert set(texts) <= set(all_texts)
    # Those that are left out are the copied ones.
    kept = sorted(found.page_copies)[:6]
    assert max(kept) < 0.5


def test_volume__when_pages_are_repeated_beyond_the_sample__then_paid_at_most_twice(
    whole, prose, embedder
):
    many = estimate(prose * 12, embedder, count=8)
    assert many.total > 11 * whole.total
    assert many.tokens < 2.6 * whole.tokens


def errors_of(parts, total):
    """Standard errors of a sample of which each page is a part, as q and usable tokens say."""
    volume = int(sum(tokens for _, tokens in parts))
    report = SimpleNamespace(parts=parts, volume=volume, unique=10_000)
    pages = tuple((number, b"") for number in range(len(parts)))
    known = Containment(0, 1)
    return Estimate(pages, total, report, known, (), Fraction(1)).standard_errors()


def test_standard_errors__when_two_pages_are_alike_by_luck__then_they_are_not_nothing():
    errors = errors_of([(9800, 3000), (9800, 3000)], 100)
    assert errors["q"] > 100
    assert errors["tokens"] > 0.05 * 300_000


@pytest.mark.parametrize("count", [2, 3, 5, 8])
@pytest.mark.parametrize("spread", [0.5, 1, 2])
def test_standard_errors__when_pages_vary__then_two_of_them_hold_the_truth(count, spread):
    """Whether pages vary half as much as usual, as usual, or twice as much."""
    rng = np.random.default_rng(1)
    held = np.zeros(2)
    for _ in range(600):
        q = rng.normal(9000, 250 * spread, 60)
        tokens = rng.normal(3000, 600 * spread, 60)
        drawn = rng.choice(60, count, replace=False)
        errors = errors_of(list(zip(q[drawn], tokens[drawn], strict=True)), 60)
        held += (
            abs(q[drawn].mean() - q.mean()) <= 2 * errors["q"],
            abs(tokens[drawn].mean() * 60 - tokens.sum()) <= 2 * errors["tokens"],
        )
    assert (held / 600 > 0.84).all()


def test_standard_errors__when_one_page_of_several_is_read__then_none(prose, embedder):
    assert estimate(prose, embedder, count=1).standard_errors() is None


# THE SCORER


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scoring")
    held_out = [Document(record["text"]) for record in demo_data.evaluation()][:40]
    digest = corpus_digest(each.text for each in held_out)
    for name, documents in (
        ("seed.jsonl", [Document(record["text"]) for record in demo_data.seed_corpus()][:40]),
        (f"{digest}.jsonl", held_out),
    ):
        (folder / name).write_bytes(b"".join(encode_document(d) + b"\n" for d in documents))
    return Scoring(seed_corpus=folder / "seed.jsonl", evaluations=folder), bytes.fromhex(digest)


def submission(index, documents, count):
    pages, sketch = paged(documents)
    drawn = sorted(random.Random(index).sample(range(len(pages)), min(count, len(pages))))
    return Submission(
        index,
        f"0x{index:040x}",
        tuple((number, pages[number]) for number in drawn),
        len(pages),
        sketch,
    )


@pytest.mark.slow
def test_assess__when_sets_are_sampled__then_integers_errors_and_each_behind_its_guard(
    settings, tmp_path, monkeypatch
):
    scoring, digest = settings
    broken = submission(4, [Document("Nothing but this.")], 1)
    submissions = [
        submission(0, documents_of("newspaper"), 3),
        submission(1, documents_of("publisher"), 3),
        submission(2, documents_of("newspaper"), 3),
        submission(3, [Document("\x00 \ufdd0 ÿ" * 50)], 3),
        broken,
    ]
    real = Estimate.of.__func__

    def fails_once(cls, pages, *others):
        if pages == broken.pages:
            raise ValueError("a text that nobody thought of")
        return real(cls, pages, *others)

    monkeypatch.setattr(Estimate, "of", classmethod(fails_once))
    task = Task(scoring, digest, datetime.date(2026, 11, 26), b"k" * 32, tmp_path)
    stages = []
    found = FullScorer().assess(submissions, task, lambda *args: stages.append(args))
    scores = found.scores
    assert set(scores) == set(range(5))
    assert all(type(value) is int for s in scores.values() for value in (s.q, s.phi, s.volume))
    assert scores[0].q > 5000
    assert scores[0].volume > 5
    assert (scores[2].phi, scores[2].volume <= 1) == (0, True)
    assert scores[3].phi == 0
    assert not scores[4].present
    evidence = json.loads(json.dumps(found.evidence))
    assert "nobody thought of" in evidence["quality"]["4"]["failed"]
    assert evidence["quality"]["0"]["standard_errors"]["q"] > 0
    assert evidence["quality"]["2"]["copied"]["found"] > 0
    trained = {each["name"]: each for each in evidence["impact"]["providers"]}
    assert set(trained) <= {"0", "1", "3"}
    assert trained["0"]["standard_error"] > 0
    for name, each in trained.items():
        # Paid is what is sure to help: a set within its own error counts for nothing.
        sure = each["influence"] > each["standard_error"]
        assert (each["phi"] > 0, scores[int(name)].phi > 0) == (sure, sure)
    assert ("quality", 5, 5) in stages
