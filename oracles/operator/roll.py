"""The roll: which data sets this operator holds and has checked, said before anybody scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from oracles.chain.packing import pack_roll
from oracles.operator.duty import Kind

if TYPE_CHECKING:
    from oracles.operator.context import Context, Handler
    from oracles.operator.turn import Turn
    from oracles.service.duty import Duty

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class RollCall:
    """Attests what is here, counts what all attested, and takes the scores over.

    Args:
        context: of the operator.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._contract = context.auctions.address

    def handlers(self) -> dict[Kind, Handler]:
        """What is done for each kind of duty."""
        return {Kind.CALL_ROLL: self._call, Kind.TALLY_ROLL: self._tally}

    def _call(self, turn: Turn, duty: Duty) -> None:
        auction = turn.auction
        held = turn.progress.held & auction.opened
        log.info("roll call", auction=auction.id, held=len(held), opened=len(auction.opened))
        bitmap = pack_roll(held, len(auction.commitments))
        call = self._context.oracle.call_roll(self._contract, auction.id, turn.me.position, bitmap)
        self._context.outbox.send(duty, call)

    def _tally(self, turn: Turn, duty: Duty) -> None:
        auction = turn.auction
        bitmaps = [auction.called[member] for member in sorted(auction.called)]
        call = self._context.oracle.tally_roll(self._contract, auction.id, bitmaps)
        self._context.outbox.send(duty, call)
