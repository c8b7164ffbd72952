"""How well φ̂ predicts what retraining really gives: provider-level LDS and its relatives.

The evaluation set is split. Estimators see part A, on which trainings also stop early; every
outcome is the loss on part B. The truth is always retraining from scratch, under seeds that no
estimator uses: of the same model, of one about ten times larger, and for twice as many steps. Each
retraining is kept, so that an interrupted evaluation goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.errors import InputError
from oracles.impact import baselines
from oracles.impact.corpus import split
from oracles.impact.estimate import (
    CODE_VERSION,
    Architecture,
    Parameters,
    make_model,
    make_pool,
    pinned_kernels,
    run_seeds,
)
from oracles.impact.report import standard_errors
from oracles.impact.training import TRAINING_VERSION, mean_loss, retrain
from oracles.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from oracles.dataset import Document
    from oracles.impact.corpus import Pool
    from oracles.impact.model import LanguageModel
    from oracles.progress import Progress

    #: Scores [n] of all providers.
    Predictor = Callable[[Pool, Parameters], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Plan:
    """Size of an evaluation.

    Attributes:
        subsets: random halves of the providers.
        seeds: of the retrainings, none of them an estimator's.
        transfer_seeds: of the retrainings for more steps, and of the larger model.
        bootstrap: resamples for intervals.
        estimators: names in `ESTIMATORS`, each run under all of `Parameters.seeds`.
        truths: of `TRUTHS`.
        eligibility: retrain on each provider alone too, and report who is left out.
    """

    subsets: int = 20
    seeds: tuple[int, ...] = (100, 101)
    transfer_seeds: tuple[int, ...] = (100,)
    bootstrap: int = 500
    estimators: tuple[str, ...] = ("aumann-shapley", "unrolled", "cg", "ekfac", "surrogate")
    truths: tuple[str, ...] = ("same", "longer", "larger")
    eligibility: bool = True


def same(parameters: Parameters) -> Parameters:
    """The model and the training that φ̂ itself uses."""
    return parameters


def longer(parameters: Parameters) -> Parameters:
    """Twice as many steps."""
    return replace(parameters, recipe=replace(parameters.recipe, steps=2 * parameters.recipe.steps))


def larger(parameters: Parameters) -> Parameters:
    """About ten times as many parameters: 3.25 times the width, one block more."""
    model = parameters.model
    if not isinstance(model, Architecture):
        return parameters
    width = 13 * model.width // 4 // model.heads * model.heads
    return replace(parameters, model=replace(model, width=width, layers=model.layers + 1))


TRUTHS: dict[str, Callable[[Parameters], Parameters]] = {
    "same": same,
    "longer": longer,
    "larger": larger,
}


#: Estimators that are measured as an auction uses them.
UNROLLED = ("aumann-shapley", "unrolled")
#: The predictor that is leave-one-out itself, on part A: what no estimate of it can better.
EXACT = "retraining without each"


def pool_digest(pool: Pool) -> str:
    """SHA-256 of all tokens of a pool and of whom they belong to."""
    state = hashlib.sha256()
    training = pool.training
    held_out = [pool.evaluation.tokens] + ([pool.outcome.tokens] if pool.outcome else [])
    for array in (training.tokens, training.block >= 0, training.owner, *held_out):
        state.update(np.ascontiguousarray(array).tobytes())
    return state.hexdigest()


class Truth:
    """Evaluation losses after retraining, by (seed, providers); cached in a file.

    Attributes:
        parameters: model and recipe.
        seconds: processor time of all retrainings.
    """

    def __init__(
        self,
        pool: Pool,
        parameters: Parameters,
        cache: Path,
        *,
        model: Callable[[int], LanguageModel] | None = None,
        progress: Progress = silent,
        stage: str = "retraining",
        total: int | None = None,
    ) -> None:
        """Read what was retrained before.

        Args:
            pool: documents of the auction.
            parameters: model and recipe.
            cache: directory of the file.
            model: seed to the model that is trained; the parameters' one if None.
            progress: told of every loss that is asked for.
            stage: its name for `progress`.
            total: losses that will be asked for.
        """
        self._pool, self.parameters = pool, parameters
        self._model = model or partial(make_model, parameters.model)
        self._progress, self._stage, self._total, self._asked = progress, stage, total, 0
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        what = repr((TRAINING_VERSION, parameters.model, parameters.recipe, pool_digest(pool)))
        key = hashlib.sha256(what.encode()).hexdigest()[:16]
        self._path = cache / f"truth-{key}.jsonl"
        self._known: dict[tuple[int, tuple[int, ...]], tuple[float, float]] = {}
        self.seconds = 0.0
        if self._path.exists():
            for line in self._path.read_text().splitlines():
                self._remember(json.loads(line))

    def __len__(self) -> int:
        return len(self._known)

    def _remember(self, row: dict[str, Any]) -> None:
        self._known[row["seed"], tuple(row["providers"])] = row["a"], row["b"]
        self.seconds += row["seconds"]

    def __call__(self, seed: int, providers: Sequence[int]) -> tuple[float, float]:
        """Loss on parts A and B after one retraining on the seed corpus and on providers S."""
        chosen = tuple(sorted(providers))
        if (seed, chosen) not in self._known:
            start = time.process_time()
            pool, parameters = self._pool, self.parameters
            with pinned_kernels():
                model = self._model(seed)
                theta = retrain(
                    model, pool.training, parameters.recipe, seed, chosen, pool.evaluation
                )
                a = mean_loss(model, theta, pool.evaluation)[0]
                b = mean_loss(model, theta, pool.outcome)[0] if pool.outcome else a
            seconds = time.process_time() - start
            row = {"seed": seed, "providers": list(chosen), "a": a, "b": b, "seconds": seconds}
            with self._path.open("a") as file:
                file.write(json.dumps(row) + "\n")
            self._remember(row)
        self._asked += 1
        self._progress(self._stage, self._asked, self._total)
        return self._known[seed, chosen]

    def table(self, seeds: Sequence[int], subsets: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Losses after training on every subset under every seed, [A and B, seeds, subsets]."""
        rows = [[self(seed, subset) for subset in subsets] for seed in seeds]
        return np.moveaxis(np.array(rows), -1, 0)

    def first(self, seeds: Sequence[int]) -> NDArray[np.float64]:
        """Loss gain of each provider as the only one, [A and B, seeds, providers]."""
        n = len(self._pool.providers)
        losses = self.table(seeds, [[], *([k] for k in range(n))])
        return losses[:, :, :1] - losses[:, :, 1:]

    def last(self, seeds: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Loss gain of each provider over all others, [A and B, seeds, providers].

        Returns:
            The gains, and the losses with no provider and with all, [A and B, seeds, 2].
        """
        everyone = list(range(len(self._pool.providers)))
        ends = self.table(seeds, [[], everyone])
        without = self.table(seeds, [[j for j in everyone if j != k] for k in everyone])
        return without - ends[:, :, 1:], ends


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
    """Distinct random subsets of half the providers.

    Raises:
        InputError: there are not so many.
    """
    most = math.comb(providers, providers // 2)
    if count > most:
        raise InputError(
            f"{providers} providers have only {most} halves, not {count}: "
            "give more submissions, or ask for fewer subsets"
        )
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
        errors: [n] standard errors, if the predictor has them.
        seconds: processor time it took.
    """

    values: NDArray[np.float64]
    errors: NDArray[np.float64] | None = None
    seconds: float = 0.0


def _estimated(pool: Pool, method: Parameters) -> dict[str, Scores]:
    """Scores of one estimator; with `order` also what it says before words are taken off."""
    runs = run_seeds(pool, method)
    values = np.array([run.providers for run in runs])
    blocks = [run.blocks for run in runs if run.blocks is not None]
    mean = np.mean(blocks, axis=0) if blocks else None
    errors = standard_errors(values, mean, pool.training.owners, pool.training.clusters)
    found = {method.estimator: Scores(values.mean(0), errors)}
    if "gains" in runs[0].log:
        gains = np.mean([run.log["gains"] for run in runs], axis=0)
        found[f"{method.estimator}, words paid in full"] = Scores(gains)
    return found


def _computed(name: str, compute: Callable[[], NDArray[np.float64]]) -> dict[str, Scores]:
    return {name: Scores(compute())}


def predictors(
    pool: Pool,
    parameters: Parameters,
    plan: Plan,
    cache: Path,
    extra: Mapping[str, Predictor],
    progress: Progress,
) -> dict[str, Scores]:
    """Scores of all estimators and baselines, each timed on one thread, and cached."""
    facts = [CODE_VERSION, parameters.to_json(), pool_digest(pool)]
    state = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    seed = parameters.seeds[0]
    chosen: dict[str, Callable[[], dict[str, Scores]]] = {}
    for name in plan.estimators:
        # The others are published for the loss itself, at a model trained on everything.
        method = replace(parameters, estimator=name)
        if name not in UNROLLED:
            method = replace(method, share=1.0, order=0.0)
        chosen[name] = partial(_estimated, pool, method)
    for name, compute in extra.items():
        chosen[name] = partial(_computed, name, partial(compute, pool, parameters))
    chosen["perplexity"] = partial(
        _computed,
        "perplexity",
        lambda: baselines.perplexity(
            make_model(parameters.model, seed), pool, parameters.recipe, seed
        ),
    )
    chosen["volume"] = partial(_computed, "volume", lambda: pool.volumes.astype(np.float64))
    results: dict[str, Scores] = {}
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number, (name, compute_scores) in enumerate(chosen.items()):
        progress(name, number, len(chosen))
        path = cache / f"scores-{state}-{name.replace(' ', '-')}.json"
        if not path.exists():
            start = time.process_time()
            with pinned_kernels():
                found = compute_scores()
            seconds = time.process_time() - start
            rows = {
                label: {
                    "values": score.values.tolist(),
                    "errors": None if score.errors is None else score.errors.tolist(),
                    "seconds": seconds,
                }
                for label, score in found.items()
            }
            path.write_text(json.dumps(rows))
        for label, row in json.loads(path.read_text()).items():
            errors = None if row["errors"] is None else np.array(row["errors"])
            results[label] = Scores(np.array(row["values"]), errors, row["seconds"])
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
    progress: Progress = silent,
) -> dict[str, Any]:
    """Compare all predictors with retraining; returns a JSON-compatible result.

    Args:
        seed_corpus: public documents.
        submissions: provider to documents.
        evaluation: held-out documents; split here into parts A and B.
        parameters: method; its seeds must not be among the plan's.
        plan: size of the evaluation.
        cache: directory of finished retrainings.
        extra: further predictors by name.
        progress: told how far each stage is.
    """
    part_a, part_b = split(evaluation)
    pool = make_pool(seed_corpus, submissions, part_a, parameters.model, outcome=part_b)
    halves = random_halves(len(pool.providers), plan.subsets)
    scores = predictors(pool, parameters, plan, cache, extra or {}, progress)
    truths = {}
    for name in plan.truths:
        seeds = plan.seeds if name == "same" else plan.transfer_seeds
        with_alone = name == "same" and plan.eligibility and parameters.estimator in scores
        n = len(pool.providers)
        truth = Truth(
            pool,
            TRUTHS[name](parameters),
            cache,
            progress=progress,
            stage=f"retraining, {name}",
            total=len(seeds) * (len(halves) + (1 + with_alone) * n + 2),
        )
        truths[name] = _retrained(truth, seeds, halves, with_alone=with_alone)
    same = truths.get("same")
    if same is not None:
        scores[EXACT] = Scores(same.exact, seconds=same.seconds)
    eligible = []
    if same is not None and same.alone is not None:
        eligible = eligibility(scores[parameters.estimator], same.alone, same.last)
    return {
        "providers": {
            name: {
                "tokens": int(pool.volumes[k]),
                "duplicates": 1 - pool.characters[name][1] / max(1, pool.characters[name][0]),
            }
            for k, name in enumerate(pool.providers)
        },
        "tokens": {
            "seed": int(pool.training.sizes[pool.training.owners == 0].sum()),
            "providers": int(pool.volumes.sum()),
            "part_a": int(pool.evaluation.sizes.sum()),
            "part_b": int(pool.outcome.sizes.sum()) if pool.outcome else 0,
        },
        "truths": {name: _compared(name, truth, same) for name, truth in truths.items()},
        "rows": [_row(name, each, halves, truths, plan) for name, each in scores.items()],
        "eligibility": eligible,
        "plan": asdict(plan),
        "parameters": parameters.to_json(),
        "code": CODE_VERSION,
    }


@dataclass(frozen=True, slots=True)
class Retrained:
    """What one truth says of all providers.

    Attributes:
        facts: of it, as values to keep.
        halves: [R, K] gain of each random half under R seeds, on part B.
        last: [R, n] loss gain of every provider over all others, on part B.
        alone: [R, n] loss gain of every provider alone, on part B; None where it was not asked.
        exact: [n] mean loss gain of every provider over all others, on part A.
        seconds: processor time that `exact` took.
    """

    facts: dict[str, Any]
    halves: NDArray[np.float64]
    last: NDArray[np.float64]
    alone: NDArray[np.float64] | None
    exact: NDArray[np.float64]
    seconds: float


def _retrained(
    truth: Truth, seeds: Sequence[int], halves: Sequence[Sequence[int]], *, with_alone: bool
) -> Retrained:
    on_halves = -truth.table(seeds, halves)
    last, ends = truth.last(seeds)
    alone = truth.first(seeds)[1] if with_alone else None
    method = truth.parameters
    facts = {
        "parameters": int(make_model(method.model, 0).theta.numel()),
        "steps": method.recipe.steps,
        "retrainings": len(truth),
        "seconds": truth.seconds,
        "loss": {"base": float(ends[1, :, 0].mean()), "all": float(ends[1, :, 1].mean())},
        "lds": _limits(on_halves),
        "leave_one_out": _limits(last),
        "halves": on_halves[1].mean(0).tolist(),
        "without": last[1].mean(0).tolist(),
    }
    count = len(seeds) * (last.shape[-1] + 1)
    seconds = truth.seconds * count / max(1, len(truth))
    return Retrained(facts, on_halves[1], last[1], alone, last[0].mean(0), seconds)


def _compared(name: str, truth: Retrained, same: Retrained | None) -> dict[str, Any]:
    """Facts of a truth; of another model or training also whether it agrees with the same one."""
    if name == "same" or same is None:
        return truth.facts
    agrees = {
        "lds": correlation(same.halves.mean(0), truth.halves.mean(0)),
        "leave_one_out": correlation(same.last.mean(0), truth.last.mean(0)),
    }
    return truth.facts | {
        kind: truth.facts[kind] | {"agrees_with_same": value} for kind, value in agrees.items()
    }


def _row(
    name: str,
    score: Scores,
    halves: Sequence[Sequence[int]],
    truths: Mapping[str, Retrained],
    plan: Plan,
) -> dict[str, Any]:
    """How well one predictor's scores agree with each truth."""
    predicted = np.array([score.values[list(half)].sum() for half in halves])
    return {
        "predictor": name,
        "seconds": score.seconds,
        "truths": {
            truth_name: {
                "lds": interval(predicted, truth.halves, plan.bootstrap),
                "leave_one_out": interval(score.values, truth.last, plan.bootstrap),
            }
            for truth_name, truth in truths.items()
        },
        "scores": score.values.tolist(),
        "errors": None if score.errors is None else score.errors.tolist(),
        "halves": predicted.tolist(),
    }


def _limits(true: NDArray[np.float64]) -> dict[str, Any]:
    """What limits a correlation with a truth [A and B, seeds, K]."""
    return {
        "parts_agree": correlation(true[0].mean(0), true[1].mean(0)),
        "seeds_agree": agreement(true[1]),
        "ceiling": noise_ceiling(true[1]),
    }


def eligibility(
    score: Scores,
    first: NDArray[np.float64],
    last: NDArray[np.float64],
    multiples: Sequence[float] = (0.0, 0.5, 1.0, 2.0),
) -> list[dict[str, Any]]:
    """Who the lower bound `influence − m·error` leaves out or pays wrongly.

    A provider helps when its effect exceeds two standard errors of the seeds (pooled over
    providers), and harms in the same way. There are three effects: of the provider as the only one,
    of the provider as the last one, and the mean of both, which is the trapezoid rule for the
    Shapley value.

    Args:
        score: influence and its errors.
        first: [R, n] loss gain of every provider alone over the seed corpus, under R seeds.
        last: [R, n] loss gain of every provider over all others.
        multiples: values of m.
    """
    errors = score.errors if score.errors is not None else np.zeros_like(score.values)
    rows = []
    for effect, gains in (("alone", first), ("last", last), ("mean", (first + last) / 2)):
        noise = np.sqrt(gains.var(0, ddof=1).mean() / len(gains)) if len(gains) > 1 else 0.0
        helps, harms = gains.mean(0) > 2 * noise, gains.mean(0) < -2 * noise
        for m in multiples:
            paid = score.values - m * errors > 0
            rows.append(
                {
                    "effect": effect,
                    "m": m,
                    "helpful": int(helps.sum()),
                    "helpful_left_out": int((helps & ~paid).sum()),
                    "harmful": int(harms.sum()),
                    "harmful_paid": int((harms & paid).sum()),
                }
            )
    return rows
