"""Remote signers as they are documented to answer, and as a hostile one would."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes
from hypothesis import given
from hypothesis import strategies as st

from oracles.chain import signers
from oracles.chain.signers import LocalSigner, RemoteSigner, normalize_signature
from oracles.errors import ChainError, ConfigError
from tests.support.dripping import dripping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
LOCAL = LocalSigner.from_secret(b"\x22" * 32)
OTHER = LocalSigner.from_secret(b"\x23" * 32)
MESSAGE: dict[str, Any] = {
    "types": {
        "EIP712Domain": [{"name": "chainId", "type": "uint256"}],
        "Check": [{"name": "root", "type": "bytes32"}, {"name": "n", "type": "uint256[]"}],
    },
    "primaryType": "Check",
    "domain": {"chainId": 1},
    "message": {"root": bytes(range(32)), "n": [5, 2**255 + 1]},
}
TRANSACTION: Any = {
    "from": LOCAL.address,
    "to": OTHER.address,
    "value": 1,
    "nonce": 7,
    "gas": 21_000,
    "maxFeePerGas": 10**9,
    "maxPriorityFeePerGas": 10**8,
    "chainId": 5,
    "data": "0x1234",
    "type": 2,
}


class _Signer:
    """A JSON-RPC signer whose answers a test decides."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Callable[[str, list[Any]], tuple[int, Any]] = lambda *_: (200, {})
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.asked.append(body["method"])
                status, answer = outer.answer(body["method"], body["params"])
                raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://user:secret@127.0.0.1:{self.server.server_port}/key"
        self.remote = RemoteSigner(self.url, LOCAL.address)


@pytest.fixture
def signer() -> Iterator[_Signer]:
    """A signer whose answers a test decides."""
    made = _Signer()
    yield made
    made.server.shutdown()
    made.server.server_close()


def result(value: Any) -> tuple[int, Any]:
    """A JSON-RPC answer."""
    return 200, {"jsonrpc": "2.0", "id": 1, "result": value}


def error(code: int, message: str, status: int = 200) -> tuple[int, Any]:
    """A JSON-RPC error."""
    return status, {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}}


def _typed(method: str, message: Any, accepted: str, *, as_string: bool) -> tuple[int, Any]:
    """A signer that knows one method and one form of the message."""
    if method != accepted:
        return error(-32601, "Method not found")
    if isinstance(message, str) is not as_string:
        return error(-32602, "Invalid params")
    plain = json.loads(message) if isinstance(message, str) else message
    signed = Account.sign_message(encode_typed_data(full_message=plain), b"\x22" * 32)
    return result("0x" + bytes(signed.signature).hex())


@pytest.mark.parametrize("as_string", [False, True])
@pytest.mark.parametrize(
    "accepted", ["eth_signTypedData_v4", "eth_signTypedData", "account_signTypedData"]
)
def test_typed__every_documented_way_to_ask__is_tried(
    signer: _Signer, accepted: str, as_string: bool
) -> None:
    signer.answer = lambda method, params: _typed(method, params[1], accepted, as_string=as_string)
    assert signer.remote.sign_typed(MESSAGE) == LOCAL.sign_typed(MESSAGE)


def test_typed__signature_in_another_wrapping__is_taken(signer: _Signer) -> None:
    right = LOCAL.sign_typed(MESSAGE)
    parts = {"r": hex(int.from_bytes(right[:32], "big")), "s": "0x" + right[32:64].hex()}
    for answer in (
        "0x" + right.hex() + "\n",
        {"signature": right.hex()},
        {**parts, "v": right[64]},
        {**parts, "v": hex(right[64] - 27)},
        # viem's and ethers' objects, a Buffer of Node as JSON, and an ABI-encoded (r, s, v).
        {**parts, "yParity": hex(right[64] - 27)},
        {
            "r": int.from_bytes(right[:32], "big"),
            "s": int.from_bytes(right[32:64], "big"),
            "v": right[64],
        },
        {"type": "Buffer", "data": list(right)},
        "0x" + (right[:64] + bytes(31) + right[64:]).hex(),
        "0X" + right.hex().upper(),
    ):
        signer.answer = lambda *_, answer=answer: result(answer)
        assert signer.remote.sign_typed(MESSAGE) == right


@pytest.mark.parametrize("empty", [None, False, "", {}])
def test_typed__an_empty_error_beside_the_result__is_none(signer: _Signer, empty: Any) -> None:
    right = LOCAL.sign_typed(MESSAGE)
    signer.answer = lambda *_: (200, {"id": 1, "result": "0x" + right.hex(), "error": empty})
    assert signer.remote.sign_typed(MESSAGE) == right


@given(
    st.binary(min_size=32, max_size=32),
    st.sampled_from([0, 27, 35 + 2 * 1, 35 + 2 * 137]),
    st.booleans(),
    st.booleans(),
)
def test_signature__every_form__becomes_the_one_of_contracts(
    digest: bytes, base: int, high: bool, compact: bool
) -> None:
    signed = Account.unsafe_sign_hash(digest, b"\x22" * 32)
    parity, s = signed.v - 27, signed.s
    right = signed.r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + parity])
    if compact:
        given_form = right[:32] + (s | parity << 255).to_bytes(32, "big")
    else:
        if high:
            s, parity = ORDER - s, 1 - parity
        v = base + parity
        form = v.to_bytes((v.bit_length() + 7) // 8 or 1, "big")
        given_form = right[:32] + s.to_bytes(32, "big") + form
    assert normalize_signature(given_form, "it") == right


@pytest.mark.parametrize("bad", [b"", b"\1" * 32, b"\1" * 63, b"\1" * 64 + b"\2", bytes(65)])
def test_signature__what_is_none__is_refused(bad: bytes) -> None:
    with pytest.raises(ChainError, match="no signature"):
        normalize_signature(bad, "it")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (result("0x" + OTHER.sign_typed(MESSAGE).hex()), "another key"),
        (result("0x" + "ff" * 32 + "01" * 32 + "1b"), "no signature"),
        (result(None), "instead of bytes"),
        (result({"r": 1}), "instead of bytes"),
        ((200, []), "JSON-RPC"),
        ((200, b"<html>sign in</html>"), "JSON-RPC"),
        ((502, b"<html>bad gateway</html>"), "HTTP 502"),
        (error(-32000, "Signer not found for identifier", 404), "Signer not found"),
        (error(4001, "User denied message signature."), "User denied"),
        ((200, {"error": "locked"}), "locked"),
        ((400, b"no key for this address"), "HTTP 400: no key for this address"),
        (
            (200, {"error": {"code": -32000, "message": "no", "data": "policy 7 forbids it"}}),
            "no: policy 7 forbids it",
        ),
        ((200, b'{"result": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "JSON-RPC"),
        ((200, b'{"result": "' + b"0" * (2 << 20) + b'"}'), "more than any signature"),
        (error(-32000, "x" * 100_000), "x{190}"),
        ((200, {"error": {"code": 1, "message": {"why": "y" * 9_000}}}), "y{100}"),
        ((200, {"result": "0x" + LOCAL.sign_typed(MESSAGE).hex(), "error": {"code": 1}}), "code"),
        (result({"r": "0x1", "s": "0x2", "v": "0x"}), "instead of bytes"),
        (result("0x" + (LOCAL.sign_typed(MESSAGE) + b"\0").hex()), "another key"),
    ],
)
def test_typed__a_hostile_or_broken_answer__is_an_error_in_its_own_words(
    signer: _Signer, answer: tuple[int, Any], words: str
) -> None:
    signer.answer = lambda *_: answer
    with pytest.raises(ChainError, match=words) as caught:
        signer.remote.sign_typed(MESSAGE)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("code", "words"),
    [(4001, "no"), (5000, "no"), (-32000, "Request denied"), (-32603, "User rejected the request")],
)
def test_typed__a_person_who_said_no__is_not_asked_again(
    signer: _Signer, code: int, words: str
) -> None:
    # EIP-1193, WalletConnect's error codes, Clef's `ErrRequestDenied`, wallets of phones.
    signer.answer = lambda *_: error(code, words)
    with pytest.raises(ChainError, match=words):
        signer.remote.sign_typed(MESSAGE)
    assert len(signer.asked) == 1


def test_signer__that_trickles__is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signers, "_TIMEOUT", 0.3)
    with dripping() as url, pytest.raises(ChainError, match="does not answer within"):
        RemoteSigner(url, LOCAL.address).sign_typed(MESSAGE)


def test_signer__that_does_not_answer__is_named_without_its_secrets(signer: _Signer) -> None:
    signer.server.shutdown()
    signer.server.server_close()
    with pytest.raises(ChainError, match=r"127\.0\.0\.1 does not answer") as caught:
        signer.remote.sign_typed(MESSAGE)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("wrap", [lambda raw: raw, lambda raw: {"raw": raw, "tx": {}}])
@pytest.mark.parametrize("method", ["eth_signTransaction", "account_signTransaction"])
def test_transaction__raw_or_in_an_object__is_taken(
    signer: _Signer, wrap: Callable[[str], Any], method: str
) -> None:
    raw = Account.sign_transaction(TRANSACTION, b"\x22" * 32).raw_transaction
    signer.answer = lambda asked, _: (
        result(wrap("0x" + raw.hex())) if asked == method else error(-32601, "unknown")
    )
    assert signer.remote.sign_transaction(TRANSACTION) == bytes(raw)


def test_transaction__with_bytes_for_its_data__is_asked_for_as_json(signer: _Signer) -> None:
    raw = Account.sign_transaction(TRANSACTION, b"\x22" * 32).raw_transaction
    signer.answer = lambda _, params: (
        result("0x" + raw.hex()) if params[0]["data"] == "0x1234" else error(-32602, "Invalid")
    )
    assert signer.remote.sign_transaction({**TRANSACTION, "data": HexBytes("0x1234")}) == bytes(raw)


def test_transaction__with_a_signature_of_the_upper_half__becomes_one_that_nodes_take(
    signer: _Signer,
) -> None:
    # Key stores in hardware do not know of EIP-2: s is in the upper half of the time.
    raw = bytes(Account.sign_transaction(TRANSACTION, b"\x22" * 32).raw_transaction)
    fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    fields |= {"s": ORDER - fields["s"], "v": 1 - fields["v"]}
    high = TypedTransaction.from_dict(fields).encode()
    assert high != raw
    signer.answer = lambda *_: result("0x" + high.hex())
    assert signer.remote.sign_transaction(TRANSACTION) == raw


@pytest.mark.parametrize(
    "change",
    [
        {"to": LOCAL.address},
        {"value": 2},
        {"nonce": 8},
        {"gas": 22_000},
        {"maxFeePerGas": 10**10},
        {"data": "0x1235"},
        {"chainId": 6},
        {"accessList": [{"address": LOCAL.address, "storageKeys": []}]},
    ],
)
def test_transaction__another_one_than_was_asked_for__is_never_sent(
    signer: _Signer, change: dict[str, Any]
) -> None:
    raw = Account.sign_transaction(TRANSACTION | change, b"\x22" * 32).raw_transaction
    signer.answer = lambda *_: result("0x" + raw.hex())
    with pytest.raises(ChainError, match=f"its {next(iter(change))} differs"):
        signer.remote.sign_transaction(TRANSACTION)


def test_transaction__of_another_key_or_kind__is_refused(signer: _Signer) -> None:
    foreign = {**TRANSACTION, "from": OTHER.address}
    raw = Account.sign_transaction(foreign, b"\x23" * 32).raw_transaction
    signer.answer = lambda *_: result("0x" + raw.hex())
    with pytest.raises(ChainError, match="another key"):
        signer.remote.sign_transaction(TRANSACTION)
    signer.answer = lambda *_: result("0xf86c")
    with pytest.raises(ChainError, match="no EIP-1559 transaction"):
        signer.remote.sign_transaction(TRANSACTION)


def test_address__that_is_none__is_refused_before_anything_is_asked() -> None:
    with pytest.raises(ConfigError, match="is not the address"):
        RemoteSigner("http://127.0.0.1:9", "0x12")


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8550", "http://", "ftp://x", "file:///key", "http://[::1", "http://x:99999"],
)
def test_url__that_is_none__is_refused_before_anything_is_asked(url: str) -> None:
    with pytest.raises(ConfigError, match="address of the remote signer"):
        RemoteSigner(url, LOCAL.address)
