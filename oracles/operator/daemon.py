"""The loop: look at the chain, ask what is due, do it; again."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import structlog

from oracles.chain.deployment import Deployment
from oracles.chain.rpc import connect
from oracles.chain.sending import KeyDesk, desk_path
from oracles.errors import ConfigError, Reverted
from oracles.evidence import DirectoryStore, Retention
from oracles.operator.assessor import Assessor
from oracles.operator.context import Context
from oracles.operator.duties import Timing, duties, finished, promised
from oracles.operator.duty import Kind
from oracles.operator.earnings import Earnings
from oracles.operator.enforcement import Enforcement
from oracles.operator.jobs import Jobs
from oracles.operator.journal import Journal
from oracles.operator.messages import Contracts
from oracles.operator.metrics import Metrics
from oracles.operator.monitor import Monitor
from oracles.operator.peers import Peers
from oracles.operator.pinning import Pinner
from oracles.operator.policy import declined, most_gwei
from oracles.operator.reporting import Reporting
from oracles.operator.roll import RollCall
from oracles.operator.samples import Samples
from oracles.operator.serve import Server
from oracles.operator.turn import AuctionProgress, Turn
from oracles.operator.verdicts import Verdicts
from oracles.registry import RegistryReader, check_registry, registry_of
from oracles.service import loop
from oracles.service.chainview import ChainIndex
from oracles.service.failures import Auction, Failures
from oracles.service.loop import Loop
from oracles.service.outbox import DryRun, Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from web3 import Web3

    from oracles.chain.signers import Signer
    from oracles.chain.state import AuctionState
    from oracles.chain.terms import AuctionId
    from oracles.dataset import EncryptionKey
    from oracles.operator.context import Handler
    from oracles.operator.jobs import Ended
    from oracles.operator.settings import Settings
    from oracles.service.chainview import Head
    from oracles.service.duty import Duty

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: Fetched files may be needed by a second round and for attesting deliveries.
_CACHE_SECONDS = 30 * 86_400
#: Errors by which the contracts say that somebody has done it already.
_DONE_BY_OTHERS = ("NoStake", "RollAlreadyTallied", "NothingDue", "AlreadyStruckOut")


def run(settings: Settings, signer: Signer | None, keys: Sequence[EncryptionKey]) -> None:
    """Run a daemon until SIGTERM or SIGINT; what keeps it from starting for now is waited for.

    Args:
        settings: all of them.
        signer: None for a dry run, which watches, scores and sends nothing.
        keys: encryption keys, the present one first.

    Raises:
        QmiaError: one that only a person can mend.
    """
    loop.run(lambda: Daemon(settings, signer, keys))


class Daemon(Loop):
    """One operator's daemon.

    Args:
        settings: all of them.
        signer: None for a dry run, which watches, scores and sends nothing.
        keys: encryption keys, the present one first.

    Raises:
        ConfigError: the settings do not fit together, or the journal is another's.
        QmiaError, OSError: it cannot start now; see `failures.fatal`.
    """

    def __init__(
        self, settings: Settings, signer: Signer | None, keys: Sequence[EncryptionKey]
    ) -> None:
        with ExitStack() as resources:
            self._resources = resources
            self._open(settings, signer, keys)
            self._resources = resources.pop_all()

    def _open(
        self, settings: Settings, signer: Signer | None, keys: Sequence[EncryptionKey]
    ) -> None:
        """Open journal and connection, make the parts, and listen."""
        deployment = Deployment.load(settings.deployment)
        address = signer.address if signer else settings.address
        if not address:
            raise ConfigError("a dry run needs the `address` of the operator to follow")
        web3 = connect(settings.rpc, deployment.chain_id)
        oracle, auctions = deployment.oracle(web3), deployment.auction(web3)
        identity = {
            "chain": str(deployment.chain_id),
            "oracle": oracle.address,
            "auctions": auctions.address,
            "operator": address,
        }
        journal, metrics = Journal(settings.state, identity), Metrics()
        self._resources.callback(journal.close)
        self._context = context = Context(
            settings,
            signer,
            keys,
            address,
            deployment.chain_id,
            oracle,
            auctions,
            deployment.exchange(web3),
            Contracts(oracle.domain, auctions.address),
            journal,
            _outbox(settings, web3, signer, journal, deployment.chain_id, self._most_gwei),
            Failures(metrics.count_failure),
            metrics,
        )
        super().__init__(context.failures, settings.poll_seconds, "operators'")
        self._web3, self._deployment = web3, deployment
        self._index = ChainIndex(web3, deployment, context.journal.logs, settings.block)
        self._timing = Timing(
            settings.turn_seconds,
            settings.roll_share,
            settings.publish_share,
            settings.slash,
            settings.housekeeping,
        )
        address = registry_of(deployment, settings.policy.registry)
        self._registry: RegistryReader | None = None
        if address is not None:
            check_registry(web3, deployment, address)
            self._registry = RegistryReader(web3, deployment, address, final=settings.block)
        #: Why the registry is against auctions, by id, time of creation and metric version.
        self._objections: dict[tuple[int, int, bytes], str] = {}
        self._seen: set[int] = set()
        self._abandoned: set[Duty] = set()
        self._make_parts(web3)
        if settings.exchange.listen:
            server = Server(
                settings.exchange.listen,
                context.auctions.address,
                context.journal.messages,
                self._evidence,
                self._samples.file,
                context.metrics,
                problems=lambda: self.problems,
                alive=self.alive,
            )
            self._resources.callback(server.close)

    def _most_gwei(self, duty: Duty) -> float:
        usual = self._context.settings.max_fee_gwei
        return most_gwei(duty.kind, self._index.state(duty.auction), usual)

    def _make_parts(self, web3: Web3) -> None:
        """One part for each concern, and the table of who does which kind of duty."""
        context, settings = self._context, self._context.settings
        metrics, messages = context.metrics, context.journal.messages
        self._evidence = DirectoryStore(settings.state / "evidence")
        self._peers = Peers(
            settings.exchange, context.address, context.contracts, messages, metrics
        )
        self._resources.callback(self._peers.close)
        timeout = settings.exchange.timeout
        self._pinner = Pinner(self._evidence, settings.stores, timeout, self._failures)
        self._resources.callback(self._pinner.close)
        self._monitor = Monitor(context, web3)
        self._jobs = Jobs(metrics)
        self._resources.callback(self._jobs.stop)
        self._samples = Samples(context, self._jobs, self._index)
        self._assessor = Assessor(context, self._jobs, self._samples, self._evidence, self._pinner)
        self._reporting = Reporting(context, self._peers)
        self._verdicts = Verdicts(context, self._peers, self._jobs, self._samples)
        self._enforcement = Enforcement(context, self._index)
        parts = (
            self._samples,
            RollCall(context),
            self._assessor,
            self._reporting,
            self._verdicts,
            self._enforcement,
            Earnings(context),
        )
        self._handlers: dict[str, Handler] = {
            kind: do for part in parts for kind, do in part.handlers().items()
        }

    def started(self) -> None:
        """Say who runs, and with which settings."""
        context = self._context
        log.info("started", operator=context.address, settings=context.settings.public())
        if context.signer is None:
            log.warning("no key: dry run, nothing will be signed or sent")

    def close(self) -> None:
        """Stop everything and let the journal go."""
        self._resources.close()

    def cycle(self) -> None:
        """One look at the chain and everything that is due.

        Raises:
            QmiaError: the cycle could not be done; the next may.
        """
        head = self._index.follow()
        # A signer that does not answer must not keep others' reports from coming in.
        with self._failures.attempt("outbox"):
            self._context.outbox.advance(head.settled_number)
        self._peers.hear(self._index.state)
        self._poll()
        turns: list[Turn] = []
        due: list[Duty] = []
        auctions = self._index.auctions()
        unknown = set(auctions)
        for auction in auctions:
            if not self._failures.ready(Auction(auction)):
                continue
            with self._failures.attempt(Auction(auction)):
                turn = self._begin(auction, head)
                if turn is not None:
                    turns.append(turn)
                    due += self._serve(turn)
                unknown.remove(auction)
        working = set(due)
        self._jobs.end_all(lambda duty: duty in working or duty.auction in unknown)
        self._pinner.advance()
        self._monitor.report_cycle(head, turns, due, self._pinner.waiting)
        to_score = {duty for duty in due if duty.kind is Kind.SCORE}
        unclear = [f"auction {each}: its state cannot be read" for each in sorted(unknown)]
        self.problems = [*self._assessor.neglected(to_score), *unclear]
        log.debug("cycle", block=head.number, auctions=len(turns))

    def _poll(self) -> None:
        """Take note of processes that ended, whatever has become of their auctions."""
        takers: dict[str, Callable[[Ended], None]] = {
            Kind.FETCH: self._samples.ended,
            Kind.SCORE: self._assessor.ended,
        }
        for end in self._jobs.ended():
            takers.get(end.duty.kind, self._verdicts.ended)(end)

    def _begin(self, auction_id: AuctionId, head: Head) -> Turn | None:
        """All that is known of an auction; None if this operator has nothing to do with it."""
        auction = self._index.state(auction_id)
        if auction is None:
            return None
        me = auction.seat(self._context.address)
        if me is None:
            # Sets never change, and a creation that is reorganised away is indexed again.
            if head.settled >= auction.created:
                self._context.journal.close_auction(auction.id)
                self._index.forget(auction.id)
            return None
        # Nothing rests on it before the draw. Until then, and without a bid, an auction cost its
        # buyer nothing but gas, so it must not cost a look at the node for each block.
        if head.settled >= auction.phases.open_start:
            self._index.check(auction, head)
        if finished(auction, me, self._context.address, head):
            self._finish(auction)
            return None
        reason = declined(auction, me, self._context.settings.policy) or self._objection(auction)
        if auction.id not in self._seen:
            self._seen.add(auction.id)
            log.info(
                "auction seen",
                auction=auction.id,
                panel="first" if me.round == 1 else "appeal",
                commit_end=auction.phases.commit_end,
                declined=reason,
            )
        if reason and not promised(auction, me):
            # Anybody may name the set as often as it likes: that must not cost a look a block.
            if head.settled >= auction.phases.dispute_end:
                self._context.journal.close_auction(auction.id)
            if head.settled >= auction.created:
                self._index.leave(auction.id)
            return None
        self._assessor.collect(auction)
        progress = AuctionProgress(
            (self._reporting.progress(auction, 1), self._reporting.progress(auction, 2)),
            self._samples.looked_at(auction),
            self._samples.searched(auction),
            self._verdicts.faults(auction.id),
            self._context.journal.messages.verdicts(auction.id),
            self._enforcement.deviators(auction),
        )
        return Turn(auction, me, self._context.address, head, progress, reason)

    def _objection(self, auction: AuctionState) -> str:
        """Why the registry of metric versions is against an auction; empty where there is none.

        It is asked once: what was accepted when an auction was created remains so.
        """
        if self._registry is None:
            return ""
        version = auction.terms.scoring.metric_version
        key = (auction.id, auction.created, version)
        if key not in self._objections:
            why = self._registry.objection(version, auction.created)
            self._objections[key] = f"its metric {why} ({self._registry.address})" if why else ""
        return self._objections[key]

    def _serve(self, turn: Turn) -> list[Duty]:
        """Do what is due for one auction; gives what was due."""
        due = list(duties(turn, self._timing))
        # What is not due any more may be due again, such as a fee that is paid later.
        self._abandoned -= {d for d in self._abandoned if d.auction == turn.auction.id} - set(due)
        for duty in due:
            self._perform(turn, duty)
        begun = self._assessor.begun(turn.auction.id, turn.me.round)
        self._monitor.report_outcome(turn, begun=begun)
        return due

    def _perform(self, turn: Turn, duty: Duty) -> None:
        """Do one duty; its failure stops no other."""
        if duty in self._abandoned or not self._failures.ready(duty):
            return
        # What an auction asks for and this operator does not have concerns that auction alone.
        with self._failures.attempt(duty, harmless=(ConfigError,)):
            try:
                self._handlers[duty.kind](turn, duty)
            except Reverted as error:
                # Somebody else was first: there is nothing left to do.
                if error.error not in _DONE_BY_OTHERS:
                    raise
                self._abandoned.add(duty)

    def _finish(self, auction: AuctionState) -> None:
        """Let go of an auction that nothing can happen to any more."""
        for part in (
            self._samples,
            self._assessor,
            self._reporting,
            self._verdicts,
            self._enforcement,
            self._monitor,
        ):
            part.forget(auction.id)
        for cid in self._evidence.cids():
            self._evidence.release(cid, f"auction-{auction.id}")
        stores = self._context.settings.stores
        self._evidence.collect(Retention(stores.evidence_days * 86_400, stores.evidence_bytes))
        cache = DirectoryStore(self._context.settings.state / "cache")
        cache.collect(Retention(_CACHE_SECONDS, stores.cache_bytes))
        self._context.journal.close_auction(auction.id)
        self._index.forget(auction.id)
        self._seen.discard(auction.id)
        self._abandoned = {duty for duty in self._abandoned if duty.auction != auction.id}
        self._failures.forget(auction.id)
        log.info("finished", auction=auction.id, state=auction.state.name)


def _outbox(
    settings: Settings,
    web3: Web3,
    signer: Signer | None,
    journal: Journal,
    chain_id: int,
    most_gwei: Callable[[Duty], float],
) -> Outbox | DryRun:
    if signer is None:
        return DryRun()
    return Outbox(
        web3,
        signer,
        journal.transactions,
        max_fee_gwei=most_gwei,
        replace_seconds=settings.replace_seconds,
        # Where the operator's commands take their turns too.
        desk=KeyDesk(desk_path(settings.state / signer.address, chain_id)),
    )
