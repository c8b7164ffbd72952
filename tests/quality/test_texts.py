from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.quality import texts


def test_sentences__when_text_is_prose__then_it_is_split_at_marks():
    found = list(texts.sentences("The first sentence is here. The second one follows it! Dr. No."))
    assert found == ["The first sentence is here.", "The second one follows it!", "Dr. No."]


@settings(deadline=None)
@given(st.text(alphabet=" ab.\n。c", max_size=2000))
def test_sentences__when_joined__then_nothing_but_white_space_is_lost(text):
    found = list(texts.sentences(text))
    assert all(0 < len(sentence) <= texts.MAX_SENTENCE for sentence in found)
    assert "".join("".join(found).split()) == "".join(text.split())


@given(st.sets(st.text(min_size=1), max_size=30), st.integers(0, 8), st.binary(max_size=16))
def test_sample__when_drawn__then_smaller_draws_are_prefixes(items, size, key):
    drawn = texts.sample(items, size, key)
    assert texts.sample(items, size + 1, key)[:size] == drawn
    assert len(drawn) == min(size, len(items))


def test_sample__when_the_key_changes__then_the_draw_changes():
    items = {str(n) for n in range(100)}
    assert texts.sample(items, 5, b"a") != texts.sample(items, 5, b"b")


def test_language__when_unsure_or_unreadable__then_it_is_unknown():
    assert texts.language("x \x00\ud800\ufdd0\uffff\U0010ffff") == texts.UNKNOWN
    assert texts.language("Die Kommission hat gestern über den neuen Haushalt beraten.") == "de"
