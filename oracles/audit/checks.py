"""What an audit says: which checks were made, and what they found."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oracles.chain.terms import AuctionId


class Difference(NamedTuple):
    """One difference between the logs and the rules.

    Attributes:
        check: stable name, such as `reward.cash`.
        auction: its id, or None where it concerns no auction or all of them.
        where: block, log and event: enough to look it up.
        expected: by the rules.
        found: in the logs.
    """

    check: str
    auction: AuctionId | None
    where: str
    expected: str
    found: str

    def __str__(self) -> str:
        place = self.where if self.auction is None else f"auction {self.auction}, {self.where}"
        return f"{self.check} at {place}: expected {self.expected}, found {self.found}"


class Broken(Exception):  # noqa: N818 - caught by the replay, never seen outside
    """A difference after which an event means nothing any more; it is recorded already."""


@dataclass(slots=True)
class Checks:
    """Counts checks and keeps what they found.

    Attributes:
        by_auction: how often each check was made, by auction; None for what concerns no auction.
        findings: differences, in the order of the logs.
    """

    by_auction: dict[AuctionId | None, Counter[str]] = field(default_factory=dict)
    findings: list[Difference] = field(default_factory=list)
    _auction: AuctionId | None = None
    _where: str = ""

    @property
    def made(self) -> Counter[str]:
        """How often each check was made."""
        return sum(self.by_auction.values(), Counter[str]())

    @contextmanager
    def at(self, auction: AuctionId | None, where: str) -> Iterator[None]:
        """Say what the checks inside are about.

        Args:
            auction: id, or None for no auction.
            where: place in words.
        """
        before = self._auction, self._where
        self._auction, self._where = auction, where
        try:
            yield
        finally:
            self._auction, self._where = before

    @property
    def place(self) -> tuple[AuctionId | None, str]:
        """What `at` was told last."""
        return self._auction, self._where

    def equal(self, check: str, expected: object, found: object) -> bool:
        """Compare two values; a difference is a finding."""
        return self.true(check, expected == found, expected, found)

    def true(
        self, check: str, condition: object, expected: object, found: object = "otherwise"
    ) -> bool:
        """Demand a condition; `expected` says it in words."""
        if self._auction not in self.by_auction:
            self.by_auction[self._auction] = Counter()
        self.by_auction[self._auction][check] += 1
        if condition:
            return True
        place = self._auction, self._where
        self.findings.append(Difference(check, *place, show(expected), show(found)))
        return False

    def within(self, check: str, time: int, start: int, end: int | None = None) -> bool:
        """Demand a time in `[start, end)`, or from `start` on."""
        inside = start <= time and (end is None or time < end)
        span = f"from {start}" if end is None else f"in [{start}, {end})"
        return self.true(check, inside, span, time)

    def require(
        self, check: str, condition: object, expected: object, found: object = "otherwise"
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


class Payment(NamedTuple):
    """An amount that an account receives."""

    to: str
    amount: int

    def __str__(self) -> str:
        return f"{self.amount} to {self.to}"


class _Promise(NamedTuple):
    fact: object
    place: tuple[AuctionId | None, str]


class Announced:
    """Facts that one log promises and another one must confirm.

    A claim announces a payment, and the token's `Transfer` confirms it; the proof of an offence
    announces the slash that must follow it at once.

    Args:
        checks: where findings go. A promise that was not kept is found where it was made.
    """

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        self._later: defaultdict[tuple[str, str], deque[_Promise]] = defaultdict(deque)
        self._next: defaultdict[str, dict[str, _Promise]] = defaultdict(dict)
        #: What the log being handled must confirm.
        self._due: dict[str, _Promise] = {}

    def announce(self, check: str, about: str, fact: object) -> None:
        """A later log about the same must confirm this; several do so in their order."""
        self._later[check, about].append(_Promise(fact, self._checks.place))

    def announce_next(self, check: str, contract: str, fact: object) -> None:
        """The very next log of this contract must confirm this."""
        self._next[contract][check] = _Promise(fact, self._checks.place)

    def confirm(self, check: str, about: str, fact: object, *, unasked: bool = False) -> bool:
        """A log says this: it must have been announced so.

        Args:
            check: name.
            about: as it was announced.
            fact: what it says.
            unasked: whether the log may also come without having been announced.

        Returns:
            Whether it was announced.
        """
        waiting = self._later[check, about]
        if check in self._due:
            self._checks.equal(check, self._due.pop(check).fact, fact)
            return True
        if waiting:
            self._checks.equal(check, waiting.popleft().fact, fact)
            return True
        if not unasked:
            self._checks.equal(check, "nothing", fact)
        return False

    def pending(self, check: str, contract: str) -> object:
        """What the very next log of this contract must confirm; None for nothing."""
        promise = self._next[contract].get(check)
        return promise and promise.fact

    @contextmanager
    def next_log(self, contract: str) -> Iterator[None]:
        """Around the handling of one log: it confirms whatever had to come next."""
        self._due = self._next.pop(contract, {})
        try:
            yield
        finally:
            self._broken(self._due)
            self._due = {}

    def finish(self) -> None:
        """At the end of the logs, nothing may be open."""
        for due in self._next.values():
            self._broken(due)
        for (check, _), waiting in self._later.items():
            for promise in waiting:
                self._broken({check: promise})

    def _broken(self, promises: dict[str, _Promise]) -> None:
        for check, promise in promises.items():
            with self._checks.at(*promise.place):
                self._checks.true(check, False, promise.fact, "nothing")


def show(value: object) -> str:
    """A value as text; bytes in hexadecimal."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, list) or type(value) is tuple:
        return "[" + ", ".join(map(show, value)) + "]"
    return str(value)
