"""Provider and buyer against a real node: everything between two people and the contracts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from oracles.chain.auction import State
from oracles.chain.codec import DstTerms
from oracles.chain.tokens import Dst, Mut
from oracles.dataset import Binding, EncryptionKey, read_documents
from oracles.dataset.manifest import Manifest
from oracles.errors import ChainError, IntegrityError
from oracles.evidence import Cid, read
from oracles.market.book import BidBook
from oracles.market.buyer import Buyer
from oracles.market.provider import data_set
from oracles.market.shares import issue_dst
from oracles.market.view import operator_keys, wins
from tests.support.market import COSTS, ETHER, SCORES, UNIT, Market, signer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.anvil import Anvil


@pytest.fixture
def market(anvil: Anvil, tmp_path: Path) -> Market:
    return Market(anvil, tmp_path)


def test_auction__from_commitment_to_revenue__everybody_gets_what_is_due(market: Market) -> None:
    buyer, key = Buyer(market.sender("buyer"), market.deployment), EncryptionKey.generate()
    auction = buyer.create(market.terms(), key, bounty=ETHER)
    contract = market.deployment.auction(market.web3)
    phases = contract.phases(auction)
    providers = {name: market.provider(name) for name in COSTS}
    for name, cost in COSTS.items():
        provider = providers[name]
        record = provider.commit(provider.prepare(auction, market.data(name), cost)).record
        assert record.index == list(COSTS).index(name)
    market.score(auction, SCORES)
    market.jump(phases.reveal_start)
    for provider in providers.values():
        assert len(provider.bids(auction).reveal()) == 1
        assert provider.bids(auction).reveal() == []  # nothing left to do
    market.jump(phases.reveal_end)
    market.settler().settle(auction)
    view = buyer.view(auction)
    assert [wins(view, index) for index in range(3)] == [True, True, False]

    for name in ("cheap", "fair"):
        assert len(providers[name].bids(auction).deliver()) == 1
    assert providers["dear"].bids(auction).deliver() == []
    received = list(buyer.receive(auction, key, market.store, market.folder / "received"))
    assert [each.documents for each in received] == [5, 5]
    documents = list(read_documents(received[0].path))
    assert [document.text for document in documents] == [f"cheap says {i}" for i in range(5)]

    market.jump(phases.verdict_end)
    for provider in providers.values():
        provider.bids(auction).claim()
    with pytest.raises(ChainError, match="NothingToClaim"):
        providers["cheap"].bids(auction).claim()
    assert view.settled is not None
    outcome = view.settled.outcome
    paid = [market.token.balance_of(signer(name).address) for name in COSTS]
    weights = [view.revealed[index].weight for index in range(3)]
    rewards = [outcome.num * weight // outcome.den for weight in weights]
    assert paid == [rewards[0] * 3 // 4, rewards[1] * 3 // 4, 0]
    assert min(rewards[:2]) >= COSTS["cheap"]
    assert rewards[1] >= COSTS["fair"]

    refund = buyer.withdraw(auction)
    assert refund["amount"] == outcome.refund
    mut = Mut(market.web3, contract.mut_token(auction))
    faces = [mut.balance_of(signer(name).address) for name in COSTS]
    assert faces == [rewards[0] - paid[0], rewards[1] - paid[1], 0]
    buyer.deposit_revenue(auction, 80 * UNIT)
    due = mut.revenue_of(signer("cheap").address)
    assert due == 80 * UNIT * faces[0] // mut.total_supply()
    market.sender("fair").send(mut.claim_for(signer("cheap").address))  # anyone may
    assert market.token.balance_of(signer("cheap").address) == paid[0] + due

    shares = issue_dst(market.sender("anyone"), market.deployment, auction)
    dst = Dst(market.web3, market.deployment.dst_factory(market.web3).token_of(auction))
    assert sum(shares.values()) == dst.total_supply() == 100_000 * ETHER
    assert {index: dst.share_of(index) for index in shares} == shares
    with pytest.raises(ChainError, match="NothingToClaim"):  # Came with the settlement.
        market.settler().bounty(auction)


def test_book__index_lost_after_commitment__found_again_in_the_logs(market: Market) -> None:
    buyer = Buyer(market.sender("buyer"), market.deployment)
    auction = buyer.create(market.terms(), EncryptionKey.generate())
    provider, book = market.provider("cheap"), BidBook(market.folder / "cheap" / "bids")
    record = provider.commit(provider.prepare(auction, market.data("cheap"), UNIT)).record
    book.save(replace(record, index=None))  # as if killed before the receipt came
    assert provider.bids(auction).placed == (record,)
    assert book.records(record.contract, auction) == [record]
    (done,) = provider.bids(auction).withdraw()
    assert (done.index, done.bond) == (0, 10_000_000 * 10**9)
    with pytest.raises(ChainError, match="has no bid"):
        provider.bids(auction).withdraw()


def test_manifest__published__opens_for_each_operator_and_nobody_else(market: Market) -> None:
    buyer = Buyer(market.sender("buyer"), market.deployment)
    auction = buyer.create(market.terms(), EncryptionKey.generate())
    provider = market.provider("cheap")
    prepared = provider.prepare(auction, market.data("cheap"), UNIT)
    cid = Cid.from_digest(data_set(prepared.record).cid, 1)
    assert str(cid) == prepared.record.cid
    manifest = Manifest.decode(read(market.store, cid, limit=1 << 18))
    address = market.deployment.address("DataAuction")
    binding = Binding(market.web3.eth.chain_id, address, auction, signer("cheap").address)
    published = operator_keys(market.web3, market.deployment, 1)
    for name, key in market.keys.items():
        assert published[signer(name).address] == key.public
        assert manifest.unwrap(signer(name).address, key, binding) == prepared.record.data_key
    with pytest.raises(IntegrityError, match="holds no key"):
        manifest.unwrap(signer("stranger").address, EncryptionKey.generate(), binding)
    with pytest.raises(IntegrityError, match="does not open"):
        manifest.unwrap(signer("a").address, market.keys["b"], binding)


def test_abort__no_scores__bonds_and_budget_return(market: Market) -> None:
    buyer = Buyer(market.sender("buyer"), market.deployment)
    before = market.token.balance_of(signer("buyer").address)
    auction = buyer.create(market.terms(), EncryptionKey.generate())
    provider = market.provider("cheap")
    provider.commit(provider.prepare(auction, market.data("cheap"), UNIT))
    contract = market.deployment.auction(market.web3)
    consumer = market.deployment.address("DataAuction")
    with pytest.raises(ChainError, match="ScoresStanding"):
        market.sender("cheap").send(contract.abort(auction))
    market.jump(market.oracle.windows(consumer, auction, 1).end)
    market.sender("cheap").send(contract.abort(auction))
    assert contract.phases(auction).state is State.ABORTED
    balance = market.web3.eth.get_balance(market.deployment.address("DataAuction"))  # type: ignore[arg-type]
    assert balance == 10_000_000 * 10**9
    provider.bids(auction).claim()
    buyer.withdraw(auction)
    assert market.token.balance_of(signer("buyer").address) == before
    assert market.web3.eth.get_balance(market.deployment.address("DataAuction")) == 0  # type: ignore[arg-type]


def test_enrolment__no_bids__pool_shared_by_weight(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    buyer = Buyer(market.sender("buyer"), market.deployment)
    terms = market.terms(enrolment=True, rho=0, budget=0, dst=DstTerms())
    auction = buyer.create(terms, EncryptionKey.generate(), bounty=ETHER)
    phases = market.deployment.auction(market.web3).phases(auction)
    providers = [market.provider(name) for name in COSTS]
    for name, provider in zip(COSTS, providers, strict=True):
        provider.commit(provider.prepare(auction, market.data(name), 123))
    market.score(auction, SCORES)
    market.jump(phases.reveal_start)
    for provider in providers:
        provider.bids(auction).reveal()
    market.jump(phases.reveal_end)
    monkeypatch.setattr("oracles.market.settler.WALK", 2)  # Two transactions for three bids.
    market.settler().settle(auction)
    assert market.settler().bounty(auction) == ETHER
    view = buyer.view(auction)
    for provider in providers:
        provider.bids(auction).deliver()
    market.jump(phases.verdict_end)
    for provider in providers:
        provider.bids(auction).claim()
    mut = Mut(market.web3, market.deployment.auction(market.web3).mut_token(auction))
    total = sum(bid.weight for bid in view.revealed.values())
    for index, name in enumerate(COSTS):
        share = 200 * UNIT * view.revealed[index].weight // total
        assert mut.balance_of(signer(name).address) == share


def test_relay__signed_commitment__bond_is_the_relayers(market: Market) -> None:
    buyer = Buyer(market.sender("buyer"), market.deployment)
    auction = buyer.create(market.terms(), EncryptionKey.generate())
    provider, relayer = market.provider("cheap"), market.sender("relayer")
    prepared = provider.prepare(auction, market.data("cheap"), UNIT)
    deadline = market.web3.eth.get_block("latest")["timestamp"] + 500
    signature = provider.sign_commitment(prepared, relayer.address, deadline)
    contract = market.deployment.auction(market.web3)
    call = contract.commit_for(
        auction,
        prepared.record.sealed_bid,
        data_set(prepared.record),
        signer("cheap").address,
        deadline,
        signature,
    )
    with pytest.raises(ChainError, match="SignatureInvalid"):
        market.sender("thief").send(call, value=10_000_000 * 10**9)
    relayer.send(call, value=10_000_000 * 10**9)
    (record,) = provider.bids(auction).placed
    assert (record.index, record.payer) == (0, relayer.address)
    held = market.web3.eth.get_balance(relayer.address)  # type: ignore[arg-type]
    provider.bids(auction).withdraw()
    assert market.web3.eth.get_balance(relayer.address) == held + 10_000_000 * 10**9  # type: ignore[arg-type]
