"""What tricks gain: q · volume with the trick over q · volume without it, on the same set.

    python -m benchmarks.quality.manipulation [--json] [--documents 8]

A provider starts from plain text that the reference has not seen, and adds as much again of
something that costs nothing, or changes the form of what it has. Near-copies of another's set are
scored alone, after that set. Gain must stay at or below 1.0 (below 0.1 for copies of others; 1.02
for other cuts of the same text). `KNOWN` lists exceptions. Exit code 1 if another
one gains more.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import wordfreq

from benchmarks.quality.common import Scorer, show, texts
from oracles.quality.damage import noise

if TYPE_CHECKING:
    from collections.abc import Callable

LICENCE = (
    "Permission is hereby granted, free of charge, to any person obtaining a copy of this software "
    "and associated documentation files, to deal in the software without restriction, including "
    "without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, "
    "and sell copies of the software, subject to the following conditions."
)


class Chain:
    """Continues every `order` words as some texts do."""

    def __init__(self, bodies: list[str], order: int = 2) -> None:
        self.order = order
        self.following: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        for body in bodies:
            words = body.split()
            for place in range(len(words) - order):
                self.following[tuple(words[place : place + order])].append(words[place + order])
        self.starts = sorted(self.following)

    def __call__(self, length: int, rng: random.Random) -> str:
        """So many words."""
        out = list(rng.choice(self.starts))
        while len(out) < length:
            known = self.following.get(tuple(out[-self.order :]))
            out += [rng.choice(known)] if known else rng.choice(self.starts)
        return " ".join(out[:length])


def every(step: int, words: list[str], rng: random.Random) -> Callable[[str], str]:
    """Each `step`-th word replaced by a frequent one."""

    def change(body: str) -> str:
        return " ".join(
            rng.choice(words) if i % step == 0 else word for i, word in enumerate(body.split(), 1)
        )

    return change


def sentences_shuffled(body: str, rng: random.Random) -> str:
    """The sentences of a text in random order."""
    found = re.split(r"(?<=[.!?]) ", body)
    rng.shuffle(found)
    return " ".join(found)


def chunks_shuffled(body: str, rng: random.Random) -> str:
    """Runs of seven words in random order."""
    words = body.split()
    found = [words[i : i + 7] for i in range(0, len(words), 7)]
    rng.shuffle(found)
    return " ".join(word for chunk in found for word in chunk)


def fragments(bodies: list[str], length: int, rng: random.Random) -> str:
    """Short runs of words of many texts, one after the other."""
    found: list[str] = []
    while len(found) < 250:
        words = rng.choice(bodies).split()
        start = rng.randrange(max(1, len(words) - length))
        found += words[start : start + length]
    return " ".join(found)


#: Tricks that gain more than their bound, and why that is accepted.
KNOWN = {
    "added: order-2 chain over foreign text": "made of a few pages, so mostly runs of real text",
    "added: order-3 chain over much foreign text": "mostly runs of real text",
    "added: licence text": "its one new passage counts once",
}


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--docs", action="store_true", help="write docs/quality.md")
    parser.add_argument("--documents", type=int, default=8)
    options = parser.parse_args()
    rng = random.Random(1)
    pool = texts(2 * options.documents, ("speeches", "brown", "novel"))
    # What somebody has who writes chains: text of nobody's, a hundred times a document.
    much = texts(3000, ("speeches", "brown", "novel"), held_out=False)
    plain, foreign = pool[::2], pool[1::2]
    english = wordfreq.top_n_list("en", 20_000)
    frequent, small = english[:2000], english[300:500]
    topic = sorted({w for body in plain for w in re.findall(r"[a-z]{6,}", body)})
    own_words, little, two, three = Chain(plain), Chain(foreign), Chain(much), Chain(much, 3)
    stock = [word for body in foreign for word in body.split()]
    other = dict(
        zip(sorted(set(stock)), rng.sample(sorted(set(stock)), len(set(stock))), strict=True)
    )
    letters = "abcdefghijklmnopqrstuvwxyz"

    def bag(casing: Callable[[str], str]) -> list[str]:
        return [
            " ".join(casing(" ".join(rng.choices(topic, k=9))) + "." for _ in range(25))
            for _ in plain
        ]

    libs = [
        " ".join(
            f"The {a} of the {b} was {c} when the {d} came to the {e}."
            for a, b, c, d, e in (rng.sample(small, 5) for _ in range(20))
        )
        for _ in plain
    ]
    own = {
        "each document twice": plain,
        "each eighth word replaced": [every(8, frequent, rng)(b) for b in plain],
        "each fifth word replaced": [every(5, frequent, rng)(b) for b in plain],
        "each third word replaced": [every(3, frequent, rng)(b) for b in plain],
        "digits glued to words": [
            re.sub(r"(\w+ ){9}", lambda m: m[0][:-1] + ".1 ", b) for b in plain
        ],
        "joiners inside words": [re.sub(r"(?<=\w)(?=\w)", "\u200d", b) for b in plain],
        "percent codes": ["".join(f"%{x:02x}" for x in b.encode()) for b in plain],
        "upper case": [b.upper() for b in plain],
        "sentences shuffled": [sentences_shuffled(b, rng) for b in plain],
        "runs of seven words shuffled": [chunks_shuffled(b, rng) for b in plain],
        "neighbours glued": [a + " " + b for a, b in pairwise(plain)],
    }
    added = {
        "words of the dictionary": [" ".join(rng.choices(english, k=250)) for _ in plain],
        "bag of topic words, Capital first": bag(str.capitalize),
        "bag of topic words, Title Case": bag(str.title),
        "order-2 chain over the own text": [own_words(250, rng) for _ in plain],
        "order-2 chain over foreign text": [little(250, rng) for _ in plain],
        "order-2 chain over much foreign text": [two(250, rng) for _ in plain],
        "order-3 chain over much foreign text": [three(250, rng) for _ in plain],
        "runs of six words of foreign text": [fragments(much, 6, rng) for _ in plain],
        "runs of ten words of foreign text": [fragments(much, 10, rng) for _ in plain],
        "foreign words in Title Case, a stop after nine": [
            " ".join(" ".join(rng.choices(stock, k=9)).title() + "." for _ in range(28))
            for _ in plain
        ],
        "foreign words in UPPER CASE": [" ".join(rng.choices(stock, k=250)).upper() for _ in plain],
        "foreign text translated by a dictionary": [
            " ".join(other[word] for word in body.split()) for body in foreign
        ],
        "order-2 chain in sentences of the right length": [
            ". ".join(two(15, rng).capitalize() for _ in range(17)) + "." for _ in plain
        ],
        "Mad-Libs of 200 words": libs,
        "licence text": [f"{LICENCE} Number {n}." for n, _ in enumerate(plain)],
        "random letters": ["".join(rng.choices(letters + "   ", k=1500)) for _ in plain],
        "noise in 20 % of the letters of foreign text": [noise(b, 0.2, rng) for b in foreign],
        "words laundered as code": [
            "\n".join(f"// {' '.join(rng.choices(topic, k=9))}" for _ in range(25)) for _ in plain
        ],
        "words laundered as names": [
            "\n".join(f"{a}.{b}({c});" for a, b, c in (rng.choices(topic, k=3) for _ in range(60)))
            for _ in plain
        ],
        "bag in German": [
            " ".join(rng.choices(wordfreq.top_n_list("de", 9000)[500:], k=250)) for _ in plain
        ],
    }
    scored = Scorer()

    def worth(bodies: list[str], earlier: list[str] | None = None) -> tuple[float, int, int]:
        found = scored(bodies, earlier)
        return found.q * found.volume, found.q, found.volume

    base, q, volume = worth(plain)
    rows: list[dict[str, Any]] = [
        {"trick": "honest", "q": q / 1e4, "volume": volume, "gain": 1.0, "bound": 1.0}
    ]

    def row(trick: str, found: tuple[float, int, int], bound: float) -> None:
        sys.stderr.write(f"{found[0] / base:.2f} {trick}\n")
        rows.append(
            {
                "trick": trick,
                "q": found[1] / 1e4,
                "volume": found[2],
                "gain": found[0] / base,
                "bound": bound,
            }
        )

    for name, bodies in own.items():
        row(f"added: {name}", worth(plain + bodies), 1.0)
        row(f"another's set: {name}", worth(bodies, plain), 0.1)
    for name, bodies in added.items():
        row(f"added: {name}", worth(plain + bodies), 1.0)
    row("all glued to one document", worth([" ".join(plain)]), 1.02)
    row(
        "cut into documents of 60 words",
        worth(
            [" ".join(b.split()[i : i + 60]) for b in plain for i in range(0, len(b.split()), 60)]
        ),
        1.02,
    )
    row("documents in another order", worth(plain[::-1]), 1.02)
    over = [r["trick"] for r in rows if r["gain"] > r["bound"]]
    broken = [trick for trick in over if trick not in KNOWN]
    known = [f"{trick} ({KNOWN[trick]})" for trick in over if trick in KNOWN]
    show(
        rows,
        {"known": known, "broken": broken},
        to_json=options.json,
        docs="manipulation" * options.docs,
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
