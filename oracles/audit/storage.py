"""A second pass: the state that the logs give, against the contracts' own at one block.

Logs show what contracts said; storage shows what they hold. This also catches a node that leaves
logs out where no other log would show it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eth_utils.crypto import keccak

from oracles.audit import hashes
from oracles.chain.codec import PackedBid, Status, unpack_bid
from oracles.chain.tokens import Dst, Mut

if TYPE_CHECKING:
    from collections.abc import Callable

    from web3 import Web3

    from oracles.audit.auction import Auction, AuditedBid
    from oracles.audit.replay import Replay

#: Bids asked for at once.
_BIDS = 500
_PARTS = {"cash": Status.CASH_PAID, "mut": Status.MUT_PAID, "bond": Status.BOND_PAID}


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
        for account, operator in state.oracle.operators.items():
            held = oracle.bond_of(account, block=block)
            checks.equal("storage.bond", (operator.bond, operator.locked_until), held)
        for account in {*state.oracle.operators, *state.oracle.credit}:
            due = state.oracle.credit.get(account, 0)
            checks.equal("storage.credit", due, oracle.credit_of(account, block=block))
    for number, auction in state.auctions.auctions.items():
        with checks.at(number, where):
            phases = contract.phases(number, block=block)
            checks.equal("storage.state", auction.state, phases.state.name.lower())
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
    checks, chain_id, address = state.checks, state.header.chain_id, state.auctions.address
    if not bid.standing:
        checks.equal("storage.bid", unpack_bid(0), found)
        return
    if bid.cost is None:
        digest = keccak(hashes.words(bid.sealed, bid.index, bid.owner, bid.payer))
        word = int.from_bytes(digest, "big") & ~0xFF | Status.COMMITTED
        checks.equal("storage.bid", unpack_bid(word), found)
        return
    digest = keccak(hashes.words(chain_id, address, auction.id, bid.index, bid.owner, bid.payer))
    status = Status.REVEALED | (Status.FLAGGED if bid.flagged else Status(0))
    status |= Status.DELIVERED if bid.delivered else Status(0)
    reward = auction.reward(bid) if bid.wins else (0, 0)
    due = dict(zip(_PARTS, (*reward, auction.terms.bond_gwei), strict=True))
    if bid.forfeited:
        status |= Status.FORFEITED | Status.CASH_PAID | Status.MUT_PAID | Status.BOND_PAID
    else:
        for name, bit in _PARTS.items():
            # Whether a part of 0 was claimed is in no log, and of no consequence.
            status |= bit if name in bid.paid else found.status & bit if not due[name] else 0
    cost = bid.cost if bid.weight else 0
    expected = PackedBid(Status(status), bid.weight, cost, int.from_bytes(digest, "big") >> 152)
    checks.equal("storage.bid", expected, found)


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
