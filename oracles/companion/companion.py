"""The loop: look at the chain and the bid book, do what is due, tell people what they must know."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from eth_utils.address import to_checksum_address

from oracles.chain import rpc
from oracles.chain.auction import State
from oracles.chain.deployment import Deployment
from oracles.chain.packing import same_address
from oracles.chain.rpc import connect
from oracles.chain.sending import KeyDesk, desk_path
from oracles.chain.terms import PPB
from oracles.chain.tokens import Mut
from oracles.companion.actions import Actions
from oracles.companion.channels import channels
from oracles.companion.holdings import Holdings
from oracles.companion.journal import Journal
from oracles.companion.metrics import Metrics
from oracles.companion.notices import Notifier
from oracles.companion.openings import Openings
from oracles.companion.tasks import Bid, Kind, Task, chores, declined, over, silent, task
from oracles.companion.words import MILESTONES, Deadline, reminder
from oracles.errors import ConfigError, Reverted
from oracles.market.view import wins
from oracles.service import loop, systemd
from oracles.service.chainview import ChainIndex, Head
from oracles.service.duty import Duty
from oracles.service.failures import Auction, Failures
from oracles.service.loop import Loop
from oracles.service.outbox import DryRun, Outbox
from oracles.service.web import WebServer
from oracles.when import moment

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Mapping

    from web3 import Web3

    from oracles.chain.signers import Signer
    from oracles.chain.state import AuctionState
    from oracles.chain.terms import AuctionId
    from oracles.companion.holdings import Holding
    from oracles.companion.settings import Settings

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: A duty that fails for so long, or a chain that cannot be seen for so long, is told.
_TROUBLE_SECONDS: Final = 600
#: The newest block may be this old before something is wrong with the node or with this clock.
_MOST_SKEW_SECONDS: Final = 1_200
#: Balance and revenue change rarely.
_FUNDS_SECONDS: Final = 60
_REVENUE_SECONDS: Final = 3_600
#: A milestone that is older is no news.
_NEWS_SECONDS: Final = 86_400
_DAY: Final = 86_400
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
        self._head: Head | None = None
        self._seen_at = 0.0
        self._started_at = time.monotonic()
        self._tasks: dict[tuple[int, int], Task] = {}
        self._deadlines: list[Deadline] = []
        #: What kept a duty from being done last, and since when it fails.
        self._troubles: dict[Duty, tuple[str, float]] = {}
        self._abandoned: set[Duty] = set()
        self._preparing: set[Duty] = set()
        self._told: set[str] = set()
        self._reread: set[bytes] = set()
        self._next_funds = 0.0
        self._next_revenue: dict[str, float] = {}
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
        self._deadlines = [Deadline(*each) for each in self._recall("deadlines") or []]
        if settings.listen:
            server = WebServer(
                settings.listen,
                self._metrics.registry,
                problems=lambda: self.problems,
                alive=self.alive,
            )
            self._resources.callback(server.close)

    def _recall(self, name: str) -> Any:
        return self._journal.finished.recall(name)

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
        settings, head = self._settings, self._head
        last = settings.last_fee_gwei
        known = self._tasks.get((duty.auction, duty.target))
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
        systemd.notify(ready=1, status="starting")
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
        self._tell_problems()
        if self._chain is None:
            self._chain = self._connect()
        chain = self._chain
        # First what was sent: what is mined by now is in the logs that are read after it.
        with self._failures.attempt("outbox"):
            chain.outbox.advance(self._head.settled_number if self._head else 0)
        head = self._head = chain.index.follow()
        self._seen_at = time.monotonic()
        self._preparing.clear()
        head = self._head = self._reopen(chain.index, head, held)
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
        self._tasks = tasks
        due += self._collect_revenue()
        self._tell_unknown(unknown, head)
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
            self._say(f"hidden:{problem}", "error", "The node does not show a bid", problem)
        self._remember()
        self._report(head, due, len(unknown), hidden)

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
            self._tasks[view.id, bid.index] = made
            self._tell_progress(made, head)
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
        if duty in self._abandoned or not self._failures.ready(duty):
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
                self._troubles.pop(duty, None)
            except Reverted as error:
                if error.error not in _DONE_BY_OTHERS:
                    self._trouble(duty, error)
                    raise
                self._abandoned.add(duty)
            except Exception as error:
                self._trouble(duty, error)
                raise

    def _trouble(self, duty: Duty, error: Exception) -> None:
        since = self._troubles.get(duty, ("", time.monotonic()))[1]
        self._troubles[duty] = (str(error), since)

    def _mined_later(self, duty: Duty, head: Head) -> bool:
        """Whether it was mined in a block that this cycle's logs do not reach yet."""
        return any(
            each.duty == duty and each.block is not None and each.block > head.number
            for each in self._journal.transactions.in_state("mined", "final")
        )

    def _collect_revenue(self) -> list[Duty]:
        """Collect the revenue of MUT; gives what was due."""
        settings, chain = self._settings, self._chain
        if not settings.automatic.revenue or self._signer is None or chain is None:
            return []
        due = []
        now, pause = time.time(), settings.revenue_days * _DAY
        for auction, holder, collected in self._journal.finished.holders():
            key = f"revenue:{auction}:{holder}"
            early = time.monotonic() < self._next_revenue.get(key, 0.0)
            if early or now - collected < pause or not self._failures.ready(key):
                continue
            with self._failures.attempt(key):
                self._next_revenue[key] = time.monotonic() + min(pause, _REVENUE_SECONDS)
                token = self._deployment.auction(chain.web3).mut_token(auction)
                mut = Mut(chain.web3, token)
                if not rpc.code(chain.web3, mut.address) or not mut.revenue_of(holder):
                    continue
                duty = Duty(Kind.REVENUE, auction, 0, int(holder, 16) % 2**31)
                due.append(duty)
                if chain.outbox.send(duty, mut.claim_for(holder)):
                    log.info("revenue collected", auction=auction, holder=holder)
                    self._journal.finished.collected(auction, holder, now)
        return due

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
        for bid in bids:
            if view.settled is not None and wins(view, bid.index) and view.terms.rho < PPB:
                self._journal.finished.add_holder(view.id, bid.holding.share.owner)
        if not sealed <= finished:
            self._journal.finished.add(sealed, view.id)
        for each in sealed:
            self._openings.forget(each)
        self._abandoned = {duty for duty in self._abandoned if duty.auction != view.id}
        self._failures.forget(view.id)
        self._close(index, view.id)
        log.info("finished", auction=view.id, state=view.state.name)

    # WHAT PEOPLE ARE TOLD

    def remind(self) -> None:
        """Tell of deadlines that come near, and of what has been failing for long."""
        now = self._now()
        if now is not None:
            pending = {each.duty for each in self._journal.transactions.in_state("pending")}
            for deadline in self._deadlines:
                self._remind(deadline, now, pending)
        for duty, (error, since) in list(self._troubles.items()):
            if time.monotonic() - since >= _TROUBLE_SECONDS:
                self._say(
                    f"trouble:{duty}",
                    "warning",
                    f"{duty.kind} of bid {duty.target} in auction {duty.auction} fails",
                    f"It is tried again all the time: {error}.",
                    auction=duty.auction,
                    bid=duty.target,
                )
        blind = time.monotonic() - (self._seen_at or self._started_at)
        if blind >= _TROUBLE_SECONDS:
            day = int(time.time() // _DAY)
            self._say(
                f"blind:{day}",
                "error",
                "The companion does not see the chain",
                f"For {int(blind // 60)} min: {'; '.join(self.problems)}. {self._next_deadline()}",
            )

    def _now(self) -> int | None:
        """The chain's time, by this machine's clock since the chain was seen last."""
        if self._head is not None:
            blind = time.monotonic() - self._seen_at
            # Between two good cycles the chain's own clock is right, even where it stands still.
            return self._head.timestamp + (int(blind) if blind > 60 else 0)
        return int(time.time()) if self._deadlines else None

    def _remind(self, deadline: Deadline, now: int, pending: set[Duty]) -> None:
        leads = sorted(
            (lead for lead in self._settings.notify.lead if now >= deadline.end - lead),
            reverse=True,
        )
        if not leads or now >= deadline.end:
            return
        about = f"{deadline.verb}:{deadline.auction}:{deadline.bid}:{deadline.end}"
        # Where several leads have come at once, only the last one is told.
        *earlier, last = leads
        if f"due:{about}:{last}" in self._told:
            return
        for lead in earlier:
            if f"due:{about}:{lead}" not in self._told:
                self._told.add(f"due:{about}:{lead}")
                self.notifier.passed(f"due:{about}:{lead}")
        duty = Duty(deadline.verb, deadline.auction, 0, deadline.bid)
        trouble = self._troubles[duty][0] if duty in self._troubles else ""
        if not trouble and self.problems and time.monotonic() - self._seen_at > 60:
            trouble = "; ".join(self.problems)
        words = reminder(deadline, now, trouble, sent=duty in pending)
        waits = not deadline.hindrance and deadline.start is not None and now < deadline.start
        self._say(
            f"due:{about}:{last}",
            "info" if waits else "warning",
            words.title,
            words.text,
            auction=deadline.auction,
            bid=deadline.bid,
            deadline=deadline.end,
        )

    def _next_deadline(self) -> str:
        now = self._now() or int(time.time())
        coming = [each for each in self._deadlines if each.end > now]
        if not coming:
            return "No deadline of a bid is known."
        first = min(coming, key=lambda each: each.end)
        return (
            f"The next deadline: {first.verb} bid {first.bid} of auction {first.auction} until"
            f" {moment(first.end, now)}."
        )

    def _say(self, key: str, level: Any, title: str, text: str, **about: Any) -> None:
        """Tell people once; a key that was told is not looked up again."""
        if key not in self._told:
            self._told.add(key)
            self.notifier.tell(key, level, title, text, **about)

    def _tell_progress(self, made: Task, head: Head) -> None:
        """Tell what became of a bid: what was done, what is missing, what was lost or paid."""
        bid, view, now = made.bid, made.bid.view, head.timestamp
        about = {"auction": view.id, "bid": bid.index}
        name = f"bid {bid.index} of auction {view.id}"
        if (reason := declined(view, self._settings.policy)) and made.duty is not None:
            self._say(
                f"declined:{view.id}:{bid.index}",
                "warning",
                f"{name.capitalize()} is left to you",
                f"The companion does nothing for it: {reason}. See `qmia provider status"
                f" {view.id}`.",
                **about,
            )
        if bid.index in view.missing and now < view.phases.fetch_end:
            self._say(
                f"missing:{view.id}:{bid.index}",
                "error",
                f"The buyer cannot fetch the data of {name}",
                "Serve the archive from where it was published, or the operators strike the bid"
                f" out. Until {moment(view.phases.fetch_end, now)}, or bond and payment are lost.",
                deadline=view.phases.fetch_end,
                **about,
            )
        if self._settings.notify.done:
            phases = view.phases
            commitment = view.commitments[bid.index]
            for milestone, reached, news in (
                ("opened", commitment.opening is not None, phases.open_end),
                ("revealed", bid.index in view.revealed, phases.reveal_end),
                ("delivered", bid.index in view.deliveries, phases.deliver_end),
            ):
                if reached and now < news + _NEWS_SECONDS:
                    self._say(
                        f"{milestone}:{view.id}:{bid.index}",
                        "info",
                        f"{name.capitalize()}: {milestone}",
                        f"{MILESTONES[milestone].capitalize()}. {made.step.why}",
                        **about,
                    )
        if made.step.verb == "done":
            lost = made.step.lost
            key = f"end:{view.id}:{bid.index}:{made.step.why}"
            if lost and key not in self._told and not self._journal.notices.known(key):
                self._metrics.lost.inc()
            if lost or self._settings.notify.done:
                level = "error" if lost else "info"
                self._say(key, level, f"{name.capitalize()} is over", made.step.why, **about)

    def _tell_problems(self) -> None:
        day = int(time.time() // _DAY)
        for problem in self._holdings.problems:
            self._say(f"book:{day}:{problem}", "warning", "The bid book has a fault", problem)

    def _tell_unknown(self, unknown: Iterable[tuple[AuctionState, int]], head: Head) -> None:
        for view, index in unknown:
            self._say(
                f"unknown:{view.id}:{index}",
                "error",
                f"The book has no bid {index} of auction {view.id}",
                "The chain has it under this key. Restore your copy of the book before"
                f" {moment(view.phases.reveal_end, head.timestamp)}, or its bond is lost.",
                auction=view.id,
                bid=index,
                deadline=view.phases.reveal_end,
            )

    # WHAT IS KNOWN

    def _remember(self) -> None:
        """Keep the deadlines, so that people are reminded even if no node answers any more."""
        made = (Deadline.of(each) for each in self._tasks.values())
        found = [each for each in made if each is not None]
        self._deadlines = sorted(found, key=lambda each: (each.end, each.auction, each.bid))
        with self._failures.attempt("remember"):
            self._journal.finished.remember("deadlines", self._deadlines)

    def _report(self, head: Head, due: list[Duty], unknown: int, hidden: list[str]) -> None:
        """Set the metrics, and what keeps this companion from being ready."""
        metrics, now, near = self._metrics, head.timestamp, self._settings.near
        pending = {each.duty for each in self._journal.transactions.in_state("pending")}
        late = [each for each in self._tasks.values() if each.late(now, near)]
        silent = [each for each in late if each.duty not in pending]
        problems = [self._sentence(each, now) for each in silent]
        # Sent is not done: in the last sixth of a window it has to be in a block.
        problems += [
            f"bid {each.bid.index} of auction {each.bid.view.id}: {each.step.verb} is sent and in"
            " no block yet"
            for each in late
            if each.duty in pending and each.urgent(now) and self._last(each, now)
        ]
        problems += self._holdings.problems + hidden
        if unknown:
            problems.append(f"the chain has {unknown} bids of this key that the book has not")
        skew = time.time() - now
        if abs(skew) > _MOST_SKEW_SECONDS and self._settings.block != "latest":
            problems.append(
                f"the newest block is {skew:+.0f} s from this machine's clock: the node is behind,"
                " or the clock is wrong"
            )
        self.problems = problems
        self.undone = [
            self._sentence(each, now)
            for each in self._tasks.values()
            if each.duty is not None
            and each.begun(now)
            and each.duty not in pending
            and each.duty not in self._abandoned
            and each not in silent
        ]
        metrics.head.set(head.number)
        metrics.head_time.set(now)
        metrics.cycle_time.set_to_current_time()
        metrics.bids.set(len(self._tasks))
        for kind in Kind:
            metrics.duties.labels(kind).set(sum(duty.kind == kind for duty in due))
        left = [d.end - now for d in self._deadlines if d.start is None or d.start <= now]
        metrics.seconds_left.set(min(left, default=float("inf")))
        metrics.late.set(len(silent))
        metrics.unknown.set(unknown)
        metrics.problems.set(len(self._holdings.problems))
        metrics.unsent.set(self.notifier.waiting())
        for state in ("pending", "failed"):
            metrics.transactions.labels(state).set(len(self._journal.transactions.in_state(state)))
        self._report_funds()
        log.debug("cycle", block=head.number, bids=len(self._tasks))

    def _last(self, made: Task, now: int) -> bool:
        start, end = made.step.start, made.step.end
        return start is not None and end is not None and 6 * (end - now) <= end - start

    def _sentence(self, made: Task, now: int) -> str:
        """Why something that is due is not done."""
        reason = made.hindrance
        if not reason and made.duty is not None and made.duty in self._troubles:
            reason = self._troubles[made.duty][0]
        until = f" until {moment(made.step.end, now)}" if made.step.end else ""
        return (
            f"bid {made.bid.index} of auction {made.bid.view.id}: {made.step.verb}{until} is not"
            f" done: {reason or 'it is being prepared'}"
        )

    def _report_funds(self) -> None:
        if self._signer is None or self._chain is None or time.monotonic() < self._next_funds:
            return
        if not self._failures.ready("funds"):
            return
        with self._failures.attempt("funds"):
            address = self._signer.address
            balance = rpc.balance(self._chain.web3, address) / 10**18
            self._metrics.balance.set(balance)
            self._next_funds = time.monotonic() + _FUNDS_SECONDS
            least = self._settings.least_balance
            if balance < least and self._tasks:
                self._say(
                    f"funds:{int(time.time() // _DAY)}",
                    "warning",
                    "The companion's key is short of ether",
                    f"{address} has {balance:.6f} ether for gas, less than {least:g}: send it"
                    f" some. {self._next_deadline()}",
                )


def _bids(view: AuctionState, held: Mapping[bytes, Holding]) -> list[Bid]:
    """Bids of an auction that are held."""
    return [
        Bid(view, each.index, held[each.sealed_bid])
        for each in view.commitments
        if each.sealed_bid in held
    ]
