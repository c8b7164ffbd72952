"""A second pass: the state that the logs give, against the contracts' own at one block.

Logs show what contracts said; storage shows what they hold. This also catches a node that leaves
logs out where no other log would show it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eth_utils.crypto import keccak

from oracles.audit import hashes
from oracles.audit.claims import dues
from oracles.chain.packing import PackedBid, Status, unpack_bid
from oracles.chain.tokens import Dst, Mut

if TYPE_CHECKING:
    from collections.abc import Callable

    from web3 import Web3

    from oracles.audit.auction import Auction, AuditedBid
    from oracles.audit.replay import Replay

#: Index, owner, payer, hash of the data set.
_Place = tuple[int, str, str, bytes]
#: Bids asked for at once.
_BIDS = 500
_PARTS = {"cash": Status.CASH_PAID, "mut": Status.MUT_PAID, "bond": Status.BOND_PAID}
_STRUCK = Status.OUT | Status.CASH_PAID | Status.MUT_PAID | Status.BOND_PAID


def check_storage(
    state: Replay, web3: Web3, *, progress: Callable[[int], Any] = lambda _: None
) -> None:
    """Compare everything at the last block of a replay; findings go to its checks.

    Raises:
        ChainError: the node does not answer, or no longer has that block's state.
    """
    checks, header = state.checks, state.header
    # By hash: after a reorganisation the node refuses instead of answering from another chain.
    block: Any = "0x" + header.to_hash.hex()
    contract = header.deployment.auction(web3)
    oracle = header.deployment.oracle(web3)
    where = f"storage at block {header.to_block}"
    with checks.at(None, where):
        for account, credit in list(state.oracle.operators.credit.items()):
            checks.equal("storage.credit", credit, oracle.credit_of(account, block=block))
        for number, agreed in state.oracle.operators.sets.items():
            held = oracle.set_of(number, block=block)
            checks.equal("storage.set", agreed.panels, (held.first, held.appeal))
            checks.equal("storage.set", agreed.standing, held.standing)
    for (consumer, number), feed in state.oracle.feeds.items():
        with checks.at(number if consumer == state.auctions.address else None, where):
            request = oracle.request(consumer, number, block=block)
            checks.equal("storage.standing", feed.standing, request.standing)
            for own, masks in zip(feed.rounds, request.rounds, strict=True):
                folded = (own.committed, own.published, own.complete, own.settled)
                checks.equal("storage.round", folded, tuple(masks))
    for number, auction in state.auctions.auctions.items():
        with checks.at(number, where):
            held_state, ends = contract.phases(number, block=block)
            checks.equal("storage.state", auction.state, held_state.name.lower())
            checks.equal("storage.phases", tuple(auction.ends), tuple(ends))
            count = contract.bid_count(number, block=block)
            checks.equal("storage.count", len(auction.bids), count)
            _tokens(state, auction, web3, block)
        for first in range(0, min(count, len(auction.bids)), _BIDS):
            last = min(count, len(auction.bids), first + _BIDS)
            slots = contract.bids(number, first, last, block=block)
            for bid, found in zip(auction.bids[first:last], slots, strict=True):
                with checks.at(number, f"{where}, bid {bid.index}"):
                    _bid(state, auction, bid, found)
        progress(number)


def _bid(state: Replay, auction: Auction, bid: AuditedBid, found: PackedBid) -> None:
    """One bid's word: its commitment, or cost, weight, tag and status."""
    if bid.data_set is None:
        return
    place = (bid.index, bid.owner, bid.payer, hashes.data_set(bid.data_set))
    expected = (
        _commitment(bid, place) if bid.cost is None else _revealed(state, auction, bid, place)
    )
    if bid.cost is not None:
        # Whether a part of 0 was claimed is in no log, and of no consequence.
        due = dues(auction, bid)
        free = Status(0)
        for name, bit in _PARTS.items():
            free |= bit if not due[name] and bid.out is None else Status(0)
        expected = expected._replace(status=expected.status | found.status & free)
    state.checks.equal("storage.bid", expected, found)


def _commitment(bid: AuditedBid, place: _Place) -> PackedBid:
    """The word of a bid that was never revealed."""
    if bid.cleared:
        return unpack_bid(0)
    status = Status.OUT if bid.withdrawn else Status.COMMITTED
    status |= Status.BOND_PAID if bid.bond_back else Status(0)
    digest = keccak(hashes.words(bid.sealed, *place))
    return unpack_bid(int.from_bytes(digest, "big") & ~0xFF | status)


def _revealed(state: Replay, auction: Auction, bid: AuditedBid, place: _Place) -> PackedBid:
    ours = (state.header.chain_id, state.auctions.address, auction.id)
    tag = int.from_bytes(keccak(hashes.words(*ours, *place)), "big") >> 152
    status = Status.REVEALED | (Status.FLAGGED if bid.flagged else Status(0))
    status |= Status.DELIVERED if bid.delivered else Status(0)
    status |= _STRUCK if bid.out is not None else Status(0)
    for name in bid.paid:
        status |= _PARTS[name]
    cost = (bid.cost or 0) if bid.weight else 0
    if bid.delivery is not None:
        # The delivery takes the place of the cost.
        given = bid.delivery
        digest = hashes.delivery_digest(
            state.header.chain_id, state.auctions.exchange, auction.id, bid.index, given
        )
        cost = int.from_bytes(digest, "big") >> 176
    return PackedBid(status, bid.weight, cost, tag)


def _tokens(state: Replay, auction: Auction, web3: Web3, block: Any) -> None:
    checks = state.checks
    if auction.mut is not None:
        mut, token = auction.mut, Mut(web3, auction.mut.address)
        checks.equal("storage.mut_supply", mut.supply, token.total_supply(block=block))
        for holder, account in list(mut.accounts.items()):
            found = token.balance_of(holder, block=block)
            checks.equal("storage.mut_balance", account.balance, found)
            due = token.revenue_of(holder, block=block)
            checks.equal("storage.mut_revenue", mut.due(holder), due)
    if auction.dst is not None:
        dst = Dst(web3, auction.dst.address)
        for holder, balance in list(auction.dst.balances.items()):
            found = dst.balance_of(holder, block=block)
            checks.equal("storage.dst_balance", balance, found)
