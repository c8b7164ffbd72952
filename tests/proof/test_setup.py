"""The points of the ceremony as `bb` fetches them: wrong and cut downloads are refused."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from oracles.errors import ConfigError
from oracles.proof import tools
from tests.proof.test_proofs import needs_tools
from tests.support import crs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: First two points as they travel: x alone, since both y are even.
BEGINNING = (1).to_bytes(32, "big") + tools._BEGINNING[64:96]
CHUNK = 4 << 20


class Server(ThreadingHTTPServer):
    """Stands for the hosts of the points; keeps what it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kind = ""
        self.ranges: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers.get("Range", ""))
        if self.server.kind == "missing":
            self.send_error(404)
            return
        body = {"zeros": bytes(CHUNK), "cut": BEGINNING, "changed": BEGINNING + b"\1" * CHUNK}
        self.send_response(206)
        self.send_header("Content-Range", f"bytes 0-{CHUNK - 1}/{1 << 31}")
        self.send_header("Content-Length", str(CHUNK))
        self.end_headers()
        self.wfile.write(body[self.server.kind][:CHUNK])
        self.close_connection = True


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where circuits are compiled once."""
    return tmp_path_factory.mktemp("build")


@pytest.fixture
def server(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The program of the package, for which the hosts of the points are here."""
    with Server() as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()

        def change(program: bytes) -> bytes:
            for host in (b"http://crs.aztec-cdn.foundation/", b"http://crs.aztec-labs.com/"):
                here = f"http://127.0.0.1:{made.server_port}/".encode()
                assert program.count(host) == 1
                path = b"a" * (len(host) - len(here) - 1) + b"/"
                program = program.replace(host, here + path)
            return program

        crs.lay_out(tmp_path / "zk", change)
        (tmp_path / "zk" / "build").symlink_to(build)
        monkeypatch.setenv("QMIA_ZK", str(tmp_path / "zk"))
        monkeypatch.setenv("QMIA_CRS", str(tmp_path / "crs"))
        yield made
        made.shutdown()


@pytest.mark.slow
@needs_tools
def test_points__that_are_wrong_cut_off_or_missing__are_refused_and_asked_for_again(
    server: Server, tmp_path: Path
) -> None:
    """Whether from the first point or only behind the second, whose digest is in the program."""
    for kind, why in (
        ("zeros", "not those of the Ignition set-up"),
        ("changed", "not those of the Ignition set-up"),
        ("cut", "could not be fetched"),
        ("missing", "could not be fetched"),
        ("zeros", "not those of the Ignition set-up"),
    ):
        server.kind = kind
        server.ranges.clear()
        with pytest.raises(ConfigError, match=why):
            tools.verification_key("threshold-6")
        # Nothing is kept of what was refused, so the next attempt begins again.
        assert server.ranges[0].startswith("bytes=0-")
        assert [each.name for each in (tmp_path / "crs").glob("*.dat")] == []
        assert not (tmp_path / "crs" / "threshold-6" / "digests").exists()


@pytest.mark.slow
@needs_tools
@pytest.mark.parametrize("size", [0, 64 * 1000, 64 * 1000 + 7])
def test_points__of_a_copy_that_was_cut_off__are_fetched_instead(
    server: Server, tmp_path: Path, size: int
) -> None:
    server.kind = "zeros"
    (tmp_path / "crs").mkdir()
    (tmp_path / "crs" / "bn254_g1.dat").write_bytes(crs.powers(1000).ljust(size, b"\1")[:size])
    with pytest.raises(ConfigError, match="not those of the Ignition set-up"):
        tools.verification_key("threshold-6")
    assert server.ranges
