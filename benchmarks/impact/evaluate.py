"""Measure φ̂ against retraining on real providers: `python benchmarks/impact/evaluate.py`.

Fetches the corpora on first use, retrains (cached and resumable), scores all estimators, baselines
and kronfluence on the same data, tries the attack set, and prints tables, or JSON with `--json`.
With `--docs` it also writes them, and the plot, into `docs/`.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import corpora
import peer

from oracles.impact import Parameters
from oracles.impact.attacks import ATTACKS, measure
from oracles.impact.estimate import make_pool, run_seed
from oracles.impact.evaluation import Plan, evaluate
from oracles.quality import QualityParameters, score
from oracles.quality.damage import well_described
from oracles.quality.embed import Embedder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oracles.dataset import Document

ROOT = Path(__file__).resolve().parents[2]
#: Characters: one provider (mean), seed corpus, evaluation set.
SIZES = {"provider": 5000, "seed": 40_000, "evaluation": 40_000}
#: The attacked auction; the last one attacks.
ATTACKED = (
    "brown-government",
    "brown-learned",
    "foldoc",
    "gcide",
    "hpo",
    "python-doc",
    "sotu-1790-1899",
)


def note(text: str) -> None:
    """Progress, one line a step."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def cost(cache: Path, provider: int) -> dict[str, float]:
    """Processor time and peak memory of one run of the default estimator, in a fresh process."""
    drawn = corpora.load(cache / "corpora", provider=provider, seed=8000, evaluation=8000)
    parameters = Parameters()
    pool = make_pool(drawn.seed, drawn.submissions, drawn.evaluation, parameters.model)
    start = time.process_time()
    log = run_seed(pool, parameters, 0).log
    seconds = time.process_time() - start
    tokens = int(pool.training.sizes.sum())
    return {
        "tokens": tokens,
        "steps": log["steps"],
        "seconds": seconds,
        "tokens_per_second": tokens / seconds,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def scale(cache: Path) -> list[dict[str, float]]:
    """Costs of auctions of growing size."""
    sizes = (2500, 5000, 10_000, 20_000)
    spawn = get_context("spawn")
    with ProcessPoolExecutor(1, spawn, max_tasks_per_child=1) as executor:
        return list(executor.map(partial(cost, cache), sizes))


def quality_of(documents: Sequence[Document], embedder: Embedder) -> float:
    """Quality score of a data set whose metadata are complete."""
    parameters = QualityParameters()
    described = well_described([document.text for document in documents], parameters.today)
    return score(described, parameters, embedder=embedder).q / 10_000


def attack_rows(cache: Path, results: Path, code: str) -> list[dict[str, Any]]:
    """Rows of the attack set on a small auction, from the cache if this code has made them."""
    stored = results / f"attacks-{code[:16]}.json"
    if not stored.exists():
        small = corpora.load(
            cache / "corpora", provider=5000, seed=12_000, evaluation=10_000, spread=1.2
        )
        submissions = {name: small.submissions[name] for name in ATTACKED}
        attacker = submissions[ATTACKED[-1]]
        start = time.process_time()
        rows = list(
            measure(
                small.seed,
                submissions,
                small.evaluation,
                Parameters(),
                ATTACKED[-1],
                note,
                results / "attacks",
            )
        )
        embedder = Embedder()
        for row in rows:
            identities = [attacker]
            if row["attack"] in ATTACKS:
                identities = ATTACKS[row["attack"]](attacker, small.seed, small.evaluation)
            row["q"] = min(quality_of(documents, embedder) for documents in identities)
        rows[0]["seconds"] = time.process_time() - start
        stored.write_text(json.dumps(rows))
    found: list[dict[str, Any]] = json.loads(stored.read_text())
    return found


def run(cache: Path, seeds: int, plan: Plan, *, whole: bool) -> dict[str, Any]:
    """Everything; returns a JSON-compatible result."""
    results = cache / "impact"
    results.mkdir(parents=True, exist_ok=True)
    peer.install(cache)
    drawn = corpora.load(cache / "corpora", **SIZES)
    parameters = replace(Parameters(), seeds=tuple(range(seeds)))
    result = evaluate(
        drawn.seed,
        drawn.submissions,
        drawn.evaluation,
        parameters,
        plan,
        cache=results,
        extra={
            "kronfluence EK-FAC": (peer.kronfluence_ekfac, seeds),
            "kronfluence EK-FAC, one seed": (peer.kronfluence_ekfac, 1),
        },
        note=note,
    )
    for name, provider in result["providers"].items():
        provider["domain"] = corpora.SOURCES[name].domain
        provider["licence"] = corpora.SOURCES[name].licence
    result["attacks"] = attack_rows(cache, results, result["code"]) if whole else []
    note("scale")
    result["scale"] = scale(cache) if whole else []
    return result


def tables(result: dict[str, Any]) -> str:
    """Markdown tables of a result."""
    lines = [
        f"{len(result['providers'])} providers of "
        f"{len({p['domain'] for p in result['providers'].values()})} domains, "
        f"{result['tokens']['providers']:,} training tokens "
        f"(seed corpus {result['tokens']['seed']:,}, "
        f"evaluation {result['tokens']['evaluation']:,}); "
        f"{result['parameter_count']:,} parameters; {len(result['parameters']['seeds'])} seeds an "
        f"estimator; {result['plan']['subsets']} random halves and "
        f"{len(result['plan']['truth_seeds'])} seeds of retraining, "
        f"{len(result['plan']['single_seeds'])} for single providers. "
        f"Evaluation loss {result['evaluation_loss']['base']:.3f} after the seed corpus, "
        f"{result['evaluation_loss']['all']:.3f} after all data. "
        f"Truth: {result['truth']['retrainings']} retrainings, "
        f"{result['truth']['seconds'] / 60:.0f} minutes of one core when cold.",
        "",
        "| predictor | LDS (95 %) | leave-one-out (95 %) | add-one (95 %) "
        "| loss after removing the top "
        f"{result['plan']['removed']} | seconds | tokens/s |",
        "|---|---|---|---|---|---|---|",
    ]

    def cell(row: dict[str, Any], key: str) -> str:
        low, high = row[f"{key}_interval"]
        return f"{row[key]:.2f} ({low:.2f} to {high:.2f})"

    for row in sorted(result["rows"], key=lambda row: -row["lds"]):
        rate = row["tokens_per_second"]
        lines.append(
            f"| {row['predictor']} | {cell(row, 'lds')} | {cell(row, 'leave_one_out')} "
            f"| {cell(row, 'add_one')} | +{row['top_k_removal']:.4f} | {row['seconds']:.1f} "
            f"| {f'{rate:,.0f}' if rate else '–'} |"
        )
    for name, key in (("noise ceiling", "ceilings"), ("two seeds of the truth", "agreement")):
        values = ["–" if value is None else f"{value:.2f}" for value in result[key].values()]
        lines.append(f"| *{name}* | {' | '.join(values)} | | | |")
    if not result["attacks"]:
        lines += [
            "",
            "Not measured in this run (`--quick`): the attack set, and cost against size.",
        ]
    if result["attacks"]:
        lines += [
            "",
            "| attack | share of φ̂ | gain | literal Appendix D | gain | really worth | q |",
            "|---|---|---|---|---|---|---|",
        ]
    for row in result["attacks"]:
        share, literal, worth = (
            "–" if row[f"{key}_gain"] is None else f"{row[f'{key}_gain']:.2f}×"
            for key in ("share", "literal_share", "worth")
        )
        lines.append(
            f"| {row['attack']} | {row['share']:.3f} | {share} "
            f"| {row['literal_share']:.3f} | {literal} | {worth} | {row['q']:.2f} |"
        )
    if result["scale"]:
        lines += [
            "",
            "| training tokens | steps | seconds, one run | tokens/s | peak memory, MB |",
            "|---|---|---|---|---|",
        ]
    lines += [
        f"| {row['tokens']:,} | {row['steps']} | {row['seconds']:.1f} "
        f"| {row['tokens_per_second']:,.0f} | {row['megabytes']:,.0f} |"
        for row in result["scale"]
    ]
    return "\n".join(lines)


def plot(result: dict[str, Any]) -> str:
    """SVG: LDS of every predictor with its interval, and the noise ceiling."""
    rows = sorted(result["rows"], key=lambda row: -row["lds"])
    left, width, height = 190, 420, 22
    top = 30

    def x(value: float) -> float:
        return left + width * (max(-0.5, value) + 0.5) / 1.5

    total = top + height * len(rows) + 30
    ceiling = x(result["ceilings"]["lds"])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 40}" height="{total}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{left + width + 40}" height="{total}" fill="white"/>',
        f'<text x="{left}" y="16">Provider-level LDS (Spearman), 95 % intervals</text>',
    ]
    parts += [
        f'<line x1="{x(tick)}" x2="{x(tick)}" y1="{top}" y2="{total - 25}" stroke="#ddd"/>'
        f'<text x="{x(tick)}" y="{total - 8}" text-anchor="middle">{tick}</text>'
        for tick in (-0.5, 0, 0.5, 1)
    ]
    for place, row in enumerate(rows):
        y = top + height * place + height / 2
        low, high = row["lds_interval"]
        own = row["tokens_per_second"] and row["predictor"] in result["plan"]["estimators"]
        colour = "#1f6feb" if own or row["predictor"].startswith("unrolled") else "#888"
        parts.append(
            f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{row["predictor"]}</text>'
            f'<line x1="{x(low)}" x2="{x(high)}" y1="{y}" y2="{y}" stroke="{colour}" '
            f'stroke-width="2"/><circle cx="{x(row["lds"])}" cy="{y}" r="4" fill="{colour}"/>'
        )
    parts.append(
        f'<line x1="{ceiling}" x2="{ceiling}" y1="{top}" y2="{total - 25}" stroke="#c33" '
        f'stroke-dasharray="4 3"/><text x="{ceiling - 4}" y="{total - 30}" text-anchor="end" '
        'fill="#c33">noise ceiling</text></svg>'
    )
    return "\n".join(parts) + "\n"


def main() -> None:
    """Run, and print or write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "qmia")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--docs", action="store_true", help="write docs/impact.md and the plot")
    parser.add_argument("--seeds", type=int, default=2, help="seeds of each estimator")
    parser.add_argument("--subsets", type=int, default=64, help="random halves")
    parser.add_argument("--single-seeds", type=int, default=3, help="the same, one provider")
    parser.add_argument("--quick", action="store_true", help="without attack set and scale")
    parser.add_argument("--estimators", nargs="+", help="only these of our own estimators")
    parser.add_argument("--truth-seeds", type=int, default=3, help="retrainings of each subset")
    options = parser.parse_args()
    plan = Plan(
        subsets=options.subsets,
        truth_seeds=tuple(range(100, 100 + options.truth_seeds)),
        single_seeds=tuple(range(100, 100 + options.single_seeds)),
        estimators=tuple(options.estimators or Plan().estimators),
    )
    result = run(options.cache, options.seeds, plan, whole=not options.quick)
    text = tables(result)
    if options.docs:
        page = ROOT / "docs" / "impact.md"
        pattern = r"(?s)(<!-- measured -->\n).*(<!-- /measured -->)"
        page.write_text(re.sub(pattern, lambda m: f"{m[1]}\n{text}\n\n{m[2]}", page.read_text()))
        (ROOT / "docs" / "impact.svg").write_text(plot(result))
    print(json.dumps(result) if options.json else text)


if __name__ == "__main__":
    main()
