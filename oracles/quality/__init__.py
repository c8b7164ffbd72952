"""Quality score q of a data set: cleanliness, diversity, novelty, metadata (paper §7.3)."""

from oracles.quality.facts import page_facts
from oracles.quality.parameters import QualityParameters
from oracles.quality.score import (
    QualityReport,
    metric_facts,
    metric_version,
    score,
    score_pages,
)

__all__ = [
    "QualityParameters",
    "QualityReport",
    "metric_facts",
    "metric_version",
    "page_facts",
    "score",
    "score_pages",
]
