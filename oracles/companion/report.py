"""How a companion stands: its metrics, whether it is ready, and what is due and not done."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog
from eth_utils.address import to_checksum_address

from oracles.chain import rpc
from oracles.companion.tasks import Kind
from oracles.when import drift, moment

if TYPE_CHECKING:
    from web3 import Web3

    from oracles.companion.journal import Journal
    from oracles.companion.known import Known
    from oracles.companion.metrics import Metrics
    from oracles.companion.notices import Notifier
    from oracles.companion.settings import Settings
    from oracles.companion.tasks import Task
    from oracles.companion.teller import Teller
    from oracles.service.chainview import Head
    from oracles.service.duty import Duty
    from oracles.service.failures import Failures

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: The newest block may be this old before something is wrong with the node or with this clock.
_MOST_SKEW_SECONDS: Final = 1_200
#: The balance changes rarely.
_FUNDS_SECONDS: Final = 60
_DAY: Final = 86_400


class Report:
    """Says how things stand after each cycle.

    Args:
        settings: all of them.
        journal: what was sent.
        metrics: for Prometheus.
        notifier: carries notices.
        known: what is known of the chain.
        teller: tells people.
        failures: times what fails.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        metrics: Metrics,
        notifier: Notifier,
        known: Known,
        teller: Teller,
        failures: Failures,
    ) -> None:
        self._settings, self._journal, self._metrics = settings, journal, metrics
        self._notifier, self._known, self._teller = notifier, known, teller
        self._failures = failures
        self._next_funds = 0.0

    def report(
        self, head: Head, due: list[Duty], unknown: int, faults: list[str], hidden: list[str]
    ) -> tuple[list[str], list[str]]:
        """Set the metrics.

        Args:
            head: block of the cycle.
            due: what was due in it.
            unknown: bids on chain that the book does not have.
            faults: of the bid book.
            hidden: sentences about bids that the node does not show.

        Returns:
            What keeps the companion from being ready, and what else is due and not done.
        """
        metrics, now, near = self._metrics, head.timestamp, self._settings.near
        pending = {each.duty for each in self._journal.transactions.in_state("pending")}
        late = [each for each in self._known.tasks.values() if each.late(now, near)]
        silent = [each for each in late if each.duty not in pending]
        problems = [self._sentence(each, now) for each in silent]
        # Sent is not done: in the last sixth of a window it has to be in a block.
        problems += [
            f"bid {each.bid.index} of auction {each.bid.view.id}: {each.step.verb} is sent and in"
            " no block yet"
            for each in late
            if each.duty in pending and each.urgent(now) and self._last(each, now)
        ]
        problems += faults + hidden
        if unknown:
            problems.append(f"the chain has {unknown} bids of this key that the book has not")
        skew = time.time() - now
        if abs(skew) > _MOST_SKEW_SECONDS and self._settings.block != "latest":
            problems.append(
                f"the newest block is {drift(skew)} this machine's clock:"
                f"{' the node is behind, or' if skew > 0 else ''} the clock is wrong"
            )
        undone = [
            self._sentence(each, now)
            for each in self._known.tasks.values()
            if each.duty is not None
            and each.begun(now)
            and each.duty not in pending
            and each.duty not in self._known.abandoned
            and each not in silent
        ]
        metrics.head.set(head.number)
        metrics.head_time.set(now)
        metrics.cycle_time.set_to_current_time()
        metrics.bids.set(len(self._known.tasks))
        for kind in Kind:
            metrics.duties.labels(kind).set(sum(duty.kind == kind for duty in due))
        left = [d.end - now for d in self._known.deadlines if d.start is None or d.start <= now]
        metrics.seconds_left.set(min(left, default=float("inf")))
        metrics.late.set(len(silent))
        metrics.unknown.set(unknown)
        metrics.problems.set(len(faults))
        metrics.unsent.set(self._notifier.waiting())
        for state in ("pending", "failed"):
            metrics.transactions.labels(state).set(len(self._journal.transactions.in_state(state)))
        log.debug("cycle", block=head.number, bids=len(self._known.tasks))
        return problems, undone

    def _last(self, made: Task, now: int) -> bool:
        start, end = made.step.start, made.step.end
        return start is not None and end is not None and 6 * (end - now) <= end - start

    def _sentence(self, made: Task, now: int) -> str:
        """Why something that is due is not done."""
        reason = made.hindrance
        if not reason and made.duty is not None and made.duty in self._known.troubles:
            reason = self._known.troubles[made.duty][0]
        until = f" until {moment(made.step.end, now)}" if made.step.end else ""
        return (
            f"bid {made.bid.index} of auction {made.bid.view.id}: {made.step.verb}{until} is not"
            f" done: {reason or 'it is being prepared'}"
        )

    def funds(self, web3: Web3, address: str) -> None:
        """Look at the key's ether now and then, and tell if it is short of it."""
        if time.monotonic() < self._next_funds or not self._failures.ready("funds"):
            return
        with self._failures.attempt("funds"):
            balance = rpc.balance(web3, to_checksum_address(address)) / 10**18
            self._metrics.balance.set(balance)
            self._next_funds = time.monotonic() + _FUNDS_SECONDS
            least = self._settings.least_balance
            if balance < least and self._known.tasks:
                self._teller.say(
                    f"funds:{int(time.time() // _DAY)}",
                    "warning",
                    "The companion's key is short of ether",
                    f"{address} has {balance:.6f} ether for gas, less than {least:g}: send it"
                    f" some. {self._teller.next_deadline()}",
                )
