"""Auctions by strangers, made to keep operators from serving others."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest
from eth_utils.crypto import keccak
from oracles.chain.codec import DataSet

from tests.operator.network import DURATIONS, Network
from tests.operator.scorer import SLOW
from tests.operator.test_faults import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    made = Network(tmp_path, operators=1, threshold=1)
    yield made
    made.close()


def long_auction(network: Network, data_set: DataSet | None = None) -> int:
    """One whose commit window is months long; its only data set is scored for ever, or nowhere."""
    auction = network.create(replace(DURATIONS, score_commit=4_000_000))
    if data_set is None:
        network.commit(auction, 9, [SLOW])
    else:
        network.commit_data_set(auction, network.sender(9), data_set, bytes(32))
    network.mine(network.auctions.phases(auction).commit_end)
    return auction


def test_unserved_data__in_an_auction_that_waits_for_months__holds_up_no_other(
    network: Network,
) -> None:
    (daemon,) = network.daemons
    for _ in range(5):
        long_auction(network, DataSet(keccak(text="nowhere"), bytes(32), 5))
    daemon.start()
    network.until(lambda: daemon.events("data missing"), "a vain attempt", step=False)
    auction, _ = network.auction()
    assert all(score.eligible for score in network.score(auction))
    network.check(auction)


def test_endless_scoring__of_a_less_urgent_auction__gives_way_and_goes_on_afterwards(
    network: Network,
) -> None:
    (daemon,) = network.daemons
    endless = long_auction(network)
    daemon.start()

    def started(auction: int) -> int:
        begun = daemon.events("scoring started")
        return sum(line["job"] == f"score:{auction}:1:0" for line in begun)

    network.until(lambda: started(endless), "scoring", step=False)
    auction, _ = network.auction()
    assert all(score.eligible for score in network.score(auction))
    network.until(lambda: started(endless) == 2, "scoring again", step=False)


def test_auction_ends__while_it_is_scored__the_next_is_scored(network: Network) -> None:
    (daemon,) = network.daemons
    port = free_port()
    text = daemon.config.read_text().replace('"127.0.0.1:0"', f'"127.0.0.1:{port}"')
    daemon.config.write_text(text)
    short = network.create(replace(DURATIONS, score_commit=600, score_open=600, score_post=600))
    network.commit(short, 9, [SLOW])
    network.mine(network.auctions.phases(short).commit_end)
    daemon.start()
    network.until(lambda: daemon.events("scoring started"), "scoring", step=False)
    network.mine(network.windows(short).end)
    network.until(lambda: network.events("Aborted"), "the abort")
    network.until(lambda: daemon.events("scoring stopped"), "the end of the job")
    auction, _ = network.auction()
    assert all(score.eligible for score in network.score(auction))
    ready = f"http://127.0.0.1:{port}/readyz"
    network.until(lambda: httpx.get(ready).status_code == 200, "readiness")


def test_readiness__scoring_is_due_and_cannot_be_done__is_false_and_says_so(
    network: Network,
) -> None:
    (daemon,) = network.daemons
    port = free_port()
    text = daemon.config.read_text().replace('"127.0.0.1:0"', f'"127.0.0.1:{port}"')
    # Another metric than the auction's.
    daemon.config.write_text(
        re.sub(r"^scoring.fetch", "scoring.q_min = 5\nscoring.fetch", text, flags=re.M)
    )
    daemon.start()
    auction, _ = network.auction(1)

    def said() -> str:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/readyz").text
        except httpx.HTTPError:
            return ""

    expected = f"auction {auction}, round 1: due to be scored, and nothing works on it"
    network.until(lambda: expected in said(), "the complaint", step=False)
