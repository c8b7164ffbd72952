"""Terms, escrow and the buyer's key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from eth_utils.crypto import keccak

from tests.support.auction import (
    AUCTION_DOMAIN,
    BUYER,
    DURATIONS,
    ETHER,
    GWEI,
    KEY_TYPE,
    LOG1P,
    PPB,
    SETTLER,
    WAD,
    person,
    public_key,
    sign,
    struct_hash,
    typed_digest,
    weights,
)
from tests.support.chain import Reverted, reverts

if TYPE_CHECKING:
    from tests.support.auction import Protocol

DST = {
    "supply": 1000,
    "floor": 10,
    "cap": 500,
    "volumeWeight": PPB,
    "qualityWeight": 0,
    "impactWeight": 0,
}


def what(reason: str) -> bytes:
    return reason.encode().ljust(32, b"\0")


def test_create__with_valid_terms__escrows_and_emits_all_of_them(protocol: Protocol) -> None:
    auction = protocol.create(
        budget=10**6, pool=3 * 10**6, rho=PPB // 4, tranche=PPB // 3, bounty=5 * GWEI, dst=DST
    )
    args = auction.receipt.event("AuctionCreated").args
    x, y = public_key(person("buyer's key"))
    assert (args["auction"], args["buyer"], args["schema"]) == (1, BUYER.address, 1)
    assert (args["keyX"], args["keyY"], args["bounty"]) == (x, y, 5 * GWEI)
    assert args["beta"] == 4 * 10**6  # both B / ρ and U / (1-ρ)
    assert args["reserve"] == 4 * 10**6 * (PPB // 3) // PPB
    emitted = args["terms"]
    for name, value in auction.terms.items():
        found = getattr(emitted, name)
        assert found == (tuple(value.values()) if isinstance(value, dict) else value), name
    assert protocol.held(protocol.auction) == 10**6
    assert protocol.chain.balance(protocol.auction.address) == 5 * GWEI
    assert protocol.view("auctionCount") == 1
    opened = auction.receipt.event("RequestOpened").args
    assert opened["request"].start == auction.starts()["score"]


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


def test_create__with_equal_floor_and_cap__passes(protocol: Protocol) -> None:
    protocol.create(dst=DST | {"cap": DST["floor"]})


def test_create__with_the_largest_weight_there_may_be__passes(protocol: Protocol) -> None:
    auction = protocol.lead("settle", weights=weights(eta=0, kappa=2**63 - WAD))
    assert [bid.weight for bid in auction.bids()] == [2**63] * 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rho": PPB + 1}, "rho above 1e9"),
        ({"tranche": PPB + 1}, "tranche above 1e9"),
        ({"maxBids": 0}, "maxBids"),
        ({"maxBids": 2**32 - 1}, "maxBids"),
        ({"token": SETTLER.address}, "token has no code"),
        ({"budget": 0}, "beta"),
        ({"rho": PPB // 2, "pool": 0}, "beta"),
        ({"rho": 1, "pool": 2**80 - 1, "budget": 2**80 - 1}, "beta"),
        ({"weights": weights(eta=0, kappa=2**63 - WAD + 1)}, "weights exceed 2^63"),
        ({"weights": weights(kappa=83 * WAD // 10)}, "weights exceed 2^63"),
        ({"weights": weights(gamma=2**64 - 1, kappa=2**64 - 1)}, "weights exceed 2^63"),
        ({"dst": DST | {"cap": 9}}, "dst"),
        ({"dst": DST | {"cap": 0, "floor": 0}}, "dst"),
        ({"dst": DST | {"supply": 2**88}}, "dst"),
        ({"dst": DST | {"cap": 2**88}}, "dst"),
        ({"dst": DST | {"volumeWeight": PPB - 1}}, "dst"),
        ({"dst": DST | {"impactWeight": 1}}, "dst"),
        *(
            ({"durations": {name: 0}}, "a phase has no length")
            for name in DURATIONS
            if name != "challenge"
        ),
    ],
    ids=str,
)
def test_create__with_invalid_terms__says_what_is_wrong(
    protocol: Protocol, changes: dict[str, Any], reason: str
) -> None:
    with reverts("TermsInvalid", what(reason)):
        protocol.create(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": weights(kappa=WAD * 8)},
        {"weights": weights(LOG1P)},
        {"durations": {"challenge": 0}},
        {"dst": DST | {"supply": 2**88 - 1, "cap": 2**88 - 1}},
        {"maxBids": 2**32 - 2},
        {"tranche": PPB},
    ],
    ids=str,
)
def test_create__with_terms_at_their_limits__works(
    protocol: Protocol, changes: dict[str, Any]
) -> None:
    protocol.create(**changes)


def test_create__with_a_bounty_beyond_its_field__reverts(protocol: Protocol) -> None:
    protocol.chain.set_balance(BUYER.address, 2**97)
    with reverts("TermsInvalid", what("bounty")):
        protocol.create(bounty=2**96)
    protocol.chain.set_balance(BUYER.address, 1000 * ETHER)


def test_create__with_an_unknown_operator_set__reverts(protocol: Protocol) -> None:
    with reverts("UnknownSet", 99):
        protocol.create(operatorSet=99)
    with reverts("UnknownSet", 0):
        protocol.create(operatorSet=0)


def test_create__with_a_key_signed_by_another__reverts(protocol: Protocol) -> None:
    terms = protocol.terms()
    x, y = public_key(person("owner"))
    struct = struct_hash(KEY_TYPE, BUYER.address, x, y)
    digest = typed_digest(AUCTION_DOMAIN, protocol.auction.address, struct)
    key = {"x": x, "y": y, "signature": sign(person("thief"), digest)}
    with reverts("KeyNotOwned", person("thief").address, person("owner").address):
        protocol.do("create", terms, key, sender=BUYER.address)


def test_create__with_the_key_of_another_buyer__reverts(protocol: Protocol) -> None:
    with pytest.raises(Reverted, match="KeyNotOwned"):
        protocol.do("create", protocol.terms(), protocol.key(SETTLER.address), sender=BUYER.address)


@pytest.mark.parametrize(
    ("signature", "error"),
    [
        (bytes(64), "ECDSAInvalidSignatureLength"),
        (bytes(65), "ECDSAInvalidSignature"),
        (b"\1" * 32 + b"\xff" * 32 + b"\x1b", "ECDSAInvalidSignatureS"),
    ],
)
def test_create__with_a_malformed_signature__reverts(
    protocol: Protocol, signature: bytes, error: str
) -> None:
    with reverts(error):
        key = protocol.key() | {"signature": signature}
        protocol.do("create", protocol.terms(), key, sender=BUYER.address)


def test_create__without_the_buyers_approval__reverts(protocol: Protocol) -> None:
    key = protocol.key(SETTLER.address)
    with reverts("ERC20InsufficientAllowance"):
        protocol.do("create", protocol.terms(), key, sender=SETTLER.address)


def test_create__with_a_token_that_takes_a_fee__reverts(protocol: Protocol) -> None:
    protocol.token = protocol.chain.deploy("FeeToken")
    with reverts("BalanceMismatch", 1_000_000, 990_000):
        protocol.create()


def test_domain_separator__of_both_contracts__is_that_of_eip_712(protocol: Protocol) -> None:
    # By way of a digest: 0x1901 ‖ domain ‖ struct.
    for contract, name in (
        (protocol.auction, AUCTION_DOMAIN),
        (protocol.oracle, "Q-MIA ScoreOracle"),
    ):
        domain = protocol.chain.call(contract, "DOMAIN_SEPARATOR")
        struct = keccak(b"struct")
        assert typed_digest(name, contract.address, struct) == keccak(b"\x19\x01" + domain + struct)
