"""The registry of metric versions under any calls in any order, beside a model of it.

What must hold after each call: the tokens and the ether in the contract are those of its holders
and proposers, an end never passes its latest moment or comes back, and what is objected with is
locked until no version that it objects to can be open.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.contracts.test_metric_registry import BOND, DAY, PROPOSER, THIEF, WINDOW, Registry
from tests.support.auction import Protocol
from tests.support.chain import Reverted
from tests.support.revm import Revm

if TYPE_CHECKING:
    from collections.abc import Callable

DOCUMENTS = [b"first", b"second"]
VERSIONS = [hashlib.sha256(each).digest() for each in DOCUMENTS]
_READY: list[Registry] = []


@dataclass
class Version:
    """What the model knows of a proposal."""

    closes: int
    latest: int
    bond: bool = True
    objections: dict[str, int] = field(default_factory=dict)


class Machine(RuleBasedStateMachine):
    """Two holders, two documents, one token."""

    def __init__(self) -> None:
        super().__init__()
        if not _READY:
            registry = Registry(Protocol(Revm()))
            chain, token = registry.chain, registry.token
            chain.transact(token, "transfer", THIEF, registry.supply // 3, sender=registry.holder)
            chain.transact(token, "approve", registry.contract, 2**255, sender=THIEF)
            _READY.append(registry)
        self.registry = _READY[0]
        self.chain = self.registry.chain
        self.people = [self.registry.holder, THIEF]
        self._undo = self.chain.rollback()
        self._undo.__enter__()
        self.versions: dict[bytes, Version] = {}
        self.free = {who: self.registry.held(who) for who in self.people}
        self.locked = dict.fromkeys(self.people, 0)
        self.until = dict.fromkeys(self.people, 0)

    def teardown(self) -> None:
        self._undo.__exit__(None, None, None)

    def attempt(self, error: str, call: Callable[[], Any]) -> bool:
        """Whether it passed, which it must exactly where the model names no error."""
        refusal = ""
        try:
            call()
        except Reverted as reverted:
            refusal = str(reverted)
        assert error in refusal if error else not refusal, (error, refusal)
        return not refusal

    @initialize(number=st.integers(0, 1), who=st.integers(0, 1))
    def start(self, number: int, who: int) -> None:
        self.propose(number, BOND)
        self.lock(who, 7)

    @rule(seconds=st.sampled_from([1, DAY - 1, DAY, 5 * DAY, WINDOW]))
    def wait(self, seconds: int) -> None:
        self.chain.time += seconds

    @rule(number=st.integers(0, 1))
    def wait_for_the_last_second(self, number: int) -> None:
        version = self.versions.get(VERSIONS[number])
        if version is not None and version.closes - 1 > self.chain.time:
            self.chain.time = version.closes - 1

    @rule(number=st.integers(0, 1), paid=st.sampled_from([BOND, BOND, BOND, BOND - 1]))
    def propose(self, number: int, paid: int) -> None:
        known = VERSIONS[number] in self.versions
        error = "BondWrong" if paid != BOND else "AlreadyProposed" if known else ""
        if self.attempt(error, lambda: self.registry.propose(DOCUMENTS[number], paid)):
            now = self.chain.time
            self.versions[VERSIONS[number]] = Version(now + WINDOW, now + 2 * WINDOW)

    @rule(who=st.integers(0, 1), share=st.sampled_from([0, 1, 7, 1_000_000]))
    def lock(self, who: int, share: int) -> None:
        holder = self.people[who]
        amount = min(share, self.free[holder] + 1)
        error = "ERC20InsufficientBalance" if amount > self.free[holder] else ""
        do = self.registry.do
        if self.attempt(error, lambda: do("lock", self.registry.token, amount, sender=holder)):
            self.free[holder] -= amount
            self.locked[holder] += amount

    @rule(who=st.integers(0, 1), number=st.integers(0, 1), more=st.booleans())
    def object(self, who: int, number: int, more: bool) -> None:
        if more:
            self.lock(who, 1)
        holder, version = self.people[who], self.versions.get(VERSIONS[number])
        now, held = self.chain.time, self.locked[holder]
        if version is None:
            error = "NotProposed"
        elif now >= version.closes:
            error = "Closed"
        else:
            error = "NothingLocked" if held == version.objections.get(holder, 0) else ""
        words = (VERSIONS[number], self.registry.token)
        do = self.registry.do
        if self.attempt(error, lambda: do("object", *words, sender=holder)):
            assert version is not None
            version.objections[holder] = held
            self.until[holder] = max(self.until[holder], version.latest)
            version.closes = max(version.closes, min(now + DAY, version.latest))

    @rule(who=st.integers(0, 1))
    def release(self, who: int) -> None:
        holder = self.people[who]
        early = self.chain.time < self.until[holder]
        error = "NothingLocked" if not self.locked[holder] else "TooEarly" if early else ""
        do = self.registry.do
        if self.attempt(error, lambda: do("release", self.registry.token, sender=holder)):
            for version in self.versions.values():
                assert not version.objections.get(holder) or self.chain.time >= version.latest
            self.free[holder] += self.locked[holder]
            self.locked[holder] = self.until[holder] = 0

    @rule(number=st.integers(0, 1))
    def return_bond(self, number: int) -> None:
        version = self.versions.get(VERSIONS[number])
        if version is None:
            error = "NotProposed"
        elif self.chain.time < version.closes:
            error = "TooEarly"
        else:
            error = "" if version.bond else "BondGone"
        before = self.chain.balance(PROPOSER)
        do = self.registry.do
        if self.attempt(error, lambda: do("returnBond", VERSIONS[number], sender=THIEF)):
            assert version is not None
            version.bond = False
            assert self.chain.balance(PROPOSER) == before + BOND

    @invariant()
    def everything_is_where_the_model_says(self) -> None:
        registry = self.registry
        assert registry.held(registry.contract) == sum(self.locked.values())
        bonds = sum(version.bond for version in self.versions.values())
        assert self.chain.balance(registry.contract.address) == bonds * BOND
        for holder in self.people:
            held = registry.ask("lockOf", holder, registry.token)
            assert tuple(held) == (self.locked[holder], self.until[holder])
        for name, version in self.versions.items():
            assert registry.ask("closesAt", name) == version.closes <= version.latest
            for holder in self.people:
                told = registry.ask("objectionOf", name, registry.token, holder)
                assert told == version.objections.get(holder, 0)


def test_registry__under_any_calls_in_any_order__does_what_the_model_does() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            deadline=None,
            derandomize=True,
            max_examples=80,
            stateful_step_count=40,
            suppress_health_check=list(HealthCheck),
        ),
    )
