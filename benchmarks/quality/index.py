"""A reference of five million sentences: build, save, map and search its index.

    python -m benchmarks.quality.index [--json] [--vectors 5000000] [--folder DIR]

The vectors are synthetic (clusters on a sphere): embedding five million real sentences takes ten to
fifteen hours on two cores, and the index does not care. Every vector is int8, memory-mapped.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from oracles.quality.embed import SCALE, WIDTH, quantise
from oracles.quality.index import NeighbourIndex, build
from oracles.quality.novelty import nearest
from oracles.quality.references import STORED_SCALE

TOPICS, BLOCK = 20_000, 50_000


def synthetic(path: Path, count: int) -> np.memmap[tuple[int, int], np.dtype[np.int8]]:
    """Write `count` vectors around random topics and map them."""
    rng = np.random.default_rng(1)
    centers = rng.standard_normal((TOPICS, WIDTH), np.float32)
    vectors = np.memmap(path, np.int8, "w+", shape=(count, WIDTH))
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        points = centers[rng.integers(0, TOPICS, size)]
        points += 0.8 * rng.standard_normal((size, WIDTH), np.float32)
        block = quantise(points).astype(np.float32) * (STORED_SCALE / SCALE)
        vectors[start : start + size] = np.rint(block).astype(np.int8)
    vectors.flush()
    return vectors


def main() -> None:
    """Print one row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--vectors", type=int, default=5_000_000)
    parser.add_argument("--lists", type=int, default=2048)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--exact", type=int, default=100, help="queries also compared exactly")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as work:
        clock = [time.perf_counter()]

        def lap() -> float:
            clock.append(time.perf_counter())
            return round(clock[-1] - clock[-2], 1)

        vectors = synthetic(Path(work) / "vectors.i8", options.vectors)
        made = lap()
        path = Path(work) / "reference.faiss"
        build(vectors, path, options.lists)
        built = lap()
        index = NeighbourIndex(path, vectors)
        opened = lap()
        rng = np.random.default_rng(2)
        rows = np.sort(rng.integers(0, options.vectors, options.queries))
        queries = quantise(
            vectors[rows] / STORED_SCALE + 0.03 * rng.standard_normal((len(rows), WIDTH))
        )
        found = index.nearest(queries)
        searched = lap()
        found = index.nearest(queries)
        again = lap()
        exact = nearest(queries[: options.exact], vectors)
        scanned = lap()
        difference = np.abs(found[: options.exact] - exact)
        row = {
            "vectors": options.vectors,
            "made_s": made,
            "built_and_saved_s": built,
            "index_MB": path.stat().st_size // 10**6,
            "opened_s": opened,
            "first_search_per_s": round(len(rows) / max(searched, 0.1), 1),
            "search_per_s": round(len(rows) / max(again, 0.1), 1),
            "exact_scan_per_s": round(options.exact / max(scanned, 0.1), 2),
            "same_as_exact": f"{int((difference == 0).sum())} of {options.exact}",
            "mean_error": float(difference.mean() / 1e6),
            "peak_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    if options.json:
        print(json.dumps(row))
    else:
        print("| " + " | ".join(row) + " |\n" + "|---" * len(row) + "|")
        print("| " + " | ".join(str(cell) for cell in row.values()) + " |")


if __name__ == "__main__":
    main()
