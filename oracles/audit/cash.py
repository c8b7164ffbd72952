"""Where the settlement tokens went: their own Transfer logs against what the auctions say."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from oracles.audit.checks import Payment

if TYPE_CHECKING:
    from oracles.audit.checks import Announced


class Cash:
    """Transfers of settlement tokens from and to the protocol's contracts.

    A payment is announced by the event of the contract that makes or asks for it.

    Args:
        announced: what logs promise to each other.
    """

    def __init__(self, announced: Announced) -> None:
        self._announced = announced
        #: Addresses of our contracts that hold cash.
        self.holders: set[str] = set()
        #: Sums of all that came in and went out, by token and holder.
        self.received: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._sent: defaultdict[tuple[str, str], int] = defaultdict(int)

    def expect(self, token: str, holder: str, to: str, amount: int) -> None:
        """A payment out of `holder` that the token's logs must show."""
        if amount:
            self._announced.announce("cash.transfer", token + holder, Payment(to, amount))

    def expect_in(self, token: str, holder: str, sender: str, amount: int) -> None:
        """The next transfer of a token to `holder` must be this."""
        if amount:
            self._announced.announce("cash.escrow", token + holder, f"{amount} from {sender}")

    def held(self, token: str, holder: str) -> int:
        """What one of our contracts must hold by the token's own logs."""
        return self.received[token, holder] - self._sent[token, holder]

    def transfer(self, token: str, sender: str, to: str, amount: int) -> None:
        """A Transfer log of a settlement token."""
        if sender in self.holders:
            self._announced.confirm("cash.transfer", token + sender, Payment(to, amount))
            self._sent[token, sender] += amount
        if to in self.holders:
            # Anybody may send more.
            paid = f"{amount} from {sender}"
            self._announced.confirm("cash.escrow", token + to, paid, unasked=True)
            self.received[token, to] += amount
