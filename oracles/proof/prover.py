"""Makes and checks proofs of thresholds: UltraHonk over the circuit in `zk/threshold`."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from oracles.errors import InputError, IntegrityError
from oracles.proof import tools
from oracles.proof.facts import Facts, depth, leaf, root, salt
from oracles.proof.thresholds import Claim, Proof, Thresholds

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Exit code of the solver where the claim is not true of the facts.
_UNTRUE: Final = 3
_EMPTY: Final = Facts(0, 0, 0, 0, 0, 0, 0)


def prove(facts: Sequence[Facts], page_keys: Sequence[bytes], thresholds: Thresholds) -> Proof:
    """Prove that all pages together meet thresholds, without showing anything else of them.

    Args:
        facts: of each page.
        page_keys: key of each page, 32 bytes, from which its salt comes.
        thresholds: to prove.

    Raises:
        InputError: they are not met, or there are too many pages.
        ConfigError: the programs or the points of the set-up are missing.
    """
    levels = depth(len(facts))
    missed = thresholds.missed(Facts.total(facts))
    if missed:
        raise InputError(f"there is no proof of what is not true: {'; '.join(missed)}")
    leaves = [leaf(each, key) for each, key in zip(facts, page_keys, strict=True)]
    claim = Claim(root(leaves), len(facts), thresholds)
    circuit = tools.circuit(levels)
    pages = [_page(each, salt(key), 1) for each, key in zip(facts, page_keys, strict=True)]
    pages += [_page(_EMPTY, 0, 0)] * ((1 << levels) - len(pages))
    inputs = {"pages": pages, **dict(zip(_NAMES, map(hex, claim.inputs), strict=True))}
    with tempfile.TemporaryDirectory(prefix="qmia-proof-") as temporary:
        folder = Path(temporary)
        witness = folder / "witness.gz"
        done = tools.node("witness.mjs", str(circuit), str(witness), stdin=json.dumps(inputs))
        if done.returncode == _UNTRUE:
            raise InputError("there is no proof: the claim is not true of these facts")
        tools.expect(done, "solving the circuit")
        key = tools.verification_key(levels)
        done = tools.bb("prove", b=circuit, w=witness, k=key, o=folder)
        tools.expect(done, "proving")
        return Proof(claim, (folder / "proof").read_bytes())


#: Public inputs in the order of the circuit.
_NAMES: Final = ("root", "count", "min_tokens", "min_clean", "min_metadata", "max_duplicates")


def _page(facts: Facts, salt: int, real: int) -> dict[str, object]:
    numbers = {name: str(value) for name, value in asdict(facts).items()}
    return {"facts": numbers, "salt": hex(salt), "real": str(real)}


def check_proof(proof: Proof, facts: bytes, pages: int, asked: Thresholds) -> None:
    """Check a proof against a manifest and what is asked for. Needs no key of the data.

    Args:
        proof: with its claim.
        facts: root in the manifest, 32 bytes.
        pages: of the data set.
        asked: thresholds that the claim must reach.

    Raises:
        IntegrityError: it is about another data set, claims less, or does not hold.
        ConfigError: the programs or the points of the set-up are missing.
    """
    claim = proof.claim
    if not facts:
        raise IntegrityError("the manifest has no facts that a proof could be about")
    if (claim.facts, claim.pages) != (facts, pages):
        raise IntegrityError("the proof is about another data set")
    if not claim.thresholds.implies(asked):
        raise IntegrityError(f"the proof is of {claim.thresholds}, and {asked} are asked for")
    if not holds(proof):
        raise IntegrityError("the proof does not hold")


def holds(proof: Proof) -> bool:
    """Whether a proof is one of its claim.

    Raises:
        ConfigError: the programs or the points of the set-up are missing.
    """
    try:
        key = tools.verification_key(depth(proof.claim.pages))
    except InputError:
        return False
    with tempfile.TemporaryDirectory(prefix="qmia-proof-") as temporary:
        folder = Path(temporary)
        inputs = b"".join(value.to_bytes(32, "big") for value in proof.claim.inputs)
        (folder / "inputs").write_bytes(inputs)
        (folder / "proof").write_bytes(proof.proof)
        done = tools.bb("verify", k=key, p=folder / "proof", i=folder / "inputs")
    return done.returncode == 0
