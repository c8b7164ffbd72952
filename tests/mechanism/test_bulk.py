"""The numpy path: the same answer as the scalar one, to the last unit."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from oracles.errors import InputError
from oracles.mechanism import Bid, BidTable, clear, clear_table
from tests.mechanism.strategies import Market, checked, large_markets, markets


def cleared_by_table(market: Market) -> Any:
    return clear_table(
        BidTable.from_bids(market.bids),
        budget=market.budget,
        pool=market.pool,
        rho=market.rho,
        tranche=market.tranche,
    )


@checked
@given(markets(max_bids=9) | large_markets(max_bids=9))
def test_clear_table__any_market__equals_clear(market: Market) -> None:
    assert cleared_by_table(market) == market.clear()


@pytest.mark.parametrize("spread", [1, 3, 1000])
def test_clear_table__ratios_closer_than_a_float__equals_clear(spread: int) -> None:
    """All ψ within a few parts in 10^19 of each other: floats see one value, integers decide."""
    rng = random.Random(spread)
    scale = 2**60
    bids = []
    for i in range(3000):
        weight = scale + rng.randrange(2**20)
        bids.append(Bid(i, weight + rng.randrange(spread), weight, rng.random() < 0.3))
    for budget in (scale, 40 * scale, 2900 * scale, 10**24 - 1):
        arguments: dict[str, Any] = {"budget": budget, "tranche": Fraction(1, 10)}
        cleared = clear(bids, **arguments)
        assert clear_table(BidTable.from_bids(bids), **arguments) == cleared


def test_clear_table__floats_would_decide_wrongly__integers_decide() -> None:
    w = 2**63
    first, second = Bid(0, w + 1, w), Bid(1, w, w)
    assert float(first.cost) / first.weight == float(second.cost) / second.weight
    cleared = clear_table(BidTable.from_bids([first, second]), budget=w + 1)
    assert cleared.winners == (1,)


def test_clear_table__machine_integers__equals_clear() -> None:
    rng = np.random.default_rng(5)
    table = BidTable(
        rng.integers(0, 10**9, 500),
        rng.integers(0, 2**63, 500, dtype=np.uint64),
        rng.random(500) < 0.1,
    )
    table.weight[::7] = 0  # not eligible
    bids = [
        Bid(i, *row)
        for i, row in enumerate(
            zip(table.cost.tolist(), table.weight.tolist(), table.flagged.tolist(), strict=True)
        )
    ]
    for budget in (10**10, 2**79):
        arguments: dict[str, Any] = {
            "budget": budget,
            "pool": budget,
            "rho": Fraction(1, 3),
            "tranche": Fraction(1, 5),
        }
        assert clear_table(table, **arguments) == clear(bids, **arguments)


@pytest.mark.slow
def test_clear_table__hundred_thousand_bids__equals_clear() -> None:
    rng = random.Random(2)
    bids = [
        Bid(i, rng.randrange(2**80), rng.randrange(2**64), rng.random() < 0.2)
        for i in range(100_000)
    ]
    arguments: dict[str, Any] = {"budget": 2**80 - 1, "tranche": Fraction(1, 10)}
    assert clear_table(BidTable.from_bids(bids), **arguments) == clear(bids, **arguments)


@pytest.mark.parametrize(
    "columns",
    [
        (np.zeros(2, int), np.zeros(1, np.uint64), np.zeros(2, bool)),
        (np.zeros(1, int), np.zeros(1, np.int64), np.zeros(1, bool)),
        (np.array([-1]), np.zeros(1, np.uint64), np.zeros(1, bool)),
        (np.array([2**80], object), np.zeros(1, np.uint64), np.zeros(1, bool)),
    ],
)
def test_table__columns_that_do_not_fit__are_refused(columns: Any) -> None:
    with pytest.raises(InputError):
        BidTable(*columns)


@pytest.mark.parametrize("bids", [[Bid(1, 0, 1)], [Bid(0, 0, 1)] * 2, [Bid(0, 0, 2**64)]])
def test_table__bids_that_do_not_fit__are_refused(bids: list[Bid]) -> None:
    with pytest.raises(InputError):
        BidTable.from_bids(bids)
