"""Encrypted key files (Web3 Secret Storage, version 3) and the files of their passphrases.

The library that decrypts them trusts what a file says of itself. Here the version, the cipher, the
price of the key derivation and the address are checked, because a file that is read wrongly opens
as another key without a word.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final

from eth_account import Account
from eth_utils.address import is_hex_address, to_checksum_address

from oracles.errors import ConfigError, reason
from oracles.files import write_new

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VERSION: Final = 3
_CIPHER: Final = "aes-128-ctr"
#: What every wallet derives: half of it decrypts, half of it is for the check sum.
_KEY_BYTES: Final = 32
#: Bytes that scrypt may take (128·n·r), and rounds of PBKDF2: far above what any wallet writes.
_MOST_MEMORY: Final = 1 << 30
_MOST_ROUNDS: Final = 50_000_000


def read_secret(path: Path) -> str:
    """The one line of a secret's file: spaces belong to it, one line end does not.

    Raises:
        ConfigError: it cannot be read, is empty, or has several lines.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"cannot read a secret from {path} ({error.strerror}): the file must hold it, in one"
            " line"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not in UTF-8: save it as UTF-8 text") from error
    line, _, rest = text.partition("\n")
    if rest.strip():
        raise ConfigError(f"{path} has several lines: put the secret alone into one line")
    if not (line := line.removesuffix("\r")):
        raise ConfigError(f"{path} is empty; put the secret into its first line")
    return line


def read_keystore(path: Path, passphrase: str) -> bytes:
    """The secret in an encrypted key file.

    Args:
        path: of the file; a byte order mark before it is ignored.
        passphrase: as typed. Where it has accents, every Unicode form of it is tried, since
            programs differ in the form that they encrypt with.

    Returns:
        32 bytes.

    Raises:
        ConfigError: the file cannot be read or is of another kind, the passphrase is wrong, or the
            key inside is not that of the address that the file states.
    """
    content = _load(path)
    stated = stated_address(content)
    _check_kind(path, content)
    content["version"] = VERSION
    forms = [passphrase]
    forms += [unicodedata.normalize(form, passphrase) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    for form in dict.fromkeys(forms):
        try:
            # An early wallet cut leading zeros off; the address below tells whether that is right.
            secret = bytes(Account.decrypt(content, form)).rjust(32, b"\0")
            address = Account.from_key(secret).address
        except ValueError as error:
            if "MAC mismatch" in str(error):
                continue
            raise ConfigError(f"the keystore {path} is damaged: {error}") from error
        except Exception as error:
            # The libraries below raise whatever a damaged file leads them to.
            raise ConfigError(f"the keystore {path} is damaged: {reason(error)}") from error
        if stated not in (None, address):
            raise ConfigError(f"the keystore {path} says {stated}, but holds the key of {address}")
        return secret
    raise ConfigError(f"wrong passphrase for the keystore {path}, or the file is damaged")


def keystore_address(path: Path) -> str | None:
    """Checksummed address that a key file states, without opening it; None where it states none.

    Raises:
        ConfigError: it cannot be read.
    """
    return stated_address(_load(path))


def write_keystore(path: Path, secret: bytes, passphrase: str) -> None:
    """Write a new encrypted keystore, readable by its owner only.

    Raises:
        ConfigError: the file exists already, or cannot be written.
    """
    if path.exists():
        raise ConfigError(f"cannot write the keystore {path}: it exists")
    encrypted: dict[str, Any] = Account.encrypt(secret, passphrase)
    vector = encrypted["crypto"]["cipherparams"]
    # eth-keyfile writes it as a number; other wallets want all 16 bytes.
    vector["iv"] = vector["iv"].zfill(32)
    content = json.dumps(encrypted)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_new(path, content + "\n")
    except OSError as error:
        raise ConfigError(f"cannot write the keystore {path}: {error.strerror}") from error


def stated_address(content: Mapping[str, Any]) -> str | None:
    """Checksummed address in a key file's content; None where there is none that can be read."""
    stated = content.get("address")
    return to_checksum_address(stated) if is_hex_address(stated) else None


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot read the keystore {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no keystore: it is not in UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no keystore: it is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is no keystore: a JSON object is needed")
    # Some wallets write `Crypto`.
    lowered = {str(name).lower(): value for name, value in content.items()}
    if len(lowered) < len(content):
        raise ConfigError(f"the keystore {path} is damaged: it has one section twice")
    return lowered


def _check_kind(path: Path, content: Mapping[str, Any]) -> None:
    """What the decrypting library takes on trust."""
    version = content.get("version")
    if version not in (VERSION, str(VERSION)):
        raise ConfigError(
            f"the keystore {path} is of version {version!r}, which is not supported: version"
            f" {VERSION} is needed; import it into a wallet and export it again"
        )
    crypto = content.get("crypto")
    if not isinstance(crypto, dict):
        raise ConfigError(f"the keystore {path} is damaged: it has no section `crypto`")
    if crypto.get("cipher") != _CIPHER:
        raise ConfigError(
            f"the keystore {path} is encrypted with {crypto.get('cipher')!r}, which is not"
            f" supported: {_CIPHER} is needed"
        )
    # Its check sum is of the encrypted key alone: another vector opens as another key.
    vector = crypto.get("cipherparams")
    vector = vector.get("iv") if isinstance(vector, dict) else None
    # Wallets in Python write it without the zeros at its beginning; more than three are improbable.
    if not (isinstance(vector, str) and re.fullmatch(r"(0[xX])?([0-9a-fA-F]{2}){13,16}", vector)):
        raise ConfigError(f"the keystore {path} is damaged: its `iv` is not 16 bytes")
    if content.get("address") and stated_address(content) is None:
        raise ConfigError(f"the keystore {path} is damaged: its `address` is none")
    parameters = crypto.get("kdfparams")
    length = parameters.get("dklen") if isinstance(parameters, dict) else None
    if isinstance(parameters, dict) and length != _KEY_BYTES:
        raise ConfigError(f"the keystore {path} has `dklen` {length!r}: {_KEY_BYTES} is needed")
    match crypto.get("kdf"), parameters:
        case "scrypt", {"n": int(n), "r": int(r), "p": int(p)}:
            costly = 128 * n * r > _MOST_MEMORY or n * r * p > _MOST_MEMORY
        case "pbkdf2", {"c": int(rounds), "prf": "hmac-sha256"}:
            costly = rounds > _MOST_ROUNDS
        case kdf, parameters:
            raise ConfigError(
                f"the keystore {path} derives its key by {kdf!r} with {parameters!r}: scrypt, or"
                " pbkdf2 with hmac-sha256, is needed"
            )
    if costly:
        raise ConfigError(
            f"opening the keystore {path} would take more memory or time than any wallet asks for"
        )
