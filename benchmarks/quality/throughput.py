"""Documents per second and stage on one core, and datatrove's filters on the same documents.

    python -m benchmarks.quality.throughput [--json] [--documents 300] [--growth 1000 10000]
                                            [--peer-python PATH]

`--peer-python` is the interpreter of an environment with `datatrove==0.10.0` and nltk, tldextract
(datatrove needs another numpy than this project, hence another environment). `--growth` scores sets
of so many sentences from end to end.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracles.quality import QualityParameters, references, score, texts
from oracles.quality.cleanliness import read
from oracles.quality.damage import well_described
from oracles.quality.embed import Embedder, cache_directory
from oracles.quality.metadata import valid_fields
from oracles.quality.profile import profile
from oracles.quality.repeats import Compared
from oracles.quality.sources import SOURCES, passages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oracles.dataset import Document

PEER = """
import json, sys, time
from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
documents = [Document(text=t, id=str(i)) for i, t in enumerate(json.load(open(sys.argv[1])))]
rows = []
for kind in (GopherQualityFilter, GopherRepetitionFilter, FineWebQualityFilter):
    try:
        run = kind()
        for d in documents[:3]:
            run.filter(d)
        start = time.process_time()
        for d in documents:
            run.filter(d)
        rows.append([f"datatrove {kind.__name__}", time.process_time() - start])
    except Exception as error:
        print(f"{kind.__name__}: {error}"[:300], file=sys.stderr)
print(json.dumps(rows))
"""


def timed(function: Callable[[Any], Any], items: Sequence[Any]) -> float:
    """Seconds for all items, the first three once before."""
    for item in items[:3]:
        function(item)
    start = time.process_time()
    for item in items:
        function(item)
    return time.process_time() - start


def stages(documents: list[Document]) -> list[tuple[str, float]]:
    """Seconds of each stage for all documents."""
    parameters, reference = QualityParameters(), references.default()
    pairs, embedder = reference.pairs, Embedder(threads=1)
    bodies = [texts.normalise(d.text) for d in documents]
    compared = Compared(None)
    drawn = [texts.sample(set(texts.sentences(body)), 4, b"") for body in bodies]
    rows = [
        ("cleanliness, language included", timed(lambda body: read(body, pairs), bodies)),
        (
            "metadata",
            timed(
                lambda d: valid_fields(
                    d.metadata, parameters.required_fields, parameters.today, d.text, "en"
                ),
                documents,
            ),
        ),
        (
            "first pass: both, sentences, personal data",
            timed(lambda d: profile(d, parameters, pairs), documents),
        ),
        ("passages", timed(compared.new, bodies)),
        ("embedding, 4 sentences a document", timed(embedder, drawn)),
    ]
    vectors = embedder([sentence for group in drawn for sentence in group])
    rows.append(("nearest reference sentence, batches of 256", timed_batches(vectors, reference)))
    return rows


def timed_batches(vectors: Any, reference: references.Reference) -> float:
    """Seconds to compare all vectors with the reference."""
    start = time.process_time()
    for first in range(0, len(vectors), 256):
        reference.nearest(vectors[first : first + 256])
    return time.process_time() - start


def growth(bodies: list[str], sentences: int) -> dict[str, Any]:
    """Time and memory of one whole scoring run of about so many sentences."""
    pool = [s for body in bodies for s in texts.sentences(texts.normalise(body))]

    def documents() -> Any:
        for number in range(sentences // 10):
            body = " ".join(
                pool[(10 * number + 7 * i * (1 + number // 97)) % len(pool)] for i in range(10)
            )
            yield well_described([body], QualityParameters().today)[0]

    start = time.process_time()
    report = score(documents(), embedder=Embedder(threads=1))
    seconds = time.process_time() - start
    return {
        "sentences": sentences,
        "documents": report.documents,
        "seconds": round(seconds, 1),
        "documents_per_second": round(report.documents / seconds, 1),
        "peak_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--documents", type=int, default=300)
    parser.add_argument("--growth", type=int, nargs="*", default=[])
    parser.add_argument("--peer-python")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    folder = cache_directory() / "sources"
    english = [source for source in SOURCES if source.name != "translations"]
    share = max(1, options.documents // len(english))
    bodies = [t for s in english for t in passages(s, folder, held_out=True)[:share]]
    rows = stages(well_described(bodies, QualityParameters().today))
    if options.peer_python:
        with tempfile.TemporaryDirectory() as work:
            path = Path(work) / "documents.json"
            path.write_text(json.dumps(bodies), encoding="utf-8")
            done = subprocess.run(
                [options.peer_python, "-c", PEER, str(path)],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise SystemExit(done.stderr)
            sys.stderr.write(done.stderr)
            rows += [(name, seconds) for name, seconds in json.loads(done.stdout)]
    grown = [growth(bodies, sentences) for sentences in options.growth]
    characters = sum(map(len, bodies))
    table = [
        {
            "stage": name,
            "documents_per_second": round(len(bodies) / seconds, 1),
            "Mchar_per_second": round(characters / seconds / 1e6, 3),
        }
        for name, seconds in rows
    ]
    if options.json:
        print(json.dumps({"documents": len(bodies), "stages": table, "growth": grown}))
        return
    print(
        f"{len(bodies)} documents, {characters / len(bodies):.0f} characters on average, one core\n"
    )
    for block in (table, grown):
        if block:
            print("| " + " | ".join(block[0]) + " |\n" + "|---" * len(block[0]) + "|")
            for row in block:
                print("| " + " | ".join(str(cell) for cell in row.values()) + " |")
            print()


if __name__ == "__main__":
    main()
