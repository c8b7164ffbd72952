"""A complaint: the data key for the panel's members, and the pages that it does not open rightly.

Canonical JSON, below one IPFS block, so the digest on chain is the sha2-256 of its bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import rfc8785

from oracles.dataset.keys import WRAPPED_BYTES, WrapContext, unwrap_shared, wrap_all
from oracles.dataset.manifest import MAX_BYTES
from oracles.dataset.plain import reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oracles.dataset.keys import EncryptionKey

SCHEMA: Final = "qmia/complaint/2"
#: Pages that are named at most; one wrong page is enough.
MAX_PAGES: Final = 64


@dataclass(frozen=True, slots=True)
class Complaint:
    """What the buyer shows to the standing panel.

    Attributes:
        pages: numbers of wrong pages, ascending; empty where every page opens, and digest, size or
            sketch are not those of what they hold. The members then open all of it.
        wraps: the data key for each member of the standing panel, in order.
    """

    pages: tuple[int, ...]
    wraps: tuple[bytes, ...]

    @classmethod
    def make(
        cls, pages: Sequence[int], data_key: bytes, members: Sequence[bytes], context: WrapContext
    ) -> Complaint:
        """Wrap the delivered data key for the members.

        Args:
            pages: numbers of wrong pages.
            data_key: as it was delivered.
            members: 64-byte public encryption keys.
            context: purpose `complaint`, and the winner's index.
        """
        first = tuple(sorted(set(pages))[:MAX_PAGES])
        return cls(first, tuple(wrap_all(data_key, members, context)))

    def encode(self) -> bytes:
        """Canonical JSON."""
        return rfc8785.dumps(
            {
                "schema": SCHEMA,
                "pages": [str(page) for page in self.pages],
                "wraps": ["0x" + wrap.hex() for wrap in self.wraps],
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Complaint:
        """Read a complaint.

        Raises:
            IntegrityError: it is not one, or not in its canonical form.
        """
        with reading("complaint"):
            if len(data) > MAX_BYTES:
                raise ValueError(f"{len(data)} bytes")
            value = json.loads(data)
            complaint = cls(
                tuple(int(page) for page in value["pages"]),
                tuple(bytes.fromhex(wrap[2:]) for wrap in value["wraps"]),
            )
            pages = complaint.pages
            if complaint.encode() != data or any(len(w) != WRAPPED_BYTES for w in complaint.wraps):
                raise ValueError("not in canonical form")
            if (
                list(pages) != sorted(set(pages))
                or len(pages) > MAX_PAGES
                or min(pages, default=0) < 0
            ):
                raise ValueError("its pages are not a short ascending list")
        return complaint

    def unwrap(
        self, member: int, key: EncryptionKey, members: Sequence[bytes], context: WrapContext
    ) -> bytes:
        """The data key, for one member of the standing panel.

        Raises:
            IntegrityError: it is not wrapped rightly for every member.
        """
        return unwrap_shared(self.wraps, member, key, members, context)
