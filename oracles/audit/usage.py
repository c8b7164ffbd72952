"""Periods of publishers' usage logs: one sequence for each MUT and publisher, and what they pay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from oracles.chain.typed_events import PeriodClosed

if TYPE_CHECKING:
    from oracles.audit.checks import Checks
    from oracles.audit.tokens import MutLedger
    from oracles.chain.typed_events import Body, Period


@dataclass(slots=True)
class UsageReplay:
    """State of the UsageLog.

    Attributes:
        checks: where findings go.
        address: of the contract; empty where the deployment has none.
        periods: closed so far, by MUT and publisher.
        shares: of each of them, what it pays to each holder of the MUT, smallest units; what is
            not minted yet is under ``.
    """

    checks: Checks
    address: str
    periods: dict[tuple[str, str], list[Period]] = field(default_factory=dict)
    shares: dict[tuple[str, str], list[dict[str, int]]] = field(default_factory=dict)

    def apply(self, body: Body, time: int, mut: MutLedger | None) -> bool:
        """Check one event and follow it; False where the contract has no such event.

        Args:
            body: the event.
            time: of its block.
            mut: that it names; None where that is none of ours.
        """
        if not isinstance(body, PeriodClosed):
            return False
        checks, period = self.checks, body.period
        before = self.periods.setdefault((body.mut, body.publisher), [])
        checks.equal("usage.number", len(before), body.number)
        start = before[-1].end if before else 0
        checks.true("usage.end", start < period.end <= time, f"in ({start}, {time}]", period.end)
        if before:
            size, root = before[-1].size, before[-1].root
            checks.true("usage.size", period.size >= size, f"at least {size}", period.size)
            if period.size == size:
                checks.equal("usage.root", root, period.root)
        before.append(period)
        shares = self.shares.setdefault((body.mut, body.publisher), [])
        shares.append({} if mut is None else _shares(mut, period.revenue))
        if not period.revenue:
            checks.equal("usage.accrued", 0, body.accrued)
        elif mut is not None and body.accrued:
            checks.equal("usage.accrued", mut.accrued, body.accrued)
        return True


def _shares(mut: MutLedger, revenue: int) -> dict[str, int]:
    """What a payment gives to each holder now, and to those who have not claimed their MUT."""
    if not revenue or not mut.supply:
        return {}
    shares = {
        holder: revenue * account.balance // mut.supply
        for holder, account in mut.accounts.items()
        if account.balance
    }
    left = mut.supply - sum(account.balance for account in mut.accounts.values())
    return shares | ({"": revenue * left // mut.supply} if left > 0 else {})
