"""What the chain says of an operator, read without its keys or its journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eth_utils.address import to_checksum_address

from oracles.chain import rpc
from oracles.chain.deployment import Deployment
from oracles.chain.events import read_events
from oracles.chain.typed_events import AuctionCreated
from oracles.operator.keys import operator_address

if TYPE_CHECKING:
    from oracles.operator.settings import Settings


def status(settings: Settings) -> dict[str, Any]:
    """Bond, balance, and the auctions whose operator set names this operator.

    Raises:
        ConfigError: the settings name no operator.
        ChainError: the node does not answer.
    """
    deployment = Deployment.load(settings.deployment)
    web3 = rpc.connect(settings.rpc, deployment.chain_id)
    address = operator_address(settings)
    oracle, contract = deployment.oracle(web3), deployment.auction(web3)
    bond, locked_until = oracle.bond_of(address)
    newest = rpc.block(web3, "latest")
    auctions = []
    created = [
        event.body
        for event in read_events(web3, [contract.address], deployment.block, newest["number"])
        if isinstance(event.body, AuctionCreated)
    ]
    for body in created:
        auction = body.auction_id
        members = oracle.operator_set(body.terms.operator_set).members
        if address not in members:
            continue
        request = oracle.request(contract.address, auction)
        phases = contract.phases(auction)
        number = 2 if int(request.challenger, 16) else 1
        bit = 1 << members.index(address)
        now = newest["timestamp"]
        deadlines = (
            (name, when) for name, when in zip(phases._fields[1:], phases[1:], strict=True)
        )
        auctions.append(
            {
                "auction": auction,
                "state": phases.state.name.lower(),
                "round": number,
                "committed": bool(request.committed[number - 1] & bit),
                "published": bool(request.published[number - 1] & bit),
                "complete": bool(request.complete[number - 1]),
                "next": next((f"{n} in {w - now} s" for n, w in deadlines if w > now), "over"),
            }
        )
    return {
        "operator": address,
        "chain_id": str(deployment.chain_id),
        "block": str(newest["number"]),
        "balance_wei": str(rpc.balance(web3, to_checksum_address(address))),
        "bond_wei": str(bond),
        "bond_locked_until": str(locked_until),
        "credit_wei": str(oracle.credit_of(address)),
        "auctions": auctions,
    }
