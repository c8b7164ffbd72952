"""What most tests of the contracts start from, besides `protocol` of tests/conftest.py."""

from __future__ import annotations

import pytest

from tests.support.auction import Protocol


@pytest.fixture
def five(protocol: Protocol) -> Protocol:
    """Return the protocol with panels of five and of three, thresholds 3 and 3."""
    return Protocol(protocol.chain, first=5, appeal=3)
