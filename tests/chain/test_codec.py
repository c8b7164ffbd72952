"""What is computed off chain, against what the contracts compute."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.chain import codec
from oracles.chain.codec import Score
from oracles.errors import InputError
from tests.support.auction import Protocol
from tests.support.chain import CHAIN_ID
from tests.support.revm import Revm

OWNER = "0x" + "ab" * 20
scores = st.builds(
    Score,
    q=st.integers(0, 10_000),
    phi=st.integers(0, 10_000),
    volume=st.integers(0, 2**32 - 1),
    eligible=st.booleans(),
    underserved=st.booleans(),
)


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return Protocol(Revm())


@given(st.lists(scores, max_size=20))
def test_vector__packed_and_read__same(values: list[Score]) -> None:
    assert codec.unpack_vector(codec.pack_vector(values)) == values


def test_vector__off_the_grid_or_cut__refused() -> None:
    with pytest.raises(InputError):
        codec.pack_score(Score(10_001, 0, 0, eligible=True))
    with pytest.raises(InputError):
        codec.unpack_vector(bytes(9))
    assert (
        codec.unpack_score(codec.pack_score(Score(1, 2, 2**40, eligible=True))).volume == 2**32 - 1
    )


@given(
    st.integers(0, 2**64 - 1), st.integers(0, 2**80 - 1), st.booleans(), st.integers(0, 2**104 - 1)
)
def test_bid__packed_and_read__same(weight: int, cost: int, flagged: bool, tag: int) -> None:
    bid = codec.unpack_bid(codec.pack_bid(weight, cost, flagged=flagged, tag=tag))
    assert (bid.weight, bid.cost, bid.tag) == (weight, cost, tag)
    assert (codec.Status.FLAGGED in bid.status) is flagged
    assert bid.stands is (weight > 0)


def test_seal__any_bid__as_the_contract(protocol: Protocol) -> None:
    address = protocol.auction.address
    for cost, salt in ((0, bytes(32)), (2**79, keccak(b"salt"))):
        ours = codec.seal_bid(CHAIN_ID, address, 5, OWNER, cost, salt)
        assert ours == protocol.view("sealBid", 5, OWNER, cost, salt)


def test_slots__committed_and_revealed__as_stored(protocol: Protocol) -> None:
    auction = protocol.create()
    entry = auction.commit(cost=7)
    owner, address = entry.owner, protocol.auction.address
    (slot,) = auction.slots()
    sealed = codec.seal_bid(CHAIN_ID, address, auction.id, owner, entry.cost, entry.salt)
    assert slot == codec.commitment_slot(sealed, 0, owner, entry.payer)
    assert codec.unpack_bid(slot).stands is False
    assert auction.tag(0) == codec.owner_tag(CHAIN_ID, address, auction.id, 0, owner, entry.payer)


def test_typed_data__reports_and_verdicts__as_the_oracle(protocol: Protocol) -> None:
    auction = protocol.create()
    chain, oracle, consumer = protocol.chain, protocol.oracle, protocol.auction.address
    domain = codec.Domain.oracle(CHAIN_ID, oracle.address)
    root, evidence = keccak(b"root"), keccak(b"evidence")
    version = chain.call(oracle, "requestOf", consumer, auction.id)[0].metricVersion
    message = codec.report_message(domain, consumer, auction.id, 2, version, root, evidence)
    digest = chain.call(oracle, "reportDigest", consumer, auction.id, 2, root, evidence)
    assert codec.typed_digest(message) == digest
    for indices in ([], [0], [3, 4, 2**32 - 1]):
        message = codec.verdict_message(domain, consumer, auction.id, indices)
        expected = chain.call(oracle, "verdictDigest", consumer, auction.id, indices)
        assert codec.typed_digest(message) == expected


@settings(max_examples=20)
@given(st.integers(0, 3 * codec.CHUNK))
def test_chunks__any_length__cover_the_vector(count: int) -> None:
    vector = bytes(count * codec.SCORE_BYTES)
    parts = codec.chunks(vector)
    assert b"".join(parts) == vector
    assert all(len(part) == codec.CHUNK * codec.SCORE_BYTES for part in parts[:-1])
    assert len(codec.chunk_hashes(vector)) == -(-count // codec.CHUNK)
