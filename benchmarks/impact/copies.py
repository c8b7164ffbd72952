"""Which passages of honest text, and of disguised copies, are called copies.

`python -m benchmarks.impact.copies` reads all sources in one order, as an auction would, and then
altered copies of two of them. Prints a table, or JSON with `--json`; `--docs` writes it into
`docs/`.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.docs import markdown, publish
from benchmarks.impact import corpora
from oracles.passages import Passages

if TYPE_CHECKING:
    from collections.abc import Callable

#: Sources that are copied.
VICTIMS = ("brown-learned", "python-doc")


def _replaced(every: int) -> Callable[[list[str], np.random.Generator], list[str]]:
    def alter(words: list[str], rng: np.random.Generator) -> list[str]:
        words = list(words)
        words[::every] = rng.choice(words, len(words[::every])).tolist()
        return words

    return alter


def _inserted(every: int) -> Callable[[list[str], np.random.Generator], list[str]]:
    def alter(words: list[str], rng: np.random.Generator) -> list[str]:
        return [
            part
            for place, word in enumerate(words)
            for part in ([word, str(rng.choice(words))] if place % every == 0 else [word])
        ]

    return alter


def _chunks(words: list[str], rng: np.random.Generator) -> list[str]:
    parts = [words[first : first + 7] for first in range(0, len(words), 7)]
    return [word for place in rng.permutation(len(parts)) for word in parts[place]]


def _each(alter: Callable[[str], str]) -> Callable[[list[str], np.random.Generator], list[str]]:
    return lambda words, _: [alter(word) for word in words]


def _glued(words: list[str], _: np.random.Generator) -> list[str]:
    return ["".join(words[first : first + 2]) for first in range(0, len(words), 2)]


DISGUISES: dict[str, Callable[[list[str], np.random.Generator], list[str]]] = {
    **{f"every {k}. word replaced": _replaced(k) for k in (2, 3, 4, 5, 6, 8, 12)},
    **{f"a word inserted after every {k}.": _inserted(k) for k in (1, 2, 3, 5)},
    "digits glued to words": _each(lambda word: word + ".1"),
    "invisible joiners": _each(lambda word: word[:2] + "\u200d" + word[2:]),
    "title case": _each(str.title),
    "percent codes": _each(lambda word: "".join(f"%{byte:02X}" for byte in word.encode())),
    "7-word chunks shuffled": _chunks,
    "neighbours glued": _glued,
    "two letters exchanged in longer words": _each(
        lambda word: word[:2] + word[3:1:-1] + word[4:] if len(word) > 4 else word
    ),
    "a letter more at every word": _each(lambda word: f"{word}s"),
    "a letter of every longer word replaced": _each(
        lambda word: f"{word[:2]}x{word[3:]}" if len(word) > 3 else word
    ),
    "every letter replaced by the next": _each(
        lambda word: "".join(
            chr(ord(letter) + 1) if letter.isalpha() else letter for letter in word
        )
    ),
    "vowels dropped": _each(lambda word: re.sub("[aeiouAEIOU]", "", word)),
}


def share(seen: Passages, texts: list[str]) -> float:
    """Share of passages that are called copies; remembers the texts."""
    verdicts = [copied for text in texts for _, copied in seen.judge(text)]
    return sum(verdicts) / max(1, len(verdicts))


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "qmia")
    parser.add_argument("--characters", type=int, default=20_000, help="of each source")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--docs", action="store_true", help="write docs/impact.md")
    options = parser.parse_args()
    drawn = corpora.load(
        options.cache / "corpora",
        provider=options.characters,
        seed=20_000,
        evaluation=60_000,
        spread=1.0,
    )
    seen = Passages()
    found = {
        f"honest: {name}": share(seen, [document.text for document in documents])
        for name, documents in drawn.submissions.items()
    }
    for name, alter in DISGUISES.items():
        found[name] = float(
            np.mean(
                [
                    share(
                        copy.deepcopy(seen),
                        [
                            " ".join(alter(document.text.split(), np.random.default_rng(place)))
                            for place, document in enumerate(drawn.submissions[victim])
                        ],
                    )
                    for victim in VICTIMS
                ]
            )
        )
    rows = [[name, f"{called:.0%}"] for name, called in found.items()]
    text = "\n".join(markdown(["text", "passages called copies"], rows))
    if options.docs:
        publish("copies", text)
    sys.stdout.write((json.dumps(found) if options.json else text) + "\n")


if __name__ == "__main__":
    main()
