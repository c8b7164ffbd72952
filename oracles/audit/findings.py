"""What an audit says: which checks were made, and what they found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Finding(NamedTuple):
    """One difference between the logs and the rules.

    Attributes:
        check: stable name, such as `reward.cash`.
        auction: its id, or None where it concerns no auction or all of them.
        where: block, log and event: enough to look it up.
        expected: by the rules.
        found: in the logs.
    """

    check: str
    auction: int | None
    where: str
    expected: str
    found: str

    def __str__(self) -> str:
        place = self.where if self.auction is None else f"auction {self.auction}, {self.where}"
        return f"{self.check} at {place}: expected {self.expected}, found {self.found}"


class Broken(Exception):  # noqa: N818 - caught by the replay, never seen outside
    """A finding after which an event means nothing any more; it is recorded already."""


@dataclass(slots=True)
class Checks:
    """Counts checks and keeps what they found.

    Attributes:
        made: how often each check was made.
        findings: differences, in the order of the logs.
        auction: id of the auction being looked at, None for none.
        where: place of the event being looked at.
    """

    made: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    auction: int | None = None
    where: str = ""

    def equal(self, check: str, expected: Any, found: Any) -> bool:
        """Compare two values; a difference is a finding."""
        return self.true(check, expected == found, expected, found)

    def true(self, check: str, condition: object, expected: Any, found: Any = "otherwise") -> bool:
        """Demand a condition; `expected` says it in words."""
        self.made[check] += 1
        if condition:
            return True
        self.findings.append(Finding(check, self.auction, self.where, show(expected), show(found)))
        return False

    def require(
        self, check: str, condition: object, expected: Any, found: Any = "otherwise"
    ) -> None:
        """Demand a condition without which the event cannot be followed any further.

        Raises:
            Broken: it does not hold.
        """
        if not self.true(check, condition, expected, found):
            raise Broken(check)

    @property
    def passed(self) -> bool:
        """No finding."""
        return not self.findings


def show(value: Any) -> str:
    """A value as text; bytes in hexadecimal."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(show, value)) + "]"
    return str(value)
