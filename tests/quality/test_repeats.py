"""Volume is credited for what a set has not said a page ago."""

from __future__ import annotations

import random

from oracles.quality import golden
from oracles.quality.repeats import Compared


def credited(documents: list[str]) -> float:
    """Share of the letters of some documents that is credited."""
    compared = Compared(None)
    shares = [float(compared.new(text).of_set) * len(text) for text in documents]
    return sum(shares) / sum(map(len, documents))


def test_few_words_in_ever_new_order_are_credited_in_part() -> None:
    rng = random.Random(1)
    words = ["gallbladder", "ultrasound", "complications", "hypertension", "discharged"]
    sentences = [" ".join(rng.choices(words, k=9)) + "." for _ in range(6)]
    assert credited([" ".join(sentences)]) < 0.75


def test_real_text_is_credited_in_full() -> None:
    assert credited([document.text for document in golden.documents()][:10]) > 0.97


def test_document_shorter_than_a_run_of_letters_is_new_once() -> None:
    compared = Compared(None)
    assert [float(compared.new("A").of_set), float(compared.new("no").of_set)] == [1, 1]
