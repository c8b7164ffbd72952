"""Zip archives, of which other programs may read other members than we do."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Final

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Callable

_END_RECORD: Final = b"PK\5\6"
#: Flags but for the two that say how hard the packer tried.
_FLAGS: Final = 0xFFFF ^ 6
#: Compressed bytes that may follow a member's last one: marks of its end.
_END_MARKS: Final = 1 << 12
#: Stands for a size that does not fit and is in an extra field.
_IN_EXTRA: Final = 0xFFFFFFFF


def zip_gaps(
    source: BinaryIO, archive: zipfile.ZipFile, ignored: Callable[[str, str], None]
) -> set[int]:
    """Say which bytes belong to no member.

    Args:
        source: The archive's bytes, seekable.
        archive: The same, opened.
        ignored: Called with a sentence and its subject.

    Returns:
        Offsets of members that overlap another.
    """

    def unaccounted(count: int, where: str) -> None:
        detail = f"{count} bytes {where} belong to no member; is another archive joined to it?"
        ignored(detail, where)

    size = source.seek(0, os.SEEK_END)
    source.seek(max(0, size - (1 << 16) - 22))
    tail = source.read()
    start = tail.rfind(_END_RECORD)
    end = size - len(tail) + start
    record = tail[start : start + 22]
    after = size - end - 22 - int.from_bytes(record[20:22], "little")
    if after > 0:
        unaccounted(after, "after its end")
    counted = int.from_bytes(record[10:12], "little")
    if counted not in {0xFFFF, len(archive.filelist) & 0xFFFF}:
        detail = f"its end counts {counted} members, its directory names {len(archive.filelist)}"
        ignored(detail, "count")
    overlapping: set[int] = set()
    position = 0
    for info in sorted(archive.filelist, key=lambda info: info.header_offset):
        begin = info.header_offset
        source.seek(begin)
        header = source.read(30)
        lengths = (
            int.from_bytes(header[26:28], "little"),
            int.from_bytes(header[28:30], "little"),
        )
        if begin < position:
            overlapping.add(begin)
        elif begin > position:
            unaccounted(begin - position, "before or between its members")
        position = max(position, begin + 30 + sum(lengths) + info.compress_size)
        if info.flag_bits & 8:  # sizes follow the data, with or without a signature
            source.seek(position)
            descriptor = source.read(24)
            signed = 4 if descriptor[:4] == b"PK\7\x08" else 0
            crc = info.CRC.to_bytes(4, "little")
            sizes = (info.compress_size, info.file_size)
            for width in (4, 8):
                said = crc + b"".join(
                    (size % (1 << 8 * width)).to_bytes(width, "little") for size in sizes
                )
                if descriptor[signed : signed + len(said)] == said:
                    position += signed + len(said)
                    break
    begin = archive.start_dir
    if begin > position:
        unaccounted(begin - position, "before its directory")
    return overlapping


def local_header(source: BinaryIO, info: zipfile.ZipInfo) -> tuple[str | None, list[str]]:
    """What the header at a member's own place says otherwise than the directory.

    Args:
        source: The archive's bytes, seekable.
        info: The member, as the directory has it.

    Returns:
        Its name there as `zipfile` decodes it, None if it is the same or is no name; and in words
        what else is different. Programs that read from front to back go by that header.
    """
    source.seek(info.header_offset)
    header = source.read(30)
    if len(header) < 30:
        return None, []
    flags, method = (int.from_bytes(header[at : at + 2], "little") for at in (6, 8))
    crc, packed, size = (int.from_bytes(header[at : at + 4], "little") for at in (14, 18, 22))
    different: list[str] = []
    if (flags ^ info.flag_bits) & _FLAGS:
        different.append("flags")
    if method != info.compress_type:
        different.append("method")
    if not flags & 8 or crc or packed or size:  # else they follow the data
        if crc != info.CRC:
            different.append("check sum")
        for said, known in ((packed, info.compress_size), (size, info.file_size)):
            if said not in (known, _IN_EXTRA):
                different.append("size")
                break
    raw = source.read(int.from_bytes(header[26:28], "little"))
    try:
        name = raw.decode("utf-8" if info.flag_bits & 0x800 else "cp437")
    except UnicodeDecodeError:
        return None, different
    return None if name == info.orig_filename else name, different


class Extent:
    """Stands before the decoder of a zip's member, and knows when the size is not its end.

    `zipfile` stops at the size that the directory has, whatever the compressed data hold beyond;
    other programs unpack the rest as well.

    Args:
        member: As `zipfile` opened it, before it is read.
    """

    def __init__(self, member: IO[bytes]) -> None:
        inner: Any = member  # no public name leads to its decoder
        self._member = inner
        self._decoder = inner._decompressor
        self._size = inner._left
        self._given = 0
        if hasattr(self._decoder, "unconsumed_tail"):  # deflate
            self._member._decompressor = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decoder, name)

    def decompress(self, data: bytes, most: int) -> bytes:
        """As the decoder does it."""
        plain: bytes = self._decoder.decompress(data, most)
        self._given += len(plain)
        return plain

    def wrong(self) -> bool:
        """Whether more follows the size, or the end is missing, in a member that was read whole."""
        member, decoder = self._member, self._decoder
        if member._left or member._decompressor is not self:
            return False
        if decoder.eof:
            return bool(member._compress_left or decoder.unused_data) or self._given > self._size
        rest = decoder.unconsumed_tail + member._fileobj.read(
            min(member._compress_left, _END_MARKS)
        )
        return bool(self.decompress(rest, 1)) or not decoder.eof or bool(decoder.unused_data)
