"""The Merkle tree of an append-only log (RFC 6962, section 2.1): roots, inclusion, consistency.

    leaf  keccak256(0x04 ‖ entry)
    node  keccak256(0x05 ‖ left ‖ right)

Only the leaves' hashes are kept, and the hash of each complete block of 4,096 of them, so a proof
among ten million entries reads a few blocks, and a root hashes a few thousand nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from oracles.dataset.merkle import HASH_BYTES, branch_root, keccak
from oracles.errors import InputError
from oracles.files import write_all

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ENTRY_LEAF: Final = b"\4"
ENTRY_NODE: Final = b"\5"
#: Leaves whose common node is kept; a power of two.
_KEPT: Final = 4096


def entry_hash(entry: bytes) -> bytes:
    """Leaf of an entry: 32 bytes."""
    return keccak(ENTRY_LEAF + entry)


def _node(left: bytes, right: bytes) -> bytes:
    return keccak(ENTRY_NODE + left + right)


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


class Tree:
    """Hashes of a log's entries on disk.

    Both files are made again from the log where they differ, so they may be lost.

    Args:
        path: of the file with the leaves' hashes; that with the blocks' lies beside it.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+b", buffering=0)
        self._blocks = path.with_name(path.name + ".blocks").open("a+b", buffering=0)
        self._file.seek(0, 2)
        self.size = self._file.tell() // HASH_BYTES
        self._file.truncate(self.size * HASH_BYTES)
        self._blocks.seek(0)
        kept = self._blocks.read(self.size // _KEPT * HASH_BYTES)
        self._kept = [kept[i : i + HASH_BYTES] for i in range(0, len(kept), HASH_BYTES)]
        self._trim()

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        self._blocks.close()

    def append(self, leaves: Sequence[bytes]) -> None:
        """Add leaves' hashes at the end."""
        write_all(self._file, b"".join(leaves))
        self.size += len(leaves)

    def truncate(self, size: int) -> None:
        """Forget all leaves from place `size` on."""
        self._file.truncate(size * HASH_BYTES)
        self._file.seek(0, 2)
        self.size = size
        self._trim()

    def _trim(self) -> None:
        """Forget blocks that are not whole."""
        del self._kept[self.size // _KEPT :]
        if self._kept and len(self._kept[-1]) < HASH_BYTES:
            self._kept.pop()
        self._blocks.truncate(len(self._kept) * HASH_BYTES)

    def trust(self, size: int) -> None:
        """Keep the blocks of the first `size` leaves alone; others are computed again."""
        del self._kept[size // _KEPT :]
        self._trim()

    def leaves(self, start: int, end: int) -> list[bytes]:
        """Hashes of the leaves from `start` to below `end`, as far as there are any."""
        self._file.seek(start * HASH_BYTES)
        data = (
            self._file.read((min(end, self.size) - start) * HASH_BYTES)
            if start < self.size
            else b""
        )
        self._file.seek(0, 2)
        return [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)]

    def root(self, size: int) -> bytes:
        """Root over the first `size` leaves, 32 bytes; 32 zero bytes for none.

        Raises:
            InputError: there are not so many.
        """
        self._check(size)
        return self._hash(0, size) if size else bytes(HASH_BYTES)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Siblings from the leaf at `index` up to the root over the first `size` leaves.

        Raises:
            InputError: there are not so many.
        """
        self._check(size)
        if not 0 <= index < size:
            raise InputError(f"there is no entry {index} among {size}")
        start, end, branch = 0, size, list[bytes]()
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                branch.append(self._hash(middle, end))
                end = middle
            else:
                branch.append(self._hash(start, middle))
                start = middle
        return branch[::-1]

    def consistency(self, old: int, size: int) -> list[bytes]:
        """Proof that the first `old` of `size` leaves are those of the earlier root.

        Raises:
            InputError: there are not so many.
        """
        self._check(size)
        if not 0 < old <= size:
            raise InputError(f"{old} is no earlier size than {size}")
        return self._subproof(old, 0, size, whole=True)

    def _subproof(self, old: int, start: int, end: int, *, whole: bool) -> list[bytes]:
        size = end - start
        if old == size:
            return [] if whole else [self._hash(start, end)]
        half = _split(size)
        middle = start + half
        if old <= half:
            return [*self._subproof(old, start, middle, whole=whole), self._hash(middle, end)]
        rest = self._subproof(old - half, middle, end, whole=False)
        return [*rest, self._hash(start, middle)]

    def _check(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise InputError(f"the log has {self.size} entries, not {size}")

    def _hash(self, start: int, end: int) -> bytes:
        """Root over the leaves in [start, end), where start is a multiple of the split size."""
        size = end - start
        if size > _KEPT:
            middle = start + _split(size)
            return _node(self._hash(start, middle), self._hash(middle, end))
        if size == _KEPT and start == len(self._kept) * _KEPT:
            block = self._of_block(start, end)
            self._kept.append(block)
            write_all(self._blocks, block)
        if size == _KEPT and start // _KEPT < len(self._kept):
            return self._kept[start // _KEPT]
        return self._of_block(start, end)

    def _of_block(self, start: int, end: int) -> bytes:
        level = self.leaves(start, end)
        while len(level) > 1:
            pairs = zip(level[::2], level[1::2], strict=False)
            level = [_node(a, b) for a, b in pairs] + level[len(level) & ~1 :]
        return level[0]


def includes(leaf: bytes, index: int, size: int, branch: Sequence[bytes], root: bytes) -> bool:
    """Whether a branch leads from the leaf at `index` to the root over `size` leaves."""
    return 0 <= index < size and branch_root(leaf, index, size, branch, ENTRY_NODE) == root


def consistent(old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether a log only grew between two roots (RFC 9162, section 2.1.4.2).

    Args:
        old: entries then.
        old_root: root then.
        size: entries now.
        root: root now.
        proof: as `Tree.consistency` gives it.
    """
    if not 0 <= old <= size:
        return False
    if old in (0, size):
        same = old_root == root if old else old_root == bytes(HASH_BYTES)
        return same and not proof
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    first, last = old - 1, size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    node_old = node_new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            node_old, node_new = _node(sibling, node_old), _node(sibling, node_new)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            node_new = _node(node_new, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and node_old == old_root and node_new == root
