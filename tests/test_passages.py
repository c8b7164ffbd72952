from __future__ import annotations

import random
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.passages import Passages, decoded, fold

WORDS = ["".join(random.Random(k).choices("abcdefghijklmnopqrstuvwxyz", k=6)) for k in range(4000)]


def prose(seed, words=600):
    """Text of invented words, frequent ones more often, as in a language."""
    rng = random.Random(seed)
    return " ".join(WORDS[int(len(WORDS) * rng.random() ** 3)] for _ in range(words))


TEXT, OTHER = prose(1), prose(2)


def replaced(text, every):
    rng = random.Random(0)
    words = text.split()
    words[::every] = rng.choices(OTHER.split(), k=len(words[::every]))
    return " ".join(words)


def shuffled(text, size):
    words = text.split()
    chunks = [" ".join(words[k : k + size]) for k in range(0, len(words), size)]
    random.Random(0).shuffle(chunks)
    return " ".join(chunks)


def pieces(text, size):
    """Pieces of so many words with a letter more in the middle, shuffled."""
    words = text.split()
    found = [words[k : k + size] for k in range(0, len(words), size)]
    for piece in found:
        piece[len(piece) // 2] += "q"
    random.Random(0).shuffle(found)
    return [" ".join(piece) for piece in found]


def interspersed(text, every, what):
    words = text.split()
    return " ".join(word + what * (k % every == 0) for k, word in enumerate(words))


def each_word(text, change):
    return " ".join(map(change, text.split()))


def exchanged(word):
    return word[:2] + word[3:1:-1] + word[4:]


def glued(text):
    return "".join(word + " " * (k % 2) for k, word in enumerate(text.split()))


def joined(text):
    """Two words as one with a hyphen, and a common word after each fourth."""
    words = text.split()
    pairs = (f"{one}-{two}" for one, two in zip(words[::2], words[1::2], strict=True))
    return " ".join(pair + " so" * (k % 2) for k, pair in enumerate(pairs))


DISGUISES = {
    "title case": str.title,
    "joiners between letters": "\u200d".join,
    "wide letters": lambda text: "".join(chr(ord(c) + 0xFEE0) if c != " " else c for c in text),
    "percent codes": lambda text: text.replace("e", "%65"),
    "digits on every ninth word": lambda text: interspersed(text, 9, ".1"),
    "numbers after every third word": lambda text: interspersed(text, 3, " 7"),
    "every third word replaced": lambda text: replaced(text, 3),
    "every fifth word replaced": lambda text: replaced(text, 5),
    "every eighth word replaced": lambda text: replaced(text, 8),
    "chunks of seven words shuffled": lambda text: shuffled(text, 7),
    "neighbours glued": glued,
    "neighbours joined by a mark, and words inserted": joined,
    "endings behind hyphens, and words inserted": lambda text: interspersed(
        interspersed(text, 2, "-so"), 5, " also"
    ),
    "a number after every word": lambda text: " ".join(
        f"{word} {random.Random(k).randrange(100, 999)}" for k, word in enumerate(text.split())
    ),
    "letters exchanged in every word": lambda text: each_word(text, exchanged),
    "a letter of every word replaced": lambda text: each_word(text, lambda w: w[:2] + "q" + w[3:]),
    "a letter before every word": lambda text: each_word(text, lambda w: f"x{w}"),
    "an ending on every word": lambda text: each_word(text, lambda w: f"{w}s"),
    "vowels dropped": lambda text: each_word(text, lambda w: re.sub("[aeiou]", "", w)),
    "wrapped in new text": lambda text: f"{prose(3, 40)} {text} {prose(4, 40)}",
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_keep__disguised_copy__at_most_a_tenth_is_left(disguise):
    passages = Passages()
    assert passages.keep(TEXT) == TEXT
    allowed = 0.1 + 0.25 * (disguise == "wrapped in new text")
    assert len(passages.keep(DISGUISES[disguise](TEXT))) <= allowed * len(TEXT)


@pytest.mark.parametrize(("size", "left"), [(5, 0.15), (7, 0.05), (12, 0.05)])
def test_keep__copy_in_documents_of_a_few_words__hardly_any_is_left(size, left):
    passages = Passages()
    passages.keep(TEXT)
    kept = sum(len(passages.keep(piece)) for piece in pieces(TEXT, size))
    assert kept <= left * len(TEXT)


def test_keep__pieces_from_all_over_a_long_text__hardly_any_is_left():
    long = prose(3, 12_000)
    passages = Passages()
    passages.keep(long)
    copy = " ".join(pieces(long, 7)[:200])
    assert len(passages.keep(copy)) <= 0.1 * len(copy)


@pytest.mark.parametrize("size", [5, 7, 12])
def test_keep__new_text_in_documents_of_a_few_words__hardly_any_is_lost(size):
    passages = Passages()
    for seed in range(10, 30):
        passages.keep(prose(seed))
    kept = sum(len(passages.keep(piece)) for piece in pieces(TEXT, size))
    assert kept >= 0.95 * len(TEXT)


def test_keep__many_copies_before_a_disguised_one__do_not_hide_it():
    passages = Passages()
    for count in range(12):
        passages.keep(f"{count} {TEXT}")
    assert len(passages.keep(replaced(TEXT, 5))) <= 0.1 * len(TEXT)


def test_keep__text_that_only_shares_a_vocabulary__kept_whole():
    passages = Passages()
    for seed in range(10, 20):
        assert passages.keep(prose(seed)) == prose(seed)


def test_keep__phrase_that_every_text_uses__is_no_evidence():
    phrase = " ".join(WORDS[3000:3005])
    passages = Passages()
    kept = [
        len(passages.keep(f"{prose(seed, 80)} {phrase} {prose(100 + seed, 80)}"))
        for seed in range(20)
    ]
    assert min(kept) > 1000


def test_keep__text_without_spaces__copy_found_and_new_text_kept():
    def chinese(seed):
        rng = random.Random(seed)
        return "".join(chr(0x4E00 + int(3000 * rng.random() ** 2)) for _ in range(800))

    passages = Passages()
    assert passages.keep(chinese(1)) == chinese(1)
    assert passages.keep(chinese(2)) == chinese(2)
    for every in (6, 8):
        copy = "".join(chr(0x5FFF + k) if k % every == 0 else c for k, c in enumerate(chinese(1)))
        assert len(passages.keep(copy)) < 100


@given(st.text(max_size=400))
def test_keep__any_text_twice__nothing_left_the_second_time(text):
    passages = Passages()
    first = passages.keep(text)
    assert first in ("", decoded(text)) or len(first) < len(decoded(text))
    assert passages.keep(text) == ""


@given(st.text(max_size=200))
def test_fold__any_text__letters_in_order_with_words_between(text):
    letters = fold(text)
    assert (np.diff(letters.places) >= 0).all()
    assert len(letters.words) == len(letters.hashes) <= len(letters.codes) == len(letters.places)
    again = fold("".join(map(chr, letters.codes)))
    assert len(again.codes) <= len(letters.codes)
