"""A provider of the demonstration who has a browser and a wallet, and no terminal.

It does what the others do by the Python client, by clicking through the page as `qmia page serve`
serves it. Playwright wants one thread of its own, and the demonstration acts as many providers at
once, so every click is made in that thread.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Self, cast

from oracles.dataset import exposure
from oracles.evidence import DirectoryStore
from scripts import demo
from tests.page.browser import CHROMIUM, Person, Served

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack
    from pathlib import Path

    from oracles.chain.terms import AuctionId
    from oracles.market.provider import Provider
    from tests.support.market import Market

#: Who of the demonstration's providers it is.
NAME: Final = "foundry"
PATIENCE: Final = 120_000


class BrowserProvider:
    """Looks like `Provider` and its `Bids` to the demonstration.

    Args:
        stage: node, deployment and folder.
        number: of the account whose wallet the browser has.
    """

    def __init__(self, stage: demo.Stage, number: int) -> None:
        self._stage, self._number = stage, number
        self._thread = ThreadPoolExecutor(1, "browser")
        self._thread.submit(self._start).result()

    def _start(self) -> None:
        from playwright.sync_api import sync_playwright

        stage = self._stage
        market = SimpleNamespace(
            anvil=SimpleNamespace(url=stage.url),
            deployment=stage.deployment,
            store=DirectoryStore(stage.folder / "store"),
        )
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        self._served = Served(cast("Market", market))
        wallet = demo.account(self._number).address
        self._person = Person(
            self._browser, self._served.url, cast("Market", market), wallet=wallet
        )
        self._person.context.set_default_timeout(PATIENCE)

    def close(self) -> None:
        """End the browser; it fails if the page asked another host or an error was left."""
        self._thread.submit(self._end).result()
        self._thread.shutdown()

    def _end(self) -> None:
        self._served.close()
        self._person.close()
        self._browser.close()
        self._playwright.stop()

    def _do(self, action: Callable[[Person], Any]) -> Any:
        return self._thread.submit(action, self._person).result()

    # Provider

    def prepare(self, auction: AuctionId, source: Path, cost: int) -> SimpleNamespace:
        """Choose the file, name the price, save the secrets, publish."""

        def offer(person: Person) -> dict[str, Any]:
            person.go(f"offer/{auction}").connect()
            person.page.set_input_files("#files", source)
            person.page.locator("#packed").wait_for()
            person.page.fill("#price", str(cost // demo.UNIT))
            person.page.locator("#price").press("Tab")
            record: dict[str, Any] = json.loads(person.saved("Save the secrets").path().read_text())
            person.button("Upload to this site").click()
            person.button("Commit to this bid").wait_for()
            return record

        record = self._do(offer)
        return SimpleNamespace(exposed=exposure(record["size"], record["samples"]))

    def commit(self, prepared: SimpleNamespace) -> None:
        """Commit to what was prepared."""
        del prepared

        def click(person: Person) -> None:
            person.button("Commit to this bid").click()
            person.page.get_by_text("Your bid is in.").wait_for()

        self._do(click)

    def bids(self, auction: AuctionId) -> Self:
        """The page finds them by itself."""
        del auction
        return self

    def open(self, bids: object) -> None:
        """Open the sample to the operators."""
        del bids

        def click(person: Person) -> None:
            person.go("bids").connect()
            person.button("Open the sample").click()
            person.button("Upload to this site").click()
            person.page.locator('[data-step="wait-reveal"]').wait_for()

        self._do(click)

    # Bids

    def reveal(self) -> None:
        """Reveal the price."""
        self._step("Reveal", "wait-settle")

    def deliver(self) -> None:
        """Hand the key over."""
        self._step("Hand over the key", "wait-claim")

    def claim(self) -> None:
        """Claim cash, revenue shares and the bond."""
        self._step("Claim", "done")

    def _step(self, button: str, after: str) -> None:
        def click(person: Person) -> None:
            person.go("bids").connect()
            person.button(button).click()
            person.page.locator(f'[data-step="{after}"]').wait_for()

        self._do(click)


def through_the_browser(
    processes: ExitStack,
) -> Callable[[demo.Stage, str, int], Provider | None] | None:
    """Who goes through the browser, for `demo.sell`; None where no browser is installed.

    Args:
        processes: ends the browser.
    """
    if CHROMIUM is None:
        demo.step("no Chromium here: all providers use the command line")
        return None
    try:
        import playwright.sync_api  # noqa: F401 (only whether it is there)
    except ImportError:
        demo.step("Playwright is not installed: all providers use the command line")
        return None

    def seller(stage: demo.Stage, name: str, number: int) -> Provider | None:
        if name != NAME:
            return None
        provider = BrowserProvider(stage, number)
        processes.callback(provider.close)
        demo.step(f"the {name} has a wallet and no terminal: it goes through Chromium")
        return cast("Provider", provider)

    return seller
