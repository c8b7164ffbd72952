"""What the parts of the daemon share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oracles.chain.auction import AuctionContract
    from oracles.chain.exchange import ExchangeContract
    from oracles.chain.oracle import OracleContract
    from oracles.chain.signers import Signer
    from oracles.dataset import EncryptionKey
    from oracles.operator.journal import Journal
    from oracles.operator.messages import Contracts
    from oracles.operator.metrics import Metrics
    from oracles.operator.settings import Settings
    from oracles.operator.turn import Turn
    from oracles.service.duty import Duty
    from oracles.service.failures import Failures
    from oracles.service.outbox import DryRun, Outbox

    #: Does one duty; a failure is raised, and the duty is due again.
    Handler = Callable[[Turn, Duty], None]


@dataclass(frozen=True, slots=True)
class Context:
    """One operator: who it is, what it holds, and what it reaches.

    Attributes:
        settings: all of them.
        signer: None for a dry run.
        keys: encryption keys, the present one first.
        address: of the operator.
        chain_id: EIP-155.
        oracle, auctions, exchange: the contracts.
        contracts: what signed messages are bound to.
        journal: what must not be forgotten.
        outbox: sends transactions.
        failures: tells, counts and times them.
        metrics: for Prometheus.
    """

    settings: Settings
    signer: Signer | None
    keys: Sequence[EncryptionKey]
    address: str
    chain_id: int
    oracle: OracleContract
    auctions: AuctionContract
    exchange: ExchangeContract
    contracts: Contracts
    journal: Journal
    outbox: Outbox | DryRun
    failures: Failures
    metrics: Metrics
