"""Symbolic checks of the contracts' arithmetic with halmos: every value within the stated widths.

    python -m scripts.symbolic [--contract NAME] [--broken] [--seconds 120]

`tests/symbolic` holds the checks. halmos wants versions of its own of packages the project uses, so it
gets an environment of its own in `.build/halmos`. With `--broken` each check meets a contract that
was broken on purpose, and must fail. Exit code 1 if anything comes out otherwise, or undecided.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

from scripts.build import ROOT, compiler_settings

HALMOS: Final = "halmos==0.3.3"
ENVIRONMENT: Final = ROOT / ".build" / "halmos"
_RESULT: Final = re.compile(r"\[(PASS|FAIL|TIMEOUT|ERROR|SKIP)\]\S* (check_\w+)")


class Broken(NamedTuple):
    """In `file`, `old` becomes `new`, and the checks of `contract` named by `checks` must fail."""

    contract: str
    checks: str
    file: str
    old: str
    new: str


BROKEN: Final = (
    Broken("Packing", "check_bid", "types/Bid.sol", "(Bid.unwrap(bid) >> 72)", "(Bid.unwrap(bid) >> 73)"),
    Broken("Packing", "check_marks", "types/Bid.sol", "(Bid.unwrap(bid) >> 8)", "(Bid.unwrap(bid) >> 7)"),
    Broken("Packing", "check_commitment", "types/Bid.sol", "(hash & ~uint256(0xff))", "hash"),
    Broken("Packing", "check_delivery", "types/Bid.sol", "& ~COST_MASK) |", ") |"),
    Broken("Packing", "check_order", "types/Bid.sol", "indexA > indexB", "indexA >= indexB + 2"),
    Broken("Packing", "check_roll", "libraries/Roll.sol", "16 - least", "15 - least"),
    Broken("Packing", "check_score", "libraries/Scores.sol", "(score >> 46) & 0x3fff", "(score >> 46) & 0x1fff"),
    Broken("Packing", "check_median", "libraries/Medians.sol", "shr(1, sub(n, 1))", "sub(n, 1)"),
    Broken("ClockCertificate", "check_oneBid", "libraries/Clock.sol", "walk.cost * total > budget", "walk.cost * total >= budget"),
    Broken("ClockCertificate", "check_twoBids", "libraries/Clock.sol", "lt(index, mload", "gt(index, mload"),
    Broken("ClockCertificate", "check_threeBids", "libraries/Clock.sol", "or(iszero(loser), lt(a, b))", "or(iszero(loser), gt(a, b))"),
    Broken("DstRounding", "check_share", "DstToken.sol", "(level / p.levelDen, level", "(level / p.levelDen + 1, level"),
    Broken("DstRounding", "check_remainders", "DstToken.sol", "level % p.levelDen, true", "level, true"),
    Broken("DstRounding", "check_check", "DstToken.sol", "p.capped && p.issued <= t.supply", "p.capped"),
    Broken("DstRounding", "check_roundsUp", "DstToken.sol", "index <= p.tieIndex", "index >= p.tieIndex"),
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


def run(
    root: Path, seconds: int, contract: str = "", checks: str = "check_", *extra: str
) -> tuple[dict[str, str], str]:
    """Run checks in a project folder; return the outcome of each, and what halmos printed."""
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
    command += extra
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    text = done.stdout + done.stderr
    return {name: outcome for outcome, name in _RESULT.findall(text)}, text


def broken(case: Broken, seconds: int) -> tuple[dict[str, str], str]:
    """Run a case's checks in a copy of the project with its change.

    Raises:
        SystemExit: the line to change is not there.
    """
    with tempfile.TemporaryDirectory(prefix="qmia-symbolic-") as name:
        folder = Path(name)
        shutil.copytree(ROOT / "contracts", folder / "contracts")
        shutil.copytree(ROOT / "tests" / "symbolic", folder / "tests" / "symbolic")
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
    prepare()
    began = time.monotonic()
    good = True
    if args.broken:
        for case in BROKEN:
            if args.contract not in case.contract:
                continue
            outcomes, text = broken(case, args.seconds)
            good &= _print(case.contract, outcomes, text, wanted="FAIL")
    else:
        outcomes, text = run(ROOT, args.seconds, args.contract)
        good = _print(args.contract or "all", outcomes, text, wanted="PASS")
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(0 if good else 1)


def _print(contract: str, outcomes: dict[str, str], text: str, *, wanted: str) -> bool:
    if not outcomes:
        print(text)
    for name, outcome in outcomes.items():
        note = "" if outcome == wanted else f"  but {wanted} was wanted"
        print(f"{contract:12} {name:52} {outcome}{note}", flush=True)
    return bool(outcomes) and all(outcome == wanted for outcome in outcomes.values())


if __name__ == "__main__":
    main()
