"""A tiny study: two worlds of five providers who write in two invented languages."""

from __future__ import annotations

from dataclasses import replace

from oracles.study import PROFILES
from oracles.study.plan import RULES
from oracles.study.world import Texts
from tests.impact.worlds import EVALUATION, NORTH, SEED_CORPUS, SOUTH, write

PLAN = replace(
    PROFILES["quick"],
    profile="tiny",
    worlds=2,
    draws=1,
    providers=5,
    characters=500,
    damaged=0.2,
    steps=8,
    budgets=(0.3, 0.6),
    curve=(0.1,),
    phi_seeds=(0, 1),
    surrogate=0,
    effort_draws=1,
    attack_worlds=1,
    attacks=("three identities",),
    markets=4,
    rules=tuple(RULES),
)
TEXTS = Texts(
    SEED_CORPUS,
    EVALUATION,
    {f"provider {k}": write(40 + k, (NORTH, SOUTH)[k % 2], 5) for k in range(6)},
)
