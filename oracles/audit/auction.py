"""One auction as the audit knows it, and what the checks of all its phases share.

This state is the audit's own, on purpose, like all its sums: `oracles.chain.state` folds the same
events for those who take part, and a mistake there must not be repeated here. Do not merge them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from oracles.audit import recompute
from oracles.audit.recompute import StandingBid
from oracles.chain.codec import SCORE_BYTES, Score, unpack_score

if TYPE_CHECKING:
    from oracles.audit.cash import Cash
    from oracles.audit.checks import Announced, Checks
    from oracles.audit.oracle import Feed, OracleReplay
    from oracles.audit.recompute import Settlement
    from oracles.audit.tokens import DstLedger, MutLedger
    from oracles.chain.codec import DataSet, Durations, Terms
    from oracles.chain.typed_events import Outcome
    from oracles.mechanism.weights import WeightRule

OPEN: Final = "open"
SETTLED: Final = "settled"
ABORTED: Final = "aborted"


class Ends(NamedTuple):
    """When each phase ends, unix seconds."""

    commit: int
    score: int
    reveal: int
    settle: int
    deliver: int
    verdict: int

    @classmethod
    def of(cls, created: int, d: Durations) -> Ends:
        """The phases of an auction that was created at this time."""
        commit = created + d.commit
        score = commit + 2 * (d.score_commit + d.score_open + d.score_post) + d.challenge
        reveal = score + d.reveal
        settle = reveal + d.settle
        deliver = settle + d.deliver
        return cls(commit, score, reveal, settle, deliver, deliver + d.verdict)


@dataclass(slots=True)
class AuditedBid:
    """One commitment and what became of it.

    Attributes:
        index: order of commitment.
        owner, payer: addresses.
        sealed: hash of the bid.
        data_set: what was committed to; None where the log is missing.
        standing: False once withdrawn, or its bond reclaimed.
        cost: revealed; None before.
        weight: 0 where it takes part in no clock.
        flagged: underserved.
        delivered, forfeited: after settlement.
        wins: after settlement.
        paid: parts claimed so far: cash, mut, bond.
    """

    index: int
    owner: str
    payer: str
    sealed: bytes
    data_set: DataSet | None
    standing: bool = True
    cost: int | None = None
    weight: int = 0
    flagged: bool = False
    delivered: bool = False
    forfeited: bool = False
    wins: bool = False
    paid: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Auction:
    """State of one auction.

    Attributes:
        id: from 1.
        buyer: address.
        terms: what the buyer fixed.
        rule: its weight rule.
        beta, reserve: β and f·β, recomputed.
        created: time.
        bounty: wei.
        ends: of the phases.
        bids: by index.
        state: open, settled, aborted.
        accepted: scoring round taken over, 0 before; `scores` are its medians.
        settlement: recomputed clocks, once settled.
        outcome: what the contract said of them.
        settled_at: time.
        bonus: gwei for each honest revealer.
        refund, buyer_mut: due to the buyer.
        winners: how many won.
        cursors: bids walked so far, by proposal.
        walked: by proposal and settler, how many bids each walked.
        last_walk: proposal walked last.
        alone: who walked all bids in the last step, or nobody.
        mut, dst: its tokens, once there are any.
        happened: first and last time of each event.
    """

    id: int
    buyer: str
    terms: Terms
    rule: WeightRule
    beta: int
    reserve: int
    created: int
    bounty: int
    ends: Ends
    bids: list[AuditedBid] = field(default_factory=list)
    state: str = OPEN
    accepted: int = 0
    scores: bytes = b""
    settlement: Settlement | None = None
    outcome: Outcome | None = None
    settled_at: int = 0
    bonus: int = 0
    refund: int = 0
    buyer_mut: int = 0
    winners: int = 0
    cursors: defaultdict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    walked: defaultdict[bytes, defaultdict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    last_walk: bytes = b""
    alone: str = ""
    mut: MutLedger | None = None
    dst: DstLedger | None = None
    happened: dict[str, tuple[int, int]] = field(default_factory=dict)

    def resolved(self, time: int) -> bool:
        """Whether every winner has delivered or been struck out and no verdict can follow."""
        done = sum(1 for bid in self.bids if bid.delivered or bid.forfeited)
        return self.state == SETTLED and time >= self.ends.verdict and done == self.winners

    def score(self, index: int) -> Score:
        """Accepted score of a bid."""
        return unpack_score(self.scores[index * SCORE_BYTES : (index + 1) * SCORE_BYTES])

    def reward(self, bid: AuditedBid) -> tuple[int, int]:
        """Cash and MUT of a winner."""
        if self.settlement is None or not bid.weight:
            return 0, 0
        clock = self.settlement.clock_of(bid.flagged)
        return recompute.reward(clock, bid.weight, self.terms.rho)

    def standing(self) -> list[StandingBid]:
        """Bids that take part in the clocks."""
        return [
            StandingBid(bid.index, bid.cost, bid.weight, bid.flagged)
            for bid in self.bids
            if bid.cost is not None and bid.weight
        ]


@dataclass(frozen=True, slots=True)
class Context:
    """What the checks of all phases share.

    Attributes:
        checks: where findings go.
        announced: what logs promise to each other.
        cash: transfers of settlement tokens.
        oracle: the ScoreOracle's state.
        chain_id: EIP-155.
        address: of the DataAuction.
    """

    checks: Checks
    announced: Announced
    cash: Cash
    oracle: OracleReplay
    chain_id: int
    address: str

    def feed(self, auction: int) -> Feed:
        """The request for an auction's scores.

        Raises:
            Broken: there was none.
        """
        asked = (self.address, auction) in self.oracle.feeds
        self.checks.require("request.opened", asked, "a request for its scores")
        return self.oracle.feeds[self.address, auction]

    def bid(self, auction: Auction, index: int) -> AuditedBid:
        """A bid that was committed.

        Raises:
            Broken: there is none.
        """
        count = len(auction.bids)
        self.checks.require("bid.known", index < count, f"an index below {count}", index)
        return auction.bids[index]

    def state(self, auction: Auction, *states: str) -> None:
        """The auction must be in one of these states."""
        wanted = " or ".join(states)
        self.checks.true("auction.state", auction.state in states, wanted, auction.state)
