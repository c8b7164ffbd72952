"""The page for those who do not see it, or see it otherwise; and in browsers without room."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from oracles.dataset import EncryptionKey
from oracles.market.buyer import Buyer
from tests.page.test_life import documents
from tests.page.test_provider import choose

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.page.browser import Person
    from tests.support.market import Market

VIEWS = ("", "auction/1", "bids", "buy", "buy/1", "create", "offer/1", "relay")


@pytest.fixture
def auction(market: Market) -> int:
    buyer = Buyer(market.sender("buyer"), market.deployment)
    return buyer.create(market.terms(), EncryptionKey.generate())


def unnamed(someone: Person) -> list[tuple[str, str]]:
    """What can be focused and has no name, or no role, in the browser's accessibility tree."""
    session = someone.context.new_cdp_session(someone.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    found = []
    for node in nodes:
        properties = {
            each["name"]: each["value"].get("value") for each in node.get("properties", ())
        }
        if node.get("ignored") or not properties.get("focusable"):
            continue
        role, name = node["role"]["value"], node.get("name", {}).get("value", "")
        if role in ("RootWebArea", "main"):
            continue
        if not name.strip() or role in ("generic", "none", "unknown"):
            found.append((role, name))
    return found


def focused(someone: Person) -> str:
    return str(someone.page.evaluate("document.activeElement.innerText ?? ''"))


def test_views__by_their_accessibility_tree__name_every_control_and_take_the_focus(
    auction: int, person: Callable[..., Person], tmp_path: Path
) -> None:
    someone = person("buyer").go("").connect()
    page = someone.page
    for view in VIEWS:
        someone.see(view)
        page.locator(".busy").wait_for(state="detached")
        heading = page.locator("h1")
        assert unnamed(someone) == [], view
        if view:
            assert focused(someone) == heading.inner_text(), view
        assert page.title() == f"{heading.inner_text()} – Q-MIA"
        assert page.locator("h1").count() == 1
    someone.see(f"offer/{auction}")
    page.set_input_files("#files", documents(tmp_path))
    page.locator("#packed").wait_for()
    for summary in page.locator("summary").all():
        summary.click()
    assert unnamed(someone) == []
    # The focus is not lost where the button that was pressed goes away with its view.
    page.locator("#language").select_option("de")
    page.get_by_role("heading", name="Daten in Auktion 1 anbieten").wait_for()
    assert page.evaluate("document.activeElement.id") == "language"


DENIED = """Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("denied", "SecurityError"); },
});"""
#: All that a browser keeps for a page in texts.
FULL = """() => {
  let size = 1 << 22;
  while (size) {
    try { localStorage.setItem(`full.${size}.${localStorage.length}`, "x".repeat(size)); }
    catch { size >>= 1; }
  }
}"""

#: Names of the files that it keeps.
KEPT = """async () => {
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("archives");
  const names = [];
  for await (const name of folder.keys()) names.push(name);
  return names;
}"""


def test_browser__that_keeps_nothing__still_shows_auctions_and_says_why_no_bid_is_made(
    auction: int, person: Callable[..., Person]
) -> None:
    someone = person("page")
    someone.page.add_init_script(DENIED)
    someone.go().page.get_by_role("link", name=f"Auction {auction}").wait_for()
    someone.go(f"offer/{auction}")
    someone.page.get_by_role("alert").filter(has_text="site data are blocked").wait_for()
    assert someone.page.locator("#files").count() == 0


def test_offer__where_the_browser_has_no_room__hands_the_files_out_and_loses_no_secret(
    auction: int, person: Callable[..., Person], tmp_path: Path
) -> None:
    someone = person("page").go(f"offer/{auction}").connect()
    page = someone.page
    page.evaluate(FULL)
    session = someone.context.new_cdp_session(page)
    origin = page.evaluate("location.origin")
    session.send("Storage.overrideQuotaForOrigin", {"origin": origin, "quotaSize": 60_000})
    page.set_input_files("#files", documents(tmp_path))
    page.locator("#packed").wait_for()
    page.fill("#price", "60")
    page.locator("#price").press("Tab")
    someone.button("Save the secrets").click()
    page.get_by_role("alert").filter(has_text="its storage is full").wait_for()
    assert page.locator("#step-publish").count() == 0  # Nothing goes on without them.

    page.evaluate("localStorage.clear()")
    record = json.loads(someone.saved("Save the secrets").path().read_text())
    page.get_by_text("no room for the encrypted files").wait_for()
    for name in ("archive", "manifest"):
        file = someone.saved(f"Download {record[name]}")
        assert file.suggested_filename == record[name]
        assert file.path().stat().st_size > 0
    # No empty file of its name is taken for the whole one later.
    assert record["archive"] not in page.evaluate(KEPT)
    someone.button("Upload to this site").click()
    someone.button("Commit to this bid").wait_for()


def test_sample__of_a_browser_that_has_lost_its_files__is_opened_from_those_of_the_site(
    market: Market, auction: int, person: Callable[..., Person]
) -> None:
    provider = market.provider("page")
    provider.commit(provider.prepare(auction, market.data("page"), 60_000_000))
    market.jump(market.deployment.auction(market.web3).phases(auction)[1].open_start)
    someone = person("page").go("bids").connect()
    someone.page.set_input_files("#load", next((market.folder / "page" / "bids").rglob("*.json")))
    someone.button("Open the sample").click()
    someone.button("Upload to this site").click()
    someone.page.locator('[data-step="wait-reveal"]').wait_for()


def test_offer__where_the_site_is_gone__says_so_and_goes_on_when_it_is_back(
    auction: int, person: Callable[..., Person], tmp_path: Path
) -> None:
    someone = person("page").go(f"offer/{auction}").connect()
    page = someone.page
    page.route("**/worker.js", lambda route: route.abort())
    page.set_input_files("#files", documents(tmp_path))
    page.get_by_role("alert").filter(has_text="This site does not answer").wait_for()
    page.unroute("**/worker.js")
    choose(page, "#files", documents(tmp_path))
    page.locator("#packed").wait_for()
    page.fill("#price", "60")
    page.locator("#price").press("Tab")
    someone.saved("Save the secrets")
    page.route("**/ipfs/*", lambda route: route.abort())
    someone.button("Upload to this site").click()
    page.get_by_role("alert").filter(has_text="This site does not answer").wait_for()
    page.unroute("**/ipfs/*")
    someone.button("Upload to this site").click()
    someone.button("Commit to this bid").wait_for()
