"""Attacks on the money: reentrancy, starved calls, forced ether, stolen claims, dust."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import pytest

from tests.attacks.play import apart, claim_all, model
from tests.support.auction import (
    BOND,
    BURN,
    BUYER,
    GWEI,
    NONE,
    PPB,
    SCORING,
    UNAVAILABLE,
    UNREADABLE,
    sign,
)
from tests.support.chain import ACCOUNTS, ETHER, Reverted, encode_call, reverts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.auction import Auction, Protocol
    from tests.support.chain import Contract

MALLORY = ACCOUNTS[6].address


def aimed(protocol: Protocol, attacker: Contract, target: str, call: bytes) -> None:
    protocol.chain.transact(attacker, "aim", target, call)


def commit_as(auction: Auction, wallet: Contract, cost: int) -> None:
    """Commit from a contract, which owns the bid and pays for it."""
    protocol = auction.protocol
    entry = auction.entry(protocol.fund(wallet.address), cost)
    args = (auction.id, entry.sealed, entry.data_set, auction.terms["agreement"])
    call = encode_call(protocol.auction, "commit", *args)
    execute = (protocol.auction, auction.deposit, call)
    protocol.chain.transact(wallet, "execute", *execute)
    auction.entries[entry.index] = entry


def deliver_as(auction: Auction, wallet: Contract, index: int) -> None:
    """Deliver from a contract."""
    protocol, delivery = auction.protocol, auction.delivery(index)
    digest = auction.delivery_digest(index, delivery.words)
    words = (delivery.words, sign(delivery.ephemeral, digest), b"")
    call = encode_call(
        protocol.exchange, "deliver", auction.id, auction.entries[index].place, *words
    )
    protocol.chain.transact(wallet, "execute", protocol.exchange, 0, call)


def attempts(protocol: Protocol, attacker: Contract) -> tuple[int, int]:
    chain = protocol.chain
    return chain.call(attacker, "calls"), chain.call(attacker, "successes")


def won_by_two(protocol: Protocol, wallet: Contract, **terms: Any) -> Auction:
    """Return an auction that a person and a contract have won, both keys delivered."""
    auction = protocol.create(budget=100, **terms)
    auction.commit(1)
    commit_as(auction, wallet, 2)
    # A contract sends no transactions of its own: what follows is done without openings.
    auction.go("roll").to("reveal")
    auction.reveal(0)
    auction.reveal(1, MALLORY)
    auction.to("deliver").deliver(0)
    deliver_as(auction, wallet, 1)
    return auction.go("claim")


def with_attacker(protocol: Protocol) -> tuple[Protocol, Contract, Auction]:
    """An auction in a token with a hook, whose second winner is the attacking contract."""
    mine = copy(protocol)
    mine.token = protocol.chain.deploy("ZooToken", 0, 18)
    attacker = protocol.chain.deploy("ZooAttacker")
    auction = won_by_two(mine, attacker, pool=100, rho=PPB // 2, bounty=1000)
    mine.chain.transact(mine.token, "set", False, 10**18, "0x" + "00" * 20, attacker)
    return mine, attacker, auction


def reentries(auction: Auction, attacker: Contract) -> dict[str, bytes]:
    first, second = auction.entries[0], auction.entries[1]
    calls = {
        "own claim": ("claim", second.place, 7),
        "another claim": ("claim", first.place, 7),
        "buyer": ("withdrawRefund", attacker.address),
        "bounty": ("claimBounty",),
        "forfeit": ("forfeit", 0),
        "withdraw": ("withdrawBid", second.sealed, second.place),
        "reclaim": ("reclaimBond", second.sealed, second.place),
        "settle": ("settle", (NONE, NONE, NONE), 9),
    }
    contract = auction.protocol.auction
    return {
        name: encode_call(contract, function, auction.id, *args)
        for name, (function, *args) in calls.items()
    }


@pytest.mark.parametrize(
    "name",
    [
        "own claim",
        "another claim",
        "buyer",
        "bounty",
        "forfeit",
        "withdraw",
        "reclaim",
        "settle",
    ],
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
    auction.withdraw_refund()
    assert mine.chain.balance(mine.auction.address) == 0


def test_reentry__into_creation_from_the_escrow__fails(protocol: Protocol) -> None:
    mine = copy(protocol)
    mine.token = protocol.chain.deploy("ZooToken", 0, 18)
    attacker = protocol.chain.deploy("ZooAttacker")
    old = mine.lead("claim", [1, 2], budget=100)
    call = encode_call(mine.auction, "claim", old.id, old.entries[0].place, 7)
    aimed(mine, attacker, mine.auction.address, call)
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
    aimed(mine, attacker, mut.address, encode_call(mut, "claimFor", attacker.address))
    mine.chain.transact(mut, "claimFor", attacker.address)
    assert attempts(mine, attacker)[1] == 0
    assert mine.held(attacker.address) - before == due > 0


def test_reentry__into_a_period_that_is_being_closed__fails(protocol: Protocol) -> None:
    """Else the second period would stand in the logs before the first."""
    mine, attacker, auction = with_attacker(protocol)
    claim_all(auction)
    chain, mut = mine.chain, auction.mut()
    log = chain.deploy("UsageLog", mine.auction)
    chain.transact(mine.token, "mint", attacker.address, 1000)
    approve = encode_call(mine.token, "approve", log, 1000)
    chain.transact(attacker, "execute", mine.token, 0, approve)

    def close(size: int, end: int) -> bytes:
        period = (size, end, 300, bytes([size]) * 32, bytes(32), bytes(32))
        return encode_call(log, "close", mut, period)

    aimed(mine, attacker, log.address, close(2, chain.time))
    made = chain.transact(attacker, "execute", log, 0, close(1, chain.time - 1))
    assert attempts(mine, attacker)[0] > 0
    assert attempts(mine, attacker)[1] == 0
    assert [event.args["number"] for event in made.events("PeriodClosed")] == [0]
    assert mine.held(attacker.address) >= 700


def test_reentry__into_credit__pays_once(protocol: Protocol) -> None:
    attacker = protocol.chain.deploy("ZooAttacker")
    oracle = protocol.oracle
    protocol.ask("deposit", attacker.address, value=ETHER)
    before = protocol.chain.balance(attacker.address)
    held = protocol.chain.balance(oracle.address)
    half = encode_call(oracle, "withdrawCredit", attacker.address, ETHER // 2)
    aimed(protocol, attacker, oracle.address, half)
    protocol.chain.transact(attacker, "execute", oracle, 0, half)
    # Even what is left of its credit it cannot take from within.
    assert attempts(protocol, attacker) == (1, 0)
    assert protocol.chain.balance(attacker.address) - before == ETHER // 2
    assert held - protocol.chain.balance(oracle.address) == ETHER // 2
    assert protocol.credit(attacker.address) == ETHER // 2


def test_refusing_payer__of_one_bond__stops_only_that_bond(protocol: Protocol) -> None:
    wallet = protocol.chain.deploy("Wallet", MALLORY)
    auction = won_by_two(protocol, wallet)
    protocol.chain.transact(wallet, "refuse", True)
    with reverts("TransferFailed"):
        auction.claim(1)
    auction.claim(1, 7 & ~BOND)
    auction.claim(0)
    protocol.chain.transact(wallet, "refuse", False)
    auction.claim(1, BOND)
    assert protocol.chain.balance(protocol.auction.address) == 0


def test_refusing_challenger_and_buyer__stop_no_scores(protocol: Protocol) -> None:
    """What the oracle owes is credit: nobody's refusal of ether holds up a request."""
    wallet = protocol.chain.deploy("Wallet", MALLORY)
    protocol.chain.set_balance(wallet.address, ETHER)
    protocol.chain.transact(wallet, "refuse", True)
    auction = protocol.lead("challenge", (1,))
    fee = SCORING["appealFeeGwei"] * GWEI
    call = encode_call(protocol.oracle, "challenge", protocol.auction, auction.id)
    protocol.chain.transact(wallet, "execute", protocol.oracle, fee, call)
    auction.go("reveal").ask("resolve")
    auction.reveal(0)
    assert protocol.credit(wallet.address) == fee


def test_starved_claim__at_every_allowance_of_gas__is_whole_or_nothing(protocol: Protocol) -> None:
    mine, _, auction = with_attacker(protocol)
    entry = auction.entries[1]
    args = (auction.id, entry.place, 7)
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
                    == model(auction).mut[1]
                )
    assert whole


def test_forced_ether_and_tokens__sent_straight_in__change_nothing(protocol: Protocol) -> None:
    auction = protocol.create(budget=100, bounty=10)
    for contract in (protocol.auction, protocol.oracle, protocol.exchange):
        with reverts(""):
            protocol.chain.send(contract.address, 1)
        has = protocol.chain.balance(contract.address)
        protocol.chain.set_balance(contract.address, has + ETHER)
    protocol.chain.transact(protocol.token, "mint", protocol.auction.address, 12345)
    auction.commit(1)
    claim_all(auction.to("claim"))
    assert protocol.chain.balance(protocol.auction.address) == ETHER
    assert protocol.held(protocol.auction.address) == 12345
    assert protocol.held(auction.entries[0].owner) == 100


def test_two_auctions__in_one_token__never_touch_each_others_money(protocol: Protocol) -> None:
    two = protocol.create(budget=777, bounty=9, durations={"commit": 3_000})
    one = protocol.lead("claim", [1, 2], budget=100, pool=50, rho=PPB // 2, bounty=5)
    two.commit(3)
    claim_all(one)
    dust = protocol.held(protocol.auction.address) - 777
    assert 0 <= dust <= 2
    fee = SCORING["feeGwei"] * GWEI
    assert protocol.chain.balance(protocol.auction.address) == 9 + fee + two.deposit
    two.go("fetch")
    protocol.do("abort", two.id)
    two.reclaim(0)
    two.withdraw_refund()
    assert protocol.held(protocol.auction.address) == dust
    assert protocol.chain.balance(protocol.auction.address) == 0


def test_strike_outs__on_every_ground__burn_bonds_and_return_the_cash(protocol: Protocol) -> None:
    auction = protocol.create(budget=900, pool=900, rho=PPB // 2)
    for cost in (1, 2, 3, 4, 5, 6):
        auction.commit(cost)
    auction.to("reveal")
    for index in range(5):
        auction.reveal(index)
    burned = protocol.chain.balance(BURN)
    settled = auction.go("settle").settle().event("Settled").args["outcome"]
    assert settled.unrevealed == 1
    outcome = model(auction)
    auction.go("fetch").name_missing(1)
    auction.go("fetch_verdict").verdict(1, UNAVAILABLE, (0, 2))
    auction.go("deliver").deliver(0)
    garbage = auction.delivery(2, b"\1" * 32)
    auction.deliver(2, garbage)
    auction.deliver(3)
    auction.go("dispute").refute(2, garbage)
    protocol.do("forfeit", auction.id, 4, sender=MALLORY)
    auction.complain(3)
    auction.go("dispute_verdict").verdict(3, UNREADABLE, (1, 2))
    assert protocol.chain.balance(BURN) - burned == 5 * auction.bond
    auction.go("claim")
    for index in range(1, 5):
        with reverts("NothingToClaim"):
            auction.claim(index)
    auction.claim(0)
    before = protocol.held(BUYER.address)
    auction.withdraw_refund()
    returned = sum(outcome.cash[index] for index in range(1, 5))
    assert protocol.held(BUYER.address) - before == settled.refund + returned
    assert protocol.held(protocol.auction.address) <= 5
    assert protocol.chain.balance(protocol.auction.address) == 0


def test_phases_out_of_order__anything_early_or_late__is_refused(protocol: Protocol) -> None:
    auction = protocol.create(budget=100)
    entry = auction.commit(1)
    steps: dict[str, Callable[[], object]] = {
        "open": lambda: auction.open(0),
        "roll": lambda: auction.call_roll(0),
        "tally": lambda: auction.tally([]),
        "vector": lambda: auction.commit_vector(auction.report(0, [])),
        "challenge": lambda: auction.ask("challenge", value=SCORING["appealFeeGwei"] * GWEI),
        "resolve": lambda: auction.ask("resolve"),
        "accept": lambda: protocol.do("acceptScores", auction.id),
        "reveal": lambda: auction.reveal(0),
        "settle": lambda: protocol.do("settle", auction.id, (NONE,) * 3, 9),
        "missing": lambda: auction.name_missing(0),
        "deliver": lambda: auction.deliver(0),
        "refute": lambda: auction.refute(0, auction.delivery(0, b"\1" * 32)),
        "complain": lambda: auction.complain(0),
        "claim": lambda: auction.claim(0),
        "forfeit": lambda: auction.forfeit(0),
        "reclaim": lambda: auction.reclaim(0),
        "abort": lambda: protocol.do("abort", auction.id),
        "refund": auction.withdraw_refund,
        "bounty": lambda: protocol.do("claimBounty", auction.id),
    }
    paid = {"refund"}  # At any time after the settlement.
    when: dict[str, set[str]] = {
        "commit": set(),
        "draw": set(),
        "open": {"open"},
        "roll": {"roll"},
        "reveal": {"reveal", "accept"},
        "settle": {"settle"},
        "fetch": {"missing", *paid},
        "deliver": {"deliver", *paid},
        "dispute": {"refute", "complain", *paid},
        "claim": {"claim", *paid},
    }
    for phase, allowed in when.items():
        auction.to(phase)
        for name in steps.keys() - allowed:
            with pytest.raises(Reverted):
                steps[name]()
        if phase != "commit":
            args = (auction.id, entry.sealed, entry.data_set, auction.terms["agreement"])
            with reverts("OutOfPhase"):
                protocol.do("commit", *args, value=auction.deposit)
            with reverts("OutOfPhase"):
                auction.withdraw(0)
    auction.claim(0)


@pytest.mark.parametrize("call", ["settle", "bounty", "buyer"])
def test_reentry__from_the_bounty_of_who_settles_alone__fails_and_pays_once(
    protocol: Protocol, call: str
) -> None:
    attacker = protocol.chain.deploy("ZooAttacker")
    auction = protocol.lead("settle", [1, 2], bounty=1000)
    right = auction.proposal()
    contract = protocol.auction
    settle = encode_call(contract, "settle", auction.id, right, 9)
    inner = {
        "settle": settle,
        "bounty": encode_call(contract, "claimBounty", auction.id),
        "buyer": encode_call(contract, "withdrawRefund", auction.id, attacker.address),
    }[call]
    aimed(protocol, attacker, protocol.auction.address, inner)
    protocol.chain.transact(attacker, "execute", protocol.auction, 0, settle)
    assert attempts(protocol, attacker) == (1, 0)
    assert protocol.chain.balance(attacker.address) == 1000
    with reverts("NothingToClaim"):
        execute = (protocol.auction, 0, encode_call(contract, "claimBounty", auction.id))
        protocol.chain.transact(attacker, "execute", *execute)


def test_settler__that_refuses_ether__can_still_settle_in_two_calls(protocol: Protocol) -> None:
    wallet = protocol.chain.deploy("Wallet", MALLORY)
    protocol.chain.transact(wallet, "refuse", True)
    auction = protocol.lead("settle", [1, 2], bounty=1000)
    right = auction.proposal()
    with reverts("TransferFailed", wallet.address, 1000):
        protocol.through(wallet, "settle", auction.id, right, 9)
    protocol.through(wallet, "settle", auction.id, right, 1)
    protocol.through(wallet, "settle", auction.id, right, 1).event("Settled")
    with reverts("TransferFailed", wallet.address, 1000):
        protocol.through(wallet, "claimBounty", auction.id)


def test_strangers__asking_for_the_buyers_or_settlers_part__get_nothing(protocol: Protocol) -> None:
    auction = protocol.lead("settle", [1], bounty=5)
    auction.settle()
    with reverts("NotTheBuyer"):
        auction.withdraw_refund(MALLORY, MALLORY)
    with reverts("NothingToClaim"):
        protocol.do("claimBounty", auction.id, sender=MALLORY)
    with reverts("NotTheAuction"):
        token = protocol.chain.at("MutToken", protocol.view("MUT_IMPLEMENTATION"))
        protocol.chain.transact(token, "mint", MALLORY, 1, sender=MALLORY)


def test_buyer__withdrawing_again__gets_nothing_more(protocol: Protocol) -> None:
    other = protocol.create(budget=500, bounty=7, durations={"commit": 3_000})
    auction = protocol.lead("claim", [1, 2, 90], budget=100, pool=100, rho=PPB // 2, bounty=5)
    mut = auction.mut()

    def has() -> tuple[int, ...]:
        address = BUYER.address
        tokens = protocol.held(address), protocol.chain.call(mut, "balanceOf", address)
        return *tokens, protocol.chain.balance(address)

    auction.withdraw_refund()
    had = has()
    auction.withdraw_refund()  # There would be something to take: the other auction's.
    assert has() == had
    other.go("fetch")
    protocol.do("abort", other.id)
    for expected in (7 + SCORING["feeGwei"] * GWEI, 0):
        native = protocol.chain.balance(BUYER.address)
        other.withdraw_refund()
        assert protocol.chain.balance(BUYER.address) - native == expected
