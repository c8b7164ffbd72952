"""Contracts of other projects, fetched at a pinned commit and compiled with their own settings.

Their licences differ from ours, so none of their code is kept in this repository: it is fetched
into `.build/peers` when it is measured, and stays there for the next time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from benchmarks.gas.node import ROOT
from oracles.errors import QmiaError

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER: Final = ROOT / ".build" / "peers"
#: Longest waits, in seconds: for a compiler or all packages, and for one repository.
PATIENCE: Final = 300
FETCH_PATIENCE: Final = 60
#: Compilers and libraries, by the name they get in `node_modules`. The libraries are the versions
#: the projects lock; solmate 6.7.0 is the code of the commit auction-zoo locks, comments aside.
PACKAGES: Final = {
    "solc-0.6.12": "npm:solc@0.6.12",
    "solc-0.8.19": "npm:solc@0.8.19",
    "solc-0.8.26": "npm:solc@0.8.26",
    "openzeppelin-3.3.0": "npm:@openzeppelin/contracts@3.3.0",
    "solady-0.0.124": "npm:solady@0.0.124",
    "solady-0.1.23": "npm:solady@0.1.23",
    "solmate-6.7.0": "npm:solmate@6.7.0",
    "solmate-6.8.0": "npm:solmate@6.8.0",
}
#: Standard JSON in, standard JSON out; imports are read from the working directory.
_COMPILE: Final = """
const fs = require("node:fs");
const read = (name) =>
  fs.existsSync(name) ? { contents: fs.readFileSync(name, "utf8") } : { error: "not found" };
const solc = require(process.argv[1]);
process.stdout.write(solc.compile(fs.readFileSync(0, "utf8"), { import: read }));
"""


class UnavailableError(QmiaError):
    """Code of another project cannot be had, or does not compile."""


@dataclass(frozen=True, slots=True)
class Project:
    """Sources of another project and how they are compiled.

    Attributes:
        repository: owner and name on GitHub.
        commit: 40 hexadecimal digits.
        files: what to compile, paths in the repository.
        compiler: version of solc.
        evm: its target.
        runs: of the optimizer; None switches it off.
        libraries: import prefix to a folder of `node_modules`.
    """

    repository: str
    commit: str
    files: tuple[str, ...]
    compiler: str
    evm: str
    runs: int | None
    libraries: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Folder of the sources."""
        return self.repository.partition("/")[2]


def build(project: Project) -> dict[str, str]:
    """Fetch what is not there yet, compile, and return the creation code by contract name.

    Raises:
        UnavailableError: a download failed, a tool is missing, or the compiler found errors.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    _sources(project)
    _packages()
    name = project.name
    remappings = [f"{prefix}=node_modules/{to}" for prefix, to in project.libraries.items()]
    standard_input = {
        "language": "Solidity",
        "sources": {
            f"{name}/{file}": {"content": (FOLDER / name / file).read_text(encoding="utf8")}
            for file in project.files
        },
        "settings": {
            "remappings": [f"{name}/:{remapping}" for remapping in remappings],
            "optimizer": {"enabled": project.runs is not None, "runs": project.runs or 200},
            "evmVersion": project.evm,
            "outputSelection": {"*": {"*": ["evm.bytecode.object"]}},
        },
    }
    command = ["node", "-e", _COMPILE, f"solc-{project.compiler}"]
    output: dict[str, Any] = json.loads(_run(command, json.dumps(standard_input)))
    problems = [e["formattedMessage"] for e in output.get("errors", []) if e["severity"] == "error"]
    if problems:
        raise UnavailableError(f"{project.repository} does not compile: {problems[0]}")
    return {
        contract: result["evm"]["bytecode"]["object"]
        for file in project.files
        for contract, result in output["contracts"][f"{name}/{file}"].items()
    }


def _packages() -> None:
    wanted = json.dumps({"private": True, "dependencies": PACKAGES}, indent=1)
    # Written last, so that it stands for a complete installation.
    done = FOLDER / "node_modules" / ".installed"
    if done.is_file() and done.read_text() == wanted:
        return
    (FOLDER / "package.json").write_text(wanted)
    _run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"])
    done.write_text(wanted)


def _sources(project: Project) -> None:
    folder = FOLDER / project.name
    git = ["git", "-C", project.name]
    if folder.is_dir():
        try:
            if _run([*git, "rev-parse", "--verify", "HEAD"]).strip() == project.commit:
                return
        except UnavailableError:
            pass  # an earlier attempt left nothing to use
        shutil.rmtree(folder)
    _run(["git", "init", "--quiet", project.name])
    url = f"https://github.com/{project.repository}"
    _run([*git, "fetch", "--quiet", "--depth", "1", url, project.commit], seconds=FETCH_PATIENCE)
    _run([*git, "checkout", "--quiet", "--detach", project.commit])


def _run(command: Sequence[str], given: str = "", seconds: int = PATIENCE) -> str:
    """Run a program in the folder of the peers and return what it prints."""
    try:
        done = subprocess.run(
            command,
            cwd=FOLDER,
            # Nobody is there to answer a question for a password.
            env=os.environ | {"GIT_TERMINAL_PROMPT": "0"},
            input=given,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        cause = next((line for line in lines if "error" in line or "fatal" in line), lines[-1])
        raise UnavailableError(f"`{' '.join(command[:4])} …` failed: {cause}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(str(error)) from error
    return done.stdout
