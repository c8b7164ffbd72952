from __future__ import annotations

import dataclasses
import random
from fractions import Fraction

import pytest

from oracles.dataset import Document
from oracles.engine import open_map
from oracles.errors import InputError
from oracles.passages import Passages
from oracles.quality import QualityParameters, metric_version, references, score
from oracles.quality.damage import noise
from oracles.quality.embed import Embedder
from oracles.quality.parameters import to_grid
from oracles.quality.repeats import Compared
from oracles.quality.score import METRICS, combine, metrics


@pytest.fixture(scope="module")
def golden(golden_documents, embedder):
    return score(golden_documents, embedder=embedder)


def test_score__when_documents_are_shuffled__then_nothing_changes(
    golden, golden_documents, embedder
):
    shuffled = random.Random(5).sample(golden_documents, len(golden_documents))
    assert score(shuffled, embedder=embedder) == golden


def test_score__when_threads_and_batch_differ__then_nothing_changes(golden, golden_documents):
    assert score(golden_documents, embedder=Embedder(threads=2, batch=3)) == golden


def test_score__when_profiled_by_processes__then_nothing_changes(
    golden, golden_documents, embedder
):
    with open_map(2) as mapper:
        again = score(golden_documents, embedder=embedder, mapper=mapper)
    assert again == golden


def test_score__when_interrupted_and_resumed__then_nothing_changes(
    golden, golden_documents, embedder, tmp_path
):
    def broken():
        yield from golden_documents[:-5]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(broken(), embedder=embedder, workspace=tmp_path)
    read_again = []
    stages = []
    again = score(
        (read_again.append(d) or d for d in golden_documents),
        embedder=embedder,
        workspace=tmp_path,
        progress=lambda stage, done, _total: stages.append((stage, done)),
    )
    assert again == golden
    assert stages[0] == ("read", len(golden_documents))


def test_score__when_work_folder_is_of_another_version__then_it_is_refused(
    golden_documents, embedder, tmp_path
):
    score(golden_documents[:2], embedder=embedder, workspace=tmp_path)
    with pytest.raises(InputError, match="metric version"):
        score(
            golden_documents[:2],
            QualityParameters(error_factor=40),
            embedder=embedder,
            workspace=tmp_path,
        )


def test_metrics__when_recomputed_from_evidence__then_equal_the_report(golden):
    exact = metrics(golden.evidence)
    assert {m: to_grid(v) for m, v in exact.items()} == {m: getattr(golden, m) for m in METRICS}
    assert (
        combine({m: getattr(golden, m) for m in METRICS}, QualityParameters().weights) == golden.q
    )


@pytest.mark.parametrize("documents", [[], [Document("")], [Document(" \n\t")] * 3])
def test_score__when_there_is_no_text__then_a_finding_says_so(documents):
    report = score(documents)
    assert (report.q, report.volume, report.accepted_as_unique) == (0, 0, False)
    assert any("no " in finding.lower() for finding in report.findings)


def test_score__when_every_document_was_submitted_before__then_it_is_not_unique(
    golden_documents, embedder
):
    earlier = Passages()
    first = score(golden_documents, embedder=embedder, earlier=earlier)
    second = score(golden_documents, embedder=embedder, earlier=earlier)
    assert first.accepted_as_unique
    assert (second.unique, second.volume, second.accepted_as_unique) == (0, 0, False)
    assert "earlier submission" in second.findings[0]


def test_score__when_documents_are_repeated__then_only_novelty_falls(
    golden, golden_documents, embedder
):
    padded = score(golden_documents * 3, embedder=embedder)
    assert padded.novelty < golden.novelty - 2000
    for name in ("cleanliness", "diversity", "metadata", "volume"):
        assert getattr(padded, name) == getattr(golden, name)


def test_combine__when_weights_select_one_metric__then_q_is_that_metric(golden):
    values = {name: getattr(golden, name) for name in METRICS}
    for index, name in enumerate(METRICS):
        assert combine(values, [10_000 if i == index else 0 for i in range(4)]) == values[name]


def test_score__when_one_line_is_giant_or_undecodable__then_it_is_scored(embedder):
    hostile = [
        Document("x" * 300_000),
        Document("\ud800 broken \udfff surrogates \x00 and controls " * 20),
        Document("word " * 60_000),
        Document("𝔘𝔫𝔦𝔠𝔬𝔡𝔢 " * 50, {"date": 2**70, "title": ["a"], "license": {"x": b"y"}}),
    ]
    report = score(hostile, embedder=embedder)
    assert report.documents == 4
    assert report.cleanliness < 4000


def test_metric_version__when_any_parameter_changes__then_it_changes():
    reference = references.default()
    base = QualityParameters()
    changed = [
        dataclasses.replace(base, **change)
        for change in (
            {"error_factor": 51},
            {"sample_key": "00"},
            {"weights": (2501, 2499, 2500, 2500)},
            {"novelty": "cosine"},
        )
    ]
    versions = {metric_version(p, reference) for p in [base, *changed]}
    assert len(versions) == 5
    assert metric_version(dataclasses.replace(base, examples="show"), reference) == metric_version(
        base, reference
    )


def test_score__when_a_language_is_rare_on_the_web__then_it_is_under_served(
    golden_documents, embedder
):
    quechua = [d for d in golden_documents if d.metadata.get("language") == "quz"]
    english = [d for d in golden_documents if d.metadata.get("language") == "en-US"]
    assert score(quechua, embedder=embedder).under_served
    assert not score(english, embedder=embedder).under_served


def test_score__when_text_is_damaged__then_it_is_less_novel(golden_documents, embedder):
    rng = random.Random(1)
    english = [d for d in golden_documents if d.metadata.get("language") == "en-US"]
    broken = [Document(noise(d.text, 0.2, rng), d.metadata) for d in english]
    damaged, clean = (score(part, embedder=embedder) for part in (broken, english))
    assert damaged.novelty < clean.novelty
    assert damaged.q < 0.6 * clean.q


def test_score__when_letters_differ_in_one_slot__then_one_of_them_counts(embedder):
    letters = [
        Document(
            f"Dear {name}, thank you for your order. It will be sent on {day} morning by our "
            f"fastest service. {name}, we hope that you enjoy it. Opinion {n}: {opinion}."
        )
        for n, (name, day, opinion) in enumerate(
            [
                ("Anna", "Monday", "the harbour was full of ships when the storm began to rise"),
                ("Boris", "Tuesday", "a proof by induction needs a base case and one more step"),
                ("Carla", "Friday", "bread rises faster in a warm kitchen than in a cold one"),
                ("Dmitri", "Sunday", "the council voted against the new tax on empty houses"),
            ]
        )
    ]
    one = score(letters[:1], embedder=embedder)
    assert score(letters, embedder=embedder).volume < 2 * one.volume


def test_score__when_short_documents_are_random_characters__then_they_are_judged_together(embedder):
    rng = random.Random(3)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789 #@%&"
    noisy = [Document("".join(rng.choice(letters) for _ in range(150))) for _ in range(20)]
    words = [
        "llapan",
        "runakuna",
        "qispisqa",
        "paqarinku",
        "allin",
        "kawsayniyuq",
        "hinallataq",
        "sapa",
        "runa",
    ]
    short = [Document(f"{' '.join(rng.choices(words, k=9))}. {n}") for n in range(20)]
    report = score(noisy, embedder=embedder)
    assert report.cleanliness < 200
    assert report.volume < 10
    assert score(short, embedder=embedder).cleanliness > 5000


@pytest.mark.parametrize("times", [2, 3, 4])
@pytest.mark.parametrize("again", [1, 2, 5])
def test_new__when_words_are_said_again__then_they_count_once(again, times):
    text = (
        "The committee met and heard what every village's miller, mayor and priest had asked for."
    )
    words = text.split()
    runs = [words[n : n + again] for n in range(0, len(words), again)]
    stuttered = " ".join(" ".join(run * times) for run in runs)
    assert Compared(None).new(stuttered).of_set == Fraction(
        sum(map(str.isalpha, text)), sum(map(str.isalpha, stuttered))
    )
