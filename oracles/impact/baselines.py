"""What φ̂ has to beat: scores of a provider that need no derivative of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oracles.impact.training import mean_loss, retrain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from oracles.impact.corpus import Pool
    from oracles.impact.model import LanguageModel
    from oracles.impact.training import Recipe


def perplexity(model: LanguageModel, pool: Pool, recipe: Recipe, seed: int) -> NDArray[np.float64]:
    """Minus the mean token loss of each provider under the base model, [n]."""
    theta = retrain(model, pool.training, recipe, seed, [])
    sums = mean_loss(model, theta, pool.training)[1]
    n = len(pool.providers)
    losses = np.bincount(pool.training.owners, sums, minlength=n + 1)[1:]
    return np.asarray(-losses / np.maximum(pool.volumes, 1))
