"""`qmia` in processes of its own, forked from one that has the program's modules.

To import them takes longer than most of what a daemon does between two kills. Everything else is as
if it had been started from a shell: a log, an environment, no memory of what ran before.
"""

from __future__ import annotations

import multiprocessing
import os
from typing import TYPE_CHECKING

from oracles.cli import main
from scripts.build import ROOT
from tests.operator import sabotage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.process import BaseProcess
    from pathlib import Path

#: What a companion and an operator import when they start.
_MODULES = (
    "oracles.cli.operator",
    "oracles.cli.provider",
    "oracles.operator.daemon",
    "oracles.operator.exchange",
    "oracles.operator.jobs",
    "tests.operator.scorer",
)
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["__main__", __name__, *_MODULES])


def _live(words: list[str], log: Path, environment: dict[str, str]) -> None:
    """Be the program, in a process that has just begun."""
    os.environ.update(environment)
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.chdir(ROOT)
    sabotage.install()
    main(words)


def start(words: Sequence[str], log: Path, environment: Mapping[str, str]) -> BaseProcess:
    """Start `qmia` with these words.

    Args:
        words: of the command line.
        log: file that what it says is appended to.
        environment: beside the present one; `tests.operator.sabotage` reads its orders there.
    """
    log.touch()
    everything = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    process = _FORKS.Process(target=_live, args=(list(words), log, everything))
    process.start()
    return process
