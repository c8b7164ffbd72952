"""Estimators of what each document, or each provider, is worth to the trained model.

All answer one question: by how much would the evaluation loss rise without this data? Positive is
good. Appendix D writes the change of the loss, `−g_iᵀ H⁻¹ ḡ`; here the sign is that of the gain.

Except for those that retrain, an estimator gives one number a document, from one direction in
parameter space: the influence of a document is the directional derivative of its summed loss. Sums,
not means, so that volume counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from oracles.errors import InputError
from oracles.impact.training import Recipe, Trainer, mean_gradient, mean_loss, retrain

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from oracles.impact.corpus import Pool, Sequences
    from oracles.impact.model import LanguageModel


#: Sequences on which curvature is measured.
CURVATURE_SAMPLE = 128
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
        documents: [D] the same by training document (0 for the seed corpus), if the estimator has
            it; sums to `providers`.
        log: JSON-compatible intermediate values.
        tensors: intermediate tensors, for the evidence bundle.
    """

    providers: NDArray[np.float64]
    documents: NDArray[np.float64] | None
    log: dict[str, Any]
    tensors: dict[str, NDArray[Any]]


def document_derivatives(
    model: LanguageModel, theta: Tensor, direction: Tensor, sequences: Sequences, batch: int = 64
) -> NDArray[np.float64]:
    """Directional derivative of each document's summed loss, [D], in one streamed pass."""
    sums = np.zeros(len(sequences.owners))
    for first in range(0, len(sequences), batch):
        rows = slice(first, first + batch)
        tokens = torch.from_numpy(sequences.tokens[rows])
        variable = theta.detach().requires_grad_()
        losses = model.token_losses(variable, tokens)
        weights = torch.ones_like(losses, requires_grad=True)
        (gradient,) = torch.autograd.grad((losses * weights).sum(), variable, create_graph=True)
        # gradient·direction is linear in the weights: its derivative by them is what is wanted.
        (slopes,) = torch.autograd.grad(gradient @ direction, weights)
        document = sequences.document[rows]
        real = document >= 0
        np.add.at(sums, document[real], slopes.double().cpu().numpy()[real])
    return sums


def _found(
    problem: Problem,
    documents: NDArray[np.float64],
    log: dict[str, Any],
    tensors: dict[str, NDArray[Any]],
) -> Influence:
    """Sum documents to providers; the seed corpus is public and earns nothing.

    Args:
        problem: what was solved.
        documents: gain [K, D] by each document on each of the `targets`.
        log: JSON-compatible intermediate values, extended here.
        tensors: intermediate tensors.
    """
    owners = problem.pool.training.owners
    n = len(problem.pool.providers)
    documents = np.where(owners > 0, documents, 0.0)
    gains = np.array([np.bincount(owners, row, minlength=n + 1)[1:] for row in documents])
    part = problem.part_of_words(gains)
    net = documents[0] - np.concatenate([np.zeros(1), part])[owners] * documents[-1]
    sums = np.bincount(owners, net, minlength=n + 1)[1:].astype(np.float64)
    if problem.order:
        log = {**log, "gains": gains[0].tolist(), "gains_disordered": gains[1].tolist()}
    return Influence(sums, net, log, tensors)


def unrolled(problem: Problem) -> Influence:
    """Exact derivative of the final evaluation loss through the whole training.

    Reverse mode through every Adam step (MAGIC, Ilyas & Engstrom 2025): no Hessian is inverted and
    no convergence is assumed. About four times the cost of the training itself.
    """
    trainer = problem.trainer()
    theta, derivative = trainer.adjoint(
        problem.gradients, problem.evaluation_loss, memory=problem.memory
    )
    log = {"evaluation_loss": problem.evaluation_loss(theta), "steps": len(trainer.steps)}
    return _found(problem, -derivative, log, {"theta": theta.cpu().numpy()})


def aumann_shapley(problem: Problem, points: int = 3) -> Influence:
    """What `unrolled` finds, integrated over the weight of all submissions from 0 to 1.

    The value of a game of many small players (Aumann & Shapley 1974). Up to the error of the
    quadrature, all influences add up to the loss between the ends of the path, so that providers
    who can stand for one another share what either is worth. It knows documents and no
    owners, so that nobody gains by splitting a data set. The problem's `share` is not used.

    Args:
        problem: what is solved.
        points: of the path, 1 to 3; each costs as much as `unrolled`.
    """
    documents = np.zeros((len(problem.targets), len(problem.pool.training.owners)))
    losses: list[float] = []
    trained: list[NDArray[Any]] = []
    for point, length in problem.path(points):
        theta, derivative = point.trainer().adjoint(
            point.gradients, point.evaluation_loss, memory=problem.memory
        )
        documents -= length * derivative
        losses.append(point.evaluation_loss(theta))
        trained.append(theta.cpu().numpy())
    log = {"evaluation_losses": losses}
    return _found(problem, documents, log, {"theta": np.stack(trained)})


class Curvature:
    """The Gauss-Newton matrix G of the mean training loss, as products with vectors.

    Attributes:
        size: number of parameters P.
    """

    def __init__(self, problem: Problem, theta: Tensor, sample: int = CURVATURE_SAMPLE) -> None:
        """Fix the sequences on which curvature is measured: a seeded sample of the training set."""
        self._model, self._theta = problem.model, theta
        rng = np.random.default_rng([problem.seed, 1])
        total = len(problem.pool.training)
        rows = np.sort(rng.choice(total, min(sample, total), replace=False))
        self._tokens = torch.from_numpy(problem.pool.training.tokens[rows])
        real = problem.pool.training.document[rows] >= 0
        self._real = torch.from_numpy(real).to(theta.device)
        self._generator = torch.Generator().manual_seed(problem.seed)
        self.size = theta.numel()
        self.rows = rows

    def product(self, vector: Tensor, batch: int = 64) -> Tensor:
        """G·v, [P], summed in float64."""
        total = torch.zeros_like(self._theta, dtype=torch.float64)
        for first in range(0, len(self._tokens), batch):
            inputs = self._tokens[first : first + batch, :-1]
            real = self._real[first : first + batch, :, None]
            variable = self._theta.detach().requires_grad_()
            logits = self._model.logits(variable, inputs)
            # J v as the derivative of (uᵀ J) v by u: two reverse passes, exact for any u.
            u = torch.zeros_like(logits, requires_grad=True)
            (pulled,) = torch.autograd.grad(logits, variable, u, create_graph=True)
            (slope,) = torch.autograd.grad(pulled @ vector, u, retain_graph=True)
            p = torch.softmax(logits.detach(), -1)
            curved = p * (slope - (p * slope).sum(-1, keepdim=True)) * real
            (part,) = torch.autograd.grad(logits, variable, curved)
            total += part
        return (total / float(self._real.sum())).to(vector.dtype)

    def diagonal(self, probes: int = 8) -> Tensor:
        """Hutchinson's estimate E[z ⊙ G z] of the diagonal, clipped at 0 (Bekas et al. 2007)."""
        total = torch.zeros_like(self._theta, dtype=torch.float64)
        for _ in range(probes):
            z = torch.randint(0, 2, (self.size,), generator=self._generator).to(self._theta) * 2 - 1
            total += z * self.product(z)
        return (total / probes).clamp_min(0).to(self._theta.dtype)


def _trained(problem: Problem) -> Tensor:
    return problem.trainer().run(problem.evaluation_loss)


def _along(
    problem: Problem,
    theta: Tensor,
    solve: Callable[[Tensor], Tensor],
    log: dict[str, Any],
) -> Influence:
    """Influence of each document along H⁻¹ḡ, where `solve` multiplies by H⁻¹."""
    training = problem.pool.training
    directions = [solve(gradient) for gradient in problem.gradients(theta)]
    documents = np.array(
        [
            document_derivatives(problem.model, theta, direction, training)
            for direction in directions
        ]
    )
    tensors = {
        "theta": theta.cpu().numpy(),
        "directions": torch.stack(directions).cpu().numpy(),
    }
    return _found(problem, documents / float(training.sizes.sum()), log, tensors)


def gradient(problem: Problem) -> Influence:
    """Gradient product `g_iᵀ ḡ`: the inverse Hessian replaced by the identity."""
    return _along(problem, _trained(problem), lambda slope: slope, {})


def hutchinson(problem: Problem) -> Influence:
    """Inverse of the damped Gauss-Newton diagonal, found by Hutchinson probes (Appendix D).

    Damping is the mean of the diagonal: the mean eigenvalue of G.
    """
    theta = _trained(problem)
    diagonal = Curvature(problem, theta).diagonal()
    damping = float(diagonal.double().mean())
    return _along(problem, theta, lambda slope: slope / (diagonal + damping), {"damping": damping})


def conjugate_gradient(
    problem: Problem, iterations: int = 25, tolerance: float = 1e-2
) -> Influence:
    """Solve `(G + λI) s = ḡ` by conjugate gradients with the Hutchinson diagonal in front.

    λ is the mean eigenvalue of G. The relative residuals reached are logged as `residuals`.
    """
    theta = _trained(problem)
    curvature = Curvature(problem, theta)
    diagonal = curvature.diagonal()
    damping = float(diagonal.double().mean())
    preconditioner = 1 / (diagonal.double() + damping)
    used: list[int] = []
    residuals: list[float] = []

    def solve(slope: Tensor) -> Tensor:
        target = slope.double()
        x = torch.zeros_like(target)
        residual = target.clone()
        z = preconditioner * residual
        p = z.clone()
        rz = residual @ z
        steps = 0
        while steps < iterations and float(residual.norm() / target.norm()) > tolerance:
            product = curvature.product(p.to(theta.dtype)).double() + damping * p
            alpha = rz / (p @ product)
            x += alpha * p
            residual -= alpha * product
            z = preconditioner * residual
            new = residual @ z
            p = z + (new / rz) * p
            rz = new
            steps += 1
        used.append(steps)
        residuals.append(float(residual.norm() / target.norm()))
        return x.to(theta.dtype)

    log = {"damping": damping, "iterations": used, "residuals": residuals}
    return _along(problem, theta, solve, log)


def ekfac(problem: Problem) -> Influence:
    """Eigenvalue-corrected Kronecker factors (George et al. 2018) of linear layers.

    The Fisher matrix is taken on targets drawn from the model, by sequence. Parameters outside
    linear layers use its diagonal. Damping is a tenth of the mean eigenvalue of each layer
    (Grosse et al. 2023).
    """
    theta = _trained(problem)
    model = problem.model
    curvature = Curvature(problem, theta)
    sequences = torch.from_numpy(problem.pool.training.tokens[curvature.rows])
    names = {
        f"{name}.weight": layer
        for name, layer in model.module.named_modules()
        if isinstance(layer, nn.Linear) and f"{name}.weight" in model.names
    }
    generator = torch.Generator().manual_seed(problem.seed)
    captured: dict[str, tuple[Tensor, Tensor]] = {}

    def remember(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            captured[name] = (inputs[0], output)

        return hook

    handles = [layer.register_forward_hook(remember(name)) for name, layer in names.items()]

    def passes() -> Any:
        """For every batch: inputs and output gradients of each layer, and parameter gradients."""
        generator.manual_seed(problem.seed)
        for first in range(0, len(sequences), 16):
            variable = theta.detach().requires_grad_()
            logits = model.logits(variable, sequences[first : first + 16, :-1])
            flat = torch.softmax(logits.detach(), -1).flatten(0, 1).cpu()
            drawn = torch.multinomial(flat, 1, generator=generator).to(theta.device)
            loss = nn.functional.cross_entropy(
                logits.flatten(0, 1), drawn.flatten(), reduction="sum"
            )
            order = list(captured)
            outputs = [captured[name][1] for name in order]
            *slopes, full = torch.autograd.grad(loss, [*outputs, variable])
            layers = {
                name: (captured[name][0].detach(), slope)
                for name, slope in zip(order, slopes, strict=True)
            }
            captured.clear()
            yield layers, full

    try:
        inputs: dict[str, Tensor] = {}
        outputs: dict[str, Tensor] = {}
        square = torch.zeros_like(theta, dtype=torch.float64)
        for layers, full in passes():
            square += full.double().square()
            for name, (a, g) in layers.items():
                a2, g2 = a.flatten(0, 1).double(), g.flatten(0, 1).double()
                inputs[name] = inputs.get(name, 0) + a2.T @ a2
                outputs[name] = outputs.get(name, 0) + g2.T @ g2
        bases = {
            name: (torch.linalg.eigh(inputs[name])[1], torch.linalg.eigh(outputs[name])[1])
            for name in inputs
        }
        eigenvalues = {
            name: out.new_zeros(out.shape[0], in_.shape[0]) for name, (in_, out) in bases.items()
        }
        for layers, _ in passes():
            for name, (a, g) in layers.items():
                in_, out = bases[name]
                per_sequence = (g.double() @ out).transpose(1, 2) @ (a.double() @ in_)
                eigenvalues[name] += per_sequence.square().sum(0)
    finally:
        for handle in handles:
            handle.remove()
    tokens = float(sequences[:, 1:].numel())
    # A batch sums 16 sequences; drawn targets have zero mean, so squares add up.
    diagonal = square / tokens
    floor = 0.1 * diagonal.mean()
    spectra = {name: values / tokens for name, values in eigenvalues.items()}
    dampings = {name: 0.1 * float(values.mean()) for name, values in spectra.items()}

    def solve(slope: Tensor) -> Tensor:
        direction = slope.double() / (diagonal + floor)
        views = model.unflatten(direction)
        for name, part in model.unflatten(slope.double()).items():
            if name in spectra:
                in_, out = bases[name]
                rotated = (out.T @ part @ in_) / (spectra[name] + dampings[name])
                views[name].copy_(out @ rotated @ in_.T)
        return direction.to(theta.dtype)

    return _along(problem, theta, solve, {"damping": dampings})


def tracin(problem: Problem, count: int = 5) -> Influence:
    """Gradient products summed over checkpoints, weighted by step sizes (Pruthi et al. 2020)."""
    training = problem.pool.training
    documents = np.zeros((len(problem.targets), len(training.owners)))
    for rate, theta in problem.trainer().checkpoints(count):
        for row, direction in zip(documents, problem.gradients(theta), strict=True):
            row += rate * document_derivatives(problem.model, theta, direction, training)
    return _found(problem, documents / float(training.sizes.sum()), {"checkpoints": count}, {})


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


ESTIMATORS: dict[str, Callable[[Problem], Influence]] = {
    "aumann-shapley": aumann_shapley,
    "unrolled": unrolled,
    "cg": conjugate_gradient,
    "ekfac": ekfac,
    "hutchinson": hutchinson,
    "tracin": tracin,
    "gradient": gradient,
    "ablation": ablation,
    "shapley": shapley,
    "surrogate": surrogate,
}


def run(name: str, problem: Problem) -> Influence:
    """Run one estimator by name.

    Raises:
        InputError: there is no estimator of that name.
    """
    if name not in ESTIMATORS:
        raise InputError(f"no estimator is called {name!r}; choose one of {', '.join(ESTIMATORS)}")
    return ESTIMATORS[name](problem)
