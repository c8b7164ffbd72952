"""A text by its languages: each is judged by its own words, however they alternate.

The detector tells which languages a text is in. Every sentence then goes to the one that knows most
of its letters by its word list; where a language has no list, to the one that the detector saw
there. A language counts if what falls to it is enough and is recognised as that language alone;
what does not count joins the others, so no stray guess takes a broken sentence out of its text.
"""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from oracles.quality import disguise, romanised, texts
from oracles.quality.lexicon import ACCENTLESS, is_known, lexicon, without_accents

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Per cent of a text in its first language from which it is in no other.
_ALONE = 97
#: Letters, and share of a text, from which a language in it counts.
_LEAST_LETTERS, _LEAST_SHARE = 60, Fraction(3, 100)
#: Share of a sentence's letters that a language must know if it may be in one without a list.
_FOREIGN = Fraction(25, 100)
#: Share of the letters in longer words of a text in no recognised language that English must know
#: if it is English, in notes or broken: of 241 languages that the detector does not know, four have
#: more (the short words of most languages are some English words, too).
_ENGLISH, _LONGER = Fraction(15, 100), 5
#: Characters that the detector reads at once.
_BLOCK = 20_000
#: Characters of a sentence that is cut at its commas.
_LONG = 200
_CLAUSE = re.compile(r"(?<=[,،、，–—])\s*")
_SENTENCE = re.compile(r"(?<=[.!?…;:])\s+|(?<=[。！？।۔])|\n")


def divide(plain: str) -> dict[str, str]:
    """The parts of a text without disguise by language, each with a line for a sentence.

    A text in one language, or in none that is known, is one part as it stands.
    """
    language, percent = texts.detect(plain)
    if language == texts.UNKNOWN:
        language, percent = texts.detect(plain.casefold())
    if language == texts.UNKNOWN and romanised.recognised(disguise.words(plain.casefold())):
        return {romanised.HINDI: plain}
    if percent >= _ALONE:
        return {language: plain}
    sentences = [
        piece
        for sentence in _SENTENCE.split(plain)
        for piece in (_CLAUSE.split(sentence) if len(sentence) > _LONG else [sentence])
        if piece
    ]
    seen = [
        among if (alone := texts.language(sentence)) == texts.UNKNOWN else alone
        for sentence, among in zip(sentences, _seen(sentences), strict=True)
    ]
    weights = Counter[str]()
    for sentence, found in zip(sentences, seen, strict=True):
        weights[found] += sum(map(str.isalpha, sentence))
    del weights[texts.UNKNOWN]
    candidates = [tongue for tongue, n in weights.most_common() if _counts(n, plain)]
    while len(candidates) > 1:
        parts = _assign(sentences, seen, candidates)
        kept = [
            tongue
            for tongue in candidates
            if _counts(sum(map(str.isalpha, parts[tongue])), plain)
            and texts.language(parts[tongue]) == tongue
        ]
        if kept == candidates:
            return parts
        candidates = kept
    if language == texts.UNKNOWN and _english(plain):
        language = "en"
    return {language: plain}


def _english(plain: str) -> bool:
    words = [word.casefold() for word in disguise.words(plain) if len(word) >= _LONGER]
    known = sum(len(word) for word in words if is_known(word, "en"))
    return known > 0 and known >= _ENGLISH * sum(map(len, words))


def _counts(letters: int, plain: str) -> bool:
    whole = sum(map(str.isalpha, plain))
    return letters >= _LEAST_LETTERS and letters >= _LEAST_SHARE * whole


def _seen(sentences: Sequence[str]) -> list[str]:
    """The language that the detector sees in most of each sentence, among its neighbours."""
    found: list[str] = []
    block: list[str] = []
    for number, sentence in enumerate(sentences, 1):
        block.append(sentence)
        if number == len(sentences) or sum(map(len, block)) >= _BLOCK:
            found += _seen_at_once(block)
            block = []
    return found


def _seen_at_once(sentences: Sequence[str]) -> list[str]:
    lines = [texts.readable(sentence).encode() for sentence in sentences]
    spans = texts.spans(b"\n".join(lines))
    ends = [0]
    for line in lines:
        ends.append(ends[-1] + len(line) + 1)
    found: list[str] = []
    first = 0
    for start, end in pairwise(ends):
        shares = Counter({texts.UNKNOWN: 0})
        while first < len(spans) and spans[first][1] <= start:
            first += 1
        for a, b, language in spans[first:]:
            if a >= end:
                break
            shares[language] += min(b, end) - max(a, start)
        found.append(shares.most_common(1)[0][0])
    return found


def _assign(
    sentences: Sequence[str], seen: Sequence[str], candidates: Sequence[str]
) -> dict[str, str]:
    listed = [tongue for tongue in candidates if lexicon(tongue) is not None]
    parts: dict[str, list[str]] = {tongue: [] for tongue in candidates}
    last = candidates[0]
    for sentence, found in zip(sentences, seen, strict=True):
        shares = {tongue: _known(sentence, tongue) for tongue in listed}
        best = max(shares.values(), default=Fraction(0))
        if best < _FOREIGN and len(listed) < len(parts):
            unlisted = [tongue for tongue in candidates if tongue not in listed]
            last = next((t for t in (found, last) if t in unlisted), unlisted[0])
        elif found not in parts or found in listed:
            likely = [tongue for tongue in listed if best and shares[tongue] == best]
            # A sentence that several languages know alike is what was seen, or goes on as before.
            last = next((t for t in (found, last) if t in likely), (likely or [last])[0])
        else:
            last = found
        parts[last].append(sentence)
    return {tongue: "\n".join(lines) for tongue, lines in parts.items()}


def _known(sentence: str, language: str) -> Fraction:
    """Share of a sentence's letters in words that a language has, its frequent ones twice."""
    words = lexicon(language)
    letters = known = 0
    for found in disguise.words(sentence):
        word = found.casefold()
        if language in ACCENTLESS:
            word = without_accents(word)
        letters += 2 * len(word)
        if words is not None and is_known(word, language):
            known += len(word) * (1 + (word in words.stop))
    return Fraction(known, max(1, letters))
