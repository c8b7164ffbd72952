"""A thief who read the contracts: hostile tokens, deployers, colleagues and relayers."""

from __future__ import annotations

import pytest

from tests.support.auction import BUYER, GWEI, RELAYER, WEEK, Protocol
from tests.support.chain import encode_call, reverts
from tests.support.revm import Revm


def test_token__that_commits_while_its_auction_is_created__cannot_log_before_the_creation(
    protocol: Protocol,
) -> None:
    """Who reads the logs in order must never meet a bid of an auction that it does not know."""
    chain = protocol.chain
    protocol.token = chain.deploy("CallbackToken")
    terms = protocol.terms(bondGwei=0, entryFeeGwei=0)
    chain.transact(protocol.token, "mint", BUYER.address, terms["budget"])
    chain.transact(
        protocol.token, "approve", protocol.auction, terms["budget"], sender=BUYER.address
    )
    data_set = (b"\1" * 32, b"\2" * 32, 1, b"\3" * 32)
    args = (1, b"\4" * 32, data_set, terms["agreement"])
    call = encode_call(protocol.auction, "commit", *args)
    chain.transact(protocol.token, "arm", protocol.auction.address, call)

    value = terms["scoring"]["feeGwei"] * GWEI
    receipt = protocol.do("create", terms, protocol.key(), sender=BUYER.address, value=value)
    logged = [event.name for event in receipt.logs]
    assert logged.index("AuctionCreated") < logged.index("Committed")


@pytest.mark.parametrize(
    ("provider", "operator"),
    [(0, 5), (20, 0), (30 * 86_400 + 1, 5), (20, 15 * 86_400 + 1)],
)
def test_deployment__with_least_windows_of_no_use__is_refused(
    protocol: Protocol, provider: int, operator: int
) -> None:
    with reverts("LeastWindowsInvalid", provider, operator):
        protocol.chain.deploy("DataAuction", protocol.oracle, 12, provider, operator)


def test_withholder__beside_an_operator_that_is_cut_off__cannot_take_its_stake(
    protocol: Protocol,
) -> None:
    """Anybody who has an operator's report publishes it: here a colleague, from its own account."""
    auction = protocol.lead("roll")
    reports = auction.commit_round([])
    silent, cut_off, third = reports
    for report in (cut_off, third):
        auction.ask("publishVector", report.submission(), sender=RELAYER.address)
    auction.go("challenge")
    with reverts("NotSlashable"):
        auction.ask("slashMissing", 1, cut_off.member)
    assert auction.ask("slashMissing", 1, silent.member).events("StakeSlashed")


def test_stake__in_a_set_without_appeal_panel__is_free_a_week_after_its_only_round() -> None:
    """Nobody waits for a second round that cannot come."""
    alone = Protocol(Revm(), appeal=0)
    auction = alone.lead("reveal")
    assert auction.starts()["reveal"] == auction.asked("windows", 1)[3]
    auction.go("reveal", WEEK - 1)
    with reverts("OutOfWindow"):
        auction.ask("releaseStake", 1, 0)
    auction.go("reveal", WEEK)
    assert auction.ask("releaseStake", 1, 0).events("StakeReleased")
