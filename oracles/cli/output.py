"""What every command shares: tables for people, JSON for programs, one way to fail."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

#: For people: progress, notes and errors. Data goes to standard output.
stderr = Console(stderr=True)
stdout = Console()

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
ClusterOption = Annotated[
    str | None,
    typer.Option(help="Ray cluster to spread the work over: its address, or `local`."),
]


def print_json(value: Any) -> None:
    """Print one JSON value to standard output; integers beyond 2^53 must already be strings."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def fail(message: str, exit_code: int = 2) -> NoReturn:
    """Print one line to standard error and exit."""
    stderr.print(f"[bold red]qmia:[/] {escape(message)}", highlight=False, soft_wrap=True)
    sys.exit(exit_code)
