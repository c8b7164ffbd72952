"""The settlement: the walk over the bids, and every field of the outcome once more."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from eth_utils.crypto import keccak

from oracles.audit import hashes, recompute
from oracles.audit.auction import OPEN, SETTLED
from oracles.chain.packing import NONE
from oracles.chain.typed_events import Outcome

if TYPE_CHECKING:
    from oracles.audit.auction import Auction, Context
    from oracles.audit.recompute import ClockResult, Settlement
    from oracles.chain.typed_events import Settled, Walked


class Settling:
    """Checks of the settlers' walk and of its outcome."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._checks = context.checks

    def walked(self, auction: Auction, body: Walked, time: int) -> None:
        """A stretch of bids was walked for a proposal."""
        checks, count = self._checks, len(auction.bids)
        checks.within("phase.settle", time, auction.ends.reveal, auction.ends.settle)
        self._context.state(auction, OPEN)
        start, end = body.from_, body.to
        checks.equal("settle.walk", auction.cursors[body.proposal], start)
        forward = start < end <= count or count == start == end == 0
        checks.true("settle.walk", forward, f"forward, within {count} bids", (start, end))
        auction.cursors[body.proposal] = end
        auction.walked[body.proposal][body.settler] += end - start
        auction.last_walk = body.proposal
        auction.alone = body.settler if start == 0 < end == count else ""

    def settled(self, auction: Auction, body: Settled, time: int) -> None:
        """A proposal was accepted."""
        checks, terms, ends = self._checks, auction.terms, auction.ends
        checks.within("phase.settle", time, ends.reveal, ends.settle)
        self._context.state(auction, OPEN)
        marginals = (body.marginals.all, body.marginals.flagged, body.marginals.unflagged)
        proposal = keccak(hashes.words(auction.id, *marginals))
        checks.equal("settle.proposal", proposal, auction.last_walk)
        checks.equal("settle.walk", len(auction.bids), auction.cursors[auction.last_walk])
        auction.last_walk = proposal

        bids = auction.standing()
        settlement = recompute.settle(
            bids, auction.beta, auction.reserve, tranche=terms.tranche > 0
        )
        expected = _outcome(auction, settlement)
        clocks = (settlement.pooled, settlement.flagged, settlement.unflagged)
        own = tuple(clock.marginal if clock else NONE for clock in clocks)
        checks.equal("settle.marginals", own, marginals)
        found = asdict(body.outcome)
        for name, value in asdict(expected).items():
            checks.equal(f"settle.{name}", value, found[name])
        scored = expected.revealed or not expected.unrevealed or auction.accepted
        checks.true("settle.scored", scored, "scores accepted, or nobody to lose a bond")

        if auction.alone and auction.bids:
            fact = (auction.id, auction.alone)
            self._context.announced.announce_next("bounty.alone", self._context.address, fact)
        auction.state, auction.settlement, auction.outcome = SETTLED, settlement, body.outcome
        auction.winners, auction.settlers = expected.winners, len(auction.walked[proposal])
        auction.refund, auction.buyer_mut = expected.refund, expected.buyer_mut
        # Whole: a part for revealers or settlers would pay shills, and who withholds and settles.
        self._context.burns(auction, expected.unrevealed * auction.bond)
        self._rewards(auction, settlement, body.outcome)

    def _rewards(self, auction: Auction, settlement: Settlement, found: Outcome) -> None:
        """Every winner is paid at least its cost, and all of them no more than there is."""
        checks, budget = self._checks, auction.terms.budget
        winning = {index for clock in _paying(settlement) for index in clock.winners}
        cash = mut = 0
        for bid in auction.bids:
            bid.wins = bid.index in winning
            if bid.wins:
                parts = auction.reward(bid)
                cash, mut = cash + parts[0], mut + parts[1]
                checks.true("reward.rational", sum(parts) >= (bid.cost or 0), bid.cost, sum(parts))
        spent, allotted = budget - auction.refund, found.mut_supply - auction.buyer_mut
        checks.true("reward.budget", cash <= spent <= budget, f"≤ {spent}", cash)
        checks.true("reward.pool", mut <= allotted, f"≤ {allotted}", mut)


def _paying(settlement: Settlement) -> list[ClockResult]:
    """The clocks that pay: one, or two where the tranche has a price of its own."""
    if settlement.flagged is not None and settlement.unflagged is not None:
        return [settlement.flagged, settlement.unflagged]
    return [settlement.pooled]


def _outcome(auction: Auction, settlement: Settlement) -> Outcome:
    """Every field that the contract must give."""
    terms, clocks = auction.terms, _paying(settlement)
    parts = [recompute.spent(clock, terms.rho) for clock in clocks]
    cash, allotment = (sum(each) for each in zip(*parts, strict=True))
    revealed = sum(1 for bid in auction.bids if bid.cost is not None)
    unrevealed = sum(1 for bid in auction.bids if bid.sealed_still)
    buyer_mut = max(0, terms.pool - allotment)
    prices = [(clock.num, clock.den) if clock.den else (0, 1) for clock in clocks]
    second = prices[1] if len(prices) > 1 else (0, 1)
    return Outcome(
        split=settlement.split,
        num=prices[0][0],
        den=prices[0][1],
        unflagged_num=second[0],
        unflagged_den=second[1],
        winners=sum(len(clock.winners) for clock in clocks),
        revealed=revealed,
        unrevealed=unrevealed,
        refund=terms.budget - cash,
        mut_supply=allotment + buyer_mut,
        buyer_mut=buyer_mut,
    )
