"""Proofs of an append-only log: they hold for every size, and for no other log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.dataset.merkle import keccak
from oracles.errors import InputError
from oracles.meter import tree
from oracles.meter.tree import Tree, consistent, entry_hash, includes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def plain_root(leaves: list[bytes]) -> bytes:
    """RFC 6962's definition, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while 2 * half < len(leaves):
        half *= 2
    return keccak(b"\5" + plain_root(leaves[:half]) + plain_root(leaves[half:]))


@pytest.fixture(params=[4096, 8], ids=["large blocks", "small blocks"])
def log(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tree]:
    """A tree of 70 leaves."""
    monkeypatch.setattr(tree, "_KEPT", request.param)
    made = Tree(tmp_path / "leaves")
    for number in range(0, 70, 7):
        made.append([entry_hash(bytes([each])) for each in range(number, number + 7)])
    yield made
    made.close()


LEAVES = [entry_hash(bytes([each])) for each in range(70)]


def test_root__of_every_size__is_the_definitions(log: Tree) -> None:
    assert log.root(0) == bytes(32)
    for size in (70, *range(1, 70)):
        assert log.root(size) == plain_root(LEAVES[:size])
    with pytest.raises(InputError, match="the log has 70 entries"):
        log.root(71)


def test_inclusion__of_every_entry__holds_for_it_alone(log: Tree) -> None:
    for size in range(1, 71):
        root = log.root(size)
        for index in range(size):
            branch = log.inclusion(index, size)
            assert includes(LEAVES[index], index, size, branch, root)
            assert not includes(LEAVES[(index + 1) % 70], index, size, branch, root)
            assert not includes(LEAVES[index], index, size, branch, bytes(32))
    with pytest.raises(InputError, match="no entry 70"):
        log.inclusion(70, 70)


def test_consistency__between_all_sizes__holds(log: Tree) -> None:
    for size in range(1, 71):
        for old in range(1, size + 1):
            proof = log.consistency(old, size)
            assert consistent(old, log.root(old), size, log.root(size), proof)
            assert not consistent(old, keccak(b"other"), size, log.root(size), proof)
            if old < size:
                assert not consistent(old, log.root(old), size, keccak(b"other"), proof)


@given(data=st.data())
def test_consistency__of_a_forked_log__never_holds(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    size = data.draw(st.integers(2, 60))
    old = data.draw(st.integers(1, size - 1))
    changed = data.draw(st.integers(0, old - 1))
    forked = Tree(tmp_path_factory.mktemp("fork") / "leaves")
    leaves = [bytes(32) if i == changed else leaf for i, leaf in enumerate(LEAVES[:size])]
    forked.append(leaves)
    proof = forked.consistency(old, size)
    assert not consistent(old, plain_root(LEAVES[:old]), size, forked.root(size), proof)
    forked.close()


@given(
    old=st.integers(0, 80),
    size=st.integers(0, 80),
    proof=st.lists(st.binary(min_size=32, max_size=32), max_size=8),
)
def test_consistency__of_rubbish__never_holds(old: int, size: int, proof: list[bytes]) -> None:
    assert not consistent(old, b"\1" * 32, size, b"\2" * 32, proof)


def test_tree__opened_again__goes_on_and_a_torn_hash_is_cut(tmp_path: Path) -> None:
    first = Tree(tmp_path / "leaves")
    first.append(LEAVES[:10])
    first.close()
    with (tmp_path / "leaves").open("ab") as file:
        file.write(b"torn")
    again = Tree(tmp_path / "leaves")
    assert again.size == 10
    again.append(LEAVES[10:20])
    assert again.root(20) == plain_root(LEAVES[:20])
    again.truncate(5)
    assert again.root(5) == plain_root(LEAVES[:5])
    again.close()
