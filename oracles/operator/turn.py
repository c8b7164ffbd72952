"""All that a cycle's decisions about one auction rest on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

    from oracles.chain.oracle import Ground
    from oracles.chain.state import AuctionState, Seat
    from oracles.operator.journal import Report, SignedReport
    from oracles.service.chainview import Head


@dataclass(frozen=True, slots=True)
class RoundProgress:
    """What this operator has done and heard in one scoring round.

    Attributes:
        report: its own, over the present inputs; None while there is none.
        revealed: whether that was signed and shared.
        reports: by member, the report at hand that the member committed to.
        contradictions: by member, two reports that the member signed.
    """

    report: Report | None = None
    revealed: bool = False
    reports: Mapping[int, SignedReport] = field(default_factory=dict)
    contradictions: Mapping[int, tuple[SignedReport, SignedReport]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuctionProgress:
    """What this operator has done and heard for one auction.

    Attributes:
        rounds: one and two.
        looked_at: by index, whether its sample is here and right (True) or is no good (False). What
            could not be fetched yet is absent.
        searched: whether all sources were asked for what is opened now.
        faults: winners that this operator would strike out, and those that it would not, by index
            and ground; absent while it has not looked.
        verdicts: signatures of verdicts, by index and ground, by member.
        deviators: by member, the index at which its vector of round one is not what the appeal
            found.
    """

    rounds: tuple[RoundProgress, RoundProgress] = (RoundProgress(), RoundProgress())
    looked_at: Mapping[int, bool] = field(default_factory=dict)
    searched: bool = True
    faults: Mapping[tuple[int, Ground], bool] = field(default_factory=dict)
    verdicts: Mapping[tuple[int, Ground], Mapping[int, bytes]] = field(default_factory=dict)
    deviators: Mapping[int, int] = field(default_factory=dict)

    @property
    def held(self) -> Set[int]:
        """Indices whose sample is here and right."""
        return {index for index, right in self.looked_at.items() if right}


@dataclass(frozen=True, slots=True)
class Turn:
    """One auction in one cycle: all that its duties and their handlers look at.

    Attributes:
        auction: as the chain has it at `head`.
        me: where this operator sits in the set.
        address: of this operator.
        head: block that the cycle is pinned to; its timestamp is the time.
        progress: what this operator has done and heard.
        declined: why this operator does not score for this auction; empty if it does.
    """

    auction: AuctionState
    me: Seat
    address: str
    head: Head
    progress: AuctionProgress
    declined: str = ""


def sealed(auction: AuctionState) -> bytes:
    """Digest over what there is to fetch, as the chain has it now."""
    facts = [
        [
            each.index,
            each.owner,
            each.withdrawn,
            each.opening and each.opening.hex(),
            *map(str, asdict(each.data_set).values()),
        ]
        for each in auction.commitments
    ]
    return hashlib.sha256(json.dumps(facts).encode()).digest()


def inputs(auction: AuctionState, number: int) -> bytes:
    """Digest over everything that decides a vector, as the chain has it now."""
    facts = [
        number,
        auction.terms.scoring.metric_version.hex(),
        auction.terms.scoring.evaluation.hex(),
        None if auction.roll is None else sorted(auction.roll),
        sealed(auction).hex(),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).digest()
