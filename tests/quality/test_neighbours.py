from __future__ import annotations

import random

import pytest

from oracles.errors import IntegrityError
from oracles.quality import disguise, neighbours
from oracles.quality.lexicon import frequent, is_known


def stray(words, language):
    share = neighbours.stray(words, [is_known(w, language) for w in words], language)
    return share if share is None else float(share)


@pytest.fixture(params=["de", "fr", "es", "ru", "ar", "hi"])
def declaration(request, golden_documents):
    """Words of an excerpt of the Declaration of Human Rights, and their language."""
    (text,) = (d.text for d in golden_documents if d.metadata["title"] == f"UDHR {request.param}")
    return [word.casefold() for word in disguise.words(text)], request.param


def test_stray__when_text_runs__then_nothing_is_lost_and_all_in_other_order(declaration):
    words, language = declaration
    shuffled = random.Random(1).sample(words, len(words))
    assert stray(words, language) == 0
    assert stray(shuffled, language) > 0.5


def test_stray__when_words_have_the_ranks_of_an_english_text__then_much_is_lost(golden_documents):
    """They keep the order of their source, pair for pair."""
    rng, listed = random.Random(1), frequent("de", 8000)
    ranks = {word: rank for rank, word in enumerate(frequent("en", 8000))}
    text = " ".join(d.text for d in golden_documents if d.metadata.get("language") == "en-US")
    found = [word.casefold() for word in disguise.words(text)]
    assert stray([listed[ranks.get(word, rng.randrange(8000))] for word in found], "de") > 0.4


def test_stray__when_there_is_little_or_no_table__then_nothing_is_said(declaration):
    words, language = declaration
    shuffled = random.Random(1).sample(words, len(words))
    assert stray(shuffled[: neighbours.LEAST], language) is None
    assert stray(shuffled, "sw") is None
    assert neighbours.stray(shuffled, [False] * len(shuffled), language) is None


def test_learn__when_words_always_follow_each_other__then_they_go_together_best():
    rng = random.Random(1)
    pairs = [("ich", "gehe"), ("du", "gehst"), ("wir", "laufen")]
    text = [word for _ in range(500) for word in rng.choice(pairs)]
    table = neighbours.learn([text], "de")
    known = [True] * len(text)
    better, counted = neighbours.gain(text, known, "de", table)
    assert better > 1
    assert counted == len(text) - 1
    mixed = rng.sample(text, len(text))
    assert abs(neighbours.gain(mixed, known, "de", table)[0]) < 0.2


def test_tables__when_the_file_is_another__then_they_are_refused(monkeypatch):
    neighbours.tables.cache_clear()
    monkeypatch.setattr(neighbours, "TABLES_SHA256", "0" * 64)
    with pytest.raises(IntegrityError, match="reinstall"):
        neighbours.tables()
