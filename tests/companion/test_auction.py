"""Whole auctions on a node, in which companions do what is due."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from oracles.chain.auction import State
from oracles.chain.tokens import Dst, Mut
from oracles.chain.typed_events import BondReclaimed
from oracles.market.bids import match
from oracles.market.provider import publish_opening
from oracles.market.schedule import next_step
from oracles.market.share import Share, read_share, sign_delivery, sign_opening, write_share
from oracles.market.view import draw, member_keys
from tests.support.market import BOND, COSTS, ENTRY_FEE, SCORES, UNIT, signer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.companion.world import World


def test_auction__some_by_companion_some_by_command__each_thing_is_done_once(
    world: World,
) -> None:
    auction = world.create()
    world.commit(auction, *COSTS)
    cheap, fair = world.companion("cheap"), world.companion("fair")
    by_hand = world.market.provider("dear")
    world.rest(cheap, fair)
    assert world.counts(auction) == {"Opened": [], "Revealed": [], "Delivered": [], "Claimed": []}
    world.jump(world.phases(auction).open_start)
    by_hand.open(by_hand.bids(auction))
    world.rest(cheap, fair)
    world.score(auction)
    world.jump(world.phases(auction).reveal_start)
    # The same bid by both at once: whoever comes second finds nothing to do.
    world.market.provider("cheap").bids(auction).reveal()
    by_hand.bids(auction).reveal()
    world.rest(cheap, fair)
    world.jump(world.phases(auction).reveal_end)
    world.market.settler().settle(auction)
    world.jump(world.phases(auction).fetch_end)
    world.rest(cheap, fair)
    world.jump(world.phases(auction).dispute_end)
    world.rest(cheap, fair)
    by_hand.bids(auction).claim()
    assert world.counts(auction) == {
        "Opened": [0, 1, 2],
        "Revealed": [0, 1, 2],
        "Delivered": [0, 1],
        "Claimed": [0, 1, 2],
    }
    assert world.reverted(*COSTS) == []
    view = world.view(auction)
    for name, index in zip(COSTS, range(3), strict=True):
        (record,) = match(
            view, world.book(name).records(view_contract(world), auction), None
        ).placed
        assert record.place.index == index
        assert next_step(view, index, world.phases(auction).dispute_end).verb == "done"
    # Nothing more is due: a further look sends nothing.
    height = world.web3.eth.block_number
    world.rest(cheap, fair)
    assert world.web3.eth.block_number == height
    # Revenue is found when there is some.
    mut = Mut(world.web3, world.auctions.mut_token(auction))
    world.buyer.deposit_revenue(auction, 10 * UNIT)
    before = world.market.token.balance_of(signer("cheap").address)
    assert mut.revenue_of(signer("cheap").address) > 0
    world.rest(cheap)
    assert mut.revenue_of(signer("cheap").address) == 0
    assert world.market.token.balance_of(signer("cheap").address) > before
    # So are participation tokens, once anybody has had them counted; by either companion, once.
    dst = Dst(world.web3, world.market.deployment.dst_factory(world.web3).token_of(auction))
    world.market.count_dst(auction)
    world.rest(cheap, fair)
    for index, name in enumerate(("cheap", "fair")):
        assert dst.balance_of(signer(name).address) == dst.share_of(index) > 0
    height = world.web3.eth.block_number
    world.rest(cheap, fair)
    assert world.web3.eth.block_number == height
    assert cheap.problems == []
    cheap.close()
    fair.close()


def view_contract(world: World) -> str:
    return world.market.deployment.address("DataAuction")


def test_companion__starts_anew_in_every_phase__does_the_same(world: World) -> None:
    auction = world.create()
    world.commit(auction, "cheap", "fair")
    phases = world.phases(auction)

    def live(timestamp: int) -> None:
        world.jump(timestamp)
        for name in ("cheap", "fair"):
            companion = world.companion(name)
            world.rest(companion)
            companion.close()

    live(phases.open_start)
    world.score(auction)
    live(phases.reveal_start)
    world.jump(phases.reveal_end)
    world.market.settler().settle(auction)
    live(phases.fetch_end)
    live(phases.dispute_end)
    assert world.counts(auction) == {
        "Opened": [0, 1],
        "Revealed": [0, 1],
        "Delivered": [0, 1],
        "Claimed": [0, 1],
    }
    assert world.reverted("cheap", "fair") == []


def test_companion__a_stranger_copies_the_seal__serves_its_own_bid_alone(world: World) -> None:
    auction = world.create()
    world.commit(auction, "cheap")
    market, record = world.market, next(world.book("cheap").all())
    contract = market.deployment.auction(market.web3)
    copy = contract.commit(auction, record.sealed_bid, record.data_set, record.agreement)
    market.sender("thief").send(copy, value=BOND + ENTRY_FEE)
    companion = world.companion("cheap")
    world.jump(world.phases(auction).open_start)
    world.rest(companion)
    assert [*companion.problems, *companion.undone] == []
    world.whole(auction, companion, scores=[SCORES[0], SCORES[1]._replace(present=False)])
    companion.close()
    assert world.counts(auction) == {
        "Opened": [0],
        "Revealed": [0],
        "Delivered": [0],
        "Claimed": [0],
    }
    assert world.reverted("cheap") == []


def test_auction__without_scores__is_aborted_and_the_bond_comes_back(world: World) -> None:
    auction = world.create()
    world.commit(auction, "cheap")
    companion = world.companion("cheap")
    world.jump(world.phases(auction).open_start)
    world.rest(companion)
    end = world.view(auction).windows(1).end
    world.jump(end + 1)
    world.rest(companion)
    assert world.view(auction).state is State.OPEN  # Others have their time first.
    world.jump(end + 8000)
    world.rest(companion)
    world.rest(companion)
    assert world.view(auction).state is State.ABORTED
    assert [body.index for body in world.events(BondReclaimed, auction=auction)] == [0]
    companion.close()


def test_bid__withdrawn__its_bond_is_reclaimed(world: World) -> None:
    auction = world.create()
    world.commit(auction, "cheap", "fair")
    world.market.provider("cheap").bids(auction).withdraw()
    companion = world.companion("cheap")
    world.rest(companion)
    world.jump(world.phases(auction).open_start)
    world.rest(companion)
    assert [body.index for body in world.events(BondReclaimed, auction=auction)] == [0]
    assert world.counts(auction)["Opened"] == []
    companion.close()


def shared(world: World, auction: int, name: str, friend: str, **parts: bool) -> Path:
    """Give a friend what it needs for a provider's bid."""
    view = world.view(auction)
    records = world.book(name).records(view_contract(world), auction)
    (record,) = match(view, records, None).placed
    made = Share.of(record)
    if parts.get("opening"):
        keys = [*member_keys(world.web3, world.market.deployment, view).values()]
        sample_key = draw(world.web3, world.market.deployment, view)
        digest = publish_opening(world.market.store, record, sample_key, keys)
        opening = sign_opening(world.auctions.domain, signer(name), record, digest)
        made = replace(made, opening=opening)
    if parts.get("delivery"):
        exchange = world.market.deployment.exchange(world.web3)
        made = replace(made, delivery=sign_delivery(exchange, view, signer(name), record))
    folder = world.folder / friend / "shares"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{auction}-{record.index}.json"
    write_share(path, made)
    assert read_share(path) == made
    return folder


def test_friend__with_a_share__reveals_and_claims_and_no_more(world: World) -> None:
    auction = world.create()
    world.commit(auction, "cheap", "fair")
    folder = shared(world, auction, "cheap", "friend")
    text = next(folder.iterdir()).read_text()
    (record,) = world.book("cheap").records(view_contract(world), auction)
    assert record.data_key.hex() not in text
    friend = world.companion("friend", book=None, shares=folder)
    owner = world.companion("fair")
    world.jump(world.phases(auction).open_start)
    world.rest(friend, owner)
    assert world.counts(auction)["Opened"] == [1]
    world.market.provider("cheap").open(world.market.provider("cheap").bids(auction))
    world.score(auction)
    world.jump(world.phases(auction).reveal_start)
    world.rest(friend, owner)
    assert world.counts(auction)["Revealed"] == [0, 1]
    world.jump(world.phases(auction).reveal_end)
    world.market.settler().settle(auction)
    world.jump(world.phases(auction).fetch_end)
    world.rest(friend, owner)
    assert world.counts(auction)["Delivered"] == [1]
    world.market.provider("cheap").bids(auction).deliver()
    world.jump(world.phases(auction).dispute_end)
    world.rest(friend, owner)
    assert world.counts(auction)["Claimed"] == [0, 1]
    # Paid to the owner, whoever claims.
    assert world.market.token.balance_of(signer("cheap").address) > 0
    assert world.market.token.balance_of(signer("friend").address) == 0
    assert world.reverted("cheap", "fair", "friend") == []
    friend.close()
    owner.close()


def test_friend__with_signed_opening_and_delivery__does_everything(world: World) -> None:
    auction = world.create()
    world.commit(auction, "cheap", "fair")
    world.jump(world.phases(auction).open_start)
    folder = shared(world, auction, "cheap", "friend", opening=True, delivery=True)
    friend = world.companion("friend", book=None, shares=folder)
    owner = world.companion("fair")
    world.whole(auction, friend, owner)
    assert world.counts(auction) == {
        "Opened": [0, 1],
        "Revealed": [0, 1],
        "Delivered": [0, 1],
        "Claimed": [0, 1],
    }
    received = list(
        world.buyer.receive(auction, world.key, world.market.store, world.folder / "received")
    )
    assert [each.problem for each in received] == ["", ""]
    assert world.reverted("cheap", "fair", "friend") == []
    friend.close()
    owner.close()
