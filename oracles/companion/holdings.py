"""The bids that a companion looks after: the bid book's, or shares of others' bids.

People edit, move and restore folders while the companion runs, so they are read again in every
cycle, a file that cannot be read harms no other, and what was read once and is right stays in
memory: a record that disappears is missed, but its deadline is not.
"""

from __future__ import annotations

import errno
import fcntl
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from eth_utils.address import to_checksum_address

from oracles.chain.packing import same_address
from oracles.errors import ConfigError, InputError
from oracles.market.book import BidRecord, read_record
from oracles.market.share import Share, read_share
from oracles.service.database import BusyError

if TYPE_CHECKING:
    from collections.abc import Callable, Set
    from pathlib import Path

#: Errors by which a file system says that it has no locks.
_NO_LOCKS: Final = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF)


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held of one bid.

    Attributes:
        share: enough to reveal it, and what the owner signed besides.
        record: the book's, with the data key; None in somebody else's hands.
    """

    share: Share
    record: BidRecord | None = None


@dataclass(frozen=True, slots=True)
class _Read:
    stamp: tuple[int, int, int]
    holding: Holding | None
    problem: str


class Holdings:
    """All bids of one deployment in a book and a folder of shares.

    Args:
        book, shares: folders; None where there is none.
        chain_id, contract: of the deployment; bids of others are passed over.
    """

    def __init__(
        self, book: Path | None, shares: Path | None, chain_id: int, contract: str
    ) -> None:
        self._folders: list[tuple[Path, Callable[[Path], Holding]]] = []
        if book is not None:
            self._folders.append((book, _from_book))
        if shares is not None:
            self._folders.append((shares, lambda path: Holding(read_share(path))))
        self._chain_id, self._contract = chain_id, contract
        self._files: dict[Path, _Read] = {}
        self._held: dict[bytes, Holding] = {}
        self._locks: dict[Path, int] = {}
        #: What is wrong with the folders now, a sentence each.
        self.problems: list[str] = []

    def read(self, over: Set[bytes] = frozenset()) -> dict[bytes, Holding]:
        """Everything that is held, by sealed bid.

        Args:
            over: bids that need nothing any more, and are passed over.

        Raises:
            BusyError: another companion looks after the same folder.
        """
        self.problems = []
        present: set[bytes] = set()
        for folder, read in self._folders:
            try:
                self._lock(folder)
                paths = sorted(path for path in folder.iterdir() if path.suffix == ".json")
            except OSError as error:
                self.problems.append(
                    f"{folder} cannot be read ({error.strerror}): put it back. What was read"
                    " before is still held in memory, until this program ends"
                )
                present |= self._held.keys()
                continue
            for path in paths:
                found = self._file(path, read)
                if found.problem:
                    self.problems.append(found.problem)
                if found.holding is not None:
                    present.add(self._hold(found.holding))
            self._files = {p: r for p, r in self._files.items() if p.parent != folder or p in paths}
        for sealed in over & self._held.keys():
            del self._held[sealed]
        for sealed in sorted(self._held.keys() - present):
            share = self._held[sealed].share
            self.problems.append(
                f"the bid of {share.cost} units in auction {share.auction} is gone from its folder:"
                " put it back. It is still held in memory, until this program ends"
            )
        return self._held

    def close(self) -> None:
        """Let the folders go."""
        for handle in self._locks.values():
            os.close(handle)
        self._locks = {}

    def _hold(self, holding: Holding) -> bytes:
        sealed = holding.share.sealed_bid
        before = self._held.get(sealed)
        # The same bid may be in the book and among the shares: the record can do more.
        if before is None or before.record is None or holding.record is not None:
            self._held[sealed] = holding
        return sealed

    def _file(self, path: Path, read: Callable[[Path], Holding]) -> _Read:
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        except OSError as error:
            return _Read((0, 0, 0), None, f"{path} cannot be read: {error.strerror}")
        known = self._files.get(path)
        if known is None or known.stamp != stamp:
            known = self._files[path] = self._parse(path, stamp, read)
        return known

    def _parse(
        self, path: Path, stamp: tuple[int, int, int], read: Callable[[Path], Holding]
    ) -> _Read:
        try:
            holding = read(path)
        except (ConfigError, InputError) as error:
            return _Read(stamp, None, str(error))
        share = holding.share
        if share.chain_id != self._chain_id or not same_address(share.contract, self._contract):
            return _Read(stamp, None, "")
        return _Read(stamp, holding, "")

    def _lock(self, folder: Path) -> None:
        """Keep a second companion of this machine out, without leaving anything in the folder."""
        inode = folder.stat().st_ino
        held = self._locks.get(folder)
        if held is not None:
            if os.fstat(held).st_ino == inode:
                return
            os.close(self._locks.pop(folder))
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise BusyError(
                f"another companion looks after {folder}: stop it first, so that nothing is sent"
                " twice"
            ) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(handle)
                raise
        self._locks[folder] = handle


def _from_book(path: Path) -> Holding:
    record = read_record(path)
    try:
        share = Share.of(record)
        sealed = share.sealed_bid
        to_checksum_address(share.owner)
    except Exception as error:
        # The encoder has errors of its own for each field that somebody edited.
        raise ConfigError(f"{path} is damaged: {error}; restore it from a copy") from error
    if sealed != record.sealed_bid:
        raise ConfigError(
            f"{path} was changed: its cost and salt are not those that were sealed, so they cannot"
            " open the bid; restore it from a copy"
        )
    return Holding(share, record)
