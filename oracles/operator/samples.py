"""The samples of each auction: fetched as they are opened, kept and served until claims begin."""

from __future__ import annotations

import datetime
import shutil
import time
from typing import TYPE_CHECKING

import structlog

from oracles.evidence import Cid, DirectoryStore, StoreError
from oracles.operator.duties import fetch_deadline, wanted
from oracles.operator.duty import Kind
from oracles.operator.job import DataSetRef, Job, Stage, read_looked_at
from oracles.operator.pieces import Pieces
from oracles.operator.turn import sealed
from oracles.service.duty import Duty
from oracles.service.failures import Backoff

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from oracles.chain.state import AuctionState, Commitment
    from oracles.chain.terms import AuctionId
    from oracles.operator.context import Context, Handler
    from oracles.operator.jobs import Ended, Jobs
    from oracles.operator.turn import Turn
    from oracles.service.chainview import ChainIndex

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Samples:
    """Runs the processes that fetch, and knows what is here.

    Args:
        context: of the operator.
        jobs: processes.
        index: of the chain.
    """

    def __init__(self, context: Context, jobs: Jobs, index: ChainIndex) -> None:
        self._context = context
        self._settings = context.settings
        self._jobs = jobs
        self._index = index
        self._cache = DirectoryStore(self._settings.state / "cache")
        self._pieces = Pieces(self._settings.state / "pieces")
        #: Auctions whose present openings all sources were asked for.
        self._searched: set[int] = set()
        #: Pauses after passes that did not bring everything.
        self.passes = Backoff()

    def handlers(self) -> dict[Kind, Handler]:
        """What is done for each kind of duty."""
        return {Kind.FETCH: self._fetch}

    def ended(self, end: Ended) -> None:
        """Take note of a pass over the sources."""
        self._searched.add(end.duty.auction)
        if end.error is None:
            self.passes.succeeded(end.duty)
        else:
            self.passes.failed(end.duty, time.monotonic())
            log.info("data missing", job=str(end.duty), reason=str(end.error)[:500])

    def looked_at(self, auction: AuctionState) -> Mapping[int, bool]:
        """By index, whether its sample is here and right; without what is not here yet."""
        found = read_looked_at(self.result(Duty(Kind.FETCH, auction.id)))
        return {
            each.index: not found[str(each.index)][1]
            for each in auction.commitments
            if str(each.index) in found and found[str(each.index)][0] == _ref(each).stamp
        }

    def searched(self, auction: AuctionState) -> bool:
        """Whether all sources were asked for what is opened now, since this process started."""
        return auction.id in self._searched and self._same_inputs(auction)

    def file(self, cid: Cid, offset: int, size: int | None) -> Path | None:
        """A file that this operator serves, whole, or the piece that a range asks for."""
        if size is not None:
            piece = self._pieces.path(cid, offset, size)
            if piece.exists():
                return piece
        try:
            return self._cache.path(cid)
        except StoreError:
            return None

    def forget(self, auction: AuctionId) -> None:
        """Let go of an auction that is over."""
        self.passes.forget(auction)
        self._searched.discard(auction)
        folder = self._folder(auction)
        archives = folder / "archives"
        if archives.exists():
            for name in archives.read_text().split():
                self._pieces.forget(Cid.parse(name))
        shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, auction: AuctionId) -> Path:
        return self._settings.state / "jobs" / f"{auction}-samples"

    def result(self, duty: Duty) -> Path:
        """File that a duty's process writes."""
        if duty.kind is Kind.SCORE:
            return self._settings.state / "jobs" / f"{duty.auction}-{duty.round}" / "result.json"
        return self._folder(duty.auction) / f"{duty.kind}-{duty.target}.json"

    def _same_inputs(self, auction: AuctionState) -> bool:
        marker = self._folder(auction.id) / "inputs"
        return marker.exists() and marker.read_bytes() == sealed(auction)

    def _fetch(self, turn: Turn, duty: Duty) -> None:
        auction = turn.auction
        folder = self._folder(auction.id)
        if not self._same_inputs(auction):
            self._jobs.end(duty, "there is more to fetch, or the chain was reorganised")
            self.passes.succeeded(duty)
            self._searched.discard(auction.id)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / "inputs").write_bytes(sealed(auction))
        if not self.passes.ready(duty, time.monotonic()):
            return
        deadline = fetch_deadline(auction, turn.me)
        seconds = float(max(1, deadline - turn.head.timestamp))
        self._jobs.start(duty, self.job(turn, Stage.FETCH, seconds, duty), deadline)

    def job(self, turn: Turn, stage: Stage, seconds: float, duty: Duty) -> Job:
        """What a process is told.

        Args:
            turn: about the auction.
            stage: what to do.
            seconds: after which a process that fetches gives up.
            duty: what it is for.

        Raises:
            ChainError: the node does not answer.
        """
        auction, context, settings = turn.auction, self._context, self._settings
        keys = self._index.keys(auction)
        members = [*auction.panel(1).members, *auction.panel(2).members]
        before = len(auction.panel(1).members) if turn.me.round == 2 else 0
        after = before + len(auction.panel(turn.me.round).members)
        draw = self._index.draw(auction, turn.head.number)
        day = datetime.datetime.fromtimestamp(auction.phases.commit_end, datetime.UTC).date()
        on_sale = stage in (Stage.RETRIEVE, Stage.EXAMINE)
        folder = settings.state / "jobs" / f"{auction.id}-{turn.me.round}"
        peers = [peer.rstrip("/") for peer in settings.exchange.peers]
        return Job(
            stage=stage,
            chain_id=context.chain_id,
            contract=context.auctions.address,
            auction=auction.id,
            round=turn.me.round,
            operator=context.address,
            member=before + turn.me.position,
            members=[keys[member].hex() for member in members],
            panel=(before, after),
            keys=[each.secret.hex() for each in context.keys],
            data_sets=[_ref(each) for each in auction.commitments],
            wanted=[duty.target] if on_sale else sorted(wanted(turn)),
            samples=auction.terms.scoring.samples,
            sample_key=draw.hex(),
            metric_version=auction.terms.scoring.metric_version.hex(),
            evaluation=auction.terms.scoring.evaluation.hex(),
            today=day.isoformat(),
            complaint=auction.complaints.get(duty.target, b"").hex() if on_sale else "",
            stores=[*settings.stores.data, *peers],
            cache=str(settings.state / "cache"),
            pieces=str(settings.state / "pieces"),
            evidence=str(settings.state / "evidence"),
            workspace=str(folder / "work"),
            result=str(self.result(duty)),
            seconds=seconds,
            reserve=settings.stores.reserve_bytes,
            scoring=settings.scoring.model_dump(mode="json"),
        )


def _ref(commitment: Commitment) -> DataSetRef:
    data_set = commitment.data_set
    return DataSetRef(
        commitment.index,
        commitment.owner,
        data_set.manifest.hex(),
        data_set.content_digest.hex(),
        data_set.size,
        data_set.key_commitment.hex(),
        (commitment.opening or b"").hex(),
        commitment.withdrawn,
    )
