"""The site of the page: its files, questions to the node, and files under their own names."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from oracles.chain.deployment import Deployment
from oracles.cli.page import quality_of
from oracles.dataset import read_documents
from oracles.errors import ConfigError, InputError
from oracles.evidence import DirectoryStore
from oracles.evidence.cid import stream_cid
from oracles.quality import score
from oracles.quality.report import costs
from oracles.site import FILES, site

if TYPE_CHECKING:
    from pathlib import Path

DEPLOYMENT = Deployment(31337, 1, {})
FILE = b"ciphertext " * 1000
NAME = str(stream_cid(io.BytesIO(FILE)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).write_text(f"the file {name}")
    return tmp_path


def asked(
    folder: Path,
    *requests: tuple[str, str, Any],
    score: Any = None,
    host: str = "site",
    **headers: str,
) -> list[httpx.Response]:
    """Answers to (method, path, bytes or JSON), one after the other; no node answers."""
    store = DirectoryStore(folder / "store")
    app = site(folder, DEPLOYMENT, "http://127.0.0.1:1/", store, most=len(FILE), score=score)

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url=f"http://{host}", headers=headers
        ) as client:
            return [
                await client.request(
                    method, path, **({"content" if isinstance(body, bytes) else "json": body})
                )
                for method, path, body in requests
            ]

    return asyncio.run(ask())


def test_site__gives_the_page_its_deployment_and_nothing_else(folder: Path) -> None:
    (folder / "secret.txt").write_text("not for others")
    page, script, about, deployment, other = asked(
        folder,
        ("GET", "/", b""),
        ("GET", "/app.js", b""),
        ("GET", "/site.json", b""),
        ("GET", "/deployment.json", b""),
        ("GET", "/secret.txt", b""),
    )
    assert page.text == "the file index.html"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert script.headers["content-type"].startswith("text/javascript")
    assert about.json() == {"rpc": "rpc", "files": "ipfs/"}
    assert deployment.json() == DEPLOYMENT.to_json()
    assert other.status_code == 404


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"method": "eth_sendRawTransaction", "params": ["0x"]}, 403, "eth_sendRawTransaction"),
        ([{"method": "eth_chainId"}, {"method": "eth_sign"}], 403, "eth_sign"),
        (b"{", 400, "no JSON-RPC"),
        ({"params": []}, 400, "no JSON-RPC"),
        ({"method": []}, 400, "no JSON-RPC"),
        pytest.param(b"[" * 100_000, 400, "no JSON-RPC", id="deep"),
        pytest.param(b" " * (1 << 21), 413, "too long", id="long"),
        ({"method": "eth_chainId", "params": []}, 502, "does not answer"),
    ],
)
def test_question__that_is_none_or_that_nobody_answers__is_told_why(
    folder: Path, body: Any, code: int, words: str
) -> None:
    (answer,) = asked(folder, ("POST", "/rpc", body))
    assert answer.status_code == code
    assert words in answer.text


def test_file__put_under_its_name__comes_back_whole(folder: Path) -> None:
    put, whole = asked(folder, ("PUT", f"/ipfs/{NAME}", FILE), ("GET", f"/ipfs/{NAME}", b""))
    assert (put.status_code, put.text) == (201, NAME)
    assert whole.content == FILE


def test_file__wrong_or_too_large_or_unknown__is_refused_and_not_kept(folder: Path) -> None:
    other, large, nonsense, absent = asked(
        folder,
        ("PUT", f"/ipfs/{NAME}", FILE[:-1]),
        ("PUT", f"/ipfs/{NAME}", FILE + b"!"),
        ("PUT", "/ipfs/nonsense", FILE),
        ("GET", f"/ipfs/{NAME}", b""),
    )
    codes = [each.status_code for each in (other, large, nonsense, absent)]
    assert codes == [400, 413, 400, 404]


def test_site__without_the_built_page__says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="make page"):
        asked(tmp_path)


LINES = {"content-type": "application/x-ndjson"}
DATA = b'{"text": "A harbour master writes down each ship that comes in with the tide."}\n'


def test_score__on_this_machine_alone__is_that_of_the_tool(folder: Path) -> None:
    (about,) = asked(folder, ("GET", "/site.json", b""))
    assert "score" not in about.json()
    (nothing,) = asked(folder, ("POST", "/score", DATA), host="localhost", **LINES)
    assert nothing.status_code == 405  # No such thing where others are served.
    about, answer = asked(
        folder,
        ("GET", "/site.json", b""),
        ("POST", "/score", DATA),
        host="127.0.0.1:8600",
        score=quality_of,
        **LINES,
    )
    assert about.json()["score"] == "score"
    report = score(read_documents(written(folder / "data.jsonl")))
    assert answer.json()["q"] == report.q
    assert answer.json()["metadata"] == report.metadata
    assert len(answer.json()["findings"]) == len(costs(report))


def written(path: Path) -> Path:
    path.write_bytes(DATA)
    return path


def test_score__asked_by_a_page_from_elsewhere_or_of_what_is_none__is_refused(folder: Path) -> None:
    seen: list[Path] = []

    def refuse(path: Path) -> dict[str, Any]:
        seen.append(path)
        raise InputError("there is nothing to read in it")

    request = ("POST", "/score", DATA)
    # Of these types a browser sends without asking first.
    for kind in ("text/plain", "multipart/form-data", "application/x-www-form-urlencoded"):
        (answer,) = asked(folder, request, host="localhost", score=refuse, **{"content-type": kind})
        assert answer.status_code == 403
    (answer,) = asked(folder, request, host="rebound.example", score=refuse, **LINES)
    assert answer.status_code == 403
    assert seen == []
    (answer,) = asked(folder, request, host="localhost", score=refuse, **LINES)
    assert (answer.status_code, answer.text) == (422, "there is nothing to read in it")
    assert [path.exists() for path in seen] == [False]  # Nothing is kept.
