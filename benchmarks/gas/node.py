"""A local node with the gas rules of the present main network, fed in batches.

Thousands of transactions must take seconds, so a whole batch is queued, one block mined for it and
its receipts fetched at once. Senders are impersonated: gas is charged for signed transactions all
the same.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eth_abi.abi import decode, encode
from eth_utils.abi import collapse_if_tuple, function_abi_to_4byte_selector
from eth_utils.address import to_checksum_address

from oracles.chain import artifacts
from oracles.errors import ChainError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
CHAIN_ID = 31337
START = 1_800_000_000
#: EIP-7825: most gas of one transaction.
TX_GAS_CAP = 1 << 24
BLOCK_GAS = 1_500_000_000
#: Transactions in one request and one block.
BATCH = 250
#: Calldata in one request, or little more: the node refuses bodies of two megabytes.
BATCH_BYTES = 500_000
ETHER = 10**18

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tx:
    """A transaction to send.

    Attributes:
        sender: any address.
        to: None creates a contract.
        data: calldata.
        value: wei.
    """

    sender: str
    to: str | None
    data: bytes
    value: int = 0


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction that succeeded: gas used (receipt) and its logs."""

    gas: int
    logs: tuple[Json, ...]
    address: str | None


class Node:
    """An anvil process of its own, ended on leaving the context.

    Args:
        base_fee: wei for a unit of gas. What the oracle owes for gas is stored only where it is
            not 0.

    Raises:
        ChainError: anvil is missing, does not start, or refuses a request.
    """

    def __init__(self, base_fee: int = 0) -> None:
        path = f"{ROOT / 'node_modules' / '.bin'}{os.pathsep}{os.environ.get('PATH', '')}"
        anvil = shutil.which("anvil", path=path)
        if anvil is None:
            raise ChainError("anvil is missing: run `make setup`.")
        command = [anvil, "--port", "0", "--accounts", "1", "--auto-impersonate", "--no-mining"]
        command += ["--hardfork", "osaka", "--enable-tx-gas-limit", "--order", "fifo"]
        command += ["--chain-id", str(CHAIN_ID), "--timestamp", str(START)]
        command += ["--base-fee", str(base_fee)]
        command += ["--gas-limit", str(BLOCK_GAS), "--prune-history", "2"]
        self._log = tempfile.NamedTemporaryFile(prefix="anvil-", suffix=".log")  # noqa: SIM115
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)
        self._http = http.client.HTTPConnection(self._wait(Path(self._log.name)), timeout=600)
        self.time = START
        # Blocks that are more than half full raise the base fee by a wei.
        self._gas_price = hex(base_fee * 1000)

    def __enter__(self) -> Node:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()

    def _wait(self, log: Path) -> str:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._process.poll() is None:
            if match := re.search(r"Listening on (\S+)", log.read_text()):
                return match[1]
            time.sleep(0.02)
        self._process.terminate()
        raise ChainError(f"anvil did not start: {log.read_text()}")

    def rpc_batch(self, requests: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """Results of JSON-RPC requests, in order."""
        body = [
            {"jsonrpc": "2.0", "id": i, "method": method, "params": params}
            for i, (method, params) in enumerate(requests)
        ]
        self._http.request("POST", "/", json.dumps(body), {"Content-Type": "application/json"})
        answers: list[Json] = json.loads(self._http.getresponse().read())
        for answer in answers:
            if "error" in answer:
                method = requests[answer["id"]][0]
                raise ChainError(f"{method}: {_explain(answer['error'])}")
        return [answer["result"] for answer in sorted(answers, key=lambda a: int(a["id"]))]

    def rpc(self, method: str, *params: Any) -> Any:
        """Result of one request."""
        return self.rpc_batch([(method, list(params))])[0]

    def fund(self, accounts: Iterable[str], wei: int = 1000 * ETHER) -> None:
        """Give every account a balance."""
        requests = [("anvil_setBalance", [account, hex(wei)]) for account in accounts]
        for i in range(0, len(requests), BATCH):
            self.rpc_batch(requests[i : i + BATCH])

    def send(self, txs: Sequence[Tx]) -> list[Sent]:
        """Mine transactions in order.

        Raises:
            ChainError: one of them failed; says which and why.
        """
        sent: list[Sent] = []
        batch: list[Tx] = []
        for tx in txs:
            if len(batch) == BATCH or sum(len(other.data) for other in batch) > BATCH_BYTES:
                sent += self._send(batch)
                batch = []
            batch.append(tx)
        return sent + self._send(batch)

    def _send(self, txs: Sequence[Tx]) -> list[Sent]:
        if not txs:
            return []
        bodies = []
        for tx in txs:
            body = {"from": tx.sender, "data": "0x" + tx.data.hex(), "value": hex(tx.value)}
            body |= {"gas": hex(TX_GAS_CAP), "gasPrice": self._gas_price} | (
                {"to": tx.to} if tx.to else {}
            )
            bodies.append(body)
        hashes = self.rpc_batch([("eth_sendTransaction", [body]) for body in bodies])
        self.rpc_batch([("evm_setNextBlockTimestamp", [self.time]), ("evm_mine", [])])
        receipts = self.rpc_batch([("eth_getTransactionReceipt", [tx]) for tx in hashes])
        out = []
        for receipt, body in zip(receipts, bodies, strict=True):
            if receipt is None:
                raise ChainError("a transaction was not mined: the block is full")
            if receipt["status"] != "0x1":
                self.rpc("eth_call", body, "latest")
                raise ChainError(
                    f"{body['data'][:10]} failed with {int(receipt['gasUsed'], 16)} gas"
                )
            address = receipt["contractAddress"]
            out.append(Sent(int(receipt["gasUsed"], 16), tuple(receipt["logs"]), address))
        return out

    def deploy(self, sender: str, bytecode: str, types: Sequence[str] = (), *args: Any) -> str:
        """Create a contract and return its address."""
        data = bytes.fromhex(bytecode.removeprefix("0x")) + encode(types, args)
        (sent,) = self.send([Tx(sender, None, data)])
        assert sent.address is not None  # noqa: S101 - a creation that succeeded has one
        return str(to_checksum_address(sent.address))

    def call(self, to: str, contract: str, function: str, *args: Any) -> Any:
        """Call a view at the time of the next block."""
        entry = _entry(contract, function)
        request = {"to": to, "data": "0x" + calldata(contract, function, *args).hex()}
        block = {"time": hex(self.time)}
        answer = self.rpc("eth_call", request, "latest", {}, block)
        values = decode([collapse_if_tuple(o) for o in entry["outputs"]], bytes.fromhex(answer[2:]))
        return values[0] if len(values) == 1 else values


@cache
def _entry(contract: str, function: str) -> Json:
    (entry,) = (
        e for e in artifacts.abi(contract) if e["type"] == "function" and e["name"] == function
    )
    return entry


@cache
def _codec(contract: str, function: str) -> tuple[bytes, list[str]]:
    entry: Any = _entry(contract, function)
    types = [collapse_if_tuple(item) for item in entry["inputs"]]
    return bytes(function_abi_to_4byte_selector(entry)), types


def calldata(contract: str, function: str, *args: Any) -> bytes:
    """Calldata of a call to a contract of the project."""
    selector, types = _codec(contract, function)
    return selector + encode(types, args)


def _explain(error: Json) -> str:
    data = error.get("data")
    if isinstance(data, str) and (entry := artifacts.errors().get(bytes.fromhex(data[2:10]))):
        values = decode([i["type"] for i in entry["inputs"]], bytes.fromhex(data[10:]))
        return f"{entry['name']}{values}"
    return str(error.get("message"))
