"""Symbolic checks of the contracts' arithmetic with halmos: every value within the stated widths.

    python -m scripts.symbolic [--contract NAME] [--broken] [--seconds 120]

`tests/symbolic` holds the checks. halmos wants versions of its own of packages the project uses, so it
gets an environment of its own in `.build/halmos`. With `--broken` each check meets a contract that
was broken on purpose, and must fail. Every check that is declared must come out as it should: exit
code 1 if one is undecided, cut off by the bound of loops, or was not run, and if halmos broke off.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from scripts.build import ROOT, compiler_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HALMOS: Final = "halmos==0.3.3"
ENVIRONMENT: Final = ROOT / ".build" / "halmos"
CHECKS: Final = ROOT / "tests" / "symbolic"
#: By halmos' exit code of a check.
OUTCOMES: Final = ("passes", "fails", "timeout", "stuck", "reverts on all paths", "error")
CUT_OFF: Final = "loops cut off"
NOT_RUN: Final = "not run"
_DECLARED: Final = re.compile(r"^\s*(?:contract (\w+)|function (check_\w+))", re.MULTILINE)


class Check(NamedTuple):
    """A function of a contract in `tests/symbolic`."""

    contract: str
    name: str


class Run(NamedTuple):
    """What halmos did: the outcome of each check, its exit code, and what it printed."""

    outcomes: dict[Check, str]
    code: int
    text: str


class Broken(NamedTuple):
    """In `file`, `old` becomes `new`, and the checks of `contract` named by `checks` must fail."""

    contract: str
    checks: str
    file: str
    old: str
    new: str

    def meets(self, check: Check) -> bool:
        """Whether it must fail."""
        return check.contract == self.contract and check.name.startswith(self.checks)


BROKEN: Final = (
    Broken("Packing", "check_bid", "types/Bid.sol", "(Bid.unwrap(bid) >> 72)", "(Bid.unwrap(bid) >> 73)"),
    Broken("Packing", "check_marks", "types/Bid.sol", "(Bid.unwrap(bid) >> 8)", "(Bid.unwrap(bid) >> 7)"),
    Broken("Packing", "check_commitment", "types/Bid.sol", "(hash & ~uint256(0xff))", "hash"),
    Broken("Packing", "check_delivery", "types/Bid.sol", "& ~COST_MASK) |", ") |"),
    Broken("Packing", "check_order", "types/Bid.sol", "indexA > indexB", "indexA >= indexB + 2"),
    Broken("Packing", "check_roll", "libraries/Roll.sol", "start = 16 - least", "start = 15 - least"),
    Broken("Packing", "check_score", "libraries/Scores.sol", "(score >> 46) & 0x3fff", "(score >> 46) & 0x1fff"),
    Broken("Packing", "check_median", "libraries/Medians.sol", "shr(1, sub(n, 1))", "sub(n, 1)"),
    Broken("ClockCertificate", "check_oneBid", "libraries/Clock.sol", "walk.cost * total > budget", "walk.cost * total >= budget"),
    Broken("ClockCertificate", "check_twoBids", "libraries/Clock.sol", "lt(index, mload", "gt(index, mload"),
    Broken("ClockCertificate", "check_threeBids", "libraries/Clock.sol", "or(iszero(loser), lt(a, b))", "or(iszero(loser), gt(a, b))"),
    Broken("DstRounding", "check_share", "DstToken.sol", "(level / proposal.levelDen, level", "(level / proposal.levelDen + 1, level"),
    Broken("DstRounding", "check_remainders", "DstToken.sol", "level % proposal.levelDen, true", "level, true"),
    Broken("DstRounding", "check_check", "DstToken.sol", "progress.capped && progress.issued <= terms.supply", "progress.capped"),
    Broken("DstRounding", "check_roundsUp", "DstToken.sol", "index <= proposal.tieIndex", "index >= proposal.tieIndex"),
    Broken("MutAccrual", "check_transfer_leaves", "MutToken.sol", "        _settle(to);\n", ""),
    Broken("MutAccrual", "check_transfer_toOneself", "MutToken.sol", "_accounts[to].balance += uint96(amount)", "_accounts[to].balance = uint96(balance + amount)"),
    Broken("MutAccrual", "check_claims", "MutToken.sol", "_accounts[holder].checkpoint = _revenue;", ""),
    Broken("MutAccrual", "check_mint", "MutToken.sol", "(amount * _revenue) / _supply", "0"),
)  # fmt: skip


def prepare() -> None:
    """Make halmos' environment, once."""
    if (ENVIRONMENT / "bin" / "halmos").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
    subprocess.run([str(ENVIRONMENT / "bin" / "pip"), "-q", "install", HALMOS], check=True)


def declared() -> list[Check]:
    """All checks of the sources, in their order."""
    found: list[Check] = []
    for file in sorted(CHECKS.glob("*.t.sol")):
        contract = ""
        for opened, check in _DECLARED.findall(file.read_text()):
            contract = opened or contract
            if check:
                found.append(Check(contract, check))
    return found


def outcomes(results: Mapping[str, Iterable[Mapping[str, Any]]]) -> dict[Check, str]:
    """Read `test_results` of halmos' JSON.

    A check that passes on the paths that it saw, and saw not all of them, does not pass.
    """
    found: dict[Check, str] = {}
    for contract, checks in results.items():
        for each in checks:
            code = each["exitcode"]
            outcome = OUTCOMES[code] if code < len(OUTCOMES) else f"unknown code {code}"
            if outcome == OUTCOMES[0] and each["num_bounded_loops"] != 0:
                outcome = CUT_OFF
            found[Check(contract.rpartition(":")[2], each["name"].partition("(")[0])] = outcome
    return found


def compare(done: Run, due: Iterable[Check], *, fail: bool = False) -> tuple[list[str], bool]:
    """A line for each check that was due or was run, and whether all is as it should be.

    Args:
        done: the run.
        due: checks that must be in it.
        fail: the checks must find a counterexample, else they must pass.
    """
    wanted = OUTCOMES[1 if fail else 0]
    all_outcomes = dict.fromkeys(due, NOT_RUN) | done.outcomes
    lines = []
    for check, outcome in all_outcomes.items():
        note = "" if outcome == wanted else f": {wanted!r} was wanted"
        lines.append(f"{check.contract:16} {check.name:46} {outcome}{note}")
    right = sum(outcome == wanted for outcome in all_outcomes.values())
    good = 0 < right == len(all_outcomes) and done.code == (1 if fail else 0)
    lines.append(f"{right} of {len(all_outcomes)}, halmos ended with {done.code}")
    return lines, good


def run(root: Path, seconds: int, contract: str = "", checks: str = "check_", *extra: str) -> Run:
    """Run checks in a project folder."""
    version = compiler_settings()["version"]
    binaries = [ENVIRONMENT / "bin", ROOT / "node_modules" / ".bin"]
    solcs = Path(os.environ.get("SOLCX_BINARY_PATH", Path.home() / ".solcx"))
    environment = os.environ | {
        "PATH": os.pathsep.join([*map(str, binaries), os.environ["PATH"]]),
        "FOUNDRY_PROFILE": "symbolic",
        "FOUNDRY_SOLC": str(solcs / f"solc-v{version}"),
    }
    command = ["halmos", "--root", str(root), "--forge-build-out", ".build/symbolic"]
    command += ["--function", checks, "--loop", "16"]
    command += ["--solver-timeout-assertion", str(seconds * 1000)]
    command += ["--contract", contract] if contract else []
    with tempfile.TemporaryDirectory(prefix="qmia-halmos-") as folder:
        file = Path(folder) / "results.json"
        done = subprocess.run(
            [*command, "--json-output", str(file), *extra],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        # It is not there if halmos broke off before the first check.
        results = json.loads(file.read_text())["test_results"] if file.is_file() else {}
    return Run(outcomes(results or {}), done.returncode, done.stdout + done.stderr)


def broken(case: Broken, seconds: int) -> Run:
    """Run a case's checks in a copy of the project with its change.

    Raises:
        SystemExit: the line to change is not there.
    """
    with tempfile.TemporaryDirectory(prefix="qmia-symbolic-") as name:
        folder = Path(name)
        shutil.copytree(ROOT / "contracts", folder / "contracts")
        (folder / "tests" / "symbolic").mkdir(parents=True)
        for each in CHECKS.glob("*.sol"):
            # Other contracts' checks would only take time to compile.
            if each.name == "Vm.sol" or f"\ncontract {case.contract} " in each.read_text():
                shutil.copy(each, folder / "tests" / "symbolic")
        shutil.copy(ROOT / "foundry.toml", folder)
        (folder / "node_modules").symlink_to(ROOT / "node_modules")
        file = folder / "contracts" / case.file
        text = file.read_text()
        if text.count(case.old) != 1:
            sys.exit(f"{case.file} has {case.old!r} {text.count(case.old)} times")
        file.write_text(text.replace(case.old, case.new))
        return run(folder, seconds, case.contract, case.checks, "--early-exit")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--contract", default="", help="of tests/symbolic (all)")
    parser.add_argument(
        "--broken", action="store_true", help="checks must fail on broken contracts"
    )
    parser.add_argument("--seconds", type=int, default=120, help="for one question (120)")
    args = parser.parse_args()
    due = [check for check in declared() if args.contract in {"", check.contract}]
    if not due:
        parser.error(f"no checks of {args.contract}")
    prepare()
    began = time.monotonic()
    good = True
    if args.broken:
        for case in BROKEN:
            mine = [each for each in due if case.meets(each)]
            if mine:
                good &= _print(broken(case, args.seconds), mine, fail=True)
        for left in due:
            if not any(case.meets(left) for case in BROKEN):
                print(f"{left.contract} {left.name} is never broken")
                good = False
    else:
        good = _print(run(ROOT, args.seconds, args.contract), due)
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(0 if good else 1)


def _print(done: Run, due: Iterable[Check], *, fail: bool = False) -> bool:
    lines, good = compare(done, due, fail=fail)
    if not done.outcomes:
        print(done.text)
    print("\n".join(lines), flush=True)
    return good


if __name__ == "__main__":
    main()
