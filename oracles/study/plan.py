"""What a study will do and what it expects, fixed and hashed before anything is trained."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Final

#: Raise it with every change that may change a number.
CODE_VERSION: Final = 1
#: Differences below this many nats a token count as none.
SMALLEST: Final = 0.02

#: Rules by name, in the order of the tables. The first is the one that all others are held against.
RULES: Final = {
    "qmia": "Q-MIA: clock with q·φ̂",
    "volume": "clock with raw tokens",
    "trust": "reputation, one posted price",
    "trust-token": "reputation, one price a token",
    "uniform": "the same price for everybody",
    "random": "random order, one posted price",
    "impact": "clock with φ̂ alone (η = 0)",
    "quality": "clock with q alone (γ = 0)",
    "sqrt": "clock with √(q·φ̂)",
    "eligible": "clock with tokens, φ̂ > 0 only",
    "marginal": "marginal clock on V̂",
    "submodular": "submodular greedy on V̂",
    "large": "rule for large markets",
    "prune": "prune-and-split",
}

#: Primary hypotheses, tested together (Holm). Each: name, regime, budgets (empty is all), rule,
#: margin: the difference "rule − Q-MIA" in loss is expected to be above minus the margin.
PRIMARIES: Final = (
    ("H1: better than volume-only", "fixed", (0.3, 0.6), "volume", 0.0),
    ("H2: better than trust, one price", "fixed", (), "trust", 0.0),
    ("H2: better than trust, price a token", "fixed", (), "trust-token", 0.0),
    ("H3: better in equilibrium than volume-only", "effort", (), "volume", 0.0),
    ("H3: better in equilibrium than trust", "effort", (), "trust", 0.0),
    ("H4: not worse than the marginal clock", "fixed", (), "marginal", SMALLEST),
    ("H4: not worse than the submodular greedy rule", "fixed", (), "submodular", SMALLEST),
)

#: Stated before the run, not in the family of the primaries.
SECONDARIES: Final = (
    "H3, registered negative: with one pass Q-MIA loses more in equilibrium than volume-only",
    "H5: Algorithm 1 to the letter overspends in at least 85 % of markets",
    "H6: γ = 0 is worse than Q-MIA; η = 0 is equal while quality is fixed",
    "H7: no lie about costs gains under the clock; lies gain under payment as bid and by value",
    "H10: bidders who are averse to risk shade their bids as ρ falls",
    "H14: the clock buys 70 to 79 % of the fractional optimum on average",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Size of a study.

    Attributes:
        profile: name, for the page.
        seed: of all draws: which texts, which damage, which costs.
        worlds: draws of providers' texts and of damage.
        draws: cost draws in each world, in turn of the cost models.
        providers: in each world; fewer where there are not as many texts.
        characters: mean of one provider.
        damaged: share of providers whose text is damaged.
        steps: of each training at fixed compute.
        budgets: shares of all providers' costs.
        phi_seeds: seeds of φ̂.
        truth_seeds: seeds of the retrainings, none of them one of φ̂.
        surrogate: retrained random halves that V̂ is fitted to, besides nothing and everything.
        effort_draws: cost draws of the game in which providers choose their quality.
        markets: random markets without training.
        resamples: of the bootstrap.
        rules: which of `RULES`.
    """

    profile: str = "standard"
    seed: int = 1
    worlds: int = 3
    draws: int = 6
    providers: int = 16
    characters: int = 6000
    damaged: float = 0.375
    steps: int = 400
    budgets: tuple[float, ...] = (0.15, 0.3, 0.6)
    phi_seeds: tuple[int, ...] = (0, 1)
    truth_seeds: tuple[int, ...] = (100,)
    surrogate: int = 24
    effort_draws: int = 5
    markets: int = 200
    resamples: int = 5000
    rules: tuple[str, ...] = tuple(RULES)

    def to_json(self) -> dict[str, Any]:
        """The plan with the hypotheses, JSON-compatible: all that the hash covers."""
        return json.loads(  # type: ignore[no-any-return]
            json.dumps(
                {
                    **asdict(self),
                    "code": CODE_VERSION,
                    "primaries": PRIMARIES,
                    "secondaries": SECONDARIES,
                    "smallest": SMALLEST,
                }
            )
        )

    def digest(self) -> str:
        """SHA-256 of `to_json`."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()


PROFILES: Final = {
    "quick": Plan(
        "quick",
        worlds=1,
        draws=2,
        providers=10,
        characters=3000,
        steps=80,
        budgets=(0.3, 0.6),
        surrogate=2,
        effort_draws=2,
        markets=40,
        resamples=1000,
        rules=(
            "qmia",
            "volume",
            "trust",
            "trust-token",
            "uniform",
            "impact",
            "quality",
            "marginal",
            "submodular",
        ),
    ),
    "standard": Plan(),
    "full": Plan("full", worlds=5, draws=8, providers=24, truth_seeds=(100, 101), effort_draws=8),
}
