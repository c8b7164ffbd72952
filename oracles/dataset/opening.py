"""The opening: keys of the sampled pages, for the members of both panels and nobody else.

    magic (8) ‖ members (1) ‖ a wrapped content key for each (81) ‖ sealed body

The body is encrypted once under a fresh content key, with all that stands before it as associated
data. The content key is wrapped for each member by the rule of `oracles.dataset.keys`, so whoever
opens one wrapping makes all others again: an opening is right for every member or for none.

    body = sketch key (32) ‖ for each drawn page, in ascending order:
           page key (32) ‖ offset in the archive (8) ‖ bytes there (4) ‖ branch (32 each)
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import nacl.bindings as sodium
import nacl.exceptions

from oracles.dataset.archive import (
    MAX_SEALED_BYTES,
    Archive,
    Read,
    check_page,
    page_key,
    sketch_key,
)
from oracles.dataset.keys import (
    DATA_KEY_BYTES,
    WRAPPED_BYTES,
    EncryptionKey,
    WrapContext,
    derive,
    key_commitment,
    unwrap_shared,
    wrap_all,
)
from oracles.dataset.merkle import HASH_BYTES, branch_length, keccak
from oracles.dataset.pages import page_count
from oracles.errors import InputError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from oracles.dataset.manifest import Binding, Contents
    from oracles.dataset.sketch import Sketch

MAGIC: Final = b"\x89QMIO\r\n\2"
#: Members of both panels at most.
MAX_MEMBERS: Final = 26
_NONCE: Final = bytes(sodium.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES)
_TAG: Final = sodium.crypto_aead_xchacha20poly1305_ietf_ABYTES
_FIXED: Final = DATA_KEY_BYTES + 8 + 4


def draw(
    sample_key: bytes, auction_id: int, index: int, manifest: bytes, pages: int, samples: int
) -> list[int]:
    """The pages of one data set that are opened, every set of them equally likely.

    With seed = keccak256(sample key ‖ auction ‖ index ‖ manifest), each 32 bytes, the numbers
    keccak256(seed ‖ t), t = 0, 1, … as 32 bytes, are taken modulo the number of pages. One that is
    not below the largest multiple of that number is passed over, and so is a page drawn before.

    Args:
        sample_key: `prevrandao` of the block that the auction names, 32 bytes.
        auction_id: of the auction.
        index: of the commitment.
        manifest: its digest on chain, 32 bytes.
        pages: of the data set.
        samples: pages that the terms ask for; 0 asks for all.

    Returns:
        Page numbers, ascending; all pages where there are no more than are asked for.

    Raises:
        InputError: the key or the digest is not 32 bytes long.
    """
    if len(sample_key) != 32 or len(manifest) != HASH_BYTES:
        raise InputError("a sample key and a manifest's digest are 32 bytes each")
    if not 0 < samples < pages:
        return list(range(pages))
    seed = keccak(
        sample_key + auction_id.to_bytes(32, "big") + index.to_bytes(32, "big") + manifest
    )
    limit = (1 << 256) // pages * pages
    drawn: set[int] = set()
    counter = 0
    while len(drawn) < samples:
        number = int.from_bytes(keccak(seed + counter.to_bytes(32, "big")), "big")
        counter += 1
        if number < limit:
            drawn.add(number % pages)
    return sorted(drawn)


def opening_context(binding: Binding, index: int) -> WrapContext:
    """Where the wraps of an opening are valid.

    Args:
        binding: of the manifest.
        index: of the commitment.
    """
    return WrapContext("opening", binding.chain_id, binding.contract, binding.auction_id, index)


def opening_size(contents: Contents, drawn: Sequence[int], members: int) -> int:
    """Bytes of an opening. With it a digest on chain becomes a CID: a file of one block or of more.

    Args:
        contents: of the data set.
        drawn: pages.
        members: of both panels.
    """
    branches = sum(branch_length(index, contents.pages) for index in drawn)
    body = DATA_KEY_BYTES + _FIXED * len(drawn) + HASH_BYTES * branches
    return len(MAGIC) + 1 + WRAPPED_BYTES * members + body + _TAG


@dataclass(frozen=True, slots=True)
class OpenedPage:
    """Where a sampled page is, and what opens and proves it.

    Attributes:
        key: of the page.
        offset: of its ciphertext in the archive.
        size: of its ciphertext.
        branch: siblings from its leaf up to the root.
    """

    key: bytes = field(repr=False)
    offset: int
    size: int
    branch: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Opening:
    """What an opening gives to a member.

    Attributes:
        contents: of the data set.
        sketch_key: opens the sketch.
        pages: drawn page to its key and place.
    """

    contents: Contents
    sketch_key: bytes = field(repr=False)
    pages: Mapping[int, OpenedPage]

    def sample(self, read: Read) -> Iterator[tuple[int, bytes]]:
        """Fetch, check and open the sampled pages, one after the other.

        Args:
            read: gives ranges of the archive.

        Yields:
            Page number and 16 KiB of the stream.

        Raises:
            IntegrityError: a page is not what was committed, or does not open.
        """
        for index, place in self.pages.items():
            ciphertext = read(place.offset, place.size)
            yield index, check_page(ciphertext, place.key, index, place.branch, self.contents)

    def sketch(self, read: Read) -> Sketch:
        """Fetch, check and open the sketch; see `Sketch.check_page` for what is in it.

        Raises:
            IntegrityError: it is not what was committed, or does not open.
        """
        return Archive(self.contents, read).sketch(self.sketch_key)


def _seal(body: bytes, header: bytes, content_key: bytes) -> bytes:
    key = derive(content_key, b"qmia/opening/2 body")
    return sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(body, header, _NONCE, key)


def build_opening(
    archive: Archive,
    data_key: bytes,
    drawn: Sequence[int],
    members: Sequence[bytes],
    context: WrapContext,
    *,
    content_key: bytes | None = None,
) -> bytes:
    """Open the drawn pages to the members of both panels. Each page is checked on the way.

    Args:
        archive: of the data set.
        data_key: its data key.
        drawn: pages, ascending, as `draw` gives them.
        members: 64-byte public encryption keys, those of the first panel first.
        context: from `opening_context`.
        content_key: 32 random bytes; new ones by default.

    Raises:
        IntegrityError: a page does not open.
        InputError: the data key is not that of the archive, or there are too many members.
    """
    if key_commitment(data_key) != archive.contents.key_commitment:
        raise InputError("this is not the key of this data set")
    if not 0 < len(members) <= MAX_MEMBERS:
        raise InputError(f"an opening is for 1 to {MAX_MEMBERS} members, not {len(members)}")
    secret = os.urandom(DATA_KEY_BYTES) if content_key is None else content_key
    body = [sketch_key(data_key)]
    for index in drawn:
        sealed, key = archive.sealed(index), page_key(data_key, index)
        check_page(sealed.ciphertext, key, index, sealed.branch, archive.contents)
        body += (
            key,
            sealed.offset.to_bytes(8, "big"),
            len(sealed.ciphertext).to_bytes(4, "big"),
            *sealed.branch,
        )
    wraps = wrap_all(secret, members, context)
    header = MAGIC + bytes([len(members)]) + b"".join(wraps)
    return header + _seal(b"".join(body), header, secret)


def read_opening(
    data: bytes,
    member: int,
    key: EncryptionKey,
    members: Sequence[bytes],
    context: WrapContext,
    contents: Contents,
    drawn: Sequence[int],
) -> Opening:
    """Read an opening as one of the members, and check that it is right for all of them.

    The pages are checked when they are fetched.

    Args:
        data: the file.
        member: place of the reader among the members.
        key: of the reader.
        members: 64-byte public encryption keys, those of the first panel first.
        context: from `opening_context`.
        contents: of the data set.
        drawn: pages that must be in it, ascending.

    Raises:
        IntegrityError: it is damaged, wrapped wrongly for anybody, or opens other pages.
        InputError: the key is not the one registered for this member.
    """
    if len(data) != opening_size(contents, drawn, len(members)):
        raise IntegrityError("the opening has another size than its pages and members give")
    end = len(MAGIC) + 1 + WRAPPED_BYTES * len(members)
    header, sealed = data[:end], data[end:]
    if header[: len(MAGIC) + 1] != MAGIC + bytes([len(members)]):
        raise IntegrityError("this is not an opening of this program")
    starts = range(len(MAGIC) + 1, end, WRAPPED_BYTES)
    wraps = [header[start : start + WRAPPED_BYTES] for start in starts]
    content_key = unwrap_shared(wraps, member, key, members, context)
    try:
        body = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
            sealed, header, _NONCE, derive(content_key, b"qmia/opening/2 body")
        )
    except (ValueError, nacl.exceptions.CryptoError) as error:
        raise IntegrityError("the opening was changed after it was made") from error
    if keccak(body[:DATA_KEY_BYTES]) != contents.sketch_key_hash:
        raise IntegrityError("the opening does not hold the sketch's key")
    place = DATA_KEY_BYTES
    pages: dict[int, OpenedPage] = {}
    for index in drawn:
        own = body[place : place + _FIXED]
        offset, size = int.from_bytes(own[32:40], "big"), int.from_bytes(own[40:44], "big")
        if not 0 < size <= MAX_SEALED_BYTES or offset + size > contents.pages_end:
            raise IntegrityError(f"the opening gives page {index} no place in the archive")
        place += _FIXED
        length = HASH_BYTES * branch_length(index, contents.pages)
        branch = body[place : place + length]
        place += length
        nodes = tuple(branch[i : i + HASH_BYTES] for i in range(0, length, HASH_BYTES))
        pages[index] = OpenedPage(own[:32], offset, size, nodes)
    return Opening(contents, body[:DATA_KEY_BYTES], pages)


def exposure(size: int, samples: int) -> float:
    """Share of a data set that one auction shows to the panels, sold or not.

    Args:
        size: bytes of the canonical document stream.
        samples: pages that the terms ask for; 0 asks for all.
    """
    pages = page_count(size)
    return 1.0 if not 0 < samples < pages else samples / pages
