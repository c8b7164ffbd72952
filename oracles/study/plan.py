"""What a study will do and what it expects, fixed and hashed before anything is trained."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Raise it with every change that may change a number.
CODE_VERSION: Final = 2
#: Differences below this many nats per token count as none.
SMALLEST: Final = 0.02

#: Rules by name, in the order of the tables. The first is the one that all others are held against.
RULES: Final = {
    "qmia": "Q-MIA: clock with q·φ̂",
    "volume": "clock with raw tokens",
    "distinct": "clock with tokens that are new",
    "eligible": "clock with tokens, φ̂ > 0 only",
    "trust": "reputation, one posted price",
    "trust-token": "reputation, one price a token",
    "hindsight": "reputation, price best in hindsight",
    "uniform": "the same price for everybody",
    "random": "random order, one posted price",
    "impact": "clock with φ̂ alone (η = 0)",
    "quality": "clock with q alone (γ = 0)",
    "sqrt": "clock with √(q·φ̂)",
    "marginal": "marginal clock on V̂",
    "submodular": "submodular greedy on V̂",
    "guessing": "guessing clock on V̂",
    "design": "marginal clock, experimental design",
    "prune": "prune-and-split",
    "lot": "prune-and-split by lot",
    "large": "rule for large markets",
    "tranche": "Q-MIA, 20 % for under-served",
    "optimum": "best set by V̂, costs known",
}

#: Primary hypotheses, tested together (Holm). Each: name, regime, budgets (empty is all), rule,
#: margin: the difference "rule − Q-MIA" in loss is expected to be above minus the margin.
PRIMARIES: Final = (
    ("H1: better than volume-only", "fixed", (0.3, 0.6), "volume", 0.0),
    ("H2: better than trust, one price", "fixed", (0.3, 0.6), "trust", 0.0),
    ("H2: better than trust, price a token", "fixed", (0.3, 0.6), "trust-token", 0.0),
    ("H3: better in equilibrium than volume-only", "effort", (), "volume", 0.0),
    ("H3: better in equilibrium than trust", "effort", (), "trust", 0.0),
    ("H4: not worse than the marginal clock", "fixed", (0.3, 0.6), "marginal", SMALLEST),
    ("H4: not worse than the submodular greedy rule", "fixed", (0.3, 0.6), "submodular", SMALLEST),
    ("H4: not worse than the guessing clock", "fixed", (0.3, 0.6), "guessing", SMALLEST),
)

#: Stated before the run, not in the family of the primaries. Key, and what is expected.
SECONDARIES: Final = {
    "H1b": "With a budget of 10 % of all costs, Q-MIA and volume-only are equal within 0.02 nats.",
    "H2b": "Trust at a price chosen in hindsight is equal to Q-MIA within 0.02 nats.",
    "H3b": "Effort is at least 0.9 under Q-MIA and at most 0.1 under volume-only.",
    "H3c": "With one pass, Q-MIA loses more in equilibrium than volume-only.",
    "H5": "Algorithm 1 to the letter overspends in at least 85 % of markets.",
    "H6a": "γ = 0 is worse than Q-MIA by 0.02 nats or more.",
    "H6b": "η = 0 is equal to Q-MIA within 0.02 nats where quality is given.",
    "H7": "No lie about costs gains under a truthful rule; some gain when pay follows the bid.",
    "H8": "No attack on the data earns its provider more and costs the buyer 0.02 nats or more.",
    "H9": "No coalition's joint lie gains for all members; with side payments some do.",
    "H10": "Bidders who are averse to risk shade their bids as ρ falls, and less is bought.",
    "H11": "The tranche buys more tokens of the under-served; the sign of its price is open.",
    "H12": "One seed of φ̂ instead of two costs at most 2 % of the gain.",
    "H13": "The advantage over volume-only grows as good data become cheaper.",
    "H14": "The clock buys 70 to 79 % of the fractional optimum on average.",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Size of a study.

    Worlds are run in order, each to its end before the next, and no world is left out of a table:
    a study that was stopped reports the worlds that it finished, and how many were planned.

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
        curve: further budgets for the rules `curve_rules` alone.
        curve_rules: of which the curve of loss against budget has more points.
        phi_seeds: seeds of φ̂.
        truth_seeds: seeds of the retrainings, none of them one of φ̂.
        surrogate: retrained random sets that V̂ is fitted to, besides nothing and everything.
        effort_draws: cost draws of the game in which providers choose their quality.
        attack_worlds: the first worlds, in which data lies are tried too.
        attacks: names in `oracles.impact.attacks.ATTACKS`.
        markets: random markets without training.
        rules: which of `RULES`.
    """

    profile: str = "standard"
    seed: int = 1
    worlds: int = 8
    draws: int = 3
    providers: int = 16
    characters: int = 12_000
    damaged: float = 0.375
    steps: int = 400
    budgets: tuple[float, ...] = (0.3, 0.6)
    curve: tuple[float, ...] = (0.1, 0.2)
    curve_rules: tuple[str, ...] = ("qmia", "volume", "trust")
    phi_seeds: tuple[int, ...] = (0, 1)
    truth_seeds: tuple[int, ...] = (100,)
    surrogate: int = 10
    effort_draws: int = 3
    attack_worlds: int = 2
    attacks: tuple[str, ...] = (
        "noise in a fifth of the letters",
        "bag of words",
        "victim, every 8th word replaced",
        "three identities",
    )
    markets: int = 200
    rules: tuple[str, ...] = tuple(
        rule for rule in RULES if rule not in ("random", "sqrt", "large", "prune")
    )

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

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Plan:
        """The plan that `to_json` wrote, without the hypotheses."""
        given: dict[str, Any] = {
            each.name: tuple(value) if isinstance(value, list) else value
            for each in fields(cls)
            for value in [found[each.name]]
        }
        return cls(**given)

    def digest(self) -> str:
        """SHA-256 of `to_json`."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()


PROFILES: Final = {
    "quick": Plan(
        "quick",
        worlds=1,
        draws=2,
        providers=10,
        characters=6000,
        steps=200,
        curve=(),
        phi_seeds=(0,),
        surrogate=4,
        effort_draws=2,
        attack_worlds=0,
        markets=40,
        rules=(
            "qmia",
            "volume",
            "trust",
            "trust-token",
            "impact",
            "quality",
            "marginal",
            "submodular",
            "guessing",
        ),
    ),
    "standard": Plan(),
    "full": Plan(
        "full",
        worlds=16,
        draws=6,
        providers=20,
        truth_seeds=(100, 101),
        effort_draws=6,
        attack_worlds=4,
        rules=tuple(RULES),
    ),
}
