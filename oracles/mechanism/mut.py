"""Marginal Utility Tokens: shares without bids, and the arithmetic of their revenue (paper §6).

A MUT has a fixed supply once revenue accrues. Revenue is not divided when it arrives: each holder's
claim is kept as balance × revenue, and divided by the supply only when paid, so nothing is lost to
rounding and the sum of all payments never exceeds what came in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracles.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def enrolment_shares(weights: Sequence[int], pool: int) -> tuple[int, ...]:
    """Stand-alone MUT: share a pool over all scored providers, without bids (paper §6.1).

    Args:
        weights: fixed-point weight of each provider; 0 = not eligible.
        pool: U, MUT units to share.

    Returns:
        floor(U · w_i / Σw) each; less than one unit per provider is never issued. All zero where
        nobody is eligible.

    Raises:
        InputError: a negative weight or pool.
    """
    if pool < 0 or any(weight < 0 for weight in weights):
        raise InputError("pool and weights must not be negative")
    total = sum(weights)
    return tuple(pool * weight // total if total else 0 for weight in weights)


class RevenueLedger:
    """The accumulator of one MUT: who holds how much, and who may claim what.

    Holders are any strings. Transfers never move revenue that accrued before them.

    Args:
        balances: MUT units by holder.

    Raises:
        InputError: a negative balance.
    """

    def __init__(self, balances: Mapping[str, int]) -> None:
        if any(balance < 0 for balance in balances.values()):
            raise InputError("balances must not be negative")
        self._balance = dict(balances)
        self._seen = dict.fromkeys(balances, 0)
        # In revenue units × MUT units, so that dividing can wait.
        self._credit = dict.fromkeys(balances, 0)
        self.supply = sum(balances.values())
        self.received = 0
        self.paid = 0

    def balance_of(self, holder: str) -> int:
        """MUT units of a holder."""
        return self._balance.get(holder, 0)

    def burn(self, holder: str) -> None:
        """Burn all of a holder's MUT: a winner who did not deliver.

        Raises:
            InputError: revenue has accrued already, so that shares are fixed.
        """
        if self.received:
            raise InputError("revenue has accrued; MUT can only be burned before")
        self.supply -= self._balance.pop(holder, 0)

    def deposit(self, amount: int) -> None:
        """Let revenue accrue to all holders by balance.

        Raises:
            InputError: a negative amount, or nobody to receive it.
        """
        if amount < 0:
            raise InputError(f"a deposit of {amount} is negative")
        if not self.supply:
            raise InputError("no MUT exists; nobody could ever claim this revenue")
        self.received += amount

    def transfer(self, sender: str, recipient: str, amount: int) -> None:
        """Move MUT; both sides keep what accrued to them so far.

        Raises:
            InputError: the amount is negative or exceeds the sender's balance.
        """
        if not 0 <= amount <= self.balance_of(sender):
            raise InputError(f"{sender} holds {self.balance_of(sender)}, cannot send {amount}")
        self._accrue(sender)
        self._accrue(recipient)
        self._balance[sender] = self.balance_of(sender) - amount
        self._balance[recipient] = self.balance_of(recipient) + amount

    def claimable(self, holder: str) -> int:
        """Revenue units a claim would pay now, rounded down."""
        return self._accrued(holder) // self.supply if self.supply else 0

    def claim(self, holder: str) -> int:
        """Pay what is claimable; the fraction left over stays credited."""
        self._accrue(holder)
        amount = self.claimable(holder)
        self._credit[holder] -= amount * self.supply
        self.paid += amount
        return amount

    def _accrued(self, holder: str) -> int:
        unseen = self.received - self._seen.get(holder, 0)
        return self._credit.get(holder, 0) + self.balance_of(holder) * unseen

    def _accrue(self, holder: str) -> None:
        self._credit[holder] = self._accrued(holder)
        self._seen[holder] = self.received
