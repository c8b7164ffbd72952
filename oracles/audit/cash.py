"""Where the settlement tokens went: their own Transfer logs against what the auctions say."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oracles.audit.findings import Checks


class Cash:
    """Transfers of settlement tokens from and to the protocol's contracts.

    A payment is announced by the event of the contract that makes it, and must be followed by the
    token's own log; what comes in is kept until an event accounts for it.

    Args:
        checks: where findings go.
    """

    def __init__(self, checks: Checks) -> None:
        self.checks = checks
        #: Addresses of our contracts that hold cash.
        self.holders: set[str] = set()
        self._due: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
        self._in: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
        self.received: dict[tuple[str, str], int] = defaultdict(int)

    def expect(self, token: str, holder: str, to: str, amount: int) -> None:
        """A payment out of `holder` that the next logs must show."""
        if amount:
            self._due[token, holder].append((to, amount))

    def took(self, check: str, token: str, holder: str, sender: str, amount: int) -> None:
        """An event says that `holder` has taken this amount from `sender`; the token must too."""
        if not amount:
            return
        waiting = self._in[token, holder]
        found = (sender, amount) in waiting
        self.checks.true(check, found, f"a transfer of {amount} from {sender}", waiting[-1:])
        if found:
            waiting.remove((sender, amount))

    def transfer(self, token: str, sender: str, to: str, amount: int) -> None:
        """A Transfer log of a settlement token."""
        if sender in self.holders:
            due = self._due[token, sender]
            expected = due.pop(0) if due else None
            self.checks.equal("cash.transfer", expected, (to, amount))
        if to in self.holders:
            self._in[token, to].append((sender, amount))
            self.received[token, to] += amount

    def finish(self) -> None:
        """Payments announced but never made."""
        for (token, holder), due in self._due.items():
            for to, amount in due:
                self.checks.true(
                    "cash.transfer", False, f"{amount} of {token} from {holder} to {to}", "nothing"
                )
