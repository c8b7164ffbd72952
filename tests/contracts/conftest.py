"""What most tests of the contracts start from, besides `protocol` of tests/conftest.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.auction import Protocol
from tests.support.revm import Revm

if TYPE_CHECKING:
    from tests.support.anvil import Anvil


@pytest.fixture
def five(protocol: Protocol) -> Protocol:
    """Return the protocol with panels of five and of three, thresholds 3 and 3."""
    return Protocol(protocol.chain, first=5, appeal=3)


@pytest.fixture
def priced(request: pytest.FixtureRequest) -> Anvil | Revm:
    """Return a chain with a `base_fee`: a node, or revm where contracts are compiled for that."""
    chain: Anvil | Revm = Revm() if Revm.fee_account else request.getfixturevalue("anvil")
    return chain
