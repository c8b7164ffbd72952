"""Wrapping data keys: deterministic, checkable, and for one recipient and context only."""

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.dataset import (
    EncryptionKey,
    WrapContext,
    check_wrap,
    public_address,
    unwrap,
    wrap,
)
from oracles.errors import InputError, IntegrityError

CONTRACT = "0x" + "ab" * 20
CONTEXT = WrapContext(31337, CONTRACT, 7, 3)
KEY = EncryptionKey(b"\x11" * 32)
OTHER = EncryptionKey(b"\x22" * 32)
DATA_KEY = bytes(range(32))
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_wrap__when_known_inputs__then_known_bytes():
    """Pins the construction: a second implementation must give these bytes."""
    assert wrap(DATA_KEY, KEY.public, CONTEXT).hex() == (
        "02e5e4aaa4faeadaf4e656d769872385cc7a0c7c5390411c6529146ca8463c95355cdc2b4fadd8f48a"
        "86a1b6094bb95456497e62a6774bcd0201b6263e9997ebe92b0d1c4d702ea88d9b359fdf773dfe6d"
    )


@given(
    st.binary(min_size=32, max_size=32),
    st.integers(1, ORDER - 1),
    st.builds(
        WrapContext,
        st.integers(0, 2**256 - 1),
        st.binary(min_size=20, max_size=20).map(lambda b: "0x" + b.hex()),
        st.integers(0, 2**256 - 1),
        st.integers(0, 2**256 - 1),
    ),
)
@settings(max_examples=50, deadline=None)
def test_wrap__when_any_inputs__then_81_bytes_that_open_and_check(data_key, secret, context):
    key = EncryptionKey(secret.to_bytes(32, "big"))
    wrapped = wrap(data_key, key.public, context)
    assert len(wrapped) == 81
    assert wrapped == wrap(data_key, key.public, context)
    assert unwrap(wrapped, key, context) == data_key
    assert check_wrap(wrapped, data_key, key.public, context)


@pytest.mark.parametrize(
    "context",
    [
        WrapContext(1, CONTRACT, 7, 3),
        WrapContext(31337, "0x" + "cd" * 20, 7, 3),
        WrapContext(31337, CONTRACT, 8, 3),
        WrapContext(31337, CONTRACT, 7, 4),
    ],
)
def test_unwrap__when_context_differs__then_refused(context):
    wrapped = wrap(DATA_KEY, KEY.public, CONTEXT)
    with pytest.raises(IntegrityError):
        unwrap(wrapped, KEY, context)
    assert not check_wrap(wrapped, DATA_KEY, KEY.public, context)


def test_unwrap__when_for_somebody_else__then_refused():
    wrapped = wrap(DATA_KEY, KEY.public, CONTEXT)
    with pytest.raises(IntegrityError):
        unwrap(wrapped, OTHER, CONTEXT)
    assert not check_wrap(wrapped, DATA_KEY, OTHER.public, CONTEXT)
    assert not check_wrap(wrapped, bytes(32), KEY.public, CONTEXT)


@pytest.mark.parametrize("place", range(81))
def test_unwrap__when_any_byte_is_changed__then_refused(place):
    wrapped = bytearray(wrap(DATA_KEY, KEY.public, CONTEXT))
    wrapped[place] ^= 1
    with pytest.raises(IntegrityError):
        unwrap(bytes(wrapped), KEY, CONTEXT)
    assert not check_wrap(bytes(wrapped), DATA_KEY, KEY.public, CONTEXT)


@pytest.mark.parametrize("size", [0, 33, 80, 82])
def test_unwrap__when_length_is_wrong__then_refused(size):
    wrapped = (wrap(DATA_KEY, KEY.public, CONTEXT) + b"\0")[:size]
    with pytest.raises(IntegrityError):
        unwrap(wrapped, KEY, CONTEXT)
    assert not check_wrap(wrapped, DATA_KEY, KEY.public, CONTEXT)


def test_unwrap__when_made_with_another_ephemeral_key__then_refused():
    """It opens, but no operator could attest it."""
    import nacl.bindings

    from oracles.dataset.keys import _point, _wrapping_key

    sender = EncryptionKey(b"\x33" * 32)
    point = _point(sender.public).format()
    key = _wrapping_key(
        sender.shared(_point(KEY.public).format()), point, KEY.public, CONTEXT.encode()
    )
    seal = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(DATA_KEY, b"", bytes(24), key)
    with pytest.raises(IntegrityError, match="not made by the published rule"):
        unwrap(point + seal, KEY, CONTEXT)


def test_wrap__when_recipient_is_in_other_encodings__then_same_bytes():
    compressed = EncryptionKey(KEY.secret)._key.public_key.format(compressed=True)
    wrapped = wrap(DATA_KEY, KEY.public, CONTEXT)
    assert wrap(DATA_KEY, compressed, CONTEXT) == wrapped
    assert wrap(DATA_KEY, b"\4" + KEY.public, CONTEXT) == wrapped


@pytest.mark.parametrize(
    "public", [b"", bytes(64), b"\xff" * 64, KEY.public[:-1], KEY.public[:-1] + b"\0", b"\2" * 32]
)
def test_wrap__when_recipient_is_not_a_point__then_refused(public):
    with pytest.raises(InputError, match="public key"):
        wrap(DATA_KEY, public, CONTEXT)
    with pytest.raises(InputError, match="public key"):
        check_wrap(bytes(81), DATA_KEY, public, CONTEXT)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_wrap__when_data_key_has_another_size__then_refused(size):
    with pytest.raises(InputError, match="32 bytes"):
        wrap(bytes(size), KEY.public, CONTEXT)


@pytest.mark.parametrize(
    "secret",
    [b"", bytes(32), b"\xff" * 32, ORDER.to_bytes(32, "big"), b"\1" * 31, b"\1" * 33],
)
def test_key__when_secret_is_out_of_range__then_refused(secret):
    with pytest.raises(InputError, match="encryption key"):
        EncryptionKey(secret)


def test_key__when_made__then_address_is_the_accounts():
    key = EncryptionKey.generate()
    account = Account.from_key(key.secret)
    assert key.address == account.address == public_address(key.public)
    assert key.secret not in repr(key).encode()
    assert EncryptionKey.generate().secret != key.secret


@pytest.mark.parametrize(
    "context",
    [
        WrapContext(-1, CONTRACT, 1, 1),
        WrapContext(1, CONTRACT, 2**256, 1),
        WrapContext(1, "0x12", 1, 1),
        WrapContext(1, "ab" * 20, 1, 1),
        WrapContext(1, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD"[:-1] + "D", 1, 1),
    ],
)
def test_context__when_out_of_range__then_refused(context):
    with pytest.raises(InputError):
        wrap(DATA_KEY, KEY.public, context)
