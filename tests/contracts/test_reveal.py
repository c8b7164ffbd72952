"""Reveals, weights, medians and packing against the reference."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from oracles.mechanism import Family, WeightRule, enrolment_shares
from tests.support.auction import (
    FLAGGED,
    LOG1P,
    POWER,
    PRESENT,
    REVEALED,
    SETTLER,
    SQRT,
    UNDERSERVED,
    WAD,
    ZERO,
    Score,
    pack,
    person,
    weights,
)
from tests.support.chain import Contract, reverts

if TYPE_CHECKING:
    from tests.support.auction import Protocol
    from tests.support.revm import Revm

RULES = [
    WeightRule(),
    WeightRule(Family.SQRT),
    WeightRule(Family.LOG1P),
    WeightRule(eta=WAD // 2, gamma=2 * WAD, kappa=WAD // 10),
    WeightRule(eta=2 * WAD, gamma=WAD // 3, kappa=WAD // 100),
    WeightRule(eta=0, gamma=WAD),
    WeightRule(eta=WAD, gamma=0, kappa=5 * WAD),
    WeightRule(eta=18 * WAD, gamma=WAD, kappa=0),
    WeightRule(eta=7 * WAD // 3, gamma=3 * WAD, kappa=WAD),
    WeightRule(eta=1, gamma=1, kappa=1),
]


@pytest.fixture
def libraries(evm: Revm) -> Contract:
    return evm.deploy("Libraries")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.family.name}-{rule.eta}")
def test_weight__of_thousands_of_scores__is_the_references_to_the_bit(
    evm: Revm, libraries: Contract, rule: WeightRule
) -> None:
    rng = random.Random(rule.eta)
    edges = [0, 1, 9, 10, 11, 4_999, 5_000, 9_999, 10_000]
    points = [(q, phi) for q in edges for phi in edges]
    points += [(rng.randint(0, 10_000), rng.randint(0, 10_000)) for _ in range(1_000)]
    contract_rule = weights(rule.family, rule.eta, rule.kappa, rule.gamma)
    for start in range(0, len(points), 200):
        part = points[start : start + 200]
        packed = [q << 16 | phi for q, phi in part]
        on_chain = evm.call(libraries, "weights", contract_rule, packed)
        assert list(on_chain) == [rule.weight(q, phi) for q, phi in part]


def test_weight__of_a_score_above_the_grid__is_that_of_1(evm: Revm, libraries: Contract) -> None:
    for family in (POWER, SQRT, LOG1P):
        points = [
            q << 16 | phi for q, phi in [(10_000, 10_000), (16_383, 10_001), (10_001, 16_383)]
        ]
        rule = weights(family, eta=18 * WAD) if family == POWER else weights(family)
        assert len(set(evm.call(libraries, "weights", rule, points))) == 1


def lower_median(values: list[int]) -> int:
    return sorted(values)[(len(values) - 1) // 2]


@pytest.mark.parametrize("operators", range(1, 9))
def test_lower__of_any_number_of_vectors__is_the_lower_median_of_each_field(
    evm: Revm, libraries: Contract, operators: int
) -> None:
    rng = random.Random(operators)
    for count in (1, 2, 3, 4, 5, 9):
        for spread in (1, 3, 10_000):
            vectors = [
                [
                    Score(
                        rng.choice([rng.randrange(2**32), rng.randrange(spread)]),
                        rng.randrange(min(spread, 16_384)),
                        10_000 - rng.randrange(min(spread, 10_000)),
                        rng.randrange(4) if spread > 1 else 3,
                    )
                    for _ in range(count)
                ]
                for _ in range(operators)
            ]
            for other in range(1, operators):
                if rng.random() < 0.3:
                    vectors[other] = vectors[0]
            medians = evm.call(libraries, "lower", [pack(vector) for vector in vectors])
            expected = []
            for position in range(count):
                scores = [vector[position] for vector in vectors]
                volume, phi, q = (lower_median([s[i] for s in scores]) for i in range(3))
                flags = sum(
                    lower_median([s.flags >> bit & 1 for s in scores]) << bit for bit in (0, 1)
                )
                expected.append(Score(volume, phi, q, flags))
            assert [Score.unpack(medians[i : i + 8]) for i in range(0, len(medians), 8)] == expected


@pytest.mark.parametrize("operators", [1, 3])
def test_lower__of_bits_in_no_field__drops_them_even_where_all_agree(
    evm: Revm, libraries: Contract, operators: int
) -> None:
    vector = pack([Score(flags=15), Score(), Score(flags=4), Score(flags=9)])
    medians = evm.call(libraries, "lower", [vector] * operators)
    assert medians == pack([Score(flags=3), Score(), Score(flags=0), Score(flags=1)])


def test_lower__of_vectors_that_differ_in_the_last_bit_alone__sees_it(
    evm: Revm, libraries: Contract
) -> None:
    low, high = [Score(8)] * 4, [*[Score(8)] * 3, Score(9)]
    for vectors, median in (([low, high, high], high), ([high, low, low], low)):
        assert evm.call(libraries, "lower", [pack(v) for v in vectors]) == pack(median)


def test_item__of_a_vector__reads_the_fields_where_they_were_packed(
    evm: Revm, libraries: Contract
) -> None:
    scores = [Score(2**32 - 1, 0, 16_383, 5), Score(0, 16_383, 0, 10), Score(7, 8, 9, 15)]
    for position, score in enumerate(scores):
        assert Score(*evm.call(libraries, "score", pack(scores), position)) == score


def test_bid__of_a_slot__reads_the_fields_where_they_were_packed(
    evm: Revm, libraries: Contract
) -> None:
    slot = 0xABC << 152 | (2**80 - 1) << 72 | 5 << 8 | REVEALED | FLAGGED
    assert evm.call(libraries, "bid", slot) == (2**80 - 1, 5, 0xABC, True, True, True)
    assert evm.call(libraries, "bid", slot ^ REVEALED)[5] is False
    assert evm.call(libraries, "bid", slot ^ 5 << 8)[5] is False


class TestReveal:
    def test_reveal__of_a_bid__packs_cost_weight_flag_and_tag(self, protocol: Protocol) -> None:
        rule = WeightRule(eta=WAD // 2, gamma=2 * WAD, kappa=WAD // 10)
        scores = [Score(1, 3_000, 6_000, PRESENT | UNDERSERVED), Score(1, 1_000, 10_000)]
        auction = protocol.lead(
            "reveal",
            costs=(123_456, 999),
            scores=scores,
            weights=weights(rule.family, rule.eta, rule.kappa, rule.gamma),
        )
        for index, score in enumerate(scores):
            event = auction.reveal(index, SETTLER.address).event("Revealed").args
            entry, weight = auction.entries[index], rule.weight(score.q, score.phi)
            flagged = bool(score.flags & UNDERSERVED)
            assert event == {
                "auctionId": auction.id,
                "index": index,
                "cost": entry.cost,
                "salt": entry.salt,
                "weight": weight,
                "flagged": flagged,
            }
            word = auction.tag(index) << 152 | entry.cost << 72 | weight << 8 | REVEALED
            assert auction.slots()[index] == word | (FLAGGED if flagged else 0)

    @pytest.mark.parametrize(
        ("score", "eligible"),
        [
            (Score(q=100), True),
            (Score(q=99), False),
            (Score(phi=1), True),
            (Score(phi=0), False),
            (Score(q=99, flags=PRESENT | UNDERSERVED), False),
        ],
        ids=str,
    )
    def test_reveal__of_a_bid__has_a_weight_by_q_min_and_utility(
        self, protocol: Protocol, score: Score, eligible: bool
    ) -> None:
        auction = protocol.lead("reveal", costs=(5,), scores=[score], qMin=100)
        assert bool(auction.reveal(0).event("Revealed").args["weight"]) == eligible
        assert bool(auction.slots()[0] >> 8 & (2**144 - 1)) == eligible

    def test_reveal__of_a_bid_above_beta__loses_and_sets_no_price(self, protocol: Protocol) -> None:
        auction = protocol.lead("reveal", costs=(1_000_000, 1_000_001, 2**80 + 5, 2**255))
        for index in range(4):
            event = auction.reveal(index).event("Revealed").args
            assert event["cost"] == auction.entries[index].cost
            assert (event["weight"] == 0) == (index > 0)
        auction.go("settle")
        assert auction.settle().event("Settled").args["outcome"].winners == 1

    def test_reveal__with_any_other_word__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("reveal")
        e = auction.entries[0]
        other = person("other").address
        words = {"index": 1, "owner": other, "payer": other, "dataSet": ZERO}
        wrong = [(e.place | {name: word}, e.cost, e.salt) for name, word in words.items()]
        wrong += [(e.place, e.cost + 1, e.salt), (e.place, e.cost, ZERO)]
        for place, cost, salt in wrong:
            with reverts("NotTheCommitment", auction.id, place["index"]):
                protocol.do("reveal", auction.id, place, cost, salt)
        auction.reveal(0)
        with reverts("NotTheCommitment", auction.id, 0):
            auction.reveal(0)

    def test_reveal__before_scores_are_final__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("score")
        auction.go("reveal")
        with reverts("NotFinal"):
            auction.reveal(0)
        with reverts("NotFinal"):
            protocol.do("acceptScores", auction.id)

    def test_accept_scores__twice__changes_and_emits_nothing(self, protocol: Protocol) -> None:
        auction = protocol.lead("reveal")
        event = protocol.do("acceptScores", auction.id).event("ScoresAccepted").args
        assert event["round"] == 1
        assert protocol.view("scoreChunks", auction.id) == event["chunks"]
        assert protocol.do("acceptScores", auction.id).logs == ()
        assert not auction.reveal(0).events("ScoresAccepted")
        code = protocol.chain.code(event["chunks"][0])
        assert code == b"\0" + pack([Score()] * 3)

    def test_reveal__of_bids_in_two_chunks__reads_each_ones_own_score(
        self, protocol: Protocol
    ) -> None:
        count = 1_030
        scores = [Score(volume=i, q=1 + i % 10_000) for i in range(count)]
        auction = protocol.crowd(count, qMin=0)
        auction.score(scores)
        auction.go("reveal")
        for index in (0, 1, 1_022, 1_023, 1_024, 1_029):
            event = auction.reveal(index, SETTLER.address).event("Revealed").args
            assert event["weight"] == WeightRule().weight(scores[index].q, scores[index].phi)
        assert len(protocol.view("scoreChunks", auction.id)) == 2


def test_enrolment__of_providers_without_bids__shares_the_pool_by_weight(
    protocol: Protocol,
) -> None:

    scores = [Score(phi=9_000), Score(phi=500, q=300), Score(phi=0), Score(phi=7_777, q=3_333)]
    auction = protocol.lead("claim", (0,) * 4, scores, enrolment=True, budget=0, pool=10**9, rho=0)
    shares = enrolment_shares([bid.weight for bid in auction.bids()], 10**9)
    mut = auction.mut()
    for index, share in enumerate(shares):
        auction.claim(index)
        assert protocol.chain.call(mut, "balanceOf", auction.entries[index].owner) == share
    assert shares[2] == 0
    assert sum(shares) > 10**9 - 4
