"""What tricks gain, with the defence and without it.

    python benchmarks/quality/manipulation.py [--json] [--documents 60]

A provider starts from one plain set (speeches and a novel that the reference has not seen) and
tries to raise its score without better data. The last column is the gain under the
paper's literal forms of diversity and novelty: clusters fitted on the set, no floor for small ones,
plain cosine.
"""

from __future__ import annotations

import argparse
import datetime
import json
import random
from typing import Any

import wordfreq

from oracles.dataset import Document
from oracles.quality import QualityParameters, score
from oracles.quality.damage import CachedEmbedder, well_described
from oracles.quality.embed import Embedder, cache_directory
from oracles.quality.sources import SOURCES, passages

SYNONYMS = {
    "great": "large", "people": "persons", "government": "administration", "country": "nation",
    "begin": "start", "began": "started", "often": "frequently", "show": "reveal",
    "help": "aid", "important": "significant", "large": "big", "small": "little",
    "said": "stated", "must": "should", "also": "likewise", "many": "numerous",
    "use": "employ", "used": "employed", "make": "produce", "new": "novel",
    "first": "initial", "found": "discovered", "work": "labour", "give": "provide",
    "get": "obtain", "need": "require", "ask": "request", "almost": "nearly",
    "whole": "entire",
}  # fmt: skip
LITERAL: dict[str, Any] = {"cluster_floor": 0, "novelty": "cosine", "codebook": "fitted"}


def paraphrase(text: str) -> str:
    """A cheap paraphrase: synonyms, and clauses of a sentence the other way round."""
    sentences = []
    for sentence in text.split(". "):
        words = [SYNONYMS.get(word, word) for word in sentence.split()]
        first, comma, rest = " ".join(words).partition(", ")
        sentences.append(f"{rest}, {first}" if comma and len(rest) > 20 else " ".join(words))
    return ". ".join(sentences)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--documents", type=int, default=60)
    options = parser.parse_args()
    count = options.documents
    folder, rng = cache_directory() / "sources", random.Random(1)
    by_name = {source.name: source for source in SOURCES}
    plain = [
        text
        for name in ("speeches", "novel")
        for text in passages(by_name[name], folder, held_out=True)[: count // 2]
    ]
    today = QualityParameters().today
    stale = [
        Document(d.text, {**d.metadata, "date": "2001-06-30"}) for d in well_described(plain, today)
    ]
    english = wordfreq.top_n_list("en", 20_000)
    elsewhere = [
        text
        for name in ("brown", "python", "postgresql", "perl", "handbook", "translations")
        for text in passages(by_name[name], folder, held_out=True)[:12]
    ]
    copied = passages(by_name["speeches"], folder)[:count]

    def with_text(texts: list[str]) -> list[Document]:
        return [Document(text, stale[n % len(stale)].metadata) for n, text in enumerate(texts)]

    def padded(share: float) -> list[Document]:
        return with_text(
            [t + " " + " ".join(rng.choices(english, k=int(share * len(t.split())))) for t in plain]
        )

    snippets = [text[:60] for text in elsewhere]
    cases: dict[str, list[Document]] = {
        "honest": stale,
        "padding each document with 25 % dictionary words": padded(0.25),
        "padding with 100 %": padded(1.0),
        "one snippet on each of 60 other topics": stale + with_text(snippets[:60]),
        "60 real documents on other topics": stale + with_text(elsewhere[:60]),
        "all dates set to yesterday": [
            Document(d.text, {**d.metadata, "date": (today - datetime.timedelta(1)).isoformat()})
            for d in stale
        ],
        "all dates set to tomorrow": [
            Document(d.text, {**d.metadata, "date": (today + datetime.timedelta(1)).isoformat()})
            for d in stale
        ],
        "copies of the reference instead": with_text(copied),
        "paraphrased copies of the reference instead": with_text([paraphrase(t) for t in copied]),
        "every document three times, last word changed": stale * 2
        + [Document(d.text + " Indeed.", d.metadata) for d in stale],
    }
    embedder: Any = CachedEmbedder(Embedder())
    rows = []
    for name, documents in cases.items():
        default = score(documents, embedder=embedder)
        literal = score(documents, QualityParameters(**LITERAL), embedder=embedder)
        rows.append({"trick": name, **default.as_json(), "undefended_q": literal.q})
    if options.json:
        print(json.dumps(rows))
        return
    base = rows[0]
    print("| trick | cleanliness | diversity | novelty | metadata | q | gain | volume | literal |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        cells = [
            f"{row[m] / 1e4:.3f}" for m in ("cleanliness", "diversity", "novelty", "metadata", "q")
        ]
        gain = f"{(row['q'] - base['q']) / 1e4:+.3f}"
        literal = f"{(row['undefended_q'] - base['undefended_q']) / 1e4:+.3f}"
        print("| " + " | ".join([row["trick"], *cells, gain, str(row["volume"]), literal]) + " |")


if __name__ == "__main__":
    main()
