"""Cleanliness: the share of a text's letters that a reader, or a model, can use.

Six general measurements, each a number of lost letters, one after the other: what a disguise or
litter took (`disguise`), characters by chance (`chance`), language that nobody recognises, words
that the language does not have, words in no order (`order`, `neighbours`), and words that make no
sense together (`coherence`), which is read of drawn passages and therefore added in `score`. Each
takes its share of what the ones before it left, so no text loses more than all of it.

Paper §7.3 and Appendix C: cleanliness is 1 − min(1, k · rate); the default k is 1, because the rate
is already the share that is lost. With the paper's k = 50 one unknown word in fifty gives 0
(docs/quality.md has the figures).

A word is unknown if neither the frequency list nor a dictionary has it. Vocabulary recurs and
looks like its language, damage does neither: a word that recurs counts once, one that is plausible
a quarter of that (nothing outside of English, where no list holds every inflection), any other one
each time, and a share that specialist text reaches is forgiven softly. A capital makes a name as
far as the small words of the text are known.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from oracles.quality import (
    chance,
    coherence,
    disguise,
    languages,
    markup,
    neighbours,
    order,
    source,
    texts,
)
from oracles.quality.lexicon import ACCENTLESS, Lexicon, is_known, lexicon, without_accents

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
#: Share of unknown letters that spoil half of a text, because the words between them say little.
_SPOILT = Fraction(30, 100)
#: Share of capitalised words up to which a capital says that a word is a name.
_NAMES_SHARE = Fraction(30, 100)
#: Letters of an abbreviation, and share of words in capitals up to which they say that it is one.
_SHORT, _SHOUTED = 5, Fraction(50, 100)
#: Letters from which a text must be recognised as some language; what is not loses two thirds.
_ENOUGH = 100
_UNREAD = Fraction(2, 3)
#: Letters lost for each letter of a word of another language: it breaks the sentence as well.
_FOREIGN = 2
#: What a word counts that is in no list, and is a name or has the letters of English.
_PLAUSIBLE = Fraction(1, 4)
#: Share of unknown letters above which they are not terms and names of this language; in a
#: program, share of its distinct names.
_ANOTHER = Fraction(25, 100)
#: Distinct names of a program from which they are judged as a vocabulary, and how many times the
#: part above that share is lost of it.
_VOCABULARY, _STRANGE = 20, 6
#: A name counts as at most one part in so many of a program's names.
_OFTEN = 10
#: Times that an unknown word must occur in a document to be its vocabulary, and share of letters in
#: words that do not up to which it is: where much is broken, what recurs is as well.
_RECURS, _BROKEN = 3, Fraction(10, 100)
#: Share of single letters that are no words, up to which they are initials and names of variables.
_ALONE = Fraction(3, 100)
#: Letters of a longer word, and part of the letters of an English text that is in such words at
#: least (usually half is); below it words were cut.
_LONGER, _LEAST_LONGER = 5, Fraction(10, 100)
#: Letters of a word up to which it is told from two only if it is one of the most frequent.
_TELLING = 3
#: Least part of the usual share of the most frequent words that running text has; below it the text
#: is a list of words.
_LEAST_STOP = Fraction(25, 100)


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


class Reading(NamedTuple):
    """What was read of a text.

    Attributes:
        language: The one with the most letters, as detected; `zxx` for program source.
        counts: Letters and losses, but for what makes no sense.
        plain: The text without its form; program source as it is, but for the escapes of strings.
        body: Its plain words, a line for each language.
        sizes: Words in each language.
        prose: Words in languages that `coherence` reads, in their lines, without the names in
            program source.
        unordered: Letters among the losses that this prose lost for being in no order.
    """

    language: str
    counts: Counts
    plain: str
    body: str
    sizes: Mapping[str, int]
    prose: str
    unordered: int


def without_form(text: str) -> str:
    """What of a text is compared with others; see `Reading.plain`."""
    text = texts.normalise(text)
    program = source.parse(text) is not None
    return markup.unescaped(text)[0] if program else disguise.undo(text).text


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
    names = _telling([name for name in program.names if len(name) > 1])
    errors = dict.fromkeys(KINDS, 0)
    letters = sum(map(len, names))
    errors["unknown_words"] = int(letters * _unknown(names, "en", program=True))
    counts = total([prose.counts, Counts(letters, len(names), errors)])
    if letters < prose.counts.letters:
        counts = _lowest(counts, prose.counts)
    return prose._replace(
        language="zxx",
        counts=counts,
        plain=markup.unescaped(text)[0],
        body=" ".join([prose.body, *names]),
        sizes={"zxx": counts.words},
    )


def _telling(names: Sequence[str]) -> list[str]:
    """Names of a program without those that are its frame: said again and again."""
    most, seen = len(names) // _OFTEN + 1, Counter[str]()
    kept = []
    for name in names:
        seen[name] += 1
        if seen[name] <= most:
            kept.append(name)
    return kept


def _lowest(counts: Counts, part: Counts) -> Counts:
    """Counts of a text with no less lost than in a part of it."""
    if not part.letters or part.total * counts.letters <= counts.total * part.letters:
        return counts
    errors = {kind: n * counts.letters // part.letters for kind, n in part.errors.items()}
    return Counts(counts.letters, counts.words, errors)


def _read_prose(text: str, pairs: NDArray[np.uint8]) -> Reading:
    plain, taken, marking, parted = disguise.undo(text)
    divided = languages.divide(plain)
    parts = {tongue: disguise.words(part) for tongue, part in divided.items()}
    sizes = {tongue: sum(map(len, found)) for tongue, found in parts.items()}
    letters = sum(sizes.values())
    language = max(sizes, key=lambda tongue: sizes[tongue])
    errors = dict.fromkeys(KINDS, 0)

    def lose(kind: str, left: Fraction, share: Fraction) -> Fraction:
        lost = int(left * min(Fraction(1), share))
        errors[kind] += lost
        return left - lost

    strange = _lost(_strange(marking, language) / max(1, letters))
    tampered = Fraction(taken + _speckled(parted, language), max(1, letters))
    left = lose("marks", Fraction(letters), tampered + strange)
    random = chance.errors(chance.readable(plain), recognised=language != texts.UNKNOWN)
    left = lose("random_characters", left, Fraction(chance.WORD * random, max(1, letters)))
    prose, unordered = list[str](), 0
    for tongue, found in parts.items():
        rest = left * sizes[tongue] / max(1, letters)
        unread = _UNREAD * (tongue == texts.UNKNOWN and letters >= _ENOUGH)
        rest = lose("unread", rest, max(unread, Fraction(texts.transcribed(" ".join(found)))))
        rest = lose("unknown_words", rest, _unknown(found, tongue))
        before = errors["word_order"]
        lose("word_order", rest, _disorder([w.casefold() for w in found], tongue, pairs))
        if tongue in coherence.LANGUAGES:
            prose += (" ".join(disguise.words(line)) for line in divided[tongue].split("\n"))
            unordered += errors["word_order"] - before
    counts = Counts(letters, sum(map(len, parts.values())), errors)
    return Reading(
        language,
        counts,
        plain,
        "\n".join(" ".join(found) for found in parts.values()),
        {tongue: len(found) for tongue, found in parts.items()},
        "\n".join(filter(None, prose)),
        unordered,
    )


def _strange(marking: Sequence[str], language: str) -> Fraction:
    """Letters in words of markup that neither English nor the text's language has."""
    english = lexicon("en")
    lost = Fraction(0)
    for word in marking:
        own = without_accents(word) if language in ACCENTLESS else word
        if is_known(word, "en") or (language != texts.UNKNOWN and is_known(own, language)):
            continue
        plausible = english is not None and english.plausible(word)
        lost += len(word) * (_PLAUSIBLE if plausible else 1)
    return lost


def _speckled(parted: Sequence[Sequence[str]], language: str) -> int:
    """Letters of words with specks inside, which are words once the specks are gone.

    In a language without a list of words any marks between letters are specks, but between words of
    English.
    """
    tongues = {"en"} if language == texts.UNKNOWN else {"en", language}
    listed = all(lexicon(tongue) is not None for tongue in tongues)
    lost = 0
    for runs in parted:
        joined = ["".join(runs), *(a + b for a, b in pairwise(runs))]
        if any(_whole(word, tongue) for word in joined for tongue in tongues) or not (
            listed or all(is_known(run.casefold(), "en") for run in runs)
        ):
            lost += sum(map(len, runs))
    return lost


def _whole(word: str, language: str) -> bool:
    lower, words = word.casefold(), lexicon(language)
    if words is None:
        return False
    return is_known(lower, language) if len(lower) > _TELLING else lower in words.stop


def _unknown(found: Sequence[str], language: str, *, program: bool = False) -> Fraction:
    """Share of letters in words that the language does not have, what is usual forgiven."""
    words = lexicon(language)
    if words is None or not found:
        return Fraction(0)
    alone = sum(len(word) == 1 and word.casefold() not in words.stop for word in found)
    if language != "en":  # elsewhere an apostrophe joins two words
        found = [part for word in found for part in word.replace("’", "'").split("'") if part]
    counts = Counter(found)
    capitals = sum(times for word, times in counts.items() if not word.islower())
    names = capitals <= _NAMES_SHARE * len(found)
    shouted = sum(times for word, times in counts.items() if word.isupper())
    shortened = shouted <= _SHOUTED * len(found)
    letters, missing, perhaps_names = 0, Counter[str](), set[str]()
    small = strange_small = 0
    for word, times in counts.items():
        size = len(word) * times
        letters += size
        lower = word.casefold()
        small += size * word.islower()
        if language in ACCENTLESS:
            lower = without_accents(lower)
        if len(lower) > 1 and not is_known(lower, language) and not _joined(word, language):
            missing[lower] += times
            strange_small += size * word.islower()
            abbreviation = shortened and word.isupper() and len(word) <= _SHORT
            if abbreviation or (names and not word.islower()):
                perhaps_names.add(lower)
    lost = _split(found, words, language) + max(Fraction(0), alone - _ALONE * letters)
    often = _damaged(missing, found)
    plausible = _PLAUSIBLE if language == "en" else Fraction(0)
    name = max(plausible, min(Fraction(1), Fraction(2 * strange_small, max(1, small))))
    for word, times in missing.items():
        if word in words.foreign:
            lost += _FOREIGN * len(word) * times
        elif words.plausible(word):
            lost += len(word) * plausible
        elif word in perhaps_names:
            lost += len(word) * name
        else:
            recurs = times >= (2 if program else _RECURS)
            lost += len(word) * (1 + (times - 1) * often if recurs else times)
    everywhere = sum(len(word) * times for word, times in missing.items())
    share = min(Fraction(1), lost / letters)
    if program:
        distinct = {word.casefold() for word in found}
        strange = sum(_PLAUSIBLE if words.plausible(word) else 1 for word in missing)
        excess = _STRANGE * (Fraction(strange) / len(distinct) - _ANOTHER)
        excess = min(Fraction(1), excess) if len(distinct) >= _VOCABULARY else Fraction(0)
        return max(_lost(share), excess)
    if language == "en":
        share = max(share, Fraction(everywhere, letters) - _ANOTHER, _cut(found))
    return max(_lost(share), share**3 / (share**3 + _SPOILT**3))


def _cut(found: Sequence[str]) -> Fraction:
    """Share of an English text that is lost because it has too few longer words."""
    if len(found) < order.LEAST:
        return Fraction(0)
    longer = sum(len(word) for word in found if len(word) >= _LONGER)
    return max(Fraction(0), 1 - Fraction(longer, sum(map(len, found))) / _LEAST_LONGER)


def _damaged(missing: Mapping[str, int], found: Sequence[str]) -> Fraction:
    """How little unknown words that recur are a vocabulary, by those that do not."""
    broken = sum(len(word) * times for word, times in missing.items() if times < _RECURS)
    share = Fraction(broken, sum(map(len, found)))
    return min(Fraction(1), max(Fraction(0), share / _BROKEN - 1))


def _lost(share: Fraction) -> Fraction:
    """Share of words that are lost where a share is unknown, what is usual forgiven."""
    return share * share / (share + _FORGIVEN)


def _joined(word: str, language: str) -> bool:
    """Whether a word is several that the language has, joined by their capitals."""
    parts = source.parts_of(word)
    return len(parts) > 1 and all(
        len(part) > 1 and is_known(part.casefold(), language) for part in parts
    )


def _split(found: Sequence[str], words: Lexicon, language: str) -> int:
    """Letters of neighbours that only together make a word: a space too many."""
    lost = 0
    for first, second in pairwise(word.casefold() for word in found):
        joined = first + second
        if len(joined) <= 4 or joined not in words.common:
            continue
        if first in words.stop and second in words.stop:
            continue
        halves = is_known(first, language) and is_known(second, language)
        if min(len(first), len(second)) < 3 or not halves:
            lost += len(joined)
    return lost


def _disorder(lower: Sequence[str], language: str, pairs: NDArray[np.uint8]) -> Fraction:
    """Share of a text in no order: by its stop words, and by its pairs of words as well."""
    words = lexicon(language)
    apart = Fraction(0)
    if language != "en":
        text = "".join(lower)  # where no spaces are, letters are pieces of words
        apart = order.scattered(text if texts.unspaced(text) else lower)
    if words is None or len(lower) < order.LEAST:
        return apart
    share = Fraction(sum(word in words.stop for word in lower), len(lower))
    listed = max(Fraction(0), 1 - share / (_LEAST_STOP * words.stop_share))
    known = [is_known(word, language) for word in lower]
    if language == "en":
        return max(listed, order.disorder(lower, known, pairs))
    # A table tells order from chance in text of which no pair of words recurs, as in sayings.
    stray = neighbours.stray(lower, known, language)
    return max(listed, apart if stray is None else stray)


def total(counts: Sequence[Counts]) -> Counts:
    """Sum of several counts."""
    errors: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
    for item in counts:
        errors.update(item.errors)
    return Counts(sum(c.letters for c in counts), sum(c.words for c in counts), dict(errors))
