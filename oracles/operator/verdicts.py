"""Judging the exchange: what the buyer could not fetch, and what it could not read.

A member of the standing panel tries for itself. It signs against a winner only on what it saw, and
only a majority of the panel strikes somebody out.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from oracles.chain.oracle import Ground
from oracles.operator.duty import Kind
from oracles.operator.exchange import Topic
from oracles.operator.job import Judged, Stage
from oracles.operator.messages import encode_verdict, verdict_message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oracles.chain.terms import AuctionId
    from oracles.operator.context import Context, Handler
    from oracles.operator.jobs import Ended, Jobs
    from oracles.operator.peers import Peers
    from oracles.operator.samples import Samples
    from oracles.operator.turn import Turn
    from oracles.service.duty import Duty

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_STAGES: dict[str, Stage] = {
    Kind.INSPECT_MISSING: Stage.RETRIEVE,
    Kind.INSPECT_COMPLAINT: Stage.EXAMINE,
}


class Verdicts:
    """Looks at what the buyer named, signs, gathers signatures, and strikes out.

    Args:
        context: of the operator.
        peers: the other operators.
        jobs: processes that look.
        samples: what was fetched for scoring.
    """

    def __init__(self, context: Context, peers: Peers, jobs: Jobs, samples: Samples) -> None:
        self._context = context
        self._peers = peers
        self._jobs = jobs
        self._samples = samples
        self._faults: dict[int, dict[tuple[int, Ground], bool]] = {}

    def handlers(self) -> dict[Kind, Handler]:
        """What is done for each kind of duty."""
        return {
            Kind.INSPECT_MISSING: self._inspect,
            Kind.INSPECT_COMPLAINT: self._inspect,
            Kind.GATHER_VERDICT: self._gather,
            Kind.VERDICT: self._submit,
        }

    def faults(self, auction: AuctionId) -> Mapping[tuple[int, Ground], bool]:
        """By index and ground, whether this operator would strike out."""
        return self._faults.get(auction, {})

    def forget(self, auction: AuctionId) -> None:
        """Let go of an auction that is over."""
        self._faults.pop(auction, None)

    def ended(self, end: Ended) -> None:
        """Take note of a process that looked at something."""
        duty = end.duty
        found = Judged.read(self._samples.result(duty))
        if found is None:
            # What could not be looked at is looked at again; see `_late`.
            log.info("not judged yet", job=str(duty), reason=str(end.error)[:500])
            self._samples.passes.failed(duty, time.monotonic())
            return
        self._find(duty, found.fault, found.reason)

    def _find(self, duty: Duty, fault: bool, reason: str) -> None:
        faults = self._faults.setdefault(duty.auction, {})
        faults[duty.target, Ground(duty.round)] = fault
        tell = log.warning if fault else log.info
        tell("judged", job=str(duty), fault=fault, reason=reason)

    def _inspect(self, turn: Turn, duty: Duty) -> None:
        phases, now = turn.auction.phases, turn.head.timestamp
        if duty.kind is Kind.INSPECT_MISSING:
            # Half of the time for verdicts is left for the others' signatures.
            limit = phases.fetch_end - (phases.fetch_end - phases.settle_end) // 4
            if now >= limit:
                self._jobs.end(duty, "it was looked for long enough")
                self._find(duty, True, "no store and no member has the whole archive")
                self._sign(turn, duty)
                return
            deadline = limit
        else:
            deadline = phases.dispute_end
        if not self._samples.passes.ready(duty, time.monotonic()):
            return
        seconds = max(1.0, float(deadline - now))
        job = self._samples.job(turn, _STAGES[duty.kind], seconds, duty)
        self._jobs.start(duty, job, deadline)

    def _sign(self, turn: Turn, duty: Duty) -> None:
        """Sign against a winner, and share the signature."""
        context, auction, ground = self._context, turn.auction, Ground(duty.round)
        if context.signer is None:
            return
        message = verdict_message(context.contracts, auction.id, duty.target, ground)
        signature = context.signer.sign_typed(message)
        member = turn.me.position
        context.journal.messages.add_verdict(auction.id, duty.target, ground, member, signature)
        verdict = encode_verdict(auction.id, duty.target, ground, member, signature)
        self._peers.share(Topic(auction.id, "verdict", duty.target), verdict)

    def _gather(self, turn: Turn, duty: Duty) -> None:
        ground = Ground(duty.round)
        have = turn.progress.verdicts.get((duty.target, ground), {})
        if turn.me.position not in have:
            self._sign(turn, duty)
        members = range(len(turn.auction.panel(turn.me.round).members))
        missing = [m for m in members if m != turn.me.position and m not in have]
        self._peers.ask(turn.auction, Topic(turn.auction.id, "verdict", duty.target), missing)

    def _submit(self, turn: Turn, duty: Duty) -> None:
        ground = Ground(duty.round)
        signatures = turn.progress.verdicts[duty.target, ground]
        members = sorted(signatures)
        call = self._context.exchange.submit_verdict(
            turn.auction.id,
            duty.target,
            ground,
            members,
            [signatures[member] for member in members],
        )
        self._context.outbox.send(duty, call)
