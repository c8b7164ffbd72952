"""Runs a plan: scores, then purchases that are frozen, then retrainings, then tables.

Everything is kept in one folder, so that an interrupted run goes on where it stopped:
`plan.json` (the plan, its hash, the texts' digest), `scores-*.json`, `purchases.json` with its
hash, `outcomes.jsonl` with one line a retraining, and `result.json`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.errors import InputError, IntegrityError
from oracles.files import write_file
from oracles.impact import Architecture, Parameters, Recipe, corpus_digest
from oracles.impact.estimate import CODE_VERSION as PHI_VERSION
from oracles.impact.estimate import make_model, make_pool, pinned_kernels, report_runs, run_seeds
from oracles.impact.training import mean_loss, retrain
from oracles.passages import Passages
from oracles.progress import silent
from oracles.quality import score
from oracles.study import additive, tables
from oracles.study.effort import GAME_RULES, Game, equilibrium
from oracles.study.market import Market, Surrogate, purchase
from oracles.study.world import LEVELS, cleaned, draw_costs, draw_world

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from oracles.dataset import Document
    from oracles.engine import Mapper
    from oracles.impact.corpus import Pool
    from oracles.progress import Progress
    from oracles.study.plan import Plan
    from oracles.study.world import Texts, World

#: Ways to train: the same number of steps whatever was bought, or one pass over what was bought.
REGIMES = ("fixed", "one pass")

#: (pool, regime, seed, providers by place)
Job = tuple[str, str, int, tuple[int, ...]]


def parameters(plan: Plan, regime: str) -> Parameters:
    """φ̂ and training of one regime."""
    recipe = Recipe(steps=plan.steps) if regime == "fixed" else Recipe(epochs=1)
    return Parameters(model=Architecture(), recipe=recipe, seeds=plan.phi_seeds)


def retrained(
    pools: Mapping[str, Pool], chosen: Mapping[str, Parameters], job: Job
) -> tuple[float, float]:
    """Loss on parts A and B of a model retrained on the seed corpus and on some providers."""
    name, regime, seed, providers = job
    pool, method = pools[name], chosen[regime]
    with pinned_kernels():
        model = make_model(method.model, seed)
        theta = retrain(model, pool.training, method.recipe, seed, providers, pool.evaluation)
        assert pool.outcome is not None  # noqa: S101 (every pool of a study has a part B)
        losses = [mean_loss(model, theta, part)[0] for part in (pool.evaluation, pool.outcome)]
    return losses[0], losses[1]


class Outcomes:
    """Losses of retrainings, kept in a file line by line."""

    def __init__(self, path: Path, mapper: Mapper, progress: Progress) -> None:
        self._path, self._mapper, self._progress = path, mapper, progress
        self._known: dict[Job, tuple[float, float]] = {}
        if path.exists():
            whole = path.read_text()
            if whole and not whole.endswith("\n"):  # a line that a crash cut short
                whole = whole[: whole.rfind("\n") + 1]
                write_file(path, whole)
            for line in whole.splitlines():
                name, regime, seed, providers, a, b = json.loads(line)
                self._known[name, regime, seed, tuple(providers)] = a, b

    def __getitem__(self, job: Job) -> tuple[float, float]:
        return self._known[job]

    def fill(
        self,
        stage: str,
        jobs: Iterable[Job],
        pools: Mapping[str, Pool],
        chosen: Mapping[str, Parameters],
    ) -> None:
        """Retrain whatever is not known yet, in the order given."""
        wanted = list(dict.fromkeys(jobs))
        missing = [job for job in wanted if job not in self._known]
        done = len(wanted) - len(missing)
        self._progress(stage, done, len(wanted))
        work = partial(retrained, pools, chosen)
        with self._path.open("a") as file:
            for job, losses in zip(missing, self._mapper(work, missing), strict=True):
                self._known[job] = losses
                file.write(json.dumps([*job, *losses]) + "\n")
                file.flush()
                done += 1
                self._progress(stage, done, len(wanted))


def _kept(path: Path, make: Any) -> Any:
    """A JSON value from a file, or made and written there."""
    if not path.exists():
        write_file(path, json.dumps(make()))
    return json.loads(path.read_text())


def qualities(submissions: Mapping[str, Sequence[Document]]) -> list[int]:
    """Q on the grid by place; 0 where most of the text was committed before."""
    earlier = Passages()
    reports = [score(documents, earlier=earlier) for documents in submissions.values()]
    return [report.q if report.accepted_as_unique else 0 for report in reports]


def influences(pool: Pool, method: Parameters, folder: Path, mapper: Mapper) -> dict[str, Any]:
    """φ̂, lower bounds and influences of all providers."""
    runs = run_seeds(pool, method, mapper=mapper, cache=folder / "phi")
    report = report_runs(pool, runs, method)
    found = report.providers
    return {
        "phi": [provider.phi for provider in found],
        "bounds": [p.influence - method.m * p.standard_error for p in found],
        "influence": [provider.influence for provider in found],
    }


def fit_surrogate(
    shares: Sequence[float], sets: Sequence[Sequence[int]], gains: Sequence[float]
) -> tuple[Surrogate, float]:
    """The scale and bend of V̂ that fit the gains best, by least squares; and R² on the same sets.

    Args:
        shares: influence of each provider, negative ones count as 0.
        sets: providers by place.
        gains: saved loss of each set, nats a token.
    """
    positive = np.maximum(0.0, np.asarray(shares))
    positive = (
        positive / positive.sum() if positive.sum() else np.full(len(shares), 1 / len(shares))
    )
    x = np.array([positive[list(chosen)].sum() for chosen in sets])
    y = np.asarray(gains)
    best: tuple[float, float, float] = (np.inf, 0.0, 1.0)
    for bend in np.geomspace(0.1, 100, 31):
        curve = np.log1p(bend * x) / np.log1p(bend)
        scale = max(1e-6, float(curve @ y / max(1e-12, curve @ curve)))
        error = float(np.square(y - scale * curve).sum())
        if error < best[0]:
            best = (error, scale, float(bend))
    spread = float(np.square(y - y.mean()).sum())
    surrogate = Surrogate(best[1] * 1e6, best[2], tuple(float(v) for v in positive))
    return surrogate, 1 - best[0] / spread if spread else 0.0


def _halves(plan: Plan, number: int, n: int) -> list[tuple[int, ...]]:
    rng = np.random.default_rng([plan.seed, number, 99])
    drawn = [tuple(sorted(rng.permutation(n)[: n // 2].tolist())) for _ in range(plan.surrogate)]
    return [(), tuple(range(n)), *drawn]


def _reputation(standing: Sequence[float], seed: Sequence[int]) -> list[float]:
    """Correlated 0.5 with the rank of a standing."""
    rank = np.argsort(np.argsort(standing)).astype(float)
    z = (rank - rank.mean()) / max(1e-9, rank.std())
    noise = np.random.default_rng(seed).standard_normal(len(z))
    return [float(v) for v in 0.5 * z + np.sqrt(0.75) * noise]


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
        InputError: the folder holds another plan or other texts.
        IntegrityError: the purchases do not come out as they were frozen.
    """
    folder.mkdir(parents=True, exist_ok=True)
    registered = {
        "plan": plan.to_json(),
        "hash": plan.digest(),
        "texts": {
            "seed": corpus_digest(d.text for d in texts.seed),
            "evaluation": corpus_digest(d.text for d in texts.evaluation),
            **{
                f"provider {name}": corpus_digest(d.text for d in documents)
                for name, documents in sorted(texts.providers.items())
            },
        },
    }
    if _kept(folder / "plan.json", lambda: registered) != registered:
        raise InputError(
            f"{folder} holds a study with another plan or other texts: choose an empty folder"
        )
    chosen = {regime: parameters(plan, regime) for regime in REGIMES}
    simulations = _kept(folder / "simulations.json", lambda: additive.simulate(plan, progress))
    worlds = [draw_world(texts, plan, number) for number in range(plan.worlds)]
    pools = {
        f"world {number}": make_pool(
            texts.seed, world.providers, world.part_a, chosen["fixed"].model, outcome=world.part_b
        )
        for number, world in enumerate(worlds)
    }
    outcomes = Outcomes(folder / "outcomes.jsonl", mapper, progress)
    markets: dict[tuple[str, int, int, float], Market] = {}
    described = []
    for number, world in enumerate(worlds):
        scored = _score_world(world, number, plan, folder, pools, chosen, outcomes, mapper)
        progress("worlds scored", number + 1, plan.worlds)
        described.append(scored["description"])
        for regime in REGIMES:
            for draw in range(plan.draws):
                costs = draw_costs(world, plan, number, draw)
                for share in plan.budgets:
                    markets[regime, number, draw, share] = Market(
                        costs,
                        draw_costs(world, plan, number, draw, prior=True),
                        int(share * sum(costs)),
                        scored["q"],
                        scored[regime]["phi"],
                        scored["volume"],
                        _reputation(scored["standing"], [plan.seed, number, draw, 3]),
                        scored["surrogates"][regime],
                        seed=1000 * number + draw,
                    )
    frozen: list[dict[str, Any]] = [
        {
            "regime": regime,
            "world": number,
            "draw": draw,
            "budget": share,
            "tokens_of_money": market.budget,
            "paid": {
                rule: {str(place): paid for place, paid in purchase(rule, market).items()}
                for rule in plan.rules
            },
        }
        for (regime, number, draw, share), market in sorted(
            # The primary regime first; every world before the next draw.
            markets.items(),
            key=lambda item: (item[0][0] != "fixed", item[0][2], item[0][1], item[0][3]),
        )
    ]
    games = _games(texts, worlds, plan, folder, pools, chosen, mapper, progress)
    whole = json.loads(json.dumps({"markets": frozen, "games": games}))
    kept = _kept(folder / "purchases.json", lambda: whole)
    if kept != whole:
        raise IntegrityError(
            f"the purchases in {folder / 'purchases.json'} are not those that the plan gives: "
            "start again in an empty folder"
        )
    digest = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
    for regime in REGIMES:
        outcomes.fill(
            f"retrainings, {regime}",
            (
                (f"world {row['world']}", regime, seed, _places(paid))
                for row in frozen
                if row["regime"] == regime
                for paid in (*row["paid"].values(), {})
                for seed in plan.truth_seeds
            ),
            pools,
            chosen,
        )
        outcomes.fill(
            f"equilibria, {regime}",
            (
                (f"effort {game['world']}", regime, seed, tuple(game["owners"]))
                for game in games
                for seed in plan.truth_seeds
            ),
            pools,
            chosen,
        )
    for row in frozen:
        row["loss"] = {
            rule: float(
                np.mean(
                    [
                        outcomes[f"world {row['world']}", row["regime"], seed, _places(paid)][1]
                        for seed in plan.truth_seeds
                    ]
                )
            )
            for rule, paid in (*row["paid"].items(), ("nothing", {}))
        }
    for game in games:
        game["loss"] = {
            regime: float(
                np.mean(
                    [
                        outcomes[f"effort {game['world']}", regime, s, tuple(game["owners"])][1]
                        for s in plan.truth_seeds
                    ]
                )
            )
            for regime in REGIMES
        }
    result = {
        **registered,
        "versions": {"phi": PHI_VERSION, "q": _quality_version()},
        "purchases": digest,
        "worlds": described,
        "markets": frozen,
        "games": games,
        "simulations": simulations,
    }
    result["tables"] = tables.make(result, plan)
    write_file(folder / "result.json", json.dumps(result, ensure_ascii=False, indent=1))
    return result


def _places(paid: Mapping[Any, int]) -> tuple[int, ...]:
    return tuple(sorted(int(place) for place in paid))


def _quality_version() -> str:
    from oracles.quality import QualityParameters, metric_version, reference

    return metric_version(QualityParameters(), reference.default())


def _score_world(
    world: World,
    number: int,
    plan: Plan,
    folder: Path,
    pools: Mapping[str, Pool],
    chosen: Mapping[str, Parameters],
    outcomes: Outcomes,
    mapper: Mapper,
) -> dict[str, Any]:
    """q, φ̂ and V̂ of one world, in both regimes."""
    name = f"world {number}"
    pool = pools[name]
    scored: dict[str, Any] = _kept(
        folder / f"scores-{number}.json",
        lambda: {
            "q": qualities(world.providers),
            **{
                regime: influences(pool, method, folder, mapper)
                for regime, method in chosen.items()
            },
        },
    )
    # What is not unique may not win.
    for regime in REGIMES:
        pairs = zip(scored["q"], scored[regime]["phi"], strict=True)
        scored[regime]["phi"] = [phi if q else 0 for q, phi in pairs]
    scored["volume"] = _volumes(world.providers)
    scored["standing"] = scored["one pass"]["influence"]
    sets = _halves(plan, number, len(world.providers))
    seed = plan.phi_seeds[0]
    scored["surrogates"], fits = {}, {}
    for regime in REGIMES:
        outcomes.fill(
            f"V̂, {regime}", ((name, regime, seed, chosen_) for chosen_ in sets), pools, chosen
        )
        losses = [outcomes[name, regime, seed, each][0] for each in sets]
        scored["surrogates"][regime], fits[regime] = fit_surrogate(
            scored[regime]["influence"], sets, [losses[0] - loss for loss in losses]
        )
    scored["description"] = {
        "providers": [
            {
                "name": provider,
                "damage": world.damage.get(provider, "none"),
                "tokens": scored["volume"][k],
                "q": scored["q"][k],
                **{f"phi, {regime}": scored[regime]["phi"][k] for regime in REGIMES},
            }
            for k, provider in enumerate(world.providers)
        ],
        "surrogate_r2": fits,
    }
    return scored


def _volumes(submissions: Mapping[str, Sequence[Document]]) -> list[int]:
    """Raw tokens by place, four characters each: what a buyer who counts tokens sees."""
    return [max(1, sum(len(d.text) for d in docs) // 4) for docs in submissions.values()]


def _score_levels(
    texts: Texts,
    world: World,
    levels: Sequence[Mapping[str, list[Document]]],
    method: Parameters,
    folder: Path,
    mapper: Mapper,
) -> list[dict[str, Any]]:
    """Q and φ̂ of everybody when all have chosen the same level, by level."""
    found = []
    for each in levels:
        pool = make_pool(texts.seed, each, world.part_a, method.model, outcome=world.part_b)
        found.append({"q": qualities(each), **influences(pool, method, folder, mapper)})
    return found


def _games(
    texts: Texts,
    worlds: Sequence[World],
    plan: Plan,
    folder: Path,
    pools: dict[str, Pool],
    chosen: Mapping[str, Parameters],
    mapper: Mapper,
    progress: Progress,
) -> list[dict[str, Any]]:
    """H3: equilibria of the game of effort, under the scores of fixed compute."""
    method = replace(chosen["fixed"], seeds=plan.phi_seeds[:1])
    rows = []
    for number, world in enumerate(worlds):
        levels = [cleaned(world, level, plan.seed) for level in range(len(LEVELS))]
        names = list(levels[0])
        n = len(names)
        # Texts of all levels in one pool, for the retrainings: owner = level · n + provider.
        pools[f"effort {number}"] = make_pool(
            texts.seed,
            {f"{level} {k}": docs for level, each in enumerate(levels) for k, docs in each.items()},
            world.part_a,
            method.model,
            deduplicate=False,
            outcome=world.part_b,
        )

        measure = partial(_score_levels, texts, world, levels, method, folder, mapper)
        scored = _kept(folder / f"effort-{number}.json", measure)
        progress("effort scored", number + 1, plan.worlds)
        volume = [_volumes(each) for each in levels]
        everybody = list(world.providers)
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
            game = Game(
                base, [s["q"] for s in scored], [s["bounds"] for s in scored], volume, market
            )
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
