"""What a bid brings after its claim: revenue of MUT, and DST where the auction has it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog

from oracles.chain import rpc
from oracles.chain.terms import PPB
from oracles.chain.tokens import Dst, Mut
from oracles.companion.tasks import Kind
from oracles.errors import Reverted
from oracles.market.view import wins
from oracles.service.duty import Duty

if TYPE_CHECKING:
    from collections.abc import Iterable

    from web3 import Web3

    from oracles.chain.deployment import Deployment
    from oracles.chain.state import AuctionState
    from oracles.companion.journal import Finished
    from oracles.companion.settings import Settings
    from oracles.companion.tasks import Bid
    from oracles.service.failures import Failures
    from oracles.service.outbox import DryRun, Outbox

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: Revenue and DST come rarely.
_PAUSE_SECONDS: Final = 3_600
_DAY: Final = 86_400


class Earnings:
    """Collects what comes in for bids that are over.

    Args:
        settings: all of them.
        deployment: its contracts.
        finished: bids that are over.
        failures: tells and times what fails.
    """

    def __init__(
        self, settings: Settings, deployment: Deployment, finished: Finished, failures: Failures
    ) -> None:
        self._settings, self._deployment = settings, deployment
        self._finished, self._failures = finished, failures
        self._next: dict[str, float] = {}

    def expect(self, view: AuctionState, bids: Iterable[Bid]) -> None:
        """Look for what these bids of an auction that is over bring later."""
        for bid in bids:
            if view.settled is None or not wins(view, bid.index):
                continue
            if view.terms.rho < PPB:
                self._finished.add_holder(view.id, bid.holding.share.owner)
            delivered = bid.index in view.deliveries and bid.index not in view.struck_out
            if view.terms.dst.supply and delivered:
                self._finished.add_part(view.id, view.commitments[bid.index].place)

    def collect(self, web3: Web3, outbox: Outbox | DryRun) -> list[Duty]:
        """Collect what has come in; gives what was due."""
        automatic = self._settings.automatic
        due = []
        if automatic.revenue:
            due += self._revenue(web3, outbox)
        if automatic.dst and "DstFactory" in self._deployment.contracts:
            due += self._parts(web3, outbox)
        return due

    def _early(self, key: str) -> bool:
        """Whether it was looked at a short while ago; if not, it is now."""
        if time.monotonic() < self._next.get(key, 0.0) or not self._failures.ready(key):
            return True
        pause = min(self._settings.revenue_days * _DAY, _PAUSE_SECONDS)
        self._next[key] = time.monotonic() + pause
        return False

    def _revenue(self, web3: Web3, outbox: Outbox | DryRun) -> list[Duty]:
        due = []
        now, pause = time.time(), self._settings.revenue_days * _DAY
        for auction, holder, collected in self._finished.holders():
            key = f"revenue:{auction}:{holder}"
            if now - collected < pause or self._early(key):
                continue
            with self._failures.attempt(key):
                mut = Mut(web3, self._deployment.auction(web3).mut_token(auction))
                if not rpc.code(web3, mut.address) or not mut.revenue_of(holder):
                    continue
                duty = Duty(Kind.REVENUE, auction, 0, int(holder, 16) % 2**31)
                due.append(duty)
                if outbox.send(duty, mut.claim_for(holder)):
                    log.info("revenue collected", auction=auction, holder=holder)
                    self._finished.collected(auction, holder, now)
        return due

    def _parts(self, web3: Web3, outbox: Outbox | DryRun) -> list[Duty]:
        due = []
        for auction, place in self._finished.parts():
            key = f"dst:{auction}:{place.index}"
            if self._early(key):
                continue
            with self._failures.attempt(key):
                duty = Duty(Kind.DST, auction, 0, place.index)
                dst = Dst(web3, self._deployment.dst_factory(web3).token_of(auction))
                if not rpc.code(web3, dst.address):
                    continue  # Anybody may create it, and prove the shares.
                try:
                    if outbox.send(duty, dst.claim(place)):
                        log.info("DST taken", auction=auction, bid=place.index)
                    due.append(duty)
                except Reverted as error:
                    if error.error == "NothingToClaim":
                        self._finished.taken(auction, place.index)
                    elif error.error != "NotVerified":
                        raise
        return due
