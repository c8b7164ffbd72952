"""What is packed, hashed and signed off chain, against what the contracts compute."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.chain import packing, typed_data
from oracles.chain.packing import Place, Score
from oracles.chain.terms import DataSet
from oracles.chain.typed_data import Domain, typed_digest
from oracles.errors import InputError
from tests.attacks.play import apart
from tests.support.auction import (
    AUCTION_DOMAIN,
    COMMIT_TYPE,
    KEY_TYPE,
    OPENING_TYPE,
    Entry,
    struct_hash,
)
from tests.support.auction import Score as Posted
from tests.support.auction import typed_digest as digest_by_the_page
from tests.support.chain import CHAIN_ID, reverts

if TYPE_CHECKING:
    from tests.support.auction import Auction, Protocol

OWNER = "0x" + "ab" * 20
scores = st.builds(
    Score,
    q=st.integers(0, 10_000),
    phi=st.integers(0, 10_000),
    volume=st.integers(0, 2**32 - 1),
    present=st.booleans(),
    underserved=st.booleans(),
)


def data_set_of(entry: Entry) -> DataSet:
    words = entry.data_set
    return DataSet(words["manifest"], words["contentDigest"], words["size"], words["keyCommitment"])


def place_of(entry: Entry) -> Place:
    data_set = packing.data_set_hash(data_set_of(entry))
    return Place(entry.index, entry.owner, entry.payer, data_set)


class TestBids:
    @given(
        st.integers(0, 2**64 - 1),
        st.integers(0, 2**80 - 1),
        st.booleans(),
        st.integers(0, 2**104 - 1),
    )
    def test_bid__packed_and_read__is_the_same(
        self, weight: int, cost: int, flagged: bool, tag: int
    ) -> None:
        bid = packing.unpack_bid(packing.pack_bid(weight, cost, flagged=flagged, tag=tag))
        assert (bid.weight, bid.cost, bid.tag) == (weight, cost, tag)
        assert (packing.Status.FLAGGED in bid.status) is flagged
        assert bid.stands is (weight > 0)

    def test_seal__of_any_bid__is_the_contracts(self, protocol: Protocol) -> None:
        address = protocol.auction.address
        for cost, salt in ((0, bytes(32)), (2**79, keccak(b"salt"))):
            ours = packing.seal_bid(CHAIN_ID, address, 5, OWNER, cost, salt)
            assert ours == protocol.view("sealBid", 5, OWNER, cost, salt)

    def test_slots__committed_withdrawn_and_revealed__are_as_stored(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.create()
        kept, taken = auction.commit(cost=7), auction.commit(cost=8)
        auction.withdraw(1)
        address = protocol.auction.address
        out = packing.Status.OUT
        assert auction.slots() == [
            packing.commitment_slot(kept.sealed, place_of(kept)),
            packing.commitment_slot(taken.sealed, place_of(taken), out),
        ]
        assert not packing.unpack_bid(auction.slots()[0]).stands
        auction.to("settle")
        bid = packing.unpack_bid(auction.slots()[0])
        assert bid.tag == packing.place_tag(CHAIN_ID, address, auction.id, place_of(kept))
        assert (bid.cost, bid.stands) == (7, True)


class TestScores:
    @given(st.lists(scores, max_size=20))
    def test_vector__packed_and_read__is_the_same(self, values: list[Score]) -> None:
        assert packing.unpack_vector(packing.pack_vector(values)) == values

    def test_vector__off_the_grid_or_cut__is_refused(self) -> None:
        with pytest.raises(InputError):
            packing.pack_score(Score(10_001, 0, 0, present=True))
        with pytest.raises(InputError):
            packing.unpack_vector(bytes(9))
        wide = packing.pack_score(Score(1, 2, 2**40, present=True))
        assert packing.unpack_score(wide).volume == 2**32 - 1

    @settings(max_examples=20)
    @given(st.integers(0, 3 * packing.CHUNK))
    def test_chunks__of_any_length__cover_the_vector(self, count: int) -> None:
        vector = bytes(count * packing.SCORE_BYTES)
        parts = packing.chunks(vector)
        assert b"".join(parts) == vector
        assert all(len(part) == packing.CHUNK * packing.SCORE_BYTES for part in parts[:-1])
        assert len(packing.chunk_hashes(vector)) == -(-count // packing.CHUNK)

    def test_scores__that_the_contract_stored__are_read_back(self, protocol: Protocol) -> None:
        right = [Score(9_000, 800, 7, present=True), Score(1, 2, 3, present=True)]
        auction = protocol.lead("score", (1, 2))
        auction.score([Posted(each.volume, each.phi, each.q) for each in right])
        (pointer,) = auction.asked("finalScores")[1]
        assert packing.unpack_vector(protocol.chain.code(pointer)[1:]) == right

    @pytest.mark.parametrize("field", ["q", "phi", "volume"])
    @pytest.mark.parametrize("sign", [-1, 1])
    def test_deviation__at_the_edge_of_the_tolerance__is_the_contracts(
        self, protocol: Protocol, field: str, sign: int
    ) -> None:
        """Off chain and on chain agree on who can be slashed, to the step."""
        base = Score(5_000, 5_000, 50_000, present=True)
        edge = packing.TOLERANCE + (50 if field == "volume" else 0)
        for off in (edge, edge + 1):
            mine = base._replace(**{field: getattr(base, field) + sign * off})
            with apart(protocol):
                auction = protocol.lead("score", (1,))
                near = Posted(mine.volume, mine.phi, mine.q)
                (report, *_) = auction.score([near])
                auction.challenge()
                far = Posted(base.volume, base.phi, base.q)
                auction.score([far], round_=2)
                auction.ask("resolve")
                proof = auction.deviation(report, 0)
                if packing.deviation([mine], [base]) is None:
                    with reverts("NotSlashable"):
                        auction.ask("slashDeviator", *proof)
                else:
                    auction.ask("slashDeviator", *proof)
            assert (packing.deviation([mine], [base]) is None) is (off == edge)

    @given(st.sets(st.integers(0, 699)))
    def test_roll__packed_and_read__is_the_same(self, indices: set[int]) -> None:
        words = packing.pack_roll(indices, 700)
        assert len(words) == 3
        assert packing.unpack_roll(words) == indices

    def test_roll__that_the_contract_counted__is_read_back(self, protocol: Protocol) -> None:
        auction = protocol.lead("roll", (1, 2, 3))
        auction.call_roll(0, [0, 2])
        auction.go("score")
        words = packing.pack_roll({0, 2}, 3)
        tallied = auction.ask("tallyRoll", [words]).event("RollTallied").args
        assert packing.unpack_roll(tallied["roll"]) == {0, 2}

    def test_vector_commitment__is_what_the_oracle_opens(self, protocol: Protocol) -> None:
        auction = protocol.lead("score", (1,))
        auction.tally()
        reports = [auction.report(member, [Posted()]) for member in range(3)]
        for report, operator in zip(reports, protocol.first, strict=True):
            words = (report.digest, operator.address, report.salt)
            commitment = packing.vector_commitment(*words)
            args = ("commitVector", report.member, commitment)
            auction.ask(*args, sender=operator.address)
        auction.go("score_open").post(reports)
        assert reports[0].root == packing.report_root(packing.chunk_hashes(reports[0].vector))


class TestTypedData:
    def test_reports_verdicts_and_deliveries__are_the_contracts(self, protocol: Protocol) -> None:
        auction = protocol.create()
        chain, oracle, consumer = protocol.chain, protocol.oracle, protocol.auction.address
        domain = Domain.oracle(CHAIN_ID, oracle.address)
        root, evidence = keccak(b"root"), keccak(b"evidence")
        version = auction.terms["scoring"]["metricVersion"]
        for round_ in (1, 2):
            words = (consumer, auction.id, round_)
            message = typed_data.report_message(domain, *words, version, root, evidence)
            expected = chain.call(oracle, "reportDigest", *words, root, evidence)
            assert typed_digest(message) == expected
        for index, ground in ((0, 1), (2**32 - 1, 3)):
            message = typed_data.verdict_message(domain, consumer, auction.id, index, ground)
            words = (consumer, auction.id, index, ground)
            assert typed_digest(message) == chain.call(oracle, "verdictDigest", *words)
        auction.commit()
        words = auction.delivery(0).words
        exchange = Domain.exchange(CHAIN_ID, protocol.exchange.address)
        message = typed_data.delivery_message(
            exchange, auction.id, 0, words[0], words[1] + words[2]
        )
        expected = chain.call(protocol.exchange, "deliveryDigest", auction.id, 0, words)
        assert typed_digest(message) == expected

    def test_commitments_openings_and_keys__are_as_the_page_describes(
        self, protocol: Protocol
    ) -> None:
        """The contracts have no view of these; other tests sign by the page, and they accept."""
        auction = protocol.create()
        entry = auction.commit()
        domain = Domain.auction(CHAIN_ID, protocol.auction.address)

        def expected(type_: str, *values: object) -> bytes:
            struct = struct_hash(type_, *values)
            return digest_by_the_page(AUCTION_DOMAIN, protocol.auction.address, struct)

        assert typed_digest(self.commitment(domain, auction, entry)) == expected(
            COMMIT_TYPE,
            auction.id,
            entry.sealed,
            *entry.data_set.values(),
            auction.terms["agreement"],
            OWNER,
            3,
            2**40,
        )
        opening = typed_data.opening_message(domain, auction.id, 1, b"\5" * 32)
        assert typed_digest(opening) == expected(OPENING_TYPE, auction.id, 1, b"\5" * 32)
        key = typed_data.key_message(domain, OWNER, b"\1" * 32 + b"\2" * 32)
        assert typed_digest(key) == expected(KEY_TYPE, OWNER, b"\1" * 32, b"\2" * 32)

    @staticmethod
    def commitment(domain: Domain, auction: Auction, entry: Entry) -> dict[str, object]:
        words = (entry.sealed, data_set_of(entry), auction.terms["agreement"])
        return typed_data.commit_message(domain, auction.id, *words, OWNER, 3, 2**40)

    def test_domains__of_two_contracts_or_chains__are_apart(self) -> None:
        domains = [
            Domain.auction(1, OWNER),
            Domain.oracle(1, OWNER),
            Domain.exchange(1, OWNER),
            Domain.auction(2, OWNER),
            replace(Domain.auction(1, OWNER), contract="0x" + "01" * 20),
        ]
        found = {
            typed_digest(typed_data.opening_message(domain, 1, 1, bytes(32))) for domain in domains
        }
        assert len(found) == len(domains)
