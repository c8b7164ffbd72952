"""The auditor's own arithmetic on the curve, and its reading of proofs."""

from __future__ import annotations

import pytest
from eth_keys.datatypes import PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.audit import curve
from oracles.chain.typed_events import Point, Proof
from tests.support import discrete_log

SECRET, EPHEMERAL, CONTEXT = 0xB0B, 0xE1, bytes(range(32))


def public(secret: int) -> tuple[int, int]:
    raw = PrivateKey(secret.to_bytes(32, "big")).public_key.to_bytes()
    return int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")


def proof_of(**changes: object) -> Proof:
    made = discrete_log.prove(CONTEXT, SECRET, public(EPHEMERAL), 12_345, None)
    parts = {name: Point(**each) if isinstance(each, dict) else each for name, each in made.items()}
    parts = {
        name: Point(*each) if isinstance(each, tuple) else each for name, each in parts.items()
    }
    return Proof(**parts | changes)  # type: ignore[arg-type]


def holds(proof: Proof, context: bytes = CONTEXT, ephemeral: int = EPHEMERAL) -> bool:
    return curve.shares(context, public(SECRET), public(ephemeral), proof)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, curve.ORDER - 1), st.integers(1, curve.ORDER - 1))
def test_multiply__any_scalars__is_what_the_wallet_library_says(a: int, b: int) -> None:
    generator = public(1)
    assert curve.multiply(a, generator) == public(a)
    both = curve.add(public(a), public(b))
    total = (a + b) % curve.ORDER
    assert both == (public(total) if total else None)


def test_shares__honest_proof__holds() -> None:
    assert holds(proof_of())


def test_shares__moved_or_changed__does_not_hold() -> None:
    proof = proof_of()
    assert not holds(proof, context=bytes(32))
    assert not holds(proof, ephemeral=EPHEMERAL + 1)
    for name in ("c", "z", "slope"):
        assert not holds(proof_of(**{name: getattr(proof, name) ^ 1})), name
    for name in ("shared", "t", "u"):
        point = Point(*public(7))
        assert not holds(proof_of(**{name: point})), name


@pytest.mark.parametrize("secret", [SECRET + 1, 1])
def test_shares__proof_of_another_point__does_not_hold(secret: int) -> None:
    wrong = curve.multiply(secret, public(EPHEMERAL))
    made = discrete_log.prove(CONTEXT, SECRET, public(EPHEMERAL), 12_345, wrong)
    parts = {
        name: Point(*each.values()) if isinstance(each, dict) else each
        for name, each in made.items()
    }
    parts = {
        name: Point(*each) if isinstance(each, tuple) else each for name, each in parts.items()
    }
    assert not holds(Proof(**parts))  # type: ignore[arg-type]
