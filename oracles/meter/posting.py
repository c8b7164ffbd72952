"""Closed periods onto the chain, each once, with its payment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from oracles.chain import rpc
from oracles.chain.client import receipt_event
from oracles.chain.events import read_events
from oracles.chain.tokens import Erc20, Mut, ensure_allowance
from oracles.chain.typed_events import PeriodClosed, RevenueAccrued
from oracles.chain.usage import UsagePeriod
from oracles.errors import ChainError, Reverted
from oracles.meter.check import Posted

if TYPE_CHECKING:
    from web3 import Web3
    from web3.contract.contract import ContractFunction
    from web3.types import TxReceipt

    from oracles.chain.client import Sender
    from oracles.chain.deployment import Deployment
    from oracles.meter.log import Period, UsageLog


#: Seconds that the chain's clock may be behind.
_BEHIND: Final = 60


def origin(chain_id: int, mut: str, publisher: str) -> str:
    """What the entries of a publisher's log for one MUT name as their source."""
    return f"qmia:{chain_id}/{mut}/{publisher}"


def post(log: UsageLog, sender: Sender, deployment: Deployment, mut: str) -> list[Period]:
    """Post what was closed and is not on chain yet, oldest first.

    A period that a program posted before it was interrupted is found on chain and not paid again.

    Raises:
        ChainError: the chain has other periods of this publisher than the log, or refuses one.
    """
    contract = deployment.usage_log(sender.web3)
    token = Erc20(sender.web3, Mut(sender.web3, mut).terms()[1])
    posted = []
    for period in [each for each in log.periods if each.transaction is None]:
        last = contract.last(mut, sender.address)
        if last.periods == period.number + 1 and last.root.hex() == period.root:
            log.posted(period.number, "")
            continue
        if last.periods != period.number:
            raise ChainError(
                f"the chain has {last.periods} periods of {sender.address} for {mut}, and this log"
                f" wants to post its number {period.number}: is it another log, or another key?"
            )
        if period.revenue:
            ensure_allowance(sender, token, contract.address, period.revenue)
        call = contract.close(
            mut,
            UsagePeriod(
                period.size,
                period.end,
                period.revenue,
                bytes.fromhex(period.root),
                bytes.fromhex(period.prices),
                bytes.fromhex(period.entries),
            ),
        )
        receipt = _send(sender, call, period)
        receipt_event(receipt, PeriodClosed)
        log.posted(period.number, "0x" + bytes(receipt["transactionHash"]).hex())
        posted.append(period)
    return posted


def _send(sender: Sender, call: ContractFunction, period: Period) -> TxReceipt:
    """Post a period when the chain's clock has reached its end, which is by the meter's own.

    Raises:
        ChainError: the chain refuses.
    """
    patience = time.monotonic() + _BEHIND
    while True:
        try:
            return sender.send(call)
        except Reverted as error:
            now = rpc.block(sender.web3, "latest")["timestamp"]
            if error.error != "EndInvalid" or now >= period.end:
                raise
            if time.monotonic() > patience:
                raise ChainError(
                    f"the chain's clock is {period.end - now} s behind this machine's: check the"
                    " clock, or try again later; the period is kept"
                ) from error
            time.sleep(1)


def posted_periods(
    web3: Web3, deployment: Deployment, mut: str, publisher: str
) -> tuple[list[Posted], int]:
    """A publisher's periods on chain, and all revenue that the MUT ever counted.

    Raises:
        NodeError: the node does not answer, or leaves logs out.
    """
    contract = deployment.usage_log(web3)
    newest = rpc.newest(web3)
    accruals: dict[bytes, int] = {}
    total = 0
    for event in read_events(web3, [mut], deployment.block, newest, kinds=[RevenueAccrued]):
        if isinstance(event.body, RevenueAccrued):
            accruals[event.transaction] = accruals.get(event.transaction, 0) + event.body.amount
            total += event.body.amount
    found = [
        _posted(event.body, accruals.get(event.transaction, 0))
        for event in read_events(
            web3, [contract.address], deployment.block, newest, kinds=[PeriodClosed]
        )
        if isinstance(event.body, PeriodClosed)
        and (event.body.mut, event.body.publisher) == (mut, publisher)
    ]
    expected = contract.last(mut, publisher).periods
    if len(found) < expected:
        raise ChainError(
            f"the node gives {len(found)} of {expected} periods of {publisher}: ask another node"
        )
    return found, total


def _posted(body: PeriodClosed, counted: int) -> Posted:
    p = body.period
    return Posted(
        body.number, p.size, p.end, p.revenue, p.root, p.prices, p.entries, body.accrued, counted
    )
