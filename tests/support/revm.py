"""The fast lane: revm in this process; about Cancun's rules, no blocks, nonces or signatures."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from eth_utils.address import to_checksum_address
from pyrevm import EVM, BlockEnv, CfgEnv, Env

from tests.support.chain import (
    ACCOUNTS,
    BLOCK_GAS,
    CHAIN_ID,
    START,
    START_BALANCE,
    Chain,
    Receipt,
    Reverted,
    decode_revert,
)

_REVERT = re.compile(r"^Revert \{ gas_used: \d+, output: 0x([0-9a-f]*) \}$")
_PADDING = 33  # Bytes that revm appends to code, so that no push runs past its end.
_FAUCET = "0x" + "fa" * 20


class Revm(Chain):
    """A chain in this process. Its journal is never closed: see `Receipt.gas_used`.

    Attributes:
      code_limit: the most bytes of code, if not the usual; there is gas for it then.
      fee_account: whose balance stands for the base fee, if contracts were compiled so; pyrevm's
        own is always 0 (scripts/instrument.py).
      endowed: an account that has a wei on every chain (scripts/instrument.py).
      made: keeps the chains that are made, if it is a list.
    """

    code_limit: ClassVar[int | None] = None
    fee_account: ClassVar[str | None] = None
    endowed: ClassVar[str | None] = None
    made: ClassVar[list[Revm] | None] = None

    def __init__(self) -> None:
        self._time = START
        self._prevrandao = 0x55 << 248
        config = CfgEnv(chain_id=CHAIN_ID, limit_contract_code_size=self.code_limit)
        self._evm = EVM(
            env=Env(cfg=config, block=self._block()),
            gas_limit=BLOCK_GAS if self.code_limit is None else 250 * self.code_limit,
            spec_id="CANCUN",
        )
        if self.made is not None:
            self.made.append(self)
        if self.endowed:
            self._evm.set_balance(self.endowed, 1)
        self._evm.set_balance(_FAUCET, 2**200)
        for account in ACCOUNTS:
            self._evm.set_balance(account.address, START_BALANCE)

    def _block(self) -> BlockEnv:
        return BlockEnv(
            number=1,
            timestamp=self._time,
            gas_limit=BLOCK_GAS,
            prevrandao=self._prevrandao.to_bytes(32, "big"),
        )

    @property
    def time(self) -> int:
        return self._time

    @time.setter
    def time(self, timestamp: int) -> None:
        self._time = timestamp
        self._evm.set_block_env(self._block())

    @property
    def prevrandao(self) -> int:
        """What the block's randomness is, as an integer of 256 bits."""
        return self._prevrandao

    @prevrandao.setter
    def prevrandao(self, value: int) -> None:
        self._prevrandao = value
        self._evm.set_block_env(self._block())

    @property
    def base_fee(self) -> int:
        """Of the blocks to come, in wei; nobody pays it."""
        return self.balance(self.fee_account) if self.fee_account else 0

    @base_fee.setter
    def base_fee(self, wei: int) -> None:
        assert self.fee_account, "these contracts have a base fee on a node alone"
        self.set_balance(self.fee_account, wei)

    def balance(self, address: str) -> int:
        return self._evm.get_balance(address)

    def set_balance(self, address: str, wei: int) -> None:
        # EVM.set_balance is not journaled: a later revert would count from a wrong balance.
        missing = wei - self.balance(address)
        if missing > 0:
            # A self-destructing creation reaches any address, and runs no code there.
            code = bytes.fromhex(f"73{address[2:]}ff")
            self._create(_FAUCET, code, missing)
        elif missing < 0:
            self._run(address, _FAUCET, b"", -missing, BLOCK_GAS)

    def code(self, address: str) -> bytes:
        code = self._evm.get_code(address)
        return code[:-_PADDING] if code else b""

    def accounts(self) -> set[str]:
        """Return all accounts that any execution looked at, even one that reverted."""
        return set(self._evm.db_accounts)

    def storage(self, address: str, slot: int) -> int:
        """Return the word in a storage slot."""
        return self._evm.storage(address, slot)

    def set_storage(self, address: str, slot: int, word: int) -> None:
        """Write a storage slot, from outside and not journaled: a later revert may not undo it."""
        self._evm.insert_account_storage(address, slot, word)

    def snapshot(self) -> Any:
        return self._evm.snapshot(), self._time

    def revert(self, snapshot: Any) -> None:
        checkpoint, self.time = snapshot
        self._evm.revert(checkpoint)

    def _create(self, sender: str, code: bytes, value: int) -> str:
        try:
            return to_checksum_address(self._evm.deploy(sender, code, value=value))
        except RuntimeError as error:
            raise _reverted(error) from None
        finally:
            self._evm.reset_transient_storage()

    def _send(self, sender: str, to: str, data: bytes, value: int, gas: int) -> Receipt:
        self._run(sender, to, data, value, gas)
        result = self._evm.result
        assert result is not None
        return Receipt(None, tuple((log.address, *log.data) for log in result.logs))

    def _call(self, sender: str, to: str, data: bytes, value: int) -> bytes:
        checkpoint = self._evm.snapshot()
        try:
            return self._run(sender, to, data, value, BLOCK_GAS)
        finally:
            self._evm.revert(checkpoint)

    def _run(self, sender: str, to: str, data: bytes, value: int, gas: int) -> bytes:
        try:
            return self._evm.message_call(sender, to, calldata=data, value=value, gas=gas)
        except RuntimeError as error:
            raise _reverted(error) from None
        finally:
            # All transactions are one to revm, so it does not do this at their end.
            self._evm.reset_transient_storage()


def _reverted(error: RuntimeError) -> Exception:
    message = str(error)
    if match := _REVERT.match(message):
        return decode_revert(bytes.fromhex(match[1]))
    if message.startswith("Halt"):
        return Reverted("Halt", (message.partition("reason: ")[2].partition(",")[0],))
    return error
