"""Whether today's scores are those that the study bought by.

    python -m benchmarks.impact.texts TEXTS
    python -m benchmarks.study.rescored TEXTS [--influence] [--worlds 0 1] [--json]
    python -m benchmarks.study.rescored TEXTS --json > old.jsonl  # with older code
    python -m benchmarks.study.rescored TEXTS --against old.jsonl

Draws the worlds of the study again, scores every provider's set with the present code, and holds
q against `result.json`. Where a package has a newer version of a text than the study had, other
documents are drawn; then only a run of the older code on the same texts tells what a version of the
scores changes. φ̂ follows from what is trained on, so its pool is told by its digest: where another
version of the code gives the same digest, φ̂ is the same. With `--influence` φ̂ is computed as well,
in both regimes, which takes about a minute a world. With `--letters` only the letters of each set
are counted that are no copies, which takes seconds, and tells which sets another version of
`oracles.passages` touches.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from oracles.cli.impact import load_documents, load_submissions
from oracles.impact.truth import pool_digest
from oracles.passages import Passages
from oracles.quality.repeats import Compared
from oracles.quality.texts import digest, normalise
from oracles.study import Plan
from oracles.study.bench import REGIMES, influences, make_bench, parameters, qualities
from oracles.study.world import Texts, draw_world

RESULT = Path(__file__).with_name("result.json")


def letters(texts: Texts, plan: Plan, number: int) -> dict[str, Any]:
    """Letters of each set of one world that are new, in the order of commitment."""
    world, earlier = draw_world(texts, plan, number), Passages()
    found = []
    for documents in world.providers.values():
        own = Compared(earlier)
        bodies = sorted((normalise(document.text) for document in documents), key=digest)
        shares = [own.new(body).of_all * sum(map(str.isalpha, body)) for body in bodies]
        found.append(sum(map(int, shares)))
    return {"world": number, "providers": list(world.providers), "pool": "", "letters": found}


def rescored(texts: Texts, plan: Plan, number: int, *, influence: bool) -> dict[str, Any]:
    """Scores of one world by the present code."""
    world = draw_world(texts, plan, number)
    pool = make_bench(texts.seed, world.providers, world).pool
    found: dict[str, Any] = {
        "world": number,
        "providers": list(world.providers),
        "pool": pool_digest(pool),
        "q": qualities(world.providers),
    }
    if influence:
        for regime in REGIMES:
            with TemporaryDirectory() as folder:
                scores = influences(pool, parameters(plan, regime), Path(folder), map)
            pairs = zip(found["q"], scores["phi"], strict=True)
            found[f"phi, {regime}"] = [phi if q else 0 for q, phi in pairs]
    return found


def compared(found: dict[str, Any], kept: dict[str, dict[str, int]]) -> dict[str, Any]:
    """Of each score, how many are equal to the kept ones, and the largest difference in 1e-4.

    Args:
        found: of `rescored`.
        kept: scores of the same world before, by score and by provider.
    """
    summary: dict[str, Any] = {}
    for name in found:
        if name in kept:
            before = kept[name]
            pairs = zip(found["providers"], found[name], strict=True)
            apart = [abs(value - before[provider]) for provider, value in pairs]
            summary[name] = {"equal": apart.count(0), "of": len(apart), "largest": max(apart)}
    return summary


def before(study: dict[str, Any], against: Path | None) -> dict[int, dict[str, dict[str, int]]]:
    """The scores that are compared with, by world, score and provider."""
    scores = ("q", "letters", *(f"phi, {regime}" for regime in REGIMES))
    if against is None:
        return {
            number: {
                name: {row["name"]: row[name] for row in world["providers"]}
                for name in scores
                if name != "letters"
            }
            for number, world in enumerate(study["worlds"])
        }
    rows = [json.loads(line) for line in against.read_text().splitlines()]
    return {
        row["world"]: {
            name: dict(zip(row["providers"], row[name], strict=True))
            for name in scores
            if name in row
        }
        for row in rows
    }


def main() -> None:
    """Print a line for each world."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", type=Path, help="folder that benchmarks.impact.texts wrote")
    parser.add_argument("--influence", action="store_true", help="compute φ̂ as well")
    parser.add_argument("--letters", action="store_true", help="only what is no copy")
    parser.add_argument("--worlds", type=int, nargs="+", help="numbers of the worlds")
    parser.add_argument("--against", type=Path, help="what --json printed with another version")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    study = json.loads(RESULT.read_text())
    plan = Plan.from_json(study["plan"])
    texts = Texts(
        load_documents(options.texts / "seed.jsonl"),
        load_documents(options.texts / "evaluation.jsonl"),
        load_submissions(sorted((options.texts / "providers").iterdir())),
    )
    kept = before(study, options.against)
    for number in options.worlds or range(plan.worlds):
        if options.letters:
            found = letters(texts, plan, number)
        else:
            found = rescored(texts, plan, number, influence=options.influence)
        summary = compared(found, kept[number])
        if options.json:
            print(json.dumps({**found, "compared": summary}))
        else:
            told = (
                f"{name}: {each['equal']} of {each['of']} equal, largest difference "
                f"{each['largest']}"
                for name, each in summary.items()
            )
            print(f"world {number} {found['pool'][:16]}: {'; '.join(told)}")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
