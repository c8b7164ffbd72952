"""No custom error without a test that provokes it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.chain import artifact

#: Errors of libraries that no input can reach, and why.
UNREACHABLE = {
    "ReentrancyGuardReentrantCall": "tested with hostile contracts in tests/attacks",
    "InvalidAccountNonce": "nonces are used, never given",
    "InvalidShortString": "names and versions of the typed data are constants",
    "StringTooLong": "likewise",
    "Create2EmptyBytecode": "likewise",
    "CloneArgumentsTooLong": "clones carry one or two words",
    "InsufficientBalance": "also of Clones: clones are deployed without value",
    "SafeERC20FailedOperation": "tested with hostile tokens in tests/attacks",
    "ERC20InvalidApprover": "OpenZeppelin's, in a token that only inherits it",
    "ERC20InvalidReceiver": "likewise",
    "ERC20InvalidSender": "likewise",
    "ERC20InvalidSpender": "likewise",
    "ERC20InsufficientBalance": "likewise",
    "SafeCastOverflowedUintDowncast": "revenue beyond 2^112 units; tested in tests/attacks",
    "ExpOverflow": "Solady's; any revert of create will do",
    "LnWadUndefined": "a base of 0 is answered before",
}


def test_every_custom_error__of_every_contract__is_provoked_by_a_test() -> None:
    errors = {
        entry["name"]
        for name in ("DataAuction", "ScoreOracle", "MutToken", "DstToken", "DstFactory")
        for entry in artifact(name).abi
        if entry["type"] == "error"
    }
    tests = "".join(
        path.read_text()
        for folder in (Path(__file__).parent, Path(__file__).parents[1] / "attacks")
        for path in sorted(folder.glob("test_*.py"))
        if path != Path(__file__)
    )
    untested = {name for name in errors if not re.search(rf'["\s]{name}["\s(]', tests)}
    assert sorted(untested - UNREACHABLE.keys()) == []
