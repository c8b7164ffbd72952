"""Every benchmark can be imported from a fresh checkout, and says how it is called."""

from __future__ import annotations

import ast
import importlib
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def modules():
    for path in sorted((ROOT / "benchmarks").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path


def runs(path):
    """Whether a module does something when it is called."""
    return any(
        isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)
        for node in ast.parse(path.read_text()).body
    )


@pytest.fixture
def fresh(monkeypatch):
    """No folder of a benchmark is on the path: only the root of the checkout."""
    own = [entry for entry in sys.path if "benchmarks" not in Path(entry).parts]
    monkeypatch.setattr(sys, "path", [str(ROOT), *own])


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("name", [name for name, _ in modules()])
def test_benchmark__when_it_is_asked_for_help__then_it_says_how_it_is_called(
    name, monkeypatch, capsys
):
    path = dict(modules())[name]
    importlib.import_module(name.removesuffix(".__main__"))
    if not runs(path):
        return
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module(name, run_name="__main__")
    assert not stopped.value.code
    assert "usage:" in capsys.readouterr().out
