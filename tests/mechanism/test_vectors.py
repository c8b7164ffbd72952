"""Every shared vector, through every implementation: scalar, numpy, verification, DST."""

import json
from pathlib import Path
from typing import Any

import pytest

from oracles.errors import IntegrityError
from oracles.mechanism import (
    BidTable,
    Proposal,
    Verification,
    allocate,
    clear_table,
    dump_clearing,
    parse_clearing,
    parse_dst,
    propose,
    verify_allocation,
)

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "vectors" / "mechanism.json").read_text()
)


@pytest.mark.parametrize("vector", VECTORS["clearing"], ids=lambda vector: str(vector["id"]))
class TestClearing:
    def test_clear__on_a_vector__prints_the_expected_text(self, vector: dict[str, Any]) -> None:
        printed = json.dumps(dump_clearing(parse_clearing(vector).clear()))
        assert printed == json.dumps(vector["expected"])

    def test_clear_table__on_a_vector__equals_clear(self, vector: dict[str, Any]) -> None:
        case = parse_clearing(vector)
        cleared = clear_table(
            BidTable.from_bids(case.bids),
            budget=case.budget,
            pool=case.pool,
            rho=case.rho,
            tranche=case.tranche,
        )
        assert cleared == case.clear()

    @pytest.mark.parametrize("chunk", [1, 7, 1000])
    def test_verification__of_the_right_proposal__fixes_the_same_prices(
        self, vector: dict[str, Any], chunk: int
    ) -> None:
        case = parse_clearing(vector)
        cleared = case.clear()
        slots = sorted(case.bids, key=lambda bid: bid.index)
        proposal = propose(case.bids, beta=cleared.beta, tranche=case.tranche)
        verification = Verification(slots, proposal, beta=cleared.beta, tranche=case.tranche)
        while verification.remaining:
            verification.walk(chunk)
        settled = verification.finish()
        assert settled.split == cleared.split
        assert list(settled.prices.values()) == [clock.price for clock in cleared.paying]
        assert list(settled.weights.values()) == [clock.weight for clock in cleared.paying]
        assert list(settled.counts.values()) == [len(clock.winners) for clock in cleared.paying]

    def test_verification__of_a_neighbouring_proposal__refuses(
        self, vector: dict[str, Any]
    ) -> None:
        case = parse_clearing(vector)
        beta = case.clear().beta
        slots = sorted(case.bids, key=lambda bid: bid.index)
        right = propose(case.bids, beta=beta, tranche=case.tranche)
        indices = [None, *(bid.index for bid in slots)]
        for index in indices:
            if index == right.all:
                continue
            with pytest.raises(IntegrityError):
                _settle(slots, right._replace(all=index), beta, case.tranche)


def _settle(slots: Any, proposal: Proposal, beta: int, tranche: Any) -> None:
    verification = Verification(slots, proposal, beta=beta, tranche=tranche)
    verification.walk(len(slots))
    verification.finish()


@pytest.mark.parametrize("vector", VECTORS["dst"], ids=lambda vector: str(vector["id"]))
def test_allocate__on_a_vector__gives_the_expected_shares(vector: dict[str, Any]) -> None:
    case = parse_dst(vector)
    allocation = allocate(case.scores, supply=case.supply, floor=case.floor, cap=case.cap)
    assert [str(share) for share in allocation.shares] == vector["shares"]
    assert allocation.shares == verify_allocation(
        case.scores,
        supply=case.supply,
        floor=case.floor,
        cap=case.cap,
        level=allocation.level,
        marginal=allocation.marginal,
    )
