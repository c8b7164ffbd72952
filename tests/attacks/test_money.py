"""Attacks on the money: reentrancy, starved calls, forced ether, stolen claims, dust."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.attacks.play import apart, claim_all, claimable, model, revealed
from tests.support.auction import BOND, BURN, BUYER, MIN_BOND, PPB, Score
from tests.support.chain import ACCOUNTS, ETHER, Reverted, reverts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.auction import Auction, Protocol
    from tests.support.chain import Contract

MALLORY = ACCOUNTS[6].address


def data(signature: str, *args: Any) -> bytes:
    selector = keccak(text=signature)[:4]
    if not args:
        return selector
    whole = signature[signature.index("(") :]
    # A tuple with a dynamic member comes with an offset to itself; arguments do not.
    return selector + encode([whole], [args])[32 if whole.endswith("bytes)") else 0 :]


CLAIM = "claim(uint256,uint256,address,address,uint256)"


def aimed(protocol: Protocol, attacker: Contract, target: str, call: bytes) -> None:
    protocol.chain.transact(attacker, "aim", target, call)


def commit_as(auction: Auction, wallet: Contract, cost: int) -> None:
    """Commit from a contract, which owns the bid and pays for it."""
    protocol = auction.protocol
    entry = auction.entry(protocol.fund(wallet.address), cost)
    descriptor = tuple(auction.data_set().values())
    call = data(
        "commit(uint256,bytes32,(bytes32,bytes32,uint64))", auction.id, entry.sealed, descriptor
    )
    protocol.chain.transact(wallet, "execute", protocol.auction, auction.bond, call)
    auction.entries[entry.index] = entry


def deliver_as(auction: Auction, wallet: Contract, index: int) -> None:
    """Deliver from a contract."""
    payer = auction.entries[index].payer
    call = data("deliver(uint256,uint256,address,bytes)", auction.id, index, payer, b"key")
    auction.protocol.chain.transact(wallet, "execute", auction.protocol.auction, 0, call)


def attempts(protocol: Protocol, attacker: Contract) -> tuple[int, int]:
    chain = protocol.chain
    return chain.call(attacker, "calls"), chain.call(attacker, "successes")


def with_attacker(protocol: Protocol) -> tuple[Protocol, Contract, Auction]:
    """An auction in a token with a hook, whose second winner is the attacking contract."""
    mine = copy(protocol)
    mine.token = protocol.chain.deploy("ZooToken", 0, 18)
    attacker = protocol.chain.deploy("ZooAttacker")
    auction = mine.create(budget=100, pool=100, rho=PPB // 2, bounty=1000)
    auction.commit(1)
    commit_as(auction, attacker, 2)
    auction.score([Score()] * 2)
    auction.go("reveal")
    auction.reveal(0)
    auction.reveal(1, MALLORY)
    auction.go("settle").settle()
    auction.deliver(0)
    deliver_as(auction, attacker, 1)
    auction.go("claim")
    mine.chain.transact(mine.token, "set", False, 10**18, "0x" + "00" * 20, attacker)
    return mine, attacker, auction


def reentries(auction: Auction, attacker: Contract) -> dict[str, bytes]:
    first, second = auction.entries[0], auction.entries[1]
    return {
        "own claim": data(CLAIM, auction.id, 1, second.owner, second.payer, 7),
        "another claim": data(CLAIM, auction.id, 0, first.owner, first.payer, 7),
        "buyer": data("withdrawBuyer(uint256,address)", auction.id, attacker.address),
        "bounty": data("claimBounty(uint256)", auction.id),
        "forfeit": data("forfeit(uint256,uint256)", auction.id, 0),
        "withdraw": data(
            "withdraw(uint256,uint256,bytes32,address)", auction.id, 1, second.sealed, second.payer
        ),
        "reclaim": data(
            "reclaim(uint256,uint256,bytes32,address,address)",
            auction.id,
            1,
            second.sealed,
            second.owner,
            second.payer,
        ),
    }


@pytest.mark.parametrize(
    "name", ["own claim", "another claim", "buyer", "bounty", "forfeit", "withdraw", "reclaim"]
)
def test_reentry__into_everything_that_pays__fails_and_pays_once(
    protocol: Protocol, name: str
) -> None:
    mine, attacker, auction = with_attacker(protocol)
    aimed(mine, attacker, mine.auction.address, reentries(auction, attacker)[name])
    native = mine.chain.balance(attacker.address)
    auction.claim(1)  # calls back twice: the token's hook, and the bond
    assert attempts(mine, attacker) == (2, 0)
    assert mine.held(attacker.address) == model(auction).cash[1]
    assert mine.chain.balance(attacker.address) - native == auction.bond
    with reverts("NothingToClaim"):
        auction.claim(1)
    aimed(mine, attacker, "0x" + "00" * 20, b"")
    auction.claim(0)
    mine.do("withdrawBuyer", auction.id, BUYER.address, sender=BUYER.address)
    assert mine.chain.balance(mine.auction.address) == 0


def test_reentry__into_creation_from_the_escrow__fails(protocol: Protocol) -> None:
    mine = copy(protocol)
    mine.token = protocol.chain.deploy("ZooToken", 0, 18)
    attacker = protocol.chain.deploy("ZooAttacker")
    old = claimable(mine, [1, 2], budget=100)
    entry = old.entries[0]
    aimed(mine, attacker, mine.auction.address, data(CLAIM, old.id, 0, entry.owner, entry.payer, 7))
    mine.chain.transact(mine.token, "set", False, 10**18, "0x" + "00" * 20, attacker)
    mine.create(budget=500)  # a payment out of it in between would fake the amount received
    assert attempts(mine, attacker) == (1, 0)


def test_read_only_reentry__in_the_middle_of_a_claim__sees_the_bid_as_paid(
    protocol: Protocol,
) -> None:
    mine, _, auction = with_attacker(protocol)
    seen = mine.chain.deploy("ZooReader", mine.auction, auction.id, 1)
    mine.chain.transact(mine.token, "set", False, 10**18, "0x" + "00" * 20, seen)
    auction.claim(1)
    slot = mine.chain.call(seen, "slot")
    assert slot == auction.slots()[1]
    assert slot & 0xE0 == 0xE0


def test_reentry__into_revenue__pays_once(protocol: Protocol) -> None:
    mine, attacker, auction = with_attacker(protocol)
    claim_all(auction)
    mut = auction.mut()
    mine.chain.transact(mine.token, "mint", mut.address, 1000)
    mine.chain.transact(mut, "accrue")
    due = mine.chain.call(mut, "revenueOf", attacker.address)
    before = mine.held(attacker.address)
    aimed(mine, attacker, mut.address, data("claimFor(address)", attacker.address))
    mine.chain.transact(mut, "claimFor", attacker.address)
    assert attempts(mine, attacker)[1] == 0
    assert mine.held(attacker.address) - before == due > 0


def test_reentry__into_an_operators_credit__pays_once(protocol: Protocol) -> None:
    attacker = protocol.chain.deploy("ZooAttacker")
    oracle = protocol.oracle.address
    protocol.fund(attacker.address)

    def act(call: bytes, value: int = 0) -> None:
        protocol.chain.transact(attacker, "execute", oracle, value, call)

    act(data("register(bytes32,bytes32)", bytes(32), bytes(32)), MIN_BOND)
    act(data("exit()"))
    before = protocol.chain.balance(attacker.address)
    held = protocol.chain.balance(oracle)
    aimed(protocol, attacker, oracle, data("withdrawCredit(address)", attacker.address))
    act(data("withdrawCredit(address)", attacker.address))
    assert attempts(protocol, attacker) == (1, 0)
    assert protocol.chain.balance(attacker.address) - before == MIN_BOND
    assert held - protocol.chain.balance(oracle) == MIN_BOND


def test_refusing_payer__of_one_bond__stops_only_that_bond(protocol: Protocol) -> None:
    wallet = protocol.chain.deploy("Wallet", MALLORY)
    auction = protocol.create(budget=100)
    auction.commit(1)
    commit_as(auction, wallet, 2)
    auction.score([Score()] * 2)
    auction.go("reveal")
    auction.reveal(0)
    auction.reveal(1, MALLORY)
    auction.go("settle").settle()
    auction.deliver(0)
    deliver_as(auction, wallet, 1)
    auction.go("claim")
    protocol.chain.transact(wallet, "refuse", True)
    with reverts("TransferFailed"):
        auction.claim(1)
    auction.claim(1, 7 & ~BOND)
    auction.claim(0)
    protocol.chain.transact(wallet, "refuse", False)
    auction.claim(1, BOND)
    assert protocol.chain.balance(protocol.auction.address) == 0


def test_starved_claim__at_every_allowance_of_gas__is_whole_or_nothing(protocol: Protocol) -> None:
    mine, _, auction = with_attacker(protocol)
    entry = auction.entries[1]
    args = (auction.id, 1, entry.owner, entry.payer, 7)
    whole = 0
    for gas in range(30_000, 400_000, 5_000):
        with apart(mine):
            before = auction.slots()[1]
            native = mine.chain.balance(entry.payer)
            try:
                mine.chain.transact(mine.auction, "claim", *args, gas=gas)
            except Reverted:
                assert auction.slots()[1] == before
                assert mine.held(entry.owner) == 0
                assert mine.chain.balance(entry.payer) == native
            else:
                whole += 1
                assert auction.slots()[1] & 0xE0 == 0xE0
                assert mine.held(entry.owner) == model(auction).cash[1]
                assert mine.chain.balance(entry.payer) - native == auction.bond
                assert (
                    mine.chain.call(auction.mut(), "balanceOf", entry.owner)
                    == model(auction).face[1]
                )
    assert whole


def test_forced_ether_and_tokens__sent_straight_in__change_nothing(protocol: Protocol) -> None:
    auction = protocol.create(budget=100, bounty=10)
    for contract in (protocol.auction, protocol.oracle):
        with reverts(""):
            protocol.chain.send(contract.address, 1)
        protocol.chain.set_balance(
            contract.address, protocol.chain.balance(contract.address) + ETHER
        )
    protocol.chain.transact(protocol.token, "mint", protocol.auction.address, 12345)
    auction.commit(1)
    auction.score([Score()])
    auction.go("reveal").reveal(0)
    auction.go("settle").settle()
    auction.deliver(0)
    auction.go("claim")
    claim_all(auction)
    assert protocol.chain.balance(protocol.auction.address) == ETHER
    assert protocol.held(protocol.auction.address) == 12345
    assert protocol.held(auction.entries[0].owner) == 100


def test_two_auctions__in_one_token__never_touch_each_others_money(protocol: Protocol) -> None:
    one = claimable(protocol, [1, 2], budget=100, pool=50, rho=PPB // 2, bounty=5)
    two = protocol.create(budget=777, bounty=9)
    two.commit(3)
    claim_all(one)
    dust = protocol.held(protocol.auction.address) - 777
    assert 0 <= dust <= 2
    assert protocol.chain.balance(protocol.auction.address) == 9 + two.bond
    two.go("settle")
    protocol.do("abort", two.id)
    two.reclaim(0)
    protocol.do("withdrawBuyer", two.id, BUYER.address, sender=BUYER.address)
    assert protocol.held(protocol.auction.address) == dust
    assert protocol.chain.balance(protocol.auction.address) == 0


def test_forfeits__by_silence_and_by_verdict__burn_bonds_and_return_the_cash(
    protocol: Protocol,
) -> None:
    auction = protocol.create(budget=900, pool=900, rho=PPB // 2)
    for cost in (1, 2, 3, 4):
        auction.commit(cost)
    auction.score([Score()] * 4)
    auction.go("reveal")
    for index in range(3):  # the fourth forfeits its bond: a bonus for the others
        auction.reveal(index)
    auction.go("settle").settle()
    outcome = model(auction)
    auction.deliver(0)
    auction.deliver(1)
    auction.go("verdict")
    burned = protocol.chain.balance(BURN)
    auction.verdict([1], (0, 1, 2))
    protocol.do("forfeit", auction.id, 2, sender=MALLORY)
    bonus = auction.bond // 2 // 3 // 10**9 * 10**9
    assert protocol.chain.balance(BURN) - burned == 2 * (auction.bond + bonus)
    auction.go("claim")
    for index in (1, 2):
        with pytest.raises(Reverted, match="NothingToClaim"):
            auction.claim(index)
    auction.claim(0)
    protocol.do("withdrawBuyer", auction.id, BUYER.address, sender=BUYER.address)
    assert protocol.held(BUYER.address) >= outcome.cash[1] + outcome.cash[2]
    assert protocol.held(protocol.auction.address) <= 3
    assert protocol.chain.balance(protocol.auction.address) == 0


def test_phases_out_of_order__anything_early_or_late__is_refused(protocol: Protocol) -> None:
    auction = protocol.create(budget=100)
    entry = auction.commit(1)
    steps: dict[str, Callable[[], object]] = {
        "reveal": lambda: auction.reveal(0),
        "settle": lambda: protocol.do("settle", auction.id, (2**32 - 1,) * 3, 9),
        "deliver": lambda: auction.deliver(0),
        "claim": lambda: auction.claim(0),
        "forfeit": lambda: protocol.do("forfeit", auction.id, 0),
        "reclaim": lambda: auction.reclaim(0),
        "abort": lambda: protocol.do("abort", auction.id),
        "buyer": lambda: protocol.do("withdrawBuyer", auction.id, MALLORY, sender=BUYER.address),
        "bounty": lambda: protocol.do("claimBounty", auction.id),
        "verdict": lambda: auction.verdict([0], (0, 1, 2)),
        "accept": lambda: protocol.do("acceptScores", auction.id),
    }
    for step in steps.values():
        with pytest.raises(Reverted):
            step()
    auction.score([Score()])
    with reverts("OutOfPhase"):
        protocol.do("commit", auction.id, entry.sealed, auction.data_set(), value=auction.bond)
    with reverts("OutOfPhase"):
        auction.withdraw(0)
    auction.go("reveal").reveal(0)
    auction.go("settle").settle()
    with reverts("OutOfPhase"):
        auction.reveal(0)
    auction.deliver(0)
    auction.go("verdict")
    with reverts("OutOfPhase"):
        auction.deliver(0)
    with reverts("OutOfPhase"):
        auction.claim(0)
    auction.go("claim")
    with reverts("OutOfPhase"):
        auction.verdict([0], (0, 1, 2))
    auction.claim(0)


@pytest.mark.parametrize("call", ["settle", "bounty", "buyer"])
def test_reentry__from_the_bounty_of_who_settles_alone__fails_and_pays_once(
    protocol: Protocol, call: str
) -> None:
    attacker = protocol.chain.deploy("ZooAttacker")
    auction = revealed(protocol, [1, 2], bounty=1000)
    right = auction.proposal()
    settle = data("settle(uint256,(uint32,uint32,uint32),uint256)", auction.id, right, 9)
    inner = {
        "settle": settle,
        "bounty": data("claimBounty(uint256)", auction.id),
        "buyer": data("withdrawBuyer(uint256,address)", auction.id, attacker.address),
    }[call]
    aimed(protocol, attacker, protocol.auction.address, inner)
    protocol.chain.transact(attacker, "execute", protocol.auction, 0, settle)
    assert attempts(protocol, attacker) == (1, 0)
    assert protocol.chain.balance(attacker.address) == 1000
    with reverts("NothingToClaim"):
        execute = (protocol.auction, 0, data("claimBounty(uint256)", auction.id))
        protocol.chain.transact(attacker, "execute", *execute)


def test_settler__that_refuses_ether__can_still_settle_in_two_calls(protocol: Protocol) -> None:
    wallet = protocol.chain.deploy("Wallet", MALLORY)
    protocol.chain.transact(wallet, "refuse", True)
    auction = revealed(protocol, [1, 2], bounty=1000)
    right = auction.proposal()
    with reverts("TransferFailed", wallet.address, 1000):
        protocol.through(wallet, "settle", auction.id, right, 9)
    protocol.through(wallet, "settle", auction.id, right, 1)
    protocol.through(wallet, "settle", auction.id, right, 1).event("Settled")
    with reverts("TransferFailed", wallet.address, 1000):
        protocol.through(wallet, "claimBounty", auction.id)


def test_strangers__asking_for_the_buyers_or_settlers_part__get_nothing(protocol: Protocol) -> None:
    auction = revealed(protocol, [1], bounty=5)
    auction.settle()
    with reverts("NotTheBuyer"):
        protocol.do("withdrawBuyer", auction.id, MALLORY, sender=MALLORY)
    with reverts("NothingToClaim"):
        protocol.do("claimBounty", auction.id, sender=MALLORY)
    with reverts("NotTheAuction"):
        token = protocol.chain.at("MutToken", protocol.view("MUT_IMPLEMENTATION"))
        protocol.chain.transact(token, "mint", MALLORY, 1, sender=MALLORY)


def test_buyer__withdrawing_again__gets_nothing_more(protocol: Protocol) -> None:
    auction = claimable(protocol, [1, 2, 90], budget=100, pool=100, rho=PPB // 2, bounty=5)
    other = protocol.create(budget=500, bounty=7)  # so that there would be something to take
    protocol.do("withdrawBuyer", auction.id, BUYER.address, sender=BUYER.address)
    mut = auction.mut()
    had = protocol.held(BUYER.address), protocol.chain.call(mut, "balanceOf", BUYER.address)
    native = protocol.chain.balance(BUYER.address)
    protocol.do("withdrawBuyer", auction.id, BUYER.address, sender=BUYER.address)
    assert (
        protocol.held(BUYER.address),
        protocol.chain.call(mut, "balanceOf", BUYER.address),
    ) == had
    assert protocol.chain.balance(BUYER.address) == native
    other.go("deliver_late")
    protocol.do("abort", other.id)
    for expected in (7, 0):
        native = protocol.chain.balance(BUYER.address)
        protocol.do("withdrawBuyer", other.id, BUYER.address, sender=BUYER.address)
        assert protocol.chain.balance(BUYER.address) - native == expected
