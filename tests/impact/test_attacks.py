from __future__ import annotations

import re

import numpy as np
import pytest

from oracles.impact.attacks import ATTACKS, World
from oracles.impact.estimate import make_pool
from tests.impact.worlds import EVALUATION, NORTH, SEED_CORPUS, SUBMISSIONS, TINY, write

WORLD = World(
    SUBMISSIONS["north"],
    write(33, NORTH, 10),
    write(34, NORTH, 10),
    SUBMISSIONS["south"],
    SEED_CORPUS,
    EVALUATION,
)


@pytest.mark.parametrize("name", ATTACKS)
def test_attack__any__keeps_the_honest_text_and_is_drawn_from_its_generator(name):
    once, again = (ATTACKS[name](WORLD, np.random.default_rng(0)) for _ in range(2))
    submitted = "\n".join(d.text for documents in once for d in documents)
    assert all(d.text in submitted for d in WORLD.honest)
    assert once == again


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in ATTACKS
        if name.startswith(("victim,", "victim in", "seed", "held", "own"))
        and not re.search("dictionary|of [34] words|pieces|own text in|3.words?", name)
    ],
)
def test_attack__near_copy__adds_hardly_any_tokens(name):
    honest, padded = (
        make_pool(
            SEED_CORPUS,
            {"victim": WORLD.victim, "attacker": documents},
            EVALUATION,
            TINY.model,
        ).volumes[1]
        for documents in (WORLD.honest, ATTACKS[name](WORLD, np.random.default_rng(0))[0])
    )
    assert padded <= 1.2 * honest
