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
from oracles.operator.jobs import SLOTS
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

#: Seconds that a process has at least, however many wait.
_LEAST_SECONDS = 30.0
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
        self._faults: dict[AuctionId, dict[tuple[int, Ground], bool]] = {}
        #: By index, until when the process may go on that looked for an archive first.
        self._tried: dict[AuctionId, dict[int, int]] = {}

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
        self._tried.pop(auction, None)

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
        deadline, seconds = turn.auction.phases.dispute_end, None
        if duty.kind is Kind.INSPECT_MISSING:
            deadline = self._look_until(turn, duty)
            if not deadline:
                return
            seconds = self._share(turn, deadline)
        if not self._samples.passes.ready(duty, time.monotonic()):
            return
        left = deadline - turn.head.timestamp
        seconds = max(1.0, float(left)) if seconds is None else seconds
        job = self._samples.job(turn, _STAGES[duty.kind], seconds, duty)
        if self._jobs.start(duty, job, deadline):
            until = turn.head.timestamp + int(seconds)
            self._tried.setdefault(duty.auction, {}).setdefault(duty.target, until)

    def _look_until(self, turn: Turn, duty: Duty) -> int:
        """Until when an archive is looked for; 0 if it is not looked for now.

        Half of the time for verdicts is left for the others' signatures. What was looked for until
        then is signed against; what was not is looked for in half of that half. Of what there was
        no time for, nothing can be said.
        """
        phases, now = turn.auction.phases, turn.head.timestamp
        quarter = (phases.fetch_end - phases.settle_end) // 4
        tried = self._tried.get(duty.auction, {})
        if duty.target not in tried:
            last = phases.fetch_end - quarter // 2
            if now >= last:
                self._find(duty, False, "there was no time to look for it")
                return 0
            return last if now >= phases.fetch_end - quarter else phases.fetch_end - quarter
        if now >= phases.fetch_end - quarter:
            if self._jobs.stage(duty) is None or now >= tried[duty.target]:
                self._jobs.end(duty, "it was looked for long enough")
                self._find(duty, True, "no store and no member has the whole archive")
                self._sign(turn, duty)
            return 0
        # A few archives that come slowly must not be all that there is time for.
        waiting = self._left(turn) - tried.keys()
        return 0 if waiting else phases.fetch_end - quarter

    def _share(self, turn: Turn, deadline: int) -> float:
        """Seconds for one archive, if all that are left get as many."""
        share = min(1.0, SLOTS[Stage.RETRIEVE] / max(1, len(self._left(turn))))
        return max(_LEAST_SECONDS, share * (deadline - turn.head.timestamp))

    def _left(self, turn: Turn) -> set[int]:
        """Named winners that this operator has not judged."""
        faults = self.faults(turn.auction.id)
        named = turn.auction.missing - turn.auction.struck_out
        return {index for index in named if (index, Ground.UNAVAILABLE) not in faults}

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
