"""Break the contracts one line at a time and see whether the attack suite notices.

    python -m scripts.mutate [--only WORD]

Each mutant removes or weakens one guard in a copy of the project and runs `tests/attacks` against
it. Exit code 1 if a mutant survives.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from scripts.build import ROOT


class Mutant(NamedTuple):
    """One guard, gone."""

    name: str
    file: str
    old: str
    new: str


AUCTION = "DataAuction.sol"
ORACLE = "ScoreOracle.sol"
BIDS = "libraries/Bids.sol"
CLOCK = "libraries/Clock.sol"

MUTANTS = (
    Mutant("claim without its lock", AUCTION, "address payer, uint256 parts) external nonReentrant {", "address payer, uint256 parts) external {"),
    Mutant("claims not marked", AUCTION, "        _bids[auction][index] = bid | paid;\n", ""),
    Mutant("refund not cleared", AUCTION, "        (a.refund, a.buyerMut) = (0, 0);\n", ""),
    Mutant("settlement without scores", AUCTION, "if (progress.revealed == 0 && progress.unrevealed != 0", "if (false && progress.unrevealed != 0"),
    Mutant("payer not signed", AUCTION, "                msg.sender,\n                _useNonce", "                owner,\n                _useNonce"),
    Mutant("nonce reused", AUCTION, "_useNonce(owner)", "nonces(owner)"),
    Mutant("deadline ignored", AUCTION, "if (block.timestamp > deadline) revert SignatureExpired(deadline);", ""),
    Mutant("amount received ignored", AUCTION, "if (received != terms.budget) revert", "if (false) revert"),
    Mutant("rogue key", AUCTION, "if (signer != keyAddress) revert", "if (false) revert"),
    Mutant("any owner", AUCTION, "if (bid >> 152 != Bids.tag(auction, index, owner, payer)) revert NotTheOwner(auction, index);", ""),
    Mutant("reveal at the deadline", AUCTION, "block.timestamp >= to) revert OutOfPhase", "block.timestamp > to) revert OutOfPhase"),
    Mutant("marginals that do not stand", AUCTION, "if (!bid.stands()) revert MarginalInvalid(marginal);", ""),
    Mutant("unused marginal", AUCTION, "if (!o.split && unflagged.next != 0) revert MarginalInvalid(marginals.unflagged);", ""),
    Mutant("one cursor for all proposals", AUCTION, "keccak256(abi.encode(auction, marginals));", "keccak256(abi.encode(auction));"),
    Mutant("bonus stays", AUCTION, "(uint256(a.claimBondGwei) + a.price.bonusGwei)", "uint256(a.claimBondGwei)"),
    Mutant("all forfeits to settlers", AUCTION, "o.revealed == 0 ? 0 :", "true ? 0 :"),
    Mutant("stranger withdraws", AUCTION, "if (msg.sender != a.buyer) revert NotTheBuyer(msg.sender);", ""),
    Mutant("failed transfer ignored", AUCTION, "if (!ok) revert TransferFailed(to, amount);", ""),
    Mutant("abort at any time", AUCTION, "if (block.timestamp < a.settleEnd && !ORACLE.failed(address(this), auction)) revert ScoresStanding();", ""),
    Mutant("seal without owner", AUCTION, "abi.encode(block.chainid, address(this), auction, owner, cost, salt)", "abi.encode(block.chainid, address(this), auction, cost, salt)"),
    Mutant("seal without auction", AUCTION, "abi.encode(block.chainid, address(this), auction, owner, cost, salt)", "abi.encode(block.chainid, address(this), owner, cost, salt)"),
    Mutant("commitment keeps its low byte", BIDS, "& ~uint256(0xff)) | COMMITTED", ") | COMMITTED"),
    Mutant("tie to the later bid", CLOCK, "lt(index, mload(add(walk, 0x40)))", "gt(index, mload(add(walk, 0x40)))"),
    Mutant("too few winners pass", CLOCK, "if (walk.loserCost * (total + walk.loserWeight) <= budget * walk.loserWeight) {", "if (false) {"),
    Mutant("too many winners pass", CLOCK, "walk.cost * total > budget * walk.weight", "false"),
    Mutant("price above the loser's", CLOCK, "budget * walk.loserWeight < walk.loserCost * total", "true"),
    Mutant("vector commitment without operator", ORACLE, "if (commitment != keccak256(abi.encode(digest, operator, s.salt))) revert NotTheCommitment(s.member);", ""),
    Mutant("report of any signer", ORACLE, "if (signer != operator) revert SignerMismatch(s.member, signer);", ""),
    Mutant("chosen subset", ORACLE, "if (mask != due) revert WrongMembers(mask, due);", ""),
    Mutant("no threshold", ORACLE, "if (submissions.length < threshold) revert NoQuorum(submissions.length, threshold);", ""),
    Mutant("doubled signers", ORACLE, "if (i != 0 && members[i] <= members[i - 1]) revert MembersUnordered(i);\n            address signer", "address signer"),
    Mutant("bonds not locked", ORACLE, "if (block.timestamp < o.lockedUntil) revert BondLocked(o.lockedUntil);", ""),
    Mutant("equivocation with itself", ORACLE, "            digestA == digestB ||\n", ""),
    Mutant("absence slashed twice", ORACLE, "r.slashed |= uint32(bit);", ""),
    Mutant("credit kept", ORACLE, "        credit[msg.sender] = 0;\n", ""),
    Mutant("mean instead of median", "libraries/Medians.sol", "shr(1, sub(n, 1))", "sub(n, 1)"),
    Mutant("revenue claimed twice", "MutToken.sol", "        account.checkpoint = _revenue;\n        _settled[holder] = 0;\n", ""),
    Mutant("revenue recounted", "MutToken.sol", "        _paid += uint112(amount);\n", ""),
)  # fmt: skip


def copy_project(folder: Path) -> None:
    """Copy what the tests need; link the packages."""
    for name in ("contracts", "oracles", "scripts", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("ape-config.yaml", "foundry.toml", "package-lock.json", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    # What is left of a weakened line may well be a warning.
    build = folder / "scripts" / "build.py"
    strict = build.read_text()
    lax = strict.replace("        or not problem.get(", "        and not problem.get(")
    build.write_text(lax)
    (folder / "node_modules").symlink_to(ROOT / "node_modules")


def survives(mutant: Mutant, folder: Path) -> bool:
    """Whether all attacks still fail against the mutant.

    Raises:
        SystemExit: its line is not in the contract any more.
    """
    file = folder / "contracts" / mutant.file
    source = file.read_text()
    if source.count(mutant.old) != 1:
        sys.exit(f"{mutant.name}: {mutant.file} has its line {source.count(mutant.old)} times")
    file.write_text(source.replace(mutant.old, mutant.new))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "tests/attacks"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    file.write_text(source)
    if "BuildError" in run.stdout:
        sys.exit(f"{mutant.name}: does not compile\n{run.stdout[-2000:]}")
    return run.returncode == 0


def main() -> None:
    """Try every mutant and print its fate."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", default="", help="mutants whose name contains this")
    word = parser.parse_args().only
    survivors, tried = [], 0
    with tempfile.TemporaryDirectory(prefix="qmia-mutants-") as folder:
        copy_project(Path(folder))
        for mutant in MUTANTS:
            if word not in mutant.name:
                continue
            tried += 1
            alive = survives(mutant, Path(folder))
            survivors += [mutant.name] if alive else []
            print(f"{'SURVIVES' if alive else 'killed'}  {mutant.name}", flush=True)
    print(f"{tried - len(survivors)} of {tried} killed")
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
