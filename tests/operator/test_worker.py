"""The scoring process: what it costs, and what it gets to see."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from eth_utils.crypto import keccak
from oracles.chain.codec import unpack_vector

from oracles.dataset import Binding, Document, EncryptionKey, pack
from oracles.dataset.manifest import Manifest
from oracles.evidence import DirectoryStore
from oracles.operator.job import DataSetRef, Job, Scored, Stage
from oracles.operator.worker import CONFIGURATION, TEMPORARY
from oracles.scoring import GIB, Scoring
from scripts.build import ROOT
from tests.operator.scorer import Quick

if TYPE_CHECKING:
    from pathlib import Path

CHAIN, CONTRACT, PROVIDER = 31337, "0x" + "ab" * 20, "0x" + "cd" * 20
OPERATOR = "0x" + "ef" * 20
KEY = EncryptionKey(keccak(text="worker"))


def job(folder: Path, documents: int, scorer: str, **changed: Any) -> Job:
    """A job over one data set of so many documents of 64 KiB."""
    store = DirectoryStore(folder / "store")
    binding = Binding(CHAIN, CONTRACT, 1, PROVIDER)
    noise = random.Random(0)
    texts = (Document(noise.randbytes(32_768).hex()) for _ in range(documents))
    packed = pack(texts, folder / "archive", binding)
    cid = store.put(folder / "archive")
    manifest = Manifest.make(str(cid), packed.key, binding, {OPERATOR: KEY.public})
    root = store.put(manifest.encode())
    scoring = Scoring(
        metric=f"tests.operator.scorer:{scorer}", allow_foreign=True, memory_bytes=4 * GIB
    )
    values = {
        "stage": Stage.SCORE,
        "chain_id": CHAIN,
        "contract": CONTRACT,
        "auction": 1,
        "round": 1,
        "operator": OPERATOR,
        "keys": [KEY.secret.hex()],
        "data_sets": [
            DataSetRef(
                0, PROVIDER, root.digest.hex(), packed.content_digest.hex(), packed.size, False
            )
        ],
        "metric_version": Quick().metric_version(scoring).hex(),
        "evaluation": bytes(32).hex(),
        "sample_key": bytes(32).hex(),
        "today": "2026-01-01",
        "stores": [str(folder / "store")],
        "cache": str(folder / "cache"),
        "evidence": str(folder / "evidence"),
        "workspace": str(folder / "work"),
        "result": str(folder / "result.json"),
        "seconds": 60.0,
        "scoring": scoring.model_dump(mode="json"),
    }
    return Job(**{**values, **changed})


def work(task: Job) -> tuple[int, int, str]:
    """Exit code, largest resident memory in bytes, and output of a job."""
    process = subprocess.Popen(
        [sys.executable, "-m", "oracles.operator.worker"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(asdict(task)) + "\n")
    process.stdin.flush()
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdin.close()
    process.stdout.close()
    return process.returncode, usage.ru_maxrss * 1024, output


def test_worker__data_set_fifty_times_as_large__needs_no_more_memory(tmp_path: Path) -> None:
    peaks = []
    for documents in (5, 250):
        folder = tmp_path / str(documents)
        folder.mkdir()
        code, peak, output = work(job(folder, documents, "Count"))
        assert code == 0, output
        result = Scored.read(folder / "result.json")
        assert result is not None
        assert unpack_vector(result.vector)[0].volume == documents
        peaks.append(peak)
    # There are 15 MiB more of text, and 8 MiB more of archive.
    assert peaks[1] < peaks[0] + 4 * 1024 * 1024


def test_worker__scorer_wants_more_memory_than_configured__ends_and_says_so(
    tmp_path: Path,
) -> None:
    code, _, output = work(job(tmp_path, 1, "Greedy"))
    assert code == TEMPORARY
    assert "MemoryError" in output
    assert not (tmp_path / "result.json").exists()


def test_worker__another_metric_version__refused(tmp_path: Path) -> None:
    code, _, output = work(job(tmp_path, 1, "Count", metric_version="00" * 32))
    assert code == CONFIGURATION
    assert "metric version" in output
