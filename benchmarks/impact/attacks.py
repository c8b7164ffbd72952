"""What tricks gain and what the buyer gets: `python -m benchmarks.impact.attacks`.

A small auction of seven providers, of which the last one attacks. Values the material of all
attacks side by side, as the scorer does: what the quality score finds to make no sense is left out
before, and pay is φ̂ · q, both against the honest set's. With `--retrain` it holds the auction and
trains the buyer's model once for each attack instead. Every run is kept, so that an interrupted one
goes on. Prints a table, or JSON with `--json`; `--docs` writes it into `docs/`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.docs import markdown, publish
from benchmarks.impact import corpora
from benchmarks.impact.evaluate import note
from oracles.dataset import Document
from oracles.impact import Parameters
from oracles.impact.attacks import ATTACKS, Target, measure, prices
from oracles.quality import QualityParameters, QualityReport, score
from oracles.quality.damage import CachedEmbedder, well_described
from oracles.quality.embed import Embedder
from oracles.quality.parameters import GRID
from oracles.quality.texts import digest, normalise

#: The attacked auction; the last one attacks, and copies `VICTIM`.
PROVIDERS = (
    "brown-government",
    "brown-news",
    "foldoc",
    "hpo",
    "python-doc",
    "sotu-1946-2020",
    "brown-learned",
)
VICTIM = "hpo"


def auction(cache: Path) -> Target:
    """The auction that is attacked: half of the drawn text is sold, the other is not."""
    drawn = corpora.load(
        cache / "corpora",
        provider=24_000,
        seed=15_000,
        evaluation=40_000,
        spread=1.2,
        names=PROVIDERS,
    )
    inside = {name: docs[: len(docs) // 2] for name, docs in drawn.submissions.items()}
    outside = {name: docs[len(docs) // 2 :] for name, docs in drawn.submissions.items()}
    attacker = PROVIDERS[-1]
    # One document of each source after the other.
    domain = [text for texts in zip(*outside.values(), strict=False) for text in texts]
    held_out = drawn.evaluation
    real = outside[attacker]
    return Target(drawn.seed, inside, held_out, attacker, VICTIM, real, domain)


def priced(options: argparse.Namespace) -> tuple[list[dict[str, Any]], str]:
    """Rows and table of what each material is worth."""
    target = auction(options.cache)
    honest, today = target.submissions[PROVIDERS[-1]], QualityParameters().today
    embedder: Any = CachedEmbedder(Embedder())

    def q(documents: list[Document]) -> QualityReport:
        texts = [document.text for document in documents]
        return score(well_described(texts, today), embedder=embedder)

    alone = q(honest).q
    readings: list[tuple[float, float]] = []

    def read(material: list[Document]) -> list[Document]:
        together = q([*honest, *material])
        senseless = together.evidence["tally"]["coherence"]["documents"]
        left = [
            len(document.text)
            - len(document.text) * senseless.get(digest(normalise(document.text)).hex(), 0) // GRID
            for document in material
        ]
        size = sum(len(document.text) for document in material)
        readings.append((sum(left) / max(1, size), together.q / alone))
        return [Document(d.text[:n]) for d, n in zip(material, left, strict=True) if n]

    found = prices(
        target, Parameters(), options.cache, attacks=options.attacks, read=read, progress=note
    )
    for row, (sense, ratio) in zip(found, readings, strict=True):
        paid = None if row["pay"] is None else row["pay"] * ratio
        row.update(sense=sense, q=ratio, paid=paid)
    header = [
        "added, as much again",
        "of it makes sense",
        "tokens that are new",
        "gain",
        "gain on words alone",
        "influence",
        "φ̂",
        "q",
        "φ̂ · q",
    ]
    rows = [
        [
            row["attack"],
            f"{row['sense']:.0%}",
            f"{row['tokens']:,}",
            f"{1000 * row['gain']:+.1f}",
            f"{1000 * row['gain_of_words']:+.1f}",
            f"{1000 * row['influence']:+.1f} ± {1000 * row['error']:.1f}",
            "–" if row["pay"] is None else f"{row['pay']:.2f} ×",
            f"{row['q']:.2f} ×",
            "–" if row["paid"] is None else f"{row['paid']:.2f} ×",
        ]
        for row in found
    ]
    return found, "\n".join(markdown(header, rows))


def retrained(options: argparse.Namespace) -> tuple[list[dict[str, Any]], str]:
    """Rows and table of what each attack gains and does to the buyer's model."""
    found = []
    target = auction(options.cache)
    for row in measure(target, Parameters(), options.cache, attacks=options.attacks):
        sys.stderr.write(json.dumps(row) + "\n")
        found.append(row)
    header = [
        "added, as much again",
        "share of φ̂",
        "gain",
        "loss on B against the honest pool",
        "overcharged",
    ]
    rows = [
        [
            row["attack"],
            f"{row['share']:.3f}",
            "–" if row["gain"] is None else f"{row['gain']:.2f} ×",
            f"{row['loss_change']:+.4f} ± {row['loss_error']:.4f}",
            "yes" if row["overcharged"] else "no",
        ]
        for row in found
    ]
    return found, "\n".join(markdown(header, rows))


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "qmia")
    parser.add_argument(
        "--retrain", action="store_true", help="the auction itself, attack by attack"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--docs", action="store_true", help="write docs/impact.md")
    parser.add_argument("--attacks", nargs="+", choices=ATTACKS, default=list(ATTACKS))
    options = parser.parse_args()
    found, text = (retrained if options.retrain else priced)(options)
    if options.docs:
        publish("retrained attacks" if options.retrain else "attacks", text)
    sys.stdout.write((json.dumps(found) if options.json else text) + "\n")


if __name__ == "__main__":
    main()
