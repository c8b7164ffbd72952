"""docs/architecture.md says what may import what; here every import is held against it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def table() -> dict[str, set[str]]:
    """Package to the packages that it may import, from the ground up, as the page lists them."""
    ground = re.search(r"^\| \*\*ground\*\*: (.+?) \|", PAGE, re.MULTILINE)
    assert ground is not None
    shared = set(re.findall(r"`(\w+)`", ground[1]))
    allowed: dict[str, set[str]] = {name: shared - {name} for name in shared}
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", PAGE, re.MULTILINE)
    for name, cell in rows:
        named = set(allowed) if cell.startswith("everything") else set(re.findall(r"`(\w+)`", cell))
        assert named <= set(allowed), f"{name} may only import what stands above it in the table"
        allowed[name] = named | shared
    return allowed


def imports() -> Iterator[tuple[str, str, str]]:
    """(package, imported package, place) for each import, in functions and for types too."""
    for path in sorted((ROOT / "oracles").rglob("*.py")):
        package = path.relative_to(ROOT / "oracles").with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "oracles":
                modules = [f"oracles.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            elif isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                continue
            for module in modules:
                if module.startswith("oracles.") and module.split(".")[1] != package:
                    place = f"{path.relative_to(ROOT)}:{node.lineno}"
                    yield package, module.split(".")[1], place


def packages() -> set[str]:
    entries = (ROOT / "oracles").iterdir()
    return {e.stem for e in entries if e.suffix == ".py" or (e / "__init__.py").exists()} - {
        "__init__"
    }


def test_table__names_every_package() -> None:
    assert set(table()) == packages()


def test_picture__shows_every_package() -> None:
    _, picture, _ = PAGE.split("```", 2)
    assert [name for name in table() if not re.search(rf"\b{name}\b", picture)] == []


def test_imports__follow_the_arrows_of_the_table() -> None:
    allowed = table()
    found = list(imports())
    assert len(found) > 300
    wrong = [
        f"{place}: {package} imports {other}"
        for package, other, place in found
        if other not in allowed[package]
    ]
    assert wrong == []


def test_table__has_no_arrow_that_nothing_uses() -> None:
    used = {(package, other) for package, other, _ in imports()}
    stated = re.findall(r"^\| `(\w+)` \| ((?:`\w+`(?:, )?)+) \|", PAGE, re.MULTILINE)
    unused = [
        f"{package} → {other}"
        for package, cell in stated
        for other in re.findall(r"`(\w+)`", cell)
        if (package, other) not in used
    ]
    assert unused == []


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\((?!http)([^)#]+)", PAGE))))
def test_page__every_link__leads_to_a_file(path: str) -> None:
    assert (ROOT / "docs" / path).exists()
