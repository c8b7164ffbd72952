"""Whether words stand in the order of a language: the text against the same words further apart.

In running text two neighbours have usually been neighbours before. A table of one bit for each
hashed pair of words that occurs in the reference's English tells how often; the same question for
words eleven and more places apart tells how often that happens by chance. The difference is 0.14
and more on a page of running English (median 0.25), and at most 0.09 in shuffled words, word lists
and bags of topic words. It is the gain by order of the smallest language model there is.

In a language without a table a text is its own table: pairs of neighbours recur in it, several
times as often as pairs of words further apart, and in shuffled words no more often.
"""

from __future__ import annotations

import zlib
from fractions import Fraction
from math import isqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

#: Bits of the table: 3.7 million words of the reference set a ninth of them.
BITS = 1 << 23
#: Distances at which words are neighbours by chance only.
_APART = (11, 13, 17)
#: Words below which the order says nothing.
LEAST = 40
#: Words from which a text can be its own table, and distances at which it is compared.
ALONE = 320
_FURTHER = (11, 51)
#: Recurring pairs, beyond those by chance, that running text has: standard errors of the chance,
#: and parts of it.
_ERRORS, _MORE = 3, Fraction(3, 4)
#: Words of a long text that are compared.
_COMPARED = 4000
#: Gain from which a text reads as running text.
_RUNNING = Fraction(13, 100)


def _hashes(words: Iterable[str]) -> NDArray[np.uint64]:
    return np.array([zlib.crc32(w.encode("utf-8", "replace")) for w in words], np.uint64)


def _bits(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.int64]:
    mixed = left * np.uint64(0x9E3779B97F4A7C15) + right
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    return (mixed % np.uint64(BITS)).astype(np.int64)


def learn(texts: Iterable[Sequence[str]]) -> NDArray[np.uint8]:
    """The table, packed to (BITS / 8,) bytes, of texts given as case-folded words."""
    seen = np.zeros(BITS, np.uint8)
    for words in texts:
        hashed = _hashes(words)
        seen[_bits(hashed[:-1], hashed[1:])] = 1
    return np.packbits(seen)


def _seen(
    table: NDArray[np.uint8], hashed: NDArray[np.uint64], known: NDArray[np.bool_], apart: int
) -> Fraction:
    both = known[:-apart] & known[apart:]
    bits = _bits(hashed[:-apart][both], hashed[apart:][both])
    found = (table[bits >> 3] >> (7 - (bits & 7)).astype(np.uint8)) & 1
    return Fraction(int(found.sum()), max(1, len(bits)))


def disorder(words: Sequence[str], known: Sequence[bool], table: NDArray[np.uint8]) -> Fraction:
    """Share of a text, in [0, 1], that has no order: 0 for running text, 1 for shuffled words.

    Args:
        words: Case folded; fewer than `LEAST` are not judged.
        known: Which of them the language has; the others are counted as errors elsewhere.
        table: See `learn`.
    """
    if len(words) < LEAST:
        return Fraction(0)
    hashed, mask = _hashes(words), np.array(known, bool)
    apart = [_seen(table, hashed, mask, n) for n in _APART]
    chance = sum(apart, Fraction(0)) / len(_APART)
    gain = _seen(table, hashed, mask, 1) - chance
    gain += Fraction(isqrt(10**6 // (4 * len(words))), 1000)  # one standard error: 1 / (2 √n)
    return 1 - min(Fraction(1), max(Fraction(0), gain / _RUNNING))


def scattered(words: Sequence[str]) -> Fraction:
    """Share of a text, in [0, 1], that has no order, by its own recurring pairs of words.

    Args:
        words: Case folded, of any language; fewer than `ALONE` are not judged.
    """
    if len(words) < ALONE:
        return Fraction(0)
    numbers: dict[str, int] = {}
    ids = np.array([numbers.setdefault(w, len(numbers)) for w in words[:_COMPARED]], np.int64)

    def recurring(apart: int) -> int:
        _, counts = np.unique(ids[:-apart] * len(numbers) + ids[apart:], return_counts=True)
        return int((counts * (counts - 1)).sum()) // 2

    distances = range(*_FURTHER)
    chance = max(Fraction(1), Fraction(sum(map(recurring, distances)), len(distances)))
    error = Fraction(isqrt(int(10**6 * chance)), 1000)
    gain = (recurring(1) - chance) / max(_ERRORS * error, _MORE * chance)
    return 1 - min(Fraction(1), max(Fraction(0), gain))
