from __future__ import annotations

import random
import re
from itertools import pairwise

import pytest

from oracles.quality import disguise, markup, source, texts
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
    "subtitles of the web": lambda s: f"00:07.000 --> 00:09.000 align:start\n<v Anna>{s}",
    "links": lambda s: f'<a href="https://example.org/7">{s}</a>',
    "words in backticks": lambda s: " ".join(f"`{word}`" for word in s.split()),
    "words in cells": lambda s: "| " + " | ".join(s.split()) + " |",
    "words in links": lambda s: " ".join(f"[{word}](https://example.org/7)" for word in s.split()),
    "Title Case": str.title,
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


def test_read__when_no_name_of_a_program_is_known__then_no_more_than_all_is_lost():
    rng = random.Random(1)
    names = ["".join(rng.choices("bcdfghjklmnpqrstvwxz", k=7)) for _ in range(40)]
    program = "\n".join(f"{name} = {name}({name})" for name in names)
    assert source.parse(program) is not None
    assert clean(program) == 0


def test_remove__when_names_stand_in_angle_brackets__then_they_are_words():
    found = markup.remove("<anna> Good morning.\n<joe> Good morning to you.\n")
    assert found.taken == 0
    assert "anna" not in found.words


def test_remove__when_tags_do_not_pair__then_they_are_dirt():
    assert markup.remove("The words </b>of<br/> a text.").taken == len("</b><br/>")
    assert markup.remove("<b>The words</b> of<br/> a text.").taken == 0


def test_remove__when_most_tags_need_no_partner__then_they_are_markup():
    page = "<BODY>\n" + "".join(f"<P><B>No.</B> {sentence}<BR>\n" for sentence in SENTENCES)
    assert markup.remove(page).taken == 0


def test_unframed__when_every_word_stands_alone__then_only_columns_are_frames():
    words = PROSE.split()
    assert disguise.words(markup.unframed("\n".join(f"* {word}" for word in words))) == (
        disguise.words(PROSE)
    )
    tagged = markup.unframed("\n".join(f"{word}\tNOUN\t_" for word in words))
    assert "NOUN" not in tagged
    assert tagged.count("the") == sum("the" in word for word in words)


def test_unframed__when_titles_repeat_what_was_said__then_they_are_frames():
    noted = "\n".join(f".. note:: {sentence}\n\n   *{sentence[:9]}*" for sentence in SENTENCES)
    assert disguise.words(markup.unframed(noted)) == disguise.words(PROSE)


def test_without_echoes__when_names_are_given_and_used__then_each_is_said_once():
    words = re.findall("[a-z]{2,}", PROSE)
    given = "\n".join(f"self.{b} = {a}" for a, b in pairwise(words))
    left = disguise.words(texts.without_echoes(markup.unframed(given)))
    assert len(words) - 2 <= len(left) <= len(words) + 2
    assert texts.without_echoes(PROSE) == PROSE


def test_undo__when_an_address_stands_in_a_tag__then_it_ends_with_it():
    plain = disguise.undo('<p><a href="https://example.org/7">Read</a> on.</p>')
    assert plain.letters == 0
    assert plain.text.split() == ["Read", "on."]


def test_read__when_few_lines_are_capitalised__then_broken_words_are_no_names():
    broken = [noise(sentence, 0.2, random.Random(n)) for n, sentence in enumerate(SENTENCES)]
    capitals = [broken[0].title(), *broken[1:]]
    assert clean(" ".join(capitals)) < clean(" ".join(broken)) + 0.01


def test_parse__when_addresses_stand_between_words__then_they_begin_no_comments():
    words = ("utf8_to_latin", "koi_to_utf8", "latin_to_koi", "big5_to_utf8", "johab_to_utf8")
    lines = [" ".join(f"[{w}](https://example.org/{n})" for w in words) for n in range(40)]
    assert source.parse("\n\n".join(lines)) is None


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


def test_walk__when_a_parser_looks_ahead_at_every_mark__then_it_reads_a_text_so_often_only(
    monkeypatch,
):
    given, parser = [], source._parser("bash")

    class Watched:
        reset = parser.reset

        def parse(self, read, **options):
            def watched(*place):
                given.append(len(read(*place)))
                return read(*place)

            return parser.parse(watched, **options)

    monkeypatch.setattr(source, "_parser", lambda _: Watched())
    marks = b"[a](" * 4_000
    assert source.walk("bash", marks) == ([], len(marks), 0)
    assert sum(given) < 64 * 17_100  # it would be 5,000 times the text


def test_walk__of_a_long_program__then_all_of_it_is_read():
    line = b'for name in one two; do\n  echo "$name" | sort > "$HOME/list"\ndone\n'
    strings, errors, _ = source.walk("bash", line * 800)
    assert (len(strings), errors) == (1600, 0)


def test_walk__then_comments_and_strings_are_in_their_order():
    program = b'int a = 1; // one\n// two\nint b = f("three"); // four\n'
    found, _, _ = source.walk("c", program)
    assert found == sorted(found)
    assert len(found) == 4


def page(body):
    head = '<html>\n<head>\n<meta charset="UTF-8">\n<title>Notes</title>\n</head>\n<body>\n'
    return head + "\n".join(
        f'<div class="section"><h2 id="s{n}">{n}. Notes</h2>\n<p>{part}</p></div>'
        for n, part in enumerate(body)
    )


def test_parse__when_a_parser_takes_the_tags_of_a_page__then_it_is_no_program():
    words = ["すべての人間は生まれながらにして自由である", "理性と良心とを授けられている"]
    japanese = page([" ".join(words * 3)] * 8)
    asked = source.as_ascii(japanese.encode())
    _, errors, statements = source.walk("bash", asked)
    assert statements > 1
    assert errors * 1000 <= 30 * len(asked)
    assert source.parse(japanese) is None
    component = "import React from 'react';\nexport const Note = (p) => <p>{p.text}</p>;\n" * 2
    assert source.parse(component) is not None


def test_parse__when_a_text_begins_with_a_number_sign__then_that_is_no_directive():
    text = "#budget (2024) " + PROSE.replace(",", ";") * 2 + " #bridge #school (1) #market"
    _, errors, _ = source.walk("c", text.encode())
    assert errors > len(text) / 2
    assert source.parse(text) is None
    assert source.walk("c", b'#pragma once\n#error "Too old"\nint a;\n')[1] == 0


def test_remove__when_a_page_is_cut__then_its_open_tags_are_no_dirt():
    cut = page(SENTENCES)[: -len("</p></div>")]
    assert markup.remove(cut).taken == 0
    assert "section" not in markup.remove(cut).words


def test_unframed__when_words_carry_labels__then_only_words_are_left():
    rng = random.Random(1)
    for mark in "/_|":
        labelled = " ".join(
            f"{w}{mark}{rng.choice(['NN', 'DT', 'IN', 'JJ'])}" for w in PROSE.split()
        )
        assert markup.unframed(labelled) == PROSE


def test_unframed__when_lines_begin_and_end_alike__then_that_is_a_frame():
    lines = "\n".join(f"private int {s} if valid" for s in SENTENCES)
    assert not {"private", "int", "valid", "if"} & set(disguise.words(markup.unframed(lines)))


def test_undo__when_a_line_recurs_with_other_numbers__then_it_is_said_once():
    numbered = "\n".join(f"{n}: {s}\n{n + 1}: {s}" for n, s in enumerate(SENTENCES))
    assert disguise.words(disguise.undo(numbered).text) == disguise.words(PROSE)
