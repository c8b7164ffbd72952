"""Something that a program has to do; it names what is sent, put off and remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oracles.chain.terms import AuctionId

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to do; it also names the transaction, the pause and the job that it leads to.

    Attributes:
        kind: what, of the program's own list.
        auction: for which auction.
        round: scoring round, or the ground of a verdict; 0 where there is none.
        target: chunk, member or bid, where there is one.
    """

    kind: str
    auction: AuctionId
    round: int = 0
    target: int = 0

    def __str__(self) -> str:
        """For logs and messages; never parsed."""
        return f"{self.kind}:{self.auction}:{self.round}:{self.target}"
