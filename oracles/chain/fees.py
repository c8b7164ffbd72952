"""What a unit of gas costs now (EIP-1559), and what is paid for it at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from oracles.chain.rpc import block, node_errors
from oracles.errors import ChainError, NodeError

if TYPE_CHECKING:
    from web3 import Web3

GWEI: Final = 10**9
#: Share added to a gas estimate, in per cent.
GAS_MARGIN: Final = 15
#: What a replacement pays more; nodes ask for a tenth.
BUMP_PERCENT: Final = 25


class Fees(NamedTuple):
    """Wei for a unit of gas: the most that is paid, and the part of it for the block's maker."""

    max_fee: int
    tip: int


def quote(web3: Web3, cap: int | None = None, *, over: Fees | None = None) -> Fees:
    """Fees that get a transaction into one of the next blocks.

    Args:
        web3: connection.
        cap: most wei for a unit of gas; None for no cap.
        over: what a transaction pays that is to be replaced: nodes take a replacement only if it
            pays at least a tenth more of both.

    Raises:
        ChainError: gas costs more than the cap.
        NodeError: the node does not answer.
    """
    base: int | None = block(web3, "latest").get("baseFeePerGas")
    with node_errors("asking for the price of gas"):
        if base is None:
            base = tip = int(web3.eth.gas_price) // 2
        else:
            tip = _tip(web3, base)
    fee = 2 * base + tip
    if over is not None:
        least = Fees(*(each + each * BUMP_PERCENT // 100 + 1 for each in over))
        fee, tip = max(fee, least.max_fee), max(tip, least.tip)
        if cap is not None and cap < least.max_fee:
            raise ChainError(
                f"the transaction to replace pays {over.max_fee / GWEI:.4g} gwei, and a replacement"
                f" {least.max_fee / GWEI:.4g} at least, above the cap of {cap / GWEI:.4g}: wait, or"
                " raise --max-fee-gwei (an operator: max_fee_gwei)"
            )
    if cap is not None and fee > cap:
        if base >= cap:
            raise ChainError(
                f"gas costs {base / GWEI:.2f} gwei, above the cap of {cap / GWEI:.2f}: wait, or"
                " raise --max-fee-gwei (an operator: max_fee_gwei)"
            )
        fee = cap
    return Fees(fee, min(tip, fee))


def _tip(web3: Web3, base: int) -> int:
    try:
        return int(web3.eth.max_priority_fee)
    except NodeError:
        # A node without eth_maxPriorityFeePerGas; its gas price is the base fee and a tip.
        return max(1, int(web3.eth.gas_price) - base)


def with_margin(gas: int) -> int:
    """A gas estimate with room for a state that changes until the transaction is mined."""
    return gas + gas * GAS_MARGIN // 100
