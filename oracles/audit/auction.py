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
from oracles.chain.packing import SCORE_BYTES, Score, unpack_score
from oracles.chain.terms import GWEI

if TYPE_CHECKING:
    from oracles.audit.cash import Cash
    from oracles.audit.checks import Announced, Checks
    from oracles.audit.feed import Feed
    from oracles.audit.ledger import Ledger
    from oracles.audit.oracle import OracleReplay
    from oracles.audit.recompute import Settlement
    from oracles.audit.tokens import DstLedger, MutLedger
    from oracles.chain.terms import AuctionId, DataSet, Durations, Terms
    from oracles.chain.typed_events import Delivery, Outcome
    from oracles.mechanism.weights import WeightRule

OPEN: Final = "open"
SETTLED: Final = "settled"
ABORTED: Final = "aborted"


class Ends(NamedTuple):
    """When each phase ends, unix seconds; the samples are drawn where `draw` ends."""

    commit: int
    draw: int
    open: int
    score: int
    reveal: int
    settle: int
    fetch: int
    deliver: int
    dispute: int

    @classmethod
    def of(cls, created: int, wait: int, d: Durations) -> Ends:
        """The phases of an auction.

        Args:
            created: time of its creation.
            wait: seconds from the end of the commitments to the draw.
            d: lengths of the phases.
        """
        round_ = d.score_commit + d.score_open + d.score_post
        # An appeal takes the three windows once more.
        scores = d.roll + (2 * round_ + d.challenge if d.challenge else round_)
        ends, time = [], created
        for length in (
            d.commit, wait, d.open, scores, d.reveal, d.settle, d.fetch, d.deliver, d.dispute
        ):  # fmt: skip
            time += length
            ends.append(time)
        return cls(*ends)

    @property
    def missing(self) -> int:
        """Until when the buyer names what it cannot get; verdicts come after."""
        return (self.settle + self.fetch) // 2

    @property
    def complain(self) -> int:
        """Until when the buyer complains; verdicts come after."""
        return (self.deliver + self.dispute) // 2


@dataclass(slots=True)
class AuditedBid:
    """One commitment and what became of it.

    Attributes:
        index: order of commitment.
        owner, payer: addresses; empty where the log is missing.
        sealed: hash of the bid.
        data_set: what was committed to; None where the log is missing.
        withdrawn: taken back.
        bond_back, entry_back: whether bond and entry fee of an unrevealed bid went back.
        cleared: whether nothing more can go back, so that the contract has forgotten it.
        opening: digest in the CID of the opening of its sample; None while there is none.
        cost: revealed; None before.
        weight: 0 where it takes part in no clock.
        flagged: under-served.
        wins: after settlement.
        delivery: of its key; None while there is none.
        out: ground on which it was struck out; None for none.
        paid: parts claimed so far: cash, mut, bond.
    """

    index: int
    owner: str
    payer: str
    sealed: bytes
    data_set: DataSet | None
    withdrawn: bool = False
    bond_back: bool = False
    entry_back: bool = False
    cleared: bool = False
    opening: bytes | None = None
    cost: int | None = None
    weight: int = 0
    flagged: bool = False
    wins: bool = False
    delivery: Delivery | None = None
    out: int | None = None
    paid: dict[str, int] = field(default_factory=dict)

    @property
    def sealed_still(self) -> bool:
        """Committed, and neither withdrawn, reclaimed nor revealed."""
        return self.cost is None and not self.withdrawn and not self.bond_back and bool(self.owner)

    @property
    def delivered(self) -> bool:
        """Handed its key over, and was not struck out."""
        return self.delivery is not None and self.out is None

    @property
    def stands(self) -> bool:
        """Won, and was not struck out."""
        return self.wins and self.out is None


@dataclass(slots=True)
class Auction:
    """State of one auction.

    Attributes:
        id: from 1.
        buyer: address.
        key: the buyer's encryption key, 64 bytes.
        terms: what the buyer fixed.
        rule: its weight rule.
        beta, reserve: β and f·β, recomputed.
        created: time.
        bounty: what is left of the settlers' reward, wei.
        fee: what is left of the buyer's fee, wei.
        ends: of the phases.
        bids: by index.
        state: open, settled, aborted.
        accepted: scoring round taken over, 0 before; `scores` are its medians.
        settlement: recomputed clocks, once settled.
        outcome: what the contract said of them.
        refund, buyer_mut: due to the buyer.
        cash: units of the settlement token that the contract still holds for this auction.
        ether: wei that it still holds.
        winners: how many won.
        cursors: bids walked so far, by proposal.
        walked: by proposal and settler, how many bids each walked.
        last_walk: proposal walked last.
        alone: who walked all bids in the last step, or nobody.
        settlers: how many walked the proposal that passed.
        missing, complaints: indices that the buyer named, on either ground.
        mut, dst: its tokens, once there are any.
        happened: first and last time of each event.
    """

    id: AuctionId
    buyer: str
    key: bytes
    terms: Terms
    rule: WeightRule
    beta: int
    reserve: int
    created: int
    bounty: int
    ends: Ends
    fee: int = 0
    bids: list[AuditedBid] = field(default_factory=list)
    state: str = OPEN
    accepted: int = 0
    scores: bytes = b""
    settlement: Settlement | None = None
    outcome: Outcome | None = None
    refund: int = 0
    buyer_mut: int = 0
    cash: int = 0
    ether: int = 0
    winners: int = 0
    cursors: defaultdict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    walked: defaultdict[bytes, defaultdict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    last_walk: bytes = b""
    alone: str = ""
    settlers: int = 0
    missing: set[int] = field(default_factory=set)
    complaints: dict[int, bytes] = field(default_factory=dict)
    mut: MutLedger | None = None
    dst: DstLedger | None = None
    happened: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def bond(self) -> int:
        """Of a bid, wei."""
        return self.terms.bond_gwei * GWEI

    @property
    def entry_fee(self) -> int:
        """Of a bid, wei."""
        return self.terms.scoring.entry_fee_gwei * GWEI

    @property
    def fetch_fee(self) -> int:
        """For each index that the buyer names, wei."""
        return self.terms.scoring.fetch_fee_gwei * GWEI

    def resolved(self, time: int) -> bool:
        """Whether every winner has delivered or been struck out, and no dispute can follow."""
        done = sum(1 for bid in self.bids if bid.delivery is not None or bid.out is not None)
        return self.state == SETTLED and time >= self.ends.dispute and done == self.winners

    @property
    def holders(self) -> bool:
        """Whether somebody has or will have MUT."""
        kept = self.outcome is not None and self.outcome.buyer_mut > 0
        return kept or any(bid.stands for bid in self.bids)

    def has_score(self, index: int) -> bool:
        """Whether there is an accepted score of this index."""
        return (index + 1) * SCORE_BYTES <= len(self.scores)

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
        ledger: ether in the contracts.
        oracle: the ScoreOracle's state.
        chain_id: EIP-155.
        address: of the DataAuction.
        wait: seconds from the end of the commitments to the draw.
    """

    checks: Checks
    announced: Announced
    cash: Cash
    ledger: Ledger
    oracle: OracleReplay
    chain_id: int
    address: str
    wait: int

    def receives(self, auction: Auction, amount: int) -> None:
        """The contract gets ether for an auction."""
        self.ledger.receives(self.address, amount)
        auction.ether += amount

    def pays(self, auction: Auction, amount: int) -> None:
        """The contract pays ether out of what it holds for an auction."""
        self.ledger.pays(self.address, amount)
        auction.ether -= amount

    def burns(self, auction: Auction, amount: int) -> None:
        """The contract sends ether of an auction to nobody."""
        self.ledger.burns(self.address, amount)
        auction.ether -= amount

    def feed(self, auction: AuctionId) -> Feed:
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
