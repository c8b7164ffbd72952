"""From raw influence to the number that is signed: errors, significance, rescaling, evidence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from oracles.impact.corpus import Pool
    from oracles.impact.problem import Influence

#: φ̂ is an integer number of these steps: 10,000 is 1.
GRID = 10_000
Rescaling = Literal["zero", "minmax"]


@dataclass(frozen=True, slots=True)
class ProviderImpact:
    """φ̂ of one provider.

    Attributes:
        name: as submitted.
        phi: φ̂ on the grid, 0 to 10,000; 0 means not eligible.
        influence: estimated gain in mean evaluation loss, nats per token, before rescaling; may be
            negative.
        standard_error: of `influence`.
        tokens: training tokens after deduplication.
        characters: characters submitted.
        duplicate_characters: of these, dropped as duplicates.
        clipped: gain that was cut off by the bound on a block.
    """

    name: str
    phi: int
    influence: float
    standard_error: float
    tokens: int
    characters: int
    duplicate_characters: int
    clipped: float


@dataclass(frozen=True, slots=True)
class ImpactReport:
    """φ̂ of all providers of one auction, and what is needed to recompute it.

    Attributes:
        providers: in the order of commitment.
        version: SHA-256 over parameters, code, seed corpus and model; fixed at CREATE.
        evaluation_digest: digest of the held-out set, committed to at CREATE.
        kappa: suggested κ, the typical standard error of φ̂ on [0, 1] (mechanism.md, §10).
        gamma: suggested γ, the reliability of φ̂ in [0, 1].
        evidence: JSON-compatible log: parameters, seeds, digests, intermediate values.
        tensors: arrays for a safetensors file.
    """

    providers: tuple[ProviderImpact, ...]
    version: str
    evaluation_digest: str
    kappa: float
    gamma: float
    evidence: dict[str, Any]
    tensors: dict[str, NDArray[Any]]

    def phi(self) -> dict[str, int]:
        """Provider to φ̂ on the grid."""
        return {provider.name: provider.phi for provider in self.providers}

    def to_json(self) -> dict[str, Any]:
        """Everything but the tensors, JSON-compatible."""
        return {
            "version": self.version,
            "evaluation_digest": self.evaluation_digest,
            "grid": GRID,
            "kappa": self.kappa,
            "gamma": self.gamma,
            "providers": [asdict(provider) for provider in self.providers],
            "evidence": self.evidence,
        }


def clip_blocks(
    blocks: NDArray[np.float64],
    owners: NDArray[np.int64],
    sizes: NDArray[np.int64],
    bound: float,
) -> tuple[NDArray[np.float64], float]:
    """Limit what one block may earn or cost a token.

    The limit is `bound` times the median over providers of the 90th percentile of the absolute
    influence a token of their blocks: no provider moves it by more than one place in the order.

    Args:
        blocks: [S, B] influence of each block under each seed.
        owners: [B] owner of each block; 0 is the seed corpus.
        sizes: [B] tokens of each block.
        bound: multiple of the typical large influence.

    Returns:
        Clipped influence [S, B], and the limit a token.
    """
    rate = np.abs(blocks.mean(0)) / np.maximum(sizes, 1)
    present = [owner for owner in np.unique(owners) if owner > 0]
    if not present:
        return blocks, 0.0
    limit = bound * float(np.median([np.quantile(rate[owners == k], 0.9) for k in present]))
    # The whole block is scaled, under all seeds alike, so that the mean meets the limit.
    scale = np.minimum(1.0, limit / np.maximum(rate, np.finfo(float).tiny))
    return blocks * scale, limit


def standard_errors(
    providers: NDArray[np.float64],
    blocks: NDArray[np.float64] | None,
    owners: NDArray[np.int64],
    clusters: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Standard error of each provider's mean influence over seeds, [n].

    Two sources add up: the spread between seeds, and which blocks of text the provider happens to
    hold or which of its pages were drawn (the bootstrap over clusters in closed form covers both:
    the finite-population correction of the sampling error is what the other adds). With few seeds
    each provider's own variance is a poor estimate, so it is averaged with the median over all
    providers, which a noisy one cannot raise.

    Args:
        providers: [S, n] influence under each seed.
        blocks: [B] mean influence of each block, if known.
        owners: [B] owner of each block; provider k is k+1.
        clusters: [B] blocks of one cluster count as one.
    """
    seeds, n = providers.shape
    variance = np.zeros(n)
    if seeds > 1:
        own = providers.var(axis=0, ddof=1)
        variance += (own + np.median(own)) / 2 / seeds
    if blocks is not None:
        for k in range(n):
            mine = owners == k + 1
            _, which = np.unique(clusters[mine], return_inverse=True)
            sums = np.bincount(which, blocks[mine])
            centred = sums - sums.mean() if len(sums) > 1 else sums
            variance[k] += float(np.square(centred).sum()) * len(sums) / max(1, len(sums) - 1)
    return np.sqrt(variance)


def rescale(bounds: NDArray[np.float64], how: Rescaling = "zero") -> NDArray[np.int64]:
    """Rescale lower bounds of influence to the grid.

    Continuous in every bound, so that two honest machines differ by a grid step at most.

    Args:
        bounds: [n] influence less m standard errors.
        how: "zero" keeps ratios (negative to 0, divided by the maximum); "minmax" is the paper's
            affine map of [min, max] to [0, 1], under which one junk data set lifts all others.
    """
    low = 0.0 if how == "zero" else float(bounds.min(initial=0.0))
    high = float(bounds.max(initial=0.0))
    if high <= low:
        return np.zeros(len(bounds), np.int64)
    share = np.clip((bounds - low) / (high - low), 0.0, 1.0)
    steps: NDArray[np.int64] = np.rint(share * GRID).astype(np.int64)
    return steps


def summarise(
    pool: Pool,
    runs: Sequence[Influence],
    *,
    bound: float,
    m: float,
    rescaling: Rescaling,
    version: str,
    evidence: dict[str, Any],
) -> ImpactReport:
    """Put the runs of all seeds together.

    Args:
        pool: documents of the auction.
        runs: one a seed.
        bound: see `clip_blocks`.
        m: standard errors that are taken off every influence.
        rescaling: see `rescale`.
        version: digest of the method.
        evidence: log of parameters and digests, extended here.
    """
    owners, sizes = pool.training.owners, pool.training.sizes
    providers = np.array([run.providers for run in runs])
    mean_blocks = None
    limit = None
    raw = providers.mean(0)
    tensors: dict[str, NDArray[Any]] = {"providers": providers}
    per_block = [run.blocks for run in runs if run.blocks is not None]
    if per_block:
        blocks, limit = clip_blocks(np.array(per_block), owners, sizes, bound)
        n = providers.shape[1]
        providers = np.array([np.bincount(owners, d, minlength=n + 1)[1:] for d in blocks])
        mean_blocks = blocks.mean(0)
        tensors["blocks"] = blocks
        tensors["owners"] = owners
    providers = providers * pool.weights
    if mean_blocks is not None:
        mean_blocks = mean_blocks * np.concatenate([np.ones(1), pool.weights])[owners]
    influence = providers.mean(0)
    errors = standard_errors(providers, mean_blocks, owners, pool.training.clusters)
    bounds = influence - m * errors
    phi = rescale(bounds, rescaling)
    for k, run in enumerate(runs):
        tensors.update({f"{name}.{k}": value for name, value in run.tensors.items()})
    top = float(bounds.max(initial=0.0))
    kappa = float(np.sqrt(np.mean(errors**2))) / top if top > 0 else 1.0
    spread = float(influence.var(ddof=1)) if len(influence) > 1 else 0.0
    gamma = max(0.0, 1 - float(np.mean(errors**2)) / spread) if spread > 0 else 0.0
    volumes = pool.volumes
    results = tuple(
        ProviderImpact(
            name=name,
            phi=int(phi[k]),
            influence=float(influence[k]),
            standard_error=float(errors[k]),
            tokens=int(volumes[k]),
            characters=pool.characters[name][0],
            duplicate_characters=pool.characters[name][0] - pool.characters[name][1],
            clipped=float(raw[k] * pool.weights[k] - influence[k]),
        )
        for k, name in enumerate(pool.providers)
    )
    log = {
        **evidence,
        "runs": [run.log for run in runs],
        "clip_per_token": limit,
        "documents": [digest.hex() for digest in pool.digests],
    }
    return ImpactReport(
        results, version, pool.evaluation_digest, min(1.0, kappa), gamma, log, tensors
    )
