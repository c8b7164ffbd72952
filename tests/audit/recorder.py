"""Everything that happens on a test chain, recorded as an audit reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from oracles.audit import Block, Header, Log
from oracles.audit.records import Balance, Draw
from oracles.chain.deployment import Deployed, Deployment
from oracles.money import Currency
from tests.support.auction import (
    DRAW,
    LEAST_OPERATOR_WINDOW,
    LEAST_PROVIDER_WINDOW,
    MIN_STAKE,
    Protocol,
)
from tests.support.chain import CHAIN_ID, Receipt
from tests.support.revm import Revm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oracles.audit.records import Record


class Recorded(Revm):
    """A chain that keeps its logs: a block a transaction. Its base fee is 0, as on every Revm."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Record] = []
        self.number = 0

    def _send(self, sender: str, to: str, data: bytes, value: int, gas: int) -> Receipt:
        receipt = super()._send(sender, to, data, value, gas)
        self.number += 1
        if receipt.raw_logs:
            head = keccak(text=f"block {self.number}")
            self.kept.append(Block(self.number, head, self.time, 0))
            for index, (address, topics, payload) in enumerate(receipt.raw_logs):
                transaction = keccak(head)
                log = Log(
                    to_checksum_address(address),
                    tuple(map(bytes, topics)),
                    payload,
                    transaction,
                    index,
                )
                self.kept.append(log)
        return receipt

    def snapshot(self) -> Any:
        return super().snapshot(), len(self.kept), self.number

    def revert(self, snapshot: Any) -> None:
        inner, kept, self.number = snapshot
        del self.kept[kept:]
        super().revert(inner)


def deployment_of(protocol: Protocol) -> Deployment:
    """Where a protocol's contracts are, and how they were made."""
    windows = (str(DRAW), str(LEAST_PROVIDER_WINDOW), str(LEAST_OPERATOR_WINDOW))
    made = {
        "ScoreOracle": (protocol.oracle, (str(MIN_STAKE), str(LEAST_OPERATOR_WINDOW))),
        "DataAuction": (protocol.auction, (protocol.oracle.address, *windows)),
        "Exchange": (protocol.exchange, (protocol.oracle.address,)),
        "DstFactory": (protocol.factory, (protocol.auction.address,)),
    }
    return Deployment(
        CHAIN_ID,
        0,
        {
            name: Deployed(to_checksum_address(contract.address), arguments, "0x")
            for name, (contract, arguments) in made.items()
        },
    )


class Story:
    """A source made of what a protocol did on a recorded chain."""

    def __init__(self, protocol: Protocol) -> None:
        chain = protocol.chain
        assert isinstance(chain, Recorded)
        last = keccak(text=f"block {chain.number}")
        self.token = protocol.token.address
        ours = self._ours(protocol, chain.kept)
        self.kept = [each for each in chain.kept if isinstance(each, Block) or ours(each)]
        holders = (protocol.auction.address, protocol.oracle.address)
        count = int(protocol.view("auctionCount"))
        self.header = Header(
            CHAIN_ID,
            deployment_of(protocol),
            0,
            chain.number,
            last,
            count,
            {self.token: Currency("USDC", 6)},
            {number: self._draw(protocol, number) for number in range(1, count + 1)},
            (
                *(Balance("", holder, chain.balance(holder)) for holder in holders),
                Balance(self.token, holders[0], protocol.held(holders[0])),
            ),
        )

    @staticmethod
    def _draw(protocol: Protocol, auction: int) -> Draw:
        """There are no blocks between transactions: as if one came when the samples are due."""
        start = protocol.view("phases", auction)[1][1]
        return Draw(1, start + 3, start - 9, bytes([0x55]).ljust(32, b"\0"))

    @staticmethod
    def _ours(protocol: Protocol, records: list[Record]) -> Any:
        """What a node is asked for: our contracts' logs, and transfers from and to them."""
        token = protocol.token.address
        ours = {log.address for log in records if isinstance(log, Log) and log.address != token} | {
            protocol.auction.address
        }
        topics = {bytes.fromhex(address[2:]).rjust(32, b"\0") for address in ours}
        transfer = keccak(text="Transfer(address,address,uint256)")

        def wanted(log: Log) -> bool:
            if log.address != token:
                return True
            return log.topics[0] == transfer and bool(topics & set(log.topics[1:]))

        return wanted

    def records(self) -> Iterator[Record]:
        return iter(self.kept)
