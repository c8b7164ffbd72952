"""The game in which providers choose how much to clean (H3), played to an equilibrium."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from oracles.impact.report import rescale
from oracles.study.market import purchase
from oracles.study.world import LEVELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oracles.study.market import Market

#: Rules under which the game is played.
GAME_RULES = ("qmia", "quality", "impact", "volume", "trust")
#: Rounds after which a game counts as without equilibrium.
_ROUNDS = 30


@dataclass(frozen=True, slots=True)
class Game:
    """Scores of every provider at every level, and its cost of the cleanest.

    Attributes:
        base: cost at full cleaning, token units, [n].
        q: [levels][n].
        bounds: lower bounds of influence, [levels][n].
        volume: raw tokens, [levels][n].
        market: all else; its costs and scores are replaced.
    """

    base: Sequence[int]
    q: Sequence[Sequence[int]]
    bounds: Sequence[Sequence[float]]
    volume: Sequence[Sequence[int]]
    market: Market

    def at(self, levels: Sequence[int]) -> Market:
        """The market when everybody has chosen a level and bids its cost."""
        chosen = list(enumerate(levels))
        phi = rescale(np.array([self.bounds[level][k] for k, level in chosen]))
        return replace(
            self.market,
            costs=[max(1, int(self.base[k] * LEVELS[level][1])) for k, level in chosen],
            q=[self.q[level][k] for k, level in chosen],
            phi=[int(value) for value in phi],
            volume=[self.volume[level][k] for k, level in chosen],
        )


def equilibrium(game: Game, rule: str) -> tuple[list[int], bool]:
    """Best responses in turn, from no cleaning at all; ties go to less work.

    Returns:
        Level of each provider, and whether nobody wants to change it.
    """
    levels = [0] * len(game.base)
    for _ in range(_ROUNDS):
        before = list(levels)
        for k in range(len(levels)):
            profits = []
            for level in range(len(LEVELS)):
                market = game.at([*levels[:k], level, *levels[k + 1 :]])
                paid = purchase(rule, market)
                profits.append(paid[k] - market.costs[k] if k in paid else 0)
            levels[k] = profits.index(max(profits))
        if levels == before:
            return levels, True
    return levels, False
