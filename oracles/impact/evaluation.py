"""How well φ̂ predicts what retraining really gives: provider-level LDS and its relatives.

The truth is always retraining from scratch, without the estimator's seeds. Retrainings are cached
one by one, so that an interrupted evaluation goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.impact import baselines
from oracles.impact.estimate import (
    CODE_VERSION,
    Parameters,
    make_model,
    make_pool,
    pinned_kernels,
    run_seeds,
)
from oracles.impact.training import mean_loss, retrain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from oracles.dataset import Document
    from oracles.impact.corpus import Pool

    #: Scores [n] of all providers, and the number of seeds they are averaged over.
    Predictor = tuple[Callable[[Pool, Parameters], NDArray[np.float64]], int]


@dataclass(frozen=True, slots=True)
class Plan:
    """Size of an evaluation.

    Attributes:
        subsets: random halves of the providers.
        truth_seeds: seeds of the retrainings on random halves.
        single_seeds: seeds of the retrainings without, or with only, one provider, and of top-k
            removal.
        removed: providers that are removed in the top-k test.
        bootstrap: resamples for intervals.
        estimators: names in `ESTIMATORS`, each run under all of `Parameters.seeds`.
    """

    subsets: int = 64
    truth_seeds: tuple[int, ...] = (100, 101, 102)
    single_seeds: tuple[int, ...] = (100, 101, 102)
    removed: int = 5
    bootstrap: int = 500
    estimators: tuple[str, ...] = (
        "unrolled",
        "cg",
        "ekfac",
        "hutchinson",
        "tracin",
        "gradient",
        "ablation",
    )


def pool_digest(pool: Pool) -> str:
    """SHA-256 of all tokens of a pool and of whom they belong to."""
    state = hashlib.sha256()
    for array in (pool.training.tokens, pool.training.document, pool.training.owner):
        state.update(np.ascontiguousarray(array).tobytes())
    state.update(np.ascontiguousarray(pool.evaluation.tokens).tobytes())
    return state.hexdigest()


class Truth:
    """Minus the evaluation loss after retraining, by (seed, providers); cached in a file."""

    def __init__(
        self, pool: Pool, parameters: Parameters, cache: Path, tick: Callable[[], None] | None
    ) -> None:
        self._pool, self._parameters, self._tick = pool, parameters, tick
        what = repr((parameters.model, parameters.recipe, pool_digest(pool)))
        cache.mkdir(parents=True, exist_ok=True)
        key = hashlib.sha256(what.encode()).hexdigest()[:16]
        self._path = cache / f"truth-{key}.jsonl"
        self._known: dict[tuple[int, tuple[int, ...]], float] = {}
        self.seconds = 0.0
        self.tokens = 0
        if self._path.exists():
            for line in self._path.read_text().splitlines():
                row = json.loads(line)
                self._remember(row)

    def _remember(self, row: dict[str, Any]) -> None:
        self._known[row["seed"], tuple(row["providers"])] = row["value"]
        self.seconds += row["seconds"]
        self.tokens += row["tokens"]

    def __call__(self, seed: int, providers: Sequence[int]) -> float:
        """V(S) of one retraining on the seed corpus and on providers S."""
        chosen = tuple(sorted(providers))
        if (seed, chosen) not in self._known:
            start = time.process_time()
            pool, parameters = self._pool, self._parameters
            with pinned_kernels():
                model = make_model(parameters.model, seed)
                theta = retrain(model, pool.training, parameters.recipe, seed, chosen)
                value = -mean_loss(model, theta, pool.evaluation)[0]
            kept = np.isin(pool.training.owners, [0, *(k + 1 for k in chosen)])
            row = {
                "seed": seed,
                "providers": list(chosen),
                "value": value,
                "seconds": time.process_time() - start,
                "tokens": int(pool.training.sizes[kept].sum())
                * parameters.recipe.passes(len(pool.training)),
            }
            with self._path.open("a") as file:
                file.write(json.dumps(row) + "\n")
            self._remember(row)
        if self._tick:
            self._tick()
        return self._known[seed, chosen]

    def table(self, seeds: Sequence[int], subsets: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """V of every subset under every seed, [seeds, subsets]."""
        return np.array([[self(seed, subset) for subset in subsets] for seed in seeds])


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, ties sharing their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place])


def correlation(predicted: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """Spearman's ρ; 0 if one side is constant."""
    if np.ptp(predicted) == 0 or np.ptp(true) == 0:
        return 0.0
    return float(np.corrcoef(ranks(predicted), ranks(true))[0, 1])


def interval(
    predicted: NDArray[np.float64], true: NDArray[np.float64], resamples: int
) -> tuple[float, float, float]:
    """Spearman's ρ with the seeds' mean, and its 95 % bootstrap interval.

    Args:
        predicted: [K].
        true: [R, K] under R seeds; columns and seeds are both resampled.
        resamples: number of bootstrap draws.
    """
    rng = np.random.default_rng(0)
    seeds, count = true.shape
    draws = []
    for _ in range(resamples):
        columns = rng.integers(0, count, count)
        rows = rng.integers(0, seeds, seeds)
        draws.append(correlation(predicted[columns], true[np.ix_(rows, columns)].mean(0)))
    low, high = np.quantile(draws, [0.025, 0.975])
    return correlation(predicted, true.mean(0)), float(low), float(high)


def agreement(true: NDArray[np.float64]) -> float | None:
    """Mean Spearman's ρ of two seeds of the truth, [R, K]; None with a single seed."""
    seeds = len(true)
    pairs = [correlation(true[i], true[j]) for i in range(seeds) for j in range(i + 1, seeds)]
    return float(np.mean(pairs)) if pairs else None


def noise_ceiling(true: NDArray[np.float64]) -> float | None:
    """ρ that a perfect predictor would reach against the mean of R noisy seeds.

    The agreement r of two seeds gives the reliability of the mean of R by Spearman and Brown,
    `R r / (1 + (R−1) r)`; the ceiling is its square root.

    Args:
        true: [R, K] under R seeds.

    Returns:
        The ceiling, or None with a single seed, which does not tell.
    """
    seeds, found = len(true), agreement(true)
    if found is None:
        return None
    r = max(0.0, found)
    return float(np.sqrt(seeds * r / (1 + (seeds - 1) * r)))


def random_halves(providers: int, count: int) -> list[list[int]]:
    """Distinct random subsets of half the providers."""
    rng = np.random.default_rng(7)
    found: dict[tuple[int, ...], None] = {}
    while len(found) < count:
        found[tuple(sorted(rng.permutation(providers)[: providers // 2].tolist()))] = None
    return [list(subset) for subset in found]


@dataclass(frozen=True, slots=True)
class Scores:
    """One predictor's score of every provider.

    Attributes:
        values: [n], larger is better.
        seconds: processor time it took.
        tokens: training tokens it looked at, for a rate (0: does not apply).
    """

    values: NDArray[np.float64]
    seconds: float
    tokens: int


def predictors(
    pool: Pool,
    parameters: Parameters,
    plan: Plan,
    cache: Path,
    texts: Mapping[str, Sequence[str]],
    evaluation: Sequence[str],
    extra: Mapping[str, Predictor],
    note: Callable[[str], None],
) -> dict[str, Scores]:
    """Scores of all estimators and baselines, each timed on one thread, and cached."""
    tokens = int(pool.training.sizes.sum())
    state = hashlib.sha256(
        json.dumps(
            [
                CODE_VERSION,
                parameters.to_json(),
                pool_digest(pool),
            ]
        ).encode()
    ).hexdigest()[:16]
    results: dict[str, Scores] = {}

    def timed(name: str, compute: Callable[[], NDArray[np.float64]], passes: int = 1) -> None:
        note(name)
        path = cache / f"scores-{state}-{re.sub('[^a-z0-9]+', '-', name)}.json"
        if path.exists():
            stored = json.loads(path.read_text())
            values, seconds = np.array(stored["values"]), stored["seconds"]
        else:
            start = time.process_time()
            with pinned_kernels():
                values = compute()
            seconds = time.process_time() - start
            path.write_text(json.dumps({"values": values.tolist(), "seconds": seconds}))
        results[name] = Scores(values, seconds, passes * tokens)

    volumes = pool.volumes.astype(np.float64)
    for name in plan.estimators:
        # The others are defined at a model that has been trained on everything.
        mix = parameters.mix if name == "unrolled" else 1.0
        method = replace(parameters, estimator=name, mix=mix)

        def average(method: Parameters = method) -> NDArray[np.float64]:
            runs = run_seeds(pool, method)
            return np.asarray(np.mean([run.providers for run in runs], axis=0))

        timed(name, average, len(parameters.seeds))
    whole = replace(parameters, mix=1.0)
    timed(
        "unrolled, mix 1",
        lambda: np.mean([run.providers for run in run_seeds(pool, whole)], axis=0),
        len(parameters.seeds),
    )
    single = replace(parameters, seeds=parameters.seeds[:1])
    timed("unrolled, one seed", lambda: run_seeds(pool, single)[0].providers)
    for name, (compute, seeds) in extra.items():
        fewer = replace(parameters, seeds=parameters.seeds[:seeds])
        timed(name, partial(compute, pool, fewer), len(fewer.seeds))
    seed = parameters.seeds[0]
    model = make_model(parameters.model, seed)
    timed("volume", lambda: volumes)
    timed("random", lambda: np.random.default_rng(0).random(len(volumes)))
    timed("perplexity", lambda: baselines.perplexity(model, pool, parameters.recipe, seed))
    timed("bm25", lambda: baselines.bm25(texts, evaluation))
    timed("embedding", lambda: baselines.embedding_similarity(texts, evaluation))
    for name in ("bm25", "embedding"):
        base = results[name]
        results[f"{name} × volume"] = Scores(base.values * volumes, base.seconds, base.tokens)
    return results


def evaluate(
    seed_corpus: Sequence[Document],
    submissions: Mapping[str, Sequence[Document]],
    evaluation: Sequence[Document],
    parameters: Parameters,
    plan: Plan,
    *,
    cache: Path,
    extra: Mapping[str, Predictor] | None = None,
    tick: Callable[[], None] | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Compare all predictors with retraining; returns a JSON-compatible result.

    Args:
        seed_corpus: public documents.
        submissions: provider to documents.
        evaluation: held-out documents.
        parameters: method; its seeds must not be among the truth's.
        plan: size of the evaluation.
        cache: directory of finished retrainings.
        extra: further predictors by name.
        tick: called once a retraining; there are `retrainings(n, plan)` before top-k removal.
        note: called with the name of what is computed now.
    """
    pool = make_pool(seed_corpus, submissions, evaluation, parameters.model)
    truth = Truth(pool, parameters, cache, tick)
    n = len(pool.providers)
    everyone = list(range(n))
    texts = {name: [d.text for d in documents] for name, documents in submissions.items()}
    held_out = [document.text for document in evaluation]
    scores = predictors(pool, parameters, plan, cache, texts, held_out, extra or {}, note)
    note("random halves")
    halves = random_halves(n, plan.subsets)
    half_values = truth.table(plan.truth_seeds, halves)
    note("leave one out")
    full = truth.table(plan.single_seeds, [everyone])
    without = truth.table(plan.single_seeds, [[j for j in everyone if j != k] for k in everyone])
    loo = full - without
    note("add one")
    base = truth.table(plan.single_seeds, [[]])
    add = truth.table(plan.single_seeds, [[k] for k in everyone]) - base
    truths = {"lds": half_values, "leave_one_out": loo, "add_one": add}
    note("top-k removal")
    rows = []
    for name, score in scores.items():
        predicted = np.array([score.values[half].sum() for half in halves])
        top = np.argsort(-score.values, kind="stable")[: plan.removed].tolist()
        rest = [k for k in everyone if k not in top]
        removal = full - truth.table(plan.single_seeds, [rest])
        lds, low, high = interval(predicted, half_values, plan.bootstrap)
        loo_rho, loo_low, loo_high = interval(score.values, loo, plan.bootstrap)
        add_rho, add_low, add_high = interval(score.values, add, plan.bootstrap)
        rows.append(
            {
                "predictor": name,
                "lds": lds,
                "lds_interval": [low, high],
                "leave_one_out": loo_rho,
                "leave_one_out_interval": [loo_low, loo_high],
                "add_one": add_rho,
                "add_one_interval": [add_low, add_high],
                "top_k_removal": float(removal.mean()),
                "seconds": score.seconds,
                "tokens_per_second": score.tokens / score.seconds if score.seconds > 0.01 else None,
                "scores": [float(v) for v in score.values],
            }
        )
    return {
        "providers": {
            name: {
                "tokens": int(pool.volumes[k]),
                "leave_one_out": float(loo.mean(0)[k]),
                "add_one": float(add.mean(0)[k]),
            }
            for k, name in enumerate(pool.providers)
        },
        "tokens": {
            "seed": int(pool.training.sizes[pool.training.owners == 0].sum()),
            "providers": int(pool.volumes.sum()),
            "evaluation": int(pool.evaluation.sizes.sum()),
        },
        "evaluation_loss": {"base": float(-base.mean()), "all": float(-full.mean())},
        "agreement": {name: agreement(values) for name, values in truths.items()},
        "ceilings": {name: noise_ceiling(values) for name, values in truths.items()},
        "plan": asdict(plan),
        "parameters": parameters.to_json(),
        "parameter_count": int(make_model(parameters.model, 0).theta.numel()),
        "code": CODE_VERSION,
        "truth": {
            "retrainings": len(truth._known),
            "seconds": truth.seconds,
            "tokens": truth.tokens,
        },
        "rows": rows,
    }


def retrainings(providers: int, plan: Plan) -> int:
    """Retrainings before top-k removal."""
    singles = len(plan.single_seeds) * (2 * providers + 2)
    return len(plan.truth_seeds) * plan.subsets + singles
