"""Whether words make sense together, in English: a probe inside the sentence encoder reads them.

Text without meaning can have the words, the casing, and the local order of a language: chains that
continue every two words as some real text does, runs of real text in any order, sentences of which
the words were exchanged. In the first three layers of the encoder each word is seen with its
neighbours. A probe of one hidden layer reads a number off each word piece there: the log odds that
the words around it are running text. It was trained on text of the reference and on fourteen kinds
of text without meaning made of it (`benchmarks/quality/coherence.py`, which measures it on kinds
and domains that it has not seen).

Only words are read, without case and marks, so no casing and no full stop helps. Only drawn
passages are read, which bounds the cost and cannot be foreseen. The mean of a window is rounded to
a quarter, so that machines agree; sums are exact from there on.

Lines may have nothing to do with each other: comments of a program, titles, commands, entries of a
log of changes. What makes no sense as one text is therefore read line by line as well.
"""

from __future__ import annotations

import re
from collections import defaultdict
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import isqrt
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from oracles.quality import embed, texts
from oracles.quality.packaged import pinned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Layers of the encoder below the probe.
LAYERS: Final = 3
_WORD = re.compile(r"\S+\s*")
#: Words that are read at once, and windows of a passage, which is judged as a whole.
WINDOW: Final = 96
WINDOWS: Final = 2
#: Passages that are read of a document at most, and never more than half of several.
PASSAGES: Final = 4
#: Fewer words are not read.
LEAST: Final = 3
#: Languages that the encoder reads; comments in program source, and what was recognised as no
#: language, may be English.
LANGUAGES: Final = frozenset({"en", "zxx", texts.UNKNOWN})
#: Word pieces of a window that are read; the rest is cut.
MAX_PIECES: Final = 160
#: Steps of the grid in one unit of log odds.
STEPS: Final = 4
PROBE_SHA256 = "d491733c1b806f76c2e8967aaf6e71e5c39b8ceb6bc49ffa7c2155634e34f876"


class Bounds(NamedTuple):
    """When a text makes sense.

    Attributes:
        sense: log odds, in steps, from which nothing is lost.
        nonsense: log odds down to which everything is.
    """

    sense: int
    nonsense: int


#: A passage, by itself.
PASSAGE: Final = Bounds(sense=-1, nonsense=-20)
#: Word pieces for which these hold. With fewer the mean varies more, by one standard deviation of
#: real text, in steps, times (√(pieces / fewer) - 1); so much is forgiven.
_PIECES, _DEVIATION = 250, 12
#: Documents of fewer than `SHORT` word pieces, read one by one and judged together from `MANY` on:
#: words with few neighbours read as neither sense nor nonsense, but the mean over many documents is
#: all the surer.
SHORT: Final = 128
MANY: Final = 1000
TOGETHER: Final = Bounds(sense=4, nonsense=-2)
#: A passage line by line, and words of a line; shorter ones go on with the next. Titles, comments
#: and lists have a mean of −0.7 and more, words in no order, or exchanged, −2.1 and less.
LINES: Final = Bounds(sense=-2, nonsense=-8)
_LINE = 4


class Grade(NamedTuple):
    """How a window reads: mean log odds in steps, and the word pieces that it is the mean of."""

    steps: int
    pieces: int


def passages(prose: str, key: bytes) -> tuple[tuple[str, ...], ...]:
    """The passages of a text that are read, as windows of words: drawn as `text.sample` draws.

    Args:
        prose: Plain words in the lines of the text; see `cleanliness.Reading`.
        key: Of the draw.

    Returns:
        Each word with the white space behind it, so that windows together are the passage.
    """
    words = _WORD.findall(prose)
    if len(words) < LEAST:
        return ()
    size = WINDOW * WINDOWS
    # What is left over at the end belongs to the last passage: no word may escape the draw.
    starts = range(0, max(1, len(words) - size // 2), size)
    found = {"".join(words[a:b]) for a, b in zip(starts, [*starts[1:], None], strict=True)}
    drawn = texts.sample(found, max(1, min(PASSAGES, len(found) // 2)), key)
    return tuple(_windows(passage) for passage in drawn)


def _windows(passage: str) -> tuple[str, ...]:
    words = _WORD.findall(passage)
    count = -(-len(words) // WINDOW)
    bounds = [len(words) * i // count for i in range(count + 1)]
    return tuple("".join(words[a:b]) for a, b in pairwise(bounds))


def lines(passage: Sequence[str]) -> tuple[str, ...]:
    """The lines of a passage as windows; none if it has a single one.

    Args:
        passage: Its windows, see `passages`.
    """
    found, line = list[str](), list[str]()
    for row in "".join(passage).split("\n"):
        line += row.split()
        if len(line) >= _LINE:
            found.append(" ".join(line))
            line = []
    if line:
        found = [*found[:-1], " ".join([*found[-1:], *line])]
    return tuple(part for one in found for part in _windows(one)) if len(found) > 1 else ()


def mean(grades: Sequence[Grade]) -> Fraction:
    """Mean log odds of windows, in steps, by their word pieces."""
    pieces = sum(grade.pieces for grade in grades)
    return Fraction(sum(grade.steps * grade.pieces for grade in grades), max(1, pieces))


def senseless(grades: Sequence[Grade], bounds: Bounds = PASSAGE) -> Fraction:
    """Share of a text, in [0, 1], that makes no sense: 0 for running text.

    Args:
        grades: Of its windows.
        bounds: What is sense and what is none.
    """
    pieces = sum(grade.pieces for grade in grades)
    if not pieces:
        return Fraction(0)
    spread = max(0, isqrt(10**6 * _PIECES // pieces) - 1000)
    odds = mean(grades) + Fraction(_DEVIATION * spread, 1000)
    share = (bounds.sense - odds) / (bounds.sense - bounds.nonsense)
    return min(Fraction(1), max(Fraction(0), share))


class Probe(NamedTuple):
    """Two layers: (WIDTH, h) and (h,), ReLU, (h,) and a number."""

    hidden: NDArray[np.float64]
    hidden_bias: NDArray[np.float64]
    out: NDArray[np.float64]
    out_bias: float

    def __call__(self, states: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Log odds (n,) of word pieces whose states are (n, WIDTH)."""
        inner = np.maximum(0.0, states.astype(np.float64) @ self.hidden + self.hidden_bias)
        logits: NDArray[np.float64] = inner @ self.out + self.out_bias
        return logits


@lru_cache(maxsize=1)
def load_probe() -> Probe:
    """The trained probe that comes with the package.

    Raises:
        IntegrityError: The file is not the pinned one.
    """
    from safetensors.numpy import load

    data = load(pinned("coherence.safetensors", PROBE_SHA256))
    parts = {name: value.astype(np.float64) for name, value in data.items()}
    return Probe(parts["hidden"], parts["hidden_bias"], parts["out"], float(parts["out_bias"][0]))


class Encoded:
    """Word pieces of windows, and their states in the middle of the encoder.

    Args:
        threads: Threads of ONNX Runtime; changes the speed, not the result.
        batch: Windows of equal length run together; changes the speed, not the result.
    """

    def __init__(self, threads: int = 1, batch: int = 16) -> None:
        self._session = embed.open_graph(LAYERS, threads)
        self._tokenizer = embed.load_tokenizer()
        self._tokenizer.enable_truncation(MAX_PIECES)
        self._batch = batch

    def __call__(self, windows: Sequence[str]) -> list[NDArray[np.float32]]:
        """States (pieces, WIDTH) of each window, without its first and last mark."""
        readable = [window.encode("utf-8", "replace").decode() for window in windows]
        encoded = [item.ids for item in self._tokenizer.encode_batch(readable)]
        by_length: defaultdict[int, list[int]] = defaultdict(list)
        for row, ids in enumerate(encoded):
            by_length[len(ids)].append(row)
        states: dict[int, NDArray[np.float32]] = {}
        for _, rows in sorted(by_length.items()):
            for start in range(0, len(rows), self._batch):
                chosen = rows[start : start + self._batch]
                ids = np.array([encoded[row] for row in chosen], np.int64)
                (hidden,) = self._session.run(["hidden"], {"ids": ids})
                states.update(zip(chosen, hidden[:, 1:-1], strict=True))
        return [states[row] for row in range(len(windows))]


class Reader:
    """Grades windows of words.

    Args:
        threads: See `Encoded`.
        batch: See `Encoded`.
    """

    def __init__(self, threads: int = 1, batch: int = 16) -> None:
        self._encoded = Encoded(threads, batch)
        self._probe = load_probe()

    def __call__(self, windows: Sequence[str]) -> list[Grade]:
        """Read windows of words."""
        return [self._grade(states) for states in self._encoded(windows)]

    def _grade(self, states: NDArray[np.float32]) -> Grade:
        if not len(states):
            return Grade(0, 0)
        return Grade(int(np.rint(STEPS * self._probe(states).mean())), len(states))


@lru_cache(maxsize=1)
def reader() -> Reader:
    """One reader a process: loading takes longer than reading a page."""
    return Reader()
