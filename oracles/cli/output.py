"""What every command shares: values and tables for people, JSON for programs, one way to fail."""

from __future__ import annotations

import json as json_format
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from oracles.errors import InputError
from oracles.files import write_file
from oracles.shown import OBEYED, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rich.console import ConsoleOptions, RenderableType
    from rich.segment import Segment

    from oracles.chain.client import Sender
    from oracles.progress import Progress as ProgressCallback

#: Where output goes to a file or a program, no line is cut or broken, however long.
_UNBOUNDED: Final = 1 << 16


class PipeClosed(BaseException):
    """Whoever read our output has enough of it.

    No `OSError`: typer and rich would end with exit code 1, which means that a check found
    something.
    """


class _Console(Console):
    """A console that obeys no control character of the texts that it shows."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=shown(segment.text))

    def on_broken_pipe(self) -> NoReturn:
        raise PipeClosed


def _console(*, to_stderr: bool) -> Console:
    stream = sys.stderr if to_stderr else sys.stdout
    # No emoji: `:x:` in a file name is not a picture.
    return _Console(stderr=to_stderr, width=None if stream.isatty() else _UNBOUNDED, emoji=False)


_senders: list[Sender] = []

#: For people: progress, notes and errors. Data goes to standard output.
stderr = _console(to_stderr=True)
stdout = _console(to_stderr=False)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
ClusterOption = Annotated[
    str | None,
    typer.Option(help="Ray cluster to spread the work over: its address, or `local`."),
]


def print_json(value: Any) -> None:
    """Print one JSON value to standard output; integers beyond 2^53 must already be strings."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    try:
        text = json_format.dumps(value, ensure_ascii=not utf8)
        sys.stdout.write(OBEYED.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n")
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise PipeClosed from error


def show(values: Mapping[str, Any], *, json: bool) -> None:
    """Print one record: a line for each value, or JSON."""
    if json:
        print_json(values)
        return
    for name, value in values.items():
        stdout.print(
            f"{_title(name)}: {_plain(value)}", highlight=False, markup=False, soft_wrap=True
        )


def show_rows(rows: Sequence[Mapping[str, Any]], *, json: bool, empty: str) -> None:
    """Print records of one kind as a table, or as a JSON list.

    Args:
        rows: all with the same keys, which are the columns.
        json: print JSON instead.
        empty: sentence for people where there are no rows.
    """
    if json:
        print_json(rows)
    elif rows:
        stdout.print(table(rows))
    else:
        stdout.print(empty, soft_wrap=True)


def table(rows: Sequence[Mapping[str, Any]], *, title: str | None = None) -> Table:
    """A table of records that all have the keys of the first."""
    made = Table(title=title, title_justify="left")
    for name in rows[0]:
        made.add_column(_title(name), overflow="fold")
    for row in rows:
        made.add_row(*(escape(_plain(value)) for value in row.values()))
    return made


def _title(name: str) -> str:
    return name.replace("_", " ")


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value)) or "none"
    return shown(str(value))


def write_output(path: Path, content: str | bytes, *, private: bool = False) -> None:
    """Write a file that a command was asked for, whole or not at all.

    Args:
        path: Of the file.
        content: Text is written as UTF-8.
        private: Only the owner may read it, since it holds passages of the data.

    Raises:
        InputError: it cannot be written.
    """
    try:
        write_file(path, content, private=private)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def bars() -> Iterator[ProgressCallback]:
    """Progress bars on standard error: yields a function that takes (stage, done, total).

    Each stage has a bar of its own; without a total it shows how much was done. Where standard
    error is no terminal nothing is drawn.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=stderr, transient=True) as progress:
        tasks: dict[str, Any] = {}

        def advance(stage: str, done: int, total: int | None = None) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done, total=total)

        yield advance


def watch(sender: Sender) -> Sender:
    """Remember a sender: a failure after what it has done must not read as if nothing was."""
    _senders.append(sender)
    return sender


def done_before() -> str:
    """What this command's senders have done, for the message of its failure; then forgotten."""
    done = [each for sender in _senders for each in sender.done]
    _senders.clear()
    return f". Done before that, so do not repeat it: {'; '.join(done)}" if done else ""


def fail(message: str, exit_code: int = 2) -> NoReturn:
    """Print one line to standard error and exit."""
    stderr.print(f"[bold red]qmia:[/] {escape(message)}", highlight=False, soft_wrap=True)
    sys.exit(exit_code)
