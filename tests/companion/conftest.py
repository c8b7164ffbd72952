"""One node and one deployment for all tests; what a test does is undone."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import pytest

from oracles.evidence import DirectoryStore
from tests.companion.world import World
from tests.support.anvil import Anvil
from tests.support.market import Market

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def deployed_market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """A market on a node of its own."""
    node = Anvil()
    yield Market(node, tmp_path_factory.mktemp("market"))
    node.close()


@pytest.fixture
def world(deployed_market: Market, tmp_path: Path) -> Iterator[World]:
    """The market with people who have nothing yet."""
    market = copy(deployed_market)
    market.folder, market.store = tmp_path, DirectoryStore(tmp_path / "store")
    with market.anvil.rollback():
        yield World(market)
    # The node keeps this one over a rollback.
    market.anvil.rpc("anvil_setNextBlockBaseFeePerGas", "0x0")
