"""Calling the contracts: views, and transactions that are simulated before they are sent."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from eth_utils.address import to_checksum_address
from hexbytes import HexBytes
from web3.contract.contract import ContractFunction
from web3.exceptions import MismatchedABI
from web3.types import Nonce, Wei

from oracles.chain import artifacts, fees, rpc
from oracles.chain.events import decode_log
from oracles.chain.fees import Fees
from oracles.chain.rpc import node_errors
from oracles.chain.sending import (
    Fate,
    KeyDesk,
    Pending,
    Sent,
    await_receipt,
    base_above,
    deliver,
    look_at,
    same_call,
    too_cheap,
)
from oracles.errors import ChainError, InputError, Interrupted, NodeError
from oracles.money import ETHER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from eth_typing import ChecksumAddress
    from web3 import Web3
    from web3.contract.contract import ContractConstructor
    from web3.types import BlockIdentifier, TxParams, TxReceipt

    from oracles.chain.signers import Signer
    from oracles.chain.typed_events import Body

T = TypeVar("T")


class Sender:
    """Sends transactions of one signer: simulated first, EIP-1559 fees, one at a time.

    Args:
        web3: connection.
        signer: who signs.
        max_fee_gwei: never pay more than this for a unit of gas; None for no cap.
        pending: file that keeps what is on its way, so that the next command finds it.
        notify: called with a sentence when another program's turn with the key is first.

    Example:
        >>> import qmia
        >>> from pathlib import Path
        >>> signer = qmia.LocalSigner.from_keystore(Path("me.json"), "the passphrase")
        >>> sender = qmia.Sender(qmia.connect(["http://127.0.0.1:8545"]), signer)
        >>> sender.address == signer.address
        True
    """

    def __init__(
        self,
        web3: Web3,
        signer: Signer,
        *,
        max_fee_gwei: float | None = None,
        pending: Path | None = None,
        notify: Callable[[str], object] | None = None,
    ) -> None:
        self._notify = notify
        self.web3 = web3
        self.signer = signer
        self._pending = Pending(pending)
        self._desk = KeyDesk(pending)
        #: What this sender has done, for the message of a failure that comes after it.
        self.done: list[str] = []
        self._cap = None if max_fee_gwei is None else int(max_fee_gwei * 10**9)

    @property
    def address(self) -> ChecksumAddress:
        """Checksummed address of the signer."""
        return self.signer.address

    def send(self, call: ContractFunction | ContractConstructor, *, value: int = 0) -> TxReceipt:
        """Simulate, sign, send and wait for the receipt.

        Args:
            call: bound contract function or constructor.
            value: wei.

        Raises:
            ChainError: it would revert (the contract's reason is in the message), the fee exceeds
                the cap, the node refuses, or no receipt came in time.
        """
        with self._desk.command(self._notify):
            self._pending.read()
            return self._send(call, value)

    def _send(self, call: ContractFunction | ContractConstructor, value: int) -> TxReceipt:
        over = self._reconcile(call)
        name, address = _name(call), getattr(call, "address", None)
        if receipt := self._by_daemon(call):
            return receipt
        if address is not None and not rpc.code(self.web3, address):
            raise ChainError(
                f"{name}: there is no contract at {address} on this chain; is the address right?"
            )
        with ExitStack() as turn:
            turn.enter_context(self._desk.turn(notify=self._notify))
            self._afford(name, value)
            with node_errors(name):
                # Estimating runs the transaction, so a revert shows here and costs nothing.
                gas = call.estimate_gas({"from": self.address, "value": Wei(value)})
                transaction = call.build_transaction(self._envelope(value, gas, over))
            self._afford(name, value, transaction["gas"] * int(transaction["maxFeePerGas"]))
            raw = self.signer.sign_transaction(transaction)
            self._pending.add(Sent(name, transaction["nonce"], "0x" + raw.hex()))
            return self._delivered(name, turn.close)

    def _delivered(self, name: str, handed: Callable[[], object]) -> TxReceipt:
        try:
            sent, receipt = deliver(self.web3, self.address, self._pending, handed=handed)
        except KeyboardInterrupt as error:
            raise Interrupted(
                f"interrupted: {name} was sent as {self._pending.sent[-1].hash} and may be on"
                " chain; the next command looks there first"
            ) from error
        if sent != self._pending.sent[-1]:
            raise self._earlier(sent, receipt)
        self._pending.clear()
        if receipt["status"] == 1:
            self.done.append(f"{name}{_told(receipt)} as {sent.hash}")
        else:
            raise ChainError(
                f"{name} reverted in block {receipt['blockNumber']} ({sent.hash}): something"
                " changed after it was simulated; only gas was spent"
            )
        return receipt

    def simulate(self, call: ContractFunction, *, value: int = 0) -> None:
        """Run a call without sending it.

        Raises:
            ChainError: the account holds less than `value`.
            Reverted: it would revert.
            NodeError: the node does not answer.
        """
        self._afford(_name(call), value)
        with node_errors(_name(call)):
            call.estimate_gas({"from": self.address, "value": Wei(value)})

    def _afford(self, name: str, value: int, gas: int = 0) -> None:
        """Say what is short before a node does: each has other words, and none names the account.

        Raises:
            ChainError: the account holds less than value and gas, wei.
        """
        with node_errors(name):
            held = self.web3.eth.get_balance(self.address)
        if held >= value + gas:
            return
        parts = [f"{ETHER.format(value)} to pay"] if value else []
        parts += [f"up to {ETHER.format(gas)} for gas"] if gas else ["ether for gas"]
        raise ChainError(
            f"{name} needs {' and '.join(parts)}, but {self.address} has {ETHER.format(held)}:"
            " send ether to it. Nothing was sent"
        )

    def _by_daemon(self, call: ContractFunction | ContractConstructor) -> TxReceipt | None:
        """The receipt of the same call, if a daemon that runs beside has it on its way."""
        if not isinstance(call, ContractFunction):
            return None
        for sent in self._desk.flight():
            if _makes(sent, call):
                found = await_receipt(self.web3, self.address, sent)
                if found is not None and found["status"] == 1:
                    return found
        return None

    def _reconcile(self, call: ContractFunction | ContractConstructor) -> Fees | None:
        """Look at what an interrupted command left on its way, before anything else is sent.

        Returns:
            What a transaction that waits pays, if the call takes its place; else None.

        Raises:
            ChainError: it went through, or is still on its way: nothing more is done.
        """
        left = self._pending.sent
        if not left:
            return None
        found = look_at(self.web3, self.address, left)
        if isinstance(found, tuple):
            raise self._earlier(*found)
        if found is Fate.WAITING and base_above(self.web3, left[-1]):
            if isinstance(call, ContractFunction) and _makes(left[-1], call):
                return Fees(left[-1].max_fee, left[-1].tip)
            raise ChainError(f"nothing was sent now. {too_cheap(self.web3, left[-1])}")
        if found is not Fate.UNKNOWN:
            raise self._earlier(*deliver(self.web3, self.address, self._pending))
        return None

    def _earlier(self, sent: Sent, receipt: TxReceipt) -> ChainError:
        """Say what an earlier command did; it is over with that."""
        self._pending.clear()
        how = "went through" if receipt["status"] == 1 else "reverted"
        return ChainError(
            f"{sent.what} of an earlier command {how} in block {receipt['blockNumber']}, as"
            f" {sent.hash}{_told(receipt)}. Nothing was sent now: run the command again if it is"
            " still needed"
        )

    def _envelope(self, value: int, gas: int, over: Fees | None) -> TxParams:
        left = self._pending.sent
        max_fee, tip = fees.quote(self.web3, self._cap, over=over)
        return {
            "from": self.address,
            "value": Wei(value),
            "gas": fees.with_margin(gas),
            # One whose fate is not known is replaced at its own nonce: only one can be mined.
            "nonce": Nonce(left[-1].nonce if left else self._next_nonce()),
            "maxFeePerGas": Wei(max_fee),
            "maxPriorityFeePerGas": Wei(tip),
            "chainId": self._chain_id,
        }

    def _next_nonce(self) -> int:
        """Behind what is on its way from other programs, and never one that is used."""
        return max(
            rpc.nonce(self.web3, self.address),
            rpc.nonce(self.web3, self.address, "pending"),
            # What no node has keeps no nonce.
            *(each.nonce + 1 for each in self._desk.flight() if rpc.known(self.web3, each.hash)),
        )

    @cached_property
    def _chain_id(self) -> int:
        return self.web3.eth.chain_id


def _told(receipt: TxReceipt) -> str:
    """The events of a transaction, in parentheses."""
    told = [f"{type(b).__name__} {getattr(b, 'auction_id', '')}".strip() for b in bodies(receipt)]
    return f" ({', '.join(told)})" if told else ""


def _makes(sent: Sent, call: ContractFunction) -> bool:
    """Whether what was sent makes a call."""
    data = bytes(HexBytes(call._encode_transaction_data()))
    return same_call(sent.signed, call.address, data)


def _name(call: ContractFunction | ContractConstructor) -> str:
    return getattr(call, "fn_name", "constructor")


def read(call: ContractFunction, *, block: BlockIdentifier = "latest") -> Any:
    """Call a view.

    Raises:
        Reverted: the contract refuses.
        NodeError: the node does not answer, or there is no such contract.
    """
    with node_errors(_name(call)):
        return call.call(block_identifier=block)


class ContractAt:
    """One of the project's contracts at an address; subclasses give its functions types.

    Args:
        web3: connection.
        address: of the contract.
    """

    #: Whose ABI it has.
    artifact: ClassVar[str]

    def __init__(self, web3: Web3, address: str) -> None:
        self.address = to_checksum_address(address)
        self._web3 = web3
        abi = artifacts.abi(self.artifact)
        self._functions: Any = web3.eth.contract(address=self.address, abi=abi).functions

    @cached_property
    def chain_id(self) -> int:
        """EIP-155."""
        with node_errors("asking for the chain"):
            return self._web3.eth.chain_id

    def _call(self, name: str, *args: Any) -> ContractFunction:
        try:
            call: ContractFunction = self._functions[name](*args)
        except MismatchedABI as error:
            # Web3 would print every argument and every type.
            raise InputError(
                f"{name}: a number is negative or larger than the contract takes"
            ) from error
        return call

    def _read(self, name: str, *args: Any, block: Any = "latest") -> Any:
        return read(self._call(name, *args), block=block)


def bodies(receipt: TxReceipt) -> list[Body]:
    """Every event of the project's contracts that a transaction caused, in order."""
    decoded = (
        decode_log(log["address"], [bytes(topic) for topic in log["topics"]], bytes(log["data"]))
        for log in receipt["logs"]
    )
    return [event.body for event in decoded if event is not None]


def receipt_events(receipt: TxReceipt, kind: type[T]) -> list[T]:
    """The events of one kind that a transaction caused, in order."""
    return [body for body in bodies(receipt) if isinstance(body, kind)]


def receipt_event(receipt: TxReceipt, kind: type[T]) -> T:
    """The event of one kind that a transaction caused.

    Raises:
        NodeError: it caused none, or more than one.
    """
    events = receipt_events(receipt, kind)
    if len(events) != 1:
        digest = "0x" + bytes(receipt["transactionHash"]).hex()
        raise NodeError(f"{digest} caused {len(events)} events {kind.__name__}, not one")
    return events[0]
