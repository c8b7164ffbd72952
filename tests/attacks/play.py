"""Auctions led to where the attack begins, and what must hold at their end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from oracles.mechanism import clear
from tests.support.auction import DELIVERED, PPB, Auction, Protocol, Score

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from fractions import Fraction

    from oracles.mechanism import Clearing


@contextmanager
def apart(protocol: Protocol) -> Iterator[None]:
    """Undo everything done in the block; accounts funded in it are not any more."""
    funded = set(protocol.funded)
    with protocol.chain.rollback():
        yield
    protocol.funded = funded


def revealed(
    protocol: Protocol,
    costs: Sequence[int],
    scores: Sequence[Score] | None = None,
    **terms: Any,
) -> Auction:
    """Return an auction at the start of its settlement, all bids revealed."""
    auction = protocol.create(**terms)
    for cost in costs:
        auction.commit(cost)
    auction.score(scores or [Score()] * len(costs))
    auction.go("reveal")
    for index in auction.entries:
        auction.reveal(index)
    return auction.go("settle")


def claimable(
    protocol: Protocol,
    costs: Sequence[int],
    scores: Sequence[Score] | None = None,
    **terms: Any,
) -> Auction:
    """Return a settled auction whose winners have delivered, at the start of the claims."""
    auction = revealed(protocol, costs, scores, **terms)
    auction.settle()
    for index in model(auction).winners:
        auction.deliver(index)
    return auction.go("claim")


def model(auction: Auction) -> Clearing:
    """Return what the reference says of the revealed bids."""
    rho: Fraction = auction.tranche.__class__(auction.terms["rho"], PPB)
    return clear(
        auction.bids(),
        budget=auction.terms["budget"],
        pool=auction.terms["pool"],
        rho=rho,
        tranche=auction.tranche,
    )


def claim_all(auction: Auction) -> None:
    """Everybody takes what is due: bids, settlers, buyer."""
    for index in auction.entries:
        auction.claim(index)
    auction.protocol.do("withdrawBuyer", auction.id, auction.buyer, sender=auction.buyer)


def delivered(auction: Auction) -> list[int]:
    """Indices of the bids that count as delivered."""
    return [index for index, slot in enumerate(auction.slots()) if slot & DELIVERED]
