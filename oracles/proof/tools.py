"""The programs behind proofs: Noir's compiler and solver, and Barretenberg's `bb`.

They are npm packages of 200 MB that nothing else needs, so `make zk` installs them apart. `bb` also
needs points of a universal set-up, the Ignition ceremony of 2019. It fetches them once over the
network and holds every 4 MiB of them against SHA-256 digests that are built into it, and the digest
of the package that brings it is in `zk/package-lock.json`.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from oracles.errors import ConfigError, InputError
from oracles.files import write_file

#: Longest time that one step may take, in seconds.
_PATIENCE: Final = 6 * 3600
_MACHINES: Final = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
#: Bytes of a point in the set-up file.
_POINT: Final = 64
_POINTS: Final = "bn254_g1.dat"
#: First two points of the set-up: the generator, and the ceremony's secret times the generator.
_BEGINNING: Final = bytes.fromhex(
    f"{1:064x}{2:064x}"
    "2d360628289ff943ff6bd1a87bbe4e62abe7fb61ba83effd266f22bdcf31e6f9"
    "26b92a79e563c3f48252cce7feeca2f0f8d33dcb4ef7b0643bf07bd405700aaa"
)


def folder() -> Path:
    """Where the circuit and the npm packages are: `QMIA_ZK`, or `zk` beside the program."""
    named = os.environ.get("QMIA_ZK")
    return Path(named) if named else Path(__file__).parents[2] / "zk"


def program(zk: Path) -> Path:
    """Path of `bb`.

    Raises:
        ConfigError: it is not installed, or there is none for this machine.
    """
    machine = _MACHINES.get(platform.machine(), platform.machine())
    system = {"Darwin": "macos"}.get(platform.system(), platform.system().lower())
    path = zk / "node_modules/@aztec/bb.js/build" / f"{machine}-{system}" / "bb"
    if not path.exists():
        raise ConfigError(
            f"proofs need programs that are not installed ({path} is missing): run `make zk`, or"
            " name the folder of another installation in QMIA_ZK"
        )
    return path


def setup_folder() -> Path:
    """Where points of the set-up are kept: `QMIA_CRS`, or a folder of the user's cache."""
    named = os.environ.get("QMIA_CRS")
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "qmia" / "crs"


def is_ignition() -> bool:
    """Whether the points that are here begin like those of the ceremony."""
    try:
        with (setup_folder() / _POINTS).open("rb") as file:
            return file.read(len(_BEGINNING)) == _BEGINNING
    except OSError:
        return False


def bb(command: str, *options: str, **paths: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of `bb` to its end, for proofs that Ethereum can check.

    Args:
        command: such as `prove`.
        options: that take no value.
        paths: files by the letter of their option.

    Raises:
        ConfigError: it is not installed, or does not start here.
    """
    points = setup_folder()
    points.mkdir(parents=True, exist_ok=True)
    files = [part for letter, path in paths.items() for part in (f"-{letter}", str(path))]
    return _run([str(program(folder())), command, *options, *files, "-c", str(points), "-t", "evm"])


def node(script: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run one of the scripts in the folder with Node.

    Raises:
        ConfigError: Node or the packages are not installed.
    """
    zk = folder()
    program(zk)
    # The compiler keeps all of a large circuit in memory.
    environment = {**os.environ, "NODE_OPTIONS": "--max-old-space-size=16000"}
    return _run(["node", str(zk / script), *arguments], stdin, environment)


def _run(
    command: list[str], stdin: str = "", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
            env=environment,
        )
    except FileNotFoundError as error:
        raise ConfigError(f"{command[0]} is not installed: run `make setup zk`") from error
    except OSError as error:
        raise ConfigError(f"{command[0]} does not start: {error.strerror or error}") from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"{Path(command[0]).name} took longer than {_PATIENCE} s") from error


def expect(done: subprocess.CompletedProcess[str], what: str) -> None:
    """Go on only if a program succeeded.

    Raises:
        ConfigError: it needs points of the set-up and cannot fetch them, or failed otherwise.
    """
    if done.returncode != 0:
        raise failed(done, what)


def failed(done: subprocess.CompletedProcess[str], what: str) -> ConfigError:
    """What to say of a program that did not do what it should."""
    said = " ".join((done.stderr or done.stdout).split())
    if "ENOSPC" in said or "No space left" in said:
        return ConfigError(f"{what} failed: the disk is full, in {tempfile.gettempdir()} or nearby")
    if "does not match expected point" in said or "integrity check failed" in said:
        return ConfigError(
            f"{what} fetched points that are not those of the Ignition set-up, and kept none: try"
            f" again over another network, or copy {_POINTS} from a machine that has it into"
            f" {setup_folder()}"
        )
    if any(word in said.lower() for word in ("http", "download", "crs")):
        return ConfigError(
            f"{what} needs points of the Ignition set-up, which could not be fetched: connect once,"
            f" or copy {_POINTS} from a machine that has them into {setup_folder()}"
        )
    ended = f"exit code {done.returncode}" if done.returncode >= 0 else "it was killed"
    return ConfigError(f"{what} failed ({ended}): {said[-500:] or 'without a word'}")


def lock() -> dict[str, str]:
    """Circuit to SHA-256 of what it compiles to, as tracked beside the sources."""
    path = folder() / "circuits.json"
    try:
        found: dict[str, str] = json.loads(path.read_text("ascii"))["bytecode_sha256"]
    except (OSError, ValueError, LookupError) as error:
        raise ConfigError(f"cannot read {path}: {error}; restore it from the release") from error
    return found


def circuit(name: str) -> Path:
    """A compiled circuit; compiled first if it is not here.

    Args:
        name: of the circuit and its depth, such as `part-10`.

    Raises:
        ConfigError: it cannot be compiled, or compiles to something else than was published.
    """
    build = folder() / "build"
    path = build / f"{name}.json"
    try:
        if not path.exists():
            build.mkdir(parents=True, exist_ok=True)
            expect(node("compile.mjs", *name.split("-"), str(build)), f"compiling circuit {name}")
        bytecode = json.loads(path.read_text("utf-8"))["bytecode"]
    except OSError as error:
        raise ConfigError(f"cannot write to {build}: {error.strerror or error}") from error
    except (ValueError, LookupError):
        bytecode = ""
    found = hashlib.sha256(bytecode.encode()).hexdigest()
    if (want := lock().get(name)) != found:
        raise ConfigError(
            f"{path} is not the circuit that was published ({found[:16]}…, not"
            f" {(want or 'none')[:16]}…): delete it, install with `make zk`, and try again"
        )
    return path


def verification_key(name: str) -> Path:
    """The key that checks proofs of a circuit; made first if it is not here.

    Raises:
        ConfigError: the circuit or the points of the set-up are missing.
        InputError: the key cannot be kept.
    """
    path = setup_folder() / name
    compiled, key, note = circuit(name), path / "vk", path / "digests"

    def digests() -> str:
        return f"{lock()[name]} {hashlib.sha256(key.read_bytes()).hexdigest()}"

    try:
        if note.exists() and key.exists() and note.read_text() == digests():
            return key
        path.mkdir(parents=True, exist_ok=True)
        expect(bb("write_vk", b=compiled, o=path), "making the verification key")
        write_file(note, digests())
    except OSError as error:
        raise InputError(f"cannot write to {path}: {error.strerror or error}") from error
    return key
