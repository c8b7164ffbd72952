"""A buyer in a real browser who got another key than it bought, and pages that do not open."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from oracles.dataset import EncryptionKey
from oracles.evidence import DirectoryStore
from oracles.market.book import BidBook
from oracles.market.buyer import Buyer
from oracles.market.provider import Limits, Provider
from tests.market.test_market import deliver
from tests.support.market import COSTS, SCORES, WINDOW

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from oracles.evidence import Cid
    from oracles.evidence.store import Source
    from tests.page.browser import Person
    from tests.support.market import Market

ARCHIVE = bytes.fromhex("89514d49410d0a02")


class Spoiled(DirectoryStore):
    """Publishes archives with a wrong bit in the first page, which only its owner puts right."""

    def put(self, source: Source) -> Cid:
        content = source.read_bytes() if isinstance(source, Path) else source
        return super().put(_turned(content) if isinstance(content, bytes) else content)

    def open(self, cid: Cid, *, limit: int | None = None) -> BinaryIO:
        with super().open(cid, limit=limit) as file:
            return io.BytesIO(_turned(file.read()))

    def range(self, cid: Cid, offset: int, size: int) -> bytes:
        return _turned(self.path(cid).read_bytes())[offset : offset + size]


def _turned(content: bytes) -> bytes:
    if not content.startswith(ARCHIVE):
        return content
    return content[:20] + bytes([content[20] ^ 1]) + content[21:]


@pytest.mark.slow
def test_buyer__refutes_a_wrong_key_and_complains_of_a_page_in_the_page(
    market: Market, person: Callable[..., Person], tmp_path: Path
) -> None:
    buyer, key = Buyer(market.sender("buyer"), market.deployment), EncryptionKey.generate()
    auction = buyer.create(market.terms(), key)
    _, phases = market.deployment.auction(market.web3).phases(auction)
    liar = market.provider("liar")
    spoiler = Provider(
        market.sender("spoiler"),
        market.deployment,
        BidBook(market.folder / "spoiler" / "bids"),
        Spoiled(market.folder / "store"),
        Limits(window=WINDOW, exposed=1.0),
    )
    for provider, name in ((liar, "liar"), (spoiler, "spoiler")):
        provider.commit(provider.prepare(auction, market.data(name), COSTS["cheap"]))
    market.jump(phases.open_start)
    for provider in (liar, spoiler):
        provider.open(provider.bids(auction))
    market.score(auction, SCORES[:2])
    market.jump(phases.reveal_start)
    for provider in (liar, spoiler):
        provider.bids(auction).reveal()
    market.jump(phases.reveal_end)
    market.settler().settle(auction)
    market.jump(phases.fetch_end)
    deliver(market, auction, "liar", key, bytes(32))
    spoiler.bids(auction).deliver()
    market.jump(phases.deliver_end)

    file = tmp_path / "buyer.key"
    file.write_text(key.secret.hex())
    someone = person("buyer").go(f"buy/{auction}").connect()
    someone.page.set_input_files("#buyer-key", file)
    someone.page.locator('[data-open="0"]').click()
    someone.page.get_by_text("The key is not the one that was sold.").wait_for()
    someone.page.locator('[data-act="refute"]').click()
    someone.page.locator('[data-file="0"]').get_by_text("struck out").wait_for()
    someone.page.set_input_files("#buyer-key", file)
    someone.page.locator('[data-open="1"]').click()
    someone.page.get_by_text("1 pages do not open to what was sold.").wait_for()
    someone.page.locator('[data-act="complain"]').click()
    someone.page.get_by_text("Done: it is in block").wait_for()
    view = buyer.view(auction)
    assert view.struck_out == {0}
    assert set(view.complaints) == {1}
