from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.quality.diversity import (
    assign,
    entropy,
    fit,
    folded,
    mean_vector,
    overlap,
    simpson,
    weights_of,
)
from oracles.quality.embed import SCALE, WIDTH, dots, norms, quantise

WEIGHTS = st.lists(st.integers(0, 10**6), min_size=50, max_size=50)


def random_vectors(count, seed=0):
    return quantise(np.random.default_rng(seed).normal(size=(count, WIDTH)))


@given(WEIGHTS)
def test_entropy__when_compared_with_floats__then_it_agrees(weights):
    whole = sum(weights)
    p = [w / whole for w in weights if w] if whole else []
    expected = -sum(x * math.log(x) for x in p) / math.log(50)
    assert abs(float(entropy(weights, 50)) - expected) < 1e-9
    assert abs(float(simpson(weights)) - (1 - sum(x * x for x in p) if p else 0)) < 1e-9


@given(WEIGHTS, st.randoms())
def test_entropy__when_clusters_are_permuted_or_scaled__then_it_is_the_same(weights, rng):
    shuffled = rng.sample(weights, len(weights))
    assert entropy(weights, 50) == entropy(shuffled, 50)
    assert simpson(weights) == simpson([3 * w for w in shuffled])


@pytest.mark.parametrize(
    ("weights", "expected"),
    [([], 0), ([0, 0], 0), ([7], 0), ([5, 0, 0], 0), ([1] * 50, 1)],
)
def test_entropy__when_trivial__then_it_is_zero_or_one(weights, expected):
    assert entropy(weights, 50) == expected


def test_entropy__when_there_are_few_documents__then_it_cannot_be_high():
    assert entropy([1, 1], 50) == pytest.approx(math.log(2) / math.log(50))


@given(WEIGHTS, st.integers(0, 2000))
def test_folded__when_small_clusters_are_folded__then_the_sum_stays(weights, floor):
    large = folded(weights, floor)
    whole = sum(weights)
    assert sum(large) == whole
    assert all(w == 0 or w * 10_000 >= floor * whole for w in large)


def test_folded__when_rare_topics_are_sprinkled__then_they_add_nothing():
    assert entropy(folded([10_000] + [1] * 49, 50), 50) == 0


def test_dots__when_vectors_are_extreme__then_products_are_exact_integers():
    vectors = random_vectors(40)
    vectors[0] = 0
    vectors[0, 0] = SCALE
    exact = vectors.astype(np.int64) @ vectors.astype(np.int64).T
    assert (dots(vectors, vectors).astype(np.int64) == exact).all()
    assert np.abs(exact).max() < 2**24


def test_norms__when_quantised__then_they_are_close_to_the_scale():
    assert np.abs(norms(random_vectors(50)) - SCALE).max() < 15


def test_assign__when_a_vector_is_a_centroid__then_it_is_its_own_cluster():
    centroids = random_vectors(50)
    assert assign(centroids, centroids).tolist() == list(range(50))
    assert assign(centroids[:0], centroids).tolist() == []


def test_fit__when_there_are_fewer_documents_than_clusters__then_there_are_as_many_centroids():
    assert len(fit(random_vectors(3), 50)) == 3
    assert len(fit(np.repeat(random_vectors(1), 5, axis=0), 50)) == 1


def test_mean_vector__when_sentences_are_permuted__then_it_is_the_same():
    vectors = random_vectors(5)
    assert (mean_vector(vectors) == mean_vector(vectors[::-1])).all()


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 256)), max_size=20))
def test_weights_of__when_summed__then_every_token_counts_once(items):
    clusters = np.array([c for c, _ in items], np.int64)
    weights = weights_of(clusters, [t for _, t in items], 5)
    assert sum(weights) == sum(t for _, t in items)
    assert Fraction(weights[2]) == sum(t for c, t in items if c == 2)


def test_overlap__when_pages_are_equal_or_unlike__then_it_is_all_or_nothing():
    page = "".join(chr(97 + n * n % 23) for n in range(700))
    other = "".join(chr(97 + n * n * n % 19) for n in range(700))
    assert overlap([page, page]) == {
        "runs": 2 * len(set(_runs(page))),
        "shared": 2 * len(set(_runs(page))),
    }
    assert overlap([page, other])["shared"] == 0
    assert overlap([page])["shared"] == overlap([page])["runs"]


def test_overlap__when_there_is_one_short_text__then_its_halves_are_compared():
    text = "".join(chr(97 + (n * n * n + 7 * n) % 25 + n // 300) for n in range(500))
    found = overlap([text])
    assert 0 < found["runs"] < 500
    assert found["shared"] < found["runs"]
    assert overlap(["short"]) == {"runs": 1, "shared": 1}


def _runs(page):
    return [page[i : i + 8] for i in range(600)]
