"""How long clearing takes, and how much each rule buys with the same budget.

    python -m benchmarks.mechanism [--json] [--largest 1000000] [--markets 2000]

Time: the exact clock in plain Python, the same with numpy on columns, and the paper's literal
Algorithm 1 with its critical payments, each on the same bids; the last is left out where it would
take longer than --patience seconds of CPU time. Value: average and worst share of the fractional
optimum, over random markets of 5 and of 50 providers.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from fractions import Fraction
from statistics import fmean
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from oracles.mechanism import (
    Bid,
    BidTable,
    Family,
    WeightRule,
    certify,
    clear,
    clear_table,
    paper,
    prune_and_split,
)
from oracles.mechanism.baselines import (
    Candidate,
    random_order,
    trust_based,
    uniform_split,
    volume_only,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

TOKEN = 10**18
STDERR = Console(stderr=True)


def random_bids(count: int, seed: int) -> list[Bid]:
    """Bids as wide as a slot: costs around one token with 18 decimals, weights around 1e18."""
    rng = random.Random(seed)
    rule = WeightRule(Family.POWER)
    return [
        Bid(
            index,
            int(TOKEN * rng.lognormvariate(0, 1)),
            rule.weight(rng.randint(3000, 10000), rng.randint(10, 10000)),
            rng.random() < 0.2,
        )
        for index in range(count)
    ]


def timed(function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[float, Any]:
    """CPU seconds that one call takes, and its result; one thread, so others do not count."""
    start = time.process_time()
    result = function(*args, **kwargs)
    return time.process_time() - start, result


def measure_time(sizes: Iterable[int], patience: float) -> list[dict[str, Any]]:
    """CPU seconds per rule and size; None where it would not finish in time."""
    rows: list[dict[str, Any]] = []
    literal_factor = 0.0
    for size in sizes:
        bids = random_bids(size, seed=size)
        table = BidTable.from_bids(bids)
        # A budget that buys a fair part of the market at every size.
        budget = size * TOKEN // 5
        arguments: dict[str, Any] = {
            "budget": budget,
            "pool": budget,
            "rho": Fraction(1, 2),
            "tranche": Fraction(1, 10),
        }
        numpy_s, by_numpy = timed(clear_table, table, **arguments)
        python_s, by_python = timed(clear, bids, **arguments)
        literal_s = None
        # Its time grows with winners times bids: quadratically.
        if literal_factor * size**2 < patience:
            literal_s, _ = timed(paper.algorithm_1, bids, budget=budget)
            literal_factor = literal_s / size**2
        rows.append(
            {
                "bids": size,
                "winners": len(by_numpy.winners),
                "numpy_s": numpy_s,
                "python_s": python_s,
                "equal": by_numpy == by_python,
                "algorithm_1_s": literal_s,
            }
        )
    return rows


def random_market(rng: random.Random, count: int) -> tuple[list[Candidate], int]:
    """Providers whose cost follows volume, and whose reputation hints at quality."""
    rule = WeightRule(Family.POWER, kappa=10**16)
    candidates = []
    for index in range(count):
        quality, impact = rng.betavariate(4, 2), rng.betavariate(1, 3)
        volume = int(10**6 * rng.lognormvariate(0, 1))
        cost = int(volume * rng.lognormvariate(0, 0.5))
        weight = rule.weight(int(10**4 * quality), max(10, int(10**4 * impact)))
        candidates.append(Candidate(Bid(index, cost, weight), volume, quality + rng.gauss(0, 0.2)))
    total = sum(candidate.bid.cost for candidate in candidates)
    return candidates, int(total * rng.uniform(0.1, 0.6))


def rules_to_compare(
    candidates: list[Candidate], budget: int, seed: int
) -> dict[str, Mapping[int, int]]:
    """Rewards under each rule; the posted price is the median cost, which no buyer would know."""
    bids = [candidate.bid for candidate in candidates]
    median = sorted(bid.cost for bid in bids)[len(bids) // 2]
    return {
        "QWMP clock": clear(bids, budget=budget).reward,
        "prune-and-split": prune_and_split(bids, budget=budget).payments,
        "volume-only": volume_only(candidates, budget=budget),
        "trust-based": trust_based(candidates, budget=budget, price=median),
        "uniform split": uniform_split(candidates, budget=budget),
        "random order": random_order(candidates, budget=budget, price=median, seed=seed),
    }


def measure_value(markets: int, seed: int = 1) -> list[dict[str, Any]]:
    """Share of FOPT each rule buys; average and worst over the markets."""
    rng = random.Random(seed)
    shares: dict[tuple[int, str], list[float]] = {}
    with Progress(console=STDERR, transient=True) as progress:
        for count in (5, 50):
            for trial in progress.track(range(markets), description=f"{count} providers"):
                candidates, budget = random_market(rng, count)
                bids = [candidate.bid for candidate in candidates]
                for name, rewards in rules_to_compare(candidates, budget, trial).items():
                    certificate = certify(bids, rewards, beta=budget)
                    shares.setdefault((count, name), []).append(float(certificate.share))
    return [
        {
            "providers": count,
            "rule": name,
            "mean_share": round(fmean(values), 4),
            "worst_share": round(min(values), 4),
            "markets": markets,
        }
        for (count, name), values in shares.items()
    ]


def print_tables(times: list[dict[str, Any]], values: list[dict[str, Any]]) -> None:
    """The same for people."""
    console = Console()

    def seconds(value: float | None) -> str:
        return "not in time" if value is None else f"{value:.3f} s"

    table = Table(title="Clearing, ρ = 1/2, tranche 1/10, CPU time")
    for column in ("bids", "winners", "numpy", "plain Python", "same result", "Algorithm 1"):
        table.add_column(column, justify="right")
    for row in times:
        table.add_row(
            f"{row['bids']:,}",
            f"{row['winners']:,}",
            seconds(row["numpy_s"]),
            seconds(row["python_s"]),
            "yes" if row["equal"] else "NO",
            seconds(row["algorithm_1_s"]),
        )
    console.print(table)
    table = Table(title="Weight bought under one budget, as a share of the fractional optimum")
    for column in ("providers", "rule", "mean", "worst"):
        table.add_column(column, justify="left" if column == "rule" else "right")
    for row in values:
        table.add_row(
            str(row["providers"]),
            row["rule"],
            f"{row['mean_share']:.1%}",
            f"{row['worst_share']:.1%}",
        )
    console.print(table)


def main() -> int:
    """Measure and print; exit code 1 if the two implementations disagree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--largest", type=int, default=1_000_000, help="largest number of bids")
    parser.add_argument("--markets", type=int, default=2000, help="random markets per size")
    parser.add_argument("--patience", type=float, default=60, help="seconds a rule may take")
    arguments = parser.parse_args()
    sizes = [size for size in (10**3, 10**4, 10**5, 10**6) if size <= arguments.largest]
    times = measure_time(sizes, arguments.patience)
    values = measure_value(arguments.markets)
    if arguments.json:
        sys.stdout.write(json.dumps({"time": times, "value": values}) + "\n")
    else:
        print_tables(times, values)
    return 0 if all(row["equal"] for row in times) else 1


if __name__ == "__main__":
    sys.exit(main())
