"""A scorer that takes no time: characters and distinct texts, the earliest commitment first."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from oracles.chain.packing import Score
from oracles.dataset import Document
from oracles.scoring import Assessment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oracles.progress import Progress
    from oracles.scoring import Scoring, Submission, Task


#: A data set with this in it takes longer to score than any window lasts.
SLOW = Document("This takes for ever.")


class Quick:
    def metric_version(self, settings: Scoring) -> bytes:
        return hashlib.sha256(f"quick {settings.q_min}".encode()).digest()

    def assess(
        self, submissions: Sequence[Submission], task: Task, progress: Progress
    ) -> Assessment:
        seen: set[str] = set()
        scores = {}
        for number, submission in enumerate(submissions, 1):
            texts = [document.text for document in submission.documents()]
            if SLOW.text in texts:
                time.sleep(10**6)
            new = [text for text in texts if text not in seen]
            seen.update(texts)
            characters = sum(map(len, new))
            scores[submission.index] = Score(
                q=min(10_000, 3000 + 10 * len(set("".join(new)))),
                phi=min(10_000, characters),
                volume=characters,
                present=True,
            )
            progress("quick", number, len(submissions))
        return Assessment(scores, {"texts": len(seen), "sample_key": task.sample_key.hex()})


class Count(Quick):
    """Reads one document at a time, and keeps none."""

    def assess(
        self, submissions: Sequence[Submission], task: Task, progress: Progress
    ) -> Assessment:
        del task, progress
        scores = {}
        for submission in submissions:
            count = sum(1 for _ in submission.documents())
            scores[submission.index] = Score(1, 1, count, present=True)
        return Assessment(scores, {})


class Greedy(Quick):
    """Wants all the memory there is."""

    def assess(
        self, submissions: Sequence[Submission], task: Task, progress: Progress
    ) -> Assessment:
        del submissions, task, progress
        kept: list[bytearray] = []
        while True:
            kept.append(bytearray(1 << 26))
