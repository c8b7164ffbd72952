"""What tricks gain and what the buyer gets: `python -m benchmarks.impact.attacks`.

A small auction of seven providers, of which the last one attacks. What the quality score finds to
make no sense is left out before, as the scorer does, and pay is φ̂ · q. Values the material of all
attacks side by side; with `--retrain` it holds the auction and trains the buyer's model once for
each attack instead. Every run is kept, so that an interrupted one goes on. Prints a table, or JSON
with `--json`; `--docs` writes it into `docs/`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.docs import markdown, publish
from benchmarks.impact import corpora
from benchmarks.impact.evaluate import note
from oracles.dataset import Document
from oracles.impact import Parameters
from oracles.impact.attacks import ATTACKS
from oracles.impact.estimators import ESTIMATORS
from oracles.impact.pricing import Target, measure, prices
from oracles.quality import QualityParameters, score
from oracles.quality.damage import CachedEmbedder, well_described
from oracles.quality.embed import Embedder
from oracles.quality.parameters import GRID
from oracles.quality.texts import digest, normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


def reader() -> Callable[[Sequence[Document]], tuple[list[Document], float]]:
    """What the scorer leaves of each document of a provider, and the provider's q.

    As in an auction, the share of a document that is in no order or makes no sense is left out.
    """
    embedder: Any = CachedEmbedder(Embedder())
    today = QualityParameters().today

    def read(documents: Sequence[Document]) -> tuple[list[Document], float]:
        report = score(well_described([d.text for d in documents], today), embedder=embedder)
        senseless = report.evidence["tally"]["coherence"]["documents"]

        def sensible(text: str) -> str:
            lost = senseless.get(digest(normalise(text)).hex(), 0)
            return text[: len(text) * (GRID - lost) // GRID]

        return [Document(sensible(document.text)) for document in documents], report.q

    return read


def multiple(value: float | None) -> str:
    """A multiple of the honest set's, if that is not 0."""
    return "–" if value is None else f"{value:.2f} ×"


def priced(options: argparse.Namespace) -> tuple[list[dict[str, Any]], str]:
    """Rows and table of what each material is worth."""
    found = prices(
        auction(options.cache),
        Parameters(estimator=options.estimator),
        options.cache,
        attacks=options.attacks,
        read=reader(),
        progress=note,
    )
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
            *(multiple(row[key]) for key in ("phi", "q", "pay")),
        ]
        for row in found
    ]
    return found, "\n".join(markdown(header, rows))


def retrained(options: argparse.Namespace) -> tuple[list[dict[str, Any]], str]:
    """Rows and table of what each attack gains and does to the buyer's model."""
    found = []
    for row in measure(
        auction(options.cache),
        Parameters(estimator=options.estimator),
        options.cache,
        attacks=options.attacks,
        read=reader(),
    ):
        sys.stderr.write(json.dumps(row) + "\n")
        found.append(row)
    header = [
        "added, as much again",
        "of all of it makes sense",
        "share of φ̂",
        "share of φ̂ · q",
        "loss on B against the honest pool",
        "overcharged",
    ]
    rows = [
        [
            row["attack"],
            f"{row['sense']:.0%}",
            multiple(row["phi"]),
            multiple(row["pay"]),
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
    parser.add_argument("--estimator", choices=ESTIMATORS, default=Parameters().estimator)
    parser.add_argument("--attacks", nargs="+", choices=ATTACKS, default=list(ATTACKS))
    options = parser.parse_args()
    found, text = (retrained if options.retrain else priced)(options)
    if options.docs:
        publish("retrained attacks" if options.retrain else "attacks", text)
    sys.stdout.write((json.dumps(found) if options.json else text) + "\n")


if __name__ == "__main__":
    main()
