"""From samples that are here to this operator's report: a process scores them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import structlog

from oracles.evidence import DirectoryStore, bundle_parts
from oracles.operator.duty import Kind
from oracles.operator.job import Scored, Stage
from oracles.operator.journal import EquivocationError, Report
from oracles.operator.messages import report_digest
from oracles.operator.turn import inputs
from oracles.service.duty import Duty

if TYPE_CHECKING:
    from collections.abc import Set
    from pathlib import Path

    from oracles.chain.state import AuctionState
    from oracles.chain.terms import AuctionId
    from oracles.evidence import Cid
    from oracles.operator.context import Context, Handler
    from oracles.operator.jobs import Ended, Jobs
    from oracles.operator.pinning import Pinner
    from oracles.operator.samples import Samples
    from oracles.operator.turn import Turn

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Assessor:
    """Runs the processes that score, and takes over what they find.

    Args:
        context: of the operator.
        jobs: processes.
        samples: what is scored.
        evidence: where bundles go.
        pinner: told about each new bundle.
    """

    def __init__(
        self,
        context: Context,
        jobs: Jobs,
        samples: Samples,
        evidence: DirectoryStore,
        pinner: Pinner,
    ) -> None:
        self._context = context
        self._jobs = jobs
        self._samples = samples
        self._evidence = evidence
        self._pinner = pinner

    def handlers(self) -> dict[Kind, Handler]:
        """What is done for each kind of duty."""
        return {Kind.SCORE: self._score}

    def ended(self, end: Ended) -> None:
        """Take note of a process that ended; what it wrote is collected with its auction."""
        if end.error is not None:
            self._context.failures.failed(end.duty, end.error)

    def neglected(self, due: Set[Duty]) -> list[str]:
        """What is due to be scored, while no process works on it."""
        return [
            f"auction {duty.auction}, round {duty.round}: due to be scored, and nothing works on it"
            for duty in sorted(due, key=str)
            if self._jobs.stage(duty) is None
        ]

    def begun(self, auction: AuctionId, number: int) -> bool:
        """Whether a round was begun to be scored, and its result is not collected."""
        return self._folder(auction, number).exists()

    def forget(self, auction: AuctionId) -> None:
        """Let go of an auction that is over."""
        for number in (1, 2):
            shutil.rmtree(self._folder(auction, number), ignore_errors=True)

    def _folder(self, auction: AuctionId, number: int) -> Path:
        return self._context.settings.state / "jobs" / f"{auction}-{number}"

    def _score(self, turn: Turn, duty: Duty) -> None:
        auction, window = turn.auction, turn.auction.windows(duty.round)
        facts = inputs(auction, duty.round)
        folder = self._folder(auction.id, duty.round)
        marker = folder / "inputs"
        if not marker.exists() or marker.read_bytes() != facts:
            self._jobs.end(duty, "the chain was reorganised")
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, mode=0o700)
            marker.write_bytes(facts)
        mine = turn.me.position in auction.rounds[duty.round - 1].committed
        deadline = window.post if mine else window.open
        seconds = float(max(1, deadline - turn.head.timestamp))
        self._jobs.start(duty, self._samples.job(turn, Stage.SCORE, seconds, duty), deadline)

    def collect(self, auction: AuctionState) -> None:
        """Take over what a finished process wrote, also one that finished before a restart."""
        for number in (1, 2):
            folder = self._folder(auction.id, number)
            scored = Scored.read(folder / "result.json")
            if scored is None or self._jobs.stage(Duty(Kind.SCORE, auction.id, number)):
                continue
            facts = (folder / "inputs").read_bytes()
            if facts == inputs(auction, number):
                digest = report_digest(
                    self._context.contracts, auction, number, scored.vector, scored.evidence.digest
                )
                self._store(
                    Report(
                        auction.id, number, facts, scored.vector, scored.evidence.digest, digest
                    ),
                    scored.evidence,
                )
            shutil.rmtree(folder, ignore_errors=True)

    def _store(self, report: Report, evidence: Cid) -> None:
        try:
            self._context.journal.reports.store(report)
        except EquivocationError as error:
            self._context.metrics.equivocations.inc()
            log.error("kept the earlier report", auction=report.auction, error=str(error))
            return
        for part in bundle_parts(self._evidence, evidence):
            self._evidence.hold(part, f"auction-{report.auction}")
            self._pinner.add(part)
        log.info("scored", auction=report.auction, round=report.round, evidence=str(evidence))
