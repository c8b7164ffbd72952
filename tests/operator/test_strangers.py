"""Auctions by strangers, made to keep operators from serving others."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.operator.network import DURATIONS, FEE, GWEI, Network, texts
from tests.operator.scorer import SLOW
from tests.operator.test_attacks import archive_of
from tests.operator.test_faults import free_port
from tests.support.middleman import Middleman

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    made = Network(tmp_path, operators=1, threshold=1)
    yield made
    made.close()


#: Weeks; longer ones are declined.
LONGEST = replace(DURATIONS, roll=2_000_000, score_commit=1_500_000)


def unserved(network: Network) -> int:
    """An auction with long windows, whose only data set was opened and is nowhere."""
    auction = network.create(LONGEST)
    provider = network.commit(auction, 9, texts(0))
    network.hide(archive_of(provider))
    network.open_all(auction, [provider])
    return auction


def endless(network: Network, **shorter: int) -> int:
    """An auction whose only data set is scored for ever."""
    auction = network.create(replace(LONGEST, **shorter))
    network.open_all(auction, [network.commit(auction, 9, [SLOW])])
    return auction


def started(network: Network, auction: int) -> int:
    """How often the scoring of an auction was begun."""
    begun = network.daemons[0].events("scoring started")
    return sum(line["job"] == f"score:{auction}:1:0" for line in begun)


def test_unserved_data__in_auctions_that_wait_for_weeks__holds_up_no_other(
    network: Network,
) -> None:
    (daemon,) = network.daemons
    for _ in range(5):
        unserved(network)
    daemon.start()
    network.until(lambda: daemon.events("data missing"), "a vain attempt", step=False)
    auction, providers = network.auction(1)
    # Five may be fetched for a long time, and four are at once.
    assert network.await_roll(auction) == {providers[0].index}
    assert all(score.present for score in network.score(auction))
    network.check(auction)


def test_endless_scoring__of_a_less_urgent_auction__gives_way_and_goes_on_afterwards(
    network: Network,
) -> None:
    (daemon,) = network.daemons
    daemon.start()
    long = endless(network, roll=6000)
    network.await_roll(long)
    network.until(lambda: started(network, long), "scoring", step=False)
    auction, _ = network.auction(1)
    assert all(score.present for score in network.score(auction))
    network.until(lambda: started(network, long) == 2, "scoring again", step=False)


def test_auction_ends__while_it_is_scored__the_next_is_scored(network: Network) -> None:
    (daemon,) = network.daemons
    port = free_port()
    text = daemon.config.read_text().replace('"127.0.0.1:0"', f'"127.0.0.1:{port}"')
    daemon.config.write_text(text)
    daemon.start()
    short = endless(network, roll=6000, score_commit=6000)
    network.await_roll(short)
    network.until(lambda: started(network, short), "scoring", step=False)
    network.mine(network.windows(short).end)
    network.until(lambda: network.events("Aborted"), "the abort")
    network.until(lambda: daemon.events("scoring stopped"), "the end of the job")
    auction, _ = network.auction(1)
    assert all(score.present for score in network.score(auction))
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
        re.sub(r"^scoring.metric", "scoring.q_min = 5\nscoring.metric", text, flags=re.M)
    )
    daemon.start()
    auction, _ = network.auction(1)
    network.await_roll(auction)

    def said() -> str:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/readyz").text
        except httpx.HTTPError:
            return ""

    expected = f"auction {auction}, round 1: due to be scored, and nothing works on it"
    network.until(lambda: expected in said(), "the complaint", step=False)


def test_auctions__created_without_end__cost_no_look_at_the_node_each(tmp_path: Path) -> None:
    """A stranger needs no bonds and no data for it, and loses no fee: gas alone."""
    network = Network(tmp_path, operators=1, threshold=1, **{"policy.least_fee": 0.05})
    (daemon,), between, flood = network.daemons, Middleman(network.node.url), 12
    text = daemon.config.read_text().replace(network.node.url, between.url)
    daemon.config.write_text(text)

    def cycle() -> None:
        """Mine a block, and wait until a cycle over it is over."""
        network.mine()
        seen = between.calls.count("eth_getLogs")
        network.until(
            lambda: between.calls.count("eth_getLogs") > seen + 1, "two cycles", step=False
        )

    try:
        for fee in (0, FEE // GWEI):  # Declined; and served, and given back where nobody bids.
            for _ in range(flood // 2):
                network.create(fee_gwei=fee)
        daemon.start()
        network.until(lambda: len(daemon.events("auction seen")) == flood, "a look", step=False)
        cycle()
        before = len(between.calls)
        cycle()
        assert between.calls[before:].count("eth_call") < flood // 2
        network.mine(network.state(flood).phases.settle_end)
        network.until(
            lambda: len(daemon.events("finished")) == flood // 2, "the end of those served"
        )
        assert not daemon.events("sent")

        # A promise is kept, whatever the policy becomes.
        auction, _ = network.auction(1)
        network.await_roll(auction)
        network.until(lambda: network.committed(auction), "the commitment", step=False)
        daemon.stop()
        daemon.config.write_text(text.replace("least_fee = 0.05", "least_fee = 5"))
        daemon.start()
        network.score(auction)
        assert daemon.events("auction seen")[-1]["declined"]
    finally:
        network.close()
        between.close()
