"""What damage and disguise do to q and volume: 129 kinds at four levels each.

    python -m benchmarks.quality.damage [--json] [--documents 16] [--processes 2]

Held-out passages of five English sources. No kind may raise q by more than 0.012 or volume by more
than 6 %, and one that leaves nothing readable must lower q by 0.1. Kinds marked with a star were
written after the metric was fixed, those with two after sense was read; nothing was tuned by them.
Those with three were written while forms were made to be judged by what is in them, those with four
after what makes a word unknown no longer took away its sense as well. Those with five are of 290
kinds that were written to attack the metric: all that broke a bound, and some that did not.
`KNOWN` lists what breaks a bound, with the reason. Exit code 1 if anything else does.
"""

from __future__ import annotations

import argparse
import base64
import codecs
import html
import random
import re
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from benchmarks.quality.common import show, texts
from oracles.dataset import Document
from oracles.quality import QualityParameters, QualityReport, score
from oracles.quality.damage import CachedEmbedder, mojibake, noise, ocr, well_described
from oracles.quality.embed import Embedder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LEVELS = (0.05, 0.2, 0.5, 1.0)
VOWELS = re.compile("[aeiouAEIOU]")
LOOKALIKE = str.maketrans("aeopcyxABEKMHOPCTX", "аеорсухАВЕКМНОРСТХ")
TRANSLITERATED = str.maketrans(
    "abvgdezijklmnoprstufhcyABVGDEZIJKLMNOPRSTUFHCY",
    "абвгдезийклмнопрстуфхцыАБВГДЕЗИЙКЛМНОПРСТУФХЦЫ",
)
LEET = str.maketrans("aeiost", "431057")
BOLD = {ord(c): chr(0x1D41A + i) for i, c in enumerate("abcdefghijklmnopqrstuvwxyz")}
RUSSIAN_KEYS = str.maketrans("qwertyuiopasdfghjklzxcvbnm", "йцукенгшщзфывапролдячсмить")
NEXT_KEY = str.maketrans("qwertyuiopasdfghjklzxcvbnm", "wertyuiop[sdfghjkl;xcvbnm,")
SPELLING = {
    name[0]: name
    for name in (
        "alfa", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett",
        "kilo", "lima", "mike", "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango",
        "uniform", "victor", "whiskey", "xray", "yankee", "zulu",
    )
}  # fmt: skip
GERMAN = ("der", "die", "das", "und", "nicht", "wir", "haben", "durch", "Menschen", "Regierung")
FRENCH = (
    "dans", "les", "mais", "une", "être", "avec", "qui", "pas", "cette", "des", "homme", "ville",
)  # fmt: skip
SPANISH = ("los", "pero", "una", "como", "más", "por", "del", "muy", "desde", "gobierno", "ciudad")
CHINESE = "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会"
WIDE = {c: chr(c + 0xFEE0) for c in range(0x21, 0x7F)}

Text = "Callable[[str, float, random.Random], str]"


def words(change: Callable[[str, random.Random], str]) -> Any:
    """Change a share of the words."""

    def damage(text: str, level: float, rng: random.Random) -> str:
        return re.sub(r"\S+", lambda m: change(m[0], rng) if rng.random() < level else m[0], text)

    return damage


def followed(theirs: Sequence[str]) -> Callable[[str, random.Random], str]:
    """A word, and one of theirs after it."""
    return lambda word, rng: f"{word} {rng.choice(theirs)}"


def each_third(
    change: Callable[[str, random.Random], str],
) -> Callable[[str, random.Random], str]:
    """Change each third word of a line."""
    return lambda line, rng: " ".join(
        change(word, rng) if n % 3 == 0 else word for n, word in enumerate(line.split())
    )


def whole(change: Callable[[str, random.Random], str]) -> Any:
    """Change a share of the sentences."""

    def damage(text: str, level: float, rng: random.Random) -> str:
        sentences = re.split(r"(?<=[.!?]) ", text)
        return " ".join(change(s, rng) if rng.random() < level else s for s in sentences)

    return damage


def hidden(change: Callable[[str, random.Random], str]) -> Any:
    """A fifth of all letters misread, then disguised: compared with the undisguised."""

    def damage(text: str, level: float, rng: random.Random) -> str:
        lines = re.sub(r"(?<=[.!?]) ", "\n", noise(text, 0.2, random.Random(5))).split("\n")
        return "\n".join(change(x, rng) if rng.random() < level else x for x in lines)

    return damage


def shuffled(text: str, rng: random.Random) -> str:
    """Words in random order."""
    found = text.split()
    rng.shuffle(found)
    return " ".join(found)


def novowels(text: str, level: float, rng: random.Random) -> str:
    """A share of the vowels dropped."""
    return VOWELS.sub(lambda match: "" if rng.random() < level else match[0], text)


def random_case(word: str, rng: random.Random) -> str:
    """Each letter large or small by chance."""
    return "".join(rng.choice((letter.upper(), letter.lower())) for letter in word)


def split(word: str, rng: random.Random) -> str:
    """A space inside."""
    place = rng.randrange(1, max(2, len(word)))
    return f"{word[:place]} {word[place:]}"


def swapped(word: str, rng: random.Random) -> str:
    """Two neighbouring letters exchanged."""
    place = rng.randrange(max(1, len(word) - 1))
    return word[:place] + word[place : place + 2][::-1] + word[place + 2 :]


def bag(text: str, rng: random.Random) -> str:
    """The longer words of a text, nine a sentence."""
    topic = [w.strip(".,;:()").lower() for w in text.split() if len(w) > 5] or ["nothing"]
    drawn = [rng.choice(topic) for _ in text.split()]
    return " ".join(" ".join(drawn[i : i + 9]).capitalize() + "." for i in range(0, len(drawn), 9))


def log(text: str, rng: random.Random) -> str:
    """A line of a server's log before each sentence."""
    return f"\n2026-01-0{rng.randrange(1, 9)} INFO request {rng.randrange(10**6)} served\n{text}"


def contents(text: str, rng: random.Random) -> str:
    """A line of a table of contents."""
    return f"{text}\n{' '.join(text.split()[:4])} {'.' * 60} {rng.randrange(300)}\n"


def header(text: str, rng: random.Random) -> str:
    """A page's header before each sentence."""
    return f"\nAnnual report of the district hospital, page {rng.randrange(300)} of 300\n{text}"


def contact(text: str, rng: random.Random) -> str:
    """Contact data after each sentence."""
    n = rng.randrange(10**6)
    return f"{text}\nPhone +44 20 7946 {n:06d}, fax {n:06d}, write to person{n}@clinic.org\n"


def anagram(word: str, rng: random.Random) -> str:
    """The letters between the first and the last in another order."""
    inner = list(word[1:-1])
    rng.shuffle(inner)
    return word[:1] + "".join(inner) + word[-1:] if len(word) > 3 else word


def spelled(word: str, _: random.Random) -> str:
    """As it sounds, in nobody's spelling."""
    for old, new in (
        ("ough", "uf"),
        ("ph", "f"),
        ("tion", "shun"),
        ("ck", "k"),
        ("c", "k"),
        ("qu", "kw"),
        ("x", "ks"),
        ("ea", "ee"),
        ("igh", "y"),
        ("th", "dh"),
    ):
        word = word.replace(old, new)
    return word


def columns(text: str, level: float, _: random.Random) -> str:
    """Two columns of a page read straight across."""
    found = text.split()
    size = int(len(found) * level) // 2
    left, right, rest = found[:size], found[size : 2 * size], found[2 * size :]
    lines = [
        word
        for place in range(0, size, 6)
        for word in left[place : place + 6] + right[place : place + 6]
    ]
    return " ".join(lines + rest)


def halves(text: str, level: float, rng: random.Random) -> str:
    """Sentences of which each goes on as another one."""
    found = [sentence.split() for sentence in re.split(r"(?<=[.!?]) ", text)]
    ends = [words[len(words) // 2 :] for words in found]
    rng.shuffle(ends)
    return " ".join(
        " ".join(words[: len(words) // 2] + end if rng.random() < level else words)
        for words, end in zip(found, ends, strict=True)
    )


def stutter(text: str, level: float, rng: random.Random) -> str:
    """Words said again, up to four times."""
    return " ".join(
        " ".join([word] * (rng.randrange(2, 5) if rng.random() < level else 1))
        for word in text.split()
    )


def dropped(text: str, level: float, rng: random.Random) -> str:
    """Up to half of the words missing."""
    return " ".join(word for word in text.split() if rng.random() > level / 2)


def broken_lines(text: str, level: float, rng: random.Random) -> str:
    """Words broken at the ends of narrow lines."""
    return words(lambda w, _: f"{w[: len(w) // 2]}-\n{w[len(w) // 2 :]}" if len(w) > 5 else w)(
        text, level, rng
    )


def wrapped(text: str) -> list[str]:
    """A text in narrow lines."""
    return [line for row in text.split("\n") for line in textwrap.wrap(row, 60)]


def interleaved(text: str, level: float, _: random.Random) -> str:
    """Lines of one part of a text between those of another."""
    lines = wrapped(text)
    size = int(len(lines) * level) // 2
    first = zip(lines[:size], lines[size : 2 * size], strict=True)
    return "\n".join([line for pair in first for line in pair] + lines[2 * size :])


def numbered_twice(text: str, level: float, rng: random.Random) -> str:
    """Lines that are said twice, each with its number."""
    return "\n".join(
        f"{n}: {line}\n{n + 1}: {line}" if rng.random() < level else line
        for n, line in enumerate(wrapped(text))
    )


def sliding(text: str, _: random.Random) -> str:
    """Six words of a text, then six that begin two words on, and so forth."""
    found = text.split()
    return " ".join(" ".join(found[n : n + 6]) for n in range(0, max(1, len(found) - 5), 2))


def boxed(text: str, _: random.Random) -> str:
    """A table that is drawn of lines, five words a row."""
    found = text.split()
    rule = "├" + "┼".join(["─" * 14] * 5) + "┤"
    rows = [found[n : n + 5] for n in range(0, len(found), 5)]
    return "\n".join("│ " + " │ ".join(f"{w:<12}" for w in row) + f" │\n{rule}" for row in rows)


def in_letters_from(first: int) -> Any:
    """Hidden in the letters of another script."""
    letters = {ord("a") + n: first + n for n in range(26)}
    return hidden(lambda x, _: x.lower().translate(letters))


def paired(text: str) -> list[tuple[str, str]]:
    """The words of a text, two by two."""
    found = re.findall("[A-Za-z]+", text)
    return list(zip(found[::2], found[1::2], strict=False))


KINDS: dict[str, tuple[bool, Any]] = {
    "letters misread (OCR)": (True, lambda t, v, r: ocr(t, v, r)),
    "letters replaced": (True, lambda t, v, r: noise(t, v, r)),
    "letters dropped": (True, lambda t, v, r: "".join(c for c in t if r.random() > v / 2)),
    "vowels dropped": (True, novowels),
    "neighbouring letters exchanged": (True, words(swapped)),
    "words reversed": (True, words(lambda w, _: w[::-1])),
    "digits for letters (leet)": (True, words(lambda w, _: w.translate(LEET))),
    "specks inside words": (True, words(lambda w, r: w[:2] + r.choice("|~^*") + w[2:])),
    "spaces inside words": (True, words(split)),
    "spaces lost": (True, lambda t, v, r: re.sub(" ", lambda _: "" if r.random() < v else " ", t)),
    "look-alike letters": (True, words(lambda w, _: w.translate(LOOKALIKE))),
    "transliterated": (True, whole(lambda s, _: s.translate(TRANSLITERATED))),
    "mathematical letters": (False, words(lambda w, _: w.translate(BOLD))),
    "full-width letters": (False, words(lambda w, _: w.translate(WIDE))),
    "zero-width joiners": (False, words(lambda w, _: "\u200d".join(w))),
    "soft hyphens": (False, words(lambda w, _: "\u00ad".join(w))),
    "accents piled on letters": (False, words(lambda w, _: "".join(c + "\u0301\u0323" for c in w))),
    "percent codes": (False, words(lambda w, _: "".join(f"%{b:02x}" for b in w.encode()))),
    "HTML entities": (False, words(lambda w, _: "".join(f"&#{ord(c)};" for c in w))),
    "tags around words": (False, words(lambda w, _: f"<b class='x'>{html.escape(w)}</b>")),
    "mojibake": (False, whole(mojibake)),
    "base64": (True, whole(lambda s, _: base64.b64encode(s.encode()).decode())),
    "shuffled words": (True, whole(shuffled)),
    "bags of topic words": (True, whole(bag)),
    "Title Case": (False, words(lambda w, _: w.capitalize())),
    "UPPER CASE": (False, words(lambda w, _: w.upper())),
    "rAnDoM case": (False, words(random_case)),
    "dot leaders": (False, whole(contents)),
    "page headers": (False, whole(header)),
    "log lines": (False, whole(log)),
    "contact data": (False, whole(contact)),
    "each sentence twice": (False, whole(lambda s, _: f"{s} {s}")),
    "hidden by // ": (True, hidden(lambda x, _: f"// {x}")),
    "hidden by # ": (True, hidden(lambda x, _: f"# {x}")),
    "hidden by backticks": (True, hidden(lambda x, _: " ".join(f"`{w}`" for w in x.split()))),
    "hidden by a brace": (True, hidden(lambda x, _: f"{x} {{")),
    "hidden by an assignment": (True, hidden(lambda x, _: f'line = "{x}"')),
    "hidden by Title Case": (True, hidden(lambda x, _: x.title())),
    "hidden by tags": (True, hidden(lambda x, _: f"<p>{x}</p>")),
    "hidden by a table": (True, hidden(lambda x, _: "| " + " | ".join(x.split()) + " |")),
    # Written after the metric was fixed.
    "* ROT13": (True, whole(lambda s, _: codecs.encode(s, "rot13"))),
    "* pig Latin": (True, words(lambda w, _: w[1:] + w[:1] + "ay")),
    "* sentences reversed word by word": (True, whole(lambda s, _: " ".join(s.split()[::-1]))),
    "* letters doubled": (True, words(lambda w, _: "".join(c + c for c in w))),
    "* words joined by underscores": (False, whole(lambda s, _: s.replace(" ", "_"))),
    "* hidden by quotation marks": (True, hidden(lambda x, _: f"> “{x}”")),
    "* hidden as camelCase": (True, hidden(lambda x, _: "".join(x.title().split()) + "();")),
    # Written after sense was read.
    "** columns read across": (True, columns),
    "** halves of sentences joined": (False, halves),
    "** words dropped": (False, dropped),
    "** words stuttered": (False, stutter),
    "** lines broken inside words": (False, broken_lines),
    "** inner letters in another order": (True, words(anagram)),
    "** spelled as it sounds": (True, words(spelled)),
    "** letters as numbers": (
        True,
        words(lambda w, _: "-".join(str(ord(c) % 32) for c in w if c.isalpha())),
    ),
    "** emoji between words": (
        False,
        words(lambda w, r: f"{w} {chr(r.randrange(0x1F600, 0x1F640))}"),
    ),
    "** one script to another": (
        True,
        whole(lambda s, _: s.translate({x: 0x3B1 + (x - 97) % 24 for x in range(97, 123)})),
    ),
    "** hidden in JSON": (True, hidden(lambda x, _: f'{{"text": "{x}", "ok": true}}')),
    "** hidden in LaTeX": (
        True,
        hidden(lambda x, _: " ".join(rf"\emph{{{word}}}" for word in x.split())),
    ),
    "** hidden by line numbers": (True, hidden(lambda x, r: f"{r.randrange(9999)}: {x}")),
    "** hidden by bullets": (True, hidden(lambda x, _: "\n".join(f"* {w}" for w in x.split()))),
    "** hidden by UPPER CASE": (True, hidden(lambda x, _: x.upper())),
    # Written while forms were made to be judged by what is in them.
    "*** hidden in YAML": (True, hidden(lambda x, _: f"- text: {x}\n  label: neutral")),
    "*** hidden in XML": (
        True, hidden(lambda x, _: f"<record><text>{x}</text><label>neutral</label></record>"),
    ),
    "*** hidden in INI": (True, hidden(lambda x, r: f"[entry{r.randrange(99)}]\nvalue = {x}")),
    "*** hidden in SQL": (
        True,
        hidden(
            lambda x, r: f"INSERT INTO notes (id, body) VALUES ({r.randrange(99)}, '{x}');"  # noqa: S608
        ),
    ),
    "*** hidden in CSV": (True, hidden(lambda x, r: f'{r.randrange(999)},"{x}",open,2021-03-04')),
    "*** hidden in links of Markdown": (
        True,
        hidden(lambda x, _: " ".join(
            f"[{w}](https://example.org/{n})" for n, w in enumerate(x.split()))),
    ),
    "*** hidden in snake_case": (
        True, hidden(lambda x, _: re.sub(r"\W+", "_", x).strip("_").lower() + "()"),
    ),
    "*** hidden in kebab-case": (True, hidden(lambda x, _: "-".join(x.split()))),
    "*** hidden in names of pairs": (
        True,
        hidden(lambda x, _: "\n".join(
            f"{a.lower()}{b.title()}(this);"
            for a, b in zip(x.split()[::2], x.split()[1::2], strict=False))),
    ),
    "*** hidden in attributes, each twice": (
        True,
        hidden(lambda x, _: "\n".join(
            f"self.{b} = {a}" for a, b in pairwise(re.findall("[a-z]+", x)))),
    ),
    "*** hidden in printf": (True, hidden(lambda x, _: f'printf("{x}\\n");')),
    "*** hidden in short strings": (
        True,
        hidden(lambda x, _: "\n".join(
            f'fprintf(stderr, "{part}");' for part in textwrap.wrap(x, 24))),
    ),
    "*** hidden in typed constants": (
        True, hidden(lambda x, _: f'export const note: string = "{x}";'),
    ),
    "*** hidden in BibTeX": (
        True,
        hidden(lambda x, r: f"@book{{key{r.randrange(99)},\n  title = {{{x}}},\n  year = 2001\n}}"),
    ),
    "*** hidden in reST": (True, hidden(lambda x, _: f".. note:: {x}\n\n   *{x[:9]}*")),
    "*** hidden in a wiki": (True, hidden(lambda x, _: f"'''{x}''' [[Category:Texts]]")),
    "*** hidden in items of LaTeX": (True, hidden(lambda x, _: rf"\item {x}")),
    "*** hidden in comments of HTML": (
        True, hidden(lambda x, _: f"<p>And so it was.</p><!-- {x} -->"),
    ),
    "*** hidden in attributes of HTML": (True, hidden(lambda x, _: f'<p title="{x}">Yes.</p>')),
    "*** hidden in a chat": (
        True, hidden(lambda x, r: f"[12:{r.randrange(10, 60)}] <{r.choice(['anna', 'joe'])}> {x}"),
    ),
    "*** hidden in a log": (
        True, hidden(lambda x, r: f"2026-01-01 12:00:{r.randrange(60)} INFO server request: {x}"),
    ),
    # Written after words that are unknown and words without sense were lost once.
    "**** hidden in subtitles of the web": (
        True, hidden(lambda x, r: f"00:{r.randrange(60):02d}.000 --> 00:59.900\n<v Anna>{x}"),
    ),
    "**** hidden in RTF": (True, hidden(lambda x, _: rf"\pard\sa200\f0\fs24 {x}\par")),
    "**** hidden in requests of troff": (True, hidden(lambda x, _: f".TP\n.B \\-a\n{x}")),
    "**** hidden in templates of a wiki": (
        True, hidden(lambda x, r: f"{x}<ref>{{{{cite web|url=http://x.org/{r.randrange(99)}}}}}</ref>"),
    ),
    "**** hidden in lines of JSON": (
        True, hidden(lambda x, _: f'{{"turns": [{{"from": "human", "value": "{x}"}}]}}'),
    ),
    "**** hidden in AsciiDoc": (True, hidden(lambda x, r: f"[[p{r.randrange(99)}]]\n\nNOTE: {x}")),
    "**** hidden in columns of tags": (
        True, hidden(lambda x, _: "\n".join(f"{w}\tNOUN\t_" for w in x.split())),
    ),
    "**** hidden in arguments, each twice": (
        True,
        hidden(lambda x, _: "run("
               + ", ".join(f"{a}={b}" for a, b in pairwise(re.findall("[a-z]+", x))) + ")"),
    ),
    "**** hidden in an enumeration": (
        True, hidden(lambda x, _: "  " + "_".join(re.findall("[A-Za-z]+", x)).upper() + ","),
    ),
    "**** hidden in docstrings": (
        True,
        hidden(lambda x, r: f'def part{r.randrange(99)}(items):\n    """{x}"""\n    return items'),
    ),
    # Written to attack the metric.
    "***** letters with full stops": (True, words(lambda w, _: ".".join(w))),
    "***** first letters stuttered": (True, words(lambda w, _: f"{w[:1]}-{w[:1]}-{w}")),
    "***** words cut to three letters": (True, words(lambda w, _: w[:3])),
    "***** spelling alphabet": (
        True, words(lambda w, _: " ".join(SPELLING.get(c, c) for c in w.lower())),
    ),
    "***** keys of a Russian keyboard": (True, whole(lambda s, _: s.translate(RUSSIAN_KEYS))),
    "***** the next key": (True, words(lambda w, _: w.translate(NEXT_KEY))),
    "***** characters that cannot be shown": (
        True, words(lambda w, r: "".join("\ufffd" if r.random() < 0.25 else c for c in w)),
    ),
    "***** UTF-16 read as Latin-1": (
        False, whole(lambda s, _: s.encode("utf-16-le").decode("latin-1")),
    ),
    "***** quoted-printable": (
        False, words(lambda w, _: "".join(f"={byte:02X}" for byte in w.encode())),
    ),
    "***** numbers between words": (False, words(lambda w, r: f"{w} {r.randrange(1000)}")),
    "***** numbers in superscript": (False, words(lambda w, r: w + r.choice("¹²³⁴⁵"))),
    "***** notes in brackets": (False, words(lambda w, r: f"{w}[{r.randrange(100)}]")),
    "***** bars behind words": (False, words(lambda w, _: f"{w} |")),
    "***** words with parts of speech": (
        False, words(lambda w, r: f"{w}_{r.choice(['NN', 'DT', 'IN', 'VBD', 'JJ', 'PRP'])}"),
    ),
    "***** a table drawn of lines": (False, whole(boxed)),
    "***** written as paths": (False, whole(lambda s, _: "/" + "/".join(re.findall(r"\w+", s)))),
    "***** lines interleaved": (False, interleaved),
    "***** lines twice, numbered": (False, numbered_twice),
    "***** sentences and their halves": (
        False, whole(lambda s, _: f"{s} {' '.join(s.split()[: len(s.split()) // 2])}."),
    ),
    "***** sentences before and after a change": (
        False, whole(lambda s, _: f"\n- {s}\n+ {s.replace(' the ', ' a ')}\n"),
    ),
    "***** sliding windows": (False, whole(sliding)),
    "***** German words between": (True, words(followed(GERMAN))),
    "***** French words between": (True, words(followed(FRENCH))),
    "***** Spanish words between": (True, words(followed(SPANISH))),
    "***** hidden in Thai letters": (True, in_letters_from(0x0E01)),
    "***** hidden in kana": (True, in_letters_from(0x30AB)),
    "***** hidden in Chinese signs": (True, in_letters_from(0x4E00)),
    "***** hidden between Chinese": (
        True, hidden(lambda x, r: f"{x} {''.join(r.choices(CHINESE, k=len(x) // 3))}"),
    ),
    "***** hidden between German": (True, hidden(each_third(followed(GERMAN)))),
    "***** hidden between French": (True, hidden(each_third(followed(FRENCH)))),
    "***** hidden by repetition": (True, hidden(lambda x, _: " ".join([x] * 4))),
    "***** hidden in words said thrice": (
        True, hidden(lambda x, _: " ".join(f"{w} {w} {w}" for w in x.split())),
    ),
    "***** hidden in Ruby": (True, hidden(lambda x, _: f"puts '{x}' if item.valid?")),
    "***** hidden in Lua": (
        True, hidden(lambda x, r: f"local t = {{ text = [[{x}]], n = {r.randrange(99)} }}"),
    ),
    "***** hidden in an environment": (
        True,
        hidden(lambda x, r: "\n".join(
            f"export {a.upper()}_{b.upper()}={r.randrange(99)}" for a, b in paired(x))),
    ),
    "***** hidden in fields of Java": (
        True,
        hidden(lambda x, _: "\n".join(
            f"private int {w.lower()} = {n};" for n, w in enumerate(re.findall("[A-Za-z]+", x)))),
    ),
    "***** hidden in rules of make": (
        True,
        hidden(lambda x, _: "\n".join(
            f"{a.lower()}.o: {b.lower()}.c\n\t$(CC) -c {b.lower()}.c" for a, b in paired(x))),
    ),
    "***** hidden in Fortran": (
        True, hidden(lambda x, _: f"      WRITE(*,*) '{x}'\nC     {x[:9]}"),
    ),
    "***** hidden in keys of JSON": (True, hidden(lambda x, r: f'{{"{x}": {r.randrange(9)}}}')),
}  # fmt: skip


#: Kinds that break a bound, and why that is accepted.
KNOWN: dict[str, str] = {
    "bags of topic words": "few words, each said often, read as lists of codes do (ICD-10)",
    "***** spelling alphabet": "real words; at 5 % they count before they recur",
    "***** sliding windows": "a third of each window is new",
    "***** hidden in Thai letters": "too few letters in one language at 5 % to tell",
    "***** hidden in kana": "too few letters in one language at 5 % to tell",
    "***** hidden in Chinese signs": "too few letters in one language at 5 % to tell",
    "***** hidden by repetition": "what ends without a full stop is not told from its copy",
    "**** hidden in docstrings": "some is told from its frame in part; the cause was not found",
    "***** hidden in Lua": "a table of codes, one of the texts, is told from its frame in part",
    "***** hidden in rules of make": "each word is said twice, and some are words of the list",
    "***** hidden in Fortran": "the first words of a sentence are said again",
}


def caught(report: QualityReport) -> str:
    """Which measurements took more than a twentieth of the letters, and how many hundredths."""
    tally = report.evidence["tally"]
    letters = max(1, tally["kept"]["letters"])
    shares = {kind: 100 * lost // letters for kind, lost in tally["errors"].items()}
    found = sorted((-n, kind) for kind, n in shares.items() if n >= 5)
    return ", ".join(f"{kind.replace('_', ' ')} {-n}" for n, kind in found)


def measure(kind: str, bodies: list[str]) -> list[dict[str, Any]]:
    """Rows of one kind, its undamaged (for disguises: undisguised) row first."""
    today, embedder = QualityParameters().today, embedder_()
    unreadable, change = KINDS[kind]
    rows = []
    for level in (0.0, *LEVELS):
        rng = random.Random(7)
        documents = [
            Document(change(d.text, level, rng), d.metadata) for d in well_described(bodies, today)
        ]
        report = score(documents, embedder=embedder)
        rows.append(
            {
                "kind": kind,
                "level": level,
                "q": report.q / 1e4,
                "cleanliness": report.cleanliness / 1e4,
                "volume": report.volume,
                "found by": caught(report),
                "unreadable": unreadable,
            }
        )
    return rows


_EMBEDDER: list[Any] = []


def embedder_() -> Any:
    """One embedder a process."""
    if not _EMBEDDER:
        _EMBEDDER.append(CachedEmbedder(Embedder()))
    return _EMBEDDER[0]


def main() -> int:
    """Print the table and what breaks a bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--docs", action="store_true", help="write docs/quality.md")
    parser.add_argument("--documents", type=int, default=16)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kind", help="only kinds that contain this")
    options = parser.parse_args()
    bodies = texts(options.documents)
    kinds = [kind for kind in KINDS if (options.kind or "") in kind]
    with ProcessPoolExecutor(options.processes) as pool:
        groups = list(pool.map(partial(measure, bodies=bodies), kinds))
    table: list[dict[str, Any]] = []
    broken, known = [], []

    def breaks(kind: str, what: str) -> None:
        reason = KNOWN.get(kind)
        (known if reason else broken).append(f"{kind}: {what}" + (f" ({reason})" if reason else ""))

    for base, *rows in groups:
        hidden_kind = "hidden" in base["kind"]
        for row in rows:
            rise = round(row["q"] - base["q"], 4)
            more = round(row["volume"] / max(1, base["volume"]) - 1, 4)
            table.append(
                {
                    "kind": row["kind"],
                    "level": row["level"],
                    "q": row["q"],
                    "change of q": rise,
                    "cleanliness": row["cleanliness"],
                    "change of volume": more,
                    "found by": row["found by"],
                }
            )
            if rise > 0.012 or more > 0.06:
                breaks(row["kind"], f"q {rise:+.3f}, volume {more:+.1%} at {row['level']}")
        if base["unreadable"] and not hidden_kind and rows[-1]["q"] > base["q"] - 0.1:
            breaks(base["kind"], "unreadable, but q falls by less than 0.1")
    show(
        table,
        {"kinds": len(kinds), "known": known, "broken": broken},
        to_json=options.json,
        docs="damage" * options.docs,
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
