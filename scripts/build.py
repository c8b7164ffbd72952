"""Compile the contracts into `oracles/chain/artifacts/`, one JSON file per contract.

Their events become the dataclasses of `oracles/chain/typed_events.py` (`scripts/events.py`).

The artifacts are tracked, so that an installed package needs no compiler. Each holds the ABI and
the creation and run-time bytecode; `standard-input.json` beside them is the compiler's input that
reproduces them all, as block explorers want it for the verification of deployed sources. Settings
come from `ape-config.yaml`, the compiler from `make setup`. Warnings in the project's own sources
are errors.

Usage: python -m scripts.build [--check]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import solcx
import yaml
from solcx.install import get_executable

from scripts.events import typed_events

ROOT = Path(__file__).resolve().parents[1]
CONTRACTS = ROOT / "contracts"
ARTIFACTS = ROOT / "oracles" / "chain" / "artifacts"
TYPED_EVENTS = ROOT / "oracles" / "chain" / "typed_events.py"
CACHE = ROOT / ".build" / "solc"

Json = dict[str, Any]


class BuildError(Exception):
    """The contracts do not compile cleanly, or a tracked file does not match its source."""


def compiler_settings() -> Json:
    """Return the `solidity` section of `ape-config.yaml`."""
    section: Json = yaml.safe_load((ROOT / "ape-config.yaml").read_text())["solidity"]
    return section


def compile_files(files: list[Path]) -> tuple[dict[str, Json], Json]:
    """Compile Solidity files inside the project, or take an earlier result for the same bytes.

    Args:
      files: absolute paths.

    Returns:
      The artifact of every deployable contract the files define, by contract name: `contractName`,
      `sourceName`, `abi`, `bytecode`, `deployedBytecode`. And the Standard JSON input, imports
      included.

    Raises:
      BuildError: an error, or a warning outside `node_modules`; two contracts have one name.
    """
    version = compiler_settings()["version"]
    names = [file.relative_to(ROOT).as_posix() for file in files]
    wanted = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "metadata"]
    standard_input = compile_input(
        {name: (ROOT / name).read_text(encoding="utf8") for name in sorted(names)},
        {"*": {"*": wanted}},
    )
    output = _compile_cached(version, standard_input)

    artifacts: dict[str, Json] = {}
    for name in names:
        for contract, result in output["contracts"].get(name, {}).items():
            if not result["evm"]["bytecode"]["object"]:
                continue
            if contract in artifacts:
                raise BuildError(f"Two contracts are named {contract}: rename one.")
            artifacts[contract] = {
                "contractName": contract,
                "sourceName": name,
                "abi": result["abi"],
                "bytecode": "0x" + result["evm"]["bytecode"]["object"],
                "deployedBytecode": "0x" + result["evm"]["deployedBytecode"]["object"],
            }
    everything = {name: _source(name) for name in sorted(output["sources"])}
    return artifacts, standard_input | {"sources": everything}


def compile_input(texts: dict[str, str], selection: Json) -> Json:
    """Return the Standard JSON input for texts by file name; imports are read from the project."""
    config = compiler_settings()
    return {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in texts.items()},
        "settings": {
            "remappings": sorted(config["import_remapping"]),
            "optimizer": {"enabled": config["optimize"], "runs": config["optimization_runs"]},
            "evmVersion": config["evm_version"],
            "viaIR": config["via_ir"],
            "outputSelection": selection,
        },
    }


def compile_sources(standard_input: Json, *, cached: bool = False) -> Json:
    """Return the compiler's output whatever it warns of; for changed sources.

    Raises:
      BuildError: an error.
    """
    version = compiler_settings()["version"]
    if cached:
        return _compile_cached(version, standard_input, strict=False)
    return _compile(version, standard_input, strict=False)


def compile_errors(standard_input: Json) -> list[Json]:
    """Return the compiler's errors, as it gives them."""
    output = _run(compiler_settings()["version"], standard_input)
    return [problem for problem in output.get("errors", []) if problem["severity"] == "error"]


def build() -> dict[Path, str]:
    """Return the text of every tracked file that is made from the contracts, by its path."""
    files = sorted(CONTRACTS.rglob("*.sol"))
    artifacts, standard_input = compile_files(files)
    deployable = {
        f"{name}.json": artifact
        for name, artifact in artifacts.items()
        if Path(artifact["sourceName"]).parts[1] not in {"interfaces", "libraries"}
    }
    files_made = {
        ARTIFACTS / name: json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        for name, content in {**deployable, "standard-input.json": standard_input}.items()
    }
    abis = {artifact["contractName"]: artifact["abi"] for artifact in deployable.values()}
    return files_made | {TYPED_EVENTS: typed_events(abis)}


def tracked() -> list[Json]:
    """Return the tracked artifacts of `contracts/`, or none if a source or a setting has changed.

    That they are what the sources compile to is what `--check` shows.
    """
    made_from: Json = json.loads((ARTIFACTS / "standard-input.json").read_text(encoding="utf8"))
    names = [file.relative_to(ROOT).as_posix() for file in CONTRACTS.rglob("*.sol")]
    texts = made_from["sources"]
    if (
        not texts.keys() >= set(names)
        or any(not (ROOT / name).is_file() or _source(name) != texts[name] for name in texts)
        or compile_input({}, made_from["settings"]["outputSelection"])["settings"]
        != made_from["settings"]
    ):
        return []
    files = sorted(ARTIFACTS.glob("*.json"))
    found = [json.loads(file.read_text(encoding="utf8")) for file in files]
    return [each for each in found if "contractName" in each]


def check_foundry() -> None:
    """Compare the compiler settings of `foundry.toml` with those of `ape-config.yaml`.

    Raises:
      BuildError: they differ.
    """
    config = compiler_settings()
    forge = tomllib.loads((ROOT / "foundry.toml").read_text())["profile"]["default"]
    pairs = {
        "evm_version": "evm_version",
        "via_ir": "via_ir",
        "optimizer": "optimize",
        "optimizer_runs": "optimization_runs",
        "remappings": "import_remapping",
    }
    for theirs, ours in pairs.items():
        if forge[theirs] != config[ours]:
            raise BuildError(
                f"foundry.toml has {theirs} = {forge[theirs]!r}, ape-config.yaml has {ours}: "
                f"{config[ours]!r}. Make them equal."
            )


def _source(name: str) -> dict[str, str]:
    return {"content": (ROOT / name).read_text(encoding="utf8")}


def _compile_cached(version: str, standard_input: Json, *, strict: bool = True) -> Json:
    """Return an earlier output for the same input, packages and imported sources, or a new one."""
    key = hashlib.sha256(json.dumps([version, standard_input], sort_keys=True).encode())
    # The lock file stands for the imported packages, so that they need not be read.
    key.update((ROOT / "package-lock.json").read_bytes())
    cached = CACHE / f"{key.hexdigest()}.json"
    if cached.is_file():
        record: Json = json.loads(cached.read_text())
        if all(
            (ROOT / name).is_file() and _sha(name) == sha for name, sha in record["own"].items()
        ):
            output: Json = record["output"]
            return output
    output = _compile(version, standard_input, strict=strict)
    # What was given is part of the key; what was imported is not.
    imported = output["sources"].keys() - standard_input["sources"].keys()
    own = {name: _sha(name) for name in imported if not name.startswith("node_modules/")}
    cached.parent.mkdir(parents=True, exist_ok=True)
    # Renamed into place: another process may read at the same time.
    partial = cached.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps({"own": own, "output": output}))
    partial.replace(cached)
    return output


def _sha(name: str) -> str:
    return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()


def _run(version: str, standard_input: Json) -> Json:
    try:
        executable = get_executable(version)
    except solcx.exceptions.SolcNotInstalled as error:
        raise BuildError(f"solc {version} is not installed: run `make setup`.") from error
    stdout, stderr, _, _ = solcx.wrapper.solc_wrapper(
        solc_binary=executable,
        stdin=json.dumps(standard_input),
        standard_json=True,
        base_path=ROOT,
    )
    if not stdout.strip():
        raise BuildError(f"solc printed no output: {stderr}")
    output: Json = json.loads(stdout)
    return output


def _compile(version: str, standard_input: Json, *, strict: bool) -> Json:
    output = _run(version, standard_input)
    problems = [
        problem["formattedMessage"]
        for problem in output.get("errors", [])
        if problem["severity"] == "error"
        or (
            strict
            and not problem.get("sourceLocation", {}).get("file", "").startswith("node_modules/")
        )
    ]
    if problems:
        raise BuildError("\n".join(problems))
    return output


def main() -> None:
    """Write the artifacts, or with `--check` compare them with the tracked ones."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if stale")
    check = parser.parse_args().check
    try:
        check_foundry()
        wanted = build()
    except BuildError as error:
        sys.exit(str(error))
    tracked = [*ARTIFACTS.glob("*.json"), TYPED_EVENTS]
    present = {file: file.read_text() for file in tracked if file.is_file()}
    stale = sorted(
        file for file in wanted.keys() | present.keys() if wanted.get(file) != present.get(file)
    )
    if check:
        if stale:
            names = ", ".join(file.name for file in stale)
            sys.exit(f"Stale artifacts: {names}. Run `make build` and commit the result.")
        print(f"{len(wanted)} artifacts match the sources")
        return
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    for file in stale:
        if file in wanted:
            file.write_text(wanted[file])
        else:
            file.unlink()
    print(f"{len(wanted)} artifacts, {len(stale)} changed")


if __name__ == "__main__":
    main()
