"""Ways around one wallet that pays for everything: relayers, Safes, batches; what a bid brings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from oracles.chain.packing import Score
from oracles.chain.state import load_auction
from oracles.chain.terms import DstTerms
from oracles.dataset import EncryptionKey, read_documents
from oracles.market.buyer import Buyer
from oracles.market.share import read_share
from oracles.market.terms import load_terms
from oracles.market.view import wins
from oracles.money import Currency
from tests.cli.test_market_commands import Shell, commit
from tests.page.committee import Committee
from tests.page.test_buyer import fill
from tests.page.test_life import documents, offer
from tests.support.market import COSTS, ETHER, SCORES, UNIT, signer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.page.browser import Person
    from tests.support.market import Market


def saved(someone: Person, selector: str, path: Path) -> Path:
    with someone.page.expect_download() as download:
        someone.page.locator(selector).click()
    download.value.save_as(path)
    return path


def unfold(someone: Person, within: str = ".others") -> None:
    someone.page.locator(f"{within} > summary").first.click()


def relay(someone: Person, file: Path, step: str) -> None:
    someone.go("relay").connect()
    someone.page.set_input_files("#relay", file)
    someone.page.locator(f'[data-send="{step}"]').click()
    someone.page.get_by_text("Done: it is in block").wait_for()


@pytest.mark.slow
def test_owner__without_ether__sells_through_relayers(
    market: Market, person: Callable[..., Person], tmp_path: Path
) -> None:
    buyer, key = Buyer(market.sender("buyer"), market.deployment), EncryptionKey.generate()
    auction = buyer.create(market.terms(), key)
    _, phases = market.deployment.auction(market.web3).phases(auction)
    owner, friend, stranger = person("owner"), person("friend"), person("stranger")
    market.anvil.set_balance(signer("owner").address, 0)
    offer(owner, auction, documents(tmp_path), "60")
    unfold(owner)
    field = owner.page.locator(".others input")
    field.fill("0x123")
    owner.page.locator('[data-sign="commit"]').click()
    owner.page.get_by_text("This is no address").wait_for()
    field.fill(signer("friend").address)
    signed = saved(owner, '[data-sign="commit"]', tmp_path / "signed.json")

    stranger.go("relay").connect()
    stranger.page.set_input_files("#relay", signed)
    stranger.page.get_by_text("may send this").wait_for()
    assert stranger.page.locator("[data-send]").count() == 0
    spoiled = json.loads(signed.read_text())
    spoiled["signature"] = "0x" + "11" * 65
    other_file = tmp_path / "spoiled.json"
    other_file.write_text(json.dumps(spoiled))
    nobody = person("watcher", none="").go("relay")  # No wallet is needed to be told.
    nobody.page.set_input_files("#relay", other_file)
    nobody.page.get_by_text("The signature in this file is not the owner's").wait_for()
    assert nobody.page.locator("[data-send]").count() == 0
    nobody.page.set_input_files("#relay", signed)
    nobody.page.get_by_text("Connect a wallet to send it.").wait_for()
    relay(friend, signed, "commit")
    friend.go("relay").connect()
    friend.page.set_input_files("#relay", signed)
    friend.page.locator('[data-relay="done"]').wait_for()

    other = market.provider("python")
    other.commit(other.prepare(auction, market.data("python"), COSTS["cheap"]))
    market.open(auction, "python")
    owner.go("bids").connect()
    owner.page.locator('[data-do="open"]').click()
    owner.page.locator('[data-sign="open"]').wait_for(state="attached")
    owner.instead["eth_sendTransaction"] = {"error": {"code": 4001, "message": "no"}}
    owner.button("Upload to this site").click()
    unfold(owner)
    share = saved(owner, '[data-sign="open"]', tmp_path / "open.json")
    assert read_share(share).opening is not None
    relay(friend, share, "open")

    market.score(auction, SCORES[:2])
    market.jump(phases.reveal_start)
    other.bids(auction).reveal()
    relay(stranger, share, "reveal")
    market.jump(phases.reveal_end)
    market.settler().settle(auction)
    market.jump(phases.fetch_end)
    owner.go("bids").connect()
    unfold(owner)
    share = saved(owner, '[data-sign="deliver"]', tmp_path / "deliver.json")
    relay(stranger, share, "deliver")
    received = [*buyer.receive(auction, key, market.store, market.folder / "received")]
    assert received[0].problem == ""
    market.jump(phases.dispute_end)
    before = market.web3.eth.get_balance(market.web3.to_checksum_address(signer("friend").address))
    relay(stranger, share, "claim")
    assert market.token.balance_of(signer("owner").address) >= 60 * UNIT * 3 // 4
    assert (
        market.web3.eth.get_balance(market.web3.to_checksum_address(signer("friend").address))
        > before
    )
    assert "eth_sendTransaction" not in owner.asked[: owner.asked.index("eth_signTypedData_v4")]


@pytest.mark.slow
def test_safe__sells_by_transaction_files__then_takes_and_transfers_what_it_got(
    market: Market, person: Callable[..., Person], tmp_path: Path
) -> None:
    buyer, key = Buyer(market.sender("buyer"), market.deployment), EncryptionKey.generate()
    auction = buyer.create(market.terms(), key)
    _, phases = market.deployment.auction(market.web3).phases(auction)
    committee = Committee(market, "chair", "clerk", "guest")
    safe, execute = committee.address, committee.file
    someone = person("nobody", none="")

    def step(name: str) -> None:
        someone.go("bids")
        someone.page.locator(f'[data-step="{name}"]').wait_for()
        unfold(someone)
        execute(saved(someone, f'[data-safe="{name}"]', tmp_path / f"{name}.json"))

    someone.go(f"offer/{auction}")
    someone.page.get_by_text("The data belong to a Safe").click()
    someone.page.fill("#safe", signer("nobody").address)
    someone.button("Offer for this contract").click()
    someone.page.get_by_text("There is no contract at this address.").wait_for()
    someone.page.fill("#safe", safe)
    someone.button("Offer for this contract").click()
    someone.page.set_input_files("#files", documents(tmp_path))
    someone.page.fill("#price", "60")
    someone.page.locator("#price").press("Tab")
    assert json.loads(someone.saved("Save the secrets").path().read_text())["owner"] == safe
    someone.button("Upload to this site").click()
    unfold(someone, "#step-commit .others")
    execute(saved(someone, '[data-safe="commit"]', tmp_path / "commit.json"))

    other = market.provider("python")
    other.commit(other.prepare(auction, market.data("python"), COSTS["cheap"]))
    market.open(auction, "python")
    someone.go("bids")
    someone.page.locator('[data-do="open"]').click()
    someone.button("Upload to this site").click()
    unfold(someone)
    execute(saved(someone, '[data-safe="open"]', tmp_path / "open.json"))
    market.score(auction, SCORES[:2])
    market.jump(phases.reveal_start)
    other.bids(auction).reveal()
    step("reveal")
    market.jump(phases.reveal_end)
    market.settler().settle(auction)
    market.jump(phases.fetch_end)
    other.bids(auction).deliver()
    step("deliver")
    market.jump(phases.dispute_end)
    step("claim")
    assert market.token.balance_of(safe) >= 60 * UNIT * 3 // 4


@pytest.mark.slow
def test_one_auction__of_a_browser_a_command_line_and_a_contract_that_signs__pays_all_three(
    market: Market,
    person: Callable[..., Person],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    buyer, key = Buyer(market.sender("buyer"), market.deployment), EncryptionKey.generate()
    auction = buyer.create(market.terms(), key)
    _, phases = market.deployment.auction(market.web3).phases(auction)
    page, friend, shell = person("page"), person("friend"), Shell(market, "ann", capsys)
    owner = Committee(market, "chair", "clerk", "guest")
    council = person("council", wallet=owner.address)
    council.signers[owner.address] = owner
    council.instead["eth_sendTransaction"] = owner.wallet

    offer(page, auction, documents(tmp_path), "60")
    page.button("Commit to this bid").click()
    page.page.get_by_text("Your bid is in.").wait_for()
    shell("provider", *commit(shell, auction, "50 LUSD"))
    # Two owners sign the commitment, and a friend pays for it.
    offer(council, auction, documents(tmp_path), "70")
    unfold(council)
    council.page.locator(".others input").fill(signer("friend").address)
    signed = saved(council, '[data-sign="commit"]', tmp_path / "signed.json")
    alone = json.loads(signed.read_text())
    alone["signature"] = alone["signature"][: 2 + 2 * 65]
    (tmp_path / "alone.json").write_text(json.dumps(alone))
    friend.go("relay").connect().page.set_input_files("#relay", tmp_path / "alone.json")
    friend.page.get_by_text("The signature in this file is not the owner's").wait_for()
    relay(friend, signed, "commit")
    view = buyer.view(auction)
    assert [each.owner for each in view.commitments] == [
        signer("page").address,
        signer("ann").address,
        owner.address,
    ]

    market.jump(phases.open_start)
    page.go("bids").connect()
    page.button("Open the sample").click()
    page.button("Upload to this site").click()
    page.page.locator('[data-step="wait-reveal"]').wait_for()
    shell("provider", "open", auction, *shell.book)
    council.go("bids").connect()
    council.button("Open the sample").click()
    council.button("Upload to this site").click()  # And their wallet sends it by itself.
    council.page.locator('[data-step="wait-reveal"]').wait_for()
    market.score(auction, SCORES)
    market.jump(phases.reveal_start)
    page.go("bids").connect().button("Reveal").click()
    page.page.locator('[data-step="wait-settle"]').wait_for()
    shell("provider", "reveal", auction, *shell.book)
    council.go("bids").connect()
    unfold(council)
    owner.file(saved(council, '[data-safe="reveal"]', tmp_path / "reveal.json"))
    market.jump(phases.reveal_end)
    market.settler().settle(auction)
    assert [wins(buyer.view(auction), index) for index in range(3)] == [True, True, True]

    market.jump(phases.fetch_end)
    page.go("bids").connect().button("Hand over the key").click()
    page.page.locator('[data-step="wait-claim"]').wait_for()
    shell("provider", "deliver", auction, *shell.book)
    council.go("bids").connect()
    unfold(council)
    signed = saved(council, '[data-sign="deliver"]', tmp_path / "deliver.json")
    relay(friend, signed, "deliver")
    received = [*buyer.receive(auction, key, market.store, market.folder / "received")]
    assert [each.problem for each in received] == ["", "", ""]
    assert received[2].path is not None
    assert list(read_documents(received[2].path)) == list(read_documents(documents(tmp_path)))

    market.jump(phases.dispute_end)
    page.go("bids").connect().button("Claim").click()
    page.page.locator('[data-step="done"]').wait_for()
    shell("provider", "claim", auction, *shell.book)
    council.go("bids").connect()
    unfold(council)
    owner.file(saved(council, '[data-safe="claim"]', tmp_path / "claim.json"))
    asked = {signer("page").address: 60, signer("ann").address: 50, owner.address: 70}
    for who, cost in asked.items():
        assert market.token.balance_of(who) >= cost * UNIT * 3 // 4


def record_of(market: Market, name: str) -> Path:
    return next((market.folder / name / "bids").rglob("*.json"))


@pytest.mark.slow
def test_winner__takes_participation_tokens_and_transfers_revenue_shares(
    market: Market, person: Callable[..., Person]
) -> None:
    buyer, key = Buyer(market.sender("buyer"), market.deployment), EncryptionKey.generate()
    auction = buyer.create(market.terms(), key)
    _, phases = market.deployment.auction(market.web3).phases(auction)
    provider = market.provider("page")
    other = market.provider("python")
    dear, poor = market.provider("dear"), market.provider("poor")
    everybody = {"page": provider, "python": other, "dear": dear, "poor": poor}
    for name, each in everybody.items():
        cost = COSTS["dear" if name == "dear" else "cheap"]
        each.commit(each.prepare(auction, market.data(name), cost))
    market.open(auction, *everybody)
    market.score(auction, [*SCORES, Score(900, 9_000, 500, present=True)])
    market.jump(phases.reveal_start)
    for each in everybody.values():
        each.bids(auction).reveal()
    market.jump(phases.reveal_end)
    market.settler().settle(auction)
    market.jump(phases.fetch_end)
    for each in (provider, other):
        each.bids(auction).deliver()
    market.jump(phases.dispute_end)
    provider.bids(auction).claim()

    losers = [record_of(market, name) for name in ("dear", "poor")]
    stranger = person("stranger", none="").go("bids")  # Their records are enough to be told why.
    stranger.page.set_input_files("#load", losers)
    stranger.page.get_by_text("and it asked for more").wait_for()
    stranger.page.get_by_text("found their quality below 0.1").wait_for()

    someone = person("page").go("bids").connect()
    someone.page.set_input_files("#load", record_of(market, "page"))
    someone.page.get_by_text("They are not counted yet").wait_for()
    assert someone.page.locator("[data-lost]").count() == 0
    market.count_dst(auction)
    someone.go("bids").connect()
    someone.page.locator("[data-dst]").wait_for()
    someone.page.locator('[data-do="dst"]').click()
    someone.page.locator("[data-held]").wait_for()
    assert someone.page.locator("[data-dst]").count() == 0

    someone.page.get_by_text("Give revenue shares away").click()
    to, sum_ = someone.page.locator("li details input").all()
    to.fill(signer("heir").address)
    sum_.fill("1000000")
    someone.page.locator('[data-do="transfer"]').click()
    someone.page.get_by_text("Type an amount above 0 and up to").wait_for()
    sum_.fill("1")
    someone.page.locator('[data-do="transfer"]').click()
    someone.page.get_by_text("Done: it is in block").wait_for()


DST = DstTerms(1000 * ETHER, 10 * ETHER, 400 * ETHER, 300_000_000, 400_000_000, 300_000_000)


def type_in(someone: Person, name: str, text: str) -> None:
    someone.page.fill(f"#in-{name}", text)
    someone.page.locator(f"#in-{name}").press("Tab")


#: Of a wallet that said it could make several calls as one, and cannot.
REFUSED = {"error": {"code": 4200, "message": "unsupported"}}


def _batching(someone: Person) -> list[Any]:
    """A wallet that makes several calls as one; what it was asked for."""
    batches: list[Any] = []
    hashes: list[str] = []

    def send(account: str, given: list[Any]) -> dict[str, Any]:
        batches.append(given[0])
        calls = [{"from": account, **call} for call in given[0]["calls"]]
        hashes.extend(someone.ask("eth_sendTransaction", [call])["result"] for call in calls)
        return {"result": {"id": "0xbatch"}}

    def status(account: str, given: list[Any]) -> dict[str, Any]:
        del account
        assert given == ["0xbatch"]
        receipts = [someone.ask("eth_getTransactionReceipt", [each])["result"] for each in hashes]
        return {"result": {"status": 200, "receipts": receipts}}

    someone.instead["wallet_getCapabilities"] = {
        "result": {"0x7a69": {"atomic": {"status": "ready"}}}
    }
    someone.instead["wallet_sendCalls"] = send
    someone.instead["wallet_getCallsStatus"] = status
    return batches


def test_buyer__saves_terms_as_the_client_reads_them__and_creates_in_one_where_the_wallet_can(
    market: Market, person: Callable[..., Person], tmp_path: Path
) -> None:
    someone = person("buyer")
    fill(someone, market)
    for name, text in {"dstSupply": "1000", "dstFloor": "10", "dstCap": "400"}.items():
        type_in(someone, name, text)
    type_in(someone, "volumeWeight", "50")
    assert "make 100 together" in someone.page.inner_text("#bad-volumeWeight")
    type_in(someone, "volumeWeight", "30")
    file = tmp_path / "terms.toml"
    someone.saved("Save the terms for qmia buyer create").save_as(file)
    terms = load_terms(file, lambda _: Currency("LUSD", 6))
    assert (terms.budget, terms.pool, terms.rho) == (600 * UNIT, 200 * UNIT, 750_000_000)
    assert terms.durations == market.terms().durations
    assert terms.scoring.samples == 2
    assert terms.dst == DST

    key = tmp_path / "buyer.key"
    someone.saved("Make a key and save it").save_as(key)
    batches = _batching(someone)
    done = someone.instead["wallet_getCallsStatus"]
    contract = market.deployment.auction(market.web3)
    someone.instead["wallet_getCallsStatus"] = {"result": {"status": 100}}
    someone.button("Create the auction").click()
    someone.page.get_by_text("Waiting until it is in a block").wait_for()
    someone.go("create").connect()  # Closed while it was on its way, and opened again.
    someone.page.set_input_files("#key", key)
    someone.instead["wallet_getCallsStatus"] = done
    someone.button("Create the auction").click()
    someone.page.get_by_role("link", name="Auction 1").wait_for()
    assert [len(each["calls"]) for each in batches] == [2]
    assert int(contract.auction_count()) == 1
    # The same terms once more would be paid once more.
    assert someone.button("Create the auction").is_disabled()
    assert someone.page.get_by_text("created with another key").count() == 0

    someone.page.check("#in-enrolment")
    assert someone.page.locator("#in-rho").is_hidden()
    someone.instead["wallet_sendCalls"] = REFUSED
    someone.button("Create the auction").click()
    someone.page.get_by_role("link", name="Auction 2").wait_for()
    assert int(contract.auction_count()) == 2
    assert someone.asked.count("eth_sendTransaction") == 1  # There is no money to allow.
    first, second = (load_auction(market.web3, market.deployment, n).terms for n in (1, 2))
    assert (first.enrolment, first.dst, first.rho) == (False, DST, terms.rho)
    assert (second.enrolment, second.budget, second.pool, second.rho) == (True, 0, 600 * UNIT, 0)
