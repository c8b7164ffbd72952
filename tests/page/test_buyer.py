"""A buyer in a real browser: from the form to the revenue, and what a stranger sees of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from oracles.dataset import encode_document, read_documents
from oracles.market.buyer import Buyer
from tests.page.browser import REJECTED
from tests.support.market import COSTS, SCORES, WINDOW, signer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Locator

    from tests.page.browser import Person
    from tests.support.market import Market

PHASES = (
    *("commit", "open", "roll", "scoreCommit", "scoreOpen", "scorePost"),
    *("reveal", "settle", "fetch", "deliver", "dispute"),
)


def fill(someone: Person, market: Market) -> None:
    """The form, with the terms that the tests' market has."""
    page = someone.go("create").connect().page
    page.locator("#in-token").wait_for()
    terms = market.terms()
    texts = {
        "token": market.token.address,
        "budget": "600",
        "metricVersion": "0x" + terms.scoring.metric_version.hex(),
        "evaluation": "0x" + terms.scoring.evaluation.hex(),
        "samples": "2",
        **dict.fromkeys(PHASES, f"{WINDOW} s"),
    }
    for name, text in texts.items():
        page.fill(f"#in-{name}", text)
    page.locator("#in-dispute").press("Tab")
    page.locator("svg").wait_for()


def act(someone: Person, name: str) -> Locator:
    return someone.page.locator(f'[data-act="{name}"]')


@pytest.mark.slow
def test_buyer__creates_settles_decrypts_and_pays_in_the_page__and_a_stranger_sees_it(
    market: Market, person: Callable[..., Person], tmp_path: Path
) -> None:
    someone = person("buyer")
    fill(someone, market)
    someone.button("Create the auction").click()
    someone.page.get_by_text("Make or choose your key first.").wait_for()
    key = tmp_path / "buyer.key"
    someone.saved("Make a key and save it").save_as(key)
    someone.instead["eth_sendTransaction"] = REJECTED
    someone.button("Create the auction").click()
    someone.page.get_by_text("You refused this in your wallet").wait_for()
    someone.instead.clear()
    someone.button("Create the auction").click()
    someone.page.get_by_text("The auction is open:").wait_for()

    auction = 1
    contract = market.deployment.auction(market.web3)
    _, phases = contract.phases(auction)
    providers = [market.provider(name) for name in ("one", "two")]
    for provider, name, cost in zip(providers, ("one", "two"), ("cheap", "fair"), strict=True):
        provider.commit(provider.prepare(auction, market.data(name), COSTS[cost]))
    market.open(auction, "one", "two")
    market.score(auction, SCORES[:2])
    market.jump(phases.reveal_start)
    for provider in providers:
        provider.bids(auction).reveal()
    market.jump(phases.reveal_end)
    someone.go(f"buy/{auction}").connect()
    act(someone, "settle").click()
    someone.page.locator('[data-next="fetch"]').wait_for()
    someone.page.route("**/ipfs/**", lambda route: route.abort())
    act(someone, "look").click()
    someone.page.get_by_text("This site does not answer").wait_for()
    assert not act(someone, "name").is_visible()  # Nobody pays to report a lost connection.
    someone.page.unroute("**/ipfs/**")
    act(someone, "look").click()
    someone.page.get_by_text("here, as committed").nth(1).wait_for()

    market.jump(phases.fetch_end)
    providers[0].bids(auction).deliver()  # The other one stays silent.
    market.jump(phases.deliver_end)
    someone.go(f"buy/{auction}").connect()
    other = tmp_path / "other.key"
    other.write_text("11" * 32)
    someone.page.set_input_files("#buyer-key", other)
    someone.page.get_by_text("This is another key").wait_for()
    someone.page.set_input_files("#buyer-key", key)
    lines = someone.saved("Decrypt and save").path().read_bytes()
    expected = [encode_document(each) for each in read_documents(market.data("one"))]
    assert lines == b"".join(each + b"\n" for each in expected)
    act(someone, "forfeit").click()
    act(someone, "forfeit").wait_for(state="detached")

    market.jump(phases.dispute_end)
    before = market.token.balance_of(signer("buyer").address)
    someone.go(f"buy/{auction}").connect()
    act(someone, "refund").click()
    someone.page.locator('[data-next="done"]').wait_for()
    assert market.token.balance_of(signer("buyer").address) > before
    someone.page.fill("#revenue", "12.5")
    act(someone, "deposit").click()
    someone.page.get_by_text("Done: it is in block").wait_for()
    providers[0].bids(auction).claim()
    view = Buyer(market.sender("buyer"), market.deployment).view(auction)
    assert view.struck_out == {1}

    stranger = person("stranger", none="")
    stranger.go(f"auction/{auction}")
    stranger.page.locator('[data-checked="right"]').wait_for()
    events = json.loads(shown(stranger).read_text())["events"]
    assert events[0]["name"] == "AuctionCreated"
    assert {each["name"] for each in events} >= {"Delivered", "StruckOut", "Claimed"}
    stranger.go(f"account/{signer('one').address}")
    stranger.page.get_by_text("Data that it offered").wait_for()
    assert "LUSD" in stranger.page.locator("table").inner_text()


def shown(someone: Person) -> Path:
    someone.page.locator("summary").last.click()
    return someone.saved("Save as JSON").path()
