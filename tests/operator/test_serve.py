"""The operator's HTTP server towards clients that mean ill."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import httpx
import pytest

from oracles.evidence import DirectoryStore
from oracles.operator import serve
from oracles.operator.journal import Journal
from oracles.operator.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTRACT = "0x" + "ab" * 20


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[serve.Server]:
    # Only the limit on whole requests is to be seen at work.
    monkeypatch.setattr(serve, "_TIMEOUT", 3600)
    journal = Journal(tmp_path / "state", {})
    made = serve.Server(
        "127.0.0.1:0",
        CONTRACT,
        journal.messages,
        DirectoryStore(tmp_path / "evidence"),
        Metrics(),
        problems=lambda: ["no cycle yet"],
        alive=lambda: True,
    )
    yield made
    made.close()
    journal.close()


def get(server: serve.Server, path: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{server.port}{path}")


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
    monkeypatch.setattr(serve, "_LONGEST", 0.1)
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.settimeout(60)
        slow.sendall(b"GET /livez HTTP/1.1\r\n")
        assert slow.recv(1) == b""
