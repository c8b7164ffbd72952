"""Binary Merkle trees over keccak256, in the shape of RFC 6962 §2.1.

A subtree of n leaves splits at the largest power of two below n, so an odd node at the end of a
level goes up unchanged. Leaves and inner nodes are hashed with different first bytes, and each kind
of tree has its own two:

    tree        leaf                                            node
    documents   keccak256(0x00 ‖ canonical document)            keccak256(0x01 ‖ left ‖ right)
    pages       keccak256(0x02 ‖ ciphertext hash ‖ key hash)    keccak256(0x03 ‖ left ‖ right)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from Crypto.Hash import keccak as _keccak

from oracles.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HASH_BYTES: Final = 32
#: First byte of what is hashed to a leaf, and to an inner node, of the two kinds of trees.
DOCUMENT_LEAF: Final = b"\0"
DOCUMENT_NODE: Final = b"\1"
PAGE_LEAF: Final = b"\2"
PAGE_NODE: Final = b"\3"


def keccak(data: bytes) -> bytes:
    """keccak256, as the contracts compute it: 32 bytes."""
    return _keccak.new(digest_bits=256, data=data).digest()


class MerkleRoot:
    """The root of a stream of leaves, in O(log n) memory.

    Args:
        prefix: First byte of what is hashed to an inner node.
    """

    def __init__(self, prefix: bytes = DOCUMENT_NODE) -> None:
        self.count = 0
        self._prefix = prefix
        self._subtrees: list[bytes] = []  # complete ones, largest first

    def add(self, leaf: bytes) -> None:
        """Append a leaf of 32 bytes."""
        self.count += 1
        self._subtrees.append(leaf)
        full = self.count
        while not full & 1:
            right, left = self._subtrees.pop(), self._subtrees.pop()
            self._subtrees.append(keccak(self._prefix + left + right))
            full >>= 1

    def digest(self) -> bytes:
        """Root over the leaves so far, 32 bytes.

        Raises:
            InputError: there is no leaf; an empty data set has no digest.
        """
        if not self._subtrees:
            raise InputError("there is no document: nothing to take a digest of")
        node = self._subtrees[-1]
        for subtree in reversed(self._subtrees[:-1]):
            node = keccak(self._prefix + subtree + node)
        return node


def level_sizes(count: int) -> list[int]:
    """Nodes in each level of a tree of `count` leaves, from the leaves up to the root."""
    sizes = [count]
    while sizes[-1] > 1:
        sizes.append((sizes[-1] + 1) // 2)
    return sizes


def next_level(level: Sequence[bytes], prefix: bytes) -> list[bytes]:
    """The nodes above a level, or above a part of it that starts at an even place."""
    nodes = [
        keccak(prefix + left + right) for left, right in zip(level[::2], level[1::2], strict=False)
    ]
    return nodes + list(level[len(nodes) * 2 :])


def branch_places(index: int, count: int) -> Iterator[tuple[int, int]]:
    """(level, place) of the siblings on the way from the leaf at `index` up to the root.

    Raises:
        InputError: no such leaf.
    """
    if not 0 <= index < count:
        raise InputError(f"there is no leaf {index} among {count}")
    for level, size in enumerate(level_sizes(count)[:-1]):
        sibling = (index >> level) ^ 1
        if sibling < size:
            yield level, sibling


def branch_length(index: int, count: int) -> int:
    """Number of siblings in the branch of a leaf.

    Raises:
        InputError: no such leaf.
    """
    return sum(1 for _ in branch_places(index, count))


def branch_root(
    leaf: bytes, index: int, count: int, branch: Sequence[bytes], prefix: bytes
) -> bytes | None:
    """Root that a branch leads to from the leaf at `index` of `count`.

    Returns:
        32 bytes; None if the branch has another length than the place asks for.

    Raises:
        InputError: no such leaf.
    """
    places = list(branch_places(index, count))
    if len(places) != len(branch) or any(len(node) != HASH_BYTES for node in branch):
        return None
    node = leaf
    for (_, place), sibling in zip(places, branch, strict=True):
        node = keccak(prefix + (node + sibling if place & 1 else sibling + node))
    return node
