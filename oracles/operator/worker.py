"""A process of its own that fetches samples, scores them, or looks at what a buyer named.

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
import shutil
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

from oracles.chain.packing import Score, pack_vector
from oracles.dataset import Complaint, WrapContext, key_commitment
from oracles.dataset.manifest import MAX_BYTES
from oracles.errors import ConfigError, InputError, IntegrityError, QmiaError
from oracles.evidence import (
    Bundle,
    Cid,
    DirectoryStore,
    StoreError,
    canonical_json,
    open_store,
    write_bundle,
)
from oracles.evidence.cid import RAW
from oracles.files import write_file
from oracles.operator.fetcher import Fetcher, Holdings, own_key
from oracles.operator.job import DataSetRef, Job, Stage, read_looked_at
from oracles.operator.pieces import Pieces
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
#: Data sets fetched or opened at once; most of the time they wait for strangers.
_THREADS: Final = 32
#: Seconds for a request and for a data set: when all are asked, and when the slow are asked again.
_PATIENCE: Final = ((5, 30), (60, 300))
#: Between looks at the room on the disk: what a fast network brings meanwhile is no matter.
_LOOK_SECONDS: Final = 0.5


def _holdings(job: Job, *, network: bool, timeout: float | None = None) -> Holdings:
    stores = [open_store(name, timeout=timeout) for name in job.stores] if network else []
    return Holdings(job, Fetcher(stores, Path(job.cache)), Pieces(Path(job.pieces)))


def fetch(job: Job) -> None:
    """Bring here what can be had, and write after each data set which are here.

    Raises:
        StoreError: some of it cannot be had now.
    """
    # What an earlier pass found stays: the roll may be called in the middle of this one.
    lock, looked_at = threading.Lock(), read_looked_at(Path(job.result))

    def attempt(holdings: Holdings, seconds: float, ref: DataSetRef) -> str | None:
        """What keeps a sample from being here; one that is no good needs no further look."""
        try:
            holdings.sample(ref, seconds)
            found = ""
        except StoreError as error:
            return f"data set {ref.index}: {error}"
        except (IntegrityError, InputError) as error:
            found = str(error)
        with lock:
            looked_at[str(ref.index)] = ref.stamp, found
            write_file(Path(job.result), canonical_json(looked_at), private=True)
            _tell("fetch", len(looked_at), len(job.wanted))
        return None

    # Those who do not serve what they committed to, or byte by byte, must not hold up the rest: in
    # threads, and all are asked in a hurry before anybody is waited for.
    refs = [ref for ref in job.refs if looked_at.get(str(ref.index), ("", ""))[0] != ref.stamp]
    problems: list[str] = []
    for timeout, seconds in _PATIENCE:
        if not refs:
            break
        ask = partial(attempt, _holdings(job, network=True, timeout=timeout), seconds)
        with ThreadPoolExecutor(_THREADS) as pool:
            found = [
                (ref, problem)
                for ref, problem in zip(refs, pool.map(ask, refs), strict=True)
                if problem
            ]
        refs, problems = [ref for ref, _ in found], [problem for _, problem in found]
    if problems:
        raise StoreError(f"{len(problems)} of {len(job.wanted)} are missing; {problems[0]}")


def retrieve(job: Job) -> None:
    """Bring one whole archive here, so that the buyer can have it.

    Raises:
        StoreError: nobody has it whole now.
    """
    (ref,) = job.refs
    try:
        _holdings(job, network=True).retrieve(ref)
    except (IntegrityError, InputError) as error:
        _judge(job, True, str(error))
        return
    _judge(job, False, "it is here and is served")


def examine(job: Job) -> None:
    """Open the pages that the buyer names, with the key that it was given.

    Raises:
        StoreError: the complaint, or a page, cannot be had now.
    """
    (ref,) = job.refs
    fetcher = Fetcher([open_store(name) for name in job.stores], Path(job.cache))
    cid = Cid(RAW, bytes.fromhex(job.complaint))
    # Complaints are for the standing panel, whose members are the first or the last ones.
    start, stop = job.panel
    members = [bytes.fromhex(each) for each in job.members[start:stop]]
    context = WrapContext("complaint", job.chain_id, job.contract, job.auction, ref.index)
    try:
        complaint = Complaint.decode(fetcher.path(cid, MAX_BYTES).read_bytes())
        place = job.member - start
        data_key = complaint.unwrap(place, own_key(job, members[place]), members, context)
        if key_commitment(data_key).hex() != ref.key_commitment:
            raise IntegrityError("the complaint holds another key than was sold")
    except (IntegrityError, InputError) as error:
        _judge(job, False, f"the complaint is no good: {error}")
        return
    try:
        wrong = _holdings(job, network=True).examine(ref, data_key, complaint.pages)
    except (IntegrityError, InputError) as error:
        wrong = str(error)
    _judge(job, bool(wrong), wrong or "every page named opens to what was committed")


def _judge(job: Job, fault: bool, reason: str) -> None:
    result = canonical_json({"fault": fault, "reason": reason})
    write_file(Path(job.result), result, private=True)


def score(job: Job) -> None:
    """Score, and write the result: the vector, and the CID of its evidence.

    Raises:
        ConfigError: this operator cannot compute the auction's metric.
        StoreError, IntegrityError: a sample on the roll is not here.
    """
    settings = Scoring(**job.scoring)
    version = load_scorer(settings).metric_version(settings).hex()
    if version != job.metric_version:
        raise ConfigError(
            f"auction {job.auction} is scored by metric version {job.metric_version}; this "
            f"program and its settings are {version}"
        )
    holdings = _holdings(job, network=False)
    submissions = []
    for done, ref in enumerate(job.refs, 1):
        sample = holdings.sample(ref)
        submissions.append(
            Submission(ref.index, ref.provider, sample.pages, sample.contents.pages, sample.sketch)
        )
        _tell("open", done, len(job.wanted))
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
    on_roll = set(job.wanted)
    vector = pack_vector(
        [
            scores.get(ref.index, NOTHING)._replace(present=ref.index in on_roll)
            for ref in job.data_sets
        ]
    )
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
        "samples": job.samples,
        "today": job.today,
        "data_sets": [
            {
                "index": ref.index,
                "provider": ref.provider,
                "manifest": ref.manifest,
                "content_digest": ref.content_digest,
                "size": str(ref.size),
                "opening": ref.opening,
                "on_roll": ref.index in on_roll,
                "score": _plain(scores.get(ref.index, NOTHING)),
            }
            for ref in job.data_sets
        ],
        "assessment": assessment.evidence,
    }
    cid = write_bundle(DirectoryStore(job.evidence), Bundle(content, assessment.tensors))
    result = canonical_json({"vector": vector.hex(), "evidence": str(cid)})
    write_file(Path(job.result), result, private=True)


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


def _complain(error: str) -> None:
    """Why nothing came of it, for the daemon that reads this."""
    print(json.dumps({"error": error}), flush=True)


def _give_up(why: str) -> NoReturn:
    """End from within any thread; what was found so far is in the files."""
    _complain(why)
    os._exit(TEMPORARY)


def _end_after(seconds: float) -> None:
    """A stranger's store that is slow beyond measure must not decide how long fetching takes."""
    why = f"not all could be fetched in {seconds:.0f} s"
    timer = threading.Timer(seconds, _give_up, (why,))
    timer.daemon = True
    timer.start()


def _end_without_room(job: Job) -> None:
    """What strangers serve must not fill the disk: without room the daemon could sign nothing.

    Raises:
        StoreError: there is no room already.
    """
    folders = (job.cache, tempfile.gettempdir())

    def full() -> str:
        free = min(shutil.disk_usage(folder).free for folder in folders)
        return f"{free} bytes are free, and {job.reserve} stay so" if free < job.reserve else ""

    def watch() -> None:
        while not (problem := full()):
            time.sleep(_LOOK_SECONDS)
        _give_up(f"no room: {problem}")

    Path(job.cache).mkdir(parents=True, exist_ok=True)
    if problem := full():
        raise StoreError(f"no room: {problem}")
    threading.Thread(target=watch, daemon=True).start()


def main() -> int:
    """Read a job from standard input and do it."""
    job = Job.decode(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    limit = Scoring(**job.scoring).memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        if job.stage == Stage.SCORE:
            score(job)
        else:
            _end_after(job.seconds)
            _end_without_room(job)
            {Stage.FETCH: fetch, Stage.RETRIEVE: retrieve, Stage.EXAMINE: examine}[
                Stage(job.stage)
            ](job)
    except ConfigError as error:
        _complain(str(error))
        return CONFIGURATION
    except (QmiaError, OSError, MemoryError) as error:
        _complain(f"{type(error).__name__}: {error}")
        return TEMPORARY
    return 0


if __name__ == "__main__":
    # Not `sys.exit`: the thread that watches standard input would be waited for.
    code = main()
    sys.stdout.flush()
    os._exit(code)
