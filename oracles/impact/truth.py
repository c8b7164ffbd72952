"""What retraining from scratch gives, which φ̂ is held against.

The model is the same as φ̂'s, or one about ten times larger, or trained for twice as many steps.
Each retraining is kept, so that an interrupted evaluation goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.errors import InputError
from oracles.impact.correlations import limits
from oracles.impact.estimate import Architecture, Parameters, make_model, pinned_kernels
from oracles.impact.training import TRAINING_VERSION, mean_loss, retrain
from oracles.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from oracles.impact.corpus import Pool
    from oracles.impact.model import LanguageModel
    from oracles.progress import Progress


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


def retrained(
    truth: Truth, seeds: Sequence[int], halves: Sequence[Sequence[int]], *, with_alone: bool
) -> Retrained:
    """Ask a truth for all that an evaluation compares with it, under each seed.

    Args:
        truth: what is asked.
        seeds: of the retrainings, none of them an estimator's.
        halves: random halves of the providers.
        with_alone: retrain on each provider alone too.
    """
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
        "lds": limits(on_halves),
        "leave_one_out": limits(last),
        "halves": on_halves[1].mean(0).tolist(),
        "without": last[1].mean(0).tolist(),
    }
    count = len(seeds) * (last.shape[-1] + 1)
    seconds = truth.seconds * count / max(1, len(truth))
    return Retrained(facts, on_halves[1], last[1], alone, last[0].mean(0), seconds)
