"""Estimators that retrain the model without some providers, and so know nothing of blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oracles.impact.problem import Influence, Problem
from oracles.impact.training import retrain

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Utility:
    """V(S): gain over the base model by training from scratch on S.

    With `Problem.order` that part of the gain on disordered text is taken off.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._losses: dict[frozenset[int], float] = {}

    def __call__(self, providers: frozenset[int]) -> float:
        """V(S) for provider indices S; each is computed once."""
        return self._loss(frozenset()) - self._loss(providers)

    def _loss(self, providers: frozenset[int]) -> float:
        if providers not in self._losses:
            problem = self._problem
            validation = problem.pool.evaluation
            theta = retrain(
                problem.model,
                problem.pool.training,
                problem.recipe,
                problem.seed,
                sorted(providers),
                validation,
            )
            text, *disordered = problem.losses(theta)
            self._losses[providers] = float(text - problem.order * sum(disordered))
        return self._losses[providers]

    @property
    def evaluations(self) -> int:
        """Trainings done so far."""
        return len(self._losses)


def ablation(problem: Problem) -> Influence:
    """Retrain without each provider (share > 0), or with it alone."""
    utility = Utility(problem)
    everyone = frozenset(range(len(problem.pool.providers)))
    if problem.share > 0:
        gains = [utility(everyone) - utility(everyone - {k}) for k in sorted(everyone)]
    else:
        gains = [utility(frozenset({k})) for k in sorted(everyone)]
    return Influence(np.array(gains), None, {"retrainings": utility.evaluations}, {})


def surrogate(problem: Problem, pairs: int = 12) -> Influence:
    """Shapley values by regression on retrainings, with half of the providers and with the others.

    In the difference V(S) − V(rest) all that two providers do together cancels, so that what is
    left is nearly a sum over providers (paired sampling, Covert & Lee 2021). Everyone against
    nobody is the first pair: values add up to about the whole gain. The ridge penalty is chosen by
    leave-one-out error.

    Args:
        problem: what is solved; its `share` is not used.
        pairs: of opposite sets of providers, each of which costs two retrainings.
    """
    n = len(problem.pool.providers)
    utility = Utility(problem)
    rng = np.random.default_rng([problem.seed, 3])
    signs = np.ones((pairs, n))
    for row in signs[1:]:
        row[rng.permutation(n)[: n // 2]] = -1
    differences = np.array(
        [
            utility(frozenset(np.flatnonzero(row > 0).tolist()))
            - utility(frozenset(np.flatnonzero(row < 0).tolist()))
            for row in signs
        ]
    )
    fits: list[tuple[float, NDArray[np.float64]]] = []
    for penalty in 10.0 ** np.arange(-2.0, 3.5, 0.5):
        inverse = np.linalg.inv(signs @ signs.T + penalty * np.eye(pairs))
        dual = inverse @ differences
        fits.append((float(np.square(dual / np.diag(inverse)).mean()), signs.T @ dual))
    error, values = min(fits, key=lambda fit: fit[0])
    scale = float(np.square(differences).mean())
    log = {
        "retrainings": utility.evaluations,
        "leave_one_out_r2": 1 - error / scale if scale else 0.0,
    }
    return Influence(values, None, log, {})


def shapley(
    problem: Problem,
    tolerance: float = 0.05,
    least: int = 4,
    most: int = 64,
    truncation: float = 0.01,
) -> Influence:
    """Monte-Carlo Shapley value over provider permutations (Ghorbani & Zou 2019).

    A permutation and its reverse are used together. Within one, providers after the point where
    V is within `truncation` of V(all) get 0. Stops when every standard error is below `tolerance`
    times the largest value, or after `most` permutations.
    """
    n = len(problem.pool.providers)
    utility = Utility(problem)
    full = utility(frozenset(range(n)))
    rng = np.random.default_rng([problem.seed, 2])
    pairs: list[NDArray[np.float64]] = []
    error = np.full(n, np.inf)
    while 2 * len(pairs) < most:
        forward = rng.permutation(n)
        both = np.zeros(n)
        for order in (forward, forward[::-1]):
            chosen: frozenset[int] = frozenset()
            value = 0.0
            for provider in order.tolist():
                if abs(full - value) <= truncation * abs(full):
                    break
                chosen |= {provider}
                after = utility(chosen)
                both[provider] += (after - value) / 2
                value = after
        pairs.append(both)
        if 2 * len(pairs) >= least and len(pairs) > 1:
            error = np.std(pairs, axis=0, ddof=1) / np.sqrt(len(pairs))
            if error.max() <= tolerance * np.abs(np.mean(pairs, axis=0)).max():
                break
    log = {
        "permutations": 2 * len(pairs),
        "retrainings": utility.evaluations,
        "standard_errors": [float(e) for e in error],
        "value_of_all": full,
    }
    return Influence(np.mean(pairs, axis=0), None, log, {"permutation_pairs": np.array(pairs)})
