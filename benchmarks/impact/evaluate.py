"""Measure φ̂ against retraining on three pools: `python -m benchmarks.impact.evaluate`.

Fetches the corpora on first use; every retraining and score is kept, so that a run goes on where
the last one stopped. Prints the tables, or JSON with `--json`. With `--docs` it also writes them
into `docs/`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.docs import markdown, publish
from benchmarks.impact import peer
from benchmarks.impact.pools import POOLS
from oracles.impact import Parameters
from oracles.impact import page as pages
from oracles.impact.estimate import make_model, run_seeds
from oracles.impact.estimators import ESTIMATORS, Problem
from oracles.impact.evaluation import TRUTHS, Plan, evaluate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from oracles.impact.corpus import Pool

#: `surrogate` is left out: it retrains 48 times for each seed.
COMPARED = ("unrolled", "cg", "ekfac")
#: Shares of the training tokens at which `along_path` takes influence.
PATH = (0.1, 0.5)


def note(stage: str, done: int, total: int | None) -> None:
    """Progress, one line per step."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {stage} {done} of {total}\n")


def along_path(pool: Pool, parameters: Parameters) -> NDArray[np.float64]:
    """Influence where the submissions hold little and where they hold half of the tokens, [n].

    Leave-one-out pays nothing to two providers of which one can stand for the other. On the way
    from no submissions to all of them, as Aumann and Shapley integrate, each counts before the
    other one is there. These are two points of that way, on a logarithmic scale of the weight.
    """
    total = np.zeros(len(pool.providers))
    for share in PATH:
        method = replace(parameters, share=share)
        start = make_model(method.model, 0)
        weight = Problem(start, pool, method.recipe, 0, share).weight
        runs = run_seeds(pool, method)
        total += weight * np.mean([run.providers for run in runs], axis=0)
    return total


def tables(result: dict[str, Any]) -> str:
    """Markdown tables of a result."""
    lines: list[str] = []
    for name, pool in result["pools"].items():
        tokens = pool["tokens"]
        lines += [
            f"**Pool “{name}”**: {len(pool['providers'])} providers, {tokens['providers']:,} "
            f"tokens, seed corpus {tokens['seed']:,}, part A {tokens['part_a']:,}, "
            f"part B {tokens['part_b']:,}.",
            "",
            *markdown(pages.predictor_header(pool), pages.predictor_rows(pool)),
            "",
            *markdown(list(pages.AGREEMENT_HEADER), pages.agreement_rows(pool)),
            "",
        ]
    return "\n".join(lines[:-1])


def main() -> None:
    """Run, and print or write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "qmia")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--docs", action="store_true", help="write docs/impact.md")
    parser.add_argument("--pools", nargs="+", choices=POOLS, default=list(POOLS))
    parser.add_argument("--truths", nargs="+", choices=TRUTHS, default=list(TRUTHS))
    parser.add_argument("--estimators", nargs="+", choices=ESTIMATORS, default=COMPARED)
    parser.add_argument("--subsets", type=int, default=16, help="random halves")
    options = parser.parse_args()
    peer.install(options.cache)
    plan = Plan(
        subsets=options.subsets,
        truths=tuple(options.truths),
        estimators=tuple(options.estimators),
        eligibility=False,  # `eligibility.py` measures it, on more pools
    )
    result: dict[str, Any] = {"pools": {}}
    for name in options.pools:
        drawn = POOLS[name](options.cache / "corpora")
        result["pools"][name] = evaluate(
            drawn.seed,
            drawn.submissions,
            drawn.evaluation,
            Parameters(),
            plan,
            cache=options.cache / "impact",
            extra={
                "kronfluence EK-FAC": peer.kronfluence_ekfac,
                "unrolled at two shares": along_path,
            },
            progress=note,
        )
    text = tables(result)
    if options.docs:
        publish("retraining", text)
    sys.stdout.write((json.dumps(result) if options.json else text) + "\n")


if __name__ == "__main__":
    main()
