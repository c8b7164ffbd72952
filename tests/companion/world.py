"""A market whose providers have companions, in this process or as processes of their own."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from oracles.chain.events import read_events
from oracles.chain.state import load_auction
from oracles.chain.typed_events import Claimed, Delivered, Opened, Revealed
from oracles.companion.companion import Companion
from oracles.companion.settings import Settings, load
from oracles.dataset import EncryptionKey
from oracles.market.book import BidBook
from oracles.market.buyer import Buyer
from tests.support import forks
from tests.support.market import COSTS, ETHER, SCORES, Market, signer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from oracles.chain.packing import Score
    from oracles.chain.state import AuctionState
    from oracles.chain.terms import PhaseEnds

#: Cycles in which whatever is due on a node that mines at once must be done.
MOST_CYCLES = 200


class World:
    """A market, and whoever looks after bids in it."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.anvil, self.folder = market.anvil, market.folder
        self.web3 = self.market.web3
        self.deployment = self.folder / "deployment.json"
        self.market.deployment.save(self.deployment)
        self.buyer = Buyer(self.market.sender("buyer"), self.market.deployment)
        self.key = EncryptionKey.generate()
        self.auctions = self.market.deployment.auction(self.web3)

    # AN AUCTION

    def create(self, **terms: object) -> int:
        return self.buyer.create(self.market.terms(**terms), self.key, bounty=ETHER)

    def commit(self, auction: int, *names: str) -> None:
        for name in names:
            provider = self.market.provider(name)
            provider.commit(provider.prepare(auction, self.market.data(name), COSTS[name]))

    def phases(self, auction: int) -> PhaseEnds:
        return self.auctions.phases(auction)[1]

    def view(self, auction: int) -> AuctionState:
        return load_auction(self.web3, self.market.deployment, auction)

    def jump(self, timestamp: int) -> None:
        self.market.jump(timestamp)

    def score(self, auction: int, scores: Sequence[Score] = SCORES) -> None:
        count = len(self.view(auction).commitments)
        self.market.score(auction, list(scores[:count]))

    # COMPANIONS

    def settings(self, name: str, **changes: Any) -> Settings:
        values: dict[str, Any] = {
            "rpc": [self.anvil.url],
            "deployment": self.deployment,
            "state": self.folder / name / "companion",
            "block": "latest",
            "poll_seconds": 0.1,
            "private_key": signer(name).account.key.hex(),
            "book": self.folder / name / "bids",
            "store": str(self.folder / "store"),
            "listen": "",
            "max_fee_gwei": 10_000,
            "replace_seconds": 3,
            "revenue_days": 0,
            "least_balance": 0,
            **changes,
        }
        return load(None, **values)

    def companion(self, name: str, **changes: Any) -> Companion:
        self.market.sender(name)  # has ether
        settings = self.settings(name, **changes)
        return Companion(settings, settings.signer())

    def toml(self, name: str, **changes: Any) -> Path:
        """The same settings in a file, for a process of its own."""
        self.market.sender(name)
        home = self.folder / name
        home.mkdir(parents=True, exist_ok=True)
        (home / "key").write_text(signer(name).account.key.hex())
        values: dict[str, Any] = {
            "rpc": [self.anvil.url],
            "deployment": str(self.deployment),
            "state": str(home / "companion"),
            "block": "latest",
            "poll_seconds": 0.5,
            "private_key_file": str(home / "key"),
            "book": str(home / "bids"),
            "store": str(self.folder / "store"),
            "listen": "",
            "max_fee_gwei": 10_000,
            "replace_seconds": 3,
            "revenue_days": 0.00001,
            "least_balance": 0,
            **changes,
        }
        path = home / "companion.toml"
        path.write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in values.items()))
        return path

    def rest(self, *companions: Companion) -> None:
        """Let companions turn until all is done that is due, or fails."""
        for companion in companions:
            for _ in range(MOST_CYCLES):
                companion.cycle()
                if not companion.busy:
                    break
                time.sleep(0.02)
            else:
                raise AssertionError(f"still busy: {companion.problems} {companion.undone}")

    def whole(self, auction: int, *companions: Companion, scores: Sequence[Score] = SCORES) -> None:
        """Pass through an auction whose bids are committed, resting at the start of each phase."""
        self.jump(self.phases(auction).open_start)
        self.rest(*companions)
        self.score(auction, scores)
        self.jump(self.phases(auction).reveal_start)
        self.rest(*companions)
        self.jump(self.phases(auction).reveal_end)
        self.market.settler().settle(auction)
        self.rest(*companions)
        self.jump(self.phases(auction).fetch_end)
        self.rest(*companions)
        self.jump(self.phases(auction).dispute_end)
        self.rest(*companions)

    # WHAT HAPPENED

    def events(self, *kinds: type, auction: int) -> list[Any]:
        contracts = [
            self.market.deployment.address("DataAuction"),
            self.market.deployment.address("Exchange"),
        ]
        found = read_events(
            self.web3,
            contracts,
            self.market.deployment.block,
            self.web3.eth.block_number,
            kinds=kinds,
        )
        return [event.body for event in found if event.auction_id == auction]

    def counts(self, auction: int) -> dict[str, list[int]]:
        """By kind of event, the indices of bids, in order."""
        kinds = (Opened, Revealed, Delivered, Claimed)
        found: dict[str, list[int]] = {kind.__name__: [] for kind in kinds}
        for body in self.events(*kinds, auction=auction):
            found[type(body).__name__].append(body.index)
        return {name: sorted(indices) for name, indices in found.items()}

    def reverted(self, *names: str, since: int = 0) -> list[str]:
        """Transactions of these people, from a block on, that were mined and did nothing."""
        senders = {signer(name).address for name in names}
        found = []
        first = max(since, self.market.deployment.block)
        for number in range(first, self.web3.eth.block_number + 1):
            for transaction in self.web3.eth.get_block(number, full_transactions=True)[
                "transactions"
            ]:
                if transaction["from"] in senders:  # type: ignore[index]
                    digest = transaction["hash"]  # type: ignore[index]
                    if self.web3.eth.get_transaction_receipt(digest)["status"] != 1:
                        found.append(digest.to_0x_hex())
        return found

    def book(self, name: str) -> BidBook:
        return BidBook(self.folder / name / "bids")


class Hook:
    """A webhook that keeps what it gets; `refuse` times it answers 500 first."""

    def __init__(self, refuse: int = 0) -> None:
        self.got: list[dict[str, Any]] = []
        self.refused = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                bad = outer.refused < refuse
                outer.refused += bad
                if not bad:
                    outer.got.append(body)
                self.send_response(500 if bad else 204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def keys(self) -> list[str]:
        return [body["key"] for body in self.got]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Process:
    """A companion in a process of its own, which can be told where to die."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.log = config.with_suffix(".log")
        self.orders = config.with_suffix(".kill")
        self.process: BaseProcess | None = None

    def start(self, *flags: str) -> None:
        words = ["provider", "run", *flags, "--config", str(self.config)]
        self.process = forks.start(words, self.log, {"QMIA_TEST_KILL": str(self.orders)})

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.is_alive()

    @property
    def code(self) -> int | None:
        return None if self.process is None else self.process.exitcode

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is tidied up."""
        if self.process is not None:
            self.process.kill()
            self.process.join()

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.end()

    def end(self) -> int:
        """Wait for its end; gives the exit code."""
        assert self.process is not None
        self.process.join(timeout=120)
        code = self.process.exitcode
        assert code is not None, self.log.read_text()
        return code

    def wait(self, text: str, seconds: float = 120) -> None:
        """Wait until the log has a text."""
        give_up = time.monotonic() + seconds
        while text not in self.log.read_text():
            assert time.monotonic() < give_up, self.log.read_text()
            assert self.alive, self.log.read_text()
            time.sleep(0.05)
