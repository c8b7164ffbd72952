"""Which passages of a text are new, however a copy is disguised.

Texts are compared as *letters*: compatibility forms and case folded (NFKC), accents, punctuation,
white space, invisible characters and percent codes gone, and digits where they stick to a word.
Three comparisons are made for each passage, and any is enough to call it a copy:

- **Runs** of 20 letters that were seen anywhere before (shingles). They find what was copied and
  cut up, put together in another order, or glued.
- **Pairs** of words at most four apart (sparse bigrams), looked for in one earlier block of text at
  a time, by the passage and by each 30 letters of it. They find what was copied and had every
  second to eighth word replaced, dropped or inserted, and what was put together from pieces of a
  few words. Pairs that are found in many blocks are common phrases and tell nothing, and one pair
  alone is found in some block by chance.
- **Outlines**: the first letters of eight words in turn, their last letters, or the consonants of
  four words in any order, that were seen anywhere before. They find what was copied with every
  word misspelled, lengthened or inflected.

All are containments, not Jaccard similarities: wrapping a copy in new text does not hide it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, pairwise
from typing import TYPE_CHECKING
from urllib.parse import unquote

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

#: Letters in a run, about four words of English.
RUN = 20
#: Letters of a passage, which is kept or dropped as a whole: about 48 words of English.
PASSAGE = 240
#: A passage is a copy when more than this share of its runs was seen before, ...
RUNS_SEEN = 0.3
#: ... or more than this share of its telling pairs in one earlier block, or in one for each piece.
PAIRS_SEEN = 0.25
#: Letters of a piece, about six words of English.
PIECE = 30
#: Words between which pairs are made.
WINDOW = 4
#: Words in a block; pairs in more blocks than `COMMON` tell nothing.
BLOCK = 512
COMMON = 8
#: Telling pairs without which a passage cannot be called a copy by its pairs.
LEAST_PAIRS = 4
#: Words of which the first letters, or the last, are compared in turn, and words of which the
#: consonants are; share of these seen before from which a passage is a copy, and least number.
EDGES, BONES = 8, 4
OUTLINES_SEEN, LEAST_OUTLINES = 0.3, 8
_VOWELS = "aeiouаеиоуыэюяієαεηιουω"
#: By code point, up to one that is none.
_IS_VOWEL = np.array([chr(code) in _VOWELS for code in range(ord(max(_VOWELS)) + 2)])

_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x3400, 0x9FFF),
)
#: From here on letters are signs, of which two are a word; before, three are the most of one.
_SIGNS = 0x3400
_WORDS = re.compile(
    r"\s*(?:[{0}]|[^\s{0}]+)|\s+".format("".join(f"{chr(a)}-{chr(b)}" for a, b in _UNSPACED))
)
#: Odd multipliers of polynomial hashes modulo 2^64 (Knuth's MMIX, SplitMix64).
_RUN_MULTIPLIER = np.uint64(6364136223846793005)
_WORD_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@lru_cache(1 << 16)
def _folded(character: str) -> str:
    """Letters and digits that a character stands for; empty for all others."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", character).casefold())
    return "".join(part for part in decomposed if part.isalnum())


def _parts(character: str) -> bool:
    """Whether a character parts words: all but letters, digits, their marks and the invisible."""
    marks = ("Mn", "Mc", "Me", "Cf")
    return not _folded(character) and unicodedata.category(character) not in marks


@dataclass(frozen=True, slots=True)
class Letters:
    """A text as it is compared.

    Attributes:
        codes: code points of the folded letters, [L].
        places: index in the text of the character that each came from, [L].
        words: index in `codes` at which each word starts, [W]; numbers are none. In scripts without
            spaces every letter starts a word of three letters, or of two signs.
        ends: index after the last letter of each, [W]; in scripts without spaces after its first.
        spaced: whether each word stands between spaces, [W].
        hashes: one 64-bit hash of each word, [W].
        bones: the same of its distinct consonants, in any order, [W].
    """

    codes: NDArray[np.uint64]
    places: NDArray[np.int64]
    words: NDArray[np.int64]
    ends: NDArray[np.int64]
    spaced: NDArray[np.bool_]
    hashes: NDArray[np.uint64]
    bones: NDArray[np.uint64]

    def runs(self, length: int = RUN) -> NDArray[np.uint64]:
        """Hash of every run of `length` letters (of the whole text, if it is shorter)."""
        return _polynomial(self.codes, min(length, len(self.codes)), _RUN_MULTIPLIER)

    def pairs(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Hashes of the word pairs, and the letter at which each starts."""
        hashes, places = [], []
        for gap in range(1, WINDOW + 1):
            left = self.hashes[:-gap]
            hashes.append(mixed(left * _RUN_MULTIPLIER + self.hashes[gap:]))
            places.append(self.words[: len(left)])
        return np.concatenate(hashes), np.concatenate(places)

    def outlines(self) -> list[tuple[NDArray[np.uint64], NDArray[np.int64]]]:
        """Hashes of first letters, last letters and consonants, and where each run starts."""
        first, last = self.codes[self.words], self.codes[self.ends - 1]
        views = (first, EDGES), (last, EDGES), (self.bones, BONES)
        gaps = np.concatenate([np.zeros(1, np.int64), np.cumsum(~self.spaced)])
        found = []
        for number, (view, length) in enumerate(views):
            # What is first in one text is never taken for what is last in another.
            hashes = mixed(_polynomial(view, length, _RUN_MULTIPLIER) + np.uint64(number))
            whole = gaps[length:] == gaps[:-length]
            found.append((hashes[whole], self.words[: len(hashes)][whole]))
        return found


def fold(text: str) -> Letters:
    """Fold a text, percent codes already decoded, to the form in which copies are looked for."""
    characters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    distinct, which = np.unique(characters, return_inverse=True)
    folded = [_folded(chr(code)) for code in distinct]
    lengths = np.array([len(letters) for letters in folded], np.int64)
    table = np.array([ord(letter) for letters in folded for letter in letters], np.uint64)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    each = lengths[which]
    places = np.repeat(np.arange(len(characters)), each)
    which_letter = np.arange(len(places)) + np.repeat(starts[which] - np.cumsum(each) + each, each)
    codes = table[which_letter]
    # What stands between white space and has letters loses its digits.
    space = np.array([chr(code).isspace() for code in distinct], bool)[which]
    group = np.cumsum(space)[places] if len(places) else places
    decimal = np.array([letter.isdecimal() for letters in folded for letter in letters], bool)
    digit = decimal[which_letter]
    has_letter = np.bincount(group, ~digit, minlength=1) > 0
    keep = ~(digit & has_letter[group]) if len(places) else np.zeros(0, bool)
    codes, places, digit = codes[keep], places[keep], digit[keep]
    # Words are what stands between marks as well, so that glued ones are told apart.
    parting = np.array([_parts(chr(code)) for code in distinct], bool)[which]
    word = np.cumsum(parting)[places] if len(places) else places
    unspaced = np.zeros(len(codes), bool)
    for first, last in _UNSPACED if codes.max(initial=0) >= _UNSPACED[0][0] else ():
        unspaced |= (codes >= first) & (codes <= last)
    new = np.ones(len(codes), bool)
    new[1:] = (word[1:] != word[:-1]) | unspaced[1:] | (unspaced[:-1] & ~unspaced[1:])
    words = np.flatnonzero(new)
    ends = np.append(words[1:], len(codes))[: len(words)]
    # Numbers between words tell nothing.
    real = ~digit[words]
    words, ends = words[real], ends[real]
    hashes = _word_hashes(codes, words, ends, unspaced)
    bones = _bones(codes, words, ends)
    return Letters(codes, places, words, ends, ~unspaced[words], hashes, bones)


def words_of(text: str) -> list[str]:
    """Words with the white space before them, which together are the text.

    In scripts without spaces every character is a word.
    """
    return _WORDS.findall(text)


def decoded(text: str) -> str:
    """The text with percent codes (`%41%42`) decoded as UTF-8."""
    return _PERCENT.sub(lambda match: unquote(match[0], errors="replace"), text)


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread 64-bit hashes evenly over all their bits (the finaliser of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _polynomial(
    values: NDArray[np.uint64], length: int, multiplier: np.uint64
) -> NDArray[np.uint64]:
    hashes = np.zeros(max(0, len(values) - length + 1), np.uint64)
    for offset in range(length):
        hashes = hashes * multiplier + values[offset : offset + len(hashes)]
    return hashes


def _word_hashes(
    codes: NDArray[np.uint64],
    words: NDArray[np.int64],
    ends: NDArray[np.int64],
    unspaced: NDArray[np.bool_],
) -> NDArray[np.uint64]:
    """Polynomial hash of each word; of the letters from its start on in scripts without spaces."""
    lengths = ends - words
    lengths = np.where(
        unspaced[words],
        np.minimum(np.where(codes[words] < _SIGNS, 3, 2), len(codes) - words),
        lengths,
    )
    hashes = np.zeros(len(words), np.uint64)
    active, offset = np.arange(len(words)), 0
    while len(active):
        hashes[active] = hashes[active] * _WORD_MULTIPLIER + codes[words[active] + offset]
        offset += 1
        active = active[lengths[active] > offset]
    return mixed(hashes)


def _bones(
    codes: NDArray[np.uint64], words: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Hash of each word's distinct consonants in any order, or vowels where it has no others."""
    lengths = ends - words
    numbers = np.repeat(np.arange(len(words), dtype=np.uint64), lengths)
    within = np.arange(len(numbers)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    distinct = np.unique((numbers << np.uint64(32)) | codes[np.repeat(words, lengths) + within])
    word, letters = (distinct >> np.uint64(32)).astype(np.int64), distinct & np.uint64(0xFFFFFFFF)
    vowel = _IS_VOWEL[np.minimum(letters, len(_IS_VOWEL) - 1).astype(np.int64)]
    only_vowels = np.bincount(word, ~vowel, minlength=len(words)) == 0
    kept = ~vowel | only_vowels[word]
    starts = np.searchsorted(word, np.arange(len(words)))
    return mixed(np.add.reduceat(np.where(kept, mixed(letters), 0), starts))


def _cut(
    hashes: NDArray[np.uint64], places: NDArray[np.int64], bounds: NDArray[np.int64]
) -> list[list[int]]:
    """The hashes between each two bounds, by the places, in order, at which they start."""
    listed = hashes.tolist()
    return [listed[a:b] for a, b in pairwise(np.searchsorted(places, bounds).tolist())]


def _pieces(bounds: list[int]) -> tuple[list[int], list[int]]:
    """Cut passages into pieces of about `PIECE` letters.

    Args:
        bounds: letters before each passage, and in all, [N + 1].

    Returns:
        First letter of each piece, and the end of the last; and pieces before each passage, and in
        all, [N + 1].
    """
    starts, before = list[int](), [0]
    for first, after in pairwise(bounds):
        count = max(1, round((after - first) / PIECE))
        starts += [first + (after - first) * place // count for place in range(count)]
        before.append(len(starts))
    return [*starts, bounds[-1]], before


class Passages:
    """Remembers text and tells, passage by passage, how much of the next one is a copy.

    One pass in the order of commitments gives the credit for shared text to the earliest. Memory is
    a 64-bit hash for every new run of letters, and seven for every word, at most.
    """

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._runs: set[int] = set()
        self._pairs: dict[int, tuple[int, ...]] = {}
        self._outlines: set[int] = set()
        self._blocks = 0

    def judge(self, text: str) -> Iterator[tuple[str, bool]]:
        """Cut a text into passages and remember it.

        Yields:
            A passage, percent codes decoded, and whether it is a copy of what was seen before, in
            this text or an earlier one. A text without letters has none.
        """
        text = decoded(text)
        letters = fold(text)
        runs = letters.runs().tolist()
        pairs, at = letters.pairs()
        order = np.argsort(at, kind="stable")
        total = len(letters.codes)
        bounds = np.append(np.arange(0, total, PASSAGE), total)
        shapes_of = [_cut(hashes, places, bounds) for hashes, places in letters.outlines()]
        place_of = letters.places.tolist()
        words_before = np.searchsorted(letters.words, bounds).tolist()
        pieces, pieces_before = _pieces(bounds.tolist())
        pairs_of = _cut(pairs[order], at[order], np.array(pieces))
        for number, (first, after) in enumerate(pairwise(bounds.tolist())):
            # The last runs of a text belong to the passage in which they start.
            own = runs[first:after] or runs[-1:]
            mine = pairs_of[pieces_before[number] : pieces_before[number + 1]]
            block = self._blocks + words_before[number] // BLOCK
            known = [list(map(self._pairs.get, piece)) for piece in mine]
            shapes = [passages[number] for passages in shapes_of]
            copied = (
                self._seen_runs(own)
                or self._seen_pairs(known, block)
                or any(map(self._seen_outlines, shapes))
            )
            self._runs.update(own)
            self._outlines.update(*shapes)
            self._remember(chain(*mine), chain(*known), block, copied=copied)
            start = place_of[first] if first else 0
            end = place_of[after] if after < total else len(text)
            yield text[start:end], copied
        # No block of one text is beside one of another.
        self._blocks += len(letters.words) // BLOCK + 2

    def keep(self, text: str) -> str:
        """The new passages of a text, joined; remembers all of it."""
        return "".join(passage for passage, copied in self.judge(text) if not copied)

    def _seen_runs(self, own: list[int]) -> bool:
        seen = sum(map(self._runs.__contains__, own))
        return seen > RUNS_SEEN * len(own) or seen == len(own)

    def _seen_outlines(self, own: list[int]) -> bool:
        seen = sum(map(self._outlines.__contains__, own))
        return len(own) >= LEAST_OUTLINES and seen > OUTLINES_SEEN * len(own)

    def _seen_pairs(self, known: list[list[tuple[int, ...] | None]], block: int) -> bool:
        """Whether earlier blocks hold enough of the telling pairs, not counting their own.

        Args:
            known: Blocks in which each pair was seen before, by piece.
            block: In which these pairs are.
        """
        telling = best = 0
        whole = Counter[int]()
        for piece in known:
            kept = [blocks for blocks in piece if blocks is None or len(blocks) <= COMMON]
            found = Counter(chain.from_iterable(filter(None, kept)))
            found.pop(block, None)
            telling += len(kept)
            # Some block has one of them by chance: only those found beside it tell anything.
            best += max(found.values(), default=1) - 1
            whole.update(found)
        if telling < LEAST_PAIRS or not whole:
            return False
        # A copy may lie across the border of two blocks.
        most = max(count + whole.get(other + 1, 0) for other, count in whole.items()) - 1
        return max(most, best) > PAIRS_SEEN * telling

    def _remember(
        self,
        pairs: Iterable[int],
        known: Iterable[tuple[int, ...] | None],
        block: int,
        *,
        copied: bool,
    ) -> None:
        """Note that pairs are in a block; those of a copy are not made common by it."""
        here = (block,)
        for pair, blocks in zip(pairs, known, strict=True):
            if blocks is None:
                self._pairs[pair] = here
            elif not copied and len(blocks) <= COMMON and block not in blocks:
                self._pairs[pair] = (*blocks, block)
