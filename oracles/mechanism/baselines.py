"""Rules to compare with, under the same budget (the paper's abstract: volume-only, trust-based).

Each is truthful, so that a comparison shows how well a rule chooses, and not how well its bidders
lie. All return the integer reward by winner's index.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from oracles.errors import InputError
from oracles.mechanism.mixed import clear

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from fractions import Fraction

    from oracles.mechanism.clock import Bid


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider as the baselines see it.

    Attributes:
        bid: its bid.
        volume: usable tokens.
        reputation: any number; higher is trusted more.
    """

    bid: Bid
    volume: int
    reputation: float = 0.0


def volume_only(candidates: Iterable[Candidate], *, budget: int) -> Mapping[int, int]:
    """Pay per token: the clock with volumes for weights, quality and impact ignored."""
    bids = [replace(candidate.bid, weight=candidate.volume) for candidate in candidates]
    return clear(bids, budget=budget).reward


def trust_based(candidates: Iterable[Candidate], *, budget: int, price: int) -> Mapping[int, int]:
    """Ask providers in order of reputation, at one posted price; ties by index.

    Args:
        candidates: any order.
        budget: integer token units.
        price: posted price per provider, integer token units.
    """
    return _posted_price([candidate.bid for candidate in _trusted(candidates)], budget, price)


def trust_per_token(
    candidates: Iterable[Candidate], *, budget: int, rate: Fraction
) -> Mapping[int, int]:
    """Ask providers in order of reputation, at one posted price a token; ties by index.

    Whoever cannot be paid from what is left is passed over.

    Args:
        candidates: any order.
        budget: integer token units.
        rate: posted price per token of volume, ≥ 0.

    Raises:
        InputError: a negative rate or budget.
    """
    if rate < 0 or budget < 0:
        raise InputError("price and budget must not be negative")
    paid: dict[int, int] = {}
    for candidate in _trusted(candidates):
        price = int(rate * candidate.volume)
        if candidate.bid.cost <= price <= budget:
            paid[candidate.bid.index] = price
            budget -= price
    return paid


def uniform_split(candidates: Iterable[Candidate], *, budget: int) -> Mapping[int, int]:
    """Pay everybody the same: the clock with equal weights, so that the budget is used.

    Offering `budget / n` to all and keeping what is refused would spend a small part only.
    """
    bids = [replace(candidate.bid, weight=1) for candidate in candidates]
    return clear(bids, budget=budget).reward


def _trusted(candidates: Iterable[Candidate]) -> list[Candidate]:
    return sorted(candidates, key=lambda candidate: (-candidate.reputation, candidate.bid.index))


def random_order(
    candidates: Iterable[Candidate], *, budget: int, price: int, seed: int
) -> Mapping[int, int]:
    """Ask providers in random order, at one posted price.

    Args:
        candidates: any order.
        budget: integer token units.
        price: posted price per provider, integer token units.
        seed: of the order; the same seed and candidates give the same result.
    """
    bids = sorted((candidate.bid for candidate in candidates), key=lambda bid: bid.index)
    random.Random(seed).shuffle(bids)  # noqa: S311 (a comparison, nobody gains by guessing it)
    return _posted_price(bids, budget, price)


def _posted_price(bids: Sequence[Bid], budget: int, price: int) -> Mapping[int, int]:
    """Buy from everyone who accepts, in order, while money is left."""
    if price < 0 or budget < 0:
        raise InputError("price and budget must not be negative")
    accepted = [bid.index for bid in bids if bid.cost <= price]
    return dict.fromkeys(accepted[: budget // price] if price else accepted, price)
