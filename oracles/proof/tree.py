"""The facts of a data set: made when it is packed, checked where its pages are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracles.errors import IntegrityError
from oracles.proof import facts as rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from oracles.proof.facts import Facts


class Tree:
    """Counts pages while they are sealed; `facts` has what was counted.

    Args:
        count: counts one page of 16 KiB (`oracles.quality.page_facts`).
    """

    def __init__(self, count: Callable[[bytes], Facts]) -> None:
        self._count = count
        self.facts: list[Facts] = []

    def leaf(self, page: bytes, key: bytes) -> bytes:
        """Leaf of the next page, 32 bytes.

        Raises:
            InputError: there are more pages than a proof may be over.
        """
        found = self._count(page)
        self.facts.append(found)
        rules.depth(len(self.facts))
        return rules.leaf(found, key)

    def root(self, leaves: Sequence[bytes]) -> bytes:
        """Root over all leaves, 32 bytes."""
        return rules.root(leaves)


def check_facts(
    root: bytes,
    leaves: Sequence[bytes],
    pages: Iterable[tuple[int, bytes, bytes]],
    count: Callable[[bytes], Facts],
) -> None:
    """Hold facts that were committed to against pages that can be read.

    This is all that ties facts to text: of false facts in a share x of the pages, m pages drawn
    at random show none with a probability of at most (1 − x)^m.

    Args:
        root: that was committed to, 32 bytes.
        leaves: of all pages, from anybody.
        pages: number, 16 KiB and key of each page that can be read.
        count: counts one page.

    Raises:
        IntegrityError: the leaves do not lead to the root, or say something false of a page.
        InputError: there are too many pages for a proof.
    """
    if rules.root(leaves) != root:
        raise IntegrityError("the leaves of the facts do not lead to the root in the manifest")
    for index, page, key in pages:
        if rules.leaf(count(page), key) != leaves[index]:
            raise IntegrityError(f"the facts do not tell the truth about page {index}")
