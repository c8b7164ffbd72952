"""The public face: its names, that it loads nothing early, and that its examples run."""

from __future__ import annotations

import ast
import doctest
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import qmia
from oracles import cli
from oracles.audit import write_archive
from tests.audit.stories import everything

if TYPE_CHECKING:
    from collections.abc import Callable


def test_face__names__are_these_and_all_there() -> None:
    assert qmia.__all__ == sorted(qmia.__all__) == sorted(qmia._HOME)
    assert {name for name in dir(qmia) if not name.startswith("_")} >= set(qmia.__all__)
    for name in qmia.__all__:
        assert getattr(qmia, name).__name__ == name


def test_face__what_type_checkers_see__is_what_is_loaded() -> None:
    tree = ast.parse(Path(qmia.__file__).read_text())
    seen = {
        alias.name: node.module
        for branch in tree.body
        if isinstance(branch, ast.If)
        for node in branch.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == qmia._HOME


def test_face__when_a_name_is_unknown__then_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'scores'"):
        qmia.scores  # noqa: B018 - the access is the test


def test_import__loads_no_part_of_it_and_no_torch() -> None:
    program = (
        "import sys, qmia; early = {*sys.modules} & {'torch', 'onnxruntime', 'web3', 'oracles'}; "
        "assert not early, early; qmia.clear; qmia.pack; qmia.replay; qmia.Provider; qmia.Terms; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error::ImportWarning", "-c", program], check=True)


@pytest.mark.parametrize("name", ["clear", "pack", "replay", "score"])
def test_docstring__example__runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if name == "replay":
        write_archive(tmp_path / "market.qmia-archive", everything())
    function: Callable[..., Any] = getattr(qmia, name)
    (example,) = doctest.DocTestFinder(recurse=False).find(function, name, globs={})
    assert example.examples
    lines: list[str] = []
    doctest.DocTestRunner().run(example, out=lines.append)
    assert not lines, "".join(lines)


def test_version__of_the_command__is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert not ended.value.code
    assert (
        capsys.readouterr().out.strip() == f"qmia {version('qmia')}" == f"qmia {qmia.__version__}"
    )
