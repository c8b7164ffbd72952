"""Brings new evidence to the IPFS nodes that pin it; nothing else waits for them."""

from __future__ import annotations

import contextlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from oracles.errors import IntegrityError
from oracles.evidence import Cid, IpfsStore, StoreError

if TYPE_CHECKING:
    from oracles.evidence import DirectoryStore
    from oracles.operator.settings import Stores
    from oracles.service.failures import Failures

#: Why evidence is held that waits for its pins.
_UNPINNED = "unpinned"


class Pinner:
    """Pins in a thread of its own, and goes on after a restart with what is not pinned.

    Args:
        evidence: local store.
        settings: nodes that pin, and how many of them must.
        timeout: seconds until one request is given up.
        failures: where they are noted.
    """

    def __init__(
        self, evidence: DirectoryStore, settings: Stores, timeout: float, failures: Failures
    ) -> None:
        self._evidence = evidence
        self._settings = settings
        self._timeout = timeout
        self._failures = failures
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pinning")
        self._running: Future[set[Cid]] | None = None
        self._waiting = {cid for cid in evidence.cids() if _UNPINNED in evidence.held(cid)}

    @property
    def waiting(self) -> int:
        """Number of files that wait for their pins."""
        return len(self._waiting)

    def close(self) -> None:
        """Start no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def add(self, cid: Cid) -> None:
        """Have a file pinned, if there are nodes for it."""
        if self._settings.pins:
            self._evidence.hold(cid, _UNPINNED)
            self._waiting.add(cid)

    def advance(self) -> None:
        """Take note of what was pinned, and start on what was not."""
        if self._running is not None:
            if not self._running.done():
                return
            running, self._running = self._running, None
            with self._failures.attempt("pin"):
                self._waiting -= running.result()
        if self._waiting and self._failures.ready("pin"):
            self._running = self._thread.submit(self._pin, frozenset(self._waiting))

    def _pin(self, cids: frozenset[Cid]) -> set[Cid]:
        """Pin what the quorum of nodes takes.

        Raises:
            StoreError: the quorum did not take one of them.
        """
        for cid in sorted(cids):
            kept = 0
            for address in self._settings.pins:
                with contextlib.suppress(StoreError, IntegrityError):
                    IpfsStore(address, timeout=self._timeout).put(self._evidence.path(cid))
                    kept += 1
            if kept < self._settings.pin_quorum:
                raise StoreError(
                    f"{cid} is pinned by {kept} nodes, not {self._settings.pin_quorum}"
                )
            self._evidence.release(cid, _UNPINNED)
        return set(cids)
