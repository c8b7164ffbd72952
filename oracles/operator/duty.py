"""What an operator can be due to do; see `duties` for when."""

from __future__ import annotations

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
