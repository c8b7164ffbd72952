"""The UsageLog: periods of a model's usage, posted and paid."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oracles.chain.client import ContractAt

if TYPE_CHECKING:
    from web3.contract.contract import ContractFunction


class UsagePeriod(NamedTuple):
    """What a publisher closes.

    Attributes:
        size: entries of the log up to its end.
        end: unix seconds.
        revenue: smallest units of the MUT's revenue token.
        root: over the entries, 32 bytes.
        prices: keccak256 of the price list, 32 bytes.
        entries: sha2-256 of the period's own lines, 32 bytes.
    """

    size: int
    end: int
    revenue: int
    root: bytes
    prices: bytes
    entries: bytes


class LastPeriod(NamedTuple):
    """How far a publisher's log is on chain: periods so far, and the last one's size, end, root."""

    periods: int
    size: int
    end: int
    root: bytes


class UsageLogContract(ContractAt):
    """The one UsageLog of a deployment."""

    artifact = "UsageLog"

    def close(self, mut: str, period: UsagePeriod) -> ContractFunction:
        """Close the sender's next period; its revenue must be allowed to this contract."""
        return self._call("close", mut, tuple(period))

    def last(self, mut: str, publisher: str) -> LastPeriod:
        """The last period of a publisher."""
        periods, size, end, root = self._read("last", mut, publisher)
        return LastPeriod(periods, size, end, bytes(root))
