"""The default form of each metric beside the paper's literal one, on held-out text of each source.

python -m benchmarks.quality.forms [--json] [--documents 60]
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from oracles.quality import QualityParameters, score
from oracles.quality.damage import CachedEmbedder, well_described
from oracles.quality.embed import Embedder, cache_directory
from oracles.quality.sources import SOURCES, passages

LITERAL = QualityParameters(
    error_factor=50, diversity="simpson", codebook="fitted", novelty="cosine"
)
METRICS = ("cleanliness", "diversity", "novelty")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--documents", type=int, default=60)
    options = parser.parse_args()
    embedder: Any = CachedEmbedder(Embedder())
    rows = []
    for source in SOURCES:
        bodies = passages(source, cache_directory() / "sources", held_out=True)
        documents = well_described(bodies[: options.documents], LITERAL.today)
        default = score(documents, embedder=embedder)
        literal = score(documents, LITERAL, embedder=embedder)
        pairs = {m: (getattr(default, m), getattr(literal, m)) for m in METRICS}
        rows.append({"source": source.name, "documents": len(documents), **pairs})
    if options.json:
        print(json.dumps(rows))
        return
    print("| source | documents | " + " | ".join(f"{m} | literal" for m in METRICS) + " |")
    print("|---" * 8 + "|")
    for row in rows:
        cells = [f"{value / 1e4:.3f}" for metric in METRICS for value in row[metric]]
        print(f"| {row['source']} | {row['documents']} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
