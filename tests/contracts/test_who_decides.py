"""Who decides a score at every n and k: liars, silent members, and the roll.

A panel of n members with threshold k is safe with at most (k-1)/2 liars and n-k silent members,
for every n that a panel may have. The table is computed here and its edges are played on chain.
"""

from __future__ import annotations

from copy import copy
from itertools import product
from typing import TYPE_CHECKING

import pytest

from tests.attacks.play import apart
from tests.support.auction import ABSENT, UNREADABLE, Auction, Protocol, Score
from tests.support.chain import reverts

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = 13
#: Every n and k that a panel may have, with the liars and the silent that it withstands together.
TABLE = {
    (1, 1): (0, 0),
    (3, 3): (1, 0),
    (4, 3): (1, 1),
    (5, 3): (1, 2),
    (5, 5): (2, 0),
    (6, 5): (2, 1),
    (7, 5): (2, 2),
    (7, 7): (3, 0),
    (8, 5): (2, 3),
    (8, 7): (3, 1),
    (9, 5): (2, 4),
    (9, 7): (3, 2),
    (9, 9): (4, 0),
    (10, 7): (3, 3),
    (10, 9): (4, 1),
    (11, 7): (3, 4),
    (11, 9): (4, 2),
    (11, 11): (5, 0),
    (12, 7): (3, 5),
    (12, 9): (4, 3),
    (12, 11): (5, 1),
    (13, 7): (3, 6),
    (13, 9): (4, 4),
    (13, 11): (5, 2),
    (13, 13): (6, 0),
}
TRUE, LOW, HIGH = Score(1_000, 500, 500), Score(0, 0, 0), Score(9_999, 9_999, 9_999)


def decides(k: int, liars: int, honest: int) -> str:
    """Who decides the lower median of the scores of those who take part."""
    if liars + honest < k:
        return "nobody"
    rank = (liars + honest - 1) // 2
    # All lie low, or all lie high: nothing between is worse.
    low, high = liars > rank, honest <= rank
    return "liars" if low or high else "honest"


def test_table__of_all_panels__is_what_the_definition_gives() -> None:
    panels = [
        (n, k) for n, k in product(range(1, MOST + 1), repeat=2) if k % 2 and n < 2 * k and k <= n
    ]
    assert list(TABLE) == panels
    for (n, k), (liars, silent) in TABLE.items():
        assert (liars, silent) == ((k - 1) // 2, n - k)
        safe = {
            (f, s)
            for f, s in product(range(n + 1), repeat=2)
            if f + s <= n and decides(k, f, n - f - s) == "honest"
        }
        # The whole rectangle is safe, and no larger one is.
        assert {(f, s) for f in range(liars + 1) for s in range(silent + 1) if f + s <= n} <= safe
        assert (liars + 1, silent) not in safe
        assert (liars, silent + 1) not in safe


def test_roll__under_the_same_liars_and_silent__is_right_at_every_panel() -> None:
    """Safe: liars cannot put on it what no honest member has. Live: nor keep off what all have."""
    for (n, k), (liars, silent) in TABLE.items():
        quota = (k + 1) // 2
        for f, s in product(range(liars + 1), range(silent + 1)):
            assert f < quota
            assert n - f - s >= quota
    # A majority of the panel would not be live: all that are honest and present are fewer.
    assert any(n - f - s < n // 2 + 1 for (n, _), (f, s) in TABLE.items())


@pytest.fixture(scope="module")
def large() -> Protocol:
    """Return thirteen operators who know each other; do not change their state."""
    from tests.support.revm import Revm

    return Protocol(Revm(), first=MOST, appeal=0)


def panel(large: Protocol, n: int, k: int) -> Protocol:
    """Return the protocol with a set of the first n operators and this threshold."""
    mine = copy(large)
    mine.funded = set(large.funded)
    mine.first = large.first[:n]
    mine.operator_set = mine.propose(mine.first, (), k)
    for position, operator in enumerate(mine.first):
        mine.ask("acceptSet", mine.operator_set, position, sender=operator.address)
    return mine


def play(auction: Auction, vectors: Sequence[Score | None]) -> Score:
    """Score one bid; return what stands."""
    auction.score(*[None if each is None else [each] for each in vectors])
    (pointer,) = auction.asked("finalScores")[1]
    return Score.unpack(auction.protocol.chain.code(pointer)[1:])


@pytest.mark.parametrize(("n", "k"), TABLE, ids=lambda value: str(value))
def test_contracts__at_the_edge_of_the_table__let_the_honest_decide_and_beyond_it_the_liars(
    large: Protocol, n: int, k: int
) -> None:
    liars, silent = TABLE[n, k]
    with apart(large):
        world = panel(large, n, k)
        auction = world.lead("roll", (1,))
        # The silent do not call; liars attest what nobody has, or deny what all have.
        callers: list[list[int] | None] = [[0]] * (n - liars - silent) + [[]] * liars
        with apart(world):
            auction.roll(*callers, *[None] * silent)
            assert play(auction, [TRUE] * (n - silent) + [None] * silent)
        with apart(world):
            auction.roll(*[[]] * (n - liars - silent), *[[0]] * liars, *[None] * silent)
            assert play(auction, [TRUE] * n) == ABSENT
        auction.roll(*callers, *[None] * silent)
        for lie in (LOW, HIGH):
            honest = n - liars - silent
            with apart(world):
                assert play(auction, [lie] * liars + [TRUE] * honest + [None] * silent) == TRUE
            with apart(world):
                beyond = [lie] * (liars + 1) + [TRUE] * (honest - 1) + [None] * silent
                assert play(auction, beyond) == lie._replace(flags=1)
        if k > 1:
            with apart(world), reverts("NoQuorum", k - 1, k):
                play(auction, [TRUE] * (k - 1) + [None] * (n - k + 1))


@pytest.mark.parametrize("n", range(1, MOST + 1))
def test_verdict__at_every_n__needs_more_than_half_of_the_panel(large: Protocol, n: int) -> None:
    k = next((k for m, k in TABLE if m == n), None)
    if k is None:
        return  # No panel has two members.
    with apart(large):
        auction = panel(large, n, k).lead("dispute", (1,))
        auction.complain(0)
        auction.go("dispute_verdict")
        if n > 1:
            with reverts("NoQuorum", n // 2, n // 2 + 1):
                auction.verdict(0, UNREADABLE, range(n // 2))
        auction.verdict(0, UNREADABLE, range(n // 2 + 1))
