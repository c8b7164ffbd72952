"""The operators' page: its settings can be loaded, and its commands exist."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, cast

import click
import pytest
import typer

from oracles.cli.operator import app
from oracles.operator.settings import load
from scripts.build import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "operators.md").read_text()
COMMANDS = sorted(set(re.findall(r"^(qmia operator .*?)(?:\s+#.*)?$", PAGE, flags=re.M)))
NAMED = sorted(set(re.findall(r"`qmia operator ([a-z ]+)`", PAGE)))


def find(words: list[str]) -> tuple[click.Command, list[str]]:
    """A command by its words, and the words after its name."""
    command = cast("click.Command", typer.main.get_command(app))
    while isinstance(command, click.Group):
        name, *words = words
        assert name in command.commands, name
        command = command.commands[name]
    return command, words


def test_settings__as_the_page_shows_them__are_loaded(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.S)
    (tmp_path / "passphrase").write_text("x")
    config = tmp_path / "operator.toml"
    config.write_text(text)
    settings = load(config)
    assert settings.policy.least_fee == 0.02
    # What is commented out would do too.
    config.write_text(re.sub(r"^# (?=\w+ = )", "", text, flags=re.M))
    assert load(config).policy.sets == [7]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands__as_the_page_shows_them__are_understood(line: str) -> None:
    command, words = find(shlex.split(line)[2:])
    command.make_context(command.name, words)


@pytest.mark.parametrize("name", NAMED)
def test_commands__named_in_the_text__exist(name: str) -> None:
    find(name.split())
