"""Logs to events: decoding them, and reading the events of contracts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from eth_utils.abi import collapse_if_tuple
from eth_utils.address import to_checksum_address

from oracles.chain import artifacts
from oracles.chain.codec import decode
from oracles.chain.logs import read_logs
from oracles.chain.typed_events import EVENTS, STRUCTS
from oracles.errors import ChainError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from eth_typing import ChecksumAddress
    from web3 import Web3

    from oracles.chain.terms import AuctionId
    from oracles.chain.typed_events import Body

#: A checksum is a hash, and the same addresses come again and again.
_checksum = lru_cache(maxsize=1 << 16)(to_checksum_address)


@dataclass(frozen=True, slots=True)
class Event:
    """One decoded log.

    Attributes:
        body: what it says.
        address: contract that emitted it, checksummed.
        topics, data: undecoded, as the node gave them; `decode_log` gives the event again.
        block: number.
        block_hash: 32 bytes.
        transaction: hash, 32 bytes.
        log_index: position in the block.
    """

    body: Body
    address: ChecksumAddress
    topics: tuple[bytes, ...]
    data: bytes
    block: int
    block_hash: bytes
    transaction: bytes
    log_index: int

    @property
    def name(self) -> str:
        """Name of the event."""
        return type(self.body).__name__

    @property
    def auction_id(self) -> AuctionId | None:
        """The auction that it is about, whichever contract says so; None for no auction."""
        return getattr(self.body, "auction_id", None)


def decode_log(
    address: str,
    topics: Sequence[bytes],
    data: bytes,
    *,
    block: int = 0,
    block_hash: bytes = b"",
    transaction: bytes = b"",
    log_index: int = 0,
) -> Event | None:
    """Decode a log of one of the contracts; None for any other event.

    Raises:
        ChainError: the topic is known but the data does not fit it.
    """
    entry = artifacts.events().get(bytes(topics[0])) if topics else None
    if entry is None:
        return None
    try:
        body = EVENTS[entry["name"]](*_decode_args(entry, topics, data))
    except Exception as error:
        raise ChainError(
            f"log {log_index} of block {block} is no well-formed {entry['name']}: {error}"
        ) from error
    return Event(
        body, _checksum(address), tuple(topics), data, block, block_hash, transaction, log_index
    )


def _decode_args(entry: dict[str, Any], topics: Sequence[bytes], data: bytes) -> list[Any]:
    plain = [item for item in entry["inputs"] if not item["indexed"]]
    indexed = iter(topics[1:])
    if all(map(_static, plain)):
        # Most logs are rows of words; the library takes several times as long for them.
        words = iter([data[i : i + 32] for i in range(0, len(data), 32)])
        args = [_row(item, indexed if item["indexed"] else words) for item in entry["inputs"]]
        if next(words, None) is not None:
            raise ValueError("data after the last argument")
        return args
    values = iter(decode([collapse_if_tuple(item) for item in plain], data, strict=True))
    return [
        _row(item, indexed) if item["indexed"] else _present(item, next(values))
        for item in entry["inputs"]
    ]


def _static(item: dict[str, Any]) -> bool:
    kind: str = item["type"]
    if kind == "tuple":
        return all(map(_static, item["components"]))
    return not kind.endswith("]") and kind not in ("bytes", "string")


def _struct(item: dict[str, Any]) -> type:
    """The dataclass of a struct, whose `internalType` is `struct Interface.Name`."""
    name: str = item["internalType"]
    return STRUCTS[name.removeprefix("struct ").rpartition(".")[2]]


def _row(item: dict[str, Any], words: Iterator[bytes]) -> Any:
    """A static value from a row of words (Solidity ABI specification)."""
    kind: str = item["type"]
    if kind == "tuple":
        return _struct(item)(*[_row(part, words) for part in item["components"]])
    word = next(words, b"")
    if len(word) != 32:
        raise ValueError(f"no word for {item['name']}")
    if kind == "bytes32":
        return bytes(word)
    value = int.from_bytes(word, "big")
    if kind == "address":
        if value >> 160:
            raise ValueError(f"{item['name']} is no address")
        return _checksum(bytes(word[12:]))
    if kind == "bool":
        if value > 1:
            raise ValueError(f"{item['name']} is neither true nor false")
        return bool(value)
    bits = int(kind.removeprefix("uint"))
    if value >> bits:
        raise ValueError(f"{item['name']} is above {bits} bits")
    return value


def _present(item: dict[str, Any], value: Any) -> Any:
    """A value of the ABI library as the dataclasses hold it."""
    kind: str = item["type"]
    if kind.endswith("]"):
        element = {
            **item,
            "type": kind[: kind.rindex("[")],
            "internalType": item["internalType"][: item["internalType"].rindex("[")],
        }
        return tuple(_present(element, each) for each in value)
    if kind == "tuple":
        parts = zip(item["components"], value, strict=True)
        return _struct(item)(*[_present(part, each) for part, each in parts])
    return _checksum(value) if kind == "address" else value


def read_events(
    web3: Web3,
    addresses: Sequence[str],
    first: int,
    last: int,
    *,
    kinds: Iterable[type[Body]] | None = None,
    topics: Sequence[Any] = (),
    on_range: Callable[[int], None] | None = None,
) -> Iterator[Event]:
    """Read events in order.

    Args:
        web3: connection.
        addresses: contracts to listen to.
        first: first block.
        last: last block, included.
        kinds: of event that are wanted; None for all.
        topics: of the indexed arguments, as in `eth_getLogs`: a value, a list of values, or None.
        on_range: called with the last block of each range read (for progress).

    Raises:
        NodeError: see `read_logs`.
        ChainError: a log does not have the form of its event.
    """
    wanted = None if kinds is None else [topic_of(kind.__name__) for kind in kinds]
    asked = [wanted, *topics] if wanted or topics else None
    for end, logs in read_logs(web3, addresses, first, last, asked):
        for log in logs:
            event = decode_log(
                log.address,
                log.topics,
                log.data,
                block=log.block,
                block_hash=log.block_hash,
                transaction=log.transaction,
                log_index=log.index,
            )
            if event is not None:
                yield event
        if on_range is not None:
            on_range(end)


@cache
def topic_of(name: str) -> str:
    """First topic of an event, in hexadecimal."""
    (topic,) = (t for t, entry in artifacts.events().items() if entry["name"] == name)
    return "0x" + topic.hex()
