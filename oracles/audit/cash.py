"""Where the settlement tokens went: their own Transfer logs against what the auctions say."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from oracles.audit.checks import Payment

if TYPE_CHECKING:
    from oracles.audit.checks import Announced, Checks


class Cash:
    """Transfers of settlement tokens from and to the protocol's contracts.

    A payment is announced by the event of the contract that makes it; what comes in is kept until
    an event accounts for it.

    Args:
        checks: where findings go.
        announced: what logs promise to each other.
    """

    def __init__(self, checks: Checks, announced: Announced) -> None:
        self._checks = checks
        self._announced = announced
        #: Addresses of our contracts that hold cash.
        self.holders: set[str] = set()
        #: Sums of all that came in and went out, by token and holder.
        self.received: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._sent: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._unaccounted: defaultdict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)

    def expect(self, token: str, holder: str, to: str, amount: int) -> None:
        """A payment out of `holder` that the token's logs must show."""
        if amount:
            self._announced.announce("cash.transfer", token + holder, Payment(to, amount))

    def took(self, check: str, token: str, holder: str, sender: str, amount: int) -> None:
        """An event says that `holder` has taken this amount from `sender`; the token must too."""
        if not amount:
            return
        waiting = self._unaccounted[token, holder]
        found = (sender, amount) in waiting
        self._checks.true(check, found, f"a transfer of {amount} from {sender}", waiting[-1:])
        if found:
            waiting.remove((sender, amount))

    def held(self, token: str, holder: str) -> int:
        """What one of our contracts must hold by the token's own logs."""
        return self.received[token, holder] - self._sent[token, holder]

    def transfer(self, token: str, sender: str, to: str, amount: int) -> None:
        """A Transfer log of a settlement token."""
        if sender in self.holders:
            self._announced.confirm("cash.transfer", token + sender, Payment(to, amount))
            self._sent[token, sender] += amount
        if to in self.holders:
            self._unaccounted[token, to].append((sender, amount))
            self.received[token, to] += amount
