"""Questions about weights, answered on the surfaces of retrained losses: nothing is trained here.

All of it is exploratory: a surface is fitted to the losses of the sets that were bought, and leaves
out some of what a retraining would show (its left-out error is on the page).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import spearmanr

from oracles.impact.report import rescale
from oracles.mechanism import WeightRule, clear
from oracles.study.market import purchase
from oracles.study.world import UNIT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from oracles.study.market import Market
    from oracles.study.plan import Plan
    from oracles.study.value import Surface

    #: Surface, scores of φ̂, and markets at fixed compute of one world.
    Mapped = tuple[tuple[Surface, Mapping[str, Any]], Sequence[Market]]

EXPONENTS = (0.0, 0.25, 0.5, 0.75, 1.0, 2.0)
NOISE = (0.0, 0.25, 0.5, 1.0, 2.0)
CORRELATIONS = (-0.8, -0.4, 0.0, 0.4, 0.8)
#: Cost draws for each correlation, and noises for each market.
_DRAWS = 10


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Spearman's; None where either does not vary."""
    if len(set(x)) < 2 or len(set(y)) < 2:
        return None
    return float(spearmanr(x, y).statistic)


def _gain(surface: Surface, market: Market, weights: Sequence[int]) -> float:
    return surface(tuple(clear(market.bids(weights), budget=market.budget).reward))


def _weights(rule: WeightRule, market: Market, phi: Sequence[int]) -> list[int]:
    return [rule.weight(q, p) if p > 0 and q > 0 else 0 for q, p in zip(market.q, phi, strict=True)]


def exponents(mapped: Sequence[Mapped]) -> list[dict[str, Any]]:
    """Mean gain of w = q^η · φ̂^γ, nats a token."""
    return [
        {
            "eta": eta,
            "gamma": gamma,
            "gain": float(
                np.mean(
                    [
                        _gain(surface, market, _weights(rule, market, market.phi))
                        for (surface, _), markets in mapped
                        for market in markets
                    ]
                )
            ),
        }
        for eta in EXPONENTS
        for gamma in EXPONENTS
        for rule in [WeightRule(eta=_wad(eta), gamma=_wad(gamma))]
    ]


def _wad(value: float) -> int:
    return int(value * 10**18)


def noise(mapped: Sequence[Mapped], plan: Plan) -> list[dict[str, Any]]:
    """H12: mean gain where φ̂ is noisier, comes from one seed, or is taken at another bound."""
    rule = WeightRule()
    gains: dict[tuple[str, str], list[float]] = {}
    for (surface, scores), markets in mapped:
        influence, error = np.array(scores["influence"]), np.array(scores["error"])
        for number, market in enumerate(markets):
            unique = [q > 0 for q in market.q]

            def tell(
                what: str,
                value: str,
                phi: Sequence[int],
                market: Market = market,
                surface: Surface = surface,
            ) -> None:
                weights = _weights(rule, market, phi)
                gains.setdefault((what, value), []).append(_gain(surface, market, weights))

            for z in (0.0, 1.0, 2.0):
                bounds = np.where(unique, influence - z * error, 0.0)
                tell("standard errors taken off", f"{z:g}", rescale(bounds).tolist())
            for seed, alone in zip(plan.phi_seeds, scores["by_seed"], strict=True):
                tell("one seed alone", str(seed), alone["phi"])
            tell("all seeds", ", ".join(map(str, plan.phi_seeds)), market.phi)
            rng = np.random.default_rng([plan.seed, 12, number])
            for sigma in NOISE:
                for _ in range(_DRAWS):
                    noisy = np.array(market.phi) * np.exp(
                        sigma * rng.standard_normal(len(market.phi))
                    )
                    top = max(1e-9, float(noisy.max()))
                    phi = np.rint(noisy / top * 10_000).astype(int).tolist()
                    tell("log-normal noise, σ", f"{sigma:g}", phi)
    base = float(np.mean(gains["all seeds", ", ".join(map(str, plan.phi_seeds))]))
    return [
        {
            "what": what,
            "value": value,
            "gain": float(np.mean(found)),
            "share": float(np.mean(found)) / base if base else None,
        }
        for (what, value), found in gains.items()
    ]


def correlation(mapped: Sequence[Mapped], plan: Plan) -> list[dict[str, Any]]:
    """H13: gain of Q-MIA and of volume-only as the costs of good data rise or fall."""
    rows = []
    for number, (_, markets) in enumerate(mapped):
        (surface, _), market = mapped[number][0], markets[0]
        worth = np.argsort(np.argsort(surface.shares)).astype(float)
        z = (worth - worth.mean()) / max(1e-9, worth.std())
        for wanted in CORRELATIONS:
            rng = np.random.default_rng([plan.seed, 13, number])
            for _ in range(_DRAWS):
                spread = wanted * z + np.sqrt(1 - wanted**2) * rng.standard_normal(len(z))
                costs = [max(1, int(c)) for c in UNIT * np.exp(0.5 * spread)]
                drawn = replace(market, costs=costs, budget=int(0.3 * sum(costs)))
                rows.append(
                    (
                        wanted,
                        number,
                        *(surface(tuple(purchase(rule, drawn))) for rule in ("qmia", "volume")),
                    )
                )
    found = np.array(rows)
    made = []
    for wanted in CORRELATIONS:
        these = found[found[:, 0] == wanted]
        ahead = [
            float((these[these[:, 1] == k][:, 2] - these[these[:, 1] == k][:, 3]).mean())
            for k in range(len(mapped))
        ]
        made.append(
            {
                "correlation": wanted,
                "qmia": float(these[:, 2].mean()),
                "volume": float(these[:, 3].mean()),
                "ahead_by_world": ahead,
            }
        )
    return made


def make(mapped: Sequence[Mapped], plan: Plan) -> dict[str, Any]:
    """All of them, over the worlds that were run."""
    return {
        "exponents": exponents(mapped),
        "noise": noise(mapped, plan),
        "correlation": correlation(mapped, plan),
    }
