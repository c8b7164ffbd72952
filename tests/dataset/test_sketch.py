"""Sketches: the same for everybody, made again page by page, and what they tell of copies."""

import hashlib
import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.dataset import PAGE_BYTES, Document, SeenRuns, encode_document
from oracles.dataset import sketch as module
from oracles.dataset.pages import Pager
from oracles.dataset.sketch import RUN, Sketch, Sketcher, fold, page_hashes, run_hashes
from oracles.errors import IntegrityError


def prose(seed, words):
    rng = random.Random(seed)
    syllables = [a + b for a in "bcdfghklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "er")]
    known = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(3000)]
    return " ".join(rng.choices(known, k=words))


def pages_of(text):
    pager = Pager()
    return [*pager.write(encode_document(Document(text)) + b"\n"), *pager.finish()]


def sketch_of(text):
    sketcher = Sketcher()
    for index, page in enumerate(pages_of(text)):
        sketcher.add(index, page)
    return sketcher.finish()


def containment(part, wholes):
    return SeenRuns(wholes).containment(part)


def letters(text):
    return "".join(map(chr, fold(text)))


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("", ""),
        ("Hello, World!", "helloworld"),
        ("naïve ÉTÉ Straße", "naiveetestrasse"),
        ("ﬁne ＦＵＬＬ ½ ²", "finefull122"),
        ("a\u200bb\u00adc", "abc"),
        ("word7 7even 42 x.1", "wordeven42x"),
        ("1,000 apples", "1000apples"),
        ("한국어 テスト ﾃｽﾄ 中文", "한국어テストテスト中文"),
        ("𝐛𝐨𝐥𝐝 Ⅷ", "boldviii"),
        ("\ud800", ""),
    ],
)
def test_fold__when_disguised__then_letters_alone(text, folded):
    assert letters(text) == folded


def test_fold__when_digits_fold_to_letters_of_several__then_they_go_as_digits_do():
    assert letters("x½") == "x"
    assert letters("½") == "12"


@given(st.text(max_size=100))
@settings(max_examples=200, deadline=None)
def test_fold__when_any_text__then_as_character_by_character(text):
    """Both ways through the table, the fast one and the other, are the table's rule."""
    assert letters(text + " ½").removesuffix("12") == letters(text)
    assert letters(letters(text)) in (letters(text), letters(" ".join(text.split())))


def test_table__when_read__then_it_is_the_one_of_the_format():
    data = (Path(module.__file__).parent / "letters.json").read_bytes()
    assert hashlib.sha256(data).hexdigest() == (
        "804fdec511b626159f0751d34b2331be9911acb69914427772c822d84a434274"
    )


@given(st.integers(0, 60))
@settings(deadline=None)
def test_runs__when_any_length__then_one_hash_for_each_run_by_the_plain_rule(size):
    codes = np.random.default_rng(size).integers(97, 123, size).astype(np.uint32)
    expected = []
    for start in range(max(0, size - RUN + 1)):
        value = 0
        for code in codes[start : start + RUN].tolist():
            value = (value * 6364136223846793005 + code) % 2**64
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        value = (value ^ value >> 27) * 0x94D049BB133111EB % 2**64
        expected.append(value ^ value >> 31)
    assert run_hashes(codes).tolist() == expected


def test_sketch__when_encoded__then_read_back_and_every_page_checks():
    text = prose(1, 30_000)
    sketch = sketch_of(text)
    pages = pages_of(text)
    assert len(pages) > 5
    back = Sketch.decode(sketch.encode(), len(pages))
    assert back.encode() == sketch.encode()
    for index, page in enumerate(pages):
        back.check_page(index, page)
        with pytest.raises(IntegrityError, match="page"):
            back.check_page(index, pages[index - 1])


def test_sketch__when_set_grows__then_threshold_falls_and_size_stays(monkeypatch):
    monkeypatch.setattr(module, "MAX_HASHES", 500)
    text = prose(2, 60_000)
    sketch = sketch_of(text)
    pages = pages_of(text)
    kept = sum(map(len, sketch.parts.values()))
    assert sketch.shift > 4
    assert kept <= 500 < sum(len(page_hashes(page, sketch.shift - 1)) for page in pages)
    for index, page in enumerate(pages):
        sketch.check_page(index, page)


@pytest.mark.parametrize(
    "change",
    [
        lambda _data: b"",
        lambda data: b"\3" + data[1:],
        lambda data: b"\5" + data[1:],
        lambda data: b"\x2d" + data[1:],
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data + data[1:],
        lambda data: data[:1] + bytes(12) + data[1:],
        lambda data: data[:9] + b"\xff" + data[10:],
        lambda data: data[:13] + data[21:29] + data[13:21] + data[29:],
    ],
)
def test_decode__when_not_in_its_one_form__then_refused(change):
    data = sketch_of(prose(3, 20_000)).encode()
    Sketch.decode(data, 100)
    with pytest.raises(IntegrityError):
        Sketch.decode(change(data), 100)


def test_decode__when_there_are_too_many_hashes_or_pages__then_refused(monkeypatch):
    data = sketch_of(prose(3, 20_000)).encode()
    with pytest.raises(IntegrityError):
        Sketch.decode(data, 1)
    monkeypatch.setattr(module, "MAX_HASHES", 10)
    with pytest.raises(IntegrityError):
        Sketch.decode(data, 100)


def test_containment__when_a_third_is_copied__then_a_third_within_its_error():
    mine, other = prose(4, 60_000), prose(5, 120_000)
    words = mine.split()
    third = " ".join(words[: len(words) // 3])
    # Copied into the middle of something else, disguised, so that no page is alike.
    whole = sketch_of(other[: len(other) // 2] + " " + third.upper() + "; " + other)
    found = containment(sketch_of(mine), [sketch_of(other), whole])
    assert 0 < found.error < 0.02
    assert abs(found.share - Fraction(1, 3)) < 4 * found.error + 0.01
    assert containment(sketch_of(mine), [sketch_of(other)]).share < 0.01
    assert containment(sketch_of(mine), [sketch_of(mine)]).share == 1


def test_seen_runs__when_many_are_added__then_each_is_found_and_nothing_else():
    sketches = [sketch_of(prose(seed, 400 * (seed % 5 + 1))) for seed in range(20, 40)]
    seen = SeenRuns()
    for number, sketch in enumerate(sketches):
        assert seen.containment(sketch).share < 0.02
        seen.add(sketch)
        assert all(seen.containment(each).share == 1 for each in sketches[: number + 1])
    hashes = np.unique(np.concatenate([each.hashes for each in sketches]))
    assert seen.find(hashes).all()
    assert not seen.find(hashes + np.uint64(1)).any()
    assert not seen.find(np.array([0, 2**64 - 1], np.uint64)).any()


def test_containment__when_thresholds_differ__then_the_smaller_is_used(monkeypatch):
    mine, other = prose(6, 40_000), prose(7, 200_000)
    small = sketch_of(mine)
    monkeypatch.setattr(module, "MAX_HASHES", 2000)
    large = sketch_of(other + " " + mine)
    assert large.shift > small.shift
    found = containment(small, [large])
    assert found.share > 0.99
    assert found.compared < len(small.hashes)
    assert containment(sketch_of("short"), [large]) == (0, 0)
    assert containment(sketch_of("short"), [large]).error == 1
    assert containment(small, []) == (0, 0)


def test_containment__when_a_huge_set_stands_beside_the_source__then_the_copy_is_found(monkeypatch):
    mine = prose(8, 40_000)
    source = sketch_of("Something else. " + mine)
    monkeypatch.setattr(module, "MAX_HASHES", 20)
    huge = sketch_of(prose(9, 60_000))
    assert huge.shift >= source.shift + 8
    found = containment(sketch_of(mine), [huge, source])
    assert found.share > 0.99
    assert containment(source, [huge, sketch_of(prose(10, 500))]).share < 0.02


def test_page_hashes__when_page_is_junk__then_still_something():
    assert len(page_hashes(bytes(PAGE_BYTES), 4)) == 0
    junk = random.Random(1).randbytes(PAGE_BYTES)
    assert page_hashes(junk, 4).tolist() == page_hashes(junk, 4).tolist()
