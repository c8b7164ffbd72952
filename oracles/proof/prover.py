"""Makes and checks proofs of thresholds: UltraHonk over the circuits in `zk`."""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from oracles.errors import ConfigError, InputError, IntegrityError
from oracles.files import write_file
from oracles.progress import silent
from oracles.proof import facts as rules
from oracles.proof import tools
from oracles.proof.facts import EMPTY, Facts
from oracles.proof.thresholds import Claim, Part, Proof, Thresholds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oracles.progress import Progress
    from oracles.proof.thresholds import Statement

#: Exit code of the solver where the claim is not true of the facts.
_UNTRUE: Final = 3
#: What `bb verify` says of itself, of a proof that holds, and where a file of ours is at fault. All
#: else that it ends on with exit code 1 is about the proof, which may be any bytes.
_STARTS: Final = "Scheme is"
_HOLDS: Final = "Proof verified successfully"
_OURS: Final = ("HTTP", "Unable to open file", "invalid VK", "crs", "bad_alloc")


def prove(
    facts: Sequence[Facts],
    page_keys: Sequence[bytes],
    thresholds: Thresholds,
    *,
    keep: Path | None = None,
    progress: Progress = silent,
) -> Proof:
    """Prove that all pages together meet thresholds, without showing anything else of them.

    Args:
        facts: of each page.
        page_keys: key of each page, 32 bytes, from which its salt comes.
        thresholds: to prove.
        keep: folder for the proofs of parts of a large set, and made for it. Those that are there
            are not made again: they are the same for all thresholds. `forget` deletes them.
        progress: told how many proofs are made.

    Raises:
        InputError: the thresholds are not met, there are too many pages, or a part cannot be kept.
        ConfigError: the programs or the points of the set-up are missing, or are broken.
    """
    sizes, depth = rules.parts(len(facts)), rules.depth(len(facts))
    missed = thresholds.missed(Facts.total(facts))
    if missed:
        raise InputError(f"there is no proof of what is not true: {'; '.join(missed)}")
    leaves = [rules.leaf(each, key) for each, key in zip(facts, page_keys, strict=True)]
    shown = Proof(Claim(rules.root(leaves), len(facts), thresholds), (), b"")
    inputs: dict[str, Any] = {
        "root": _hex(shown.claim.facts),
        "thresholds": {name: str(value) for name, value in asdict(thresholds).items()},
    }
    start = 0
    for number, size in enumerate(sizes):
        progress("proving", number, len(sizes) + 1)
        here = slice(start, start + size)
        kept = keep / f"part-{number}" if keep else None
        part = _part(facts[here], page_keys[here], leaves[here], kept)
        shown, start = replace(shown, parts=(*shown.parts, part)), start + size
    progress("proving", len(sizes), len(sizes) + 1)
    if sizes:
        inputs |= _opened(facts, page_keys, sizes)
        roots, sums = shown.padded
        inputs |= {"roots": [*map(_hex, roots)], "sums": [*map(_hex, sums)]}
    else:
        inputs |= _pages(facts, page_keys, depth)
    return replace(shown, proof=_made(shown.statements[0], inputs))


def forget(keep: Path) -> None:
    """Delete what `prove` kept in a folder, and the folder if nothing else is in it."""
    with contextlib.suppress(OSError):
        for path in keep.glob("part-*"):
            path.unlink()
        keep.rmdir()


def _part(
    facts: Sequence[Facts], page_keys: Sequence[bytes], leaves: Sequence[bytes], kept: Path | None
) -> Part:
    """A part and its proof: the one that was kept, if it holds."""
    salt = rules.part_salt(page_keys)
    root = rules.subroot(leaves, rules.PART_DEPTH)
    part = Part(root, rules.seal(Facts.total(facts), salt), b"")
    if kept and kept.exists():
        try:
            part = replace(part, proof=kept.read_bytes())
        except OSError as error:
            raise InputError(f"cannot read {kept}: {error.strerror or error}") from error
        statement = part.statement(len(facts))
        if _holds(statement, tools.verification_key(statement.circuit)):
            return part
    inputs = _pages(facts, page_keys, rules.PART_DEPTH)
    inputs |= {"salt": hex(salt), "root": _hex(part.root), "sums": _hex(part.sums)}
    part = replace(part, proof=_made(part.statement(len(facts)), inputs))
    if kept:
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_file(kept, part.proof)
        except OSError as error:
            raise InputError(f"cannot write {kept}: {error.strerror or error}") from error
    return part


def _pages(facts: Sequence[Facts], page_keys: Sequence[bytes], depth: int) -> dict[str, Any]:
    """Inputs of a circuit that goes through pages."""
    pages = [
        {"facts": _numbers(each), "salt": hex(rules.salt(key)), "real": "1"}
        for each, key in zip(facts, page_keys, strict=True)
    ]
    empty = {"facts": _numbers(EMPTY), "salt": "0", "real": "0"}
    pages += [empty] * ((1 << depth) - len(pages))
    return {"pages": pages, "count": str(len(facts))}


def _opened(
    facts: Sequence[Facts], page_keys: Sequence[bytes], sizes: Sequence[int]
) -> dict[str, Any]:
    """Inputs of the total: what the sums of the parts hide."""
    opened, salts, start = [], [], 0
    for size in sizes:
        here = slice(start, start + size)
        opened.append(_numbers(Facts.total(facts[here])))
        salts.append(hex(rules.part_salt(page_keys[here])))
        start += size
    rest = rules.room(len(facts)) - len(sizes)
    return {"opened": opened + [_numbers(EMPTY)] * rest, "salts": salts + ["0"] * rest}


def _numbers(facts: Facts) -> dict[str, str]:
    return {name: str(value) for name, value in asdict(facts).items()}


def _hex(word: bytes) -> str:
    return "0x" + word.hex()


def _made(statement: Statement, inputs: dict[str, Any]) -> bytes:
    """Make a proof, and check it.

    Raises:
        InputError: it is not true.
        ConfigError: the programs or the points of the set-up are missing, or are broken.
    """
    circuit = tools.circuit(statement.circuit)
    with tempfile.TemporaryDirectory(prefix="qmia-proof-") as temporary:
        folder = Path(temporary)
        witness = folder / "witness.gz"
        done = tools.node("witness.mjs", str(circuit), str(witness), stdin=json.dumps(inputs))
        if done.returncode == _UNTRUE:
            raise InputError("there is no proof: the claim is not true of these facts")
        tools.expect(done, "solving the circuit")
        key = tools.verification_key(statement.circuit)
        done = tools.bb("prove", b=circuit, w=witness, k=key, o=folder)
        tools.expect(done, "proving")
        proof = (folder / "proof").read_bytes()
    # Damaged points or another program make proofs that hold for nobody, and cost a bond.
    if not _holds(replace(statement, proof=proof), key):
        raise ConfigError(
            "the proof that was made does not hold, so the programs or the points of the set-up are"
            f" damaged: delete {tools.setup_folder()}, run `make zk`, and try again"
        )
    return proof


def check_proof(proof: Proof, facts: bytes, pages: int, asked: Thresholds) -> None:
    """Check a proof against a manifest and what is asked for. Needs no key of the data.

    Args:
        proof: with its claim.
        facts: root in the manifest, 32 bytes.
        pages: of the data set.
        asked: thresholds that the claim must reach.

    Raises:
        IntegrityError: it is about another data set, claims less, or does not hold.
        ConfigError: the programs or the points of the set-up are missing, or are broken.
    """
    claim = proof.claim
    if not facts:
        raise IntegrityError("the manifest has no facts that a proof could be about")
    if (claim.facts, claim.pages) != (facts, pages):
        raise IntegrityError("the proof is about another data set")
    if not claim.thresholds.implies(asked):
        raise IntegrityError(f"the proof is of {claim.thresholds}, and {asked} are asked for")
    if failure := _failure(proof):
        raise IntegrityError(failure)


def holds(proof: Proof) -> bool:
    """Whether a proof is one of its claim.

    Raises:
        ConfigError: the programs or the points of the set-up are missing, or are broken.
    """
    return not _failure(proof)


def _failure(proof: Proof) -> str:
    """What is wrong with a proof; empty if it holds."""
    try:
        statements = proof.statements
    except (InputError, IntegrityError) as error:
        return str(error)
    keys = {name: tools.verification_key(name) for name in {each.circuit for each in statements}}
    for number, each in enumerate(statements):
        if not _holds(each, keys[each.circuit]):
            what = f"part {number} of the proof" if number else "the proof"
            return f"{what} does not hold"
    return ""


def _holds(statement: Statement, key: Path) -> bool:
    with tempfile.TemporaryDirectory(prefix="qmia-proof-") as temporary:
        folder = Path(temporary)
        inputs = b"".join(value.to_bytes(32, "big") for value in statement.inputs)
        (folder / "inputs").write_bytes(inputs)
        (folder / "proof").write_bytes(statement.proof)
        done = tools.bb("verify", k=key, p=folder / "proof", i=folder / "inputs")
    said = done.stderr + done.stdout
    if done.returncode == 0 and _HOLDS in said:
        return True
    ours = done.returncode != 1 or any(word in said for word in _OURS)
    if ours or _STARTS not in said:
        # Nobody's proof is false because a program or a file of ours is broken.
        raise tools.failed(done, "checking a proof")
    return False
