"""Nearest sentences in a reference of millions: an inverted file proposes, exact products decide.

faiss keeps the vectors in lists by coarse cluster, one byte a component, memory-mapped. Its own
distances are approximate and its training is not the same on every machine, so the built file is
published with its digest, and the candidates it proposes are compared exactly, in integers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.errors import InputError
from oracles.quality.embed import WIDTH, norms
from oracles.quality.novelty import to_micro

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

_TRAINING = 200_000
_ROUNDS = 8
_BLOCK = 100_000
_PROBES = 32
_CANDIDATES = 16
_QUERIES = 1024


def build(
    vectors: NDArray[np.int8],
    path: Path,
    lists: int = 2048,
    advance: Callable[[int, int], None] | None = None,
) -> None:
    """Build an index over integer embeddings and write it.

    Args:
        vectors: (n, 384) int8, possibly memory-mapped; read in blocks.
        path: File to write, about 400 bytes a vector.
        lists: Coarse clusters; 2048 suits one to ten million vectors.
        advance: Called with vectors done and in all.
    """
    import faiss

    if len(vectors) < lists:
        raise InputError(f"an index of {lists} lists needs at least as many vectors")
    index = faiss.index_factory(WIDTH, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    faiss.extract_index_ivf(index).cp.niter = _ROUNDS
    step = max(1, len(vectors) // _TRAINING)
    index.train(_units(vectors[::step][:_TRAINING]))
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        index.add(_units(block))
        if advance is not None:
            advance(start + len(block), len(vectors))
    faiss.write_index(index, str(path))


class NeighbourIndex:
    """A built index, memory-mapped, with the vectors it was built from.

    Args:
        path: See `build`.
        vectors: The same vectors.
    """

    def __init__(self, path: Path, vectors: NDArray[np.int8]) -> None:
        import faiss

        try:
            self._index: Any = faiss.read_index(
                str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY
            )
        except RuntimeError as error:
            raise InputError(f"{path} is not an index; build it again") from error
        if self._index.ntotal != len(vectors):
            raise InputError(
                f"{path} was built from {self._index.ntotal} vectors, not {len(vectors)}"
            )
        faiss.extract_index_ivf(self._index).nprobe = _PROBES
        self._vectors = vectors

    def nearest(self, queries: NDArray[np.int16]) -> NDArray[np.int64]:
        """Cosine (n,), in millionths, of each query with the best of its candidates, exactly."""
        best = np.zeros(len(queries))
        for start in range(0, len(queries), _QUERIES):
            block = queries[start : start + _QUERIES]
            _, rows = self._index.search(_units(block), _CANDIDATES)
            rows = np.maximum(rows, 0)
            found = self._vectors[rows.ravel()]
            products = np.einsum(
                "qcw,qw->qc",
                found.reshape(*rows.shape, WIDTH).astype(np.float64),
                block.astype(np.float64),
            )
            lengths = np.maximum(norms(found), 1.0).reshape(rows.shape)
            best[start : start + len(block)] = (products / lengths).max(axis=1)
        return to_micro(best, queries)


def _units(vectors: NDArray[Any]) -> NDArray[np.float32]:
    lengths = np.maximum(norms(vectors), 1.0)[:, None]
    units: NDArray[np.float64] = vectors / lengths
    return units.astype(np.float32)
