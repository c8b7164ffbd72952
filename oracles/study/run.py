"""Runs a plan, world by world: scores, then purchases that are frozen, then retrainings.

Everything is kept in one folder, so that an interrupted run goes on where it stopped: `plan.json`
(the plan, its hash, the texts' digests), `simulations/`, for each world `scores-*.json`,
`effort-*.json`, `attacks-*.json` and `purchases-*.json`, `outcomes.jsonl` with one line a
retraining, and `result.json`, written again after each world.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.errors import InputError, IntegrityError
from oracles.files import write_file
from oracles.impact import corpus_digest
from oracles.impact.estimate import CODE_VERSION as PHI_VERSION
from oracles.progress import silent
from oracles.study import additive, maps, tables
from oracles.study.bench import (
    REGIMES,
    Bench,
    Outcomes,
    influences,
    kept,
    make_bench,
    parameters,
    qualities,
    source,
    volumes,
)
from oracles.study.effort import GAME_RULES, Game, equilibrium
from oracles.study.lies import attacked, attacks
from oracles.study.market import Market, purchase
from oracles.study.value import Surrogate, coverage, fit_surface, fit_surrogate, make_design
from oracles.study.world import LEVELS, cleaned, draw_costs, draw_world

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from oracles.engine import Mapper
    from oracles.impact import Parameters
    from oracles.progress import Progress
    from oracles.study.lies import Attack
    from oracles.study.plan import Plan
    from oracles.study.value import Surface
    from oracles.study.world import Texts, World


@dataclass(frozen=True, slots=True)
class _Study:
    """What every step needs."""

    texts: Texts
    plan: Plan
    folder: Path
    mapper: Mapper
    progress: Progress
    chosen: Mapping[str, Parameters]
    outcomes: Outcomes


def run(
    texts: Texts,
    plan: Plan,
    folder: Path,
    *,
    mapper: Mapper = map,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Run a plan, or go on with it.

    Args:
        texts: of the providers, and held-out ones.
        plan: what to do.
        folder: where everything is kept.
        mapper: how work is spread; see `oracles.engine`.
        progress: told of every retraining.

    Raises:
        InputError: the folder holds another plan or other texts, or there are too few providers.
        IntegrityError: the purchases do not come out as they were frozen.
    """
    worlds = [draw_world(texts, plan, number) for number in range(plan.worlds)]
    folder.mkdir(parents=True, exist_ok=True)
    registered = {
        "plan": plan.to_json(),
        "hash": plan.digest(),
        "versions": {
            "phi": PHI_VERSION,
            "phi_parameters": json.loads(json.dumps(parameters(plan, "fixed").to_json())),
            "q": _quality_version(),
        },
        "texts": {
            "seed": corpus_digest(d.text for d in texts.seed),
            "evaluation": corpus_digest(d.text for d in texts.evaluation),
            **{
                f"provider {name}": corpus_digest(d.text for d in documents)
                for name, documents in sorted(texts.providers.items())
            },
        },
    }
    if kept(folder / "plan.json", lambda: registered) != registered:
        raise InputError(
            f"{folder} holds a study with another plan, other texts or other versions of the "
            "scores: choose an empty folder"
        )
    chosen = {regime: parameters(plan, regime) for regime in REGIMES}
    outcomes = Outcomes(folder / "outcomes.jsonl", chosen, mapper, progress)
    study = _Study(texts, plan, folder, mapper, progress, chosen, outcomes)
    (folder / "simulations").mkdir(exist_ok=True)
    simulations = {}
    for number, (name, simulate) in enumerate(additive.PARTS.items(), 1):
        path = folder / "simulations" / f"{name}.json"
        simulations[name] = kept(path, partial(simulate, plan))
        progress("simulations", number, len(additive.PARTS))
    result: dict[str, Any] = {
        **registered,
        "purchases": "",
        "worlds": [],
        "markets": [],
        "games": [],
        "attacks": [],
        "simulations": simulations,
    }
    digest = hashlib.sha256()
    surfaces = []
    for number, world in enumerate(worlds):
        progress("worlds", number, plan.worlds)
        found, surface, scored = _run_world(study, world, number)
        digest.update(found["digest"].encode())
        for part in ("markets", "games", "attacks"):
            result[part] += found[part]
        result["worlds"].append(found["description"])
        result["purchases"] = digest.hexdigest()
        surfaces.append((surface, scored))
        result["maps"] = maps.make(surfaces, plan)
        result["tables"] = tables.make(result, plan)
        write_file(folder / "result.json", json.dumps(result, ensure_ascii=False, indent=1))
    progress("worlds", plan.worlds, plan.worlds)
    return result


def _run_world(
    study: _Study, world: World, number: int
) -> tuple[dict[str, Any], Any, list[Market]]:
    """All of one world: its rows with their losses, its surface, its markets at fixed compute."""
    plan, outcomes = study.plan, study.outcomes
    name = f"world {number}"
    outcomes.benches[name] = make_bench(study.texts.seed, world.providers, world)
    scored = _score_world(study, world, number)
    markets = dict(_markets(study, world, number, scored))
    frozen: dict[str, list[dict[str, Any]]] = {
        "markets": [
            {
                "regime": regime,
                "world": number,
                "draw": draw,
                "budget": share,
                "tokens_of_money": market.budget,
                "paid": {
                    rule: {str(place): paid for place, paid in purchase(rule, market).items()}
                    for rule in (plan.rules if share in plan.budgets else plan.curve_rules)
                },
            }
            for (regime, draw, share), market in markets.items()
        ],
        "games": _games(study, world, number),
        "attacks": _attacks(study, world, number, markets),
    }
    digest = _freeze(study.folder / f"purchases-{number}.json", frozen)
    _retrain(study, number, frozen)
    _add_losses(study, number, frozen)
    surface = _surface(study, number, scored)
    for key in [key for key in outcomes.benches if key.split()[1] == str(number)]:
        del outcomes.benches[key]  # memory stays bounded however many worlds there are
    main = [
        market
        for (regime, _, share), market in markets.items()
        if regime == "fixed" and share in plan.budgets
    ]
    found = {**frozen, "digest": digest, "description": scored["description"]}
    return found, (surface, scored["fixed"]), main


def _freeze(path: Path, purchases: Mapping[str, Any]) -> str:
    """Keep purchases before any of their outcomes is trained, or hold them against the kept ones.

    Returns:
        SHA-256 of the purchases.

    Raises:
        IntegrityError: they are not those that were kept.
    """
    whole = json.loads(json.dumps(purchases))
    if kept(path, lambda: whole) != whole:
        raise IntegrityError(
            f"the purchases in {path} are not those that the plan gives: "
            "start again in an empty folder"
        )
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _retrain(study: _Study, number: int, frozen: Mapping[str, list[dict[str, Any]]]) -> None:
    """Train on everything that was bought in one world, the primary regime first."""
    name, seeds, fill = f"world {number}", study.plan.truth_seeds, study.outcomes.fill
    for regime in REGIMES:
        fill(
            f"{name}: retrainings, {regime}",
            (
                (name, regime, seed, _places(paid))
                for row in frozen["markets"]
                if row["regime"] == regime
                for paid in (*row["paid"].values(), {})
                for seed in seeds
            ),
        )
        fill(
            f"{name}: equilibria, {regime}",
            (
                (f"effort {number}", regime, seed, tuple(game["owners"]))
                for game in frozen["games"]
                for seed in seeds
            ),
        )
    fill(
        f"{name}: data lies",
        (
            (f"attack {number} {row['attack']}", "fixed", seed, tuple(row["bought"]))
            for row in frozen["attacks"]
            for seed in seeds
        ),
    )


def _add_losses(study: _Study, number: int, frozen: Mapping[str, list[dict[str, Any]]]) -> None:
    """Losses on part B, means over the seeds of the outcome, beside every purchase."""

    def losses(pool: str, regime: str, owners: tuple[int, ...]) -> tuple[float, dict[str, float]]:
        found = [study.outcomes[pool, regime, seed, owners] for seed in study.plan.truth_seeds]
        return float(np.mean([loss.b for loss in found])), {
            domain: float(np.mean([loss.domains[domain] for loss in found]))
            for domain in found[0].domains
        }

    for row in frozen["markets"]:
        row["loss"], row["domains"] = {}, {}
        for rule, paid in (*row["paid"].items(), ("nothing", {})):
            row["loss"][rule], row["domains"][rule] = losses(
                f"world {number}", row["regime"], _places(paid)
            )
    for game in frozen["games"]:
        game["loss"] = {
            regime: losses(f"effort {number}", regime, tuple(game["owners"]))[0]
            for regime in REGIMES
        }
    for row in frozen["attacks"]:
        pool = f"attack {number} {row['attack']}"
        row["loss"] = losses(pool, "fixed", tuple(row["bought"]))[0]


def _surface(study: _Study, number: int, scored: dict[str, Any]) -> Surface:
    """The surface of one world; what it explains is added to the world's description."""
    found = study.outcomes.known(f"world {number}", "fixed", study.plan.truth_seeds)
    sets = list(found)
    gains = [found[()] - found[each] for each in sets]
    surface = fit_surface(sets, gains, len(scored["q"]))
    pairs = zip(scored["q"], scored["fixed"]["phi"], strict=True)
    sums = {
        "influence": scored["fixed"]["influence"],
        "weight": [q * phi for q, phi in pairs],
        "tokens": scored["volume"],
    }
    scored["description"]["surface"] = {
        "sets": len(sets),
        "r2": surface.r2,
        "error": surface.error,
        "shares": surface.shares.tolist(),
        "curve": surface.curve,
        "rank_correlation": {
            what: maps.rank_correlation([sum(by[k] for k in each) for each in sets], gains)
            for what, by in sums.items()
        },
    }
    return surface


def _markets(
    study: _Study, world: World, number: int, scored: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, int, float], Market]]:
    """Markets of one world by regime, cost draw and budget."""
    plan = study.plan
    pool = study.outcomes.benches[f"world {number}"].pool
    design = make_design(world.providers, world.part_a)
    flagged = _flagged(world, plan, number)
    for regime in REGIMES:
        for draw in range(plan.draws):
            costs = draw_costs(world, plan, number, draw)
            for share in (*plan.budgets, *(plan.curve if regime == "fixed" else ())):
                yield (
                    (regime, draw, share),
                    Market(
                        costs,
                        draw_costs(world, plan, number, draw, prior=True),
                        int(share * sum(costs)),
                        scored["q"],
                        scored[regime]["phi"],
                        scored["volume"],
                        _reputation(scored["standing"], [plan.seed, number, draw, 3]),
                        scored["surrogates"][regime],
                        seed=1000 * number + draw,
                        distinct=[int(v) for v in pool.volumes],
                        flagged=[name in flagged for name in world.providers],
                        design=design,
                    ),
                )


def _flagged(world: World, plan: Plan, number: int) -> list[str]:
    """Two undamaged providers by lot who count as under-served.

    Those with held-out text of their own source first, so that the loss on it can be told.
    """
    asked = {source(document) for document in world.part_b}
    honest = [name for name in world.providers if name not in world.damage]
    served = [name for name in honest if name in asked]
    rng = random.Random(f"{plan.seed} {number} flagged")  # noqa: S311 (anybody may repeat it)
    return rng.sample(served if len(served) >= 2 else honest, 2)


def _halves(plan: Plan, number: int, n: int) -> list[tuple[int, ...]]:
    """Nothing, everything, and random sets of a quarter and of half of the providers in turn."""
    rng = np.random.default_rng([plan.seed, number, 99])
    drawn = [
        tuple(sorted(rng.permutation(n)[: max(1, n // (2 + 2 * (k % 2)))].tolist()))
        for k in range(plan.surrogate)
    ]
    return [(), tuple(range(n)), *drawn]


def _reputation(standing: Sequence[float], seed: Sequence[int]) -> list[float]:
    """Correlated 0.5 with the rank of a standing."""
    rank = np.argsort(np.argsort(standing)).astype(float)
    z = (rank - rank.mean()) / max(1e-9, rank.std())
    noise = np.random.default_rng(seed).standard_normal(len(z))
    return [float(v) for v in 0.5 * z + np.sqrt(0.75) * noise]


def _places(paid: Mapping[Any, int]) -> tuple[int, ...]:
    return tuple(sorted(int(place) for place in paid))


def _quality_version() -> str:
    from oracles.quality import QualityParameters, metric_version, references

    return metric_version(QualityParameters(), references.default())


def _score_world(study: _Study, world: World, number: int) -> dict[str, Any]:
    """q, φ̂ and V̂ of one world, in both regimes; only part A of the held-out set is seen."""
    plan, outcomes = study.plan, study.outcomes
    name = f"world {number}"
    pool = outcomes.benches[name].pool
    scored: dict[str, Any] = kept(
        study.folder / f"scores-{number}.json",
        lambda: {
            "q": qualities(world.providers),
            **{
                regime: influences(pool, method, study.folder, study.mapper)
                for regime, method in study.chosen.items()
            },
        },
    )
    study.progress(f"{name}: scored", 1, 1)
    # What is not unique may not win.
    for regime in REGIMES:
        pairs = zip(scored["q"], scored[regime]["phi"], strict=True)
        scored[regime]["phi"] = [phi if q else 0 for q, phi in pairs]
    scored["volume"] = volumes(world.providers)
    scored["standing"] = scored["one pass"]["influence"]
    has, worth = coverage(world.providers, world.part_a)
    sets = _halves(plan, number, len(world.providers))
    seed = plan.phi_seeds[0]
    scored["surrogates"], fits = {}, {}
    for regime in REGIMES:
        outcomes.fill(f"{name}: V̂, {regime}", ((name, regime, seed, each) for each in sets))
        losses = [outcomes[name, regime, seed, each].a for each in sets]
        gains = [losses[0] - loss for loss in losses]
        surrogate, fits[regime] = fit_surrogate(
            scored[regime]["influence"], has, worth, sets, gains
        )
        scored["surrogates"][regime] = surrogate
    scored["description"] = {
        "providers": [
            {
                "name": provider,
                "damage": world.damage.get(provider, "none"),
                "tokens": scored["volume"][k],
                "q": scored["q"][k],
                **{f"phi, {regime}": scored[regime]["phi"][k] for regime in REGIMES},
                "influence": scored["fixed"]["influence"][k],
                "error": scored["fixed"]["error"][k],
            }
            for k, provider in enumerate(world.providers)
        ],
        "flagged": _flagged(world, plan, number),
        "surrogate_r2": fits,
        "surrogate_cover": {
            regime: surrogate.cover for regime, surrogate in scored["surrogates"].items()
        },
    }
    return scored


def _games(study: _Study, world: World, number: int) -> list[dict[str, Any]]:
    """H3: equilibria of the game of effort, under the scores of fixed compute."""
    plan, folder = study.plan, study.folder
    method = replace(study.chosen["fixed"], seeds=plan.phi_seeds[:1])
    levels = [cleaned(world, level, plan.seed) for level in range(len(LEVELS))]
    names = list(levels[0])
    n = len(names)
    # Texts of all levels in one pool, for the retrainings: owner = level · n + provider.
    together = {
        f"{level} {k}": docs for level, each in enumerate(levels) for k, docs in each.items()
    }
    study.outcomes.benches[f"effort {number}"] = make_bench(
        study.texts.seed, together, world, deduplicate=False
    )

    def measure() -> list[dict[str, Any]]:
        """Q and φ̂ of everybody when all have chosen the same level, by level."""
        found = []
        for each in levels:
            bench = make_bench(study.texts.seed, each, world)
            scores = influences(bench.pool, method, folder, study.mapper)
            found.append({"q": qualities(each), **scores})
        return found

    scored = kept(folder / f"effort-{number}.json", measure)
    study.progress(f"world {number}: effort scored", 1, 1)
    volume = [volumes(each) for each in levels]
    everybody = list(world.providers)
    rows = []
    for draw in range(plan.effort_draws):
        costs = draw_costs(world, plan, number, 3 * draw + 1)  # cost follows volume
        prior = draw_costs(world, plan, number, 3 * draw + 1, prior=True)
        base = [costs[everybody.index(name)] for name in names]
        market = Market(
            base,
            [prior[everybody.index(name)] for name in names],
            int(0.4 * sum(base)),
            [],
            [],
            [],
            _reputation(scored[-1]["influence"], [plan.seed, number, draw, 4]),
            Surrogate(1.0, 1.0, (1 / n,) * n),
        )
        game = Game(base, [s["q"] for s in scored], [s["bounds"] for s in scored], volume, market)
        for rule in GAME_RULES:
            played, stable = equilibrium(game, rule)
            paid = purchase(rule, game.at(played))
            bought = [played[k] / (len(LEVELS) - 1) for k in paid]
            rows.append(
                {
                    "world": number,
                    "draw": draw,
                    "rule": rule,
                    "levels": played,
                    "equilibrium": stable,
                    "effort": float(np.mean(bought)) if bought else 0.0,
                    "bought": len(paid),
                    "spent": sum(paid.values()) / market.budget,
                    "owners": sorted(played[k] * n + k for k in paid),
                }
            )
    return rows


def _attacks(
    study: _Study, world: World, number: int, markets: Mapping[tuple[str, int, float], Market]
) -> list[dict[str, Any]]:
    """H8: purchases of the honest world and under each attack, at the smallest main budget."""
    plan = study.plan
    if number >= plan.attack_worlds:
        return []
    method = replace(study.chosen["fixed"], seeds=plan.phi_seeds[:1])
    tried = attacks(world, study.texts, plan.attacks)
    benches: dict[str, Bench] = {}
    for attack in tried:
        key = f"attack {number} {attack.name}"
        benches[attack.name] = study.outcomes.benches[key] = make_bench(
            study.texts.seed, attack.submissions, world
        )

    def measure(attack: Attack) -> dict[str, Any]:
        scores = influences(benches[attack.name].pool, method, study.folder, study.mapper)
        return {"q": qualities(attack.submissions), "phi": scores["phi"]}

    rows = []
    for k, attack in enumerate(tried):
        path = study.folder / f"attacks-{number}-{k}.json"
        scores = kept(path, partial(measure, attack))
        study.progress(f"world {number}: data lies scored", k + 1, len(tried))
        for draw in range(plan.draws):
            market = attacked(markets["fixed", draw, min(plan.budgets)], attack, scores)
            paid = purchase("qmia", market)
            mine = [place for place in attack.places if place in paid]
            rows.append(
                {
                    "world": number,
                    "draw": draw,
                    "attack": attack.name,
                    "attacker": attack.attacker,
                    "paid": sum(paid[place] for place in mine),
                    "profit": sum(paid[place] - market.costs[place] for place in mine),
                    "budget": market.budget,
                    "spent": sum(paid.values()),
                    "bought": sorted(paid),
                }
            )
    return rows
