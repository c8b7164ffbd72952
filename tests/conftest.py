"""Fixtures shared by all tests: the two local chains of `tests.support`."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

# Imported where used: most tests need no chain.
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.anvil import Anvil
    from tests.support.auction import Protocol
    from tests.support.chain import Chain
    from tests.support.market import Market
    from tests.support.revm import Revm

# The same examples in every run, so that a failure is the change's; `--hypothesis-profile explore`
# looks for new ones.
settings.register_profile("fixed", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("fixed")


@pytest.fixture
def evm() -> Revm:
    """Return a new chain in this process."""
    from tests.support.revm import Revm

    return Revm()


@pytest.fixture(scope="session")
def deployed() -> Protocol:
    """Return the protocol: a first panel of three, one appeal operator; do not change its state."""
    from tests.support.auction import Protocol
    from tests.support.revm import Revm

    return Protocol(Revm())


@pytest.fixture
def protocol(deployed: Protocol) -> Iterator[Protocol]:
    """Return the protocol in this process; the test's effects are undone."""
    mine = copy(deployed)
    mine.funded = set(deployed.funded)
    with deployed.chain.rollback():
        yield mine


@pytest.fixture(scope="session")
def anvil_process() -> Iterator[Anvil]:
    """Start one anvil for the whole run."""
    from tests.support.anvil import Anvil

    node = Anvil()
    yield node
    node.close()


@pytest.fixture
def anvil(anvil_process: Anvil) -> Iterator[Anvil]:
    """Return the anvil of this run, as it was at its start; the test's effects are undone."""
    with anvil_process.rollback():
        yield anvil_process


@pytest.fixture(scope="session")
def deployed_market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """Deploy once for the whole run, on a node of its own; take `market` instead."""
    from tests.support.anvil import Anvil
    from tests.support.market import Market

    node = Anvil()
    yield Market(node, tmp_path_factory.mktemp("market"))
    node.close()


@pytest.fixture
def market(deployed_market: Market, tmp_path: Path) -> Iterator[Market]:
    """Return the market with an empty store; the test's effects on the chain are undone."""
    with deployed_market.rollback(tmp_path) as mine:
        yield mine


@pytest.fixture(params=["revm", "anvil"])
def chain(request: pytest.FixtureRequest) -> Chain:
    """Return either chain in turn: for tests that must pass on both."""
    either: Chain = request.getfixturevalue("evm" if request.param == "revm" else "anvil")
    return either
