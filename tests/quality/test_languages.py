from __future__ import annotations

import random
import re

import pytest

from oracles.quality import languages, texts
from oracles.quality.cleanliness import cleanliness, read
from oracles.quality.damage import noise
from oracles.quality.metadata import valid_fields
from oracles.quality.parameters import QualityParameters
from oracles.quality.references import default
from tests.quality.test_markup import PROSE

SENTENCES = {
    "en": (
        "The committee met on Tuesday to consider the budget for the coming year.",
        "Several members asked how the new bridge would be paid for before the winter.",
        "It was agreed that the engineers should prepare another plan for the mayor.",
    ),
    "de": (
        "Der Ausschuss hat am Dienstag den Haushalt für das kommende Jahr beraten.",
        "Mehrere Mitglieder fragten, wie die neue Brücke vor dem Winter bezahlt werden soll.",
        "Man einigte sich darauf, dass die Ingenieure einen anderen Plan vorlegen.",
    ),
    "es": (
        "La comisión se reunió el martes para estudiar el presupuesto del próximo año.",
        "Varios miembros preguntaron cómo se pagaría el nuevo puente antes del invierno.",
        "Se acordó que los ingenieros prepararan otro plan para el alcalde de la ciudad.",
    ),
    "ru": (
        "Комитет собрался во вторник, чтобы обсудить бюджет на следующий год.",
        "Несколько членов спросили, как новый мост будет оплачен до начала зимы.",
        "Было решено, что инженеры должны подготовить ещё один план для города.",
    ),
    "sw": (
        "Kamati ilikutana siku ya Jumanne ili kujadili bajeti ya mwaka ujao wa serikali.",
        "Wajumbe kadhaa waliuliza jinsi daraja jipya litakavyolipiwa kabla ya majira ya baridi.",
        "Ilikubaliwa kwamba wahandisi watayarishe mpango mwingine kwa ajili ya mji wao.",
    ),
}
HINDI = (
    "Mujhe samajh nahi aata ki log itni der tak kaam kyun karte hain. Kal raat bahut baarish hui "
    "aur bijli bhi chali gayi. Hum log chhat par baithe the aur chai pi rahe the. Phir pitaji ne "
    "kaha ki chalo andar chalte hain, thand lag jayegi. Mere bhai ka naya ghar Dilli mein hai."
)


def counts(text):
    return read(texts.normalise(text), default().pairs).counts


def clean(text):
    return float(cleanliness(counts(text)))


def mixed(*chosen):
    return [
        sentence for row in zip(*(SENTENCES[c] for c in chosen), strict=True) for sentence in row
    ]


@pytest.mark.parametrize(
    "chosen", [("en", "de"), ("en", "de", "es"), ("ru", "en", "sw"), ("es", "sw")]
)
@pytest.mark.parametrize("joint", [" ", "\n\n"])
def test_read__when_a_document_is_in_several_languages__then_each_is_judged_by_its_own_words(
    chosen, joint
):
    text = joint.join(mixed(*chosen))
    assert set(languages.divide(text)) == set(chosen)
    assert clean(text) > 0.97


def test_divide__when_a_text_is_in_one_language__then_it_stays_as_it_is():
    text = " ".join(SENTENCES["en"]) + " He said: “Guten Tag”, and left."
    assert languages.divide(text) == {"en": text}


def test_read__when_one_language_of_several_is_damaged__then_that_part_is_lost():
    rng = random.Random(1)
    broken = "".join(
        rng.choice("abcdefghijklmnopqrstuvwxyz") if c.isalpha() and rng.random() < 0.3 else c
        for c in " ".join(SENTENCES["de"])
    )
    assert clean("\n".join([*SENTENCES["en"], *SENTENCES["de"]])) > 0.97
    assert clean("\n".join([*SENTENCES["en"], broken])) < 0.87


def test_read__when_words_of_no_language_stand_beside_text__then_they_are_no_language():
    rng = random.Random(2)
    junk = " ".join("".join(rng.choices("bcdfghjklmnpqrstvwxz", k=6)) for _ in range(40))
    assert clean("\n".join([*SENTENCES["en"], junk])) < 0.75


def test_read__when_english_beside_another_language_is_shuffled__then_it_is_read_for_sense():
    words = " ".join(SENTENCES["en"]).split()
    random.Random(3).shuffle(words)
    reading = read("\n".join([*SENTENCES["de"], " ".join(words)]), default().pairs)
    assert set(reading.sizes) == {"de", "en"}
    assert sorted(reading.prose.split()) == sorted(w.strip(".") for w in words)


def test_valid_fields__when_a_tag_names_one_of_several_languages__then_it_agrees():
    fields, today = {"language": "de"}, QualityParameters().today
    text = "\n".join(mixed("en", "de"))
    assert valid_fields(fields, ("language",), today, text, "en", "de") == ("language",)
    assert valid_fields(fields, ("language",), today, text, "en") == ()


def test_read__when_hindi_is_in_latin_letters__then_it_is_read():
    reading = read(HINDI, default().pairs)
    assert reading.language == "hi-Latn"
    assert cleanliness(reading.counts) == 1
    mixed_letters = " ".join("".join(sorted(word)) for word in HINDI.split())
    assert clean(mixed_letters) < 0.4


def test_notes_of_abbreviated_words_are_english() -> None:
    note = (
        "Pt 34F BIBA ?OD. GCS 14 (E3V5M6), PEARL, BM 6.2. Took approx 20x paracetamol 500 mg at "
        "0300. No LOC. HS I+II+0, chest clear, abdo SNT. Bloods: FBC, U&E, LFT, INR, paracetamol."
    )
    assert set(languages.divide(note)) == {"en"}


def test_divide__when_english_is_broken_past_recognition__then_it_is_english_still():
    broken = re.sub(r"\b\w{1,3}\b", "", noise(PROSE, 0.22, random.Random(3)))
    assert texts.language(broken) == texts.UNKNOWN
    assert set(languages.divide(broken)) == {"en"}
