"""The `qmia` command. One module a role; each is imported only when its command is called.

Exit codes: 0 done or passed, 1 a check found something, 2 could not do it (the message says why),
130 interrupted.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import click
import typer
from typer.core import TyperGroup

from oracles.cli.output import fail
from oracles.errors import QmiaError

if TYPE_CHECKING:
    from collections.abc import Sequence

ROLES: dict[str, str] = {
    "mechanism": "Clear one auction case exactly; weights, DST, the paper's literal listings.",
    "quality": "Score q: cleanliness, diversity, novelty, metadata.",
    "impact": "Estimate φ̂: what a data set is worth to the model.",
    "dataset": "Pack, verify and decrypt data sets.",
    "provider": "Commit, reveal, deliver and claim.",
    "buyer": "Create an auction, settle it, receive data, deposit revenue.",
    "oracle": "Run the scoring daemon of a bonded operator.",
    "audit": "Recompute an auction from its logs.",
}


class _LazyGroup(TyperGroup):
    """Typer group that imports `oracles.cli.<role>` on first use, so that `qmia --help` stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all roles, in the order of an auction's life."""
        del ctx
        return list(ROLES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command group of one role."""
        del ctx
        if cmd_name not in ROLES:
            return None
        module = importlib.import_module(f"oracles.cli.{cmd_name}")
        command: click.Command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List roles without importing them."""
        del ctx
        with formatter.section("Roles"):
            formatter.write_dl(list(ROLES.items()))

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Plain click help: the rich one would import every role."""
        click.Group.format_help(self, ctx, formatter)


app = typer.Typer(cls=_LazyGroup, no_args_is_help=True, add_completion=False)


@app.callback()
def _root() -> None:
    """Q-MIA: buy training data fairly, with nobody to trust."""


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point: run, and turn a `QmiaError` into one sentence and its exit code."""
    try:
        result: Any = app(args=argv, standalone_mode=False)
    except QmiaError as error:
        fail(str(error), error.exit_code)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except (click.Abort, KeyboardInterrupt):
        fail("interrupted", 130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    sys.exit(result if isinstance(result, int) else 0)
