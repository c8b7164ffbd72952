"""A million characters of every class through `score_auction`; no data set may harm another.

    python -m benchmarks.quality.fuzz [--json] [--characters 1000000]

Twelve hostile data sets beside an honest one: every Unicode category, noncharacters, surrogates,
combining marks, directions, controls, private use, and the deepest metadata. The honest set must
score as it does alone, and every set must have a score. Then each parser of a programming language
reads, in a process of its own, pieces of programs thrown together and nested deeply; none may crash
or compute for a minute. Exit code 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.quality.common import show, texts
from oracles import scoring
from oracles.dataset import Document, encode_document
from oracles.dataset.pages import Pager
from oracles.dataset.sketch import Sketcher
from oracles.errors import QmiaError
from oracles.operator.settings import Scoring
from oracles.quality import QualityParameters, source
from oracles.quality.damage import well_described


def classes() -> dict[str, list[str]]:
    """All code points by general category, the noncharacters apart."""
    found: dict[str, list[str]] = defaultdict(list)
    for code in range(0x110000):
        nothing = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
        found["noncharacter" if nothing else unicodedata.category(chr(code))].append(chr(code))
    return found


def hostile(characters: int, rng: random.Random) -> list[list[Document]]:
    """Data sets of documents that mix characters of few classes, words, and odd metadata."""
    groups, sets = classes(), []
    names = sorted(groups)
    for number in range(12):
        documents = []
        while sum(len(d.text) for d in documents) < characters / 12:
            chosen = rng.sample(names, rng.randrange(1, 5))
            pool = [c for name in chosen for c in rng.choices(groups[name], k=50)] + [
                " ",
                "\n",
                "a",
            ]
            body = "".join(rng.choices(pool, k=rng.choice((1, 40, 700, 5000))))
            odd: Any = rng.choice(
                ["", body[:50], 2**70, ["x", None], {"a": body[:9]}, float("nan")]
            )
            documents.append(
                Document(body, {"title": odd, "date": odd, "language": odd, "n": number})
            )
        sets.append(documents)
    return sets


def submitted(index: int, documents: list[Document]) -> scoring.Submission:
    """All pages of a set; what no archive can hold is written as a hostile provider would."""
    pager, sketcher = Pager(), Sketcher()
    pages: list[bytes] = []
    for document in documents:
        try:
            line = encode_document(document)
        except (ValueError, QmiaError):
            fields = {"text": document.text, "metadata": dict(document.metadata)}
            line = json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass")
        pages += pager.write(line + b"\n")
    numbered = tuple(enumerate([*pages, *pager.finish()]))
    for number, page in numbered:
        sketcher.add(number, page)
    return scoring.Submission(index, f"0x{index:040x}", numbered, len(numbered), sketcher.finish())


def scores(sets: list[list[Document]]) -> tuple[dict[int, Any], dict[str, Any]]:
    """Scores of an auction whose floor of q lets nothing through to the impact score."""
    with tempfile.TemporaryDirectory() as folder:
        task = scoring.Task(
            Scoring(q_min=10_000),
            bytes(32),
            QualityParameters().today,
            b"fuzz",
            Path(folder),
        )
        submissions = [submitted(n, documents) for n, documents in enumerate(sets)]
        found, assessment = scoring.score_auction(submissions, task, lambda *_: None)
        return found, dict(assessment.evidence["quality"])


PIECES = (
    *"(){}[]<>;:,.=+-*/%&|^~!?@#$\\'\"`\0\1\n\t ",
    "/*", "*/", "//", "<<EOF\n", "EOF\n", '"""', "R\"x(", "r#\"", "${", "#{", "=>", "->", "::",
    "...", "</", "/>", "<!--", "0x", "1e9", "abc", "Größe", "\u4e00", "\U0001f600", "if ",
    "else ", "for ", "while ", "function ", "class ", "def ", "return ", "let ", "fn ", "struct ",
    "template<", "contract ", "interface ", "assembly { ", "type ", "import ", "#define ",
    "#if 1\n", "package ", "case ", "esac\n", "then\n", "done\n", "async ", "yield ", "lambda: ",
    "pragma solidity ",
)  # fmt: skip


def thrown(language: str, seed: int) -> None:
    """Hostile programs through one parser, as the score hands them over."""
    rng = random.Random(seed)
    for round_ in range(60):
        size = rng.choice((20, 300, 3000, 30_000))
        few = rng.sample(PIECES, rng.choice((1, 2, 4, len(PIECES))))
        body = "".join(rng.choices(few, k=size))
        if round_ % 3 == 0:
            body = f"{rng.choice(few) * 20_000}{body}"
        data = body[: source.LONGEST].encode("utf-8", "replace")
        source.walk(language, source.as_ascii(data))


def parsers(seed: int) -> list[dict[str, Any]]:
    """How each parser's process ended."""
    rows = []
    for language in source.LANGUAGES:
        command = (
            "import resource; resource.setrlimit(resource.RLIMIT_CPU, (60, 60)); "
            f"from benchmarks.quality.fuzz import thrown; thrown({language!r}, {seed})"
        )
        ended = subprocess.run([sys.executable, "-c", command], check=False)
        result = "read all" if ended.returncode == 0 else f"ended by {ended.returncode}"
        rows.append({"parser": language, "result": result})
    return rows


def main() -> int:
    """Print what every set got, and how every parser ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--characters", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    honest = well_described(texts(10), QualityParameters().today)
    sets = hostile(options.characters, rng)
    alone, _ = scores([honest])
    found, evidence = scores([*sets, honest])
    rows = [
        {
            "set": n,
            "characters": sum(len(d.text) for d in documents),
            "q": found[n].q,
            "volume": found[n].volume,
            "failed": evidence[str(n)].get("failed", ""),
        }
        for n, documents in enumerate([*sets, honest])
    ]
    same = found[len(sets)] == alone[0]
    ended = [f"{row['parser']} {row['result']}" for row in parsers(options.seed)]
    show(rows, {"honest set scores as alone": same, "parsers": ended}, to_json=options.json)
    right = all(line.endswith("read all") for line in ended)
    return 0 if same and right and len(found) == len(sets) + 1 else 1


if __name__ == "__main__":
    sys.exit(main())
