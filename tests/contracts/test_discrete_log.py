"""Proofs that two discrete logarithms are equal (contracts/libraries/ChaumPedersen.sol)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.discrete_log import N, P, Point, multiply, prove
from tests.support.revm import Revm

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.chain import Contract

CONTEXT = bytes(range(32))
SCALARS = st.integers(1, N - 1)


@pytest.fixture(scope="module")
def verify() -> Callable[[Point, Point, dict[str, Any]], bool]:
    chain = Revm()
    curve: Contract = chain.deploy("Curve")

    def call(key: Point, ephemeral: Point, proof: dict[str, Any], context: bytes = CONTEXT) -> bool:
        answer: bool = chain.call(curve, "verify", context, key, ephemeral, proof)
        return answer

    return call


@settings(max_examples=40, deadline=None)
@given(SCALARS, SCALARS, SCALARS)
def test_proof__of_the_shared_point__verifies(verify: Any, b: int, e: int, r: int) -> None:
    ephemeral = multiply(e)
    assert verify(multiply(b), ephemeral, prove(CONTEXT, b, ephemeral, r))


@settings(max_examples=20, deadline=None)
@given(SCALARS, SCALARS, SCALARS, SCALARS)
def test_proof__of_another_point__fails(verify: Any, b: int, e: int, r: int, s: int) -> None:
    ephemeral = multiply(e)
    proof = prove(CONTEXT, b, ephemeral, r, shared=multiply(s))
    assert verify(multiply(b), ephemeral, proof) == (s == b * e % N)


@pytest.mark.parametrize(
    "change",
    [
        {"shared": (5, 5)},
        {"c": 0},
        {"z": 0},
        {"z": N},
        {"c": N},
        {"slope": 0},
        {"t": (0, 0)},
        {"u": (0, 0)},
    ],
)
def test_proof__with_a_part_changed__fails(verify: Any, change: dict[str, Any]) -> None:
    proof = prove(CONTEXT, 7, multiply(11), 13)
    assert verify(multiply(7), multiply(11), proof)
    assert not verify(multiply(7), multiply(11), proof | change)


def test_proof__with_coordinates_above_the_field__fails(verify: Any) -> None:
    proof = prove(CONTEXT, 7, multiply(11), 13)
    x, y = proof["shared"]
    for shared in ((x + P) % 2**256, y), (x, (y + P) % 2**256), (x, P - y):
        assert not verify(multiply(7), multiply(11), proof | {"shared": shared})


def test_proof__moved_to_another_context_or_key__fails(verify: Any) -> None:
    proof = prove(CONTEXT, 7, multiply(11), 13)
    assert not verify(multiply(7), multiply(11), proof, bytes(32))
    assert not verify(multiply(8), multiply(11), proof)
    assert not verify(multiply(7), multiply(12), proof)
