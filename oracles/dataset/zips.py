"""Zip archives, of which other programs may read other members than we do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Callable

_END_RECORD: Final = b"PK\5\6"


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
            if descriptor[signed : signed + 4] == crc:
                narrow = info.compress_size.to_bytes(8, "little")[:4]
                wide = descriptor[signed + 4 : signed + 8] != narrow or (
                    descriptor[signed + 8 : signed + 12] == bytes(4) and info.file_size
                )
                position += signed + (20 if wide else 12)
    begin = archive.start_dir
    if begin > position:
        unaccounted(begin - position, "before its directory")
    return overlapping


def local_name(source: BinaryIO, info: zipfile.ZipInfo) -> str | None:
    """The name of a member at its own place, where that is another than in the directory.

    Returns:
        The name as `zipfile` decodes it; None if it is the same, or is no name.
    """
    source.seek(info.header_offset)
    header = source.read(30)
    raw = source.read(int.from_bytes(header[26:28], "little"))
    try:
        name = raw.decode("utf-8" if info.flag_bits & 0x800 else "cp437")
    except UnicodeDecodeError:
        return None
    return None if name == info.orig_filename else name
