"""The operator's keys: one that signs (here or elsewhere), and one that opens data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hexbytes import HexBytes

from oracles.chain.keystore import keystore_address, read_keystore
from oracles.chain.signers import LocalSigner, RemoteSigner
from oracles.dataset import EncryptionKey
from oracles.errors import ConfigError

if TYPE_CHECKING:
    from oracles.chain.signers import Signer
    from oracles.operator.settings import Settings


def operator_address(settings: Settings) -> str:
    """Address of the operator that the settings mean; a keystore need not be opened for it.

    Raises:
        ConfigError: they name none.
    """
    if settings.address is not None:
        return settings.address
    if settings.keystore is not None:
        if stated := keystore_address(settings.keystore):
            return stated
        raise ConfigError(f"{settings.keystore} does not say its address; set `address`")
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
    stores += settings.old_encryption_keystores
    keys += [EncryptionKey(read_keystore(path, _passphrase(settings))) for path in stores]
    return keys


def _passphrase(settings: Settings) -> str:
    if settings.passphrase is None:
        raise ConfigError("a keystore needs passphrase_file (or QMIA_PASSPHRASE_FILE)")
    return settings.passphrase.get_secret_value()
