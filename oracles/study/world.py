"""Worlds to buy in: real texts, some of them damaged, and what they cost their providers."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from oracles.dataset import Document
from oracles.errors import InputError
from oracles.impact.corpus import split
from oracles.quality.damage import noise, ocr, shuffle_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from oracles.study.plan import Plan

#: One token unit is a millionth of a typical provider's cost.
UNIT: Final = 10**6
#: What cost follows; draws take turns.
COSTS: Final = ("independent", "volume", "effort")
#: Wrong letters left by each level of cleaning, and what the level costs.
LEVELS: Final = ((0.2, 0.4), (0.05, 0.7), (0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Texts:
    """What a study is run on.

    Attributes:
        seed: public documents that every model is trained on.
        evaluation: held-out documents of what the buyer wants.
        providers: documents by provider.
    """

    seed: Sequence[Document]
    evaluation: Sequence[Document]
    providers: Mapping[str, Sequence[Document]]


@dataclass(frozen=True, slots=True)
class World:
    """One draw of providers.

    Attributes:
        providers: documents by provider, in the order of commitment.
        damage: kind of damage by provider; not in it is undamaged.
        part_a: held-out documents for φ̂, V̂ and early stopping.
        part_b: held-out documents that only outcomes are measured on.
    """

    providers: dict[str, list[Document]]
    damage: dict[str, str]
    part_a: list[Document]
    part_b: list[Document]


def _form(text: str, rng: random.Random) -> str:
    """A form letter of which only some words change."""
    words = [word for word in text.split() if word.isalpha()] or ["friend"]
    return " ".join(
        f"Dear {rng.choice(words)}, thank you for your order no. {rng.randrange(10**6)} "
        "that is now on its way."
        for _ in range(1 + len(text) // 70)
    )


def _letters(text: str, rng: random.Random) -> str:
    return "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789   ", k=len(text)))


DAMAGE: Final = {
    "random letters, 20 %": lambda text, rng: noise(text, 0.2, rng),
    "misread letters, 10 %": lambda text, rng: ocr(text, 0.1, rng),
    "words shuffled": shuffle_words,
    "form letters": _form,
    "random characters": _letters,
}


def draw_world(texts: Texts, plan: Plan, number: int) -> World:
    """Choose providers, their documents, their order and who is damaged.

    Sizes are on a geometric scale, the largest four times the smallest.

    Raises:
        InputError: there are fewer than four providers, one of them has no text, or the held-out
            set cannot be divided.
    """
    if len(texts.providers) < 4:
        raise InputError(
            f"there are {len(texts.providers)} providers: give the texts of at least four"
        )
    empty = [name for name, docs in texts.providers.items() if not any(d.text for d in docs)]
    if empty:
        raise InputError(f"{', '.join(empty)} has no text: leave it out, or give another file")
    part_a, part_b = split(texts.evaluation)
    if not part_a or not part_b:
        raise InputError(
            "the evaluation set is divided into two halves: give at least two different documents"
        )
    rng = random.Random(f"{plan.seed} {number}")  # noqa: S311 (a draw that anybody may repeat)
    names = rng.sample(sorted(texts.providers), min(plan.providers, len(texts.providers)))
    kinds = list(DAMAGE)
    damaged = dict(
        zip(rng.sample(names, round(plan.damaged * len(names))), kinds * len(names), strict=False)
    )
    chosen: dict[str, list[Document]] = {}
    for place, name in enumerate(names):
        wanted = plan.characters * 4 ** (place / (len(names) - 1) - 0.5)
        taken: list[Document] = []
        for document in rng.sample(list(texts.providers[name]), len(texts.providers[name])):
            if sum(len(d.text) for d in taken) >= wanted:
                break
            taken.append(document)
        if name in damaged:
            change = DAMAGE[damaged[name]]
            taken = [Document(change(d.text, rng), d.metadata) for d in taken]
        chosen[name] = taken
    order = rng.sample(names, len(names))
    return World({name: chosen[name] for name in order}, damaged, part_a, part_b)


def cleaned(world: World, level: int, seed: int) -> dict[str, list[Document]]:
    """The undamaged providers' documents after one level of cleaning."""
    rate = LEVELS[level][0]
    return {
        name: [
            Document(noise(d.text, rate, random.Random(f"{seed} {name} {k}")), d.metadata)  # noqa: S311
            for k, d in enumerate(documents)
        ]
        for name, documents in world.providers.items()
        if name not in world.damage
    }


def draw_costs(
    world: World, plan: Plan, number: int, draw: int, *, prior: bool = False
) -> list[int]:
    """Costs in token units, by place of commitment; `prior` is an earlier, independent draw."""
    rng = np.random.default_rng([plan.seed, number, draw, int(prior)])
    sizes = np.array([sum(len(d.text) for d in docs) for docs in world.providers.values()], float)
    model = COSTS[draw % len(COSTS)]
    base = np.ones(len(sizes)) if model == "independent" else sizes / sizes.mean()
    if model == "effort":
        base *= [0.3 if name in world.damage else 1.0 for name in world.providers]
    spread = np.exp(0.5 * rng.standard_normal(len(sizes)))
    return [max(1, int(cost)) for cost in UNIT * base * spread]
