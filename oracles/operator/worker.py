"""A process of its own that fetches, opens and scores one auction's data sets.

It may be killed at any time: finished data sets are found again in its workspace. Its memory is
bounded, its keys come through standard input, and it ends when the daemon does.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import resource
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from oracles.chain.codec import Score, pack_vector
from oracles.dataset import Binding, EncryptionKey, Limits, unpack, verify
from oracles.dataset.manifest import MAX_BYTES, Manifest
from oracles.dataset.streams import CHUNK
from oracles.errors import ConfigError, InputError, IntegrityError, QmiaError
from oracles.evidence import (
    Bundle,
    Cid,
    DirectoryStore,
    Store,
    StoreError,
    canonical_json,
    open_store,
    write_bundle,
)
from oracles.evidence.cid import RAW
from oracles.files import write_file
from oracles.scoring import (
    EVIDENCE_SCHEMA,
    NOTHING,
    Scoring,
    Submission,
    Task,
    load_scorer,
    score_auction,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Exit codes (sysexits.h): try again later; nothing but the operator can help.
TEMPORARY: Final = 75
CONFIGURATION: Final = 78
_RETRY_SECONDS: Final = 2.0
#: Data sets fetched at once.
_FETCHES: Final = 8


@dataclass(frozen=True, slots=True)
class DataSetRef:
    """A data set as the chain names it; digests in hexadecimal."""

    index: int
    provider: str
    cid: str
    content_digest: str
    size: int
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class Job:
    """All that the worker is told.

    Attributes:
        chain_id, contract, auction, round: what is scored.
        operator: address whose wrapped keys to open.
        keys: encryption keys, hexadecimal.
        data_sets: in the order of commitment.
        metric_version, evaluation, sample_key: hexadecimal.
        today: ISO date.
        stores: where to fetch from.
        cache: folder for what was fetched.
        evidence: folder of the evidence store.
        workspace: folder for interrupted work.
        result: file to write.
        wait_seconds: how long to try to fetch what is missing.
        scoring: settings.
    """

    chain_id: int
    contract: str
    auction: int
    round: int
    operator: str
    keys: list[str]
    data_sets: list[DataSetRef]
    metric_version: str
    evaluation: str
    sample_key: str
    today: str
    stores: list[str]
    cache: str
    evidence: str
    workspace: str
    result: str
    wait_seconds: float
    scoring: dict[str, Any]

    @classmethod
    def decode(cls, text: str) -> Job:
        """From JSON."""
        values = json.loads(text)
        values["data_sets"] = [DataSetRef(**each) for each in values["data_sets"]]
        return cls(**values)


class Fetcher:
    """Brings files here, checked and of bounded size.

    Args:
        stores: where to look, in order.
        cache: folder that keeps what came over a network.
    """

    def __init__(self, stores: Sequence[Store], cache: Path) -> None:
        self._folder = cache
        self._cache = DirectoryStore(cache)
        self._stores = stores

    def path(self, cid: Cid, limit: int, *, keep: bool = False) -> Path:
        """Path of a file whose bytes are those of the CID.

        Args:
            cid: of the file.
            limit: most bytes.
            keep: copy it here even from a local folder: it is needed later.

        Raises:
            StoreError: no store has it whole now.
        """
        failures = []
        for store in (self._cache, *self._stores):
            try:
                with store.open(cid, limit=limit) as file:
                    if isinstance(store, DirectoryStore) and (store is self._cache or not keep):
                        return store.path(cid)
                    with tempfile.NamedTemporaryFile(dir=self._folder) as copy:
                        while block := file.read(CHUNK):
                            copy.write(block)
                        copy.flush()
                        self._cache.put(copy.name)
                return self._cache.path(cid)
            except (StoreError, IntegrityError) as error:
                failures.append(str(error))
            except OSError as error:
                failures.append(f"no room for {cid}: {error.strerror or error}")
        raise StoreError("; ".join(failures))


def open_data_set(job: Job, ref: DataSetRef, fetcher: Fetcher) -> Submission:
    """Fetch, unwrap and verify one data set to its last byte.

    Raises:
        StoreError: a part of it cannot be had now.
        IntegrityError: it is not what was committed, or this operator cannot open it.
        InputError: it is beyond the limits.
    """
    settings = Scoring(**job.scoring)
    if ref.size > settings.max_archive_bytes:
        raise InputError(f"{ref.size} bytes, more than the {settings.max_archive_bytes} accepted")
    binding = Binding(job.chain_id, job.contract, job.auction, ref.provider)
    content_digest = bytes.fromhex(ref.content_digest)
    # Attesting the delivery needs the manifest again, when the provider's store may be gone.
    manifest_path = fetcher.path(Cid(RAW, bytes.fromhex(ref.cid)), MAX_BYTES, keep=True)
    manifest = Manifest.decode(manifest_path.read_bytes())
    data_key = unwrap_with_any(manifest, job.operator, job.keys, binding)
    try:
        archive_cid = Cid.parse(manifest.archive)
    except InputError as error:
        raise IntegrityError(f"the manifest names no archive: {error}") from error
    archive = fetcher.path(archive_cid, ref.size)
    if archive.stat().st_size != ref.size:
        raise IntegrityError(
            f"the archive has {archive.stat().st_size} bytes where {ref.size} were committed"
        )
    limits = Limits(total_bytes=settings.max_plain_bytes)
    verify(archive, data_key, binding, content_digest=content_digest, limits=limits)
    documents = partial(
        unpack, archive, data_key, binding, content_digest=content_digest, limits=limits
    )
    return Submission(ref.index, ref.provider, documents)


def unwrap_with_any(
    manifest: Manifest, operator: str, keys: Sequence[str], binding: Binding
) -> bytes:
    """The data key, by whichever of this operator's keys opens it.

    Raises:
        IntegrityError: none does.
    """
    failure = IntegrityError("this operator has no encryption key")
    for key in keys:
        try:
            return manifest.unwrap(operator, EncryptionKey(bytes.fromhex(key)), binding)
        except IntegrityError as error:
            failure = error
    raise failure


def _open_all(job: Job) -> tuple[list[Submission], dict[int, str]]:
    """What can be opened, and for the rest the reason, by index."""
    fetcher = Fetcher([open_store(name) for name in job.stores], Path(job.cache))
    opened: dict[int, Submission] = {}
    problems: dict[int, str] = {}
    waiting = [ref for ref in job.data_sets if not ref.withdrawn]
    problems.update({ref.index: "withdrawn" for ref in job.data_sets if ref.withdrawn})
    deadline = time.monotonic() + job.wait_seconds

    def attempt(ref: DataSetRef) -> bool:
        """Whether there is a result, good or bad; what is missing is tried again in time."""
        if ref.index in problems and time.monotonic() >= deadline:
            return True
        try:
            opened[ref.index] = open_data_set(job, ref, fetcher)
            problems.pop(ref.index, None)
        except StoreError as error:
            # Not the reason, which is this machine's: evidence is made again bit for bit.
            problems[ref.index] = "missing"
            print(json.dumps({"note": f"data set {ref.index}: {error}"}), flush=True)
            return False
        except (IntegrityError, InputError) as error:
            problems[ref.index] = f"refused: {error}"
        _tell("open", len(opened), len(job.data_sets))
        return True

    # In threads, so that those who do not serve what they committed to do not hold up the rest.
    with ThreadPoolExecutor(_FETCHES) as pool:
        while waiting:
            done = list(pool.map(attempt, waiting))
            waiting = [ref for ref, settled in zip(waiting, done, strict=True) if not settled]
            if not waiting or time.monotonic() >= deadline:
                break
            time.sleep(_RETRY_SECONDS)
    return [opened[index] for index in sorted(opened)], problems


def run(job: Job) -> None:
    """Do a job and write its result: the vector, and the CID of its evidence.

    Raises:
        ConfigError: this operator cannot compute the auction's metric.
    """
    settings = Scoring(**job.scoring)
    version = load_scorer(settings).metric_version(settings).hex()
    if version != job.metric_version:
        raise ConfigError(
            f"auction {job.auction} is scored by metric version {job.metric_version}; this "
            f"program and its settings are {version}"
        )
    submissions, problems = _open_all(job)
    workspace = Path(job.workspace)
    workspace.mkdir(parents=True, exist_ok=True, mode=0o700)
    task = Task(
        settings,
        bytes.fromhex(job.evaluation),
        datetime.date.fromisoformat(job.today),
        bytes.fromhex(job.sample_key),
        workspace,
    )
    scores, assessment = score_auction(submissions, task, _tell)
    vector = pack_vector([scores.get(ref.index, NOTHING) for ref in job.data_sets])
    content = {
        "schema": EVIDENCE_SCHEMA,
        "chain_id": str(job.chain_id),
        "contract": job.contract,
        "auction": str(job.auction),
        "round": job.round,
        "operator": job.operator,
        "metric_version": version,
        "evaluation": job.evaluation,
        "sample_key": job.sample_key,
        "today": job.today,
        "data_sets": [
            {
                "index": ref.index,
                "provider": ref.provider,
                "cid": ref.cid,
                "content_digest": ref.content_digest,
                "size": str(ref.size),
                "problem": problems.get(ref.index),
                "score": _plain(scores.get(ref.index, NOTHING)),
            }
            for ref in job.data_sets
        ],
        "assessment": assessment.evidence,
    }
    cid = write_bundle(DirectoryStore(job.evidence), Bundle(content, assessment.tensors))
    write_file(Path(job.result), canonical_json({"vector": vector.hex(), "evidence": str(cid)}))


def _plain(score: Score) -> dict[str, Any]:
    return score._asdict()


def _tell(stage: str, done: int, total: int | None) -> None:
    print(json.dumps({"stage": stage, "done": done, "total": total}), flush=True)


def _end_with_parent() -> None:
    """Standard input closes when the daemon goes, however it goes."""
    with contextlib.suppress(OSError):
        while sys.stdin.read(1):
            pass
    os._exit(TEMPORARY)


def main() -> int:
    """Read a job from standard input and do it."""
    job = Job.decode(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    limit = Scoring(**job.scoring).memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        run(job)
    except ConfigError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return CONFIGURATION
    except (QmiaError, OSError, MemoryError) as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
        return TEMPORARY
    return 0


if __name__ == "__main__":
    # Not `sys.exit`: the thread that watches standard input would be waited for.
    code = main()
    sys.stdout.flush()
    os._exit(code)
