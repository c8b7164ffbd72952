"""The veto on a metric version: what locked participation tokens weigh, in exact numbers.

Silence accepts. A version is vetoed where those who objected before its window closed hold at least
a share of the last year's payouts. The weight of a token is its auction's cash payout over the
tokens issued, so an auction that paid nothing weighs nothing, and neither the number of auctions
nor that of holders counts. Only auctions count whose tokens were issued before the proposal: what
is done after seeing it changes neither who may object nor how much is needed, and what was vetoed
or accepted remains so. Whether payout and tokens were claimed does not matter for that reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

#: Payouts of auctions that ended in this many seconds before a proposal make up its electorate.
YEAR: Final = 365 * 86_400
GRID: Final = 10_000


class Standing(StrEnum):
    """Where a version stands."""

    UNKNOWN = "unknown"
    OPEN = "open"
    ACCEPTED = "accepted"
    VETOED = "vetoed"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a registry fixes for ever.

    Attributes:
        payout_token: settlement token in which payouts count.
        floor: least payout of an auction that counts, in its units.
        share: part of the electorate from which objections are a veto, in 1e-4.
        genesis: version that is accepted from the start.
    """

    payout_token: str
    floor: int
    share: int
    genesis: bytes


@dataclass(frozen=True, slots=True)
class Paid:
    """An auction as far as the veto looks at it.

    Attributes:
        token: address of its participation token.
        currency: address of its settlement token.
        version: metric version that it was scored by.
        created: unix seconds.
        ended: when its last dispute could be raised, unix seconds.
        verified: when its participation tokens were issued, unix seconds.
        cash: payout: what of the budget went to providers, units of the settlement token.
        issued: participation tokens that its providers can claim.
    """

    token: str
    currency: str
    version: bytes
    created: int
    ended: int
    verified: int
    cash: int
    issued: int

    @property
    def each(self) -> Fraction:
        """Weight of one unit of its participation token; there must be some."""
        return Fraction(self.cash, self.issued)


@dataclass(frozen=True, slots=True)
class Proposed:
    """A version and who objects to it.

    Attributes:
        version: 32 bytes.
        proposed: unix seconds.
        closes: when objections end, unix seconds.
        objections: by token and holder, the amount locked.
    """

    version: bytes
    proposed: int
    closes: int
    objections: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Tally:
    """How a version stands, and why.

    Attributes:
        version: 32 bytes.
        standing: of it.
        closes: when objections end; 0 for the genesis version.
        against: weight of those who object.
        electorate: payouts of all auctions that count.
        needed: weight that is a veto; more than `electorate` if nobody can object.
    """

    version: bytes
    standing: Standing
    closes: int
    against: Fraction
    electorate: Fraction
    needed: Fraction


def tally(
    proposals: Sequence[Proposed], auctions: Collection[Paid], rules: Rules, now: int
) -> dict[bytes, Tally]:
    """Where every version stands.

    Args:
        proposals: in the order of their proposal.
        auctions: all of the deployment.
        rules: of the registry.
        now: unix seconds.

    Returns:
        The tallies by version, that of the genesis version first.
    """
    nothing = Fraction(0)
    found = {rules.genesis: Tally(rules.genesis, Standing.ACCEPTED, 0, nothing, nothing, nothing)}
    for proposal in proposals:
        # Whether an auction counts depends on versions that were proposed before this one only.
        electors = {
            auction.token: auction.each
            for auction in auctions
            if _counts(auction, proposal.proposed, rules, found)
        }
        electorate = Fraction(sum(paid.cash for paid in auctions if paid.token in electors))
        against = sum(
            (
                electors.get(token, nothing) * amount
                for (token, _), amount in proposal.objections.items()
            ),
            nothing,
        )
        needed = electorate * rules.share / GRID
        vetoed = electorate > 0 and against >= needed
        if vetoed:
            standing = Standing.VETOED
        else:
            standing = Standing.OPEN if now < proposal.closes else Standing.ACCEPTED
        found[proposal.version] = Tally(
            proposal.version, standing, proposal.closes, against, electorate, needed
        )
    return found


def objection(found: Tally | None, created: int) -> str:
    """Why an auction should not have been created under a version then; empty if nothing is wrong.

    What is vetoed later than that does not matter: an accepted version remains so.

    Args:
        found: where the version stands; None if nobody proposed it.
        created: when the auction was created, unix seconds.
    """
    if found is None:
        return "was never proposed"
    if found.standing is Standing.VETOED:
        return "was vetoed by those who sold data"
    if found.closes > created:
        return "was not accepted yet"
    return ""


def _counts(auction: Paid, proposed: int, rules: Rules, known: Mapping[bytes, Tally]) -> bool:
    version = known.get(auction.version)
    return (
        auction.currency.lower() == rules.payout_token.lower()
        and auction.cash >= rules.floor
        and auction.issued > 0
        and proposed - YEAR <= auction.ended
        and auction.verified <= proposed
        and version is not None
        and version.standing is Standing.ACCEPTED
        and version.closes <= auction.created
    )
