"""What tricks gain and what the buyer gets: `python benchmarks/impact/attacks.py`.

A small auction of seven providers, of which the last one attacks. Every run is kept, so that an
interrupted one goes on. Prints a table, or JSON with `--json`; `--docs` writes it into `docs/`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import corpora
from evaluate import markdown, publish

from oracles.impact import Parameters
from oracles.impact.attacks import ATTACKS, measure

#: The attacked auction; the last one attacks, and copies `VICTIM`.
PROVIDERS = (
    "brown-government",
    "brown-news",
    "foldoc",
    "hpo",
    "python-doc",
    "sotu-1946-2020",
    "brown-learned",
)
VICTIM = "hpo"


def rows(cache: Path, attacks: list[str], parameters: Parameters) -> list[dict[str, Any]]:
    """Every attack on the auction: one half of the drawn text is in it, the other is not."""
    drawn = corpora.load(
        cache / "corpora",
        provider=24_000,
        seed=15_000,
        evaluation=40_000,
        spread=1.2,
        names=PROVIDERS,
    )
    inside = {name: docs[: len(docs) // 2] for name, docs in drawn.submissions.items()}
    outside = {name: docs[len(docs) // 2 :] for name, docs in drawn.submissions.items()}
    attacker = PROVIDERS[-1]
    found = []
    for row in measure(
        drawn.seed,
        inside,
        drawn.evaluation,
        parameters,
        attacker,
        VICTIM,
        outside[attacker],
        # One document of each source after the other.
        [text for texts in zip(*outside.values(), strict=False) for text in texts],
        cache / "impact",
        attacks=attacks,
    ):
        sys.stderr.write(json.dumps(row) + "\n")
        found.append(row)
    return found


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "qmia")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--docs", action="store_true", help="write docs/impact.md")
    parser.add_argument("--attacks", nargs="+", choices=ATTACKS, default=list(ATTACKS))
    options = parser.parse_args()
    found = rows(options.cache, options.attacks, Parameters())
    header = [
        "added, as much again",
        "share of φ̂",
        "gain",
        "loss on B against the honest pool",
        "overcharged",
    ]
    text = "\n".join(
        markdown(
            header,
            [
                [
                    row["attack"],
                    f"{row['share']:.3f}",
                    "–" if row["gain"] is None else f"{row['gain']:.2f} ×",
                    f"{row['loss_change']:+.4f} ± {row['loss_error']:.4f}",
                    "yes" if row["overcharged"] else "no",
                ]
                for row in found
            ],
        )
    )
    if options.docs:
        publish("attacks", text)
    sys.stdout.write((json.dumps(found) if options.json else text) + "\n")


if __name__ == "__main__":
    main()
