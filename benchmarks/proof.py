"""Proofs of thresholds: time, memory, size and gas by pages; needs `make zk`.

Usage: python -m benchmarks.proof [DEPTH …]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyrevm
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from oracles.errors import ConfigError
from oracles.proof import Facts, Proof, Thresholds, holds, prove, tools
from scripts.gate import verifier_code, verifier_source
from tests.support import crs

if TYPE_CHECKING:
    from collections.abc import Callable

COLUMNS = (
    "pages", "gates", "compile CPU s", "compile MB", "prove CPU s", "prove s", "prove MB",
    "proof bytes", "check s", "gas to verify", "gas to deploy",
)  # fmt: skip


def main(depths: list[int]) -> None:
    """Print one row for each size, made with a set-up of our own, whose points cost the same."""
    try:
        tools.program(tools.folder())
    except ConfigError as error:
        print(f"not measured: {error}")
        return
    print("|", " | ".join(COLUMNS), "|")
    print("|" + "--:|" * len(COLUMNS))
    for depth in depths:
        print("|", " | ".join(map(str, row(depth))), "|", flush=True)


def row(depth: int) -> list[Any]:
    """One line of the table."""
    found: list[Any] = [1 << depth]
    compiled = tools.circuit(depth)
    # Compiled once more, apart, since it is kept.
    with tempfile.TemporaryDirectory() as folder:
        words = ("compile.mjs", str(depth), folder)
        _, compiling = measured(lambda: tools.expect(tools.node(*words), "compiling"))
    bb = str(tools.program(tools.folder()))
    command = [bb, "gates", "-b", str(compiled), "--scheme", "ultra_honk"]
    counted = subprocess.run(command, capture_output=True, check=True)
    gates = json.loads(counted.stdout)["functions"][0]["circuit_size"]
    found += [gates, round(compiling["cpu"]), compiling["mb"]]
    rng = random.Random(1)
    facts = [
        Facts(rng.randrange(1500, 2000), 10_000 + rng.randrange(999), 90, 5, 5, 20, 9_000)
        for _ in range((1 << depth) - 3)
    ]
    keys = [rng.randbytes(32) for _ in facts]
    claim = Thresholds(1500 * len(facts), 9_900, 10_000, 100)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(crs.install(Path(folder), (1 << gates.bit_length()) + 1))
        try:
            (Path(os.environ["QMIA_ZK"]) / "build").symlink_to(compiled.parent)
            tools.verification_key(depth)
            proof, proving = measured(lambda: prove(facts, keys, claim))
            found += [round(proving["cpu"], 1), round(proving["wall"], 1), proving["mb"]]
            start = time.monotonic()
            assert holds(proof)  # noqa: S101 - a benchmark of what does not hold means nothing
            found += [len(proof.proof), round(time.monotonic() - start, 2)]
            found += gas(proof, verifier_code(crs.believing(verifier_source(1 << depth))))
        finally:
            for name in ("QMIA_ZK", "QMIA_CRS"):
                os.environ.pop(name, None)
    return found


def measured(work: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
    """What some work gives, and what the programs that it runs cost."""
    context = multiprocessing.get_context("fork")
    answer = context.SimpleQueue()

    def run() -> None:
        start = time.monotonic()
        result = work()
        used, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - start
        cpu = used.ru_utime + used.ru_stime
        answer.put((result, {"cpu": cpu, "wall": wall, "mb": used.ru_maxrss // 1024}))

    process = context.Process(target=run)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit("not measured: see above")
    result, cost = answer.get()
    return result, cost


def gas(proof: Proof, code: bytes) -> list[str]:
    """Gas to verify a proof, and to deploy its verifier."""
    evm, me = pyrevm.EVM(), "0x" + "11" * 20
    evm.set_balance(me, 10**24)
    verifier = evm.deploy(me, code)
    deployed = _used(evm)
    words = [value.to_bytes(32, "big") for value in proof.claim.inputs]
    data = keccak(text="verify(bytes,bytes32[])")[:4]
    data += encode(["bytes", "bytes32[]"], [proof.proof, words])
    if int.from_bytes(evm.message_call(me, verifier, calldata=data), "big") != 1:
        raise SystemExit("the verifier refuses a proof that holds")
    return [f"{_used(evm):,}", f"{deployed:,}"]


def _used(evm: pyrevm.EVM) -> int:
    if evm.result is None:
        raise SystemExit("the chain ran nothing")
    return evm.result.gas_used


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "depths", metavar="DEPTH", type=int, nargs="*", default=[6], help="of pages"
    )
    main(parser.parse_args().depths)
