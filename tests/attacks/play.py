"""What attacks have in common: undoing, the reference's view, and the way out for everybody."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from oracles.mechanism import clear
from tests.support.auction import PPB, Auction, Entry, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oracles.mechanism import Clearing


@contextmanager
def apart(protocol: Protocol) -> Iterator[None]:
    """Undo everything done in the block; accounts funded in it are not any more."""
    funded = set(protocol.funded)
    with protocol.chain.rollback():
        yield
    protocol.funded = funded


def model(auction: Auction) -> Clearing:
    """Return what the reference says of the revealed bids."""
    return clear(
        auction.bids(),
        budget=auction.terms["budget"],
        pool=auction.terms["pool"],
        rho=Fraction(auction.terms["rho"], PPB),
        tranche=auction.tranche,
    )


def copy_commitment(auction: Auction, original: Entry, owner: str) -> Entry:
    """Commit somebody else's sealed bid and data set, word for word, as one's own."""
    entry = auction.entry(auction.protocol.fund(owner), original.cost)
    entry = replace(entry, sealed=original.sealed, salt=original.salt, data_set=original.data_set)
    args = (auction.id, entry.sealed, entry.data_set, auction.terms["agreement"])
    auction.protocol.do("commit", *args, sender=owner, value=auction.deposit)
    auction.entries[entry.index] = entry
    return entry


def claim_all(auction: Auction) -> None:
    """Everybody takes what is due: bids, settlers, buyer."""
    for index in auction.entries:
        auction.claim(index)
    auction.withdraw_refund()
