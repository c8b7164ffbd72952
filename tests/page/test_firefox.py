"""The page in Firefox as Debian has it, driven by WebDriver BiDi: it reads an auction and packs."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from websockets.sync.client import connect

from oracles.dataset import EncryptionKey, pack
from oracles.market.buyer import Buyer
from tests.page.test_life import documents
from tests.support.market import signer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.page.browser import Served
    from tests.support.market import Market

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
PATIENCE = 120.0
#: A wallet of one account, which asks the site's node and signs nothing.
WALLET = """() => {
  const request = async ({ method, params }) => {
    if (/^eth_(requestA|a)ccounts$/.test(method)) return ["ACCOUNT"];
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: params ?? [] });
    const { result, error } = await (await fetch("rpc", { method: "POST", body })).json();
    if (error) throw Object.assign(new Error(error.message), error);
    return result;
  };
  const info = { uuid: "1", name: "wallet", icon: "data:,", rdns: "test.wallet" };
  const detail = Object.freeze({ info, provider: { request } });
  const announce = () =>
    window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
  window.addEventListener("eip6963:requestProvider", announce);
}"""


class Firefox:
    """One window. Playwright of today asks for commands that this Firefox does not have."""

    def __init__(self, profile: Path) -> None:
        assert FIREFOX is not None
        self._log = profile / "log"
        command = [FIREFOX, "--headless", "--remote-debugging-port=0", "--profile", str(profile)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        address = self.until(lambda: re.search(r"BiDi listening on (\S+)", self._log.read_text()))
        self._socket = connect(f"{address[1]}/session", max_size=None)
        self._numbers = itertools.count(1)
        self.said: list[str] = []
        self.ask("session.new", capabilities={})
        self.ask("session.subscribe", events=["log.entryAdded"])
        self._window = self.ask("browsingContext.getTree")["contexts"][0]["context"]

    def until(self, condition: Any) -> Any:
        give_up = time.monotonic() + PATIENCE
        while not (found := condition()):
            assert time.monotonic() < give_up, self._log.read_text()
            time.sleep(0.1)
        return found

    def ask(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (heard := json.loads(self._socket.recv(PATIENCE))).get("id") != number:
            if heard.get("method") == "log.entryAdded":
                self.said.append(f"{heard['params']['level']}: {heard['params']['text']}")
        assert heard["type"] == "success", heard
        return heard["result"]

    def before(self, script: str) -> None:
        """Run a function in every page before its own scripts."""
        self.ask("script.addPreloadScript", functionDeclaration=script)

    def go(self, url: str) -> None:
        self.ask("browsingContext.navigate", context=self._window, url=url, wait="complete")

    def value(self, expression: str) -> Any:
        """Of an expression in the page: a text, a number, or an element to name in a command."""
        answer = self.ask(
            "script.evaluate",
            expression=expression,
            target={"context": self._window},
            awaitPromise=True,
        )
        found = answer["result"]
        return {"sharedId": found["sharedId"]} if "sharedId" in found else found.get("value")

    def wait(self, selector: str) -> str:
        """The text of an element, once it is there."""
        text: str = self.until(
            lambda: self.value(f"document.querySelector('{selector}')?.innerText")
        )
        return text

    def choose(self, selector: str, file: Path) -> None:
        element = self.value(f"document.querySelector('{selector}')")
        self.ask("input.setFiles", context=self._window, element=element, files=[str(file)])

    def close(self) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait()


@pytest.fixture
def firefox(tmp_path: Path) -> Iterator[Firefox]:
    if FIREFOX is None:
        pytest.skip("there is no Firefox on this machine; on Debian: apt-get install firefox-esr")
    profile = tmp_path / "profile"
    profile.mkdir()
    started = Firefox(profile)
    yield started
    started.close()


@pytest.mark.slow
def test_firefox__reads_an_auction_and_packs_as_the_tools_do__without_an_error(
    firefox: Firefox, market: Market, served: Served, tmp_path: Path
) -> None:
    buyer = Buyer(market.sender("buyer"), market.deployment)
    auction = buyer.create(market.terms(), EncryptionKey.generate())
    firefox.before(WALLET.replace("ACCOUNT", signer("page").address))
    firefox.go(f"{served.url}#/auction/{auction}")
    assert firefox.wait("h1") == f"Auction {auction}"
    assert "600 LUSD" in firefox.wait("main")

    firefox.value(f"location.hash = '/offer/{auction}'")
    firefox.wait(".wallets button")
    firefox.value("document.querySelector('.wallets button').click()")
    firefox.wait(".account")
    firefox.until(lambda: firefox.value("document.querySelectorAll('#files').length"))
    file = documents(tmp_path)
    firefox.choose("#files", file)
    packed = firefox.wait("#packed")
    pages = pack(file, tmp_path / "archive").contents.pages
    assert packed.startswith("12 documents, ")
    assert f"; {pages} pages, " in packed
    assert firefox.said == []
