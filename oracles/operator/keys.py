"""The operator's keys: one that signs (here or elsewhere), and one that opens data sets."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import httpx
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes

from oracles.chain.client import LocalSigner
from oracles.dataset import EncryptionKey
from oracles.errors import ChainError, ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from eth_typing import ChecksumAddress
    from web3.types import TxParams

    from oracles.chain.client import Signer
    from oracles.operator.settings import Settings

_NO_SUCH_METHOD = -32601
_TIMEOUT = 30


class RemoteSigner:
    """A key behind JSON-RPC: Web3Signer, or any node or wallet that signs for the address.

    Every signature that comes back is checked, so a confused signer cannot make this operator
    send what nobody signed.

    Args:
        url: of the signer.
        address: of the key.
    """

    def __init__(self, url: str, address: str) -> None:
        self._url = url
        self._address = to_checksum_address(address)

    @property
    def address(self) -> ChecksumAddress:
        """Checksummed address."""
        return self._address

    def sign_transaction(self, transaction: TxParams) -> bytes:
        """The raw signed transaction (`eth_signTransaction`)."""
        request = {
            name: hex(value) if isinstance(value, int) else value
            for name, value in transaction.items()
        } | {"from": self._address}
        answer = self._rpc("eth_signTransaction", request)
        raw = bytes(HexBytes(answer["raw"] if isinstance(answer, dict) else answer))
        if Account.recover_transaction(raw) != self._address:
            raise ChainError("the remote signer signed a transaction with another key")
        return raw

    def sign_typed(self, message: dict[str, Any]) -> bytes:
        """65-byte EIP-712 signature."""
        plain = json.loads(json.dumps(message, default=lambda value: "0x" + bytes(value).hex()))
        try:
            answer = self._rpc("eth_signTypedData_v4", self._address, plain)
        except _NoMethodError:
            answer = self._rpc("eth_signTypedData", self._address, plain)
        signature = bytes(HexBytes(answer))
        signable = encode_typed_data(full_message=message)
        if Account.recover_message(signable, signature=signature) != self._address:
            raise ChainError("the remote signer signed a message with another key")
        return signature

    def _rpc(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            reply = httpx.post(self._url, json=body, timeout=_TIMEOUT)
            answer = reply.raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise ChainError(
                f"the remote signer does not answer {method}: {type(error).__name__}"
            ) from error
        if problem := answer.get("error"):
            if problem.get("code") == _NO_SUCH_METHOD:
                raise _NoMethodError(f"the remote signer has no {method}")
            raise ChainError(f"the remote signer refuses {method}: {problem.get('message')}")
        return answer["result"]


class _NoMethodError(ChainError):
    """A signer does not know this method."""


def operator_address(settings: Settings) -> str:
    """Address of the operator that the settings mean; a keystore need not be opened for it.

    Raises:
        ConfigError: they name none.
    """
    if settings.address is not None:
        return settings.address
    if settings.keystore is not None:
        try:
            return str(to_checksum_address(json.loads(settings.keystore.read_text())["address"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{settings.keystore} does not say its address ({type(error).__name__}); set"
                " `address`"
            ) from error
    signer = load_signer(settings)
    if signer is None:
        raise ConfigError("set `address`, or a key, to say which operator is meant")
    return signer.address


def load_signer(settings: Settings) -> Signer | None:
    """The signing key that the settings name; None means dry run.

    Raises:
        ConfigError: it cannot be opened.
    """
    if settings.private_key is not None:
        try:
            return LocalSigner.from_secret(settings.private_key.get_secret_value())
        except Exception as error:
            raise ConfigError("private_key is not 32 bytes in hexadecimal") from error
    if settings.keystore is not None:
        return LocalSigner.from_keystore(settings.keystore, _passphrase(settings))
    if settings.remote_signer is not None and settings.address is not None:
        return RemoteSigner(settings.remote_signer, settings.address)
    return None


def load_encryption_keys(settings: Settings) -> list[EncryptionKey]:
    """The present encryption key and earlier ones; empty if none is configured.

    Raises:
        ConfigError: one cannot be opened.
    """
    keys = []
    if settings.encryption_key is not None:
        try:
            secret = bytes(HexBytes(settings.encryption_key.get_secret_value()))
        except ValueError as error:
            raise ConfigError("encryption_key is not hexadecimal") from error
        keys.append(EncryptionKey(secret))
    stores = [settings.encryption_keystore] if settings.encryption_keystore else []
    for path in (*stores, *settings.old_encryption_keystores):
        try:
            secret = Account.decrypt(path.read_text(), _passphrase(settings))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"cannot open the encryption keystore {path}: {error}") from error
        keys.append(EncryptionKey(bytes(secret)))
    return keys


def _passphrase(settings: Settings) -> str:
    if settings.passphrase is None:
        raise ConfigError("a keystore needs passphrase_file (or QMIA_PASSPHRASE_FILE)")
    return settings.passphrase.get_secret_value()


def write_keystore(path: Path, secret: bytes, passphrase: str) -> None:
    """Write a new encrypted keystore (Web3 Secret Storage), readable by its owner only.

    Raises:
        ConfigError: the file exists already, or cannot be written.
    """
    if path.exists():
        raise ConfigError(f"cannot write the keystore {path}: it exists")
    content = json.dumps(Account.encrypt(secret, passphrase))
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(content + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(f"cannot write the keystore {path}: {error.strerror}") from error
