"""Facts of pages: counted alike by everybody, and false ones found by the sample."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from oracles.chain.gate import VERIFIERS
from oracles.dataset import Document, draw, open_archive, pack, page_key, unpack
from oracles.errors import InputError, IntegrityError
from oracles.proof import (
    Claim,
    Facts,
    Part,
    Proof,
    Thresholds,
    Tree,
    check_facts,
    depth,
    root,
    tools,
)
from oracles.proof import facts as rules
from oracles.proof.facts import DEPTHS, EMPTY, MOST, circuits, leaf, part_salt, parts, seal, subroot
from oracles.proof.poseidon import FIELD, permute
from oracles.proof.thresholds import MAX_BYTES
from oracles.quality import page_facts
from oracles.scoring import Entry
from tests.js.test_formats import facts as contents_of
from tests.js.test_formats import node

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = bytes(range(32))
SOME = Facts(tokens=900, letters=6000, lost=300, filled=4, expected=5, repeated=40, runs=5000)
TEXT = "The nurse wrote down what the patient said about the night, and when the fever began. "


def documents(count: int = 60) -> Iterator[Document]:
    rng = random.Random(5)
    words = TEXT.split()
    for number in range(count):
        text = " ".join(rng.choice(words) for _ in range(120)) + f" {TEXT * 3}"
        yield Document(text, {"title": f"Night {number}", "language": "en", "license": "MIT"})


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    tree = Tree(page_facts)
    path = tmp_path_factory.mktemp("facts") / "archive"
    return pack(documents(), path, key=KEY, facts=tree), tree


def leaf_of_nothing():
    return permute((0, 0, 0, int.from_bytes(b"qmia/facts/1", "big")))[0].to_bytes(32, "big")


def read(packed, numbers):
    with open_archive(packed.path, packed.contents) as archive:
        return archive.facts_leaves(), [
            (number, archive.page(number, KEY), page_key(KEY, number)) for number in numbers
        ]


def test_permutation__is_that_of_the_circuits():
    # The known answer of Barretenberg and of the authors' own implementation.
    assert permute((0, 1, 2, 3)) == (
        0x01BD538C2EE014ED5141B29E9AE240BF8DB3FE5B9A38629A9647CF8D76C01737,
        0x239B62E7DB98AA3A2A8F6A0D2FA1709E7A35959AA6C7034814D9DAA90CBAC662,
        0x04CBB44C61D928ED06808456BF758CBF0C18D1E15A7B6DBC8245FA7515D5E3CB,
        0x2E11C5CFF2A22C64D01304B778D78F6998EFF1AB73163A35603F54794C30847A,
    )


def test_set_with_facts__is_read_as_before_and_by_javascript(packed):
    made, tree = packed
    assert len(tree.facts) == made.contents.pages > 3
    assert made.path.stat().st_size == made.contents.archive_size
    assert list(unpack(made.path, KEY, made.contents)) == list(documents())
    found = node("unpack", file=str(made.path), key=KEY, contents=contents_of(made.contents))
    assert len(found) == 60


def test_facts__of_ordinary_text__are_plausible(packed):
    sums = Facts.total(packed[1].facts)
    assert 0 < 5 * sums.tokens <= sums.letters
    assert sums.lost < sums.letters
    assert 0 < sums.filled < sums.expected == 5 * 60
    assert 0 < sums.repeated < sums.runs


def test_facts__when_all_are_true__then_the_check_is_silent(packed):
    made, _ = packed
    leaves, pages = read(made, range(made.contents.pages))
    check_facts(made.contents.facts, leaves, pages, page_facts)


@pytest.mark.parametrize("name", Facts.__slots__)
def test_facts__when_one_number_of_one_page_is_false__then_that_page_shows_it(packed, name):
    made, tree = packed
    change = {name: getattr(tree.facts[1], name) + (-1 if name in ("letters", "runs") else 1)}
    if name == "tokens":
        change = {"tokens": tree.facts[1].tokens - 1}
    leaves, pages = read(made, [0, 1, 2])
    leaves[1] = leaf(replace(tree.facts[1], **change), page_key(KEY, 1))
    with pytest.raises(IntegrityError, match="page 1"):
        check_facts(root(leaves), leaves, pages, page_facts)
    check_facts(root(leaves), leaves, [pages[0], pages[2]], page_facts)


def test_facts__when_leaves_are_others_than_committed__then_refused(packed):
    made, _ = packed
    leaves, pages = read(made, [0])
    with pytest.raises(IntegrityError, match="do not lead to the root"):
        check_facts(made.contents.facts, [*leaves[1:], leaves[0]], pages, page_facts)
    with pytest.raises(IntegrityError, match="no element"):
        root([FIELD.to_bytes(32, "big")])


@pytest.mark.parametrize(("false", "samples"), [(1, 8), (5, 8), (20, 8), (50, 4)])
def test_sample__of_m_pages__misses_a_share_x_of_false_facts_with_at_most_1_x_to_the_m(
    false, samples
):
    pages, tries = 100, 400
    bad = set(random.Random(false).sample(range(pages), false))
    missed = sum(
        not bad & set(draw(n.to_bytes(32, "big"), 7, 3, bytes(32), pages, samples))
        for n in range(tries)
    )
    expected = (1 - false / pages) ** samples
    # Three standard deviations above the bound; without replacement fewer are missed.
    assert missed / tries <= expected + 3 * (expected * (1 - expected) / tries) ** 0.5


@given(st.binary(max_size=400), st.integers(1, 40))
def test_facts__of_any_bytes__are_within_what_a_page_can_hold(data, times):
    found = page_facts((data * times)[:16384].ljust(16384, b"\0"))
    assert found.packed >= 0


@pytest.mark.parametrize(
    "change",
    [{"tokens": 1201}, {"lost": 6001}, {"filled": 6}, {"repeated": 5001}, {"runs": MOST + 1}],
)
def test_facts__that_no_page_can_have__are_refused(change):
    with pytest.raises(InputError):
        _ = replace(SOME, **change).packed


def test_depth__is_the_least_that_suffices_and_a_large_set_has_parts():
    assert [depth(n) for n in (1, 64, 65, 1024, 4097, 16384, 65536)] == [6, 6, 10, 10, 14, 14, 16]
    assert [parts(n) for n in (1, 1024, 1025, 3000)] == [[], [], [1024, 1], [1024, 1024, 952]]
    assert parts(65536) == [1024] * 64
    assert [circuits(n) for n in (64, 65, 1025, 4097, 16385)] == [
        ["threshold-6"],
        ["threshold-10"],
        ["total-2", "part-10"],
        ["total-4", "part-10"],
        ["total-6", "part-10"],
    ]
    for none in (depth, parts, circuits):
        with pytest.raises(InputError, match="split it"):
            none(65537)


def test_circuits__that_any_size_needs__are_all_tracked():
    needed = {name for each in DEPTHS for name in circuits(1 << each)}
    assert needed == tools.lock().keys() == set(VERIFIERS.values())


def test_roots_of_parts__lead_to_the_root_of_the_facts(monkeypatch):
    monkeypatch.setattr(rules, "DEPTHS", (3, 5))
    leaves = [leaf(SOME, bytes([n]) * 32) for n in range(9)]
    roots = [subroot(leaves[:8], 3), subroot(leaves[8:], 3), *[subroot([], 3)] * 2]
    assert subroot([], 3) == subroot([leaf_of_nothing()] * 8, 3)
    level = [int.from_bytes(each, "big") for each in roots]
    node = int.from_bytes(b"qmia/nodes/1", "big")
    above = [permute((level[i], level[i + 1], 0, node))[0] for i in (0, 2)]
    assert permute((*above, 0, node))[0].to_bytes(32, "big") == root(leaves)


def test_sums__sealed__differ_for_other_sums_and_other_keys_and_bind_to_each_number():
    keys = [bytes([n]) * 32 for n in range(3)]
    sealed = seal(SOME, part_salt(keys))
    for name in Facts.__slots__:
        assert seal(replace(SOME, **{name: getattr(SOME, name) + 1}), part_salt(keys)) != sealed
    for others in (keys[:2], keys[::-1], [*keys, keys[0]], [keys[0], keys[1], bytes(32)]):
        assert seal(SOME, part_salt(others)) != sealed
    # The greatest sums of a part, and a carry into the number before.
    full = Facts(*[1024 * MOST] * 7)
    assert seal(full, 1) != seal(replace(full, tokens=full.tokens + 1, letters=0), 1)


def test_root__does_not_depend_on_how_the_padding_is_written():
    leaves = [leaf(SOME, bytes([n]) * 32) for n in range(3)]
    assert root(leaves) == root([*leaves, *[leaf_of_nothing()] * 61])
    assert root(leaves) != root([*leaves, leaves[0]])


def test_proof__is_read_back_only_in_its_canonical_form():
    claim, part = Claim(b"\1" * 32, 40, Thresholds(1000, 9000, 0, 500)), Part(KEY, KEY, b"\3" * 9)
    for proof in (Proof(claim, (), b"\2" * 100), Proof(claim, (part, part), b"\2" * 100)):
        assert Proof.decode(proof.encode()) == proof
        text = proof.encode()
        for data in (b"", b"{}", b"[]", b" " + text, text[:-1], b"\xff" * (2 << 20), text + b" "):
            with pytest.raises(IntegrityError):
                Proof.decode(data)
    for change in (
        {"parts": None},
        {"parts": {}},
        {"parts": [[]]},
        {"parts": [{"root": "0x" + "11" * 31, "sums": "0x" + "11" * 32, "proof": "0x"}]},
        {"parts": [{"root": "0x" + "11" * 32, "sums": "0x", "proof": "0x"}]},
        {"schema": "qmia/proof/1"},
        {"pages": "040"},
        {"pages": 40},
        {"min_clean": "10001"},
        {"more": ""},
    ):
        with pytest.raises(IntegrityError):
            Proof.decode(rfc8785.dumps(json.loads(text) | change))
    assert len(Proof(claim, (replace(part, proof=bytes(9600)),) * 64, bytes(9600)).encode()) < (
        MAX_BYTES
    )


def test_statements__of_a_proof__are_the_claim_and_each_part_and_need_the_right_number():
    limits, parts = Thresholds(7, 6, 5, 4), tuple(Part(word(n), word(9 + n), b"") for n in (1, 2))
    whole = Proof(Claim(word(3), 1024, limits), (), b"w").statements
    assert [(each.circuit, each.inputs) for each in whole] == [
        ("threshold-10", (3, 1024, 7, 6, 5, 4))
    ]
    total, *rest = Proof(Claim(word(3), 1030, limits), parts, b"t").statements
    nothing = int.from_bytes(subroot([], 10), "big"), int.from_bytes(seal(EMPTY, 0), "big")
    assert total.circuit == "total-2"
    assert total.inputs == (
        *(3, 7, 6, 5, 4),
        *(1, 2, nothing[0], nothing[0]),
        *(10, 11, nothing[1], nothing[1]),
    )
    assert [(each.circuit, each.inputs) for each in rest] == [
        ("part-10", (1, 1024, 10)),
        ("part-10", (2, 6, 11)),
    ]
    claim, wrong = Claim(word(3), 1030, limits), FIELD.to_bytes(32, "big")
    for shown in ((), parts[:1], (*parts, parts[0])):
        with pytest.raises(IntegrityError, match=f"has 2 parts, and not {len(shown)}"):
            _ = Proof(claim, shown, b"").statements
    with pytest.raises(IntegrityError, match="has 0 parts"):
        _ = Proof(replace(claim, pages=1024), parts, b"").statements
    for part in (Part(wrong, word(1), b""), Part(word(1), wrong, b"")):
        with pytest.raises(IntegrityError, match="no element"):
            _ = Proof(claim, (parts[0], part), b"").statements
    with pytest.raises(IntegrityError, match="no element"):
        _ = Proof(replace(claim, facts=wrong), parts, b"").statements


def word(number):
    return number.to_bytes(32, "big")


def test_thresholds__say_what_is_missed_and_what_implies_what():
    exact = Thresholds(900, 9500, 8000, 80)
    assert exact.missed(SOME) == []
    for name, step in (
        ("min_tokens", 1),
        ("min_clean", 1),
        ("min_metadata", 1),
        ("max_duplicates", -1),
    ):
        more = replace(exact, **{name: getattr(exact, name) + step})
        assert len(more.missed(SOME)) == 1
        assert more.implies(exact)
        assert not exact.implies(more)


@pytest.mark.parametrize(
    "share", [{"min_clean": 1}, {"min_metadata": 1}, {"max_duplicates": 9_999}]
)
def test_entry__shares_without_tokens__are_refused_since_nothing_meets_them(
    share: dict[str, int],
) -> None:
    empty = Facts(0, 0, 0, 0, 0, 0, 0)
    assert not Thresholds(**share).missed(empty)
    with pytest.raises(ValidationError, match="a share of nothing counts as met"):
        Entry(**share)
    assert Entry(min_tokens=1, **share).thresholds.missed(empty)
    assert Entry().thresholds.nothing
