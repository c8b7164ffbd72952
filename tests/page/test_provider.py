"""A provider's page where things go wrong: nothing is lost, and nothing is sent by mistake."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from eth_utils.crypto import keccak

from oracles.cli import main
from oracles.dataset import EncryptionKey
from oracles.evidence import Cid
from oracles.market.book import BidBook
from oracles.market.buyer import Buyer
from oracles.market.provider import Limits, Provider, agreement_digest
from oracles.mechanism import advise, discounted_rate
from tests.page.browser import REJECTED, Person, Served
from tests.page.test_life import documents, offer
from tests.support.market import COSTS, UNIT, WINDOW, signer
from tests.support.middleman import Middleman

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.support.market import Market

#: The event that a lying node leaves out.
COMMITTED = "Committed(uint256,uint256,address,address,bytes32,(bytes32,bytes32,uint64,bytes32))"


@pytest.fixture
def auction(market: Market) -> int:
    buyer = Buyer(market.sender("buyer"), market.deployment)
    return buyer.create(market.terms(), EncryptionKey.generate())


@pytest.mark.slow
def test_commit__when_refused__is_repeated_in_another_browser_and_goes_on_by_the_client(
    market: Market,
    auction: int,
    person: Callable[..., Person],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    someone = person("page")
    record = offer(someone, auction, documents(tmp_path), "60")
    someone.instead["eth_sendTransaction"] = REJECTED
    someone.button("Commit to this bid").click()
    someone.page.get_by_text("You refused this in your wallet").wait_for()
    assert someone.button("Commit to this bid").is_enabled()
    assert market.deployment.auction(market.web3).bid_count(auction) == 0

    # The same secrets in a new profile: nothing but the saved file is known there.
    saved = tmp_path / "bids" / f"{str(record['sealed_bid'])[2:]}.json"
    saved.parent.mkdir()
    saved.write_text(json.dumps(record))
    other = person("page")
    other.go("bids").connect()
    other.page.get_by_text("This browser knows of no bid.").wait_for()
    other.page.set_input_files("#load", saved)
    other.button("Commit").click()
    other.page.locator('[data-step="wait-open"]').wait_for()
    assert market.deployment.auction(market.web3).bid_count(auction) == 1

    assert other.button("Withdraw this bid").is_enabled()

    # And on by the Python client, which finds the bid on chain by its seal.
    market.jump(market.deployment.auction(market.web3).phases(auction)[1].open_start)
    provider = Provider(
        market.sender("page"),
        market.deployment,
        BidBook(saved.parent),
        market.store,
        Limits(window=WINDOW, exposed=1.0),
    )
    provider.open(provider.bids(auction))

    # What the page made is a data set to the tools: archive, manifest beside it, key.
    archive = tmp_path / "set.qmia"
    for name, path in (("archive", archive), ("manifest", tmp_path / "set.qmia.json")):
        shutil.copy(market.store.path(Cid.parse(str(record[name]))), path)
    key = tmp_path / "key"
    key.write_text(str(record["data_key"]).removeprefix("0x"))
    assert main_code(["dataset", "verify", str(archive), "--key-file", str(key), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["content_digest"] == record["content_digest"]


def main_code(arguments: list[str]) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["qmia", *arguments])
        try:
            main()
        except SystemExit as done:
            return int(done.code or 0)
    return 0


def test_wallets__two_at_once__are_told_apart_and_the_wrong_chain_is_named(
    auction: int, person: Callable[..., Person]
) -> None:
    someone = person("one", first=signer("one").address, second=signer("two").address)
    someone.go(f"auction/{auction}")
    someone.page.get_by_role("button", name="Connect first").wait_for()
    someone.connect("second")
    short = signer("two").address
    assert f"second: {short[:6]}…{short[-4:]}" in someone.page.locator(".account").inner_text()

    someone.instead["eth_chainId"] = {"result": "0x1"}
    someone.go(f"offer/{auction}").page.get_by_role("button", name="Connect first").click()
    alert = someone.page.get_by_role("alert")
    alert.wait_for()
    assert "network 1" in alert.inner_text()
    assert someone.page.locator("#files").count() == 0
    someone.button("Switch the wallet to this network").click()
    someone.page.wait_for_timeout(500)
    assert "wallet_switchEthereumChain" in someone.asked


def test_node__that_hides_a_bid__is_found_out_and_named(
    market: Market, auction: int, browser: Browser
) -> None:
    provider = market.provider("python")
    provider.commit(provider.prepare(auction, market.data("python"), COSTS["cheap"]))
    hidden = "0x" + keccak(text=COMMITTED).hex()

    def hook(method: str, given: list[Any], forward: Callable[[], dict[str, Any]]) -> Any:
        del given
        if method != "eth_getLogs":
            return None
        answer = forward()
        answer["result"] = [each for each in answer["result"] if each["topics"][0] != hidden]
        return answer

    node = Middleman(market.anvil.url)
    node.hook = hook
    served = Served(market, rpc=node.url)
    someone = Person(browser, served.url, market)
    someone.go(f"auction/{auction}")
    alert = someone.page.get_by_role("alert")
    alert.wait_for()
    assert "the node shows 0 of 1 bids; ask another node" in alert.inner_text()
    someone.close()
    served.close()
    node.close()


def choose(page: Page, selector: str, file: Path) -> None:
    """As people do it: by the browser's dialogue, which tells of no choice if it is the same."""
    with page.expect_file_chooser() as chooser:
        page.locator(selector).click()
    chooser.value.set_files(file)


REFUSED = [
    ({"text": "fine", "n": 2**53 + 1}, "cannot be kept exactly"),
    ({"txt": "no text", "n": 1}, "there is no field text with a text in it"),
    ([1], "a line must be an object with a field text"),
]


def test_offer__under_an_agreement__asks_for_its_text__names_what_it_refuses__and_advises(
    market: Market, person: Callable[..., Person], tmp_path: Path
) -> None:
    text, other = tmp_path / "agreement.txt", tmp_path / "other.txt"
    text.write_text("You may train on it.")
    other.write_text("You may sell it.")
    buyer = Buyer(market.sender("buyer"), market.deployment)
    terms = market.terms(agreement=agreement_digest(text))
    someone = person("page").go(f"offer/{buyer.create(terms, EncryptionKey.generate())}").connect()
    page = someone.page
    alert = page.get_by_role("alert")
    page.locator("#agreement").wait_for()
    assert "A step of this auction lasts only" in page.inner_text("main")
    page.set_input_files("#agreement", other)
    alert.filter(has_text="another text").wait_for()
    assert page.locator("#files").count() == 0
    page.set_input_files("#agreement", text)

    file = tmp_path / "data.jsonl"
    for line, sentence in REFUSED:  # The same file, as somebody mends it; and it is chosen anew.
        file.write_text('{"text": "good"}\n' + json.dumps(line))
        choose(page, "#files", file)
        alert.filter(has_text=sentence).filter(has_text="data.jsonl, line 2").wait_for()
        assert page.locator("#price").count() == 0

    page.set_input_files("#files", documents(tmp_path))
    someone.button("Score it on this computer").click()
    page.get_by_text("Below the least quality").wait_for()
    assert page.locator("[data-q]").get_attribute("data-q") == "12"  # All documents, decrypted.
    token = market.token.address
    assert token in page.inner_text("#step-price")  # A name is not enough to know it by.
    for text, asked in (("1,000", ""), ("1.000", "1"), ("60,5", "60.5")):
        page.fill("#price", text)
        page.locator("#price").press("Tab")
        if asked:
            page.get_by_text(f"You ask for {asked} LUSD.").wait_for()
        else:  # One to some, a thousand to others.
            alert.filter(has_text="no mark between thousands").wait_for()
            assert page.locator("#save").count() == 0
    page.get_by_text("What to ask, if revenue shares").click()
    page.fill("#advice-cost", "123.456789")
    page.fill("#advice-discount", "33.3")
    best = advise(123_456_789, discounted_rate(Fraction(3, 4), Fraction("0.333"))).bid
    assert best is not None
    assert f"Ask for {best / UNIT:.6f} LUSD." in page.inner_text("#advice")


VIEWS = ("", "auction/1", "bids", "buy", "create", "offer/1")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_views__have_no_finding_of_axe(
    auction: int, browser: Browser, served: Served, market: Market, scheme: str
) -> None:
    from scripts.build import ROOT

    axe = ROOT / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.is_file():
        pytest.skip("axe-core is not installed: run `make setup`")
    looks = {"color_scheme": scheme, "bypass_csp": True}
    someone = Person(browser, served.url, market, looks, wallet=signer("buyer").address)
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    found = {}
    for view in VIEWS:
        someone.go(view).connect()
        someone.page.locator("h1").wait_for()
        if view == "create":
            someone.page.fill("#in-token", market.token.address)
            someone.page.locator("#in-token").press("Tab")
            someone.page.locator("svg").wait_for()
        someone.page.evaluate(axe.read_text())
        result = someone.page.evaluate(
            "async (tags) => (await axe.run({ runOnly: tags })).violations"
            ".map((v) => [v.id, v.nodes.map((n) => n.html).slice(0, 3)])",
            tags,
        )
        if result:
            found[view] = result
    someone.close()
    assert not found
    assert auction == 1


def test_sentences__are_the_same_in_both_languages() -> None:
    from oracles.cli.page import PAGE

    def keys(language: str) -> dict[str, set[str]]:
        import re

        text = (PAGE / "src" / f"strings.{language}.js").read_text()
        found = re.findall(r'^  "?([\w.-]+)"?:\s*"((?:[^"\\]|\\.)*)",$', text, re.MULTILINE)
        return {key: set(re.findall(r"\{(\w+)\}", sentence)) for key, sentence in found}

    assert keys("en") == keys("de")
    assert len(keys("en")) > 300
