"""A small world whose answer is known: two dialects, and an evaluation set in one of them."""

from __future__ import annotations

import random
from dataclasses import replace

from oracles.dataset import Document
from oracles.impact import Architecture, Parameters, Recipe

TINY = Parameters(
    model=Architecture(vocabulary=300, context=16, width=16, layers=1, heads=2),
    recipe=Recipe(steps=120, batch=8, learning_rate=1e-2),
)
#: The same for what holds under any estimator: one training a seed instead of three.
QUICK = replace(TINY, estimator="unrolled")


def dialect(seed: int, letters: str) -> list[str]:
    """Four hundred invented words over some letters."""
    rng = random.Random(seed)
    return ["".join(rng.choices(letters, k=rng.randint(3, 6))) for _ in range(400)]


def write(
    seed: int, words: list[str], documents: int, length: int = 40, follow: int = 40
) -> list[Document]:
    """Documents in which each word decides which few words may follow."""
    rng = random.Random(seed)
    result = []
    for _ in range(documents):
        place = rng.randrange(len(words))
        text = []
        for _ in range(length):
            text.append(words[place])
            place = (place * 7 + rng.randrange(follow)) % len(words)
        result.append(Document(" ".join(text)))
    return result


NORTH = dialect(1, "abcdefg")
SOUTH = dialect(2, "tuvwxyz")

#: Public text in both dialects; what the buyer wants is northern.
SEED_CORPUS = write(10, NORTH, 4) + write(11, SOUTH, 4)
EVALUATION = write(20, NORTH, 6)
SUBMISSIONS = {
    "north": write(30, NORTH, 10),
    "south": write(31, SOUTH, 10),
    "north-small": write(32, NORTH, 4),
}
