"""The replay: logs in, findings out."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from oracles.audit.auctions import Auctions
from oracles.audit.cash import Cash
from oracles.audit.findings import Broken, Checks, Finding
from oracles.audit.operators import Operators
from oracles.audit.records import Block, Header, Log, Record, Source
from oracles.chain import artifacts
from oracles.chain.events import decode_log
from oracles.errors import ChainError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from oracles.chain.events import Event


@dataclass(slots=True)
class Replay:
    """State of all contracts as their logs tell it, and what was found on the way.

    Attributes:
        header: what the records cover.
        checks: made so far, with findings.
        operators: state of the ScoreOracle.
        auctions: state of the DataAuction and its tokens.
        events: logs followed.
    """

    header: Header
    checks: Checks
    cash: Cash
    operators: Operators
    auctions: Auctions
    events: int = 0
    block: Block = field(default_factory=lambda: Block(-1, b"", 0))
    _last_index: int = -1
    _factory: str = ""

    @classmethod
    def start(cls, header: Header) -> Replay:
        """A replay before its first record.

        Raises:
            InputError: the deployment lacks a contract or its constructor arguments.
        """
        checks, deployment = Checks(), header.deployment
        try:
            oracle = deployment.contracts["ScoreOracle"]
            bonds = [int(argument) for argument in oracle.arguments]
            address = deployment.address("DataAuction")
            factory = deployment.address("DstFactory")
            min_bond, challenge_bond = bonds
        except (KeyError, ValueError) as error:
            raise InputError(f"the deployment file is incomplete: {error!r}") from error
        checks.where = "the header"
        checks.equal("chain.id", deployment.chain_id, header.chain_id)
        checks.true(
            "chain.start",
            header.from_block <= deployment.block,
            deployment.block,
            header.from_block,
        )
        cash = Cash(checks)
        chain_id = deployment.chain_id
        operators = Operators(
            checks, chain_id, oracle.address, min_bond, challenge_bond, lambda *_: None
        )
        auctions = Auctions(checks, cash, operators, chain_id, address, factory)
        operators.bid_count = auctions.bid_count
        return cls(header, checks, cash, operators, auctions, _factory=factory)

    def follow(self, record: Record) -> None:
        """Take the next record into account."""
        if isinstance(record, Block):
            self._next_block(record)
        else:
            self._next_log(record)

    def _next_block(self, block: Block) -> None:
        checks, last = self.checks, self.block
        checks.auction, checks.where = None, f"block {block.number}"
        checks.true("log.order", block.number > last.number, f"above {last.number}", block.number)
        checks.true("block.time", block.time >= last.time, f"from {last.time}", block.time)
        header = self.header
        inside = header.from_block <= block.number <= header.to_block
        span = f"{header.from_block} to {header.to_block}"
        checks.true("block.range", inside, span, block.number)
        if block.number == header.to_block:
            checks.equal("block.hash", header.to_hash, block.hash)
        self.block, self._last_index = block, -1

    def _next_log(self, log: Log) -> None:
        checks = self.checks
        checks.auction, checks.where = None, f"block {self.block.number}, log {log.index}"
        checks.true(
            "log.order", log.index > self._last_index, f"above {self._last_index}", log.index
        )
        self._last_index = log.index
        self.events += 1
        try:
            event = decode_log(log.address, log.topics, log.data, block=self.block.number)
        except ChainError as error:
            checks.true("log.wellformed", False, "data that fits its event", error)
            return
        if event is None:
            foreign = log.address in self.auctions.tokens
            checks.true("log.known", foreign, "an event of this contract", log.topics[:1])
            return
        try:
            self._dispatch(event)
        except Broken:
            return  # recorded already

    def _dispatch(self, event: Event) -> None:
        checks, auctions, args = self.checks, self.auctions, arguments(event)
        name, time = event.name, self.block.time
        checks.auction = self._auction_of(event)
        checks.where += f", {name}" + (f" {args['index']}" if "index" in args else "")
        known = None
        if event.address == auctions.address:
            known = auctions.apply(name, args, time)
        elif event.address == self.operators.address:
            known = self.operators.apply(event, args, time)
        elif event.address == self._factory:
            known = auctions.apply_factory(name, args)
        elif event.address in auctions.muts:
            known = auctions.apply_mut(event.address, name, args, time)
        elif event.address in auctions.dsts:
            known = auctions.apply_dst(event.address, name, args, time)
        # A settlement token may itself be a token of another auction; and the escrow of the first
        # auction in a token precedes the event that names the token.
        if name == "Transfer" and known is not False:
            self.cash.transfer(event.address, args["from"], args["to"], args["value"])
            known = True
        checks.true("log.known", known, "an event of this contract", name)

    def _auction_of(self, event: Event) -> int | None:
        args, auctions = arguments(event), self.auctions
        number: int | None = args.get("auction")
        if number is None and args.get("consumer") == auctions.address:
            number = args["id"]
        owner = auctions.muts.get(event.address) or auctions.dsts.get(event.address)
        return owner[0].id if number is None and owner else number

    def finish(self) -> None:
        """Checks that need all records."""
        checks = self.checks
        checks.auction, checks.where = None, "the end of the logs"
        self.operators.finish()
        self.cash.finish()
        self.auctions.finish()
        checks.auction = None

    def findings(self, auction: int | None = None) -> list[Finding]:
        """All findings, or those of one auction and of what all auctions share."""
        found = self.checks.findings
        if auction is None:
            return list(found)
        return [each for each in found if each.auction in (None, auction)]


def arguments(event: Event) -> dict[str, Any]:
    """Arguments of an event by their names in the ABI."""
    return _named(artifacts.events()[event.topics[0]]["inputs"], event.body)


def _named(items: list[dict[str, Any]], struct: Any) -> dict[str, Any]:
    values = [getattr(struct, field.name) for field in fields(struct)]
    return {i["name"]: _plain(i, value) for i, value in zip(items, values, strict=True)}


def _plain(item: dict[str, Any], value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item, each) for each in value]
    return _named(item["components"], value) if "components" in item else value


def replay(source: Source, *, progress: Callable[[int], Any] = lambda _: None) -> Replay:
    """Replay everything that a source has.

    Args:
        source: archive or node.
        progress: called with the number of each block reached.

    Example:
        `qmia audit archive` writes the archive of a deployment.

        >>> import qmia
        >>> replayed = qmia.replay(qmia.Archive("market.qmia-archive"))
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
