"""What a random sample of its pages tells about a data set: estimates and their errors.

The metrics of q are ratios, so those of the sample estimate those of the whole. Volume is the
number of pages times the mean usable tokens of a sampled page. What a sample of a few pages cannot
see, text that repeats itself or an earlier data set, is told by the sketches of the whole sets.
Numbers that are signed come from integers and exact fractions alone; floats are in the errors only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from oracles.dataset import fragments, page_hashes
from oracles.dataset.sketch import MIN_SHIFT
from oracles.quality.parameters import GRID
from oracles.quality.score import combine
from oracles.quality.texts import digest, normalise

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from oracles.dataset import Containment, SeenRuns, Sketch
    from oracles.quality import QualityReport

#: Tokens in one unit of volume.
VOLUME_TOKENS: Final = 1024
#: Share of its runs of letters that are distinct in any honest set. Of 27 corpora, up to 41 MB, all
#: but a collection of licences have 0.71 and more, most 0.9 (`benchmarks/sampling.py`). A set with
#: fewer repeats itself.
NATURAL_RECURRENCE: Final = Fraction(7, 10)


#: What single pages of one data set usually differ by: the standard deviation of q in 1e-4, and of
#: usable tokens as a share; and the parts of a sample that this is worth as much as.
_USUAL_Q: Final = 250.0
_USUAL_TOKENS: Final = 0.2
_USUAL_PARTS: Final = 3


def _student(freedom: int) -> float:
    """Half the width of a 95 % interval by Student's t, in standard errors; within 1 % from 3 on.

    Expansion of Cornish and Fisher, Abramowitz and Stegun 26.7.5.
    """
    z = 1.959964
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / float(freedom) ** power for power, term in enumerate(terms, 1))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one sample tells about its data set.

    Attributes:
        pages: number and 16 KiB of each sampled page, ascending.
        total: pages of the data set.
        report: quality of the sampled pages.
        copied: runs of the whole data set that earlier ones have, by the sketches.
        page_copies: the same share for each sampled page, as far as it is known.
        distinct: share of the text that is left after the repetitions that the sample cannot show.
    """

    pages: tuple[tuple[int, bytes], ...]
    total: int
    report: QualityReport
    copied: Containment
    page_copies: tuple[Fraction, ...]
    distinct: Fraction

    @classmethod
    def of(
        cls,
        pages: tuple[tuple[int, bytes], ...],
        total: int,
        sketch: Sketch,
        report: QualityReport,
        earlier: SeenRuns,
    ) -> Estimate:
        """Put the quality of a sample and the sketches together.

        Args:
            pages: number and 16 KiB of each sampled page, ascending.
            total: pages of the data set.
            sketch: of the whole data set.
            report: of `oracles.quality.score_pages`.
            earlier: runs of the data sets that were committed before.
        """
        parts = [sketch.parts.get(page, _NONE) for page, _ in pages]
        copies = tuple(Fraction(int(earlier.find(part).sum()), max(1, len(part))) for part in parts)
        in_sample = distinct_share(page_hashes(page, MIN_SHIFT) for _, page in pages)
        in_all = min(Fraction(1), distinct_share(sketch.parts.values()) / NATURAL_RECURRENCE)
        distinct = min(Fraction(1), in_all / in_sample)
        return cls(pages, total, report, earlier.containment(sketch), copies, distinct)

    @property
    def unique(self) -> Fraction:
        """Share of the distinct text that is in no earlier set: the lower of both measurements."""
        return min(Fraction(self.report.unique, GRID), 1 - self.copied.share)

    @property
    def accepted(self) -> bool:
        """Whether enough of it is in no earlier set."""
        floor: int = self.report.evidence["parameters"]["unique_floor"]
        return self.unique >= Fraction(floor, GRID) and self.report.accepted_as_unique

    @property
    def new(self) -> Fraction:
        """Part of what is new by the samples alone that is new by the sketches too."""
        by_sample = Fraction(self.report.unique, GRID)
        return self.unique / by_sample if by_sample else Fraction(0)

    @property
    def tokens(self) -> Fraction:
        """Usable tokens of the whole data set."""
        mean = Fraction(self.report.volume, max(1, len(self.pages)))
        return self.total * mean * self.distinct * self.new

    @property
    def volume(self) -> int:
        """The same in units of `VOLUME_TOKENS`, rounded up: any usable text is worth one."""
        return math.ceil(self.tokens / VOLUME_TOKENS)

    @property
    def highest_q(self) -> int:
        """What q would be if all of the text were novel, in 1e-4.

        Who takes part in the training changes everybody's φ̂, so it must not hang on a float.
        Novelty comes from floats, and may differ by a grid step between honest machines.
        """
        report = self.report
        values = {
            "cleanliness": report.cleanliness,
            "diversity": report.diversity,
            "novelty": report.cleanliness,
            "metadata": report.metadata,
        }
        return combine(values, report.evidence["parameters"]["weights"])

    def standard_errors(self) -> dict[str, float] | None:
        """Standard errors of q (1e-4) and of the tokens; None where one page of several was read.

        The truth is within two of them in about 95 of 100 samples. They are 0 where every page was
        read. Otherwise they come from how the parts of the sample differ. A few parts may be alike
        by luck, so what single pages usually differ by is taken in as if further parts had been
        seen; and they are wider by Student's t, because the spread itself is estimated.
        """
        read, total = len(self.pages), self.total
        if read == total:
            return {"q": 0.0, "tokens": 0.0}
        parts = np.array(self.report.parts, np.float64)
        count = len(parts)
        if count < 2:
            return None
        usual = np.array([_USUAL_Q, _USUAL_TOKENS * parts[:, 1].mean()]) ** 2 * count / read
        seen = ((parts - parts.mean(axis=0)) ** 2).sum(axis=0)
        freedom = _USUAL_PARTS + count - 1
        spread = np.sqrt((_USUAL_PARTS * usual + seen) / freedom)
        # Pages are drawn without replacement.
        error = spread * math.sqrt((1 - read / total) / count) * _student(freedom) / 2
        mean = max(1.0, float(parts[:, 1].mean()))
        return {"q": float(error[0]), "tokens": float(self.tokens) * float(error[1]) / mean}

    def training(self) -> tuple[list[str], int]:
        """Text of the sampled pages that the model is trained on, and what it stands for, in pages.

        Pages are left out in proportion to what earlier sets have of the text and the samples do
        not show, first those of which most is known to be copied. Of a document of which a share
        was found to be in no order or to make no sense, that share is left out.
        """
        order = sorted(range(len(self.page_copies)), key=lambda place: self.page_copies[place])
        kept = sorted(order[: round(len(order) * self.new)])
        senseless: dict[str, int] = self.report.evidence["tally"]["coherence"]["documents"]

        def sensible(text: str) -> str:
            lost = senseless.get(digest(normalise(text)).hex(), 0)
            return text[: len(text) * (GRID - lost) // GRID]

        pages = [fragments(self.pages[place][1]) for place in kept]
        texts = ["\n".join(sensible(document.text) for document in page) for page in pages]
        return texts, self.total * len(kept) // max(1, len(order))

    def to_json(self) -> dict[str, Any]:
        """For the evidence."""
        return {
            **self.report.to_json(),
            "pages": {"read": len(self.pages), "total": str(self.total)},
            "parts": [list(part) for part in self.report.parts],
            "copied": self.copied._asdict(),
            "distinct": str(self.distinct),
            "tokens": str(self.tokens),
            "volume": self.volume,
            "standard_errors": self.standard_errors(),
            "evidence": self.report.evidence,
        }


_NONE: Final[NDArray[np.uint64]] = np.zeros(0, np.uint64)


def distinct_share(parts: Iterable[NDArray[np.uint64]]) -> Fraction:
    """Distinct runs of some pages, as a share of the runs that are distinct in each page."""
    hashes = np.concatenate([_NONE, *parts])
    return Fraction(len(np.unique(hashes)), len(hashes)) if len(hashes) else Fraction(1)
