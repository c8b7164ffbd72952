"""Transactions that survive a crash: written down before they are sent, followed until final.

One pending transaction per duty; each is simulated first, sent with EIP-1559 fees below a cap,
replaced at the same nonce when it is stuck (by an empty one if it would revert by now), and sent
again if the chain forgets it.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import structlog
from eth_typing import HexStr
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes

from oracles.chain import fees, rpc
from oracles.chain.rpc import node_errors
from oracles.chain.sending import (
    OVERTAKEN_LOOKS,
    Fate,
    KeyDesk,
    Sent,
    look,
    same_call,
    transaction_hash,
)
from oracles.errors import ChainError, NodeError, Reverted
from oracles.service.transactions import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from web3 import Web3
    from web3.contract.contract import ContractFunction
    from web3.types import TxReceipt

    from oracles.chain.signers import Signer
    from oracles.service.duty import Duty
    from oracles.service.transactions import TransactionLog

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: EIP-7825.
_GAS_CAP: Final = 1 << 24
_PLAIN_GAS: Final = 21_000
#: Seconds to wait for one's turn with the key.
_PATIENCE: Final = 5.0


class Outbox:
    """Sends transactions of one signer.

    Args:
        web3: connection.
        signer: who signs.
        transactions: where they are written down.
        max_fee_gwei: never pay more for a unit of gas; a function where that depends on the duty.
        replace_seconds: when a transaction counts as stuck.
        clock: unix time.
        desk: where programs of the same key take turns; nobody else has it by default.
    """

    def __init__(
        self,
        web3: Web3,
        signer: Signer,
        transactions: TransactionLog,
        *,
        max_fee_gwei: float | Callable[[Duty], float],
        replace_seconds: float,
        clock: Callable[[], float] = time.time,
        desk: KeyDesk | None = None,
    ) -> None:
        self._web3 = web3
        self._signer = signer
        self._address = to_checksum_address(signer.address)
        self._log = transactions
        self._max_fee = max_fee_gwei
        self._replace_seconds = replace_seconds
        self._clock = clock
        self._desk = desk or KeyDesk(None)
        #: By row: how often its nonce was found used while there was no receipt of it.
        self._overtaken: Counter[int] = Counter()

    def send(self, duty: Duty, call: ContractFunction, *, once: bool = False) -> bool:
        """Send a transaction unless one for this duty is on its way; True if it was sent.

        Args:
            duty: what it is for.
            call: of a contract.
            once: nor if an earlier one was mined, for what no event of an auction shows to be done.

        Raises:
            Reverted: it would revert.
            ChainError: gas costs more than the cap.
            NodeError: the node does not answer.
        """
        if once and self._log.sent(duty):
            return False
        if any(each.duty == duty for each in self._log.in_state("pending")):
            return False
        with self._desk.turn(_PATIENCE):
            return self._send(duty, call)

    def _send(self, duty: Duty, call: ContractFunction) -> bool:
        data = call._encode_transaction_data()
        if self._by_command(str(call.address), bytes(HexBytes(data))):
            return False
        with node_errors(str(duty)):
            gas = fees.with_margin(call.estimate_gas({"from": self._address}))
            if gas > _GAS_CAP:
                raise ChainError(f"{duty} needs {gas} gas, more than a transaction may use")
            request: dict[str, Any] = {
                "to": str(call.address),
                "data": data,
                "value": 0,
                "gas": gas,
            }
            fee, tip = fees.quote(self._web3, self._cap(duty))
            nonce = self._nonce()
            raw = self._sign(request, nonce, fee, tip)
        # From here on the transaction exists: if this process dies, the next one sends it.
        self._log.add(
            Transaction(
                0,
                duty,
                nonce,
                "pending",
                request,
                (transaction_hash(raw),),
                raw,
                fee,
                tip,
                self._clock(),
            )
        )
        self._leave_word()
        self._broadcast(raw)
        log.info(
            "sent", duty=str(duty), nonce=nonce, transaction=transaction_hash(raw), fee_wei=fee
        )
        return True

    def advance(self, settled: int) -> None:
        """Follow what was sent.

        Args:
            settled: number of the newest block that cannot be reorganised.

        Raises:
            NodeError: the node does not answer.
        """
        used = rpc.nonce(self._web3, self._address)
        trouble: NodeError | None = None
        for transaction in self._log.in_state("pending", "mined", "failed"):
            try:
                self._follow(transaction, used, settled)
            except NodeError as error:
                # What the node cannot tell of one says nothing about the others.
                trouble = error
        self._leave_word()
        if trouble is not None:
            raise trouble

    def _leave_word(self) -> None:
        """Tell commands with the same key what is on its way."""
        pending = self._log.in_state("pending")
        self._desk.leave([Sent(str(t.duty), t.nonce, "0x" + t.raw.hex()) for t in pending])

    def _by_command(self, to: str, data: bytes) -> bool:
        """Whether a command has the same call on its way."""
        return any(
            same_call(sent.signed, to, data) and self._fate(sent) is Fate.WAITING
            for sent in self._desk.commands()
        )

    def _fate(self, sent: Sent) -> TxReceipt | Fate:
        used = rpc.nonce(self._web3, self._address)
        return look(self._web3, [sent.hash], sent.nonce, used)

    def _follow(self, transaction: Transaction, used: int, settled: int) -> None:
        hashes = [HexStr(each) for each in transaction.hashes]
        found = look(self._web3, hashes, transaction.nonce, used)
        if found is not Fate.OVERTAKEN:
            self._overtaken.pop(transaction.id, None)
        if not isinstance(found, Fate):
            self._mined(transaction, found, settled)
        elif found is Fate.OVERTAKEN:
            self._overtaken[transaction.id] += 1
            if self._overtaken[transaction.id] >= OVERTAKEN_LOOKS:
                log.warning("nonce used by something else", duty=str(transaction.duty))
                del self._overtaken[transaction.id]
                self._log.update(replace(transaction, state="lost", block=None))
        elif transaction.state != "pending":
            log.warning("reorganised away", duty=str(transaction.duty))
            self._log.update(replace(transaction, state="pending", block=None))
            self._broadcast(transaction.raw)
        elif self._clock() - transaction.sent >= self._replace_seconds:
            self._replace(transaction)
        elif found is Fate.UNKNOWN:
            self._broadcast(transaction.raw)

    def _mined(self, transaction: Transaction, receipt: TxReceipt, settled: int) -> None:
        success, block = receipt["status"] == 1, receipt["blockNumber"]
        state = "final" if block <= settled else "mined" if success else "failed"
        if (state, block) != (transaction.state, transaction.block):
            self._log.update(replace(transaction, state=state, block=block))
            log.info("mined", duty=str(transaction.duty), block=block, success=success)

    def _replace(self, transaction: Transaction) -> None:
        request = transaction.request
        try:
            with node_errors(str(transaction.duty)):
                self._web3.eth.estimate_gas(
                    {
                        "from": self._address,
                        "to": request["to"],
                        "data": request["data"],
                        "value": request["value"],
                    }
                )
        except Reverted as error:
            log.warning("cancelled", duty=str(transaction.duty), reason=error.reason)
            request = {"to": self._address, "data": "0x", "value": 0, "gas": _PLAIN_GAS}
        least = transaction.fee + transaction.fee * fees.BUMP_PERCENT // 100 + 1
        cap = self._cap(transaction.duty)
        fee, tip = fees.quote(self._web3, cap)
        fee = max(fee, least)
        tip = min(fee, max(tip, transaction.tip + transaction.tip * fees.BUMP_PERCENT // 100 + 1))
        if fee > cap:
            log.error("stuck at the fee cap", duty=str(transaction.duty), nonce=transaction.nonce)
            self._log.update(replace(transaction, sent=self._clock()))
            self._broadcast(transaction.raw)
            return
        raw = self._sign(request, transaction.nonce, fee, tip)
        self._log.update(
            replace(
                transaction,
                request=request,
                hashes=(*transaction.hashes, transaction_hash(raw)),
                raw=raw,
                fee=fee,
                tip=tip,
                sent=self._clock(),
            )
        )
        self._broadcast(raw)
        log.info("replaced", duty=str(transaction.duty), nonce=transaction.nonce, fee_wei=fee)

    def _cap(self, duty: Duty) -> int:
        """Most wei for a unit of gas."""
        gwei = self._max_fee(duty) if callable(self._max_fee) else self._max_fee
        return int(gwei * 10**9)

    def _nonce(self) -> int:
        pending = self._log.in_state("pending")
        ours = max((each.nonce + 1 for each in pending), default=0)
        # What a command has on its way keeps its nonce; what no node knows any more does not.
        theirs = [
            sent.nonce + 1 for sent in self._desk.commands() if self._fate(sent) is Fate.WAITING
        ]
        return max(ours, *theirs, self._web3.eth.get_transaction_count(self._address, "latest"))

    def _sign(self, request: dict[str, Any], nonce: int, fee: int, tip: int) -> bytes:
        return self._signer.sign_transaction(
            {
                **request,  # type: ignore[typeddict-item]
                "nonce": nonce,
                "maxFeePerGas": fee,
                "maxPriorityFeePerGas": tip,
                "chainId": self._web3.eth.chain_id,
                "type": 2,
            }
        )

    def _broadcast(self, raw: bytes) -> None:
        """Send; whether it arrived shows in the next cycle, so a refusal is only told."""
        try:
            rpc.broadcast(self._web3, raw)
        except NodeError as error:
            log.warning("not accepted yet", transaction=transaction_hash(raw), reason=str(error))


class DryRun:
    """In place of an outbox where there is no key: says what would be sent."""

    def __init__(self) -> None:
        self._told: set[Duty] = set()

    def send(self, duty: Duty, call: ContractFunction, *, once: bool = False) -> bool:
        """Say, once, that a duty needs a transaction; never True."""
        del call, once
        if duty not in self._told:
            self._told.add(duty)
            log.info("dry run", duty=str(duty))
        return False

    def advance(self, settled: int) -> None:
        """Nothing was sent."""
