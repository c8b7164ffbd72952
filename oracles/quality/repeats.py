"""How much of each document was in none before it.

What is no copy of anything may still say little: sentences from a template, a small grammar or a
chain of few words are made of pieces that were all said a page ago. In running text of 30 languages
5 to 31 % of the runs of eight letters were said within the last 8,000 letters, in manuals and
program source 15 to 40 %, in templates 50 to 90 % (docs/quality.md). So passages are credited in
proportion to the runs that are new, and fully up to what is usual.
"""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from oracles.passages import Passages
from oracles.quality import texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Characters of a text that are compared at once.
_UNIT = 1500
#: Letters of a run, and share of such runs that usually were said within so many letters before.
#: Hardly any longer run is in honest text, codes aside: 0 to 6 % (names of medical terms 10 %).
_USUAL = {8: Fraction(30, 100), 16: Fraction(6, 100)}
_LATELY = 8000
_MULTIPLIER = np.uint64(6364136223846793005)
#: Up to eight words that are said again at once, any number of times.
_STUTTER = re.compile(r"(?<!\S)((?:\S++\s++){0,7}?\S++)(?:\s++\1(?!\S))+", re.IGNORECASE)


class Share(NamedTuple):
    """Share of a text's letters that is new to its own set, and to all sets so far."""

    of_set: Fraction
    of_all: Fraction


class Compared:
    """What of each document was in none before it: by passages, lines and sentences.

    Lines are compared without digits: page headers, log lines and forms recur with other numbers.
    Words that are said again within a few words count once where many are.

    Args:
        earlier: Passages of the sets that were committed before; this set's are added.
    """

    def __init__(self, earlier: Passages | None) -> None:
        self._own = Passages()
        self._earlier = earlier
        self._said = {length: Said(length) for length in _USUAL}
        self._lines: set[bytes] = set()

    def new(self, text: str) -> Share:
        """Share of a document that is new; remembers the document."""
        units = _units(self._unknown_pieces(text))
        of_set = sum((self._credited(unit) for unit in units), Fraction(0))
        of_all = of_set
        if self._earlier is not None:
            of_all = min(of_set, Fraction(sum(_letters(self._earlier.keep(u)) for u in units)))
        whole = max(1, self._letters)
        return Share(*(min(Fraction(1), n / whole) for n in (of_set, of_all)))

    def _credited(self, unit: str) -> Fraction:
        """Letters of the passages that are no copies, in proportion to what is new in them."""
        passages = list(self._own.judge(unit))
        lengths = np.array([_letters(passage) for passage, _ in passages], np.int64)
        kept = np.array([not copied for _, copied in passages], bool)
        letters, codes = np.repeat(kept, lengths), _codes("".join(p for p, _ in passages))
        share = Fraction(1)
        for length, usual in _USUAL.items():
            said = self._said[length].lately(codes)
            said = said[letters[len(letters) - len(said) :]]
            fresh = 1 - Fraction(int(said.sum()), max(1, len(said)))
            share = min(share, fresh / (1 - usual))
        return int(lengths[kept].sum()) * share

    def _unknown_pieces(self, text: str) -> list[str]:
        self._letters = _letters(text)
        said_once = texts.without_echoes(_STUTTER.sub(r"\1", text))
        return [piece.strip() for piece in texts.distinct(said_once, self._lines)]


class Said:
    """The runs of letters that were said lately.

    Args:
        length: Letters of a run.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._codes = np.zeros(0, np.uint64)
        # Where each run was said last: those that were not said lately are forgotten together.
        self._older: dict[int, int] = {}
        self._newer: dict[int, int] = {}
        self._count = self._since = 0

    def lately(self, new: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Of the letters of a text, which end a run that was said lately.

        The first letters of all are left out, which end none.

        Args:
            new: Code points of the letters (n,).
        """
        codes = np.concatenate([self._codes, new])
        self._codes = codes[max(0, len(codes) - self._length + 1) :]
        hashes = np.zeros(max(0, len(codes) - self._length + 1), np.uint64)
        for offset in range(self._length):
            hashes = hashes * _MULTIPLIER + codes[offset : offset + len(hashes)]
        if self._count - self._since >= _LATELY:
            self._older, self._newer, self._since = self._newer, {}, self._count
        runs, places = hashes.tolist(), self._count + np.arange(len(hashes))
        older = map(self._older.get, runs, repeat(-_LATELY - 1))
        last = np.fromiter(map(self._newer.get, runs, older), np.int64, len(runs))
        order = np.argsort(hashes, kind="stable")
        again = hashes[order[1:]] == hashes[order[:-1]]
        last[order[1:][again]] = places[order[:-1][again]]
        self._newer.update(zip(runs, places.tolist(), strict=True))
        self._count += len(runs)
        return places - last <= _LATELY


def _codes(text: str) -> NDArray[np.uint64]:
    """Code points of the letters of a text, one for each."""
    letters = "".join(filter(str.isalpha, text))
    small = letters.casefold()
    if len(small) > len(letters):
        small = "".join(map(_small, letters))
    return np.frombuffer(small.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)


def _small(letter: str) -> str:
    """A letter without case; one that stands for several stays."""
    folded = letter.casefold()
    return folded if len(folded) == 1 else letter


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _units(pieces: Sequence[str]) -> list[str]:
    """A text in units of one length: gluing documents changes little."""
    units, unit = list[str](), list[str]()
    for number, piece in enumerate(pieces, 1):
        unit.append(piece)
        if number == len(pieces) or sum(map(len, unit)) >= _UNIT:
            units.append(" ".join(unit))
            unit = []
    return units
