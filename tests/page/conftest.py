"""A market, the page on it, and a browser; skipped with a word where there is no browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.page.browser import CHROMIUM, Person, Served
from tests.support.market import signer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from playwright.sync_api import Browser, Playwright

    from tests.support.market import Market


# Not for the session: while it is there, its loop runs in this thread, and tests elsewhere could
# not use `asyncio.run`.
@pytest.fixture(scope="package")
def driver() -> Iterator[Playwright]:
    """What drives browsers, for all tests of the page."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def browser(driver: Playwright) -> Iterator[Browser]:
    """Chromium, once for all tests of the page."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine; on Debian: apt-get install chromium")
    started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield started
    started.close()


@pytest.fixture
def served(market: Market) -> Iterator[Served]:
    page = Served(market)
    yield page
    page.close()


PEOPLE = pytest.StashKey[list[Person]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where a test fails, say what its people saw."""
    report = yield
    if call.when == "call" and report.failed:
        for number, someone in enumerate(item.stash.get(PEOPLE, [])):
            report.sections.append((f"What person {number} saw", someone.seen()))
    return report


@pytest.fixture
def person(
    request: pytest.FixtureRequest, browser: Browser, served: Served, market: Market
) -> Iterator[Callable[..., Person]]:
    """Makes people; each has one wallet of its name unless told otherwise."""
    made = request.node.stash.setdefault(PEOPLE, [])

    def make(name: str, **wallets: str) -> Person:
        market.sender(name)  # Gives it ether.
        someone = Person(
            browser, served.url, market, **(wallets or {"wallet": signer(name).address})
        )
        someone.signers = {signer(each).address: signer(each) for each in (name, *wallets)}
        made.append(someone)
        return someone

    yield make
    for someone in made:
        someone.close()
