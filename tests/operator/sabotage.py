"""`qmia` with faults: the process kills itself at a chosen step, or its clock is wrong.

QMIA_TEST_KILL=path   SIGKILL at the step that this file names, as soon as it is there: one of
                      `STEPS`, and how many times it must come, such as `committed 12`
QMIA_TEST_SKEW=s      the wall clock is s seconds off
QMIA_TEST_DISK=n      no file grows beyond n bytes, as if the disk were full
"""

from __future__ import annotations

import os
import resource
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Moments at which a process can be killed, and the most times that one may have to come.
STEPS: Final = {
    "written, not committed": 30,  # to the journal
    "committed": 30,
    "before signing a message": 1,
    "after signing a message": 1,
    "before signing a transaction": 4,  # roll, commitment, scores, verdict
    "after signing a transaction": 4,
    "before sending": 4,
    "after sending": 4,
    "before sharing": 1,
    "after sharing": 1,
    "process asked for": 3,  # that fetches, scores, or looks at what the buyer named
}
#: The same for a companion.
COMPANION_STEPS: Final = {
    "written, not committed": 20,
    "committed": 20,
    "before signing a transaction": 4,  # opening, reveal, delivery, claim
    "after signing a transaction": 4,
    "before sending": 4,
    "after sending": 4,
    "before telling": 4,
    "after telling": 4,
}
_step, _left = "", 0


def _at(step: str) -> None:
    global _step, _left
    orders = Path(os.environ["QMIA_TEST_KILL"])
    if orders.is_file():
        _step, _, number = orders.read_text().rpartition(" ")
        _left = int(number)
        orders.unlink()
    if step == _step:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _around(owner: type, name: str, step: str, *, after: bool = True) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        _at(f"before {step}")
        result = original(*args, **kwargs)
        _at(f"after {step}" if after else step)
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
    if "QMIA_TEST_KILL" in os.environ:
        from oracles.chain.signers import LocalSigner
        from oracles.companion.channels import Webhook
        from oracles.operator.exchange import DirectoryExchange
        from oracles.operator.jobs import Jobs
        from oracles.service.database import Database
        from oracles.service.outbox import Outbox

        atomic = Database.atomic

        @contextmanager
        def stepped(self: Database) -> Iterator[None]:
            with atomic(self):
                yield
                _at("written, not committed")
            _at("committed")

        Database.atomic = stepped  # type: ignore[method-assign]
        _around(LocalSigner, "sign_typed", "signing a message")
        _around(LocalSigner, "sign_transaction", "signing a transaction")
        _around(Outbox, "_broadcast", "sending")
        _around(Webhook, "send", "telling")
        _around(DirectoryExchange, "publish", "sharing")
        _around(Jobs, "start", "process asked for", after=False)


def main() -> None:
    install()
    from oracles.cli import main as qmia

    qmia()


if __name__ == "__main__":
    main()
