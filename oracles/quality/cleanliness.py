"""Cleanliness: the share of a text's letters that a reader, or a model, can use.

Six general measurements, each a number of lost letters, one after the other: what a disguise or
litter took (`disguise`), characters by chance (`chance`), language that nobody recognises, words
that the language does not have, words in no order (`order`), and words that make no sense together
(`coherence`), which is read of drawn passages and therefore added in `score`. Each takes its share
of what the ones before it left, so no text loses more than all of it.

Paper §7.3 and Appendix C: cleanliness is 1 − min(1, k · rate); the default k is 1, because the rate
is already the share that is lost. With the paper's k = 50 one unknown word in fifty gives 0
(docs/quality.md has the figures).

A word is unknown if neither the frequency list nor a dictionary has it. Vocabulary recurs and
looks like its language, damage does neither: a word that recurs counts once, one that is plausible
a quarter of that (nothing outside of English, where no list holds every inflection), any other one
each time, and a share that specialist text reaches is forgiven softly.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from fractions import Fraction
from functools import lru_cache
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from oracles.quality import chance, disguise, order, source, texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

KINDS: Final = (
    "marks",
    "random_characters",
    "unread",
    "unknown_words",
    "word_order",
    "senseless",
)

#: Share of unknown letters of which half is forgiven: names of things, terms, dialect.
_FORGIVEN = Fraction(7, 100)
#: Share of capitalised words up to which a capital says that a word is a name.
_NAMES_SHARE = Fraction(30, 100)
#: Letters from which a text must be recognised as some language; what is not loses two thirds.
_ENOUGH = 100
_UNREAD = Fraction(2, 3)
#: What a word counts that is in no list, and is a name or has the letters of English.
_PLAUSIBLE = Fraction(1, 4)
#: Share of unknown letters above which they are not terms and names of this language.
_ANOTHER = Fraction(25, 100)
#: Times that an unknown word must occur in a document to be its vocabulary.
_RECURS = 3
#: Words of the list, from the top, that make up running text, and the least part of their usual
#: share that running text has; below it the text is a list of words.
_STOP_WORDS = 120
_LEAST_STOP = Fraction(25, 100)
#: Words of the frequency list, from the top, whose letter trigrams are taken for the language's.
_COMMON_WORDS = 30_000
#: Words rarer than 1e-7 do not count as known: misspellings are among them. In hundredths of a
#: power of ten, as the frequency lists have it.
_RAREST = 700
#: Language codes of the detector that the frequency lists name otherwise.
_ALIAS = {"no": "nb", "iw": "he", "tl": "fil"}
#: Longer runs of letters are no words, and take a dictionary long.
_LONGEST_WORD = 45
_LONGEST_PLAUSIBLE = 24
#: Compared without accents, which polytonic, monotonic and capital spelling set differently.
_ACCENTLESS = frozenset({"el"})
#: Lists of these are of pieces, not of words between spaces.
_SEGMENTED = frozenset({"ja", "ko", "th", "zh", "zh-Hant"})
#: British endings and their American ones: the dictionary that installs has en_US only.
_BRITISH = (
    ("isation", "ization"), ("ise", "ize"), ("ising", "izing"), ("yse", "yze"), ("our", "or"),
    ("tre", "ter"), ("ll", "l"), ("ae", "e"), ("oe", "e"), ("ogue", "og"), ("ence", "ense"),
)  # fmt: skip


class Counts(NamedTuple):
    """Letters and words read of a document, or of a set, and letters lost by kind."""

    letters: int
    words: int
    errors: Mapping[str, int]

    @property
    def total(self) -> int:
        """Letters lost to all kinds."""
        return sum(self.errors.values())


def cleanliness(counts: Counts, k: int = 1) -> Fraction:
    """Appendix C: 1 − min(1, k · lost / letters), exactly; an empty text is not clean but 0."""
    if counts.letters == 0:
        return Fraction(0)
    return 1 - min(Fraction(1), Fraction(k * counts.total, counts.letters))


class Lexicon(NamedTuple):
    """Words of a language, common and most frequent ones, their share, and letter trigrams."""

    known: frozenset[str]
    common: frozenset[str]
    stop: frozenset[str]
    stop_share: Fraction
    trigrams: frozenset[str]

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
    if language in _ACCENTLESS:
        classes = [[_without_accents(word) for word in words] for words in classes]
    words = list(islice((w for words in classes for w in words if _is_word(w)), _COMMON_WORDS))
    seen = Counter(gram for word in words for gram in _trigrams(word))
    return Lexicon(
        frozenset(chain.from_iterable(classes)),
        frozenset(words),
        frozenset(words[:_STOP_WORDS]),
        _stop_share(classes),
        frozenset(gram for gram, times in seen.items() if times > 1),
    )


def _is_word(entry: str) -> bool:
    return all(c.isalpha() or unicodedata.category(c) in ("Mn", "Mc") for c in entry)


def _without_accents(word: str) -> str:
    parts = unicodedata.normalize("NFD", word)
    return "".join(part for part in parts if not unicodedata.combining(part))


def _stop_share(classes: Sequence[Sequence[str]]) -> Fraction:
    """Sum of the frequencies of the most frequent words, in parts of a million."""
    shares = (
        round(10 ** (6 - n / 100)) for n, words in enumerate(classes) for w in words if _is_word(w)
    )
    return Fraction(sum(islice(shares, _STOP_WORDS)), 10**6)


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
        return word in words.known
    if len(word) > _LONGEST_WORD:
        return False
    word = word.replace("’", "'")
    stem = word.removesuffix("'s").removesuffix("'")
    if word in words.known or stem in words.known:
        return True
    if not stem.isascii():
        return False  # the dictionary has no such word
    spell = _speller().spell
    spellings = [stem]
    for british, american in _BRITISH:
        spellings += [word.replace(british, american) for word in spellings if british in word]
    return any(spell(word) or spell(word.capitalize()) for word in spellings)


class Reading(NamedTuple):
    """What was read of a text.

    Attributes:
        language: As detected; `zxx` for program source.
        counts: Letters and losses, but for what makes no sense.
        body: Its plain words in one line.
        prose: The same without the names in program source.
    """

    language: str
    counts: Counts
    body: str
    prose: str


def read(text: str, pairs: NDArray[np.uint8]) -> Reading:
    """Read one normalised text and count the letters that are lost.

    Args:
        text: See `text.normalise`.
        pairs: Table of English word pairs, see `order.learn`.
    """
    program = source.parse(text)
    if program is None:
        return _read_prose(text, pairs)
    prose = _read_prose(program.prose, pairs)
    names = [name for name in program.names if len(name) > 1]
    errors = dict.fromkeys(KINDS, 0)
    letters = sum(map(len, names))
    errors["unknown_words"] = int(letters * _unknown(names, "en", program=True))
    return Reading(
        "zxx",
        total([prose.counts, Counts(letters, len(names), errors)]),
        " ".join([prose.body, *names]),
        prose.body,
    )


def _read_prose(text: str, pairs: NDArray[np.uint8]) -> Reading:
    plain, taken = disguise.undo(text)
    found = disguise.words(plain)
    letters = sum(map(len, found))
    body = " ".join(found)
    lower = [word.casefold() for word in found]
    language = texts.language(plain)
    if language == texts.UNKNOWN:
        language = texts.language(plain.casefold())
    errors = dict.fromkeys(KINDS, 0)
    left = Fraction(letters)

    def lose(kind: str, share: Fraction) -> None:
        nonlocal left
        errors[kind] = int(left * min(Fraction(1), share))
        left -= errors[kind]

    known = language != texts.UNKNOWN
    lose("marks", Fraction(taken, max(1, letters)))
    random = chance.errors(chance.readable(plain), recognised=known)
    lose("random_characters", Fraction(chance.WORD * random, max(1, letters)))
    lose("unread", _UNREAD if not known and letters >= _ENOUGH else Fraction(0))
    lose("unknown_words", _unknown(found, language))
    lose("word_order", _disorder(lower, language, pairs))
    return Reading(language, Counts(letters, len(found), errors), body, body)


def _unknown(found: Sequence[str], language: str, *, program: bool = False) -> Fraction:
    """Share of letters in words that the language does not have, what is usual forgiven."""
    words = lexicon(language)
    if words is None or not found:
        return Fraction(0)
    if language != "en":  # elsewhere an apostrophe joins two words
        found = [part for word in found for part in word.replace("’", "'").split("'") if part]
    capitals = sum(not word.islower() for word in found)
    names = capitals <= _NAMES_SHARE * len(found)
    letters, missing, perhaps_names = 0, Counter[str](), set[str]()
    for word in found:
        letters += len(word)
        lower = word.casefold()
        if language in _ACCENTLESS:
            lower = _without_accents(lower)
        if len(lower) > 1 and not is_known(lower, language):
            missing[lower] += 1
            if names and not word.islower():
                perhaps_names.add(lower)
    lost = Fraction(_split(found, words, language))
    for word, times in missing.items():
        if word in perhaps_names or words.plausible(word):
            lost += len(word) * (_PLAUSIBLE if language == "en" else 0)
        else:
            recurs = times >= (2 if program else _RECURS)
            lost += len(word) * (1 if recurs else times)
    everywhere = sum(len(word) * times for word, times in missing.items())
    share = lost / letters
    if language == "en" and not program:
        share = max(share, Fraction(everywhere, letters) - _ANOTHER)
    return share * share / (share + _FORGIVEN) if share else share


def _split(found: Sequence[str], words: Lexicon, language: str) -> int:
    """Letters of neighbours that only together make a word: a space too many."""
    lost = 0
    for first, second in pairwise(word.casefold() for word in found):
        if first in words.stop and second in words.stop:
            continue
        halves = is_known(first, language) and is_known(second, language)
        if min(len(first), len(second)) < 3 or not halves:
            joined = first + second
            lost += len(joined) if len(joined) > 4 and joined in words.common else 0
    return lost


def _disorder(lower: Sequence[str], language: str, pairs: NDArray[np.uint8]) -> Fraction:
    """Share of a text in no order: by its stop words, and by its pairs of words as well."""
    words = lexicon(language)
    apart = Fraction(0) if language == "en" else order.scattered(lower)
    if words is None or len(lower) < order.LEAST:
        return apart
    share = Fraction(sum(word in words.stop for word in lower), len(lower))
    listed = max(Fraction(0), 1 - share / (_LEAST_STOP * words.stop_share))
    if language != "en":
        return max(listed, apart)
    return max(listed, order.disorder(lower, [is_known(word, "en") for word in lower], pairs))


def total(counts: Sequence[Counts]) -> Counts:
    """Sum of several counts."""
    errors: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
    for item in counts:
        errors.update(item.errors)
    return Counts(sum(c.letters for c in counts), sum(c.words for c in counts), dict(errors))
