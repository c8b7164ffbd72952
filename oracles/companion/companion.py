"""The loop: look at the chain and the bid book, do what is due, tell people what they must know."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
from eth_utils.address import to_checksum_address

from oracles.chain.auction import State
from oracles.chain.deployment import Deployment
from oracles.chain.packing import same_address
from oracles.chain.rpc import connect
from oracles.chain.sending import KeyDesk, desk_path
from oracles.companion.actions import Actions
from oracles.companion.channels import channels
from oracles.companion.earnings import Earnings
from oracles.companion.holdings import Holdings
from oracles.companion.journal import Journal
from oracles.companion.known import Known
from oracles.companion.metrics import Metrics
from oracles.companion.notices import Notifier
from oracles.companion.openings import Openings
from oracles.companion.report import Report
from oracles.companion.tasks import Bid, Task, chores, over, silent, task
from oracles.companion.teller import Teller
from oracles.companion.words import Deadline
from oracles.errors import ConfigError, Reverted
from oracles.service import loop, systemd
from oracles.service.chainview import ChainIndex, Head
from oracles.service.failures import Auction, Failures
from oracles.service.loop import Loop
from oracles.service.outbox import DryRun, Outbox
from oracles.service.web import WebServer

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from web3 import Web3

    from oracles.chain.signers import Signer
    from oracles.chain.state import AuctionState
    from oracles.chain.terms import AuctionId
    from oracles.companion.holdings import Holding
    from oracles.companion.settings import Settings
    from oracles.service.duty import Duty

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: Errors by which the contracts say that there is nothing left to do.
_DONE_BY_OTHERS: Final = ("NothingToClaim",)


def run(settings: Settings, signer: Signer | None) -> None:
    """Run a companion until SIGTERM or SIGINT; what keeps it from starting for now is waited for.

    Args:
        settings: all of them.
        signer: None to watch and to tell only.

    Raises:
        QmiaError: one that only a person can mend.
    """
    loop.run(lambda: Companion(settings, signer))


def once(settings: Settings, signer: Signer | None, seconds: float) -> list[str]:
    """Do what is due now and see it through, for a program like cron.

    Args:
        settings: all of them.
        signer: None to watch and to tell only.
        seconds: how long to wait for transactions and notices that are on their way.

    Returns:
        What keeps it from doing all that is due; empty if nothing does.

    Raises:
        QmiaError: it could not be done.
    """
    companion = Companion(settings, signer)
    try:
        companion.started()
        deadline = time.monotonic() + seconds
        companion.cycle()
        while companion.busy and time.monotonic() < deadline:
            time.sleep(min(settings.poll_seconds, max(0.05, deadline - time.monotonic())))
            companion.cycle()
        companion.remind()
        companion.notifier.flush(max(1.0, deadline - time.monotonic()))
        return [*companion.problems, *companion.undone]
    finally:
        companion.close()


@dataclass(slots=True)
class _Chain:
    """What needs a node to begin with."""

    web3: Web3
    index: ChainIndex
    outbox: Outbox | DryRun
    actions: Actions | None


class Companion(Loop):
    """One companion.

    Args:
        settings: all of them.
        signer: None to watch and to tell only.

    Raises:
        ConfigError: the settings do not fit together, or the journal is another's.
        QmiaError, OSError: it cannot start now; see `failures.fatal`.
    """

    def __init__(self, settings: Settings, signer: Signer | None) -> None:
        self._settings, self._signer = settings, signer
        self._me = signer.address if signer else settings.address
        self._metrics = Metrics()
        super().__init__(Failures(self._metrics.count_failure), settings.poll_seconds, "providers'")
        self._deployment = Deployment.load(settings.deployment)
        self._contract = to_checksum_address(self._deployment.address("DataAuction"))
        self._chain: _Chain | None = None
        self._known = Known()
        self._preparing: set[Duty] = set()
        self._reread: set[bytes] = set()
        self.undone: list[str] = []
        with ExitStack() as resources:
            self._resources = resources
            self._open()
            self._resources = resources.pop_all()

    def _open(self) -> None:
        settings = self._settings
        identity = {
            "chain": str(self._deployment.chain_id),
            "auctions": self._contract,
            "key": self._me or "none",
        }
        self._journal = Journal(settings.state, identity)
        self._resources.callback(self._journal.close)
        self._holdings = Holdings(
            settings.book, settings.shares, self._deployment.chain_id, self._contract
        )
        self._resources.callback(self._holdings.close)
        self._openings = Openings()
        self._resources.callback(self._openings.close)
        notify = settings.notify
        self.notifier = Notifier(
            self._journal.notices,
            channels(notify),
            notify.keep,
            lambda channel, result: self._metrics.notices.labels(channel, result).inc(),
        )
        self._resources.callback(self.notifier.close)
        kept = self._journal.finished.recall("deadlines") or []
        self._known.deadlines = [Deadline(*each) for each in kept]
        self._teller = Teller(
            settings,
            self._journal,
            self.notifier,
            self._known,
            lambda: self.problems,
            self._metrics.lost.inc,
        )
        self._report = Report(
            settings,
            self._journal,
            self._metrics,
            self.notifier,
            self._known,
            self._teller,
            self._failures,
        )
        self._earnings = Earnings(
            settings, self._deployment, self._journal.finished, self._failures
        )
        if settings.listen:
            server = WebServer(
                settings.listen,
                self._metrics.registry,
                problems=lambda: self.problems,
                alive=self.alive,
            )
            self._resources.callback(server.close)

    def _connect(self) -> _Chain:
        """Begin to use the node; asked again until one answers."""
        settings, deployment = self._settings, self._deployment
        web3 = connect(settings.rpc, deployment.chain_id)
        index = ChainIndex(web3, deployment, self._journal.logs, settings.block)
        if self._signer is None:
            return _Chain(web3, index, DryRun(), None)
        beside = settings.keystore or settings.deployment.with_name(self._signer.address)
        outbox = Outbox(
            web3,
            self._signer,
            self._journal.transactions,
            max_fee_gwei=self._max_fee,
            replace_seconds=settings.replace_seconds,
            desk=KeyDesk(desk_path(beside, deployment.chain_id)),
        )
        actions = Actions(
            deployment.auction(web3),
            deployment.exchange(web3),
            index,
            self._openings,
            settings.store,
            self._signer.address,
        )
        return _Chain(web3, index, outbox, actions)

    def _max_fee(self, duty: Duty) -> float:
        """Most gwei for a unit of gas: more where a bond is about to be lost."""
        settings, head = self._settings, self._known.head
        last = settings.last_fee_gwei
        known = self._known.tasks.get((duty.auction, duty.target))
        if last and head and known and known.duty == duty and known.urgent(head.timestamp):
            return max(last, settings.max_fee_gwei)
        return settings.max_fee_gwei

    def started(self) -> None:
        """Say who runs, and with which settings."""
        log.info("started", key=self._me, settings=self._settings.public())
        if self._signer is None:
            log.warning("no key: deadlines are watched and told, nothing will be sent")
        self.notifier.start()

    def run(self, stopping: threading.Event) -> None:
        """Turn until told to stop, and keep systemd informed."""
        try:
            super().run(stopping)
        finally:
            systemd.notify(stopping=1)

    def close(self) -> None:
        """Let everything go."""
        self._resources.close()

    def turn(self) -> None:
        """One cycle; reminders go out even where no node answers."""
        super().turn()
        with self._failures.attempt("reminders"):
            self.remind()
        systemd.notify(watchdog=1, status="; ".join(self.problems) or "all is done that is due")

    def remind(self) -> None:
        """Tell of deadlines that come near, and of what has been failing for long."""
        self._teller.remind()

    @property
    def busy(self) -> bool:
        """Whether something is on its way, or being prepared."""
        pending = self._journal.transactions.in_state("pending")
        return bool(pending or self._preparing)

    # ONE CYCLE

    def cycle(self) -> None:
        """One look at the chain and everything that is due.

        Raises:
            QmiaError: the cycle could not be done; the next may.
        """
        held = self._holdings.read(self._journal.finished.all())
        self._teller.faults(self._holdings.problems)
        if self._chain is None:
            self._chain = self._connect()
        chain = self._chain
        # First what was sent: what is mined by now is in the logs that are read after it.
        with self._failures.attempt("outbox"):
            chain.outbox.advance(self._known.head.settled_number if self._known.head else 0)
        head = self._known.head = chain.index.follow()
        self._known.seen_at = time.monotonic()
        self._preparing.clear()
        head = self._known.head = self._reopen(chain.index, head, held)
        finished = self._journal.finished.all()
        placed: set[bytes] = set()
        unread: set[int] = set()
        tasks: dict[tuple[int, int], Task] = {}
        unknown: list[tuple[AuctionState, int]] = []
        due: list[Duty] = []
        for auction in chain.index.auctions():
            unread.add(auction)
            with self._failures.attempt(Auction(auction)):
                view = chain.index.state(auction)
                if view is None:
                    continue
                unread.discard(auction)
                bids = _bids(view, held)
                placed |= {bid.holding.share.sealed_bid for bid in bids}
                unknown += ((view, index) for index in self._unknown(view, held))
                if not bids and not self._waits(view, head):
                    self._close(chain.index, auction)
                    continue
                due += self._serve(chain, view, bids, head, tasks, finished)
        self._known.tasks = tasks
        if self._signer is not None:
            due += self._earnings.collect(chain.web3, chain.outbox)
        self._teller.unknown(unknown, head)
        hidden = [
            f"the book says that bid {holding.record.index} of auction {holding.share.auction} is"
            " on chain, and the node shows no such bid: ask another node"
            for sealed, holding in held.items()
            if holding.record is not None
            and holding.record.index is not None
            and sealed not in placed
            and holding.share.auction not in unread
        ]
        for problem in hidden:
            self._teller.say(f"hidden:{problem}", "error", "The node does not show a bid", problem)
        self._remember()
        self.problems, self.undone = self._report.report(
            head, due, len(unknown), self._holdings.problems, hidden
        )
        if self._signer is not None:
            self._report.funds(chain.web3, self._signer.address)

    def _serve(
        self,
        chain: _Chain,
        view: AuctionState,
        bids: list[Bid],
        head: Head,
        tasks: dict[tuple[int, int], Task],
        finished: set[bytes],
    ) -> list[Duty]:
        """Do what is due for the bids of one auction; gives what was due."""
        due: list[Duty] = []
        mine: list[Task] = []
        settings = self._settings
        for bid in bids:
            made = task(bid, head, self._me_signing, settings.automatic, settings.policy)
            mine.append(made)
            tasks[view.id, bid.index] = made
            # The cap on fees is asked for by duty, so the newest task must be known first.
            self._known.tasks[view.id, bid.index] = made
            self._teller.progress(made, head)
            if made.duty is not None and not made.hindrance and made.begun(head.timestamp):
                due.append(made.duty)
                self._perform(made.duty, bid, head)
        if self._signer is not None:
            for duty in chores(bids, head.timestamp, self._signer.address, settings.automatic):
                due.append(duty)
                self._perform(duty, None, head)
        waits = self._signer is not None and settings.automatic.housekeeping and silent(bids)
        if bids and not waits and all(over(each, head) for each in mine):
            self._finish(chain.index, view, bids, finished)
        return due

    @property
    def _me_signing(self) -> str | None:
        return None if self._signer is None else self._signer.address

    def _perform(self, duty: Duty, bid: Bid | None, head: Head) -> None:
        """Do one duty; its failure stops no other."""
        chain = self._chain
        if duty in self._known.abandoned or not self._failures.ready(duty):
            return
        if chain is None or chain.actions is None or self._mined_later(duty, head):
            return
        # What cannot be done for one bid concerns that bid alone.
        with self._failures.attempt(duty, harmless=(ConfigError,)):
            try:
                if bid is None:
                    call = chain.actions.chore(duty)
                else:
                    made = chain.actions.call(duty, bid, head)
                    if made is None:
                        self._preparing.add(duty)
                        return
                    call = made
                if chain.outbox.send(duty, call):
                    log.info("done", duty=str(duty))
                self._known.troubles.pop(duty, None)
            except Reverted as error:
                if error.error not in _DONE_BY_OTHERS:
                    self._known.failed(duty, error)
                    raise
                self._known.abandoned.add(duty)
            except Exception as error:
                self._known.failed(duty, error)
                raise

    def _mined_later(self, duty: Duty, head: Head) -> bool:
        """Whether it was mined in a block that this cycle's logs do not reach yet."""
        return any(
            each.duty == duty and each.block is not None and each.block > head.number
            for each in self._journal.transactions.in_state("mined", "final")
        )

    # WHICH AUCTIONS

    def _reopen(self, index: ChainIndex, head: Head, held: Mapping[bytes, Holding]) -> Head:
        """Read all logs again where a bid was added to an auction that was let go."""
        open_ids = set(index.auctions())
        lost = {
            sealed
            for sealed, holding in held.items()
            if sealed not in self._reread and holding.share.auction not in open_ids
        }
        if not lost:
            return head
        self._reread |= lost
        log.info("reading all logs again", bids=len(lost))
        index.reread()
        return index.follow()

    def _waits(self, view: AuctionState, head: Head) -> bool:
        """Whether a bid may still be made in an auction in which none is held."""
        return view.state is State.OPEN and head.settled < view.phases.commit_end

    def _unknown(self, view: AuctionState, held: Mapping[bytes, Holding]) -> list[int]:
        """Bids on chain of this key that are not held, and would have to be revealed."""
        if self._settings.book is None or self._me is None or view.state is not State.OPEN:
            return []
        return [
            each.index
            for each in view.remaining()
            if each.sealed_bid not in held
            and each.index not in view.revealed
            and same_address(each.owner, self._me)
        ]

    def _close(self, index: ChainIndex, auction: AuctionId) -> None:
        """Let go of an auction with which there is nothing to do."""
        self._journal.close_auction(auction)
        index.forget(auction)

    def _finish(
        self, index: ChainIndex, view: AuctionState, bids: list[Bid], finished: set[bytes]
    ) -> None:
        """Let go of an auction in which nothing can become due any more."""
        sealed = {bid.holding.share.sealed_bid for bid in bids}
        self._earnings.expect(view, bids)
        if not sealed <= finished:
            self._journal.finished.add(sealed, view.id)
        for each in sealed:
            self._openings.forget(each)
        self._known.abandoned = {duty for duty in self._known.abandoned if duty.auction != view.id}
        self._failures.forget(view.id)
        self._close(index, view.id)
        log.info("finished", auction=view.id, state=view.state.name)

    # WHAT IS KNOWN

    def _remember(self) -> None:
        """Keep the deadlines, so that people are reminded even if no node answers any more."""
        made = (Deadline.of(each) for each in self._known.tasks.values())
        found = [each for each in made if each is not None]
        self._known.deadlines = sorted(found, key=lambda each: (each.end, each.auction, each.bid))
        with self._failures.attempt("remember"):
            self._journal.finished.remember("deadlines", self._known.deadlines)


def _bids(view: AuctionState, held: Mapping[bytes, Holding]) -> list[Bid]:
    """Bids of an auction that are held."""
    return [
        Bid(view, each.index, held[each.sealed_bid])
        for each in view.commitments
        if each.sealed_bid in held
        and same_address(each.owner, held[each.sealed_bid].share.owner)  # a seal can be copied
    ]
