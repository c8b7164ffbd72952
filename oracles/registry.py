"""Versions of the metric in a registry, and what holders of participation tokens say of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from eth_utils.address import to_checksum_address

from oracles.chain import rpc
from oracles.chain.client import receipt_event
from oracles.chain.events import read_events
from oracles.chain.metric import MetricRegistryContract
from oracles.chain.packing import same_address
from oracles.chain.state import load_auction
from oracles.chain.tokens import Erc20, ensure_allowance
from oracles.chain.typed_events import DstCreated, DstVerified, Extended, Objected, Proposed
from oracles.errors import ConfigError, GapError, InputError
from oracles.mechanism import veto

if TYPE_CHECKING:
    from web3 import Web3

    from oracles.chain.client import Sender
    from oracles.chain.deployment import Deployment
    from oracles.chain.events import Event
    from oracles.chain.terms import AuctionId
    from oracles.mechanism.veto import Tally

#: Addresses in one question for logs: nodes take some hundreds.
_TOGETHER: Final = 100


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


class RegistryReader:
    """Reads a registry and the auctions that count for it, each log once.

    Args:
        web3: connection.
        deployment: of the auctions.
        registry: address.
        final: tag of the newest block that stays; what is later is read again each time.

    Raises:
        ConfigError: the registry is of another deployment.
        ChainError: the node does not answer, or there is no registry.
    """

    def __init__(
        self, web3: Web3, deployment: Deployment, registry: str, *, final: str = "latest"
    ) -> None:
        self._web3, self._deployment, self._final = web3, deployment, final
        self._contract = MetricRegistryContract(web3, registry)
        self.address = self._contract.address
        self._veto_rules = _rules(self._contract, deployment)
        self._kept = _Logs(deployment.block - 1)

    def tallies(self) -> dict[bytes, Tally]:
        """Where every version stands now.

        Raises:
            GapError: the node left logs out.
            ChainError: the node does not answer.
        """
        newest = rpc.block(self._web3, "latest")
        last = newest["number"]
        if self._final != "latest":
            final = rpc.block(self._web3, self._final)["number"]
            self._kept = self._read(self._kept, min(final, last))
        found = self._read(self._kept, last)
        if self._final == "latest":
            self._kept = found
        # Every late objection moves the end, so that hiding it shows here.
        for version, (_, closes, _) in found.proposals.items():
            if self._contract.closes_at(version, block=found.block) != closes:
                raise self._gap()
        proposals = [veto.Proposed(version, *rest) for version, rest in found.proposals.items()]
        return veto.tally(proposals, found.paid, self._veto_rules, newest["timestamp"])

    def objection(self, version: bytes, created: int) -> str:
        """Why an auction should not have been created under a version; see `veto.objection`.

        Raises:
            GapError, ChainError: see `tallies`.
        """
        return veto.objection(self.tallies().get(version), created)

    def _read(self, known: _Logs, last: int) -> _Logs:
        """What is known with the logs up to a block."""
        if last <= known.block:
            return known
        found, first = known.copy(last), known.block + 1
        factory = [self._deployment.address("DstFactory")]
        for event in read_events(self._web3, factory, first, last, kinds=[DstCreated]):
            if isinstance(event.body, DstCreated):
                found.tokens[event.body.token] = event.body.auction_id
        tokens = list(found.tokens)
        for at in range(0, len(tokens), _TOGETHER):
            some = tokens[at : at + _TOGETHER]
            for event in read_events(self._web3, some, first, last, kinds=[DstVerified]):
                if isinstance(event.body, DstVerified):
                    number = found.tokens.pop(event.address)
                    found.paid.append(self._paid(number, event, event.body.issued))
        kinds = (Proposed, Objected, Extended)
        try:
            for event in read_events(self._web3, [self.address], first, last, kinds=kinds):
                body = event.body
                if isinstance(body, Proposed):
                    found.proposals[body.version] = (self._time(event), body.closes, {})
                elif isinstance(body, Objected):
                    found.proposals[body.version][2][body.token, body.holder] = body.amount
                elif isinstance(body, Extended):
                    proposed, _, objections = found.proposals[body.version]
                    found.proposals[body.version] = (proposed, body.closes, objections)
        except KeyError as error:
            raise self._gap() from error
        return found

    def _paid(self, auction: AuctionId, event: Event, issued: int) -> veto.Paid:
        """An auction whose tokens are issued: nothing of this changes any more."""
        state = load_auction(self._web3, self._deployment, auction)
        return veto.Paid(
            token=event.address,
            currency=state.terms.token,
            version=state.terms.scoring.metric_version,
            created=state.created,
            ended=state.phases.dispute_end,
            verified=self._time(event),
            cash=state.payout,
            issued=issued,
        )

    def _time(self, event: Event) -> int:
        return rpc.block(self._web3, event.block)["timestamp"]

    def _gap(self) -> GapError:
        return GapError(
            f"the node leaves out logs of the registry {self.address}: try again, or name another"
        )


@dataclass(slots=True)
class _Logs:
    """What the logs up to a block say.

    Attributes:
        block: the last that was read.
        proposals: by version: when it was proposed, its end, and objections by token and holder.
        tokens: participation tokens that are not issued yet, with their auctions.
        paid: auctions whose tokens are issued.
    """

    block: int
    proposals: dict[bytes, tuple[int, int, dict[tuple[str, str], int]]] = field(
        default_factory=dict
    )
    tokens: dict[str, AuctionId] = field(default_factory=dict)
    paid: list[veto.Paid] = field(default_factory=list)

    def copy(self, block: int) -> _Logs:
        """To go on from, up to another block."""
        proposals = {
            version: (proposed, closes, dict(objections))
            for version, (proposed, closes, objections) in self.proposals.items()
        }
        return _Logs(block, proposals, dict(self.tokens), list(self.paid))


def tallies(web3: Web3, deployment: Deployment, registry: str) -> dict[bytes, Tally]:
    """Where every version of a registry stands, from the logs of auctions and registry.

    Raises:
        ConfigError, GapError, ChainError: see `RegistryReader`.
    """
    return RegistryReader(web3, deployment, registry).tallies()


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
    if why := RegistryReader(web3, deployment, address).objection(version, created):
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
