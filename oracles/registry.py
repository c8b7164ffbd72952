"""Versions of the metric in a registry, and what holders of participation tokens say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eth_utils.address import to_checksum_address

from oracles.chain import rpc
from oracles.chain.client import receipt_event
from oracles.chain.events import read_events
from oracles.chain.metric import MetricRegistryContract
from oracles.chain.packing import same_address
from oracles.chain.state import load_auction
from oracles.chain.terms import AuctionId
from oracles.chain.tokens import Erc20, ensure_allowance
from oracles.chain.typed_events import DstVerified, Extended, Objected, Proposed
from oracles.errors import ConfigError, GapError, InputError
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


def registry_of(deployment: Deployment, named: str | None = None) -> str | None:
    """The registry that counts: the one that is named, else the deployment's, else none."""
    known = deployment.contracts.get("MetricRegistry")
    return named or (known.address if known else None)


def check_registry(web3: Web3, deployment: Deployment, registry: str) -> None:
    """Refuse an address at which there is no registry of a deployment.

    Raises:
        ConfigError: nothing is there, or a registry of another deployment.
        ChainError: the node does not answer.
    """
    if not rpc.code(web3, to_checksum_address(registry)):
        raise ConfigError(f"there is no MetricRegistry at {registry} on this chain: name another")
    _rules(MetricRegistryContract(web3, registry), deployment)


def tallies(web3: Web3, deployment: Deployment, registry: str) -> dict[bytes, Tally]:
    """Where every version of a registry stands, from the logs of auctions and registry.

    Raises:
        ConfigError: the registry is of another deployment.
        GapError: the node left logs out.
        ChainError: the node does not answer, or there is no registry.
    """
    contract = MetricRegistryContract(web3, registry)
    rules = _rules(contract, deployment)
    proposals = _proposals(web3, deployment, contract)
    now = rpc.block(web3, "latest")["timestamp"]
    return veto.tally(proposals, list(_paid(web3, deployment)), rules, now)


def objection_to(
    web3: Web3, deployment: Deployment, registry: str, version: bytes, created: int
) -> str:
    """Why an auction should not have been created under a version; see `veto.objection`.

    Raises:
        ConfigError, GapError, ChainError: see `tallies`.
    """
    return veto.objection(tallies(web3, deployment, registry).get(version), created)


def check_version(
    web3: Web3, deployment: Deployment, registry: str | None, version: bytes, created: int
) -> None:
    """Refuse a version that was vetoed or not accepted when an auction was created.

    Args:
        web3: connection.
        deployment: of the auction.
        registry: address; that of the deployment by default. Without one nothing is checked.
        version: of the auction.
        created: when the auction was created, or now; unix seconds.

    Raises:
        InputError: the version is vetoed, unknown, or was still open.
    """
    address = registry_of(deployment, registry)
    if address is None:
        return
    if why := objection_to(web3, deployment, address, version, created):
        raise InputError(
            f"metric version 0x{version.hex()} {why} (registry {address}): use another; `qmia"
            " metric status` lists them"
        )


def _rules(registry: MetricRegistryContract, deployment: Deployment) -> veto.Rules:
    fixed = registry.rules()
    if not same_address(fixed.factory, deployment.address("DstFactory")):
        raise ConfigError(
            f"the registry {registry.address} is for the factory {fixed.factory}, not for that of"
            " this deployment: name another"
        )
    return veto.Rules(fixed.payout_token, fixed.floor, fixed.share, fixed.genesis)


def _proposals(
    web3: Web3, deployment: Deployment, registry: MetricRegistryContract
) -> list[veto.Proposed]:
    found: dict[bytes, tuple[int, int, dict[tuple[str, str], int]]] = {}
    last = rpc.newest(web3)
    kinds = (Proposed, Objected, Extended)
    address = to_checksum_address(registry.address)
    try:
        for event in read_events(web3, [address], deployment.block, last, kinds=kinds):
            body = event.body
            if isinstance(body, Proposed):
                time = rpc.block(web3, event.block)["timestamp"]
                found[body.version] = (time, body.closes, {})
            elif isinstance(body, Objected):
                found[body.version][2][body.token, body.holder] = body.amount
            elif isinstance(body, Extended):
                proposed, _, objections = found[body.version]
                found[body.version] = (proposed, body.closes, objections)
    except KeyError as error:
        raise GapError(
            f"the node leaves out a proposal to the registry {address}: name another node"
        ) from error
    # Every late objection moves the end, so that hiding it shows here.
    for version, (_, closes, _) in found.items():
        if registry.closes_at(version, block=last) != closes:
            raise GapError(
                f"the node leaves out logs of the registry {address}: try again, or name another"
            )
    return [veto.Proposed(version, *rest) for version, rest in found.items()]


def _paid(web3: Web3, deployment: Deployment) -> Iterator[veto.Paid]:
    factory, last = deployment.dst_factory(web3), rpc.newest(web3)
    for number in map(AuctionId, range(1, deployment.auction(web3).auction_count() + 1)):
        token = to_checksum_address(factory.token_of(number))
        if not rpc.code(web3, token):
            continue
        for event in read_events(web3, [token], deployment.block, last, kinds=[DstVerified]):
            if not isinstance(event.body, DstVerified):
                continue
            state = load_auction(web3, deployment, number)
            yield veto.Paid(
                token=token,
                currency=state.terms.token,
                version=state.terms.scoring.metric_version,
                created=state.created,
                ended=state.phases.dispute_end,
                verified=rpc.block(web3, event.block)["timestamp"],
                cash=state.payout,
                issued=event.body.issued,
            )
