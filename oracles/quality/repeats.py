"""How much of each document was in none before it."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from oracles.passages import Passages
from oracles.quality import texts

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Characters of a text that are compared at once.
_UNIT = 1500
#: Letters of a line or sentence from which it counts once where it recurs.
_LINE = 16
#: Up to eight words that are said again at once, any number of times.
_STUTTER = re.compile(r"(?<!\S)((?:\S+\s+){0,7}?\S+)(?:\s+\1(?!\S))+", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？।۔])")


class Share(NamedTuple):
    """Share of a text's letters that is new to its own set, and to all sets so far."""

    of_set: Fraction
    of_all: Fraction


class Compared:
    """What of each document was in none before it: by passages, lines and sentences.

    Lines are compared without digits: page headers, log lines and forms recur with other numbers.

    Args:
        earlier: Passages of the sets that were committed before; this set's are added.
    """

    def __init__(self, earlier: Passages | None) -> None:
        self._own = Passages()
        self._earlier = earlier
        self._lines: set[bytes] = set()

    def new(self, text: str) -> Share:
        """Share of a document that is new; remembers the document."""
        pieces = self._unknown_pieces(text)
        of_set = _new_letters(self._own, pieces)
        whole = max(1, self._letters)
        of_all = of_set
        if self._earlier is not None:
            of_all = min(of_set, _new_letters(self._earlier, pieces))
        return Share(*(min(Fraction(1), Fraction(n, whole)) for n in (of_set, of_all)))

    def _unknown_pieces(self, text: str) -> list[str]:
        self._letters = sum(map(str.isalpha, text))
        fresh = []
        said_once = _STUTTER.sub(r"\1", text)
        for line in (piece for row in said_once.split("\n") for piece in _SENTENCE.split(row)):
            letters = "".join(filter(str.isalpha, line)).casefold()
            if len(letters) >= _LINE:
                name = texts.digest(letters)[:8]
                if name in self._lines:
                    continue
                self._lines.add(name)
            fresh.append(line)
        return fresh


def _new_letters(passages: Passages, pieces: Sequence[str]) -> int:
    """New letters of a text, compared in units of one length: gluing documents changes little."""
    new, unit = 0, list[str]()
    for number, piece in enumerate(pieces, 1):
        unit.append(piece)
        if number == len(pieces) or sum(map(len, unit)) >= _UNIT:
            new += sum(map(str.isalpha, passages.keep(" ".join(unit))))
            unit = []
    return new
