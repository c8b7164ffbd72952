"""All that a cycle's decisions about one auction rest on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

    from oracles.chain.state import AuctionState
    from oracles.operator.chainview import Head
    from oracles.operator.journal import Report, SignedReport


@dataclass(frozen=True, slots=True)
class RoundProgress:
    """What this operator has done and heard in one scoring round.

    Attributes:
        report: its own, over the present inputs; None while there is none.
        revealed: whether that was signed and shared.
        reports: by member, the report at hand that the member committed to.
        equivocations: by member, two reports that the member signed.
    """

    report: Report | None = None
    revealed: bool = False
    reports: Mapping[int, SignedReport] = field(default_factory=dict)
    equivocations: Mapping[int, tuple[SignedReport, SignedReport]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuctionProgress:
    """What this operator has done and heard for one auction.

    Attributes:
        rounds: one and two.
        undelivered: winners whose delivered key does not open their data; None while the delivered
            keys were not compared.
        verdicts: signatures of verdicts by winner and member.
    """

    rounds: tuple[RoundProgress, RoundProgress] = (RoundProgress(), RoundProgress())
    undelivered: Set[int] | None = None
    verdicts: Mapping[int, Mapping[int, bytes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """One auction in one cycle: all that its duties and their handlers look at.

    Attributes:
        auction: as the chain has it at `head`.
        me: position of this operator in the operator set.
        head: block that the cycle is pinned to; its timestamp is the time.
        progress: what this operator has done and heard.
    """

    auction: AuctionState
    me: int
    head: Head
    progress: AuctionProgress


def inputs(auction: AuctionState, number: int) -> bytes:
    """Digest over everything that decides a vector, as the chain has it now."""
    facts = [
        number,
        auction.terms.metric_version.hex(),
        auction.terms.evaluation.hex(),
        [
            [each.index, each.provider, each.withdrawn, *map(str, asdict(each.data_set).values())]
            for each in auction.commitments
        ],
    ]
    return hashlib.sha256(json.dumps(facts).encode()).digest()
