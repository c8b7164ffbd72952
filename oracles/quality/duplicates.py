"""Near-duplicates by MinHash, inside one data set and against those committed earlier."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from oracles.quality import text as texts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oracles.dataset import Document

_PERMUTATIONS = 128
_SEED = 42
_BANDS = 16
_SHINGLE_WORDS = 5
_WORD = re.compile(r"\w+")
_SHINGLE_CHARACTERS = 12


def signature(text: str) -> bytes:
    """MinHash of a text's word 5-grams (character 12-grams in scripts without spaces)."""
    from rensa import RMinHash

    sketch = RMinHash(num_perm=_PERMUTATIONS, seed=_SEED)
    sketch.update(shingles(text))
    return bytes(sketch.__getstate__())


def shingles(text: str) -> list[str]:
    """Distinct shingles of a text, case and punctuation folded; at least one."""
    words = _WORD.findall(text.casefold())
    if texts.unspaced(text) or len(words) < _SHINGLE_WORDS:
        units, size, glue = "".join(text.casefold().split()), _SHINGLE_CHARACTERS, ""
    else:
        units, size, glue = words, _SHINGLE_WORDS, " "  # type: ignore[assignment]
    last = max(1, len(units) - size + 1)
    return sorted({glue.join(units[i : i + size]) for i in range(last)})


class DuplicateIndex:
    """Signatures of the documents kept so far; about 2 kB a document.

    Args:
        threshold: Estimated Jaccard similarity, in 1e-4, from which two documents are the same.
    """

    def __init__(self, threshold: int = 8000) -> None:
        from rensa import RMinHashLSH

        self._threshold = threshold
        self._kept: list[tuple[Any, bytes]] = []
        self._index = RMinHashLSH(
            threshold=threshold / 10_000, num_perm=_PERMUTATIONS, num_bands=_BANDS
        )

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, signature_: bytes) -> bytes | None:
        """Name of the most similar kept document, if any reaches the threshold; first on ties."""
        sketch = _restore(signature_)
        best: tuple[float, int] | None = None
        for row in self._index.query(sketch):
            similarity = sketch.jaccard(self._kept[row][0])
            if similarity * 10_000 >= self._threshold:
                best = max(best or (0.0, 0), (similarity, -row))
        return None if best is None else self._kept[-best[1]][1]

    def add(self, signature_: bytes, name: bytes) -> None:
        """Keep a document."""
        sketch = _restore(signature_)
        self._index.insert(len(self._kept), sketch)
        self._kept.append((sketch, name))

    def read(self, documents: Iterable[Document]) -> None:
        """Keep the distinct documents of a data set that was committed earlier."""
        for document in documents:
            text = texts.normalise(document.text)
            sketch = signature(text)
            if text.strip() and self.find(sketch) is None:
                self.add(sketch, texts.digest(text))

    def update(self, other: DuplicateIndex) -> None:
        """Keep all documents of another index."""
        for sketch, name in other._kept:
            self._index.insert(len(self._kept), sketch)
            self._kept.append((sketch, name))


def _restore(signature_: bytes) -> Any:
    from rensa import RMinHash

    sketch = RMinHash(num_perm=_PERMUTATIONS, seed=_SEED)
    sketch.__setstate__(signature_)
    return sketch
