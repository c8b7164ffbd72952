from __future__ import annotations

from dataclasses import replace

import pytest

from oracles.impact.pricing import Target, measure, prices
from tests.impact.worlds import EVALUATION, NORTH, SEED_CORPUS, SUBMISSIONS, TINY, write


def attacked(held_out):
    real, domain = write(33, NORTH, 10), write(34, NORTH, 10)
    return Target(SEED_CORPUS, SUBMISSIONS, held_out, "north", "south", real, domain)


def test_prices__real_text_noise_and_a_copy__only_real_text_is_paid(tmp_path):
    chosen = (
        "real new text",
        "random characters",
        "victim, every 3rd word replaced",
        "own text five times",
    )
    target = attacked(EVALUATION)
    rows = prices(target, replace(TINY, seeds=(0,)), tmp_path, attacks=chosen)
    assert [row["attack"] for row in rows] == list(chosen[:3])
    real, noise, near_copy = rows
    assert real["phi"] > 1.2
    assert noise["pay"] < 0.9
    assert noise["gain"] < 0
    assert near_copy["tokens"] < 0.2 * real["tokens"]
    assert near_copy["pay"] < 1.1


@pytest.mark.slow
def test_measure__some_attacks__share_beside_the_loss_of_the_buyer(tmp_path):
    chosen = ("real new text", "random characters", "victim, every 3rd word replaced")
    target = attacked(write(20, NORTH, 12))
    rows = list(measure(target, TINY, tmp_path, attacks=chosen))
    assert [row["attack"] for row in rows] == list(chosen)
    real, noise, copy = rows
    assert real["loss_change"] < noise["loss_change"]
    assert copy["phi"] < 1.1
