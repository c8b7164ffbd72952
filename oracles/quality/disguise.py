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
_LETTER = rf"[^\W\d_{texts.UNSPACED}]"
#: Letters with a mark or a digit between them. No orthography has them that puts spaces between
#: words, but data and programs have marks between words.
_SPECK = re.compile(rf"{_LETTER}[^\w\s'’ʼ·./&()@:,+=\-‐‑–—־״׳]+{_LETTER}")
#: Between words that only their capitals keep apart.
_JOINED = re.compile(r"(?<=[^\W\d_A-Z]{2})(?=[A-Z][^\W\d_A-Z])")
_DIGITS_INSIDE = re.compile(rf"{_LETTER}\d+{_LETTER}")
#: A formula or a short name in which digits stand before capitals: H2O, I18N.
_FORMULA = re.compile(r"\W*(?=\w{2,6}\W*$)[A-Z](?:[A-Za-z]|\d(?=[A-Z\d]|\W*$))*\W*")
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


#: Letters of old books, and of typeset ones, which stand for those of the alphabet as they should.
_TYPESET = frozenset("\u017f\ufb00\ufb01\ufb02\ufb03\ufb04\ufb05\ufb06")


_LETTERS = re.compile(rf"{texts.LETTERS}(?:['’ʼ]{texts.LETTERS})*")
_RUN = re.compile(texts.LETTERS)


class Plain(NamedTuple):
    """A text as it reads.

    Attributes:
        text: Without disguise.
        letters: Letters of words that were tampered with, and characters of marks taken away.
        markup: Words of its markup that occur there once.
        parted: Of each token with marks between its letters the letters that stand together: a word
            with specks, or several words that marks keep apart.
    """

    text: str
    letters: int
    markup: list[str]
    parted: list[list[str]]


@lru_cache(1 << 14)
def _kind(character: str) -> str:
    """What is odd about a character outside of ASCII: `form`, `invisible`, a script, or nothing."""
    category = unicodedata.category(character)
    if category in ("Cc", "Cf", "Cn", "Co", "Cs"):
        return "invisible"
    if category[0] == "L":
        name = unicodedata.name(character, "")
        folded = unicodedata.normalize("NFKC", character)
        if folded != character and folded.isascii() and character not in _TYPESET:
            return "form"
        return next((script for script in _SCRIPTS if name.startswith(script)), "letter")
    return "mark" if category == "Mn" else ""


def _scripts(letters: str) -> set[str]:
    """The alphabets with letters that look alike to which some letters belong."""
    found = {_kind(letter) for letter in letters if not letter.isascii()} & set(_SCRIPTS)
    return found | {"LATIN"} if any(c.isascii() and c.isalpha() for c in letters) else found


@lru_cache(1 << 16)
def _word(token: str, unspaced: bool) -> tuple[str, bool, bool]:
    """A token as it reads, whether it is broken or was tampered with, and whether it has specks.

    Args:
        token: Without white space.
        unspaced: Whether it stands in a text without spaces between words, which sets Latin letters
            in its own width.
    """
    if token.isascii() and token.isalpha():
        return token, False, False
    plain, odd = _undone(token, unspaced)
    specked = _SPECK.search(plain) is not None and bool(_scripts(plain))
    return plain, odd or _BROKEN.search(plain) is not None, specked


def _undone(token: str, unspaced: bool) -> tuple[str, bool]:
    """A token as it reads, and whether it was tampered with."""
    if token.isascii():
        return token, _mixed(token)
    kinds = [_kind(character) for character in token]
    present = _scripts(token)
    latin = present == {"LATIN"}
    odd = "form" in kinds and not unspaced
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
        odd = odd or any(len(_scripts(run)) > 1 for run in _RUN.findall(plain))
        plain = _RUN.sub(_in_one_script, plain)
    if latin and "mark" in kinds:
        plain = "".join(c for c in plain if not unicodedata.combining(c))
    return plain.replace(_SPACES, " "), odd or bool(present and _mixed(plain))


def _mixed(token: str) -> bool:
    """Whether digits stand between letters as in no formula or short name, or marks between all."""
    if _DIGITS_INSIDE.search(token) and not _FORMULA.fullmatch(token):
        return True
    return _SPECK.search(token) is not None and 2 * len(_RUN.findall(token)) > sum(
        map(str.isalpha, token)
    )


def _in_one_script(run: re.Match[str]) -> str:
    """Letters that stand together, those of another alphabet as the ones that they look like."""
    return run[0].translate(_LOOKALIKE) if len(_scripts(run[0])) > 1 else run[0]


def undo(text: str) -> Plain:
    """Take the disguise off one normalised text, markup and codes first, then word by word."""
    from ftfy.badness import BADNESS_RE

    body, hiding = markup.unescaped(text)
    addresses = list[str]()

    def gone(found: re.Match[str]) -> str:
        addresses.append(found[0])
        return " "

    body = _ADDRESS.sub(gone, body)
    hiding += _addressed(addresses, body)
    body, taken, markup_words = markup.remove(body)
    taken += hiding
    if "%" in body:
        taken += sum(map(len, _PERCENT.findall(body)))
        body = decoded(body)
    body = "".join(texts.distinct(body, set()))
    if not body.isascii():
        for found in BADNESS_RE.finditer(body):
            taken += 5 * len(found[0])
    if 3 * len(_JOINED.findall(body)) > body.count(" "):
        body = _JOINED.sub(" ", body)
    unspaced = texts.unspaced(body)
    lines, parted = list[str](), list[list[str]]()
    for line in markup.unframed(body).split("\n"):
        words = []
        for token in line.split():
            parts = []
            for start in range(0, len(token), _LONGEST):
                plain, odd, specked = _word(token[start : start + _LONGEST], unspaced)
                if odd:
                    taken += max(1, sum(map(str.isalpha, plain)))
                elif specked:
                    parted.append(_RUN.findall(plain))
                parts.append(plain)
            words.append("".join(parts))
        lines.append(" ".join(words) if _speaks(words) else "")
    return Plain(texts.without_echoes("\n".join(lines)), taken, markup_words, parted)


def _addressed(addresses: list[str], left: str) -> int:
    """Letters of the different words in addresses beyond twice the letters that are left.

    A page has fewer, however many links; where there are more, they are a text in disguise.
    """
    if not addresses:
        return 0
    words = {word.casefold() for address in addresses for word in _RUN.findall(address)}
    return max(0, sum(map(len, words)) - 2 * sum(map(str.isalpha, left)))


def _speaks(tokens: list[str]) -> bool:
    """Whether at least half of a line is letters: not of rules, dot leaders, numbers."""
    line = "".join(tokens)
    return 2 * sum(len(word) for word in _LETTERS.findall(line)) >= len(line)


def words(text: str) -> list[str]:
    """The words of a plain text as they stand, without digits and marks."""
    return _LETTERS.findall(text)
