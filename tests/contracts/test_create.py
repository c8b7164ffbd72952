"""Terms, escrow and the buyer's key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.auction import (
    AUCTION_DOMAIN,
    BUYER,
    DRAW,
    DURATIONS,
    ETHER,
    EXCHANGE_DOMAIN,
    GWEI,
    KEY_TYPE,
    LEAST_OPERATOR_WINDOW,
    LEAST_PROVIDER_WINDOW,
    LOG1P,
    MIN_STAKE,
    NOBODY,
    ORACLE_DOMAIN,
    PPB,
    SCORING,
    SETTLER,
    WAD,
    Protocol,
    person,
    public_key,
    sign,
    struct_hash,
    typed_digest,
    weights,
)
from tests.support.chain import CHAIN_ID, Reverted, reverts

if TYPE_CHECKING:
    from tests.support.revm import Revm

DAY = 86_400
DST = {
    "supply": 1000,
    "floor": 10,
    "cap": 500,
    "volumeWeight": PPB,
    "qualityWeight": 0,
    "impactWeight": 0,
}
FEE = SCORING["feeGwei"] * GWEI
PROVIDERS, OPERATORS = LEAST_PROVIDER_WINDOW, LEAST_OPERATOR_WINDOW
LEAST = {
    "commit": PROVIDERS,
    "open": PROVIDERS,
    "reveal": PROVIDERS,
    "settle": OPERATORS,
    "fetch": 2 * OPERATORS,
    "deliver": PROVIDERS,
    "dispute": 2 * OPERATORS,
}
SCORE_WINDOWS = ["roll", "scoreCommit", "scoreOpen", "scorePost", "challenge"]


class TestDeployment:
    def test_deploy__where_prevrandao_is_a_constant__is_refused(self, evm: Revm) -> None:
        for value in (0, 1, 2**128 - 1):
            evm.prevrandao = value
            oracle = evm.deploy("ScoreOracle", 1, 1)
            with reverts("NoRandomness", value):
                evm.deploy("DataAuction", oracle, 0, 1, 1)
        evm.prevrandao = 2**128
        evm.deploy("DataAuction", oracle, 0, 1, 1)

    @pytest.mark.parametrize("constants", [(0, 1), (1, 0), (1, DAY + 1)], ids=str)
    def test_deploy__of_an_oracle_without_stakes_or_windows__is_refused(
        self, evm: Revm, constants: tuple[int, int]
    ) -> None:
        with reverts("ConstantsInvalid"):
            evm.deploy("ScoreOracle", *constants)
        evm.deploy("ScoreOracle", 1, DAY)

    def test_deployed__contracts__name_each_other_and_their_constants(
        self, protocol: Protocol
    ) -> None:
        chain = protocol.chain
        assert protocol.view("ORACLE") == protocol.oracle.address
        assert chain.call(protocol.exchange, "AUCTION") == protocol.auction.address
        assert chain.call(protocol.exchange, "ORACLE") == protocol.oracle.address
        assert protocol.view("DRAW") == DRAW
        rules = chain.at("TermsRules", protocol.view("RULES"))
        assert chain.call(rules, "DRAW") == DRAW
        assert chain.call(rules, "LEAST_PROVIDER_WINDOW") == PROVIDERS
        assert chain.call(rules, "LEAST_OPERATOR_WINDOW") == OPERATORS
        assert chain.call(protocol.oracle, "MIN_STAKE") == MIN_STAKE
        for contract in (protocol.auction, protocol.oracle):
            assert chain.call(contract, "SCHEMA") == 2

    def test_domain__of_every_contract__is_its_own(self, protocol: Protocol) -> None:
        for contract, name in (
            (protocol.auction, AUCTION_DOMAIN),
            (protocol.oracle, ORACLE_DOMAIN),
            (protocol.exchange, EXCHANGE_DOMAIN),
        ):
            domain = protocol.chain.call(contract, "eip712Domain")
            # All four fields and no others; the signatures of all tests are made with them.
            assert domain[:5] == (b"\x0f", name, "1", CHAIN_ID, contract.address)


def test_create__with_valid_terms__escrows_and_emits_all_of_them(protocol: Protocol) -> None:
    auction = protocol.create(
        budget=10**6, pool=3 * 10**6, rho=PPB // 4, tranche=PPB // 3, bounty=5 * GWEI, dst=DST
    )
    args = auction.receipt.event("AuctionCreated").args
    x, y = public_key(person("buyer's key"))
    assert (args["auctionId"], args["buyer"], args["schema"]) == (1, BUYER.address, 2)
    assert (args["keyX"], args["keyY"], args["bounty"]) == (x, y, 5 * GWEI)
    assert args["beta"] == 4 * 10**6  # both B / ρ and U / (1-ρ)
    assert args["reserve"] == 4 * 10**6 * (PPB // 3) // PPB
    emitted = args["terms"]
    for name, value in auction.terms.items():
        found = getattr(emitted, name)
        assert found == (tuple(value.values()) if isinstance(value, dict) else value), name
    assert protocol.held(protocol.auction) == 10**6
    assert protocol.chain.balance(protocol.auction.address) == 5 * GWEI + FEE
    assert protocol.view("auctionCount") == 1


def test_create__of_an_auction__opens_its_request_at_the_oracle(protocol: Protocol) -> None:
    auction = protocol.create(stakeGwei=7 * 10**8, appealFeeGwei=11)
    opened = auction.receipt.event("RequestOpened").args
    starts = auction.starts()
    assert (opened["consumer"], opened["id"]) == (protocol.auction.address, auction.id)
    assert opened["end"] == starts["reveal"]
    assert opened["request"]._asdict() == {
        "operatorSet": protocol.operator_set,
        "start": starts["roll"],
        "rollWindow": DURATIONS["roll"],
        "commitWindow": DURATIONS["scoreCommit"],
        "openWindow": DURATIONS["scoreOpen"],
        "postWindow": DURATIONS["scorePost"],
        "challengeWindow": DURATIONS["challenge"],
        "metricVersion": SCORING["metricVersion"],
        "stake": 7 * 10**8 * GWEI,
        "appealFee": 11 * GWEI,
    }


@pytest.mark.parametrize(
    ("rho", "budget", "pool", "beta"),
    [
        (PPB, 77, 0, 77),
        (PPB, 77, 5, 77),
        (0, 0, 33, 33),
        (0, 5, 33, 33),
        (PPB // 2, 10, 3, 6),
        (PPB // 3, 10, 100, 30),
        (1, 1, 10**9, 10**9),
        (PPB - 1, 10**9, 1, 10**9),
        (PPB, 2**80 - 1, 0, 2**80 - 1),
    ],
)
def test_create__for_any_liquidity__spends_what_both_purses_allow(
    protocol: Protocol, rho: int, budget: int, pool: int, beta: int
) -> None:
    assert protocol.create(rho=rho, budget=budget, pool=pool).beta == beta


def test_create__with_the_largest_weight_there_may_be__passes(protocol: Protocol) -> None:
    auction = protocol.lead("settle", weights=weights(eta=0, kappa=2**63 - WAD))
    assert [bid.weight for bid in auction.bids()] == [2**63] * 3


@pytest.mark.parametrize(
    ("changes", "error", "values"),
    [
        ({"rho": PPB + 1}, "RhoTooLarge", (PPB + 1,)),
        ({"tranche": PPB + 1}, "TrancheTooLarge", (PPB + 1,)),
        ({"maxBids": 0}, "MaxBidsInvalid", (0,)),
        ({"maxBids": 10_001}, "MaxBidsInvalid", (10_001,)),
        ({"samples": 2_049}, "TooManySamples", (2_049,)),
        ({"token": SETTLER.address}, "TokenWithoutCode", (SETTLER.address,)),
        ({"budget": 0}, "BudgetOutOfRange", (0,)),
        ({"rho": PPB // 2, "pool": 0}, "BudgetOutOfRange", (0,)),
        (
            {"rho": 1, "pool": 2**80 - 1, "budget": 2**80 - 1},
            "BudgetOutOfRange",
            ((2**80 - 1) * PPB // (PPB - 1),),
        ),
        ({"weights": weights(eta=0, kappa=2**63 - WAD + 1)}, "WeightsTooLarge", (2**63 + 1,)),
        ({"weights": weights(kappa=83 * WAD // 10)}, "WeightsTooLarge", ()),
        ({"weights": weights(gamma=2**64 - 1, kappa=2**64 - 1)}, "WeightsTooLarge", ()),
        ({"dst": DST | {"cap": 9}}, "DstTermsInvalid", ()),
        ({"dst": DST | {"cap": 0, "floor": 0}}, "DstTermsInvalid", ()),
        ({"dst": DST | {"supply": 2**88}}, "DstTermsInvalid", ()),
        ({"dst": DST | {"cap": 2**88}}, "DstTermsInvalid", ()),
        ({"dst": DST | {"volumeWeight": PPB - 1}}, "DstTermsInvalid", ()),
        ({"dst": DST | {"impactWeight": 1}}, "DstTermsInvalid", ()),
        ({"stakeGwei": MIN_STAKE // GWEI - 1}, "StakeTooSmall", (MIN_STAKE - GWEI, MIN_STAKE)),
        ({"operatorSet": 0}, "UnknownSet", (0,)),
        ({"operatorSet": 99}, "UnknownSet", (99,)),
        ({"durations": {"challenge": 0}}, "ChallengeWithoutPanel", ()),
    ],
    ids=str,
)
def test_create__with_invalid_terms__says_what_is_wrong(
    protocol: Protocol, changes: dict[str, Any], error: str, values: tuple[Any, ...]
) -> None:
    with reverts(error, *values):
        protocol.create(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": weights(kappa=WAD * 8)},
        {"weights": weights(LOG1P)},
        {"dst": DST | {"supply": 2**88 - 1, "cap": 2**88 - 1}},
        {"dst": DST | {"cap": DST["floor"]}},
        {"maxBids": 10_000},
        {"tranche": PPB},
        {"samples": 2_048},
        {"samples": 0, "durations": {"open": 0}},
        {"stakeGwei": MIN_STAKE // GWEI},
        {"feeGwei": 0, "entryFeeGwei": 0, "appealFeeGwei": 0, "fetchFeeGwei": 0, "bondGwei": 0},
    ],
    ids=str,
)
def test_create__with_terms_at_their_limits__works(
    protocol: Protocol, changes: dict[str, Any]
) -> None:
    protocol.create(**changes)


class TestWindows:
    """Nobody's time is too short, and nobody's money is locked for long."""

    @pytest.mark.parametrize("name", LEAST)
    def test_create__with_a_phase_too_short_or_too_long__is_refused(
        self, protocol: Protocol, name: str
    ) -> None:
        least = LEAST[name]
        for length in (0, 1, least - 1, 30 * DAY + 1, 2**32 - 1):
            with reverts("PhaseOutOfBounds", length, least, 30 * DAY):
                protocol.create(durations={name: length})
        for length in (least, 30 * DAY):
            with protocol.chain.rollback():
                protocol.create(durations={name: length})

    @pytest.mark.parametrize("name", SCORE_WINDOWS)
    def test_create__with_a_score_window_too_short_or_too_long__is_refused(
        self, protocol: Protocol, name: str
    ) -> None:
        for length in (1, OPERATORS - 1, 30 * DAY + 1):
            with reverts("WindowOutOfBounds", length, OPERATORS, 30 * DAY):
                protocol.create(durations={name: length})
        with reverts("AuctionTooLong"):  # The auction adds them up before it asks the oracle.
            protocol.create(durations={name: 2**32 - 1})
        for length in (OPERATORS, 30 * DAY):
            with protocol.chain.rollback():
                protocol.create(durations={name: length})

    def test_create__without_samples__has_no_open_phase(self, protocol: Protocol) -> None:
        with reverts("PhaseOutOfBounds", PROVIDERS, 0, 0):
            protocol.create(samples=0, durations={"open": PROVIDERS})
        with reverts("PhaseOutOfBounds", 0, PROVIDERS, 30 * DAY):
            protocol.create(samples=1, durations={"open": 0})

    def test_create__of_more_than_90_days_in_all__is_refused(self, protocol: Protocol) -> None:
        rest = sum(DURATIONS.values()) - DURATIONS["commit"] - DURATIONS["deliver"]
        rest += DRAW + sum(DURATIONS[name] for name in ("scoreCommit", "scoreOpen", "scorePost"))
        rest += 30 * DAY - DURATIONS["dispute"]
        left = 60 * DAY - rest
        lengths = {"dispute": 30 * DAY, "deliver": 30 * DAY}
        with reverts("AuctionTooLong", 90 * DAY + 1, 90 * DAY):
            protocol.create(durations=lengths | {"commit": left + 1})
        protocol.create(durations=lengths | {"commit": left})

    def test_create__with_scores_beyond_90_days__is_refused(self, protocol: Protocol) -> None:
        durations = {"scoreCommit": 29 * DAY, "scorePost": 20 * DAY, "challenge": 5}
        with reverts("AuctionTooLong"):
            protocol.create(durations=durations)

    def test_create__over_a_set_without_an_appeal_panel__has_no_challenge(
        self, protocol: Protocol
    ) -> None:
        plain = Protocol(protocol.chain, appeal=0)
        with reverts("ChallengeWithoutPanel"):
            plain.create(durations={"challenge": 40})
        auction = plain.create()
        assert auction.receipt.event("RequestOpened").args["end"] == auction.starts()["challenge"]


class TestMoney:
    def test_create__without_the_fee__is_refused(self, protocol: Protocol) -> None:
        with reverts("FeeMissing", FEE - 1, FEE):
            protocol.create(bounty=-1)

    def test_create__with_more_value_than_its_field_holds__is_refused(
        self, protocol: Protocol
    ) -> None:
        protocol.chain.set_balance(BUYER.address, 2**97)
        with reverts("BountyTooLarge", 2**96):
            protocol.create(bounty=2**96 - FEE)
        protocol.create(bounty=2**96 - 1 - FEE)
        protocol.chain.set_balance(BUYER.address, 1000 * ETHER)

    def test_create__without_the_buyers_approval__reverts(self, protocol: Protocol) -> None:
        key = protocol.key(SETTLER.address)
        with reverts("ERC20InsufficientAllowance"):
            protocol.do("create", protocol.terms(), key, sender=SETTLER.address, value=FEE)

    def test_create__with_a_token_that_takes_a_fee__reverts(self, protocol: Protocol) -> None:
        protocol.token = protocol.chain.deploy("FeeToken")
        with reverts("BalanceMismatch", 1_000_000, 990_000):
            protocol.create()


class TestKey:
    def test_create__with_a_key_signed_by_another__reverts(self, protocol: Protocol) -> None:
        x, y = public_key(person("owner"))
        struct = struct_hash(KEY_TYPE, BUYER.address, x, y)
        digest = typed_digest(AUCTION_DOMAIN, protocol.auction.address, struct)
        key = {"x": x, "y": y, "signature": sign(person("thief"), digest)}
        with reverts("KeyNotOwned", person("thief").address, person("owner").address):
            protocol.do("create", protocol.terms(), key, sender=BUYER.address, value=FEE)

    def test_create__with_the_key_of_another_buyer__reverts(self, protocol: Protocol) -> None:
        key = protocol.key(SETTLER.address)
        with pytest.raises(Reverted, match="KeyNotOwned"):
            protocol.do("create", protocol.terms(), key, sender=BUYER.address, value=FEE)

    @pytest.mark.parametrize(
        "signature",
        [b"", bytes(64), bytes(65), b"\1" * 32 + b"\xff" * 32 + b"\x1b"],
        ids=["empty", "short", "of nobody", "malleable"],
    )
    def test_create__with_a_malformed_signature__has_no_signer(
        self, protocol: Protocol, signature: bytes
    ) -> None:
        key = protocol.key() | {"signature": signature}
        with reverts("KeyNotOwned", NOBODY, person("buyer's key").address):
            protocol.do("create", protocol.terms(), key, sender=BUYER.address, value=FEE)
