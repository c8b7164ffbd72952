"""A process of its own that fetches, or opens and scores, one auction's data sets.

It may be killed at any time: what was fetched and scored is found again. Its memory is bounded, its
keys come through standard input, and it ends when the daemon does. Fetching waits for strangers, so
it is done by another process than scoring, which works on what is here and waits for nobody.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import resource
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

from oracles.chain.codec import Score, pack_vector
from oracles.dataset import Limits, unpack, verify
from oracles.errors import ConfigError, InputError, IntegrityError, QmiaError
from oracles.evidence import (
    Bundle,
    DirectoryStore,
    StoreError,
    canonical_json,
    is_node,
    open_store,
    write_bundle,
)
from oracles.files import write_file
from oracles.operator.fetcher import Fetcher, locate
from oracles.operator.job import DataSetRef, Job, Stage
from oracles.scoring import (
    EVIDENCE_SCHEMA,
    NOTHING,
    Scoring,
    Submission,
    Task,
    load_scorer,
    score_auction,
)

#: Exit codes (sysexits.h): try again later; nothing but the operator can help.
TEMPORARY: Final = 75
CONFIGURATION: Final = 78
#: Data sets fetched or opened at once.
_THREADS: Final = 8


def fetch(job: Job) -> None:
    """Bring here what can be had.

    Raises:
        StoreError: some of it cannot be had now.
    """
    fetcher = Fetcher([open_store(name) for name in job.stores], Path(job.cache))

    def attempt(ref: DataSetRef) -> str | None:
        """What keeps a data set from being here; one that is no good is here for our purposes."""
        try:
            locate(job, ref, fetcher)
        except StoreError as error:
            return f"data set {ref.index}: {error}"
        except (IntegrityError, InputError):
            return None
        return None

    # In threads, so that those who do not serve what they committed to do not hold up the rest.
    with ThreadPoolExecutor(_THREADS) as pool:
        waiting = [ref for ref in job.data_sets if not ref.withdrawn]
        missing = [problem for problem in pool.map(attempt, waiting) if problem]
    if missing:
        raise StoreError(f"{len(missing)} of {len(waiting)} are missing; {missing[0]}")


def open_data_set(job: Job, ref: DataSetRef, fetcher: Fetcher) -> Submission:
    """Unwrap and verify one data set to its last byte.

    Raises:
        StoreError: a part of it is not here.
        IntegrityError: it is not what was committed, or this operator cannot open it.
        InputError: it is beyond the limits.
    """
    data_key, archive = locate(job, ref, fetcher)
    content_digest = bytes.fromhex(ref.content_digest)
    limits = Limits(total_bytes=job.scoring["max_plain_bytes"])
    binding = job.binding(ref)
    verify(archive, data_key, binding, content_digest=content_digest, limits=limits)
    documents = partial(
        unpack, archive, data_key, binding, content_digest=content_digest, limits=limits
    )
    return Submission(ref.index, ref.provider, documents)


def _open_all(job: Job) -> tuple[list[Submission], dict[int, str]]:
    """What can be opened of what is here, and for the rest the reason, by index."""
    folders = [open_store(name) for name in job.stores if not is_node(name)]
    fetcher = Fetcher(folders, Path(job.cache))
    opened: dict[int, Submission] = {}
    problems: dict[int, str] = {}

    def attempt(ref: DataSetRef) -> None:
        if ref.withdrawn:
            problems[ref.index] = "withdrawn"
            return
        try:
            opened[ref.index] = open_data_set(job, ref, fetcher)
        except StoreError:
            # Not the reason, which is this machine's: evidence is made again bit for bit.
            problems[ref.index] = "missing"
        except (IntegrityError, InputError) as error:
            problems[ref.index] = f"refused: {error}"
        _tell("open", len(opened) + len(problems), len(job.data_sets))

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(attempt, job.data_sets))
    return [opened[index] for index in sorted(opened)], problems


def score(job: Job) -> None:
    """Score, and write the result: the vector, and the CID of its evidence.

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


def _end_after(seconds: float) -> None:
    """A stranger's store that is slow beyond measure must not decide how long fetching takes."""

    def give_up() -> None:
        print(json.dumps({"error": f"not all could be fetched in {seconds:.0f} s"}), flush=True)
        os._exit(TEMPORARY)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()


def main() -> int:
    """Read a job from standard input and do it."""
    job = Job.decode(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    limit = Scoring(**job.scoring).memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        if job.stage == Stage.FETCH:
            _end_after(job.seconds)
            fetch(job)
        else:
            score(job)
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
