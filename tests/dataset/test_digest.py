"""Canonical documents and the Merkle root over them."""

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.dataset import (
    Document,
    MerkleRoot,
    content_digest,
    decode_document,
    encode_document,
    leaf_hash,
)
from oracles.dataset.merkle import (
    DOCUMENT_NODE,
    PAGE_NODE,
    branch_length,
    branch_places,
    branch_root,
    keccak,
    level_sizes,
    next_level,
)
from oracles.dataset.plain import plain
from oracles.errors import InputError, IntegrityError
from tests.dataset.strategies import documents

LEAVES = [keccak(bytes([i])) for i in range(70)]


def root_of(leaves):
    """RFC 6962 §2.1, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return keccak(b"\1" + root_of(leaves[:k]) + root_of(leaves[k:]))


def stream_root(leaves):
    root = MerkleRoot()
    for leaf in leaves:
        root.add(leaf)
    return root.digest()


@given(documents)
@settings(deadline=None)
def test_encode__when_any_document__then_rfc8785_and_back(document):
    encoded = encode_document(document)
    assert encoded == rfc8785.dumps({"text": document.text, "metadata": plain(document.metadata)})
    assert b"\n" not in encoded
    decoded = decode_document(encoded)
    assert decoded.text == document.text
    assert encode_document(decoded) == encoded


def test_encode__when_known_document__then_known_leaf():
    document = Document("é\n", {"b": 1.0, "a": None})
    assert encode_document(document) == '{"metadata":{"a":null,"b":1},"text":"é\\n"}'.encode()
    assert (
        leaf_hash(encode_document(document)).hex()
        == "e14dc3bef950bf9039edd2af20eb9436405be076796e59db8f2cc66a51115392"
    )
    assert content_digest([document]) == leaf_hash(encode_document(document))


def test_digest__when_three_documents__then_known_root():
    three = [Document(text) for text in ("one", "two", "three")]
    assert (
        content_digest(three).hex()
        == "af293f693e54152f790bc9e9acbc3e06af167b5f475a2ff2ba83aef0e6c1e0ff"
    )


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b'"text"',
        b'{"text":"x"}',
        b'{"metadata":{},"text":5}',
        b'{"metadata":[],"text":"x"}',
        b'{"metadata":null,"text":"x"}',
        b'{"text":"x","metadata":{}}',
        b'{"metadata":{}, "text":"x"}',
        b'{"metadata":{},"text":"x"}\n',
        b'{"metadata":{},"more":1,"text":"x"}',
        b'{"metadata":{"a":1.0},"text":"x"}',
        b'{"metadata":{"b":1,"a":1},"text":"x"}',
        b'{"metadata":{"a":1,"a":1},"text":"x"}',
        b'{"metadata":{"a":NaN},"text":"x"}',
        b'{"metadata":{"a":9007199254740993},"text":"x"}',
        b'{"metadata":{},"text":"\\u00e9"}',
        b'{"metadata":{},"text":"\\ud800"}',
        b'{"metadata":{},"text":"\xff"}',
        b'{"metadata":' + b'{"a":' * 50 + b"1" + b"}" * 50 + b',"text":"x"}',
        b'{"metadata":' + b"[" * 100_000,
    ],
)
def test_decode__when_not_exactly_canonical__then_refused(line):
    with pytest.raises(IntegrityError):
        decode_document(line)


@pytest.mark.parametrize("document", [Document("\ud800"), Document("x", {"a": float("nan")})])
def test_encode__when_there_is_no_canonical_form__then_refused(document):
    with pytest.raises(InputError):
        encode_document(document)


@pytest.mark.parametrize("count", range(1, 70))
def test_root__when_any_number_of_leaves__then_rfc6962(count):
    assert stream_root(LEAVES[:count]) == root_of(LEAVES[:count])


def test_root__when_asked_in_between__then_goes_on_unharmed():
    root = MerkleRoot()
    for count, leaf in enumerate(LEAVES[:20], 1):
        root.add(leaf)
        assert root.digest() == root_of(LEAVES[:count])
        assert root.count == count


def test_root__when_there_is_no_leaf__then_refused():
    with pytest.raises(InputError, match="no document"):
        MerkleRoot().digest()


def test_root__when_inner_node_is_offered_as_leaf__then_other_root():
    """Without the prefixes two leaves and their parent would share a root."""
    left, right = (encode_document(Document(t)) for t in "ab")
    forged = leaf_hash(leaf_hash(left) + leaf_hash(right))
    assert forged != stream_root([leaf_hash(left), leaf_hash(right)])


@given(st.integers(1, 70), st.data())
@settings(max_examples=200, deadline=None)
def test_branch__when_honest__then_leads_to_the_root_and_nothing_else_does(count, data):
    index = data.draw(st.integers(0, count - 1))
    leaves = LEAVES[:count]
    root = root_of(leaves)
    levels = [leaves]
    while len(levels[-1]) > 1:
        levels.append(next_level(levels[-1], DOCUMENT_NODE))
    assert levels[-1] == [root]
    assert list(map(len, levels)) == level_sizes(count)
    branch = [levels[level][place] for level, place in branch_places(index, count)]
    assert len(branch) == branch_length(index, count)

    def leads(leaf=leaves[index], place=index, branch=branch, prefix=DOCUMENT_NODE):
        return branch_root(leaf, place, count, branch, prefix) == root

    assert leads()
    assert not leads(leaf=keccak(b"other"))
    assert not leads(branch=[*branch, root])
    assert not leads(branch=[*branch, b""])
    if count > 1:
        other = data.draw(st.integers(0, count - 1).filter(lambda i: i != index))
        assert not leads(place=other)
        assert not leads(prefix=PAGE_NODE)
        assert not leads(branch=branch[:-1])
        place = data.draw(st.integers(0, len(branch) - 1))
        assert not leads(branch=[*branch[:place], keccak(branch[place]), *branch[place + 1 :]])
        assert not leads(branch=[*branch[:place], branch[place][:-1], *branch[place + 1 :]])


@pytest.mark.parametrize("index", [-1, 3])
def test_branch__when_there_is_no_such_leaf__then_refused(index):
    with pytest.raises(InputError, match="no leaf"):
        branch_root(LEAVES[0], index, 3, [], DOCUMENT_NODE)
