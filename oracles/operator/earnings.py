"""What this operator earned, and its stakes: both become credit at the oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from oracles.operator.duty import Kind

if TYPE_CHECKING:
    from oracles.operator.context import Context, Handler
    from oracles.operator.turn import Turn
    from oracles.service.duty import Duty

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Earnings:
    """Claims fees and releases stakes.

    Args:
        context: of the operator.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._contract = context.auctions.address

    def handlers(self) -> dict[Kind, Handler]:
        """What is done for each kind of duty."""
        return {
            Kind.CLAIM_FEE: self._claim_fee,
            Kind.CLAIM_DUE: self._claim_due,
            Kind.RELEASE_STAKE: self._release,
        }

    def _claim_fee(self, turn: Turn, duty: Duty) -> None:
        amount = turn.auction.fee_due(turn.me)
        call = self._context.oracle.claim_fee(
            self._contract, duty.auction, round_=duty.round, member=turn.me.position
        )
        if self._context.outbox.send(duty, call):
            log.info("fee earned", auction=duty.auction, round=duty.round, wei=str(amount))

    def _claim_due(self, turn: Turn, duty: Duty) -> None:
        amount = turn.auction.gas_due(turn.address)
        call = self._context.oracle.claim_due(self._contract, duty.auction, turn.address)
        if self._context.outbox.send(duty, call):
            log.info("gas repaid", auction=duty.auction, wei=str(amount))

    def _release(self, turn: Turn, duty: Duty) -> None:
        call = self._context.oracle.release_stake(
            self._contract, duty.auction, round_=duty.round, member=turn.me.position
        )
        self._context.outbox.send(duty, call)
