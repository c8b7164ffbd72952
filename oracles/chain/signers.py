"""Who signs: a key in this process, or a signer elsewhere that is not trusted."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from urllib.parse import urlsplit

import httpx
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes

from oracles.chain.keystore import read_keystore
from oracles.errors import ChainError, ConfigError
from oracles.sockets import Sockets

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from eth_account.signers.local import LocalAccount
    from eth_account.types import TransactionDictType
    from eth_typing import ChecksumAddress
    from web3.types import TxParams

#: Order of secp256k1's group.
_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
#: Integers above this are no integers to a signer in JavaScript.
_LARGEST_NUMBER: Final = 2**53 - 1
_NO_SUCH_METHOD: Final = -32601
#: Longest part of a signer's own words that is shown.
_LONGEST_WORDS: Final = 200
#: A person said no: EIP-1193's code and WalletConnect's, or in words (Clef has no code for it).
_REJECTED: Final = (4001, 5000)
_REJECTED_WORDS: Final = re.compile(r"\b(denied|rejected|declined)\b", re.IGNORECASE)
#: Seconds; a person may have to press a button.
_TIMEOUT: Final = 120
#: Longest answer that is read, bytes.
_LONGEST_ANSWER: Final = 1 << 20


class Signer(Protocol):
    """Whoever can sign for an address."""

    @property
    def address(self) -> ChecksumAddress:
        """Checksummed address."""

    def sign_transaction(self, transaction: TxParams) -> bytes:
        """The raw signed transaction."""

    def sign_typed(self, message: dict[str, Any]) -> bytes:
        """65-byte EIP-712 signature of a whole typed message."""


@dataclass(frozen=True, slots=True)
class LocalSigner:
    """A key held by this process (eth-account).

    Example:
        `qmia keygen me.json` makes a key.

        >>> import qmia
        >>> from pathlib import Path
        >>> signer = qmia.LocalSigner.from_keystore(Path("me.json"), "the passphrase")
        >>> signer.address.startswith("0x")
        True
    """

    account: LocalAccount

    @classmethod
    def from_secret(cls, secret: bytes | str) -> LocalSigner:
        """From a 32-byte private key."""
        return cls(Account.from_key(secret))

    @classmethod
    def from_keystore(cls, path: Path, passphrase: str) -> LocalSigner:
        """From an encrypted key file.

        Raises:
            ConfigError: the file cannot be read, or the passphrase is wrong.
        """
        return cls.from_secret(read_keystore(path, passphrase))

    @property
    def address(self) -> ChecksumAddress:
        """Checksummed address."""
        return self.account.address

    def sign_transaction(self, transaction: TxParams) -> bytes:
        """The raw signed transaction."""
        fields = cast("TransactionDictType", transaction)
        return bytes(self.account.sign_transaction(fields).raw_transaction)

    def sign_typed(self, message: dict[str, Any]) -> bytes:
        """65-byte EIP-712 signature."""
        signable = encode_typed_data(full_message=message)
        return bytes(self.account.sign_message(signable).signature)


class RemoteSigner:
    """A key behind JSON-RPC: Web3Signer, Clef, or any node or wallet that signs for the address.

    What comes back is checked against what was asked for, so a confused or hostile signer cannot
    make anybody send what was not meant.

    Args:
        url: of the signer.
        address: of the key.

    Raises:
        ConfigError: the address is none.
    """

    def __init__(self, url: str, address: str) -> None:
        try:
            self._address = to_checksum_address(address)
        except ValueError as error:
            raise ConfigError(f"{address!r} is not the address of a signer's key") from error
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise ConfigError(f"the address of the remote signer is none: {error}") from error
        if parts.scheme not in ("http", "https") or not host:
            raise ConfigError(
                "the address of the remote signer must begin with http:// or https://"
            )
        self._url = url
        self._where = f"the remote signer at {host}"

    @property
    def address(self) -> ChecksumAddress:
        """Checksummed address."""
        return self._address

    def sign_transaction(self, transaction: TxParams) -> bytes:
        """The raw signed transaction.

        Raises:
            ChainError: the signer does not answer, refuses, or signed something else.
        """
        request = {
            name: hex(value) if isinstance(value, int) else _for_json(value)
            for name, value in transaction.items()
        } | {"from": self._address}
        answer = self._first(
            [("eth_signTransaction", [request]), ("account_signTransaction", [request])]
        )
        if isinstance(answer, dict):
            forms = ("raw", "rawTransaction", "signedTransaction", "serialized")
            answer = next((answer[name] for name in forms if name in answer), answer)
        raw = self._bytes(answer)
        try:
            signed = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
            signer = Account.recover_transaction(raw)
        except Exception as error:
            # The decoding libraries raise whatever the bytes lead them to.
            raise ChainError(
                f"{self._where} answered no EIP-1559 transaction ({type(error).__name__})"
            ) from error
        if signer != self._address:
            raise ChainError(f"{self._where} signed with another key: {signer}")
        if signed.get("accessList") and "accessList" not in transaction:
            raise ChainError(f"{self._where} signed another transaction: its accessList differs")
        for name, value in {"to": b"", **transaction}.items():
            if name != "from" and _plain(signed.get(name)) != _plain(value):
                raise ChainError(f"{self._where} signed another transaction: its {name} differs")
        if (high := int(cast("Any", signed["s"]))) > _ORDER // 2:  # no node takes it (EIP-2)
            parity = 1 - int(cast("Any", signed["v"]))
            signed |= {"s": _ORDER - high, "v": parity}
            return bytes(TypedTransaction.from_dict(signed).encode())
        return raw

    def sign_typed(self, message: dict[str, Any]) -> bytes:
        """65-byte EIP-712 signature.

        Raises:
            ChainError: the signer does not answer, refuses, or signed something else.
        """
        plain = _for_json(message)
        # Signers differ in the method's name, and in whether the message is an object or a string.
        answer = self._first(
            (method, [self._address, form])
            for method in ("eth_signTypedData_v4", "eth_signTypedData", "account_signTypedData")
            for form in (plain, json.dumps(plain))
        )
        signature = normalize_signature(self._bytes(answer), self._where)
        signable = encode_typed_data(full_message=message)
        try:
            signer = Account.recover_message(signable, signature=signature)
        except Exception as error:
            # The curve's library has errors of its own for points that are not on it.
            raise ChainError(f"{self._where} answered no signature of this message") from error
        if signer != self._address:
            raise ChainError(
                f"{self._where} signed with another key, or another message: recovered {signer}"
            )
        return signature

    def _first(self, requests: Iterable[tuple[str, list[Any]]]) -> Any:
        """The first answer among ways to ask for the same thing; else what the signer says.

        Raises:
            ChainError: it knows none of the ways, or refuses.
        """
        refusal: ChainError | None = None
        for method, params in requests:
            problem, answer = self._ask(method, params)
            if problem is None:
                return answer
            code, words = problem
            if refusal is None or code != _NO_SUCH_METHOD:
                refusal = ChainError(f"{self._where} refuses {method}: {words}")
            if code in _REJECTED or _REJECTED_WORDS.search(words):
                break
        raise refusal or ChainError(f"{self._where} was asked nothing")

    def _ask(self, method: str, params: list[Any]) -> tuple[tuple[Any, str] | None, Any]:
        """The problem as code and words, or None; and the result."""
        status, content = self._post(
            {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        )
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        # Some signers send their error with a status above 400: its words are better than a number.
        if not isinstance(answer, dict) or not answer.keys() & {"error", "result"}:
            if 200 <= status < 300:
                raise ChainError(f"{self._where} does not answer as JSON-RPC does")
            words = " ".join(content.decode("utf-8", "replace")[:_LONGEST_WORDS].split())
            said = f": {words}" if words and not words.startswith("<") else ""
            raise ChainError(f"{self._where} answers HTTP {status}{said}")
        if not (problem := answer.get("error")) and "result" in answer:
            return None, answer["result"]  # Some write an empty error beside it.
        code, words = None, str(problem)
        match problem:
            case {"code": code, "message": str(words), "data": str(more)} if more:
                words = f"{words}: {more}"
            case {"message": str(words), **others}:
                code = others.get("code")
        return (code, words[:_LONGEST_WORDS]), None

    def _post(self, body: dict[str, Any]) -> tuple[int, bytes]:
        """Status and content of the answer.

        Raises:
            ChainError: there is none, or none that ends in time.
        """
        sockets, content = Sockets(), bytearray()
        with sockets.cut_after(_TIMEOUT) as cut:
            try:
                with (
                    httpx.Client(
                        timeout=_TIMEOUT, headers={"Accept-Encoding": "identity"}
                    ) as client,
                    client.stream(
                        "POST", self._url, json=body, extensions={"trace": sockets.follow}
                    ) as reply,
                ):
                    for part in reply.iter_raw():
                        content += part
                        if len(content) > _LONGEST_ANSWER:
                            raise ChainError(f"{self._where} answers more than any signature is")
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                if not cut.is_set():
                    raise ChainError(
                        f"{self._where} does not answer ({type(error).__name__}): is it running?"
                    ) from error
            if cut.is_set():
                raise ChainError(f"{self._where} does not answer within {_TIMEOUT} s")
        return reply.status_code, bytes(content)

    def _bytes(self, answer: Any) -> bytes:
        match answer:
            case {"signature": str(text)} | str(text):
                answer = text.strip()
            case {"r": r, "s": s, "v": v} | {"r": r, "s": s, "yParity": v}:
                answer = _in_one(r, s, v)
            case {"type": "Buffer", "data": list(data)}:  # as JavaScript writes bytes
                answer = data
        try:
            return bytes(answer) if isinstance(answer, list) else bytes(HexBytes(answer))
        except (TypeError, ValueError) as error:
            shown = repr(answer)[:_LONGEST_WORDS]
            raise ChainError(f"{self._where} answered {shown} instead of bytes") from error


def _in_one(r: Any, s: Any, v: Any) -> Any:
    """The parts of a signature as bytes; unchanged where they are none."""
    try:
        numbers = [int(each, 16) if isinstance(each, str) else int(each) for each in (r, s)]
        numbers.append(int(v, 0) if isinstance(v, str) else int(v))
        return b"".join(each.to_bytes(32, "big") for each in numbers[:2]) + numbers[2].to_bytes(
            max(1, (numbers[2].bit_length() + 7) // 8), "big"
        )
    except (TypeError, ValueError, OverflowError):
        return {"r": r, "s": s, "v": v}


def normalize_signature(signature: bytes, source: str) -> bytes:
    """A signature in the one form that contracts take: r, s in the lower half, v 27 or 28.

    Args:
        signature: r and s with v as 0, 1, 27, 28 or EIP-155's, or 64 bytes after EIP-2098.
        source: who made it, for the message.

    Returns:
        65 bytes.

    Raises:
        ChainError: it is none of these.
    """
    if len(signature) == 64:
        top = signature[32] >> 7
        signature = signature[:32] + bytes([signature[32] & 0x7F]) + signature[33:] + bytes([top])
    s, v = int.from_bytes(signature[32:64], "big"), int.from_bytes(signature[64:], "big")
    # EIP-155: v = 35 + 2·chain + parity, which takes more than a byte on most chains.
    parity = {0: 0, 1: 1, 27: 0, 28: 1}.get(v, (v - 35) % 2 if v >= 35 else None)
    if len(signature) < 65 or parity is None or not 0 < s < _ORDER:
        raise ChainError(f"{source} answered {len(signature)} bytes that are no signature")
    if s > _ORDER // 2:
        s, parity = _ORDER - s, 1 - parity
    return signature[:32] + s.to_bytes(32, "big") + bytes([27 + parity])


def _plain(value: Any) -> Any:
    """A transaction's field in a form that compares: bytes for addresses and data, integers."""
    if isinstance(value, str):
        return int(value, 16) if value in ("0x0", "0x2") else bytes(HexBytes(value))
    return bytes(value) if isinstance(value, bytes) else value


def _for_json(value: Any) -> Any:
    """A typed message as JSON: bytes in hexadecimal, large integers as decimal strings."""
    match value:
        case dict():
            return {name: _for_json(each) for name, each in value.items()}
        case list() | tuple():
            return [_for_json(each) for each in value]
        case bytes():
            return "0x" + value.hex()
        case bool():
            return value
        case int() if abs(value) > _LARGEST_NUMBER:
            return str(value)
        case _:
            return value
