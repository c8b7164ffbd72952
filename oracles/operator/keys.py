"""The operator's encryption keys, which open what providers show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hexbytes import HexBytes

from oracles.chain.keystore import read_keystore
from oracles.dataset import EncryptionKey
from oracles.errors import ConfigError

if TYPE_CHECKING:
    from oracles.operator.settings import Settings


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
    keys += [EncryptionKey(read_keystore(path, settings.opened_passphrase())) for path in stores]
    return keys
