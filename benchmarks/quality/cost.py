"""What errors cost a model, and what they cost q: retraining at error rates from 0 to 20 %.

    python -m benchmarks.quality.cost [--json] [--documents 300] [--seeds 2]

The default model of the impact score is trained by its default recipe on a seed corpus and one
provider's text, of which more and more is damaged. `worth` is the fall of the evaluation loss that
the text brings, clean text = 1; cleanliness and q of the same text stand beside it.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.quality.common import ENGLISH, show, texts
from oracles.dataset import Document
from oracles.impact import Parameters
from oracles.impact.estimate import make_pool
from oracles.impact.truth import Truth
from oracles.quality import QualityParameters, score
from oracles.quality.damage import CachedEmbedder, noise, ocr, shuffle_words, well_described
from oracles.quality.embed import Embedder

RATES = (0.0, 0.02, 0.05, 0.1, 0.2)


def shuffled(text: str, rate: float, rng: random.Random) -> str:
    """A share of the sentences with their words in random order."""
    return " ".join(
        shuffle_words(sentence, rng) if rng.random() < rate else sentence
        for sentence in text.split(". ")
    )


KINDS = {"letters misread": ocr, "letters replaced": noise, "sentences shuffled": shuffled}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--docs", action="store_true", help="write docs/quality.md")
    parser.add_argument("--documents", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    bodies = texts(options.documents, ENGLISH[:3])
    random.Random(1).shuffle(bodies)
    third = len(bodies) // 3
    corpus, held, own = bodies[:third], bodies[third : 2 * third], bodies[2 * third :]
    cases = {
        f"{kind}, {rate:g}": [change(body, rate, random.Random(3)) for body in own]
        for kind, change in KINDS.items()
        for rate in RATES
    }
    parameters, today = Parameters(), QualityParameters().today
    pool = make_pool(
        [Document(body) for body in corpus],
        {name: [Document(body) for body in damaged] for name, damaged in cases.items()},
        [Document(body) for body in held],
        parameters.model,
        deduplicate=False,
    )
    embedder: Any = CachedEmbedder(Embedder())
    with tempfile.TemporaryDirectory() as folder:
        truth = Truth(pool, parameters, Path(folder))

        def nats(*providers: int) -> float:
            runs = [truth(100 + seed, providers)[1] for seed in range(options.seeds)]
            return sum(runs) / len(runs)

        nothing, clean, rows = nats(), nats(0), []
        for number, (name, damaged) in enumerate(cases.items()):
            found = score(well_described(damaged[:25], today), embedder=embedder)
            value = nats(number)
            rows.append(
                {
                    "damage, rate": name,
                    "loss": value,
                    "worth": (nothing - value) / (nothing - clean),
                    "cleanliness": found.cleanliness / 1e4,
                    "q": found.q / 1e4,
                }
            )
    show(
        rows,
        {"loss without this text": f"{nothing:.3f}"},
        to_json=options.json,
        docs="cost" * options.docs,
    )


if __name__ == "__main__":
    main()
