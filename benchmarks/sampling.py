"""What a sample of pages tells: q, volume and φ̂ against all of it, and what scoring costs.

    python -m benchmarks.sampling [--json] [--docs] [--only quality impact scale recurrence]

- quality: q and tokens estimated from 5, 10 and 30 % of the pages of three honest corpora, against
  all of their pages. Errors are root mean squares over draws; `covered` is how often the truth lies
  within two of the standard errors that the estimate states.
- impact: LDS of φ̂ from 5, 10 and 30 % of the pages of every provider, against retraining on all of
  their data, in two pools in which two evaluation sets agree on what is worth most. Pages of 600
  characters stand for those of 16 KiB, so that a pool is small enough to be retrained on.
- scale: seconds and memory of scoring a fixed sample of sets of 10, 100, 1,000 and 10,000 MB,
  written from sentences of real text, and the share of its pages that a loser opens.
- recurrence: how many of the hashes of a whole corpus are distinct, which `NATURAL_RECURRENCE` in
  `oracles.sampling` allows for.

Finished parts, pools and sizes are kept in the cache and not repeated. `--docs` writes the tables
into the pages of q and φ̂ in docs/.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.docs import markdown, publish
from benchmarks.impact.evaluate import note
from benchmarks.impact.pools import damaged, languages
from benchmarks.quality.common import foreign
from oracles.dataset import Document, SeenRuns, Sketch, encode_document, fragments
from oracles.dataset.pages import PAGE_BYTES, Pager
from oracles.dataset.sketch import Sketcher
from oracles.quality import QualityParameters, score_pages
from oracles.quality.damage import CachedEmbedder, well_described
from oracles.quality.embed import Embedder
from oracles.sampling import NATURAL_RECURRENCE, Estimate, distinct_share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmarks.impact.corpora import Corpora

RATES = (0.05, 0.1, 0.3)
CORPORA = ("sotu-1946-2020", "linux-doc", "wordnet")
#: Pools in which a truth can be told: retraining ranks their halves alike on two evaluation sets.
POOLS: dict[str, Callable[[Path, int], Corpora]] = {"languages": languages, "damaged": damaged}
#: Characters of a page where retraining is the truth.
SMALL_PAGE = 600
SIZES = (10, 100, 1000, 10_000)
#: Pages that are opened of a set, whatever its size.
SAMPLES = 8


def paged(documents: Iterable[Document]) -> tuple[list[bytes], Sketch]:
    """Pages and sketch of a data set."""
    pager, sketcher = Pager(), Sketcher()
    pages = [page for each in documents for page in pager.write(encode_document(each) + b"\n")]
    pages += pager.finish()
    for number, page in enumerate(pages):
        sketcher.add(number, page)
    return pages, sketcher.finish()


def quality(pages_read: int, draws: int) -> list[dict[str, Any]]:
    """Errors of q and tokens by corpus and rate."""
    rows = []
    embedder: Any = CachedEmbedder(Embedder())
    today = QualityParameters().today
    for name in CORPORA:
        found = well_described(foreign(name), today)
        # A corpus in an order that a hash decides, as large as it is or as asked for.
        kept: list[Document] = []
        size = 0
        for document in found:
            if size >= pages_read * PAGE_BYTES:
                break
            kept.append(document)
            size += len(encode_document(document)) + 1
        pages, sketch = paged(kept)

        def estimated(drawn: Sequence[int], pages: list[bytes], sketch: Sketch) -> Estimate:
            sample = tuple((number, pages[number]) for number in drawn)
            report = score_pages([fragments(page) for _, page in sample], embedder=embedder)
            return Estimate.of(sample, len(pages), sketch, report, SeenRuns())

        note(f"{name}, all {len(pages)} pages", 0, 1)
        truth = estimated(range(len(pages)), pages, sketch)
        for rate in RATES:
            errors, covered = [], 0
            for draw in range(draws):
                rng = random.Random(100 * draw + int(1000 * rate))
                drawn = sorted(rng.sample(range(len(pages)), max(2, round(rate * len(pages)))))
                one = estimated(drawn, pages, sketch)
                note(f"{name}, {rate:.0%}", draw + 1, draws)
                error = (
                    (one.report.q - truth.report.q) / 1e4,
                    float(one.tokens / truth.tokens) - 1,
                )
                errors.append(error)
                stated = one.standard_errors() or {"q": 0.0, "tokens": 0.0}
                covered += abs(error[0]) <= 2 * stated["q"] / 1e4
                covered += abs(error[1]) <= 2 * stated["tokens"] / float(truth.tokens)
            square = np.sqrt(np.mean(np.square(errors), axis=0))
            rows.append(
                {
                    "corpus": name,
                    "pages": len(pages),
                    "read": f"{rate:.0%}",
                    "q": truth.report.q / 1e4,
                    "error of q": float(square[0]),
                    "bias of q": float(np.mean(errors, axis=0)[0]),
                    "error of volume": float(square[1]),
                    "bias of volume": float(np.mean(errors, axis=0)[1]),
                    "covered": covered / (2 * draws),
                }
            )
    return rows


def impact(cache: Path, name: str, times: int, subsets: int, draws: int) -> list[dict[str, Any]]:
    """LDS of φ̂ from samples of one pool, with `times` as much text, against all of it."""
    from oracles.impact import Pages, Parameters
    from oracles.impact.corpus import split
    from oracles.impact.correlations import correlation, interval
    from oracles.impact.estimate import make_pool, pinned_kernels, report_runs, run_seeds
    from oracles.impact.page import interval_text
    from oracles.impact.truth import Truth, random_halves

    drawn = POOLS[name](cache / "corpora", times)
    part_a, part_b = split(drawn.evaluation)
    parameters, pages = Parameters(), {}
    for provider, documents in drawn.submissions.items():
        text = "\n".join(document.text for document in documents)
        pages[provider] = [text[i : i + SMALL_PAGE] for i in range(0, len(text), SMALL_PAGE)]

    def pool_of(submissions: dict[str, Pages]) -> Any:
        return make_pool(drawn.seed, submissions, part_a, parameters.model, outcome=part_b)

    everything = pool_of({owner: Pages(texts, len(texts)) for owner, texts in pages.items()})
    halves = random_halves(len(pages), subsets)
    with pinned_kernels():
        truth = Truth(
            everything,
            parameters,
            cache / "impact",
            progress=note,
            stage=f"{name}, halves",
            total=2 * subsets,
        )
        table = -truth.table((100, 101), halves)
    rows = []
    for rate in (*RATES, 1.0):
        values, count = [], draws if rate < 1 else 1
        for draw in range(count):
            rng = random.Random(10 * draw + 1)
            samples = {
                owner: Pages(
                    [texts[i] for i in sorted(rng.sample(range(len(texts)), size))], len(texts)
                )
                for owner, texts in pages.items()
                for size in [max(1, round(rate * len(texts)))]
            }
            pool = pool_of(samples)
            runs = run_seeds(pool, parameters, cache=cache / "impact")
            report = report_runs(pool, runs, parameters)
            values.append(np.array([provider.influence for provider in report.providers]))
            note(f"{name}, φ̂ from {rate:.0%}", draw + 1, count)
        sums = [np.array([each[half].sum() for half in halves]) for each in values]
        mean = interval(np.mean(sums, axis=0), table[1], 500)
        sizes = [len(sample.texts) for sample in samples.values()]
        rows.append(
            {
                "pool": name,
                "read": f"{rate:.0%}",
                "pages of a provider": f"{min(sizes)} to {max(sizes)}",
                "LDS of each draw": ", ".join(
                    f"{correlation(one, table[1].mean(0)):.2f}" for one in sums
                ),
                "LDS of the mean of the draws": interval_text(mean),
            }
        )
    agreement = correlation(table[0].mean(0), table[1].mean(0))
    seeds = correlation(table[1][0], table[1][1])
    rows += [
        {
            "pool": name,
            "read": what,
            "pages of a provider": "",
            "LDS of each draw": f"{value:.2f}",
            "LDS of the mean of the draws": "",
        }
        for what, value in (
            ("truths on A and B agree", agreement),
            ("truths under two seeds agree", seeds),
        )
    ]
    return rows


def scale(megabytes: int) -> list[dict[str, Any]]:
    """Write a set of a size page by page, then score a sample of it in a process of its own."""
    sentences = [s for name in CORPORA for text in foreign(name) for s in text.split(". ") if s]
    rng, pager, sketcher = random.Random(1), Pager(), Sketcher()
    today = QualityParameters().today
    pages = megabytes * 10**6 // PAGE_BYTES
    wanted = frozenset(random.Random(2).sample(range(pages), SAMPLES))
    kept: list[tuple[int, bytes]] = []
    number = 0
    start = time.process_time()
    while number < pages:
        text = ". ".join(rng.choices(sentences, k=40))
        (document,) = well_described([text], today)
        for page in pager.write(encode_document(document) + b"\n"):
            sketcher.add(number, page)
            if number in wanted:
                kept.append((number, page))
            number += 1
    sketch = sketcher.finish()
    written = time.process_time() - start
    data = sketch.encode()
    del sketcher, sentences
    result = {"sketch": data.hex(), "pages": [(n, page.hex()) for n, page in kept]}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sampling", "--score"],
        input=json.dumps({**result, "total": number}),
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[1],
    )
    scored = json.loads(done.stdout)
    row = {
        "MB": megabytes,
        "pages": number,
        "written and sketched, s": round(written, 1),
        "sketch, KB": len(data) // 1000,
        **scored,
        "opened by a loser": f"{SAMPLES / number:.3%}",
    }
    return [row]


def score_sample() -> dict[str, Any]:
    """What the scorer does with the sample that it was sent."""
    given = json.loads(sys.stdin.read())
    sample = tuple((n, bytes.fromhex(page)) for n, page in given["pages"])
    embedder = Embedder()
    start = time.process_time()
    sketch = Sketch.decode(bytes.fromhex(given["sketch"]), given["total"])
    report = score_pages([fragments(page) for _, page in sample], embedder=embedder)
    found = Estimate.of(sample, given["total"], sketch, report, SeenRuns())
    return {
        "scored, s": round(time.process_time() - start, 1),
        "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "q": report.q / 1e4,
        "distinct": round(float(found.distinct), 3),
    }


def recurrence() -> list[dict[str, Any]]:
    """Share of the hashes of whole corpora that are distinct."""
    from benchmarks.impact import corpora

    rows = []
    for name in corpora.SOURCES:
        pages, sketch = paged(Document(text) for text in foreign(name))
        share = float(distinct_share(sketch.parts.values()))
        rows.append({"corpus": name, "pages": len(pages), "distinct": share})
    return sorted(rows, key=lambda row: row["distinct"])


def kept(path: Path, make: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Finished rows, or new ones."""
    if not path.exists():
        found = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found))
    rows: list[dict[str, Any]] = json.loads(path.read_text())
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """In Markdown."""
    cells = [[f"{v:.3f}" if isinstance(v, float) else str(v) for v in r.values()] for r in rows]
    return "\n".join(markdown(list(rows[0]), cells))


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "qmia")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/")
    parser.add_argument("--score", action="store_true", help=argparse.SUPPRESS)
    parts = ("quality", "impact", "scale", "recurrence")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--pages", type=int, default=40, help="of each corpus")
    parser.add_argument("--draws", type=int, default=3, help="of pages")
    parser.add_argument("--pools", nargs="+", choices=POOLS, default=list(POOLS))
    parser.add_argument("--times", type=int, default=20, help="the text of a pool of `evaluate`")
    parser.add_argument("--subsets", type=int, default=16, help="random halves")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="MB")
    options = parser.parse_args()
    if options.score:
        sys.stdout.write(json.dumps(score_sample()))
        return
    folder, draws = options.cache / "sampling", options.draws
    makers: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "quality": lambda: kept(
            folder / f"quality-{options.pages}-{draws}.json", partial(quality, options.pages, draws)
        ),
        "impact": lambda: [
            row
            for name in options.pools
            for row in kept(
                folder / f"impact-{name}-{options.times}-{options.subsets}-{draws}.json",
                partial(impact, options.cache, name, options.times, options.subsets, draws),
            )
        ],
        "scale": lambda: [
            row
            for size in options.sizes
            for row in kept(folder / f"scale-{size}.json", partial(scale, size))
        ],
        "recurrence": lambda: kept(folder / "recurrence.json", recurrence),
    }
    found = {name: makers[name]() for name in options.only}
    for name, rows in found.items():
        if options.docs:
            page = "impact" if name == "impact" else "quality"
            publish(f"sampling: {name}", table(rows), page)
        if not options.json:
            print(f"{name}\n\n{table(rows)}\n")
    if options.json:
        print(json.dumps(found))
    if "recurrence" in found:
        least = min(row["distinct"] for row in found["recurrence"])
        print(f"allowed for: {float(NATURAL_RECURRENCE)}, least: {least:.3f}", file=sys.stderr)


if __name__ == "__main__":
    main()
