"""kronfluence's EK-FAC, on the same trained model and the same sequences.

Installed without its dependencies into the cache: its torchvision would replace torch by a CUDA
build. It covers linear layers only, as published.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from oracles.errors import InputError
from oracles.impact.estimate import Parameters, make_model
from oracles.impact.estimators import CURVATURE_SAMPLE
from oracles.impact.problem import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from oracles.impact.corpus import Pool, Sequences

PACKAGES = (
    "kronfluence==1.0.1",
    "accelerate==1.15.0",
    "einconv==0.1.0",
    "einops==0.8.2",
    "opt_einsum==3.4.0",
)


def install(cache: Path) -> None:
    """Make kronfluence importable from a directory of its own.

    Raises:
        InputError: pip could not install it.
    """
    target = cache / "kronfluence"
    if not target.exists():
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
        try:
            subprocess.run([*command, "--target", str(target), *PACKAGES], check=True)
        except subprocess.CalledProcessError as error:
            raise InputError(f"pip could not install kronfluence: {error}") from error
    sys.path.append(str(target))


class _Rows(torch.utils.data.Dataset[Any]):
    def __init__(self, sequences: Sequences, rows: NDArray[np.int64]) -> None:
        self.tokens = torch.from_numpy(sequences.tokens[rows])
        self.real = torch.from_numpy(sequences.block[rows] >= 0)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.tokens[index], self.real[index]


def kronfluence_ekfac(pool: Pool, parameters: Parameters) -> NDArray[np.float64]:
    """Scores [n]: EK-FAC influence of each sequence on the evaluation loss, summed by provider."""
    from kronfluence.analyzer import Analyzer, prepare_model
    from kronfluence.arguments import FactorArguments, ScoreArguments
    from kronfluence.task import Task

    logging.disable(logging.WARNING)

    class LanguageTask(Task):  # type: ignore[misc]
        def compute_train_loss(
            self, batch: Any, model: torch.nn.Module, sample: bool = False
        ) -> torch.Tensor:
            tokens, real = batch
            logits = model(tokens[:, :-1]).flatten(0, 1)
            labels = tokens[:, 1:].flatten()
            if sample:
                with torch.no_grad():
                    labels = torch.multinomial(torch.softmax(logits, -1), 1).flatten()
            losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
            return (losses * real.flatten()).sum()

        def compute_measurement(self, batch: Any, model: torch.nn.Module) -> torch.Tensor:
            return self.compute_train_loss(batch, model)

    owner = pool.training.owner
    total = np.zeros(len(pool.providers))
    for seed in parameters.seeds:
        start = make_model(parameters.model, seed)
        theta = Problem(start, pool, parameters.recipe, seed, 1.0).trainer().run()
        module = start.module
        for name, parameter in module.named_parameters():
            parameter.data.copy_(start.unflatten(theta)[name])
            parameter.requires_grad_(True)
        task = LanguageTask()
        # The same sample of sequences for the factors as our own second-order estimators use.
        rng = np.random.default_rng([seed, 1])
        rows = np.sort(rng.choice(len(owner), min(CURVATURE_SAMPLE, len(owner)), replace=False))
        everything = np.flatnonzero(owner > 0)
        with tempfile.TemporaryDirectory() as folder:
            analyzer = Analyzer(
                "qmia",
                prepare_model(module, task),
                task,
                cpu=True,
                output_dir=folder,
                disable_model_save=True,
                disable_tqdm=True,
            )
            analyzer.fit_all_factors(
                "ekfac",
                _Rows(pool.training, rows),
                per_device_batch_size=16,
                factor_args=FactorArguments(strategy="ekfac"),
                overwrite_output_dir=True,
            )
            analyzer.compute_pairwise_scores(
                scores_name="scores",
                factors_name="ekfac",
                query_dataset=_Rows(pool.evaluation, np.arange(len(pool.evaluation))),
                train_dataset=_Rows(pool.training, everything),
                per_device_query_batch_size=32,
                per_device_train_batch_size=32,
                score_args=ScoreArguments(aggregate_query_gradients=True),
                overwrite_output_dir=True,
            )
            scores = analyzer.load_pairwise_scores("scores")["all_modules"][0]
        np.add.at(total, owner[everything] - 1, scores.double().numpy())
    return total / len(parameters.seeds)
