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
    unwrap_shared,
    wrap,
    wrap_all,
)
from oracles.dataset.keys import derive
from oracles.errors import InputError, IntegrityError

CONTRACT = "0x" + "ab" * 20
CONTEXT = WrapContext("opening", 31337, CONTRACT, 7, 3)
KEY = EncryptionKey(b"\x11" * 32)
OTHER = EncryptionKey(b"\x22" * 32)
DATA_KEY = bytes(range(32))
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_wrap__when_known_inputs__then_known_bytes():
    """Pins the construction: a second implementation must give these bytes."""
    assert wrap(DATA_KEY, KEY.public, CONTEXT).hex() == (
        "03de61990077b1a79171b7d96f50c9e869ecb67fac6277e4e375638b20b8764a52acb4d135e930bb57"
        "22dcc4be7e0b760cadaa4912c32c1cf7b45e8bc6880dc67490973be0acde3b57d25b1c855f56e72b"
    )


@given(
    st.binary(min_size=32, max_size=32),
    st.integers(1, ORDER - 1),
    st.builds(
        WrapContext,
        st.sampled_from(["manifest", "opening", "complaint"]),
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
        WrapContext("complaint", 31337, CONTRACT, 7, 3),
        WrapContext("opening", 1, CONTRACT, 7, 3),
        WrapContext("opening", 31337, "0x" + "cd" * 20, 7, 3),
        WrapContext("opening", 31337, CONTRACT, 8, 3),
        WrapContext("opening", 31337, CONTRACT, 7, 4),
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
        WrapContext("opening", -1, CONTRACT, 1, 1),
        WrapContext("opening", 1, CONTRACT, 2**256, 1),
        WrapContext("opening", 1, "0x12", 1, 1),
        WrapContext("opening", 1, "ab" * 20, 1, 1),
        WrapContext("opening", 1, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD"[:-1] + "D", 1, 1),
        WrapContext("anything", 1, CONTRACT, 1, 1),
    ],
)
def test_context__when_out_of_range__then_refused(context):
    with pytest.raises(InputError):
        wrap(DATA_KEY, KEY.public, context)


def test_derive__when_known_inputs__then_that_of_rfc_5869():
    """RFC 5869, test case 3: no salt, no info, 42 bytes."""
    assert derive(b"\x0b" * 22, b"", 42).hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    )


MEMBERS = [EncryptionKey(bytes([i + 1] * 32)) for i in range(5)]
PUBLIC = [key.public for key in MEMBERS]


def test_unwrap_shared__when_right_for_all__then_each_member_reads_it():
    wraps = wrap_all(DATA_KEY, PUBLIC, CONTEXT)
    for place, key in enumerate(MEMBERS):
        assert unwrap_shared(wraps, place, key, PUBLIC, CONTEXT) == DATA_KEY


@pytest.mark.parametrize("wrong", range(5))
def test_unwrap_shared__when_wrong_for_one__then_right_for_nobody(wrong):
    """The attack: one of five operators gets another key, and would score something else."""
    wraps = wrap_all(DATA_KEY, PUBLIC, CONTEXT)
    wraps[wrong] = wrap(bytes(32), PUBLIC[wrong], CONTEXT)
    for place, key in enumerate(MEMBERS):
        with pytest.raises(IntegrityError):
            unwrap_shared(wraps, place, key, PUBLIC, CONTEXT)


@pytest.mark.parametrize(
    "change",
    [
        lambda wraps: wraps[:-1],
        lambda wraps: [*wraps, wraps[0]],
        lambda wraps: wraps[::-1],
        lambda wraps: [wraps[0]] * 5,
    ],
)
def test_unwrap_shared__when_wraps_are_not_the_members__then_refused(change):
    wraps = change(wrap_all(DATA_KEY, PUBLIC, CONTEXT))
    with pytest.raises(IntegrityError):
        unwrap_shared(wraps, 0, MEMBERS[0], PUBLIC, CONTEXT)


@pytest.mark.parametrize(("place", "key"), [(1, MEMBERS[0]), (5, MEMBERS[0]), (-1, MEMBERS[4])])
def test_unwrap_shared__when_reader_is_not_that_member__then_refused(place, key):
    with pytest.raises(InputError, match="registered"):
        unwrap_shared(wrap_all(DATA_KEY, PUBLIC, CONTEXT), place, key, PUBLIC, CONTEXT)
