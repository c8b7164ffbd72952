"""Which auctions an operator serves, by rules that it wrote down before any was created.

Consent to a set lets any buyer name the set, so what one auction may ask of an operator is bounded
here. Declining costs nothing: who does not commit to a report has no stake in an auction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from oracles.operator.duty import Kind
from oracles.service.settings import Address

if TYPE_CHECKING:
    from oracles.chain.state import AuctionState, Seat

_DAY = 86_400
_GWEI_PER_ETHER = 10**9
#: Gas of publishing a vector, at most: of any, and for each index.
_PUBLISH_GAS, _PUBLISH_GAS_PER_INDEX = 120_000, 330


class ServicePolicy(BaseModel, extra="forbid"):
    """What an operator serves.

    Attributes:
        sets: operator sets; none for every set that this operator accepted on chain.
        least_fee: ether that the buyer pays this operator for an auction, at least.
        least_fetch_fee: ether that it pays this operator for each winner that it names, at least: a
            whole archive is to be fetched and served for it.
        most_stake: ether at risk in one auction, at most.
        most_lock_days: days from an auction's creation until its stake is free again, at most.
        most_bids: places of an auction, at most.
        most_samples: sampled pages of one data set, at most.
        registry: MetricRegistry that must have accepted the metric before the auction was created;
            that of the deployment file by default, and none where that names none.
    """

    sets: list[int] | None = None
    least_fee: float = Field(default=0, ge=0)
    least_fetch_fee: float = Field(default=0, ge=0)
    most_stake: float = Field(default=5, gt=0)
    most_lock_days: float = Field(default=60, gt=0)
    most_bids: int = Field(default=10_000, gt=0)
    most_samples: int = Field(default=2048, ge=0)
    registry: Address | None = None


def declined(auction: AuctionState, seat: Seat, policy: ServicePolicy) -> str:
    """Why an auction is not served; empty if it is.

    Args:
        auction: as it was created.
        seat: of this operator.
        policy: its rules.
    """
    terms, scoring = auction.terms, auction.terms.scoring
    if policy.sets is not None and scoring.operator_set not in policy.sets:
        return f"set {scoring.operator_set} is not among `policy.sets`"
    # The appeal panel's fee is what a challenger pays; without a challenge it only attests.
    total = scoring.fee_gwei if seat.round == 1 else scoring.appeal_fee_gwei
    seats = len(auction.panel(seat.round).members)
    fee, fetch_fee = (each / seats / _GWEI_PER_ETHER for each in (total, scoring.fetch_fee_gwei))
    days = (auction.stakes_free - auction.created) / _DAY
    limits = (
        ("its fee for this operator, in ether", fee, policy.least_fee, fee >= policy.least_fee),
        (
            "its fee for an archive that is to be fetched, in ether",
            fetch_fee,
            policy.least_fetch_fee,
            fetch_fee >= policy.least_fetch_fee,
        ),
        (
            "its stake, in ether",
            scoring.stake_gwei / _GWEI_PER_ETHER,
            policy.most_stake,
            scoring.stake_gwei <= policy.most_stake * _GWEI_PER_ETHER,
        ),
        (
            "days until its stake is free",
            round(days, 1),
            policy.most_lock_days,
            days <= policy.most_lock_days,
        ),
        ("its places", terms.max_bids, policy.most_bids, terms.max_bids <= policy.most_bids),
        (
            "sampled pages of a data set",
            scoring.samples,
            policy.most_samples,
            scoring.samples <= policy.most_samples,
        ),
    )
    for name, value, bound, fits in limits:
        if not fits:
            return f"{name}: {value:g}, and the policy's bound is {bound:g}"
    return ""


def most_gwei(kind: str, auction: AuctionState | None, usual: float) -> float:
    """What a unit of gas may cost for a duty.

    Whose vector is neither posted nor published loses its stake, so publishing may cost up to half
    of that, however dear gas is.

    Args:
        kind: of the duty.
        auction: that it is for, if it is known.
        usual: the operator's own limit (`max_fee_gwei`).
    """
    if kind != Kind.PUBLISH or auction is None:
        return usual
    gas = _PUBLISH_GAS + _PUBLISH_GAS_PER_INDEX * len(auction.commitments)
    return max(usual, auction.terms.scoring.stake_gwei / 2 / gas)
