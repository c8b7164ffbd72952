"""φ̂ at a real language model beside the small one: `python -m benchmarks.impact.pretrained`.

SmolLM2-135M-Instruct is read from a package (`smollm2.py`). Low-rank adapters on its last layer are
trained on a few pages of ten providers of very different worth. Both models estimate φ̂ on part A of
the evaluation set, and both are retrained without each provider, with losses on part B. Every run
is kept, so that an interrupted one goes on. Prints tables, or JSON with `--json`; `--docs` writes
them into `docs/`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.docs import markdown, publish
from benchmarks.impact import corpora
from benchmarks.impact.evaluate import note
from benchmarks.impact.pools import DAMAGE
from benchmarks.impact.smollm2 import Adapted, directory
from oracles.dataset import Document
from oracles.files import write_file
from oracles.impact import Parameters, Pretrained, Recipe, estimators
from oracles.impact.corpus import split
from oracles.impact.correlations import correlation, interval
from oracles.impact.estimate import make_model, make_pool, pinned_kernels
from oracles.impact.page import interval_text
from oracles.impact.problem import Problem
from oracles.impact.truth import Truth, pool_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from oracles.impact.corpus import Pool
    from oracles.impact.model import LanguageModel

#: Five sources of the buyer's, and five of no use to it or damaged.
PROVIDERS = (
    "brown-learned",
    "brown-news",
    "foldoc",
    "hpo",
    "linux-doc",
    "moby-dick",
    "python-code",
    "python-doc",
    "sotu-1790-1899",
    "spdx",
)
DAMAGED = ("foldoc", "linux-doc")
#: Characters of the evaluation set, and of one of its documents.
EVALUATION, PART = 45_000, 400
#: Seed of the retrainings.
SEEDS = (100,)
#: The last layer of SmolLM2, which alone is trained.
LAST = "layers.29."


def drawn(options: argparse.Namespace) -> corpora.Corpora:
    """The auction: a few pages of each provider, two of them damaged."""
    found = corpora.load(
        options.cache / "corpora",
        provider=options.characters,
        seed=2 * options.characters,
        evaluation=EVALUATION,
        spread=1.0,
        names=PROVIDERS,
    )
    rng = np.random.default_rng(0)
    submissions = {}
    for name, documents in found.submissions.items():
        text = "\n".join(document.text for document in documents)[: options.characters]
        submissions[name] = [Document(DAMAGE[name](text, rng) if name in DAMAGED else text)]
    held_out = [
        replace(document, text=document.text[first : first + PART])
        for document in found.evaluation
        for first in range(0, len(document.text) - PART, PART)
    ]
    return corpora.Corpora(found.seed, submissions, held_out)


@lru_cache(maxsize=1)
def _adapted(choice: Pretrained, tokens: bytes) -> Adapted:
    return Adapted(choice, np.frombuffer(tokens, np.int64))


def adapted(choice: Pretrained, pool: Pool, _: int) -> Adapted:
    """SmolLM2, the same for every seed."""
    parts = (pool.training, pool.evaluation, pool.disordered, pool.outcome)
    tokens = np.concatenate([part.tokens.ravel() for part in parts if part is not None])
    return _adapted(choice, np.unique(tokens).tobytes())


class Measured:
    """One model: what it says of every provider, and what its own retraining says."""

    def __init__(
        self,
        pool: Pool,
        parameters: Parameters,
        model: Callable[[int], LanguageModel],
        cache: Path,
        stage: str,
    ) -> None:
        """Estimate, if it was not done before.

        Args:
            pool: the auction, encoded for the model.
            parameters: of the method.
            model: seed to the model that is trained.
            cache: directory of finished runs.
            stage: its name for progress.
        """
        self.pool = pool
        facts = repr((parameters, pool_digest(pool)))
        path = cache / f"pretrained-{hashlib.sha256(facts.encode()).hexdigest()[:16]}.json"
        if not path.exists():
            start = time.process_time()
            with pinned_kernels():
                runs = [
                    estimators.run(
                        parameters.estimator,
                        Problem(
                            model(seed),
                            pool,
                            parameters.recipe,
                            seed,
                            parameters.share,
                            parameters.order,
                        ),
                    )
                    for seed in parameters.seeds
                ]
            influence = np.mean([run.providers for run in runs], axis=0).tolist()
            row = {"influence": influence, "seconds": time.process_time() - start}
            write_file(path, json.dumps(row))
        known = json.loads(path.read_text())
        self.influence: NDArray[np.float64] = np.array(known["influence"])
        self.seconds: float = known["seconds"]
        self.truth = Truth(pool, parameters, cache, model=model, progress=note, stage=stage)

    def retrain(self, seeds: tuple[int, ...]) -> None:
        """Losses on part B without each provider, [R, n], and with none and with all, [2]."""
        last, ends = self.truth.last(seeds)
        self.without, self.ends = last[1], ends[1].mean(0)
        self.parts_agree = correlation(*last.mean(1))

    def to_json(self) -> dict[str, Any]:
        """All of it, as values to keep."""
        return {
            "influence": self.influence.tolist(),
            "without": self.without.tolist(),
            "parts_agree": self.parts_agree,
            "loss": {"base": self.ends[0], "all": self.ends[1]},
            "tokens": dict(zip(self.pool.providers, self.pool.volumes.tolist(), strict=True)),
            "seconds": {"estimate": self.seconds, "retraining": self.truth.seconds},
        }


def tables(found: dict[str, Measured]) -> str:
    """Markdown tables: every provider, how each column predicts retraining, and both models."""
    columns = {f"φ̂, {name}": each.influence for name, each in found.items()}
    columns |= {f"left out, {name}": each.without.mean(0) for name, each in found.items()}
    providers = next(iter(found.values())).pool.providers
    volume = next(iter(found.values())).pool.volumes
    each_provider = markdown(
        ["provider", *columns],
        [
            [
                f"{provider}, damaged" if provider in DAMAGED else provider,
                *(f"{1000 * column[place]:+.1f}" for column in columns.values()),
            ]
            for place, provider in enumerate(providers)
        ],
    )
    agreement = markdown(
        ["", *(f"left out, {name}" for name in found), f"φ̂, {next(iter(found))}"],
        [
            [
                predictor,
                *(interval_text(interval(values, each.without, 500)) for each in found.values()),
                interval_text(interval(values, next(iter(found.values())).influence[None], 500)),
            ]
            for predictor, values in {**columns, "volume": volume.astype(np.float64)}.items()
        ]
        + [
            [
                "parts A and B agree",
                *(f"{each.parts_agree:.2f}" for each in found.values()),
                "",
            ]
        ],
    )
    models = markdown(
        [
            "model",
            "loss with the seed corpus",
            "with all",
            "seconds, φ̂",
            "seconds, retraining once",
        ],
        [
            [
                name,
                *(f"{loss:.3f}" for loss in each.ends),
                f"{each.seconds:.0f}",
                f"{each.truth.seconds / len(each.truth):.1f}",
            ]
            for name, each in found.items()
        ],
    )
    return "\n".join([*each_provider, "", *agreement, "", *models])


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "qmia")
    parser.add_argument("--characters", type=int, default=3000, help="of each provider")
    parser.add_argument("--steps", type=int, default=40, help="of SmolLM2's training")
    parser.add_argument("--rate", type=float, default=1e-2, help="its peak step size")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--docs", action="store_true", help="write docs/impact.md")
    options = parser.parse_args()
    auction = drawn(options)
    part_a, part_b = split(auction.evaluation)
    choice = Pretrained(directory(options.cache), 64, (LAST,), rank=8)
    recipe = Recipe(steps=options.steps, batch=8, checks=2, learning_rate=options.rate)
    found: dict[str, Measured] = {}
    for name, parameters in (
        ("from scratch", Parameters()),
        ("SmolLM2", Parameters(model=choice, recipe=recipe, seeds=(0,))),
    ):
        pool = make_pool(
            auction.seed, auction.submissions, part_a, parameters.model, outcome=part_b
        )
        make: Callable[[int], LanguageModel] = partial(make_model, parameters.model)
        if name == "SmolLM2":
            make = partial(adapted, choice, pool)
        found[name] = Measured(pool, parameters, make, options.cache / "impact", name)
        found[name].retrain(SEEDS)
    if options.docs:
        publish("pretrained", tables(found))
    result = {name: each.to_json() for name, each in found.items()}
    sys.stdout.write((json.dumps(result) if options.json else tables(found)) + "\n")


if __name__ == "__main__":
    main()
