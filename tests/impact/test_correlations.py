from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from oracles.impact.correlations import correlation, interval, noise_ceiling, ranks


def test_correlation__with_ties__equal_to_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, 40).astype(float), rng.integers(0, 6, 40).astype(float)
    assert correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert ranks(np.array([3.0, 1.0, 3.0])).tolist() == [2.5, 1.0, 2.5]
    assert correlation(a, np.ones(40)) == 0.0


def test_noise_ceiling__simulated_noise__is_what_the_signal_itself_reaches():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=4000)
    noisy = signal + rng.normal(size=(3, 4000))
    reached = correlation(signal, noisy.mean(0))
    assert noise_ceiling(noisy) == pytest.approx(reached, abs=0.02)
    assert noise_ceiling(np.tile(signal, (3, 1))) == pytest.approx(1.0)
    assert noise_ceiling(signal[None]) is None


def test_interval__more_subsets__narrower_and_around_the_estimate():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=400)
    noisy = signal + 0.5 * rng.normal(size=(3, 400))
    point, low, high = interval(signal, noisy, 300)
    assert low < point < high
    _, wide_low, wide_high = interval(signal[:30], noisy[:, :30], 300)
    assert high - low < wide_high - wide_low
