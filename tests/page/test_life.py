"""Whole auctions through a real browser, beside providers who use the Python client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from oracles.dataset import EncryptionKey, read_documents
from oracles.market.buyer import Buyer
from oracles.market.view import wins
from tests.support.market import COSTS, SCORES, UNIT, signer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.page.browser import Person
    from tests.support.market import Market


def documents(folder: Path) -> Path:
    path = folder / "notes.jsonl"
    lines = (
        json.dumps({"text": f"Note {n}: " + "a line of words. " * 900, "title": f"Nº {n}"})
        for n in range(12)
    )
    path.write_text("\n".join(lines))
    return path


def offer(someone: Person, auction: int, file: Path, price: str) -> dict[str, Any]:
    """From the files to the saved secrets; the bid is not sent yet."""
    someone.go(f"offer/{auction}").connect()
    someone.page.set_input_files("#files", file)
    someone.page.locator("#packed").wait_for()
    someone.page.fill("#price", price)
    someone.page.locator("#price").press("Tab")
    record: dict[str, Any] = json.loads(someone.saved("Save the secrets").path().read_text())
    someone.button("Upload to this site").click()
    someone.button("Commit to this bid").wait_for()
    return record


@pytest.mark.slow
def test_provider__sells_from_the_page_alone__beside_one_with_the_client(
    market: Market, person: Callable[..., Person], tmp_path: Path
) -> None:
    buyer, key = Buyer(market.sender("buyer"), market.deployment), EncryptionKey.generate()
    auction = buyer.create(market.terms(), key)
    _, phases = market.deployment.auction(market.web3).phases(auction)
    file = documents(tmp_path)
    someone = person("page")
    record = offer(someone, auction, file, "60")
    assert record["cost"] == str(60 * UNIT)
    assert "eth_sendTransaction" not in someone.asked
    someone.button("Commit to this bid").click()
    someone.page.get_by_text("Your bid is in.").wait_for()
    other = market.provider("python")
    other.commit(other.prepare(auction, market.data("python"), COSTS["cheap"]))

    market.open(auction, "python")
    someone.go("bids").connect()
    someone.button("Open the sample").click()
    someone.button("Upload to this site").click()
    someone.page.locator('[data-step="wait-reveal"]').wait_for()
    market.score(auction, SCORES[:2])
    market.jump(phases.reveal_start)
    other.bids(auction).reveal()
    someone.go("bids").connect().button("Reveal").click()
    someone.page.locator('[data-step="wait-settle"]').wait_for()
    market.jump(phases.reveal_end)
    market.settler().settle(auction)
    view = buyer.view(auction)
    assert [wins(view, index) for index in range(2)] == [True, True]

    market.jump(phases.fetch_end)
    other.bids(auction).deliver()
    someone.go("bids").connect().button("Hand over the key").click()
    someone.page.locator('[data-step="wait-claim"]').wait_for()
    received = [*buyer.receive(auction, key, market.store, market.folder / "received")]
    assert [each.problem for each in received] == ["", ""]
    assert received[0].path is not None
    assert list(read_documents(received[0].path)) == list(read_documents(file))

    market.jump(phases.dispute_end)
    someone.go("bids").connect().button("Claim").click()
    someone.page.locator('[data-step="done"]').wait_for()
    assert market.token.balance_of(signer("page").address) >= 60 * UNIT * 3 // 4

    buyer.deposit_revenue(auction, 8 * UNIT)
    before = market.token.balance_of(signer("page").address)
    someone.go("bids").connect().button("Collect the revenue").click()
    someone.page.get_by_text("0 LUSD of revenue wait for you").wait_for()
    assert market.token.balance_of(signer("page").address) > before

    someone.go(f"auction/{auction}")
    rows = someone.page.locator("table").nth(1).locator("tbody tr")
    rows.nth(1).wait_for()
    assert rows.count() == 2
    assert "60 LUSD" in rows.nth(0).inner_text()
    assert someone.page.locator("rect.bought").count() == 2
