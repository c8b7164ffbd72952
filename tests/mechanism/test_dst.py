"""DST: the water level exists, is found exactly, and can be checked in one pass."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oracles.errors import InputError, IntegrityError
from oracles.mechanism import DstCase, allocate, dst_scores, verify_allocation
from tests.mechanism.strategies import checked

THIRD = Fraction(1, 3)


@st.composite
def cases(draw: st.DrawFn) -> DstCase:
    supply = draw(st.integers(0, 400))
    scores = draw(st.lists(st.fractions(0, 1, max_denominator=20), max_size=7))
    floor = draw(st.integers(0, 90))
    effective = min(floor, supply // len(scores)) if scores else floor
    cap = draw(st.integers(effective, max(effective, supply)))
    return DstCase(tuple(scores), supply, floor, cap)


def effective_floor(case: DstCase) -> int:
    return min(case.floor, case.supply // len(case.scores)) if case.scores else case.floor


def shares(case: DstCase) -> tuple[int, ...]:
    return allocate(case.scores, supply=case.supply, floor=case.floor, cap=case.cap).shares


def verified(case: DstCase, level: Fraction, marginal: int | None) -> tuple[int, ...]:
    return verify_allocation(
        case.scores,
        supply=case.supply,
        floor=case.floor,
        cap=case.cap,
        level=level,
        marginal=marginal,
    )


@checked
@given(cases())
def test_shares__always__use_the_supply_within_floor_and_cap(case: DstCase) -> None:
    given_out = shares(case)
    low = effective_floor(case)
    assert all(low <= share <= case.cap for share in given_out)
    assert sum(given_out) <= case.supply
    if sum(given_out) < case.supply:
        # Never issued: every positive score is at the cap.
        assert all(
            share == (case.cap if score else low)
            for score, share in zip(case.scores, given_out, strict=True)
        )


@checked
@given(cases())
def test_shares__always__follow_the_scores(case: DstCase) -> None:
    given_out = shares(case)
    ranked = sorted(range(len(given_out)), key=lambda i: (-case.scores[i], i))
    assert [given_out[i] for i in ranked] == sorted(given_out, reverse=True)


@checked
@given(cases())
def test_level__brute_force_by_bisection__agrees(case: DstCase) -> None:
    """An independent search for λ lands within a hair of the exact one."""
    assume(any(case.scores))
    found = allocate(case.scores, supply=case.supply, floor=case.floor, cap=case.cap)
    low = effective_floor(case)

    def total(level: Fraction) -> Fraction:
        return sum(min(max(level * s, Fraction(low)), Fraction(case.cap)) for s in case.scores)

    assert total(found.level) <= case.supply
    above = found.level + Fraction(1, 10**9)
    at_caps = total(found.level) == total(Fraction(10**9))
    assert total(above) > case.supply or at_caps or total(found.level) == case.supply


@checked
@given(cases(), st.data())
def test_verification__exactly_the_right_claim__passes(case: DstCase, data: st.DataObject) -> None:
    found = allocate(case.scores, supply=case.supply, floor=case.floor, cap=case.cap)
    assert verified(case, found.level, found.marginal) == found.shares
    level = found.level * data.draw(st.fractions(0, 2, max_denominator=50))
    marginal = data.draw(st.sampled_from([None, *range(len(case.scores))]))
    try:
        claimed = verified(case, level, marginal)
    except IntegrityError:
        return
    assert claimed == found.shares


@checked
@given(cases())
def test_shares__scores_scaled_together__stay_the_same(case: DstCase) -> None:
    scaled = replace(case, scores=tuple(7 * score for score in case.scores))
    assert shares(scaled) == shares(case)


@pytest.mark.parametrize(
    ("scores", "supply", "floor", "cap", "expected"),
    [
        ((1, 1, 1), 100, 0, 100, (34, 33, 33)),
        ((0, 1), 100, 10, 100, (10, 90)),
        ((0, 0), 100, 10, 100, (10, 10)),
        ((1, 3), 100, 0, 60, (40, 60)),
        ((1, 1), 100, 0, 30, (30, 30)),
        ((1, 1, 1), 2, 5, 100, (1, 1, 0)),
        ((1,), 0, 5, 5, (0,)),
        ((), 100, 5, 5, ()),
    ],
)
def test_shares__small_cases__are_as_computed_by_hand(
    scores: tuple[int, ...], supply: int, floor: int, cap: int, expected: tuple[int, ...]
) -> None:
    fractions = tuple(Fraction(score) for score in scores)
    assert shares(DstCase(fractions, supply, floor, cap)) == expected


def test_shares__floor_above_an_equal_split__becomes_the_split() -> None:
    assert shares(DstCase((Fraction(0), Fraction(1)), 11, 10, 11)) == (5, 6)


@pytest.mark.parametrize(
    ("supply", "floor", "cap", "score"), [(-1, 0, 0, 1), (9, 5, 4, 1), (9, 0, 9, -1)]
)
def test_allocate__impossible_parameters__are_refused(
    supply: int, floor: int, cap: int, score: int
) -> None:
    with pytest.raises(InputError):
        allocate([Fraction(score)], supply=supply, floor=floor, cap=cap)


# --- scores -------------------------------------------------------------------------------------


def test_scores__by_hand__are_the_papers_formula() -> None:
    scores = dst_scores(
        [100, 300],
        [5000, 5000],
        [1, -7],
        alpha=Fraction(1, 2),
        beta=Fraction(1, 4),
        gamma=Fraction(1, 4),
    )
    assert scores == (Fraction(1, 2), Fraction(1, 2))


def test_scores__component_without_any__contributes_nothing() -> None:
    scores = dst_scores([1, 1], [0, 0], [-1, 0], alpha=THIRD, beta=THIRD, gamma=THIRD)
    assert scores == (Fraction(1, 6), Fraction(1, 6))


@pytest.mark.parametrize(
    ("volumes", "qualities", "gains", "alpha"),
    [([1], [1, 2], [1], THIRD), ([1], [1], [1], Fraction(1, 2)), ([-1], [1], [1], THIRD)],
)
def test_scores__bad_arguments__are_refused(
    volumes: list[int], qualities: list[int], gains: list[int], alpha: Fraction
) -> None:
    with pytest.raises(InputError):
        dst_scores(volumes, qualities, gains, alpha=alpha, beta=THIRD, gamma=THIRD)


def test_scores__negative_weight__is_refused() -> None:
    with pytest.raises(InputError):
        dst_scores([1], [1], [1], alpha=Fraction(2), beta=Fraction(-1), gamma=Fraction(0))


@pytest.mark.parametrize(
    ("level", "marginal", "message"),
    [
        (Fraction(60), None, "sum to 120"),
        (Fraction(40), None, "sum to 80"),
        (Fraction(50), 0, "not a share with a remainder"),
        (Fraction(50), 7, "not a share with a remainder"),
    ],
)
def test_verification__wrong_claim__is_refused(
    level: Fraction, marginal: int | None, message: str
) -> None:
    case = DstCase((Fraction(1), Fraction(1)), 100, 0, 100)
    with pytest.raises(IntegrityError, match=message):
        verified(case, level, marginal)


@pytest.mark.parametrize("marginal", [None, 1, 2])
def test_verification__too_many_or_too_few_rounded_up__is_refused(marginal: int | None) -> None:
    """Three shares of 100/3: only the first is rounded up."""
    case = DstCase((Fraction(1),) * 3, 100, 0, 100)
    assert verified(case, Fraction(100, 3), 0) == (34, 33, 33)
    with pytest.raises(IntegrityError, match="rounded at"):
        verified(case, Fraction(100, 3), marginal)
