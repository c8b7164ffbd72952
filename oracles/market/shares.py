"""Data Share Tokens of one auction: who delivered gets a share of a capped supply."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from eth_utils.address import to_checksum_address

from oracles.chain import rpc
from oracles.chain.client import Sender, receipt_events
from oracles.chain.packing import NONE
from oracles.chain.state import load_auction
from oracles.chain.terms import PPB, AuctionId
from oracles.chain.tokens import Dst, WaterLevel
from oracles.chain.typed_events import DstVerified
from oracles.errors import ChainError
from oracles.market.settler import WALK
from oracles.mechanism import allocate, dst_scores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oracles.chain.deployment import Deployment
    from oracles.chain.packing import Score
    from oracles.chain.terms import DstTerms


def issue_dst(sender: Sender, deployment: Deployment, auction: AuctionId) -> dict[int, int]:
    """Create an auction's DST, prove its water level, and mint everybody's share. Anyone may.

    Returns:
        Share by index, smallest units.

    Raises:
        ChainError: nobody delivered, deliveries are not resolved yet, or the contract refuses.
    """
    view = load_auction(sender.web3, deployment, auction)
    terms = view.terms.dst
    if not terms.supply:
        raise ChainError(f"auction {auction} has no participation tokens")
    delivered = set(view.deliveries) - view.struck_out
    if not delivered:
        raise ChainError(f"nobody delivered in auction {auction}: there is no DST to issue")
    scores = view.scores(sender.web3, view.accepted_round)
    level, shares = water_level({index: scores[index] for index in delivered}, terms)
    factory = deployment.dst_factory(sender.web3)
    address = factory.token_of(auction)
    if not rpc.code(sender.web3, to_checksum_address(address)):
        sender.send(factory.create(auction, terms))
    token = Dst(sender.web3, address)
    verified = False
    while not verified:
        receipt = sender.send(token.verify(level, WALK))
        verified = bool(receipt_events(receipt, DstVerified))
    for index in shares:
        sender.send(token.claim(view.commitments[index].place))
    return shares


def water_level(scores: Mapping[int, Score], terms: DstTerms) -> tuple[WaterLevel, dict[int, int]]:
    """The proposal that the contract accepts, and the shares (paper §7.3). Pure.

    Args:
        scores: of the bids that delivered, by index; at least one.
        terms: supply, floor, cap and weights.

    Returns:
        The proposal, and each bid's share of the supply by index.
    """
    indices = sorted(scores)
    volumes = [scores[i].volume for i in indices]
    qualities = [scores[i].q for i in indices]
    impacts = [scores[i].phi for i in indices]
    weights = [
        Fraction(weight, PPB)
        for weight in (terms.volume_weight, terms.quality_weight, terms.impact_weight)
    ]
    alpha, beta, gamma = weights
    real = dst_scores(volumes, qualities, impacts, alpha=alpha, beta=beta, gamma=gamma)
    allocation = allocate(real, supply=terms.supply, floor=terms.floor, cap=terms.cap)
    sums = [max(1, sum(component)) for component in (volumes, qualities, impacts)]
    # The contract's scores are these times PPB and the three sums: integers.
    scale = PPB * sums[0] * sums[1] * sums[2]
    level = allocation.level / scale
    remainder, tie = 0, NONE
    if allocation.marginal is not None:
        units = real[allocation.marginal] * scale
        remainder = int(level.numerator * units) % level.denominator
        tie = indices[allocation.marginal]
    proposal = WaterLevel(
        sum(volumes),
        sum(qualities),
        sum(impacts),
        len(indices),
        level.numerator,
        level.denominator,
        remainder,
        tie,
    )
    return proposal, dict(zip(indices, allocation.shares, strict=True))
