"""What the rule that settles money promises, checked on every lie that can matter."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.errors import InputError
from oracles.mechanism import (
    Bid,
    certify,
    clear,
    run_clock,
    settlement_totals,
    spendable,
    withholding_bound,
)
from oracles.mechanism.clock import order_bids
from tests.mechanism.strategies import (
    Market,
    breakpoint_lies,
    checked,
    every_lie,
    gain,
    large_markets,
    markets,
)

# --- instances with a known answer ----------------------------------------------------------------


def test_clock__two_equal_bids__share_the_budget() -> None:
    clock = run_clock([Bid(0, 1, 1), Bid(1, 1, 1)], 10)
    assert clock.winners == (0, 1)
    assert clock.price == 5


def test_clock__with_a_loser__stops_at_the_loser() -> None:
    clock = run_clock([Bid(0, 1, 3), Bid(1, 12, 3), Bid(2, 12, 7), Bid(4, 3, 8)], 12)
    assert clock.winners == (0, 4)
    assert (clock.price, clock.first_loser) == (Fraction(12, 11), 2)


def test_clock__ties_in_virtual_cost__earlier_commitment_first() -> None:
    assert run_clock([Bid(7, 4, 2), Bid(3, 2, 1)], 2).winners == (3,)


def test_clock__no_winner__price_is_the_first_virtual_cost() -> None:
    # Only a clock with a budget below its bids' costs can have bids and no winner.
    market = Market((Bid(0, 7, 2, True), Bid(1, 1, 4)), 8, 0, Fraction(1), Fraction(1, 2))
    assert market.clear().clocks["flagged"].price == Fraction(7, 2)


def test_clock__nobody__has_no_price() -> None:
    clock = run_clock([], 5)
    assert (clock.winners, clock.price, clock.marginal, clock.first_loser) == ((), None, None, None)


def test_clock__zero_weight__is_in_no_clock() -> None:
    assert run_clock([Bid(0, 0, 0), Bid(1, 2, 1)], 10).winners == (1,)


def test_clock__bid_dearer_than_the_budget__neither_leads_nor_sets_the_price() -> None:
    clock = run_clock([Bid(0, 1, 1), Bid(1, 11, 100)], 10)
    assert (clock.winners, clock.price, clock.first_loser) == ((0,), 10, None)


def test_withholding__second_identity__gains_as_documented() -> None:
    both = clear([Bid(0, 0, 1), Bid(1, 4, 1)], budget=8)
    one = clear([Bid(0, 0, 1)], budget=8)
    assert sum(both.reward.values()) - 4 == 4
    assert one.reward[0] == 8


@checked
@given(markets(min_bids=2), st.data())
def test_withholding__any_identities_of_one_owner__gains_at_most_the_bound(
    market: Market, data: st.DataObject
) -> None:
    market = replace(market, tranche=Fraction(0))
    owned = data.draw(st.sets(st.sampled_from(market.bids), min_size=2))
    honest = market.clear()
    clock = honest.clocks["all"]
    for hidden in (set(c) for size in range(1, len(owned)) for c in combinations(owned, size)):
        left = tuple(bid for bid in market.bids if bid not in hidden)
        after = replace(market, bids=left).clear()
        gained = sum(gain(after, bid) - gain(honest, bid) for bid in owned - hidden) - sum(
            gain(honest, bid) for bid in hidden
        )
        withheld = sum(bid.weight for bid in hidden if bid.index in honest.reward)
        kept = [bid for bid in owned - hidden if bid.index in after.reward]
        if withheld < clock.weight:
            loser = 0 if clock.first_loser is None else market.bids[clock.first_loser].weight
            bound = withholding_bound(
                market.beta,
                winning=clock.weight,
                kept=sum(bid.weight for bid in kept),
                withheld=withheld,
                loser=loser,
            )
            assert gained < bound + max(1, len(kept))


def test_filtering_flagged_bids_by_the_reserve__would_break_truthfulness() -> None:
    """Why the flagged clock keeps bids dearer than its own budget: their ψ sets its price."""

    def filtered(bids: list[Bid], budget: int, share: Fraction) -> dict[int, int]:
        affordable = [b for b in bids if not b.flagged or b.cost <= int(share * budget)]
        return dict(clear(affordable, budget=budget, tranche=share).reward)

    found = False
    for costs in product(range(9), repeat=2):
        for weights in product((1, 2, 3), repeat=2):
            bids = [
                Bid(i, c, w, i == 0) for i, (c, w) in enumerate(zip(costs, weights, strict=True))
            ]
            honest = filtered(bids, 8, Fraction(1, 2))
            for bid, lie in product(bids, range(10)):
                lied = filtered(
                    [replace(b, cost=lie) if b is bid else b for b in bids], 8, Fraction(1, 2)
                )
                gained = lied.get(bid.index, bid.cost) - bid.cost
                found |= gained > honest.get(bid.index, bid.cost) - bid.cost
    assert found


# --- truthfulness, rationality, budget ------------------------------------------------------------


@checked
@given(markets(min_bids=1))
def test_truth__against_every_lie__is_never_beaten(market: Market) -> None:
    honest = market.clear()
    for bid in market.bids:
        for lie in every_lie(market, bid):
            assert gain(market.with_bid(lie).clear(), bid) <= gain(honest, bid), lie


@checked
@given(large_markets(max_bids=4))
def test_truth__at_every_breakpoint_of_wide_amounts__is_never_beaten(market: Market) -> None:
    honest = market.clear()
    for bid in market.bids:
        for lie in breakpoint_lies(market, bid):
            assert gain(market.with_bid(lie).clear(), bid) <= gain(honest, bid), lie


@pytest.mark.parametrize("tranche", [Fraction(0), Fraction(1, 2)])
def test_truth__in_all_markets_of_two_small_bids__is_never_beaten(tranche: Fraction) -> None:
    kinds = [(w, flag) for w in (1, 2, 3) for flag in (False, True)]
    for budget, first, second in product((1, 4, 6), kinds, kinds):
        outcomes = {
            costs: clear(
                [Bid(0, costs[0], *first), Bid(1, costs[1], *second)],
                budget=budget,
                tranche=tranche,
            ).reward
            for costs in product(range(budget + 2), repeat=2)
        }
        for costs, reward in outcomes.items():
            for i, lie in product((0, 1), range(budget + 2)):
                lied = outcomes[(lie, costs[1]) if i == 0 else (costs[0], lie)]
                assert lied.get(i, costs[i]) <= reward.get(i, costs[i])


@checked
@given(markets() | large_markets())
def test_rewards__always__cover_costs_and_fit_the_budgets(market: Market) -> None:
    cleared = market.clear()
    costs = {bid.index: bid.cost for bid in market.bids}
    assert all(reward >= costs[index] for index, reward in cleared.reward.items())
    assert sum(cleared.reward.values()) <= cleared.beta
    assert sum(cleared.cash.values()) <= market.budget
    assert sum(cleared.mut.values()) <= market.pool + len(cleared.reward)
    for index, reward in cleared.reward.items():
        assert cleared.cash[index] + cleared.mut[index] == reward


@checked
@given(markets() | large_markets())
def test_totals__always__cover_claims_and_leave_little_dust(market: Market) -> None:
    cleared = market.clear()
    totals = settlement_totals(cleared, budget=market.budget, pool=market.pool, rho=market.rho)
    winners = len(cleared.reward)
    claimed_cash, claimed_face = sum(cleared.cash.values()), sum(cleared.mut.values())
    assert claimed_cash <= totals.cash <= market.budget
    assert claimed_face <= totals.allotment <= market.pool + winners
    dust = totals.cash - claimed_cash + totals.allotment - claimed_face
    assert dust < 2 * winners or dust == winners == 0
    assert totals.buyer_cash == market.budget - totals.cash
    assert totals.buyer_mut == max(0, market.pool - totals.allotment)


# --- shape ----------------------------------------------------------------------------------------


@checked
@given(markets(min_bids=1))
def test_winner__bidding_less__changes_nothing_for_anybody(market: Market) -> None:
    """Monotone, and non-bossy for winners."""
    cleared = market.clear()
    for bid in market.bids:
        if bid.index in cleared.reward:
            for cost in range(bid.cost):
                lowered = market.with_bid(replace(bid, cost=cost)).clear()
                assert lowered.reward == cleared.reward


@checked
@given(markets(min_bids=1))
def test_loser__bidding_more__keeps_losing(market: Market) -> None:
    cleared = market.clear()
    for bid in market.bids:
        if bid.index not in cleared.reward:
            for cost in range(bid.cost, market.beta + 2):
                raised = market.with_bid(replace(bid, cost=cost)).clear()
                assert bid.index not in raised.reward


@checked
@given(markets(min_bids=1), st.integers(1, 5))
def test_winner__with_more_weight__still_wins_under_one_pool(market: Market, extra: int) -> None:
    market = replace(market, tranche=Fraction(0))
    for index in market.clear().reward:
        bid = market.bids[index]
        heavier = market.with_bid(replace(bid, weight=bid.weight + extra)).clear()
        assert index in heavier.reward


@checked
@given(markets(min_bids=1))
def test_reward__is_the_critical_value(market: Market) -> None:
    """Every bid below t·w wins and every bid above loses; at t·w itself a tie may decide."""
    cleared = market.clear()
    for index, reward in cleared.reward.items():
        bid = market.bids[index]
        below = market.with_bid(replace(bid, cost=max(0, reward - 1))).clear()
        above = market.with_bid(replace(bid, cost=reward + 1)).clear()
        assert index not in above.reward
        assert reward == 0 or below.reward[index] == reward


@checked
@given(markets(min_bids=2, max_bids=3, max_budget=7, max_weight=3))
def test_pairs__lying_together__never_both_gain(market: Market) -> None:
    """Weak group-strategyproofness, for all pairs and all pairs of lies."""
    honest = market.clear()
    for first, second in combinations(market.bids, 2):
        for lie_1, lie_2 in product(every_lie(market, first), every_lie(market, second)):
            lied = market.with_bid(lie_1, lie_2).clear()
            assert not (
                gain(lied, first) > gain(honest, first)
                and gain(lied, second) > gain(honest, second)
            ), (lie_1, lie_2)


@checked
@given(markets(min_bids=2))
def test_lemma_4__at_one_price__more_weight_is_paid_more(market: Market) -> None:
    cleared = market.clear()
    for clock in cleared.paying:
        for i, j in product(clock.winners, repeat=2):
            heavier, lighter = market.bids[i], market.bids[j]
            if heavier.weight > lighter.weight and clock.price:
                assert clock.price * heavier.weight > clock.price * lighter.weight
                assert cleared.reward[i] >= cleared.reward[j]


@checked
@given(st.data(), markets() | large_markets())
def test_order_of_arrival__never__matters(data: st.DataObject, market: Market) -> None:
    shuffled = tuple(data.draw(st.permutations(market.bids)))
    assert replace(market, bids=shuffled).clear() == market.clear()


@checked
@given(markets(min_bids=1), st.integers(2, 9))
def test_weights__scaled_together__change_no_reward(market: Market, factor: int) -> None:
    scaled = tuple(replace(bid, weight=factor * bid.weight) for bid in market.bids)
    assert replace(market, bids=scaled).clear().reward == market.clear().reward


@checked
@given(markets(min_bids=1))
def test_flagged__under_a_tranche__never_do_worse_than_in_one_pool(market: Market) -> None:
    pooled = replace(market, tranche=Fraction(0)).clear()
    cleared = market.clear()
    for bid in market.bids:
        if bid.flagged:
            assert gain(cleared, bid) >= gain(pooled, bid)


@checked
@given(large_markets(max_bids=12))
def test_order__by_integer_keys__equals_order_by_fractions(market: Market) -> None:
    by_fraction = sorted(market.bids, key=lambda b: (Fraction(b.cost, b.weight), b.index))
    assert order_bids(market.bids) == by_fraction


def test_order__of_neighbouring_fractions__is_exact() -> None:
    w = 2**64 - 1
    bids = [Bid(0, w - 1, w), Bid(1, w - 2, w - 1), Bid(2, w - 1, w)]
    assert [bid.index for bid in order_bids(bids)] == [1, 0, 2]


@checked
@given(markets() | large_markets(max_bids=9))
def test_certificate__under_one_pool__holds(market: Market) -> None:
    pooled = replace(market, tranche=Fraction(0))
    certificate = certify(market.bids, pooled.clear().reward, beta=market.beta)
    assert certificate.holds


@checked
@given(markets(min_bids=1))
def test_certificate__fractional_optimum__is_above_every_affordable_set(market: Market) -> None:
    certificate = certify(market.bids, (), beta=market.beta)
    eligible = [bid for bid in market.bids if bid.cost <= market.beta]
    for size in range(len(eligible) + 1):
        for chosen in combinations(eligible, size):
            if sum(bid.cost for bid in chosen) <= market.beta:
                assert sum(bid.weight for bid in chosen) <= certificate.optimum


def test_certificate__bound__is_nearly_reached() -> None:
    """One heavy bid just too dear keeps the clock from half of what the optimum buys."""
    bids = [Bid(0, 0, 1), Bid(1, 100, 10)]
    certificate = certify(bids, clear(bids, budget=100).reward, beta=100)
    assert (certificate.weight, certificate.optimum, certificate.bound) == (1, 11, Fraction(1, 2))


# --- parameters -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "pool", "rho", "beta"),
    [
        (10, 99, Fraction(1), 10),
        (10, 99, Fraction(0), 99),
        (10, 99, Fraction(1, 3), 30),
        (10, 2, Fraction(1, 3), 3),
        (0, 5, Fraction(1, 2), 0),
    ],
)
def test_beta__by_liquidity__is_the_binding_budget(
    budget: int, pool: int, rho: Fraction, beta: int
) -> None:
    assert spendable(budget, pool, rho) == beta


def test_mixed__pool_binding__face_is_the_papers_share() -> None:
    """§6.1 and §8.1 to the letter where the pool binds and nobody loses (up to rounding)."""
    bids = [Bid(0, 10, 3), Bid(1, 20, 5)]
    cleared = clear(bids, budget=10**6, pool=800, rho=Fraction(1, 2))
    assert cleared.mut == {0: 300, 1: 500}


@pytest.mark.parametrize(
    "arguments",
    [
        {"budget": -1},
        {"budget": 1, "pool": -1},
        {"budget": 1, "rho": Fraction(3, 2)},
        {"budget": 1, "tranche": Fraction(-1, 2)},
    ],
)
def test_clear__parameters_out_of_range__refuses(arguments: dict[str, Fraction]) -> None:
    with pytest.raises(InputError):
        clear([], **arguments)  # type: ignore[arg-type]


def test_clear__repeated_index__refuses() -> None:
    with pytest.raises(InputError, match="index"):
        clear([Bid(0, 1, 1), Bid(0, 2, 1)], budget=5)


@pytest.mark.parametrize("fields", [(-1, 0, 1), (0, -1, 1), (0, 0, -1)])
def test_bid__negative_field__refuses(fields: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match="negative"):
        Bid(*fields)
