"""Reports and verdicts from strangers, and sources that do not want us well."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from oracles.chain import packing, typed_data
from oracles.chain.oracle import Ground, Submission
from oracles.chain.signers import LocalSigner
from oracles.chain.typed_events import Panel
from oracles.errors import InputError, IntegrityError
from oracles.operator.exchange import DirectoryExchange, Gatherer, Topic, download, limits
from oracles.operator.messages import (
    Contracts,
    check_report,
    decode_report,
    decode_verdict,
    encode_report,
    encode_verdict,
    recover,
    report_message,
    verdict_message,
)
from oracles.operator.settings import Exchange
from tests.operator.test_duties import view
from tests.support.chain import ACCOUNTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from oracles.chain.state import AuctionState
    from oracles.operator.journal import SignedReport

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SIGNERS = [LocalSigner(account) for account in ACCOUNTS[:3]]
CONTRACTS = Contracts(typed_data.Domain.oracle(1, "0x" + "33" * 20), "0x" + "44" * 20)
VECTOR = packing.pack_vector([packing.Score(1, 2, 3, present=True)] * 2)
SALT, EVIDENCE = keccak(text="salt"), keccak(text="evidence")


@pytest.fixture
def auction() -> AuctionState:
    return made_auction()


def made_auction() -> AuctionState:
    made = view()
    made.panels = (Panel(3, tuple(signer.address for signer in SIGNERS)), Panel(0, ()))  # type: ignore[arg-type]
    made.accepted_round = 1
    return made


def signed(auction: AuctionState, member: int = 0, vector: bytes = VECTOR) -> SignedReport:
    message = report_message(CONTRACTS, auction, 1, vector, EVIDENCE)
    signer = SIGNERS[member]
    auction.rounds[0].committed[member] = packing.vector_commitment(
        typed_data.typed_digest(message), signer.address, SALT
    )
    return check_report(
        CONTRACTS,
        auction,
        1,
        Submission(member, SALT, EVIDENCE, signer.sign_typed(message), vector),
    )


def test_report__encoded_and_decoded__is_the_same(auction: AuctionState) -> None:
    report = signed(auction)
    assert report.committed
    message = json.loads(json.dumps(encode_report(report)))
    assert decode_report(message, CONTRACTS, auction, 1) == report
    one, all_ = limits(auction, 3)
    assert len(json.dumps(encode_report(report))) < one < all_


@pytest.mark.parametrize(
    "change",
    [
        {"auction": 2},
        {"round": 2},
        {"member": 1},
        {"member": 3},
        {"member": -1},
        {"member": None},
        {"member": "0"},
        {"salt": "00"},
        {"salt": 5},
        {"evidence": "11" * 32},
        {"signature": "zz"},
        {"signature": "00" * 65},
        {"signature": ""},
        {"vector": "AAAA"},
        {"vector": "not base64"},
        {"vector": [1]},
        {"schema": "qmia/verdict/1"},
    ],
)
def test_report__with_one_field_changed__refused(
    auction: AuctionState, change: dict[str, Any]
) -> None:
    message = encode_report(signed(auction)) | change
    with pytest.raises(IntegrityError):
        decode_report(message, CONTRACTS, auction, 1)


def test_report__with_another_salt__is_signed_but_not_the_committed_one(
    auction: AuctionState,
) -> None:
    message = encode_report(signed(auction)) | {"salt": "00" * 32}
    assert not decode_report(message, CONTRACTS, auction, 1).committed


def test_recover__malleable_signature__refused_as_the_contract_does(auction: AuctionState) -> None:
    report = signed(auction)
    digest, signature = report.digest, report.signature
    assert recover(digest, signature) == SIGNERS[0].address
    s, v = int.from_bytes(signature[32:64], "big"), signature[64]
    flipped = signature[:32] + (ORDER - s).to_bytes(32, "big") + bytes([55 - v])
    for wrong in (flipped, signature[:64] + bytes([v - 27]), signature[:64], signature + b"\0"):
        with pytest.raises(IntegrityError):
            recover(digest, wrong)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
fields = [
    "schema",
    "auction",
    "round",
    "member",
    "salt",
    "evidence",
    "signature",
    "vector",
    "index",
    "ground",
]


@given(st.dictionaries(st.sampled_from(fields), json_values))
def test_messages__any_json__refused_never_a_crash(change: dict[str, Any]) -> None:
    auction = made_auction()
    base = encode_report(signed(auction))
    message = base | change
    if any(message[field] != value for field, value in base.items() if field != "salt"):
        with pytest.raises(IntegrityError):
            decode_report(message, CONTRACTS, auction, 1)
    with pytest.raises(IntegrityError):
        decode_verdict({"schema": "qmia/verdict/1", **change}, CONTRACTS, auction, 1)


def test_verdict__encoded_and_decoded__proves_its_member(auction: AuctionState) -> None:
    gone = Ground.UNAVAILABLE
    signature = SIGNERS[2].sign_typed(verdict_message(CONTRACTS, 1, 7, gone))
    message = encode_verdict(1, 7, gone, 2, signature)
    assert decode_verdict(message, CONTRACTS, auction, 7) == (gone, 2, signature)
    changes: list[dict[str, Any]] = [
        {"member": 1},
        {"index": 8},
        {"auction": 2},
        {"member": -1},
        {"signature": "0"},
        {"ground": int(Ground.UNREADABLE)},
        {"ground": 9},
        {"ground": None},
    ]
    for wrong in changes:
        with pytest.raises(IntegrityError):
            decode_verdict(message | wrong, CONTRACTS, auction, 7)
    with pytest.raises(IntegrityError):
        decode_verdict(message, CONTRACTS, auction, 8)
    auction.accepted_round = 0
    with pytest.raises(IntegrityError, match="another delivery"):
        decode_verdict(message, CONTRACTS, auction, 7)


# DIRECTORY


def test_directory__written__is_read_back_and_others_are_not_there(tmp_path: Path) -> None:
    shared = DirectoryExchange(tmp_path, CONTRACTS.auction)
    topic = Topic(1, "report", 1)
    shared.publish("0xAB", topic, {"a": 1})
    assert shared.read("0xab", topic, 100) == [{"a": 1}]
    assert shared.read("0xab", Topic(1, "report", 2), 100) == []
    assert shared.read("0xcd", topic, 100) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"5", b'"x"', b"[1, 2]", b"[" * 100_000, b"\xff", b'{"a": "' + b"x" * 999],
)
def test_directory__garbage__is_nothing(tmp_path: Path, content: bytes) -> None:
    topic = Topic(1, "report", 1)
    (tmp_path / "0xab").mkdir()
    (tmp_path / "0xab" / topic.file(CONTRACTS.auction)).write_bytes(content)
    assert DirectoryExchange(tmp_path, CONTRACTS.auction).read("0xab", topic, 500) == []


def test_directory__pipe_or_folder_in_place_of_a_file__does_not_block(tmp_path: Path) -> None:
    shared = DirectoryExchange(tmp_path, CONTRACTS.auction)
    (tmp_path / "0xab").mkdir()
    os.mkfifo(tmp_path / "0xab" / Topic(1, "report", 1).file(CONTRACTS.auction))
    (tmp_path / "0xab" / Topic(1, "report", 2).file(CONTRACTS.auction)).mkdir()
    assert shared.read("0xab", Topic(1, "report", 1), 500) == []
    assert shared.read("0xab", Topic(1, "report", 2), 500) == []


# HTTP


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[BaseHTTPRequestHandler], None]], str]]:
    """Start servers that answer as the test says; gives their base URL."""
    servers = []

    def start(answer: Callable[[BaseHTTPRequestHandler], None]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    answer(self)
                except OSError:
                    return

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _text(body: bytes, status: int = 200, **headers: str) -> Callable[..., None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def _endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 10_000)


def _dripping(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x")
        handler.wfile.flush()
        threading.Event().wait(0.05)


def _dripping_headers(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Padding: ")
    for _ in range(200):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        threading.Event().wait(0.05)
    handler.wfile.write(b"\r\nContent-Length: 0\r\n\r\n")


def test_download__small_answer__comes(serve: Any) -> None:
    assert download(serve(_text(b"hello")), 100, 5) == b"hello"


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (_endless, "more than"),
        (_dripping, "longer than"),
        (_dripping_headers, "longer than"),
        (_text(b"", 302, Location="http://127.0.0.1:1/"), "answers 302"),
        (_text(b"gone", 404), "answers 404"),
    ],
)
def test_download__hostile_answer__is_cut_off(
    serve: Any, answer: Callable[..., None], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        # Short patience for what drips only: a busy machine may take its time for the others.
        download(serve(answer), 100_000, 0.5 if "longer" in complaint else 60)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "ftp://x/", "nonsense", "http://[::1]:1/"])
def test_download__nobody_there_or_no_url__said(url: str) -> None:
    with pytest.raises(InputError):
        download(url, 100, 1)


def test_download__announced_private_address__is_not_asked(serve: Any) -> None:
    url = serve(_text(b"secret"))
    with pytest.raises(InputError, match="private"):
        download(url, 100, 1, private=False)


def test_download__name_that_leads_elsewhere_a_moment_later__is_asked_where_it_was_looked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter(["93.184.215.14", "127.0.0.1"])
    asked = []

    def connect(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        asked.append(address)
        raise OSError("nobody is asked here")

    def look_up(*_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(InputError, match="cannot fetch"):
        download("http://operator.example:81/", 100, 1, private=False)
    assert asked == [("93.184.215.14", 81)]


def test_gatherer__one_good_source_among_bad_ones__gives_its_message(
    serve: Any, auction: AuctionState, tmp_path: Path
) -> None:
    report = signed(auction)
    good = serve(_text(json.dumps([encode_report(report)]).encode()))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        peers = [
            serve(_endless),
            serve(_dripping),
            serve(_dripping_headers),
            f"http://127.0.0.1:{silent.getsockname()[1]}",
            serve(_text(b"[" * 1000)),
            good,
        ]
        settings = Exchange(peers=peers, timeout=1, directory=tmp_path)
        gatherer = Gatherer(settings, CONTRACTS.auction)
        topic = Topic(1, "report", 1)
        answers: dict[str, list[Any]] = {}
        give_up = time.monotonic() + 120
        # On a busy machine the good one may be too slow as well: a daemon asks again.
        while len(answers) < len(peers) + 2 or not answers[good]:
            assert time.monotonic() < give_up
            gatherer.ask(auction, topic, [0, 1])
            for asked, source, messages in gatherer.answers():
                assert asked == topic
                answers[source] = messages
            threading.Event().wait(0.02)
        gatherer.close()
    assert [source for source, messages in answers.items() if messages] == [good]
    assert decode_report(answers[good][0], CONTRACTS, auction, 1) == report


def test_gatherer__announced_location__asked_only_on_public_networks(
    serve: Any, auction: AuctionState
) -> None:
    url = serve(_text(json.dumps(encode_report(signed(auction))).encode()))
    auction.rounds[0].announced[0] = url
    for private in (False, True):
        gatherer = Gatherer(Exchange(private_networks=private, timeout=2), CONTRACTS.auction)
        gatherer.ask(auction, Topic(1, "report", 1), [0])
        found: list[Any] = []
        while not found:
            found = gatherer.answers()
            threading.Event().wait(0.02)
        gatherer.close()
        assert bool(found[0][2]) is private
