"""Key files that other programs wrote, or damaged: the right key, or a sentence that says why."""

from __future__ import annotations

import copy
import errno
import hashlib
import json
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from eth_account import Account
from eth_keyfile import create_keyfile_json
from eth_keyfile.keyfile import encrypt_aes_ctr
from eth_utils.crypto import keccak

from oracles.chain.keystore import keystore_address, read_keystore, read_secret, write_keystore
from oracles.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRET = b"\x22" * 32
PASSPHRASE = "open sesame"


def encrypted(secret: bytes = SECRET, passphrase: str = PASSPHRASE) -> dict[str, Any]:
    """A key file whose derivation is cheap."""
    content = create_keyfile_json(secret, passphrase.encode(), kdf="pbkdf2", iterations=1000)
    return copy.deepcopy(dict(content))


@pytest.fixture
def keyfile(tmp_path: Path) -> Callable[..., Path]:
    """Write a key file."""

    def write(content: dict[str, Any], *, before: bytes = b"") -> Path:
        path = tmp_path / "key.json"
        path.write_bytes(before + json.dumps(content).encode())
        return path

    return write


def test_read__what_was_written__is_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "key.json"
    write_keystore(path, SECRET, PASSPHRASE)
    assert read_keystore(path, PASSPHRASE) == SECRET
    assert path.stat().st_mode & 0o777 == 0o600
    assert keystore_address(path) == Account.from_key(SECRET).address
    with pytest.raises(ConfigError, match="it exists"):
        write_keystore(path, SECRET, PASSPHRASE)


def test_write__disk_is_full__leaves_nothing_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "key.json"
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(ConfigError, match="No space left"):
            write_keystore(path, SECRET, PASSPHRASE)
    write_keystore(path, SECRET, PASSPHRASE)


def test_read__a_byte_order_mark_or_a_capital__does_not_matter(
    keyfile: Callable[..., Path],
) -> None:
    content = encrypted()
    assert read_keystore(keyfile(content, before=b"\xef\xbb\xbf"), PASSPHRASE) == SECRET
    content["Crypto"] = content.pop("crypto")
    content["address"] = "0x" + content["address"].upper().removeprefix("0X")
    content["version"] = "3"
    assert read_keystore(keyfile(content), PASSPHRASE) == SECRET


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_read__a_passphrase_with_accents__opens_in_every_form(
    keyfile: Callable[..., Path], form: Any
) -> None:
    passphrase = "größe ﬁn é"
    path = keyfile(encrypted(passphrase=unicodedata.normalize(form, passphrase)))
    assert read_keystore(path, passphrase) == SECRET


def test_read__a_key_whose_leading_zeros_were_cut__is_that_key(
    keyfile: Callable[..., Path],
) -> None:
    secret = b"\0" + b"\x22" * 31
    content = encrypted(secret)
    # The same file as an old wallet wrote it: 31 bytes encrypted.
    crypto = content["crypto"]
    short = bytes.fromhex(crypto["ciphertext"])
    salt = bytes.fromhex(crypto["kdfparams"]["salt"])
    derived = hashlib.pbkdf2_hmac("sha256", PASSPHRASE.encode(), salt, 1000, 32)
    iv = int(crypto["cipherparams"]["iv"], 16)
    stream = encrypt_aes_ctr(bytes(32), derived[:16], iv)
    assert bytes(a ^ b for a, b in zip(short, stream, strict=True)) == secret
    cut = bytes(a ^ b for a, b in zip(secret[1:], stream, strict=False))
    crypto |= {"ciphertext": cut.hex(), "mac": keccak(derived[16:] + cut).hex()}
    assert read_keystore(keyfile(content), PASSPHRASE) == secret


@pytest.mark.parametrize("zeros", [1, 3])
def test_read__a_vector_whose_leading_zeros_were_cut__opens_as_the_same_key(
    keyfile: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, zeros: int
) -> None:
    # One keystore in 256 that a wallet in Python writes.
    drawn = bytes(zeros) + bytes(range(1, 17 - zeros))
    monkeypatch.setattr("eth_keyfile.keyfile.Random.get_random_bytes", lambda n: drawn[:n])
    content = encrypted()
    assert len(content["crypto"]["cipherparams"]["iv"]) == 32 - 2 * zeros
    assert read_keystore(keyfile(content), PASSPHRASE) == SECRET


def test_write__a_vector_that_begins_with_zeros__has_all_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "eth_keyfile.keyfile.Random.get_random_bytes", lambda n: bytes(n - 1) + b"1"
    )
    write_keystore(tmp_path / "key.json", SECRET, PASSPHRASE)
    vector = json.loads((tmp_path / "key.json").read_text())["crypto"]["cipherparams"]["iv"]
    assert vector == "00" * 15 + "31"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update(version=2), "version 2"),
        (lambda c: c.update(version=4), "version 4"),
        (lambda c: c.pop("version"), "version None"),
        (lambda c: c["crypto"].update(cipher="aes-128-cbc"), "aes-128-cbc"),
        (lambda c: c["crypto"].update(kdf="argon2id"), "argon2id"),
        (lambda c: c["crypto"]["kdfparams"].update(prf="hmac-sha512"), "hmac-sha512"),
        (lambda c: c["crypto"]["kdfparams"].update(c=10**12), "more memory or time"),
        (
            lambda c: c["crypto"].update(
                kdf="scrypt", kdfparams={"n": 2**30, "r": 8, "p": 1, "dklen": 32, "salt": "00"}
            ),
            "more memory or time",
        ),
        (lambda c: c["crypto"].update(ciphertext="zz"), "damaged"),
        (lambda c: c["crypto"].pop("mac"), "damaged"),
        (lambda c: c.update(crypto=[]), "damaged"),
        (lambda c: c.update(address="00" * 20), "but holds the key of 0x1563"),
        (lambda c: c.update(address="zz" * 20), "its `address` is none"),
        (lambda c: c["crypto"]["cipherparams"].update(iv="00" * 8), "its `iv` is not 16 bytes"),
        (lambda c: c["crypto"]["kdfparams"].update(dklen=16), "`dklen` 16"),
        (lambda c: c.update(Crypto={}), "one section twice"),
    ],
)
def test_read__another_kind_or_a_damaged_file__is_refused_by_name(
    keyfile: Callable[..., Path], change: Callable[[dict[str, Any]], object], words: str
) -> None:
    content = encrypted()
    change(content)
    path = keyfile(content)
    with pytest.raises(ConfigError, match=words) as caught:
        read_keystore(path, PASSPHRASE)
    assert str(path) in str(caught.value)


def test_read__a_wrong_passphrase__is_called_so(keyfile: Callable[..., Path]) -> None:
    path = keyfile(encrypted())
    with pytest.raises(ConfigError, match=f"wrong passphrase for the keystore {path}"):
        read_keystore(path, PASSPHRASE + " ")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe{"])
def test_read__no_keystore_at_all__is_called_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="is no keystore"):
        read_keystore(path, PASSPHRASE)


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b" pass word \n", " pass word "),
        (b"\xef\xbb\xbfpass\r\n", "pass"),
        ("größe".encode(), "größe"),
        (b"pass\n\n", "pass"),
        (b"a\x0cb\n", "a\x0cb"),
    ],
)
def test_secret__one_line_end_and_a_byte_order_mark__are_not_of_it(
    tmp_path: Path, content: bytes, secret: str
) -> None:
    (tmp_path / "pass").write_bytes(content)
    assert read_secret(tmp_path / "pass") == secret


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (b"\nword", "several lines"), (b"a\nb\n", "several"), (b"\xe9\n", "UTF-8")],
)
def test_secret__what_could_be_read_in_two_ways__is_refused(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "pass").write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        read_secret(tmp_path / "pass")
