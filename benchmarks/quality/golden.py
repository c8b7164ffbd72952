"""Golden scores across threads, batches, document orders and numeric libraries.

    python -m benchmarks.quality.golden [--json] [--write] [--other onnxruntime==1.20.1 ...]

`--other` makes a virtual environment with other versions of the numeric libraries and compares
there too; the rest of the packages come from this environment. `--write` records the scores as the
known ones, after a deliberate change of the metric.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from oracles.quality import golden, score
from oracles.quality.embed import Embedder

ROOT = Path(__file__).resolve().parents[2]
VARIANTS = [(1, 1), (1, 16), (2, 16), (2, 64)]


def here() -> list[dict[str, Any]]:
    """One row a variant: how it was run and whether every number was the known one."""
    rows = []
    known = golden.expected()
    for threads, batch in VARIANTS:
        documents = golden.documents()
        random.Random(threads * batch).shuffle(documents)
        embedder = Embedder(threads, batch)
        found = {
            name: score(documents, parameters, embedder=embedder).to_json()
            for name, parameters in golden.FORMS.items()
        }
        rows.append(
            {
                "onnxruntime": version("onnxruntime"),
                "numpy": version("numpy"),
                "threads": threads,
                "batch": batch,
                "order": "shuffled",
                "q": [found[name]["q"] for name in golden.FORMS],
                "equal": found == known,
            }
        )
    return rows


def elsewhere(packages: list[str]) -> list[dict[str, Any]]:
    """The same in an environment with other versions, laid over this one."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "packages"
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--target",
            str(target),
        ]
        subprocess.run([*command, *packages], check=True, stdout=sys.stderr)
        search = os.pathsep.join([str(target), str(ROOT)])
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.quality.golden", "--json"],
            env={**os.environ, "PYTHONPATH": search},
            capture_output=True,
            text=True,
            check=False,
        )
        if not done.stdout:
            raise SystemExit(done.stderr)
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows


def main() -> int:
    """Print the rows; exit code 1 if any differs from the known scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--other", nargs="+", default=[], metavar="PACKAGE==VERSION")
    options = parser.parse_args()
    if options.write:
        known = golden.compute(Embedder())
        path = ROOT / "oracles" / "quality" / "data" / "golden.json"
        path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    rows = here() + (elsewhere(options.other) if options.other else [])
    if options.json:
        print(json.dumps(rows))
    else:
        print("| onnxruntime | numpy | threads | batch | order | q default, literal | equal |")
        print("|---|---|---|---|---|---|---|")
        for row in rows:
            cells = {**row, "q": ", ".join(f"{q / 1e4:.4f}" for q in row["q"])}
            print("| " + " | ".join(str(cell) for cell in cells.values()) + " |")
    return 0 if all(row["equal"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
