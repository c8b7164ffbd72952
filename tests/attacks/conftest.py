"""Every attack starts from a fresh deployment with three operators."""

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
    """Return the protocol in a chain of its own; do not change its state."""
    return Protocol(Revm())


@pytest.fixture
def protocol(deployed: Protocol) -> Iterator[Protocol]:
    """Return the protocol; the test's effects are undone."""
    mine = copy(deployed)
    mine.funded = set(deployed.funded)
    with deployed.chain.rollback():
        yield mine
