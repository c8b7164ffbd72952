"""The commands of `qmia`, taken from its own parser, and lines of documents read by it."""

from __future__ import annotations

import importlib
import re
import shlex
from typing import TYPE_CHECKING, Any

import typer

from oracles.cli import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def group(role: str) -> Any:
    """A role's commands; for `keygen` the command itself."""
    return typer.main.get_command(importlib.import_module(f"oracles.cli.{role}").app)


def _below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    # typer brings a copy of click along, so its groups are no `click.Group`.
    if not hasattr(command, "commands"):
        yield words, command
        return
    for name, each in command.commands.items():
        yield from _below(each, (*words, name))


def commands() -> dict[tuple[str, ...], Any]:
    """Every command by its words, such as ("operator", "set", "show")."""
    return {words: each for role in ROLES for words, each in _below(group(role), (role,))}


def parse(line: str) -> None:
    """Read a line as the program would, without running it.

    Raises:
        Exception: the parser's own, with its sentence, or an AssertionError.
    """
    program, *words = shlex.split(line, comments=True)
    assert program == "qmia", line
    if words == ["--version"]:
        return
    role, *words = words
    assert role in ROLES, line
    command, context = group(role), None
    while True:
        context = command.make_context(command.name or role, words, parent=context)
        if not hasattr(command, "commands"):
            assert not context.args, line
            return
        words = [*context._protected_args, *context.args]
        assert words, f"{line}: no command"
        name, *words = words
        assert name in command.commands, f"{line}: there is no command {name}"
        command = command.commands[name]


def lines(page: Path) -> list[str]:
    """The `qmia …` lines of a page: those of its code blocks, and those named in its text."""
    text = page.read_text().replace("\\\n", " ")
    blocks = "\n".join(re.findall(r"```(?:sh)?\n(.*?)```", text, flags=re.S))
    whole = re.findall(r"^(?:\w+=\S+ )*(qmia .+)$", blocks, flags=re.M)
    return sorted({re.sub(r"\s+#.*$", "", line).rstrip(" &") for line in whole})


def named(page: Path) -> list[str]:
    """Commands named in a page's text, such as `qmia provider commit`, with what follows them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    return sorted(set(re.findall(r"`(qmia [^`\n]+)`", text)))


def exists(line: str) -> None:
    """Check that the command that a line begins with exists, and so do its options."""
    words = shlex.split(line)[1:]
    if words[0].startswith("-") or words[0] in ("ROLE", "…"):
        return
    assert words[0] in ROLES, line
    command = group(words[0])
    rest = words[1:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"{line}: there is no command {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    options = {name for each in command.params for name in each.opts} | {"--help"}
    for word in rest:
        if word.startswith("--"):
            assert word.partition("=")[0] in options, f"{line}: there is no option {word}"
