"""H8: what a provider earns by each lie about its data, and what the buyer's model loses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.impact.attacks import ATTACKS
from oracles.impact.attacks import World as Known

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from oracles.dataset import Document
    from oracles.study.market import Market
    from oracles.study.world import Texts, World


@dataclass(frozen=True, slots=True)
class Attack:
    """One world with one provider who lies.

    Attributes:
        name: of the attack; "none" is the honest world.
        attacker: name of the provider.
        submissions: documents by provider and identity, in the order of commitment.
        places: of the attacker's identities.
    """

    name: str
    attacker: str
    submissions: dict[str, list[Document]]
    places: tuple[int, ...]


def attacks(world: World, texts: Texts, names: Sequence[str]) -> list[Attack]:
    """The honest world, and the same world under each attack.

    The last undamaged provider attacks, in its own place: it can copy the one before it. It knows a
    leak of part A of the held-out set where an attack wants one, and the public seed corpus stands
    for text of the buyer's domains.
    """
    order = list(world.providers)
    honest = [name for name in order if name not in world.damage]
    attacker, victim = honest[-1], honest[-2]
    known = Known(
        world.providers[attacker],
        [d for d in texts.providers[attacker] if d not in world.providers[attacker]],
        texts.seed,
        world.providers[victim],
        texts.seed,
        world.part_a,
    )
    found = []
    for name in ("none", *names):
        sold: Sequence[Sequence[Document]] = (
            [world.providers[attacker]]
            if name == "none"
            else ATTACKS[name](known, np.random.default_rng(0))
        )
        submissions: dict[str, list[Document]] = {}
        places = []
        for provider, documents in world.providers.items():
            if provider != attacker:
                submissions[provider] = documents
                continue
            for number, part in enumerate(sold):
                places.append(len(submissions))
                submissions[provider if not number else f"{provider} {number + 1}"] = list(part)
        found.append(Attack(name, attacker, submissions, tuple(places)))
    return found


def attacked(market: Market, attack: Attack, scores: Mapping[str, Any]) -> Market:
    """The market in which the attacker's identities share its cost and bid it truthfully.

    Args:
        market: of the honest world.
        attack: what is sold.
        scores: q and φ of all that is sold, by place.
    """
    first, extra = attack.places[0], len(attack.places) - 1
    share = max(1, market.costs[first] // len(attack.places))
    costs = [
        *market.costs[:first],
        *[share] * len(attack.places),
        *market.costs[first + 1 :],
    ]
    return replace(
        market,
        costs=costs,
        q=scores["q"],
        phi=[phi if q else 0 for q, phi in zip(scores["q"], scores["phi"], strict=True)],
        flagged=(),
        volume=[1] * (len(market.costs) + extra),
    )
