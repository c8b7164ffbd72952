"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from oracles.files import atomic_write, whole_folder, write_file, write_new

if TYPE_CHECKING:
    from pathlib import Path


def test_atomic_write__when_the_block_fails__then_old_content_stays_and_nothing_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(ValueError, match="closed"), atomic_write(path) as file:
        file.close()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_write__file_then_folder_are_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, bool]] = []
    path = tmp_path / "file"
    monkeypatch.setattr(
        os, "fsync", lambda handle: seen.append((os.fstat(handle).st_ino, path.exists()))
    )
    write_file(path, "é")
    assert seen == [(path.stat().st_ino, False), (tmp_path.stat().st_ino, True)]
    assert path.read_bytes() == "é".encode()


@pytest.mark.parametrize(("private", "mode"), [(True, 0o600), (False, 0o640)])
def test_write_file__mode__private_or_by_the_umask(
    tmp_path: Path, private: bool, mode: int
) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "file", b"secret", private=private)
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


def test_write_file__private_over_a_public_file__becomes_private(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    write_file(path, "new", private=True)
    assert path.stat().st_mode & 0o777 == 0o600


def test_write_file__over_a_device_or_pipe__refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="pipe"):
        write_file(pipe, "x")
    assert pipe.is_fifo()


def _fill(folder: Path) -> None:
    (folder / "in").mkdir()
    (folder / "in" / "file").write_text("x")


@pytest.mark.parametrize(("private", "modes"), [(True, (0o700, 0o600)), (False, (0o755, 0o644))])
def test_whole_folder__mode__private_or_by_the_umask(
    tmp_path: Path, private: bool, modes: tuple[int, int]
) -> None:
    before = os.umask(0o022)
    try:
        whole_folder(tmp_path / "out", _fill, private=private)
    finally:
        os.umask(before)
    found = [tmp_path / "out", tmp_path / "out" / "in", tmp_path / "out" / "in" / "file"]
    assert [path.stat().st_mode & 0o777 for path in found] == [modes[0], modes[0], modes[1]]


def test_write_new__disk_refuses_or_file_exists__leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "key"
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write_new(path, "secret")
    assert not path.exists()
    write_new(path, "secret")
    with pytest.raises(FileExistsError):
        write_new(path, "other")
    assert path.read_text() == "secret"
    assert path.stat().st_mode & 0o777 == 0o600
