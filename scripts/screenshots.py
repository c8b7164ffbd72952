"""Pictures of every view of the page, of a small market on a test node: `make screenshots`.

Each view is taken wide and light, as on a phone, dark, printed, and in the other language. They
are there to be looked at; no test compares them.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from playwright.sync_api import sync_playwright

from oracles.chain.packing import Score
from oracles.cli.page import quality_of
from oracles.dataset import EncryptionKey
from oracles.market.buyer import Buyer
from scripts.build import ROOT
from tests.page.browser import CHROMIUM, Person, Served
from tests.support.anvil import Anvil
from tests.support.market import UNIT, Market, signer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PROVIDERS: Final = ("ada", "ben", "cleo", "dora", "emil", "fay")
PRICES: Final = (40, 90, 75, 160, 120, 400)
FORMS: Final[dict[str, dict[str, Any]]] = {
    "wide": {"viewport": {"width": 1100, "height": 800}},
    "dark": {"viewport": {"width": 1100, "height": 800}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}},
    "print": {"viewport": {"width": 794, "height": 1123}},
    "de": {"viewport": {"width": 1100, "height": 800}, "locale": "de-DE"},
}


def _market(anvil: Anvil, folder: Path) -> Market:
    """A finished auction in which one winner stayed silent, and one that takes bids."""
    market = Market(anvil, folder)
    buyer, key = Buyer(market.sender("buyer"), market.deployment), EncryptionKey.generate()
    auction = buyer.create(market.terms(tranche=100_000_000), key)
    _, phases = market.deployment.auction(market.web3).phases(auction)
    providers = [market.provider(name) for name in PROVIDERS]
    for provider, name, price in zip(providers, PROVIDERS, PRICES, strict=True):
        provider.commit(provider.prepare(auction, market.data(name), price * UNIT))
    market.open(auction, *PROVIDERS)
    market.score(
        auction,
        [
            Score(9_500 - 900 * i, 3_000 + 1_100 * i, 800, present=True, underserved=i == 4)
            for i in range(len(PROVIDERS))
        ],
    )
    market.jump(phases.reveal_start)
    for provider in providers:
        provider.bids(auction).reveal()
    market.jump(phases.reveal_end)
    market.settler().settle(auction)
    market.jump(phases.fetch_end)
    for provider in providers[:2]:
        provider.bids(auction).deliver()
    market.jump(phases.dispute_end)
    market.settler().forfeit_missing(auction)
    for provider in providers[:2]:
        provider.bids(auction).claim()
    buyer.create(market.terms(), key)
    return market


def _visit(browser: Browser, served: Served, market: Market, form: str, folder: Path) -> None:
    given = FORMS[form]
    someone = Person(
        browser, served.url, market, {"timezone_id": "UTC", **given}, wallet=signer("buyer").address
    )
    page = someone.page
    if form == "print":
        page.emulate_media(media="print")

    def shot(name: str) -> None:
        page.wait_for_timeout(300)
        page.screenshot(path=folder / f"{name}-{form}.png", full_page=True)

    def view(name: str, path: str) -> None:
        someone.go(path)
        page.locator("h1").wait_for()
        shot(name)

    view("list", "")
    view("auction", "auction/1")
    view("account", f"account/{signer('ada').address}")
    view("relay", "relay")
    view("buy-unconnected", "buy")
    someone.go("nothing")
    page.get_by_role("alert").wait_for()
    shot("error")
    if form == "print":
        someone.context.close()
        return
    someone.go("buy/1")
    page.locator(".wallets button").click()
    page.locator(".account").wait_for()
    for name, path in (
        ("buy", "buy"),
        ("buy-one", "buy/1"),
        ("create", "create"),
        ("offer", "offer/2"),
    ):
        page.evaluate("hash => (location.hash = hash)", f"#/{path}")
        page.locator("h1").wait_for()
        page.locator(".busy").first.wait_for(state="detached")
        if name == "create":
            page.fill("#in-token", market.token.address)
            page.locator("#in-token").press("Tab")
            page.locator("svg").wait_for()
        if name == "offer":
            notes = market.folder / "notes.jsonl"
            lines = ({"text": f"Note {n}. " + "Words in a line. " * 900} for n in range(9))
            notes.write_text("\n".join(map(json.dumps, lines)))
            page.set_input_files("#files", notes)
            page.locator("#packed").wait_for()
            page.locator("#score").click()
            page.locator("[data-q]").wait_for(timeout=180_000)
            page.fill("#price", "60")
            page.locator("#price").press("Tab")
            with page.expect_download():
                page.locator("#save").click()
            page.locator("#upload").click()
            page.locator("#commit").wait_for()
        shot(name)
        if name == "offer":
            for summary in page.locator("summary").all():
                summary.click()
            page.fill("#advice-cost", "60")
            shot("offer-unfolded")
    page.locator("#commit").click()
    page.locator("#step-commit a").wait_for()
    page.evaluate("location.hash = '#/bids'")
    page.locator(".card").first.wait_for()
    # What a winner of the first auction sees, beside the bid that was made here.
    page.set_input_files("#load", sorted((market.folder / "ada" / "bids").rglob("*.json")))
    page.locator(".card").nth(1).wait_for()
    shot("bids")
    someone.context.close()


def main() -> None:
    """Write the pictures into the folder that is named, or `.build/screenshots`."""
    if CHROMIUM is None:
        sys.exit("there is no Chromium on this machine; on Debian: apt-get install chromium")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    anvil = Anvil()
    try:
        with tempfile.TemporaryDirectory() as scratch, sync_playwright() as driver:
            market = _market(anvil, Path(scratch))
            served = Served(market, score=quality_of)
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for form in FORMS:
                _visit(browser, served, market, form, folder)
            browser.close()
            served.close()
    finally:
        anvil.close()
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")


if __name__ == "__main__":
    main()
