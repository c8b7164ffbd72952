"""Word lists of languages: which words a language has, and what its words look like."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from fractions import Fraction
from functools import lru_cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Words of the list, from the top, that make up running text.
_STOP_WORDS = 120
#: Words of the frequency list, from the top, whose letter trigrams are taken for the language's.
_COMMON_WORDS = 30_000
#: Words rarer than 1e-7 do not count as known: misspellings are among them. In hundredths of a
#: power of ten, as the frequency lists have it.
_RAREST = 700
#: Language codes of the detector that the frequency lists name otherwise.
_ALIAS = {"no": "nb", "iw": "he", "tl": "fil"}
#: Between letters of Indian and Arabic words; some print it where lists do not.
_JOINER = re.compile("[\u200c\u200d]")
#: ASCII letters of a word that must be among the common ones: a third of all runs of three are
#: somewhere in the list of English, as abbreviations of something.
_BRIEF = 3
#: Longer runs of letters are no words, and take a dictionary long.
_LONGEST_WORD = 45
_LONGEST_PLAUSIBLE = 24
#: Languages in Latin letters. Lists of one have words of others, from titles and quotations.
_LATIN = (
    "ca", "cs", "da", "de", "en", "es", "fi", "fil", "fr", "hu", "id", "is", "it", "lt", "lv", "ms",
    "nb", "nl", "pl", "pt", "ro", "sh", "sk", "sl", "sv", "tr", "vi",
)  # fmt: skip
#: A word is another language's if it is among so many of that one's most frequent words, and so
#: many hundredths of a power of ten more frequent there.
_THEIR_WORDS = 2000
_MORE_FREQUENT = 200
#: Compared without accents, which polytonic, monotonic and capital spelling set differently.
ACCENTLESS = frozenset({"el"})
#: Lists of these are of pieces, not of words between spaces.
_SEGMENTED = frozenset({"ja", "ko", "th", "zh", "zh-Hant"})
#: British endings and their American ones: the dictionary that installs has en_US only.
_BRITISH = (
    ("isation", "ization"), ("ise", "ize"), ("ising", "izing"), ("yse", "yze"), ("our", "or"),
    ("tre", "ter"), ("ll", "l"), ("ae", "e"), ("oe", "e"), ("ogue", "og"), ("ence", "ense"),
)  # fmt: skip
#: Before 1700 u and v were one letter, and i and j; the place in the word decided which form stood.
_OLD = (
    (re.compile("^v(?=[^aeiou])"), "u"),
    (re.compile("(?<=[aeiloru])u(?=[aeioy])"), "v"),
    (re.compile("^i(?=[aeou])"), "j"),
)


class Lexicon(NamedTuple):
    """Words of a language, common and most frequent ones, their share, and letter trigrams.

    `foreign` are words of its list that another language has a hundred times as often.
    """

    known: frozenset[str]
    common: frozenset[str]
    stop: frozenset[str]
    stop_share: Fraction
    trigrams: frozenset[str]
    foreign: frozenset[str]

    def plausible(self, word: str) -> bool:
        """Whether every letter trigram of a word occurs in the language; glued words are long."""
        return len(word) <= _LONGEST_PLAUSIBLE and all(
            gram in self.trigrams for gram in _trigrams(word)
        )


def _trigrams(word: str) -> list[str]:
    padded = f"^{word}$"
    return [padded[i : i + 3] for i in range(len(padded) - 2)]


@lru_cache(maxsize=32)
def lexicon(language: str) -> Lexicon | None:
    """The lexicon of a language, from its word-frequency list; `None` where there is none."""
    import wordfreq

    language = _ALIAS.get(language, language)
    if language in _SEGMENTED or language not in wordfreq.available_languages("best"):
        return None
    # Words come in classes of equal frequency, 10^(-n/100) for the n-th class.
    classes = wordfreq.get_frequency_list(language, wordlist="best")[: _RAREST + 1]
    if language in ACCENTLESS:
        classes = [[without_accents(word) for word in words] for words in classes]
    words = [word for word, _ in islice(_ranked(classes), _COMMON_WORDS)]
    seen = Counter(gram for word in words for gram in _trigrams(word))
    common = frozenset(words)
    foreign = _foreign(classes, language) if language in _LATIN else frozenset()
    return Lexicon(
        frozenset(
            word
            for word in chain.from_iterable(classes)
            if len(word) > _BRIEF or word in common or not word.isascii()
        )
        - foreign,
        common,
        frozenset(words[:_STOP_WORDS]),
        _stop_share(classes),
        frozenset(gram for gram, times in seen.items() if times > 1),
        foreign,
    )


def _foreign(classes: Sequence[Sequence[str]], language: str) -> frozenset[str]:
    """Words of a language's list, by frequency, that are another's; its dictionary knows none."""
    elsewhere = _frequencies()
    return frozenset(
        word
        for frequency, words in enumerate(classes)
        for word in words
        if frequency - elsewhere.get(word, frequency) >= _MORE_FREQUENT
        and not (language == "en" and word.isascii() and _speller().spell(word))
    )


@lru_cache(maxsize=1)
def _frequencies() -> dict[str, int]:
    """Most frequent words of languages in Latin letters, each as often as where it is oftenest."""
    import wordfreq

    found: dict[str, int] = {}
    for language in _LATIN:
        ranked = _ranked(wordfreq.get_frequency_list(language, "small"))
        longer = (each for each in ranked if len(each[0]) > 2)  # shorter ones abbreviate something
        for word, frequency in islice(longer, _THEIR_WORDS):
            found[word] = min(frequency, found.get(word, frequency))
    return found


def frequent(language: str, count: int) -> list[str]:
    """The most frequent words of a language that has a list."""
    import wordfreq

    classes = wordfreq.get_frequency_list(_ALIAS.get(language, language), wordlist="best")
    return [word for word, _ in islice(_ranked(classes), count)]


def _ranked(classes: Sequence[Sequence[str]]) -> Iterator[tuple[str, int]]:
    """Words of a frequency list, the most frequent first, each with the number of its class."""
    for frequency, entries in enumerate(classes):
        yield from ((entry, frequency) for entry in entries if _is_word(entry))


def _is_word(entry: str) -> bool:
    return all(c.isalpha() or unicodedata.category(c) in ("Mn", "Mc") for c in entry)


def without_accents(word: str) -> str:
    """A word without its accents."""
    parts = unicodedata.normalize("NFD", word)
    return "".join(part for part in parts if not unicodedata.combining(part))


def _stop_share(classes: Sequence[Sequence[str]]) -> Fraction:
    """Sum of the frequencies of the most frequent words, in parts of a million."""
    shares = (round(10 ** (6 - n / 100)) for _, n in islice(_ranked(classes), _STOP_WORDS))
    return Fraction(sum(shares), 10**6)


@lru_cache(maxsize=1)
def _speller() -> Any:
    from hunspell import Hunspell

    return Hunspell("en_US")


@lru_cache(maxsize=1 << 18)
def is_known(word: str, language: str) -> bool:
    """Whether a case-folded word is in a language's list or, for English, in its dictionaries."""
    words = lexicon(language)
    if words is None:
        return True
    if language != "en":
        return word in words.known or _JOINER.sub("", word) in words.known
    if len(word) > _LONGEST_WORD:
        return False
    word = word.replace("’", "'")
    stem = word.removesuffix("'s").removesuffix("'")
    if word in words.known or stem in words.known:
        return True
    if not stem.isascii():
        return False  # the dictionary has no such word
    spell = _speller().spell
    old = stem
    for letter, other in _OLD:
        old = letter.sub(other, old)
    if old in words.known:
        return True
    spellings = [stem]
    for british, american in _BRITISH:
        spellings += [word.replace(british, american) for word in spellings if british in word]
    return any(spell(word) or spell(word.capitalize()) for word in spellings)
