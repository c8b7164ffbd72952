from __future__ import annotations

import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.quality import chance
from oracles.quality import text as texts
from oracles.quality.cleanliness import KINDS, Counts, cleanliness, count, is_known, total
from oracles.quality.damage import noise, ocr
from oracles.quality.reference import default

PROSE = (
    "The committee met on Tuesday to consider the budget for the coming year. Several members "
    "asked how the new bridge would be paid for, and whether the work could be finished before "
    "winter. After a long discussion it was agreed that the engineers should prepare another plan."
)
SCOTS = (
    "Aa human sowels is born free and equal in dignity and richts. They are tochered wi mense "
    "and conscience and shuld guide theirsels ane til ither in a speirit o britherheid. Awbody "
    "haes the richt til leevin, til leiberty and til siccarness o bodie. Naebody sall be hauden in "
    "thirldom, and naebody sall be tholed til pyne. Awbody haes the richt til be kent as a bodie."
)
VERSE = (
    "In what distant deeps or skies;\nBurnt the fire of thine eyes;\n"
    "On what wings dare he aspire;\nWhat the hand, dare seize the fire;"
)


def counted(text, language="en"):
    return count(texts.normalise(text), language, default().unlikely_pairs)


def only(text, language="en"):
    return {kind: n for kind, n in counted(text, language).errors.items() if n}


def test_count__when_text_is_clean__then_there_are_no_errors():
    assert only(PROSE) == {}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (PROSE.replace("discussion", "discusxion"), "broken_words"),
        (PROSE.replace("members", "mem|bers"), "ocr"),
        (PROSE.replace("finished", "fin1shed"), "ocr"),
        (PROSE + " “quoted”".encode().decode("cp1252", "replace"), "mojibake"),
        (PROSE + " \ufffd\x07", "nonstandard"),
        (PROSE + " <br/>&nbsp;", "markup"),
        (PROSE + " Click here to see. All rights reserved.", "boilerplate"),
        (" ".join([PROSE] * 4), "repetition"),
        ("the of and to in is that it was for on as with he be at by " * 3 + PROSE, "stop_words"),
        (" ".join(random.Random(3).sample(PROSE.split(), len(PROSE.split()))), "word_order"),
    ],
)
def test_count__when_one_kind_of_dirt_is_planted__then_it_is_counted_as_that_kind(text, kind):
    assert counted(text).errors[kind] > 0


def test_count__when_dictionary_words_pad_a_text__then_the_padding_is_counted():
    nouns = "harbour ladder copper winter velvet basket engine marble"
    assert counted(f"{PROSE} {nouns}").errors["word_order"] == 0
    assert counted(f"{PROSE} {nouns} {nouns} {nouns}").errors["word_order"] == 12
    assert counted(PROSE + " " + ", ".join(nouns.split() * 3)).errors["word_order"] == 0


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Ngozi Okonjo-Iweala met Lagarde and Grzegorz Brzęczyszczykiewicz in Ouagadougou.",
        "NATO, UNESCO and the WHO met; see https://who.int/x_y-zq or write to a.b@zqx.org.",
        "Use `qx_frobnicate()` from libzqx.so.3 at /usr/lib/zqx_tools in v2.10.3 of 2026-01-05.",
        "Pt c/o SOB x3d, hx HTN, DM2. BP 140/90 HR 88 RR 16. Rx ASA 81mg PO qd.",
    ],
)
def test_count__when_words_are_names_acronyms_numbers_or_code__then_they_are_not_errors(text):
    assert only(text) == {}


def test_count__when_text_is_another_variety_of_a_language__then_it_is_not_dirt():
    assert counted(SCOTS * 2).errors["broken_words"] == 0


def test_count__when_text_has_no_word_list__then_only_characters_count():
    quechua = "Llapan runakuna qispisqa paqarinku, allin kawsayniyuq hinallataq. " * 2
    assert only(quechua, "qu") == {}
    assert only(quechua + " \ufffd", "qu") == {"nonstandard": 1}


def test_count__when_text_is_program_source__then_identifiers_are_not_errors():
    source = (
        "def qxz(zzq):\n    return zzq.frobn(blarg)\n\nfor wqx in range(3):\n    qxz(wqx)\n" * 3
    )
    assert counted(source, "zxx").total == 0


@pytest.mark.parametrize("change", [ocr, noise])
def test_cleanliness__when_damage_grows__then_it_never_rises(change, golden_documents):
    documents = [d.text for d in golden_documents if d.metadata.get("language") == "en-US"]
    scores = [
        cleanliness(total([counted(change(t, rate, random.Random(1))) for t in documents]))
        for rate in (0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > Fraction(9, 10)
    assert scores[3] < Fraction(7, 10)
    assert scores[5] == 0


def test_count__when_lines_of_verse_end_like_code__then_they_are_still_read():
    assert only(VERSE) == {}
    assert only(VERSE.replace("distant", "dixtant")) == {"broken_words": 1}


def test_cleanliness__when_per_word__then_it_is_the_papers_formula():
    counts = Counts(600, 100, {"broken_words": 1})
    assert cleanliness(counts, 50, "word") == Fraction(1, 2)
    assert cleanliness(counts, 50) == 1 - Fraction(50, 600)


def test_cleanliness__when_there_is_no_text__then_it_is_zero():
    assert cleanliness(Counts(0, 0, {})) == 0


def test_is_known__when_only_the_dictionary_has_a_word__then_it_is_known():
    assert is_known("committee's", "en")
    assert not is_known("discusxion", "en")
    assert not is_known("x" * 400, "en")


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=400), st.sampled_from(["en", "de", "und", "zxx"]))
def test_count__when_text_is_arbitrary__then_counts_are_sane(text, language):
    result = counted(text, language)
    assert set(result.errors) == set(KINDS)
    assert min(result.errors.values()) >= 0
    assert 0 <= cleanliness(result) <= 1


@pytest.mark.parametrize(
    "unit",
    ["x", "word ", "a-b_", "<a ", "[b ", "at@", "w(", "a1", "ab:", "' ", "\n a\n", "аb", "``"],
)
def test_count__when_a_pattern_is_repeated_for_long__then_it_ends_soon(unit):
    assert counted(unit * (60_000 // len(unit))).characters > 0


@pytest.mark.parametrize(
    "alphabet",
    [
        "abcdefghijklmnopqrstuvwxyz0123456789 #@%&",
        "abcdefghijklmnopqrstuvwxyz",
        "абвгдежзийклмнопрстуфхцчшщъыьэюя    ",
        "".join(map(chr, range(0x4E00, 0x5200))),
        "#@%&",
    ],
)
@pytest.mark.parametrize("copies", [1, 3])
def test_count__when_characters_are_random__then_they_are_errors_in_any_script(alphabet, copies):
    rng = random.Random(2)
    gibberish = "".join(rng.choice(alphabet) for _ in range(1500))
    result = counted(" ".join([gibberish] * copies), texts.UNKNOWN)
    assert result.errors["random_characters"] > 200 * copies
    assert cleanliness(result) == 0


@pytest.mark.parametrize("change", [ocr, noise])
@pytest.mark.parametrize("rate", [0.4, 0.6, 0.8, 1])
def test_cleanliness__when_damage_hides_the_language__then_it_stays_zero(
    change, rate, golden_documents
):
    documents = [d.text for d in golden_documents if d.metadata.get("language") == "en-US"]
    damaged = [texts.normalise(change(t, rate, random.Random(1))) for t in documents]
    assert texts.UNKNOWN in map(texts.language, damaged)
    assert cleanliness(total([counted(t, texts.language(t)) for t in damaged])) == 0


def test_is_random__when_a_language_is_unknown_to_the_detector__then_it_is_not(golden_documents):
    for document in golden_documents:
        body = chance.readable(texts.normalise(document.text))
        assert chance.errors(body, recognised=False) == 0


def test_coincidences__when_counted_by_hand__then_they_agree():
    letters = "abcdabcd" + "xyzw" + "abcd"
    found, by_chance = chance.coincidences(letters)
    # abcd three times: six ordered pairs. bcda, cdab, dabc and so on occur once; no 12-gram recurs.
    assert found == 6
    assert by_chance == Fraction(4 * 6 + 4 * 0, 16 * 15) ** 4 * 13 * 12


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (PROSE.replace("discussion", "discus-\nsion"), "ocr"),
        (PROSE.replace("committee", "commi ttee").replace("bridge", "bri dge"), "broken_words"),
        (PROSE.replace("e", "E"), "broken_words"),
        (PROSE.replace(" ", ""), "broken_words"),
    ],
)
def test_count__when_spaces_and_capitals_are_wrong__then_it_is_counted(text, kind):
    assert counted(text).errors[kind] > 0


def test_count__when_a_compound_ends_a_line__then_it_is_no_error():
    assert only(PROSE.replace("new bridge", "well-\nknown bridge")) == {}


def test_count__when_greek_is_polytonic__then_it_is_read_like_monotonic():
    polytonic = "Ὅλοι οἱ ἄνθρωποι γεννιοῦνται ἐλεύθεροι καὶ ἴσοι στὴν ἀξιοπρέπεια. " * 3
    assert counted(polytonic, "el").errors["broken_words"] == 0
