"""The public reference corpus as scoring sees it: vectors, topic clusters, shares, word pairs.

One safetensors file, known by its SHA-256, which is part of the metric version. The default file
comes with the package; `qmia quality reference build` makes another one from the same packages.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.errors import InputError, IntegrityError
from oracles.files import sha256_file, write_file
from oracles.quality import disguise, order, texts
from oracles.quality.diversity import assign, fit, mean_vector
from oracles.quality.embed import SCALE, WIDTH, Embedder
from oracles.quality.index import NeighbourIndex
from oracles.quality.novelty import nearest, to_micro

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

_SHIPPED = Path(__file__).parent / "data" / "reference.safetensors"
#: Norm of a stored vector; components of MiniLM stay below 0.3, hence within int8.
STORED_SCALE = 400
#: Cosine, in millionths, from which a sentence counts as copied. Paraphrases reach 0.7 to 0.95.
_COPIED = 950_000
_CLUSTERS = 50
_SHARD = 1024


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference corpus.

    Attributes:
        vectors: Sentence embeddings (n, 384) int8, norm about `STORED_SCALE`.
        centroids: Topic clusters (k, 384) int16.
        cluster_shares: Share of the reference's documents in each cluster, in 1e-4.
        language_shares: Share of its characters by detected language, in 1e-4.
        unrelated: Median cosine, in millionths, of a sentence with its nearest one elsewhere.
        copied: Cosine, in millionths, that counts as a copy.
        pairs: Table of the pairs of English words that follow each other, see `order.learn`.
        provenance: Sources: package, version, licence, documents and sentences taken.
        digest: SHA-256 of the file, with that of its index if it has one.
        index: Proposes neighbours where comparing with every vector takes too long.
    """

    vectors: NDArray[np.int8]
    centroids: NDArray[np.int16]
    cluster_shares: tuple[int, ...]
    language_shares: dict[str, int]
    unrelated: int
    copied: int
    pairs: NDArray[np.uint8]
    provenance: dict[str, Any]
    digest: str
    index: NeighbourIndex | None = None

    def nearest(self, queries: NDArray[np.int16]) -> NDArray[np.int64]:
        """Cosine (n,), in millionths, of each query with its nearest reference sentence."""
        return nearest(queries, self.vectors) if self.index is None else self.index.nearest(queries)

    def summary(self) -> dict[str, Any]:
        """What `qmia quality reference info` prints."""
        return {
            "digest": self.digest,
            "sentences": len(self.vectors),
            "clusters": len(self.centroids),
            "unrelated_cosine": self.unrelated / 1e6,
            "copied_cosine": self.copied / 1e6,
            "pairs": int(np.unpackbits(self.pairs).sum()),
            "languages": self.language_shares,
            "sources": self.provenance,
        }


def load(path: Path | None = None, expected_digest: str | None = None) -> Reference:
    """Read a reference file, and the index beside it (same name, `.faiss`) if there is one.

    Args:
        path: The file; by default the one that comes with the package.
        expected_digest: Hex SHA-256 that an auction was created with.

    Raises:
        InputError: The file is missing or is not a reference.
        IntegrityError: It is not the expected one.
    """
    try:
        data = _mapped(path or _SHIPPED)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the reference {path}: {error}") from error
    reference = decode(data)
    sidecar = None if path is None else path.with_suffix(".faiss")
    if sidecar is not None and sidecar.is_file():
        both = bytes.fromhex(reference.digest) + bytes.fromhex(sha256_file(sidecar))
        reference = replace(
            reference,
            digest=hashlib.sha256(both).hexdigest(),
            index=NeighbourIndex(sidecar, reference.vectors),
        )
    if expected_digest is not None and reference.digest != expected_digest:
        raise IntegrityError(
            f"the reference has digest {reference.digest}, the auction names {expected_digest}"
        )
    return reference


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as handle:
        return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)


@lru_cache(maxsize=1)
def default() -> Reference:
    """The reference that comes with the package."""
    return load()


def decode(data: bytes | mmap.mmap) -> Reference:
    """Read a reference file from its bytes, or from a memory map without copying it."""
    try:
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:start])
        facts = json.loads(header["__metadata__"]["facts"])

        def tensor(name: str, kind: str) -> NDArray[Any]:
            shape, (first, last) = header[name]["shape"], header[name]["data_offsets"]
            flat = np.frombuffer(
                data, kind, (last - first) // np.dtype(kind).itemsize, start + first
            )
            return flat.reshape(shape)

        return Reference(
            vectors=tensor("vectors", "i1"),
            centroids=tensor("centroids", "<i2"),
            cluster_shares=tuple(facts["cluster_shares"]),
            language_shares=facts["language_shares"],
            unrelated=facts["unrelated"],
            copied=facts["copied"],
            pairs=tensor("pairs", "u1"),
            provenance=facts["provenance"],
            digest=hashlib.sha256(data).hexdigest(),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(
            "not a reference file; build one with `qmia quality reference build`"
        ) from error


def build(
    documents: Iterable[str],
    english: Iterable[str],
    embedder: Embedder,
    shards: Path,
    provenance: dict[str, Any],
    sentences_per_document: int = 4,
    advance: Callable[[int, int], None] | None = None,
) -> bytes:
    """Embed a corpus and measure what scoring needs of it.

    Embedded shards are kept in a folder under the digest of their sentences, so that an interrupted
    build goes on where it stopped.

    Args:
        documents: Texts whose sentences are drawn and embedded.
        english: Running English from which the pairs of words are learnt.
        embedder: See `Embedder`.
        shards: Folder for finished shards.
        provenance: Written into the file.
        sentences_per_document: Drawn from each document as in scoring.
        advance: Called with sentences done and sentences in all.

    Returns:
        The bytes of a reference file; the same for the same documents in any order.
    """
    drawn: dict[bytes, list[str]] = {}
    languages: Counter[str] = Counter()
    for raw in documents:
        text = texts.normalise(raw)
        languages[texts.language(text)] += len(text)
        drawn[texts.digest(text)] = texts.sample(
            set(texts.sentences(text)), sentences_per_document, b""
        )
    if not drawn:
        raise InputError("the reference has no documents; check the sources")
    keys = sorted(drawn)
    owner = [index for index, key in enumerate(keys) for _ in drawn[key]]
    flat = [sentence for key in keys for sentence in drawn[key]]
    vectors = _embed_in_shards(flat, embedder, shards, advance)

    starts = np.searchsorted(owner, np.arange(len(keys) + 1))
    means = np.stack([mean_vector(vectors[a:b]) for a, b in pairwise(starts)])
    centroids = fit(means, _CLUSTERS)
    occupied = np.bincount(assign(means, centroids), minlength=len(centroids))
    stored = np.rint(vectors * (STORED_SCALE / SCALE)).astype(np.int8)
    characters = sum(languages.values())
    facts = {
        "cluster_shares": [int(n) * 10_000 // len(keys) for n in occupied],
        "language_shares": {k: v * 10_000 // characters for k, v in sorted(languages.items())},
        "unrelated": _unrelated(vectors, stored, np.array(owner)),
        "copied": _COPIED,
        "provenance": provenance,
    }
    return encode(stored, centroids, word_pairs(english), facts)


def encode(
    vectors: NDArray[np.int8],
    centroids: NDArray[np.int16],
    pairs: NDArray[np.uint8],
    facts: dict[str, Any],
) -> bytes:
    """Bytes of a reference file."""
    from safetensors.numpy import save

    tensors: dict[str, NDArray[Any]] = {
        "centroids": np.ascontiguousarray(centroids),
        "pairs": np.ascontiguousarray(pairs),
        "vectors": np.ascontiguousarray(vectors),
    }
    return bytes(save(tensors, {"facts": json.dumps(facts, sort_keys=True)}))


def _embed_in_shards(
    sentences: list[str],
    embedder: Embedder,
    shards: Path,
    advance: Callable[[int, int], None] | None,
) -> NDArray[np.int16]:
    parts = []
    for start in range(0, len(sentences), _SHARD):
        chunk = sentences[start : start + _SHARD]
        path = shards / f"{texts.digest(chr(0).join(chunk)).hex()[:32]}.i16"
        size = 2 * WIDTH * len(chunk)
        if not (path.is_file() and path.stat().st_size == size):
            shards.mkdir(parents=True, exist_ok=True)
            write_file(path, embedder(chunk).astype("<i2").tobytes())
        parts.append(np.frombuffer(path.read_bytes(), "<i2").reshape(-1, WIDTH))
        if advance is not None:
            advance(start + len(chunk), len(sentences))
    return np.concatenate(parts)


def _unrelated(
    vectors: NDArray[np.int16], stored: NDArray[np.int8], owner: NDArray[np.int64]
) -> int:
    """Median, in millionths, of the cosine with the nearest sentence of any other document."""
    from oracles.quality.embed import dots, norms

    rows = np.arange(0, len(vectors), max(1, len(vectors) // 2000))
    products = dots(vectors[rows], stored) / norms(stored)
    products[owner[rows][:, None] == owner[None, :]] = -1.0
    return int(np.median(to_micro(products.max(axis=1), vectors[rows])))


def word_pairs(english: Iterable[str]) -> NDArray[np.uint8]:
    """Table of the neighbouring words of running texts, see `order.learn`."""
    return order.learn(
        [word.casefold() for word in disguise.words(texts.normalise(text))] for text in english
    )
