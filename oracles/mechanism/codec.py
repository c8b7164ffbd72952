"""JSON of one case, as in the test vectors: big integers are decimal strings, fractions pairs.

Reading is strict: a case with a missing, misspelt or out-of-range field is refused with a sentence
that names the field, since a silently ignored field would change a price.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from oracles.errors import InputError
from oracles.mechanism.clock import Bid, Clock
from oracles.mechanism.mixed import Clearing, clear

if TYPE_CHECKING:
    from collections.abc import Iterable

_CLEARING = ("budget", "pool", "rho", "tranche", "bids")
_BID = ("index", "cost", "weight", "flagged")
_DST = ("supply", "floor", "cap", "scores")
#: Results that a vector carries beside its inputs; not read.
_RESULTS = ("id", "expected", "algorithm_1", "shares")


@dataclass(frozen=True, slots=True)
class ClearingCase:
    """Inputs of one clearing; the fields are `clear`'s."""

    bids: tuple[Bid, ...]
    budget: int
    pool: int
    rho: Fraction
    tranche: Fraction

    def clear(self) -> Clearing:
        """Clear it."""
        return clear(
            self.bids, budget=self.budget, pool=self.pool, rho=self.rho, tranche=self.tranche
        )


@dataclass(frozen=True, slots=True)
class DstCase:
    """Inputs of one DST issuance; the fields are `allocate`'s."""

    scores: tuple[Fraction, ...]
    supply: int
    floor: int
    cap: int


def load_case(text: str) -> Any:
    """Parse the JSON text of a case.

    Raises:
        InputError: not JSON.
    """
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"this is not JSON ({error}); give one case as a JSON object") from error


def parse_clearing(value: Any) -> ClearingCase:
    """Read one clearing case.

    Args:
        value: decoded JSON object with budget, pool, rho, tranche and bids; id, expected and
            algorithm_1 of a vector are ignored.

    Raises:
        InputError: a field is missing, unknown or malformed.
    """
    case = _fields(value, _CLEARING, "the case")
    if not isinstance(case["bids"], list):
        raise InputError('"bids" must be a list of objects')
    bids = []
    for position, entry in enumerate(case["bids"]):
        where = f"bids[{position}]"
        bid = _fields(entry, _BID, where)
        if not isinstance(bid["flagged"], bool):
            raise InputError(f'"flagged" of {where} must be true or false')
        index, cost, weight = (_natural(bid[key], f'"{key}" of {where}') for key in _BID[:3])
        bids.append(Bid(index, cost, weight, bid["flagged"]))
    return ClearingCase(
        bids=tuple(bids),
        budget=_natural(case["budget"], '"budget"'),
        pool=_natural(case["pool"], '"pool"'),
        rho=_fraction(case["rho"], '"rho"'),
        tranche=_fraction(case["tranche"], '"tranche"'),
    )


def parse_dst(value: Any) -> DstCase:
    """Read one DST case.

    Args:
        value: decoded JSON object with supply, floor, cap and scores; id and shares of a vector are
            ignored.

    Raises:
        InputError: a field is missing, unknown or malformed.
    """
    case = _fields(value, _DST, "the case")
    if not isinstance(case["scores"], list):
        raise InputError('"scores" must be a list of fractions')
    scores = tuple(_fraction(s, f"scores[{i}]") for i, s in enumerate(case["scores"]))
    supply, floor, cap = (_natural(case[key], f'"{key}"') for key in _DST[:3])
    return DstCase(scores, supply, floor, cap)


def dump_clearing(clearing: Clearing) -> dict[str, Any]:
    """The vectors' `expected` object."""
    return {
        "beta": str(clearing.beta),
        "reserve": str(clearing.reserve),
        "split": clearing.split,
        "clocks": {name: _dump_clock(clock) for name, clock in clearing.clocks.items()},
        "reward": _dump_amounts(clearing.reward.items()),
        "cash": _dump_amounts(clearing.cash.items()),
        "face": _dump_amounts(clearing.mut.items()),
    }


def dump_fraction(value: Fraction) -> list[str]:
    """`[numerator, denominator]` in lowest terms."""
    return [str(value.numerator), str(value.denominator)]


def _dump_clock(clock: Clock) -> dict[str, Any]:
    return {
        "winners": list(clock.winners),
        "price": None if clock.price is None else dump_fraction(clock.price),
        "marginal": clock.marginal,
        "first_loser": clock.first_loser,
        "weight": str(clock.weight),
    }


def _dump_amounts(amounts: Iterable[tuple[int, int]]) -> dict[str, str]:
    return {str(index): str(amount) for index, amount in sorted(amounts)}


def _fields(value: Any, names: tuple[str, ...], where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where} must be a JSON object with {', '.join(names)}")
    if missing := [name for name in names if name not in value]:
        raise InputError(f"{where} lacks {', '.join(missing)}")
    if unknown := sorted(value.keys() - set(names) - set(_RESULTS)):
        raise InputError(
            f"{where} has unknown fields: {', '.join(unknown)}; known are {', '.join(names)}"
        )
    return value


def _natural(value: Any, where: str) -> int:
    """A non-negative integer, as a number or a decimal string."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 80:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise InputError(f"{where} is {value!r:.60}; give a non-negative integer in decimal")


def _fraction(value: Any, where: str) -> Fraction:
    """A non-negative fraction `[numerator, denominator]`."""
    if not isinstance(value, list) or len(value) != 2:
        raise InputError(f"{where} is {value!r:.60}; give a pair of numerator and denominator")
    numerator, denominator = (_natural(part, where) for part in value)
    if denominator == 0:
        raise InputError(f"{where} has denominator 0")
    return Fraction(numerator, denominator)
