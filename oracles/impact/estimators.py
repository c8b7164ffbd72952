"""Estimators of what each block, or each provider, is worth to the trained model.

All answer one question: by how much would the evaluation loss rise without this data? Positive is
good. Appendix D writes the change of the loss, `−g_iᵀ H⁻¹ ḡ`; here the sign is that of the gain.

Except for those that retrain, an estimator gives one number a block, from one direction in
parameter space: the influence of a block is the directional derivative of its summed loss. Sums,
not means, so that volume counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from oracles.errors import InputError
from oracles.impact.problem import Influence, Problem
from oracles.impact.retraining import ablation, shapley, surrogate

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from oracles.impact.corpus import Sequences
    from oracles.impact.model import LanguageModel


#: Sequences on which curvature is measured.
CURVATURE_SAMPLE = 128


def block_derivatives(
    model: LanguageModel, theta: Tensor, direction: Tensor, sequences: Sequences, batch: int = 64
) -> NDArray[np.float64]:
    """Directional derivative of each block's summed loss, [B], in one streamed pass."""
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
        block = sequences.block[rows]
        real = block >= 0
        np.add.at(sums, block[real], slopes.double().cpu().numpy()[real])
    return sums


def _found(
    problem: Problem,
    blocks: NDArray[np.float64],
    log: dict[str, Any],
    tensors: dict[str, NDArray[Any]],
) -> Influence:
    """Sum blocks to providers; the seed corpus is public and earns nothing.

    Args:
        problem: what was solved.
        blocks: gain [K, B] by each block on each of the `targets`.
        log: JSON-compatible intermediate values, extended here.
        tensors: intermediate tensors.
    """
    owners = problem.pool.training.owners
    n = len(problem.pool.providers)
    blocks = np.where(owners > 0, blocks, 0.0)
    gains = np.array([np.bincount(owners, row, minlength=n + 1)[1:] for row in blocks])
    part = problem.part_of_words(gains)
    net = blocks[0] - np.concatenate([np.zeros(1), part])[owners] * blocks[-1]
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
    who can stand for one another share what either is worth. It knows blocks of text and no
    owners, so that nobody gains by splitting a data set. The problem's `share` is not used.

    Args:
        problem: what is solved.
        points: of the path, 1 to 3; each costs as much as `unrolled`.
    """
    blocks = np.zeros((len(problem.targets), len(problem.pool.training.owners)))
    losses: list[float] = []
    trained: list[NDArray[Any]] = []
    for point, length in problem.path(points):
        theta, derivative = point.trainer().adjoint(
            point.gradients, point.evaluation_loss, memory=problem.memory
        )
        blocks -= length * derivative
        losses.append(point.evaluation_loss(theta))
        trained.append(theta.cpu().numpy())
    log = {"evaluation_losses": losses}
    return _found(problem, blocks, log, {"theta": np.stack(trained)})


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
        real = problem.pool.training.block[rows] >= 0
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
    """Influence of each block along H⁻¹ḡ, where `solve` multiplies by H⁻¹."""
    training = problem.pool.training
    directions = [solve(gradient) for gradient in problem.gradients(theta)]
    blocks = np.array(
        [block_derivatives(problem.model, theta, direction, training) for direction in directions]
    )
    tensors = {
        "theta": theta.cpu().numpy(),
        "directions": torch.stack(directions).cpu().numpy(),
    }
    return _found(problem, blocks / float(training.sizes.sum()), log, tensors)


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
    blocks = np.zeros((len(problem.targets), len(training.owners)))
    for rate, theta in problem.trainer().checkpoints(count):
        for row, direction in zip(blocks, problem.gradients(theta), strict=True):
            row += rate * block_derivatives(problem.model, theta, direction, training)
    return _found(problem, blocks / float(training.sizes.sum()), {"checkpoints": count}, {})


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
