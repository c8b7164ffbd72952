"""What an audit reads: blocks and the logs in them, and where the contracts are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from oracles.money import Currency

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from oracles.chain.deployment import Deployment


class Block(NamedTuple):
    """Head of a block that has logs: number, hash (32 bytes), time (seconds), base fee (wei)."""

    number: int
    hash: bytes
    time: int
    base_fee: int


class Log(NamedTuple):
    """A log as the node gave it; it belongs to the block before it in the stream.

    Attributes:
        address: contract, checksummed.
        topics: 32 bytes each.
        data: undecoded.
        transaction: hash, 32 bytes.
        index: position in the block.
    """

    address: str
    topics: tuple[bytes, ...]
    data: bytes
    transaction: bytes
    index: int  # type: ignore[assignment]  # a tuple has an `index` of its own


Record = Block | Log


class Draw(NamedTuple):
    """The block from which the samples of an auction are drawn.

    Attributes:
        block: number of the first block from the start of the open phase on.
        time: of that block, unix seconds.
        before: time of the block before it.
        key: its prevrandao, 32 bytes.
    """

    block: int
    time: int
    before: int
    key: bytes


class Balance(NamedTuple):
    """What a contract holds at the last block: wei, or units of a settlement token.

    Attributes:
        token: address; empty for ether.
        holder: address of the contract.
        amount: held.
    """

    token: str
    holder: str
    amount: int


@dataclass(frozen=True, slots=True)
class Header:
    """What the records cover.

    Attributes:
        chain_id: of the node that gave the logs (EIP-155).
        deployment: addresses, constructor arguments, first block.
        from_block: first block read.
        to_block: last block read, included.
        to_hash: hash of the last block.
        auctions: how many there must be: the contract's own count at the last block; None where
            the node no longer had that block's state.
        currencies: of the settlement tokens by address, by the tokens' own word.
        draws: by auction, where its samples were drawn from, as far as that is past.
        balances: of the contracts at the last block; empty where the node no longer had its state.
    """

    chain_id: int
    deployment: Deployment
    from_block: int
    to_block: int
    to_hash: bytes
    auctions: int | None = None
    currencies: Mapping[str, Currency] = field(default_factory=dict)
    draws: Mapping[int, Draw] = field(default_factory=dict)
    balances: tuple[Balance, ...] = ()

    def currency(self, token: str) -> Currency:
        """What amounts of a settlement token are counted in; smallest units where unknown."""
        return self.currencies.get(token, Currency("units", 0))


class Source(Protocol):
    """Where records come from: an archive, or a node behind a cache."""

    @property
    def header(self) -> Header:
        """What the records cover."""

    def records(self) -> Iterator[Record]:
        """All of them in the order of the chain: each block, then its logs."""
