"""A replay as plain values, for `--json` and for the page."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from oracles.audit import recompute
from oracles.chain.oracle import Ground
from oracles.chain.terms import GWEI
from oracles.mechanism.certificate import certify
from oracles.mechanism.clock import Bid as Claim

if TYPE_CHECKING:
    from oracles.audit.auction import Auction
    from oracles.audit.feed import Feed
    from oracles.audit.records import Draw
    from oracles.audit.replay import Replay
    from oracles.chain.terms import AuctionId
    from oracles.money import Currency


def summarise(state: Replay, auction: AuctionId | None = None) -> dict[str, Any]:
    """What was checked and found; token amounts as strings, `passed` at the top.

    Args:
        state: a finished replay.
        auction: only this one and what all auctions share, or None for all.
    """
    findings = state.findings(auction)
    found = Counter(finding.check for finding in findings)
    header = state.header
    chosen, objections = state.auctions.auctions, state.metric_objections()
    return {
        "passed": not findings,
        "auction": auction,
        "chain_id": header.chain_id,
        "contracts": {name: each.address for name, each in header.deployment.contracts.items()},
        "from_block": header.from_block,
        "to_block": header.to_block,
        "to_hash": "0x" + header.to_hash.hex(),
        "auctions_on_chain": header.auctions,
        "balances_compared": bool(header.balances),
        "complete": None if header.auctions is None else header.auctions == len(chosen),
        "events": state.followed(auction),
        "checks": {
            name: {"made": made, "findings": found[name]}
            for name, made in sorted(state.made(auction).items())
        },
        "findings": [finding._asdict() for finding in findings],
        "auctions": [
            describe(
                each,
                header.currency(each.terms.token),
                state.oracle.feeds.get((state.auctions.address, number)),
                header.draws.get(number),
            )
            | {"metric_objection": objections.get(number)}
            for number, each in sorted(chosen.items())
            if auction is None or number == auction
        ],
        "operator_sets": {
            str(number): {
                "panels": [
                    {"threshold": panel.threshold, "members": list(panel.members)}
                    for panel in each.panels
                ],
                "accepted": sorted(each.accepted),
                "standing": each.standing,
            }
            for number, each in state.oracle.operators.sets.items()
        },
        "credit": {
            account: str(amount)
            for account, amount in state.oracle.operators.credit.items()
            if amount
        },
        "slashes": [
            {**slash._asdict(), "burned": str(slash.burned), "dues": str(slash.dues)}
            for slash in state.oracle.stakes.slashes
        ],
        "ether": {
            "held": {name: str(held) for name, held in state.auctions.context.ledger.held.items()},
            "burned": str(state.auctions.context.ledger.burned),
            "surplus": {
                each.holder: str(each.amount - state.auctions.context.ledger.held[each.holder])
                for each in header.balances
                if not each.token
            },
        },
    }


def describe(
    auction: Auction, currency: Currency, feed: Feed | None, draw: Draw | None
) -> dict[str, Any]:
    """One auction: who scored it, how it ended, what is unclaimed, and how the paper would pay."""
    scoring = auction.terms.scoring
    out: dict[str, Any] = {
        "auction": auction.id,
        "state": auction.state,
        "buyer": auction.buyer,
        "token": auction.terms.token,
        "symbol": currency.symbol,
        "decimals": currency.decimals,
        "budget": str(auction.terms.budget),
        "pool": str(auction.terms.pool),
        "beta": str(auction.beta),
        "bids": len(auction.bids),
        "revealed": sum(1 for bid in auction.bids if bid.cost is not None),
        "agreement": "0x" + auction.terms.agreement.hex(),
        "operator_set": scoring.operator_set,
        "stake": str(scoring.stake_gwei * GWEI),
        "scores": {"accepted_round": auction.accepted, **(_feed(feed) if feed else {})},
        "sample": {"pages": scoring.samples, **(_draw(draw) if draw else {})},
        "ether": str(auction.ether),
    }
    if auction.settlement is None or auction.outcome is None:
        return out
    unclaimed = {"cash": 0, "mut": 0}
    for bid in auction.bids:
        if bid.stands:
            for part, due in zip(unclaimed, auction.reward(bid), strict=True):
                unclaimed[part] += due - bid.paid.get(part, 0)
    out |= {
        "winners": auction.winners,
        "price": _fraction(auction.outcome.num, auction.outcome.den),
        "unflagged_price": _fraction(auction.outcome.unflagged_num, auction.outcome.unflagged_den),
        "split": auction.settlement.split,
        "delivered": sum(1 for bid in auction.bids if bid.delivered),
        "struck_out": {
            str(bid.index): Ground(bid.out).name.lower()
            for bid in auction.bids
            if bid.out is not None
        },
        "unclaimed": {part: str(amount) for part, amount in unclaimed.items()},
        "certificate": certificate(auction),
        "literal": literal(auction),
    }
    if auction.mut is not None:
        mut = auction.mut
        out["mut"] = {
            "address": mut.address,
            "supply": str(mut.supply),
            "revenue": str(mut.revenue),
            "paid": str(mut.paid),
            "holders": {
                holder: {"balance": str(account.balance), "due": str(mut.due(holder))}
                for holder, account in list(mut.accounts.items())
            },
        }
    if auction.dst is not None and auction.dst.shares is not None:
        shares = auction.dst.shares
        out["dst"] = {str(index): str(share) for index, share in shares.items()}
    return out


def _feed(feed: Feed) -> dict[str, Any]:
    """The roll, the rounds, and what was paid for them."""
    return {
        "standing_round": feed.standing,
        "challenger": feed.challenger or None,
        "moved": feed.moved,
        "callers": [feed.attesting.members[each] for each in sorted(feed.bitmaps)],
        "rounds": [
            {
                "threshold": panel.threshold,
                "members": {
                    member: {
                        "committed": bool(each.committed >> position & 1),
                        "published": bool(each.published >> position & 1),
                        "counted": bool(each.complete >> position & 1),
                        "fee_claimed": str(each.claimed.get(position, 0)),
                    }
                    for position, member in enumerate(panel.members)
                },
                "fee_of_each": str(each.parts),
            }
            for panel, each in zip(feed.panels, feed.rounds, strict=True)
        ],
    }


def _draw(draw: Draw) -> dict[str, Any]:
    return {"block": draw.block, "time": draw.time, "key": "0x" + draw.key.hex()}


def certificate(auction: Auction) -> dict[str, Any]:
    """Both sides of `W_S ≥ (FOPT − max w) / 2`; weights in 1e-18."""
    bids = [Claim(*each) for each in auction.standing()]
    winners = [bid.index for bid in auction.bids if bid.wins]
    result = certify(bids, winners, beta=auction.beta)
    return {
        "weight": str(result.weight),
        "optimum": str(int(result.optimum)),
        "bound": str(int(result.bound)),
        "share": float(result.share),
        # Under a tranche a part of the budget is spent on purpose where weight is dearer.
        "holds": result.holds,
    }


def literal(auction: Auction) -> dict[str, Any]:
    """What the paper's Algorithm 1 would have paid for these bids out of β."""
    payments = recompute.literal(auction.standing(), auction.beta)
    total = sum(payments.values(), Fraction(0))
    return {
        "winners": len(payments),
        "total": float(total),
        "budget": str(auction.beta),
        "overspends": total > auction.beta,
    }


def _fraction(num: int, den: int) -> str:
    return f"{num}/{den}"
