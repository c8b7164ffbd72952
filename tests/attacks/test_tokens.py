"""The token zoo: what an odd settlement token can do to its auction, and cannot to others."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import pytest

from tests.attacks.play import claim_all, model
from tests.support.auction import BUYER, CASH, MUT, PPB
from tests.support.chain import Reverted, reverts

if TYPE_CHECKING:
    from tests.support.auction import Protocol

PLAIN, SILENT, FALSE, REVERT_ZERO = range(4)
ZERO = "0x" + "00" * 20


def with_token(protocol: Protocol, kind: int = PLAIN, decimals: int = 18) -> Protocol:
    mine = copy(protocol)
    mine.token = protocol.chain.deploy("ZooToken", kind, decimals)
    return mine


def set_token(
    protocol: Protocol, *, paused: bool = False, index: int = 10**18, hook: str = ZERO
) -> None:
    protocol.chain.transact(protocol.token, "set", paused, index, ZERO, hook)


@pytest.mark.parametrize("decimals", [2, 6, 18, 27])
@pytest.mark.parametrize("kind", [PLAIN, SILENT, FALSE, REVERT_ZERO])
def test_any_kind__behaving__pays_everybody_as_the_reference_says(
    protocol: Protocol, kind: int, decimals: int
) -> None:
    mine = with_token(protocol, kind, decimals)
    auction = mine.lead("claim", [0, 20, 90], budget=100, pool=100, rho=PPB // 2)
    outcome = model(auction)
    claim_all(auction)
    for index in auction.entries:
        assert mine.held(auction.entries[index].owner) == outcome.cash.get(index, 0)
    assert mine.held(mine.auction.address) <= len(outcome.winners)
    assert mine.chain.call(auction.mut(), "decimals") == decimals


def test_no_cash_due__where_zero_transfers_revert__is_still_claimed(protocol: Protocol) -> None:
    mine = with_token(protocol, REVERT_ZERO)
    auction = mine.lead("claim", [0, 0], budget=0, pool=100, rho=0)
    claim_all(auction)
    assert mine.chain.call(auction.mut(), "balanceOf", auction.entries[0].owner) == 50


def test_false_return__instead_of_a_revert__is_a_failure(protocol: Protocol) -> None:
    mine = with_token(protocol, FALSE)
    set_token(mine, paused=True)
    with reverts("SafeERC20FailedOperation"):
        mine.create()
    set_token(mine)
    auction = mine.lead("claim", [1])
    set_token(mine, paused=True)
    with reverts("SafeERC20FailedOperation"):
        auction.claim(0)
    set_token(mine)
    auction.claim(0)
    assert mine.held(auction.entries[0].owner) > 0


def test_fee_on_transfer__at_creation__is_refused(protocol: Protocol) -> None:
    mine = copy(protocol)
    mine.token = protocol.chain.deploy("FeeToken")
    with reverts("BalanceMismatch", 1_000_000, 990_000):
        mine.create()


def test_blacklist__of_one_winner__stops_only_that_winners_cash(protocol: Protocol) -> None:
    mine = with_token(protocol)
    auction = mine.lead("claim", [1, 2], budget=100, pool=100, rho=PPB // 2)
    owner = auction.entries[0].owner
    mine.chain.transact(mine.token, "block_", owner, True)
    with reverts("Blocked"):
        auction.claim(0)
    auction.claim(0, 7 & ~CASH)
    auction.claim(1)
    auction.withdraw_refund()
    mine.chain.transact(mine.token, "block_", owner, False)
    auction.claim(0, CASH)
    assert mine.held(owner) == model(auction).cash[0]


def test_blacklisted_buyer__names_another_address__and_is_paid(protocol: Protocol) -> None:
    mine = with_token(protocol)
    auction = mine.lead("claim", [1], budget=100)
    auction.go("claim")
    mine.chain.transact(mine.token, "block_", BUYER.address, True)
    auction.withdraw_refund("0x" + "77" * 20)


def test_pause__for_years__delays_cash_and_nothing_else(protocol: Protocol) -> None:
    mine = with_token(protocol)
    auction = mine.lead("claim", [1, 2], budget=100, pool=100, rho=PPB // 2)
    set_token(mine, paused=True)
    for index in auction.entries:
        auction.claim(index, 7 & ~CASH)
    mine.chain.time += 10 * 365 * 86_400
    set_token(mine)
    for index in auction.entries:
        auction.claim(index, CASH)
        assert mine.held(auction.entries[index].owner) == model(auction).cash[index]


@pytest.mark.parametrize("index", [10**18 // 2, 2 * 10**18])
def test_rebase__down_or_up__is_borne_by_that_token_alone(protocol: Protocol, index: int) -> None:
    mine, plain = with_token(protocol), protocol
    odd = mine.lead("claim", [1, 2], budget=1000)
    safe = plain.lead("claim", [1, 2], budget=1000)
    set_token(mine, index=index)
    if index < 10**18:
        # Known issue: the last to claim find the balance short. The others get all of theirs.
        odd.claim(0)
        with pytest.raises(Reverted, match="Panic"):
            odd.claim(1)
        odd.claim(1, MUT | 4)
    else:
        claim_all(odd)
    claim_all(safe)
    assert plain.held(safe.entries[0].owner) == model(safe).cash[0]


def test_double_entry__two_auctions_in_one_token_by_two_addresses__keep_apart(
    protocol: Protocol,
) -> None:
    mine = with_token(protocol)
    other = copy(mine)
    other.token = protocol.chain.deploy("ZooTwin", mine.token)
    mine.chain.transact(mine.token, "set", False, 10**18, other.token, ZERO)
    one = mine.lead("claim", [1, 2], budget=100)
    two = other.lead("claim", [1, 2], budget=300)
    claim_all(one)
    claim_all(two)
    # The same two people bid in both.
    for index, cash in model(one).cash.items():
        assert mine.held(one.entries[index].owner) == cash + model(two).cash[index]
    assert mine.held(mine.auction.address) <= 4


def test_hooks__that_revert__hurt_only_their_own_claim(protocol: Protocol) -> None:
    mine = with_token(protocol)
    auction = mine.lead("claim", [1, 2], budget=100)
    set_token(mine, hook=mine.oracle.address)  # has no such function: every transfer reverts
    with reverts(""):
        auction.claim(0)
    auction.claim(0, 7 & ~CASH)
    set_token(mine)
    auction.claim(0, CASH)


def test_revenue__in_an_odd_token__is_counted_by_what_arrives(protocol: Protocol) -> None:
    for kind in (SILENT, FALSE, REVERT_ZERO):
        mine = with_token(protocol, kind)
        auction = mine.lead("claim", [1, 2], budget=100, pool=100, rho=PPB // 2)
        claim_all(auction)
        mut = auction.mut()
        mine.chain.transact(mine.token, "mint", BUYER.address, 1000)
        mine.chain.transact(mine.token, "approve", mut, 1000, sender=BUYER.address)
        mine.chain.transact(mut, "deposit", 400, sender=BUYER.address)
        mine.chain.transact(mine.token, "transfer", mut, 600, sender=BUYER.address)
        mine.chain.transact(mut, "accrue")
        people = [*(e.owner for e in auction.entries.values()), BUYER.address]
        due = [mine.chain.call(mut, "revenueOf", person) for person in people]
        supply = mine.chain.call(mut, "totalSupply")
        shares = [mine.chain.call(mut, "balanceOf", person) * 1000 // supply for person in people]
        assert due == shares
        for person in people:
            mine.chain.transact(mut, "claimFor", person)
        assert mine.held(mut.address) == 1000 - sum(due)
        # Known and bounded: one unit a holder, and the share of units set aside for rounding.
        assert 1000 - sum(due) <= 3 + 1000 * 2 // supply


def test_rebasing_revenue__after_a_fall__accrues_nothing_until_made_good(
    protocol: Protocol,
) -> None:
    mine = with_token(protocol)
    auction = mine.lead("claim", [1, 2], budget=100, pool=100, rho=PPB // 2)
    claim_all(auction)
    mut = auction.mut()
    mine.chain.transact(mine.token, "mint", mut.address, 1000)
    mine.chain.transact(mut, "accrue")
    set_token(mine, index=10**18 // 2)
    mine.chain.transact(mine.token, "mint", mut.address, 100)
    assert mine.chain.call(mut, "accrue") == 0
    set_token(mine)
    assert mine.chain.call(mut, "accrue") == 200


@pytest.mark.parametrize("rho", [0, PPB // 3])
def test_revenue__where_all_winners_were_struck_out__does_not_accrue_and_is_nobodys(
    protocol: Protocol, rho: int
) -> None:
    """Point 11: units set aside for rounding once swallowed all of it."""
    auction = protocol.lead("deliver", [0, 0, 0], budget=100, pool=100, rho=rho).go("dispute")
    for index in range(3):
        auction.forfeit(index)
    auction.go("claim").withdraw_refund()
    mut = auction.mut()
    assert 0 < protocol.chain.call(mut, "totalSupply") <= 4  # The units of rounding.
    assert protocol.chain.call(mut, "balanceOf", BUYER.address) == 0
    had = protocol.held(BUYER.address)
    protocol.chain.transact(protocol.token, "mint", BUYER.address, 1000, sender=BUYER.address)
    protocol.chain.transact(protocol.token, "approve", mut, 1000, sender=BUYER.address)
    with reverts("NothingDeposited"):
        protocol.chain.transact(mut, "deposit", 1000, sender=BUYER.address)
    protocol.chain.transact(protocol.token, "transfer", mut, 10, sender=BUYER.address)
    assert protocol.chain.call(mut, "accrue") == 0
    assert protocol.held(BUYER.address) - had == 1000 - 10
