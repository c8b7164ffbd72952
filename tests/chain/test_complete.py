"""Nodes that leave logs out: every view is whole, or an error that says what is missing."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from oracles.audit.node import Node
from oracles.chain import complete, rpc
from oracles.chain.deployment import Deployment
from oracles.chain.events import topic_of
from oracles.chain.rpc import connect
from oracles.chain.state import load_auction
from oracles.chain.terms import AuctionId
from oracles.cli import main
from oracles.dataset import EncryptionKey
from oracles.errors import ChainError, GapError
from oracles.market.buyer import Buyer
from oracles.operator.journal import Journal
from oracles.service.chainview import ChainIndex
from tests.support.anvil import Anvil
from tests.support.market import COSTS, SCORES, Market
from tests.support.middleman import Middleman

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from web3 import Web3

    from oracles.chain.state import AuctionState
    from tests.support.middleman import Answer, Json

#: Events of the auction below whose loss the contracts' storage gives away.
COUNTED = (
    "AuctionCreated",
    "Committed",
    "RollCalled",
    "RollTallied",
    "VectorCommitted",
    "RoundCompleted",
    "Revealed",
    "Settled",
    "Delivered",
)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """An auction that is settled, with one key delivered, and a second one without bids."""
    anvil = Anvil()
    made = Market(anvil, tmp_path_factory.mktemp("market"))
    buyer = Buyer(made.sender("buyer"), made.deployment)
    auction = buyer.create(made.terms(), EncryptionKey.generate())
    for name, cost in COSTS.items():
        provider = made.provider(name)
        provider.commit(provider.prepare(auction, made.data(name), cost))
    made.open(auction, *COSTS)
    made.score(auction, SCORES)
    _, phases = made.deployment.auction(made.web3).phases(auction)
    made.jump(phases.reveal_start)
    for name in COSTS:
        made.provider(name).bids(auction).reveal()
    made.jump(phases.reveal_end)
    made.settler().settle(auction)
    made.jump(phases.fetch_end)
    made.provider("cheap").bids(auction).deliver()
    buyer.create(made.terms(), EncryptionKey.generate())
    yield made
    anvil.close()


@pytest.fixture
def between(market: Market) -> Iterator[Middleman]:
    proxy = Middleman(market.anvil.url)
    yield proxy
    proxy.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(complete, "PAUSES", (0.01, 0.01))
    monkeypatch.setattr("oracles.audit.node._PAUSE", 0.01)


def without(
    name: str, times: int | None = None
) -> Callable[[str, list[Any], Callable[[], Json]], Answer]:
    """Leave the logs of one kind out, always or a number of times."""
    answers = itertools.count()

    def hook(method: str, _: list[Any], forward: Callable[[], Json]) -> Answer:
        if method != "eth_getLogs":
            return None
        answer = forward()
        kept = [log for log in answer["result"] if log["topics"][0] != topic_of(name)]
        if len(kept) == len(answer["result"]) or (times is not None and next(answers) >= times):
            return answer
        return answer | {"result": kept}

    return hook


def reader(market: Market, *urls: str) -> Web3:
    return connect(urls, market.deployment.chain_id, patience=0.5)


def load(market: Market, *urls: str) -> AuctionState:
    return load_auction(reader(market, *urls), market.deployment, 1)


@pytest.mark.parametrize("name", COUNTED)
def test_load__node_leaves_logs_of_one_kind_out__is_said(
    market: Market, between: Middleman, name: str
) -> None:
    between.hook = without(name)
    with pytest.raises(GapError, match=r"node"):
        load(market, between.url)


def test_load__node_leaves_logs_out_at_first__is_asked_again(
    market: Market, between: Middleman
) -> None:
    between.hook = without("Revealed", times=1)
    assert load(market, between.url) == load(market, market.anvil.url)


@pytest.mark.parametrize("name", ["Committed", "Opened"])
def test_load__second_node_has_what_the_first_leaves_out__is_whole(
    market: Market, between: Middleman, name: str
) -> None:
    between.hook = without(name)
    seen = load(market, between.url, market.anvil.url)
    assert seen == load(market, market.anvil.url)
    assert all(each.opening for each in seen.commitments)


def test_load__second_node_is_dead_or_behind__does_not_matter(
    market: Market, between: Middleman
) -> None:
    between.hook = lambda *_: {"result": []}
    assert len(load(market, market.anvil.url, between.url).commitments) == 3
    assert len(load(market, market.anvil.url, "http://127.0.0.1:9").commitments) == 3


def test_load__no_such_auction__says_how_many_there_are(market: Market) -> None:
    with pytest.raises(ChainError, match=r"no auction 9 in 0x\w+, which has 2"):
        load_auction(reader(market, market.anvil.url), market.deployment, 9)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path, {"chain": "1"})
    yield made
    made.close()


def index(market: Market, between: Middleman, journal: Journal) -> ChainIndex:
    web3 = reader(market, between.url)
    return ChainIndex(web3, market.deployment, journal.logs, "latest")


def stands(chain: ChainIndex) -> AuctionState:
    head = chain.follow()
    found = chain.state(1)
    assert found is not None
    chain.check(found, head)
    return found


@pytest.mark.parametrize("name", ["AuctionCreated", "Committed", "VectorCommitted", "Opened"])
def test_index__logs_left_out_once__has_them_in_the_end(
    market: Market, between: Middleman, journal: Journal, name: str
) -> None:
    between.hook = without(name, times=1)
    chain = index(market, between, journal)
    for _ in range(3):
        try:
            stands(chain)
        except ChainError:
            continue
    assert stands(chain) == load(market, market.anvil.url)


@pytest.mark.parametrize("name", COUNTED)
def test_index__logs_left_out_for_ever__never_gives_a_state(
    market: Market, between: Middleman, journal: Journal, name: str
) -> None:
    between.hook = without(name)
    chain = index(market, between, journal)
    for _ in range(3):
        with pytest.raises(GapError):
            stands(chain)


def test_index__auction_is_left__is_looked_at_again_when_a_member_commits(
    market: Market, between: Middleman, journal: Journal
) -> None:
    between.hook = without("VectorCommitted", times=1)
    chain = index(market, between, journal)
    chain.follow()
    assert chain.auctions() == [1, 2]
    chain.leave(AuctionId(1))
    assert chain.auctions() == [2]
    chain.follow()  # Reads the same blocks again, and now there are commitments.
    assert chain.auctions() == [1, 2]
    chain.leave(AuctionId(1))
    chain.follow()
    assert chain.auctions() == [2]


@pytest.mark.parametrize("name", ["AuctionCreated", "Committed"])
def test_audit__node_leaves_logs_out__does_not_pass_and_says_what_there_must_be(
    market: Market, between: Middleman, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    between.hook = without(name)
    file = market.folder / "deployment.json"
    market.deployment.save(file)
    words = ["replay", "--rpc", between.url, "--deployment", str(file), "--block-tag", "latest"]
    with pytest.raises(SystemExit) as end:
        main(["audit", *words])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert market.deployment.address("DataAuction") in said
    assert "has 2 auctions" in said if name == "AuctionCreated" else "has 3 bids" in said
    assert "at block" in said


@pytest.mark.parametrize("name", ["Committed", "Revealed", "Opened", "FeesPaid"])
def test_audit__cache_with_a_gap__is_read_again(
    market: Market, between: Middleman, tmp_path: Path, name: str
) -> None:
    market.deployment.save(tmp_path / "deployment.json")
    cache = tmp_path / "cache.db"
    words = ["replay", "--rpc", between.url, "--cache", str(cache), "--block-tag", "latest"]
    words += ["--deployment", str(tmp_path / "deployment.json")]
    between.hook = without(name, times=1)
    for _ in range(2):
        with pytest.raises(SystemExit) as end:
            main(["audit", *words])
    assert end.value.code == 0
    source = Node(market.web3, Deployment.load(tmp_path / "deployment.json"), block_tag="latest")
    kept = Node(market.web3, source.header.deployment, cache=cache, block_tag="latest")
    assert list(kept.records()) == list(source.records())


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((503, b"busy"), 2),
        ({"error": {"code": -32000, "message": "missing trie node 12ab (path )"}}, 0),
        ({"error": {"code": -32000, "message": "historical state 12ab is not available"}}, 0),
        ({"error": {"code": -32602, "message": "distance to target block exceeds maximum proof"
                    " window"}}, 0),
    ],
)  # fmt: skip
def test_audit__node_gives_no_balances__passes_only_where_it_keeps_none_and_says_so(
    market: Market,
    between: Middleman,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: Any,
    code: int,
) -> None:
    monkeypatch.setattr("oracles.audit.node._PAUSE", 0.001)
    for waits in (rpc.connect, rpc.FallbackProvider.__init__):
        monkeypatch.setitem(waits.__kwdefaults__, "patience", 0.1)
    market.deployment.save(tmp_path / "deployment.json")
    between.hook = lambda method, *_: answer if method == "eth_getBalance" else None
    words = ["replay", "--rpc", between.url, "--block-tag", "latest"]
    with pytest.raises(SystemExit) as end:
        main(["audit", *words, "--deployment", str(tmp_path / "deployment.json")])
    out, err = capsys.readouterr()
    assert end.value.code == code
    assert "503" in err if code else "Nobody has compared" in " ".join(out.split())
