"""Logs from a node: asked for in ranges that it allows, and never taken on trust.

How wide a range may be differs by node, plan and time: ten blocks, two thousand, ten thousand
results. The limit is found by bisecting on a logarithmic scale and kept for the connection.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from eth_typing import BlockNumber
from eth_utils.address import to_checksum_address

from oracles.chain.rpc import block_hash, node_errors, too_much, witnesses
from oracles.errors import NodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from eth_typing import ChecksumAddress
    from web3 import Web3
    from web3.types import FilterParams

T = TypeVar("T")

#: Widest range asked for, in blocks.
WIDEST: Final = 10_000
#: The limit is known well enough when the refused range is at most this much wider.
_PRECISION: Final = 1.1
#: After so many good answers a wider range is tried: limits on results depend on the blocks.
_RETRY_AFTER: Final = 64


class Log(NamedTuple):
    """One log of a mined transaction; addresses are checksummed, hashes are 32 bytes."""

    address: ChecksumAddress
    topics: tuple[bytes, ...]
    data: bytes
    block: int
    block_hash: bytes
    transaction: bytes
    index: int  # type: ignore[assignment]  # a tuple has an `index` of its own


class _Width:
    """How many blocks to ask for at once."""

    def __init__(self) -> None:
        self.good, self._refused, self._streak = 0, 0, 0

    def next(self) -> int:
        if not self._refused:
            return WIDEST
        if self._streak >= _RETRY_AFTER:
            return min(WIDEST, 2 * self.good)
        if self._refused <= max(self.good + 1, int(self.good * _PRECISION)):
            return self.good
        return max(self.good + 1, math.isqrt(max(1, self.good) * self._refused))

    def answered(self, width: int) -> None:
        self._streak = 0 if self._streak >= _RETRY_AFTER else self._streak + 1
        self.good = max(self.good, width)
        if self._refused and width >= self._refused:
            self._refused = 0 if width >= WIDEST else 2 * width

    def refused(self, width: int) -> None:
        if self._streak < _RETRY_AFTER:
            self._refused = width
        self._streak = 0
        if width <= self.good:
            self.good, self._refused = width // 2, width


_WIDTHS: WeakKeyDictionary[Web3, _Width] = WeakKeyDictionary()


def read_logs(
    web3: Web3,
    addresses: Sequence[str],
    first: int,
    last: int,
    topics: Sequence[Any] | None = None,
) -> Iterator[tuple[int, list[Log]]]:
    """Read logs in order, range by range.

    Args:
        web3: connection.
        addresses: contracts whose logs are wanted.
        first: first block.
        last: last block, included.
        topics: as in `eth_getLogs`.

    Yields:
        The last block of a range, and the logs up to it.

    Raises:
        NodeError: the node does not answer, refuses even a single block, or its answer does not
            fit the question.
    """
    return in_ranges(
        web3, first, last, lambda start, end: ask_logs(web3, addresses, start, end, topics)
    )


def in_ranges(
    web3: Web3, first: int, last: int, read: Callable[[int, int], T]
) -> Iterator[tuple[int, T]]:
    """Read blocks range by range, each as wide as the node allows.

    Args:
        web3: connection, for which the width is remembered.
        first: first block.
        last: last block, included.
        read: reads from one block to another, both included; raises a `NodeError` for which
            `too_much` holds where that was too much at once.

    Yields:
        The last block of a range, and what was read.

    Raises:
        NodeError: the node does not answer, or refuses even a single block.
    """
    width = _WIDTHS.setdefault(web3, _Width())
    while first <= last:
        end = min(last, first + width.next() - 1)
        try:
            found = read(first, end)
        except NodeError as error:
            if not too_much(error):
                raise
            if end == first:
                raise NodeError(
                    f"the node refuses the logs of block {first} alone: {error}", error.code
                ) from error
            width.refused(end - first + 1)
            continue
        if end < last:
            width.answered(end - first + 1)
        yield end, found
        first = end + 1


def ask_logs(
    web3: Web3,
    addresses: Sequence[str],
    first: int,
    last: int,
    topics: Sequence[Any] | None = None,
) -> list[Log]:
    """The logs of one range, in order.

    Where a second node is named it is asked too: a log that only one of them gives counts if its
    block is on the chain of the first, since a node rather loses a log than invents one.

    Raises:
        NodeError: the node does not answer, refuses, or its answer does not fit the question; or
            two nodes contradict each other.
    """
    wanted = [to_checksum_address(address) for address in addresses]
    logs = {(log.block, log.index): log for log in _ask(web3, wanted, first, last, topics)}
    for other in witnesses(web3)[:1]:
        try:
            seen = _ask(other, wanted, first, last, topics)
        except NodeError:
            continue  # It is there for when the first one fails, and may be behind or narrower.
        for log in seen:
            place = (log.block, log.index)
            known = logs.get(place)
            if log == known or block_hash(web3, log.block) != log.block_hash:
                continue
            if known is not None:
                raise NodeError(
                    f"two nodes give different logs for place {log.index} of block {log.block}:"
                    " one of them cannot be trusted"
                )
            logs[place] = log
    return [logs[place] for place in sorted(logs)]


def _ask(
    web3: Web3,
    addresses: Sequence[ChecksumAddress],
    first: int,
    last: int,
    topics: Sequence[Any] | None,
) -> list[Log]:
    query: FilterParams = {
        "address": list(addresses),
        "fromBlock": BlockNumber(first),
        "toBlock": BlockNumber(last),
    }
    if topics is not None:
        query["topics"] = list(topics)
    doing = f"reading the logs of blocks {first} to {last}"
    with node_errors(doing):
        answer: list[Any] = list(web3.eth.get_logs(query))
        # A log that a reorganisation took back is reported once more, marked so.
        logs = [
            _log(each) for each in answer if not (isinstance(each, Mapping) and each.get("removed"))
        ]
    found: dict[tuple[int, int], Log] = {}
    hashes: dict[int, bytes] = {}
    for log in logs:
        if log.address not in addresses or not first <= log.block <= last:
            raise NodeError(f"{doing}: the node gives logs that were not asked for")
        if found.setdefault((log.block, log.index), log) != log:
            raise NodeError(f"{doing}: the node gives two logs for one place")
        if hashes.setdefault(log.block, log.block_hash) != log.block_hash:
            raise NodeError(f"{doing}: the chain was reorganised while it was read")
    return [found[place] for place in sorted(found)]


def _log(log: Any) -> Log:
    try:
        parsed = Log(
            to_checksum_address(log["address"]),
            tuple(bytes(topic) for topic in log["topics"]),
            bytes(log["data"]),
            log["blockNumber"],
            bytes(log["blockHash"] or b""),
            bytes(log["transactionHash"] or b""),
            log["logIndex"],
        )
    except TypeError as error:
        raise ValueError(f"a log of another form: {error}") from error
    if not (isinstance(parsed.block, int) and isinstance(parsed.index, int) and parsed.block_hash):
        raise ValueError("a log that is in no block")
    return parsed
