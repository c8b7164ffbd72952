"""How long work reports how far it is: one protocol for bars, logs and tests."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives how far a stage of some work is."""

    def __call__(self, stage: str, done: int, total: int | None, /) -> None:
        """Take note; called often, so it must be cheap.

        Args:
            stage: Name of what is being done, in lower case.
            done: Units finished so far.
            total: Units in all, or None where nobody knows.
        """


def silent(_stage: str, _done: int, _total: int | None, /) -> None:
    """Ignore progress: the default where nobody watches."""
