from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from oracles.impact import GRID
from oracles.impact.report import clip_blocks, rescale, standard_errors

INFLUENCE = arrays(np.float64, st.integers(1, 8), elements=st.floats(-1, 1, width=32))


@given(INFLUENCE)
def test_rescale__any_bounds__grid_and_the_largest_at_its_end(bounds):
    phi = rescale(bounds)
    assert phi.dtype == np.int64
    assert (phi[bounds <= 0] == 0).all()
    if (bounds > 0).any():
        assert phi.max() == phi[np.argmax(bounds)] == GRID


def test_rescale__zero_anchored__keeps_ratios():
    assert rescale(np.array([0.4, 0.1, 0.00004, -5.0])).tolist() == [GRID, GRID // 4, 1, 0]


def test_rescale__minmax__junk_lifts_all_others():
    assert rescale(np.array([0.4, 0.1, -5.0]), "minmax")[1] > 0.9 * GRID
    assert rescale(np.array([0.4]), "minmax").tolist() == [GRID]


def test_rescale__nobody_above_zero__all_zero():
    assert rescale(np.array([-0.1, 0.0])).tolist() == [0, 0]


def test_clip_blocks__one_outlier__bounded_and_others_untouched():
    documents = np.ones((2, 12))
    documents[:, 0] = 100.0
    owners = np.repeat([1, 2, 3], 4)
    clipped, limit = clip_blocks(documents, owners, np.full(12, 10), 4.0)
    assert limit == pytest.approx(0.4)
    assert clipped[:, 0].tolist() == pytest.approx([4.0, 4.0])
    assert (clipped[:, 1:] == 1).all()


def test_clip_blocks__attacker_with_many_documents__cannot_move_the_limit_far():
    honest = np.ones((1, 40))
    owners = np.repeat([1, 2, 3, 4], 10)
    loud = honest.copy()
    loud[:, owners == 4] = 1000.0
    limits = [clip_blocks(d, owners, np.ones(40, int), 4.0)[1] for d in (honest, loud)]
    assert limits[0] == limits[1]


def test_standard_errors__documents_only__closed_form_of_the_bootstrap():
    rng = np.random.default_rng(0)
    documents = rng.normal(1.0, 0.5, 30)
    owners = np.ones(30, int)
    (error,) = standard_errors(documents.sum(keepdims=True)[None], documents, owners, np.arange(30))
    draws = documents[rng.integers(0, 30, (20_000, 30))].sum(1)
    assert error == pytest.approx(draws.std() * np.sqrt(30 / 29), rel=0.03)


def test_standard_errors__seeds_only__falls_with_their_number():
    providers = np.array([[1.0, 2.0], [3.0, 2.0]])
    errors = standard_errors(providers, None, np.array([1, 2]), np.arange(2))
    # Variances 2 and 0, mean 1: shrunk to 1.5 and 0.5, over two seeds.
    assert errors == pytest.approx(np.sqrt([0.75, 0.25]))


def test_standard_errors__one_noisy_provider__raises_nobody_elses():
    rng = np.random.default_rng(0)
    providers = rng.normal(1.0, 0.1, (3, 5))
    noisy = np.concatenate([providers, rng.normal(0.0, 50.0, (3, 1))], 1)
    quiet = standard_errors(providers, None, np.arange(1, 6), np.arange(5))
    beside = standard_errors(noisy, None, np.arange(1, 7), np.arange(6))
    assert np.all(beside[:5] < 2 * quiet)


def test_standard_errors__documents_of_one_page__count_as_one():
    pages = np.array([3.0, 1.0, 2.0])
    owners, clusters = np.ones(6, int), np.repeat([0, 1, 2], 2)
    whole = standard_errors(pages.sum(keepdims=True)[None], pages, np.ones(3, int), np.arange(3))
    parts = np.repeat(pages / 2, 2)
    assert standard_errors(parts.sum(keepdims=True)[None], parts, owners, clusters) == whole
