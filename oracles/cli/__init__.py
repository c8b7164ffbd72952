"""The `qmia` command. One module per role, imported only when its command is called.

Exit codes: 0 done or passed, 1 a check found something, 2 could not do it (the message says why),
130 interrupted.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

ROLES: dict[str, str] = {
    "provider": "Sell data: commit, reveal, deliver, claim.",
    "page": "Serve the page on which people with wallets sell data.",
    "buyer": "Buy data: create an auction, settle it, receive data, deposit revenue.",
    "meter": "Count a model's usage, and pay its revenue to those who sold the data.",
    "operator": "Run the scoring daemon of a bonded operator.",
    "audit": "Recompute an auction from its logs.",
    "metric": "Decide on the metric: propose a version, object to one, see where they stand.",
    "gate": "Have proofs of thresholds checked on chain, and ask for them there.",
    "quality": "Score q: cleanliness, diversity, novelty, metadata.",
    "impact": "Estimate φ̂: what a data set is worth to the model.",
    "study": "Measure on your own texts what this auction buys, against other rules.",
    "dataset": "Inspect, pack, verify, decrypt and export data sets.",
    "mechanism": "Clear one auction case exactly; weights, DST, the paper's literal listings.",
    "keygen": "Make a key for any of the roles, as an encrypted file.",
}
_INTERRUPTED = 128 + signal.SIGINT
#: Seconds after which an interruption is tried again.
_MOMENT = 0.02
#: Not shown: how a role may be called besides.
_ALIASES = {"oracle": "operator"}


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: run one role's command, and turn a `QmiaError` into one sentence.

    Everything is imported inside, so that Ctrl-C and a closed pipe are handled from the first
    moment on.

    Args:
        argv: arguments without the program's name; those of the process by default.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever called us
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 (until the end)
    try:
        with _interruptible():
            _run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        # Who is interrupted while libraries load has seen nothing sent.
        sys.exit(_INTERRUPTED)
    except BaseException as error:
        # Looked up only here: nothing may be imported before Ctrl-C is handled.
        from oracles.cli.output import PipeClosed

        if not isinstance(error, PipeClosed):
            raise
        # As of a program that the signal ends. Python would complain once more when it flushes.
        _drop_output()
        sys.exit(128 + signal.SIGPIPE)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C count while modules load, too, where libraries swallow it (`except:`)."""
    numbers = (signal.SIGINT, signal.SIGALRM)
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not usual or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.signal(number, _interrupt) for number in numbers]
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _interrupt(_: int, frame: FrameType | None) -> None:
    """Raise; while a module loads, a moment later."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            signal.setitimer(signal.ITIMER_REAL, _MOMENT)
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def _drop_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: list[str]) -> None:
    from oracles.cli.explain import explain
    from oracles.cli.output import done_before, fail, stdout
    from oracles.errors import QmiaError, Reverted

    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that cannot show a letter
        sys.stdout.reconfigure(errors="backslashreplace")
    done_before()  # of an earlier command in this process
    if not arguments or arguments[0] in ("-h", "--help"):
        _print_roles()
        sys.exit(0 if arguments else 2)
    if arguments[0] == "--version":
        from importlib.metadata import version

        stdout.print(f"qmia {version('qmia')}", highlight=False)
        sys.exit(0)
    role, *rest = arguments
    role = _ALIASES.get(role, role)
    if role not in ROLES:
        fail(f"there is no role {role!r}; the roles are {', '.join(ROLES)}")
    try:
        importlib.import_module(f"oracles.cli.{role}").app(args=rest, prog_name=f"qmia {role}")
    except SystemExit as end:
        if end.code == _INTERRUPTED:  # typer's
            fail(f"interrupted{done_before()}", _INTERRUPTED)
        raise
    except Reverted as error:
        sentence = explain(error.error, error.arguments)
        said = str(error) if sentence is None else f"{error.call}: {sentence}"
        fail(f"{said}{done_before()}", error.exit_code)
    except QmiaError as error:
        fail(f"{error}{done_before()}", error.exit_code)
    except OSError as error:
        # A full disk, a folder that may not be written: what only the machine's owner can mend.
        where = error.filename2 or error.filename or "the output"  # a file put in another's place
        if error.filename is None and isinstance(sys.stdout, io.TextIOWrapper):
            _drop_output()  # Python would write it once more at the end.
        fail(f"cannot read or write {where}: {error.strerror or error}{done_before()}")


def _print_roles() -> None:
    from rich.table import Table

    from oracles.cli.output import stdout

    stdout.print("Q-MIA: buy training data fairly, with nobody to trust.\n")
    stdout.print("Usage: qmia ROLE COMMAND …     (qmia ROLE --help lists its commands)\n")
    table = Table("role", "for", box=None, padding=(0, 2, 0, 0))
    for role, purpose in ROLES.items():
        table.add_row(f"[bold]{role}[/]", purpose)
    stdout.print(table)
