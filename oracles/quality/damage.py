"""Planted damage: what each kind does to each metric, on real text."""

from __future__ import annotations

import datetime
import random
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.dataset import Document
from oracles.quality.embed import WIDTH
from oracles.quality.parameters import QualityParameters
from oracles.quality.score import METRICS, score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from oracles.progress import Progress
    from oracles.quality.embed import Embedder
    from oracles.quality.references import Reference

Damage = "Callable[[list[Document], float, random.Random], list[Document]]"
_CONFUSED = {
    "a": "o", "b": "h", "c": "e", "d": "cl", "e": "c", "f": "t", "g": "q", "h": "b", "i": "l",
    "l": "1", "m": "rn", "n": "u", "o": "0", "r": "t", "s": "5", "t": "f", "u": "n", "w": "vv",
}  # fmt: skip
_TEMPLATE = (
    "Dear {}, thank you for your order number {}. It was sent to {} this morning and will reach "
    "you within five working days. If anything is missing, write to our service team and quote the "
    "number above. We hope that you will enjoy your {} and look forward to hearing from you again."
)


class CachedEmbedder:
    """An embedder that remembers; the undamaged part of a set is embedded once."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, NDArray[np.int16]] = {}

    def __call__(self, sentences: Sequence[str]) -> NDArray[np.int16]:
        """See `Embedder`."""
        new = [sentence for sentence in sentences if sentence not in self._known]
        self._known.update(zip(new, self._embedder(new), strict=True))
        rows = [self._known[sentence] for sentence in sentences]
        return np.array(rows, np.int16).reshape(-1, WIDTH)


def well_described(texts: Sequence[str], today: datetime.date) -> list[Document]:
    """Documents with complete metadata, at most a year old."""
    return [
        Document(
            text,
            {
                "title": " ".join(text.split()[:6]),
                "date": (today - datetime.timedelta(days=n % 360)).isoformat(),
                "license": "CC-BY-4.0",
                "language": "en",
                "source": f"https://data.europa.eu/documents/{n}",
            },
        )
        for n, text in enumerate(texts)
    ]


def _each(change: Callable[[str, float, random.Random], str]) -> Any:
    """Damage every text at a rate."""
    return lambda documents, level, rng: [
        Document(change(d.text, level, rng), d.metadata) for d in documents
    ]


def _some(change: Callable[[str, random.Random], str]) -> Any:
    """Damage a share of the documents."""
    return lambda documents, level, rng: [
        Document(change(d.text, rng), d.metadata) if rng.random() < level else d for d in documents
    ]


def ocr(text: str, rate: float, rng: random.Random) -> str:
    """Letters misread for similar ones."""
    return "".join(_CONFUSED.get(c, c) if rng.random() < rate else c for c in text)


def noise(text: str, rate: float, rng: random.Random) -> str:
    """Letters replaced by random ones."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return "".join(rng.choice(letters) if c.isalpha() and rng.random() < rate else c for c in text)


def mojibake(text: str, rng: random.Random) -> str:
    """Typographic marks in UTF-8 that somebody read as Windows-1252."""
    del rng
    marked = re.sub(r'"(\w)', r"“\1", text).replace('"', "”").replace("'", "’").replace(", ", " – ")
    return marked.encode("utf-8").decode("cp1252", "replace")


def shuffle_words(text: str, rng: random.Random) -> str:
    """All words of a text in random order."""
    words = text.split()
    rng.shuffle(words)
    return " ".join(words)


def markup(text: str, rng: random.Random) -> str:
    """Tags and entities left between the words."""
    return re.sub(r" ", lambda m: "&nbsp;<br/>" if rng.random() < 0.05 else m[0], text)


def duplicate(documents: list[Document], level: float, rng: random.Random) -> list[Document]:
    """A share of the documents replaced by copies of others, a few words changed."""
    kept = max(1, round(len(documents) * (1 - level)))
    copies = [rng.choice(documents[:kept]) for _ in documents[kept:]]
    return documents[:kept] + [Document(f"{c.text} Indeed.", c.metadata) for c in copies]


def template(documents: list[Document], level: float, rng: random.Random) -> list[Document]:
    """A share of the documents replaced by form letters."""
    words = [word for d in documents for word in d.text.split() if word.isalpha()]
    return [
        Document(
            _TEMPLATE.format(
                rng.choice(words), rng.randrange(10**6), rng.choice(words), rng.choice(words)
            ),
            d.metadata,
        )
        if rng.random() < level
        else d
        for d in documents
    ]


def strip_metadata(documents: list[Document], level: float, rng: random.Random) -> list[Document]:
    """Each field removed with the given probability, dates excepted."""
    return [
        Document(
            d.text, {k: v for k, v in d.metadata.items() if k == "date" or rng.random() >= level}
        )
        for d in documents
    ]


def age(documents: list[Document], level: float, rng: random.Random) -> list[Document]:
    """All dates moved back by so many years."""
    del rng
    back = datetime.timedelta(days=round(365.25 * level))
    return [
        Document(
            d.text,
            {
                **d.metadata,
                "date": (datetime.date.fromisoformat(d.metadata["date"]) - back).isoformat(),
            },
        )
        for d in documents
    ]


def copy_reference(passages: Sequence[str]) -> Any:
    """A share of the documents replaced by passages that the reference contains."""

    def damage(documents: list[Document], level: float, rng: random.Random) -> list[Document]:
        copies = rng.sample(list(passages), min(len(passages), len(documents)))
        return [
            Document(copy, d.metadata) if rng.random() < level else d
            for d, copy in zip(documents, copies, strict=False)
        ]

    return damage


_PERCENT = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
_SHARES = (0.1, 0.25, 0.5, 1.0)
KINDS: dict[str, tuple[Any, tuple[float, ...]]] = {
    "OCR misreadings, share of letters": (_each(ocr), _PERCENT),
    "random letters, share of letters": (_each(noise), _PERCENT),
    "mojibake, share of documents": (_some(mojibake), _SHARES),
    "shuffled words, share of documents": (_some(shuffle_words), _SHARES),
    "markup left in, share of documents": (_some(markup), _SHARES),
    "near-duplicates, share of documents": (duplicate, (0.25, 0.5, 0.75)),
    "form letters, share of documents": (template, (0.25, 0.5, 0.75)),
    "metadata fields removed": (strip_metadata, (0.25, 0.5, 1.0)),
    "dates moved back, years": (age, (1, 3, 6, 12)),
}


def table(
    texts: Sequence[str],
    embedder: Embedder,
    seed: int = 1,
    progress: Progress | None = None,
    in_reference: Sequence[str] = (),
    reference: Reference | None = None,
) -> list[dict[str, Any]]:
    """Scores of a set, undamaged first and then under each damage at each level.

    Args:
        texts: Real texts.
        embedder: See `Embedder`.
        seed: Of the damage.
        progress: Told how many rows are done.
        in_reference: Passages that the reference contains; without them nothing is copied.
        reference: See `score`.
    """
    parameters = QualityParameters()
    cached: Any = CachedEmbedder(embedder)
    kinds = dict(KINDS)
    if in_reference:
        kinds["copies of the reference, share of documents"] = (
            copy_reference(in_reference),
            (0.1, 0.25, 0.5, 1.0),
        )
    cases: list[tuple[str, float, Any]] = [("none", 0.0, None)]
    cases += [(name, level, change) for name, (change, levels) in kinds.items() for level in levels]
    rows = []
    for number, (name, level, change) in enumerate(cases, 1):
        documents = well_described(texts, parameters.today)
        if change is not None:
            documents = change(documents, level, random.Random(seed))  # noqa: S311
        result = score(documents, parameters, embedder=cached, reference=reference)
        scores = {metric: getattr(result, metric) for metric in (*METRICS, "q", "volume")}
        rows.append({"damage": name, "level": f"{level:g}", **scores})
        if progress is not None:
            progress("rows", number, len(cases))
    return rows
