"""Proofs of thresholds: time, memory, size and gates by pages; needs `make zk`.

Usage: python -m benchmarks.proof [DEPTH …]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import tempfile
import time
from pathlib import Path

from oracles.errors import ConfigError
from oracles.proof import Facts, Thresholds, holds, prove, tools
from tests.support import crs


def main(depths: list[int]) -> None:
    """Print one row for each size, made with a set-up of our own, whose points cost the same."""
    try:
        tools.program(tools.folder())
    except ConfigError as error:
        print(f"not measured: {error}")
        return
    rng = random.Random(1)
    print("| pages | gates | prove CPU s | prove s | memory MB | proof bytes | check s |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for depth in depths:
        with tempfile.TemporaryDirectory() as folder:
            compiled = tools.circuit(depth)
            counted = subprocess.run(
                [tools.program(tools.folder()), "gates", "-b", compiled, "--scheme", "ultra_honk"],
                capture_output=True,
                check=True,
            )
            gates = json.loads(counted.stdout)["functions"][0]["circuit_size"]
            os.environ.update(crs.install(Path(folder), (1 << gates.bit_length()) + 1))
            (Path(os.environ["QMIA_ZK"]) / "build").symlink_to(compiled.parent)
            facts = [
                Facts(rng.randrange(1500, 2000), 10_000 + rng.randrange(999), 90, 5, 5, 20, 9_000)
                for _ in range((1 << depth) - 3)
            ]
            keys = [rng.randbytes(32) for _ in facts]
            claim = Thresholds(1500 * len(facts), 9_900, 10_000, 100)
            tools.verification_key(depth)
            before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            proof = prove(facts, keys, claim)
            wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            start = time.monotonic()
            assert holds(proof)  # noqa: S101 - a benchmark of what does not hold means nothing
            check = time.monotonic() - start
            row = (1 << depth, gates, round(cpu, 1), round(wall, 1), after.ru_maxrss // 1024)
            print("|", " | ".join(map(str, (*row, len(proof.proof), round(check, 2)))), "|")
            for name in ("QMIA_ZK", "QMIA_CRS"):
                del os.environ[name]


def _depths() -> list[int]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("depths", nargs="*", type=int, default=[6], help="powers of two of pages")
    depths: list[int] = parser.parse_args().depths
    return depths


if __name__ == "__main__":
    main(_depths())
