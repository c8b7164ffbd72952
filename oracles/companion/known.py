"""What a companion knows from its last look at the chain; its parts share it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oracles.companion.tasks import Task
    from oracles.companion.words import Deadline
    from oracles.service.chainview import Head
    from oracles.service.duty import Duty


@dataclass(slots=True)
class Known:
    """What is known, and what kept duties from being done.

    Attributes:
        head: block of the last cycle; None before the first.
        seen_at, started_at: when the chain was seen last, and the start; of the monotonic clock.
        tasks: what comes next, by auction and bid.
        deadlines: of all bids, the nearest first.
        troubles: what kept a duty from being done last, and since when it fails (monotonic).
        abandoned: duties that somebody else has done.
    """

    head: Head | None = None
    seen_at: float = 0.0
    started_at: float = field(default_factory=time.monotonic)
    tasks: dict[tuple[int, int], Task] = field(default_factory=dict)
    deadlines: list[Deadline] = field(default_factory=list)
    troubles: dict[Duty, tuple[str, float]] = field(default_factory=dict)
    abandoned: set[Duty] = field(default_factory=set)

    def now(self) -> int | None:
        """The chain's time, by this machine's clock since the chain was seen last."""
        if self.head is not None:
            blind = time.monotonic() - self.seen_at
            # Between two good cycles the chain's own clock is right, even where it stands still.
            return self.head.timestamp + (int(blind) if blind > 60 else 0)
        return int(time.time()) if self.deadlines else None

    def failed(self, duty: Duty, error: Exception) -> None:
        """A duty could not be done."""
        since = self.troubles.get(duty, ("", time.monotonic()))[1]
        self.troubles[duty] = (str(error), since)
