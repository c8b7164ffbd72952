"""A provider and a buyer in JavaScript trade on a test node with the Python side, both ways."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from eth_utils.crypto import keccak

from oracles.chain.signers import LocalSigner
from oracles.chain.typed_data import delivery_message
from oracles.chain.typed_events import Delivery
from oracles.dataset import (
    Complaint,
    DeliveryContext,
    EncryptionKey,
    Manifest,
    WrapContext,
    draw,
    opening_context,
    read_documents,
    read_opening,
    unwrap,
    wrap_delivery,
)
from oracles.evidence import Cid, read
from oracles.market.buyer import Buyer
from oracles.market.view import draw as sample_key
from oracles.market.view import member_keys, wins
from tests.support.market import COSTS, SCORES, UNIT, Market, signer

if TYPE_CHECKING:
    from collections.abc import Callable


SCRIPT = Path(__file__).with_name("life.mjs")
DOCUMENTS = [
    {"text": f"Note {n}: " + "".join(f"{n * 7919 + i:x} " for i in range(4000)), "metadata": {}}
    for n in range(4)
]
PROVIDER = "javascript"


@pytest.fixture
def node(market: Market, tmp_path: Path) -> Callable[..., Any]:
    """Lets the program act for somebody; its files and those of the store are the same."""
    files = tmp_path / "files"
    files.mkdir()

    def act(op: str, who: str, auction: int, **given: object) -> Any:
        market.sender(who)  # Gives it ether.
        for cid in market.store.cids():
            (files / str(cid)).write_bytes(market.store.path(cid).read_bytes())
        known = {*files.iterdir()}
        question = {
            "op": op,
            "url": market.anvil.url,
            "deployment": market.deployment.to_json(),
            "id": auction,
            "account": "0x" + keccak(text=f"market test {who}").hex(),
            "files": str(files),
            "bid": str(tmp_path / f"{who}.json"),
            **given,
        }
        done = subprocess.run(
            ["node", SCRIPT],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.returncode, done.stderr[-3000:]
        for path in {*files.iterdir()} - known:
            assert str(market.store.put(path)) == path.name
        return json.loads(done.stdout)

    return act


def settle(market: Market, auction: int, count: int, reveal: Callable[[], None]) -> None:
    """From the openings to the settlement; every bid is scored alike."""
    market.score(auction, [SCORES[0]] * count)
    _, phases = market.deployment.auction(market.web3).phases(auction)
    market.jump(phases.reveal_start)
    reveal()
    market.jump(phases.reveal_end)
    market.settler().settle(auction)
    market.jump(phases.fetch_end)


def test_provider_of_javascript__from_the_commitment_to_the_claim__is_paid_by_a_python_buyer(
    market: Market, node: Callable[..., Any]
) -> None:
    buyer, key = Buyer(market.sender("buyer"), market.deployment), EncryptionKey.generate()
    auction = buyer.create(market.terms(), key)
    _, phases = market.deployment.auction(market.web3).phases(auction)
    committed = node("commit", PROVIDER, auction, documents=DOCUMENTS, cost=50 * UNIT)
    assert committed == {"index": 0}
    market.jump(phases.open_start)
    opened = node("open", PROVIDER, auction)
    assert len(opened["drawn"]) == market.terms().scoring.samples

    view = buyer.view(auction)
    manifest_cid = Cid.from_digest(view.commitments[0].data_set.manifest, 1)
    manifest = Manifest.decode(read(market.store, manifest_cid, limit=1 << 18))
    assert view.opened == {0}
    assert opened["drawn"] == draw(
        sample_key(market.web3, market.deployment, view),
        auction,
        0,
        manifest.digest,
        manifest.contents.pages,
        market.terms().scoring.samples,
    )
    opening = read(market.store, Cid.parse(opened["opening"]), limit=1 << 18)
    keys = member_keys(market.web3, market.deployment, view)
    archive = market.store.path(Cid.parse(manifest.archive)).read_bytes()
    for place, member in enumerate(keys):
        (own,) = (k for name, k in market.keys.items() if signer(name).address == member)
        context = opening_context(manifest.binding, 0)
        pages = read_opening(
            opening, place, own, [*keys.values()], context, manifest.contents, opened["drawn"]
        ).sample(lambda offset, size: archive[offset : offset + size])
        assert [number for number, _ in pages] == opened["drawn"]

    settle(market, auction, 1, lambda: node("reveal", PROVIDER, auction))
    node("deliver", PROVIDER, auction)
    (got,) = buyer.receive(auction, key, market.store, market.folder / "received")
    assert (got.problem, got.documents) == ("", len(DOCUMENTS))
    assert got.path is not None
    texts = [document.text for document in read_documents(got.path)]
    assert texts == [document["text"] for document in DOCUMENTS]
    market.jump(phases.dispute_end)
    node("claim", PROVIDER, auction)
    assert market.token.balance_of(signer(PROVIDER).address) >= 50 * UNIT * 3 // 4


def test_buyer_of_javascript__reads_what_is_right_refutes_a_key_and_complains_of_a_page(
    market: Market, node: Callable[..., Any]
) -> None:
    buyer, key = Buyer(market.sender("buyer"), market.deployment), EncryptionKey.generate()
    auction = buyer.create(market.terms(), key)
    contract = market.deployment.auction(market.web3)
    _, phases = contract.phases(auction)
    names = ("cheap", "fair")
    for name in names:
        provider = market.provider(name)
        provider.commit(provider.prepare(auction, market.data(name), COSTS["cheap"]))
    node("commit", PROVIDER, auction, documents=DOCUMENTS, cost=COSTS["cheap"], spoil=True)
    market.open(auction, *names)
    node("open", PROVIDER, auction, spoil=True)

    def reveal() -> None:
        for name in names:
            market.provider(name).bids(auction).reveal()
        node("reveal", PROVIDER, auction)

    settle(market, auction, 3, reveal)
    view = buyer.view(auction)
    assert [wins(view, index) for index in range(3)] == [True] * 3
    deliver_wrongly(market, auction, "cheap", key)
    market.provider("fair").bids(auction).deliver()
    node("deliver", PROVIDER, auction)
    market.jump(phases.deliver_end)
    secret = "0x" + key.secret.hex()
    wrong, right, bad = (
        node("receive", "buyer", auction, index=index, secret=secret) for index in range(3)
    )
    assert wrong == {"action": "refuted"}
    texts = [each["text"] for each in right["documents"]]
    assert texts == [f"fair says {i}" for i in range(5)]
    assert bad["action"] == "complained"

    view = buyer.view(auction)
    assert set(view.struck_out) == {0}
    cid = Cid.parse(bad["complaint"])
    assert view.complaints == {2: cid.digest}
    complaint = Complaint.decode(read(market.store, cid, limit=1 << 18))
    assert complaint.pages == (0,)
    address = market.deployment.address("DataAuction")
    context = WrapContext("complaint", contract.chain_id, address, auction, 2)
    sealed = view.commitments[2].data_set.key_commitment
    for member, wrapped in zip(view.panel(1).members, complaint.wraps, strict=True):
        (own,) = (k for name, k in market.keys.items() if signer(name).address == member)
        assert keccak(unwrap(wrapped, own, context)) == sealed


def deliver_wrongly(market: Market, auction: int, name: str, key: EncryptionKey) -> None:
    """Deliver a key that was not committed to, which the client would not do."""
    exchange, sender = market.deployment.exchange(market.web3), market.sender(name)
    (record,) = market.provider(name).bids(auction).placed
    index = record.place.index
    context = DeliveryContext(record.chain_id, record.contract, auction, index)
    sealed = wrap_delivery(bytes(32), key.public, context)
    x, y = (number.to_bytes(32, "big") for number in sealed.point)
    message = delivery_message(exchange.domain, auction, index, sealed.wrapped, x + y)
    signature = LocalSigner.from_secret(sealed.secret).sign_typed(message)
    given = Delivery(sealed.wrapped, x, y)
    sender.send(exchange.deliver(auction, record.place, given, signature))
