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
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyrevm
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from oracles.errors import ConfigError
from oracles.proof import Facts, Thresholds, holds, prove, tools
from oracles.proof.facts import circuits
from scripts.gate import verifier_code, verifier_source
from tests.support import crs

if TYPE_CHECKING:
    from collections.abc import Callable

    from oracles.proof.thresholds import Statement

COLUMNS = (
    "pages", "proofs", "gates", "compile CPU s", "compile MB", "prove CPU s", "prove s", "prove MB",
    "proof bytes", "file bytes", "check s", "gas to verify", "gas to deploy",
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
    """One line of the table; of several circuits the sums, but of memory the greatest."""
    names = circuits(1 << depth)
    compiled = [tools.circuit(name) for name in names]
    # Compiled once more, apart, since they are kept.
    compiling = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            words = ("compile.mjs", *name.split("-"), folder)
            _, cost = measured(lambda words=words: tools.expect(tools.node(*words), "compiling"))
            compiling.append(cost)
    gates = [size(path) for path in compiled]
    rng = random.Random(1)
    facts = [
        Facts(rng.randrange(1500, 2000), 10_000 + rng.randrange(999), 90, 5, 5, 20, 9_000)
        for _ in range((1 << depth) - 3)
    ]
    keys = [rng.randbytes(32) for _ in facts]
    claim = Thresholds(1500 * len(facts), 9_900, 10_000, 100)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(crs.install(Path(folder), (1 << max(gates).bit_length()) + 1))
        try:
            (Path(os.environ["QMIA_ZK"]) / "build").symlink_to(compiled[0].parent)
            keyed = {name: tools.verification_key(name) for name in names}
            proof, proving = measured(lambda: prove(facts, keys, claim, progress=_said))
            start = time.monotonic()
            assert holds(proof)  # noqa: S101 - a benchmark of what does not hold means nothing
            checked = time.monotonic() - start
            codes = {name: verifier_code(crs.believing(verifier_source(name))) for name in keyed}
            gas = [used(each, codes[each.circuit]) for each in proof.statements]
        finally:
            for name in ("QMIA_ZK", "QMIA_CRS"):
                os.environ.pop(name, None)
    deployed = dict(zip((each.circuit for each in proof.statements), gas, strict=True)).values()
    return [
        f"{1 << depth:,}",
        len(gas),
        f"{sum(gates):,}",
        round(sum(each["cpu"] for each in compiling)),
        f"{max(each['mb'] for each in compiling):,}",
        round(proving["cpu"], 1),
        round(proving["wall"], 1),
        f"{proving['mb']:,}",
        f"{sum(len(each.proof) for each in proof.statements):,}",
        f"{len(proof.encode()):,}",
        round(checked, 2),
        f"{sum(verified for verified, _ in gas):,}",
        f"{sum(deployment for _, deployment in deployed):,}",
    ]


def _said(stage: str, done: int, total: int | None, /) -> None:
    print(f"{stage}: {done} of {total}", file=sys.stderr, flush=True)


def size(circuit: Path) -> int:
    """Gates of a compiled circuit."""
    bb = str(tools.program(tools.folder()))
    command = [bb, "gates", "-b", str(circuit), "--scheme", "ultra_honk"]
    counted = subprocess.run(command, capture_output=True, check=True)
    return int(json.loads(counted.stdout)["functions"][0]["circuit_size"])


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


def used(statement: Statement, code: bytes) -> tuple[int, int]:
    """Gas to verify a proof, and to deploy its verifier."""
    evm, me = pyrevm.EVM(), "0x" + "11" * 20
    evm.set_balance(me, 10**24)
    verifier = evm.deploy(me, code)
    deployed = _used(evm)
    words = [value.to_bytes(32, "big") for value in statement.inputs]
    data = keccak(text="verify(bytes,bytes32[])")[:4]
    data += encode(["bytes", "bytes32[]"], [statement.proof, words])
    if int.from_bytes(evm.message_call(me, verifier, calldata=data), "big") != 1:
        raise SystemExit("the verifier refuses a proof that holds")
    return _used(evm), deployed


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
