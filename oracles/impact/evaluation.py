"""How well φ̂ predicts what retraining really gives: provider-level LDS and its relatives.

The evaluation set is split. Estimators see part A, on which trainings also stop early; every
outcome is the loss on part B. The truth (`oracles.impact.truth`) is always retraining from scratch,
under seeds that no estimator uses.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.impact import baselines
from oracles.impact.corpus import split
from oracles.impact.correlations import correlation, interval
from oracles.impact.estimate import (
    CODE_VERSION,
    Parameters,
    make_model,
    make_pool,
    pinned_kernels,
    run_seeds,
)
from oracles.impact.report import standard_errors
from oracles.impact.truth import TRUTHS, Retrained, Truth, pool_digest, random_halves, retrained
from oracles.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from oracles.dataset import Document
    from oracles.impact.corpus import Pool
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


#: Estimators that are measured as an auction uses them.
UNROLLED = ("aumann-shapley", "unrolled")
#: The predictor that is leave-one-out itself, on part A: what no estimate of it can better.
EXACT = "retraining without each"


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
        truths[name] = retrained(truth, seeds, halves, with_alone=with_alone)
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
