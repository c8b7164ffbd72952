"""Documents in several languages: how clean they read, by how the languages alternate.

    python -m benchmarks.quality.mixed [--json] [--docs] [--draws 40]

Two to four of 28 translations of the Universal Declaration of Human Rights are drawn for each
document, and joined in several ways. `below 0.95` counts documents that lose more than a twentieth
of their letters, which clean text does not.
"""

from __future__ import annotations

import argparse
import random
import re
from typing import TYPE_CHECKING, Any

from benchmarks.quality.common import show, translations
from oracles.quality import references, texts
from oracles.quality.cleanliness import cleanliness, read

if TYPE_CHECKING:
    from collections.abc import Callable

LANGUAGES = (
    "eng", "deu_1996", "fra", "spa", "ita", "por_PT", "nld", "swe", "pol", "ces", "hun", "fin",
    "tur", "rus", "ell_monotonic", "arb", "heb", "hin", "vie", "ind", "swh", "yor", "jpn", "kor",
    "cmn_hans", "ukr", "cat", "dan",
)  # fmt: skip
#: Pieces and characters of a document.
PIECES, CHARACTERS = 24, 6000
_SENTENCE = re.compile(r"(?<=[.!?。।])\s+|\n")


def paragraphs(text: str) -> list[str]:
    """Paragraphs of a translation."""
    return text.split("\n\n")


def sentences(text: str) -> list[str]:
    """Sentences of a translation, and its headings."""
    return [sentence for sentence in _SENTENCE.split(text) if sentence.strip()]


def alternating(
    parts: list[list[str]], joint: str, rng: random.Random, within: str | None = None
) -> str:
    """Pieces of several texts in turn, from a random place on.

    Args:
        parts: pieces of each text.
        joint: between two pieces, or two rows of pieces.
        rng: chooses the place.
        within: between the pieces of a row; by default as between rows.
    """
    rows = list(zip(*parts, strict=False))
    count = max(1, PIECES // len(parts))
    start = rng.randrange(max(1, len(rows) - count))
    between = joint if within is None else within
    return joint.join(between.join(row) for row in rows[start : start + count])[:CHARACTERS]


def quoting(parts: list[list[str]], rng: random.Random) -> str:
    """Twelve sentences of the first text with one of the second in quotation marks."""
    own, other = parts[:2]
    start = rng.randrange(len(own) - 12)
    quoted = other[min(start, len(other) - 1)]
    return " ".join([*own[start : start + 9], f"“{quoted}”", *own[start + 9 : start + 12]])


def glossary(parts: list[list[str]], rng: random.Random) -> str:
    """Lines with a word of one language and a word of another, as in a bilingual word list."""
    words = [sorted({word for text in part for word in text.split()}) for part in parts[:2]]
    return "\n".join(" – ".join(rng.choice(each) for each in words) for _ in range(120))


FORMS: dict[str, tuple[Callable[[str], list[str]], Callable[..., str]]] = {
    "paragraphs in turn": (paragraphs, lambda parts, rng: alternating(parts, "\n\n", rng)),
    "sentences in turn": (sentences, lambda parts, rng: alternating(parts, " ", rng)),
    "sentences side by side, tab-separated": (
        sentences,
        lambda parts, rng: alternating(parts, "\n", rng, "\t"),
    ),
    "one language with a quotation": (sentences, quoting),
    "word list with translations": (sentences, glossary),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--docs", action="store_true", help="write docs/quality.md")
    parser.add_argument("--draws", type=int, default=40)
    options = parser.parse_args()
    found, pairs = translations(), references.default().pairs
    rows: list[dict[str, Any]] = []
    for form, (pieces, join) in FORMS.items():
        rng = random.Random(1)
        scores = []
        for _ in range(options.draws):
            chosen = rng.sample(LANGUAGES, rng.choice((2, 2, 3, 3, 4)))
            text = join([pieces(found[name]) for name in chosen], rng)
            scores.append(float(cleanliness(read(texts.normalise(text), pairs).counts)))
        rows.append(
            {
                "languages": form,
                "documents": len(scores),
                "mean cleanliness": sum(scores) / len(scores),
                "lowest": min(scores),
                "below 0.95": sum(score < 0.95 for score in scores),
            }
        )
    show(rows, {}, to_json=options.json, docs="mixed" * options.docs)


if __name__ == "__main__":
    main()
