"""Measure φ̂ against retraining on three pools: `python -m benchmarks.impact.evaluate`.

With `--choice` on three others, on which estimators are chosen: less is measured there.

Fetches the corpora on first use; every retraining and score is kept, so that a run goes on where
the last one stopped. Prints the tables, or JSON with `--json`. With `--docs` it also writes them
into `docs/`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.docs import markdown, publish
from benchmarks.impact import peer
from benchmarks.impact.pools import CHOICE_POOLS, POOLS
from oracles.impact import Parameters
from oracles.impact import page as pages
from oracles.impact.estimate import make_model
from oracles.impact.estimators import ESTIMATORS, aumann_shapley
from oracles.impact.evaluation import Plan, evaluate
from oracles.impact.problem import QUADRATURE, Problem
from oracles.impact.truth import TRUTHS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from oracles.impact.corpus import Pool

COMPARED = ("aumann-shapley", "unrolled", "cg", "ekfac", "surrogate")

OVERVIEW_HEADER = (
    "predictor",
    "mean of both",
    "mean LDS",
    "least LDS",
    "mean leave-one-out",
    "least leave-one-out",
)


def note(stage: str, done: int, total: int | None) -> None:
    """Progress, one line per step."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {stage} {done} of {total}\n")


def along_path(points: int, pool: Pool, parameters: Parameters) -> NDArray[np.float64]:
    """`aumann-shapley` with another number of points than the library's, [n]."""
    problems = [
        Problem(
            make_model(parameters.model, seed), pool, parameters.recipe, seed, 1.0, parameters.order
        )
        for seed in parameters.seeds
    ]
    found = np.array([aumann_shapley(problem, points).providers for problem in problems])
    return np.asarray(found.mean(0))


def overview(result: dict[str, Any]) -> list[list[str]]:
    """A row a predictor, best first: mean and least correlation over all pools and truths."""
    found: dict[str, dict[str, list[float]]] = {}
    for pool in result["pools"].values():
        for row in pool["rows"]:
            for kind in pages.KINDS:
                values = [truth[kind][0] for truth in row["truths"].values()]
                found.setdefault(row["predictor"], {}).setdefault(kind, []).extend(values)

    def mean(name: str) -> float:
        return float(np.mean([value for kind in pages.KINDS for value in found[name][kind]]))

    return [
        [
            name,
            f"{mean(name):.2f}",
            *(
                f"{figure(found[name][kind]):.2f}"
                for kind in pages.KINDS
                for figure in (np.mean, np.min)
            ),
        ]
        for name in sorted(found, key=mean, reverse=True)
    ]


def tables(result: dict[str, Any]) -> str:
    """Markdown tables of a result."""
    lines = [
        "**Over all pools and truths**, the best first:",
        "",
        *markdown(list(OVERVIEW_HEADER), overview(result)),
        "",
    ]
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
    parser.add_argument("--choice", action="store_true", help="pools for choosing an estimator")
    parser.add_argument("--pools", nargs="+", choices={**POOLS, **CHOICE_POOLS})
    parser.add_argument("--truths", nargs="+", choices=TRUTHS)
    parser.add_argument("--estimators", nargs="+", choices=ESTIMATORS, default=COMPARED)
    parser.add_argument(
        "--points", nargs="*", type=int, choices=QUADRATURE, default=[], help="of aumann-shapley"
    )
    parser.add_argument("--subsets", type=int, help="random halves")
    options = parser.parse_args()
    peer.install(options.cache)
    plan = Plan(
        subsets=options.subsets or (20 if options.choice else 16),
        seeds=(100,) if options.choice else (100, 101),
        truths=tuple(options.truths or (["same"] if options.choice else TRUTHS)),
        estimators=tuple(options.estimators),
        eligibility=False,  # `eligibility.py` measures it, on more pools
    )
    result: dict[str, Any] = {"pools": {}}
    for name in options.pools or (CHOICE_POOLS if options.choice else POOLS):
        drawn = {**POOLS, **CHOICE_POOLS}[name](options.cache / "corpora")
        result["pools"][name] = evaluate(
            drawn.seed,
            drawn.submissions,
            drawn.evaluation,
            Parameters(),
            plan,
            cache=options.cache / "impact",
            extra={
                "kronfluence EK-FAC": peer.kronfluence_ekfac,
                **{
                    f"aumann-shapley, {points} points": partial(along_path, points)
                    for points in options.points
                },
            },
            progress=note,
        )
    text = tables(result)
    if options.docs:
        publish("choice" if options.choice else "retraining", text)
    sys.stdout.write((json.dumps(result) if options.json else text) + "\n")


if __name__ == "__main__":
    main()
