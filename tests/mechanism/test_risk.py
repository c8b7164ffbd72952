"""Advice to a provider who does not value MUT at face: it must be the best it can do."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.errors import InputError
from oracles.mechanism import Outlook, advise, discounted_rate, risk_averse_rate
from tests.mechanism.strategies import Market, checked, markets

HALF = Fraction(1, 2)


@checked
@given(markets(min_bids=1), st.sampled_from([Fraction(0), Fraction(1, 5), HALF, Fraction(1)]))
def test_advice__against_every_other_bid__is_never_beaten(
    market: Market, discount: Fraction
) -> None:
    """To somebody for whom a reward p is worth k·p, bidding c/k is dominant; bidding c is not."""
    rate = discounted_rate(market.rho, discount)
    for bid in market.bids:

        def worth(cost: int, bid: object = bid) -> Fraction:
            reward = market.with_bid(replace(bid, cost=cost)).clear().reward  # type: ignore[type-var]
            index = bid.index  # type: ignore[attr-defined]
            own = bid.cost  # type: ignore[attr-defined]
            return rate * reward[index] - own if index in reward else Fraction(0)

        advice = advise(bid.cost, rate)
        # None: stay away, as a bid above β does.
        advised = worth(market.beta + 1 if advice.bid is None else advice.bid)
        assert advised >= 0
        for cost in range(market.beta + 2):
            assert worth(cost) <= advised
        assert worth(bid.cost) >= -advice.loss_if_truthful


def test_advice__discount_on_half_in_mut__raises_the_bid() -> None:
    advice = advise(100, discounted_rate(HALF, Fraction(2, 5)))
    assert (advice.rate, advice.bid, advice.loss_if_truthful) == (Fraction(4, 5), 125, 20)
    assert "Bid 125" in str(advice)


def test_advice__mut_worth_nothing_and_no_cash__is_to_stay_away() -> None:
    advice = advise(100, discounted_rate(Fraction(0), Fraction(1)))
    assert advice.bid is None
    assert "Do not bid" in str(advice)
    assert advise(0, Fraction(0)).bid == 0


def test_advice__all_cash__is_the_truth() -> None:
    advice = advise(100, discounted_rate(Fraction(1), Fraction(1)))
    assert (advice.bid, advice.loss_if_truthful) == (100, 0)
    assert "instead" not in str(advice)


def test_risk_averse_rate__by_hand__is_the_certainty_equivalent() -> None:
    coin = [Outlook(0.5, 0.0), Outlook(0.5, 2.0)]
    assert risk_averse_rate(HALF, coin, 0.0) == 1
    assert float(risk_averse_rate(HALF, coin, 1.0)) == pytest.approx((0.5 * 1.5) ** 0.5)
    assert float(risk_averse_rate(HALF, coin, 2.0)) == pytest.approx(1 / ((2 + 1 / 1.5) / 2))
    assert risk_averse_rate(Fraction(0), coin, 1.0) == 0
    assert float(risk_averse_rate(Fraction(0), coin, 0.5)) == pytest.approx(0.5)
    assert risk_averse_rate(Fraction(1), coin, 5.0) == 1


@checked
@given(st.floats(0, 4), st.floats(0, 4), st.sampled_from([Fraction(0), HALF, Fraction(1)]))
def test_risk_averse_rate__more_aversion__is_worth_less(a: float, b: float, rho: Fraction) -> None:
    outlooks = [Outlook(0.25, 0.1), Outlook(0.75, 1.3)]
    low, high = sorted((a, b))
    assert float(risk_averse_rate(rho, outlooks, high)) <= float(
        risk_averse_rate(rho, outlooks, low)
    ) * (1 + 1e-6)


def test_risk__impossible_arguments__are_refused() -> None:
    for outlooks, aversion in (
        ([Outlook(0.5, 1.0)], 1.0),
        ([Outlook(1.0, -1.0)], 1.0),
        ([Outlook(1.0, 1.0)], -1.0),
    ):
        with pytest.raises(InputError):
            risk_averse_rate(HALF, outlooks, aversion)
    with pytest.raises(InputError):
        discounted_rate(HALF, Fraction(2))
    with pytest.raises(InputError):
        discounted_rate(Fraction(-1), HALF)
    for cost, rate in ((-1, HALF), (1, -HALF)):
        with pytest.raises(InputError):
            advise(cost, rate)
