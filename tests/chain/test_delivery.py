"""Masking a data key and proving it wrong, against the plain arithmetic of the tests."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from oracles.chain import delivery as exchange
from oracles.dataset import EncryptionKey
from oracles.errors import InputError, IntegrityError
from tests.support import discrete_log as plain

SECRETS = st.integers(1, plain.N - 1).map(lambda n: n.to_bytes(32, "big"))
CONTEXT = exchange.exchange_context(1, "0x" + "ab" * 20, 7, 3)


@given(st.binary(min_size=32, max_size=32), SECRETS, SECRETS)
def test_delivery__opened_by_the_buyer__gives_the_key(
    key: bytes, buyer: bytes, ephemeral: bytes
) -> None:
    public = EncryptionKey(buyer).public
    sealed, secret = exchange.seal(key, public, CONTEXT, ephemeral)
    assert secret == ephemeral
    assert exchange.unseal(sealed, buyer, CONTEXT) == key
    other = exchange.exchange_context(1, "0x" + "ab" * 20, 7, 4)
    assert exchange.unseal(sealed, buyer, other) != key
    shared = plain.multiply(
        int.from_bytes(buyer, "big"),
        (int.from_bytes(sealed.x, "big"), int.from_bytes(sealed.y, "big")),
    )
    words = b"".join(n.to_bytes(32, "big") for n in shared)
    mask = keccak(words + CONTEXT)
    assert bytes(a ^ b for a, b in zip(sealed.wrapped, mask, strict=True)) == key


@given(SECRETS, SECRETS)
def test_proof__by_the_buyer__satisfies_the_equations(buyer: bytes, ephemeral: bytes) -> None:
    sealed, _ = exchange.seal(bytes(32), EncryptionKey(buyer).public, CONTEXT, ephemeral)
    proof = exchange.prove(sealed, buyer, CONTEXT)
    point = (int.from_bytes(sealed.x, "big"), int.from_bytes(sealed.y, "big"))
    key = plain.multiply(int.from_bytes(buyer, "big"))
    minus_c = plain.N - proof.c
    first = plain.add(plain.multiply(proof.z), plain.multiply(minus_c, key))
    shared = (proof.shared.x, proof.shared.y)
    second = plain.add(plain.multiply(proof.z, point), plain.multiply(minus_c, shared))
    assert first is not None
    assert second is not None
    assert shared == plain.multiply(int.from_bytes(buyer, "big"), point)
    assert (proof.t.x, proof.t.y) == plain.multiply(proof.z, point)
    assert (proof.u.x, proof.u.y) == plain.multiply(proof.c, shared)


def test_delivery__garbage__is_refused() -> None:
    with pytest.raises(InputError):
        exchange.seal(b"short", EncryptionKey(bytes(31) + b"\1").public, CONTEXT)
    with pytest.raises(InputError):
        exchange.seal(bytes(32), bytes(64), CONTEXT)
    bad = exchange.Delivery(bytes(32), bytes(32), bytes(32))
    with pytest.raises(IntegrityError):
        exchange.unseal(bad, bytes(31) + b"\1", CONTEXT)
