"""A text without its disguise: what a reader would see, and which words were tampered with.

Marks that say nothing are taken away: tags, entities, percent codes, invisible characters, accents
piled on a letter, compatibility forms, look-alike letters of another alphabet. What had to be taken
away counts as dirt, and the rest is judged as plain words, so no disguise hides what is under it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from oracles.passages import decoded
from oracles.quality import markup, texts

_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
#: Addresses, paths and numbers in the hexadecimal system.
_ADDRESS = re.compile(
    rf"{texts.URL}|(?<![\w.+-])[\w.+-]{{1,64}}@[\w.-]{{1,253}}"
    r"|(?<![\w/])(?:/[\w.+-]+){2,}|\b(?:0x[\da-fA-F]+|(?=[a-fA-F]*\d)[\da-fA-F]{8,})\b"
)
#: Letters with a mark or a digit between them, which no orthography has.
_SPECK = re.compile(r"[^\W\d_][^\w\s'’ʼ·./&()@:,+=\-‐‑–—־״׳]+[^\W\d_]")
#: Between words that only their capitals keep apart.
_JOINED = re.compile(r"(?<=[^\W\d_A-Z]{2})(?=[A-Z][^\W\d_A-Z])")
_DIGITS_INSIDE = re.compile(r"[^\W\d_]\d+[^\W\d_]")
_BROKEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\ufff9-\uffff\ufdd0-\ufdef\ud800-\udfff\ue000-\uf8ff]"
)
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")
_LOOKALIKE = str.maketrans(
    "аеорсухіјѕԁһкмтвнАВЕКМНОРСТХІЈЅοαενικρτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcyxijsdhkmtbhABEKMHOPCTXIJSoaevikptuxABEZHIKMNOPTYX",
)
#: Joiners and marks that these scripts need.
_JOINERS = "\u200c\u200d"
_SPACES = "\u200b"
#: Characters of a token that are looked at as one.
_LONGEST = 200


_LETTERS = re.compile(rf"{texts.LETTERS}(?:['’ʼ]{texts.LETTERS})*")


class Plain(NamedTuple):
    """A text as it reads.

    Attributes:
        text: Without disguise.
        letters: Letters of words that were tampered with, and characters of marks taken away.
        markup: Words of its markup that occur there once.
    """

    text: str
    letters: int
    markup: list[str]


@lru_cache(1 << 14)
def _kind(character: str) -> str:
    """What is odd about a character outside of ASCII: `form`, `invisible`, a script, or nothing."""
    category = unicodedata.category(character)
    if category in ("Cc", "Cf", "Cn", "Co", "Cs"):
        return "invisible"
    if category[0] == "L":
        name = unicodedata.name(character, "")
        folded = unicodedata.normalize("NFKC", character)
        if folded != character and folded.isascii():
            return "form"
        return next((script for script in _SCRIPTS if name.startswith(script)), "letter")
    return "mark" if category == "Mn" else ""


@lru_cache(1 << 16)
def _word(token: str) -> tuple[str, bool]:
    """A token as it reads, and whether it was tampered with."""
    if token.isascii():
        return token, bool(_SPECK.search(token) or _DIGITS_INSIDE.search(token))
    kinds = [_kind(character) for character in token]
    present = set(kinds) & set(_SCRIPTS)
    ascii_letters = any(c.isascii() and c.isalpha() for c in token)
    if ascii_letters:
        present.add("LATIN")
    latin = present <= {"LATIN"} and ("LATIN" in present)
    odd = "form" in kinds or len(present) > 1
    plain = token
    if "invisible" in kinds:
        needed = "" if present else _JOINERS + _SPACES
        plain = "".join(
            c for c, kind in zip(token, kinds, strict=True) if kind != "invisible" or c in needed
        )
        odd = odd or plain != token
    if latin and kinds.count("mark") > 2:
        odd = True
    plain = unicodedata.normalize("NFKC", plain)
    if len(present) > 1:
        plain = plain.translate(_LOOKALIKE)
    if latin and "mark" in kinds:
        plain = "".join(c for c in plain if not unicodedata.combining(c))
    return plain.replace(_SPACES, " "), odd or bool(
        present and (_SPECK.search(plain) or _DIGITS_INSIDE.search(plain))
    )


def undo(text: str) -> Plain:
    """Take the disguise off one normalised text, markup and codes first, then word by word."""
    from ftfy.badness import BADNESS_RE

    body, hiding = markup.unescaped(text)
    body, taken, markup_words = markup.remove(_ADDRESS.sub(" ", body))
    taken += hiding
    if "%" in body:
        taken += sum(map(len, _PERCENT.findall(body)))
        body = decoded(body)
    if not body.isascii():
        for found in BADNESS_RE.finditer(body):
            taken += 5 * len(found[0])
    if 3 * len(_JOINED.findall(body)) > body.count(" "):
        body = _JOINED.sub(" ", body)
    lines = []
    for line in markup.unframed(body).split("\n"):
        words = []
        for token in line.split():
            parts = []
            for start in range(0, len(token), _LONGEST):
                plain, odd = _word(token[start : start + _LONGEST])
                if odd or _BROKEN.search(plain):
                    taken += max(1, sum(map(str.isalpha, plain)))
                parts.append(plain)
            words.append("".join(parts))
        lines.append(" ".join(words) if _speaks(words) else "")
    return Plain(texts.without_echoes("\n".join(lines)), taken, markup_words)


def _speaks(tokens: list[str]) -> bool:
    """Whether at least half of a line is letters: not of rules, dot leaders, numbers."""
    line = "".join(tokens)
    return 2 * sum(len(word) for word in _LETTERS.findall(line)) >= len(line)


def words(text: str) -> list[str]:
    """The words of a plain text as they stand, without digits and marks."""
    return _LETTERS.findall(text)
