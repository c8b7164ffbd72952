"""Openings of samples, made in threads: wrapping thousands of page keys takes minutes."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from oracles.market.provider import publish_opening

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oracles.evidence import Store
    from oracles.market.book import BidRecord

#: Made at the same time; a store that hangs for one does not keep all the others waiting.
_PARALLEL: Final = 4


class Openings:
    """Makes each opening once."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="opening")
        self._made: dict[tuple[bytes, bytes], Future[bytes]] = {}

    def get(
        self, store: Store, record: BidRecord, sample_key: bytes, members: Sequence[bytes]
    ) -> bytes | None:
        """The digest of an opening that is stored; None while it is being made.

        Args:
            store: where manifest and archive are, and where the opening goes.
            record: of a bid that is on chain.
            sample_key: what the sample is drawn from, 32 bytes.
            members: public encryption keys of both panels.

        Raises:
            QmiaError, OSError: it could not be made; the next call tries again.
        """
        # Another draw, after a reorganisation, needs another opening.
        key = (record.sealed_bid, sample_key)
        job = self._made.get(key)
        if job is None:
            self._made[key] = self._pool.submit(publish_opening, store, record, sample_key, members)
            return None
        if not job.done():
            return None
        if job.exception() is not None:
            del self._made[key]
        return job.result()

    def forget(self, sealed: bytes) -> None:
        """Let go of a bid that is open, or over."""
        self._made = {key: job for key, job in self._made.items() if key[0] != sealed}

    def close(self) -> None:
        """Stop; what is being made is made again by the next process."""
        self._pool.shutdown(wait=False, cancel_futures=True)
