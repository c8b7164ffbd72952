"""What an operator can be due to do; see `duties` for when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Kinds of duty, in the order in which one cycle does them."""

    FETCH = "fetch"
    CALL_ROLL = "call-roll"
    TALLY_ROLL = "tally-roll"
    SCORE = "score"
    COMMIT = "commit"
    REVEAL = "reveal"
    GATHER = "gather"
    POST = "post"
    PUBLISH = "publish"
    RESOLVE = "resolve"
    ACCEPT = "accept"
    ABORT = "abort"
    SLASH_MISSING = "slash-missing"
    SLASH_CONTRADICTION = "slash-contradiction"
    SLASH_DEVIATION = "slash-deviation"
    INSPECT_MISSING = "inspect-missing"
    INSPECT_COMPLAINT = "inspect-complaint"
    GATHER_VERDICT = "gather-verdict"
    VERDICT = "verdict"
    CLAIM_FEE = "claim-fee"
    CLAIM_DUE = "claim-due"
    RELEASE_STAKE = "release-stake"


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to do; it also names the transaction, the pause and the job that it leads to.

    Attributes:
        kind: what.
        auction: for which auction.
        round: scoring round, or the ground of a verdict; 0 where there is none.
        target: chunk, member or provider index, where there is one.
    """

    kind: Kind
    auction: int
    round: int = 0
    target: int = 0

    def __str__(self) -> str:
        """For logs and messages; never parsed."""
        return f"{self.kind}:{self.auction}:{self.round}:{self.target}"
