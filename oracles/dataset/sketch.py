"""The sketch of a data set: hashes of its text that tell how much of it is in another one.

The text of a page is that of its fragments. It is folded to letters by a fixed table, and every run
of 20 letters has a hash of 64 bits. Those below 2^(64 − shift) are kept, by page, so that one page
is enough to make its part again. The shift is the smallest of 4 and above with which at most
`MAX_HASHES` are kept, so a sketch has the same size for 100 MB and for 10 TB.

Whoever knows this rule can change a text just where its hashes are small. What that costs is one
change in every 2^shift runs, and it shows in the cleanliness of sampled pages.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from oracles.dataset.pages import fragments
from oracles.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

#: Most hashes of one sketch, counted page by page.
MAX_HASHES: Final = 100_000
#: Letters in a run, about four words of English.
RUN: Final = 20
#: Hashes that two data sets must have in common reach before the share found means much.
LEAST_COMPARED: Final = 64
MIN_SHIFT: Final = 4
MAX_SHIFT: Final = 44
#: Odd multiplier of the polynomial hash modulo 2^64 (Knuth's MMIX).
_MULTIPLIER: Final = 6364136223846793005
_MASK: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class _Table:
    """How characters fold: [0x110000] each, and the folded letters one after the other."""

    start: NDArray[np.int32]
    length: NDArray[np.int32]
    codes: NDArray[np.uint32]
    digit: NDArray[np.bool_]
    space: NDArray[np.bool_]


@cache
def _table() -> _Table:
    value = json.loads((files("oracles.dataset") / "letters.json").read_text("ascii"))
    digit, space, same = (np.zeros(0x110000, bool) for _ in range(3))
    for mark, ranges in (
        (digit, value["digits"]),
        (space, value["spaces"]),
        (same, value["digits"] + value["letters"]),
    ):
        for first, last in ranges:
            mark[first : last + 1] = True
    codes = np.flatnonzero(same).astype(np.uint32)
    start, length = np.zeros((2, 0x110000), np.int32)
    start[codes] = np.arange(len(codes))
    length[codes] = 1
    more: list[int] = []
    for name, letters in value["folded"].items():
        start[int(name, 16)], length[int(name, 16)] = len(codes) + len(more), len(letters)
        more.extend(map(ord, letters))
    return _Table(start, length, np.append(codes, np.array(more, np.uint32)), digit, space)


def fold(text: str) -> NDArray[np.uint32]:
    """Letters of a text as it is compared; words with a letter lose their digits."""
    table = _table()
    characters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = table.length[characters]
    if lengths.max(initial=0) > 1:
        which = np.repeat(np.arange(len(characters)), lengths)
        offset = np.arange(len(which)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        codes: NDArray[np.uint32] = table.codes[table.start[characters[which]] + offset]
    else:  # the same, faster
        which = np.flatnonzero(lengths)
        codes = table.codes[table.start[characters[which]]]
    digit = table.digit[codes]
    if digit.any():
        word = np.cumsum(table.space[characters])[which]
        has_letter = np.bincount(word, ~digit) > 0
        codes = codes[~(digit & has_letter[word])]
    folded: NDArray[np.uint32] = codes
    return folded


def run_hashes(codes: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """One hash for each run of `RUN` letters; none for a shorter text."""
    if len(codes) < RUN:
        return np.zeros(0, np.uint64)
    # A run of twice the length is two runs, the first multiplied by a power: 1, 2, 4, 8, 16, 20.
    first = codes.astype(np.uint64)
    hashes, length, four = first, 1, first
    while length < 16:
        power = np.uint64(pow(_MULTIPLIER, length, 1 << 64))
        hashes = hashes[:-length] * power + hashes[length:]
        length *= 2
        if length == RUN - 16:
            four = hashes
    hashes = hashes[: -(RUN - 16)] * np.uint64(pow(_MULTIPLIER, RUN - 16, 1 << 64)) + four[16:]
    # The finaliser of SplitMix64 spreads a hash evenly over all its bits.
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = hashes ^ (hashes >> np.uint64(31))
    return mixed


def page_hashes(page: bytes, shift: int) -> NDArray[np.uint64]:
    """The part of a sketch that belongs to one page: distinct hashes below the threshold, sorted.

    Args:
        page: 16 KiB.
        shift: of the sketch.
    """
    text = "\n".join(document.text for document in fragments(page))
    hashes = run_hashes(fold(text))
    kept: NDArray[np.uint64] = np.unique(hashes[hashes >> np.uint64(64 - shift) == 0])
    return kept


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """Small hashes by page.

    Attributes:
        shift: hashes are below 2^(64 − shift).
        parts: page index to sorted distinct hashes; pages without any are left out.
    """

    shift: int
    parts: Mapping[int, NDArray[np.uint64]]

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """Distinct hashes of all pages, sorted."""
        distinct: NDArray[np.uint64] = np.unique(
            np.concatenate([np.zeros(0, np.uint64), *self.parts.values()])
        )
        return distinct

    def encode(self) -> bytes:
        """Shift (1 byte), then for each page its index (8), a count (4) and the hashes (8 each)."""
        out = [self.shift.to_bytes(1, "big")]
        for page, hashes in sorted(self.parts.items()):
            out.append(page.to_bytes(8, "big") + len(hashes).to_bytes(4, "big"))
            out.append(hashes.astype(">u8").tobytes())
        return b"".join(out)

    @classmethod
    def decode(cls, data: bytes, pages: int) -> Sketch:
        """Read the sketch of a data set of so many pages.

        Raises:
            IntegrityError: it is not one, or not in its one form.
        """
        failure = IntegrityError("this is not the sketch of a data set")
        shift, place, before, total = data[0] if data else -1, 1, -1, 0
        parts: dict[int, NDArray[np.uint64]] = {}
        if not MIN_SHIFT <= shift <= MAX_SHIFT:
            raise failure
        while place < len(data):
            page = int.from_bytes(data[place : place + 8], "big")
            count = int.from_bytes(data[place + 8 : place + 12], "big")
            encoded = data[place + 12 : place + 12 + 8 * count]
            total += count
            if not before < page < pages or not count or len(encoded) != 8 * count:
                raise failure
            hashes = np.frombuffer(encoded, ">u8").astype(np.uint64)
            if np.any(hashes >> np.uint64(64 - shift)) or np.any(hashes[1:] <= hashes[:-1]):
                raise failure
            parts[page] = hashes
            before, place = page, place + 12 + 8 * count
        if total > MAX_HASHES:
            raise failure
        return cls(shift, parts)

    def check_page(self, index: int, page: bytes) -> None:
        """Make one page's part again.

        Args:
            index: of the page.
            page: 16 KiB, opened.

        Raises:
            IntegrityError: the sketch says something else of this page.
        """
        own = self.parts.get(index, np.zeros(0, np.uint64))
        if not np.array_equal(page_hashes(page, self.shift), own):
            raise IntegrityError(f"the sketch does not tell the truth about page {index}")


class Sketcher:
    """Makes the sketch of a stream of pages; memory is that of `MAX_HASHES` hashes."""

    def __init__(self) -> None:
        self._shift = MIN_SHIFT
        self._parts: dict[int, NDArray[np.uint64]] = {}
        self._total = 0

    def add(self, index: int, page: bytes) -> None:
        """Take the next page."""
        hashes = page_hashes(page, self._shift)
        if len(hashes):
            self._parts[index] = hashes
            self._total += len(hashes)
        while self._total > MAX_HASHES and self._shift < MAX_SHIFT:
            self._shift += 1
            limit = np.uint64(1 << (64 - self._shift))
            kept = {i: part[part < limit] for i, part in self._parts.items()}
            self._parts = {i: part for i, part in kept.items() if len(part)}
            self._total = sum(map(len, self._parts.values()))

    def finish(self) -> Sketch:
        """The sketch of all pages so far."""
        return Sketch(self._shift, self._parts)


class Containment(NamedTuple):
    """Distinct runs of one data set that were looked for in others, and those that were found."""

    found: int
    compared: int

    @property
    def share(self) -> Fraction:
        """Part that was found; 0 where nothing could be compared."""
        return Fraction(self.found, max(1, self.compared))

    @property
    def error(self) -> float:
        """Standard error of the share; 1 where nothing could be compared."""
        if not 0 < self.found < self.compared:
            return 1 / max(1, self.compared)
        return math.sqrt(self.share * (1 - self.share) / self.compared)


class SeenRuns:
    """Runs of many data sets, to look for those of another one; adding n takes O(n log n)."""

    def __init__(self, sketches: Iterable[Sketch] = ()) -> None:
        #: Sorted hashes by shift; each array of a list is more than twice as long as the next.
        self._known: dict[int, list[NDArray[np.uint64]]] = {}
        for sketch in sketches:
            self.add(sketch)

    def add(self, sketch: Sketch) -> None:
        """Take the runs of one more data set."""
        arrays, hashes = self._known.setdefault(sketch.shift, []), sketch.hashes
        while arrays and len(arrays[-1]) <= 2 * len(hashes):
            hashes = np.union1d(arrays.pop(), hashes)
        arrays.append(hashes)

    def find(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which hashes are known from any data set."""
        found = np.zeros(len(hashes), bool)
        for shift in self._known:
            found |= self._find(shift, hashes)
        return found

    def _find(self, shift: int, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        found = np.zeros(len(hashes), bool)
        for known in self._known[shift]:
            if len(known):
                place = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
                found |= known[place] == hashes
        return found

    def containment(self, part: Sketch) -> Containment:
        """How much of one data set's text is in the others.

        Two sketches can be compared below the lower of their thresholds. So that a very large data
        set does not hide what is in smaller ones, those are compared first, without it, and the
        highest share counts. Fewer than `LEAST_COMPARED` hashes count only where there is nothing
        better.
        """
        own = part.hashes
        found = np.zeros(len(own), bool)
        best = Containment(0, 0)
        shifts = sorted(self._known)
        for place, shift in enumerate(shifts):
            found |= self._find(shift, own)
            common = max(part.shift, shift)
            if place + 1 < len(shifts) and shifts[place + 1] <= common:
                continue
            below = own <= np.uint64((1 << (64 - common)) - 1)
            level = Containment(int(found[below].sum()), int(below.sum()))
            if not best.compared or (level.compared >= LEAST_COMPARED and level.share > best.share):
                best = level
        return best
