"""φ̂: what each provider's data is worth to the trained model (paper §5.3, Appendix D).

`estimate` is the whole pipeline; the rest is what its arguments and results are made of.
"""

from oracles.impact.corpus import Pages, corpus_digest
from oracles.impact.estimate import Architecture, Parameters, Pretrained, estimate
from oracles.impact.report import GRID, ImpactReport, ProviderImpact
from oracles.impact.training import Recipe

__all__ = [
    "GRID",
    "Architecture",
    "ImpactReport",
    "Pages",
    "Parameters",
    "Pretrained",
    "ProviderImpact",
    "Recipe",
    "corpus_digest",
    "estimate",
]
