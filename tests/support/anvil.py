"""The slow lane: anvil, a real node in its own process on a free port of this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint

from scripts.build import ROOT
from tests.support.chain import (
    ACCOUNTS,
    BLOCK_GAS,
    CHAIN_ID,
    START,
    START_BALANCE,
    Chain,
    Json,
    Receipt,
    Reverted,
    decode_revert,
)

_START_SECONDS = 30


class Anvil(Chain):
    """A chain in an anvil process, which `close` ends.

    Attributes:
      url: of its JSON-RPC.
      web3: connected to it.
      base_fee: of the blocks to come, in wei; who sends a transaction pays it.
    """

    def __init__(self, *options: str, hardfork: str = "cancun") -> None:
        """Start anvil, one block a transaction, every sender allowed without a signature.

        Args:
          options: more of anvil's own, such as `--enable-tx-gas-limit`.
          hardfork: whose rules.

        Raises:
          RuntimeError: anvil is missing or does not start.
        """
        path = f"{ROOT / 'node_modules' / '.bin'}{os.pathsep}{os.environ.get('PATH', '')}"
        anvil = shutil.which("anvil", path=path)
        if anvil is None:
            raise RuntimeError("anvil is missing: run `make setup`.")
        command = [anvil, "--port", "0", "--accounts", "1", "--auto-impersonate"]
        command += ["--hardfork", hardfork, "--chain-id", str(CHAIN_ID), "--timestamp", str(START)]
        command += ["--gas-limit", str(BLOCK_GAS), "--base-fee", "0", *options]
        with tempfile.NamedTemporaryFile(prefix="anvil-", suffix=".log") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            try:
                self.url = f"http://{self._address(Path(log.name))}"
            except RuntimeError:
                self.close()
                raise
        self.web3 = Web3(HTTPProvider(self.url))
        self._time = START
        self.base_fee = 0
        for account in ACCOUNTS:
            self.set_balance(account.address, START_BALANCE)

    def _address(self, log: Path) -> str:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            text = log.read_text()
            if match := re.search(r"Listening on (\S+)", text):
                return match[1]
            if self._process.poll() is not None:
                raise RuntimeError(f"anvil stopped at once: {text}")
            time.sleep(0.02)
        raise RuntimeError(f"anvil did not start in {_START_SECONDS} s")

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()

    def rpc(self, method: str, *params: Any) -> Any:
        """Return the result of a JSON-RPC request.

        Raises:
          Reverted: the error carries revert data.
          RuntimeError: any other error.
        """
        answer = self.web3.provider.make_request(RPCEndpoint(method), params)
        if "error" not in answer:
            return answer["result"]
        error: Any = answer["error"]
        data = error.get("data")
        if isinstance(data, str):
            raise decode_revert(bytes.fromhex(data[2:]))
        raise RuntimeError(f"{method}: {error['message']}")

    @property
    def time(self) -> int:
        return self._time

    @time.setter
    def time(self, timestamp: int) -> None:
        self._time = timestamp

    def balance(self, address: str) -> int:
        return int(self.rpc("eth_getBalance", address, "latest"), 16)

    def set_balance(self, address: str, wei: int) -> None:
        self.rpc("anvil_setBalance", address, hex(wei))

    def code(self, address: str) -> bytes:
        return bytes.fromhex(self.rpc("eth_getCode", address, "latest")[2:])

    def snapshot(self) -> Any:
        return self.rpc("evm_snapshot"), self._time

    def revert(self, snapshot: Any) -> None:
        identifier, self._time = snapshot
        if not self.rpc("evm_revert", identifier):
            raise RuntimeError("this snapshot is used up")

    def _create(self, sender: str, code: bytes, value: int) -> str:
        return to_checksum_address(
            self._mine(sender, None, code, value, BLOCK_GAS)["contractAddress"]
        )

    def _send(self, sender: str, to: str, data: bytes, value: int, gas: int) -> Receipt:
        receipt = self._mine(sender, to, data, value, gas)
        logs = (
            (
                log["address"],
                [bytes.fromhex(topic[2:]) for topic in log["topics"]],
                bytes.fromhex(log["data"][2:]),
            )
            for log in receipt["logs"]
        )
        return Receipt(int(receipt["gasUsed"], 16), tuple(logs))

    def _call(self, sender: str, to: str, data: bytes, value: int) -> bytes:
        request = {"from": sender, "to": to, "data": "0x" + data.hex(), "value": hex(value)}
        block = {"time": hex(self._time)}
        return bytes.fromhex(self.rpc("eth_call", request, "latest", {}, block)[2:])

    def _mine(self, sender: str, to: str | None, data: bytes, value: int, gas: int) -> Json:
        self.rpc("evm_setNextBlockTimestamp", hex(self._time))
        self.rpc("anvil_setNextBlockBaseFeePerGas", hex(self.base_fee))
        request = {
            "from": sender,
            "data": "0x" + data.hex(),
            "value": hex(value),
            "gas": hex(gas),
            "gasPrice": hex(self.base_fee),
        }
        # Mined after eth_sendTransaction returns: the receipt may not be there yet. This one waits.
        receipt: Json = self.rpc("eth_sendTransactionSync", request | ({"to": to} if to else {}))
        if receipt["status"] != "0x1":
            options = {"tracer": "callTracer"}
            trace = self.rpc("debug_traceTransaction", receipt["transactionHash"], options)
            if trace.get("error") != "execution reverted":
                raise Reverted("Halt", (trace.get("error"),))
            raise decode_revert(bytes.fromhex(trace.get("output", "0x")[2:]))
        return receipt
