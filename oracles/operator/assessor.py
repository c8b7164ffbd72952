"""From an auction's commitments to this operator's report: fetch the data sets, score them."""

from __future__ import annotations

import datetime
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from oracles.evidence import DirectoryStore, bundle_parts
from oracles.operator.duty import Duty, Kind
from oracles.operator.failures import Backoff
from oracles.operator.job import DataSetRef, Job, Scored, Stage
from oracles.operator.jobs import Jobs
from oracles.operator.journal import EquivocationError, Report
from oracles.operator.messages import report_digest
from oracles.operator.turn import inputs

if TYPE_CHECKING:
    from collections.abc import Set
    from pathlib import Path

    from oracles.chain.state import AuctionState
    from oracles.evidence import Cid
    from oracles.operator.chainview import ChainIndex
    from oracles.operator.context import Context, Handler
    from oracles.operator.pinning import Pinner
    from oracles.operator.turn import Turn

log: structlog.stdlib.BoundLogger = structlog.get_logger()


@dataclass(slots=True)
class _Fetching:
    """How far the data of one round are here.

    Attributes:
        inputs: digest over what is to be scored.
        give_up: seconds of the monotonic clock after which what is missing counts as missing.
        tried: whether all sources were asked once.
        complete: whether everything is here.
    """

    inputs: bytes
    give_up: float
    tried: bool = False
    complete: bool = False


class Assessor:
    """Runs the processes that fetch and score, and takes over what they find.

    Args:
        context: of the operator.
        index: of the chain.
        evidence: where bundles go.
        pinner: told about each new bundle.
    """

    def __init__(
        self, context: Context, index: ChainIndex, evidence: DirectoryStore, pinner: Pinner
    ) -> None:
        self._context = context
        self._settings = context.settings
        self._index = index
        self._evidence = evidence
        self._pinner = pinner
        self._jobs = Jobs(context.metrics)
        self._fetching: dict[Duty, _Fetching] = {}
        self._passes = Backoff()

    def handlers(self) -> dict[Kind, Handler]:
        """What is done for each kind of duty."""
        return {Kind.SCORE: self._score}

    def close(self) -> None:
        """End all processes; what they finished is found again."""
        self._jobs.stop()

    def poll(self) -> None:
        """Take note of processes that ended, whatever has become of their auctions."""
        for duty, stage, error in self._jobs.ended():
            fetching = self._fetching.get(duty)
            if stage is Stage.FETCH and fetching is not None:
                fetching.tried, fetching.complete = True, error is None
                if error is None:
                    self._passes.succeeded(duty)
                else:
                    self._passes.failed(duty, time.monotonic())
                    log.info("data missing", job=str(duty), reason=str(error)[:500])
            elif error is not None:
                self._context.failures.failed(duty, error)

    def end_useless(self, due: Set[Duty], unknown: Set[int]) -> None:
        """Kill processes for what is over, was aborted, or has missed its window.

        Args:
            due: what is to be scored.
            unknown: auctions that could not be looked at in this cycle.
        """
        self._jobs.end_all(lambda duty: duty in due or duty.auction in unknown)
        self._fetching = {
            duty: kept
            for duty, kept in self._fetching.items()
            if duty in due or duty.auction in unknown
        }

    def neglected(self, due: Set[Duty]) -> list[str]:
        """What is due to be scored, while no process works on it or waits for its data."""
        now = time.monotonic()
        return [
            f"auction {duty.auction}, round {duty.round}: due to be scored, and nothing works on it"
            for duty in sorted(due, key=str)
            if self._jobs.stage(duty) is None and self._passes.ready(duty, now)
        ]

    def forget(self, auction: int) -> None:
        """Let go of an auction that is over."""
        self._passes.forget(auction)
        for number in (1, 2):
            shutil.rmtree(self._folder(auction, number), ignore_errors=True)

    def _folder(self, auction: int, number: int) -> Path:
        return self._settings.state / "jobs" / f"{auction}-{number}"

    def _score(self, turn: Turn, duty: Duty) -> None:
        auction, head = turn.auction, turn.head
        window = auction.windows(duty.round)
        fetching = self._begin(turn, duty)
        now = time.monotonic()
        over = fetching.tried and now >= fetching.give_up
        stage = Stage.SCORE if fetching.complete or over else Stage.FETCH
        if stage is Stage.FETCH and not self._passes.ready(duty, now):
            return
        deadline = (
            window.post if turn.me in auction.rounds[duty.round - 1].committed else window.open
        )
        # A first pass after a restart may come late; it gets half of the time that is left.
        seconds = max(fetching.give_up - now, (deadline - head.timestamp) / 2)
        self._jobs.start(duty, self._job(turn, duty, stage, seconds), deadline)

    def _begin(self, turn: Turn, duty: Duty) -> _Fetching:
        """Prepare for the inputs as they are now; other ones are not worked on any more."""
        auction, window = turn.auction, turn.auction.windows(duty.round)
        facts = inputs(auction, duty.round)
        fetching = self._fetching.get(duty)
        if fetching is not None and fetching.inputs == facts:
            return fetching
        self._jobs.end(duty, "the chain was reorganised")
        folder = self._folder(auction.id, duty.round)
        marker = folder / "inputs"
        if not marker.exists() or marker.read_bytes() != facts:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, mode=0o700)
            marker.write_bytes(facts)
        share = self._settings.scoring.fetch_share
        patience = window.commit + share * (window.open - window.commit) - turn.head.timestamp
        fetching = _Fetching(facts, time.monotonic() + max(0.0, patience))
        self._fetching[duty] = fetching
        return fetching

    def _job(self, turn: Turn, duty: Duty, stage: Stage, seconds: float) -> Job:
        auction, context, settings = turn.auction, self._context, self._settings
        folder = self._folder(auction.id, duty.round)
        commit_end = auction.phases.commit_end
        sample = self._index.first_block_at(commit_end, turn.head.number)
        return Job(
            stage=stage,
            chain_id=context.chain_id,
            contract=context.auctions.address,
            auction=auction.id,
            round=duty.round,
            operator=context.address,
            keys=[each.secret.hex() for each in context.keys],
            data_sets=[
                DataSetRef(
                    each.index,
                    each.provider,
                    each.data_set.cid.hex(),
                    each.data_set.content_digest.hex(),
                    each.data_set.size,
                    each.withdrawn,
                )
                for each in auction.commitments
            ],
            metric_version=auction.terms.metric_version.hex(),
            evaluation=auction.terms.evaluation.hex(),
            sample_key=sample.hex(),
            today=datetime.datetime.fromtimestamp(commit_end, datetime.UTC).date().isoformat(),
            stores=settings.stores.data,
            cache=str(settings.state / "cache"),
            evidence=str(settings.state / "evidence"),
            workspace=str(folder / "work"),
            result=str(folder / "result.json"),
            seconds=seconds,
            scoring=settings.scoring.model_dump(mode="json"),
        )

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
