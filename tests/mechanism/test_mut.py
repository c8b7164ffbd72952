"""MUT: shares without bids, and revenue that nobody can gain or lose by moving tokens."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from oracles.errors import InputError
from oracles.mechanism import RevenueLedger, enrolment_shares
from oracles.mechanism.paper import mut_shares
from tests.mechanism.strategies import checked

HOLDERS = ("ada", "bob", "cyd")


@checked
@given(st.lists(st.integers(0, 2**64 - 1), max_size=8), st.integers(0, 2**80))
def test_enrolment_shares__any_weights__are_the_papers_rounded_down(
    weights: list[int], pool: int
) -> None:
    shares = enrolment_shares(weights, pool)
    if not sum(weights):
        assert set(shares) <= {0}
        return
    exact = mut_shares([Fraction(weight) for weight in weights])
    assert shares == tuple(int(share * pool) for share in exact)
    assert pool - len(weights) < sum(shares) <= pool


@pytest.mark.parametrize(("weights", "pool"), [([-1], 5), ([1], -5)])
def test_enrolment_shares__negative__is_refused(weights: list[int], pool: int) -> None:
    with pytest.raises(InputError):
        enrolment_shares(weights, pool)


class Ledger(RuleBasedStateMachine):
    """Any order of deposits, transfers and claims, against exact fractions."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = RevenueLedger({"ada": 3, "bob": 4})
        self.earned = dict.fromkeys(HOLDERS, Fraction(0))
        self.paid = dict.fromkeys(HOLDERS, 0)

    @rule(amount=st.integers(0, 50))
    def deposit(self, amount: int) -> None:
        self.ledger.deposit(amount)
        for holder in HOLDERS:
            self.earned[holder] += Fraction(
                amount * self.ledger.balance_of(holder), self.ledger.supply
            )

    @rule(sender=st.sampled_from(HOLDERS), recipient=st.sampled_from(HOLDERS), data=st.data())
    def transfer(self, sender: str, recipient: str, data: st.DataObject) -> None:
        amount = data.draw(st.integers(0, self.ledger.balance_of(sender)))
        self.ledger.transfer(sender, recipient, amount)

    @rule(holder=st.sampled_from(HOLDERS))
    def claim(self, holder: str) -> None:
        promised = self.ledger.claimable(holder)
        assert self.ledger.claim(holder) == promised
        assert self.ledger.claimable(holder) == 0
        self.paid[holder] += promised

    @precondition(lambda self: self.ledger.received == 0)
    @rule(holder=st.sampled_from(HOLDERS))
    def burn(self, holder: str) -> None:
        if self.ledger.supply > self.ledger.balance_of(holder):
            self.ledger.burn(holder)

    @invariant()
    def pays_exactly_what_was_earned_rounded_down(self) -> None:
        for holder in HOLDERS:
            assert self.paid[holder] + self.ledger.claimable(holder) == int(self.earned[holder])
        assert self.ledger.paid == sum(self.paid.values()) <= self.ledger.received
        assert sum(map(self.ledger.balance_of, HOLDERS)) == self.ledger.supply


TestLedger = Ledger.TestCase
TestLedger.settings = checked


def test_ledger__burnt_before_revenue__leaves_all_revenue_to_the_rest() -> None:
    ledger = RevenueLedger({"ada": 1, "bob": 99})
    ledger.burn("bob")
    ledger.deposit(10)
    assert (ledger.claim("ada"), ledger.claim("bob")) == (10, 0)


def test_ledger__burn_after_revenue__is_refused() -> None:
    ledger = RevenueLedger({"ada": 1})
    ledger.deposit(1)
    with pytest.raises(InputError):
        ledger.burn("ada")


def test_ledger__impossible_moves__are_refused() -> None:
    ledger = RevenueLedger({"ada": 1})
    for amount in (-1, 2):
        with pytest.raises(InputError):
            ledger.transfer("ada", "bob", amount)
    with pytest.raises(InputError):
        ledger.deposit(-1)
    with pytest.raises(InputError):
        RevenueLedger({}).deposit(1)
    with pytest.raises(InputError):
        RevenueLedger({"ada": -1})
