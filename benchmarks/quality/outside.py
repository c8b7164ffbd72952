"""Forms, languages and tricks that nothing was tuned by: honest ones must not lose, no trick gain.

    python -m benchmarks.quality.outside [--json] [--docs] [--only honest tricks]

The quality score was fixed before this list was written. Honest text comes in forms in which real
data sets come (subtitles, chat, transcripts, notes, records, source) and in thirty languages beside
those of `fairness.py`; it must keep 0.95 of its letters. A trick adds to a set of eight documents
as much again of something that costs nothing, and must not raise q · volume; or it is a copy of
another's set in a new disguise, and must earn less than a tenth of it. `KNOWN` lists what breaks
its bound, with the reason. Exit code 1 if anything else does.
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import html
import json
import random
import re
import sys
import textwrap
import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import wordfreq

from benchmarks.quality.common import Scorer, foreign, show, texts, translations
from benchmarks.quality.fairness import pieces
from benchmarks.quality.manipulation import Chain
from oracles.quality import coherence
from oracles.quality.embed import cache_directory
from oracles.quality.parameters import GRID
from oracles.quality.sources import SOURCES, Source, fetch, passages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCUMENTS = 8
CLEAN = 0.95
#: Translations of the UDHR beside the twenty of `fairness.py`.
LANGUAGES = (
    "tha", "jpn", "kor", "cmn_hans", "cmn_hant", "amh", "kat", "hye", "ben", "tam", "tel", "urd",
    "pes_1", "mya", "khm", "swh", "yor", "zul", "cym", "eus", "isl", "est", "gle", "cat", "lat",
    "epo", "ukr", "bul", "dan", "ron_2006",
)  # fmt: skip

#: What misses its bound, and why that is accepted or what it would take.
KNOWN: dict[str, str] = {
    "clinical shorthand": "abbreviations instead of stop words",
    "Middle English": "its spelling is in no list",
    "JavaScript": "one file of packed data",
    "chemistry": "names of compounds",
    "sheet music (ABC)": "no language",
    "tam": "words joined in more ways than lists have",
    "public text, each word as the Hebrew one of its rank": "a language without a table",
    "order-2 chain, fra": "no reader outside of English",
    "order-2 chain, swh": "no reader outside of English",
    "order-2 chain, kor": "no reader outside of English",
    "order-2 chain, the best twelfth by the score's own reading": "the reader is public",
    "halves of definitions of two words": "each half is real text",
    "numbers in words, counted up": "true sentences without end",
    "sums in words": "true sentences without end",
    "invented addresses": "names and streets are plausible words",
    "order-2 chain over much text, fra": "no reader outside of English",
    "order-2 chain in documents of five words": "each is a run of real text",
    "order-2 chain in documents of eleven words": "each is a run or two of real text",
    "medical terms and order-2 chain, 30 words in turn": "the real half makes up for the other",
    "halves of two public sentences": "each half is real text",
    "words with the definitions of others": "each half is real text",
    "a stock phrase between public words": "a template reads as text",
    "kinds of things, from a template": "a template reads as text",
    "questions about words": "a template reads as text",
    "sentences of a small grammar": "a template reads as text",
    "invented patients from templates": "a template reads as text",
    "its sentences between public ones": "the public half is real text",
}

SHORTHAND = (
    "72M c/o SOB x3d, worse lying flat. PMH: HTN, T2DM, IHD (MI 2014), CKD 3. Meds: ramipril 5 mg "
    "od, bisoprolol 2.5 mg od, metformin 1 g bd, aspirin 75 mg od. NKDA. O/E: RR 24, sats 91 % "
    "OA, BP 152/88, HR 96 reg. JVP up 4 cm, bibasal creps, pitting oedema to knees. ECG: LBBB, "
    "no acute change. CXR: upper lobe diversion, small bilat effusions. Imp: decompensated HF. "
    "Plan: IV furosemide 40 mg, fluid restrict 1.5 L, daily wt and U&E, echo, cardio r/v a.m."
)
SOCIAL = (
    "@maria omg did u see the match last nite?? that goal in the 89th min was unreal 😂 #football\n"
    "RT @sam_w: cant believe its only tuesday lol. need coffee asap ☕\n"
    "anyone know a good plumber in leeds? kitchen is flooded again :( pls dm me\n"
    "gonna be late, bus is stuck in traffic... tell mum i said hi xx\n"
    "new blog post is up! 10 things i learned from running my first marathon 👉 link in bio\n"
)
DIALECT = (
    "Ah dinnae ken whit ye're on aboot, lass. The bairn's awa tae the kirk wi' his granny, an' "
    "there's naebody hame but masel' an' the auld dug. Come ben the hoose an' sit ye doon by the "
    "fire, it's a gey dreich nicht. Ah'll pit the kettle oan, an' ye can tell me a' aboot it."
)
MIDDLE_ENGLISH = (
    "Whan that Aprille with his shoures soote, the droghte of March hath perced to the roote, and "
    "bathed every veyne in swich licour, of which vertu engendred is the flour; whan Zephirus eek "
    "with his swete breeth inspired hath in every holt and heeth the tendre croppes, and the yonge "
    "sonne hath in the Ram his halfe cours yronne, and smale foweles maken melodye, that slepen al "
    "the nyght with open ye, so priketh hem nature in hir corages, thanne longen folk to goon on "
    "pilgrimages."
)
PATENT = (
    "Referring now to FIG. 2, the housing 12 comprises a lever 14a pivotally mounted on a shaft 16 "
    "and urged by a spring 18 against the stop 20. When the knob 22 is turned, the cam 24 lifts "
    "the follower 26, whereby the valve 28 is opened and fluid flows from the inlet 30 to the "
    "chamber 32. In another embodiment, the spring 18 is replaced by a resilient member 18' of "
    "elastomeric material, and the shaft 16 is formed integrally with the lever 14b."
)
CHEMISTRY = (
    "To a solution of 4-bromobenzaldehyde (1.85 g, 10.0 mmol) in dry THF (40 mL) was added "
    "n-butyllithium (2.5 M in hexanes, 4.4 mL, 11.0 mmol) dropwise at -78 °C under nitrogen. After "
    "stirring for 1 h the mixture was quenched with saturated aqueous NH4Cl, extracted with ethyl "
    "acetate (3 x 30 mL), dried over MgSO4 and concentrated in vacuo. Flash chromatography on "
    "silica gel (hexane/EtOAc 9:1) gave the alcohol as a colourless oil (1.62 g, 87 %). 1H NMR "
    "(400 MHz, CDCl3) δ 7.41 (d, J = 8.2 Hz, 2H), 4.72 (s, 1H)."
)
HINDI_IN_LATIN = (
    "Aaj subah main bazaar gaya tha, lekin dukaan band thi. Phir maine apne dost ko phone kiya aur "
    "usne kaha ki sab log shaadi mein gaye hain. Kal hum saath mein film dekhne jayenge, agar tum "
    "bhi aana chahte ho to mujhe bata dena. Khana ghar par hi khayenge, maa ne "
    "bahut kuch banaya hai."
)
ABC = (
    "X:1\nT:The Kesh\nM:6/8\nL:1/8\nK:G\n|:G3 GAB|A3 ABd|edd gdd|edB dBA|\n"
    "GAG GAB|ABA ABd|edd gdd|BAF G3:|\n|:BAB dBd|ege dBG|BAB dBG|ABA AGA|\n"
    "BAB dBd|ege dBd|gfg aga|bgf g3:|\n"
)
PGN = (
    '[Event "Opera"]\n[White "Morphy"]\n[Black "Duke of Brunswick"]\n[Result "1-0"]\n\n'
    "1. e4 e5 2. Nf3 d6 3. d4 Bg4 4. dxe5 Bxf3 5. Qxf3 dxe5 6. Bc4 Nf6 7. Qb3 Qe7 8. Nc3 c6 "
    "9. Bg5 b5 10. Nxb5 cxb5 11. Bxb5+ Nbd7 12. O-O-O Rd8 13. Rxd7 Rxd7 14. Rd1 Qe6 "
    "15. Bxd7+ Nxd7 16. Qb8+ Nxb8 17. Rd8# 1-0\n"
)


def sentences(text: str) -> list[str]:
    """Sentences, roughly."""
    return re.split(r"(?<=[.!?]) ", text)


def subtitles(text: str) -> str:
    """SubRip: a number, two times, and up to two short lines."""
    lines = textwrap.wrap(text, 38)
    blocks = []
    for n, start in enumerate(range(0, len(lines), 2), 1):
        at = f"00:{n // 20:02d}:{3 * n % 60:02d},000 --> 00:{n // 20:02d}:{3 * n % 60 + 2:02d},400"
        blocks.append(f"{n}\n{at}\n" + "\n".join(lines[start : start + 2]))
    return "\n\n".join(blocks)


def chat(text: str) -> str:
    """Lines of a messenger with time and name."""
    names = ("anna", "joe77", "Mehmet")
    return "\n".join(
        f"[2024-03-{1 + n % 28:02d} 14:{n % 60:02d}] <{names[n % 3]}> {s}"
        for n, s in enumerate(sentences(text))
    )


def spoken(text: str) -> str:
    """What speech recognition gives: no capitals and no marks."""
    return " ".join(re.sub(r"[^\w\s']", " ", text).lower().split())


def transcript(text: str) -> str:
    """An interview with hesitations."""
    fill = ("um, ", "I mean, ", "you know, ", "")
    return "\n".join(
        f"{'Interviewer' if n % 2 else 'Mrs. Lee'}: {fill[n % 4]}{s}"
        for n, s in enumerate(sentences(text))
    )


def latex(text: str) -> str:
    """A section with an emphasised word, a citation and a formula each."""
    body = "\n".join(
        rf"{s} \emph{{Cf.}}~\cite{{smith20{n:02d}}}, $x_{{{n}}} \leq \alpha^2 + {n}$."
        for n, s in enumerate(sentences(text))
    )
    return f"\\section{{Results}}\n\\label{{sec:r}}\n{body}\n"


def markdown(text: str) -> str:
    """Headings, bullets and a link."""
    return "## Notes\n\n" + "\n".join(
        f"- **{n}.** {s} ([source](https://example.org/{n}))" for n, s in enumerate(sentences(text))
    )


def legal(text: str) -> str:
    """Numbered clauses."""
    return "\n".join(f"{1 + n // 4}.{1 + n % 4}  ({'abcd'[n % 4]}) {s}" for n, s in
                     enumerate(sentences(text)))  # fmt: skip


def ligatures(text: str) -> str:
    """What some tools extract from PDF files."""
    for two, one in (("ffi", "\ufb03"), ("fi", "\ufb01"), ("fl", "\ufb02"), ("ff", "\ufb00")):
        text = text.replace(two, one)
    return text


def hyphenated(text: str) -> str:
    """Narrow columns, as on paper: the word that does not fit is broken where it is long enough."""
    lines = [""]
    for word in text.split():
        room = 44 - len(lines[-1]) - 2
        if room >= len(word):
            lines[-1] += f" {word}"
        elif word.isalpha() and len(word) > 6 and 2 < room < len(word) - 2:
            lines[-1] += f" {word[:room]}-"
            lines.append(word[room:])
        else:
            lines.append(word)
    return "\n".join(line.strip() for line in lines)


def rich(text: str) -> str:
    """A page with a head, a style, lists, links, pictures, entities and a script."""
    head = (
        '<!DOCTYPE html><html lang="en"><head><title>Page</title><meta charset="utf-8">'
        '<link rel="stylesheet" href="/a.css"><style>p { color: red; margin: 0 }</style></head>'
        '<body class="main"><nav><ul><li><a href="/">Home</a><li><a href="/news">News</a></ul>'
        "</nav>"
    )
    parts = "".join(
        f'<h2 id="s{n}">Part {n}</h2><p class="lead">{html.escape(s)}<br>\n<img src="/img/{n}.png" '
        f'alt="A picture">&nbsp;&mdash; <a href="https://example.org/{n}">read on</a></p>\n'
        for n, s in enumerate(sentences(text))
    )
    script = "<script>var x = document.getElementById('a'); x.style.display = 'none';</script>"
    return f"{head}{parts}{script}</body></html>"


def article(text: str) -> str:
    """A paper with a preamble, labels, references and a numbered equation after each sentence."""
    head = "\\documentclass[12pt,a4paper]{article}\n\\usepackage[utf8]{inputenc}\n"
    body = "\n".join(
        rf"\subsection{{Part {n}}}\label{{sec:p{n}}}"
        f"\n{s} "
        rf"See Section~\ref{{sec:p{n}}} and \textbf{{note}} \cite[p.~3]{{smith{n}}}."
        "\n\\begin{equation}\n"
        rf"  E_{{{n}}} = \frac{{mc^2}}{{\sqrt{{1-v^2/c^2}}}} \label{{eq:{n}}}"
        "\n\\end{equation}"
        for n, s in enumerate(sentences(text))
    )
    return f"{head}\\begin{{document}}\n\\maketitle\n{body}\n\\end{{document}}\n"


FORMS: dict[str, Callable[[str], str]] = {
    "subtitles (SubRip)": subtitles,
    "chat with times and names": chat,
    "speech recognition, no capitals, no marks": spoken,
    "interview with hesitations": transcript,
    "LaTeX": latex,
    "Markdown": markdown,
    "numbered clauses": legal,
    "capitals": str.upper,
    "lines of 60 characters": lambda t: textwrap.fill(t, 60),
    "mail, quoted": lambda t: textwrap.fill(t, 70, initial_indent="> ", subsequent_indent="> "),
    "JSON records": lambda t: "\n".join(
        f'{{"id": {n}, "text": "{s}", "label": "neutral"}}' for n, s in enumerate(sentences(t))
    ),
    "table, tab-separated": lambda t: "\n".join(
        f"{n}\t2021-05-{1 + n % 28:02d}\t{s}\tclosed" for n, s in enumerate(sentences(t))
    ),
    "questions and answers": lambda t: "\n".join(
        f"{'A' if n % 2 else 'Q'}: {s}" for n, s in enumerate(sentences(t))
    ),
    "ligatures of a PDF file": ligatures,
    "words broken at the ends of lines": hyphenated,
    "curly quotes, dashes, no-break spaces": lambda t: t.replace("'", "’").replace(
        ", ", ",\u00a0"
    ).replace("--", "—"),
    "accents apart from their letters": lambda t: unicodedata.normalize("NFD", t),
    "HTML page": lambda t: "<html><body>" + "".join(f"<p>{s}</p>\n" for s in sentences(t)),
    # Written after forms were judged by what is in them.
    "* HTML with style, links, pictures, a script": rich,
    "* HTML of 1997": lambda t: "<BODY>\n" + "".join(
        f"<P><B>{s.split()[0]}</B>{s[len(s.split()[0]):]}<BR>\n" for s in sentences(t)),
    "* LaTeX with equations": article,
    "* records of XML": lambda t: '<?xml version="1.0"?>\n<records>\n' + "".join(
        f'<record id="{n}"><text>{html.escape(s)}</text></record>\n'
        for n, s in enumerate(sentences(t))) + "</records>",
    "* JSON, lines escaped": lambda t: json.dumps(
        {"id": 7, "text": "\n".join(sentences(t))}),
    "* YAML": lambda t: "\n".join(
        f"- id: {n}\n  text: {s}\n  label: neutral" for n, s in enumerate(sentences(t))),
    "* TOML": lambda t: "\n".join(
        f'[[item]]\nid = {n}\ntext = "{s}"\n' for n, s in enumerate(sentences(t))),
    "* settings (INI)": lambda t: "\n".join(
        f"[entry{n}]\ntext = {s}\nstate = open\n" for n, s in enumerate(sentences(t))),
    "* statements of SQL": lambda t: "\n".join(
        f"INSERT INTO notes (id, body, state) VALUES ({n}, '{s}', 'open');"  # noqa: S608
        for n, s in enumerate(sentences(t))),
    "* CSV": lambda t: "id,text,state\n" + "\n".join(
        f'{n},"{s}",open' for n, s in enumerate(sentences(t))),
    "* table of Markdown": lambda t: "| Nr | Text | State |\n|---|---|---|\n" + "\n".join(
        f"| {n} | {s} | open |" for n, s in enumerate(sentences(t))),
    "* notes of reST": lambda t: "Title\n=====\n\n" + "\n\n".join(
        f".. note:: {s}\n   :name: note-{n}" for n, s in enumerate(sentences(t))),
    "* wiki": lambda t: "== History ==\n" + "\n".join(
        f"* {s} [[Category:Texts]] ''{s.split()[0]}''" for s in sentences(t)),
    "* BibTeX": lambda t: "\n".join(
        f"@book{{key{n},\n  author = {{Smith, John}},\n  title = {{{s}}},\n  year = {{2001}}\n}}"
        for n, s in enumerate(sentences(t))),
    "* messages to translate (PO)": lambda t: "\n".join(
        f'#: src/main.c:{n}\nmsgid "{s}"\nmsgstr ""\n' for n, s in enumerate(sentences(t))),
    # Written after texts were compared without their form.
    "** subtitles of the web (WebVTT)": lambda t: "WEBVTT\n\n" + "\n\n".join(
        f"00:{n // 60:02d}:{n % 60:02d}.000 --> 00:{n // 60:02d}:{n % 60:02d}.900\n<v Anna>{line}"
        for n, line in enumerate(textwrap.wrap(t, 60))),
    "** wiki with references and templates": lambda t: "{{Infobox|name=Notes}}\n" + "\n".join(
        f"=== Part {n} ===\n{s}<ref>{{{{cite web|url=http://example.org/{n}|title=Source}}}}</ref>"
        for n, s in enumerate(sentences(t))),
    "** RTF": lambda t: "{\\rtf1\\ansi{\\fonttbl{\\f0 Times;}}\n" + "\n".join(
        rf"\pard\sa200\f0\fs24 {s}\par" for s in sentences(t)) + "\n}",
    "** manual page (troff)": lambda t: ".TH NOTES 1\n.SH DESCRIPTION\n" + "\n".join(
        f".TP\n.B \\-{'abcdefgh'[n % 8]}\n{s}" for n, s in enumerate(sentences(t))),
    "** outline (Org)": lambda t: "#+TITLE: Notes\n" + "\n".join(
        f"** TODO Item {n}\n   SCHEDULED: <2021-05-{1 + n % 28:02d} Mon>\n   {s}"
        for n, s in enumerate(sentences(t))),
    "** JSON, nested": lambda t: json.dumps({"items": [
        {"id": n, "author": {"name": "Anna", "role": "editor"}, "body": {"text": s}}
        for n, s in enumerate(sentences(t))]}, indent=2),
    "** conversations, a line of JSON each": lambda t: "\n".join(
        json.dumps({"turns": [{"from": "human", "value": s}, {"from": "model", "value": "Yes."}]})
        for s in sentences(t)),
    "** cards (vCard)": lambda t: "\n".join(
        f"BEGIN:VCARD\nVERSION:3.0\nN:Smith;John;;;\nNOTE:{s}\nEND:VCARD" for s in sentences(t)),
    "** folder of mail": lambda t: "\n".join(
        f"From: Anna <anna@example.org>\nTo: joe@example.org\nSubject: Notes {n}\n"
        f"Message-ID: <{n}.77@example.org>\n\n{s}\n" for n, s in enumerate(sentences(t))),
    "** DocBook": lambda t: "<article>" + "\n".join(
        f'<title>Part {n}</title><para role="x">{html.escape(s)} <xref linkend="p{n}"/></para>'
        for n, s in enumerate(sentences(t))) + "</article>",
    "** AsciiDoc": lambda t: "= Notes\n:toc: left\n\n" + "\n\n".join(
        f"[[p{n}]]\n== Part {n}\n\nNOTE: {s}" for n, s in enumerate(sentences(t))),
    "** Turtle": lambda t: "@prefix ex: <http://example.org/> .\n" + "\n".join(
        f'ex:n{n} rdfs:comment "{s}"@en .' for n, s in enumerate(sentences(t))),
    "** docstrings": lambda t: "\n\n".join(
        f'def part{n}(items):\n    """{s}"""\n    return items'
        for n, s in enumerate(sentences(t))),
    "** words in backticks": lambda t: " ".join(f"`{word}`" for word in t.split()),
    "** words in an enumeration of C": lambda t: "enum Notes {\n" + ",\n".join(
        "_".join(re.findall("[A-Za-z]+", s)).upper() for s in sentences(t)) + "\n};",
    # Written after honest corpora were collected from packages and repositories.
    "*** titles, one a line": lambda t: "\n".join(" ".join(s.split()[:9]) for s in sentences(t)),
    "*** log of changes": lambda t: "\n\n".join(
        f"notes (1.{n}-1) unstable; urgency=medium\n\n  * {' '.join(s.split()[:9])}. "
        f"(Closes: #{7000 + n})\n\n -- Anna <anna@example.org>  Mon, {1 + n % 28} May 2021 14:02:11"
        for n, s in enumerate(sentences(t))),
    "*** comments of few words": lambda t: "\n".join(
        f"// {line}\nstatus = check(input, {n});" for n, line in enumerate(textwrap.wrap(t, 32))),
    "*** page of HTML, cut": lambda t: rich(t)[: -len(t) // 4],
    "*** separated by semicolons": lambda t: "id;day;text;state\n" + "\n".join(
        f"{n};2021-05-{1 + n % 28:02d};{s};closed" for n, s in enumerate(sentences(t))),
    "*** rich release format (pipes)": lambda t: "\n".join(
        f"C{n:07d}|ENG|P|L{n:07d}|PF|{s}|N|" for n, s in enumerate(sentences(t))),
    "*** old print with long s": lambda t: re.sub(r"s(?=[a-z])", "\u017f", t),
    "*** hashtags in one line": lambda t: f"#news (2024) {t} #politics #history (1)",
}  # fmt: skip


def files(root: str, pattern: str) -> list[str]:
    """Some files of this machine, of 1 to 40 kB."""
    found = [p for p in sorted(Path(root).rglob(pattern)) if 1000 < p.stat().st_size < 40_000]
    return [p.read_text("utf-8", "replace") for p in found[:: max(1, len(found) // 8)][:8]]


def sayings(language: str) -> list[str]:
    """The beginnings of Debian's collections, in which hardly any two words recur together."""
    source = Source("sayings", "debian", f"fortunes-{language}", "various", "", 0, str)
    found = fetch(source, cache_directory() / "sources").glob("usr/share/games/fortunes/**/*")
    named = [p for p in sorted(found) if p.is_file() and not p.suffix and p.stat().st_size > 4000]
    return [p.read_text("utf-8", "replace")[:3000] for p in named[: 2 * DOCUMENTS]]


def honest(plain: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Honest sets by name."""
    for name, form in FORMS.items():
        yield name, [form(text) for text in plain]
    yield "one sentence a document", [s for text in plain for s in sentences(text)]
    yield "one huge document", ["\n\n".join(plain)]
    for name, text in {
        "clinical shorthand": SHORTHAND, "social media": SOCIAL, "Scots": DIALECT,
        "Middle English": MIDDLE_ENGLISH, "patent": PATENT, "chemistry": CHEMISTRY,
        "Hindi in Latin letters": HINDI_IN_LATIN, "sheet music (ABC)": ABC, "chess (PGN)": PGN,
    }.items():  # fmt: skip
        yield name, [text]
    yield "JavaScript", files("node_modules", "*.js")
    yield "TypeScript", files("node_modules", "*.ts")
    yield "C headers", files("/usr/include", "*.h")
    yield "Solidity", files("contracts", "*.sol")
    handbook = cache_directory() / "sources" / "debian-handbook"
    for name in ("ja-JP", "ko-KR", "el-GR", "fr-FR"):
        pages = str(handbook / "usr/share/doc/debian-handbook/html" / name)
        yield f"*** pages of a handbook, {name}", files(pages, "*.html")
    for name in ("cs", "de", "ru"):
        yield f"*** sayings, {name}", sayings(name)
    yield "shell", files("/usr/lib/git-core", "git-*.sh") or files("/usr", "*.sh")
    found = translations()
    for name in LANGUAGES:
        if name in found:
            yield name, pieces(found[name])
    parts = [pieces(found[name]) for name in ("eng", "fra", "deu_1996")]
    yield "three languages a document", ["\n".join(three) for three in zip(*parts, strict=True)]
    yield (
        "Hebrew with direction marks",
        ["\u200f" + re.sub(r"(\d+)", "\u200e\\1\u200f", text) for text in pieces(found["heb"])],
    )


ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["_", "_", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def spelled(number: int) -> str:
    """A number below a million in words."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + (f"-{ONES[number % 10]}" if number % 10 else "")
    size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    rest = f" and {spelled(number % size)}" if number % size else ""
    return f"{spelled(number // size)} {name}{rest}"


def letters(order: int, bodies: list[str], rng: random.Random) -> str:
    """A chain of letters."""
    text = " ".join(bodies)
    following: defaultdict[str, list[str]] = defaultdict(list)
    for place in range(len(text) - order):
        following[text[place : place + order]].append(text[place + order])
    out = text[:order]
    while len(out) < 1500:
        out += rng.choice(following.get(out[-order:]) or [" "])
    return out


def synonyms() -> dict[str, list[str]]:
    """Words of one sense, from WordNet's own files."""
    from benchmarks.impact import corpora

    root = corpora.fetch(Path.home() / ".cache" / "qmia" / "corpora")
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(root.rglob("data.*")):
        for line in path.read_text("utf-8", "replace").splitlines():
            fields = line.split(" ")
            if line.startswith("  ") or len(fields) < 6 or not fields[3:4]:
                continue
            try:
                words = [fields[4 + 2 * n] for n in range(int(fields[3], 16))]
            except (ValueError, IndexError):
                continue
            for word in words:
                found[word] += [w for w in words if w != word and "_" not in w]
    return {word: others for word, others in found.items() if others}


def grammar(rng: random.Random) -> str:
    """Sentences of a small grammar: sensible, endless, and empty."""
    nouns = [
        "teacher",
        "doctor",
        "farmer",
        "sister",
        "captain",
        "lawyer",
        "neighbour",
        "child",
        "writer",
        "soldier",
    ]
    things = [
        "letter",
        "house",
        "garden",
        "bridge",
        "story",
        "window",
        "basket",
        "ship",
        "lamp",
        "coat",
    ]
    verbs = [
        "found",
        "bought",
        "painted",
        "carried",
        "described",
        "forgot",
        "admired",
        "sold",
        "repaired",
        "lost",
    ]
    adjectives = [
        "old",
        "quiet",
        "young",
        "green",
        "heavy",
        "famous",
        "broken",
        "small",
        "honest",
        "distant",
    ]
    places = [
        "in the village",
        "near the river",
        "after the war",
        "at the market",
        "during the winter",
    ]
    c = rng.choice
    return " ".join(
        f"The {c(adjectives)} {c(nouns)} {c(verbs)} the {c(adjectives)} {c(things)} {c(places)}, "
        f"and the {c(nouns)} {c(verbs)} it {c(places)}."
        for _ in range(14)
    )


def records(rng: random.Random) -> str:
    """Reports of invented patients from templates with slots."""
    c = rng.choice
    complaints = [
        "cough",
        "fever",
        "headache",
        "nausea",
        "dizziness",
        "fatigue",
        "rash",
        "palpitations",
    ]
    drugs = ["amoxicillin", "ibuprofen", "metformin", "lisinopril", "warfarin", "omeprazole"]
    frames = (
        "A {a}-year-old {s} came with {x} and {y} for {n} days and was given {d}.",
        "The {s}, aged {a}, was seen because of {x}; {d} was started and {y} settled in {n} days.",
        "After {n} days of {x} the {a}-year-old {s} took {d}, whereupon the {y} got worse.",
    )
    return " ".join(
        c(frames).format(
            a=rng.randrange(18, 95),
            s=c(("man", "woman")),
            x=c(complaints),
            y=c(complaints),
            n=rng.randrange(2, 20),
            d=c(drugs),
        )
        for _ in range(14)
    )


def as_much(bodies: list[str], plain: list[str]) -> list[str]:
    """As many letters of what is added as of what it is added to."""
    if len(bodies) == len(plain):
        return [body[: len(text)] for body, text in zip(bodies, plain, strict=True)]
    found, room = list[str](), sum(map(len, plain))
    while room > 0 and len(found) < len(bodies):
        found.append(bodies[len(found)][:room])
        room -= len(found[-1])
    return found


def tricks(plain: list[str], public: list[str], rng: random.Random) -> Iterator[Any]:
    """Name, documents, and whether they are a copy of another's set (else they are added)."""
    english = wordfreq.top_n_list("en", 20_000)[300:]
    names = [w.capitalize() for w in english[5000:6000] if w.isalpha()]
    found = translations()
    c, number = rng.choice, rng.randrange

    def many(make: Callable[[], str]) -> list[str]:
        return [make() for _ in plain]

    def counted(start: int) -> range:
        return range(start, start + 40)

    def lines(make: Callable[[], str], count: int = 30) -> list[str]:
        return many(lambda: "\n".join(make() for _ in range(count)))

    yield (
        "numbers in words, counted up",
        many(lambda: " ".join(f"{spelled(n).capitalize()}." for n in counted(number(10**5)))),
        False,
    )
    yield (
        "sums in words",
        lines(
            lambda: (lambda a, b: f"The sum of {spelled(a)} and {spelled(b)} is {spelled(a + b)}.")(
                number(500), number(500)
            ),
            20,
        ),
        False,
    )
    yield (
        "dates in words",
        lines(
            lambda: (
                f"On the {number(2, 29)}th of {c(('May', 'June', 'July'))} {number(1500, 2000)} "
                f"it was a {c(('Monday', 'Friday', 'Sunday'))} in the town of {c(names)}."
            )
        ),
        False,
    )
    yield "sentences of a small grammar", many(lambda: grammar(rng)), False
    yield "invented patients from templates", many(lambda: records(rng)), False
    yield (
        "rows of an invented table",
        lines(
            lambda: (
                f"{number(10**6)},{c(names)} {c(names)},{c(names)},{number(10**4)}.{number(99):02d}"
            )
        ),
        False,
    )
    yield (
        "invented log lines",
        lines(
            lambda: (
                f"2026-01-{number(1, 29):02d}T{number(24):02d}:11:{number(60):02d}Z WARN "
                f"{c(english)}.{c(english)}: {c(english)} {c(english)} not {c(english)}"
            )
        ),
        False,
    )
    yield (
        "invented addresses",
        lines(
            lambda: (
                f"{c(names)} {c(names)}, {number(200)} {c(names)} Road, {c(names)} {number(10**5)}"
            )
        ),
        False,
    )
    yield (
        "telephone list",
        lines(lambda: f"{c(names)} {c(names)}: +44 20 79{number(100):02d} {number(10**4):04d}"),
        False,
    )
    yield (
        "random chess moves",
        many(
            lambda: " ".join(
                f"{n}. {c('NBRQK')}{c('abcdefgh')}{number(1, 9)} {c('abcdefgh')}{number(1, 9)}"
                for n in range(1, 160)
            )
        ),
        False,
    )
    yield (
        "random notes (ABC)",
        many(
            lambda: (
                "X:1\nK:G\n"
                + "|".join("".join(rng.choices("ABCDEFGabcdefg", k=6)) for _ in range(200))
            )
        ),
        False,
    )
    yield "DNA", many(lambda: "".join(rng.choices("ACGT", k=1500))), False
    yield (
        "invented source, Python",
        lines(
            lambda: (
                f"def {c(english)}_{c(english)}({c(english)}, {c(english)}):\n"
                f"    return {c(english)}.{c(english)}({c(english)})\n"
            ),
            14,
        ),
        False,
    )
    yield (
        "invented JSON, minified",
        many(
            lambda: (
                "{"
                + ",".join(f'"{c(english)}":"{c(english)} {c(english)}"' for _ in range(90))
                + "}"
            )
        ),
        False,
    )
    yield (
        "comments of random words in invented source",
        lines(lambda: f"# {' '.join(rng.choices(english, k=9))}\nx = {number(99)}", 24),
        False,
    )
    yield (
        "base64 in lines",
        many(lambda: textwrap.fill(base64.b64encode(rng.randbytes(1100)).decode(), 76)),
        False,
    )
    for order in (3, 5, 8):
        yield (
            f"chain of letters, order {order}",
            many(lambda order=order: letters(order, public[:60], rng)),
            False,
        )
    vowels, consonants = "aeiou", "bcdfghjklmnpqrstvwxz"
    cipher = str.maketrans(vowels + consonants, "eioua" + consonants[7:] + consonants[:7])
    yield (
        "public text in a cipher that can be spoken",
        [b.lower().translate(cipher) for b in public[: len(plain)]],
        False,
    )
    german = wordfreq.top_n_list("de", 8000)
    rank = {w: german[n % 8000] for n, w in enumerate(wordfreq.top_n_list("en", 8000))}
    yield (
        "public text, each word as the German one of its rank",
        [
            " ".join(rank.get(w.strip(".,").lower(), c(german)) for w in b.split())
            for b in public[: len(plain)]
        ],
        False,
    )
    for name in ("fra", "zul", "tha", "fin"):
        words = found[name].split() if name != "tha" else list(found[name])
        join = "" if name == "tha" else " "
        yield (
            f"bag of words, {name}",
            many(
                lambda words=words, join=join: join.join(
                    rng.choices(words, k=250 if join else 1300)
                )
            ),
            False,
        )
    for name in ("fra", "swh", "kor"):
        chain = Chain([found[name]])
        yield f"order-2 chain, {name}", many(lambda chain=chain: chain(220, rng)), False
    glosses = [g.split("; ") for g in foreign("wordnet")[:400] if "; " in g]
    yield (
        "halves of definitions of two words",
        lines(lambda: f"{c(glosses)[0]}; {c(glosses)[-1]}", 24),
        False,
    )
    yield (
        "two public texts word by word",
        [
            " ".join(w for two in zip(a.split(), b.split(), strict=False) for w in two)
            for a, b in zip(public[:8], public[8:16], strict=True)
        ],
        False,
    )
    yield (
        "a stock phrase between public words",
        many(lambda: " ".join(f"As we said, it is {c(english)}." for _ in range(45))),
        False,
    )

    # What an attacker does who can run the score: write much, and submit what reads best.
    chain = Chain(public)
    drafts = [chain(190, rng) for _ in range(12 * len(plain))]
    windows = [(draft, " ".join(re.findall(r"[a-zA-Z']+", draft)[:96])) for draft in drafts]
    grades = coherence.reader()([window for _, window in windows])
    best = sorted(range(len(drafts)), key=lambda n: -grades[n].steps)[: len(plain)]
    yield (
        "order-2 chain, the best twelfth by the score's own reading",
        [drafts[n] for n in best],
        False,
    )

    # What a thief adds who has read the code of version 8.
    rng = random.Random(2)
    for name, code in (("French", "fr"), ("Hebrew", "he")):
        listed = wordfreq.top_n_list(code, 8000)
        ranks = dict(zip(wordfreq.top_n_list("en", 8000), listed, strict=False))
        yield (
            f"public text, each word as the {name} one of its rank",
            [
                " ".join(ranks.get(w.strip(".,").lower(), rng.choice(listed)) for w in b.split())
                for b in public[: len(plain)]
            ],
            False,
        )

    handbook = dataclasses.replace(
        next(source for source in SOURCES if source.name == "handbook"), languages=("fr-FR",)
    )
    much = passages(handbook, cache_directory() / "sources")
    terms = [word for text in foreign("hpo")[:80] for word in text.split()]
    rare = [w for w in wordfreq.top_n_list("en", 20_000)[3000:9000] if w.isalpha()]
    chain, french = Chain(public), Chain(much)
    c, number = rng.choice, rng.randrange

    def in_turn(length: int) -> str:
        found: list[str] = []
        while len(found) < 240:
            start = number(len(terms) - length)
            found += terms[start : start + length] + chain(length, rng).split()
        return " ".join(found)

    def half_sentences() -> str:
        found: list[str] = []
        while len(found) < 240:
            first, last = (c(sentences(c(public))).split() for _ in range(2))
            found += first[: len(first) // 2] + last[len(last) // 2 :]
        return " ".join(found)

    yield "order-2 chain over much text, fra", many(lambda: french(240, rng)), False
    for size, name in ((5, "five"), (11, "eleven"), (30, "thirty")):
        yield (
            f"order-2 chain in documents of {name} words",
            [chain(size, rng) for _ in range(60 * len(plain))],
            False,
        )
    yield "medical terms and order-2 chain, 30 words in turn", many(lambda: in_turn(30)), False
    yield "halves of two public sentences", many(half_sentences), False
    yield (
        "words with the definitions of others",
        lines(lambda: f"{c(rare)}: {c(glosses)[0]}.", 20),
        False,
    )
    yield (
        "kinds of things, from a template",
        lines(lambda: f"A {c(rare)} is a kind of {c(rare)} that has {c(rare)}."),
        False,
    )
    yield (
        "questions about words",
        lines(
            lambda: (
                f"What is the meaning of the word {c(rare)}? "
                f"Who said {c(rare)} and {c(rare)} first?"
            ),
            20,
        ),
        False,
    )
    yield "a cast of names", lines(lambda: f"{c(names)} {c(names)} as {c(names)}", 60), False

    def others(name: str, change: Callable[[str], str]) -> Any:
        return name, [change(b) for b in plain], True

    def each(change: Callable[[str], str], step: int = 1) -> Callable[[str], str]:
        return lambda b: " ".join(
            change(w) if n % step == 0 else w for n, w in enumerate(b.split())
        )

    same = synonyms()
    lookalike = str.maketrans("aeopcyx", "аеорсух")
    cyrillic = str.maketrans("abvgdezijklmnoprstufhcy", "абвгдезийклмнопрстуфхцы")
    pseudo = {c: chr(0x1D5BA + i) for i, c in enumerate("abcdefghijklmnopqrstuvwxyz")}
    yield others("direction marks around words", each(lambda w: f"\u202a{w}\u202c"))
    yield others("text turned round, with a mark that turns it back", lambda b: "\u202e" + b[::-1])
    yield others("variation selectors in words", each(lambda w: "\ufe0f".join(w)))
    yield others("grapheme joiners in words", each(lambda w: "\u034f".join(w)))
    yield others("look-alikes in every third word", each(lambda w: w.translate(lookalike), 3))
    yield others("Cyrillic letters", lambda b: b.lower().translate(cyrillic))
    yield others("sans-serif letters of mathematics", lambda b: b.lower().translate(
        {ord(k): v for k, v in pseudo.items()}))  # fmt: skip
    yield others("entities in every second word", each(
        lambda w: "".join(f"&#x{ord(x):x};" for x in w), 2))  # fmt: skip
    yield others("synonyms where WordNet has one", each(
        lambda w: c(same[w.lower()]) if w.lower() in same else w))  # fmt: skip
    yield others("each sentence backwards", lambda b: " ".join(
        " ".join(s.split()[::-1]) for s in sentences(b)))  # fmt: skip
    yield others("its sentences between public ones", lambda b: " ".join(
        x for two in zip(sentences(b), sentences(c(public)), strict=False) for x in two
    ))  # fmt: skip
    yield others("a word between any two", each(lambda w: f"{w} {c(english)}"))
    yield others("plural and tense changed", each(lambda w: w + "s" if w.isalpha() else w))
    yield others("one word a line", lambda b: "\n".join(b.split()))
    yield others("in a table, one word a cell", lambda b: "| " + " | ".join(b.split()) + " |")
    yield others("as subtitles", subtitles)
    yield others("as comments of source", lambda b: "\n".join(
        f"// {x}\nvar v{n} = {n};" for n, x in enumerate(textwrap.wrap(b, 60))))  # fmt: skip
    yield others("words of five letters and more misspelled", each(
        lambda w: w[:2] + w[3] + w[2] + w[4:] if len(w) > 4 else w))  # fmt: skip


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--docs", action="store_true", help="write docs/quality.md")
    parser.add_argument("--only", nargs="+", choices=("honest", "tricks"))
    parser.add_argument("--name", default="", help="only forms and tricks that contain this")
    options = parser.parse_args()
    parts = options.only or ("honest", "tricks")
    rng = random.Random(1)
    pool = texts(3 * DOCUMENTS, ("speeches", "brown", "novel"))
    plain = pool[::3]
    public = texts(300, ("speeches", "brown", "novel"), held_out=False)
    rng.shuffle(public)
    scored = Scorer()

    def judged(bodies: list[str], earlier: list[str] | None = None) -> tuple[float, float, int]:
        found = scored(bodies, earlier)
        return found.cleanliness / GRID, found.q / GRID, found.volume

    rows: list[dict[str, Any]] = []
    broken, known = [], []

    def row(kind: str, name: str, measured: tuple[float, float, int]) -> None:
        clean, q, volume = measured
        gain: Any = "" if kind == "honest" else q * volume / (base[1] * base[2])
        bound = {"honest": CLEAN, "added": 1.0, "another's": 0.1}[kind]
        right = clean >= bound if kind == "honest" else gain <= bound
        if not right:
            reason = KNOWN.get(name)
            (known if reason else broken).append(f"{name} ({reason})" if reason else name)
        rows.append(
            {
                "kind": kind,
                "form or trick": name,
                "cleanliness": clean,
                "q": q,
                "volume": volume,
                "gain": gain,
                "right": "yes" if right else "NO",
            }
        )
        shown = clean if kind == "honest" else gain
        sys.stderr.write(f"{'' if right else 'WRONG '}{kind} {name}: {shown:.3f}\n")

    base = judged(plain)
    if "honest" in parts:
        for name, bodies in honest(plain):
            if options.name not in name:
                continue
            row("honest", name, judged(bodies))
    if "tricks" in parts:
        for name, bodies, copied in tricks(plain, public, rng):
            if options.name not in name:
                continue
            if copied:
                row("another's", name, judged(bodies, plain))
            else:
                row("added", name, judged(plain + as_much(bodies, plain)))
    show(
        rows,
        {"tried": f"{len(rows)}", "known": known, "broken": broken},
        to_json=options.json,
        docs="outside" * options.docs,
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
