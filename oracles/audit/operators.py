"""Operators from the oracle's logs: their keys, their credit, and the sets that they agreed to."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from oracles.audit import curve
from oracles.audit.checks import Payment
from oracles.chain.typed_events import (
    CreditAdded,
    CreditWithdrawn,
    OperatorRegistered,
    SetAccepted,
    SetLeft,
    SetProposed,
)

if TYPE_CHECKING:
    from oracles.audit.checks import Announced, Checks
    from oracles.audit.ledger import Ledger
    from oracles.chain.typed_events import Body, Panel

MAX_MEMBERS: Final = 13


@dataclass(slots=True)
class OperatorSet:
    """Two panels, and who of their members has accepted."""

    panels: tuple[Panel, Panel]
    accepted: set[str] = field(default_factory=set)

    @property
    def members(self) -> tuple[str, ...]:
        """Members of both panels, those of the first panel first."""
        return (*self.panels[0].members, *self.panels[1].members)

    @property
    def standing(self) -> bool:
        """Whether auctions can name it: every member has accepted."""
        return self.accepted == set(self.members)


class Operators:
    """Checks of keys, credit and sets.

    Args:
        checks: where findings go.
        announced: what logs promise to each other.
        ledger: what the contracts hold.
        address: of the oracle.
    """

    def __init__(self, checks: Checks, announced: Announced, ledger: Ledger, address: str) -> None:
        self._checks = checks
        self._announced = announced
        self._ledger = ledger
        self._address = address
        #: Encryption keys, 64 bytes; the last one registered.
        self.keys: dict[str, bytes] = {}
        self.sets: dict[int, OperatorSet] = {}
        #: Wei that accounts can stake or withdraw.
        self.credit: defaultdict[str, int] = defaultdict(int)

    def apply(self, body: Body) -> bool:
        """Check one event and follow it; False where it is about something else."""
        match body:
            case OperatorRegistered():
                point = curve.key_on_curve(body.key_x, body.key_y)
                self._checks.true("operator.key", point, "a point on the curve")
                self.keys[body.operator] = body.key_x + body.key_y
            case CreditAdded():
                self._added(body)
            case CreditWithdrawn():
                self._ledger.pays(self._address, body.amount)
                self.take(body.account, body.amount)
            case SetProposed():
                self._proposed(body)
            case SetAccepted():
                self._accepted(body)
            case SetLeft():
                stayed = body.member in self._set(body.operator_set).accepted
                self._checks.true("set.accepted", stayed, "a member that had accepted", body.member)
                self.sets[body.operator_set].accepted.discard(body.member)
            case _:
                return False
        return True

    # CREDIT

    def expect(self, account: str, amount: int) -> None:
        """The very next log of the oracle must add this to an account's credit."""
        if amount:
            self._announced.announce_next("credit.added", self._address, Payment(account, amount))

    def _added(self, body: CreditAdded) -> None:
        found = Payment(body.account, body.amount)
        # What nothing announced is a deposit: new money.
        if not self._announced.confirm("credit.added", self._address, found, unasked=True):
            self._ledger.receives(self._address, body.amount)
        self.credit[body.account] += body.amount

    def take(self, account: str, amount: int) -> None:
        """An account's credit pays for a stake, or leaves."""
        there = self.credit[account]
        self._checks.true("credit.enough", amount <= there, f"at most {there}", amount)
        self.credit[account] -= amount

    # SETS

    def _proposed(self, body: SetProposed) -> None:
        checks, panels = self._checks, (body.first, body.appeal)
        checks.equal("set.id", len(self.sets) + 1, body.operator_set)
        self._check_panel(body.first)
        if body.appeal.members or body.appeal.threshold:
            self._check_panel(body.appeal)
        both = set(body.first.members) & set(body.appeal.members)
        checks.true("set.disjoint", not both, "panels without a common member", sorted(both))
        self.sets[body.operator_set] = OperatorSet(panels)

    def _check_panel(self, panel: Panel) -> None:
        members, threshold = panel.members, panel.threshold
        ascending = all(int(a, 16) < int(b, 16) for a, b in itertools.pairwise(members))
        self._checks.true(
            "set.members",
            ascending and all(member in self.keys for member in members),
            "registered operators in ascending order",
            list(members),
        )
        self._checks.true(
            "set.threshold",
            0 < len(members) <= MAX_MEMBERS
            and threshold % 2 == 1
            and threshold <= len(members) < 2 * threshold,
            "odd, more than half of the members",
            f"{threshold} of {len(members)}",
        )

    def _set(self, number: int) -> OperatorSet:
        self._checks.require("set.known", number in self.sets, "a set that was proposed", number)
        return self.sets[number]

    def _accepted(self, body: SetAccepted) -> None:
        found = self._set(body.operator_set)
        new = body.member in found.members and body.member not in found.accepted
        self._checks.true("set.accepted", new, "a member, once", body.member)
        found.accepted.add(body.member)
        self._checks.equal("set.standing", found.standing, body.standing)

    def standing(self, number: int) -> OperatorSet:
        """A set that auctions can name now.

        Raises:
            Broken: there is no such set.
        """
        found = self._set(number)
        waiting = [member for member in found.members if member not in found.accepted]
        self._checks.true("set.consent", found.standing, "accepted by all members", waiting)
        return found
