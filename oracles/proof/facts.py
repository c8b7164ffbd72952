"""Facts: seven numbers of each page, in a tree that a zero-knowledge proof can go through.

    leaf = Poseidon2(packed numbers, salt, 0, "qmia/facts/1")[0]
    node = Poseidon2(left, right, 0, "qmia/nodes/1")[0]

The salt comes from the key of the page, so whoever can read a page can check its facts, and nobody
else can guess them. Leaves of pages that a set does not have hold zeros; the depth of the tree is
the least of `DEPTHS` that the set fits into.

A set that is larger than a part is proved part by part. Each part's proof is of the root over its
leaves and of what hides the sums over its pages:

    sums = Poseidon2(packed sums, salt, 0, "qmia/sums/1")[0]

The salt comes from the keys of all its pages, so only who can read the whole part knows it.
"""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Final

from oracles.dataset.keys import derive
from oracles.errors import InputError, IntegrityError
from oracles.proof.poseidon import FIELD, permute

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Depths of trees: 64, 1,024, 4,096, 16,384 and 65,536 pages of 16 KiB.
DEPTHS: Final = (6, 10, 12, 14, 16)
#: Depth of a part: what a laptop compiles and proves in 1 GB of memory. A larger circuit is not
#: faster, and none of 16,384 pages fits into the compiler's 4 GiB.
PART_DEPTH: Final = 10
#: A page has fewer than 2^14 of anything that is counted.
_BITS: Final = 14
MOST: Final = (1 << _BITS) - 1
LETTERS_PER_TOKEN: Final = 5
_LEAF: Final = int.from_bytes(b"qmia/facts/1", "big")
_NODE: Final = int.from_bytes(b"qmia/nodes/1", "big")
_SUMS: Final = int.from_bytes(b"qmia/sums/1", "big")
_SALT: Final = b"qmia/facts/1 salt"
_PART_SALT: Final = b"qmia/sums/1 salt"
_SALT_BYTES: Final = 16
_WORD: Final = 32


@dataclass(frozen=True, slots=True)
class Facts:
    """What can be counted in one page alone, or the sums over many pages.

    Attributes:
        tokens: usable tokens, five letters each; at most a fifth of the letters.
        letters: letters that are read.
        lost: of these, lost to errors.
        filled: metadata fields that hold something valid, of documents that begin in the page.
        expected: required metadata fields of these documents.
        repeated: runs of 20 letters that occur before in the same page.
        runs: runs of 20 letters.
    """

    tokens: int
    letters: int
    lost: int
    filled: int
    expected: int
    repeated: int
    runs: int

    @classmethod
    def total(cls, facts: Sequence[Facts]) -> Facts:
        """Sums over pages."""
        return cls(*(sum(column) for column in zip(*map(astuple, facts), strict=True)))

    @property
    def packed(self) -> int:
        """The numbers of one page in one element of the field, the first one highest.

        Raises:
            InputError: a page cannot hold so much.
        """
        value = 0
        for number in astuple(self):
            if not 0 <= number <= MOST:
                raise InputError(f"a page has no {number} of anything: {self}")
            value = value << _BITS | number
        if (
            LETTERS_PER_TOKEN * self.tokens > self.letters
            or self.lost > self.letters
            or self.filled > self.expected
            or self.repeated > self.runs
        ):
            raise InputError(f"these facts contradict each other: {self}")
        return value


#: Of pages that a set does not have, and their sums.
EMPTY: Final = Facts(0, 0, 0, 0, 0, 0, 0)


def salt(page_key: bytes) -> int:
    """Salt of the facts of a page, from the key that opens it."""
    return int.from_bytes(derive(page_key, _SALT, _SALT_BYTES), "big")


def leaf(facts: Facts, page_key: bytes) -> bytes:
    """Leaf of a page, 32 bytes.

    Raises:
        InputError: a page cannot have such facts.
    """
    return _hash(facts.packed, salt(page_key), _LEAF).to_bytes(_WORD, "big")


def part_salt(page_keys: Sequence[bytes]) -> int:
    """Salt of the sums over a part, from the keys of all its pages in their order."""
    together = hashlib.sha256(b"".join(page_keys)).digest()
    return int.from_bytes(derive(together, _PART_SALT, _SALT_BYTES), "big")


def seal(sums: Facts, salt: int) -> bytes:
    """What hides the sums over a part and binds to them, 32 bytes."""
    value = 0
    for number in astuple(sums):
        value = value << 2 * _BITS | number
    return _hash(value, salt, _SUMS).to_bytes(_WORD, "big")


def depth(pages: int) -> int:
    """Depth of the tree of a data set.

    Raises:
        InputError: it has more pages than a proof may be over.
    """
    for each in DEPTHS:
        if 0 < pages <= 1 << each:
            return each
    raise InputError(
        f"a data set of {pages} pages is too large for a proof, which is over at most"
        f" {1 << DEPTHS[-1]}: split it, or commit it without facts"
    )


def parts(pages: int) -> list[int]:
    """Pages of each part of a data set; none where one proof is over all of it.

    Raises:
        InputError: it has more pages than a proof may be over.
    """
    size = 1 << PART_DEPTH
    if depth(pages) <= PART_DEPTH:
        return []
    return [min(size, pages - start) for start in range(0, pages, size)]


def room(pages: int) -> int:
    """Parts that the tree of a data set has room for.

    Raises:
        InputError: it has more pages than a proof may be over.
    """
    return 1 << depth(pages) - PART_DEPTH


def circuits(pages: int) -> list[str]:
    """Circuits for a data set: the claim's, and that of its parts where there are any.

    Raises:
        InputError: it has more pages than a proof may be over.
    """
    levels = depth(pages)
    if levels <= PART_DEPTH:
        return [f"threshold-{levels}"]
    return [f"total-{levels - PART_DEPTH}", f"part-{PART_DEPTH}"]


def root(leaves: Sequence[bytes]) -> bytes:
    """Root over the leaves of all pages, 32 bytes.

    Raises:
        InputError: there are too many for a proof.
        IntegrityError: a leaf is no element of the field.
    """
    return subroot(leaves, depth(len(leaves)))


def subroot(leaves: Sequence[bytes], levels: int) -> bytes:
    """Root of a tree of so many levels, 32 bytes; leaves that are not there are those of zeros.

    Raises:
        IntegrityError: a leaf is no element of the field.
    """
    level = [int.from_bytes(each, "big") for each in leaves]
    if any(each >= FIELD for each in level):
        raise IntegrityError("a leaf of the facts is no element of the field")
    empty = _hash(0, 0, _LEAF)
    level = level or [empty]
    for _ in range(levels):
        if len(level) % 2:
            level.append(empty)
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [_hash(left, right, _NODE) for left, right in pairs]
        empty = _hash(empty, empty, _NODE)
    return level[0].to_bytes(_WORD, "big")


def _hash(left: int, right: int, kind: int) -> int:
    return permute((left, right, 0, kind))[0]
