"""Are honest providers left out, and is junk paid? `python -m benchmarks.impact.eligibility`.

Pools of 4 to 27 providers, among them the demo's. Whether a provider helps is measured by
retraining: alone, as the last one, and on the mean of both. Every retraining is kept, so that a run
goes on where the last one stopped. Prints tables, or JSON with `--json`; `--docs` writes them into
`docs/`.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.docs import markdown, publish
from benchmarks.impact.evaluate import note
from benchmarks.impact.pools import ELIGIBILITY_POOLS
from oracles.impact import Parameters
from oracles.impact.corpus import split
from oracles.impact.estimate import make_pool, pinned_kernels, report_runs, run_seeds
from oracles.impact.evaluation import Scores, eligibility
from oracles.impact.report import GRID
from oracles.impact.truth import Truth

#: Values of m in the table.
MULTIPLES = (0.0, 0.5, 1.0, 2.0)


def wilson(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927); the whole range if nothing was drawn."""
    if of == 0:
        return 0.0, 1.0
    z, p = 1.96, hits / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def judge(name: str, cache: Path, seeds: tuple[int, ...]) -> dict[str, Any]:
    """φ̂ and both effects of every provider of one pool."""
    drawn = ELIGIBILITY_POOLS[name](cache / "corpora")
    part_a, part_b = split(drawn.evaluation)
    parameters = Parameters()
    pool = make_pool(drawn.seed, drawn.submissions, part_a, parameters.model, outcome=part_b)
    start = time.process_time()
    runs = run_seeds(pool, parameters, cache=cache / "impact", progress=note)
    report = report_runs(pool, runs, parameters)
    seconds = time.process_time() - start
    total = len(seeds) * (2 * len(pool.providers) + 2)
    truth = Truth(
        pool, parameters, cache / "impact", progress=note, stage=f"{name}, retraining", total=total
    )
    first, (last, _) = truth.first(seeds)[1], truth.last(seeds)
    scores = Scores(
        np.array([provider.influence for provider in report.providers]),
        np.array([provider.standard_error for provider in report.providers]),
        seconds,
    )
    return {
        "pool": name,
        "tokens": int(pool.volumes.sum()),
        "providers": [
            {
                "provider": provider.name,
                "tokens": provider.tokens,
                "phi": provider.phi / GRID,
                "influence": provider.influence,
                "error": provider.standard_error,
                "alone": float(first[:, k].mean()),
                "last": float(last[1, :, k].mean()),
            }
            for k, provider in enumerate(report.providers)
        ],
        "eligibility": eligibility(scores, first, last[1], MULTIPLES),
    }


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "qmia")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--docs", action="store_true", help="write docs/impact.md")
    parser.add_argument(
        "--pools", nargs="+", choices=ELIGIBILITY_POOLS, default=list(ELIGIBILITY_POOLS)
    )
    parser.add_argument("--seeds", type=int, default=2, help="of the retrainings")
    options = parser.parse_args()
    with pinned_kernels():
        found = [
            judge(name, options.cache, tuple(range(100, 100 + options.seeds)))
            for name in options.pools
        ]
    lists = []
    for pool in found:
        lists += [
            f"**Pool “{pool['pool']}”**, {pool['tokens']:,} tokens; gains in thousandths of a nat:",
            "",
            *markdown(
                ["provider", "tokens", "φ̂", "influence", "retrained alone", "retrained last"],
                [
                    [
                        row["provider"],
                        f"{row['tokens']:,}",
                        f"{row['phi']:.4f}",
                        f"{1000 * row['influence']:+.1f} ± {1000 * row['error']:.1f}",
                        f"{1000 * row['alone']:+.1f}",
                        f"{1000 * row['last']:+.1f}",
                    ]
                    for row in pool["providers"]
                ],
            ),
            "",
        ]
    rows = []
    for pool in found:
        for row in pool["eligibility"]:
            counts = (
                row[key] for key in ("helpful", "helpful_left_out", "harmful", "harmful_paid")
            )
            rows.append([pool["pool"], row["effect"], f"{row['m']:g}", *map(str, counts)])
    for effect in ("alone", "last", "mean") if len(found) > 1 else ():
        for m in MULTIPLES:
            chosen = [
                row
                for pool in found
                for row in pool["eligibility"]
                if row["effect"] == effect and row["m"] == m
            ]
            sums = {
                key: sum(row[key] for row in chosen)
                for key in chosen[0]
                if key not in ("effect", "m")
            }
            low, high = wilson(sums["helpful_left_out"], sums["helpful"])
            out = f"{sums['helpful_left_out']} ({low:.0%} to {high:.0%})"
            low, high = wilson(sums["harmful_paid"], sums["harmful"])
            paid = f"{sums['harmful_paid']} ({low:.0%} to {high:.0%})"
            rows.append(
                ["all", effect, f"{m:g}", str(sums["helpful"]), out, str(sums["harmful"]), paid]
            )
    header = ["pool", "effect", "m", "helpful", "of these left out", "harmful", "of these paid"]
    text = "\n".join([*lists, *markdown(header, rows)])
    if options.docs:
        publish("eligibility", text)
    sys.stdout.write((json.dumps(found) if options.json else text) + "\n")


if __name__ == "__main__":
    main()
