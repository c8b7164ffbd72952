"""Characters thrown together by chance, found in any script without knowing the language.

In every language, and in program source, a letter depends on the letters before it, so runs of four
recur far more often than their letters alone explain. Friedman's index of coincidence counts such
recurrences: over 60,000 passages in 500 languages and several kinds of source they are at least
twice what independent characters give, and for random characters they are what chance gives. Digits
are left out, since a table of numbers looks random and is not dirt. What has no grammar by its
nature, such as base64 or DNA, does count.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from oracles.quality import texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Characters of a passage that is judged; the last one of a text may be half as long, or longer.
PASSAGE = 1200
_DIGITS = re.compile(r"\d+")
_RUN = re.compile(r"(.)\1+")
_GRAM, _REPEAT = 4, 12
#: Recurrences, as a multiple of what chance gives, that any text has.
_ALWAYS = 2
#: The same for a text whose language was not recognised, which may be language damaged past
#: recognition, and where hardly any word recurs besides.
_UNRECOGNISED, _UNRECOGNISED_LOOSE = 4, 12
_RECURRING_WORDS = Fraction(12, 100)
#: One recurrence in so many characters is added to what chance gives, as an allowance for luck.
_ALLOWANCE = 200
#: Characters of a passage for each error.
WORD = 5


def readable(text: str) -> str:
    """What is judged of a text: no digits, one space for any white space, no unprintable marks."""
    body = " ".join(_DIGITS.sub("", text.casefold()).split())
    if body.isprintable():
        return body
    return " ".join("".join(filter(str.isprintable, body)).split())


def errors(body: str, *, recognised: bool) -> int:
    """Errors by random characters, one for five characters of each passage that consists of them.

    Args:
        body: See `readable`. Shorter than half a passage, it is not judged.
        recognised: Whether the language was detected, or is that of a program.
    """
    whole = max(1, (len(body) + PASSAGE // 2) // PASSAGE)
    bounds = [PASSAGE * i for i in range(whole)] + [len(body)]
    passages = [body[start:end] for start, end in pairwise(bounds)]
    return sum(
        len(passage) // WORD
        for passage in passages
        if 2 * len(passage) >= PASSAGE and is_random(passage, recognised=recognised)
    )


def is_random(passage: str, *, recognised: bool) -> bool:
    """Whether the characters of a passage hardly depend on each other."""
    letters = _RUN.sub(r"\1", passage.replace(" ", ""))
    if 4 * len(letters) < PASSAGE:  # rules and dotted lines
        return False
    found, by_chance = coincidences(letters)
    by_chance += Fraction(len(letters), _ALLOWANCE)
    limit = _ALWAYS if recognised else _UNRECOGNISED
    if not recognised and not texts.unspaced(passage) and _recurring(passage) < _RECURRING_WORDS:
        limit = _UNRECOGNISED_LOOSE
    return found < limit * by_chance


def coincidences(letters: str) -> tuple[int, Fraction]:
    """Ordered pairs of equal 4-grams, and how many independent characters would give.

    Pairs inside of longer repeats do not count, so that copying random characters does not help.

    Args:
        letters: Of one passage: at least a dozen, fewer than 2,048, no lone surrogates.
    """
    codes = np.frombuffer(letters.encode("utf-32-le"), "<u4").astype(np.int64)
    singles, chance = _numbered(codes)
    grams, found = _numbered(_joined(singles, 1, _GRAM))
    _, inside_repeats = _numbered(_joined(grams, _GRAM, _REPEAT // _GRAM))
    size = len(grams)
    expected = Fraction(chance, len(letters) * (len(letters) - 1)) ** _GRAM * size * (size - 1)
    return found - inside_repeats, expected


def _joined(ids: NDArray[np.int64], step: int, count: int) -> NDArray[np.int64]:
    """Every `count` numbers below 2,048, `step` apart, as one number."""
    size = len(ids) - step * (count - 1)
    joined: NDArray[np.int64] = np.zeros(size, np.int64)
    for part in range(count):
        joined = (joined << 11) + ids[step * part : step * part + size]
    return joined


def _numbered(items: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Items numbered by value from 0, and the ordered pairs of equal ones."""
    _, ids, counts = np.unique(items, return_inverse=True, return_counts=True)
    return ids, int((counts * (counts - 1)).sum())


def _recurring(passage: str) -> Fraction:
    """Share of words, longer than two letters, that occur again in a passage."""
    words = (word.strip(string.punctuation) for word in passage.split())
    counts = Counter(word for word in words if len(word) > 2)
    recurring = sum(n for n in counts.values() if n > 1)
    return Fraction(recurring, max(1, counts.total()))
