"""What a settler does. It needs no rights: anyone may settle, strike out, or end an auction."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

from oracles.chain.auction import State
from oracles.chain.client import Sender, receipt_event, receipt_events
from oracles.chain.state import AuctionState, load_auction
from oracles.chain.terms import PPB, AuctionId
from oracles.chain.typed_events import BountyClaimed, Walked
from oracles.market.view import bids, need_outcome, wins
from oracles.mechanism import propose
from oracles.progress import Progress, silent

if TYPE_CHECKING:
    from oracles.chain.auction import AuctionContract
    from oracles.chain.deployment import Deployment

#: Bids walked by one settlement transaction: about 6 million gas.
WALK: Final = 2_000


class Settler:
    """Anyone who moves auctions of one deployment on.

    Args:
        sender: connection and key.
        deployment: contracts.

    Example:
        With `deployment` and `sender` as in the examples of these classes, once bids are revealed:

        >>> import qmia
        >>> qmia.Settler(sender, deployment).settle(auction)
    """

    def __init__(self, sender: Sender, deployment: Deployment) -> None:
        self._sender = sender
        self._deployment = deployment
        self._contract: AuctionContract = deployment.auction(sender.web3)

    def settle(self, auction: AuctionId, *, progress: Progress = silent) -> None:
        """Propose the marginal winners and walk all bids; resumes what others began.

        Whoever walks all bids in one transaction gets the bounty with it; else see `bounty`.

        Args:
            auction: id.
            progress: called with the stage, bids walked so far, and their number.

        Raises:
            ChainError: the contract refuses.
        """
        view = self._view(auction)
        proposal = propose(bids(view), beta=view.beta, tranche=Fraction(view.terms.tranche, PPB))
        total = self._contract.bid_count(auction)
        while self._contract.phases(auction)[0] is State.OPEN:
            receipt = self._sender.send(self._contract.settle(auction, proposal, WALK))
            for walked in receipt_events(receipt, Walked):
                progress("bids walked", walked.to, total)

    def bounty(self, auction: AuctionId) -> int:
        """Collect the caller's part of the bounty, after a settlement in several transactions.

        Returns:
            Wei received.

        Raises:
            ChainError: nothing is due: the caller walked no bid, or has been paid.
        """
        receipt = self._sender.send(self._contract.claim_bounty(auction))
        return receipt_event(receipt, BountyClaimed).amount

    def forfeit_missing(self, auction: AuctionId) -> list[int]:
        """Past the deadline: strike out every winner who delivered no key.

        Returns:
            Their indices.

        Raises:
            ChainError: the auction is not settled, or the contract refuses.
        """
        view = self._view(auction)
        need_outcome(self._sender.web3, view)
        missing = [
            index
            for index in sorted(view.revealed)
            if wins(view, index) and index not in view.deliveries and index not in view.struck_out
        ]
        for index in missing:
            self._sender.send(self._contract.forfeit(auction, index))
        return missing

    def abort(self, auction: AuctionId) -> None:
        """End an auction whose scores failed, or that nobody settled in time.

        Raises:
            ChainError: the contract refuses.
        """
        self._sender.send(self._contract.abort(auction))

    def _view(self, auction: AuctionId) -> AuctionState:
        return load_auction(self._sender.web3, self._deployment, auction)
