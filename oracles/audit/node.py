"""A node as a source: logs read in ranges that the node allows, kept in a cache that resumes.

The cache is one SQLite file. A range is added whole, with the hash of its last block; before more
is added, the newest ranges whose hash is no longer on the chain are thrown away. What was read is
held against the contracts' own counts: where it is less, the cache is thrown away and all is read
again, so that an answer with a gap is never kept.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, TypeVar

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from oracles.audit.auction import Ends
from oracles.audit.auctions import mut_of
from oracles.audit.records import Balance, Block, Draw, Header, Log, Record
from oracles.chain import rpc
from oracles.chain.events import decode_log
from oracles.chain.logs import ask_logs, in_ranges
from oracles.chain.terms import AuctionId
from oracles.chain.tokens import Erc20
from oracles.chain.typed_events import AuctionCreated, DstCreated
from oracles.errors import ChainError, ConfigError, GapError, NodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from web3 import Web3

    from oracles.chain.deployment import Deployment
    from oracles.chain.events import Event
    from oracles.chain.logs import Log as FoundLog

T = TypeVar("T")

_TRANSFER: Final = keccak(text="Transfer(address,address,uint256)")
#: Addresses asked for at once; nodes limit the length of a filter.
_BATCH: Final = 100
#: What reorganisations keep changing, or stays incomplete, is tried this often.
_ATTEMPTS: Final = 4
#: Seconds before an incomplete answer is asked for again.
_PAUSE: Final = 1.0
#: How far to read, by name.
_TAGS: Final = ("finalized", "safe", "latest")
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ranges (last INTEGER PRIMARY KEY, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS blocks (
    number INTEGER PRIMARY KEY, hash BLOB NOT NULL, time INTEGER, base_fee INTEGER
);
CREATE TABLE IF NOT EXISTS logs (
    block INTEGER, position INTEGER, address TEXT, topics BLOB, data BLOB, tx BLOB,
    PRIMARY KEY (block, position)
);
"""


class Node:
    """Everything that a deployment has logged, up to one block of a node's chain.

    Args:
        web3: connection.
        deployment: what to read.
        cache: SQLite file; None to keep it in memory.
        block_tag: how far to read: `finalized`, `safe`, `latest`, or a number.
        on_range: told the last block of each range and the last of all.

    Raises:
        GapError: the node's logs stay less than what the contracts count.
        ChainError: the node does not answer, refuses a single block, or keeps changing its mind.
        ConfigError: the node is of another chain, has no such contracts, or has not read as far as
            their deployment; or the cache belongs to another deployment.
    """

    def __init__(
        self,
        web3: Web3,
        deployment: Deployment,
        *,
        cache: Path | None = None,
        block_tag: str = "finalized",
        on_range: Callable[[int, int], Any] = lambda *_: None,
    ) -> None:
        self._web3 = web3
        self._deployment = deployment
        self._on_range = on_range
        self._auction = deployment.address("DataAuction")
        self._factory = deployment.address("DstFactory")
        self._oracle = deployment.address("ScoreOracle")
        with rpc.node_errors("asking for the chain"):
            chain_id = web3.eth.chain_id
        if chain_id != deployment.chain_id:
            raise ConfigError(
                f"the node is on chain {chain_id}, the deployment file is for chain"
                f" {deployment.chain_id}: name the node or the file of the other chain"
            )
        if not rpc.code(web3, deployment.address("DataAuction")):
            raise ConfigError(
                f"there is no contract at {self._auction} on chain {chain_id}: is this the right"
                " deployment file?"
            )
        try:
            if cache is not None:
                cache.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(str(cache) if cache else ":memory:")
            self._db.executescript(_TABLES)
            self._claim(deployment, chain_id)
        except (sqlite3.Error, OSError) as error:
            raise ConfigError(f"cannot use the cache {cache}: {error}; delete it") from error
        if block_tag not in _TAGS and not (block_tag.isascii() and block_tag.isdecimal()):
            raise ConfigError(f"a block is a number or {', '.join(_TAGS)}; not {block_tag!r}")
        tag: Any = block_tag if block_tag in _TAGS else int(block_tag)
        last = int(self._block(tag)["number"])
        if last < deployment.block:
            raise ConfigError(
                f"block {last} ({block_tag}) is before the deployment at block {deployment.block}:"
                " wait, or read further with --block-tag latest"
            )
        self._last = last
        self._read_all()
        self._header = self._describe()

    def _describe(self) -> Header:
        last = self._last
        digest = bytes(self._block(last)["hash"])
        muts, tokens = self._derived(last + 1, [])
        return Header(
            self._deployment.chain_id,
            self._deployment,
            self._deployment.block,
            last,
            digest,
            self._count(digest),
            {token: Erc20(self._web3, token).currency() for token in tokens},
            self._draws(last),
            self._balances(digest, [self._auction, *muts], tokens),
        )

    def _draws(self, last: int) -> dict[int, Draw]:
        """Where the samples of each auction were drawn from, as far as that is past."""
        wait = int(self._deployment.contracts["DataAuction"].arguments[1])
        newest, draws = int(self._block(last)["timestamp"]), dict[int, Draw]()
        for created, block in self._created(last):
            start = Ends.of(int(self._block(block)["timestamp"]), wait, created.terms.durations)
            if not created.terms.scoring.samples or newest < start.draw:
                continue

            def reached(number: int, start: int = start.draw) -> bool:
                return int(self._block(number)["timestamp"]) >= start

            head = self._block(rpc.first_block(block, last, reached))
            before = int(self._block(int(head["number"]) - 1)["timestamp"])
            if (mixed := head.get("mixHash")) is None:
                raise NodeError(
                    f"the node gives block {head['number']} without its prevrandao (mixHash), from"
                    f" which the samples of auction {created.auction_id} were drawn; name another"
                )
            draws[created.auction_id] = Draw(
                int(head["number"]), int(head["timestamp"]), before, bytes(mixed)
            )
        return draws

    def _created(self, last: int) -> Iterator[tuple[AuctionCreated, int]]:
        """All auctions, each with the block that created it."""
        rows = self._db.execute(
            "SELECT block, topics, data FROM logs WHERE block <= ? AND address = ?"
            " ORDER BY block, position",
            (last, self._auction),
        )
        for block, topics, data in rows:
            event = self._decoded(self._auction, topics, data)
            if event is not None and isinstance(event.body, AuctionCreated):
                yield event.body, int(block)

    def _balances(
        self, block_hash: bytes, holders: Sequence[str], tokens: Sequence[str]
    ) -> tuple[Balance, ...]:
        """What the contracts hold at a block; nothing if the node no longer has its state."""
        block: Any = _hex(block_hash)

        def read() -> tuple[Balance, ...]:
            found = []
            for holder in (self._auction, self._deployment.address("ScoreOracle")):
                with rpc.node_errors("reading a balance"):
                    wei = self._web3.eth.get_balance(to_checksum_address(holder), block)
                found.append(Balance("", holder, int(wei)))
            for token in tokens:
                contract = Erc20(self._web3, token)
                found += [
                    Balance(token, holder, contract.balance_of(holder, block=block))
                    for holder in holders
                ]
            return tuple(found)

        return self._kept(read) or ()

    def _count(self, block_hash: bytes) -> int | None:
        """Number of auctions by the contract; None where the node lacks the state of that block."""
        contract = self._deployment.auction(self._web3)
        return self._kept(lambda: contract.auction_count(block=_hex(block_hash)))

    def _kept(self, read: Callable[[], T]) -> T | None:
        """What the state of a block holds; None where the node says repeatedly that it has none.

        Raises:
            ChainError: the node does not answer, or refuses for another reason: what it does not
                tell now must not pass for what nobody can know.
        """
        for left in reversed(range(_ATTEMPTS)):
            try:
                return read()
            except NodeError as error:
                if not rpc.state_is_gone(error):
                    raise
                if left:
                    time.sleep(_PAUSE)
        return None

    def read_again(self) -> None:
        """Throw away all that was read, and read it again, from another node where there is one.

        Raises:
            GapError, ChainError: see the class.
        """
        self._forget()
        self._read_all()
        self._header = self._describe()

    def _forget(self) -> None:
        self._db.executescript("DELETE FROM ranges; DELETE FROM logs; DELETE FROM blocks;")
        rpc.turn_to_next(self._web3)

    def _read_all(self) -> None:
        """Read up to the last block, again and again until nothing is missing."""
        for left in reversed(range(_ATTEMPTS)):
            try:
                self._extend(self._last)
                self._complete()
            except GapError:
                if not left:
                    raise
                time.sleep(_PAUSE)
                self._forget()
            else:
                return

    def _complete(self) -> None:
        """Raise unless there are as many auctions, bids and sets as the contracts count."""
        digest = bytes(self._block(self._last)["hash"])
        count = self._count(digest)
        if count is None:
            return  # The header says so.
        found = Counter[tuple[str, int]]()
        rows = self._db.execute(
            "SELECT address, topics, data FROM logs WHERE block <= ?", (self._last,)
        )
        for row in rows:
            event = self._decoded(*row)
            if event is not None and event.address in (self._auction, self._oracle):
                found[event.name, event.auction_id or 0] += 1
        what = f"DataAuction {self._auction} at block {self._last} ({_hex(digest)[:10]}…)"
        seen = sum(1 for name, _ in found if name == "AuctionCreated")
        if seen != count:
            raise GapError(
                f"{what} has {count} auctions, but the node gives the logs of {seen}: nothing was"
                " audited. Try again, or name another node"
            )
        contract, block = self._deployment.auction(self._web3), _hex(digest)
        for auction in map(AuctionId, range(1, count + 1)):
            bids = contract.bid_count(auction, block=block)
            if (told := found["Committed", auction]) != bids:
                raise GapError(
                    f"{what} has {bids} bids in auction {auction}, but the node gives the logs of"
                    f" {told}: nothing was audited. Try again, or name another node"
                )
        sets = self._deployment.oracle(self._web3).set_count(block=block)
        if (told := found["SetProposed", 0]) != sets:
            raise GapError(
                f"ScoreOracle {self._oracle} has {sets} operator sets at block {self._last}, but"
                f" the node gives the logs of {told}: nothing was audited. Try again, or name"
                " another node"
            )

    @property
    def header(self) -> Header:
        """What the records cover."""
        return self._header

    def records(self) -> Iterator[Record]:
        """All blocks with logs, and the logs."""
        logs = self._db.execute(
            "SELECT block, position, address, topics, data, tx FROM logs WHERE block <= ?"
            " ORDER BY block, position",
            (self._header.to_block,),
        )
        current = -1
        for number, position, address, topics, data, tx in logs:
            if number != current:
                current = number
                with closing(
                    self._db.execute(
                        "SELECT hash, time, base_fee FROM blocks WHERE number = ?", (number,)
                    )
                ) as found:
                    yield Block(number, *found.fetchone())
            parts = tuple(topics[i : i + 32] for i in range(0, len(topics), 32))
            yield Log(address, parts, data, tx, position)

    # THE CACHE

    def _claim(self, deployment: Deployment, chain_id: int) -> None:
        own = json.dumps([chain_id, deployment.to_json()], sort_keys=True)
        found = self._db.execute("SELECT value FROM facts WHERE name = 'deployment'").fetchone()
        if found is None:
            with self._db:
                self._db.execute("INSERT INTO facts VALUES ('deployment', ?)", (own,))
        elif found[0] != own:
            raise ConfigError("the cache belongs to another deployment; pass another --cache")

    def _extend(self, last: int) -> None:
        start, refused = self._resume(), 0
        while start <= last:
            for end, (logs, blocks, end_hash) in in_ranges(self._web3, start, last, self._read):
                if logs is None:
                    refused += 1
                    if refused == _ATTEMPTS:
                        raise ChainError(f"blocks {start} to {end} keep changing; try again later")
                    break
                self._store(end, end_hash, logs, blocks)
                self._on_range(end, last)
                start, refused = end + 1, 0
            else:
                return
            start = self._resume()

    def _resume(self) -> int:
        """First block to read; ranges that the chain has left are thrown away."""
        while True:
            newest = self._db.execute(
                "SELECT last, hash FROM ranges ORDER BY last DESC LIMIT 1"
            ).fetchone()
            if newest is None:
                return self._deployment.block
            last, block_hash = newest
            try:
                kept = bytes(self._block(last)["hash"]) == block_hash
            except ChainError:
                # Not there any more, unless the node is silent altogether.
                self._block("latest")
                kept = False
            if kept:
                return int(last) + 1
            before = self._db.execute(
                "SELECT max(last) FROM ranges WHERE last < ?", (last,)
            ).fetchone()[0]
            limit = self._deployment.block - 1 if before is None else before
            with self._db:
                self._db.execute("DELETE FROM ranges WHERE last = ?", (last,))
                self._db.execute("DELETE FROM logs WHERE block > ?", (limit,))
                self._db.execute("DELETE FROM blocks WHERE number > ?", (limit,))

    def _store(
        self, end: int, end_hash: bytes, logs: Sequence[FoundLog], blocks: dict[int, Block]
    ) -> None:
        with self._db:
            self._db.executemany("INSERT INTO blocks VALUES (?, ?, ?, ?)", blocks.values())
            self._db.executemany(
                # Transfers between two of our contracts are found from both ends.
                "INSERT OR IGNORE INTO logs VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (
                        log.block,
                        log.index,
                        log.address,
                        b"".join(log.topics),
                        log.data,
                        log.transaction,
                    )
                    for log in logs
                ),
            )
            self._db.execute("INSERT INTO ranges VALUES (?, ?)", (end, end_hash))

    # THE NODE

    def _read(self, start: int, end: int) -> tuple[list[FoundLog] | None, dict[int, Block], bytes]:
        """Logs of a range and the heads of their blocks; None where it changed meanwhile."""
        end_hash = bytes(self._block(end)["hash"])
        fixed = [each.address for each in self._deployment.contracts.values()]
        logs = self._logs(start, end, fixed)
        clones, tokens = self._derived(start, logs)
        for first in range(0, len(clones), _BATCH):
            logs += self._logs(start, end, clones[first : first + _BATCH])
        holders = [self._auction, *clones]
        for token in tokens:
            if token not in clones:
                logs += self._transfers(start, end, token, holders)
        blocks: dict[int, Block] = {}
        for log in logs:
            number = log.block
            if number not in blocks:
                head = self._block(number)
                time, fee = int(head["timestamp"]), rpc.base_fee(head)
                blocks[number] = Block(number, bytes(head["hash"]), time, fee)
            if blocks[number].hash != log.block_hash:
                return None, {}, b""
        if bytes(self._block(end)["hash"]) != end_hash:
            return None, {}, b""
        return logs, blocks, end_hash

    def _derived(self, start: int, fresh: Sequence[FoundLog]) -> tuple[list[str], list[str]]:
        """Tokens made by the contracts, and settlement tokens, known at the end of a range."""
        known = self._db.execute(
            "SELECT address, topics, data FROM logs WHERE block < ? AND address IN (?, ?)",
            (start, self._auction, self._factory),
        )
        rows = [(address, topics, data) for address, topics, data in known]
        rows += [(log.address, b"".join(log.topics), log.data) for log in fresh]
        clones: dict[str, None] = {}
        tokens: dict[str, None] = {}
        for row in rows:
            match (event := self._decoded(*row)) and event.body:
                case AuctionCreated(auction_id=auction, terms=terms):
                    tokens[terms.token] = None
                    clones[mut_of(self._auction, auction)] = None
                case DstCreated(token=token):
                    clones[token] = None
        return list(clones), list(tokens)

    @staticmethod
    def _decoded(address: str, topics: bytes, data: bytes) -> Event | None:
        """An event of our contracts; None for others, and what the replay will call damaged."""
        try:
            return decode_log(
                address, [topics[i : i + 32] for i in range(0, len(topics), 32)], data
            )
        except ChainError:
            return None

    def _logs(
        self, start: int, end: int, addresses: Sequence[str], topics: Sequence[Any] | None = None
    ) -> list[FoundLog]:
        return ask_logs(self._web3, addresses, start, end, topics)

    def _transfers(
        self, start: int, end: int, token: str, holders: Sequence[str]
    ) -> list[FoundLog]:
        """Transfers of a settlement token from and to our contracts."""
        logs: list[FoundLog] = []
        for first in range(0, len(holders), _BATCH):
            ours = [
                "0x" + holder[2:].lower().rjust(64, "0")
                for holder in holders[first : first + _BATCH]
            ]
            for topics in ([_hex(_TRANSFER), ours], [_hex(_TRANSFER), None, ours]):
                logs += self._logs(start, end, [token], topics)
        return logs

    def _block(self, tag: int | str) -> Any:
        return rpc.block(self._web3, tag)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
