"""One deployment a run; every test starts from it and leaves no trace."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import pytest

from tests.support.auction import Protocol
from tests.support.revm import Revm

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def deployed() -> Protocol:
    """Return the protocol with three operators, threshold 3 of 3; do not change its state."""
    return Protocol(Revm())


@pytest.fixture
def protocol(deployed: Protocol) -> Iterator[Protocol]:
    """Return the protocol in process; the test's effects are undone."""
    mine = copy(deployed)
    mine.funded = set(deployed.funded)
    with deployed.chain.rollback():
        yield mine


@pytest.fixture
def five(protocol: Protocol) -> Protocol:
    """Return the protocol with five operators, threshold 3."""
    return Protocol(protocol.chain, operators=5)
