"""The loop: look at the chain, ask what is due, do it; again."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import shutil
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import structlog
from hexbytes import HexBytes
from web3.exceptions import Web3Exception

from oracles.chain import codec
from oracles.chain.auction import State
from oracles.chain.deployment import Deployment
from oracles.chain.oracle import Submission
from oracles.dataset import Binding, WrapContext, check_wrap
from oracles.dataset.keys import derive
from oracles.dataset.manifest import MAX_BYTES, Manifest
from oracles.errors import ChainError, ConfigError, IntegrityError, QmiaError
from oracles.evidence import (
    Cid,
    DirectoryStore,
    IpfsStore,
    Retention,
    StoreError,
    bundle_parts,
    open_store,
)
from oracles.evidence.cid import RAW
from oracles.operator import exchange
from oracles.operator.chainview import ChainIndex
from oracles.operator.duties import (
    Duty,
    Kind,
    Memory,
    Policy,
    about,
    current_round,
    duties,
    finished,
)
from oracles.operator.exchange import Contracts, DirectoryExchange, Gatherer, Topic
from oracles.operator.failures import Backoff, expected, fatal
from oracles.operator.jobs import Jobs, read_result
from oracles.operator.journal import EquivocationError, Journal, Report
from oracles.operator.metrics import Metrics
from oracles.operator.outbox import Outbox
from oracles.operator.rpc import connect
from oracles.operator.serve import Server
from oracles.operator.worker import DataSetRef, Fetcher, Job, unwrap_with_any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from oracles.chain.client import Signer
    from oracles.dataset import EncryptionKey
    from oracles.operator.chainview import AuctionView, Head
    from oracles.operator.journal import Heard
    from oracles.operator.settings import Settings

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: A loop that has not turned for this many polls, or seconds, is not alive.
_STALL_POLLS, _STALL_SECONDS = 20, 120
#: Reports kept of one member and round: two prove equivocation, more add nothing.
_MOST_REPORTS = 3
_MAX_BACKOFF_SECONDS = 30.0
#: Why evidence is held that waits for its pins.
_UNPINNED = "unpinned"
#: ScoreOracle.TOLERANCE.
_TOLERANCE_STEPS = 100
#: Balance and bond change rarely.
_FUNDS_SECONDS = 60
#: Fetched files may be needed by a second round and for attesting deliveries.
_CACHE_SECONDS = 30 * 86_400


class Operator:
    """One operator's daemon.

    Args:
        settings: all of them.
        signer: None for a dry run, which watches, scores and sends nothing.
        keys: encryption keys, the present one first.

    Raises:
        ConfigError: the settings do not fit together, or the journal is another's.
        ChainError: no node answers.
    """

    def __init__(
        self, settings: Settings, signer: Signer | None, keys: Sequence[EncryptionKey]
    ) -> None:
        self.settings = settings
        self._signer = signer
        self._keys = keys
        self._deployment = Deployment.load(settings.deployment)
        self._web3 = connect(settings.rpc, self._deployment.chain_id)
        self._oracle = self._deployment.oracle(self._web3)
        self._auctions = self._deployment.auction(self._web3)
        self._contracts = Contracts(self._oracle.domain, self._auctions.address)
        self.address = signer.address if signer else (settings.address or "")
        if not self.address:
            raise ConfigError("a dry run needs the `address` of the operator to follow")
        self.journal = Journal(
            settings.state,
            {
                "chain": str(self._deployment.chain_id),
                "oracle": self._oracle.address,
                "auctions": self._auctions.address,
                "operator": self.address,
            },
        )
        self._evidence = DirectoryStore(settings.state / "evidence")
        self._index = ChainIndex(self._web3, self._deployment, self.journal, settings.block)
        self.metrics = Metrics()
        self._jobs = Jobs(self.metrics)
        self._gatherer = Gatherer(settings.exchange, self._auctions.address)
        self._outbox = (
            Outbox(
                self._web3,
                signer,
                self.journal,
                max_fee_gwei=settings.max_fee_gwei,
                replace_seconds=settings.replace_seconds,
            )
            if signer
            else None
        )
        self._policy = Policy(
            settings.turn_seconds, settings.publish_share, settings.slash, settings.housekeeping
        )
        self._backoff = Backoff()
        self._stopping = threading.Event()
        self._problems: list[str] = ["no cycle yet"]
        self._last_turn = time.monotonic()
        self._revealed: set[tuple[int, int]] = set()
        self._wrong: dict[int, set[int]] = {}
        self._unpinned = {
            str(cid) for cid in self._evidence.cids() if _UNPINNED in self._evidence.held(cid)
        }
        self._moot: set[str] = set()
        self._watched: set[tuple[int, int]] = set()
        self._background = ThreadPoolExecutor(1, thread_name_prefix="background")
        self._pinning: Future[set[str]] | None = None
        self._handlers: dict[Kind, Callable[[AuctionView, Duty, Head, int], None]] = {
            Kind.SCORE: self._score,
            Kind.COMMIT: self._commit,
            Kind.REVEAL: self._reveal,
            Kind.GATHER: self._gather,
            Kind.POST: self._post,
            Kind.PUBLISH: self._publish,
            Kind.RESOLVE: self._resolve,
            Kind.ABORT: self._abort,
            Kind.SLASH_MISSING: self._slash_missing,
            Kind.SLASH_EQUIVOCATION: self._slash_equivocation,
            Kind.ATTEST: self._attest,
            Kind.GATHER_VERDICT: self._gather_verdict,
            Kind.VERDICT: self._verdict,
        }
        self._server = (
            Server(
                settings.exchange.listen,
                self._auctions.address,
                self.journal,
                self._evidence,
                self.metrics,
                problems=lambda: self._problems,
                alive=self.alive,
            )
            if settings.exchange.listen
            else None
        )

    # THE LOOP

    def run(self) -> None:
        """Turn until SIGTERM or SIGINT.

        Raises:
            QmiaError: one that only a person can mend.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopping.set())
        log.info("started", operator=self.address, settings=self.settings.public())
        if self._signer is None:
            log.warning("no key: dry run, nothing will be signed or sent")
        try:
            while not self._stopping.is_set():
                self._turn()
                self._stopping.wait(self.settings.poll_seconds)
        finally:
            self.close()
        log.info("stopped")

    def _turn(self) -> None:
        now = time.monotonic()
        self._last_turn = now
        if not self._backoff.ready("cycle", now):
            return
        try:
            self.cycle()
            self._backoff.succeeded("cycle")
        except Exception as error:
            if fatal(error):
                raise ConfigError(f"stopped: {error}; see Errors in the operators' page") from error
            self._fail("cycle", error)

    def close(self) -> None:
        """Stop everything and let the journal go."""
        self._jobs.stop()
        self._gatherer.close()
        self._background.shutdown(wait=False, cancel_futures=True)
        if self._server:
            self._server.close()
        self.journal.close()

    def alive(self) -> bool:
        """Whether the loop turns."""
        most = max(_STALL_SECONDS, _STALL_POLLS * self.settings.poll_seconds)
        return time.monotonic() - self._last_turn < most

    def _fail(self, key: str, error: BaseException) -> None:
        pause = self._backoff.failed(key, time.monotonic(), _MAX_BACKOFF_SECONDS)
        self.metrics.failures.labels(type(error).__name__).inc()
        if key == "cycle":
            self._problems = [str(error)]
        trace = None if expected(error) else error
        log.warning("failed", what=key, error=str(error), retry_seconds=pause, exc_info=trace)

    def cycle(self) -> None:
        """One look at the chain and everything that is due.

        Raises:
            QmiaError: the cycle could not be done; the next may.
        """
        head = self._index.follow()
        if self._outbox:
            try:
                self._outbox.advance(head.settled_number)
            except ChainError as error:
                # A signer that does not answer must not keep others' reports from coming in.
                self._fail("outbox", error)
        self._hear()
        counts = dict.fromkeys(Kind, 0)
        active = 0
        commit_left: list[int] = []
        for auction in self._index.auctions():
            key, now = f"auction:{auction}", time.monotonic()
            if not self._backoff.ready(key, now):
                continue
            try:
                active += self._serve(auction, head, counts, commit_left)
                self._backoff.succeeded(key)
            except Exception as error:
                if fatal(error):
                    raise
                self._fail(key, error)
        self._after_cycle(head, active, counts, commit_left)

    def _serve(
        self, auction: int, head: Head, counts: dict[Kind, int], commit_left: list[int]
    ) -> bool:
        """Do what is due for one auction; False if this operator has nothing to do with it."""
        view = self._index.view(auction)
        me = view.member(self.address) if view else None
        if view is None or me is None:
            # Sets never change, and a creation that is reorganised away is indexed anew.
            if view is not None and head.settled >= view.created:
                self.journal.close_auction(auction)
            return False
        if finished(view, head):
            self._finish(view)
            return False
        self._collect_job(view)
        for duty in duties(view, self._memory(view), me, head, self._policy):
            counts[duty.kind] += 1
            self._do(view, duty, head, me)
        commit_left += self._commit_left(view, head, me)
        self._watch(view, head, me)
        return True

    def _do(self, view: AuctionView, duty: Duty, head: Head, me: int) -> None:
        """Do one duty; its failure stops no other."""
        key, now = str(duty), time.monotonic()
        if key in self._moot or not self._backoff.ready(key, now):
            return
        try:
            self._handlers[duty.kind](view, duty, head, me)
            self._backoff.succeeded(key)
        except EquivocationError as error:
            self.metrics.equivocations.inc()
            self._fail(key, error)
        except ConfigError as error:
            # Of one auction: the others are served.
            self._fail(key, error)
        except ChainError as error:
            if "AlreadySlashed" in str(error):
                self._moot.add(key)
            else:
                self._fail(key, error)
        except Exception as error:
            if fatal(error):
                raise
            self._fail(key, error)

    def _after_cycle(
        self, head: Head, active: int, counts: dict[Kind, int], commit_left: list[int]
    ) -> None:
        self._pin()
        metrics = self.metrics
        metrics.head.set(head.number)
        metrics.head_time.set(head.timestamp)
        metrics.cycle_time.set_to_current_time()
        metrics.auctions.set(active)
        for kind, count in counts.items():
            metrics.duties.labels(kind).set(count)
        metrics.seconds_left.set(min(commit_left, default=float("inf")))
        metrics.unpinned.set(len(self._unpinned))
        for state in ("pending", "failed"):
            metrics.transactions.labels(state).set(len(self.journal.transactions(state)))
        if self._backoff.ready("funds", time.monotonic()):
            self._look_at_funds()
        self._problems = []
        log.debug("cycle", block=head.number, auctions=active)

    def _look_at_funds(self) -> None:
        try:
            balance = self._web3.eth.get_balance(HexBytes(self.address))  # type: ignore[arg-type]
        except (Web3Exception, OSError, ValueError) as error:
            raise ChainError(f"the node does not answer: {error}") from error
        self.metrics.balance.set(balance / 10**18)
        self.metrics.bond.set(self._oracle.bond_of(self.address)[0] / 10**18)
        self._backoff.pause("funds", time.monotonic() + _FUNDS_SECONDS)

    def _commit_left(self, view: AuctionView, head: Head, me: int) -> list[int]:
        number = current_round(view, head.timestamp)
        window = view.windows(number)
        due = view.state is State.OPEN and me not in view.rounds[number - 1].committed
        inside = window.commit <= head.timestamp < window.open
        return [window.open - head.timestamp] if due and inside else []

    def _watch(self, view: AuctionView, head: Head, me: int) -> None:
        """Notice, once, that a round was missed, or how far our vector is from the accepted one."""
        for number in (1, 2):
            round_, window, key = view.rounds[number - 1], view.windows(number), (view.id, number)
            if key in self._watched:
                continue
            report = self.journal.report(view.id, number)
            if round_.complete and report is not None:
                self._watched.add(key)
                self._compare(view, number, report)
            elif (
                me not in round_.committed
                and view.commitments
                and current_round(view, head.timestamp) == number
                and window.open <= head.timestamp < window.end
            ):
                self._watched.add(key)
                self.metrics.missed.inc()
                log.error("round missed", auction=view.id, round=number)

    def _compare(self, view: AuctionView, number: int, report: Report) -> None:
        round_ = view.rounds[number - 1]
        try:
            parts = [
                bytes(self._web3.eth.get_code(HexBytes(pointer)))[1:]  # type: ignore[arg-type]
                for _, pointer in sorted(round_.posted[round_.complete].items())
            ]
        except (Web3Exception, OSError, ValueError) as error:
            raise ChainError(f"the node does not answer: {error}") from error
        ours = codec.unpack_vector(report.vector)
        accepted = codec.unpack_vector(b"".join(parts))
        if len(ours) != len(accepted):
            raise ChainError("the chain was reorganised while scores were compared")
        pairs = list(zip(ours, accepted, strict=True))
        steps = max(max(abs(a.q - b.q), abs(a.phi - b.phi)) for a, b in pairs)
        flags = sum((a.eligible, a.underserved) != (b.eligible, b.underserved) for a, b in pairs)
        self.metrics.deviation.set(steps)
        tell = log.warning if steps > _TOLERANCE_STEPS or flags else log.info
        tell("compared", auction=view.id, round=number, steps=steps, other_flags=flags)

    def _memory(self, view: AuctionView) -> Memory:
        scored, revealed = set(), set()
        reports: dict[int, set[int]] = {}
        equivocators: dict[int, set[int]] = {}
        for number in (1, 2):
            report = self.journal.report(view.id, number)
            if report is not None and report.inputs == _inputs(view, number):
                scored.add(number)
            if (view.id, number) in self._revealed:
                revealed.add(number)
            seen: dict[int, int] = {}
            for heard in self._heard(view, number):
                seen[heard.member] = seen.get(heard.member, 0) + 1
                if heard.committed:
                    reports.setdefault(number, set()).add(heard.member)
            equivocators[number] = {member for member, count in seen.items() if count > 1}
        votes = self.journal.verdicts(view.id)
        return Memory(
            scored,
            revealed,
            reports,
            equivocators,
            view.id in self._wrong,
            self._wrong.get(view.id, set()),
            {index: len(signatures) for index, signatures in votes.items()},
        )

    def _heard(self, view: AuctionView, number: int) -> list[Heard]:
        """Reports at hand that are about the chain as it is now."""
        length = codec.SCORE_BYTES * len(view.commitments)
        return [
            heard for heard in self.journal.heard(view.id, number) if len(heard.vector) == length
        ]

    # SCORE AND COMMIT

    def _folder(self, view: AuctionView, number: int) -> Path:
        return self.settings.state / "jobs" / f"{view.id}-{number}"

    def _score(self, view: AuctionView, duty: Duty, head: Head, me: int) -> None:
        del me
        key = f"{view.id}-{duty.round}"
        if self._jobs.running:
            return
        folder = self._folder(view, duty.round)
        inputs = _inputs(view, duty.round)
        marker = folder / "inputs"
        if not marker.exists() or marker.read_bytes() != inputs:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, mode=0o700)
            marker.write_bytes(inputs)
        window = view.windows(duty.round)
        sample = self._index.first_block_at(view.phases.commit_end, head.number)
        day = datetime.datetime.fromtimestamp(view.phases.commit_end, datetime.UTC).date()
        deadline = window.commit + self.settings.scoring.fetch_share * (window.open - window.commit)
        job = Job(
            chain_id=self._deployment.chain_id,
            contract=self._auctions.address,
            auction=view.id,
            round=duty.round,
            operator=self.address,
            keys=[each.secret.hex() for each in self._keys],
            data_sets=[
                DataSetRef(
                    each.index,
                    each.provider,
                    each.data_set.cid.hex(),
                    each.data_set.content_digest.hex(),
                    each.data_set.size,
                    each.withdrawn,
                )
                for each in view.commitments
            ],
            metric_version=view.terms.metric_version.hex(),
            evaluation=view.terms.evaluation.hex(),
            sample_key=sample.hex(),
            today=day.isoformat(),
            stores=self.settings.stores.data,
            cache=str(self.settings.state / "cache"),
            evidence=str(self.settings.state / "evidence"),
            workspace=str(folder / "work"),
            result=str(folder / "result.json"),
            wait_seconds=max(0.0, deadline - head.timestamp),
            scoring=self.settings.scoring.model_dump(mode="json"),
        )
        self._jobs.start(key, job)

    def _collect_job(self, view: AuctionView) -> None:
        """Take over what a finished job wrote, also one that finished before a restart."""
        if self._jobs.running.startswith(f"{view.id}-") and (ended := self._jobs.poll()):
            key, code = ended
            try:
                self._jobs.check(code)
            except QmiaError as error:
                self._fail(f"{Kind.SCORE}:{view.id}:{key.partition('-')[2]}:0", error)
        for number in (1, 2):
            folder = self._folder(view, number)
            result = read_result(folder / "result.json")
            if result is None:
                continue
            inputs = (folder / "inputs").read_bytes()
            digest = exchange.report_digest(
                self._contracts, view, number, result.vector, result.evidence.digest
            )
            if inputs == _inputs(view, number):
                report = Report(
                    view.id, number, inputs, result.vector, result.evidence.digest, digest
                )
                self._store_report(view, report, result.evidence)
            shutil.rmtree(folder, ignore_errors=True)

    def _store_report(self, view: AuctionView, report: Report, evidence: Cid) -> None:
        try:
            self.journal.store_report(report)
        except EquivocationError as error:
            self.metrics.equivocations.inc()
            log.error("kept the earlier report", auction=view.id, error=str(error))
            return
        for part in bundle_parts(self._evidence, evidence):
            self._evidence.hold(part, f"auction-{view.id}")
            if self.settings.stores.pins:
                self._evidence.hold(part, _UNPINNED)
                self._unpinned.add(str(part))
        log.info("scored", auction=view.id, round=report.round, evidence=str(evidence))

    def _salts(self, report: Report) -> list[bytes]:
        """Derived from the encryption keys: secret, and found again even if the journal is lost.

        The first is for committing; the others are those of commitments made before a rotation.
        """
        if not self._keys:
            raise ConfigError("an encryption key is needed to commit")
        purpose = b"qmia/salt/1" + report.digest
        return [derive(key.secret, purpose) for key in self._keys]

    def _commit(self, view: AuctionView, duty: Duty, head: Head, me: int) -> None:
        del head
        report = self._report(view, duty.round)
        salt = self._salts(report)[0]
        commitment = codec.vector_commitment(report.digest, self.address, salt)
        self._send(
            duty,
            self._oracle.commit_vector(self._auctions.address, view.id, me, commitment),
        )

    def _report(self, view: AuctionView, number: int) -> Report:
        report = self.journal.report(view.id, number)
        if report is None:
            raise IntegrityError(f"auction {view.id}, round {number} is not scored")
        return report

    # REVEAL, GATHER, POST

    def _reveal(self, view: AuctionView, duty: Duty, head: Head, me: int) -> None:
        """Sign the report, after writing down that it and no other is signed, and share it."""
        del head
        if self._signer is None:
            return
        report, number = self._report(view, duty.round), duty.round
        commitment = view.rounds[number - 1].committed[me]
        for salt in self._salts(report):
            if codec.vector_commitment(report.digest, self.address, salt) == commitment:
                break
        else:
            raise IntegrityError(
                f"auction {view.id}: the commitment on chain is to another report than ours;"
                " it cannot be opened"
            )
        self.journal.claim_slot(view.id, number, report.digest)
        message = exchange.report_message(
            self._contracts, view, number, report.vector, report.evidence
        )
        heard = exchange.check_report(
            self._contracts,
            view,
            number,
            me,
            self.address,
            salt,
            report.evidence,
            report.vector,
            self._signer.sign_typed(message),
        )
        self.journal.hear(heard)
        self._share(view, duty, Topic(view.id, "report", number), exchange.encode_report(heard), me)
        self._revealed.add((view.id, number))
        log.info("revealed", auction=view.id, round=number)

    def _share(
        self, view: AuctionView, duty: Duty, topic: Topic, message: exchange.Message, me: int
    ) -> None:
        settings = self.settings.exchange
        if settings.directory:
            shared = DirectoryExchange(settings.directory, self._auctions.address)
            shared.publish(self.address, topic, message)
        location = settings.public_url if settings.announce else None
        if settings.ipfs and topic.kind == "report":
            cid = IpfsStore(settings.ipfs, timeout=settings.timeout).put(
                json.dumps(message).encode()
            )
            location = f"ipfs://{cid}"
        if location and topic.kind == "report":
            announced = view.rounds[topic.number - 1].announced.get(me)
            if announced != location:
                call = self._oracle.announce_vector(self._auctions.address, view.id, me, location)
                self._send(duty, call)

    def _gather(self, view: AuctionView, duty: Duty, head: Head, me: int) -> None:
        del head, me
        round_ = view.rounds[duty.round - 1]
        have = {h.member for h in self._heard(view, duty.round) if h.committed}
        for member, event in round_.published.items():
            if member not in have:
                self._hear_published(view, duty.round, member, event.args["submission"])
        missing = sorted(round_.committed.keys() - have)
        self._gatherer.ask(view, Topic(view.id, "report", duty.round), missing)

    def _hear_published(
        self, view: AuctionView, number: int, member: int, published: dict[str, Any]
    ) -> None:
        """A vector published on chain."""
        heard = exchange.check_report(
            self._contracts,
            view,
            number,
            member,
            view.members.members[member],
            published["salt"],
            published["evidence"],
            published["vector"],
            published["signature"],
        )
        self._keep(heard)

    def _hear(self) -> None:
        """Check and keep what came in."""
        for topic, source, messages in self._gatherer.answers():
            view = self._index.view(topic.auction)
            if view is None:
                continue
            for message in messages[: _MOST_REPORTS * len(view.members.members)]:
                try:
                    if topic.kind == "report":
                        heard = exchange.decode_report(message, self._contracts, view, topic.number)
                        self._keep(heard)
                    else:
                        member, signature = exchange.decode_verdict(
                            message, self._contracts, view, topic.number
                        )
                        self.journal.add_verdict(view.id, topic.number, member, signature)
                except IntegrityError as error:
                    self.metrics.failures.labels("message").inc()
                    log.info("message refused", source=source, reason=str(error)[:300])

    def _keep(self, heard: Heard) -> None:
        known = [
            each
            for each in self.journal.heard(heard.auction, heard.round)
            if each.member == heard.member
        ]
        if heard.committed or len(known) < _MOST_REPORTS:
            self.journal.hear(heard)

    def _submissions(self, view: AuctionView, number: int, members: set[int]) -> list[Submission]:
        return [
            Submission(h.member, h.salt, h.evidence, h.signature, h.vector)
            for h in self._heard(view, number)
            if h.committed and h.member in members
        ]

    def _post(self, view: AuctionView, duty: Duty, head: Head, me: int) -> None:
        del me
        round_ = view.rounds[duty.round - 1]
        posting = head.timestamp >= view.windows(duty.round).post
        due = set(round_.published if posting else round_.committed)
        submissions = self._submissions(view, duty.round, due)
        self._send(
            duty,
            self._oracle.post_scores(self._auctions.address, view.id, duty.item, submissions),
        )

    def _publish(self, view: AuctionView, duty: Duty, head: Head, me: int) -> None:
        del head
        (mine,) = self._submissions(view, duty.round, {me})
        self._send(duty, self._oracle.publish_vector(self._auctions.address, view.id, mine))

    # HOUSEKEEPING AND SLASHING

    def _resolve(self, view: AuctionView, duty: Duty, head: Head, me: int) -> None:
        del head, me
        self._send(duty, self._oracle.resolve(self._auctions.address, view.id))

    def _abort(self, view: AuctionView, duty: Duty, head: Head, me: int) -> None:
        del head, me
        self._send(duty, self._auctions.abort(view.id))

    def _slash_missing(self, view: AuctionView, duty: Duty, head: Head, me: int) -> None:
        del head, me
        call = self._oracle.slash_missing(self._auctions.address, view.id, duty.round, duty.item)
        self._send_once(duty, call)

    def _slash_equivocation(self, view: AuctionView, duty: Duty, head: Head, me: int) -> None:
        del head, me
        reports = [h for h in self._heard(view, duty.round) if h.member == duty.item]
        first, second = (
            (
                h.round,
                codec.report_root(codec.chunk_hashes(h.vector)),
                h.evidence,
                h.signature,
            )
            for h in reports[:2]
        )
        operator = view.members.members[duty.item]
        call = self._oracle.slash_equivocation(
            self._auctions.address, view.id, operator, first, second
        )
        self._send_once(duty, call)

    # DELIVERIES

    def _attest(self, view: AuctionView, duty: Duty, head: Head, me: int) -> None:
        """Compare every delivered key with the one that this operator opened the data with."""
        del head
        wrong = {
            index
            for index, wrapped in view.delivered.items()
            if not self._opens(view, index, wrapped)
        }
        for index in sorted(wrong):
            message = codec.verdict_message(
                self._contracts.domain, self._contracts.auction, view.id, [index]
            )
            if self._signer is None:
                continue
            signature = self._signer.sign_typed(message)
            self.journal.add_verdict(view.id, index, me, signature)
            verdict = exchange.encode_verdict(view.id, index, me, signature)
            self._share(view, duty, Topic(view.id, "verdict", index), verdict, me)
            log.warning("delivered key does not open", auction=view.id, index=index)
        self._wrong[view.id] = wrong

    def _opens(self, view: AuctionView, index: int, wrapped: bytes) -> bool:
        commitment = view.commitments[index]
        chain_id, contract = self._deployment.chain_id, self._auctions.address
        stores = [open_store(name) for name in self.settings.stores.data]
        fetcher = Fetcher(stores, self.settings.state / "cache")
        path = fetcher.path(Cid(RAW, commitment.data_set.cid), MAX_BYTES)
        binding = Binding(chain_id, contract, view.id, commitment.provider)
        data_key = unwrap_with_any(
            Manifest.decode(path.read_bytes()),
            self.address,
            [key.secret.hex() for key in self._keys],
            binding,
        )
        context = WrapContext(chain_id, contract, view.id, index)
        return check_wrap(wrapped, data_key, view.buyer_key, context)

    def _gather_verdict(self, view: AuctionView, duty: Duty, head: Head, me: int) -> None:
        del head
        have = self.journal.verdicts(view.id).get(duty.item, {})
        missing = [
            member
            for member in range(len(view.members.members))
            if member != me and member not in have
        ]
        self._gatherer.ask(view, Topic(view.id, "verdict", duty.item), missing)

    def _verdict(self, view: AuctionView, duty: Duty, head: Head, me: int) -> None:
        del head, me
        signatures = self.journal.verdicts(view.id)[duty.item]
        members = sorted(signatures)
        call = self._auctions.enter_verdict(
            view.id, [duty.item], members, [signatures[member] for member in members]
        )
        self._send(duty, call)

    # THE REST

    def _send(self, duty: Duty, call: Any) -> None:
        if self._outbox is None:
            log.info("dry run", duty=str(duty))
            self._moot.add(str(duty))
            return
        self._outbox.send(str(duty), call)

    def _send_once(self, duty: Duty, call: Any) -> None:
        """Send what no event of the auction shows to be done."""
        if not self.journal.sent(str(duty)):
            self._send(duty, call)

    def _pin(self) -> None:
        """Bring new evidence to the nodes that pin, in a thread: nothing else waits for them."""
        if self._pinning is not None:
            if not self._pinning.done():
                return
            try:
                self._unpinned -= self._pinning.result()
                self._backoff.succeeded("pin")
            except (QmiaError, OSError) as error:
                self._fail("pin", error)
            self._pinning = None
        if self._unpinned and self._backoff.ready("pin", time.monotonic()):
            self._pinning = self._background.submit(self._pin_all, sorted(self._unpinned))

    def _pin_all(self, names: list[str]) -> set[str]:
        """Pin what the quorum of nodes takes.

        Raises:
            StoreError: the quorum did not take one of them.
        """
        stores = self.settings.stores
        for name in names:
            cid = Cid.parse(name)
            kept = 0
            for address in stores.pins:
                with contextlib.suppress(StoreError, IntegrityError):
                    node = IpfsStore(address, timeout=self.settings.exchange.timeout)
                    node.put(self._evidence.path(cid))
                    kept += 1
            if kept < stores.pin_quorum:
                raise StoreError(f"{name} is pinned by {kept} nodes, not {stores.pin_quorum}")
            self._evidence.release(cid, _UNPINNED)
        return set(names)

    def _finish(self, view: AuctionView) -> None:
        """Let go of an auction that nothing can happen to any more."""
        for number in (1, 2):
            shutil.rmtree(self._folder(view, number), ignore_errors=True)
        for cid in self._evidence.cids():
            self._evidence.release(cid, f"auction-{view.id}")
        stores = self.settings.stores
        self._evidence.collect(Retention(stores.evidence_days * 86_400, stores.evidence_bytes))
        cache = DirectoryStore(self.settings.state / "cache")
        cache.collect(Retention(_CACHE_SECONDS, stores.cache_bytes))
        self.journal.close_auction(view.id)
        rounds = {(view.id, 1), (view.id, 2)}
        self._revealed -= rounds
        self._watched -= rounds
        self._wrong.pop(view.id, None)
        self._moot = {key for key in self._moot if not about(key, view.id)}
        self._backoff.forget(view.id)
        log.info("finished", auction=view.id, state=view.state.name)


def _inputs(view: AuctionView, number: int) -> bytes:
    """Digest over everything that decides a vector, as the chain has it now."""
    facts = [
        number,
        view.terms.metric_version.hex(),
        view.terms.evaluation.hex(),
        [
            [each.index, each.provider, each.withdrawn, *map(str, asdict(each.data_set).values())]
            for each in view.commitments
        ],
    ]
    return hashlib.sha256(json.dumps(facts).encode()).digest()
