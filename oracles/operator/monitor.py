"""What an operator's people should know: metrics, missed rounds, deviations, funds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog
from eth_utils.address import to_checksum_address

from oracles.chain import packing, rpc
from oracles.chain.auction import State
from oracles.errors import ChainError
from oracles.operator.duties import current_round
from oracles.operator.duty import Kind
from oracles.when import span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from web3 import Web3

    from oracles.chain.terms import AuctionId
    from oracles.operator.context import Context
    from oracles.operator.journal import Report
    from oracles.operator.turn import Turn
    from oracles.service.chainview import Head
    from oracles.service.duty import Duty

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: Balance and credit change rarely.
_FUNDS_SECONDS: Final = 60


class Monitor:
    """Sets metrics and logs what is out of the ordinary, once.

    Args:
        context: of the operator.
        web3: connection.
    """

    def __init__(self, context: Context, web3: Web3) -> None:
        self._context = context
        self._metrics = context.metrics
        self._web3 = web3
        self._reported: set[int] = set()
        self._burned: set[int] = set()
        self._next_funds = 0.0

    def report_outcome(self, turn: Turn, *, begun: bool) -> None:
        """Notice a burned stake, a missed round, or how far our vector is from the accepted one.

        Args:
            turn: the auction.
            begun: whether scoring was begun in its present round.
        """
        auction, now, number = turn.auction, turn.head.timestamp, turn.me.round
        round_, window = auction.rounds[number - 1], auction.windows(number)
        if turn.me.position in round_.burned and auction.id not in self._burned:
            self._burned.add(auction.id)
            self._metrics.burned.inc()
            log.error("stake burned", auction=auction.id, round=number, wei=str(auction.stake))
        report = turn.progress.rounds[number - 1].report
        if auction.id in self._reported:
            return
        if round_.complete and report is not None:
            self._reported.add(auction.id)
            self._compare(turn, number, report)
        elif (
            turn.me.position not in round_.committed
            and not turn.declined
            and auction.roll
            and current_round(auction, now) == number
            and window.open <= now < window.end
        ):
            self._reported.add(auction.id)
            self._metrics.missed.inc()
            why = missed_because(turn, begun=begun)
            log.error("round missed", auction=auction.id, round=number, why=why)

    def _compare(self, turn: Turn, number: int, report: Report) -> None:
        ours = packing.unpack_vector(report.vector)
        accepted = turn.auction.scores(self._web3, number)
        if len(ours) != len(accepted):
            raise ChainError("the chain was reorganised while scores were compared")
        pairs = list(zip(ours, accepted, strict=True))
        steps = max(max(abs(a.q - b.q), abs(a.phi - b.phi)) for a, b in pairs)
        flags = sum((a.present, a.underserved) != (b.present, b.underserved) for a, b in pairs)
        self._metrics.deviation.set(steps)
        tell = log.warning if steps > packing.TOLERANCE or flags else log.info
        tell("compared", auction=turn.auction.id, round=number, steps=steps, other_flags=flags)

    def forget(self, auction: AuctionId) -> None:
        """Let go of an auction that is over."""
        self._reported.discard(auction)
        self._burned.discard(auction)

    def report_cycle(
        self, head: Head, turns: Sequence[Turn], due: Sequence[Duty], unpinned: int
    ) -> None:
        """Set the metrics at the end of a good cycle.

        Args:
            head: block that it was pinned to.
            turns: auctions that were served.
            due: what was due for them.
            unpinned: number of files that wait for their pins.
        """
        metrics = self._metrics
        metrics.head.set(head.number)
        metrics.head_time.set(head.timestamp)
        metrics.cycle_time.set_to_current_time()
        metrics.auctions.set(len(turns))
        for kind in Kind:
            metrics.duties.labels(kind).set(sum(duty.kind is kind for duty in due))
        left = [seconds for turn in turns if (seconds := _commit_seconds(turn)) is not None]
        metrics.seconds_left.set(min(left, default=float("inf")))
        metrics.unpinned.set(unpinned)
        for state in ("pending", "failed"):
            count = len(self._context.journal.transactions.in_state(state))
            metrics.transactions.labels(state).set(count)
        if time.monotonic() >= self._next_funds and self._context.failures.ready("funds"):
            with self._context.failures.attempt("funds"):
                self._report_funds()

    def _report_funds(self) -> None:
        address = self._context.address
        balance = rpc.balance(self._web3, to_checksum_address(address))
        self._metrics.balance.set(balance / 10**18)
        self._metrics.credit.set(self._context.oracle.credit_of(address) / 10**18)
        self._next_funds = time.monotonic() + _FUNDS_SECONDS


def _commit_seconds(turn: Turn) -> int | None:
    """Seconds left to commit, where a commitment is due."""
    auction, now = turn.auction, turn.head.timestamp
    number = turn.me.round
    window = auction.windows(number)
    due = (
        auction.state is State.OPEN
        and not turn.declined
        and turn.me.position not in auction.rounds[number - 1].committed
        and current_round(auction, now) == number
    )
    return window.open - now if due and window.commit <= now < window.open else None


def missed_because(turn: Turn, *, begun: bool) -> str:
    """Why this operator did not commit to a report in time, as far as it knows. Pure.

    Args:
        turn: the auction, past the window for commitments.
        begun: whether scoring was begun.
    """
    auction, number = turn.auction, turn.me.round
    roll, window = auction.roll or frozenset(), auction.windows(number)
    if turn.progress.rounds[number - 1].report is not None:
        return (
            "the report was ready, and its commitment is in no block: see balance and credit,"
            " max_fee_gwei and the node"
        )
    if lacking := roll - turn.progress.held:
        return f"{len(lacking)} of the {len(roll)} samples on the roll are not here"
    if begun:
        return f"scoring took longer than the {span(window.open - window.commit)} that there were"
    return "scoring did not begin: another auction was being scored, or this program did not run"
