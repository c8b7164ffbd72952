"""Make solc of one exact version available as `~/.solcx/solc-vX.Y.Z`, where every tool looks.

In order: already installed; the native build from the Solidity project's download host; the
WebAssembly build from `node_modules/solc` behind a small Node program (`solc.js`). The compilers
are the same: their output is equal byte for byte. The download is probed first, since py-solc-x
waits without a limit.

Usage: python scripts/solc/install.py X.Y.Z
"""

from __future__ import annotations

import filecmp
import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import requests
import solcx
from solcx.install import BINARY_DOWNLOAD_BASE, _get_os_name, get_solcx_install_folder
from solcx.wrapper import get_solc_version

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("solc.js")
PROBE_SECONDS = 5

# `--version` is asked before every compilation: answered without the second that Node takes.
LAUNCHER = """\
#!/bin/sh
if [ "$*" = "--version" ]; then
  printf '%s\\n' 'solc, the solidity compiler commandline interface' 'Version: {version}'
  exit
fi
node='{node}'
[ -x "$node" ] || node=node
exec "$node" "${{0%/*}}/{folder}/solc.js" "$@"
"""


def works(executable: Path, version: str) -> bool:
    """Return whether the executable starts and is solc of this version."""
    try:
        return str(get_solc_version(executable)) == version
    except (OSError, subprocess.SubprocessError, solcx.exceptions.SolcError):
        return False


def native_build_exists(version: str) -> bool:
    """Return whether the download host answers quickly and lists this version."""
    try:
        url = BINARY_DOWNLOAD_BASE.format(_get_os_name(), "list.json")
        return version in requests.get(url, timeout=PROBE_SECONDS).json()["releases"]
    except (requests.RequestException, ValueError, KeyError):
        return False


def install_wasm(version: str, executable: Path, folder: Path) -> None:
    """Install the WebAssembly compiler of `node_modules/solc`, its files in `folder`.

    Raises:
      SystemExit: Node or the npm package is missing, or the package is another version.
    """
    package = ROOT / "node_modules" / "solc"
    node = shutil.which("node")
    if node is None or not (package / "soljson.js").is_file():
        sys.exit("node or node_modules/solc is missing: run `make setup`.")
    found = json.loads((package / "package.json").read_text())["version"]
    if found != version:
        sys.exit(f"node_modules/solc is {found}, but ape-config.yaml asks for {version}.")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(package / "soljson.js", folder / "soljson.js")
    shutil.copyfile(PROGRAM, folder / PROGRAM.name)
    ask = 'console.log(require("./soljson.js").cwrap("solidity_version", "string", [])())'
    answer = subprocess.run(
        [node, "-e", ask], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()
    (folder / "version").write_text(f"{answer}\n")
    # Renamed into place, so that another process never starts half a file.
    launcher = executable.with_name(f"wasm-{version}.tmp")
    launcher.write_text(LAUNCHER.format(version=answer, node=node, folder=folder.name))
    launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    launcher.replace(executable)


def main(version: str) -> None:
    """Install solc of the given version and check that it starts."""
    executable = get_solcx_install_folder() / f"solc-v{version}"
    executable.parent.mkdir(parents=True, exist_ok=True)
    # Not named solc-v…: py-solc-x takes every such name for a compiler.
    folder = executable.parent / f"wasm-{version}"
    outdated = folder.is_dir() and not filecmp.cmp(PROGRAM, folder / PROGRAM.name, shallow=False)
    if works(executable, version) and not outdated:
        print(f"solc {version}: already installed")
        return
    if native_build_exists(version):
        solcx.install_solc(version)
        kind = "native"
    else:
        install_wasm(version, executable, folder)
        kind = "WebAssembly"
    if not works(executable, version):
        sys.exit(f"{executable} was installed but does not answer as solc {version}.")
    print(f"solc {version}: installed ({kind})")


if __name__ == "__main__":
    main(sys.argv[1])
