"""The replay of auctions in which everything happens, and of the same with one thing changed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from eth_utils.address import to_checksum_address

from oracles.audit import Block, replay
from oracles.audit.records import Log
from oracles.audit.replay import Replay, follow
from oracles.audit.report import page
from oracles.audit.summary import summarise
from oracles.chain.deployment import Deployed, Deployment
from oracles.chain.events import decode_log, topic_of
from oracles.errors import InputError
from scripts.build import ROOT
from tests.audit.mutations import MUTATIONS, Mutation, changed_arguments, found_by, table
from tests.audit.stories import BROKEN, GONE, WRONG, everything
from tests.audit.stories import SILENT as SILENT_BID
from tests.support.auction import REFUTED, UNAVAILABLE, UNREADABLE

if TYPE_CHECKING:
    from tests.audit.recorder import Story

#: Events of which one log can be left out unnoticed: nothing came of it.
SILENT = {
    "Approval",
    "Challenged",  # the last one, which nobody decided yet: the oracle then holds too much
    "Complained",  # no verdict followed
    "Delivered",  # struck out by a verdict, which needs no delivery
    "Opened",  # a second one, or one off the roll
    "OperatorRegistered",  # with the same key again
    "RefundWithdrawn",  # of nothing
    "RollCalled",  # of a roll that failed all the same
    "Transfer",  # of tokens that nobody moved afterwards
    "VectorAnnounced",
    "Walked",  # of a proposal that was not accepted
    "Withdrawn",  # before an abort, which frees every bond
}
#: Arguments that no other log repeats; storage or the files behind them show them.
UNCHECKED = {
    "Approval.owner",
    "Approval.spender",
    "Approval.value",
    "AuctionCreated.terms.agreement",
    "AuctionCreated.terms.dst.cap",
    "AuctionCreated.terms.maxBids",
    "AuctionCreated.terms.scoring.evaluation",
    "AuctionCreated.terms.scoring.samples",
    *(
        f"AuctionCreated.terms.durations.{phase}"
        for phase in ("reveal", "settle", "fetch", "deliver", "dispute")
    ),
    # A smallest step, which changes no weight.
    "AuctionCreated.terms.scoring.qMin",
    "AuctionCreated.terms.weights.kappa",
    "Committed.dataSet.contentDigest",
    "Committed.dataSet.keyCommitment",
    "Committed.dataSet.manifest",
    "Committed.dataSet.size",
    "Committed.payer",
    "Complained.complaint",
    # Of a deposit: the contract then holds more than it must, and anybody may have sent that.
    "CreditAdded.amount",
    "CreditWithdrawn.to",
    "Delivered.delivery.wrapped",
    "DueAdded.account",
    "Opened.index",
    "Opened.opening",
    # Enough others attest the same.
    "RollCalled.bitmap",
    "SetProposed.creator",
    "VectorAnnounced.location",
    "Walked.proposal",
    "Walked.settler",
}


@pytest.fixture(scope="module")
def story() -> Story:
    return everything()


def test_replay__of_everything__finds_nothing(story: Story) -> None:
    state = replay(story)
    assert state.findings() == []
    auctions = state.auctions.auctions
    assert [each.state for each in auctions.values()] == [
        "settled",
        "settled",
        "aborted",
        "settled",
        "aborted",
        "aborted",
        "aborted",
        "settled",
        "settled",
        "open",
    ]
    first = auctions[1]
    assert first.settlement is not None
    assert first.settlement.split
    grounds = {bid.index: bid.out for bid in first.bids if bid.out is not None}
    assert grounds == {GONE: UNAVAILABLE, SILENT_BID: 0, WRONG: REFUTED, BROKEN: UNREADABLE}
    offences = Counter(each.offence for each in state.oracle.stakes.slashes)
    assert offences == {"missing": 4, "deviation": 1, "contradiction": 1}
    assert [feed.standing for feed in state.oracle.feeds.values()] == [1, 2, 1, 1, 0, 0, 0, 1, 0, 0]
    assert first.mut is not None
    assert first.mut.revenue == 5_110
    assert first.dst is not None
    assert len(first.dst.claimed) == 3


def test_replay__of_everything__accounts_for_every_wei(story: Story) -> None:
    """Nobody forced ether into the contracts, so what they hold is what the logs say."""
    state = replay(story)
    context = state.auctions.context
    for token, holder, amount in story.header.balances:
        held = context.cash.held(token, holder) if token else context.ledger.held[holder]
        assert amount == held
    assert context.ledger.burned > 0


def test_replay__without_ether_that_must_be_there__says_so(story: Story) -> None:
    poorer = tuple(each._replace(amount=each.amount - 1) for each in story.header.balances)
    state = Replay.start(replace(story.header, balances=poorer))
    follow(state, story.kept, lambda _: None)
    found = Counter(each.check for each in state.findings())
    assert found == {"ledger.ether_balance": 2, "ledger.token_balance": 1}


@pytest.mark.parametrize("wrong", ["early", "late", "unknown"])
def test_replay__of_samples_from_another_block__says_so(story: Story, wrong: str) -> None:
    draws = {
        number: draw._replace(time=5) if wrong == "early" else draw._replace(before=2**40)
        for number, draw in story.header.draws.items()
        if wrong != "unknown"
    }
    state = Replay.start(replace(story.header, draws=draws))
    follow(state, story.kept, lambda _: None)
    # The enrolment samples nothing.
    assert Counter(each.check for each in state.findings()) == {"draw.block": 9}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.what)
def test_replay__of_one_change__names_it(mutation: Mutation, story: Story) -> None:
    assert mutation.check in found_by(mutation, story)


def test_mutations__table__is_the_one_in_the_docs() -> None:
    assert len(MUTATIONS) >= 40
    assert table() in (ROOT / "docs" / "auditors.md").read_text()


@pytest.mark.slow
def test_replay__of_any_missing_log__never_crashes_and_finds_most(story: Story) -> None:
    unfound = set()
    for at, record in enumerate(story.kept):
        if isinstance(record, Block):
            continue
        state = Replay.start(story.header)
        follow(state, [*story.kept[:at], *story.kept[at + 1 :]], lambda _: None)
        if state.checks.passed:
            event = decode_log(record.address, record.topics, record.data)
            assert event is not None
            unfound.add(event.name)
    assert unfound == SILENT


@pytest.mark.slow
def test_replay__of_any_changed_argument__never_crashes_and_finds_most(story: Story) -> None:
    """The first log of each kind, one argument after the other."""
    unfound = set()
    for argument, records in changed_arguments(story.kept):
        state = Replay.start(story.header)
        follow(state, records, lambda _: None)
        if state.checks.passed:
            unfound.add(argument)
    assert unfound == UNCHECKED


def test_findings__of_one_auction__leave_the_others_out(story: Story) -> None:
    change = next(each for each in MUTATIONS if each.what == "cash of who is struck out")
    state = Replay.start(story.header)
    follow(state, change.apply(story.kept), lambda _: None)
    assert {finding.check for finding in state.findings(1)} == {"strike.cash"}
    assert state.findings(2) == []
    assert summarise(state, 2)["passed"]
    assert not summarise(state)["passed"]


def test_replay__of_nothing__does_not_pass(story: Story) -> None:
    state = Replay.start(replace(story.header, auctions=0))
    follow(state, [], lambda _: None)
    (finding,) = state.findings()
    assert finding.check == "chain.auctions"
    assert story.header.deployment.address("DataAuction") in finding.expected
    assert str(story.header.to_block) in finding.where


@pytest.mark.parametrize("counted", [9, 11])
def test_replay__of_more_or_fewer_auctions_than_the_contract_has__is_a_finding(
    story: Story, counted: int
) -> None:
    state = Replay.start(replace(story.header, auctions=counted))
    follow(state, story.kept, lambda _: None)
    assert [each.check for each in state.findings()] == ["chain.auctions"]


def test_replay__where_nobody_counted__passes(story: Story) -> None:
    state = Replay.start(replace(story.header, auctions=None))
    follow(state, story.kept, lambda _: None)
    assert state.checks.passed


def test_gate__of_the_deployment__may_say_what_was_proved_and_nobody_else_may(
    story: Story,
) -> None:
    gate, other = (to_checksum_address(bytes(19) + bytes([n])) for n in (1, 2))
    contracts = story.header.deployment.contracts | {"ThresholdGate": Deployed(gate, (), "0x")}
    deployment = replace(story.header.deployment, contracts=contracts)
    topics = (bytes.fromhex(topic_of("ThresholdsProved")[2:]), bytes(32), bytes(32))
    for address, finds in ((gate, []), (other, ["log.known"])):
        state = Replay.start(replace(story.header, deployment=deployment))
        said = Log(address, topics, bytes(4 * 32), bytes(32), 1 << 30)
        follow(state, [*story.records(), said], lambda _: None)
        assert [each.check for each in state.findings()] == finds


def test_made__of_one_auction__leaves_the_others_out(story: Story) -> None:
    state = replay(story)
    assert state.made(1)["auction.id"] == state.made(9)["auction.id"] == 1
    assert state.made()["auction.id"] == 10
    assert state.made(1)["bid.index"] == 12
    assert state.made(9)["bid.index"] == 0
    assert state.made(9)["log.order"] == state.made()["log.order"]
    assert (
        sum(state.events.values())
        == state.followed()
        == len([each for each in story.kept if not isinstance(each, Block)])
    )
    shared = state.events[None]
    assert (
        sum(state.followed(number) - shared for number in range(1, 11)) + shared == state.followed()
    )


def test_replay__another_chain_id__is_a_finding(story: Story) -> None:
    header = replace(story.header, chain_id=5)
    assert [each.check for each in Replay.start(header).findings()] == ["chain.id"]


def test_replay__deployment_without_arguments__is_refused(story: Story) -> None:
    bare = Deployment(
        story.header.deployment.chain_id,
        0,
        {name: Deployed(each.address, (), "0x") for name, each in _contracts(story).items()},
    )
    with pytest.raises(InputError, match="incomplete"):
        Replay.start(replace(story.header, deployment=bare))


def _contracts(story: Story) -> dict[str, Deployed]:
    return story.header.deployment.contracts


def test_page__of_everything__needs_no_network(story: Story) -> None:
    html = page(replay(story))
    assert html.count("<h2") == 12
    assert "<script" not in html
    assert "src=" not in html
    assert "href=" not in html
    assert "http" not in html.replace("http-equiv", "")
    assert "overspends" in html


def test_page__of_everything__names_contracts_block_and_currency(story: Story) -> None:
    html = page(replay(story))
    head = html.partition("<h2")[0]
    for contract in story.header.deployment.contracts.values():
        assert contract.address in head
    assert f"0 to {story.header.to_block:,}" in head
    assert "0x" + story.header.to_hash.hex() in head
    assert "10 in the logs; the contract counts 10" in head
    assert "USDC, 6 decimals" in head
    assert "<td>1 USDC</td>" in html  # the budget of 1,000,000 units
    for symbol in ("q", "φ", "ψ", "β", "ρ"):
        assert f"<dt>{symbol}</dt>" in head


def test_page__of_bids_that_took_no_part__says_why(story: Story) -> None:
    html = page(replay(story), 1)
    assert "cost is above β" in html
    assert "not eligible: φ is 0" in html
    for fate in ("withdrawn", "not revealed", "unavailable", "silent", "refuted", "unreadable"):
        assert fate in html


def test_page__pictures__are_drawn_for_desk_and_telephone(story: Story) -> None:
    html = page(replay(story), 1)
    assert html.count('viewBox="0 0 360') == html.count('viewBox="0 0 960') - 1  # the timeline


def test_page__without_currency__counts_units(story: Story) -> None:
    bare = Replay.start(replace(story.header, currencies={}))
    follow(bare, story.kept, lambda _: None)
    assert "<td>1,000,000 units</td>" in page(bare, 1)


def test_page__of_a_change__shows_the_finding(story: Story) -> None:
    change = next(each for each in MUTATIONS if each.what == "one unit of cash too much")
    state = Replay.start(story.header)
    follow(state, change.apply(story.kept), lambda _: None)
    html = page(state, 1)
    assert "reward.cash" in html.partition("Timeline")[0]
    assert "Auction 2" not in html
