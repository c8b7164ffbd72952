"""Whether neighbouring words go together, in languages other than English: a table of word classes.

A class is one of the most frequent words of a language, or all other words with the same two last
letters, which mostly tell what form a word has. How much more often one class follows another than
their frequencies explain (pointwise mutual information) was counted in translated manuals. The mean
over a text's neighbours, less the mean over words further apart, tells whether its words stand in
the order of their language. It needs no training of the domain: `benchmarks/quality/neighbours.py`
makes the tables, and measures them on other texts.

It sees what a text's own recurring pairs (`order.scattered`) do not: words that were replaced one
by one keep the order of their source, and words drawn from few recur in pairs by chance.
"""

from __future__ import annotations

import zlib
from fractions import Fraction
from functools import lru_cache
from math import isqrt
from typing import TYPE_CHECKING, Final

import numpy as np

from oracles.quality.lexicon import lexicon
from oracles.quality.packaged import pinned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

#: Classes of the words that are not among the most frequent, by their last letters.
ENDINGS: Final = 136
_LETTERS = 2
#: Mean over the neighbours of the text that a table was made of.
UNIT: Final = 16
#: Distances at which words are neighbours by chance only.
_APART = range(11, 31, 2)
#: Pairs from which a text is judged.
LEAST: Final = 160
#: Parts of the unit: running text has the first and more, words in no order less than the second.
_RUNNING, _LOOSE = Fraction(1, 2), Fraction(3, 10)
#: Three standard errors of a text's mean, in parts of the unit, times the root of its pairs.
_DEVIATION = Fraction(3)
TABLES_SHA256 = "0ac2b7552190bb8f29dc741ff91afe217f0e282f1695f3865c9d452ca37a1f8e"


@lru_cache(maxsize=32)
def _frequent(language: str) -> Mapping[str, int]:
    listed = lexicon(language)
    if listed is None:
        raise ValueError(f"there is no word list of {language!r}")
    return {word: number for number, word in enumerate(sorted(listed.stop))}


def classes(words: Sequence[str], language: str) -> NDArray[np.int64]:
    """The class (n,) of each word, case folded, of a language that has a word list.

    Raises:
        ValueError: It has none.
    """
    frequent = _frequent(language)
    return np.array(
        [
            frequent.get(word, len(frequent) + zlib.crc32(word[-_LETTERS:].encode()) % ENDINGS)
            for word in words
        ],
        np.int64,
    )


def learn(texts: Iterable[Sequence[str]], language: str) -> NDArray[np.int8]:
    """The table (classes, classes) of running texts, given as case-folded words."""
    size = len(_frequent(language)) + ENDINGS
    counts = np.zeros((size, size))
    for words in texts:
        found = classes(words, language)
        np.add.at(counts, (found[:-1], found[1:]), 1)
    whole = counts.sum()
    expected = np.outer(counts.sum(1), counts.sum(0)) / whole
    information = np.log2((counts + 1) / (expected + 1))
    mean = (counts * information).sum() / whole
    table: NDArray[np.int8] = np.clip(np.rint(UNIT * information / mean), -127, 127).astype(np.int8)
    return table


@lru_cache(maxsize=1)
def tables() -> Mapping[str, NDArray[np.int8]]:
    """The tables that come with the package, by language.

    Raises:
        IntegrityError: The file is not the pinned one.
    """
    from safetensors.numpy import load

    return load(pinned("neighbours.safetensors", TABLES_SHA256))


def gain(
    words: Sequence[str], known: Sequence[bool], language: str, table: NDArray[np.int8]
) -> tuple[Fraction, int]:
    """How much better neighbours go together than words further apart, in parts of the unit.

    Args:
        words: Case folded, more than the furthest distance.
        known: Which of them the language has.
        language: Of the text.
        table: See `learn`.

    Returns:
        0 for words in no order, 1 and more for text such as the table was made of, since words that
        are no neighbours also go together worse than by chance; and the pairs compared.
    """
    found, mask = classes(words, language), np.array(known, bool)

    def mean(apart: int) -> tuple[Fraction, int]:
        both = mask[:-apart] & mask[apart:]
        values = table[found[:-apart][both], found[apart:][both]]
        return Fraction(int(values.sum(dtype=np.int64)), max(1, len(values))), len(values)

    near, pairs = mean(1)
    chance = sum((mean(apart)[0] for apart in _APART), Fraction(0)) / len(_APART)
    return (near - chance) / UNIT, pairs


def stray(words: Sequence[str], known: Sequence[bool], language: str) -> Fraction | None:
    """Share of a text, in [0, 1], whose words do not stand as those of its language do.

    Args:
        words: Case folded.
        known: Which of them the language has; the others are counted as errors elsewhere.
        language: Of the text.

    Returns:
        `None` where nothing can be said: of a language without a table, and of fewer than `LEAST`
        pairs of known words.
    """
    table = tables().get(language)
    if table is None or len(words) <= LEAST:
        return None
    better, pairs = gain(words, known, language, table)
    if pairs < LEAST:
        return None
    better += _DEVIATION * Fraction(1000, isqrt(10**6 * pairs))
    return min(Fraction(1), max(Fraction(0), (_RUNNING - better) / (_RUNNING - _LOOSE)))
