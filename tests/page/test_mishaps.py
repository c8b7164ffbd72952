"""What careless people, closed pages and bad nodes do to a bid: nothing is paid twice or lost."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

from oracles.dataset import EncryptionKey, Manifest, unwrap_shared
from oracles.evidence import Cid
from oracles.market.book import BidBook
from oracles.market.buyer import Buyer
from oracles.market.view import member_keys
from tests.page.browser import REJECTED, Person, Served
from tests.page.test_life import documents, offer
from tests.support.chain import artifact
from tests.support.market import COSTS, DURATIONS, signer
from tests.support.middleman import Middleman

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.support.market import Market

COMMIT = "Commit to this bid"


def create(market: Market, **changes: object) -> int:
    buyer = Buyer(market.sender("buyer"), market.deployment)
    return buyer.create(market.terms(**changes), EncryptionKey.generate())


@pytest.fixture
def auction(market: Market) -> int:
    return create(market)


def bids(market: Market, auction: int) -> int:
    return market.deployment.auction(market.web3).bid_count(auction)


def prepared(market: Market, auction: int) -> Path:
    """The record of a bid that is published and not committed."""
    made = market.provider("page").prepare(auction, market.data("page"), COSTS["cheap"])
    return BidBook(market.folder / "book").save(made.record)


def said(page: Page) -> str:
    alert = page.get_by_role("alert")
    alert.wait_for()
    return alert.inner_text()


def test_enrolment__of_a_folder_with_litter__asks_for_no_price_and_is_committed(
    market: Market, person: Callable[..., Person], tmp_path: Path
) -> None:
    auction = create(market, enrolment=True, rho=0, budget=0)
    folder = tmp_path / "letters"
    (folder / "1921").mkdir(parents=True)
    (folder / ".DS_Store").write_bytes(bytes(8))
    (folder / "1921" / "first.md").write_text("# Dear Ada\n\n" + "A line of words. " * 2000)
    (folder / "second").write_text("Dear Ben. " * 3000)
    someone = person("page")
    someone.go(f"offer/{auction}").connect()
    someone.page.set_input_files("#folder", folder)
    packed = someone.page.locator("#packed")
    packed.wait_for()
    assert packed.inner_text().startswith("2 documents")
    assert "Left out, since programs leave it beside data: .DS_Store" in someone.page.inner_text(
        "#step-files"
    )
    record = json.loads(someone.saved("Save the secrets").path().read_text())
    assert (record["cost"], record["salt"]) == ("0", "0x" + "00" * 32)
    assert someone.page.locator("#price").count() == 0
    someone.button("Upload to this site").click()
    someone.button(COMMIT).click()
    someone.page.get_by_text("Your bid is in.").wait_for()
    assert bids(market, auction) == 1


def test_wallet__that_moves_away_or_is_empty__is_told_and_nothing_typed_is_lost(
    market: Market, auction: int, person: Callable[..., Person], tmp_path: Path
) -> None:
    someone = person("page")
    offer(someone, auction, documents(tmp_path), "60")
    someone.emit("wallet", "accountsChanged", [signer("other").address])
    assert "changed to another account" in said(someone.page)
    someone.emit("wallet", "accountsChanged", [signer("page").address])
    someone.page.get_by_role("alert").wait_for(state="detached")
    someone.emit("wallet", "chainChanged", "0x1")
    assert "network 1" in said(someone.page)
    someone.instead["eth_chainId"] = {"result": "0x1"}
    someone.button(COMMIT).click()
    assert "network 1" in said(someone.page)
    someone.instead.clear()
    someone.emit("wallet", "chainChanged", hex(market.deployment.chain_id))
    someone.page.get_by_role("alert").wait_for(state="detached")

    someone.instead["eth_accounts"] = {"result": [signer("other").address]}
    someone.button(COMMIT).click()  # It has moved, and did not say so.
    assert "changed to another account" in said(someone.page)
    someone.instead.clear()
    market.anvil.set_balance(signer("page").address, 10**15)
    someone.button(COMMIT).click()
    someone.page.get_by_text("too little ether").wait_for()
    assert "eth_sendTransaction" not in someone.asked
    market.anvil.set_balance(signer("page").address, 10**18)
    someone.button(COMMIT).click()
    someone.page.get_by_text("Your bid is in.").wait_for()


def test_record__in_a_browser_without_the_files__asks_for_them_and_refuses_others(
    market: Market, auction: int, person: Callable[..., Person]
) -> None:
    record = prepared(market, auction)
    archive = json.loads(record.read_text())["archive"]
    shutil.rmtree(market.folder / "store" / "objects")
    someone = person("page").go("bids").connect()
    someone.page.set_input_files("#load", record)
    someone.page.set_input_files(f'[data-file="{archive}"]', record)
    assert "This is another file." in said(someone.page)
    assert someone.button("Commit").count() == 0


def test_record__that_somebody_edited__is_refused_before_it_can_cost_the_bond(
    market: Market, auction: int, person: Callable[..., Person], tmp_path: Path
) -> None:
    right = prepared(market, auction)
    record = json.loads(right.read_text())
    edited = tmp_path / "edited.json"
    edited.write_text(json.dumps({**record, "cost": str(int(record["cost"]) + 1)}))
    someone = person("page").go("bids").connect()
    someone.page.set_input_files("#load", edited)
    assert "This record was changed" in said(someone.page)
    assert someone.page.locator(".card").count() == 0
    someone.page.set_input_files("#load", right)
    someone.page.locator('[data-step="commit"]').wait_for()
    # Or changed where the browser keeps it.
    name = f"qmia.bid.{record['sealed_bid'][2:]}.json"
    someone.page.evaluate("([n, v]) => localStorage.setItem(n, v)", [name, edited.read_text()])
    someone.go("bids").connect().page.get_by_text("This record was changed").wait_for()
    assert someone.button("Commit").count() == 0


def test_commitment__whose_answer_is_lost__is_not_paid_twice(
    market: Market, auction: int, person: Callable[..., Person], tmp_path: Path
) -> None:
    someone = person("page")
    offer(someone, auction, documents(tmp_path), "60")

    def lost(account: str, given: list[Any]) -> dict[str, Any]:
        del account
        someone.ask("eth_sendTransaction", given)
        return {"error": {"code": -32603, "message": "the wallet lost its connection"}}

    someone.instead["eth_sendTransaction"] = REJECTED
    someone.button(COMMIT).click()
    assert "You refused this in your wallet" in said(someone.page)
    someone.instead["eth_sendTransaction"] = lost
    someone.button(COMMIT).click()
    someone.page.get_by_text("the wallet lost its connection").wait_for()
    someone.instead.clear()
    someone.button(COMMIT).click()  # In the very same page, and with what was typed still there.
    someone.page.get_by_text("Your bid is in.").wait_for()
    someone.see("bids")
    someone.page.locator('[data-step="wait-open"]').wait_for()
    assert bids(market, auction) == 1


def test_commitment__on_its_way_when_the_page_is_closed__is_waited_for_by_every_window(
    market: Market, auction: int, person: Callable[..., Person], tmp_path: Path
) -> None:
    someone = person("page")
    offer(someone, auction, documents(tmp_path), "60")
    someone.ask("evm_setAutomine", [False])
    someone.button(COMMIT).click()
    someone.page.get_by_text("Waiting until it is in a block").wait_for()
    second = someone.context.new_page()
    first, someone.page = someone.page, second
    someone.go("bids").connect()
    someone.button("Commit").click()
    assert "Another window of this page is sending this" in said(second)
    first.close()
    sent = someone.asked.count("eth_sendTransaction")
    someone.button("Commit").click()
    second.get_by_text("One moment").wait_for()
    time.sleep(1)
    someone.ask("evm_setAutomine", [True])
    someone.ask("evm_mine", [])
    second.locator('[data-step="wait-open"]').wait_for()
    assert someone.asked.count("eth_sendTransaction") == sent == 1
    assert bids(market, auction) == 1


def test_wallet__that_still_asks_from_before__is_said_first(
    market: Market, auction: int, person: Callable[..., Person], tmp_path: Path
) -> None:
    someone = person("page")
    offer(someone, auction, documents(tmp_path), "60")
    someone.instead["eth_sendTransaction"] = {"error": {"code": -32603, "message": "closed"}}
    someone.button(COMMIT).click()
    someone.page.get_by_text("closed").wait_for()
    someone.instead.clear()
    someone.see("bids")
    someone.button("Commit").click()
    assert "Your wallet was asked for this before" in said(someone.page)
    assert bids(market, auction) == 0
    someone.button("Commit").click()
    someone.page.locator('[data-step="wait-open"]').wait_for()
    assert bids(market, auction) == 1


def test_page__closed_before_its_files_are_published__publishes_them_before_it_commits(
    market: Market, auction: int, person: Callable[..., Person], tmp_path: Path
) -> None:
    someone = person("page")
    someone.go(f"offer/{auction}").connect()
    someone.page.set_input_files("#files", documents(tmp_path))
    someone.page.fill("#price", "60")
    someone.page.locator("#price").press("Tab")
    record = json.loads(someone.saved("Save the secrets").path().read_text())
    someone.go("bids").connect()
    someone.page.locator('[data-step="commit"]').wait_for()
    assert someone.button("Commit").count() == 0
    someone.button("Upload to this site").click()
    someone.button("Commit").click()
    someone.page.locator('[data-step="wait-open"]').wait_for()
    someone.go(f"offer/{auction}").connect()  # As if nothing had been done.
    someone.page.set_input_files("#files", documents(tmp_path))
    someone.page.get_by_text("a bid with these very data").wait_for()
    assert market.store.path(Cid.parse(record["archive"])).is_file()
    assert market.store.path(Cid.parse(record["manifest"])).is_file()


#: Of a contract that answers every question with 2^40, which is no text and too many decimals.
BABBLE = "0x65010000000000" + "5f5260205ff3"


def test_auction__in_a_token_that_says_nothing_or_nonsense__does_not_hide_the_others(
    market: Market, auction: int, person: Callable[..., Person]
) -> None:
    built, sender = artifact("SilentToken"), market.sender("buyer")
    factory = market.web3.eth.contract(abi=built.abi, bytecode=built.bytecode)
    address = sender.send(factory.constructor())["contractAddress"]
    token = market.web3.eth.contract(address=address, abi=built.abi)
    sender.send(token.functions.mint(sender.address, 10**12))
    silent = create(market, token=address)
    someone = person("page").go()
    card = someone.page.locator(".card")
    card.filter(has_text="600 LUSD in cash").wait_for()
    assert (
        f"600,000,000 {address} in cash" in card.filter(has_text=f"Auction {silent}").inner_text()
    )
    someone.ask("anvil_setCode", [address, BABBLE])
    someone.go()
    card.filter(has_text="600 LUSD in cash").filter(has_text=f"Auction {auction}").wait_for()
    assert card.count() == 2


def test_keyboard__skips_to_the_content__and_a_node_that_is_behind_is_named(
    market: Market, auction: int, person: Callable[..., Person]
) -> None:
    someone = person("page")
    newest = market.web3.eth.get_block("latest")["timestamp"]
    someone.page.clock.set_fixed_time(newest + 3600)
    someone.go(f"auction/{auction}")
    someone.page.locator("h1").wait_for()
    # Who trusted the time of a node that is behind would miss a deadline.
    someone.page.get_by_text("this node shows is 1 hour old").wait_for()
    someone.page.locator(".skip").focus()
    someone.page.keyboard.press("Enter")
    assert someone.page.evaluate("document.activeElement.id") == "content"
    assert someone.page.url.endswith(f"#/auction/{auction}")


def test_node__that_hides_one_auction_and_is_slow__does_not_hide_the_deadlines_of_others(
    market: Market, auction: int, browser: Browser
) -> None:
    hidden = create(market)
    saved = [prepared(market, number) for number in (auction, hidden)]
    topic = "0x" + hidden.to_bytes(32, "big").hex()

    def hook(method: str, given: list[Any], forward: Callable[[], Any]) -> Any:
        del forward
        time.sleep(0.3)
        if method == "eth_getLogs" and topic in json.dumps(given):
            return {"result": []}
        return None

    node = Middleman(market.anvil.url)
    node.hook = hook
    served = Served(market, rpc=node.url)
    other = Person(browser, served.url, market)
    other.go("bids").page.set_input_files("#load", saved)
    other.page.locator(f'[data-auction="{auction}"][data-step="commit"]').wait_for()
    bad = other.page.locator(f'[data-auction="{hidden}"][data-step="unknown"]')
    assert "ask another node" in bad.inner_text()
    other.close()
    served.close()
    node.close()


def test_auction__without_samples__gets_a_manifest_that_its_operators_can_open(
    market: Market, person: Callable[..., Person], tmp_path: Path
) -> None:
    auction = create(market, scoring=market.scoring(samples=0), durations=_without_open())
    someone = person("page")
    record = offer(someone, auction, documents(tmp_path), "60")
    path = market.store.path(Cid.parse(record["manifest"]))
    manifest = Manifest.decode(path.read_bytes())
    view = Buyer(market.sender("buyer"), market.deployment).view(auction)
    keys = [*member_keys(market.web3, market.deployment, view).values()]
    names = [next(n for n in "abc" if market.keys[n].public == key) for key in keys]
    for member, name in enumerate(names):
        key = unwrap_shared(
            manifest.wraps, member, market.keys[name], keys, manifest.binding.context
        )
        assert key.hex() == record["data_key"].removeprefix("0x")


def _without_open() -> Any:
    from dataclasses import replace

    return replace(DURATIONS, open=0)


def test_bids__when_the_next_step_has_come__are_shown_anew_by_themselves(
    market: Market, auction: int, person: Callable[..., Person]
) -> None:
    provider = market.provider("page")
    provider.commit(provider.prepare(auction, market.data("page"), 60_000_000))
    record = next((market.folder / "page" / "bids").rglob("*.json"))
    someone = person("page")
    someone.page.clock.install()
    someone.go("bids").connect()
    someone.page.set_input_files("#load", record)
    someone.page.locator('[data-step="wait-open"]').wait_for()
    phases = market.deployment.auction(market.web3).phases(auction)[1]
    market.jump(phases.open_start)
    someone.page.clock.fast_forward(1_100_000)
    someone.page.locator('[data-step="open"]').wait_for()
