"""Facts of one page, counted from that page alone: what a proof of a threshold adds up.

They are counts of the quality score for a set that were this page only. Nothing of the auction goes
in, neither its day nor its sample key, so the provider can count them before there is an auction
and an operator counts the same.
"""

from __future__ import annotations

import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from oracles.dataset import fragments
from oracles.dataset.sketch import fold, run_hashes
from oracles.proof.facts import MOST, Facts
from oracles.quality import references
from oracles.quality.cleanliness import cleanliness
from oracles.quality.parameters import QualityParameters
from oracles.quality.profile import profile
from oracles.quality.repeats import Compared
from oracles.quality.score import LETTERS_PER_TOKEN

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: No date is judged against a day here: the tree is made before the auction's day is known.
_PARAMETERS: Final = QualityParameters(today=datetime.date.max)


@lru_cache(maxsize=1)
def _pairs() -> NDArray[np.uint8]:
    return references.default().pairs


def page_facts(page: bytes) -> Facts:
    """Count a page.

    Args:
        page: 16 KiB of a data set.

    Returns:
        Its facts. A page that holds more documents than any text does is counted up to the bound.
    """
    compared = Compared(None)
    usable = letters = lost = filled = expected = 0
    documents = fragments(page)
    for document in documents:
        for item in profile(document, _PARAMETERS, _pairs()):
            clean = cleanliness(item.counts, _PARAMETERS.error_factor)
            new = int(compared.new(item.text).of_all * item.letters)
            usable += int(new * clean * clean)
            letters += item.letters
            lost += min(item.letters, item.counts.total)
            if item.described:
                filled += len(item.valid)
                expected += len(_PARAMETERS.required_fields)
    runs = run_hashes(fold("\n".join(document.text for document in documents)))
    letters, expected = min(letters, MOST), min(expected, MOST)
    return Facts(
        tokens=min(usable, letters) // LETTERS_PER_TOKEN,
        letters=letters,
        lost=min(lost, letters),
        filled=min(filled, expected),
        expected=expected,
        repeated=min(MOST, len(runs)) - min(MOST, len(np.unique(runs))),
        runs=min(MOST, len(runs)),
    )
