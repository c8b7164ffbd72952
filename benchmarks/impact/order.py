"""What it costs to pay nothing for words in no order: `python -m benchmarks.impact.order`.

LDS and leave-one-out of φ̂ on the three pools, against retraining the same model, for several
values of `order`; one estimate gives them all. Every run is kept. Prints a table, or JSON with
`--json`; `--docs` writes it into `docs/`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.docs import markdown, publish
from benchmarks.impact.evaluate import note
from benchmarks.impact.pools import POOLS
from oracles.impact import Parameters
from oracles.impact.corpus import split
from oracles.impact.correlations import correlation, interval
from oracles.impact.estimate import make_pool, pinned_kernels, run_seeds
from oracles.impact.page import KINDS, interval_text
from oracles.impact.truth import Truth, random_halves

VALUES = (0.0, 0.25, 0.5, 0.75, 0.85, 1.0)
SEEDS = (100, 101)


def measured(name: str, cache: Path, subsets: int) -> dict[str, Any]:
    """Correlations with retraining of one pool, for every value."""
    drawn = POOLS[name](cache / "corpora")
    part_a, part_b = split(drawn.evaluation)
    parameters = Parameters()
    pool = make_pool(drawn.seed, drawn.submissions, part_a, parameters.model, outcome=part_b)
    runs = run_seeds(pool, parameters, cache=cache / "impact", progress=note)
    halves = random_halves(len(pool.providers), subsets)
    total = len(SEEDS) * (subsets + len(pool.providers) + 2)
    truth = Truth(pool, parameters, cache / "impact", progress=note, stage=name, total=total)
    on_halves, (last, _) = -truth.table(SEEDS, halves), truth.last(SEEDS)
    rows = []
    for value in VALUES:
        scores = np.mean(
            [
                [
                    gain - value * max(0.0, words)
                    for gain, words in zip(
                        run.log["gains"], run.log["gains_disordered"], strict=True
                    )
                ]
                for run in runs
            ],
            axis=0,
        )
        sums = np.array([scores[half].sum() for half in halves])
        rows.append(
            {
                "order": value,
                "lds": interval(sums, on_halves[1], 500),
                "leave_one_out": interval(scores, last[1], 500),
            }
        )
    agreement = [correlation(true[0].mean(0), true[1].mean(0)) for true in (on_halves, last)]
    return {"pool": name, "parts_agree": agreement, "rows": rows}


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "qmia")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--docs", action="store_true", help="write docs/impact.md")
    parser.add_argument("--subsets", type=int, default=16, help="random halves")
    options = parser.parse_args()
    with pinned_kernels():
        found = [measured(name, options.cache, options.subsets) for name in POOLS]
    rows = []
    for pool in found:
        for row in pool["rows"]:
            intervals = (interval_text(row[kind]) for kind in KINDS)
            rows.append([pool["pool"], f"{row['order']:g}", *intervals])
        both = (f"{value:.2f}" for value in pool["parts_agree"])
        rows.append([pool["pool"], "truths on A and B agree", *both])
    text = "\n".join(markdown(["pool", "order", "LDS", "leave-one-out"], rows))
    if options.docs:
        publish("order", text)
    sys.stdout.write((json.dumps(found) if options.json else text) + "\n")


if __name__ == "__main__":
    main()
