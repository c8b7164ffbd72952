"""A real browser with wallets that a test controls, on the page as `qmia page serve` serves it."""

from __future__ import annotations

import json
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import httpx
import uvicorn

from oracles.cli.page import PAGE
from oracles.dataset import read_documents
from oracles.site import site

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Download, Locator, Page

    from oracles.chain.signers import LocalSigner
    from tests.support.market import Market

    Answer = dict[str, Any] | Callable[[str, list[Any]], dict[str, Any]]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
#: A wallet's answer when the person says no.
REJECTED = {"error": {"code": 4001, "message": "User rejected the request."}}
#: Announces wallets as EIP-6963 asks for; what they are asked goes to the test.
SHIM = """
for (const [name, account] of WALLETS) {
  const provider = {
    request: async ({ method, params }) => {
      const given = JSON.stringify(params ?? []);
      const answer = JSON.parse(await window.__wallet(account, method, given));
      if (answer.error) throw Object.assign(new Error(answer.error.message), answer.error);
      return answer.result;
    },
    on(event, listener) { (listeners[event] ??= []).push(listener); },
    removeListener() {},
  };
  const listeners = {};
  (window.__emit ??= {})[name] = (event, value) => {
    for (const listener of listeners[event] ?? []) listener(value);
  };
  const detail = Object.freeze({
    info: { uuid: name, name, icon: "data:,", rdns: `test.${name}` }, provider,
  });
  const announce = () =>
    window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
  window.addEventListener("eip6963:requestProvider", announce);
  announce();
}
"""


def _scored(path: Path) -> dict[str, Any]:
    """In place of the tool, which takes seconds: a score that says how many documents it got."""
    count = len([*read_documents(path)])
    metrics = dict.fromkeys(("cleanliness", "diversity", "novelty", "metadata"), 5_000)
    return {"q": count, **metrics, "findings": [f"{count} documents"]}


def _text(page: Page) -> str:
    """What a page shows, or why that cannot be told."""
    try:
        return page.locator("body").inner_text(timeout=5_000)
    except Exception as error:  # Whatever it is, the failure of the test matters.
        return repr(error)


class Served:
    """The page, served on a free port by a thread."""

    def __init__(
        self,
        market: Market,
        folder: Path = PAGE,
        *,
        rpc: str = "",
        score: Callable[[Path], dict[str, Any]] | None = None,
    ) -> None:
        node = rpc or market.anvil.url
        app = site(folder, market.deployment, node, market.store, score=score or _scored)
        self._server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)


class Person:
    """One person with a browser profile and wallets.

    Attributes:
        asked: methods that the wallets were asked, in order.
        instead: what a wallet answers to a method (`{"error": …}`, `{"result": …}`, or a function
            of account and parameters that gives one), where it is not the node that answers.
        signers: keys of accounts, for typed messages.
        foreign: requests to other hosts than the page's.
    """

    def __init__(
        self,
        browser: Browser,
        url: str,
        market: Market,
        looks: dict[str, Any] | None = None,
        /,
        **wallets: str,
    ) -> None:
        self._url = url
        self._node = httpx.Client(base_url=market.anvil.url, timeout=30)
        self.asked: list[str] = []
        self.foreign: list[str] = []
        self.instead: dict[str, Answer] = {}
        self.signers: dict[str, LocalSigner] = {}
        self.context: BrowserContext = browser.new_context(
            **{"accept_downloads": True, "locale": "en-US", **(looks or {})}
        )
        self.context.set_default_timeout(60_000)  # A busy machine is no failure.
        self.context.expose_function("__wallet", self._wallet)
        names = [[name, account] for name, account in wallets.items()]
        self.context.add_init_script(SHIM.replace("WALLETS", json.dumps(names)))
        self.context.on("request", lambda request: self._note(request.url))
        self.page: Page = self.context.new_page()
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.console: list[str] = []
        self.context.on("console", lambda line: self.console.append(f"{line.type}: {line.text}"))

    def _note(self, url: str) -> None:
        if not url.startswith((self._url, "data:", "blob:")):
            self.foreign.append(url)

    def _wallet(self, account: str, method: str, params: str) -> str:
        given = json.loads(params)
        self.asked.append(method)
        if method in self.instead:
            answer = self.instead[method]
            return json.dumps(answer(account, given) if callable(answer) else answer)
        if method == "eth_signTypedData_v4":
            signature = self.signers[account].sign_typed(json.loads(given[1]))
            return json.dumps({"result": "0x" + signature.hex()})
        if method in ("eth_requestAccounts", "eth_accounts"):
            return json.dumps({"result": [account]})
        return json.dumps(self.ask(method, given))

    def ask(self, method: str, given: Any) -> dict[str, Any]:
        """The node's answer."""
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": given}
        answer: dict[str, Any] = self._node.post("", json=question).json()
        return answer

    def emit(self, wallet: str, event: str, value: object) -> None:
        """What a wallet tells the page by itself."""
        self.page.evaluate("([w, e, v]) => window.__emit[w](e, v)", [wallet, event, value])

    def go(self, view: str = "") -> Self:
        """Open a view in a page that is loaded anew."""
        self.page.goto("about:blank")
        self.page.goto(f"{self._url}#/{view}")
        return self

    def see(self, view: str = "") -> Self:
        """Open a view in the page as it is."""
        self.page.evaluate("(view) => { location.hash = `/${view}`; }", view)
        return self

    def connect(self, name: str = "wallet") -> Self:
        self.page.get_by_role("button", name=f"Connect {name}").click()
        self.page.locator(".account").wait_for()
        return self

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def saved(self, button: str) -> Download:
        """Click what saves a file, and return that file."""
        with self.page.expect_download() as download:
            self.button(button).click()
        return download.value

    def seen(self) -> str:
        """What a failed test needs to explain itself: the pages, their consoles, the wallets."""
        pages = [f"--- {page.url}\n{_text(page)}" for page in self.context.pages]
        rest = ["--- console", *self.console, "--- asked of wallets", ", ".join(self.asked)]
        return "\n".join([*pages, *rest])

    def close(self) -> None:
        self.context.close()
        self._node.close()
        assert not self.problems, self.problems
        assert not self.foreign, self.foreign
