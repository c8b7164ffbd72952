"""The ScoreOracle from its logs, and the sum of what it owes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from oracles.audit import hashes
from oracles.audit.feed import Feed
from oracles.audit.operators import Operators
from oracles.audit.rounds import Rounds
from oracles.audit.stakes import Stakes, due_of, fee_of

if TYPE_CHECKING:
    from oracles.audit.checks import Announced, Checks
    from oracles.audit.ledger import Ledger
    from oracles.audit.operators import OperatorSet
    from oracles.audit.records import Block
    from oracles.chain.terms import AuctionId
    from oracles.chain.typed_events import Body, Panel, Request

#: Gas repaid at the base fee to who posts a chunk or publishes: fixed, and for each byte.


@dataclass(frozen=True, slots=True)
class OracleContext:
    """What the checks of the oracle share.

    Attributes:
        checks: where findings go.
        announced: what logs promise to each other.
        ledger: what the contracts hold.
        operators: keys, credit and sets.
        chain_id: EIP-155.
        address: of the oracle.
        feeds: by consumer and id.
    """

    checks: Checks
    announced: Announced
    ledger: Ledger
    operators: Operators
    chain_id: int
    address: str
    feeds: dict[tuple[str, AuctionId], Feed] = field(default_factory=dict)

    def open(self, consumer: str, auction: AuctionId, request: Request, found: OperatorSet) -> Feed:
        """A new request."""
        key = (consumer, auction)
        self.checks.true("request.once", key not in self.feeds, "opened once")
        keys = {member: self.operators.keys.get(member, b"") for member in found.members}
        self.feeds[key] = Feed(consumer, auction, request, found.panels, keys)
        return self.feeds[key]

    def feed(self, consumer: str, auction: AuctionId) -> Feed:
        """A request that was opened.

        Raises:
            Broken: it was not.
        """
        known = (consumer, auction) in self.feeds
        self.checks.require("request.opened", known, f"a request {auction} of {consumer}")
        return self.feeds[consumer, auction]

    def position(self, panel: Panel, member: str) -> int:
        """Position of a member in its panel.

        Raises:
            Broken: it is no member.
        """
        known = member in panel.members
        self.checks.require("operator.member", known, "a member of the panel", member)
        return panel.members.index(member)

    def digest(self, feed: Feed, number: int, root: bytes, evidence: bytes) -> bytes:
        """What a member signs for a report."""
        version = feed.request.metric_version
        ours = (self.chain_id, self.address, feed.consumer, feed.auction)
        return hashes.report_digest(*ours, number, version, root, evidence)

    def due(self, feed: Feed, block: Block, gas: int) -> None:
        """This call is owed its gas; the log before it says so."""
        due = (feed.consumer, feed.auction, block.base_fee * gas)
        self.announced.confirm("fees.due", self.address, due)


class OracleReplay:
    """State of the ScoreOracle.

    Args:
        checks: where findings go.
        announced: what logs promise to each other.
        ledger: what the contracts hold.
        chain_id: EIP-155.
        address: of the contract.
        min_stake: constructor argument, wei.
        least_window: constructor argument, seconds.
    """

    def __init__(
        self,
        checks: Checks,
        announced: Announced,
        ledger: Ledger,
        chain_id: int,
        address: str,
        min_stake: int,
        least_window: int,
    ) -> None:
        self.address = address
        self.operators = Operators(checks, announced, ledger, address)
        self.context = OracleContext(checks, announced, ledger, self.operators, chain_id, address)
        self.rounds = Rounds(self.context, min_stake, least_window)
        self.stakes = Stakes(self.context)

    @property
    def feeds(self) -> dict[tuple[str, AuctionId], Feed]:
        """Requests by consumer and id."""
        return self.context.feeds

    def apply(self, body: Body, block: Block, bids: int | None) -> bool:
        """Check one event and follow it; False where the contract has no such event.

        Args:
            body: the event.
            block: that it is in.
            bids: number of bids of the auction that it is about; None where that is unknown.
        """
        return (
            self.operators.apply(body)
            or self.rounds.apply(body, block, bids)
            or self.stakes.apply(body, block.time)
        )

    def finish(self) -> None:
        """At the end: the contract holds what it owes, and nothing else.

        Rounding leaves less than a wei for each account that is repaid its gas.
        """
        owed, dust = sum(self.operators.credit.values()), 0
        for feed in self.feeds.values():
            stake = feed.request.stake
            # The bond of a challenge that is not decided yet.
            owed += feed.request.appeal_fee if feed.challenger and not feed.standing else 0
            for number, round_ in enumerate(feed.rounds, 1):
                owed += stake * (round_.committed & ~round_.settled).bit_count()
                for position in range(len(feed.panel(number).members)):
                    owed += fee_of(feed, number, position)
            owed += sum(due_of(feed, account) for account in feed.owed)
            dust += len(feed.owed)
        held = self.context.ledger.held[self.address]
        fits = owed <= held <= owed + dust
        self.context.checks.true("ledger.oracle", fits, f"{owed} to {owed + dust} wei owed", held)
