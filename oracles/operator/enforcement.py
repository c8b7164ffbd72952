"""Keeps auctions moving and proves other operators' offences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracles.chain import codec
from oracles.operator.duty import Duty, Kind

if TYPE_CHECKING:
    from oracles.operator.context import Context, Handler
    from oracles.operator.journal import SignedReport
    from oracles.operator.turn import Turn


class Enforcement:
    """Resolves challenges, aborts failed auctions, slashes.

    Args:
        context: of the operator.
    """

    def __init__(self, context: Context) -> None:
        self._oracle = context.oracle
        self._auctions = context.auctions
        self._outbox = context.outbox

    def handlers(self) -> dict[Kind, Handler]:
        """What is done for each kind of duty."""
        return {
            Kind.RESOLVE: self._resolve,
            Kind.ABORT: self._abort,
            Kind.SLASH_MISSING: self._slash_missing,
            Kind.SLASH_EQUIVOCATION: self._slash_equivocation,
        }

    def _resolve(self, turn: Turn, duty: Duty) -> None:
        self._outbox.send(duty, self._oracle.resolve(self._auctions.address, turn.auction.id))

    def _abort(self, turn: Turn, duty: Duty) -> None:
        self._outbox.send(duty, self._auctions.abort(turn.auction.id))

    def _slash_missing(self, turn: Turn, duty: Duty) -> None:
        call = self._oracle.slash_missing(
            self._auctions.address, turn.auction.id, duty.round, duty.target
        )
        self._outbox.send(duty, call, once=True)

    def _slash_equivocation(self, turn: Turn, duty: Duty) -> None:
        first, second = turn.progress.rounds[duty.round - 1].equivocations[duty.target]
        call = self._oracle.slash_equivocation(
            self._auctions.address,
            turn.auction.id,
            turn.auction.members.members[duty.target],
            _signed(first),
            _signed(second),
        )
        self._outbox.send(duty, call, once=True)


def _signed(report: SignedReport) -> tuple[int, bytes, bytes, bytes]:
    root = codec.report_root(codec.chunk_hashes(report.vector))
    return report.round, root, report.evidence, report.signature
