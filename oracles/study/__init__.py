"""Does the auction buy better data? Purchases by many rules, and models retrained on each."""

from oracles.study.plan import PROFILES, Plan
from oracles.study.run import run

__all__ = ["PROFILES", "Plan", "run"]
