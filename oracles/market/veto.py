"""Versions of the metric in a registry, and what holders of participation tokens say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eth_utils.address import to_checksum_address

from oracles.chain import rpc
from oracles.chain.client import receipt_event
from oracles.chain.events import read_events
from oracles.chain.metric import MetricRegistryContract
from oracles.chain.state import load_auction
from oracles.chain.tokens import Dst, Erc20, ensure_allowance
from oracles.chain.typed_events import DstVerified, Extended, Objected, Proposed
from oracles.errors import InputError
from oracles.market.view import chain_time
from oracles.mechanism import veto

if TYPE_CHECKING:
    from collections.abc import Iterator

    from web3 import Web3

    from oracles.chain.client import Sender
    from oracles.chain.deployment import Deployment
    from oracles.mechanism.veto import Tally


def propose(sender: Sender, registry: MetricRegistryContract, document: bytes) -> bytes:
    """Propose a version with its document and the bond; gives the version.

    Raises:
        ChainError: the registry refuses.
    """
    bond = registry.rules().bond
    receipt = sender.send(registry.propose(document), value=bond)
    return receipt_event(receipt, Proposed).version


def object_to(
    sender: Sender, registry: MetricRegistryContract, version: bytes, token: str, amount: int
) -> int:
    """Lock tokens until there are `amount`, and object with all of them.

    Returns:
        What is locked now.

    Raises:
        ChainError: the registry refuses, or the sender has not as many.
    """
    locked, _ = registry.lock_of(sender.address, token)
    if (missing := amount - locked) > 0:
        ensure_allowance(sender, Erc20(sender.web3, token), registry.address, missing)
        sender.send(registry.lock(token, missing))
    receipt = sender.send(registry.object(version, token))
    return receipt_event(receipt, Objected).amount


def tallies(web3: Web3, deployment: Deployment, registry: str) -> dict[bytes, Tally]:
    """Where every version of a registry stands, from the logs alone.

    Raises:
        InputError: the registry is of another deployment.
        ChainError: the node does not answer, or there is no registry.
    """
    contract = MetricRegistryContract(web3, registry)
    fixed = contract.rules()
    if fixed.factory.lower() != deployment.address("DstFactory").lower():
        raise InputError(
            f"the registry {registry} is for the factory {fixed.factory}, not for that of this"
            " deployment: name another with --registry"
        )
    rules = veto.Rules(fixed.payout_token, fixed.floor, fixed.share, fixed.genesis)
    proposals = _proposals(web3, deployment, contract.address)
    return veto.tally(proposals, list(_paid(web3, deployment)), rules, chain_time(web3))


def check_version(
    web3: Web3, deployment: Deployment, registry: str | None, version: bytes, created: int
) -> None:
    """Refuse a version that was vetoed or not accepted when an auction was created.

    Args:
        web3: connection.
        deployment: of the auction.
        registry: address; nothing is checked without one.
        version: of the auction.
        created: when the auction was created, or now; unix seconds.

    Raises:
        InputError: the version is vetoed, unknown, or was still open.
    """
    if registry is None:
        return
    name, found = f"0x{version.hex()}", tallies(web3, deployment, registry).get(version)
    if found is None:
        raise InputError(f"metric version {name} was never proposed to the registry {registry}")
    if found.standing is veto.Standing.VETOED:
        raise InputError(f"metric version {name} was vetoed by those who sold data: use another")
    if found.closes > created:
        raise InputError(f"metric version {name} was not accepted yet at that time: wait for it")


def _proposals(web3: Web3, deployment: Deployment, registry: str) -> list[veto.Proposed]:
    found: dict[bytes, tuple[int, int, dict[tuple[str, str], int]]] = {}
    last = rpc.newest(web3)
    kinds = (Proposed, Objected, Extended)
    for event in read_events(web3, [registry], deployment.block, last, kinds=kinds):
        body = event.body
        if isinstance(body, Proposed):
            time = rpc.block(web3, event.block)["timestamp"]
            found[body.version] = (time, body.closes, {})
        elif isinstance(body, Objected):
            found[body.version][2][body.token, body.holder] = body.amount
        elif isinstance(body, Extended):
            proposed, _, objections = found[body.version]
            found[body.version] = (proposed, body.closes, objections)
    return [veto.Proposed(version, *rest) for version, rest in found.items()]


def _paid(web3: Web3, deployment: Deployment) -> Iterator[veto.Paid]:
    factory, last = deployment.dst_factory(web3), rpc.newest(web3)
    for number in range(1, deployment.auction(web3).auction_count() + 1):
        state = load_auction(web3, deployment, number)
        token = to_checksum_address(factory.token_of(number))
        if not state.claimed or not rpc.code(web3, token):
            continue
        verified = [
            event.body.issued
            for event in read_events(web3, [token], deployment.block, last, kinds=[DstVerified])
            if isinstance(event.body, DstVerified)
        ]
        if verified:
            yield veto.Paid(
                token=token,
                currency=state.terms.token,
                version=state.terms.scoring.metric_version,
                created=state.created,
                ended=state.phases.dispute_end,
                cash=sum(cash for cash, _, _ in state.claimed.values()),
                issued=verified[0],
                minted=Dst(web3, token).total_supply(),
            )
