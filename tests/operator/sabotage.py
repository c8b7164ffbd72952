"""`qmia` with faults: the process kills itself at a chosen step, or its clock is wrong.

QMIA_TEST_KILL=n      SIGKILL at the n-th step; steps are the moments around every journal commit,
                      signature, broadcast, and message written
QMIA_TEST_SKEW=s      the wall clock is s seconds off
QMIA_TEST_DISK=n      no file grows beyond n bytes, as if the disk were full
"""

from __future__ import annotations

import os
import resource
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_left = int(os.environ.get("QMIA_TEST_KILL", "0"))


def _step() -> None:
    global _left
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def _around(owner: type, name: str) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        _step()
        result = original(*args, **kwargs)
        _step()
        return result

    setattr(owner, name, wrapped)


def install() -> None:
    # The clock goes wrong before anything can take it for right.
    if skew := float(os.environ.get("QMIA_TEST_SKEW", "0")):
        right = time.time
        time.time = lambda: right() + skew
    if size := int(os.environ.get("QMIA_TEST_DISK", "0")):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    if _left:
        from oracles.chain.client import LocalSigner
        from oracles.operator.exchange import DirectoryExchange
        from oracles.operator.journal import Journal
        from oracles.operator.outbox import Outbox

        atomic = Journal.atomic

        @contextmanager
        def stepped(self: Journal) -> Iterator[None]:
            with atomic(self):
                yield
                _step()
            _step()

        Journal.atomic = stepped  # type: ignore[method-assign]
        _around(LocalSigner, "sign_typed")
        _around(LocalSigner, "sign_transaction")
        _around(Outbox, "_broadcast")
        _around(DirectoryExchange, "publish")


def main() -> None:
    install()
    from oracles.cli import main as qmia

    qmia()


if __name__ == "__main__":
    main()
