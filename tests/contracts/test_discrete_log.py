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


def test_proof__of_a_shared_point_beside_the_curve__fails(verify: Any) -> None:
    """`ecrecover` would take it for the point on the curve, and the buyer unwrap garbage by it."""
    proof = prove(CONTEXT, 7, multiply(11), 13, beside=True)
    true = multiply(77)
    assert proof["shared"][0] == true[0]
    assert proof["shared"][1] not in (true[1], P - true[1])
    assert proof["u"] == multiply(proof["c"], true)
    assert not verify(multiply(7), multiply(11), proof)


def test_proof__moved_to_another_context_or_key__fails(verify: Any) -> None:
    proof = prove(CONTEXT, 7, multiply(11), 13)
    assert not verify(multiply(7), multiply(11), proof, bytes(32))
    assert not verify(multiply(8), multiply(11), proof)
    assert not verify(multiply(7), multiply(12), proof)


@pytest.mark.parametrize("x", [0, N, P - 1])
def test_proof__for_a_key_or_an_ephemeral_point_that_ecrecover_cannot_name__fails(
    verify: Any, x: int
) -> None:
    """It answers with address 0 for x of 0 and from n on, as for what is not on the curve."""
    proof = prove(CONTEXT, 7, multiply(11), 13)
    for y in (0, 1):
        assert not verify((x, y), multiply(11), proof)
        assert not verify(multiply(7), (x, y), proof)


def test_proof__whose_two_summands_are_one_point__fails(verify: Any) -> None:
    """The line through a point and itself has no slope in this form: T = U or T = -U."""
    e, b = 11, 7
    shared = multiply(b, multiply(e))
    t = multiply(5, multiply(e))
    for c in (5 * pow(b, -1, N) % N, -5 * pow(b, -1, N) % N):
        u = multiply(c, shared)
        assert u[0] == t[0]
        for slope in (0, 1, P - 1):
            part = {"shared": shared, "t": t, "u": u, "slope": slope, "c": c, "z": 5}
            assert not verify(multiply(b), multiply(e), part)


def test_proof__with_scalars_that_cancel__fails(verify: Any) -> None:
    """R1 = zG - cB is the neutral element, of which ecrecover knows no address."""
    b, e, c = 7, 11, 13
    proof = prove(CONTEXT, b, multiply(e), 3)
    z = b * c % N
    t, u = multiply(z, multiply(e)), multiply(c, multiply(b * e % N))
    assert not verify(multiply(b), multiply(e), proof | {"c": c, "z": z, "t": t, "u": u})
    for wide in ({"slope": P}, {"slope": 2**256 - 1}, {"z": 2**256 - 1}, {"c": 2**256 - 1}):
        assert not verify(multiply(b), multiply(e), proof | wide)
