"""φ̂ at a real language model beside the small one: `python -m benchmarks.impact.pretrained`.

SmolLM2-135M-Instruct is read from a package (`smollm2.py`). Low-rank adapters on the last layers
are trained, on a few pages of seven providers: on a processor this model reads about a hundred
tokens per second.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.docs import markdown
from benchmarks.impact import corpora
from benchmarks.impact.attacks import PROVIDERS
from benchmarks.impact.evaluate import note
from benchmarks.impact.smollm2 import directory
from oracles.dataset import Document
from oracles.impact import Parameters, Pretrained, Recipe, estimate
from oracles.impact.evaluation import correlation


def pages(texts: list[Document], characters: int) -> list[Document]:
    """The first documents of a provider, cut to a length in all."""
    return [Document("\n".join(document.text for document in texts)[:characters])]


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "qmia")
    parser.add_argument("--characters", type=int, default=1200, help="of each provider")
    parser.add_argument("--steps", type=int, default=30, help="of the large model's training")
    parser.add_argument("--rate", type=float, default=2e-2, help="its peak step size")
    parser.add_argument("--layers", nargs="+", default=[f"layers.{k}.self_attn" for k in (28, 29)])
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    drawn = corpora.load(
        options.cache / "corpora", provider=6000, seed=6000, evaluation=8000, names=PROVIDERS
    )
    submissions = {n: pages(docs, options.characters) for n, docs in drawn.submissions.items()}
    # Words of one text in another order: what a model that knows English must tell from text.
    rng = np.random.default_rng(0)
    words = drawn.submissions["brown-news"][-1].text[: options.characters].split()
    submissions["shuffled words"] = [Document(" ".join(rng.permutation(words)))]
    held_out = [Document(d.text[:300]) for d in drawn.evaluation[::2]]
    seed_corpus = pages(drawn.seed, 2 * options.characters)
    large = Parameters(
        model=Pretrained(
            directory(options.cache), context=64, trainable=tuple(options.layers), rank=4
        ),
        recipe=Recipe(steps=options.steps, batch=4, checks=1, learning_rate=options.rate),
        seeds=(0,),
    )
    found: dict[str, dict[str, Any]] = {}
    for name, parameters in (
        ("SmolLM2-135M, adapters", large),
        ("from scratch", replace(Parameters(), seeds=(0, 1))),
    ):
        start = time.process_time()
        report = estimate(
            seed_corpus,
            submissions,
            held_out,
            parameters,
            cache=options.cache / "impact",
            progress=note,
        )
        found[name] = {
            "influence": {provider.name: provider.influence for provider in report.providers},
            "seconds": time.process_time() - start,
            "version": report.version,
        }
    values = [np.array(list(row["influence"].values())) for row in found.values()]
    agreement = correlation(*values)
    if options.json:
        sys.stdout.write(json.dumps({"models": found, "agreement": agreement}) + "\n")
        return
    rows = [
        [name, *(f"{1000 * row['influence'][name]:+.2f}" for row in found.values())]
        for name in submissions
    ]
    text = "\n".join(markdown(["gain, millinats per token", *found], rows))
    text += f"\n\nSpearman correlation of both columns: {agreement:.2f}; " + ", ".join(
        f"{name}: {row['seconds']:.0f} s" for name, row in found.items()
    )
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
