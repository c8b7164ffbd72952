"""Parameters of the quality score: fixed at an auction's creation, part of its metric version."""

from __future__ import annotations

import dataclasses
import datetime
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from oracles.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Scores are integers on a grid of 1e-4.
GRID = 10_000
#: Part of the metric version: raise it with every change of the code that may change a number.
#: The golden values in the tests show such a change.
CODE_VERSION = 12

DiversityForm = Literal["overlap", "entropy", "simpson"]
Codebook = Literal["fixed", "fitted"]
NoveltyForm = Literal["calibrated", "cosine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityParameters:
    """What an auction publishes about how q is computed.

    Attributes:
        today: Day against which dates are judged; the auction's, so that a score can be repeated.
        weights: w₁..w₄ of cleanliness, diversity, novelty, metadata (§7.3), in 1e-4, summing to 1.
        error_factor: k of Appendix C; 1 where the rate is the share of letters lost.
        diversity: `overlap` (1 − the share of a piece of text that another one repeats), `entropy`
            (Appendix C, over log of the number of clusters) or `simpson` (§7.3).
        codebook: `fixed` centroids of the reference corpus, or k-means `fitted` on the set itself.
        clusters: Number of clusters of a fitted codebook.
        cluster_floor: Clusters with a smaller share, in 1e-4, count as part of the largest one.
        recency_weight: w'₁ of §7.3 in 1e-4; w'₂ is the rest. 0, because nothing proves a date.
        date_range_days: MaxDateRange of §7.3.
        novelty: `calibrated` between unrelated and copied text, or the paper's plain `cosine`.
        sentences_per_document: Sentences drawn from each document for embedding.
        embedded_documents: Documents drawn for embedding; 0 takes all of them.
        sample_key: Key of both draws, hex; taken from a block after the last commitment, so that
            no provider can polish only what will be read.
        unique_floor: Share of the letters, in 1e-4, that must not be in earlier submissions.
        required_fields: Metadata fields expected of every document.
        under_served_share: Share of the web, in 1e-4, below which a language is under-served.
        examples: Whether evidence shows the worst passages or only their hashes.
    """

    today: datetime.date = datetime.date(2026, 11, 21)
    weights: tuple[int, int, int, int] = (6500, 1000, 1000, 1500)
    error_factor: int = 1
    diversity: DiversityForm = "overlap"
    codebook: Codebook = "fixed"
    clusters: int = 50
    cluster_floor: int = 50
    recency_weight: int = 0
    date_range_days: int = 3653
    novelty: NoveltyForm = "calibrated"
    sentences_per_document: int = 4
    embedded_documents: int = 2000
    sample_key: str = ""
    unique_floor: int = 5000
    required_fields: tuple[str, ...] = ("title", "date", "license", "language", "source")
    under_served_share: int = 100
    examples: Literal["hash", "show"] = "hash"

    def __post_init__(self) -> None:
        """Refuse parameters that have no meaning."""
        if len(self.weights) != 4 or min(self.weights) < 0 or sum(self.weights) != GRID:
            raise ConfigError("quality weights must be four numbers ≥ 0 in 1e-4 that sum to 10000")
        if not 0 <= self.recency_weight <= GRID:
            raise ConfigError("recency_weight must be between 0 and 10000")
        if (
            min(self.error_factor, self.date_range_days, self.clusters, self.sentences_per_document)
            < 1
        ):
            raise ConfigError(
                "error_factor, date_range_days, clusters, sentences_per_document must be positive"
            )
        if self.clusters < 2 or self.embedded_documents < 0 or not self.required_fields:
            raise ConfigError("at least 2 clusters and one required field are needed")
        try:
            key = bytes.fromhex(self.sample_key)
        except ValueError as error:
            raise ConfigError("sample_key must be hexadecimal") from error
        if len(key) > 64:
            raise ConfigError("sample_key must have at most 64 bytes")

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> QualityParameters:
        """Inverse of `to_json`; what is left out has its default.

        Raises:
            ConfigError: A field is unknown or does not make sense.
        """
        values = dict(fields)
        if unknown := values.keys() - {f.name for f in dataclasses.fields(cls)}:
            raise ConfigError(f"unknown quality parameters: {', '.join(sorted(unknown))}")
        try:
            if "today" in values:
                values["today"] = datetime.date.fromisoformat(values["today"])
            for name in ("weights", "required_fields"):
                if name in values:
                    values[name] = tuple(values[name])
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"quality parameters are malformed: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """All fields, for evidence and for the metric version."""
        values = dataclasses.asdict(self)
        return values | {
            "today": self.today.isoformat(),
            "weights": list(self.weights),
            "required_fields": list(self.required_fields),
        }


def to_grid(value: Fraction) -> int:
    """Round an exact value in [0, 1] to the grid, halves up."""
    return int(value * GRID + Fraction(1, 2))


def grid_margin(value: Fraction) -> Fraction:
    """Distance of an exact value from the nearest point where `to_grid` changes, in grid steps."""
    fraction = (value * GRID + Fraction(1, 2)) % 1
    return min(fraction, 1 - fraction)
