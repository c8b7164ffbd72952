from __future__ import annotations

import random
import re

import pytest

from oracles.quality import markup, source, texts
from oracles.quality.cleanliness import read
from oracles.quality.damage import noise
from oracles.quality.references import default

PROSE = (
    "The committee met on Tuesday to consider the budget for the coming year. Several members "
    "asked how the new bridge would be paid for, and whether the work could be finished before "
    "winter. After a long discussion it was agreed that the engineers should prepare another plan. "
    "Nobody wanted to decide about the old market hall without hearing from the people who work "
    "there. The mayor promised to visit them and to report at the next meeting. A letter from the "
    "school about the broken heating was read aloud, and the treasurer was asked to find the money."
)
SENTENCES = re.split(r"(?<=[.]) ", PROSE)
FORMS = {
    "JSON": lambda s: f'{{"id": 7, "text": "{s}", "label": "neutral"}}',
    "YAML": lambda s: f"- text: {s}\n  label: neutral",
    "statements": lambda s: f"CALL add_note(7, '{s}', 'open');",
    "assignment": lambda s: f'line = "{s}"',
    "calls": lambda s: f'printf("{s}\\n");',
    "typed constants": lambda s: f'export const note: string = "{s}";',
    "comments": lambda s: f"// {s}",
    "paragraphs": lambda s: f'<p class="lead">{s}</p>',
    "records of XML": lambda s: f"<record><text>{s}</text><label>neutral</label></record>",
    "LaTeX": lambda s: f"\\item \\emph{{{s}}}\\label{{sec:7}}",
    "BibTeX": lambda s: f"@book{{key7,\n  title = {{{s}}},\n  year = {{2001}}\n}}",
    "chat": lambda s: f"[12:07] <anna> {s}",
}


def clean(text):
    counts = read(texts.normalise(text), default().pairs).counts
    kept = counts.total - counts.errors["word_order"]
    return 1 - kept / max(1, counts.letters)


@pytest.mark.parametrize("form", FORMS)
def test_read__when_text_is_in_a_known_form__then_it_is_judged_as_it_is_without(form):
    assert clean("\n".join(map(FORMS[form], SENTENCES))) > clean(PROSE) - 0.02
    broken = [noise(sentence, 0.2, random.Random(n)) for n, sentence in enumerate(SENTENCES)]
    assert clean("\n".join(map(FORMS[form], broken))) < clean("\n".join(broken)) + 0.015


def test_read__when_broken_words_are_joined_to_names__then_they_are_words():
    broken = [noise(sentence, 0.4, random.Random(n)) for n, sentence in enumerate(SENTENCES)]
    calls = [re.sub(r"\W", "", sentence.title()) + "(this);" for sentence in broken]
    assert clean("\n".join(calls)) < clean("\n".join(broken)) + 0.03


def test_remove__when_names_stand_in_angle_brackets__then_they_are_words():
    found = markup.remove("<anna> Good morning.\n<joe> Good morning to you.\n")
    assert found.taken == 0
    assert "anna" not in found.words


def test_remove__when_tags_do_not_pair__then_they_are_dirt():
    assert markup.remove("The words </b>of<br/> a text.").taken == len("</b><br/>")
    assert markup.remove("<b>The words</b> of<br/> a text.").taken == 0


def test_remove__when_words_hide_in_markup__then_they_are_kept_for_judging():
    found = markup.remove('<p title="qxzv wkbt">Yes.</p><!-- frobn blarg --><p>No.</p>')
    assert {"qxzv", "wkbt", "frobn", "blarg"} <= set(found.words)


def test_remove__when_an_entity_stands_for_a_letter__then_it_hides_it():
    assert markup.remove("<p>caf&eacute;&nbsp;noir</p>").taken == 0
    assert markup.remove("<p>c&#97;fe</p>").taken == len("&#97;")


def test_unescaped__when_text_is_made_of_strings__then_escapes_are_what_they_stand_for():
    assert markup.unescaped(r'{"text": "One.\nTwo \"caf\u00e9\"."}') == (
        '{"text": "One.\nTwo "café"."}',
        0,
    )
    assert markup.unescaped(r'{"text": "On\u0065"}')[1] == 6
    assert markup.unescaped(r"\noindent \emph{no} string") == (r"\noindent \emph{no} string", 0)


def test_parts_of__when_a_name_is_beyond_ascii__then_capitals_part_it():
    assert source.parts_of("größeÄnderung") == ["größe", "Änderung"]
    assert source.parts_of("HTTPServerПриветМир") == ["HTTP", "Server", "Привет", "Мир"]


def test_unframed__vowel_signs__belong_to_their_word() -> None:
    text = "மனிதர்களும் பறவைகளும் மரங்களும் நதிகளும் மலைகளும் ஒன்றாக வாழ்கின்றன"
    assert markup.unframed(text) == text
