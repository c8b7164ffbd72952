"""What an estimator of influence is asked, and what it answers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from oracles.impact.training import Recipe, Trainer, mean_gradient, mean_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from oracles.impact.corpus import Pool, Sequences
    from oracles.impact.model import LanguageModel

#: Gauss-Legendre quadrature on [0, 1] by the number of its points: each with its weight. Written
#: out, so that machines agree to the last bit.
QUADRATURE: dict[int, tuple[tuple[float, float], ...]] = {
    1: ((0.5, 1.0),),
    2: ((0.5 - math.sqrt(1 / 12), 0.5), (0.5 + math.sqrt(1 / 12), 0.5)),
    3: ((0.5 - math.sqrt(0.15), 5 / 18), (0.5, 8 / 18), (0.5 + math.sqrt(0.15), 5 / 18)),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One model and one pool, under one seed.

    Attributes:
        model: start of the training.
        pool: documents of the auction.
        recipe: how models are trained.
        seed: order of the data and random probes.
        share: where influence is taken, on the way from no submissions (0, add-one at the base
            model) to all of them at full weight (1, leave-one-out): their part of the training
            tokens, by weight, as a share of the part that they hold in full.
        order: part of the gain on disordered text that is taken off, see `Parameters`.
        memory: bytes that stored training states may take.
    """

    model: LanguageModel
    pool: Pool
    recipe: Recipe
    seed: int
    share: float
    order: float = 0.0
    memory: int = 2**30

    @property
    def held(self) -> float:
        """Part of the training tokens that the submissions hold at full weight."""
        return int(self.pool.volumes.sum()) / int(self.pool.training.sizes.sum())

    @property
    def weight(self) -> float:
        """Weight of the submissions at which they hold `share` of what they hold in full.

        The zero of influence depends on it. Compute is fixed, so influence times weight adds up to
        zero over all owners, the seed corpus included: data is worth what it is better than the
        rest. With a fixed weight a large pool would leave next to nothing of the seed corpus to
        compare with, and half of the honest providers would be worth less than nothing.
        """
        return self.share * (1 - self.held) / (1 - self.share * self.held)

    def path(self, points: int) -> list[tuple[Problem, float]]:
        """This problem on the way from no submissions to all of them, to integrate along it.

        Quadrature by `share`: in it the loss falls more evenly than in the weight of the
        submissions, most of which adds little.

        Args:
            points: at which the integrand is taken, 1 to 3.

        Returns:
            The problem at each point, and the length of weight for which it stands.
        """
        return [
            # The slope of the weight by the share, times the length of share.
            (
                replace(self, share=share),
                length * (1 - self.held) / (1 - share * self.held) ** 2,
            )
            for share, length in QUADRATURE[points]
        ]

    def trainer(self) -> Trainer:
        """Training on the seed corpus and on all submissions at `weight`."""
        weights = np.full(len(self.pool.providers) + 1, self.weight)
        weights[0] = 1.0
        training, recipe = self.pool.training, self.recipe
        return Trainer(self.model, training, recipe, self.seed, weights, keep_zero=True)

    @property
    def targets(self) -> tuple[Sequences, ...]:
        """Texts on which a gain counts: the evaluation set and, with `order`, its words alone."""
        return (self.pool.evaluation, self.pool.disordered)[: 1 + bool(self.order)]

    def gradients(self, theta: Tensor) -> Tensor:
        """Gradient of the mean loss on each of the `targets`, [K, P]."""
        return torch.stack([mean_gradient(self.model, theta, target) for target in self.targets])

    def losses(self, theta: Tensor) -> NDArray[np.float64]:
        """Mean loss on each of the `targets`, nats per token, [K]."""
        return np.array([mean_loss(self.model, theta, target)[0] for target in self.targets])

    def evaluation_loss(self, theta: Tensor) -> float:
        """Mean evaluation loss in nats per token; it decides when a training stops."""
        return mean_loss(self.model, theta, self.pool.evaluation)[0]

    def part_of_words(self, gains: NDArray[np.float64]) -> NDArray[np.float64]:
        """Factor by which each provider's gain on disordered text is taken off, [n].

        Words alone lower the loss on both texts, however they are dressed; only text lowers the
        first by more. A loss on disordered text is not rewarded: a gain is never paid twice.

        Args:
            gains: of each provider on each of the `targets`, [K, n].
        """
        return self.order * (gains[-1] > 0) if self.order else np.zeros(gains.shape[1])


@dataclass(frozen=True, slots=True)
class Influence:
    """What one run of an estimator found.

    Attributes:
        providers: [n] gain in mean evaluation loss, nats per token.
        blocks: [B] the same by block of text (0 for the seed corpus), if the estimator has
            it; sums to `providers`.
        log: JSON-compatible intermediate values.
        tensors: intermediate tensors, for the evidence bundle.
    """

    providers: NDArray[np.float64]
    blocks: NDArray[np.float64] | None
    log: dict[str, Any]
    tensors: dict[str, NDArray[Any]]
