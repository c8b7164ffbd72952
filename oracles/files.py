"""Files that appear whole or not at all, and survive a power cut."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from oracles.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import FileIO
    from pathlib import Path


@contextlib.contextmanager
def atomic_write(path: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """Write beside the path, flush to disk, then rename. What was written can be read back.

    Args:
        path: Where the file appears when the block ends without an exception.
        private: Only the owner may read it, from the first byte on.

    Raises:
        OSError: The disk refuses, or it is a device or pipe, which a file must not replace; nothing
            changed.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "it is a device or pipe, not a file")
    beside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    try:
        with os.fdopen(os.open(beside, flags, 0o600 if private else 0o666), "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_file(path: Path, content: str | bytes, *, private: bool = False) -> None:
    """Write a whole file with `atomic_write`; text is written as UTF-8.

    Raises:
        OSError: The disk refuses; nothing changed.
    """
    with atomic_write(path, private=private) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_all(file: FileIO, data: bytes) -> None:
    """Write every byte to an unbuffered file.

    Raises:
        OSError: the disk refuses; a part may be written.
    """
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def sync_folder(folder: Path) -> None:
    """Flush a folder to disk, so that a new name in it survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_new(path: Path, content: str) -> None:
    """Write a file that does not exist yet, and that only its owner may read: a key.

    Raises:
        FileExistsError: it exists.
        OSError: The disk refuses; there is no file.
    """
    with open_private(path, "xb") as file:
        try:
            file.write(content.encode())
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            path.unlink()  # Half a key would only be in the way of the next try.
            with contextlib.suppress(OSError):
                file.close()
            raise


def open_private(path: Path, mode: str, buffering: int = -1) -> IO[Any]:
    """Open a file that, if it is new, only its owner may read.

    Raises:
        OSError: it cannot be opened.
    """

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, 0o600)

    return open(path, mode, buffering, opener=opener)


def whole_folder(out: Path, write: Callable[[Path], None], *, private: bool = False) -> None:
    """Let a folder appear whole or not at all.

    Args:
        out: a folder that does not exist yet.
        write: fills a folder beside it, which is then renamed.
        private: Only the owner may read it, and each file in it.

    Raises:
        InputError: it exists, or the disk refuses.
    """
    if out.exists():
        raise InputError(f"{out} exists: name a new folder, or delete it")
    beside = out.with_name(out.name + ".unfinished")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir(mode=0o700 if private else 0o777, parents=True)
        write(beside)
        for path in beside.rglob("*") if private else ():
            path.chmod(0o700 if path.is_dir() else 0o600)
        beside.rename(out)
        sync_folder(out.parent)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def sha256_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
