"""Companions in the market that all tests share; what a test does is undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.companion.world import World

if TYPE_CHECKING:
    from tests.support.market import Market


@pytest.fixture
def world(market: Market) -> World:
    """The market with people who have nothing yet."""
    return World(market)
