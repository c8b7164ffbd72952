"""Ether in the contracts: what came in, what went out, and to whom the rest is owed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oracles.audit.checks import Checks


class Ledger:
    """Counts every wei that the logs say a contract took or gave.

    Args:
        checks: where findings go.
    """

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        #: Wei that each contract must hold, by address.
        self.held: defaultdict[str, int] = defaultdict(int)
        #: Wei sent to the address that nobody has a key of.
        self.burned = 0

    def receives(self, contract: str, amount: int) -> None:
        """A contract is paid."""
        self.held[contract] += amount

    def pays(self, contract: str, amount: int) -> None:
        """A contract pays somebody; it can only pay what it holds."""
        there = self.held[contract]
        self._checks.true("ledger.holds", amount <= there, f"at most {there} wei", amount)
        self.held[contract] -= amount

    def burns(self, contract: str, amount: int) -> None:
        """A contract sends to nobody."""
        self.pays(contract, amount)
        self.burned += amount
