"""A scoring round from the finished report to accepted scores: commit, reveal, gather, post."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from oracles.chain import packing
from oracles.chain.oracle import Submission
from oracles.dataset.keys import derive
from oracles.errors import ConfigError, IntegrityError
from oracles.operator.duties import reporters
from oracles.operator.duty import Kind
from oracles.operator.exchange import Topic
from oracles.operator.messages import check_report, encode_report, report_message
from oracles.operator.turn import RoundProgress, inputs

if TYPE_CHECKING:
    from oracles.chain.state import AuctionState
    from oracles.chain.terms import AuctionId
    from oracles.operator.context import Context, Handler
    from oracles.operator.journal import Report, SignedReport
    from oracles.operator.peers import Peers
    from oracles.operator.turn import Turn
    from oracles.service.duty import Duty

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Reporting:
    """Commits to this operator's reports, reveals them, gathers the others', posts the scores.

    Args:
        context: of the operator.
        peers: the other operators.
    """

    def __init__(self, context: Context, peers: Peers) -> None:
        self._context = context
        self._contract = context.auctions.address
        self._peers = peers
        self._revealed: set[tuple[int, int]] = set()

    def handlers(self) -> dict[Kind, Handler]:
        """What is done for each kind of duty."""
        return {
            Kind.COMMIT: self._commit,
            Kind.REVEAL: self._reveal,
            Kind.GATHER: self._gather,
            Kind.POST: self._post,
            Kind.PUBLISH: self._publish,
        }

    def progress(self, auction: AuctionState, number: int) -> RoundProgress:
        """What the journal has of a round, as far as it is about the chain as it is now."""
        journal = self._context.journal
        report = journal.reports.get(auction.id, number)
        if report is not None and report.inputs != inputs(auction, number):
            report = None
        by_member: dict[int, list[SignedReport]] = {}
        for heard in journal.messages.reports(auction.id, number):
            if len(heard.vector) == packing.SCORE_BYTES * len(auction.commitments):
                by_member.setdefault(heard.member, []).append(heard)
        return RoundProgress(
            report,
            (auction.id, number) in self._revealed,
            {member: first for member, (first, *_) in by_member.items() if first.committed},
            {
                member: (reports[0], reports[1])
                for member, reports in by_member.items()
                if len(reports) > 1
            },
        )

    def forget(self, auction: AuctionId) -> None:
        """Let go of an auction that is over."""
        self._revealed -= {(auction, 1), (auction, 2)}

    def _commit(self, turn: Turn, duty: Duty) -> None:
        report = self._report(turn, duty)
        salt = self._salts(report)[0]
        commitment = packing.vector_commitment(report.digest, self._context.address, salt)
        call = self._context.oracle.commit_vector(
            self._contract, turn.auction.id, turn.me.position, commitment
        )
        self._context.outbox.send(duty, call)

    @staticmethod
    def _report(turn: Turn, duty: Duty) -> Report:
        report = turn.progress.rounds[duty.round - 1].report
        if report is None:
            raise IntegrityError(f"auction {duty.auction}, round {duty.round} is not scored")
        return report

    def _salts(self, report: Report) -> list[bytes]:
        """Derived from the encryption keys: secret, and found again even if the journal is lost.

        The first is for committing; the others are those of commitments made before a rotation.
        """
        if not self._context.keys:
            raise ConfigError("an encryption key is needed to commit")
        purpose = b"qmia/salt/1" + report.digest
        return [derive(key.secret, purpose) for key in self._context.keys]

    def _reveal(self, turn: Turn, duty: Duty) -> None:
        """Sign the report, after writing down that it and no other is signed, and share it."""
        context, auction, number = self._context, turn.auction, duty.round
        if context.signer is None:
            return
        report = self._report(turn, duty)
        commitment = auction.rounds[number - 1].committed[turn.me.position]
        for salt in self._salts(report):
            if packing.vector_commitment(report.digest, context.address, salt) == commitment:
                break
        else:
            raise IntegrityError(
                f"auction {auction.id}: the commitment on chain is to another report than ours;"
                " it cannot be opened"
            )
        context.journal.reports.claim_slot(auction.id, number, report.digest)
        message = report_message(context.contracts, auction, number, report.vector, report.evidence)
        signature = context.signer.sign_typed(message)
        submission = Submission(turn.me.position, salt, report.evidence, signature, report.vector)
        signed = check_report(context.contracts, auction, number, submission)
        context.journal.messages.add_report(signed)
        topic = Topic(auction.id, "report", number)
        location = self._peers.share(topic, encode_report(signed))
        if location and location != auction.rounds[number - 1].announced.get(turn.me.position):
            call = context.oracle.announce_vector(
                self._contract, auction.id, turn.me.position, location
            )
            context.outbox.send(duty, call)
        self._revealed.add((auction.id, number))
        log.info("revealed", auction=auction.id, round=number)

    def _gather(self, turn: Turn, duty: Duty) -> None:
        auction, context = turn.auction, self._context
        round_ = auction.rounds[duty.round - 1]
        have = turn.progress.rounds[duty.round - 1].reports.keys()
        for member in round_.published.keys() - have:
            given = round_.published[member]
            submission = Submission(
                member, given.salt, given.evidence, given.signature, given.vector
            )
            signed = check_report(context.contracts, auction, duty.round, submission)
            context.journal.messages.add_report(signed)
        missing = sorted(round_.committed.keys() - have)
        self._peers.ask(auction, Topic(auction.id, "report", duty.round), missing)

    def _post(self, turn: Turn, duty: Duty) -> None:
        reports = turn.progress.rounds[duty.round - 1].reports
        submissions = [reports[member].submission for member in reporters(turn, duty.round)]
        call = self._context.oracle.post_scores(
            self._contract, turn.auction.id, duty.target, submissions
        )
        self._context.outbox.send(duty, call)

    def _publish(self, turn: Turn, duty: Duty) -> None:
        mine = turn.progress.rounds[duty.round - 1].reports[turn.me.position].submission
        call = self._context.oracle.publish_vector(self._contract, turn.auction.id, mine)
        self._context.outbox.send(duty, call)
