"""The MetricRegistry from its logs: what was proposed, who objected, and what is locked for it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from oracles.chain.typed_events import (
    BondReturned,
    Extended,
    Locked,
    Objected,
    Proposed,
    Released,
)
from oracles.mechanism import veto

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oracles.audit.auction import Auction
    from oracles.audit.checks import Checks
    from oracles.chain.deployment import Deployed
    from oracles.chain.typed_events import Body

#: MetricRegistry.EXTENSION and MAX_DOCUMENT.
EXTENSION: Final = 86_400
MAX_DOCUMENT: Final = 24_576


@dataclass(slots=True)
class Proposal:
    """One version: who proposed it and when, its end, and who objects with how much."""

    proposer: str
    proposed: int
    closes: int
    latest: int
    bond_back: bool = False
    objections: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass(slots=True)
class RegistryReplay:
    """State of the registry that a deployment names; without one it is empty.

    Attributes:
        checks: where findings go.
        address: of the contract; empty where the deployment has none.
        rules: what it was deployed with; None where there is none.
        window: time for objections, seconds.
        bond: of a proposal, wei.
        proposals: by version, in their order.
        locked: by token and holder.
        until: when a holder's lock of a token ends, unix seconds.
        pending: version whose end a late objection must extend in the next log, and until when.
    """

    checks: Checks
    address: str = ""
    rules: veto.Rules | None = None
    window: int = 0
    bond: int = 0
    proposals: dict[bytes, Proposal] = field(default_factory=dict)
    locked: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    until: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    pending: tuple[bytes, int] | None = None

    @classmethod
    def of(cls, checks: Checks, deployed: Deployed | None, factory: str) -> RegistryReplay:
        """The registry of a deployment file.

        Raises:
            ValueError: its arguments are not those of a registry.
        """
        if deployed is None:
            return cls(checks)
        named, token, floor, share, window, bond, genesis = deployed.arguments
        with checks.at(None, "the header"):
            checks.equal("metric.factory", factory.lower(), named.lower())
        version = bytes.fromhex(genesis.removeprefix("0x"))
        rules = veto.Rules(token, int(floor), int(share), version)
        return cls(checks, deployed.address, rules, int(window), int(bond))

    def apply(self, body: Body, time: int, tokens: Iterable[str]) -> bool:
        """Check one event and follow it; False where the contract has no such event.

        Args:
            body: the event.
            time: of its block.
            tokens: participation tokens that there are.
        """
        if self.pending is not None:
            told = isinstance(body, Extended) and (body.version, body.closes) == self.pending
            self.checks.true("metric.extended", told, f"the end moved to {self.pending[1]}", body)
            self.pending = None
        elif isinstance(body, Extended):
            self.checks.true("metric.extended", False, "no extension without a late objection")
        match body:
            case Proposed():
                self._proposed(body, time)
            case Locked(token=token, holder=holder, amount=amount):
                self.checks.true("metric.token", token in set(tokens), "a participation token")
                self.locked[token, holder] += amount
            case Objected():
                self._objected(body, time)
            case Extended(version=version, closes=closes):
                self._known(version).closes = closes
            case Released(token=token, holder=holder, amount=amount):
                key = (token, holder)
                self.checks.equal("metric.released", self.locked.pop(key, 0), amount)
                self.checks.within("metric.lock", time, self.until.pop(key, 0))
            case BondReturned():
                proposal = self._known(body.version)
                self.checks.within("metric.open", time, proposal.closes)
                fresh = not proposal.bond_back
                self.checks.true("metric.bond", fresh, "a bond that was not returned before")
                due = (proposal.proposer, self.bond)
                self.checks.equal("metric.bond", due, (body.proposer, body.amount))
                proposal.bond_back = True
            case _:
                return False
        return True

    def _known(self, version: bytes) -> Proposal:
        known = version in self.proposals
        self.checks.require("metric.proposed", known, "a version that was proposed", version)
        return self.proposals[version]

    def _proposed(self, body: Proposed, time: int) -> None:
        checks, digest = self.checks, hashlib.sha256(body.document).digest()
        checks.equal("metric.version", digest, body.version)
        fits = 0 < len(body.document) <= MAX_DOCUMENT
        checks.true("metric.document", fits, f"1 to {MAX_DOCUMENT} bytes", len(body.document))
        genesis = self.rules is not None and body.version == self.rules.genesis
        fresh = body.version not in self.proposals and not genesis
        checks.true("metric.once", fresh, "a version that was not there before")
        ends = (time + self.window, time + 2 * self.window)
        checks.equal("metric.window", ends, (body.closes, body.latest))
        self.proposals[body.version] = Proposal(body.proposer, time, body.closes, body.latest)

    def _objected(self, body: Objected, time: int) -> None:
        proposal, key = self._known(body.version), (body.token, body.holder)
        self.checks.equal("metric.locked", self.locked[key], body.amount)
        more = body.amount != proposal.objections.get(key, 0)
        self.checks.true("metric.objection", more, "an objection that was not counted before")
        self.checks.within("metric.open", time, proposal.proposed, proposal.closes)
        proposal.objections[key] = body.amount
        self.until[key] = max(self.until[key], proposal.latest)
        end = min(time + EXTENSION, proposal.latest)
        if end > proposal.closes:
            self.pending = (body.version, end)

    def tallies(self, auctions: Iterable[Auction], now: int) -> dict[bytes, veto.Tally]:
        """Where every version stands at a time; nothing without a registry."""
        if self.rules is None:
            return {}
        paid = [found for auction in auctions if (found := _paid(auction)) is not None]
        proposals = [
            veto.Proposed(version, each.proposed, each.closes, each.objections)
            for version, each in self.proposals.items()
        ]
        return veto.tally(proposals, paid, self.rules, now)


def _paid(auction: Auction) -> veto.Paid | None:
    """What an auction weighs; None before its participation tokens are issued."""
    dst, outcome = auction.dst, auction.outcome
    if dst is None or dst.shares is None or outcome is None:
        return None
    returned = sum(
        auction.reward(bid)[0] for bid in auction.bids if bid.wins and bid.out is not None
    )
    return veto.Paid(
        token=dst.address,
        currency=auction.terms.token,
        version=auction.terms.scoring.metric_version,
        created=auction.created,
        ended=auction.ends.dispute,
        verified=dst.verified,
        cash=auction.terms.budget - outcome.refund - returned,
        issued=sum(dst.shares.values()),
    )
