"""Keeps auctions moving and proves other operators' offences, for which nobody is paid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracles.chain import packing
from oracles.chain.typed_events import ScoresPosted
from oracles.operator.duty import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oracles.chain.packing import Score
    from oracles.chain.state import AuctionState
    from oracles.chain.terms import AuctionId
    from oracles.operator.context import Context, Handler
    from oracles.operator.journal import SignedReport
    from oracles.operator.turn import Turn
    from oracles.service.chainview import ChainIndex
    from oracles.service.duty import Duty


class Enforcement:
    """Resolves challenges, takes scores over, aborts failed auctions, slashes.

    Args:
        context: of the operator.
        index: of the chain.
    """

    def __init__(self, context: Context, index: ChainIndex) -> None:
        self._oracle = context.oracle
        self._auctions = context.auctions
        self._outbox = context.outbox
        self._index = index
        self._deviators: dict[int, Mapping[int, int]] = {}

    def handlers(self) -> dict[Kind, Handler]:
        """What is done for each kind of duty."""
        return {
            Kind.RESOLVE: self._resolve,
            Kind.ACCEPT: self._accept,
            Kind.ABORT: self._abort,
            Kind.SLASH_MISSING: self._slash_missing,
            Kind.SLASH_CONTRADICTION: self._slash_contradiction,
            Kind.SLASH_DEVIATION: self._slash_deviation,
        }

    def deviators(self, auction: AuctionState) -> Mapping[int, int]:
        """By member of the first panel, an index at which it is not what the appeal found."""
        if not auction.moved:
            return {}
        if auction.id not in self._deviators:
            appealed = self._index.scores(auction, 2)
            self._deviators[auction.id] = {
                member: index
                for member, vector in self._first_vectors(auction).items()
                if (index := packing.deviation(vector, appealed)) is not None
            }
        return self._deviators[auction.id]

    def forget(self, auction: AuctionId) -> None:
        """Let go of an auction that is over."""
        self._deviators.pop(auction, None)

    def _posted(self, auction: AuctionState) -> list[ScoresPosted]:
        """The posts that completed round one, by chunk."""
        complete = auction.rounds[0].complete
        posts = [
            event.body
            for event in self._index.events("ScoresPosted", auction.id)
            if isinstance(event.body, ScoresPosted)
        ]
        return sorted(
            (post for post in posts if post.round == 1 and post.mask == complete),
            key=lambda post: post.chunk,
        )

    def _first_vectors(self, auction: AuctionState) -> dict[int, list[Score]]:
        vectors: dict[int, list[Score]] = {}
        for post in self._posted(auction):
            for given in post.submissions:
                vectors.setdefault(given.member, []).extend(packing.unpack_vector(given.vector))
        return vectors

    def _resolve(self, turn: Turn, duty: Duty) -> None:
        self._outbox.send(duty, self._oracle.resolve(self._auctions.address, turn.auction.id))

    def _accept(self, turn: Turn, duty: Duty) -> None:
        self._outbox.send(duty, self._auctions.accept_scores(turn.auction.id), once=True)

    def _abort(self, turn: Turn, duty: Duty) -> None:
        self._outbox.send(duty, self._auctions.abort(turn.auction.id))

    def _slash_missing(self, turn: Turn, duty: Duty) -> None:
        call = self._oracle.slash_missing(
            self._auctions.address, turn.auction.id, round_=duty.round, member=duty.target
        )
        self._outbox.send(duty, call, once=True)

    def _slash_contradiction(self, turn: Turn, duty: Duty) -> None:
        first, second = turn.progress.rounds[duty.round - 1].contradictions[duty.target]
        call = self._oracle.slash_contradiction(
            self._auctions.address,
            turn.auction.id,
            member=duty.target,
            first=_signed(first),
            second=_signed(second),
        )
        self._outbox.send(duty, call, once=True)

    def _slash_deviation(self, turn: Turn, duty: Duty) -> None:
        index = turn.progress.deviators[duty.target]
        post = self._posted(turn.auction)[index // packing.CHUNK]
        given = next(each for each in post.submissions if each.member == duty.target)
        call = self._oracle.slash_deviator(
            self._auctions.address,
            turn.auction.id,
            member=duty.target,
            index=index,
            evidence=given.evidence,
            signature=given.signature,
            chunk_hashes=given.chunk_hashes,
            chunk=given.vector,
        )
        self._outbox.send(duty, call, once=True)


def _signed(report: SignedReport) -> tuple[int, bytes, bytes, bytes]:
    root = packing.report_root(packing.chunk_hashes(report.vector))
    return report.round, root, report.evidence, report.signature
