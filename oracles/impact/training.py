"""Training as a smooth, replayable function of the weight of every owner's data, and its adjoint.

One recipe serves everything: the base model, the retrainings that are the truth, and the training
that is differentiated. Adam carries its ε inside the root, so that an update is a smooth function
of the gradient.

Compute is fixed: whatever data are used, the training has the same number of steps, and stops early
at the check with the lowest validation loss. A training at weights w divides its loss by the
weighted share s of the data, since leaving data out leaves more steps to the rest. With
`Recipe.epochs` leaving data out makes the training shorter instead: then every step size is also
multiplied by s, because Adam is blind to the scale of the loss and, to first order, fewer steps are
smaller steps. At weights 1, s = 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from oracles.passages import mixed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from oracles.impact.corpus import Sequences
    from oracles.impact.model import LanguageModel

#: Part of the name of kept retrainings: raise it with every change that may change a trained model.
TRAINING_VERSION = 5
#: Sequences that one pass holds in memory; a larger batch is summed over several passes.
CHUNK = 64


@dataclass(frozen=True, slots=True)
class Recipe:
    """How models are trained.

    Attributes:
        steps: steps of every training, whatever data it uses.
        epochs: if positive, passes over the data in use, instead of a fixed number of steps. More
            data then train longer, and influence includes what that is worth.
        batch: sequences in a step; more where `steps` steps would not read the whole pool once.
        checks: times at which the validation loss is looked at, evenly spaced, to stop early.
        learning_rate: peak step size; linear warm-up, then linear decay to 0.
        warmup: share of the steps spent warming up.
        beta1: decay of Adam's first moment.
        beta2: decay of Adam's second moment.
        epsilon: Adam's ε, added inside the root as ε².
    """

    steps: int = 400
    epochs: int = 0
    batch: int = 16
    checks: int = 4
    learning_rate: float = 8e-3
    warmup: float = 0.25
    beta1: float = 0.9
    beta2: float = 0.98
    epsilon: float = 1e-3

    def batch_size(self, sequences: int) -> int:
        """Sequences in a step for a pool of a given size, whichever subset is trained on."""
        return self.batch if self.epochs else max(self.batch, -(-sequences // self.steps))

    def rate(self, step: int, steps: int) -> float:
        """Step size of one step out of `steps`."""
        rising = (step + 1) / max(1.0, self.warmup * steps)
        falling = (steps - step) / max(1.0, (1 - self.warmup) * steps)
        return self.learning_rate * min(1.0, rising, falling)


def schedule(
    sequences: Sequences, keep: NDArray[np.bool_], recipe: Recipe, seed: int
) -> list[NDArray[np.int64]]:
    """Indices of the sequences of each step.

    In each pass the sequences are sorted by a hash of their content, the seed and the pass: adding
    or removing some never redraws the order of the others.

    Args:
        sequences: the whole pool.
        keep: [owners] which owners' sequences take part.
        recipe: training recipe.
        seed: decides the order.
    """
    batch = recipe.batch_size(len(sequences))
    rows = np.flatnonzero(keep[sequences.owner])
    total = recipe.epochs * len(rows) if recipe.epochs else recipe.steps * batch
    passes = [
        rows[np.argsort(mixed(sequences.keys[rows] ^ salt), kind="stable")]
        for salt in np.random.Philox(key=seed).random_raw(-(-total // max(1, len(rows))))
    ]
    order = np.concatenate([*passes, rows[:0]])[:total]
    return [order[first : first + batch] for first in range(0, len(order), batch)]


@dataclass(frozen=True, slots=True)
class State:
    """Parameters and Adam's moments, each [P]."""

    theta: Tensor
    first: Tensor
    second: Tensor


class Trainer:
    """Runs one recipe on one pool, forwards and backwards.

    Attributes:
        steps: indices of the sequences of each step.
    """

    def __init__(
        self,
        model: LanguageModel,
        sequences: Sequences,
        recipe: Recipe,
        seed: int,
        weights: NDArray[np.float64],
        *,
        keep_zero: bool = False,
    ) -> None:
        """Fix the data, their order and their weights.

        Args:
            model: start of the training.
            sequences: the whole pool.
            recipe: training recipe.
            seed: decides the order of sequences.
            weights: [owners] weight of each owner's loss.
            keep_zero: keep data of weight 0 in the schedule, to differentiate by their weight.
        """
        self.model = model
        self.recipe = recipe
        self.steps = schedule(sequences, (weights > 0) | keep_zero, recipe, seed)
        self._tokens = torch.from_numpy(sequences.tokens)
        self._block = sequences.block
        self._blocks = len(sequences.owners)
        step_tokens = recipe.batch_size(len(sequences)) * sequences.block.shape[1]
        taking_part = (weights > 0) | keep_zero
        tokens = np.bincount(sequences.owners, sequences.sizes, minlength=len(weights))
        self._share = float((weights * tokens).sum() / tokens[taking_part].sum())
        # What weight a block adds to the share, relative to the share.
        per_block = sequences.sizes * taking_part[sequences.owners]
        self._share_slope = per_block / (weights * tokens).sum()
        self._length = self._share if recipe.epochs else 1.0
        self._token_weight = 1 / (step_tokens * self._share)
        per_token = weights[sequences.owner][:, None] * (sequences.block >= 0)
        self._weights = torch.from_numpy(per_token * self._token_weight).to(model.theta)

    def initial(self) -> State:
        """State before the first step."""
        zero = torch.zeros_like(self.model.theta)
        return State(self.model.theta, zero, zero)

    def _chunks(self, step: int) -> list[NDArray[np.int64]]:
        rows = self.steps[step]
        return [rows[first : first + CHUNK] for first in range(0, len(rows), CHUNK)]

    def _gradient(self, theta: Tensor, step: int) -> Tensor:
        total = torch.zeros_like(theta)
        for rows in self._chunks(step):
            variable = theta.detach().requires_grad_()
            losses = self.model.token_losses(variable, self._tokens[rows])
            (gradient,) = torch.autograd.grad((losses * self._weights[rows]).sum(), variable)
            total += gradient
        return total

    def _rate(self, step: int) -> float:
        return self._length * self.recipe.rate(step, len(self.steps))

    def _corrections(self, step: int) -> tuple[float, float]:
        return 1 - self.recipe.beta1 ** (step + 1), 1 - self.recipe.beta2 ** (step + 1)

    def advance(self, state: State, step: int) -> State:
        """One Adam step."""
        recipe = self.recipe
        gradient = self._gradient(state.theta, step)
        first = torch.lerp(gradient, state.first, recipe.beta1)
        second = torch.lerp(gradient.square(), state.second, recipe.beta2)
        unbias1, unbias2 = self._corrections(step)
        root = torch.sqrt(second / unbias2 + recipe.epsilon**2)
        rate = self._rate(step) / unbias1
        return State(state.theta - rate * first / root, first, second)

    def _checks(self) -> frozenset[int]:
        """Numbers of steps after which the validation loss is looked at."""
        total, checks = len(self.steps), max(1, self.recipe.checks)
        return frozenset(math.ceil(total * (k + 1) / checks) for k in range(checks))

    def run(self, validate: Callable[[Tensor], float] | None = None) -> Tensor:
        """Train and return θ, [P]: of the check with the lowest validation loss, else the last.

        Args:
            validate: θ [P] to the loss that decides when to stop.
        """
        state, best, least = self.initial(), self.model.theta, math.inf
        checks = self._checks() if validate else frozenset()
        for step in range(len(self.steps)):
            state = self.advance(state, step)
            if validate and step + 1 in checks and (loss := validate(state.theta)) < least:
                best, least = state.theta, loss
        return best if validate and self.steps else state.theta

    def checkpoints(self, count: int) -> Iterator[tuple[float, Tensor]]:
        """Train, yielding (summed step size, θ) at `count` evenly spaced steps (for TracIn)."""
        state, total, rate = self.initial(), len(self.steps), 0.0
        due = {math.ceil(total * (k + 1) / count) for k in range(count)}
        for step in range(total):
            state = self.advance(state, step)
            rate += self._rate(step)
            if step + 1 in due:
                yield rate, state.theta
                rate = 0.0

    def adjoint(
        self,
        gradient_at: Callable[[Tensor], Tensor],
        validate: Callable[[Tensor], float] | None = None,
        *,
        memory: int = 2**30,
    ) -> tuple[Tensor, NDArray[np.float64]]:
        """Derivative of functions of the trained θ by the weight of every block.

        Reverse-mode differentiation through the whole training: exact, and its cost does not grow
        with the number of blocks or owners. Each further function costs about half as much as
        the first. States are kept for one segment of the training at a
        time and replayed from the segment's start, so that memory stays below a bound (Griewank &
        Walther 2000, one level).

        Args:
            gradient_at: θ [P] to the gradients [K, P] of K functions.
            validate: as in `run`; the derivative is that of the θ that `run` returns.
            memory: bytes for stored states.

        Returns:
            The trained θ [P], and the derivatives [K, B] by block weights at the given weights.
        """
        total = len(self.steps)
        state_bytes = 3 * self.model.theta.nbytes
        # States of one segment plus the start of every segment fit into the bound; the square root
        # is the smallest sum, so that nothing better exists when the bound is below it.
        length = total
        if total * state_bytes > memory:
            length = max(math.isqrt(total - 1) + 1, memory // (2 * state_bytes))
        starts: list[State] = []
        states = [self.initial()]
        checks = self._checks() if validate else frozenset()
        stop, theta, least = total, self.model.theta, math.inf
        for step in range(total):
            if step % length == 0:
                starts.append(states[-1])
                states = states[-1:]
            states.append(self.advance(states[-1], step))
            if validate and step + 1 in checks and (loss := validate(states[-1].theta)) < least:
                stop, theta, least = step + 1, states[-1].theta, loss
        if stop == total:
            theta = states[-1].theta
        elif stop > (len(starts) - 1) * length:
            states = states[: stop - (len(starts) - 1) * length + 1]
        else:
            starts, states = starts[: -(-stop // length)], states[:1]
        slopes = gradient_at(theta)
        adjoint = State(slopes, torch.zeros_like(slopes), torch.zeros_like(slopes))
        derivative = np.zeros((len(slopes), self._blocks))
        by_share = np.zeros(len(slopes))
        for segment in reversed(range(len(starts))):
            begin, end = segment * length, min(stop, (segment + 1) * length)
            start = starts.pop()
            if len(states) == 1:
                states = [start]
                for step in range(begin, end):
                    states.append(self.advance(states[-1], step))
            for step in reversed(range(begin, end)):
                after = states.pop()
                # Relative change of the share: a smaller loss (in `_reverse`), and longer steps.
                if self.recipe.epochs:
                    by_share += (adjoint.theta @ (after.theta - states[-1].theta)).cpu().numpy()
                adjoint, scaled = self._reverse(adjoint, states[-1], after, step, derivative)
                by_share -= scaled
        return theta, derivative + by_share[:, None] * self._share_slope

    def _reverse(
        self,
        adjoint: State,
        before: State,
        after: State,
        step: int,
        derivative: NDArray[np.float64],
    ) -> tuple[State, NDArray[np.float64]]:
        """Pull the adjoints of a step's result back to its start; adds to `derivative` in place.

        Returns:
            The adjoints before the step, and the derivatives [K] by the logarithm of the loss's
            scale.
        """
        recipe = self.recipe
        unbias1, unbias2 = self._corrections(step)
        rate = self._rate(step) / unbias1
        square = after.second / unbias2 + recipe.epsilon**2
        first = adjoint.first - rate * adjoint.theta / square.sqrt()
        second = adjoint.second + (0.5 * rate / unbias2) * adjoint.theta * after.first * (
            square.pow(-1.5)
        )
        chunks = self._chunks(step)
        whole = self._gradient(before.theta, step) if len(chunks) > 1 else None
        by_theta, scaled = adjoint.theta, np.zeros(len(derivative))
        for rows in chunks:
            variable = before.theta.detach().requires_grad_()
            weights = self._weights[rows].requires_grad_()
            losses = self.model.token_losses(variable, self._tokens[rows])
            (gradient,) = torch.autograd.grad((losses * weights).sum(), variable, create_graph=True)
            with torch.no_grad():
                summed = gradient if whole is None else whole
                inner = (1 - recipe.beta1) * first + (2 * (1 - recipe.beta2)) * summed * second
            # gradient·inner is linear in the token weights: its derivative by them is each token's
            # directional derivative along `inner`; its derivative by θ is the Hessian product.
            products = [gradient @ direction for direction in inner]
            pulled = [
                torch.autograd.grad(product, (variable, weights), retain_graph=True)
                for product in products
            ]
            by_theta = by_theta + torch.stack([hessian for hessian, _ in pulled])
            scaled += [float(product.detach()) for product in products]
            block = self._block[rows]
            real = block >= 0
            for row, (_, tokens) in zip(derivative, pulled, strict=True):
                per_token = tokens.double().cpu().numpy()[real] * self._token_weight
                np.add.at(row, block[real], per_token)
        return State(by_theta, recipe.beta1 * first, recipe.beta2 * second), scaled


def mean_loss(
    model: LanguageModel, theta: Tensor, sequences: Sequences, batch: int = 64
) -> tuple[float, NDArray[np.float64]]:
    """Mean token loss in nats, and the summed loss of each block [B], in float64."""
    sums = np.zeros(len(sequences.owners))
    with torch.no_grad():
        for first in range(0, len(sequences), batch):
            rows = slice(first, first + batch)
            losses = model.token_losses(theta, torch.from_numpy(sequences.tokens[rows]))
            block = sequences.block[rows]
            real = block >= 0
            np.add.at(sums, block[real], losses.double().cpu().numpy()[real])
    return float(sums.sum() / sequences.sizes.sum()), sums


def mean_gradient(
    model: LanguageModel, theta: Tensor, sequences: Sequences, batch: int = 64
) -> Tensor:
    """Gradient [P] of the mean token loss, summed over batches in float64."""
    total = torch.zeros_like(theta, dtype=torch.float64)
    tokens = float(sequences.sizes.sum())
    for first in range(0, len(sequences), batch):
        rows = slice(first, first + batch)
        variable = theta.detach().requires_grad_()
        losses = model.token_losses(variable, torch.from_numpy(sequences.tokens[rows]))
        real = torch.from_numpy(sequences.block[rows] >= 0).to(theta.device)
        (gradient,) = torch.autograd.grad((losses * real).sum(), variable)
        total += gradient
    return (total / tokens).to(theta.dtype)


def retrain(
    model: LanguageModel,
    sequences: Sequences,
    recipe: Recipe,
    seed: int,
    providers: Sequence[int],
    validation: Sequences | None = None,
) -> Tensor:
    """Train on the seed corpus and on some providers only; returns θ, [P].

    Args:
        model: start of the training.
        sequences: the whole pool.
        recipe: training recipe.
        seed: decides the order of sequences.
        providers: indices of the providers whose data are used, from 0.
        validation: sequences on which early stopping looks; none trains to the end.
    """
    weights = np.zeros(int(sequences.owner.max()) + 1)
    weights[[0, *(provider + 1 for provider in providers if provider + 1 < len(weights))]] = 1
    validate = None if validation is None else partial(_loss, model, validation)
    return Trainer(model, sequences, recipe, seed, weights).run(validate)


def _loss(model: LanguageModel, sequences: Sequences, theta: Tensor) -> float:
    return mean_loss(model, theta, sequences)[0]
