"""Write `requirements.lock`: every Python package that set-up installs, at one exact version.

The versions are what pip chooses today for `pyproject.toml`, but those already locked where they
still fit. Versions only, no hashes: torch is another file on every platform.

Usage: python scripts/setup/lock.py [--upgrade]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"
# Of use on several machines only, and large.
LEFT_OUT = {"cluster"}
HEADER = "# Written by `make lock` from pyproject.toml. Do not edit.\n"


def resolve(*, upgrade: bool) -> dict[str, Version]:
    """Return the version of every package that pip would install into an empty environment."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"]]
    for name, extra in project["optional-dependencies"].items():
        if name not in LEFT_OUT:
            wanted += extra
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"]
        command += ["--ignore-installed", "--report", str(report), *wanted]
        if LOCK.is_file() and not upgrade:
            command += ["--constraint", str(LOCK)]
        subprocess.run(command, check=True)
        chosen = json.loads(report.read_text())["install"]
    return {
        canonicalize_name(item["metadata"]["name"]): Version(item["metadata"]["version"])
        for item in chosen
    }


def main() -> None:
    """Write the lock file."""
    packages = resolve(upgrade="--upgrade" in sys.argv[1:])
    # Without the local part: torch's +cpu build carries one here, and none elsewhere.
    lines = [f"{name}=={version.public}\n" for name, version in sorted(packages.items())]
    LOCK.write_text(HEADER + "".join(lines))
    print(f"{len(lines)} packages locked")


if __name__ == "__main__":
    main()
