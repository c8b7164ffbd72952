"""Volume is credited for what a set has not said a page ago."""

from __future__ import annotations

import random

from oracles.dataset import Document
from oracles.passages import Passages
from oracles.quality import QualityParameters, golden
from oracles.quality.profile import profile
from oracles.quality.references import default
from oracles.quality.repeats import Compared


def credited(documents: list[str]) -> float:
    """Share of the letters of some documents that is credited."""
    return _credited(Compared(None), documents)


def _credited(compared: Compared, documents: list[str]) -> float:
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


def page(text: str) -> str:
    """A page of the web with a heading, a picture and a link for each sentence."""
    return "<html><body>" + "".join(
        f'<h2 id="s{n}">Part {n}</h2><p class="lead">{sentence}.<br><img src="/img/{n}.png" '
        f'alt="A picture"> <a href="https://example.org/{n}">read on</a></p>\n'
        for n, sentence in enumerate(text.split(". "))
    )


def without_form(texts: list[str]) -> list[str]:
    """What is compared of some texts."""
    parameters, pairs = QualityParameters(), default().pairs
    return [p.text for t in texts for p in profile(Document(t, {}), parameters, pairs)]


def test_text_in_markup_is_credited_as_without() -> None:
    plain = [document.text for document in golden.documents()][:6]
    assert credited(without_form(list(map(page, plain)))) > credited(plain) - 0.02


def test_copy_in_another_markup_is_found() -> None:
    plain = [document.text for document in golden.documents()][:6]
    earlier = Passages()
    for text in without_form(list(map(page, plain))):
        earlier.keep(text)
    copy = Compared(earlier)
    quoted = without_form(["> " + text.replace(". ", ".\n> ") for text in plain])
    assert sum(float(copy.new(text).of_all) * len(text) for text in quoted) < 0.05 * sum(
        map(len, quoted)
    )


def test_half_of_a_sentence_that_is_said_again_adds_nothing() -> None:
    english = [d.text for d in golden.documents() if d.metadata.get("language") == "en-US"]
    sentences = " ".join(english[4:8]).split(". ")
    halves = [" ".join(s.split()[: len(s.split()) // 2]) for s in sentences]
    again = ". ".join(f"{s}. {half}" for s, half in zip(sentences, halves, strict=True))
    once = ". ".join(sentences)
    assert credited([again]) * len(again) < 1.1 * credited([once]) * len(once)


def test_numbers_and_marks_between_words_change_no_drawn_sentence() -> None:
    parameters, pairs = QualityParameters(), default().pairs
    text = golden.documents()[0].text
    marked = " ".join(f"{word} {n} \U0001f600 |" for n, word in enumerate(text.split()))
    plain, changed = (profile(Document(t, {}), parameters, pairs)[0] for t in (text, marked))
    assert plain.sample == changed.sample
