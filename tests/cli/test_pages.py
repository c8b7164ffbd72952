"""The pages of the roles: every command that they show is understood by the program."""

from __future__ import annotations

import pytest

from scripts.build import ROOT
from tests.support.commands import exists, lines, named, parse

PAGES = sorted({*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"})
SHOWN = [(page.name, line) for page in PAGES for line in lines(page)]
NAMED = [(page.name, line) for page in PAGES for line in named(page)]


def test_pages__of_all_roles__show_commands() -> None:
    assert {"providers.md", "buyers.md", "operators.md", "auditors.md"} <= {
        page for page, _ in SHOWN
    }


@pytest.mark.parametrize(("page", "line"), SHOWN)
def test_commands__as_a_page_shows_them__are_understood(page: str, line: str) -> None:
    del page
    parse(line)


@pytest.mark.parametrize(("page", "line"), NAMED)
def test_commands__named_in_the_text__exist(page: str, line: str) -> None:
    del page
    exists(line)
