from __future__ import annotations

import random
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.dataset import Document
from oracles.quality import coherence, order, score
from oracles.quality.cleanliness import read
from oracles.quality.coherence import Grade, passages, senseless
from oracles.quality.damage import noise
from oracles.quality.parameters import QualityParameters
from oracles.quality.profile import profile
from oracles.quality.references import default
from tests.quality.conftest import GOOD_METADATA


@pytest.fixture(scope="module")
def speeches(golden_documents):
    return [d.text for d in golden_documents if d.metadata.get("language") == "en-US"]


def runs(texts, length, rng):
    """Runs of words of several texts, one after the other."""
    words = [word for text in texts for word in text.split()]
    starts = (rng.randrange(len(words) - length) for _ in range(200 // length))
    return " ".join(word for start in starts for word in words[start : start + length])


def share(text):
    (found, *_) = passages(text, b"")
    return float(senseless(coherence.reader()(found)))


def test_reader__when_text_is_real__then_all_of_it_makes_sense(speeches):
    assert max(map(share, speeches)) < 0.15
    assert sum(map(share, speeches)) < 0.2


@pytest.mark.parametrize("length", [1, 3])
def test_reader__when_short_runs_of_text_are_joined__then_most_makes_none(speeches, length):
    rng = random.Random(1)
    shares = [share(runs(speeches, length, rng)) for _ in range(6)]
    assert sum(shares) / len(shares) > 0.6


def test_score__when_half_of_the_documents_make_no_sense__then_half_is_lost_in_any_dress(
    speeches, embedder
):
    """Casing and full stops are not read, so they help nobody."""
    rng = random.Random(2)
    filler = [runs(speeches, 4, rng) for _ in speeches]
    dressed = [
        ". ".join(" ".join(t.split()[i : i + 9]).title() for i in range(0, 200, 9)) for t in filler
    ]
    honest = score([Document(t, GOOD_METADATA) for t in speeches], embedder=embedder)
    for added in (filler, dressed):
        mixed = score([Document(t, GOOD_METADATA) for t in speeches + added], embedder=embedder)
        assert honest.cleanliness > 9500
        assert mixed.cleanliness < 7000
        assert mixed.volume < 1.25 * honest.volume
        told = mixed.evidence["tally"]["coherence"]["documents"]
        assert len(told) >= 8


def test_score__when_documents_are_short__then_they_are_judged_together(speeches, embedder):
    rng = random.Random(3)
    words = [word for text in speeches for word in text.split()]
    short = [Document(" ".join(rng.sample(words, 20)), GOOD_METADATA) for _ in range(40)]
    found = score(short, embedder=embedder)
    assert found.cleanliness < 5000


def test_passages__when_drawn__then_bounded_and_the_key_decides():
    text = " ".join(f"word{i}" for i in range(5000))
    found = passages(text, b"key")
    assert len(found) == coherence.PASSAGES
    assert all(len(passage) <= coherence.WINDOWS + 1 for passage in found)
    assert all(len(w.split()) <= coherence.WINDOW for passage in found for w in passage)
    assert found == passages(text, b"key") != passages(text, b"other")


@pytest.mark.parametrize("count", [coherence.LEAST, 95, 96, 191, 192, 200, 287, 288])
def test_passages__of_a_text_of_one_passage__then_every_word_is_read(count):
    words = [f"word{i}" for i in range(count)]
    (found,) = passages(" ".join(words), b"")
    assert " ".join(found).split() == words


def test_passages__when_the_encoder_cannot_read__then_there_are_none():
    german = "Alle Menschen sind frei und gleich an Würde und Rechten geboren. " * 4
    assert passages(read(german, default().pairs).prose, b"") == ()
    assert passages("two words", b"") == ()


@given(st.lists(st.tuples(st.integers(-80, 80), st.integers(1, 160)), min_size=1, max_size=4))
def test_senseless__whatever_the_grades__then_a_share_that_falls_with_them(pairs):
    grades = [Grade(*pair) for pair in pairs]
    better = [Grade(grade.steps + 1, grade.pieces) for grade in grades]
    assert 0 <= senseless(better) <= senseless(grades) <= 1


def test_senseless__when_few_words_were_read__then_they_must_be_worse():
    assert senseless([Grade(-12, 250)]) > Fraction(1, 2)
    assert senseless([Grade(-12, 40)]) == 0
    assert senseless([]) == 0


def test_score__when_documents_are_short__then_nonsense_is_told_from_their_mean(speeches, embedder):
    """A few words without neighbours tell little; many documents of a few words do."""
    rng = random.Random(3)
    sentences = [s for t in speeches for s in re.split(r"(?<=[.;]) ", t) if 3 < len(s.split()) < 60]
    words = " ".join(runs(speeches, 4, rng) for _ in speeches).split()
    filler = [" ".join(words[i : i + 11]) for i in range(0, len(words), 11)]
    honest = score([Document(t, GOOD_METADATA) for t in sentences], embedder=embedder)
    made_up = score([Document(t, GOOD_METADATA) for t in filler], embedder=embedder)
    assert honest.cleanliness > 9700
    assert made_up.cleanliness < 4000


def test_scattered__when_pairs_recur__then_in_order_and_shuffled_not(golden_documents):
    """Swahili, for which there is no list of words either."""
    (text,) = (d.text for d in golden_documents if d.metadata.get("language") == "sw")
    words = (text + " " + text.replace("haki", "hali")).casefold().split()
    words = words[: order.ALONE]
    rng = random.Random(4)
    assert order.scattered(words) < 0.1
    assert order.scattered(rng.sample(words, len(words))) > 0.35
    assert order.scattered(words[: order.ALONE - 1]) == 0


def test_without_sense__when_words_are_unknown_as_well__then_only_what_is_beyond_them_is_lost(
    speeches,
):
    def left(text, senseless_share):
        (item,) = profile(Document(text, {}), QualityParameters(), default().pairs)
        counts = item.without_sense(senseless_share).counts
        return 1 - counts.total / counts.letters

    broken = noise(speeches[0], 0.1, random.Random(1))
    assert 0.2 < left(broken, Fraction(0)) < 0.6
    assert left(broken, Fraction(1, 5)) == left(broken, Fraction(0))
    assert left(broken, Fraction(9, 10)) < 0.12
    assert left(speeches[0], Fraction(1, 2)) == pytest.approx(0.5, abs=0.02)


def test_score__when_lines_have_nothing_to_do_with_each_other__then_each_is_read_alone(
    speeches, embedder
):
    """Titles, comments, entries make no sense as one text; words in no order make none at all."""
    rng = random.Random(5)
    together = [runs(speeches, 6, rng).split() for _ in speeches]
    shuffled = [rng.sample(words, len(words)) for words in together]

    def cleanliness(texts, sep):
        lines = [sep.join(" ".join(w[i : i + 6]) for i in range(0, len(w), 6)) for w in texts]
        return score([Document(t, GOOD_METADATA) for t in lines], embedder=embedder).cleanliness

    assert cleanliness(together, " ") < 6000
    assert cleanliness(together, "\n") > 9500
    assert cleanliness(shuffled, "\n") < 4000


def test_lines__of_a_passage__then_its_words_in_lines_of_four_and_more():
    text = "one\ntwo three\nfour five six\nseven eight nine ten eleven\nend"
    (passage,) = passages(text, b"")
    assert coherence.lines(passage) == (
        "one two three four five six",
        "seven eight nine ten eleven end",
    )
    assert coherence.lines(("one line of words",)) == ()
