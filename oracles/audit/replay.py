"""The replay: logs in, findings out."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oracles.audit.auction import Context
from oracles.audit.auctions import AuctionReplay
from oracles.audit.cash import Cash
from oracles.audit.checks import Announced, Broken, Checks, Difference
from oracles.audit.ledger import Ledger
from oracles.audit.oracle import OracleReplay
from oracles.audit.records import Block, Header, Log, Record, Source
from oracles.audit.registry import RegistryReplay
from oracles.audit.usage import UsageReplay
from oracles.chain.events import decode_log
from oracles.chain.terms import AuctionId
from oracles.chain.typed_events import PartProved, RollTallied, ThresholdsProved, Transfer
from oracles.errors import ChainError, InputError, reason
from oracles.mechanism import veto

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from oracles.chain.events import Event
    from oracles.chain.typed_events import Body


@dataclass(slots=True)
class Replay:
    """State of all contracts as their logs tell it, and what was found on the way.

    Attributes:
        header: what the records cover.
        checks: made so far, with findings.
        announced: what logs promise to each other.
        oracle: state of the ScoreOracle.
        auctions: state of the DataAuction and its tokens.
        usage: state of the UsageLog.
        registry: state of the MetricRegistry.
        gate: address of the ThresholdGate; empty where there is none. Its word concerns no auction.
        events: number of logs followed, by the auction that they are about.
        block: that is being followed.
    """

    header: Header
    checks: Checks
    announced: Announced
    oracle: OracleReplay
    auctions: AuctionReplay
    usage: UsageReplay
    registry: RegistryReplay
    gate: str
    events: Counter[int | None] = field(default_factory=Counter)
    block: Block = field(default_factory=lambda: Block(-1, b"", 0, 0))
    _last_index: int = -1

    @classmethod
    def start(cls, header: Header) -> Replay:
        """A replay before its first record.

        Raises:
            InputError: the deployment lacks a contract or its constructor arguments.
        """
        checks, deployment = Checks(), header.deployment
        contracts = deployment.contracts
        try:
            min_stake, least = map(int, deployment.contracts["ScoreOracle"].arguments)
            _, *numbers = deployment.contracts["DataAuction"].arguments
            wait, provider, operator = map(int, numbers)
            address = deployment.address("DataAuction")
            oracle_address = deployment.address("ScoreOracle")
            exchange, factory = deployment.address("Exchange"), deployment.address("DstFactory")
            registry = RegistryReplay.of(checks, contracts.get("MetricRegistry"), factory)
        except (KeyError, ValueError) as error:
            raise InputError(f"the deployment file is incomplete: {reason(error)}") from error
        announced, ledger, chain_id = Announced(checks), Ledger(checks), deployment.chain_id
        oracle = OracleReplay(checks, announced, ledger, chain_id, oracle_address, min_stake, least)
        cash = Cash(announced)
        context = Context(checks, announced, cash, ledger, oracle, chain_id, address, wait)
        auctions = AuctionReplay(context, factory, (provider, operator))
        with checks.at(None, "the header"):
            checks.equal("chain.id", deployment.chain_id, header.chain_id)
            early = header.from_block <= deployment.block
            checks.true("chain.start", early, deployment.block, header.from_block)
            checks.equal("chain.exchange", auctions.exchange, exchange)
        log, gate = contracts.get("UsageLog"), contracts.get("ThresholdGate")
        usage = UsageReplay(checks, log.address if log else "")
        known = gate.address if gate else ""
        return cls(header, checks, announced, oracle, auctions, usage, registry, known)

    def follow(self, record: Record) -> None:
        """Take the next record into account."""
        if isinstance(record, Block):
            self._next_block(record)
        else:
            self._next_log(record)

    def _next_block(self, block: Block) -> None:
        checks, last, header = self.checks, self.block, self.header
        with checks.at(None, f"block {block.number}"):
            later = block.number > last.number
            checks.true("log.order", later, f"above {last.number}", block.number)
            checks.true("block.time", block.time >= last.time, f"from {last.time}", block.time)
            inside = header.from_block <= block.number <= header.to_block
            span = f"{header.from_block} to {header.to_block}"
            checks.true("block.range", inside, span, block.number)
            if block.number == header.to_block:
                checks.equal("block.hash", header.to_hash, block.hash)
        self.block, self._last_index = block, -1

    def _next_log(self, log: Log) -> None:
        checks, last = self.checks, self._last_index
        where = f"block {self.block.number}, log {log.index}"
        with checks.at(None, where):
            checks.true("log.order", log.index > last, f"above {last}", log.index)
            self._last_index = log.index
            try:
                event = decode_log(log.address, log.topics, log.data, block=self.block.number)
            except ChainError as error:
                self.events[None] += 1
                checks.true("log.wellformed", False, "data that fits its event", error)
                return
            if event is None:
                self.events[None] += 1
                foreign = log.address in self.auctions.tokens
                checks.true("log.known", foreign, "an event of this contract", log.topics[:1])
                return
        index = getattr(event.body, "index", None)
        where += f", {event.name}" + ("" if index is None else f" {index}")
        auction = self._auction_of(event)
        self.events[auction] += 1
        with checks.at(auction, where):
            try:
                with self.announced.next_log(event.address):
                    self._dispatch(event)
            except Broken:
                return  # recorded already

    def _dispatch(self, event: Event) -> None:
        known = self._apply(event.address, event.body)
        # A settlement token may itself be a token of another auction.
        if isinstance(event.body, Transfer) and known is not False:
            transfer = event.body
            cash = self.auctions.context.cash
            cash.transfer(event.address, transfer.from_, transfer.to, transfer.value)
            known = True
        self.checks.true("log.known", known, "an event of this contract", event.name)

    def _apply(self, address: str, body: Body) -> bool | None:
        """Follow an event of one of our contracts; False: it has none such; None: not ours."""
        auctions, time = self.auctions, self.block.time
        if address == auctions.address:
            return auctions.apply(body, time)
        if address == auctions.exchange:
            return auctions.apply_exchange(body, time)
        if address == self.oracle.address:
            asked = getattr(body, "consumer", ""), getattr(body, "auction_id", AuctionId(0))
            known = self.oracle.apply(body, self.block, auctions.bid_count(*asked))
            if isinstance(body, RollTallied):
                auctions.rolled(self.oracle.feeds[asked])
            return known
        if address == auctions.factory:
            return auctions.apply_factory(body)
        if address == self.usage.address:
            _, mut = auctions.muts.get(getattr(body, "mut", ""), (None, None))
            return self.usage.apply(body, time, mut)
        if address == self.registry.address:
            return self.registry.apply(body, time, auctions.dsts)
        if address == self.gate:
            return isinstance(body, PartProved | ThresholdsProved)
        if address in auctions.muts or address in auctions.dsts:
            return auctions.apply_token(address, body, time)
        return None

    def _auction_of(self, event: Event) -> AuctionId | None:
        """The auction that an event is about, where it is one of ours."""
        auctions, address = self.auctions, event.address
        if address == self.oracle.address:
            ours = getattr(event.body, "consumer", "") == auctions.address
            return event.auction_id if ours else None
        named = getattr(event.body, "mut", "") if address == self.usage.address else address
        owner = auctions.muts.get(named) or auctions.dsts.get(named)
        return owner[0].id if owner else event.auction_id

    def finish(self) -> None:
        """Checks that need all records."""
        header, seen = self.header, len(self.auctions.auctions)
        with self.checks.at(None, f"the end of the logs, block {header.to_block}"):
            contract = f"DataAuction {self.auctions.address}"
            self.checks.true("chain.auctions", seen, f"an auction of {contract}", "none at all")
            if header.auctions is not None:
                self.checks.equal("chain.auctions", header.auctions, seen)
            self.oracle.finish()
            self.announced.finish()
            self._balances()
        self.auctions.finish(header.draws, self.block.time)

    def _balances(self) -> None:
        """The contracts hold at least what they must; anybody may have sent them more."""
        context = self.auctions.context
        for token, holder, amount in self.header.balances:
            held = context.cash.held(token, holder) if token else context.ledger.held[holder]
            name = "ledger.token_balance" if token else "ledger.ether_balance"
            self.checks.true(name, amount >= held, f"at least {held} in {holder}", amount)

    def metric_objections(self) -> dict[int, str]:
        """Auctions whose metric was not accepted when they were created, and why.

        That breaks no rule of theirs, since no contract asks the registry: it is no finding.
        Nothing where the deployment names no registry.
        """
        if self.registry.rules is None:
            return {}
        found = self.registry.tallies(self.auctions.auctions.values(), self.block.time)
        return {
            number: why
            for number, auction in self.auctions.auctions.items()
            if (
                why := veto.objection(
                    found.get(auction.terms.scoring.metric_version), auction.created
                )
            )
        }

    def check_agreement(self, auction: AuctionId, text: bytes) -> None:
        """Hold a contract text against the digest in an auction's terms.

        Args:
            auction: id of one that was created.
            text: the file's bytes.
        """
        named = self.auctions.auctions[auction].terms.agreement
        with self.checks.at(auction, "the contract text"):
            self.checks.equal("terms.agreement", named, hashlib.sha256(text).digest())

    def findings(self, auction: AuctionId | None = None) -> list[Difference]:
        """All findings, or those of one auction and of what all auctions share."""
        found = self.checks.findings
        return [each for each in found if self._in_scope(each.auction, auction)]

    def made(self, auction: AuctionId | None = None) -> Counter[str]:
        """How often each check was made, for all auctions or for one with what all share."""
        counts = self.checks.by_auction.items()
        return sum((made for each, made in counts if self._in_scope(each, auction)), Counter())

    def followed(self, auction: AuctionId | None = None) -> int:
        """Number of logs, of all auctions or of one with what all share."""
        counts = self.events.items()
        return sum(count for each, count in counts if self._in_scope(each, auction))

    @staticmethod
    def _in_scope(each: int | None, auction: AuctionId | None) -> bool:
        return auction is None or each in (None, auction)


def replay(source: Source, *, progress: Callable[[int], Any] = lambda _: None) -> Replay:
    """Replay everything that a source has.

    Args:
        source: archive or node.
        progress: called with the number of each block reached.

    Example:
        `qmia audit archive` writes the archive of a deployment.

        >>> import qmia
        >>> from pathlib import Path
        >>> replayed = qmia.replay(qmia.Archive(Path("market.qmia-archive")))
        >>> replayed.findings()
        []
    """
    state = Replay.start(source.header)
    follow(state, source.records(), progress)
    return state


def follow(state: Replay, records: Iterable[Record], progress: Callable[[int], Any]) -> None:
    """Follow records to their end."""
    for record in records:
        state.follow(record)
        if isinstance(record, Block):
            progress(record.number)
    state.finish()
