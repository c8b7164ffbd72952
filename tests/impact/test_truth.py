from __future__ import annotations

import numpy as np
import pytest

from oracles.errors import InputError
from oracles.impact.estimate import make_pool
from oracles.impact.truth import Truth, random_halves
from tests.impact.worlds import EVALUATION, SEED_CORPUS, SUBMISSIONS, TINY


def test_random_halves__count__distinct_and_of_half_size():
    halves = random_halves(9, 50)
    assert len({tuple(half) for half in halves}) == 50
    assert {len(half) for half in halves} == {4}
    assert random_halves(9, 50)[:20] == random_halves(9, 20)


def test_random_halves__more_than_there_are__input_error():
    assert len(random_halves(4, 6)) == 6
    with pytest.raises(InputError, match="4 providers have only 6 halves"):
        random_halves(4, 7)


def test_truth__second_time__read_from_the_cache(tmp_path):
    pool = make_pool(SEED_CORPUS, SUBMISSIONS, EVALUATION[:3], TINY.model, outcome=EVALUATION[3:])
    told: list[tuple[str, int, int | None]] = []
    first = Truth(pool, TINY, tmp_path, progress=lambda *step: told.append(step), total=3)
    values = first.table([100], [[], [0], [1]])
    assert values.shape == (2, 1, 3)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    again = Truth(pool, TINY, tmp_path)
    assert np.array_equal(again.table([100], [[], [0], [1]]), values)
    assert path.read_bytes() == content
    assert again.seconds == first.seconds > 0
    assert len(again) == 3
    assert told == [("retraining", done, 3) for done in (1, 2, 3)]
    base, north, south = values[1, 0]
    assert north < base
    assert north < south
