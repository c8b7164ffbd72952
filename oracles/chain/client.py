"""A connection to a node: checked on opening, transactions simulated before they are sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

import requests
from eth_abi.abi import decode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.address import to_checksum_address
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractCustomError, ContractLogicError, TimeExhausted, Web3Exception

from oracles.chain import artifacts
from oracles.errors import ChainError, ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from eth_account.signers.local import LocalAccount
    from web3.contract.contract import ContractConstructor, ContractFunction
    from web3.types import TxParams, TxReceipt

T = TypeVar("T")

#: Seconds to wait for one RPC answer, and for a transaction's receipt.
RPC_TIMEOUT = 30
RECEIPT_TIMEOUT = 180
#: Share added to a gas estimate, in per cent.
GAS_MARGIN = 15
_PANICS = {0x01: "assertion failed", 0x11: "arithmetic overflow", 0x12: "division by zero"}


def explain_revert(data: bytes) -> str:
    """A revert in words: the custom error's name with its arguments."""
    if len(data) < 4:
        return "reverted without a reason"
    entry = artifacts.errors().get(data[:4])
    if entry is not None:
        values = decode([item["type"] for item in entry["inputs"]], data[4:])
        named = ", ".join(
            f"{item['name']}={_show(value)}"
            for item, value in zip(entry["inputs"], values, strict=True)
        )
        return f"{entry['name']}({named})"
    if data[:4] == bytes.fromhex("08c379a0"):
        return str(decode(["string"], data[4:])[0])
    if data[:4] == bytes.fromhex("4e487b71"):
        code = decode(["uint256"], data[4:])[0]
        return _PANICS.get(code, f"panic {code:#x}")
    return f"reverted with 0x{data.hex()}"


def _show(value: Any) -> str:
    if isinstance(value, bytes):
        return value.rstrip(b"\0").decode() if value.isascii() and value[:1] > b" " else value.hex()
    return str(value)


def _revert_data(error: ContractLogicError) -> bytes:
    data = error.data
    if isinstance(data, dict):
        data = data.get("data", "")
    if isinstance(data, str) and data.startswith("0x"):
        return bytes.fromhex(data[2:])
    return b""


def revert_reason(error: Exception) -> str:
    """What a node's refusal says, in words."""
    if isinstance(error, ContractLogicError):
        return f"would revert: {explain_revert(_revert_data(error))}"
    return f"the node refused: {error}"


def connect(url: str, *, chain_id: int | None = None) -> Web3:
    """Connect to a node over HTTP.

    Args:
        url: JSON-RPC address.
        chain_id: the chain it must be on, if that is known.

    Raises:
        ChainError: nobody answers, or it is another chain.
    """
    web3 = Web3(HTTPProvider(url, request_kwargs={"timeout": RPC_TIMEOUT}))
    try:
        actual = web3.eth.chain_id
    except (requests.RequestException, OSError, Web3Exception) as error:
        raise ChainError(f"no node answers at {url}: start one or pass another --rpc") from error
    if chain_id is not None and actual != chain_id:
        raise ChainError(f"{url} is chain {actual}, but the deployment is on chain {chain_id}")
    return web3


class Signer(Protocol):
    """Whoever can sign for an address."""

    @property
    def address(self) -> str:
        """Checksummed address."""

    def sign_transaction(self, transaction: TxParams) -> bytes:
        """The raw signed transaction."""

    def sign_typed(self, message: dict[str, Any]) -> bytes:
        """65-byte EIP-712 signature of a whole typed message."""


@dataclass(frozen=True, slots=True)
class LocalSigner:
    """A key held by this process (eth-account)."""

    account: LocalAccount

    @classmethod
    def from_secret(cls, secret: bytes | str) -> LocalSigner:
        """From a 32-byte private key."""
        return cls(Account.from_key(secret))

    @classmethod
    def from_keystore(cls, path: Path, passphrase: str) -> LocalSigner:
        """From an encrypted keystore file (Web3 Secret Storage).

        Raises:
            ConfigError: the file cannot be read, or the passphrase is wrong.
        """
        try:
            return cls(Account.from_key(Account.decrypt(path.read_text(), passphrase)))
        except (OSError, ValueError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise ConfigError(f"cannot open the keystore {path}: {error}") from error

    @property
    def address(self) -> str:
        """Checksummed address."""
        return str(self.account.address)

    def sign_transaction(self, transaction: TxParams) -> bytes:
        """The raw signed transaction."""
        return bytes(self.account.sign_transaction(transaction).raw_transaction)  # type: ignore[arg-type]

    def sign_typed(self, message: dict[str, Any]) -> bytes:
        """65-byte EIP-712 signature."""
        signable = encode_typed_data(full_message=message)
        return bytes(self.account.sign_message(signable).signature)


class Sender:
    """Sends transactions of one signer: simulated first, EIP-1559 fees, one at a time.

    Args:
        web3: connection.
        signer: who signs.
        max_fee_gwei: never pay more than this for a unit of gas; None for no cap.
    """

    def __init__(self, web3: Web3, signer: Signer, *, max_fee_gwei: float | None = None) -> None:
        self.web3 = web3
        self.signer = signer
        self._cap = None if max_fee_gwei is None else int(max_fee_gwei * 10**9)

    @property
    def address(self) -> str:
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
        try:
            # Estimating runs the transaction, so a revert shows here and costs nothing.
            gas = call.estimate_gas({"from": to_checksum_address(self.address), "value": value})  # type: ignore[arg-type]
            transaction = call.build_transaction(self._envelope(value, gas))
            raw = self.signer.sign_transaction(transaction)
            digest = self.web3.eth.send_raw_transaction(raw)
            receipt = self.web3.eth.wait_for_transaction_receipt(digest, timeout=RECEIPT_TIMEOUT)
        except (ContractCustomError, ContractLogicError) as error:
            reason = explain_revert(_revert_data(error))
            raise ChainError(f"{_name(call)} would revert: {reason}") from error
        except TimeExhausted as error:
            raise ChainError(f"{_name(call)}: no receipt after {RECEIPT_TIMEOUT} s") from error
        except (Web3Exception, ValueError, requests.RequestException, OSError) as error:
            raise ChainError(f"{_name(call)}: the node refused: {error}") from error
        if receipt["status"] != 1:
            raise ChainError(f"{_name(call)} reverted in block {receipt['blockNumber']}")
        return receipt

    def _envelope(self, value: int, gas: int) -> TxParams:
        base = self.web3.eth.get_block("latest").get("baseFeePerGas", 0)
        tip = self.web3.eth.max_priority_fee
        fee = 2 * base + tip
        if self._cap is not None and fee > self._cap:
            if base + 1 > self._cap:
                raise ChainError(
                    f"gas costs {base / 10**9:.2f} gwei, above the cap of {self._cap / 10**9:.2f}"
                )
            fee = self._cap
        return {
            "from": to_checksum_address(self.address),
            "value": value,  # type: ignore[typeddict-item]
            "gas": gas + gas * GAS_MARGIN // 100,
            "nonce": self.web3.eth.get_transaction_count(
                to_checksum_address(self.address), "pending"
            ),
            "maxFeePerGas": fee,  # type: ignore[typeddict-item]
            "maxPriorityFeePerGas": min(tip, fee),  # type: ignore[typeddict-item]
            "chainId": self.web3.eth.chain_id,
        }


def _name(call: ContractFunction | ContractConstructor) -> str:
    return getattr(call, "fn_name", "constructor")


def read(call: ContractFunction, *, block: int | str = "latest") -> Any:
    """Call a view.

    Raises:
        ChainError: it reverts (with the contract's reason), or the node does not answer.
    """
    try:
        return call.call(block_identifier=block)  # type: ignore[arg-type]
    except (ContractCustomError, ContractLogicError) as error:
        raise ChainError(f"{_name(call)}: {explain_revert(_revert_data(error))}") from error
    except (Web3Exception, ValueError, requests.RequestException, OSError) as error:
        raise ChainError(f"{_name(call)}: the node does not answer: {error}") from error


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
        return self._web3.eth.chain_id

    def _call(self, name: str, *args: Any) -> ContractFunction:
        call: ContractFunction = self._functions[name](*args)
        return call

    def _read(self, name: str, *args: Any, block: Any = "latest") -> Any:
        return read(self._functions[name](*args), block=block)


def receipt_events(receipt: TxReceipt, kind: type[T]) -> list[T]:
    """The events of one kind that a transaction caused, in order."""
    from oracles.chain.events import decode_log

    decoded = (
        decode_log(log["address"], [bytes(topic) for topic in log["topics"]], bytes(log["data"]))
        for log in receipt["logs"]
    )
    return [event.body for event in decoded if event and isinstance(event.body, kind)]


def receipt_event(receipt: TxReceipt, kind: type[T]) -> T:
    """The event of one kind that a transaction caused.

    Raises:
        ChainError: it caused none, or more than one.
    """
    events = receipt_events(receipt, kind)
    if len(events) != 1:
        raise ChainError(f"a transaction caused {len(events)} events {kind.__name__}, not one")
    return events[0]
