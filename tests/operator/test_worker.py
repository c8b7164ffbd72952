"""The scoring process: what it costs, and what it gets to see."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path
from queue import Queue
from types import SimpleNamespace
from typing import Any

import pytest
from eth_utils.crypto import keccak

from oracles.chain.packing import unpack_vector
from oracles.dataset import (
    PAGE_BYTES,
    Binding,
    Document,
    EncryptionKey,
    Manifest,
    build_opening,
    draw,
    open_archive,
    opening_context,
    pack,
)
from oracles.dataset.sketch import MAX_HASHES
from oracles.evidence import DirectoryStore, StoreError
from oracles.operator import worker
from oracles.operator.fetcher import Holdings
from oracles.operator.job import DataSetRef, Job, Scored, Stage, read_looked_at
from oracles.operator.worker import CONFIGURATION, TEMPORARY
from oracles.scoring import GIB, Scoring
from scripts.build import ROOT
from tests.operator.scorer import Quick
from tests.support.dripping import dripping

CHAIN, CONTRACT, PROVIDER = 31337, "0x" + "ab" * 20, "0x" + "cd" * 20
OPERATOR = "0x" + "ef" * 20
KEY = EncryptionKey(keccak(text="worker"))
SAMPLE_KEY, SAMPLES = keccak(text="drawn"), 4


def job(folder: Path, documents: int, scorer: str, **changed: Any) -> Job:
    """A job over a sample of one data set of so many documents of 64 KiB."""
    store = DirectoryStore(folder / "store")
    binding = Binding(CHAIN, CONTRACT, 1, PROVIDER)
    noise = random.Random(0)
    texts = (Document(noise.randbytes(32_768).hex()) for _ in range(documents))
    packed = pack(texts, folder / "archive")
    contents = packed.contents
    manifest = Manifest(binding, str(store.put(folder / "archive")), contents)
    store.put(manifest.encode())
    drawn = draw(SAMPLE_KEY, 1, 0, manifest.digest, contents.pages, SAMPLES)
    with open_archive(folder / "archive", contents) as archive:
        context = opening_context(binding, 0)
        opening = build_opening(archive, packed.key, drawn, [KEY.public], context)
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
        "member": 0,
        "members": [KEY.public.hex()],
        "panel": (0, 1),
        "keys": [KEY.secret.hex()],
        "data_sets": [
            DataSetRef(
                0,
                PROVIDER,
                manifest.digest.hex(),
                contents.content_digest.hex(),
                contents.size,
                contents.key_commitment.hex(),
                store.put(opening).digest.hex(),
                False,
            )
        ],
        "wanted": [0],
        "samples": SAMPLES,
        "sample_key": SAMPLE_KEY.hex(),
        "metric_version": Quick().metric_version(scoring).hex(),
        "evaluation": bytes(32).hex(),
        "today": "2026-01-01",
        "complaint": "",
        "stores": [str(folder / "store")],
        "cache": str(folder / "cache"),
        "pieces": str(folder / "pieces"),
        "evidence": str(folder / "evidence"),
        "workspace": str(folder / "work"),
        "result": str(folder / "result.json"),
        "seconds": 60.0,
        "reserve": 0,
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


def test_worker__data_set_ten_times_as_large__costs_no_more_memory_or_traffic(
    tmp_path: Path,
) -> None:
    peaks, fetched = [], []
    for documents in (20, 200):
        folder = tmp_path / str(documents)
        folder.mkdir()
        task = job(folder, documents, "Count")
        code, _, output = work(replace(task, stage=Stage.FETCH))
        assert code == 0, output
        assert read_looked_at(folder / "result.json") == {"0": (task.data_sets[0].stamp, "")}
        pieces = [path for path in (folder / "pieces").rglob("*") if path.is_file()]
        # The sampled pages, and the sketch.
        assert len(pieces) == SAMPLES + 1
        fetched.append(sum(path.stat().st_size for path in pieces))
        code, peak, output = work(task)
        assert code == 0, output
        result = Scored.read(folder / "result.json")
        assert result is not None
        (score,) = unpack_vector(result.vector)
        assert score.present
        peaks.append(peak)
    # There are 11 MiB more of text, and 6 MiB more of archive.
    assert peaks[1] < peaks[0] + 4 * 1024 * 1024
    # A sketch has at most so many hashes, whatever it is of.
    assert fetched[1] < SAMPLES * PAGE_BYTES + 10 * MAX_HASHES


def test_worker__sample_that_is_not_here__is_not_fetched_by_the_process_that_scores(
    tmp_path: Path,
) -> None:
    code, _, output = work(job(tmp_path, 1, "Count"))
    assert code == TEMPORARY
    assert "StoreError" in output


def _fetched(task: Job) -> Job:
    code, _, output = work(replace(task, stage=Stage.FETCH))
    assert code == 0, output
    Path(task.result).unlink()
    return task


@pytest.mark.parametrize("stage", [Stage.FETCH, Stage.RETRIEVE, Stage.EXAMINE])
def test_worker__disk_that_is_nearly_full__nothing_is_fetched(tmp_path: Path, stage: Stage) -> None:
    """A stranger's archive may be of any size, and cost whoever serves it nothing."""
    task = job(tmp_path, 1, "Count")
    code, _, output = work(replace(task, stage=stage, reserve=1 << 60))
    assert code == TEMPORARY
    assert "no room" in output
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_worker__disk_that_fills_up_meanwhile__gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended: Queue[int] = Queue()

    free = iter([9, 9, 9, 9, 9, 4])
    usage = SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=next(free)))
    monkeypatch.setattr(worker, "shutil", usage)
    monkeypatch.setattr(worker, "os", SimpleNamespace(_exit=ended.put))
    monkeypatch.setattr(worker, "_LOOK_SECONDS", 0)
    worker._end_without_room(replace(job(tmp_path, 1, "Count"), reserve=5))
    assert ended.get(timeout=60) == TEMPORARY
    assert "no room: 4 bytes are free" in capsys.readouterr().out


def test_fetch__from_strangers_that_answer_byte_by_byte__brings_what_others_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than threads, and all committed before the one who serves its data."""
    monkeypatch.setattr(worker, "_PATIENCE", ((0.2, 5), (0.2, 5)))
    task = job(tmp_path, 1, "Count")
    strangers = [
        replace(task.data_sets[0], index=number, manifest=keccak(text=str(number)).hex())
        for number in range(1, worker._THREADS + 9)
    ]
    wanted = [each.index for each in strangers]
    with dripping() as url:
        task = replace(
            task,
            data_sets=[*task.data_sets, *strangers],
            wanted=[*wanted, 0],
            stores=[*task.stores, url],
        )
        problems: Queue[str] = Queue()

        def fetch() -> None:
            try:
                worker.fetch(task)
            except StoreError as error:
                problems.put(str(error))

        threading.Thread(target=fetch, daemon=True).start()
        problem = problems.get(timeout=120)
    assert problem.startswith(f"{len(strangers)} of {len(wanted) + 1} are missing")
    assert read_looked_at(Path(task.result)) == {"0": (task.data_sets[0].stamp, "")}


def test_fetch__again_for_what_is_missing__takes_nothing_back_that_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The roll may be called in the middle of any pass, and one withheld sample asks for many."""
    task = job(tmp_path, 1, "Count")
    here = task.data_sets[0]
    missing = replace(here, index=1, manifest=keccak(text="withheld").hex())
    task = replace(task, data_sets=[here, missing], wanted=[0, 1])
    known = {"0": (here.stamp, "")}

    def fetch() -> None:
        with pytest.raises(StoreError, match="1 of 2 are missing"):
            worker.fetch(task)
        assert read_looked_at(Path(task.result)) == known

    fetch()
    asked = []
    sample = Holdings.sample

    def watched(self: Holdings, ref: DataSetRef, *args: Any) -> Any:
        asked.append(ref.index)
        assert read_looked_at(Path(task.result)).items() >= known.items()
        return sample(self, ref, *args)

    monkeypatch.setattr(Holdings, "sample", watched)
    fetch()
    assert set(asked) == {1}
    # Opened otherwise, it is another sample.
    other = replace(here, opening=keccak(text="other").hex())
    with pytest.raises(StoreError, match="2 of 2 are missing"):
        worker.fetch(replace(task, data_sets=[other, missing]))
    assert set(asked) == {0, 1}


def test_worker__scorer_wants_more_memory_than_configured__ends_and_says_so(
    tmp_path: Path,
) -> None:
    code, _, output = work(_fetched(job(tmp_path, 1, "Greedy")))
    assert code == TEMPORARY
    assert "MemoryError" in output
    assert not (tmp_path / "result.json").exists()


def test_worker__another_metric_version__refused(tmp_path: Path) -> None:
    code, _, output = work(job(tmp_path, 1, "Count", metric_version="00" * 32))
    assert code == CONFIGURATION
    assert "metric version" in output
