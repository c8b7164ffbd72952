"""The operator's HTTP server towards clients that mean ill."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import httpx
import pytest

from oracles.evidence import Cid, DirectoryStore, bytes_cid
from oracles.operator import serve
from oracles.operator.journal import Journal
from oracles.operator.metrics import Metrics
from oracles.service import web

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTRACT = "0x" + "ab" * 20


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[serve.Server]:
    # Only the limit on whole requests is to be seen at work.
    monkeypatch.setattr(web, "_TIMEOUT", 3600)
    journal = Journal(tmp_path / "state", {})
    made = serve.Server(
        "127.0.0.1:0",
        CONTRACT,
        journal.messages,
        DirectoryStore(tmp_path / "evidence"),
        lambda cid, offset, size: _fetched(tmp_path, cid, offset, size),
        Metrics(),
        problems=lambda: ["no cycle yet"],
        alive=lambda: True,
    )
    yield made
    made.close()
    journal.close()


WHOLE, PIECE, EVIDENCE = bytes(range(256)) * 9, b"sealed page" * 7, b"a bundle"


def _fetched(folder: Path, cid: Cid, offset: int, size: int | None) -> Path | None:
    """What was fetched: one file as a whole, and of an archive the 77 bytes from 1000."""
    if cid == bytes_cid(WHOLE):
        path = folder / "whole"
        path.write_bytes(WHOLE)
        return path
    if (cid, offset, size) == (bytes_cid(b"archive"), 1000, len(PIECE)):
        path = folder / f"{offset}-{size}"
        path.write_bytes(PIECE)
        return path
    return None


def get(server: serve.Server, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{server.port}{path}", headers=headers)


def test_server__files__whole_and_by_range(server: serve.Server, tmp_path: Path) -> None:
    evidence = DirectoryStore(tmp_path / "evidence").put(EVIDENCE)
    assert get(server, f"/ipfs/{evidence}").content == EVIDENCE
    path = f"/ipfs/{bytes_cid(WHOLE)}"
    assert get(server, path).content == WHOLE
    part = get(server, path, Range="bytes=300-309")
    assert (part.status_code, part.content) == (206, WHOLE[300:310])
    end = get(server, path, Range=f"bytes={len(WHOLE) - 2}-{len(WHOLE) + 5}")
    assert (end.status_code, end.content) == (206, WHOLE[-2:])


def test_server__piece_of_an_archive__only_the_range_that_is_here(server: serve.Server) -> None:
    path = f"/ipfs/{bytes_cid(b'archive')}"
    piece = get(server, path, Range=f"bytes=1000-{999 + len(PIECE)}")
    assert (piece.status_code, piece.content) == (206, PIECE)
    assert piece.headers["Content-Range"].startswith("bytes 1000-1076/")
    for wrong in ("bytes=1000-1001", "bytes=0-76", "bytes=5-4"):
        assert get(server, path, Range=wrong).status_code == 404
    assert get(server, path).status_code == 404


def test_server__health__alive_but_not_ready(server: serve.Server) -> None:
    assert get(server, "/livez").status_code == 200
    ready = get(server, "/readyz")
    assert (ready.status_code, ready.text) == (503, "no cycle yet\n")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1/../../etc/passwd",
        "/ipfs/../../journal.sqlite",
        f"/v1/{CONTRACT}/1/report/x",
        f"/v1/{CONTRACT}/{'9' * 30}/report/1",
        f"/v1/{CONTRACT}/1/signed/1",
    ],
)
def test_server__what_is_not_served__not_found(server: serve.Server, path: str) -> None:
    assert get(server, path).status_code == 404


def test_server__one_stranger__leaves_slots_to_others(server: serve.Server) -> None:
    inner = server._server
    assert [inner.enter("203.0.113.1") for _ in range(5)] == [True] * 4 + [False]
    assert inner.enter("203.0.113.2")
    assert all(inner.enter("127.0.0.1") for _ in range(11))
    assert not inner.enter("127.0.0.1")
    assert not inner.enter("203.0.113.3")
    inner.leave("203.0.113.1")
    assert inner.enter("203.0.113.3")


def test_server__slots_of_requests_that_ended__are_free_again(server: serve.Server) -> None:
    for _ in range(40):
        assert get(server, "/livez").status_code == 200


def test_server__request_that_never_ends__is_cut_off(
    server: serve.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "_LONGEST", 0.1)
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.settimeout(60)
        slow.sendall(b"GET /livez HTTP/1.1\r\n")
        assert slow.recv(1) == b""
