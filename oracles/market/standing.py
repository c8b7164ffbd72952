"""How a bid fared, and why: the answer that a provider who lost is owed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oracles.market.view import wins

if TYPE_CHECKING:
    from collections.abc import Callable

    from oracles.chain.packing import Score
    from oracles.chain.state import AuctionState


@dataclass(frozen=True, slots=True)
class Standing:
    """One bid after its scores are known.

    Attributes:
        q: quality, in steps of 1/10,000.
        phi: estimated marginal utility, in steps of 1/10,000 of the best.
        weight: fixed-point weight; None before the bid is revealed.
        won: whether it won; None before the settlement.
        reward: what it was paid, cash and MUT at face value together, token units; None unless won.
        why: one sentence.
    """

    q: int
    phi: int
    weight: int | None
    won: bool | None
    reward: int | None
    why: str


def standing(
    view: AuctionState, index: int, score: Score, amount: Callable[[int], str]
) -> Standing:
    """Scores, weight, result and reason for one bid.

    Args:
        view: the auction.
        index: of the bid, which the chain has.
        score: its accepted score.
        amount: writes units of the settlement token as people do.
    """
    bid = view.revealed.get(index)
    weight = None if bid is None else bid.weight
    if reason := _ineligible(score, view.terms.scoring.q_min):
        return Standing(score.q, score.phi, weight, _settled(view), None, reason)
    if bid is None:
        return Standing(score.q, score.phi, None, None, None, "The bid is not revealed.")
    if view.settled is None:
        return Standing(score.q, score.phi, weight, None, None, "The auction is not settled.")
    won = wins(view, index)
    limit = highest_cost(view, index)
    if won:
        return Standing(score.q, score.phi, weight, True, limit, "Its cost for its worth was low.")
    why = (
        "At the price of this auction a set of this weight is paid"
        f" {amount(limit or 0)}, which is less than its cost of {amount(bid.cost)}."
    )
    return Standing(score.q, score.phi, weight, False, None, why)


def highest_cost(view: AuctionState, index: int) -> int | None:
    """What the auction's price pays for a bid's weight, token units rounded down.

    For a winner that is its reward (paper §5.4). None where no price was found.
    """
    if view.settled is None or index not in view.revealed:
        return None
    bid, outcome = view.revealed[index], view.settled.outcome
    if outcome.split and not bid.flagged:
        numerator, denominator = outcome.unflagged_num, outcome.unflagged_den
    else:
        numerator, denominator = outcome.num, outcome.den
    return numerator * bid.weight // denominator if denominator else None


def _settled(view: AuctionState) -> bool | None:
    return None if view.settled is None else False


def _ineligible(score: Score, q_min: int) -> str:
    """Why a score gives no weight; empty where it does (DataAuction.reveal)."""
    if not score.present:
        return "Not eligible: the operators do not hold a right sample of it."
    if score.q < q_min:
        return (
            f"Not eligible: its quality q is below the {q_min / 10_000:g} that the terms ask for."
        )
    if score.phi == 0:
        return "Not eligible: it was not found to make the model better."
    return ""
