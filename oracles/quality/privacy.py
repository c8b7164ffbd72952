"""Differentially private release of the four metrics and the volume, by OpenDP.

A score that is published may tell something about single documents. The release adds noise so that
adding or removing any one document changes the odds of every outcome by at most a factor e^ε. It
is made of sums over documents, each term depending on its own document only and bounded: that is
where the sensitivities below come from. Near-duplicates are therefore not removed here (one
document decides whether others are duplicates), and the release is not the signed score.

    quantity              term of one document            sensitivity
    count                 1                               1
    cleanliness           0 … 10⁴                         10⁴
    novelty               0 … 10⁴                         10⁴
    metadata              0 … 10⁴                         10⁴
    diversity             1 in one of k clusters          1 (L1)
    volume                min(tokens, token_cap)          token_cap

Means are noisy sums over the noisy count; the entropy is taken of the noisy histogram. Both are
post-processing. The six releases read the same documents, so their ε add up.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from oracles.errors import ConfigError, InputError
from oracles.quality import novelty, profile, texts
from oracles.quality.cleanliness import cleanliness
from oracles.quality.diversity import assign, entropy, mean_vector
from oracles.quality.parameters import GRID, to_grid
from oracles.quality.score import LETTERS_PER_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from oracles.dataset import Document
    from oracles.quality.embed import Embedder
    from oracles.quality.parameters import QualityParameters
    from oracles.quality.references import Reference

QUANTITIES = ("count", "cleanliness", "diversity", "novelty", "metadata", "volume")


class Values(NamedTuple):
    """What one document adds to a release: three metrics in 1e-4, its cluster and its tokens."""

    cleanliness: int
    novelty: int
    metadata: int
    cluster: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Budget:
    """ε of each quantity, and the tokens of a document that count at most."""

    count: float = 0.1
    cleanliness: float = 0.2
    diversity: float = 0.2
    novelty: float = 0.2
    metadata: float = 0.1
    volume: float = 0.2
    token_cap: int = 4096

    def __post_init__(self) -> None:
        """Refuse budgets without a meaning."""
        if min(self.epsilons().values()) <= 0 or self.token_cap < 1:
            raise ConfigError("every ε and the token cap must be greater than 0")

    def epsilons(self) -> dict[str, float]:
        """ε by quantity."""
        return {name: getattr(self, name) for name in QUANTITIES}

    @property
    def total(self) -> float:
        """ε of the whole release, by sequential composition."""
        return float(sum(self.epsilons().values()))


def values(
    documents: Iterable[Document],
    parameters: QualityParameters,
    reference: Reference,
    embedder: Embedder,
) -> Iterator[Values]:
    """Each document's own values, computed without looking at any other."""
    for document in documents:
        for part in profile.profile(document, parameters, reference.pairs):
            vectors = embedder(part.sample)
            cosines = reference.nearest(vectors)
            known = novelty.calibrate(cosines, reference.unrelated, reference.copied)
            clean = cleanliness(part.counts, parameters.error_factor)
            duplication = Fraction(int(known.sum()) // len(part.sample), novelty.MICRO)
            recency = Fraction(part.recency, novelty.MICRO) * (1 - duplication)
            new = novelty.novelty(recency, duplication, parameters.recency_weight)
            yield Values(
                to_grid(clean),
                to_grid(clean * new),
                to_grid(clean * Fraction(len(part.valid), len(parameters.required_fields))),
                int(assign(mean_vector(vectors)[None], reference.centroids)[0]),
                int(clean * part.letters) // LETTERS_PER_TOKEN,
            )


def measurements(budget: Budget, clusters: int) -> dict[str, Any]:
    """One OpenDP measurement a quantity; `map(1)` of each is its ε for one document."""
    import opendp.prelude as dp

    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T=int)), dp.symmetric_distance()

    def total(bound: int, epsilon: float) -> Any:
        then_sum: Any = dp.t.then_sum
        bounded = space >> dp.t.then_clamp((0, bound)) >> then_sum()
        return bounded >> dp.m.then_laplace(bound / epsilon)

    categories = list(range(clusters))
    histogram = space >> dp.t.then_count_by_categories(categories, null_category=False)
    return {
        "count": space >> dp.t.then_count() >> dp.m.then_laplace(1 / budget.count),
        "cleanliness": total(GRID, budget.cleanliness),
        "diversity": histogram >> dp.m.then_laplace(1 / budget.diversity),
        "novelty": total(GRID, budget.novelty),
        "metadata": total(GRID, budget.metadata),
        "volume": total(budget.token_cap, budget.volume),
    }


def release(items: Sequence[Values], budget: Budget, clusters: int) -> dict[str, Any]:
    """Noisy metrics, in 1e-4, and volume.

    Args:
        items: Of all documents.
        budget: ε of each quantity.
        clusters: Of the reference's codebook.
    """
    noisy = measurements(budget, clusters)
    count = max(1, noisy["count"]([0] * len(items)))

    def mean(name: str) -> int:
        total = noisy[name]([getattr(item, name) for item in items])
        return int(min(GRID, max(0, round(total / count))))

    histogram = [max(0, n) for n in noisy["diversity"]([item.cluster for item in items])]
    return {
        "documents": count,
        "cleanliness": mean("cleanliness"),
        "diversity": to_grid(entropy(histogram, clusters)),
        "novelty": mean("novelty"),
        "metadata": mean("metadata"),
        "volume": max(0, noisy["volume"]([item.tokens for item in items])),
        "epsilon": {name: noisy[name].map(1) for name in QUANTITIES},
        "epsilon_total": sum(noisy[name].map(1) for name in QUANTITIES),
    }


def content_digest(documents: Iterable[Document]) -> str:
    """Hex digest of the texts in any order: under this name ε is added up in the ledger.

    Parameters, metadata and file names do not matter, so none of them buys a fresh budget.
    """
    digests = sorted(texts.digest(texts.normalise(document.text)) for document in documents)
    return hashlib.sha256(b"".join(digests)).hexdigest()


class Ledger:
    """What has been spent on each data set, one JSON line a release; never rewritten.

    Args:
        path: The file.
        limit: ε that all releases of one data set may add up to.
    """

    def __init__(self, path: Path, limit: float) -> None:
        self._path = path
        self._limit = limit

    def spent(self, dataset: str) -> float:
        """ε spent on a data set so far, by sequential composition."""
        if not self._path.exists():
            return 0.0
        lines = self._path.read_text(encoding="utf-8").splitlines()
        try:
            entries = [json.loads(line) for line in lines]
            return float(sum(e["total"] for e in entries if e["dataset"] == dataset))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"the privacy ledger {self._path} is damaged: {error}") from error

    def charge(self, dataset: str, budget: Budget) -> None:
        """Write a release down before it is made.

        Raises:
            InputError: It would exceed the limit.
        """
        spent = self.spent(dataset)
        if spent + budget.total > self._limit + 1e-9:
            raise InputError(
                f"ε {spent:g} is spent on this data set and {budget.total:g} more exceeds the "
                f"limit of {self._limit:g}; no further release can be made"
            )
        entry = {"dataset": dataset, "budget": asdict(budget), "total": budget.total}
        with self._path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(entry, sort_keys=True) + "\n")
