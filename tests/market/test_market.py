"""Provider and buyer against a real node: everything between two people and the contracts."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from oracles.chain.auction import State
from oracles.chain.signers import LocalSigner
from oracles.chain.state import load_auction
from oracles.chain.terms import DstTerms
from oracles.chain.tokens import Dst, Mut
from oracles.chain.typed_data import delivery_message
from oracles.chain.typed_events import Delivery
from oracles.dataset import (
    Binding,
    DeliveryContext,
    EncryptionKey,
    Manifest,
    read_documents,
    wrap_delivery,
)
from oracles.errors import ChainError, ConfigError, InputError, IntegrityError
from oracles.evidence import Cid, DirectoryStore, read
from oracles.market.book import BidBook
from oracles.market.buyer import Buyer
from oracles.market.schedule import next_step
from oracles.market.shares import issue_dst
from oracles.market.standing import standing
from oracles.market.view import member_keys, wins
from tests.support.market import (
    BOND,
    COSTS,
    DURATIONS,
    ENTRY_FEE,
    ETHER,
    FEE,
    SCORES,
    UNIT,
    Market,
    signer,
)

if TYPE_CHECKING:
    from oracles.chain.packing import Score


@pytest.fixture
def buyer(market: Market) -> Buyer:
    return Buyer(market.sender("buyer"), market.deployment)


@pytest.fixture
def key() -> EncryptionKey:
    return EncryptionKey.generate()


def commit(market: Market, auction: int, *names: str) -> None:
    for name in names:
        provider = market.provider(name)
        provider.commit(provider.prepare(auction, market.data(name), COSTS[name]))


def settle(market: Market, auction: int, *names: str, scores: list[Score] = SCORES) -> None:
    """Everything from the commitments to the settlement."""
    commit(market, auction, *names)
    market.open(auction, *names)
    market.score(auction, scores[: len(names)])
    _, phases = market.deployment.auction(market.web3).phases(auction)
    market.jump(phases.reveal_start)
    for name in names:
        market.provider(name).bids(auction).reveal()
    market.jump(phases.reveal_end)
    market.settler().settle(auction)


def balance(market: Market) -> int:
    return market.web3.eth.get_balance(market.deployment.address("DataAuction"))


def test_auction__from_commitment_to_revenue__everybody_gets_what_is_due(
    market: Market, buyer: Buyer, key: EncryptionKey
) -> None:
    auction = buyer.create(market.terms(), key, bounty=ETHER)
    contract = market.deployment.auction(market.web3)
    _, phases = contract.phases(auction)
    providers = {name: market.provider(name) for name in COSTS}
    for name, cost in COSTS.items():
        provider = providers[name]
        record = provider.commit(provider.prepare(auction, market.data(name), cost)).record
        assert record.index == list(COSTS).index(name)
    market.open(auction, *COSTS)
    market.score(auction, SCORES)
    market.jump(phases.reveal_start)
    for provider in providers.values():
        assert len(provider.bids(auction).reveal()) == 1
        assert provider.bids(auction).reveal() == []  # nothing left to do
    market.jump(phases.reveal_end)
    market.settler().settle(auction)
    view = buyer.view(auction)
    assert [wins(view, index) for index in range(3)] == [True, True, False]

    received = market.folder / "received"
    early = list(buyer.receive(auction, key, market.store, received))
    assert [(each.path, each.problem) for each in early] == [(None, "")] * 2  # Only ciphertext.
    market.jump(phases.fetch_end)
    for name in ("cheap", "fair"):
        assert len(providers[name].bids(auction).deliver()) == 1
        assert providers[name].bids(auction).deliver() == []
    assert providers["dear"].bids(auction).deliver() == []
    got = list(buyer.receive(auction, key, market.store, received))
    assert [each.documents for each in got] == [5, 5]
    assert got[0].path is not None
    texts = [document.text for document in read_documents(got[0].path)]
    assert texts == [f"cheap says {i}" for i in range(5)]
    assert [path.stat().st_mode & 0o77 for path in (received, got[0].path)] == [0, 0]

    market.jump(phases.dispute_end)
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
    assert rewards[0] >= COSTS["cheap"]
    assert rewards[1] >= COSTS["fair"]
    for index, score in enumerate(SCORES):
        fate = standing(view, index, score, str)
        assert fate.won is (index < 2)
        assert fate.reward == (rewards[index] if index < 2 else None)

    refund = buyer.withdraw(auction)
    assert refund["cash"] == outcome.refund
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
    assert balance(market) == 0


def test_book__index_lost_after_commitment__found_again_in_the_logs(
    market: Market, buyer: Buyer, key: EncryptionKey
) -> None:
    auction = buyer.create(market.terms(), key)
    provider, book = market.provider("cheap"), BidBook(market.folder / "cheap" / "bids")
    record = provider.commit(provider.prepare(auction, market.data("cheap"), UNIT)).record
    book.save(replace(record, index=None))  # as if killed before the receipt came
    assert provider.bids(auction).placed == (record,)
    assert book.records(record.contract, auction) == [record]


def test_match__a_stranger_copies_the_seal__the_bid_stays_where_its_owner_has_it(
    market: Market, buyer: Buyer, key: EncryptionKey
) -> None:
    auction = buyer.create(market.terms(), key)
    provider, contract = market.provider("cheap"), market.deployment.auction(market.web3)
    prepared = provider.prepare(auction, market.data("cheap"), COSTS["cheap"])
    record = prepared.record
    copy = contract.commit(auction, record.sealed_bid, record.data_set, record.agreement)
    # Before it, out of the pool of waiting transactions; and after it, out of the logs.
    market.sender("thief").send(copy, value=BOND + ENTRY_FEE)
    assert provider.commit(prepared).record.index == 1
    market.sender("thief").send(copy, value=BOND + ENTRY_FEE)
    assert provider.commit(prepared).transaction is None  # Paid for, whatever others commit to.
    assert [each.index for each in provider.bids(auction).placed] == [1]
    market.open(auction, "cheap")
    assert len(market.commitments(auction)[1].opening or b"") == 32
    market.score(auction, [SCORES[0]._replace(present=False), *SCORES[:2]])
    market.jump(contract.phases(auction)[1].reveal_start)
    assert [done.index for done in provider.bids(auction).reveal()] == [1]


def test_match__one_seal_committed_to_twice__both_bids_are_known(
    market: Market, buyer: Buyer, key: EncryptionKey
) -> None:
    auction = buyer.create(market.terms(), key)
    commit(market, auction, "cheap")
    provider, contract = market.provider("cheap"), market.deployment.auction(market.web3)
    (record,) = provider.bids(auction).placed
    again = contract.commit(auction, record.sealed_bid, record.data_set, record.agreement)
    market.sender("cheap").send(again, value=BOND + ENTRY_FEE)
    assert [each.index for each in provider.bids(auction).placed] == [0, 1]


def test_commit__with_a_book_that_was_lost_or_is_an_old_copy__pays_nothing(
    market: Market, buyer: Buyer, key: EncryptionKey
) -> None:
    auction = buyer.create(market.terms(), key)
    commit(market, auction, "cheap")
    book = market.folder / "cheap" / "bids"
    book.rename(market.folder / "cheap" / "elsewhere")
    with pytest.raises(InputError, match=r"has bids \[0\] of .* does not know: restore"):
        market.provider("cheap").prepare(auction, market.data("cheap"), COSTS["cheap"])
    assert not book.exists()
    other = market.provider("cheap", unknown=True)
    data = market.data("fair")
    assert other.commit(other.prepare(auction, data, COSTS["cheap"])).record.index == 1


def test_commit__two_commands_at_once__pay_once(
    market: Market, buyer: Buyer, key: EncryptionKey
) -> None:
    auction = buyer.create(market.terms(), key)
    one, other = market.provider("cheap"), market.provider("cheap")
    prepared = [
        each.prepare(auction, market.data("cheap"), COSTS["cheap"]) for each in (one, other)
    ]
    book = BidBook(market.folder / "cheap" / "bids")
    with book.alone(), pytest.raises(ConfigError, match="another command commits"):
        one.commit(prepared[0])
    first = one.commit(prepared[0])
    second = other.commit(prepared[1])
    assert (second.record.sealed_bid, second.transaction) == (first.record.sealed_bid, None)
    assert len(market.commitments(auction)) == 1


def test_withdraw__before_the_deadline__bond_comes_back_when_commitments_end(
    market: Market, buyer: Buyer, key: EncryptionKey
) -> None:
    auction = buyer.create(market.terms(), key)
    provider = market.provider("cheap")
    commit(market, auction, "cheap")
    assert balance(market) == FEE + BOND + ENTRY_FEE
    (done,) = provider.bids(auction).withdraw()
    assert (done.index, done.bond) == (0, 0)  # Locked: else a place would cost nothing.
    with pytest.raises(ChainError, match="has no bid"):
        provider.bids(auction).withdraw()
    with pytest.raises(ChainError):
        provider.bids(auction).reclaim()
    market.jump(market.deployment.auction(market.web3).phases(auction)[1].commit_end)
    (done,) = provider.bids(auction).reclaim()
    assert done.bond == BOND
    assert provider.bids(auction).reclaim() == []


def test_withdraw__and_committed_again__is_a_new_bid(
    market: Market, buyer: Buyer, key: EncryptionKey
) -> None:
    auction = buyer.create(market.terms(), key)
    provider = market.provider("cheap")
    commit(market, auction, "cheap")
    (first,) = provider.bids(auction).placed
    provider.bids(auction).withdraw()
    commit(market, auction, "cheap")
    (second,) = provider.bids(auction).placed
    assert (first.index, second.index) == (0, 1)
    assert first.sealed_bid != second.sealed_bid


def test_manifest__without_samples__opens_for_each_operator_and_nobody_else(
    market: Market, buyer: Buyer, key: EncryptionKey
) -> None:
    terms = market.terms(scoring=market.scoring(samples=0), durations=replace(DURATIONS, open=0))
    auction = buyer.create(terms, key)
    record = market.provider("cheap").prepare(auction, market.data("cheap"), UNIT).record
    cid = Cid.parse(record.manifest)
    assert record.data_set.manifest == cid.digest
    manifest = Manifest.decode(read(market.store, cid, limit=1 << 18))
    address = market.deployment.address("DataAuction")
    assert manifest.binding == Binding(
        market.web3.eth.chain_id, address, auction, signer("cheap").address
    )
    members = [*member_keys(market.web3, market.deployment, buyer.view(auction)).values()]
    for operator in market.keys.values():
        place = members.index(operator.public)
        assert manifest.unwrap(place, operator, members) == record.data_key
    with pytest.raises(InputError, match="not the one registered"):
        manifest.unwrap(0, EncryptionKey.generate(), members)


def test_manifest__with_samples__holds_no_key(
    market: Market, buyer: Buyer, key: EncryptionKey
) -> None:
    auction = buyer.create(market.terms(), key)
    record = market.provider("cheap").prepare(auction, market.data("cheap"), UNIT).record
    manifest = Manifest.decode(read(market.store, Cid.parse(record.manifest), limit=1 << 18))
    assert manifest.wraps == ()
    members = [*member_keys(market.web3, market.deployment, buyer.view(auction)).values()]
    for place, member in enumerate(members):
        (operator,) = (key for key in market.keys.values() if key.public == member)
        with pytest.raises(IntegrityError):
            manifest.unwrap(place, operator, members)


def test_abort__no_roll__bonds_entry_fees_and_budget_return(
    market: Market, buyer: Buyer, key: EncryptionKey
) -> None:
    before = market.token.balance_of(signer("buyer").address)
    auction = buyer.create(market.terms(), key)
    commit(market, auction, "cheap")
    market.open(auction, "cheap")
    contract = market.deployment.auction(market.web3)
    with pytest.raises(ChainError, match="ScoresStanding"):
        market.settler().abort(auction)
    _, phases = contract.phases(auction)
    market.jump(phases.reveal_start)
    market.settler().abort(auction)
    assert contract.phases(auction)[0] is State.ABORTED
    (done,) = market.provider("cheap").bids(auction).claim()
    assert done.bond == BOND + ENTRY_FEE
    assert market.provider("cheap").bids(auction).claim() == []
    assert buyer.withdraw(auction)["native"] == FEE
    assert market.token.balance_of(signer("buyer").address) == before
    assert balance(market) == 0


def test_enrolment__no_bids__pool_shared_by_weight(
    market: Market, buyer: Buyer, key: EncryptionKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms = market.terms(enrolment=True, rho=0, budget=0, dst=DstTerms())
    auction = buyer.create(terms, key, bounty=ETHER)
    monkeypatch.setattr("oracles.market.settler.WALK", 2)  # Two transactions for three bids.
    settle(market, auction, *COSTS)
    assert market.settler().bounty(auction) == ETHER
    view = buyer.view(auction)
    _, phases = market.deployment.auction(market.web3).phases(auction)
    market.jump(phases.fetch_end)
    for name in COSTS:
        market.provider(name).bids(auction).deliver()
    market.jump(phases.dispute_end)
    for name in COSTS:
        market.provider(name).bids(auction).claim()
    mut = Mut(market.web3, market.deployment.auction(market.web3).mut_token(auction))
    total = sum(bid.weight for bid in view.revealed.values())
    for index, name in enumerate(COSTS):
        share = 200 * UNIT * view.revealed[index].weight // total
        assert mut.balance_of(signer(name).address) == share


def test_relay__signed_commitment__bond_is_the_relayers(
    market: Market, buyer: Buyer, key: EncryptionKey
) -> None:
    auction = buyer.create(market.terms(), key)
    provider, relayer = market.provider("cheap"), market.sender("relayer")
    prepared = provider.prepare(auction, market.data("cheap"), UNIT)
    deadline = market.web3.eth.get_block("latest")["timestamp"] + 500
    signature = provider.sign_commitment(prepared, relayer.address, deadline)
    contract = market.deployment.auction(market.web3)
    call = contract.commit_for(
        auction,
        prepared.record.sealed_bid,
        prepared.record.data_set,
        prepared.record.agreement,
        signer("cheap").address,
        deadline,
        signature,
    )
    due = BOND + ENTRY_FEE
    with pytest.raises(ChainError, match="SignatureInvalid"):
        market.sender("thief").send(call, value=due)
    relayer.send(call, value=due)
    (record,) = provider.bids(auction).placed
    assert (record.index, record.payer) == (0, relayer.address)
    held = market.web3.eth.get_balance(relayer.address)
    provider.bids(auction).withdraw()
    market.jump(contract.phases(auction)[1].commit_end)
    provider.bids(auction).reclaim()
    assert market.web3.eth.get_balance(relayer.address) == held + BOND


# WHAT A PROVIDER REFUSES


def test_prepare__beyond_the_limits__refused_before_anything_is_written(
    market: Market, buyer: Buyer, key: EncryptionKey
) -> None:
    auction, data = buyer.create(market.terms(), key), market.data("cheap")
    for limits, said in (
        ({"bond": BOND - 1}, "--max-bond"),
        ({"window": 1001}, "--min-window"),
        ({"exposed": 0.99}, "--max-exposed"),
    ):
        with pytest.raises(InputError, match=said):
            market.provider("cheap", **limits).prepare(auction, data, UNIT)
    with pytest.raises(InputError, match="--cost"):
        market.provider("cheap").prepare(auction, data, None)
    assert not (market.folder / "cheap" / "bids").exists()


def test_prepare__agreement__must_be_the_auctions_own_text(
    market: Market, buyer: Buyer, key: EncryptionKey
) -> None:
    text = market.folder / "licence.txt"
    text.write_text("You may train on it.\n")
    digest = hashlib.sha256(text.read_bytes()).digest()
    auction, data = buyer.create(market.terms(agreement=digest), key), market.data("cheap")
    provider = market.provider("cheap")
    with pytest.raises(InputError, match="--agreement"):
        provider.prepare(auction, data, UNIT)
    other = market.folder / "other.txt"
    other.write_text("You may not.\n")
    with pytest.raises(InputError, match="is not the contract text"):
        provider.prepare(auction, data, UNIT, agreement=other)
    record = provider.commit(provider.prepare(auction, data, UNIT, agreement=text)).record
    assert record.agreement == digest
    assert buyer.view(auction).terms.agreement == digest


def test_open__too_early_or_twice__refused_or_nothing_to_do(
    market: Market, buyer: Buyer, key: EncryptionKey
) -> None:
    auction = buyer.create(market.terms(), key)
    commit(market, auction, "cheap")
    provider = market.provider("cheap")
    with pytest.raises(ChainError, match="not drawn yet"):
        provider.open(provider.bids(auction))
    market.jump(market.deployment.auction(market.web3).phases(auction)[1].open_start)
    assert next_step(buyer.view(auction), 0, 0).verb == "open"
    (done,) = provider.open(provider.bids(auction))
    assert done.index == 0
    assert provider.open(provider.bids(auction)) == []
    assert next_step(buyer.view(auction), 0, 0).verb == "reveal"


def test_reveal__not_on_the_roll__is_not_sent(
    market: Market, buyer: Buyer, key: EncryptionKey
) -> None:
    auction = buyer.create(market.terms(), key)
    commit(market, auction, "cheap", "fair")
    market.open(auction, "fair")  # The other one forgets.
    absent = SCORES[0]._replace(q=0, phi=0, volume=0, present=False)
    market.score(auction, [absent, SCORES[1]])
    _, phases = market.deployment.auction(market.web3).phases(auction)
    market.jump(phases.reveal_start)
    assert market.provider("cheap").bids(auction).reveal() == []
    assert len(market.provider("fair").bids(auction).reveal()) == 1
    step = next_step(buyer.view(auction), 0, phases.reveal_start)
    assert (step.verb, "bond is lost" in step.why) == ("done", True)


# WHAT A BUYER DOES ABOUT BAD DELIVERY


def deliver(market: Market, auction: int, name: str, key: EncryptionKey, data_key: bytes) -> None:
    """Deliver whatever key, which the client would not do."""
    exchange, sender = market.deployment.exchange(market.web3), market.sender(name)
    (record,) = market.provider(name).bids(auction).placed
    index = record.place.index
    context = DeliveryContext(record.chain_id, record.contract, auction, index)
    sealed = wrap_delivery(data_key, key.public, context)
    x, y = (number.to_bytes(32, "big") for number in sealed.point)
    message = delivery_message(exchange.domain, auction, index, sealed.wrapped, x + y)
    signature = LocalSigner.from_secret(sealed.secret).sign_typed(message)
    given = Delivery(sealed.wrapped, x, y)
    sender.send(exchange.deliver(auction, record.place, given, signature))


def test_receive__wrong_key__is_refuted_in_the_dispute_phase_and_never_paid(
    market: Market, buyer: Buyer, key: EncryptionKey
) -> None:
    auction = buyer.create(market.terms(), key)
    settle(market, auction, "cheap", "fair")
    _, phases = market.deployment.auction(market.web3).phases(auction)
    market.jump(phases.fetch_end)
    deliver(market, auction, "cheap", key, bytes(32))
    market.provider("fair").bids(auction).deliver()
    out = market.folder / "received"
    early = list(buyer.receive(auction, key, market.store, out))
    assert "not yet" in early[0].problem
    assert (early[0].action, early[1].documents) == ("", 5)
    market.jump(phases.deliver_end)
    (silent, _) = buyer.receive(auction, key, market.store, out, dispute=False)
    assert (silent.action, silent.transaction) == ("", b"")
    (wrong, right) = buyer.receive(auction, key, market.store, out)
    assert (wrong.action, wrong.path) == ("refuted", None)
    assert right.documents == 5
    (left,) = buyer.receive(auction, key, market.store, out)  # Struck out: nothing to do about it.
    assert left.index == right.index
    market.jump(phases.dispute_end)
    with pytest.raises(ChainError):
        market.provider("cheap").bids(auction).claim()
    market.provider("fair").bids(auction).claim()
    assert market.token.balance_of(signer("cheap").address) == 0
    assert buyer.withdraw(auction)["cash"] > 0
    assert balance(market) == 0


def test_receive__archive_gone__is_named_on_chain_in_time(
    market: Market, buyer: Buyer, key: EncryptionKey
) -> None:
    auction = buyer.create(market.terms(), key)
    settle(market, auction, "cheap", "fair")
    _, phases = market.deployment.auction(market.web3).phases(auction)
    (record,) = market.provider("cheap").bids(auction).placed
    market.store.path(Cid.parse(record.archive)).unlink()
    market.jump(phases.settle_end)
    got = {e.index: e for e in buyer.receive(auction, key, market.store, market.folder / "in")}
    assert got[0].action == "named missing"
    assert got[1].action == ""
    assert buyer.view(auction).missing == {0}
    step = next_step(buyer.view(auction), 0, phases.settle_end)
    assert "Serve them now" in step.why
    again = {e.index: e for e in buyer.receive(auction, key, market.store, market.folder / "in")}
    assert (again[0].action, bool(again[0].problem)) == ("", True)  # Named once, paid once.


def test_receive__page_that_does_not_open__is_complained_about_once(
    market: Market, buyer: Buyer, key: EncryptionKey
) -> None:
    auction = buyer.create(market.terms(), key)
    settle(market, auction, "cheap")
    view = load_auction(market.web3, market.deployment, auction)
    _, phases = market.deployment.auction(market.web3).phases(auction)
    market.jump(phases.fetch_end)
    market.provider("cheap").bids(auction).deliver()
    out = market.folder / "in"
    (record,) = market.provider("cheap").bids(auction).placed
    # As if the archive had been packed with a page that the key does not open: the store serves
    # other bytes under the name that the provider committed to.
    fetched = DirectoryStore(out / "ciphertext")
    with market.store.open(Cid.parse(record.archive), limit=1 << 30) as source:
        fetched.put(source)
    path = fetched.path(Cid.parse(record.archive))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    market.jump(phases.deliver_end)
    (bad,) = buyer.receive(auction, key, market.store, out)
    assert (bad.action, bad.path) == ("complained", None)
    (again,) = buyer.receive(auction, key, market.store, out)
    assert "complained of already" in again.problem
    assert view.settled is not None
