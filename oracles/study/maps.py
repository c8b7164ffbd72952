"""Questions about weights, answered on the surfaces of retrained losses: nothing is trained here.

All of it is exploratory: a surface is fitted to the losses of the sets that were bought, and leaves
out some of what a retraining would show (its left-out error is on the page).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import spearmanr

from oracles.impact.report import rescale
from oracles.mechanism import Family, WeightRule, advise, clear, risk_averse_rate
from oracles.mechanism.paper import algorithm_1
from oracles.study.additive import AVERSIONS, OUTLOOKS, RHOS
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
    """Mean gain of w = q^η · φ̂^γ, nats per token."""
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


def families(mapped: Sequence[Mapped]) -> list[dict[str, Any]]:
    """H6: mean gain of the families of weights, and of κ and γ as the impact report suggests."""
    gains: dict[str, list[float]] = {}
    for (surface, scores), markets in mapped:
        influence, error = np.array(scores["influence"]), np.array(scores["error"])
        top, spread = max(scores["bounds"]), float(influence.var(ddof=1))
        typical = float(np.square(error).mean())
        kappa = min(1.0, float(np.sqrt(typical)) / top) if top > 0 else 1.0
        gamma = max(0.0, 1 - typical / spread) if spread > 0 else 0.0
        rules = {
            "q·φ̂": WeightRule(),
            "√(q·φ̂)": WeightRule(Family.SQRT),
            "ln(1 + q·φ̂)": WeightRule(Family.LOG1P),
            "q·(φ̂ + κ)^γ as suggested": WeightRule(gamma=_wad(gamma), kappa=_wad(kappa)),
        }
        for market in markets:
            for name, rule in rules.items():
                weights = _weights(rule, market, market.phi)
                gains.setdefault(name, []).append(_gain(surface, market, weights))
    return [{"family": name, "gain": float(np.mean(found))} for name, found in gains.items()]


def liquidity(mapped: Sequence[Mapped], plan: Plan) -> list[dict[str, Any]]:
    """H10: estimated gain as ρ falls, where every provider has an aversion of its own (§8.6)."""
    rule = WeightRule()
    rows = []
    for rho in RHOS:
        share = Fraction(rho).limit_denominator(10)
        rates = [risk_averse_rate(share, OUTLOOKS, averse) for averse in AVERSIONS]
        gains, sets = [], []
        for number, ((surface, _), markets) in enumerate(mapped):
            for place, market in enumerate(markets):
                drawn = np.random.default_rng([plan.seed, 15, number, place])
                own = drawn.integers(0, len(AVERSIONS), len(market.costs))
                bids = [advise(c, rates[a]).bid for c, a in zip(market.costs, own, strict=True)]
                weights = _weights(rule, market, market.phi)
                shaded = replace(
                    market, costs=[market.budget + 1 if bid is None else bid for bid in bids]
                )
                bought = tuple(clear(shaded.bids(weights), budget=market.budget).reward)
                gains.append(surface(bought))
                sets.append(len(bought))
        rows.append({"rho": rho, "gain": float(np.mean(gains)), "sets": float(np.mean(sets))})
    return rows


def literal(mapped: Sequence[Mapped]) -> dict[str, Any]:
    """H5 in the study's own markets: what Algorithm 1 spends, and the clock with that money."""
    ratios, gains, same_money, clock = [], [], [], []
    for (surface, _), markets in mapped:
        for market in markets:
            weights = _weights(WeightRule(), market, market.phi)
            bids = market.bids(weights)
            outcome = algorithm_1([b for b in bids if b.weight], budget=market.budget)
            money = max(market.budget, int(outcome.total))
            ratios.append(float(outcome.total / market.budget))
            gains.append(surface(tuple(outcome.payments)))
            clock.append(_gain(surface, market, weights))
            same_money.append(surface(tuple(clear(bids, budget=money).reward)))
    return {
        "markets": len(ratios),
        "share_over": float(np.mean(np.array(ratios) > 1)),
        "mean": float(np.mean(ratios)),
        "worst": max(ratios),
        "gain": float(np.mean(gains)),
        "clock": float(np.mean(clock)),
        "clock_same_money": float(np.mean(same_money)),
    }


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
        "families": families(mapped),
        "noise": noise(mapped, plan),
        "liquidity": liquidity(mapped, plan),
        "literal": literal(mapped),
        "correlation": correlation(mapped, plan),
    }
