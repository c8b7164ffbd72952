from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.build import ROOT, compiler_settings

SOURCE = """\
// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;
import "./Base.sol";
contract Child is Base { function two() external pure returns (uint256) { return 2 * one(); } }
"""
BASE = """\
// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;
abstract contract Base { function one() public pure returns (uint256) { return 1; } }
"""


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the WebAssembly compiler, laid out as `scripts/solc/install.py` does."""
    folder = tmp_path_factory.mktemp("solc")
    shutil.copy(ROOT / "scripts/solc/solc.js", folder)
    (folder / "soljson.js").symlink_to(ROOT / "node_modules/solc/soljson.js")
    (folder / "version").write_text("0.0.0+commit.test\n")
    node = shutil.which("node") or str(Path(sys.prefix) / "bin" / "node")
    return [node, "--preserve-symlinks-main", str(folder / "solc.js")]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Child.sol").write_text(SOURCE)
    (tmp_path / "Base.sol").write_text(BASE)
    return tmp_path


def run(command: list[str], folder: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, input=stdin, capture_output=True, text=True)


def test_standard_json__output_larger_than_a_pipe__arrives_whole(
    command: list[str], project: Path
) -> None:
    functions = "".join(f"function f{i}() external {{}}\n" for i in range(1500))
    source = SOURCE.replace("contract Child is Base {", f"contract Child is Base {{ {functions}")
    standard_input = {
        "language": "Solidity",
        "sources": {"Child.sol": {"content": source}},
        "settings": {"outputSelection": {"*": {"*": ["abi"], "": ["ast"]}}},
    }
    done = run([*command, "--standard-json"], project, json.dumps(standard_input))
    output = json.loads(done.stdout)
    assert len(done.stdout) > 1 << 19
    assert len(output["contracts"]["Child.sol"]["Child"]["abi"]) == 1502
    assert set(output["sources"]) == {"Base.sol", "Child.sol"}


def test_combined_json__file_with_import__both_contracts_as_solc_names_them(
    command: list[str], project: Path
) -> None:
    done = run([*command, "--combined-json", "abi,bin,hashes,userdoc,ast", "Child.sol"], project)
    output = json.loads(done.stdout)
    assert output["sourceList"] == ["Base.sol", "Child.sol"]
    assert output["contracts"]["Child.sol:Child"]["hashes"] == {
        "one()": "901717d1",
        "two()": "5fdf05d7",
    }
    assert output["contracts"]["Base.sol:Base"]["bin"] == ""
    assert output["contracts"]["Base.sol:Base"]["userdoc"]["kind"] == "user"
    assert output["sources"]["Child.sol"]["AST"]["nodeType"] == "SourceUnit"


def test_command_line__source_does_not_compile__fails_and_says_where(
    command: list[str], project: Path
) -> None:
    (project / "Base.sol").write_text(BASE.replace("return 1", "return x"))
    done = run([*command, "--bin", "Child.sol"], project)
    assert done.returncode == 1
    assert "Undeclared identifier" in done.stderr
    assert "Base.sol:3" in done.stderr


def test_command_line__unknown_option__is_refused_as_solc_does(
    command: list[str], project: Path
) -> None:
    done = run([*command, "--sideways", "Child.sol"], project)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "unrecognised option '--sideways'\n"


def test_settings__package_and_config__name_one_compiler_version() -> None:
    package = json.loads((ROOT / "package.json").read_text())
    assert package["devDependencies"]["solc"] == compiler_settings()["version"]
