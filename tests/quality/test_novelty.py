from __future__ import annotations

import datetime
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.errors import InputError
from oracles.quality.embed import SCALE, WIDTH, quantise
from oracles.quality.index import NeighbourIndex, build
from oracles.quality.novelty import MICRO, calibrate, nearest, novelty, recency

TODAY = datetime.date(2026, 11, 21)


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        (TODAY, MICRO),
        (TODAY - datetime.timedelta(days=50), MICRO // 2),
        (TODAY - datetime.timedelta(days=100), 0),
        (datetime.date(1850, 1, 1), 0),
        (TODAY + datetime.timedelta(days=1), 0),
        (None, 0),
    ],
)
def test_recency__when_dated__then_it_falls_linearly_and_is_clipped(date, expected):
    assert recency(date, TODAY, 100) == expected


@given(st.fractions(0, 1), st.fractions(0, 1), st.integers(0, 10_000))
def test_novelty__when_parts_are_shares__then_it_is_one(fresh, copied, weight):
    assert 0 <= novelty(fresh, copied, weight) <= 1
    assert novelty(Fraction(1), Fraction(0), weight) == 1


def test_calibrate__when_cosines_rise__then_duplication_goes_from_zero_to_one():
    cosines = np.array([0, 500_000, 725_000, 950_000, MICRO])
    assert calibrate(cosines, 500_000, 950_000).tolist() == [0, 0, MICRO // 2, MICRO, MICRO]


def test_nearest__when_blocks_differ__then_the_result_does_not():
    rng = np.random.default_rng(1)
    reference = quantise(rng.normal(size=(300, WIDTH)))
    queries = np.concatenate([reference[7:9], quantise(rng.normal(size=(20, WIDTH)))])
    found = nearest(queries, reference)
    assert found[:2].tolist() == [MICRO, MICRO]
    assert (nearest(queries, reference, block=7) == found).all()
    assert (nearest(queries[::-1], reference) == found[::-1]).all()


def test_index__when_candidates_are_rescored__then_it_agrees_with_the_exact_search(tmp_path):
    rng = np.random.default_rng(2)
    centers = rng.normal(size=(20, WIDTH))
    points = centers[rng.integers(0, 20, 2000)] + 0.5 * rng.normal(size=(2000, WIDTH))
    vectors = np.rint(quantise(points) * (400 / SCALE)).astype(np.int8)
    path = tmp_path / "reference.faiss"
    build(vectors, path, lists=16)
    queries = quantise(points[:100] + 0.1 * rng.normal(size=(100, WIDTH)))
    assert (NeighbourIndex(path, vectors).nearest(queries) == nearest(queries, vectors)).all()
    with pytest.raises(InputError, match="2000 vectors"):
        NeighbourIndex(path, vectors[:10])
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="not an index"):
        NeighbourIndex(path, vectors)
